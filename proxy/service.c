/* The service manager; see service.h. Its socket stays open: a sandbox may come in between. */
#include "proxy/service.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/endpoint/inherit.h"

enum { SERVICE_FIRST_FD = 3 };

/* Until it has room to hear that we are ready; after that it hears nothing that we wait for. */
static const struct timeval service_wait = {.tv_sec = 10};

static int service_fd = -1; /* connected; -1: nobody wants to know */
static int64_t service_watchdog_us;
static int service_fds[ADDRESS_LIST_MAX];
static size_t service_fd_count;

/* A variable that is a number, or 0. */
static long long service_number(const char *name)
{
	const char *text = getenv(name);

	return text != NULL ? strtoll(text, NULL, 10) : 0;
}

/* Whether what a variable names is meant for us: it may be inherited from who was. */
static bool service_is_ours(const char *pid_name)
{
	return getenv(pid_name) == NULL || service_number(pid_name) == (long long)getpid();
}

static void service_connect(const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	size_t size = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || size >= sizeof name.sun_path)
		return;
	memcpy(name.sun_path, path, size);
	if (path[0] == '@') /* an abstract one */
		name.sun_path[0] = '\0';
	service_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (service_fd < 0)
		return;
	if (connect(service_fd, (struct sockaddr *)&name,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)) == 0 &&
		setsockopt(service_fd, SOL_SOCKET, SO_SNDTIMEO, &service_wait,
			sizeof service_wait) == 0)
		return;
	(void)close(service_fd); /* nothing was sent over it */
	service_fd = -1;
}

static void service_take_sockets(void)
{
	long long count = service_number("LISTEN_FDS"), i;
	int on, fd;

	for (i = 0; i < count && i < ADDRESS_LIST_MAX; i++) {
		socklen_t size = sizeof on;

		fd = SERVICE_FIRST_FD + (int)i;
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) != 0 || on == 0 ||
			fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
			fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
			continue; /* nobody can come by that one */
		inherit_forget(fd);
		service_fds[service_fd_count++] = fd;
	}
}

void service_take(void)
{
	static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
		"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t i;

	if (path != NULL)
		service_connect(path);
	if (service_fd != -1 && service_is_ours("WATCHDOG_PID"))
		service_watchdog_us = service_number("WATCHDOG_USEC");
	if (getenv("LISTEN_PID") != NULL && service_is_ours("LISTEN_PID"))
		service_take_sockets(); /* whose else 3 would be is not said */
	for (i = 0; i < sizeof names / sizeof *names; i++)
		(void)unsetenv(names[i]); /* a good name: cannot fail */
}

size_t service_sockets(int fds[ADDRESS_LIST_MAX])
{
	size_t count = service_fd_count;

	memcpy(fds, service_fds, count * sizeof *fds);
	service_fd_count = 0;
	return count;
}

static void service_send(const char *state, int flags)
{
	if (service_fd != -1) /* or it is not told */
		(void)send(service_fd, state, strlen(state), MSG_NOSIGNAL | flags);
}

void service_tell_ready(void)
{
	service_send("READY=1", 0);
}

void service_tell(const char *state)
{
	service_send(state, MSG_DONTWAIT);
}

int64_t service_watchdog_ms(void)
{
	return service_watchdog_us > 0 ? service_watchdog_us / 1000 : 0;
}

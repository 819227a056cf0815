/*
 * Listeners; see listener.h. Running out of descriptors is met without spinning: accepting stops
 * until a session has given some back, or the loop's ticker has come round, which always does.
 */
#include "proxy/listener.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "config/config.h"
#include "proxy/endpoint/child.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/life.h"
#include "proxy/service.h"
#include "proxy/sockets.h"
#include "proxy/stream/tls_context.h"

#define LISTENER_FILES_RESERVE 12 /* descriptors: the collector's, pipes of a starting command */
#define LISTENER_RENEW_NS      1000000000ull /* between two looks at the certificate's files */
#define LISTENER_FILES_GUESS   16            /* open ones, where /proc does not tell */

struct listener {
	struct loop *loop;         /* borrowed */
	const struct route *route; /* borrowed */
	struct sockets sockets;
	struct event *events[ADDRESS_LIST_MAX]; /* owned; one for each socket */
	size_t files_max;                       /* sessions that the descriptors allow */
	bool paused;
	uint64_t renewed_ns; /* when the certificate's files were last looked at */
};

/* ---- accepting ---- */

/* A command whose client has left is still a process. */
static bool listener_is_full(const struct listener *listener)
{
	const struct loop *loop = listener->loop;
	size_t count = loop->guest_count;

	if (listener->route->command != NULL)
		count += (size_t)children_left(loop->children);
	return count >= listener->files_max || count >= (size_t)loop->config->connections_max;
}

static void listener_pause(struct listener *listener, const char *why)
{
	size_t i;

	if (listener->paused)
		return;
	listener->paused = true;
	listener->loop->counters.accept_pauses++;
	log_line(LOG_WARN, "accepting pauses: %s (%zu connections)", why,
		listener->loop->guest_count);
	for (i = 0; i < listener->sockets.count; i++)
		(void)event_del(listener->events[i]); /* they were set up, so this cannot fail */
}

void listener_resume(struct listener *listener)
{
	size_t i;

	if (!listener->paused || listener_is_full(listener))
		return;
	for (i = 0; i < listener->sockets.count; i++) {
		if (event_add(listener->events[i], NULL) == 0)
			continue;
		/* UNTESTED: it has been in the loop before, so that no memory is needed. */
		log_line(LOG_ERROR, "cannot accept yet: %s", strerror(errno));
		return;
	}
	listener->paused = false;
}

/* Whether accept() failed for want of something that ending sessions give back. */
static bool listener_is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void listener_renew(struct listener *listener)
{
	struct loop *loop = listener->loop;
	char error[LOG_LINE_MAX / 2];

	listener->renewed_ns = loop->now_ns;
	switch (tls_context_renew(listener->route->client_tls, error, sizeof error)) {
	case 0:
		break;
	case 1:
		loop->counters.certificates_renewed++;
		log_line(LOG_INFO, "the certificate has changed and is used from now on");
		break;
	default:
		log_line(LOG_ERROR, "the changed certificate is not used: %s", error);
		break;
	}
}

static void listener_take(struct listener *listener, int fd)
{
	loop_clock(listener->loop);
	if (listener->route->client_tls != NULL &&
		listener->loop->now_ns - listener->renewed_ns >= LISTENER_RENEW_NS)
		listener_renew(listener);
	(void)life_accept(listener->loop, listener->route, fd); /* it tells of its failures */
}

static const char *listener_limit_name(const struct listener *listener)
{
	return listener->files_max < (size_t)listener->loop->config->connections_max
		       ? "the limit of open files allows no more"
		       : "connections.max is reached";
}

/*
 * One connection a wake-up: the loop says if there are more, an accept() that finds nobody costs
 * each of those that come one by one.
 */
static void listener_on_ready(int fd, short what, void *arg)
{
	struct listener *listener = arg;
	int accepted;

	(void)what;
	if (listener_is_full(listener)) {
		listener_pause(listener, listener_limit_name(listener));
		return;
	}
	accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (accepted >= 0)
		listener_take(listener, accepted);
	else if (listener_is_shortage(errno))
		listener_pause(listener, strerror(errno));
}

/* ---- opening ---- */

static size_t listener_open_files(void)
{
	DIR *list = opendir("/proc/self/fd");
	size_t count = 0;

	if (list == NULL)
		return LISTENER_FILES_GUESS;
	while (readdir(list) != NULL)
		count++;
	(void)closedir(list); /* it was only read */
	return count;
}

/*
 * How many sessions there may be: a client is accepted only when there are descriptors for its
 * backend too, and some are kept in reserve for the exporter and for starting commands.
 */
static size_t listener_files_max(const struct listener *listener)
{
	size_t each = listener->route->command != NULL ? 3 : 2;
	size_t taken = listener_open_files() + LISTENER_FILES_RESERVE;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return SIZE_MAX;
	return limit.rlim_cur > taken + each ? (limit.rlim_cur - taken) / each : 1;
}

/* Accepted sockets have of TCP what the listening one has: that saves two calls for each. */
static void listener_set_options(const struct listener *listener, int fd)
{
	int on = 1;

	if (listener->sockets.path != NULL)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* else only slower */
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on); /* else only later */
}

static int listener_watch(struct listener *listener)
{
	struct event *event;
	size_t i;

	for (i = 0; i < listener->sockets.count; i++) {
		listener_set_options(listener, listener->sockets.fds[i]);
		event = event_new(listener->loop->base, listener->sockets.fds[i],
			EV_READ | EV_PERSIST, listener_on_ready, listener);
		listener->events[i] = event;
		if (event == NULL || event_add(event, NULL) != 0)
			return -1;
	}
	return 0;
}

struct listener *listener_new(
	struct loop *loop, const struct route *route, char *error, size_t error_size)
{
	struct listener *listener = calloc(1, sizeof *listener);
	int fds[ADDRESS_LIST_MAX];
	size_t count;

	(void)snprintf(error, error_size, "listen: out of memory");
	if (listener == NULL)
		return NULL;
	listener->loop = loop;
	listener->route = route;
	count = service_sockets(fds);
	if ((count > 0 ? sockets_adopt(&listener->sockets, &loop->config->listen_url, fds, count,
				 loop->config->allow_remote, error, error_size)
		       : sockets_open(&listener->sockets, &loop->config->listen_url, "listen",
				 loop->config->allow_remote, error, error_size)) != 0) {
		listener_free(listener);
		return NULL;
	}
	if (listener_watch(listener) != 0) {
		(void)snprintf(error, error_size, "listen: out of memory");
		listener_free(listener);
		return NULL;
	}
	listener->files_max = listener_files_max(listener);
	return listener;
}

void listener_describe(const struct listener *listener, char *text, size_t size)
{
	sockets_describe(&listener->sockets, text, size);
}

void listener_free(struct listener *listener)
{
	size_t i;

	if (listener == NULL)
		return;
	for (i = 0; i < listener->sockets.count; i++)
		if (listener->events[i] != NULL)
			event_free(listener->events[i]);
	sockets_close(&listener->sockets);
	free(listener);
}

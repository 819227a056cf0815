/*
 * Listeners; see listener.h. Running out of descriptors is met without spinning: accepting stops
 * until a session has given some back, or the loop's ticker has come round, which always does.
 */
#include "proxy/listener.h"

#include <assert.h>
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
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "proxy/address.h"
#include "proxy/endpoint/child.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/life.h"
#include "proxy/stream/tls_context.h"

#define LISTENER_BATCH         64 /* connections accepted in one wake-up */
#define LISTENER_FILES_RESERVE 12 /* descriptors: the collector's, pipes of a starting command */
#define LISTENER_RENEW_NS      1000000000ull /* between two looks at the certificate's files */
#define LISTENER_FILES_GUESS   16            /* open ones, where /proc does not tell */

struct listener {
	struct loop *loop;                      /* borrowed */
	const struct route *route;              /* borrowed */
	struct event *events[ADDRESS_LIST_MAX]; /* owned, with their descriptors */
	size_t count;
	size_t sessions_max; /* connections.max, or what the descriptors allow */
	bool paused;
	uint64_t renewed_ns; /* when the certificate's files were last looked at */
	char *path;          /* owned; of the Unix socket that is ours to remove */
	dev_t device;
	ino_t inode;
};

/* ---- accepting ---- */

/* A command whose client has left is still a process. */
static bool listener_is_full(const struct listener *listener)
{
	const struct loop *loop = listener->loop;
	size_t count = loop->guest_count;

	if (listener->route->command != NULL)
		count += (size_t)children_left(loop->children);
	return count >= listener->sessions_max;
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
	for (i = 0; i < listener->count; i++)
		(void)event_del(listener->events[i]); /* they were set up, so this cannot fail */
}

void listener_resume(struct listener *listener)
{
	size_t i;

	if (!listener->paused || listener_is_full(listener))
		return;
	for (i = 0; i < listener->count; i++) {
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
	int on = 1;

	if (listener->path == NULL) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* only slower */
		(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on); /* only later */
	}
	loop_clock(listener->loop);
	if (listener->route->client_tls != NULL &&
		listener->loop->now_ns - listener->renewed_ns >= LISTENER_RENEW_NS)
		listener_renew(listener);
	(void)life_accept(listener->loop, listener->route, fd); /* it tells of its failures */
}

static const char *listener_limit_name(const struct listener *listener)
{
	return listener->sessions_max < (size_t)listener->loop->config->connections_max
		       ? "the limit of open files allows no more"
		       : "connections.max is reached";
}

static void listener_on_ready(int fd, short what, void *arg)
{
	struct listener *listener = arg;
	int i, accepted;

	(void)what;
	for (i = 0; i < LISTENER_BATCH; i++) {
		if (listener_is_full(listener)) {
			listener_pause(listener, listener_limit_name(listener));
			return;
		}
		accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (accepted >= 0) {
			listener_take(listener, accepted);
			continue;
		}
		if (listener_is_shortage(errno))
			listener_pause(listener, strerror(errno));
		else if (errno == ECONNABORTED || errno == EINTR)
			continue;
		return;
	}
}

/* ---- Unix sockets ---- */

/* Whether somebody accepts connections at the path. */
static bool listener_path_is_live(const struct address *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool live;

	if (fd < 0)
		return true; /* unknown: do not take it away from anybody */
	live = connect(fd, (const struct sockaddr *)&address->storage, address->size) == 0 ||
	       errno != ECONNREFUSED;
	(void)close(fd); /* nothing was sent over it */
	return live;
}

/* Removes the socket file of somebody who is gone; anything else stays. */
static int listener_clear_path(const char *path, const struct address *address)
{
	struct stat is;

	if (lstat(path, &is) != 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(is.st_mode) || listener_path_is_live(address)) {
		errno = EADDRINUSE;
		return -1;
	}
	return unlink(path);
}

static int listener_bind_path(
	struct listener *listener, int fd, const struct address *address, const char *path)
{
	struct stat is;
	mode_t mask;
	int failed;

	assert(listener->path == NULL);
	if (listener_clear_path(path, address) != 0)
		return -1;
	mask = umask(0177); /* the file is 0600 from its first moment */
	failed = bind(fd, (const struct sockaddr *)&address->storage, address->size);
	(void)umask(mask); /* always succeeds */
	if (failed != 0 || lstat(path, &is) != 0)
		return -1;
	listener->path = strdup(path);
	listener->device = is.st_dev;
	listener->inode = is.st_ino;
	return listener->path != NULL ? 0 : -1;
}

static void listener_remove_path(const struct listener *listener)
{
	struct stat is;

	if (listener->path == NULL || lstat(listener->path, &is) != 0)
		return;
	if (is.st_dev == listener->device && is.st_ino == listener->inode)
		(void)unlink(listener->path); /* the directory may have been taken away */
}

/* ---- opening ---- */

static int listener_bind(struct listener *listener, int fd, const struct address *address)
{
	int on = 1;

	if (address->storage.ss_family == AF_UNIX)
		return listener_bind_path(
			listener, fd, address, listener->loop->config->listen_url.path);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* bind will tell */
	if (address->storage.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on); /* the same */
	return bind(fd, (const struct sockaddr *)&address->storage, address->size);
}

static int listener_add(struct listener *listener, const struct address *address)
{
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct event *event;

	assert(listener->count < ADDRESS_LIST_MAX);
	if (fd < 0)
		return -1;
	if (listener_bind(listener, fd, address) != 0 || listen(fd, SOMAXCONN) != 0)
		goto fail;
	event = event_new(
		listener->loop->base, fd, EV_READ | EV_PERSIST, listener_on_ready, listener);
	if (event == NULL || event_add(event, NULL) != 0) {
		if (event != NULL)
			event_free(event);
		goto fail;
	}
	listener->events[listener->count++] = event;
	return 0;
fail : {
	int saved_errno = errno;

	(void)close(fd); /* nothing was sent over it */
	errno = saved_errno;
}
	return -1;
}

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
static size_t listener_sessions_max(const struct listener *listener)
{
	size_t wanted = (size_t)listener->loop->config->connections_max;
	size_t each = listener->route->command != NULL ? 3 : 2;
	size_t taken = listener_open_files() + LISTENER_FILES_RESERVE;
	struct rlimit limit;
	size_t possible;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return wanted;
	possible = limit.rlim_cur > taken + each ? (limit.rlim_cur - taken) / each : 1;
	return possible < wanted ? possible : wanted;
}

static int listener_add_all(struct listener *listener, struct address *addresses, size_t count,
	char *error, size_t error_size)
{
	char text[ADDRESS_TEXT_MAX];
	struct address first = {.size = sizeof first.storage};
	size_t i;

	for (i = 0; i < count; i++) {
		if (!listener->loop->config->allow_remote && !address_is_loopback(&addresses[i])) {
			(void)snprintf(error, error_size,
				"listen: %s is not a loopback address: anybody who can reach it "
				"could use "
				"the server; --allow-remote permits it",
				address_text(&addresses[i], text));
			return -1;
		}
		if (listener->count > 0 && address_port(&addresses[i]) == 0 &&
			getsockname(event_get_fd(listener->events[0]),
				(struct sockaddr *)&first.storage, &first.size) == 0)
			address_set_port(&addresses[i], address_port(&first));
		if (listener_add(listener, &addresses[i]) != 0) {
			if (errno == EADDRNOTAVAIL && i + 1 < count)
				continue; /* "localhost" is also an address family that we lack */
			(void)snprintf(error, error_size, "listen: %s: %s",
				address_text(&addresses[i], text), strerror(errno));
			return -1;
		}
	}
	return 0;
}

struct listener *listener_new(
	struct loop *loop, const struct route *route, char *error, size_t error_size)
{
	struct listener *listener = calloc(1, sizeof *listener);
	struct address addresses[ADDRESS_LIST_MAX];
	size_t count;

	(void)snprintf(error, error_size, "listen: out of memory");
	if (listener == NULL)
		return NULL;
	listener->loop = loop;
	listener->route = route;
	count = address_resolve(
		addresses, ADDRESS_LIST_MAX, &loop->config->listen_url, error, error_size);
	if (count == 0 || listener_add_all(listener, addresses, count, error, error_size) != 0) {
		listener_free(listener);
		return NULL;
	}
	listener->sessions_max = listener_sessions_max(listener);
	return listener;
}

void listener_describe(const struct listener *listener, char *text, size_t size)
{
	const struct url *url = &listener->loop->config->listen_url;
	char one[ADDRESS_TEXT_MAX];
	struct address address;
	size_t used = 0, i;

	assert(size > 0);
	text[0] = '\0';
	for (i = 0; i < listener->count && used < size; i++) {
		address.size = sizeof address.storage;
		if (getsockname(event_get_fd(listener->events[i]),
			    (struct sockaddr *)&address.storage, &address.size) != 0)
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%s%s%s",
			used > 0 ? " and " : "", url_prefix(url), address_text(&address, one),
			url->scheme == URL_WS ? url->path : "");
	}
}

void listener_free(struct listener *listener)
{
	size_t i;

	if (listener == NULL)
		return;
	listener_remove_path(listener);
	for (i = 0; i < listener->count; i++) {
		int fd = event_get_fd(listener->events[i]);

		event_free(listener->events[i]);
		(void)close(fd); /* nothing was sent over it */
	}
	free(listener->path);
	free(listener);
}

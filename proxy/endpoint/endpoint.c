/*
 * Endpoints: the five events of libevent's that a peer can cause, and the backlog of one that does
 * not read. What differs between sockets, pipes and our own stdin/stdout stands in stream/. Fails
 * by ENDPOINT_FAILED or a return value, never by closing on its own.
 */
#include "proxy/endpoint/endpoint.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* When a peer is asked whether it is still there: two minutes from its silence to its end. */
#define ENDPOINT_PROBE_IDLE_S  60
#define ENDPOINT_PROBE_PAUSE_S 15
#define ENDPOINT_PROBE_COUNT   4

static void endpoint_tell(struct endpoint *endpoint, enum endpoint_event event)
{
	endpoint->hook(endpoint->arg, endpoint, event);
}

bool endpoint_error_is_ours(int error)
{
	return error == ENOMEM || error == ENOBUFS || error == EBADF || error == EINVAL ||
	       error == EFAULT;
}

static void endpoint_set_error(struct endpoint *endpoint, int error)
{
	endpoint->error = error;
	endpoint->is_ours = endpoint_error_is_ours(error);
}

/* Adds an event, which needs memory and a watch of the kernel's. */
static int endpoint_wait_for(
	struct endpoint *endpoint, struct event *event, const struct timeval *timeout)
{
	errno = ENOMEM; /* libevent's own allocations do not say it */
	if (event_add(event, timeout) == 0)
		return 0;
	endpoint->error = errno;
	endpoint->is_ours = true;
	return -1;
}

static void endpoint_on_writable(int fd, short what, void *arg);

/*
 * The same for the event of writing, which most peers never need: they take what is written at
 * once. That is a quarter of a kilobyte less for each session.
 */
static int endpoint_wait_to_write(struct endpoint *endpoint, const struct timeval *timeout)
{
	if (endpoint->write_event == NULL)
		endpoint->write_event = event_new(event_get_base(&endpoint->read_event),
			endpoint->write_fd, EV_WRITE | EV_PERSIST, endpoint_on_writable, endpoint);
	if (endpoint->write_event != NULL)
		return endpoint_wait_for(endpoint, endpoint->write_event, timeout);
	endpoint->error = ENOMEM;
	endpoint->is_ours = true;
	return -1;
}

static void endpoint_wait_to_write_no_more(struct endpoint *endpoint)
{
	if (endpoint->write_event != NULL)
		(void)event_del(endpoint->write_event); /* it was set up, so this cannot fail */
}

static void endpoint_fail(struct endpoint *endpoint)
{
	endpoint_wait_to_write_no_more(endpoint);
	endpoint_tell(endpoint, ENDPOINT_FAILED);
}

/* ---- agreeing ---- */

static uint64_t endpoint_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* it always exists */
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Waits for the one event, and not for the other one, as long as there is time to agree. */
static int endpoint_shake_wait(struct endpoint *endpoint, enum stream_shake wants)
{
	uint64_t now_ns = endpoint_now_ns();
	uint64_t left_us =
		now_ns < endpoint->shake_until_ns ? (endpoint->shake_until_ns - now_ns) / 1000 : 0;
	struct timeval left = {
		.tv_sec = (time_t)(left_us / 1000000),
		.tv_usec = (suseconds_t)(left_us % 1000000),
	};

	if (wants == STREAM_WANTS_READ) {
		endpoint_wait_to_write_no_more(endpoint);
		return endpoint_wait_for(endpoint, &endpoint->read_event, &left);
	}
	(void)event_del(&endpoint->read_event); /* it was set up, so this cannot fail */
	return endpoint_wait_to_write(endpoint, &left);
}

static int endpoint_read_on(struct endpoint *endpoint);
static void endpoint_shutdown_now(struct endpoint *endpoint);

/* The peers have agreed: what was kept is written, and what comes is read. 0 or -1. */
static int endpoint_shaken(struct endpoint *endpoint)
{
	endpoint->shaking = false;
	(void)event_del(&endpoint->read_event); /* it had a time limit, which no event has now */
	endpoint_wait_to_write_no_more(endpoint);
	if (endpoint->backlog != NULL && endpoint_wait_to_write(endpoint, NULL) != 0)
		return -1;
	if (!endpoint->paused && endpoint_read_on(endpoint) != 0)
		return -1;
	if (endpoint->state == ENDPOINT_SHUTTING && endpoint->backlog == NULL)
		endpoint_shutdown_now(endpoint);
	else
		endpoint_tell(endpoint, ENDPOINT_AGREED);
	return 0;
}

/* An event has come while the peers have not agreed yet. */
static void endpoint_shake(struct endpoint *endpoint, short what)
{
	int failed = -1;
	enum stream_shake how = STREAM_DISAGREED;

	if ((what & EV_TIMEOUT) == 0)
		how = endpoint->read_ops->shake(endpoint->stream, endpoint->read_fd);
	switch (how) {
	case STREAM_AGREED:
		failed = endpoint_shaken(endpoint);
		break;
	case STREAM_WANTS_READ:
	case STREAM_WANTS_WRITE:
		failed = endpoint_shake_wait(endpoint, how);
		break;
	case STREAM_DISAGREED:
		endpoint_set_error(endpoint, (what & EV_TIMEOUT) != 0 ? ETIMEDOUT : EPROTO);
		break;
	}
	if (failed == 0)
		return;
	(void)event_del(&endpoint->read_event); /* it was set up, so this cannot fail */
	endpoint_fail(endpoint);
}

const char *endpoint_trouble(struct endpoint *endpoint)
{
	return endpoint->stream != NULL ? endpoint->read_ops->trouble(endpoint->stream) : NULL;
}

/* ---- reading ---- */

/* No event tells of what lies in the stream already. */
static void endpoint_look_pending(struct endpoint *endpoint)
{
	if (endpoint->stream != NULL && endpoint->state != ENDPOINT_CLOSED && !endpoint->paused &&
		endpoint->read_ops->pending(endpoint->stream))
		event_active(&endpoint->read_event, EV_READ, 0);
}

static int endpoint_read_on(struct endpoint *endpoint)
{
	static const struct timeval next_turn = {0}; /* so that other events have theirs */

	if (endpoint_wait_for(endpoint, &endpoint->read_event,
		    endpoint->always_ready ? &next_turn : NULL) != 0)
		return -1;
	endpoint_look_pending(endpoint);
	return 0;
}

static void endpoint_on_readable(int fd, short what, void *arg)
{
	struct endpoint *endpoint = arg;

	(void)fd;
	if (endpoint->state == ENDPOINT_CLOSED)
		return;
	if (endpoint->shaking) {
		endpoint_shake(endpoint, what);
		return;
	}
	if (endpoint->paused)
		return;
	if (endpoint->always_ready && endpoint_read_on(endpoint) != 0)
		endpoint_fail(endpoint);
	else
		endpoint_tell(endpoint, ENDPOINT_READABLE);
	endpoint_look_pending(endpoint);
}

ssize_t endpoint_read(struct endpoint *endpoint, void *bytes, size_t size)
{
	ssize_t n;

	do
		n = endpoint->read_ops->read(endpoint->stream, endpoint->read_fd, bytes, size);
	while (n < 0 && errno == EINTR);
	endpoint->ended |= n == 0;
	if (n > 0 && endpoint->read_total != NULL)
		*endpoint->read_total += (size_t)n;
	return n;
}

static void endpoint_set_reading(
	struct endpoint *endpoint, struct event_base *base, short flags, event_callback_fn callback)
{
	int failed = event_assign(&endpoint->read_event, base,
		endpoint->always_ready ? -1 : endpoint->read_fd, flags, callback, endpoint);

	assert(failed == 0); /* only a wrong combination of flags can fail */
	(void)failed;
}

static void endpoint_read_normally(struct endpoint *endpoint, struct event_base *base)
{
	endpoint_set_reading(endpoint, base, endpoint->always_ready ? 0 : EV_READ | EV_PERSIST,
		endpoint_on_readable);
}

static short endpoint_poll(int fd, short events)
{
	struct pollfd state = {.fd = fd, .events = events};

	return poll(&state, 1, 0) == 1 ? state.revents : 0; /* 0 for -1 as well */
}

bool endpoint_has_left(const struct endpoint *endpoint)
{
	return (endpoint_poll(endpoint->write_fd, 0) & (POLLHUP | POLLERR)) != 0;
}

bool endpoint_has_ended(const struct endpoint *endpoint)
{
	return endpoint->read_fd < 0 ||
	       (endpoint_poll(endpoint->read_fd, POLLRDHUP) & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* ---- pausing ---- */

static void endpoint_unwatch(struct endpoint *endpoint)
{
	if (!endpoint->watched)
		return;
	endpoint->watched = false;
	(void)event_del(&endpoint->read_event); /* it was set up, so this cannot fail */
	endpoint_read_normally(endpoint, event_get_base(&endpoint->read_event));
}

static void endpoint_on_watched(int fd, short what, void *arg)
{
	struct endpoint *endpoint = arg;

	(void)fd;
	(void)what;
	if (endpoint->state != ENDPOINT_CLOSED && endpoint_has_ended(endpoint))
		endpoint_tell(endpoint, ENDPOINT_ENDED);
}

void endpoint_watch(struct endpoint *endpoint)
{
	endpoint_pause(endpoint);
	if (endpoint->state == ENDPOINT_CLOSED || endpoint->watched || endpoint->shaking ||
		endpoint->read_fd != endpoint->write_fd || endpoint->backlog != NULL)
		return;
	endpoint->watched = true;
	/* By edges, since what lies there unread would be told of again and again. */
	endpoint_set_reading(endpoint, event_get_base(&endpoint->read_event),
		EV_READ | EV_PERSIST | EV_ET, endpoint_on_watched);
	if (event_add(&endpoint->read_event, NULL) != 0)
		endpoint_unwatch(endpoint); /* for want of memory: it is to be asked */
}

void endpoint_pause(struct endpoint *endpoint)
{
	if (endpoint->paused || endpoint->state == ENDPOINT_CLOSED)
		return;
	endpoint->paused = true;
	if (endpoint->shaking)
		return;
	(void)event_del(&endpoint->read_event); /* fails only for an event that was never set up */
}

void endpoint_resume(struct endpoint *endpoint)
{
	if (!endpoint->paused || endpoint->state == ENDPOINT_CLOSED)
		return;
	endpoint->paused = false;
	endpoint_unwatch(endpoint);
	if (endpoint->started && !endpoint->shaking && endpoint_read_on(endpoint) != 0)
		endpoint_fail(endpoint);
}

void endpoint_probe(struct endpoint *endpoint)
{
	static const struct {
		int level, option, value;
	} rows[] = {
		{IPPROTO_TCP, TCP_KEEPIDLE, ENDPOINT_PROBE_IDLE_S},
		{IPPROTO_TCP, TCP_KEEPINTVL, ENDPOINT_PROBE_PAUSE_S},
		{IPPROTO_TCP, TCP_KEEPCNT, ENDPOINT_PROBE_COUNT},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
	};
	size_t i;

	if (endpoint->probed)
		return;
	endpoint->probed = true;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++)
		(void)setsockopt(endpoint->write_fd, rows[i].level, rows[i].option, &rows[i].value,
			sizeof rows[i].value); /* refused where there is no TCP */
}

ssize_t endpoint_peek(const struct endpoint *endpoint, void *bytes, size_t size)
{
	ssize_t n;

	if (endpoint->shaking) {
		errno = EAGAIN;
		return -1;
	}
	if (endpoint->stream != NULL)
		return endpoint->read_ops->peek(endpoint->stream, bytes, size);
	do
		n = recv(endpoint->read_fd, bytes, size, MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n;
}

bool endpoint_at_end(const struct endpoint *endpoint)
{
	char byte;

	return endpoint_peek(endpoint, &byte, 1) == 0;
}

void endpoint_stop_reading(struct endpoint *endpoint)
{
	endpoint_pause(endpoint);
	if (endpoint->read_fd >= 0 && endpoint->read_fd != endpoint->write_fd) {
		endpoint->started = false;      /* a resume does nothing from now on */
		(void)close(endpoint->read_fd); /* nothing could be done about an error */
		endpoint->read_fd = -1;
	}
}

/* ---- writing ---- */

size_t endpoint_backlog(const struct endpoint *endpoint)
{
	return endpoint->backlog != NULL ? evbuffer_get_length(endpoint->backlog) : 0;
}

static ssize_t endpoint_write_once(struct endpoint *endpoint, const void *bytes, size_t size)
{
	ssize_t n;

	do
		n = endpoint->write_ops->write(endpoint->stream, endpoint->write_fd, bytes, size);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	return n;
}

static void endpoint_backlog_done(struct endpoint *endpoint)
{
	endpoint_wait_to_write_no_more(endpoint);
	evbuffer_free(endpoint->backlog);
	endpoint->backlog = NULL;
}

/* Keeps all of the bytes, or none. */
static int endpoint_keep(struct endpoint *endpoint, const uint8_t *bytes, size_t size)
{
	if (endpoint->backlog == NULL)
		endpoint->backlog = evbuffer_new();
	if (endpoint->backlog == NULL) {
		endpoint_set_error(endpoint, ENOMEM);
		return -1;
	}
	endpoint_unwatch(endpoint); /* edges are for both events of a descriptor, or for none */
	if (endpoint->shaking || endpoint_wait_to_write(endpoint, NULL) == 0) {
		if (evbuffer_add(endpoint->backlog, bytes, size) == 0)
			return 0;
		endpoint_set_error(endpoint, ENOMEM);
	}
	if (endpoint_backlog(endpoint) == 0)
		endpoint_backlog_done(endpoint);
	return -1;
}

int endpoint_write(struct endpoint *endpoint, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	ssize_t n = 0;

	if (endpoint->state != ENDPOINT_OPEN) {
		endpoint_set_error(endpoint, EPIPE);
		return -1;
	}
	while (size > 0 && endpoint->state == ENDPOINT_OPEN && endpoint_backlog(endpoint) == 0 &&
		!endpoint->shaking) {
		n = endpoint_write_once(endpoint, at, size);
		if (n <= 0)
			break;
		at += n;
		size -= (size_t)n;
	}
	if (n < 0) {
		endpoint_set_error(endpoint, errno);
		return -1;
	}
	return size > 0 ? endpoint_keep(endpoint, at, size) : 0;
}

/* Writes one stretch of the backlog. 0 when it made progress or must wait, -1 on an error. */
static int endpoint_write_backlog(struct endpoint *endpoint)
{
	size_t unit = endpoint->write_ops->unit, size = evbuffer_get_length(endpoint->backlog);
	struct evbuffer_iovec stretch;
	ssize_t n;

	if (unit > 0 &&
		evbuffer_pullup(endpoint->backlog, (ssize_t)(unit < size ? unit : size)) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	if (evbuffer_peek(endpoint->backlog, -1, NULL, &stretch, 1) < 1)
		return 0;
	n = endpoint_write_once(endpoint, stretch.iov_base, stretch.iov_len);
	if (n < 0)
		return -1;
	(void)evbuffer_drain(endpoint->backlog, (size_t)n); /* n <= its length: cannot fail */
	return 0;
}

/* Also later, when there was no room for its last word. */
static void endpoint_shutdown_now(struct endpoint *endpoint)
{
	if (endpoint->write_fd != endpoint->read_fd) {
		(void)close(endpoint->write_fd); /* nothing could be done about an error */
		endpoint->write_fd = -1;
	} else if (endpoint->write_ops->shut != NULL &&
		   endpoint->write_ops->shut(endpoint->stream, endpoint->write_fd) != 0 &&
		   endpoint_wait_to_write(endpoint, NULL) == 0) {
		return;
	}
	endpoint->state = ENDPOINT_SHUTDOWN;
	endpoint_wait_to_write_no_more(endpoint);
	endpoint_tell(endpoint, ENDPOINT_SHUT);
}

static void endpoint_on_writable(int fd, short what, void *arg)
{
	struct endpoint *endpoint = arg;

	(void)fd;
	if (endpoint->state == ENDPOINT_CLOSED)
		return;
	if (endpoint->shaking) {
		endpoint_shake(endpoint, what);
		return;
	}
	if (endpoint->backlog == NULL) {
		if (endpoint->state == ENDPOINT_SHUTTING)
			endpoint_shutdown_now(endpoint);
		return;
	}
	if (endpoint_write_backlog(endpoint) != 0) {
		endpoint_set_error(endpoint, errno);
		endpoint_fail(endpoint);
		return;
	}
	if (evbuffer_get_length(endpoint->backlog) == 0)
		endpoint_backlog_done(endpoint);
	if (endpoint_backlog(endpoint) > endpoint->low_mark)
		return;
	if (endpoint->state == ENDPOINT_SHUTTING && endpoint->backlog == NULL)
		endpoint_shutdown_now(endpoint);
	else
		endpoint_tell(endpoint, ENDPOINT_DRAINED);
}

void endpoint_shutdown(struct endpoint *endpoint)
{
	if (endpoint->state != ENDPOINT_OPEN)
		return;
	endpoint->state = ENDPOINT_SHUTTING;
	if (endpoint->backlog == NULL && !endpoint->shaking)
		endpoint_shutdown_now(endpoint);
}

/* ---- life ---- */

void endpoint_init(struct endpoint *endpoint, struct event_base *base,
	const struct stream_ops *read_ops, int read_fd, const struct stream_ops *write_ops,
	int write_fd, endpoint_hook *hook, void *arg)
{
	*endpoint = (struct endpoint){
		.read_ops = read_ops,
		.write_ops = write_ops,
		.always_ready = read_ops->always_ready,
		.state = ENDPOINT_OPEN,
		.read_fd = read_fd,
		.write_fd = write_fd,
		.hook = hook,
		.arg = arg,
	};
	endpoint_read_normally(endpoint, base);
}

int endpoint_start(struct endpoint *endpoint)
{
	assert(!endpoint->started);
	if (endpoint->state == ENDPOINT_CLOSED)
		return 0;
	endpoint->started = true;
	if (endpoint->shaking) /* who has the first word finds out when it can write */
		return endpoint_shake_wait(endpoint, STREAM_WANTS_WRITE);
	if (endpoint->paused)
		return 0;
	return endpoint_read_on(endpoint);
}

void endpoint_close(struct endpoint *endpoint)
{
	if (endpoint->state == ENDPOINT_CLOSED)
		return;
	endpoint->state = ENDPOINT_CLOSED;
	(void)event_del(&endpoint->read_event); /* it was set up, so this cannot fail */
	if (endpoint->write_event != NULL)
		event_free(endpoint->write_event);
	endpoint->write_event = NULL;
	if (endpoint->backlog != NULL)
		evbuffer_free(endpoint->backlog);
	endpoint->backlog = NULL;
	if (endpoint->write_fd >= 0 && endpoint->write_fd != endpoint->read_fd)
		(void)close(endpoint->write_fd); /* nothing could be done about an error */
	if (endpoint->read_fd >= 0)
		(void)close(endpoint->read_fd); /* the same */
	endpoint->read_fd = endpoint->write_fd = -1;
	if (endpoint->stream != NULL)
		endpoint->read_ops->free(endpoint->stream);
	endpoint->stream = NULL;
}

void endpoint_init_closed(struct endpoint *endpoint)
{
	*endpoint = (struct endpoint){
		.read_ops = &stream_socket, /* so that reading says EBADF */
		.write_ops = &stream_socket,
		.state = ENDPOINT_CLOSED,
		.read_fd = -1,
		.write_fd = -1,
	};
}

/* ---- kinds ---- */

void endpoint_init_socket(
	struct endpoint *endpoint, struct event_base *base, int fd, endpoint_hook *hook, void *arg)
{
	endpoint_init(endpoint, base, &stream_socket, fd, &stream_socket, fd, hook, arg);
}

void endpoint_init_stream(struct endpoint *endpoint, struct event_base *base,
	const struct stream_ops *ops, void *stream, int fd, int64_t shake_ms, endpoint_hook *hook,
	void *arg)
{
	assert(stream != NULL && shake_ms > 0);
	endpoint_init(endpoint, base, ops, fd, ops, fd, hook, arg);
	endpoint->stream = stream;
	endpoint->shaking = true;
	endpoint->shake_until_ns = endpoint_now_ns() + (uint64_t)shake_ms * 1000000;
}

void endpoint_init_pipes(struct endpoint *endpoint, struct event_base *base, int read_fd,
	int write_fd, endpoint_hook *hook, void *arg)
{
	endpoint_init(endpoint, base, &stream_pipe, read_fd, &stream_pipe, write_fd, hook, arg);
}

int endpoint_init_stdio(
	struct endpoint *endpoint, struct event_base *base, endpoint_hook *hook, void *arg)
{
	struct stream_stdio stdio;

	endpoint_init_closed(endpoint);
	if (stream_stdio_take(&stdio) != 0)
		return -1;
	endpoint_init(endpoint, base, stdio.read_ops, stdio.read_fd, stdio.write_ops,
		stdio.write_fd, hook, arg);
	return 0;
}

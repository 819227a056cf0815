#ifndef PROXY_ENDPOINT_ENDPOINT_H
#define PROXY_ENDPOINT_ENDPOINT_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proxy/stream/stream.h"

/*
 * One peer of a session: where bytes come from and go to. A socket has one descriptor for both; a
 * child process and our own stdin/stdout have two. The kinds differ only in their struct
 * stream_ops, one for each way.
 *
 * Order of things: *_init makes it, endpoint_start() begins reading, ENDPOINT_READABLE asks the
 * owner to call endpoint_read(), endpoint_write() sends at once or keeps the rest as a backlog,
 * ENDPOINT_DRAINED tells that the backlog has gone down. endpoint_close() is final; the owner frees
 * the memory around it from the loop, never from inside an event.
 */
struct event_base;
struct evbuffer;
struct endpoint;

enum endpoint_event {
	ENDPOINT_READABLE, /* endpoint_read() will give bytes, end of file or an error */
	ENDPOINT_DRAINED,  /* the backlog is at or below the low mark */
	ENDPOINT_SHUT,     /* the half-close asked for has been carried out */
	ENDPOINT_FAILED,   /* writing failed, or waiting for events did */
	ENDPOINT_ENDED,    /* who is watched: nothing more will come, or also that it is gone */
	ENDPOINT_AGREED,   /* the peers have agreed: see endpoint_init_stream() */
};

typedef void endpoint_hook(void *arg, struct endpoint *endpoint, enum endpoint_event event);

enum endpoint_state {
	ENDPOINT_OPEN,
	ENDPOINT_SHUTTING, /* half-close once the backlog is written */
	ENDPOINT_SHUTDOWN, /* nothing more can be written */
	ENDPOINT_CLOSED,
};

struct endpoint {
	const struct stream_ops *read_ops;
	const struct stream_ops *write_ops;
	enum endpoint_state state;
	int read_fd;  /* owned; -1 when closed */
	int write_fd; /* owned; the same as read_fd for a socket */
	int error;    /* errno of what failed */
	bool is_ours; /* it is no fault of the peer, who is still there: memory, the event loop */
	bool paused;  /* the owner does not want to read now */
	bool watched; /* but wants to know of the end */
	bool ended;   /* the end of file has been read */
	bool started;
	bool always_ready;
	bool probed;              /* whether a silent peer is asked if it is still there */
	bool shaking;             /* nothing is read or written until both have agreed, */
	uint64_t shake_until_ns;  /* by then (CLOCK_MONOTONIC) */
	void *stream;             /* owned, if read_ops->free; what the operations keep */
	size_t low_mark;          /* ENDPOINT_DRAINED at or below */
	struct evbuffer *backlog; /* owned; NULL until a peer does not read */
	uint64_t *read_total;     /* borrowed; counts the bytes that come; or NULL */
	struct event read_event;
	struct event *write_event; /* owned; NULL until there is something to wait for */
	endpoint_hook *hook;
	void *arg;
};

/* The general form: one set of operations for each way. Takes both descriptors. */
void endpoint_init(struct endpoint *endpoint, struct event_base *base,
	const struct stream_ops *read_ops, int read_fd, const struct stream_ops *write_ops,
	int write_fd, endpoint_hook *hook, void *arg);

/* Takes the connected or accepted, non-blocking socket fd. */
void endpoint_init_socket(
	struct endpoint *endpoint, struct event_base *base, int fd, endpoint_hook *hook, void *arg);

/*
 * The same with operations that keep something, which is taken, too, also by a failing start. Until
 * both peers have agreed (at most shake_ms) what is written is kept; then ENDPOINT_AGREED is told,
 * or ENDPOINT_FAILED.
 */
void endpoint_init_stream(struct endpoint *endpoint, struct event_base *base,
	const struct stream_ops *ops, void *stream, int fd, int64_t shake_ms, endpoint_hook *hook,
	void *arg);

/* Takes the pipe ends of a child: what we read its output from and write its input to. */
void endpoint_init_pipes(struct endpoint *endpoint, struct event_base *base, int read_fd,
	int write_fd, endpoint_hook *hook, void *arg);

/*
 * Takes our own stdin and stdout, which become /dev/null. The flags of inherited descriptors are
 * left as they are: they belong to whoever shares them. 0, or -1 (errno).
 */
int endpoint_init_stdio(
	struct endpoint *endpoint, struct event_base *base, endpoint_hook *hook, void *arg);

/*
 * An endpoint that was never opened. On it, as on a closed one, every call below is allowed and
 * does nothing; reading gives EBADF, writing EPIPE.
 */
void endpoint_init_closed(struct endpoint *endpoint);

/* Begins to wait for events. 0, or -1 when the loop refuses (errno). */
int endpoint_start(struct endpoint *endpoint);

/* Reads once. > 0: bytes; 0: end of file; -1: errno, EAGAIN when there is nothing after all. */
ssize_t endpoint_read(struct endpoint *endpoint, void *bytes, size_t size);

/*
 * Whether an error of a system call tells of us rather than of the peer: what is short is the
 * machine's memory, or a descriptor is none.
 */
bool endpoint_error_is_ours(int error);

/*
 * Writes bytes, or keeps what the peer does not take now. Returns 0, or -1 when the peer can no
 * longer be written to, or the rest cannot be kept (endpoint->error, endpoint->is_ours).
 */
int endpoint_write(struct endpoint *endpoint, const void *bytes, size_t size);

/* Bytes that wait for the peer to read. */
size_t endpoint_backlog(const struct endpoint *endpoint);

void endpoint_pause(struct endpoint *endpoint);
void endpoint_resume(struct endpoint *endpoint);

/*
 * Pauses, and tells of an end that comes behind what is not read as soon as a socket says so.
 * Others, and who is written to meanwhile, are to be asked: see endpoint_has_ended().
 */
void endpoint_watch(struct endpoint *endpoint);

/*
 * Whether the peer can no longer be written to, without writing: nobody reads from our pipe, a Unix
 * socket was closed, a TCP connection was reset. One that was closed looks half-closed, until
 * something is sent: see endpoint_probe(). False when unknown.
 */
bool endpoint_has_left(const struct endpoint *endpoint);

/* Whether nothing more will come behind what can be read now; for who does not read. */
bool endpoint_has_ended(const struct endpoint *endpoint);

/* Has the kernel ask a silent peer behind TCP now and then whether it is still there. */
void endpoint_probe(struct endpoint *endpoint);

/* What endpoint_read() would give, without taking it; only of sockets. */
ssize_t endpoint_peek(const struct endpoint *endpoint, void *bytes, size_t size);

/* What was wrong with what is spoken below the bytes, for people, once; NULL: nothing. */
const char *endpoint_trouble(struct endpoint *endpoint);

/* Whether the next thing to be read from a socket is its end; reads nothing. False when unknown. */
bool endpoint_at_end(const struct endpoint *endpoint);

/*
 * Nothing will be read any more: who writes to us by a pipe is to notice. A socket is paused: what
 * lies in it must be read before it is closed, or the peer's last word is lost with it.
 */
void endpoint_stop_reading(struct endpoint *endpoint);

/*
 * Whether nothing is left to be read or written, both ends having been told: closed now, not a byte
 * of a last word is lost.
 */
static inline bool endpoint_is_over(const struct endpoint *endpoint)
{
	return endpoint->ended && endpoint->state == ENDPOINT_SHUTDOWN;
}

/*
 * Passes on an end of file once the backlog is written, then ENDPOINT_SHUT: half-closes what has
 * one descriptor for both ways, else closes the one that is written to. A socket that is our stdout
 * is not half-closed: whoever shares it with us may have more to say.
 */
void endpoint_shutdown(struct endpoint *endpoint);

/* Stops all events and closes the descriptors. May be called again. */
void endpoint_close(struct endpoint *endpoint);

#endif

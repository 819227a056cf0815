#ifndef PROXY_SESSION_H
#define PROXY_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/endpoint/child.h"
#include "proxy/endpoint/endpoint.h"
#include "proxy/guard.h"
#include "proxy/loop.h"
#include "proxy/pump.h"
#include "proxy/trace/tracer.h"

/*
 * A session: one client, one backend, a pump for each direction. It opens (connecting, starting a
 * child, shaking hands), carries, and ends: each half ends by itself when its source does; the
 * whole is closed by session_close(), which may be called from anywhere and any number of times; it
 * marks, silences and queues. Memory is freed from the loop, between callbacks.
 */
struct dial;
struct exchange;
struct greeting;
struct recorder_connection;
struct resolver;
struct session;
struct source;
struct upgrade;

/* Where sessions lead and what is spoken on both sides. Made once by main, borrowed by all. */
struct session_route {
	const struct codec_ops *client_codec;
	const struct codec_ops *backend_codec;
	const char *transport;     /* rpc.transport: how the client reaches us */
	char *const *command;      /* the backend is this command, or */
	struct resolver *resolver; /* ... found through this */
	const char *upstream;      /* the same as a text, for the log */
	const char *upstream_host; /* Host and path when we shake hands ourselves */
	const char *upstream_path;
	const char *listen_path; /* the only path that is served; NULL: any */
	struct guard guard;      /* of HTTP clients */
	/* told of every closed session before it is freed; may be NULL */
	void (*reaped)(void *arg, const struct session *session);
	void *reaped_arg;
};

/* Why a session was closed; session_reasons has the words. */
enum session_reason {
	SESSION_ENDED, /* both sides said all they had to say */
	SESSION_CLIENT_GONE,
	SESSION_BACKEND_GONE,
	SESSION_BACKEND_UNREACHABLE,
	SESSION_FRAMING_ERROR,
	SESSION_HANDSHAKE_FAILED,
	SESSION_HTTP,   /* its first line, on a listener for lines of JSON */
	SESSION_SILENT, /* first_byte.timeout */
	SESSION_IDLE,   /* idle.timeout */
	SESSION_NO_RESOURCES,
	SESSION_SHUTDOWN,
};

enum session_state {
	SESSION_OPENING,   /* reading a request or first bytes, connecting, waiting for an answer */
	SESSION_OPEN,      /* carrying messages */
	SESSION_EXCHANGE,  /* carrying HTTP that is no WebSocket */
	SESSION_FINISHING, /* a last word is on its way to the client; what comes is thrown away */
	SESSION_CLOSED,
};

struct session {
	struct loop_guest guest;           /* first */
	struct loop *loop;                 /* borrowed */
	const struct session_route *route; /* borrowed */
	unsigned long long number;
	enum session_state state;
	enum session_reason reason;
	struct endpoint client;
	struct endpoint backend;
	struct pump pumps[2];                 /* by enum pump_direction */
	struct tracer_connection *trace;      /* owned; NULL when nothing is traced */
	struct recorder_connection *recorded; /* owned; NULL when nothing is recorded */
	struct upgrade *upgrade;              /* owned; NULL once the handshake is over */
	struct source *source;     /* borrowed from the loop's sources; NULL: not counted */
	struct greeting *greeting; /* owned; NULL once the client's first bytes are settled */
	struct dial *dial;         /* owned; NULL but on the way to the backend */
	struct exchange *exchange; /* owned; NULL but for HTTP that is no WebSocket */
	struct event *timer;       /* owned; made when first needed */
	unsigned troubles_logged;  /* bits of enum splice_trouble */
	bool opened;               /* messages could flow: its end is worth a line */
	bool child_exited;
	bool client_closing;              /* it sent a close frame, and the backend had not */
	bool client_left;                 /* it can no longer be written to either */
	enum child_outcome start_failure; /* of the command */
	uint64_t client_end_ns;           /* when the client's end of file came */
	uint64_t backend_read_ns;         /* when the backend last said something */
	bool spoken;        /* somebody has said something since, or while, it was opened */
	uint64_t active_ns; /* when something was last read or, as far as was seen, written */
	size_t backlogs;    /* both together, when it was last seen */
};

/*
 * Begins a session for an accepted socket (taken, also on failure), or for our own stdin/stdout.
 * NULL: out of memory or descriptors, or no backend; it has been logged and counted.
 */
struct session *session_accept(struct loop *loop, const struct session_route *route, int fd);
struct session *session_stdio(struct loop *loop, const struct session_route *route);

/* Tells WebSocket peers that we are going away, as far as they take it at once. */
void session_say_goodbye(struct session *session);

/* How the spans of a session end that ends for that reason. */
enum tracer_end session_reason_end(enum session_reason reason);

/* Marks, silences and queues for reaping. The first reason stays. */
void session_close(struct session *session, enum session_reason reason);

/* Now and then. */
void session_tick(struct session *session);

/* The command behind this session runs, or could not be started. */
void session_child_started(struct session *session, enum child_outcome outcome, int error);

/* ---- for upgrade.c, exchange.c, reply.c and ending.c ---- */

/* Begins to connect to the backend, or starts it. 0, or -1: that failed, and was answered. */
int session_connect(struct session *session);

/* Both sides are ready: messages flow. Bytes that came behind a head are carried first. */
void session_open(struct session *session, uint8_t *client_bytes, size_t client_size,
	uint8_t *backend_bytes, size_t backend_size);

/* HTTP that is no WebSocket: the exchange, which is taken, does the rest. */
void session_exchange(struct session *session, struct exchange *exchange);

/* The client has been sent its last word: deliver it, then close for that reason. */
void session_finish(struct session *session, enum session_reason reason);

/*
 * An error of our own (an errno): memory, or the loop. Neither peer has left, but their
 * conversation cannot go on: both are told, as far as they still take it, and the session ends for
 * that reason.
 */
void session_fail(struct session *session, int error);

/* Writing to the client has failed: it has left, or the error is ours. */
void session_client_failed(struct session *session);

/* (Re)starts the session's timer. -1 when there is none to be had: then the session has ended. */
int session_timer(struct session *session, int64_t ms);

#endif

#ifndef PROXY_SESSION_H
#define PROXY_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/endpoint/child.h"
#include "proxy/fields.h"
#include "proxy/loop.h"
#include "proxy/pair.h"
#include "proxy/pump.h"
#include "proxy/trace/tracer.h"

/*
 * A session: one client, one backend, a pump for each direction. It opens (connecting, starting a
 * child, shaking hands), carries, and ends: each half ends by itself when its source does; the
 * whole is closed by session_close(), which may be called from anywhere and any number of times; it
 * marks, silences and queues. Memory is freed from the loop, between callbacks.
 *
 * Here is what a session consists of, and how it is closed; how it lives stands in life.h.
 */
struct conversation;
struct dial;
struct event;
struct exchange;
struct generation;
struct greeting;
struct recorder_connection;
struct source;
struct upgrade;

struct session {
	struct loop_guest guest; /* first */
	struct pair pair;
	void (*on_timer)(int fd, short what, void *arg);
	struct pump pumps[2];                 /* by enum pump_direction */
	struct generation *generation;        /* held; as it was when the client came */
	struct tracer_connection *trace;      /* owned; NULL when nothing is traced */
	struct recorder_connection *recorded; /* owned; NULL when nothing is recorded */
	struct upgrade *upgrade;              /* owned; NULL but in a handshake of our own */
	struct source *source;     /* borrowed from the loop's sources; NULL: not counted */
	struct greeting *greeting; /* owned; NULL once the client's first bytes are settled */
	struct dial *dial;         /* owned; NULL but on the way to the backend */
	struct exchange *exchange; /* owned; NULL but for HTTP, until it is a WebSocket */
	struct event *timer;       /* owned; made when first needed */
	struct conversation *conversation; /* that trace is borrowed from; NULL: it is our own */
	bool ends_conversation;            /* the exchange does, if it succeeds */
	bool holds_conversation;           /* it lasts as long as the exchange */
	bool answered_on_stream;           /* of another exchange, that holds the conversation */
	bool answers_elsewhere;      /* what it is asked may be answered on another connection */
	struct http_span *http_span; /* owned; of the exchange, if it comes to that; or NULL */
	bool spoke_rpc;              /* there has been JSON-RPC in it, */
	bool spoke_notification;     /* ... or what may be some, as it has no id */
	uint32_t exchange_number;    /* of HTTP: what messages belong to, for the tracer */
	bool has_asked;              /* there has been a request in that */
	unsigned http_status;        /* of its answer; 0: there is none so far */
	struct fields fields; /* of its request's head; for a WebSocket's, all its requests */
	struct tracer_promise *promise; /* owned; what its head says before its message; or NULL */
	char *told;                     /* owned; the fields in its head that are ours; or NULL */
	unsigned troubles_logged;       /* bits of enum splice_trouble */
	bool opened;                    /* messages could flow: its end is worth a line */
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

/* What is traced from now on is another conversation; what is in flight of our own ends. */
void session_drop_trace(struct session *session, enum tracer_end reason);

/* Tells WebSocket peers that we are going away, as far as they take it at once. */
void session_say_goodbye(struct session *session);

/* How the spans of a session end that ends for that reason. */
enum tracer_end session_reason_end(enum pair_reason reason);

/* What was wrong with TLS towards one of its peers, counted; once. NULL: nothing, or no TLS. */
const char *session_tls_trouble(struct session *session, struct endpoint *endpoint);

/* Says the same in the log, for a peer that could not be understood. */
void session_tell_tls(struct session *session, struct endpoint *endpoint);

/* Marks, silences and queues for reaping. The first reason stays. */
void session_close(struct session *session, enum pair_reason reason);

/* The client has been sent its last word: deliver it, then close for that reason. */
void session_finish(struct session *session, enum pair_reason reason);

/*
 * An error of our own (an errno): memory, or the loop. Neither peer has left, but their
 * conversation cannot go on: both are told, as far as they still take it, and the session ends for
 * that reason.
 */
void session_fail(struct session *session, int error);

/*
 * (Re)starts the session's timer, which calls on_timer. -1 when there is none to be had: then the
 * session has ended.
 */
int session_timer(struct session *session, int64_t ms);
void session_timer_stop(struct session *session);

/* Frees one that was closed; only from the loop. */
void session_reap(struct session *session);

#endif

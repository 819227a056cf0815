#ifndef PROXY_TRACE_TRACER_H
#define PROXY_TRACE_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/profile/lifecycle.h"
#include "proxy/message/envelope.h"
#include "proxy/trace/end.h"
#include "proxy/message/place.h"

/*
 * What is recorded. The tracer sees the envelope of every message, opens a request span for every
 * request of the client and closes it with the answer or with the reason why none came. It never
 * fails towards the conversation: what cannot be recorded is counted.
 */
struct carrier_view;
struct config;
struct exporter;
struct http_span;
struct http_span_request;
struct metrics;
struct span;
struct survey;
struct survey_item;
struct tracer;
struct tracer_connection;
struct follow_counters;

struct tracer_counters {
#define COUNTER_TRACER(name, kind, help) uint64_t name;
#include "proxy/counters.def"
};

/*
 * config and exporter are borrowed for life; exporter may be NULL: then context is passed on and
 * nothing recorded. environment_*: the texts of TRACEPARENT and TRACESTATE, or NULL, copied.
 * Returns NULL with a text in error when the profile's pointers cannot be used or memory is out.
 */
struct tracer *tracer_new(const struct config *config, struct exporter *exporter,
	const char *environment_traceparent, const char *environment_tracestate, char *error,
	size_t error_size);
void tracer_free(struct tracer *tracer);

/* From now on all spans that end are measured, recorded or not. metrics is borrowed for life. */
void tracer_measure(struct tracer *tracer, struct metrics *metrics);
const struct metrics *tracer_metrics(const struct tracer *tracer); /* or NULL */

/*
 * How carriers are edited, and at which place first: that of propagation.inject; with "none" the
 * first one that is looked at for a parent. Borrowed from config.
 */
struct place_rules tracer_place_rules(const struct config *config);

/* Whether something is taken out of what the client sends, at all places that are looked at. */
bool tracer_strips(const struct config *config);

/* What skim must look for. Borrowed from the tracer. */
const struct pointers *tracer_pointers(const struct tracer *tracer);

/*
 * Once per second or so: tells of work that has been going on for long, and gives up what has
 * waited too long.
 */
void tracer_tick(struct tracer *tracer, uint64_t now_ns);

/* Ends all that is still open, for that reason. The connections have been freed. */
void tracer_end(struct tracer *tracer, enum tracer_end reason, uint64_t now_ns);

/* Whether there are connections, or exchanges of HTTP, that have not been freed. */
bool tracer_is_in_use(const struct tracer *tracer);

/*
 * note is called, from within the other functions, with a line of text for everything that the
 * rules of the profile's lifecycle do. NULL: nobody wants to know.
 */
void tracer_watch(struct tracer *tracer, void (*note)(void *arg, const char *text), void *note_arg);

/* Notes also tell why rules do not act on messages with that method, or answers to it; borrowed. */
void tracer_ask_why(struct tracer *tracer, const char *method);

/*
 * Once per second or so: keeps span timestamps true when the wall clock is set or we were asleep.
 */
void tracer_clock(struct tracer *tracer, uint64_t now_ns, uint64_t unix_ns);

/* That moment as spans have it. */
uint64_t tracer_unix_ns(const struct tracer *tracer, uint64_t now_ns);

/*
 * number: what the connection is called, in the log too; no other one has it. transport:
 * rpc.transport, static text. own_backend: a server process serves this connection alone, as a
 * command does; not so a server that listens. NULL when out of memory.
 */
struct tracer_connection *tracer_connection_new(
	struct tracer *tracer, uint64_t number, const char *transport, bool own_backend);

/* Whose connection it is. */
struct tracer *tracer_connection_tracer(const struct tracer_connection *connection);

/*
 * A request is going to be forwarded: gives the carrier to put into it, valid until the next call
 * on this tracer. 0: forward it as it is (it is no request with a usable id). What the server is
 * told so is noted in the envelope.
 */
size_t tracer_carrier(
	struct tracer_connection *connection, struct envelope *envelope, const char **text);

/*
 * A message of the client is complete: the envelope of tracer_carrier(), read to its end. Its first
 * byte came at start_ns, its last at now_ns.
 */
void tracer_client_message(struct tracer_connection *connection, const struct envelope *envelope,
	uint64_t start_ns, uint64_t now_ns);

/*
 * A request of the server is going to be forwarded: gives the carrier to put into it, valid until
 * the next call on this tracer. 0: forward it as it is.
 */
size_t tracer_server_carrier(struct tracer_connection *connection, struct envelope *envelope,
	uint64_t now_ns, const char **text);

/* A message of the backend is complete; its last byte came at now_ns. */
void tracer_backend_message(
	struct tracer_connection *connection, const struct envelope *envelope, uint64_t now_ns);

/*
 * What the server is told in the head of an HTTP request, before the request in its body is known:
 * made by tracer_promise(), kept by the first request that is shown while it is open.
 */
struct tracer_promise {
	bool is_open;
	_Alignas(8) unsigned char told[ENVELOPE_NOTE_MAX];
};

/*
 * The messages that follow belong to that HTTP exchange, whose answer has that status; 0: none so
 * far. What a backend says in exchange 0 may answer those of any other one. carrier: what the
 * fields of the request say; NULL: nothing. promise: see tracer_promise(); NULL: none can be made.
 * Both are borrowed until the next call.
 */
void tracer_exchange(struct tracer_connection *connection, uint32_t exchange, unsigned status,
	const struct carrier_view *carrier, struct tracer_promise *promise);

/*
 * Chooses the context of the request that is to come, and opens the exchange's promise of it.
 * envelope: what has come of a message that may be one, or NULL. False: it is none.
 */
bool tracer_promise(struct tracer_connection *connection, const struct envelope *envelope);

/*
 * What the server is told of the request that was shown last, or promised, as lines of fields in
 * text, which has CARRIER_FIELDS_MAX bytes. Returns their size; 0: nothing.
 */
size_t tracer_fields(const struct tracer_connection *connection, char *text);

/* Whether parents are looked for in fields of HTTP requests. */
bool tracer_wants_fields(const struct tracer *tracer);

/* Its answer has come, with that status: ends what is not answered, unless that is elsewhere. */
void tracer_exchange_end(struct tracer_connection *connection, uint32_t exchange, unsigned status,
	bool elsewhere, uint64_t now_ns);

/*
 * An exchange has begun, with what its request carries. What is kept of it for a span of its own,
 * should it turn out to be no JSON-RPC; NULL: it is not wanted (http.spans), or memory is out. The
 * texts in carrier are borrowed until it ends.
 */
struct http_span *tracer_http_begin(struct tracer *tracer, const struct http_span_request *request,
	const struct carrier_view *carrier, uint64_t now_ns);

/* It is over, with an answer of that status, or 0. NULL is allowed. Frees. */
void tracer_http_end(struct tracer *tracer, struct http_span *http, bool is_rpc, unsigned status,
	uint64_t now_ns);

/* Whether the message says that it is JSON-RPC, which it need not. */
bool tracer_says_rpc(const struct tracer *tracer, const struct envelope *envelope);

/* Whether tracer_header() would do anything. */
bool tracer_wants_headers(const struct tracer *tracer);

/*
 * A header field that came before the client's messages, such as those of a handshake: for captures
 * of the profile. The first value counts.
 */
void tracer_header(struct tracer_connection *connection, const char *name, size_t name_size,
	const char *value, size_t value_size);

/* The subject of the client's certificate: all spans of the connection have it. */
void tracer_client_subject(struct tracer_connection *connection, const char *subject);

/* Ends what has waited too long; gives back idle memory. Called every now and then. */
void tracer_connection_expire(struct tracer_connection *connection, uint64_t now_ns);

/* How many requests wait for an answer. */
size_t tracer_connection_waiting(const struct tracer_connection *connection);

/* Nothing can be answered any more: ends all that is in flight for that reason. */
void tracer_connection_end(
	struct tracer_connection *connection, enum tracer_end reason, uint64_t now_ns);

/* Ends all that is in flight for that reason and frees the connection. NULL is allowed. */
void tracer_connection_free(
	struct tracer_connection *connection, enum tracer_end reason, uint64_t now_ns);

/* How much goes on now: requests of clients, and what the profile follows. */
struct tracer_open {
	const char *type; /* as the profile calls it, or "request"; borrowed */
	size_t count;
	uint64_t oldest_ns; /* when the oldest began, if there is any */
};
#define TRACER_OPEN_MAX (LIFECYCLE_SPANS_MAX + 1)

/* Fills in the list, requests first; returns how many types there are. */
size_t tracer_count_open(const struct tracer *tracer, struct tracer_open list[TRACER_OPEN_MAX]);

/* Adds all of it to a survey, in which the oldest are found. */
void tracer_survey(const struct tracer *tracer, struct survey *survey);

/* Shows an item of a survey, of its tracer, as a span that has no end. */
void tracer_show(const struct survey_item *item, uint64_t now_ns,
	void (*show)(void *arg, const struct span *span), void *arg);

const struct tracer_counters *tracer_counters(const struct tracer *tracer);

/* What the rules of the lifecycle have counted. */
const struct follow_counters *tracer_follow_counters(const struct tracer *tracer);

#endif

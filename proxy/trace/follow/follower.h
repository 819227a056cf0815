#ifndef PROXY_TRACE_FOLLOW_FOLLOWER_H
#define PROXY_TRACE_FOLLOW_FOLLOWER_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/trace/follow/action.h"
#include "proxy/trace/follow/emit.h"

/*
 * Follows the work of one backend by the rules of the profile: from the messages on all of its
 * connections it learns which spans, longer than a request and its answer, begin, change and end.
 * It never fails towards the conversation: what cannot be followed is counted.
 */
#define FOLLOWER_CLAIM_NS (60 * 1000000000ull) /* how long a claim outlives its answer */

struct follower;
struct parent;
struct survey;

/* NULL when out of memory. setup is borrowed for life. */
struct follower *follower_new(struct follow_setup *setup);

/* Ends all that is open for that reason. NULL is allowed. */
void follower_free(struct follower *follower, enum end_reason reason, uint64_t now_ns);

/*
 * A request is on its way, of whose method the matcher says that there is something to do.
 * promise: the id that its carrier named, NULL: its own. Fills in the request's claim, span and
 * quotes; the caller owes exactly one follower_request_over(), before the follower is freed.
 */
void follower_request(struct follower *follower, const struct captures *captures,
	struct action_message *message, struct request *request, const uint8_t *promise);

/*
 * The answer has come: an error, or a result, which may start what was asked for. If the promise
 * was not kept by another span, the request's takes its id: its context has it then.
 */
void follower_answered(struct follower *follower, struct action_message *message,
	struct request *request, bool ok);

/* The request ends: all below its span has ended then. */
void follower_request_over(struct follower *follower, struct request *request, uint64_t now_ns);

/* The request's span has been emitted; it is freed. */
void follower_request_forget(struct follower *follower, struct request *request);

/* A notification, of the server or of the client. */
void follower_notification(
	struct follower *follower, struct action_message *message, enum lifecycle_on on);

/*
 * A request of the server. parent: what its own carrier says. context: what the client was told
 * instead, which the span takes for its own; NULL: it was told nothing.
 */
void follower_server_request(struct follower *follower, struct action_message *message,
	const struct parent *parent, const struct traceparent *context);

/* What a request of the server, about to be forwarded to the client, is to carry. */
struct follower_told {
	struct traceparent context;
	struct span_text tracestate; /* borrowed from an open span or the parent */
	bool made; /* for the span that follower_server_request() will open; else one has it */
};

/* False: it is to carry nothing of ours. */
bool follower_server_context(struct follower *follower, struct action_message *message,
	const struct parent *parent, struct follower_told *told);

/* The client's answer to one. */
void follower_client_reply(struct follower *follower, struct action_message *message);

/*
 * A connection is no more. last: there is no other. backend_lost: it was the backend that ended it;
 * spans that nobody sees any more end then.
 */
void follower_connection_gone(struct follower *follower, uint64_t connection, bool last,
	bool backend_lost, uint64_t now_ns);

/* Ends all that is open for that reason. */
void follower_end_all(struct follower *follower, enum end_reason reason, uint64_t now_ns);

/* Adds all that is open, but for requests of clients. */
void follower_survey(const struct follower *follower, struct survey *survey);

/* Once per second or so: tells of long spans, ends what has waited too long. */
void follower_tick(struct follower *follower, uint64_t now_ns);

#endif

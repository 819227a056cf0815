#ifndef PROXY_TRACE_FOLLOW_ACTION_H
#define PROXY_TRACE_FOLLOW_ACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "config/profile/lifecycle.h"
#include "proxy/message/envelope.h"
#include "proxy/trace/follow/claims.h"
#include "proxy/trace/follow/look.h"
#include "proxy/trace/follow/open_spans.h"
#include "proxy/trace/requests/request.h"

/*
 * A message that rules act for, and finding the spans that they are about. It is filled in by who
 * has the message, and run by act_run().
 */
struct action_message {
	uint64_t connection; /* that it came on; never 0 */
	const struct envelope *envelope;
	uint64_t now_ns;
	const struct connection_attributes *attributes; /* of the connection */
	const struct inflight *requests;                /* of its client, in flight */
	struct share **share;  /* of the connection in the spans that are open */
	struct request *ended; /* one that a rule has ended, for the caller to end; or NULL */
};

struct action {
	struct open_spans *spans;
	struct claims *claims;
	struct action_message *message;
	const struct matcher_method *method;
	struct look look;
	struct request *request; /* that it is or answers, or NULL */
	struct claim *claim;     /* of the request that it answers, or NULL */
	struct open_span
		*about; /* held; the last span that such an answer started or found, or NULL */
	/* Of a request of the server: what the client is told, and what its own carrier says. */
	const struct traceparent *context;
	const struct parent *parent;
	struct open_span *call; /* held; that an answer of the client is for, or NULL */
	uint64_t left[2];       /* of a text that links requests */
	bool has_left;          /* by the answer */
	bool fresh; /* it has opened or ended a span: no copy of the message came before */
	bool stale; /* it would have, but the span is closed already: one has come before */
	/* The message has the key of the recent span of this type, for rules with this key. */
	uint8_t known_type;
	uint16_t known_key; /* its number; 0: nothing is known */
};

static inline bool action_is_copy(const struct action *action)
{
	return action->stale && !action->fresh;
}

static inline struct follow_counters *action_counters(const struct action *action)
{
	return &action->spans->setup->counters;
}

/* The request itself gets its span, if other messages may be about it. */
void action_expect_request(struct action *action);

/* The request that the rule is about: itself, or one that is in flight on the connection. */
struct request *action_find_request(struct action *action, const struct matcher_rule *rule);

/*
 * The open span of a request, which is made when there is none: NULL, counted, when out of memory.
 */
struct open_span *action_follow_request(struct action *action, struct request *request);

/*
 * The key that a rule takes from the message, as far as it is there. False: that is not all of it.
 */
bool action_take_key(const struct action *action, const struct matcher_rule *rule, struct key *key);

/* The request of the server with the id in the message. */
struct open_span *action_find_call(const struct action *action, const struct matcher_rule *rule);

/* That which is answered, if the rule is about it and no other rule ended it. */
struct open_span *action_answered_call(
	const struct action *action, const struct matcher_rule *rule);

/*
 * Whether a rule acts on what a connection tells of a span. What depends on a level may come from
 * anybody: a copy of it does not raise the level again.
 */
bool action_listens(
	const struct action *action, const struct matcher_rule *rule, struct open_span *span);

/*
 * The span that the rule is about, if it is open and the connection is to be listened to; with
 * streams each of them says for itself who that is.
 */
struct open_span *action_find(struct action *action, const struct matcher_rule *rule);

/*
 * The open span that one of the rule's type, which is made, belongs below: NULL when there is none,
 * or, counted, no whole key in the message.
 */
struct open_span *action_find_above(struct action *action, const struct matcher_rule *rule);

/* The answer has started or found that span, which other rules may end. */
void action_find_about(struct action *action, struct open_span *span);

/* When the rule's message says that it happened, not after now and not before earliest_ns. */
uint64_t action_time(
	const struct action *action, const struct matcher_rule *rule, uint64_t earliest_ns);

/* Acts for a rule that opens a span: unless it is open, or was closed, or is not wanted. */
void action_open(struct action *action, const struct matcher_rule *rule);

/*
 * Opens a span that is made, with that key, for a rule that sees to its end: NULL, counted, without
 * memory.
 */
struct open_span *action_make_span(struct action *action, const struct matcher_rule *rule,
	const struct key *key, struct open_span *above, uint64_t start_ns);

#endif

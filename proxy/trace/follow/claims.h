#ifndef PROXY_TRACE_FOLLOW_CLAIMS_H
#define PROXY_TRACE_FOLLOW_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "exporter/span.h"
#include "proxy/trace/follow/look.h"
#include "proxy/trace/follow/matcher.h"
#include "proxy/trace/follow/open_spans.h"

/*
 * A request that submits work, from its forwarding until it is known what has become of it. The
 * carrier that was forwarded names a span that is still to come: the one that the request starts,
 * if it starts one, else its dispatch span, else (it was refused) the request's own. So no span of
 * the server hangs under one that does not exist.
 */
enum claim_state {
	CLAIM_PENDING, /* not answered, nothing has been started by it */
	CLAIM_STARTED, /* not answered, but what it asked for has started */
	CLAIM_TAKEN,   /* answered; what it asked for is still to start */
};

struct claim_value {
	uint8_t attribute;
	struct look_value value;
};

struct claim {
	TAILQ_ENTRY(claim) link; /* while it claims */
	enum claim_state state;
	bool dispatched; /* has a dispatch span, when it is taken up */
	const struct matcher_method *method;
	const struct matcher_rule *rule; /* of a span to come; NULL: none, or no more */
	struct traceparent request;      /* the request's span */
	bool has_client;                 /* a span of the client is above it: */
	uint8_t client[SPAN_ID_SIZE];
	bool is_below; /* the span that it has started is the root, and the request below it: */
	uint8_t root[SPAN_ID_SIZE];
	bool promised;                  /* the carrier forwarded was not the request's own: */
	uint8_t promise[SPAN_ID_SIZE];  /* but this span's */
	bool queued;                    /* its span begins when another is over */
	uint8_t dispatch[SPAN_ID_SIZE]; /* the dispatch span's, if the promise is kept otherwise */
	uint64_t begun_ns;              /* the request */
	uint64_t forwarded_ns;
	uint64_t taken_ns;
	struct key group; /* the first parts of the key of the span that it claims */
	uint64_t connection;
	/* Inside this piece of memory, as all texts are. */
	struct span_text method_name, tracestate;
	struct span_attribute *attributes; /* of the request and its dispatch span */
	size_t attribute_count;
	struct claim_value *values; /* of the span that it claims */
	size_t value_count;
	size_t bytes; /* of this piece of memory */
};

TAILQ_HEAD(claim_list, claim);

struct connection_attributes;
struct survey;

struct claim_request {
	const struct matcher_method *method;
	const struct request *request;
	const struct captures *captures;
	const struct connection_attributes *attributes; /* NULL: there are none */
	uint64_t connection, now_ns;
};

/*
 * The requests of the clients of one backend that submit work, from their forwarding until it is
 * known what has become of it.
 */
#define CLAIMS_MAX 1024

struct claims {
	struct open_spans *spans; /* borrowed */
	struct claim_list list;   /* those that claim a span, oldest first */
	size_t count;
};

/* spans is borrowed for life. */
void claims_init(struct claims *claims, struct open_spans *spans);

/*
 * Whether the carrier of a request of that method must name a span that is still to come. One that
 * may never come is not promised, unless a dispatch span can take its place.
 */
bool claims_promises(const struct follow_setup *setup, const struct matcher_method *method);

/*
 * A request is on its way. promise: the id that its carrier named, NULL: its own. NULL: it submits
 * no work, or there is no memory. The caller owes exactly one claims_settle() or
 * claims_unanswered() for what is returned.
 */
struct claim *claims_request(struct claims *claims, const struct claim_request *request,
	const struct look *look, const uint8_t *promise);

/* The oldest claim on a span with that key, or without one, on that connection; or NULL. */
struct claim *claims_find(
	const struct claims *claims, size_t type, const struct key *key, uint64_t connection);

/*
 * The span that was asked for starts: opens it with the promised id and the values of the claim,
 * and emits the dispatch span. NULL when out of memory. A claim that was answered is freed.
 */
struct open_span *claims_start(
	struct claims *claims, struct claim *claim, struct span_opening *opening);

/*
 * A result has come. about: the span that it started or found, or NULL. If no other span has kept
 * the promise, the request's takes its id: it is put into context.
 */
void claims_settle(struct claims *claims, struct claim *claim, struct open_span *about,
	struct traceparent *context, uint64_t now_ns);

/* An error, or no answer will come. NULL is allowed. */
void claims_unanswered(struct claims *claims, struct claim *claim, struct traceparent *context);

/* Adds the dispatches of those whose answer has come. */
void claims_survey(const struct claims *claims, struct survey *survey);

/* Shows the dispatch span of a claim that is not taken up. */
void claim_show(struct follow_setup *setup, const struct claim *claim,
	void (*show)(void *arg, const struct span *span), void *arg);

/* Drops claims whose answer came age_ns ago or earlier. */
void claims_expire(struct claims *claims, uint64_t now_ns, uint64_t age_ns);

#endif

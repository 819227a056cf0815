#ifndef PROXY_TRACE_FOLLOW_CLAIMS_H
#define PROXY_TRACE_FOLLOW_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/trace/follow/claim.h"
#include "proxy/trace/follow/open_spans.h"

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

/* Drops claims whose answer came age_ns ago or earlier. */
void claims_expire(struct claims *claims, uint64_t now_ns, uint64_t age_ns);

#endif

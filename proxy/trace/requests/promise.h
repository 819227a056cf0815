#ifndef PROXY_TRACE_REQUESTS_PROMISE_H
#define PROXY_TRACE_REQUESTS_PROMISE_H

#include <stdbool.h>

#include "proxy/trace/requests/parent.h"
#include "w3c/traceparent.h"

struct ids;
struct sampler;

/*
 * What the server is told of a request before the request is known to its end: the parent and the
 * context of its span. Whatever the rest of the message says, the span is then as it was told.
 */
struct promise {
	bool made;
	struct parent parent;
	struct traceparent context;
	/* The carrier names not the request's own span, but one that is to come of it. */
	bool for_another;
	uint8_t another[SPAN_ID_SIZE];
};

/* Finds the request's parent and makes its context. */
void promise_make(struct promise *promise, const struct parents *parents,
	const struct sampler *sampler, struct ids *ids, const struct envelope *envelope);

/*
 * The request, promised in the same envelope, is complete. Should another carrier have turned up
 * since, the verdict is on the latter, but the parent is still the one that was told.
 */
void promise_keep(
	struct promise *promise, const struct parents *parents, const struct envelope *envelope);

#endif

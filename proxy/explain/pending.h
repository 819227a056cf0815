#ifndef PROXY_EXPLAIN_PENDING_H
#define PROXY_EXPLAIN_PENDING_H

#include <stddef.h>
#include <stdint.h>

#include "proxy/trace/requests/request.h"

struct envelope;

/* The requests of one side of a connection whose answers are still to come, with their methods. */
#define PENDING_MAX 65536 /* the oldest is forgotten then */

struct pending {
	struct inflight table;
};

/* seed: random, as inflight_init() wants it. */
void pending_init(struct pending *pending, uint64_t seed);
void pending_done(struct pending *pending);

/* Notes a request, in place of one that has its id. Without memory it is not known. */
void pending_remember(struct pending *pending, const struct envelope *envelope);

struct pending_request;

/* The request that the envelope answers, or NULL; valid until pending_forget(). */
struct pending_request *pending_find(
	const struct pending *pending, const struct envelope *envelope);
void pending_forget(struct pending *pending, struct pending_request *request);

/* The method, borrowed from the request; its size in *size. */
const char *pending_method(const struct pending_request *request, size_t *size);

#endif

#ifndef PROXY_EXPLAIN_ASKED_H
#define PROXY_EXPLAIN_ASKED_H

#include <stddef.h>
#include <stdint.h>

#include "proxy/trace/requests/inflight.h"

struct envelope;

/* The requests of one side of a connection whose answers are still to come, with their methods. */
#define ASKED_MAX 65536 /* the oldest is forgotten then */

struct asked {
	struct inflight table;
};

/* seed: random, as inflight_init() wants it. */
void asked_init(struct asked *asked, uint64_t seed);
void asked_done(struct asked *asked);

/* Notes a request, in place of one that has its id. Without memory it is not known. */
void asked_remember(struct asked *asked, const struct envelope *envelope);

struct asked_request;

/* The request that the envelope answers, or NULL; valid until asked_forget(). */
struct asked_request *asked_find(const struct asked *asked, const struct envelope *envelope);
void asked_forget(struct asked *asked, struct asked_request *request);

/* The method, borrowed from the request; its size in *size. */
const char *asked_method(const struct asked_request *request, size_t *size);

#endif

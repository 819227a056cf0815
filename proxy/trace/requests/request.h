#ifndef PROXY_TRACE_REQUESTS_REQUEST_H
#define PROXY_TRACE_REQUESTS_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "exporter/span.h"

/*
 * Requests of one connection that wait for an answer: a hash table from the id's key to an entry,
 * and the same entries in order of age. It starts without memory, gives it back when it is empty
 * and idle, and holds at most as many entries as the caller allows.
 */
struct inflight_entry {
	struct inflight_entry *older, *newer;
	uint64_t hash;
	uint64_t start_ns;
	char *key; /* inside the entry's own memory */
	uint16_t key_size;
};

struct inflight {
	struct inflight_entry **slots; /* owned; capacity is a power of two */
	size_t capacity;
	size_t count;
	uint64_t seed;
	struct inflight_entry *oldest, *newest;
};

/* seed: random, so that a peer cannot choose ids that collide. */
void inflight_init(struct inflight *inflight, uint64_t seed);

/* Frees the table, not the entries: take them out first. */
void inflight_done(struct inflight *inflight);

/* What is asked of a key, and kept in an entry, beside the key itself. */
uint64_t inflight_hash(const struct inflight *inflight, const char *key, size_t key_size);

/* The entry with that key and its hash, or NULL. */
struct inflight_entry *inflight_find(
	const struct inflight *inflight, const char *key, size_t key_size, uint64_t hash);

/* Another one with the key of the one before, or NULL. */
struct inflight_entry *inflight_find_next(
	const struct inflight *inflight, const struct inflight_entry *before);

/*
 * Adds an entry; key and hash are set. It keeps the pointer. 0, or -1 when there is no memory for a
 * larger table.
 */
int inflight_add(struct inflight *inflight, struct inflight_entry *entry);

/* Takes an entry out; it is the caller's again. */
void inflight_remove(struct inflight *inflight, struct inflight_entry *entry);

/* Gives back the memory of a table that is empty, or much too large for what is left in it. */
void inflight_trim(struct inflight *inflight);

struct capture_set;
struct claim;
struct look_quotes;
struct open_span;

/*
 * One request of a client from its first byte to its span: everything the span will say that is
 * known when the request is forwarded, in a single piece of memory.
 */
struct request_value {
	uint8_t capture; /* index into the captures from requests */
	struct span_text text;
};

/* The same in a request; the texts follow each other. */
struct request_kept {
	uint32_t at; /* in the request's piece of memory */
	uint16_t size;
	uint8_t capture;
};

struct request {
	struct inflight_entry entry; /* first: the table hands back pointers to it */
	struct traceparent context;
	uint8_t parent_span_id[SPAN_ID_SIZE];
	bool has_parent;
	bool parent_is_ours; /* a span that it has started */
	bool recorded;       /* sampled, and there is somewhere to send the span */
	bool has_span;       /* if its trace is sampled, or for how it ends */
	bool stays;          /* its span goes on by itself, recorded or not */
	bool large;          /* has more memory than those that are used again */
	uint8_t value_count;
	uint8_t link_count;     /* to contexts that came with it; see request_links() */
	uint16_t http_status;   /* of the answer that ends it; 0: it is no HTTP */
	uint32_t exchange;      /* HTTP: which one it belongs to; its id is its own within that */
	uint32_t bytes;         /* of this piece of memory, and what else it is charged for */
	unsigned method_number; /* see methods.h */
	uint64_t start_unix_ns;
	const struct capture_set *captures; /* of its method; borrowed from the tracer */
	struct claim *claim;                /* owned; NULL: it submits no work */
	struct open_span *span;             /* owned; NULL: no rule has had to do with it */
	struct look_quotes *quotes;         /* owned; what rules for its answer look at, or NULL */
	struct span_text method;
	struct span_text id;
	struct span_text tracestate;
	struct request_kept values[]; /* value_count; then all texts */
};

_Static_assert(offsetof(struct request, entry) == 0, "the table's entry is cast to it");

static inline struct span_text request_value(const struct request *request, size_t i)
{
	const struct request_kept *kept = &request->values[i];

	return (struct span_text){.bytes = (const char *)request + kept->at, .size = kept->size};
}

/* Copies link_count links, which lie behind the tracestate. */
static inline void request_links(const struct request *request, struct span_link *links)
{
	if (request->link_count > 0)
		memcpy(links, request->tracestate.bytes + request->tracestate.size,
			request->link_count * sizeof *links);
}

/* What a request is known by: texts, borrowed, of which it keeps copies. */
struct request_texts {
	struct span_text key;
	struct span_text method;
	struct span_text id;
	struct span_text tracestate;
	struct span_link *links;
	size_t link_count;
	struct request_value *values;
	size_t value_count;
};

/*
 * The request in flight with the id of that key that an answer in that exchange is for. 0: it is
 * for no exchange, but for whoever has asked so; the oldest, as that has waited longest.
 */
struct request *request_find(
	const struct inflight *inflight, struct span_text key, uint64_t hash, uint32_t exchange);

/*
 * Requests come and go at the speed of messages: so many of the usual size are kept when they are
 * freed, for the next ones. The size is what the C library takes 272 bytes for: with its place in
 * the table a usual request costs less than 300.
 */
#define REQUEST_SIZE_USUAL 264
#define REQUEST_SPARES_MAX 64

/* What a request costs beside its own memory: the C library's share, and its place in the table. */
#define REQUEST_OVERHEAD 40

struct request_pool {
	struct inflight_entry *spares; /* owned; linked by older */
	size_t spare_count;
};

void request_pool_init(struct request_pool *pool);

/* Frees what is spare, not the requests that are in use. */
void request_pool_done(struct request_pool *pool);

/*
 * A request that may become one of those in flight. NULL when out of memory. The caller fills in
 * context, parent, times and captures, and frees with request_free().
 */
struct request *request_new(struct request_pool *pool, const struct inflight *inflight,
	const struct request_texts *texts);
void request_free(struct request_pool *pool, struct request *request);

#endif

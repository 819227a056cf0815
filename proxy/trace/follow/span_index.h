#ifndef PROXY_TRACE_FOLLOW_SPAN_INDEX_H
#define PROXY_TRACE_FOLLOW_SPAN_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/trace/follow/open_span.h"
#include "w3c/traceparent.h"

/*
 * The open spans of one backend: a hash table over everything by which one is found, and the spans
 * in the order in which they were opened. It starts without memory. The spans are the caller's.
 */
TAILQ_HEAD(open_span_list, open_span);

struct span_index {
	struct span_index_entry **buckets; /* owned; capacity is a power of two */
	size_t capacity;
	size_t entry_count;
	uint64_t seed;
	struct open_span_list ages; /* oldest first */
};

/* seed: random, so that a peer cannot choose keys that collide. */
void span_index_init(struct span_index *by_key, uint64_t seed);

/* Frees the table; there must be no spans in it. */
void span_index_done(struct span_index *by_key);

/*
 * Adds a span under its key or, if it is a request of the server, that one's id; grouped: under the
 * first and the last part of the key too. 0, or -1 when there is no memory: then it is not in it.
 */
int span_index_add(struct span_index *by_key, struct open_span *span, bool grouped);

/*
 * Adds one more key for a span, under which it is found as one of that type. 0, or -1: no memory,
 * or it has OPEN_SPAN_ALIASES_MAX.
 */
int span_index_alias(
	struct span_index *by_key, struct open_span *span, size_t type, const struct key *key);

/* Takes a span out with all its entries. */
void span_index_remove(struct span_index *by_key, struct open_span *span);

/* Gives back the memory of a table that is empty, or much too large for what is left in it. */
void span_index_trim(struct span_index *by_key);

/* What entries are hashed by. */
uint64_t span_index_hash(const struct span_index *by_key, enum span_index_role role, size_t type,
	struct span_text bytes);

/* The first entry, or NULL; those that were added last come first. */
struct span_index_entry *span_index_find(const struct span_index *by_key, enum span_index_role role,
	size_t type, struct span_text bytes);

/* The next one of the same role, type and bytes, or NULL. */
struct span_index_entry *span_index_next(const struct span_index_entry *entry);

/* The span with that key, or that has it as another one; NULL. */
struct open_span *span_index_find_key(
	const struct span_index *by_key, size_t type, const struct key *key, size_t parts);

/*
 * Spans that were closed not long ago: so that a late copy of their first message opens none again,
 * and so that others can still be hung under them or linked to them. Of the last CLOSED_SPANS_SETS
 * * CLOSED_SPANS_WAYS records about all are remembered; that older ones make way is how it works,
 * and not counted. Starts without memory.
 */
#define CLOSED_SPANS_SETS 256
#define CLOSED_SPANS_WAYS 4

struct closed_span {
	uint64_t hash; /* 0: none */
	struct traceparent context;
};

struct closed_spans {
	struct closed_span (*sets)[CLOSED_SPANS_WAYS]; /* owned; in each the latest come first */
	bool used;                                     /* since the last tick */
	uint64_t since_ns;                             /* that none was closed */
};

void closed_spans_done(struct closed_spans *closed);

/* hash: of what the span is found by. A new record takes the place of the same hash's. */
void closed_spans_remember(
	struct closed_spans *closed, uint64_t hash, const struct traceparent *context);

/*
 * Forgets all, and gives back the memory, when none was closed for as long as a span may be open.
 */
void closed_spans_tick(struct closed_spans *closed, uint64_t now_ns, uint64_t max_age_ns);

/* NULL when not known; else valid until the next call of closed_spans_remember(). */
const struct traceparent *closed_spans_recall(const struct closed_spans *closed, uint64_t hash);

/*
 * The spans that were given up for want of room: what they stand for goes on, so messages of it
 * come at any time, and must not open them once more. Known by their hashes alone, for as long as
 * a span may be open, but of the last EVICTED_SET_MAX to twice as many only. Starts without memory;
 * where there is none, nothing is remembered.
 */
#define EVICTED_SET_MAX 32768

struct evicted_set {
	uint64_t *hashes; /* owned; 0: none; capacity is a power of two */
	size_t capacity, count;
};

struct evicted {
	struct evicted_set young, old;
	uint64_t since_ns; /* of the first in the young set */
};

void evicted_done(struct evicted *evicted);

/* Returns how many older ones are forgotten for it. */
size_t evicted_remember(struct evicted *evicted, uint64_t hash, uint64_t now_ns);
bool evicted_knows(const struct evicted *evicted, uint64_t hash);

/* Forgets what is older than twice that, gives back its memory; what is younger stays. */
void evicted_tick(struct evicted *evicted, uint64_t now_ns, uint64_t max_age_ns);

#endif

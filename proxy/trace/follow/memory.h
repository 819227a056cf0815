#ifndef PROXY_TRACE_FOLLOW_MEMORY_H
#define PROXY_TRACE_FOLLOW_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proxy/trace/follow/open_span.h"

/*
 * What is kept under a key beyond the spans that have it: values, which spans may inherit, and
 * levels, whose increase counts. There are as many at most as the options say; then the one that
 * was not used for longest is forgotten. It starts without memory.
 */
struct memory {
	TAILQ_ENTRY(memory) age;
	struct memory *next; /* in its bucket */
	uint64_t hash;
	struct open_span_values values;
	struct span_link left; /* of a text that links: the request that left it */
	uint32_t known;        /* bits of the levels that are */
	int64_t levels[LIFECYCLE_LEVELS_MAX];
	uint8_t type;
	uint16_t size;
	char key[];
};

TAILQ_HEAD(memory_list, memory);

struct memories {
	struct memory **buckets; /* owned; MEMORY_BUCKETS, or NULL */
	size_t count;
	uint64_t seed;
	struct memory_list ages; /* the one not used for longest first */
};

/* seed: random, so that a peer cannot choose keys that collide. */
void memories_init(struct memories *memories, uint64_t seed);
void memories_done(struct memories *memories, struct open_span_budget *budget);

/* The one of that type whose key is the first parts of key, or NULL. */
struct memory *memories_find(
	struct memories *memories, size_t type, const struct key *key, size_t parts);

/*
 * The same; it is made when there is none. *forgotten counts those that had to make room. NULL when
 * out of memory.
 */
struct memory *memories_get(struct memories *memories, size_t type, const struct key *key,
	size_t parts, size_t count_max, struct open_span_budget *budget, uint64_t *forgotten);

#endif

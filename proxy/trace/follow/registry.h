#ifndef PROXY_TRACE_FOLLOW_REGISTRY_H
#define PROXY_TRACE_FOLLOW_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#include "proxy/trace/follow/live.h"

/*
 * The open spans of one backend: a hash table over everything by which one is found, and the spans
 * in the order in which they were opened. It starts without memory. The spans are the caller's.
 */
TAILQ_HEAD(live_list, live);

struct registry {
	struct registry_entry **buckets; /* owned; capacity is a power of two */
	size_t capacity;
	size_t entry_count;
	size_t live_count;
	uint64_t seed;
	struct live_list ages; /* oldest first */
};

/* seed: random, so that a peer cannot choose keys that collide. */
void registry_init(struct registry *registry, uint64_t seed);

/* Frees the table; there must be no spans in it. */
void registry_done(struct registry *registry);

/*
 * Adds a span under its key or, if it is a request of the server, that one's id; grouped: under the
 * first and the last part of the key too. 0, or -1 when there is no memory: then it is not in it.
 */
int registry_add(struct registry *registry, struct live *live, bool grouped);

/* Adds one more key for a span. 0, or -1: no memory, or it has LIVE_ALIASES_MAX. */
int registry_alias(struct registry *registry, struct live *live, const struct key *key);

/* Takes a span out with all its entries. */
void registry_remove(struct registry *registry, struct live *live);

/* What entries are hashed by. */
uint64_t registry_hash(const struct registry *registry, enum registry_role role, size_t type,
	struct span_text bytes);

/* The first entry, or NULL; those that were added last come first. */
struct registry_entry *registry_find(const struct registry *registry, enum registry_role role,
	size_t type, struct span_text bytes);

/* The next one of the same role, type and bytes, or NULL. */
struct registry_entry *registry_next(const struct registry_entry *entry);

/* The span with that key, or that has it as another one; NULL. */
struct live *registry_find_key(
	const struct registry *registry, size_t type, const struct key *key, size_t parts);

#endif

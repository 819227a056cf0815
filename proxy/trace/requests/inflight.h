#ifndef PROXY_TRACE_REQUESTS_INFLIGHT_H
#define PROXY_TRACE_REQUESTS_INFLIGHT_H

#include <stddef.h>
#include <stdint.h>

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

/*
 * Adds an entry; key and hash are set and not in the table. It keeps the pointer. 0, or -1 when
 * there is no memory for a larger table.
 */
int inflight_add(struct inflight *inflight, struct inflight_entry *entry);

/* Takes an entry out; it is the caller's again. */
void inflight_remove(struct inflight *inflight, struct inflight_entry *entry);

/* Gives back the memory of an empty table. */
void inflight_trim(struct inflight *inflight);

#endif

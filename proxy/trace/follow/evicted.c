/*
 * Two sets of hashes, open addressing with linear probing: new ones go into the young set; when
 * that is full, or old, it takes the place of the old one.
 */
#include "proxy/trace/follow/evicted.h"

#include <stdlib.h>

#define EVICTED_CAPACITY_MIN 64

static void evicted_set_done(struct evicted_set *set)
{
	free(set->hashes);
	*set = (struct evicted_set){.hashes = NULL};
}

void evicted_done(struct evicted *evicted)
{
	evicted_set_done(&evicted->young);
	evicted_set_done(&evicted->old);
}

/* Where the hash is, or would be; the set has memory, and room. */
static uint64_t *evicted_set_place(const struct evicted_set *set, uint64_t hash)
{
	size_t at = hash & (set->capacity - 1);

	while (set->hashes[at] != 0 && set->hashes[at] != hash)
		at = (at + 1) & (set->capacity - 1);
	return &set->hashes[at];
}

static bool evicted_set_has(const struct evicted_set *set, uint64_t hash)
{
	return set->count > 0 && *evicted_set_place(set, hash) == hash;
}

/* At most half of the places are taken. */
static int evicted_set_grow(struct evicted_set *set)
{
	struct evicted_set grown = {.count = set->count};
	size_t i;

	if (2 * (set->count + 1) <= set->capacity)
		return 0;
	grown.capacity = set->capacity > 0 ? 2 * set->capacity : EVICTED_CAPACITY_MIN;
	grown.hashes = calloc(grown.capacity, sizeof *grown.hashes);
	if (grown.hashes == NULL)
		return -1;
	for (i = 0; i < set->capacity; i++)
		if (set->hashes[i] != 0)
			*evicted_set_place(&grown, set->hashes[i]) = set->hashes[i];
	free(set->hashes);
	*set = grown;
	return 0;
}

static void evicted_turn(struct evicted *evicted)
{
	evicted_set_done(&evicted->old);
	evicted->old = evicted->young;
	evicted->young = (struct evicted_set){.hashes = NULL};
}

void evicted_remember(struct evicted *evicted, uint64_t hash, uint64_t now_ns)
{
	hash += hash == 0; /* that is none */
	if (evicted_set_has(&evicted->young, hash))
		return;
	if (evicted->young.count == EVICTED_SET_MAX)
		evicted_turn(evicted);
	if (evicted_set_grow(&evicted->young) != 0)
		return;
	if (evicted->young.count++ == 0)
		evicted->since_ns = now_ns;
	*evicted_set_place(&evicted->young, hash) = hash;
}

bool evicted_knows(const struct evicted *evicted, uint64_t hash)
{
	hash += hash == 0;
	return evicted_set_has(&evicted->young, hash) || evicted_set_has(&evicted->old, hash);
}

void evicted_tick(struct evicted *evicted, uint64_t now_ns, uint64_t max_age_ns)
{
	if (evicted->young.count + evicted->old.count == 0 ||
		now_ns - evicted->since_ns < max_age_ns)
		return;
	evicted_turn(evicted);
	evicted->since_ns = now_ns; /* of the set that is old now: it stays as long again */
}

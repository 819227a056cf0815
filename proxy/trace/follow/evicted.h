#ifndef PROXY_TRACE_FOLLOW_EVICTED_H
#define PROXY_TRACE_FOLLOW_EVICTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

void evicted_remember(struct evicted *evicted, uint64_t hash, uint64_t now_ns);
bool evicted_knows(const struct evicted *evicted, uint64_t hash);

/* Forgets what is older than twice that, gives back its memory; what is younger stays. */
void evicted_tick(struct evicted *evicted, uint64_t now_ns, uint64_t max_age_ns);

#endif

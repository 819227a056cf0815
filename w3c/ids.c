/*
 * Random identifiers. The pool is filled with one getrandom() and handed out piece by piece. What
 * makes a fork visible is a counter that the child raises before it does anything else: a pool of
 * an earlier generation is stale. (A pid would cost a system call each time, and can come back.)
 *
 * The random source cannot fail with the arguments used here on a system that has getrandom();
 * where it is forbidden there is nothing sensible left to do, so the program stops.
 */
#include "w3c/ids.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static _Atomic uint64_t ids_fork_generation;
static pthread_once_t ids_once = PTHREAD_ONCE_INIT;

static void ids_child_after_fork(void)
{
	atomic_fetch_add_explicit(&ids_fork_generation, 1, memory_order_relaxed);
}

static void ids_watch_forks(void)
{
	if (pthread_atfork(NULL, NULL, ids_child_after_fork) != 0)
		abort(); /* no memory for one list node */
}

static uint64_t ids_generation(void)
{
	return atomic_load_explicit(&ids_fork_generation, memory_order_relaxed);
}

static void ids_refill(struct ids *ids)
{
	size_t filled = 0;

	while (filled < sizeof ids->pool) {
		ssize_t got = getrandom(ids->pool + filled, sizeof ids->pool - filled, 0);

		if (got > 0)
			filled += (size_t)got;
		else if (errno != EINTR)
			abort();
	}
	ids->used = 0;
	ids->generation = ids_generation();
}

void ids_init(struct ids *ids)
{
	if (pthread_once(&ids_once, ids_watch_forks) != 0)
		abort();
	ids->used = sizeof ids->pool;
	ids->generation = ids_generation();
}

/* The next size bytes of the pool, each given once. */
static inline const uint8_t *ids_take(struct ids *ids, size_t size)
{
	const uint8_t *bytes;

	assert(size <= sizeof ids->pool);
	if (ids->generation != ids_generation() || size > sizeof ids->pool - ids->used)
		ids_refill(ids);
	bytes = ids->pool + ids->used;
	ids->used += size;
	return bytes;
}

void ids_random(struct ids *ids, uint8_t *bytes, size_t size)
{
	memcpy(bytes, ids_take(ids, size), size);
}

void ids_trace_id(struct ids *ids, uint8_t trace_id[16])
{
	uint64_t halves[2];

	do
		memcpy(halves, ids_take(ids, sizeof halves), sizeof halves);
	while ((halves[0] | halves[1]) == 0);
	memcpy(trace_id, halves, sizeof halves);
}

void ids_span_id(struct ids *ids, uint8_t span_id[8])
{
	uint64_t whole;

	do
		memcpy(&whole, ids_take(ids, sizeof whole), sizeof whole);
	while (whole == 0);
	memcpy(span_id, &whole, sizeof whole);
}

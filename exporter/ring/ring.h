#ifndef EXPORTER_RING_RING_H
#define EXPORTER_RING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/span.h"

/*
 * The spans that ended last, as texts, in so many bytes and no more. Half of them is for whatever
 * ends; the other half takes what leaves the first if it is of a trace with an error or with a slow
 * span, so that such traces are to be seen for longer. A half is the largest power of two that is
 * one. One thread only; it never allocates after it
 * was made, so that nothing can fail.
 */
struct ring;

struct ring_limits {
	size_t bytes_max;
	uint64_t slow_ns; /* a span that took longer is slow; 0: none is */
};

struct ring_span {
	uint64_t number; /* of all that have come, from 1 on */
	uint8_t trace_id[TRACE_ID_SIZE];
	const char *bytes;
	size_t size;
};

/* NULL when out of memory. */
struct ring *ring_new(const struct ring_limits *limits);
void ring_free(struct ring *ring); /* NULL is allowed */

/* A span has ended, which is written so. One that is longer than a half is not taken. */
void ring_add(struct ring *ring, const struct span *span, const char *bytes, size_t size);

/* How many have come: the number of the newest. */
uint64_t ring_newest(const struct ring *ring);

/* How many of them are not in it any more. */
uint64_t ring_forgotten(const struct ring *ring);

/* The first span with a higher number, in *found, borrowed until the next one comes; or false. */
struct ring_cursor {
	bool in_recent; /* and not in the other half */
	uint64_t at;    /* a position there */
};
struct ring_cursor ring_from(const struct ring *ring, uint64_t number);

/* The span at the cursor, which goes on to the next. False: there is none. */
bool ring_next(const struct ring *ring, struct ring_cursor *cursor, struct ring_span *found);

#endif

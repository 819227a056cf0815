#ifndef EXPORTER_RING_RING_H
#define EXPORTER_RING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/span.h"

/*
 * The spans that ended last, as texts, in a fixed amount of memory. One half is for whatever ends;
 * the other takes spans that leave the first, if their trace has an error or a slow span, so that
 * such traces can be seen for longer. Each half is rounded down to a power of two. Nothing is
 * allocated once the ring is made, so that adding cannot fail. One thread only.
 */
struct ring;

struct ring_limits {
	size_t bytes_max;
	uint64_t slow_ns; /* a span that took longer is slow; 0: none is */
};

struct ring_span {
	uint64_t number; /* counted from 1, over all that have come */
	uint8_t trace_id[TRACE_ID_SIZE];
	const char *bytes;
	size_t size;
};

/* NULL when out of memory. */
struct ring *ring_new(const struct ring_limits *limits);
void ring_free(struct ring *ring); /* NULL is allowed */

/* A span has ended; bytes is its text. One that is longer than a half is not taken. */
void ring_add(struct ring *ring, const struct span *span, const char *bytes, size_t size);

/* How many have come: the number of the newest. */
uint64_t ring_newest(const struct ring *ring);

/* How many of them are not in it any more. */
uint64_t ring_forgotten(const struct ring *ring);

/* Where a reader is; good until the next span comes. */
struct ring_cursor {
	bool in_recent; /* and not in the other half */
	uint64_t at;    /* a position there */
};

/* At the first span with a higher number. */
struct ring_cursor ring_from(const struct ring *ring, uint64_t number);

/* The span at the cursor, borrowed until the next one comes; goes on. False: there is none. */
bool ring_next(const struct ring *ring, struct ring_cursor *cursor, struct ring_span *found);

#endif

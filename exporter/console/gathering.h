#ifndef EXPORTER_CONSOLE_GATHERING_H
#define EXPORTER_CONSOLE_GATHERING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "exporter/span.h"
#include "exporter/text.h"

/*
 * Finished spans for a person at a terminal wait here for the rest of their trace, so that it is
 * shown as one tree: until every span of the trace that has begun has ended, or there is too much
 * that waits, or it has waited too long. No locking: the loop's.
 */
struct gathering_trace {
	TAILQ_ENTRY(gathering_trace) by_age;
	LIST_ENTRY(gathering_trace) in_bucket;
	uint8_t trace_id[TRACE_ID_SIZE];
	size_t begun_count; /* spans that have begun and not ended */
	struct text records;
	size_t span_count; /* in the records */
	int64_t since_ms;  /* when the oldest of them was first seen to wait; 0: not yet */
};

TAILQ_HEAD(gathering_ages, gathering_trace);
LIST_HEAD(gathering_bucket, gathering_trace);

/* Gets the records of spans of one trace that need not wait longer, as many as count. */
typedef void gathering_release(void *arg, const struct text *records, size_t count);

struct gathering_limits {
	size_t spans_max, bytes_max; /* of all that wait; as many traces as spans */
	int64_t wait_ms;
};

enum { GATHERING_BUCKETS = 256 };

struct gathering {
	struct gathering_limits limits;
	gathering_release *release;
	void *release_arg;
	struct gathering_bucket buckets[GATHERING_BUCKETS];
	struct gathering_ages ages; /* the oldest first */
	size_t trace_count, span_count, bytes;
	uint64_t unfinished; /* times that a trace was released although it went on */
};

void gathering_init(struct gathering *gathering, const struct gathering_limits *limits,
	gathering_release *release, void *release_arg);

/* Frees all, and releases nothing. */
void gathering_done(struct gathering *gathering);

/* A span of that trace has begun. Without memory its trace may be released before its end. */
void gathering_begin(struct gathering *gathering, const uint8_t trace_id[TRACE_ID_SIZE]);

/* A span has ended. 0, or -1 when it could not be kept for want of memory. */
int gathering_add(struct gathering *gathering, const struct span *span);

/* Releases what has waited for wait_ms. now_ms is monotonic. */
void gathering_tick(struct gathering *gathering, int64_t now_ms);

/* Releases everything, as no more is to come. */
void gathering_end(struct gathering *gathering);

#endif

#ifndef EXPORTER_HANDOVER_H
#define EXPORTER_HANDOVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/settings.h"
#include "exporter/queue.h"
#include "exporter/retry.h"

/*
 * Where sealed batches change hands: the event loop puts them in, the exporter's thread takes one,
 * has it delivered, and settles what became of it. Everything that the two share is in here, and
 * each function takes the mutex for as long as it needs.
 */
struct handover {
	size_t spans_max, bytes_max; /* of all that waits: the oldest batch goes when it is over */
	size_t spare_bytes_max;      /* no larger batch is kept for its memory */

	/* under the mutex */
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* there is news */
	bool news;              /* a batch or the stop has come since the thread last waited */
	bool stopping;
	int64_t stop_at_ms;
	struct queue waiting, spares;
	struct exporter_counters counters; /* of what is not in the open batch */
};

/* 0, or -1 when the system has no more of what it takes. */
int handover_init(struct handover *handover, size_t spans_max, size_t bytes_max);
void handover_done(struct handover *handover);

/* ---- the event loop's ---- */

/* An emptied batch, for its memory, now the caller's; NULL when there is none. */
struct batch *handover_spare(struct handover *handover);

/* Hands a sealed batch over. trims: the oldest ones go for it if they must. */
void handover_put(struct handover *handover, struct batch *batch, bool trims);

/* Counts spans that come into no batch. counter: one of handover->counters. */
void handover_lose(struct handover *handover, uint64_t *counter, size_t span_count);

/* From now on there is only that long. */
void handover_stop(struct handover *handover, int64_t stop_at_ms);

/* When nobody takes any more: all that still waits is lost by the stop. */
void handover_abandon(struct handover *handover);

void handover_counters(struct handover *handover, struct exporter_counters *counters);

/* ---- the thread's ---- */

/* The oldest batch, now the caller's until handover_settle(); NULL when there is none. */
struct batch *handover_take(struct handover *handover);

/* A batch has its verdict: counts, and keeps the memory. Not RETRY_AGAIN. */
void handover_settle(struct handover *handover, struct batch *batch, enum retry_verdict verdict,
	uint64_t rejected);

/* INT64_MAX: not stopping. */
int64_t handover_stop_at_ms(struct handover *handover);

void handover_count_request(struct handover *handover, bool again);

/* How many spans the full queue has cost. */
uint64_t handover_overflowed(struct handover *handover);

/* Waits for news, but not beyond until_ms, monotonic; INT64_MAX: for as long as it takes. */
void handover_wait(struct handover *handover, int64_t until_ms);

/* Frees what is kept for later batches. */
void handover_rest(struct handover *handover);

#endif

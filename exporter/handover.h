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
	size_t wake_bytes;           /* more of what waits is news for a thread that is busy, too */

	/* under the mutex */
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* there is news */
	bool news;              /* a batch or the stop has come since the thread last waited */
	bool stopping;
	int64_t stop_at_ms;
	struct queue waiting, spares;
	struct exporter_counters counters; /* of what is not in the open batch */
	void *renewal; /* new settings of the delivery, which nobody has taken yet; or NULL */
};

/* 0, or -1 when the system has no more of what it takes. */
int handover_init(struct handover *handover, size_t spans_max, size_t bytes_max);
void handover_done(struct handover *handover);

/* ---- the event loop's ---- */

/* An emptied batch, for its memory, now the caller's; NULL when there is none. */
struct batch *handover_spare(struct handover *handover);

/*
 * Hands a sealed batch over. trims: the oldest ones go for it if they must. True: the thread should
 * be woken whatever it waits for.
 */
bool handover_put(struct handover *handover, struct batch *batch, bool trims);

/* Counts spans that come into no batch. counter: one of handover->counters. */
void handover_lose(struct handover *handover, uint64_t *counter, size_t span_count);

/* From now on there is only that long. */
void handover_stop(struct handover *handover, int64_t stop_at_ms);

/* Settings for the thread; returns those that it has not taken, which are the caller's. */
void *handover_renew(struct handover *handover, void *renewal);

/* When nobody takes any more: all that still waits is lost by the stop. */
void handover_abandon(struct handover *handover);

void handover_counters(struct handover *handover, struct exporter_counters *counters);

/* ---- the thread's ---- */

/*
 * The oldest batch if more than that many bytes wait, now the caller's until handover_settle();
 * else NULL.
 */
struct batch *handover_take(struct handover *handover, size_t bytes_over);

/* The settings of handover_renew(), now the caller's; NULL: there are none. */
void *handover_take_renewal(struct handover *handover);

/* Puts a batch back, before all others. */
void handover_return(struct handover *handover, struct batch *batch);

/* A batch has its verdict: counts, and keeps the memory. Not RETRY_AGAIN. */
void handover_settle(struct handover *handover, struct batch *batch, enum retry_verdict verdict,
	uint64_t rejected);

/* Keeps the memory of a batch that is counted elsewhere. */
void handover_recycle(struct handover *handover, struct batch *batch);

/* The batch is in the spool now: counts, and keeps the memory. */
void handover_spool(struct handover *handover, struct batch *batch);
/* So many spans were found there, */
void handover_recover(struct handover *handover, size_t span_count);
/* are in memory only again, or were lost from there. counter: one of handover->counters. */
void handover_unspool(struct handover *handover, size_t span_count);
void handover_lose_spooled(struct handover *handover, uint64_t *counter, size_t span_count);

/* Adds to a counter of what is no spans, or sets it. */
void handover_count(struct handover *handover, uint64_t *counter, uint64_t by);
void handover_set(struct handover *handover, uint64_t *counter, uint64_t to);

/* INT64_MAX: not stopping. */
int64_t handover_stop_at_ms(struct handover *handover);

/* How many spans the full queue has cost. */
uint64_t handover_overflowed(struct handover *handover);

/* Waits for news, but not beyond until_ms, monotonic; INT64_MAX: for as long as it takes. */
void handover_wait(struct handover *handover, int64_t until_ms);

/* Frees what is kept for later batches. */
void handover_rest(struct handover *handover);

#endif

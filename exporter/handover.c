/*
 * Where sealed batches change hands. Every span in here is counted under the same mutex, from the
 * moment its batch is put in, or it is lost before that, until its verdict. What can fail is the
 * making of the locks; a lock of ours is never destroyed early nor taken twice.
 */
#include "exporter/handover.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "exporter/batch.h"
#include "exporter/lock.h"

/* So many emptied batches are kept with their memory; fresh pages cost more than the encoding. */
enum { HANDOVER_SPARES_MAX = 4 };

static void handover_tell_locked(struct handover *handover)
{
	handover->news = true;
	(void)pthread_cond_signal(&handover->changed); /* cannot fail */
}

/* Keeps the memory of a batch, or returns the batch to be freed outside the lock. */
static struct batch *handover_recycle_locked(struct handover *handover, struct batch *batch)
{
	if (handover->spares.batch_count >= HANDOVER_SPARES_MAX ||
		batch->body.capacity > handover->spare_bytes_max)
		return batch;
	batch_reset(batch);
	queue_push(&handover->spares, batch);
	return NULL;
}

/* The counter of a verdict, in *counters. */
static uint64_t *handover_loss(
	struct exporter_counters *counters, enum retry_verdict verdict, bool stopping)
{
	switch (verdict) {
	case RETRY_REFUSED:
		return &counters->dropped_refused;
	case RETRY_EXHAUSTED:
		return stopping ? &counters->dropped_shutdown : &counters->dropped_retries;
	case RETRY_TOO_LARGE:
		return &counters->dropped_too_large;
	case RETRY_NO_MEMORY:
		return &counters->dropped_memory;
	case RETRY_DELIVERED:
	case RETRY_AGAIN:
	case RETRY_SPLIT:
		break;
	}
	assert(false); /* these lose nothing */
	return NULL;
}

/* Drops waiting batches from the oldest on. Freeing is quick compared with what led here. */
static void handover_trim_locked(struct handover *handover)
{
	struct batch *batch;

	while (handover->waiting.span_count > handover->spans_max ||
		handover->waiting.bytes > handover->bytes_max) {
		batch = queue_pop(&handover->waiting);
		assert(batch != NULL && handover->counters.pending >= batch->span_count);
		handover->counters.pending -= batch->span_count;
		handover->counters.dropped_queue += batch->span_count;
		batch_free(handover_recycle_locked(handover, batch));
	}
}

int handover_init(struct handover *handover, size_t spans_max, size_t bytes_max)
{
	pthread_condattr_t attributes;
	int failed;

	*handover = (struct handover){
		.spans_max = spans_max, .bytes_max = bytes_max, .wake_bytes = SIZE_MAX};
	if (pthread_condattr_init(&attributes) != 0)
		return -1;
	/* the condition variable counts in monotonic time */
	failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	if (failed == 0)
		failed = pthread_cond_init(&handover->changed, &attributes);
	(void)pthread_condattr_destroy(&attributes); /* was initialised */
	if (failed != 0)
		return -1;
	if (lock_init(&handover->mutex) == 0)
		return 0;
	(void)pthread_cond_destroy(&handover->changed); /* nobody waits */
	return -1;
}

void handover_done(struct handover *handover)
{
	queue_done(&handover->waiting);
	queue_done(&handover->spares);
	(void)pthread_cond_destroy(&handover->changed); /* nobody waits */
	(void)pthread_mutex_destroy(&handover->mutex);  /* nobody holds it */
}

struct batch *handover_spare(struct handover *handover)
{
	struct batch *batch;

	lock_take(&handover->mutex);
	batch = queue_pop(&handover->spares);
	lock_give(&handover->mutex);
	return batch;
}

bool handover_put(struct handover *handover, struct batch *batch, bool trims)
{
	bool wakes;

	assert(batch->span_count > 0);
	lock_take(&handover->mutex);
	handover->counters.created += batch->span_count;
	handover->counters.pending += batch->span_count;
	if (handover->waiting.batch_count > 0)
		text_fit(&batch->body); /* it will wait for long: only what is needed counts */
	queue_push(&handover->waiting, batch);
	if (trims)
		handover_trim_locked(handover);
	wakes = handover->waiting.bytes > handover->wake_bytes;
	handover_tell_locked(handover);
	lock_give(&handover->mutex);
	return wakes;
}

void handover_lose(struct handover *handover, uint64_t *counter, size_t span_count)
{
	lock_take(&handover->mutex);
	handover->counters.created += span_count;
	*counter += span_count;
	lock_give(&handover->mutex);
}

void handover_stop(struct handover *handover, int64_t stop_at_ms)
{
	assert(stop_at_ms < INT64_MAX);
	lock_take(&handover->mutex);
	handover->stopping = true;
	handover->stop_at_ms = stop_at_ms;
	handover_tell_locked(handover);
	lock_give(&handover->mutex);
}

void *handover_renew(struct handover *handover, void *renewal)
{
	void *former;

	lock_take(&handover->mutex);
	former = handover->renewal;
	handover->renewal = renewal;
	handover_tell_locked(handover);
	lock_give(&handover->mutex);
	return former;
}

void handover_abandon(struct handover *handover)
{
	struct batch *batch;

	lock_take(&handover->mutex);
	while ((batch = queue_pop(&handover->waiting)) != NULL) {
		assert(handover->counters.pending >= batch->span_count);
		handover->counters.pending -= batch->span_count;
		handover->counters.dropped_shutdown += batch->span_count;
		batch_free(batch);
	}
	lock_give(&handover->mutex);
}

void handover_counters(struct handover *handover, struct exporter_counters *counters)
{
	lock_take(&handover->mutex);
	*counters = handover->counters;
	lock_give(&handover->mutex);
}

struct batch *handover_take(struct handover *handover, size_t bytes_over)
{
	struct batch *batch = NULL;

	lock_take(&handover->mutex);
	if (handover->waiting.bytes > bytes_over)
		batch = queue_pop(&handover->waiting);
	lock_give(&handover->mutex);
	return batch;
}

void *handover_take_renewal(struct handover *handover)
{
	void *renewal;

	lock_take(&handover->mutex);
	renewal = handover->renewal;
	handover->renewal = NULL;
	lock_give(&handover->mutex);
	return renewal;
}

void handover_return(struct handover *handover, struct batch *batch)
{
	lock_take(&handover->mutex);
	queue_push_front(&handover->waiting, batch);
	lock_give(&handover->mutex);
}

void handover_settle(struct handover *handover, struct batch *batch, enum retry_verdict verdict,
	uint64_t rejected)
{
	struct exporter_counters *counters = &handover->counters;

	assert(rejected <= batch->span_count);
	lock_take(&handover->mutex);
	assert(counters->pending >= batch->span_count);
	counters->pending -= batch->span_count;
	if (verdict == RETRY_DELIVERED) {
		counters->sent += batch->span_count - rejected;
		counters->rejected += rejected;
	} else {
		*handover_loss(counters, verdict, handover->stopping) += batch->span_count;
	}
	batch = handover_recycle_locked(handover, batch);
	lock_give(&handover->mutex);
	batch_free(batch);
}

void handover_recycle(struct handover *handover, struct batch *batch)
{
	lock_take(&handover->mutex);
	batch = handover_recycle_locked(handover, batch);
	lock_give(&handover->mutex);
	batch_free(batch);
}

void handover_spool(struct handover *handover, struct batch *batch)
{
	lock_take(&handover->mutex);
	assert(handover->counters.pending >= batch->span_count);
	handover->counters.pending -= batch->span_count;
	handover->counters.spooled += batch->span_count;
	handover->counters.spool_batches++;
	batch = handover_recycle_locked(handover, batch);
	lock_give(&handover->mutex);
	batch_free(batch);
}

void handover_recover(struct handover *handover, size_t span_count)
{
	lock_take(&handover->mutex);
	handover->counters.created += span_count;
	handover->counters.spooled += span_count;
	handover->counters.spool_recovered += span_count;
	lock_give(&handover->mutex);
}

void handover_lose_spooled(struct handover *handover, uint64_t *counter, size_t span_count)
{
	lock_take(&handover->mutex);
	assert(handover->counters.spooled >= span_count);
	handover->counters.spooled -= span_count;
	*counter += span_count;
	lock_give(&handover->mutex);
}

void handover_unspool(struct handover *handover, size_t span_count)
{
	handover_lose_spooled(handover, &handover->counters.pending, span_count);
}

void handover_count(struct handover *handover, uint64_t *counter, uint64_t by)
{
	lock_take(&handover->mutex);
	*counter += by;
	lock_give(&handover->mutex);
}

void handover_set(struct handover *handover, uint64_t *counter, uint64_t to)
{
	lock_take(&handover->mutex);
	*counter = to;
	lock_give(&handover->mutex);
}

int64_t handover_stop_at_ms(struct handover *handover)
{
	int64_t stop_at_ms;

	lock_take(&handover->mutex);
	stop_at_ms = handover->stopping ? handover->stop_at_ms : INT64_MAX;
	lock_give(&handover->mutex);
	return stop_at_ms;
}

uint64_t handover_overflowed(struct handover *handover)
{
	uint64_t count;

	lock_take(&handover->mutex);
	count = handover->counters.dropped_queue;
	lock_give(&handover->mutex);
	return count;
}

void handover_wait(struct handover *handover, int64_t until_ms)
{
	struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
	int result = 0;

	lock_take(&handover->mutex);
	while (!handover->news && result != ETIMEDOUT)
		result = until_ms == INT64_MAX
				 ? pthread_cond_wait(&handover->changed, &handover->mutex)
				 : pthread_cond_timedwait(
					   &handover->changed, &handover->mutex, &until);
	handover->news = false;
	lock_give(&handover->mutex);
}

void handover_rest(struct handover *handover)
{
	struct queue spares;

	lock_take(&handover->mutex);
	spares = handover->spares;
	handover->spares = (struct queue){0};
	lock_give(&handover->mutex);
	queue_done(&spares);
}

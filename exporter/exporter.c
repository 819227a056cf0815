/*
 * Delivery of finished spans: the seam between the event loop and the exporter's thread.
 *
 * The loop appends to the open batch, which nobody else sees. On the console spans wait for the
 * rest of their trace before that (console/gathering.h). A sealed batch goes into the waiting queue
 * under the mutex; when that is over a limit its oldest go. The thread takes one batch at a time,
 * has it delivered, counts the verdict, and puts the memory back for the next open batch.
 *
 * Every span is counted from the moment it is sealed or dropped until its verdict, all under the
 * same mutex; those before that are added when the counters are read.
 *
 * A thread that has had nothing to do for a while gives back what it keeps for the next batch.
 *
 * At the stop the thread gets a deadline and ends when the queue is empty or the deadline is over.
 * What can fail is memory, and that loses spans, never the program.
 */
#include "exporter/exporter.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exporter/batch.h"
#include "exporter/console/connections.h"
#include "exporter/console/console.h"
#include "exporter/console/forest.h"
#include "exporter/console/gathering.h"
#include "exporter/console/screen.h"
#include "exporter/otlp/delivery.h"
#include "exporter/otlp/otlp.h"
#include "exporter/queue.h"
#include "exporter/report.h"
#include "exporter/verify.h"

/* So many emptied batches are kept with their memory; fresh pages cost more than the encoding. */
enum { EXPORTER_SPARES_MAX = 4 };

/* So many spans wait for their trace on the console when the queue has no limit by number. */
enum { EXPORTER_GATHERED_MAX = 2048 };

struct exporter {
	enum exporter_target target;
	struct batch_format format;
	struct text prefix; /* what format.prefix points to */
	size_t queue_spans_max, queue_bytes_max;

	/* the loop's */
	struct batch *open; /* owned; NULL: none yet */
	bool gathers;       /* spans wait for their trace */
	struct gathering gathering;
	bool started, stopped;
	pthread_t thread;

	/* the thread's, once it is started */
	struct report report;
	struct delivery *delivery; /* owned; EXPORTER_OTLP */
	struct text trees;         /* EXPORTER_CONSOLE */
	int console_fd;
	struct forest_style forest_style; /* but for the width, which is looked up */
	struct connections connections;   /* of the style */
	size_t console_width;
	uint64_t dropped_queue_told;
	int64_t rest_after_ms; /* 0: never */
	bool fed;              /* there was a batch since the last rest */

	/* shared, under the mutex */
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* a batch waits, or it is time to stop */
	bool stopping;
	int64_t stop_at_ms;
	struct queue waiting, spares;
	struct exporter_counters counters; /* without the open batch */
};

static int64_t exporter_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A mutex of ours is never destroyed early nor locked twice: errors are ours. */
static void exporter_lock(struct exporter *exporter)
{
	int failed = pthread_mutex_lock(&exporter->mutex);

	assert(failed == 0);
	(void)failed;
}

static void exporter_unlock(struct exporter *exporter)
{
	int failed = pthread_mutex_unlock(&exporter->mutex);

	assert(failed == 0);
	(void)failed;
}

/* --- the thread --- */

static int64_t exporter_stop_left_ms_locked(const struct exporter *exporter)
{
	int64_t left_ms;

	if (!exporter->stopping)
		return -1;
	left_ms = exporter->stop_at_ms - exporter_now_ms();
	return left_ms > 0 ? left_ms : 0;
}

static int64_t exporter_stop_left_ms(void *arg)
{
	struct exporter *exporter = arg;
	int64_t left_ms;

	exporter_lock(exporter);
	left_ms = exporter_stop_left_ms_locked(exporter);
	exporter_unlock(exporter);
	return left_ms;
}

static int64_t exporter_console_left_ms(void *arg)
{
	int64_t left_ms = exporter_stop_left_ms(arg);

	return left_ms < 0 ? INT64_MAX : left_ms;
}

static struct timespec exporter_until(int64_t ms)
{
	return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

static void exporter_pause(void *arg, int64_t pause_ms, bool stopping)
{
	struct exporter *exporter = arg;
	int64_t until_ms = exporter_now_ms() + pause_ms;
	struct timespec until = exporter_until(until_ms);

	exporter_lock(exporter);
	while (exporter->stopping == stopping && exporter_now_ms() < until_ms)
		(void)pthread_cond_timedwait(&exporter->changed, &exporter->mutex, &until);
	exporter_unlock(exporter);
}

/* Nothing has come for a while: what a peak has left behind is given back. */
static void exporter_rest(struct exporter *exporter)
{
	struct queue spares;

	exporter_lock(exporter);
	spares = exporter->spares;
	exporter->spares = (struct queue){0};
	exporter_unlock(exporter);
	queue_done(&spares);
	text_done(&exporter->trees);
	if (exporter->delivery != NULL)
		delivery_rest(exporter->delivery);
}

/* Waits for a batch, for the stop, or until it is time to rest. */
static void exporter_wait_locked(struct exporter *exporter)
{
	struct timespec until = exporter_until(exporter_now_ms() + exporter->rest_after_ms);
	bool may_rest = exporter->fed && exporter->rest_after_ms > 0;
	int result = 0;

	while (exporter->waiting.batch_count == 0 && !exporter->stopping && result != ETIMEDOUT)
		result = may_rest ? pthread_cond_timedwait(
					    &exporter->changed, &exporter->mutex, &until)
				  : pthread_cond_wait(&exporter->changed, &exporter->mutex);
}

/* The next batch to deliver; NULL: end the thread. */
static struct batch *exporter_take(struct exporter *exporter)
{
	struct batch *batch = NULL;
	bool idle;

	do {
		exporter_lock(exporter);
		exporter_wait_locked(exporter);
		idle = exporter->waiting.batch_count == 0 && !exporter->stopping;
		if (!idle && exporter_stop_left_ms_locked(exporter) != 0)
			batch = queue_pop(&exporter->waiting);
		exporter_unlock(exporter);
		if (idle)
			exporter_rest(exporter);
		exporter->fed = !idle;
	} while (idle);
	return batch;
}

/* Keeps the memory of a batch, or returns the batch to be freed outside the lock. */
static struct batch *exporter_recycle_locked(struct exporter *exporter, struct batch *batch)
{
	if (exporter->spares.batch_count >= EXPORTER_SPARES_MAX ||
		batch->body.capacity / 3 > exporter->format.bytes_max)
		return batch;
	batch_reset(batch);
	queue_push(&exporter->spares, batch);
	return NULL;
}

static uint64_t *exporter_loss_locked(struct exporter *exporter, enum retry_verdict verdict)
{
	struct exporter_counters *counters = &exporter->counters;

	switch (verdict) {
	case RETRY_REFUSED:
		return &counters->dropped_refused;
	case RETRY_EXHAUSTED:
		return exporter->stopping ? &counters->dropped_shutdown
					  : &counters->dropped_retries;
	case RETRY_TOO_LARGE:
		return &counters->dropped_too_large;
	case RETRY_NO_MEMORY:
		return &counters->dropped_memory;
	case RETRY_DELIVERED:
	case RETRY_AGAIN:
		break;
	}
	assert(false); /* these lose nothing */
	return NULL;
}

static void exporter_settle(struct exporter *exporter, struct batch *batch,
	enum retry_verdict verdict, uint64_t rejected)
{
	struct exporter_counters *counters = &exporter->counters;

	exporter_lock(exporter);
	counters->pending -= batch->span_count;
	if (verdict == RETRY_DELIVERED) {
		counters->sent += batch->span_count - rejected;
		counters->rejected += rejected;
	} else {
		*exporter_loss_locked(exporter, verdict) += batch->span_count;
	}
	batch = exporter_recycle_locked(exporter, batch);
	exporter_unlock(exporter);
	batch_free(batch);
}

static enum retry_verdict exporter_print(struct exporter *exporter, const struct batch *batch)
{
	static const enum retry_verdict verdicts[] = {
		[SCREEN_WRITTEN] = RETRY_DELIVERED,
		[SCREEN_FAILED] = RETRY_REFUSED,
		[SCREEN_TIMED_OUT] = RETRY_EXHAUSTED,
	};
	struct text *trees = &exporter->trees;
	struct forest_style style = exporter->forest_style;

	if (!style.numbered)
		style.width = exporter->console_width > 0 ? exporter->console_width
							  : screen_width(exporter->console_fd);
	text_rewind(trees, 0);
	if (forest_format(trees, &batch->body, batch->span_count, style) != 0)
		return RETRY_NO_MEMORY;
	return verdicts[screen_write(exporter->console_fd, trees->bytes, trees->size,
		exporter_console_left_ms, exporter)];
}

static void exporter_report_queue(struct exporter *exporter)
{
	uint64_t dropped;

	exporter_lock(exporter);
	dropped = exporter->counters.dropped_queue;
	exporter_unlock(exporter);
	if (dropped == exporter->dropped_queue_told)
		return;
	report_loss(&exporter->report, REPORT_QUEUE, exporter_now_ms(),
		dropped - exporter->dropped_queue_told, "the queue was full");
	exporter->dropped_queue_told = dropped;
}

static void *exporter_run(void *arg)
{
	struct exporter *exporter = arg;
	enum retry_verdict verdict;
	struct batch *batch;
	uint64_t rejected;

	while ((batch = exporter_take(exporter)) != NULL) {
		exporter_report_queue(exporter);
		rejected = 0;
		if (exporter->delivery != NULL)
			verdict = delivery_run(exporter->delivery, batch, &rejected);
		else
			verdict = exporter_print(exporter, batch);
		exporter_settle(exporter, batch, verdict, rejected);
	}
	exporter_report_queue(exporter);
	return NULL;
}

/* --- from spans to batches: the loop --- */

static void exporter_drop(struct exporter *exporter, uint64_t *counter, size_t span_count)
{
	exporter_lock(exporter);
	exporter->counters.created += span_count;
	*counter += span_count;
	exporter_unlock(exporter);
}

static struct batch *exporter_spare(struct exporter *exporter)
{
	struct batch *batch;

	exporter_lock(exporter);
	batch = queue_pop(&exporter->spares);
	exporter_unlock(exporter);
	return batch != NULL ? batch : batch_new();
}

/* The open batch, or a new one; NULL when memory is short. */
static inline struct batch *exporter_open(struct exporter *exporter)
{
	if (exporter->open == NULL)
		exporter->open = exporter_spare(exporter);
	return exporter->open;
}

static inline enum batch_outcome exporter_append(struct exporter *exporter, const struct span *span)
{
	struct batch *batch = exporter_open(exporter);

	return batch != NULL ? batch_append(batch, &exporter->format, span) : BATCH_NO_MEMORY;
}

/* What an empty batch has grown to for a span that it could not take is not kept. */
static void exporter_forget_empty(struct exporter *exporter)
{
	if (exporter->open == NULL || exporter->open->span_count > 0)
		return;
	batch_free(exporter->open);
	exporter->open = NULL;
}

/* What follows from it, once a batch that overflows has been sealed and all tried again. */
static void exporter_appended(
	struct exporter *exporter, enum batch_outcome outcome, size_t span_count)
{
	switch (outcome) {
	case BATCH_APPENDED:
		return;
	case BATCH_FULL:
		exporter_seal(exporter);
		return;
	case BATCH_TOO_LARGE:
	case BATCH_OVERFLOW: /* cannot be: the batch is empty */
		exporter_drop(exporter, &exporter->counters.dropped_too_large, span_count);
		exporter_forget_empty(exporter);
		return;
	case BATCH_NO_MEMORY:
		exporter_drop(exporter, &exporter->counters.dropped_memory, span_count);
		exporter_forget_empty(exporter);
		return;
	}
}

/* Of the gathering: spans of a trace that need not wait any longer. */
static void exporter_on_release(void *arg, const struct text *records, size_t span_count)
{
	struct exporter *exporter = arg;
	struct batch *batch = exporter_open(exporter);
	enum batch_outcome outcome = BATCH_NO_MEMORY;

	if (batch != NULL)
		outcome = batch_append_made(batch, &exporter->format, records, span_count);
	if (outcome == BATCH_OVERFLOW) {
		exporter_seal(exporter);
		batch = exporter_open(exporter);
		outcome = batch == NULL ? BATCH_NO_MEMORY
					: batch_append_made(
						  batch, &exporter->format, records, span_count);
	}
	exporter_appended(exporter, outcome, span_count);
}

/* --- making one --- */

static size_t exporter_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void exporter_set_limits(struct exporter *exporter, const struct exporter_config *config)
{
	struct batch_format *format = &exporter->format;

	assert(config->batch_spans_max > 0 && config->queue_spans_max > 0);
	exporter->queue_spans_max = config->queue_spans_max;
	exporter->queue_bytes_max = config->queue_bytes_max;
	format->spans_max = exporter_min(config->batch_spans_max, config->queue_spans_max);
	/* the queue counts memory, up to three times the text: one batch must always fit */
	format->bytes_max = exporter_min(config->batch_bytes_max, config->queue_bytes_max / 4);
	format->bytes_max = exporter_min(format->bytes_max, config->request_bytes_max);
	format->request_bytes_max = config->request_bytes_max;
}

static void exporter_set_gathering(struct exporter *exporter, const struct exporter_config *config)
{
	struct gathering_limits limits = {
		.spans_max = exporter->queue_spans_max == SIZE_MAX ? EXPORTER_GATHERED_MAX
								   : exporter->queue_spans_max,
		/* of text, as is bytes_max: all of it may be one batch */
		.bytes_max = exporter_min(
			exporter->queue_bytes_max / 4, exporter->format.request_bytes_max),
		.wait_ms = config->console_wait_ms,
	};

	exporter->gathers = config->console_wait_ms > 0;
	gathering_init(&exporter->gathering, &limits, exporter_on_release, exporter);
}

static int exporter_set_format(struct exporter *exporter, const struct exporter_config *config)
{
	struct batch_format *format = &exporter->format;
	struct otlp_origin origin = {
		.resource = config->resource,
		.resource_count = config->resource_count,
		.scope_name = config->scope_name,
		.scope_version = config->scope_version,
		.schema_url = config->schema_url,
	};

	exporter_set_limits(exporter, config);
	format->append = console_append_span;
	format->prefix = format->suffix = "";
	if (exporter->target == EXPORTER_CONSOLE) {
		exporter_set_gathering(exporter, config);
		return 0;
	}
	otlp_append_prefix(&exporter->prefix, &origin);
	if (exporter->prefix.error != TEXT_OK)
		return -1;
	format->append = otlp_append_span;
	format->prefix = exporter->prefix.bytes;
	format->prefix_size = exporter->prefix.size;
	format->separator = ',';
	format->suffix = OTLP_SUFFIX;
	format->suffix_size = sizeof(OTLP_SUFFIX) - 1;
	return 0;
}

/* The condition variable counts in monotonic time. */
static int exporter_set_locks(struct exporter *exporter)
{
	pthread_condattr_t attributes;
	int failed;

	if (pthread_condattr_init(&attributes) != 0)
		return -1;
	failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	if (failed == 0)
		failed = pthread_cond_init(&exporter->changed, &attributes);
	(void)pthread_condattr_destroy(&attributes); /* was initialised */
	if (failed != 0)
		return -1;
	if (pthread_mutex_init(&exporter->mutex, NULL) == 0)
		return 0;
	(void)pthread_cond_destroy(&exporter->changed); /* nobody waits */
	return -1;
}

static struct exporter *exporter_alloc(enum exporter_target target)
{
	struct exporter *exporter = calloc(1, sizeof *exporter);

	if (exporter == NULL)
		return NULL;
	if (exporter_set_locks(exporter) != 0) {
		free(exporter);
		return NULL;
	}
	exporter->target = target;
	text_init(&exporter->prefix, SIZE_MAX / 2);
	text_init(&exporter->trees, SIZE_MAX / 2);
	return exporter;
}

struct exporter *exporter_new(const struct exporter_config *config, char *error, size_t error_size)
{
	struct delivery_hooks hooks = {
		.stop_left_ms = exporter_stop_left_ms, .pause = exporter_pause};
	struct exporter *exporter;

	if (verify_config(config, error, error_size) != 0)
		return NULL;
	exporter = exporter_alloc(config->target);
	if (exporter == NULL)
		goto no_memory;
	report_init(&exporter->report, config);
	exporter->rest_after_ms = config->rest_after_ms;
	exporter->console_fd = config->console_fd;
	exporter->forest_style = (struct forest_style){
		.color = config->console_color,
		.numbered = config->console_numbered,
		.connections = config->console_numbered ? NULL : &exporter->connections,
	};
	exporter->console_width = config->console_width;
	if (exporter->target == EXPORTER_NONE)
		return exporter;
	if (exporter_set_format(exporter, config) != 0)
		goto no_memory;
	if (exporter->target == EXPORTER_CONSOLE)
		return exporter;
	hooks.arg = exporter;
	exporter->delivery = delivery_new(config, &hooks, &exporter->report, error, error_size);
	if (exporter->delivery == NULL)
		goto fail;
	return exporter;
no_memory:
	(void)snprintf(error, error_size, "out of memory"); /* may be cut */
fail:
	exporter_free(exporter);
	return NULL;
}

int exporter_start(struct exporter *exporter, char *error, size_t error_size)
{
	sigset_t all, before;
	int failed;

	assert(!exporter->started && !exporter->stopped);
	if (exporter->target == EXPORTER_NONE)
		return 0;
	(void)sigfillset(&all); /* cannot fail */
	/* signals are the loop's business: the thread inherits that it gets none */
	failed = pthread_sigmask(SIG_SETMASK, &all, &before);
	assert(failed == 0);
	failed = pthread_create(&exporter->thread, NULL, exporter_run, exporter);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL); /* as it worked before */
	if (failed != 0) {
		(void)snprintf(error, error_size, "cannot start the exporter's thread: %s",
			strerror(failed)); /* may be cut */
		return -1;
	}
	(void)pthread_setname_np(exporter->thread, "exporter"); /* for debuggers only */
	exporter->started = true;
	return 0;
}

/* --- the loop --- */

void exporter_begin(struct exporter *exporter, const struct traceparent *context)
{
	if (exporter->gathers && !exporter->stopped)
		gathering_begin(&exporter->gathering, context->trace_id);
}

void exporter_submit(struct exporter *exporter, const struct span *span)
{
	enum batch_outcome outcome;

	if (exporter->target == EXPORTER_NONE)
		return;
	if (exporter->stopped) {
		exporter_drop(exporter, &exporter->counters.dropped_shutdown, 1);
		return;
	}
	if (exporter->gathers) {
		if (gathering_add(&exporter->gathering, span) != 0)
			exporter_drop(exporter, &exporter->counters.dropped_memory, 1);
		return;
	}
	outcome = exporter_append(exporter, span);
	if (outcome == BATCH_OVERFLOW) {
		exporter_seal(exporter);
		outcome = exporter_append(exporter, span);
	}
	exporter_appended(exporter, outcome, 1);
}

static bool exporter_queue_is_over(const struct exporter *exporter)
{
	return exporter->waiting.span_count > exporter->queue_spans_max ||
	       exporter->waiting.bytes > exporter->queue_bytes_max;
}

/* Drops waiting batches from the oldest on. Freeing is quick compared with what led here. */
static void exporter_trim_locked(struct exporter *exporter)
{
	struct batch *batch;

	while (exporter_queue_is_over(exporter)) {
		batch = queue_pop(&exporter->waiting);
		exporter->counters.pending -= batch->span_count;
		exporter->counters.dropped_queue += batch->span_count;
		batch_free(exporter_recycle_locked(exporter, batch));
	}
}

void exporter_seal(struct exporter *exporter)
{
	struct batch *batch = exporter->open;

	if (batch == NULL || batch->span_count == 0)
		return;
	batch_seal(batch, &exporter->format);
	exporter_lock(exporter);
	exporter->counters.created += batch->span_count;
	exporter->counters.pending += batch->span_count;
	if (exporter->waiting.batch_count > 0)
		text_fit(&batch->body); /* it will wait for long: only what is needed counts */
	queue_push(&exporter->waiting, batch);
	if (!exporter->stopped) /* what had waited for its trace comes all at once */
		exporter_trim_locked(exporter);
	exporter->open = NULL;
	(void)pthread_cond_signal(&exporter->changed); /* cannot fail */
	exporter_unlock(exporter);
}

void exporter_tick(struct exporter *exporter, int64_t now_ms)
{
	if (exporter->gathers)
		gathering_tick(&exporter->gathering, now_ms);
	exporter_seal(exporter);
}

static void exporter_join(struct exporter *exporter, int64_t deadline_ms)
{
	int failed;

	exporter_lock(exporter);
	exporter->stopping = true;
	exporter->stop_at_ms = exporter_now_ms() + (deadline_ms > 0 ? deadline_ms : 0);
	(void)pthread_cond_signal(&exporter->changed); /* cannot fail */
	exporter_unlock(exporter);
	if (exporter->delivery != NULL)
		delivery_wake(exporter->delivery);
	failed = pthread_join(exporter->thread, NULL);
	assert(failed == 0);
	(void)failed;
	exporter->started = false;
}

void exporter_stop(struct exporter *exporter, int64_t deadline_ms)
{
	struct batch *batch;

	if (exporter->stopped)
		return;
	exporter->stopped = true;
	gathering_end(&exporter->gathering);
	exporter_seal(exporter);
	if (exporter->started)
		exporter_join(exporter, deadline_ms);
	exporter_lock(exporter);
	while ((batch = queue_pop(&exporter->waiting)) != NULL) {
		exporter->counters.pending -= batch->span_count;
		exporter->counters.dropped_shutdown += batch->span_count;
		batch_free(batch);
	}
	exporter_unlock(exporter);
}

void exporter_counters_read(struct exporter *exporter, struct exporter_counters *counters)
{
	size_t open_count = exporter->gathering.span_count;

	if (exporter->open != NULL)
		open_count += exporter->open->span_count;

	exporter_lock(exporter);
	*counters = exporter->counters;
	exporter_unlock(exporter);
	counters->created += open_count;
	counters->pending += open_count;
	counters->trees_unfinished = exporter->gathering.unfinished;
	if (exporter->delivery != NULL)
		delivery_requests(exporter->delivery, &counters->requests, &counters->retries);
}

void exporter_free(struct exporter *exporter)
{
	if (exporter == NULL)
		return;
	exporter_stop(exporter, 0);
	delivery_free(exporter->delivery);
	gathering_done(&exporter->gathering);
	batch_free(exporter->open);
	queue_done(&exporter->spares);
	text_done(&exporter->prefix);
	text_done(&exporter->trees);
	(void)pthread_cond_destroy(&exporter->changed); /* nobody waits */
	(void)pthread_mutex_destroy(&exporter->mutex);  /* nobody holds it */
	free(exporter);
}

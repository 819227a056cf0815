/*
 * From finished spans to sealed batches: the event loop's half of the exporter, and the making of
 * both halves.
 *
 * The loop appends to the open batch, which nobody else sees. On the console spans wait for the
 * rest of their trace before that (console/gathering.h). A sealed batch goes into the handover,
 * where the exporter's thread finds it; what the thread does there is delivery.h's business, and
 * the thread itself is a loop around its steps.
 *
 * At the stop the thread gets a deadline and ends when nothing waits or the deadline is over. What
 * can fail is memory, and that loses spans, never the program.
 */
#include "exporter/exporter.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/batch.h"
#include "exporter/clock.h"
#include "exporter/console/gathering.h"
#include "exporter/delivery.h"
#include "exporter/handover.h"
#include "exporter/otlp/otlp.h"
#include "exporter/ring/ring.h"
#include "exporter/shared.h"
#include "exporter/sink.h"
#include "exporter/verify.h"

/* So many spans wait for their trace on the console when the queue has no limit by number. */
enum { EXPORTER_GATHERED_MAX = 2048 };

struct exporter {
	const struct sink_ops *sink;
	struct batch_format format;
	struct text prefix; /* what format.prefix points to */
	struct batch *open; /* owned; NULL: none yet */
	bool gathers;       /* spans wait for their trace */
	struct gathering gathering;
	bool started, stopped;
	pthread_t thread;
	struct handover handover;
	struct delivery *delivery; /* owned; the thread's, but for delivery_wake(); NULL: nowhere */
	struct ring *ring;         /* owned; NULL: no spans are kept for a look */
	bool shows;                /* the ring's spans are no part of a batch, as that is no JSON */
	struct text shown;         /* scratch: one of them */
};

static const struct sink_ops *const exporter_sinks[] = {
	[EXPORTER_OTLP] = &sink_otlp,
	[EXPORTER_CONSOLE] = &sink_console,
	[EXPORTER_NOWHERE] = &sink_otlp, /* for the ring's encoding */
};

/* --- the thread --- */

static void *exporter_run(void *arg)
{
	struct exporter *exporter = arg;
	struct delivery_step step;
	int64_t now_ms;

	for (;;) {
		now_ms = clock_ms();
		step = delivery_step(exporter->delivery, now_ms);
		switch (step.wants) {
		case DELIVERY_TURN:
			break;
		case DELIVERY_WAITING:
			handover_wait(&exporter->handover, step.until_ms);
			break;
		case DELIVERY_POSTING:
			delivery_wait(exporter->delivery, step.until_ms - now_ms);
			break;
		case DELIVERY_DONE:
			return NULL;
		}
	}
}

/* --- from spans to batches: the loop --- */

/* The open batch, or a new one; NULL when memory is short. */
static inline struct batch *exporter_open(struct exporter *exporter)
{
	if (exporter->open == NULL)
		exporter->open = handover_spare(&exporter->handover);
	if (exporter->open == NULL)
		exporter->open = batch_new();
	return exporter->open;
}

static inline enum batch_outcome exporter_append(struct exporter *exporter, const struct span *span)
{
	struct batch *batch = exporter_open(exporter);
	const struct batch_format *format = &exporter->format;
	enum batch_outcome outcome;
	size_t before, begin;

	if (batch == NULL)
		return BATCH_NO_MEMORY;
	before = batch->body.size;
	outcome = batch_append(batch, format, span);
	if (exporter->ring != NULL && format->encoding == BATCH_JSON &&
		(outcome == BATCH_APPENDED || outcome == BATCH_FULL)) {
		begin = batch->span_count > 1 ? before + 1 : format->prefix_size;
		ring_add(exporter->ring, span, batch->body.bytes + begin, batch->body.size - begin);
	}
	return outcome;
}

/* The ring takes a span that is in no batch in JSON. Without memory it is not seen there. */
static void exporter_show(struct exporter *exporter, const struct span *span)
{
	struct span shown = *span;

	if (shown.shared != NULL && shown.shared->json != NULL)
		shown.shared = shown.shared->json;
	text_rewind(&exporter->shown, 0);
	otlp_append_span(&exporter->shown, &shown);
	if (exporter->shown.error == TEXT_OK)
		ring_add(exporter->ring, span, exporter->shown.bytes, exporter->shown.size);
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
		handover_lose(&exporter->handover, &exporter->handover.counters.dropped_too_large,
			span_count);
		exporter_forget_empty(exporter);
		return;
	case BATCH_NO_MEMORY:
		handover_lose(&exporter->handover, &exporter->handover.counters.dropped_memory,
			span_count);
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
	format->spans_max = exporter_min(config->batch_spans_max, config->queue_spans_max);
	/* the queue counts memory, up to three times the text: one batch must always fit */
	format->bytes_max = exporter_min(config->batch_bytes_max, config->queue_bytes_max / 4);
	format->bytes_max = exporter_min(format->bytes_max, config->request_bytes_max);
	format->request_bytes_max = config->request_bytes_max;
	exporter->handover.spare_bytes_max = 3 * format->bytes_max;
}

static void exporter_set_gathering(struct exporter *exporter, const struct exporter_config *config)
{
	struct gathering_limits limits = {
		.spans_max = config->queue_spans_max == SIZE_MAX ? EXPORTER_GATHERED_MAX
								 : config->queue_spans_max,
		/* of text, as is bytes_max: all of it may be one batch */
		.bytes_max = exporter_min(config->queue_bytes_max / 4, config->request_bytes_max),
		.wait_ms = config->console_wait_ms,
	};

	exporter->gathers = exporter->sink->by_trace && config->console_wait_ms > 0;
	gathering_init(&exporter->gathering, &limits, exporter_on_release, exporter);
}

static int exporter_set_format(struct exporter *exporter, const struct exporter_config *config)
{
	struct batch_format *format = &exporter->format;
	const struct sink_ops *sink = exporter->sink;

	if (sink->append_prefix != NULL)
		sink->append_prefix(&exporter->prefix, config);
	if (exporter->prefix.error != TEXT_OK)
		return -1;
	format->append = sink->append;
	format->encoding = sink->encoding;
	format->seal = sink->seal;
	format->prefix = exporter->prefix.bytes;
	format->prefix_size = exporter->prefix.size;
	format->separator = sink->separator;
	format->suffix = sink->suffix;
	format->suffix_size = strlen(sink->suffix);
	return 0;
}

static int exporter_set_ring(struct exporter *exporter, const struct exporter_config *config)
{
	struct ring_limits limits = {
		.bytes_max = config->ring_bytes_max,
		.slow_ns = (uint64_t)config->ring_slow_ms * 1000000,
	};

	text_init(&exporter->shown, config->ring_bytes_max);
	if (config->ring_bytes_max == 0)
		return 0;
	exporter->shows =
		config->target == EXPORTER_NOWHERE || exporter->format.encoding != BATCH_JSON;
	exporter->ring = ring_new(&limits);
	return exporter->ring != NULL ? 0 : -1;
}

struct exporter *exporter_new(const struct exporter_config *config, char *error, size_t error_size)
{
	struct exporter *exporter;

	if (verify_config(config, error, error_size) != 0)
		return NULL;
	exporter = calloc(1, sizeof *exporter);
	if (exporter == NULL)
		goto no_memory;
	if (handover_init(&exporter->handover, config->queue_spans_max, config->queue_bytes_max) !=
		0) {
		free(exporter);
		goto no_memory;
	}
	assert(config->target < sizeof exporter_sinks / sizeof *exporter_sinks);
	exporter->sink = exporter_sinks[config->target];
	if (config->target == EXPORTER_OTLP && config->protobuf)
		exporter->sink = &sink_protobuf;
	text_init(&exporter->prefix, TEXT_UNLIMITED);
	exporter_set_limits(exporter, config);
	exporter_set_gathering(exporter, config);
	if (exporter_set_format(exporter, config) != 0 ||
		exporter_set_ring(exporter, config) != 0) {
		exporter_free(exporter);
		goto no_memory;
	}
	if (config->target == EXPORTER_NOWHERE)
		return exporter;
	exporter->delivery =
		delivery_new(exporter->sink, config, &exporter->handover, error, error_size);
	if (exporter->delivery != NULL)
		return exporter;
	exporter_free(exporter);
	return NULL;
no_memory:
	(void)snprintf(error, error_size, "out of memory"); /* may be cut */
	return NULL;
}

int exporter_start(struct exporter *exporter, char *error, size_t error_size)
{
	sigset_t all, before;
	int failed;

	assert(!exporter->started && !exporter->stopped);
	if (exporter->delivery == NULL)
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

struct span_shared *exporter_share(
	const struct exporter *exporter, const struct span_attribute *attributes, size_t count)
{
	struct span_shared *shared =
		span_shared_new(exporter->sink->append_shared, attributes, count);

	if (shared == NULL || exporter->ring == NULL || exporter->format.encoding == BATCH_JSON)
		return shared;
	shared->json = span_shared_new(otlp_append_attributes, attributes, count);
	if (shared->json != NULL)
		return shared;
	span_shared_free(shared);
	return NULL;
}

void exporter_begin(struct exporter *exporter, const struct traceparent *context)
{
	if (exporter->gathers && !exporter->stopped)
		gathering_begin(&exporter->gathering, context->trace_id);
}

void exporter_submit(struct exporter *exporter, const struct span *span)
{
	enum batch_outcome outcome;

	if (exporter->shows)
		exporter_show(exporter, span);
	if (exporter->delivery == NULL)
		return;
	if (exporter->stopped) {
		handover_lose(
			&exporter->handover, &exporter->handover.counters.dropped_shutdown, 1);
		return;
	}
	if (exporter->gathers) {
		if (gathering_add(&exporter->gathering, span) != 0)
			handover_lose(&exporter->handover,
				&exporter->handover.counters.dropped_memory, 1);
		return;
	}
	outcome = exporter_append(exporter, span);
	if (outcome == BATCH_OVERFLOW) {
		exporter_seal(exporter);
		outcome = exporter_append(exporter, span);
	}
	exporter_appended(exporter, outcome, 1);
}

void exporter_seal(struct exporter *exporter)
{
	struct batch *batch = exporter->open;

	if (batch == NULL || batch->span_count == 0)
		return;
	batch_seal(batch, &exporter->format);
	exporter->open = NULL;
	/* at the stop what had waited for its trace comes all at once */
	if (handover_put(&exporter->handover, batch, !exporter->stopped))
		delivery_wake(exporter->delivery);
}

void exporter_tick(struct exporter *exporter, int64_t now_ms)
{
	if (exporter->gathers)
		gathering_tick(&exporter->gathering, now_ms);
	exporter_seal(exporter);
}

void exporter_stop(struct exporter *exporter, int64_t deadline_ms)
{
	int failed;

	if (exporter->stopped)
		return;
	exporter->stopped = true;
	gathering_end(&exporter->gathering);
	exporter_seal(exporter);
	if (exporter->started) {
		handover_stop(
			&exporter->handover, clock_ms() + (deadline_ms > 0 ? deadline_ms : 0));
		delivery_wake(exporter->delivery);
		failed = pthread_join(exporter->thread, NULL);
		assert(failed == 0);
		(void)failed;
		exporter->started = false;
	}
	handover_abandon(&exporter->handover);
}

const struct ring *exporter_ring(const struct exporter *exporter)
{
	return exporter->ring;
}

int exporter_renew(struct exporter *exporter, const struct exporter_config *config, char *error,
	size_t error_size)
{
	if (exporter->delivery == NULL || !exporter->sink->is_collector || exporter->stopped)
		return 0;
	return delivery_renew(exporter->delivery, config, error, error_size);
}

void exporter_counters_read(struct exporter *exporter, struct exporter_counters *counters)
{
	size_t open_count = exporter->gathering.span_count;

	if (exporter->open != NULL)
		open_count += exporter->open->span_count;
	handover_counters(&exporter->handover, counters);
	counters->created += open_count;
	counters->pending += open_count;
	counters->trees_unfinished = exporter->gathering.unfinished;
	counters->spans_forgotten = exporter->ring != NULL ? ring_forgotten(exporter->ring) : 0;
}

void exporter_free(struct exporter *exporter)
{
	if (exporter == NULL)
		return;
	exporter_stop(exporter, 0);
	delivery_free(exporter->delivery);
	gathering_done(&exporter->gathering);
	batch_free(exporter->open);
	ring_free(exporter->ring);
	text_done(&exporter->shown);
	text_done(&exporter->prefix);
	handover_done(&exporter->handover);
	free(exporter);
}

/*
 * A trace comes in with its first span that begins, or ends, and goes when it has been released and
 * none of its spans is open. One that is released early stays, if there is room, for the spans that
 * are still open: what comes of them is gathered again. The ids of traces may be chosen by a
 * client: those that fall into one bucket are slow to find, and no worse.
 */
#include "exporter/console/gathering.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/console/console.h"

void gathering_init(struct gathering *gathering, const struct gathering_limits *limits,
	gathering_release *release, void *release_arg)
{
	*gathering = (struct gathering){
		.limits = *limits, .release = release, .release_arg = release_arg};
	TAILQ_INIT(&gathering->ages);
}

static struct gathering_bucket *gathering_bucket(
	struct gathering *gathering, const uint8_t trace_id[TRACE_ID_SIZE])
{
	return &gathering->buckets[trace_id[TRACE_ID_SIZE - 1] % GATHERING_BUCKETS];
}

static struct gathering_trace *gathering_find(
	struct gathering *gathering, const uint8_t trace_id[TRACE_ID_SIZE])
{
	struct gathering_trace *trace;

	LIST_FOREACH(trace, gathering_bucket(gathering, trace_id), in_bucket)
		if (memcmp(trace->trace_id, trace_id, TRACE_ID_SIZE) == 0)
			return trace;
	return NULL;
}

static void gathering_drop(struct gathering *gathering, struct gathering_trace *trace)
{
	assert(gathering->trace_count > 0 && gathering->span_count >= trace->span_count &&
		gathering->bytes >= trace->records.size);
	TAILQ_REMOVE(&gathering->ages, trace, by_age);
	LIST_REMOVE(trace, in_bucket);
	gathering->trace_count--;
	gathering->span_count -= trace->span_count;
	gathering->bytes -= trace->records.size;
	text_done(&trace->records);
	free(trace);
}

/*
 * Releases what there is of a trace, which is gone then unless a span of it is open: whether it is.
 */
static bool gathering_let_go(struct gathering *gathering, struct gathering_trace *trace)
{
	if (trace->span_count > 0) {
		gathering->unfinished += trace->begun_count > 0;
		gathering->release(gathering->release_arg, &trace->records, trace->span_count);
		assert(gathering->span_count >= trace->span_count &&
			gathering->bytes >= trace->records.size);
		gathering->span_count -= trace->span_count;
		gathering->bytes -= trace->records.size;
		text_done(&trace->records);
		trace->span_count = 0;
		trace->since_ms = 0;
	}
	if (trace->begun_count > 0)
		return false;
	gathering_drop(gathering, trace);
	return true;
}

/* The oldest go until the limits are kept. */
static void gathering_trim(struct gathering *gathering)
{
	const struct gathering_limits *limits = &gathering->limits;
	struct gathering_trace *trace, *next = TAILQ_FIRST(&gathering->ages);

	while (gathering->span_count > limits->spans_max || gathering->bytes > limits->bytes_max) {
		assert(next != NULL); /* what waits is of a trace */
		trace = next;
		next = TAILQ_NEXT(trace, by_age);
		(void)gathering_let_go(gathering, trace); /* there are further ones */
	}
	while (gathering->trace_count > limits->spans_max) {
		assert(!TAILQ_EMPTY(&gathering->ages));
		trace = TAILQ_FIRST(&gathering->ages);
		if (!gathering_let_go(gathering, trace))
			gathering_drop(gathering, trace);
	}
}

/* The trace, or a new one; NULL when memory is short. */
static struct gathering_trace *gathering_get(
	struct gathering *gathering, const uint8_t trace_id[TRACE_ID_SIZE])
{
	struct gathering_trace *trace = gathering_find(gathering, trace_id);

	if (trace != NULL)
		return trace;
	trace = calloc(1, sizeof *trace);
	if (trace == NULL)
		return NULL;
	memcpy(trace->trace_id, trace_id, TRACE_ID_SIZE);
	text_init(&trace->records, TEXT_UNLIMITED);
	TAILQ_INSERT_TAIL(&gathering->ages, trace, by_age);
	LIST_INSERT_HEAD(gathering_bucket(gathering, trace_id), trace, in_bucket);
	gathering->trace_count++;
	return trace;
}

void gathering_begin(struct gathering *gathering, const uint8_t trace_id[TRACE_ID_SIZE])
{
	struct gathering_trace *trace = gathering_get(gathering, trace_id);

	if (trace == NULL)
		return;
	trace->begun_count++;
	gathering_trim(gathering);
}

int gathering_add(struct gathering *gathering, const struct span *span)
{
	struct gathering_trace *trace = gathering_get(gathering, span->context.trace_id);
	size_t before;
	int result = 0;

	if (trace == NULL)
		return -1;
	before = trace->records.size;
	console_append_span(&trace->records, span);
	if (trace->records.error == TEXT_OK) {
		trace->span_count++;
		gathering->span_count++;
		gathering->bytes += trace->records.size - before;
	} else {
		text_rewind(&trace->records, before);
		result = -1;
	}
	if (span->begun && trace->begun_count > 0)
		trace->begun_count--;
	if (trace->begun_count == 0)
		(void)gathering_let_go(gathering, trace); /* it is gone */
	else
		gathering_trim(gathering);
	return result;
}

void gathering_tick(struct gathering *gathering, int64_t now_ms)
{
	struct gathering_trace *trace, *next;

	for (trace = TAILQ_FIRST(&gathering->ages); trace != NULL; trace = next) {
		next = TAILQ_NEXT(trace, by_age);
		if (trace->span_count == 0)
			continue;
		if (trace->since_ms == 0)
			trace->since_ms = now_ms;
		else if (now_ms - trace->since_ms >= gathering->limits.wait_ms)
			(void)gathering_let_go(gathering, trace); /* next is another one */
	}
}

void gathering_end(struct gathering *gathering)
{
	struct gathering_trace *trace, *next;

	for (trace = TAILQ_FIRST(&gathering->ages); trace != NULL; trace = next) {
		next = TAILQ_NEXT(trace, by_age);
		trace->begun_count = 0;
		(void)gathering_let_go(gathering, trace); /* it is gone */
	}
}

void gathering_done(struct gathering *gathering)
{
	struct gathering_trace *trace, *next;

	for (trace = TAILQ_FIRST(&gathering->ages); trace != NULL; trace = next) {
		next = TAILQ_NEXT(trace, by_age);
		gathering_drop(gathering, trace);
	}
	assert(gathering->trace_count == 0 && gathering->span_count == 0 && gathering->bytes == 0);
}

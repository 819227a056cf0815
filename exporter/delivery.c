/*
 * The way of sealed batches through a sink, one after the other: an attempt, a pause as retry.h has
 * it, another attempt, and so on, all within timeout_ms and within what is left once the exporter
 * stops. From the stop on pauses begin anew and are short, so that a collector that comes back in
 * time gets the last spans. What was learnt on the way goes to the report. A step does one thing:
 * it begins or ends an attempt, or finds that there is nothing to do before a certain time.
 */
#include "exporter/delivery.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "exporter/batch.h"
#include "exporter/settings.h"
#include "exporter/handover.h"
#include "exporter/report.h"
#include "exporter/sink.h"

static const int64_t delivery_stop_initial_ms = 200;
static const int64_t delivery_stop_max_ms = 1000;

enum delivery_state {
	DELIVERY_RESTED,  /* no batch, and nothing is kept for one */
	DELIVERY_IDLE,    /* no batch since idle_since_ms */
	DELIVERY_TRYING,  /* an attempt is under way */
	DELIVERY_PAUSING, /* the next one is at resume_at_ms */
};

struct delivery {
	const struct sink_ops *ops;
	void *sink;                /* owned */
	struct handover *handover; /* borrowed */
	struct report report;
	struct retry_policy policy;
	int64_t timeout_ms;    /* of a batch; 0: none */
	int64_t rest_after_ms; /* 0: never */
	int64_t stop_at_ms;    /* as the handover says; INT64_MAX: not stopping */
	uint64_t overflow_told;

	enum delivery_state state;
	int64_t idle_since_ms;
	/* of the batch, but while idle or rested */
	struct batch *batch; /* owned */
	struct sink_outcome outcome;
	int64_t deadline_ms;
	unsigned attempts; /* since the stop once stop_noticed */
	bool stop_noticed; /* an attempt has ended since the stop */
	int64_t resume_at_ms;
	int64_t asked_until_ms; /* before, the collector does not want to see the batch again */
};

static const enum report_kind delivery_kinds[] = {
	[RETRY_REFUSED] = REPORT_REFUSED,
	[RETRY_EXHAUSTED] = REPORT_EXHAUSTED,
	[RETRY_TOO_LARGE] = REPORT_TOO_LARGE,
	[RETRY_NO_MEMORY] = REPORT_MEMORY,
};

/* Chance for the jitter only; the clock will do when the system has none to give. */
static uint32_t delivery_random(void)
{
	struct timespec now;
	uint32_t random;

	if (getrandom(&random, sizeof random, GRND_NONBLOCK) == (ssize_t)sizeof random)
		return random;
	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (uint32_t)now.tv_nsec * 2654435761u;
}

static int64_t delivery_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static bool delivery_is_stopping(const struct delivery *delivery)
{
	return delivery->stop_at_ms != INT64_MAX;
}

/* When the batch must be done with. */
static int64_t delivery_end_ms(const struct delivery *delivery)
{
	return delivery_min(delivery->deadline_ms, delivery->stop_at_ms);
}

static int64_t delivery_left_ms(const struct delivery *delivery, int64_t now_ms)
{
	int64_t end_ms = delivery_end_ms(delivery);

	if (end_ms == INT64_MAX)
		return INT64_MAX;
	return end_ms > now_ms ? end_ms - now_ms : 0;
}

struct delivery *delivery_new(const struct sink_ops *ops, const struct exporter_config *config,
	struct handover *handover, char *error, size_t error_size)
{
	struct delivery *delivery = calloc(1, sizeof *delivery);

	if (delivery == NULL) {
		(void)snprintf(error, error_size, "out of memory"); /* may be cut */
		return NULL;
	}
	delivery->ops = ops;
	delivery->handover = handover;
	report_init(&delivery->report, config);
	delivery->policy.initial_ms = config->retry_initial_ms;
	delivery->policy.max_ms = config->retry_max_ms;
	delivery->timeout_ms = ops->is_collector ? config->timeout_ms : 0;
	delivery->rest_after_ms = config->rest_after_ms;
	delivery->sink = ops->make(config, error, error_size);
	if (delivery->sink != NULL)
		return delivery;
	free(delivery);
	return NULL;
}

void delivery_free(struct delivery *delivery)
{
	if (delivery == NULL)
		return;
	delivery->ops->free(delivery->sink);
	batch_free(delivery->batch);
	free(delivery);
}

/* ---- what people are told ---- */

static void delivery_report_overflow(struct delivery *delivery, int64_t now_ms)
{
	uint64_t dropped = handover_overflowed(delivery->handover);

	if (dropped == delivery->overflow_told)
		return;
	report_loss(&delivery->report, REPORT_QUEUE, now_ms, dropped - delivery->overflow_told,
		"the queue was full");
	delivery->overflow_told = dropped;
}

static void delivery_report_success(struct delivery *delivery, int64_t now_ms)
{
	const struct sink_outcome *outcome = &delivery->outcome;
	bool says = outcome->why[0] != '\0';

	report_up(&delivery->report, outcome->rejected == 0 && !says);
	if (outcome->rejected > 0)
		report_loss(&delivery->report, REPORT_REJECTED, now_ms, outcome->rejected,
			says ? outcome->why : "no reason given");
	else if (says)
		report_loss(&delivery->report, REPORT_WARNED, now_ms, delivery->batch->span_count,
			outcome->why);
}

static void delivery_report(struct delivery *delivery, int64_t now_ms, enum retry_verdict verdict)
{
	if (!delivery->ops->is_collector)
		return;
	if (verdict == RETRY_DELIVERED) {
		delivery_report_success(delivery, now_ms);
		return;
	}
	if (verdict == RETRY_AGAIN || verdict == RETRY_EXHAUSTED)
		report_down(&delivery->report, now_ms, delivery->outcome.why);
	if (verdict != RETRY_AGAIN)
		report_loss(&delivery->report, delivery_kinds[verdict], now_ms,
			delivery->batch->span_count, delivery->outcome.why);
}

/* ---- one batch ---- */

static void delivery_try(struct delivery *delivery, bool again)
{
	if (delivery->ops->is_collector)
		handover_count_request(delivery->handover, again);
	delivery->state = DELIVERY_TRYING;
}

static void delivery_begin(struct delivery *delivery, int64_t now_ms, struct batch *batch)
{
	assert(delivery->batch == NULL && batch->span_count > 0);
	delivery_report_overflow(delivery, now_ms);
	delivery->batch = batch;
	delivery->deadline_ms =
		delivery->timeout_ms > 0 ? now_ms + delivery->timeout_ms : INT64_MAX;
	delivery->attempts = 0;
	delivery->stop_noticed = false;
	delivery->asked_until_ms = 0;
	delivery->ops->load(delivery->sink, batch);
	delivery_try(delivery, false);
}

static struct delivery_step delivery_settle(
	struct delivery *delivery, int64_t now_ms, enum retry_verdict verdict)
{
	assert(delivery->batch != NULL && verdict != RETRY_AGAIN);
	delivery_report(delivery, now_ms, verdict);
	handover_settle(delivery->handover, delivery->batch, verdict, delivery->outcome.rejected);
	delivery->batch = NULL;
	delivery->state = DELIVERY_IDLE;
	delivery->idle_since_ms = now_ms;
	return (struct delivery_step){DELIVERY_TURN, now_ms};
}

/* How long to pause after an attempt; -1: no attempt is to follow. */
static int64_t delivery_pause_ms(struct delivery *delivery, int64_t now_ms)
{
	struct retry_policy policy = delivery->policy;
	struct retry_attempt attempt = {
		.retry_after_ms = delivery->outcome.retry_after_ms,
		.number = delivery->attempts,
		.left_ms = delivery_left_ms(delivery, now_ms),
		.stopping = delivery_is_stopping(delivery),
		.random = delivery_random(),
	};

	if (attempt.stopping) {
		policy.initial_ms = delivery_min(policy.initial_ms, delivery_stop_initial_ms);
		policy.max_ms = delivery_min(policy.max_ms, delivery_stop_max_ms);
	}
	return retry_pause_ms(&policy, &attempt);
}

/* An attempt is over. */
static struct delivery_step delivery_conclude(struct delivery *delivery, int64_t now_ms)
{
	const struct sink_outcome *outcome = &delivery->outcome;
	int64_t pause_ms;

	if (delivery_is_stopping(delivery) && !delivery->stop_noticed) {
		delivery->stop_noticed = true;
		delivery->attempts = 0;
	}
	delivery->attempts++;
	if (outcome->verdict != RETRY_AGAIN)
		return delivery_settle(delivery, now_ms, outcome->verdict);
	pause_ms = delivery_pause_ms(delivery, now_ms);
	if (pause_ms < 0)
		return delivery_settle(delivery, now_ms, RETRY_EXHAUSTED);
	delivery_report(delivery, now_ms, RETRY_AGAIN);
	delivery->state = DELIVERY_PAUSING;
	delivery->resume_at_ms = now_ms + pause_ms;
	delivery->asked_until_ms =
		outcome->retry_after_ms > 0 ? now_ms + outcome->retry_after_ms : 0;
	return (struct delivery_step){DELIVERY_TURN, now_ms};
}

static struct delivery_step delivery_step_trying(struct delivery *delivery, int64_t now_ms)
{
	if (delivery->ops->deliver(delivery->sink, &delivery->outcome)) {
		assert(delivery->outcome.verdict != RETRY_EXHAUSTED);
		return delivery_conclude(delivery, now_ms);
	}
	if (delivery_left_ms(delivery, now_ms) > 0)
		return (struct delivery_step){DELIVERY_POSTING, delivery_end_ms(delivery)};
	delivery->ops->cancel(delivery->sink);
	delivery->outcome = (struct sink_outcome){
		.verdict = RETRY_EXHAUSTED, .retry_after_ms = -1, .why = "no answer in time"};
	return delivery_conclude(delivery, now_ms);
}

/*
 * A stop cuts a pause that was chosen before it: the collector then gets the time that it asked for
 * if it fits into what is left, and otherwise the batch at once.
 */
static struct delivery_step delivery_step_pausing(struct delivery *delivery, int64_t now_ms)
{
	assert(delivery->attempts > 0);
	if (delivery_is_stopping(delivery) && !delivery->stop_noticed)
		delivery->resume_at_ms = delivery->asked_until_ms < delivery_end_ms(delivery)
						 ? delivery->asked_until_ms
						 : now_ms;
	if (now_ms < delivery->resume_at_ms)
		return (struct delivery_step){DELIVERY_WAITING, delivery->resume_at_ms};
	if (delivery_left_ms(delivery, now_ms) == 0)
		return delivery_settle(delivery, now_ms, RETRY_EXHAUSTED);
	delivery_try(delivery, true);
	return (struct delivery_step){DELIVERY_TURN, now_ms};
}

/* ---- between batches ---- */

static struct delivery_step delivery_step_idle(struct delivery *delivery, int64_t now_ms)
{
	bool may_rest = delivery->state == DELIVERY_IDLE && delivery->rest_after_ms > 0;
	int64_t rest_at_ms = delivery->idle_since_ms + delivery->rest_after_ms;
	struct batch *batch = NULL;

	if (delivery->stop_at_ms > now_ms)
		batch = handover_take(delivery->handover);
	if (batch != NULL) {
		delivery_begin(delivery, now_ms, batch);
		return (struct delivery_step){DELIVERY_TURN, now_ms};
	}
	if (delivery_is_stopping(delivery)) {
		delivery_report_overflow(delivery, now_ms);
		return (struct delivery_step){DELIVERY_DONE, now_ms};
	}
	if (may_rest && now_ms < rest_at_ms)
		return (struct delivery_step){DELIVERY_WAITING, rest_at_ms};
	if (may_rest) {
		handover_rest(delivery->handover);
		delivery->ops->rest(delivery->sink);
		delivery->state = DELIVERY_RESTED;
	}
	return (struct delivery_step){DELIVERY_WAITING, INT64_MAX};
}

struct delivery_step delivery_step(struct delivery *delivery, int64_t now_ms)
{
	delivery->stop_at_ms = handover_stop_at_ms(delivery->handover);
	assert((delivery->batch != NULL) == (delivery->state >= DELIVERY_TRYING));
	switch (delivery->state) {
	case DELIVERY_RESTED:
	case DELIVERY_IDLE:
		return delivery_step_idle(delivery, now_ms);
	case DELIVERY_TRYING:
		return delivery_step_trying(delivery, now_ms);
	case DELIVERY_PAUSING:
		break;
	}
	return delivery_step_pausing(delivery, now_ms);
}

void delivery_wait(struct delivery *delivery, int64_t wait_ms)
{
	assert(delivery->state == DELIVERY_TRYING);
	delivery->ops->wait(delivery->sink, wait_ms > 0 ? wait_ms : 0);
}

void delivery_wake(struct delivery *delivery)
{
	if (delivery->ops->wake != NULL)
		delivery->ops->wake(delivery->sink);
}

/*
 * The way of sealed batches through a sink, one after the other: an attempt, a pause as retry.h has
 * it, another attempt, and so on, all within timeout_ms and within what is left once the exporter
 * stops. From the stop on pauses begin anew and are short, so that a collector that comes back in
 * time gets the last spans. What was learnt on the way goes to the report. A step does one thing:
 * it begins or ends an attempt, or finds that there is nothing to do before a certain time.
 *
 * With a spool no batch is held on to: one that is not taken goes to disk, and for as long as the
 * collector takes none the others do, too; the oldest of them is what it is asked with again. Then
 * the backlog and what is new take turns, and after each batch of the backlog the collector has as
 * much time for others as it took. What the spool does not take is delivered as without one.
 */
#include "exporter/delivery.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "exporter/batch.h"
#include "exporter/settings.h"
#include "exporter/handover.h"
#include "exporter/lock.h"
#include "exporter/report.h"
#include "exporter/sink.h"
#include "exporter/spool/spool.h"

static const int64_t delivery_stop_initial_ms = 200;
static const int64_t delivery_stop_max_ms = 1000;

enum delivery_state {
	DELIVERY_RESTED,  /* no batch, and nothing is kept for one */
	DELIVERY_IDLE,    /* no batch since idle_since_ms */
	DELIVERY_TRYING,  /* an attempt is under way */
	DELIVERY_PAUSING, /* the next one is at resume_at_ms */
};

/* New settings wait for so long for an attempt under way, unless it may end in its own time. */
static const int64_t delivery_renew_wait_ms = 1000;
/* After so long a spool is looked at again that did not give what it has, for want of memory. */
static const int64_t delivery_read_again_ms = 1000;
/* Each so many attempts in vain a batch lets the next one try, in case it is the batch's fault. */
static const unsigned delivery_second_every = 8;

/* What changes with the settings. */
struct delivery_renewal {
	void *sink; /* owned */
	struct retry_policy policy;
	int64_t timeout_ms;
	char target[REPORT_TARGET_SIZE];
};

struct delivery {
	const struct sink_ops *ops;
	pthread_mutex_t sink_mutex;       /* of the pointer: who wakes a sink is another thread */
	void *sink;                       /* owned */
	struct delivery_renewal *renewal; /* owned; it takes the sink's place soon; or NULL */
	int64_t renew_at_ms;              /* ... even if an attempt is under way */
	struct handover *handover;        /* borrowed */
	struct report report;
	struct retry_policy policy;
	int64_t timeout_ms;    /* of a batch; 0: none */
	int64_t rest_after_ms; /* 0: never */
	int64_t stop_at_ms;    /* as the handover says; INT64_MAX: not stopping */
	uint64_t overflow_told;

	struct spool *spool; /* owned; NULL: none */
	bool writes_all;     /* each batch is on disk before it is sent */
	size_t spill_bytes;  /* what waits beyond this is written in any case */
	bool calendar_known;
	int64_t unix_offset_ms; /* the calendar is so much ahead of the monotonic clock */
	bool away;              /* the last attempt failed, and what it was about is on disk */
	bool backlog_had_turn;  /* the last batch was of the backlog */
	int64_t backlog_at_ms;  /* its next one is not before */
	int64_t sync_at_ms;     /* the spool has something to do then */

	enum delivery_state state;
	int64_t idle_since_ms;
	/* of the batch, but while idle or rested */
	struct batch *batch; /* owned */
	struct sink_outcome outcome;
	int64_t begun_ms;
	int64_t deadline_ms;
	/* also of the next batch, when that follows one that is on disk now */
	unsigned attempts; /* since the stop once stop_noticed */
	unsigned doubts;   /* of these, in which the collector has seen the batch */
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

static struct spool_time delivery_time(const struct delivery *delivery, int64_t now_ms)
{
	return (struct spool_time){now_ms, now_ms + delivery->unix_offset_ms};
}

/* A spool that cannot be had is told of, once, and done without. */
static void delivery_open_spool(struct delivery *delivery, const struct exporter_config *config)
{
	char error[256];

	if (config->spool_directory == NULL || !delivery->ops->is_collector)
		return;
	delivery->spool =
		spool_new(config, delivery->handover, &delivery->report, error, sizeof error);
	if (delivery->spool == NULL) {
		report_spool(&delivery->report, 0, error);
		return;
	}
	delivery->writes_all = config->spool_sync == EXPORTER_SYNC_BATCH;
	delivery->spill_bytes = delivery->writes_all ? 0 : config->queue_bytes_max / 2;
	delivery->handover->wake_bytes = delivery->spill_bytes;
}

struct delivery *delivery_new(const struct sink_ops *ops, const struct exporter_config *config,
	struct handover *handover, char *error, size_t error_size)
{
	struct delivery *delivery = calloc(1, sizeof *delivery);

	if (delivery == NULL || lock_init(&delivery->sink_mutex) != 0) {
		(void)snprintf(error, error_size, "out of memory"); /* may be cut */
		free(delivery);
		return NULL;
	}
	delivery->ops = ops;
	delivery->handover = handover;
	report_init(&delivery->report, config);
	delivery->policy.initial_ms = config->retry_initial_ms;
	delivery->policy.max_ms = config->retry_max_ms;
	delivery->timeout_ms = ops->is_collector ? config->timeout_ms : 0;
	delivery->rest_after_ms = config->rest_after_ms;
	delivery->sync_at_ms = INT64_MAX;
	delivery->sink = ops->make(config, error, error_size);
	if (delivery->sink == NULL) {
		(void)pthread_mutex_destroy(&delivery->sink_mutex); /* nobody has held it */
		free(delivery);
		return NULL;
	}
	delivery_open_spool(delivery, config);
	return delivery;
}

static void delivery_renewal_free(const struct delivery *delivery, struct delivery_renewal *renewal)
{
	if (renewal == NULL)
		return;
	delivery->ops->free(renewal->sink);
	free(renewal);
}

void delivery_free(struct delivery *delivery)
{
	if (delivery == NULL)
		return;
	delivery->ops->free(delivery->sink);
	if (delivery->batch != NULL && delivery->batch->spooled != NULL)
		spool_return(delivery->spool, delivery->batch, false);
	else
		batch_free(delivery->batch);
	spool_free(delivery->spool);
	delivery_renewal_free(delivery, delivery->renewal);
	delivery_renewal_free(delivery, handover_take_renewal(delivery->handover));
	(void)pthread_mutex_destroy(&delivery->sink_mutex); /* nobody holds it */
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
	struct handover *handover = delivery->handover;

	if (!delivery->ops->is_collector)
		return;
	handover_set(handover, &handover->counters.collector_away,
		verdict == RETRY_AGAIN || verdict == RETRY_EXHAUSTED);
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

/* ---- the spool ---- */

/* Looks for what former processes have left; now_ms may be the first that there is. */
static void delivery_recover(struct delivery *delivery, int64_t now_ms)
{
	struct timespec calendar;
	struct spool_time time;

	if (!delivery->calendar_known) {
		(void)clock_gettime(CLOCK_REALTIME, &calendar); /* cannot fail */
		delivery->unix_offset_ms =
			(int64_t)calendar.tv_sec * 1000 + calendar.tv_nsec / 1000000 - now_ms;
		delivery->calendar_known = true;
	}
	time = delivery_time(delivery, now_ms);
	spool_recover(delivery->spool, &time);
}

/* Writes what waits in memory down to so many bytes, as far as the disk takes it. */
static void delivery_write_waiting(struct delivery *delivery, int64_t now_ms, size_t bytes)
{
	struct spool_time time = delivery_time(delivery, now_ms);
	struct batch *batch;

	while (spool_is_usable(delivery->spool, &time) &&
		(batch = handover_take(delivery->handover, bytes)) != NULL)
		if (spool_put(delivery->spool, batch, &time) != 0) {
			handover_return(delivery->handover, batch);
			break;
		}
	if (delivery->away)
		spool_age(delivery->spool);
}

/* The batch was not taken. Whether it is on disk, so that it need not be held on to. */
static bool delivery_keep(struct delivery *delivery, int64_t now_ms)
{
	struct spool_time time = delivery_time(delivery, now_ms);

	if (delivery->spool == NULL)
		return false;
	if (delivery->batch->spooled != NULL)
		spool_return(delivery->spool, delivery->batch, !delivery->outcome.unreachable);
	else if (!spool_is_usable(delivery->spool, &time) ||
		 spool_put(delivery->spool, delivery->batch, &time) != 0)
		return false;
	spool_age(delivery->spool);
	delivery->batch = NULL;
	delivery->away = true;
	delivery->idle_since_ms = now_ms;
	return true;
}

/* ---- one batch ---- */

static void delivery_try(struct delivery *delivery, bool again)
{
	struct handover *handover = delivery->handover;

	if (delivery->ops->is_collector) {
		handover_count(handover, &handover->counters.posts, 1);
		handover_count(handover, &handover->counters.retries, again);
	}
	delivery->state = DELIVERY_TRYING;
}

static void delivery_begin(struct delivery *delivery, int64_t now_ms, struct batch *batch)
{
	assert(delivery->batch == NULL && batch->span_count > 0);
	delivery_report_overflow(delivery, now_ms);
	delivery->batch = batch;
	delivery->begun_ms = now_ms;
	delivery->deadline_ms =
		delivery->timeout_ms > 0 ? now_ms + delivery->timeout_ms : INT64_MAX;
	if (!delivery->away) {
		delivery->attempts = delivery->doubts = 0;
		delivery->stop_noticed = false;
	}
	delivery->asked_until_ms = 0;
	delivery->ops->load(delivery->sink, batch);
	delivery_try(delivery, delivery->away);
}

static struct delivery_step delivery_settle(
	struct delivery *delivery, int64_t now_ms, enum retry_verdict verdict)
{
	assert(delivery->batch != NULL && verdict != RETRY_AGAIN);
	delivery_report(delivery, now_ms, verdict);
	if (delivery->batch->spooled != NULL)
		spool_release(delivery->spool, delivery->batch);
	delivery->away = false;
	delivery->backlog_at_ms = now_ms + (now_ms - delivery->begun_ms);
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

/* The batch is too large for the collector: its halves are next, if it has any. */
static bool delivery_split(struct delivery *delivery, int64_t now_ms)
{
	struct batch *batch = delivery->batch, *parts[2];

	if (batch->span_count < 2 || delivery->ops->split(batch, parts) != 0)
		return false;
	assert(parts[0]->span_count + parts[1]->span_count == batch->span_count);
	if (batch->spooled != NULL)
		spool_release(delivery->spool, batch);
	handover_recycle(delivery->handover, batch);
	handover_return(delivery->handover, parts[1]);
	handover_return(delivery->handover, parts[0]);
	delivery->batch = NULL;
	delivery->away = false;
	delivery->state = DELIVERY_IDLE;
	delivery->idle_since_ms = now_ms;
	return true;
}

/* An attempt is over. */
static struct delivery_step delivery_conclude(struct delivery *delivery, int64_t now_ms)
{
	const struct sink_outcome *outcome = &delivery->outcome;
	int64_t pause_ms = -1;
	bool kept;

	if (delivery_is_stopping(delivery) && !delivery->stop_noticed) {
		delivery->stop_noticed = true;
		delivery->attempts = 0;
	}
	delivery->attempts++;
	delivery->doubts += !outcome->unreachable;
	if (outcome->verdict == RETRY_SPLIT)
		return delivery_split(delivery, now_ms)
			       ? (struct delivery_step){DELIVERY_TURN, now_ms}
			       : delivery_settle(delivery, now_ms, RETRY_TOO_LARGE);
	if (outcome->verdict != RETRY_AGAIN && outcome->verdict != RETRY_EXHAUSTED)
		return delivery_settle(delivery, now_ms, outcome->verdict);
	kept = delivery_keep(delivery, now_ms);
	if (kept)
		delivery->deadline_ms = INT64_MAX;
	if (kept || outcome->verdict == RETRY_AGAIN)
		pause_ms = delivery_pause_ms(delivery, now_ms);
	if (!kept && pause_ms < 0)
		return delivery_settle(delivery, now_ms, RETRY_EXHAUSTED);
	delivery_report(delivery, now_ms, RETRY_AGAIN);
	delivery->state = kept ? DELIVERY_IDLE : DELIVERY_PAUSING;
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
	if (delivery_left_ms(delivery, now_ms) > 0) {
		int64_t until_ms = delivery_min(delivery_end_ms(delivery), delivery->sync_at_ms);

		if (delivery->renewal != NULL)
			until_ms = delivery_min(until_ms, delivery->renew_at_ms);
		return (struct delivery_step){DELIVERY_POSTING, until_ms};
	}
	delivery->ops->cancel(delivery->sink);
	delivery->outcome = (struct sink_outcome){
		.verdict = RETRY_EXHAUSTED, .retry_after_ms = -1, .why = "no answer in time"};
	return delivery_conclude(delivery, now_ms);
}

/* Nothing is to be sent before until_ms, unless something comes. */
static struct delivery_step delivery_sleep(const struct delivery *delivery, int64_t until_ms)
{
	return (struct delivery_step){
		DELIVERY_WAITING, delivery_min(until_ms, delivery->sync_at_ms)};
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
		return delivery_sleep(delivery, delivery->resume_at_ms);
	if (delivery_left_ms(delivery, now_ms) == 0) {
		if (!delivery_keep(delivery, now_ms))
			return delivery_settle(delivery, now_ms, RETRY_EXHAUSTED);
		delivery->state = DELIVERY_IDLE;
		return (struct delivery_step){DELIVERY_TURN, now_ms};
	}
	delivery_try(delivery, true);
	return (struct delivery_step){DELIVERY_TURN, now_ms};
}

/* ---- new settings ---- */

int delivery_renew(struct delivery *delivery, const struct exporter_config *config, char *error,
	size_t error_size)
{
	struct delivery_renewal *renewal = calloc(1, sizeof *renewal);

	if (renewal == NULL) {
		(void)snprintf(error, error_size, "out of memory"); /* may be cut */
		return -1;
	}
	renewal->policy.initial_ms = config->retry_initial_ms;
	renewal->policy.max_ms = config->retry_max_ms;
	renewal->timeout_ms = delivery->ops->is_collector ? config->timeout_ms : 0;
	(void)snprintf(renewal->target, sizeof renewal->target, "%s",
		config->endpoint_shown); /* may be cut */
	renewal->sink = delivery->ops->make(config, error, error_size);
	if (renewal->sink == NULL) {
		free(renewal);
		return -1;
	}
	delivery_renewal_free(delivery, handover_renew(delivery->handover, renewal));
	delivery_wake(delivery);
	return 0;
}

static bool delivery_is_elsewhere(
	const struct delivery *delivery, const struct delivery_renewal *renewal)
{
	return strcmp(renewal->target, delivery->report.target) != 0;
}

static void delivery_turn_to(struct delivery *delivery, struct delivery_renewal *renewal)
{
	struct handover *handover = delivery->handover;
	void *former = delivery->sink;

	if (delivery_is_elsewhere(delivery, renewal)) /* that one has not been asked */
		handover_set(handover, &handover->counters.collector_away, false);
	lock_take(&delivery->sink_mutex);
	delivery->sink = renewal->sink;
	lock_give(&delivery->sink_mutex);
	renewal->sink = former; /* and goes with it */
	delivery->policy = renewal->policy;
	delivery->timeout_ms = renewal->timeout_ms;
	report_turn_to(&delivery->report, renewal->target);
}

/*
 * Takes new settings, if there are some. An attempt that goes by the old ones may end first, or
 * what it has delivered already would be sent twice: within a second where another collector is
 * wanted, else in its own time. Whatever waits for its next attempt gets it.
 */
static void delivery_take_renewal(struct delivery *delivery, int64_t now_ms)
{
	struct delivery_renewal *fresh = handover_take_renewal(delivery->handover);
	bool trying = delivery->state == DELIVERY_TRYING;

	if (fresh != NULL) {
		delivery->renew_at_ms = now_ms + delivery_renew_wait_ms;
		if (trying && delivery->deadline_ms != INT64_MAX &&
			!delivery_is_elsewhere(delivery, fresh))
			delivery->renew_at_ms = INT64_MAX;
		delivery_renewal_free(delivery, delivery->renewal);
		delivery->renewal = fresh;
	}
	if (delivery->renewal == NULL || (trying && now_ms < delivery->renew_at_ms))
		return;
	if (trying)
		delivery->ops->cancel(delivery->sink);
	delivery_turn_to(delivery, delivery->renewal);
	delivery_renewal_free(delivery, delivery->renewal);
	delivery->renewal = NULL;
	delivery->attempts = delivery->doubts = 0;
	delivery->resume_at_ms = now_ms;
	delivery->asked_until_ms = 0;
	if (delivery->batch == NULL)
		return;
	delivery->deadline_ms =
		delivery->timeout_ms > 0 ? now_ms + delivery->timeout_ms : INT64_MAX;
	delivery->ops->load(delivery->sink, delivery->batch);
	delivery_try(delivery, true);
}

/* ---- between batches ---- */

/* The oldest batch that is new: on disk, where what came before is, or in memory. */
static struct batch *delivery_take_new(struct delivery *delivery, const struct spool_time *time)
{
	struct batch *batch = NULL;

	if (delivery->spool != NULL)
		batch = spool_take_fresh(delivery->spool, time);
	if (batch == NULL)
		batch = handover_take(delivery->handover, 0);
	if (batch != NULL)
		delivery->backlog_had_turn = false;
	return batch;
}

/*
 * What is new and the backlog take turns; while the collector is away it is asked with the oldest.
 */
static struct batch *delivery_take(struct delivery *delivery, int64_t now_ms)
{
	struct spool_time time = delivery_time(delivery, now_ms);
	struct batch *batch = NULL;
	bool is_due;

	if (delivery->spool == NULL)
		return handover_take(delivery->handover, 0);
	if (delivery->backlog_had_turn && !delivery->away)
		batch = delivery_take_new(delivery, &time);
	is_due = delivery->away || delivery_is_stopping(delivery) ||
		 now_ms >= delivery->backlog_at_ms;
	if (batch == NULL && is_due && spool_has_backlog(delivery->spool)) {
		batch = spool_take_backlog(delivery->spool, &time,
			delivery->away && delivery->doubts > 0 &&
				delivery->doubts % delivery_second_every == 0);
		delivery->backlog_had_turn = batch != NULL;
		if (batch == NULL)
			delivery->backlog_at_ms = now_ms + delivery_read_again_ms;
	}
	return batch != NULL ? batch : delivery_take_new(delivery, &time);
}

/* Everything there was to do before the end has been done; what is left goes to disk. */
static struct delivery_step delivery_end(struct delivery *delivery, int64_t now_ms)
{
	if (delivery->spool != NULL) {
		delivery_write_waiting(delivery, now_ms, 0);
		(void)spool_sync(delivery->spool, INT64_MAX); /* nothing else will be due */
	}
	delivery_report_overflow(delivery, now_ms);
	return (struct delivery_step){DELIVERY_DONE, now_ms};
}

/*
 * Whether to leave a collector alone that is away. At the stop it is asked once more, if it has not
 * said when it wants to be; then what it did not take waits on disk for the next start.
 */
static bool delivery_stays_away(const struct delivery *delivery, int64_t now_ms)
{
	if (!delivery->away)
		return false;
	if (delivery_is_stopping(delivery))
		return delivery->stop_noticed || now_ms < delivery->asked_until_ms;
	return now_ms < delivery->resume_at_ms;
}

static struct delivery_step delivery_rest(struct delivery *delivery, int64_t now_ms)
{
	bool may_rest = delivery->state == DELIVERY_IDLE && delivery->rest_after_ms > 0;
	int64_t rest_at_ms = delivery->idle_since_ms + delivery->rest_after_ms;

	if (may_rest && now_ms < rest_at_ms)
		return delivery_sleep(delivery, rest_at_ms);
	if (may_rest) {
		handover_rest(delivery->handover);
		delivery->ops->rest(delivery->sink);
		delivery->state = DELIVERY_RESTED;
	}
	return delivery_sleep(delivery, INT64_MAX);
}

static struct delivery_step delivery_step_idle(struct delivery *delivery, int64_t now_ms)
{
	bool stays_away = delivery_stays_away(delivery, now_ms);
	struct batch *batch = NULL;

	if (stays_away && !delivery_is_stopping(delivery))
		return delivery_sleep(delivery, delivery->resume_at_ms);
	/* when the disk takes nothing, what is in memory is tried all the same */
	if (stays_away)
		batch = handover_take(delivery->handover, 0);
	else if (delivery->stop_at_ms > now_ms)
		batch = delivery_take(delivery, now_ms);
	if (batch != NULL) {
		delivery_begin(delivery, now_ms, batch);
		return (struct delivery_step){DELIVERY_TURN, now_ms};
	}
	if (delivery_is_stopping(delivery))
		return delivery_end(delivery, now_ms);
	if (delivery->spool != NULL && spool_has_backlog(delivery->spool))
		return delivery_sleep(delivery, delivery->backlog_at_ms);
	return delivery_rest(delivery, now_ms);
}

struct delivery_step delivery_step(struct delivery *delivery, int64_t now_ms)
{
	delivery->stop_at_ms = handover_stop_at_ms(delivery->handover);
	assert((delivery->batch != NULL) == (delivery->state >= DELIVERY_TRYING));
	delivery_take_renewal(delivery, now_ms);
	if (delivery->spool != NULL) {
		delivery_recover(delivery, now_ms);
		delivery_write_waiting(
			delivery, now_ms, delivery->away ? 0 : delivery->spill_bytes);
		delivery->sync_at_ms = spool_sync(delivery->spool, now_ms);
	}
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
	if (delivery->ops->wake == NULL)
		return;
	lock_take(&delivery->sink_mutex);
	delivery->ops->wake(delivery->sink);
	lock_give(&delivery->sink_mutex);
}

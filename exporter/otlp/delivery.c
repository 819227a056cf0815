/*
 * The way of one batch to the collector: compress, post, ask retry_decide(), pause, post again. All
 * within timeout_ms, and within what is left once the exporter stops; then pauses begin anew and
 * are short, so that a collector that comes back in time gets the last spans. What was learnt on
 * the way goes to the report.
 */
#include "exporter/otlp/delivery.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "exporter/batch.h"
#include "exporter/exporter.h"
#include "exporter/otlp/gzip.h"
#include "exporter/otlp/reply.h"
#include "exporter/report.h"

enum { DELIVERY_WHY_SIZE = REPLY_MESSAGE_SIZE + 128 };

static const int64_t delivery_stop_initial_ms = 200;
static const int64_t delivery_stop_max_ms = 1000;

struct delivery {
	struct sender *sender; /* owned */
	bool packs;            /* bodies are compressed */
	struct gzip *gzip;     /* owned; made when it is needed */
	struct text packed;
	struct retry_policy policy;
	int64_t timeout_ms; /* 0: none */
	struct delivery_hooks hooks;
	struct report *report;  /* borrowed */
	int64_t deadline_ms;    /* of the batch under way, monotonic */
	int64_t asked_until_ms; /* before, the collector does not want to see the batch again */
	atomic_uint_fast64_t requests, retries;
};

static const enum report_kind delivery_kinds[] = {
	[RETRY_REFUSED] = REPORT_REFUSED,
	[RETRY_EXHAUSTED] = REPORT_EXHAUSTED,
	[RETRY_TOO_LARGE] = REPORT_TOO_LARGE,
	[RETRY_NO_MEMORY] = REPORT_MEMORY,
};

static int64_t delivery_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

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

static int64_t delivery_left_ms(void *arg)
{
	struct delivery *delivery = arg;
	int64_t stop_left_ms = delivery->hooks.stop_left_ms(delivery->hooks.arg);
	int64_t left_ms = INT64_MAX;

	if (delivery->deadline_ms != INT64_MAX)
		left_ms = delivery->deadline_ms - delivery_now_ms();
	if (stop_left_ms >= 0 && stop_left_ms < left_ms)
		left_ms = stop_left_ms;
	return left_ms > 0 ? left_ms : 0;
}

static bool delivery_is_stopping(const struct delivery *delivery)
{
	return delivery->hooks.stop_left_ms(delivery->hooks.arg) >= 0;
}

struct delivery *delivery_new(const struct exporter_config *config,
	const struct delivery_hooks *hooks, struct report *report, char *error, size_t error_size)
{
	struct delivery *delivery = calloc(1, sizeof *delivery);

	if (delivery == NULL)
		goto no_memory;
	delivery->policy.initial_ms = config->retry_initial_ms;
	delivery->policy.max_ms = config->retry_max_ms;
	delivery->timeout_ms = config->timeout_ms;
	delivery->hooks = *hooks;
	delivery->report = report;
	text_init(&delivery->packed, SIZE_MAX / 2);
	delivery->packs = config->gzip;
	delivery->sender = sender_new(config, delivery_left_ms, delivery, error, error_size);
	if (delivery->sender == NULL)
		goto fail;
	return delivery;
no_memory:
	(void)snprintf(error, error_size, "out of memory"); /* may be cut */
fail:
	delivery_free(delivery);
	return NULL;
}

void delivery_free(struct delivery *delivery)
{
	if (delivery == NULL)
		return;
	sender_free(delivery->sender);
	gzip_free(delivery->gzip);
	text_done(&delivery->packed);
	free(delivery);
}

static const struct sender_answer *delivery_post(
	struct delivery *delivery, const struct text *body, bool again)
{
	atomic_fetch_add_explicit(&delivery->requests, 1, memory_order_relaxed);
	if (again)
		atomic_fetch_add_explicit(&delivery->retries, 1, memory_order_relaxed);
	return sender_post(delivery->sender, body->bytes, body->size, body == &delivery->packed);
}

/* What to post: compressed, unless memory is short for that. */
static const struct text *delivery_pack(struct delivery *delivery, const struct batch *batch)
{
	if (delivery->packs && delivery->gzip == NULL)
		delivery->gzip = gzip_new();
	if (delivery->gzip == NULL || gzip_pack(delivery->gzip, &delivery->packed,
					      batch->body.bytes, batch->body.size) != 0)
		return &batch->body;
	return &delivery->packed;
}

static int64_t delivery_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static struct retry_decision delivery_decide(
	struct delivery *delivery, const struct sender_answer *answer, unsigned number)
{
	struct retry_policy policy = delivery->policy;
	struct retry_attempt attempt = {
		.result = answer->result,
		.status = answer->status,
		.retry_after_ms = -1,
		.number = number,
		.left_ms = delivery_left_ms(delivery),
		.stopping = delivery_is_stopping(delivery),
		.random = delivery_random(),
	};

	if (answer->retry_after[0] != '\0')
		attempt.retry_after_ms =
			retry_after_parse(answer->retry_after, (int64_t)time(NULL));
	delivery->asked_until_ms = 0;
	if (attempt.retry_after_ms > 0)
		delivery->asked_until_ms = delivery_now_ms() + attempt.retry_after_ms;
	if (attempt.stopping) {
		policy.initial_ms = delivery_min(policy.initial_ms, delivery_stop_initial_ms);
		policy.max_ms = delivery_min(policy.max_ms, delivery_stop_max_ms);
	}
	return retry_decide(&policy, &attempt);
}

/* What a person can do about a status: the first row that it is in. */
static const struct {
	int first, last;
	const char *text;
} delivery_hints[] = {
	{300, 399, ", a redirect, which is not followed: correct the endpoint"},
	{401, 401, ", it wants credentials: they belong into the headers for the collector"},
	{403, 403, ", the credentials in the headers for the collector do not allow it"},
	{404, 404,
		", no traces are taken at this path: a base URL gets /v1/traces appended, a URL "
		"for "
		"traces is used as it is"},
	{405, 405, ", nothing is taken by POST at this path: is it one for OTLP over HTTP?"},
	{415, 415,
		", it may take protobuf only, and this is JSON: an OpenTelemetry Collector between "
		"can translate"},
};

static const char *delivery_hint(int status)
{
	size_t i;

	for (i = 0; i < sizeof delivery_hints / sizeof *delivery_hints; i++)
		if (status >= delivery_hints[i].first && status <= delivery_hints[i].last)
			return delivery_hints[i].text;
	return "";
}

/* Why the collector did not take the spans, in words. */
static void delivery_explain(const struct sender_answer *answer, char why[DELIVERY_WHY_SIZE])
{
	struct reply reply;

	if (answer->result == SENDER_TIMED_OUT) {
		(void)snprintf(why, DELIVERY_WHY_SIZE, "no answer in time"); /* fits */
		return;
	}
	if (answer->result != SENDER_ANSWERED) {
		(void)snprintf(why, DELIVERY_WHY_SIZE, "%s", answer->error); /* fits */
		return;
	}
	(void)reply_parse(&reply, answer->body.bytes, answer->body.size); /* then without words */
	(void)snprintf(why, DELIVERY_WHY_SIZE, "status %d%s%s%s", answer->status,
		delivery_hint(answer->status), reply.message[0] != '\0' ? ": " : "",
		reply.message); /* fits */
}

static void delivery_report_success(
	struct delivery *delivery, const struct batch *batch, const struct reply *reply)
{
	const char *why = reply->message[0] != '\0' ? reply->message : "no reason given";
	int64_t now_ms = delivery_now_ms();

	report_up(delivery->report, reply->rejected_spans == 0 && reply->message[0] == '\0');
	if (reply->rejected_spans > 0)
		report_loss(delivery->report, REPORT_REJECTED, now_ms, reply->rejected_spans, why);
	else if (reply->message[0] != '\0')
		report_loss(delivery->report, REPORT_WARNED, now_ms, batch->span_count, why);
}

/* Counts a partial success ("Partial Success": what was rejected must not be sent again). */
static uint64_t delivery_read_success(
	struct delivery *delivery, const struct batch *batch, const struct sender_answer *answer)
{
	struct reply reply;

	if (reply_parse(&reply, answer->body.bytes, answer->body.size) != 0)
		(void)snprintf(reply.message, sizeof reply.message,
			"its answer is not OTLP JSON: is it a collector?"); /* fits */
	if (reply.rejected_spans > batch->span_count)
		reply.rejected_spans = batch->span_count;
	delivery_report_success(delivery, batch, &reply);
	return reply.rejected_spans;
}

static void delivery_report_failure(struct delivery *delivery, const struct batch *batch,
	const struct sender_answer *answer, enum retry_verdict verdict)
{
	char why[DELIVERY_WHY_SIZE];
	int64_t now_ms = delivery_now_ms();

	delivery_explain(answer, why);
	if (verdict == RETRY_AGAIN || verdict == RETRY_EXHAUSTED)
		report_down(delivery->report, now_ms, why);
	if (verdict != RETRY_AGAIN)
		report_loss(
			delivery->report, delivery_kinds[verdict], now_ms, batch->span_count, why);
}

/*
 * Pauses. A stop cuts a pause that was chosen before it: the collector then gets the time that it
 * asked for if it fits into what is left, and otherwise the batch at once.
 */
static void delivery_pause(struct delivery *delivery, int64_t pause_ms, bool stopping)
{
	const struct delivery_hooks *hooks = &delivery->hooks;
	int64_t asked_ms;

	hooks->pause(hooks->arg, pause_ms, stopping);
	if (stopping || !delivery_is_stopping(delivery))
		return;
	asked_ms = delivery->asked_until_ms - delivery_now_ms();
	if (asked_ms > 0 && asked_ms < delivery_left_ms(delivery))
		hooks->pause(hooks->arg, asked_ms, true);
}

/* Posts until there is a verdict; *answer is the last one. */
static enum retry_verdict delivery_insist(struct delivery *delivery, const struct batch *batch,
	const struct text *body, const struct sender_answer **answer)
{
	struct retry_decision decision;
	bool stopping = false;
	unsigned number = 0; /* of attempts; of those since stopping once that began */

	for (;;) {
		*answer = delivery_post(delivery, body, number > 0);
		if (!stopping && delivery_is_stopping(delivery)) {
			stopping = true;
			number = 0;
		}
		decision = delivery_decide(delivery, *answer, ++number);
		if (decision.verdict != RETRY_AGAIN)
			return decision.verdict;
		delivery_report_failure(delivery, batch, *answer, decision.verdict);
		delivery_pause(delivery, decision.pause_ms, stopping);
		if (delivery_left_ms(delivery) == 0)
			return RETRY_EXHAUSTED;
	}
}

enum retry_verdict delivery_run(
	struct delivery *delivery, const struct batch *batch, uint64_t *rejected)
{
	const struct text *body = delivery_pack(delivery, batch);
	const struct sender_answer *answer;
	enum retry_verdict verdict;

	*rejected = 0;
	delivery->deadline_ms = INT64_MAX;
	if (delivery->timeout_ms > 0)
		delivery->deadline_ms = delivery_now_ms() + delivery->timeout_ms;
	verdict = delivery_insist(delivery, batch, body, &answer);
	if (verdict == RETRY_DELIVERED)
		*rejected = delivery_read_success(delivery, batch, answer);
	else
		delivery_report_failure(delivery, batch, answer, verdict);
	return verdict;
}

void delivery_rest(struct delivery *delivery)
{
	sender_rest(delivery->sender);
	text_done(&delivery->packed);
	gzip_free(delivery->gzip);
	delivery->gzip = NULL;
}

void delivery_wake(struct delivery *delivery)
{
	sender_wake(delivery->sender);
}

void delivery_requests(struct delivery *delivery, uint64_t *requests, uint64_t *retries)
{
	*requests = atomic_load_explicit(&delivery->requests, memory_order_relaxed);
	*retries = atomic_load_explicit(&delivery->retries, memory_order_relaxed);
}

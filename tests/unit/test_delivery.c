/*
 * The exporter's thread without a thread: this file calls its steps, says what time it is, and is
 * the sink. After each case every span is accounted for.
 */
#include <dirent.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exporter/batch.h"
#include "exporter/delivery.h"
#include "exporter/exporter.h"
#include "exporter/handover.h"
#include "exporter/sink.h"
#include "tests/unit/unit.h"

enum { ANSWERS_MAX = 8, ATTEMPTS_MAX = 64, LINES_MAX = 4096, BATCH_SPANS = 5 };

/* Beyond what a sink may answer: the attempt goes on until it is given up. */
#define HANGS ((enum retry_verdict)99)

struct answer {
	enum retry_verdict verdict;
	int64_t retry_after_ms;
	uint64_t rejected;
};

static struct fake {
	struct answer answers[ANSWERS_MAX]; /* the last one is repeated */
	unsigned answer_count;
	int64_t takes_ms; /* each attempt */
	unsigned cancels, wakes, rests, loads, makes, frees;
	bool trying;
	int64_t answer_at_ms; /* of the attempt */
	int64_t waited_ms;
	const struct batch *loaded;
	int64_t attempts_ms[ATTEMPTS_MAX]; /* when each began */
	unsigned attempts;
} fake;

static int64_t now_ms;

/* The disk is fast here. */
int fsync(int fd)
{
	(void)fd;
	return 0;
}

static void *fake_make(const struct exporter_config *config, char *error, size_t error_size)
{
	if (config->endpoint_shown != NULL) {
		fake.makes++;
		return &fake;
	}
	snprintf(error, error_size, "no sink without an endpoint");
	return NULL;
}

static void fake_free(void *sink)
{
	ck_assert_ptr_eq(sink, &fake);
	fake.frees++;
}

static void fake_load(void *sink, const struct batch *batch)
{
	ck_assert_ptr_eq(sink, &fake);
	ck_assert(!fake.trying);
	fake.loaded = batch;
	fake.loads++;
}

static bool fake_deliver(void *sink, struct sink_outcome *outcome)
{
	const struct answer *answer;

	ck_assert_ptr_eq(sink, &fake);
	ck_assert_ptr_nonnull(fake.loaded);
	if (!fake.trying) {
		ck_assert_uint_lt(fake.attempts, ATTEMPTS_MAX);
		fake.attempts_ms[fake.attempts++] = now_ms;
	}
	fake.trying = true;
	answer = &fake.answers[fake.attempts < fake.answer_count ? fake.attempts - 1
								 : fake.answer_count - 1];
	fake.answer_at_ms = fake.attempts_ms[fake.attempts - 1] + fake.takes_ms;
	if (answer->verdict == HANGS)
		fake.answer_at_ms = INT64_MAX;
	if (now_ms < fake.answer_at_ms)
		return false;
	fake.trying = false;
	memset(outcome, 0xff, sizeof *outcome);
	outcome->verdict = answer->verdict;
	outcome->retry_after_ms = answer->retry_after_ms;
	outcome->rejected = answer->rejected;
	outcome->unreachable = false;
	snprintf(outcome->why, sizeof outcome->why, "%s",
		answer->verdict == RETRY_DELIVERED ? "" : "why");
	return true;
}

static void fake_cancel(void *sink)
{
	ck_assert_ptr_eq(sink, &fake);
	ck_assert(fake.trying);
	fake.trying = false;
	fake.cancels++;
}

static void fake_wait(void *sink, int64_t wait_ms)
{
	ck_assert_ptr_eq(sink, &fake);
	fake.waited_ms = wait_ms;
}

static void fake_wake(void *sink)
{
	ck_assert_ptr_eq(sink, &fake);
	fake.wakes++;
}

static void fake_rest(void *sink)
{
	ck_assert_ptr_eq(sink, &fake);
	ck_assert(!fake.trying);
	fake.loaded = NULL;
	fake.rests++;
}

/* The first span, and the others; -1 of a batch that begins with "no". */
static int fake_split(const struct batch *batch, struct batch *parts[2])
{
	unsigned i;

	ck_assert_ptr_eq(batch, fake.loaded);
	ck_assert_uint_gt(batch->span_count, 1);
	fake.loaded = NULL;
	if (strncmp(batch->body.bytes, "no", 2) == 0)
		return -1;
	for (i = 0; i < 2; i++) {
		parts[i] = batch_new();
		parts[i]->body.limit = 1000;
		text_append(&parts[i]->body, batch->body.bytes, batch->body.size);
		parts[i]->encoding = batch->encoding;
		parts[i]->span_count = i == 0 ? 1 : batch->span_count - 1;
	}
	return 0;
}

static struct sink_ops fake_ops = {
	.is_collector = true,
	.make = fake_make,
	.free = fake_free,
	.load = fake_load,
	.deliver = fake_deliver,
	.split = fake_split,
	.cancel = fake_cancel,
	.wait = fake_wait,
	.wake = fake_wake,
	.rest = fake_rest,
};

/* --- the delivery under test --- */

static struct handover handover;
static struct delivery *delivery;
static struct exporter_config config;
static char lines[LINES_MAX];

static void report(void *arg, enum exporter_level level, const char *line)
{
	static const char *const levels[] = {"error", "warn", "info"};
	size_t used = strlen(lines);

	(void)arg;
	snprintf(lines + used, sizeof lines - used, "%s %s\n", levels[level], line);
}

static void setup(void)
{
	memset(&fake, 0, sizeof fake);
	fake_ops.is_collector = true;
	lines[0] = '\0';
	now_ms = 1000000;
	config = (struct exporter_config){
		.target = EXPORTER_OTLP,
		.endpoint_shown = "there",
		.timeout_ms = 10000,
		.retry_initial_ms = 1000,
		.retry_max_ms = 4000,
		.report = report,
	};
	ck_assert_int_eq(handover_init(&handover, 12, SIZE_MAX), 0);
	handover.spare_bytes_max = 4096;
}

static void start(void)
{
	char error[64] = "";

	delivery = delivery_new(&fake_ops, &config, &handover, error, sizeof error);
	ck_assert_msg(delivery != NULL, "%s", error);
}

static struct exporter_counters balance(void)
{
	struct exporter_counters c;

	handover_counters(&handover, &c);
	ck_assert_uint_eq(c.created,
		c.sent + c.rejected + c.dropped_queue + c.dropped_refused + c.dropped_retries +
			c.dropped_too_large + c.dropped_memory + c.dropped_shutdown +
			c.dropped_spool + c.dropped_corrupt + c.spooled + c.pending);
	return c;
}

static void teardown(void)
{
	balance();
	delivery_free(delivery);
	delivery = NULL;
	ck_assert_uint_eq(fake.frees, fake.makes);
	handover_done(&handover);
}

static bool put_text(const char *text)
{
	struct batch *batch = batch_new();

	batch->body.limit = 1000;
	text_append(&batch->body, text, strlen(text));
	while (batch->body.size < 100) /* no spans are shorter */
		TEXT_APPEND(&batch->body, ".");
	batch->span_count = BATCH_SPANS;
	batch->encoding = BATCH_JSON;
	return handover_put(&handover, batch, true);
}

static void put(void)
{
	ck_assert(!put_text("a batch of five spans"));
}

/*
 * Steps for so long: where there is nothing to do the clock moves on to what is waited for. What is
 * waited for in the end is returned.
 */
static enum delivery_wants run(int64_t for_ms)
{
	int64_t end_ms = now_ms + for_ms, until_ms;
	struct delivery_step step;
	unsigned steps = 0;

	for (;;) {
		ck_assert_uint_lt(steps++, 4000);
		step = delivery_step(delivery, now_ms);
		if (step.wants == DELIVERY_DONE)
			return DELIVERY_DONE;
		if (step.wants == DELIVERY_TURN)
			continue;
		ck_assert_int_eq(step.wants == DELIVERY_POSTING, fake.trying);
		ck_assert_int_gt(step.until_ms, now_ms); /* or it would spin */
		until_ms = step.until_ms;
		if (fake.trying && fake.answer_at_ms < until_ms)
			until_ms = fake.answer_at_ms;
		if (until_ms > end_ms) {
			now_ms = end_ms;
			return step.wants;
		}
		now_ms = until_ms;
	}
}

static void answers_are(const struct answer *answers, unsigned count)
{
	memcpy(fake.answers, answers, count * sizeof *answers);
	fake.answer_count = count;
}

#define ANSWERS(...)                                                                               \
	answers_are((const struct answer[]){__VA_ARGS__},                                          \
		sizeof((const struct answer[]){__VA_ARGS__}) / sizeof(struct answer))

#define TAKEN                                                                                      \
	{                                                                                          \
		RETRY_DELIVERED, -1, 0                                                             \
	}
#define AGAIN                                                                                      \
	{                                                                                          \
		RETRY_AGAIN, -1, 0                                                                 \
	}

/* The pause before an attempt, from the start of the one before, is between these. */
static void paused(unsigned attempt, int64_t least_ms, int64_t most_ms)
{
	ck_assert_uint_lt(attempt, fake.attempts);
	ck_assert_int_ge(fake.attempts_ms[attempt], fake.attempts_ms[attempt - 1] + least_ms);
	ck_assert_int_le(fake.attempts_ms[attempt], fake.attempts_ms[attempt - 1] + most_ms);
}

enum { EVER = 3600000 };

/* --- one batch --- */

START_TEST(test_idle)
{
	struct delivery_step step;

	start();
	ck_assert_int_eq(run(EVER), DELIVERY_WAITING);
	step = delivery_step(delivery, now_ms);
	ck_assert_int_eq(step.wants, DELIVERY_WAITING);
	ck_assert_int_eq(step.until_ms, INT64_MAX);
	handover_stop(&handover, now_ms + 5000);
	ck_assert_int_eq(run(0), DELIVERY_DONE);
	ck_assert_int_eq(run(0), DELIVERY_DONE);
	ck_assert_str_eq(lines, "");
	ck_assert_uint_eq(fake.rests + fake.loads + fake.attempts, 0);
}
END_TEST

static const struct {
	struct answer answer;
	uint64_t sent, rejected, refused, too_large, memory;
	const char *line;
} verdict_cases[] = {
	{TAKEN, .sent = 5, .line = "info collector there takes spans\n"},
	{{RETRY_DELIVERED, -1, 1}, .sent = 4, .rejected = 1,
		.line = "warn 1 spans rejected by the collector there: no reason given\n"},
	{{RETRY_DELIVERED, -1, 2}, .sent = 3, .rejected = 2,
		.line = "warn 2 spans rejected by the collector there: no reason given\n"},
	{{RETRY_DELIVERED, -1, 5}, .rejected = 5,
		.line = "warn 5 spans rejected by the collector there: no reason given\n"},
	{{RETRY_REFUSED, -1, 0}, .refused = 5,
		.line = "error 5 spans refused by the collector there: why\n"},
	{{RETRY_TOO_LARGE, -1, 0}, .too_large = 5,
		.line = "error 5 spans lost, over a size limit, at the collector there: why\n"},
	{{RETRY_NO_MEMORY, -1, 0}, .memory = 5,
		.line = "error 5 spans lost for want of memory on the way to the collector there: "
			"why\n"},
};

/* The batch is pending until its answer comes, and then it is what the answer says. */
START_TEST(test_verdict)
{
	struct exporter_counters c;

	fake.takes_ms = 9000;
	ANSWERS(verdict_cases[_i].answer);
	start();
	put();
	ck_assert_int_eq(run(8999), DELIVERY_POSTING);
	ck_assert_uint_eq(balance().pending, 5);
	delivery_wait(delivery, 17);
	ck_assert_int_eq(fake.waited_ms, 17);
	ck_assert_int_eq(run(1), DELIVERY_WAITING);
	c = balance();
	ck_assert_uint_eq(c.pending, 0);
	ck_assert_uint_eq(c.sent, verdict_cases[_i].sent);
	ck_assert_uint_eq(c.rejected, verdict_cases[_i].rejected);
	ck_assert_uint_eq(c.dropped_refused, verdict_cases[_i].refused);
	ck_assert_uint_eq(c.dropped_too_large, verdict_cases[_i].too_large);
	ck_assert_uint_eq(c.dropped_memory, verdict_cases[_i].memory);
	ck_assert_uint_eq(c.posts, 1);
	ck_assert_uint_eq(c.retries, 0);
	ck_assert_str_eq(lines, verdict_cases[_i].line);
	ck_assert_uint_eq(fake.attempts, 1);
	ck_assert_uint_eq(fake.cancels, 0);
}
END_TEST

static const enum retry_verdict order_verdicts[] = {
	RETRY_DELIVERED, RETRY_AGAIN, RETRY_REFUSED, RETRY_TOO_LARGE, RETRY_NO_MEMORY, HANGS};

/* Any three answers in a row, then good ones, for three batches: the sums are those of each. */
START_TEST(test_orders)
{
	unsigned i, left = (unsigned)_i, expected[RETRY_NO_MEMORY + 1] = {0}, batches = 0;
	struct answer answers[] = {TAKEN, TAKEN, TAKEN, TAKEN};
	struct exporter_counters c;

	for (i = 0; i < 3; i++, left /= 6) {
		answers[i].verdict = order_verdicts[left % 6];
		if (answers[i].verdict == HANGS) /* the one that is given up, in the end */
			expected[RETRY_EXHAUSTED]++;
		else
			expected[answers[i].verdict]++;
		batches += answers[i].verdict != RETRY_AGAIN;
	}
	expected[RETRY_DELIVERED] += 3 - batches;
	answers_are(answers, 4);
	fake.takes_ms = left > 0; /* in the same step, or in a later one */
	config.retry_initial_ms = 10;
	start();
	for (i = 0; i < 3; i++) {
		put();
		ck_assert_int_eq(run(40000), DELIVERY_WAITING);
	}
	c = balance();
	ck_assert_uint_eq(c.pending, 0);
	ck_assert_uint_eq(c.sent, 5 * expected[RETRY_DELIVERED]);
	ck_assert_uint_eq(c.dropped_refused, 5 * expected[RETRY_REFUSED]);
	ck_assert_uint_eq(c.dropped_retries, 5 * expected[RETRY_EXHAUSTED]);
	ck_assert_uint_eq(c.dropped_too_large, 5 * expected[RETRY_TOO_LARGE]);
	ck_assert_uint_eq(c.dropped_memory, 5 * expected[RETRY_NO_MEMORY]);
	ck_assert_uint_eq(c.posts, 3 + expected[RETRY_AGAIN]);
	ck_assert_uint_eq(c.retries, expected[RETRY_AGAIN]);
	ck_assert_uint_eq(c.posts, fake.attempts);
	ck_assert_uint_eq(fake.loads, 3);
	ck_assert_uint_eq(fake.cancels, expected[RETRY_EXHAUSTED]);
}
END_TEST

/* Pauses double up to the limit, half of each by chance; the batch's time ends them. */
START_TEST(test_pauses)
{
	int64_t start_ms = now_ms;
	struct exporter_counters c;

	ANSWERS(AGAIN);
	start();
	put();
	ck_assert_int_eq(run(9999), DELIVERY_WAITING);
	ck_assert_uint_eq(balance().pending, 5);
	ck_assert_int_eq(run(EVER), DELIVERY_WAITING);
	c = balance();
	ck_assert_uint_eq(c.dropped_retries, 5);
	ck_assert_uint_eq(c.posts, fake.attempts);
	ck_assert_uint_eq(c.retries, c.posts - 1);
	paused(1, 500, 1000);
	paused(2, 1000, 2000);
	paused(3, 2000, 4000);
	ck_assert_uint_ge(fake.attempts, 4); /* at 7 s or before */
	if (fake.attempts > 4)
		paused(4, fake.attempts == 5 ? 0 : 2000, 4000);
	ck_assert_int_lt(fake.attempts_ms[fake.attempts - 1], start_ms + 10000);
	ck_assert_str_eq(lines, "warn collector there takes no spans, they wait: why\n"
				"warn 5 spans given up, not taken in time by the collector there: "
				"why\n");
}
END_TEST

/* An attempt without end is given up with the batch, and not before. */
START_TEST(test_hangs)
{
	config.timeout_ms = _i == 0 ? 10000 : 0;
	ANSWERS({HANGS, -1, 0});
	start();
	put();
	ck_assert_int_eq(run(9999), DELIVERY_POSTING);
	ck_assert_uint_eq(fake.cancels, 0);
	if (_i == 1) {
		ck_assert_int_eq(run(EVER), DELIVERY_POSTING);
		handover_stop(&handover, now_ms);
		ck_assert_int_eq(run(0), DELIVERY_DONE);
		ck_assert_uint_eq(balance().dropped_shutdown, 5);
	} else {
		ck_assert_int_eq(run(1), DELIVERY_WAITING);
		ck_assert_uint_eq(balance().dropped_retries, 5);
	}
	ck_assert_uint_eq(fake.attempts, 1);
	ck_assert_uint_eq(fake.cancels, 1);
	ck_assert_ptr_nonnull(strstr(lines, "they wait: no answer in time\n"));
}
END_TEST

/* What the collector asks for makes a pause longer, never shorter, and never the batch's time. */
static const struct {
	int64_t retry_after_ms, least_ms, most_ms;
	uint64_t lost;
} retry_after_cases[] = {
	{0, 500, 1000, 0},
	{499, 500, 1000, 0},
	{1000, 1000, 1000, 0},
	{7000, 7000, 7000, 0},
	{9999, 9999, 9999, 0},
	{10000, 0, 0, 5},
	{86400000, 0, 0, 5},
};

START_TEST(test_retry_after)
{
	ANSWERS({RETRY_AGAIN, retry_after_cases[_i].retry_after_ms, 0}, TAKEN);
	start();
	put();
	ck_assert_int_eq(run(9998), DELIVERY_WAITING);
	ck_assert_uint_eq(fake.attempts,
		retry_after_cases[_i].most_ms <= 9998 && retry_after_cases[_i].lost == 0 ? 2 : 1);
	ck_assert_int_eq(run(2), DELIVERY_WAITING);
	ck_assert_uint_eq(balance().pending, 0);
	ck_assert_uint_eq(balance().dropped_retries, retry_after_cases[_i].lost);
	if (retry_after_cases[_i].lost == 0)
		paused(1, retry_after_cases[_i].least_ms, retry_after_cases[_i].most_ms);
	ck_assert_uint_eq(fake.attempts, retry_after_cases[_i].lost == 0 ? 2 : 1);
}
END_TEST

/* One after the other, the oldest first; a new batch's pauses begin anew. */
START_TEST(test_one_after_the_other)
{
	ANSWERS(AGAIN, AGAIN, TAKEN, AGAIN, TAKEN);
	start();
	put();
	put();
	ck_assert_int_eq(run(EVER), DELIVERY_WAITING);
	ck_assert_uint_eq(balance().sent, 10);
	ck_assert_uint_eq(fake.attempts, 5);
	paused(1, 500, 1000);
	paused(2, 1000, 2000);
	paused(3, 0, 0);
	paused(4, 500, 1000);
	ck_assert_str_eq(lines, "warn collector there takes no spans, they wait: why\n"
				"info collector there takes spans again\n");
}
END_TEST

/* News during a pause does not shorten it. */
START_TEST(test_news_in_a_pause)
{
	ANSWERS({RETRY_AGAIN, 5000, 0}, TAKEN);
	start();
	put();
	ck_assert_int_eq(run(4000), DELIVERY_WAITING);
	put();
	ck_assert_int_eq(run(999), DELIVERY_WAITING);
	ck_assert_uint_eq(fake.attempts, 1);
	ck_assert_int_eq(run(1), DELIVERY_WAITING);
	ck_assert_uint_eq(balance().sent, 10);
}
END_TEST

START_TEST(test_overflow_is_told)
{
	unsigned i;

	ANSWERS(TAKEN);
	start();
	for (i = 0; i < 5; i++)
		put();
	ck_assert_uint_eq(balance().dropped_queue, 15);
	ck_assert_int_eq(run(0), DELIVERY_WAITING);
	ck_assert_uint_eq(balance().sent, 10);
	ck_assert_str_eq(lines,
		"warn 15 spans dropped, the oldest first, waiting for the collector "
		"there: the queue was full\n"
		"info collector there takes spans\n");
}
END_TEST

/* Without a batch for rest_after_ms memory is given back, once for each time that there was one. */
START_TEST(test_rest)
{
	config.rest_after_ms = 300;
	ANSWERS(TAKEN);
	start();
	ck_assert_int_eq(run(EVER), DELIVERY_WAITING);
	ck_assert_uint_eq(fake.rests, 0);
	put();
	ck_assert_int_eq(run(299), DELIVERY_WAITING);
	put();
	ck_assert_int_eq(run(299), DELIVERY_WAITING);
	ck_assert_uint_eq(fake.rests, 0);
	ck_assert_ptr_nonnull(handover.spares.oldest);
	ck_assert_int_eq(run(1), DELIVERY_WAITING);
	ck_assert_uint_eq(fake.rests, 1);
	ck_assert_ptr_null(handover.spares.oldest);
	ck_assert_int_eq(run(EVER), DELIVERY_WAITING);
	ck_assert_uint_eq(fake.rests, 1);
	put();
	ck_assert_int_eq(run(EVER), DELIVERY_WAITING);
	ck_assert_uint_eq(balance().sent, 15);
	ck_assert_uint_eq(fake.rests, 2);
}
END_TEST

/* --- the stop --- */

/* What waits is delivered as long as there is time, without a pause in between. */
START_TEST(test_stop_delivers)
{
	ANSWERS(TAKEN);
	fake.takes_ms = 100;
	start();
	put();
	put();
	handover_stop(&handover, now_ms + (_i == 0 ? 201 : 200));
	ck_assert_int_eq(run(EVER), DELIVERY_DONE);
	ck_assert_uint_eq(balance().sent, 10);
	ck_assert_uint_eq(balance().pending, 0);
	ck_assert_uint_eq(fake.cancels, 0);
}
END_TEST

/* At the deadline an attempt is given up, and what still waits is left where it is. */
START_TEST(test_stop_cuts)
{
	ANSWERS(TAKEN, {HANGS, -1, 0});
	start();
	put();
	ck_assert_int_eq(run(0), DELIVERY_WAITING);
	put();
	put();
	ck_assert_int_eq(run(100), DELIVERY_POSTING);
	handover_stop(&handover, now_ms + 3000);
	ck_assert_int_eq(run(2999), DELIVERY_POSTING);
	ck_assert_int_eq(run(1), DELIVERY_DONE);
	ck_assert_uint_eq(fake.cancels, 1);
	ck_assert_uint_eq(fake.loads, 2);
	ck_assert_uint_eq(balance().sent, 5);
	ck_assert_uint_eq(balance().dropped_shutdown, 5);
	ck_assert_uint_eq(balance().pending, 5);
	handover_abandon(&handover);
	ck_assert_uint_eq(balance().dropped_shutdown, 10);
	ck_assert_uint_eq(balance().pending, 0);
}
END_TEST

/* With no time at all nothing more is begun. */
START_TEST(test_stop_at_once)
{
	ANSWERS(TAKEN);
	start();
	put();
	handover_stop(&handover, now_ms);
	ck_assert_int_eq(run(EVER), DELIVERY_DONE);
	ck_assert_uint_eq(fake.attempts, 0);
	ck_assert_uint_eq(balance().pending, 5);
	handover_abandon(&handover);
	ck_assert_uint_eq(balance().dropped_shutdown, 5);
}
END_TEST

/*
 * A pause of an hour, and the stop in its middle with so much left: the next attempt is at once, or
 * when the collector has asked for it.
 */
static const struct {
	int64_t retry_after_ms, left_ms, then_ms;
} pause_cases[] = {
	{-1, 5000, 0},
	{3000, 5000, 2000},
	{5999, 5000, 4999},
	{6000, 5000, 0},
	{1000, 5000, 0},
	{3600000, 5000, 0},
};

START_TEST(test_stop_in_a_pause)
{
	config.retry_initial_ms = config.retry_max_ms = 7200000;
	config.timeout_ms = 0;
	ANSWERS({RETRY_AGAIN, pause_cases[_i].retry_after_ms, 0}, TAKEN);
	start();
	put();
	ck_assert_int_eq(run(1000), DELIVERY_WAITING);
	ck_assert_uint_eq(fake.attempts, 1);
	handover_stop(&handover, now_ms + pause_cases[_i].left_ms);
	ck_assert_int_eq(run(EVER), DELIVERY_DONE);
	paused(1, 1000 + pause_cases[_i].then_ms, 1000 + pause_cases[_i].then_ms);
	ck_assert_uint_eq(balance().sent, 5);
}
END_TEST

/* From the stop on pauses begin anew, are short, and fit into what is left. */
START_TEST(test_stop_pauses)
{
	struct exporter_counters c;
	unsigned i, last;

	config.retry_initial_ms = config.retry_max_ms = 7200000;
	config.timeout_ms = 0;
	ANSWERS(AGAIN);
	start();
	put();
	put();
	ck_assert_int_eq(run(1000), DELIVERY_WAITING);
	handover_stop(&handover, now_ms + 5000);
	ck_assert_int_eq(run(EVER), DELIVERY_DONE);
	paused(1, 1000, 1000); /* the stop */
	paused(2, 100, 200);
	paused(3, 200, 400);
	paused(4, 400, 800);
	for (i = 5; i < fake.attempts; i++)
		paused(i, 0, 1000);
	ck_assert_uint_le(fake.attempts, 20);
	last = fake.attempts - 1;
	ck_assert_int_le(fake.attempts_ms[last], fake.attempts_ms[1] + 5000);
	ck_assert_int_ge(fake.attempts_ms[last], fake.attempts_ms[1] + 4000);
	c = balance();
	ck_assert_uint_eq(c.dropped_shutdown + c.pending, 10);
	ck_assert_uint_eq(c.dropped_retries, 0);
}
END_TEST

/* --- a collector that finds a batch too large --- */

#define SPLIT                                                                                      \
	{                                                                                          \
		RETRY_SPLIT, -1, 0                                                                 \
	}

/* Halves are next, before what waits; one span that is too large by itself is lost. */
START_TEST(test_split)
{
	ANSWERS(SPLIT, SPLIT, TAKEN);
	start();
	put();
	put();
	ck_assert_int_eq(run(0), DELIVERY_WAITING);
	ck_assert_uint_eq(balance().sent, 9);
	ck_assert_uint_eq(balance().dropped_too_large, 1);
	ck_assert_uint_eq(balance().posts, 4);
	ck_assert_uint_eq(balance().retries, 0);
	ck_assert_uint_eq(balance().created, 10);
	ck_assert_str_eq(lines,
		"error 1 spans lost, over a size limit, at the collector there: why\n"
		"info collector there takes spans\n");
}
END_TEST

START_TEST(test_cannot_split)
{
	ANSWERS(SPLIT, TAKEN);
	start();
	put_text("no spans are here");
	ck_assert_int_eq(run(0), DELIVERY_WAITING);
	ck_assert_uint_eq(balance().dropped_too_large, 5);
	ck_assert_uint_eq(balance().pending, 0);
}
END_TEST

/* --- new settings --- */

static void renew(const char *endpoint)
{
	struct exporter_config fresh = config;
	char error[64] = "";

	fresh.endpoint_shown = endpoint;
	fresh.timeout_ms = 20000;
	ck_assert_msg(delivery_renew(delivery, &fresh, error, sizeof error) == 0, "%s", error);
}

/* What was to be tried again, at some time, is tried at once; all is sent once. */
START_TEST(test_renew_pausing)
{
	ANSWERS({RETRY_AGAIN, 8000, 0}, TAKEN);
	start();
	put();
	ck_assert_int_eq(run(100), DELIVERY_WAITING);
	ck_assert_uint_eq(fake.attempts, 1);
	renew("elsewhere");
	ck_assert_uint_eq(fake.wakes, 1);
	ck_assert_int_eq(run(0), DELIVERY_WAITING);
	ck_assert_uint_eq(fake.attempts, 2);
	ck_assert_uint_eq(fake.loads, 2);
	ck_assert_uint_eq(fake.frees, 1);
	ck_assert_uint_eq(balance().sent, 5);
	ck_assert_uint_eq(balance().retries, 1);
	ck_assert_str_eq(lines, "warn collector there takes no spans, they wait: why\n"
				"info collector elsewhere takes spans\n");
}
END_TEST

/* An attempt that is under way has a second to end, ... */
START_TEST(test_renew_trying)
{
	fake.takes_ms = 999;
	ANSWERS(TAKEN);
	start();
	put();
	ck_assert_int_eq(run(0), DELIVERY_POSTING);
	renew("elsewhere");
	ck_assert_int_eq(run(0), DELIVERY_POSTING);
	ck_assert_uint_eq(fake.frees, 0);
	ck_assert_int_eq(run(999), DELIVERY_WAITING);
	ck_assert_uint_eq(fake.attempts, 1);
	ck_assert_uint_eq(fake.frees, 1);
	ck_assert_uint_eq(balance().sent, 5);
	put();
	ck_assert_int_eq(run(EVER), DELIVERY_WAITING);
	ck_assert_uint_eq(balance().sent, 10);
	ck_assert_str_eq(lines, "info collector there takes spans\n"
				"info collector elsewhere takes spans\n");
}
END_TEST

/* ... and then the batch is sent to the new one, within the new time. */
START_TEST(test_renew_hanging)
{
	config.timeout_ms = 0;
	ANSWERS({HANGS, -1, 0}, {HANGS, -1, 0}, TAKEN);
	start();
	put();
	ck_assert_int_eq(run(5000), DELIVERY_POSTING);
	renew("elsewhere");
	renew("there at last"); /* the one before was not asked */
	ck_assert_uint_eq(fake.frees, 1);
	ck_assert_int_eq(run(999), DELIVERY_POSTING);
	ck_assert_uint_eq(fake.cancels, 0);
	ck_assert_int_eq(run(1), DELIVERY_POSTING);
	ck_assert_uint_eq(fake.cancels, 1);
	ck_assert_uint_eq(fake.attempts, 2);
	ck_assert_int_eq(run(19999), DELIVERY_POSTING);
	ck_assert_uint_eq(balance().pending, 5);
	ck_assert_int_eq(run(1), DELIVERY_WAITING);
	ck_assert_uint_eq(balance().dropped_retries, 5);
	put();
	ck_assert_int_eq(run(EVER), DELIVERY_WAITING);
	ck_assert_uint_eq(balance().sent, 5);
	ck_assert_uint_eq(fake.frees, 2);
}
END_TEST

/* The same collector would get the batch twice: the attempt has the time that is left to it. */
START_TEST(test_renew_slow)
{
	bool answers = _i == 1;

	fake.takes_ms = answers ? 9999 : 10001;
	ANSWERS(TAKEN);
	start();
	put();
	ck_assert_int_eq(run(0), DELIVERY_POSTING);
	renew("there");
	ck_assert_int_eq(run(9998), DELIVERY_POSTING);
	renew("there"); /* as often as somebody likes */
	ck_assert_int_eq(run(1), answers ? DELIVERY_WAITING : DELIVERY_POSTING);
	ck_assert_int_eq(run(1), DELIVERY_WAITING);
	ck_assert_uint_eq(fake.attempts, 1);
	ck_assert_uint_eq(fake.cancels, !answers);
	ck_assert_uint_eq(fake.frees, 2);
	ck_assert_uint_eq(balance().sent, answers ? 5 : 0);
	ck_assert_uint_eq(balance().dropped_retries, answers ? 0 : 5);
	ck_assert_uint_eq(balance().retries, 0);
	fake.takes_ms = 19999; /* from now on there are twenty seconds */
	put();
	ck_assert_int_eq(run(EVER), DELIVERY_WAITING);
	ck_assert_uint_eq(balance().sent, answers ? 10 : 5);
	put();
	ck_assert_int_eq(run(0), DELIVERY_POSTING);
	renew("there");
	renew("elsewhere"); /* the last one counts */
	ck_assert_int_eq(run(999), DELIVERY_POSTING);
	ck_assert_uint_eq(fake.cancels, !answers);
	ck_assert_int_eq(run(1), DELIVERY_POSTING);
	ck_assert_uint_eq(fake.cancels, 1 + !answers);
}
END_TEST

/* A collector is away until it takes what it is asked to; one that was not asked is not. */
START_TEST(test_renew_away)
{
	ANSWERS({RETRY_AGAIN, -1, 0}, {RETRY_AGAIN, -1, 0}, TAKEN);
	start();
	put();
	ck_assert_int_eq(run(0), DELIVERY_WAITING);
	ck_assert_uint_eq(balance().collector_away, 1);
	fake.takes_ms = 500;
	renew("there");
	ck_assert_int_eq(run(0), DELIVERY_POSTING);
	ck_assert_uint_eq(balance().collector_away, 1);
	ck_assert_int_eq(run(500), DELIVERY_WAITING);
	renew("elsewhere");
	ck_assert_int_eq(run(0), DELIVERY_POSTING);
	ck_assert_uint_eq(balance().collector_away, 0);
	ck_assert_int_eq(run(500), DELIVERY_WAITING);
	ck_assert_uint_eq(balance().collector_away, 0);
	ck_assert_uint_eq(balance().sent, 5);
}
END_TEST

/* Between batches; the same collector is no news; what nobody takes any more goes in the end. */
START_TEST(test_renew_idle)
{
	ANSWERS(TAKEN);
	start();
	put();
	ck_assert_int_eq(run(EVER), DELIVERY_WAITING);
	renew("there");
	ck_assert_int_eq(run(EVER), DELIVERY_WAITING);
	ck_assert_uint_eq(fake.frees, 1);
	put();
	ck_assert_int_eq(run(EVER), DELIVERY_WAITING);
	ck_assert_uint_eq(balance().sent, 10);
	ck_assert_str_eq(lines, "info collector there takes spans\n");
	handover_stop(&handover, now_ms + 5000);
	ck_assert_int_eq(run(0), DELIVERY_DONE);
	renew("elsewhere");
}
END_TEST

/* From then on it waits as the new ones say. */
START_TEST(test_renew_pauses)
{
	struct exporter_config fresh = config;
	char error[64] = "";

	fresh.retry_initial_ms = 4000;
	fresh.retry_max_ms = 6000;
	fresh.timeout_ms = 20000;
	ANSWERS(AGAIN);
	start();
	ck_assert_int_eq(delivery_renew(delivery, &fresh, error, sizeof error), 0);
	put();
	ck_assert_int_eq(run(EVER), DELIVERY_WAITING);
	ck_assert_uint_ge(fake.attempts, 4);
	paused(1, 2000, 4000);
	paused(2, 3000, 6000);
	paused(3, 3000, 6000);
	ck_assert_uint_eq(balance().dropped_retries, 5);
}
END_TEST

/* Settings that cannot be used change nothing. */
START_TEST(test_renew_wrong)
{
	struct exporter_config fresh = config;
	char error[64] = "";
	int result;

	ANSWERS(TAKEN);
	start();
	fresh.endpoint_shown = "x";
	unit_alloc_fail_after(0);
	result = delivery_renew(delivery, &fresh, error, sizeof error);
	unit_alloc_fail_never();
	ck_assert_int_eq(result, -1);
	ck_assert_str_eq(error, "out of memory");
	put();
	ck_assert_int_eq(run(EVER), DELIVERY_WAITING);
	ck_assert_str_eq(lines, "info collector there takes spans\n");
	ck_assert_uint_eq(fake.makes, 1);
}
END_TEST

/* --- a spool --- */

static int remove_one(const char *path, const struct stat *is, int type, struct FTW *at)
{
	(void)is;
	(void)type;
	(void)at;
	return remove(path);
}

/* Files that hold a batch. */
static unsigned on_disk(void)
{
	DIR *stream = opendir(config.spool_directory);
	struct dirent *entry;
	unsigned count = 0;

	ck_assert_ptr_nonnull(stream);
	while ((entry = readdir(stream)) != NULL)
		count += strstr(entry->d_name, ".segment") != NULL;
	closedir(stream);
	return count;
}

static void start_spooling(enum exporter_sync sync)
{
	static char directory[64];

	snprintf(directory, sizeof directory, "%s/test_delivery.XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	handover.spans_max = SIZE_MAX;
	config.spool_directory = directory;
	config.spool_bytes_max = 64 << 20;
	config.spool_age_max_ms = 86400000;
	config.spool_sync = sync;
	config.request_bytes_max = 1000;
	config.queue_bytes_max = 100000;
	start();
}

static void restart(void)
{
	delivery_free(delivery);
	handover_done(&handover);
	ck_assert_int_eq(handover_init(&handover, SIZE_MAX, SIZE_MAX), 0);
	memset(&fake, 0, sizeof fake);
	lines[0] = '\0';
	start();
}

static void stop_spooling(void)
{
	ck_assert_uint_eq(balance().spool_bytes, 4096 * on_disk());
	ck_assert_int_eq(nftw(config.spool_directory, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* What the sink was given is kept, in the order of what it took. */
static char taken[700][8];
static unsigned taken_count;

static bool remember_deliver(void *sink, struct sink_outcome *outcome)
{
	bool over;

	if (!fake.trying)
		fake.attempts = 0; /* there will be many */
	over = fake_deliver(sink, outcome);
	outcome->unreachable = outcome->verdict == RETRY_AGAIN;
	if (over && outcome->verdict == RETRY_DELIVERED) {
		ck_assert_uint_lt(taken_count, 700);
		snprintf(taken[taken_count++], sizeof taken[0], "%.7s", fake.loaded->body.bytes);
	}
	return over;
}

static void put_number(unsigned number)
{
	char text[64];

	snprintf(text, sizeof text, "b%06u", number);
	put_text(text);
}

static void taken_in_order(unsigned count)
{
	char text[16];
	unsigned i;

	ck_assert_uint_eq(taken_count, count);
	for (i = 0; i < count; i++) {
		snprintf(text, sizeof text, "b%06u", i);
		ck_assert_str_eq(taken[i], text);
	}
}

/* Ten minutes without a collector, a batch each second: nothing is lost, nothing out of order. */
START_TEST(test_outage)
{
	struct exporter_counters c;
	unsigned i;

	taken_count = 0;
	fake_ops.deliver = remember_deliver;
	ANSWERS(AGAIN);
	start_spooling((enum exporter_sync)_i);
	for (i = 0; i < 600; i++) {
		put_number(i);
		ck_assert_int_eq(run(1000), DELIVERY_WAITING);
		c = balance();
		ck_assert_uint_eq(c.spooled, c.created);
		ck_assert_uint_eq(c.created, 5 * (i + 1));
	}
	ck_assert_uint_eq(on_disk(), 600);
	ck_assert_uint_ge(c.posts, 600 / 4);
	ck_assert_uint_le(c.posts, 600 / 2 + 3); /* pauses of 2 to 4 s */
	ck_assert_str_eq(lines, "warn collector there takes no spans, they wait: why\n");
	ANSWERS(TAKEN);
	ck_assert_int_eq(run(10000), DELIVERY_WAITING);
	taken_in_order(600);
	c = balance();
	ck_assert_uint_eq(c.sent, 3000);
	ck_assert_uint_eq(c.spooled + c.pending, 0);
	ck_assert_uint_eq(on_disk(), 0);
	ck_assert_str_eq(lines, "warn collector there takes no spans, they wait: why\n"
				"info collector there takes spans again\n");
	fake_ops.deliver = fake_deliver;
	stop_spooling();
}
END_TEST

/* With a backlog new spans wait for one batch of it at most, and it has half of the time. */
START_TEST(test_pace)
{
	unsigned i, new_count = 0;

	taken_count = 0;
	fake_ops.deliver = remember_deliver;
	ANSWERS(AGAIN);
	start_spooling((enum exporter_sync)_i);
	for (i = 0; i < 100; i++)
		put_number(i);
	ck_assert_int_eq(run(100), DELIVERY_WAITING);
	ANSWERS(TAKEN);
	fake.takes_ms = 10;
	(void)run(5000);
	ck_assert_uint_eq(on_disk(), 0);
	ck_assert_uint_eq(
		taken_count, 100); /* in 2 s: the rest of the first pause and 100 times 20 ms */
	ANSWERS(AGAIN);
	for (i = 100; i < 200; i++)
		put_number(i);
	(void)run(100);
	ANSWERS(TAKEN);
	(void)run(4000); /* until it takes some again */
	ck_assert_uint_gt(taken_count, 110);
	for (i = 200; i < 240; i++) { /* new ones all the time */
		put_number(i);
		(void)run(20);
	}
	for (i = taken_count - 30; i < taken_count; i++)
		new_count += strcmp(taken[i], "b000200") >= 0;
	if (on_disk() > 0) { /* they took turns */
		ck_assert_uint_ge(new_count, 14);
		ck_assert_uint_le(new_count, 16);
	}
	(void)run(EVER);
	ck_assert_uint_eq(taken_count, 240);
	fake_ops.deliver = fake_deliver;
	stop_spooling();
}
END_TEST

static bool poison_deliver(void *sink, struct sink_outcome *outcome)
{
	bool is_poison = strncmp(fake.loaded->body.bytes, "b000000", 7) == 0;

	if (!fake.trying)
		fake.attempts = 0;
	fake.answers[0].verdict = is_poison ? RETRY_AGAIN : RETRY_DELIVERED;
	return fake_deliver(sink, outcome);
}

/* A batch that is never taken does not keep the others from being delivered. */
START_TEST(test_poison)
{
	unsigned i;

	start_spooling(EXPORTER_SYNC_BATCH);
	ANSWERS(AGAIN);
	for (i = 0; i < 10; i++)
		put_number(i);
	fake.takes_ms = 1;
	fake_ops.deliver = poison_deliver;
	(void)run(60000);
	fake_ops.deliver = fake_deliver;
	ck_assert_uint_eq(balance().sent, 45);
	ck_assert_uint_eq(balance().spooled, 5);
	stop_spooling();
}
END_TEST

/* Every order of answers, and a stop, and another start: each span is somewhere, always. */
START_TEST(test_orders_spooled)
{
	struct answer answers[] = {TAKEN, TAKEN, TAKEN, TAKEN};
	unsigned i, left = (unsigned)_i;
	struct exporter_counters before, after;

	for (i = 0; i < 3; i++, left /= 6)
		answers[i].verdict = order_verdicts[left % 6];
	answers_are(answers, 4);
	config.retry_initial_ms = 10;
	start_spooling((enum exporter_sync)(_i % 3));
	for (i = 0; i < 3; i++) {
		put_number(i);
		(void)run(5);
		balance();
	}
	handover_stop(&handover, now_ms + 3000);
	ck_assert_int_eq(run(EVER), DELIVERY_DONE);
	before = balance();
	ck_assert_uint_eq(before.created, 15);
	ck_assert_uint_eq(before.pending + before.dropped_retries + before.dropped_shutdown, 0);
	ck_assert_uint_eq(before.spooled, 5 * on_disk());
	restart();
	ANSWERS(TAKEN);
	(void)run(EVER);
	after = balance();
	ck_assert_uint_eq(after.spool_recovered, before.spooled);
	ck_assert_uint_eq(after.sent, before.spooled);
	ck_assert_uint_eq(on_disk(), 0);
	stop_spooling();
}
END_TEST

/* With spool.sync=batch a sealed batch is on disk at the next step, whatever is under way. */
START_TEST(test_written_before_sent)
{
	start_spooling(EXPORTER_SYNC_BATCH);
	ANSWERS({HANGS, -1, 0});
	ck_assert(put_text("the first")); /* the thread is woken */
	(void)delivery_step(delivery, now_ms);
	ck_assert_uint_eq(on_disk(), 1);
	ck_assert_uint_eq(fake.attempts, 0);
	ck_assert_int_eq(run(1000), DELIVERY_POSTING);
	ck_assert_uint_eq(balance().spooled, 5);
	ck_assert(put_text("the second"));
	(void)delivery_step(delivery, now_ms);
	ck_assert_uint_eq(on_disk(), 2);
	ck_assert_uint_eq(balance().spooled, 10);
	ck_assert_uint_eq(balance().pending, 0);
	stop_spooling();
}
END_TEST

/* With a collector that is slow what waits goes to disk before it is too much for memory. */
START_TEST(test_spill)
{
	unsigned i;

	start_spooling(EXPORTER_SYNC_NEVER);
	ANSWERS({HANGS, -1, 0});
	config.timeout_ms = 0;
	put();
	(void)run(10);
	for (i = 0; i < 2000; i++) {
		put_number(i);
		(void)delivery_step(delivery, now_ms);
		ck_assert_uint_le(handover.waiting.bytes, 50000);
	}
	ck_assert_uint_gt(on_disk(), 100);
	ck_assert_uint_eq(balance().spooled, 5 * on_disk());
	ck_assert_uint_eq(balance().dropped_queue, 0);
	stop_spooling();
}
END_TEST

/* Halves of one that was on disk are there, too. */
START_TEST(test_split_spooled)
{
	start_spooling(EXPORTER_SYNC_BATCH);
	ANSWERS(SPLIT, {HANGS, -1, 0});
	put_number(0);
	ck_assert_int_eq(run(10), DELIVERY_POSTING);
	ck_assert_uint_eq(on_disk(), 2);
	ck_assert_uint_eq(balance().spooled, 5);
	ck_assert_uint_eq(balance().pending, 0);
	stop_spooling();
}
END_TEST

/* --- a sink that is no collector --- */

/* It may take as long as it likes, nobody is told of it, and it is not counted as requests. */
START_TEST(test_no_collector)
{
	fake_ops.is_collector = false;
	fake.takes_ms = 60000;
	ANSWERS({order_verdicts[_i], -1, 0}, TAKEN);
	start();
	put();
	ck_assert_int_eq(run(59999), DELIVERY_POSTING);
	ck_assert_uint_eq(balance().pending, 5);
	(void)run(1);
	handover_stop(&handover, now_ms + 70000);
	ck_assert_int_eq(run(EVER), DELIVERY_DONE);
	ck_assert_uint_eq(balance().pending, 0);
	ck_assert_uint_eq(balance().posts, 0);
	ck_assert_str_eq(lines, "");
}
END_TEST

/* --- making one --- */

START_TEST(test_no_memory)
{
	char error[64] = "";

	unit_alloc_fail_after(0);
	delivery = delivery_new(&fake_ops, &config, &handover, error, sizeof error);
	unit_alloc_fail_never();
	ck_assert_ptr_null(delivery);
	ck_assert_str_eq(error, "out of memory");
	config.endpoint_shown = NULL;
	delivery = delivery_new(&fake_ops, &config, &handover, error, sizeof error);
	ck_assert_ptr_null(delivery);
	ck_assert_str_eq(error, "no sink without an endpoint");
}
END_TEST

START_TEST(test_wake)
{
	start();
	delivery_wake(delivery);
	ck_assert_uint_eq(fake.wakes, 1);
	fake_ops.wake = NULL;
	delivery_wake(delivery);
	ck_assert_uint_eq(fake.wakes, 1);
	fake_ops.wake = fake_wake;
}
END_TEST

/* What it was about to deliver goes with it, and is still counted as pending. */
START_TEST(test_free_in_the_middle)
{
	ANSWERS({HANGS, -1, 0});
	start();
	put();
	ck_assert_int_eq(run(10), DELIVERY_POSTING);
	ck_assert_uint_eq(balance().pending, 5);
}
END_TEST

#define ROWS(cases) ((int)(sizeof(cases) / sizeof *(cases)))

int main(void)
{
	TCase *tc = tcase_create("delivery");

	unit_fixture(setup, teardown);
	tcase_add_test(tc, test_idle);
	tcase_add_test(tc, test_renew_pausing);
	tcase_add_test(tc, test_renew_trying);
	tcase_add_test(tc, test_renew_hanging);
	tcase_add_loop_test(tc, test_renew_slow, 0, 2);
	tcase_add_test(tc, test_renew_away);
	tcase_add_test(tc, test_renew_idle);
	tcase_add_test(tc, test_renew_pauses);
	tcase_add_test(tc, test_renew_wrong);
	tcase_add_loop_test(tc, test_verdict, 0, ROWS(verdict_cases));
	tcase_add_loop_test(tc, test_orders, 0, 2 * 6 * 6 * 6);
	tcase_add_test(tc, test_pauses);
	tcase_add_loop_test(tc, test_hangs, 0, 2);
	tcase_add_loop_test(tc, test_retry_after, 0, ROWS(retry_after_cases));
	tcase_add_test(tc, test_one_after_the_other);
	tcase_add_test(tc, test_news_in_a_pause);
	tcase_add_test(tc, test_overflow_is_told);
	tcase_add_test(tc, test_rest);
	tcase_add_loop_test(tc, test_stop_delivers, 0, 2);
	tcase_add_test(tc, test_stop_cuts);
	tcase_add_test(tc, test_stop_at_once);
	tcase_add_loop_test(tc, test_stop_in_a_pause, 0, ROWS(pause_cases));
	tcase_add_test(tc, test_stop_pauses);
	tcase_add_test(tc, test_split);
	tcase_add_test(tc, test_cannot_split);
	tcase_add_loop_test(tc, test_outage, 0, 3);
	tcase_add_loop_test(tc, test_pace, 0, 3);
	tcase_add_test(tc, test_poison);
	tcase_add_loop_test(tc, test_orders_spooled, 0, 6 * 6 * 6);
	tcase_add_test(tc, test_written_before_sent);
	tcase_add_test(tc, test_spill);
	tcase_add_test(tc, test_split_spooled);
	tcase_add_loop_test(tc, test_no_collector, 0, ROWS(order_verdicts) - 1);
	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_wake);
	tcase_add_test(tc, test_free_in_the_middle);
	return unit_run("delivery", tc);
}

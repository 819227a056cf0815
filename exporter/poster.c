/*
 * Metrics to a collector; see poster.h. The thread sleeps until there is a body, posts it once, and
 * gives it up when its time is over: the next one is the retry. At the stop there is a deadline for
 * all of it. A way is one set of settings: another one comes between two requests.
 */
#include "exporter/poster.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exporter/clock.h"
#include "exporter/lock.h"
#include "exporter/otlp/gzip.h"
#include "exporter/otlp/judge.h"
#include "exporter/otlp/sender.h"
#include "exporter/settings.h"
#include "exporter/sink.h"
#include "exporter/verify.h"

enum { POSTER_TARGET_SIZE = 256, POSTER_LINE_SIZE = SINK_WHY_SIZE + 512 };

struct poster_way {
	struct sender *sender; /* owned */
	bool packs;
	int64_t timeout_ms;
	char target[POSTER_TARGET_SIZE]; /* for people; may be cut */
};

enum poster_state {
	POSTER_UNKNOWN, /* the collector has not been asked yet */
	POSTER_UP,
	POSTER_DOWN, /* and people have been told */
};

struct poster {
	void (*report)(void *arg, enum exporter_level level, const char *line);
	void *report_arg;
	pthread_t thread;
	bool started;

	/* the thread's */
	struct text body, packed;
	enum poster_state state;
	char warning[SINK_WHY_SIZE]; /* the last one that people have been told */

	pthread_mutex_t mutex; /* for all below */
	pthread_cond_t changed;
	struct poster_way *way;   /* owned; replaced by the thread alone */
	struct poster_way *fresh; /* owned; NULL: it stays */
	struct text waiting;      /* a body, if it is not empty */
	bool stopping;
	int64_t stop_at_ms;
	struct poster_counters counters;
};

/* ---- where to ---- */

void poster_way_free(struct poster_way *way)
{
	if (way == NULL)
		return;
	sender_free(way->sender);
	free(way);
}

struct poster_way *poster_way_new(
	const struct exporter_config *config, char *error, size_t error_size)
{
	struct poster_way *way;

	if (verify_config(config, error, error_size) != 0)
		return NULL;
	way = calloc(1, sizeof *way);
	if (way == NULL) {
		(void)snprintf(error, error_size, "out of memory"); /* may be cut */
		return NULL;
	}
	way->packs = config->gzip;
	way->timeout_ms = config->timeout_ms;
	(void)snprintf(way->target, sizeof way->target, "%s", config->endpoint_shown);
	way->sender = sender_new(config, error, error_size);
	if (way->sender != NULL)
		return way;
	free(way);
	return NULL;
}

/* ---- the thread ---- */

static void poster_tell(
	struct poster *poster, enum exporter_level level, const char *what, const char *why)
{
	char line[POSTER_LINE_SIZE];

	(void)snprintf(line, sizeof line, "collector %s takes %s%s%s", poster->way->target, what,
		why[0] != '\0' ? ": " : "", why); /* may be cut */
	poster->report(poster->report_arg, level, line);
}

/* What came of a request: counted each time, told when it is other than before. */
static void poster_settle(struct poster *poster, bool taken, const char *why)
{
	lock_take(&poster->mutex);
	poster->counters.metric_exports += taken;
	poster->counters.metric_exports_failed += !taken;
	lock_give(&poster->mutex);
	if (!taken && poster->state != POSTER_DOWN)
		poster_tell(poster, EXPORTER_REPORT_WARN,
			"no metrics, the next that it takes will say it all", why);
	else if (taken && poster->state == POSTER_DOWN)
		poster_tell(poster, EXPORTER_REPORT_INFO, "metrics again", "");
	poster->state = taken ? POSTER_UP : POSTER_DOWN;
	if (!taken || why[0] == '\0' || strcmp(why, poster->warning) == 0)
		return;
	(void)snprintf(poster->warning, sizeof poster->warning, "%s", why); /* fits */
	poster_tell(poster, EXPORTER_REPORT_WARN, "metrics, with a warning", why);
}

static void poster_judge(struct poster *poster, const struct sender_answer *answer)
{
	struct sink_outcome outcome;

	judge_answer(answer, 0, (int64_t)time(NULL), &outcome);
	if (answer->result == SENDER_ANSWERED && (answer->status == 404 || answer->status == 415))
		(void)snprintf(outcome.why, sizeof outcome.why, "status %d, no metrics %s",
			answer->status,
			answer->status == 404 ? "are taken at this path"
					      : "are taken as JSON"); /* fits */
	poster_settle(poster, outcome.verdict == RETRY_DELIVERED, outcome.why);
}

/* How long a request may still take that ends at end_ms; at most 0: no longer. */
static int64_t poster_left(struct poster *poster, int64_t end_ms)
{
	lock_take(&poster->mutex);
	if (poster->stopping && poster->stop_at_ms < end_ms)
		end_ms = poster->stop_at_ms;
	lock_give(&poster->mutex);
	return end_ms == INT64_MAX ? INT64_MAX : end_ms - clock_ms();
}

/* Compressed if that is wanted, and if there is memory for it. */
static void poster_begin(struct poster *poster)
{
	struct gzip *gzip = poster->way->packs ? gzip_new() : NULL;
	struct sender_body body = {.bytes = poster->body.bytes, .size = poster->body.size};

	if (gzip != NULL && gzip_pack(gzip, &poster->packed, body.bytes, body.size) == 0) {
		body.bytes = poster->packed.bytes;
		body.size = poster->packed.size;
		body.gzipped = true;
	}
	gzip_free(gzip);
	sender_begin(poster->way->sender, &body);
}

static void poster_post(struct poster *poster)
{
	const struct poster_way *way = poster->way;
	int64_t end_ms = way->timeout_ms > 0 ? clock_ms() + way->timeout_ms : INT64_MAX, left_ms;
	const struct sender_answer *answer;

	poster_begin(poster);
	while ((answer = sender_step(way->sender)) == NULL &&
		(left_ms = poster_left(poster, end_ms)) > 0)
		sender_wait(way->sender, left_ms);
	if (answer != NULL) {
		poster_judge(poster, answer);
	} else {
		sender_cancel(way->sender);
		poster_settle(poster, false, "no answer in time");
	}
	sender_rest(way->sender);
	text_done(&poster->packed);
	text_done(&poster->body); /* until the next there is time */
}

/* Locked. What the settings say now is for the next request. */
static struct poster_way *poster_turn(struct poster *poster)
{
	struct poster_way *former = poster->way;

	if (poster->fresh == NULL)
		return NULL;
	if (strcmp(former->target, poster->fresh->target) != 0)
		poster->state = POSTER_UNKNOWN;
	poster->way = poster->fresh;
	poster->fresh = NULL;
	return former;
}

static void *poster_run(void *arg)
{
	struct poster *poster = arg;
	struct poster_way *former;
	struct text empty;

	for (;;) {
		lock_take(&poster->mutex);
		while (poster->waiting.size == 0 && !poster->stopping)
			(void)pthread_cond_wait(&poster->changed, &poster->mutex); /* cannot fail */
		if (poster->waiting.size == 0) {
			lock_give(&poster->mutex);
			return NULL;
		}
		former = poster_turn(poster);
		empty = poster->body;
		poster->body = poster->waiting;
		poster->waiting = empty;
		lock_give(&poster->mutex);
		poster_way_free(former);
		poster_post(poster);
	}
}

/* ---- the loop ---- */

struct poster *poster_new(const struct exporter_config *config, char *error, size_t error_size)
{
	struct poster *poster = calloc(1, sizeof *poster);

	if (poster == NULL || lock_init(&poster->mutex) != 0) {
		(void)snprintf(error, error_size, "out of memory"); /* may be cut */
		free(poster);
		return NULL;
	}
	poster->report = config->report;
	poster->report_arg = config->report_arg;
	text_init(&poster->body, config->request_bytes_max);
	text_init(&poster->packed, TEXT_UNLIMITED);
	text_init(&poster->waiting, config->request_bytes_max);
	(void)pthread_cond_init(&poster->changed, NULL); /* a plain one: cannot fail */
	poster->way = poster_way_new(config, error, error_size);
	if (poster->way != NULL)
		return poster;
	poster_free(poster);
	return NULL;
}

int poster_start(struct poster *poster, char *error, size_t error_size)
{
	sigset_t all, before;
	int failed;

	assert(!poster->started && !poster->stopping);
	(void)sigfillset(&all); /* cannot fail */
	/* signals are the loop's business: the thread inherits that it gets none */
	failed = pthread_sigmask(SIG_SETMASK, &all, &before);
	assert(failed == 0);
	failed = pthread_create(&poster->thread, NULL, poster_run, poster);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL); /* as it worked before */
	if (failed != 0) {
		(void)snprintf(error, error_size, "cannot start the metrics' thread: %s",
			strerror(failed)); /* may be cut */
		return -1;
	}
	(void)pthread_setname_np(poster->thread, "metrics"); /* for debuggers only */
	poster->started = true;
	return 0;
}

void poster_renew(struct poster *poster, struct poster_way *way)
{
	struct poster_way *unused;

	lock_take(&poster->mutex);
	unused = poster->fresh;
	poster->fresh = way;
	lock_give(&poster->mutex);
	poster_way_free(unused);
}

void poster_put(struct poster *poster, struct text *body)
{
	struct text before;

	assert(!poster->stopping && body->size > 0);
	lock_take(&poster->mutex);
	before = poster->waiting;
	poster->counters.metric_exports_failed += before.size > 0; /* it comes too late */
	poster->waiting = *body;
	(void)pthread_cond_signal(&poster->changed); /* cannot fail */
	lock_give(&poster->mutex);
	*body = before;
	text_rewind(body, 0);
}

void poster_lose(struct poster *poster)
{
	lock_take(&poster->mutex);
	poster->counters.metric_exports_failed++;
	lock_give(&poster->mutex);
}

void poster_stop(struct poster *poster, int64_t deadline_ms)
{
	int failed;

	lock_take(&poster->mutex);
	poster->stopping = true;
	poster->stop_at_ms = clock_ms() + (deadline_ms > 0 ? deadline_ms : 0);
	sender_wake(poster->way->sender);
	(void)pthread_cond_signal(&poster->changed); /* cannot fail */
	lock_give(&poster->mutex);
	if (!poster->started)
		return;
	failed = pthread_join(poster->thread, NULL);
	assert(failed == 0);
	(void)failed;
	poster->started = false;
}

struct poster_counters poster_counters(struct poster *poster)
{
	struct poster_counters counters = {.metric_exports = 0};

	if (poster == NULL)
		return counters;
	lock_take(&poster->mutex);
	counters = poster->counters;
	lock_give(&poster->mutex);
	return counters;
}

void poster_free(struct poster *poster)
{
	if (poster == NULL)
		return;
	if (poster->started)
		poster_stop(poster, 0);
	poster_way_free(poster->way);
	poster_way_free(poster->fresh);
	text_done(&poster->body);
	text_done(&poster->packed);
	text_done(&poster->waiting);
	(void)pthread_cond_destroy(&poster->changed); /* nobody waits */
	(void)pthread_mutex_destroy(&poster->mutex);  /* nobody holds it */
	free(poster);
}

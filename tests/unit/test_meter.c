/*
 * When numbers are sent, and what is done with those that cannot be. Who sends them is played by
 * this file.
 */
#include "proxy/meter.h"

#include <stdio.h>
#include <string.h>

#include "exporter/metrics/metrics.h"
#include "exporter/poster.h"
#include "exporter/text.h"
#include "tests/unit/loop_case.h"

enum { BODY_MAX = 65536 };

struct poster {
	int started, freed, lost, put;
	bool fails_to_start;
	char body[BODY_MAX]; /* the last one */
};

static struct poster the_poster;
static bool no_poster;

struct poster *poster_new(const struct exporter_config *config, char *error, size_t error_size)
{
	(void)config;
	snprintf(error, error_size, "no poster");
	return no_poster ? NULL : &the_poster;
}

struct poster_way *poster_way_new(
	const struct exporter_config *config, char *error, size_t error_size)
{
	(void)config;
	(void)error;
	(void)error_size;
	return NULL;
}

void poster_way_free(struct poster_way *way)
{
	(void)way;
}

void poster_renew(struct poster *poster, struct poster_way *way)
{
	(void)poster;
	(void)way;
}

int poster_start(struct poster *poster, char *error, size_t error_size)
{
	poster->started++;
	if (poster->fails_to_start)
		snprintf(error, error_size, "no thread");
	return poster->fails_to_start ? -1 : 0;
}

void poster_put(struct poster *poster, struct text *body)
{
	poster->put++;
	ck_assert_uint_lt(body->size, BODY_MAX);
	memcpy(poster->body, body->bytes, body->size);
	poster->body[body->size] = '\0';
	text_done(body);
}

void poster_lose(struct poster *poster)
{
	poster->lost++;
}

void poster_stop(struct poster *poster, int64_t deadline_ms)
{
	(void)poster;
	(void)deadline_ms;
}

struct poster_counters poster_counters(struct poster *poster)
{
	(void)poster;
	return (struct poster_counters){0};
}

void poster_free(struct poster *poster)
{
	if (poster != NULL)
		poster->freed++;
}

/* ---- a loop with a meter ---- */

static struct loop_case setup;
static struct metrics *metrics;
static struct meter *meter;
static char error[128];

static void meter_setup(void)
{
	static const char *const flags[] = {"--upstream=unix:///nowhere", "--metrics-exporter=otlp",
		"--metrics-interval=7001ms", "--otlp-request-bytes-max=64KiB", NULL};
	static const struct metrics_instrument instruments[] = {
		{.name = "a.size", .help = "Sizes.", .unit = "By"}};

	memset(&the_poster, 0, sizeof the_poster);
	no_poster = false;
	error[0] = '\0';
	loop_case_open(&setup, flags);
	metrics = metrics_new(instruments, 1, 1);
	ck_assert_ptr_nonnull(metrics);
}

static void meter_teardown(void)
{
	metrics_free(metrics);
	loop_case_close(&setup);
}

static void begin(void)
{
	meter = meter_new(setup.load.config, error, sizeof error);
	ck_assert_msg(meter != NULL, "%s", error);
	ck_assert_ptr_eq(meter_poster(meter), &the_poster);
	loop_clock(&setup.loop);
	ck_assert_int_eq(meter_start(meter, &setup.loop, NULL, metrics, error, sizeof error), 0);
	ck_assert_int_eq(the_poster.started, 1);
	ck_assert_int_eq(the_poster.put, 0);
}

static void end(void)
{
	meter_free(meter);
	ck_assert_int_eq(the_poster.freed, 1);
}

/* The last timer's time is over: all that the loop waits for besides is its ticker. */
static int over_at_once(const struct event_base *base, const struct event *event, void *arg)
{
	struct timeval period;

	(void)base;
	(void)arg;
	if (event_pending(event, EV_TIMEOUT, &period))
		event_active((struct event *)(uintptr_t)event, EV_TIMEOUT, 1);
	return 0;
}

static uint64_t number_behind(const char *member)
{
	const char *at = strstr(the_poster.body, member);

	ck_assert_msg(at != NULL, "%s", the_poster.body);
	return strtoull(at + strlen(member), NULL, 10);
}

/* Each time the interval is over, with the numbers of that moment; at the end once more. */
START_TEST(test_times)
{
	int64_t then = unit_now_ms();
	uint64_t began, first;

	begin();
	unit_is_due(unit_last_due_ms(setup.loop.base), then, 7001);
	began = setup.loop.now_ns;
	setup.loop.now_ns = 1; /* long ago */
	event_base_foreach_event(setup.loop.base, over_at_once, NULL);
	(void)event_base_loop(setup.loop.base, EVLOOP_NONBLOCK);
	ck_assert_uint_ge(setup.loop.now_ns, began);
	ck_assert_int_eq(the_poster.put, 1);
	ck_assert_ptr_eq(strstr(the_poster.body, "{\"resourceMetrics\":["), the_poster.body);
	ck_assert_ptr_nonnull(strstr(the_poster.body, "\"service.name\""));
	ck_assert_ptr_nonnull(strstr(the_poster.body, "\"sidespan.connections\""));
	first = number_behind("\"startTimeUnixNano\":\"");
	ck_assert_uint_gt(first, (uint64_t)1600000000 * 1000000000);
	ck_assert_uint_ge(number_behind("\"timeUnixNano\":\""), first);
	meter_flush(meter);
	ck_assert_int_eq(the_poster.put, 2);
	ck_assert_uint_eq(number_behind("\"startTimeUnixNano\":\""), first);
	ck_assert_ptr_eq(strstr(the_poster.body, "{\"resourceMetrics\":["), the_poster.body);
	meter_flush(meter); /* no more after that */
	event_base_foreach_event(setup.loop.base, over_at_once, NULL);
	(void)event_base_loop(setup.loop.base, EVLOOP_NONBLOCK);
	ck_assert_int_eq(the_poster.put, 2);
	ck_assert_int_eq(the_poster.lost, 0);
	end();
}
END_TEST

/* What does not fit into memory is lost, counted, and does not stand in the way of the next. */
START_TEST(test_lost)
{
	begin();
	unit_alloc_fail_after(0);
	event_base_foreach_event(setup.loop.base, over_at_once, NULL);
	(void)event_base_loop(setup.loop.base, EVLOOP_NONBLOCK);
	unit_alloc_fail_never();
	ck_assert_int_eq(the_poster.lost, 1);
	ck_assert_int_eq(the_poster.put, 0);
	meter_flush(meter);
	ck_assert_int_eq(the_poster.lost, 1);
	ck_assert_int_eq(the_poster.put, 1);
	ck_assert_ptr_eq(strstr(the_poster.body, "{\"resourceMetrics\":["), the_poster.body);
	end();
}
END_TEST

START_TEST(test_cannot_begin)
{
	long n;

	no_poster = true;
	ck_assert_ptr_null(meter_new(setup.load.config, error, sizeof error));
	ck_assert_str_eq(error, "no poster");
	no_poster = false;
	for (n = 0;; n++) {
		unit_alloc_fail_after(n);
		meter = meter_new(setup.load.config, error, sizeof error);
		unit_alloc_fail_never();
		if (meter != NULL)
			break;
		ck_assert_str_eq(error, "out of memory");
	}
	ck_assert_int_gt(n, 2);
	the_poster.fails_to_start = true;
	ck_assert_int_eq(meter_start(meter, &setup.loop, NULL, metrics, error, sizeof error), -1);
	ck_assert_str_eq(error, "no thread");
	meter_flush(meter); /* it has not begun */
	ck_assert_int_eq(the_poster.put + the_poster.lost, 0);
	end();
	meter_free(NULL);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("meter");

	unit_fixture(meter_setup, meter_teardown);
	tcase_add_test(tc, test_times);
	tcase_add_test(tc, test_lost);
	tcase_add_test(tc, test_cannot_begin);
	return unit_run("meter", tc);
}

/*
 * What is measured of spans: which, by what, in which bucket; and no more series than there may be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/metrics/metrics.h"
#include "tests/unit/unit.h"

static const double bounds[] = {1, 2, 4};

static const struct metrics_instrument instruments[] = {
	{.name = "duration",
		.unit = "s",
		.help = "",
		.span = "request",
		.labels = {{"method", NULL}, {"system", "jsonrpc"}, {"code", NULL}},
		.label_count = 3,
		.bounds = bounds,
		.bound_count = 3},
	{.name = "tokens",
		.unit = "{token}",
		.help = "",
		.span = "call",
		.attribute = "tokens",
		.bounds = bounds,
		.bound_count = 3},
};

enum { DURATION, TOKENS, SERIES_MAX = 4 };

static struct metrics *metrics;

static void set_up(void)
{
	metrics = metrics_new(instruments, 2, SERIES_MAX);
	ck_assert_ptr_nonnull(metrics);
}

static void tear_down(void)
{
	metrics_free(metrics);
}

static struct span_attribute text(const char *key, const char *value)
{
	return (struct span_attribute){
		.key = key, .type = SPAN_VALUE_STRING, .value.string = span_text_of(value)};
}

static struct span_attribute integer(const char *key, int64_t value)
{
	return (struct span_attribute){.key = key, .type = SPAN_VALUE_INT, .value.integer = value};
}

static void record(const char *type, const struct span_attribute *attributes, size_t count,
	double seconds, unsigned flags)
{
	struct span span = {.type = type,
		.context = {.flags = (uint8_t)flags, .trace_id = {1}, .span_id = {2}},
		.start_unix_ns = 1000,
		.end_unix_ns = 1000 + (uint64_t)(seconds * 1e9),
		.attributes = attributes,
		.attribute_count = count};

	metrics_record(metrics, &span);
}

static void record_method(const char *method, double seconds)
{
	struct span_attribute attribute = text("method", method);

	record("request", &attribute, 1, seconds, 0);
}

static size_t count_series(size_t instrument)
{
	const struct metrics_series *series = metrics_first(metrics, instrument);
	size_t count = 0;

	for (; series != NULL; series = series->next)
		count++;
	return count;
}

/* ---- values ---- */

static const struct {
	double value;
	size_t bucket;
} bucket_cases[] = {
	{0, 0}, {0.5, 0}, {1, 0}, {1.000001, 1}, {2, 1}, {2.5, 2}, {4, 2}, {4.5, 3}, {1e6, 3}};

START_TEST(test_bounds_are_included)
{
	const struct metrics_series *series;
	size_t i;

	record_method("a", bucket_cases[_i].value);
	series = metrics_first(metrics, DURATION);
	ck_assert_ptr_nonnull(series);
	ck_assert_ptr_null(series->next);
	for (i = 0; i <= 3; i++)
		ck_assert_uint_eq(series->buckets[i].count, i == bucket_cases[_i].bucket);
	ck_assert_uint_eq(series->count, 1);
	ck_assert(series->sum >= bucket_cases[_i].value - 1e-6 &&
		  series->sum <= bucket_cases[_i].value + 1e-6);
}
END_TEST

START_TEST(test_numbers_of_attributes)
{
	struct span_attribute list[] = {integer("tokens", 3), text("x", "y")};
	struct span_attribute real = {
		.key = "tokens", .type = SPAN_VALUE_DOUBLE, .value.real = 0.25};

	record("call", list, 2, 100, 0);
	record("call", &real, 1, 100, 0);
	ck_assert_uint_eq(count_series(TOKENS), 1);
	ck_assert_uint_eq(metrics_first(metrics, TOKENS)->count, 2);
	ck_assert(metrics_first(metrics, TOKENS)->sum == 3.25);
	ck_assert_ptr_null(metrics_first(metrics, DURATION));
}
END_TEST

START_TEST(test_what_is_not_measured)
{
	struct span_attribute list[] = {text("tokens", "3")};

	record("call", list, 1, 1, 0); /* a text is no number */
	record("call", NULL, 0, 1, 0);
	record("another", list, 1, 1, 0);
	record(NULL, list, 1, 1, 0);
	ck_assert_ptr_null(metrics_first(metrics, TOKENS));
	ck_assert_ptr_null(metrics_first(metrics, DURATION));
}
END_TEST

START_TEST(test_an_end_before_the_start_is_none)
{
	struct span span = {.type = "request", .start_unix_ns = 1000, .end_unix_ns = 1};

	metrics_record(metrics, &span);
	ck_assert(metrics_first(metrics, DURATION)->sum == 0);
}
END_TEST

/* ---- labels ---- */

START_TEST(test_a_series_for_each_combination)
{
	struct span_attribute list[] = {text("method", "a"), integer("code", -32601)};
	struct span_attribute other[] = {text("method", "a"), text("code", "-32601")};
	struct span_attribute yes[] = {
		{.key = "code", .type = SPAN_VALUE_BOOL, .value.boolean = true}};
	const struct metrics_series *series;

	record_method("a", 1);
	record_method("a", 1);
	record("request", list, 2, 1, 0);
	record("request", other, 2, 1, 0);
	record("request", yes, 1, 1, 0);
	ck_assert_uint_eq(count_series(DURATION), 3);
	series = metrics_first(metrics, DURATION);
	ck_assert_uint_eq(series->count, 2);
	ck_assert_uint_eq(series->values[2].size, 0);
	series = series->next;
	ck_assert_uint_eq(series->count, 2);
	ck_assert_uint_eq(series->values[2].size, 6);
	ck_assert_int_eq(memcmp(series->values[2].bytes, "-32601", 6), 0);
	series = series->next;
	ck_assert_uint_eq(series->values[0].size, 0);
	ck_assert_int_eq(memcmp(series->values[2].bytes, "true", 4), 0);
}
END_TEST

/* "ab" and "c" are not "a" and "bc". */
START_TEST(test_values_do_not_run_together)
{
	struct span_attribute one[] = {text("method", "ab"), text("code", "c")};
	struct span_attribute other[] = {text("method", "a"), text("code", "bc")};

	record("request", one, 2, 1, 0);
	record("request", other, 2, 1, 0);
	ck_assert_uint_eq(count_series(DURATION), 2);
}
END_TEST

START_TEST(test_long_values_are_cut_at_a_character)
{
	char method[METRICS_LABEL_SIZE_MAX + 16];
	const struct metrics_series *series;

	memset(method, 'a', sizeof method);
	memcpy(method + METRICS_LABEL_SIZE_MAX - 1, "\xc3\xa9", 2); /* over the edge */
	method[sizeof method - 1] = '\0';
	record_method(method, 1);
	series = metrics_first(metrics, DURATION);
	ck_assert_uint_eq(series->values[0].size, METRICS_LABEL_SIZE_MAX - 1);
	memset(method, 'a', METRICS_LABEL_SIZE_MAX + 1);
	method[METRICS_LABEL_SIZE_MAX] = '\0';
	record_method(method, 1);
	ck_assert_uint_eq(series->next->values[0].size, METRICS_LABEL_SIZE_MAX);
}
END_TEST

START_TEST(test_so_many_series_and_no_more)
{
	const struct metrics_series *series;
	char method[16];
	size_t i;

	for (i = 0; i < 2 * SERIES_MAX; i++) {
		snprintf(method, sizeof method, "m%zu", i);
		record_method(method, 1);
	}
	record_method("m0", 1); /* it is there, and counted as such */
	ck_assert_uint_eq(count_series(DURATION), SERIES_MAX + 1);
	series = metrics_first(metrics, DURATION);
	ck_assert(series->is_overflow);
	ck_assert_uint_eq(series->count, SERIES_MAX);
	ck_assert_uint_eq(series->next->count, 2);
	ck_assert(!series->next->is_overflow);
	ck_assert_uint_eq(metrics_counters(metrics).metric_overflows, SERIES_MAX);
}
END_TEST

START_TEST(test_no_memory_is_overflow)
{
	unit_alloc_fail_after(0);
	record_method("a", 1);
	unit_alloc_fail_never();
	ck_assert_uint_eq(count_series(DURATION), 1);
	ck_assert(metrics_first(metrics, DURATION)->is_overflow);
	ck_assert_uint_eq(metrics_counters(metrics).metric_overflows, 1);
	record_method("a", 1);
	ck_assert_uint_eq(count_series(DURATION), 2);
}
END_TEST

/* ---- exemplars ---- */

START_TEST(test_only_traces_that_can_be_found)
{
	const struct metrics_exemplar *exemplar;
	struct span_attribute list[] = {text("method", "a")};

	record("request", list, 1, 1, 0);
	exemplar = &metrics_first(metrics, DURATION)->buckets[0].exemplar;
	ck_assert_uint_eq(exemplar->unix_ns, 0);
	record("request", list, 1, 0.5, TRACE_FLAG_SAMPLED);
	ck_assert_uint_eq(exemplar->unix_ns, 500001000);
	ck_assert(exemplar->value == 0.5);
	ck_assert_uint_eq(exemplar->trace_id[0], 1);
	ck_assert_uint_eq(exemplar->span_id[0], 2);
	record("request", list, 1, 0.75, 0);
	ck_assert(exemplar->value == 0.5);
}
END_TEST

/* Of keys that begin alike, and have the text of another, that one counts. */
START_TEST(test_keys_alike)
{
	static const char key[] = "method", longer[] = "methods", other[] = "matter";
	struct span_attribute list[] = {text(other, "x"), text(longer, "y"), text(key, "a")};
	struct span_attribute others[] = {text(other, "x"), text(longer, "y")};
	struct span_attribute system[] = {text("system", "another")};

	record("request", list, 3, 1, 0);
	record("request", others, 2, 1, 0);
	record("request", system, 1, 1, 0); /* what is always the same is not looked for */
	ck_assert_uint_eq(count_series(DURATION), 2);
	ck_assert_uint_eq(metrics_first(metrics, DURATION)->values[0].size, 1);
	ck_assert_mem_eq(metrics_first(metrics, DURATION)->values[0].bytes, "a", 1);
	ck_assert_uint_eq(metrics_first(metrics, DURATION)->next->values[0].size, 0);
	ck_assert_uint_eq(metrics_first(metrics, DURATION)->next->values[1].size, 0);
	ck_assert_uint_eq(metrics_first(metrics, DURATION)->next->count, 2);
}
END_TEST

/* However many there are, each is found again. */
START_TEST(test_many_series)
{
	enum { MANY = 3000 };
	const struct metrics_series *series;
	char method[16];
	int i;

	metrics_free(metrics);
	metrics = metrics_new(instruments, 2, MANY);
	ck_assert_ptr_nonnull(metrics);
	for (i = 0; i < 2 * MANY; i++) {
		snprintf(method, sizeof method, "m%d", i % MANY);
		record_method(method, 1);
	}
	ck_assert_uint_eq(count_series(DURATION), MANY);
	for (series = metrics_first(metrics, DURATION); series != NULL; series = series->next)
		ck_assert_uint_eq(series->count, 2);
	ck_assert_uint_eq(metrics_counters(metrics).metric_overflows, 0);
}
END_TEST

/* ---- memory ---- */

START_TEST(test_out_of_memory_at_the_start)
{
	struct metrics *made;
	long i;

	for (i = 0; i < 3; i++) {
		unit_alloc_fail_once(i);
		made = metrics_new(instruments, 2, 1);
		unit_alloc_fail_never();
		ck_assert_ptr_null(made);
	}
	made = metrics_new(instruments, 2, 1);
	ck_assert_ptr_nonnull(made);
	metrics_free(made);
	metrics_free(NULL);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("metrics");

	unit_fixture(set_up, tear_down);
	tcase_add_loop_test(
		tc, test_bounds_are_included, 0, (int)(sizeof bucket_cases / sizeof *bucket_cases));
	tcase_add_test(tc, test_numbers_of_attributes);
	tcase_add_test(tc, test_what_is_not_measured);
	tcase_add_test(tc, test_an_end_before_the_start_is_none);
	tcase_add_test(tc, test_a_series_for_each_combination);
	tcase_add_test(tc, test_values_do_not_run_together);
	tcase_add_test(tc, test_long_values_are_cut_at_a_character);
	tcase_add_test(tc, test_so_many_series_and_no_more);
	tcase_add_test(tc, test_keys_alike);
	tcase_add_test(tc, test_many_series);
	tcase_add_test(tc, test_no_memory_is_overflow);
	tcase_add_test(tc, test_only_traces_that_can_be_found);
	tcase_add_test(tc, test_out_of_memory_at_the_start);
	return unit_run("metrics", tc);
}

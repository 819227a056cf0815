/*
 * Numbers as Prometheus reads them: names, types, escaping.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/metrics/metrics.h"
#include "proxy/admin/exposition.h"
#include "proxy/counters.h"
#include "proxy/trace/tracer.h"
#include "tests/unit/unit.h"

static char *written;
static size_t written_size;

static FILE *begin(void)
{
	FILE *out = open_memstream(&written, &written_size);

	ck_assert_ptr_nonnull(out);
	return out;
}

static void ends_with(FILE *out, const char *text)
{
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_str_eq(written, text);
	unit_free_foreign(written);
}

static const struct {
	const char *bytes;
	size_t size;
	const char *label;
} label_cases[] = {
	{"", 0, ""},
	{"turn/start", 10, "turn/start"},
	{"a\"b\\c\nd", 7, "a\\\"b\\\\c\\nd"},
	{"\xc3\xa9\xf0\x9f\x98\x80", 6, "\xc3\xa9\xf0\x9f\x98\x80"},
	{"a\xff\xc3", 3, "a\xef\xbf\xbd\xef\xbf\xbd"},
};

START_TEST(test_labels_are_escaped)
{
	FILE *out = begin();

	exposition_label(out, label_cases[_i].bytes, label_cases[_i].size);
	ends_with(out, label_cases[_i].label);
}
END_TEST

static const struct {
	double value;
	const char *text;
} number_cases[] = {
	{0, "0"},
	{-3, "-3"},
	{0.005, "0.005"},
	{0.1, "0.1"},
	{123456789012, "123456789012"},
	{999999999999999, "999999999999999"},
	{1e15, "1e+15"},
	{HUGE_VAL, "+Inf"},
	{-HUGE_VAL, "-Inf"},
};

START_TEST(test_numbers_are_exact)
{
	FILE *out = begin();

	exposition_number(out, number_cases[_i].value);
	ends_with(out, number_cases[_i].text);
}
END_TEST

static const struct counter counter_cases[] = {
	{"posts", COUNTER_TOTAL, "requests to the collector", false, 7},
	{"pending", COUNTER_GAUGE, "still on the way", true, 0},
	{"created", COUNTER_TOTAL, "that have ended", true, UINT64_MAX},
};

START_TEST(test_counters_have_their_names)
{
	FILE *out = begin();

	exposition_counters(out, EXPOSITION_TEXT, counter_cases, 3);
	ends_with(out, "# HELP sidespan_posts_total requests to the collector\n"
		       "# TYPE sidespan_posts_total counter\n"
		       "sidespan_posts_total 7\n"
		       "# HELP sidespan_spans_pending still on the way\n"
		       "# TYPE sidespan_spans_pending gauge\n"
		       "sidespan_spans_pending 0\n"
		       "# HELP sidespan_spans_created_total that have ended\n"
		       "# TYPE sidespan_spans_created_total counter\n"
		       "sidespan_spans_created_total 18446744073709551615\n");
}
END_TEST

START_TEST(test_open_metrics_has_families_and_an_end)
{
	FILE *out = begin();

	exposition_counters(out, EXPOSITION_OPEN_METRICS, counter_cases, 1);
	exposition_end(out, EXPOSITION_OPEN_METRICS);
	ends_with(out, "# HELP sidespan_posts requests to the collector\n"
		       "# TYPE sidespan_posts counter\n"
		       "sidespan_posts_total 7\n"
		       "# EOF\n");
}
END_TEST

START_TEST(test_open_by_type)
{
	static const struct tracer_open list[] = {
		{"request", 2, 1000000000}, {"a \"b\"", 0, 7}, {"turn", 1, 5000000000}};
	FILE *out = begin();

	exposition_open(out, list, 3, 2500000000); /* the clock may have been read before */
	ends_with(out,
		"# HELP sidespan_open Requests that wait for their answer, and work that goes on, "
		"by its type.\n"
		"# TYPE sidespan_open gauge\n"
		"sidespan_open{type=\"request\"} 2\n"
		"sidespan_open{type=\"a \\\"b\\\"\"} 0\n"
		"sidespan_open{type=\"turn\"} 1\n"
		"# HELP sidespan_open_oldest_age_seconds For how long the oldest of it has been "
		"going on; 0: there is none.\n"
		"# TYPE sidespan_open_oldest_age_seconds gauge\n"
		"sidespan_open_oldest_age_seconds{type=\"request\"} 1.5\n"
		"sidespan_open_oldest_age_seconds{type=\"a \\\"b\\\"\"} 0\n"
		"sidespan_open_oldest_age_seconds{type=\"turn\"} 0\n");
}
END_TEST

START_TEST(test_text_has_no_end)
{
	FILE *out = begin();

	exposition_single(
		out, EXPOSITION_TEXT, "up_seconds", EXPOSITION_GAUGE, "For how long.", 1.5);
	exposition_end(out, EXPOSITION_TEXT);
	ends_with(
		out, "# HELP up_seconds For how long.\n# TYPE up_seconds gauge\nup_seconds 1.5\n");
}
END_TEST

/* ---- histograms ---- */

static const double bounds[] = {0.1, 1};

static const struct metrics_instrument instruments[] = {
	{.name = "a.call.duration",
		.unit = "s",
		.help = "Calls.",
		.span = "request",
		.labels = {{"rpc.method", NULL}, {"rpc.system.name", "jsonrpc"}},
		.label_count = 2,
		.bounds = bounds,
		.bound_count = 2},
	{.name = "a.usage",
		.unit = "{token}",
		.help = "Tokens.",
		.span = "call",
		.attribute = "in",
		.labels = {{"type", "input"}},
		.label_count = 1,
		.bounds = bounds,
		.bound_count = 1},
	{.name = "a.usage",
		.unit = "{token}",
		.help = "never said",
		.span = "call",
		.attribute = "out",
		.labels = {{"type", "output"}},
		.label_count = 1,
		.bounds = bounds,
		.bound_count = 1},
};

static void record(struct metrics *metrics, const char *type, const char *key,
	struct span_attribute attribute, unsigned flags)
{
	struct span span = {.type = type,
		.context = {.trace_id = {0xab}, .span_id = {0xcd}, .flags = (uint8_t)flags},
		.start_unix_ns = 1000000000,
		.end_unix_ns = 1500000000,
		.attributes = &attribute,
		.attribute_count = 1};

	attribute.key = key;
	metrics_record(metrics, &span);
}

#define CALLS_TEXT                                                                                 \
	"# HELP a_call_duration_seconds Calls.\n"                                                  \
	"# TYPE a_call_duration_seconds histogram\n"                                               \
	"a_call_duration_seconds_bucket{rpc_method=\"a\\\"b\",rpc_system_name=\"jsonrpc\",le=\"0." \
	"1\"} "                                                                                    \
	"0\n"                                                                                      \
	"a_call_duration_seconds_bucket{rpc_method=\"a\\\"b\",rpc_system_name=\"jsonrpc\",le="     \
	"\"1\"} 1"
#define CALLS_REST                                                                                 \
	"\na_call_duration_seconds_bucket{rpc_method=\"a\\\"b\",rpc_system_name=\"jsonrpc\",le="   \
	"\"+"                                                                                      \
	"Inf\"} 1\n"                                                                               \
	"a_call_duration_seconds_sum{rpc_method=\"a\\\"b\",rpc_system_name=\"jsonrpc\"} 0.5\n"     \
	"a_call_duration_seconds_count{rpc_method=\"a\\\"b\",rpc_system_name=\"jsonrpc\"} 1\n"     \
	"# HELP a_usage Tokens.\n"                                                                 \
	"# TYPE a_usage histogram\n"                                                               \
	"a_usage_bucket{type=\"input\",le=\"0.1\"} 0\n"                                            \
	"a_usage_bucket{type=\"input\",le=\"+Inf\"} 1\n"                                           \
	"a_usage_sum{type=\"input\"} 12\n"                                                         \
	"a_usage_count{type=\"input\"} 1\n"
static struct metrics *measured(void)
{
	struct metrics *metrics = metrics_new(instruments, 3, 1);

	ck_assert_ptr_nonnull(metrics);
	record(metrics, "request", "rpc.method",
		(struct span_attribute){
			.type = SPAN_VALUE_STRING, .value.string = span_text_of("a\"b")},
		1);
	record(metrics, "call", "in",
		(struct span_attribute){.type = SPAN_VALUE_INT, .value.integer = 12}, 0);
	return metrics;
}

/* Two instruments of one name are one family; what was never measured has no sample. */
START_TEST(test_histograms)
{
	struct metrics *metrics = measured();
	FILE *out = begin();

	exposition_metrics(out, EXPOSITION_TEXT, metrics);
	ends_with(out, CALLS_TEXT CALLS_REST);
	metrics_free(metrics);
}
END_TEST

START_TEST(test_buckets_name_a_trace)
{
	struct metrics *metrics = measured();
	FILE *out = begin();

	exposition_metrics(out, EXPOSITION_OPEN_METRICS, metrics);
	ends_with(out, CALLS_TEXT " # {trace_id=\"ab000000000000000000000000000000\",span_id="
				  "\"cd00000000000000\"} 0.5 1.500" CALLS_REST);
	metrics_free(metrics);
}
END_TEST

START_TEST(test_overflow_is_labelled)
{
	struct metrics *metrics = measured();
	FILE *out = begin();

	record(metrics, "request", "rpc.method",
		(struct span_attribute){
			.type = SPAN_VALUE_STRING, .value.string = span_text_of("another")},
		0);
	exposition_metrics(out, EXPOSITION_TEXT, metrics);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_ptr_nonnull(
		strstr(written, "\na_call_duration_seconds_count{rpc_system_name=\"jsonrpc\","
				"otel_metric_overflow=\"true\"} 1\n"));
	unit_free_foreign(written);
	metrics_free(metrics);
}
END_TEST

START_TEST(test_the_process_is_measured)
{
	FILE *out = begin();
	const char *at;

	exposition_process(out, EXPOSITION_TEXT);
	ck_assert_int_eq(fclose(out), 0);
	at = strstr(written, "\nprocess_cpu_seconds_total ");
	ck_assert_ptr_nonnull(at);
	ck_assert(strtod(at + strlen("\nprocess_cpu_seconds_total "), NULL) >= 0);
	at = strstr(written, "\nprocess_resident_memory_bytes ");
	ck_assert_ptr_nonnull(at);
	ck_assert(strtod(at + strlen("\nprocess_resident_memory_bytes "), NULL) > 100000);
	unit_free_foreign(written);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("exposition");

	tcase_add_loop_test(
		tc, test_labels_are_escaped, 0, (int)(sizeof label_cases / sizeof *label_cases));
	tcase_add_loop_test(
		tc, test_numbers_are_exact, 0, (int)(sizeof number_cases / sizeof *number_cases));
	tcase_add_test(tc, test_counters_have_their_names);
	tcase_add_test(tc, test_open_metrics_has_families_and_an_end);
	tcase_add_test(tc, test_open_by_type);
	tcase_add_test(tc, test_text_has_no_end);
	tcase_add_test(tc, test_histograms);
	tcase_add_test(tc, test_buckets_name_a_trace);
	tcase_add_test(tc, test_overflow_is_labelled);
	tcase_add_test(tc, test_the_process_is_measured);
	return unit_run("exposition", tc);
}

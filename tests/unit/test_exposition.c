/*
 * Numbers as Prometheus reads them: names, types, escaping.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/metrics/metrics.h"
#include "exporter/metrics/number.h"
#include "proxy/admin/exposition.h"
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
	{-1e15, "-1e+15"},
	{-999999999999999, "-999999999999999"},
	{0.5, "0.5"},
	{-0.25, "-0.25"},
	{HUGE_VAL, "+Inf"},
	{-HUGE_VAL, "-Inf"},
};

START_TEST(test_numbers_are_exact)
{
	FILE *out = begin();

	exposition_value(out, number_cases[_i].value);
	ends_with(out, number_cases[_i].text);
}
END_TEST

static const struct number counted[] = {
	{.name = "sidespan.posts",
		.unit = "",
		.help = "requests to the collector",
		.is_total = true,
		.whole = 7},
	{.name = "sidespan.spans.pending", .unit = "", .help = "still on the way"},
	{.name = "sidespan.spans.created",
		.unit = "",
		.help = "that have ended",
		.is_total = true,
		.whole = UINT64_MAX},
	{.name = "age",
		.unit = "s",
		.help = "For how long.",
		.label = "of.type",
		.value = "a \"b\"",
		.is_real = true,
		.real = 1.5},
	{.name = "age",
		.unit = "s",
		.help = "For how long.",
		.goes_on = true,
		.label = "of.type",
		.value = "turn",
		.is_real = true},
	{.name = "memory", .unit = "By", .help = "Of it.", .whole = 4096},
};

static void expose(FILE *out, enum exposition_format format, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		exposition_number(out, format, &counted[i]);
	exposition_end(out, format);
}

START_TEST(test_numbers_have_their_names)
{
	FILE *out = begin();

	expose(out, EXPOSITION_TEXT, sizeof counted / sizeof *counted);
	ends_with(out, "# HELP sidespan_posts_total requests to the collector\n"
		       "# TYPE sidespan_posts_total counter\n"
		       "sidespan_posts_total 7\n"
		       "# HELP sidespan_spans_pending still on the way\n"
		       "# TYPE sidespan_spans_pending gauge\n"
		       "sidespan_spans_pending 0\n"
		       "# HELP sidespan_spans_created_total that have ended\n"
		       "# TYPE sidespan_spans_created_total counter\n"
		       "sidespan_spans_created_total 18446744073709551615\n"
		       "# HELP age_seconds For how long.\n"
		       "# TYPE age_seconds gauge\n"
		       "age_seconds{of_type=\"a \\\"b\\\"\"} 1.5\n"
		       "age_seconds{of_type=\"turn\"} 0\n"
		       "# HELP memory_bytes Of it.\n"
		       "# TYPE memory_bytes gauge\n"
		       "memory_bytes 4096\n");
}
END_TEST

START_TEST(test_open_metrics_has_families_and_an_end)
{
	FILE *out = begin();

	expose(out, EXPOSITION_OPEN_METRICS, 2);
	ends_with(out, "# HELP sidespan_posts requests to the collector\n"
		       "# TYPE sidespan_posts counter\n"
		       "sidespan_posts_total 7\n"
		       "# HELP sidespan_spans_pending still on the way\n"
		       "# TYPE sidespan_spans_pending gauge\n"
		       "sidespan_spans_pending 0\n"
		       "# EOF\n");
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

int main(void)
{
	TCase *tc = tcase_create("exposition");

	tcase_add_loop_test(
		tc, test_labels_are_escaped, 0, (int)(sizeof label_cases / sizeof *label_cases));
	tcase_add_loop_test(
		tc, test_numbers_are_exact, 0, (int)(sizeof number_cases / sizeof *number_cases));
	tcase_add_test(tc, test_numbers_have_their_names);
	tcase_add_test(tc, test_open_metrics_has_families_and_an_end);
	tcase_add_test(tc, test_histograms);
	tcase_add_test(tc, test_buckets_name_a_trace);
	tcase_add_test(tc, test_overflow_is_labelled);
	return unit_run("exposition", tc);
}

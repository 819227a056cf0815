/*
 * Numbers as Prometheus reads them: names, types, escaping.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/admin/exposition.h"
#include "proxy/counters.h"
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

START_TEST(test_counters_have_their_names)
{
	static const struct counter list[] = {
		{"posts", COUNTER_TOTAL, "requests to the collector", false, 7},
		{"pending", COUNTER_GAUGE, "still on the way", true, 0},
		{"created", COUNTER_TOTAL, "that have ended", true, UINT64_MAX},
	};
	FILE *out = begin();

	exposition_counters(out, list, 3);
	ends_with(out, "# HELP sidespan_posts_total posts: requests to the collector\n"
		       "# TYPE sidespan_posts_total counter\n"
		       "sidespan_posts_total 7\n"
		       "# HELP sidespan_spans_pending pending: still on the way\n"
		       "# TYPE sidespan_spans_pending gauge\n"
		       "sidespan_spans_pending 0\n"
		       "# HELP sidespan_spans_created_total created: that have ended\n"
		       "# TYPE sidespan_spans_created_total counter\n"
		       "sidespan_spans_created_total 18446744073709551615\n");
}
END_TEST

START_TEST(test_a_single_sample)
{
	FILE *out = begin();

	exposition_single(out, "up_seconds", "gauge", "For how long.", 1.5);
	ends_with(
		out, "# HELP up_seconds For how long.\n# TYPE up_seconds gauge\nup_seconds 1.5\n");
}
END_TEST

START_TEST(test_the_process_is_measured)
{
	FILE *out = begin();
	const char *at;

	exposition_process(out);
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
	tcase_add_test(tc, test_a_single_sample);
	tcase_add_test(tc, test_the_process_is_measured);
	return unit_run("exposition", tc);
}

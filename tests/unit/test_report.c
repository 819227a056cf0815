/* What a running program says of itself, read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/top/report.h"
#include "tests/unit/unit.h"

#define SPANS(spans) "{\"timeUnixNano\":\"9\",\"spans\":[" spans "],\"omitted\":2}"
#define SPAN(kind, attributes)                                                                     \
	"{\"traceId\":\"ab\",\"spanId\":\"cd\",\"name\":\"n\",\"kind\":" kind                      \
	",\"startTimeUnixNano\":\"5\",\"attributes\":[" attributes "],\"status\":{\"code\":2}}"
#define TEXT(key, value) "{\"key\":\"" key "\",\"value\":{\"stringValue\":\"" value "\"}}"

static void show_text(char *shown, size_t size, const char *name, const struct report_text *text)
{
	size_t used = strlen(shown);

	if (text->size > 0)
		(void)snprintf(
			shown + used, size - used, " %s=%.*s", name, (int)text->size, text->bytes);
}

/* "KIND@START name=... method=..." of each, with a | in between. */
static const char *show(const struct report *report)
{
	static char shown[4096];
	static const char *const kinds[] = {
		"request", "dispatch", "turn", "model", "tool", "wait", "item"};
	size_t i, used;

	(void)snprintf(shown, sizeof shown, "%llu+%llu", (unsigned long long)report->time_ns,
		(unsigned long long)report->omitted);
	for (i = 0; i < report->count; i++) {
		used = strlen(shown);
		(void)snprintf(shown + used, sizeof shown - used, "|%s@%llu",
			kinds[report->spans[i].kind],
			(unsigned long long)report->spans[i].start_ns);
		show_text(shown, sizeof shown, "n", &report->spans[i].name);
		show_text(shown, sizeof shown, "m", &report->spans[i].method);
		show_text(shown, sizeof shown, "c", &report->spans[i].connection);
		show_text(shown, sizeof shown, "t", &report->spans[i].thread);
		show_text(shown, sizeof shown, "id", &report->spans[i].trace_id);
	}
	return shown;
}

static const struct {
	const char *text, *shown;
} good_cases[] = {
	{SPANS(""), "9+2"},
	{"{}", "0+0"},
	{" {\"spans\" : [ ] } \n", "0+0"},
	{SPANS("{}"), "9+2|item@0"},
	{SPANS(SPAN("2", TEXT("rpc.method", "a/b"))), "9+2|request@5 n=n m=a/b id=ab"},
	{SPANS(SPAN("2", "")), "9+2|request@5 n=n id=ab"},
	{SPANS(SPAN("1", "")), "9+2|item@5 n=n id=ab"},
	{SPANS(SPAN("1", TEXT("rpc.method", "m"))), "9+2|dispatch@5 n=n m=m id=ab"},
	{SPANS(SPAN("3", TEXT("rpc.method", "ask"))), "9+2|wait@5 n=n m=ask id=ab"},
	{SPANS(SPAN("3", TEXT("gen_ai.operation.name", "chat"))), "9+2|model@5 n=n id=ab"},
	{SPANS(SPAN("3", TEXT("gen_ai.operation.name", "text_completion"))),
		"9+2|model@5 n=n id=ab"},
	{SPANS(SPAN("1", TEXT("gen_ai.operation.name", "execute_tool"))), "9+2|tool@5 n=n id=ab"},
	{SPANS(SPAN("2", TEXT("gen_ai.operation.name", "invoke_agent"))), "9+2|turn@5 n=n id=ab"},
	{SPANS(SPAN("2", TEXT("gen_ai.operation.name", "dance"))), "9+2|request@5 n=n id=ab"},
	{SPANS(SPAN("2", TEXT("app_server.connection_id", "7") "," TEXT("thread.id", "x"))),
		"9+2|request@5 n=n c=7 t=x id=ab"},
	/* the first of a thread's names, and the last attribute of one */
	{SPANS(SPAN("1", TEXT("gen_ai.conversation.id", "x") "," TEXT("thread.id", "y"))),
		"9+2|item@5 n=n t=x id=ab"},
	{SPANS(SPAN("1", TEXT("mcp.session.id", "s"))), "9+2|item@5 n=n t=s id=ab"},
	/* an attribute without a text does not have that of the one before it */
	{SPANS(SPAN("1", TEXT("a", "x") ",{\"key\":\"thread.id\",\"value\":{\"boolValue\":true}}")),
		"9+2|item@5 n=n id=ab"},
	{SPANS(SPAN("1", "{\"key\":\"thread.id\",\"value\":{\"intValue\":\"12\"}}")),
		"9+2|item@5 n=n t=12 id=ab"},
	{SPANS(SPAN("2", TEXT("rpc.method", "\\u0000\\u001b[31m<b>"))), NULL},
	/* the span before does not lend its kind */
	{SPANS(SPAN("2", TEXT("gen_ai.operation.name", "chat")) "," SPAN("2", "")),
		"9+2|model@5 n=n id=ab|request@5 n=n id=ab"},
	/* what stands elsewhere is something else */
	{"{\"x\":{\"spans\":[{\"name\":\"n\"}]},\"name\":\"n\",\"spans/name\":\"n\",\"\":null}",
		"0+0"},
	{SPANS("{\"events\":[{\"name\":\"e\",\"attributes\":[" TEXT("rpc.method",
		 "m") "]}],"
		      "\"a/"
		      "b\":{\"name\":\"x\"},\"a-name-that-is-longer-than-any-that-is-wanted-and-so-"
		      "is-not-kept\":{\"name\":\"x\",\"attributes\":[{}]}}"),
		"9+2|item@0"},
	{"{\"timeUnixNano\":18446744073709551615,\"omitted\":99999999999999999999}",
		"18446744073709551615+18446744073709551615"},
	{"{\"timeUnixNano\":\"-1\",\"omitted\":1.5e3}", "0+1"},
};

enum { GOOD_CASES = sizeof good_cases / sizeof *good_cases };

START_TEST(test_good)
{
	struct report report = {.spans = NULL};
	size_t size = strlen(good_cases[_i].text);
	char *copy = (char *)unit_guard_copy(good_cases[_i].text, size);
	const char *why;

	ck_assert_int_eq(report_read_open(&report, copy, size, &why), 0);
	unit_guard_free((uint8_t *)copy, size);
	if (good_cases[_i].shown != NULL) {
		ck_assert_str_eq(show(&report), good_cases[_i].shown);
	} else {
		ck_assert_uint_eq(report.spans[0].method.size, 9);
		ck_assert_mem_eq(report.spans[0].method.bytes, "\0\x1b[31m<b>", 9);
	}
	report_done(&report);
}
END_TEST

static const struct {
	const char *text, *why;
} bad_cases[] = {
	{"", "not what sidespan says"},
	{"[]", "not what sidespan says"},
	{"1", "not what sidespan says"},
	{"{\"spans\":[{}", "not what sidespan says"},
	{"{\"spans\":[{\"name\":\"\xff\"}]}", "not what sidespan says"},
	{"<html>", "not what sidespan says"},
	{"[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", "nested too deeply"},
};

enum { BAD_CASES = sizeof bad_cases / sizeof *bad_cases };

/* What was known before stays. */
START_TEST(test_bad)
{
	struct report report = {.spans = NULL};
	const char *why = NULL;

	ck_assert_int_eq(report_read_open(&report, SPANS("{}"), strlen(SPANS("{}")), &why), 0);
	ck_assert_int_eq(
		report_read_open(&report, bad_cases[_i].text, strlen(bad_cases[_i].text), &why),
		-1);
	ck_assert_str_eq(why, bad_cases[_i].why);
	ck_assert_int_eq(
		report_read_stats(&report, bad_cases[_i].text, strlen(bad_cases[_i].text), &why),
		-1);
	ck_assert_str_eq(show(&report), "9+2|item@0");
	ck_assert(!report.has_stats);
	report_done(&report);
}
END_TEST

START_TEST(test_stats)
{
	static const char open[] = SPANS("{}");
	static const char stats[] =
		"{\"timeUnixNano\":\"77\",\"uptimeSeconds\":12.5,\"version\":\"1.2\",\"server\":"
		"\"s\",\"jaegerUrl\":null,\"methods\":[{\"method\":\"m\",\"count\":1}],"
		"\"sessions\":3,"
		"\"inFlight\":4,\"exporter\":{\"created\":9,\"sent\":5,\"rejected\":6,\"dropped\":"
		"7,"
		"\"spooled\":8,\"pending\":1,\"state\":\"ok\"}}";
	struct report report = {.spans = NULL};
	const char *why;

	ck_assert_int_eq(report_read_open(&report, open, sizeof open - 1, &why), 0);
	ck_assert_int_eq(report_read_stats(&report, stats, sizeof stats - 1, &why), 0);
	ck_assert(report.has_stats);
	ck_assert_uint_eq(report.uptime_s, 12);
	ck_assert_uint_eq(report.sessions, 3);
	ck_assert_uint_eq(report.in_flight, 4);
	ck_assert_uint_eq(report.sent, 5);
	ck_assert_uint_eq(report.rejected, 6);
	ck_assert_uint_eq(report.dropped, 7);
	ck_assert_uint_eq(report.spooled, 8);
	ck_assert_uint_eq(report.pending, 1);
	ck_assert_mem_eq(report.version.bytes, "1.2", 3);
	ck_assert_mem_eq(report.exporter_state.bytes, "ok", 2);
	ck_assert_str_eq(show(&report), "9+2|item@0"); /* and its time is that of /open */
	ck_assert_int_eq(report_read_open(&report, "{}", 2, &why), 0);
	ck_assert(report.has_stats);
	ck_assert_str_eq(show(&report), "0+0");
	report_done(&report);
}
END_TEST

/*
 * A long text is cut, but no character is; of too many spans the rest is counted, beside those that
 * were left out before.
 */
START_TEST(test_limits)
{
	size_t size = 0, room = (REPORT_SPANS_MAX + 10) * 8 + 200, i;
	struct report report = {.spans = NULL};
	char *text = malloc(room);
	const char *why;

	ck_assert_ptr_nonnull(text);
	size = (size_t)snprintf(text, room, "{\"spans\":[{\"name\":\"a");
	for (i = 0; i < 60; i++)
		size += (size_t)snprintf(text + size, room - size, "é");
	size += (size_t)snprintf(text + size, room - size, "\"}");
	for (i = 1; i < REPORT_SPANS_MAX + 7; i++)
		size += (size_t)snprintf(text + size, room - size, ",{}");
	size += (size_t)snprintf(text + size, room - size, "],\"omitted\":30}");
	ck_assert_int_eq(report_read_open(&report, text, size, &why), 0);
	ck_assert_uint_eq(report.count, REPORT_SPANS_MAX);
	ck_assert_uint_eq(report.omitted, 37);
	ck_assert_uint_eq(report.spans[0].name.size, REPORT_TEXT_MAX - 1);
	report_done(&report);
	free(text);
}
END_TEST

START_TEST(test_no_memory)
{
	static const char text[] = SPANS("{},{},{}");
	struct report report = {.spans = NULL};
	const char *why = "";
	long n;
	int result;

	for (n = 0;; n++) {
		unit_alloc_fail_after(n);
		result = report_read_open(&report, text, sizeof text - 1, &why);
		unit_alloc_fail_never();
		if (!unit_alloc_failed())
			break;
		ck_assert_int_eq(result, -1);
		ck_assert_str_eq(why, "out of memory");
		ck_assert_uint_eq(report.count, 0);
	}
	ck_assert_int_eq(result, 0);
	ck_assert_int_gt(n, 2);
	report_done(&report);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("report");

	tcase_add_loop_test(tc, test_good, 0, GOOD_CASES);
	tcase_add_loop_test(tc, test_bad, 0, BAD_CASES);
	tcase_add_test(tc, test_stats);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_no_memory);
	return unit_run("report", tc);
}

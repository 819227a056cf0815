/* What runs, as lines for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/text.h"
#include "proxy/top/board.h"
#include "proxy/top/report.h"
#include "tests/unit/unit.h"

#define S 1000000000ull

static void set_text(struct report_text *text, const char *value)
{
	text->size = strlen(value);
	ck_assert_uint_le(text->size, sizeof text->bytes);
	memcpy(text->bytes, value, text->size);
}

/* Three spans of ten days, and numbers. */
static struct report *make_report(void)
{
	static struct report_span spans[3];
	static struct report report;

	memset(spans, 0, sizeof spans);
	report = (struct report){.time_ns = 1000000 * S, .spans = spans, .count = 3};
	spans[0].kind = REPORT_TURN;
	spans[0].start_ns = report.time_ns - (86400 * 5 + 3600 * 4 + 59) * S;
	set_text(&spans[0].name, "turn of an agent");
	set_text(&spans[0].thread, "0199a000-0000-7000-8000-000000000001");
	spans[1].kind = REPORT_WAIT;
	spans[1].start_ns = report.time_ns - 59 * S;
	set_text(&spans[1].name, "approval \x1b]0;x\a\xe2\x80\xae");
	set_text(&spans[1].method, "item/requestApproval");
	set_text(&spans[1].trace_id, "0123456789abcdef0123456789abcdef");
	spans[2].kind = REPORT_REQUEST;
	spans[2].start_ns = report.time_ns - 1999999999;
	set_text(&spans[2].name, "request a");
	set_text(&spans[2].method, "a");
	return &report;
}

static const char *draw(const struct report *report, struct board_style style)
{
	static char drawn[8192];
	struct text out;

	text_init(&out, sizeof drawn);
	ck_assert_int_eq(board_draw(&out, report, &style), 0);
	ck_assert_uint_lt(out.size, sizeof drawn);
	memcpy(drawn, out.bytes, out.size);
	drawn[out.size] = '\0';
	text_done(&out);
	return drawn;
}

START_TEST(test_whole)
{
	ck_assert_str_eq(draw(make_report(), (struct board_style){.width = 0}),
		"sidespan\n"
		"3 run: 1 request, 1 turn, 1 wait\n"
		"\n"
		"  AGE  KIND     NAME              THREAD                                TRACE\n"
		"5d04h  turn     turn of an agent  0199a000-0000-7000-8000-000000000001\n"
		"  59s  wait     approval \xef\xbf\xbd]0;x\xef\xbf\xbd\xef\xbf\xbd"
		"                                        0123456789abcdef0123456789abcdef\n"
		" 1.9s  request  a\n");
}
END_TEST

/* Threads lose their beginning, then traces and then names their end, then the line its end. */
START_TEST(test_narrow)
{
	struct report *report = make_report();

	set_text(&report->spans[2].method, "a/method/with/a/name/that/is/long");
	ck_assert_str_eq(draw(report, (struct board_style){.width = 80}),
		"sidespan\n"
		"3 run: 1 request, 1 turn, 1 wait\n"
		"\n"
		"  AGE  KIND     NAME                               THREAD         TRACE\n"
		"5d04h  turn     turn of an agent                   …000000000001\n"
		"  59s  wait     approval \xef\xbf\xbd]0;x\xef\xbf\xbd\xef\xbf\xbd"
		"                                  0123456789abc…\n"
		" 1.9s  request  a/method/with/a/name/that/is/long\n");
	ck_assert_str_eq(draw(report, (struct board_style){.width = 60}),
		"sidespan\n"
		"3 run: 1 request, 1 turn, 1 wait\n"
		"\n"
		"  AGE  KIND     NAME                  THREAD         TRACE\n"
		"5d04h  turn     turn of an agent      …000000000001\n"
		"  59s  wait     approval \xef\xbf\xbd]0;x\xef\xbf\xbd\xef\xbf\xbd"
		"                     012345…\n"
		" 1.9s  request  a/method/with/a/nam…\n");
}
END_TEST

/* Whatever the width, no line is wider. */
START_TEST(test_no_line_is_wider)
{
	const char *line = draw(make_report(), (struct board_style){.width = (size_t)_i});
	size_t columns;

	for (; *line != '\0'; line++) {
		for (columns = 0; *line != '\n'; line++)
			columns += ((unsigned char)*line & 0xc0) != 0x80;
		ck_assert_uint_le(columns, (size_t)_i);
	}
}
END_TEST

START_TEST(test_low)
{
	const char *drawn = draw(make_report(), (struct board_style){.height = 7});
	size_t height;

	ck_assert_ptr_nonnull(strstr(drawn, "\n5d04h  turn"));
	ck_assert_ptr_null(strstr(drawn, "wait  "));
	ck_assert_ptr_nonnull(strstr(drawn, "\nand 2 more\n"));
	for (height = 1; height < 6; height++) {
		drawn = draw(make_report(), (struct board_style){.height = height});
		ck_assert_ptr_null(strstr(drawn, "\n5d04h"));
		ck_assert_ptr_nonnull(strstr(drawn, "\nand 3 more\n"));
	}
	ck_assert_ptr_null(strstr(draw(make_report(), (struct board_style){.height = 8}), "more"));
}
END_TEST

START_TEST(test_numbers)
{
	struct report *report = make_report();

	report->has_stats = true;
	set_text(&report->version, "1.2");
	set_text(&report->server, "a\nb");
	set_text(&report->exporter_state, "ok");
	report->uptime_s = 3600 * 2 + 60 * 3;
	report->sessions = 4;
	report->in_flight = 5;
	report->sent = 6;
	report->dropped = 1;
	report->omitted = 9;
	ck_assert_ptr_eq(
		strstr(draw(report, (struct board_style){.note = "gone"}),
			"sidespan 1.2  a\xef\xbf\xbd"
			"b  up 2h03m  sessions 4  in flight 5  gone\n"
			"exporter ok  sent 6  pending 0  rejected 0  dropped 1  spooled 0\n"
			"12 run: 1 request, 1 turn, 1 wait, 9 not told of\n"),
		draw(report, (struct board_style){.note = "gone"}));
	/* what is lost is red, what is not is not */
	ck_assert_ptr_nonnull(strstr(draw(report, (struct board_style){.color = true}),
		"\x1b[2mexporter \x1b[0mok\x1b[2m  sent "));
	ck_assert_ptr_nonnull(strstr(draw(report, (struct board_style){.color = true}),
		"  rejected \x1b[0m0\x1b[2m  dropped \x1b[0m\x1b[31m1\x1b[0m\x1b[2m  spooled "));
	set_text(&report->exporter_state, "away");
	ck_assert_ptr_nonnull(strstr(draw(report, (struct board_style){.color = true}),
		"\x1b[2mexporter \x1b[0m\x1b[31maway\x1b[0m\x1b[2m  sent "));
}
END_TEST

/* What is lost is red, each kind of it. */
START_TEST(test_losses)
{
	struct report *report = make_report();
	const char *drawn;

	report->has_stats = true;
	report->sent = report->pending = report->rejected = report->dropped = report->spooled = 1;
	set_text(&report->exporter_state, "ahoy");
	drawn = draw(report, (struct board_style){.color = true});
	ck_assert_ptr_nonnull(strstr(drawn,
		"exporter \x1b[0mahoy\x1b[2m  sent \x1b[0m1\x1b[2m  pending \x1b[0m1\x1b[2m"
		"  rejected \x1b[0m\x1b[31m1\x1b[0m\x1b[2m  dropped \x1b[0m\x1b[31m1\x1b[0m\x1b[2m"
		"  spooled \x1b[0m1\n"));
}
END_TEST

START_TEST(test_age)
{
	static const struct {
		uint64_t seconds;
		const char *up;
	} rows[] = {{0, "0.0s"}, {9, "9.0s"}, {10, "10s"}, {59, "59s"}, {60, "1m00s"},
		{119, "1m59s"}, {120, "2m00s"}, {3599, "59m59s"}, {3600, "1h00m"}, {7199, "1h59m"},
		{7384, "2h03m"}, {86399, "23h59m"}, {86400, "1d00h"}, {172799, "1d23h"},
		{172800, "2d00h"}, {18446744073, "213503d23h"}, {UINT64_MAX, "213503d23h"}};
	struct report *report = make_report();
	char up[64];
	size_t i;

	report->has_stats = true;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		report->uptime_s = rows[i].seconds;
		snprintf(up, sizeof up, "  up %s  sessions ", rows[i].up);
		ck_assert_msg(strstr(draw(report, (struct board_style){.width = 0}), up) != NULL,
			"%s", up);
	}
	report->spans[2].start_ns = report->time_ns - 9999999999;
	ck_assert_ptr_nonnull(
		strstr(draw(report, (struct board_style){.width = 0}), "\n 9.9s  request"));
	report->spans[2].start_ns = report->time_ns + 1; /* by another clock */
	ck_assert_ptr_nonnull(
		strstr(draw(report, (struct board_style){.width = 0}), "\n 0.0s  request"));
}
END_TEST

/* A request has its method, if it is known; all else its name. */
START_TEST(test_names)
{
	struct report *report = make_report();

	report->count = 1;
	set_text(&report->spans[0].method, "turn/start");
	set_text(&report->spans[0].connection, "77");
	ck_assert_str_eq(draw(report, (struct board_style){.width = 0}),
		"sidespan\n"
		"1 runs: 1 turn\n"
		"\n"
		"  AGE  KIND  NAME              CONN  THREAD\n"
		"5d04h  turn  turn of an agent  77    0199a000-0000-7000-8000-000000000001\n");
	report->spans[0].kind = REPORT_REQUEST;
	ck_assert_ptr_nonnull(strstr(
		draw(report, (struct board_style){.width = 0}), "\n5d04h  request  turn/start  "));
	report->spans[0].method.size = 0;
	ck_assert_ptr_nonnull(strstr(draw(report, (struct board_style){.width = 0}),
		"\n5d04h  request  turn of an agent  "));
}
END_TEST

START_TEST(test_kinds)
{
	static const char *const ones[REPORT_KINDS] = {"1 request", "1 dispatch", "1 turn",
		"1 model call", "1 tool call", "1 wait", "1 item"};
	static const char *const twos[REPORT_KINDS] = {"2 requests", "2 dispatches", "2 turns",
		"2 model calls", "2 tool calls", "2 waits", "2 items"};
	static const enum report_kind kinds[REPORT_KINDS] = {REPORT_REQUEST, REPORT_DISPATCH,
		REPORT_TURN, REPORT_MODEL, REPORT_TOOL, REPORT_WAIT, REPORT_ITEM};
	struct report *report = make_report();
	char sums[128];
	size_t i;

	for (i = 0; i < REPORT_KINDS; i++) {
		report->spans[0].kind = report->spans[1].kind = kinds[i];
		report->count = 1;
		snprintf(sums, sizeof sums, "\n1 runs: %s\n", ones[i]);
		ck_assert_ptr_nonnull(strstr(draw(report, (struct board_style){.width = 0}), sums));
		report->count = 2;
		snprintf(sums, sizeof sums, "\n2 run: %s\n", twos[i]);
		ck_assert_ptr_nonnull(strstr(draw(report, (struct board_style){.width = 0}), sums));
	}
}
END_TEST

/* A note that is long is cut, but not lost. */
START_TEST(test_long_note)
{
	char note[300];
	const char *drawn;

	memset(note, 'n', sizeof note);
	note[sizeof note - 1] = '\0';
	drawn = draw(make_report(), (struct board_style){.note = note});
	ck_assert_uint_eq(strcspn(drawn, "\n"), strlen("sidespan") + 159);
}
END_TEST

START_TEST(test_nothing)
{
	struct report report = {.spans = NULL};

	ck_assert_str_eq(
		draw(&report, (struct board_style){.width = 80}), "sidespan\nnothing runs\n");
}
END_TEST

START_TEST(test_no_memory)
{
	struct board_style style = {.width = 0};
	struct report *report = make_report();
	struct text out;
	int result;
	long n;

	for (n = 0;; n++) {
		text_init(&out, 8192);
		unit_alloc_fail_after(n);
		result = board_draw(&out, report, &style);
		unit_alloc_fail_never();
		text_done(&out);
		if (!unit_alloc_failed())
			break;
		ck_assert_int_eq(result, -1);
	}
	ck_assert_int_eq(result, 0);
	ck_assert_int_gt(n, 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("board");

	tcase_add_test(tc, test_whole);
	tcase_add_test(tc, test_narrow);
	tcase_add_loop_test(tc, test_no_line_is_wider, 1, 100);
	tcase_add_test(tc, test_low);
	tcase_add_test(tc, test_numbers);
	tcase_add_test(tc, test_losses);
	tcase_add_test(tc, test_age);
	tcase_add_test(tc, test_names);
	tcase_add_test(tc, test_kinds);
	tcase_add_test(tc, test_long_note);
	tcase_add_test(tc, test_nothing);
	tcase_add_test(tc, test_no_memory);
	return unit_run("board", tc);
}

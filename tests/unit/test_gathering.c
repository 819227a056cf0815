/*
 * Spans that wait for their trace: what is released when, in which pieces. A span is a letter, its
 * trace a digit; what is released is written down as "1:ab " with a star if the trace goes on.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/console/gathering.h"
#include "exporter/console/record.h"
#include "tests/unit/unit.h"

static struct gathering gathering;
static char released[1 << 16];

static void keep_released(void *arg, const struct text *records, size_t count)
{
	const char *bytes = records->bytes;
	struct console_record record;
	char *p = released + strlen(released);
	size_t i;

	if (arg != &gathering || count == 0) /* no assertions where memory may be short */
		abort();
	for (i = 0; i < count; i++) {
		memcpy(&record, bytes, sizeof record);
		if (i == 0)
			p += sprintf(p, "%d:", record.trace_id[TRACE_ID_SIZE - 1]);
		bytes += sizeof record;
		p += sprintf(p, "%.*s", (int)record.name_size, bytes);
		bytes += record.name_size;
	}
	if (bytes != records->bytes + records->size)
		abort();
	strcpy(p, " ");
}

static void begin(uint8_t trace)
{
	uint8_t trace_id[TRACE_ID_SIZE] = {[TRACE_ID_SIZE - 1] = trace};

	gathering_begin(&gathering, trace_id);
}

static int add(uint8_t trace, char name, bool begun)
{
	struct span span = {
		.context.trace_id = {[TRACE_ID_SIZE - 1] = trace},
		.name = {&name, 1},
		.kind = SPAN_KIND_SERVER,
		.begun = begun,
	};

	return gathering_add(&gathering, &span);
}

static void set_up(size_t spans_max, size_t bytes_max)
{
	struct gathering_limits limits = {spans_max, bytes_max, 1000};

	gathering_init(&gathering, &limits, keep_released, &gathering);
	released[0] = '\0';
}

/*
 * In order: "+N" begins a span of trace N, "-Nx" ends it as x, "!Nx" is a span x that has not been
 * begun, "tN" a tick at N00 ms, "." the end of all.
 */
static const struct {
	const char *steps, *expected;
	uint64_t unfinished;
	size_t left; /* traces */
} cases[] = {
	{"+1-1a", "1:a ", 0, 0},
	{"!1a", "1:a ", 0, 0},
	/* a turn: its request ends long before it, a dispatch was not begun */
	{"+1+1!1d-1r+1-1i-1t", "1:drit ", 0, 0},
	{"+1+2-2b-1a", "2:b 1:a ", 0, 0},
	{"+1+1-1a", "", 0, 1},
	{"+1+1-1a.", "1:a ", 0, 0},
	{"+1-1a+1-1b", "1:a 1:b ", 0, 0},
	/* a span that nobody began ends nothing */
	{"+1!1a!1b-1c", "1:abc ", 0, 0},
	{"-1a+1-1b", "1:a 1:b ", 0, 0},
	/* time counts from the first tick that sees it, and anew for what comes later */
	{"+1!1at1t9", "", 0, 1},
	{"+1!1at1t:t;", "1:a ", 1, 1},
	{"+1!1at1t;!1bt<tDtEtFtG-1c", "1:a 1:b 1:c ", 2, 0},
	{"+1t1tz!1at{-1b", "1:ab ", 0, 0},
	/* too many spans: the oldest trace goes, what is open is gathered again */
	{"+1+2!1a!1b!2c!2d!2e-1f-2g", "1:ab 1:f 2:cdeg ", 1, 0},
	{"+1!1a!1b!1c!1d!1e!1f-1g", "1:abcde 1:fg ", 1, 0},
	/* too many traces: the oldest is forgotten */
	{"+1!1a+2+3+4+5-1b-2c", "1:a 1:b 2:c ", 1, 3},
};

START_TEST(test_steps)
{
	const char *p = cases[_i].steps;

	set_up(4, SIZE_MAX);
	for (; *p != '\0'; p++)
		switch (*p) {
		case '+':
			begin((uint8_t)(*++p - '0'));
			break;
		case '-':
		case '!':
			ck_assert_int_eq(add((uint8_t)(p[1] - '0'), p[2], *p == '-'), 0);
			p += 2;
			break;
		case 't':
			gathering_tick(&gathering, (int64_t)(*++p - '0') * 100);
			break;
		case '.':
			gathering_end(&gathering);
			break;
		default:
			ck_abort();
		}
	ck_assert_str_eq(released, cases[_i].expected);
	ck_assert_uint_eq(gathering.unfinished, cases[_i].unfinished);
	ck_assert_uint_eq(gathering.trace_count, cases[_i].left);
	gathering_done(&gathering);
	ck_assert_uint_eq(gathering.span_count, 0);
	ck_assert_uint_eq(gathering.bytes, 0);
	ck_assert_uint_eq(gathering.trace_count, 0);
}
END_TEST

START_TEST(test_bytes)
{
	size_t size = sizeof(struct console_record) + 1;

	set_up(100, 3 * size);
	begin(1);
	begin(2);
	ck_assert_int_eq(add(1, 'a', false) | add(2, 'b', false) | add(2, 'c', false), 0);
	ck_assert_uint_eq(gathering.bytes, 3 * size);
	ck_assert_str_eq(released, "");
	ck_assert_int_eq(add(2, 'd', false), 0);
	ck_assert_str_eq(released, "1:a ");
	ck_assert_uint_eq(gathering.bytes, 3 * size);
	gathering_done(&gathering);
}
END_TEST

/* Without memory a span is lost or shown alone, and the counts stay right. */
START_TEST(test_no_memory)
{
	bool failed = true;
	int result;
	long n;

	for (n = 0; failed; n++) {
		set_up(4, SIZE_MAX);
		unit_alloc_fail(_i, n);
		begin(1);
		result = add(1, 'a', true);
		unit_alloc_fail_never();
		failed = unit_alloc_failed();
		ck_assert_str_eq(released, result == 0 ? "1:a " : "");
		ck_assert_uint_eq(gathering.trace_count + gathering.span_count, 0);
		gathering_done(&gathering);
	}
	ck_assert_int_ge(n, 2);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("gathering");

	tcase_add_loop_test(tc, test_steps, 0, sizeof cases / sizeof *cases);
	tcase_add_test(tc, test_bytes);
	tcase_add_loop_test(tc, test_no_memory, 0, 2);
	return unit_run("gathering", tc);
}

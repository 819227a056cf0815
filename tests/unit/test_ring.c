/* The ring of ended spans against a list that forgets nothing, with texts of all sizes. */
#include "exporter/ring/ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

enum { BYTES = 4096, HALF = BYTES / 2, HEAD = 32 };

static struct ring *ring;

static struct span span_of(unsigned trace, bool fails)
{
	struct span span = {.start_unix_ns = 5, .end_unix_ns = 6};

	span.context.trace_id[0] = 1;
	span.context.trace_id[14] = (uint8_t)(trace >> 8);
	span.context.trace_id[15] = (uint8_t)trace;
	span.status = fails ? SPAN_STATUS_ERROR : SPAN_STATUS_OK;
	return span;
}

static void add(unsigned trace, bool fails, char letter, size_t size)
{
	struct span span = span_of(trace, fails);
	char *text = malloc(size + 1); /* of the size it says, for who reads too much */

	memset(text, letter, size);
	ring_add(ring, &span, text, size);
	free(text);
}

static void open_ring(uint64_t slow_ns)
{
	ring = ring_new(&(struct ring_limits){.bytes_max = BYTES, .slow_ns = slow_ns});
	ck_assert_ptr_nonnull(ring);
}

/* What is there from a number on, as letters. */
static const char *letters(uint64_t after)
{
	static char text[BYTES];
	struct ring_cursor at = ring_from(ring, after);
	struct ring_span span;
	uint64_t last = after;
	size_t count = 0;

	while (ring_next(ring, &at, &span)) {
		ck_assert_uint_gt(span.number, last);
		last = span.number;
		text[count++] = span.size > 0 ? span.bytes[0] : '-';
		ck_assert(span.size == 0 || span.bytes[span.size - 1] == span.bytes[0]);
	}
	text[count] = '\0';
	return text;
}

/* Texts of 480 bytes: a half has room for four. */
START_TEST(test_last_ones)
{
	int letter;

	open_ring(0);
	ck_assert_str_eq(letters(0), "");
	for (letter = 'a'; letter <= 'd'; letter++)
		add(0, false, (char)letter, 480);
	ck_assert_str_eq(letters(0), "abcd");
	add(0, false, 'e', 480);
	ck_assert_str_eq(letters(0), "bcde");
	ck_assert_str_eq(letters(3), "de");
	ck_assert_str_eq(letters(5), "");
	ck_assert_uint_eq(ring_newest(ring), 5);
	ck_assert_uint_eq(ring_forgotten(ring), 1);
	add(0, false, 'f', 0);
	ck_assert_str_eq(letters(2), "cde-");
	ring_free(ring);
}
END_TEST

/* Spans that failed or were slow, and others of their traces, are there for longer. */
START_TEST(test_notable)
{
	struct span slow = span_of(7, false);
	unsigned i;

	open_ring(1000);
	add(1, false, 'a', 480); /* its trace fails later */
	add(2, false, 'b', 480);
	add(1, true, 'A', 480);
	slow.end_unix_ns = slow.start_unix_ns + 1001;
	ring_add(ring, &slow, "s", 1);
	slow.end_unix_ns--; /* is not */
	slow.context.trace_id[0]++;
	ring_add(ring, &slow, "f", 1);
	for (i = 0; i < 20; i++)
		add(3, false, 'x', 480);
	ck_assert_str_eq(letters(0), "aAsxxxx");
	ck_assert_uint_eq(ring_forgotten(ring), 25 - 7);
	for (i = 0; i < 9; i++)
		add(4, true, 'E', 480);
	ck_assert_str_eq(letters(0), "EEEEEEE"); /* the last of them: one does not fit at the end */
	ring_free(ring);
}
END_TEST

/* What is longer than a half is not taken, and nothing leaves for it; what just fits is. */
START_TEST(test_large)
{
	open_ring(0);
	add(1, true, 'a', 100);
	add(1, false, 'b', HALF - HEAD + 1);
	ck_assert_str_eq(letters(0), "a");
	add(1, false, 'c', HALF - HEAD);
	ck_assert_str_eq(letters(0), "ac");
	add(1, false, 'd', HALF - HEAD - 8);
	ck_assert_str_eq(letters(0), "cd");
	add(1, false, 'e', 1);
	ck_assert_str_eq(letters(1), "de");
	ring_free(ring);
}
END_TEST

/* Whatever comes, in the order in which it came; the newest always; in so many bytes. */
START_TEST(test_any)
{
	struct ring_span span;
	struct ring_cursor at;
	uint64_t last, count;
	size_t bytes;
	unsigned i;

	srandom((unsigned)_i);
	open_ring(0);
	for (i = 1; i <= 2000; i++) {
		size_t size = (size_t)random() % (_i % 2 == 0 ? 300 : HALF - HEAD + 1);

		add((unsigned)random() % 50, random() % 8 == 0, (char)('a' + i % 26), size);
		last = count = bytes = 0;
		for (at = ring_from(ring, 0); ring_next(ring, &at, &span); count++) {
			ck_assert(span.number > last && span.number <= i);
			last = span.number;
			bytes += HEAD + span.size;
			if (span.size == 0)
				continue;
			ck_assert_int_eq(span.bytes[0], 'a' + (int)(span.number % 26));
			ck_assert_int_eq(span.bytes[span.size - 1], span.bytes[0]);
		}
		ck_assert_uint_eq(last, i);
		ck_assert_uint_le(bytes, BYTES);
		ck_assert_uint_eq(count + ring_forgotten(ring), i);
	}
	ring_free(ring);
}
END_TEST

/* Of too few bytes for anything. */
START_TEST(test_small)
{
	ring = ring_new(&(struct ring_limits){.bytes_max = (size_t)_i});
	ck_assert_ptr_nonnull(ring);
	add(1, true, 'a', 40);
	add(1, false, 'b', 40);
	ck_assert_str_eq(letters(0), _i < 256 ? "" : "ab");
	ck_assert_uint_eq(ring_newest(ring), 2);
	ring_free(ring);
}
END_TEST

START_TEST(test_without_memory)
{
	long n;

	for (n = 0; n < 3; n++) {
		unit_alloc_fail_once(n);
		ck_assert_ptr_null(ring_new(&(struct ring_limits){.bytes_max = BYTES}));
		unit_alloc_fail_never();
	}
	ring_free(NULL);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ring");

	tcase_add_test(tc, test_last_ones);
	tcase_add_test(tc, test_notable);
	tcase_add_test(tc, test_large);
	tcase_add_loop_test(tc, test_any, 0, 8);
	tcase_add_loop_test(tc, test_small, 0, 300);
	tcase_add_test(tc, test_without_memory);
	return unit_run("ring", tc);
}

/*
 * What yajl works in: it never fails, is never exceeded, and is wanted before anything is parsed.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "config/yajl_memory.h"
#include "tests/unit/unit.h"

static size_t seen_size;
static char seen[1 << 20];

static int on_text(void *arg, const unsigned char *text, size_t size)
{
	(void)arg;
	if (size > sizeof seen - seen_size)
		return 0; /* no assertion: there is no memory for it */
	memcpy(seen + seen_size, text, size);
	seen_size += size;
	return 1;
}

static int on_begin(void *arg)
{
	int *depth = arg;

	return ++*depth <= YAJL_MEMORY_DEPTH_MAX;
}

static int on_end(void *arg)
{
	int *depth = arg;

	--*depth;
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_string = on_text,
	.yajl_map_key = on_text,
	.yajl_start_map = on_begin,
	.yajl_start_array = on_begin,
	.yajl_end_map = on_end,
	.yajl_end_array = on_end,
};

/* Parses with no memory but what was set aside; returns yajl's last word, or -1 without any. */
static int parse(const char *text, size_t size, size_t *used)
{
	struct yajl_memory memory;
	unsigned char *error;
	yajl_status status;
	yajl_handle yajl;
	int depth = 0;

	seen_size = 0;
	if (yajl_memory_init(&memory, size) != 0)
		return -1;
	unit_alloc_fail_after(0);
	yajl = yajl_alloc(&callbacks, &memory.functions, &depth);
	(void)yajl_config(yajl, yajl_allow_comments, 1);
	status = yajl_parse(yajl, (const unsigned char *)text, size);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(yajl);
	error = yajl_get_error(yajl, 1, (const unsigned char *)text, size);
	yajl_free_error(yajl, error);
	yajl_free(yajl);
	unit_alloc_fail_never();
	*used = memory.used;
	ck_assert_uint_le(memory.used, memory.size);
	yajl_memory_done(&memory);
	return (int)status;
}

/* Strings of all sizes around the powers of two, plain, with escapes, and cut by the end. */
START_TEST(test_strings)
{
	static const size_t sizes[] = {0, 1, 100, 2045, 2046, 2047, 2048, 2049, 4094, 4095, 4096,
		4097, 8190, 8191, 8192, 8193, 100000, 131071, 131072, 500000};
	size_t size = sizes[_i], used, i;
	char *text = malloc(size + 64);

	for (i = 0; i < 4; i++) {
		bool escaped = i % 2 == 1, cut = i >= 2;
		int head, status;

		head = snprintf(text, 64, "[\"%s", escaped ? "\\n" : "");
		memset(text + head, 'x', size);
		memcpy(text + head + size, "\"]", 3);
		status = parse(text, (size_t)head + size + (cut ? 0 : 2), &used);
		ck_assert_int_eq(status, cut ? yajl_status_error : yajl_status_ok);
		if (!cut) {
			ck_assert_uint_eq(seen_size, size + (escaped ? 1 : 0));
			ck_assert_uint_eq(strspn(seen + escaped, "x"), size);
		}
		memset(seen, 0, sizeof seen);
	}
	free(text);
}
END_TEST

/* Many strings, each a little longer than the one before, up to the end and up to every cut. */
START_TEST(test_growing)
{
	enum { COUNT = 150, STEP = 60 };
	char *text = malloc(COUNT * COUNT * STEP), *at = text;
	size_t used, size;
	int i;

	at += sprintf(at, "{");
	for (i = 1; i < COUNT; i++) {
		at += sprintf(at, "%s\"\\t%d\":\"\\\\", i > 1 ? "," : "", i);
		memset(at, 'y', (size_t)i * STEP);
		at += i * STEP;
		*at++ = '"';
	}
	*at++ = '}';
	size = (size_t)(at - text);
	ck_assert_int_eq(parse(text, size, &used), yajl_status_ok);
	ck_assert_uint_gt(seen_size, size - COUNT * 16);
	for (i = 1; i < 100; i++)
		ck_assert_int_eq(parse(text, size * (size_t)i / 100, &used), yajl_status_error);
	free(text);
}
END_TEST

/* As deep as may be, and deeper: refused by the callback before the stack must grow. */
START_TEST(test_depth)
{
	char text[2 * 200];
	size_t depth = YAJL_MEMORY_DEPTH_MAX + (size_t)_i, used;

	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	ck_assert_int_eq(parse(text, 2 * depth, &used),
		_i == 0 ? yajl_status_ok : yajl_status_client_canceled);
	ck_assert_uint_lt(used, 1024 + 2048); /* and the buffer of what the end cuts off */
}
END_TEST

START_TEST(test_no_memory)
{
	struct yajl_memory memory;
	int result;

	unit_alloc_fail_after(0);
	result = yajl_memory_init(&memory, 10);
	unit_alloc_fail_never();
	ck_assert_int_eq(result, -1);
	ck_assert_int_eq(yajl_memory_init(&memory, SIZE_MAX - 1), -1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("yajl_memory");

	tcase_add_loop_test(tc, test_strings, 0, 20);
	tcase_add_test(tc, test_growing);
	tcase_add_loop_test(tc, test_depth, 0, 2);
	tcase_add_test(tc, test_no_memory);
	return unit_run("yajl_memory", tc);
}

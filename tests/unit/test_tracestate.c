/* tracestate: limits, every byte value, and what changing a list may not do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "w3c/tracestate.h"

/* Parses a copy that ends at an unreadable page and compares what comes out; NULL: refused. */
static void check_list(const char *text, const char *expected)
{
	size_t size = strlen(text);
	uint8_t *copy = unit_guard_copy(text, size);
	char out[TRACESTATE_SIZE_MAX];
	struct tracestate list;
	int status = tracestate_parse(&list, (const char *)copy, size);

	ck_assert_msg(status == (expected == NULL ? -1 : 0), "%s: %d", text, status);
	if (expected == NULL) {
		ck_assert_uint_eq(list.count, 0);
	} else {
		ck_assert_uint_eq(tracestate_size(&list), strlen(expected));
		ck_assert_uint_eq(tracestate_format(out, &list), strlen(expected));
		ck_assert_mem_eq(out, expected, strlen(expected));
	}
	unit_guard_free(copy, size);
}

START_TEST(test_tracestate_lists)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"", ""},
		{" \t ", ""},
		{",,,", ""},
		{"a=1", "a=1"},
		{"a=1,", "a=1"},
		{",a=1", "a=1"},
		{" a=1\t,\t b=2 ", "a=1,b=2"},
		{"a=1,a=2,a=1", "a=1,a=2,a=1"}, /* duplicates are kept */
		{"a= 1", "a= 1"},
		{"a=\t1", NULL},
		{"a=1\t2", NULL},
		{"a=1,b", NULL},
		{"a=1,b=", NULL},
		{"a=1,=", NULL},
		{"a=b=c", NULL},
		{"a b=1", NULL},
		{"A=1", NULL},
		{"a=1;b", "a=1;b"},
		{"a=1\n", NULL},
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof *cases; i++)
		check_list(cases[i].text, cases[i].expected);
}
END_TEST

static int is_key_char(int byte, int first)
{
	if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9'))
		return 1;
	return !first && byte != 0 && strchr("_-*/@", byte) != NULL;
}

START_TEST(test_tracestate_every_byte)
{
	struct tracestate list;
	int byte;

	for (byte = 0; byte < 256; byte++) {
		const char first[] = {(char)byte, 'x', '=', 'y'};
		const char second[] = {'x', (char)byte, 'z', '=', 'y'};
		const char value[] = {'x', '=', (char)byte, 'y'};
		int fits = byte >= 0x20 && byte <= 0x7e && byte != '=';

		/* blanks and a comma before a key, and a comma in a value, end a member instead */
		if (byte != ' ' && byte != '\t' && byte != ',')
			ck_assert_int_eq(tracestate_parse(&list, first, sizeof first),
				is_key_char(byte, 1) ? 0 : -1);
		if (byte != '=')
			ck_assert_int_eq(tracestate_parse(&list, second, sizeof second),
				is_key_char(byte, 0) ? 0 : -1);
		if (byte != ',')
			ck_assert_int_eq(
				tracestate_parse(&list, value, sizeof value), fits ? 0 : -1);
	}
}
END_TEST

/* Writes count members "kNN=v". */
static size_t write_members(char *text, size_t count)
{
	size_t i, size = 0;

	for (i = 0; i < count; i++)
		size += (size_t)sprintf(text + size, "%sk%02zu=v", i > 0 ? "," : "", i);
	return size;
}

START_TEST(test_tracestate_members_max)
{
	char text[512];
	struct tracestate list;

	ck_assert_int_eq(tracestate_parse(&list, text, write_members(text, 32)), 0);
	ck_assert_uint_eq(list.count, 32);
	ck_assert_int_eq(tracestate_parse(&list, text, write_members(text, 33)), -1);
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(test_tracestate_sizes_max)
{
	char text[TRACESTATE_SIZE_MAX], out[TRACESTATE_SIZE_MAX];
	struct tracestate list;
	size_t i, size = 0;

	memset(text, 'x', sizeof text);
	for (i = 0; i < TRACESTATE_MEMBERS_MAX; i++) {
		if (i > 0)
			text[size++] = ',';
		text[size + TRACESTATE_KEY_MAX] = '=';
		size += TRACESTATE_KEY_MAX + 1 + TRACESTATE_VALUE_MAX;
	}
	ck_assert_uint_eq(size, TRACESTATE_SIZE_MAX);
	ck_assert_int_eq(tracestate_parse(&list, text, size), 0);
	ck_assert_uint_eq(tracestate_format(out, &list), size);
	ck_assert_mem_eq(out, text, size);
}
END_TEST

START_TEST(test_tracestate_set_drops_the_last)
{
	char text[512];
	struct tracestate list;

	ck_assert_int_eq(tracestate_parse(&list, text, write_members(text, 32)), 0);
	ck_assert_int_eq(tracestate_set(&list, "new", 3, "v", 1), 0);
	ck_assert_uint_eq(list.count, 32);
	ck_assert_ptr_eq(tracestate_find(&list, "new", 3), &list.members[0]);
	ck_assert_ptr_nonnull(tracestate_find(&list, "k30", 3));
	ck_assert_ptr_null(tracestate_find(&list, "k31", 3));
}
END_TEST

START_TEST(test_tracestate_set_makes_one_of_duplicates)
{
	struct tracestate list;
	char out[64];

	ck_assert_int_eq(tracestate_parse(&list, "a=1,b=2,a=3", 11), 0);
	ck_assert_int_eq(tracestate_set(&list, "a", 1, "4", 1), 0);
	ck_assert_uint_eq(tracestate_format(out, &list), 7);
	ck_assert_mem_eq(out, "a=4,b=2", 7);
}
END_TEST

START_TEST(test_tracestate_set_refuses)
{
	static const struct {
		const char *key, *value;
	} cases[] = {
		{"", "v"},
		{"A", "v"},
		{"1a", "v"},
		{"a@", "v"},
		{"a@1", "v"},
		{"a@b@c", "v"},
		{"a", ""},
		{"a", " "},
		{"a", "v "},
		{"a", "v,w"},
		{"a", "v=w"},
		{"a", "\x7f"},
	};
	struct tracestate list;
	char out[64];
	size_t i;

	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_assert_int_eq(tracestate_parse(&list, "a=1,b=2", 7), 0);
		ck_assert_int_eq(tracestate_set(&list, cases[i].key, strlen(cases[i].key),
					 cases[i].value, strlen(cases[i].value)),
			-1);
		ck_assert_uint_eq(tracestate_format(out, &list), 7);
		ck_assert_mem_eq(out, "a=1,b=2", 7);
	}
}
END_TEST

START_TEST(test_tracestate_truncate_to_every_size)
{
	char text[512], out[512];
	struct tracestate list;
	size_t size = write_members(text, 32), max, written;

	for (max = 0; max <= size; max++) {
		ck_assert_int_eq(tracestate_parse(&list, text, size), 0);
		tracestate_truncate(&list, max);
		written = tracestate_format(out, &list);
		ck_assert_uint_eq(written, max < 5 ? 0 : (max + 1) / 6 * 6 - 1);
		ck_assert_mem_eq(out, text, written); /* from the right, whole members */
	}
}
END_TEST

START_TEST(test_tracestate_truncate_long_ones_first)
{
	char text[600], out[600];
	struct tracestate list;
	int size;

	/* two members above 128 characters and a short one behind them: the right long one goes */
	size = sprintf(text, "a=%0127d,b=%0127d,c=1", 0, 0);
	ck_assert_int_eq(tracestate_parse(&list, text, (size_t)size), 0);
	tracestate_truncate(&list, (size_t)size - 1);
	ck_assert_uint_eq(tracestate_format(out, &list), 129 + 4);
	ck_assert_int_eq(out[0], 'a');
	tracestate_truncate(&list, 100);
	ck_assert_uint_eq(tracestate_format(out, &list), 3);
	ck_assert_mem_eq(out, "c=1", 3);
}
END_TEST

START_TEST(test_tracestate_key_level1)
{
	static const struct {
		const char *key;
		int fits;
	} cases[] = {
		{"a", 1},
		{"1", 0},
		{"1a@b", 1},
		{"a@b", 1},
		{"@b", 0},
		{"a@", 0},
		{"a@1", 0},
		{"a@b@c", 0},
		{"a@bcdefghijklmno", 1},
		{"a@bcdefghijklmnop", 0},
		{"", 0},
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof *cases; i++)
		ck_assert_msg(
			tracestate_key_level1(cases[i].key, strlen(cases[i].key)) == cases[i].fits,
			"%s", cases[i].key);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("tracestate");

	tcase_add_test(tc, test_tracestate_lists);
	tcase_add_test(tc, test_tracestate_every_byte);
	tcase_add_test(tc, test_tracestate_members_max);
	tcase_add_test(tc, test_tracestate_sizes_max);
	tcase_add_test(tc, test_tracestate_set_drops_the_last);
	tcase_add_test(tc, test_tracestate_set_makes_one_of_duplicates);
	tcase_add_test(tc, test_tracestate_set_refuses);
	tcase_add_test(tc, test_tracestate_truncate_to_every_size);
	tcase_add_test(tc, test_tracestate_truncate_long_ones_first);
	tcase_add_test(tc, test_tracestate_key_level1);
	return unit_run("tracestate", tc);
}

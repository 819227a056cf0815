/* The tree of wanted pointers: what is a pointer, what is found, limits, allocation failures. */
#include <stdio.h>
#include <string.h>

#include "proxy/message/envelope.h"
#include "proxy/message/pointers.h"
#include "proxy/message/pointers_tree.h"
#include "tests/unit/unit.h"

START_TEST(test_syntax)
{
	static const struct {
		const char *pointer;
		int slot;
	} rows[] = {
		{"/a", 0},
		{"/a/b", 1},
		{"/", 2},
		{"/a~0b", 3},
		{"/a~1b", 4},
		{"", 5},
		{"/a/0", 6},
		{"/1/2/3/4/5/6/7/8", 7},
		{"/\xc3\xa9", 8},
		{"/a", 0},
		{"/a~1b", 4},
		{"a", -1},
		{"a/b", -1},
		{"/~", -1},
		{"/~2", -1},
		{"/a~", -1},
		{"/a~/b", -1},
		{"/1/2/3/4/5/6/7/8/9", -1},
		{"/a/b", 1},
	};
	struct pointers *pointers = pointers_new();
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_msg(pointers_add(pointers, rows[i].pointer, 1) == rows[i].slot, "%s",
			rows[i].pointer);
	ck_assert_uint_eq(pointers_count(pointers), 9);
	pointers_free(pointers);
}
END_TEST

START_TEST(test_larger_bytes_max_counts)
{
	struct pointers *pointers = pointers_new();

	ck_assert_int_eq(pointers_add(pointers, "/a", 10), 0);
	ck_assert_int_eq(pointers_add(pointers, "/a", 5), 0);
	ck_assert_uint_eq(pointers->nodes[pointers->slot_nodes[0]].bytes_max, 10);
	ck_assert_int_eq(pointers_add(pointers, "/a", 11), 0);
	ck_assert_uint_eq(pointers->nodes[pointers->slot_nodes[0]].bytes_max, 11);
	pointers_free(pointers);
}
END_TEST

static const struct pointers_node *find_node;
static struct pointers *find_pointers;

/* The slot of find_node's child; -1: no slot, -2: no child. */
static int find_child(const char *key)
{
	size_t size = strlen(key);
	uint8_t *copy = unit_guard_copy(key, size), padded[32];
	const struct pointers_node *child;

	child = pointers_child(find_pointers, find_node, copy, size);
	unit_guard_free(copy, size);
	memset(padded, '"', sizeof(padded));
	memcpy(padded, key, size);
	if (size <= POINTERS_SHORT)
		ck_assert_ptr_eq(pointers_child_quick(find_node, padded, size), child);
	return child == NULL ? -2 : child->slot;
}

static int find_element(uint32_t index)
{
	const struct pointers_node *child = pointers_element(find_pointers, find_node, index);

	return child == NULL ? -2 : child->slot;
}

START_TEST(test_find)
{
	static const char *const wanted[] = {"/a/b~1c", "/a/10", "/a/010", "/a/", "/a/12345678",
		"/a/123456789", "/a/1234567", "/a/12345678x", "/a/type", "/a/tool", "/a/tear",
		"/a/tokenUsage in all turns", "/a/tokenUsage of many turns"};
	size_t i;

	find_pointers = pointers_new();
	for (i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		ck_assert_int_eq(pointers_add(find_pointers, wanted[i], 1), (int)i);
	find_node = &find_pointers->nodes[POINTERS_ROOT];
	ck_assert_int_eq(find_child("a"), -1);
	ck_assert_int_eq(find_child("ab"), -2);
	ck_assert_int_eq(find_child(""), -2);
	find_node = pointers_child(find_pointers, find_node, "a", 1);
	ck_assert_int_eq(find_child("b/c"), 0);
	ck_assert_int_eq(find_child("b~1c"), -2);
	ck_assert_int_eq(find_child("10"), 1);
	ck_assert_int_eq(find_child("010"), 2);
	ck_assert_int_eq(find_child(""), 3);
	ck_assert_int_eq(find_child("12345678"), 4);
	ck_assert_int_eq(find_child("123456789"), 5);
	ck_assert_int_eq(find_child("1234567"), 6);
	ck_assert_int_eq(find_child("12345678x"), 7);
	ck_assert_int_eq(find_child("12345678y"), -2);
	ck_assert_int_eq(find_child("123456"), -2);
	ck_assert_int_eq(find_child("type"), 8);
	ck_assert_int_eq(find_child("tool"), 9);
	ck_assert_int_eq(find_child("tear"), 10);
	ck_assert_int_eq(find_child("time"), -2);
	ck_assert_int_eq(find_child("tokenUsage in all turns"), 11);
	ck_assert_int_eq(find_child("tokenUsage of many turns"), 12);
	ck_assert_int_eq(find_child("tokenUsage of some turns"), -2);
	ck_assert_int_eq(find_element(10), 1);
	ck_assert_int_eq(find_element(1), -2);
	ck_assert_int_eq(find_element(123456789), 5);
	ck_assert_int_eq(find_element(123456790), -2);
	ck_assert_int_eq(pointers_add(find_pointers, "/a/-", 1), 13);
	find_node = pointers_child(find_pointers, &find_pointers->nodes[POINTERS_ROOT], "a", 1);
	ck_assert_int_eq(find_element(10), 1);
	ck_assert_int_eq(find_element(1), 13); /* each may be the last */
	ck_assert_int_eq(find_element(123456790), 13);
	ck_assert_int_eq(find_child("-"), 13);
	pointers_free(find_pointers);
}
END_TEST

START_TEST(test_limits)
{
	struct pointers *pointers = pointers_new();
	char pointer[POINTERS_TOKEN_MAX + 3] = "/";
	int i;

	memset(pointer + 1, 'x', POINTERS_TOKEN_MAX);
	ck_assert_int_eq(pointers_add(pointers, pointer, 1), 0);
	pointer[POINTERS_TOKEN_MAX + 1] = 'x';
	ck_assert_int_eq(pointers_add(pointers, pointer, 1), -1);
	for (i = 1; i < POINTERS_SLOTS_MAX; i++) {
		(void)snprintf(pointer, sizeof(pointer), "/%d/x/%d", i, i);
		ck_assert_int_eq(pointers_add(pointers, pointer, 1), i);
	}
	ck_assert_int_eq(pointers_add(pointers, "/one/more", 1), -1);
	ck_assert_int_eq(pointers_add(pointers, "/5/x/5", 1), 5);
	ck_assert_uint_eq(pointers_count(pointers), POINTERS_SLOTS_MAX);
	pointers_free(pointers);
}
END_TEST

START_TEST(test_fixed_slots)
{
	struct pointers *pointers = envelope_pointers_new("/x~1y~0z");

	ck_assert_uint_eq(pointers_count(pointers), ENVELOPE_SLOTS_FIXED);
	ck_assert_int_eq(pointers_add(pointers, "/method", 1), ENVELOPE_METHOD);
	ck_assert_int_eq(pointers_add(pointers, "/x~1y~0z/tracestate", 1), ENVELOPE_TRACESTATE);
	pointers_free(pointers);
	ck_assert_ptr_null(envelope_pointers_new("/id")); /* would be two slots in one */
}
END_TEST

START_TEST(test_alloc_failures)
{
	struct pointers *pointers = NULL;
	long n;

	for (n = 0; n < 100 && pointers == NULL; n++) {
		unit_alloc_fail(_i, n);
		pointers = envelope_pointers_new("/trace");
		unit_alloc_fail_never();
		ck_assert_int_eq(pointers == NULL, unit_alloc_failed());
	}
	pointers_free(pointers);
	ck_assert_int_gt(n, 3);
	ck_assert_int_lt(n, 100);
	pointers_free(NULL);
}
END_TEST

START_TEST(test_add_fails_without_a_trace)
{
	struct pointers *pointers = pointers_new();
	char pointer[16];
	int i, refused = 0;

	for (i = 0; i < 100; i++) {
		(void)snprintf(pointer, sizeof(pointer), "/%d/a", i);
		unit_alloc_fail_after(0);
		if (pointers_add(pointers, pointer, 1) < 0)
			refused++;
		unit_alloc_fail_never();
		ck_assert_int_eq(pointers_add(pointers, pointer, 1), i);
	}
	ck_assert_int_gt(refused, 2);
	ck_assert_uint_eq(pointers_count(pointers), 100);
	pointers_free(pointers);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("pointers");

	tcase_add_test(tc, test_syntax);
	tcase_add_test(tc, test_larger_bytes_max_counts);
	tcase_add_test(tc, test_find);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_fixed_slots);
	tcase_add_loop_test(tc, test_alloc_failures, 0, 2);
	tcase_add_test(tc, test_add_fails_without_a_trace);
	return unit_run("pointers", tc);
}

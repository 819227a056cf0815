/* Methods: numbers in the order of arrival, the same one for the same name, none for others. */
#include <stdio.h>
#include <string.h>

#include "proxy/trace/names/methods.h"
#include "tests/unit/unit.h"

enum { NAMES = 300, NAME_SIZE = 400 };

/*
 * What stands around a number in the names: some have both ends in common, and all that is hashed.
 */
static const struct {
	const char *before, *after;
} rows[] = {
	{"", ""},
	{"item/", "/started"},
	{"beginning", "and the end"},
};

static void name_make(char name[NAME_SIZE], int row, int number)
{
	snprintf(name, NAME_SIZE, "%s%d%s", rows[row].before, number, rows[row].after);
}

/* Looks up a copy, behind which nothing can be read. */
static unsigned find(const struct methods *methods, const char *name)
{
	size_t size = strlen(name);
	uint8_t *copy = unit_guard_copy(name, size);
	unsigned number = methods_find(methods, (struct span_text){(const char *)copy, size});

	unit_guard_free(copy, size);
	return number;
}

START_TEST(test_numbers)
{
	static char names[NAMES][NAME_SIZE];
	char other[NAME_SIZE];
	struct methods methods;
	int i;

	methods_init(&methods);
	for (i = 0; i < NAMES; i++) {
		name_make(names[i], _i, i);
		ck_assert_uint_eq(find(&methods, names[i]), METHODS_OTHER);
		ck_assert_int_eq(methods_add(&methods, names[i]), i + 1);
	}
	for (i = 0; i < NAMES; i++) {
		ck_assert_int_eq(methods_add(&methods, names[i]), i + 1);
		ck_assert_uint_eq(find(&methods, names[i]), i + 1);
		name_make(other, _i, NAMES + i);
		ck_assert_uint_eq(find(&methods, other), METHODS_OTHER);
	}
	ck_assert_uint_eq(methods.count, NAMES);
	methods_done(&methods);
}
END_TEST

/* Every size; the empty method is one like the others. */
START_TEST(test_sizes)
{
	static char names[NAMES][NAME_SIZE];
	struct methods methods;
	int i;

	methods_init(&methods);
	for (i = 0; i < NAMES; i++) {
		memset(names[i], 'm', i);
		ck_assert_int_eq(methods_add(&methods, names[i]), i + 1);
	}
	for (i = 0; i < NAMES; i++)
		ck_assert_uint_eq(find(&methods, names[i]), i + 1);
	methods_done(&methods);
}
END_TEST

START_TEST(test_none)
{
	struct methods methods;

	methods_init(&methods);
	ck_assert_uint_eq(find(&methods, "m"), METHODS_OTHER);
	ck_assert_uint_eq(find(&methods, ""), METHODS_OTHER);
	methods_done(&methods);
}
END_TEST

/* Without memory for more nothing is added, and what was there stays. */
START_TEST(test_no_memory)
{
	static char names[NAMES][NAME_SIZE];
	struct methods methods;
	int i, fails = 0;

	methods_init(&methods);
	for (i = 0; i < NAMES; i++) {
		name_make(names[i], 0, i);
		unit_alloc_fail_after(0);
		if (methods_add(&methods, names[i]) < 0) {
			unit_alloc_fail_never();
			fails++;
			ck_assert_uint_eq(find(&methods, names[i]), METHODS_OTHER);
			ck_assert_uint_eq(find(&methods, names[0]), i > 0 ? 1 : METHODS_OTHER);
			ck_assert_int_eq(methods_add(&methods, names[i]), i + 1);
		}
		unit_alloc_fail_never();
	}
	ck_assert_int_eq(fails, 10); /* at 0 and the powers of two up to 256 */
	methods_done(&methods);
}
END_TEST

/* The longest beginning counts, in whatever order they came; there are so many at most. */
START_TEST(test_patterns)
{
	static char names[METHODS_PATTERNS_MAX + 1][NAME_SIZE];
	struct methods methods;
	int i, at;

	methods_init(&methods);
	for (i = 0; i < METHODS_PATTERNS_MAX; i++) {
		at = (i * 7 + 3) % METHODS_PATTERNS_MAX; /* in no order */
		memset(names[i], 'm', at);
		strcpy(names[i] + at, "*");
		ck_assert_int_eq(methods_add(&methods, names[i]), i + 1);
	}
	ck_assert_int_eq(methods_add(&methods, names[0]), 1);
	ck_assert_int_eq(methods_add(&methods, "other*"), -1);
	ck_assert_int_eq(methods_add(&methods, "exact"), METHODS_PATTERNS_MAX + 1);
	for (i = 0; i < METHODS_PATTERNS_MAX; i++) {
		at = (int)strlen(names[i]) - 1;
		names[i][at] = '/';
		ck_assert_uint_eq(find(&methods, names[i]), i + 1);
	}
	ck_assert_uint_eq(find(&methods, "exact"), METHODS_PATTERNS_MAX + 1);
	methods_done(&methods);
}
END_TEST

/* Of two that are as long each finds its own; without one that fits there is none. */
START_TEST(test_patterns_alike)
{
	struct methods methods;

	methods_init(&methods);
	ck_assert_int_eq(methods_add(&methods, "a/*"), 1);
	ck_assert_int_eq(methods_add(&methods, "b/*"), 2);
	ck_assert_int_eq(methods_add(&methods, "b/c"), 3);
	ck_assert_int_eq(methods_add(&methods, "a/*"), 1);
	ck_assert_int_eq(methods_add(&methods, "b/*"), 2);
	ck_assert_uint_eq(find(&methods, "a/x"), 1);
	ck_assert_uint_eq(find(&methods, "b/x"), 2);
	ck_assert_uint_eq(find(&methods, "b/c"), 3);
	ck_assert_uint_eq(find(&methods, "b/"), 2);
	ck_assert_uint_eq(find(&methods, "b"), METHODS_OTHER);
	ck_assert_uint_eq(find(&methods, "c/x"), METHODS_OTHER);
	methods_done(&methods);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("methods");

	tcase_add_loop_test(tc, test_numbers, 0, sizeof rows / sizeof rows[0]);
	tcase_add_test(tc, test_sizes);
	tcase_add_test(tc, test_none);
	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_patterns);
	tcase_add_test(tc, test_patterns_alike);
	return unit_run("methods", tc);
}

/* Who has most: compared with a look at all of them, after random changes. */
#include "proxy/fullest.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

enum { MEMBERS = 100 };

static struct fullest fullest;
static struct fullest_member members[MEMBERS];
static bool there[MEMBERS];
static unsigned seed;

static void fullest_teardown(void)
{
	fullest_done(&fullest);
}

static unsigned random_below(unsigned limit)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % limit;
}

/* The one that has most, the first of those to have it; each member stands where it says. */
static void check(void)
{
	struct fullest_member *found = fullest_find(&fullest);
	struct fullest_member *most = NULL;
	size_t count = 0, i;

	for (i = 0; i < MEMBERS; i++) {
		if (!there[i])
			continue;
		count++;
		if (most == NULL || members[i].weight > most->weight ||
			(members[i].weight == most->weight && members[i].growth < most->growth))
			most = &members[i];
		ck_assert_ptr_eq(fullest.members[members[i].place], &members[i]);
	}
	ck_assert_uint_eq(fullest.count, count);
	ck_assert_ptr_eq(found, most);
}

/* Of those that have as much it is the one that has not grown for longest; a loss is no growth. */
START_TEST(test_equals)
{
	size_t i;

	for (i = 0; i < 3; i++)
		ck_assert_int_eq(fullest_add(&fullest, &members[i]), 0);
	ck_assert_ptr_eq(fullest_find(&fullest), &members[0]);
	fullest_set(&fullest, &members[0], 0);
	ck_assert_ptr_eq(fullest_find(&fullest), &members[1]);
	fullest_set(&fullest, &members[1], 2);
	fullest_set(&fullest, &members[2], 1);
	fullest_set(&fullest, &members[0], 1);
	fullest_set(&fullest, &members[1], 1);
	ck_assert_ptr_eq(fullest_find(&fullest), &members[1]);
	fullest_remove(&fullest, &members[1]);
	ck_assert_ptr_eq(fullest_find(&fullest), &members[2]);
}
END_TEST

START_TEST(test_random)
{
	int step;

	seed = (unsigned)_i;
	for (step = 0; step < 5000; step++) {
		unsigned i = random_below(MEMBERS);

		switch (random_below(8)) {
		case 0:
			if (there[i])
				fullest_remove(&fullest, &members[i]);
			else
				ck_assert_int_eq(fullest_add(&fullest, &members[i]), 0);
			there[i] = !there[i];
			break;
		case 1:
			check();
			break;
		case 2:
			if (random_below(50) == 0)
				fullest_rest(&fullest);
			break;
		default:
			if (there[i])
				fullest_set(&fullest, &members[i], random_below(20));
		}
	}
	check();
}
END_TEST

/* The last one to go takes the memory along; it can begin anew. */
START_TEST(test_empty)
{
	ck_assert_ptr_null(fullest_find(&fullest));
	ck_assert_int_eq(fullest_add(&fullest, &members[0]), 0);
	fullest_set(&fullest, &members[0], 5);
	ck_assert_ptr_eq(fullest_find(&fullest), &members[0]);
	fullest_remove(&fullest, &members[0]);
	ck_assert_ptr_null(fullest.members);
	ck_assert_ptr_null(fullest_find(&fullest));
	ck_assert_int_eq(fullest_add(&fullest, &members[1]), 0);
	ck_assert_uint_eq(members[1].weight, 0);
	ck_assert_ptr_eq(fullest_find(&fullest), &members[1]);
}
END_TEST

/* In no order that anybody asked for, nothing is moved. */
START_TEST(test_costs_nothing_unasked)
{
	size_t i;

	for (i = 0; i < MEMBERS; i++)
		ck_assert_int_eq(fullest_add(&fullest, &members[i]), 0);
	for (i = 0; i < MEMBERS; i++)
		fullest_set(&fullest, &members[i], i);
	for (i = 0; i < MEMBERS; i++)
		ck_assert_uint_eq(members[i].place, i);
	ck_assert_ptr_eq(fullest_find(&fullest), &members[MEMBERS - 1]);
	ck_assert_uint_eq(members[MEMBERS - 1].place, 0);
	fullest_rest(&fullest);
	fullest_set(&fullest, &members[3], 1000);
	ck_assert_uint_ne(members[3].place, 0);
	ck_assert_ptr_eq(fullest_find(&fullest), &members[3]);
}
END_TEST

START_TEST(test_no_memory)
{
	int result;
	size_t i;

	unit_alloc_fail_after(0);
	result = fullest_add(&fullest, &members[0]);
	unit_alloc_fail_never();
	ck_assert_int_eq(result, -1);
	for (i = 0; i < 8; i++)
		ck_assert_int_eq(fullest_add(&fullest, &members[i]), 0);
	unit_alloc_fail_after(0);
	result = fullest_add(&fullest, &members[8]);
	unit_alloc_fail_never();
	ck_assert_int_eq(result, -1);
	fullest_set(&fullest, &members[7], 1);
	ck_assert_ptr_eq(fullest_find(&fullest), &members[7]);
	ck_assert_uint_eq(fullest.count, 8);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("fullest");

	unit_fixture(NULL, fullest_teardown);
	tcase_add_loop_test(tc, test_random, 0, 20);
	tcase_add_test(tc, test_equals);
	tcase_add_test(tc, test_empty);
	tcase_add_test(tc, test_costs_nothing_unasked);
	tcase_add_test(tc, test_no_memory);
	return unit_run("fullest", tc);
}

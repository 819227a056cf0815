/* What was closed not long ago: known for a while, by its hash alone. */
#include "proxy/trace/follow/span_index.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct traceparent closed_spans_context(unsigned number)
{
	struct traceparent context = {.flags = 1};

	memcpy(context.span_id, &number, sizeof number);
	return context;
}

static void closed_spans_put(struct closed_spans *closed, uint64_t hash, unsigned number)
{
	struct traceparent context = closed_spans_context(number);

	closed_spans_remember(closed, hash, &context);
}

/* The number that was put there; 0: not known. */
static unsigned closed_spans_get(const struct closed_spans *closed, uint64_t hash)
{
	const struct traceparent *context = closed_spans_recall(closed, hash);
	unsigned number = 0;

	if (context != NULL)
		memcpy(&number, context->span_id, sizeof number);
	return number;
}

START_TEST(test_closed_spans_nothing)
{
	struct closed_spans closed = {.sets = NULL};

	ck_assert_uint_eq(closed_spans_get(&closed, 7), 0);
	closed_spans_put(&closed, 7, 1);
	ck_assert_uint_eq(closed_spans_get(&closed, 7), 1);
	ck_assert_uint_eq(closed_spans_get(&closed, 7 + CLOSED_SPANS_SETS), 0);
	ck_assert_uint_eq(closed_spans_get(&closed, 8), 0);
	closed_spans_done(&closed);
	ck_assert_uint_eq(closed_spans_get(&closed, 7), 0);
	closed_spans_done(&closed);
}
END_TEST

/* Of one set the last CLOSED_SPANS_WAYS are known; other sets are not touched. */
START_TEST(test_closed_spans_forgets)
{
	struct closed_spans closed = {.sets = NULL};
	unsigned i;

	closed_spans_put(&closed, 6, 1000);
	for (i = 1; i <= CLOSED_SPANS_WAYS + 1; i++)
		closed_spans_put(&closed, 5 + (uint64_t)i * CLOSED_SPANS_SETS, i);
	ck_assert_uint_eq(closed_spans_get(&closed, 5 + CLOSED_SPANS_SETS), 0);
	for (i = 2; i <= CLOSED_SPANS_WAYS + 1; i++)
		ck_assert_uint_eq(
			closed_spans_get(&closed, 5 + (uint64_t)i * CLOSED_SPANS_SETS), i);
	ck_assert_uint_eq(closed_spans_get(&closed, 6), 1000);
	closed_spans_done(&closed);
}
END_TEST

/* The same hash again takes its own place: it is the latest, and no other is forgotten. */
START_TEST(test_closed_spans_again)
{
	struct closed_spans closed = {.sets = NULL};
	unsigned i;

	for (i = 1; i <= CLOSED_SPANS_WAYS; i++)
		closed_spans_put(&closed, (uint64_t)i * CLOSED_SPANS_SETS, i);
	closed_spans_put(&closed, 2 * CLOSED_SPANS_SETS, 100);
	for (i = 1; i <= CLOSED_SPANS_WAYS; i++)
		ck_assert_uint_eq(closed_spans_get(&closed, (uint64_t)i * CLOSED_SPANS_SETS),
			i == 2 ? 100 : i);
	for (i = 90; i < 90 + CLOSED_SPANS_WAYS - 1; i++)
		closed_spans_put(&closed, (uint64_t)i * CLOSED_SPANS_SETS, i);
	ck_assert_uint_eq(closed_spans_get(&closed, CLOSED_SPANS_SETS), 0);
	ck_assert_uint_eq(closed_spans_get(&closed, 3 * CLOSED_SPANS_SETS), 0);
	ck_assert_uint_eq(closed_spans_get(&closed, 2 * CLOSED_SPANS_SETS), 100);
	closed_spans_done(&closed);
}
END_TEST

/* About so many are remembered of hashes at random: all that came last, hardly any of the first. */
START_TEST(test_closed_spans_size)
{
	struct closed_spans closed = {.sets = NULL};
	unsigned known = 0, i;

	for (i = 1; i <= 10000; i++)
		closed_spans_put(&closed, i * UINT64_C(0x9e3779b97f4a7c15), i);
	for (i = 1; i <= 10000; i++)
		if (closed_spans_get(&closed, i * UINT64_C(0x9e3779b97f4a7c15)) == i)
			known++;
	ck_assert_uint_eq(known, CLOSED_SPANS_SETS * CLOSED_SPANS_WAYS);
	ck_assert_uint_eq(closed_spans_get(&closed, 10000 * UINT64_C(0x9e3779b97f4a7c15)), 10000);
	closed_spans_done(&closed);
}
END_TEST

START_TEST(test_closed_spans_no_memory)
{
	struct closed_spans closed = {.sets = NULL};

	unit_alloc_fail_after(0);
	closed_spans_put(&closed, 7, 1);
	unit_alloc_fail_never();
	ck_assert_uint_eq(closed_spans_get(&closed, 7), 0);
	closed_spans_put(&closed, 7, 2);
	ck_assert_uint_eq(closed_spans_get(&closed, 7), 2);
	closed_spans_done(&closed);
}
END_TEST

/* What nobody has added to for long is given back, and begins anew. */
START_TEST(test_closed_spans_idle)
{
	struct closed_spans closed = {.sets = NULL};

	closed_spans_tick(&closed, 1000, 100);
	closed_spans_put(&closed, 7, 1);
	closed_spans_tick(&closed, 2000, 100);
	closed_spans_put(&closed, 8, 2);
	closed_spans_tick(&closed, 2050, 100);
	closed_spans_tick(&closed, 2149, 100);
	ck_assert_uint_eq(closed_spans_get(&closed, 7), 1);
	closed_spans_tick(&closed, 2150, 100);
	ck_assert_ptr_null(closed.sets);
	ck_assert_uint_eq(closed_spans_get(&closed, 7), 0);
	closed_spans_put(&closed, 7, 3);
	closed_spans_tick(&closed, 9000, 100);
	ck_assert_uint_eq(closed_spans_get(&closed, 7), 3);
	closed_spans_done(&closed);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("closed_spans");

	tcase_add_test(tc, test_closed_spans_nothing);
	tcase_add_test(tc, test_closed_spans_forgets);
	tcase_add_test(tc, test_closed_spans_again);
	tcase_add_test(tc, test_closed_spans_size);
	tcase_add_test(tc, test_closed_spans_idle);
	tcase_add_test(tc, test_closed_spans_no_memory);
	return unit_run("closed_spans", tc);
}

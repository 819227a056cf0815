/* What was closed not long ago: known for a while, by its hash alone. */
#include "proxy/trace/follow/history.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct traceparent history_context(unsigned number)
{
	struct traceparent context = {.flags = 1};

	memcpy(context.span_id, &number, sizeof number);
	return context;
}

static void history_put(struct history *history, uint64_t hash, unsigned number)
{
	struct traceparent context = history_context(number);

	history_remember(history, hash, &context);
}

/* The number that was put there; 0: not known. */
static unsigned history_get(const struct history *history, uint64_t hash)
{
	const struct traceparent *context = history_recall(history, hash);
	unsigned number = 0;

	if (context != NULL)
		memcpy(&number, context->span_id, sizeof number);
	return number;
}

START_TEST(test_history_nothing)
{
	struct history history = {.sets = NULL};

	ck_assert_uint_eq(history_get(&history, 7), 0);
	history_put(&history, 7, 1);
	ck_assert_uint_eq(history_get(&history, 7), 1);
	ck_assert_uint_eq(history_get(&history, 7 + HISTORY_SETS), 0);
	ck_assert_uint_eq(history_get(&history, 8), 0);
	history_done(&history);
	ck_assert_uint_eq(history_get(&history, 7), 0);
	history_done(&history);
}
END_TEST

/* Of one set the last HISTORY_WAYS are known; other sets are not touched. */
START_TEST(test_history_forgets)
{
	struct history history = {.sets = NULL};
	unsigned i;

	history_put(&history, 6, 1000);
	for (i = 1; i <= HISTORY_WAYS + 1; i++)
		history_put(&history, 5 + (uint64_t)i * HISTORY_SETS, i);
	ck_assert_uint_eq(history_get(&history, 5 + HISTORY_SETS), 0);
	for (i = 2; i <= HISTORY_WAYS + 1; i++)
		ck_assert_uint_eq(history_get(&history, 5 + (uint64_t)i * HISTORY_SETS), i);
	ck_assert_uint_eq(history_get(&history, 6), 1000);
	history_done(&history);
}
END_TEST

/* The same hash again takes its own place: it is the latest, and no other is forgotten. */
START_TEST(test_history_again)
{
	struct history history = {.sets = NULL};
	unsigned i;

	for (i = 1; i <= HISTORY_WAYS; i++)
		history_put(&history, (uint64_t)i * HISTORY_SETS, i);
	history_put(&history, 2 * HISTORY_SETS, 100);
	for (i = 1; i <= HISTORY_WAYS; i++)
		ck_assert_uint_eq(
			history_get(&history, (uint64_t)i * HISTORY_SETS), i == 2 ? 100 : i);
	for (i = 90; i < 90 + HISTORY_WAYS - 1; i++)
		history_put(&history, (uint64_t)i * HISTORY_SETS, i);
	ck_assert_uint_eq(history_get(&history, HISTORY_SETS), 0);
	ck_assert_uint_eq(history_get(&history, 3 * HISTORY_SETS), 0);
	ck_assert_uint_eq(history_get(&history, 2 * HISTORY_SETS), 100);
	history_done(&history);
}
END_TEST

/* About so many are remembered of hashes at random: all that came last, hardly any of the first. */
START_TEST(test_history_size)
{
	struct history history = {.sets = NULL};
	unsigned known = 0, i;

	for (i = 1; i <= 10000; i++)
		history_put(&history, i * UINT64_C(0x9e3779b97f4a7c15), i);
	for (i = 1; i <= 10000; i++)
		if (history_get(&history, i * UINT64_C(0x9e3779b97f4a7c15)) == i)
			known++;
	ck_assert_uint_eq(known, HISTORY_SETS * HISTORY_WAYS);
	ck_assert_uint_eq(history_get(&history, 10000 * UINT64_C(0x9e3779b97f4a7c15)), 10000);
	history_done(&history);
}
END_TEST

START_TEST(test_history_no_memory)
{
	struct history history = {.sets = NULL};

	unit_alloc_fail_after(0);
	history_put(&history, 7, 1);
	unit_alloc_fail_never();
	ck_assert_uint_eq(history_get(&history, 7), 0);
	history_put(&history, 7, 2);
	ck_assert_uint_eq(history_get(&history, 7), 2);
	history_done(&history);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("history");

	tcase_add_test(tc, test_history_nothing);
	tcase_add_test(tc, test_history_forgets);
	tcase_add_test(tc, test_history_again);
	tcase_add_test(tc, test_history_size);
	tcase_add_test(tc, test_history_no_memory);
	return unit_run("history", tc);
}

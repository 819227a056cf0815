/*
 * Hashes of what was given up: all of the last ones are known, for long enough, in bounded memory.
 */
#include "proxy/trace/follow/span_index.h"

#include "tests/unit/unit.h"

static struct evicted evicted;

static void evicted_teardown(void)
{
	evicted_done(&evicted);
}

/* As hashes are: numbers far from each other, the same for the same i. */
static uint64_t evicted_hash(uint64_t i)
{
	return (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static size_t evicted_known(uint64_t first, uint64_t count)
{
	size_t known = 0;
	uint64_t i;

	for (i = first; i < first + count; i++)
		known += evicted_knows(&evicted, evicted_hash(i));
	return known;
}

static size_t evicted_bytes(void)
{
	return (evicted.young.capacity + evicted.old.capacity) * sizeof *evicted.young.hashes;
}

/* However many there are, the last EVICTED_SET_MAX are known, and no others but real ones. */
START_TEST(test_evicted_many)
{
	uint64_t i;
	size_t forgotten;

	ck_assert(!evicted_knows(&evicted, evicted_hash(0)));
	for (i = 0; i < 5 * EVICTED_SET_MAX; i++) {
		forgotten = evicted_remember(&evicted, evicted_hash(i), i);
		ck_assert_uint_eq(forgotten,
			i > EVICTED_SET_MAX && i % EVICTED_SET_MAX == 0 ? EVICTED_SET_MAX : 0);
		ck_assert_uint_eq(evicted_remember(&evicted, evicted_hash(i), i), 0);
		if (i % 10007 == 0) {
			uint64_t last = i < EVICTED_SET_MAX ? i + 1 : EVICTED_SET_MAX;

			ck_assert_uint_eq(evicted_known(i + 1 - last, last), last);
			ck_assert_uint_eq(evicted_known(i + 1, 1000), 0);
		}
	}
	ck_assert_uint_eq(evicted_known(0, 3 * EVICTED_SET_MAX), 0);
	ck_assert_uint_le(evicted_bytes(), 1 << 20);
	ck_assert(!evicted_knows(&evicted, 0));
	(void)evicted_remember(&evicted, 0, 0);
	ck_assert(evicted_knows(&evicted, 0));
}
END_TEST

/* Those that meet in one place, up to the last one, from which it goes on at the first. */
START_TEST(test_evicted_meet)
{
	uint64_t i;

	for (i = 1; i <= 30; i++)
		(void)evicted_remember(&evicted, (i << 32) - 1, 1);
	for (i = 1; i <= 30; i++)
		ck_assert(evicted_knows(&evicted, (i << 32) - 1));
	ck_assert(!evicted_knows(&evicted, (i << 32) - 1));
	ck_assert(!evicted_knows(&evicted, 1));
}
END_TEST

/* Known for max_age at least, and for twice as long at most; then its memory is given back. */
START_TEST(test_evicted_age)
{
	evicted_tick(&evicted, 1000, 100);
	(void)evicted_remember(&evicted, evicted_hash(1), 1000);
	(void)evicted_remember(&evicted, evicted_hash(2), 1099);
	evicted_tick(&evicted, 1099, 100);
	ck_assert_uint_eq(evicted.old.count, 0);
	evicted_tick(&evicted, 1100, 100);
	ck_assert_uint_eq(evicted_known(1, 2), 2);
	evicted_tick(&evicted, 1199, 100);
	ck_assert_uint_eq(evicted_known(1, 2), 2);
	(void)evicted_remember(&evicted, evicted_hash(3), 1199);
	evicted_tick(&evicted, 1299, 100);
	ck_assert_uint_eq(evicted_known(1, 2), 0);
	ck_assert_uint_eq(evicted_known(3, 1), 1);
	evicted_tick(&evicted, 1399, 100);
	ck_assert_uint_eq(evicted_bytes(), 0);
	ck_assert_uint_eq(evicted_known(1, 3), 0);
}
END_TEST

/* What finds no memory is not remembered; what was is. */
START_TEST(test_evicted_no_memory)
{
	uint64_t i;

	unit_alloc_fail_after(0);
	(void)evicted_remember(&evicted, evicted_hash(0), 1);
	unit_alloc_fail_never();
	ck_assert_uint_eq(evicted_known(0, 1), 0);
	for (i = 0; i < 32; i++)
		(void)evicted_remember(&evicted, evicted_hash(i), 1);
	unit_alloc_fail_after(0);
	(void)evicted_remember(&evicted, evicted_hash(32), 1);
	unit_alloc_fail_never();
	ck_assert_uint_eq(evicted_known(0, 33), 32);
	(void)evicted_remember(&evicted, evicted_hash(33), 1);
	ck_assert_uint_eq(evicted_known(0, 34), 33);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("evicted");

	unit_fixture(NULL, evicted_teardown);
	tcase_add_test(tc, test_evicted_many);
	tcase_add_test(tc, test_evicted_meet);
	tcase_add_test(tc, test_evicted_age);
	tcase_add_test(tc, test_evicted_no_memory);
	return unit_run("evicted", tc);
}

/* ids: different, never zero, and not shared with a forked child. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "w3c/ids.h"

#define IDS_MANY 20000

static struct ids ids;

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, 8);
}

/* 20,000 ids of 64 bits: two alike by chance once in 90 thousand million runs. */
START_TEST(test_ids_differ)
{
	static uint8_t span_ids[IDS_MANY][8];
	size_t i;

	ids_init(&ids);
	for (i = 0; i < IDS_MANY; i++)
		ids_span_id(&ids, span_ids[i]);
	qsort(span_ids, IDS_MANY, sizeof *span_ids, compare_ids);
	for (i = 1; i < IDS_MANY; i++)
		ck_assert_mem_ne(span_ids[i - 1], span_ids[i], sizeof *span_ids);
}
END_TEST

/* All bits of an id move, and those of a trace id that the random flag speaks of. */
START_TEST(test_ids_every_bit_moves)
{
	uint8_t trace_id[16], ones[16] = {0}, zeros[16] = {0};
	size_t i, j;

	ids_init(&ids);
	for (i = 0; i < 256; i++) {
		ids_trace_id(&ids, trace_id);
		for (j = 0; j < sizeof trace_id; j++) {
			ones[j] |= trace_id[j];
			zeros[j] |= (uint8_t)~trace_id[j];
		}
	}
	for (j = 0; j < sizeof ones; j++)
		ck_assert_uint_eq(ones[j] & zeros[j], 0xff);
}
END_TEST

/* A pool that begins with zeros: they are no id. */
START_TEST(test_ids_never_zero)
{
	uint8_t id[16];
	static const uint8_t zero[16];

	ids_init(&ids);
	ids_random(&ids, id, 1);
	memset(ids.pool + ids.used, 0, 64);
	ids_trace_id(&ids, id);
	ck_assert_mem_ne(id, zero, sizeof id);
	ids_random(&ids, id, 1);
	memset(ids.pool + ids.used, 0, 64);
	ids_span_id(&ids, id);
	ck_assert_mem_ne(id, zero, 8);
}
END_TEST

/* Every size, at every fill of the pool that it meets on the way: nothing is handed out twice. */
START_TEST(test_ids_random_sizes)
{
	static uint8_t bytes[IDS_POOL_SIZE];
	size_t size;

	ids_init(&ids);
	for (size = 0; size <= sizeof bytes; size += 61) {
		ids_random(&ids, bytes, size);
		ck_assert_uint_le(ids.used, IDS_POOL_SIZE);
		ck_assert_uint_ge(ids.used, size);
		ck_assert_mem_eq(ids.pool + ids.used - size, bytes, size);
	}
	ids_random(&ids, bytes, sizeof bytes);
	ck_assert_uint_eq(ids.used, IDS_POOL_SIZE);
}
END_TEST

static void draw_in_child(uint8_t id[16])
{
	int ends[2], status;
	pid_t child;

	ck_assert_int_eq(pipe(ends), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		ids_trace_id(&ids, id);
		_exit(write(ends[1], id, 16) == 16 ? 0 : 1);
	}
	ck_assert_int_eq(read(ends[0], id, 16), 16);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

START_TEST(test_ids_fork)
{
	uint8_t before[16], first[16], second[16], parent[16];

	ids_init(&ids);
	ids_trace_id(&ids, before);
	draw_in_child(first);
	draw_in_child(second);
	ids_trace_id(&ids, parent);
	ck_assert_mem_ne(first, second, 16);
	ck_assert_mem_ne(first, parent, 16);
	ck_assert_mem_ne(second, parent, 16);
	ck_assert_mem_eq(ids.pool + 16, parent, 16); /* the parent's own pool lives on */
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ids");

	tcase_add_test(tc, test_ids_differ);
	tcase_add_test(tc, test_ids_every_bit_moves);
	tcase_add_test(tc, test_ids_never_zero);
	tcase_add_test(tc, test_ids_random_sizes);
	tcase_add_test(tc, test_ids_fork);
	return unit_run("ids", tc);
}

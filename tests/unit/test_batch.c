/* Batches and their queue: limits, what overflows, what is undone, sums. */
#include <stdint.h>
#include <string.h>

#include "exporter/batch.h"
#include "exporter/queue.h"
#include "tests/unit/unit.h"

static void append_name(struct text *text, const struct span *span)
{
	text_append(text, span->name.bytes, span->name.size);
}

static const struct batch_format format_example = {
	.append = append_name,
	.prefix = "<<",
	.prefix_size = 2,
	.separator = ',',
	.suffix = ">>",
	.suffix_size = 2,
	.spans_max = 3,
	.bytes_max = 20,
	.request_bytes_max = 30,
};

static enum batch_outcome append(struct batch *batch, const char *name)
{
	struct span span = {.name = {name, strlen(name)}};

	return batch_append(batch, &format_example, &span);
}

static void body_is(const struct batch *batch, const char *expected)
{
	ck_assert_uint_eq(batch->body.size, strlen(expected));
	ck_assert_mem_eq(batch->body.bytes, expected, strlen(expected));
}

START_TEST(test_full_by_count)
{
	struct batch *batch = batch_new();

	ck_assert_int_eq(append(batch, "a"), BATCH_APPENDED);
	ck_assert_int_eq(append(batch, "b"), BATCH_APPENDED);
	ck_assert_int_eq(append(batch, "c"), BATCH_FULL);
	batch_seal(batch, &format_example);
	body_is(batch, "<<a,b,c>>");
	ck_assert_uint_eq(batch->span_count, 3);
	batch_reset(batch);
	ck_assert_int_eq(append(batch, "d"), BATCH_APPENDED);
	body_is(batch, "<<d");
	batch_free(batch);
}
END_TEST

/* The size of one span, and what comes of it as the first and as the second. */
static const struct {
	const char *name;
	enum batch_outcome first, second;
} size_cases[] = {
	{"01234567890123", BATCH_APPENDED, BATCH_APPENDED},
	{"012345678901234", BATCH_APPENDED, BATCH_FULL},
	{"0123456789012345", BATCH_FULL, BATCH_OVERFLOW},
	{"01234567890123456789012345", BATCH_FULL, BATCH_OVERFLOW},
	{"012345678901234567890123456", BATCH_TOO_LARGE, BATCH_OVERFLOW},
};

START_TEST(test_sizes)
{
	struct batch *batch = batch_new();

	ck_assert_int_eq(append(batch, size_cases[_i].name), size_cases[_i].first);
	batch_reset(batch);
	ck_assert_int_eq(append(batch, ""), BATCH_APPENDED);
	ck_assert_int_eq(append(batch, size_cases[_i].name), size_cases[_i].second);
	if (size_cases[_i].second == BATCH_OVERFLOW) {
		batch_seal(batch, &format_example);
		body_is(batch, "<<>>");
	}
	batch_free(batch);
}
END_TEST

/* Far over the limit: not even the memory is asked for. */
START_TEST(test_huge)
{
	static char name[100000];
	struct batch *batch = batch_new();

	memset(name, 'x', sizeof name - 1);
	ck_assert_int_eq(append(batch, name), BATCH_TOO_LARGE);
	ck_assert_uint_le(batch->body.capacity, format_example.request_bytes_max + TEXT_SLACK);
	ck_assert_int_eq(append(batch, "a"), BATCH_APPENDED);
	ck_assert_int_eq(append(batch, name), BATCH_OVERFLOW);
	body_is(batch, "<<a");
	batch_free(batch);
}
END_TEST

START_TEST(test_no_memory)
{
	enum batch_outcome outcome = BATCH_APPENDED;
	struct batch *batch;

	unit_alloc_fail_after(0);
	batch = batch_new();
	unit_alloc_fail_never();
	ck_assert_ptr_null(batch);

	unit_alloc_fail_after(1);
	batch = batch_new();
	if (batch != NULL)
		outcome = append(batch, "a");
	unit_alloc_fail_never();
	ck_assert_int_eq(outcome, BATCH_NO_MEMORY);
	ck_assert_uint_eq(batch->span_count, 0);
	ck_assert_int_eq(append(batch, "a"), BATCH_APPENDED);
	body_is(batch, "<<a");
	batch_free(batch);
	batch_free(NULL);
}
END_TEST

static struct batch *batch_of(size_t span_count)
{
	struct batch *batch = batch_new();
	size_t i;

	ck_assert_ptr_nonnull(batch);
	for (i = 0; i < span_count; i++)
		ck_assert_int_ne(append(batch, "x"), BATCH_OVERFLOW);
	return batch;
}

START_TEST(test_queue)
{
	struct queue queue = {0};
	struct batch *a = batch_of(1), *b = batch_of(2), *c = batch_of(3);

	ck_assert_ptr_null(queue_pop(&queue));
	queue_push(&queue, a);
	queue_push(&queue, b);
	ck_assert_uint_eq(queue.span_count, 3);
	ck_assert_ptr_eq(queue_pop(&queue), a);
	queue_push(&queue, c);
	ck_assert_uint_eq(queue.batch_count, 2);
	ck_assert_uint_eq(queue.bytes, b->body.capacity + c->body.capacity);
	ck_assert_ptr_eq(queue_pop(&queue), b);
	ck_assert_ptr_eq(queue_pop(&queue), c);
	ck_assert_ptr_null(queue_pop(&queue));
	ck_assert_uint_eq(queue.bytes + queue.span_count + queue.batch_count, 0);
	queue_push(&queue, a);
	queue_push(&queue, b);
	queue_done(&queue); /* the leak checker sees whether it freed both */
	ck_assert_ptr_null(queue_pop(&queue));
	batch_free(c);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("batch");

	tcase_add_test(tc, test_full_by_count);
	tcase_add_loop_test(tc, test_sizes, 0, sizeof size_cases / sizeof *size_cases);
	tcase_add_test(tc, test_huge);
	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_queue);
	return unit_run("batch", tc);
}

/* A batch in two halves: the spans of both are those of the whole, in order, each with the text
 * around. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/batch.h"
#include "exporter/otlp/split.h"
#include "tests/unit/unit.h"

#define HEAD                                                                                       \
	"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"\\\"spans\\\":[\"}]},"      \
	"\"spans\":["
#define TAIL "]}]}]}"

static struct batch *make(const char *text, size_t span_count)
{
	struct batch *batch = batch_new();

	batch->body.limit = 4096;
	text_append(&batch->body, text, strlen(text));
	batch->span_count = span_count;
	batch->encoding = BATCH_JSON;
	return batch;
}

static void is_text(const struct batch *batch, const char *text, size_t span_count)
{
	ck_assert_uint_eq(batch->body.size, strlen(text));
	ck_assert_mem_eq(batch->body.bytes, text, strlen(text));
	ck_assert_uint_eq(batch->span_count, span_count);
	ck_assert_uint_eq(batch->encoding, BATCH_JSON);
}

static const struct {
	const char *whole;
	size_t span_count;
	const char *first, *second; /* NULL: cannot be split */
} cases[] = {
	{HEAD "{},{}" TAIL, 2, HEAD "{}" TAIL, HEAD "{}" TAIL},
	{HEAD "{\"a\":1},{\"b\":2},{\"c\":3}" TAIL, 3, HEAD "{\"a\":1}" TAIL,
		HEAD "{\"b\":2},{\"c\":3}" TAIL},
	{HEAD "{\"a\":\"},{\"},{\"b\":{\"c\":[{},{}]}}" TAIL, 2, HEAD "{\"a\":\"},{\"}" TAIL,
		HEAD "{\"b\":{\"c\":[{},{}]}}" TAIL},
	{HEAD "{\"a\":\"\\\"}\\\\\"},{\"b\":\"]\"}" TAIL, 2, HEAD "{\"a\":\"\\\"}\\\\\"}" TAIL,
		HEAD "{\"b\":\"]\"}" TAIL},
	{HEAD "{\"spans\":[{}]},{}" TAIL, 2, HEAD "{\"spans\":[{}]}" TAIL, HEAD "{}" TAIL},
	{HEAD "{}" TAIL, 2, NULL, NULL},
	{HEAD "{},{},{}" TAIL, 2, NULL, NULL},
	{HEAD "{},{}", 2, NULL, NULL},
	{HEAD "{},{}}", 2, NULL, NULL},
	{HEAD "{},{", 2, NULL, NULL},
	{HEAD "{},", 2, NULL, NULL},
	{HEAD "{}", 2, NULL, NULL},
	{HEAD "{", 2, NULL, NULL},
	{HEAD "{\"\\", 2, NULL, NULL},
	{HEAD "{}{}" TAIL, 2, NULL, NULL},
	{HEAD "1,2" TAIL, 2, NULL, NULL},
	{HEAD, 2, NULL, NULL},
	{"{}", 2, NULL, NULL},
	{"", 2, NULL, NULL},
};

START_TEST(test_cases)
{
	struct batch *batch = make(cases[_i].whole, cases[_i].span_count), *parts[2];
	int result = split_batch(batch, parts);

	ck_assert_int_eq(result, cases[_i].first != NULL ? 0 : -1);
	if (result == 0) {
		is_text(parts[0], cases[_i].first, cases[_i].span_count / 2);
		is_text(parts[1], cases[_i].second,
			cases[_i].span_count - cases[_i].span_count / 2);
		batch_free(parts[0]);
		batch_free(parts[1]);
	}
	batch_free(batch);
}
END_TEST

/* Cut anywhere it is not read beyond its end, and not split. */
START_TEST(test_cut)
{
	static const char whole[] = HEAD "{\"a\":\"}\\\"\"},{\"b\":{\"c\":[{},{}]}}" TAIL;
	struct batch batch = {.span_count = 2, .encoding = BATCH_JSON}, *parts[2];
	size_t size, tail_size = strlen(TAIL);

	for (size = 0; size <= strlen(whole) - tail_size; size++) {
		batch.body.bytes = (char *)unit_guard_copy(whole, size);
		batch.body.size = size;
		ck_assert_int_eq(split_batch(&batch, parts), -1);
		unit_guard_free((uint8_t *)batch.body.bytes, size);
	}
}
END_TEST

START_TEST(test_no_memory)
{
	struct batch *batch = make(cases[0].whole, 2), *parts[2];

	int result;

	unit_alloc_fail_after(_i);
	result = split_batch(batch, parts);
	unit_alloc_fail_never();
	ck_assert_int_eq(result, -1);
	batch_free(batch);
}
END_TEST

#define ROWS(cases) ((int)(sizeof(cases) / sizeof *(cases)))

int main(void)
{
	TCase *tc = tcase_create("split");

	unit_fixture(NULL, NULL);
	tcase_add_loop_test(tc, test_cases, 0, ROWS(cases));
	tcase_add_test(tc, test_cut);
	tcase_add_loop_test(tc, test_no_memory, 0, 4);
	return unit_run("split", tc);
}

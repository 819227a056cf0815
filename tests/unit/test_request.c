/* A request keeps copies of all that it is known by, in one piece of memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/requests/request.h"
#include "tests/unit/unit.h"

enum { VALUES_MAX = 64 };

static const struct {
	const char *key, *method, *id, *tracestate;
	size_t value_count;
	const char *value; /* of all values */
} rows[] = {
	{"n1", "thread/start", "1", "a=1,b=2", 0, NULL},
	{"n1", "thread/start", "1", "", 3, "some value"},
	{"s", "", "", "", 0, NULL},
	{"s", "m", "", "", 1, ""},
	{"sxyz", "turn/start", "xyz", "a=1", VALUES_MAX, "v"},
};

static const struct inflight inflight_none = {.seed = 7}; /* that it may go into */

/* A copy right before an unreadable page, so that reading too much is seen. */
static struct span_text text_guarded(const char *text)
{
	size_t size = strlen(text);

	return (struct span_text){(const char *)unit_guard_copy(text, size), size};
}

static void text_free(struct span_text text)
{
	unit_guard_free((uint8_t *)(uintptr_t)text.bytes, text.size);
}

static void text_is(struct span_text text, const char *expected)
{
	ck_assert_uint_eq(text.size, strlen(expected));
	ck_assert_ptr_nonnull(text.bytes);
	ck_assert_mem_eq(text.bytes, expected, text.size);
}

START_TEST(test_copies)
{
	struct span_text texts[] = {text_guarded(rows[_i].key), text_guarded(rows[_i].method),
		text_guarded(rows[_i].id), text_guarded(rows[_i].tracestate)};
	struct span_text value = text_guarded(rows[_i].value != NULL ? rows[_i].value : "");
	struct request_value values[VALUES_MAX];
	struct span_link links[] = {{"trace 1", "span 1"}, {"trace 2", "span 2"}}, kept[2];
	size_t link_count = (size_t)_i % 3, i;
	struct request_pool pool;
	struct request *request;

	request_pool_init(&pool);
	for (i = 0; i < rows[_i].value_count; i++)
		values[i] = (struct request_value){(uint8_t)(i + 1), value};
	request = request_new(&pool, &inflight_none,
		&(struct request_texts){
			.key = texts[0],
			.method = texts[1],
			.id = texts[2],
			.tracestate = texts[3],
			.links = links,
			.link_count = link_count,
			.values = values,
			.value_count = rows[_i].value_count,
		});
	ck_assert_ptr_nonnull(request);
	for (i = 0; i < sizeof texts / sizeof texts[0]; i++)
		text_free(texts[i]);
	text_free(value);
	memset(values, 0xff, sizeof values);

	text_is((struct span_text){request->entry.key, request->entry.key_size}, rows[_i].key);
	text_is(request->method, rows[_i].method);
	text_is(request->id, rows[_i].id);
	text_is(request->tracestate, rows[_i].tracestate);
	ck_assert_uint_eq(request->link_count, link_count);
	request_links(request, kept);
	ck_assert_mem_eq(kept, links, link_count * sizeof links[0]);
	ck_assert_uint_eq(request->value_count, rows[_i].value_count);
	for (i = 0; i < request->value_count; i++) {
		ck_assert_uint_eq(request->values[i].capture, i + 1);
		text_is(request_value(request, i), rows[_i].value);
	}
	request_free(&pool, request);
	request_pool_done(&pool);
}
END_TEST

/* As requests usually are, with a captured id of a thread: what one costs in all. */
START_TEST(test_small)
{
	struct request_value value = {0, {"0199a000-0000-7000-8000-000000000001", 36}};
	struct request_texts texts = {.key = {"n1234", 5},
		.method = {"thread/read", 11},
		.id = {"1234", 4},
		.values = &value,
		.value_count = 1};
	struct request_pool pool;
	struct request *request;

	request_pool_init(&pool);
	request = request_new(&pool, &inflight_none, &texts);
	ck_assert_uint_lt(request->bytes, 340);
	request_free(&pool, request);
	request_pool_done(&pool);
}
END_TEST

/* A text that is not there at all becomes an empty one. */
START_TEST(test_absent_texts)
{
	struct request_texts texts = {.key = {"n7", 2}};
	struct request_pool pool;
	struct request *request;

	request_pool_init(&pool);
	request = request_new(&pool, &inflight_none, &texts);
	ck_assert_ptr_nonnull(request);
	text_is(request->method, "");
	text_is(request->tracestate, "");
	request_free(&pool, request);
	request_pool_done(&pool);
}
END_TEST

/* Memory of the usual size is used again, as far as it is kept; a large request's is not. */
START_TEST(test_pool)
{
	char large[REQUEST_SIZE_USUAL];
	struct request_texts texts = {.key = {"n7", 2}}, large_texts = {.key = {"n8", 2}};
	struct request *requests[REQUEST_SPARES_MAX + 1], *request;
	struct request_pool pool;
	size_t i;

	memset(large, 'm', sizeof large);
	large_texts.method = (struct span_text){large, sizeof large};
	request_pool_init(&pool);
	for (i = 0; i <= REQUEST_SPARES_MAX; i++) {
		requests[i] = request_new(&pool, &inflight_none, &texts);
		ck_assert_ptr_nonnull(requests[i]);
	}
	for (i = 0; i <= REQUEST_SPARES_MAX; i++) {
		request_free(&pool, requests[i]);
		ck_assert_uint_eq(
			pool.spare_count, i < REQUEST_SPARES_MAX ? i + 1 : REQUEST_SPARES_MAX);
	}

	request = request_new(&pool, &inflight_none, &large_texts);
	ck_assert_ptr_nonnull(request);
	ck_assert_mem_eq(request->method.bytes, large, sizeof large);
	request_free(&pool, request);
	ck_assert_uint_eq(pool.spare_count, REQUEST_SPARES_MAX);

	unit_alloc_fail_after(0);
	for (i = 0; i <= REQUEST_SPARES_MAX; i++)
		requests[i] = request_new(&pool, &inflight_none, &texts);
	unit_alloc_fail_never();
	ck_assert_ptr_null(requests[REQUEST_SPARES_MAX]);
	for (i = 0; i < REQUEST_SPARES_MAX; i++) {
		ck_assert_ptr_nonnull(requests[i]);
		text_is((struct span_text){requests[i]->entry.key, requests[i]->entry.key_size},
			"n7");
		request_free(&pool, requests[i]);
	}
	request_pool_done(&pool);
}
END_TEST

START_TEST(test_no_memory)
{
	struct span_text text = {"x", 1};
	struct request_texts texts = {.key = text, .method = text, .id = text, .tracestate = text};
	struct request_pool pool;
	struct request *request;

	request_pool_init(&pool);
	unit_alloc_fail_after(0);
	request = request_new(&pool, &inflight_none, &texts);
	unit_alloc_fail_never();
	ck_assert_ptr_null(request);
	request_pool_done(&pool);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("request");

	tcase_add_loop_test(tc, test_copies, 0, sizeof rows / sizeof rows[0]);
	tcase_add_test(tc, test_small);
	tcase_add_test(tc, test_absent_texts);
	tcase_add_test(tc, test_pool);
	tcase_add_test(tc, test_no_memory);
	return unit_run("request", tc);
}

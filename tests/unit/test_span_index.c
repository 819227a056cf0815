/* The table of open spans: all ways to find one, against a list that is searched end to end. */
#include "proxy/trace/follow/span_index.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

enum { LIVES = 200, STEPS = 5000, TYPES = 3 };

static struct open_span_budget span_index_room;

static void span_index_key(struct key *key, const char *first, const char *last)
{
	key_init(key, 0);
	ck_assert(key_add(key, (struct span_text){first, strlen(first)}));
	if (last != NULL)
		ck_assert(key_add(key, (struct span_text){last, strlen(last)}));
}

static struct open_span *span_index_live(
	size_t type, const char *first, const char *last, const char *call)
{
	static const struct lifecycle_span row = {.name = (char *)(uintptr_t) "row"};
	struct open_span_identity identity = {.type = (uint8_t)type, .row = &row};
	struct open_span *span;
	struct key key;

	span_index_key(&key, first, last);
	identity.key = &key;
	identity.call = (struct span_text){call, strlen(call)};
	span = open_span_new(&identity);
	ck_assert_ptr_nonnull(span);
	span->listed = true;
	return span;
}

static void span_index_drop(struct span_index *by_key, struct open_span *span)
{
	span_index_remove(by_key, span);
	open_span_free(span, &span_index_room);
}

static struct open_span *span_index_get(
	const struct span_index *by_key, size_t type, const char *first, const char *last)
{
	struct key key;

	span_index_key(&key, first, last);
	return span_index_find_key(by_key, type, &key, key.count);
}

/* The first part of a key, as groups are found. */
static struct span_index_entry *span_index_group(
	const struct span_index *by_key, size_t type, const char *first)
{
	struct key key;

	span_index_key(&key, first, NULL);
	return span_index_find(
		by_key, SPAN_INDEX_GROUP, type, (struct span_text){key.bytes, key_size(&key)});
}

/* By key, alias, group, last part and call; of its own type only. */
START_TEST(test_registry_roles)
{
	struct open_span *span = span_index_live(1, "t", "u", ""),
			 *call = span_index_live(2, "t", "u", "7");
	struct span_index by_key;
	struct span_index_entry *entry;
	struct key key;

	span_index_init(&by_key, 1);
	ck_assert_ptr_null(span_index_get(&by_key, 1, "t", "u")); /* without a table */
	ck_assert_int_eq(span_index_add(&by_key, span, true), 0);
	ck_assert_int_eq(span_index_add(&by_key, call, false), 0);
	span_index_key(&key, "t", "alias");
	ck_assert_int_eq(span_index_alias(&by_key, span, span->type, &key), 0);
	ck_assert_ptr_eq(span_index_get(&by_key, 1, "t", "u"), span);
	ck_assert_ptr_eq(span_index_get(&by_key, 1, "t", "alias"), span);
	ck_assert_ptr_null(span_index_get(&by_key, 0, "t", "u"));
	ck_assert_ptr_null(span_index_get(&by_key, 2, "t", "u")); /* a call has no such key */
	ck_assert_ptr_null(span_index_get(&by_key, 1, "tu", NULL));
	ck_assert_ptr_null(span_index_get(&by_key, 1, "t", NULL));
	entry = span_index_group(&by_key, 1, "t");
	ck_assert_ptr_nonnull(entry);
	ck_assert_ptr_eq(entry->span, span);
	ck_assert_ptr_null(span_index_next(entry));
	span_index_key(&key, "u", NULL);
	entry = span_index_find(
		&by_key, SPAN_INDEX_ID, 1, (struct span_text){key.bytes, key_size(&key)});
	ck_assert_ptr_nonnull(entry);
	ck_assert_ptr_eq(entry->span, span);
	entry = span_index_find(&by_key, SPAN_INDEX_CALL, 2, (struct span_text){"7", 1});
	ck_assert_ptr_nonnull(entry);
	ck_assert_ptr_eq(entry->span, call);
	ck_assert_ptr_null(
		span_index_find(&by_key, SPAN_INDEX_CALL, 1, (struct span_text){"7", 1}));
	span_index_drop(&by_key, span);
	ck_assert_ptr_null(span_index_get(&by_key, 1, "t", "alias"));
	ck_assert_ptr_eq(TAILQ_FIRST(&by_key.ages), call);
	ck_assert_ptr_null(TAILQ_NEXT(call, age));
	span_index_drop(&by_key, call);
	span_index_done(&by_key);
}
END_TEST

/* Parts are told apart: "ab" and "c" are not "a" and "bc". */
START_TEST(test_registry_parts)
{
	struct open_span *span = span_index_live(0, "ab", "c", "");
	struct span_index by_key;

	span_index_init(&by_key, 1);
	ck_assert_int_eq(span_index_add(&by_key, span, false), 0);
	ck_assert_ptr_null(span_index_get(&by_key, 0, "a", "bc"));
	ck_assert_ptr_eq(span_index_get(&by_key, 0, "ab", "c"), span);
	ck_assert_ptr_null(span_index_group(&by_key, 0, "ab")); /* it is not grouped */
	span_index_drop(&by_key, span);
	span_index_done(&by_key);
}
END_TEST

/* Of a group the latest come first, however often the table has grown. */
START_TEST(test_registry_order)
{
	struct open_span *lives[LIVES];
	struct span_index by_key;
	struct span_index_entry *entry;
	char last[16];
	int i;

	span_index_init(&by_key, 1);
	for (i = 0; i < LIVES; i++) {
		snprintf(last, sizeof last, "%d", i);
		lives[i] = span_index_live(0, "t", last, "");
		ck_assert_int_eq(span_index_add(&by_key, lives[i], true), 0);
	}
	entry = span_index_group(&by_key, 0, "t");
	for (i = LIVES - 1; i >= 0; i--, entry = span_index_next(entry)) {
		ck_assert_ptr_nonnull(entry);
		ck_assert_ptr_eq(entry->span, lives[i]);
	}
	ck_assert_ptr_null(entry);
	ck_assert_ptr_eq(TAILQ_FIRST(&by_key.ages), lives[0]);
	for (i = 0; i < LIVES; i++)
		span_index_drop(&by_key, lives[i]);
	span_index_done(&by_key);
}
END_TEST

static uint64_t span_index_chance(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 20;
}

/* Five thousand times one is added or taken out at random: what is in it is found, alone. */
START_TEST(test_registry_model)
{
	struct open_span *lives[TYPES][LIVES] = {{NULL}};
	uint64_t state = 42;
	struct span_index by_key;
	size_t count = 0;
	char last[16];
	int step;

	span_index_init(&by_key, 7);
	for (step = 0; step < STEPS; step++) {
		size_t type = span_index_chance(&state) % TYPES;
		size_t which = span_index_chance(&state) % LIVES;
		struct open_span **span = &lives[type][which];

		snprintf(last, sizeof last, "%zu", which);
		if (span_index_get(&by_key, type, "t", last) != *span)
			ck_abort_msg("step %d", step);
		if (*span == NULL) {
			*span = span_index_live(type, "t", last, "");
			ck_assert_int_eq(span_index_add(&by_key, *span, true), 0);
			count++;
		} else {
			span_index_drop(&by_key, *span);
			*span = NULL;
			count--;
		}
		ck_assert_uint_eq(by_key.entry_count, 3 * count);
	}
	while (!TAILQ_EMPTY(&by_key.ages))
		span_index_drop(&by_key, TAILQ_FIRST(&by_key.ages));
	span_index_done(&by_key);
}
END_TEST

/*
 * After a peak the table is as large as what is left in it needs, at most four times; of a group
 * the latest still come first. An empty one has no memory.
 */
START_TEST(test_registry_trim)
{
	enum { LEFT = 5 };
	struct open_span *lives[LIVES];
	struct span_index_entry *entry;
	struct span_index by_key;
	size_t peak;
	char last[16];
	int i;

	span_index_init(&by_key, 1);
	span_index_trim(&by_key);
	for (i = 0; i < LIVES; i++) {
		snprintf(last, sizeof last, "%d", i);
		lives[i] = span_index_live(0, "t", last, "");
		ck_assert_int_eq(span_index_add(&by_key, lives[i], true), 0);
	}
	peak = by_key.capacity;
	ck_assert_uint_ge(peak, 3 * LIVES);
	span_index_trim(&by_key); /* it is in use */
	ck_assert_uint_eq(by_key.capacity, peak);
	for (i = 0; i < LIVES - LEFT; i++)
		span_index_drop(&by_key, lives[i]);
	ck_assert_uint_eq(by_key.capacity, peak);
	unit_alloc_fail_after(0);
	span_index_trim(&by_key);
	unit_alloc_fail_never();
	ck_assert_uint_eq(by_key.capacity, peak);
	span_index_trim(&by_key);
	ck_assert_uint_ge(by_key.capacity, 3 * LEFT);
	ck_assert_uint_le(by_key.capacity, 4 * 3 * LEFT);
	entry = span_index_group(&by_key, 0, "t");
	for (i = LIVES - 1; i >= LIVES - LEFT; i--, entry = span_index_next(entry)) {
		snprintf(last, sizeof last, "%d", i);
		ck_assert_ptr_eq(span_index_get(&by_key, 0, "t", last), lives[i]);
		ck_assert_ptr_nonnull(entry);
		ck_assert_ptr_eq(entry->span, lives[i]);
	}
	ck_assert_ptr_null(entry);
	for (i = LIVES - LEFT; i < LIVES; i++)
		span_index_drop(&by_key, lives[i]);
	span_index_trim(&by_key);
	ck_assert_ptr_null(by_key.buckets);
	ck_assert_ptr_null(span_index_get(&by_key, 0, "t", "1"));
	span_index_done(&by_key);
}
END_TEST

/* A span of OPEN_SPAN_ALIASES_MAX other keys gets no more. */
START_TEST(test_registry_aliases_max)
{
	struct open_span *span = span_index_live(0, "t", "u", "");
	struct span_index by_key;
	struct key key;
	char text[16];
	int i;

	span_index_init(&by_key, 1);
	ck_assert_int_eq(span_index_add(&by_key, span, true), 0);
	for (i = 0; i <= OPEN_SPAN_ALIASES_MAX; i++) {
		snprintf(text, sizeof text, "%d", i);
		span_index_key(&key, "t", text);
		ck_assert_int_eq(span_index_alias(&by_key, span, span->type, &key),
			i < OPEN_SPAN_ALIASES_MAX ? 0 : -1);
		ck_assert_ptr_eq(span_index_get(&by_key, 0, "t", text),
			i < OPEN_SPAN_ALIASES_MAX ? span : NULL);
	}
	span_index_drop(&by_key, span);
	span_index_done(&by_key);
}
END_TEST

/* Without memory for a table nothing is added; for a larger one, all is found in the small one. */
START_TEST(test_registry_no_memory)
{
	struct open_span *lives[LIVES];
	struct span_index by_key;
	struct key key;
	char last[16];
	int i;

	span_index_init(&by_key, 1);
	for (i = 0; i < LIVES; i++) {
		snprintf(last, sizeof last, "%d", i);
		lives[i] = span_index_live(0, "t", last, "");
	}
	unit_alloc_fail_after(0);
	i = span_index_add(&by_key, lives[0], true);
	unit_alloc_fail_never();
	ck_assert_int_eq(i, -1);
	ck_assert(TAILQ_EMPTY(&by_key.ages));
	ck_assert_int_eq(span_index_add(&by_key, lives[0], true), 0);
	span_index_key(&key, "t", "alias");
	unit_alloc_fail_after(0);
	i = span_index_alias(&by_key, lives[0], lives[0]->type, &key);
	unit_alloc_fail_never();
	ck_assert_int_eq(i, -1);
	unit_alloc_fail_after(0);
	for (i = 1; i < LIVES; i++)
		if (span_index_add(&by_key, lives[i], true) != 0)
			break;
	unit_alloc_fail_never();
	ck_assert_int_eq(i, LIVES);
	ck_assert(unit_alloc_failed());
	for (i = 0; i < LIVES; i++) {
		snprintf(last, sizeof last, "%d", i);
		ck_assert_ptr_eq(span_index_get(&by_key, 0, "t", last), lives[i]);
		span_index_drop(&by_key, lives[i]);
	}
	span_index_done(&by_key);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("registry");

	tcase_add_test(tc, test_registry_roles);
	tcase_add_test(tc, test_registry_parts);
	tcase_add_test(tc, test_registry_order);
	tcase_add_test(tc, test_registry_model);
	tcase_add_test(tc, test_registry_trim);
	tcase_add_test(tc, test_registry_aliases_max);
	tcase_add_test(tc, test_registry_no_memory);
	return unit_run("registry", tc);
}

/* The table of open spans: all ways to find one, against a list that is searched end to end. */
#include "proxy/trace/follow/registry.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

enum { LIVES = 200, STEPS = 5000, TYPES = 3 };

static struct live_room registry_room;

static void registry_key(struct key *key, const char *first, const char *last)
{
	key->count = 0;
	ck_assert(key_add(key, (struct span_text){first, strlen(first)}));
	if (last != NULL)
		ck_assert(key_add(key, (struct span_text){last, strlen(last)}));
}

static struct live *registry_live(
	size_t type, const char *first, const char *last, const char *call)
{
	static const struct lifecycle_span row = {.name = (char *)(uintptr_t) "row"};
	struct live_identity identity = {.type = (uint8_t)type, .row = &row};
	struct live *live;
	struct key key;

	registry_key(&key, first, last);
	identity.key = &key;
	identity.call = (struct span_text){call, strlen(call)};
	live = live_new(&identity);
	ck_assert_ptr_nonnull(live);
	return live;
}

static void registry_drop(struct registry *registry, struct live *live)
{
	registry_remove(registry, live);
	live_free(live, &registry_room);
}

static struct live *registry_get(
	const struct registry *registry, size_t type, const char *first, const char *last)
{
	struct key key;

	registry_key(&key, first, last);
	return registry_find_key(registry, type, &key, key.count);
}

/* The first part of a key, as groups are found. */
static struct registry_entry *registry_group(
	const struct registry *registry, size_t type, const char *first)
{
	struct key key;

	registry_key(&key, first, NULL);
	return registry_find(
		registry, REGISTRY_GROUP, type, (struct span_text){key.bytes, key_size(&key)});
}

/* By key, alias, group, last part and call; of its own type only. */
START_TEST(test_registry_roles)
{
	struct live *live = registry_live(1, "t", "u", ""), *call = registry_live(2, "t", "u", "7");
	struct registry registry;
	struct registry_entry *entry;
	struct key key;

	registry_init(&registry, 1);
	ck_assert_ptr_null(registry_get(&registry, 1, "t", "u")); /* without a table */
	ck_assert_int_eq(registry_add(&registry, live, true), 0);
	ck_assert_int_eq(registry_add(&registry, call, false), 0);
	registry_key(&key, "t", "alias");
	ck_assert_int_eq(registry_alias(&registry, live, &key), 0);
	ck_assert_ptr_eq(registry_get(&registry, 1, "t", "u"), live);
	ck_assert_ptr_eq(registry_get(&registry, 1, "t", "alias"), live);
	ck_assert_ptr_null(registry_get(&registry, 0, "t", "u"));
	ck_assert_ptr_null(registry_get(&registry, 2, "t", "u")); /* a call has no such key */
	ck_assert_ptr_null(registry_get(&registry, 1, "tu", NULL));
	ck_assert_ptr_null(registry_get(&registry, 1, "t", NULL));
	entry = registry_group(&registry, 1, "t");
	ck_assert_ptr_nonnull(entry);
	ck_assert_ptr_eq(entry->live, live);
	ck_assert_ptr_null(registry_next(entry));
	registry_key(&key, "u", NULL);
	entry = registry_find(
		&registry, REGISTRY_ID, 1, (struct span_text){key.bytes, key_size(&key)});
	ck_assert_ptr_nonnull(entry);
	ck_assert_ptr_eq(entry->live, live);
	entry = registry_find(&registry, REGISTRY_CALL, 2, (struct span_text){"7", 1});
	ck_assert_ptr_nonnull(entry);
	ck_assert_ptr_eq(entry->live, call);
	ck_assert_ptr_null(registry_find(&registry, REGISTRY_CALL, 1, (struct span_text){"7", 1}));
	registry_drop(&registry, live);
	ck_assert_ptr_null(registry_get(&registry, 1, "t", "alias"));
	ck_assert_uint_eq(registry.live_count, 1);
	registry_drop(&registry, call);
	registry_done(&registry);
}
END_TEST

/* Parts are told apart: "ab" and "c" are not "a" and "bc". */
START_TEST(test_registry_parts)
{
	struct live *live = registry_live(0, "ab", "c", "");
	struct registry registry;

	registry_init(&registry, 1);
	ck_assert_int_eq(registry_add(&registry, live, false), 0);
	ck_assert_ptr_null(registry_get(&registry, 0, "a", "bc"));
	ck_assert_ptr_eq(registry_get(&registry, 0, "ab", "c"), live);
	ck_assert_ptr_null(registry_group(&registry, 0, "ab")); /* it is not grouped */
	registry_drop(&registry, live);
	registry_done(&registry);
}
END_TEST

/* Of a group the latest come first, however often the table has grown. */
START_TEST(test_registry_order)
{
	struct live *lives[LIVES];
	struct registry registry;
	struct registry_entry *entry;
	char last[16];
	int i;

	registry_init(&registry, 1);
	for (i = 0; i < LIVES; i++) {
		snprintf(last, sizeof last, "%d", i);
		lives[i] = registry_live(0, "t", last, "");
		ck_assert_int_eq(registry_add(&registry, lives[i], true), 0);
	}
	entry = registry_group(&registry, 0, "t");
	for (i = LIVES - 1; i >= 0; i--, entry = registry_next(entry)) {
		ck_assert_ptr_nonnull(entry);
		ck_assert_ptr_eq(entry->live, lives[i]);
	}
	ck_assert_ptr_null(entry);
	ck_assert_ptr_eq(TAILQ_FIRST(&registry.ages), lives[0]);
	for (i = 0; i < LIVES; i++)
		registry_drop(&registry, lives[i]);
	registry_done(&registry);
}
END_TEST

static uint64_t registry_chance(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 20;
}

/* Five thousand times one is added or taken out at random: what is in it is found, alone. */
START_TEST(test_registry_model)
{
	struct live *lives[TYPES][LIVES] = {{NULL}};
	uint64_t state = 42;
	struct registry registry;
	size_t count = 0;
	char last[16];
	int step;

	registry_init(&registry, 7);
	for (step = 0; step < STEPS; step++) {
		size_t type = registry_chance(&state) % TYPES;
		size_t which = registry_chance(&state) % LIVES;
		struct live **live = &lives[type][which];

		snprintf(last, sizeof last, "%zu", which);
		if (registry_get(&registry, type, "t", last) != *live)
			ck_abort_msg("step %d", step);
		if (*live == NULL) {
			*live = registry_live(type, "t", last, "");
			ck_assert_int_eq(registry_add(&registry, *live, true), 0);
			count++;
		} else {
			registry_drop(&registry, *live);
			*live = NULL;
			count--;
		}
		ck_assert_uint_eq(registry.live_count, count);
		ck_assert_uint_eq(registry.entry_count, 3 * count);
	}
	while (!TAILQ_EMPTY(&registry.ages))
		registry_drop(&registry, TAILQ_FIRST(&registry.ages));
	registry_done(&registry);
}
END_TEST

/* A span of LIVE_ALIASES_MAX other keys gets no more. */
START_TEST(test_registry_aliases_max)
{
	struct live *live = registry_live(0, "t", "u", "");
	struct registry registry;
	struct key key;
	char text[16];
	int i;

	registry_init(&registry, 1);
	ck_assert_int_eq(registry_add(&registry, live, true), 0);
	for (i = 0; i <= LIVE_ALIASES_MAX; i++) {
		snprintf(text, sizeof text, "%d", i);
		registry_key(&key, "t", text);
		ck_assert_int_eq(
			registry_alias(&registry, live, &key), i < LIVE_ALIASES_MAX ? 0 : -1);
		ck_assert_ptr_eq(
			registry_get(&registry, 0, "t", text), i < LIVE_ALIASES_MAX ? live : NULL);
	}
	registry_drop(&registry, live);
	registry_done(&registry);
}
END_TEST

/* Without memory for a table nothing is added; for a larger one, all is found in the small one. */
START_TEST(test_registry_no_memory)
{
	struct live *lives[LIVES];
	struct registry registry;
	struct key key;
	char last[16];
	int i;

	registry_init(&registry, 1);
	for (i = 0; i < LIVES; i++) {
		snprintf(last, sizeof last, "%d", i);
		lives[i] = registry_live(0, "t", last, "");
	}
	unit_alloc_fail_after(0);
	i = registry_add(&registry, lives[0], true);
	unit_alloc_fail_never();
	ck_assert_int_eq(i, -1);
	ck_assert_uint_eq(registry.live_count, 0);
	ck_assert_int_eq(registry_add(&registry, lives[0], true), 0);
	registry_key(&key, "t", "alias");
	unit_alloc_fail_after(0);
	i = registry_alias(&registry, lives[0], &key);
	unit_alloc_fail_never();
	ck_assert_int_eq(i, -1);
	unit_alloc_fail_after(0);
	for (i = 1; i < LIVES; i++)
		if (registry_add(&registry, lives[i], true) != 0)
			break;
	unit_alloc_fail_never();
	ck_assert_int_eq(i, LIVES);
	ck_assert(unit_alloc_failed());
	for (i = 0; i < LIVES; i++) {
		snprintf(last, sizeof last, "%d", i);
		ck_assert_ptr_eq(registry_get(&registry, 0, "t", last), lives[i]);
		registry_drop(&registry, lives[i]);
	}
	registry_done(&registry);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("registry");

	tcase_add_test(tc, test_registry_roles);
	tcase_add_test(tc, test_registry_parts);
	tcase_add_test(tc, test_registry_order);
	tcase_add_test(tc, test_registry_model);
	tcase_add_test(tc, test_registry_aliases_max);
	tcase_add_test(tc, test_registry_no_memory);
	return unit_run("registry", tc);
}

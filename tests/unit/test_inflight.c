/* The table of waiting requests, against a list that is searched from end to end. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/requests/request.h"
#include "tests/unit/unit.h"

enum { KEY_MAX = 40, KEYS = 300, STEPS = 30000, WRAP_CAPACITY = 8, WRAP_ENTRIES = 6 };

struct item {
	struct inflight_entry entry;
	char key[KEY_MAX];
};

/* The entries that are in the table, oldest first. */
struct model {
	struct item *items[KEYS];
	size_t count;
};

static void item_set(struct item *item, const char *key, size_t key_size)
{
	ck_assert_uint_le(key_size, sizeof item->key);
	memcpy(item->key, key, key_size);
	item->entry.key = item->key;
	item->entry.key_size = (uint16_t)key_size;
}

static int item_add(struct inflight *inflight, struct item *item)
{
	item->entry.hash = inflight_hash(inflight, item->entry.key, item->entry.key_size);
	return inflight_add(inflight, &item->entry);
}

static struct inflight_entry *key_find(
	const struct inflight *inflight, const char *key, size_t key_size)
{
	return inflight_find(inflight, key, key_size, inflight_hash(inflight, key, key_size));
}

static struct item *item_find(const struct inflight *inflight, const struct item *item)
{
	return (struct item *)key_find(inflight, item->key, item->entry.key_size);
}

/* --- against the model --- */

static size_t model_find(const struct model *model, const struct item *item)
{
	size_t i = 0;

	while (i < model->count && model->items[i] != item)
		i++;
	return i;
}

/* The same entries, in the same order forwards and backwards. */
static bool model_agrees(const struct model *model, const struct inflight *inflight)
{
	const struct inflight_entry *entry = inflight->oldest, *before = NULL;
	size_t i;

	for (i = 0; i < model->count; i++, before = entry, entry = entry->newer)
		if (entry != &model->items[i]->entry || entry->older != before)
			return false;
	return entry == NULL && inflight->newest == before && inflight->count == model->count &&
	       4 * inflight->count <= 3 * inflight->capacity;
}

/* Of all items those are found that are in the model. */
static bool model_finds(
	const struct model *model, const struct inflight *inflight, const struct item *items)
{
	size_t i;

	for (i = 0; i < KEYS; i++)
		if ((item_find(inflight, &items[i]) == &items[i]) !=
			(model_find(model, &items[i]) < model->count))
			return false;
	return true;
}

static void model_remove(struct model *model, size_t i)
{
	model->count--;
	memmove(&model->items[i], &model->items[i + 1],
		(model->count - i) * sizeof model->items[0]);
}

static uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Keys of all sizes from none at all; those of the same size differ in one byte. */
static struct item *items_make(void)
{
	struct item *items = calloc(KEYS, sizeof *items);
	char key[KEY_MAX];
	size_t i, size;

	ck_assert_ptr_nonnull(items);
	item_set(&items[0], "", 0);
	for (i = 1; i < KEYS; i++) {
		size = 1 + i % KEY_MAX;
		memset(key, 's', size);
		key[i % size] = (char)(i / KEY_MAX); /* 0 among them */
		item_set(&items[i], key, size);
	}
	return items;
}

/* One step: what is in the table comes out, what is not goes in. */
static void step(struct model *model, struct inflight *inflight, struct item *item)
{
	size_t i = model_find(model, item);

	if (i < model->count) {
		inflight_remove(inflight, &item->entry);
		model_remove(model, i);
	} else {
		if (item_add(inflight, item) != 0)
			ck_abort();
		model->items[model->count++] = item;
	}
}

START_TEST(test_random)
{
	struct item *items = items_make();
	struct model model = {.count = 0};
	uint32_t state = (uint32_t)_i * 0x9e3779b9u + 1;
	struct inflight inflight;
	size_t i, spread;

	inflight_init(&inflight, (uint64_t)_i * 0x123456789abcdefull);
	for (i = 0; i < STEPS; i++) {
		spread = i / 2000 % 2 == 0 ? KEYS : 7; /* a full table, then a few keys often */
		step(&model, &inflight, &items[random_next(&state) % spread]);
		if (i % 97 == 0)
			ck_assert(model_agrees(&model, &inflight) &&
				  model_finds(&model, &inflight, items));
	}
	while (model.count > 0) /* by age, as an expiry does */
		step(&model, &inflight, (struct item *)inflight.oldest);
	ck_assert(model_agrees(&model, &inflight));
	inflight_done(&inflight);
	free(items);
}
END_TEST

/* --- chains that wrap around the end of the table --- */

/* Six keys that want the last two slots of the smallest table, or its first one. */
static void wrap_keys(struct item *items, uint64_t seed)
{
	static const size_t homes[WRAP_ENTRIES] = {7, 7, 6, 0, 7, 6};
	struct inflight inflight;
	size_t found = 0;
	char key[16];
	int number;

	inflight_init(&inflight, seed);
	for (number = 0; found < WRAP_ENTRIES; number++) {
		struct item *item = &items[found];

		item_set(item, key, (size_t)snprintf(key, sizeof key, "n%d", number));
		ck_assert_int_eq(item_add(&inflight, item), 0);
		ck_assert_uint_eq(inflight.capacity, WRAP_CAPACITY);
		inflight_remove(&inflight, &item->entry);
		found += item->entry.hash % WRAP_CAPACITY == homes[found];
	}
	inflight_done(&inflight);
}

/* The order number of all orders of count things. */
static void order_make(size_t *order, size_t count, unsigned number)
{
	size_t i, j;

	for (i = 0; i < count; i++) {
		j = number % (i + 1);
		number /= (unsigned)i + 1;
		order[i] = i;
		order[i] = order[j];
		order[j] = i;
	}
}

/* Removed in every order, those that stay are still found. */
START_TEST(test_wrapped_chain)
{
	struct item items[WRAP_ENTRIES];
	size_t order[WRAP_ENTRIES], i, j, wrong;
	struct inflight inflight;
	unsigned number;

	wrap_keys(items, 5);
	inflight_init(&inflight, 5);
	for (number = 0; number < 720; number++) {
		order_make(order, WRAP_ENTRIES, number);
		for (i = 0, wrong = 0; i < WRAP_ENTRIES; i++)
			wrong += item_add(&inflight, &items[i]) != 0;
		ck_assert_uint_eq(inflight.capacity, WRAP_CAPACITY);
		for (i = 0; i < WRAP_ENTRIES; i++) {
			inflight_remove(&inflight, &items[order[i]].entry);
			for (j = 0; j < WRAP_ENTRIES; j++)
				wrong += item_find(&inflight, &items[order[j]]) !=
					 (j > i ? &items[order[j]] : NULL);
		}
		ck_assert_uint_eq(wrong, 0);
	}
	inflight_done(&inflight);
}
END_TEST

/* Keys of every size, of which nothing is read beyond their ends; each byte counts. */
START_TEST(test_key_sizes)
{
	struct item item;
	struct inflight inflight;
	char key[KEY_MAX];
	size_t size, i;
	uint8_t *copy;

	memset(key, 'k', sizeof key);
	inflight_init(&inflight, 9);
	for (size = 0; size <= KEY_MAX; size++) {
		item_set(&item, key, size);
		copy = unit_guard_copy(key, size);
		item.entry.key = (char *)copy;
		ck_assert_int_eq(item_add(&inflight, &item), 0);
		ck_assert_ptr_eq(key_find(&inflight, (char *)copy, size), &item.entry);
		ck_assert_ptr_null(key_find(&inflight, key, size == 0 ? 1 : size - 1));
		for (i = 0; i < size; i++) {
			key[i] = 'x';
			ck_assert_ptr_null(key_find(&inflight, key, size));
			ck_assert_uint_ne(inflight_hash(&inflight, key, size), item.entry.hash);
			ck_assert_ptr_null(inflight_find(&inflight, key, size, item.entry.hash));
			key[i] = 'k';
		}
		inflight_remove(&inflight, &item.entry);
		unit_guard_free(copy, size);
	}
	inflight_done(&inflight);
}
END_TEST

/* --- memory --- */

START_TEST(test_memory_comes_and_goes)
{
	struct item item;
	struct inflight inflight;

	inflight_init(&inflight, 1);
	item_set(&item, "s1", 2);
	ck_assert_ptr_null(inflight.slots);
	ck_assert_ptr_null(key_find(&inflight, "s1", 2));
	inflight_trim(&inflight);
	ck_assert_int_eq(item_add(&inflight, &item), 0);
	ck_assert_ptr_nonnull(inflight.slots);
	inflight_trim(&inflight); /* not empty: stays */
	ck_assert_ptr_eq(item_find(&inflight, &item), &item);
	inflight_remove(&inflight, &item.entry);
	ck_assert_ptr_nonnull(inflight.slots);
	inflight_trim(&inflight);
	ck_assert_ptr_null(inflight.slots);
	ck_assert_int_eq(item_add(&inflight, &item), 0);
	ck_assert_ptr_eq(item_find(&inflight, &item), &item);
	inflight_remove(&inflight, &item.entry);
	inflight_done(&inflight);
}
END_TEST

/* After a peak the table is as small as it needs to be, if there is memory to make it so. */
START_TEST(test_trim_peak)
{
	struct item *items = items_make();
	struct inflight inflight;
	size_t i, peak, left = 5;

	inflight_init(&inflight, 7);
	for (i = 0; i < KEYS; i++)
		ck_assert_int_eq(item_add(&inflight, &items[i]), 0);
	peak = inflight.capacity;
	inflight_trim(&inflight); /* in use: stays */
	ck_assert_uint_eq(inflight.capacity, peak);
	for (i = left; i < KEYS; i++)
		inflight_remove(&inflight, &items[i].entry);
	unit_alloc_fail_after(0);
	inflight_trim(&inflight);
	unit_alloc_fail_never();
	ck_assert_uint_eq(inflight.capacity, peak);
	inflight_trim(&inflight);
	ck_assert_uint_le(inflight.capacity, 32);
	ck_assert_uint_lt(inflight.capacity, peak);
	for (i = 0; i < left; i++) {
		ck_assert_ptr_eq(item_find(&inflight, &items[i]), &items[i]);
		inflight_remove(&inflight, &items[i].entry);
	}
	inflight_done(&inflight);
	free(items);
}
END_TEST

/* A table that cannot grow refuses the new entry and keeps the others. */
START_TEST(test_no_memory)
{
	struct item *items = items_make();
	struct model model = {.count = 0};
	struct inflight inflight;
	size_t i;

	inflight_init(&inflight, 1);
	for (i = 0; i < KEYS; i++) {
		unit_alloc_fail_after(0);
		if (item_add(&inflight, &items[i]) != 0) {
			unit_alloc_fail_never();
			ck_assert(model_agrees(&model, &inflight));
			ck_assert_ptr_null(item_find(&inflight, &items[i]));
			ck_assert_int_eq(item_add(&inflight, &items[i]), 0);
		}
		unit_alloc_fail_never();
		model.items[model.count++] = &items[i];
		ck_assert(model_agrees(&model, &inflight));
	}
	ck_assert_uint_eq(inflight.capacity, 512);
	inflight_done(&inflight);
	free(items);
}
END_TEST

/* ---- one id in several exchanges ---- */

static uint32_t exchange_find(const struct inflight *inflight, const char *id, uint32_t exchange)
{
	struct span_text key = {id, strlen(id)};
	const struct request *found =
		request_find(inflight, key, inflight_hash(inflight, id, key.size), exchange);

	return found != NULL ? found->exchange : 0;
}

START_TEST(test_exchanges)
{
	enum { EXCHANGES = 20 };
	static struct request requests[EXCHANGES];
	static char one[] = "1", two[] = "2";
	struct inflight inflight;
	uint32_t i;

	inflight_init(&inflight, 1);
	for (i = 0; i < EXCHANGES; i++) {
		requests[i].exchange = i + 1;
		requests[i].entry.start_ns = 1000 - i; /* the last is the oldest */
		requests[i].entry.key = i % 2 == 0 ? one : two;
		requests[i].entry.key_size = 1;
		requests[i].entry.hash = inflight_hash(&inflight, requests[i].entry.key, 1);
		ck_assert_int_eq(inflight_add(&inflight, &requests[i].entry), 0);
	}
	for (i = 0; i < EXCHANGES; i++) {
		ck_assert_uint_eq(exchange_find(&inflight, "1", i + 1), i % 2 == 0 ? i + 1 : 0);
		ck_assert_uint_eq(exchange_find(&inflight, "2", i + 1), i % 2 == 0 ? 0 : i + 1);
	}
	ck_assert_uint_eq(exchange_find(&inflight, "1", EXCHANGES + 1), 0);
	ck_assert_uint_eq(exchange_find(&inflight, "3", 1), 0);
	for (i = EXCHANGES; i > 0; i -= 2) {
		ck_assert_uint_eq(exchange_find(&inflight, "2", 0), i);
		ck_assert_uint_eq(exchange_find(&inflight, "1", 0), i - 1);
		inflight_remove(&inflight, &requests[i - 1].entry);
		inflight_remove(&inflight, &requests[i - 2].entry);
	}
	ck_assert_uint_eq(exchange_find(&inflight, "1", 0), 0);
	inflight_done(&inflight);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("inflight");

	tcase_add_loop_test(tc, test_random, 0, 3);
	tcase_add_test(tc, test_wrapped_chain);
	tcase_add_test(tc, test_key_sizes);
	tcase_add_test(tc, test_memory_comes_and_goes);
	tcase_add_test(tc, test_trim_peak);
	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_exchanges);
	return unit_run("inflight", tc);
}

/*
 * Requests of one connection that wait for an answer. The table is open addressing with linear
 * probing, and the entries are in a list by age; a request is packed into one piece of memory: the
 * struct, its values, then all texts in a row.
 */
#include "proxy/trace/requests/request.h"

#include <assert.h>
#include <stdlib.h>

#include "config/profile/profile.h"
#include "proxy/trace/names/text.h"

/* ---- the table ---- */

#define INFLIGHT_CAPACITY_MIN 8

void inflight_init(struct inflight *inflight, uint64_t seed)
{
	*inflight = (struct inflight){.seed = seed};
}

void inflight_done(struct inflight *inflight)
{
	free(inflight->slots);
	inflight->slots = NULL;
	inflight->capacity = 0;
}

static size_t inflight_home(const struct inflight *inflight, uint64_t hash)
{
	return hash & (inflight->capacity - 1);
}

static size_t inflight_next(const struct inflight *inflight, size_t slot)
{
	return (slot + 1) & (inflight->capacity - 1);
}

uint64_t inflight_hash(const struct inflight *inflight, const char *key, size_t key_size)
{
	return text_hash(inflight->seed, key, key_size);
}

/* The first entry with that key from that slot on. */
static inline struct inflight_entry *inflight_probe(const struct inflight *inflight, size_t slot,
	const char *key, size_t key_size, uint64_t hash)
{
	struct inflight_entry *entry;

	for (; (entry = inflight->slots[slot]) != NULL; slot = inflight_next(inflight, slot))
		if (entry->hash == hash && entry->key_size == key_size &&
			text_equal(entry->key, key, key_size))
			return entry;
	return NULL;
}

struct inflight_entry *inflight_find(
	const struct inflight *inflight, const char *key, size_t key_size, uint64_t hash)
{
	if (inflight->count == 0)
		return NULL;
	return inflight_probe(inflight, inflight_home(inflight, hash), key, key_size, hash);
}

/* Where an entry is, which is in the table. */
static size_t inflight_slot(const struct inflight *inflight, const struct inflight_entry *entry)
{
	size_t slot = inflight_home(inflight, entry->hash);

	while (inflight->slots[slot] != entry) {
		assert(inflight->slots[slot] != NULL);
		slot = inflight_next(inflight, slot);
	}
	return slot;
}

struct inflight_entry *inflight_find_next(
	const struct inflight *inflight, const struct inflight_entry *before)
{
	size_t slot = inflight_next(inflight, inflight_slot(inflight, before));

	return inflight_probe(inflight, slot, before->key, before->key_size, before->hash);
}

static void inflight_place(struct inflight *inflight, struct inflight_entry *entry)
{
	size_t slot = inflight_home(inflight, entry->hash);

	while (inflight->slots[slot] != NULL)
		slot = inflight_next(inflight, slot);
	inflight->slots[slot] = entry;
}

static int inflight_resize(struct inflight *inflight, size_t capacity)
{
	struct inflight_entry **slots = calloc(capacity, sizeof *slots);
	struct inflight_entry *entry;

	if (slots == NULL)
		return -1;
	assert(capacity > inflight->count && (capacity & (capacity - 1)) == 0);
	free(inflight->slots);
	inflight->slots = slots;
	inflight->capacity = capacity;
	for (entry = inflight->oldest; entry != NULL; entry = entry->newer)
		inflight_place(inflight, entry);
	return 0;
}

int inflight_add(struct inflight *inflight, struct inflight_entry *entry)
{
	size_t grown = inflight->capacity > 0 ? 2 * inflight->capacity : INFLIGHT_CAPACITY_MIN;

	if (4 * (inflight->count + 1) > 3 * inflight->capacity &&
		inflight_resize(inflight, grown) != 0)
		return -1;
	inflight_place(inflight, entry);
	entry->newer = NULL;
	entry->older = inflight->newest;
	if (inflight->newest != NULL)
		inflight->newest->newer = entry;
	else
		inflight->oldest = entry;
	inflight->newest = entry;
	inflight->count++;
	return 0;
}

static void inflight_unlink(struct inflight *inflight, struct inflight_entry *entry)
{
	if (entry->older != NULL)
		entry->older->newer = entry->newer;
	else
		inflight->oldest = entry->newer;
	if (entry->newer != NULL)
		entry->newer->older = entry->older;
	else
		inflight->newest = entry->older;
}

void inflight_remove(struct inflight *inflight, struct inflight_entry *entry)
{
	size_t hole = inflight_slot(inflight, entry);
	size_t mask = inflight->capacity - 1;
	size_t slot;

	inflight->slots[hole] = NULL;
	for (slot = inflight_next(inflight, hole); inflight->slots[slot] != NULL;
		slot = inflight_next(inflight, slot)) {
		size_t home = inflight_home(inflight, inflight->slots[slot]->hash);

		if (((slot - home) & mask) < ((slot - hole) & mask))
			continue; /* the hole is before its home: it may not move there */
		inflight->slots[hole] = inflight->slots[slot];
		inflight->slots[slot] = NULL;
		hole = slot;
	}
	assert(inflight->count > 0);
	inflight_unlink(inflight, entry);
	inflight->count--;
}

void inflight_trim(struct inflight *inflight)
{
	size_t capacity = inflight->capacity;

	if (inflight->count == 0) {
		inflight_done(inflight);
		return;
	}
	while (capacity > INFLIGHT_CAPACITY_MIN && 4 * inflight->count <= capacity / 2)
		capacity /= 2;
	if (capacity <= inflight->capacity / 4)
		(void)inflight_resize(inflight, capacity); /* else it stays as large as it is */
}

struct request *request_find(
	const struct inflight *inflight, struct span_text key, uint64_t hash, uint32_t exchange)
{
	struct inflight_entry *entry = inflight_find(inflight, key.bytes, key.size, hash);
	struct request *found = NULL;

	for (; entry != NULL; entry = inflight_find_next(inflight, entry)) {
		struct request *request = (struct request *)entry;

		if (request->exchange == exchange)
			return request;
		if (exchange == 0 && (found == NULL || entry->start_ns < found->entry.start_ns))
			found = request;
	}
	return found;
}

/* ---- one of them ---- */

_Static_assert(sizeof(struct request) <= REQUEST_SIZE_USUAL - 64, "there is room for usual texts");
_Static_assert(PROFILE_CAPTURES_MAX <= UINT8_MAX, "their values can be counted");

void request_pool_init(struct request_pool *pool)
{
	*pool = (struct request_pool){.spares = NULL};
}

void request_pool_done(struct request_pool *pool)
{
	struct inflight_entry *entry;

	while ((entry = pool->spares) != NULL) {
		pool->spares = entry->older;
		free((struct request *)entry);
	}
	request_pool_init(pool);
}

static struct request *request_take(struct request_pool *pool, size_t size)
{
	struct inflight_entry *entry = pool->spares;
	struct request *request;

	if (size > REQUEST_SIZE_USUAL || entry == NULL) {
		size = size > REQUEST_SIZE_USUAL ? size : REQUEST_SIZE_USUAL;
		request = malloc(size);
		if (request != NULL)
			request->bytes = (uint32_t)size + REQUEST_OVERHEAD;
		return request;
	}
	pool->spares = entry->older;
	pool->spare_count--;
	request = (struct request *)entry;
	request->bytes = REQUEST_SIZE_USUAL + REQUEST_OVERHEAD;
	return request;
}

static size_t request_size(const struct request_texts *texts)
{
	size_t size = sizeof(struct request) + texts->value_count * sizeof(struct request_kept);
	size_t i;

	size += texts->key.size + texts->method.size + texts->id.size + texts->tracestate.size;
	size += texts->link_count * sizeof texts->links[0];
	for (i = 0; i < texts->value_count; i++)
		size += texts->values[i].text.size;
	return size;
}

struct request *request_new(struct request_pool *pool, const struct inflight *inflight,
	const struct request_texts *texts)
{
	struct request *request = request_take(pool, request_size(texts));
	char *at;
	size_t i;

	if (request == NULL)
		return NULL;
	request->large = request->bytes > REQUEST_SIZE_USUAL + REQUEST_OVERHEAD;
	request->claim = NULL;
	request->span = NULL;
	request->quotes = NULL;
	request->value_count = (uint8_t)texts->value_count;
	at = (char *)(request->values + texts->value_count);
	request->entry.key = at;
	request->entry.key_size = (uint16_t)text_pack(&at, texts->key).size;
	request->entry.hash = text_hash(inflight->seed, texts->key.bytes, texts->key.size);
	request->method = text_pack(&at, texts->method);
	request->id = text_pack(&at, texts->id);
	request->tracestate = text_pack(&at, texts->tracestate);
	request->link_count = (uint8_t)texts->link_count;
	(void)text_pack(&at, (struct span_text){.bytes = (const char *)texts->links,
				     .size = texts->link_count *
					     sizeof texts->links[0]}); /* see request_links() */
	for (i = 0; i < texts->value_count; i++) {
		request->values[i] = (struct request_kept){
			.at = (uint32_t)(at - (char *)request),
			.size = (uint16_t)texts->values[i].text.size, /* <= CAPTURE_VALUE_MAX */
			.capture = texts->values[i].capture,
		};
		(void)text_pack(&at, texts->values[i].text);
	}
	return request;
}

void request_free(struct request_pool *pool, struct request *request)
{
	free(request->quotes);
	if (request->large || pool->spare_count == REQUEST_SPARES_MAX) {
		free(request);
		return;
	}
	request->entry.older = pool->spares;
	pool->spares = &request->entry;
	pool->spare_count++;
}

/*
 * Open spans by their keys: chained hashing; the entries are part of the spans, a bucket is a list
 * of them, from which each takes itself out: thousands may be of one group, and so in one bucket.
 * The table doubles when it has as many entries as buckets; should there be no memory for that,
 * lists get longer. It shrinks when somebody finds the time: see span_index_trim().
 *
 * Closed ones: a set-associative table. The hash chooses a set, in which the latest come first and
 * the last is forgotten. Without memory nothing is remembered.
 *
 * Those that were given up: two sets of hashes, open addressing with linear probing. New ones go
 * into the young set; when that is full, or old, it takes the place of the old one.
 */
#include "proxy/trace/follow/span_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/names/text.h"

/* ---- open spans ---- */

#define SPAN_INDEX_CAPACITY_MIN 16

void span_index_init(struct span_index *by_key, uint64_t seed)
{
	*by_key = (struct span_index){.seed = seed};
	TAILQ_INIT(&by_key->ages);
}

void span_index_done(struct span_index *by_key)
{
	assert(by_key->entry_count == 0);
	free(by_key->buckets);
	by_key->buckets = NULL;
	by_key->capacity = 0;
}

uint64_t span_index_hash(const struct span_index *by_key, enum span_index_role role, size_t type,
	struct span_text bytes)
{
	return text_hash(
		by_key->seed + role * (LIFECYCLE_SPANS_MAX + 1) + type, bytes.bytes, bytes.size);
}

static struct span_text span_index_bytes(const struct span_index_entry *entry)
{
	return (struct span_text){.bytes = entry->bytes, .size = entry->size};
}

static struct span_index_entry **span_index_bucket(const struct span_index *by_key, uint64_t hash)
{
	return &by_key->buckets[hash & (by_key->capacity - 1)];
}

/* Puts an entry before those in the bucket. */
static void span_index_link(struct span_index_entry **bucket, struct span_index_entry *entry)
{
	entry->next = *bucket;
	entry->at = bucket;
	if (entry->next != NULL)
		entry->next->at = &entry->next;
	*bucket = entry;
}

/* A list in the opposite order. */
static struct span_index_entry *span_index_turn(struct span_index_entry *list)
{
	struct span_index_entry *turned = NULL, *entry;

	while ((entry = list) != NULL) {
		list = entry->next;
		entry->next = turned;
		turned = entry;
	}
	return turned;
}

/* Puts the entries of a list into their buckets, each before those that are there. */
static void span_index_refill(struct span_index *by_key, struct span_index_entry *list)
{
	struct span_index_entry *entry;

	while ((entry = list) != NULL) {
		list = entry->next;
		span_index_link(span_index_bucket(by_key, entry->hash), entry);
	}
}

/* Those that came last stay first in their lists, which are turned over twice. */
static int span_index_resize(struct span_index *by_key, size_t capacity)
{
	struct span_index old = *by_key;
	size_t i;

	by_key->buckets = calloc(capacity, sizeof *by_key->buckets);
	if (by_key->buckets == NULL) {
		by_key->buckets = old.buckets;
		return -1;
	}
	by_key->capacity = capacity;
	for (i = 0; i < old.capacity; i++)
		span_index_refill(by_key, span_index_turn(old.buckets[i]));
	free(old.buckets);
	return 0;
}

static int span_index_grow(struct span_index *by_key)
{
	size_t capacity = by_key->capacity == 0 ? SPAN_INDEX_CAPACITY_MIN : by_key->capacity * 2;

	if (by_key->entry_count < by_key->capacity)
		return 0;
	return span_index_resize(by_key, capacity) == 0 || by_key->capacity > 0 ? 0 : -1;
}

void span_index_trim(struct span_index *by_key)
{
	size_t capacity = by_key->capacity;

	if (by_key->entry_count == 0) {
		span_index_done(by_key);
		return;
	}
	while (capacity > SPAN_INDEX_CAPACITY_MIN && 2 * by_key->entry_count <= capacity / 2)
		capacity /= 2;
	if (capacity <= by_key->capacity / 4)
		(void)span_index_resize(by_key, capacity); /* else it stays as large as it is */
}

static void span_index_insert(struct span_index *by_key, struct span_index_entry *entry,
	struct open_span *span, enum span_index_role role, size_t type, struct span_text bytes)
{
	uint64_t hash = span_index_hash(by_key, role, type, bytes);

	*entry = (struct span_index_entry){
		.span = span,
		.hash = hash,
		.bytes = bytes.bytes,
		.size = (uint16_t)bytes.size,
		.role = (uint8_t)role,
		.type = (uint8_t)type,
	};
	span_index_link(span_index_bucket(by_key, hash), entry);
	by_key->entry_count++;
}

int span_index_add(struct span_index *by_key, struct open_span *span, bool grouped)
{
	if (span_index_grow(by_key) != 0)
		return -1;
	if (span->by_call.size > 0)
		span_index_insert(by_key, &span->by_call, span, SPAN_INDEX_CALL, span->type,
			span_index_bytes(&span->by_call));
	else if (span->key_count > 0)
		span_index_insert(by_key, &span->by_key, span, SPAN_INDEX_KEY, span->type,
			open_span_key(span));
	if (grouped) {
		span_index_insert(by_key, &span->by_group, span, SPAN_INDEX_GROUP, span->type,
			open_span_key_piece(span, 0));
		span_index_insert(by_key, &span->by_id, span, SPAN_INDEX_ID, span->type,
			open_span_key_piece(span, span->key_count - 1));
	}
	if (span->listed)
		TAILQ_INSERT_TAIL(&by_key->ages, span, age);
	return 0;
}

int span_index_alias(
	struct span_index *by_key, struct open_span *span, size_t type, const struct key *key)
{
	struct open_span_alias *alias;

	if (span->alias_count == OPEN_SPAN_ALIASES_MAX)
		return -1;
	alias = malloc(sizeof *alias + key_size(key));
	if (alias == NULL)
		return -1;
	memcpy(alias->bytes, key->bytes, key_size(key));
	if (span_index_grow(by_key) != 0) {
		free(alias);
		return -1;
	}
	span_index_insert(by_key, &alias->entry, span, SPAN_INDEX_ALIAS, type,
		(struct span_text){.bytes = alias->bytes, .size = key_size(key)});
	span->aliases[span->alias_count++] = alias;
	return 0;
}

static void span_index_delete(struct span_index *by_key, struct span_index_entry *entry)
{
	if (entry->span == NULL)
		return; /* never entered */
	*entry->at = entry->next;
	if (entry->next != NULL)
		entry->next->at = entry->at;
	entry->span = NULL;
	by_key->entry_count--;
}

void span_index_remove(struct span_index *by_key, struct open_span *span)
{
	size_t i;

	span_index_delete(by_key, &span->by_key);
	span_index_delete(by_key, &span->by_group);
	span_index_delete(by_key, &span->by_id);
	span_index_delete(by_key, &span->by_call);
	for (i = 0; i < span->alias_count; i++)
		span_index_delete(by_key, &span->aliases[i]->entry);
	if (span->listed)
		TAILQ_REMOVE(&by_key->ages, span, age);
}

/* The first of a list, from entry on, that is what is looked for. */
static struct span_index_entry *span_index_match(struct span_index_entry *entry, uint64_t hash,
	unsigned role, size_t type, struct span_text bytes)
{
	while (entry != NULL && (entry->hash != hash || entry->role != role ||
					entry->type != type || entry->size != bytes.size ||
					memcmp(entry->bytes, bytes.bytes, bytes.size) != 0))
		entry = entry->next;
	return entry;
}

struct span_index_entry *span_index_find(const struct span_index *by_key, enum span_index_role role,
	size_t type, struct span_text bytes)
{
	uint64_t hash;

	if (by_key->entry_count == 0)
		return NULL;
	hash = span_index_hash(by_key, role, type, bytes);
	return span_index_match(*span_index_bucket(by_key, hash), hash, role, type, bytes);
}

struct span_index_entry *span_index_next(const struct span_index_entry *entry)
{
	return span_index_match(
		entry->next, entry->hash, entry->role, entry->type, span_index_bytes(entry));
}

struct open_span *span_index_find_key(
	const struct span_index *by_key, size_t type, const struct key *key, size_t parts)
{
	struct span_text bytes = {.bytes = key->bytes, .size = key->ends[parts - 1]};
	struct span_index_entry *entry = span_index_find(by_key, SPAN_INDEX_KEY, type, bytes);

	if (entry == NULL)
		entry = span_index_find(by_key, SPAN_INDEX_ALIAS, type, bytes);
	return entry == NULL ? NULL : entry->span;
}

/* ---- closed spans ---- */

void closed_spans_done(struct closed_spans *closed)
{
	free(closed->sets);
	closed->sets = NULL;
}

static struct closed_span *closed_spans_set(const struct closed_spans *closed, uint64_t hash)
{
	return closed->sets[hash % CLOSED_SPANS_SETS];
}

void closed_spans_remember(
	struct closed_spans *closed, uint64_t hash, const struct traceparent *context)
{
	struct closed_span *set;
	size_t way;

	if (closed->sets == NULL)
		closed->sets = calloc(CLOSED_SPANS_SETS, sizeof *closed->sets);
	if (closed->sets == NULL)
		return;
	closed->used = true;
	set = closed_spans_set(closed, hash);
	for (way = 0; way < CLOSED_SPANS_WAYS - 1 && set[way].hash != hash; way++)
		;
	memmove(set + 1, set, way * sizeof *set);
	set[0] = (struct closed_span){.hash = hash, .context = *context};
}

void closed_spans_tick(struct closed_spans *closed, uint64_t now_ns, uint64_t max_age_ns)
{
	if (closed->used)
		closed->since_ns = now_ns;
	else if (closed->sets != NULL && now_ns - closed->since_ns >= max_age_ns)
		closed_spans_done(closed);
	closed->used = false;
}

const struct traceparent *closed_spans_recall(const struct closed_spans *closed, uint64_t hash)
{
	const struct closed_span *set;
	size_t way;

	if (closed->sets == NULL)
		return NULL;
	set = closed_spans_set(closed, hash);
	for (way = 0; way < CLOSED_SPANS_WAYS; way++)
		if (set[way].hash == hash)
			return &set[way].context;
	return NULL;
}

/* ---- spans that were given up ---- */

#define EVICTED_CAPACITY_MIN 64

static void evicted_set_done(struct evicted_set *set)
{
	free(set->hashes);
	*set = (struct evicted_set){.hashes = NULL};
}

void evicted_done(struct evicted *evicted)
{
	evicted_set_done(&evicted->young);
	evicted_set_done(&evicted->old);
}

/* Where the hash is, or would be; the set has memory, and room. */
static uint64_t *evicted_set_place(const struct evicted_set *set, uint64_t hash)
{
	size_t at = hash & (set->capacity - 1);

	while (set->hashes[at] != 0 && set->hashes[at] != hash)
		at = (at + 1) & (set->capacity - 1);
	return &set->hashes[at];
}

static bool evicted_set_has(const struct evicted_set *set, uint64_t hash)
{
	return set->count > 0 && *evicted_set_place(set, hash) == hash;
}

/* At most half of the places are taken. */
static int evicted_set_grow(struct evicted_set *set)
{
	struct evicted_set grown = {.count = set->count};
	size_t i;

	if (2 * (set->count + 1) <= set->capacity)
		return 0;
	grown.capacity = set->capacity > 0 ? 2 * set->capacity : EVICTED_CAPACITY_MIN;
	grown.hashes = calloc(grown.capacity, sizeof *grown.hashes);
	if (grown.hashes == NULL)
		return -1;
	for (i = 0; i < set->capacity; i++)
		if (set->hashes[i] != 0)
			*evicted_set_place(&grown, set->hashes[i]) = set->hashes[i];
	free(set->hashes);
	*set = grown;
	return 0;
}

static void evicted_turn(struct evicted *evicted)
{
	evicted_set_done(&evicted->old);
	evicted->old = evicted->young;
	evicted->young = (struct evicted_set){.hashes = NULL};
}

size_t evicted_remember(struct evicted *evicted, uint64_t hash, uint64_t now_ns)
{
	size_t forgotten = 0;

	hash += hash == 0; /* that is none */
	if (evicted_set_has(&evicted->young, hash))
		return 0;
	if (evicted->young.count == EVICTED_SET_MAX) {
		forgotten = evicted->old.count;
		evicted_turn(evicted);
	}
	if (evicted_set_grow(&evicted->young) != 0)
		return forgotten;
	if (evicted->young.count++ == 0)
		evicted->since_ns = now_ns;
	*evicted_set_place(&evicted->young, hash) = hash;
	return forgotten;
}

bool evicted_knows(const struct evicted *evicted, uint64_t hash)
{
	hash += hash == 0;
	return evicted_set_has(&evicted->young, hash) || evicted_set_has(&evicted->old, hash);
}

void evicted_tick(struct evicted *evicted, uint64_t now_ns, uint64_t max_age_ns)
{
	if (evicted->young.count + evicted->old.count == 0 ||
		now_ns - evicted->since_ns < max_age_ns)
		return;
	evicted_turn(evicted);
	evicted->since_ns = now_ns; /* of the set that is old now: it stays as long again */
}

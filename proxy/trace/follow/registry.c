/*
 * Chained hashing: the entries are part of the spans, a bucket is a list of them, from which each
 * takes itself out: thousands may be of one group, and so in one bucket. The table doubles when it
 * has as many entries as buckets; should there be no memory for that, lists get longer.
 */
#include "proxy/trace/follow/registry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/names/text.h"

#define REGISTRY_CAPACITY_MIN 16

void registry_init(struct registry *registry, uint64_t seed)
{
	*registry = (struct registry){.seed = seed};
	TAILQ_INIT(&registry->ages);
}

void registry_done(struct registry *registry)
{
	assert(registry->entry_count == 0);
	free(registry->buckets);
	registry->buckets = NULL;
	registry->capacity = 0;
}

uint64_t registry_hash(const struct registry *registry, enum registry_role role, size_t type,
	struct span_text bytes)
{
	return text_hash(
		registry->seed + role * LIFECYCLE_SPANS_MAX + type, bytes.bytes, bytes.size);
}

static struct span_text registry_bytes(const struct registry_entry *entry)
{
	return (struct span_text){.bytes = entry->bytes, .size = entry->size};
}

static struct registry_entry **registry_bucket(const struct registry *registry, uint64_t hash)
{
	return &registry->buckets[hash & (registry->capacity - 1)];
}

/* Puts an entry before those in the bucket. */
static void registry_link(struct registry_entry **bucket, struct registry_entry *entry)
{
	entry->next = *bucket;
	entry->at = bucket;
	if (entry->next != NULL)
		entry->next->at = &entry->next;
	*bucket = entry;
}

/* A list in the opposite order. */
static struct registry_entry *registry_turn(struct registry_entry *list)
{
	struct registry_entry *turned = NULL, *entry;

	while ((entry = list) != NULL) {
		list = entry->next;
		entry->next = turned;
		turned = entry;
	}
	return turned;
}

/* Puts the entries of a list into their buckets, each before those that are there. */
static void registry_refill(struct registry *registry, struct registry_entry *list)
{
	struct registry_entry *entry;

	while ((entry = list) != NULL) {
		list = entry->next;
		registry_link(registry_bucket(registry, entry->hash), entry);
	}
}

/* Those that came last stay first in their lists, which are turned over twice. */
static int registry_grow(struct registry *registry)
{
	size_t capacity = registry->capacity == 0 ? REGISTRY_CAPACITY_MIN : registry->capacity * 2;
	struct registry old = *registry;
	size_t i;

	if (registry->entry_count < registry->capacity)
		return 0;
	registry->buckets = calloc(capacity, sizeof *registry->buckets);
	if (registry->buckets == NULL) {
		registry->buckets = old.buckets;
		return old.capacity > 0 ? 0 : -1;
	}
	registry->capacity = capacity;
	for (i = 0; i < old.capacity; i++)
		registry_refill(registry, registry_turn(old.buckets[i]));
	free(old.buckets);
	return 0;
}

static void registry_insert(struct registry *registry, struct registry_entry *entry,
	struct live *live, enum registry_role role, struct span_text bytes)
{
	uint64_t hash = registry_hash(registry, role, live->type, bytes);

	*entry = (struct registry_entry){
		.live = live,
		.hash = hash,
		.bytes = bytes.bytes,
		.size = (uint16_t)bytes.size,
		.role = (uint8_t)role,
		.type = live->type,
	};
	registry_link(registry_bucket(registry, hash), entry);
	registry->entry_count++;
}

int registry_add(struct registry *registry, struct live *live, bool grouped)
{
	if (registry_grow(registry) != 0)
		return -1;
	if (live->by_call.size > 0)
		registry_insert(registry, &live->by_call, live, REGISTRY_CALL,
			registry_bytes(&live->by_call));
	else
		registry_insert(registry, &live->by_key, live, REGISTRY_KEY, live_key(live));
	if (grouped) {
		registry_insert(
			registry, &live->by_group, live, REGISTRY_GROUP, live_key_piece(live, 0));
		registry_insert(registry, &live->by_id, live, REGISTRY_ID,
			live_key_piece(live, live->key_count - 1));
	}
	TAILQ_INSERT_TAIL(&registry->ages, live, age);
	registry->live_count++;
	return 0;
}

int registry_alias(struct registry *registry, struct live *live, const struct key *key)
{
	struct live_alias *alias;

	if (live->alias_count == LIVE_ALIASES_MAX)
		return -1;
	alias = malloc(sizeof *alias + key_size(key));
	if (alias == NULL)
		return -1;
	memcpy(alias->bytes, key->bytes, key_size(key));
	(void)registry_grow(registry); /* there is a table: the span is in it */
	registry_insert(registry, &alias->entry, live, REGISTRY_ALIAS,
		(struct span_text){.bytes = alias->bytes, .size = key_size(key)});
	live->aliases[live->alias_count++] = alias;
	return 0;
}

static void registry_delete(struct registry *registry, struct registry_entry *entry)
{
	if (entry->live == NULL)
		return; /* never entered */
	*entry->at = entry->next;
	if (entry->next != NULL)
		entry->next->at = entry->at;
	entry->live = NULL;
	registry->entry_count--;
}

void registry_remove(struct registry *registry, struct live *live)
{
	size_t i;

	registry_delete(registry, &live->by_key);
	registry_delete(registry, &live->by_group);
	registry_delete(registry, &live->by_id);
	registry_delete(registry, &live->by_call);
	for (i = 0; i < live->alias_count; i++)
		registry_delete(registry, &live->aliases[i]->entry);
	TAILQ_REMOVE(&registry->ages, live, age);
	registry->live_count--;
}

/* The first of a list, from entry on, that is what is looked for. */
static struct registry_entry *registry_match(struct registry_entry *entry, uint64_t hash,
	unsigned role, size_t type, struct span_text bytes)
{
	while (entry != NULL && (entry->hash != hash || entry->role != role ||
					entry->type != type || entry->size != bytes.size ||
					memcmp(entry->bytes, bytes.bytes, bytes.size) != 0))
		entry = entry->next;
	return entry;
}

struct registry_entry *registry_find(const struct registry *registry, enum registry_role role,
	size_t type, struct span_text bytes)
{
	uint64_t hash;

	if (registry->entry_count == 0)
		return NULL;
	hash = registry_hash(registry, role, type, bytes);
	return registry_match(*registry_bucket(registry, hash), hash, role, type, bytes);
}

struct registry_entry *registry_next(const struct registry_entry *entry)
{
	return registry_match(
		entry->next, entry->hash, entry->role, entry->type, registry_bytes(entry));
}

struct live *registry_find_key(
	const struct registry *registry, size_t type, const struct key *key, size_t parts)
{
	struct span_text bytes = {.bytes = key->bytes, .size = key->ends[parts - 1]};
	struct registry_entry *entry = registry_find(registry, REGISTRY_KEY, type, bytes);

	if (entry == NULL)
		entry = registry_find(registry, REGISTRY_ALIAS, type, bytes);
	return entry == NULL ? NULL : entry->live;
}

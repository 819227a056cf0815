/*
 * Chained hashing: the entries are part of the spans, a bucket is a list of them. The table doubles
 * when it has as many entries as buckets; should there be no memory for that, lists get longer.
 */
#include "proxy/trace/registry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/hash.h"

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

static uint64_t registry_hash(
	const struct registry *registry, unsigned role, size_t type, const char *bytes, size_t size)
{
	return hash_bytes(registry->seed + role * LIFECYCLE_SPANS_MAX + type, bytes, size);
}

static struct registry_entry **registry_bucket(const struct registry *registry, uint64_t hash)
{
	return &registry->buckets[hash & (registry->capacity - 1)];
}

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
	for (i = 0; i < old.capacity; i++) {
		struct registry_entry *entry;

		/* Those that came last stay first only within what one bucket becomes: turn over.
		 */
		struct registry_entry *turned = NULL;

		while ((entry = old.buckets[i]) != NULL) {
			old.buckets[i] = entry->next;
			entry->next = turned;
			turned = entry;
		}
		while ((entry = turned) != NULL) {
			struct registry_entry **bucket = registry_bucket(registry, entry->hash);

			turned = entry->next;
			entry->next = *bucket;
			*bucket = entry;
		}
	}
	free(old.buckets);
	return 0;
}

static void registry_insert(struct registry *registry, struct registry_entry *entry,
	struct live *live, enum registry_role role, const char *bytes, size_t size)
{
	uint64_t hash = registry_hash(registry, role, live->type, bytes, size);
	struct registry_entry **bucket = registry_bucket(registry, hash);

	*entry = (struct registry_entry){
		.next = *bucket,
		.live = live,
		.hash = hash,
		.bytes = bytes,
		.size = (uint16_t)size,
		.role = (uint8_t)role,
		.type = live->type,
	};
	*bucket = entry;
	registry->entry_count++;
}

/* A part of the key, with its size in front. */
static struct span_text registry_part(const struct live *live, size_t part)
{
	size_t from = part == 0 ? 0 : live->key_ends[part - 1];

	return (struct span_text){.bytes = live->key + from, .size = live->key_ends[part] - from};
}

int registry_add(struct registry *registry, struct live *live, bool grouped)
{
	struct span_text part;

	if (registry_grow(registry) != 0)
		return -1;
	if (live->by_call.size > 0)
		registry_insert(registry, &live->by_call, live, REGISTRY_CALL, live->by_call.bytes,
			live->by_call.size);
	else
		registry_insert(registry, &live->by_key, live, REGISTRY_KEY, live->key,
			live->key_ends[live->key_count - 1]);
	if (grouped) {
		part = registry_part(live, 0);
		registry_insert(
			registry, &live->by_group, live, REGISTRY_GROUP, part.bytes, part.size);
		part = registry_part(live, live->key_count - 1);
		registry_insert(registry, &live->by_id, live, REGISTRY_ID, part.bytes, part.size);
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
	registry_insert(registry, &alias->entry, live, REGISTRY_ALIAS, alias->bytes, key_size(key));
	live->aliases[live->alias_count++] = alias;
	return 0;
}

static void registry_delete(struct registry *registry, struct registry_entry *entry)
{
	struct registry_entry **at;

	if (entry->live == NULL)
		return; /* never entered */
	for (at = registry_bucket(registry, entry->hash); *at != entry; at = &(*at)->next)
		assert(*at != NULL);
	*at = entry->next;
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

static struct registry_entry *registry_match(struct registry_entry *entry, uint64_t hash,
	unsigned role, size_t type, const char *bytes, size_t size)
{
	while (entry != NULL &&
		(entry->hash != hash || entry->role != role || entry->type != type ||
			entry->size != size || memcmp(entry->bytes, bytes, size) != 0))
		entry = entry->next;
	return entry;
}

struct registry_entry *registry_find(const struct registry *registry, enum registry_role role,
	size_t type, struct span_text bytes)
{
	uint64_t hash;

	if (registry->entry_count == 0)
		return NULL;
	hash = registry_hash(registry, role, type, bytes.bytes, bytes.size);
	return registry_match(
		*registry_bucket(registry, hash), hash, role, type, bytes.bytes, bytes.size);
}

struct registry_entry *registry_next(const struct registry_entry *entry)
{
	return registry_match(
		entry->next, entry->hash, entry->role, entry->type, entry->bytes, entry->size);
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

/* Memories by their keys: buckets of lists, and all of them in the order of their last use. */
#include "proxy/trace/follow/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/names/text.h"

#define MEMORY_BUCKETS 1024

void memories_init(struct memories *memories, uint64_t seed)
{
	*memories = (struct memories){.seed = seed};
	TAILQ_INIT(&memories->ages);
}

static uint64_t memories_hash(const struct memories *memories, size_t type, struct span_text bytes)
{
	return text_hash(memories->seed + type, bytes.bytes, bytes.size);
}

static struct memory **memories_bucket(const struct memories *memories, uint64_t hash)
{
	return &memories->buckets[hash % MEMORY_BUCKETS];
}

static void memories_forget(
	struct memories *memories, struct memory *memory, struct open_span_budget *budget)
{
	struct memory **at = memories_bucket(memories, memory->hash);

	while (*at != memory)
		at = &(*at)->next;
	*at = memory->next;
	TAILQ_REMOVE(&memories->ages, memory, age);
	memories->count--;
	open_span_free_values(&memory->values, budget);
	free(memory);
}

void memories_done(struct memories *memories, struct open_span_budget *budget)
{
	while (!TAILQ_EMPTY(&memories->ages))
		memories_forget(memories, TAILQ_FIRST(&memories->ages), budget);
	free(memories->buckets);
	memories->buckets = NULL;
}

static struct span_text memories_key(const struct key *key, size_t parts)
{
	assert(parts > 0 && parts <= key->count);
	return (struct span_text){.bytes = key->bytes, .size = key->ends[parts - 1]};
}

struct memory *memories_find(
	struct memories *memories, size_t type, const struct key *key, size_t parts)
{
	struct span_text bytes = memories_key(key, parts);
	struct memory *memory;
	uint64_t hash;

	if (memories->count == 0)
		return NULL;
	hash = memories_hash(memories, type, bytes);
	memory = *memories_bucket(memories, hash);
	while (memory != NULL &&
		(memory->hash != hash || memory->type != type || memory->size != bytes.size ||
			memcmp(memory->key, bytes.bytes, bytes.size) != 0))
		memory = memory->next;
	if (memory != NULL) {
		TAILQ_REMOVE(&memories->ages, memory, age);
		TAILQ_INSERT_TAIL(&memories->ages, memory, age);
	}
	return memory;
}

static struct memory *memories_new(struct memories *memories, size_t type, struct span_text bytes)
{
	struct memory *memory, **bucket;

	if (memories->buckets == NULL)
		memories->buckets = calloc(MEMORY_BUCKETS, sizeof *memories->buckets);
	if (memories->buckets == NULL)
		return NULL;
	memory = malloc(sizeof *memory + bytes.size);
	if (memory == NULL)
		return NULL;
	*memory = (struct memory){
		.hash = memories_hash(memories, type, bytes),
		.type = (uint8_t)type,
		.size = (uint16_t)bytes.size,
	};
	memcpy(memory->key, bytes.bytes, bytes.size);
	bucket = memories_bucket(memories, memory->hash);
	memory->next = *bucket;
	*bucket = memory;
	TAILQ_INSERT_TAIL(&memories->ages, memory, age);
	memories->count++;
	return memory;
}

struct memory *memories_get(struct memories *memories, size_t type, const struct key *key,
	size_t parts, size_t count_max, struct open_span_budget *budget, uint64_t *forgotten)
{
	struct memory *memory = memories_find(memories, type, key, parts);

	if (memory != NULL)
		return memory;
	memory = TAILQ_FIRST(&memories->ages);
	if (memory != NULL && memories->count >= count_max) { /* it grows by one at a time */
		memories_forget(memories, memory, budget);
		++*forgotten;
	}
	return memories_new(memories, type, memories_key(key, parts));
}

/*
 * Open addressing with linear probing, at most a quarter full. The hash looks at both ends of a
 * name and its size, which is quick and tells the names of one profile apart; names that it does
 * not tell apart, or that a peer makes up, cost a comparison, not more than the profile has names.
 */
#include "proxy/trace/names/methods.h"

#include <stdint.h>
#include <stdlib.h>

#include "proxy/trace/names/text.h"

#define METHODS_CAPACITY_MIN 16

void methods_init(struct methods *methods)
{
	*methods = (struct methods){.count = 0};
}

void methods_done(struct methods *methods)
{
	free(methods->slots);
	methods_init(methods);
}

static uint64_t methods_hash(struct span_text name)
{
	struct text_block ends = text_block(name.bytes, name.size);

	return text_mix(ends.words[0] + name.size, ends.words[1] << 32 | ends.words[1] >> 32);
}

/* The slot that has the name, or the free one where it would be. */
static inline struct methods_slot *methods_slot(
	const struct methods *methods, struct span_text name, uint64_t hash)
{
	size_t mask = methods->capacity - 1;
	size_t at = hash & mask;

	struct methods_slot *slot = &methods->slots[at];

	while ((slot->hash != hash || slot->name.size != name.size ||
		       !text_equal(slot->name.bytes, name.bytes, name.size)) &&
		slot->number != METHODS_OTHER) {
		at = (at + 1) & mask;
		slot = &methods->slots[at];
	}
	return slot;
}

static int methods_grow(struct methods *methods)
{
	struct methods grown = {
		.capacity = methods->capacity > 0 ? 2 * methods->capacity : METHODS_CAPACITY_MIN,
		.count = methods->count,
	};
	size_t i;

	grown.slots = calloc(grown.capacity, sizeof *grown.slots);
	if (grown.slots == NULL)
		return -1;
	for (i = 0; i < methods->capacity; i++)
		if (methods->slots[i].number != METHODS_OTHER)
			*methods_slot(&grown, methods->slots[i].name, methods->slots[i].hash) =
				methods->slots[i];
	free(methods->slots);
	*methods = grown;
	return 0;
}

int methods_add(struct methods *methods, const char *name)
{
	struct span_text text = span_text_of(name);
	unsigned number = methods_find(methods, text);
	uint64_t hash;

	if (number != METHODS_OTHER)
		return (int)number;
	if (4 * ((size_t)methods->count + 1) > methods->capacity && methods_grow(methods) != 0)
		return -1;
	hash = methods_hash(text);
	*methods_slot(methods, text, hash) =
		(struct methods_slot){.hash = hash, .name = text, .number = ++methods->count};
	return (int)methods->count;
}

unsigned methods_find(const struct methods *methods, struct span_text name)
{
	if (methods->count == 0)
		return METHODS_OTHER;
	return methods_slot(methods, name, methods_hash(name))->number;
}

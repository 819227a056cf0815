/*
 * Open addressing with linear probing, at most half full. The hash looks at both ends of a name and
 * its size, which is quick and tells the names of one profile apart; names that it does not tell
 * apart, or that a peer makes up, cost a comparison, not more than the profile has names.
 */
#include "proxy/trace/methods.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

/* Both ends of a name as words; they overlap in a short one. */
static uint64_t methods_hash(struct span_text name)
{
	uint64_t first = 0, last = 0;

	if (name.size >= sizeof first) {
		memcpy(&first, name.bytes, sizeof first);
		memcpy(&last, name.bytes + name.size - sizeof last, sizeof last);
	} else if (name.size > 0) {
		first = (uint64_t)(uint8_t)name.bytes[0] << 16 |
			(uint64_t)(uint8_t)name.bytes[name.size / 2] << 8 |
			(uint8_t)name.bytes[name.size - 1];
	}
	first = (first ^ name.size) * 0x9e3779b97f4a7c15u;
	last = ((first >> 32) ^ last) * 0x9e3779b97f4a7c15u;
	return last >> 32;
}

/* The slot that has the name, or the free one where it would be. */
static struct methods_slot *methods_slot(const struct methods *methods, struct span_text name)
{
	size_t mask = methods->capacity - 1;
	size_t at = methods_hash(name) & mask;
	struct methods_slot *slot;

	for (;; at = (at + 1) & mask) {
		slot = &methods->slots[at];
		if (slot->name.bytes == NULL ||
			(slot->name.size == name.size &&
				memcmp(slot->name.bytes, name.bytes, name.size) == 0))
			return slot;
	}
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
		if (methods->slots[i].name.bytes != NULL)
			*methods_slot(&grown, methods->slots[i].name) = methods->slots[i];
	free(methods->slots);
	*methods = grown;
	return 0;
}

int methods_add(struct methods *methods, const char *name)
{
	struct span_text text = {.bytes = name, .size = strlen(name)};
	unsigned number = methods_find(methods, text);

	if (number != METHODS_OTHER)
		return (int)number;
	if (2 * ((size_t)methods->count + 1) > methods->capacity && methods_grow(methods) != 0)
		return -1;
	*methods_slot(methods, text) =
		(struct methods_slot){.name = text, .number = ++methods->count};
	return (int)methods->count;
}

unsigned methods_find(const struct methods *methods, struct span_text name)
{
	/* a free slot has the number METHODS_OTHER */
	return methods->capacity > 0 ? methods_slot(methods, name)->number : METHODS_OTHER;
}

/*
 * Open addressing with linear probing, at most a quarter full. The hash looks at both ends of a
 * name and its size, which is quick and tells the names of one profile apart; names that it does
 * not tell apart, or that a peer makes up, cost a comparison, not more than the profile has names.
 */
#include "proxy/trace/names/methods.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/names/text.h"

#define METHODS_CAPACITY_MIN 16

void methods_init(struct methods *methods)
{
	*methods = (struct methods){.count = 0};
}

void methods_done(struct methods *methods)
{
	free(methods->slots);
	free(methods->names);
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

	while (slot->number != METHODS_OTHER &&
		(slot->hash != hash || slot->name.size != name.size ||
			memcmp(slot->name.bytes, name.bytes, name.size) != 0)) {
		at = (at + 1) & mask;
		slot = &methods->slots[at];
	}
	return slot;
}

static int methods_grow(struct methods *methods)
{
	struct methods grown = *methods;
	size_t i;

	grown.capacity = methods->capacity > 0 ? 2 * methods->capacity : METHODS_CAPACITY_MIN;
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

/* Whether text begins with that, which may be all of it. */
static bool methods_begins(struct span_text text, struct span_text with)
{
	return with.size == 0 ||
	       (text.size >= with.size && memcmp(text.bytes, with.bytes, with.size) == 0);
}

/* A new number. -1 when out of memory. */
static int methods_next(struct methods *methods, const char *name)
{
	struct span_text *names = methods->names;
	size_t count = methods->count;

	if ((count & (count - 1)) == 0) { /* there is room for a power of two */
		names = realloc(names, (count > 0 ? 2 * count : 1) * sizeof *names);
		if (names == NULL)
			return -1;
		methods->names = names;
	}
	names[methods->count++] = span_text_of(name);
	return (int)methods->count;
}

/* The number of a pattern: prefix is its name without the *. */
static int methods_add_pattern(struct methods *methods, const char *name, struct span_text prefix)
{
	struct methods_slot *patterns = methods->patterns;
	size_t at = 0, i;
	int number;

	for (i = 0; i < methods->pattern_count; i++) {
		if (patterns[i].name.size == prefix.size &&
			methods_begins(patterns[i].name, prefix))
			return (int)patterns[i].number;
		at += patterns[i].name.size >= prefix.size;
	}
	if (methods->pattern_count == METHODS_PATTERNS_MAX)
		return -1;
	number = methods_next(methods, name);
	if (number < 0)
		return -1;
	memmove(patterns + at + 1, patterns + at,
		(methods->pattern_count++ - at) * sizeof *patterns);
	patterns[at] = (struct methods_slot){.name = prefix, .number = (unsigned)number};
	return number;
}

/* A name of a profile without its *, if it has one: then true. */
static bool methods_is_pattern(struct span_text *name)
{
	bool is = name->size > 0 && name->bytes[name->size - 1] == '*';

	name->size -= is;
	return is;
}

int methods_add(struct methods *methods, const char *name)
{
	struct span_text text = span_text_of(name);
	struct methods_slot *slot;
	uint64_t hash;
	int number;

	if (methods_is_pattern(&text))
		return methods_add_pattern(methods, name, text);
	if (4 * ((size_t)methods->count + 1) > methods->capacity && methods_grow(methods) != 0)
		return -1;
	hash = methods_hash(text);
	slot = methods_slot(methods, text, hash);
	if (slot->number != METHODS_OTHER)
		return (int)slot->number;
	number = methods_next(methods, name);
	if (number > 0)
		*slot = (struct methods_slot){
			.hash = hash, .name = text, .number = (unsigned)number};
	return number;
}

static unsigned methods_find_pattern(const struct methods *methods, struct span_text name)
{
	size_t i;

	for (i = 0; i < methods->pattern_count; i++)
		if (methods_begins(name, methods->patterns[i].name))
			return methods->patterns[i].number;
	return METHODS_OTHER;
}

unsigned methods_find(const struct methods *methods, struct span_text name)
{
	uint64_t hash = methods_hash(name);
	unsigned number = METHODS_OTHER;

	if (methods->capacity > 0)
		number = methods_slot(methods, name, hash)->number;
	if (number == METHODS_OTHER && methods->pattern_count > 0)
		number = methods_find_pattern(methods, name);
	return number;
}

struct span_text methods_name(const struct methods *methods, unsigned number)
{
	assert(number <= methods->count);
	return number != METHODS_OTHER ? methods->names[number - 1] : span_text_of("");
}

bool methods_covers(const struct methods *methods, const char *name, unsigned number)
{
	struct span_text text = span_text_of(name), own = methods_name(methods, number);

	if (methods_is_pattern(&text))
		return methods_begins(own, text);
	return own.size == text.size && methods_begins(own, text);
}

/* Lists are short, and with "all", which is usual, nobody asks about a method. */
void wanted_init(struct wanted *wanted, const struct config_list *list)
{
	size_t i;

	*wanted = (struct wanted){.list = list};
	for (i = 0; i < list->count; i++)
		wanted->all |= strcmp(list->items[i], "all") == 0;
}

bool wanted_lists(const struct wanted *wanted, struct span_text method)
{
	const struct config_list *list = wanted->list;
	size_t i;

	for (i = 0; i < list->count; i++) {
		size_t size = strlen(list->items[i]);
		bool rest = size > 0 && list->items[i][size - 1] == '*';

		size -= rest;
		if ((rest ? method.size >= size : method.size == size) &&
			(size == 0 || memcmp(list->items[i], method.bytes, size) == 0))
			return true;
	}
	return false;
}

/*
 * The tracestate list: parse, change, write. One pass over the text with a table of character
 * classes; members stay where they are in it. A single bad member spoils the list, as the
 * specification wants it; nothing else can fail. Lists are short, so looking up is a plain search.
 */
#include "w3c/tracestate.h"

#include <assert.h>
#include <string.h>

/* Members longer than this are the first to go when a list is cut ("tracestate Limits"). */
#define TRACESTATE_MEMBER_LONG 128

/* Level 1 splits a key at its "@" into tenant and system. */
#define TRACESTATE_TENANT_MAX 241
#define TRACESTATE_SYSTEM_MAX 14

static bool tracestate_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool tracestate_is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool tracestate_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool tracestate_is_key_char(char c)
{
	return tracestate_is_lower(c) || tracestate_is_digit(c) || c == '_' || c == '-' ||
	       c == '*' || c == '/' || c == '@';
}

static bool tracestate_is_value_char(char c)
{
	return c >= 0x20 && c <= 0x7e && c != ',' && c != '=';
}

static bool tracestate_key_fits(const char *key, size_t size)
{
	size_t i;

	if (size == 0 || size > TRACESTATE_KEY_MAX)
		return false;
	if (!tracestate_is_lower(key[0]) && !tracestate_is_digit(key[0]))
		return false;
	for (i = 1; i < size; i++)
		if (!tracestate_is_key_char(key[i]))
			return false;
	return true;
}

static bool tracestate_value_fits(const char *value, size_t size)
{
	size_t i;

	if (size == 0 || size > TRACESTATE_VALUE_MAX || value[size - 1] == ' ')
		return false;
	for (i = 0; i < size; i++)
		if (!tracestate_is_value_char(value[i]))
			return false;
	return true;
}

bool tracestate_key_level1(const char *key, size_t size)
{
	const char *at = memchr(key, '@', size);
	size_t tenant_size, system_size;

	if (!tracestate_key_fits(key, size))
		return false;
	if (at == NULL)
		return tracestate_is_lower(key[0]);
	tenant_size = (size_t)(at - key);
	system_size = size - tenant_size - 1;
	return tenant_size <= TRACESTATE_TENANT_MAX && system_size > 0 &&
	       system_size <= TRACESTATE_SYSTEM_MAX && tracestate_is_lower(at[1]) &&
	       memchr(at + 1, '@', system_size) == NULL;
}

/* Splits key=value, which has no blanks around it. Returns 0 or -1. */
static int tracestate_parse_member(struct tracestate_member *member, const char *text, size_t size)
{
	const char *equals = memchr(text, '=', size);
	size_t key_size, value_size;

	if (equals == NULL)
		return -1;
	key_size = (size_t)(equals - text);
	value_size = size - key_size - 1;
	if (!tracestate_key_fits(text, key_size) || !tracestate_value_fits(equals + 1, value_size))
		return -1;
	*member = (struct tracestate_member){
		.key = text,
		.value = equals + 1,
		.key_size = (uint16_t)key_size,
		.value_size = (uint16_t)value_size,
	};
	return 0;
}

/* Adds what stands between two commas: a member, or nothing but blanks. Returns 0 or -1. */
static int tracestate_parse_part(struct tracestate *tracestate, const char *text, size_t size)
{
	while (size > 0 && tracestate_is_blank(text[0])) {
		text++;
		size--;
	}
	while (size > 0 && tracestate_is_blank(text[size - 1]))
		size--;
	if (size == 0)
		return 0;
	if (tracestate->count == TRACESTATE_MEMBERS_MAX)
		return -1;
	if (tracestate_parse_member(&tracestate->members[tracestate->count], text, size) != 0)
		return -1;
	tracestate->count++;
	return 0;
}

int tracestate_parse(struct tracestate *tracestate, const char *text, size_t size)
{
	const char *end = text + size;

	tracestate->count = 0;
	while (text < end) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		const char *part_end = comma != NULL ? comma : end;

		if (tracestate_parse_part(tracestate, text, (size_t)(part_end - text)) != 0) {
			tracestate->count = 0;
			return -1;
		}
		text = comma != NULL ? comma + 1 : end;
	}
	return 0;
}

static bool tracestate_has_key(
	const struct tracestate_member *member, const char *key, size_t key_size)
{
	return member->key_size == key_size && memcmp(member->key, key, key_size) == 0;
}

const struct tracestate_member *tracestate_find(
	const struct tracestate *tracestate, const char *key, size_t key_size)
{
	size_t i;

	for (i = 0; i < tracestate->count; i++)
		if (tracestate_has_key(&tracestate->members[i], key, key_size))
			return &tracestate->members[i];
	return NULL;
}

void tracestate_delete(struct tracestate *tracestate, const char *key, size_t key_size)
{
	size_t i, kept = 0;

	for (i = 0; i < tracestate->count; i++)
		if (!tracestate_has_key(&tracestate->members[i], key, key_size))
			tracestate->members[kept++] = tracestate->members[i];
	tracestate->count = kept;
}

int tracestate_set(struct tracestate *tracestate, const char *key, size_t key_size,
	const char *value, size_t value_size)
{
	struct tracestate_member *members = tracestate->members;

	if (!tracestate_key_level1(key, key_size) || !tracestate_value_fits(value, value_size))
		return -1;
	tracestate_delete(tracestate, key, key_size);
	if (tracestate->count == TRACESTATE_MEMBERS_MAX)
		tracestate->count--;
	memmove(members + 1, members, tracestate->count * sizeof *members);
	members[0] = (struct tracestate_member){
		.key = key,
		.value = value,
		.key_size = (uint16_t)key_size,
		.value_size = (uint16_t)value_size,
	};
	tracestate->count++;
	return 0;
}

static size_t tracestate_member_size(const struct tracestate_member *member)
{
	return (size_t)member->key_size + 1 + member->value_size;
}

size_t tracestate_size(const struct tracestate *tracestate)
{
	size_t i, size = 0;

	for (i = 0; i < tracestate->count; i++)
		size += tracestate_member_size(&tracestate->members[i]) + 1;
	return size > 0 ? size - 1 : 0;
}

/* The right-most member above size characters, or count when there is none. */
static size_t tracestate_last_above(const struct tracestate *tracestate, size_t size)
{
	size_t i;

	for (i = tracestate->count; i > 0; i--)
		if (tracestate_member_size(&tracestate->members[i - 1]) > size)
			return i - 1;
	return tracestate->count;
}

static void tracestate_remove(struct tracestate *tracestate, size_t index)
{
	struct tracestate_member *member = &tracestate->members[index];

	assert(index < tracestate->count);
	tracestate->count--;
	memmove(member, member + 1, (tracestate->count - index) * sizeof *member);
}

void tracestate_truncate(struct tracestate *tracestate, size_t size_max)
{
	while (tracestate_size(tracestate) > size_max) {
		size_t index = tracestate_last_above(tracestate, TRACESTATE_MEMBER_LONG);

		if (index == tracestate->count)
			index = tracestate->count - 1;
		tracestate_remove(tracestate, index);
	}
}

size_t tracestate_format(char *text, const struct tracestate *tracestate)
{
	char *at = text;
	size_t i;

	for (i = 0; i < tracestate->count; i++) {
		const struct tracestate_member *member = &tracestate->members[i];

		if (i > 0)
			*at++ = ',';
		memcpy(at, member->key, member->key_size);
		at += member->key_size;
		*at++ = '=';
		memcpy(at, member->value, member->value_size);
		at += member->value_size;
	}
	return (size_t)(at - text);
}

#ifndef PROXY_TRACE_KEY_H
#define PROXY_TRACE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "config/lifecycle.h"
#include "exporter/span.h"

/*
 * What a span that follows rules is known by: the values of its key's parts, in order, each with
 * its size in front. A key's first parts are a key too, and its first bytes.
 */
#define KEY_PART_MAX 256
#define KEY_HEAD     2 /* bytes of a part's size */
#define KEY_BYTES    (LIFECYCLE_KEY_MAX * (KEY_PART_MAX + KEY_HEAD))

struct key {
	size_t count;
	uint16_t ends[LIFECYCLE_KEY_MAX]; /* where each part ends in bytes */
	char bytes[KEY_BYTES];
};

static inline size_t key_size(const struct key *key)
{
	return key->count == 0 ? 0 : key->ends[key->count - 1];
}

/* Adds a part; false when it is empty, too long, or one too many: then nothing has changed. */
static inline bool key_add(struct key *key, struct span_text part)
{
	size_t at = key_size(key);

	if (part.size == 0 || part.size > KEY_PART_MAX || key->count == LIFECYCLE_KEY_MAX)
		return false;
	key->bytes[at] = (char)(part.size & 0xff);
	key->bytes[at + 1] = (char)(part.size >> 8);
	memcpy(key->bytes + at + KEY_HEAD, part.bytes, part.size); /* <= KEY_PART_MAX */
	key->ends[key->count++] = (uint16_t)(at + KEY_HEAD + part.size);
	return true;
}

/* The text of a part. */
static inline struct span_text key_part(const struct key *key, size_t part)
{
	size_t from = (part == 0 ? 0 : key->ends[part - 1]) + KEY_HEAD;

	return (struct span_text){.bytes = key->bytes + from, .size = key->ends[part] - from};
}

#endif

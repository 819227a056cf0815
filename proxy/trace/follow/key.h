#ifndef PROXY_TRACE_FOLLOW_KEY_H
#define PROXY_TRACE_FOLLOW_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "config/profile/lifecycle.h"
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

/* A part with its size in front, of a key whose bytes and ends are kept somewhere. */
static inline struct span_text key_piece_of(const char *bytes, const uint16_t *ends, size_t part)
{
	size_t from = part == 0 ? 0 : ends[part - 1];

	return (struct span_text){.bytes = bytes + from, .size = ends[part] - from};
}

/* Its text alone. */
static inline struct span_text key_part_of(const char *bytes, const uint16_t *ends, size_t part)
{
	struct span_text piece = key_piece_of(bytes, ends, part);

	return (struct span_text){.bytes = piece.bytes + KEY_HEAD, .size = piece.size - KEY_HEAD};
}

/* The text of a part. */
static inline struct span_text key_part(const struct key *key, size_t part)
{
	return key_part_of(key->bytes, key->ends, part);
}

/* The first part and the last, each with its size in front; the whole key. */
static inline struct span_text key_first(const struct key *key)
{
	return key_piece_of(key->bytes, key->ends, 0);
}

static inline struct span_text key_last(const struct key *key)
{
	return key_piece_of(key->bytes, key->ends, key->count - 1);
}

static inline struct span_text key_whole(const struct key *key)
{
	return (struct span_text){.bytes = key->bytes, .size = key_size(key)};
}

#endif

#ifndef PROXY_TRACE_NAMES_TEXT_H
#define PROXY_TRACE_NAMES_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "exporter/span.h"
#include "proxy/message/envelope.h"
#include "w3c/utf8.h"

/* Texts of messages: as the envelope has them, as copies, compared, hashed and cut. */

/*
 * Copying, comparing and hashing texts that are nearly always short: ids, methods, names. Two words
 * that overlap in the middle have all bytes of any size up to theirs together, without a loop and
 * without a call, which would be most of the work. Nothing beyond size is read or written.
 */
#define TEXT_SHORT 32

struct text_block {
	uint64_t words[2];
};

static inline uint64_t text_word(const char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof word);
	return word;
}

static inline uint32_t text_half(const char *bytes)
{
	uint32_t half;

	memcpy(&half, bytes, sizeof half);
	return half;
}

/* As words, up to sixteen bytes: those of the beginning and those of the end. */
static inline struct text_block text_block(const char *bytes, size_t size)
{
	if (size >= 8)
		return (struct text_block){{text_word(bytes), text_word(bytes + size - 8)}};
	if (size >= 4)
		return (struct text_block){{text_half(bytes), text_half(bytes + size - 4)}};
	if (size == 0)
		return (struct text_block){{0, 0}};
	return (struct text_block){{(uint8_t)bytes[0],
		(uint64_t)(uint8_t)bytes[size / 2] << 8 | (uint8_t)bytes[size - 1]}};
}

static inline bool text_blocks_equal(struct text_block a, struct text_block b)
{
	return ((a.words[0] ^ b.words[0]) | (a.words[1] ^ b.words[1])) == 0;
}

/* Whether both have the same bytes. */
static inline bool text_equal(const char *a, const char *b, size_t size)
{
	if (size > TEXT_SHORT)
		return memcmp(a, b, size) == 0;
	if (size <= 16)
		return text_blocks_equal(text_block(a, size), text_block(b, size));
	return text_blocks_equal(text_block(a, 16), text_block(b, 16)) &&
	       text_blocks_equal(text_block(a + size - 16, 16), text_block(b + size - 16, 16));
}

static inline void text_copy(char *to, const char *from, size_t size)
{
	char first[16], last[16];

	if (size > TEXT_SHORT) {
		memcpy(to, from, size);
	} else if (size >= 16) {
		memcpy(first, from, 16);
		memcpy(last, from + size - 16, 16);
		memcpy(to, first, 16);
		memcpy(to + size - 16, last, 16);
	} else if (size >= 8) {
		memcpy(first, from, 8);
		memcpy(last, from + size - 8, 8);
		memcpy(to, first, 8);
		memcpy(to + size - 8, last, 8);
	} else if (size >= 4) {
		memcpy(first, from, 4);
		memcpy(last, from + size - 4, 4);
		memcpy(to, first, 4);
		memcpy(to + size - 4, last, 4);
	} else if (size > 0) {
		first[0] = from[0];
		first[1] = from[size / 2];
		first[2] = from[size - 1];
		to[0] = first[0];
		to[size / 2] = first[1];
		to[size - 1] = first[2];
	}
}

/* Mixes a word into a hash: both halves of the product (after wyhash). */
static inline uint64_t text_mix(uint64_t hash, uint64_t word)
{
	__extension__ unsigned __int128 product =
		(unsigned __int128)(hash ^ word) * 0x9e3779b97f4a7c15ull;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/*
 * With a random seed it is not known to a peer which keys of its choice have hashes that collide.
 */
static inline uint64_t text_hash(uint64_t seed, const char *bytes, size_t size)
{
	uint64_t hash = seed ^ size;
	struct text_block rest;

	for (; size > 16; bytes += 8, size -= 8)
		hash = text_mix(hash, text_word(bytes));
	rest = text_block(bytes, size);
	hash = text_mix(hash, rest.words[0]);
	return text_mix(text_mix(hash, rest.words[1]), seed);
}

/* The text of a value, borrowed from the envelope; as much of it as that has kept. */
static inline struct span_text text_of_value(const struct envelope_value *value)
{
	return (struct span_text){.bytes = value->text, .size = value->size};
}

/* The same of the value in a slot. */
static inline struct span_text text_in_slot(const struct envelope *envelope, int slot)
{
	return text_of_value(envelope_value(envelope, slot));
}

/* Copies a text to *at, where there is room for it, and moves *at behind it. Returns the copy. */
static inline struct span_text text_pack(char **at, struct span_text text)
{
	struct span_text packed = {.bytes = *at, .size = text.size};

	text_copy(*at, text.bytes, text.size);
	*at += text.size;
	return packed;
}

/* The mark at the end of a text that goes on: an ellipsis, U+2026. */
#define TEXT_CUT_MARK      "\xe2\x80\xa6"
#define TEXT_CUT_MARK_SIZE (sizeof TEXT_CUT_MARK - 1)

/* How much of such a text is kept, so that it has room with its mark and no character is broken. */
static inline size_t text_cut_size(struct span_text text, size_t size_max)
{
	size_t size = size_max - TEXT_CUT_MARK_SIZE;

	if (text.size <= size)
		return text.size;
	return utf8_cut(text.bytes, size);
}

#endif

#ifndef PROXY_TRACE_NAMES_BYTES_H
#define PROXY_TRACE_NAMES_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Copying, comparing and hashing texts that are nearly always short: ids, methods, names. Two words
 * that overlap in the middle have all bytes of any size up to theirs together, without a loop and
 * without a call, which would be most of the work. Nothing beyond size is read or written.
 */
#define BYTES_SHORT 32

struct bytes_block {
	uint64_t words[2];
};

static inline uint64_t bytes_word(const char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof word);
	return word;
}

static inline uint32_t bytes_half(const char *bytes)
{
	uint32_t half;

	memcpy(&half, bytes, sizeof half);
	return half;
}

/* As words, up to sixteen bytes: those of the beginning and those of the end. */
static inline struct bytes_block bytes_block(const char *bytes, size_t size)
{
	if (size >= 8)
		return (struct bytes_block){{bytes_word(bytes), bytes_word(bytes + size - 8)}};
	if (size >= 4)
		return (struct bytes_block){{bytes_half(bytes), bytes_half(bytes + size - 4)}};
	if (size == 0)
		return (struct bytes_block){{0, 0}};
	return (struct bytes_block){{(uint8_t)bytes[0],
		(uint64_t)(uint8_t)bytes[size / 2] << 8 | (uint8_t)bytes[size - 1]}};
}

static inline bool bytes_blocks_equal(struct bytes_block a, struct bytes_block b)
{
	return ((a.words[0] ^ b.words[0]) | (a.words[1] ^ b.words[1])) == 0;
}

/* Whether both have the same bytes. */
static inline bool bytes_equal(const char *a, const char *b, size_t size)
{
	if (size > BYTES_SHORT)
		return memcmp(a, b, size) == 0;
	if (size <= 16)
		return bytes_blocks_equal(bytes_block(a, size), bytes_block(b, size));
	return bytes_blocks_equal(bytes_block(a, 16), bytes_block(b, 16)) &&
	       bytes_blocks_equal(bytes_block(a + size - 16, 16), bytes_block(b + size - 16, 16));
}

static inline void bytes_copy(char *to, const char *from, size_t size)
{
	char first[16], last[16];

	if (size > BYTES_SHORT) {
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
static inline uint64_t bytes_mix(uint64_t hash, uint64_t word)
{
	__extension__ unsigned __int128 product =
		(unsigned __int128)(hash ^ word) * 0x9e3779b97f4a7c15ull;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* With a random seed it is not known to a peer which keys of its choice have hashes that collide.
 */
static inline uint64_t bytes_hash(uint64_t seed, const char *bytes, size_t size)
{
	uint64_t hash = seed ^ size;
	struct bytes_block rest;

	for (; size > 16; bytes += 8, size -= 8)
		hash = bytes_mix(hash, bytes_word(bytes));
	rest = bytes_block(bytes, size);
	hash = bytes_mix(hash, rest.words[0]);
	return bytes_mix(bytes_mix(hash, rest.words[1]), seed);
}

#endif

/*
 * Exclusive-or with a repeated key of four bytes, 64 or 16 bytes a step. Nothing can fail. The key
 * is turned to the phase once; from there every step begins at its byte 0, since steps are
 * multiples of four; but for the last one, which ends where the bytes end.
 */
#include "proxy/side/mask.h"

#include <string.h>

#define MASK_PAIR 16

/* The key from its byte phase mod 4 on, twice. */
static uint64_t mask_turn(const uint8_t key[4], uint32_t phase)
{
	unsigned bits = 8 * (phase & 3);
	uint32_t word;
	uint64_t twice;

	memcpy(&word, key, sizeof word);
	twice = (uint64_t)word << 32 | word;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return twice << bits | twice >> (64 - bits) % 64;
#else
	return twice >> bits | twice << (64 - bits) % 64;
#endif
}

/* Two words, which the compiler makes one. */
static inline void mask_pair(uint8_t *to, const uint8_t *from, uint64_t key)
{
	uint64_t pair[2];

	memcpy(pair, from, sizeof pair);
	pair[0] ^= key;
	pair[1] ^= key;
	memcpy(to, pair, sizeof pair);
}

/* Fewer bytes than a pair: 8, 4, and one by one. */
static void mask_few(
	uint8_t *to, const uint8_t *from, size_t size, const uint8_t key[4], uint32_t phase)
{
	uint64_t wide, turned = mask_turn(key, phase);
	uint32_t word;
	size_t done = size & 8, i;

	if (done > 0) {
		memcpy(&wide, from, sizeof wide);
		wide ^= turned;
		memcpy(to, &wide, sizeof wide);
	}
	if (size & 4) {
		memcpy(&word, from + done, sizeof word);
		word ^= (uint32_t)turned;
		memcpy(to + done, &word, sizeof word);
	}
	for (i = size & 12; i < size; i++)
		to[i] = from[i] ^ key[(phase + i) & 3];
}

void mask_copy(uint8_t *to, const uint8_t *from, size_t size, const uint8_t key[4], uint32_t phase)
{
	uint64_t turned = mask_turn(key, phase),
		 turned_last = mask_turn(key, phase + (uint32_t)size);
	uint64_t last[2];
	uint8_t *to_last;

	if (size < MASK_PAIR) {
		mask_few(to, from, size, key, phase);
		return;
	}
	/* The last pair overlaps the one before it: it is read first, for they may be in place. */
	to_last = to + size - MASK_PAIR;
	memcpy(last, from + size - MASK_PAIR, MASK_PAIR);
	for (; size > 4 * MASK_PAIR; size -= 4 * MASK_PAIR) {
		mask_pair(to, from, turned);
		mask_pair(to + MASK_PAIR, from + MASK_PAIR, turned);
		mask_pair(to + 2 * MASK_PAIR, from + 2 * MASK_PAIR, turned);
		mask_pair(to + 3 * MASK_PAIR, from + 3 * MASK_PAIR, turned);
		to += 4 * MASK_PAIR;
		from += 4 * MASK_PAIR;
	}
	for (; size > MASK_PAIR; size -= MASK_PAIR) {
		mask_pair(to, from, turned);
		to += MASK_PAIR;
		from += MASK_PAIR;
	}
	last[0] ^= turned_last;
	last[1] ^= turned_last;
	memcpy(to_last, last, MASK_PAIR);
}

void mask_apply(uint8_t *bytes, size_t size, const uint8_t key[4], uint32_t phase)
{
	mask_copy(bytes, bytes, size, key, phase);
}

/*
 * Exclusive-or with a repeated key of four bytes, 64 or 16 bytes a step. Nothing can fail. The key
 * is turned to the phase once; from there every step begins at its byte 0, since steps are
 * multiples of four; but for the last one, which ends where the bytes end.
 */
#include "proxy/side/mask.h"

#include <string.h>

#define MASK_PAIR      16
#define MASK_NOT_ASCII 0x8080808080808080u

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

/* Two words, which are one where the machine has such; seen: all bits of what was written. */
typedef uint64_t mask_pair __attribute__((vector_size(MASK_PAIR)));

static inline mask_pair mask_load(const uint8_t *bytes)
{
	mask_pair pair;

	memcpy(&pair, bytes, sizeof pair);
	return pair;
}

static inline void mask_step(uint8_t *to, const uint8_t *from, mask_pair key, mask_pair *seen)
{
	mask_pair pair = mask_load(from) ^ key;

	*seen |= pair;
	memcpy(to, &pair, sizeof pair);
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

/* looks: returns whether all that was written is ASCII; else nothing that means something. */
static inline __attribute__((always_inline)) bool mask_run(uint8_t *to, const uint8_t *from,
	size_t size, const uint8_t key[4], uint32_t phase, bool looks)
{
	const uint64_t turned = mask_turn(key, phase),
		       turned_last = mask_turn(key, phase + (uint32_t)size);
	const mask_pair pair = {turned, turned};
	uint8_t *to_last = to + size - MASK_PAIR;
	/* The last pair overlaps the one before it: it is read first, for they may be in place. */
	mask_pair last =
		mask_load(from + size - MASK_PAIR) ^ (mask_pair) { turned_last, turned_last };
	mask_pair seen = last;

	for (; size > 4 * MASK_PAIR; size -= 4 * MASK_PAIR) {
		mask_step(to, from, pair, &seen);
		mask_step(to + MASK_PAIR, from + MASK_PAIR, pair, &seen);
		mask_step(to + 2 * MASK_PAIR, from + 2 * MASK_PAIR, pair, &seen);
		mask_step(to + 3 * MASK_PAIR, from + 3 * MASK_PAIR, pair, &seen);
		to += 4 * MASK_PAIR;
		from += 4 * MASK_PAIR;
	}
	for (; size > MASK_PAIR; size -= MASK_PAIR) {
		mask_step(to, from, pair, &seen);
		to += MASK_PAIR;
		from += MASK_PAIR;
	}
	memcpy(to_last, &last, sizeof last);
	return looks && ((seen[0] | seen[1]) & MASK_NOT_ASCII) == 0;
}

void mask_copy(uint8_t *to, const uint8_t *from, size_t size, const uint8_t key[4], uint32_t phase)
{
	if (size < MASK_PAIR)
		mask_few(to, from, size, key, phase);
	else
		(void)mask_run(to, from, size, key, phase, false);
}

void mask_apply(uint8_t *bytes, size_t size, const uint8_t key[4], uint32_t phase)
{
	mask_copy(bytes, bytes, size, key, phase);
}

bool mask_apply_ascii(uint8_t *bytes, size_t size, const uint8_t key[4])
{
	if (size >= MASK_PAIR)
		return mask_run(bytes, bytes, size, key, 0, true);
	mask_few(bytes, bytes, size, key, 0);
	return false;
}

/*
 * Exclusive-or with a repeated key of four bytes, 16 bytes a step. Nothing can fail. The key is
 * turned to the phase once; from there every step begins at its byte 0, since steps are multiples
 * of four.
 */
#include "proxy/side/mask.h"

#include <string.h>

/* The key from its byte phase mod 4 on: four bytes from the middle of the key written twice. */
static uint32_t mask_turn(const uint8_t key[4], uint32_t phase)
{
	uint32_t word;
	uint64_t twice;
	uint8_t bytes[sizeof twice];

	memcpy(&word, key, sizeof word);
	twice = (uint64_t)word << 32 | word;
	memcpy(bytes, &twice, sizeof twice);
	memcpy(&word, bytes + (phase & 3), sizeof word);
	return word;
}

/* At most 15 bytes are left: 8, 4, and one by one. */
static void mask_tail(uint8_t *to, const uint8_t *from, size_t size, uint64_t key)
{
	uint64_t wide;
	uint32_t word;
	uint8_t bytes[4];
	size_t i;

	if (size & 8) {
		memcpy(&wide, from, sizeof wide);
		wide ^= key;
		memcpy(to, &wide, sizeof wide);
		to += 8;
		from += 8;
	}
	if (size & 4) {
		memcpy(&word, from, sizeof word);
		word ^= (uint32_t)key;
		memcpy(to, &word, sizeof word);
		to += 4;
		from += 4;
	}
	word = (uint32_t)key;
	memcpy(bytes, &word, sizeof bytes);
	for (i = 0; i < (size & 3); i++)
		to[i] = from[i] ^ bytes[i];
}

void mask_copy(uint8_t *to, const uint8_t *from, size_t size, const uint8_t key[4], uint32_t phase)
{
	uint32_t word = mask_turn(key, phase);
	uint64_t wide = (uint64_t)word << 32 | word;
	uint64_t pair[2];

	for (; size >= sizeof pair; size -= sizeof pair) {
		memcpy(pair, from, sizeof pair);
		pair[0] ^= wide;
		pair[1] ^= wide;
		memcpy(to, pair, sizeof pair);
		to += sizeof pair;
		from += sizeof pair;
	}
	mask_tail(to, from, size, wide);
}

void mask_apply(uint8_t *bytes, size_t size, const uint8_t key[4], uint32_t phase)
{
	mask_copy(bytes, bytes, size, key, phase);
}

/* SHA-1, for texts that are all there: see sha1.h. The names are those of RFC 3174, section 6.1. */
#include "proxy/side/sha1.h"

#include <string.h>

#define SHA1_BLOCK 64

static uint32_t sha1_rotate(uint32_t word, unsigned bits)
{
	return word << bits | word >> (32 - bits);
}

static uint32_t sha1_function(size_t t, uint32_t b, uint32_t c, uint32_t d)
{
	if (t < 20)
		return ((b & c) | (~b & d)) + 0x5a827999;
	if (t < 40)
		return (b ^ c ^ d) + 0x6ed9eba1;
	if (t < 60)
		return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
	return (b ^ c ^ d) + 0xca62c1d6;
}

static void sha1_block(uint32_t h[5], const uint8_t block[SHA1_BLOCK])
{
	uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], w[80], next;
	size_t t;

	for (t = 0; t < 16; t++)
		w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
		       (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
	for (; t < 80; t++)
		w[t] = sha1_rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
	for (t = 0; t < 80; t++) {
		next = sha1_rotate(a, 5) + sha1_function(t, b, c, d) + e + w[t];
		e = d;
		d = c;
		c = sha1_rotate(b, 30);
		b = a;
		a = next;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

void sha1(uint8_t digest[SHA1_SIZE], const uint8_t *bytes, size_t size)
{
	uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	size_t whole = size - size % SHA1_BLOCK, rest = size - whole, padded, i;
	uint8_t last[2 * SHA1_BLOCK] = {0};

	for (i = 0; i < whole; i += SHA1_BLOCK)
		sha1_block(h, bytes + i);
	if (rest > 0)
		memcpy(last, bytes + whole, rest);
	/* a bit that is set, and the size in bits at the end of a block */
	last[rest] = 0x80;
	padded = rest + 1 + 8 <= SHA1_BLOCK ? SHA1_BLOCK : 2 * SHA1_BLOCK;
	for (i = 0; i < 8; i++)
		last[padded - 1 - i] = (uint8_t)((uint64_t)size * 8 >> 8 * i);
	for (i = 0; i < padded; i += SHA1_BLOCK)
		sha1_block(h, last + i);
	for (i = 0; i < SHA1_SIZE; i++)
		digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

#ifndef PROXY_MESSAGE_SKIM_BLOCK_H
#define PROXY_MESSAGE_SKIM_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * The inner step of skim: which bytes of a block end plain text inside a string, that is quotes,
 * backslashes and control characters (RFC 8259, section 7). The answer is a mask with one bit per
 * byte, SKIM_STRIDE bits apart, the first byte lowest.
 *
 * SSE2 where there is, else eight bytes in a word; SKIM_PLAIN chooses the latter everywhere.
 */
#if defined(__SSE2__) && !defined(SKIM_PLAIN)

#include <emmintrin.h>

#define SKIM_BLOCK  16
#define SKIM_STRIDE 1

static inline uint64_t skim_block_stops(const uint8_t *bytes)
{
	__m128i block = _mm_loadu_si128((const __m128i *)(const void *)bytes);
	/* Flipping bit 1 brings the quote (0x22) to 0x20, next to the control characters. */
	__m128i flipped = _mm_xor_si128(block, _mm_set1_epi8(2));
	/* The highest bit is left in what was at most 0x20. */
	__m128i low = _mm_subs_epu8(_mm_set1_epi8((char)0xa0), flipped);
	__m128i backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));

	return (uint32_t)_mm_movemask_epi8(_mm_or_si128(low, backslash));
}

/* Whether there is a stop in any of SKIM_BLOCKS blocks. */
static inline bool skim_block_busy(const uint8_t *bytes)
{
	const __m128i *blocks = (const __m128i *)(const void *)bytes;
	const __m128i quote = _mm_set1_epi8(2), backslash = _mm_set1_epi8('\\');
	__m128i a = _mm_loadu_si128(blocks), b = _mm_loadu_si128(blocks + 1);
	__m128i c = _mm_loadu_si128(blocks + 2), d = _mm_loadu_si128(blocks + 3);
	__m128i ab = _mm_min_epu8(_mm_xor_si128(a, quote), _mm_xor_si128(b, quote));
	__m128i cd = _mm_min_epu8(_mm_xor_si128(c, quote), _mm_xor_si128(d, quote));
	__m128i least = _mm_min_epu8(ab, cd);
	__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(least, _mm_set1_epi8(0x20)), least);

	ab = _mm_or_si128(_mm_cmpeq_epi8(a, backslash), _mm_cmpeq_epi8(b, backslash));
	cd = _mm_or_si128(_mm_cmpeq_epi8(c, backslash), _mm_cmpeq_epi8(d, backslash));
	return _mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(ab, cd))) != 0;
}

/* The position in the block of the first byte in a mask that is not empty. */
static inline unsigned skim_block_first(uint64_t stops)
{
	return (unsigned)__builtin_ctz((uint32_t)stops);
}

/* skim_block_stops() for what is no digit. */
static inline uint64_t skim_block_others(const uint8_t *bytes)
{
	__m128i block = _mm_loadu_si128((const __m128i *)(const void *)bytes);
	__m128i value = _mm_sub_epi8(block, _mm_set1_epi8('0'));
	__m128i digits = _mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value);

	return (uint32_t)_mm_movemask_epi8(digits) ^ 0xffff;
}

#else

#define SKIM_BLOCK  8
#define SKIM_STRIDE 8

#define SKIM_EACH(byte) (0x0101010101010101u * (uint64_t)(byte))

static inline uint64_t skim_block_load(const uint8_t *bytes)
{
	uint64_t block;

	memcpy(&block, bytes, sizeof(block));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	block = __builtin_bswap64(block);
#endif
	return block;
}

static inline uint64_t skim_block_stops(const uint8_t *bytes)
{
	uint64_t block = skim_block_load(bytes), low, backslash;

	/* Seven-bit sums never carry into the next byte, so every bit is exact. */
	low = block ^ SKIM_EACH(2); /* the quote comes to 0x20, next to the control characters */
	low = ((low & SKIM_EACH(0x7f)) + SKIM_EACH(0x7f - 0x20)) | low;
	backslash = block ^ SKIM_EACH('\\');
	backslash = ((backslash & SKIM_EACH(0x7f)) + SKIM_EACH(0x7f)) | backslash;
	return ~(low & backslash) & SKIM_EACH(0x80);
}

static inline bool skim_block_busy(const uint8_t *bytes)
{
	return (skim_block_stops(bytes) | skim_block_stops(bytes + SKIM_BLOCK) |
		       skim_block_stops(bytes + 2 * SKIM_BLOCK) |
		       skim_block_stops(bytes + 3 * SKIM_BLOCK)) != 0;
}

static inline unsigned skim_block_first(uint64_t stops)
{
	return (unsigned)__builtin_ctzll(stops) / SKIM_STRIDE;
}

static inline uint64_t skim_block_others(const uint8_t *bytes)
{
	uint64_t value = skim_block_load(bytes) ^ SKIM_EACH('0');

	return (((value & SKIM_EACH(0x7f)) + SKIM_EACH(0x7f - 9)) | value) & SKIM_EACH(0x80);
}

#endif

#define SKIM_BLOCKS 4

/*
 * Where the first stop is from p on, the end of the input when there is none. last_block is the
 * last whole block of the input, p at most as far as its end.
 */
static inline const uint8_t *skim_block_plain(const uint8_t *p, const uint8_t *last_block)
{
	const uint8_t *end = last_block + SKIM_BLOCK;
	uint64_t stops;

	for (; p <= last_block; p += SKIM_BLOCK) {
		stops = skim_block_stops(p);
		if (stops != 0)
			return p + skim_block_first(stops);
	}
	if (p >= end)
		return end;
	stops = skim_block_stops(last_block) >> ((size_t)(p - last_block) * SKIM_STRIDE);
	return stops == 0 ? end : p + skim_block_first(stops);
}

/* The same for the first byte that is no digit, p before the end, and no further than a block. */
static inline const uint8_t *skim_block_digits(const uint8_t *p, const uint8_t *last_block)
{
	uint64_t others;

	if (p <= last_block)
		others = skim_block_others(p);
	else
		others = skim_block_others(last_block) >> ((size_t)(p - last_block) * SKIM_STRIDE);
	return others != 0       ? p + skim_block_first(others)
	       : p <= last_block ? p + SKIM_BLOCK
				 : last_block + SKIM_BLOCK;
}

/* The same for fewer bytes than a block. */
static inline uint64_t skim_block_few(const uint8_t *bytes, size_t count)
{
	uint8_t block[SKIM_BLOCK];

	memset(block, ' ', sizeof(block));
	memcpy(block, bytes, count); /* < SKIM_BLOCK */
	return skim_block_stops(block);
}

/* The mask without the first count bytes; count < SKIM_BLOCK. */
static inline uint64_t skim_block_after(uint64_t stops, unsigned count)
{
	return stops & (~UINT64_C(0) << (count * SKIM_STRIDE));
}

#endif

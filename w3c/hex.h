#ifndef W3C_HEX_H
#define W3C_HEX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/*
 * Ids as hexadecimal digits, lower case, for everything that writes one. Inline: it is done for
 * each request several times.
 */
static const char hex_digits[] = "0123456789abcdef";

/* Writes 2 * size digits. Returns where they end. The portable twin of hex_put_id(). */
static inline char *hex_put(char *to, const uint8_t *bytes, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		*to++ = hex_digits[bytes[i] >> 4];
		*to++ = hex_digits[bytes[i] & 15];
	}
	return to;
}

#ifdef __SSE2__
/* Sixteen halves of bytes as digits: those above 9 are moved on to 'a'. */
static inline __m128i hex_block(__m128i halves)
{
	__m128i above = _mm_cmpgt_epi8(halves, _mm_set1_epi8(9));
	__m128i gap = _mm_and_si128(above, _mm_set1_epi8('a' - '9' - 1));

	return _mm_add_epi8(_mm_add_epi8(halves, _mm_set1_epi8('0')), gap);
}
#endif

/* The same for an id of 8 or 16 bytes; size is a constant. */
static inline char *hex_put_id(char *to, const uint8_t *id, size_t size)
{
#ifdef __SSE2__
	const __m128i low = _mm_set1_epi8(15);
	size_t i;

	for (i = 0; i < size; i += 8) {
		__m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)(id + i));
		__m128i highs = _mm_and_si128(_mm_srli_epi16(bytes, 4), low);
		__m128i lows = _mm_and_si128(bytes, low);

		_mm_storeu_si128(
			(__m128i *)(void *)(to + 2 * i), hex_block(_mm_unpacklo_epi8(highs, lows)));
	}
	return to + 2 * size;
#else
	return hex_put(to, id, size);
#endif
}

#endif

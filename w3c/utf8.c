/*
 * Runs of ASCII are skipped 64 bytes a step; what remains goes through a state machine, 16 bytes a
 * step, until the text is complete and ASCII again.
 *
 * The machine is kept in shifts: the state is a bit offset, a row of the table holds for one byte
 * value the next state at the offset of every present one. A step is one load and one shift, and
 * only the shift waits for the step before. An offset that a row does not mention reads as 0, the
 * bad state, which stays bad; so a block is checked once at its end and walked again only to say
 * where it went wrong.
 */
#include "w3c/utf8.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define UTF8_STATE_MASK 63
#define UTF8_BLOCK      16

/* The states: what may come next. Multiples of six, all offsets fit a row of 64 bits. */
enum utf8_state {
	UTF8_BAD = 0,
	/* UTF8_COMPLETE = 6: the first byte of a character */
	UTF8_TAIL_1 = 12,   /* one more byte 80..BF */
	UTF8_TAIL_2 = 18,   /* two more */
	UTF8_TAIL_3 = 24,   /* three more */
	UTF8_AFTER_E0 = 30, /* A0..BF, else overlong; then one more */
	UTF8_AFTER_ED = 36, /* 80..9F, else a surrogate; then one more */
	UTF8_AFTER_F0 = 42, /* 90..BF, else overlong; then two more */
	UTF8_AFTER_F4 = 48, /* 80..8F, else above U+10FFFF; then two more */
};

#define UTF8_STEP(from, to) ((uint64_t)(to) << (from))
#define UTF8_TAIL                                                                                  \
	(UTF8_STEP(UTF8_TAIL_1, UTF8_COMPLETE) | UTF8_STEP(UTF8_TAIL_2, UTF8_TAIL_1) |             \
		UTF8_STEP(UTF8_TAIL_3, UTF8_TAIL_2))

#define UTF8_ASCII UTF8_STEP(UTF8_COMPLETE, UTF8_COMPLETE)
#define UTF8_80_TO_8F                                                                              \
	(UTF8_TAIL | UTF8_STEP(UTF8_AFTER_ED, UTF8_TAIL_1) | UTF8_STEP(UTF8_AFTER_F4, UTF8_TAIL_2))
#define UTF8_90_TO_9F                                                                              \
	(UTF8_TAIL | UTF8_STEP(UTF8_AFTER_ED, UTF8_TAIL_1) | UTF8_STEP(UTF8_AFTER_F0, UTF8_TAIL_2))
#define UTF8_A0_TO_BF                                                                              \
	(UTF8_TAIL | UTF8_STEP(UTF8_AFTER_E0, UTF8_TAIL_1) | UTF8_STEP(UTF8_AFTER_F0, UTF8_TAIL_2))
#define UTF8_LEAD(to) UTF8_STEP(UTF8_COMPLETE, to)

#define UTF8_4(row)  row, row, row, row
#define UTF8_16(row) UTF8_4(row), UTF8_4(row), UTF8_4(row), UTF8_4(row)
#define UTF8_64(row) UTF8_16(row), UTF8_16(row), UTF8_16(row), UTF8_16(row)

static const uint64_t utf8_rows[256] = {
	UTF8_64(UTF8_ASCII), UTF8_64(UTF8_ASCII),                                 /* 00..7F */
	UTF8_16(UTF8_80_TO_8F), UTF8_16(UTF8_90_TO_9F),                           /* 80..9F */
	UTF8_16(UTF8_A0_TO_BF), UTF8_16(UTF8_A0_TO_BF),                           /* A0..BF */
	UTF8_BAD, UTF8_BAD, UTF8_LEAD(UTF8_TAIL_1), UTF8_LEAD(UTF8_TAIL_1),       /* C0..C3 */
	UTF8_4(UTF8_LEAD(UTF8_TAIL_1)), UTF8_4(UTF8_LEAD(UTF8_TAIL_1)),           /* C4..CB */
	UTF8_4(UTF8_LEAD(UTF8_TAIL_1)), UTF8_16(UTF8_LEAD(UTF8_TAIL_1)),          /* CC..DF */
	UTF8_LEAD(UTF8_AFTER_E0), UTF8_4(UTF8_LEAD(UTF8_TAIL_2)),                 /* E0..E4 */
	UTF8_4(UTF8_LEAD(UTF8_TAIL_2)), UTF8_4(UTF8_LEAD(UTF8_TAIL_2)),           /* E5..EC */
	UTF8_LEAD(UTF8_AFTER_ED), UTF8_LEAD(UTF8_TAIL_2), UTF8_LEAD(UTF8_TAIL_2), /* ED..EF */
	UTF8_LEAD(UTF8_AFTER_F0), UTF8_LEAD(UTF8_TAIL_3), UTF8_LEAD(UTF8_TAIL_3), /* F0..F2 */
	UTF8_LEAD(UTF8_TAIL_3), UTF8_LEAD(UTF8_AFTER_F4),                         /* F3..F4 */
	/* F5..FF: UTF8_BAD */
};

static bool utf8_ascii_16_plain(const uint8_t *bytes)
{
	uint64_t words[2];

	memcpy(words, bytes, sizeof words);
	return ((words[0] | words[1]) & UINT64_C(0x8080808080808080)) == 0;
}

static bool utf8_ascii_64_plain(const uint8_t *bytes)
{
	uint64_t words[8];

	memcpy(words, bytes, sizeof words);
	return ((words[0] | words[1] | words[2] | words[3] | words[4] | words[5] | words[6] |
			words[7]) &
		       UINT64_C(0x8080808080808080)) == 0;
}

#ifdef __SSE2__
static inline __m128i utf8_load(const uint8_t *bytes)
{
	__m128i value;

	memcpy(&value, bytes, sizeof value);
	return value;
}

static bool utf8_ascii_16_sse2(const uint8_t *bytes)
{
	return _mm_movemask_epi8(utf8_load(bytes)) == 0;
}

static bool utf8_ascii_64_sse2(const uint8_t *bytes)
{
	__m128i low = _mm_or_si128(utf8_load(bytes), utf8_load(bytes + 16));
	__m128i high = _mm_or_si128(utf8_load(bytes + 32), utf8_load(bytes + 48));

	return _mm_movemask_epi8(_mm_or_si128(low, high)) == 0;
}
#endif

/* Two instances of utf8_run, each with its tests inlined. */
#define UTF8_INLINE static inline __attribute__((always_inline))

typedef bool utf8_test(const uint8_t *bytes);

/*
 * Bytes at the front that are surely ASCII: all of them, or a multiple of 16. The last step reads
 * 16 bytes that overlap what is already known, where there are that many.
 */
UTF8_INLINE size_t utf8_ascii(
	const uint8_t *bytes, size_t size, utf8_test *all_16, utf8_test *all_64)
{
	size_t i = 0;

	while (size - i >= 64 && all_64(bytes + i))
		i += 64;
	while (size - i >= 16 && all_16(bytes + i))
		i += 16;
	if (size >= 16 && size - i < 16 && all_16(bytes + size - 16))
		return size;
	return i;
}

static size_t utf8_walk(uint8_t *state, const uint8_t *bytes, size_t size)
{
	uint64_t at = *state;
	size_t i;

	for (i = 0; i < size; i++)
		at = utf8_rows[bytes[i]] >> (at & UTF8_STATE_MASK);
	at &= UTF8_STATE_MASK;
	if (at == UTF8_BAD)
		for (i = 0, at = *state;; i++) {
			at = utf8_rows[bytes[i]] >> at & UTF8_STATE_MASK;
			if (at == UTF8_BAD)
				break;
		}
	*state = (uint8_t)at;
	return i;
}

UTF8_INLINE size_t utf8_run(
	uint8_t *state, const uint8_t *bytes, size_t size, utf8_test *all_16, utf8_test *all_64)
{
	size_t i = 0, block, good;

	for (;;) {
		if (*state == UTF8_COMPLETE)
			i += utf8_ascii(bytes + i, size - i, all_16, all_64);
		if (i == size)
			return size;
		block = size - i < UTF8_BLOCK ? size - i : UTF8_BLOCK;
		good = utf8_walk(state, bytes + i, block);
		i += good;
		if (good < block)
			return i;
	}
}

size_t utf8_check_plain(uint8_t *state, const uint8_t *bytes, size_t size)
{
	return utf8_run(state, bytes, size, utf8_ascii_16_plain, utf8_ascii_64_plain);
}

#ifdef __SSE2__
/* From offset on: beside it, what most texts go through is short and saves no registers. */
__attribute__((noinline)) static size_t utf8_check_on(
	uint8_t *state, const uint8_t *bytes, size_t size, size_t offset)
{
	return offset + utf8_run(state, bytes + offset, size - offset, utf8_ascii_16_sse2,
				utf8_ascii_64_sse2);
}

size_t utf8_check(uint8_t *state, const uint8_t *bytes, size_t size)
{
	size_t ascii = 0;

	if (*state == UTF8_COMPLETE)
		ascii = utf8_ascii(bytes, size, utf8_ascii_16_sse2, utf8_ascii_64_sse2);
	return ascii == size ? size : utf8_check_on(state, bytes, size, ascii);
}
#else
size_t utf8_check(uint8_t *state, const uint8_t *bytes, size_t size)
{
	return utf8_check_plain(state, bytes, size);
}
#endif

size_t utf8_next(const char *bytes, size_t size, uint32_t *character)
{
	static const uint8_t masks[UTF8_SIZE_MAX + 1] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint64_t at = UTF8_COMPLETE;
	uint32_t read;
	size_t taken, i;

	assert(size > 0);
	*character = UTF8_BROKEN;
	for (taken = 0; taken < size && (taken == 0 || at != UTF8_COMPLETE); taken++) {
		at = utf8_rows[(uint8_t)bytes[taken]] >> at & UTF8_STATE_MASK;
		if (at == UTF8_BAD)
			return taken > 0 ? taken : 1;
	}
	if (at != UTF8_COMPLETE)
		return taken;
	read = (uint8_t)bytes[0] & masks[taken];
	for (i = 1; i < taken; i++)
		read = read << 6 | ((uint8_t)bytes[i] & 0x3f);
	*character = read;
	return taken;
}

char *utf8_put(char *p, uint32_t character)
{
	static const uint8_t leads[UTF8_SIZE_MAX + 1] = {0, 0x00, 0xc0, 0xe0, 0xf0};
	size_t size = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
	size_t i;

	assert(character <= 0x10ffff);
	for (i = size - 1; i > 0; i--) {
		p[i] = (char)(0x80 | (character & 0x3f));
		character >>= 6;
	}
	p[0] = (char)(leads[size] | character);
	return p + size;
}

size_t utf8_cut(const char *bytes, size_t size)
{
	size_t back = 0;
	uint8_t lead;

	while (back < 3 && back < size && ((uint8_t)bytes[size - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back == size)
		return size;
	lead = (uint8_t)bytes[size - 1 - back];
	if ((lead >= 0xc0 && back < 1) || (lead >= 0xe0 && back < 2) || (lead >= 0xf0 && back < 3))
		return size - 1 - back;
	return size;
}

/*
 * Blocks of text with escapes, all of a block at once. What a block has is told by masks with one
 * bit per byte, the first byte lowest; the rest is arithmetic on masks, the same for every size of
 * block.
 */
#include "proxy/message/skim_escapes.h"

#include <stddef.h>

#if defined(__x86_64__) && !defined(SKIM_PLAIN)

#include <immintrin.h>

#include "proxy/message/skim_block.h"

#define SKIM_WIDE 32

struct skim_escapes_block {
	uint32_t backslashes;
	uint32_t others;  /* quotes and control characters */
	uint32_t letters; /* what may follow a backslash, but for u */
};

/* What is carried from block to block. */
struct skim_escapes {
	uint32_t pending; /* 1: the block before ended with a backslash that begins an escape */
	uint32_t escaped; /* the second bytes of escapes, in the last block */
	uint32_t seen;    /* those of all that were passed */
};

/* The backslashes that begin an escape: of some in a row the second is the first one's letter. */
static inline uint32_t skim_escapes_begin(uint32_t backslashes, uint32_t pending)
{
	uint32_t begin = backslashes & ~pending, after;

	while ((after = begin & begin << 1) != 0)
		begin &= ~(after & -after);
	return begin;
}

/* What of a block of size bytes is neither plain text nor part of an escape of two bytes. */
static inline uint32_t skim_escapes_trouble(
	struct skim_escapes *escapes, struct skim_escapes_block block, unsigned size)
{
	uint32_t begin = skim_escapes_begin(block.backslashes, escapes->pending);
	uint32_t escaped = (begin << 1 | escapes->pending) & (UINT32_MAX >> (32 - size));

	escapes->escaped = escaped;
	escapes->pending = begin >> (size - 1) & 1;
	return (block.others & ~escaped) | (escaped & ~block.letters);
}

/* Where in the block at p the first trouble begins: for a bad escape, with its backslash. */
static inline const uint8_t *skim_escapes_stop(
	struct skim_escapes *escapes, const uint8_t *p, uint32_t trouble)
{
	unsigned first = (unsigned)__builtin_ctz(trouble);

	escapes->seen |= escapes->escaped & ((UINT32_C(1) << first) - 1);
	escapes->pending = escapes->escaped >> first & 1;
	return p + first;
}

/* ---- 16 bytes: every machine of this kind ---- */

static inline uint32_t skim_escapes_mask(__m128i found)
{
	return (uint32_t)_mm_movemask_epi8(found);
}

static inline __m128i skim_escapes_either(__m128i block, char one, char other)
{
	return _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8(one)),
		_mm_cmpeq_epi8(block, _mm_set1_epi8(other)));
}

static inline struct skim_escapes_block skim_escapes_look(const uint8_t *p)
{
	__m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
	__m128i letter = _mm_or_si128(_mm_or_si128(skim_escapes_either(block, '"', '/'), backslash),
		_mm_or_si128(skim_escapes_either(block, 'n', 't'),
			_mm_or_si128(skim_escapes_either(block, 'r', 'b'),
				_mm_cmpeq_epi8(block, _mm_set1_epi8('f')))));
	struct skim_escapes_block found;

	found.backslashes = skim_escapes_mask(backslash);
	found.others = (uint32_t)skim_block_stops(p) & ~found.backslashes;
	found.letters = skim_escapes_mask(letter);
	return found;
}

static const uint8_t *skim_escapes_sse2(const uint8_t *p, const uint8_t *end, bool *seen)
{
	struct skim_escapes escapes = {0};
	uint32_t trouble;

	for (; end - p >= SKIM_BLOCK; p += SKIM_BLOCK) {
		trouble = skim_escapes_trouble(&escapes, skim_escapes_look(p), SKIM_BLOCK);
		if (trouble != 0) {
			p = skim_escapes_stop(&escapes, p, trouble);
			break;
		}
		escapes.seen |= escapes.escaped;
	}
	*seen |= escapes.seen != 0;
	return p - escapes.pending;
}

/* ---- 32 bytes ---- */

#define SKIM_AVX2 __attribute__((target("avx2,bmi")))

/*
 * Which bytes are "/\bfnrt: the low half of each chooses the high halves that go with it, as bits
 * 1 (2), 2 (5), 4 (6) and 8 (7).
 */
SKIM_AVX2 static inline uint32_t skim_escapes_wide_letters(__m256i block)
{
	const __m256i by_low = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0, 0, 13, 0, 8, 0, 4, 0, 0, 0, 0, 0, 2, 0, 4, 1));
	const __m256i by_high = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0, 0, 1, 0, 0, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0));
	__m256i high = _mm256_and_si256(_mm256_srli_epi16(block, 4), _mm256_set1_epi8(0x0f));
	__m256i both = _mm256_and_si256(
		_mm256_shuffle_epi8(by_low, block), _mm256_shuffle_epi8(by_high, high));

	return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(both, _mm256_setzero_si256()));
}

SKIM_AVX2 static inline struct skim_escapes_block skim_escapes_wide_look(const uint8_t *p)
{
	__m256i block = _mm256_loadu_si256((const __m256i *)(const void *)p);
	__m256i backslash = _mm256_cmpeq_epi8(block, _mm256_set1_epi8('\\'));
	__m256i flipped = _mm256_xor_si256(block, _mm256_set1_epi8(2)); /* see skim_block.h */
	__m256i low = _mm256_subs_epu8(_mm256_set1_epi8((char)0xa0), flipped);

	return (struct skim_escapes_block){
		.backslashes = (uint32_t)_mm256_movemask_epi8(backslash),
		.others = (uint32_t)_mm256_movemask_epi8(low),
		.letters = skim_escapes_wide_letters(block),
	};
}

SKIM_AVX2 static const uint8_t *skim_escapes_avx2(const uint8_t *p, const uint8_t *end, bool *seen)
{
	struct skim_escapes escapes = {0};
	uint32_t trouble;

	for (; end - p >= SKIM_WIDE; p += SKIM_WIDE) {
		trouble = skim_escapes_trouble(&escapes, skim_escapes_wide_look(p), SKIM_WIDE);
		if (trouble != 0) {
			p = skim_escapes_stop(&escapes, p, trouble);
			break;
		}
		escapes.seen |= escapes.escaped;
	}
	*seen |= escapes.seen != 0;
	return p - escapes.pending;
}

skim_escapes_pass *const *skim_escapes_all(void)
{
	static skim_escapes_pass *const all[] = {skim_escapes_avx2, skim_escapes_sse2, NULL};

	return all + !(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"));
}

#else

skim_escapes_pass *const *skim_escapes_all(void)
{
	static skim_escapes_pass *const none[] = {NULL};

	return none;
}

#endif

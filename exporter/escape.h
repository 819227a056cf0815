#ifndef EXPORTER_ESCAPE_H
#define EXPORTER_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "exporter/text.h"
#include "w3c/utf8.h"

/*
 * Texts of others made fit for JSON and for people. Input is any bytes; output is always valid
 * UTF-8, each ill-formed part replaced by U+FFFD as Unicode 15, section 3.9 recommends.
 *
 * Nearly every text goes into JSON as it is. So escape_copy() copies and looks at what it copies,
 * inline and without a branch per byte; only when it saw something is the work done again, slowly.
 */

/* Appends as the inside of a JSON string (RFC 8259, section 7), without the quotes. */
static inline void escape_append(struct text *text, const char *bytes, size_t size);

/* The same for a text that escape_copy() found not to be clean. */
void escape_append_slowly(struct text *text, const char *bytes, size_t size);

/*
 * Whether a character is not seen itself but does something to what is around it: controls, such as
 * those that begin a terminal's sequences, the marks that change the direction of text, those of no
 * width, line separators, tags. That is Unicode's categories Cc, Cf, Zl and Zp.
 */
bool escape_is_hidden(uint32_t character);

/*
 * Appends for a terminal or a log line: what is hidden is replaced as well; at most characters_max
 * characters, then an ellipsis.
 */
void escape_append_shown(struct text *text, const char *bytes, size_t size, size_t characters_max);

/*
 * Whether all eight bytes are clean: ASCII, but neither control characters nor quote nor backslash.
 * After "Bit Twiddling Hacks", haszero and hasless: a byte's high bit is left when it is not; a
 * borrow from the next byte comes only from one that is not clean itself.
 */
static inline bool escape_word_is_clean(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t quote = word ^ (ones * '"');
	uint64_t backslash = word ^ (ones * '\\');
	uint64_t bad = word | (word - ones * 0x20) | (quote - ones) | (backslash - ones);

	return (bad & (ones * 0x80)) == 0;
}

/* Copies eight bytes. */
static inline bool escape_copy_word(char *to, const char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof word);
	memcpy(to, &word, sizeof word);
	return escape_word_is_clean(word);
}

/* Copies up to seven bytes, as two halves that overlap or one by one; blanks fill the word. */
static inline bool escape_copy_short(char *to, const char *bytes, size_t size)
{
	uint64_t word = 0x2020202020202020u;
	uint32_t first, last;
	size_t i;

	if (size >= 4) {
		memcpy(&first, bytes, 4);
		memcpy(&last, bytes + size - 4, 4);
		memcpy(to, &first, 4);
		memcpy(to + size - 4, &last, 4);
		return escape_word_is_clean((uint64_t)first << 32 | last);
	}
	for (i = 0; i < size; i++) {
		to[i] = bytes[i];
		word = word << 8 | (uint8_t)bytes[i];
	}
	return escape_word_is_clean(word);
}

/*
 * Copies size bytes and tells whether all of them were clean; if not, the copy is of no use, but
 * nothing beyond its size was written. The portable twin of escape_copy().
 */
static inline bool escape_copy_plain(char *to, const char *bytes, size_t size)
{
	size_t i;

	if (size < 8)
		return escape_copy_short(to, bytes, size);
	for (i = 0; i + 8 < size; i += 8)
		if (!escape_copy_word(to + i, bytes + i))
			return false;
	/* the last word, of which a part is already done */
	return escape_copy_word(to + size - 8, bytes + size - 8);
}

#ifdef __SSE2__
/* The comparison is signed: 0x80 and above are below 0x20, too. */
static inline bool escape_block_is_clean(__m128i block)
{
	__m128i control = _mm_cmplt_epi8(block, _mm_set1_epi8(0x20));
	__m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
	__m128i backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));

	return _mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, backslash))) == 0;
}

/* Copies 16 bytes. */
static inline bool escape_copy_block(char *to, const char *bytes)
{
	__m128i block = _mm_loadu_si128((const __m128i *)(const void *)bytes);

	_mm_storeu_si128((__m128i *)(void *)to, block);
	return escape_block_is_clean(block);
}

/* Copies 8 to 15 bytes as two halves that overlap. */
static inline bool escape_copy_halves(char *to, const char *bytes, size_t size)
{
	__m128i first = _mm_loadl_epi64((const __m128i *)(const void *)bytes);
	__m128i last = _mm_loadl_epi64((const __m128i *)(const void *)(bytes + size - 8));

	_mm_storel_epi64((__m128i *)(void *)to, first);
	_mm_storel_epi64((__m128i *)(void *)(to + size - 8), last);
	return escape_block_is_clean(_mm_unpacklo_epi64(first, last));
}

static inline bool escape_copy(char *to, const char *bytes, size_t size)
{
	size_t i;

	if (size < 8)
		return escape_copy_short(to, bytes, size);
	if (size < 16)
		return escape_copy_halves(to, bytes, size);
	for (i = 0; i + 16 < size; i += 16)
		if (!escape_copy_block(to + i, bytes + i))
			return false;
	/* the last block, of which a part is already done */
	return escape_copy_block(to + size - 16, bytes + size - 16);
}
#else
static inline bool escape_copy(char *to, const char *bytes, size_t size)
{
	return escape_copy_plain(to, bytes, size);
}
#endif

static inline void escape_append(struct text *text, const char *bytes, size_t size)
{
	char *p = text_room(text, size);

	if (p == NULL)
		return;
	if (escape_copy(p, bytes, size))
		text_end(text, p + size);
	else
		escape_append_slowly(text, bytes, size);
}

#endif

/*
 * The tokens of JSON that may be cut anywhere: strings, numbers, literals. Each function goes on
 * with a token where an earlier piece of the message left it, as told by escape, number and literal
 * of struct skim, and returns where the token ends, end when it does not end here, or NULL for a
 * byte that may not be there: it is skim->bad then.
 */
#include "proxy/message/skim_tokens.h"

#include "proxy/message/skim_block.h"
#include "proxy/message/skim_escapes.h"
#include "proxy/message/skim_tables.h"

#define SKIM_TEXT_MANY     256 /* bytes for which more than a look at each stop pays */
#define SKIM_ESCAPE_LETTER 5   /* skim->escape after the backslash; below: hex digits to come */

const uint8_t *skim_text_far(const uint8_t *p, const uint8_t *end)
{
	while (end - p >= SKIM_BLOCKS * SKIM_BLOCK && !skim_block_busy(p))
		p += SKIM_BLOCKS * SKIM_BLOCK;
	return skim_block_plain(p, end - SKIM_BLOCK);
}

/* The byte at p is wrong. */
static const uint8_t *skim_refuse(struct skim *skim, const uint8_t *p)
{
	skim->bad = p;
	return NULL;
}

/* Goes on in an escape: the byte after it, end, or NULL when it is none. */
static const uint8_t *skim_escape_rest(struct skim *skim, const uint8_t *p, const uint8_t *end)
{
	for (; p < end && skim->escape > 0; p++) {
		if (skim->escape < SKIM_ESCAPE_LETTER) {
			if ((skim_class[*p] & SKIM_IS_HEX) == 0)
				return skim_refuse(skim, p);
			skim->escape--;
		} else if (*p == 'u') {
			skim->escape = 4;
		} else {
			if ((skim_class[*p] & SKIM_IS_LETTER) == 0)
				return skim_refuse(skim, p);
			skim->escape = 0;
		}
	}
	return p;
}

static const uint8_t *skim_escape_long(struct skim *skim, const uint8_t *p, const uint8_t *end)
{
	if (end - p >= 6 && p[1] == 'u' &&
		(skim_class[p[2]] & skim_class[p[3]] & skim_class[p[4]] & skim_class[p[5]] &
			SKIM_IS_HEX) != 0)
		return p + 6;
	skim->escape = SKIM_ESCAPE_LETTER;
	return skim_escape_rest(skim, p + 1, end);
}

/* At a byte that is not plain text, nor a quote: the byte after the escape, end, or NULL. */
static inline const uint8_t *skim_escape(struct skim *skim, const uint8_t *p, const uint8_t *end)
{
	if (*p != '\\')
		return skim_refuse(skim, p);
	if (end - p >= 2 && (skim_class[p[1]] & SKIM_IS_LETTER) != 0)
		return p + 2;
	return skim_escape_long(skim, p, end);
}

/*
 * The stops of the block at *p, and *p behind it. Where fewer bytes are left than a block has, the
 * last whole block of the input is looked at instead, if there is one.
 */
static inline uint64_t skim_block_stops_at(
	const uint8_t *start, const uint8_t **p, const uint8_t *end)
{
	const uint8_t *block = *p;
	size_t left = (size_t)(end - block);

	if (left >= SKIM_BLOCK) {
		*p = block + SKIM_BLOCK;
		return skim_block_stops(block);
	}
	*p = end;
	if (end - start < SKIM_BLOCK)
		return skim_block_few(block, left);
	return skim_block_stops(end - SKIM_BLOCK) >> ((SKIM_BLOCK - left) * SKIM_STRIDE);
}

/*
 * Text full of escapes goes by in blocks; in what is left every stop of a block is visited without
 * reading it again. After an escape that is long there are often more, one by one.
 */
__attribute__((noinline)) const uint8_t *skim_text_on(
	struct skim *skim, const uint8_t *start, const uint8_t *p, const uint8_t *end)
{
	skim_escapes_pass *pass = end - p < SKIM_TEXT_MANY ? NULL : *skim_escapes_all();
	const uint8_t *block, *stop;
	uint64_t stops;
	bool escaped = false, one_by_one = false;

	while (p != NULL && p < end) {
		if (pass != NULL && !one_by_one)
			p = pass(p, end, &escaped);
		block = p;
		stops = skim_block_stops_at(start, &p, end);
		one_by_one = false;
		while (stops != 0) {
			stop = block + skim_block_first(stops);
			if (*stop == '"') {
				p = stop;
				goto out;
			}
			escaped = true;
			one_by_one = stop + 1 < end && stop[1] == 'u';
			stop = skim_escape(skim, stop, end);
			if (stop == NULL || stop >= p) {
				p = stop;
				break;
			}
			stops = skim_block_after(stops, (unsigned)(stop - block));
		}
	}
out:
	if (escaped)
		skim->hard |= SKIM_HARD_ESCAPE;
	return p;
}

const uint8_t *skim_text_again(struct skim *skim, const uint8_t *start, const uint8_t *end)
{
	const uint8_t *p = start;

	if (skim->escape > 0)
		p = skim_escape_rest(skim, p, end);
	return skim_text_on(skim, start, p, end);
}

const uint8_t *skim_literal(struct skim *skim, const uint8_t *p, const uint8_t *end)
{
	for (; p < end && *skim->literal != '\0'; p++, skim->literal++)
		if (*p != (uint8_t)*skim->literal)
			return skim_refuse(skim, p);
	return p;
}

bool skim_number_complete(uint8_t state)
{
	return state == SKIM_NUMBER_ZERO || state == SKIM_NUMBER_INTEGER ||
	       state == SKIM_NUMBER_FRACTION || state == SKIM_NUMBER_EXPONENT;
}

const uint8_t *skim_number(struct skim *skim, const uint8_t *p, const uint8_t *end)
{
	uint8_t state = skim->number, next;

	for (; p < end; p++) {
		next = skim_number_next[state][skim_number_byte[*p]];
		if (next == SKIM_NUMBER_STOP)
			break;
		state = next;
		if (skim_number_complete(state) && state != SKIM_NUMBER_ZERO)
			while (p + 1 < end && p[1] >= '0' && p[1] <= '9')
				p++;
	}
	skim->number = state;
	return p;
}

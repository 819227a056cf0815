/*
 * The traceparent field: text to value and back. Both are on the way of every request, so neither
 * branches on single digits: what is no digit clears a mark that is looked at once, at the end.
 * Nothing is kept between calls; only parsing can fail.
 */
#include "w3c/traceparent.h"

#include <stdbool.h>
#include <string.h>

#include "w3c/hex.h"

/* Where the fields of "00-<32 digits>-<16 digits>-00" begin. */
#define TRACEPARENT_TRACE_ID 3
#define TRACEPARENT_SPAN_ID  36
#define TRACEPARENT_FLAGS    53

#define TRACEPARENT_FLAGS_KNOWN (TRACE_FLAG_SAMPLED | TRACE_FLAG_RANDOM)

/* Digits are marked, so that of (high << 4) + low both marks remain when both were digits. */
#define TRACEPARENT_DIGITS 0x1100

/* Only lower case ("HEXDIGLC"). */
static const uint16_t traceparent_digits[256] = {
	['0'] = 0x100 + 0x0,
	['1'] = 0x100 + 0x1,
	['2'] = 0x100 + 0x2,
	['3'] = 0x100 + 0x3,
	['4'] = 0x100 + 0x4,
	['5'] = 0x100 + 0x5,
	['6'] = 0x100 + 0x6,
	['7'] = 0x100 + 0x7,
	['8'] = 0x100 + 0x8,
	['9'] = 0x100 + 0x9,
	['a'] = 0x100 + 0xa,
	['b'] = 0x100 + 0xb,
	['c'] = 0x100 + 0xc,
	['d'] = 0x100 + 0xd,
	['e'] = 0x100 + 0xe,
	['f'] = 0x100 + 0xf,
};

/* Decodes 2 * size digits. Returns TRACEPARENT_DIGITS, or less when any of them is none. */
static inline unsigned traceparent_decode(uint8_t *bytes, const char *text, size_t size)
{
	unsigned seen = TRACEPARENT_DIGITS;
	size_t i;

#pragma GCC unroll 4 /* more, and gcc gathers what it stores in vectors */
	for (i = 0; i < size; i++) {
		unsigned high = traceparent_digits[(uint8_t)text[2 * i]];
		unsigned low = traceparent_digits[(uint8_t)text[2 * i + 1]];
		unsigned both = (high << 4) + low;

		seen &= both;
		bytes[i] = (uint8_t)both;
	}
	return seen;
}

static bool traceparent_ids_present(const struct traceparent *traceparent)
{
	uint64_t trace[2], span;

	memcpy(trace, traceparent->trace_id, sizeof trace);
	memcpy(&span, traceparent->span_id, sizeof span);
	return (trace[0] | trace[1]) != 0 && span != 0;
}

/* Version 00 ends after the flags; a later one may go on after a dash. ff is forbidden. */
static bool traceparent_length_fits(uint8_t version, const char *text, size_t size)
{
	if (version == 0)
		return size == TRACEPARENT_SIZE;
	if (version == 0xff)
		return false;
	return size == TRACEPARENT_SIZE || text[TRACEPARENT_SIZE] == '-';
}

static void traceparent_trim(const char **text, size_t *size)
{
	while (*size > 0 && (**text == ' ' || **text == '\t')) {
		(*text)++;
		(*size)--;
	}
	while (*size > 0 && ((*text)[*size - 1] == ' ' || (*text)[*size - 1] == '\t'))
		(*size)--;
}

int traceparent_parse(struct traceparent *traceparent, const char *text, size_t size)
{
	struct traceparent parsed;
	uint8_t version;
	unsigned seen;

	traceparent_trim(&text, &size);
	if (size < TRACEPARENT_SIZE)
		return -1;
	if (text[TRACEPARENT_TRACE_ID - 1] != '-' || text[TRACEPARENT_SPAN_ID - 1] != '-' ||
		text[TRACEPARENT_FLAGS - 1] != '-')
		return -1;
	seen = traceparent_decode(&version, text, 1);
	seen &= traceparent_decode(parsed.trace_id, text + TRACEPARENT_TRACE_ID, TRACE_ID_SIZE);
	seen &= traceparent_decode(parsed.span_id, text + TRACEPARENT_SPAN_ID, SPAN_ID_SIZE);
	seen &= traceparent_decode(&parsed.flags, text + TRACEPARENT_FLAGS, 1);
	if (seen != TRACEPARENT_DIGITS || !traceparent_length_fits(version, text, size) ||
		!traceparent_ids_present(&parsed))
		return -1;
	parsed.flags &= TRACEPARENT_FLAGS_KNOWN;
	*traceparent = parsed;
	return 0;
}

void traceparent_format(char text[TRACEPARENT_SIZE], const struct traceparent *traceparent)
{
	*text++ = '0';
	*text++ = '0';
	*text++ = '-';
	text = hex_put_id(text, traceparent->trace_id, TRACE_ID_SIZE);
	*text++ = '-';
	text = hex_put_id(text, traceparent->span_id, SPAN_ID_SIZE);
	*text++ = '-';
	(void)hex_put(text, &traceparent->flags, 1); /* ends where the field does */
}

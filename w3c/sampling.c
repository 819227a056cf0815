/*
 * Consistent probability sampling: the arithmetic of thresholds, and the member "ot" of tracestate,
 * whose value is itself a list, KEY:VALUE;KEY:VALUE. Of that list only th is ever written. A
 * sub-key that does not parse counts as absent; what others put there is never dropped.
 */
#include "w3c/sampling.h"

#include <assert.h>
#include <string.h>

#define SAMPLING_DIGITS 14 /* hex digits of 56 bits */

static const char sampling_member[] = "ot";

struct sampling_field {
	const char *text; /* KEY:VALUE */
	size_t size;
};

/* Takes the next field off text. Returns false at the end. */
static bool sampling_next_field(struct sampling_field *field, const char **text, const char *end)
{
	const char *semicolon;

	if (*text >= end)
		return false;
	semicolon = memchr(*text, ';', (size_t)(end - *text));
	field->text = *text;
	field->size = (size_t)((semicolon != NULL ? semicolon : end) - *text);
	*text = semicolon != NULL ? semicolon + 1 : end;
	return true;
}

static bool sampling_field_is(const struct sampling_field *field, const char *key)
{
	return field->size > 3 && memcmp(field->text, key, 2) == 0 && field->text[2] == ':';
}

int sampling_threshold_parse(uint64_t *threshold, const char *text, size_t size)
{
	uint64_t bits = 0;
	size_t i;

	if (size == 0 || size > SAMPLING_DIGITS)
		return -1;
	for (i = 0; i < size; i++) {
		bool is_digit = text[i] >= '0' && text[i] <= '9';

		if (!is_digit && (text[i] < 'a' || text[i] > 'f'))
			return -1;
		bits = bits << 4 | (uint64_t)(is_digit ? text[i] - '0' : text[i] - 'a' + 10);
	}
	*threshold = bits << 4 * (SAMPLING_DIGITS - size);
	return 0;
}

uint64_t sampling_threshold(double ratio)
{
	assert(ratio >= 0 && ratio <= 1);
	return SAMPLING_NEVER - (uint64_t)(ratio * (double)SAMPLING_NEVER);
}

static uint64_t sampling_trace_id_bits(const uint8_t trace_id[TRACE_ID_SIZE])
{
	uint64_t bits = 0;
	size_t i;

	for (i = TRACE_ID_SIZE - SAMPLING_DIGITS / 2; i < TRACE_ID_SIZE; i++)
		bits = bits << 8 | trace_id[i];
	return bits;
}

uint64_t sampling_randomness(
	const struct tracestate *tracestate, const uint8_t trace_id[TRACE_ID_SIZE])
{
	const struct tracestate_member *member =
		tracestate_find(tracestate, sampling_member, strlen(sampling_member));
	struct sampling_field field;
	const char *text, *end;
	uint64_t explicit;

	if (member == NULL)
		return sampling_trace_id_bits(trace_id);
	text = member->value;
	end = text + member->value_size;
	while (sampling_next_field(&field, &text, end))
		if (sampling_field_is(&field, "rv") && field.size == 3 + SAMPLING_DIGITS &&
			sampling_threshold_parse(&explicit, field.text + 3, SAMPLING_DIGITS) == 0)
			return explicit;
	return sampling_trace_id_bits(trace_id);
}

/* Writes th:DIGITS without the zeros on the right, but never without a digit. */
static size_t sampling_format(char text[3 + SAMPLING_DIGITS], uint64_t threshold)
{
	size_t size = 3;

	memcpy(text, "th:", 3);
	do {
		text[size++] = "0123456789abcdef"[threshold >> 52 & 0xf];
		threshold = threshold << 4 & (SAMPLING_NEVER - 1);
	} while (threshold != 0);
	return size;
}

size_t sampling_state(char text[SAMPLING_STATE_MAX], uint64_t threshold)
{
	_Static_assert(SAMPLING_STATE_MAX == sizeof "ot=th:" - 1 + SAMPLING_DIGITS, "it has room");

	assert(threshold < SAMPLING_NEVER);
	memcpy(text, "ot=", 3);
	return 3 + sampling_format(text + 3, threshold);
}

/* Appends a field to a list of *size characters. Returns 0, or -1 when it has no room. */
static int sampling_append(
	char value[TRACESTATE_VALUE_MAX], size_t *size, const struct sampling_field *field)
{
	size_t separator = *size > 0 ? 1 : 0;

	if (field->size + separator > TRACESTATE_VALUE_MAX - *size)
		return -1;
	if (separator > 0)
		value[(*size)++] = ';';
	memcpy(value + *size, field->text, field->size);
	*size += field->size;
	return 0;
}

int sampling_mark(
	struct tracestate *tracestate, char value[TRACESTATE_VALUE_MAX], uint64_t threshold)
{
	const size_t key_size = strlen(sampling_member);
	const struct tracestate_member *member =
		tracestate_find(tracestate, sampling_member, key_size);
	const char *text = member != NULL ? member->value : NULL;
	const char *end = member != NULL ? text + member->value_size : NULL;
	char digits[3 + SAMPLING_DIGITS];
	struct sampling_field field;
	size_t size = 0;

	assert(threshold <= SAMPLING_NEVER);
	while (text != NULL && sampling_next_field(&field, &text, end))
		if (!sampling_field_is(&field, "th") && sampling_append(value, &size, &field) != 0)
			return -1;
	if (threshold != SAMPLING_NEVER) {
		field = (struct sampling_field){digits, sampling_format(digits, threshold)};
		if (sampling_append(value, &size, &field) != 0)
			return -1;
	}
	if (size > 0)
		return tracestate_set(tracestate, sampling_member, key_size, value, size);
	tracestate_delete(tracestate, sampling_member, key_size);
	return 0;
}

bool sampling_decide(struct tracestate *tracestate, char value[TRACESTATE_VALUE_MAX],
	const uint8_t trace_id[TRACE_ID_SIZE], uint64_t threshold)
{
	bool keep = sampling_randomness(tracestate, trace_id) >= threshold;

	/* Without room for it the threshold stays unsaid, which the specification allows. */
	(void)sampling_mark(tracestate, value, keep ? threshold : SAMPLING_NEVER);
	return keep;
}

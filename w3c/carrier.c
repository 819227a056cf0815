/*
 * What a message's traceparent and tracestate mean together, and our own as a JSON object. The
 * traceparent decides; the tracestate is looked at only after a good one, and a bad tracestate is
 * dropped alone ("Processing Model"). Nothing here can fail otherwise.
 */
#include "w3c/carrier.h"

#include <assert.h>
#include <string.h>

#include "w3c/tracestate.h"

#define CARRIER_TRACEPARENT_BEGIN "{\"traceparent\":\""
#define CARRIER_TRACESTATE_BEGIN  "\",\"tracestate\":\""
#define CARRIER_END               "\"}"
#define CARRIER_TRACEPARENT_FIELD "traceparent: "
#define CARRIER_TRACESTATE_FIELD  "\r\ntracestate: "
#define CARRIER_FIELD_END         "\r\n"

_Static_assert(sizeof CARRIER_TRACEPARENT_BEGIN + TRACEPARENT_SIZE +
			       sizeof CARRIER_TRACESTATE_BEGIN + sizeof CARRIER_END <=
		       CARRIER_TEXT_MAX - 2 * CARRIER_TRACESTATE_MAX,
	"the fixed text has room beside an escaped tracestate");
_Static_assert(sizeof CARRIER_TRACEPARENT_FIELD + TRACEPARENT_SIZE +
			       sizeof CARRIER_TRACESTATE_FIELD + sizeof CARRIER_FIELD_END <=
		       CARRIER_FIELDS_MAX - CARRIER_TRACESTATE_MAX,
	"and beside one in a field");

/* Keeps what stands from the first member to the last; an empty list is good but not kept. */
static enum carrier_verdict carrier_extract_state(
	struct trace_context *context, const char *text, size_t size)
{
	struct tracestate tracestate;
	const struct tracestate_member *first, *last;

	if (size > CARRIER_TRACESTATE_MAX || tracestate_parse(&tracestate, text, size) != 0)
		return CARRIER_VALID_NO_STATE;
	if (tracestate.count > 0) {
		first = &tracestate.members[0];
		last = &tracestate.members[tracestate.count - 1];
		context->tracestate = first->key;
		context->tracestate_size = (size_t)(last->value + last->value_size - first->key);
	}
	return CARRIER_VALID;
}

enum carrier_verdict carrier_extract(struct trace_context *context, const char *traceparent,
	size_t traceparent_size, const char *tracestate, size_t tracestate_size)
{
	if (traceparent == NULL)
		return CARRIER_ABSENT;
	if (traceparent_parse(&context->traceparent, traceparent, traceparent_size) != 0)
		return CARRIER_INVALID;
	context->tracestate = NULL;
	context->tracestate_size = 0;
	if (tracestate == NULL)
		return CARRIER_VALID;
	return carrier_extract_state(context, tracestate, tracestate_size);
}

static char *carrier_put(char *at, const char *text, size_t size)
{
	memcpy(at, text, size);
	return at + size;
}

/* Values are printable ASCII, so that these two are all that JSON wants escaped (RFC 8259, 7). */
static char *carrier_put_value(char *at, const char *value, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (value[i] == '"' || value[i] == '\\')
			*at++ = '\\';
		*at++ = value[i];
	}
	return at;
}

/* Writes the list without blanks and empty members. */
static char *carrier_put_members(char *at, const struct tracestate *tracestate, bool escapes)
{
	size_t i;

	for (i = 0; i < tracestate->count; i++) {
		const struct tracestate_member *member = &tracestate->members[i];

		if (i > 0)
			*at++ = ',';
		at = carrier_put(at, member->key, member->key_size);
		*at++ = '=';
		at = escapes ? carrier_put_value(at, member->value, member->value_size)
			     : carrier_put(at, member->value, member->value_size);
	}
	return at;
}

/* Two instances of each, with its texts' sizes known. */
#define CARRIER_INLINE static inline __attribute__((always_inline))

/* The list behind its beginning; a bad or empty one, and then its name, not at all. */
CARRIER_INLINE char *carrier_put_state(
	char *at, const char *begin, const struct trace_context *context, bool escapes)
{
	struct tracestate tracestate;

	assert(context->tracestate_size <= CARRIER_TRACESTATE_MAX);
	if (context->tracestate == NULL ||
		tracestate_parse(&tracestate, context->tracestate, context->tracestate_size) != 0 ||
		tracestate.count == 0)
		return at;
	at = carrier_put(at, begin, strlen(begin));
	return carrier_put_members(at, &tracestate, escapes);
}

CARRIER_INLINE char *carrier_put_parent(
	char *at, const char *begin, const struct trace_context *context, uint8_t flags_mask)
{
	struct traceparent traceparent = context->traceparent;

	traceparent.flags &= flags_mask;
	at = carrier_put(at, begin, strlen(begin));
	traceparent_format(at, &traceparent);
	return at + TRACEPARENT_SIZE;
}

size_t carrier_format(char *text, const struct trace_context *context, uint8_t flags_mask)
{
	char *at = carrier_put_parent(text, CARRIER_TRACEPARENT_BEGIN, context, flags_mask);

	at = carrier_put_state(at, CARRIER_TRACESTATE_BEGIN, context, true);
	at = carrier_put(at, CARRIER_END, strlen(CARRIER_END));
	return (size_t)(at - text);
}

size_t carrier_format_fields(char *text, const struct trace_context *context, uint8_t flags_mask)
{
	char *at = carrier_put_parent(text, CARRIER_TRACEPARENT_FIELD, context, flags_mask);

	at = carrier_put_state(at, CARRIER_TRACESTATE_FIELD, context, false);
	at = carrier_put(at, CARRIER_FIELD_END, strlen(CARRIER_FIELD_END));
	return (size_t)(at - text);
}

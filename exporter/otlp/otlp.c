/*
 * Spans as OTLP JSON: fixed pieces of text with the values between them. A piece is written after
 * asking for room once, for its longest form. What is empty or a default is left out. The only
 * failure is that of the text it is appended to.
 */
#include "exporter/otlp/otlp.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/escape.h"
#include "exporter/shared.h"
#include "exporter/text.h"
#include "w3c/hex.h"

/* Bits 8 and 9 of Span.flags (trace.proto, SpanFlags). */
#define OTLP_FLAG_HAS_IS_REMOTE 0x100u
#define OTLP_FLAG_IS_REMOTE     0x200u

/* Longer than any piece below without its variable text; the head of a span is the longest. */
#define OTLP_PIECE_MAX 400

static const char otlp_decimals[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";

static inline char *otlp_put_bytes(char *p, const char *bytes, size_t size)
{
	memcpy(p, bytes, size);
	return p + size;
}

#define OTLP_PUT(p, literal) otlp_put_bytes(p, literal, sizeof(literal) - 1)

static inline char *otlp_put_pair(char *p, uint32_t number)
{
	return otlp_put_bytes(p, otlp_decimals + 2 * number, 2);
}

static inline char *otlp_put_four(char *p, uint32_t number)
{
	p = otlp_put_pair(p, number / 100);
	return otlp_put_pair(p, number % 100);
}

static inline char *otlp_put_eight(char *p, uint32_t number)
{
	p = otlp_put_four(p, number / 10000);
	return otlp_put_four(p, number % 10000);
}

/* Without leading zeros: up to two, four, eight digits. */
static inline char *otlp_put_up_to_pair(char *p, uint32_t number)
{
	if (number >= 10)
		return otlp_put_pair(p, number);
	*p = (char)('0' + number);
	return p + 1;
}

static inline char *otlp_put_up_to_four(char *p, uint32_t number)
{
	if (number < 100)
		return otlp_put_up_to_pair(p, number);
	p = otlp_put_up_to_pair(p, number / 100);
	return otlp_put_pair(p, number % 100);
}

static char *otlp_put_up_to_eight(char *p, uint32_t number)
{
	if (number < 10000)
		return otlp_put_up_to_four(p, number);
	p = otlp_put_up_to_four(p, number / 10000);
	return otlp_put_four(p, number % 10000);
}

/* In parts of eight digits, of which 64 bits have three. */
static char *otlp_put_number(char *p, uint64_t number)
{
	const uint64_t unit = 100000000;
	uint64_t high = number / unit;

	if (high >= unit) {
		p = otlp_put_up_to_eight(p, (uint32_t)(high / unit));
		p = otlp_put_eight(p, (uint32_t)(high % unit));
	} else if (high > 0) {
		p = otlp_put_up_to_eight(p, (uint32_t)high);
	} else {
		return otlp_put_up_to_eight(p, (uint32_t)number);
	}
	return otlp_put_eight(p, (uint32_t)(number % unit));
}

static char *otlp_put_integer(char *p, int64_t number)
{
	if (number >= 0)
		return otlp_put_number(p, (uint64_t)number);
	*p++ = '-';
	return otlp_put_number(p, -(uint64_t)number);
}

/* The shortest form that reads back the same; what JSON has no number for is a string. */
static char *otlp_put_double(char *p, double number)
{
	char digits[32];
	char *point;
	int precision, size = 0;

	if (isnan(number))
		return OTLP_PUT(p, "\"NaN\"");
	if (isinf(number))
		return number > 0 ? OTLP_PUT(p, "\"Infinity\"") : OTLP_PUT(p, "\"-Infinity\"");
	for (precision = 15; precision <= 17; precision++) {
		size = snprintf(digits, sizeof digits, "%.*g", precision, number);
		if (strtod(digits, NULL) == number)
			break;
	}
	assert(size > 0 && size < (int)sizeof digits);
	point = strchr(digits, ','); /* in a locale that writes it so */
	if (point != NULL)
		*point = '.';
	return otlp_put_bytes(p, digits, (size_t)size);
}

static void otlp_append_string(struct text *text, const char *string)
{
	escape_append(text, string, strlen(string));
}

/*
 * Puts a text at p, which has room for it as it is and for what follows it. Returns where to go on,
 * with room for so much still to follow; NULL when there is none.
 */
static inline char *otlp_put_text(
	struct text *text, char *p, const struct span_text *string, size_t following)
{
	if (escape_copy(p, string->bytes, string->size))
		return p + string->size;
	text_end(text, p);
	escape_append_slowly(text, string->bytes, string->size);
	return text_room(text, following);
}

static char *otlp_put_scalar(char *p, const struct span_attribute *attribute)
{
	switch (attribute->type) {
	case SPAN_VALUE_STRING:
		break;
	case SPAN_VALUE_INT:
		p = OTLP_PUT(p, "\",\"value\":{\"intValue\":\"");
		p = otlp_put_integer(p, attribute->value.integer);
		return OTLP_PUT(p, "\"}},");
	case SPAN_VALUE_BOOL:
		p = OTLP_PUT(p, "\",\"value\":{\"boolValue\":");
		return attribute->value.boolean ? OTLP_PUT(p, "true}},") : OTLP_PUT(p, "false}},");
	case SPAN_VALUE_DOUBLE:
		p = OTLP_PUT(p, "\",\"value\":{\"doubleValue\":");
		p = otlp_put_double(p, attribute->value.real);
		return OTLP_PUT(p, "}},");
	}
	assert(false); /* a type that span.h does not know */
	return p;
}

static char *otlp_put_key(char *p, const char *key, size_t size)
{
	p = OTLP_PUT(p, OTLP_KEY_BEGIN);
	return otlp_put_bytes(p, key, size);
}

/* With a comma behind. */
static void otlp_append_scalar(struct text *text, const struct span_attribute *attribute)
{
	size_t key_size = strlen(attribute->key);
	char *p = text_room(text, key_size + OTLP_PIECE_MAX);

	if (p == NULL)
		return;
	p = otlp_put_key(p, attribute->key, key_size);
	text_end(text, otlp_put_scalar(p, attribute));
}

/*
 * The same for a string, up to its text. There is room for what follows, in which the pieces
 * before the text are counted.
 */
static char *otlp_begin_string(
	struct text *text, const struct span_attribute *attribute, size_t following)
{
	const struct span_key *rendered = attribute->rendered;
	size_t key_size;
	char *p;

	if (rendered != NULL && rendered->size > 0) {
		p = text_room(text, SPAN_KEY_SIZE + following);
		if (p == NULL)
			return NULL;
		memcpy(p, rendered->bytes, SPAN_KEY_SIZE);
		return p + rendered->size;
	}
	key_size = strlen(attribute->key);
	p = text_room(text, key_size + following);
	if (p == NULL)
		return NULL;
	p = otlp_put_key(p, attribute->key, key_size);
	return OTLP_PUT(p, OTLP_STRING_BEGIN);
}

static inline void otlp_append_attribute(struct text *text, const struct span_attribute *attribute)
{
	const struct span_text *string = &attribute->value.string;
	char *p;

	if (attribute->type != SPAN_VALUE_STRING) {
		otlp_append_scalar(text, attribute);
		return;
	}
	p = otlp_begin_string(text, attribute, string->size + OTLP_PIECE_MAX);
	if (p == NULL)
		return;
	p = otlp_put_text(text, p, string, OTLP_PIECE_MAX);
	if (p != NULL)
		text_end(text, OTLP_PUT(p, "\"}},"));
}

void otlp_append_attributes(
	struct text *text, const struct span_attribute *attributes, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		otlp_append_attribute(text, &attributes[i]);
	if (count > 0 && text->error == TEXT_OK)
		text->size--; /* the last comma */
}

static void otlp_append_attribute_list(
	struct text *text, const struct span_attribute *attributes, size_t count)
{
	if (count == 0)
		return;
	TEXT_APPEND(text, ",\"attributes\":[");
	otlp_append_attributes(text, attributes, count);
	TEXT_APPEND(text, "]");
}

static void otlp_append_span_attributes(struct text *text, const struct span *span)
{
	const struct text *shared = span->shared != NULL ? &span->shared->text : NULL;
	char *p;

	if (shared == NULL || shared->size == 0) {
		otlp_append_attribute_list(text, span->attributes, span->attribute_count);
		return;
	}
	p = text_room(text, shared->size + OTLP_PIECE_MAX);
	if (p == NULL)
		return;
	p = OTLP_PUT(p, ",\"attributes\":[");
	p = otlp_put_bytes(p, shared->bytes, shared->size);
	if (span->attribute_count > 0)
		*p++ = ',';
	text_end(text, p);
	otlp_append_attributes(text, span->attributes, span->attribute_count);
	TEXT_APPEND(text, "]");
}

static void otlp_append_event(struct text *text, const struct span_event *event)
{
	char *p = text_room(text, OTLP_PIECE_MAX);

	if (p == NULL)
		return;
	p = OTLP_PUT(p, "{\"timeUnixNano\":\"");
	p = otlp_put_number(p, event->time_unix_ns);
	text_end(text, OTLP_PUT(p, "\",\"name\":\""));
	otlp_append_string(text, event->name);
	TEXT_APPEND(text, "\"");
	otlp_append_attribute_list(text, event->attributes, event->attribute_count);
	TEXT_APPEND(text, "}");
}

static void otlp_append_events(struct text *text, const struct span *span)
{
	size_t i;

	TEXT_APPEND(text, ",\"events\":[");
	for (i = 0; i < span->event_count; i++) {
		if (i > 0)
			TEXT_APPEND(text, ",");
		otlp_append_event(text, &span->events[i]);
	}
	TEXT_APPEND(text, "]");
}

static void otlp_append_dropped_events(struct text *text, uint32_t count)
{
	char *p = text_room(text, OTLP_PIECE_MAX);

	if (p == NULL)
		return;
	p = OTLP_PUT(p, ",\"droppedEventsCount\":");
	text_end(text, otlp_put_number(p, count));
}

static void otlp_append_link(struct text *text, const struct span_link *link)
{
	char *p = text_room(text, OTLP_PIECE_MAX);

	if (p == NULL)
		return;
	p = OTLP_PUT(p, "{\"traceId\":\"");
	p = hex_put_id(p, link->trace_id, TRACE_ID_SIZE);
	p = OTLP_PUT(p, "\",\"spanId\":\"");
	p = hex_put_id(p, link->span_id, SPAN_ID_SIZE);
	text_end(text, OTLP_PUT(p, "\"}"));
}

static void otlp_append_links(struct text *text, const struct span *span)
{
	size_t i;

	TEXT_APPEND(text, ",\"links\":[");
	for (i = 0; i < span->link_count; i++) {
		if (i > 0)
			TEXT_APPEND(text, ",");
		otlp_append_link(text, &span->links[i]);
	}
	TEXT_APPEND(text, "]");
}

static void otlp_append_status(struct text *text, const struct span *span)
{
	if (span->status == SPAN_STATUS_OK) {
		TEXT_APPEND(text, ",\"status\":{\"code\":1}");
		return;
	}
	TEXT_APPEND(text, ",\"status\":{\"code\":2");
	if (span->status_message.size > 0) {
		TEXT_APPEND(text, ",\"message\":\"");
		escape_append(text, span->status_message.bytes, span->status_message.size);
		TEXT_APPEND(text, "\"");
	}
	TEXT_APPEND(text, "}");
}

static uint32_t otlp_flags(const struct span *span)
{
	uint32_t flags = span->context.flags | OTLP_FLAG_HAS_IS_REMOTE;

	return span->has_parent && span->parent_is_remote ? flags | OTLP_FLAG_IS_REMOTE : flags;
}

static inline char *otlp_put_ids(char *p, const struct span *span)
{
	p = OTLP_PUT(p, "{\"traceId\":\"");
	p = hex_put_id(p, span->context.trace_id, TRACE_ID_SIZE);
	p = OTLP_PUT(p, "\",\"spanId\":\"");
	p = hex_put_id(p, span->context.span_id, SPAN_ID_SIZE);
	if (span->has_parent) {
		p = OTLP_PUT(p, "\",\"parentSpanId\":\"");
		p = hex_put_id(p, span->parent_span_id, SPAN_ID_SIZE);
	}
	return p;
}

/*
 * Most spans are short: the end then begins with the digits of the start, written before at
 * start_digits, all but the last eight.
 */
static inline char *otlp_put_end(char *p, uint64_t start_unix_ns, uint64_t end_unix_ns,
	const char *start_digits, size_t size)
{
	const uint64_t unit = 100000000;

	if (size <= 8 || start_unix_ns / unit != end_unix_ns / unit)
		return otlp_put_number(p, end_unix_ns);
	memcpy(p, start_digits, 12); /* 20 digits at most, without eight */
	return otlp_put_eight(p + size - 8, (uint32_t)(end_unix_ns % unit));
}

static inline char *otlp_put_kind_and_times(char *p, const struct span *span)
{
	uint64_t end_unix_ns = span->end_unix_ns;
	const char *digits;
	size_t size;

	if (end_unix_ns <= span->start_unix_ns)
		end_unix_ns = span->start_unix_ns + 1;
	p = OTLP_PUT(p, "\",\"kind\":");
	*p++ = (char)('0' + span->kind);
	p = OTLP_PUT(p, ",\"startTimeUnixNano\":\"");
	digits = p;
	p = otlp_put_number(p, span->start_unix_ns);
	size = (size_t)(p - digits);
	if (span->is_open)
		return OTLP_PUT(p, "\"");
	p = OTLP_PUT(p, "\",\"endTimeUnixNano\":\"");
	p = otlp_put_end(p, span->start_unix_ns, end_unix_ns, digits, size);
	return OTLP_PUT(p, "\"");
}

/* All that a span always has. */
static inline void otlp_append_head(struct text *text, const struct span *span)
{
	size_t following = span->name.size + OTLP_PIECE_MAX;
	char *p = text_room(text, span->tracestate.size + following);

	if (p == NULL)
		return;
	p = otlp_put_ids(p, span);
	if (span->tracestate.size > 0) {
		p = OTLP_PUT(p, "\",\"traceState\":\"");
		p = otlp_put_text(text, p, &span->tracestate, following);
		if (p == NULL)
			return;
	}
	p = OTLP_PUT(p, "\",\"flags\":");
	p = otlp_put_up_to_four(p, otlp_flags(span));
	p = OTLP_PUT(p, ",\"name\":\"");
	p = otlp_put_text(text, p, &span->name, OTLP_PIECE_MAX);
	if (p == NULL)
		return;
	text_end(text, otlp_put_kind_and_times(p, span));
}

void otlp_append_span(struct text *text, const struct span *span)
{
	otlp_append_head(text, span);
	otlp_append_span_attributes(text, span);
	if (span->event_count > 0)
		otlp_append_events(text, span);
	if (span->dropped_event_count > 0)
		otlp_append_dropped_events(text, span->dropped_event_count);
	if (span->link_count > 0)
		otlp_append_links(text, span);
	if (span->status != SPAN_STATUS_UNSET)
		otlp_append_status(text, span);
	TEXT_APPEND(text, "}");
}

static void otlp_append_schema(struct text *text, const char *schema_url)
{
	if (schema_url == NULL)
		return;
	TEXT_APPEND(text, ",\"schemaUrl\":\"");
	otlp_append_string(text, schema_url);
	TEXT_APPEND(text, "\"");
}

void otlp_append_number(struct text *text, uint64_t number)
{
	char *p = text_room(text, 24);

	if (p != NULL)
		text_end(text, otlp_put_number(p, number));
}

void otlp_append_double(struct text *text, double number)
{
	char *p = text_room(text, 32);

	if (p != NULL)
		text_end(text, otlp_put_double(p, number));
}

void otlp_append_begin(
	struct text *text, const struct otlp_origin *origin, const struct otlp_signal *signal)
{
	TEXT_APPEND(text, "{\"");
	otlp_append_string(text, signal->by_resource);
	TEXT_APPEND(text, "\":[{\"resource\":{");
	if (origin->resource_count > 0) {
		TEXT_APPEND(text, "\"attributes\":[");
		otlp_append_attributes(text, origin->resource, origin->resource_count);
		TEXT_APPEND(text, "]");
	}
	TEXT_APPEND(text, "}");
	otlp_append_schema(text, origin->schema_url);
	TEXT_APPEND(text, ",\"");
	otlp_append_string(text, signal->by_scope);
	TEXT_APPEND(text, "\":[{\"scope\":{\"name\":\"");
	otlp_append_string(text, origin->scope_name);
	TEXT_APPEND(text, "\"");
	if (origin->scope_version != NULL) {
		TEXT_APPEND(text, ",\"version\":\"");
		otlp_append_string(text, origin->scope_version);
		TEXT_APPEND(text, "\"");
	}
	TEXT_APPEND(text, "}");
	otlp_append_schema(text, origin->schema_url);
	TEXT_APPEND(text, ",\"");
	otlp_append_string(text, signal->list);
	TEXT_APPEND(text, "\":[");
}

void otlp_append_prefix(struct text *text, const struct otlp_origin *origin)
{
	static const struct otlp_signal spans = {"resourceSpans", "scopeSpans", "spans"};

	otlp_append_begin(text, origin, &spans);
}

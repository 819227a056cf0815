/*
 * Spans in protobuf's binary form. Of an attribute, of which there are many, sizes are computed
 * before it is written; a message around others gets its length when it ends, in a place of five
 * bytes: a number may have more than it needs, with zeros on top. Texts are mended, as a reader
 * refuses a request with ill-formed UTF-8 as a whole. What is empty or a default is left out. The
 * only failure is that of the text it is appended to.
 */
#include "exporter/otlp/protobuf.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "exporter/otlp/otlp.h"
#include "exporter/shared.h"
#include "exporter/text.h"
#include "w3c/utf8.h"

enum { PROTOBUF_LENGTH_SIZE = 5, PROTOBUF_FIXED_MAX = 64, PROTOBUF_NUMBER_MAX = 10 };

/* Bits 8 and 9 of Span.flags (trace.proto, SpanFlags). */
#define PROTOBUF_FLAG_HAS_IS_REMOTE 0x100u
#define PROTOBUF_FLAG_IS_REMOTE     0x200u

enum protobuf_wire {
	PROTOBUF_VARINT = 0,
	PROTOBUF_FIXED64 = 1,
	PROTOBUF_BYTES = 2,
	PROTOBUF_FIXED32 = 5
};

/* A field's number and how it is written; those below 16 take one byte. */
#define PROTOBUF_TAG(number, wire) ((char)((number) << 3 | (wire)))

/* trace.proto, common.proto, resource.proto, trace_service.proto */
enum protobuf_tag {
	REQUEST_RESOURCE_SPANS = PROTOBUF_TAG(1, PROTOBUF_BYTES),
	RESOURCE_SPANS_RESOURCE = PROTOBUF_TAG(1, PROTOBUF_BYTES),
	RESOURCE_SPANS_SCOPE_SPANS = PROTOBUF_TAG(2, PROTOBUF_BYTES),
	RESOURCE_SPANS_SCHEMA_URL = PROTOBUF_TAG(3, PROTOBUF_BYTES),
	RESOURCE_ATTRIBUTES = PROTOBUF_TAG(1, PROTOBUF_BYTES),
	SCOPE_SPANS_SCOPE = PROTOBUF_TAG(1, PROTOBUF_BYTES),
	SCOPE_SPANS_SPANS = PROTOBUF_TAG(2, PROTOBUF_BYTES),
	SCOPE_SPANS_SCHEMA_URL = PROTOBUF_TAG(3, PROTOBUF_BYTES),
	SCOPE_NAME = PROTOBUF_TAG(1, PROTOBUF_BYTES),
	SCOPE_VERSION = PROTOBUF_TAG(2, PROTOBUF_BYTES),
	SPAN_TRACE_ID = PROTOBUF_TAG(1, PROTOBUF_BYTES),
	SPAN_SPAN_ID = PROTOBUF_TAG(2, PROTOBUF_BYTES),
	SPAN_TRACE_STATE = PROTOBUF_TAG(3, PROTOBUF_BYTES),
	SPAN_PARENT_SPAN_ID = PROTOBUF_TAG(4, PROTOBUF_BYTES),
	SPAN_NAME = PROTOBUF_TAG(5, PROTOBUF_BYTES),
	SPAN_KIND = PROTOBUF_TAG(6, PROTOBUF_VARINT),
	SPAN_START = PROTOBUF_TAG(7, PROTOBUF_FIXED64),
	SPAN_END = PROTOBUF_TAG(8, PROTOBUF_FIXED64),
	SPAN_ATTRIBUTES = PROTOBUF_TAG(9, PROTOBUF_BYTES),
	SPAN_EVENTS = PROTOBUF_TAG(11, PROTOBUF_BYTES),
	SPAN_DROPPED_EVENTS = PROTOBUF_TAG(12, PROTOBUF_VARINT),
	SPAN_LINKS = PROTOBUF_TAG(13, PROTOBUF_BYTES),
	SPAN_STATUS = PROTOBUF_TAG(15, PROTOBUF_BYTES),
	EVENT_TIME = PROTOBUF_TAG(1, PROTOBUF_FIXED64),
	EVENT_NAME = PROTOBUF_TAG(2, PROTOBUF_BYTES),
	EVENT_ATTRIBUTES = PROTOBUF_TAG(3, PROTOBUF_BYTES),
	LINK_TRACE_ID = PROTOBUF_TAG(1, PROTOBUF_BYTES),
	LINK_SPAN_ID = PROTOBUF_TAG(2, PROTOBUF_BYTES),
	STATUS_MESSAGE = PROTOBUF_TAG(2, PROTOBUF_BYTES),
	STATUS_CODE = PROTOBUF_TAG(3, PROTOBUF_VARINT),
	PAIR_KEY = PROTOBUF_TAG(1, PROTOBUF_BYTES),
	PAIR_VALUE = PROTOBUF_TAG(2, PROTOBUF_BYTES),
	VALUE_STRING = PROTOBUF_TAG(1, PROTOBUF_BYTES),
	VALUE_BOOL = PROTOBUF_TAG(2, PROTOBUF_VARINT),
	VALUE_INT = PROTOBUF_TAG(3, PROTOBUF_VARINT),
	VALUE_DOUBLE = PROTOBUF_TAG(4, PROTOBUF_FIXED64),
};

/* Span.flags is field 16, whose tag takes two bytes. */
#define PROTOBUF_SPAN_FLAGS "\x85\x01"

/* ---- numbers ---- */

static size_t protobuf_number_size(uint64_t number)
{
	size_t size = 1;

	while (number >= 128) {
		number >>= 7;
		size++;
	}
	return size;
}

static char *protobuf_put_number(char *p, uint64_t number)
{
	while (number >= 128) {
		*p++ = (char)(number | 128);
		number >>= 7;
	}
	*p++ = (char)number;
	return p;
}

static char *protobuf_put_fixed(char *p, uint64_t number, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		*p++ = (char)(number >> 8 * i);
	return p;
}

/* In five bytes, whatever it is. */
static void protobuf_put_length(char *p, size_t length)
{
	unsigned i;

	assert((uint64_t)length < UINT64_C(1) << 7 * PROTOBUF_LENGTH_SIZE);
	for (i = 0; i < PROTOBUF_LENGTH_SIZE; i++)
		p[i] = (char)((length >> 7 * i & 127) | (i + 1 < PROTOBUF_LENGTH_SIZE ? 128 : 0));
}

int protobuf_get_number(const char *bytes, size_t size, size_t *at, uint64_t *number)
{
	unsigned shift;

	*number = 0;
	for (shift = 0; shift < 7 * PROTOBUF_NUMBER_MAX && *at < size; shift += 7) {
		uint64_t byte = (uint8_t)bytes[(*at)++];

		*number |= (byte & 127) << shift;
		if (byte < 128)
			return 0;
	}
	return -1;
}

/* ---- messages around others ---- */

/* Where the message begins; its end is told to protobuf_end(). */
static size_t protobuf_begin(struct text *text, enum protobuf_tag tag)
{
	char *p = text_room(text, 1 + PROTOBUF_LENGTH_SIZE);

	if (p == NULL)
		return 0;
	*p = (char)tag;
	memset(p + 1, 0, PROTOBUF_LENGTH_SIZE); /* until the end */
	text_end(text, p + 1 + PROTOBUF_LENGTH_SIZE);
	return text->size;
}

static void protobuf_end(struct text *text, size_t begin)
{
	if (text->error == TEXT_OK)
		protobuf_put_length(text->bytes + begin - PROTOBUF_LENGTH_SIZE, text->size - begin);
}

/* ---- texts ---- */

static bool protobuf_is_good(const struct span_text *string)
{
	uint8_t state = UTF8_COMPLETE;

	return utf8_check(&state, (const uint8_t *)string->bytes, string->size) == string->size &&
	       state == UTF8_COMPLETE;
}

/* The size of a text when it has been mended; with p, it is written there. */
static size_t protobuf_mend(char *p, const struct span_text *string)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t at, size, mended = 0, part_size;
	const char *part;
	uint32_t character;

	if (protobuf_is_good(string)) {
		if (p != NULL && string->size > 0)
			memcpy(p, string->bytes, string->size);
		return string->size;
	}
	for (at = 0; at < string->size; at += size, mended += part_size) {
		size = utf8_next(string->bytes + at, string->size - at, &character);
		part = character == UTF8_BROKEN ? replacement : string->bytes + at;
		part_size = character == UTF8_BROKEN ? 3 : size;
		if (p != NULL)
			memcpy(p + mended, part, part_size);
	}
	return mended;
}

static void protobuf_append_text(
	struct text *text, enum protobuf_tag tag, const struct span_text *string)
{
	size_t size = protobuf_mend(NULL, string);
	char *p = size > 0 ? text_room(text, size + PROTOBUF_FIXED_MAX) : NULL;

	if (p == NULL)
		return;
	*p++ = (char)tag;
	p = protobuf_put_number(p, size);
	text_end(text, p + protobuf_mend(p, string));
}

static void protobuf_append_string(struct text *text, enum protobuf_tag tag, const char *string)
{
	struct span_text of = span_text_of(string);

	protobuf_append_text(text, tag, &of);
}

static char *protobuf_put_bytes(char *p, enum protobuf_tag tag, const void *bytes, size_t size)
{
	*p++ = (char)tag;
	*p++ = (char)size; /* an id: below 128 */
	memcpy(p, bytes, size);
	return p + size;
}

/* ---- attributes ---- */

/* Of an AnyValue; mended: how long its text is. */
static size_t protobuf_value_size(const struct span_attribute *attribute, size_t mended)
{
	switch (attribute->type) {
	case SPAN_VALUE_STRING:
		break;
	case SPAN_VALUE_INT:
		return 1 + protobuf_number_size((uint64_t)attribute->value.integer);
	case SPAN_VALUE_BOOL:
		return 2;
	case SPAN_VALUE_DOUBLE:
		return 9;
	}
	return 1 + protobuf_number_size(mended) + mended;
}

static char *protobuf_put_value(char *p, const struct span_attribute *attribute, size_t mended)
{
	uint64_t bits;

	switch (attribute->type) {
	case SPAN_VALUE_STRING:
		break;
	case SPAN_VALUE_INT:
		*p++ = VALUE_INT;
		return protobuf_put_number(p, (uint64_t)attribute->value.integer);
	case SPAN_VALUE_BOOL:
		*p++ = VALUE_BOOL;
		*p++ = (char)attribute->value.boolean;
		return p;
	case SPAN_VALUE_DOUBLE:
		*p++ = VALUE_DOUBLE;
		_Static_assert(sizeof bits == sizeof attribute->value.real, "IEEE 754");
		memcpy(&bits, &attribute->value.real, sizeof bits);
		return protobuf_put_fixed(p, bits, 8);
	}
	*p++ = VALUE_STRING;
	p = protobuf_put_number(p, mended);
	return p + protobuf_mend(p, &attribute->value.string);
}

static void protobuf_append_attribute(
	struct text *text, enum protobuf_tag tag, const struct span_attribute *attribute)
{
	struct span_text key = span_text_of(attribute->key);
	size_t key_size = protobuf_mend(NULL, &key), value_size, size, mended = 0;
	char *p;

	if (attribute->type == SPAN_VALUE_STRING)
		mended = protobuf_mend(NULL, &attribute->value.string);
	value_size = protobuf_value_size(attribute, mended);
	size = 1 + protobuf_number_size(key_size) + key_size + 1 +
	       protobuf_number_size(value_size) + value_size;
	p = text_room(text, size + PROTOBUF_FIXED_MAX);
	if (p == NULL)
		return;
	*p++ = (char)tag;
	p = protobuf_put_number(p, size);
	*p++ = PAIR_KEY;
	p = protobuf_put_number(p, key_size);
	p += protobuf_mend(p, &key);
	*p++ = PAIR_VALUE;
	p = protobuf_put_number(p, value_size);
	text_end(text, protobuf_put_value(p, attribute, mended));
}

static void protobuf_append_list(struct text *text, enum protobuf_tag tag,
	const struct span_attribute *attributes, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		protobuf_append_attribute(text, tag, &attributes[i]);
}

void protobuf_append_attributes(
	struct text *text, const struct span_attribute *attributes, size_t count)
{
	protobuf_append_list(text, SPAN_ATTRIBUTES, attributes, count);
}

/* ---- spans ---- */

static void protobuf_append_event(struct text *text, const struct span_event *event)
{
	size_t begin = protobuf_begin(text, SPAN_EVENTS);
	char *p = text_room(text, PROTOBUF_FIXED_MAX);

	if (p == NULL)
		return;
	*p++ = EVENT_TIME;
	text_end(text, protobuf_put_fixed(p, event->time_unix_ns, 8));
	protobuf_append_string(text, EVENT_NAME, event->name);
	protobuf_append_list(text, EVENT_ATTRIBUTES, event->attributes, event->attribute_count);
	protobuf_end(text, begin);
}

static void protobuf_append_link(struct text *text, const struct span_link *link)
{
	size_t begin = protobuf_begin(text, SPAN_LINKS);
	char *p = text_room(text, PROTOBUF_FIXED_MAX);

	if (p == NULL)
		return;
	p = protobuf_put_bytes(p, LINK_TRACE_ID, link->trace_id, TRACE_ID_SIZE);
	text_end(text, protobuf_put_bytes(p, LINK_SPAN_ID, link->span_id, SPAN_ID_SIZE));
	protobuf_end(text, begin);
}

static void protobuf_append_status(struct text *text, const struct span *span)
{
	size_t begin = protobuf_begin(text, SPAN_STATUS);
	char *p;

	if (span->status == SPAN_STATUS_ERROR)
		protobuf_append_text(text, STATUS_MESSAGE, &span->status_message);
	p = text_room(text, PROTOBUF_FIXED_MAX);
	if (p == NULL)
		return;
	*p++ = STATUS_CODE;
	*p++ = (char)span->status;
	text_end(text, p);
	protobuf_end(text, begin);
}

static uint32_t protobuf_flags(const struct span *span)
{
	uint32_t flags = span->context.flags | PROTOBUF_FLAG_HAS_IS_REMOTE;

	return span->has_parent && span->parent_is_remote ? flags | PROTOBUF_FLAG_IS_REMOTE : flags;
}

/* All that a span always has but its name, which takes less than there is room for. */
static void protobuf_append_head(struct text *text, const struct span *span)
{
	uint64_t end_unix_ns = span->end_unix_ns;
	char *p = text_room(text, 2 * PROTOBUF_FIXED_MAX);

	if (p == NULL)
		return;
	if (end_unix_ns <= span->start_unix_ns)
		end_unix_ns = span->start_unix_ns + 1;
	p = protobuf_put_bytes(p, SPAN_TRACE_ID, span->context.trace_id, TRACE_ID_SIZE);
	p = protobuf_put_bytes(p, SPAN_SPAN_ID, span->context.span_id, SPAN_ID_SIZE);
	if (span->has_parent)
		p = protobuf_put_bytes(p, SPAN_PARENT_SPAN_ID, span->parent_span_id, SPAN_ID_SIZE);
	*p++ = SPAN_KIND;
	*p++ = (char)span->kind;
	*p++ = SPAN_START;
	p = protobuf_put_fixed(p, span->start_unix_ns, 8);
	*p++ = SPAN_END;
	p = protobuf_put_fixed(p, end_unix_ns, 8);
	memcpy(p, PROTOBUF_SPAN_FLAGS, 2);
	text_end(text, protobuf_put_fixed(p + 2, protobuf_flags(span), 4));
}

static void protobuf_append_dropped_events(struct text *text, uint32_t count)
{
	char *p = text_room(text, PROTOBUF_FIXED_MAX);

	if (p == NULL)
		return;
	*p++ = SPAN_DROPPED_EVENTS;
	text_end(text, protobuf_put_number(p, count));
}

void protobuf_append_span(struct text *text, const struct span *span)
{
	size_t begin = protobuf_begin(text, SCOPE_SPANS_SPANS), i;

	protobuf_append_head(text, span);
	protobuf_append_text(text, SPAN_TRACE_STATE, &span->tracestate);
	protobuf_append_text(text, SPAN_NAME, &span->name);
	if (span->shared != NULL)
		text_append(text, span->shared->text.bytes, span->shared->text.size);
	protobuf_append_attributes(text, span->attributes, span->attribute_count);
	for (i = 0; i < span->event_count; i++)
		protobuf_append_event(text, &span->events[i]);
	if (span->dropped_event_count > 0)
		protobuf_append_dropped_events(text, span->dropped_event_count);
	for (i = 0; i < span->link_count; i++)
		protobuf_append_link(text, &span->links[i]);
	if (span->status != SPAN_STATUS_UNSET)
		protobuf_append_status(text, span);
	protobuf_end(text, begin);
}

/* ---- a request ---- */

void protobuf_append_prefix(struct text *text, const struct otlp_origin *origin)
{
	size_t begin;

	(void)protobuf_begin(text, REQUEST_RESOURCE_SPANS); /* ends with the request */
	begin = protobuf_begin(text, RESOURCE_SPANS_RESOURCE);
	protobuf_append_list(text, RESOURCE_ATTRIBUTES, origin->resource, origin->resource_count);
	protobuf_end(text, begin);
	if (origin->schema_url != NULL)
		protobuf_append_string(text, RESOURCE_SPANS_SCHEMA_URL, origin->schema_url);
	(void)protobuf_begin(text, RESOURCE_SPANS_SCOPE_SPANS); /* so does this */
	begin = protobuf_begin(text, SCOPE_SPANS_SCOPE);
	protobuf_append_string(text, SCOPE_NAME, origin->scope_name);
	if (origin->scope_version != NULL)
		protobuf_append_string(text, SCOPE_VERSION, origin->scope_version);
	protobuf_end(text, begin);
	if (origin->schema_url != NULL)
		protobuf_append_string(text, SCOPE_SPANS_SCHEMA_URL, origin->schema_url);
}

/* Behind a field of bytes with that tag; at when there is none; 0: it is cut off. */
static size_t protobuf_skip_field(const char *bytes, size_t size, size_t at, enum protobuf_tag tag)
{
	uint64_t length;

	if (at == 0 || at >= size || bytes[at] != (char)tag)
		return at;
	at++;
	if (protobuf_get_number(bytes, size, &at, &length) != 0 || length > size - at)
		return 0;
	return at + length;
}

/* Where the content of the message of scopes begins; 0: the request is not as we write it. */
static size_t protobuf_find_scope_spans(const char *bytes, size_t size)
{
	size_t at = 1 + PROTOBUF_LENGTH_SIZE;

	if (size < at || bytes[0] != REQUEST_RESOURCE_SPANS)
		return 0;
	at = protobuf_skip_field(bytes, size, at, RESOURCE_SPANS_RESOURCE);
	at = protobuf_skip_field(bytes, size, at, RESOURCE_SPANS_SCHEMA_URL);
	if (at == 0 || size - at < 1 + PROTOBUF_LENGTH_SIZE ||
		bytes[at] != RESOURCE_SPANS_SCOPE_SPANS)
		return 0;
	return at + 1 + PROTOBUF_LENGTH_SIZE;
}

void protobuf_seal(struct text *text)
{
	size_t at = protobuf_find_scope_spans(text->bytes, text->size);

	assert(text->error == TEXT_OK && at > 0);
	protobuf_put_length(text->bytes + 1, text->size - 1 - PROTOBUF_LENGTH_SIZE);
	protobuf_put_length(text->bytes + at - PROTOBUF_LENGTH_SIZE, text->size - at);
}

size_t protobuf_find_spans(const char *bytes, size_t size)
{
	size_t at = protobuf_find_scope_spans(bytes, size);

	at = protobuf_skip_field(bytes, size, at, SCOPE_SPANS_SCOPE);
	return protobuf_skip_field(bytes, size, at, SCOPE_SPANS_SCHEMA_URL);
}

size_t protobuf_skip_span(const char *bytes, size_t size, size_t at)
{
	size_t end = protobuf_skip_field(bytes, size, at, SCOPE_SPANS_SPANS);

	return end > at ? end : 0;
}

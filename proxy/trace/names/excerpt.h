#ifndef PROXY_TRACE_NAMES_EXCERPT_H
#define PROXY_TRACE_NAMES_EXCERPT_H

#include "exporter/span.h"
#include "proxy/message/envelope.h"
#include "proxy/trace/names/bytes.h"

/* Texts of messages: as the envelope has them, and as copies in a larger piece of memory. */

/* The text of a value, borrowed from the envelope; as much of it as that has kept. */
static inline struct span_text excerpt_of(const struct envelope_value *value)
{
	return (struct span_text){.bytes = value->text, .size = value->size};
}

/* The same of the value in a slot. */
static inline struct span_text excerpt_slot(const struct envelope *envelope, int slot)
{
	return excerpt_of(envelope_value(envelope, slot));
}

/* Copies a text to *at, where there is room for it, and moves *at behind it. Returns the copy. */
static inline struct span_text excerpt_pack(char **at, struct span_text text)
{
	struct span_text packed = {.bytes = *at, .size = text.size};

	bytes_copy(*at, text.bytes, text.size);
	*at += text.size;
	return packed;
}

#endif

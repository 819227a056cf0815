#ifndef EXPORTER_OTLP_PROTOBUF_H
#define EXPORTER_OTLP_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>

#include "exporter/span.h"

struct otlp_origin;
struct text;

/*
 * OTLP in protobuf's binary form (opentelemetry-proto 1.x, ExportTraceServiceRequest). A request is
 * the prefix, spans, and protobuf_seal(), which writes the lengths that only the end tells into the
 * places that the prefix has for them. Failures are those of the text.
 */
void protobuf_append_prefix(struct text *text, const struct otlp_origin *origin);

/* One span, with its tag and length. */
void protobuf_append_span(struct text *text, const struct span *span);

/* A span's attributes, one field each. */
void protobuf_append_attributes(
	struct text *text, const struct span_attribute *attributes, size_t count);

/* Of a text without error that has the prefix. */
void protobuf_seal(struct text *text);

/* Where the spans begin in a request of ours of any process; 0: it is none. */
size_t protobuf_find_spans(const char *bytes, size_t size);

/* Where the span ends that begins at; 0: there is none that is whole. */
size_t protobuf_skip_span(const char *bytes, size_t size, size_t at);

/* Reads a number, *at moves behind it. 0, or -1: it is cut off, or too large. */
int protobuf_get_number(const char *bytes, size_t size, size_t *at, uint64_t *number);

#endif

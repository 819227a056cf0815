#ifndef EXPORTER_OTLP_OTLP_H
#define EXPORTER_OTLP_OTLP_H

#include <stddef.h>

#include "exporter/span.h"

struct text;

/*
 * OTLP JSON (opentelemetry-proto 1.x, "JSON Protobuf Encoding"). A request is the prefix, spans
 * separated by commas, and OTLP_SUFFIX. Failures are those of the text: look at its error when
 * done.
 */
struct otlp_origin {
	const struct span_attribute *resource;
	size_t resource_count;
	const char *scope_name;
	const char *scope_version; /* or NULL */
	const char *schema_url;    /* or NULL */
};

#define OTLP_SUFFIX "]}]}]}"

/* Before and behind the key of a string's KeyValue object. */
#define OTLP_KEY_BEGIN    "{\"key\":\""
#define OTLP_STRING_BEGIN "\",\"value\":{\"stringValue\":\""

void otlp_append_prefix(struct text *text, const struct otlp_origin *origin);

/* One span as an object, without a comma before or after. */
void otlp_append_span(struct text *text, const struct span *span);

/* KeyValue objects, comma separated, without the brackets around. */
void otlp_append_attributes(
	struct text *text, const struct span_attribute *attributes, size_t count);

#endif

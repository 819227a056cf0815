#ifndef EXPORTER_OTLP_OTLP_H
#define EXPORTER_OTLP_OTLP_H

#include <stddef.h>
#include <stdint.h>

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

/* How the lists are called that a request of a signal is made of. */
struct otlp_signal {
	const char *by_resource;
	const char *by_scope;
	const char *list;
};

#define OTLP_SUFFIX "]}]}]}"

/* Before and behind the key of a string's KeyValue object. */
#define OTLP_KEY_BEGIN    "{\"key\":\""
#define OTLP_STRING_BEGIN "\",\"value\":{\"stringValue\":\""

/* The prefix of any signal, and that of spans. */
void otlp_append_begin(
	struct text *text, const struct otlp_origin *origin, const struct otlp_signal *signal);
void otlp_append_prefix(struct text *text, const struct otlp_origin *origin);

/* One span as an object, without a comma before or after. */
void otlp_append_span(struct text *text, const struct span *span);

/* In digits alone; and the shortest that reads back the same, or one of the words for the rest. */
void otlp_append_number(struct text *text, uint64_t number);
void otlp_append_double(struct text *text, double number);

/* KeyValue objects, comma separated, without the brackets around. */
void otlp_append_attributes(
	struct text *text, const struct span_attribute *attributes, size_t count);

#endif

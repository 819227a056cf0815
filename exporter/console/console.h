#ifndef EXPORTER_CONSOLE_CONSOLE_H
#define EXPORTER_CONSOLE_CONSOLE_H

#include <stddef.h>

#include "exporter/span.h"

struct text;

/*
 * Spans for a person at a terminal are first kept as records in a batch, on the event loop; the
 * exporter's thread makes trees of a whole batch: forest.h.
 */

/* Appends one record. Failures are those of the text. */
void console_append_span(struct text *records, const struct span *span);

/* Appends attributes of a connection: those worth showing behind its number, which comes first. */
void console_append_shared(
	struct text *text, const struct span_attribute *attributes, size_t count);

#endif

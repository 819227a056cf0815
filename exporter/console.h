#ifndef EXPORTER_CONSOLE_H
#define EXPORTER_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

#include "exporter/span.h"

struct text;

/*
 * Spans for a person at a terminal: one tree per trace. Spans are first kept as records in a batch,
 * on the event loop; the exporter's thread makes trees of a whole batch.
 */

/* Appends one record. Failures are those of the text. */
void console_append_span(struct text *records, const struct span *span);

/* Appends the attributes worth showing as " key=value". */
void console_append_attributes(
	struct text *text, const struct span_attribute *attributes, size_t count);

struct console_style {
	bool color;
	bool numbered; /* traces go by numbers, from 1 on: the same spans are shown the same again
			*/
};

/*
 * Writes the trees of records (as many as were appended to it) to trees: traces by their first
 * start, children under their parents by start, in order of arrival where starts are equal, events
 * before the children. A span whose parent is not among the records stands at the top with its
 * parent's id. 0, or -1 when memory is short.
 */
int console_format(
	struct text *trees, const struct text *records, size_t count, struct console_style style);

#endif

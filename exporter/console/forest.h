#ifndef EXPORTER_CONSOLE_FOREST_H
#define EXPORTER_CONSOLE_FOREST_H

#include <stdbool.h>
#include <stddef.h>

struct connections;
struct text;

/* Spans for a person at a terminal: one tree per trace, from the records of console.h. */
struct forest_style {
	bool color;
	bool numbered; /* traces, from 1 on, in place of ids: the same spans, the same text */
	size_t width;  /* columns of a line; 0: any */
	/* borrowed; what spans of a connection have in common is said once; NULL: in each tree */
	struct connections *connections;
};

/*
 * Writes the trees of records (as many as were appended to it) to trees: traces by their first
 * start, children under their parents by start, in order of arrival where starts are equal, events
 * before the children. A span whose parent is not among the records stands at the top with its
 * parent's id. 0, or -1 when memory is short.
 */
int forest_format(
	struct text *trees, const struct text *records, size_t count, struct forest_style style);

#endif

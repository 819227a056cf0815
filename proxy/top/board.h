#ifndef PROXY_TOP_BOARD_H
#define PROXY_TOP_BOARD_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A report as lines for people: what the program is, how many of what run, and a table of them,
 * oldest first. Pure; nothing in a text from the wire does something to a terminal.
 */
struct report;
struct text;

struct board_style {
	size_t width;  /* columns of a line; 0: any */
	size_t height; /* lines; 0: any */
	bool color;
	const char *note; /* why the report is not of now; NULL: it is */
};

/* Appends the lines. Failures are those of the text, and 0 or -1: memory is short. */
int board_draw(struct text *out, const struct report *report, const struct board_style *style);

#endif

#ifndef EXPORTER_CONSOLE_LINE_H
#define EXPORTER_CONSOLE_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "exporter/text.h"

/*
 * A line of a given width, in pieces: a piece for which there is no room begins a further line
 * below it, one that is wider than a whole line is broken at blanks, a word that still is too wide
 * is cut. Texts are UTF-8 that is safe to show. Failures are those of the texts.
 */
enum line_paint { LINE_PLAIN, LINE_BOLD, LINE_DIM, LINE_RED, LINE_GREEN, LINE_CYAN };

struct line {
	struct text *out;   /* borrowed */
	size_t width;       /* columns; 0: any */
	bool color;         /* paint is meant */
	size_t column;      /* where the next piece goes */
	struct text indent; /* owned; what further lines begin with: the caller writes it */
	bool failed;        /* for want of memory an indentation was lost */
};

void line_init(struct line *line, struct text *out, size_t width, bool color);
void line_done(struct line *line);

/* Puts what must stand here; what is too wide is cut. */
void line_put(struct line *line, enum line_paint paint, const char *bytes, size_t size);

/* Puts a piece, with the gap in front unless it begins a line. Nothing for a size of 0. */
void line_piece(
	struct line *line, const char *gap, enum line_paint paint, const char *bytes, size_t size);

/* The same for a piece that may as well be broken at any blank. */
void line_words(
	struct line *line, const char *gap, enum line_paint paint, const char *bytes, size_t size);

/* Ends the line, and with it its indentation. */
void line_end(struct line *line);

/* How many columns a text takes. */
size_t line_columns(const char *bytes, size_t size);

#endif

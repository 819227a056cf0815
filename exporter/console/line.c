/*
 * Where lines end; see line.h. Combining characters are taken for a column each: lines get shorter.
 */
#include "exporter/console/line.h"

#include <stdint.h>
#include <string.h>

#include "w3c/utf8.h"

#define LINE_MARK "…" /* of a word that was cut */

static const char *const line_codes[] = {
	[LINE_PLAIN] = "",
	[LINE_BOLD] = "\x1b[1m",
	[LINE_DIM] = "\x1b[2m",
	[LINE_RED] = "\x1b[31m",
	[LINE_GREEN] = "\x1b[32m",
	[LINE_CYAN] = "\x1b[36m",
};

/* What takes two columns: most of what Unicode's East Asian Width calls wide. */
static const struct {
	uint32_t first, last;
} line_wide[] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3}, {0xf900, 0xfaff},
	{0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1faff},
	{0x20000, 0x3fffd}};

/* The size of the first character of a text that is not empty, and its columns. */
static size_t line_character(const char *bytes, size_t size, size_t *columns)
{
	uint32_t code;
	size_t count = utf8_next(bytes, size, &code), i;

	*columns = 1;
	for (i = 0; i < sizeof line_wide / sizeof *line_wide; i++)
		if (code >= line_wide[i].first && code <= line_wide[i].last)
			*columns = 2;
	return count;
}

size_t line_columns(const char *bytes, size_t size)
{
	size_t columns = 0, one;

	for (; size > 0; columns += one) {
		size_t count = line_character(bytes, size, &one);

		bytes += count;
		size -= count;
	}
	return columns;
}

/* How many bytes fit into that many columns. */
static size_t line_fit(const char *bytes, size_t size, size_t columns)
{
	size_t used = 0, one;

	while (used < size) {
		size_t count = line_character(bytes + used, size - used, &one);

		if (one > columns)
			break;
		columns -= one;
		used += count;
	}
	return used;
}

void line_init(struct line *line, struct text *out, size_t width, bool color)
{
	*line = (struct line){.out = out, .width = width, .color = color};
	text_init(&line->indent, TEXT_UNLIMITED);
}

void line_done(struct line *line)
{
	text_done(&line->indent);
}

void line_put(struct line *line, enum line_paint paint, const char *bytes, size_t size)
{
	size_t columns = line_columns(bytes, size);
	bool cut = line->width > 0 && line->column + columns > line->width;
	bool painted = line->color && paint != LINE_PLAIN;

	if (size == 0)
		return;
	if (cut && line->column < line->width)
		size = line_fit(bytes, size, line->width - line->column - 1);
	else if (cut)
		size = 0; /* not even room for the mark */
	if (painted)
		text_append(line->out, line_codes[paint], strlen(line_codes[paint]));
	text_append(line->out, bytes, size);
	if (cut && line->column < line->width)
		TEXT_APPEND(line->out, LINE_MARK);
	if (painted)
		TEXT_APPEND(line->out, "\x1b[0m");
	line->column = cut ? line->width : line->column + columns;
}

static void line_break(struct line *line)
{
	TEXT_APPEND(line->out, "\n");
	text_append(line->out, line->indent.bytes, line->indent.size);
	line->column = line_columns(line->indent.bytes, line->indent.size);
}

/*
 * Whether that many columns, with the gap, have room here; or, without it, in a line of their own.
 */
static bool line_has_room(const struct line *line, size_t gap, size_t columns)
{
	return line->width == 0 || line->column + gap + columns <= line->width;
}

static bool line_would_have_room(const struct line *line, size_t columns)
{
	return line_columns(line->indent.bytes, line->indent.size) + columns <= line->width;
}

static void line_word(
	struct line *line, const char *gap, enum line_paint paint, const char *bytes, size_t size)
{
	if (line_has_room(line, strlen(gap), line_columns(bytes, size)))
		line_put(line, LINE_PLAIN, gap, strlen(gap));
	else
		line_break(line);
	line_put(line, paint, bytes, size);
}

void line_words(
	struct line *line, const char *gap, enum line_paint paint, const char *bytes, size_t size)
{
	if (size > 0 && line_has_room(line, strlen(gap), line_columns(bytes, size))) {
		line_word(line, gap, paint, bytes, size);
		return;
	}
	while (size > 0) {
		const char *blank = memchr(bytes, ' ', size);
		size_t word = blank != NULL ? (size_t)(blank - bytes) : size;

		if (word > 0) {
			line_word(line, gap, paint, bytes, word);
			gap = "";
		}
		for (; word < size && bytes[word] == ' '; word++)
			gap = gap[0] == '\0' ? " " : "  ";
		bytes += word;
		size -= word;
	}
}

void line_piece(
	struct line *line, const char *gap, enum line_paint paint, const char *bytes, size_t size)
{
	size_t columns = line_columns(bytes, size);

	if (size > 0 &&
		(line_has_room(line, strlen(gap), columns) || line_would_have_room(line, columns)))
		line_word(line, gap, paint, bytes, size);
	else
		line_words(line, gap, paint, bytes, size);
}

void line_end(struct line *line)
{
	TEXT_APPEND(line->out, "\n");
	line->column = 0;
	line->failed |= line->indent.error != TEXT_OK;
	text_rewind(&line->indent, 0);
}

/*
 * Boards; see board.h. A table's cells are made twice: to see how wide its columns are, then to
 * write them. Where a line is too short for all, threads lose their beginning, which is the time in
 * most ids, then traces their end, and then names theirs; what still is too wide is cut.
 */
#include "proxy/top/board.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "exporter/console/line.h"
#include "exporter/escape.h"
#include "exporter/text.h"
#include "proxy/top/report.h"

#define BOARD_GAP 2

enum board_column {
	BOARD_AGE,
	BOARD_KIND,
	BOARD_NAME,
	BOARD_CONNECTION,
	BOARD_THREAD,
	BOARD_TRACE,
	BOARD_COLUMNS,
};

static const struct {
	const char *title;
	size_t narrow; /* as few columns as it may get; 0: it is not made narrower */
} board_columns[BOARD_COLUMNS] = {
	[BOARD_AGE] = {"AGE", 0},
	[BOARD_KIND] = {"KIND", 0},
	[BOARD_NAME] = {"NAME", 20},
	[BOARD_CONNECTION] = {"CONN", 0},
	[BOARD_THREAD] = {"THREAD", 13},
	[BOARD_TRACE] = {"TRACE", 9},
};

static const enum board_column board_narrowed[] = {BOARD_THREAD, BOARD_TRACE, BOARD_NAME};

static const struct {
	const char *kind, *one, *many;
	enum line_paint paint;
} board_kinds[REPORT_KINDS] = {
	[REPORT_REQUEST] = {"request", "request", "requests", LINE_PLAIN},
	[REPORT_DISPATCH] = {"dispatch", "dispatch", "dispatches", LINE_PLAIN},
	[REPORT_TURN] = {"turn", "turn", "turns", LINE_BOLD},
	[REPORT_MODEL] = {"model", "model call", "model calls", LINE_CYAN},
	[REPORT_TOOL] = {"tool", "tool call", "tool calls", LINE_GREEN},
	[REPORT_WAIT] = {"wait", "wait", "waits", LINE_RED},
	[REPORT_ITEM] = {"item", "item", "items", LINE_PLAIN},
};

struct board {
	const struct report *report;
	const struct board_style *style;
	struct line line;
	struct text cell;             /* owned; scratch */
	size_t widths[BOARD_COLUMNS]; /* 0: nobody has it */
};

/* ---- pieces ---- */

__attribute__((format(printf, 3, 4))) static void board_put(
	struct board *board, enum line_paint paint, const char *format, ...)
{
	char piece[160];
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(piece, sizeof piece, format, args);
	va_end(args);
	if (size > 0)
		line_put(&board->line, paint, piece,
			(size_t)size < sizeof piece ? (size_t)size : sizeof piece - 1);
}

static void board_put_text(
	struct board *board, enum line_paint paint, const struct report_text *text)
{
	text_rewind(&board->cell, 0);
	escape_append_shown(&board->cell, text->bytes, text->size, SIZE_MAX);
	line_put(&board->line, paint, board->cell.bytes, board->cell.size);
}

static void board_put_blanks(struct board *board, size_t count)
{
	for (; count > 0; count--)
		line_put(&board->line, LINE_PLAIN, " ", 1);
}

/* "4.2s", "42s", "3m05s", "2h03m", "5d04h". */
static void board_age(char *text, size_t size, uint64_t age_ns)
{
	uint64_t s = age_ns / 1000000000;

	if (s < 10)
		(void)snprintf(
			text, size, "%" PRIu64 ".%us", s, (unsigned)(age_ns / 100000000 % 10));
	else if (s < 60)
		(void)snprintf(text, size, "%" PRIu64 "s", s);
	else if (s < 3600)
		(void)snprintf(text, size, "%" PRIu64 "m%02us", s / 60, (unsigned)(s % 60));
	else if (s < 86400)
		(void)snprintf(text, size, "%" PRIu64 "h%02um", s / 3600, (unsigned)(s / 60 % 60));
	else
		(void)snprintf(
			text, size, "%" PRIu64 "d%02uh", s / 86400, (unsigned)(s / 3600 % 24));
}

/* ---- above the table ---- */

static void board_draw_program(struct board *board)
{
	const struct report *report = board->report;
	char up[32];

	board_put(board, LINE_BOLD, "sidespan");
	if (report->has_stats) {
		board_put(board, LINE_BOLD, " ");
		board_put_text(board, LINE_BOLD, &report->version);
		board_put(board, LINE_PLAIN, "  ");
		board_put_text(board, LINE_PLAIN, &report->server);
		board_age(up, sizeof up,
			report->uptime_s < UINT64_MAX / 1000000000 ? report->uptime_s * 1000000000
								   : UINT64_MAX);
		board_put(board, LINE_DIM, "  up ");
		board_put(board, LINE_PLAIN, "%s", up);
		board_put(board, LINE_DIM, "  sessions ");
		board_put(board, LINE_PLAIN, "%" PRIu64, report->sessions);
		board_put(board, LINE_DIM, "  in flight ");
		board_put(board, LINE_PLAIN, "%" PRIu64, report->in_flight);
	}
	if (board->style->note != NULL)
		board_put(board, LINE_RED, "  %s", board->style->note);
	line_end(&board->line);
}

static void board_draw_exporter(struct board *board)
{
	const struct report *report = board->report;
	const struct {
		const char *name;
		uint64_t count;
		bool is_loss;
	} numbers[] = {
		{"sent", report->sent, false},
		{"pending", report->pending, false},
		{"rejected", report->rejected, true},
		{"dropped", report->dropped, true},
		{"spooled", report->spooled, false},
	};
	const struct report_text *state = &report->exporter_state;
	bool is_away =
		state->size == strlen("away") && memcmp(state->bytes, "away", state->size) == 0;
	size_t i;

	if (!report->has_stats)
		return;
	board_put(board, LINE_DIM, "exporter ");
	board_put_text(board, is_away ? LINE_RED : LINE_PLAIN, &report->exporter_state);
	for (i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		board_put(board, LINE_DIM, "  %s ", numbers[i].name);
		board_put(board, numbers[i].is_loss && numbers[i].count > 0 ? LINE_RED : LINE_PLAIN,
			"%" PRIu64, numbers[i].count);
	}
	line_end(&board->line);
}

static void board_draw_sums(struct board *board)
{
	const struct report *report = board->report;
	uint64_t counts[REPORT_KINDS] = {0}, all = report->count + report->omitted;
	const char *before = ": ";
	size_t i;

	for (i = 0; i < report->count; i++)
		counts[report->spans[i].kind]++;
	if (all == 0)
		board_put(board, LINE_PLAIN, "nothing runs");
	else
		board_put(board, LINE_BOLD, "%" PRIu64 " %s", all, all == 1 ? "runs" : "run");
	for (i = 0; i < REPORT_KINDS; i++) {
		if (counts[i] == 0)
			continue;
		board_put(board, LINE_PLAIN, "%s", before);
		board_put(board, board_kinds[i].paint, "%" PRIu64 " %s", counts[i],
			counts[i] == 1 ? board_kinds[i].one : board_kinds[i].many);
		before = ", ";
	}
	if (report->omitted > 0)
		board_put(board, LINE_PLAIN, "%s%" PRIu64 " not told of", before, report->omitted);
	line_end(&board->line);
}

/* ---- the table ---- */

/* Leaves what stands there in board->cell. */
static void board_make_cell(
	struct board *board, const struct report_span *span, enum board_column column)
{
	const struct report_text *text = &span->trace_id;
	uint64_t now_ns = board->report->time_ns;
	char age[32];

	assert(span->kind < REPORT_KINDS);
	text_rewind(&board->cell, 0);
	switch (column) {
	case BOARD_AGE:
		board_age(age, sizeof age, now_ns > span->start_ns ? now_ns - span->start_ns : 0);
		text_append(&board->cell, age, strlen(age));
		return;
	case BOARD_KIND:
		text_append(&board->cell, board_kinds[span->kind].kind,
			strlen(board_kinds[span->kind].kind));
		return;
	case BOARD_NAME:
		text = span->kind == REPORT_REQUEST && span->method.size > 0 ? &span->method
									     : &span->name;
		break;
	case BOARD_CONNECTION:
		text = &span->connection;
		break;
	case BOARD_THREAD:
		text = &span->thread;
		break;
	case BOARD_TRACE:
	case BOARD_COLUMNS: /* none */
		break;
	}
	escape_append_shown(&board->cell, text->bytes, text->size, SIZE_MAX);
}

static void board_measure(struct board *board)
{
	size_t total = 0, over, i, column, columns;

	for (column = 0; column < BOARD_COLUMNS; column++) {
		for (i = 0; i < board->report->count; i++) {
			board_make_cell(board, &board->report->spans[i], (enum board_column)column);
			columns = line_columns(board->cell.bytes, board->cell.size);
			if (columns > board->widths[column])
				board->widths[column] = columns;
		}
		columns = strlen(board_columns[column].title);
		if (board->widths[column] > 0 && board->widths[column] < columns)
			board->widths[column] = columns;
		total += board->widths[column] > 0 ? board->widths[column] + BOARD_GAP : 0;
	}
	for (i = 0; i < sizeof board_narrowed / sizeof *board_narrowed; i++) {
		column = board_narrowed[i];
		over = total > board->style->width + BOARD_GAP
			       ? total - board->style->width - BOARD_GAP
			       : 0;
		if (board->style->width == 0 ||
			board->widths[column] <= board_columns[column].narrow)
			continue;
		if (over > board->widths[column] - board_columns[column].narrow)
			over = board->widths[column] - board_columns[column].narrow;
		board->widths[column] -= over;
		total -= over;
	}
}

/* A thread that is wider than its column is shown by its end, anything else by its beginning. */
static void board_put_cell(struct board *board, enum board_column column, enum line_paint paint)
{
	const char *cell = board->cell.bytes;
	size_t size = board->cell.size, room = board->widths[column];
	size_t from = board->line.column, width = board->line.width;

	assert(room > 0);
	if (width == 0 || from + room < width)
		board->line.width = from + room;
	if (column == BOARD_THREAD && line_columns(cell, size) > room) {
		line_put(&board->line, paint, "…", strlen("…"));
		while (line_columns(cell, size) > room - 1)
			do {
				cell++;
				size--;
			} while (((unsigned char)*cell & 0xc0) == 0x80);
	}
	line_put(&board->line, paint, cell, size);
	board->line.width = width;
}

/* The titles, for no span. */
static void board_draw_row(struct board *board, const struct report_span *span)
{
	enum line_paint paint = span != NULL ? LINE_PLAIN : LINE_DIM;
	size_t column, begin = 0, start;

	for (column = 0; column < BOARD_COLUMNS; column++) {
		if (board->widths[column] == 0)
			continue;
		text_rewind(&board->cell, 0);
		if (span != NULL)
			board_make_cell(board, span, (enum board_column)column);
		else
			text_append(&board->cell, board_columns[column].title,
				strlen(board_columns[column].title));
		start = begin;
		if (column == BOARD_AGE)
			start += board->widths[column] -
				 line_columns(board->cell.bytes, board->cell.size);
		if (board->cell.size > 0 && board->line.column < start)
			board_put_blanks(board, start - board->line.column);
		board_put_cell(board, (enum board_column)column,
			span != NULL && column == BOARD_KIND ? board_kinds[span->kind].paint
							     : paint);
		begin += board->widths[column] + BOARD_GAP;
	}
	line_end(&board->line);
}

/* All that is above it takes five lines. */
static void board_draw_table(struct board *board)
{
	size_t room = board->style->height > 5 ? board->style->height - 5 : 1;
	size_t count = board->report->count, i;

	if (count == 0)
		return;
	if (board->style->height > 0 && count > room)
		count = room - 1;
	line_end(&board->line);
	board_draw_row(board, NULL);
	for (i = 0; i < count; i++)
		board_draw_row(board, &board->report->spans[i]);
	if (count < board->report->count) {
		board_put(board, LINE_DIM, "and %zu more", board->report->count - count);
		line_end(&board->line);
	}
}

int board_draw(struct text *out, const struct report *report, const struct board_style *style)
{
	struct board board = {.report = report, .style = style};
	bool failed;

	text_init(&board.cell, TEXT_UNLIMITED);
	line_init(&board.line, out, style->width, style->color);
	board_measure(&board);
	board_draw_program(&board);
	board_draw_exporter(&board);
	board_draw_sums(&board);
	board_draw_table(&board);
	failed = board.line.failed || board.cell.error != TEXT_OK || out->error != TEXT_OK;
	line_done(&board.line);
	text_done(&board.cell);
	return failed ? -1 : 0;
}

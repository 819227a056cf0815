/*
 * Bytes on their way through. The caller's bytes are never copied but for those that must wait:
 * they go behind what is held already. Pieces of the same call may still point into the hold, so
 * nothing is moved in it before the next call, and then only when as many bytes have passed through
 * as are moved.
 */
#include "proxy/message/window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* At most one hold full that is or was held, begun anywhere below SPLICE_HOLD_MAX, and one more. */
#define WINDOW_HOLD_SIZE    (3 * SPLICE_HOLD_MAX)
#define WINDOW_INSERT_FIRST 1024
#define WINDOW_PIECES_FIRST 12
#define WINDOW_PIECES_SPARE 3 /* for the window_give() and window_fill() that always can follow */

int window_init(struct window *window)
{
	*window = (struct window){
		.pieces = malloc(WINDOW_PIECES_FIRST * sizeof(*window->pieces)),
		.pieces_size = WINDOW_PIECES_FIRST,
		.insert = malloc(WINDOW_INSERT_FIRST),
		.insert_size = WINDOW_INSERT_FIRST,
	};
	return window->pieces == NULL || window->insert == NULL ? -1 : 0;
}

void window_done(struct window *window)
{
	free(window->hold);
	free(window->pieces);
	free(window->insert);
	*window = (struct window){.hold = NULL};
}

static void window_void(struct window *window)
{
	window->pieces_count = 0;
	window->pieces_total = 0;
	window->insert_used = 0;
}

void window_begin(struct window *window)
{
	window_take(window, NULL, 0);
}

/* The offset of the first held byte. */
static size_t window_hold_offset(const struct window *window)
{
	return window->bytes_offset - (window->hold_end - window->hold_begin);
}

void window_feed(struct window *window, const uint8_t *bytes, size_t size)
{
	size_t held = window->hold_end - window->hold_begin;

	assert(window->given == window_end(window) - held);
	window_void(window);
	window->bytes_offset += window->bytes_size;
	window->bytes = bytes;
	window->bytes_size = size;
	if (held == 0) {
		window->hold_begin = 0;
		window->hold_end = 0;
	} else if (window->hold_begin >= SPLICE_HOLD_MAX) {
		memmove(window->hold, window->hold + window->hold_begin, held);
		window->hold_begin = 0;
		window->hold_end = held;
	}
}

bool window_reserve(struct window *window, size_t edits)
{
	size_t needed = window->pieces_count + 4 * edits + WINDOW_PIECES_SPARE;
	struct splice_piece *pieces;

	assert(window->pieces_count <= window->pieces_size);
	if (needed <= window->pieces_size)
		return true;
	pieces = realloc(window->pieces, 2 * needed * sizeof(*pieces));
	if (pieces == NULL)
		return false;
	window->pieces = pieces;
	window->pieces_size = 2 * needed;
	return true;
}

static void window_push(struct window *window, const uint8_t *bytes, size_t size)
{
	assert(window->pieces_count < window->pieces_size);
	window->pieces[window->pieces_count++] = (struct splice_piece){bytes, size};
	window->pieces_total += size;
}

void window_give(struct window *window, size_t offset)
{
	size_t hold_offset = window_hold_offset(window);
	size_t hold_to = offset < window->bytes_offset ? offset : window->bytes_offset;

	if (window->given < hold_to) {
		window_push(window,
			window->hold + window->hold_begin + (window->given - hold_offset),
			hold_to - window->given);
		window->given = hold_to;
	}
	if (window->given < offset) {
		window_push(window, window->bytes + (window->given - window->bytes_offset),
			offset - window->given);
		window->given = offset;
	}
}

__attribute__((noinline)) void window_fill(struct window *window, size_t size)
{
	static uint8_t blanks[SPLICE_HOLD_MAX];

	if (size == 0)
		return;
	assert(size <= sizeof(blanks));
	if (blanks[0] == '\0')
		memset(blanks, ' ', sizeof(blanks));
	window_push(window, blanks, size);
}

/* Moves the inserted texts to a larger place, and the pieces with them. */
static bool window_insert_grow(struct window *window, size_t needed)
{
	uintptr_t old = (uintptr_t)window->insert;
	uint8_t *insert = malloc(2 * needed);
	size_t i;

	if (insert == NULL)
		return false;
	assert(window->insert_used < needed);
	memcpy(insert, window->insert, window->insert_used); /* < needed */
	for (i = 0; i < window->pieces_count; i++) {
		uintptr_t offset = (uintptr_t)window->pieces[i].bytes - old;

		if (offset < window->insert_used)
			window->pieces[i].bytes = insert + offset;
	}
	free(window->insert);
	window->insert = insert;
	window->insert_size = 2 * needed;
	return true;
}

bool window_insert(struct window *window, const char *prefix, size_t prefix_size, const char *text,
	size_t text_size)
{
	size_t needed = window->insert_used + prefix_size + text_size;
	uint8_t *to;

	if (needed >= window->insert_size && !window_insert_grow(window, needed))
		return false;
	to = window->insert + window->insert_used;
	memcpy(to, prefix, prefix_size);
	memcpy(to + prefix_size, text, text_size);
	window->insert_used = needed;
	window_push(window, to, prefix_size + text_size);
	return true;
}

void window_insert_last(struct window *window, uint8_t byte)
{
	struct splice_piece *piece = &window->pieces[window->pieces_count - 1];

	assert(piece->bytes + piece->size == window->insert + window->insert_used);
	assert(window->given + 1 == window_end(window));
	window->insert[window->insert_used++] = byte; /* there is room */
	piece->size++;
	window->pieces_total++;
	window->given++;
}

void window_put(struct window *window, const char *bytes, size_t size)
{
	window_push(window, (const uint8_t *)bytes, size);
}

/* Lets go of the held bytes that are given out. */
static void window_hold_trim(struct window *window)
{
	size_t hold_offset = window_hold_offset(window);

	if (window->given >= window->bytes_offset)
		window->hold_begin = window->hold_end;
	else
		window->hold_begin += window->given - hold_offset;
}

bool window_store(struct window *window)
{
	size_t from =
		window->given > window->bytes_offset ? window->given - window->bytes_offset : 0;
	size_t size = window->bytes_size - from;

	window_hold_trim(window);
	if (size > 0) {
		if (window->hold == NULL)
			window->hold = malloc(WINDOW_HOLD_SIZE);
		if (window->hold == NULL)
			return false;
		assert(window->hold_end - window->hold_begin + size <= SPLICE_HOLD_MAX);
		assert(window->hold_end + size <= WINDOW_HOLD_SIZE);
		memcpy(window->hold + window->hold_end, window->bytes + from, size);
		window->hold_end += size;
	}
	window->bytes_offset += window->bytes_size;
	window->bytes = NULL;
	window->bytes_size = 0;
	return true;
}

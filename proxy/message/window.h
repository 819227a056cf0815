#ifndef PROXY_MESSAGE_WINDOW_H
#define PROXY_MESSAGE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/message/piece.h"

/*
 * The bytes of a message between being received and being given out: what is held from earlier
 * calls, then what the caller has just brought. They are given out in order, as pieces that point
 * to where they stand, with texts put in between. Positions are offsets in the message as received.
 */
struct window {
	uint8_t *hold;               /* owned; allocated when first needed */
	size_t hold_begin, hold_end; /* the held bytes, those given out in this call included */
	const uint8_t *bytes;        /* borrowed from the caller until the next window_feed() */
	size_t bytes_size;
	size_t bytes_offset;         /* of bytes[0]; the held ones end there */
	size_t given;                /* all before this is given out, or left out */
	struct splice_piece *pieces; /* owned */
	size_t pieces_count, pieces_size, pieces_total;
	uint8_t *insert; /* owned; the texts put in during this call */
	size_t insert_used, insert_size;
	bool fills; /* what is left out becomes blanks: the size of the message was told before */
};

/* 0, or -1 when out of memory; then window_done() is all that may follow. */
int window_init(struct window *window);
void window_done(struct window *window);

/* A new message begins; nothing is held of it. */
void window_begin(struct window *window);

/* The same for a message that is all there. */
static inline void window_take(struct window *window, const uint8_t *bytes, size_t size)
{
	window->pieces_count = 0;
	window->pieces_total = 0;
	window->insert_used = 0;
	window->hold_begin = 0;
	window->hold_end = 0;
	window->bytes = bytes;
	window->bytes_size = size;
	window->bytes_offset = 0;
	window->given = 0;
	window->fills = false;
}

/* The next bytes of the message; the pieces and texts of the last call are void. */
void window_feed(struct window *window, const uint8_t *bytes, size_t size);

/* Instead of all that follows here, where nothing is ever held: gives out the caller's bytes. */
static inline void window_pass(struct window *window, const uint8_t *bytes, size_t size)
{
	window->pieces[0] = (struct splice_piece){bytes, size};
	window->pieces_count = size > 0;
	window->pieces_total = size;
}

/* The offset after all that was fed. */
static inline size_t window_end(const struct window *window)
{
	return window->bytes_offset + window->bytes_size;
}

/* How many bytes are held, and where they begin. */
static inline size_t window_held(const struct window *window, const uint8_t **bytes)
{
	*bytes = window->hold_end == 0 ? NULL : window->hold + window->hold_begin;
	return window->hold_end - window->hold_begin;
}

/* The byte at offset, which is not given out yet, and how many follow it in the same place. */
static inline const uint8_t *window_at(const struct window *window, size_t offset, size_t *size)
{
	if (offset >= window->bytes_offset) {
		*size = window_end(window) - offset;
		return window->bytes + (offset - window->bytes_offset);
	}
	*size = window->bytes_offset - offset;
	return window->hold + (window->hold_end - *size);
}

/*
 * Makes sure that edits calls of window_give(), and as many of window_insert() and window_drop(),
 * can follow, besides one window_give() and one window_fill() that always can. False when out of
 * memory.
 */
bool window_reserve(struct window *window, size_t edits);

/* Gives out what comes before offset. */
void window_give(struct window *window, size_t offset);

/* Whether nothing is held: all that is not given out yet stands in the caller's bytes. */
static inline bool window_direct(const struct window *window)
{
	return window->hold_begin == window->hold_end;
}

/* Gives out all that was fed, if nothing is held; then window_store() need not follow. */
static inline void window_give_rest(struct window *window)
{
	size_t end = window_end(window), size = end - window->given;

	if (size > 0) {
		window->pieces[window->pieces_count++] =
			(struct splice_piece){window->bytes + (window->bytes_size - size), size};
		window->pieces_total += size;
	}
	window->given = end;
	window->bytes_offset = end;
	window->bytes_size = 0;
}

/* Gives out size blanks, SPLICE_HOLD_MAX at most. */
void window_fill(struct window *window, size_t size);

/*
 * Leaves out what comes before offset and is not given out yet; if window->fills, gives out as many
 * blanks in its place, SPLICE_HOLD_MAX at most.
 */
static inline void window_drop(struct window *window, size_t offset)
{
	if (window->given >= offset)
		return;
	if (window->fills)
		window_fill(window, offset - window->given);
	window->given = offset;
}

/* Gives out a copy of prefix and text; false, and nothing is given out, when out of memory. */
bool window_insert(struct window *window, const char *prefix, size_t prefix_size, const char *text,
	size_t text_size);

/* Puts the last byte of all that was fed into the same piece, after window_insert() alone. */
void window_insert_last(struct window *window, uint8_t byte);

/* Gives out bytes that stay where they are; as one window_drop() for window_reserve(). */
void window_put(struct window *window, const char *bytes, size_t size);

/*
 * The end of a call: keeps a copy of what is not given out, SPLICE_HOLD_MAX bytes at most; pieces
 * stay as they are. False when out of memory.
 */
bool window_store(struct window *window);

#endif

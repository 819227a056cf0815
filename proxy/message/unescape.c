/*
 * Decoding of JSON strings. Runs of plain bytes are copied whole; an escape goes through a few
 * words of state, so that a piece may end anywhere in it.
 */
#include "proxy/message/unescape.h"

#include <string.h>

#include "w3c/utf8.h"

#define UNESCAPE_REPLACEMENT 0xfffd

struct unescape_room {
	char *to;
	size_t used, size;
};

void unescape_init(struct unescape *text)
{
	*text = (struct unescape){.cut = false};
}

/* What fits of bytes; a character that is split here goes in unescape_finish(). */
static void unescape_put(
	struct unescape *text, struct unescape_room *room, const void *bytes, size_t size)
{
	size_t left = room->size - room->used;

	if (text->cut)
		return;
	if (size > left) {
		text->cut = true;
		size = left;
	}
	if (size > 0)
		memcpy(room->to + room->used, bytes, size);
	room->used += size;
}

static void unescape_put_code(struct unescape *text, struct unescape_room *room, uint32_t code)
{
	char bytes[UTF8_SIZE_MAX];

	unescape_put(text, room, (uint8_t *)bytes, (size_t)(utf8_put(bytes, code) - bytes));
}

/* A high surrogate that no low one follows. */
static void unescape_put_lone(struct unescape *text, struct unescape_room *room)
{
	if (text->high != 0)
		unescape_put_code(text, room, UNESCAPE_REPLACEMENT);
	text->high = 0;
}

/* A complete \uXXXX. */
static void unescape_put_unit(struct unescape *text, struct unescape_room *room, uint32_t unit)
{
	bool low = unit >= 0xdc00 && unit <= 0xdfff;

	if (low && text->high != 0) {
		unit = 0x10000 + ((uint32_t)(text->high - 0xd800) << 10) + (unit - 0xdc00);
		text->high = 0;
		unescape_put_code(text, room, unit);
		return;
	}
	unescape_put_lone(text, room);
	if (unit >= 0xd800 && unit <= 0xdbff)
		text->high = (uint16_t)unit;
	else
		unescape_put_code(text, room, low ? UNESCAPE_REPLACEMENT : unit);
}

static uint8_t unescape_letter(uint8_t letter)
{
	switch (letter) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return letter; /* quote, backslash, slash */
	}
}

static uint32_t unescape_hex(uint8_t digit)
{
	return digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
}

/* The next byte of an escape whose backslash has been seen. */
static void unescape_step(struct unescape *text, struct unescape_room *room, uint8_t byte)
{
	if (text->escape_at == 1 && byte != 'u') {
		text->escape_at = 0;
		byte = unescape_letter(byte);
		unescape_put_lone(text, room);
		unescape_put(text, room, &byte, 1);
		return;
	}
	if (text->escape_at == 1) {
		text->code = 0;
		text->escape_at = 2;
		return;
	}
	text->code = (uint16_t)(text->code << 4 | unescape_hex(byte));
	if (text->escape_at++ == 5) {
		text->escape_at = 0;
		unescape_put_unit(text, room, text->code);
	}
}

size_t unescape_piece(
	struct unescape *text, char *to, size_t size, const uint8_t *piece, size_t piece_size)
{
	struct unescape_room room = {.to = to, .used = 0, .size = size};
	const uint8_t *end = piece + piece_size;
	const uint8_t *run_end;

	while (piece < end && !text->cut) {
		if (text->escape_at > 0) {
			unescape_step(text, &room, *piece++);
			continue;
		}
		run_end = memchr(piece, '\\', (size_t)(end - piece));
		if (run_end == NULL)
			run_end = end;
		if (run_end > piece) {
			unescape_put_lone(text, &room);
			unescape_put(text, &room, piece, (size_t)(run_end - piece));
		}
		piece = run_end;
		if (piece < end) {
			text->escape_at = 1;
			piece++;
		}
	}
	return room.used;
}

size_t unescape_finish(struct unescape *text, char *to, size_t used, size_t size)
{
	struct unescape_room room = {.to = to, .used = used, .size = size};

	unescape_put_lone(text, &room);
	return text->cut ? utf8_cut(to, room.used) : room.used;
}

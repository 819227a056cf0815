#ifndef PROXY_MESSAGE_UNESCAPE_H
#define PROXY_MESSAGE_UNESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decodes the inside of a JSON string (RFC 8259, section 7) to UTF-8, piece by piece: it may be cut
 * anywhere, also within an escape. The string is known to be valid but for lone surrogates, which
 * become U+FFFD; bytes from 0x80 are copied as they are.
 *
 *	unescape_init(&text);
 *	used += unescape_piece(&text, to + used, room - used, piece, piece_size);   for every piece
 *	used = unescape_finish(&text, to, used, room);
 *
 * What does not fit is left out, from the first character on that does not; text.cut says so.
 */
struct unescape {
	bool cut;
	uint8_t escape_at; /* bytes of an escape seen: 0 none, 1 the backslash, 2-5 within \uXXXX */
	uint16_t code;     /* hex digits of the escape so far */
	uint16_t high;     /* a high surrogate that waits for its low one; 0: none */
};

/* Never more than this many bytes above the size of a piece come out of it. */
#define UNESCAPE_EXTRA 8

void unescape_init(struct unescape *text);
size_t unescape_piece(
	struct unescape *text, char *to, size_t size, const uint8_t *piece, size_t piece_size);
/* Ends the string: to[0..used) is what unescape_piece() wrote. Returns its final size. */
size_t unescape_finish(struct unescape *text, char *to, size_t used, size_t size);

#endif

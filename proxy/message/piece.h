#ifndef PROXY_MESSAGE_PIECE_H
#define PROXY_MESSAGE_PIECE_H

#include <stddef.h>
#include <stdint.h>

/* What a splice and those it consists of have in common: see splice.h. */
#define SPLICE_HOLD_MAX  16384
#define SPLICE_DEPTH_MAX 1024 /* nesting of arrays and objects that is followed */

struct splice_piece {
	const uint8_t *bytes;
	size_t size;
};

#endif

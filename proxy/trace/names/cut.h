#ifndef PROXY_TRACE_NAMES_CUT_H
#define PROXY_TRACE_NAMES_CUT_H

#include <stdint.h>

#include "exporter/span.h"

/* The mark at the end of a text that goes on: an ellipsis, U+2026. */
#define CUT_MARK      "\xe2\x80\xa6"
#define CUT_MARK_SIZE (sizeof CUT_MARK - 1)

/* How much of such a text is kept, so that it has room with its mark and no character is broken. */
static inline size_t cut_size(struct span_text text, size_t size_max)
{
	size_t size = size_max - CUT_MARK_SIZE;

	if (text.size <= size)
		return text.size;
	while (size > 0 && ((uint8_t)text.bytes[size] & 0xc0) == 0x80)
		size--;
	return size;
}

#endif

#ifndef PROXY_LOG_TEXT_H
#define PROXY_LOG_TEXT_H

#include <stddef.h>

#include "proxy/log.h"

/*
 * What a line of the log looks like. Writes it with its end into bytes, without a terminator; what
 * is too long is clipped, between characters where that matters. Returns its size.
 */
size_t log_text_make(char bytes[LOG_LINE_MAX], enum log_style style, enum log_level level,
	const char *text, size_t size);

#endif

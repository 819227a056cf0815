#ifndef PROXY_LOG_TEXT_H
#define PROXY_LOG_TEXT_H

#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

enum log_style {
	LOG_PLAIN,
	LOG_STAMPED, /* the time in front: RFC 3339, UTC */
	LOG_JSON,    /* {"time":...,"level":...,"logger":"sidespan","message":...} */
};

#define LOG_LINE_MAX 2048

/*
 * What a line of the log looks like. Writes it with its end into bytes, without a terminator; what
 * is too long is clipped, between characters where that matters. Returns its size.
 */
size_t log_text_make(char bytes[LOG_LINE_MAX], enum log_style style, enum log_level level,
	const char *text, size_t size);

#endif

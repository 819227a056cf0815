#ifndef PROXY_LOG_H
#define PROXY_LOG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The program's own log: one line per fact on stderr, "sidespan: LEVEL: text". Safe from any
 * thread. A line is written only when stderr takes it at once, so that a reader who has stopped
 * reading never stops us; lines that found no room are counted and the count is told later.
 */
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

#define LOG_LINE_MAX 2048

void log_level_set(enum log_level level);
int log_enabled(enum log_level level);

__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *format, ...);

/*
 * Writes a peer's text for a log line into text (text_size bytes, terminated): control characters
 * and bytes that are not ASCII become \xNN, and what is too long is clipped with "...". Returns
 * text.
 */
const char *log_escape(char *text, size_t text_size, const char *bytes, size_t size);

/*
 * Lets at most burst lines through per interval: for facts that a peer can repeat at will. Returns
 * whether to log now; *suppressed is how many were held back since the last one let through.
 */
struct log_limit {
	uint64_t window_start_ns;
	unsigned used;
	uint64_t held_back;
};
int log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint64_t *suppressed);

#endif

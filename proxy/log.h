#ifndef PROXY_LOG_H
#define PROXY_LOG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/log_text.h"

/*
 * The program's own log: one line per fact on stderr, "sidespan: LEVEL: text". Safe from any
 * thread. Nothing here waits for stderr: what it does not take at once is lost, counted, and told
 * of when it takes again. Of one kind of line, which is all that one log_line() in the source
 * writes, no more than log.lines_max are written in ten seconds; the others are counted, and told
 * of together.
 */
#define LOG_SAMPLE_MAX 160

/* A kind of line, and what has become of its lines. Lives as long as the program. */
struct log_kind {
	struct log_kind *next;    /* of those whose ten seconds have begun */
	uint64_t window_start_ns; /* when they did */
	unsigned used;            /* lines written since then, */
	uint64_t held_back;       /* and not written; of the first of these: */
	enum log_level level;
	char sample[LOG_SAMPLE_MAX];
};

#define log_line(level, ...)                                                                       \
	do {                                                                                       \
		static struct log_kind log_kind_here;                                              \
		log_line_of(&log_kind_here, level, __VA_ARGS__);                                   \
	} while (0)

__attribute__((format(printf, 3, 4))) void log_line_of(
	struct log_kind *kind, enum log_level level, const char *format, ...);

/*
 * Looks at what stderr is. For a pipe or a terminal it is opened anew, as its flags are not ours to
 * change: without this, or where that is refused, a line may have to wait for other writers.
 */
void log_open(void);

/* What log lines are written to: who writes there, too, is not kept waiting either. Borrowed. */
int log_descriptor(void);

void log_level_set(enum log_level level);
int log_enabled(enum log_level level);

/* LOG_PLAIN until then. */
void log_style_set(enum log_style style);

/* How many lines of one kind are written in ten seconds; at first, and with 0, all. */
void log_lines_max_set(unsigned lines_max);

/*
 * What time it is, every now and then; before the first time nothing is held back. Tells of what
 * was held back in the ten seconds that are over, and of what was lost.
 */
void log_tick(uint64_t now_ns);

/* Tells of all that is still held back. From now on nothing is. */
void log_end(void);

struct log_counters {
#define COUNTER_LOG(name, kind, help) uint64_t name;
#include "proxy/counters.def"
};
struct log_counters log_counters_read(void);

/*
 * Writes a peer's text for a log line into text (text_size bytes, terminated): control characters
 * and bytes that are not ASCII become \xNN, and what is too long is clipped with "...". Returns
 * text.
 */
const char *log_escape(char *text, size_t text_size, const char *bytes, size_t size);

#endif

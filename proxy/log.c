/* The log on stderr; see log.h. Nothing here allocates, blocks or fails. */
#include "proxy/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LIMIT_INTERVAL_NS 10000000000ull
#define LOG_LIMIT_BURST       5

static const char *const log_names[] = {"error", "warn", "info", "debug"};

static _Atomic enum log_level log_level = LOG_INFO;
static _Atomic unsigned long log_lost;

void log_level_set(enum log_level level)
{
	log_level = level;
}

int log_enabled(enum log_level level)
{
	return level <= log_level;
}

/* Writes a whole line or nothing. At most PIPE_BUF bytes, which a writable pipe takes at once. */
static int log_write(const char *line, size_t size)
{
	struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0)
		return -1;
	return write(STDERR_FILENO, line, size) == (ssize_t)size ? 0 : -1;
}

static void log_tell_lost(void)
{
	unsigned long lost = atomic_exchange(&log_lost, 0);
	char line[96];
	int size;

	if (lost == 0)
		return;
	size = snprintf(
		line, sizeof line, "sidespan: warn: %lu log lines lost: stderr was full\n", lost);
	if (log_write(line, (size_t)size) != 0)
		atomic_fetch_add(&log_lost, lost);
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	size_t room = sizeof line - 1; /* for the newline */
	int saved_errno = errno;
	int head, body;
	va_list ap;
	size_t size;

	if (!log_enabled(level))
		return;
	head = snprintf(line, room, "sidespan: %s: ", log_names[level]);
	va_start(ap, format);
	body = vsnprintf(line + head, room - (size_t)head, format, ap);
	va_end(ap);
	size = (size_t)head + (size_t)(body > 0 ? body : 0);
	if (size > room - 1)
		size = room - 1;
	line[size++] = '\n';
	log_tell_lost();
	if (log_write(line, size) != 0)
		atomic_fetch_add(&log_lost, 1);
	errno = saved_errno;
}

_Static_assert(LOG_LINE_MAX <= PIPE_BUF, "a log line must fit a pipe in one write");

const char *log_escape(char *text, size_t text_size, const char *bytes, size_t size)
{
	size_t used = 0, i;

	for (i = 0; i < size; i++) {
		unsigned char byte = (unsigned char)bytes[i];
		int plain = byte >= 0x20 && byte < 0x7f && byte != '\\';

		if (used + 4 + 4 > text_size) {
			(void)snprintf(
				text + used, text_size - used, "..."); /* room for it was kept */
			return text;
		}
		if (plain)
			text[used++] = (char)byte;
		else
			used += (size_t)snprintf(text + used, text_size - used, "\\x%02x", byte);
	}
	text[used] = '\0';
	return text;
}

int log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint64_t *suppressed)
{
	if (now_ns - limit->window_start_ns >= LOG_LIMIT_INTERVAL_NS ||
		limit->window_start_ns == 0) {
		limit->window_start_ns = now_ns;
		limit->used = 0;
	}
	if (limit->used >= LOG_LIMIT_BURST) {
		limit->held_back++;
		return 0;
	}
	limit->used++;
	*suppressed = limit->held_back;
	limit->held_back = 0;
	return 1;
}

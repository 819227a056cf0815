/*
 * The log on stderr; see log.h. Nothing here allocates, blocks or fails. Lines are made and written
 * under one lock, which nobody holds for longer than that takes. A terminal may take a part of a
 * line: its end is kept and goes first.
 */
#include "proxy/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/log_text.h"

#define LOG_WINDOW_NS 10000000000ull

_Static_assert(LOG_LINE_MAX <= PIPE_BUF, "a log line must fit a pipe in one write");

static _Atomic enum log_level log_level = LOG_INFO;
static _Atomic enum log_style log_style = LOG_PLAIN;

/* All below is changed under the lock only. */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_kind *log_kinds; /* that have been written within their ten seconds */
static unsigned log_lines_max;
static uint64_t log_now_ns;
static struct log_counters log_counters;
static uint64_t log_lost; /* and not told yet */
static char log_rest[LOG_LINE_MAX];
static size_t log_rest_size;

static int log_fd = STDERR_FILENO;
static enum {
	LOG_SHARED, /* written to when poll() says that it takes a line */
	LOG_SOCKET, /* can be asked not to wait */
	LOG_OWN,    /* never waits */
} log_how;

/* ---- where to ---- */

void log_open(void)
{
	struct stat is;
	int fd;

	if (fstat(STDERR_FILENO, &is) != 0)
		return;
	if (S_ISSOCK(is.st_mode)) {
		log_how = LOG_SOCKET;
	} else if (S_ISFIFO(is.st_mode) || isatty(STDERR_FILENO)) {
		fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			return; /* it is another user's */
		log_fd = fd;
		log_how = LOG_OWN;
	}
}

int log_descriptor(void)
{
	return log_fd;
}

static ssize_t log_write_some(const char *bytes, size_t size)
{
	struct pollfd ready = {.fd = log_fd, .events = POLLOUT};

	if (log_how == LOG_SOCKET)
		return send(log_fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (log_how == LOG_SHARED && poll(&ready, 1, 0) != 1) /* if nobody reads, that is told */
		return -1;
	return write(log_fd, bytes, size);
}

/* Writes what is left of the last line. Whether nothing is. */
static bool log_write_rest(void)
{
	ssize_t n;

	if (log_rest_size == 0)
		return true;
	n = log_write_some(log_rest, log_rest_size);
	if (n <= 0)
		return false;
	log_rest_size -= (size_t)n;
	memmove(log_rest, log_rest + n, log_rest_size);
	return log_rest_size == 0;
}

/* Writes a line, or as much as is taken at once: then the rest will follow. Whether it did. */
static bool log_write(const char *line, size_t size)
{
	ssize_t n;

	if (!log_write_rest())
		return false;
	n = log_write_some(line, size);
	if (n <= 0)
		return false;
	log_rest_size = size - (size_t)n;
	memcpy(log_rest, line + n, log_rest_size);
	return true;
}

static void log_tell_lost(void)
{
	char text[96], line[LOG_LINE_MAX];
	size_t size;

	if (log_lost == 0)
		return;
	size = (size_t)snprintf(text, sizeof text, "%llu log lines lost: stderr was full",
		(unsigned long long)log_lost); /* fits */
	size = log_text_make(line, log_style, LOG_WARN, text, size);
	if (log_write(line, size))
		log_lost = 0;
}

/* ---- lines ---- */

/* Makes a line with its end. Returns its size. */
__attribute__((format(printf, 3, 0))) static size_t log_make(
	char line[LOG_LINE_MAX], enum log_level level, const char *format, va_list arguments)
{
	char text[LOG_LINE_MAX];
	int size = vsnprintf(text, sizeof text, format, arguments);

	if (size < 0)
		size = 0;
	return log_text_make(line, log_style, level, text,
		(size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

static void log_put(const char *line, size_t size)
{
	log_tell_lost();
	if (log_write(line, size))
		return;
	log_lost++;
	log_counters.log_lines_lost++;
}

__attribute__((format(printf, 2, 3))) static void log_put_line(
	enum log_level level, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	va_list arguments;

	va_start(arguments, format);
	log_put(line, log_make(line, level, format, arguments));
	va_end(arguments);
}

/* ---- kinds ---- */

/* Whether one more line of the kind may be written. */
static bool log_kind_pass(struct log_kind *kind)
{
	if (log_lines_max == 0 || log_now_ns == 0)
		return true;
	if (kind->used >= log_lines_max)
		return false;
	if (kind->used++ == 0) {
		kind->window_start_ns = log_now_ns;
		kind->next = log_kinds;
		log_kinds = kind;
	}
	return true;
}

static void log_kind_tell(struct log_kind *kind)
{
	if (kind->held_back > 0)
		log_put_line(kind->level, "%llu more lines like this one were held back: %s",
			(unsigned long long)kind->held_back, kind->sample);
	kind->held_back = 0;
	kind->used = 0;
}

void log_line_of(struct log_kind *kind, enum log_level level, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	int saved_errno = errno;
	va_list arguments;

	if (!log_enabled(level))
		return;
	va_start(arguments, format);
	(void)pthread_mutex_lock(&log_lock); /* a plain mutex: cannot fail */
	if (log_kind_pass(kind)) {
		log_put(line, log_make(line, level, format, arguments));
	} else {
		if (kind->held_back++ == 0) {
			kind->level = level;
			(void)vsnprintf(kind->sample, sizeof kind->sample, format,
				arguments); /* clipped is fine */
		}
		log_counters.log_lines_held_back++;
	}
	(void)pthread_mutex_unlock(&log_lock);
	va_end(arguments);
	errno = saved_errno;
}

/* ---- now and then ---- */

/* Tells of the kinds whose ten seconds are over at now_ns, and lets go of them. */
static void log_end_windows(uint64_t now_ns)
{
	struct log_kind **at = &log_kinds, *kind;

	while ((kind = *at) != NULL) {
		if (now_ns - kind->window_start_ns < LOG_WINDOW_NS) {
			at = &kind->next;
			continue;
		}
		*at = kind->next;
		log_kind_tell(kind);
	}
}

void log_tick(uint64_t now_ns)
{
	(void)pthread_mutex_lock(&log_lock); /* a plain mutex: cannot fail */
	log_now_ns = now_ns;
	log_end_windows(now_ns);
	if (log_write_rest())
		log_tell_lost();
	(void)pthread_mutex_unlock(&log_lock);
}

void log_end(void)
{
	(void)pthread_mutex_lock(&log_lock); /* a plain mutex: cannot fail */
	log_now_ns = 0;
	log_end_windows(UINT64_MAX);
	(void)pthread_mutex_unlock(&log_lock);
}

/* ---- settings, counters ---- */

void log_level_set(enum log_level level)
{
	log_level = level;
}

void log_style_set(enum log_style style)
{
	log_style = style;
}

int log_enabled(enum log_level level)
{
	return level <= log_level;
}

void log_lines_max_set(unsigned lines_max)
{
	(void)pthread_mutex_lock(&log_lock); /* a plain mutex: cannot fail */
	log_lines_max = lines_max;
	(void)pthread_mutex_unlock(&log_lock);
}

struct log_counters log_counters_read(void)
{
	struct log_counters at;

	(void)pthread_mutex_lock(&log_lock); /* a plain mutex: cannot fail */
	at = log_counters;
	(void)pthread_mutex_unlock(&log_lock);
	return at;
}

/* ---- a peer's text ---- */

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

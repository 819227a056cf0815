/* The log: what a line looks like, what is done to a peer's text, and that nothing ever waits. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "proxy/log.h"
#include "tests/unit/unit.h"

enum { THREADS = 4, LINES = 100, TEXT_MAX = 1 << 17 };

/* --- escaping --- */

static const struct {
	size_t room;
	const char *bytes;
	size_t size; /* 0: up to the terminator */
	const char *text;
} escape_rows[] = {
	{64, "plain text ~", 0, "plain text ~"},
	{64, "", 0, ""},
	{64, "a\nb\r\tc", 0, "a\\x0ab\\x0d\\x09c"},
	{64, "\x1b[31mred", 0, "\\x1b[31mred"},
	{64, "back\\slash", 0, "back\\x5cslash"},
	{64, "\x7f\x80\xff", 0, "\\x7f\\x80\\xff"},
	{64, "\xc3\xa9", 0, "\\xc3\\xa9"},
	{64, "a\0b", 3, "a\\x00b"},
	/* eight bytes are kept free for one more byte and the dots */
	{16, "123456789", 0, "123456789"},
	{16, "1234567890", 0, "123456789..."},
	{16, "12345678\n", 0, "12345678\\x0a"},
	{16, "12345678\nabc", 0, "12345678\\x0a..."},
	{8, "1", 0, "1"},
	{8, "12", 0, "1..."},
	{4, "1", 0, "..."},
	{1, "1", 0, ""},
	{1, "", 0, ""},
};

START_TEST(test_escape)
{
	size_t size =
		escape_rows[_i].size > 0 ? escape_rows[_i].size : strlen(escape_rows[_i].bytes);
	char *bytes = (char *)unit_guard_copy(escape_rows[_i].bytes, size);
	char zeros[64] = {0};
	char *text = (char *)unit_guard_copy(zeros, escape_rows[_i].room);

	ck_assert_ptr_eq(log_escape(text, escape_rows[_i].room, bytes, size), text);
	ck_assert_str_eq(text, escape_rows[_i].text);
	unit_guard_free((uint8_t *)bytes, size);
	unit_guard_free((uint8_t *)text, escape_rows[_i].room);
}
END_TEST

/* Terminated, printable, and clipped only when it must be. */
static bool escaped_well(const char *text, size_t room, size_t size, int byte)
{
	size_t i;

	for (i = 0; i < room && text[i] != '\0'; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	if (byte != '.' && 4 * size + 8 <= room && strstr(text, "...") != NULL)
		return false;
	return i < room;
}

/* Every byte, any number of times, in every amount of room. */
START_TEST(test_escape_room)
{
	char zeros[64] = {0}, bytes[20];
	size_t room, size;
	char *text;
	int byte;

	for (room = 1; room <= sizeof zeros; room++) {
		text = (char *)unit_guard_copy(zeros, room);
		for (byte = 0; byte < 256; byte++) {
			memset(bytes, byte, sizeof bytes);
			for (size = 0; size <= sizeof bytes; size++)
				if (!escaped_well(
					    log_escape(text, room, bytes, size), room, size, byte))
					ck_abort_msg(
						"%zu times %d in %zu: %s", size, byte, room, text);
		}
		unit_guard_free((uint8_t *)text, room);
	}
}
END_TEST

/* --- lines --- */

/* Standard error becomes a pipe whose other end is returned; neither end ever blocks. */
static int stderr_pipe(void)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	return ends[0];
}

/* All that is in the pipe. */
static size_t stderr_read(int fd, char *text, size_t text_size)
{
	size_t used = 0;
	ssize_t n;

	while ((n = read(fd, text + used, text_size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	return used;
}

START_TEST(test_levels)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	char text[1024], expected[1024] = "";
	int fd = stderr_pipe(), i;

	log_level_set((enum log_level)_i);
	for (i = LOG_ERROR; i <= LOG_DEBUG; i++) {
		log_line((enum log_level)i, "number %d of %s", i, "four");
		ck_assert_int_eq(log_enabled((enum log_level)i), i <= _i);
		if (i <= _i)
			snprintf(expected + strlen(expected), sizeof expected - strlen(expected),
				"sidespan: %s: number %d of four\n", names[i], i);
	}
	stderr_read(fd, text, sizeof text);
	ck_assert_str_eq(text, expected);
	close(fd);
}
END_TEST

/* A line is at most LOG_LINE_MAX long and ends with a newline whatever is in it. */
START_TEST(test_long_line)
{
	const size_t head = strlen("sidespan: error: ");
	char text[2 * LOG_LINE_MAX], body[2 * LOG_LINE_MAX];
	int fd = stderr_pipe();
	size_t size, got;

	for (size = LOG_LINE_MAX - 40; size < LOG_LINE_MAX + 40; size++) {
		memset(body, 'x', size);
		body[size] = '\0';
		log_line(LOG_ERROR, "%s", body);
		got = stderr_read(fd, text, sizeof text);
		ck_assert_uint_eq(
			got, head + size + 4 < LOG_LINE_MAX ? head + size + 1 : LOG_LINE_MAX - 3);
		ck_assert_ptr_eq(strchr(text, '\n'), text + got - 1);
		ck_assert_int_eq(strncmp(text + head, body, got - head - 1), 0);
	}
	close(fd);
}
END_TEST

/* Checks "2026-11-29T22:51:53.123Z" and that it is now, and steps over it. */
static const char *stamp_skip(const char *text)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
	struct tm utc = {.tm_isdst = 0};
	size_t i;

	for (i = 0; form[i] != '\0'; i++)
		ck_assert_msg(
			form[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == form[i],
			"%s", text);
	ck_assert_ptr_nonnull(strptime(text, "%Y-%m-%dT%H:%M:%S", &utc));
	ck_assert_int_le(labs(time(NULL) - timegm(&utc)), 5);
	return text + i;
}

/* Whatever is in a line, it is one line, and whole characters of it. */
START_TEST(test_plain_is_neutral)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{"a\nb\r\x1b[2Jc\x7f", "a\xef\xbf\xbd"
				       "b\xef\xbf\xbd\xef\xbf\xbd[2Jc\xef\xbf\xbd"},
		{"\xc2\x9b"
		 "31m",
			"\xef\xbf\xbd"
			"31m"},
		{"\xe2\x80\xaegnp.exe", "\xef\xbf\xbdgnp.exe"},
		{"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
			"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"\xff\xe2\x82z", "\xef\xbf\xbd\xef\xbf\xbdz"},
	};
	char text[1024], expected[1024];
	int fd = stderr_pipe();

	log_line(LOG_WARN, "%s", rows[_i].text);
	stderr_read(fd, text, sizeof text);
	snprintf(expected, sizeof expected, "sidespan: warn: %s\n", rows[_i].expected);
	ck_assert_str_eq(text, expected);
	close(fd);
}
END_TEST

/* Cut before a character, or what stands for one, that has no room. */
START_TEST(test_plain_long)
{
	static const char *const units[] = {"x", "\xe2\x82\xac", "\x1b"};
	char text[2 * LOG_LINE_MAX], body[2 * LOG_LINE_MAX];
	int fd = stderr_pipe();
	size_t size, unit = _i == 0 ? 1 : 3, got, i;

	for (size = LOG_LINE_MAX - 40; size < LOG_LINE_MAX + 10; size++) {
		for (body[0] = '\0', i = 0; i + strlen(units[_i]) <= size; i += strlen(units[_i]))
			memcpy(body + i, units[_i], strlen(units[_i]) + 1);
		log_line(LOG_WARN, "%s", body);
		got = stderr_read(fd, text, sizeof text);
		ck_assert_uint_le(got, LOG_LINE_MAX);
		ck_assert_uint_ge(got, LOG_LINE_MAX - 40);
		ck_assert_uint_eq((got - strlen("sidespan: warn: \n")) % unit, 0);
		ck_assert_str_eq(text + got - 1, "\n");
	}
	close(fd);
}
END_TEST

START_TEST(test_stamped)
{
	char text[1024];
	int fd = stderr_pipe();

	log_style_set(LOG_STAMPED);
	log_line(LOG_WARN, "%s", "\"so\"");
	stderr_read(fd, text, sizeof text);
	ck_assert_str_eq(stamp_skip(text), " sidespan: warn: \"so\"\n");
	close(fd);
}
END_TEST

static const struct {
	const char *text, *expected;
} json_rows[] = {
	{"plain", "plain"},
	{"", ""},
	{"\"quoted\" \\x1b", "\\\"quoted\\\" \\\\x1b"},
	{"a\nb\tc\x01", "a\\nb\\tc\\u0001"},
	{"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"},
	/* what does something to a terminal can be told, but not as it is */
	{"\x7f\xc2\x9b\xe2\x80\xae\xf3\xa0\x81\xa1", "\\u007f\\u009b\\u202e\\udb40\\udc61"},
	/* cut off, too long, a surrogate, beyond Unicode, a lone end */
	{"\xc3", "\\ufffd"},
	{"\xe2\x82", "\\ufffd"},
	{"\xc0\xaf", "\\ufffd\\ufffd"},
	{"\xe0\x80\x80", "\\ufffd\\ufffd\\ufffd"},
	{"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},
	{"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"},
	{"\xffz\x80", "\\ufffdz\\ufffd"},
};

START_TEST(test_json)
{
	char text[1024], expected[1024];
	int fd = stderr_pipe();
	const char *rest;

	log_style_set(LOG_JSON);
	log_line(LOG_INFO, "%s", json_rows[_i].text);
	stderr_read(fd, text, sizeof text);
	ck_assert_int_eq(strncmp(text, "{\"time\":\"", 9), 0);
	rest = stamp_skip(text + 9);
	snprintf(expected, sizeof expected,
		"\",\"level\":\"info\",\"logger\":\"sidespan\",\"message\":\"%s\"}\n",
		json_rows[_i].expected);
	ck_assert_str_eq(rest, expected);
	close(fd);
}
END_TEST

/* However long it is, it is a line of JSON, and no escape or character is cut in two. */
START_TEST(test_json_long)
{
	static const char *const units[] = {"x", "\"", "\x01", "\xe2\x82\xac"};
	static const char *const shown[] = {"x", "\\\"", "\\u0001", "\xe2\x82\xac"};
	char text[2 * LOG_LINE_MAX], body[2 * LOG_LINE_MAX];
	int fd = stderr_pipe();
	size_t size, got, i, unit = strlen(shown[_i]);
	const char *p, *end;

	log_style_set(LOG_JSON);
	for (size = LOG_LINE_MAX - 120; size < LOG_LINE_MAX + 40; size++) {
		for (body[0] = '\0', i = 0; i + strlen(units[_i]) <= size; i += strlen(units[_i]))
			memcpy(body + i, units[_i], strlen(units[_i]) + 1);
		log_line(LOG_ERROR, "%s", body);
		got = stderr_read(fd, text, sizeof text);
		ck_assert_uint_lt(got, LOG_LINE_MAX);
		p = strstr(text, "\"message\":\"") + 11;
		end = text + got - 3;
		ck_assert_str_eq(end, "\"}\n");
		ck_assert_uint_eq((size_t)(end - p) % unit, 0);
		ck_assert_uint_gt(got, size < LOG_LINE_MAX - 80 ? 0 : LOG_LINE_MAX - 16);
		for (; p < end; p += unit)
			ck_assert_int_eq(strncmp(p, shown[_i], unit), 0);
	}
	close(fd);
}
END_TEST

START_TEST(test_errno_stays)
{
	int fd = stderr_pipe();

	ck_assert(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	close(fd); /* writing fails */
	errno = ENOTTY;
	log_line(LOG_ERROR, "to nobody");
	ck_assert_int_eq(errno, ENOTTY);
	errno = ENOTTY;
	log_line(LOG_DEBUG, "not enabled");
	ck_assert_int_eq(errno, ENOTTY);
}
END_TEST

/* A reader that does not read loses lines, whole ones; later it is told how many. */
START_TEST(test_full_pipe)
{
	char *text = malloc(TEXT_MAX), expected[256], *line;
	int fd = stderr_pipe(), i, written = 0;

	for (i = 0; i < 5000; i++)
		log_line(LOG_ERROR, "line %04d of many, long enough to fill a pipe soon", i);
	stderr_read(fd, text, TEXT_MAX);
	for (line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), written++) {
		snprintf(expected, sizeof expected,
			"sidespan: error: line %04d of many, long enough to fill a pipe soon",
			written);
		ck_assert_str_eq(line, expected);
	}
	ck_assert_int_gt(written, 100);
	ck_assert_int_lt(written, 5000);
	log_line(LOG_INFO, "after");
	log_line(LOG_INFO, "later");
	stderr_read(fd, text, TEXT_MAX);
	snprintf(expected, sizeof expected,
		"sidespan: warn: %d log lines lost: stderr was full\n"
		"sidespan: info: after\nsidespan: info: later\n",
		5000 - written);
	ck_assert_str_eq(text, expected);
	free(text);
	close(fd);
}
END_TEST

/* --- threads --- */

static void *thread_log(void *arg)
{
	const int *number = arg;
	int i;

	for (i = 0; i < LINES; i++)
		log_line(LOG_INFO, "thread %d line %d", *number, i);
	return NULL;
}

/* Lines of several threads are never mixed, and those of one stay in order. */
START_TEST(test_threads)
{
	pthread_t threads[THREADS];
	int numbers[THREADS], next[THREADS] = {0};
	char *text = malloc(TEXT_MAX);
	int fd = stderr_pipe(), i;
	char *line, expected[64];

	for (i = 0; i < THREADS; i++) {
		numbers[i] = i;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, thread_log, &numbers[i]), 0);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	stderr_read(fd, text, TEXT_MAX);
	for (line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		i = line[strlen("sidespan: info: thread ")] - '0';
		ck_assert(i >= 0 && i < THREADS);
		snprintf(
			expected, sizeof expected, "sidespan: info: thread %d line %d", i, next[i]);
		next[i]++;
		ck_assert_str_eq(line, expected);
	}
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(next[i], LINES);
	free(text);
	close(fd);
}
END_TEST

/* --- a stderr that does not take what it is given --- */

/* A description of our own is made; the one that others have keeps its flags. */
START_TEST(test_shared_flags_stay)
{
	char text[TEXT_MAX / 8];
	int ends[2], i;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	log_open();
	ck_assert_int_ne(log_descriptor(), STDERR_FILENO);
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(log_descriptor(), F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(log_descriptor(), F_GETFD) & FD_CLOEXEC, 0);
	for (i = 0; i < 5000; i++) /* returns although nobody reads and the pipe may block */
		log_line(LOG_ERROR, "line %d of many, long enough to fill a pipe soon", i);
	ck_assert_uint_gt(log_counters_read().log_lines_lost, 0);
	ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	while (read(ends[0], text, sizeof text) > 0)
		;
	log_tick(1); /* nothing needs to be logged for it to be told */
	i = (int)read(ends[0], text, sizeof text);
	ck_assert_int_gt(i, 0);
	ck_assert_int_eq(strncmp(text + i - 30, "g lines lost: stderr was full\n", 30), 0);
	close(log_descriptor());
	close(ends[1]);
	close(ends[0]);
}
END_TEST

/* A socket's flags stay too, and nobody waits for its reader. */
START_TEST(test_socket)
{
	char text[TEXT_MAX / 8];
	int ends[2], i;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	log_open();
	log_line(LOG_INFO, "first");
	ck_assert_int_eq(read(ends[0], text, sizeof text), strlen("sidespan: info: first\n"));
	for (i = 0; i < 10000; i++)
		log_line(LOG_ERROR, "line %d of many, long enough to fill a socket soon", i);
	ck_assert_uint_gt(log_counters_read().log_lines_lost, 0);
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
	close(ends[0]);
	close(ends[1]);
	log_line(LOG_ERROR, "to nobody"); /* and no signal comes of it */
}
END_TEST

/* Adds what a terminal shows, without its carriage returns, to text; waits a moment for some. */
static void terminal_read(int fd, char *text, size_t text_size)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	size_t used = strlen(text);
	char byte;

	while (used + 1 < text_size && poll(&ready, 1, 20) == 1 && read(fd, &byte, 1) == 1)
		if (byte != '\r')
			text[used++] = byte;
	text[used] = '\0';
}

/* The number behind before in the line; -1 when the line does not begin so. */
static int number_behind(const char *line, const char *before)
{
	size_t size = strlen(before);

	return strncmp(line, before, size) == 0 ? (int)strtol(line + size, NULL, 10) : -1;
}

/* Reads the lines written so far: how many are missing between them, and how many are told of. */
static void terminal_count(const char *text, int *missing, int *told)
{
	int number, next = 0, lost;
	const char *line;

	*missing = *told = 0;
	for (line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
		ck_assert_ptr_nonnull(strchr(line, '\n')); /* whole lines */
		number = number_behind(line, "sidespan: error: line ");
		if (number >= 0) {
			ck_assert_int_ge(number, next); /* in order, none twice */
			*missing += number - next;
			next = number + 1;
		} else {
			lost = number_behind(line, "sidespan: warn: ");
			ck_assert_int_gt(lost, 0);
			*told += lost;
		}
	}
	*missing += 2000 - next;
}

/* A terminal that somebody has stopped, and one that is full now and then: nothing waits for it. */
START_TEST(test_stopped_terminal)
{
	char *text = calloc(1, TEXT_MAX);
	int terminal, other, i, missing = 0, told = 0;

	ck_assert_int_eq(openpty(&other, &terminal, NULL, NULL, NULL), 0);
	ck_assert_int_eq(dup2(terminal, STDERR_FILENO), STDERR_FILENO);
	log_open();
	ck_assert_int_ne(log_descriptor(), STDERR_FILENO);
	ck_assert_int_eq(tcflow(terminal, TCOOFF), 0);
	log_line(LOG_ERROR, "lost");
	ck_assert_uint_eq(log_counters_read().log_lines_lost, 1);
	ck_assert_int_eq(tcflow(terminal, TCOON), 0);
	for (i = 0; i < 2000; i++)
		log_line(LOG_ERROR, "line %04d of many, long enough to fill a terminal soon", i);
	ck_assert_uint_gt(log_counters_read().log_lines_lost, 1);
	for (i = 0; i < 50 && (told == 0 || told != missing + 1); i++) {
		terminal_read(other, text, TEXT_MAX);
		log_tick(1);
		terminal_read(other, text, TEXT_MAX);
		terminal_count(text, &missing, &told);
	}
	ck_assert_int_eq(told, missing + 1); /* and the one of the stopped terminal */
	ck_assert_uint_eq(log_counters_read().log_lines_lost, missing + 1);
	free(text);
	close(log_descriptor());
	close(terminal);
	close(other);
}
END_TEST

/* --- no more than so many of a kind --- */

#define SECOND UINT64_C(1000000000)

static void log_one(int number)
{
	log_line(number < 0 ? LOG_WARN : LOG_INFO, "one %d", number);
}

static void log_other(void)
{
	log_line(LOG_ERROR, "other");
}

/* What has been written since the last time is this. */
static void expect_lines(int fd, const char *lines)
{
	char text[4096];

	stderr_read(fd, text, sizeof text);
	ck_assert_str_eq(text, lines);
}

START_TEST(test_kinds)
{
	uint64_t start = 5 * SECOND;
	int fd = stderr_pipe(), i;

	log_lines_max_set(3);
	for (i = 0; i < 5; i++)
		log_one(i); /* no clock, no limit: this is the start of the program */
	expect_lines(fd, "sidespan: info: one 0\nsidespan: info: one 1\nsidespan: info: one 2\n"
			 "sidespan: info: one 3\nsidespan: info: one 4\n");
	log_tick(start);
	for (i = 5; i < 8; i++)
		log_one(i);
	expect_lines(fd, "sidespan: info: one 5\nsidespan: info: one 6\nsidespan: info: one 7\n");
	log_one(-1);
	for (i = 9; i < 1000; i++)
		log_one(i);
	log_other(); /* is another kind */
	expect_lines(fd, "sidespan: error: other\n");
	log_tick(start + 10 * SECOND - 1);
	log_one(1000);
	expect_lines(fd, "");
	log_tick(start + 10 * SECOND);
	expect_lines(fd, "sidespan: warn: 993 more lines like this one were held back: one -1\n");
	ck_assert_uint_eq(log_counters_read().log_lines_held_back, 993);
	log_tick(start + 100 * SECOND); /* said once */
	expect_lines(fd, "");
	for (i = 0; i < 4; i++)
		log_one(i);
	expect_lines(fd, "sidespan: info: one 0\nsidespan: info: one 1\nsidespan: info: one 2\n");
	log_end();
	expect_lines(fd, "sidespan: info: 1 more lines like this one were held back: one 3\n");
	for (i = 0; i < 4; i++)
		log_one(i); /* the last words are all heard */
	expect_lines(fd, "sidespan: info: one 0\nsidespan: info: one 1\nsidespan: info: one 2\n"
			 "sidespan: info: one 3\n");
	close(fd);
}
END_TEST

/* The ten seconds of each kind begin with its own first line. */
START_TEST(test_windows)
{
	int fd = stderr_pipe(), i;

	log_lines_max_set(1);
	log_tick(SECOND);
	for (i = 0; i < 2; i++)
		log_one(i);
	log_tick(6 * SECOND);
	for (i = 0; i < 3; i++)
		log_other();
	expect_lines(fd, "sidespan: info: one 0\nsidespan: error: other\n");
	log_tick(11 * SECOND);
	expect_lines(fd, "sidespan: info: 1 more lines like this one were held back: one 1\n");
	log_one(2);
	log_tick(16 * SECOND);
	expect_lines(fd, "sidespan: info: one 2\n"
			 "sidespan: error: 2 more lines like this one were held back: other\n");
	log_tick(21 * SECOND);
	expect_lines(fd, "");
	close(fd);
}
END_TEST

/* What is shown of a long line is clipped; with 0, or at a level that is not logged, all is as
 * ever.
 */
START_TEST(test_kinds_edges)
{
	char body[1000], text[4096];
	int fd = stderr_pipe(), i;

	log_tick(SECOND);
	memset(body, 'x', sizeof body - 1);
	body[sizeof body - 1] = '\0';
	for (i = 0; i < 100; i++)
		log_line(LOG_DEBUG, "nobody wants to know");
	log_lines_max_set(0);
	for (i = 0; i < 100; i++)
		log_line(LOG_INFO, "%d", i);
	ck_assert_uint_eq(stderr_read(fd, text, sizeof text), 10 * 18 + 90 * 19);
	ck_assert_uint_eq(log_counters_read().log_lines_held_back, 0);
	log_lines_max_set(1);
	for (i = 0; i < 2; i++)
		log_line(LOG_INFO, "%s", body);
	stderr_read(fd, text, sizeof text);
	log_tick(20 * SECOND);
	body[LOG_SAMPLE_MAX - 1] = '\0';
	snprintf(text, sizeof text,
		"sidespan: info: 1 more lines like this one were held back: %s\n", body);
	expect_lines(fd, text);
	close(fd);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("log");

	tcase_add_loop_test(tc, test_escape, 0, sizeof escape_rows / sizeof escape_rows[0]);
	tcase_add_test(tc, test_escape_room);
	tcase_add_loop_test(tc, test_levels, LOG_ERROR, LOG_DEBUG + 1);
	tcase_add_test(tc, test_long_line);
	tcase_add_loop_test(tc, test_plain_is_neutral, 0, 5);
	tcase_add_loop_test(tc, test_plain_long, 0, 3);
	tcase_add_test(tc, test_stamped);
	tcase_add_loop_test(tc, test_json, 0, sizeof json_rows / sizeof json_rows[0]);
	tcase_add_loop_test(tc, test_json_long, 0, 4);
	tcase_add_test(tc, test_errno_stays);
	tcase_add_test(tc, test_full_pipe);
	tcase_add_test(tc, test_threads);
	tcase_add_test(tc, test_shared_flags_stay);
	tcase_add_test(tc, test_socket);
	tcase_add_test(tc, test_stopped_terminal);
	tcase_add_test(tc, test_kinds);
	tcase_add_test(tc, test_windows);
	tcase_add_test(tc, test_kinds_edges);
	return unit_run("log", tc);
}

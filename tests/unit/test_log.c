/* The log: what a line looks like, what is done to a peer's text, and that nothing ever waits. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
			got, head + size + 1 < LOG_LINE_MAX ? head + size + 1 : LOG_LINE_MAX - 1);
		ck_assert_ptr_eq(strchr(text, '\n'), text + got - 1);
		ck_assert_int_eq(strncmp(text + head, body, got - head - 1), 0);
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

/* --- limits --- */

#define SECOND UINT64_C(1000000000)

static const struct {
	uint64_t at_ns;
	bool passes;
	uint64_t suppressed; /* if it passes */
} limit_rows[] = {
	{1, true, 0},
	{1, true, 0},
	{SECOND, true, 0},
	{SECOND, true, 0},
	{2 * SECOND, true, 0},
	{2 * SECOND, false, 0},
	{3 * SECOND, false, 0},
	{10 * SECOND, false, 0},
	{10 * SECOND + 1, true, 3}, /* ten seconds after the first one */
	{10 * SECOND + 2, true, 0},
	{20 * SECOND + 1, true, 0},
	{20 * SECOND + 1, true, 0},
	{20 * SECOND + 1, true, 0},
	{20 * SECOND + 1, true, 0},
	{20 * SECOND + 1, true, 0},
	{20 * SECOND + 1, false, 0},
	{500 * SECOND, true, 1},
};

START_TEST(test_limit)
{
	struct log_limit limit = {.used = 0};
	uint64_t suppressed;
	size_t i;

	for (i = 0; i < sizeof limit_rows / sizeof limit_rows[0]; i++) {
		suppressed = 77;
		ck_assert_msg(!!log_limit_pass(&limit, limit_rows[i].at_ns, &suppressed) ==
				      limit_rows[i].passes,
			"row %zu", i);
		ck_assert_msg(suppressed == (limit_rows[i].passes ? limit_rows[i].suppressed : 77),
			"row %zu: %llu", i, (unsigned long long)suppressed);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("log");

	tcase_add_loop_test(tc, test_escape, 0, sizeof escape_rows / sizeof escape_rows[0]);
	tcase_add_test(tc, test_escape_room);
	tcase_add_loop_test(tc, test_levels, LOG_ERROR, LOG_DEBUG + 1);
	tcase_add_test(tc, test_long_line);
	tcase_add_test(tc, test_errno_stays);
	tcase_add_test(tc, test_full_pipe);
	tcase_add_test(tc, test_threads);
	tcase_add_test(tc, test_limit);
	return unit_run("log", tc);
}

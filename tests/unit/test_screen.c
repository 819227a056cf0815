/* What is written where others write as well, piece by piece, and never more than there is room. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "exporter/console/screen.h"
#include "tests/unit/unit.h"

enum { PIECE_MAX = 1 << 20 }; /* written by one call */

static char bytes[2 * PIECE_MAX + 3];

static void fill_bytes(void)
{
	size_t i;

	for (i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i % 251);
}

static void pipe_of(int fds[2])
{
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
}

static void close_both(const int fds[2])
{
	ck_assert_int_eq(close(fds[0]), 0);
	ck_assert_int_eq(close(fds[1]), 0);
}

/* A terminal tells how wide it is; what is none, or does not know, is as wide as most. */
START_TEST(test_width)
{
	static const unsigned short columns[][2] = {{0, SCREEN_WIDTH}, {1, 1}, {2, 2}, {133, 133}};
	int fd = posix_openpt(O_RDWR | O_NOCTTY), fds[2];
	size_t i;

	ck_assert_int_ge(fd, 0);
	for (i = 0; i < sizeof columns / sizeof *columns; i++) {
		struct winsize size = {.ws_col = columns[i][0], .ws_row = 7};

		ck_assert_int_eq(ioctl(fd, TIOCSWINSZ, &size), 0);
		ck_assert_uint_eq(screen_width(fd), columns[i][1]);
	}
	ck_assert_int_eq(close(fd), 0);
	pipe_of(fds);
	ck_assert_uint_eq(screen_width(fds[1]), SCREEN_WIDTH);
	close_both(fds);
}
END_TEST

/* From where the last call has stopped, one byte, or nothing. */
START_TEST(test_rest)
{
	size_t done = 2;
	char read_bytes[16];
	int fds[2];

	pipe_of(fds);
	ck_assert_int_eq(screen_write(fds[1], "abcdef", 5, &done), SCREEN_WRITTEN);
	ck_assert_uint_eq(done, 5);
	ck_assert_int_eq(screen_write(fds[1], "abcdef", 6, &done), SCREEN_WRITTEN);
	ck_assert_uint_eq(done, 6);
	ck_assert_int_eq(screen_write(fds[1], "abcdef", 6, &done), SCREEN_WRITTEN);
	ck_assert_uint_eq(done, 6);
	ck_assert_int_eq(read(fds[0], read_bytes, sizeof read_bytes), 4);
	ck_assert_mem_eq(read_bytes, "cdef", 4);
	close_both(fds);
}
END_TEST

/* A pipe that is full takes no more, and blocks nobody; what comes out is what went in. */
START_TEST(test_full)
{
	static char read_bytes[sizeof bytes];
	size_t done = 0, read_size = 0;
	int fds[2];

	fill_bytes();
	pipe_of(fds);
	while (done < PIECE_MAX) {
		size_t before = done;
		ssize_t n;

		ck_assert_int_eq(screen_write(fds[1], bytes, sizeof bytes, &done), SCREEN_FULL);
		ck_assert_uint_gt(done, before);
		ck_assert_int_eq(screen_write(fds[1], bytes, sizeof bytes, &done), SCREEN_FULL);
		screen_wait(fds[1], 0); /* for as long as is asked */
		n = read(fds[0], read_bytes + read_size, sizeof read_bytes - read_size);
		ck_assert_int_gt(n, 0);
		read_size += (size_t)n;
	}
	ck_assert_mem_eq(read_bytes, bytes, read_size);
	close_both(fds);
}
END_TEST

/* Where there is always room, one call stops after a piece. */
START_TEST(test_pieces)
{
	static char read_bytes[sizeof bytes];
	char path[] = "/tmp/screen-XXXXXX";
	int fd = mkstemp(path);
	size_t done = 0;

	fill_bytes();
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(screen_write(fd, bytes, sizeof bytes, &done), SCREEN_FULL);
	ck_assert_uint_eq(done, PIECE_MAX);
	ck_assert_int_eq(screen_write(fd, bytes, sizeof bytes, &done), SCREEN_FULL);
	ck_assert_uint_eq(done, 2 * PIECE_MAX);
	ck_assert_int_eq(screen_write(fd, bytes, sizeof bytes, &done), SCREEN_WRITTEN);
	ck_assert_uint_eq(done, sizeof bytes);
	ck_assert_int_eq(pread(fd, read_bytes, sizeof read_bytes, 0), sizeof bytes);
	ck_assert_mem_eq(read_bytes, bytes, sizeof bytes);
	done = 0;
	ck_assert_int_eq(screen_write(fd, bytes, PIECE_MAX, &done), SCREEN_WRITTEN);
	ck_assert_uint_eq(done, PIECE_MAX);
	ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(test_failed)
{
	size_t done = 1;
	int fds[2], fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	ck_assert_ptr_ne(signal(SIGPIPE, SIG_IGN), SIG_ERR);
	pipe_of(fds);
	ck_assert_int_eq(close(fds[0]), 0);
	ck_assert_int_eq(screen_write(fds[1], "abc", 3, &done), SCREEN_FAILED);
	ck_assert_uint_eq(done, 1);
	ck_assert_int_eq(close(fds[1]), 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(screen_write(fd, "abc", 3, &done), SCREEN_FAILED);
	ck_assert_uint_eq(done, 1);
	ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* As soon as there is room, or when the time is over; there is none when nothing is read. */
START_TEST(test_wait)
{
	int fds[2];
	size_t done = 0;
	int64_t then_ms;

	pipe_of(fds);
	screen_wait(fds[1], INT64_MAX);
	ck_assert_int_eq(screen_write(fds[1], bytes, sizeof bytes, &done), SCREEN_FULL);
	then_ms = unit_now_ms();
	screen_wait(fds[1], 20);
	ck_assert_int_ge(unit_now_ms() - then_ms, 10); /* clocks are coarse */
	close_both(fds);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("screen");

	tcase_add_test(tc, test_width);
	tcase_add_test(tc, test_rest);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_pieces);
	tcase_add_test(tc, test_failed);
	tcase_add_test(tc, test_wait);
	return unit_run("screen", tc);
}

/*
 * Writing to a descriptor that is shared with others and may block: O_NONBLOCK would be theirs as
 * well, so each small piece is written only once poll() says that there is room. Fails when the
 * other end is gone.
 */
#include "exporter/console/screen.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const int64_t screen_look_ms = 100;

size_t screen_width(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : SCREEN_WIDTH;
}

/* 1 when there is room for PIPE_BUF bytes, 0 not yet, -1 never. */
static int screen_has_room(int fd, int64_t wait_ms)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	int count = poll(&ready, 1, (int)(wait_ms < screen_look_ms ? wait_ms : screen_look_ms));

	if (count < 0)
		return errno == EINTR ? 0 : -1;
	if (count == 0)
		return 0;
	return (ready.revents & POLLOUT) != 0 ? 1 : -1;
}

enum screen_result screen_write(
	int fd, const char *bytes, size_t size, int64_t (*left_ms)(void *arg), void *arg)
{
	ssize_t written;
	int64_t wait_ms;
	int room;

	while (size > 0) {
		wait_ms = left_ms(arg);
		room = screen_has_room(fd, wait_ms);
		if (room < 0)
			return SCREEN_FAILED;
		if (room == 0 && wait_ms <= 0)
			return SCREEN_TIMED_OUT;
		if (room == 0)
			continue;
		written = write(fd, bytes, size < PIPE_BUF ? size : PIPE_BUF);
		if (written < 0 && errno != EINTR && errno != EAGAIN)
			return SCREEN_FAILED;
		if (written > 0) {
			bytes += written;
			size -= (size_t)written;
		}
	}
	return SCREEN_WRITTEN;
}

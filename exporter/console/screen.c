/*
 * Writing to a descriptor that is shared with others and may block: O_NONBLOCK would be theirs as
 * well, so each small piece is written only once poll() says that there is room. Fails when the
 * other end is gone.
 */
#include "exporter/console/screen.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const int64_t screen_wait_ms_max = 100;
/* A reader that keeps up does not keep us from looking at the clock. */
static const size_t screen_write_max = 1 << 20;

size_t screen_width(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : SCREEN_WIDTH;
}

/* 1 when there is room for PIPE_BUF bytes, 0 not yet, -1 never. */
static int screen_has_room(int fd, int wait_ms)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	int count = poll(&ready, 1, wait_ms);

	if (count < 0)
		return errno == EINTR ? 0 : -1;
	if (count == 0)
		return 0;
	return (ready.revents & POLLOUT) != 0 ? 1 : -1;
}

enum screen_result screen_write(int fd, const char *bytes, size_t size, size_t *done)
{
	size_t stop = size - *done < screen_write_max ? size : *done + screen_write_max;
	ssize_t written;
	int room;

	assert(*done <= size);
	while (*done < stop) {
		room = screen_has_room(fd, 0);
		if (room <= 0)
			return room < 0 ? SCREEN_FAILED : SCREEN_FULL;
		written =
			write(fd, bytes + *done, stop - *done < PIPE_BUF ? stop - *done : PIPE_BUF);
		if (written < 0 && errno != EINTR && errno != EAGAIN)
			return SCREEN_FAILED;
		if (written > 0)
			*done += (size_t)written;
	}
	return *done == size ? SCREEN_WRITTEN : SCREEN_FULL;
}

void screen_wait(int fd, int64_t wait_ms)
{
	int64_t ms = wait_ms < screen_wait_ms_max ? wait_ms : screen_wait_ms_max;

	(void)screen_has_room(fd, (int)ms); /* the next piece finds out */
}

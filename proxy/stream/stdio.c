/*
 * Our own stdin and stdout. They may be pipes, sockets, terminals or files, and
 * their open file descriptions are shared with whoever started us: O_NONBLOCK must not be set on
 * them, or a neighbour would get EAGAIN. So sockets are written with MSG_DONTWAIT; pipes and
 * terminals are opened anew through /proc, which gives a description of our own; where that is
 * refused, a writable pipe is given no more than it must take at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/stream/stream.h"

static ssize_t stdio_shared_write(void *state, int fd, const void *bytes, size_t size)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};

	(void)state;
	if (poll(&ready, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(fd, bytes, size > PIPE_BUF ? PIPE_BUF : size);
}

static const struct stream_ops stdio_file_ops = {
	.read = stream_fd_read,
	.write = stream_fd_write,
	.always_ready = true,
};

static const struct stream_ops stdio_shared_ops = {
	.read = stream_fd_read, /* called only when there is something: does not block */
	.write = stdio_shared_write,
};

static const struct stream_ops *stdio_ops_for(int fd)
{
	struct stat is;

	if (fstat(fd, &is) != 0)
		return NULL;
	if (S_ISSOCK(is.st_mode))
		return &stream_socket;
	if (S_ISREG(is.st_mode) || S_ISBLK(is.st_mode))
		return &stdio_file_ops;
	if (S_ISCHR(is.st_mode) && !isatty(fd))
		return &stdio_file_ops; /* /dev/null and its like: epoll refuses most of them */
	return &stdio_shared_ops;
}

/* A non-blocking description of our own for a pipe or terminal, or -1. */
static int stdio_reopen(int fd)
{
	char path[32];

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd); /* fits: an int */
	return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/* Moves fd out of the way and puts /dev/null in its place, so that nothing else ever uses it. */
static int stdio_take(int fd, int null_fd)
{
	int taken = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (taken >= 0 && dup2(null_fd, fd) < 0) {
		(void)close(taken); /* errno of dup2 is what counts */
		return -1;
	}
	return taken;
}

int stream_stdio_take(struct stream_stdio *stdio)
{
	const struct stream_ops *read_ops = stdio_ops_for(STDIN_FILENO);
	const struct stream_ops *write_ops = stdio_ops_for(STDOUT_FILENO);
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int read_fd = -1, write_fd = -1, own_fd = -1;

	if (read_ops == NULL || write_ops == NULL || null_fd < 0)
		goto fail;
	if (write_ops == &stdio_shared_ops)
		own_fd = stdio_reopen(STDOUT_FILENO);
	read_fd = stdio_take(STDIN_FILENO, null_fd);
	write_fd = stdio_take(STDOUT_FILENO, null_fd);
	if (read_fd < 0 || write_fd < 0)
		goto fail;
	(void)close(null_fd); /* nothing was written through it */
	if (own_fd >= 0) {
		(void)close(write_fd); /* own_fd stands for the same pipe */
		write_fd = own_fd;
		write_ops = &stream_pipe;
	}
	*stdio = (struct stream_stdio){
		.read_ops = read_ops,
		.write_ops = write_ops,
		.read_fd = read_fd,
		.write_fd = write_fd,
	};
	return 0;
fail:
	if (null_fd >= 0)
		(void)close(null_fd); /* on the way out with an error already */
	if (read_fd >= 0)
		(void)close(read_fd);
	if (write_fd >= 0)
		(void)close(write_fd);
	if (own_fd >= 0)
		(void)close(own_fd);
	return -1;
}

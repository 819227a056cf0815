/* Pipes, whose descriptors are non-blocking and our own: those of a command. */
#include <unistd.h>

#include "proxy/stream/stream.h"

ssize_t stream_fd_read(void *state, int fd, void *bytes, size_t size)
{
	(void)state;
	return read(fd, bytes, size);
}

ssize_t stream_fd_write(void *state, int fd, const void *bytes, size_t size)
{
	(void)state;
	return write(fd, bytes, size);
}

const struct stream_ops stream_pipe = {
	.read = stream_fd_read,
	.write = stream_fd_write,
};

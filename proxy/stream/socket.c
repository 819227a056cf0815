/* Sockets: both ways have one descriptor, and each can end without the other. */
#include <sys/socket.h>

#include "proxy/stream/stream.h"

static ssize_t socket_read(void *state, int fd, void *bytes, size_t size)
{
	(void)state;
	return recv(fd, bytes, size, MSG_DONTWAIT);
}

static ssize_t socket_write(void *state, int fd, const void *bytes, size_t size)
{
	(void)state;
	return send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int socket_shut(void *state, int fd)
{
	(void)state;
	(void)shutdown(fd, SHUT_WR); /* an error: the peer has gone already */
	return 0;
}

const struct stream_ops stream_socket = {
	.read = socket_read,
	.write = socket_write,
	.shut = socket_shut,
};

/* Sockets: both ways have one descriptor, and each can end without the other. */
#include <sys/socket.h>

#include "proxy/stream/stream.h"

static ssize_t socket_read(int fd, void *bytes, size_t size)
{
	return recv(fd, bytes, size, MSG_DONTWAIT);
}

static ssize_t socket_write(int fd, const void *bytes, size_t size)
{
	return send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void socket_shut(int fd)
{
	(void)shutdown(fd, SHUT_WR); /* an error: the peer has gone already */
}

const struct stream_ops stream_socket = {
	.read = socket_read,
	.write = socket_write,
	.shut = socket_shut,
};

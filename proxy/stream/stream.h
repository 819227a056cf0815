#ifndef PROXY_STREAM_STREAM_H
#define PROXY_STREAM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Where bytes come from and go to: what differs between sockets, pipes, files and descriptors that
 * are shared with others, a table for each kind. Who waits for them, and keeps what is not taken,
 * is the endpoint. None of these blocks; errors are told as the system's calls do.
 */
struct stream_ops {
	ssize_t (*read)(int fd, void *bytes, size_t size);
	ssize_t (*write)(int fd, const void *bytes, size_t size); /* EAGAIN rather than block */
	/* Nothing more is written; the other way goes on. NULL: closing it is all there is. */
	void (*shut)(int fd);
	bool always_ready; /* a regular file: epoll refuses it, reading never blocks */
};

extern const struct stream_ops stream_socket;
extern const struct stream_ops stream_pipe;

/* Our own stdin and stdout. */
struct stream_stdio {
	const struct stream_ops *read_ops;
	const struct stream_ops *write_ops;
	int read_fd; /* both are the caller's */
	int write_fd;
};

/*
 * Takes stdin and stdout, which become /dev/null. The flags of inherited descriptors are left as
 * they are: they belong to whoever shares them. 0, or -1 (errno).
 */
int stream_stdio_take(struct stream_stdio *stdio);

#endif

#ifndef PROXY_STREAM_STREAM_H
#define PROXY_STREAM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* How far peers are that must agree before the first byte. */
enum stream_shake {
	STREAM_AGREED,
	STREAM_WANTS_READ,  /* to be asked again when there is something to read, */
	STREAM_WANTS_WRITE, /* or room to write */
	STREAM_DISAGREED,   /* for good: see trouble() */
};

/*
 * Where bytes come from and go to: what differs between sockets, pipes, files, descriptors that
 * are shared with others and TLS, a table for each kind. Who waits for them, and keeps what is not
 * taken, is the endpoint. None of these blocks; errors are told as the system's calls do. state is
 * of those that have one, else NULL.
 */
struct stream_ops {
	ssize_t (*read)(void *state, int fd, void *bytes, size_t size);
	ssize_t (*write)(void *state, int fd, const void *bytes, size_t size); /* or EAGAIN */
	/*
	 * Nothing more is written; the other way goes on. 0, or -1 (EAGAIN): not yet. NULL: closing
	 * it is all there is.
	 */
	int (*shut)(void *state, int fd);
	bool always_ready; /* a regular file: epoll refuses it, reading never blocks */

	/* Of those with a state; else all of these are NULL or 0. */
	enum stream_shake (*shake)(void *state, int fd);
	ssize_t (*peek)(void *state, void *bytes, size_t size); /* as read, without taking */
	bool (*pending)(const void *state);  /* something lies in it, of which no event tells */
	const char *(*trouble)(void *state); /* what was wrong, for people, told once; or NULL */
	void (*free)(void *state);
	size_t unit; /* after EAGAIN write is given as many bytes again, or all there are */
};

extern const struct stream_ops stream_socket;
extern const struct stream_ops stream_pipe;

/* read() and write(), as they are. */
ssize_t stream_fd_read(void *state, int fd, void *bytes, size_t size);
ssize_t stream_fd_write(void *state, int fd, const void *bytes, size_t size);

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

#ifndef PROXY_SOCKETS_H
#define PROXY_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "proxy/address.h"

/*
 * The listening sockets that a URL stands for: one for each address of its name, or one at a path,
 * whose file is created 0600 and removed at the end.
 */
struct sockets {
	const struct url *url;     /* borrowed */
	int fds[ADDRESS_LIST_MAX]; /* owned; non-blocking */
	size_t count;
	char *path; /* owned; of the Unix socket that is ours to remove */
	dev_t device;
	ino_t inode;
};

/*
 * Opens them all. option: what gave the URL, for errors. Blocks while a name is looked up. 0, or -1
 * with a one-line text in error and nothing open.
 */
int sockets_open(struct sockets *sockets, const struct url *url, const char *option,
	bool allow_remote, char *error, size_t error_size);

/*
 * The same with sockets that listen already, count of them, which are taken: each must be of the
 * URL's kind, and allowed as one that we would open.
 */
int sockets_adopt(struct sockets *sockets, const struct url *url, const int *fds, size_t count,
	bool allow_remote, char *error, size_t error_size);

/* Writes where they listen, with the port that was chosen for port 0: "URL and URL". May be cut. */
void sockets_describe(const struct sockets *sockets, char *text, size_t size);

/* Removes the socket file, closes. Allowed when zeroed. */
void sockets_close(struct sockets *sockets);

#endif

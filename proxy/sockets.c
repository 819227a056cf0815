/*
 * Sockets; see sockets.h. What somebody else has put at a Unix socket's path stays.
 */
#include "proxy/sockets.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Unix sockets ---- */

/* Whether somebody accepts connections at the path. */
static bool sockets_path_is_live(const struct address *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool live;

	if (fd < 0)
		return true; /* unknown: do not take it away from anybody */
	live = connect(fd, (const struct sockaddr *)&address->storage, address->size) == 0 ||
	       errno != ECONNREFUSED;
	(void)close(fd); /* nothing was sent over it */
	return live;
}

/* Removes the socket file of somebody who is gone; anything else stays. */
static int sockets_clear_path(const char *path, const struct address *address)
{
	struct stat is;

	if (lstat(path, &is) != 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(is.st_mode) || sockets_path_is_live(address)) {
		errno = EADDRINUSE;
		return -1;
	}
	return unlink(path);
}

static int sockets_bind_path(
	struct sockets *sockets, int fd, const struct address *address, const char *path)
{
	struct stat is;
	mode_t mask;
	int failed;

	assert(sockets->path == NULL);
	if (sockets_clear_path(path, address) != 0)
		return -1;
	mask = umask(0177); /* the file is 0600 from its first moment */
	failed = bind(fd, (const struct sockaddr *)&address->storage, address->size);
	(void)umask(mask); /* always succeeds */
	if (failed != 0 || lstat(path, &is) != 0)
		return -1;
	sockets->path = strdup(path);
	sockets->device = is.st_dev;
	sockets->inode = is.st_ino;
	return sockets->path != NULL ? 0 : -1;
}

static void sockets_remove_path(const struct sockets *sockets)
{
	struct stat is;

	if (sockets->path == NULL || lstat(sockets->path, &is) != 0)
		return;
	if (is.st_dev == sockets->device && is.st_ino == sockets->inode)
		(void)unlink(sockets->path); /* the directory may have been taken away */
}

/* ---- opening ---- */

static int sockets_bind(struct sockets *sockets, int fd, const struct address *address)
{
	int on = 1;

	if (address->storage.ss_family == AF_UNIX)
		return sockets_bind_path(sockets, fd, address, sockets->url->path);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* bind will tell */
	if (address->storage.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on); /* the same */
	return bind(fd, (const struct sockaddr *)&address->storage, address->size);
}

static int sockets_add(struct sockets *sockets, const struct address *address)
{
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int saved_errno;

	assert(sockets->count < ADDRESS_LIST_MAX);
	if (fd < 0)
		return -1;
	if (sockets_bind(sockets, fd, address) == 0 && listen(fd, SOMAXCONN) == 0) {
		sockets->fds[sockets->count++] = fd;
		return 0;
	}
	saved_errno = errno;
	(void)close(fd); /* nothing was sent over it */
	errno = saved_errno;
	return -1;
}

/* All sockets of a name have one port, the first one's, where any will do. */
static int sockets_add_all(struct sockets *sockets, struct address *list, size_t count,
	const char *option, char *error, size_t error_size)
{
	char text[ADDRESS_TEXT_MAX];
	struct address first = {.size = sizeof first.storage};
	size_t i;

	for (i = 0; i < count; i++) {
		if (sockets->count > 0 && address_port(&list[i]) == 0 &&
			getsockname(sockets->fds[0], (struct sockaddr *)&first.storage,
				&first.size) == 0)
			address_set_port(&list[i], address_port(&first));
		if (sockets_add(sockets, &list[i]) == 0)
			continue;
		if ((errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT) &&
			(i + 1 < count || sockets->count > 0))
			continue; /* "localhost" is also an address family that we lack */
		(void)snprintf(error, error_size, "%s: %s: %s", option,
			address_text(&list[i], text), strerror(errno));
		return -1;
	}
	return 0;
}

static const struct address *sockets_find_remote(const struct address *list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!address_is_loopback(&list[i]))
			return &list[i];
	return NULL;
}

static void sockets_fail_remote(
	const struct address *remote, const char *option, char *error, size_t error_size)
{
	char text[ADDRESS_TEXT_MAX];

	(void)snprintf(error, error_size,
		"%s: %s is not a loopback address: anybody who can reach it could use "
		"the server; --allow-remote permits it",
		option, address_text(remote, text));
}

int sockets_adopt(struct sockets *sockets, const struct url *url, const int *fds, size_t count,
	bool allow_remote, char *error, size_t error_size)
{
	bool is_path = url->scheme == URL_UNIX || url->scheme == URL_WS_UNIX;
	struct address address;
	size_t i;

	assert(count > 0 && count <= ADDRESS_LIST_MAX);
	*sockets = (struct sockets){.url = url, .count = count};
	memcpy(sockets->fds, fds, count * sizeof *fds);
	for (i = 0; i < count; i++) {
		address.size = sizeof address.storage;
		if (getsockname(fds[i], (struct sockaddr *)&address.storage, &address.size) != 0 ||
			(address.storage.ss_family == AF_UNIX) != is_path) {
			(void)snprintf(error, error_size,
				"listen: the socket that the service manager has opened is not of "
				"the kind that the URL says");
			break;
		}
		if (!is_path && !allow_remote && !address_is_loopback(&address)) {
			sockets_fail_remote(&address, "listen", error, error_size);
			break;
		}
	}
	if (i == count)
		return 0;
	sockets_close(sockets);
	return -1;
}

int sockets_open(struct sockets *sockets, const struct url *url, const char *option,
	bool allow_remote, char *error, size_t error_size)
{
	struct address list[ADDRESS_LIST_MAX];
	const struct address *remote;
	size_t count;

	*sockets = (struct sockets){.url = url};
	count = address_resolve(list, ADDRESS_LIST_MAX, url, error, error_size);
	remote = allow_remote ? NULL : sockets_find_remote(list, count);
	if (remote != NULL)
		sockets_fail_remote(remote, option, error, error_size);
	if (count > 0 && remote == NULL &&
		sockets_add_all(sockets, list, count, option, error, error_size) == 0)
		return 0;
	sockets_close(sockets);
	return -1;
}

void sockets_describe(const struct sockets *sockets, char *text, size_t size)
{
	const struct url *url = sockets->url;
	char one[ADDRESS_TEXT_MAX];
	struct address address;
	size_t used = 0, i;

	assert(size > 0);
	text[0] = '\0';
	for (i = 0; i < sockets->count && used < size; i++) {
		address.size = sizeof address.storage;
		if (getsockname(sockets->fds[i], (struct sockaddr *)&address.storage,
			    &address.size) != 0)
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%s%s%s",
			used > 0 ? " and " : "", url_prefix(url), address_text(&address, one),
			url->scheme == URL_WS ? url->path : "");
	}
}

void sockets_close(struct sockets *sockets)
{
	size_t i;

	sockets_remove_path(sockets);
	for (i = 0; i < sockets->count; i++)
		(void)close(sockets->fds[i]); /* nothing was sent over it */
	free(sockets->path);
	*sockets = (struct sockets){.count = 0};
}

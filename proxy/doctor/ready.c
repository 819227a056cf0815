/* One request to /readyz, and its answer. Blocks; everything that fails is told as not ready. */
#include "proxy/doctor/ready.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "config/config.h"
#include "proxy/address.h"

enum { READY_WAIT_S = 4, READY_ANSWER_SIZE = 4096 };

static const char *ready_reason(void)
{
	return errno == EAGAIN ? "no answer in time" : strerror(errno);
}

/* With a limit for each step. -1 with errno set. */
static int ready_connect_to(const struct address *address)
{
	const struct timeval wait = {.tv_sec = READY_WAIT_S};
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), saved;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
		connect(fd, (const struct sockaddr *)&address->storage, address->size) == 0)
		return fd;
	saved = errno;
	(void)(fd >= 0 && close(fd)); /* nothing was written */
	errno = saved;
	return -1;
}

/* The descriptor, or -1 with what was wrong in why. */
static int ready_connect(const struct url *url, char *why, size_t size)
{
	struct address list[ADDRESS_LIST_MAX];
	size_t count = address_resolve(list, ADDRESS_LIST_MAX, url, why, size), i;
	int fd = -1;

	for (i = 0; i < count && fd == -1; i++) {
		fd = ready_connect_to(&list[i]);
		(void)snprintf(why, size, "%s", ready_reason()); /* may be cut */
	}
	return fd;
}

/* Sends the request and reads all of the answer. Its size; -1 with errno set. */
static ssize_t ready_exchange(int fd, char answer[READY_ANSWER_SIZE])
{
	static const char request[] =
		"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	size_t size = 0;
	ssize_t part;

	if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1)
		return -1;
	while ((part = read(fd, answer + size, READY_ANSWER_SIZE - 1 - size)) > 0)
		size += (size_t)part;
	if (part < 0)
		return -1;
	answer[size] = '\0';
	return (ssize_t)size;
}

bool ready_ask(const struct config *config, char *answer, size_t size)
{
	char said[READY_ANSWER_SIZE], why[256] = "", *body;
	bool ready = false;
	long status;
	int fd;

	if (config->admin_url.scheme == URL_NONE) {
		(void)snprintf(answer, size,
			"probe: admin.listen is not set, where there would be an answer");
		return false;
	}
	fd = ready_connect(&config->admin_url, why, sizeof why);
	if (fd < 0 || ready_exchange(fd, said) < 0) {
		(void)snprintf(answer, size, "probe: %s: %s", config->admin_listen,
			fd < 0 ? why : ready_reason()); /* may be cut */
	} else if (strncmp(said, "HTTP/1.1 ", 9) != 0 ||
		   (body = strstr(said, "\r\n\r\n")) == NULL) {
		(void)snprintf(answer, size, "probe: %s: its answer is not HTTP",
			config->admin_listen); /* may be cut */
	} else {
		status = strtol(said + 9, NULL, 10);
		ready = status == 200;
		(void)snprintf(answer, size, "probe: status %ld: %.*s", status,
			(int)strcspn(body + 4, "\r\n"), body + 4); /* may be cut */
	}
	(void)(fd >= 0 && close(fd)); /* all was sent */
	return ready;
}

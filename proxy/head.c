/* HTTP heads being read: a buffer that doubles up to its limit, and how far it was looked at. */
#include "proxy/head.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/endpoint/endpoint.h"

#define HEAD_ROOM_MIN 2048

static enum head_read head_grow(struct head *head, size_t bytes_max)
{
	size_t room = head->room > 0 ? 2 * head->room : HEAD_ROOM_MIN;
	char *bytes;

	if (room > bytes_max)
		room = bytes_max;
	if (room <= head->used)
		return HEAD_FULL;
	bytes = realloc(head->bytes, room);
	if (bytes == NULL)
		return HEAD_FAILED; /* ENOMEM */
	head->bytes = bytes;
	head->room = room;
	return HEAD_READ;
}

enum head_read head_read(struct head *head, struct endpoint *endpoint, size_t bytes_max)
{
	enum head_read grown;
	ssize_t n;

	if (head->used == head->room) {
		grown = head_grow(head, bytes_max);
		if (grown != HEAD_READ)
			return grown;
	}
	n = endpoint_read(endpoint, head->bytes + head->used, head->room - head->used);
	if (n < 0 && errno == EAGAIN)
		return HEAD_LATER;
	if (n < 0 && endpoint_error_is_ours(errno))
		return HEAD_FAILED;
	if (n <= 0)
		return HEAD_END;
	head->used += (size_t)n;
	return HEAD_READ;
}

uint8_t *head_rest(const struct head *head, size_t *size)
{
	assert(head->used >= head->scan.size);
	*size = head->used - head->scan.size;
	return (uint8_t *)head->bytes + head->scan.size;
}

void head_next(struct head *head, size_t skip)
{
	size_t size;
	uint8_t *rest = head_rest(head, &size);

	assert(skip <= size);
	memmove(head->bytes, rest + skip, size - skip);
	head->used = size - skip;
	head->scan = (struct http_scan){.size = 0};
}

int head_keep(struct head *head, const uint8_t *bytes, size_t size)
{
	char *grown;

	if (size == 0)
		return 0;
	if (size > head->room - head->used) {
		grown = realloc(head->bytes, head->used + size);
		if (grown == NULL)
			return -1;
		head->bytes = grown;
		head->room = head->used + size;
	}
	memcpy(head->bytes + head->used, bytes, size);
	head->used += size;
	return 0;
}

void head_done(struct head *head)
{
	free(head->bytes);
	*head = (struct head){.bytes = NULL};
}

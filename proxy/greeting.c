/*
 * Greetings; see greeting.h. What is looked at stays in the socket unless it must be kept back:
 * JSON, which its first byte settles, is never copied.
 */
#include "proxy/greeting.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/endpoint/endpoint.h"

#define GREETING_ROOM_MIN 64

struct greeting *greeting_new(void)
{
	return calloc(1, sizeof(struct greeting));
}

void greeting_free(struct greeting *greeting)
{
	if (greeting == NULL)
		return;
	free(greeting->bytes);
	free(greeting);
}

/* Takes size bytes, which have been looked at, out of the socket. 0, or -1 when out of memory. */
static int greeting_keep(struct greeting *greeting, struct endpoint *client, size_t size)
{
	size_t room = greeting->room > 0 ? greeting->room : GREETING_ROOM_MIN;
	uint8_t *bytes = greeting->bytes;
	ssize_t n;

	while (room - greeting->size < size)
		room *= 2;
	if (room > greeting->room) {
		bytes = realloc(bytes, room);
		if (bytes == NULL)
			return -1;
		greeting->bytes = bytes;
		greeting->room = room;
	}
	n = endpoint_read(client, bytes + greeting->size, size);
	assert(n == (ssize_t)size); /* nobody else reads it */
	greeting->size += size;
	return 0;
}

enum greeting_verdict greeting_readable(
	struct greeting *greeting, struct endpoint *client, uint8_t *scratch, size_t scratch_size)
{
	ssize_t n = endpoint_peek(client, scratch, scratch_size);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return GREETING_MORE;
	if (n <= 0) {
		greeting->silent = greeting->size == 0;
		greeting->settled = true;
		return GREETING_SETTLED;
	}
	switch (request_line_feed(&greeting->line, scratch, (size_t)n)) {
	case REQUEST_LINE_MORE:
		return greeting_keep(greeting, client, (size_t)n) == 0 ? GREETING_MORE
								       : GREETING_NO_MEMORY;
	case REQUEST_LINE_IS:
		return GREETING_IS_HTTP;
	case REQUEST_LINE_IS_NOT:
		break;
	}
	greeting->settled = true;
	return GREETING_SETTLED;
}

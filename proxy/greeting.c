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

struct greeting *greeting_new(bool takes_http2)
{
	struct greeting *greeting = calloc(1, sizeof *greeting);

	if (greeting != NULL)
		greeting->takes_http2 = takes_http2;
	return greeting;
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

	assert(size > 0 && greeting->state == GREETING_ASKED);
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

/* Whether a request line, which bytes complete, is the beginning of HTTP/2 (RFC 9113, 3.4). */
static bool greeting_is_http2(const struct greeting *greeting, const uint8_t *bytes, size_t size)
{
	static const char preface[] = "PRI * HTTP/2";
	size_t kept = greeting->size, more = sizeof preface - 1 - kept;

	return greeting->takes_http2 && kept < sizeof preface - 1 && size >= more &&
	       (kept == 0 || memcmp(greeting->bytes, preface, kept) == 0) &&
	       memcmp(bytes, preface + kept, more) == 0;
}

enum greeting_verdict greeting_readable(
	struct greeting *greeting, struct endpoint *client, uint8_t *scratch, size_t scratch_size)
{
	ssize_t n = endpoint_peek(client, scratch, scratch_size);

	assert(greeting->state == GREETING_ASKED);
	if (n < 0 && errno == EAGAIN)
		return GREETING_MORE;
	if (n <= 0) {
		greeting->state = greeting->size == 0 ? GREETING_SILENT : GREETING_OTHER;
		return GREETING_SETTLED;
	}
	switch (request_line_feed(&greeting->line, scratch, (size_t)n)) {
	case REQUEST_LINE_MORE:
		return greeting_keep(greeting, client, (size_t)n) == 0 ? GREETING_MORE
								       : GREETING_NO_MEMORY;
	case REQUEST_LINE_IS:
		if (greeting_is_http2(greeting, scratch, (size_t)n))
			break;
		return GREETING_IS_HTTP;
	case REQUEST_LINE_IS_NOT:
		break;
	}
	greeting->state = GREETING_OTHER;
	return GREETING_SETTLED;
}

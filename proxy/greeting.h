#ifndef PROXY_GREETING_H
#define PROXY_GREETING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/side/request_line.h"

/*
 * The first bytes of a client that speaks lines on a socket: they are kept back while they may be
 * an HTTP request line, and nothing of one ever reaches the backend. As soon as it is clear that
 * they are none, what is kept goes on and the rest is read as always.
 */
struct endpoint;

enum greeting_state {
	GREETING_ASKED,  /* it may still become one */
	GREETING_OTHER,  /* it is none */
	GREETING_SILENT, /* the client ended before it said a word: it may want to hear */
};

struct greeting {
	bool takes_http2; /* where it is told from lines later on */
	struct request_line line;
	enum greeting_state state;
	uint8_t *bytes; /* owned; what is kept back */
	size_t size, room;
};

enum greeting_verdict {
	GREETING_MORE,
	GREETING_SETTLED,
	GREETING_IS_HTTP,
	GREETING_NO_MEMORY,
};

/* takes_http2: what begins as HTTP/2 is no request line. NULL when out of memory. */
struct greeting *greeting_new(bool takes_http2);
void greeting_free(struct greeting *greeting);

/* The client is readable.. */
enum greeting_verdict greeting_readable(
	struct greeting *greeting, struct endpoint *client, uint8_t *scratch, size_t scratch_size);

#endif

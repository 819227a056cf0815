#ifndef PROXY_REPLY_H
#define PROXY_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/head.h"

/*
 * What a backend says to an HTTP request, up to the head of its final answer. Interim answers
 * (RFC 9110, 15.2) are passed on to a client that may have them, one at a time, so that they wait
 * for one that is slow; there are at most handshake.interim_max of them, and all together they are
 * not larger than one head may be. All zero at first.
 */
struct pair;

struct reply {
	struct head head;
	size_t interim_count;
	size_t interim_bytes;
	bool waiting; /* for the client to take an interim answer */
};

enum reply_result {
	REPLY_MORE,
	REPLY_DONE,  /* the head is in loop->head, and in reply->head with what came behind it */
	REPLY_WRONG, /* *why (static) says what, for the client */
	REPLY_OVER,  /* the session is ending */
};

/* The backend is readable. to_client: interim answers are passed on. */
enum reply_result reply_read(
	struct reply *reply, struct pair *pair, bool to_client, const char **why);

/* The client has taken something: goes on if that was what was waited for. */
enum reply_result reply_drained(
	struct reply *reply, struct pair *pair, bool to_client, const char **why);

#endif

#ifndef PROXY_SIDE_HTTP_BODY_H
#define PROXY_SIDE_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/side/http.h"

/*
 * Where the body of an HTTP/1.1 message ends (RFC 9112, 6.3 and 7.1): known from the head, or seen
 * in chunks while they pass. Nothing is kept or changed.
 */
enum http_body_state {
	HTTP_BODY_DONE,    /* there is none, or all of it has come */
	HTTP_BODY_SIZED,   /* it has left more bytes */
	HTTP_BODY_CHUNKED, /* its chunks say */
	HTTP_BODY_TO_END,  /* it goes on to the end of the connection */
	HTTP_BODY_BAD,     /* something else came where a chunk should be */
};

struct http_body {
	enum http_body_state state;
	unsigned chunk; /* enum http_chunk: what of a chunk comes next */
	uint64_t left;  /* bytes of the body, or of its chunk */
};

/*
 * What follows a request's head. HTTP_DONE, or HTTP_BAD with bad_status and bad_reason set in head
 * when two readers could understand it in two ways.
 */
enum http_result http_body_of_request(struct http_body *body, struct http_head *head);

/* The same for the answer to a request; to_head: that was a HEAD. */
enum http_result http_body_of_response(
	struct http_body *body, struct http_head *head, bool to_head);

enum http_piece {
	HTTP_PIECE_DATA,    /* what the body is about */
	HTTP_PIECE_FRAMING, /* sizes of chunks, what ends them */
	HTTP_PIECE_TRAILER, /* what follows the last chunk's size line: fields, the empty line */
};

/*
 * How many of the bytes that come next are of one kind, which is in *piece. 0 of size > 0: it is
 * HTTP_BODY_DONE or HTTP_BODY_BAD now.
 */
size_t http_body_next(
	struct http_body *body, const char *bytes, size_t size, enum http_piece *piece);

#endif

#ifndef PROXY_SIDE_REQUEST_LINE_H
#define PROXY_SIDE_REQUEST_LINE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Whether a stream begins with an HTTP request line (RFC 9112, 3), or with the preface of HTTP/2,
 * which looks like one: METHOD TARGET HTTP/x, with any token for a method. Browsers send such lines
 * to any port that a web page names. The first byte of JSON settles it. Empty lines may come
 * before.
 */
#define REQUEST_LINE_MAX        8192 /* what could still be one by then is taken to be one */
#define REQUEST_LINE_METHOD_MAX 256  /* a longer word is none */

struct request_line {
	uint8_t part;    /* enum request_line_part */
	uint16_t size;   /* so far, */
	uint16_t empty;  /* and how much of it were empty lines before it */
	uint8_t matched; /* of "HTTP/" */
};

enum request_line_verdict {
	REQUEST_LINE_MORE, /* all bytes so far may be the beginning of one */
	REQUEST_LINE_IS,
	REQUEST_LINE_IS_NOT,
};

/* Looks at the bytes that follow those of earlier calls; line is zeroed at first. */
enum request_line_verdict request_line_feed(
	struct request_line *line, const uint8_t *bytes, size_t size);

#endif

#ifndef PROXY_HEAD_H
#define PROXY_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "proxy/side/http.h"

/* An HTTP head while it is being read, and what came behind it. All zero before the first byte. */
struct endpoint;

struct head {
	char *bytes; /* owned */
	size_t used;
	size_t room;
	struct http_scan scan;
};

enum head_read {
	HEAD_READ,   /* something */
	HEAD_LATER,  /* nothing now */
	HEAD_END,    /* the end, or the peer has gone */
	HEAD_FULL,   /* it has bytes_max already */
	HEAD_FAILED, /* an error of our own: errno */
};

/* Reads once from an endpoint. */
enum head_read head_read(struct head *head, struct endpoint *endpoint, size_t bytes_max);

/* What has come behind the head, which is complete. Borrowed from head. */
uint8_t *head_rest(const struct head *head, size_t *size);

/* Takes the head away, so that the next one begins where it ended, or skip bytes behind that. */
void head_next(struct head *head, size_t skip);

/* Adds what was read elsewhere, behind all that is there. 0, or -1: out of memory. */
int head_keep(struct head *head, const uint8_t *bytes, size_t size);

/* Frees; the head is as before its first byte. */
void head_done(struct head *head);

#endif

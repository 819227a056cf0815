#ifndef PROXY_MESSAGE_MEMBERS_H
#define PROXY_MESSAGE_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The members of a carrier that is an object, one after the other: where they stand in the message,
 * and which of them are ours to write. The object is all in the window and known to be JSON.
 */
struct window;

struct members {
	const struct window *window; /* borrowed */
	const uint8_t *at, *end;     /* the next byte, and where its piece of the window ends */
	size_t end_offset;           /* in the message */
};

/* However they are spelt. */
enum member_kind {
	MEMBER_OTHER,
	MEMBER_TRACE, /* traceparent or tracestate */
	MEMBER_BAGGAGE,
};

struct member {
	size_t from; /* the comma before it; of the first one, its key */
	size_t key;  /* its key's quote */
	size_t end;  /* after its value */
	enum member_kind kind;
};

/* offset: of the opening brace. */
void members_begin(struct members *members, const struct window *window, size_t offset);

/* The next member; false when there is none. */
bool members_next(struct members *members, struct member *member);

#endif

#ifndef W3C_BAGGAGE_H
#define W3C_BAGGAGE_H

#include <stdbool.h>
#include <stddef.h>

/* W3C Baggage: a list of keys with percent-encoded values, read one after the other. */
#define BAGGAGE_TEXT_MAX    8192 /* bytes; what an implementation passes on at least */
#define BAGGAGE_MEMBERS_MAX 64   /* the same */

struct baggage_member {
	const char *key;
	size_t key_size;
	const char *value; /* as it is spelt */
	size_t value_size;
};

enum baggage_result {
	BAGGAGE_MEMBER,
	BAGGAGE_BAD, /* this member is none: go on behind it */
	BAGGAGE_END,
};

/* The next member from *at on, which is moved behind it. Properties are left out. */
enum baggage_result baggage_next(const char **at, const char *end, struct baggage_member *member);

/* Whether a text may be a key: a token of HTTP. */
bool baggage_is_key(const char *text, size_t size);

/*
 * Decodes a value into text, which has size bytes, as far as it fits; returns how many bytes there
 * are, and in *whole whether that is all. A % that begins no escape is one.
 */
size_t baggage_decode(const struct baggage_member *member, char *text, size_t size, bool *whole);

#endif

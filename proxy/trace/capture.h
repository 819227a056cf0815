#ifndef PROXY_TRACE_CAPTURE_H
#define PROXY_TRACE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/profile.h"
#include "exporter/span.h"
#include "proxy/message/envelope.h"

/*
 * A profile's captures, made ready: every JSON pointer is a slot of the envelope and every
 * attribute name an index, so that looking at a message compares numbers, not texts.
 */
#define CAPTURE_ATTRIBUTES_MAX 32
#define CAPTURE_VALUE_MAX      256 /* bytes kept of one captured value */

/* When a connection begins to remember a value, beyond its request. */
enum capture_keep {
	CAPTURE_KEEP_NOT,
	CAPTURE_KEEP_SEEN, /* as soon as it was seen */
	CAPTURE_KEEP_OK,   /* once the request was answered with a result */
};

struct capture {
	struct span_text *methods; /* owned; the names are borrowed from the profile */
	size_t method_count;       /* 0: whatever the method */
	int slot;
	uint8_t attribute;
	enum capture_keep keep;
};

/* Captures from one kind of message, in the order of the profile. */
struct capture_list {
	struct capture *rows; /* owned */
	size_t count;
};

struct captures {
	struct capture_list from[PROFILE_FROM_REPLY + 1]; /* by enum profile_from */
	const char *attributes[CAPTURE_ATTRIBUTES_MAX];   /* names, borrowed from the profile */
	size_t attribute_count;
};

/*
 * Adds the profile's pointers to pointers. The profile is borrowed for life. 0, or -1 with a text
 * in error.
 */
int captures_init(struct captures *captures, const struct profile *profile,
	struct pointers *pointers, char *error, size_t error_size);
void captures_done(struct captures *captures);

/* Whether a capture applies to requests of that method (and their replies). */
bool capture_applies(const struct capture *capture, struct span_text method);

/* The value in the capture's slot: true and *text when it is a string, a number or a boolean. */
bool capture_take(
	const struct capture *capture, const struct envelope *envelope, struct span_text *text);

#endif

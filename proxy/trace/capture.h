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

struct capture {
	const struct profile_capture *rule; /* borrowed from the profile */
	int slot;
	uint8_t attribute;
};

struct captures {
	struct capture *list; /* owned */
	size_t count;
	const char *attributes[CAPTURE_ATTRIBUTES_MAX]; /* names, borrowed from the profile */
	size_t attribute_count;
};

/*
 * Adds the profile's pointers to pointers. The profile is borrowed for life. 0, or -1 with a text
 * in error.
 */
int captures_init(struct captures *captures, const struct profile *profile,
	struct pointers *pointers, char *error, size_t error_size);
void captures_done(struct captures *captures);

/*
 * The value that a capture takes from a message of that method: true and *text (borrowed from the
 * envelope) when the rule applies and the value is a string, a number or a boolean.
 */
bool capture_take(const struct capture *capture, enum profile_from from, struct span_text method,
	const struct envelope *envelope, struct span_text *text);

#endif

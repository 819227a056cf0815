#ifndef PROXY_TRACE_REQUESTS_CAPTURE_H
#define PROXY_TRACE_REQUESTS_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/profile/profile.h"
#include "exporter/span.h"
#include "proxy/message/envelope.h"
#include "w3c/carrier.h"

struct methods;

/*
 * A profile's captures, made ready: every JSON pointer is a slot of the envelope, every attribute
 * name an index, every method a number with the captures that apply to it, so that looking at a
 * message compares no texts.
 */
#define CAPTURE_ATTRIBUTES_MAX PROFILE_ATTRIBUTES_MAX
#define CAPTURE_VALUE_MAX      256 /* bytes kept of one value, with the mark of one that is cut */

/* When a connection begins to remember a value, beyond its request. */
enum capture_keep {
	CAPTURE_KEEP_NOT,
	CAPTURE_KEEP_SEEN, /* as soon as it was seen */
	CAPTURE_KEEP_OK,   /* once the request was answered with a result */
};

struct capture {
	int slot;
	char *room; /* CAPTURE_VALUE_MAX bytes for a value that was cut; owned by the captures */
	const struct captures *captures; /* whose it is */
	uint8_t attribute;
	enum capture_keep keep;
};

/* Captures from one kind of message, in the order of the profile. */
struct capture_list {
	struct capture *rows; /* owned by the captures */
	size_t count;
	bool keeps; /* one of them is remembered by the connection */
};

/* All that apply to requests of one method, and to their answers. */
struct capture_set {
	struct capture_list from[PROFILE_FROM_REPLY + 1]; /* by enum profile_from */
};

/* A value of a header field, which the connection remembers. */
struct capture_header {
	const char *name; /* borrowed from the profile */
	uint8_t attribute;
};

/*
 * Attributes that all spans below a request have, too: those of all spans, those that a request
 * brings as baggage, and those that come before all messages.
 */
#define CAPTURE_BAGGAGE_MAX 8
#define CAPTURE_FREE_MAX    (CAPTURE_BAGGAGE_MAX + 8 + CAPTURE_ATTRIBUTES_MAX)

struct captures {
	struct capture_set *sets; /* owned; by the method's number, METHODS_OTHER among them */
	size_t set_count;
	char (*rooms)[CAPTURE_VALUE_MAX];                 /* owned; of each row of the profile */
	const char *attributes[CAPTURE_ATTRIBUTES_MAX];   /* names, borrowed from the profile */
	struct span_key rendered[CAPTURE_ATTRIBUTES_MAX]; /* of each name */
	size_t attribute_count;
	struct capture_header headers[CAPTURE_ATTRIBUTES_MAX];
	size_t header_count;
	const char *baggage[CAPTURE_BAGGAGE_MAX]; /* keys, borrowed; the last rows of each set */
	size_t baggage_count;
	char (*baggage_rooms)[CAPTURE_VALUE_MAX]; /* owned; of each key */
	const char *free[CAPTURE_FREE_MAX];       /* names that spans inherit, borrowed */
	size_t free_count;
	uint64_t *cut_count; /* of values; borrowed from whoever sets it, or NULL */
};

/*
 * Adds the profile's methods to methods and its pointers to pointers. The profile is borrowed for
 * life; captures stay where they are. 0, or -1 with a text in error; captures_done() is needed
 * after either.
 */
int captures_init(struct captures *captures, const struct profile *profile, struct methods *methods,
	struct pointers *pointers, char *error, size_t error_size);
void captures_done(struct captures *captures);

/* All spans that are below a request inherit an attribute of that name, borrowed for life. */
void captures_add_free(struct captures *captures, const char *name);

/*
 * After captures_init(): requests have an attribute for each of the keys of their baggage, borrowed
 * for life. 0, or -1 with a text in error.
 */
int captures_add_baggage(
	struct captures *captures, char *const *keys, size_t count, char *error, size_t error_size);

/* The values that a request has itself, in its captures' order. Returns how many. */
struct request_value;
size_t captures_take(const struct captures *captures, const struct capture_set *set,
	const struct envelope *envelope, struct request_value *values);

/*
 * Adds the values of the baggage to those of the request; they are borrowed from the captures until
 * the next request. False: some of it is not as it should be, and was left out.
 */
bool captures_take_baggage(struct captures *captures, const struct capture_set *set,
	const struct carrier_view *carrier, struct request_value *values, size_t *count);

/* The number of a captured attribute, or -1. */
int captures_find_attribute(const struct captures *captures, const char *name);

/* What applies to the method of that number; methods may have got more since captures_init(). */
static inline const struct capture_set *captures_find(
	const struct captures *captures, unsigned method)
{
	return &captures->sets[method < captures->set_count ? method : 0];
}

/* For capture_take(): the same for a value that is there. */
bool capture_take_value(
	const struct capture *capture, const struct envelope_value *value, struct span_text *text);

/*
 * The value in the capture's slot: true and *text when it is a string, a number or a boolean. The
 * text is borrowed from the envelope or, if it was cut, from the captures until the next one is.
 */
static inline bool capture_take(
	const struct capture *capture, const struct envelope *envelope, struct span_text *text)
{
	const struct envelope_value *value = envelope_value(envelope, capture->slot);

	return value->type != JSON_ABSENT && capture_take_value(capture, value, text);
}

#endif

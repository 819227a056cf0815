#ifndef PROXY_TRACE_FOLLOW_MATCHER_H
#define PROXY_TRACE_FOLLOW_MATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "config/profile/lifecycle.h"
#include "exporter/span.h"
#include "proxy/message/envelope.h"
#include "proxy/trace/names/methods.h"
#include "proxy/trace/requests/capture.h"

/*
 * A profile's lifecycle rules made ready: every JSON pointer is a slot of the envelope, every
 * attribute a number, and a method is looked up once to give the set of rules for its messages.
 * Built at start, never changed. What rules find in a message is in values.h.
 */
#define MATCHER_ATTRIBUTES_MAX (LIFECYCLE_ATTRIBUTES_MAX + CAPTURE_FREE_MAX)
#define MATCHER_VALUE_MAX      256  /* bytes kept of one value, with the mark of one that is cut */
#define KEY_PART_MAX           256  /* bytes of a part of a key */
#define MATCHER_LINK_MAX       4096 /* bytes of a text by which requests are linked */
#define MATCHER_NONE           255  /* no attribute, level or mark */
#define MATCHER_QUOTE          POINTERS_SLOTS_MAX /* and above: places of the quoted values */

/* Moments that are not marks, nor those before the last span that was made. */
enum matcher_moment {
	MATCHER_MOMENT_MARK,
	MATCHER_MOMENT_FORMER_MARK,
	MATCHER_MOMENT_START,
	MATCHER_MOMENT_NOW,
	MATCHER_MOMENT_FORMER_END,
};

struct contents;

struct matcher_when {
	uint8_t moment; /* enum matcher_moment */
	uint8_t mark;
};

struct matcher_choice {
	int slot;              /* -1: no pointer */
	struct span_text text; /* bytes NULL: the value itself */
	const struct lifecycle_choice *row;
	uint8_t level, mark;       /* or MATCHER_NONE */
	struct contents *contents; /* of contents, if they are wanted; borrowed */
	char *room;                /* the same: for what is kept of them; owned by the matcher */
};

struct matcher_source {
	struct matcher_choice *choices; /* owned */
	size_t count;
};

struct matcher_setting {
	uint8_t attribute;
	struct matcher_source source;
};

struct matcher_set {
	struct matcher_setting *list; /* owned */
	size_t count;
};

struct matcher_condition {
	const struct lifecycle_condition *row;
	int slot, whole;
	uint8_t level;
};

struct matcher_rule {
	const struct lifecycle_rule *row;         /* borrowed from the profile */
	int key[LIFECYCLE_KEY_MAX];               /* slots; row->key_count of them */
	uint16_t key_number;                      /* not 0; rules with the same slots share it */
	int root, request_id, of, status, at, by; /* slots; -1: not given */
	struct matcher_condition conditions[LIFECYCLE_CONDITIONS_MAX];
	uint8_t count, bytes, first; /* attributes of a stream */
	uint8_t mark;
	uint8_t former_until; /* bits of marks */
	uint8_t needs;        /* a mark */
	uint8_t request_key;  /* the capture's attribute by which a request is found */
	uint32_t levels;      /* bits of those that it looks at */
	struct matcher_when from[LIFECYCLE_MOMENTS_MAX], to[LIFECYCLE_MOMENTS_MAX];
	struct matcher_set set, set_new, set_root;
	struct matcher_source message, type;
};

#define MATCHER_ON_COUNT (LIFECYCLE_ON_CLIENT_REPLY + 1)

/* Some rules, by their numbers, in the order of the profile. */
struct matcher_rules {
	const uint8_t *list;
	size_t count;
};

/* What the rules have to say about a method's messages. */
struct matcher_method {
	struct span_text name;      /* borrowed from the profile; size 0: any other method */
	struct span_text operation; /* size 0: submits no work */
	struct matcher_rules rules[MATCHER_ON_COUNT];  /* those that look at them */
	struct matcher_rules levels[MATCHER_ON_COUNT]; /* of these, those that look at levels */
	uint32_t quotes;      /* bits of the values that rules for answers look at */
	uint32_t call_quotes; /* the same for requests of the server */
	uint8_t request_type; /* of the span that its requests are; MATCHER_NONE */
	bool claims;
	bool claims_late; /* the span may come after the reply */
	bool requested;   /* there is something to do for its requests */
};

/* Types under which one of a type may hang: those with the longest key first. */
struct matcher_parents {
	uint8_t types[LIFECYCLE_SPANS_MAX];
	size_t count;
};

/* What is found at a type of span, beside what stands in the profile. */
struct matcher_type {
	uint8_t key[LIFECYCLE_KEY_MAX]; /* attributes, as all below */
	uint8_t defaults[LIFECYCLE_DEFAULTS_MAX];
	uint8_t inherit[LIFECYCLE_INHERIT_MAX + CAPTURE_FREE_MAX];
	size_t inherit_count;
	uint8_t adds[LIFECYCLE_ADDS_MAX]; /* places among the sums of the type above */
	uint8_t sums[LIFECYCLE_SUMS_MAX]; /* what those below add to */
	size_t sum_count;
	int slots[LIFECYCLE_KEY_MAX]; /* of the key, where it is a request's */
	uint8_t made;                 /* its place among those that are made below the type above */
	uint8_t hidden;               /* bits of the key's parts that spans do not show */
	bool is_call;
	struct matcher_parents parents;  /* spans */
	struct matcher_parents memories; /* whose key begins its own */
};

struct matcher {
	const struct lifecycle *lifecycle; /* borrowed */
	struct matcher_rule *rules;        /* owned */
	uint8_t *numbers;                  /* owned; of rules, in lists of the methods' */
	struct matcher_method *methods;    /* owned; by the method's number, see methods.h */
	size_t method_count;
	const char *attributes[MATCHER_ATTRIBUTES_MAX]; /* names, borrowed */
	size_t attribute_count;
	int quotes[LIFECYCLE_QUOTES_MAX]; /* slots in the request */
	size_t quote_count;
	int levels[LIFECYCLE_LEVELS_MAX]; /* slots */
	size_t level_count;
	char *rooms[LIFECYCLE_CONTENTS_MAX]; /* owned */
	size_t room_count;
	uint32_t request_keys; /* bits of the captures' attributes by which requests are found */
	bool finds_requests;   /* some rule looks a request up by its id */
	struct matcher_type types[LIFECYCLE_SPANS_MAX + 1]; /* the last: LIFECYCLE_REQUEST */
};

/*
 * Adds the rules' methods to methods, before matcher_init(): 0, or -1 with a text in error.
 */
int matcher_number_methods(
	const struct lifecycle *lifecycle, struct methods *methods, char *error, size_t error_size);

/* What rules are made ready from. All of it is borrowed, lifecycle and contents for life. */
struct matcher_parts {
	const struct lifecycle *lifecycle;
	const struct methods *methods;
	struct pointers *pointers; /* those of the rules are added */
	const struct captures *captures;
	const char *on; /* a list of the words that values with an opt_in need, or NULL */
	struct contents *contents; /* NULL: none are wanted */
};

/*
 * 0, or -1 with a text in error: too many pointers or attributes, out of memory. matcher_done() may
 * follow in any case.
 */
int matcher_init(
	struct matcher *matcher, const struct matcher_parts *parts, char *error, size_t error_size);
void matcher_done(struct matcher *matcher);

/* What applies to the method of that number; never NULL. */
static inline const struct matcher_method *matcher_method(
	const struct matcher *matcher, unsigned number)
{
	return &matcher->methods[number < matcher->method_count ? number : METHODS_OTHER];
}

/* Whether requests of that method submit work. */
static inline bool matcher_submits(const struct matcher_method *method)
{
	return method->operation.size > 0 || method->claims;
}

/* Whether any rule looks at such messages of that method. */
static inline bool matcher_looks(const struct matcher_method *method, enum lifecycle_on on)
{
	return method->rules[on].count > 0;
}

/* The number of an attribute that the rules know, or MATCHER_NONE. */
uint8_t matcher_find_attribute(const struct matcher *matcher, const char *name);

#endif

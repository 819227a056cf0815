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

/*
 * What a span that follows rules is known by: the values of its key's parts, in order, each with
 * its size in front. A key's first parts are a key too, and its first bytes.
 */
#define KEY_PART_MAX 256
#define KEY_HEAD     2 /* bytes of a part's size */
#define KEY_BYTES    (LIFECYCLE_KEY_MAX * (KEY_PART_MAX + KEY_HEAD))

struct key {
	size_t count;
	uint16_t ends[LIFECYCLE_KEY_MAX]; /* where each part ends in bytes */
	char bytes[KEY_BYTES];
};

static inline size_t key_size(const struct key *key)
{
	return key->count == 0 ? 0 : key->ends[key->count - 1];
}

/* Adds a part; false when it is empty, too long, or one too many: then nothing has changed. */
static inline bool key_add(struct key *key, struct span_text part)
{
	size_t at = key_size(key);

	if (part.size == 0 || part.size > KEY_PART_MAX || key->count == LIFECYCLE_KEY_MAX)
		return false;
	key->bytes[at] = (char)(part.size & 0xff);
	key->bytes[at + 1] = (char)(part.size >> 8);
	memcpy(key->bytes + at + KEY_HEAD, part.bytes, part.size); /* <= KEY_PART_MAX */
	key->ends[key->count++] = (uint16_t)(at + KEY_HEAD + part.size);
	return true;
}

/* A part with its size in front, of a key whose bytes and ends are kept somewhere. */
static inline struct span_text key_piece_of(const char *bytes, const uint16_t *ends, size_t part)
{
	size_t from = part == 0 ? 0 : ends[part - 1];

	return (struct span_text){.bytes = bytes + from, .size = ends[part] - from};
}

/* Its text alone. */
static inline struct span_text key_part_of(const char *bytes, const uint16_t *ends, size_t part)
{
	struct span_text piece = key_piece_of(bytes, ends, part);

	return (struct span_text){.bytes = piece.bytes + KEY_HEAD, .size = piece.size - KEY_HEAD};
}

/* The text of a part. */
static inline struct span_text key_part(const struct key *key, size_t part)
{
	return key_part_of(key->bytes, key->ends, part);
}

/* The first part and the last, each with its size in front; the whole key. */
static inline struct span_text key_first(const struct key *key)
{
	return key_piece_of(key->bytes, key->ends, 0);
}

static inline struct span_text key_last(const struct key *key)
{
	return key_piece_of(key->bytes, key->ends, key->count - 1);
}

static inline struct span_text key_whole(const struct key *key)
{
	return (struct span_text){.bytes = key->bytes, .size = key_size(key)};
}

/*
 * A profile's lifecycle rules made ready: every JSON pointer is a slot of the envelope, every
 * attribute a number, and a method is looked up once to give the set of rules for its messages.
 * Built at start, never changed.
 */
#define MATCHER_ATTRIBUTES_MAX 64
#define MATCHER_VALUE_MAX      256 /* bytes kept of one value, with the mark of one that is cut */
#define MATCHER_NONE           255 /* no attribute */

/* A value taken from a message; its text is borrowed from the message or the profile. */
struct matcher_value {
	enum span_value_type type;
	bool cut; /* the text is the beginning of a longer one */
	bool sum; /* an integer to be added to what is there */
	struct span_text text;
	int64_t integer;
	bool boolean;
};

struct matcher_choice {
	int slot;              /* -1: no pointer */
	struct span_text text; /* bytes NULL: the value itself */
	enum lifecycle_take take;
};

struct matcher_source {
	struct matcher_choice *choices; /* owned */
	size_t count;
};

struct matcher_setting {
	uint8_t attribute;
	struct matcher_source source;
};

struct matcher_rule {
	const struct lifecycle_rule *row; /* borrowed from the profile */
	int key[LIFECYCLE_KEY_MAX];       /* slots; row->key_count of them */
	int root, request_id, of, status; /* slots; -1: not given */
	int conditions[LIFECYCLE_CONDITIONS_MAX];
	uint8_t count, bytes, first;      /* attributes of a stream */
	struct matcher_setting *settings; /* owned; row->setting_count of them */
	struct matcher_source message, type;
};

#define MATCHER_ON_COUNT (LIFECYCLE_ON_CLIENT_REPLY + 1)

/* What the rules have to say about a method's messages. */
struct matcher_method {
	struct span_text name;            /* borrowed from the profile; size 0: any other method */
	struct span_text operation;       /* size 0: submits no work */
	uint64_t rules[MATCHER_ON_COUNT]; /* bits of the rules that look at them */
	bool claims;
	bool claims_late; /* the span may come after the reply */
};

/* Types of spans under which one of a type may hang: those with the longest key first. */
struct matcher_parents {
	uint8_t types[LIFECYCLE_SPANS_MAX];
	size_t count;
};

struct matcher {
	const struct lifecycle *lifecycle; /* borrowed */
	struct matcher_rule *rules;        /* owned */
	struct matcher_method *methods;    /* owned; by the method's number, see methods.h */
	size_t method_count;
	const char *attributes[MATCHER_ATTRIBUTES_MAX]; /* names, borrowed */
	size_t attribute_count;
	uint8_t key_attributes[LIFECYCLE_SPANS_MAX][LIFECYCLE_KEY_MAX];
	uint8_t default_attributes[LIFECYCLE_SPANS_MAX][LIFECYCLE_DEFAULTS_MAX];
	struct matcher_parents parents[LIFECYCLE_SPANS_MAX];
};

/*
 * Adds the rules' methods to methods and their pointers to pointers; lifecycle is borrowed for
 * life. 0, or -1 with a text in error: too many pointers or attributes, out of memory.
 * matcher_done() may follow in any case.
 */
int matcher_init(struct matcher *matcher, const struct lifecycle *lifecycle,
	struct methods *methods, struct pointers *pointers, char *error, size_t error_size);
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
	return method->rules[on] != 0;
}

/* Whether a rule's conditions hold. */
bool matcher_holds(const struct matcher_rule *rule, const struct envelope *envelope);

/* The value that a source gives; false: none of its choices does. */
bool matcher_take(const struct matcher_source *source, const struct envelope *envelope,
	struct matcher_value *value);

/*
 * Adds the rule's key to key, as far as the message has it: true when it has all of it. Numbers are
 * taken as spelt.
 */
bool matcher_key(const struct matcher_rule *rule, const struct envelope *envelope, struct key *key);

/* The status that the rule's end means. */
enum span_status matcher_status(const struct matcher_rule *rule, const struct envelope *envelope);

/* The text in a slot: of a string or a number, whole; size 0: none. */
struct span_text matcher_text(const struct envelope *envelope, int slot);

#endif

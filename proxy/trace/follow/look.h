#ifndef PROXY_TRACE_FOLLOW_LOOK_H
#define PROXY_TRACE_FOLLOW_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proxy/trace/follow/matcher.h"

/*
 * What a span that follows rules is known by: the values of its key's parts, in order, each with
 * its size in front. A key's first parts are a key too, and its first bytes. Where keys are of one
 * connection, its number stands before all of them.
 */
#define KEY_HEAD  2 /* bytes of a part's size */
#define KEY_LEAD  8 /* of a connection's number */
#define KEY_BYTES (LIFECYCLE_KEY_MAX * (KEY_PART_MAX + KEY_HEAD) + KEY_LEAD)

struct key {
	uint64_t connection; /* that all spans with this key are of; 0: of any */
	size_t count;
	uint16_t ends[LIFECYCLE_KEY_MAX]; /* where each part ends in bytes */
	char bytes[KEY_BYTES];
};

/* Begins a key without parts. The bytes are large: leave them as they are. */
static inline void key_init(struct key *key, uint64_t connection)
{
	key->connection = connection;
	key->count = 0;
	memcpy(key->bytes, &connection, KEY_LEAD);
}

static inline size_t key_size(const struct key *key)
{
	return key->count == 0 ? 0 : key->ends[key->count - 1];
}

/* Adds a part; false when it is empty, too long, or one too many: then nothing has changed. */
static inline bool key_add(struct key *key, struct span_text part)
{
	size_t at = key->count == 0 && key->connection != 0 ? KEY_LEAD : key_size(key);

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
static inline struct span_text key_part_of(
	const char *bytes, const uint16_t *ends, size_t part, uint64_t connection)
{
	struct span_text piece = key_piece_of(bytes, ends, part);
	size_t head = part == 0 && connection != 0 ? KEY_LEAD + KEY_HEAD : KEY_HEAD;

	return (struct span_text){.bytes = piece.bytes + head, .size = piece.size - head};
}

/* The text of a part. */
static inline struct span_text key_part(const struct key *key, size_t part)
{
	return key_part_of(key->bytes, key->ends, part, key->connection);
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

/* A value taken from a message; its text is borrowed from the message or the profile. */
struct look_value {
	enum span_value_type type;
	bool cut;      /* the text is the beginning of a longer one */
	bool contents; /* the text has had its own limit */
	bool sum;      /* an integer to be added to what is there */
	struct span_text text;
	int64_t integer;
	double real;
	bool boolean;
};

/* Values of a request that rules for its answer look at: copies, all in one piece of memory. */
struct look_quotes {
	uint32_t present; /* bits of those that it has */
	uint32_t bytes;   /* of this piece of memory */
	struct envelope_value values[];
};

/* A level: a number that is remembered from message to message. */
struct look_level {
	bool has_now, known; /* the message has it; there was one before */
	int64_t now, before;
};

/* A message as the rules look at it. */
struct look {
	const struct envelope *envelope;
	const struct look_quotes *quotes; /* of the request that it answers; NULL: none */
	const struct look_level *levels;  /* by number; NULL: none is looked at */
	const uint64_t *marks;            /* by number, 0: none; while a span is made, else NULL */
	uint64_t start_ns, end_ns;        /* of that span */
};

/* The value in a slot, or that the request had there. Never NULL. */
static inline const struct envelope_value *look_at(const struct look *look, int slot)
{
	static const struct envelope_value absent = {.type = JSON_ABSENT, .text = ""};
	uint32_t bit;

	if (slot < MATCHER_QUOTE)
		return envelope_value(look->envelope, slot);
	bit = UINT32_C(1) << (slot - MATCHER_QUOTE);
	if (look->quotes == NULL || (look->quotes->present & bit) == 0)
		return &absent;
	return &look->quotes->values[__builtin_popcount(look->quotes->present & (bit - 1))];
}

/* Whether a rule's conditions hold. */
bool look_holds(const struct matcher_rule *rule, const struct look *look);

/* The first of its conditions that does not, or NULL. */
const struct lifecycle_condition *look_hindrance(
	const struct matcher_rule *rule, const struct look *look);

/* The value that a source gives; false: none of its choices does. */
bool look_take(
	const struct matcher_source *source, const struct look *look, struct look_value *value);

/*
 * Adds the rule's key to key, as far as the message has it: true when it has all of it. Numbers are
 * taken as spelt.
 */
bool look_take_key(const struct matcher_rule *rule, const struct look *look, struct key *key);

/* The status that the rule's end means. */
enum span_status look_status(const struct matcher_rule *rule, const struct look *look);

/* Whether it is to be unset, whatever the answer says. */
bool look_excuses(const struct matcher_rule *rule, const struct look *look);

/* The text in a slot: of a string or a number, whole; size 0: none. */
struct span_text look_text(const struct look *look, int slot);

/* The whole number in a slot; false: there is none. */
bool look_integer(const struct look *look, int slot, int64_t *integer);

/* The rule's time in nanoseconds of the wall clock; false: the message has none. */
bool look_time(const struct matcher_rule *rule, const struct look *look, uint64_t *unix_ns);

/*
 * Copies what rules for the answer will look at: wanted are bits of the matcher's quotes. NULL:
 * there is none, or no memory, which *no_memory tells. The caller frees.
 */
struct look_quotes *look_quote(const struct matcher *matcher, uint32_t wanted,
	const struct envelope *request, bool *no_memory);

#endif

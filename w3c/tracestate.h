#ifndef W3C_TRACESTATE_H
#define W3C_TRACESTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The tracestate list of W3C Trace Context Level 2, as a value. Keys and values are borrowed: they
 * point into the text that was parsed or into what the caller gave tracestate_set(). No allocation.
 */
#define TRACESTATE_MEMBERS_MAX 32
#define TRACESTATE_KEY_MAX     256
#define TRACESTATE_VALUE_MAX   256
/* Characters of the longest list that tracestate_format() can write. */
#define TRACESTATE_SIZE_MAX                                                                        \
	(TRACESTATE_MEMBERS_MAX * (TRACESTATE_KEY_MAX + 1 + TRACESTATE_VALUE_MAX + 1) - 1)

struct tracestate_member {
	const char *key;
	const char *value;
	uint16_t key_size;
	uint16_t value_size;
};

struct tracestate {
	struct tracestate_member members[TRACESTATE_MEMBERS_MAX]; /* the most recent one first */
	size_t count;
};

/*
 * Parses size bytes of text ("tracestate Header Field Values"). Several fields are one list: join
 * them with commas first, in order of arrival. SP and HTAB around members and empty members are
 * skipped; a key that comes twice is kept twice. Returns 0, or -1 when the list must be discarded
 * as a whole; *tracestate is then empty.
 */
int tracestate_parse(struct tracestate *tracestate, const char *text, size_t size);

/* The first member with that key, or NULL. Borrowed until the list changes. */
const struct tracestate_member *tracestate_find(
	const struct tracestate *tracestate, const char *key, size_t key_size);

/*
 * Puts a member at the left end, in place of all that have its key; of 32 others the last goes
 * ("Mutating the tracestate Field"). Key and value are borrowed. Returns 0, or -1 for a key or
 * value that a receiver of either level would refuse; then nothing has changed.
 */
int tracestate_set(struct tracestate *tracestate, const char *key, size_t key_size,
	const char *value, size_t value_size);

/* Takes out all members with that key; the others keep their order. */
void tracestate_delete(struct tracestate *tracestate, const char *key, size_t key_size);

/*
 * Makes the list at most size_max characters long by taking out whole members: first those above
 * 128 characters, then others, each time from the right ("tracestate Limits").
 */
void tracestate_truncate(struct tracestate *tracestate, size_t size_max);

/* Characters that tracestate_format() will write. */
size_t tracestate_size(const struct tracestate *tracestate);

/* Writes the list without blanks and empty members, no terminator. Returns tracestate_size(). */
size_t tracestate_format(char *text, const struct tracestate *tracestate);

/* Whether a Level 1 receiver accepts the key, too: its grammar is the narrower one. */
bool tracestate_key_level1(const char *key, size_t size);

#endif

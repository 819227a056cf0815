#ifndef PROXY_MESSAGE_ENVELOPE_FILL_H
#define PROXY_MESSAGE_ENVELOPE_FILL_H

#include "proxy/message/envelope.h"
#include "proxy/message/pointers_tree.h"
#include "proxy/message/unescape.h"

/*
 * The envelope as those see it who fill it (skim) and keep it (splice).
 *
 * Nothing is ever cleared: every value that begins at a node stamps the node with the next number
 * of a sequence, and a slot is valid when the stamps grow from the root down to its node. So a new
 * envelope costs one stamp, and a repeated member hides all that its first occurrence held.
 */
#define ENVELOPE_ARENA_FIRST 2048
#define ENVELOPE_ARENA_MAX   65536

struct envelope {
	const struct pointers *pointers; /* borrowed for life */
	uint64_t sequence;
	uint64_t *stamps;              /* owned; of each node */
	struct envelope_value *values; /* owned; of each slot */
	char *arena;                   /* owned; the texts of values */
	size_t arena_used, arena_size;
	bool large;     /* a text found no room under ENVELOPE_ARENA_MAX */
	bool no_memory; /* a text found no room at all */
	/* The string that is being read. */
	struct unescape text;
	bool text_lost;   /* there was no room for it */
	size_t text_size; /* bytes of it at the end of the arena, not yet counted in arena_used */
};

/* 0, or -1 when out of memory; then envelope_done() is all that may follow. */
int envelope_init(struct envelope *envelope, const struct pointers *pointers);
void envelope_done(struct envelope *envelope);

static inline void envelope_stamp(struct envelope *envelope, uint16_t node)
{
	envelope->stamps[node] = ++envelope->sequence;
}

/* An envelope begins: all slots are absent. */
static inline void envelope_begin(struct envelope *envelope)
{
	int slot = envelope->pointers->nodes[POINTERS_ROOT].slot;

	envelope->arena_used = 0;
	envelope_stamp(envelope, POINTERS_ROOT);
	if (slot >= 0)
		envelope->values[slot] = (struct envelope_value){.type = JSON_OBJECT, .text = ""};
}

/* A value without a text is at node: what was read there and below before is void. */
static inline void envelope_enter(struct envelope *envelope, uint16_t node, enum json_type type)
{
	int slot = envelope->pointers->nodes[node].slot;

	envelope_stamp(envelope, node);
	if (slot >= 0)
		envelope->values[slot] = (struct envelope_value){.type = type, .text = ""};
}

/*
 * The same for the value of a slot's node with the text bytes[0..size): a number, or a string
 * without a backslash.
 */
void envelope_put(struct envelope *envelope, int slot, enum json_type type, const uint8_t *bytes,
	size_t size);

/*
 * The same in pieces: first, piece by piece, last. Strings are decoded, numbers taken as spelt.
 * What was there before stays until the last call.
 */
void envelope_text_begin(struct envelope *envelope);
void envelope_text_add(struct envelope *envelope, int slot, const uint8_t *piece, size_t size);
void envelope_text_end(struct envelope *envelope, int slot, enum json_type type);

/* Whether both id and method have been read, so that request or not is decided. */
bool envelope_decided(const struct envelope *envelope);

#endif

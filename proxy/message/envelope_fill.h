#ifndef PROXY_MESSAGE_ENVELOPE_FILL_H
#define PROXY_MESSAGE_ENVELOPE_FILL_H

#include "proxy/message/envelope.h"
#include "proxy/message/pointers_tree.h"
#include "proxy/message/unescape.h"

/* The envelope as those see it who fill it (skim) and keep it (splice). */
#define ENVELOPE_ARENA_FIRST 2048
#define ENVELOPE_ARENA_MAX   65536
#define ENVELOPE_COPY        64 /* bytes that are copied at once, needed or not */

/* 0, or -1 when out of memory; then envelope_done() is all that may follow. */
int envelope_init(struct envelope *envelope, const struct pointers *pointers);
void envelope_done(struct envelope *envelope);

/*
 * A value begins at node: what was read there and below before is void. If it is a slot's node, its
 * value, to be filled in.
 */
static inline struct envelope_value *envelope_make(
	struct envelope *envelope, const struct pointers_node *node)
{
	size_t i;

	for (i = 0; i < POINTERS_SLOTS_MAX / 64; i++)
		envelope->present[i] = (envelope->present[i] & node->others[i]) | node->own[i];
	return envelope->values + node->slot;
}

/* The same for a value without a text. */
static inline void envelope_enter(
	struct envelope *envelope, const struct pointers_node *node, enum json_type type)
{
	struct envelope_value *value = envelope_make(envelope, node);

	if (node->slot >= 0)
		*value = (struct envelope_value){.type = type, .text = ""};
}

/* An envelope begins: all slots are absent. */
static inline void envelope_begin(struct envelope *envelope)
{
	envelope->arena_used = 0;
	envelope_enter(envelope, &envelope->pointers->nodes[POINTERS_ROOT], JSON_OBJECT);
}

/*
 * The same for the value of a slot's node with the text bytes[0..size): a number, or a string
 * without a backslash.
 */
void envelope_put(struct envelope *envelope, int slot, enum json_type type, const uint8_t *bytes,
	size_t size);

/* envelope_put() at node for most values: readable is how many bytes may be looked at. */
static inline void envelope_put_quick(struct envelope *envelope, const struct pointers_node *node,
	enum json_type type, const uint8_t *bytes, size_t size, size_t readable)
{
	size_t used = envelope->arena_used;
	char *text = envelope->arena + used;

	if (size > ENVELOPE_COPY || size > envelope->pointers->slot_bytes_max[node->slot] ||
		readable < ENVELOPE_COPY || envelope->arena_size - used < ENVELOPE_COPY) {
		envelope_put(envelope, node->slot, type, bytes, size);
		return;
	}
	memcpy(text, bytes, ENVELOPE_COPY);
	envelope->arena_used = used + size;
	*envelope_make(envelope, node) =
		(struct envelope_value){.type = type, .text = text, .size = size, .length = size};
}

/*
 * The same in pieces: first, piece by piece, last. Strings are decoded, numbers taken as spelt.
 * What was there before stays until the last call.
 */
void envelope_text_begin(struct envelope *envelope);
void envelope_text_add(struct envelope *envelope, int slot, const uint8_t *piece, size_t size);
void envelope_text_end(struct envelope *envelope, int slot, enum json_type type);

/* Whether both id and method have been read, so that request or not is decided. */
bool envelope_decided(const struct envelope *envelope);

/* What it is by what has been read so far; envelope_kind() says the same from then on. */
enum envelope_kind envelope_judge(struct envelope *envelope);

#endif

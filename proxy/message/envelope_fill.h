#ifndef PROXY_MESSAGE_ENVELOPE_FILL_H
#define PROXY_MESSAGE_ENVELOPE_FILL_H

#include "proxy/message/envelope.h"
#include "proxy/message/pointers_tree.h"
#include "proxy/message/unescape.h"

/* The envelope as those see it who fill it (skim) and keep it (splice). */
#define ENVELOPE_ARENA_FIRST 2048
#define ENVELOPE_ARENA_MAX   65536

/* 0, or -1 when out of memory; then envelope_done() is all that may follow. */
int envelope_init(struct envelope *envelope, const struct pointers *pointers);
void envelope_done(struct envelope *envelope);

/*
 * A value begins at node: what was read there and below before is void. Its value, to be filled in.
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
	*envelope_make(envelope, node) = (struct envelope_value){.type = type, .text = ""};
}

/* Gives back the room of all texts since the mark: the values that they are of are void. */
static inline struct envelope_mark envelope_mark(const struct envelope *envelope)
{
	return (struct envelope_mark){envelope->arena_used, envelope->texts_size};
}

static inline void envelope_rewind(struct envelope *envelope, struct envelope_mark mark)
{
	size_t kept = envelope->kept_end;

	envelope->arena_used = mark.arena_used > kept ? mark.arena_used : kept;
	envelope->texts_size = mark.texts_size > kept ? mark.texts_size : kept;
}

/* An envelope begins: all slots are absent. */
static inline void envelope_begin(struct envelope *envelope)
{
	envelope->arena_used = 0;
	envelope->kept_end = 0;
	envelope->texts_size = 0;
	envelope->lent = false;
	envelope->carriers = 0;
	envelope->note = NULL;
	envelope_enter(envelope, &envelope->pointers->nodes[POINTERS_ROOT], JSON_OBJECT);
}

/*
 * The same for a value with the text bytes[0..size): a number, or a string
 * without a backslash. The bytes are copied.
 */
void envelope_put(struct envelope *envelope, const struct pointers_node *node, enum json_type type,
	const uint8_t *bytes, size_t size);

/*
 * The same, but the bytes are borrowed until the envelope ends or envelope_keep(). Of some texts
 * only the length is wanted: nothing of them is kept.
 */
static inline void envelope_lend(struct envelope *envelope, const struct pointers_node *node,
	enum json_type type, const uint8_t *bytes, size_t size)
{
	bool cut = size > node->bytes_max;
	size_t size_kept = cut ? 0 : size;
	size_t texts_size = envelope->texts_size + size_kept;
	struct envelope_value *value;

	if ((cut && node->bytes_max > 0) || texts_size > ENVELOPE_ARENA_MAX) {
		envelope_put(envelope, node, type, bytes, size);
		return;
	}
	envelope->texts_size = texts_size;
	envelope->lent = true;
	value = envelope_make(envelope, node);
	value->type = type; /* one by one: that takes fewer stores than a literal */
	value->cut = cut;
	value->text = (const char *)bytes;
	value->size = size_kept;
	value->length = size;
}

/* The message's bytes go away before the envelope ends: copies what they lent. */
void envelope_keep(struct envelope *envelope);

/*
 * The same in pieces, which are copied: first, piece by piece, last. Strings are decoded, numbers
 * taken as spelt. What was there before stays until the last call.
 */
void envelope_text_begin(struct envelope *envelope);
void envelope_text_add(struct envelope *envelope, const struct pointers_node *node,
	const uint8_t *piece, size_t size);
void envelope_text_end(
	struct envelope *envelope, const struct pointers_node *node, enum json_type type);

/* Whether both id and method have been read, so that request or not is decided. */
bool envelope_decided(const struct envelope *envelope);

/* Whether it has a method: it is a request or a notification, or would be with another id. */
static inline bool envelope_is_call(const struct envelope *envelope)
{
	return envelope_value(envelope, ENVELOPE_METHOD)->type == JSON_STRING;
}

/* What it is by what has been read so far; envelope_kind() says the same from then on. */
enum envelope_kind envelope_judge(struct envelope *envelope);

#endif

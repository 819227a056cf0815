/*
 * Two messages in a row that begin alike make an entry: as far as the last key whose value they do
 * not share. It is read once more up to there, alone, and kept as skim was then.
 *
 * Only what is simple is kept: objects, and texts that are in the message.
 */
#include "proxy/message/recall.h"

#include <assert.h>
#include <string.h>

#include "proxy/message/envelope_fill.h"
#include "proxy/message/skim_walk.h"

static uint64_t recall_word(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof word);
	return word;
}

/* By what beginnings of one size are told apart: they end with a key, and differ before it. */
static uint64_t recall_mark(const uint8_t *bytes, size_t size)
{
	const uint8_t *end = bytes + size;

	return recall_word(end - 24) + recall_word(end - 16) + recall_word(end - 8);
}

/* ---- what is known ---- */

static void recall_restore(
	const struct recall_entry *entry, struct skim *skim, const uint8_t *bytes)
{
	struct envelope *envelope = skim->envelope;
	size_t i;

	envelope_begin(envelope);
	memcpy(envelope->present, entry->present, sizeof entry->present);
	envelope->texts_size = entry->texts_size;
	envelope->lent = true;
	for (i = 0; i < entry->value_count; i++) {
		const struct recall_value *from = &entry->values[i];
		struct envelope_value *value = &envelope->values[from->slot];

		*value = from->value;
		if (value->text == NULL)
			value->text = (const char *)bytes + from->from;
	}
	skim->depth = entry->depth;
	skim->live_depth = entry->live_depth;
	for (i = 1; i <= entry->depth; i++) {
		skim->after[i] = SKIM_AFTER_MEMBER;
		skim->levels[i].node = entry->nodes[i];
	}
	skim->level = skim->levels + entry->live_depth;
	skim->state = SKIM_VALUE;
	skim->next = entry->next;
	skim->offset = entry->size;
}

size_t recall_begin(struct recall *recall, struct skim *skim, const uint8_t *bytes, size_t size)
{
	const struct recall_entry *entry;

	recall->known = true;
	for (entry = recall->entries; entry < recall->entries + RECALL_COUNT; entry++)
		if (entry->size > 0 && entry->size < size &&
			recall_mark(bytes, entry->size) == entry->mark &&
			memcmp(bytes, entry->bytes, entry->size) == 0) {
			recall_restore(entry, skim, bytes);
			return entry->size;
		}
	recall->known = false;
	return 0;
}

/* ---- what is learnt ---- */

/* How many of the bytes are the same as in the message before. */
static size_t recall_common(const struct recall *recall, const uint8_t *bytes, size_t size)
{
	size_t most = size < recall->former_size ? size : recall->former_size, same = 0;

	while (same < most && bytes[same] == recall->former[same])
		same++;
	return same;
}

/*
 * Where the value of the last key in that many bytes begins; 0: there is none. The quote before a
 * colon ends a string, and does not begin one, if a letter stands before it.
 */
static size_t recall_find_value(const uint8_t *bytes, size_t size)
{
	for (; size >= RECALL_BYTES_MIN; size--)
		if (bytes[size - 1] == ':' && bytes[size - 2] == '"' &&
			(bytes[size - 3] | 0x20) >= 'a' && (bytes[size - 3] | 0x20) <= 'z')
			return size;
	return 0;
}

/* Keeps the values that the envelope has. False: not all of them can be. */
static bool recall_keep_values(
	struct recall_entry *entry, const struct envelope *envelope, const uint8_t *bytes)
{
	size_t slot;

	memcpy(entry->present, envelope->present, sizeof entry->present);
	entry->texts_size = envelope->texts_size;
	entry->value_count = 0;
	for (slot = 0; slot < envelope->pointers->slots_count; slot++) {
		struct recall_value *kept = &entry->values[entry->value_count];
		uintptr_t from = (uintptr_t)envelope->values[slot].text - (uintptr_t)bytes;

		if ((envelope->present[slot / 64] >> (slot % 64) & 1) == 0)
			continue;
		if (entry->value_count++ == RECALL_VALUES_MAX)
			return false;
		*kept = (struct recall_value){
			.value = envelope->values[slot], .slot = (uint16_t)slot};
		if (kept->value.size == 0)
			continue;
		if (from >= entry->size)
			return false; /* it has a text of its own */
		kept->from = (uint16_t)from;
		kept->value.text = NULL;
	}
	return true;
}

/* Keeps where skim is. False: that is not simple. */
static bool recall_keep_place(struct recall_entry *entry, const struct skim *skim)
{
	size_t i;

	if (skim->state != SKIM_VALUE || skim->depth > RECALL_DEPTH_MAX ||
		skim->envelope_depth != 1 || skim->live_depth == 0)
		return false;
	entry->next = skim->next;
	entry->depth = (uint8_t)skim->depth;
	entry->live_depth = (uint8_t)skim->live_depth;
	for (i = 1; i <= skim->depth; i++) {
		if (skim->after[i] != SKIM_AFTER_MEMBER)
			return false;
		entry->nodes[i] = skim->levels[i].node;
	}
	return true;
}

/* Reads that many bytes, which are the beginning of JSON, and keeps what they say. */
static void recall_enter(
	struct recall_entry *entry, struct skim *skim, const uint8_t *bytes, size_t size)
{
	const uint8_t *at = bytes;

	entry->size = size;
	entry->mark = recall_mark(bytes, size);
	memcpy(entry->bytes, bytes, size); /* <= RECALL_BYTES_MAX */
	skim_begin(skim, SKIM_WATCH);
	if (skim_run(skim, &at, bytes + size) != SKIM_MORE || !recall_keep_place(entry, skim) ||
		!recall_keep_values(entry, skim->envelope, bytes))
		entry->size = 0;
}

void recall_learn(struct recall *recall, struct skim *skim, const uint8_t *bytes, size_t size)
{
	size_t common = recall_find_value(bytes, recall_common(recall, bytes, size));

	assert(!recall->known);
	if (common > 0) {
		recall_enter(&recall->entries[recall->turn], skim, bytes, common);
		recall->turn = (recall->turn + 1) % RECALL_COUNT;
	}
	recall->former_size = size < RECALL_BYTES_MAX ? size : RECALL_BYTES_MAX;
	memcpy(recall->former, bytes, recall->former_size);
}

/*
 * Copies of envelopes in a row: for each a head, the note, then every value that is there with its
 * text behind it, up to the next place where any object may stand. What all shelves have taken is
 * counted, so that many connections with a batch under way do not take more than a few.
 */
#include "proxy/message/shelf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/message/envelope_fill.h"

#define SHELF_BYTES_FIRST 4096

struct shelf_head {
	uint32_t carriers;
	uint16_t value_count;
	uint16_t note_size; /* 0: none */
	max_align_t note[];
};

struct shelf_value {
	uint64_t length;
	uint32_t size; /* <= ENVELOPE_ARENA_MAX */
	uint8_t slot, type;
	bool cut;
};

#define SHELF_ALIGN _Alignof(max_align_t)

/* The largest envelope that there can be. */
#define SHELF_ENVELOPE_MAX                                                                         \
	(sizeof(struct shelf_head) + ENVELOPE_NOTE_MAX +                                           \
		POINTERS_SLOTS_MAX * sizeof(struct shelf_value) + ENVELOPE_ARENA_MAX +             \
		SHELF_ALIGN)

_Static_assert(POINTERS_SLOTS_MAX <= UINT8_MAX, "a slot's number fits");

/* Bytes of all shelves; of the one thread that reads messages. */
static size_t shelves_bytes;

static size_t shelf_align(size_t size)
{
	return (size + SHELF_ALIGN - 1) / SHELF_ALIGN * SHELF_ALIGN;
}

bool shelf_has_room(const struct shelf *shelf)
{
	return shelf->used + SHELF_ENVELOPE_MAX <= SHELF_BYTES_MAX &&
	       shelves_bytes - shelf->size + SHELF_BYTES_MAX <= SHELVES_BYTES_MAX;
}

/* Room for size bytes more. */
static enum shelf_result shelf_reserve(struct shelf *shelf, size_t size)
{
	size_t grown = shelf->size > 0 ? shelf->size : SHELF_BYTES_FIRST;
	uint8_t *bytes;

	if (shelf->used + size <= shelf->size)
		return SHELF_KEPT;
	while (grown < shelf->used + size)
		grown *= 2;
	if (grown > SHELF_BYTES_MAX || shelves_bytes - shelf->size + grown > SHELVES_BYTES_MAX)
		return SHELF_FULL;
	bytes = realloc(shelf->bytes, grown);
	if (bytes == NULL)
		return SHELF_NO_MEMORY;
	assert(grown >= shelf->used + size && shelves_bytes >= shelf->size);
	shelves_bytes += grown - shelf->size;
	shelf->bytes = bytes;
	shelf->size = grown;
	return SHELF_KEPT;
}

static void shelf_write(struct shelf *shelf, const void *bytes, size_t size)
{
	if (size > 0)
		memcpy(shelf->bytes + shelf->used, bytes, size); /* as reserved */
	shelf->used += size;
}

/* How many bytes the envelope will take; head says what is there. */
static size_t shelf_measure(const struct envelope *envelope, struct shelf_head *head)
{
	size_t size = sizeof(struct shelf_head), slot;

	*head = (struct shelf_head){.carriers = envelope->carriers};
	if (envelope->note != NULL)
		head->note_size = (uint16_t)envelope->note_size;
	size += head->note_size;
	for (slot = 0; slot < envelope->pointers->slots_count; slot++) {
		const struct envelope_value *value = envelope_value(envelope, (int)slot);

		if (value->type == JSON_ABSENT)
			continue;
		head->value_count++;
		size += sizeof(struct shelf_value) + value->size;
	}
	return shelf_align(size);
}

enum shelf_result shelf_put(struct shelf *shelf, const struct envelope *envelope)
{
	struct shelf_head head;
	size_t size = shelf_measure(envelope, &head), end = shelf->used + size, slot;
	enum shelf_result result = shelf_reserve(shelf, size);

	if (result != SHELF_KEPT)
		return result;
	shelf_write(shelf, &head, sizeof head);
	shelf_write(shelf, envelope->note, head.note_size);
	for (slot = 0; slot < envelope->pointers->slots_count; slot++) {
		const struct envelope_value *value = envelope_value(envelope, (int)slot);
		struct shelf_value kept = {.length = value->length,
			.size = (uint32_t)value->size,
			.slot = (uint8_t)slot,
			.type = (uint8_t)value->type,
			.cut = value->cut};

		if (value->type == JSON_ABSENT)
			continue;
		shelf_write(shelf, &kept, sizeof kept);
		shelf_write(shelf, value->text, value->size);
	}
	shelf->used = end;
	return SHELF_KEPT;
}

/* The next size bytes; *at is moved behind them. */
static void shelf_read(const struct shelf *shelf, size_t *at, void *bytes, size_t size)
{
	memcpy(bytes, shelf->bytes + *at, size);
	*at += size;
}

bool shelf_take(const struct shelf *shelf, size_t *at, struct envelope *envelope)
{
	struct shelf_head head;
	struct shelf_value kept;
	uint16_t i;

	if (*at == shelf->used)
		return false;
	envelope_begin(envelope);
	shelf_read(shelf, at, &head, sizeof head);
	envelope->carriers = head.carriers;
	if (head.note_size > 0)
		envelope_set_note(envelope, shelf->bytes + *at, head.note_size);
	*at += head.note_size;
	for (i = 0; i < head.value_count; i++) {
		shelf_read(shelf, at, &kept, sizeof kept);
		envelope->present[kept.slot / 64] |= UINT64_C(1) << (kept.slot % 64);
		envelope->values[kept.slot] = (struct envelope_value){
			.type = (enum json_type)kept.type,
			.cut = kept.cut,
			.text = (const char *)shelf->bytes + *at,
			.size = kept.size,
			.length = (size_t)kept.length,
		};
		*at += kept.size;
	}
	*at = shelf_align(*at);
	return true;
}

void shelf_clear(struct shelf *shelf)
{
	shelves_bytes -= shelf->size;
	free(shelf->bytes);
	*shelf = (struct shelf){.bytes = NULL};
}

#ifndef TESTS_UNIT_RECORD_H
#define TESTS_UNIT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/side/side.h"

/*
 * What a decoder said about a stream, written down so that it does not depend on how the input was
 * cut. A text of tokens:
 *
 *	F text first last masked size[8] key[4]		a frame begins (key zero when not masked)
 *	( and )						a message begins, is complete
 *	. byte						a byte of payload
 *	C opcode size bytes				a control frame
 *	_ byte						a byte between messages
 *	X goodbye offset[8] reason 0			the framing is broken
 *
 * Where frames is false (lines, whose frames are pieces), no F is written.
 */
struct record {
	uint8_t *bytes; /* owned */
	size_t size;
	size_t room;
	bool frames;
	bool open; /* between ( and ) */
};

static inline void record_init(struct record *record, bool frames)
{
	*record = (struct record){.frames = frames};
}

static inline void record_done(struct record *record)
{
	free(record->bytes);
}

static inline bool record_equal(const struct record *record, const struct record *other)
{
	return record->size == other->size &&
	       (record->size == 0 || memcmp(record->bytes, other->bytes, record->size) == 0);
}

static inline void record_add(struct record *record, const void *bytes, size_t size)
{
	if (record->room - record->size < size) {
		record->room = 2 * (record->room + size);
		record->bytes = realloc(record->bytes, record->room);
		if (record->bytes == NULL)
			abort();
	}
	if (size > 0)
		memcpy(record->bytes + record->size, bytes, size);
	record->size += size;
}

static inline void record_byte(struct record *record, uint8_t byte)
{
	record_add(record, &byte, 1);
}

static inline void record_number(struct record *record, uint64_t number, size_t size)
{
	while (size-- > 0)
		record_byte(record, (uint8_t)(number >> 8 * size));
}

static inline void record_frame(struct record *record, const struct side_frame *frame)
{
	static const uint8_t none[4];

	record_byte(record, 'F');
	record_byte(record, frame->text);
	record_byte(record, frame->first);
	record_byte(record, frame->last);
	record_byte(record, frame->masked);
	record_number(record, frame->size, 8);
	record_add(record, frame->masked ? frame->mask_key : none, 4);
}

/* Chunks of a message must say its beginning once and its end once: else the process ends. */
static inline void record_data(struct record *record, const struct side_chunk *chunk)
{
	size_t i;

	if (chunk->first == record->open)
		abort();
	if (record->frames && chunk->frame_first)
		record_frame(record, &chunk->frame);
	if (chunk->first)
		record_byte(record, '(');
	for (i = 0; i < chunk->size; i++) {
		record_byte(record, '.');
		record_byte(record, chunk->bytes[i]);
	}
	if (chunk->last)
		record_byte(record, ')');
	record->open = !chunk->last;
}

static inline void record_control(struct record *record, const struct side_chunk *chunk)
{
	record_byte(record, 'C');
	record_byte(record, (uint8_t)(8 + chunk->control));
	record_byte(record, (uint8_t)chunk->size);
	record_add(record, chunk->bytes, chunk->size);
}

static inline void record_error(struct record *record, const struct side_error *error)
{
	record_byte(record, 'X');
	record_byte(record, (uint8_t)error->goodbye);
	record_number(record, error->offset, 8);
	record_add(record, error->reason, strlen(error->reason) + 1);
}

/* Feeds one piece of the stream, which is changed. False once the framing is broken. */
static inline bool record_feed(
	struct record *record, struct side_decoder *decoder, uint8_t *bytes, size_t size)
{
	struct side_chunk chunk;

	for (;;) {
		switch (decoder->ops->next(decoder, &bytes, &size, &chunk)) {
		case SIDE_MORE:
			if (size > 0)
				abort();
			return true;
		case SIDE_DATA:
			record_data(record, &chunk);
			break;
		case SIDE_CONTROL:
			record_control(record, &chunk);
			break;
		case SIDE_BETWEEN:
			for (; chunk.size > 0; chunk.size--) {
				record_byte(record, '_');
				record_byte(record, *chunk.bytes++);
			}
			break;
		case SIDE_OTHER: /* only where nobody knows */
			abort();
		case SIDE_BAD:
			record_error(record, &decoder->error);
			return false;
		}
	}
}

#endif

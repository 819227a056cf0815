/*
 * Lines of JSON, as long as nobody knows for sure. Where a line begins as a head of the Language
 * Server Protocol does, or the stream as HTTP/2, those are told; all else is lines, as line.c reads
 * them. What may still become one of these is kept back, which is no more than its first word, and
 * the first byte of JSON settles it. The owner takes side_line in place of this one when it has
 * heard a message.
 */
#include <assert.h>
#include <string.h>

#include "proxy/side/side.h"

#define GUESS_WORD_MAX 16

/* How those begin. */
static const struct {
	const char *word;
	bool any_case;
	bool first;                  /* nothing stands before it in the stream */
	const struct side_ops *side; /* NULL: none that is known here */
} guess_rows[] = {
	{"content-length:", true, false, &side_length},
	{"content-type:", true, false, &side_length},
	{"PRI * HTTP/2.0\r\n", false, true, NULL},
};

#define GUESS_ROWS (sizeof guess_rows / sizeof guess_rows[0])

/* Between two calls. */
struct guess_decoder {
	uint8_t size; /* of what is kept back */
	uint8_t kept[GUESS_WORD_MAX];
};

_Static_assert(sizeof(struct guess_decoder) <= SIDE_DECODER_ROOM, "there is room for it");

static bool guess_is(const char *word, bool any_case, const uint8_t *bytes, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		uint8_t byte = bytes[i];

		if (any_case && byte >= 'A' && byte <= 'Z')
			byte |= 0x20;
		if ((char)byte != word[i])
			return false;
	}
	return true;
}

/* The row whose word these bytes are, or begin; GUESS_ROWS: they begin none. */
static size_t guess_find(const uint8_t *bytes, size_t size, bool first)
{
	size_t i;

	for (i = 0; i < GUESS_ROWS; i++)
		if ((first || !guess_rows[i].first) && size <= strlen(guess_rows[i].word) &&
			guess_is(guess_rows[i].word, guess_rows[i].any_case, bytes, size))
			break;
	return i;
}

/* At the beginning of a line. SIDE_DATA: it is settled that this is a line. */
static enum side_result guess_begin(
	struct side_decoder *decoder, uint8_t **bytes, size_t *size, struct side_chunk *chunk)
{
	struct guess_decoder *own = (struct guess_decoder *)decoder->room;
	size_t row = GUESS_ROWS, used = 0, kept = own->size;

	for (; used < *size; used++) {
		own->kept[own->size] = (*bytes)[used];
		row = guess_find(own->kept, own->size + 1u, decoder->offset == 0);
		if (row == GUESS_ROWS)
			break;
		own->size++;
		if (guess_rows[row].word[own->size] == '\0')
			break;
	}
	if (row == GUESS_ROWS && used < *size) {
		own->size = (uint8_t)kept; /* the rest is where it was */
		return SIDE_DATA;
	}
	*bytes += used;
	*size -= used;
	if (row == GUESS_ROWS || guess_rows[row].word[own->size] != '\0')
		return SIDE_MORE;
	++*bytes;
	--*size;
	*chunk = (struct side_chunk){
		.bytes = own->kept, .size = own->size, .other = guess_rows[row].side};
	return SIDE_OTHER;
}

/* What is kept back comes out as the beginning of a line. */
static void guess_give(struct side_decoder *decoder, struct side_chunk *chunk)
{
	struct guess_decoder *own = (struct guess_decoder *)decoder->room;

	*chunk = (struct side_chunk){
		.bytes = own->kept,
		.size = own->size,
		.first = true,
		.frame_first = true,
		.frame = {.text = true, .first = true, .size = own->size},
		.wire = own->kept,
		.wire_size = own->size,
	};
	decoder->in_message = true;
	decoder->offset += own->size;
	own->size = 0;
}

static enum side_result guess_next(
	struct side_decoder *decoder, uint8_t **bytes, size_t *size, struct side_chunk *chunk)
{
	struct guess_decoder *own = (struct guess_decoder *)decoder->room;
	enum side_result result;

	if (*size == 0)
		return SIDE_MORE;
	if (!decoder->in_message) {
		result = guess_begin(decoder, bytes, size, chunk);
		if (result != SIDE_DATA)
			return result;
		if (own->size > 0) {
			guess_give(decoder, chunk);
			return SIDE_DATA;
		}
	}
	return side_line.next(decoder, bytes, size, chunk);
}

static bool guess_rest(struct side_decoder *decoder, struct side_chunk *chunk)
{
	struct guess_decoder *own = (struct guess_decoder *)decoder->room;

	if (own->size == 0)
		return false;
	guess_give(decoder, chunk);
	return true;
}

static bool guess_finish(struct side_decoder *decoder)
{
	return decoder->in_message;
}

const struct side_ops side_guess = {
	.name = "lines",
	.traits = SIDE_HALF_CLOSES | SIDE_FREE_TEXT,
	.writes = &side_line,
	.next = guess_next,
	.rest = guess_rest,
	.finish = guess_finish,
};

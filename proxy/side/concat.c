/*
 * JSON texts one after the other, with nothing between them, or blanks: OVSDB and other
 * JSON-RPC 1.0.
 *
 * A message is an object or an array, up to the bracket that closes it. Only strings and brackets
 * are looked at: whether a message is JSON is for others to say, and a wrong kind of bracket
 * changes nothing about where it ends. Blanks between messages pass as they come. Anything else
 * there breaks the stream, since it cannot be known where that ends. So does the end of the stream
 * in a message.
 */
#include <string.h>

#include "proxy/side/side.h"

/* Between two calls. */
struct concat_decoder {
	uint64_t depth; /* of brackets that are open */
	bool in_string;
	bool escaped; /* the next byte belongs to a backslash */
	bool failed;
};

_Static_assert(sizeof(struct concat_decoder) <= SIDE_DECODER_ROOM, "there is room for it");

static bool concat_is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* The end of what is inside a string: its quote, or the end of the input. */
static const uint8_t *concat_skip_string(
	struct concat_decoder *own, const uint8_t *at, const uint8_t *end)
{
	for (; at < end; at++) {
		if (own->escaped)
			own->escaped = false;
		else if (*at == '\\')
			own->escaped = true;
		else if (*at == '"')
			break;
	}
	own->in_string = at == end;
	return at < end ? at + 1 : end;
}

/* Where the message ends, or the end of the input. */
static const uint8_t *concat_scan(struct concat_decoder *own, const uint8_t *at, const uint8_t *end)
{
	while (at < end) {
		uint8_t byte;

		if (own->in_string) {
			at = concat_skip_string(own, at, end);
			continue;
		}
		byte = *at++;
		if (byte == '"')
			own->in_string = true;
		else if (byte == '{' || byte == '[')
			own->depth++;
		else if ((byte == '}' || byte == ']') && --own->depth == 0)
			break;
	}
	return at;
}

static enum side_result concat_next(
	struct side_decoder *decoder, uint8_t **bytes, size_t *size, struct side_chunk *chunk)
{
	struct concat_decoder *own = (struct concat_decoder *)decoder->room;
	size_t piece = 0;

	if (own->failed)
		return SIDE_BAD;
	if (*size == 0)
		return SIDE_MORE;
	*chunk = (struct side_chunk){.bytes = *bytes, .first = !decoder->in_message};
	if (chunk->first) {
		while (piece < *size && concat_is_blank((*bytes)[piece]))
			piece++;
		if (piece == 0 && **bytes != '{' && **bytes != '[') {
			own->failed = true;
			decoder->error = (struct side_error){
				.goodbye = SIDE_BROKEN,
				.reason = "neither an object nor an array",
				.offset = decoder->offset,
			};
			return SIDE_BAD;
		}
	}
	chunk->size = piece;
	if (piece == 0) {
		chunk->size = (size_t)(concat_scan(own, *bytes, *bytes + *size) - *bytes);
		chunk->last = own->depth == 0;
		chunk->frame_first = true;
		chunk->frame = (struct side_frame){.text = true,
			.first = chunk->first,
			.last = chunk->last,
			.size = chunk->size};
		chunk->wire = *bytes;
		chunk->wire_size = chunk->size;
		decoder->in_message = !chunk->last;
	}
	decoder->offset += chunk->size;
	*bytes += chunk->size;
	*size -= chunk->size;
	return piece > 0 ? SIDE_BETWEEN : SIDE_DATA;
}

static bool concat_finish(struct side_decoder *decoder)
{
	(void)decoder;
	return false;
}

static void concat_begin(
	struct side_encoder *encoder, struct sink *sink, const struct side_frame *frame)
{
	(void)encoder;
	(void)sink;
	(void)frame;
}

static void concat_data(
	struct side_encoder *encoder, struct sink *sink, const uint8_t *bytes, size_t size)
{
	(void)encoder;
	sink_write(sink, bytes, size);
}

/* What another side calls a message may be a number, whose end must be seen. */
static void concat_end(struct side_encoder *encoder, struct sink *sink, bool terminated)
{
	if (!terminated || !encoder->foreign)
		return;
	*sink_reserve(sink, 1) = '\n';
	sink_commit(sink, 1);
}

const struct side_ops side_concat = {
	.name = "concatenated JSON",
	.traits = SIDE_HALF_CLOSES,
	.next = concat_next,
	.finish = concat_finish,
	.begin = concat_begin,
	.data = concat_data,
	.end = concat_end,
};

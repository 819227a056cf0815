/*
 * Newline-delimited JSON: a message is what stands before '\n'; a '\r' before it belongs to the
 * message, so that the line leaves as it came. There is nothing to keep between two pieces but
 * whether a line is open, and nothing a peer can do wrong. The end of the stream completes a last
 * line that has no newline.
 */
#include <string.h>

#include "proxy/side/side.h"

static enum side_result line_next(
	struct side_decoder *decoder, uint8_t **bytes, size_t *size, struct side_chunk *chunk)
{
	const uint8_t *newline;
	size_t piece, used;

	if (*size == 0)
		return SIDE_MORE;
	newline = memchr(*bytes, '\n', *size);
	piece = newline != NULL ? (size_t)(newline - *bytes) : *size;
	used = newline != NULL ? piece + 1 : piece;
	*chunk = (struct side_chunk){
		.bytes = *bytes,
		.size = piece,
		.first = !decoder->in_message,
		.last = newline != NULL,
		.frame_first = true,
		.frame =
			{
				.text = true,
				.first = !decoder->in_message,
				.last = newline != NULL,
				.size = piece,
			},
		.wire = *bytes,
		.wire_size = used,
	};
	decoder->in_message = newline == NULL;
	decoder->offset += used;
	*bytes += used;
	*size -= used;
	return SIDE_DATA;
}

static bool line_finish(struct side_decoder *decoder)
{
	return decoder->in_message;
}

static void line_begin(
	struct side_encoder *encoder, struct sink *sink, const struct side_frame *frame)
{
	(void)encoder;
	(void)sink;
	(void)frame;
}

static void line_blank(uint8_t *bytes, size_t size, uint8_t what)
{
	uint8_t *end = bytes + size;

	while ((bytes = memchr(bytes, what, (size_t)(end - bytes))) != NULL)
		*bytes++ = ' ';
}

/*
 * In a message that another framing carried, line ends stand between JSON tokens (in strings they
 * are escaped: RFC 8259, section 7), where a blank means the same.
 */
static void line_data_foreign(struct sink *sink, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		uint8_t *place = sink_reserve(sink, 1);
		size_t room = sink->size - sink->used;
		size_t piece = size < room ? size : room;

		memcpy(place, bytes, piece);
		line_blank(place, piece, '\n');
		line_blank(place, piece, '\r');
		sink_commit(sink, piece);
		bytes += piece;
		size -= piece;
	}
}

static void line_data(
	struct side_encoder *encoder, struct sink *sink, const uint8_t *bytes, size_t size)
{
	if (encoder->foreign)
		line_data_foreign(sink, bytes, size);
	else
		sink_write(sink, bytes, size);
}

static void line_end(struct side_encoder *encoder, struct sink *sink, bool terminated)
{
	(void)encoder;
	if (!terminated)
		return;
	*sink_reserve(sink, 1) = '\n';
	sink_commit(sink, 1);
}

const struct side_ops side_line = {
	.name = "lines",
	.traits = SIDE_HALF_CLOSES | SIDE_FREE_TEXT,
	.next = line_next,
	.finish = line_finish,
	.begin = line_begin,
	.data = line_data,
	.end = line_end,
};

/*
 * Messages behind a head, as the base protocol of the Language Server Protocol has them (3.17):
 * lines of fields, among them Content-Length, a blank line, then that many bytes.
 *
 * Decoding: of a head nothing is kept but what it has said so far, however it is cut. Fields may
 * come in any order and case, with or without the CR; Content-Type may name no other charset than
 * UTF-8, and what else there is does not matter. A head that leaves the size in doubt breaks the
 * stream, since nobody knows where the next one would begin. The body passes as it comes.
 *
 * Encoding: "Content-Length: SIZE" is all that stands in our heads, so that both peers mean the
 * same by every byte, whatever the other one wrote.
 */
#include <assert.h>
#include <string.h>

#include "proxy/side/side.h"

#define LENGTH_HEAD_MAX    4096 /* bytes of a head */
#define LENGTH_DIGITS_MAX  19
#define LENGTH_TEXT_MAX    48 /* of a head of ours */
#define LENGTH_CHARSET_MAX 8

enum length_state {
	LENGTH_NAME,  /* of a field, or the blank line */
	LENGTH_VALUE, /* of the field */
	LENGTH_LF,    /* must follow: a CR ends the line, */
	LENGTH_LAST,  /* or the head */
	LENGTH_BODY,
	LENGTH_FAILED,
};

enum length_field { LENGTH_SIZE, LENGTH_TYPE, LENGTH_FIELDS };

static const char *const length_names[] = {
	[LENGTH_SIZE] = "content-length",
	[LENGTH_TYPE] = "content-type",
};

static const char length_begin_text[] = "Content-Length: ";
static const char length_charset[] = "charset=";

/* Between two calls. */
struct length_decoder {
	uint8_t state;     /* enum length_state */
	uint8_t others;    /* bits of enum length_field: what the name is not */
	uint8_t field;     /* enum length_field; of the value */
	uint8_t name_size; /* no more than counts */
	uint8_t digits;    /* of Content-Length */
	bool value_ended;  /* of Content-Length: blanks have followed its digits */
	bool has_size;     /* there was one */
	uint8_t matched;   /* of "charset=" */
	uint8_t charset_size;
	char charset[LENGTH_CHARSET_MAX];
	uint16_t head_size; /* so far */
	uint64_t size;
};

_Static_assert(sizeof(struct length_decoder) <= SIDE_DECODER_ROOM, "there is room for it");

static struct length_decoder *length_reads(struct side_decoder *decoder)
{
	return (struct length_decoder *)decoder->room;
}

static enum side_result length_fail(struct side_decoder *decoder, const char *reason)
{
	length_reads(decoder)->state = LENGTH_FAILED;
	decoder->error = (struct side_error){
		.goodbye = SIDE_BROKEN, .reason = reason, .offset = decoder->offset};
	return SIDE_BAD;
}

/* ---- heads, byte by byte: what is wrong, or NULL ---- */

static uint8_t length_lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte - 'A' + 'a') : byte;
}

static bool length_is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

/* RFC 9110, 5.6.2: what a name may consist of. */
static bool length_is_token(uint8_t byte)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= 'a' && byte <= 'z') || (byte != '\0' && strchr(others, byte) != NULL);
}

static const char *length_end_line(struct length_decoder *own)
{
	static const char *const utf8[] = {"", "utf-8", "utf8"};
	size_t i;

	own->state = LENGTH_NAME;
	own->name_size = own->others = 0;
	if (own->field == LENGTH_SIZE) {
		own->has_size = true;
		return own->digits > 0 ? NULL : "Content-Length has no number";
	}
	for (i = 0; i < sizeof utf8 / sizeof utf8[0]; i++)
		if (own->charset_size == strlen(utf8[i]) &&
			memcmp(own->charset, utf8[i], own->charset_size) == 0)
			return NULL;
	return "the charset of Content-Type is not UTF-8";
}

static const char *length_end_head(struct length_decoder *own)
{
	own->state = LENGTH_BODY;
	return own->has_size ? NULL : "a head without Content-Length";
}

static const char *length_name(struct length_decoder *own, uint8_t byte)
{
	size_t i;

	if (byte == ':') {
		own->state = LENGTH_VALUE;
		own->value_ended = false;
		own->matched = own->charset_size = 0;
		own->field = LENGTH_FIELDS;
		for (i = 0; i < LENGTH_FIELDS; i++)
			if ((own->others & 1u << i) == 0 && length_names[i][own->name_size] == '\0')
				own->field = (uint8_t)i;
		if (own->field == LENGTH_SIZE && own->has_size)
			return "more than one Content-Length";
		return own->name_size > 0 ? NULL : "a field without a name";
	}
	if (byte == '\r' && own->name_size == 0) {
		own->state = LENGTH_LAST;
		return NULL;
	}
	if (byte == '\n' && own->name_size == 0)
		return length_end_head(own);
	if (!length_is_token(byte))
		return "something else in place of a head";
	for (i = 0; i < LENGTH_FIELDS; i++)
		if (own->name_size >= strlen(length_names[i]) ||
			length_names[i][own->name_size] != (char)length_lower(byte))
			own->others = (uint8_t)(own->others | 1u << i);
	if (own->name_size < UINT8_MAX)
		own->name_size++;
	return NULL;
}

static const char *length_digit(struct length_decoder *own, uint8_t byte)
{
	if (length_is_blank(byte)) {
		own->value_ended = own->digits > 0;
		return NULL;
	}
	if (byte < '0' || byte > '9' || own->value_ended)
		return "Content-Length is not a number";
	if (own->digits == 0 || own->size > 0)
		own->digits++; /* leading zeros are none */
	if (own->digits == LENGTH_DIGITS_MAX)
		return "Content-Length is too large";
	own->size = own->size * 10 + (uint64_t)(byte - '0');
	return NULL;
}

/* Of Content-Type only the charset counts, wherever it stands. */
static void length_type(struct length_decoder *own, uint8_t byte)
{
	byte = length_lower(byte);
	if (own->matched == sizeof length_charset - 1) {
		if (byte == ';')
			own->matched++;
		else if (byte != '"' && !length_is_blank(byte) &&
			 own->charset_size < LENGTH_CHARSET_MAX)
			own->charset[own->charset_size++] = (char)byte;
	} else if (own->matched < sizeof length_charset - 1) {
		if ((char)byte != length_charset[own->matched])
			own->matched = 0;
		if ((char)byte == length_charset[own->matched])
			own->matched++;
	}
}

static const char *length_value(struct length_decoder *own, uint8_t byte)
{
	if (byte == '\r') {
		own->state = LENGTH_LF;
		return NULL;
	}
	if (byte == '\n')
		return length_end_line(own);
	if (own->field == LENGTH_SIZE)
		return length_digit(own, byte);
	if (own->field == LENGTH_TYPE)
		length_type(own, byte);
	return NULL;
}

static const char *length_byte(struct length_decoder *own, uint8_t byte)
{
	switch ((enum length_state)own->state) {
	case LENGTH_NAME:
		return length_name(own, byte);
	case LENGTH_VALUE:
		return length_value(own, byte);
	case LENGTH_LF:
		return byte == '\n' ? length_end_line(own) : "a CR without its LF";
	case LENGTH_LAST:
		return byte == '\n' ? length_end_head(own) : "a CR without its LF";
	case LENGTH_BODY:
	case LENGTH_FAILED:
		break;
	}
	return "";
}

/* ---- decoding ---- */

/* Writes a head of ours; returns its size. */
static size_t length_write(uint8_t text[LENGTH_TEXT_MAX], uint64_t size)
{
	uint8_t digits[20];
	size_t count = 0, at = sizeof length_begin_text - 1;

	do
		digits[count++] = (uint8_t)('0' + size % 10);
	while ((size /= 10) > 0);
	memcpy(text, length_begin_text, at);
	while (count > 0)
		text[at++] = digits[--count];
	memcpy(text + at, "\r\n\r\n", 4);
	return at + 4;
}

/* A head is complete. */
static void length_body(struct side_decoder *decoder, size_t head_size, uint64_t size)
{
	length_reads(decoder)->state = LENGTH_BODY;
	decoder->offset += head_size;
	decoder->in_message = true;
	decoder->frame =
		(struct side_frame){.text = true, .first = true, .last = true, .size = size};
	decoder->frame_left = size;
}

/* The size of a head that stands there whole, just as we would write it; else 0. */
static size_t length_ours(struct side_decoder *decoder, const uint8_t *bytes, size_t size)
{
	size_t at = sizeof length_begin_text - 1, first = at;
	uint64_t number = 0;

	if (length_reads(decoder)->head_size > 0 || size < at + 5 ||
		memcmp(bytes, length_begin_text, at) != 0)
		return 0;
	for (; at < size && at - first < LENGTH_DIGITS_MAX - 1; at++) {
		if (bytes[at] < '0' || bytes[at] > '9')
			break;
		number = number * 10 + (uint64_t)(bytes[at] - '0');
	}
	if (at == first || (bytes[first] == '0' && at > first + 1) || size - at < 4 ||
		memcmp(bytes + at, "\r\n\r\n", 4) != 0)
		return 0;
	length_body(decoder, at + 4, number);
	return at + 4;
}

/* Reads on in a head. SIDE_DATA: it is complete. */
static enum side_result length_head_next(
	struct side_decoder *decoder, uint8_t **bytes, size_t *size)
{
	struct length_decoder *own = length_reads(decoder);
	const char *fault;

	for (; *size > 0; (*bytes)++, (*size)--) {
		fault = ++own->head_size > LENGTH_HEAD_MAX ? "the head is too long"
							   : length_byte(own, **bytes);
		if (fault != NULL)
			return length_fail(decoder, fault);
		if (own->state != LENGTH_BODY)
			continue;
		(*bytes)++;
		(*size)--;
		length_body(decoder, own->head_size, own->size);
		return SIDE_DATA;
	}
	return SIDE_MORE;
}

static enum side_result length_next(
	struct side_decoder *decoder, uint8_t **bytes, size_t *size, struct side_chunk *chunk)
{
	struct length_decoder *own = length_reads(decoder);
	size_t head_size = 0, piece;
	enum side_result result;

	if (own->state == LENGTH_FAILED)
		return SIDE_BAD;
	if (own->state != LENGTH_BODY) {
		head_size = length_ours(decoder, *bytes, *size);
		*bytes += head_size;
		*size -= head_size;
		result = head_size > 0 ? SIDE_DATA : length_head_next(decoder, bytes, size);
		if (result != SIDE_DATA)
			return result;
	}
	piece = decoder->frame_left < *size ? (size_t)decoder->frame_left : *size;
	if (piece == 0 && decoder->frame_left > 0)
		return SIDE_MORE;
	chunk->bytes = *bytes;
	chunk->size = piece;
	chunk->first = chunk->frame_first = decoder->frame_left == decoder->frame.size;
	chunk->last = piece == decoder->frame_left;
	chunk->frame = decoder->frame;
	chunk->wire = chunk->first && head_size == 0 ? NULL : *bytes - head_size;
	chunk->wire_size = head_size + piece;
	decoder->offset += piece;
	decoder->frame_left -= piece;
	*bytes += piece;
	*size -= piece;
	if (chunk->last) {
		decoder->in_message = false;
		*own = (struct length_decoder){.state = LENGTH_NAME};
	}
	return SIDE_DATA;
}

/* A head says the size: a message that lacks bytes at the end of the stream is cut off. */
static bool length_finish(struct side_decoder *decoder)
{
	(void)decoder;
	return false;
}

/* ---- encoding ---- */

static void length_begin(
	struct side_encoder *encoder, struct sink *sink, const struct side_frame *frame)
{
	(void)encoder;
	if (frame->first)
		sink_commit(sink, length_write(sink_reserve(sink, LENGTH_TEXT_MAX), frame->size));
}

static void length_data(
	struct side_encoder *encoder, struct sink *sink, const uint8_t *bytes, size_t size)
{
	(void)encoder;
	sink_write(sink, bytes, size);
}

/* Its size has said where it ends. */
static void length_end(struct side_encoder *encoder, struct sink *sink, bool terminated)
{
	(void)encoder;
	(void)sink;
	(void)terminated;
}

const struct side_ops side_length = {
	.name = "Content-Length",
	.traits = SIDE_HALF_CLOSES | SIDE_SIZE_FIRST | SIDE_ONE_FRAME,
	.next = length_next,
	.finish = length_finish,
	.begin = length_begin,
	.data = length_data,
	.end = length_end,
};

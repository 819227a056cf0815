/*
 * WebSocket frames (RFC 6455, section 5), without extensions.
 *
 * Decoding: a header, checked whole before anything of the frame is given out; then a data frame's
 * payload piece by piece as it arrives, unmasked where it lies, or a control frame's payload when
 * it is complete. Only a header or a control payload that the input cuts is kept. A broken rule
 * fails the stream with 1002, text that is not UTF-8 with 1007, at the first wrong byte: what came
 * before it has been given out, however the input was cut. After a close frame the rest is thrown
 * away.
 *
 * Encoding: a header that announces the frame, then its payload. In the role of the client both
 * data and control frames are masked.
 */
#include <assert.h>
#include <string.h>

#include "proxy/side/side.h"
#include "proxy/side/handshake.h"
#include "proxy/side/mask.h"
#include "w3c/ids.h"
#include "w3c/utf8.h"

#define WEBSOCKET_FIN         0x80
#define WEBSOCKET_RSV         0x70
#define WEBSOCKET_OPCODE      0x0f
#define WEBSOCKET_MASK        0x80
#define WEBSOCKET_SIZE        0x7f
#define WEBSOCKET_SIZE_16     126
#define WEBSOCKET_SIZE_64     127
#define WEBSOCKET_HEAD_MIN    2
#define WEBSOCKET_HEAD_MAX    14
#define WEBSOCKET_CONTROL_MAX 125

enum websocket_opcode {
	WEBSOCKET_CONTINUATION = 0,
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8, /* from here on as enum side_control */
	WEBSOCKET_PONG = 10,
};

enum websocket_state {
	WEBSOCKET_HEAD, /* between frames, or inside a header */
	WEBSOCKET_PAYLOAD,
	WEBSOCKET_CONTROL,
	WEBSOCKET_CLOSED,
	WEBSOCKET_FAILED,
};

/* Between two calls. */
struct websocket_decoder {
	uint8_t state;                          /* enum websocket_state */
	uint8_t opcode;                         /* of the control frame being read */
	uint8_t head_size;                      /* bytes of head[] filled */
	uint8_t control_size;                   /* bytes of control[] filled */
	uint8_t utf8_state;                     /* of a text message */
	uint8_t head[WEBSOCKET_HEAD_MAX];       /* cut by the end of the input */
	uint8_t control[WEBSOCKET_CONTROL_MAX]; /* the same: a control frame's payload */
};

/* Of the frame being written. */
struct websocket_encoder {
	bool masked;
	uint8_t mask_key[4];
	uint32_t mask_phase;
};

_Static_assert(sizeof(struct websocket_decoder) <= SIDE_DECODER_ROOM, "there is room for it");
_Static_assert(sizeof(struct websocket_encoder) <= SIDE_ENCODER_ROOM, "there is room for it");
_Static_assert(WEBSOCKET_CLOSE + SIDE_PONG == WEBSOCKET_PONG, "opcodes are made from controls");

static struct websocket_decoder *websocket_reads(struct side_decoder *decoder)
{
	return (struct websocket_decoder *)decoder->room;
}

static struct websocket_encoder *websocket_writes(struct side_encoder *encoder)
{
	return (struct websocket_encoder *)encoder->room;
}

/* RFC 6455, 7.4.1; the last one is IANA's, for bad gateways. */
static const uint16_t websocket_goodbyes[] = {
	[SIDE_DONE] = 1000,
	[SIDE_GOING] = 1001,
	[SIDE_BROKEN] = 1002,
	[SIDE_NOT_TEXT] = 1007,
	[SIDE_FAILED] = 1011,
	[SIDE_BAD_GATEWAY] = 1014,
};

/* RFC 6455, 7.4, and the IANA registry: codes that may stand in a close frame. */
static const struct {
	unsigned from, to;
} websocket_close_codes[] = {
	{1000, 1003},
	{1007, 1014},
	{3000, 4999},
};

static enum side_result websocket_fail(struct side_decoder *decoder, enum side_goodbye goodbye,
	const char *reason, uint64_t offset)
{
	struct websocket_decoder *own = websocket_reads(decoder);

	own->state = WEBSOCKET_FAILED;
	decoder->error =
		(struct side_error){.goodbye = goodbye, .reason = reason, .offset = offset};
	return SIDE_BAD;
}

/* What is wrong with the first two bytes of a frame, or NULL. */
static const char *websocket_head_fault(const struct side_decoder *decoder, const uint8_t *head)
{
	bool masked = head[1] & WEBSOCKET_MASK;
	unsigned opcode = head[0] & WEBSOCKET_OPCODE;

	if (head[0] & WEBSOCKET_RSV)
		return "reserved bit set";
	if (masked != (decoder->role == SIDE_FROM_CLIENT))
		return masked ? "masked frame from the server" : "unmasked frame from the client";
	if (opcode >= WEBSOCKET_CLOSE) {
		if (opcode > WEBSOCKET_PONG)
			return "unknown control opcode";
		if (!(head[0] & WEBSOCKET_FIN))
			return "fragmented control frame";
		if ((head[1] & WEBSOCKET_SIZE) > WEBSOCKET_CONTROL_MAX)
			return "control frame over 125 bytes";
		return NULL;
	}
	if (opcode > WEBSOCKET_BINARY)
		return "unknown data opcode";
	if (opcode == WEBSOCKET_CONTINUATION && !decoder->in_message)
		return "continuation of no message";
	if (opcode != WEBSOCKET_CONTINUATION && decoder->in_message)
		return "new message inside a fragmented one";
	return NULL;
}

static size_t websocket_head_size(const uint8_t *head)
{
	size_t size = WEBSOCKET_HEAD_MIN + ((head[1] & WEBSOCKET_MASK) != 0 ? 4 : 0);

	if ((head[1] & WEBSOCKET_SIZE) == WEBSOCKET_SIZE_16)
		return size + 2;
	if ((head[1] & WEBSOCKET_SIZE) == WEBSOCKET_SIZE_64)
		return size + 8;
	return size;
}

static uint64_t websocket_number_read(const uint8_t *bytes, size_t size)
{
	uint64_t number = 0;
	size_t i;

	for (i = 0; i < size; i++)
		number = number << 8 | bytes[i];
	return number;
}

/* Reads the payload size of a complete header. Returns what is wrong with it, or NULL. */
static const char *websocket_size_read(const uint8_t *head, uint64_t *size)
{
	*size = head[1] & WEBSOCKET_SIZE;
	if (*size < WEBSOCKET_SIZE_16)
		return NULL;
	if (*size == WEBSOCKET_SIZE_16) {
		*size = (uint64_t)head[WEBSOCKET_HEAD_MIN] << 8 | head[WEBSOCKET_HEAD_MIN + 1];
		return *size < WEBSOCKET_SIZE_16 ? "length not in its shortest form" : NULL;
	}
	*size = websocket_number_read(head + WEBSOCKET_HEAD_MIN, 8);
	if (*size >> 63)
		return "length over 63 bits";
	return *size <= UINT16_MAX ? "length not in its shortest form" : NULL;
}

static void websocket_frame_begin(
	struct side_decoder *decoder, const uint8_t *head, size_t head_size, uint64_t size)
{
	struct websocket_decoder *own = websocket_reads(decoder);
	unsigned opcode = head[0] & WEBSOCKET_OPCODE;
	struct side_frame *frame = &decoder->frame;

	frame->size = size;
	frame->masked = head[1] & WEBSOCKET_MASK;
	if (frame->masked)
		memcpy(frame->mask_key, head + head_size - 4, 4); /* last in the header */
	decoder->frame_left = size;
	decoder->offset += head_size;
	if (opcode >= WEBSOCKET_CLOSE) {
		own->opcode = (uint8_t)opcode;
		own->state = WEBSOCKET_CONTROL;
		return;
	}
	if (opcode != WEBSOCKET_CONTINUATION) {
		frame->text = opcode == WEBSOCKET_TEXT; /* holds for the fragments that follow */
		own->utf8_state = UTF8_COMPLETE;
	}
	frame->first = opcode != WEBSOCKET_CONTINUATION;
	frame->last = head[0] & WEBSOCKET_FIN;
	decoder->in_message = true;
	own->state = WEBSOCKET_PAYLOAD;
}

static bool websocket_head_collect(
	struct side_decoder *decoder, uint8_t **bytes, size_t *size, size_t need)
{
	struct websocket_decoder *own = websocket_reads(decoder);

	assert(need <= sizeof own->head);
	while (own->head_size<need && * size> 0) {
		own->head[own->head_size++] = *(*bytes)++;
		(*size)--;
	}
	return own->head_size >= need;
}

/* SIDE_DATA: a header is read. It is taken from the input when it is there in one piece. */
static enum side_result websocket_head_next(
	struct side_decoder *decoder, uint8_t **bytes, size_t *size)
{
	struct websocket_decoder *own = websocket_reads(decoder);
	const uint8_t *head = own->head;
	size_t head_size = 0;
	const char *fault;
	uint64_t payload;

	if (own->head_size == 0 && *size >= WEBSOCKET_HEAD_MIN)
		head_size = websocket_head_size(*bytes);
	if (head_size > 0 && head_size <= *size) {
		head = *bytes;
		*bytes += head_size;
		*size -= head_size;
	} else if (!websocket_head_collect(decoder, bytes, size, WEBSOCKET_HEAD_MIN)) {
		return SIDE_MORE;
	}
	fault = websocket_head_fault(decoder, head);
	if (fault != NULL)
		return websocket_fail(decoder, SIDE_BROKEN, fault, decoder->offset);
	if (head == own->head) {
		head_size = websocket_head_size(head);
		if (!websocket_head_collect(decoder, bytes, size, head_size))
			return SIDE_MORE;
	}
	own->head_size = 0;
	fault = websocket_size_read(head, &payload);
	if (fault != NULL)
		return websocket_fail(decoder, SIDE_BROKEN, fault, decoder->offset);
	websocket_frame_begin(decoder, head, head_size, payload);
	return SIDE_DATA;
}

/*
 * How many of the size bytes next in a text frame may be given out; fewer than size when one of
 * them is wrong. A last byte that leaves a character open counts as wrong: the message ends there.
 */
static size_t websocket_text_check(struct side_decoder *decoder, const uint8_t *bytes, size_t size)
{
	struct websocket_decoder *own = websocket_reads(decoder);
	size_t good = utf8_check(&own->utf8_state, bytes, size);
	bool ends = decoder->frame.last && decoder->frame_left == size;

	if (good == size && size > 0 && ends && own->utf8_state != UTF8_COMPLETE)
		good--;
	return good;
}

static enum side_result websocket_text_fail(struct side_decoder *decoder, uint64_t offset)
{
	return websocket_fail(decoder, SIDE_NOT_TEXT, "text message is not UTF-8", offset);
}

/*
 * A wrong byte of a text lets the bytes before it out first; the call that follows finds the
 * decoder failed. That is why the result does not depend on how the input was cut. head is where
 * the frame begins in the input, NULL when that was earlier.
 */
static enum side_result websocket_payload_next(struct side_decoder *decoder, uint8_t **bytes,
	size_t *size, struct side_chunk *chunk, const uint8_t *head)
{
	struct websocket_decoder *own = websocket_reads(decoder);
	struct side_frame *frame = &decoder->frame;
	uint64_t done = frame->size - decoder->frame_left;
	size_t piece = decoder->frame_left < *size ? (size_t)decoder->frame_left : *size;
	size_t good = piece;

	if (piece == 0 && decoder->frame_left > 0)
		return SIDE_MORE;
	if (frame->masked)
		mask_apply(*bytes, piece, frame->mask_key, (uint32_t)done);
	if (frame->text)
		good = websocket_text_check(decoder, *bytes, piece);
	if (good < piece) {
		(void)websocket_text_fail(
			decoder, decoder->offset + good); /* said by the next call */
		if (good == 0)
			return SIDE_BAD;
	} else if (piece == 0 && frame->last && own->utf8_state != UTF8_COMPLETE) {
		return websocket_text_fail(decoder, decoder->offset);
	}
	chunk->bytes = *bytes;
	chunk->size = good;
	chunk->frame_first = done == 0;
	chunk->first = frame->first && done == 0;
	chunk->last = frame->last && decoder->frame_left == good;
	chunk->frame = *frame;
	chunk->wire = frame->masked ? NULL : done == 0 ? head : *bytes;
	decoder->frame_left -= good;
	decoder->offset += good;
	*bytes += good;
	*size -= good;
	if (chunk->wire != NULL)
		chunk->wire_size = (size_t)(*bytes - chunk->wire);
	if (decoder->frame_left == 0) {
		own->state = WEBSOCKET_HEAD;
		decoder->in_message = !frame->last;
	}
	return SIDE_DATA;
}

static bool websocket_close_code_legal(uint64_t code)
{
	size_t i;

	for (i = 0; i < sizeof websocket_close_codes / sizeof *websocket_close_codes; i++)
		if (code >= websocket_close_codes[i].from && code <= websocket_close_codes[i].to)
			return true;
	return false;
}

/* RFC 6455, 5.5.1: nothing, or a code and then a reason in UTF-8. offset is that of the payload. */
static enum side_result websocket_close_check(
	struct side_decoder *decoder, const uint8_t *bytes, size_t size)
{
	uint8_t state = UTF8_COMPLETE;
	size_t good;

	if (size == 0)
		return SIDE_CONTROL;
	if (size == 1)
		return websocket_fail(
			decoder, SIDE_BROKEN, "close frame of one byte", decoder->offset);
	if (!websocket_close_code_legal(websocket_number_read(bytes, 2)))
		return websocket_fail(decoder, SIDE_BROKEN, "illegal close code", decoder->offset);
	good = 2 + utf8_check(&state, bytes + 2, size - 2);
	if (good == size && state != UTF8_COMPLETE)
		good--;
	if (good < size)
		return websocket_fail(decoder, SIDE_NOT_TEXT, "close reason is not UTF-8",
			decoder->offset + good);
	return SIDE_CONTROL;
}

/* The payload of a control frame where it is complete: in the input, or collected. Else NULL. */
static uint8_t *websocket_control_collect(
	struct side_decoder *decoder, uint8_t **bytes, size_t *size)
{
	struct websocket_decoder *own = websocket_reads(decoder);
	uint8_t *payload = *bytes;
	size_t need = (size_t)decoder->frame_left;
	size_t piece = need < *size ? need : *size;

	*bytes += piece;
	*size -= piece;
	if (piece == need && own->control_size == 0)
		return payload;
	assert(own->control_size + piece <= sizeof own->control);
	if (piece > 0)
		memcpy(own->control + own->control_size, payload, piece);
	own->control_size += (uint8_t)piece;
	decoder->frame_left -= piece;
	return decoder->frame_left == 0 ? own->control : NULL;
}

static enum side_result websocket_control_next(
	struct side_decoder *decoder, uint8_t **bytes, size_t *size, struct side_chunk *chunk)
{
	struct websocket_decoder *own = websocket_reads(decoder);
	uint8_t *payload = websocket_control_collect(decoder, bytes, size);
	size_t payload_size = (size_t)decoder->frame.size;

	if (payload == NULL)
		return SIDE_MORE;
	if (decoder->frame.masked)
		mask_apply(payload, payload_size, decoder->frame.mask_key, 0);
	if (own->opcode == WEBSOCKET_CLOSE &&
		websocket_close_check(decoder, payload, payload_size) == SIDE_BAD)
		return SIDE_BAD;
	decoder->offset += payload_size;
	decoder->frame_left = 0;
	own->control_size = 0;
	own->state = own->opcode == WEBSOCKET_CLOSE ? WEBSOCKET_CLOSED : WEBSOCKET_HEAD;
	*chunk = (struct side_chunk){
		.bytes = payload,
		.size = payload_size,
		.frame = decoder->frame,
		.control = (enum side_control)(own->opcode - WEBSOCKET_CLOSE),
	};
	return SIDE_CONTROL;
}

static enum side_result websocket_discard(
	struct side_decoder *decoder, uint8_t **bytes, size_t *size)
{
	decoder->offset += *size;
	*bytes += *size;
	*size = 0;
	return SIDE_MORE;
}

/*
 * The payload size of a text message that is one frame with up to 65535 bytes; 0: something else.
 */
static size_t websocket_whole_size(
	const struct side_decoder *decoder, const uint8_t *head, size_t size, size_t *head_size)
{
	const struct websocket_decoder *own = (const struct websocket_decoder *)decoder->room;
	size_t mask = decoder->role == SIDE_FROM_CLIENT ? WEBSOCKET_MASK : 0;
	size_t payload;

	if (size < WEBSOCKET_HEAD_MAX || head[0] != (WEBSOCKET_FIN | WEBSOCKET_TEXT) ||
		own->state != WEBSOCKET_HEAD || decoder->in_message || own->head_size > 0)
		return 0;
	payload = head[1] - mask; /* huge where the mask bit is not as it should be */
	*head_size = WEBSOCKET_HEAD_MIN + (mask != 0 ? 4 : 0);
	if (payload == WEBSOCKET_SIZE_16) {
		payload = (size_t)head[WEBSOCKET_HEAD_MIN] << 8 | head[WEBSOCKET_HEAD_MIN + 1];
		*head_size += 2;
		if (payload < WEBSOCKET_SIZE_16)
			return 0;
	} else if (payload > WEBSOCKET_SIZE_16) {
		return 0;
	}
	return payload <= size - *head_size ? payload : 0;
}

/*
 * Most messages are of this kind, small and all there: they are read in one step. False, and
 * nothing has changed, when the next one is of another kind or wrong.
 */
static bool websocket_whole_next(
	struct side_decoder *decoder, uint8_t **bytes, size_t *size, struct side_chunk *chunk)
{
	uint8_t *head = *bytes, *payload, utf8_state = UTF8_COMPLETE;
	size_t head_size, payload_size = websocket_whole_size(decoder, head, *size, &head_size);
	bool masked = decoder->role == SIDE_FROM_CLIENT;

	if (payload_size == 0)
		return false;
	payload = head + head_size;
	if (!(masked && mask_apply_ascii(payload, payload_size, payload - 4)) &&
		(utf8_check(&utf8_state, payload, payload_size) != payload_size ||
			utf8_state != UTF8_COMPLETE)) {
		if (masked)
			mask_apply(payload, payload_size, payload - 4, 0);
		return false;
	}
	chunk->bytes = payload;
	chunk->size = payload_size;
	chunk->first = chunk->last = chunk->frame_first = true;
	chunk->frame = (struct side_frame){
		.text = true, .first = true, .last = true, .size = payload_size, .masked = masked};
	if (masked)
		memcpy(chunk->frame.mask_key, payload - 4, 4);
	chunk->wire = masked ? NULL : head;
	chunk->wire_size = head_size + payload_size;
	decoder->frame = chunk->frame;
	decoder->offset += head_size + payload_size;
	*bytes += head_size + payload_size;
	*size -= head_size + payload_size;
	return true;
}

static enum side_result websocket_next(
	struct side_decoder *decoder, uint8_t **bytes, size_t *size, struct side_chunk *chunk)
{
	struct websocket_decoder *own = websocket_reads(decoder);
	const uint8_t *head = NULL;
	enum side_result result;

	if (websocket_whole_next(decoder, bytes, size, chunk))
		return SIDE_DATA;
	if (own->state == WEBSOCKET_HEAD) {
		head = own->head_size == 0 ? *bytes : NULL;
		result = websocket_head_next(decoder, bytes, size);
		if (result != SIDE_DATA)
			return result;
	}
	switch ((enum websocket_state)own->state) {
	case WEBSOCKET_PAYLOAD:
		return websocket_payload_next(decoder, bytes, size, chunk, head);
	case WEBSOCKET_CONTROL:
		return websocket_control_next(decoder, bytes, size, chunk);
	case WEBSOCKET_CLOSED:
		return websocket_discard(decoder, bytes, size);
	case WEBSOCKET_HEAD:
	case WEBSOCKET_FAILED:
		break;
	}
	return SIDE_BAD;
}

/* A frame says its size: a message that lacks bytes at the end of the stream is cut off. */
static bool websocket_finish(struct side_decoder *decoder)
{
	(void)decoder;
	return false;
}

/*
 * Writes first two bytes and size, and the key where the encoder masks. Returns the bytes written.
 */
static size_t websocket_head_write(uint8_t *head, uint8_t first, uint64_t size, const uint8_t *key)
{
	size_t used = WEBSOCKET_HEAD_MIN, i;

	assert(size >> 63 == 0);
	head[0] = first;
	if (size < WEBSOCKET_SIZE_16) {
		head[1] = (uint8_t)size;
	} else if (size <= UINT16_MAX) {
		head[1] = WEBSOCKET_SIZE_16;
		head[used++] = (uint8_t)(size >> 8);
		head[used++] = (uint8_t)size;
	} else {
		head[1] = WEBSOCKET_SIZE_64;
		for (i = 8; i > 0; i--)
			head[used++] = (uint8_t)(size >> 8 * (i - 1));
	}
	if (key == NULL)
		return used;
	head[1] |= WEBSOCKET_MASK;
	memcpy(head + used, key, 4);
	return used + 4;
}

static void websocket_begin(
	struct side_encoder *encoder, struct sink *sink, const struct side_frame *frame)
{
	struct websocket_encoder *own = websocket_writes(encoder);
	uint8_t *head = sink_reserve(sink, WEBSOCKET_HEAD_MAX);
	uint8_t first = !frame->first ? WEBSOCKET_CONTINUATION
			: frame->text ? WEBSOCKET_TEXT
				      : WEBSOCKET_BINARY;

	if (frame->last)
		first |= WEBSOCKET_FIN;
	own->masked = encoder->role == SIDE_FROM_CLIENT;
	own->mask_phase = 0;
	if (own->masked && frame->masked)
		memcpy(own->mask_key, frame->mask_key, sizeof own->mask_key);
	else if (own->masked)
		ids_random(encoder->ids, own->mask_key, sizeof own->mask_key);
	sink_commit(sink,
		websocket_head_write(head, first, frame->size, own->masked ? own->mask_key : NULL));
}

static void websocket_data_masked(
	struct side_encoder *encoder, struct sink *sink, const uint8_t *bytes, size_t size)
{
	struct websocket_encoder *own = websocket_writes(encoder);

	while (size > 0) {
		uint8_t *place = sink_reserve(sink, 1);
		size_t room = sink->size - sink->used;
		size_t piece = size < room ? size : room;

		mask_copy(place, bytes, piece, own->mask_key, own->mask_phase);
		own->mask_phase += (uint32_t)piece;
		sink_commit(sink, piece);
		bytes += piece;
		size -= piece;
	}
}

static void websocket_data(
	struct side_encoder *encoder, struct sink *sink, const uint8_t *bytes, size_t size)
{
	struct websocket_encoder *own = websocket_writes(encoder);

	if (own->masked)
		websocket_data_masked(encoder, sink, bytes, size);
	else
		sink_write(sink, bytes, size);
}

/* The last frame's header has said that it is the last. */
static void websocket_end(struct side_encoder *encoder, struct sink *sink, bool terminated)
{
	(void)encoder;
	(void)sink;
	(void)terminated;
}

static void websocket_control(struct side_encoder *encoder, struct sink *sink,
	enum side_control what, const uint8_t *bytes, size_t size)
{
	uint8_t *place = sink_reserve(sink, WEBSOCKET_HEAD_MAX + WEBSOCKET_CONTROL_MAX);
	uint8_t first = (uint8_t)(WEBSOCKET_FIN | (WEBSOCKET_CLOSE + what)), key[4];
	size_t head_size;

	assert(size <= WEBSOCKET_CONTROL_MAX);
	if (encoder->role == SIDE_FROM_CLIENT) {
		ids_random(encoder->ids, key, sizeof key);
		head_size = websocket_head_write(place, first, size, key);
		mask_copy(place + head_size, bytes, size, key, 0);
	} else {
		head_size = websocket_head_write(place, first, size, NULL);
		if (size > 0)
			memcpy(place + head_size, bytes, size);
	}
	sink_commit(sink, head_size + size);
}

static void websocket_part(
	struct side_encoder *encoder, struct sink *sink, enum side_goodbye why, const char *reason)
{
	uint8_t body[WEBSOCKET_CONTROL_MAX];
	size_t size = strlen(reason);

	assert(size <= sizeof body - 2);
	body[0] = (uint8_t)(websocket_goodbyes[why] >> 8);
	body[1] = (uint8_t)websocket_goodbyes[why];
	memcpy(body + 2, reason, size);
	websocket_control(encoder, sink, SIDE_CLOSE, body, size + 2);
}

const struct side_ops side_websocket = {
	.name = "websocket",
	.traits = SIDE_CONTROLS | SIDE_BINARY | SIDE_SIZE_FIRST | SIDE_CHECKS_TEXT,
	.shake = &handshake_websocket,
	.next = websocket_next,
	.finish = websocket_finish,
	.begin = websocket_begin,
	.data = websocket_data,
	.end = websocket_end,
	.control = websocket_control,
	.part = websocket_part,
};

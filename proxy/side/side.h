#ifndef PROXY_SIDE_SIDE_H
#define PROXY_SIDE_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/side/sink.h"

struct ids;

/*
 * Where a message starts and ends, in both directions of one connection. A decoder is fed bytes as
 * they arrive and gives pieces of messages without storing them; an encoder writes pieces out.
 * Both are small values inside the pump: a decoder keeps a few words between calls, never a buffer
 * of the peer's choosing.
 *
 * A message consists of one frame or more. Sides without frames (lines) present a piece as a frame
 * of its own. No side knows another, or JSON.
 */
enum side_result {
	SIDE_MORE,    /* all input is used up; feed again */
	SIDE_DATA,    /* *chunk is a piece of a message */
	SIDE_CONTROL, /* *chunk is a complete control frame (WebSocket ping, pong, close) */
	SIDE_BAD,     /* the framing is broken: decoder->error says how; feed nothing more */
};

enum side_role {
	SIDE_FROM_CLIENT, /* decoder: we are the server; encoder: we are the client (masks) */
	SIDE_FROM_SERVER, /* decoder: we are the client; encoder: we are the server */
};

struct side_frame {
	bool text;     /* false: binary; nothing in it is looked at */
	bool first;    /* begins a message */
	bool last;     /* completes it */
	uint64_t size; /* payload bytes of this frame */
	bool masked;
	uint8_t mask_key[4]; /* the client's, kept on when the frame is forwarded (RFC 6455, 5.3) */
};

struct side_chunk {
	uint8_t *bytes; /* in the caller's input, already unmasked; or a control frame's payload */
	size_t size;
	bool first;              /* begins a message */
	bool last;               /* completes it; size may be 0 */
	bool frame_first;        /* begins a frame: then frame is what its header said */
	struct side_frame frame; /* valid for every chunk: the frame that the piece belongs to */
	uint8_t opcode;          /* SIDE_CONTROL only: 8 close, 9 ping, 10 pong */
	/*
	 * SIDE_DATA: the piece as it stands in the input, with what begins and ends its frame.
	 * NULL when it was masked, or the frame's header is not there before it.
	 */
	const uint8_t *wire;
	size_t wire_size;
};

struct side_error {
	uint16_t close_code; /* RFC 6455, 7.4.1: 1002, 1007, ... ; 0 where the side has none */
	const char *reason;  /* static text */
	uint64_t offset;     /* bytes of the stream before the offending one */
};

struct side_decoder {
	const struct side_ops *ops;
	enum side_role role;
	struct side_error error;
	uint64_t offset;      /* bytes of the stream read; a header counts when it is complete */
	bool in_message;      /* a message has begun and is not complete */
	uint8_t state;        /* the side's own; 0 at the start */
	uint8_t opcode;       /* of the control frame being read */
	uint8_t head_size;    /* bytes of head[] filled */
	uint8_t control_size; /* bytes of control[] filled */
	uint8_t utf8_state;   /* between two pieces of a text message */
	struct side_frame frame;
	uint64_t frame_left;  /* payload bytes of the current frame still to come */
	uint8_t head[14];     /* a frame header cut by the end of the input */
	uint8_t control[125]; /* a control frame's payload cut by the end of the input */
};

struct side_encoder {
	const struct side_ops *ops;
	enum side_role role;
	struct ids *ids; /* borrowed; for fresh mask keys */
	bool foreign;    /* messages come from another side: keep our framing safe from them */
	bool masked;
	uint8_t mask_key[4];
	uint32_t mask_phase;
};

struct side_ops {
	const char *name;
	bool has_control; /* can carry ping, pong, close */
	bool has_binary;
	bool length_first; /* a frame says its size before its payload */
	/*
	 * Takes the next piece from *bytes, *size (both advanced past what was used). The input is
	 * writable: payload is unmasked in place. Call until SIDE_MORE. What comes after a close
	 * frame is thrown away (RFC 6455, 1.4); SIDE_BAD is repeated for ever.
	 */
	enum side_result (*next)(struct side_decoder *decoder, uint8_t **bytes, size_t *size,
		struct side_chunk *chunk);
	/*
	 * At the end of the stream inside a message: true when what came so far is a complete
	 * message all the same (a last line without its newline); false when the message is cut
	 * off.
	 */
	bool (*finish)(struct side_decoder *decoder);
	/*
	 * Announces a frame. frame->masked and mask_key are used in the role of a client; when
	 * masked is false there a fresh key is drawn.
	 */
	void (*begin)(
		struct side_encoder *encoder, struct sink *sink, const struct side_frame *frame);
	/* Writes size bytes of the announced frame's payload. */
	void (*data)(
		struct side_encoder *encoder, struct sink *sink, const uint8_t *bytes, size_t size);
	/* Completes a message; terminated is false for a last line that had no newline. */
	void (*end)(struct side_encoder *encoder, struct sink *sink, bool terminated);
	/* Writes a control frame (size <= 125). Only where has_control. */
	void (*control)(struct side_encoder *encoder, struct sink *sink, uint8_t opcode,
		const uint8_t *bytes, size_t size);
};

extern const struct side_ops side_line;
extern const struct side_ops side_websocket;

void side_decoder_init(
	struct side_decoder *decoder, const struct side_ops *ops, enum side_role role);
void side_encoder_init(struct side_encoder *encoder, const struct side_ops *ops,
	enum side_role role, struct ids *ids, bool foreign);

#endif

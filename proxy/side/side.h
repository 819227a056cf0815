#ifndef PROXY_SIDE_SIDE_H
#define PROXY_SIDE_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/side/sink.h"

struct ids;
struct side_shake;

/*
 * Where a message starts and ends, in both directions of one connection. A decoder is fed bytes as
 * they arrive and gives pieces of messages without storing them; an encoder writes pieces out.
 * Both are small values inside the pump: a decoder keeps a few words between calls, never a buffer
 * of the peer's choosing.
 *
 * A message consists of one frame or more. Sides without frames (lines) present a piece as a frame
 * of its own. No side knows another, or JSON.
 */
enum side_trait {
	SIDE_HALF_CLOSES = 1,  /* an end of file only says that no more comes: answers still may */
	SIDE_CONTROLS = 2,     /* has pings, and a word for goodbye */
	SIDE_BINARY = 4,       /* carries what is no text */
	SIDE_SIZE_FIRST = 8,   /* a frame says its size before its payload */
	SIDE_CHECKS_TEXT = 16, /* what is text is UTF-8 */
	SIDE_ONE_FRAME = 64,   /* a message is one frame, whose size is that of all of it */
	SIDE_FREE_TEXT = 32,   /* what stands in it need not be a message */
};

/* What may come between messages, where a side has such things. */
enum side_control { SIDE_CLOSE, SIDE_PING, SIDE_PONG };

/* Why one takes leave. */
enum side_goodbye {
	SIDE_DONE,        /* all is said */
	SIDE_GOING,       /* we are going away */
	SIDE_BROKEN,      /* the peer broke the framing, */
	SIDE_NOT_TEXT,    /* or sent what is no text */
	SIDE_FAILED,      /* what was asked for cannot be done */
	SIDE_BAD_GATEWAY, /* by fault of the other peer */
};

enum side_result {
	SIDE_MORE,    /* all input is used up; feed again */
	SIDE_DATA,    /* *chunk is a piece of a message */
	SIDE_CONTROL, /* *chunk is complete, and no message: see enum side_control */
	SIDE_BETWEEN, /* *chunk stands between messages, and means nothing but to this side */
	SIDE_OTHER, /* the stream is of another kind: chunk->other, which is to read *chunk first */
	SIDE_BAD,   /* the framing is broken: decoder->error says how; feed nothing more */
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
	bool first;                /* begins a message */
	bool last;                 /* completes it; size may be 0 */
	bool frame_first;          /* begins a frame: then frame is what its header said */
	struct side_frame frame;   /* valid for every chunk: the frame that the piece belongs to */
	enum side_control control; /* SIDE_CONTROL only */
	const struct side_ops *other; /* SIDE_OTHER only; NULL: none that is known here */
	/*
	 * SIDE_DATA: the piece as it stands in the input, with what begins and ends its frame.
	 * NULL when it was masked, or the frame's header is not there before it.
	 */
	const uint8_t *wire;
	size_t wire_size;
};

struct side_error {
	enum side_goodbye goodbye; /* what the peer is told */
	const char *reason;        /* static text */
	uint64_t offset;           /* bytes of the stream before the offending one */
};

/* Room for what a side itself keeps, which nobody else knows. */
#define SIDE_DECODER_ROOM 152
#define SIDE_ENCODER_ROOM 16

struct side_decoder {
	const struct side_ops *ops;
	enum side_role role;
	struct side_error error;
	uint64_t offset; /* bytes of the stream read; a header counts when it is complete */
	bool in_message; /* a message has begun and is not complete */
	struct side_frame frame;
	uint64_t frame_left; /* payload bytes of the current frame still to come */
	_Alignas(8) unsigned char room[SIDE_DECODER_ROOM]; /* all zero at the start */
};

struct side_encoder {
	const struct side_ops *ops;
	enum side_role role;
	struct ids *ids; /* borrowed; for fresh mask keys */
	bool foreign;    /* messages come from another side: keep our framing safe from them */
	_Alignas(8) unsigned char room[SIDE_ENCODER_ROOM]; /* all zero at the start */
};

struct side_ops {
	const char *name;
	unsigned traits;                /* of enum side_trait */
	const struct side_shake *shake; /* what comes before the first message; NULL: nothing */
	const struct side_ops *writes;  /* by whom is written where this one reads; NULL: by it */
	/*
	 * Takes the next piece from *bytes, *size (both advanced past what was used). The input is
	 * writable: payload is unmasked in place. Call until SIDE_MORE. What comes after a close
	 * frame is thrown away (RFC 6455, 1.4); SIDE_BAD is repeated for ever.
	 */
	enum side_result (*next)(struct side_decoder *decoder, uint8_t **bytes, size_t *size,
		struct side_chunk *chunk);
	/*
	 * At the end of the stream: gives out what was kept back, as for SIDE_DATA. False: nothing.
	 * NULL where nothing ever is.
	 */
	bool (*rest)(struct side_decoder *decoder, struct side_chunk *chunk);
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
	/* Passes on what came in between (size <= 125). Only with SIDE_CONTROLS, as is the next. */
	void (*control)(struct side_encoder *encoder, struct sink *sink, enum side_control what,
		const uint8_t *bytes, size_t size);
	/* Says goodbye, with a reason for people (up to 123 bytes). Nothing may follow. */
	void (*part)(struct side_encoder *encoder, struct sink *sink, enum side_goodbye why,
		const char *reason);
};

extern const struct side_ops side_line;
extern const struct side_ops side_guess; /* lines, as long as nobody knows for sure */
extern const struct side_ops side_length;
extern const struct side_ops side_concat;
extern const struct side_ops side_websocket;

/* Who writes where ops reads. */
static inline const struct side_ops *side_written(const struct side_ops *ops)
{
	return ops->writes != NULL ? ops->writes : ops;
}

static inline bool side_has(const struct side_ops *ops, enum side_trait trait)
{
	return (ops->traits & trait) != 0;
}

void side_decoder_init(
	struct side_decoder *decoder, const struct side_ops *ops, enum side_role role);
void side_encoder_init(struct side_encoder *encoder, const struct side_ops *ops,
	enum side_role role, struct ids *ids, bool foreign);

#endif

#ifndef PROXY_PUMP_H
#define PROXY_PUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/codec/codec.h"
#include "proxy/message/splice.h"

/*
 * One direction of a session: reads from one endpoint, takes messages apart and puts them together
 * again with the codecs, shows them to the tracer, writes to the other endpoint. It is the one
 * owner of throttling: a peer that does not read pauses the reading of its counterpart, in this
 * direction only.
 */
struct endpoint;
struct session;

enum pump_direction { PUMP_CLIENT_TO_BACKEND, PUMP_BACKEND_TO_CLIENT };

enum pump_state {
	PUMP_IDLE,    /* not flowing yet */
	PUMP_FLOWING, /* messages */
	PUMP_ENDED,   /* the source has ended; the end is being passed on */
	PUMP_DONE,    /* and has been */
};

/* How the message in progress is written. */
enum pump_framing {
	PUMP_UNFRAMED, /* nothing of it has been written yet */
	PUMP_MIRRORED, /* in the frames that it came in */
	PUMP_REFRAMED, /* in frames of our own, since its length may change */
	PUMP_DROPPED,  /* not at all: the other side's codec cannot carry it */
};

/* What the source of lines says in them, as far as that is known. Of other framings: nothing. */
enum pump_lines {
	PUMP_LINES_UNHEARD,  /* not known: as if it were messages */
	PUMP_LINES_MESSAGES, /* JSON */
	PUMP_LINES_FOREIGN,  /* something else, and no message so far: nothing is held or changed */
	PUMP_LINES_SIZED,    /* messages behind their Content-Length: the same, for good */
};

struct pump {
	struct session *session; /* borrowed */
	struct endpoint *from;   /* borrowed from the session */
	struct endpoint *to;
	enum pump_direction direction;
	enum pump_state state;
	bool throttled;
	bool closing;      /* a close frame was passed on: nothing follows it */
	bool write_failed; /* the destination is gone; what still comes is thrown away */
	enum pump_lines lines;
	bool injects;       /* requests get our carrier */
	bool verbatim;      /* both sides speak alike, and nothing is changed on the way */
	bool must_hold;     /* a short message must be whole before its frame can be announced */
	bool not_text;      /* a line came that cannot become a text frame */
	uint8_t utf8_state; /* of a line that becomes a text frame */
	enum splice_mode mode;
	enum pump_framing framing;
	struct splice *splice; /* from the loop's pool while inside a message that is looked at */
	uint64_t message_start_ns;
	struct codec_decoder decoder;
	struct codec_encoder encoder;
};

void pump_init(struct pump *pump, struct session *session, enum pump_direction direction,
	struct endpoint *from, struct endpoint *to);

/* Begins to carry messages between two codecs. */
void pump_open(struct pump *pump, const struct codec_ops *from, const struct codec_ops *to);

/* The source is readable: one read, everything in it carried, one write. */
void pump_readable(struct pump *pump);

/* Carries bytes that were read elsewhere (behind an HTTP head). Writable, changed in place. */
void pump_take(struct pump *pump, uint8_t *bytes, size_t size);

/* The destination's backlog has gone down. */
void pump_drained(struct pump *pump);

/* The source has ended, or will not be waited for. What is held is written; the session is told. */
void pump_end(struct pump *pump);

/* Passes the end of an ended pump on: a close frame where one belongs, then a half-close. */
void pump_pass_end(struct pump *pump);

/* The half-close has been carried out, or is needless. */
void pump_ended(struct pump *pump);

/* Sends a close frame, where the destination's codec has such a thing. */
void pump_send_close(struct pump *pump, uint16_t code, const char *reason);

/* Gives back what is borrowed from the loop. */
void pump_done(struct pump *pump);

#endif

#ifndef PROXY_PUMP_H
#define PROXY_PUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/side/side.h"
#include "proxy/message/splice.h"

/*
 * One direction of a conversation: reads from one endpoint, takes messages apart and puts them
 * together again with the sides, shows them to its owner, writes to the other endpoint. It is the
 * one owner of throttling: a peer that does not read pauses the reading of its counterpart, in this
 * direction only.
 */
struct endpoint;
struct generation;
struct loop;
struct pump;

enum pump_direction { PUMP_CLIENT_TO_BACKEND, PUMP_BACKEND_TO_CLIENT };

enum pump_state {
	PUMP_IDLE,      /* not flowing yet */
	PUMP_FLOWING,   /* messages */
	PUMP_THROTTLED, /* messages, but the destination does not read: neither do we */
	PUMP_ENDED,     /* the source has ended; the end is being passed on */
	PUMP_DONE,      /* and has been, or nothing is wanted any more */
};

/* What can be written. */
enum pump_output {
	PUMP_OUTPUT_OPEN,
	PUMP_OUTPUT_CLOSED, /* a close frame was passed on: nothing follows it */
	PUMP_OUTPUT_FAILED, /* the destination is gone; what still comes is thrown away */
};

/* What is done to messages, from little to much. */
enum pump_task {
	PUMP_TASK_NONE,  /* nobody looks at them */
	PUMP_TASK_WATCH, /* the owner is told what they say */
	PUMP_TASK_HOLD,  /* the same; a short one must be whole before its frame can be announced */
	PUMP_TASK_STRIP, /* without their carriers */
	PUMP_TASK_INJECT,  /* requests get the owner's */
	PUMP_TASK_REPLACE, /* both */
};

/* How the message in progress is written. */
enum pump_framing {
	PUMP_UNFRAMED, /* nothing of it has been written yet */
	PUMP_MIRRORED, /* in the frames that it came in */
	PUMP_REFRAMED, /* in frames of our own, since its length may change */
	PUMP_DROPPED,  /* not at all: the other side's side cannot carry it */
};

/* What becomes of a message whose size must be known before its end has come. */
enum pump_collecting {
	PUMP_COLLECTS_NOTHING, /* it was known after all */
	PUMP_COLLECTS,
	PUMP_COLLECTS_NO_MORE, /* it is too long */
};

/* What the source of lines says in them, as far as that is known. Of other framings: nothing. */
enum pump_lines {
	PUMP_LINES_UNHEARD,  /* not known: as if it were messages */
	PUMP_LINES_MESSAGES, /* JSON */
	PUMP_LINES_FOREIGN,  /* something else, and no message so far: nothing is held or changed */
	PUMP_LINES_SIZED,    /* messages behind their Content-Length: the same, for good */
};

/*
 * What the owner is told, and asked for. It may call anything of the pump's from there; memory is
 * freed only when no pump is running.
 */
struct pump_hooks {
	/* arg is the pump; carrier() is for PUMP_TASK_INJECT and PUMP_TASK_REPLACE. */
	struct splice_hooks message;
	/*
	 * A piece of a text message as it came, if tells_text; without bytes when its source ends.
	 */
	void (*text)(struct pump *pump, const struct side_chunk *chunk);
	/* Messages that went on as they came, for these bits of enum splice_trouble; */
	void (*troubles)(struct pump *pump, unsigned troubles);
	/* ... or did not go on, since the other side's side cannot carry them. */
	void (*undeliverable)(struct pump *pump);
	/*
	 * The source does not send lines of JSON; sized: but messages behind their Content-Length,
	 * when it is too late to read them as such.
	 */
	void (*not_lines)(struct pump *pump, bool sized);
	/*
	 * The source speaks something else: that side, in both directions; NULL: nothing we know.
	 */
	void (*other)(struct pump *pump, const struct side_ops *side);
	/* The source sent a close frame, which has not been passed on yet. */
	void (*closing)(struct pump *pump);
	/* The source broke its side's framing: see decoder.error. */
	void (*broken)(struct pump *pump);
	/*
	 * The source has ended, and all that came before has been written: pump_pass_end() is due.
	 */
	void (*ended)(struct pump *pump);
	/* The end has been passed on. */
	void (*done)(struct pump *pump);
	/* The destination takes no more: see to->error and to->is_ours. */
	void (*write_failed)(struct pump *pump);
	/* An error of our own (an errno), in reading. */
	void (*failed)(struct pump *pump, int error);
};

struct pump {
	const struct pump_hooks *hooks; /* borrowed, as is all that follows to */
	void *owner;
	struct loop *loop;
	struct generation *generation; /* whose splices read the messages */
	struct pump *back;             /* of the other direction */
	struct endpoint *from;
	struct endpoint *to;
	enum pump_direction direction;
	enum pump_state state;
	enum pump_output output;
	enum pump_lines lines;
	enum pump_task wanted; /* by the owner, */
	enum pump_task task;   /* and what can be done */
	enum splice_mode mode; /* the same, as the splice calls it */
	enum pump_framing framing;
	bool tells_text;    /* set by the owner */
	bool verbatim;      /* both sides speak alike, and nothing is changed on the way */
	bool checks_text;   /* the destination takes UTF-8 only, and the source may send anything */
	uint8_t utf8_state; /* of the message in progress, if so */
	struct splice *splice; /* of the generation, inside a message that is looked at */
	uint64_t message_start_ns;
	bool collects; /* the destination wants whole messages, the source may send parts */
	enum pump_collecting collecting;
	uint8_t *collected; /* owned; NULL but inside a message that is collected */
	size_t collected_size, collected_room;
	struct side_decoder decoder;
	struct side_encoder encoder;
};

/* Both directions between two endpoints, by enum pump_direction. Everything is borrowed. */
void pump_init_pair(struct pump pumps[2], struct loop *loop, struct generation *generation,
	const struct pump_hooks *hooks, void *owner, struct endpoint *client,
	struct endpoint *backend);

/* Whether messages flow, and whether none will any more. */
static inline bool pump_flows(const struct pump *pump)
{
	return pump->state == PUMP_FLOWING || pump->state == PUMP_THROTTLED;
}

static inline bool pump_is_over(const struct pump *pump)
{
	return pump->state >= PUMP_ENDED;
}

/* Begins to carry messages between two sides. wanted: not PUMP_TASK_HOLD. */
void pump_open(struct pump *pump, const struct side_ops *from, const struct side_ops *to,
	enum pump_task wanted);

/* The source is readable: one read, everything in it carried, one write. */
void pump_readable(struct pump *pump);

/* Carries bytes that were read elsewhere (behind an HTTP head). Writable, changed in place. */
void pump_take(struct pump *pump, uint8_t *bytes, size_t size);

/* The destination's backlog has gone down. */
void pump_drained(struct pump *pump);

/* Writing to the destination failed, as its endpoint has told. */
void pump_write_failed(struct pump *pump);

/* The source has ended, or will not be waited for. What is held is written; the owner is told. */
void pump_end(struct pump *pump);

/* Passes the end of an ended pump on: a close frame where one belongs, then a half-close. */
void pump_pass_end(struct pump *pump);

/* The half-close has been carried out, or is needless. */
void pump_ended(struct pump *pump);

/* Says goodbye to the destination, where its side has such a thing. */
void pump_send_goodbye(struct pump *pump, enum side_goodbye why, const char *reason);

/* Nothing more is carried, or told. */
void pump_silence(struct pump *pump);

/* Gives back what is borrowed from the loop. */
void pump_done(struct pump *pump);

#endif

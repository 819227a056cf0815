#ifndef PROXY_MESSAGE_SPLICE_STATE_H
#define PROXY_MESSAGE_SPLICE_STATE_H

#include "proxy/message/envelope.h"
#include "proxy/message/place.h"
#include "proxy/message/recall.h"
#include "proxy/message/shelf.h"
#include "proxy/message/skim.h"
#include "proxy/message/splice.h"
#include "proxy/message/window.h"

/*
 * A splice as its two halves see it, and nobody else: splice.c takes a message through, and
 * splice_edit.c knows what becomes of the carriers in it.
 */
enum splice_phase {
	SPLICE_HOLDING,
	SPLICE_FLOWING,
	SPLICE_WATCHING,
	SPLICE_PASSING,
};

/* What becomes of the carriers of the current envelope. */
enum splice_fate {
	SPLICE_OPEN,    /* nothing is decided yet */
	SPLICE_EDITED,  /* it is one of those that are edited: what else turns up is removed */
	SPLICE_LEFT,    /* it was none so far, or could not wait: nothing is changed any more */
	SPLICE_REFUSED, /* the hook wants it unchanged */
};

/*
 * The value that is being read: of none but carriers is anything to be known. It waits from its
 * beginning, is dropped from where it has waited too long, and both end with it, or when nothing
 * more is changed in the envelope.
 */
enum splice_value {
	SPLICE_VALUE_OTHER,
	SPLICE_VALUE_WAITS,   /* marks[marks_count] is its carrier */
	SPLICE_VALUE_DROPPED, /* it is left out as it comes */
};

/* A carrier member, or the brace of params without one. */
struct splice_mark {
	size_t from;    /* the comma before it; its key, if it is the first member; the brace */
	size_t key;     /* its key's quote; that of params, if it is their closing one */
	size_t value;   /* its value's first byte */
	size_t end;     /* after its value */
	size_t comma;   /* the comma after it; 0: none; only known of leading ones */
	uint32_t depth; /* of the object that it is in */
	uint8_t stops;  /* of its place: POINTERS_FIRST ... */
	bool adds;      /* it is the brace */
	bool leading;   /* nothing stands before it but what may go; the brace: nothing at all */
	bool again;     /* the object that it is in has one of this place already */
	bool lost;      /* so much white space stood before its value that from was let go */
};

struct splice {
	struct skim skim;
	struct envelope envelope;
	struct window window;
	struct recall *recall; /* owned; NULL until there is a notification */
	struct shelf shelf;    /* the envelopes of a batch that is not known to be whole */
	struct place place;
	struct place_rules rules;
	char *member; /* owned; ,"trace": and, behind that, the same in new params */
	size_t member_size;

	const struct splice_hooks *hooks; /* borrowed until the next message */
	void *arg;
	enum splice_mode mode;
	enum splice_phase phase;
	unsigned troubles;
	bool changed;  /* the output differs from the input */
	bool complete; /* the last byte has come */
	bool checked;  /* SPLICE_HOLDING: the whole message is known to be JSON */
	bool ended;    /* the one envelope of a message that is no batch was read */
	bool hold_all; /* as splice_hold_all() says */
	bool promised; /* as splice_promise() says */
	bool begun;    /* HOLDING: not only blanks have come */
	bool foreign;  /* it begins like nothing that is JSON */
	uint8_t field; /* so far, how much of splice_field it begins with; 0: it does not */

	size_t growth;   /* what was told of it, as it was promised */
	size_t room;     /* if window.fills: what is left of that */
	size_t inserted; /* then, when something is written: how much was before in this call */

	/* The current envelope. */
	const char *ours; /* our carrier, as the hook gave it, or in ours_copy */
	size_t ours_size; /* 0: it was not asked for */
	char *ours_copy;  /* owned; for messages that flow past places where it may be written */
	bool carrier_written; /* ours is in the output */
	bool carrier_seen;    /* there is one at the first place; if in params, in these */
	bool withheld;        /* it gets none of ours */
	enum splice_value value;
	enum splice_fate fate;
	/* Removed members with nothing before them in their object: up to here they are gone. */
	size_t gone_comma;  /* the comma that went with the last one */
	size_t gone_end;    /* its end, if it had none */
	uint32_t comma_due; /* depth of the object of which the next comma goes too; 0: none */
	size_t marks_count, marks_size;
	struct splice_mark *marks; /* owned */
	size_t brace;              /* its closing one */
};

/* What begins params that there were not. */
#define SPLICE_PARAMS ",\"params\":{"

static inline bool splice_injects(const struct splice *splice)
{
	return splice->mode == SPLICE_INJECT || splice->mode == SPLICE_REPLACE;
}

/* Whether something is taken out of all that has a method. */
static inline bool splice_strips(const struct splice *splice)
{
	return splice->mode >= SPLICE_REPLACE;
}

static inline bool splice_strips_trace(const struct splice *splice)
{
	return splice_strips(splice) && splice->rules.strips_trace;
}

/* No carrier waits; from here on the envelope has this fate. */
void splice_leave(struct splice *splice, enum splice_fate fate);

/* The message goes on as it comes, for that trouble; 0: for none. */
void splice_fail(struct splice *splice, unsigned trouble);

/* FLOWING: a carrier's value begins. */
void splice_on_carrier(struct splice *splice);
/* After it. */
void splice_on_carrier_end(struct splice *splice);
/* Params have ended that can have a carrier: without one, ours goes there. */
void splice_on_params_end(struct splice *splice);
/* After a comma, while carriers wait. */
void splice_on_member(struct splice *splice);

/*
 * FLOWING: a carrier has waited for SPLICE_HOLD_MAX bytes. If by now it is known at least that it
 * is a call of which something is taken out, that is done. What is read still is left out as it
 * comes, unless it is an object, whose other members would be lost, or cannot become as many
 * blanks: then the rest of the envelope stays as it is.
 */
void splice_overflow(struct splice *splice);

/*
 * Whether the envelope is one whose carriers are edited, by what has been read: ours goes into
 * requests alone; carriers are taken from all that has a method, whatever stands in the place of an
 * id.
 */
bool splice_concerns(struct splice *splice);

/* A request's last chance to be edited, with everything known. */
void splice_close_request(struct splice *splice);

#endif

#ifndef PROXY_MESSAGE_SPLICE_H
#define PROXY_MESSAGE_SPLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/message/envelope.h"
#include "proxy/message/piece.h"

/*
 * One message on its way through: reads it once (skim), tells what it says (envelope), and gives
 * its bytes out again with nothing changed but carriers, at their places (place.h).
 *
 * In SPLICE_WATCH nothing is ever held, in it and SPLICE_HOLD nothing changed. Otherwise bytes are
 * held until the message ends or is longer than SPLICE_HOLD_MAX. One that fits is decided at its
 * end with everything known, and comes out whole. A longer one flows through; a carrier's member
 * waits, for SPLICE_HOLD_MAX bytes at most, until id and method have been read, and is then
 * replaced; without one ours is added before the closing brace. A second carrier is removed. The
 * output depends on the bytes only, never on how they were cut. What begins neither with { nor with
 * [ is never held, unless splice_hold_all() asks for it.
 *
 * In an object that is others', too, our members alone are written or removed; if it is no object
 * it stays as it is. A place in params is made where they are an object, in each if there are
 * several; where there are none, if the rules say so.
 *
 * A batch (array) is taken apart: every object in it is an envelope of its own with a carrier of
 * its own.
 *
 * Not JSON, too deep, an undecidable envelope: the message comes out as it went in and a trouble
 * flag says why. In a held message that is known before any hook is called; in one that flows, what
 * was edited before stays, but envelope() is not called for any of it.
 */
#define SPLICE_GROWTH 1024 /* of a long message whose size must be told first */

enum splice_mode {
	SPLICE_WATCH,   /* read only */
	SPLICE_HOLD,    /* the same; but what fits the hold comes out whole */
	SPLICE_INJECT,  /* put our carrier into requests, at the first place */
	SPLICE_REPLACE, /* the same, and remove as in SPLICE_STRIP what does not make way for it */
	SPLICE_STRIP, /* remove from the carriers of all that has a method, at all places, what the
			 rules say */
};

enum splice_trouble {
	SPLICE_NOT_JSON = 1, /* text that no JSON parser would take */
	SPLICE_TOO_DEEP = 2,
	SPLICE_UNDECIDED = 4,      /* a request went out unedited: it was known as one too late */
	SPLICE_ENVELOPE_LARGE = 8, /* wanted values over the arena's or a shelf's limit; the rest
				      is missing */
	SPLICE_NO_MEMORY = 16,
	SPLICE_NO_PLACE = 32, /* a request went out unedited: nothing in it can have the carrier */
};

/* What kind of text a message was, for those who wonder whether lines are messages at all. */
enum splice_form {
	SPLICE_FORM_MESSAGE, /* a whole object or array */
	SPLICE_FORM_OTHER,   /* that, but broken; a scalar, blanks */
	SPLICE_FORM_FOREIGN, /* its first byte begins none of these */
	SPLICE_FORM_FIELD,   /* the same: a header field, Content-Length */
};

struct splice_hooks {
	/*
	 * In a request that gets ours, once per envelope: gives the carrier's value as JSON text,
	 * valid until the next call. Size 0: it is to have none. In a message longer than
	 * the hold only id, method and the carrier are sure to be in the envelope by now; if one of
	 * them is repeated later, envelope() sees another value than this call did. In a batch
	 * longer than the hold other envelopes may come between the two calls: a note in the
	 * envelope goes from one to the other. Should the message break, envelope() does not
	 * follow.
	 */
	size_t (*carrier)(void *arg, struct envelope *envelope, const char **text);
	/*
	 * Every envelope, in order, once the message is known to be whole: it has ended, and was
	 * JSON to its end. What is in it is borrowed until this returns.
	 */
	void (*envelope)(void *arg, const struct envelope *envelope);
	/*
	 * May be NULL. The message is longer than the hold: what of it is decided now must be by
	 * its first SPLICE_HOLD_MAX bytes, which have been read, and envelope says what they say;
	 * NULL: no object has begun, or the first one of a batch has ended. Not called in the
	 * middle of a result that is a text.
	 */
	void (*outgrown)(void *arg, const struct envelope *envelope);
};

struct splice;

struct place_rules;

/*
 * pointers come from envelope_pointers_new(), for the place of the rules, and are borrowed for
 * life; nothing may be added to them any more, nor to their places. NULL when out of memory. One
 * splice serves any number of messages, one after the other.
 */
struct splice *splice_new(const struct pointers *pointers, const struct place_rules *rules);
void splice_free(struct splice *splice);

/*
 * A new message begins. Drops what was held of an earlier one; hooks are borrowed until the next.
 */
void splice_begin(
	struct splice *splice, enum splice_mode mode, const struct splice_hooks *hooks, void *arg);

/*
 * Before the first byte: hold this message even if it is none of ours, so that what is not longer
 * than the hold comes out in one piece.
 */
void splice_hold_all(struct splice *splice);

/*
 * Before the first byte: the message's size must be known when its first piece is given out. One
 * that is longer than the hold then comes out splice_growth() bytes longer than it came, whatever
 * its rest says: what is left out of it, and what was promised and not needed, becomes blanks.
 * Requests that need more than SPLICE_GROWTH are left as they are.
 */
void splice_promise(struct splice *splice);

/* Known once a piece has been given out that is not the last; 0 without a promise. */
size_t splice_growth(const struct splice *splice);

/*
 * Takes the next bytes of the message; last: they complete it. Afterwards splice_pieces() is what
 * can be written now, in order; it borrows from bytes and from splice until the next call.
 * Nothing in it while bytes are held. Hooks are called from here.
 */
void splice_feed(struct splice *splice, const uint8_t *bytes, size_t size, bool last);

/*
 * The same for a whole message in SPLICE_WATCH, which its owner sends on as it lies: there are no
 * pieces. Returns splice_troubles().
 */
unsigned splice_watch(struct splice *splice, const struct splice_hooks *hooks, void *arg,
	const uint8_t *bytes, size_t size);

/*
 * The same for a whole message of SPLICE_HOLD_MAX bytes at most in another mode, without
 * splice_begin(), and as if splice_hold_all() had been called: afterwards splice_pieces() is what
 * is to be written. Most requests come so: it takes 100 instructions less than piece by piece.
 */
unsigned splice_edit_whole(struct splice *splice, enum splice_mode mode,
	const struct splice_hooks *hooks, void *arg, const uint8_t *bytes, size_t size);

/*
 * The message will not be completed (end of stream): gives out what is held, as it came, as new
 * pieces. No hook is called.
 */
void splice_abandon(struct splice *splice);

const struct splice_piece *splice_pieces(const struct splice *splice, size_t *count, size_t *total);

/* Bits of enum splice_trouble, for this message. */
unsigned splice_troubles(const struct splice *splice);

/* When the message has ended. */
enum splice_form splice_form(const struct splice *splice);

/* Whether this message may still differ from its input: false means that its size is known. */
bool splice_may_edit(const struct splice *splice);

#endif

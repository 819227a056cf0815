#ifndef PROXY_BODY_H
#define PROXY_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/message/splice.h"
#include "proxy/side/events.h"

/*
 * What an HTTP body says while it passes: one message, or one in each event of a stream. Its owner
 * is told by the pair's hooks. Of a request's message the carrier may be edited: then what is to be
 * written comes from here, else its owner passes on what came. What does not begin as JSON does is
 * not looked at.
 */
struct pair;

#define BODY_WORD_MAX 256 /* a longer one is not told */
#define BODY_ID_MAX   80  /* a longer one is told as null */

enum body_form {
	BODY_UNSEEN, /* nobody looks at it */
	BODY_MESSAGE,
	BODY_EVENTS,
};

struct body {
	struct pair *pair; /* borrowed */
	bool from_client;
	enum body_form form;
	enum splice_mode mode;
	bool promises;                 /* its size must be told before it has ended */
	bool begun;                    /* a message has */
	bool over;                     /* and has been fed to its end */
	struct splice *splice;         /* from a generation's pool while inside a message */
	struct generation *generation; /* whose */
	uint64_t start_ns;             /* of the message */
	struct events events;
	bool keeps_word; /* the first event, so far: it is no message */
	char *word;      /* owned: that event's data; NULL: nothing of it so far */
	size_t word_size;
	_Alignas(8) unsigned char note[ENVELOPE_NOTE_MAX]; /* of the tracer's, in an envelope */
	char id[BODY_ID_MAX]; /* of the first request in it, as JSON text; "" when there is none */
};

/* Begins. mode: BODY_EVENTS are only watched. */
void body_begin(struct body *body, struct pair *pair, bool from_client, enum body_form form,
	enum splice_mode mode);

/* Whether what comes out may differ from what goes in, or be later: known with the first byte. */
bool body_edits(const struct body *body);

/* The next bytes of the body; last: the message ends with them. */
void body_feed(struct body *body, const uint8_t *bytes, size_t size, bool last);

/* The body has ended, and its message with it. */
void body_end(struct body *body);

/*
 * While it edits: what can be written, and by how much the whole grows, as splice_pieces() and
 * splice_growth(); valid until the next call here.
 */
const struct splice_piece *body_pieces(const struct body *body, size_t *count, size_t *total);
size_t body_growth(const struct body *body);

/* Gives back what is borrowed from the loop; a message that has not ended is forgotten. */
void body_done(struct body *body);

#endif

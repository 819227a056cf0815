#ifndef PROXY_MESSAGE_SKIM_H
#define PROXY_MESSAGE_SKIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/message/envelope.h"
#include "proxy/message/piece.h"
#include "proxy/message/pointers_tree.h"
#include "proxy/message/unescape.h"

/*
 * One pass over the text of a message, piece by piece: checks that it is JSON (RFC 8259; whether
 * strings are UTF-8 is the business of the side), fills the envelope, and stops where splice has
 * something to do. See splice.h for what an envelope is.
 */
enum skim_event {
	SKIM_MORE,         /* all bytes are read */
	SKIM_CARRIER,      /* before a carrier's value, if stop_at_carriers */
	SKIM_CARRIER_END,  /* after it */
	SKIM_PARAMS_END,   /* after the closing brace of params, if a carrier's place is there */
	SKIM_MEMBER,       /* after a comma between members, of the envelope or of an object that
			      may have a carrier, if stop_at_members */
	SKIM_ENVELOPE_END, /* after the closing brace */
	SKIM_BAD,          /* no JSON: nothing more can be read */
	SKIM_DEEP,         /* nested deeper than SPLICE_DEPTH_MAX: nothing more can be read */
};

#define SKIM_NOWHERE SIZE_MAX

struct skim_level {
	const struct pointers_node *node;
	uint32_t index;            /* of the element, if it is an array */
	struct envelope_mark mark; /* the same, where only the last one is wanted */
};

struct skim {
	const struct pointers *pointers; /* borrowed for life */
	struct envelope *envelope;       /* borrowed for life */
	size_t offset;                   /* bytes of the message read so far */

	/*
	 * Where things stand in the message, for splice. Members are those of an object that may
	 * have a carrier: of the envelope, or of params.
	 */
	size_t member_from;    /* the comma before a member (its key, for the first), until the key
				  is seen not to be a carrier's; else SKIM_NOWHERE */
	size_t key_from;       /* the key's quote */
	size_t value_from;     /* a carrier's value */
	size_t params_from;    /* the opening brace of params */
	uint8_t carrier;       /* what the last carrier is: POINTERS_FIRST ... */
	bool params_empty;     /* at SKIM_PARAMS_END */
	bool stop_at_carriers; /* set by splice */
	bool stop_at_members;  /* set by splice */

	uint8_t state;  /* enum skim_state */
	uint8_t escape; /* bytes of an escape still to come: see skim_text.c */
	uint8_t number; /* enum skim_number_state */
	uint8_t hard;   /* of the current string or number: see skim_tokens.h */
	uint8_t stops;  /* at which nodes to stop: bits of their stops */
	const struct pointers_node *capture; /* wants the current string or number; or NULL */
	const struct pointers_node *next;    /* of the value to come; NULL: not wanted */
	const uint8_t *bad;                  /* the byte that is wrong */
	const char *literal;                 /* what must still come of true, false or null */

	/* Containers: those down to live_depth have nodes, what is below is only checked. */
	uint32_t depth;
	uint32_t live_depth;
	uint32_t envelope_depth;  /* at which objects are envelopes */
	uint32_t member_depth;    /* at which the members of an object with carriers are */
	uint32_t carrier_depth;   /* of a carrier whose value is being read, else of such params */
	struct skim_level *level; /* that of live_depth */
	struct skim_level levels[1 + POINTERS_DEPTH_MAX]; /* [1] is that of the envelope */
	uint8_t after[1 + SPLICE_DEPTH_MAX];              /* the state after a value, by depth */

	/* A key that came in pieces, or with escapes. */
	struct unescape key_text;
	size_t key_size;
	char key[POINTERS_TOKEN_MAX];
};

/* pointers come from envelope_pointers_new() and are those of envelope. */
void skim_init(struct skim *skim, const struct pointers *pointers, struct envelope *envelope);

/* What to look for. */
enum skim_mode {
	SKIM_CHECK, /* is it JSON? no envelopes */
	SKIM_WATCH, /* stops at the end of envelopes only */
	SKIM_FIRST, /* stops at every event that has to do with the first place */
	SKIM_STOP,  /* stops at every event */
};

/* A new message begins. */
void skim_begin(struct skim *skim, enum skim_mode mode);

/*
 * Reads from *at up to end, and leaves in *at where it stopped. Call again to go on, with the bytes
 * that follow; not after SKIM_BAD or SKIM_DEEP.
 */
enum skim_event skim_run(struct skim *skim, const uint8_t **at, const uint8_t *end);

/* The message ends here: whether it was one complete JSON text. */
bool skim_finish(const struct skim *skim);

/* Whether an envelope is being read or may still come. */
bool skim_expects_envelope(const struct skim *skim);

/* Whether the text is an array, if it is JSON. */
bool skim_is_array(const uint8_t *bytes, const uint8_t *end);

#endif

#ifndef PROXY_EXPLAIN_LISTING_H
#define PROXY_EXPLAIN_LISTING_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "exporter/text.h"
#include "proxy/explain/pending.h"
#include "proxy/explain/recording.h"

struct envelope;

/*
 * What --explain writes about messages: a heading for each, or for a moment between them, and notes
 * below it. The heading of a moment is written when the first note comes, or not at all.
 */
/*
 * Our clock when that of a recording is at its zero: no span that went on before it can be older.
 */
#define LISTING_EPOCH_NS (31 * 86400 * 1000000000ull)

struct listing {
	FILE *out;              /* borrowed */
	const uint64_t *now_ns; /* borrowed: the clock */
	uint64_t zero_ns;       /* of the recording's clock; set by the owner */
	struct text text;       /* the line being written */
	bool failed;            /* a text found no memory */
	bool headed;            /* the heading is written */
	const char *moment;     /* static; the heading of what happens between messages */

	/* of the line of the recording */
	unsigned long long number;
	enum recording_side side;
	const char *connection; /* borrowed; NULL: it has no name */
};

/* out and now_ns are borrowed for life. A failure of out is left in it: ferror(). */
void listing_init(struct listing *listing, FILE *out, const uint64_t *now_ns);
void listing_done(struct listing *listing);

/* What follows is about that line of the recording; connection is its name, or NULL, borrowed. */
void listing_turn_to_line(
	struct listing *listing, const struct recording_line *line, const char *connection);

/* What follows is about no line, but that moment (static text). */
void listing_turn_to_moment(struct listing *listing, const char *moment);

/* The heading of a message: what it is. asked: by enum recording_side, who asked. */
void listing_write_envelope(
	struct listing *listing, const struct envelope *envelope, struct pending pending[2]);

/* The heading of a line that has no envelope, in words. */
void listing_write_heading(struct listing *listing, const char *what);

/* A line below the heading. */
void listing_write_note(struct listing *listing, const char *note);

#endif

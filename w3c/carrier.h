#ifndef W3C_CARRIER_H
#define W3C_CARRIER_H

#include <stdbool.h>
#include <stddef.h>

#include "w3c/traceparent.h"

/*
 * A carrier is what one message brings or takes along: a traceparent and a tracestate, each a text
 * or absent. The JSON around them is the business of proxy/message; this module decides what the
 * two texts mean together and writes our own as a JSON object.
 */

/*
 * A tracestate longer than this is dropped as a whole ("tracestate Limits" asks for 512 at least).
 */
#define CARRIER_TRACESTATE_MAX 4096
/* Room that carrier_format() may need: every character of the tracestate escaped, plus the rest. */
#define CARRIER_TEXT_MAX (2 * CARRIER_TRACESTATE_MAX + 128)

/* What a message says, wherever it has it: the texts of one carrier, borrowed from the message. */
struct carrier_text {
	const char *bytes; /* NULL: not there. One that is there but is no text: CARRIER_NO_TEXT */
	size_t size;
};

#define CARRIER_NO_TEXT "=" /* neither a traceparent nor a tracestate */

struct carrier_view {
	bool found; /* it has a traceparent, good or bad; else nothing is said but the baggage */
	struct carrier_text traceparent, tracestate, baggage;
	bool baggage_cut; /* it goes on in the message */
};

struct trace_context {
	struct traceparent traceparent;
	const char *tracestate; /* borrowed from the caller's text; NULL when there is none */
	size_t tracestate_size;
};

enum carrier_verdict {
	CARRIER_ABSENT,         /* no traceparent: null, missing, or only a tracestate */
	CARRIER_VALID,          /* continue that trace */
	CARRIER_VALID_NO_STATE, /* continue it; the tracestate was bad and is dropped alone */
	CARRIER_INVALID, /* present but not usable: start an own root, not the environment's */
};

/*
 * Judges a carrier ("Processing Model"). traceparent or tracestate may be NULL for absent. On
 * CARRIER_VALID and CARRIER_VALID_NO_STATE fills *context, whose tracestate points into the given
 * text (from its first member to its last); otherwise *context is untouched. A traceparent that is
 * there but is no text, or is there twice, is passed as an empty text.
 */
enum carrier_verdict carrier_extract(struct trace_context *context, const char *traceparent,
	size_t traceparent_size, const char *tracestate, size_t tracestate_size);

/* The same for what was seen in a message. */
static inline enum carrier_verdict carrier_judge(
	struct trace_context *context, const struct carrier_view *view)
{
	return carrier_extract(context, view->traceparent.bytes, view->traceparent.size,
		view->tracestate.bytes, view->tracestate.size);
}

/*
 * Writes {"traceparent":"..."} or {"traceparent":"...","tracestate":"..."} as JSON text into text,
 * which has CARRIER_TEXT_MAX bytes. Only flag bits of flags_mask are sent (codex refuses all but
 * 00 and 01). The list is written without blanks and empty members. Returns the number of bytes
 * written; no terminator.
 */
size_t carrier_format(char *text, const struct trace_context *context, uint8_t flags_mask);

/*
 * The same as lines of fields, each with its CRLF: traceparent, and tracestate if there is one.
 * text has CARRIER_FIELDS_MAX bytes.
 */
#define CARRIER_FIELDS_MAX (CARRIER_TRACESTATE_MAX + 128)
size_t carrier_format_fields(char *text, const struct trace_context *context, uint8_t flags_mask);

#endif

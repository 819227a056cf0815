#ifndef W3C_CARRIER_H
#define W3C_CARRIER_H

#include "w3c/traceparent.h"

/*
 * A carrier is what one message brings or takes along: a traceparent and a tracestate, each a text
 * or absent. The JSON around them is the business of proxy/message; this module decides what the
 * two texts mean together and writes our own as a JSON object.
 */

/* A tracestate longer than this is dropped as a whole ("tracestate Limits" asks for 512 at least).
 */
#define CARRIER_TRACESTATE_MAX 4096
/* Room that carrier_format() may need: every character of the tracestate escaped, plus the rest. */
#define CARRIER_TEXT_MAX (2 * CARRIER_TRACESTATE_MAX + 128)

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
 * Judges a carrier ("Processing Model"). traceparent or tracestate may be NULL for absent.
 * On CARRIER_VALID and CARRIER_VALID_NO_STATE fills *context, whose tracestate points into the
 * given text (from its first member to its last); otherwise *context is untouched. A traceparent
 * that is there but is no text, or is there twice, is passed as an empty text.
 */
enum carrier_verdict carrier_extract(struct trace_context *context, const char *traceparent,
	size_t traceparent_size, const char *tracestate, size_t tracestate_size);

/*
 * Writes {"traceparent":"..."} or {"traceparent":"...","tracestate":"..."} as JSON text into text,
 * which has CARRIER_TEXT_MAX bytes. Only flag bits of flags_mask are sent (codex refuses all but
 * 00 and 01). The list is written without blanks and empty members. Returns the number of bytes
 * written; no terminator.
 */
size_t carrier_format(char *text, const struct trace_context *context, uint8_t flags_mask);

#endif

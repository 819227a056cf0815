#ifndef W3C_TRACEPARENT_H
#define W3C_TRACEPARENT_H

#include <stddef.h>
#include <stdint.h>

/* The traceparent field of W3C Trace Context Level 2. Pure values, no allocation. */
#define TRACE_ID_SIZE    16
#define SPAN_ID_SIZE     8
#define TRACEPARENT_SIZE 55 /* characters of a version 00 field, without a terminator */

enum trace_flags {
	TRACE_FLAG_SAMPLED = 0x01,
	TRACE_FLAG_RANDOM = 0x02, /* Level 2, "Random Trace ID Flag" */
};

struct traceparent {
	uint8_t trace_id[TRACE_ID_SIZE];
	uint8_t span_id[SPAN_ID_SIZE]; /* the field's parent-id */
	uint8_t flags;                 /* only bits of enum trace_flags are ever set */
};

/*
 * Parses size bytes of text ("traceparent Header Field Values", "Versioning of traceparent").
 * SP and HTAB around the value are ignored. Returns 0, or -1 when the field must be ignored; then
 * *traceparent is untouched. Reads nothing past size.
 */
int traceparent_parse(struct traceparent *traceparent, const char *text, size_t size);

/* Writes the version 00 form: exactly TRACEPARENT_SIZE characters, no terminator. */
void traceparent_format(char text[TRACEPARENT_SIZE], const struct traceparent *traceparent);

#endif

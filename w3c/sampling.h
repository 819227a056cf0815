#ifndef W3C_SAMPLING_H
#define W3C_SAMPLING_H

#include <stdbool.h>
#include <stdint.h>

#include "w3c/traceparent.h"
#include "w3c/tracestate.h"

/*
 * Consistent probability sampling (OpenTelemetry, "TraceState: Probability Sampling"): a trace is
 * kept when its randomness R, 56 bits that every participant sees alike, reaches a threshold T. The
 * threshold that a decision was made with travels in the member "ot" of tracestate: ot=th:c;rv:...
 */
#define SAMPLING_ALWAYS UINT64_C(0)         /* threshold that keeps every trace */
#define SAMPLING_NEVER  (UINT64_C(1) << 56) /* threshold that keeps none */

/* The threshold that keeps ratio (0 to 1) of all traces. */
uint64_t sampling_threshold(double ratio);

/* Reads 1 to 14 lower-case hex digits; missing ones on the right are zeros. Returns 0 or -1. */
int sampling_threshold_parse(uint64_t *threshold, const char *text, size_t size);

/* R: what the list says explicitly (rv), else the low 56 bits of the trace id. */
uint64_t sampling_randomness(
	const struct tracestate *tracestate, const uint8_t trace_id[TRACE_ID_SIZE]);

/* The list of a trace that began with that decision: "ot=th:c". Returns its size, no terminator. */
#define SAMPLING_STATE_MAX 20
size_t sampling_state(char text[SAMPLING_STATE_MAX], uint64_t threshold);

/*
 * Writes the threshold into the list (SAMPLING_NEVER: takes it out, as for a trace that was not
 * kept); everything else in the member "ot" stays. The member's new value is built in value, which
 * the list borrows from then on. Returns 0, or -1 when the value would be too long: nothing
 * changed.
 */
int sampling_mark(
	struct tracestate *tracestate, char value[TRACESTATE_VALUE_MAX], uint64_t threshold);

/* Decides for one trace and marks the list accordingly. Returns whether to keep the trace. */
bool sampling_decide(struct tracestate *tracestate, char value[TRACESTATE_VALUE_MAX],
	const uint8_t trace_id[TRACE_ID_SIZE], uint64_t threshold);

#endif

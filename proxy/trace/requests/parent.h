#ifndef PROXY_TRACE_REQUESTS_PARENT_H
#define PROXY_TRACE_REQUESTS_PARENT_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "exporter/span.h"
#include "proxy/message/envelope.h"
#include "proxy/message/place.h"
#include "w3c/carrier.h"
#include "w3c/traceparent.h"

/*
 * Where a request's parent comes from: the first of the places in it that has one, else the
 * environment, else nowhere. Without places (propagation.extract none) from nowhere in any case.
 */
struct parents {
	struct place_slots places[PLACES_MAX];
	size_t place_count;
	bool has_environment; /* a valid TRACEPARENT */
	struct traceparent environment;
	char *environment_tracestate; /* owned; or NULL */
};

struct parent {
	enum carrier_verdict verdict; /* on the request's carrier */
	bool present;
	struct traceparent traceparent; /* when present, as is tracestate */
	struct span_text tracestate;    /* borrowed from the envelope or the environment */
};

/*
 * traceparent and tracestate: the texts of the environment, or NULL; copied. There are no places
 * yet. 0, or -1 when out of memory; parents_done() is needed after either.
 */
int parents_init(struct parents *parents, const char *traceparent, const char *tracestate);
void parents_done(struct parents *parents);

/* Looks at one place more, after those that are looked at already; PLACES_MAX at most. */
void parents_add_place(struct parents *parents, const struct place_slots *place);

/* What an envelope says at one place. Borrowed from the envelope. */
void parent_view(struct carrier_view *view, const struct place_slots *place,
	const struct envelope *envelope);

/* An invalid carrier means none, not the environment's. */
void parent_find(
	struct parent *parent, const struct parents *parents, const struct envelope *envelope);

/* Says that a request's carrier is invalid. */
void parent_warn_invalid(const struct envelope *envelope);

/*
 * The samplers of the OpenTelemetry specification (trace/sdk.md, "Built-in samplers").
 */
struct sampler {
	enum config_sampler kind;
	uint64_t threshold; /* of the ratio samplers */
};

void sampler_init(struct sampler *sampler, enum config_sampler kind, double ratio);

/*
 * Whether a span of that trace is recorded. parent_flags: the flags of the parent, or NULL for a
 * root. The ratio keeps a trace when the low 56 bits of its id reach a threshold ("Probability
 * sampling": R >= T), so that a higher ratio keeps all that a lower one keeps.
 */
bool sampler_decide(const struct sampler *sampler, const uint8_t trace_id[TRACE_ID_SIZE],
	const uint8_t *parent_flags);

struct ids;

/*
 * What the server is told of a request before the request is known to its end: the parent and the
 * context of its span. Whatever the rest of the message says, the span is then as it was told.
 */
struct forwarded {
	uint32_t carriers; /* of the envelope, when it was made: see envelope_carriers() */
	/* The method as it stood in the envelope then, to be compared, and its number. */
	unsigned method_number;
	struct span_text method;
	struct parent parent;
	struct traceparent context;
	/* The request has no span of its own: its parent is what the server is told of, if it has
	 * one. */
	bool passed_on;
	/* The carrier names not the request's own span, but one that is to come of it. */
	bool for_another;
	uint8_t another[SPAN_ID_SIZE];
};

/* Finds the request's parent and makes its context. */
void forwarded_make(struct forwarded *forwarded, const struct parents *parents,
	const struct sampler *sampler, struct ids *ids, const struct envelope *envelope);

/*
 * The request, promised in the same envelope, is complete. Should another carrier have turned up
 * since, the verdict is on the latter, but the parent is still the one that was told.
 */
void forwarded_keep(struct forwarded *forwarded, const struct parents *parents,
	const struct envelope *envelope);

#endif

#ifndef PROXY_TRACE_NAMES_SAMPLER_H
#define PROXY_TRACE_NAMES_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "w3c/traceparent.h"

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

#endif

#ifndef PROXY_TRACE_REQUESTS_SAMPLER_H
#define PROXY_TRACE_REQUESTS_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "exporter/span.h"
#include "proxy/trace/names/methods.h"
#include "w3c/traceparent.h"

/*
 * The samplers of the OpenTelemetry specification (trace/sdk.md, "Built-in samplers"), and shares
 * by method: sampling.methods. Pure: all follows from the trace id, the parent's flags, the method.
 */
struct sampler {
	enum config_sampler kind;
	uint64_t threshold;     /* of the ratio samplers */
	struct methods methods; /* those with a share of their own */
	uint64_t *thresholds;   /* owned; by the method's number; NULL: there are none */
};

void sampler_init(struct sampler *sampler, enum config_sampler kind, double ratio);

/*
 * Gives methods shares of their own. shares was checked and is borrowed for life. 0, or -1: out of
 * memory; sampler_done() is needed after either.
 */
int sampler_take_methods(struct sampler *sampler, const struct config_map *shares);
void sampler_done(struct sampler *sampler);

/* The same whatever the parent. */
bool sampler_decide_root(const struct sampler *sampler, const uint8_t trace_id[TRACE_ID_SIZE]);

/* Whether the sampler does as the parent did, if there is one. */
static inline bool sampler_follows(const struct sampler *sampler, const uint8_t *parent_flags)
{
	return parent_flags != NULL && sampler->kind >= CONFIG_SAMPLER_PARENT_ALWAYS_ON;
}

/*
 * Whether a span of that trace is recorded. parent_flags: the flags of the parent, or NULL for a
 * root. The ratio keeps a trace when the low 56 bits of its id reach a threshold ("Probability
 * sampling": R >= T), so that a higher ratio keeps all that a lower one keeps. In line, as each
 * request asks.
 */
static inline bool sampler_decide(const struct sampler *sampler,
	const uint8_t trace_id[TRACE_ID_SIZE], const uint8_t *parent_flags)
{
	if (sampler_follows(sampler, parent_flags))
		return (*parent_flags & TRACE_FLAG_SAMPLED) != 0;
	return sampler->kind == CONFIG_SAMPLER_PARENT_ALWAYS_ON ||
	       sampler_decide_root(sampler, trace_id);
}

static inline bool sampler_has_methods(const struct sampler *sampler)
{
	return sampler->thresholds != NULL;
}

/*
 * The same by the method's share, which stands in for a root's sampler: a parent is followed by
 * the samplers that follow one. False: the method has none, and it is as sampler_decide() says.
 */
bool sampler_decide_method(const struct sampler *sampler, struct span_text method,
	const uint8_t trace_id[TRACE_ID_SIZE], const uint8_t *parent_flags, bool *sampled);

#endif

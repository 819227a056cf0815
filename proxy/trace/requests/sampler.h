#ifndef PROXY_TRACE_REQUESTS_SAMPLER_H
#define PROXY_TRACE_REQUESTS_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "exporter/span.h"
#include "proxy/trace/names/methods.h"
#include "w3c/sampling.h"
#include "w3c/traceparent.h"

/*
 * The samplers of the OpenTelemetry specification (trace/sdk.md, "Built-in samplers"), and shares
 * by method: sampling.methods. Pure: all follows from the trace id, the parent's flags, the method.
 * A share keeps a trace when the low 56 bits of its id reach a threshold ("Probability sampling":
 * R >= T), so that a higher share keeps all that a lower one keeps. What begins a trace that is
 * kept so says it in its tracestate, for those who sample or count behind us.
 */
struct sampler_share {
	uint64_t threshold;
	char state[SAMPLING_STATE_MAX];
	size_t state_size; /* 0: there is no share, or it keeps nothing */
};

struct sampler {
	enum config_sampler kind;
	struct sampler_share own;     /* of the ratio samplers */
	struct methods methods;       /* those with a share of their own */
	struct sampler_share *shares; /* owned; by the method's number; NULL: there are none */
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
 * root. In line, as each request asks.
 */
static inline bool sampler_decide(const struct sampler *sampler,
	const uint8_t trace_id[TRACE_ID_SIZE], const uint8_t *parent_flags)
{
	if (sampler_follows(sampler, parent_flags))
		return (*parent_flags & TRACE_FLAG_SAMPLED) != 0;
	return sampler->kind == CONFIG_SAMPLER_PARENT_ALWAYS_ON ||
	       sampler_decide_root(sampler, trace_id);
}

/* Whether sampler_decide() keeps every root, whatever its method is. */
static inline bool sampler_keeps_all(const struct sampler *sampler)
{
	return sampler->shares == NULL && (sampler->kind == CONFIG_SAMPLER_ALWAYS_ON ||
						  sampler->kind == CONFIG_SAMPLER_PARENT_ALWAYS_ON);
}

/* The share of a request with that method, where no parent is followed; NULL: none, all or no. */
const struct sampler_share *sampler_share(const struct sampler *sampler, struct span_text method);

/* Whether that share keeps the trace. */
bool sampler_share_keeps(const struct sampler_share *share, const uint8_t trace_id[TRACE_ID_SIZE]);

/* The tracestate of a root with these flags; borrowed. */
static inline struct span_text sampler_share_state(const struct sampler_share *share, uint8_t flags)
{
	return (struct span_text){.bytes = share->state,
		.size = (flags & TRACE_FLAG_SAMPLED) != 0 ? share->state_size : 0};
}

#endif

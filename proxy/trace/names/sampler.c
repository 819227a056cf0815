/* The sampling decision: pure, from the trace id and the parent's flags alone. */
#include "proxy/trace/names/sampler.h"

#include <stddef.h>

#include "w3c/sampling.h"

void sampler_init(struct sampler *sampler, enum config_sampler kind, double ratio)
{
	sampler->kind = kind;
	sampler->threshold = sampling_threshold(ratio);
}

bool sampler_decide(const struct sampler *sampler, const uint8_t trace_id[TRACE_ID_SIZE],
	const uint8_t *parent_flags)
{
	static const struct tracestate none;
	bool follow_parent = sampler->kind >= CONFIG_SAMPLER_PARENT_ALWAYS_ON;

	if (follow_parent && parent_flags != NULL)
		return (*parent_flags & TRACE_FLAG_SAMPLED) != 0;
	switch (sampler->kind) {
	case CONFIG_SAMPLER_ALWAYS_ON:
	case CONFIG_SAMPLER_PARENT_ALWAYS_ON:
		return true;
	case CONFIG_SAMPLER_RATIO:
	case CONFIG_SAMPLER_PARENT_RATIO:
		return sampling_randomness(&none, trace_id) >= sampler->threshold;
	case CONFIG_SAMPLER_ALWAYS_OFF:
	case CONFIG_SAMPLER_PARENT_ALWAYS_OFF:
		break;
	}
	return false;
}

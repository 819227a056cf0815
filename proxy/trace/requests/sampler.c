/* Samplers. A share is a threshold; the methods that have one are numbered by a table of theirs. */
#include "proxy/trace/requests/sampler.h"

#include <assert.h>
#include <stdlib.h>

#include "config/map.h"
#include "w3c/sampling.h"

void sampler_init(struct sampler *sampler, enum config_sampler kind, double ratio)
{
	sampler->kind = kind;
	sampler->threshold = sampling_threshold(ratio);
	sampler->thresholds = NULL;
	methods_init(&sampler->methods);
}

int sampler_take_methods(struct sampler *sampler, const struct config_map *shares)
{
	double ratio = 0;
	size_t i;

	if (shares->count == 0)
		return 0;
	sampler->thresholds = calloc(shares->count + 1, sizeof *sampler->thresholds);
	for (i = 0; sampler->thresholds != NULL && i < shares->count; i++) {
		const struct config_pair *pair = &shares->pairs[i];
		int number = methods_add(&sampler->methods, pair->name);
		bool is_ratio = map_is_ratio(pair->value, 0, 1, &ratio);

		if (number < 0)
			return -1;
		assert(is_ratio && (size_t)number <= shares->count);
		sampler->thresholds[number] = sampling_threshold(ratio);
	}
	return sampler->thresholds != NULL ? 0 : -1;
}

void sampler_done(struct sampler *sampler)
{
	free(sampler->thresholds);
	sampler->thresholds = NULL;
	methods_done(&sampler->methods);
}

static bool sampler_reaches(const uint8_t trace_id[TRACE_ID_SIZE], uint64_t threshold)
{
	static const struct tracestate none;

	return sampling_randomness(&none, trace_id) >= threshold;
}

bool sampler_decide_root(const struct sampler *sampler, const uint8_t trace_id[TRACE_ID_SIZE])
{
	switch (sampler->kind) {
	case CONFIG_SAMPLER_ALWAYS_ON:
	case CONFIG_SAMPLER_PARENT_ALWAYS_ON:
		return true;
	case CONFIG_SAMPLER_RATIO:
	case CONFIG_SAMPLER_PARENT_RATIO:
		return sampler_reaches(trace_id, sampler->threshold);
	case CONFIG_SAMPLER_ALWAYS_OFF:
	case CONFIG_SAMPLER_PARENT_ALWAYS_OFF:
		break;
	}
	return false;
}

bool sampler_decide_method(const struct sampler *sampler, struct span_text method,
	const uint8_t trace_id[TRACE_ID_SIZE], const uint8_t *parent_flags, bool *sampled)
{
	unsigned number;

	if (!sampler_has_methods(sampler) || sampler_follows(sampler, parent_flags))
		return false;
	number = methods_find(&sampler->methods, method);
	if (number == METHODS_OTHER)
		return false;
	*sampled = sampler_reaches(trace_id, sampler->thresholds[number]);
	return true;
}

/* Samplers. The methods that have a share are numbered by a table of their own. */
#include "proxy/trace/requests/sampler.h"

#include <assert.h>
#include <stdlib.h>

#include "config/map.h"

static struct sampler_share sampler_make_share(double ratio)
{
	struct sampler_share share = {.threshold = sampling_threshold(ratio)};

	if (share.threshold < SAMPLING_NEVER)
		share.state_size = sampling_state(share.state, share.threshold);
	return share;
}

static bool sampler_has_ratio(const struct sampler *sampler)
{
	return sampler->kind == CONFIG_SAMPLER_RATIO ||
	       sampler->kind == CONFIG_SAMPLER_PARENT_RATIO;
}

void sampler_init(struct sampler *sampler, enum config_sampler kind, double ratio)
{
	*sampler = (struct sampler){.kind = kind};
	methods_init(&sampler->methods);
	if (sampler_has_ratio(sampler))
		sampler->own = sampler_make_share(ratio);
}

int sampler_take_methods(struct sampler *sampler, const struct config_map *shares)
{
	double ratio = 0;
	size_t i;

	if (shares->count == 0)
		return 0;
	sampler->shares = calloc(shares->count + 1, sizeof *sampler->shares);
	for (i = 0; sampler->shares != NULL && i < shares->count; i++) {
		const struct config_pair *pair = &shares->pairs[i];
		int number = methods_add(&sampler->methods, pair->name);
		bool is_ratio = map_is_ratio(pair->value, 0, 1, &ratio);

		if (number < 0)
			return -1;
		assert(is_ratio && (size_t)number <= shares->count);
		sampler->shares[number] = sampler_make_share(ratio);
	}
	return sampler->shares != NULL ? 0 : -1;
}

void sampler_done(struct sampler *sampler)
{
	free(sampler->shares);
	sampler->shares = NULL;
	methods_done(&sampler->methods);
}

bool sampler_share_keeps(const struct sampler_share *share, const uint8_t trace_id[TRACE_ID_SIZE])
{
	static const struct tracestate none;

	return sampling_randomness(&none, trace_id) >= share->threshold;
}

bool sampler_decide_root(const struct sampler *sampler, const uint8_t trace_id[TRACE_ID_SIZE])
{
	switch (sampler->kind) {
	case CONFIG_SAMPLER_ALWAYS_ON:
	case CONFIG_SAMPLER_PARENT_ALWAYS_ON:
		return true;
	case CONFIG_SAMPLER_RATIO:
	case CONFIG_SAMPLER_PARENT_RATIO:
		return sampler_share_keeps(&sampler->own, trace_id);
	case CONFIG_SAMPLER_ALWAYS_OFF:
	case CONFIG_SAMPLER_PARENT_ALWAYS_OFF:
		break;
	}
	return false;
}

const struct sampler_share *sampler_share(const struct sampler *sampler, struct span_text method)
{
	unsigned number = METHODS_OTHER;

	if (sampler->shares != NULL)
		number = methods_find(&sampler->methods, method);
	if (number != METHODS_OTHER)
		return &sampler->shares[number];
	return sampler_has_ratio(sampler) ? &sampler->own : NULL;
}

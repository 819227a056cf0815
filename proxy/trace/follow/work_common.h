#ifndef PROXY_TRACE_FOLLOW_WORK_COMMON_H
#define PROXY_TRACE_FOLLOW_WORK_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "proxy/trace/follow/live.h"
#include "proxy/trace/follow/matcher.h"
#include "proxy/trace/names/attributes.h"

/*
 * What all followers of a tracer have in common: the rules, the options, where spans go, counters.
 */
struct exporter;
struct ids;
struct sampler;

struct work_counters {
	uint64_t opened;     /* spans that followed rules, dispatch spans not counted */
	uint64_t dispatched; /* dispatch spans */
	uint64_t announced;
	uint64_t expired, evicted;
	uint64_t claims_evicted;  /* CLAIMS_MAX was reached */
	uint64_t keyless;         /* messages that matched a rule but had no usable key */
	uint64_t parentless;      /* spans not opened: their parent was not open */
	uint64_t aliases_dropped; /* LIVE_ALIASES_MAX was reached */
	uint64_t no_memory;
	struct live_room room;
};

/* All pointers are borrowed for life. */
struct work_common {
	struct matcher matcher;    /* owned */
	struct exporter *exporter; /* NULL: nothing is recorded, context is passed on */
	struct ids *ids;
	const struct sampler *sampler;
	const uint64_t *wall_offset_ns; /* unix time = monotonic time + this */
	enum config_dispatch dispatch;
	bool switches[LIFECYCLE_APPROVALS + 1]; /* by enum lifecycle_switch */
	bool events, streams;
	uint64_t announce_after_ns; /* 0: never */
	uint64_t max_age_ns, grace_ns;
	size_t spans_max;
	const struct attributes_names *names;
	const struct methods *methods;
	void (*note)(void *arg, const char *text); /* NULL: nobody wants to know what rules do */
	void *note_arg;
	struct work_counters counters;
};

#endif

#ifndef PROXY_TRACE_FOLLOW_EMIT_H
#define PROXY_TRACE_FOLLOW_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "proxy/trace/follow/matcher.h"
#include "proxy/trace/follow/open_span.h"
#include "proxy/trace/names/attributes.h"

/*
 * What all followers of a tracer have in common: the rules, the options, where spans go, counters.
 */
struct claim;
struct exporter;
struct ids;
struct sampler;

struct follow_counters {
	uint64_t opened;     /* spans that followed rules, dispatch spans not counted */
	uint64_t dispatched; /* dispatch spans */
	uint64_t announced;
	uint64_t expired, evicted;
	uint64_t claims_evicted;  /* CLAIMS_MAX was reached */
	uint64_t keyless;         /* messages that matched a rule but had no usable key */
	uint64_t parentless;      /* spans not opened: their parent was not open */
	uint64_t aliases_dropped; /* OPEN_SPAN_ALIASES_MAX was reached */
	uint64_t no_memory;
	struct open_span_budget budget;
};

/* All pointers are borrowed for life. */
struct follow_setup {
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
	struct follow_counters counters;
};

/*
 * From what a follower knows to spans of the exporter. Spans of traces that are not recorded are
 * left out here, and nowhere else.
 */
struct span_end {
	enum span_status status;
	struct span_text message; /* with SPAN_STATUS_ERROR */
	struct span_text type;    /* error.type; size 0: none */
	const char *reason;       /* sidespan.end_reason; NULL: none */
	uint64_t now_ns;
};

void emit_span(
	const struct follow_setup *setup, const struct open_span *span, const struct span_end *end);

/* Tells of a span that is open still: one without length, below it, with what is known by now. */
void emit_announce(const struct follow_setup *setup, const struct open_span *span);

/* The dispatch span, with that id; about: the span that the work started or joined, or NULL. */
void emit_dispatch(const struct follow_setup *setup, const struct claim *claim,
	const uint8_t span_id[SPAN_ID_SIZE], const struct open_span *about);

#endif

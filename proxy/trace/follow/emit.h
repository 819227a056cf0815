#ifndef PROXY_TRACE_FOLLOW_EMIT_H
#define PROXY_TRACE_FOLLOW_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "exporter/exporter.h"
#include "exporter/metrics/metrics.h"
#include "proxy/trace/follow/matcher.h"
#include "proxy/trace/follow/tail.h"
#include "proxy/trace/follow/open_span.h"
#include "proxy/trace/follow/shares.h"
#include "proxy/trace/names/attributes.h"

/*
 * What all followers of a tracer have in common: the rules, the options, where spans go, counters.
 */
struct ids;
struct sampler;

struct follow_counters {
#define COUNTER_FOLLOW(name, kind, help) uint64_t name;
#include "proxy/counters.def"
	struct open_span_budget budget;
};

/* All pointers are borrowed for life. */
struct follow_setup {
	struct matcher matcher;    /* owned */
	struct exporter *exporter; /* NULL: nothing is recorded, context is passed on */
	struct metrics *metrics;   /* NULL: nothing is measured */
	struct tail *tail;
	struct ids *ids;
	const struct sampler *sampler;
	const uint64_t *wall_offset_ns; /* unix time = monotonic time + this */
	enum config_dispatch dispatch;
	enum config_below below;
	bool off[LIFECYCLE_SPANS_MAX]; /* types of spans that are not wanted */
	bool events, streams;
	uint64_t announce_after_ns; /* 0: never */
	uint64_t max_age_ns, grace_ns;
	size_t spans_max, memories_max;
	const struct attributes_names *names;
	const struct methods *methods;
	void (*note)(void *arg, const char *text); /* NULL: nobody wants to know what rules do */
	void *note_arg;
	const char *why;      /* a method whose rules it is told of why they do not act; or NULL */
	struct shares shares; /* of the spans that are open */
	size_t request_span_count; /* open ones that are requests in flight */
	struct follow_counters counters;
};

/* Sends a finished span, unless there have been too many. */
static inline void follow_submit(const struct follow_setup *setup, const struct span *span)
{
	if (tail_lets_pass(setup->tail, span))
		exporter_submit(setup->exporter, span);
}

/* Whether a span is to be made when it ends, whatever becomes of it. */
static inline bool follow_wants(const struct follow_setup *setup, bool recorded)
{
	return recorded || setup->metrics != NULL || tail_looks(setup->tail);
}

/*
 * A span has ended: it is measured, and sent if it is recorded. sampled_by: what it was kept for if
 * its trace is not sampled; NULL: nothing.
 */
static inline void follow_span_ends(
	const struct follow_setup *setup, struct span *span, bool recorded, const char *sampled_by)
{
	if (setup->metrics != NULL)
		metrics_record(setup->metrics, span);
	if (!recorded && sampled_by == NULL)
		return;
	*setup->tail->kept += !recorded;
	span->begun = recorded;
	follow_submit(setup, span);
}

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

/*
 * Writes out a name of the profile, which is well-formed, into text (EMIT_NAME_MAX bytes): {KEY}
 * stands for the attribute's value. Beside one that has none a blank is left out, too; size 0:
 * nothing is left. One that does not fit is cut, and counted.
 */
#define EMIT_NAME_MAX 512
struct span_text emit_name(
	struct follow_setup *setup, const char *title, const struct attributes *list, char *text);

/* The values, sums and streams of an open span, at that moment. */
void emit_put_values(const struct follow_setup *setup, struct attributes *list,
	const struct open_span *span, uint64_t now_ns);

/* The events of one. */
struct emit_events {
	struct span_event list[OPEN_SPAN_EVENTS_MAX];
	struct span_attribute values[OPEN_SPAN_EVENTS_MAX][OPEN_SPAN_EVENT_VALUES_MAX];
};
void emit_put_events(const struct follow_setup *setup, struct emit_events *events,
	const struct open_span *span, uint64_t end_ns);

void emit_span(
	struct follow_setup *setup, const struct open_span *span, const struct span_end *end);

/* Shows one that goes on, with what is known of it by now, and without an end. */
void emit_show(struct follow_setup *setup, const struct open_span *span, uint64_t now_ns,
	void (*show)(void *arg, const struct span *span), void *arg);

/* Tells of a span that is open still: one without length, below it, with what is known by now. */
void emit_announce(struct follow_setup *setup, const struct open_span *span, uint64_t now_ns);

/* A request that has submitted work. */
struct emit_submission {
	struct traceparent context; /* of its span */
	struct span_text tracestate, method, operation;
	const struct span_attribute *attributes; /* of the dispatch span, too */
	size_t attribute_count;
	uint64_t forwarded_ns, taken_ns;
};

/* Its dispatch span, with that id; about: the span that the work started or joined, or NULL. */
void emit_dispatch(struct follow_setup *setup, const struct emit_submission *submission,
	const uint8_t span_id[SPAN_ID_SIZE], const struct open_span *about);

/* Shows the dispatch span of one that has not been taken up; its id may become another. */
void emit_show_dispatch(struct follow_setup *setup, const struct emit_submission *submission,
	const uint8_t span_id[SPAN_ID_SIZE], void (*show)(void *arg, const struct span *span),
	void *arg);

#endif

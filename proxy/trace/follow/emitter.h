#ifndef PROXY_TRACE_FOLLOW_EMITTER_H
#define PROXY_TRACE_FOLLOW_EMITTER_H

#include <stdint.h>

#include "proxy/trace/follow/live.h"
#include "proxy/trace/follow/submission.h"
#include "proxy/trace/follow/work_common.h"

/*
 * From what a follower knows to spans of the exporter. Spans of traces that are not recorded are
 * left out here, and nowhere else.
 */
struct emitter_end {
	enum span_status status;
	struct span_text message; /* with SPAN_STATUS_ERROR */
	struct span_text type;    /* error.type; size 0: none */
	const char *reason;       /* sidespan.end_reason; NULL: none */
	uint64_t now_ns;
};

void emitter_live(
	const struct work_common *common, const struct live *live, const struct emitter_end *end);

/* Tells of a span that is open still: one without length, below it, with what is known by now. */
void emitter_announce(const struct work_common *common, const struct live *live);

/* The dispatch span, with that id; about: the span that the work started or joined, or NULL. */
void emitter_dispatch(const struct work_common *common, const struct submission *submission,
	const uint8_t span_id[SPAN_ID_SIZE], const struct live *about);

#endif

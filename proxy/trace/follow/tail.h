#ifndef PROXY_TRACE_FOLLOW_TAIL_H
#define PROXY_TRACE_FOLLOW_TAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "exporter/span.h"

/*
 * Sampling when a span ends: of traces that are not sampled, the requests and turns that failed or
 * took long are sent all the same; and no more spans are sent in a second than there may be.
 */
struct tail {
	bool keeps_errors;
	uint64_t slower_than_ns;   /* 0: however slow */
	uint64_t spans_per_second; /* 0: as many as there are */
	uint64_t second;           /* of the calendar, the newest in which a span has ended */
	uint64_t in_second;        /* spans that were sent in it */
	uint64_t *kept, *capped;   /* counters; borrowed */
};

/* Whether spans of traces that are not sampled need to be made. */
static inline bool tail_looks(const struct tail *tail)
{
	return tail->keeps_errors || tail->slower_than_ns > 0;
}

/*
 * What keeps a finished span of a trace that is not sampled, the value of sidespan.sampled_by;
 * NULL: nothing does.
 */
const char *tail_keeps(const struct tail *tail, const struct span *span);

/* Whether one more span may be sent. Counted if not. */
bool tail_lets_pass(struct tail *tail, const struct span *span);

#endif

/* Sampling when a span ends; see tail.h. Nothing can fail. */
#include "proxy/trace/follow/tail.h"

#include <stddef.h>

const char *tail_keeps(const struct tail *tail, const struct span *span)
{
	if (tail->keeps_errors && span->status == SPAN_STATUS_ERROR)
		return "error";
	if (tail->slower_than_ns > 0 && span->end_unix_ns > span->start_unix_ns &&
		span->end_unix_ns - span->start_unix_ns > tail->slower_than_ns)
		return "slow";
	return NULL;
}

bool tail_lets_pass(struct tail *tail, const struct span *span)
{
	uint64_t second = span->end_unix_ns / 1000000000;

	if (tail->spans_per_second == 0)
		return true;
	if (second > tail->second) {
		tail->second = second;
		tail->in_second = 0;
	}
	if (tail->in_second < tail->spans_per_second) {
		tail->in_second++;
		return true;
	}
	(*tail->capped)++;
	return false;
}

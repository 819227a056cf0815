#ifndef PROXY_TRACE_REQUEST_H
#define PROXY_TRACE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/span.h"
#include "proxy/message/envelope.h"
#include "proxy/trace/inflight.h"

/*
 * One request of a client from its first byte to its span: everything the span will say that is
 * known when the request is forwarded, in a single piece of memory.
 */
struct request_value {
	uint8_t capture; /* index of the capture that took it */
	struct span_text text;
};

struct request {
	struct inflight_entry entry; /* first: the table hands back pointers to it */
	struct traceparent context;
	uint8_t parent_span_id[SPAN_ID_SIZE];
	bool has_parent;
	bool recorded; /* sampled, and there is somewhere to send the span */
	uint64_t start_unix_ns;
	struct span_text method;
	struct span_text id;
	struct span_text tracestate;
	size_t value_count;
	struct request_value *values; /* inside this piece of memory, as all texts are */
};

/*
 * Copies what the request is known by: the texts given (borrowed for the call) and values.
 * NULL when out of memory. The caller fills in context, parent and times, and frees with free().
 */
struct request *request_new(struct span_text key, struct span_text method, struct span_text id,
	struct span_text tracestate, const struct request_value *values, size_t value_count);

#endif

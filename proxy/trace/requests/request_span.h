#ifndef PROXY_TRACE_REQUESTS_REQUEST_SPAN_H
#define PROXY_TRACE_REQUESTS_REQUEST_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "exporter/span.h"
#include "proxy/message/envelope.h"
#include "proxy/trace/end.h"

struct connection_attributes;
struct attribute_settings;
struct exporter;
struct follow_setup;
struct request;

/* A request and its answer, or why there is none, as a span. */
struct request_span_settings {
	struct exporter *exporter;                   /* borrowed; may be NULL */
	const struct attribute_settings *attributes; /* borrowed from the tracer */
	int slot_jsonrpc;                            /* of /jsonrpc */
	/* Parts of span.name around {method}; borrowed from the config. */
	struct span_text name_before, name_after;
	bool name_has_method;
	const char *name; /* the same, where more than the method stands in it; else NULL */
};

/* Takes span.name apart, which is borrowed for life. */
void request_span_take_name(struct request_span_settings *settings, const char *template);

/* Sends the span of a request that ended after duration_ns; reply is NULL when there is none. */
void request_span_emit(const struct request_span_settings *settings, struct follow_setup *setup,
	const struct connection_attributes *connection, const struct request *request,
	enum tracer_end end, const struct envelope *reply, uint64_t duration_ns);

/* Shows the span of a request that goes on, with what is known of it by now, and without an end. */
void request_span_show(const struct request_span_settings *settings, struct follow_setup *setup,
	const struct connection_attributes *connection, const struct request *request,
	uint64_t now_ns, void (*show)(void *arg, const struct span *span), void *arg);

#endif

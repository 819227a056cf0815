#ifndef PROXY_TRACE_REQUESTS_HTTP_SPAN_H
#define PROXY_TRACE_REQUESTS_HTTP_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "exporter/span.h"

/*
 * An exchange of HTTP as a span, by the semantic conventions for servers: for those in which no
 * JSON-RPC is spoken. That is known when one is over, so each has what its span would need.
 */
struct attribute_settings;
struct exporter;
struct forwarded;
struct http_span;

struct http_span_request {
	struct span_text method;
	struct span_text path; /* without a query, which may have secrets */
	const char *scheme;    /* static */
};

/*
 * Copies the request, and of forwarded the context and the parent, whose tracestate and the links
 * are borrowed until it ends. NULL when out of memory.
 */
struct http_span *http_span_new(const struct http_span_request *request,
	const struct forwarded *forwarded, const struct span_link *links, size_t link_count,
	uint64_t start_unix_ns);

/* Sends it, after duration_ns. status: of the answer; 0: there is none. */
void http_span_emit(const struct http_span *http, struct exporter *exporter,
	const struct attribute_settings *settings, unsigned status, uint64_t end_unix_ns);

void http_span_free(struct http_span *http);

#endif

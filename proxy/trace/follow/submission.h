#ifndef PROXY_TRACE_FOLLOW_SUBMISSION_H
#define PROXY_TRACE_FOLLOW_SUBMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "exporter/span.h"
#include "proxy/trace/follow/key.h"
#include "proxy/trace/follow/matcher.h"

/*
 * A request that submits work, from its forwarding until it is known what has become of it. The
 * carrier that was forwarded names a span that is still to come: the one that the request starts,
 * if it starts one, else its dispatch span, else (it was refused) the request's own. So no span of
 * the server hangs under one that does not exist.
 */
enum submission_state {
	SUBMISSION_PENDING, /* not answered, nothing has been started by it */
	SUBMISSION_STARTED, /* not answered, but what it asked for has started */
	SUBMISSION_TAKEN,   /* answered; what it asked for is still to start */
};

struct submission_value {
	uint8_t attribute;
	struct matcher_value value;
};

struct submission {
	TAILQ_ENTRY(submission) link; /* while it claims */
	enum submission_state state;
	bool dispatched; /* has a dispatch span, when it is taken up */
	const struct matcher_method *method;
	const struct matcher_rule *claim; /* of a span to come; NULL: none, or no more */
	struct traceparent request;       /* the request's span */
	bool promised;                    /* the carrier forwarded was not the request's own: */
	uint8_t promise[SPAN_ID_SIZE];    /* but this span's */
	uint8_t dispatch[SPAN_ID_SIZE]; /* the dispatch span's, if the promise is kept otherwise */
	uint64_t forwarded_ns;
	uint64_t taken_ns;
	struct key group; /* the first parts of the key of the span that it claims */
	/* Inside this piece of memory, as all texts are. */
	struct span_text tracestate;
	struct span_attribute *attributes; /* of the dispatch span */
	size_t attribute_count;
	struct submission_value *values; /* of the span that it claims */
	size_t value_count;
};

TAILQ_HEAD(submission_list, submission);

struct submission_request {
	const struct matcher_method *method;
	struct traceparent context;
	struct span_text tracestate;
	const struct span_attribute *attributes; /* texts; keys are borrowed for life */
	size_t attribute_count;
	uint64_t now_ns;
};

/* Copies all of it. NULL when out of memory. */
struct submission *submission_new(const struct submission_request *request,
	const struct submission_value *values, size_t value_count);

#endif

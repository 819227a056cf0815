#ifndef PROXY_TRACE_FOLLOW_CLAIM_H
#define PROXY_TRACE_FOLLOW_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "exporter/span.h"
#include "proxy/trace/follow/look.h"
#include "proxy/trace/follow/matcher.h"

/*
 * A request that submits work, from its forwarding until it is known what has become of it. The
 * carrier that was forwarded names a span that is still to come: the one that the request starts,
 * if it starts one, else its dispatch span, else (it was refused) the request's own. So no span of
 * the server hangs under one that does not exist.
 */
enum claim_state {
	CLAIM_PENDING, /* not answered, nothing has been started by it */
	CLAIM_STARTED, /* not answered, but what it asked for has started */
	CLAIM_TAKEN,   /* answered; what it asked for is still to start */
};

struct claim_value {
	uint8_t attribute;
	struct look_value value;
};

struct claim {
	TAILQ_ENTRY(claim) link; /* while it claims */
	enum claim_state state;
	bool dispatched; /* has a dispatch span, when it is taken up */
	const struct matcher_method *method;
	const struct matcher_rule *rule; /* of a span to come; NULL: none, or no more */
	struct traceparent request;      /* the request's span */
	bool has_client;                 /* a span of the client is above it: */
	uint8_t client[SPAN_ID_SIZE];
	bool is_below; /* the span that it has started is the root, and the request below it: */
	uint8_t root[SPAN_ID_SIZE];
	bool promised;                  /* the carrier forwarded was not the request's own: */
	uint8_t promise[SPAN_ID_SIZE];  /* but this span's */
	bool queued;                    /* its span begins when another is over */
	uint8_t dispatch[SPAN_ID_SIZE]; /* the dispatch span's, if the promise is kept otherwise */
	uint64_t begun_ns;              /* the request */
	uint64_t forwarded_ns;
	uint64_t taken_ns;
	struct key group; /* the first parts of the key of the span that it claims */
	uint64_t connection;
	/* Inside this piece of memory, as all texts are. */
	struct span_text method_name, tracestate;
	struct span_attribute *attributes; /* of the request and its dispatch span */
	size_t attribute_count;
	struct claim_value *values; /* of the span that it claims */
	size_t value_count;
	size_t bytes; /* of this piece of memory */
};

TAILQ_HEAD(claim_list, claim);

struct connection_attributes;

struct claim_request {
	const struct matcher_method *method;
	const struct request *request;
	const struct captures *captures;
	const struct connection_attributes *attributes; /* NULL: there are none */
	uint64_t connection, now_ns;
};

/* The text that the request has for an attribute; false: none. */
bool claim_find_value(const struct claim *claim, const char *name, struct span_text *text);

/* Copies all of it. NULL when out of memory. */
struct claim *claim_new(
	const struct claim_request *request, const struct claim_value *values, size_t value_count);

#endif

#ifndef PROXY_TRACE_PARENT_H
#define PROXY_TRACE_PARENT_H

#include <stdbool.h>
#include <stdint.h>

#include "exporter/span.h"
#include "proxy/log.h"
#include "proxy/message/envelope.h"
#include "w3c/carrier.h"

/* Where a request's parent comes from: its carrier, else the environment, else nowhere. */
struct parents {
	bool extracts;        /* propagation.extract: parents are looked for at all */
	bool has_environment; /* a valid TRACEPARENT */
	struct traceparent environment;
	char *environment_tracestate; /* owned; or NULL */
	struct log_limit invalid_limit;
};

struct parent {
	enum carrier_verdict verdict; /* on the request's carrier */
	bool present;
	struct traceparent traceparent; /* when present, as is tracestate */
	struct span_text tracestate;    /* borrowed from the envelope or the environment */
	/* What it was read from: the carrier's type; if it can have members, these two. */
	enum json_type carrier;
	struct envelope_value said_traceparent, said_tracestate;
};

/*
 * traceparent and tracestate: the texts of the environment, or NULL; copied. 0, or -1 when out of
 * memory; parents_done() is needed after either.
 */
int parents_init(
	struct parents *parents, bool extracts, const char *traceparent, const char *tracestate);
void parents_done(struct parents *parents);

/* An invalid carrier means none, not the environment's. */
void parent_find(
	struct parent *parent, const struct parents *parents, const struct envelope *envelope);

/*
 * Whether the envelope that parent was found in still says the same: more of it may have been read
 * since, but nothing else.
 */
bool parent_is_said(const struct parent *parent, const struct envelope *envelope);

/* Says, now and then, that a request's carrier is invalid. */
void parent_warn_invalid(struct parents *parents, const struct envelope *envelope, uint64_t now_ns);

#endif

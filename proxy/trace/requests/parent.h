#ifndef PROXY_TRACE_REQUESTS_PARENT_H
#define PROXY_TRACE_REQUESTS_PARENT_H

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
	/* What it was read from: the carrier's type; if plain, the only text in it. */
	enum json_type carrier;
	bool plain;
	char said[TRACEPARENT_SIZE];
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
 * Whether the envelope, of which more may have been read since, is seen at once to say the same. If
 * not, it must be read again.
 */
bool parent_is_said(const struct parent *parent, const struct envelope *envelope);

/* Says, now and then, that a request's carrier is invalid. */
void parent_warn_invalid(struct parents *parents, const struct envelope *envelope, uint64_t now_ns);

#endif

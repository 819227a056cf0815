#ifndef PROXY_TRACE_REQUESTS_PARENT_H
#define PROXY_TRACE_REQUESTS_PARENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "exporter/span.h"
#include "w3c/carrier.h"
#include "w3c/traceparent.h"

/*
 * Where a request's parent comes from: its carrier if that is trusted (propagation.trust), else the
 * environment, else nowhere. From nowhere in any case if none is wanted (propagation.extract).
 */
struct parents {
	bool wanted;
	enum config_trust trust;
	bool has_environment; /* a valid TRACEPARENT */
	struct traceparent environment;
	char *environment_tracestate; /* owned; or NULL */
};

struct parent {
	enum carrier_verdict verdict; /* on the request's carrier */
	bool present;
	struct traceparent traceparent; /* when present */
	/* borrowed from the envelope or the environment; a root's from the sampler */
	struct span_text tracestate;
};

/*
 * traceparent and tracestate: the texts of the environment, or NULL; copied. 0, or -1 when out of
 * memory; parents_done() is needed after either.
 */
int parents_init(struct parents *parents, bool wanted, enum config_trust trust,
	const char *traceparent, const char *tracestate);
void parents_done(struct parents *parents);

/*
 * view: of the request's carrier, see carriers_find(). An invalid one means no parent, not the
 * environment's.
 */
void parent_find(
	struct parent *parent, const struct parents *parents, const struct carrier_view *view);

/* The same without the environment's, which is the client's and not the server's. */
void parent_find_carried(
	struct parent *parent, const struct parents *parents, const struct carrier_view *view);

/*
 * What is worth a link, as it is not the parent: what else the request carries, by count views of
 * it, and the environment's context where the request has one of its own. Returns how many, at most
 * PARENT_LINKS_MAX.
 */
#define PARENT_VIEWS_MAX 2 /* of its message, of the fields before it */
#define PARENT_LINKS_MAX (PARENT_VIEWS_MAX + 1)
size_t parents_find_links(const struct parents *parents, const struct parent *parent,
	const struct carrier_view *views, size_t count, struct span_link links[PARENT_LINKS_MAX]);

/* Whether there may be any that need views. */
static inline bool parents_link(const struct parents *parents)
{
	return parents->wanted && parents->trust == CONFIG_TRUST_LINK;
}

/* Whether a request is to begin a trace anew although it has a carrier. */
static inline bool parents_restart(const struct parents *parents, const struct parent *parent)
{
	return parents->trust != CONFIG_TRUST_CONTINUE && parent->verdict != CARRIER_ABSENT;
}

/* Says that a request's carrier is invalid. */
void parent_warn_invalid(struct span_text method, struct span_text id);

struct ids;
struct sampler;

/*
 * What the server is told of a request before the request is known to its end: the parent and the
 * context of its span. Whatever the rest of the message says, the span is then as it was told.
 */
struct forwarded {
	uint32_t carriers; /* of the envelope, when it was made: see envelope_carriers() */
	/* The method as it stood in the envelope then, to be compared, and its number. */
	unsigned method_number;
	struct span_text method;
	struct parent parent;
	struct traceparent context;
	/* The request has no span of its own: its parent is what the server is told of, if it has
	 * one. */
	bool passed_on;
	/* The carrier names not the request's own span, but one that is to come of it. */
	bool for_another;
	uint8_t another[SPAN_ID_SIZE];
};

/* Finds the request's parent and makes its context; the first three members are the caller's. */
void forwarded_make(struct forwarded *forwarded, const struct parents *parents,
	const struct sampler *sampler, struct ids *ids, const struct carrier_view *view);

/* By the share that the method has. False: the request is not sampled, and no parent said so. */
bool forwarded_sample(struct forwarded *forwarded, const struct sampler *sampler);

/*
 * Whether the request, which is complete now, must be judged again: there may be another carrier,
 * by the number of those in its envelope, or another method; or a text, which is borrowed, is
 * elsewhere by now.
 */
static inline bool forwarded_is_stale(
	const struct forwarded *forwarded, uint32_t carriers, struct span_text method)
{
	return forwarded->carriers != carriers || forwarded->method.bytes != method.bytes ||
	       forwarded->method.size != method.size ||
	       (forwarded->parent.verdict == CARRIER_VALID &&
		       forwarded->parent.tracestate.size > 0);
}

/* The verdict is on the carrier that is there now, but the parent the one that was told. */
void forwarded_judge_again(struct forwarded *forwarded, const struct parents *parents,
	const struct carrier_view *view);

#endif

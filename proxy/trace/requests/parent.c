/*
 * The parent of a request. The W3C texts are judged by w3c/carrier; what
 * is here is where they stand in a message, and what counts when they do not.
 */
#include "proxy/trace/requests/parent.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/log.h"
#include "proxy/trace/requests/sampler.h"
#include "w3c/ids.h"

/* ---- the environment's ---- */

static int parents_keep_state(struct parents *parents, const struct trace_context *context)
{
	if (context->tracestate == NULL)
		return 0;
	parents->environment_tracestate = strndup(context->tracestate, context->tracestate_size);
	return parents->environment_tracestate != NULL ? 0 : -1;
}

int parents_init(struct parents *parents, bool wanted, enum config_trust trust,
	const char *traceparent, const char *tracestate)
{
	struct trace_context context;
	enum carrier_verdict verdict;

	*parents = (struct parents){.wanted = wanted, .trust = trust};
	if (traceparent == NULL || traceparent[0] == '\0')
		return 0; /* an empty variable is as good as none */
	verdict = carrier_extract(&context, traceparent, strlen(traceparent), tracestate,
		tracestate != NULL ? strlen(tracestate) : 0);
	if (verdict == CARRIER_INVALID)
		log_line(LOG_WARN, "ignoring the invalid TRACEPARENT of the environment");
	if (verdict == CARRIER_VALID_NO_STATE)
		log_line(LOG_WARN, "ignoring the invalid TRACESTATE of the environment");
	if (verdict != CARRIER_VALID && verdict != CARRIER_VALID_NO_STATE)
		return 0;
	parents->has_environment = true;
	parents->environment = context.traceparent;
	return verdict == CARRIER_VALID ? parents_keep_state(parents, &context) : 0;
}

void parents_done(struct parents *parents)
{
	free(parents->environment_tracestate);
	parents->environment_tracestate = NULL;
}

static void parent_take_environment(struct parent *parent, const struct parents *parents)
{
	if (!parents->has_environment)
		return;
	parent->present = true;
	parent->traceparent = parents->environment;
	if (parents->environment_tracestate != NULL)
		parent->tracestate = span_text_of(parents->environment_tracestate);
}

/* ---- the carrier's ---- */

/* The verdict on a carrier that was found and, when it is valid, the parent. */
static void parent_take_carrier(struct parent *parent, const struct carrier_view *view)
{
	struct trace_context context;

	parent->verdict = carrier_judge(&context, view);
	if (parent->verdict != CARRIER_VALID && parent->verdict != CARRIER_VALID_NO_STATE)
		return;
	parent->present = true;
	parent->traceparent = context.traceparent;
	if (parent->verdict == CARRIER_VALID && context.tracestate != NULL)
		parent->tracestate = (struct span_text){
			.bytes = context.tracestate,
			.size = context.tracestate_size,
		};
}

void parent_find_carried(
	struct parent *parent, const struct parents *parents, const struct carrier_view *view)
{
	parent->verdict = CARRIER_ABSENT;
	parent->present = false;
	parent->tracestate = (struct span_text){.size = 0};
	if (parents->wanted && view->found)
		parent_take_carrier(parent, view);
}

void parent_find(
	struct parent *parent, const struct parents *parents, const struct carrier_view *view)
{
	parent_find_carried(parent, parents, view);
	if (parents_restart(parents, parent)) {
		parent->present = false;
		parent->tracestate.size = 0;
	}
	if (parents->wanted && !parent->present && parent->verdict != CARRIER_INVALID)
		parent_take_environment(parent, parents);
}

/* Whether a context is that of a span. */
static bool parent_is(const struct traceparent *context, const uint8_t trace_id[TRACE_ID_SIZE],
	const uint8_t span_id[SPAN_ID_SIZE])
{
	return memcmp(context->trace_id, trace_id, TRACE_ID_SIZE) == 0 &&
	       memcmp(context->span_id, span_id, SPAN_ID_SIZE) == 0;
}

/* Adds a link to a context, unless it is the parent or has one already. */
static size_t parent_add_link(struct span_link *links, size_t count, const struct parent *parent,
	const struct traceparent *context)
{
	size_t i;

	if (parent->present &&
		parent_is(context, parent->traceparent.trace_id, parent->traceparent.span_id))
		return count;
	for (i = 0; i < count; i++)
		if (parent_is(context, links[i].trace_id, links[i].span_id))
			return count;
	memcpy(links[count].trace_id, context->trace_id, TRACE_ID_SIZE);
	memcpy(links[count].span_id, context->span_id, SPAN_ID_SIZE);
	return count + 1;
}

size_t parents_find_links(const struct parents *parents, const struct parent *parent,
	const struct carrier_view *views, size_t count, struct span_link links[PARENT_LINKS_MAX])
{
	struct trace_context context;
	size_t link_count = 0, i;

	assert(count <= PARENT_VIEWS_MAX);
	if (parents->wanted && parents->trust != CONFIG_TRUST_RESTART)
		for (i = 0; i < count; i++)
			if (views[i].found && carrier_judge(&context, &views[i]) != CARRIER_INVALID)
				link_count = parent_add_link(
					links, link_count, parent, &context.traceparent);
	if (parents->has_environment && parent->verdict != CARRIER_ABSENT && parent->present)
		link_count = parent_add_link(links, link_count, parent, &parents->environment);
	return link_count;
}

void parent_warn_invalid(struct span_text method, struct span_text id)
{
	char method_text[128], id_text[128];

	log_line(LOG_WARN,
		"ignoring the invalid trace carrier of request %s, id %s: a new trace begins",
		log_escape(method_text, sizeof method_text, method.bytes, method.size),
		log_escape(id_text, sizeof id_text, id.bytes, id.size));
}

/* ---- what the server is told ---- */

/* What a sampler follows; NULL: a trace begins. */
static const uint8_t *forwarded_parent_flags(const struct parent *parent)
{
	return parent->present ? &parent->traceparent.flags : NULL;
}

/* The context of a new span under parent, or of a new trace. */
static void forwarded_make_context(struct traceparent *context, const struct parent *parent,
	const struct sampler *sampler, struct ids *ids)
{
	const uint8_t *parent_flags = forwarded_parent_flags(parent);

	if (parent_flags != NULL) {
		memcpy(context->trace_id, parent->traceparent.trace_id, TRACE_ID_SIZE);
		context->flags = *parent_flags & TRACE_FLAG_RANDOM;
	} else {
		ids_trace_id(ids, context->trace_id);
		context->flags = TRACE_FLAG_RANDOM;
	}
	ids_span_id(ids, context->span_id);
	if (sampler_decide(sampler, context->trace_id, parent_flags))
		context->flags |= TRACE_FLAG_SAMPLED;
}

void forwarded_make(struct forwarded *forwarded, const struct parents *parents,
	const struct sampler *sampler, struct ids *ids, const struct carrier_view *view)
{
	parent_find(&forwarded->parent, parents, view);
	forwarded_make_context(&forwarded->context, &forwarded->parent, sampler, ids);
	forwarded->passed_on = false;
	forwarded->for_another = false;
}

bool forwarded_sample(struct forwarded *forwarded, const struct sampler *sampler)
{
	const struct sampler_share *share;
	struct parent *parent = &forwarded->parent;
	uint8_t *flags = &forwarded->context.flags;

	if (sampler_follows(sampler, forwarded_parent_flags(parent)))
		return true;
	share = sampler_share(sampler, forwarded->method);
	if (share != NULL) {
		*flags &= (uint8_t)~TRACE_FLAG_SAMPLED;
		if (sampler_share_keeps(share, forwarded->context.trace_id))
			*flags |= TRACE_FLAG_SAMPLED;
		if (!parent->present)
			parent->tracestate = sampler_share_state(share, *flags);
	}
	return (*flags & TRACE_FLAG_SAMPLED) != 0;
}

void forwarded_judge_again(
	struct forwarded *forwarded, const struct parents *parents, const struct carrier_view *view)
{
	struct parent *promised = &forwarded->parent;
	struct parent found;

	parent_find(&found, parents, view);
	promised->verdict = found.verdict;
	if (!promised->present)
		return; /* a trace has begun, whose tracestate is the sampler's */
	promised->tracestate = found.tracestate;
	if (!found.present ||
		memcmp(&promised->traceparent, &found.traceparent, sizeof found.traceparent) != 0)
		promised->tracestate.size = 0; /* what was promised is gone */
}

/* The parent and the context that a server is told of; see promise.h. Nothing can fail. */
#include "proxy/trace/requests/promise.h"

#include <string.h>

#include "proxy/trace/names/sampler.h"
#include "w3c/ids.h"

/* The context of a new span under parent, or of a new trace. */
static void promise_make_context(struct traceparent *context, const struct parent *parent,
	const struct sampler *sampler, struct ids *ids)
{
	const uint8_t *parent_flags = NULL;

	if (parent->present) {
		memcpy(context->trace_id, parent->traceparent.trace_id, TRACE_ID_SIZE);
		parent_flags = &parent->traceparent.flags;
		context->flags = *parent_flags & TRACE_FLAG_RANDOM;
	} else {
		ids_trace_id(ids, context->trace_id);
		context->flags = TRACE_FLAG_RANDOM;
	}
	ids_span_id(ids, context->span_id);
	if (sampler_decide(sampler, context->trace_id, parent_flags))
		context->flags |= TRACE_FLAG_SAMPLED;
}

void promise_make(struct promise *promise, const struct parents *parents,
	const struct sampler *sampler, struct ids *ids, const struct envelope *envelope)
{
	parent_find(&promise->parent, parents, envelope);
	promise_make_context(&promise->context, &promise->parent, sampler, ids);
	promise->for_another = false;
	promise->made = true;
}

/* The carrier is another one, or can no longer be told to be the same. */
static void promise_judge_again(
	struct promise *promise, const struct parents *parents, const struct envelope *envelope)
{
	struct parent *promised = &promise->parent;
	struct parent found;

	parent_find(&found, parents, envelope);
	promised->verdict = found.verdict;
	promised->tracestate = found.tracestate;
	if (promised->present != found.present ||
		(found.present && memcmp(&promised->traceparent, &found.traceparent,
					  sizeof found.traceparent) != 0))
		promised->tracestate.size = 0; /* what was promised is gone */
}

void promise_keep(
	struct promise *promise, const struct parents *parents, const struct envelope *envelope)
{
	if (!parent_is_said(&promise->parent, envelope))
		promise_judge_again(promise, parents, envelope);
}

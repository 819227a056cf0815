/*
 * Requests that submit work: those that claim a span wait here, oldest first, until it starts.
 * What becomes of the id that was promised to the server is decided in three places:
 * claims_start(), claims_settle() and claims_unanswered().
 */
#include "proxy/trace/follow/claims.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/trace/follow/emitter.h"
#include "proxy/trace/follow/work_common.h"
#include "w3c/ids.h"

static void claims_take_off(struct claims *claims, struct submission *submission)
{
	if (submission->claim == NULL)
		return;
	TAILQ_REMOVE(&claims->list, submission, link);
	claims->count--;
	submission->claim = NULL;
}

/* Emits the dispatch span; the promised id is its own when no other span has kept the promise. */
static void claims_dispatch(struct claims *claims, struct submission *submission,
	bool keeps_promise, const struct live *about)
{
	const uint8_t *id =
		keeps_promise && submission->promised ? submission->promise : submission->dispatch;

	if (!submission->dispatched)
		return;
	claims->work->common->counters.dispatched++;
	work_note(claims->work, NULL, NULL, "dispatched: %.*s",
		(int)submission->method->operation.size, submission->method->operation.bytes);
	emitter_dispatch(claims->work->common, submission, id, about);
}

/* Nothing is going to be started by it any more. */
static void claims_drop(struct claims *claims, struct submission *submission)
{
	claims_take_off(claims, submission);
	if (submission->state != SUBMISSION_TAKEN)
		return; /* its answer will tell */
	claims_dispatch(claims, submission, true, NULL);
	free(submission);
}

struct submission *claims_find(const struct claims *claims, size_t type, const struct key *key)
{
	struct submission *submission;

	TAILQ_FOREACH(submission, &claims->list, link)
	{
		const struct key *group = &submission->group;

		if (submission->claim->row->span == type && group->count <= key->count &&
			key_size(group) == key->ends[group->count - 1] &&
			memcmp(group->bytes, key->bytes, key_size(group)) == 0)
			return submission;
	}
	return NULL;
}

struct live *claims_start(
	struct claims *claims, struct submission *submission, struct work_opening *opening)
{
	bool first = submission->state != SUBMISSION_STARTED;
	struct live *live;
	size_t i;

	opening->context = work_new_context(claims->work, &submission->request);
	if (first && submission->promised)
		memcpy(opening->context.span_id, submission->promise, SPAN_ID_SIZE);
	work_set_above(opening, &submission->request);
	if (submission->dispatched)
		memcpy(opening->above, submission->dispatch, SPAN_ID_SIZE);
	opening->identity.tracestate = submission->tracestate;
	live = work_open(claims->work, opening);
	if (live == NULL)
		return NULL;
	for (i = 0; i < submission->value_count; i++)
		live_set(live, &claims->work->common->counters.room,
			submission->values[i].attribute, &submission->values[i].value);
	if (first && submission->state == SUBMISSION_PENDING)
		submission->taken_ns = opening->now_ns;
	if (first)
		claims_dispatch(claims, submission, false, live);
	claims_take_off(claims, submission);
	if (submission->state == SUBMISSION_TAKEN)
		free(submission);
	else
		submission->state = SUBMISSION_STARTED;
	return live;
}

/* ---- requests of the client ---- */

static bool claims_dispatches(const struct work_common *common, const struct matcher_method *method)
{
	return method->operation.size > 0 && common->matcher.lifecycle->dispatch_name != NULL &&
	       (common->dispatch == CONFIG_DISPATCH_ALL ||
		       (common->dispatch == CONFIG_DISPATCH_TURNS && method->claims));
}

bool claims_promises(const struct work_common *common, const struct matcher_method *method)
{
	return claims_dispatches(common, method) || (method->claims && !method->claims_late);
}

/* The rule by which the request claims a span, if it has the key; and the values for that span. */
static const struct matcher_rule *claims_take(const struct claims *claims,
	const struct matcher_method *method, const struct envelope *envelope, struct key *group,
	struct submission_value *values, size_t *value_count)
{
	uint64_t left = method->rules[LIFECYCLE_ON_REQUEST];
	size_t i;

	for (; left != 0; left &= left - 1) {
		const struct matcher_rule *rule =
			&claims->work->common->matcher.rules[__builtin_ctzll(left)];

		group->count = 0;
		if (!matcher_holds(rule, envelope) || !matcher_key(rule, envelope, group))
			continue;
		for (i = 0; i < rule->row->setting_count; i++)
			if (matcher_take(&rule->settings[i].source, envelope,
				    &values[*value_count].value))
				values[(*value_count)++].attribute = rule->settings[i].attribute;
		return rule;
	}
	return NULL;
}

static void claims_add(struct claims *claims, struct submission *submission,
	const struct matcher_rule *rule, const struct key *group)
{
	if (claims->count == CLAIMS_MAX) {
		claims->work->common->counters.claims_evicted++;
		claims_drop(claims, TAILQ_FIRST(&claims->list));
	}
	submission->claim = rule;
	submission->group = *group;
	TAILQ_INSERT_TAIL(&claims->list, submission, link);
	claims->count++;
	work_note(claims->work, rule, NULL, "claims the next %s of %.*s",
		work_row(claims->work, rule->row->span)->name, (int)key_part(group, 0).size,
		key_part(group, 0).bytes);
}

struct submission *claims_request(struct claims *claims, const struct submission_request *request,
	const struct envelope *envelope, const uint8_t *promise)
{
	struct submission_value values[LIFECYCLE_SETTINGS_MAX];
	const struct matcher_rule *rule;
	struct submission *submission;
	size_t value_count = 0;
	struct key group;

	if (!matcher_submits(request->method))
		return NULL;
	rule = claims_take(claims, request->method, envelope, &group, values, &value_count);
	submission = submission_new(request, values, value_count);
	if (submission == NULL) {
		claims->work->common->counters.no_memory++;
		return NULL;
	}
	submission->dispatched = claims_dispatches(claims->work->common, request->method);
	ids_span_id(claims->work->common->ids, submission->dispatch);
	submission->promised = promise != NULL;
	if (promise != NULL)
		memcpy(submission->promise, promise, SPAN_ID_SIZE);
	if (rule != NULL)
		claims_add(claims, submission, rule, &group);
	return submission;
}

void claims_unanswered(
	struct claims *claims, struct submission *submission, struct traceparent *context)
{
	if (submission == NULL)
		return;
	claims_take_off(claims, submission);
	if (submission->state == SUBMISSION_PENDING && submission->promised)
		memcpy(context->span_id, submission->promise, SPAN_ID_SIZE);
	free(submission);
}

/* The newest open span of those that the claim is about, unless its end is known. */
static struct live *claims_open_span(
	const struct claims *claims, const struct submission *submission)
{
	struct registry_entry *entry = registry_find(&claims->work->registry, REGISTRY_GROUP,
		submission->claim->row->span, key_first(&submission->group));

	while (entry != NULL && entry->live->told != NULL)
		entry = registry_next(entry);
	return entry == NULL ? NULL : entry->live;
}

/* An answer that started nothing: the claim waits on, or the work joins what is going on. */
static void claims_settle_pending(struct claims *claims, struct submission *submission,
	struct live *about, struct traceparent *context)
{
	const struct matcher_rule *claim = submission->claim;

	if (about == NULL && claim != NULL && claim->row->joins)
		about = claims_open_span(claims, submission);
	if (about == NULL && claim != NULL && claim->row->until_open) {
		submission->state = SUBMISSION_TAKEN;
		return;
	}
	claims_take_off(claims, submission);
	if (submission->dispatched)
		claims_dispatch(claims, submission, true, about);
	else if (submission->promised)
		memcpy(context->span_id, submission->promise, SPAN_ID_SIZE);
	free(submission);
}

void claims_settle(struct claims *claims, struct submission *submission, struct live *about,
	struct traceparent *context, uint64_t now_ns)
{
	if (submission->state == SUBMISSION_PENDING) {
		submission->taken_ns = now_ns;
		claims_settle_pending(claims, submission, about, context);
		return;
	}
	claims_take_off(claims, submission);
	free(submission);
}

void claims_expire(struct claims *claims, uint64_t now_ns, uint64_t age_ns)
{
	struct submission *submission, *next;

	for (submission = TAILQ_FIRST(&claims->list); submission != NULL; submission = next) {
		next = TAILQ_NEXT(submission, link);
		if (submission->state == SUBMISSION_TAKEN &&
			now_ns - submission->taken_ns >= age_ns)
			claims_drop(claims, submission);
	}
}

void claims_init(struct claims *claims, struct work *work)
{
	*claims = (struct claims){.work = work};
	TAILQ_INIT(&claims->list);
}

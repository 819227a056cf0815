/*
 * Requests that submit work: those that claim a span wait here, oldest first, until it starts.
 * What becomes of the id that was promised to the server is decided in three places:
 * claims_start(), claims_settle() and claims_unanswered().
 */
#include "proxy/trace/follow/claims.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/follow/emit.h"
#include "proxy/trace/names/attributes.h"
#include "proxy/trace/names/text.h"
#include "proxy/trace/requests/capture.h"
#include "proxy/trace/requests/request.h"
#include "proxy/trace/survey.h"
#include "w3c/ids.h"

/* ---- one of them ---- */

/*
 * The captured values of the request: of several values of an attribute the last counts. Then those
 * of its connection that all spans below it have.
 */
static void claim_put_values(struct attributes *attributes, const struct claim_request *from)
{
	const struct request *request = from->request;
	const struct capture_list *list = &request->captures->from[PROFILE_FROM_REQUEST];
	size_t i;

	attributes->count = 0;
	for (i = 0; i < request->value_count; i++)
		attributes_set(attributes,
			&(struct span_attribute){
				.key = from->captures->attributes
					       [list->rows[request->values[i].capture].attribute],
				.type = SPAN_VALUE_STRING,
				.value.string = request_value(request, i),
			});
	for (i = 0; from->attributes != NULL && i < from->captures->free_count; i++) {
		const char *name = from->captures->free[i];
		struct span_text text;

		if (connection_attributes_find(from->attributes, name, &text) &&
			span_attribute_find(
				attributes->list, attributes->count, name, strlen(name)) == NULL)
			attributes_put(attributes, name, text);
	}
}

/* Copies all of it into a single piece of memory: the struct, its arrays, then all texts in a row.
 * NULL when there is none. */
static struct claim *claim_new(
	const struct claim_request *from, const struct claim_value *values, size_t value_count)
{
	const struct request *request = from->request;
	struct attributes attributes;
	struct claim *claim;
	size_t size, i;
	char *at;

	claim_put_values(&attributes, from);
	size = sizeof(struct claim) + value_count * sizeof *values +
	       attributes.count * sizeof attributes.list[0] + request->method.size +
	       request->tracestate.size;
	for (i = 0; i < value_count; i++)
		size += values[i].value.text.size;
	for (i = 0; i < attributes.count; i++)
		size += attributes.list[i].value.string.size;
	claim = malloc(size);
	if (claim == NULL)
		return NULL;
	memset(claim, 0, offsetof(struct claim, group));
	key_init(&claim->group, 0);
	claim->bytes = size;
	claim->method = from->method;
	claim->connection = from->connection;
	claim->request = request->context;
	claim->has_client = request->has_parent;
	memcpy(claim->client, request->parent_span_id, SPAN_ID_SIZE);
	claim->begun_ns = request->entry.start_ns;
	claim->forwarded_ns = from->now_ns;
	claim->values = (struct claim_value *)(claim + 1);
	claim->value_count = value_count;
	claim->attributes = (struct span_attribute *)(claim->values + value_count);
	claim->attribute_count = attributes.count;
	at = (char *)(claim->attributes + attributes.count);
	claim->method_name = text_pack(&at, request->method);
	claim->tracestate = text_pack(&at, request->tracestate);
	for (i = 0; i < value_count; i++) {
		claim->values[i] = values[i];
		claim->values[i].value.text = text_pack(&at, values[i].value.text);
	}
	for (i = 0; i < attributes.count; i++) {
		claim->attributes[i] = attributes.list[i];
		claim->attributes[i].value.string = text_pack(&at, attributes.list[i].value.string);
	}
	return claim;
}

/* ---- all of them ---- */

static void claims_take_off(struct claims *claims, struct claim *claim)
{
	assert(claims->count > 0 || claim->rule == NULL);
	if (claim->rule == NULL)
		return;
	TAILQ_REMOVE(&claims->list, claim, link);
	claims->count--;
	claim->rule = NULL;
}

/* Its dispatch span; the promised id is that one's own when no other span has kept the promise. */
static const uint8_t *claim_id(const struct claim *claim, bool keeps_promise)
{
	return keeps_promise && claim->promised ? claim->promise : claim->dispatch;
}

static struct emit_submission claim_submission(const struct claim *claim)
{
	return (struct emit_submission){
		.context = claim->request,
		.tracestate = claim->tracestate,
		.method = claim->method_name,
		.operation = claim->method->operation,
		.attributes = claim->attributes,
		.attribute_count = claim->attribute_count,
		.forwarded_ns = claim->forwarded_ns,
		.taken_ns = claim->taken_ns,
	};
}

static void claims_dispatch(struct claims *claims, struct claim *claim, bool keeps_promise,
	const struct open_span *about)
{
	const struct emit_submission submission = claim_submission(claim);

	if (!claim->dispatched)
		return;
	claims->spans->setup->counters.dispatched++;
	open_spans_note(claims->spans, NULL, NULL, "dispatched: %.*s",
		(int)claim->method->operation.size, claim->method->operation.bytes);
	emit_dispatch(claims->spans->setup, &submission, claim_id(claim, keeps_promise), about);
}

/* Nothing is going to be started by it any more. */
static void claims_drop(struct claims *claims, struct claim *claim)
{
	claims_take_off(claims, claim);
	if (claim->state != CLAIM_TAKEN)
		return; /* its answer will tell */
	claims_dispatch(claims, claim, true, NULL);
	free(claim);
}

/* Whether a span with that key that begins on that connection is what the request has claimed. */
static bool claims_fits(const struct claim *claim, const struct key *key, uint64_t connection)
{
	const struct key *group = &claim->group;

	if (group->count == 0)
		return claim->connection == connection;
	return group->count <= key->count && key_size(group) == key->ends[group->count - 1] &&
	       memcmp(group->bytes, key->bytes, key_size(group)) == 0;
}

struct claim *claims_find(
	const struct claims *claims, size_t type, const struct key *key, uint64_t connection)
{
	struct claim *claim;

	TAILQ_FOREACH(claim, &claims->list, link) {
		if (claim->rule->row->span == type && claims_fits(claim, key, connection))
			return claim;
	}
	return NULL;
}

/*
 * What is above a span that a request has claimed: the dispatch span, as the design has it; or,
 * with lifecycle.turn_below client, the client's span, beside the request. Where the client has
 * none, the span is the root, and the request below it, unless that has been told of already. A
 * viewer takes state, name and length of a trace from what stands at its top.
 */
static void claims_place(
	const struct claims *claims, struct claim *claim, struct span_opening *opening)
{
	bool client = claims->spans->setup->below == CONFIG_BELOW_CLIENT;
	const uint8_t *dispatch = claim->dispatched ? claim->dispatch : claim->request.span_id;

	if (!client || (!claim->has_client && claim->state != CLAIM_PENDING)) {
		opening->has_above = true;
		memcpy(opening->above, dispatch, SPAN_ID_SIZE);
		return;
	}
	opening->link = dispatch;
	opening->has_above = opening->above_is_remote = claim->has_client;
	memcpy(opening->above, claim->client, SPAN_ID_SIZE);
	if (claim->has_client)
		return;
	claim->is_below = true;
	memcpy(claim->root, opening->context.span_id, SPAN_ID_SIZE);
	opening->start_ns = claim->begun_ns; /* what is below it is inside it */
}

struct open_span *claims_start(
	struct claims *claims, struct claim *claim, struct span_opening *opening)
{
	bool first = claim->state != CLAIM_STARTED;
	struct open_span *span;
	size_t i;

	assert(claim->state != CLAIM_TAKEN || claim->rule != NULL); /* else it is freed */
	opening->asked = claim->attributes;
	opening->asked_count = claim->attribute_count;
	opening->context = open_spans_new_context(claims->spans, &claim->request);
	if (first && claim->promised && !claim->queued) {
		memcpy(opening->context.span_id, claim->promise, SPAN_ID_SIZE);
		opening->start_ns = claim->forwarded_ns; /* the server has known of it since then */
	}
	claims_place(claims, claim, opening);
	opening->identity.tracestate = claim->tracestate;
	span = open_spans_open(claims->spans, opening);
	if (span == NULL)
		return NULL;
	for (i = 0; i < claim->value_count; i++)
		open_span_set(&span->values, &claims->spans->setup->counters.budget,
			claim->values[i].attribute, &claim->values[i].value);
	if (first && claim->state == CLAIM_PENDING)
		claim->taken_ns = opening->now_ns;
	if (first)
		claims_dispatch(claims, claim, false, span);
	claims_take_off(claims, claim);
	if (claim->state == CLAIM_TAKEN)
		free(claim);
	else
		claim->state = CLAIM_STARTED;
	return span;
}

/* ---- requests of the client ---- */

static bool claims_dispatches(const struct follow_setup *setup, const struct matcher_method *method)
{
	return method->operation.size > 0 && setup->matcher.lifecycle->dispatch_name != NULL &&
	       (setup->dispatch == CONFIG_DISPATCH_ALL ||
		       (setup->dispatch == CONFIG_DISPATCH_TURNS && method->claims));
}

bool claims_promises(const struct follow_setup *setup, const struct matcher_method *method)
{
	if (method->request_type != MATCHER_NONE)
		return false; /* what hangs below it has its id */
	return claims_dispatches(setup, method) || (method->claims && !method->claims_late);
}

/* The rule by which the request claims a span, if it has the key; and the values for that span. */
static const struct matcher_rule *claims_take(const struct claims *claims,
	const struct claim_request *request, const struct look *look, struct key *group,
	struct claim_value *values, size_t *value_count)
{
	const struct matcher_rules *rules = &request->method->rules[LIFECYCLE_ON_REQUEST];
	size_t i, j;

	for (j = 0; j < rules->count; j++) {
		const struct matcher_rule *rule =
			&claims->spans->setup->matcher.rules[rules->list[j]];

		if (rule->row->action != LIFECYCLE_CLAIM)
			continue;
		key_init(group, open_spans_row(claims->spans, rule->row->span)->of_connection
					? request->connection
					: 0);
		if (!look_holds(rule, look) || !look_take_key(rule, look, group))
			continue;
		for (i = 0; i < rule->set.count; i++)
			if (look_take(&rule->set.list[i].source, look, &values[*value_count].value))
				values[(*value_count)++].attribute = rule->set.list[i].attribute;
		return rule;
	}
	return NULL;
}

static void claims_add(struct claims *claims, struct claim *claim, const struct matcher_rule *rule,
	const struct key *group)
{
	assert(claim->rule == NULL);
	if (claims->count == CLAIMS_MAX) {
		claims->spans->setup->counters.claims_evicted++;
		claims_drop(claims, TAILQ_FIRST(&claims->list));
	}
	claim->rule = rule;
	claim->group = *group;
	TAILQ_INSERT_TAIL(&claims->list, claim, link);
	claims->count++;
	if (group->count == 0)
		open_spans_note(claims->spans, rule, NULL, "claims the next %s of the connection",
			open_spans_row(claims->spans, rule->row->span)->name);
	else
		open_spans_note(claims->spans, rule, NULL, "claims the next %s of %.*s",
			open_spans_row(claims->spans, rule->row->span)->name,
			(int)key_part(group, 0).size, key_part(group, 0).bytes);
}

struct claim *claims_request(struct claims *claims, const struct claim_request *request,
	const struct look *look, const uint8_t *promise)
{
	struct claim_value values[LIFECYCLE_SETTINGS_MAX];
	const struct matcher_rule *rule;
	struct claim *claim;
	size_t value_count = 0;
	struct key group;

	if (!matcher_submits(request->method))
		return NULL;
	rule = claims_take(claims, request, look, &group, values, &value_count);
	claim = claim_new(request, values, value_count);
	if (claim == NULL) {
		claims->spans->setup->counters.followed_no_memory++;
		return NULL;
	}
	claim->dispatched = claims_dispatches(claims->spans->setup, request->method);
	ids_span_id(claims->spans->setup->ids, claim->dispatch);
	claim->promised = promise != NULL;
	if (promise != NULL)
		memcpy(claim->promise, promise, SPAN_ID_SIZE);
	if (rule != NULL)
		claims_add(claims, claim, rule, &group);
	return claim;
}

void claims_unanswered(struct claims *claims, struct claim *claim, struct traceparent *context)
{
	if (claim == NULL)
		return;
	claims_take_off(claims, claim);
	if (claim->state == CLAIM_PENDING && claim->promised)
		memcpy(context->span_id, claim->promise, SPAN_ID_SIZE);
	free(claim);
}

/* The newest open span of those that the claim is about that is not over, for all that is known. */
static struct open_span *claims_open_span(const struct claims *claims, const struct claim *claim)
{
	struct span_index_entry *entry = span_index_find(&claims->spans->by_key, SPAN_INDEX_GROUP,
		claim->rule->row->span, key_first(&claim->group));

	while (entry != NULL && (entry->span->known_end != NULL || entry->span->lapse_ns != 0))
		entry = span_index_next(entry);
	return entry == NULL ? NULL : entry->span;
}

/*
 * The work waits for what is going on, and begins when that is over: what the server was told of
 * when the request came is its dispatch span.
 */
static void claims_queue(struct claim *claim)
{
	claim->queued = true;
	if (claim->promised)
		memcpy(claim->dispatch, claim->promise, SPAN_ID_SIZE);
}

/* An answer that started nothing: the claim waits on, or the work joins what is going on. */
static void claims_settle_pending(struct claims *claims, struct claim *claim,
	struct open_span *about, struct traceparent *context)
{
	const struct matcher_rule *rule = claim->rule;

	if (about == NULL && rule != NULL && rule->row->joins)
		about = claims_open_span(claims, claim);
	if (about == NULL && rule != NULL && rule->row->until_open) {
		claim->state = CLAIM_TAKEN;
		if (claims_open_span(claims, claim) != NULL)
			claims_queue(claim);
		return;
	}
	claims_take_off(claims, claim);
	if (claim->dispatched)
		claims_dispatch(claims, claim, true, about);
	else if (claim->promised)
		memcpy(context->span_id, claim->promise, SPAN_ID_SIZE);
	free(claim);
}

void claims_settle(struct claims *claims, struct claim *claim, struct open_span *about,
	struct traceparent *context, uint64_t now_ns)
{
	if (claim->state == CLAIM_PENDING) {
		claim->taken_ns = now_ns;
		claims_settle_pending(claims, claim, about, context);
		return;
	}
	claims_take_off(claims, claim);
	free(claim);
}

void claims_expire(struct claims *claims, uint64_t now_ns, uint64_t age_ns)
{
	struct claim *claim, *next;

	for (claim = TAILQ_FIRST(&claims->list); claim != NULL; claim = next) {
		next = TAILQ_NEXT(claim, link);
		if (claim->state == CLAIM_TAKEN && now_ns - claim->taken_ns >= age_ns)
			claims_drop(claims, claim);
	}
}

void claims_survey(const struct claims *claims, struct survey *survey)
{
	const struct claim *claim;

	TAILQ_FOREACH(claim, &claims->list, link) {
		if (claim->state == CLAIM_TAKEN && claim->dispatched)
			survey_add_dispatch(
				survey, &(struct survey_item){
						.start_ns = claim->forwarded_ns, .claim = claim});
	}
}

void claim_show(struct follow_setup *setup, const struct claim *claim,
	void (*show)(void *arg, const struct span *span), void *arg)
{
	const struct emit_submission submission = claim_submission(claim);

	emit_show_dispatch(setup, &submission, claim_id(claim, !claim->queued), show, arg);
}

void claims_init(struct claims *claims, struct open_spans *spans)
{
	*claims = (struct claims){.spans = spans};
	TAILQ_INIT(&claims->list);
}

/*
 * From messages to actions. What is open is in the open spans, requests that submit some in the
 * claims; all connections of one backend share both, so that copies change nothing: the first
 * opener and the first closer win. Spans end by rule, with their parent, with what carried their
 * messages, by age or for want of room.
 */
#include "proxy/trace/follow/follower.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/follow/act.h"
#include "proxy/trace/names/text.h"
#include "proxy/trace/requests/parent.h"
#include "proxy/trace/survey.h"

struct follower {
	struct open_spans spans;
	struct claims claims;
};

static struct action follower_action(struct follower *follower, struct action_message *message,
	const struct matcher_method *method)
{
	return (struct action){
		.spans = &follower->spans,
		.claims = &follower->claims,
		.message = message,
		.method = method,
		.look = {.envelope = message->envelope},
	};
}

static const struct matcher_method *follower_method(
	const struct follower *follower, const struct envelope *envelope)
{
	const struct follow_setup *setup = follower->spans.setup;

	return matcher_method(&setup->matcher,
		methods_find(setup->methods, text_in_slot(envelope, ENVELOPE_METHOD)));
}

/* ---- requests of the client ---- */

void follower_request(struct follower *follower, const struct captures *captures,
	struct action_message *message, struct request *request, const uint8_t *promise)
{
	struct follow_setup *setup = follower->spans.setup;
	const struct matcher_method *method =
		matcher_method(&setup->matcher, request->method_number);
	struct action action = follower_action(follower, message, method);
	struct claim_request claim = {
		.method = method,
		.request = request,
		.captures = captures,
		.attributes = message->attributes,
		.connection = message->connection,
		.now_ns = message->now_ns,
	};
	bool no_memory = false;

	request->claim = claims_request(&follower->claims, &claim, &action.look, promise);
	if (method->quotes != 0)
		request->quotes =
			look_quote(&setup->matcher, method->quotes, message->envelope, &no_memory);
	setup->counters.followed_no_memory += no_memory;
	action.request = request;
	action.claim = request->claim;
	act_run(&action, LIFECYCLE_ON_REQUEST);
	open_spans_release(&follower->spans, action.about);
}

/* What the request has started may be the root of the trace: then the request is below that. */
static void follower_place_request(struct request *request)
{
	if (request->claim == NULL || !request->claim->is_below)
		return;
	request->has_parent = request->parent_is_ours = true;
	memcpy(request->parent_span_id, request->claim->root, SPAN_ID_SIZE);
}

void follower_answered(
	struct follower *follower, struct action_message *message, struct request *request, bool ok)
{
	const struct matcher_method *method =
		matcher_method(&follower->spans.setup->matcher, request->method_number);
	enum lifecycle_on on = ok ? LIFECYCLE_ON_REPLY : LIFECYCLE_ON_ERROR;
	struct claim *claim = request->claim;
	struct action action;

	if (claim == NULL && !matcher_looks(method, on))
		return;
	action = follower_action(follower, message, method);
	action.request = request;
	action.look.quotes = request->quotes;
	action.claim = ok ? claim : NULL;
	act_run(&action, on);
	follower_place_request(request);
	request->claim = NULL;
	if (claim != NULL && ok)
		claims_settle(
			&follower->claims, claim, action.about, &request->context, message->now_ns);
	else
		claims_unanswered(&follower->claims, claim, &request->context);
	act_leave_link(&action);
	open_spans_release(&follower->spans, action.about);
}

void follower_request_over(struct follower *follower, struct request *request, uint64_t now_ns)
{
	follower_place_request(request);
	claims_unanswered(&follower->claims, request->claim, &request->context);
	request->claim = NULL;
	if (request->span != NULL)
		open_spans_end_below(&follower->spans, request->span, END_PARENT_ENDED, now_ns);
}

void follower_request_forget(struct follower *follower, struct request *request)
{
	if (request->span != NULL)
		open_spans_drop(&follower->spans, request->span);
	request->span = NULL;
}

/* ---- messages of the server, answers to it ---- */

void follower_notification(
	struct follower *follower, struct action_message *message, enum lifecycle_on on)
{
	const struct matcher_method *method = follower_method(follower, message->envelope);
	struct action action;

	if (!matcher_looks(method, on))
		return;
	action = follower_action(follower, message, method);
	act_run(&action, on);
}

void follower_server_request(struct follower *follower, struct action_message *message,
	const struct parent *parent, const struct traceparent *context)
{
	struct action action =
		follower_action(follower, message, follower_method(follower, message->envelope));

	action.context = context;
	action.parent = parent;
	act_run(&action, LIFECYCLE_ON_SERVER_REQUEST);
}

/* The open request of the server with that id that the connection has got. */
static struct open_span *follower_find_call(
	const struct follower *follower, size_t type, struct span_text call, uint64_t connection)
{
	struct span_index_entry *entry =
		span_index_find(&follower->spans.by_key, SPAN_INDEX_CALL, type, call);

	while (entry != NULL && !open_span_is_watched(entry->span, connection))
		entry = span_index_next(entry);
	return entry == NULL ? NULL : entry->span;
}

void follower_client_reply(struct follower *follower, struct action_message *message)
{
	char bytes[ENVELOPE_KEY_MAX];
	struct span_text call = {.bytes = bytes, .size = envelope_id_key(message->envelope, bytes)};
	size_t type;

	for (type = 0; type < follower->spans.setup->matcher.lifecycle->span_count; type++) {
		struct open_span *span =
			follower_find_call(follower, type, call, message->connection);
		struct action action;

		if (span == NULL)
			continue;
		action = follower_action(follower, message, span->method);
		action.call = span;
		action.look.quotes = span->quotes;
		open_spans_hold(span);
		act_run(&action, LIFECYCLE_ON_CLIENT_REPLY);
		open_spans_release(&follower->spans, span);
	}
}

/* The first rule that opens a span for such a request, or NULL. */
static const struct matcher_rule *follower_call_rule(const struct action *action)
{
	const struct matcher_rules *rules = &action->method->rules[LIFECYCLE_ON_SERVER_REQUEST];
	size_t i;

	for (i = 0; i < rules->count; i++) {
		const struct matcher_rule *rule =
			&action->spans->setup->matcher.rules[rules->list[i]];

		if (rule->row->action == LIFECYCLE_OPEN && look_holds(rule, &action->look))
			return rule;
	}
	return NULL;
}

/* What a request of the server that is open, or was, carries; false: it is not known. */
static bool follower_known_call(const struct open_spans *spans, size_t type, struct span_text call,
	const struct key *key, struct follower_told *told)
{
	const struct open_span *same = open_spans_find_call(spans, type, call, key);
	const struct traceparent *closed;

	if (same != NULL) {
		told->context = same->context;
		told->tracestate = same->tracestate;
		return true;
	}
	closed = open_spans_recall_call(spans, type, call, key);
	if (closed != NULL)
		told->context = *closed;
	return closed != NULL;
}

bool follower_server_context(struct follower *follower, struct action_message *message,
	const struct parent *own, struct follower_told *told)
{
	struct open_spans *spans = &follower->spans;
	struct action action =
		follower_action(follower, message, follower_method(follower, message->envelope));
	const struct matcher_rule *rule = follower_call_rule(&action);
	char bytes[ENVELOPE_KEY_MAX];
	struct span_text call = {.bytes = bytes, .size = envelope_id_key(message->envelope, bytes)};
	const struct open_span *parent;
	struct key key;

	*told = (struct follower_told){.tracestate = span_text_of("")};
	if (rule == NULL)
		return false;
	(void)action_take_key(&action, rule, &key); /* as far as it goes */
	if (follower_known_call(spans, rule->row->span, call, &key, told))
		return true;
	told->made = !spans->setup->off[rule->row->span];
	if (own->present) { /* the server knows better what has made it ask */
		told->tracestate = own->tracestate;
		if (told->made)
			told->context = open_spans_new_context(spans, &own->traceparent);
		return told->made;
	}
	parent = open_spans_find_parent(spans, rule->row->span, &key);
	if (parent != NULL)
		told->tracestate = parent->tracestate;
	if (told->made)
		told->context =
			open_spans_new_context(spans, parent != NULL ? &parent->context : NULL);
	else if (parent != NULL)
		told->context = parent->context;
	if (told->made && parent == NULL)
		told->tracestate = open_spans_root_state(spans, &told->context);
	return told->made || parent != NULL;
}

/* ---- what ends without being told ---- */

/* The first span, from that one on, that is at the top, and so does not end when another does. */
static struct open_span *follower_top(struct open_span *span)
{
	while (span != NULL && span->parent != NULL)
		span = TAILQ_NEXT(span, age);
	return span;
}

/* For the spans that are followed on that connection another one is to be found. */
static void follower_unfollow(struct follower *follower, uint64_t connection)
{
	struct open_span *span;

	TAILQ_FOREACH(span, &follower->spans.by_key.ages, age) {
		open_span_leave(span, connection);
	}
}

void follower_connection_gone(struct follower *follower, uint64_t connection, bool last,
	bool backend_lost, uint64_t now_ns)
{
	struct open_span *span, *next;

	follower_unfollow(follower, connection);
	for (span = follower_top(TAILQ_FIRST(&follower->spans.by_key.ages)); span != NULL;
		span = next) {
		bool own = span->row->of_connection && span->opener == connection;
		bool unseen = open_span_unwatch(span, connection, last);

		next = follower_top(TAILQ_NEXT(span, age));
		if (span->known_end != NULL && span->leader == 0) /* no more will be said of it */
			open_spans_give_up(&follower->spans, span, END_CLOSED, now_ns);
		else if (!unseen && !own)
			continue;
		else if (backend_lost)
			open_spans_give_up(&follower->spans, span, END_BACKEND_EXITED, now_ns);
		else if (own || span->by_call.size > 0) /* nobody is left to answer; others go on */
			open_spans_give_up(&follower->spans, span, END_CONNECTION_CLOSED, now_ns);
	}
}

void follower_end_all(struct follower *follower, enum end_reason reason, uint64_t now_ns)
{
	struct open_span *span;

	while ((span = TAILQ_FIRST(&follower->spans.by_key.ages)) != NULL)
		open_spans_give_up(&follower->spans, span, reason, now_ns);
	claims_expire(&follower->claims, now_ns, 0);
}

/* How long a span has been open when it is announced once more, having been so that many times. */
static uint64_t follower_announce_ns(uint32_t times, uint64_t first_ns)
{
	static const uint32_t factors[] = {
		1, 6, 60, 360}; /* 10 s: a minute, ten, an hour, each hour */
	const uint32_t last = sizeof factors / sizeof factors[0] - 1;

	return times <= last ? first_ns * factors[times]
			     : first_ns * factors[last] * (times - last + 1);
}

static void follower_announce(struct follower *follower, struct open_span *span, uint64_t now_ns)
{
	span->announced++;
	follower->spans.setup->counters.announced++;
	open_spans_note(&follower->spans, NULL, span, " announced");
	emit_announce(follower->spans.setup, span, now_ns);
}

static void follower_tick_live(struct follower *follower, struct open_span *span, uint64_t now_ns)
{
	struct follow_setup *setup = follower->spans.setup;
	uint64_t age_ns = now_ns - span->start_ns;

	if (span->known_end != NULL && now_ns - span->known_end->now_ns >= setup->grace_ns)
		open_spans_give_up(&follower->spans, span, END_CLOSED, now_ns);
	else if (span->lapse_ns != 0 && now_ns - span->lapse_ns >= setup->grace_ns)
		open_spans_give_up(&follower->spans, span, END_IDLE, span->lapse_ns);
	else if (age_ns >= setup->max_age_ns) {
		setup->counters.followed_expired++;
		open_spans_give_up(&follower->spans, span, END_EXPIRED, now_ns);
	}
}

/* Tells of what has been open for long, also of what is below other spans. */
static void follower_announce_all(struct follower *follower, uint64_t now_ns)
{
	uint64_t first_ns = follower->spans.setup->announce_after_ns;
	struct open_span *span;

	if (first_ns == 0)
		return;
	TAILQ_FOREACH(span, &follower->spans.by_key.ages, age) {
		if (span->row->announce != NULL &&
			now_ns - span->start_ns >= follower_announce_ns(span->announced, first_ns))
			follower_announce(follower, span, now_ns);
	}
}

void follower_tick(struct follower *follower, uint64_t now_ns)
{
	struct open_span *span, *next;

	for (span = follower_top(TAILQ_FIRST(&follower->spans.by_key.ages)); span != NULL;
		span = next) {
		next = follower_top(TAILQ_NEXT(span, age));
		follower_tick_live(follower, span, now_ns);
	}
	follower_announce_all(follower, now_ns);
	span_index_trim(&follower->spans.by_key);
	evicted_tick(&follower->spans.evicted, now_ns, follower->spans.setup->max_age_ns);
	closed_spans_tick(&follower->spans.closed, now_ns, follower->spans.setup->max_age_ns);
	closed_spans_tick(
		&follower->spans.closed_nested, now_ns, follower->spans.setup->max_age_ns);
	claims_expire(&follower->claims, now_ns, FOLLOWER_CLAIM_NS);
}

/* ---- the follower ---- */

void follower_survey(const struct follower *follower, struct survey *survey)
{
	const struct open_span *span;

	TAILQ_FOREACH(span, &follower->spans.by_key.ages, age) {
		if (span->row->is_measured) /* as a thread that is loaded: it does not hang */
			survey_count(survey, span->type, 1, span->start_ns);
		else
			survey_add(survey, span->type,
				&(struct survey_item){.start_ns = span->start_ns, .span = span});
	}
	claims_survey(&follower->claims, survey);
}

struct follower *follower_new(struct follow_setup *setup)
{
	struct follower *follower = malloc(sizeof *follower);

	if (follower == NULL)
		return NULL;
	open_spans_init(&follower->spans, setup);
	follower->spans.at_end = act_at_end;
	claims_init(&follower->claims, &follower->spans);
	return follower;
}

void follower_free(struct follower *follower, enum end_reason reason, uint64_t now_ns)
{
	if (follower == NULL)
		return;
	follower_end_all(follower, reason, now_ns);
	assert(follower->claims.count == 0);
	open_spans_done(&follower->spans);
	free(follower);
}

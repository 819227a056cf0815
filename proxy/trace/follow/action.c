/*
 * The rules at work: finding the span that a rule is about, then one function for each kind of
 * rule, in a table.
 */
#include "proxy/trace/follow/action.h"

#include <string.h>

#include "proxy/trace/follow/emit.h"
#include "proxy/trace/follow/opening.h"
#include "proxy/trace/names/text.h"

/* ---- finding what a rule is about ---- */

bool action_take_key(const struct action *action, const struct matcher_rule *rule, struct key *key)
{
	const struct lifecycle_rule *row = rule->row;
	size_t missing = open_spans_row(action->spans, row->span)->key_count - row->key_count;
	size_t i;

	key->count = 0;
	if (row->action == LIFECYCLE_OPEN && action->claim != NULL) {
		if (action->claim->group.count < missing)
			return false;
		for (i = 0; i < missing; i++)
			(void)key_add(key, key_part(&action->claim->group, i)); /* it fits */
	}
	return matcher_key(rule, action->message->envelope, key);
}

/* Whether the message has just that span's key: then it need not be put together. */
static bool action_is_about(
	const struct action *action, const struct matcher_rule *rule, const struct open_span *span)
{
	size_t i;

	if (span == NULL || rule->row->key_count != span->key_count)
		return false;
	for (i = 0; i < span->key_count; i++) {
		const struct envelope_value *value =
			envelope_value(action->message->envelope, rule->key[i]);
		struct span_text part = open_span_key_part(span, i);

		if (value->cut || value->size != part.size ||
			memcmp(value->text, part.bytes, part.size) != 0)
			return false;
	}
	return true;
}

/* The open span with the rule's key; most messages are about that of the message before. */
static struct open_span *action_look_up(struct action *action, const struct matcher_rule *rule)
{
	struct open_span **recent = &action->spans->recent[rule->row->span];
	struct open_span *span;
	struct key key;

	if (action_is_about(action, rule, *recent))
		return *recent;
	if (!action_take_key(action, rule, &key)) {
		action->spans->setup->counters.keyless++;
		return NULL;
	}
	span = span_index_find_key(&action->spans->by_key, rule->row->span, &key, key.count);
	if (span != NULL)
		*recent = span;
	return span;
}

/* The span that the rule is about, if it is open and the connection is to be listened to. */
static struct open_span *action_find(struct action *action, const struct matcher_rule *rule)
{
	uint64_t connection = action->message->connection;
	struct open_span *span = action_look_up(action, rule);

	if (span == NULL)
		return NULL;
	if (rule->row->action == LIFECYCLE_ANNOTATE)
		open_spans_watch(span, connection); /* may be told of a span at rest as well */
	else
		open_spans_touch(action->spans, span, connection);
	return open_spans_leads(span, connection) ? span : NULL;
}

void action_find_about(struct action *action, struct open_span *span)
{
	if (action->claim == NULL)
		return; /* no answer: nobody asks */
	open_spans_release(action->spans, action->about);
	action->about = span;
	open_spans_hold(span);
}

/* ---- rules that close ---- */

/* The end that the message tells of. */
static struct span_end action_told_end(const struct action *action, const struct matcher_rule *rule,
	struct matcher_value *message, struct matcher_value *type)
{
	const struct envelope *envelope = action->message->envelope;
	struct span_end end = open_spans_make_end(END_CLOSED, action->message->now_ns);

	end.status = matcher_status(rule, envelope);
	if (end.status != SPAN_STATUS_ERROR)
		return end;
	if (matcher_take(&rule->message, envelope, message))
		end.message = message->text;
	end.type = matcher_take(&rule->type, envelope, type) ? type->text : span_text_of("_OTHER");
	return end;
}

static void action_close(
	struct action *action, const struct matcher_rule *rule, struct open_span *span)
{
	uint64_t connection = action->message->connection;
	struct matcher_value message, type;
	struct span_end end = action_told_end(action, rule, &message, &type);

	open_spans_touch(action->spans, span, connection);
	if (span->known_end == NULL) {
		open_spans_note(action->spans, rule, span, " closed");
		open_spans_set(action->spans, span, rule, action->message->envelope);
	}
	if (open_spans_leads(span, connection) && span->known_end != NULL)
		open_spans_give_up(action->spans, span, END_CLOSED, action->message->now_ns);
	else if (open_spans_leads(span, connection) || span->parent != NULL)
		open_spans_end(action->spans, span, &end, END_PARENT_ENDED);
	else if (span->known_end == NULL)
		open_spans_learn_end(action->spans, span, &end);
}

/* The client's answer closes the request of the server. */
static void action_close_call(struct action *action, const struct matcher_rule *rule)
{
	const struct envelope *envelope = action->message->envelope;
	bool refused = envelope_kind(envelope) == ENVELOPE_ERROR_REPLY;
	struct span_end end =
		open_spans_make_end(refused ? END_REFUSED : END_ANSWERED, action->message->now_ns);

	if (refused) {
		end.status = SPAN_STATUS_ERROR;
		end.message = text_in_slot(envelope, ENVELOPE_ERROR_MESSAGE);
		end.type = text_in_slot(envelope, ENVELOPE_ERROR_CODE);
	}
	open_spans_note(action->spans, rule, action->call, " answered");
	open_spans_set(action->spans, action->call, rule, envelope);
	open_spans_end(action->spans, action->call, &end, END_PARENT_ENDED);
	action->call = NULL;
}

/* Looks a request of the server up by the id in the message. */
static struct open_span *action_find_call(
	const struct action *action, const struct matcher_rule *rule)
{
	char bytes[ENVELOPE_KEY_MAX];
	struct span_text call = {.bytes = bytes};
	struct span_index_entry *entry;

	call.size = envelope_value_key(
		envelope_value(action->message->envelope, rule->request_id), bytes);
	if (call.size == 0)
		return NULL;
	entry = span_index_find(&action->spans->by_key, SPAN_INDEX_CALL, rule->row->span, call);
	return entry == NULL ? NULL : entry->span;
}

/* Calls act for every open span that the rule's key, or the first part of it, fits. */
static void action_each(struct action *action, const struct matcher_rule *rule,
	void (*act)(struct action *action, const struct matcher_rule *rule, struct open_span *span))
{
	size_t type = rule->row->span;
	struct span_index_entry *entry;
	struct open_span *span;
	struct key key;

	if (!action_take_key(action, rule, &key)) {
		action->spans->setup->counters.keyless++;
		return;
	}
	if (key.count == open_spans_row(action->spans, type)->key_count) {
		span = span_index_find_key(&action->spans->by_key, type, &key, key.count);
		if (span != NULL)
			act(action, rule, span);
		return;
	}
	entry = span_index_find(&action->spans->by_key, SPAN_INDEX_GROUP, type, key_first(&key));
	while (entry != NULL) {
		span = entry->span;
		entry = span_index_next(entry);
		if (open_span_key_begins(span, &key))
			act(action, rule, span);
	}
}

static void action_do_close(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *span;

	if (rule->row->on == LIFECYCLE_ON_CLIENT_REPLY) {
		if (action->call != NULL && action->call->type == rule->row->span)
			action_close_call(action, rule);
	} else if (rule->request_id >= 0) {
		span = action_find_call(action, rule);
		if (span != NULL)
			action_close(action, rule, span);
	} else {
		action_each(action, rule, action_close);
	}
}

static void action_lapse(
	struct action *action, const struct matcher_rule *rule, struct open_span *span)
{
	if (span->lapse_ns != 0)
		return;
	open_spans_lapse(action->spans, span, action->message->now_ns);
	open_spans_note(action->spans, rule, span, " may be over");
}

/*
 * A connection may lag behind, and what it tells of rest be about the span before: what it tells
 * next is that another has begun.
 */
static void action_wake(
	struct action *action, const struct matcher_rule *rule, struct open_span *span)
{
	if (span->lapse_ns == 0)
		return;
	open_spans_wake(action->spans, span);
	open_spans_note(action->spans, rule, span, " goes on");
}

/* ---- the other rules ---- */

static void action_do_lapse(struct action *action, const struct matcher_rule *rule)
{
	action_each(action, rule, action_lapse);
}

static void action_do_wake(struct action *action, const struct matcher_rule *rule)
{
	action_each(action, rule, action_wake);
}

static void action_do_annotate(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *span = action_find(action, rule);

	if (span != NULL)
		open_spans_set(action->spans, span, rule, action->message->envelope);
}

static void action_do_event(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *span = action->spans->setup->events ? action_find(action, rule) : NULL;

	if (span == NULL)
		return;
	open_spans_note(action->spans, rule, span, " event \"%s\"", rule->row->event);
	open_span_happen(span, &action->spans->setup->counters.budget, rule,
		action->message->envelope, action->message->now_ns);
}

static void action_do_count(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *span = action->spans->setup->streams ? action_find(action, rule) : NULL;

	if (span == NULL)
		return;
	if (open_spans_is_noted(action->spans))
		open_spans_note(action->spans, rule, span, " counted");
	open_span_count(span, rule, action->message->envelope, action->message->now_ns);
}

static void action_do_nothing(struct action *action, const struct matcher_rule *rule)
{
	(void)action; /* claims are seen to by claims_request() */
	(void)rule;
}

static void (*const action_table[])(struct action *action, const struct matcher_rule *rule) = {
	[LIFECYCLE_CLAIM] = action_do_nothing,
	[LIFECYCLE_OPEN] = opening_run,
	[LIFECYCLE_CLOSE] = action_do_close,
	[LIFECYCLE_LAPSE] = action_do_lapse,
	[LIFECYCLE_WAKE] = action_do_wake,
	[LIFECYCLE_ANNOTATE] = action_do_annotate,
	[LIFECYCLE_EVENT] = action_do_event,
	[LIFECYCLE_COUNT] = action_do_count,
};

void action_run(struct action *action, enum lifecycle_on on)
{
	uint64_t left = action->method->rules[on];

	for (; left != 0; left &= left - 1) {
		const struct matcher_rule *rule =
			&action->spans->setup->matcher.rules[__builtin_ctzll(left)];

		if (rule->row->condition_count == 0 ||
			matcher_holds(rule, action->message->envelope))
			action_table[rule->row->action](action, rule);
	}
}

/*
 * The rules at work: finding the span that a rule is about, then one function for each kind of
 * rule, in a table.
 */
#include "proxy/trace/follow/action.h"

#include <string.h>

#include "proxy/trace/follow/opening.h"
#include "proxy/trace/follow/work_common.h"
#include "proxy/trace/names/text.h"

/* ---- finding what a rule is about ---- */

bool action_take_key(const struct action *action, const struct matcher_rule *rule, struct key *key)
{
	const struct lifecycle_rule *row = rule->row;
	size_t missing = work_row(action->work, row->span)->key_count - row->key_count;
	size_t i;

	key->count = 0;
	if (row->action == LIFECYCLE_OPEN && action->submission != NULL) {
		if (action->submission->group.count < missing)
			return false;
		for (i = 0; i < missing; i++)
			(void)key_add(key, key_part(&action->submission->group, i)); /* it fits */
	}
	return matcher_key(rule, action->message->envelope, key);
}

/* Whether the message has just that span's key: then it need not be put together. */
static bool action_is_about(
	const struct action *action, const struct matcher_rule *rule, const struct live *live)
{
	size_t i;

	if (live == NULL || rule->row->key_count != live->key_count)
		return false;
	for (i = 0; i < live->key_count; i++) {
		const struct envelope_value *value =
			envelope_value(action->message->envelope, rule->key[i]);
		struct span_text part = live_key_part(live, i);

		if (value->cut || value->size != part.size ||
			memcmp(value->text, part.bytes, part.size) != 0)
			return false;
	}
	return true;
}

/* The open span with the rule's key; most messages are about that of the message before. */
static struct live *action_look_up(struct action *action, const struct matcher_rule *rule)
{
	struct live **recent = &action->work->recent[rule->row->span];
	struct live *live;
	struct key key;

	if (action_is_about(action, rule, *recent))
		return *recent;
	if (!action_take_key(action, rule, &key)) {
		action->work->common->counters.keyless++;
		return NULL;
	}
	live = registry_find_key(&action->work->registry, rule->row->span, &key, key.count);
	if (live != NULL)
		*recent = live;
	return live;
}

/* The span that the rule is about, if it is open and the connection is to be listened to. */
static struct live *action_find(struct action *action, const struct matcher_rule *rule)
{
	uint64_t connection = action->message->connection;
	struct live *live = action_look_up(action, rule);

	if (live == NULL)
		return NULL;
	if (rule->row->action == LIFECYCLE_ANNOTATE)
		work_watch(live, connection); /* may be told of a span at rest as well */
	else
		work_touch(action->work, live, connection);
	return work_leads(live, connection) ? live : NULL;
}

void action_find_about(struct action *action, struct live *live)
{
	if (action->submission == NULL)
		return; /* no answer: nobody asks */
	work_release(action->work, action->about);
	action->about = live;
	work_hold(live);
}

/* ---- rules that close ---- */

/* The end that the message tells of. */
static struct emitter_end action_told_end(const struct action *action,
	const struct matcher_rule *rule, struct matcher_value *message, struct matcher_value *type)
{
	const struct envelope *envelope = action->message->envelope;
	struct emitter_end end = work_make_end(WORK_CLOSED, action->message->now_ns);

	end.status = matcher_status(rule, envelope);
	if (end.status != SPAN_STATUS_ERROR)
		return end;
	if (matcher_take(&rule->message, envelope, message))
		end.message = message->text;
	end.type = matcher_take(&rule->type, envelope, type) ? type->text : span_text_of("_OTHER");
	return end;
}

static void action_close(struct action *action, const struct matcher_rule *rule, struct live *live)
{
	uint64_t connection = action->message->connection;
	struct matcher_value message, type;
	struct emitter_end end = action_told_end(action, rule, &message, &type);

	work_touch(action->work, live, connection);
	if (live->told == NULL) {
		work_note(action->work, rule, live, " closed");
		work_set(action->work, live, rule, action->message->envelope);
	}
	if (work_leads(live, connection) && live->told != NULL)
		work_give_up(action->work, live, WORK_CLOSED, action->message->now_ns);
	else if (work_leads(live, connection) || live->parent != NULL)
		work_end(action->work, live, &end, WORK_PARENT_ENDED);
	else if (live->told == NULL)
		work_tell_end(action->work, live, &end);
}

/* The client's answer closes the request of the server. */
static void action_close_call(struct action *action, const struct matcher_rule *rule)
{
	const struct envelope *envelope = action->message->envelope;
	bool refused = envelope_kind(envelope) == ENVELOPE_ERROR_REPLY;
	struct emitter_end end =
		work_make_end(refused ? WORK_REFUSED : WORK_ANSWERED, action->message->now_ns);

	if (refused) {
		end.status = SPAN_STATUS_ERROR;
		end.message = text_in_slot(envelope, ENVELOPE_ERROR_MESSAGE);
		end.type = text_in_slot(envelope, ENVELOPE_ERROR_CODE);
	}
	work_note(action->work, rule, action->call, " answered");
	work_set(action->work, action->call, rule, envelope);
	work_end(action->work, action->call, &end, WORK_PARENT_ENDED);
	action->call = NULL;
}

/* Looks a request of the server up by the id in the message. */
static struct live *action_find_call(const struct action *action, const struct matcher_rule *rule)
{
	char bytes[ENVELOPE_KEY_MAX];
	struct span_text call = {.bytes = bytes};
	struct registry_entry *entry;

	call.size = envelope_value_key(
		envelope_value(action->message->envelope, rule->request_id), bytes);
	if (call.size == 0)
		return NULL;
	entry = registry_find(&action->work->registry, REGISTRY_CALL, rule->row->span, call);
	return entry == NULL ? NULL : entry->live;
}

/* Calls act for every open span that the rule's key, or the first part of it, fits. */
static void action_each(struct action *action, const struct matcher_rule *rule,
	void (*act)(struct action *action, const struct matcher_rule *rule, struct live *live))
{
	size_t type = rule->row->span;
	struct registry_entry *entry;
	struct live *live;
	struct key key;

	if (!action_take_key(action, rule, &key)) {
		action->work->common->counters.keyless++;
		return;
	}
	if (key.count == work_row(action->work, type)->key_count) {
		live = registry_find_key(&action->work->registry, type, &key, key.count);
		if (live != NULL)
			act(action, rule, live);
		return;
	}
	entry = registry_find(&action->work->registry, REGISTRY_GROUP, type, key_first(&key));
	while (entry != NULL) {
		live = entry->live;
		entry = registry_next(entry);
		if (live_key_begins(live, &key))
			act(action, rule, live);
	}
}

static void action_do_close(struct action *action, const struct matcher_rule *rule)
{
	struct live *live;

	if (rule->row->on == LIFECYCLE_ON_CLIENT_REPLY) {
		if (action->call != NULL && action->call->type == rule->row->span)
			action_close_call(action, rule);
	} else if (rule->request_id >= 0) {
		live = action_find_call(action, rule);
		if (live != NULL)
			action_close(action, rule, live);
	} else {
		action_each(action, rule, action_close);
	}
}

static void action_lapse(struct action *action, const struct matcher_rule *rule, struct live *live)
{
	if (live->lapse_ns != 0)
		return;
	work_lapse(action->work, live, action->message->now_ns);
	work_note(action->work, rule, live, " may be over");
}

/*
 * A connection may lag behind, and what it tells of rest be about the span before: what it tells
 * next is that another has begun.
 */
static void action_wake(struct action *action, const struct matcher_rule *rule, struct live *live)
{
	if (live->lapse_ns == 0)
		return;
	work_wake(action->work, live);
	work_note(action->work, rule, live, " goes on");
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
	struct live *live = action_find(action, rule);

	if (live != NULL)
		work_set(action->work, live, rule, action->message->envelope);
}

static void action_do_event(struct action *action, const struct matcher_rule *rule)
{
	struct live *live = action->work->common->events ? action_find(action, rule) : NULL;

	if (live == NULL)
		return;
	work_note(action->work, rule, live, " event \"%s\"", rule->row->event);
	live_happen(live, &action->work->common->counters.room, rule, action->message->envelope,
		action->message->now_ns);
}

static void action_do_count(struct action *action, const struct matcher_rule *rule)
{
	struct live *live = action->work->common->streams ? action_find(action, rule) : NULL;

	if (live == NULL)
		return;
	if (work_is_noted(action->work))
		work_note(action->work, rule, live, " counted");
	live_count(live, rule, action->message->envelope, action->message->now_ns);
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
			&action->work->common->matcher.rules[__builtin_ctzll(left)];

		if (rule->row->condition_count == 0 ||
			matcher_holds(rule, action->message->envelope))
			action_table[rule->row->action](action, rule);
	}
}

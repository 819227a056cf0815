/* The rules at work: one function for each kind of rule, in a table. */
#include "proxy/trace/follow/act.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/follow/action.h"
#include "proxy/trace/names/text.h"

/* ---- rules that close ---- */

/* Says of a span how it goes. */
static void act_judge(
	struct action *action, const struct matcher_rule *rule, struct open_span *span)
{
	static const char *const names[] = {
		[SPAN_STATUS_UNSET] = "unset",
		[SPAN_STATUS_OK] = "ok",
		[SPAN_STATUS_ERROR] = "error",
	};
	struct look_value message, type;
	struct span_end end;

	if (rule->status < 0 && !rule->row->status.always)
		return;
	end = open_spans_judge(rule, &action->look, &message, &type);
	if (end.status == SPAN_STATUS_UNSET && !look_excuses(rule, &action->look))
		return;
	open_spans_note(action->spans, rule, span, " status %s", names[end.status]);
	if (open_span_judge(span, end.status, end.message, end.type) != 0)
		action_counters(action)->followed_no_memory++;
}

/* A request ends without an answer; the caller ends it when all rules have acted. */
static void act_close_request(struct action *action, const struct matcher_rule *rule)
{
	struct request *request = action_find_request(action, rule);
	struct open_span *span;

	if (request == NULL || action->message->ended != NULL)
		return;
	span = action_follow_request(action, request);
	if (span == NULL)
		return;
	open_spans_note(action->spans, rule, span, " closed");
	open_spans_set(action->spans, span, rule, &rule->set, &action->look);
	act_judge(action, rule, span);
	action->message->ended = request;
}

static void act_close(
	struct action *action, const struct matcher_rule *rule, struct open_span *span)
{
	uint64_t connection = action->message->connection;
	struct look_value message, type;
	struct span_end end = open_spans_judge(rule, &action->look, &message, &type);

	if (!span->listed) { /* a request that its answer ends, then */
		open_spans_set(action->spans, span, rule, &rule->set, &action->look);
		act_judge(action, rule, span);
		span->over = true;
		return;
	}
	end.reason = open_spans_make_end(END_CLOSED, 0).reason;
	end.now_ns = action_time(action, rule, span->start_ns);
	open_spans_touch(action->spans, span, connection, action->message->now_ns);
	if (span->known_end == NULL) {
		open_spans_note(action->spans, rule, span, " closed");
		open_spans_set(action->spans, span, rule, &rule->set, &action->look);
	}
	action->fresh = true;
	if (open_spans_leads(span, connection) && span->known_end != NULL)
		open_spans_give_up(action->spans, span, END_CLOSED, action->message->now_ns);
	else if (open_spans_leads(span, connection) || span->parent != NULL)
		open_spans_end(action->spans, span, &end, END_PARENT_ENDED);
	else if (span->known_end == NULL)
		open_spans_learn_end(action->spans, span, &end);
}

/* The client's answer closes the request of the server. */
static void act_close_call(struct action *action, const struct matcher_rule *rule)
{
	const struct envelope *envelope = action->message->envelope;
	bool refused = envelope_kind(envelope) == ENVELOPE_ERROR_REPLY;
	struct span_end end =
		open_spans_make_end(refused ? END_REFUSED : END_ANSWERED, action->message->now_ns);

	assert(action->call != NULL && !action->call->ended);
	if (refused) {
		end.status = SPAN_STATUS_ERROR;
		end.message = text_in_slot(envelope, ENVELOPE_ERROR_MESSAGE);
		end.type = text_in_slot(envelope, ENVELOPE_ERROR_CODE);
		action_counters(action)->budget.values_cut +=
			envelope_value(envelope, ENVELOPE_ERROR_MESSAGE)->cut;
	}
	open_spans_note(action->spans, rule, action->call, " answered");
	open_spans_set(action->spans, action->call, rule, &rule->set, &action->look);
	open_spans_end(action->spans, action->call, &end, END_PARENT_ENDED);
}

/* Closes every open span of the rule's type that is of the connection, and at the top. */
static void act_close_all(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *span = TAILQ_FIRST(&action->spans->by_key.ages), *next;

	for (; span != NULL; span = next) {
		next = TAILQ_NEXT(span, age);
		while (next != NULL && next->parent != NULL)
			next = TAILQ_NEXT(next, age); /* that one may end with this */
		if (span->type == rule->row->span && span->parent == NULL &&
			span->of_connection == action->message->connection)
			act_close(action, rule, span);
	}
}

/* Calls act for every open span that the rule's key, or the first part of it, fits. */
static void act_each(struct action *action, const struct matcher_rule *rule,
	void (*act)(struct action *action, const struct matcher_rule *rule, struct open_span *span))
{
	size_t type = rule->row->span;
	struct span_index_entry *entry;
	struct open_span *span;
	struct key key;

	if (!action_take_key(action, rule, &key)) {
		action_counters(action)->keys_missing++;
		return;
	}
	if (open_spans_row(action->spans, type)->requests != NULL) { /* there may be several */
		entry = span_index_find(
			&action->spans->by_key, SPAN_INDEX_KEY, type, key_whole(&key));
		while (entry != NULL) {
			span = entry->span;
			entry = span_index_next(entry);
			act(action, rule, span);
		}
		return;
	}
	if (key.count == open_spans_row(action->spans, type)->key_count) {
		span = span_index_find_key(&action->spans->by_key, type, &key, key.count);
		if (span != NULL)
			act(action, rule, span);
		else
			action->stale |= open_spans_was_open(action->spans, type, &key);
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

static void act_do_close(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *span;

	if (rule->row->span == LIFECYCLE_REQUEST) {
		act_close_request(action, rule);
	} else if (action->spans->setup->matcher.types[rule->row->span].is_call &&
		   rule->row->on == LIFECYCLE_ON_CLIENT_REPLY) {
		if (action_answered_call(action, rule) != NULL)
			act_close_call(action, rule);
	} else if (rule->request_id >= 0) {
		span = action_find_call(action, rule);
		if (span != NULL)
			act_close(action, rule, span);
	} else if (rule->row->all) {
		act_close_all(action, rule);
	} else {
		act_each(action, rule, act_close);
	}
}

static void act_lapse(
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
static void act_wake(struct action *action, const struct matcher_rule *rule, struct open_span *span)
{
	span->over = false;
	if (span->lapse_ns == 0)
		return;
	open_spans_wake(action->spans, span);
	open_spans_note(action->spans, rule, span, " goes on");
}

/* ---- moments, and spans from one to another ---- */

/*
 * The open span above one that is made, if the connection is to be listened to, or is the first to
 * tell what has opened or ended a span.
 */
static struct open_span *act_find_above(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *above;

	if (action->spans->setup->off[rule->row->span])
		return NULL;
	above = action_find_above(action, rule);
	if (above == NULL || action_is_copy(action))
		return NULL;
	if (rule->row->action == LIFECYCLE_MAKE)
		open_spans_watch(above, action->message->connection); /* tells of what was */
	else
		open_spans_touch(
			action->spans, above, action->message->connection, action->message->now_ns);
	return action->fresh || action_listens(action, rule, above) ? above : NULL;
}

/* The moments that are known for a type that is made below the span; NULL: no memory. */
static struct open_span_marks *act_marks(
	struct action *action, struct open_span *above, size_t type)
{
	struct open_span_marks **marks =
		&above->marks[action->spans->setup->matcher.types[type].made];

	if (*marks == NULL)
		*marks = calloc(1, sizeof **marks);
	if (*marks == NULL)
		action_counters(action)->followed_no_memory++;
	return *marks;
}

/* Whether none of some marks is there yet. */
static bool act_lacks(const struct open_span_marks *marks, unsigned bits)
{
	for (; bits != 0; bits &= bits - 1)
		if (marks->now_ns[__builtin_ctz(bits)] != 0)
			return false;
	return true;
}

static void act_do_mark(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *above = act_find_above(action, rule);
	struct open_span_marks *marks =
		above == NULL ? NULL : act_marks(action, above, rule->row->span);
	bool former;
	uint64_t *at;

	if (marks == NULL)
		return;
	former = rule->former_until != 0 && act_lacks(marks, rule->former_until);
	at = former ? &marks->former_ns[rule->mark] : &marks->now_ns[rule->mark];
	if (*at != 0 && rule->row->mark_first)
		return;
	*at = action_time(action, rule, above->start_ns);
	open_spans_set_values(action->spans, &marks->values, rule, &rule->set, &action->look);
	if (open_spans_is_noted(action->spans))
		open_spans_note(action->spans, rule, above, " mark \"%s%s\"",
			former ? LIFECYCLE_MOMENT_FORMER : "", rule->row->mark);
}

static uint64_t act_moment(const struct action *action, const struct open_span *above,
	const struct open_span_marks *marks, struct matcher_when moment)
{
	switch ((enum matcher_moment)moment.moment) {
	case MATCHER_MOMENT_NOW:
		break;
	case MATCHER_MOMENT_MARK:
		return marks->now_ns[moment.mark];
	case MATCHER_MOMENT_FORMER_MARK:
		return marks->former_ns[moment.mark];
	case MATCHER_MOMENT_START:
		return above->start_ns;
	case MATCHER_MOMENT_FORMER_END:
		return marks->former_end_ns;
	}
	return action->message->now_ns;
}

/* The first of some moments that there is, and that is not later than that time; 0: none. */
static uint64_t act_first_moment(const struct action *action, const struct open_span *above,
	const struct open_span_marks *marks, const struct matcher_when *moments, size_t count,
	uint64_t latest_ns)
{
	uint64_t at = 0;
	size_t i;

	for (i = 0; i < count && (at == 0 || at > latest_ns); i++)
		at = act_moment(action, above, marks, moments[i]);
	return at > latest_ns ? 0 : at;
}

/* A new period begins: what was marked until now is called former. */
static void act_turn_marks(struct open_span_marks *marks, uint64_t end_ns)
{
	memcpy(marks->former_ns, marks->now_ns, sizeof marks->former_ns);
	memset(marks->now_ns, 0, sizeof marks->now_ns);
	marks->former_end_ns = end_ns;
}

/* What rules for marks have set meanwhile. */
static void act_give_values(
	struct action *action, struct open_span *span, struct open_span_values *values)
{
	struct open_span_budget *budget = &action_counters(action)->budget;
	size_t i;

	for (i = 0; i < values->count; i++) {
		struct look_value value = open_span_look(&values->list[i]);

		open_span_set(&span->values, budget, values->list[i].attribute, &value);
	}
	open_span_free_values(values, budget);
}

/* Makes one below that span; at its end, if that is given, it ends for the same reason. */
static void act_make(struct action *action, const struct matcher_rule *rule, const struct key *key,
	struct open_span *above, const struct span_end *above_end)
{
	struct open_span *span;
	struct open_span_marks *marks = act_marks(action, above, rule->row->span);
	struct look_value message, type;
	struct span_end end;
	uint64_t start_ns, end_ns;

	if (marks == NULL || (rule->needs != MATCHER_NONE && act_lacks(marks, 1u << rule->needs)))
		return;
	end_ns = act_first_moment(action, above, marks, rule->to, rule->row->to_count, UINT64_MAX);
	start_ns =
		act_first_moment(action, above, marks, rule->from, rule->row->from_count, end_ns);
	if (start_ns == 0)
		return;
	span = action_make_span(action, rule, key, above, start_ns);
	if (span != NULL) {
		action->look.marks = marks->now_ns;
		action->look.start_ns = start_ns;
		action->look.end_ns = end_ns;
		act_give_values(action, span, &marks->values);
		open_spans_set(action->spans, span, rule, &rule->set, &action->look);
		action->look.marks = NULL;
		end = above_end != NULL && above_end->now_ns <= end_ns
			      ? *above_end
			      : open_spans_judge(rule, &action->look, &message, &type);
		end.now_ns = end_ns;
		open_spans_note(action->spans, rule, span, " made");
		open_spans_end(action->spans, span, &end, END_PARENT_ENDED);
	}
	act_turn_marks(marks, end_ns);
}

static void act_do_make(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *above = act_find_above(action, rule);
	struct key key;

	if (above == NULL)
		return;
	(void)action_take_key(action, rule, &key); /* it is there: the one above was found by it */
	act_make(action, rule, &key, above, NULL);
}

/* Whether the rule makes what runs when that span ends: one with the same key. */
static bool act_is_at_end(const struct open_spans *spans, const struct matcher_rule *rule,
	const struct open_span *above)
{
	size_t made = rule->row->span, i;
	const struct matcher_parents *parents = &spans->setup->matcher.types[made].parents;

	if (!rule->row->at_end || spans->setup->off[made] ||
		open_spans_row(spans, made)->key_count != above->key_count)
		return false;
	for (i = 0; i < parents->count; i++)
		if (parents->types[i] == above->type)
			return true;
	return false;
}

void act_at_end(struct open_spans *spans, struct open_span *above, const struct span_end *end)
{
	static const struct envelope nothing; /* is there for any pointer */
	const struct matcher *matcher = &spans->setup->matcher;
	struct action_message message = {
		.connection = above->opener, .envelope = &nothing, .now_ns = end->now_ns};
	struct action action = {
		.spans = spans, .message = &message, .look = {.envelope = &nothing}};
	struct key key;
	size_t i, part;

	for (i = 0; i < matcher->lifecycle->rule_count; i++) {
		const struct matcher_rule *rule = &matcher->rules[i];

		if (!act_is_at_end(spans, rule, above))
			continue;
		key_init(&key, above->of_connection);
		for (part = 0; part < above->key_count; part++)
			(void)key_add(&key, open_span_key_part(above, part)); /* it was one */
		act_make(&action, rule, &key, above, end);
		return;
	}
}

/* ---- memory ---- */

static void act_do_remember(struct action *action, const struct matcher_rule *rule)
{
	struct follow_setup *setup = action->spans->setup;
	struct memory *memory;
	struct look_value value;
	struct key key;
	size_t i;

	if (!action_take_key(action, rule, &key)) {
		setup->counters.keys_missing++;
		return;
	}
	memory = memories_get(&action->spans->memories, rule->row->span, &key, key.count,
		setup->memories_max, &setup->counters.budget, &setup->counters.memories_forgotten);
	if (memory == NULL) {
		setup->counters.followed_no_memory++;
		return;
	}
	open_spans_note(action->spans, rule, NULL, "remembers %s %.*s",
		open_spans_row(action->spans, rule->row->span)->name, (int)key_part(&key, 0).size,
		key_part(&key, 0).bytes);
	for (i = 0; i < rule->set.count; i++)
		if (look_take(&rule->set.list[i].source, &action->look, &value)) {
			value.sum = false;
			open_span_set(&memory->values, &setup->counters.budget,
				rule->set.list[i].attribute, &value);
		}
}

/* ---- levels ---- */

/* The memory of the levels that a rule looks at; NULL: without a key, or no memory. */
static struct memory *act_level_memory(struct action *action, const struct matcher_rule *rule)
{
	struct follow_setup *setup = action->spans->setup;
	size_t parts = open_spans_row(action->spans, rule->row->memory)->key_count;
	struct key key;

	(void)action_take_key(action, rule, &key); /* as far as it goes */
	if (key.count < parts)
		return NULL;
	return memories_get(&action->spans->memories, rule->row->memory, &key, parts,
		setup->memories_max, &setup->counters.budget, &setup->counters.memories_forgotten);
}

/* Whether what the message says of the rule's span is not listened to: another connection's is. */
static bool act_is_copy(struct action *action, const struct matcher_rule *rule)
{
	const struct lifecycle_span *row = open_spans_row(action->spans, rule->row->span);
	struct open_span *span;
	struct key key;

	if (row->is_memory || !action_take_key(action, rule, &key) || key.count < row->key_count)
		return false;
	span = row->is_made ? open_spans_find_parent(action->spans, rule->row->span, &key)
			    : span_index_find_key(
				      &action->spans->by_key, rule->row->span, &key, key.count);
	return span != NULL && span->leader != 0 && span->leader != action->message->connection;
}

/* Finds out, before any rule acts, what the levels are in the message and were before. */
static void act_take_levels(
	struct action *action, const struct matcher_rules *rules, struct look_level *levels)
{
	const struct matcher *matcher = &action->spans->setup->matcher;
	size_t i;

	action->look.levels = levels;
	for (i = 0; i < rules->count; i++) {
		const struct matcher_rule *rule = &matcher->rules[rules->list[i]];
		const struct memory *memory;
		uint32_t bits = rule->levels;

		memory = act_level_memory(action, rule);
		for (; bits != 0; bits &= bits - 1) {
			unsigned number = (unsigned)__builtin_ctz(bits);
			struct look_level *level = &levels[number];

			level->has_now =
				look_integer(&action->look, matcher->levels[number], &level->now);
			level->known = memory != NULL && (memory->known >> number & 1) != 0;
			level->before = level->known ? memory->levels[number] : 0;
		}
	}
}

/* Remembers them for the messages to come. */
static void act_keep_levels(struct action *action, const struct matcher_rules *rules)
{
	size_t i;

	for (i = 0; i < rules->count; i++) {
		const struct matcher_rule *rule =
			&action->spans->setup->matcher.rules[rules->list[i]];
		uint32_t bits = rule->levels;
		struct memory *memory;

		bool copy = act_is_copy(action, rule);

		memory = act_level_memory(action, rule);
		for (; memory != NULL && bits != 0; bits &= bits - 1) {
			unsigned number = (unsigned)__builtin_ctz(bits);
			const struct look_level *level = &action->look.levels[number];

			if (!level->has_now || (copy && level->known && level->now < level->before))
				continue; /* a copy that is late must not lower it */
			memory->levels[number] = action->look.levels[number].now;
			memory->known |= UINT32_C(1) << number;
		}
	}
}

/* ---- the other rules ---- */

static void act_do_lapse(struct action *action, const struct matcher_rule *rule)
{
	act_each(action, rule, act_lapse);
}

static void act_do_wake(struct action *action, const struct matcher_rule *rule)
{
	act_each(action, rule, act_wake);
}

static void act_do_annotate(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *span = action_find(action, rule);

	if (span == NULL)
		return;
	open_spans_set(action->spans, span, rule, &rule->set, &action->look);
	act_judge(action, rule, span);
}

static void act_do_event(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *span = action->spans->setup->events ? action_find(action, rule) : NULL;

	if (span == NULL)
		return;
	open_spans_note(action->spans, rule, span, " event \"%s\"", rule->row->event);
	open_span_happen(span, &action_counters(action)->budget, rule, &action->look,
		action_time(action, rule, span->start_ns));
}

static void act_do_count(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *span = action->spans->setup->streams ? action_find(action, rule) : NULL;

	if (span == NULL)
		return;
	if (open_spans_is_noted(action->spans))
		open_spans_note(action->spans, rule, span, " counted");
	open_span_count(
		span, rule, &action->look, action->message->connection, action->message->now_ns);
}

/* The request has been answered, but what it asked for goes on: so does its span. */
static void act_do_stay(struct action *action, const struct matcher_rule *rule)
{
	struct request *request = action->request;
	struct open_span *span = request->span;

	if (span == NULL || span->type != rule->row->span || span->over)
		return;
	if (!open_spans_keep(action->spans, span, action->message->share, action->message->now_ns))
		return;
	open_spans_note(action->spans, rule, span, " goes on");
	span->has_parent = request->has_parent;
	span->parent_is_remote = !request->parent_is_ours;
	memcpy(span->parent_span_id, request->parent_span_id, SPAN_ID_SIZE);
	span->recorded = request->recorded;
	span->request = NULL;
	request->span = NULL;
	request->recorded = false; /* by this one */
	request->stays = true;
}

/* ---- links ---- */

static void act_link_key(const struct action *action, struct key *key)
{
	key_init(key, 0);
	(void)key_add(key, (struct span_text){.bytes = (const char *)action->left,
				   .size = sizeof action->left}); /* it fits */
}

/*
 * An answer leaves its text, a request looks for it; texts may be long: two hashes stand for one.
 */
static void act_do_link(struct action *action, const struct matcher_rule *rule)
{
	struct span_text text = look_text(&action->look, rule->by);
	struct memories *memories = &action->spans->memories;
	const struct memory *memory;
	struct open_span *span;
	struct key key;

	if (text.size == 0)
		return;
	action->left[0] = text_hash(memories->seed, text.bytes, text.size);
	action->left[1] = text_hash(~memories->seed, text.bytes, text.size);
	action->has_left = rule->row->on != LIFECYCLE_ON_REQUEST;
	if (action->has_left)
		return;
	act_link_key(action, &key);
	memory = memories_find(memories, LIFECYCLE_REQUEST, &key, key.count);
	span = memory == NULL ? NULL : action_follow_request(action, action->request);
	if (span == NULL || span->link_count == OPEN_SPAN_LINKS_MAX)
		return;
	open_span_link(span, memory->left.trace_id, memory->left.span_id);
	open_spans_note(action->spans, rule, span, " linked");
}

static void act_do_nothing(struct action *action, const struct matcher_rule *rule)
{
	(void)action; /* claims are seen to by claims_request() */
	(void)rule;
}

static void (*const act_table[])(struct action *action, const struct matcher_rule *rule) = {
	[LIFECYCLE_CLAIM] = act_do_nothing,
	[LIFECYCLE_OPEN] = action_open,
	[LIFECYCLE_CLOSE] = act_do_close,
	[LIFECYCLE_LAPSE] = act_do_lapse,
	[LIFECYCLE_WAKE] = act_do_wake,
	[LIFECYCLE_ANNOTATE] = act_do_annotate,
	[LIFECYCLE_EVENT] = act_do_event,
	[LIFECYCLE_COUNT] = act_do_count,
	[LIFECYCLE_REMEMBER] = act_do_remember,
	[LIFECYCLE_MARK] = act_do_mark,
	[LIFECYCLE_MAKE] = act_do_make,
	[LIFECYCLE_LINK] = act_do_link,
	[LIFECYCLE_STAY] = act_do_stay,
};

/* ---- why a rule does not act ---- */

/* Whether somebody asks about messages with this method, or about answers to it. */
static bool act_is_asked(const struct action *action)
{
	const char *why = action->spans->setup->why;
	struct span_text method = text_in_slot(action->message->envelope, ENVELOPE_METHOD);

	assert(why != NULL);
	if (method.size == 0 && action->request != NULL)
		method = action->request->method;
	if (method.size == 0 && action->call != NULL)
		method = action->call->method_name;
	return strlen(why) == method.size && memcmp(why, method.bytes, method.size) == 0;
}

/* Tells which condition does not hold. */
static void act_tell_hindrance(struct action *action, const struct matcher_rule *rule)
{
	static const char *const wanted[] = {
		[LIFECYCLE_ABSENT] = "nothing, but there is something",
		[LIFECYCLE_PRESENT] = "something, but there is nothing",
		[LIFECYCLE_ONE_OF] = "one of those that it names",
		[LIFECYCLE_NONE_OF] = "none of those that it names",
		[LIFECYCLE_INCREASED] = "a level that has risen",
	};
	const struct lifecycle_condition *row = look_hindrance(rule, &action->look);
	const struct matcher_condition *condition = &rule->conditions[row - rule->row->conditions];
	struct span_text text = text_of_value(look_at(&action->look, condition->slot));

	open_spans_note(action->spans, rule, NULL, "does not act: %s is \"%.*s\", must be %s",
		row->pointer, (int)text.size, text.bytes, wanted[row->test]);
}

/* Tells, of a rule whose conditions hold, whether its span is there. */
static void act_tell_span(struct action *action, const struct matcher_rule *rule)
{
	const struct lifecycle_rule *row = rule->row;
	struct key key;

	if (row->span == LIFECYCLE_REQUEST || row->action == LIFECYCLE_CLAIM ||
		row->action == LIFECYCLE_REMEMBER || rule->request_id >= 0 || row->key_count == 0)
		return;
	if (!action_take_key(action, rule, &key))
		open_spans_note(action->spans, rule, NULL,
			"does not act: the message has no %s, or no text or number of 256 bytes "
			"there",
			row->key[key.count].pointer);
	else if (row->action != LIFECYCLE_OPEN && row->action != LIFECYCLE_MARK &&
		 row->action != LIFECYCLE_MAKE &&
		 key.count == open_spans_row(action->spans, row->span)->key_count &&
		 span_index_find_key(&action->spans->by_key, row->span, &key, key.count) == NULL)
		open_spans_note(action->spans, rule, NULL, "does not act: no such %s is open",
			open_spans_row(action->spans, row->span)->name);
}

void act_run(struct action *action, enum lifecycle_on on)
{
	const struct matcher *matcher = &action->spans->setup->matcher;
	const struct matcher_rules *rules = &action->method->rules[on];
	const struct matcher_rules *with_levels = &action->method->levels[on];
	struct look_level levels[LIFECYCLE_LEVELS_MAX];
	bool asked = action->spans->setup->why != NULL && act_is_asked(action);
	size_t i;

	assert(action->method != NULL);
	if (on == LIFECYCLE_ON_REQUEST)
		action_expect_request(action);
	if (with_levels->count > 0)
		act_take_levels(action, with_levels, levels);
	for (i = 0; i < rules->count; i++) {
		const struct matcher_rule *rule = &matcher->rules[rules->list[i]];

		if (rule->row->condition_count > 0 && !look_holds(rule, &action->look)) {
			if (asked)
				act_tell_hindrance(action, rule);
			continue;
		}
		if (asked)
			act_tell_span(action, rule);
		act_table[rule->row->action](action, rule);
	}
	if (with_levels->count > 0)
		act_keep_levels(action, with_levels);
	action->look.levels = NULL; /* they end here */
}

void act_leave_link(struct action *action)
{
	struct follow_setup *setup = action->spans->setup;
	struct memory *memory;
	struct key key;

	if (!action->has_left)
		return;
	act_link_key(action, &key);
	memory = memories_get(&action->spans->memories, LIFECYCLE_REQUEST, &key, key.count,
		setup->memories_max, &setup->counters.budget, &setup->counters.memories_forgotten);
	if (memory == NULL) {
		setup->counters.followed_no_memory++;
		return;
	}
	memcpy(memory->left.trace_id, action->request->context.trace_id, TRACE_ID_SIZE);
	memcpy(memory->left.span_id, action->request->context.span_id, SPAN_ID_SIZE);
}

/*
 * The rules at work: finding the span that a rule is about, then one function for each kind of
 * rule, in a table.
 */
#include "proxy/trace/follow/action.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/trace/follow/opening.h"
#include "proxy/trace/names/text.h"

static struct follow_counters *action_counters(const struct action *action)
{
	return &action->spans->setup->counters;
}

/* ---- requests ---- */

/* The attribute and its value by which a request of the connection is found. */
static bool action_request_key(
	struct key *key, uint64_t connection, uint8_t attribute, struct span_text value)
{
	char number = (char)attribute;

	key_init(key, connection);
	return key_add(key, (struct span_text){.bytes = &number, .size = 1}) && key_add(key, value);
}

/* The key of a request that is a span of a type of its own. */
static bool action_take_type_key(const struct action *action, size_t type, struct key *key)
{
	const struct lifecycle_span *row = open_spans_row(action->spans, type);
	const int *slots = action->spans->setup->matcher.types[type].slots;
	size_t i;

	key_init(key, row->of_connection ? action->message->connection : 0);
	for (i = 0; i < row->key_count; i++)
		if (!key_add(key, look_text(&action->look, slots[i])))
			return false;
	return true;
}

static struct open_span *action_open_request(
	struct action *action, struct request *request, size_t type, const struct key *key)
{
	struct span_opening opening = {
		.identity = {.type = (uint8_t)type,
			.row = open_spans_row(action->spans, type),
			.key = key,
			.tracestate = request->tracestate},
		.context = request->context,
		.claim = request->claim,
		.attributes = action->message->attributes,
		.connection = action->message->connection,
		.start_ns = request->entry.start_ns,
		.now_ns = action->message->now_ns,
		.unlisted = true,
	};

	request->span = open_spans_open(action->spans, &opening);
	if (request->span != NULL)
		request->span->request = request;
	return request->span;
}

struct open_span *action_follow_request(struct action *action, struct request *request)
{
	struct key key;

	if (request->span != NULL)
		return request->span;
	key_init(&key, 0);
	return action_open_request(action, request, LIFECYCLE_REQUEST, &key);
}

/* Opens the span of a request that other messages may be about. */
static void action_expect_request(struct action *action)
{
	const struct matcher *matcher = &action->spans->setup->matcher;
	const struct capture_list *list = &action->request->captures->from[PROFILE_FROM_REQUEST];
	struct request *request = action->request;
	size_t type = action->method->request_type, i;
	struct key key;

	if (type != MATCHER_NONE && !action->spans->setup->off[type]) {
		if (action_take_type_key(action, type, &key))
			(void)action_open_request(action, request, type, &key); /* counted */
		else
			action_counters(action)->keys_missing++;
	}
	for (i = 0; matcher->request_keys != 0 && i < request->value_count; i++) {
		uint8_t attribute = list->rows[request->values[i].capture].attribute;

		if ((matcher->request_keys >> attribute & 1) == 0 ||
			!action_request_key(&key, action->message->connection, attribute,
				request_value(request, i)) ||
			action_follow_request(action, request) == NULL)
			continue;
		if (span_index_alias(
			    &action->spans->by_key, request->span, LIFECYCLE_REQUEST, &key) != 0)
			action_counters(action)->aliases_dropped++;
	}
}

/* The request that the rule is about: itself, or one that is in flight on the connection. */
static struct request *action_find_request(struct action *action, const struct matcher_rule *rule)
{
	const struct action_message *message = action->message;
	struct open_span *span;
	struct key key;
	char bytes[ENVELOPE_KEY_MAX];
	size_t size;

	if (rule->request_id >= 0) {
		size = envelope_value_key(look_at(&action->look, rule->request_id), bytes);
		return size == 0 ? NULL
				 : (struct request *)inflight_find(message->requests, bytes, size,
					   inflight_hash(message->requests, bytes, size));
	}
	if (rule->request_key == MATCHER_NONE)
		return action->request;
	if (!action_request_key(&key, message->connection, rule->request_key,
		    look_text(&action->look, rule->key[0]))) {
		action_counters(action)->keys_missing++;
		return NULL;
	}
	span = span_index_find_key(&action->spans->by_key, LIFECYCLE_REQUEST, &key, key.count);
	return span == NULL ? NULL : span->request;
}

/* ---- finding what a rule is about ---- */

bool action_take_key(const struct action *action, const struct matcher_rule *rule, struct key *key)
{
	const struct lifecycle_span *row = open_spans_row(action->spans, rule->row->span);

	key_init(key, row->of_connection ? action->message->connection : 0);
	return look_take_key(rule, &action->look, key);
}

/* Whether the message has just that span's key: then it need not be put together. */
static bool action_is_about(
	const struct action *action, const struct matcher_rule *rule, const struct open_span *span)
{
	size_t i;

	if (span == NULL || rule->row->key_count != span->key_count || span->of_connection != 0)
		return false;
	for (i = 0; i < span->key_count; i++) {
		const struct envelope_value *value = look_at(&action->look, rule->key[i]);
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
		action_counters(action)->keys_missing++;
		return NULL;
	}
	span = span_index_find_key(&action->spans->by_key, rule->row->span, &key, key.count);
	if (span != NULL)
		*recent = span;
	return span;
}

/* Looks a request of the server up by the id in the message. */
static struct open_span *action_find_call(
	const struct action *action, const struct matcher_rule *rule)
{
	char bytes[ENVELOPE_KEY_MAX];
	struct span_text call = {.bytes = bytes};
	struct span_index_entry *entry;

	call.size = envelope_value_key(look_at(&action->look, rule->request_id), bytes);
	if (call.size == 0)
		return NULL;
	entry = span_index_find(&action->spans->by_key, SPAN_INDEX_CALL, rule->row->span, call);
	return entry == NULL ? NULL : entry->span;
}

/*
 * Whether a rule acts on what a connection tells of a span. What depends on a level may come from
 * anybody: a copy of it does not raise the level again.
 */
static bool action_listens(
	const struct action *action, const struct matcher_rule *rule, struct open_span *span)
{
	return open_spans_leads(span, action->message->connection) || rule->levels != 0;
}

/* The request of the server that is answered, if rule is about it and no other rule ended it. */
static struct open_span *action_answered_call(
	const struct action *action, const struct matcher_rule *rule)
{
	struct open_span *call = action->call;

	return call != NULL && !call->ended && call->type == rule->row->span ? call : NULL;
}

/* The span that the rule is about, if it is open and the connection is to be listened to. */
static struct open_span *action_find(struct action *action, const struct matcher_rule *rule)
{
	uint64_t connection = action->message->connection;
	struct open_span *span = action_answered_call(action, rule);

	if (span != NULL)
		return span;
	if (rule->row->span == LIFECYCLE_REQUEST) {
		struct request *request = action_find_request(action, rule);

		return request == NULL ? NULL : action_follow_request(action, request);
	}
	if (rule->request_id >= 0)
		span = action_find_call(action, rule);
	else
		span = action_look_up(action, rule);
	if (span == NULL)
		return NULL;
	if (rule->row->action == LIFECYCLE_ANNOTATE)
		open_spans_watch(span, connection); /* may be told of a span at rest as well */
	else
		open_spans_touch(action->spans, span, connection, action->message->now_ns);
	return action_listens(action, rule, span) ? span : NULL;
}

void action_find_about(struct action *action, struct open_span *span)
{
	if (action->claim == NULL)
		return; /* no answer: nobody asks */
	open_spans_release(action->spans, action->about);
	action->about = span;
	open_spans_hold(span);
}

uint64_t action_time(
	const struct action *action, const struct matcher_rule *rule, uint64_t earliest_ns)
{
	const struct follow_setup *setup = action->spans->setup;
	uint64_t now_ns = action->message->now_ns, at_ns;

	if (!look_time(rule, &action->look, &at_ns) || at_ns < *setup->wall_offset_ns)
		return now_ns;
	at_ns -= *setup->wall_offset_ns;
	if (at_ns >= now_ns || now_ns - at_ns > setup->max_age_ns)
		return now_ns;
	return at_ns < earliest_ns ? earliest_ns : at_ns;
}

/* ---- rules that close ---- */

/* Says of a span how it goes. */
static void action_judge(
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
static void action_close_request(struct action *action, const struct matcher_rule *rule)
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
	action_judge(action, rule, span);
	action->message->ended = request;
}

static void action_close(
	struct action *action, const struct matcher_rule *rule, struct open_span *span)
{
	uint64_t connection = action->message->connection;
	struct look_value message, type;
	struct span_end end = open_spans_judge(rule, &action->look, &message, &type);

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
	open_spans_set(action->spans, action->call, rule, &rule->set, &action->look);
	open_spans_end(action->spans, action->call, &end, END_PARENT_ENDED);
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
		action_counters(action)->keys_missing++;
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

	if (rule->row->span == LIFECYCLE_REQUEST) {
		action_close_request(action, rule);
	} else if (action->spans->setup->matcher.types[rule->row->span].is_call &&
		   rule->row->on == LIFECYCLE_ON_CLIENT_REPLY) {
		if (action_answered_call(action, rule) != NULL)
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

/* ---- moments, and spans from one to another ---- */

/*
 * The open span above one that is made, if the connection is to be listened to, or is the first to
 * tell what has opened or ended a span.
 */
static struct open_span *action_find_above(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *above;
	struct key key;

	if (action->spans->setup->off[rule->row->span])
		return NULL;
	if (!action_take_key(action, rule, &key)) {
		action_counters(action)->keys_missing++;
		return NULL;
	}
	above = open_spans_find_parent(action->spans, rule->row->span, &key);
	if (above == NULL)
		return NULL;
	if (rule->row->action == LIFECYCLE_MAKE)
		open_spans_watch(above, action->message->connection); /* tells of what was */
	else
		open_spans_touch(
			action->spans, above, action->message->connection, action->message->now_ns);
	return action->fresh || action_listens(action, rule, above) ? above : NULL;
}

/* The moments that are known for a type that is made below the span; NULL: no memory. */
static struct open_span_marks *action_marks(
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
static bool action_lacks(const struct open_span_marks *marks, unsigned bits)
{
	for (; bits != 0; bits &= bits - 1)
		if (marks->now_ns[__builtin_ctz(bits)] != 0)
			return false;
	return true;
}

static void action_do_mark(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *above = action_find_above(action, rule);
	struct open_span_marks *marks =
		above == NULL ? NULL : action_marks(action, above, rule->row->span);
	bool former;
	uint64_t *at;

	if (marks == NULL)
		return;
	former = rule->former_until != 0 && action_lacks(marks, rule->former_until);
	at = former ? &marks->former_ns[rule->mark] : &marks->now_ns[rule->mark];
	if (*at != 0 && rule->row->mark_first)
		return;
	*at = action_time(action, rule, above->start_ns);
	open_spans_set_values(action->spans, &marks->values, rule, &rule->set, &action->look);
	if (open_spans_is_noted(action->spans))
		open_spans_note(action->spans, rule, above, " mark \"%s%s\"",
			former ? LIFECYCLE_MOMENT_FORMER : "", rule->row->mark);
}

static uint64_t action_moment(const struct action *action, const struct open_span *above,
	const struct open_span_marks *marks, struct matcher_when moment)
{
	switch ((enum matcher_moment)moment.moment) {
	case MATCHER_MOMENT_MARK:
		return marks->now_ns[moment.mark];
	case MATCHER_MOMENT_FORMER_MARK:
		return marks->former_ns[moment.mark];
	case MATCHER_MOMENT_START:
		return above->start_ns;
	case MATCHER_MOMENT_FORMER_END:
		return marks->former_end_ns;
	case MATCHER_MOMENT_NOW:
		break;
	}
	return action->message->now_ns;
}

/* The first of some moments that there is, and that is not later than that time; 0: none. */
static uint64_t action_first_moment(const struct action *action, const struct open_span *above,
	const struct open_span_marks *marks, const struct matcher_when *moments, size_t count,
	uint64_t latest_ns)
{
	uint64_t at = 0;
	size_t i;

	for (i = 0; i < count && (at == 0 || at > latest_ns); i++)
		at = action_moment(action, above, marks, moments[i]);
	return at > latest_ns ? 0 : at;
}

/* A new period begins: what was marked until now is called former. */
static void action_turn_marks(struct open_span_marks *marks, uint64_t end_ns)
{
	memcpy(marks->former_ns, marks->now_ns, sizeof marks->former_ns);
	memset(marks->now_ns, 0, sizeof marks->now_ns);
	marks->former_end_ns = end_ns;
}

/* What rules for marks have set meanwhile. */
static void action_give_values(
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

static void action_do_make(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *above = action_find_above(action, rule), *span;
	struct open_span_marks *marks =
		above == NULL ? NULL : action_marks(action, above, rule->row->span);
	struct look_value message, type;
	struct span_end end;
	uint64_t start_ns, end_ns;

	if (marks == NULL ||
		(rule->needs != MATCHER_NONE && action_lacks(marks, 1u << rule->needs)))
		return;
	end_ns = action_first_moment(
		action, above, marks, rule->to, rule->row->to_count, UINT64_MAX);
	start_ns = action_first_moment(
		action, above, marks, rule->from, rule->row->from_count, end_ns);
	if (start_ns == 0)
		return;
	span = opening_make_span(action, rule, above, start_ns);
	if (span != NULL) {
		action->look.marks = marks->now_ns;
		action->look.start_ns = start_ns;
		action->look.end_ns = end_ns;
		action_give_values(action, span, &marks->values);
		open_spans_set(action->spans, span, rule, &rule->set, &action->look);
		action->look.marks = NULL;
		end = open_spans_judge(rule, &action->look, &message, &type);
		end.now_ns = end_ns;
		open_spans_note(action->spans, rule, span, " made");
		open_spans_end(action->spans, span, &end, END_PARENT_ENDED);
	}
	action_turn_marks(marks, end_ns);
}

/* ---- memory ---- */

static void action_do_remember(struct action *action, const struct matcher_rule *rule)
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

/* The memory of the levels that a rule looks at; made: also when there is none. */
static struct memory *action_level_memory(
	struct action *action, const struct matcher_rule *rule, bool made)
{
	struct follow_setup *setup = action->spans->setup;
	size_t parts = open_spans_row(action->spans, rule->row->memory)->key_count;
	struct key key;

	(void)action_take_key(action, rule, &key); /* as far as it goes */
	if (key.count < parts)
		return NULL;
	if (!made)
		return memories_find(&action->spans->memories, rule->row->memory, &key, parts);
	return memories_get(&action->spans->memories, rule->row->memory, &key, parts,
		setup->memories_max, &setup->counters.budget, &setup->counters.memories_forgotten);
}

/* Whether what the message says of the rule's span is not listened to: another connection's is. */
static bool action_is_copy(struct action *action, const struct matcher_rule *rule)
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
static void action_take_levels(
	struct action *action, const struct matcher_rules *rules, struct look_level *levels)
{
	const struct matcher *matcher = &action->spans->setup->matcher;
	size_t i;

	memset(levels, 0, LIFECYCLE_LEVELS_MAX * sizeof *levels);
	action->look.levels = levels;
	for (i = 0; i < rules->count; i++) {
		const struct matcher_rule *rule = &matcher->rules[rules->list[i]];
		const struct memory *memory;
		uint32_t bits = rule->levels;

		memory = action_level_memory(action, rule, false);
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
static void action_keep_levels(struct action *action, const struct matcher_rules *rules)
{
	size_t i;

	for (i = 0; i < rules->count; i++) {
		const struct matcher_rule *rule =
			&action->spans->setup->matcher.rules[rules->list[i]];
		uint32_t bits = rule->levels;
		struct memory *memory;

		bool copy = action_is_copy(action, rule);

		memory = action_level_memory(action, rule, true);
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

	if (span == NULL)
		return;
	open_spans_set(action->spans, span, rule, &rule->set, &action->look);
	action_judge(action, rule, span);
}

static void action_do_event(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *span = action->spans->setup->events ? action_find(action, rule) : NULL;

	if (span == NULL)
		return;
	open_spans_note(action->spans, rule, span, " event \"%s\"", rule->row->event);
	open_span_happen(span, &action_counters(action)->budget, rule, &action->look,
		action_time(action, rule, span->start_ns));
}

static void action_do_count(struct action *action, const struct matcher_rule *rule)
{
	struct open_span *span = action->spans->setup->streams ? action_find(action, rule) : NULL;

	if (span == NULL)
		return;
	if (open_spans_is_noted(action->spans))
		open_spans_note(action->spans, rule, span, " counted");
	open_span_count(span, rule, &action->look, action->message->now_ns);
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
	[LIFECYCLE_REMEMBER] = action_do_remember,
	[LIFECYCLE_MARK] = action_do_mark,
	[LIFECYCLE_MAKE] = action_do_make,
};

/* ---- why a rule does not act ---- */

/* Whether somebody asks about messages with this method, or about answers to it. */
static bool action_is_asked(const struct action *action)
{
	const char *why = action->spans->setup->why;
	struct span_text method = text_in_slot(action->message->envelope, ENVELOPE_METHOD);

	if (why == NULL)
		return false;
	if (method.size == 0 && action->request != NULL)
		method = action->request->method;
	if (method.size == 0 && action->call != NULL)
		method = action->call->method_name;
	return strlen(why) == method.size && memcmp(why, method.bytes, method.size) == 0;
}

/* Tells which condition does not hold. */
static void action_tell_hindrance(struct action *action, const struct matcher_rule *rule)
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
static void action_tell_span(struct action *action, const struct matcher_rule *rule)
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

void action_run(struct action *action, enum lifecycle_on on)
{
	const struct matcher *matcher = &action->spans->setup->matcher;
	const struct matcher_rules *rules = &action->method->rules[on];
	const struct matcher_rules *with_levels = &action->method->levels[on];
	struct look_level levels[LIFECYCLE_LEVELS_MAX];
	bool asked = action->spans->setup->why != NULL && action_is_asked(action);
	size_t i;

	if (on == LIFECYCLE_ON_REQUEST)
		action_expect_request(action);
	if (with_levels->count > 0)
		action_take_levels(action, with_levels, levels);
	for (i = 0; i < rules->count; i++) {
		const struct matcher_rule *rule = &matcher->rules[rules->list[i]];

		if (rule->row->condition_count > 0 && !look_holds(rule, &action->look)) {
			if (asked)
				action_tell_hindrance(action, rule);
			continue;
		}
		if (asked)
			action_tell_span(action, rule);
		action_table[rule->row->action](action, rule);
	}
	if (with_levels->count > 0)
		action_keep_levels(action, with_levels);
	action->look.levels = NULL; /* they end here */
}

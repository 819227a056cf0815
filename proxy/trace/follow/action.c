/* Finding the span that a rule is about, and opening it. */
#include "proxy/trace/follow/action.h"

#include <assert.h>
#include <string.h>

#include "proxy/trace/follow/emit.h"
#include "proxy/trace/names/text.h"
#include "proxy/trace/requests/parent.h"

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
			.method_name = request->method,
			.request_id = request->id,
			.tracestate = request->tracestate},
		.context = request->context,
		.attributes = action->message->attributes,
		.connection = action->message->connection,
		.start_ns = request->entry.start_ns,
		.now_ns = action->message->now_ns,
		.unlisted = true,
	};

	if (request->claim != NULL) {
		opening.asked = request->claim->attributes;
		opening.asked_count = request->claim->attribute_count;
	}
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

void action_expect_request(struct action *action)
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

struct request *action_find_request(struct action *action, const struct matcher_rule *rule)
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
			!text_equal(value->text, part.bytes, part.size))
			return false;
	}
	return true;
}

/*
 * The recent span of that type, if the rule's key is its own: most messages are about that of the
 * message before, and all rules for one ask the same. Saves 290 of the 2,650 instructions a message
 * that w4 took.
 */
static struct open_span *action_recall(
	struct action *action, const struct matcher_rule *rule, size_t type)
{
	struct open_span *recent = action->spans->recent[type];

	if (action->known_key == rule->key_number && action->known_type == type)
		return recent; /* or NULL, if another rule has ended it */
	if (!action_is_about(action, rule, recent))
		return NULL;
	action->known_key = rule->key_number;
	action->known_type = (uint8_t)type;
	return recent;
}

/* The open span with the rule's key. */
static struct open_span *action_look_up(struct action *action, const struct matcher_rule *rule)
{
	size_t type = rule->row->span;
	struct open_span *span = action_recall(action, rule, type);
	struct key key;

	if (span != NULL)
		return span;
	if (!action_take_key(action, rule, &key)) {
		action_counters(action)->keys_missing++;
		return NULL;
	}
	span = span_index_find_key(&action->spans->by_key, type, &key, key.count);
	if (span != NULL) { /* else the next message may still be about the former */
		action->spans->recent[type] = span;
		action->known_key = 0;
	}
	return span;
}

struct open_span *action_find_above(struct action *action, const struct matcher_rule *rule)
{
	const struct matcher_parents *parents =
		&action->spans->setup->matcher.types[rule->row->span].parents;
	struct open_span *above;
	struct key key;

	assert(parents->count > 0);
	above = action_recall(action, rule, parents->types[0]);
	if (above != NULL)
		return above;
	if (action_take_key(action, rule, &key))
		return open_spans_find_parent(action->spans, rule->row->span, &key);
	action_counters(action)->keys_missing++;
	return NULL;
}

struct open_span *action_find_call(const struct action *action, const struct matcher_rule *rule)
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

bool action_listens(
	const struct action *action, const struct matcher_rule *rule, struct open_span *span)
{
	return open_spans_tells(span, action->message->connection) || rule->levels != 0;
}

struct open_span *action_answered_call(const struct action *action, const struct matcher_rule *rule)
{
	struct open_span *call = action->call;

	return call != NULL && !call->ended && call->type == rule->row->span ? call : NULL;
}

struct open_span *action_find(struct action *action, const struct matcher_rule *rule)
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
	if (span == NULL || action_is_copy(action))
		return NULL;
	if (rule->row->action == LIFECYCLE_ANNOTATE)
		open_spans_watch(span, connection); /* may be told of a span at rest as well */
	else
		open_spans_touch(action->spans, span, connection, action->message->now_ns);
	if (rule->row->action == LIFECYCLE_COUNT)
		return span;
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

/* ---- opening ---- */

/*
 * Rules that open. A span at the top is opened by the answer to its request or by a notification,
 * whichever comes first, under the id that was promised if a request has claimed it; one below
 * another only if that one is open; a request of the server in any case.
 */

/* What all openings have in common. */
static struct span_opening opening_make(
	const struct action *action, const struct matcher_rule *rule, const struct key *key)
{
	return (struct span_opening){
		.identity = {.type = (uint8_t)rule->row->span,
			.row = open_spans_row(action->spans, rule->row->span),
			.key = key},
		.attributes = action->message->attributes,
		.connection = action->message->connection,
		.share = action->message->share,
		.start_ns = action_time(action, rule, 0),
		.now_ns = action->message->now_ns,
	};
}

/* What a rule that has opened a span sets on it. */
static void opening_set(
	struct action *action, const struct matcher_rule *rule, struct open_span *span)
{
	open_spans_set(action->spans, span, rule, &rule->set, &action->look);
	open_spans_set(action->spans, span, rule, &rule->set_new, &action->look);
}

/* ---- spans at the top ---- */

/*
 * Finds the span that this one works for by its id alone: its context, and its tracestate as long
 * as it is open.
 */
static bool opening_find_root(const struct open_spans *spans, size_t type, struct span_text id,
	struct traceparent *context, struct span_text *tracestate)
{
	struct span_index_entry *entry = span_index_find(&spans->by_key, SPAN_INDEX_ID, type, id);
	const struct traceparent *closed;

	if (entry != NULL) {
		*context = entry->span->context;
		*tracestate = entry->span->tracestate;
		return true;
	}
	closed = open_spans_recall(spans, SPAN_INDEX_ID, type, id);
	if (closed != NULL)
		*context = *closed;
	return closed != NULL;
}

/* The key with the root's id as its last part; false: there is none, or it is the same. */
static bool opening_root_key(const struct action *action, const struct matcher_rule *rule,
	const struct key *key, struct key *root)
{
	struct span_text text = look_text(&action->look, rule->root);
	size_t i;

	key_init(root, key->connection);
	for (i = 0; i + 1 < key->count; i++)
		(void)key_add(root, key_part(key, i)); /* it fits: it is in a key */
	return key_add(root, text) && (key_size(root) != key_size(key) ||
					      memcmp(root->bytes, key->bytes, key_size(key)) != 0);
}

static void opening_link_last(
	const struct open_spans *spans, struct open_span *span, const struct key *key)
{
	const struct traceparent *last =
		open_spans_recall(spans, SPAN_INDEX_GROUP, span->type, key_first(key));

	if (last != NULL)
		open_span_link(span, last->trace_id, last->span_id);
}

/*
 * In the same group one that is at rest was over when this one began; where there is only one, any
 * other is over, too, and its end is on its way or was missed.
 */
static void opening_end_others(struct open_spans *spans, const struct matcher_rule *rule,
	const struct key *key, uint64_t now_ns)
{
	bool alone = open_spans_row(spans, rule->row->span)->one_per;
	struct span_index_entry *entry = NULL;

	if (alone || spans->lapsed_count > 0) /* there may be thousands in the group */
		entry = span_index_find(
			&spans->by_key, SPAN_INDEX_GROUP, rule->row->span, key_first(key));
	while (entry != NULL) {
		struct open_span *span = entry->span;

		entry = span_index_next(entry);
		if (span->lapse_ns != 0)
			open_spans_give_up(spans, span, END_IDLE, span->lapse_ns);
		else if (alone)
			open_spans_supersede(spans, span, now_ns);
	}
}

/*
 * Opens a span that no request claims: below the request that is looked at, below its root if that
 * is known, else in a trace of its own.
 */
static struct open_span *opening_unclaimed(struct action *action, const struct matcher_rule *rule,
	struct span_opening *opening, const struct key *root)
{
	struct open_spans *spans = action->spans;
	bool asked = rule->row->on == LIFECYCLE_ON_REQUEST;
	struct traceparent above;
	bool found = !asked && root != NULL &&
		     opening_find_root(spans, opening->identity.type, key_last(root), &above,
			     &opening->identity.tracestate);
	struct open_span *span;

	if (asked) {
		above = action->request->context;
		opening->identity.tracestate = action->request->tracestate;
	}
	opening->context = open_spans_new_context(spans, asked || found ? &above : NULL);
	if (asked || found)
		open_spans_set_above(opening, &above);
	else
		opening->identity.tracestate = open_spans_root_state(spans, &opening->context);
	span = open_spans_open(spans, opening);
	if (span != NULL && found)
		open_spans_set(spans, span, rule, &rule->set_root, &action->look);
	return span;
}

/* Whether the span under that key is open, or was: then there is nothing to open. */
static bool opening_known(
	struct action *action, const struct matcher_rule *rule, const struct key *key)
{
	struct open_spans *spans = action->spans;
	uint64_t connection = action->message->connection;
	struct open_span *span =
		span_index_find_key(&spans->by_key, rule->row->span, key, key->count);

	if (span != NULL) {
		open_spans_touch(spans, span, connection, action->message->now_ns);
		open_spans_note(spans, rule, span, " is open already");
		if (open_spans_leads(span, connection) || action->claim != NULL)
			open_spans_set(spans, span, rule, &rule->set, &action->look);
		action_find_about(action, span);
		return true;
	}
	if (!open_spans_was_open(spans, rule->row->span, key))
		return false;
	open_spans_note(spans, rule, NULL, "it is closed already");
	action->stale = true;
	return true;
}

/* A span that has started under another id than it is known by. */
static void opening_add_alias(struct open_spans *spans, const struct matcher_rule *rule,
	struct open_span *span, const struct key *key)
{
	open_spans_note(spans, rule, span, " has another id");
	if (span->alias_count == OPEN_SPAN_ALIASES_MAX)
		spans->setup->counters.aliases_dropped++;
	else if (span_index_alias(&spans->by_key, span, span->type, key) != 0)
		spans->setup->counters.followed_no_memory++;
}

/* Whether the key is another one of the span that is open under root. */
static bool opening_is_alias(struct action *action, const struct matcher_rule *rule,
	const struct key *key, const struct key *root)
{
	struct open_span *span =
		span_index_find_key(&action->spans->by_key, rule->row->span, root, root->count);

	if (span == NULL)
		return false;
	open_spans_touch(action->spans, span, action->message->connection, action->message->now_ns);
	opening_add_alias(action->spans, rule, span, key);
	return true;
}

static void opening_top(
	struct action *action, const struct matcher_rule *rule, const struct key *key)
{
	struct span_opening opening = opening_make(action, rule, key);
	struct claim *claim = action->claim;
	struct open_span *span;
	struct key root;
	bool has_root = opening_root_key(action, rule, key, &root), alias;

	assert(open_spans_is_top(action->spans, rule->row->span));
	if (claim != NULL && claim->rule != NULL && claim->rule->row->span != rule->row->span)
		claim = NULL; /* of another type */

	if (opening_known(action, rule, key) ||
		(has_root && opening_is_alias(action, rule, key, &root)))
		return;
	opening_end_others(action->spans, rule, key, action->message->now_ns);
	open_spans_make_room(action->spans, NULL, action->message->now_ns);
	if (claim == NULL && rule->row->on != LIFECYCLE_ON_REQUEST)
		claim = claims_find(
			action->claims, rule->row->span, key, action->message->connection);
	alias = has_root && claim != NULL && claim->rule != NULL && claim->rule->row->alias;
	if (alias)
		opening.identity.key = &root;
	span = claim != NULL ? claims_start(action->claims, claim, &opening)
			     : opening_unclaimed(action, rule, &opening, has_root ? &root : NULL);
	if (span == NULL)
		return;
	opening_link_last(action->spans, span, opening.identity.key);
	open_spans_note(
		action->spans, rule, span, " opened%s", claim != NULL ? " for its request" : "");
	if (alias)
		opening_add_alias(action->spans, rule, span, key);
	opening_set(action, rule, span);
	action_find_about(action, span);
}

/* ---- spans below others, requests of the server ---- */

/* Opens a span, below its parent if it has one; told: its context, if somebody knows it already. */
static struct open_span *opening_finish(struct action *action, const struct matcher_rule *rule,
	struct span_opening *opening, const struct traceparent *told)
{
	bool carried = action->parent != NULL && action->parent->present;
	const struct traceparent *above = carried                   ? &action->parent->traceparent
					  : opening->parent != NULL ? &opening->parent->context
								    : NULL;
	struct open_span *span;

	opening->context = told != NULL ? *told : open_spans_new_context(action->spans, above);
	if (above != NULL && memcmp(opening->context.trace_id, above->trace_id, TRACE_ID_SIZE) ==
				     0) { /* or told before it was known */
		open_spans_set_above(opening, above);
		opening->above_is_remote = carried;
		opening->identity.tracestate =
			carried ? action->parent->tracestate : opening->parent->tracestate;
	} else {
		opening->identity.tracestate =
			open_spans_root_state(action->spans, &opening->context);
	}
	span = open_spans_open(action->spans, opening);
	if (span == NULL)
		return NULL;
	open_spans_note(action->spans, rule, span, " opened");
	action->fresh = true;
	opening_set(action, rule, span);
	return span;
}

struct open_span *action_make_span(struct action *action, const struct matcher_rule *rule,
	const struct key *key, struct open_span *above, uint64_t start_ns)
{
	struct span_opening opening = opening_make(action, rule, key);

	opening.parent = above;
	opening.start_ns = start_ns;
	opening.context = open_spans_new_context(action->spans, &above->context);
	open_spans_set_above(&opening, &above->context);
	opening.identity.tracestate = above->tracestate;
	return open_spans_open(action->spans, &opening);
}

/* Whether it is open, or was. */
static bool opening_known_nested(
	struct action *action, const struct matcher_rule *rule, const struct key *key)
{
	const struct open_spans *spans = action->spans;
	bool was;

	if (span_index_find_key(&spans->by_key, rule->row->span, key, key->count) != NULL)
		return true;
	was = open_spans_was_open(spans, rule->row->span, key);
	action->stale |= was;
	return was;
}

static void opening_nested(
	struct action *action, const struct matcher_rule *rule, const struct key *key)
{
	struct span_opening opening = opening_make(action, rule, key);
	struct open_span *parent = open_spans_find_parent(action->spans, rule->row->span, key);

	if (parent != NULL) {
		open_spans_touch(action->spans, parent, action->message->connection,
			action->message->now_ns);
		if (opening_known_nested(action, rule, key))
			return;
		open_spans_make_room(action->spans, parent, action->message->now_ns);
		opening.parent = open_spans_find_parent(action->spans, rule->row->span, key);
	}
	if (opening.parent != NULL && opening.start_ns < opening.parent->start_ns)
		opening.start_ns = opening.parent->start_ns;
	if (opening.parent != NULL)
		(void)opening_finish(action, rule, &opening, NULL);
	else
		action->spans->setup->counters.parents_missing++;
}

/* A request of the server, which all who see the same thing get with the same id. */
static void opening_call(
	struct action *action, const struct matcher_rule *rule, const struct key *key)
{
	const struct envelope *envelope = action->message->envelope;
	struct span_opening opening = opening_make(action, rule, key);
	struct open_span *same, *span;
	bool no_memory = false;
	char bytes[ENVELOPE_KEY_MAX];
	struct span_text call = {.bytes = bytes, .size = envelope_id_key(envelope, bytes)};

	same = open_spans_find_call(action->spans, rule->row->span, call, key);
	if (same != NULL && same->key_count == key->count) {
		open_spans_touch(
			action->spans, same, action->message->connection, action->message->now_ns);
		open_span_watch(same, action->message->connection); /* it may answer */
		return;
	}
	if (open_spans_call_was_open(action->spans, rule->row->span, call, key))
		return;
	opening.identity.method = action->method;
	opening.identity.method_name = text_in_slot(envelope, ENVELOPE_METHOD);
	opening.identity.request_id = text_in_slot(envelope, ENVELOPE_ID);
	opening.identity.call = call;
	open_spans_make_room(action->spans,
		open_spans_find_parent(action->spans, rule->row->span, key),
		action->message->now_ns);
	opening.parent = open_spans_find_parent(action->spans, rule->row->span, key);
	if (opening.parent != NULL)
		open_spans_touch(action->spans, opening.parent, action->message->connection,
			action->message->now_ns);
	span = opening_finish(action, rule, &opening, action->context);
	action->context = NULL; /* one span takes it */
	if (span != NULL)
		span->quotes = look_quote(&action->spans->setup->matcher,
			action->method->call_quotes, envelope, &no_memory);
	action->spans->setup->counters.followed_no_memory += no_memory;
}

void action_open(struct action *action, const struct matcher_rule *rule)
{
	bool call = rule->row->on == LIFECYCLE_ON_SERVER_REQUEST;
	struct open_spans *spans = action->spans;
	struct key key;

	if (spans->setup->off[rule->row->span])
		return;
	if (!action_take_key(action, rule, &key) && !call) {
		spans->setup->counters.keys_missing++;
		open_spans_note(spans, rule, NULL, "the message has no key");
		return;
	}
	if (call)
		opening_call(action, rule, &key);
	else if (open_spans_is_top(spans, rule->row->span))
		opening_top(action, rule, &key);
	else
		opening_nested(action, rule, &key);
}

/*
 * Rules that open. A span at the top is opened by the answer to its request or by a notification,
 * whichever comes first, under the id that was promised if a request has claimed it; one below
 * another only if that one is open; a request of the server in any case.
 */
#include "proxy/trace/follow/opening.h"

#include <assert.h>
#include <string.h>

#include "proxy/trace/follow/emit.h"
#include "proxy/trace/names/text.h"
#include "proxy/trace/requests/parent.h"

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
	}
	span = open_spans_open(action->spans, opening);
	if (span == NULL)
		return NULL;
	open_spans_note(action->spans, rule, span, " opened");
	action->fresh = true;
	opening_set(action, rule, span);
	return span;
}

struct open_span *opening_make_span(struct action *action, const struct matcher_rule *rule,
	struct open_span *above, uint64_t start_ns)
{
	struct span_opening opening;
	struct key key;

	(void)action_take_key(action, rule, &key); /* it is all there: above was found by it */
	opening = opening_make(action, rule, &key);
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

void opening_run(struct action *action, const struct matcher_rule *rule)
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

/*
 * Rules that open. A span at the top is opened by the answer to its request or by a notification,
 * whichever comes first, under the id that was promised if a request has claimed it; one below
 * another only if that one is open; a request of the server in any case.
 */
#include "proxy/trace/follow/opening.h"

#include <string.h>

#include "proxy/trace/follow/work_common.h"
#include "proxy/trace/names/text.h"

/* What all openings have in common. */
static struct work_opening opening_make(
	const struct action *action, const struct matcher_rule *rule, const struct key *key)
{
	return (struct work_opening){
		.identity = {.type = (uint8_t)rule->row->span,
			.row = work_row(action->work, rule->row->span),
			.key = key},
		.connection = action->message->connection,
		.now_ns = action->message->now_ns,
	};
}

/* ---- spans at the top ---- */

/*
 * Finds the span that this one works for by its id alone: its context, and its tracestate as long
 * as it is open.
 */
static bool opening_find_root(const struct work *work, size_t type, struct span_text id,
	struct traceparent *context, struct span_text *tracestate)
{
	struct registry_entry *entry = registry_find(&work->registry, REGISTRY_ID, type, id);
	const struct traceparent *closed;

	if (entry != NULL) {
		*context = entry->live->context;
		*tracestate = entry->live->tracestate;
		return true;
	}
	closed = work_recall(work, REGISTRY_ID, type, id);
	if (closed != NULL)
		*context = *closed;
	return closed != NULL;
}

/* The key with the root's id as its last part; false: there is none, or it is the same. */
static bool opening_root_key(const struct action *action, const struct matcher_rule *rule,
	const struct key *key, struct key *root)
{
	struct span_text text = matcher_text(action->message->envelope, rule->root);
	size_t i;

	root->count = 0;
	for (i = 0; i + 1 < key->count; i++)
		(void)key_add(root, key_part(key, i)); /* it fits: it is in a key */
	return key_add(root, text) && (key_size(root) != key_size(key) ||
					      memcmp(root->bytes, key->bytes, key_size(key)) != 0);
}

static void opening_link_last(const struct work *work, struct live *live, const struct key *key)
{
	const struct traceparent *last =
		work_recall(work, REGISTRY_GROUP, live->type, key_first(key));

	if (last == NULL)
		return;
	memcpy(live->link.trace_id, last->trace_id, TRACE_ID_SIZE);
	memcpy(live->link.span_id, last->span_id, SPAN_ID_SIZE);
	live->linked = true;
}

/* One that is at rest in the same group was over when this one began. */
static void opening_end_lapsed(struct work *work, size_t type, const struct key *key)
{
	struct registry_entry *entry = NULL;

	if (work->lapsed_count > 0) /* there may be thousands in the group */
		entry = registry_find(&work->registry, REGISTRY_GROUP, type, key_first(key));
	while (entry != NULL) {
		struct live *live = entry->live;

		entry = registry_next(entry);
		if (live->lapse_ns != 0)
			work_give_up(work, live, WORK_IDLE, live->lapse_ns);
	}
}

/* Opens a span that no request claims: below its root if that is known, else a trace of its own. */
static struct live *opening_unclaimed(
	struct work *work, struct work_opening *opening, const struct key *root, bool has_root)
{
	struct traceparent above;
	bool found = has_root && opening_find_root(work, opening->identity.type, key_last(root),
					 &above, &opening->identity.tracestate);
	struct live *live;

	opening->context = work_new_context(work, found ? &above : NULL);
	if (found)
		work_set_above(opening, &above);
	live = work_open(work, opening);
	if (live != NULL && !found)
		opening_link_last(work, live, opening->identity.key);
	return live;
}

/* Whether the span under that key is open, or was: then there is nothing to open. */
static bool opening_known(
	struct action *action, const struct matcher_rule *rule, const struct key *key)
{
	struct work *work = action->work;
	uint64_t connection = action->message->connection;
	struct live *live = registry_find_key(&work->registry, rule->row->span, key, key->count);

	if (live != NULL) {
		work_touch(work, live, connection);
		work_note(work, rule, live, " is open already");
		if (work_leads(live, connection) || action->submission != NULL)
			work_set(work, live, rule, action->message->envelope);
		action_find_about(action, live);
		return true;
	}
	if (work_recall(work, REGISTRY_KEY, rule->row->span, key_whole(key)) == NULL)
		return false;
	work_note(work, rule, NULL, "it is closed already");
	return true;
}

/* A span that has started under another id than it is known by. */
static void opening_add_alias(struct work *work, const struct matcher_rule *rule, struct live *live,
	const struct key *key)
{
	work_note(work, rule, live, " has another id");
	if (live->alias_count == LIVE_ALIASES_MAX)
		work->common->counters.aliases_dropped++;
	else if (registry_alias(&work->registry, live, key) != 0)
		work->common->counters.no_memory++;
}

/* Whether the key is another one of the span that is open under root. */
static bool opening_is_alias(struct action *action, const struct matcher_rule *rule,
	const struct key *key, const struct key *root)
{
	struct live *live =
		registry_find_key(&action->work->registry, rule->row->span, root, root->count);

	if (live == NULL)
		return false;
	work_touch(action->work, live, action->message->connection);
	opening_add_alias(action->work, rule, live, key);
	return true;
}

static void opening_top(
	struct action *action, const struct matcher_rule *rule, const struct key *key)
{
	struct work_opening opening = opening_make(action, rule, key);
	struct submission *claim = action->submission;
	struct live *live;
	struct key root;
	bool has_root = opening_root_key(action, rule, key, &root), alias;

	if (opening_known(action, rule, key) ||
		(has_root && opening_is_alias(action, rule, key, &root)))
		return;
	opening_end_lapsed(action->work, rule->row->span, key);
	work_make_room(action->work, action->message->now_ns);
	if (claim == NULL)
		claim = claims_find(action->claims, rule->row->span, key);
	alias = has_root && claim != NULL && claim->claim != NULL && claim->claim->row->alias;
	if (alias)
		opening.identity.key = &root;
	live = claim != NULL ? claims_start(action->claims, claim, &opening)
			     : opening_unclaimed(action->work, &opening, &root, has_root);
	if (live == NULL)
		return;
	work_note(action->work, rule, live, " opened%s", claim != NULL ? " for its request" : "");
	if (alias)
		opening_add_alias(action->work, rule, live, key);
	work_set(action->work, live, rule, action->message->envelope);
	action_find_about(action, live);
}

/* ---- spans below others, requests of the server ---- */

/* Opens a span, below its parent if it has one; told: its context, if somebody knows it already. */
static void opening_finish(struct action *action, const struct matcher_rule *rule,
	struct work_opening *opening, const struct traceparent *told)
{
	struct live *parent = opening->parent, *live;

	opening->context = told != NULL ? *told
					: work_new_context(action->work,
						  parent != NULL ? &parent->context : NULL);
	if (parent != NULL && memcmp(opening->context.trace_id, parent->context.trace_id,
				      TRACE_ID_SIZE) == 0) { /* or told before it was known */
		work_set_above(opening, &parent->context);
		opening->identity.tracestate = parent->tracestate;
	}
	live = work_open(action->work, opening);
	if (live == NULL)
		return;
	work_note(action->work, rule, live, " opened");
	work_set(action->work, live, rule, action->message->envelope);
}

/* Whether it is open, or was. */
static bool opening_known_nested(
	const struct work *work, const struct matcher_rule *rule, const struct key *key)
{
	return registry_find_key(&work->registry, rule->row->span, key, key->count) != NULL ||
	       work_recall(work, REGISTRY_KEY, rule->row->span, key_whole(key)) != NULL;
}

static void opening_nested(
	struct action *action, const struct matcher_rule *rule, const struct key *key)
{
	struct work_opening opening = opening_make(action, rule, key);
	struct live *parent = work_find_parent(action->work, rule->row->span, key);

	if (parent != NULL) {
		work_touch(action->work, parent, action->message->connection);
		if (opening_known_nested(action->work, rule, key))
			return;
		work_make_room(action->work, action->message->now_ns);
		opening.parent = work_find_parent(action->work, rule->row->span, key);
	}
	if (opening.parent != NULL)
		opening_finish(action, rule, &opening, NULL);
	else
		action->work->common->counters.parentless++;
}

/* A request of the server, which all who see the same thing get with the same id. */
static void opening_call(
	struct action *action, const struct matcher_rule *rule, const struct key *key)
{
	const struct envelope *envelope = action->message->envelope;
	struct work_opening opening = opening_make(action, rule, key);
	struct live *same;
	char bytes[ENVELOPE_KEY_MAX];
	struct span_text call = {.bytes = bytes, .size = envelope_id_key(envelope, bytes)};

	same = work_find_call(action->work, rule->row->span, call, key);
	if (same != NULL && same->key_count == key->count) {
		work_touch(action->work, same, action->message->connection);
		live_watch(same, action->message->connection); /* it may answer */
		return;
	}
	if (work_recall_call(action->work, rule->row->span, call, key) != NULL)
		return;
	opening.identity.method = action->method;
	opening.identity.method_name = text_in_slot(envelope, ENVELOPE_METHOD);
	opening.identity.request_id = text_in_slot(envelope, ENVELOPE_ID);
	opening.identity.call = call;
	work_make_room(action->work, action->message->now_ns);
	opening.parent = work_find_parent(action->work, rule->row->span, key);
	if (opening.parent != NULL)
		work_touch(action->work, opening.parent, action->message->connection);
	opening_finish(action, rule, &opening, action->context);
	action->context = NULL; /* one span takes it */
}

void opening_run(struct action *action, const struct matcher_rule *rule)
{
	bool call = rule->row->on == LIFECYCLE_ON_SERVER_REQUEST;
	struct work *work = action->work;
	struct key key;

	if (!work->common->switches[work_row(work, rule->row->span)->switched])
		return;
	if (!action_take_key(action, rule, &key) && !call) {
		work->common->counters.keyless++;
		work_note(work, rule, NULL, "the message has no key");
		return;
	}
	if (call)
		opening_call(action, rule, &key);
	else if (work_is_top(work, rule->row->span))
		opening_top(action, rule, &key);
	else
		opening_nested(action, rule, &key);
}

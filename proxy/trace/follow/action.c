/* Finding the span that a rule is about. */
#include "proxy/trace/follow/action.h"

#include <string.h>

#include "proxy/trace/names/text.h"

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

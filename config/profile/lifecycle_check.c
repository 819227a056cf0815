/*
 * What must hold between the rules and spans of a lifecycle, so that no rule is one that can never
 * act. First each rule with its span; then, with all spans looked up, what kind of span it is:
 *
 * - a call is a request of the server to the client: it is known by the request's id, so only that
 *   or the client's answer closes it;
 * - a nested span hangs below another with a shorter key that begins its own;
 * - the others are at the top: only these are claimed by requests, or found by a part of their key.
 */
#include "config/profile/lifecycle_check.h"

#include <string.h>

#include "config/profile/lifecycle.h"
#include "config/profile/lifecycle_rule.h"
#include "config/profile/reader.h"

static bool lifecycle_check_opens(const struct lifecycle_rule *rule, size_t span)
{
	return rule->action == LIFECYCLE_OPEN && rule->span == span;
}

static bool lifecycle_check_is_call(const struct lifecycle *lifecycle, size_t span)
{
	size_t i;

	for (i = 0; i < lifecycle->rule_count; i++)
		if (lifecycle_check_opens(&lifecycle->rules[i], span) &&
			lifecycle->rules[i].on == LIFECYCLE_ON_SERVER_REQUEST)
			return true;
	return false;
}

/* Whether the parent's key is shorter and begins the child's. */
static bool lifecycle_check_is_below(
	const struct lifecycle_span *child, const struct lifecycle_span *parent)
{
	size_t i;

	if (parent->key_count == 0 || parent->key_count >= child->key_count)
		return false;
	for (i = 0; i < parent->key_count; i++)
		if (strcmp(parent->key[i], child->key[i]) != 0)
			return false;
	return true;
}

/* A span below which those of that type hang, or NULL: they are at the top. */
static const struct lifecycle_span *lifecycle_check_parent(
	const struct lifecycle *lifecycle, size_t span)
{
	size_t i;

	for (i = 0; i < lifecycle->span_count; i++)
		if (lifecycle_check_is_below(&lifecycle->spans[span], &lifecycle->spans[i]) &&
			!lifecycle_check_is_call(lifecycle, i))
			return &lifecycle->spans[i];
	return NULL;
}

/* Calls are opened and closed as such, and nothing else is. */
static int lifecycle_check_call(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, const struct lifecycle_rule *rule)
{
	const struct lifecycle_span *span = &lifecycle->spans[rule->span];
	bool call = lifecycle_check_is_call(lifecycle, rule->span);
	bool opens = rule->action == LIFECYCLE_OPEN && rule->on == LIFECYCLE_ON_SERVER_REQUEST;
	bool closes = rule->on == LIFECYCLE_ON_CLIENT_REPLY || rule->request_id != NULL;

	if (call && !opens && !closes)
		return reader_fail(reader, file_member(node, "do"),
			"span \"%s\" is a request of the server; must be opened on server_request, "
			"closed on client_reply or by a request_id",
			span->name);
	if (!call && closes)
		return reader_fail(reader,
			file_member(node, rule->request_id != NULL ? "request_id" : "on"),
			"must stand with a span that is opened on server_request");
	if (!call && span->key_count == 0)
		return reader_fail(reader, file_member(node, "span"),
			"\"%s\": has no key; must have one, or be opened on server_request",
			span->name);
	return 0;
}

/* Only spans at the top are claimed, have roots and are found by a part of their key. */
static int lifecycle_check_nested(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, const struct lifecycle_rule *rule)
{
	const struct lifecycle_span *span = &lifecycle->spans[rule->span];
	const struct lifecycle_span *parent = lifecycle_check_parent(lifecycle, rule->span);
	const struct file_node *key = file_member(node, "key");

	if (parent == NULL || lifecycle_check_is_call(lifecycle, rule->span))
		return 0;
	if (rule->action == LIFECYCLE_CLAIM || rule->root != NULL)
		return reader_fail(reader, file_member(node, rule->root == NULL ? "do" : "root"),
			"span \"%s\" hangs below \"%s\"; must be a span that hangs below none",
			span->name, parent->name);
	if (rule->key_count < span->key_count)
		return reader_fail(reader, key == NULL ? node : key,
			"span \"%s\" hangs below \"%s\"; must have all %zu parts of its key",
			span->name, parent->name, span->key_count);
	return 0;
}

/* Whether the rule is for the method; NULL: for all methods. */
static bool lifecycle_check_covers(const struct lifecycle_rule *rule, const char *method)
{
	size_t i;

	if (rule->methods == NULL)
		return true;
	for (i = 0; method != NULL && i < rule->method_count; i++)
		if (strcmp(rule->methods[i], method) == 0)
			return true;
	return false;
}

/* Whether the claims for the method are there and have just what the rule's key lacks. */
static bool lifecycle_check_completes(
	const struct lifecycle *lifecycle, const struct lifecycle_rule *rule, const char *method)
{
	const size_t lacking = lifecycle->spans[rule->span].key_count - rule->key_count;
	const struct lifecycle_rule *claim;
	size_t count = 0;
	size_t i;

	for (i = 0; i < lifecycle->rule_count; i++) {
		claim = &lifecycle->rules[i];
		if (claim->action != LIFECYCLE_CLAIM || claim->span != rule->span ||
			!lifecycle_check_covers(claim, method))
			continue;
		if (claim->key_count != lacking)
			return false;
		count++;
	}
	return count > 0;
}

/* The first parts of a key may be left to the claim of the request that is answered. */
static int lifecycle_check_claimed(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, const struct lifecycle_rule *rule)
{
	const struct lifecycle_span *span = &lifecycle->spans[rule->span];
	const size_t lacking = span->key_count - rule->key_count;
	const char *method;
	size_t i = 0;

	if (rule->action != LIFECYCLE_OPEN || lacking == 0)
		return 0;
	do {
		method = rule->methods == NULL ? NULL : rule->methods[i];
		if (!lifecycle_check_completes(lifecycle, rule, method))
			return reader_fail(reader, node,
				"the key lacks %zu of %zu parts; must have them all, or each claim "
				"of %s those",
				lacking, span->key_count, method == NULL ? "all methods" : method);
	} while (++i < rule->method_count);
	return 0;
}

/* Another id is told by the root of a rule that opens the span. */
static int lifecycle_check_alias(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, const struct lifecycle_rule *rule)
{
	size_t i;

	if (!rule->alias)
		return 0;
	for (i = 0; i < lifecycle->rule_count; i++)
		if (lifecycle_check_opens(&lifecycle->rules[i], rule->span) &&
			lifecycle->rules[i].root != NULL)
			return 0;
	return reader_fail(reader, file_member(node, "alias"),
		"must stand where a rule opens the span with a root");
}

/* Each stream of a span has room of its own while the span is open. */
static int lifecycle_check_streams(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, const struct lifecycle_rule *rule)
{
	const struct lifecycle_rule *other;
	size_t count = 0;

	if (rule->action != LIFECYCLE_COUNT)
		return 0;
	for (other = lifecycle->rules; other <= rule; other++)
		count += other->action == LIFECYCLE_COUNT && other->span == rule->span;
	if (count <= LIFECYCLE_STREAMS_MAX)
		return 0;
	return reader_fail(reader, file_member(node, "do"),
		"span \"%s\" has %zu such rules; must have at most %d",
		lifecycle->spans[rule->span].name, count, LIFECYCLE_STREAMS_MAX);
}

/* The names of attributes met so far, each once. */
struct lifecycle_check_names {
	const char *list[LIFECYCLE_ATTRIBUTES_MAX];
	size_t count;
};

/* Adds name, which may be NULL. */
static int lifecycle_check_name(struct reader *reader, const struct file_node *node,
	struct lifecycle_check_names *names, const char *name)
{
	size_t i;

	if (name == NULL)
		return 0;
	for (i = 0; i < names->count; i++)
		if (strcmp(names->list[i], name) == 0)
			return 0;
	if (names->count == LIFECYCLE_ATTRIBUTES_MAX)
		return reader_fail(reader, node,
			"attribute \"%s\" is one too many; must be at most %d in all rules", name,
			LIFECYCLE_ATTRIBUTES_MAX);
	names->list[names->count++] = name;
	return 0;
}

static int lifecycle_check_names(struct reader *reader, const struct file_node *node,
	const struct lifecycle_rule *rule, struct lifecycle_check_names *names)
{
	size_t i;

	for (i = 0; i < rule->setting_count; i++)
		if (lifecycle_check_name(reader, node, names, rule->settings[i].attribute) != 0)
			return -1;
	if (lifecycle_check_name(reader, node, names, rule->stream.count) != 0 ||
		lifecycle_check_name(reader, node, names, rule->stream.bytes) != 0)
		return -1;
	return lifecycle_check_name(reader, node, names, rule->stream.first);
}

/* Those of keys always fit: LIFECYCLE_SPANS_MAX * LIFECYCLE_KEY_MAX is less than there may be. */
static int lifecycle_check_keys(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, struct lifecycle_check_names *names)
{
	size_t i, j;

	for (i = 0; i < lifecycle->span_count; i++)
		for (j = 0; j < lifecycle->spans[i].key_count; j++)
			if (lifecycle_check_name(reader, node, names, lifecycle->spans[i].key[j]) !=
				0)
				return -1;
	return 0;
}

static int lifecycle_check_rule(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, const struct lifecycle_rule *rule)
{
	lifecycle_rule_enter(reader, node);
	if (lifecycle_check_call(reader, node, lifecycle, rule) != 0 ||
		lifecycle_check_nested(reader, node, lifecycle, rule) != 0 ||
		lifecycle_check_claimed(reader, node, lifecycle, rule) != 0 ||
		lifecycle_check_alias(reader, node, lifecycle, rule) != 0)
		return -1;
	return lifecycle_check_streams(reader, node, lifecycle, rule);
}

/* Each rule with its node: first the rule and its span, then with the others. */
static int lifecycle_check_rules(
	struct reader *reader, const struct file_node *rules, struct lifecycle *lifecycle)
{
	struct lifecycle_check_names names = {.count = 0};
	const struct file_node *node;
	struct lifecycle_rule *rule;

	if (lifecycle_check_keys(reader, rules, lifecycle, &names) != 0)
		return -1;
	rule = lifecycle->rules;
	for (node = rules->child; node != NULL; node = node->next, rule++)
		if (lifecycle_rule_check(reader, node, rule, lifecycle) != 0 ||
			lifecycle_check_names(reader, node, rule, &names) != 0)
			return -1;
	rule = lifecycle->rules;
	for (node = rules->child; node != NULL; node = node->next, rule++)
		if (lifecycle_check_rule(reader, node, lifecycle, rule) != 0)
			return -1;
	reader_leave(reader);
	return 0;
}

/* A span that nothing opens is a mistake in the rules. */
static int lifecycle_check_opened(
	struct reader *reader, const struct file_node *spans, const struct lifecycle *lifecycle)
{
	const struct file_node *node = spans == NULL ? NULL : spans->child;
	size_t span, i;

	for (span = 0; node != NULL; node = node->next, span++) {
		for (i = 0; i < lifecycle->rule_count; i++)
			if (lifecycle_check_opens(&lifecycle->rules[i], span))
				break;
		if (i == lifecycle->rule_count)
			return reader_fail(reader, node,
				"no rule opens it; must have one with \"do\": \"open\"");
	}
	return 0;
}

int lifecycle_check(
	struct reader *reader, const struct file_node *node, struct lifecycle *lifecycle)
{
	const struct file_node *rules = file_member(node, "rules");

	if (lifecycle->dispatch_name == NULL && rules == NULL)
		return reader_fail(reader, node, "must have a dispatch or rules");
	if (rules != NULL && lifecycle_check_rules(reader, rules, lifecycle) != 0)
		return -1;
	return lifecycle_check_opened(reader, file_member(node, "spans"), lifecycle);
}

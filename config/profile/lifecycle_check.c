/*
 * What must hold between the rules and spans of a lifecycle, so that no rule is one that can never
 * act. First each rule with its span; then, with all spans looked up, what kind of span it is:
 *
 * - a call is a request of the server to the client: it is known by the request's id, so only that
 *   or the client's answer closes it;
 * - a request of the client opens and ends by itself;
 * - a made span is put together from moments, and never open;
 * - a nested span hangs below another with a shorter key that begins its own;
 * - the others are at the top: only these are claimed by requests, or found by a part of their key.
 *
 * Last come what is counted in all rules together, and the names that attributes stand in.
 */
#include "config/profile/lifecycle_check.h"

#include <assert.h>
#include <string.h>

#include "config/profile/lifecycle.h"
#include "config/profile/lifecycle_rule.h"
#include "config/profile/reader.h"

/* ---- kinds of spans ---- */

/* A span below which those of that type hang, or NULL: they are at the top. */
static const struct lifecycle_span *lifecycle_check_parent(
	const struct lifecycle *lifecycle, size_t span)
{
	size_t i;

	for (i = 0; i < lifecycle->span_count; i++)
		if (lifecycle_is_below(lifecycle, span, i))
			return &lifecycle->spans[i];
	return NULL;
}

/* ---- each rule with its span ---- */

/* Calls are opened and closed as such, and nothing else is. */
static int lifecycle_check_call(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, const struct lifecycle_rule *rule)
{
	const struct lifecycle_span *span = &lifecycle->spans[rule->span];
	bool call = lifecycle_is_call(lifecycle, rule->span);
	bool opens = rule->action == LIFECYCLE_OPEN && rule->on == LIFECYCLE_ON_SERVER_REQUEST;
	bool finds = rule->on == LIFECYCLE_ON_CLIENT_REPLY || rule->request_id != NULL;

	if (call && !opens && (!finds || rule->action == LIFECYCLE_OPEN))
		return reader_fail(reader, file_member(node, "do"),
			"span \"%s\" is a request of the server; must be opened on server_request, "
			"closed on client_reply or by a request_id",
			span->name);
	if (!call && rule->request_id != NULL)
		return reader_fail(reader, file_member(node, "request_id"),
			"must stand with a span that is opened on server_request, or with request");
	if (!call && rule->on == LIFECYCLE_ON_CLIENT_REPLY && rule->key_count == 0)
		return reader_fail(reader, file_member(node, "on"),
			"must stand with a span that is opened on server_request, or with a key");
	if (call && rule->on == LIFECYCLE_ON_CLIENT_REPLY && rule->status.pointer != NULL &&
		rule->action == LIFECYCLE_CLOSE)
		return reader_fail(reader, file_member(node, "status"),
			"must not stand with client_reply, which is a result or an error");
	if (!call && span->key_count == 0)
		return reader_fail(reader, file_member(node, "span"),
			"\"%s\": has no key; must have one, or be opened on server_request",
			span->name);
	return 0;
}

/* Whether the rule is to stay, or about the end of spans for which another says that they stay. */
static bool lifecycle_check_stays(
	const struct lifecycle *lifecycle, const struct lifecycle_rule *rule)
{
	size_t i;

	for (i = 0; i < lifecycle->rule_count; i++)
		if (lifecycle->rules[i].action == LIFECYCLE_STAY &&
			lifecycle->rules[i].span == rule->span)
			return rule->action == LIFECYCLE_STAY || rule->action == LIFECYCLE_CLOSE ||
			       rule->action == LIFECYCLE_WAKE;
	return false;
}

/* Spans that are requests of the client, or are made, come and go in their own way. */
static int lifecycle_check_kind(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, const struct lifecycle_rule *rule)
{
	const struct lifecycle_span *span = &lifecycle->spans[rule->span];
	bool makes = rule->action == LIFECYCLE_MARK || rule->action == LIFECYCLE_MAKE;
	bool finds = rule->action == LIFECYCLE_ANNOTATE || rule->action == LIFECYCLE_EVENT ||
		     rule->action == LIFECYCLE_COUNT;

	if (span->is_made != makes)
		return reader_fail(reader, file_member(node, "do"),
			span->is_made ? "span \"%s\" is made; must be mark or make"
				      : "span \"%s\" is not made; must be another than this",
			span->name);
	if (rule->action == LIFECYCLE_LINK)
		return reader_fail(reader, file_member(node, "do"),
			"\"link\": must stand with \"span\": \"request\"");
	if (rule->action == LIFECYCLE_STAY &&
		(span->requests == NULL || rule->on != LIFECYCLE_ON_REPLY))
		return reader_fail(reader, file_member(node, "do"),
			"\"stay\": must be on reply, with a span that has requests");
	if (span->requests != NULL && !finds && !lifecycle_check_stays(lifecycle, rule))
		return reader_fail(reader, file_member(node, "do"),
			"span \"%s\" is a request, which opens and ends by itself; must be "
			"annotate, event, count or stay",
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

	if (span->is_made && parent == NULL)
		return reader_fail(reader, file_member(node, "span"),
			"\"%s\": is made below another; must have the key of one that is opened",
			span->name);
	if (parent == NULL || span->is_made || lifecycle_is_call(lifecycle, rule->span))
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

/* Another id is told by the root of a rule that opens the span. */
static int lifecycle_check_alias(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, const struct lifecycle_rule *rule)
{
	size_t i;

	if (!rule->alias)
		return 0;
	for (i = 0; i < lifecycle->rule_count; i++)
		if (lifecycle_opens(&lifecycle->rules[i], rule->span) &&
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
		file_member(node, "span")->text, count, LIFECYCLE_STREAMS_MAX);
}

/* ---- moments ---- */

/* Whether some rule for that type of span gives a moment the name. */
static bool lifecycle_check_has_mark(
	const struct lifecycle *lifecycle, size_t span, const char *name)
{
	size_t i;

	for (i = 0; i < lifecycle->rule_count; i++)
		if (lifecycle->rules[i].action == LIFECYCLE_MARK &&
			lifecycle->rules[i].span == span &&
			strcmp(lifecycle->rules[i].mark, name) == 0)
			return true;
	return false;
}

static bool lifecycle_check_is_moment(
	const struct lifecycle *lifecycle, size_t span, const char *name)
{
	static const size_t former = sizeof LIFECYCLE_MOMENT_FORMER - 1;

	if (strcmp(name, LIFECYCLE_MOMENT_START) == 0 || strcmp(name, LIFECYCLE_MOMENT_NOW) == 0 ||
		strcmp(name, LIFECYCLE_MOMENT_FORMER_END) == 0)
		return true;
	if (strncmp(name, LIFECYCLE_MOMENT_FORMER, former) == 0)
		name += former;
	return lifecycle_check_has_mark(lifecycle, span, name);
}

static int lifecycle_check_moments(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, size_t span, char *const *names, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!lifecycle_check_is_moment(lifecycle, span, names[i]))
			return reader_fail(reader, node,
				"\"%s\": must be start, now, former end, or the mark of a rule, "
				"after "
				"\"former\" or not",
				names[i]);
	return 0;
}

/* Marks that are asked for as such: former_until and needs. */
static int lifecycle_check_mark_names(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, size_t span, char *const *names, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!lifecycle_check_has_mark(lifecycle, span, names[i]))
			return reader_fail(
				reader, node, "\"%s\": must be the mark of a rule", names[i]);
	return 0;
}

/* Marks as values: of a span that is made, with a name that some rule gives. */
static int lifecycle_check_mark_values(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, const struct lifecycle_rule *rule,
	const struct lifecycle_set *set)
{
	size_t i, j;

	for (i = 0; i < set->count; i++)
		for (j = 0; j < set->list[i].source.choice_count; j++) {
			const char *mark = set->list[i].source.choices[j].mark;

			if (mark == NULL)
				continue;
			if (rule->action != LIFECYCLE_MAKE ||
				!lifecycle_check_has_mark(lifecycle, rule->span, mark))
				return reader_fail(reader, node,
					"mark \"%s\": must stand with \"do\": \"make\", and be the "
					"mark of a "
					"rule",
					mark);
		}
	return 0;
}

static int lifecycle_check_marks(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, const struct lifecycle_rule *rule)
{
	const struct lifecycle_rule *other;
	size_t count = 0;

	if (lifecycle_check_moments(reader, file_member(node, "from"), lifecycle, rule->span,
		    rule->from, rule->from_count) != 0 ||
		lifecycle_check_moments(reader, file_member(node, "to"), lifecycle, rule->span,
			rule->to, rule->to_count) != 0 ||
		lifecycle_check_mark_names(reader, file_member(node, "former_until"), lifecycle,
			rule->span, rule->former_until, rule->former_until_count) != 0 ||
		lifecycle_check_mark_names(reader, file_member(node, "needs"), lifecycle,
			rule->span, &rule->needs, rule->needs != NULL) != 0 ||
		lifecycle_check_mark_values(reader, node, lifecycle, rule, &rule->set) != 0 ||
		lifecycle_check_mark_values(reader, node, lifecycle, rule, &rule->set_new) != 0 ||
		lifecycle_check_mark_values(reader, node, lifecycle, rule, &rule->set_root) != 0)
		return -1;
	if (rule->action != LIFECYCLE_MARK)
		return 0;
	for (other = lifecycle->rules; other <= rule; other++)
		count += other->action == LIFECYCLE_MARK && other->span == rule->span;
	if (count <= LIFECYCLE_MARKS_MAX)
		return 0;
	return reader_fail(reader, file_member(node, "mark"),
		"span \"%s\" has %zu such rules; must have at most %d",
		lifecycle->spans[rule->span].name, count, LIFECYCLE_MARKS_MAX);
}

/* ---- levels ---- */

static bool lifecycle_check_has_level(const struct lifecycle_rule *rule)
{
	size_t i;

	for (i = 0; i < rule->condition_count; i++)
		if (rule->conditions[i].test == LIFECYCLE_INCREASED)
			return true;
	for (i = 0; i < rule->set.count; i++)
		if (lifecycle_source_has_level(&rule->set.list[i].source))
			return true;
	for (i = 0; i < rule->set_new.count; i++)
		if (lifecycle_source_has_level(&rule->set_new.list[i].source))
			return true;
	return false;
}

/* Levels are remembered by the memory with the longest key that the rule's begins with. */
static int lifecycle_check_memory(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, struct lifecycle_rule *rule)
{
	const struct lifecycle_span *spans = lifecycle->spans;
	size_t best = 0, i;

	if (!lifecycle_check_has_level(rule))
		return 0;
	if (rule->action == LIFECYCLE_CLAIM || rule->on == LIFECYCLE_ON_CLIENT_REPLY)
		return reader_fail(reader, node, "must look at no level, as a %s",
			rule->action == LIFECYCLE_CLAIM ? "claim" : "rule for client_reply");
	for (i = 0; rule->span != LIFECYCLE_REQUEST && i < lifecycle->span_count; i++)
		if (spans[i].is_memory && spans[i].key_count > best &&
			spans[i].key_count <= rule->key_count &&
			(i == rule->span ||
				lifecycle_key_begins(&spans[rule->span], &spans[i], 0))) {
			rule->memory = i;
			best = spans[i].key_count;
		}
	if (best > 0)
		return 0;
	return reader_fail(reader, node,
		"a level is remembered; must have a memory whose key begins that of the span");
}

/* ---- what is counted in all rules together ---- */

/* Texts met so far, each once. */
struct lifecycle_check_texts {
	const char *list[LIFECYCLE_ATTRIBUTES_MAX];
	size_t count;
};

struct lifecycle_check_sums {
	struct lifecycle_check_texts attributes, levels, quotes;
};

/* Adds text, which may be NULL. Whether there are no more than count_max. */
static bool lifecycle_check_text(
	struct lifecycle_check_texts *texts, const char *text, size_t count_max)
{
	size_t i;

	if (text == NULL)
		return true;
	for (i = 0; i < texts->count; i++)
		if (strcmp(texts->list[i], text) == 0)
			return true;
	if (texts->count == count_max)
		return false;
	texts->list[texts->count++] = text;
	return true;
}

static int lifecycle_check_name(struct reader *reader, const struct file_node *node,
	struct lifecycle_check_sums *sums, const char *name)
{
	if (lifecycle_check_text(&sums->attributes, name, LIFECYCLE_ATTRIBUTES_MAX))
		return 0;
	return reader_fail(reader, node,
		"attribute \"%s\" is one too many; must be at most %d in all rules", name,
		LIFECYCLE_ATTRIBUTES_MAX);
}

/* A pointer of a rule: if it is into the request that an answer is for, that one is kept. */
static int lifecycle_check_pointer(struct reader *reader, const struct file_node *node,
	const struct lifecycle_rule *rule, struct lifecycle_check_sums *sums, const char *pointer)
{
	if (pointer == NULL || !lifecycle_quotes(pointer) ||
		(rule->on != LIFECYCLE_ON_REPLY && rule->on != LIFECYCLE_ON_ERROR &&
			rule->on != LIFECYCLE_ON_CLIENT_REPLY) ||
		lifecycle_check_text(&sums->quotes, pointer, LIFECYCLE_QUOTES_MAX))
		return 0;
	return reader_fail(reader, node,
		"%s is one too many; rules for answers must look at most at %d values of requests",
		pointer, LIFECYCLE_QUOTES_MAX);
}

static int lifecycle_check_level(struct reader *reader, const struct file_node *node,
	struct lifecycle_check_sums *sums, const char *pointer)
{
	if (lifecycle_check_text(&sums->levels, pointer, LIFECYCLE_LEVELS_MAX))
		return 0;
	return reader_fail(reader, node,
		"%s is one level too many; must be at most %d in all rules", pointer,
		LIFECYCLE_LEVELS_MAX);
}

static int lifecycle_check_source(struct reader *reader, const struct file_node *node,
	const struct lifecycle_rule *rule, struct lifecycle_check_sums *sums,
	const struct lifecycle_source *source)
{
	size_t i;

	for (i = 0; i < source->choice_count; i++) {
		const struct lifecycle_choice *choice = &source->choices[i];

		if (lifecycle_check_pointer(reader, node, rule, sums, choice->pointer) != 0)
			return -1;
		if (choice->take == LIFECYCLE_TAKE_INCREASE &&
			lifecycle_check_level(reader, node, sums, choice->pointer) != 0)
			return -1;
	}
	return 0;
}

static int lifecycle_check_set(struct reader *reader, const struct file_node *node,
	const struct lifecycle_rule *rule, struct lifecycle_check_sums *sums,
	const struct lifecycle_set *set)
{
	size_t i;

	for (i = 0; i < set->count; i++)
		if (lifecycle_check_name(reader, node, sums, set->list[i].attribute) != 0 ||
			lifecycle_check_source(reader, node, rule, sums, &set->list[i].source) != 0)
			return -1;
	return 0;
}

static int lifecycle_check_rule_sums(struct reader *reader, const struct file_node *node,
	const struct lifecycle_rule *rule, struct lifecycle_check_sums *sums)
{
	size_t i;

	for (i = 0; i < rule->key_count; i++)
		if (lifecycle_check_pointer(reader, node, rule, sums, rule->key[i].pointer) != 0)
			return -1;
	for (i = 0; i < rule->condition_count; i++) {
		const struct lifecycle_condition *condition = &rule->conditions[i];

		if (lifecycle_check_pointer(reader, node, rule, sums, condition->pointer) != 0 ||
			(condition->test == LIFECYCLE_INCREASED &&
				lifecycle_check_level(reader, node, sums, condition->pointer) != 0))
			return -1;
	}
	if (lifecycle_check_set(reader, node, rule, sums, &rule->set) != 0 ||
		lifecycle_check_set(reader, node, rule, sums, &rule->set_new) != 0 ||
		lifecycle_check_set(reader, node, rule, sums, &rule->set_root) != 0 ||
		lifecycle_check_source(reader, node, rule, sums, &rule->status.message) != 0 ||
		lifecycle_check_source(reader, node, rule, sums, &rule->status.type) != 0 ||
		lifecycle_check_pointer(reader, node, rule, sums, rule->status.pointer) != 0 ||
		lifecycle_check_pointer(reader, node, rule, sums, rule->by) != 0 ||
		lifecycle_check_name(reader, node, sums, rule->stream.count) != 0 ||
		lifecycle_check_name(reader, node, sums, rule->stream.bytes) != 0)
		return -1;
	return lifecycle_check_name(reader, node, sums, rule->stream.first);
}

static int lifecycle_check_type_sums(struct reader *reader, const struct file_node *node,
	const struct lifecycle_span *span, struct lifecycle_check_sums *sums)
{
	size_t i;

	for (i = 0; i < span->key_count; i++)
		if (lifecycle_check_name(reader, node, sums, span->key[i].attribute) != 0)
			return -1;
	for (i = 0; i < span->inherit_count; i++)
		if (lifecycle_check_name(reader, node, sums, span->inherit[i]) != 0)
			return -1;
	for (i = 0; i < span->default_count; i++)
		if (lifecycle_check_name(reader, node, sums, span->defaults[i].attribute) != 0)
			return -1;
	for (i = 0; i < span->add_count; i++)
		if (lifecycle_check_name(reader, node, sums, span->adds[i].attribute) != 0)
			return -1;
	return 0;
}

/* ---- types ---- */

/* What is below a type: how many made ones, how many attributes they add to. */
static int lifecycle_check_below(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, size_t parent)
{
	struct lifecycle_check_texts sums = {.count = 0};
	size_t made = 0, i, j;

	for (i = 0; i < lifecycle->span_count; i++) {
		const struct lifecycle_span *span = &lifecycle->spans[i];

		if (!lifecycle_is_below(lifecycle, i, parent))
			continue;
		if (span->of_connection != lifecycle->spans[parent].of_connection)
			return reader_fail(
				reader, node, "must have the scope of \"%s\" below it", span->name);
		made += span->is_made;
		for (j = 0; j < span->add_count; j++)
			if (!lifecycle_check_text(
				    &sums, span->adds[j].attribute, LIFECYCLE_SUMS_MAX))
				return reader_fail(reader, node,
					"spans below it add to more than %d attributes",
					LIFECYCLE_SUMS_MAX);
	}
	if (made <= LIFECYCLE_MADE_MAX)
		return 0;
	return reader_fail(reader, node, "%zu types are made below it; must be at most %d", made,
		LIFECYCLE_MADE_MAX);
}

/* A span that nothing opens is a mistake in the rules, and one that adds to nothing. */
static int lifecycle_check_type(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, size_t type)
{
	const struct lifecycle_span *span = &lifecycle->spans[type];
	size_t i;

	for (i = 0; i < lifecycle->rule_count; i++)
		if (lifecycle->rules[i].span == type &&
			lifecycle->rules[i].action ==
				(span->is_made ? LIFECYCLE_MAKE : LIFECYCLE_OPEN))
			break;
	if (i == lifecycle->rule_count && span->requests == NULL)
		return reader_fail(reader, node, "no rule %s it; must have one with \"do\": \"%s\"",
			span->is_made ? "makes" : "opens", span->is_made ? "make" : "open");
	if (span->add_count > 0 && lifecycle_check_parent(lifecycle, type) == NULL)
		return reader_fail(reader, file_member(node, "adds"),
			"it hangs below no other; must have a key that begins with that of one");
	return lifecycle_check_below(reader, node, lifecycle, type);
}

static int lifecycle_check_types(
	struct reader *reader, const struct file_node *spans, const struct lifecycle *lifecycle)
{
	const struct file_node *node = spans == NULL ? NULL : spans->child;
	size_t type;

	for (; node != NULL; node = node->next) {
		for (type = 0; strcmp(lifecycle->spans[type].name, node->key) != 0 ||
			       lifecycle->spans[type].is_memory;
			type++)
			; /* it is there */
		reader_enter(reader, node, "span \"%s\": ", node->key);
		if (lifecycle_check_type(reader, node, lifecycle, type) != 0)
			return -1;
	}
	reader_leave(reader);
	return 0;
}

/* ---- all of it ---- */

static int lifecycle_check_rule(struct reader *reader, const struct file_node *node,
	const struct lifecycle *lifecycle, struct lifecycle_rule *rule)
{
	lifecycle_rule_enter(reader, node);
	if (lifecycle_check_memory(reader, node, lifecycle, rule) != 0 ||
		lifecycle_check_streams(reader, node, lifecycle, rule) != 0)
		return -1;
	if (rule->span == LIFECYCLE_REQUEST || lifecycle->spans[rule->span].is_memory)
		return 0;
	if (lifecycle_check_kind(reader, node, lifecycle, rule) != 0 ||
		lifecycle_check_call(reader, node, lifecycle, rule) != 0 ||
		lifecycle_check_nested(reader, node, lifecycle, rule) != 0 ||
		lifecycle_check_alias(reader, node, lifecycle, rule) != 0)
		return -1;
	return lifecycle_check_marks(reader, node, lifecycle, rule);
}

/* Each rule with its node: first the rule and its span, then with the others. */
static int lifecycle_check_rules(
	struct reader *reader, const struct file_node *rules, struct lifecycle *lifecycle)
{
	struct lifecycle_check_sums sums = {.attributes = {.count = 0}};
	const struct file_node *node;
	struct lifecycle_rule *rule;
	size_t i;

	for (i = 0; i < lifecycle->span_count; i++)
		if (lifecycle_check_type_sums(reader, rules, &lifecycle->spans[i], &sums) != 0)
			return -1;
	rule = lifecycle->rules;
	for (node = rules->child; node != NULL; node = node->next, rule++)
		if (lifecycle_rule_check(reader, node, rule, lifecycle) != 0 ||
			lifecycle_check_rule_sums(reader, node, rule, &sums) != 0)
			return -1;
	rule = lifecycle->rules;
	for (node = rules->child; node != NULL; node = node->next, rule++)
		if (lifecycle_check_rule(reader, node, lifecycle, rule) != 0)
			return -1;
	reader_leave(reader);
	if (lifecycle_contents_count(lifecycle) <= LIFECYCLE_CONTENTS_MAX)
		return 0;
	return reader_fail(reader, rules, "%zu values are contents; must be %d at most",
		lifecycle_contents_count(lifecycle), LIFECYCLE_CONTENTS_MAX);
}

int lifecycle_check(
	struct reader *reader, const struct file_node *node, struct lifecycle *lifecycle)
{
	const struct file_node *rules = file_member(node, "rules");

	assert(lifecycle->span_count <= LIFECYCLE_SPANS_MAX &&
		lifecycle->rule_count <= LIFECYCLE_RULES_MAX);
	if (lifecycle->dispatch_name == NULL && rules == NULL)
		return reader_fail(reader, node, "must have a dispatch or rules");
	if (rules != NULL && lifecycle_check_rules(reader, rules, lifecycle) != 0)
		return -1;
	return lifecycle_check_types(reader, file_member(node, "spans"), lifecycle);
}

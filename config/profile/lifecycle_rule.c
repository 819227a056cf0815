/*
 * Rules of lifecycles: first each member by itself, then what must hold between the members of one
 * rule and with the span it names. What depends on what a rule does is in two tables.
 */
#include "config/profile/lifecycle_rule.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "config/profile/lifecycle.h"
#include "config/profile/operand.h"
#include "config/value.h"

#define LIFECYCLE_RULE_WORDS_SIZE 160

static const char *const lifecycle_rule_ons[] = {
	[LIFECYCLE_ON_REQUEST] = "request",
	[LIFECYCLE_ON_REPLY] = "reply",
	[LIFECYCLE_ON_ERROR] = "error",
	[LIFECYCLE_ON_CLIENT_NOTIFICATION] = "client_notification",
	[LIFECYCLE_ON_NOTIFICATION] = "notification",
	[LIFECYCLE_ON_SERVER_REQUEST] = "server_request",
	[LIFECYCLE_ON_CLIENT_REPLY] = "client_reply",
	NULL,
};

static const char *const lifecycle_rule_dos[] = {
	[LIFECYCLE_CLAIM] = "claim",
	[LIFECYCLE_OPEN] = "open",
	[LIFECYCLE_CLOSE] = "close",
	[LIFECYCLE_LAPSE] = "lapse",
	[LIFECYCLE_WAKE] = "wake",
	[LIFECYCLE_ANNOTATE] = "annotate",
	[LIFECYCLE_EVENT] = "event",
	[LIFECYCLE_COUNT] = "count",
	[LIFECYCLE_REMEMBER] = "remember",
	[LIFECYCLE_MARK] = "mark",
	[LIFECYCLE_MAKE] = "make",
	[LIFECYCLE_LINK] = "link",
	[LIFECYCLE_STAY] = "stay",
	NULL,
};

#define LIFECYCLE_BIT(constant) (1u << LIFECYCLE_##constant)
#define LIFECYCLE_RULE_ALL      ((1u << (LIFECYCLE_STAY + 1)) - 1)

/* Members that only some actions take, and the actions that need them. */
static const struct {
	const char *member;
	unsigned takes;
	unsigned needs;
} lifecycle_rule_uses[] = {
	{"span", LIFECYCLE_RULE_ALL & ~LIFECYCLE_BIT(REMEMBER),
		LIFECYCLE_RULE_ALL & ~LIFECYCLE_BIT(REMEMBER)},
	{"memory", LIFECYCLE_BIT(REMEMBER), LIFECYCLE_BIT(REMEMBER)},
	{"root", LIFECYCLE_BIT(OPEN), 0},
	{"request_id",
		LIFECYCLE_BIT(CLOSE) | LIFECYCLE_BIT(ANNOTATE) | LIFECYCLE_BIT(EVENT) |
			LIFECYCLE_BIT(COUNT),
		0},
	{"all", LIFECYCLE_BIT(CLOSE), 0},
	{"by", LIFECYCLE_BIT(LINK), LIFECYCLE_BIT(LINK)},
	{"event", LIFECYCLE_BIT(EVENT), LIFECYCLE_BIT(EVENT)},
	{"until", LIFECYCLE_BIT(CLAIM), 0},
	{"joins", LIFECYCLE_BIT(CLAIM), 0},
	{"alias", LIFECYCLE_BIT(CLAIM), 0},
	{"set",
		LIFECYCLE_BIT(CLAIM) | LIFECYCLE_BIT(OPEN) | LIFECYCLE_BIT(CLOSE) |
			LIFECYCLE_BIT(ANNOTATE) | LIFECYCLE_BIT(EVENT) | LIFECYCLE_BIT(REMEMBER) |
			LIFECYCLE_BIT(MARK) | LIFECYCLE_BIT(MAKE),
		LIFECYCLE_BIT(REMEMBER)},
	{"set_new", LIFECYCLE_BIT(OPEN), 0},
	{"status", LIFECYCLE_BIT(CLOSE) | LIFECYCLE_BIT(ANNOTATE) | LIFECYCLE_BIT(MAKE), 0},
	{"at",
		LIFECYCLE_BIT(OPEN) | LIFECYCLE_BIT(CLOSE) | LIFECYCLE_BIT(EVENT) |
			LIFECYCLE_BIT(MARK),
		0},
	{"mark", LIFECYCLE_BIT(MARK), LIFECYCLE_BIT(MARK)},
	{"keep", LIFECYCLE_BIT(MARK), 0},
	{"former_until", LIFECYCLE_BIT(MARK), 0},
	{"from", LIFECYCLE_BIT(MAKE), LIFECYCLE_BIT(MAKE)},
	{"to", LIFECYCLE_BIT(MAKE), LIFECYCLE_BIT(MAKE)},
	{"needs", LIFECYCLE_BIT(MAKE), 0},
	{"at_end", LIFECYCLE_BIT(MAKE), 0},
	{"count", LIFECYCLE_BIT(COUNT), 0},
	{"bytes", LIFECYCLE_BIT(COUNT), 0},
	{"of", LIFECYCLE_BIT(COUNT), 0},
	{"first", LIFECYCLE_BIT(COUNT), 0},
};

static const char *const lifecycle_rule_untils[] = {"reply", "open", NULL};

static int lifecycle_rule_take_methods(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_rule *rule = target;

	return reader_take_methods(
		reader, node, &rule->methods, &rule->method_count, LIFECYCLE_METHODS_MAX);
}

static const char *const lifecycle_rule_keeps[] = {"last", "first", NULL};

static int lifecycle_rule_take_from(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_rule *rule = target;

	return reader_take_texts_or_one(
		reader, node, &rule->from, &rule->from_count, LIFECYCLE_MOMENTS_MAX);
}

static int lifecycle_rule_take_to(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_rule *rule = target;

	return reader_take_texts_or_one(
		reader, node, &rule->to, &rule->to_count, LIFECYCLE_MOMENTS_MAX);
}

static int lifecycle_rule_take_former_until(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_rule *rule = target;

	return reader_take_texts_or_one(reader, node, &rule->former_until,
		&rule->former_until_count, LIFECYCLE_MOMENTS_MAX);
}

/* A pointer, or an object with one and what is set on a span that opens below it. */
static int lifecycle_rule_take_root(
	struct reader *reader, const struct file_node *node, void *target)
{
	static const struct reader_member members[] = {
		{"pointer", READER_FIELD(struct lifecycle_rule, root, reader_take_pointer)},
		{"set", READER_FIELD(struct lifecycle_rule, set_root, operand_take_set)},
		READER_END,
	};
	struct lifecycle_rule *rule = target;

	if (node->type != FILE_OBJECT)
		return reader_take_pointer(reader, node, &rule->root);
	if (reader_take_members(reader, node, members, rule) != 0)
		return -1;
	return rule->root != NULL ? 0 : reader_fail(reader, node, "must have a pointer");
}

static int lifecycle_rule_take_when(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_rule *rule = target;

	rule->conditions = reader_new_items(reader, node, FILE_OBJECT, LIFECYCLE_CONDITIONS_MAX,
		sizeof *rule->conditions, &rule->condition_count);
	if (rule->conditions == NULL)
		return -1;
	return reader_take_items(
		reader, node, operand_take_condition, rule->conditions, sizeof *rule->conditions);
}

static int lifecycle_rule_take_part(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_part *part = target;

	if (node->key != NULL && reader_take_key(reader, node, &part->attribute) != 0)
		return -1;
	return reader_take_pointer(reader, node, &part->pointer);
}

/* A list of pointers, or an object of attributes and pointers. */
static int lifecycle_rule_take_key(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_rule *rule = target;
	enum file_type type = node->type == FILE_OBJECT ? FILE_OBJECT : FILE_ARRAY;

	rule->key = reader_new_items(
		reader, node, type, LIFECYCLE_KEY_MAX, sizeof *rule->key, &rule->key_count);
	if (rule->key == NULL)
		return -1;
	return reader_take_items(
		reader, node, lifecycle_rule_take_part, rule->key, sizeof *rule->key);
}

/* The span is looked up when all are known. */
static int lifecycle_rule_expect_text(
	struct reader *reader, const struct file_node *node, void *target)
{
	(void)target;
	return reader_expect(reader, node, FILE_STRING);
}

static const struct reader_member lifecycle_rule_members[] = {
	{"name", READER_FIELD(struct lifecycle_rule, name, reader_take_text)},
	{"on", READER_WORD(struct lifecycle_rule, on, lifecycle_rule_ons)},
	{"methods", READER_WHOLE(lifecycle_rule_take_methods)},
	{"when", READER_WHOLE(lifecycle_rule_take_when)},
	{"unless", READER_FIELD(struct lifecycle_rule, unless, reader_take_word)},
	{"do", READER_WORD(struct lifecycle_rule, action, lifecycle_rule_dos)},
	{"span", READER_WHOLE(lifecycle_rule_expect_text)},
	{"key", READER_WHOLE(lifecycle_rule_take_key)},
	{"memory", READER_WHOLE(lifecycle_rule_expect_text)},
	{"root", READER_WHOLE(lifecycle_rule_take_root)},
	{"request_id", READER_FIELD(struct lifecycle_rule, request_id, reader_take_pointer)},
	{"all", READER_FIELD(struct lifecycle_rule, all, reader_take_bool)},
	{"by", READER_FIELD(struct lifecycle_rule, by, reader_take_pointer)},
	{"event", READER_FIELD(struct lifecycle_rule, event, reader_take_text)},
	{"until", READER_WORD(struct lifecycle_rule, until_open, lifecycle_rule_untils)},
	{"joins", READER_FIELD(struct lifecycle_rule, joins, reader_take_bool)},
	{"alias", READER_FIELD(struct lifecycle_rule, alias, reader_take_bool)},
	{"at", READER_FIELD(struct lifecycle_rule, at, operand_take_time)},
	{"set", READER_FIELD(struct lifecycle_rule, set, operand_take_set)},
	{"set_new", READER_FIELD(struct lifecycle_rule, set_new, operand_take_set)},
	{"mark", READER_FIELD(struct lifecycle_rule, mark, reader_take_text)},
	{"keep", READER_WORD(struct lifecycle_rule, mark_first, lifecycle_rule_keeps)},
	{"from", READER_WHOLE(lifecycle_rule_take_from)},
	{"to", READER_WHOLE(lifecycle_rule_take_to)},
	{"former_until", READER_WHOLE(lifecycle_rule_take_former_until)},
	{"needs", READER_FIELD(struct lifecycle_rule, needs, reader_take_text)},
	{"at_end", READER_FIELD(struct lifecycle_rule, at_end, reader_take_bool)},
	{"status", READER_FIELD(struct lifecycle_rule, status, operand_take_status)},
	{"count", READER_FIELD(struct lifecycle_rule, stream.count, reader_take_text)},
	{"bytes", READER_FIELD(struct lifecycle_rule, stream.bytes, reader_take_text)},
	{"of", READER_FIELD(struct lifecycle_rule, stream.of, reader_take_pointer)},
	{"first", READER_FIELD(struct lifecycle_rule, stream.first, reader_take_text)},
	READER_END,
};

/* Counted from 1. */
static size_t lifecycle_rule_place(const struct file_node *node)
{
	const struct file_node *other;
	size_t place = 1;

	for (other = node->parent->child; other != node; other = other->next)
		place++;
	return place;
}

/* Writes "a, b": the words of the bits. */
static void lifecycle_rule_list(unsigned bits, const char *const *words, char *text, size_t size)
{
	size_t used = 0;
	size_t i;

	text[0] = '\0';
	for (i = 0; words[i] != NULL && used < size; i++)
		if ((bits & 1u << i) != 0)
			used += (size_t)snprintf(
				text + used, size - used, "%s%s", used == 0 ? "" : ", ", words[i]);
}

static int lifecycle_rule_check_needs(struct reader *reader, const struct file_node *node)
{
	if (file_member(node, "on") != NULL && file_member(node, "do") != NULL)
		return 0;
	return reader_fail(reader, node, "must have on and do");
}

static int lifecycle_rule_check_do(
	struct reader *reader, const struct file_node *node, const struct lifecycle_rule *rule)
{
	if (rule->action != LIFECYCLE_CLAIM || rule->on == LIFECYCLE_ON_REQUEST)
		return 0;
	return reader_fail(reader, file_member(node, "do"),
		"\"claim\": must stand with \"on\": \"request\", it is requests that claim");
}

/* The members that other actions take are not there, and what this one needs is. */
static int lifecycle_rule_check_uses(
	struct reader *reader, const struct file_node *node, const struct lifecycle_rule *rule)
{
	const unsigned bit = 1u << rule->action;
	const struct file_node *member;
	char right[LIFECYCLE_RULE_WORDS_SIZE];
	size_t i;

	for (i = 0; i < sizeof lifecycle_rule_uses / sizeof *lifecycle_rule_uses; i++) {
		member = file_member(node, lifecycle_rule_uses[i].member);
		if (member == NULL && (lifecycle_rule_uses[i].needs & bit) != 0)
			return reader_fail(reader, node, "must have %s, as it is to %s",
				lifecycle_rule_uses[i].member, lifecycle_rule_dos[rule->action]);
		if (member == NULL || (lifecycle_rule_uses[i].takes & bit) != 0)
			continue;
		lifecycle_rule_list(
			lifecycle_rule_uses[i].takes, lifecycle_rule_dos, right, sizeof right);
		return reader_fail(reader, member,
			"must not stand with \"do\": \"%s\", only with %s",
			lifecycle_rule_dos[rule->action], right);
	}
	return 0;
}

static void lifecycle_rule_free_key(struct lifecycle_part *key, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		free(key[i].attribute);
		free(key[i].pointer);
	}
	free(key);
}

/* Looks up the span, or the memory, by its name. */
static int lifecycle_rule_find_span(struct reader *reader, const struct file_node *node,
	struct lifecycle_rule *rule, const struct lifecycle *lifecycle)
{
	bool memory = rule->action == LIFECYCLE_REMEMBER;
	const struct file_node *member = file_member(node, memory ? "memory" : "span");
	char quote[VALUE_QUOTE_SIZE];

	rule->memory = LIFECYCLE_NO_MEMORY;
	rule->span = LIFECYCLE_REQUEST;
	if (!memory && strcmp(member->text, "request") == 0)
		return 0;
	for (rule->span = 0; rule->span < lifecycle->span_count; rule->span++)
		if (lifecycle->spans[rule->span].is_memory == memory &&
			strcmp(lifecycle->spans[rule->span].name, member->text) == 0)
			return 0;
	return reader_fail(reader, member, "%s: must be one that stands in %s%s",
		value_quote(quote, member->text), memory ? "memories" : "spans",
		memory ? "" : ", or request");
}

/* How many parts of a span's key the rule must have at least. */
static size_t lifecycle_rule_parts_min(
	const struct lifecycle_rule *rule, const struct lifecycle_span *span)
{
	switch (rule->action) {
	case LIFECYCLE_CLAIM:
	case LIFECYCLE_STAY:
		return 0;
	case LIFECYCLE_CLOSE:
	case LIFECYCLE_LAPSE:
	case LIFECYCLE_WAKE:
		return span->key_count > 0;
	case LIFECYCLE_OPEN:
	case LIFECYCLE_ANNOTATE:
	case LIFECYCLE_EVENT:
	case LIFECYCLE_COUNT:
	case LIFECYCLE_REMEMBER:
	case LIFECYCLE_MARK:
	case LIFECYCLE_MAKE:
	case LIFECYCLE_LINK:
		break;
	}
	return span->key_count;
}

/* The place of a part in the span's key; key_count: it has none of that name. */
static size_t lifecycle_rule_find_part(const struct lifecycle_span *span, const char *attribute)
{
	size_t i;

	for (i = 0; i < span->key_count; i++)
		if (strcmp(span->key[i].attribute, attribute) == 0)
			break;
	return i;
}

/* Puts the pointers of a key in the order of the span's key, with those that stand there. */
static int lifecycle_rule_complete_key(struct reader *reader, const struct file_node *node,
	struct lifecycle_rule *rule, const struct lifecycle_span *span)
{
	struct lifecycle_part *own = rule->key;
	size_t own_count = rule->key_count, i, place;
	int result = 0;

	rule->key = calloc(span->key_count + 1, sizeof *rule->key);
	rule->key_count = rule->key == NULL ? 0 : span->key_count;
	for (i = 0; rule->key != NULL && i < own_count && result == 0; i++) {
		place = lifecycle_rule_find_part(span, own[i].attribute);
		if (place == span->key_count)
			result = reader_fail(reader, file_member(node, "key"),
				"\"%s\": must be a part of the key of span \"%s\"",
				own[i].attribute, span->name);
		else {
			rule->key[place] = own[i];
			own[i] = (struct lifecycle_part){.attribute = NULL};
		}
	}
	lifecycle_rule_free_key(own, own_count);
	if (rule->key == NULL)
		return reader_fail_memory(reader, node);
	for (i = 0; i < rule->key_count && result == 0; i++) {
		if (rule->key[i].pointer != NULL)
			continue;
		if (span->key[i].pointer == NULL)
			return reader_fail(reader, node,
				"the key has no pointer for \"%s\"; must have one, here or at span "
				"\"%s\"",
				span->key[i].attribute, span->name);
		rule->key[i].pointer = strdup(span->key[i].pointer);
		if (rule->key[i].pointer == NULL)
			return reader_fail_memory(reader, node);
	}
	return result;
}

/* A request is found by one attribute, and only where the message is not itself or its answer. */
static int lifecycle_rule_check_request(
	struct reader *reader, const struct file_node *node, const struct lifecycle_rule *rule)
{
	const struct file_node *key = file_member(node, "key");
	bool itself = rule->on == LIFECYCLE_ON_REQUEST || rule->on == LIFECYCLE_ON_REPLY ||
		      rule->on == LIFECYCLE_ON_ERROR;
	unsigned may = LIFECYCLE_BIT(CLOSE) | LIFECYCLE_BIT(ANNOTATE) | LIFECYCLE_BIT(EVENT) |
		       LIFECYCLE_BIT(COUNT) | LIFECYCLE_BIT(LINK);

	if (rule->action == LIFECYCLE_LINK && (!itself || key != NULL))
		return reader_fail(reader, file_member(node, "do"),
			"\"link\": must be on request, reply or error, and without a key");

	if ((may & 1u << rule->action) == 0 || (itself && rule->action == LIFECYCLE_CLOSE &&
						       key == NULL && rule->request_id == NULL))
		return reader_fail(reader, file_member(node, "do"),
			"a request opens and ends by itself; must be annotate, event, count, "
			"link, or, of another request, close");
	if (key != NULL && (key->type != FILE_OBJECT || rule->key_count != 1))
		return reader_fail(reader, key,
			"must be {ATTRIBUTE: POINTER}, an attribute that is captured from "
			"requests");
	if (key != NULL && rule->request_id != NULL)
		return reader_fail(reader, key, "must not stand with request_id");
	if (key == NULL && rule->request_id == NULL && !itself)
		return reader_fail(reader, node,
			"must have a key or a request_id, which tell of which request");
	return 0;
}

static int lifecycle_rule_check_key(struct reader *reader, const struct file_node *node,
	struct lifecycle_rule *rule, const struct lifecycle_span *span)
{
	const struct file_node *key = file_member(node, "key");
	size_t least = lifecycle_rule_parts_min(rule, span);

	if (rule->all && (key != NULL || !span->of_connection || span->requests != NULL))
		return reader_fail(reader, file_member(node, "all"),
			"must stand with a span that has \"scope\": \"connection\", and without a "
			"key");
	if (rule->request_id != NULL || rule->all)
		return 0;
	if (key == NULL ? rule->action != LIFECYCLE_CLAIM && span->key_count > 0 &&
				  span->key[0].pointer != NULL
			: key->type == FILE_OBJECT)
		return lifecycle_rule_complete_key(reader, node, rule, span);
	if (key == NULL && rule->on == LIFECYCLE_ON_CLIENT_REPLY)
		return 0; /* it may be about the request that is answered: lifecycle_check.c */
	if (rule->key_count >= least && rule->key_count <= span->key_count)
		return 0;
	return reader_fail(reader, key == NULL ? node : key,
		"%shas %zu pointer%s; must have %s%zu, as the key of span \"%s\"",
		key == NULL ? "the key " : "", rule->key_count, rule->key_count == 1 ? "" : "s",
		least < span->key_count ? "1 to " : "", span->key_count, span->name);
}

static int lifecycle_rule_check_stream(
	struct reader *reader, const struct file_node *node, const struct lifecycle_rule *rule)
{
	const struct lifecycle_stream *stream = &rule->stream;

	if (rule->action != LIFECYCLE_COUNT)
		return 0;
	if (stream->count == NULL && stream->bytes == NULL && stream->first == NULL)
		return reader_fail(
			reader, node, "must have count, bytes or first, as it is to count");
	if ((stream->bytes == NULL) != (stream->of == NULL))
		return reader_fail(reader, file_member(node, stream->of == NULL ? "bytes" : "of"),
			"must stand with %s", stream->of == NULL ? "of" : "bytes");
	return 0;
}

/* An event has little room, and nothing that a sum could be added to. */
static int lifecycle_rule_check_event(
	struct reader *reader, const struct file_node *node, const struct lifecycle_rule *rule)
{
	size_t i;

	if (rule->action != LIFECYCLE_EVENT)
		return 0;
	if (rule->set.count > LIFECYCLE_EVENT_SETTINGS_MAX)
		return reader_fail(reader, file_member(node, "set"),
			"has %zu members; must have, in an event, 1 to %d", rule->set.count,
			LIFECYCLE_EVENT_SETTINGS_MAX);
	for (i = 0; i < rule->set.count; i++)
		if (lifecycle_source_sums(&rule->set.list[i].source))
			return reader_fail(reader, file_member(node, "set"),
				"\"%s\" must not take a sum, an event has nothing to add to",
				rule->set.list[i].attribute);
	return 0;
}

static int lifecycle_rule_check_others(
	struct reader *reader, const struct file_node *node, const struct lifecycle_rule *rule)
{
	if (rule->action == LIFECYCLE_ANNOTATE && rule->set.count == 0 &&
		file_member(node, "status") == NULL)
		return reader_fail(reader, node, "must have set or status, as it is to annotate");
	if (rule->on == LIFECYCLE_ON_CLIENT_REPLY && rule->request_id != NULL)
		return reader_fail(reader, file_member(node, "request_id"),
			"must not stand with client_reply, which is an answer to it");
	if (rule->key_count == 0 && rule->joins)
		return reader_fail(reader, file_member(node, "joins"),
			"must stand with a key, which tells what is joined");
	if (rule->key_count == 0 && rule->action == LIFECYCLE_CLAIM && rule->until_open)
		return reader_fail(reader, file_member(node, "until"),
			"must be reply: without a key nothing tells later whose the span is");
	if (lifecycle_rule_check_stream(reader, node, rule) != 0)
		return -1;
	return lifecycle_rule_check_event(reader, node, rule);
}

/* Its place stands for the name of a rule that has none. */
static int lifecycle_rule_name(
	struct reader *reader, const struct file_node *node, struct lifecycle_rule *rule)
{
	char name[32];

	(void)snprintf(name, sizeof name, "rule %zu", lifecycle_rule_place(node));
	rule->name = strdup(name);
	return rule->name == NULL ? reader_fail_memory(reader, node) : 0;
}

void lifecycle_rule_enter(struct reader *reader, const struct file_node *node)
{
	const struct file_node *name = node->type == FILE_OBJECT ? file_member(node, "name") : NULL;
	char quote[VALUE_QUOTE_SIZE];

	if (name != NULL && name->type == FILE_STRING)
		reader_enter(reader, node, "rule %s: ", value_quote(quote, name->text));
	else
		reader_enter(reader, node, "rule %zu: ", lifecycle_rule_place(node));
}

int lifecycle_rule_take(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_rule *rule = target;

	lifecycle_rule_enter(reader, node);
	if (reader_take_members(reader, node, lifecycle_rule_members, rule) != 0)
		return -1;
	return rule->name == NULL ? lifecycle_rule_name(reader, node, rule) : 0;
}

int lifecycle_rule_check(struct reader *reader, const struct file_node *node,
	struct lifecycle_rule *rule, const struct lifecycle *lifecycle)
{
	assert(rule->key_count <= LIFECYCLE_KEY_MAX);
	lifecycle_rule_enter(reader, node);
	if (lifecycle_rule_check_needs(reader, node) != 0 ||
		lifecycle_rule_check_do(reader, node, rule) != 0 ||
		lifecycle_rule_check_uses(reader, node, rule) != 0 ||
		lifecycle_rule_find_span(reader, node, rule, lifecycle) != 0)
		return -1;
	if (rule->span == LIFECYCLE_REQUEST ? lifecycle_rule_check_request(reader, node, rule) != 0
					    : lifecycle_rule_check_key(reader, node, rule,
						      &lifecycle->spans[rule->span]) != 0)
		return -1;
	return lifecycle_rule_check_others(reader, node, rule);
}

void lifecycle_rule_done(struct lifecycle_rule *rule)
{
	size_t i;

	for (i = 0; i < rule->condition_count; i++)
		operand_done_condition(&rule->conditions[i]);
	operand_done_set(&rule->set);
	operand_done_set(&rule->set_new);
	operand_done_set(&rule->set_root);
	reader_free_texts(rule->methods, rule->method_count);
	reader_free_texts(rule->from, rule->from_count);
	reader_free_texts(rule->to, rule->to_count);
	reader_free_texts(rule->former_until, rule->former_until_count);
	lifecycle_rule_free_key(rule->key, rule->key_count);
	operand_done_status(&rule->status);
	free(rule->conditions);
	free(rule->at.pointer);
	free(rule->unless);
	free(rule->mark);
	free(rule->needs);
	free(rule->name);
	free(rule->root);
	free(rule->request_id);
	free(rule->by);
	free(rule->event);
	free(rule->stream.count);
	free(rule->stream.bytes);
	free(rule->stream.of);
	free(rule->stream.first);
}

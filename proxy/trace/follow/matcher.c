/*
 * Rules made ready, and what they find in a message. Built in the order: attributes and key names
 * of the span types, rules (pointers become slots), methods, parents. All of it fails
 * with a text, at start; looking at a message cannot fail.
 */
#include "proxy/trace/follow/matcher.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/names/text.h"

struct matcher_build {
	struct matcher *matcher;
	struct methods *methods;
	struct pointers *pointers;
	char *error;
	size_t error_size;
};

/* ---- building ---- */

static int matcher_no_memory(struct matcher_build *build)
{
	(void)snprintf(build->error, build->error_size, "out of memory");
	return -1;
}

/* The number of an attribute's name; NULL has MATCHER_NONE. */
static int matcher_attribute(struct matcher_build *build, const char *name, uint8_t *number)
{
	struct matcher *matcher = build->matcher;
	size_t i;

	*number = MATCHER_NONE;
	if (name == NULL)
		return 0;
	for (i = 0; i < matcher->attribute_count; i++)
		if (strcmp(matcher->attributes[i], name) == 0)
			break;
	if (i == MATCHER_ATTRIBUTES_MAX) {
		(void)snprintf(build->error, build->error_size,
			"attribute %s: the lifecycle of a profile has at most %d", name,
			MATCHER_ATTRIBUTES_MAX);
		return -1;
	}
	if (i == matcher->attribute_count)
		matcher->attributes[matcher->attribute_count++] = name;
	*number = (uint8_t)i;
	return 0;
}

/* The slot of a pointer; NULL has -1. */
static int matcher_slot(
	struct matcher_build *build, const char *pointer, size_t bytes_max, int *slot)
{
	*slot = -1;
	if (pointer == NULL)
		return 0;
	*slot = pointers_add(build->pointers, pointer, bytes_max);
	if (*slot >= 0)
		return 0;
	(void)snprintf(build->error, build->error_size,
		"%s: not a JSON pointer, over %d levels deep, or one of over %d", pointer,
		POINTERS_DEPTH_MAX, POINTERS_SLOTS_MAX);
	return -1;
}

static int matcher_add_source(struct matcher_build *build, const struct lifecycle_source *from,
	struct matcher_source *source)
{
	size_t i;

	source->choices = calloc(from->choice_count + 1, sizeof *source->choices);
	if (source->choices == NULL)
		return matcher_no_memory(build);
	source->count = from->choice_count;
	for (i = 0; i < from->choice_count; i++) {
		const struct lifecycle_choice *choice = &from->choices[i];

		source->choices[i].take = choice->take;
		if (choice->text != NULL)
			source->choices[i].text = span_text_of(choice->text);
		if (matcher_slot(build, choice->pointer, MATCHER_VALUE_MAX,
			    &source->choices[i].slot) != 0)
			return -1;
	}
	return 0;
}

static int matcher_add_settings(struct matcher_build *build, struct matcher_rule *rule)
{
	const struct lifecycle_rule *row = rule->row;
	size_t i;

	rule->settings = calloc(row->setting_count + 1, sizeof *rule->settings);
	if (rule->settings == NULL)
		return matcher_no_memory(build);
	for (i = 0; i < row->setting_count; i++)
		if (matcher_attribute(
			    build, row->settings[i].attribute, &rule->settings[i].attribute) != 0 ||
			matcher_add_source(
				build, &row->settings[i].source, &rule->settings[i].source) != 0)
			return -1;
	return 0;
}

static int matcher_add_key(struct matcher_build *build, struct matcher_rule *rule)
{
	size_t i;

	for (i = 0; i < rule->row->key_count; i++)
		if (matcher_slot(build, rule->row->key[i], KEY_PART_MAX, &rule->key[i]) != 0)
			return -1;
	for (i = 0; i < rule->row->condition_count; i++)
		if (matcher_slot(build, rule->row->conditions[i].pointer, MATCHER_VALUE_MAX,
			    &rule->conditions[i]) != 0)
			return -1;
	return 0;
}

static int matcher_add_rule(
	struct matcher_build *build, struct matcher_rule *rule, const struct lifecycle_rule *row)
{
	const struct lifecycle_stream *stream = &row->stream;

	rule->row = row;
	if (matcher_add_key(build, rule) != 0 || matcher_add_settings(build, rule) != 0 ||
		matcher_slot(build, row->root, KEY_PART_MAX, &rule->root) != 0 ||
		matcher_slot(build, row->request_id, KEY_PART_MAX, &rule->request_id) != 0 ||
		matcher_slot(build, stream->of, 0, &rule->of) != 0 ||
		matcher_slot(build, row->status.pointer, MATCHER_VALUE_MAX, &rule->status) != 0 ||
		matcher_attribute(build, stream->count, &rule->count) != 0 ||
		matcher_attribute(build, stream->bytes, &rule->bytes) != 0 ||
		matcher_attribute(build, stream->first, &rule->first) != 0 ||
		matcher_add_source(build, &row->status.message, &rule->message) != 0)
		return -1;
	return matcher_add_source(build, &row->status.type, &rule->type);
}

static int matcher_add_rules(struct matcher_build *build)
{
	struct matcher *matcher = build->matcher;
	const struct lifecycle *lifecycle = matcher->lifecycle;
	size_t i;

	matcher->rules = calloc(lifecycle->rule_count + 1, sizeof *matcher->rules);
	if (matcher->rules == NULL)
		return matcher_no_memory(build);
	for (i = 0; i < lifecycle->rule_count; i++)
		if (matcher_add_rule(build, &matcher->rules[i], &lifecycle->rules[i]) != 0)
			return -1;
	return 0;
}

/* The attributes that spans of a type have from the start. */
static int matcher_add_span(struct matcher_build *build, size_t type)
{
	struct matcher *matcher = build->matcher;
	const struct lifecycle_span *row = &matcher->lifecycle->spans[type];
	size_t i;

	for (i = 0; i < row->key_count; i++)
		if (matcher_attribute(build, row->key[i], &matcher->key_attributes[type][i]) != 0)
			return -1;
	for (i = 0; i < row->default_count; i++)
		if (matcher_attribute(build, row->defaults[i].attribute,
			    &matcher->default_attributes[type][i]) != 0)
			return -1;
	return 0;
}

static int matcher_add_spans(struct matcher_build *build)
{
	size_t i;

	for (i = 0; i < build->matcher->lifecycle->span_count; i++)
		if (matcher_add_span(build, i) != 0)
			return -1;
	return 0;
}

/* ---- methods ---- */

static int matcher_number_methods(struct matcher_build *build)
{
	const struct lifecycle *lifecycle = build->matcher->lifecycle;
	size_t i, j;

	for (i = 0; i < lifecycle->operation_count; i++)
		if (methods_add(build->methods, lifecycle->operations[i].method) < 0)
			return matcher_no_memory(build);
	for (i = 0; i < lifecycle->rule_count; i++)
		for (j = 0; j < lifecycle->rules[i].method_count; j++)
			if (methods_add(build->methods, lifecycle->rules[i].methods[j]) < 0)
				return matcher_no_memory(build);
	return 0;
}

static struct matcher_method *matcher_enter(struct matcher_build *build, const char *text)
{
	struct span_text name = span_text_of(text);
	struct matcher_method *method =
		&build->matcher->methods[methods_find(build->methods, name)];

	method->name = name;
	return method;
}

static void matcher_enter_for(
	struct matcher_method *method, const struct lifecycle_rule *row, uint64_t bit)
{
	method->rules[row->on] |= bit;
	method->claims |= row->action == LIFECYCLE_CLAIM;
	method->claims_late |= row->action == LIFECYCLE_CLAIM && row->until_open;
}

static void matcher_enter_rule(struct matcher_build *build, size_t number)
{
	struct matcher *matcher = build->matcher;
	const struct lifecycle_rule *row = &matcher->lifecycle->rules[number];
	uint64_t bit = UINT64_C(1) << number;
	size_t i;

	for (i = 0; i < row->method_count; i++)
		matcher_enter_for(matcher_enter(build, row->methods[i]), row, bit);
	for (i = 0; row->method_count == 0 && i < matcher->method_count; i++)
		matcher_enter_for(&matcher->methods[i], row, bit);
}

static int matcher_add_methods(struct matcher_build *build)
{
	struct matcher *matcher = build->matcher;
	const struct lifecycle *lifecycle = matcher->lifecycle;
	size_t i;

	assert(lifecycle->rule_count <= 64); /* bits of a word */
	if (matcher_number_methods(build) != 0)
		return -1;
	matcher->method_count = (size_t)build->methods->count + 1;
	matcher->methods = calloc(matcher->method_count, sizeof *matcher->methods);
	if (matcher->methods == NULL)
		return matcher_no_memory(build);
	for (i = 0; i < lifecycle->operation_count; i++)
		matcher_enter(build, lifecycle->operations[i].method)->operation =
			span_text_of(lifecycle->operations[i].operation);
	for (i = 0; i < lifecycle->rule_count; i++)
		matcher_enter_rule(build, i);
	return 0;
}

/* ---- parents ---- */

/* Whether a span of type child can hang under one of type parent: whose key is part of its own. */
static bool matcher_is_below(const struct matcher *matcher, size_t child, size_t parent)
{
	const struct lifecycle_span *spans = matcher->lifecycle->spans;

	return parent != child && spans[parent].key_count > 0 &&
	       spans[parent].key_count <= spans[child].key_count &&
	       memcmp(matcher->key_attributes[parent], matcher->key_attributes[child],
		       spans[parent].key_count) == 0;
}

/* Whether spans of that type are requests of the server, which are known by their id. */
static bool matcher_is_call(const struct matcher *matcher, size_t type)
{
	const struct lifecycle_rule *rules = matcher->lifecycle->rules;
	size_t i;

	for (i = 0; i < matcher->lifecycle->rule_count; i++)
		if (rules[i].span == type && rules[i].action == LIFECYCLE_OPEN &&
			rules[i].on == LIFECYCLE_ON_SERVER_REQUEST)
			return true;
	return false;
}

static void matcher_add_parents(struct matcher *matcher, size_t child)
{
	const struct lifecycle_span *spans = matcher->lifecycle->spans;
	struct matcher_parents *parents = &matcher->parents[child];
	size_t longest = spans[child].key_count + matcher_is_call(matcher, child);
	size_t size, type;

	for (size = longest; size-- > 1;)
		for (type = 0; type < matcher->lifecycle->span_count; type++)
			if (spans[type].key_count == size && !matcher_is_call(matcher, type) &&
				matcher_is_below(matcher, child, type))
				parents->types[parents->count++] = (uint8_t)type;
}

int matcher_init(struct matcher *matcher, const struct lifecycle *lifecycle,
	struct methods *methods, struct pointers *pointers, char *error, size_t error_size)
{
	struct matcher_build build = {matcher, methods, pointers, error, error_size};
	size_t i;

	*matcher = (struct matcher){.lifecycle = lifecycle};
	if (matcher_add_spans(&build) != 0 || matcher_add_rules(&build) != 0 ||
		matcher_add_methods(&build) != 0)
		return -1;
	for (i = 0; i < lifecycle->span_count; i++)
		matcher_add_parents(matcher, i);
	return 0;
}

static void matcher_free_rule(struct matcher_rule *rule)
{
	size_t i;

	for (i = 0; rule->settings != NULL && i < rule->row->setting_count; i++)
		free(rule->settings[i].source.choices);
	free(rule->settings);
	free(rule->message.choices);
	free(rule->type.choices);
}

void matcher_done(struct matcher *matcher)
{
	size_t i;

	for (i = 0; matcher->rules != NULL && i < matcher->lifecycle->rule_count; i++)
		matcher_free_rule(&matcher->rules[i]);
	free(matcher->rules);
	free(matcher->methods);
	*matcher = (struct matcher){.lifecycle = NULL};
}

/* ---- looking at a message ---- */

static bool matcher_equals(struct span_text text, const char *other)
{
	return strlen(other) == text.size && memcmp(other, text.bytes, text.size) == 0;
}

static bool matcher_is_one_of(struct span_text text, char *const *texts, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (matcher_equals(text, texts[i]))
			return true;
	return false;
}

/* A value as a condition compares it: true and false are words. */
static struct span_text matcher_word(const struct envelope *envelope, int slot)
{
	const struct envelope_value *value = envelope_value(envelope, slot);

	if (value->type == JSON_TRUE || value->type == JSON_FALSE)
		return span_text_of(value->type == JSON_TRUE ? "true" : "false");
	return text_of_value(value);
}

bool matcher_holds(const struct matcher_rule *rule, const struct envelope *envelope)
{
	size_t i;

	for (i = 0; i < rule->row->condition_count; i++) {
		const struct lifecycle_condition *condition = &rule->row->conditions[i];
		int slot = rule->conditions[i];
		bool present = envelope_value(envelope, slot)->type > JSON_NULL;

		if (condition->text_count == 0 ? present != condition->present
					       : !matcher_is_one_of(matcher_word(envelope, slot),
							 condition->texts, condition->text_count))
			return false;
	}
	return true;
}

struct span_text matcher_text(const struct envelope *envelope, int slot)
{
	const struct envelope_value *value;

	if (slot < 0)
		return span_text_of("");
	value = envelope_value(envelope, slot);
	if ((value->type != JSON_STRING && value->type != JSON_NUMBER) || value->cut)
		return span_text_of("");
	return text_of_value(value);
}

bool matcher_key(const struct matcher_rule *rule, const struct envelope *envelope, struct key *key)
{
	size_t i;

	for (i = 0; i < rule->row->key_count; i++)
		if (!key_add(key, matcher_text(envelope, rule->key[i])))
			return false;
	return true;
}

enum span_status matcher_status(const struct matcher_rule *rule, const struct envelope *envelope)
{
	const struct lifecycle_status *status = &rule->row->status;
	struct span_text text;

	if (rule->status < 0)
		return SPAN_STATUS_UNSET;
	text = matcher_word(envelope, rule->status);
	if (matcher_is_one_of(text, status->error, status->error_count))
		return SPAN_STATUS_ERROR;
	return matcher_is_one_of(text, status->ok, status->ok_count) ? SPAN_STATUS_OK
								     : SPAN_STATUS_UNSET;
}

/* An integer of at most 18 digits, as JSON spells it. */
static bool matcher_integer(struct span_text text, int64_t *integer)
{
	bool negative = text.size > 0 && text.bytes[0] == '-';
	size_t i;

	if (text.size == negative || text.size > 18u + negative)
		return false;
	*integer = 0;
	for (i = negative; i < text.size; i++) {
		if (text.bytes[i] < '0' || text.bytes[i] > '9')
			return false;
		*integer = *integer * 10 + (text.bytes[i] - '0');
	}
	*integer = negative ? -*integer : *integer;
	return true;
}

/* Up to the first blank, and of that what follows the last slash: the command in a command line. */
static struct span_text matcher_first_word(struct span_text text, bool *cut)
{
	size_t from = 0, end;

	for (end = 0; end < text.size && text.bytes[end] != ' '; end++)
		if (text.bytes[end] == '/')
			from = end + 1;
	*cut = *cut && end == text.size;
	return (struct span_text){.bytes = text.bytes + from, .size = end - from};
}

static bool matcher_take_value(const struct matcher_choice *choice,
	const struct envelope_value *from, struct matcher_value *value)
{
	*value = (struct matcher_value){
		.type = SPAN_VALUE_STRING,
		.cut = from->cut,
		.text = text_of_value(from),
	};
	switch (from->type) {
	case JSON_STRING:
		if (choice->take == LIFECYCLE_TAKE_FIRST_WORD)
			value->text = matcher_first_word(value->text, &value->cut);
		return choice->take != LIFECYCLE_TAKE_SUM && value->text.size > 0;
	case JSON_NUMBER:
		if (!from->cut && matcher_integer(value->text, &value->integer))
			value->type = SPAN_VALUE_INT;
		value->sum = choice->take == LIFECYCLE_TAKE_SUM;
		return !value->sum || value->type == SPAN_VALUE_INT;
	case JSON_TRUE:
	case JSON_FALSE:
		value->type = SPAN_VALUE_BOOL;
		value->boolean = from->type == JSON_TRUE;
		return choice->take == LIFECYCLE_TAKE_ALL;
	case JSON_ABSENT:
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return false;
}

static bool matcher_choose(const struct matcher_choice *choice, const struct envelope *envelope,
	struct matcher_value *value)
{
	const struct envelope_value *from =
		choice->slot >= 0 ? envelope_value(envelope, choice->slot) : NULL;

	if (choice->text.bytes == NULL)
		return from != NULL && matcher_take_value(choice, from, value);
	*value = (struct matcher_value){.type = SPAN_VALUE_STRING, .text = choice->text};
	return from == NULL || from->type > JSON_NULL;
}

bool matcher_take(const struct matcher_source *source, const struct envelope *envelope,
	struct matcher_value *value)
{
	size_t i;

	for (i = 0; i < source->count; i++)
		if (matcher_choose(&source->choices[i], envelope, value))
			return true;
	return false;
}

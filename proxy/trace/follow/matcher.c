/*
 * Rules made ready. Built in the order: attributes and key names of the types of spans, rules
 * (pointers become slots), methods, what hangs below what. All of it fails with a text, at start.
 */
#include "proxy/trace/follow/matcher.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/value.h"
#include "proxy/trace/names/contents.h"
#include "proxy/trace/requests/capture.h"

struct matcher_build {
	struct matcher *matcher;
	const struct methods *methods;
	struct pointers *pointers;
	const struct captures *captures;
	struct contents *contents;        /* NULL: none are wanted */
	const char *on;                   /* words; NULL: none */
	const struct lifecycle_rule *row; /* whose pointers are added */
	bool hidden;                      /* what is there is contents */
	bool word;                        /* only the first word of what is there is read */
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
	if (build->hidden)
		*slot = pointers_add_hidden(build->pointers, pointer, bytes_max);
	else if (build->word)
		*slot = pointers_add_word(build->pointers, pointer, bytes_max);
	else
		*slot = pointers_add(build->pointers, pointer, bytes_max);
	if (*slot >= 0)
		return 0;
	(void)snprintf(build->error, build->error_size, "out of memory"); /* it was checked */
	return -1;
}

/* The slot of a rule's pointer; if it is into the request that is answered, its place there. */
static int matcher_look(
	struct matcher_build *build, const char *pointer, size_t bytes_max, int *slot)
{
	struct matcher *matcher = build->matcher;
	enum lifecycle_on on = build->row->on;
	size_t i;

	if (matcher_slot(build, pointer, bytes_max, slot) != 0)
		return -1;
	if (*slot < 0 || !lifecycle_quotes(pointer) ||
		(on != LIFECYCLE_ON_REPLY && on != LIFECYCLE_ON_ERROR &&
			on != LIFECYCLE_ON_CLIENT_REPLY))
		return 0;
	for (i = 0; i < matcher->quote_count && matcher->quotes[i] != *slot; i++)
		;
	assert(i < LIFECYCLE_QUOTES_MAX); /* lifecycle_check() */
	if (i == matcher->quote_count)
		matcher->quotes[matcher->quote_count++] = *slot;
	*slot = MATCHER_QUOTE + (int)i;
	return 0;
}

/* The number of the level in a slot. */
static uint8_t matcher_level(struct matcher_build *build, struct matcher_rule *rule, int slot)
{
	struct matcher *matcher = build->matcher;
	size_t i;

	for (i = 0; i < matcher->level_count && matcher->levels[i] != slot; i++)
		;
	assert(i < LIFECYCLE_LEVELS_MAX); /* lifecycle_check() */
	if (i == matcher->level_count)
		matcher->levels[matcher->level_count++] = slot;
	rule->levels |= UINT32_C(1) << i;
	return (uint8_t)i;
}

/* The number of a mark: the place of the first rule for that type of span that gives the name. */
static uint8_t matcher_mark(const struct matcher_build *build, size_t span, const char *name)
{
	const struct lifecycle *lifecycle = build->matcher->lifecycle;
	unsigned number = 0;
	size_t i;

	for (i = 0; i < lifecycle->rule_count; i++) {
		const struct lifecycle_rule *row = &lifecycle->rules[i];

		if (row->action != LIFECYCLE_MARK || row->span != span)
			continue;
		if (strcmp(row->mark, name) == 0)
			return (uint8_t)number;
		number++;
	}
	return MATCHER_NONE;
}

static struct matcher_when matcher_when(
	const struct matcher_build *build, size_t span, const char *name)
{
	static const size_t former = sizeof LIFECYCLE_MOMENT_FORMER - 1;

	if (strcmp(name, LIFECYCLE_MOMENT_START) == 0)
		return (struct matcher_when){.moment = MATCHER_MOMENT_START};
	if (strcmp(name, LIFECYCLE_MOMENT_NOW) == 0)
		return (struct matcher_when){.moment = MATCHER_MOMENT_NOW};
	if (strcmp(name, LIFECYCLE_MOMENT_FORMER_END) == 0)
		return (struct matcher_when){.moment = MATCHER_MOMENT_FORMER_END};
	if (strncmp(name, LIFECYCLE_MOMENT_FORMER, former) == 0)
		return (struct matcher_when){
			.moment = MATCHER_MOMENT_FORMER_MARK,
			.mark = matcher_mark(build, span, name + former),
		};
	return (struct matcher_when){
		.moment = MATCHER_MOMENT_MARK,
		.mark = matcher_mark(build, span, name),
	};
}

/* A text that is for spans alone. */
static int matcher_add_contents(struct matcher_build *build, const struct lifecycle_choice *row,
	struct matcher_choice *choice)
{
	struct matcher *matcher = build->matcher;

	assert(matcher->room_count < LIFECYCLE_CONTENTS_MAX); /* lifecycle_check() */
	choice->room = malloc(build->contents->bytes_max);
	if (choice->room == NULL)
		return matcher_no_memory(build);
	matcher->rooms[matcher->room_count++] = choice->room;
	choice->contents = build->contents;
	build->hidden = true;
	if (matcher_look(build, row->pointer, contents_read_max(build->contents), &choice->slot) !=
		0)
		return -1;
	build->hidden = false;
	return 0;
}

static int matcher_add_choice(struct matcher_build *build, struct matcher_rule *rule,
	const struct lifecycle_choice *row, struct matcher_choice *choice)
{
	int failed;

	*choice = (struct matcher_choice){.slot = -1};
	choice->row = row;
	choice->level = choice->mark = MATCHER_NONE;
	if (row->text != NULL)
		choice->text = span_text_of(row->text);
	if (row->mark != NULL)
		choice->mark = matcher_mark(build, rule->row->span, row->mark);
	if (row->take == LIFECYCLE_TAKE_INCREASE) {
		if (matcher_slot(build, row->pointer, MATCHER_VALUE_MAX, &choice->slot) != 0)
			return -1;
		choice->level = matcher_level(build, rule, choice->slot);
		return 0;
	}
	if (row->contents)
		return build->contents == NULL ? 0 : matcher_add_contents(build, row, choice);
	build->word = row->take == LIFECYCLE_TAKE_FIRST_WORD;
	failed = matcher_look(build, row->pointer, MATCHER_VALUE_MAX, &choice->slot);
	build->word = false;
	return failed;
}

static int matcher_add_source(struct matcher_build *build, struct matcher_rule *rule,
	const struct lifecycle_source *from, struct matcher_source *source)
{
	size_t i;

	if (from->choice_count == 0)
		return 0;
	source->choices = calloc(from->choice_count, sizeof *source->choices);
	if (source->choices == NULL)
		return matcher_no_memory(build);
	for (i = 0; i < from->choice_count; i++) {
		const struct lifecycle_choice *row = &from->choices[i];

		if (row->opt_in != NULL && !value_list_has(build->on, row->opt_in))
			continue;
		if (matcher_add_choice(build, rule, row, &source->choices[source->count++]) != 0)
			return -1;
	}
	return 0;
}

static int matcher_add_set(struct matcher_build *build, struct matcher_rule *rule,
	const struct lifecycle_set *from, struct matcher_set *set)
{
	size_t i;

	if (from->count == 0)
		return 0;
	set->list = calloc(from->count, sizeof *set->list);
	if (set->list == NULL)
		return matcher_no_memory(build);
	set->count = from->count;
	for (i = 0; i < from->count; i++)
		if (matcher_attribute(build, from->list[i].attribute, &set->list[i].attribute) !=
				0 ||
			matcher_add_source(
				build, rule, &from->list[i].source, &set->list[i].source) != 0)
			return -1;
	return 0;
}

static int matcher_add_condition(struct matcher_build *build, struct matcher_rule *rule,
	const struct lifecycle_condition *row, struct matcher_condition *condition)
{
	size_t bytes_max = row->test == LIFECYCLE_ABSENT || row->test == LIFECYCLE_PRESENT
				   ? 0 /* what it is does not matter */
				   : MATCHER_VALUE_MAX;

	condition->row = row;
	condition->level = MATCHER_NONE;
	if (matcher_look(build, row->whole, MATCHER_VALUE_MAX, &condition->whole) != 0)
		return -1;
	if (row->test != LIFECYCLE_INCREASED)
		return matcher_look(build, row->pointer, bytes_max, &condition->slot);
	if (matcher_slot(build, row->pointer, MATCHER_VALUE_MAX, &condition->slot) != 0)
		return -1;
	condition->level = matcher_level(build, rule, condition->slot);
	return 0;
}

/* One more than the place of the first rule whose key is of the same slots. */
static uint16_t matcher_key_number(const struct matcher *matcher, const struct matcher_rule *rule)
{
	const struct matcher_rule *same = matcher->rules;

	while (same != rule && (same->row->key_count != rule->row->key_count ||
				       memcmp(same->key, rule->key,
					       rule->row->key_count * sizeof *rule->key) != 0))
		same++;
	return (uint16_t)(same - matcher->rules + 1);
}

/* The slots of the key; for a request, the captured attribute by which it is found. */
static int matcher_add_key(struct matcher_build *build, struct matcher_rule *rule)
{
	const struct lifecycle_rule *row = rule->row;
	int attribute;
	size_t i;

	rule->request_key = MATCHER_NONE;
	for (i = 0; i < row->key_count; i++)
		if (matcher_look(build, row->key[i].pointer, KEY_PART_MAX, &rule->key[i]) != 0)
			return -1;
	rule->key_number = matcher_key_number(build->matcher, rule);
	if (row->span != LIFECYCLE_REQUEST || row->key_count == 0)
		return 0;
	attribute = captures_find_attribute(build->captures, row->key[0].attribute);
	assert(attribute >= 0); /* profile_new() */
	rule->request_key = (uint8_t)attribute;
	build->matcher->request_keys |= UINT32_C(1) << attribute;
	return 0;
}

static int matcher_add_stream(struct matcher_build *build, struct matcher_rule *rule)
{
	const struct lifecycle_stream *stream = &rule->row->stream;

	if (matcher_look(build, stream->of, 0, &rule->of) != 0 ||
		matcher_attribute(build, stream->count, &rule->count) != 0 ||
		matcher_attribute(build, stream->bytes, &rule->bytes) != 0)
		return -1;
	return matcher_attribute(build, stream->first, &rule->first);
}

static void matcher_add_moments(const struct matcher_build *build, struct matcher_rule *rule)
{
	const struct lifecycle_rule *row = rule->row;
	size_t i;

	rule->mark = row->mark == NULL ? MATCHER_NONE : matcher_mark(build, row->span, row->mark);
	for (i = 0; i < row->from_count; i++)
		rule->from[i] = matcher_when(build, row->span, row->from[i]);
	for (i = 0; i < row->to_count; i++)
		rule->to[i] = matcher_when(build, row->span, row->to[i]);
	for (i = 0; i < row->former_until_count; i++) {
		uint8_t mark = matcher_mark(build, row->span, row->former_until[i]);

		assert(mark < LIFECYCLE_MARKS_MAX); /* lifecycle_check() */
		rule->former_until |= (uint8_t)(1u << mark);
	}
	rule->needs =
		row->needs == NULL ? MATCHER_NONE : matcher_mark(build, row->span, row->needs);
}

static int matcher_add_rule(
	struct matcher_build *build, struct matcher_rule *rule, const struct lifecycle_rule *row)
{
	size_t i;

	rule->row = build->row = row;
	for (i = 0; i < row->condition_count; i++)
		if (matcher_add_condition(build, rule, &row->conditions[i], &rule->conditions[i]) !=
			0)
			return -1;
	matcher_add_moments(build, rule);
	if (matcher_add_key(build, rule) != 0 || matcher_add_stream(build, rule) != 0 ||
		matcher_add_set(build, rule, &row->set, &rule->set) != 0 ||
		matcher_add_set(build, rule, &row->set_new, &rule->set_new) != 0 ||
		matcher_add_set(build, rule, &row->set_root, &rule->set_root) != 0 ||
		matcher_look(build, row->root, KEY_PART_MAX, &rule->root) != 0 ||
		matcher_look(build, row->request_id, KEY_PART_MAX, &rule->request_id) != 0 ||
		matcher_look(build, row->by, MATCHER_LINK_MAX, &rule->by) != 0 ||
		matcher_look(build, row->at.pointer, MATCHER_VALUE_MAX, &rule->at) != 0 ||
		matcher_look(build, row->status.pointer, MATCHER_VALUE_MAX, &rule->status) != 0 ||
		matcher_add_source(build, rule, &row->status.message, &rule->message) != 0)
		return -1;
	build->matcher->finds_requests |= row->span == LIFECYCLE_REQUEST && row->request_id != NULL;
	return matcher_add_source(build, rule, &row->status.type, &rule->type);
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
static int matcher_add_type(struct matcher_build *build, size_t number)
{
	const struct lifecycle_span *row = &build->matcher->lifecycle->spans[number];
	struct matcher_type *type = &build->matcher->types[number];
	size_t i;

	for (i = 0; i < row->key_count; i++)
		if (matcher_attribute(build, row->key[i].attribute, &type->key[i]) != 0 ||
			(row->requests != NULL && matcher_slot(build, row->key[i].pointer,
							  KEY_PART_MAX, &type->slots[i]) != 0))
			return -1;
	for (i = 0; i < row->key_count; i++)
		if (row->key[i].opt_in != NULL && !value_list_has(build->on, row->key[i].opt_in))
			type->hidden |= (uint8_t)(1u << i);
	for (i = 0; i < row->default_count; i++)
		if (matcher_attribute(build, row->defaults[i].attribute, &type->defaults[i]) != 0)
			return -1;
	for (i = 0; i < row->inherit_count; i++)
		if (matcher_attribute(build, row->inherit[i], &type->inherit[i]) != 0)
			return -1;
	type->inherit_count = row->inherit_count;
	for (i = 0; build->captures != NULL && i < build->captures->free_count; i++)
		if (matcher_attribute(build, build->captures->free[i],
			    &type->inherit[type->inherit_count++]) != 0)
			return -1;
	type->is_call = lifecycle_is_call(build->matcher->lifecycle, number);
	return 0;
}

static int matcher_add_types(struct matcher_build *build)
{
	size_t i;

	for (i = 0; i < build->matcher->lifecycle->span_count; i++)
		if (matcher_add_type(build, i) != 0)
			return -1;
	return 0;
}

/* ---- methods ---- */

static int matcher_add_names(
	char *const *names, size_t count, struct methods *methods, char *error, size_t error_size)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (methods_add(methods, names[i]) < 0) {
			(void)snprintf(error, error_size, "out of memory"); /* they were checked */
			return -1;
		}
	return 0;
}

int matcher_number_methods(
	const struct lifecycle *lifecycle, struct methods *methods, char *error, size_t error_size)
{
	size_t i;

	for (i = 0; i < lifecycle->operation_count; i++)
		if (matcher_add_names(
			    &lifecycle->operations[i].method, 1, methods, error, error_size) != 0)
			return -1;
	for (i = 0; i < lifecycle->span_count; i++)
		if (matcher_add_names(lifecycle->spans[i].requests,
			    lifecycle->spans[i].request_count, methods, error, error_size) != 0)
			return -1;
	for (i = 0; i < lifecycle->rule_count; i++)
		if (matcher_add_names(lifecycle->rules[i].methods, lifecycle->rules[i].method_count,
			    methods, error, error_size) != 0)
			return -1;
	return 0;
}

/* Whether one of the names, if there are any, covers all methods of that number. */
static bool matcher_covers(
	const struct matcher_build *build, char *const *names, size_t count, size_t number)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (methods_covers(build->methods, names[i], (unsigned)number))
			return true;
	return false;
}

/* The bits of what a rule for answers looks at in the request. */
static uint32_t matcher_quotes(const struct matcher_rule *rule)
{
	const int more[] = {
		rule->root, rule->request_id, rule->of, rule->status, rule->at, rule->by};
	const struct matcher_set *sets[] = {&rule->set, &rule->set_new, &rule->set_root};
	const struct matcher_source *sources[] = {&rule->message, &rule->type};
	uint32_t bits = 0;
	size_t i, j, k;

#define MATCHER_BIT(slot)                                                                          \
	((slot) >= MATCHER_QUOTE ? UINT32_C(1) << ((slot)-MATCHER_QUOTE) : UINT32_C(0))
	for (i = 0; i < rule->row->key_count; i++)
		bits |= MATCHER_BIT(rule->key[i]);
	for (i = 0; i < rule->row->condition_count; i++)
		bits |= MATCHER_BIT(rule->conditions[i].slot) |
			MATCHER_BIT(rule->conditions[i].whole);
	for (i = 0; i < sizeof more / sizeof more[0]; i++)
		bits |= MATCHER_BIT(more[i]);
	for (i = 0; i < sizeof sources / sizeof sources[0]; i++)
		for (j = 0; j < sources[i]->count; j++)
			bits |= MATCHER_BIT(sources[i]->choices[j].slot);
	for (i = 0; i < sizeof sets / sizeof sets[0]; i++)
		for (j = 0; j < sets[i]->count; j++)
			for (k = 0; k < sets[i]->list[j].source.count; k++)
				bits |= MATCHER_BIT(sets[i]->list[j].source.choices[k].slot);
#undef MATCHER_BIT
	return bits;
}

static void matcher_enter_rule(struct matcher_method *method, const struct matcher_rule *rule)
{
	const struct lifecycle_rule *row = rule->row;

	if (row->on == LIFECYCLE_ON_CLIENT_REPLY)
		method->call_quotes |= matcher_quotes(rule);
	else
		method->quotes |= matcher_quotes(rule);
	method->claims |= row->action == LIFECYCLE_CLAIM;
	method->claims_late |= row->action == LIFECYCLE_CLAIM && row->until_open;
}

/* The rules for the messages of the method with that number; at becomes the place behind them. */
static void matcher_enter_rules(struct matcher_build *build, size_t number, uint8_t **at)
{
	const struct matcher *matcher = build->matcher;
	struct matcher_method *method = &build->matcher->methods[number];
	size_t on, i;

	for (on = 0; on < MATCHER_ON_COUNT; on++) {
		struct matcher_rules *rules = &method->rules[on], *levels = &method->levels[on];

		rules->list = *at;
		for (i = 0; i < matcher->lifecycle->rule_count; i++) {
			const struct lifecycle_rule *row = matcher->rules[i].row;

			assert(row != NULL); /* matcher_add_rules() */
			if (row->on != on ||
				(row->unless != NULL && value_list_has(build->on, row->unless)) ||
				(row->method_count > 0 && !matcher_covers(build, row->methods,
								  row->method_count, number)))
				continue;
			(*at)[rules->count++] = (uint8_t)i;
			matcher_enter_rule(method, &matcher->rules[i]);
		}
		levels->list = *at += rules->count;
		for (i = 0; i < rules->count; i++)
			if (matcher->rules[rules->list[i]].levels != 0)
				(*at)[levels->count++] = rules->list[i];
		*at += levels->count;
	}
}

static void matcher_enter_method(struct matcher_build *build, size_t number)
{
	const struct lifecycle *lifecycle = build->matcher->lifecycle;
	struct matcher_method *method = &build->matcher->methods[number];
	size_t i;

	method->name = methods_name(build->methods, (unsigned)number);
	method->request_type = MATCHER_NONE;
	for (i = 0; i < lifecycle->operation_count && method->operation.size == 0; i++)
		if (matcher_covers(build, &lifecycle->operations[i].method, 1, number))
			method->operation = span_text_of(lifecycle->operations[i].operation);
	for (i = 0; i < lifecycle->span_count && method->request_type == MATCHER_NONE; i++)
		if (matcher_covers(build, lifecycle->spans[i].requests,
			    lifecycle->spans[i].request_count, number))
			method->request_type = (uint8_t)i;
}

static int matcher_add_methods(struct matcher_build *build)
{
	struct matcher *matcher = build->matcher;
	uint8_t *at;
	size_t i;

	matcher->method_count = (size_t)build->methods->count + 1;
	matcher->methods = calloc(matcher->method_count, sizeof *matcher->methods);
	/* a rule is for one kind of message, and stands among all, and among those with levels */
	at = calloc(matcher->method_count * 2 * matcher->lifecycle->rule_count + 1, sizeof *at);
	matcher->numbers = at;
	if (matcher->methods == NULL || at == NULL)
		return matcher_no_memory(build);
	for (i = 0; i < matcher->method_count; i++) {
		struct matcher_method *method = &matcher->methods[i];

		matcher_enter_method(build, i);
		matcher_enter_rules(build, i, &at);
		method->requested = matcher_submits(method) || method->quotes != 0 ||
				    method->request_type != MATCHER_NONE ||
				    matcher->request_keys != 0 ||
				    matcher_looks(method, LIFECYCLE_ON_REQUEST);
	}
	return 0;
}

/* ---- what hangs below what ---- */

static void matcher_add_parents(struct matcher *matcher, size_t child)
{
	const struct lifecycle *lifecycle = matcher->lifecycle;
	struct matcher_type *type = &matcher->types[child];
	size_t size, i, j;

	for (size = LIFECYCLE_KEY_MAX; size > 0; size--)
		for (i = 0; i < lifecycle->span_count; i++) {
			if (lifecycle->spans[i].key_count != size)
				continue;
			if (lifecycle_is_below(lifecycle, child, i))
				type->parents.types[type->parents.count++] = (uint8_t)i;
			for (j = 0; j < size && lifecycle->spans[i].is_memory &&
				    size <= lifecycle->spans[child].key_count;
				j++)
				if (matcher->types[i].key[j] != type->key[j])
					break;
			if (j == size && child != i)
				type->memories.types[type->memories.count++] = (uint8_t)i;
		}
}

/* Gives what a span adds a place among the sums of those at the top that it can be below. */
static int matcher_add_sums(struct matcher_build *build, size_t child)
{
	const struct lifecycle_span *row = &build->matcher->lifecycle->spans[child];
	struct matcher_type *type = &build->matcher->types[child], *above;
	uint8_t attribute;
	size_t i, j, k;

	for (i = 0; i < type->parents.count; i++) {
		above = &build->matcher->types[type->parents.types[i]];
		if (above->parents.count > 0)
			continue;
		for (j = 0; j < row->add_count; j++) {
			if (matcher_attribute(build, row->adds[j].attribute, &attribute) != 0)
				return -1;
			for (k = 0; k < above->sum_count && above->sums[k] != attribute; k++)
				;
			assert(k < LIFECYCLE_SUMS_MAX); /* lifecycle_check() */
			if (k == above->sum_count)
				above->sums[above->sum_count++] = attribute;
		}
	}
	for (j = 0; j < row->add_count; j++)
		(void)matcher_attribute(build, row->adds[j].attribute, &type->adds[j]); /* known */
	return 0;
}

/* The place of a made type among those below the same one. */
static void matcher_place_made(struct matcher *matcher, size_t type)
{
	const struct lifecycle *lifecycle = matcher->lifecycle;
	size_t parent, i;

	if (!lifecycle->spans[type].is_made)
		return;
	parent = matcher->types[type].parents.types[0];
	for (i = 0; i < type; i++)
		if (lifecycle->spans[i].is_made && lifecycle_is_below(lifecycle, i, parent))
			matcher->types[type].made++;
}

int matcher_init(
	struct matcher *matcher, const struct matcher_parts *parts, char *error, size_t error_size)
{
	const struct lifecycle *lifecycle = parts->lifecycle;
	struct matcher_build build = {
		.matcher = matcher,
		.methods = parts->methods,
		.pointers = parts->pointers,
		.captures = parts->captures,
		.contents = parts->contents,
		.on = parts->on,
		.error = error,
		.error_size = error_size,
	};
	size_t i;

	*matcher = (struct matcher){.lifecycle = lifecycle};
	if (matcher_add_types(&build) != 0 || matcher_add_rules(&build) != 0 ||
		matcher_add_methods(&build) != 0)
		return -1;
	for (i = 0; i < lifecycle->span_count; i++) {
		matcher_add_parents(matcher, i);
		matcher_place_made(matcher, i);
	}
	for (i = 0; i < lifecycle->span_count; i++)
		if (matcher_add_sums(&build, i) != 0)
			return -1;
	return 0;
}

uint8_t matcher_find_attribute(const struct matcher *matcher, const char *name)
{
	size_t i;

	for (i = 0; i < matcher->attribute_count; i++)
		if (strcmp(matcher->attributes[i], name) == 0)
			return (uint8_t)i;
	return MATCHER_NONE;
}

static void matcher_free_set(struct matcher_set *set)
{
	size_t i;

	for (i = 0; set->list != NULL && i < set->count; i++)
		free(set->list[i].source.choices);
	free(set->list);
}

static void matcher_free_rule(struct matcher_rule *rule)
{
	matcher_free_set(&rule->set);
	matcher_free_set(&rule->set_new);
	matcher_free_set(&rule->set_root);
	free(rule->message.choices);
	free(rule->type.choices);
}

void matcher_done(struct matcher *matcher)
{
	size_t i;

	for (i = 0; matcher->rules != NULL && i < matcher->lifecycle->rule_count; i++)
		matcher_free_rule(&matcher->rules[i]);
	for (i = 0; i < matcher->room_count; i++)
		free(matcher->rooms[i]);
	free(matcher->rules);
	free(matcher->numbers);
	free(matcher->methods);
	*matcher = (struct matcher){.lifecycle = NULL};
}

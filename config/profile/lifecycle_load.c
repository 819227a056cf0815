/*
 * Lifecycles: first every member by itself, from the tree into the structs; then what must
 * hold between them, so that rules may stand before the spans they name. Whatever fails, what was
 * taken hangs in the lifecycle, which is then freed.
 */
#include "config/profile/lifecycle_load.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "config/profile/lifecycle.h"
#include "config/profile/lifecycle_check.h"
#include "config/profile/lifecycle_rule.h"
#include "config/profile/reader.h"
#include "config/value.h"

/* A title has names in braces; only may be the one that there is. */
static int lifecycle_check_title(
	struct reader *reader, const struct file_node *node, const char *title, const char *only)
{
	const char *at = title + strcspn(title, "{}");
	size_t size;

	for (; *at != '\0'; at += strcspn(at, "{}")) {
		size = *at == '{' ? strcspn(at + 1, "{}") : 0;
		if (size == 0 || at[size + 1] != '}')
			return reader_fail(reader, node,
				"must have a name between { and }, and braces nowhere else");
		if (only != NULL && (size != strlen(only) || memcmp(at + 1, only, size) != 0))
			return reader_fail(
				reader, node, "{%.*s}: must be {%s}", (int)size, at + 1, only);
		at += size + 2;
	}
	return 0;
}

static int lifecycle_load_take_operation(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_operation *operation = target;

	if (reader_take_key_method(reader, node, &operation->method) != 0)
		return -1;
	return reader_take_text(reader, node, &operation->operation);
}

static int lifecycle_load_take_operations(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle *lifecycle = target;

	lifecycle->operations =
		reader_new_items(reader, node, FILE_OBJECT, LIFECYCLE_OPERATIONS_MAX,
			sizeof *lifecycle->operations, &lifecycle->operation_count);
	if (lifecycle->operations == NULL)
		return -1;
	return reader_take_items(reader, node, lifecycle_load_take_operation, lifecycle->operations,
		sizeof *lifecycle->operations);
}

static int lifecycle_load_take_dispatch(
	struct reader *reader, const struct file_node *node, void *target)
{
	static const struct reader_member members[] = {
		{"name", READER_FIELD(struct lifecycle, dispatch_name, reader_take_text)},
		{"attribute", READER_FIELD(struct lifecycle, dispatch_attribute, reader_take_text)},
		{"operations", READER_WHOLE(lifecycle_load_take_operations)},
		READER_END,
	};
	struct lifecycle *lifecycle = target;

	if (reader_take_members(reader, node, members, lifecycle) != 0)
		return -1;
	if (lifecycle->dispatch_name == NULL || lifecycle->operations == NULL)
		return reader_fail(reader, node, "must have a name and operations");
	return lifecycle_check_title(
		reader, file_member(node, "name"), lifecycle->dispatch_name, "operation");
}

static const char *const lifecycle_kinds[] = {
	[LIFECYCLE_INTERNAL] = "internal",
	[LIFECYCLE_CLIENT] = "client",
	[LIFECYCLE_SERVER] = "server",
	NULL,
};

static int lifecycle_load_take_part(
	struct reader *reader, const struct file_node *node, void *target)
{
	static const struct reader_member members[] = {
		{"pointer", READER_FIELD(struct lifecycle_part, pointer, reader_take_pointer)},
		{"opt_in", READER_FIELD(struct lifecycle_part, opt_in, reader_take_word)},
		READER_END,
	};
	struct lifecycle_part *part = target;

	if (node->key == NULL)
		return reader_take_text(reader, node, &part->attribute);
	if (reader_take_key(reader, node, &part->attribute) != 0)
		return -1;
	if (node->type != FILE_OBJECT)
		return reader_take_pointer(reader, node, &part->pointer);
	if (reader_take_members(reader, node, members, part) != 0)
		return -1;
	return part->pointer != NULL ? 0 : reader_fail(reader, node, "must have a pointer");
}

/* A list of attributes, or an object that says where they stand in messages. */
static int lifecycle_load_take_span_key(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_span *span = target;
	enum file_type type = node->type == FILE_OBJECT ? FILE_OBJECT : FILE_ARRAY;

	span->key = reader_new_items(
		reader, node, type, LIFECYCLE_KEY_MAX, sizeof *span->key, &span->key_count);
	if (span->key == NULL)
		return -1;
	return reader_take_items(
		reader, node, lifecycle_load_take_part, span->key, sizeof *span->key);
}

static int lifecycle_load_take_inherit(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_span *span = target;

	return reader_take_texts(
		reader, node, &span->inherit, &span->inherit_count, LIFECYCLE_INHERIT_MAX);
}

static int lifecycle_load_take_requests(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_span *span = target;

	return reader_take_methods(
		reader, node, &span->requests, &span->request_count, LIFECYCLE_METHODS_MAX);
}

static const char *const lifecycle_scopes[] = {"server", "connection", NULL};

/* The first part of the key: what must be the same is looked up by that. */
static int lifecycle_load_take_one_per(
	struct reader *reader, const struct file_node *node, void *target)
{
	*(bool *)target = true;
	return reader_expect(reader, node, FILE_STRING);
}

static int lifecycle_load_take_add(
	struct reader *reader, const struct file_node *node, void *target)
{
	static const char *const words[] = {"count", "ms", NULL};
	struct lifecycle_add *add = target;
	int place = reader_find_word(reader, node, words);

	add->is_time = place == 1;
	return place < 0 ? -1 : reader_take_key(reader, node, &add->attribute);
}

static int lifecycle_load_take_adds(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_span *span = target;

	span->adds = reader_new_items(reader, node, FILE_OBJECT, LIFECYCLE_ADDS_MAX,
		sizeof *span->adds, &span->add_count);
	if (span->adds == NULL)
		return -1;
	return reader_take_items(
		reader, node, lifecycle_load_take_add, span->adds, sizeof *span->adds);
}

static int lifecycle_load_take_default(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_default *one = target;

	if (reader_take_key(reader, node, &one->attribute) != 0)
		return -1;
	return reader_take_text(reader, node, &one->value);
}

static int lifecycle_load_take_pairs(struct reader *reader, const struct file_node *node,
	struct lifecycle_default **list, size_t *count)
{
	*list = reader_new_items(
		reader, node, FILE_OBJECT, LIFECYCLE_DEFAULTS_MAX, sizeof **list, count);
	if (*list == NULL)
		return -1;
	return reader_take_items(reader, node, lifecycle_load_take_default, *list, sizeof **list);
}

static int lifecycle_load_take_defaults(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_span *span = target;

	return lifecycle_load_take_pairs(reader, node, &span->defaults, &span->default_count);
}

static int lifecycle_load_take_announced(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_span *span = target;

	return lifecycle_load_take_pairs(reader, node, &span->announced, &span->announced_count);
}

/* No attribute can be two parts of a key. */
static int lifecycle_load_check_span_key(
	struct reader *reader, const struct file_node *node, const struct lifecycle_span *span)
{
	char quote[VALUE_QUOTE_SIZE];
	size_t i, j;

	for (i = 0; i < span->key_count; i++)
		for (j = 0; j < i; j++)
			if (strcmp(span->key[i].attribute, span->key[j].attribute) == 0)
				return reader_fail(reader, node, "%s: must stand once",
					value_quote(quote, span->key[i].attribute));
	return 0;
}

/* What must hold between the members of a type of span. */
static int lifecycle_load_check_span(
	struct reader *reader, const struct file_node *node, const struct lifecycle_span *span)
{
	const struct file_node *one_per = file_member(node, "one_per");

	if (span->title == NULL && span->requests == NULL)
		return reader_fail(reader, node, "must have a name");
	if (span->requests != NULL && span->key_count == 0)
		return reader_fail(reader, node, "must have a key, by which it is found");
	if (span->requests != NULL && span->key[0].pointer == NULL)
		return reader_fail(reader, file_member(node, "key"),
			"must be {ATTRIBUTE: POINTER, ...}, as no rule says where its parts stand");
	if (span->requests != NULL && span->is_made)
		return reader_fail(
			reader, file_member(node, "made"), "must not stand with requests");
	if (span->is_measured &&
		(span->is_made || span->requests != NULL || span->announce != NULL ||
			span->switched != NULL || span->key_count == 0))
		return reader_fail(reader, file_member(node, "measured"),
			"must stand with a key, and not with made, requests, announce or switch");
	if (span->is_made && span->key_count == 0)
		return reader_fail(reader, node, "must have a key, that of the span above");
	if (one_per != NULL &&
		(span->key_count < 2 || strcmp(span->key[0].attribute, one_per->text) != 0))
		return reader_fail(
			reader, one_per, "must be the first of several parts of the key");
	return 0;
}

static int lifecycle_load_take_span(
	struct reader *reader, const struct file_node *node, void *target)
{
	static const struct reader_member members[] = {
		{"name", READER_FIELD(struct lifecycle_span, title, reader_take_text)},
		{"key", READER_WHOLE(lifecycle_load_take_span_key)},
		{"kind", READER_WORD(struct lifecycle_span, kind, lifecycle_kinds)},
		{"switch", READER_FIELD(struct lifecycle_span, switched, reader_take_word)},
		{"defaults", READER_WHOLE(lifecycle_load_take_defaults)},
		{"announce", READER_FIELD(struct lifecycle_span, announce, reader_take_text)},
		{"announced", READER_WHOLE(lifecycle_load_take_announced)},
		{"inherit", READER_WHOLE(lifecycle_load_take_inherit)},
		{"adds", READER_WHOLE(lifecycle_load_take_adds)},
		{"one_per",
			READER_FIELD(struct lifecycle_span, one_per, lifecycle_load_take_one_per)},
		{"scope", READER_WORD(struct lifecycle_span, of_connection, lifecycle_scopes)},
		{"requests", READER_WHOLE(lifecycle_load_take_requests)},
		{"made", READER_FIELD(struct lifecycle_span, is_made, reader_take_bool)},
		{"measured", READER_FIELD(struct lifecycle_span, is_measured, reader_take_bool)},
		READER_END,
	};
	struct lifecycle_span *span = target;
	char quote[VALUE_QUOTE_SIZE];

	reader_enter(reader, node, "span %s: ", value_quote(quote, node->key));
	if (reader_take_key(reader, node, &span->name) != 0 ||
		reader_take_members(reader, node, members, span) != 0)
		return -1;
	if (strcmp(span->name, "request") == 0)
		return reader_fail(reader, node,
			"the name stands for all requests of the client; must be another");
	if (lifecycle_load_check_span(reader, node, span) != 0)
		return -1;
	if (span->title != NULL &&
		lifecycle_check_title(reader, file_member(node, "name"), span->title, NULL) != 0)
		return -1;
	if (span->announce != NULL && lifecycle_check_title(reader, file_member(node, "announce"),
					      span->announce, NULL) != 0)
		return -1;
	return lifecycle_load_check_span_key(reader, file_member(node, "key"), span);
}

static int lifecycle_load_take_memory(
	struct reader *reader, const struct file_node *node, void *target)
{
	static const struct reader_member members[] = {
		{"key", READER_WHOLE(lifecycle_load_take_span_key)},
		READER_END,
	};
	struct lifecycle_span *memory = target;
	char quote[VALUE_QUOTE_SIZE];

	reader_enter(reader, node, "memory %s: ", value_quote(quote, node->key));
	memory->is_memory = true;
	if (reader_take_key(reader, node, &memory->name) != 0 ||
		reader_take_members(reader, node, members, memory) != 0)
		return -1;
	if (memory->key_count == 0)
		return reader_fail(reader, node, "must have a key");
	return lifecycle_load_check_span_key(reader, file_member(node, "key"), memory);
}

static void lifecycle_load_free_pairs(struct lifecycle_default *list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		free(list[i].attribute);
		free(list[i].value);
	}
	free(list);
}

static void lifecycle_load_free_type(struct lifecycle_span *span)
{
	size_t i;

	lifecycle_load_free_pairs(span->defaults, span->default_count);
	lifecycle_load_free_pairs(span->announced, span->announced_count);
	for (i = 0; i < span->key_count; i++) {
		free(span->key[i].attribute);
		free(span->key[i].pointer);
		free(span->key[i].opt_in);
	}
	for (i = 0; i < span->add_count; i++)
		free(span->adds[i].attribute);
	reader_free_texts(span->requests, span->request_count);
	reader_free_texts(span->inherit, span->inherit_count);
	free(span->adds);
	free(span->key);
	free(span->switched);
	free(span->name);
	free(span->title);
	free(span->announce);
}

static void lifecycle_load_free_types(struct lifecycle_span *types, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		lifecycle_load_free_type(&types[i]);
	free(types);
}

/* Spans and memories are in one list. */
static int lifecycle_load_take_types(struct reader *reader, const struct file_node *node,
	reader_take *take, struct lifecycle *lifecycle)
{
	struct lifecycle_span *types, *grown;
	size_t count;
	int result;

	assert(lifecycle->span_count <= LIFECYCLE_SPANS_MAX);
	types = reader_new_items(reader, node, FILE_OBJECT,
		LIFECYCLE_SPANS_MAX - lifecycle->span_count, sizeof *types, &count);
	if (types == NULL)
		return -1;
	result = reader_take_items(reader, node, take, types, sizeof *types);
	reader_leave(reader);
	grown = realloc(lifecycle->spans, (lifecycle->span_count + count) * sizeof *grown);
	if (grown == NULL) {
		lifecycle_load_free_types(types, count);
		return reader_fail_memory(reader, node);
	}
	lifecycle->spans = grown;
	memcpy(grown + lifecycle->span_count, types, count * sizeof *types);
	lifecycle->span_count += count;
	free(types);
	return result;
}

static int lifecycle_load_take_spans(
	struct reader *reader, const struct file_node *node, void *target)
{
	return lifecycle_load_take_types(reader, node, lifecycle_load_take_span, target);
}

static int lifecycle_load_take_memories(
	struct reader *reader, const struct file_node *node, void *target)
{
	return lifecycle_load_take_types(reader, node, lifecycle_load_take_memory, target);
}

static int lifecycle_load_take_rules(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle *lifecycle = target;
	int result;

	lifecycle->rules = reader_new_items(reader, node, FILE_ARRAY, LIFECYCLE_RULES_MAX,
		sizeof *lifecycle->rules, &lifecycle->rule_count);
	if (lifecycle->rules == NULL)
		return -1;
	result = reader_take_items(
		reader, node, lifecycle_rule_take, lifecycle->rules, sizeof *lifecycle->rules);
	reader_leave(reader);
	return result;
}

static const struct reader_member lifecycle_load_members[] = {
	{"dispatch", READER_WHOLE(lifecycle_load_take_dispatch)},
	{"spans", READER_WHOLE(lifecycle_load_take_spans)},
	{"memories", READER_WHOLE(lifecycle_load_take_memories)},
	{"rules", READER_WHOLE(lifecycle_load_take_rules)},
	READER_END,
};

struct lifecycle *lifecycle_new(struct reader *reader, const struct file_node *node)
{
	struct lifecycle *lifecycle = calloc(1, sizeof *lifecycle);

	if (lifecycle == NULL) {
		(void)reader_fail_memory(reader, node);
		return NULL;
	}
	if (reader_take_members(reader, node, lifecycle_load_members, lifecycle) == 0 &&
		lifecycle_check(reader, node, lifecycle) == 0)
		return lifecycle;
	lifecycle_free(lifecycle);
	return NULL;
}

void lifecycle_free(struct lifecycle *lifecycle)
{
	size_t i;

	if (lifecycle == NULL)
		return;
	for (i = 0; i < lifecycle->operation_count; i++) {
		free(lifecycle->operations[i].method);
		free(lifecycle->operations[i].operation);
	}
	for (i = 0; i < lifecycle->rule_count; i++)
		lifecycle_rule_done(&lifecycle->rules[i]);
	free(lifecycle->dispatch_name);
	free(lifecycle->dispatch_attribute);
	free(lifecycle->operations);
	lifecycle_load_free_types(lifecycle->spans, lifecycle->span_count);
	free(lifecycle->rules);
	free(lifecycle);
}

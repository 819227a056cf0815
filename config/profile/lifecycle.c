/*
 * Lifecycles: first every member by itself, from the tree into the structs; then what must
 * hold between them, so that rules may stand before the spans they name. Whatever fails, what was
 * taken hangs in the lifecycle, which is then freed.
 */
#include "config/profile/lifecycle.h"

#include <stdlib.h>
#include <string.h>

#include "config/file.h"
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

static int lifecycle_take_operation(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_operation *operation = target;

	if (reader_take_key(reader, node, &operation->method) != 0)
		return -1;
	return reader_take_text(reader, node, &operation->operation);
}

static int lifecycle_take_operations(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle *lifecycle = target;

	lifecycle->operations =
		reader_new_items(reader, node, FILE_OBJECT, LIFECYCLE_OPERATIONS_MAX,
			sizeof *lifecycle->operations, &lifecycle->operation_count);
	if (lifecycle->operations == NULL)
		return -1;
	return reader_take_items(reader, node, lifecycle_take_operation, lifecycle->operations,
		sizeof *lifecycle->operations);
}

static int lifecycle_take_dispatch(
	struct reader *reader, const struct file_node *node, void *target)
{
	static const struct reader_member members[] = {
		{"name", reader_take_text, offsetof(struct lifecycle, dispatch_name)},
		{"attribute", reader_take_text, offsetof(struct lifecycle, dispatch_attribute)},
		{"operations", lifecycle_take_operations, 0},
		{NULL, NULL, 0},
	};
	struct lifecycle *lifecycle = target;

	if (reader_take_members(reader, node, members, lifecycle) != 0)
		return -1;
	if (lifecycle->dispatch_name == NULL || lifecycle->operations == NULL)
		return reader_fail(reader, node, "must have a name and operations");
	return lifecycle_check_title(
		reader, file_member(node, "name"), lifecycle->dispatch_name, "operation");
}

static int lifecycle_take_kind(struct reader *reader, const struct file_node *node, void *target)
{
	static const char *const words[] = {
		[LIFECYCLE_INTERNAL] = "internal",
		[LIFECYCLE_CLIENT] = "client",
		[LIFECYCLE_SERVER] = "server",
		NULL,
	};
	int place = reader_find_word(reader, node, words);

	if (place < 0)
		return -1;
	*(enum lifecycle_kind *)target = (enum lifecycle_kind)place;
	return 0;
}

static int lifecycle_take_switch(struct reader *reader, const struct file_node *node, void *target)
{
	static const char *const words[] = {"items", "approvals", NULL};
	int place = reader_find_word(reader, node, words);

	if (place < 0)
		return -1;
	*(enum lifecycle_switch *)target = place == 0 ? LIFECYCLE_ITEMS : LIFECYCLE_APPROVALS;
	return 0;
}

static int lifecycle_take_span_key(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_span *span = target;

	return reader_take_texts(reader, node, &span->key, &span->key_count, LIFECYCLE_KEY_MAX);
}

static int lifecycle_take_default(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_default *one = target;

	if (reader_take_key(reader, node, &one->attribute) != 0)
		return -1;
	return reader_take_text(reader, node, &one->value);
}

static int lifecycle_take_defaults(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_span *span = target;

	span->defaults = reader_new_items(reader, node, FILE_OBJECT, LIFECYCLE_DEFAULTS_MAX,
		sizeof *span->defaults, &span->default_count);
	if (span->defaults == NULL)
		return -1;
	return reader_take_items(
		reader, node, lifecycle_take_default, span->defaults, sizeof *span->defaults);
}

/* No attribute can be two parts of a key. */
static int lifecycle_check_span_key(
	struct reader *reader, const struct file_node *node, const struct lifecycle_span *span)
{
	char quote[VALUE_QUOTE_SIZE];
	size_t i, j;

	for (i = 0; i < span->key_count; i++)
		for (j = 0; j < i; j++)
			if (strcmp(span->key[i], span->key[j]) == 0)
				return reader_fail(reader, node, "%s: must stand once",
					value_quote(quote, span->key[i]));
	return 0;
}

static int lifecycle_take_span(struct reader *reader, const struct file_node *node, void *target)
{
	static const struct reader_member members[] = {
		{"name", reader_take_text, offsetof(struct lifecycle_span, title)},
		{"key", lifecycle_take_span_key, 0},
		{"kind", lifecycle_take_kind, offsetof(struct lifecycle_span, kind)},
		{"switch", lifecycle_take_switch, offsetof(struct lifecycle_span, switched)},
		{"defaults", lifecycle_take_defaults, 0},
		{"announce", reader_take_text, offsetof(struct lifecycle_span, announce)},
		{NULL, NULL, 0},
	};
	struct lifecycle_span *span = target;
	char quote[VALUE_QUOTE_SIZE];

	reader_enter(reader, node, "span %s: ", value_quote(quote, node->key));
	if (reader_take_key(reader, node, &span->name) != 0 ||
		reader_take_members(reader, node, members, span) != 0)
		return -1;
	if (span->title == NULL)
		return reader_fail(reader, node, "must have a name");
	if (lifecycle_check_title(reader, file_member(node, "name"), span->title, NULL) != 0)
		return -1;
	if (span->announce != NULL && lifecycle_check_title(reader, file_member(node, "announce"),
					      span->announce, NULL) != 0)
		return -1;
	return lifecycle_check_span_key(reader, file_member(node, "key"), span);
}

static int lifecycle_take_spans(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle *lifecycle = target;
	int result;

	lifecycle->spans = reader_new_items(reader, node, FILE_OBJECT, LIFECYCLE_SPANS_MAX,
		sizeof *lifecycle->spans, &lifecycle->span_count);
	if (lifecycle->spans == NULL)
		return -1;
	result = reader_take_items(
		reader, node, lifecycle_take_span, lifecycle->spans, sizeof *lifecycle->spans);
	reader_leave(reader);
	return result;
}

static int lifecycle_take_rules(struct reader *reader, const struct file_node *node, void *target)
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

static const struct reader_member lifecycle_members[] = {
	{"dispatch", lifecycle_take_dispatch, 0},
	{"spans", lifecycle_take_spans, 0},
	{"rules", lifecycle_take_rules, 0},
	{NULL, NULL, 0},
};

struct lifecycle *lifecycle_new(struct reader *reader, const struct file_node *node)
{
	struct lifecycle *lifecycle = calloc(1, sizeof *lifecycle);

	if (lifecycle == NULL) {
		(void)reader_fail_memory(reader, node);
		return NULL;
	}
	if (reader_take_members(reader, node, lifecycle_members, lifecycle) == 0 &&
		lifecycle_check(reader, node, lifecycle) == 0)
		return lifecycle;
	lifecycle_free(lifecycle);
	return NULL;
}

static void lifecycle_free_span(struct lifecycle_span *span)
{
	size_t i;

	for (i = 0; i < span->default_count; i++) {
		free(span->defaults[i].attribute);
		free(span->defaults[i].value);
	}
	free(span->defaults);
	free(span->name);
	free(span->title);
	free(span->announce);
	reader_free_texts(span->key, span->key_count);
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
	for (i = 0; i < lifecycle->span_count; i++)
		lifecycle_free_span(&lifecycle->spans[i]);
	for (i = 0; i < lifecycle->rule_count; i++)
		lifecycle_rule_done(&lifecycle->rules[i]);
	free(lifecycle->dispatch_name);
	free(lifecycle->dispatch_attribute);
	free(lifecycle->operations);
	free(lifecycle->spans);
	free(lifecycle->rules);
	free(lifecycle);
}

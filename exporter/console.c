/*
 * Spans for a person at a terminal. At submit a span becomes a record: a fixed head, then its
 * texts, made safe to show. Later the records of a batch are sorted by start, each hung under its
 * parent, and every trace is walked once. Without recursion: a trace may be any number of spans
 * deep. The only failure is memory.
 */
#include "exporter/console.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/escape.h"
#include "exporter/shared.h"
#include "exporter/text.h"

enum {
	CONSOLE_NAME_MAX = 100, /* characters shown */
	CONSOLE_MESSAGE_MAX = 200,
	CONSOLE_VALUE_MAX = 80,
	CONSOLE_DEPTH_MAX = 24, /* levels of indentation */
};

/* Attributes that say again what the line says already, or what all lines have in common. */
static const struct console_hidden {
	const char *key;
	const char *value; /* hidden only with this value; NULL: always */
} console_hidden[] = {
	{"rpc.system", NULL},
	{"rpc.system.name", NULL},
	{"rpc.service", NULL},
	{"rpc.method", NULL},
	{"rpc.transport", NULL},
	{"app_server.api_version", NULL},
	{"app_server.connection_id", NULL},
	{"sidespan.end_reason", "answered"},
};

struct console_record {
	uint64_t start_unix_ns, end_unix_ns;
	uint32_t name_size, message_size, shared_size, own_size; /* of the texts that follow */
	uint8_t trace_id[TRACE_ID_SIZE];
	uint8_t span_id[SPAN_ID_SIZE];
	uint8_t parent_span_id[SPAN_ID_SIZE];
	uint8_t has_parent, kind, status;
};

struct console_node {
	struct console_record record;
	const char *texts;           /* borrowed from the records */
	size_t position;             /* in order of arrival */
	struct console_node *trace;  /* the first node of its trace */
	struct console_node *parent; /* NULL at the top */
	struct console_node *next;   /* sibling */
	struct console_node *first_child, *last_child;
	struct console_node *last_top; /* of a trace's first node */
};

enum console_paint { CONSOLE_BOLD, CONSOLE_DIM, CONSOLE_RED, CONSOLE_GREEN, CONSOLE_CYAN };

static const char *const console_codes[] = {
	[CONSOLE_BOLD] = "\x1b[1m",
	[CONSOLE_DIM] = "\x1b[2m",
	[CONSOLE_RED] = "\x1b[31m",
	[CONSOLE_GREEN] = "\x1b[32m",
	[CONSOLE_CYAN] = "\x1b[36m",
};

static const char *const console_kinds[] = {
	[SPAN_KIND_INTERNAL] = "internal",
	[SPAN_KIND_SERVER] = "server",
	[SPAN_KIND_CLIENT] = "client",
};

static bool console_value_is(const struct span_attribute *attribute, const char *value)
{
	const struct span_text *string = &attribute->value.string;

	return attribute->type == SPAN_VALUE_STRING && string->size == strlen(value) &&
	       memcmp(string->bytes, value, string->size) == 0;
}

static bool console_attribute_is_hidden(const struct span_attribute *attribute)
{
	const struct console_hidden *row;
	size_t i;

	for (i = 0; i < sizeof console_hidden / sizeof *console_hidden; i++) {
		row = &console_hidden[i];
		if (strcmp(attribute->key, row->key) == 0)
			return row->value == NULL || console_value_is(attribute, row->value);
	}
	return false;
}

static void console_append_string(struct text *text, const struct span_text *string)
{
	bool quoted = string->size == 0 || memchr(string->bytes, ' ', string->size) != NULL;

	if (quoted)
		TEXT_APPEND(text, "\"");
	escape_append_shown(text, string->bytes, string->size, CONSOLE_VALUE_MAX);
	if (quoted)
		TEXT_APPEND(text, "\"");
}

static void console_append_value(struct text *text, const struct span_attribute *attribute)
{
	char digits[40];
	int size = 0;

	switch (attribute->type) {
	case SPAN_VALUE_STRING:
		console_append_string(text, &attribute->value.string);
		return;
	case SPAN_VALUE_INT:
		size = snprintf(digits, sizeof digits, "%" PRId64, attribute->value.integer);
		break;
	case SPAN_VALUE_BOOL:
		size = snprintf(
			digits, sizeof digits, "%s", attribute->value.boolean ? "true" : "false");
		break;
	case SPAN_VALUE_DOUBLE:
		size = snprintf(digits, sizeof digits, "%g", attribute->value.real);
		break;
	}
	text_append(text, digits, (size_t)size);
}

void console_append_attributes(
	struct text *text, const struct span_attribute *attributes, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (console_attribute_is_hidden(&attributes[i]))
			continue;
		TEXT_APPEND(text, " ");
		text_append(text, attributes[i].key, strlen(attributes[i].key));
		TEXT_APPEND(text, "=");
		console_append_value(text, &attributes[i]);
	}
}

static void console_record_fill(struct console_record *record, const struct span *span)
{
	record->start_unix_ns = span->start_unix_ns;
	record->end_unix_ns = span->end_unix_ns;
	memcpy(record->trace_id, span->context.trace_id, sizeof record->trace_id);
	memcpy(record->span_id, span->context.span_id, sizeof record->span_id);
	record->has_parent = span->has_parent;
	if (span->has_parent)
		memcpy(record->parent_span_id, span->parent_span_id, SPAN_ID_SIZE);
	record->kind = (uint8_t)span->kind;
	record->status = (uint8_t)span->status;
}

/* The size of what was appended since; start is moved on. */
static uint32_t console_size_since(const struct text *text, size_t *start)
{
	size_t size = text->size - *start;

	*start = text->size;
	return (uint32_t)size;
}

void console_append_span(struct text *records, const struct span *span)
{
	struct console_record record = {0};
	size_t head = records->size, start = head + sizeof record;

	console_record_fill(&record, span);
	text_append(records, (const char *)&record, sizeof record);
	if (records->error != TEXT_OK)
		return;
	escape_append_shown(records, span->name.bytes, span->name.size, CONSOLE_NAME_MAX);
	record.name_size = console_size_since(records, &start);
	if (span->status == SPAN_STATUS_ERROR)
		escape_append_shown(records, span->status_message.bytes, span->status_message.size,
			CONSOLE_MESSAGE_MAX);
	record.message_size = console_size_since(records, &start);
	if (span->shared != NULL)
		text_append(records, span->shared->console.bytes, span->shared->console.size);
	record.shared_size = console_size_since(records, &start);
	console_append_attributes(records, span->attributes, span->attribute_count);
	record.own_size = console_size_since(records, &start);
	memcpy(records->bytes + head, &record, sizeof record);
}

static void console_nodes_read(struct console_node *nodes, const char *bytes, size_t count)
{
	struct console_record *record;
	size_t i;

	for (i = 0; i < count; i++) {
		record = &nodes[i].record;
		memcpy(record, bytes, sizeof *record);
		nodes[i].position = i;
		nodes[i].texts = bytes + sizeof *record;
		bytes = nodes[i].texts + record->name_size + record->message_size +
			record->shared_size + record->own_size;
	}
}

static int console_compare_start(const void *first, const void *second)
{
	const struct console_node *a = first, *b = second;

	if (a->record.start_unix_ns != b->record.start_unix_ns)
		return a->record.start_unix_ns < b->record.start_unix_ns ? -1 : 1;
	return a->position < b->position ? -1 : a->position > b->position;
}

static int console_compare_ids(
	const uint8_t *trace_id, const uint8_t *span_id, const struct console_node *node)
{
	int order = memcmp(trace_id, node->record.trace_id, TRACE_ID_SIZE);

	return order != 0 ? order : memcmp(span_id, node->record.span_id, SPAN_ID_SIZE);
}

static int console_compare_nodes(const void *first, const void *second)
{
	const struct console_node *a = *(struct console_node *const *)first;
	const struct console_node *b = *(struct console_node *const *)second;
	int order = console_compare_ids(a->record.trace_id, a->record.span_id, b);

	return order != 0 ? order : a < b ? -1 : a > b;
}

static int console_compare_parent(const void *child, const void *node)
{
	const struct console_record *record = child;

	return console_compare_ids(
		record->trace_id, record->parent_span_id, *(struct console_node *const *)node);
}

/* by_id is sorted by trace; tells each node the earliest one of its trace. */
static void console_find_traces(struct console_node **by_id, size_t count)
{
	struct console_node *earliest;
	size_t i, j, end;

	for (i = 0; i < count; i = end) {
		earliest = by_id[i];
		for (end = i + 1; end < count; end++) {
			if (memcmp(by_id[i]->record.trace_id, by_id[end]->record.trace_id,
				    TRACE_ID_SIZE) != 0)
				break;
			if (by_id[end] < earliest)
				earliest = by_id[end];
		}
		for (j = i; j < end; j++)
			by_id[j]->trace = earliest;
	}
}

/* Parents stand before their children in nodes, or are not taken: so there are no circles. */
static struct console_node *console_find_parent(
	const struct console_node *node, struct console_node **by_id, size_t count)
{
	struct console_node **found;

	if (!node->record.has_parent)
		return NULL;
	found = bsearch(&node->record, by_id, count, sizeof *by_id, console_compare_parent);
	return found != NULL && *found < node ? *found : NULL;
}

static void console_hang(struct console_node *node)
{
	struct console_node **last =
		node->parent != NULL ? &node->parent->last_child : &node->trace->last_top;

	if (*last != NULL)
		(*last)->next = node;
	else if (node->parent != NULL)
		node->parent->first_child = node;
	*last = node;
}

static int console_link(struct console_node *nodes, size_t count)
{
	struct console_node **by_id = calloc(count, sizeof *by_id);
	size_t i;

	if (by_id == NULL)
		return -1;
	for (i = 0; i < count; i++)
		by_id[i] = &nodes[i];
	qsort(by_id, count, sizeof *by_id, console_compare_nodes);
	console_find_traces(by_id, count);
	for (i = 0; i < count; i++) {
		nodes[i].parent = console_find_parent(&nodes[i], by_id, count);
		console_hang(&nodes[i]);
	}
	free(by_id);
	return 0;
}

static void console_painted(
	struct text *trees, bool color, enum console_paint paint, const char *bytes, size_t size)
{
	if (size == 0)
		return;
	if (color)
		text_append(trees, console_codes[paint], strlen(console_codes[paint]));
	text_append(trees, bytes, size);
	if (color)
		TEXT_APPEND(trees, "\x1b[0m");
}

static void console_format_hex(struct text *trees, const uint8_t *bytes, size_t size)
{
	char digits[3];
	size_t i;

	for (i = 0; i < size; i++) {
		(void)snprintf(digits, sizeof digits, "%02x", bytes[i]); /* always fits */
		text_append(trees, digits, 2);
	}
}

static void console_format_branches(struct text *trees, const struct console_node *node)
{
	const struct console_node *path[CONSOLE_DEPTH_MAX];
	size_t depth = 0;

	do {
		path[depth++] = node;
		node = node->parent;
	} while (node != NULL && depth < CONSOLE_DEPTH_MAX);
	while (depth > 1)
		if (path[--depth]->next != NULL)
			TEXT_APPEND(trees, "│  ");
		else
			TEXT_APPEND(trees, "   ");
	if (path[0]->next != NULL)
		TEXT_APPEND(trees, "├─ ");
	else
		TEXT_APPEND(trees, "└─ ");
}

static void console_format_duration(struct text *trees, bool color, uint64_t duration_ns)
{
	static const struct {
		uint64_t unit_ns;
		const char *name;
	} units[] = {{1000000000, "s"}, {1000000, "ms"}, {1000, "µs"}, {1, "ns"}};
	char text[48];
	double number;
	size_t i = 0;
	int size;

	while (i < sizeof units / sizeof *units - 1 && duration_ns < units[i].unit_ns)
		i++;
	number = (double)duration_ns / (double)units[i].unit_ns;
	size = snprintf(text, sizeof text, "  %.*f %s",
		number >= 100 || units[i].unit_ns == 1 ? 0
		: number >= 10                         ? 1
						       : 2,
		number, units[i].name);
	console_painted(trees, color, CONSOLE_CYAN, text, (size_t)size);
}

static void console_format_status(
	struct text *trees, bool color, const struct console_record *record, const char *message)
{
	if (record->status == SPAN_STATUS_OK)
		console_painted(trees, color, CONSOLE_GREEN, "  ok", 4);
	if (record->status != SPAN_STATUS_ERROR)
		return;
	console_painted(trees, color, CONSOLE_RED, "  ERROR", 7);
	if (record->message_size > 0)
		TEXT_APPEND(trees, " ");
	console_painted(trees, color, CONSOLE_RED, message, record->message_size);
}

static void console_format_node(struct text *trees, bool color, const struct console_node *node)
{
	const struct console_record *record = &node->record;
	const char *message = node->texts + record->name_size;
	const char *shared = message + record->message_size;
	const char *kind = console_kinds[record->kind];
	uint64_t duration_ns = 0;

	if (record->end_unix_ns > record->start_unix_ns)
		duration_ns = record->end_unix_ns - record->start_unix_ns;
	console_format_branches(trees, node);
	console_painted(trees, color, CONSOLE_BOLD, node->texts, record->name_size);
	console_format_duration(trees, color, duration_ns);
	TEXT_APPEND(trees, "  ");
	text_append(trees, kind, strlen(kind));
	console_format_status(trees, color, record, message);
	if (record->own_size > 0 || (node->parent == NULL && record->shared_size > 0))
		TEXT_APPEND(trees, " ");
	console_painted(trees, color, CONSOLE_DIM, shared + record->shared_size, record->own_size);
	if (node->parent == NULL)
		console_painted(trees, color, CONSOLE_DIM, shared, record->shared_size);
	if (node->parent == NULL && record->has_parent) {
		TEXT_APPEND(trees, "  (parent ");
		console_format_hex(trees, record->parent_span_id, SPAN_ID_SIZE);
		TEXT_APPEND(trees, ")");
	}
	TEXT_APPEND(trees, "\n");
}

static const struct console_node *console_walk(const struct console_node *node)
{
	if (node->first_child != NULL)
		return node->first_child;
	while (node != NULL && node->next == NULL)
		node = node->parent;
	return node == NULL ? NULL : node->next;
}

static void console_format_trace(struct text *trees, bool color, const struct console_node *first)
{
	const struct console_node *node;

	TEXT_APPEND(trees, "trace ");
	console_format_hex(trees, first->record.trace_id, TRACE_ID_SIZE);
	TEXT_APPEND(trees, "\n");
	for (node = first; node != NULL; node = console_walk(node))
		console_format_node(trees, color, node);
}

int console_format(struct text *trees, const struct text *records, size_t count, bool color)
{
	struct console_node *nodes = calloc(count, sizeof *nodes);
	int result = -1;
	size_t i;

	if (nodes == NULL)
		return -1;
	console_nodes_read(nodes, records->bytes, count);
	qsort(nodes, count, sizeof *nodes, console_compare_start);
	if (console_link(nodes, count) != 0)
		goto out;
	for (i = 0; i < count; i++)
		if (nodes[i].trace == &nodes[i])
			console_format_trace(trees, color, &nodes[i]);
	if (trees->error == TEXT_OK)
		result = 0;
out:
	free(nodes);
	return result;
}

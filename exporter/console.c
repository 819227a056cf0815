/*
 * Spans for a person at a terminal. At submit a span becomes a record: a fixed head, then its
 * texts, made safe to show. Later the records of a batch are sorted by start, each hung under its
 * parent, and every trace is walked once. Without recursion: a trace may be any number of spans
 * deep. The order of what is shown depends on starts and, among equals, on arrival, never on the
 * ids. The only failure is memory.
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
#include "w3c/hex.h"

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
	{"sidespan.end_reason", "closed"},
};

/* In front of each attribute of a record; no text that is safe to show has it. */
#define CONSOLE_SEPARATOR "\x1f"

struct console_record {
	uint64_t start_unix_ns, end_unix_ns;
	/* of the texts that follow: the events' has a line each, the links' the bare ids */
	uint32_t name_size, message_size, shared_size, own_size, events_size, links_size;
	uint8_t trace_id[TRACE_ID_SIZE];
	uint8_t span_id[SPAN_ID_SIZE];
	uint8_t parent_span_id[SPAN_ID_SIZE];
	uint8_t has_parent, parent_is_remote, kind, status;
};

struct console_node {
	struct console_record record;
	const char *texts;           /* borrowed from the records */
	size_t position;             /* in order of arrival */
	size_t walk;                 /* the first one that came here, looking for circles */
	struct console_node *trace;  /* the first node of its trace */
	struct console_node *parent; /* NULL at the top */
	struct console_node *next;   /* sibling */
	struct console_node *first_child, *last_child;
	/* of a trace's first node: what stands at the top, and its number, from 1 on */
	struct console_node *first_top, *last_top;
	size_t trace_number;
};

/* What is shown at once. */
struct console_forest {
	struct console_node *nodes;  /* owned; by start */
	struct console_node **by_id; /* owned */
	size_t count;
	struct console_style style;
	struct text *trees; /* borrowed */
};

enum { CONSOLE_DURATION_SIZE = 48 };

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
		if (strcmp(attribute->key, row->key) == 0 &&
			(row->value == NULL || console_value_is(attribute, row->value)))
			return true;
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

static void console_append_list(struct text *text, const char *separator,
	const struct span_attribute *attributes, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (console_attribute_is_hidden(&attributes[i]))
			continue;
		text_append(text, separator, 1);
		text_append(text, attributes[i].key, strlen(attributes[i].key));
		TEXT_APPEND(text, "=");
		console_append_value(text, &attributes[i]);
	}
}

void console_append_attributes(
	struct text *text, const struct span_attribute *attributes, size_t count)
{
	console_append_list(text, CONSOLE_SEPARATOR, attributes, count);
}

static size_t console_duration(char text[CONSOLE_DURATION_SIZE], uint64_t from_ns, uint64_t to_ns)
{
	static const struct {
		uint64_t unit_ns;
		const char *name;
	} units[] = {{1000000000, "s"}, {1000000, "ms"}, {1000, "µs"}, {1, "ns"}};
	uint64_t duration_ns = to_ns > from_ns ? to_ns - from_ns : 0;
	double number;
	size_t i = 0;

	while (i < sizeof units / sizeof *units - 1 && duration_ns < units[i].unit_ns)
		i++;
	number = (double)duration_ns / (double)units[i].unit_ns;
	return (size_t)snprintf(text, CONSOLE_DURATION_SIZE, "  %.*f %s",
		number >= 100 || units[i].unit_ns == 1 ? 0
		: number >= 10                         ? 1
						       : 2,
		number, units[i].name); /* always fits */
}

static void console_append_event(
	struct text *text, const struct span_event *event, uint64_t start_unix_ns)
{
	char after[CONSOLE_DURATION_SIZE];
	size_t size = console_duration(after, start_unix_ns, event->time_unix_ns);

	escape_append_shown(text, event->name, strlen(event->name), CONSOLE_NAME_MAX);
	TEXT_APPEND(text, "  after");
	text_append(text, after + 1, size - 1);
	if (event->attribute_count > 0)
		TEXT_APPEND(text, " ");
	console_append_list(text, " ", event->attributes, event->attribute_count);
	TEXT_APPEND(text, "\n");
}

static void console_append_links(
	struct text *text, const struct span_link *links, size_t link_count)
{
	size_t i;

	for (i = 0; i < link_count; i++) {
		text_append(text, (const char *)links[i].trace_id, TRACE_ID_SIZE);
		text_append(text, (const char *)links[i].span_id, SPAN_ID_SIZE);
	}
}

static void console_record_fill(struct console_record *record, const struct span *span)
{
	record->start_unix_ns = span->start_unix_ns;
	record->end_unix_ns = span->end_unix_ns;
	memcpy(record->trace_id, span->context.trace_id, sizeof record->trace_id);
	memcpy(record->span_id, span->context.span_id, sizeof record->span_id);
	record->has_parent = span->has_parent;
	record->parent_is_remote = span->parent_is_remote;
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
	size_t head = records->size, start = head + sizeof record, i;

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
	for (i = 0; i < span->event_count; i++)
		console_append_event(records, &span->events[i], span->start_unix_ns);
	record.events_size = console_size_since(records, &start);
	console_append_links(records, span->links, span->link_count);
	record.links_size = console_size_since(records, &start);
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
			record->shared_size + record->own_size + record->events_size +
			record->links_size;
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

static int console_compare_link(const void *link, const void *node)
{
	const struct span_link *to = link;

	return console_compare_ids(to->trace_id, to->span_id, *(struct console_node *const *)node);
}

static struct console_node *console_find(const struct console_forest *forest, const void *key,
	int (*compare)(const void *key, const void *node))
{
	struct console_node **found =
		bsearch(key, forest->by_id, forest->count, sizeof *forest->by_id, compare);

	return found != NULL ? *found : NULL;
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

static void console_number_traces(struct console_forest *forest)
{
	size_t number = 0, i;

	for (i = 0; i < forest->count; i++)
		if (forest->nodes[i].trace == &forest->nodes[i])
			forest->nodes[i].trace_number = ++number;
}

/* Parents may be told in a circle, when ids are not what they should be: opens it. */
static void console_open_circle(struct console_node *node, size_t walk)
{
	for (; node != NULL && node->walk == 0; node = node->parent)
		node->walk = walk;
	if (node != NULL && node->walk == walk)
		node->parent = NULL;
}

static void console_find_parents(struct console_forest *forest)
{
	struct console_node *node;
	size_t i;

	for (i = 0; i < forest->count; i++) {
		node = &forest->nodes[i];
		if (node->record.has_parent)
			node->parent = console_find(forest, &node->record, console_compare_parent);
	}
	for (i = 0; i < forest->count; i++)
		console_open_circle(&forest->nodes[i], i + 1);
}

static void console_hang(struct console_node *node)
{
	struct console_node *parent = node->parent;
	struct console_node **first =
		parent != NULL ? &parent->first_child : &node->trace->first_top;
	struct console_node **last = parent != NULL ? &parent->last_child : &node->trace->last_top;

	if (*last != NULL)
		(*last)->next = node;
	else
		*first = node;
	*last = node;
}

static int console_link(struct console_forest *forest)
{
	size_t count = forest->count, i;

	forest->by_id = calloc(count, sizeof *forest->by_id);
	if (forest->by_id == NULL)
		return -1;
	for (i = 0; i < count; i++)
		forest->by_id[i] = &forest->nodes[i];
	qsort(forest->by_id, count, sizeof *forest->by_id, console_compare_nodes);
	console_find_traces(forest->by_id, count);
	console_number_traces(forest);
	console_find_parents(forest);
	for (i = 0; i < count; i++)
		console_hang(&forest->nodes[i]);
	return 0;
}

static void console_painted(const struct console_forest *forest, enum console_paint paint,
	const char *bytes, size_t size)
{
	if (size == 0)
		return;
	if (forest->style.color)
		text_append(forest->trees, console_codes[paint], strlen(console_codes[paint]));
	text_append(forest->trees, bytes, size);
	if (forest->style.color)
		TEXT_APPEND(forest->trees, "\x1b[0m");
}

static void console_format_hex(struct text *trees, const uint8_t *bytes, size_t size)
{
	char *p = text_room(trees, 2 * size);

	if (p != NULL)
		text_end(trees, hex_put(p, bytes, size));
}

/* What stands before the lines below a node's parent, and then below the node itself. */
static void console_format_rails(struct text *trees, const struct console_node *node, bool below)
{
	const struct console_node *path[CONSOLE_DEPTH_MAX];
	size_t depth = 0, end = below ? 0 : 1;

	do {
		path[depth++] = node;
		node = node->parent;
	} while (node != NULL && depth < CONSOLE_DEPTH_MAX);
	while (depth > end)
		if (path[--depth]->next != NULL)
			TEXT_APPEND(trees, "│  ");
		else
			TEXT_APPEND(trees, "   ");
}

static void console_format_branch(struct text *trees, const struct console_node *node)
{
	console_format_rails(trees, node, false);
	if (node->next != NULL)
		TEXT_APPEND(trees, "├─ ");
	else
		TEXT_APPEND(trees, "└─ ");
}

static void console_format_status(const struct console_forest *forest,
	const struct console_record *record, const char *message)
{
	if (record->status == SPAN_STATUS_OK)
		console_painted(forest, CONSOLE_GREEN, "  ok", 4);
	if (record->status != SPAN_STATUS_ERROR)
		return;
	console_painted(forest, CONSOLE_RED, "  ERROR", 7);
	if (record->message_size > 0)
		TEXT_APPEND(forest->trees, " ");
	console_painted(forest, CONSOLE_RED, message, record->message_size);
}

/* The parent of a node at the top. Where ids are not shown, only a client's is worth telling. */
static void console_format_parent(
	const struct console_forest *forest, const struct console_record *record)
{
	TEXT_APPEND(forest->trees, "  (parent ");
	if (forest->style.numbered && !record->parent_is_remote)
		TEXT_APPEND(forest->trees, "is missing");
	else
		console_format_hex(forest->trees, record->parent_span_id, SPAN_ID_SIZE);
	TEXT_APPEND(forest->trees, ")");
}

static void console_format_link_ids(struct text *trees, const struct span_link *link)
{
	TEXT_APPEND(trees, "  (link to ");
	console_format_hex(trees, link->span_id, SPAN_ID_SIZE);
	TEXT_APPEND(trees, " of trace ");
	console_format_hex(trees, link->trace_id, TRACE_ID_SIZE);
	TEXT_APPEND(trees, ")");
}

static void console_format_link(const struct console_forest *forest, const struct span_link *link)
{
	const struct console_node *node = console_find(forest, link, console_compare_link);
	char number[40];
	int size;

	if (!forest->style.numbered) {
		console_format_link_ids(forest->trees, link);
		return;
	}
	TEXT_APPEND(forest->trees, "  (link to ");
	if (node == NULL) {
		TEXT_APPEND(forest->trees, "what is missing)");
		return;
	}
	size = snprintf(number, sizeof number, " of trace %zu)", node->trace->trace_number);
	text_append(forest->trees, node->texts, node->record.name_size);
	text_append(forest->trees, number, (size_t)size);
}

static void console_format_links(
	const struct console_forest *forest, const char *bytes, size_t size)
{
	struct span_link link;

	for (; size > 0; size -= TRACE_ID_SIZE + SPAN_ID_SIZE) {
		memcpy(link.trace_id, bytes, TRACE_ID_SIZE);
		memcpy(link.span_id, bytes + TRACE_ID_SIZE, SPAN_ID_SIZE);
		console_format_link(forest, &link);
		bytes += TRACE_ID_SIZE + SPAN_ID_SIZE;
	}
}

/* A line for each event, between the span and its children. */
static void console_format_events(const struct console_forest *forest,
	const struct console_node *node, const char *bytes, size_t size)
{
	const char *end = bytes + size;
	size_t line_size;

	for (; bytes < end; bytes += line_size + 1) {
		line_size =
			(size_t)((const char *)memchr(bytes, '\n', (size_t)(end - bytes)) - bytes);
		console_format_rails(forest->trees, node, true);
		if (node->first_child != NULL)
			TEXT_APPEND(forest->trees, "│  · ");
		else
			TEXT_APPEND(forest->trees, "   · ");
		console_painted(forest, CONSOLE_DIM, bytes, line_size);
		TEXT_APPEND(forest->trees, "\n");
	}
}

/* Its attributes that are not those of its connection. */
static const char *console_own(const struct console_node *node)
{
	const struct console_record *record = &node->record;

	return node->texts + record->name_size + record->message_size + record->shared_size;
}

/* The size of the first attribute of a list, with its separator. */
static size_t console_attribute_size(const char *list, size_t size)
{
	const char *next = memchr(list + 1, CONSOLE_SEPARATOR[0], size - 1);

	return next == NULL ? size : (size_t)(next - list);
}

/* Whether the list has that attribute with that value. */
static bool console_list_has(
	const char *list, size_t list_size, const char *attribute, size_t attribute_size)
{
	size_t size;

	for (; list_size > 0; list += size, list_size -= size) {
		size = console_attribute_size(list, list_size);
		if (size == attribute_size && memcmp(list, attribute, size) == 0)
			return true;
	}
	return false;
}

/* Whether it is of another kind than its parent: then it need not repeat what that has said. */
static bool console_differs(const struct console_node *node)
{
	const struct console_node *parent = node->parent;

	return parent != NULL &&
	       (parent->record.name_size != node->record.name_size ||
		       memcmp(parent->texts, node->texts, node->record.name_size) != 0);
}

/* Attributes, but for those that the line above has just the same; *gap comes before the next. */
static void console_format_attributes(const struct console_forest *forest,
	const struct console_node *node, const char *list, size_t list_size, const char **gap)
{
	const struct console_node *parent = console_differs(node) ? node->parent : NULL;
	size_t size;

	for (; list_size > 0; list += size, list_size -= size) {
		size = console_attribute_size(list, list_size);
		if (parent != NULL &&
			console_list_has(console_own(parent), parent->record.own_size, list, size))
			continue;
		text_append(forest->trees, *gap, strlen(*gap));
		*gap = " ";
		console_painted(forest, CONSOLE_DIM, list + 1, size - 1);
	}
}

static void console_format_node(
	const struct console_forest *forest, const struct console_node *node)
{
	const struct console_record *record = &node->record;
	const char *message = node->texts + record->name_size;
	const char *shared = message + record->message_size;
	const char *own = console_own(node);
	const char *events = own + record->own_size;
	const char *kind = console_kinds[record->kind];
	const char *gap = "  ";
	char duration[CONSOLE_DURATION_SIZE];
	size_t size = console_duration(duration, record->start_unix_ns, record->end_unix_ns);

	console_format_branch(forest->trees, node);
	console_painted(forest, CONSOLE_BOLD, node->texts, record->name_size);
	console_painted(forest, CONSOLE_CYAN, duration, size);
	TEXT_APPEND(forest->trees, "  ");
	text_append(forest->trees, kind, strlen(kind));
	console_format_status(forest, record, message);
	console_format_attributes(forest, node, own, record->own_size, &gap);
	if (node->parent == NULL)
		console_format_attributes(forest, node, shared, record->shared_size, &gap);
	if (node->parent == NULL && record->has_parent)
		console_format_parent(forest, record);
	console_format_links(forest, events + record->events_size, record->links_size);
	TEXT_APPEND(forest->trees, "\n");
	console_format_events(forest, node, events, record->events_size);
}

static const struct console_node *console_walk(const struct console_node *node)
{
	if (node->first_child != NULL)
		return node->first_child;
	while (node != NULL && node->next == NULL)
		node = node->parent;
	return node == NULL ? NULL : node->next;
}

static void console_format_trace(
	const struct console_forest *forest, const struct console_node *first)
{
	const struct console_node *node;
	char number[24];
	int size;

	TEXT_APPEND(forest->trees, "trace ");
	if (forest->style.numbered) {
		size = snprintf(number, sizeof number, "%zu", first->trace_number);
		text_append(forest->trees, number, (size_t)size);
	} else {
		console_format_hex(forest->trees, first->record.trace_id, TRACE_ID_SIZE);
	}
	TEXT_APPEND(forest->trees, "\n");
	for (node = first->first_top; node != NULL; node = console_walk(node))
		console_format_node(forest, node);
}

int console_format(
	struct text *trees, const struct text *records, size_t count, struct console_style style)
{
	struct console_forest forest = {.count = count, .style = style, .trees = trees};
	int result = -1;
	size_t i;

	forest.nodes = calloc(count, sizeof *forest.nodes);
	if (forest.nodes == NULL)
		return -1;
	console_nodes_read(forest.nodes, records->bytes, count);
	qsort(forest.nodes, count, sizeof *forest.nodes, console_compare_start);
	if (console_link(&forest) != 0)
		goto out;
	for (i = 0; i < count; i++)
		if (forest.nodes[i].trace == &forest.nodes[i])
			console_format_trace(&forest, &forest.nodes[i]);
	if (trees->error == TEXT_OK)
		result = 0;
out:
	free(forest.by_id);
	free(forest.nodes);
	return result;
}

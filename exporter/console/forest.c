/*
 * The records of a batch are sorted by start, each is hung under its parent, and every trace is
 * walked once. Without recursion: a trace may be any number of spans deep. The order of what is
 * shown depends on starts and, among equals, on arrival, never on the ids. The only failure is
 * memory.
 */
#include "exporter/console/forest.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/console/record.h"
#include "exporter/span.h"
#include "exporter/text.h"
#include "w3c/hex.h"

#define FOREST_DEPTH_MAX 24 /* levels of indentation */

struct forest_node {
	struct console_record record;
	const char *texts;          /* borrowed from the records */
	size_t position;            /* in order of arrival */
	size_t walk;                /* the first one that came here, looking for circles */
	struct forest_node *trace;  /* the first node of its trace */
	struct forest_node *parent; /* NULL at the top */
	struct forest_node *next;   /* sibling */
	struct forest_node *first_child, *last_child;
	/* of a trace's first node: what stands at the top, and its number, from 1 on */
	struct forest_node *first_top, *last_top;
	size_t trace_number;
};

/* What is shown at once. */
struct forest {
	struct forest_node *nodes;  /* owned; by start */
	struct forest_node **by_id; /* owned */
	size_t count;
	struct forest_style style;
	struct text *trees; /* borrowed */
};

enum forest_paint { FOREST_BOLD, FOREST_DIM, FOREST_RED, FOREST_GREEN, FOREST_CYAN };

static const char *const forest_codes[] = {
	[FOREST_BOLD] = "\x1b[1m",
	[FOREST_DIM] = "\x1b[2m",
	[FOREST_RED] = "\x1b[31m",
	[FOREST_GREEN] = "\x1b[32m",
	[FOREST_CYAN] = "\x1b[36m",
};

static const char *const forest_kinds[] = {
	[SPAN_KIND_INTERNAL] = "internal",
	[SPAN_KIND_SERVER] = "server",
	[SPAN_KIND_CLIENT] = "client",
};

/* ---- from records to nodes ---- */

static void forest_nodes_read(struct forest_node *nodes, const char *bytes, size_t count)
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

static int forest_compare_start(const void *first, const void *second)
{
	const struct forest_node *a = first, *b = second;

	if (a->record.start_unix_ns != b->record.start_unix_ns)
		return a->record.start_unix_ns < b->record.start_unix_ns ? -1 : 1;
	return a->position < b->position ? -1 : a->position > b->position;
}

static int forest_compare_ids(
	const uint8_t *trace_id, const uint8_t *span_id, const struct forest_node *node)
{
	int order = memcmp(trace_id, node->record.trace_id, TRACE_ID_SIZE);

	return order != 0 ? order : memcmp(span_id, node->record.span_id, SPAN_ID_SIZE);
}

static int forest_compare_nodes(const void *first, const void *second)
{
	const struct forest_node *a = *(struct forest_node *const *)first;
	const struct forest_node *b = *(struct forest_node *const *)second;
	int order = forest_compare_ids(a->record.trace_id, a->record.span_id, b);

	return order != 0 ? order : a < b ? -1 : a > b;
}

static int forest_compare_parent(const void *child, const void *node)
{
	const struct console_record *record = child;

	return forest_compare_ids(
		record->trace_id, record->parent_span_id, *(struct forest_node *const *)node);
}

static int forest_compare_link(const void *link, const void *node)
{
	const struct span_link *to = link;

	return forest_compare_ids(to->trace_id, to->span_id, *(struct forest_node *const *)node);
}

static struct forest_node *forest_find(const struct forest *forest, const void *key,
	int (*compare)(const void *key, const void *node))
{
	struct forest_node **found =
		bsearch(key, forest->by_id, forest->count, sizeof *forest->by_id, compare);

	return found != NULL ? *found : NULL;
}

/* by_id is sorted by trace; tells each node the earliest one of its trace. */
static void forest_find_traces(struct forest_node **by_id, size_t count)
{
	struct forest_node *earliest;
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

static void forest_number_traces(struct forest *forest)
{
	size_t number = 0, i;

	for (i = 0; i < forest->count; i++)
		if (forest->nodes[i].trace == &forest->nodes[i])
			forest->nodes[i].trace_number = ++number;
}

/* Parents may be told in a circle, when ids are not what they should be: opens it. */
static void forest_open_circle(struct forest_node *node, size_t walk)
{
	for (; node != NULL && node->walk == 0; node = node->parent)
		node->walk = walk;
	if (node != NULL && node->walk == walk)
		node->parent = NULL;
}

static void forest_find_parents(struct forest *forest)
{
	struct forest_node *node;
	size_t i;

	for (i = 0; i < forest->count; i++) {
		node = &forest->nodes[i];
		if (node->record.has_parent)
			node->parent = forest_find(forest, &node->record, forest_compare_parent);
	}
	for (i = 0; i < forest->count; i++)
		forest_open_circle(&forest->nodes[i], i + 1);
}

static void forest_hang(struct forest_node *node)
{
	struct forest_node *parent = node->parent;
	struct forest_node **first =
		parent != NULL ? &parent->first_child : &node->trace->first_top;
	struct forest_node **last = parent != NULL ? &parent->last_child : &node->trace->last_top;

	if (*last != NULL)
		(*last)->next = node;
	else
		*first = node;
	*last = node;
}

static int forest_link(struct forest *forest)
{
	size_t count = forest->count, i;

	forest->by_id = calloc(count, sizeof *forest->by_id);
	if (forest->by_id == NULL)
		return -1;
	for (i = 0; i < count; i++)
		forest->by_id[i] = &forest->nodes[i];
	qsort(forest->by_id, count, sizeof *forest->by_id, forest_compare_nodes);
	forest_find_traces(forest->by_id, count);
	forest_number_traces(forest);
	forest_find_parents(forest);
	for (i = 0; i < count; i++)
		forest_hang(&forest->nodes[i]);
	return 0;
}

/* ---- showing them ---- */

static void forest_painted(
	const struct forest *forest, enum forest_paint paint, const char *bytes, size_t size)
{
	if (size == 0)
		return;
	if (forest->style.color)
		text_append(forest->trees, forest_codes[paint], strlen(forest_codes[paint]));
	text_append(forest->trees, bytes, size);
	if (forest->style.color)
		TEXT_APPEND(forest->trees, "\x1b[0m");
}

static void forest_format_hex(struct text *trees, const uint8_t *bytes, size_t size)
{
	char *p = text_room(trees, 2 * size);

	if (p != NULL)
		text_end(trees, hex_put(p, bytes, size));
}

/* What stands before the lines below a node's parent, and then below the node itself. */
static void forest_format_rails(struct text *trees, const struct forest_node *node, bool below)
{
	const struct forest_node *path[FOREST_DEPTH_MAX];
	size_t depth = 0, end = below ? 0 : 1;

	do {
		path[depth++] = node;
		node = node->parent;
	} while (node != NULL && depth < FOREST_DEPTH_MAX);
	while (depth > end)
		if (path[--depth]->next != NULL)
			TEXT_APPEND(trees, "│  ");
		else
			TEXT_APPEND(trees, "   ");
}

static void forest_format_branch(struct text *trees, const struct forest_node *node)
{
	forest_format_rails(trees, node, false);
	if (node->next != NULL)
		TEXT_APPEND(trees, "├─ ");
	else
		TEXT_APPEND(trees, "└─ ");
}

static void forest_format_status(
	const struct forest *forest, const struct console_record *record, const char *message)
{
	if (record->status == SPAN_STATUS_OK)
		forest_painted(forest, FOREST_GREEN, "  ok", 4);
	if (record->status != SPAN_STATUS_ERROR)
		return;
	forest_painted(forest, FOREST_RED, "  ERROR", 7);
	if (record->message_size > 0)
		TEXT_APPEND(forest->trees, " ");
	forest_painted(forest, FOREST_RED, message, record->message_size);
}

/*
 * What a node at the top hangs below: a span of the client's program, or one of ours that is shown
 * elsewhere. Where ids are not shown, only a client's is worth telling.
 */
static void forest_format_parent(const struct forest *forest, const struct console_record *record)
{
	if (forest->style.numbered && !record->parent_is_remote) {
		TEXT_APPEND(forest->trees, "  (parent is missing)");
		return;
	}
	if (record->parent_is_remote)
		TEXT_APPEND(forest->trees, "  (parent ");
	else
		TEXT_APPEND(forest->trees, "  (below ");
	forest_format_hex(forest->trees, record->parent_span_id, SPAN_ID_SIZE);
	TEXT_APPEND(forest->trees, ")");
}

static void forest_format_link_ids(struct text *trees, const struct span_link *link)
{
	TEXT_APPEND(trees, "  (link to ");
	forest_format_hex(trees, link->span_id, SPAN_ID_SIZE);
	TEXT_APPEND(trees, " of trace ");
	forest_format_hex(trees, link->trace_id, TRACE_ID_SIZE);
	TEXT_APPEND(trees, ")");
}

static void forest_format_link(const struct forest *forest, const struct span_link *link)
{
	const struct forest_node *node = forest_find(forest, link, forest_compare_link);
	char number[40];
	int size;

	if (!forest->style.numbered) {
		forest_format_link_ids(forest->trees, link);
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

static void forest_format_links(const struct forest *forest, const char *bytes, size_t size)
{
	struct span_link link;

	for (; size > 0; size -= TRACE_ID_SIZE + SPAN_ID_SIZE) {
		memcpy(link.trace_id, bytes, TRACE_ID_SIZE);
		memcpy(link.span_id, bytes + TRACE_ID_SIZE, SPAN_ID_SIZE);
		forest_format_link(forest, &link);
		bytes += TRACE_ID_SIZE + SPAN_ID_SIZE;
	}
}

/* A line for each event, between the span and its children. */
static void forest_format_events(
	const struct forest *forest, const struct forest_node *node, const char *bytes, size_t size)
{
	const char *end = bytes + size;
	size_t line_size;

	for (; bytes < end; bytes += line_size + 1) {
		line_size =
			(size_t)((const char *)memchr(bytes, '\n', (size_t)(end - bytes)) - bytes);
		forest_format_rails(forest->trees, node, true);
		if (node->first_child != NULL)
			TEXT_APPEND(forest->trees, "│  · ");
		else
			TEXT_APPEND(forest->trees, "   · ");
		forest_painted(forest, FOREST_DIM, bytes, line_size);
		TEXT_APPEND(forest->trees, "\n");
	}
}

/* Its attributes that are not those of its connection. */
static const char *forest_own(const struct forest_node *node)
{
	const struct console_record *record = &node->record;

	return node->texts + record->name_size + record->message_size + record->shared_size;
}

/* The size of the first attribute of a list, with its separator. */
static size_t forest_attribute_size(const char *list, size_t size)
{
	const char *next = memchr(list + 1, CONSOLE_SEPARATOR[0], size - 1);

	return next == NULL ? size : (size_t)(next - list);
}

/* Whether the list has that attribute with that value. */
static bool forest_list_has(
	const char *list, size_t list_size, const char *attribute, size_t attribute_size)
{
	size_t size;

	for (; list_size > 0; list += size, list_size -= size) {
		size = forest_attribute_size(list, list_size);
		if (size == attribute_size && memcmp(list, attribute, size) == 0)
			return true;
	}
	return false;
}

/* Whether it is of another kind than its parent: then it need not repeat what that has said. */
static bool forest_differs(const struct forest_node *node)
{
	const struct forest_node *parent = node->parent;

	return parent != NULL &&
	       (parent->record.name_size != node->record.name_size ||
		       memcmp(parent->texts, node->texts, node->record.name_size) != 0);
}

/* Attributes, but for those that the line above has just the same; *gap comes before the next. */
static void forest_format_attributes(const struct forest *forest, const struct forest_node *node,
	const char *list, size_t list_size, const char **gap)
{
	const struct forest_node *parent = forest_differs(node) ? node->parent : NULL;
	size_t size;

	for (; list_size > 0; list += size, list_size -= size) {
		size = forest_attribute_size(list, list_size);
		if (parent != NULL &&
			forest_list_has(forest_own(parent), parent->record.own_size, list, size))
			continue;
		text_append(forest->trees, *gap, strlen(*gap));
		*gap = " ";
		forest_painted(forest, FOREST_DIM, list + 1, size - 1);
	}
}

static void forest_format_node(const struct forest *forest, const struct forest_node *node)
{
	const struct console_record *record = &node->record;
	const char *message = node->texts + record->name_size;
	const char *shared = message + record->message_size;
	const char *own = forest_own(node);
	const char *events = own + record->own_size;
	const char *kind = forest_kinds[record->kind];
	const char *gap = "  ";
	char duration[CONSOLE_DURATION_SIZE];
	size_t size = console_duration(duration, record->start_unix_ns, record->end_unix_ns);

	forest_format_branch(forest->trees, node);
	forest_painted(forest, FOREST_BOLD, node->texts, record->name_size);
	forest_painted(forest, FOREST_CYAN, duration, size);
	TEXT_APPEND(forest->trees, "  ");
	text_append(forest->trees, kind, strlen(kind));
	forest_format_status(forest, record, message);
	forest_format_attributes(forest, node, own, record->own_size, &gap);
	if (node->parent == NULL)
		forest_format_attributes(forest, node, shared, record->shared_size, &gap);
	if (node->parent == NULL && record->has_parent)
		forest_format_parent(forest, record);
	forest_format_links(forest, events + record->events_size, record->links_size);
	TEXT_APPEND(forest->trees, "\n");
	forest_format_events(forest, node, events, record->events_size);
}

static const struct forest_node *forest_walk(const struct forest_node *node)
{
	if (node->first_child != NULL)
		return node->first_child;
	while (node != NULL && node->next == NULL)
		node = node->parent;
	return node == NULL ? NULL : node->next;
}

static void forest_format_trace(const struct forest *forest, const struct forest_node *first)
{
	const struct forest_node *node;
	char number[24];
	int size;

	TEXT_APPEND(forest->trees, "trace ");
	if (forest->style.numbered) {
		size = snprintf(number, sizeof number, "%zu", first->trace_number);
		text_append(forest->trees, number, (size_t)size);
	} else {
		forest_format_hex(forest->trees, first->record.trace_id, TRACE_ID_SIZE);
	}
	TEXT_APPEND(forest->trees, "\n");
	for (node = first->first_top; node != NULL; node = forest_walk(node))
		forest_format_node(forest, node);
}

int forest_format(
	struct text *trees, const struct text *records, size_t count, struct forest_style style)
{
	struct forest forest = {.count = count, .style = style, .trees = trees};
	int result = -1;
	size_t i;

	forest.nodes = calloc(count, sizeof *forest.nodes);
	if (forest.nodes == NULL)
		return -1;
	forest_nodes_read(forest.nodes, records->bytes, count);
	qsort(forest.nodes, count, sizeof *forest.nodes, forest_compare_start);
	if (forest_link(&forest) != 0)
		goto out;
	for (i = 0; i < count; i++)
		if (forest.nodes[i].trace == &forest.nodes[i])
			forest_format_trace(&forest, &forest.nodes[i]);
	if (trees->error == TEXT_OK)
		result = 0;
out:
	free(forest.by_id);
	free(forest.nodes);
	return result;
}

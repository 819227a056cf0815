/*
 * Every trace is walked once; each node becomes a line, which goes on in further ones where it
 * would be too wide, and a line for each event. What lines above have said is not said again. The
 * only failure is memory.
 */
#include "exporter/console/forest.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "exporter/console/connections.h"
#include "exporter/console/line.h"
#include "exporter/console/nodes.h"
#include "exporter/console/record.h"
#include "exporter/span.h"
#include "exporter/text.h"
#include "w3c/hex.h"

enum {
	FOREST_DEPTH_MIN = 4, /* levels of indentation, however narrow a line is */
	FOREST_DEPTH_MAX = 24,
	FOREST_LEVEL = 3, /* columns of one */
	FOREST_ROOM = 40, /* columns that are kept for what stands behind the indentation */
};

#define FOREST_CONNECTION CONSOLE_SEPARATOR CONSOLE_CONNECTION "="

/* Attributes as they are in a record, each behind a separator; size 0: none. */
struct forest_list {
	const char *bytes;
	size_t size;
};

/* What is shown at once. */
struct forest {
	struct nodes nodes;
	struct forest_style style;
	size_t depth_max;
	struct line line;
	struct text piece;             /* owned: for what is put together before it is put */
	bool failed;                   /* for want of memory a piece was lost */
	struct forest_list connection; /* what has been said of the connection of this trace */
};

static const char *const forest_kinds[] = {
	[SPAN_KIND_INTERNAL] = "internal",
	[SPAN_KIND_SERVER] = "server",
	[SPAN_KIND_CLIENT] = "client",
};

static void forest_put(struct forest *forest, const char *text)
{
	line_put(&forest->line, LINE_PLAIN, text, strlen(text));
}

/*
 * What was put together in forest->piece: with a gap, in a further line if need be; or right here.
 */
static void forest_put_piece(struct forest *forest, const char *gap)
{
	struct text *piece = &forest->piece;

	if (gap != NULL)
		line_piece(&forest->line, gap, LINE_PLAIN, piece->bytes, piece->size);
	else
		line_put(&forest->line, LINE_PLAIN, piece->bytes, piece->size);
	forest->failed |= piece->error != TEXT_OK;
	text_rewind(piece, 0);
}

static void forest_append_hex(struct text *text, const uint8_t *bytes, size_t size)
{
	char *p = text_room(text, 2 * size);

	if (p != NULL)
		text_end(text, hex_put(p, bytes, size));
}

/* What stands before the lines below a node's parent, and then below the node itself. */
static void forest_append_rails(
	const struct forest *forest, struct text *text, const struct node *node, bool below)
{
	const struct node *path[FOREST_DEPTH_MAX];
	size_t depth = 0, end = below ? 0 : 1;

	assert(forest->depth_max <= FOREST_DEPTH_MAX);
	do {
		path[depth++] = node;
		node = node->parent;
	} while (node != NULL && depth < forest->depth_max);
	while (depth > end)
		if (path[--depth]->next != NULL)
			TEXT_APPEND(text, "│  ");
		else
			TEXT_APPEND(text, "   ");
}

/* What lines below the node begin with, and the next one if it is still the node's. */
static void forest_set_indent(struct forest *forest, const struct node *node)
{
	forest_append_rails(forest, &forest->line.indent, node, true);
	if (node->first_child != NULL)
		TEXT_APPEND(&forest->line.indent, "│    ");
	else
		TEXT_APPEND(&forest->line.indent, "     ");
}

static void forest_format_branch(struct forest *forest, const struct node *node)
{
	forest_append_rails(forest, &forest->piece, node, false);
	if (node->next != NULL)
		TEXT_APPEND(&forest->piece, "├─ ");
	else
		TEXT_APPEND(&forest->piece, "└─ ");
	forest_put_piece(forest, NULL);
}

static void forest_format_status(
	struct forest *forest, const struct console_record *record, const char *message)
{
	if (record->status == SPAN_STATUS_OK)
		line_piece(&forest->line, "  ", LINE_GREEN, "ok", 2);
	if (record->status != SPAN_STATUS_ERROR)
		return;
	line_piece(&forest->line, "  ", LINE_RED, "ERROR", 5);
	line_words(&forest->line, " ", LINE_RED, message, record->message_size);
}

/*
 * What a node at the top hangs below: a span of the client's program, or one of ours that is shown
 * elsewhere. Where ids are not shown, only a client's is worth telling.
 */
static void forest_format_parent(struct forest *forest, const struct console_record *record)
{
	if (forest->style.numbered && !record->parent_is_remote) {
		TEXT_APPEND(&forest->piece, "(parent is missing)");
	} else {
		if (record->parent_is_remote)
			TEXT_APPEND(&forest->piece, "(parent ");
		else
			TEXT_APPEND(&forest->piece, "(below ");
		forest_append_hex(&forest->piece, record->parent_span_id, SPAN_ID_SIZE);
		TEXT_APPEND(&forest->piece, ")");
	}
	forest_put_piece(forest, "  ");
}

static void forest_format_link(struct forest *forest, const struct span_link *link)
{
	const struct node *node = nodes_linked(&forest->nodes, link);
	struct text *piece = &forest->piece;
	char number[40];

	TEXT_APPEND(piece, "(link to ");
	if (!forest->style.numbered) {
		forest_append_hex(piece, link->span_id, SPAN_ID_SIZE);
		TEXT_APPEND(piece, " of trace ");
		forest_append_hex(piece, link->trace_id, TRACE_ID_SIZE);
	} else if (node == NULL) {
		TEXT_APPEND(piece, "what is missing");
	} else {
		text_append(piece, node->texts, node->record.name_size);
		text_append(piece, number,
			(size_t)snprintf(
				number, sizeof number, " of trace %zu", node->trace->trace_number));
	}
	TEXT_APPEND(piece, ")");
	forest_put_piece(forest, "  ");
}

static void forest_format_links(struct forest *forest, const char *bytes, size_t size)
{
	struct span_link link;

	for (; size > 0; size -= TRACE_ID_SIZE + SPAN_ID_SIZE) {
		memcpy(link.trace_id, bytes, TRACE_ID_SIZE);
		memcpy(link.span_id, bytes + TRACE_ID_SIZE, SPAN_ID_SIZE);
		forest_format_link(forest, &link);
		bytes += TRACE_ID_SIZE + SPAN_ID_SIZE;
	}
}

/* Its attributes, but for those of its connection. */
static struct forest_list forest_own(const struct node *node)
{
	const struct console_record *record = &node->record;

	return (struct forest_list){
		.bytes = node->texts + record->name_size + record->message_size +
			 record->shared_size,
		.size = record->own_size,
	};
}

/* Those of its connection. */
static struct forest_list forest_shared(const struct node *node)
{
	const struct console_record *record = &node->record;

	return (struct forest_list){
		.bytes = node->texts + record->name_size + record->message_size,
		.size = record->shared_size,
	};
}

/* A line for each event, between the span and its children. */
static void forest_format_events(struct forest *forest, const struct node *node)
{
	const char *bytes = forest_own(node).bytes + node->record.own_size;
	const char *end = bytes + node->record.events_size;
	size_t size;

	for (; bytes < end; bytes += size + 1) {
		size = (size_t)((const char *)memchr(bytes, '\n', (size_t)(end - bytes)) - bytes);
		forest_append_rails(forest, &forest->piece, node, true);
		if (node->first_child != NULL)
			TEXT_APPEND(&forest->piece, "│  · ");
		else
			TEXT_APPEND(&forest->piece, "   · ");
		forest_put_piece(forest, NULL);
		forest_set_indent(forest, node);
		line_words(&forest->line, "", LINE_DIM, bytes, size);
		line_end(&forest->line);
	}
}

/* ---- attributes ---- */

/* The size of the first attribute of a list, with its separator. */
static size_t forest_attribute_size(struct forest_list list)
{
	const char *next = memchr(list.bytes + 1, CONSOLE_SEPARATOR[0], list.size - 1);

	return next == NULL ? list.size : (size_t)(next - list.bytes);
}

/* Takes the first attribute out of a list that has one. */
static struct span_text forest_next(struct forest_list *list)
{
	struct span_text attribute = {.bytes = list->bytes, .size = forest_attribute_size(*list)};

	list->bytes += attribute.size;
	list->size -= attribute.size;
	return attribute;
}

/* Whether the list has that attribute with that value. */
static bool forest_list_has(struct forest_list list, struct span_text attribute)
{
	while (list.size > 0) {
		struct span_text next = forest_next(&list);

		if (next.size == attribute.size && next.size > 0 &&
			memcmp(next.bytes, attribute.bytes, next.size) == 0)
			return true;
	}
	return false;
}

static bool forest_is_connection(struct span_text attribute)
{
	return attribute.size > sizeof FOREST_CONNECTION - 1 &&
	       memcmp(attribute.bytes, FOREST_CONNECTION, sizeof FOREST_CONNECTION - 1) == 0;
}

/* The number of the connection that a list tells of; size 0: of none. */
static struct span_text forest_connection(struct forest_list list)
{
	struct span_text attribute;

	while (list.size > 0) {
		attribute = forest_next(&list);
		if (forest_is_connection(attribute))
			return (struct span_text){
				.bytes = attribute.bytes + sizeof FOREST_CONNECTION - 1,
				.size = attribute.size - (sizeof FOREST_CONNECTION - 1),
			};
	}
	return (struct span_text){.size = 0};
}

/* Whether it is of another kind than its parent: then it need not repeat what that has said. */
static bool forest_differs(const struct node *node)
{
	const struct node *parent = node->parent;

	return parent != NULL &&
	       (parent->record.name_size != node->record.name_size ||
		       memcmp(parent->texts, node->texts, node->record.name_size) != 0);
}

/* Attributes, but for those that have been said; *gap comes before the next. */
static void forest_format_attributes(
	struct forest *forest, const struct node *node, struct forest_list list, const char **gap)
{
	const struct node *parent = forest_differs(node) ? node->parent : NULL;
	bool by_number = forest->style.connections != NULL;
	struct span_text attribute;

	while (list.size > 0) {
		attribute = forest_next(&list);
		if ((forest_is_connection(attribute) && !by_number) ||
			forest_list_has(forest->connection, attribute) ||
			(parent != NULL && forest_list_has(forest_own(parent), attribute)))
			continue;
		line_piece(&forest->line, *gap, LINE_DIM, attribute.bytes + 1, attribute.size - 1);
		*gap = " ";
	}
}

/* ---- traces ---- */

static void forest_format_node(struct forest *forest, const struct node *node)
{
	const struct console_record *record = &node->record;
	const char *kind = forest_kinds[record->kind];
	const char *gap = "  ";
	char duration[CONSOLE_DURATION_SIZE];
	size_t size = console_duration(duration, record->start_unix_ns, record->end_unix_ns);

	forest_set_indent(forest, node);
	forest_format_branch(forest, node);
	line_put(&forest->line, LINE_BOLD, node->texts, record->name_size);
	line_piece(&forest->line, "  ", LINE_CYAN, duration, size);
	line_piece(&forest->line, "  ", LINE_PLAIN, kind, strlen(kind));
	forest_format_status(forest, record, node->texts + record->name_size);
	forest_format_attributes(forest, node, forest_own(node), &gap);
	if (node->parent == NULL)
		forest_format_attributes(forest, node, forest_shared(node), &gap);
	if (node->parent == NULL && record->has_parent)
		forest_format_parent(forest, record);
	forest_format_links(forest, forest_own(node).bytes + record->own_size + record->events_size,
		record->links_size);
	line_end(&forest->line);
	forest_format_events(forest, node);
}

/*
 * Says what spans of a connection have in common, once, and returns its number: of the first span
 * of the trace that has one. None of its spans says it again.
 */
static struct span_text forest_format_connection(struct forest *forest, const struct node *node)
{
	struct connections *connections = forest->style.connections;
	struct span_text number = {.size = 0}, said;
	const char *gap = "  ";

	while (node != NULL && node->record.shared_size == 0)
		node = nodes_walk(node);
	forest->connection.size = 0;
	if (node == NULL || connections == NULL)
		return number;
	number = forest_connection(forest_shared(node));
	if (number.size == 0)
		return number;
	said = (struct span_text){forest_shared(node).bytes, forest_shared(node).size};
	if (!connections_say(connections, number, said) &&
		said.size > number.size + sizeof FOREST_CONNECTION - 1) {
		TEXT_APPEND(&forest->line.indent, "    ");
		forest_put(forest, "connection ");
		line_put(&forest->line, LINE_PLAIN, number.bytes, number.size);
		forest->connection = (struct forest_list){
			.bytes = number.bytes - (sizeof FOREST_CONNECTION - 1),
			.size = number.size + sizeof FOREST_CONNECTION - 1,
		};
		forest_format_attributes(forest, node, forest_shared(node), &gap);
		line_end(&forest->line);
	}
	forest->connection = forest_shared(node);
	return number;
}

static void forest_format_trace(struct forest *forest, const struct node *first)
{
	const struct node *node = first->first_top;
	struct span_text connection = forest_format_connection(forest, node);
	char number[24];

	forest_put(forest, "trace ");
	if (forest->style.numbered)
		text_append(&forest->piece, number,
			(size_t)snprintf(number, sizeof number, "%zu", first->trace_number));
	else
		forest_append_hex(&forest->piece, first->record.trace_id, TRACE_ID_SIZE);
	forest_put_piece(forest, NULL);
	if (connection.size > 0 && connections_are_many(forest->style.connections)) {
		TEXT_APPEND(&forest->piece, "connection ");
		text_append(&forest->piece, connection.bytes, connection.size);
		forest_put_piece(forest, "  ");
	}
	line_end(&forest->line);
	for (; node != NULL; node = nodes_walk(node))
		forest_format_node(forest, node);
}

/* How deep lines are indented at most, so that there is room behind. */
static size_t forest_depth(size_t width)
{
	size_t depth = width > FOREST_ROOM ? (width - FOREST_ROOM) / FOREST_LEVEL : 0;

	if (width == 0 || depth > FOREST_DEPTH_MAX)
		return FOREST_DEPTH_MAX;
	return depth > FOREST_DEPTH_MIN ? depth : FOREST_DEPTH_MIN;
}

int forest_format(
	struct text *trees, const struct text *records, size_t count, struct forest_style style)
{
	struct forest forest = {.style = style, .depth_max = forest_depth(style.width)};
	int result = -1;
	size_t i;

	line_init(&forest.line, trees, style.width, style.color);
	text_init(&forest.piece, TEXT_UNLIMITED);
	if (nodes_init(&forest.nodes, records, count) != 0)
		goto out;
	for (i = 0; i < count; i++)
		if (forest.nodes.list[i].trace == &forest.nodes.list[i])
			forest_format_trace(&forest, &forest.nodes.list[i]);
	if (trees->error == TEXT_OK && !forest.failed && !forest.line.failed)
		result = 0;
out:
	line_done(&forest.line);
	text_done(&forest.piece);
	nodes_done(&forest.nodes);
	return result;
}

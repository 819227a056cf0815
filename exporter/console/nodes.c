/*
 * Records are sorted by start, then found by their ids. Without recursion: a trace may be any
 * number of spans deep. The order depends on starts and, among equals, on arrival, never on the
 * ids. The only failure is memory.
 */
#include "exporter/console/nodes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void nodes_read(struct node *list, const char *bytes, size_t count)
{
	struct console_record *record;
	size_t i;

	for (i = 0; i < count; i++) {
		record = &list[i].record;
		memcpy(record, bytes, sizeof *record);
		list[i].position = i;
		list[i].texts = bytes + sizeof *record;
		bytes = list[i].texts + record->name_size + record->message_size +
			record->shared_size + record->own_size + record->events_size +
			record->links_size;
	}
}

static int nodes_compare_start(const void *first, const void *second)
{
	const struct node *a = first, *b = second;

	if (a->record.start_unix_ns != b->record.start_unix_ns)
		return a->record.start_unix_ns < b->record.start_unix_ns ? -1 : 1;
	return a->position < b->position ? -1 : a->position > b->position;
}

static int nodes_compare_ids(
	const uint8_t *trace_id, const uint8_t *span_id, const struct node *node)
{
	int order = memcmp(trace_id, node->record.trace_id, TRACE_ID_SIZE);

	return order != 0 ? order : memcmp(span_id, node->record.span_id, SPAN_ID_SIZE);
}

static int nodes_compare_id(const void *first, const void *second)
{
	const struct node *a = *(struct node *const *)first;
	const struct node *b = *(struct node *const *)second;
	int order = nodes_compare_ids(a->record.trace_id, a->record.span_id, b);

	return order != 0 ? order : a < b ? -1 : a > b;
}

static int nodes_compare_parent(const void *child, const void *node)
{
	const struct console_record *record = child;

	return nodes_compare_ids(
		record->trace_id, record->parent_span_id, *(struct node *const *)node);
}

static int nodes_compare_link(const void *link, const void *node)
{
	const struct span_link *to = link;

	return nodes_compare_ids(to->trace_id, to->span_id, *(struct node *const *)node);
}

static struct node *nodes_find(const struct nodes *nodes, const void *key,
	int (*compare)(const void *key, const void *node))
{
	struct node **found =
		bsearch(key, nodes->by_id, nodes->count, sizeof *nodes->by_id, compare);

	return found != NULL ? *found : NULL;
}

/* by_id is sorted by trace; tells each node the earliest one of its trace. */
static void nodes_find_traces(struct node **by_id, size_t count)
{
	struct node *earliest;
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
		assert(earliest->trace == NULL);
		for (j = i; j < end; j++)
			by_id[j]->trace = earliest;
	}
}

static void nodes_number_traces(struct nodes *nodes)
{
	size_t number = 0, i;

	for (i = 0; i < nodes->count; i++)
		if (nodes->list[i].trace == &nodes->list[i])
			nodes->list[i].trace_number = ++number;
}

/* Parents may be told in a circle, when ids are not what they should be: opens it. */
static void nodes_open_circle(struct node *node, size_t walk)
{
	for (; node != NULL && node->walk == 0; node = node->parent)
		node->walk = walk;
	if (node != NULL && node->walk == walk)
		node->parent = NULL;
}

static void nodes_find_parents(struct nodes *nodes)
{
	struct node *node;
	size_t i;

	for (i = 0; i < nodes->count; i++) {
		node = &nodes->list[i];
		if (node->record.has_parent)
			node->parent = nodes_find(nodes, &node->record, nodes_compare_parent);
	}
	for (i = 0; i < nodes->count; i++)
		nodes_open_circle(&nodes->list[i], i + 1);
}

static void nodes_hang(struct node *node)
{
	struct node *parent = node->parent;
	struct node **first = parent != NULL ? &parent->first_child : &node->trace->first_top;
	struct node **last = parent != NULL ? &parent->last_child : &node->trace->last_top;

	assert(node->trace != NULL && node->next == NULL && (*first == NULL) == (*last == NULL));
	if (*last != NULL)
		(*last)->next = node;
	else
		*first = node;
	*last = node;
}

static int nodes_link(struct nodes *nodes)
{
	size_t count = nodes->count, i;

	nodes->by_id = calloc(count, sizeof *nodes->by_id);
	if (nodes->by_id == NULL)
		return -1;
	for (i = 0; i < count; i++)
		nodes->by_id[i] = &nodes->list[i];
	qsort(nodes->by_id, count, sizeof *nodes->by_id, nodes_compare_id);
	nodes_find_traces(nodes->by_id, count);
	nodes_number_traces(nodes);
	nodes_find_parents(nodes);
	for (i = 0; i < count; i++)
		nodes_hang(&nodes->list[i]);
	return 0;
}

int nodes_init(struct nodes *nodes, const struct text *records, size_t count)
{
	assert(count > 0 && records->size >= count * sizeof(struct console_record));
	*nodes = (struct nodes){.count = count};
	nodes->list = calloc(count, sizeof *nodes->list);
	if (nodes->list == NULL)
		return -1;
	nodes_read(nodes->list, records->bytes, count);
	qsort(nodes->list, count, sizeof *nodes->list, nodes_compare_start);
	if (nodes_link(nodes) == 0)
		return 0;
	nodes_done(nodes);
	return -1;
}

void nodes_done(struct nodes *nodes)
{
	free(nodes->by_id);
	free(nodes->list);
	*nodes = (struct nodes){.list = NULL};
}

const struct node *nodes_linked(const struct nodes *nodes, const struct span_link *link)
{
	return nodes_find(nodes, link, nodes_compare_link);
}

const struct node *nodes_walk(const struct node *node)
{
	if (node->first_child != NULL)
		return node->first_child;
	while (node != NULL && node->next == NULL)
		node = node->parent;
	return node == NULL ? NULL : node->next;
}

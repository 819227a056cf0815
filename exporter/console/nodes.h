#ifndef EXPORTER_CONSOLE_NODES_H
#define EXPORTER_CONSOLE_NODES_H

#include <stddef.h>

#include "exporter/console/record.h"
#include "exporter/span.h"
#include "exporter/text.h"

/*
 * The records of a batch, each hung under its parent if that is among them, else at the top of its
 * trace; siblings by start, in order of arrival where starts are equal.
 */
struct node {
	struct console_record record;
	const char *texts;   /* borrowed from the records */
	size_t position;     /* in order of arrival */
	size_t walk;         /* the first one that came here, looking for circles */
	struct node *trace;  /* the first node of its trace */
	struct node *parent; /* NULL at the top */
	struct node *next;   /* sibling */
	struct node *first_child, *last_child;
	/* of a trace's first node: what stands at the top, and its number, from 1 on */
	struct node *first_top, *last_top;
	size_t trace_number;
};

struct nodes {
	struct node *list;   /* owned; by start */
	struct node **by_id; /* owned */
	size_t count;
};

/* As many as count, which is not 0; the texts are borrowed. 0, or -1 when memory is short. */
int nodes_init(struct nodes *nodes, const struct text *records, size_t count);
void nodes_done(struct nodes *nodes);

/* What a link goes to; NULL: it is not among them. */
const struct node *nodes_linked(const struct nodes *nodes, const struct span_link *link);

/* The next one of a trace, from top to bottom, each before what hangs below it; NULL behind the
 * last. */
const struct node *nodes_walk(const struct node *node);

#endif

#ifndef PROXY_TRACE_FOLLOW_SHARES_H
#define PROXY_TRACE_FOLLOW_SHARES_H

#include <stddef.h>

#include "proxy/fullest.h"

/*
 * Who has how many of the spans that are open, in all followers of a tracer: connections, and the
 * trees of each, such as turns with what is below them. Where there are too many it says which one
 * is to go: of the connection, then of the tree that has most, the oldest without any below it.
 */
struct open_span;
struct open_spans;
struct share;

struct shares {
	struct fullest connections;
	size_t span_count;
};

/*
 * A span that ends by itself opens, below another one or at the top (above: NULL), for the
 * connection whose share is kept at *place, which is made when it is NULL. 0, or -1: out of memory,
 * then it is not counted.
 */
int shares_add(struct shares *shares, struct share **place, struct open_spans *spans,
	struct open_span *above, struct open_span *span);

/* It ends; it still hangs where it did. */
void shares_remove(struct shares *shares, struct open_span *span);

/* The tree lives: of those that are as large it is not the one that loses a span. */
void shares_touch(struct open_span *span);

/* The connection is gone: spans that it has opened may go on. */
void shares_leave(struct shares *shares, struct share **place);

/* The span to give up, and what it is one of; NULL: there is none. */
struct open_span *shares_find(struct shares *shares, struct open_spans **spans);

/* There will be no question for a while. */
void shares_rest(struct shares *shares);

#endif

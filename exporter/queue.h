#ifndef EXPORTER_QUEUE_H
#define EXPORTER_QUEUE_H

#include <stddef.h>

struct batch;

/* Batches in a row, first in, first out, with their sums. Owns what is in it. No locking. */
struct queue {
	struct batch *oldest, *newest;
	size_t batch_count;
	size_t span_count;
	size_t bytes; /* memory held, whether written to or not */
};

void queue_push(struct queue *queue, struct batch *batch);

/* As the oldest. */
void queue_push_front(struct queue *queue, struct batch *batch);

/* The oldest, now the caller's; NULL when there is none. */
struct batch *queue_pop(struct queue *queue);

/* Frees all that is in it. */
void queue_done(struct queue *queue);

#endif

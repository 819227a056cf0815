/* Batches in a row, first in, first out. Nothing here can fail. */
#include "exporter/queue.h"

#include <assert.h>

#include "exporter/batch.h"

void queue_push(struct queue *queue, struct batch *batch)
{
	assert((queue->oldest == NULL) == (queue->batch_count == 0));
	batch->next = NULL;
	if (queue->newest != NULL)
		queue->newest->next = batch;
	else
		queue->oldest = batch;
	queue->newest = batch;
	queue->batch_count++;
	queue->span_count += batch->span_count;
	queue->bytes += batch->body.capacity;
}

void queue_push_front(struct queue *queue, struct batch *batch)
{
	batch->next = queue->oldest;
	queue->oldest = batch;
	if (queue->newest == NULL)
		queue->newest = batch;
	queue->batch_count++;
	queue->span_count += batch->span_count;
	queue->bytes += batch->body.capacity;
}

struct batch *queue_pop(struct queue *queue)
{
	struct batch *batch = queue->oldest;

	if (batch == NULL)
		return NULL;
	assert(queue->batch_count > 0 && queue->span_count >= batch->span_count &&
		queue->bytes >= batch->body.capacity);
	queue->oldest = batch->next;
	if (queue->oldest == NULL)
		queue->newest = NULL;
	batch->next = NULL;
	queue->batch_count--;
	queue->span_count -= batch->span_count;
	queue->bytes -= batch->body.capacity;
	return batch;
}

void queue_done(struct queue *queue)
{
	struct batch *batch;

	while ((batch = queue_pop(queue)) != NULL)
		batch_free(batch);
	assert(queue->batch_count == 0 && queue->span_count == 0 && queue->bytes == 0);
}

/*
 * Spans on the way to one request: prefix, spans with separators, suffix. A span that cannot be
 * appended leaves no trace. Room for the suffix is always kept, so that sealing cannot fail.
 */
#include "exporter/batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct batch *batch_new(void)
{
	struct batch *batch = calloc(1, sizeof *batch);

	if (batch != NULL)
		text_init(&batch->body, 0);
	return batch;
}

void batch_free(struct batch *batch)
{
	if (batch == NULL)
		return;
	text_done(&batch->body);
	free(batch);
}

static enum batch_outcome batch_undo(struct batch *batch, size_t size, enum text_error error)
{
	text_rewind(&batch->body, size);
	if (error == TEXT_NO_MEMORY)
		return BATCH_NO_MEMORY;
	return batch->span_count > 0 ? BATCH_OVERFLOW : BATCH_TOO_LARGE;
}

enum batch_outcome batch_append(
	struct batch *batch, const struct batch_format *format, const struct span *span)
{
	struct text *body = &batch->body;
	size_t before = body->size, suffix_size = strlen(format->suffix), size;

	body->limit = format->request_bytes_max;
	if (batch->span_count == 0)
		text_append(body, format->prefix, format->prefix_size);
	else
		text_append(body, format->separator, strlen(format->separator));
	format->append(body, span);
	(void)text_room(body, suffix_size); /* a failure is in body->error */
	if (body->error != TEXT_OK)
		return batch_undo(batch, before, body->error);

	size = body->size + suffix_size;
	if (size > format->request_bytes_max)
		return batch_undo(batch, before, TEXT_TOO_LARGE);
	if (size > format->bytes_max && batch->span_count > 0)
		return batch_undo(batch, before, TEXT_TOO_LARGE);
	batch->span_count++;
	if (batch->span_count >= format->spans_max || size >= format->bytes_max)
		return BATCH_FULL;
	return BATCH_APPENDED;
}

void batch_seal(struct batch *batch, const struct batch_format *format)
{
	assert(batch->span_count > 0);
	text_append(&batch->body, format->suffix, strlen(format->suffix));
	assert(batch->body.error == TEXT_OK);
	text_shrink(&batch->body);
}

void batch_reset(struct batch *batch)
{
	text_rewind(&batch->body, 0);
	batch->span_count = 0;
}

/*
 * Spans on the way to one request: prefix, spans with separators, suffix. A span that cannot be
 * appended leaves no trace. Room for the suffix is always kept, so that sealing cannot fail.
 */
#include "exporter/batch.h"

#include <assert.h>
#include <stdlib.h>

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
	assert(error != TEXT_OK);
	text_rewind(&batch->body, size);
	if (error == TEXT_NO_MEMORY)
		return BATCH_NO_MEMORY;
	return batch->span_count > 0 ? BATCH_OVERFLOW : BATCH_TOO_LARGE;
}

/* What stands before a span. */
static inline void batch_begin_span(struct batch *batch, const struct batch_format *format)
{
	char *p;

	if (batch->span_count == 0) {
		batch->body.limit = format->request_bytes_max;
		text_append(&batch->body, format->prefix, format->prefix_size);
	} else if (format->separator != '\0') {
		p = text_room(&batch->body, 1);
		if (p == NULL)
			return;
		*p = format->separator;
		text_end(&batch->body, p + 1);
	}
}

/* Takes count spans that have been appended to the body, or undoes that. */
static inline enum batch_outcome batch_take(
	struct batch *batch, const struct batch_format *format, size_t before, size_t count)
{
	struct text *body = &batch->body;
	size_t size;

	(void)text_room(body, format->suffix_size); /* a failure is in body->error */
	if (body->error != TEXT_OK)
		return batch_undo(batch, before, body->error);

	size = body->size + format->suffix_size;
	if (size >= format->bytes_max) {
		if (batch->span_count > 0 && size > format->bytes_max)
			return batch_undo(batch, before, TEXT_TOO_LARGE);
		if (size > format->request_bytes_max)
			return batch_undo(batch, before, TEXT_TOO_LARGE);
		batch->span_count += count;
		return BATCH_FULL;
	}
	batch->span_count += count;
	return batch->span_count >= format->spans_max ? BATCH_FULL : BATCH_APPENDED;
}

enum batch_outcome batch_append(
	struct batch *batch, const struct batch_format *format, const struct span *span)
{
	size_t before = batch->body.size;

	batch_begin_span(batch, format);
	format->append(&batch->body, span);
	return batch_take(batch, format, before, 1);
}

enum batch_outcome batch_append_made(struct batch *batch, const struct batch_format *format,
	const struct text *spans, size_t count)
{
	size_t before = batch->body.size;

	assert(format->separator == '\0' && count > 0);
	if (batch->span_count > 0 && batch->span_count + count > format->spans_max)
		return BATCH_OVERFLOW;
	batch_begin_span(batch, format);
	text_append(&batch->body, spans->bytes, spans->size);
	return batch_take(batch, format, before, count);
}

void batch_seal(struct batch *batch, const struct batch_format *format)
{
	assert(batch->span_count > 0);
	text_append(&batch->body, format->suffix, format->suffix_size);
	assert(batch->body.error == TEXT_OK);
	if (format->seal != NULL)
		format->seal(&batch->body);
	batch->encoding = format->encoding;
	text_shrink(&batch->body);
}

void batch_reset(struct batch *batch)
{
	assert(batch->next == NULL && batch->spooled == NULL); /* nothing leads to it */
	text_rewind(&batch->body, 0);
	batch->span_count = 0;
}

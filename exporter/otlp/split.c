/*
 * A batch in two halves, for a collector that finds it too large. It may come from the spool, and
 * have been written by a process with another resource: what is around the spans is found in the
 * text. A quote in a string has a backslash before it, so no string can look like the member.
 */
#include "exporter/otlp/split.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "exporter/batch.h"
#include "exporter/text.h"

#define SPLIT_SPANS "\"spans\":["

/* Behind the object or string that begins at p; NULL: it has no end. */
static const char *split_skip(const char *p, const char *end)
{
	bool in_string = false;
	unsigned depth = 0;

	for (; p < end; p++) {
		if (in_string && *p == '\\')
			p++;
		else if (*p == '"')
			in_string = !in_string;
		else if (!in_string && *p == '{')
			depth++;
		else if (!in_string && *p == '}' && --depth == 0)
			return p + 1;
	}
	return NULL;
}

/* Behind so many objects with commas between them. */
static const char *split_skip_objects(const char *p, const char *end, size_t count)
{
	for (; count > 0 && p != NULL; count--) {
		if (p == end || *p != '{')
			return NULL;
		p = split_skip(p, end);
		if (count > 1 && p != NULL && (p == end || *p++ != ','))
			return NULL;
	}
	return p;
}

static struct batch *split_part(const struct batch *batch, const char *head_end, const char *from,
	const char *to, const char *tail, size_t span_count)
{
	const char *bytes = batch->body.bytes, *end = bytes + batch->body.size;
	struct batch *part = batch_new();

	if (part == NULL)
		return NULL;
	part->body.limit = batch->body.size;
	part->encoding = batch->encoding;
	part->span_count = span_count;
	text_append(&part->body, bytes, (size_t)(head_end - bytes));
	text_append(&part->body, from, (size_t)(to - from));
	text_append(&part->body, tail, (size_t)(end - tail));
	if (part->body.error == TEXT_OK)
		return part;
	batch_free(part);
	return NULL;
}

int split_batch(const struct batch *batch, struct batch *parts[2])
{
	const char *bytes = batch->body.bytes, *end = bytes + batch->body.size;
	size_t half = batch->span_count / 2, rest = batch->span_count - half;
	const char *first, *first_end, *last_end = NULL;

	assert(half > 0);
	if (batch->encoding != BATCH_JSON)
		return -1;
	first = memmem(bytes, batch->body.size, SPLIT_SPANS, strlen(SPLIT_SPANS));
	if (first == NULL)
		return -1;
	first += strlen(SPLIT_SPANS);
	first_end = split_skip_objects(first, end, half);
	if (first_end != NULL && first_end < end && *first_end == ',')
		last_end = split_skip_objects(first_end + 1, end, rest);
	if (last_end == NULL || last_end == end || *last_end != ']')
		return -1;
	parts[0] = split_part(batch, first, first, first_end, last_end, half);
	parts[1] = split_part(batch, first, first_end + 1, last_end, last_end, rest);
	if (parts[0] != NULL && parts[1] != NULL)
		return 0;
	batch_free(parts[0]);
	batch_free(parts[1]);
	return -1;
}

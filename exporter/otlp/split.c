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
#include "exporter/otlp/protobuf.h"
#include "exporter/text.h"

#define SPLIT_SPANS "\"spans\":["

/* The two halves of a batch. */
struct split {
	size_t half, rest; /* how many spans */
	const char *first, *first_end;
	const char *second, *second_end;
};

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

/* Where things are in a batch; -1: it is not as we write it. */
static int split_find_json(const struct batch *batch, struct split *found)
{
	const char *bytes = batch->body.bytes, *end = bytes + batch->body.size;

	if (batch->body.size == 0)
		return -1; /* there may be no memory at all */
	found->first = memmem(bytes, batch->body.size, SPLIT_SPANS, strlen(SPLIT_SPANS));
	if (found->first == NULL)
		return -1;
	found->first += strlen(SPLIT_SPANS);
	found->first_end = split_skip_objects(found->first, end, found->half);
	if (found->first_end == NULL || found->first_end == end || *found->first_end != ',')
		return -1;
	found->second = found->first_end + 1;
	found->second_end = split_skip_objects(found->second, end, found->rest);
	if (found->second_end == NULL || found->second_end == end || *found->second_end != ']')
		return -1;
	return 0;
}

static size_t split_skip_spans(const struct batch *batch, size_t at, size_t count)
{
	for (; count > 0 && at > 0; count--)
		at = protobuf_skip_span(batch->body.bytes, batch->body.size, at);
	return at;
}

static int split_find_protobuf(const struct batch *batch, struct split *found)
{
	const char *bytes = batch->body.bytes;
	size_t first = protobuf_find_spans(bytes, batch->body.size);
	size_t second = split_skip_spans(batch, first, found->half);
	size_t end = split_skip_spans(batch, second, found->rest);

	found->first = bytes + first;
	found->first_end = found->second = bytes + second;
	found->second_end = bytes + end;
	return end > 0 && end == batch->body.size ? 0 : -1;
}

int split_batch(const struct batch *batch, struct batch *parts[2])
{
	struct split found = {.half = batch->span_count / 2};
	bool binary = batch->encoding == BATCH_PROTOBUF;

	assert(found.half > 0);
	found.rest = batch->span_count - found.half;
	if ((binary ? split_find_protobuf(batch, &found) : split_find_json(batch, &found)) != 0)
		return -1;
	parts[0] = split_part(
		batch, found.first, found.first, found.first_end, found.second_end, found.half);
	parts[1] = split_part(
		batch, found.first, found.second, found.second_end, found.second_end, found.rest);
	if (parts[0] != NULL && parts[1] != NULL) {
		if (binary) {
			protobuf_seal(&parts[0]->body);
			protobuf_seal(&parts[1]->body);
		}
		return 0;
	}
	batch_free(parts[0]);
	batch_free(parts[1]);
	return -1;
}

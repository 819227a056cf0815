/*
 * A growing text with a limit: the slow half. Grows by doubling; fails when the limit would be
 * passed or memory is short, and then stays failed until it is rewound.
 */
#include "exporter/text.h"

#include <assert.h>
#include <stdlib.h>

static const size_t text_capacity_min = 1024;
static const size_t text_shrink_min = 65536;

void text_init(struct text *text, size_t limit)
{
	*text = (struct text){.limit = limit};
}

void text_done(struct text *text)
{
	free(text->bytes);
	*text = (struct text){.limit = text->limit};
}

int text_grow(struct text *text, size_t room)
{
	size_t capacity = 2 * text->capacity;
	char *bytes;

	if (text->size > text->limit || room > text->limit - text->size + TEXT_SLACK) {
		text->error = TEXT_TOO_LARGE;
		return -1;
	}
	if (capacity < text_capacity_min)
		capacity = text_capacity_min;
	if (capacity > text->limit + TEXT_SLACK)
		capacity = text->limit + TEXT_SLACK;
	if (capacity < text->size + room)
		capacity = text->size + room;
	bytes = realloc(text->bytes, capacity);
	if (bytes == NULL) {
		text->error = TEXT_NO_MEMORY;
		return -1;
	}
	assert(capacity - text->size >= room);
	text->bytes = bytes;
	text->capacity = capacity;
	return 0;
}

void text_fit(struct text *text)
{
	char *bytes = realloc(text->bytes, text->size + 1);

	assert(text->size <= text->capacity);
	if (bytes == NULL)
		return; /* then it stays large: nothing is lost */
	text->bytes = bytes;
	text->capacity = text->size + 1;
}

void text_shrink(struct text *text)
{
	if (text->capacity >= text_shrink_min && text->size <= text->capacity / 4)
		text_fit(text);
}

void text_rewind(struct text *text, size_t size)
{
	assert(size <= text->size);
	text->size = size;
	text->error = TEXT_OK;
}

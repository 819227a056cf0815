#ifndef EXPORTER_TEXT_H
#define EXPORTER_TEXT_H

#include <stddef.h>
#include <string.h>

/*
 * A growing text with a limit. Writers ask for room, write through the returned pointer and say
 * where they ended. The first failure is remembered, so that a long sequence of writers is checked
 * once, at its end, and undone with text_rewind().
 */
enum text_error { TEXT_OK, TEXT_TOO_LARGE, TEXT_NO_MEMORY };

struct text {
	char *bytes; /* owned */
	size_t size;
	size_t capacity;
	size_t limit; /* the size that must not be passed; see TEXT_SLACK */
	enum text_error error;
};

/* Room is asked for generously: so much more than the limit allows may be asked for. */
#define TEXT_SLACK 512

/* Of a text that is as large as what there is to say. */
#define TEXT_UNLIMITED (SIZE_MAX / 2)

void text_init(struct text *text, size_t limit);
void text_done(struct text *text);

/* Makes room for that many more bytes. 0, or -1 with text->error set. */
int text_grow(struct text *text, size_t room);

/* Gives back all memory beyond the text, for one that is complete and stays. */
void text_fit(struct text *text);

/* Gives back memory when most of it is unused. */
void text_shrink(struct text *text);

/* Cuts back to an earlier size and forgets the error. */
void text_rewind(struct text *text, size_t size);

/* Where to write up to room bytes; NULL when there is none. Finish with text_end(). */
static inline char *text_room(struct text *text, size_t room)
{
	if (text->capacity - text->size < room && text_grow(text, room) != 0)
		return NULL;
	return text->bytes + text->size;
}

static inline void text_end(struct text *text, const char *end)
{
	text->size = (size_t)(end - text->bytes);
}

/* Always inline: of a size that is known there remains a check and a store or two. */
__attribute__((always_inline)) static inline void text_append(
	struct text *text, const char *bytes, size_t size)
{
	char *p = size > 0 ? text_room(text, size) : NULL;

	if (p == NULL)
		return;
	memcpy(p, bytes, size);
	text->size += size;
}

/* Appends a string literal. */
#define TEXT_APPEND(text, literal) text_append(text, literal, sizeof(literal) - 1)

#endif

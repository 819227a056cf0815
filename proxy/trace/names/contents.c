/*
 * Contents; see contents.h. The text goes from one room to the other, with a mark in place of the
 * match that comes next, of whatever pattern. What does not fit, since a mark may be longer than
 * what it stands for, is left out like all that follows it.
 */
#include "proxy/trace/names/contents.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "proxy/trace/names/text.h"

/* A text under work: terminated, as regexec() wants it. */
struct contents_text {
	char *bytes;
	size_t size, room;
	bool is_cut;
};

static void contents_append(struct contents_text *to, const char *bytes, size_t size)
{
	if (size > to->room - to->size) {
		size = to->room - to->size;
		to->is_cut = true;
	}
	memcpy(to->bytes + to->size, bytes, size);
	to->size += size;
}

/* From there on to the next beginning of a character. */
static size_t contents_character(const struct contents_text *text, size_t at)
{
	while (at < text->size && ((uint8_t)text->bytes[at] & 0xc0) == 0x80)
		at++;
	return at;
}

/* Where a pattern matches next; at the end of the text when it does not. */
struct contents_match {
	size_t start, end;
};

static struct contents_match contents_find(
	const regex_t *pattern, const struct contents_text *text, size_t at)
{
	struct contents_match found = {.start = text->size, .end = text->size};
	regmatch_t match;

	/* nothing may match, too: then something may do so behind the next character */
	while (at < text->size &&
		regexec(pattern, text->bytes + at, 1, &match, at > 0 ? REG_NOTBOL : 0) == 0) {
		if (match.rm_eo == match.rm_so) {
			at = contents_character(text, at + (size_t)match.rm_so + 1);
			continue;
		}
		found.start = at + (size_t)match.rm_so;
		found.end = contents_character(text, at + (size_t)match.rm_eo);
		while (found.start > at && ((uint8_t)text->bytes[found.start] & 0xc0) == 0x80)
			found.start--;
		break;
	}
	return found;
}

/* Copies the text with a mark in place of each match: the first one counts, then the longest. */
static void contents_redact(
	const struct contents *contents, const struct contents_text *from, struct contents_text *to)
{
	struct contents_match next[CONTENTS_PATTERNS_MAX] = {{0, 0}}, first;
	size_t at = 0, count, i;

	for (count = 0; at < from->size; count++) {
		first = (struct contents_match){.start = from->size, .end = from->size};
		for (i = 0; i < contents->pattern_count; i++) {
			if (count == 0 || next[i].start < at)
				next[i] = contents_find(&contents->patterns[i], from, at);
			if (next[i].start < first.start ||
				(next[i].start == first.start && next[i].end > first.end))
				first = next[i];
		}
		if (count == CONTENTS_MATCHES_MAX && first.start < from->size) {
			to->is_cut = true;
			return;
		}
		contents_append(to, from->bytes + at, first.start - at);
		if (first.start < from->size)
			contents_append(to, CONTENTS_MARK, strlen(CONTENTS_MARK));
		at = first.end;
	}
}

struct span_text contents_take(
	struct contents *contents, struct span_text text, bool is_cut, char *room)
{
	struct contents_text from = {.bytes = contents->rooms[0], .is_cut = is_cut}, to;
	struct span_text done;
	size_t i, kept;

	to = (struct contents_text){.bytes = contents->rooms[1], .is_cut = is_cut};
	from.room = to.room = contents_read_max(contents);
	contents_append(&from, text.bytes, text.size);
	from.bytes[from.size] = '\0';
	for (i = 0; i < from.size; i++)
		if (from.bytes[i] == '\0') /* no pattern looks beyond */
			from.bytes[i] = ' ';
	contents_redact(contents, &from, &to);
	to.is_cut |= to.size > contents->bytes_max;
	done = (struct span_text){.bytes = to.bytes, .size = to.size};
	kept = to.is_cut ? text_cut_size(done, contents->bytes_max) : to.size;
	memcpy(room, to.bytes, kept);
	if (to.is_cut) {
		memcpy(room + kept, TEXT_CUT_MARK, TEXT_CUT_MARK_SIZE);
		kept += TEXT_CUT_MARK_SIZE;
	}
	if (to.is_cut && contents->cut_count != NULL)
		++*contents->cut_count;
	return (struct span_text){.bytes = room, .size = kept};
}

int contents_init(struct contents *contents, const struct config *config, size_t pointers)
{
	const struct config_list *patterns = &config->telemetry_redact;
	size_t share = CONTENTS_TOGETHER_MAX / (pointers > 0 ? pointers : 1) - CONTENTS_BEYOND, i;

	*contents = (struct contents){.bytes_max = (size_t)config->telemetry_contents_bytes_max};
	assert(patterns->count <= CONTENTS_PATTERNS_MAX); /* options.def */
	if (contents->bytes_max > share)
		contents->bytes_max = share;
	contents->patterns = calloc(patterns->count + 1, sizeof *contents->patterns);
	for (i = 0; i < 2; i++)
		contents->rooms[i] = malloc(contents_read_max(contents) + 1);
	if (contents->patterns == NULL || contents->rooms[0] == NULL || contents->rooms[1] == NULL)
		return -1;
	for (; contents->pattern_count < patterns->count; contents->pattern_count++)
		if (regcomp(&contents->patterns[contents->pattern_count],
			    patterns->items[contents->pattern_count], REG_EXTENDED) != 0)
			return -1; /* it was checked: there is no memory */
	return 0;
}

void contents_done(struct contents *contents)
{
	size_t i;

	for (i = 0; i < contents->pattern_count; i++)
		regfree(&contents->patterns[i]);
	free(contents->patterns);
	free(contents->rooms[0]);
	free(contents->rooms[1]);
	*contents = (struct contents){.bytes_max = 0};
}

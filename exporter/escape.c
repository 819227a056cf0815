/*
 * Texts of others made fit for JSON and for people: the slow half, for what is not clean ASCII.
 * Clean stretches are copied, the rest goes one character at a time. The only failure is that of
 * the text it is appended to.
 */
#include "exporter/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "w3c/json.h"

static const char escape_replacement[] = "\xef\xbf\xbd";
static const char escape_ellipsis[] = "\xe2\x80\xa6";

/* Ranges in their order (Unicode 15.1); of the last one some are not assigned, but none is seen. */
static const struct {
	uint32_t first, last;
} escape_hidden[] = {
	{0x00, 0x1f},
	{0x7f, 0x9f},
	{0xad, 0xad},
	{0x34f, 0x34f},
	{0x600, 0x605},
	{0x61c, 0x61c},
	{0x6dd, 0x6dd},
	{0x70f, 0x70f},
	{0x890, 0x891},
	{0x8e2, 0x8e2},
	{0x115f, 0x1160}, /* letters without a shape: Hangul fillers */
	{0x17b4, 0x17b5},
	{0x180b, 0x180f},
	{0x200b, 0x200f},
	{0x2028, 0x202e},
	{0x2060, 0x206f},
	{0x3164, 0x3164},
	{0xfeff, 0xfeff},
	{0xffa0, 0xffa0},
	{0xfff9, 0xfffb},
	{0x110bd, 0x110bd},
	{0x110cd, 0x110cd},
	{0x13430, 0x1343f},
	{0x1bca0, 0x1bca3},
	{0x1d173, 0x1d17a},
	{0xe0000, 0xe0fff},
	{UTF8_BROKEN, UTF8_BROKEN},
};

bool escape_is_hidden(uint32_t character)
{
	size_t i;

	for (i = 0; escape_hidden[i].last < character; i++)
		;
	return character >= escape_hidden[i].first;
}

static bool escape_byte_is_clean(char byte)
{
	return (uint8_t)byte >= 0x20 && (uint8_t)byte < 0x80 && byte != '"' && byte != '\\';
}

/* How many bytes at the start go into a JSON string as they are. */
static size_t escape_clean_size(const char *bytes, size_t size)
{
	uint64_t word;
	size_t i;

	for (i = 0; size - i >= sizeof word; i += sizeof word) {
		memcpy(&word, bytes + i, sizeof word);
		if (!escape_word_is_clean(word))
			break;
	}
	while (i < size && escape_byte_is_clean(bytes[i]))
		i++;
	return i;
}

static char *escape_put(char *p, const char *bytes, size_t size)
{
	memcpy(p, bytes, size);
	return p + size;
}

/* Writes what stands for the one character at the start; returns how many bytes that takes up. */
static size_t escape_put_character(char **p, const char *bytes, size_t size)
{
	uint32_t character;
	size_t taken = utf8_next(bytes, size, &character);

	if (character < 0x80)
		*p = json_put_escape(*p, character);
	else if (character != UTF8_BROKEN)
		*p = escape_put(*p, bytes, taken);
	else
		*p = escape_put(*p, escape_replacement, sizeof escape_replacement - 1);
	return taken;
}

void escape_append_slowly(struct text *text, const char *bytes, size_t size)
{
	size_t taken;
	char *p;

	while (size > 0) {
		/* all that is left as it is, with one character grown to its escape */
		p = text_room(text, size + JSON_ESCAPE_MAX);
		if (p == NULL)
			return;
		taken = escape_clean_size(bytes, size);
		p = escape_put(p, bytes, taken);
		if (taken < size)
			taken += escape_put_character(&p, bytes + taken, size - taken);
		text_end(text, p);
		bytes += taken;
		size -= taken;
	}
}

void escape_append_shown(struct text *text, const char *bytes, size_t size, size_t characters_max)
{
	size_t taken, count = 0;
	uint32_t character;

	while (size > 0) {
		if (count++ == characters_max) {
			text_append(text, escape_ellipsis, sizeof escape_ellipsis - 1);
			return;
		}
		taken = utf8_next(bytes, size, &character);
		if (escape_is_hidden(character))
			text_append(text, escape_replacement, sizeof escape_replacement - 1);
		else
			text_append(text, bytes, taken);
		bytes += taken;
		size -= taken;
	}
}

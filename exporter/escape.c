/*
 * Texts of others made fit for JSON and for people: the slow half, for what is not clean ASCII.
 * Clean stretches are copied, the rest goes one character at a time. The only failure is that of
 * the text it is appended to.
 */
#include "exporter/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What one character needs at most: \u00XX. */
#define ESCAPE_CHARACTER_MAX 6

static const char escape_replacement[] = "\xef\xbf\xbd";
static const char escape_ellipsis[] = "\xe2\x80\xa6";

/* Second character of the escape of a control character; u for the long form. */
static const char escape_controls[] = "uuuuuuuubtnufruuuuuuuuuuuuuuuuuu";

/* Well-formed sequences by their first two bytes (Unicode 15, table 3-7). */
static const struct escape_lead {
	uint8_t first_min, first_max, second_min, second_max, size;
} escape_leads[] = {
	{0xe1, 0xec, 0x80, 0xbf, 3},
	{0xc2, 0xdf, 0x80, 0xbf, 2},
	{0xe0, 0xe0, 0xa0, 0xbf, 3},
	{0xed, 0xed, 0x80, 0x9f, 3},
	{0xee, 0xef, 0x80, 0xbf, 3},
	{0xf0, 0xf0, 0x90, 0xbf, 4},
	{0xf1, 0xf3, 0x80, 0xbf, 4},
	{0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* Ranges in their order (Unicode 15.1); of the last one some are not assigned, but none is seen. */
static const struct {
	uint32_t first, last;
} escape_hidden[] = {
	{0x00, 0x1f},
	{0x7f, 0x9f},
	{0xad, 0xad},
	{0x600, 0x605},
	{0x61c, 0x61c},
	{0x6dd, 0x6dd},
	{0x70f, 0x70f},
	{0x890, 0x891},
	{0x8e2, 0x8e2},
	{0x180e, 0x180e},
	{0x200b, 0x200f},
	{0x2028, 0x202e},
	{0x2060, 0x206f},
	{0xfeff, 0xfeff},
	{0xfff9, 0xfffb},
	{0x110bd, 0x110bd},
	{0x110cd, 0x110cd},
	{0x13430, 0x1343f},
	{0x1bca0, 0x1bca3},
	{0x1d173, 0x1d17a},
	{0xe0000, 0xe0fff},
	{ESCAPE_BROKEN, ESCAPE_BROKEN},
};

static const struct escape_lead *escape_lead_find(uint8_t first)
{
	size_t i;

	for (i = 0; i < sizeof escape_leads / sizeof *escape_leads; i++)
		if (first >= escape_leads[i].first_min && first <= escape_leads[i].first_max)
			return &escape_leads[i];
	return NULL;
}

size_t escape_next(const char *bytes, size_t size, uint32_t *character)
{
	uint8_t first = (uint8_t)bytes[0];
	const struct escape_lead *lead = first < 0x80 ? NULL : escape_lead_find(first);
	uint32_t read;
	size_t n;

	*character = first < 0x80 ? first : ESCAPE_BROKEN;
	if (lead == NULL || size < 2)
		return 1;
	if ((uint8_t)bytes[1] < lead->second_min || (uint8_t)bytes[1] > lead->second_max)
		return 1;
	read = first & (0x7fu >> lead->size);
	for (n = 1; n < lead->size; n++) {
		if (n >= size || ((uint8_t)bytes[n] & 0xc0) != 0x80)
			return n;
		read = read << 6 | ((uint8_t)bytes[n] & 0x3f);
	}
	*character = read;
	return n;
}

bool escape_is_hidden(uint32_t character)
{
	size_t i;

	for (i = 0; escape_hidden[i].last < character; i++)
		;
	return character >= escape_hidden[i].first;
}

/* Second character of the escape of an ASCII character; 0: it needs none. */
static char escape_letter(char byte)
{
	if ((uint8_t)byte < 0x20)
		return escape_controls[(uint8_t)byte];
	return byte == '"' || byte == '\\' ? byte : '\0';
}

static bool escape_byte_is_clean(char byte)
{
	return (uint8_t)byte < 0x80 && escape_letter(byte) == '\0';
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

static char *escape_put_ascii(char *p, char byte)
{
	static const char digits[] = "0123456789abcdef";
	char letter = escape_letter(byte);

	*p++ = '\\';
	*p++ = letter;
	if (letter != 'u')
		return p;
	*p++ = '0';
	*p++ = '0';
	*p++ = digits[(uint8_t)byte >> 4];
	*p++ = digits[(uint8_t)byte & 15];
	return p;
}

/* Writes what stands for the one character at the start; returns how many bytes that takes up. */
static size_t escape_put_character(char **p, const char *bytes, size_t size)
{
	uint32_t character;
	size_t taken = escape_next(bytes, size, &character);

	if (character < 0x80)
		*p = escape_put_ascii(*p, bytes[0]);
	else if (character != ESCAPE_BROKEN)
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
		p = text_room(text, size + ESCAPE_CHARACTER_MAX);
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
		taken = escape_next(bytes, size, &character);
		if (escape_is_hidden(character))
			text_append(text, escape_replacement, sizeof escape_replacement - 1);
		else
			text_append(text, bytes, taken);
		bytes += taken;
		size -= taken;
	}
}

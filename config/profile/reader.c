/*
 * The reader: what profiles are made with. Every member is looked up in a table, and one that is
 * not known is an error, so that a typing mistake or a file for a newer version does not silently
 * do less. Keeps nothing but where it is, for messages.
 */
#include "config/profile/reader.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/map.h"
#include "config/value.h"

/* The member that node is, or is an element of. */
static const char *reader_member_name(const struct file_node *node)
{
	while (node->key == NULL && node->parent != NULL)
		node = node->parent;
	return node->key == NULL ? "" : node->key;
}

int reader_fail(struct reader *reader, const struct file_node *node, const char *format, ...)
{
	char what[512];
	char quote[VALUE_QUOTE_SIZE] = "";
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(what, sizeof what, format, arguments); /* clipped is fine */
	va_end(arguments);
	if (node != reader->part)
		(void)value_quote(quote, reader_member_name(node));
	(void)snprintf(reader->error, reader->error_size, "%s:%d: %s%s%s%s", node->file->name,
		node->line, reader->part_name, quote, node == reader->part ? "" : ": ", what);
	return -1;
}

int reader_fail_memory(struct reader *reader, const struct file_node *node)
{
	return reader_fail(reader, node, "out of memory");
}

void reader_enter(struct reader *reader, const struct file_node *node, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(reader->part_name, sizeof reader->part_name, format, arguments);
	va_end(arguments);
	reader->part = node;
}

void reader_leave(struct reader *reader)
{
	reader->part = NULL;
	reader->part_name[0] = '\0';
}

int reader_expect(struct reader *reader, const struct file_node *node, enum file_type type)
{
	if (node->type == type)
		return 0;
	return reader_fail(reader, node, "is %s; must be %s", file_type_name(node->type),
		file_type_name(type));
}

int reader_expect_single(struct reader *reader, const struct file_node *node)
{
	const struct file_node *first = file_member(node->parent, node->key);

	if (first == node)
		return 0;
	return reader_fail(
		reader, node, "stands twice; must stand once, line %d has it", first->line);
}

/* Writes "a, b, c": the names that a member may have. */
static void reader_list_members(const struct reader_member *members, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (; members->key != NULL && used < size; members++)
		used += (size_t)snprintf(
			text + used, size - used, "%s%s", used == 0 ? "" : ", ", members->key);
}

static int reader_take_place(struct reader *reader, const struct file_node *node,
	const struct reader_member *member, void *target)
{
	int place = reader_find_word(reader, node, member->words);

	if (place < 0)
		return -1;
	if (member->size == sizeof(bool)) {
		*(bool *)target = place == 1;
		return 0;
	}
	assert(member->size == sizeof place); /* as large as enums are */
	memcpy(target, &place, sizeof place);
	return 0;
}

static int reader_take_member(struct reader *reader, const struct file_node *node,
	const struct reader_member *members, void *target)
{
	const struct reader_member *member = members;
	char right[256];

	while (member->key != NULL && strcmp(member->key, node->key) != 0)
		member++;
	if (member->key == NULL) {
		reader_list_members(members, right, sizeof right);
		return reader_fail(reader, node, "not known here; must be one of %s", right);
	}
	if (reader_expect_single(reader, node) != 0)
		return -1;
	target = (char *)target + member->offset;
	return member->words != NULL ? reader_take_place(reader, node, member, target)
				     : member->take(reader, node, target);
}

int reader_take_members(struct reader *reader, const struct file_node *object,
	const struct reader_member *members, void *target)
{
	const struct file_node *node;

	if (reader_expect(reader, object, FILE_OBJECT) != 0)
		return -1;
	for (node = object->child; node != NULL; node = node->next)
		if (reader_take_member(reader, node, members, target) != 0)
			return -1;
	return 0;
}

static size_t reader_count(const struct file_node *node)
{
	size_t count = 0;

	for (node = node->child; node != NULL; node = node->next)
		count++;
	return count;
}

void *reader_new_items(struct reader *reader, const struct file_node *node, enum file_type type,
	size_t count_max, size_t size, size_t *count)
{
	size_t members = reader_count(node);
	void *items;

	assert(count_max > 0 && size > 0);
	if (reader_expect(reader, node, type) != 0)
		return NULL;
	if (members == 0 || members > count_max) {
		(void)reader_fail(
			reader, node, "has %zu members; must have 1 to %zu", members, count_max);
		return NULL;
	}
	items = calloc(members, size);
	if (items == NULL)
		(void)reader_fail_memory(reader, node);
	else
		*count = members;
	return items;
}

int reader_take_items(struct reader *reader, const struct file_node *node, reader_take *take,
	void *items, size_t size)
{
	const struct file_node *child;
	char *item = items;

	assert(size > 0);
	for (child = node->child; child != NULL; child = child->next, item += size) {
		if (child->key != NULL && reader_expect_single(reader, child) != 0)
			return -1;
		if (take(reader, child, item) != 0)
			return -1;
	}
	return 0;
}

int reader_take_texts(struct reader *reader, const struct file_node *node, char ***texts,
	size_t *count, size_t count_max)
{
	*texts = reader_new_items(reader, node, FILE_ARRAY, count_max, sizeof **texts, count);
	if (*texts == NULL)
		return -1;
	return reader_take_items(reader, node, reader_take_text, *texts, sizeof **texts);
}

int reader_take_texts_or_one(struct reader *reader, const struct file_node *node, char ***texts,
	size_t *count, size_t count_max)
{
	if (node->type != FILE_STRING)
		return reader_take_texts(reader, node, texts, count, count_max);
	*texts = calloc(1, sizeof **texts);
	if (*texts == NULL)
		return reader_fail_memory(reader, node);
	*count = 1;
	return reader_take_text(reader, node, *texts);
}

/* Whether a text is among others, to which it is added if there are fewer than that many. */
static bool reader_know(const char **texts, size_t *count, size_t count_max, const char *text)
{
	size_t i;

	for (i = 0; i < *count; i++)
		if (strcmp(texts[i], text) == 0)
			return true;
	if (*count == count_max)
		return false;
	texts[(*count)++] = text;
	return true;
}

/* text is the node's own, or its name. */
static int reader_check_method(
	struct reader *reader, const struct file_node *node, const char *text)
{
	char quote[VALUE_QUOTE_SIZE];
	const char *star = strchr(text, '*');

	if (star == NULL)
		return 0;
	if (star[1] != '\0')
		return reader_fail(reader, node, "%s: must have a * at its end, or none",
			value_quote(quote, text));
	if (reader_know(reader->patterns, &reader->pattern_count, PROFILE_PATTERNS_MAX, text))
		return 0;
	return reader_fail(reader, node,
		"%s: is one too many; must be at most %d different ones that end in *, in all",
		value_quote(quote, text), PROFILE_PATTERNS_MAX);
}

int reader_take_methods(struct reader *reader, const struct file_node *node, char ***texts,
	size_t *count, size_t count_max)
{
	const struct file_node *child;

	if (reader_take_texts_or_one(reader, node, texts, count, count_max) != 0)
		return -1;
	if (node->type == FILE_STRING)
		return reader_check_method(reader, node, node->text);
	for (child = node->child; child != NULL; child = child->next)
		if (reader_check_method(reader, child, child->text) != 0)
			return -1;
	return 0;
}

void reader_free_texts(char **texts, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

int reader_find_word(struct reader *reader, const struct file_node *node, const char *const *words)
{
	char quote[VALUE_QUOTE_SIZE];
	char right[256];
	size_t used = 0;
	int place;

	if (reader_expect(reader, node, FILE_STRING) != 0)
		return -1;
	for (place = 0; words[place] != NULL; place++)
		if (strcmp(words[place], node->text) == 0)
			return place;
	for (place = 0; words[place] != NULL && used < sizeof right; place++)
		used += (size_t)snprintf(right + used, sizeof right - used, "%s%s",
			place == 0                 ? ""
			: words[place + 1] == NULL ? " or "
						   : ", ",
			words[place]);
	return reader_fail(reader, node, "%s: must be %s", value_quote(quote, node->text), right);
}

static int reader_copy(
	struct reader *reader, const struct file_node *node, const char *text, char **copy)
{
	size_t size = strlen(text);

	if (size == 0 || size > READER_TEXT_MAX || !map_is_text(text))
		return reader_fail(reader, node,
			"%smust have 1 to %d bytes and no control character",
			text == node->key ? "the name " : "", READER_TEXT_MAX);
	free(*copy);
	*copy = strdup(text);
	return *copy == NULL ? reader_fail_memory(reader, node) : 0;
}

/* RFC 6901, section 3, and not deeper than the messages are searched. */
static int reader_copy_pointer(
	struct reader *reader, const struct file_node *node, const char *text, char **copy)
{
	char quote[VALUE_QUOTE_SIZE];
	const char *what = NULL;
	const char *at;
	int depth = 0;

	for (at = text; *at != '\0'; at++) {
		depth += *at == '/';
		if (*at == '~' && at[1] != '0' && at[1] != '1')
			what = "must have ~0 or ~1 where it has a ~";
	}
	if (*text != '/')
		what = "must be a JSON pointer, which begins with /";
	else if (depth > READER_POINTER_DEPTH_MAX)
		what = "must not be deeper than 8 levels";
	if (what != NULL)
		return reader_fail(reader, node, "%s: %s", value_quote(quote, text), what);
	if (!reader_know(reader->pointers, &reader->pointer_count, PROFILE_POINTERS_MAX, text))
		return reader_fail(reader, node,
			"%s: is one too many; must be at most %d different pointers in all",
			value_quote(quote, text), PROFILE_POINTERS_MAX);
	return reader_copy(reader, node, text, copy);
}

int reader_take_text(struct reader *reader, const struct file_node *node, void *target)
{
	if (reader_expect(reader, node, FILE_STRING) != 0)
		return -1;
	return reader_copy(reader, node, node->text, target);
}

int reader_take_word(struct reader *reader, const struct file_node *node, void *target)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	char quote[VALUE_QUOTE_SIZE];

	if (reader_take_text(reader, node, target) != 0)
		return -1;
	if (node->text[strspn(node->text, allowed)] == '\0')
		return 0;
	return reader_fail(reader, node, "%s: must be of small letters, digits, _ and -",
		value_quote(quote, node->text));
}

int reader_take_pointer(struct reader *reader, const struct file_node *node, void *target)
{
	if (reader_expect(reader, node, FILE_STRING) != 0)
		return -1;
	return reader_copy_pointer(reader, node, node->text, target);
}

int reader_take_key(struct reader *reader, const struct file_node *node, void *target)
{
	return reader_copy(reader, node, node->key, target);
}

int reader_take_key_method(struct reader *reader, const struct file_node *node, void *target)
{
	if (reader_take_key(reader, node, target) != 0)
		return -1;
	return reader_check_method(reader, node, node->key);
}

int reader_take_key_pointer(struct reader *reader, const struct file_node *node, void *target)
{
	return reader_copy_pointer(reader, node, node->key, target);
}

int reader_take_bool(struct reader *reader, const struct file_node *node, void *target)
{
	if (reader_expect(reader, node, FILE_BOOL) != 0)
		return -1;
	*(bool *)target = strcmp(node->text, "true") == 0;
	return 0;
}

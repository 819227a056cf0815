/*
 * Profiles: from the tree of a file to the rows that the tracer follows. Every member is checked,
 * and one that is not known is an error, so that a typing mistake or a profile for a newer version
 * does not silently trace less.
 */
#include "config/profile.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "config/map.h"
#include "config/value.h"

#define PROFILE_TEXT_MAX 255 /* bytes of a name, attribute, pointer or method */

struct profile_reader {
	const char *file_name;
	char *error;
	size_t error_size;
};

/* One member that an object may have, and what takes its value into target. */
struct profile_member {
	const char *key;
	int (*take)(struct profile_reader *reader, const struct file_node *node, void *target);
};

static int profile_fail(struct profile_reader *reader, const struct file_node *node,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Sets the error: file, line, member and what format says. Returns -1. */
static int profile_fail(
	struct profile_reader *reader, const struct file_node *node, const char *format, ...)
{
	char what[512];
	char quote[VALUE_QUOTE_SIZE];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(what, sizeof what, format, arguments); /* clipped is fine */
	va_end(arguments);
	(void)snprintf(reader->error, reader->error_size, "%s:%d: %s: %s", reader->file_name,
		node->line, value_quote(quote, node->key == NULL ? "" : node->key), what);
	return -1;
}

static int profile_no_memory(struct profile_reader *reader, const struct file_node *node)
{
	return profile_fail(reader, node, "out of memory");
}

static int profile_expect(
	struct profile_reader *reader, const struct file_node *node, enum file_type type)
{
	if (node->type == type)
		return 0;
	return profile_fail(reader, node, "is %s; must be %s", file_type_name(node->type),
		file_type_name(type));
}

/* Copies a string of reasonable size into the char * that target is. */
static int profile_take_text(
	struct profile_reader *reader, const struct file_node *node, void *target)
{
	char **text = target;
	size_t size;

	if (profile_expect(reader, node, FILE_STRING) != 0)
		return -1;
	size = strlen(node->text);
	if (size == 0 || size > PROFILE_TEXT_MAX || !map_is_text(node->text))
		return profile_fail(
			reader, node, "must have 1 to 255 bytes and no control character");
	free(*text);
	*text = strdup(node->text);
	return *text == NULL ? profile_no_memory(reader, node) : 0;
}

static int profile_take_bool(
	struct profile_reader *reader, const struct file_node *node, void *target)
{
	if (profile_expect(reader, node, FILE_BOOL) != 0)
		return -1;
	*(bool *)target = strcmp(node->text, "true") == 0;
	return 0;
}

/* RFC 6901, section 3, and not deeper than the messages are searched. */
static const char *profile_check_pointer(const char *pointer)
{
	int depth = 0;

	if (*pointer != '/')
		return "must be a JSON pointer, which begins with /";
	for (; *pointer != '\0'; pointer++) {
		depth += *pointer == '/';
		if (*pointer == '~' && pointer[1] != '0' && pointer[1] != '1')
			return "must have ~0 or ~1 where it has a ~";
	}
	return depth <= PROFILE_POINTER_DEPTH_MAX ? NULL : "must not be deeper than 8 levels";
}

static int profile_take_pointer(
	struct profile_reader *reader, const struct file_node *node, void *target)
{
	char quote[VALUE_QUOTE_SIZE];
	const char *what;

	if (profile_expect(reader, node, FILE_STRING) != 0)
		return -1;
	what = profile_check_pointer(node->text);
	if (what != NULL)
		return profile_fail(reader, node, "%s: %s", value_quote(quote, node->text), what);
	return profile_take_text(reader, node, target);
}

/* Puts 0 or 1 into *place for the first or second word. */
static int profile_take_word(struct profile_reader *reader, const struct file_node *node,
	const char *const words[2], int *place)
{
	char quote[VALUE_QUOTE_SIZE];

	if (profile_expect(reader, node, FILE_STRING) != 0)
		return -1;
	for (*place = 0; *place < 2; (*place)++)
		if (strcmp(words[*place], node->text) == 0)
			return 0;
	return profile_fail(reader, node, "%s: must be %s or %s", value_quote(quote, node->text),
		words[0], words[1]);
}

static int profile_take_from(
	struct profile_reader *reader, const struct file_node *node, void *target)
{
	static const char *const words[] = {
		[PROFILE_FROM_REQUEST] = "request", [PROFILE_FROM_REPLY] = "reply"};
	int place;

	if (profile_take_word(reader, node, words, &place) != 0)
		return -1;
	*(enum profile_from *)target = (enum profile_from)place;
	return 0;
}

static int profile_take_keep(
	struct profile_reader *reader, const struct file_node *node, void *target)
{
	static const char *const words[] = {
		[PROFILE_KEEP_SPAN] = "span", [PROFILE_KEEP_CONNECTION] = "connection"};
	int place;

	if (profile_take_word(reader, node, words, &place) != 0)
		return -1;
	*(enum profile_keep *)target = (enum profile_keep)place;
	return 0;
}

static size_t profile_count(const struct file_node *node)
{
	size_t count = 0;

	for (node = node->child; node != NULL; node = node->next)
		count++;
	return count;
}

/* Checks a list or an object of 1 to count_max members and returns their number, or 0. */
static size_t profile_expect_some(struct profile_reader *reader, const struct file_node *node,
	enum file_type type, size_t count_max)
{
	size_t count;

	if (profile_expect(reader, node, type) != 0)
		return 0;
	count = profile_count(node);
	if (count > 0 && count <= count_max)
		return count;
	(void)profile_fail(reader, node, "has %zu members; must have 1 to %zu", count, count_max);
	return 0;
}

static int profile_take_methods(
	struct profile_reader *reader, const struct file_node *node, void *target)
{
	struct profile_capture *capture = target;
	size_t count = profile_expect_some(reader, node, FILE_ARRAY, PROFILE_METHODS_MAX);
	const struct file_node *method;

	if (count == 0)
		return -1;
	capture->methods = calloc(count, sizeof *capture->methods);
	if (capture->methods == NULL)
		return profile_no_memory(reader, node);
	for (method = node->child; method != NULL; method = method->next) {
		capture->method_count++;
		if (profile_take_text(
			    reader, method, &capture->methods[capture->method_count - 1]) != 0)
			return -1;
	}
	return 0;
}

static int profile_capture_from(
	struct profile_reader *reader, const struct file_node *node, void *c)
{
	return profile_take_from(reader, node, &((struct profile_capture *)c)->from);
}

static int profile_capture_keep(
	struct profile_reader *reader, const struct file_node *node, void *c)
{
	return profile_take_keep(reader, node, &((struct profile_capture *)c)->keep);
}

static int profile_capture_pointer(
	struct profile_reader *reader, const struct file_node *node, void *c)
{
	return profile_take_pointer(reader, node, &((struct profile_capture *)c)->pointer);
}

static int profile_capture_attribute(
	struct profile_reader *reader, const struct file_node *node, void *c)
{
	return profile_take_text(reader, node, &((struct profile_capture *)c)->attribute);
}

static int profile_capture_if_ok(
	struct profile_reader *reader, const struct file_node *node, void *c)
{
	return profile_take_bool(reader, node, &((struct profile_capture *)c)->if_ok);
}

static const struct profile_member profile_capture_members[] = {
	{"from", profile_capture_from},
	{"keep", profile_capture_keep},
	{"pointer", profile_capture_pointer},
	{"attribute", profile_capture_attribute},
	{"methods", profile_take_methods},
	{"if_ok", profile_capture_if_ok},
	{NULL, NULL},
};

/* Writes "a, b, c": the keys that an object may have. */
static void profile_list_members(const struct profile_member *members, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (; members->key != NULL && used < size; members++)
		used += (size_t)snprintf(
			text + used, size - used, "%s%s", used == 0 ? "" : ", ", members->key);
}

/* A key may stand only once in an object. */
static int profile_check_single(struct profile_reader *reader, const struct file_node *node)
{
	const struct file_node *first = file_member(node->parent, node->key);

	if (first == NULL || first == node)
		return 0;
	return profile_fail(
		reader, node, "stands twice; must stand once, line %d has it", first->line);
}

/* Gives each member of the object to its taker. */
static int profile_take_members(struct profile_reader *reader, const struct file_node *object,
	const struct profile_member *members, void *target)
{
	const struct profile_member *member;
	const struct file_node *node;
	char right[128];

	for (node = object->child; node != NULL; node = node->next) {
		for (member = members; member->key != NULL; member++)
			if (strcmp(member->key, node->key) == 0)
				break;
		if (member->key == NULL) {
			profile_list_members(members, right, sizeof right);
			return profile_fail(
				reader, node, "not known here; must be one of %s", right);
		}
		if (profile_check_single(reader, node) != 0 ||
			member->take(reader, node, target) != 0)
			return -1;
	}
	return 0;
}

static int profile_take_capture(struct profile_reader *reader, const struct file_node *node,
	struct profile_capture *capture)
{
	if (profile_expect(reader, node, FILE_OBJECT) != 0 ||
		profile_take_members(reader, node, profile_capture_members, capture) != 0)
		return -1;
	if (file_member(node, "from") == NULL || capture->pointer == NULL ||
		capture->attribute == NULL)
		return profile_fail(
			reader, node, "a capture must have from, pointer and attribute");
	if (capture->if_ok && capture->keep != PROFILE_KEEP_CONNECTION)
		return profile_fail(reader, file_member(node, "if_ok"),
			"must stand with \"keep\": \"connection\"");
	return 0;
}

static int profile_take_captures(
	struct profile_reader *reader, const struct file_node *node, void *target)
{
	struct profile *profile = target;
	size_t count = profile_expect_some(reader, node, FILE_ARRAY, PROFILE_CAPTURES_MAX);
	const struct file_node *item;

	if (count == 0)
		return -1;
	profile->captures = calloc(count, sizeof *profile->captures);
	if (profile->captures == NULL)
		return profile_no_memory(reader, node);
	for (item = node->child; item != NULL; item = item->next) {
		profile->capture_count++;
		if (profile_take_capture(
			    reader, item, &profile->captures[profile->capture_count - 1]) != 0)
			return -1;
	}
	return 0;
}

static int profile_take_constant(struct profile_reader *reader, const struct file_node *node,
	struct profile_constant *constant)
{
	if (*node->key == '\0' || strlen(node->key) > PROFILE_TEXT_MAX || !map_is_text(node->key))
		return profile_fail(
			reader, node, "the name must have 1 to 255 bytes and no control character");
	if (profile_check_single(reader, node) != 0)
		return -1;
	constant->attribute = strdup(node->key);
	if (constant->attribute == NULL)
		return profile_no_memory(reader, node);
	return profile_take_text(reader, node, &constant->value);
}

static int profile_take_constants(
	struct profile_reader *reader, const struct file_node *node, void *target)
{
	struct profile *profile = target;
	size_t count = profile_expect_some(reader, node, FILE_OBJECT, PROFILE_CONSTANTS_MAX);
	const struct file_node *item;

	if (count == 0)
		return -1;
	profile->constants = calloc(count, sizeof *profile->constants);
	if (profile->constants == NULL)
		return profile_no_memory(reader, node);
	for (item = node->child; item != NULL; item = item->next) {
		profile->constant_count++;
		if (profile_take_constant(
			    reader, item, &profile->constants[profile->constant_count - 1]) != 0)
			return -1;
	}
	return 0;
}

static int profile_match_command(
	struct profile_reader *reader, const struct file_node *node, void *p)
{
	return profile_take_text(reader, node, &((struct profile *)p)->match_command);
}

static int profile_match_argument(
	struct profile_reader *reader, const struct file_node *node, void *p)
{
	return profile_take_text(reader, node, &((struct profile *)p)->match_argument);
}

static int profile_take_match(
	struct profile_reader *reader, const struct file_node *node, void *target)
{
	static const struct profile_member members[] = {
		{"command", profile_match_command},
		{"argument", profile_match_argument},
		{NULL, NULL},
	};

	if (profile_expect(reader, node, FILE_OBJECT) != 0 ||
		profile_take_members(reader, node, members, target) != 0)
		return -1;
	if (((struct profile *)target)->match_command == NULL)
		return profile_fail(reader, node, "must have a command");
	return 0;
}

static int profile_take_name(
	struct profile_reader *reader, const struct file_node *node, void *target)
{
	return profile_take_text(reader, node, &((struct profile *)target)->name);
}

/* Settings are the config's business; here only their kind is looked at. */
static int profile_take_settings(
	struct profile_reader *reader, const struct file_node *node, void *target)
{
	(void)target;
	return profile_expect(reader, node, FILE_OBJECT);
}

static const struct profile_member profile_members[] = {
	{"name", profile_take_name},
	{"match", profile_take_match},
	{"settings", profile_take_settings},
	{"constants", profile_take_constants},
	{"captures", profile_take_captures},
	{NULL, NULL},
};

struct profile *profile_new(const struct file *file, char *error, size_t error_size)
{
	struct profile_reader reader = {file->name, error, error_size};
	struct profile *profile = calloc(1, sizeof *profile);

	if (profile == NULL) {
		(void)snprintf(error, error_size, "%s: out of memory", file->name);
		return NULL;
	}
	if (profile_take_members(&reader, file->root, profile_members, profile) == 0) {
		if (profile->name != NULL)
			return profile;
		(void)snprintf(error, error_size, "%s:%d: \"name\": missing; must be a string",
			file->name, file->root->line);
	}
	profile_free(profile);
	return NULL;
}

bool profile_matches(const struct profile *profile, char *const *command)
{
	const char *base;

	if (profile->match_command == NULL || command == NULL)
		return false;
	base = strrchr(command[0], '/');
	base = base == NULL ? command[0] : base + 1;
	if (strcmp(base, profile->match_command) != 0)
		return false;
	if (profile->match_argument == NULL)
		return true;
	for (command++; *command != NULL; command++)
		if (strcmp(*command, profile->match_argument) == 0)
			return true;
	return false;
}

static void profile_free_capture(struct profile_capture *capture)
{
	size_t i;

	for (i = 0; i < capture->method_count; i++)
		free(capture->methods[i]);
	free(capture->methods);
	free(capture->pointer);
	free(capture->attribute);
}

void profile_free(struct profile *profile)
{
	size_t i;

	if (profile == NULL)
		return;
	for (i = 0; i < profile->capture_count; i++)
		profile_free_capture(&profile->captures[i]);
	for (i = 0; i < profile->constant_count; i++) {
		free(profile->constants[i].attribute);
		free(profile->constants[i].value);
	}
	free(profile->captures);
	free(profile->constants);
	free(profile->match_command);
	free(profile->match_argument);
	free(profile->name);
	free(profile);
}

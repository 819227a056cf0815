/*
 * Profiles: from the tree of a file to the rows that the tracer follows, member by member. Whatever
 * fails, what was taken so far hangs in the profile, which is then freed.
 */
#include "config/profile/profile_load.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "config/profile/lifecycle_load.h"
#include "config/profile/metric_load.h"
#include "config/profile/names.h"
#include "config/profile/reader.h"

static const char *const profile_froms[] = {
	[PROFILE_FROM_REQUEST] = "request", [PROFILE_FROM_REPLY] = "reply", NULL};

static const char *const profile_keeps[] = {
	[PROFILE_KEEP_SPAN] = "span", [PROFILE_KEEP_CONNECTION] = "connection", NULL};

static int profile_load_take_methods(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct profile_capture *capture = target;

	return reader_take_methods(
		reader, node, &capture->methods, &capture->method_count, PROFILE_METHODS_MAX);
}

/* A pointer into the message, or the name of a header field: a token of RFC 9110. */
static int profile_load_take_pointer(
	struct reader *reader, const struct file_node *node, void *target)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const size_t size = sizeof PROFILE_HEADER - 1;
	struct profile_capture *capture = target;

	if (node->type != FILE_STRING || strncmp(node->text, PROFILE_HEADER, size) != 0)
		return reader_take_pointer(reader, node, &capture->pointer);
	if (reader_take_text(reader, node, &capture->header) != 0)
		return -1;
	memmove(capture->header, capture->header + size, strlen(capture->header) - size + 1);
	if (*capture->header != '\0' && capture->header[strspn(capture->header, token)] == '\0')
		return 0;
	return reader_fail(reader, node, "must have the name of a header field behind header:");
}

static const struct reader_member profile_capture_members[] = {
	{"from", READER_WORD(struct profile_capture, from, profile_froms)},
	{"keep", READER_WORD(struct profile_capture, keep, profile_keeps)},
	{"pointer", READER_WHOLE(profile_load_take_pointer)},
	{"attribute", READER_FIELD(struct profile_capture, attribute, reader_take_text)},
	{"methods", READER_WHOLE(profile_load_take_methods)},
	{"if_ok", READER_FIELD(struct profile_capture, if_ok, reader_take_bool)},
	READER_END,
};

static int profile_load_take_capture(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct profile_capture *capture = target;

	if (reader_take_members(reader, node, profile_capture_members, capture) != 0)
		return -1;
	if (file_member(node, "from") == NULL || file_member(node, "pointer") == NULL ||
		capture->attribute == NULL)
		return reader_fail(reader, node, "a capture must have from, pointer and attribute");
	if (capture->header != NULL && (capture->from != PROFILE_FROM_REQUEST ||
					       capture->keep != PROFILE_KEEP_CONNECTION ||
					       capture->methods != NULL || capture->if_ok))
		return reader_fail(reader, file_member(node, "pointer"),
			"a header field must stand with \"from\": \"request\" and \"keep\": "
			"\"connection\", and without methods and if_ok");
	if (capture->if_ok && capture->keep != PROFILE_KEEP_CONNECTION)
		return reader_fail(reader, file_member(node, "if_ok"),
			"must stand with \"keep\": \"connection\"");
	return 0;
}

static int profile_load_take_captures(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct profile *profile = target;

	profile->captures = reader_new_items(reader, node, FILE_ARRAY, PROFILE_CAPTURES_MAX,
		sizeof *profile->captures, &profile->capture_count);
	if (profile->captures == NULL)
		return -1;
	return reader_take_items(reader, node, profile_load_take_capture, profile->captures,
		sizeof *profile->captures);
}

static int profile_load_take_constant(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct profile_constant *constant = target;

	if (reader_take_key(reader, node, &constant->attribute) != 0)
		return -1;
	return reader_take_text(reader, node, &constant->value);
}

static int profile_load_take_constants(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct profile *profile = target;

	profile->constants = reader_new_items(reader, node, FILE_OBJECT, PROFILE_CONSTANTS_MAX,
		sizeof *profile->constants, &profile->constant_count);
	if (profile->constants == NULL)
		return -1;
	return reader_take_items(reader, node, profile_load_take_constant, profile->constants,
		sizeof *profile->constants);
}

static int profile_load_take_command(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct profile_match *match = target;

	return reader_take_methods(
		reader, node, &match->commands, &match->command_count, PROFILE_WORDS_MAX);
}

static int profile_load_take_argument(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct profile_match *match = target;

	return reader_take_methods(
		reader, node, &match->arguments, &match->argument_count, PROFILE_WORDS_MAX);
}

static int profile_load_take_match(
	struct reader *reader, const struct file_node *node, void *target)
{
	static const struct reader_member members[] = {
		{"command", READER_WHOLE(profile_load_take_command)},
		{"argument", READER_WHOLE(profile_load_take_argument)},
		READER_END,
	};
	struct profile_match *match = target;

	if (reader_take_members(reader, node, members, match) != 0)
		return -1;
	if (match->commands == NULL && match->arguments == NULL)
		return reader_fail(reader, node, "must have a command or an argument");
	return 0;
}

/* One, or a list of them. */
static int profile_load_take_matches(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct profile *profile = target;

	if (node->type == FILE_OBJECT) {
		profile->matches = calloc(1, sizeof *profile->matches);
		if (profile->matches == NULL)
			return reader_fail_memory(reader, node);
		profile->match_count = 1;
		return profile_load_take_match(reader, node, profile->matches);
	}
	profile->matches = reader_new_items(reader, node, FILE_ARRAY, PROFILE_MATCHES_MAX,
		sizeof *profile->matches, &profile->match_count);
	if (profile->matches == NULL)
		return -1;
	return reader_take_items(
		reader, node, profile_load_take_match, profile->matches, sizeof *profile->matches);
}

/* Settings are the config's business; here only their kind is looked at. */
static int profile_load_take_settings(
	struct reader *reader, const struct file_node *node, void *target)
{
	(void)target;
	return reader_expect(reader, node, FILE_OBJECT);
}

static int profile_load_take_lifecycle(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct profile *profile = target;

	profile->lifecycle = lifecycle_new(reader, node);
	return profile->lifecycle == NULL ? -1 : 0;
}

/* What it extends has been put into the file: see extend.h. */
static int profile_load_take_extends(
	struct reader *reader, const struct file_node *node, void *target)
{
	(void)target;
	return reader_expect(reader, node, FILE_STRING);
}

static const struct reader_member profile_load_members[] = {
	{"name", READER_FIELD(struct profile, name, reader_take_text)},
	{"extends", READER_WHOLE(profile_load_take_extends)},
	{"match", READER_WHOLE(profile_load_take_matches)},
	{"settings", READER_WHOLE(profile_load_take_settings)},
	{"constants", READER_WHOLE(profile_load_take_constants)},
	{"captures", READER_WHOLE(profile_load_take_captures)},
	{"lifecycle", READER_WHOLE(profile_load_take_lifecycle)},
	{"metrics", READER_WHOLE(metric_load_take_list)},
	READER_END,
};

struct profile *profile_new(const struct file *file, char *error, size_t error_size)
{
	struct reader reader = {.error = error, .error_size = error_size};
	struct profile *profile = calloc(1, sizeof *profile);

	if (profile == NULL) {
		(void)snprintf(error, error_size, "%s: out of memory", file->name);
		return NULL;
	}
	if (reader_take_members(&reader, file->root, profile_load_members, profile) == 0 &&
		names_check(&reader, file->root, profile) == 0 &&
		metric_load_check(&reader, file->root, profile) == 0) {
		if (profile->name != NULL)
			return profile;
		(void)snprintf(error, error_size, "%s:%d: \"name\": missing; must be a string",
			file->name, file->root->line);
	}
	profile_free(profile);
	return NULL;
}

/* Whether the last part of a path is one of the words, of which a * at the end is any ending. */
static bool profile_load_is_one_of(const char *path, char *const *words, size_t count)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash == NULL ? path : slash + 1;
	size_t i;

	for (i = 0; i < count; i++) {
		size_t size = strcspn(words[i], "*");

		if (strncmp(base, words[i], size) == 0 &&
			(words[i][size] == '*' || base[size] == '\0'))
			return true;
	}
	return false;
}

static bool profile_load_match_fits(const struct profile_match *match, char *const *command)
{
	size_t i, at;

	if (match->commands != NULL &&
		!profile_load_is_one_of(command[0], match->commands, match->command_count))
		return false;
	for (i = 0; i < match->argument_count; i++) {
		for (at = 1; command[at] != NULL; at++)
			if (profile_load_is_one_of(command[at], &match->arguments[i], 1))
				break;
		if (command[at] == NULL)
			return false;
	}
	return true;
}

bool profile_matches(const struct profile *profile, char *const *command)
{
	size_t i;

	assert(command == NULL || command[0] != NULL);
	for (i = 0; command != NULL && i < profile->match_count; i++)
		if (profile_load_match_fits(&profile->matches[i], command))
			return true;
	return false;
}

void profile_free(struct profile *profile)
{
	size_t i;

	if (profile == NULL)
		return;
	for (i = 0; i < profile->match_count; i++) {
		reader_free_texts(profile->matches[i].commands, profile->matches[i].command_count);
		reader_free_texts(
			profile->matches[i].arguments, profile->matches[i].argument_count);
	}
	for (i = 0; i < profile->capture_count; i++) {
		reader_free_texts(profile->captures[i].methods, profile->captures[i].method_count);
		free(profile->captures[i].pointer);
		free(profile->captures[i].header);
		free(profile->captures[i].attribute);
	}
	for (i = 0; i < profile->constant_count; i++) {
		free(profile->constants[i].attribute);
		free(profile->constants[i].value);
	}
	lifecycle_free(profile->lifecycle);
	metric_load_free(profile->metrics, profile->metric_count);
	free(profile->captures);
	free(profile->constants);
	free(profile->matches);
	free(profile->name);
	free(profile);
}

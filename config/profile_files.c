/* Profiles by name or by file; see profile_files.h. */
#include "config/profile_files.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/catalog.h"
#include "config/config.h"
#include "config/file.h"
#include "config/profile/extend.h"
#include "config/profile/profile_load.h"
#include "config/value.h"

#define PROFILE_FILES_LIST_SIZE 256
#define PROFILE_FILES_MAX       256  /* looked at in one folder */
#define PROFILE_FILES_HEAD_SIZE 8192 /* of a file there, in which it says what it is for */

static bool profile_files_is_file_name(const char *name)
{
	size_t size = strlen(name);

	return strchr(name, '/') != NULL || (size > 5 && strcmp(name + size - 5, ".json") == 0);
}

/* Writes the folder of a file, with its slash; "" for one that stands where we are. */
static void profile_files_folder(const char *file, char folder[PROFILE_FILES_NAME_SIZE])
{
	const char *slash = file == NULL ? NULL : strrchr(file, '/');

	(void)snprintf(folder, PROFILE_FILES_NAME_SIZE, "%.*s",
		slash == NULL ? 0 : (int)(slash - file) + 1,
		file == NULL ? "" : file); /* one that is cut is not there */
}

/* The folders in which profiles are looked for, with their slash; false: there are no more. */
static bool profile_files_place(
	const struct profile_files *profiles, size_t index, char folder[PROFILE_FILES_NAME_SIZE])
{
	if (index < profiles->file_count) {
		profile_files_folder(profiles->files[index], folder);
		if (folder[0] == '\0')
			(void)snprintf(folder, PROFILE_FILES_NAME_SIZE, "./");
		return true;
	}
	(void)snprintf(
		folder, PROFILE_FILES_NAME_SIZE, "%s/%s/", profiles->datadir, CATALOG_PROFILES);
	return index == profiles->file_count;
}

/* Writes the path of the profile of that name; false: there is no such file. */
static bool profile_files_find(
	const struct profile_files *profiles, const char *name, char path[PROFILE_FILES_NAME_SIZE])
{
	char folder[PROFILE_FILES_NAME_SIZE];
	size_t i;

	for (i = 0; catalog_is_plain(name) && profile_files_place(profiles, i, folder); i++) {
		int size = snprintf(path, PROFILE_FILES_NAME_SIZE, "%s%s.json", folder, name);

		if (size < PROFILE_FILES_NAME_SIZE && access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static struct file *profile_files_parse(const struct profile_files *profiles, const char *name,
	const char *beside, const char *where)
{
	char path[PROFILE_FILES_NAME_SIZE], folder[PROFILE_FILES_NAME_SIZE],
		list[PROFILE_FILES_LIST_SIZE];
	char quote[VALUE_QUOTE_SIZE];

	if (profile_files_is_file_name(name)) {
		profile_files_folder(name[0] == '/' ? NULL : beside, folder);
		(void)snprintf(path, sizeof path, "%s%s", folder, name); /* cut: cannot be opened */
		return file_read(path, profiles->environment, profiles->error, CONFIG_ERROR_SIZE);
	}
	if (profile_files_find(profiles, name, path))
		return file_read(path, profiles->environment, profiles->error, CONFIG_ERROR_SIZE);
	if (catalog_has(CATALOG_PROFILES, name))
		return catalog_parse(CATALOG_PROFILES, name, profiles->environment, profiles->error,
			CONFIG_ERROR_SIZE);
	catalog_list(CATALOG_PROFILES, list, sizeof list);
	(void)snprintf(profiles->error, CONFIG_ERROR_SIZE,
		"%.255s%s: no such profile; must be auto, one of %s, one beside a --config or in "
		"%s/%s, or a file: a name with a / or ending in .json",
		where, value_quote(quote, name), list, profiles->datadir, CATALOG_PROFILES);
	return NULL;
}

/* What the file extends, or NULL. */
static const struct file_node *profile_files_base(const struct file *file)
{
	const struct file_node *node =
		file->root->type == FILE_OBJECT ? file_member(file->root, "extends") : NULL;

	return node != NULL && node->type == FILE_STRING ? node : NULL;
}

/* The path that a file was read from, for what is relative to it; NULL: it is compiled in. */
static const char *profile_files_path(const struct file *file)
{
	return strncmp(file->name, "built-in ", 9) == 0 ? NULL : file->name;
}

struct file *profile_files_read(const struct profile_files *profiles, const char *name,
	const char *beside, const char *where)
{
	char place[PROFILE_FILES_NAME_SIZE + 32];
	struct file *files[PROFILE_FILES_DEPTH_MAX];
	const struct file_node *node = NULL;
	size_t count = 0;

	while (count < PROFILE_FILES_DEPTH_MAX) {
		files[count] = profile_files_parse(profiles, name, beside, where);
		if (files[count] == NULL)
			break;
		node = profile_files_base(files[count]);
		beside = profile_files_path(files[count++]);
		if (node == NULL) {
			while (--count > 0)
				extend_profile(files[count - 1], files[count]);
			return files[0];
		}
		name = node->text;
		(void)snprintf(
			place, sizeof place, "%s:%d: extends: ", node->file->name, node->line);
		where = place;
	}
	if (count == PROFILE_FILES_DEPTH_MAX && node != NULL)
		(void)snprintf(profiles->error, CONFIG_ERROR_SIZE,
			"%s:%d: \"extends\": must not go deeper than %d profiles", node->file->name,
			node->line, PROFILE_FILES_DEPTH_MAX);
	while (count > 0)
		file_free(files[--count]);
	return NULL;
}

/* Whether a file beside others may be a profile that says what it is for: at its beginning. */
static bool profile_files_may_match(const char *path)
{
	char text[PROFILE_FILES_HEAD_SIZE];
	FILE *stream = fopen(path, "re");
	size_t size;

	if (stream == NULL)
		return false;
	size = fread(text, 1, sizeof text, stream);
	(void)fclose(stream); /* only read */
	return memmem(text, size, "\"match\"", strlen("\"match\"")) != NULL;
}

/* Nobody has asked for the file in which the error is: it is only told. */
static void profile_files_leave_out(const struct profile_files *profiles)
{
	char line[CONFIG_ERROR_SIZE + sizeof "; ignored"];

	(void)snprintf(line, sizeof line, "%s; ignored", profiles->error);
	profiles->error[0] = '\0';
	if (profiles->warn != NULL)
		profiles->warn(profiles->warn_arg, line);
}

/* Whether the profile of that name, or in that file, is for the command. */
static bool profile_files_match(
	const struct profile_files *profiles, const char *name, char *const *command)
{
	struct file *file = profile_files_read(profiles, name, NULL, "");
	struct profile *profile = NULL;
	bool result = false;

	if (file == NULL) {
		profile_files_leave_out(profiles);
		return false;
	}
	if (file->root->type == FILE_OBJECT && file_member(file->root, "match") != NULL) {
		profile = profile_new(file, profiles->error, CONFIG_ERROR_SIZE);
		if (profile == NULL)
			profile_files_leave_out(profiles);
		else
			result = profile_matches(profile, command);
	}
	profile_free(profile);
	file_free(file);
	return result;
}

/* The first profile in a folder that says it is for the command, and its path. */
static bool profile_files_choose_in(const struct profile_files *profiles, const char *folder,
	char *const *command, char name[PROFILE_FILES_NAME_SIZE])
{
	DIR *entries = opendir(folder);
	struct dirent *entry;
	bool found = false;
	int count = 0;

	if (entries == NULL)
		return false;
	while (!found && count < PROFILE_FILES_MAX && (entry = readdir(entries)) != NULL) {
		size_t size = strlen(entry->d_name);

		if (size <= 5 || strcmp(entry->d_name + size - 5, ".json") != 0)
			continue;
		count++;
		found = snprintf(name, PROFILE_FILES_NAME_SIZE, "%s%s", folder, entry->d_name) <
				PROFILE_FILES_NAME_SIZE &&
			profile_files_may_match(name) &&
			profile_files_match(profiles, name, command);
	}
	(void)closedir(entries); /* only read */
	return found;
}

/* Whether that place was one before: two files of settings may stand in one folder. */
static bool profile_files_was_place(
	const struct profile_files *profiles, size_t index, const char *folder)
{
	char before[PROFILE_FILES_NAME_SIZE];
	size_t i;

	for (i = 0; i < index && profile_files_place(profiles, i, before); i++)
		if (strcmp(before, folder) == 0)
			return true;
	return false;
}

void profile_files_choose(const struct profile_files *profiles, char *const *command,
	char name[PROFILE_FILES_NAME_SIZE])
{
	char folder[PROFILE_FILES_NAME_SIZE];
	bool found = false;
	size_t i;

	for (i = 0; command != NULL && !found && profile_files_place(profiles, i, folder); i++)
		found = !profile_files_was_place(profiles, i, folder) &&
			profile_files_choose_in(profiles, folder, command, name);
	for (i = 0; command != NULL && !found &&
		    catalog_name(CATALOG_PROFILES, i, name, PROFILE_FILES_NAME_SIZE);
		i++)
		found = profile_files_match(profiles, name, command);
	if (!found)
		(void)snprintf(name, PROFILE_FILES_NAME_SIZE, "generic");
}

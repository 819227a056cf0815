/*
 * What comes with the program. Profiles are compiled in. Environments too, but an installed file of
 * that name is what an administrator has changed, so it goes first.
 */
#include "config/catalog.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/embedded.h"
#include "config/value.h"

#define CATALOG_ENDING    ".json"
#define CATALOG_PATH_SIZE 512
#define CATALOG_LIST_SIZE 256
#define CATALOG_NAME_MAX  64

/* Whether file is FOLDER/NAME.json; then *name and *size are NAME. */
static bool catalog_split(const char *file, const char *folder, const char **name, size_t *size)
{
	size_t length = strlen(folder);

	if (strncmp(file, folder, length) != 0 || file[length] != '/')
		return false;
	*name = file + length + 1;
	*size = strlen(*name);
	if (*size <= strlen(CATALOG_ENDING))
		return false;
	*size -= strlen(CATALOG_ENDING);
	return strcmp(*name + *size, CATALOG_ENDING) == 0;
}

static const struct embedded_file *catalog_find(const char *folder, const char *name)
{
	const struct embedded_file *file;
	const char *at;
	size_t size;

	for (file = embedded_files; file->name != NULL; file++)
		if (catalog_split(file->name, folder, &at, &size) && size == strlen(name) &&
			memcmp(at, name, size) == 0)
			return file;
	return NULL;
}

bool catalog_has(const char *folder, const char *name)
{
	return catalog_find(folder, name) != NULL;
}

bool catalog_name(const char *folder, size_t index, char *name, size_t size)
{
	const struct embedded_file *file;
	const char *at;
	size_t length;

	assert(size > 0);
	for (file = embedded_files; file->name != NULL; file++) {
		if (!catalog_split(file->name, folder, &at, &length) || index-- > 0)
			continue;
		(void)snprintf(name, size, "%.*s", (int)length, at);
		return true;
	}
	return false;
}

/* Appends name to a list; what does not fit is left out. */
static void catalog_append(char *text, size_t size, const char *name)
{
	size_t used = strlen(text);

	if (used + strlen(", ") + strlen(name) < size)
		(void)snprintf(text + used, size - used, "%s%s", used == 0 ? "" : ", ", name);
}

void catalog_list(const char *folder, char *text, size_t size)
{
	char name[CATALOG_LIST_SIZE];
	size_t i;

	assert(size > 0);
	text[0] = '\0';
	for (i = 0; catalog_name(folder, i, name, sizeof name); i++)
		catalog_append(text, size, name);
}

struct file *catalog_parse(const char *folder, const char *name, char *const *environment,
	char *error, size_t error_size)
{
	const struct embedded_file *file = catalog_find(folder, name);
	char title[CATALOG_PATH_SIZE];

	if (file == NULL) {
		(void)snprintf(error, error_size, "built-in %s: there is no %s", folder, name);
		return NULL;
	}
	(void)snprintf(title, sizeof title, "built-in %s", file->name);
	return file_parse(title, file->text, file->size, environment, error, error_size);
}

bool catalog_name_in(const char *folder, size_t index, char *name, size_t size)
{
	struct dirent *entry;
	DIR *entries = opendir(folder);
	size_t length;
	bool found = false;

	assert(size > 0);
	if (entries == NULL)
		return false;
	while (!found && (entry = readdir(entries)) != NULL) {
		length = strlen(entry->d_name);
		if (length <= strlen(CATALOG_ENDING) ||
			strcmp(entry->d_name + length - strlen(CATALOG_ENDING), CATALOG_ENDING) !=
				0)
			continue;
		(void)snprintf(
			name, size, "%.*s", (int)(length - strlen(CATALOG_ENDING)), entry->d_name);
		found = index-- == 0;
	}
	(void)closedir(entries); /* only read */
	return found;
}

/* Appends the names of the installed environments that are not compiled in as well. */
static void catalog_list_installed(const char *datadir, char *text, size_t size)
{
	char path[CATALOG_PATH_SIZE];
	char name[CATALOG_PATH_SIZE];
	size_t i;

	(void)snprintf(path, sizeof path, "%s/%s", datadir, CATALOG_ENVIRONMENTS);
	for (i = 0; catalog_name_in(path, i, name, sizeof name); i++)
		if (!catalog_has(CATALOG_ENVIRONMENTS, name))
			catalog_append(text, size, name);
}

bool catalog_is_plain(const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	return *name != '\0' && strspn(name, allowed) <= CATALOG_NAME_MAX &&
	       name[strspn(name, allowed)] == '\0';
}

struct file *catalog_read_environment(const char *datadir, const char *name,
	char *const *environment, char *error, size_t error_size)
{
	char path[CATALOG_PATH_SIZE];
	char list[CATALOG_LIST_SIZE];
	char quote[VALUE_QUOTE_SIZE];

	if (catalog_is_plain(name)) {
		(void)snprintf(path, sizeof path, "%s/%s/%s%s", datadir, CATALOG_ENVIRONMENTS, name,
			CATALOG_ENDING);
		if (access(path, F_OK) == 0)
			return file_read(path, environment, error, error_size);
		if (catalog_has(CATALOG_ENVIRONMENTS, name))
			return catalog_parse(
				CATALOG_ENVIRONMENTS, name, environment, error, error_size);
	}
	catalog_list(CATALOG_ENVIRONMENTS, list, sizeof list);
	catalog_list_installed(datadir, list, sizeof list);
	(void)snprintf(error, error_size,
		"environment %s: no such environment; must be one of %s, or a file given with "
		"--config",
		value_quote(quote, name), list);
	return NULL;
}

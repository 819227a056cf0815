/*
 * Files with secrets. They are read once, whole, when everything is loaded and it is clear which
 * file counts; one that may not be a file at all (a pipe of the shell) is only read, too. What can
 * fail is opening, reading, size and memory.
 */
#include "config/secret.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/value.h"

#define SECRET_NAME_SIZE 320

static void secret_check_mode(
	struct settings *settings, FILE *stream, const char *name, const char *quote)
{
	struct stat found;

	if (fstat(fileno(stream), &found) == 0 && S_ISREG(found.st_mode) &&
		(found.st_mode & (S_IROTH | S_IWOTH)) != 0)
		settings_warn(settings,
			"%s: %s: everybody on this machine can %s it; should have mode 0600", name,
			quote, (found.st_mode & S_IROTH) != 0 ? "read" : "write to");
}

enum settings_result secret_read(
	struct settings *settings, enum option_index index, const char *path, char **text)
{
	enum config_source source = settings_source(settings, index);
	char *room = malloc(SECRET_SIZE_MAX + 1);
	FILE *stream = fopen(path, "re");
	char quote[VALUE_QUOTE_SIZE];
	char name[SECRET_NAME_SIZE];
	const char *reason = stream == NULL ? strerror(errno) : NULL;
	enum settings_result result = SETTINGS_WRONG;

	assert((size_t)index < OPTION_COUNT);
	*text = NULL;
	settings_name(settings, index, name, sizeof name);
	if (room == NULL) {
		(void)settings_fail(settings, "out of memory");
		goto out;
	}
	if (reason == NULL)
		reason = secret_read_stream(stream, room);
	if (reason != NULL) {
		result = settings_refuse(settings, source,
			"%s: %s: %s; must be the name of a file that can be read", name,
			value_quote(quote, path), reason);
		goto out;
	}
	secret_check_mode(settings, stream, name, value_quote(quote, path));
	*text = room;
	room = NULL;
	result = SETTINGS_TAKEN;
out:
	if (stream != NULL)
		(void)fclose(stream); /* only read */
	free(room);
	return result;
}

const char *secret_read_stream(FILE *stream, char text[SECRET_SIZE_MAX + 1])
{
	size_t size = fread(text, 1, SECRET_SIZE_MAX + 1, stream);

	if (ferror(stream))
		return strerror(errno);
	if (size > SECRET_SIZE_MAX)
		return "larger than 64 KiB";
	text[size] = '\0';
	return memchr(text, '\0', size) == NULL ? NULL : "it has a NUL byte";
}

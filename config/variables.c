/* Looking things up in an environment, which nobody changes while we load. */
#include "config/variables.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool variables_is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

char **variables_trim(char *const *environment)
{
	size_t count, start, end, room = 0;
	char **trimmed;
	char *to;

	for (count = 0; environment[count] != NULL; count++)
		room += strlen(environment[count]) + 1;
	trimmed = malloc((count + 1) * sizeof *trimmed + room);
	if (trimmed == NULL)
		return NULL;
	to = (char *)(trimmed + count + 1);
	trimmed[count] = NULL;
	while (count-- > 0) {
		start = strcspn(environment[count], "=");
		start += environment[count][start] == '=';
		memcpy(to, environment[count], start);
		trimmed[count] = to;
		to += start;
		end = strlen(environment[count]);
		while (start < end && variables_is_blank(environment[count][start]))
			start++;
		while (end > start && variables_is_blank(environment[count][end - 1]))
			end--;
		memcpy(to, environment[count] + start, end - start);
		to[end - start] = '\0';
		to += end - start + 1;
	}
	return trimmed;
}

const char *variables_find(char *const *environment, const char *name, size_t size)
{
	assert(size > 0);
	for (; *environment != NULL; environment++)
		if (strncmp(*environment, name, size) == 0 && (*environment)[size] == '=')
			return (*environment)[size + 1] == '\0' ? NULL : *environment + size + 1;
	return NULL;
}

const char *variables_value(char *const *environment, const char *name)
{
	return variables_find(environment, name, strlen(name));
}

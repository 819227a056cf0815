/*
 * Headers for the collector out of a file. The text is taken apart in place, line by line; a line
 * that is wrong is named by its number, and nothing of it is told, as it may be a secret.
 */
#include "config/headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/map.h"
#include "config/secret.h"
#include "config/settings.h"
#include "config/value.h"

static char *headers_trim(char *text)
{
	size_t size;

	text += strspn(text, " \t\r");
	size = strlen(text);
	while (size > 0 && strchr(" \t\r", text[size - 1]) != NULL)
		size--;
	text[size] = '\0';
	return text;
}

/* Pairs as they stand in a variable. */
static enum map_verdict headers_take_list(
	struct config_map *map, const char *list, enum config_source source, const char **reason)
{
	struct config_map pairs;
	enum map_verdict verdict = map_parse(&pairs, MAP_HEADERS, list, source, reason);

	if (verdict != MAP_OK)
		return verdict;
	if (map_merge(map, MAP_HEADERS, &pairs) != 0)
		verdict = MAP_NO_MEMORY;
	map_free(&pairs);
	return verdict;
}

/* Takes one line, which may be written to. On MAP_WRONG *reason says why. */
static enum map_verdict headers_take_line(
	struct config_map *map, char *line, enum config_source source, const char **reason)
{
	char *name = headers_trim(line);
	char *value = name + strcspn(name, ":=");
	enum map_verdict verdict;

	if (*name == '\0' || *name == '#')
		return MAP_OK;
	*reason = "it has neither a colon nor an =";
	if (*value == '\0')
		return MAP_WRONG;
	if (*value == '=')
		return headers_take_list(map, name, source, reason);
	*value++ = '\0';
	name = headers_trim(name);
	value = headers_trim(value);
	verdict = map_check(MAP_HEADERS, name, value, reason);
	if (verdict != MAP_OK)
		return verdict;
	return map_set(map, MAP_HEADERS, name, value, source) == 0 ? MAP_OK : MAP_NO_MEMORY;
}

/* Whatever is returned, what was taken so far is the caller's. */
static enum settings_result headers_take_text(
	struct settings *settings, struct config_map *map, char *text, enum config_source source)
{
	const char *path = settings->config->otlp_headers_file;
	const size_t count_max = (size_t)option_at(OPTION_AT_otlp_headers)->max;
	enum map_verdict verdict;
	const char *reason;
	char *line;
	int number;

	for (number = 1; (line = strsep(&text, "\n")) != NULL; number++) {
		verdict = headers_take_line(map, line, source, &reason);
		if (verdict == MAP_OK && map->count > count_max) {
			verdict = MAP_WRONG;
			reason = "too many headers";
		}
		if (verdict == MAP_WRONG)
			return settings_refuse(settings, source,
				"%s:%d: otlp.headers_file: %s; must be NAME: VALUE or NAME=VALUE",
				path, number, reason);
		if (verdict == MAP_NO_MEMORY) {
			(void)settings_fail(settings, "out of memory");
			return SETTINGS_WRONG;
		}
	}
	return SETTINGS_TAKEN;
}

/* The headers are told to be from the file. */
static int headers_put(
	struct settings *settings, const struct config_map *map, enum config_source source)
{
	struct settings_origin *origin = &settings->origins[OPTION_AT_otlp_headers];
	struct config *config = settings->config;
	char *where = strdup(config->otlp_headers_file);

	if (where == NULL)
		return settings_fail(settings, "out of memory");
	if (origin->source < source)
		map_free(&config->otlp_headers);
	free(origin->where);
	origin->where = where;
	origin->source = CONFIG_FILE;
	if (map_merge(&config->otlp_headers, MAP_HEADERS, map) != 0)
		return settings_fail(settings, "out of memory");
	return 0;
}

int headers_load(struct settings *settings)
{
	const char *path = settings->config->otlp_headers_file;
	enum config_source source = settings_source(settings, OPTION_AT_otlp_headers_file);
	struct config_map map = {0};
	enum settings_result result;
	char *text;

	if (path == NULL || source < settings_source(settings, OPTION_AT_otlp_headers))
		return 0;
	result = secret_read(settings, OPTION_AT_otlp_headers_file, path, &text);
	if (result == SETTINGS_TAKEN)
		result = headers_take_text(settings, &map, text, source);
	if (result == SETTINGS_TAKEN && headers_put(settings, &map, source) != 0)
		result = SETTINGS_WRONG;
	free(text);
	map_free(&map);
	return result == SETTINGS_WRONG ? -1 : 0;
}

#ifndef CONFIG_MAP_H
#define CONFIG_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "config/options.h"

/* Maps of names to values: resource attributes, HTTP headers, shares. Few pairs, so a plain array.
 */

/*
 * Adds a pair, or replaces the value of the same name (headers: in any case) when the one there
 * is not from a stronger source. Copies. 0, or -1 when memory is out.
 */
int map_set(struct config_map *map, enum map_kind kind, const char *name, const char *value,
	enum config_source source);

/* Moves every pair of from into map as map_set() would. 0, or -1 when memory is out. */
int map_merge(struct config_map *map, enum map_kind kind, const struct config_map *from);

/* Removes a pair and returns its value, which is the caller's; NULL when there is none. */
char *map_take(struct config_map *map, const char *name);

void map_free(struct config_map *map);

enum map_verdict { MAP_OK, MAP_WRONG, MAP_NO_MEMORY };

/* Whether the pair may be in a map of that kind; *reason (static) says why not. */
enum map_verdict map_check(
	enum map_kind kind, const char *name, const char *value, const char **reason);

/*
 * Parses NAME=VALUE,NAME=VALUE with percent-encoded values (and names, but for headers). Anything
 * wrong discards it all; but headers from CONFIG_OTEL are taken one by one, and then *reason, else
 * NULL, says on MAP_OK why some were not. On MAP_OK the map is the caller's.
 */
enum map_verdict map_parse(struct config_map *map, enum map_kind kind, const char *text,
	enum config_source source, const char **reason);

/* Whether text, from its begin to its end, is a decimal number from min to max. */
bool map_is_ratio(const char *text, double min, double max, double *ratio);

/* Whether text is UTF-8 without control characters. */
bool map_is_text(const char *text);

#endif

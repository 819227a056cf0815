/*
 * Maps of names to values, and the list syntax they have in variables and flags: that of W3C
 * Baggage without properties, as OpenTelemetry uses it. A text is taken whole or not at all, but
 * for headers in a variable of OpenTelemetry: one that is bad does not make the collector refuse
 * all.
 */
#include "config/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/list.h"
#include "w3c/utf8.h"

/* The sender writes these itself; a second one would spoil the request. */
static const char *const map_own_headers[] = {
	"content-encoding", "content-length", "content-type", "transfer-encoding", NULL};

static bool map_same_name(enum map_kind kind, const char *one, const char *other)
{
	return (kind == MAP_HEADERS ? strcasecmp(one, other) : strcmp(one, other)) == 0;
}

static struct config_pair *map_find(
	const struct config_map *map, enum map_kind kind, const char *name)
{
	size_t i;

	for (i = 0; i < map->count; i++)
		if (map_same_name(kind, map->pairs[i].name, name))
			return &map->pairs[i];
	return NULL;
}

static int map_replace(struct config_pair *pair, const char *value, enum config_source source)
{
	char *copy;

	if (source < pair->source)
		return 0;
	copy = strdup(value);
	if (copy == NULL)
		return -1;
	free(pair->value);
	pair->value = copy;
	pair->source = source;
	return 0;
}

int map_set(struct config_map *map, enum map_kind kind, const char *name, const char *value,
	enum config_source source)
{
	struct config_pair *pair = map_find(map, kind, name);
	struct config_pair *pairs;

	assert(*name != '\0' && value != NULL);
	if (pair != NULL)
		return map_replace(pair, value, source);
	pairs = realloc(map->pairs, (map->count + 1) * sizeof *pairs);
	if (pairs == NULL)
		return -1;
	map->pairs = pairs;
	pair = &pairs[map->count];
	pair->name = strdup(name);
	pair->value = strdup(value);
	pair->source = source;
	if (pair->name == NULL || pair->value == NULL) {
		free(pair->name);
		free(pair->value);
		return -1;
	}
	map->count++;
	return 0;
}

int map_merge(struct config_map *map, enum map_kind kind, const struct config_map *from)
{
	size_t i;

	assert(map != from);
	for (i = 0; i < from->count; i++)
		if (map_set(map, kind, from->pairs[i].name, from->pairs[i].value,
			    from->pairs[i].source) != 0)
			return -1;
	return 0;
}

char *map_take(struct config_map *map, const char *name)
{
	struct config_pair *pair = map_find(map, MAP_ATTRIBUTES, name);
	char *value;
	size_t behind;

	if (pair == NULL)
		return NULL;
	value = pair->value;
	assert(map->count > 0 && pair >= map->pairs && pair < map->pairs + map->count);
	free(pair->name);
	behind = map->count - (size_t)(pair - map->pairs) - 1;
	memmove(pair, pair + 1, behind * sizeof *pair);
	map->count--;
	return value;
}

void map_free(struct config_map *map)
{
	size_t i;

	for (i = 0; i < map->count; i++) {
		free(map->pairs[i].name);
		free(map->pairs[i].value);
	}
	free(map->pairs);
	map->pairs = NULL;
	map->count = 0;
}

bool map_is_text(const char *text)
{
	uint8_t state = UTF8_COMPLETE;
	size_t size = strlen(text), i;

	if (utf8_check(&state, (const uint8_t *)text, size) < size || state != UTF8_COMPLETE)
		return false;
	for (i = 0; i < size; i++)
		if ((uint8_t)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return true;
}

bool map_is_ratio(const char *text, double min, double max, double *ratio)
{
	char *end;

	if (*text == '\0' || text[strspn(text, "0123456789.eE+-")] != '\0')
		return false; /* strtod() would take "inf", "nan" and hexadecimal */
	*ratio = strtod(text, &end);
	return *end == '\0' && *ratio >= min && *ratio <= max;
}

static enum map_verdict map_wrong(const char **reason, const char *text)
{
	*reason = text;
	return MAP_WRONG;
}

static enum map_verdict map_check_ratio(const char *name, const char *value, const char **reason)
{
	double ratio;

	if (!map_is_ratio(value, 0, 1, &ratio))
		return map_wrong(reason, "a share is not a number from 0 to 1");
	*reason = list_check(LIST_METHODS, name);
	return *reason == NULL ? MAP_OK : MAP_WRONG;
}

/* RFC 9110, section 5.6.2. */
static bool map_is_token(const char *text)
{
	static const char allowed[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return *text != '\0' && text[strspn(text, allowed)] == '\0';
}

enum map_verdict map_check(
	enum map_kind kind, const char *name, const char *value, const char **reason)
{
	size_t i;

	if (!map_is_text(name) || !map_is_text(value))
		return map_wrong(reason, "it has a control character or is not UTF-8");
	if (*name == '\0')
		return map_wrong(reason, "a name is missing");
	if (kind == MAP_ATTRIBUTES)
		return MAP_OK;
	if (kind == MAP_RATIOS)
		return map_check_ratio(name, value, reason);
	if (!map_is_token(name))
		return map_wrong(reason, "a name is not one of an HTTP header");
	for (i = 0; map_own_headers[i] != NULL; i++)
		if (strcasecmp(map_own_headers[i], name) == 0)
			return map_wrong(reason, "a header has a name that sidespan sets itself");
	return MAP_OK;
}

static int map_hex(char digit)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *found = digit == '\0' ? NULL : strchr(digits, digit);

	return found == NULL ? -1 : (int)(found - digits) % 16;
}

/* Decodes in place. 0, or -1 when a % is not followed by two digits, or by 00. */
static int map_decode(char *text)
{
	char *to = text;
	int high, low;

	for (; *text != '\0'; text++) {
		if (*text != '%') {
			*to++ = *text;
			continue;
		}
		high = map_hex(text[1]);
		low = high < 0 ? -1 : map_hex(text[2]);
		if (low < 0 || high + low == 0)
			return -1;
		*to++ = (char)(high * 16 + low);
		text += 2;
	}
	*to = '\0';
	return 0;
}

static char *map_trim(char *text)
{
	size_t size;

	text += strspn(text, " \t");
	size = strlen(text);
	while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
		size--;
	text[size] = '\0';
	return text;
}

/* Takes one NAME=VALUE, which it may write to. */
static enum map_verdict map_parse_pair(struct config_map *map, enum map_kind kind, char *text,
	enum config_source source, const char **reason)
{
	char *value = strchr(text, '=');
	char *name;
	enum map_verdict verdict;

	if (value == NULL)
		return map_wrong(reason, "a pair has no =");
	*value++ = '\0';
	name = map_trim(text);
	value = map_trim(value);
	if (kind == MAP_ATTRIBUTES && strchr(value, '=') != NULL)
		return map_wrong(reason, "a value has a = that is not written %3D");
	if (map_decode(value) != 0 || (kind != MAP_HEADERS && map_decode(name) != 0))
		return map_wrong(reason, "a % is not followed by two hexadecimal digits");
	verdict = map_check(kind, name, value, reason);
	if (verdict != MAP_OK)
		return verdict;
	return map_set(map, kind, name, value, source) == 0 ? MAP_OK : MAP_NO_MEMORY;
}

enum map_verdict map_parse(struct config_map *map, enum map_kind kind, const char *text,
	enum config_source source, const char **reason)
{
	bool one_by_one = kind == MAP_HEADERS && source == CONFIG_OTEL;
	enum map_verdict verdict = MAP_OK;
	char *copy = strdup(text);
	char *rest = copy;
	char *pair;

	memset(map, 0, sizeof *map);
	*reason = NULL;
	if (copy == NULL)
		return MAP_NO_MEMORY;
	while (verdict == MAP_OK && (pair = strsep(&rest, ",")) != NULL) {
		pair = map_trim(pair);
		if (*pair != '\0')
			verdict = map_parse_pair(map, kind, pair, source, reason);
		if (verdict == MAP_WRONG && one_by_one)
			verdict = MAP_OK;
	}
	free(copy);
	if (verdict == MAP_OK && *reason != NULL && map->count == 0)
		verdict = MAP_WRONG; /* no good one was among them */
	if (verdict != MAP_OK)
		map_free(map);
	return verdict;
}

/*
 * The options table. Each row of options.def becomes one struct option; flags and variables are
 * spelled from the name, so that there is nothing to keep in step.
 */
#include "config/options.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"

#define OPTION_ROW(kind, field, title, value, low, high, variable, bits, about, ...)               \
	{.name = title,                                                                            \
		.type = kind,                                                                      \
		.offset = offsetof(struct config, field),                                          \
		.text = value,                                                                     \
		.min = low,                                                                        \
		.max = high,                                                                       \
		.otel = variable,                                                                  \
		.flags = bits,                                                                     \
		.help = about,                                                                     \
		__VA_ARGS__},

#define OPTION_WORD(constant, text) text,
#define OPTION_WORDS(list)          ((const char *const[]){list(OPTION_WORD) NULL})

static const struct option options[OPTION_COUNT] = {
#define OPTION_BOOL(...)     OPTION_ROW(OPTION_TYPE_BOOL, __VA_ARGS__, )
#define OPTION_INT(...)      OPTION_ROW(OPTION_TYPE_INT, __VA_ARGS__, )
#define OPTION_DURATION(...) OPTION_ROW(OPTION_TYPE_DURATION, __VA_ARGS__, )
#define OPTION_SIZE(...)     OPTION_ROW(OPTION_TYPE_SIZE, __VA_ARGS__, )
#define OPTION_RATIO(...)    OPTION_ROW(OPTION_TYPE_RATIO, __VA_ARGS__, )
#define OPTION_TEXT(...)     OPTION_ROW(OPTION_TYPE_TEXT, __VA_ARGS__, )
#define OPTION_ADDRESS(...)  OPTION_ROW(OPTION_TYPE_ADDRESS, __VA_ARGS__, )
#define OPTION_URL(...)      OPTION_ROW(OPTION_TYPE_URL, __VA_ARGS__, )
#define OPTION_FILE(...)     OPTION_ROW(OPTION_TYPE_FILE, __VA_ARGS__, )
#define OPTION_ENUM(field, title, value, list, ...)                                                \
	OPTION_ROW(OPTION_TYPE_ENUM, field, title, value, 0, 0, __VA_ARGS__,                       \
		.words = OPTION_WORDS(list))
#define OPTION_MAP(field, title, value, kind, high, ...)                                           \
	OPTION_ROW(OPTION_TYPE_MAP, field, title, value, 0, high, __VA_ARGS__, .map_kind = kind)
#define OPTION_LIST(field, title, value, kind, high, ...)                                          \
	OPTION_ROW(OPTION_TYPE_LIST, field, title, value, 0, high, __VA_ARGS__, .list_kind = kind)
#include "config/options.def"
};

/* Writes prefix and the option's name, each dot and underscore as separator, in one case. */
static void option_spell(const struct option *option, char name[OPTION_NAME_SIZE],
	const char *prefix, char separator, int (*to_case)(int))
{
	size_t size = strlen(prefix);
	const char *from;

	assert(size + strlen(option->name) < OPTION_NAME_SIZE);
	memcpy(name, prefix, size);
	for (from = option->name; *from != '\0'; from++)
		name[size++] = (*from == '.' || *from == '_') ? separator : (char)to_case(*from);
	name[size] = '\0';
}

const struct option *option_at(size_t index)
{
	assert(index < OPTION_COUNT);
	return &options[index];
}

size_t option_index(const struct option *option)
{
	assert(option >= options && option < options + OPTION_COUNT);
	return (size_t)(option - options);
}

void option_plain_name(const struct option *option, char name[OPTION_NAME_SIZE])
{
	assert(strlen(option->name) < OPTION_NAME_SIZE);
	memcpy(name, option->name, strlen(option->name) + 1);
}

void option_flag_name(const struct option *option, char name[OPTION_NAME_SIZE])
{
	option_spell(option, name, "--", '-', tolower);
}

void option_variable_name(const struct option *option, char name[OPTION_NAME_SIZE])
{
	option_spell(option, name, "SIDESPAN_", '_', toupper);
}

void option_signal_name(const struct option *option, char name[OPTION_NAME_SIZE])
{
	static const char general[] = "OTEL_EXPORTER_OTLP_";

	assert((option->flags & OPTION_SIGNAL) != 0 && option->otel != NULL);
	assert(strncmp(option->otel, general, strlen(general)) == 0);
	(void)snprintf(name, OPTION_NAME_SIZE, "%sTRACES_%s", general,
		option->otel + strlen(general)); /* all of them fit, a test sees to it */
}

const struct option *option_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

const struct option *option_by_flag(const char *flag, size_t size)
{
	char name[OPTION_NAME_SIZE];
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++) {
		option_flag_name(&options[i], name);
		if (strlen(name) == size && memcmp(name, flag, size) == 0)
			return &options[i];
	}
	return NULL;
}

const struct option *option_by_variable(const char *variable)
{
	char name[OPTION_NAME_SIZE];
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++) {
		option_variable_name(&options[i], name);
		if (strcmp(name, variable) == 0)
			return &options[i];
	}
	return NULL;
}

bool option_is_group(const char *name)
{
	size_t size = strlen(name);
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++)
		if (strncmp(options[i].name, name, size) == 0 && options[i].name[size] == '.')
			return true;
	return false;
}

static size_t option_least(size_t one, size_t two, size_t three)
{
	size_t least = one < two ? one : two;

	return least < three ? least : three;
}

/* Levenshtein's distance, one row at a time. Names of any length beyond the table's are far. */
size_t option_distance(const char *one, const char *other)
{
	size_t row[2 * OPTION_NAME_SIZE];
	size_t size = strlen(other);
	size_t i, j, diagonal, above;

	if (size >= 2 * OPTION_NAME_SIZE || strlen(one) >= 2 * OPTION_NAME_SIZE)
		return SIZE_MAX;
	for (j = 0; j <= size; j++)
		row[j] = j;
	for (i = 1; one[i - 1] != '\0'; i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; j <= size; j++) {
			above = row[j];
			row[j] = option_least(above + 1, row[j - 1] + 1,
				diagonal + (tolower((unsigned char)one[i - 1]) !=
						   tolower((unsigned char)other[j - 1])));
			diagonal = above;
		}
	}
	return row[size];
}

const struct option *option_nearest(
	const char *written, void (*form)(const struct option *option, char name[OPTION_NAME_SIZE]))
{
	const struct option *nearest = NULL;
	size_t least = strlen(written) / 3 + 1; /* beyond, it is a guess and no help */
	size_t distance;
	size_t i;
	char name[OPTION_NAME_SIZE];

	for (i = 0; i < OPTION_COUNT; i++) {
		form(&options[i], name);
		distance = option_distance(written, name);
		if (distance < least) {
			least = distance;
			nearest = &options[i];
		}
	}
	return nearest;
}

/*
 * Values: one row per type of option says how it is parsed, what would be right and how it is
 * printed. Texts are copied; a value that is refused leaves nothing behind.
 */
#include "config/value.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/place.h"
#include "config/url.h"
#include "w3c/utf8.h"

struct value_unit {
	const char *name;
	int64_t size;
};

/* Largest first. The last one may be left out in what is parsed. */
static const struct value_unit value_durations[] = {
	{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct value_unit value_sizes[] = {
	{"GiB", 1073741824}, {"MiB", 1048576}, {"KiB", 1024}, {"B", 1}};

#define VALUE_UNIT_COUNT 4

static enum value_verdict value_wrong(const char **reason, const char *text)
{
	*reason = text;
	return VALUE_WRONG;
}

static const struct value_unit *value_units(enum option_type type)
{
	if (type == OPTION_TYPE_DURATION)
		return value_durations;
	return type == OPTION_TYPE_SIZE ? value_sizes : NULL;
}

static enum value_verdict value_parse_bool(
	struct value *value, const struct option *option, const char *text, const char **reason)
{
	(void)option; /* booleans are all alike */
	(void)reason;
	value->boolean = strcasecmp(text, "true") == 0;
	return value->boolean || strcasecmp(text, "false") == 0 ? VALUE_OK : VALUE_WRONG;
}

/* The factor that the unit stands for, 0 when the type has no such unit. */
static int64_t value_factor(enum option_type type, const char *unit)
{
	const struct value_unit *units = value_units(type);
	size_t i;

	if (*unit == '\0')
		return 1;
	for (i = 0; units != NULL && i < VALUE_UNIT_COUNT; i++)
		if (strcasecmp(units[i].name, unit) == 0)
			return units[i].size;
	return 0;
}

static enum value_verdict value_parse_number(
	struct value *value, const struct option *option, const char *text, const char **reason)
{
	size_t digits = strspn(text, "0123456789");
	int64_t factor = value_factor(option->type, text + digits);

	if (digits == 0 || factor == 0)
		return VALUE_WRONG;
	errno = 0;
	value->number = strtoll(text, NULL, 10);
	if (errno == ERANGE || value->number > option->max / factor)
		return value_wrong(reason, "too large");
	value->number *= factor;
	return value->number < option->min ? value_wrong(reason, "too small") : VALUE_OK;
}

static enum value_verdict value_parse_ratio(
	struct value *value, const struct option *option, const char *text, const char **reason)
{
	(void)reason; /* the description says it all */
	return map_is_ratio(text, (double)option->min, (double)option->max, &value->ratio)
		       ? VALUE_OK
		       : VALUE_WRONG;
}

static enum value_verdict value_parse_enum(
	struct value *value, const struct option *option, const char *text, const char **reason)
{
	size_t i;

	(void)reason; /* the description lists the words */
	for (i = 0; option->words[i] != NULL; i++) {
		if (strcasecmp(option->words[i], text) == 0) {
			value->number = (int64_t)i;
			return VALUE_OK;
		}
	}
	return VALUE_WRONG;
}

static enum value_verdict value_parse_text(
	struct value *value, const struct option *option, const char *text, const char **reason)
{
	size_t size = strlen(text);

	if (size < (size_t)option->min)
		return value_wrong(reason, "too short");
	if (size > (size_t)option->max)
		return value_wrong(reason, "too long");
	if (!map_is_text(text))
		return value_wrong(reason, "it has a control character or is not UTF-8");
	value->text = strdup(text);
	return value->text == NULL ? VALUE_NO_MEMORY : VALUE_OK;
}

static enum value_verdict value_parse_address(
	struct value *value, const struct option *option, const char *text, const char **reason)
{
	struct url url;

	if (url_parse(&url, text, reason) != 0)
		return VALUE_WRONG;
	return value_parse_text(value, option, text, reason);
}

static enum value_verdict value_parse_url(
	struct value *value, const struct option *option, const char *text, const char **reason)
{
	if (url_check_http(text, reason) != 0)
		return VALUE_WRONG;
	return value_parse_text(value, option, text, reason);
}

static enum value_verdict value_parse_file(
	struct value *value, const struct option *option, const char *text, const char **reason)
{
	struct stat found;

	if (access(text, R_OK) != 0 || stat(text, &found) != 0)
		return value_wrong(reason, strerror(errno));
	if (S_ISDIR(found.st_mode))
		return value_wrong(reason, strerror(EISDIR));
	return value_parse_text(value, option, text, reason);
}

static enum value_verdict value_parse_map(struct value *value, const struct option *option,
	const char *text, enum config_source source, const char **reason)
{
	switch (map_parse(&value->map, option->map_kind, text, source, reason)) {
	case MAP_OK:
		break;
	case MAP_WRONG:
		return VALUE_WRONG;
	case MAP_NO_MEMORY:
		return VALUE_NO_MEMORY;
	}
	if (value->map.count <= (size_t)option->max)
		return VALUE_OK;
	map_free(&value->map);
	return value_wrong(reason, "too many pairs");
}

static enum value_verdict value_parse_list(
	struct value *value, const struct option *option, const char *text, const char **reason)
{
	switch (list_parse(&value->list, option->list_kind, text, reason)) {
	case LIST_OK:
		break;
	case LIST_WRONG:
		return VALUE_WRONG;
	case LIST_NO_MEMORY:
		return VALUE_NO_MEMORY;
	}
	if (value->list.count <= (size_t)option->max)
		return VALUE_OK;
	list_free(&value->list);
	return value_wrong(reason, "too many");
}

enum value_verdict value_parse(struct value *value, const struct option *option, const char *text,
	enum config_source source, const char **reason)
{
	static enum value_verdict (*const parse[])(
		struct value *, const struct option *, const char *, const char **) = {
		[OPTION_TYPE_BOOL] = value_parse_bool,
		[OPTION_TYPE_INT] = value_parse_number,
		[OPTION_TYPE_DURATION] = value_parse_number,
		[OPTION_TYPE_SIZE] = value_parse_number,
		[OPTION_TYPE_RATIO] = value_parse_ratio,
		[OPTION_TYPE_ENUM] = value_parse_enum,
		[OPTION_TYPE_TEXT] = value_parse_text,
		[OPTION_TYPE_ADDRESS] = value_parse_address,
		[OPTION_TYPE_URL] = value_parse_url,
		[OPTION_TYPE_FILE] = value_parse_file,
		[OPTION_TYPE_LIST] = value_parse_list,
	};

	memset(value, 0, sizeof *value);
	*reason = NULL;
	if (option->type == OPTION_TYPE_MAP)
		return value_parse_map(value, option, text, source, reason);
	return parse[option->type](value, option, text, reason);
}

void value_free(struct value *value)
{
	free(value->text);
	value->text = NULL;
	map_free(&value->map);
	list_free(&value->list);
}

/* The option's field in config. */
static void *value_field(const struct option *option, struct config *config)
{
	return (char *)config + option->offset;
}

static const void *value_field_const(const struct option *option, const struct config *config)
{
	return (const char *)config + option->offset;
}

static void value_store_text(struct value *value, char **field)
{
	free(*field);
	*field = value->text;
	value->text = NULL;
}

static void value_store_map(struct value *value, struct config_map *field)
{
	map_free(field);
	*field = value->map;
	memset(&value->map, 0, sizeof value->map);
}

void value_store(struct value *value, const struct option *option, struct config *config)
{
	void *field = value_field(option, config);

	switch (option->type) {
	case OPTION_TYPE_BOOL:
		*(bool *)field = value->boolean;
		break;
	case OPTION_TYPE_INT:
	case OPTION_TYPE_DURATION:
	case OPTION_TYPE_SIZE:
		*(int64_t *)field = value->number;
		break;
	case OPTION_TYPE_RATIO:
		*(double *)field = value->ratio;
		break;
	case OPTION_TYPE_ENUM:
		*(int *)field = (int)value->number;
		break;
	case OPTION_TYPE_TEXT:
	case OPTION_TYPE_ADDRESS:
	case OPTION_TYPE_URL:
	case OPTION_TYPE_FILE:
		value_store_text(value, field);
		break;
	case OPTION_TYPE_MAP:
		value_store_map(value, field);
		break;
	case OPTION_TYPE_LIST:
		list_free(field);
		*(struct config_list *)field = value->list;
		value->list = (struct config_list){.items = NULL};
		break;
	}
}

static bool value_same_text(const char *one, const char *other)
{
	return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
}

static bool value_same_map(const struct config_map *one, const struct config_map *other)
{
	size_t i;

	if (one->count != other->count)
		return false;
	for (i = 0; i < one->count; i++)
		if (strcmp(one->pairs[i].name, other->pairs[i].name) != 0 ||
			strcmp(one->pairs[i].value, other->pairs[i].value) != 0)
			return false;
	return true;
}

static bool value_same_list(const struct config_list *one, const struct config_list *other)
{
	size_t i;

	if (one->count != other->count)
		return false;
	for (i = 0; i < one->count; i++)
		if (strcmp(one->items[i], other->items[i]) != 0)
			return false;
	return true;
}

bool value_equals(const struct option *option, const struct config *one, const struct config *other)
{
	const void *field = (const char *)one + option->offset;
	const void *as = (const char *)other + option->offset;

	switch (option->type) {
	case OPTION_TYPE_BOOL:
		return *(const bool *)field == *(const bool *)as;
	case OPTION_TYPE_INT:
	case OPTION_TYPE_DURATION:
	case OPTION_TYPE_SIZE:
		return *(const int64_t *)field == *(const int64_t *)as;
	case OPTION_TYPE_RATIO:
		return memcmp(field, as, sizeof(double)) == 0;
	case OPTION_TYPE_ENUM:
		return *(const int *)field == *(const int *)as;
	case OPTION_TYPE_TEXT:
	case OPTION_TYPE_ADDRESS:
	case OPTION_TYPE_URL:
	case OPTION_TYPE_FILE:
		return value_same_text(*(char *const *)field, *(char *const *)as);
	case OPTION_TYPE_MAP:
		return value_same_map(field, as);
	case OPTION_TYPE_LIST:
		break;
	}
	return value_same_list(field, as);
}

int value_copy(const struct option *option, struct config *to, const struct config *from)
{
	const void *field = (const char *)from + option->offset;
	const struct config_list *list = field;
	struct value value = {.boolean = false};
	int failed = 0;
	size_t i;

	switch (option->type) {
	case OPTION_TYPE_BOOL:
		value.boolean = *(const bool *)field;
		break;
	case OPTION_TYPE_INT:
	case OPTION_TYPE_DURATION:
	case OPTION_TYPE_SIZE:
		value.number = *(const int64_t *)field;
		break;
	case OPTION_TYPE_RATIO:
		value.ratio = *(const double *)field;
		break;
	case OPTION_TYPE_ENUM:
		value.number = *(const int *)field;
		break;
	case OPTION_TYPE_TEXT:
	case OPTION_TYPE_ADDRESS:
	case OPTION_TYPE_URL:
	case OPTION_TYPE_FILE:
		if (*(char *const *)field != NULL)
			failed = (value.text = strdup(*(char *const *)field)) == NULL;
		break;
	case OPTION_TYPE_MAP:
		failed = map_merge(&value.map, option->map_kind, field);
		break;
	case OPTION_TYPE_LIST:
		for (i = 0; i < list->count && failed == 0; i++)
			failed = list_add(&value.list, list->items[i]);
		break;
	}
	if (failed == 0)
		value_store(&value, option, to);
	value_free(&value);
	return failed == 0 ? 0 : -1;
}

static void value_describe_range(
	const struct option *option, const char *what, const char *example, char *text, size_t size)
{
	char low[32], high[32];

	value_print_number(option->type, option->min, low, sizeof low);
	value_print_number(option->type, option->max, high, sizeof high);
	(void)snprintf(text, size, "%s from %s to %s%s", what, low, high, example);
}

static void value_describe_words(const struct option *option, char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, "one of");
	size_t i;

	for (i = 0; option->words[i] != NULL; i++) {
		assert(used < size);
		used += (size_t)snprintf(
			text + used, size - used, "%s %s", i == 0 ? "" : ",", option->words[i]);
	}
}

void value_describe(const struct option *option, char text[VALUE_DESCRIBE_SIZE])
{
	static const char *const fixed[] = {
		[OPTION_TYPE_BOOL] = "true or false",
		[OPTION_TYPE_ADDRESS] =
			("http[s]://HOST:PORT[/PATH], http+unix:///PATH, ws[s]://HOST:PORT[/PATH], "
			 "ws+unix:///PATH, [lsp+|json+|tls+]tcp://HOST:PORT or "
			 "[lsp+|json+]unix:///PATH"),
		[OPTION_TYPE_URL] = "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]",
		[OPTION_TYPE_FILE] = "the name of a file that can be read",
	};

	if ((option->flags & OPTION_OPERATOR) != 0) {
		(void)snprintf(text, VALUE_DESCRIBE_SIZE, "http://HOST:PORT or unix:///PATH");
		return;
	}
	switch (option->type) {
	case OPTION_TYPE_INT:
		value_describe_range(option, "a whole number", "", text, VALUE_DESCRIBE_SIZE);
		break;
	case OPTION_TYPE_DURATION:
		value_describe_range(option, "a time", " (units ms, s, m, h; without one ms)", text,
			VALUE_DESCRIBE_SIZE);
		break;
	case OPTION_TYPE_SIZE:
		value_describe_range(option, "a size",
			" (units B, KiB, MiB, GiB; without one bytes)", text, VALUE_DESCRIBE_SIZE);
		break;
	case OPTION_TYPE_RATIO:
		value_describe_range(option, "a number", "", text, VALUE_DESCRIBE_SIZE);
		break;
	case OPTION_TYPE_ENUM:
		value_describe_words(option, text, VALUE_DESCRIBE_SIZE);
		break;
	case OPTION_TYPE_TEXT:
		(void)snprintf(text, VALUE_DESCRIBE_SIZE,
			"a text of %" PRId64 " to %" PRId64 " bytes", option->min, option->max);
		break;
	case OPTION_TYPE_LIST:
		(void)snprintf(text, VALUE_DESCRIBE_SIZE, "%s, with commas between several",
			option->list_kind == LIST_ORIGINS ? "SCHEME://HOST[:PORT] or null"
			: option->list_kind == LIST_HOSTS ? "HOST[:PORT]"
			: option->list_kind == LIST_KEYS  ? "KEY of letters, digits, . - and _"
			: option->list_kind == LIST_PATTERNS
				? "extended regular expressions of at most 256 bytes, without \\1 "
				  "to "
				  "\\9 and repeats over 99"
			: option->list_kind == LIST_PLACES ? PLACE_FORMS ", " PLACE_HEADER
									 "; or true, false, none"
			: option->list_kind == LIST_TARGETS
				? PLACE_FORMS ", " PLACE_HEADER "; or none"
				: "all, work, or METHOD, * at its end standing for any rest");
		break;
	case OPTION_TYPE_MAP:
		(void)snprintf(text, VALUE_DESCRIBE_SIZE, "%s",
			option->map_kind == MAP_RATIOS
				? "METHOD=SHARE[,METHOD=SHARE...], each a number from 0 to 1"
				: "NAME=VALUE[,NAME=VALUE...] with values percent-encoded");
		break;
	case OPTION_TYPE_BOOL:
	case OPTION_TYPE_ADDRESS:
	case OPTION_TYPE_URL:
	case OPTION_TYPE_FILE:
		(void)snprintf(text, VALUE_DESCRIBE_SIZE, "%s", fixed[option->type]);
		break;
	}
}

void value_print_number(enum option_type type, int64_t number, char *text, size_t size)
{
	const struct value_unit *units = value_units(type);
	size_t i = 0;

	assert(size > 0);
	if (units == NULL) {
		(void)snprintf(text, size, "%" PRId64, number);
		return;
	}
	while (i + 1 < VALUE_UNIT_COUNT && (number == 0 || number % units[i].size != 0))
		i++;
	(void)snprintf(text, size, "%" PRId64 "%s", number / units[i].size, units[i].name);
}

/* A clipped text is good enough here: it is for people. */
static void value_print_map(
	const struct option *option, const struct config_map *map, char *text, size_t size)
{
	bool secret = (option->flags & OPTION_SECRET) != 0;
	size_t used = 0;
	size_t i;

	(void)snprintf(text, size, "-");
	for (i = 0; i < map->count && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s=%s", i == 0 ? "" : ",",
			map->pairs[i].name, secret ? "***" : map->pairs[i].value);
}

static void value_print_list(const struct config_list *list, char *text, size_t size)
{
	size_t used = 0;
	size_t i;

	(void)snprintf(text, size, "-");
	for (i = 0; i < list->count && used < size; i++)
		used += (size_t)snprintf(
			text + used, size - used, "%s%s", i == 0 ? "" : ",", list->items[i]);
}

void value_print(const struct option *option, const struct config *config, char *text, size_t size)
{
	const void *field = value_field_const(option, config);
	const char *string;

	assert(size > 0);
	switch (option->type) {
	case OPTION_TYPE_BOOL:
		(void)snprintf(text, size, "%s", *(const bool *)field ? "true" : "false");
		break;
	case OPTION_TYPE_INT:
	case OPTION_TYPE_DURATION:
	case OPTION_TYPE_SIZE:
		value_print_number(option->type, *(const int64_t *)field, text, size);
		break;
	case OPTION_TYPE_RATIO:
		(void)snprintf(text, size, "%.15g", *(const double *)field);
		break;
	case OPTION_TYPE_ENUM:
		(void)snprintf(text, size, "%s", option->words[*(const int *)field]);
		break;
	case OPTION_TYPE_ADDRESS:
	case OPTION_TYPE_URL:
		string = *(char *const *)field;
		url_show(text, size, string == NULL ? "-" : string);
		break;
	case OPTION_TYPE_TEXT:
	case OPTION_TYPE_FILE:
		string = *(char *const *)field;
		(void)snprintf(text, size, "%s", string == NULL ? "-" : string);
		break;
	case OPTION_TYPE_MAP:
		value_print_map(option, field, text, size);
		break;
	case OPTION_TYPE_LIST:
		value_print_list(field, text, size);
		break;
	}
}

const char *value_quote(char text[VALUE_QUOTE_SIZE], const char *given)
{
	static const char more[] = "...\"";
	char shown[2 * VALUE_QUOTE_SIZE]; /* what is clipped here will be clipped there */
	size_t used = 0;

	if (strstr(given, "://") != NULL) {
		url_show(shown, sizeof shown, given);
		given = shown;
	}
	text[used++] = '"';
	for (; *given != '\0' && used + sizeof more < VALUE_QUOTE_SIZE; given++)
		text[used++] = (unsigned char)*given < ' ' || *given == 0x7f ? '?' : *given;
	if (*given != '\0')
		used = 1 + utf8_cut(text + 1, used - 1);
	(void)snprintf(text + used, VALUE_QUOTE_SIZE - used, "%s", *given == '\0' ? "\"" : more);
	return text;
}

bool value_list_has(const char *list, const char *word)
{
	size_t size;

	for (; list != NULL && *list != '\0'; list += size) {
		list += strspn(list, ", ");
		size = strcspn(list, ", ");
		if (size == strlen(word) && memcmp(list, word, size) == 0)
			return true;
	}
	return false;
}

/*
 * Settings: values on their way into a config. settings_set() is the one place where a text becomes
 * the value of an option, whatever it came from, and where it is told what would be right.
 */
#include "config/settings.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/url.h"
#include "config/value.h"

#define SETTINGS_WHERE_SIZE 512

int settings_fail(struct settings *settings, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(
		settings->error, CONFIG_ERROR_SIZE, format, arguments); /* clipped is fine */
	va_end(arguments);
	return -1;
}

void settings_warn(struct settings *settings, const char *format, ...)
{
	char line[CONFIG_ERROR_SIZE];
	va_list arguments;

	if (settings->warn == NULL)
		return;
	va_start(arguments, format);
	(void)vsnprintf(line, sizeof line, format, arguments); /* clipped is fine */
	va_end(arguments);
	settings->warn(settings->warn_arg, line);
}

bool settings_is_lenient(enum config_source source)
{
	return source == CONFIG_OTEL || source == CONFIG_PROFILE;
}

enum settings_result settings_refuse(
	struct settings *settings, enum config_source source, const char *format, ...)
{
	char line[CONFIG_ERROR_SIZE];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(line, sizeof line, format, arguments); /* clipped is fine */
	va_end(arguments);
	if (settings_is_lenient(source)) {
		settings_warn(settings, "%s; ignored", line);
		return SETTINGS_IGNORED;
	}
	(void)settings_fail(settings, "%s", line);
	return SETTINGS_WRONG;
}

int settings_reset(struct settings *settings, enum option_index index)
{
	const struct option *option = option_at(index);
	struct settings_origin *origin = &settings->origins[index];
	enum value_verdict verdict = VALUE_OK;
	struct value value = {0}; /* what a text or a map has that is not set */
	const char *reason;

	assert((size_t)index < OPTION_COUNT);
	if (option->text != NULL)
		verdict = value_parse(&value, option, option->text, CONFIG_BUILT_IN, &reason);
	assert(verdict != VALUE_WRONG);
	if (verdict == VALUE_NO_MEMORY)
		return settings_fail(settings, "out of memory");
	value_store(&value, option, settings->config);
	free(origin->where);
	origin->where = NULL;
	origin->source = CONFIG_BUILT_IN;
	return 0;
}

int settings_init(struct settings *settings, struct config *config, char *const *environment,
	char error[CONFIG_ERROR_SIZE])
{
	size_t i;

	memset(settings, 0, sizeof *settings);
	settings->config = config;
	settings->environment = environment;
	settings->error = error;
	for (i = 0; i < OPTION_COUNT; i++)
		if (settings_reset(settings, (enum option_index)i) != 0)
			return -1;
	return 0;
}

void settings_done(struct settings *settings)
{
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++)
		free(settings->origins[i].where);
}

enum config_source settings_source(const struct settings *settings, enum option_index index)
{
	assert((size_t)index < OPTION_COUNT);
	return settings->origins[index].source;
}

static bool settings_is_file(enum config_source source)
{
	return source == CONFIG_FILE || source == CONFIG_PROFILE;
}

void settings_name(
	const struct settings *settings, enum option_index index, char *text, size_t size)
{
	const struct settings_origin *origin = &settings->origins[index];

	(void)snprintf(text, size, "%s%s%s", origin->where == NULL ? "" : origin->where,
		settings_is_file(origin->source) ? ": " : "",
		settings_is_file(origin->source) || origin->where == NULL ? option_at(index)->name
									  : "");
}

/* Refuses what option was given, and tells what would be right. */
static enum settings_result settings_refuse_value(struct settings *settings,
	const struct option *option, const char *shown, enum config_source source,
	const char *where, const char *reason)
{
	char right[VALUE_DESCRIBE_SIZE];

	assert(!settings_is_lenient(source) || where != NULL);
	value_describe(option, right);
	return settings_refuse(settings,
		(option->flags & OPTION_STRICT) != 0 ? CONFIG_FLAG : source,
		"%s%s%s: %s: %s%smust be %s", where, settings_is_file(source) ? ": " : "",
		settings_is_file(source) ? option->name : "", shown, reason == NULL ? "" : reason,
		reason == NULL ? "" : "; ", right);
}

static enum settings_result settings_no_memory(struct settings *settings)
{
	(void)settings_fail(settings, "out of memory");
	return SETTINGS_WRONG;
}

/* Adds the pairs of value to what the option has; each pair remembers its own source. */
static int settings_merge(
	struct settings *settings, const struct option *option, struct value *value)
{
	struct config_map *field = &settings->config->resource_attributes;

	assert(value->map.count == 0 || value->map.pairs != NULL);
	assert(option_index(option) == OPTION_AT_resource_attributes); /* the only one so far */
	return map_merge(field, option->map_kind, &value->map);
}

/* A list that is given by several flags is all of them together. */
static int settings_add(struct settings *settings, const struct option *option, struct value *value)
{
	struct config_list *field =
		(struct config_list *)((char *)settings->config + option->offset);
	struct config_list added = value->list;

	assert(option->type == OPTION_TYPE_LIST);
	value->list = *field;
	*field = (struct config_list){.items = NULL};
	if (list_append(&value->list, &added) == 0)
		return 0;
	list_free(&added);
	return -1;
}

/* Whether a flag's value joins that of the flags before it: a list's items do. */
static bool settings_adds(
	const struct settings *settings, const struct option *option, const struct value *value)
{
	const struct config_list *field =
		(const struct config_list *)((const char *)settings->config + option->offset);

	if (option->type != OPTION_TYPE_LIST || (option->flags & OPTION_SWITCH) == 0)
		return option->type == OPTION_TYPE_LIST;
	return field->count > 0 && value->list.count > 0 && !list_is_switch(field->items[0]) &&
	       !list_is_switch(value->list.items[0]);
}

/* Puts value in force unless a stronger one is there. Takes what value owns. */
static enum settings_result settings_store(struct settings *settings, const struct option *option,
	struct value *value, enum config_source source, const char *where)
{
	struct settings_origin *origin = &settings->origins[option_index(option)];
	bool merge = (option->flags & OPTION_MERGE) != 0;
	char *copy;

	if (merge && settings_merge(settings, option, value) != 0)
		return settings_no_memory(settings);
	if (source < origin->source)
		return SETTINGS_TAKEN;
	if (source == CONFIG_FLAG && origin->source == source &&
		settings_adds(settings, option, value) &&
		settings_add(settings, option, value) != 0)
		return settings_no_memory(settings);
	copy = strdup(where);
	if (copy == NULL)
		return settings_no_memory(settings);
	free(origin->where);
	origin->where = copy;
	origin->source = source;
	if (!merge)
		value_store(value, option, settings->config);
	return SETTINGS_TAKEN;
}

/*
 * service.name has an option of its own. From OTEL_RESOURCE_ATTRIBUTES it is moved there, unless
 * OTEL_SERVICE_NAME was set, which wins; elsewhere it is a mistake.
 */
static enum settings_result settings_move_name(struct settings *settings, struct value *value,
	enum config_source source, const char *where)
{
	const struct option *option = option_at(OPTION_AT_service_name);
	enum settings_result result = SETTINGS_TAKEN;
	char *name = map_take(&value->map, option->name);

	if (name == NULL)
		return SETTINGS_TAKEN;
	if (source != CONFIG_OTEL) {
		result = settings_refuse(settings, source,
			"%s: resource.attributes: service.name has an option of its own, "
			"service.name",
			where);
	} else if (*name != '\0' && settings_source(settings, OPTION_AT_service_name) < source) {
		result = settings_set(settings, option, name, source, where);
	}
	free(name);
	return result == SETTINGS_WRONG ? result : SETTINGS_TAKEN;
}

/* The second half of setting an option: value is good. Takes what it owns. */
static enum settings_result settings_accept(struct settings *settings, const struct option *option,
	struct value *value, enum config_source source, const char *where)
{
	enum settings_result result = SETTINGS_TAKEN;

	if (option_index(option) == OPTION_AT_resource_attributes)
		result = settings_move_name(settings, value, source, where);
	if (result == SETTINGS_TAKEN)
		result = settings_store(settings, option, value, source, where);
	value_free(value);
	return result;
}

/* How a message shows a value that was refused. */
static const char *settings_show(
	const struct option *option, const char *text, char quote[VALUE_QUOTE_SIZE])
{
	char shown[2 * VALUE_QUOTE_SIZE]; /* clipped later than a quote is */

	if ((option->flags & OPTION_SECRET) != 0)
		return "***";
	if (option->type != OPTION_TYPE_URL && option->type != OPTION_TYPE_ADDRESS)
		return value_quote(quote, text);
	url_show(shown, sizeof shown, text); /* also where the scheme is missing */
	return value_quote(quote, shown);
}

enum settings_result settings_set(struct settings *settings, const struct option *option,
	const char *text, enum config_source source, const char *where)
{
	char quote[VALUE_QUOTE_SIZE];
	const char *reason;
	struct value value;

	switch (value_parse(&value, option, text, source, &reason)) {
	case VALUE_OK:
		if (reason != NULL)
			settings_warn(settings, "%s: %s: %s; the others are taken", where,
				settings_show(option, text, quote), reason);
		return settings_accept(settings, option, &value, source, where);
	case VALUE_NO_MEMORY:
		return settings_no_memory(settings);
	case VALUE_WRONG:
		break;
	}
	return settings_refuse_value(
		settings, option, settings_show(option, text, quote), source, where, reason);
}

/* Why node must not become one more pair of the map; NULL when it may. */
static const char *settings_check_pair(
	const struct option *option, const struct config_map *map, const struct file_node *node)
{
	const char *reason;

	if (node->type != FILE_STRING &&
		(node->type != FILE_NUMBER || option->map_kind != MAP_RATIOS))
		return option->map_kind == MAP_RATIOS ? "a share is not a number from 0 to 1"
						      : "a value is not a string";
	if (map_check(option->map_kind, node->key, node->text, &reason) != MAP_OK)
		return reason;
	return map->count < (size_t)option->max ? NULL : "too many pairs";
}

/* An object of texts, or of numbers. Returns what settings_set() would. */
static enum settings_result settings_set_object(struct settings *settings,
	const struct option *option, const struct file *file, const struct file_node *object,
	enum config_source source, const char *where)
{
	char quote[VALUE_QUOTE_SIZE];
	const struct file_node *node;
	const char *reason;
	struct value value = {0};

	assert(object->type == FILE_OBJECT && option->type == OPTION_TYPE_MAP);
	for (node = object->child; node != NULL; node = node->next) {
		reason = settings_check_pair(option, &value.map, node);
		if (reason != NULL) {
			value_free(&value);
			return settings_refuse(settings, source,
				"%s:%d: %s: %s: %s; must be an object {%s}", file->name, node->line,
				option->name, value_quote(quote, node->key), reason,
				option->map_kind == MAP_RATIOS ? "METHOD: SHARE" : "NAME: VALUE");
		}
		if (map_set(&value.map, option->map_kind, node->key, node->text, source) != 0) {
			value_free(&value);
			return settings_no_memory(settings);
		}
	}
	return settings_accept(settings, option, &value, source, where);
}

/* A list of texts. Returns what settings_set() would. */
static enum settings_result settings_set_array(struct settings *settings,
	const struct option *option, const struct file *file, const struct file_node *array,
	enum config_source source, const char *where)
{
	char right[VALUE_DESCRIBE_SIZE];
	char quote[VALUE_QUOTE_SIZE];
	const struct file_node *node;
	const char *reason;
	struct value value = {0};

	assert(array->type == FILE_ARRAY && option->type == OPTION_TYPE_LIST);
	for (node = array->child; node != NULL; node = node->next) {
		reason = node->type != FILE_STRING ? "one is not a string"
						   : list_check(option->list_kind, node->text);
		if (reason == NULL && value.list.count == (size_t)option->max)
			reason = "too many";
		if (reason != NULL) {
			value_free(&value);
			value_describe(option, right);
			(void)settings_fail(settings, "%s:%d: %s: %s: %s; must be a list of %s",
				file->name, node->line, option->name,
				node->type == FILE_STRING ? value_quote(quote, node->text)
							  : file_type_name(node->type),
				reason, right);
			return SETTINGS_WRONG;
		}
		if (list_add(&value.list, node->text) != 0) {
			value_free(&value);
			return settings_no_memory(settings);
		}
	}
	return settings_accept(settings, option, &value, source, where);
}

/* Whether a JSON value of that type may stand for a value of the option. */
static bool settings_type_fits(const struct option *row, enum file_type type)
{
	enum option_type option = row->type;

	if (type == FILE_STRING)
		return true;
	if (type == FILE_BOOL)
		return option == OPTION_TYPE_BOOL || (row->flags & OPTION_SWITCH) != 0;
	if (type == FILE_NUMBER)
		return option == OPTION_TYPE_INT || option == OPTION_TYPE_DURATION ||
		       option == OPTION_TYPE_SIZE || option == OPTION_TYPE_RATIO;
	return (type == FILE_OBJECT && option == OPTION_TYPE_MAP) ||
	       (type == FILE_ARRAY && option == OPTION_TYPE_LIST);
}

static enum settings_result settings_apply_node(struct settings *settings, const struct file *file,
	const struct option *option, const struct file_node *node, enum config_source source)
{
	struct settings_origin *origin = &settings->origins[option_index(option)];
	char where[SETTINGS_WHERE_SIZE];

	(void)snprintf(where, sizeof where, "%s:%d", file->name, node->line);
	if (origin->file_last == settings->files_count)
		return settings_refuse(settings, source,
			"%s: %s: is set twice; it must stand once, line %d has it", where,
			option->name, origin->line_last);
	origin->file_last = settings->files_count;
	origin->line_last = node->line;
	if (!settings_type_fits(option, node->type))
		return settings_refuse_value(
			settings, option, file_type_name(node->type), source, where, NULL);
	if (node->type == FILE_OBJECT)
		return settings_set_object(settings, option, file, node, source, where);
	if (node->type == FILE_ARRAY)
		return settings_set_array(settings, option, file, node, source, where);
	return settings_set(settings, option, node->text, source, where);
}

/* Writes the keys from below object down to node, with dots between. 0, or -1 when too long. */
static int settings_join(
	const struct file_node *object, const struct file_node *node, char name[OPTION_NAME_SIZE])
{
	size_t at = OPTION_NAME_SIZE - 1;
	size_t size;

	name[at] = '\0';
	for (; node != object; node = node->parent) {
		size = strlen(node->key);
		if (size + 1 > at)
			return -1;
		if (name[at] != '\0')
			name[--at] = '.';
		at -= size;
		memcpy(name + at, node->key, size);
	}
	memmove(name, name + at, OPTION_NAME_SIZE - at);
	return 0;
}

static enum settings_result settings_refuse_unknown(struct settings *settings,
	const struct file *file, const struct file_node *node, const char *name,
	enum config_source source)
{
	char quote[VALUE_QUOTE_SIZE];
	const struct option *nearest = option_nearest(name, option_plain_name);

	if (option_is_group(name))
		return settings_refuse(settings, source,
			"%s:%d: %s: %s: must be an object of options, %s.NAME", file->name,
			node->line, name, file_type_name(node->type), name);
	if (nearest != NULL)
		return settings_refuse(settings, source,
			"%s:%d: %s: no such option; did you mean %s?", file->name, node->line,
			value_quote(quote, name), nearest->name);
	return settings_refuse(settings, source,
		"%s:%d: %s: no such option; must be one that --help lists", file->name, node->line,
		value_quote(quote, name));
}

/* The node behind node in reading order that is not below it; NULL at the end of object. */
static const struct file_node *settings_skip(
	const struct file_node *object, const struct file_node *node)
{
	while (node != object && node->next == NULL)
		node = node->parent;
	return node == object ? NULL : node->next;
}

/* Whether node holds options rather than being one: {"otlp": {"endpoint": ...}}. */
static bool settings_is_group(
	const struct option *option, const struct file_node *node, const char *name)
{
	if (node->type != FILE_OBJECT || (option != NULL && option->type == OPTION_TYPE_MAP))
		return false;
	return option_is_group(name);
}

int settings_apply(struct settings *settings, const struct file *file,
	const struct file_node *object, enum config_source source)
{
	const struct file_node *node = object->child;
	enum settings_result result;
	const struct option *option;
	char name[OPTION_NAME_SIZE];
	bool fits;

	assert(object->type == FILE_OBJECT && settings_is_file(source));
	settings->files_count++;
	while (node != NULL) {
		fits = settings_join(object, node, name) == 0;
		option = fits ? option_by_name(name) : NULL;
		if (fits && settings_is_group(option, node, name)) {
			node = node->child != NULL ? node->child : settings_skip(object, node);
			continue;
		}
		if (option == NULL)
			result = settings_refuse_unknown(
				settings, file, node, fits ? name : node->key, source);
		else
			result = settings_apply_node(settings, file, option, node, source);
		if (result == SETTINGS_WRONG)
			return -1;
		node = settings_skip(object, node);
	}
	return 0;
}

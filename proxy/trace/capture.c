/* Captures: from rows of a profile to values of a message; see capture.h. */
#include "proxy/trace/capture.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int captures_attribute(struct captures *captures, const char *name)
{
	size_t i;

	for (i = 0; i < captures->attribute_count; i++)
		if (strcmp(captures->attributes[i], name) == 0)
			return (int)i;
	if (captures->attribute_count == CAPTURE_ATTRIBUTES_MAX)
		return -1;
	captures->attributes[captures->attribute_count++] = name;
	return (int)i;
}

/* The sizes of the methods' names, measured once. */
static int capture_take_methods(struct capture *capture, const struct profile_capture *rule)
{
	size_t i;

	capture->method_count = rule->method_count;
	capture->methods = calloc(rule->method_count + 1, sizeof *capture->methods);
	if (capture->methods == NULL)
		return -1;
	for (i = 0; i < rule->method_count; i++)
		capture->methods[i] = (struct span_text){
			.bytes = rule->methods[i],
			.size = strlen(rule->methods[i]),
		};
	return 0;
}

static int captures_add(struct captures *captures, const struct profile_capture *rule,
	struct pointers *pointers, char *error, size_t error_size)
{
	struct capture_list *list = &captures->from[rule->from];
	struct capture *capture = &list->rows[list->count++];
	int attribute = captures_attribute(captures, rule->attribute);

	if (attribute < 0) {
		(void)snprintf(error, error_size, "attribute %s: a profile has at most %d",
			rule->attribute, CAPTURE_ATTRIBUTES_MAX);
		return -1;
	}
	if (capture_take_methods(capture, rule) != 0) {
		(void)snprintf(error, error_size, "out of memory");
		return -1;
	}
	capture->attribute = (uint8_t)attribute;
	capture->slot = pointers_add(pointers, rule->pointer, CAPTURE_VALUE_MAX);
	if (capture->slot < 0) {
		(void)snprintf(error, error_size,
			"%s: not a JSON pointer, over %d levels deep, or one of over %d",
			rule->pointer, POINTERS_DEPTH_MAX, POINTERS_SLOTS_MAX);
		return -1;
	}
	if (rule->keep == PROFILE_KEEP_CONNECTION)
		capture->keep = rule->if_ok ? CAPTURE_KEEP_OK : CAPTURE_KEEP_SEEN;
	return 0;
}

int captures_init(struct captures *captures, const struct profile *profile,
	struct pointers *pointers, char *error, size_t error_size)
{
	size_t i;

	assert(profile->capture_count <= PROFILE_CAPTURES_MAX);
	*captures = (struct captures){.attribute_count = 0};
	for (i = 0; i <= PROFILE_FROM_REPLY; i++) {
		struct capture_list *list = &captures->from[i];

		list->rows = calloc(profile->capture_count + 1, sizeof *list->rows);
		if (list->rows == NULL) {
			(void)snprintf(error, error_size, "out of memory");
			return -1;
		}
	}
	for (i = 0; i < profile->capture_count; i++)
		if (captures_add(captures, &profile->captures[i], pointers, error, error_size) != 0)
			return -1;
	return 0;
}

void captures_done(struct captures *captures)
{
	size_t i, j;

	for (i = 0; i <= PROFILE_FROM_REPLY; i++) {
		for (j = 0; j < captures->from[i].count; j++)
			free(captures->from[i].rows[j].methods);
		free(captures->from[i].rows);
	}
	*captures = (struct captures){.attribute_count = 0};
}

bool capture_applies(const struct capture *capture, struct span_text method)
{
	size_t i;

	for (i = 0; i < capture->method_count; i++)
		if (capture->methods[i].size == method.size &&
			memcmp(capture->methods[i].bytes, method.bytes, method.size) == 0)
			return true;
	return capture->method_count == 0;
}

bool capture_take(
	const struct capture *capture, const struct envelope *envelope, struct span_text *text)
{
	const struct envelope_value *value = envelope_value(envelope, capture->slot);

	switch (value->type) {
	case JSON_STRING:
	case JSON_NUMBER:
		*text = (struct span_text){.bytes = value->text, .size = value->size};
		return true;
	case JSON_TRUE:
		*text = (struct span_text){.bytes = "true", .size = 4};
		return true;
	case JSON_FALSE:
		*text = (struct span_text){.bytes = "false", .size = 5};
		return true;
	case JSON_ABSENT:
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return false;
}

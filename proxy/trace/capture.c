/* Captures: from rows of a profile to values of a message; see capture.h. */
#include "proxy/trace/capture.h"

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

static int captures_add(struct captures *captures, const struct profile_capture *rule,
	struct pointers *pointers, char *error, size_t error_size)
{
	struct capture *capture = &captures->list[captures->count];
	int attribute = captures_attribute(captures, rule->attribute);

	if (attribute < 0) {
		(void)snprintf(error, error_size, "attribute %s: a profile has at most %d",
			rule->attribute, CAPTURE_ATTRIBUTES_MAX);
		return -1;
	}
	capture->rule = rule;
	capture->attribute = (uint8_t)attribute;
	capture->slot = pointers_add(pointers, rule->pointer, CAPTURE_VALUE_MAX);
	if (capture->slot < 0) {
		(void)snprintf(error, error_size,
			"%s: not a JSON pointer, over %d levels deep, or one of over %d",
			rule->pointer, POINTERS_DEPTH_MAX, POINTERS_SLOTS_MAX);
		return -1;
	}
	captures->count++;
	return 0;
}

int captures_init(struct captures *captures, const struct profile *profile,
	struct pointers *pointers, char *error, size_t error_size)
{
	size_t i;

	*captures = (struct captures){.list = NULL};
	if (profile->capture_count == 0)
		return 0;
	captures->list = calloc(profile->capture_count, sizeof *captures->list);
	if (captures->list == NULL) {
		(void)snprintf(error, error_size, "out of memory");
		return -1;
	}
	for (i = 0; i < profile->capture_count; i++)
		if (captures_add(captures, &profile->captures[i], pointers, error, error_size) != 0)
			return -1;
	return 0;
}

void captures_done(struct captures *captures)
{
	free(captures->list);
	captures->list = NULL;
	captures->count = 0;
}

static bool capture_for_method(const struct profile_capture *rule, struct span_text method)
{
	size_t i;

	if (rule->method_count == 0)
		return true;
	for (i = 0; i < rule->method_count; i++)
		if (strlen(rule->methods[i]) == method.size &&
			memcmp(rule->methods[i], method.bytes, method.size) == 0)
			return true;
	return false;
}

bool capture_take(const struct capture *capture, enum profile_from from, struct span_text method,
	const struct envelope *envelope, struct span_text *text)
{
	const struct envelope_value *value = envelope_value(envelope, capture->slot);
	struct span_text found = {.bytes = value->text, .size = value->size};

	if (value->type <= JSON_NULL || capture->rule->from != from)
		return false;
	if (value->type == JSON_ARRAY || value->type == JSON_OBJECT)
		return false;
	if (!capture_for_method(capture->rule, method))
		return false;
	if (value->type == JSON_TRUE)
		found = (struct span_text){.bytes = "true", .size = 4};
	if (value->type == JSON_FALSE)
		found = (struct span_text){.bytes = "false", .size = 5};
	*text = found;
	return true;
}

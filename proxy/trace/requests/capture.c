/* Captures: from rows of a profile to values of a message; see capture.h. */
#include "proxy/trace/requests/capture.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/profile/profile.h"
#include "proxy/trace/names/methods.h"
#include "proxy/trace/names/text.h"
#include "proxy/trace/requests/request.h"
#include "w3c/baggage.h"

_Static_assert(METHODS_OTHER == 0, "captures_find() falls back to the first set");

static uint8_t captures_attribute(struct captures *captures, const char *name)
{
	size_t i;

	for (i = 0; i < captures->attribute_count; i++)
		if (strcmp(captures->attributes[i], name) == 0)
			return (uint8_t)i;
	assert(i < CAPTURE_ATTRIBUTES_MAX); /* the profile was checked */
	captures->attributes[captures->attribute_count++] = name;
	span_key_init(&captures->rendered[i], name);
	return (uint8_t)i;
}

/* A row of the profile without its methods. */
static int capture_make(struct capture *capture, struct captures *captures,
	const struct profile_capture *rule, struct pointers *pointers, char *error,
	size_t error_size)
{
	*capture = (struct capture){
		.slot = pointers_add(pointers, rule->pointer, CAPTURE_VALUE_MAX),
		.attribute = captures_attribute(captures, rule->attribute),
		.captures = captures,
	};
	if (capture->slot < 0) { /* the profile was checked: there is no memory */
		(void)snprintf(error, error_size, "out of memory");
		return -1;
	}
	if (rule->keep == PROFILE_KEEP_CONNECTION)
		capture->keep = rule->if_ok ? CAPTURE_KEEP_OK : CAPTURE_KEEP_SEEN;
	return 0;
}

/* Makes room for one more row. */
static int capture_list_grow(struct capture_list *list)
{
	struct capture *rows;

	if ((list->count & (list->count - 1)) != 0)
		return 0; /* there is room up to the next power of two */
	rows = realloc(list->rows, (list->count > 0 ? 2 * list->count : 1) * sizeof *rows);
	if (rows == NULL)
		return -1;
	list->rows = rows;
	return 0;
}

static int capture_list_add(struct capture_list *list, const struct capture *capture)
{
	if (capture_list_grow(list) != 0)
		return -1;
	list->rows[list->count++] = *capture;
	list->keeps |= capture->keep != CAPTURE_KEEP_NOT;
	return 0;
}

/* Whether the row applies to that method; the names are compared now and never again. */
static bool capture_applies(
	const struct profile_capture *rule, const struct methods *methods, size_t method)
{
	size_t i;

	for (i = 0; i < rule->method_count; i++)
		if (methods_covers(methods, rule->methods[i], (unsigned)method))
			return true;
	return rule->method_count == 0;
}

void captures_add_free(struct captures *captures, const char *name)
{
	size_t i;

	for (i = 0; i < captures->free_count; i++)
		if (strcmp(captures->free[i], name) == 0)
			return;
	assert(captures->free_count < CAPTURE_FREE_MAX); /* options.def */
	captures->free[captures->free_count++] = name;
}

/* A header field belongs to no message: only its attribute is known, which all spans have. */
static void captures_add_header(struct captures *captures, const struct profile_capture *rule)
{
	captures->headers[captures->header_count++] = (struct capture_header){
		.name = rule->header,
		.attribute = captures_attribute(captures, rule->attribute),
	};
	captures_add_free(captures, rule->attribute);
}

static int captures_add(struct captures *captures, const struct profile_capture *rule, char *room,
	const struct methods *methods, struct pointers *pointers, char *error, size_t error_size)
{
	struct capture capture;
	size_t i;

	if (capture_make(&capture, captures, rule, pointers, error, error_size) != 0)
		return -1;
	capture.room = room;
	for (i = 0; i < captures->set_count; i++)
		if (capture_applies(rule, methods, i) &&
			capture_list_add(&captures->sets[i].from[rule->from], &capture) != 0) {
			(void)snprintf(error, error_size, "out of memory");
			return -1;
		}
	return 0;
}

static int captures_number_methods(const struct profile *profile, struct methods *methods)
{
	size_t i, j;

	for (i = 0; i < profile->capture_count; i++)
		for (j = 0; j < profile->captures[i].method_count; j++)
			if (methods_add(methods, profile->captures[i].methods[j]) < 0)
				return -1;
	return 0;
}

int captures_init(struct captures *captures, const struct profile *profile, struct methods *methods,
	struct pointers *pointers, char *error, size_t error_size)
{
	size_t i;

	assert(profile->capture_count <= PROFILE_CAPTURES_MAX);
	*captures = (struct captures){.attribute_count = 0};
	captures->rooms = calloc(profile->capture_count + 1, sizeof *captures->rooms);
	if (captures_number_methods(profile, methods) == 0)
		captures->sets = calloc((size_t)methods->count + 1, sizeof *captures->sets);
	if (captures->sets == NULL || captures->rooms == NULL) {
		(void)snprintf(error, error_size, "out of memory");
		return -1;
	}
	captures->set_count = (size_t)methods->count + 1;
	for (i = 0; i < profile->capture_count; i++)
		if (profile->captures[i].header != NULL)
			captures_add_header(captures, &profile->captures[i]);
		else if (captures_add(captures, &profile->captures[i], captures->rooms[i], methods,
				 pointers, error, error_size) != 0)
			return -1;
	return 0;
}

int captures_find_attribute(const struct captures *captures, const char *name)
{
	size_t i;

	for (i = 0; i < captures->attribute_count; i++)
		if (strcmp(captures->attributes[i], name) == 0)
			return (int)i;
	return -1;
}

/* The beginning of a value that was cut, with the mark of such, in room; it may stand there. */
static struct span_text capture_mark(
	const struct captures *captures, char *room, struct span_text text)
{
	size_t kept = text_cut_size(text, CAPTURE_VALUE_MAX);

	memmove(room, text.bytes, kept);
	memcpy(room + kept, TEXT_CUT_MARK, TEXT_CUT_MARK_SIZE);
	if (captures->cut_count != NULL)
		++*captures->cut_count;
	return (struct span_text){.bytes = room, .size = kept + TEXT_CUT_MARK_SIZE};
}

/* ---- what is no profile's ---- */

int captures_add_baggage(
	struct captures *captures, char *const *keys, size_t count, char *error, size_t error_size)
{
	size_t i, j;

	if (count == 0)
		return 0;
	(void)snprintf(error, error_size, "out of memory");
	captures->baggage_rooms = calloc(count, sizeof *captures->baggage_rooms);
	if (captures->baggage_rooms == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		struct capture capture = {.keep = CAPTURE_KEEP_NOT};

		capture.attribute = captures_attribute(captures, keys[i]);
		capture.room = captures->baggage_rooms[i];
		for (j = 0; j < captures->set_count; j++)
			if (capture_list_add(
				    &captures->sets[j].from[PROFILE_FROM_REQUEST], &capture) != 0)
				return -1;
		captures->baggage[captures->baggage_count++] = keys[i];
		captures_add_free(captures, keys[i]);
	}
	return 0;
}

/* The value of a member, decoded, at the key of that number. */
static struct span_text captures_decode(
	struct captures *captures, size_t key, const struct baggage_member *member)
{
	char *room = captures->baggage_rooms[key];
	bool whole;
	struct span_text text = {.bytes = room};

	text.size = baggage_decode(member, room, CAPTURE_VALUE_MAX, &whole);
	if (whole)
		return text;
	return capture_mark(captures, room, text);
}

/* The number of the key that a member has, if it is one that has no value so far. */
static size_t captures_find_key(
	const struct captures *captures, const struct baggage_member *member, unsigned seen)
{
	size_t i;

	for (i = 0; i < captures->baggage_count; i++)
		if ((seen >> i & 1) == 0 && strlen(captures->baggage[i]) == member->key_size &&
			memcmp(captures->baggage[i], member->key, member->key_size) == 0)
			break;
	return i;
}

bool captures_take_baggage(struct captures *captures, const struct capture_set *set,
	const struct carrier_view *carrier, struct request_value *values, size_t *count)
{
	const struct capture_list *list = &set->from[PROFILE_FROM_REQUEST];
	const char *at = carrier->baggage.bytes, *end;
	struct baggage_member member;
	enum baggage_result result = BAGGAGE_END;
	unsigned seen = 0, members = 0;
	bool good;
	size_t key;

	if (at == NULL)
		return true;
	good = !carrier->baggage_cut;
	end = at + carrier->baggage.size;
	while (members++ < BAGGAGE_MEMBERS_MAX &&
		(result = baggage_next(&at, end, &member)) != BAGGAGE_END) {
		if (carrier->baggage_cut && at == end)
			break; /* nobody knows how it goes on */
		good &= result != BAGGAGE_BAD;
		key = result == BAGGAGE_BAD ? captures->baggage_count
					    : captures_find_key(captures, &member, seen);
		if (key == captures->baggage_count)
			continue;
		seen |= 1u << key;
		values[*count].text = captures_decode(captures, key, &member);
		values[(*count)++].capture = (uint8_t)(list->count - captures->baggage_count + key);
	}
	return good && (result == BAGGAGE_END || at == end);
}

void captures_done(struct captures *captures)
{
	size_t i, j;

	for (i = 0; i < captures->set_count; i++)
		for (j = 0; j <= PROFILE_FROM_REPLY; j++)
			free(captures->sets[i].from[j].rows);
	free(captures->sets);
	free(captures->rooms);
	free(captures->baggage_rooms);
	*captures = (struct captures){.attribute_count = 0};
}

bool capture_take_value(
	const struct capture *capture, const struct envelope_value *value, struct span_text *text)
{
	switch (value->type) {
	case JSON_STRING:
	case JSON_NUMBER:
		*text = text_of_value(value);
		if (value->cut)
			*text = capture_mark(capture->captures, capture->room, *text);
		return true;
	case JSON_TRUE:
		*text = span_text_of("true");
		return true;
	case JSON_FALSE:
		*text = span_text_of("false");
		return true;
	case JSON_ABSENT:
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return false;
}

size_t captures_take(const struct captures *captures, const struct capture_set *set,
	const struct envelope *envelope, struct request_value *values)
{
	const struct capture_list *list = &set->from[PROFILE_FROM_REQUEST];
	size_t own = list->count - captures->baggage_count, count = 0, i;

	for (i = 0; i < own; i++)
		if (capture_take(&list->rows[i], envelope, &values[count].text))
			values[count++].capture = (uint8_t)i;
	return count;
}

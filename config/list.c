/* Lists, from a text with commas or item by item. A text is taken whole or not at all. */
#include "config/list.h"

#include <assert.h>
#include <regex.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/authority.h"
#include "config/place.h"

bool list_is_switch(const char *text)
{
	return strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0 ||
	       strcmp(text, "none") == 0;
}

const char *list_place(const struct config_list *list)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (list->items[i][0] == '/')
			return list->items[i];
	return NULL;
}

bool list_has_header(const struct config_list *list)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (strcmp(list->items[i], PLACE_HEADER) == 0)
			return true;
	return false;
}

#define LIST_KEY_MAX       128
#define LIST_TOKEN         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
#define LIST_PATTERN_MAX   256
#define LIST_REPEAT_DIGITS 2

/* Whether what stands behind a brace repeats something more often than anybody needs. */
static bool list_repeats_often(const char *at)
{
	size_t digits;

	for (; (at = strchr(at, '{')) != NULL; at++) {
		digits = strspn(at + 1, "0123456789");
		if (digits > LIST_REPEAT_DIGITS ||
			(at[1 + digits] == ',' &&
				strspn(at + 2 + digits, "0123456789") > LIST_REPEAT_DIGITS))
			return true;
	}
	return false;
}

/* What takes memory or time without a limit is refused, whatever the library makes of it. */
static const char *list_check_pattern(const char *text)
{
	const char *escape;
	regex_t pattern;

	if (strlen(text) > LIST_PATTERN_MAX)
		return "one is longer than 256 bytes";
	for (escape = strchr(text, '\\'); escape != NULL && escape[1] != '\0';
		escape = strchr(escape + 2, '\\'))
		if (escape[1] >= '0' && escape[1] <= '9')
			return "one refers back to what it has matched";
	if (list_repeats_often(text))
		return "one repeats something more than 99 times";
	if (regcomp(&pattern, text, REG_EXTENDED | REG_NOSUB) != 0)
		return "one is not an extended regular expression";
	regfree(&pattern);
	return NULL;
}

const char *list_check(enum list_kind kind, const char *text)
{
	struct authority authority;

	switch (kind) {
	case LIST_ORIGINS: /* what is none does not even equal itself */
		return origin_equals(text, strlen(text), text, strlen(text))
			       ? NULL
			       : "one is not an origin";
	case LIST_HOSTS:
		return authority_parse(&authority, text, strlen(text)) == 0 ? NULL
									    : "one is not a host";
	case LIST_KEYS:
		return text[strspn(text, LIST_TOKEN)] == '\0' && strlen(text) <= LIST_KEY_MAX
			       ? NULL
			       : "one is not a token, or longer than 128 bytes";
	case LIST_PATTERNS:
		return list_check_pattern(text);
	case LIST_PLACES:
		return list_is_switch(text) || strcmp(text, PLACE_HEADER) == 0 ? NULL
									       : place_check(text);
	case LIST_TARGETS:
		return strcmp(text, "none") == 0 || strcmp(text, PLACE_HEADER) == 0
			       ? NULL
			       : place_check(text);
	case LIST_METHODS:
		if (text[strcspn(text, " \t\r\n,")] != '\0')
			return "one has a blank or a comma";
		return strcspn(text, "*") + 1 >= strlen(text)
			       ? NULL
			       : "one has a * that is not at its end";
	}
	return NULL;
}

int list_add(struct config_list *list, const char *text)
{
	char **items = realloc(list->items, (list->count + 1) * sizeof *items);

	if (items == NULL)
		return -1;
	list->items = items;
	items[list->count] = strdup(text);
	if (items[list->count] == NULL)
		return -1;
	list->count++;
	return 0;
}

int list_append(struct config_list *list, struct config_list *from)
{
	char **items;

	assert(list != from && (from->count == 0 || from->items != NULL));
	if (from->count == 0)
		return 0;
	items = realloc(list->items, (list->count + from->count) * sizeof *items);
	if (items == NULL)
		return -1;
	memcpy(items + list->count, from->items, from->count * sizeof *items);
	list->items = items;
	list->count += from->count;
	free(from->items);
	*from = (struct config_list){.items = NULL};
	return 0;
}

static char *list_trim(char *text)
{
	size_t size;

	text += strspn(text, " \t");
	size = strlen(text);
	while (size > 0 && strchr(" \t", text[size - 1]) != NULL)
		size--;
	text[size] = '\0';
	return text;
}

enum list_verdict list_parse(
	struct config_list *list, enum list_kind kind, const char *text, const char **reason)
{
	enum list_verdict verdict = LIST_OK;
	char *copy = strdup(text);
	char *rest = copy;
	char *item;

	*list = (struct config_list){.items = NULL};
	if (copy == NULL)
		return LIST_NO_MEMORY;
	while (verdict == LIST_OK && (item = strsep(&rest, ",")) != NULL) {
		item = list_trim(item);
		if (*item == '\0')
			continue;
		*reason = list_check(kind, item);
		if (*reason != NULL)
			verdict = LIST_WRONG;
		else if (list_add(list, item) != 0)
			verdict = LIST_NO_MEMORY;
	}
	free(copy);
	if (verdict != LIST_OK)
		list_free(list);
	return verdict;
}

void list_free(struct config_list *list)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct config_list){.items = NULL};
}

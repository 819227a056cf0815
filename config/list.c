/* Lists, from a text with commas or item by item. A text is taken whole or not at all. */
#include "config/list.h"

#include <stdlib.h>
#include <string.h>

#include "config/authority.h"

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

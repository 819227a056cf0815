/* Lists are short, and with "all", which is usual, nobody asks about a method. */
#include "proxy/trace/requests/wanted.h"

#include <string.h>

void wanted_init(struct wanted *wanted, const struct config_list *list)
{
	size_t i;

	*wanted = (struct wanted){.list = list};
	for (i = 0; i < list->count; i++)
		wanted->all |= strcmp(list->items[i], "all") == 0;
}

bool wanted_lists(const struct wanted *wanted, struct span_text method)
{
	const struct config_list *list = wanted->list;
	size_t i;

	for (i = 0; i < list->count; i++) {
		size_t size = strlen(list->items[i]);
		bool rest = size > 0 && list->items[i][size - 1] == '*';

		size -= rest;
		if ((rest ? method.size >= size : method.size == size) &&
			memcmp(list->items[i], method.bytes, size) == 0)
			return true;
	}
	return false;
}

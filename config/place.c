/* What can be the place of a carrier. */
#include "config/place.h"

#include <stdbool.h>
#include <string.h>

/* Whether all messages have that member (JSON-RPC 2.0, 4 and 5). */
static bool place_is_own_member(const char *name, size_t size)
{
	static const char *const own[] = {"jsonrpc", "id", "method", "params", "result", "error"};
	size_t i;

	for (i = 0; i < sizeof own / sizeof *own; i++)
		if (strlen(own[i]) == size && memcmp(own[i], name, size) == 0)
			return true;
	return false;
}

const char *place_check(const char *text)
{
	static const char params[] = "/params/";
	bool in_params = strncmp(text, params, strlen(params)) == 0;
	const char *name = in_params ? text + strlen(params) : text + (*text == '/');
	size_t size = strcspn(name, "/");

	if (*text != '/' || size == 0 || (in_params && strcmp(name, "*") == 0))
		return "it names no member";
	if (name[size] != '\0' && strcmp(name + size, "/*") != 0)
		return "only one level is possible, or one in params";
	if (!in_params && place_is_own_member(name, size))
		return "the member is one of JSON-RPC itself";
	if (text[strcspn(text, "~\"\\")] != '\0')
		return "the name has a character that is written escaped";
	return NULL;
}

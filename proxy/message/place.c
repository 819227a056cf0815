/* The names of places, and the slots for what stands there. */
#include "proxy/message/place.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proxy/message/pointers_tree.h"

#define PLACE_TRACEPARENT_MAX 256
#define PLACE_TRACESTATE_MAX  (4096 + 4) /* so that one over carrier.h's limit is seen to be */

/* Whether JSON-RPC itself has a member of that name (JSON-RPC 2.0, 4 and 5). */
static bool place_is_taken(const char *name)
{
	static const char *const taken[] = {"jsonrpc", "id", "method", "params", "result", "error"};
	size_t i;

	for (i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		if (strcmp(taken[i], name) == 0)
			return true;
	return false;
}

/* Decodes one reference token; false when it is empty, too long or not well escaped. */
static bool place_decode(char name[PLACE_NAME_MAX + 1], const char *token, size_t size)
{
	size_t i, used = 0;

	for (i = 0; i < size; i++) {
		char byte = token[i];

		if (byte == '~' && (++i == size || (token[i] != '0' && token[i] != '1')))
			return false;
		if (used == PLACE_NAME_MAX)
			return false;
		name[used++] = byte != '~' ? byte : token[i] == '0' ? '~' : '/';
	}
	name[used] = '\0';
	return used > 0;
}

int place_parse(struct place *place, const char *text)
{
	static const char params[] = "/params/";
	size_t size = strlen(text), head;

	place->shared = size > 2 && strcmp(text + size - 2, "/*") == 0;
	if (place->shared)
		size -= 2;
	place->in_params = strncmp(text, params, strlen(params)) == 0;
	head = place->in_params ? strlen(params) : 1;
	if (text[0] != '/' || size <= head || memchr(text + head, '/', size - head) != NULL ||
		!place_decode(place->name, text + head, size - head) ||
		(!place->in_params && place_is_taken(place->name)))
		return -1;
	memcpy(place->pointer, text, size); /* as long as its name may be */
	place->pointer[size] = '\0';
	return 0;
}

int place_add(struct place_slots *slots, struct pointers *pointers, const struct place *place)
{
	const struct {
		int *slot;
		const char *below;
		size_t bytes_max;
	} rows[] = {
		{&slots->object, "", 0},
		{&slots->traceparent, "/traceparent", PLACE_TRACEPARENT_MAX},
		{&slots->tracestate, "/tracestate", PLACE_TRACESTATE_MAX},
		{&slots->baggage, "/baggage", 0},
		{&slots->traceparent_pos, "/0", PLACE_TRACEPARENT_MAX},
		{&slots->tracestate_pos, "/1", PLACE_TRACESTATE_MAX},
	};
	char pointer[sizeof(place->pointer) + sizeof("/traceparent")];
	size_t i;

	assert(place->pointer[0] == '/');
	slots->shared = place->shared;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		(void)snprintf(
			pointer, sizeof(pointer), "%s%s", place->pointer, rows[i].below); /* fits */
		*rows[i].slot = pointers_add(pointers, pointer, rows[i].bytes_max);
		if (*rows[i].slot < 0)
			return -1;
	}
	return 0;
}

int place_add_baggage(struct pointers *pointers, const struct place *place, size_t bytes_max)
{
	char pointer[sizeof(place->pointer) + sizeof("/baggage")];

	(void)snprintf(pointer, sizeof(pointer), "%s/baggage", place->pointer); /* fits */
	return pointers_add_hidden(pointers, pointer, bytes_max) < 0 ? -1 : 0;
}

void place_edit(struct pointers *pointers, const struct place_slots *slots, bool first)
{
	struct pointers_node *node = &pointers->nodes[pointers->slot_nodes[slots->object]];

	if (node->stops != 0)
		return;
	node->stops = (uint8_t)((first ? POINTERS_FIRST : POINTERS_FURTHER) |
				(slots->shared ? POINTERS_SHARED : 0));
	pointers->nodes[node->parent].stops |= POINTERS_HOLDER;
}

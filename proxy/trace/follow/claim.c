/* One claim: a single piece of memory, the struct, its arrays, then all texts in a row. */
#include "proxy/trace/follow/claim.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/trace/names/attributes.h"
#include "proxy/trace/names/text.h"
#include "proxy/trace/requests/capture.h"
#include "proxy/trace/requests/request.h"

bool claim_find_value(const struct claim *claim, const char *name, struct span_text *text)
{
	const struct span_attribute *found =
		span_attribute_find(claim->attributes, claim->attribute_count, name, strlen(name));

	if (found != NULL)
		*text = found->value.string;
	return found != NULL;
}

/*
 * The captured values of the request: of several values of an attribute the last counts. Then those
 * of its connection that all spans below it have.
 */
static void claim_put_values(struct attributes *attributes, const struct claim_request *from)
{
	const struct request *request = from->request;
	const struct capture_list *list = &request->captures->from[PROFILE_FROM_REQUEST];
	size_t i;

	attributes->count = 0;
	for (i = 0; i < request->value_count; i++)
		attributes_set(attributes,
			&(struct span_attribute){
				.key = from->captures->attributes
					       [list->rows[request->values[i].capture].attribute],
				.type = SPAN_VALUE_STRING,
				.value.string = request_value(request, i),
			});
	for (i = 0; from->attributes != NULL && i < from->captures->free_count; i++) {
		const char *name = from->captures->free[i];
		struct span_text text;

		if (connection_attributes_find(from->attributes, name, &text) &&
			span_attribute_find(
				attributes->list, attributes->count, name, strlen(name)) == NULL)
			attributes_put(attributes, name, text);
	}
}

struct claim *claim_new(
	const struct claim_request *from, const struct claim_value *values, size_t value_count)
{
	const struct request *request = from->request;
	struct attributes attributes;
	struct claim *claim;
	size_t size, i;
	char *at;

	claim_put_values(&attributes, from);
	size = sizeof(struct claim) + value_count * sizeof *values +
	       attributes.count * sizeof attributes.list[0] + request->method.size +
	       request->tracestate.size;
	for (i = 0; i < value_count; i++)
		size += values[i].value.text.size;
	for (i = 0; i < attributes.count; i++)
		size += attributes.list[i].value.string.size;
	claim = malloc(size);
	if (claim == NULL)
		return NULL;
	memset(claim, 0, offsetof(struct claim, group));
	key_init(&claim->group, 0);
	claim->bytes = size;
	claim->method = from->method;
	claim->connection = from->connection;
	claim->request = request->context;
	claim->has_client = request->has_parent;
	memcpy(claim->client, request->parent_span_id, SPAN_ID_SIZE);
	claim->begun_ns = request->entry.start_ns;
	claim->forwarded_ns = from->now_ns;
	claim->values = (struct claim_value *)(claim + 1);
	claim->value_count = value_count;
	claim->attributes = (struct span_attribute *)(claim->values + value_count);
	claim->attribute_count = attributes.count;
	at = (char *)(claim->attributes + attributes.count);
	claim->method_name = text_pack(&at, request->method);
	claim->tracestate = text_pack(&at, request->tracestate);
	for (i = 0; i < value_count; i++) {
		claim->values[i] = values[i];
		claim->values[i].value.text = text_pack(&at, values[i].value.text);
	}
	for (i = 0; i < attributes.count; i++) {
		claim->attributes[i] = attributes.list[i];
		claim->attributes[i].value.string = text_pack(&at, attributes.list[i].value.string);
	}
	return claim;
}

/* Packing a request into one allocation: the struct, its values, then all texts in a row. */
#include "proxy/trace/request.h"

#include <stdlib.h>
#include <string.h>

static struct span_text request_pack(char **at, struct span_text text)
{
	struct span_text packed = {.bytes = *at, .size = text.size};

	if (text.size > 0)
		memcpy(*at, text.bytes, text.size);
	*at += text.size;
	return packed;
}

struct request *request_new(struct span_text key, struct span_text method, struct span_text id,
	struct span_text tracestate, const struct request_value *values, size_t value_count)
{
	size_t size = sizeof(struct request) + value_count * sizeof *values;
	struct request *request;
	char *at;
	size_t i;

	size += key.size + method.size + id.size + tracestate.size;
	for (i = 0; i < value_count; i++)
		size += values[i].text.size;
	request = malloc(size);
	if (request == NULL)
		return NULL;
	request->values = (struct request_value *)(request + 1);
	at = (char *)(request->values + value_count);
	request->entry.key = at;
	request->entry.key_size = (uint16_t)request_pack(&at, key).size;
	request->method = request_pack(&at, method);
	request->id = request_pack(&at, id);
	request->tracestate = request_pack(&at, tracestate);
	request->value_count = value_count;
	for (i = 0; i < value_count; i++) {
		request->values[i].capture = values[i].capture;
		request->values[i].text = request_pack(&at, values[i].text);
	}
	return request;
}

/* Packing a request into one piece of memory: the struct, its values, then all texts in a row. */
#include "proxy/trace/requests/request.h"

#include <stdlib.h>

#include "proxy/trace/names/text.h"

_Static_assert(sizeof(struct request) <= REQUEST_SIZE_USUAL / 2, "there is room for usual texts");

void request_pool_init(struct request_pool *pool)
{
	*pool = (struct request_pool){.spares = NULL};
}

void request_pool_done(struct request_pool *pool)
{
	struct inflight_entry *entry;

	while ((entry = pool->spares) != NULL) {
		pool->spares = entry->older;
		free((struct request *)entry);
	}
	request_pool_init(pool);
}

static struct request *request_take(struct request_pool *pool, size_t size)
{
	struct inflight_entry *entry = pool->spares;
	bool large = size > REQUEST_SIZE_USUAL;
	struct request *request;

	if (large || entry == NULL) {
		request = malloc(large ? size : REQUEST_SIZE_USUAL);
		if (request != NULL)
			request->large = large;
		return request;
	}
	pool->spares = entry->older;
	pool->spare_count--;
	return (struct request *)entry;
}

static size_t request_size(const struct request_texts *texts)
{
	size_t size = sizeof(struct request) + texts->value_count * sizeof *texts->values;
	size_t i;

	size += texts->key.size + texts->method.size + texts->id.size + texts->tracestate.size;
	for (i = 0; i < texts->value_count; i++)
		size += texts->values[i].text.size;
	return size;
}

struct request *request_new(struct request_pool *pool, const struct request_texts *texts)
{
	struct request *request = request_take(pool, request_size(texts));
	char *at;
	size_t i;

	if (request == NULL)
		return NULL;
	request->claim = NULL;
	request->span = NULL;
	request->quotes = NULL;
	request->values = (struct request_value *)(request + 1);
	request->value_count = texts->value_count;
	at = (char *)(request->values + texts->value_count);
	request->entry.key = at;
	request->entry.key_size = (uint16_t)text_pack(&at, texts->key).size;
	request->method = text_pack(&at, texts->method);
	request->id = text_pack(&at, texts->id);
	request->tracestate = text_pack(&at, texts->tracestate);
	for (i = 0; i < texts->value_count; i++) {
		request->values[i].capture = texts->values[i].capture;
		request->values[i].text = text_pack(&at, texts->values[i].text);
	}
	return request;
}

void request_free(struct request_pool *pool, struct request *request)
{
	free(request->quotes);
	if (request->large || pool->spare_count == REQUEST_SPARES_MAX) {
		free(request);
		return;
	}
	request->entry.older = pool->spares;
	pool->spares = &request->entry;
	pool->spare_count++;
}

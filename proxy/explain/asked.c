/* Requests by their ids; see asked.h. The only failure is memory. */
#include "proxy/explain/asked.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/message/envelope.h"

struct asked_request {
	struct inflight_entry entry; /* first: the table hands back pointers to it */
	size_t method_size;
	char bytes[]; /* the key, then the method */
};

void asked_init(struct asked *asked, uint64_t seed)
{
	inflight_init(&asked->table, seed);
}

void asked_forget(struct asked *asked, struct asked_request *request)
{
	inflight_remove(&asked->table, &request->entry);
	free(request);
}

void asked_done(struct asked *asked)
{
	while (asked->table.oldest != NULL)
		asked_forget(asked, (struct asked_request *)asked->table.oldest);
	inflight_done(&asked->table);
}

struct asked_request *asked_find(const struct asked *asked, const struct envelope *envelope)
{
	char key[ENVELOPE_KEY_MAX];
	size_t size = envelope_id_key(envelope, key);

	if (size == 0)
		return NULL;
	return (struct asked_request *)inflight_find(
		&asked->table, key, size, inflight_hash(&asked->table, key, size));
}

static struct asked_request *asked_new(const struct envelope *envelope)
{
	const struct envelope_value *method = envelope_value(envelope, ENVELOPE_METHOD);
	char key[ENVELOPE_KEY_MAX];
	size_t size = envelope_id_key(envelope, key);
	struct asked_request *request = calloc(1, sizeof *request + size + method->size);

	if (request == NULL)
		return NULL;
	memcpy(request->bytes, key, size);
	memcpy(request->bytes + size, method->text, method->size);
	request->entry.key = request->bytes;
	request->entry.key_size = (uint16_t)size;
	request->method_size = method->size;
	return request;
}

void asked_remember(struct asked *asked, const struct envelope *envelope)
{
	struct asked_request *same = asked_find(asked, envelope), *request;

	if (same != NULL)
		asked_forget(asked, same);
	else if (asked->table.count >= ASKED_MAX)
		asked_forget(asked, (struct asked_request *)asked->table.oldest);
	request = asked_new(envelope);
	if (request == NULL)
		return;
	request->entry.hash =
		inflight_hash(&asked->table, request->entry.key, request->entry.key_size);
	if (inflight_add(&asked->table, &request->entry) != 0)
		free(request);
}

const char *asked_method(const struct asked_request *request, size_t *size)
{
	*size = request->method_size;
	return request->bytes + request->entry.key_size;
}

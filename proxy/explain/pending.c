/* Requests by their ids; see pending.h. The only failure is memory. */
#include "proxy/explain/pending.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/message/envelope.h"

struct pending_request {
	struct inflight_entry entry; /* first: the table hands back pointers to it */
	size_t method_size;
	char bytes[]; /* the key, then the method */
};

_Static_assert(offsetof(struct pending_request, entry) == 0, "the table's entry is cast to it");

void pending_init(struct pending *pending, uint64_t seed)
{
	inflight_init(&pending->table, seed);
}

void pending_forget(struct pending *pending, struct pending_request *request)
{
	inflight_remove(&pending->table, &request->entry);
	free(request);
}

void pending_done(struct pending *pending)
{
	while (pending->table.oldest != NULL)
		pending_forget(pending, (struct pending_request *)pending->table.oldest);
	inflight_done(&pending->table);
}

struct pending_request *pending_find(const struct pending *pending, const struct envelope *envelope)
{
	char key[ENVELOPE_KEY_MAX];
	size_t size = envelope_id_key(envelope, key);

	if (size == 0)
		return NULL;
	return (struct pending_request *)inflight_find(
		&pending->table, key, size, inflight_hash(&pending->table, key, size));
}

static struct pending_request *pending_new(const struct envelope *envelope)
{
	const struct envelope_value *method = envelope_value(envelope, ENVELOPE_METHOD);
	char key[ENVELOPE_KEY_MAX];
	size_t size = envelope_id_key(envelope, key);
	struct pending_request *request = calloc(1, sizeof *request + size + method->size);

	if (request == NULL)
		return NULL;
	memcpy(request->bytes, key, size);
	memcpy(request->bytes + size, method->text, method->size);
	request->entry.key = request->bytes;
	request->entry.key_size = (uint16_t)size;
	request->method_size = method->size;
	return request;
}

void pending_remember(struct pending *pending, const struct envelope *envelope)
{
	struct pending_request *same = pending_find(pending, envelope), *request;

	if (same != NULL)
		pending_forget(pending, same);
	else if (pending->table.count >= PENDING_MAX)
		pending_forget(pending, (struct pending_request *)pending->table.oldest);
	request = pending_new(envelope);
	if (request == NULL)
		return;
	request->entry.hash =
		inflight_hash(&pending->table, request->entry.key, request->entry.key_size);
	if (inflight_add(&pending->table, &request->entry) != 0)
		free(request);
}

const char *pending_method(const struct pending_request *request, size_t *size)
{
	*size = request->method_size;
	return request->bytes + request->entry.key_size;
}

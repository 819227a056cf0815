/*
 * What a connection's spans have in common. What can fail is memory: then a value is not
 * remembered, or the spans use the older rendering, or none.
 */
#include "proxy/trace/requests/connection_attributes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/requests/request.h"

void connection_attributes_put(
	const struct connection_attributes *connection, struct attributes *attributes)
{
	const struct attribute_settings *settings = connection->settings;
	const struct profile *profile = settings->profile;
	size_t i;

	attributes_put_named(
		attributes, &settings->names, ATTRIBUTES_SYSTEM, span_text_of("jsonrpc"));
	attributes_put_named(attributes, &settings->names, ATTRIBUTES_SERVICE,
		span_text_of(settings->rpc_service));
	attributes_put_named(attributes, &settings->names, ATTRIBUTES_TRANSPORT,
		span_text_of(connection->transport));
	attributes_put_named(attributes, &settings->names, ATTRIBUTES_CONNECTION_ID,
		span_text_of(connection->number));
	for (i = 0; i < profile->constant_count; i++)
		attributes_put(attributes, profile->constants[i].attribute,
			span_text_of(profile->constants[i].value));
}

/* Renders all that is connection, the remembered values too; an older rendering is replaced. */
static void connection_attributes_share(struct connection_attributes *connection)
{
	const struct captures *captures = connection->settings->captures;
	struct attributes attributes;
	struct span_shared *shared;
	unsigned i;

	attributes.count = 0;
	connection_attributes_put(connection, &attributes);
	for (i = 0; i < captures->attribute_count; i++)
		if (connection->values[i] != NULL)
			attributes_put(&attributes, captures->attributes[i],
				connection_attributes_value(connection, i));
	shared = span_shared_new(attributes.list, attributes.count);
	if (shared == NULL)
		return;
	span_shared_free(connection->shared);
	connection->shared = shared;
}

bool connection_attributes_find(
	const struct connection_attributes *connection, const char *name, struct span_text *text)
{
	int captured = captures_find_attribute(connection->settings->captures, name);
	struct attributes attributes;
	size_t i;

	if (captured >= 0 && connection->values[captured] != NULL) {
		*text = connection_attributes_value(connection, (unsigned)captured);
		return true;
	}
	attributes.count = 0;
	connection_attributes_put(connection, &attributes);
	for (i = 0; i < attributes.count; i++)
		if (strcmp(attributes.list[i].key, name) == 0) {
			*text = attributes.list[i].value.string;
			return true;
		}
	return false;
}

static bool connection_attributes_remember(struct connection_attributes *connection,
	const struct capture *capture, struct span_text text)
{
	struct connection_value **value = &connection->values[capture->attribute];

	if (*value != NULL)
		return false;
	*value = malloc(sizeof **value + text.size);
	if (*value == NULL)
		return false;
	(*value)->size = text.size;
	memcpy((*value)->bytes, text.bytes, text.size);
	connection->kept |= UINT32_C(1) << capture->attribute;
	return true;
}

void connection_attributes_remember_request_values(struct connection_attributes *connection,
	const struct request *request, enum capture_keep moment)
{
	const struct capture_list *list = &request->captures->from[PROFILE_FROM_REQUEST];
	bool changed = false;
	size_t i;

	for (i = 0; i < request->value_count; i++) {
		const struct capture *capture = &list->rows[request->values[i].capture];

		if (capture->keep == moment)
			changed |= connection_attributes_remember(
				connection, capture, request->values[i].text);
	}
	if (changed)
		connection_attributes_share(connection);
}

void connection_attributes_remember_reply_values(struct connection_attributes *connection,
	const struct request *request, const struct envelope *reply, bool ok)
{
	const struct capture_list *list = &request->captures->from[PROFILE_FROM_REPLY];
	struct span_text text;
	bool changed = false;
	size_t i;

	for (i = 0; i < list->count; i++) {
		const struct capture *capture = &list->rows[i];

		if ((capture->keep == CAPTURE_KEEP_SEEN ||
			    (capture->keep == CAPTURE_KEEP_OK && ok)) &&
			capture_take(capture, reply, &text))
			changed |= connection_attributes_remember(connection, capture, text);
	}
	if (changed)
		connection_attributes_share(connection);
}

struct connection_attributes *connection_attributes_new(
	const struct attribute_settings *settings, const char *transport, uint64_t number)
{
	struct connection_attributes *connection =
		calloc(1, sizeof *connection + settings->captures->attribute_count *
						       sizeof connection->values[0]);

	if (connection == NULL)
		return NULL;
	connection->settings = settings;
	connection->transport = transport;
	(void)snprintf(connection->number, sizeof connection->number, "%" PRIu64,
		number); /* fits: 20 digits */
	connection_attributes_share(connection);
	return connection;
}

void connection_attributes_free(struct connection_attributes *connection)
{
	size_t i;

	if (connection == NULL)
		return;
	for (i = 0; i < connection->settings->captures->attribute_count; i++)
		free(connection->values[i]);
	span_shared_free(connection->shared);
	free(connection);
}

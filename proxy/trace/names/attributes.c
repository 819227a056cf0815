/*
 * Names of attributes, and what a connection's spans have in common. What can fail is memory: then
 * a value is not remembered, or the spans use the older rendering, or none.
 */
#include "proxy/trace/names/attributes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/profile/profile.h"
#include "exporter/exporter.h"
#include "proxy/trace/requests/request.h"

/* Before, and as of 1.45 of the semantic conventions; NULL: there is none. */
static const struct {
	const char *legacy;
	const char *current;
} attributes_conventions[ATTRIBUTES_NAMES] = {
	[ATTRIBUTES_SYSTEM] = {"rpc.system", "rpc.system.name"},
	[ATTRIBUTES_SERVICE] = {"rpc.service", NULL},
	[ATTRIBUTES_METHOD] = {"rpc.method", "rpc.method"},
	[ATTRIBUTES_TRANSPORT] = {"rpc.transport", "rpc.transport"},
	[ATTRIBUTES_REQUEST_ID] = {"rpc.request_id", "jsonrpc.request.id"},
	[ATTRIBUTES_STATUS_CODE] = {"rpc.response.status_code", "rpc.status_code"},
	[ATTRIBUTES_PROTOCOL_VERSION] = {NULL, "jsonrpc.protocol.version"},
	[ATTRIBUTES_CONNECTION_ID] = {"app_server.connection_id", "app_server.connection_id"},
	[ATTRIBUTES_ERROR_TYPE] = {"error.type", "error.type"},
	[ATTRIBUTES_END_REASON] = {"sidespan.end_reason", "sidespan.end_reason"},
	[ATTRIBUTES_SAMPLED_BY] = {"sidespan.sampled_by", "sidespan.sampled_by"},
};

static void attributes_set_name(
	struct attributes_names *names, enum attributes_name name, size_t which, const char *text)
{
	names->texts[name][which] = text;
	if (text != NULL)
		span_key_init(&names->rendered[name][which], text);
}

void attributes_set(struct attributes *attributes, const struct span_attribute *attribute)
{
	const struct span_attribute *same = span_attribute_find(
		attributes->list, attributes->count, attribute->key, strlen(attribute->key));
	size_t at = same != NULL ? (size_t)(same - attributes->list) : attributes->count;

	assert(at < ATTRIBUTES_MAX);
	attributes->list[at] = *attribute;
	attributes->count += same == NULL;
}

void attributes_choose_names(struct attributes_names *names, enum config_semconv semconv)
{
	size_t i;

	for (i = 0; i < ATTRIBUTES_NAMES; i++) {
		const char *legacy = attributes_conventions[i].legacy;
		const char *current = attributes_conventions[i].current;

		if (semconv == CONFIG_SEMCONV_RPC)
			legacy = NULL;
		if (semconv == CONFIG_SEMCONV_LEGACY ||
			(legacy != NULL && current != NULL && strcmp(legacy, current) == 0))
			current = NULL;
		attributes_set_name(names, (enum attributes_name)i, 0, legacy);
		attributes_set_name(names, (enum attributes_name)i, 1, current);
	}
}

void attributes_put_server(const struct attribute_settings *settings, struct attributes *attributes)
{
	if (settings->server_address == NULL)
		return;
	attributes_put(attributes, "server.address", span_text_of(settings->server_address));
	attributes_set(attributes, &(struct span_attribute){.key = "server.port",
					   .type = SPAN_VALUE_INT,
					   .value.integer = settings->server_port});
}

void attributes_put_extra(const struct attribute_settings *settings, struct attributes *attributes)
{
	size_t i;

	for (i = 0; settings->extra != NULL && i < settings->extra->count; i++)
		attributes_put(attributes, settings->extra->pairs[i].name,
			span_text_of(settings->extra->pairs[i].value));
}

/* ---- of a connection ---- */

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
	if (strcmp(connection->transport, "http") == 0)
		attributes_put_server(settings, attributes);
	if (connection->subject != NULL)
		attributes_put(attributes, "tls.client.subject", span_text_of(connection->subject));
	for (i = 0; i < profile->constant_count; i++)
		attributes_put(attributes, profile->constants[i].attribute,
			span_text_of(profile->constants[i].value));
	attributes_put_extra(settings, attributes);
}

/* Renders all that is connection, the remembered values too; an older rendering is replaced. */
static void connection_attributes_share(struct connection_attributes *connection)
{
	const struct captures *captures = connection->settings->captures;
	struct attributes attributes;
	struct span_shared *shared;
	unsigned i;

	if (connection->settings->exporter == NULL)
		return;
	attributes.count = 0;
	connection_attributes_put(connection, &attributes);
	for (i = 0; i < captures->attribute_count; i++)
		if (connection->values[i] != NULL)
			attributes_put(&attributes, captures->attributes[i],
				connection_attributes_value(connection, i));
	shared = exporter_share(connection->settings->exporter, attributes.list, attributes.count);
	if (shared == NULL)
		return;
	span_shared_free(connection->shared);
	connection->shared = shared;
}

bool connection_attributes_find(
	const struct connection_attributes *connection, const char *name, struct span_text *text)
{
	int captured = captures_find_attribute(connection->settings->captures, name);
	const struct span_attribute *found;
	struct attributes attributes;

	if (captured >= 0 && connection->values[captured] != NULL) {
		*text = connection_attributes_value(connection, (unsigned)captured);
		return true;
	}
	attributes.count = 0;
	connection_attributes_put(connection, &attributes);
	found = span_attribute_find(attributes.list, attributes.count, name, strlen(name));
	if (found == NULL || found->type != SPAN_VALUE_STRING)
		return false;
	*text = found->value.string;
	return true;
}

static bool connection_attributes_remember(
	struct connection_attributes *connection, unsigned attribute, struct span_text text)
{
	struct connection_value **value = &connection->values[attribute];

	if (*value != NULL)
		return false;
	*value = malloc(sizeof **value + text.size);
	if (*value == NULL)
		return false;
	(*value)->size = text.size;
	memcpy((*value)->bytes, text.bytes, text.size);
	connection->kept |= UINT32_C(1) << attribute;
	return true;
}

void connection_attributes_set_subject(
	struct connection_attributes *connection, const char *subject)
{
	free(connection->subject);
	connection->subject = strdup(subject);
	connection_attributes_share(connection);
}

void connection_attributes_remember_header(
	struct connection_attributes *connection, struct span_text name, struct span_text value)
{
	const struct captures *captures = connection->settings->captures;
	bool changed = false;
	size_t i;

	if (value.size > CAPTURE_VALUE_MAX)
		value.size = CAPTURE_VALUE_MAX; /* ASCII, or it is repaired */
	for (i = 0; i < captures->header_count; i++) {
		const struct capture_header *header = &captures->headers[i];

		if (strlen(header->name) == name.size &&
			strncasecmp(header->name, name.bytes, name.size) == 0)
			changed |= connection_attributes_remember(
				connection, header->attribute, value);
	}
	if (changed)
		connection_attributes_share(connection);
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
				connection, capture->attribute, request_value(request, i));
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
			changed |= connection_attributes_remember(
				connection, capture->attribute, text);
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
	free(connection->subject);
	free(connection);
}

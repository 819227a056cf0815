#ifndef PROXY_TRACE_REQUESTS_CONNECTION_ATTRIBUTES_H
#define PROXY_TRACE_REQUESTS_CONNECTION_ATTRIBUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/span.h"
#include "proxy/trace/names/attributes.h"
#include "proxy/trace/requests/capture.h"
#include "proxy/trace/requests/request.h"

struct envelope;

/*
 * What all spans of a connection have in common: where it comes from, the profile's constants, and
 * the captured values that it remembers. Rendered once, and again when there is one value more.
 */
struct attribute_settings {
	struct attributes_names names;
	const char *rpc_service;         /* borrowed from the config */
	const struct profile *profile;   /* the same */
	const struct captures *captures; /* borrowed from the tracer */
};

struct connection_value {
	size_t size;
	char bytes[];
};

_Static_assert(CAPTURE_ATTRIBUTES_MAX <= 32, "each captured attribute has a bit");

struct connection_attributes {
	const struct attribute_settings *settings; /* borrowed */
	const char *transport;                     /* static */
	char number[24];
	struct span_shared *shared;        /* owned; NULL when memory was short */
	uint32_t kept;                     /* bits of the captured attributes that have a value */
	struct connection_value *values[]; /* owned; of each captured attribute, NULL until kept */
};

/* settings are borrowed for life; transport is static text. NULL when out of memory. */
struct connection_attributes *connection_attributes_new(
	const struct attribute_settings *settings, const char *transport, uint64_t number);
void connection_attributes_free(struct connection_attributes *connection);

/* Puts everything, for a span that cannot use the rendering; but not the remembered values. */
void connection_attributes_put(
	const struct connection_attributes *connection, struct attributes *attributes);

/* The text that all spans of the connection have for an attribute; false: none. */
bool connection_attributes_find(
	const struct connection_attributes *connection, const char *name, struct span_text *text);

/* The remembered value of an attribute, which is kept. */
static inline struct span_text connection_attributes_value(
	const struct connection_attributes *connection, unsigned attribute)
{
	const struct connection_value *value = connection->values[attribute];

	return (struct span_text){.bytes = value->bytes, .size = value->size};
}

/* For those below: there are such values. */
void connection_attributes_remember_request_values(struct connection_attributes *connection,
	const struct request *request, enum capture_keep moment);
void connection_attributes_remember_reply_values(struct connection_attributes *connection,
	const struct request *request, const struct envelope *reply, bool ok);

/*
 * Remembers the values of a request of which the profile says so for this moment; and those of its
 * answer, ok when that is a result. The first value of an attribute stays.
 */
static inline void connection_attributes_remember_request(struct connection_attributes *connection,
	const struct request *request, enum capture_keep moment)
{
	if (request->captures->from[PROFILE_FROM_REQUEST].keeps)
		connection_attributes_remember_request_values(connection, request, moment);
}

static inline void connection_attributes_remember_reply(struct connection_attributes *connection,
	const struct request *request, const struct envelope *reply, bool ok)
{
	if (request->captures->from[PROFILE_FROM_REPLY].keeps)
		connection_attributes_remember_reply_values(connection, request, reply, ok);
}

#endif

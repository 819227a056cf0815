#ifndef PROXY_TRACE_NAMES_ATTRIBUTES_H
#define PROXY_TRACE_NAMES_ATTRIBUTES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "config/profile/profile.h"
#include "exporter/span.h"
#include "proxy/trace/requests/capture.h"
#include "proxy/trace/requests/request.h"

/*
 * The attributes of a span that is being made, and the names of those that are not the profile's;
 * the semantic conventions renamed some.
 */
#define ATTRIBUTES_MAX (PROFILE_CONSTANTS_MAX + CAPTURE_ATTRIBUTES_MAX + 64)

/* The list is large: set count to 0 and leave the rest as it is. */
struct attributes {
	struct span_attribute list[ATTRIBUTES_MAX];
	size_t count;
};

enum attributes_name {
	ATTRIBUTES_SYSTEM,
	ATTRIBUTES_SERVICE,
	ATTRIBUTES_METHOD,
	ATTRIBUTES_TRANSPORT,
	ATTRIBUTES_REQUEST_ID,
	ATTRIBUTES_STATUS_CODE,
	ATTRIBUTES_PROTOCOL_VERSION,
	ATTRIBUTES_CONNECTION_ID,
	ATTRIBUTES_ERROR_TYPE,
	ATTRIBUTES_END_REASON,
	ATTRIBUTES_SAMPLED_BY,
	ATTRIBUTES_NAMES,
};

/* By the chosen conventions: the older name, the current name, NULL for none. */
struct attributes_names {
	const char *texts[ATTRIBUTES_NAMES][2];
	struct span_key rendered[ATTRIBUTES_NAMES][2];
};

void attributes_choose_names(struct attributes_names *names, enum config_semconv semconv);

/* All are borrowed until the span is submitted. rendered: of the key, or NULL. */
static inline void attributes_put_rendered(struct attributes *attributes, const char *key,
	const struct span_key *rendered, struct span_text text)
{
	assert(attributes->count < ATTRIBUTES_MAX);
	attributes->list[attributes->count++] = (struct span_attribute){
		.key = key,
		.type = SPAN_VALUE_STRING,
		.value.string = text,
		.rendered = rendered,
	};
}

static inline void attributes_put(
	struct attributes *attributes, const char *key, struct span_text text)
{
	attributes_put_rendered(attributes, key, NULL, text);
}

/* Puts an attribute in place of the one of that name, if there is one. */
void attributes_set(struct attributes *attributes, const struct span_attribute *attribute);

/* Where requests go over HTTP, as far as that has a name; what all spans are to have. */
struct attribute_settings;
void attributes_put_server(
	const struct attribute_settings *settings, struct attributes *attributes);
void attributes_put_extra(const struct attribute_settings *settings, struct attributes *attributes);

/* Under the name, or both names, that the chosen conventions give it. */
static inline void attributes_put_named(struct attributes *attributes,
	const struct attributes_names *names, enum attributes_name name, struct span_text text)
{
	const char *const *texts = names->texts[name];
	const struct span_key *rendered = names->rendered[name];

	if (texts[0] != NULL)
		attributes_put_rendered(attributes, texts[0], &rendered[0], text);
	if (texts[1] != NULL)
		attributes_put_rendered(attributes, texts[1], &rendered[1], text);
}

struct envelope;
struct exporter;

/*
 * What all spans of a connection have in common: where it comes from, the profile's constants, and
 * the captured values that it remembers. Rendered once, and again when there is one value more.
 */
struct attribute_settings {
	struct attributes_names names;
	const char *rpc_service;         /* borrowed from the config */
	const struct profile *profile;   /* the same */
	const struct config_map *extra;  /* the same; attributes of all spans; NULL: none */
	const struct captures *captures; /* borrowed from the tracer */
	const struct exporter *exporter; /* borrowed; NULL: there are no spans */
	const char *server_address;      /* of HTTP, borrowed from the config; NULL: no name */
	uint16_t server_port;
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
	char *subject;                     /* owned; of the client's certificate; NULL: none */
	struct span_shared *shared;        /* owned; NULL when memory was short, or without spans */
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

/* What the client's certificate says who it is. Copied; lost when memory is short. */
void connection_attributes_set_subject(
	struct connection_attributes *connection, const char *subject);

/* A field of the head of what carries the client's messages: remembered if the profile says so. */
void connection_attributes_remember_header(
	struct connection_attributes *connection, struct span_text name, struct span_text value);

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

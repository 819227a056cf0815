#ifndef PROXY_TRACE_REQUESTS_COMMON_H
#define PROXY_TRACE_REQUESTS_COMMON_H

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
struct common_settings {
	struct attributes_names names;
	const char *rpc_service;         /* borrowed from the config */
	const struct profile *profile;   /* the same */
	const struct captures *captures; /* borrowed from the tracer */
};

struct common_value {
	size_t size;
	char bytes[];
};

_Static_assert(CAPTURE_ATTRIBUTES_MAX <= 32, "each captured attribute has a bit");

struct common {
	const struct common_settings *settings; /* borrowed */
	const char *transport;                  /* static */
	char number[24];
	struct span_shared *shared;    /* owned; NULL when memory was short */
	uint32_t kept;                 /* bits of the captured attributes that have a value */
	struct common_value *values[]; /* owned; of each captured attribute, NULL until kept */
};

/* settings are borrowed for life; transport is static text. NULL when out of memory. */
struct common *common_new(
	const struct common_settings *settings, const char *transport, uint64_t number);
void common_free(struct common *common);

/* Puts everything, for a span that cannot use the rendering; but not the remembered values. */
void common_put(const struct common *common, struct attributes *attributes);

/* The remembered value of an attribute, which is kept. */
static inline struct span_text common_value(const struct common *common, unsigned attribute)
{
	const struct common_value *value = common->values[attribute];

	return (struct span_text){.bytes = value->bytes, .size = value->size};
}

/* For those below: there are such values. */
void common_remember_request_values(
	struct common *common, const struct request *request, enum capture_keep moment);
void common_remember_reply_values(struct common *common, const struct request *request,
	const struct envelope *reply, bool ok);

/*
 * Remembers the values of a request of which the profile says so for this moment; and those of its
 * answer, ok when that is a result. The first value of an attribute stays.
 */
static inline void common_remember_request(
	struct common *common, const struct request *request, enum capture_keep moment)
{
	if (request->captures->from[PROFILE_FROM_REQUEST].keeps)
		common_remember_request_values(common, request, moment);
}

static inline void common_remember_reply(
	struct common *common, const struct request *request, const struct envelope *reply, bool ok)
{
	if (request->captures->from[PROFILE_FROM_REPLY].keeps)
		common_remember_reply_values(common, request, reply, ok);
}

#endif

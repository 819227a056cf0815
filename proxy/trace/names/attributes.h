#ifndef PROXY_TRACE_NAMES_ATTRIBUTES_H
#define PROXY_TRACE_NAMES_ATTRIBUTES_H

#include <assert.h>
#include <stddef.h>

#include "config/config.h"
#include "config/profile/profile.h"
#include "exporter/span.h"
#include "proxy/trace/requests/capture.h"

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

#endif

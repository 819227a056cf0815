/*
 * What a connection's spans have in common. What can fail is memory: then a value is not
 * remembered, or the spans use the older rendering, or none.
 */
#include "proxy/trace/requests/common.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/requests/request.h"

void common_put(const struct common *common, struct attributes *attributes)
{
	const struct common_settings *settings = common->settings;
	const struct profile *profile = settings->profile;
	size_t i;

	attributes_put_named(
		attributes, &settings->names, ATTRIBUTES_SYSTEM, span_text_of("jsonrpc"));
	attributes_put_named(attributes, &settings->names, ATTRIBUTES_SERVICE,
		span_text_of(settings->rpc_service));
	attributes_put_named(attributes, &settings->names, ATTRIBUTES_TRANSPORT,
		span_text_of(common->transport));
	attributes_put_named(attributes, &settings->names, ATTRIBUTES_CONNECTION_ID,
		span_text_of(common->number));
	for (i = 0; i < profile->constant_count; i++)
		attributes_put(attributes, profile->constants[i].attribute,
			span_text_of(profile->constants[i].value));
}

/* Renders all that is common, the remembered values too; an older rendering is replaced. */
static void common_share(struct common *common)
{
	const struct captures *captures = common->settings->captures;
	struct attributes attributes;
	struct span_shared *shared;
	unsigned i;

	attributes.count = 0;
	common_put(common, &attributes);
	for (i = 0; i < captures->attribute_count; i++)
		if (common->values[i] != NULL)
			attributes_put(
				&attributes, captures->attributes[i], common_value(common, i));
	shared = span_shared_new(attributes.list, attributes.count);
	if (shared == NULL)
		return;
	span_shared_free(common->shared);
	common->shared = shared;
}

static bool common_remember(
	struct common *common, const struct capture *capture, struct span_text text)
{
	struct common_value **value = &common->values[capture->attribute];

	if (*value != NULL)
		return false;
	*value = malloc(sizeof **value + text.size);
	if (*value == NULL)
		return false;
	(*value)->size = text.size;
	memcpy((*value)->bytes, text.bytes, text.size);
	common->kept |= UINT32_C(1) << capture->attribute;
	return true;
}

void common_remember_request_values(
	struct common *common, const struct request *request, enum capture_keep moment)
{
	const struct capture_list *list = &request->captures->from[PROFILE_FROM_REQUEST];
	bool changed = false;
	size_t i;

	for (i = 0; i < request->value_count; i++) {
		const struct capture *capture = &list->rows[request->values[i].capture];

		if (capture->keep == moment)
			changed |= common_remember(common, capture, request->values[i].text);
	}
	if (changed)
		common_share(common);
}

void common_remember_reply_values(
	struct common *common, const struct request *request, const struct envelope *reply, bool ok)
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
			changed |= common_remember(common, capture, text);
	}
	if (changed)
		common_share(common);
}

struct common *common_new(
	const struct common_settings *settings, const char *transport, uint64_t number)
{
	struct common *common = calloc(
		1, sizeof *common + settings->captures->attribute_count * sizeof common->values[0]);

	if (common == NULL)
		return NULL;
	common->settings = settings;
	common->transport = transport;
	(void)snprintf(
		common->number, sizeof common->number, "%" PRIu64, number); /* fits: 20 digits */
	common_share(common);
	return common;
}

void common_free(struct common *common)
{
	size_t i;

	if (common == NULL)
		return;
	for (i = 0; i < common->settings->captures->attribute_count; i++)
		free(common->values[i]);
	span_shared_free(common->shared);
	free(common);
}

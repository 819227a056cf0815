/*
 * From a request in flight to its span. Which values of a message become attributes stands in the
 * profile's captures; the names of all others stand here, in attributes.c and in common.c. What the
 * exporter makes of the span is counted there; nothing else can fail.
 */
#include "proxy/trace/record.h"

#include <string.h>

#include "exporter/exporter.h"
#include "proxy/trace/attributes.h"
#include "proxy/trace/bytes.h"
#include "proxy/trace/capture.h"
#include "proxy/trace/common.h"
#include "proxy/trace/request.h"

#define RECORD_NAME_MAX    512
#define RECORD_METHOD_MARK "{method}"

/* What each end means: sidespan.end_reason, and for a request without an answer its status. */
static const struct {
	const char *reason;
	const char *message; /* NULL: there was an answer */
} record_ends[] = {
	[TRACER_ANSWERED] = {"answered", NULL},
	[TRACER_ERROR] = {"error", NULL},
	[TRACER_CONNECTION_CLOSED] = {"connection_closed", "no answer: the connection was closed"},
	[TRACER_BACKEND_EXITED] = {"backend_exited", "no answer: the backend ended"},
	[TRACER_EXPIRED] = {"expired", "no answer within inflight.max_age"},
	[TRACER_EVICTED] = {"evicted", "no answer yet when inflight.max was reached"},
	[TRACER_ID_REUSED] = {"id_reused", "no answer yet when the id was used again"},
	[TRACER_SHUTDOWN] = {"shutdown", "no answer yet at shutdown"},
};

void record_take_name(struct record_settings *settings, const char *template)
{
	const char *mark = strstr(template, RECORD_METHOD_MARK);

	settings->name_before = attributes_text(template);
	settings->name_has_method = mark != NULL;
	if (mark == NULL)
		return;
	settings->name_before.size = (size_t)(mark - template);
	settings->name_after = attributes_text(mark + strlen(RECORD_METHOD_MARK));
}

/* The name from span.name and the method, in text (RECORD_NAME_MAX bytes). */
static struct span_text record_name(
	const struct record_settings *settings, struct span_text method, char *text)
{
	const struct span_text parts[] = {settings->name_before, method, settings->name_after};
	size_t used = 0, i;

	if (!settings->name_has_method)
		return settings->name_before;
	for (i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		size_t size = parts[i].size;

		if (size > RECORD_NAME_MAX - used)
			size = RECORD_NAME_MAX - used;
		bytes_copy(text + used, parts[i].bytes, size);
		used += size;
	}
	return (struct span_text){.bytes = text, .size = used};
}

/* ---- captured values ---- */

struct record_values {
	struct span_text list[CAPTURE_ATTRIBUTES_MAX]; /* by attribute; NULL where there is none */
	bool own; /* one of them differs from what the connection remembers */
};

static bool record_differs(struct span_text value, struct span_text remembered)
{
	return value.bytes != NULL && remembered.bytes != NULL &&
	       (value.size != remembered.size ||
		       !bytes_equal(value.bytes, remembered.bytes, value.size));
}

/* Values of the request, then of the answer, which is the better witness; one per attribute. */
static void record_find_values(const struct common *common, const struct request *request,
	const struct envelope *reply, struct record_values *values)
{
	const struct capture_list *from_request = &request->captures->from[PROFILE_FROM_REQUEST];
	const struct capture_list *from_reply = &request->captures->from[PROFILE_FROM_REPLY];
	size_t attribute_count = common->settings->captures->attribute_count;
	size_t i;

	values->own = false;
	for (i = 0; i < attribute_count; i++)
		values->list[i].bytes = NULL;
	for (i = 0; i < request->value_count; i++)
		values->list[from_request->rows[request->values[i].capture].attribute] =
			request->values[i].text;
	for (i = 0; reply != NULL && i < from_reply->count; i++)
		(void)capture_take(&from_reply->rows[i], reply,
			&values->list[from_reply->rows[i].attribute]); /* else as it was */
	for (i = 0; i < attribute_count; i++)
		values->own |= record_differs(values->list[i], common_value(common, i));
}

/*
 * Puts the captured values. They come on top of the rendering that the connection's spans share,
 * which is left out (and NULL returned) when this request says something else than it.
 */
static const struct span_shared *record_put_captured(const struct common *common,
	const struct request *request, const struct envelope *reply, struct attributes *attributes)
{
	const struct captures *captures = common->settings->captures;
	struct record_values values;
	size_t i;

	if (request->value_count == 0 && request->captures->from[PROFILE_FROM_REPLY].count == 0)
		return common->shared;
	record_find_values(common, request, reply, &values);
	if (values.own)
		common_put(common, attributes);
	for (i = 0; i < captures->attribute_count; i++) {
		struct span_text remembered = common_value(common, i);

		if (values.list[i].bytes != NULL && (values.own || remembered.bytes == NULL))
			attributes_put(attributes, captures->attributes[i], values.list[i]);
		else if (values.own && remembered.bytes != NULL)
			attributes_put(attributes, captures->attributes[i], remembered);
	}
	return values.own ? NULL : common->shared;
}

/* ---- the rest ---- */

/* What an error answer says, or why there was none: status, status message, error attributes. */
static void record_put_failure(const struct record_settings *settings, struct span *span,
	struct attributes *attributes, enum tracer_end end, const struct envelope *reply)
{
	const struct envelope_value *code, *message;

	if (end == TRACER_ANSWERED)
		return;
	span->status = SPAN_STATUS_ERROR;
	if (end != TRACER_ERROR) {
		span->status_message = attributes_text(record_ends[end].message);
		attributes_put(attributes, "error.type", attributes_text(record_ends[end].reason));
		return;
	}
	code = envelope_value(reply, ENVELOPE_ERROR_CODE);
	message = envelope_value(reply, ENVELOPE_ERROR_MESSAGE);
	span->status_message = (struct span_text){.bytes = message->text, .size = message->size};
	if (code->type == JSON_NUMBER || code->type == JSON_STRING) {
		struct span_text text = {.bytes = code->text, .size = code->size};

		attributes_put_named(
			attributes, &settings->common->names, ATTRIBUTES_STATUS_CODE, text);
		attributes_put(attributes, "error.type", text);
	} else {
		attributes_put(attributes, "error.type", attributes_text("_OTHER"));
	}
}

static void record_put_version(const struct record_settings *settings, const struct envelope *reply,
	struct attributes *attributes)
{
	const struct attributes_names *names = &settings->common->names;
	const struct envelope_value *version;

	if (reply == NULL || names->texts[ATTRIBUTES_PROTOCOL_VERSION][1] == NULL)
		return;
	version = envelope_value(reply, settings->slot_jsonrpc);
	if (version->type == JSON_STRING)
		attributes_put_named(attributes, names, ATTRIBUTES_PROTOCOL_VERSION,
			(struct span_text){.bytes = version->text, .size = version->size});
}

void record_request(const struct record_settings *settings, const struct common *common,
	const struct request *request, enum tracer_end end, const struct envelope *reply,
	uint64_t duration_ns)
{
	const struct attributes_names *names = &settings->common->names;
	struct attributes attributes;
	char name[RECORD_NAME_MAX];
	struct span span = {
		.context = request->context,
		.has_parent = request->has_parent,
		.parent_is_remote = true,
		.tracestate = request->tracestate,
		.name = record_name(settings, request->method, name),
		.kind = SPAN_KIND_SERVER,
		.start_unix_ns = request->start_unix_ns,
		.end_unix_ns = request->start_unix_ns + duration_ns,
		.status = SPAN_STATUS_UNSET,
	};

	attributes.count = 0;
	memcpy(span.parent_span_id, request->parent_span_id, SPAN_ID_SIZE);
	attributes_put_named(&attributes, names, ATTRIBUTES_METHOD, request->method);
	attributes_put_named(&attributes, names, ATTRIBUTES_REQUEST_ID, request->id);
	record_put_version(settings, reply, &attributes);
	span.shared = record_put_captured(common, request, reply, &attributes);
	record_put_failure(settings, &span, &attributes, end, reply);
	attributes_put(
		&attributes, "sidespan.end_reason", attributes_text(record_ends[end].reason));
	span.attributes = attributes.list;
	span.attribute_count = attributes.count;
	exporter_submit(settings->exporter, &span);
}

/*
 * From a request in flight to its span. Which values of a message become attributes stands in the
 * profile's captures; the names of all others stand here and in
 * attributes.c. What the exporter makes of the span is counted there; nothing else can
 * fail.
 */
#include "proxy/trace/requests/request_span.h"

#include <stdio.h>
#include <string.h>

#include "exporter/exporter.h"
#include "proxy/trace/follow/emit.h"
#include "proxy/trace/names/attributes.h"
#include "proxy/trace/names/text.h"
#include "proxy/trace/requests/capture.h"
#include "proxy/trace/requests/parent.h"
#include "proxy/trace/requests/request.h"

#define REQUEST_SPAN_METHOD_MARK "{method}"

/* What each end means: sidespan.end_reason, and for a request without an answer its status. */
static const struct {
	const char *reason;
	const char *message; /* NULL: there was an answer */
} request_span_ends[] = {
	[TRACER_ANSWERED] = {"answered", NULL},
	[TRACER_ERROR] = {"error", NULL},
	[TRACER_CONNECTION_CLOSED] = {"connection_closed", "no answer: the connection was closed"},
	[TRACER_BACKEND_EXITED] = {"backend_exited", "no answer: the server ended"},
	[TRACER_EXPIRED] = {"expired", "no answer within inflight.max_age"},
	[TRACER_EVICTED] = {"evicted",
		"no answer yet when inflight.max or inflight.bytes_max was reached"},
	[TRACER_ID_REUSED] = {"id_reused", "no answer yet when the id was used again"},
	[TRACER_CLOSED] = {"closed", "no answer: a message said that none will come"},
	[TRACER_SHUTDOWN] = {"shutdown", "no answer yet at shutdown"},
	[TRACER_HTTP] = {"http_answer", "no answer in the HTTP answer"},
};

void request_span_take_name(struct request_span_settings *settings, const char *template)
{
	const char *mark = strstr(template, REQUEST_SPAN_METHOD_MARK);
	const char *brace = strchr(template, '{');

	settings->name_before = span_text_of(template);
	settings->name_has_method = mark != NULL;
	if (brace != NULL && (brace != mark || strchr(brace + 1, '{') != NULL))
		settings->name = template;
	if (mark == NULL)
		return;
	settings->name_before.size = (size_t)(mark - template);
	settings->name_after = span_text_of(mark + strlen(REQUEST_SPAN_METHOD_MARK));
}

/* Adds a part of a name behind what there is, as far as there is room. Returns the new size. */
static size_t request_span_put_name(char *text, size_t used, struct span_text part)
{
	size_t room = EMIT_NAME_MAX - used, size = part.size < room ? part.size : room;

	text_copy(text + used, part.bytes, size);
	return used + size;
}

/* The name from span.name and the method, in text (EMIT_NAME_MAX bytes). */
static struct span_text request_span_name(
	const struct request_span_settings *settings, struct span_text method, char *text)
{
	size_t size;

	if (!settings->name_has_method)
		return settings->name_before;
	if (method.size == 0) /* a name may not be empty */
		method = span_text_of("_OTHER");
	size = request_span_put_name(text, 0, settings->name_before);
	size = request_span_put_name(text, size, method);
	if (settings->name_after.size > 0)
		size = request_span_put_name(text, size, settings->name_after);
	return (struct span_text){.bytes = text, .size = size};
}

/* ---- captured values ---- */

struct request_span_values {
	uint32_t present; /* bits of the attributes that have a value */
	struct span_text list[CAPTURE_ATTRIBUTES_MAX]; /* by attribute; else undefined */
};

/* The lowest of some attributes, which is taken out of them. */
static unsigned request_span_next(uint32_t *attributes)
{
	unsigned next = (unsigned)__builtin_ctz(*attributes);

	*attributes &= *attributes - 1;
	return next;
}

/* Values of the request, then of the answer, which is the better witness; one per attribute. */
static void request_span_find_values(const struct request *request, const struct envelope *reply,
	struct request_span_values *values)
{
	const struct capture_list *from_request = &request->captures->from[PROFILE_FROM_REQUEST];
	const struct capture_list *from_reply = &request->captures->from[PROFILE_FROM_REPLY];
	unsigned attribute;
	size_t i;

	values->present = 0;
	for (i = 0; i < request->value_count; i++) {
		attribute = from_request->rows[request->values[i].capture].attribute;
		values->list[attribute] = request_value(request, i);
		values->present |= UINT32_C(1) << attribute;
	}
	for (i = 0; reply != NULL && i < from_reply->count; i++) {
		attribute = from_reply->rows[i].attribute;
		if (capture_take(&from_reply->rows[i], reply, &values->list[attribute]))
			values->present |= UINT32_C(1) << attribute;
	}
}

/* Whether one of the values is another than the connection remembers. */
static bool request_span_values_differ(
	const struct request_span_values *values, const struct connection_attributes *connection)
{
	uint32_t both = values->present & connection->kept;

	while (both != 0) {
		unsigned attribute = request_span_next(&both);
		struct span_text value = values->list[attribute];
		struct span_text kept = connection_attributes_value(connection, attribute);

		if (value.size != kept.size || !text_equal(value.bytes, kept.bytes, value.size))
			return true;
	}
	return false;
}

/*
 * Puts the captured values. They come on top of the rendering that the connection's spans share,
 * which is left out (and NULL returned) when this request says something else than it.
 */
static const struct span_shared *request_span_put_captured(
	const struct connection_attributes *connection, const struct request *request,
	const struct envelope *reply, struct attributes *attributes)
{
	const struct captures *captures = connection->settings->captures;
	const struct span_shared *shared = connection->shared;
	struct request_span_values values;
	uint32_t wanted;

	request_span_find_values(request, reply, &values);
	wanted = values.present & ~connection->kept;
	if (request_span_values_differ(&values, connection)) {
		wanted = values.present | connection->kept;
		shared = NULL;
		connection_attributes_put(connection, attributes);
	}
	while (wanted != 0) {
		unsigned attribute = request_span_next(&wanted);
		bool own = (values.present >> attribute & 1) != 0;

		attributes_put_rendered(attributes, captures->attributes[attribute],
			&captures->rendered[attribute],
			own ? values.list[attribute]
			    : connection_attributes_value(connection, attribute));
	}
	return shared;
}

/* ---- the rest ---- */

/*
 * What an error answer says, or why there was none: status, status message, error attributes. A
 * rule may have excused the answer, as the caller's fault: then its code is all that is told.
 */
static void request_span_put_failure(struct span *span, struct attributes *attributes,
	const struct attributes_names *names, enum tracer_end end, const struct envelope *reply,
	const struct open_span_verdict *verdict)
{
	const struct envelope_value *code;

	if (end == TRACER_ANSWERED || end == TRACER_HTTP)
		return;
	if (end == TRACER_ERROR && verdict != NULL && verdict->status == SPAN_STATUS_UNSET) {
		attributes_put_named(attributes, names, ATTRIBUTES_STATUS_CODE,
			text_in_slot(reply, ENVELOPE_ERROR_CODE));
		return;
	}
	span->status = SPAN_STATUS_ERROR;
	if (end != TRACER_ERROR) {
		span->status_message = span_text_of(request_span_ends[end].message);
		attributes_put_named(attributes, names, ATTRIBUTES_ERROR_TYPE,
			span_text_of(request_span_ends[end].reason));
		return;
	}
	code = envelope_value(reply, ENVELOPE_ERROR_CODE);
	span->status_message = text_in_slot(reply, ENVELOPE_ERROR_MESSAGE);
	if (code->type == JSON_NUMBER || code->type == JSON_STRING) {
		struct span_text text = text_of_value(code);

		attributes_put_named(attributes, names, ATTRIBUTES_STATUS_CODE, text);
		attributes_put_named(attributes, names, ATTRIBUTES_ERROR_TYPE, text);
	} else {
		attributes_put_named(
			attributes, names, ATTRIBUTES_ERROR_TYPE, span_text_of("_OTHER"));
	}
}

/* The status of the HTTP answer, which is also why there is no other; text: room for it. */
static void request_span_put_http(struct span *span, struct attributes *attributes,
	const struct attributes_names *names, enum tracer_end end, unsigned status, char text[12])
{
	if (status == 0)
		return;
	attributes_set(attributes, &(struct span_attribute){.key = "http.response.status_code",
					   .type = SPAN_VALUE_INT,
					   .value.integer = status});
	if (end != TRACER_HTTP || status < 400)
		return;
	(void)snprintf(text, 12, "%u", status); /* fits */
	span->status = SPAN_STATUS_ERROR;
	span->status_message = span_text_of(request_span_ends[end].message);
	attributes_put_named(attributes, names, ATTRIBUTES_ERROR_TYPE, span_text_of(text));
}

static void request_span_put_version(const struct request_span_settings *settings,
	const struct envelope *reply, struct attributes *attributes)
{
	const struct attributes_names *names = &settings->attributes->names;
	const struct envelope_value *version;

	if (reply == NULL || names->texts[ATTRIBUTES_PROTOCOL_VERSION][1] == NULL)
		return;
	version = envelope_value(reply, settings->slot_jsonrpc);
	if (version->type == JSON_STRING)
		attributes_put_named(
			attributes, names, ATTRIBUTES_PROTOCOL_VERSION, text_of_value(version));
}

/* ---- what rules of the lifecycle have said ---- */

/* Whether a rule has set what all spans of the connection have: there must not be two of it. */
static bool request_span_clashes(const struct follow_setup *setup, const struct open_span *span,
	const struct connection_attributes *connection)
{
	struct span_text text;
	size_t i;

	for (i = 0; i < span->values.count; i++)
		if (connection_attributes_find(connection,
			    setup->matcher.attributes[span->values.list[i].attribute], &text))
			return true;
	return false;
}

/* Puts what the connection's spans have in common one by one. */
static void request_span_unshare(
	const struct connection_attributes *connection, struct attributes *attributes)
{
	const struct captures *captures = connection->settings->captures;
	struct attributes own;
	uint32_t kept = connection->kept;
	size_t i;

	own.count = 0;
	connection_attributes_put(connection, &own);
	while (kept != 0) {
		unsigned attribute = request_span_next(&kept);

		attributes_put(&own, captures->attributes[attribute],
			connection_attributes_value(connection, attribute));
	}
	for (i = 0; i < attributes->count; i++)
		attributes_set(&own, &attributes->list[i]);
	memcpy(attributes->list, own.list, own.count * sizeof own.list[0]);
	attributes->count = own.count;
}

/* Puts the values of the open span that the request is for the rules. */
static void request_span_put_followed(struct span *span, struct attributes *attributes,
	const struct follow_setup *setup, const struct open_span *open,
	const struct connection_attributes *connection)
{
	if (span->shared != NULL && request_span_clashes(setup, open, connection)) {
		request_span_unshare(connection, attributes);
		span->shared = NULL;
	}
	emit_put_values(setup, attributes, open, span->end_unix_ns - *setup->wall_offset_ns);
	if (open->verdict == NULL || open->verdict->status == SPAN_STATUS_UNSET)
		return;
	span->status = open->verdict->status;
	span->status_message = open->verdict->message;
	if (open->verdict->type.size > 0)
		attributes_set(attributes, &(struct span_attribute){.key = "error.type",
						   .type = SPAN_VALUE_STRING,
						   .value.string = open->verdict->type});
}

/* A name in which attributes stand: all must have been put. */
static struct span_text request_span_long_name(struct follow_setup *setup, const char *title,
	const struct span *span, const struct attributes *attributes,
	const struct connection_attributes *connection, struct span_text method, char *text)
{
	struct attributes all = *attributes;
	struct span_text name;

	if (span->shared != NULL)
		request_span_unshare(connection, &all);
	if (method.size == 0) /* a name may not be empty */
		method = span_text_of("_OTHER");
	attributes_set(
		&all, &(struct span_attribute){
			      .key = "method", .type = SPAN_VALUE_STRING, .value.string = method});
	name = emit_name(setup, title, &all, text);
	return name.size > 0 ? name : method;
}

/* What a span that is made borrows. */
struct request_span_room {
	struct attributes attributes;
	struct emit_events events;
	struct span_link links[OPEN_SPAN_LINKS_MAX + PARENT_LINKS_MAX];
	char name[EMIT_NAME_MAX], status[12];
};

/* How it ended. */
static void request_span_put_end(struct span *span, struct attributes *attributes,
	const struct attributes_names *names, const struct request *request, enum tracer_end end,
	const struct envelope *reply, char status[12])
{
	request_span_put_failure(span, attributes, names, end, reply,
		request->span != NULL ? request->span->verdict : NULL);
	request_span_put_http(span, attributes, names, end, request->http_status, status);
	attributes_put_named(attributes, names, ATTRIBUTES_END_REASON,
		span_text_of(request_span_ends[end].reason));
}

/* What rules have learnt, which is the better word on all else. */
static void request_span_put_open(struct span *span, struct request_span_room *room,
	struct follow_setup *setup, const struct request *request,
	const struct connection_attributes *connection)
{
	const struct open_span *open = request->span;

	request_span_put_followed(span, &room->attributes, setup, open, connection);
	emit_put_events(setup, &room->events, open, span->end_unix_ns - *setup->wall_offset_ns);
	span->events = room->events.list;
	span->event_count = open->event_count;
	span->dropped_event_count = open->events_dropped;
	memcpy(room->links, open->links, open->link_count * sizeof room->links[0]);
	span->link_count = open->link_count;
}

/* The span of a request without what is to be looked up. */
static struct span request_span_bare(
	const struct request *request, uint64_t duration_ns, struct request_span_room *room)
{
	return (struct span){
		.context = request->context,
		.type = "request",
		.has_parent = request->has_parent,
		.parent_is_remote = !request->parent_is_ours,
		.begun = true,
		.tracestate = request->tracestate,
		.kind = SPAN_KIND_SERVER,
		.links = room->links,
		.start_unix_ns = request->start_unix_ns,
		.end_unix_ns = request->start_unix_ns + duration_ns,
		.status = SPAN_STATUS_UNSET,
	};
}

/*
 * Makes the rest of a bare span, by a pointer, since a copy of it costs more than most of its
 * parts. In line, as that of each request is; the one that is shown comes seldom.
 */
__attribute__((always_inline)) static inline void request_span_fill(struct span *span,
	const struct request_span_settings *settings, struct follow_setup *setup,
	const struct connection_attributes *connection, const struct request *request,
	enum tracer_end end, const struct envelope *reply, struct request_span_room *room)
{
	const struct attributes_names *names = &settings->attributes->names;
	const struct open_span *open = request->span;
	const char *title =
		open != NULL && open->row->title != NULL ? open->row->title : settings->name;
	struct attributes *attributes = &room->attributes;

	attributes->count = 0;
	memcpy(span->parent_span_id, request->parent_span_id, SPAN_ID_SIZE);
	attributes_put_named(attributes, names, ATTRIBUTES_METHOD, request->method);
	attributes_put_named(attributes, names, ATTRIBUTES_REQUEST_ID, request->id);
	request_span_put_version(settings, reply, attributes);
	span->shared = request_span_put_captured(connection, request, reply, attributes);
	if (end != TRACER_OPEN)
		request_span_put_end(span, attributes, names, request, end, reply, room->status);
	if (open != NULL)
		request_span_put_open(span, room, setup, request, connection);
	request_links(request, room->links + span->link_count);
	span->link_count += request->link_count;
	span->name = title == NULL ? request_span_name(settings, request->method, room->name)
				   : request_span_long_name(setup, title, span, attributes,
					     connection, request->method, room->name);
	span->attributes = attributes->list;
	span->attribute_count = attributes->count;
}

void request_span_emit(const struct request_span_settings *settings, struct follow_setup *setup,
	const struct connection_attributes *connection, const struct request *request,
	enum tracer_end end, const struct envelope *reply, uint64_t duration_ns)
{
	struct request_span_room room;
	struct span span = request_span_bare(request, duration_ns, &room);
	const char *sampled_by = NULL;

	request_span_fill(&span, settings, setup, connection, request, end, reply, &room);
	if (!request->recorded && request->has_span && setup->exporter != NULL)
		sampled_by = tail_keeps(setup->tail, &span);
	if (sampled_by != NULL)
		attributes_put_named(&room.attributes, &settings->attributes->names,
			ATTRIBUTES_SAMPLED_BY, span_text_of(sampled_by));
	span.attribute_count = room.attributes.count;
	follow_span_ends(setup, &span, request->recorded, sampled_by);
}

void request_span_show(const struct request_span_settings *settings, struct follow_setup *setup,
	const struct connection_attributes *connection, const struct request *request,
	uint64_t now_ns, void (*show)(void *arg, const struct span *span), void *arg)
{
	struct request_span_room room;
	struct span span = request_span_bare(request, now_ns - request->entry.start_ns, &room);

	request_span_fill(&span, settings, setup, connection, request, TRACER_OPEN, NULL, &room);
	/* what is shared has been rendered for the exporter: here all is told one by one */
	request_span_unshare(connection, &room.attributes);
	span.attribute_count = room.attributes.count;
	span.shared = NULL;
	span.is_open = true;
	show(arg, &span);
}

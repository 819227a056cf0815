/* Spans from open spans and submissions: lists of attributes on the stack, then the exporter. */
#include "proxy/trace/follow/emitter.h"

#include <assert.h>
#include <string.h>

#include "exporter/exporter.h"
#include "w3c/ids.h"

#define EMITTER_NAME_MAX 512

static const struct span_attribute *emitter_find(const struct attributes *list, const char *key)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (strcmp(list->list[i].key, key) == 0)
			return &list->list[i];
	return NULL;
}

/* Adds an attribute, or puts it in the place of the one of that name: none is there twice. */
static void emitter_put(struct attributes *list, const struct span_attribute *attribute)
{
	const struct span_attribute *same = emitter_find(list, attribute->key);
	size_t at = same != NULL ? (size_t)(same - list->list) : list->count;

	assert(at < ATTRIBUTES_MAX);
	list->list[at] = *attribute;
	list->count += same == NULL;
}

static void emitter_put_text(struct attributes *list, const char *key, struct span_text text)
{
	emitter_put(list, &(struct span_attribute){
				  .key = key, .type = SPAN_VALUE_STRING, .value.string = text});
}

static void emitter_integer(struct attributes *list, const char *key, uint64_t integer)
{
	emitter_put(list,
		&(struct span_attribute){
			.key = key, .type = SPAN_VALUE_INT, .value.integer = (int64_t)integer});
}

/* ---- attributes of an open span ---- */

static struct span_attribute emitter_value(
	const struct work_common *common, const struct live_value *value)
{
	struct span_attribute attribute = {
		.key = common->matcher.attributes[value->attribute],
		.type = (enum span_value_type)value->type,
	};

	if (value->type == SPAN_VALUE_STRING)
		attribute.value.string =
			(struct span_text){.bytes = value->is.text, .size = value->size};
	else if (value->type == SPAN_VALUE_INT)
		attribute.value.integer = value->is.integer;
	else
		attribute.value.boolean = value->is.integer != 0;
	return attribute;
}

static void emitter_put_stream(const struct work_common *common, struct attributes *list,
	const struct live *live, const struct live_stream *stream)
{
	const char *const *names = common->matcher.attributes;
	const struct matcher_rule *rule = stream->rule;

	if (rule == NULL)
		return;
	if (rule->count != MATCHER_NONE)
		emitter_integer(list, names[rule->count], stream->count);
	if (rule->bytes != MATCHER_NONE)
		emitter_integer(list, names[rule->bytes], stream->bytes);
	if (rule->first != MATCHER_NONE)
		emitter_integer(
			list, names[rule->first], (stream->first_ns - live->start_ns) / 1000000);
}

/* A request of the server: which one it was. */
static void emitter_put_call(
	const struct work_common *common, struct attributes *list, const struct live *live)
{

	if (live->by_call.size == 0)
		return;
	attributes_put_named(list, common->names, ATTRIBUTES_METHOD, live->method_name);
	attributes_put_named(list, common->names, ATTRIBUTES_REQUEST_ID, live->request_id);
}

static void emitter_put_live(
	const struct work_common *common, struct attributes *list, const struct live *live)
{
	const uint8_t *keys = common->matcher.key_attributes[live->type];
	size_t i;

	list->count = 0; /* the list itself is not worth clearing */
	for (i = 0; i < live->key_count; i++)
		attributes_put(list, common->matcher.attributes[keys[i]], live_key_part(live, i));
	emitter_put_call(common, list, live);
	for (i = 0; i < live->value_count; i++) {
		struct span_attribute value = emitter_value(common, &live->values[i]);

		emitter_put(list, &value); /* a rule has the better word on a part of the key */
	}
	for (i = 0; i < LIVE_STREAMS_MAX; i++)
		emitter_put_stream(common, list, live, &live->streams[i]);
}

/* ---- names ---- */

struct emitter_name {
	char text[EMITTER_NAME_MAX];
	size_t size;
};

static void emitter_name_add(struct emitter_name *name, struct span_text text)
{
	size_t size = text.size;

	if (size > sizeof name->text - name->size)
		size = sizeof name->text - name->size;
	memcpy(name->text + name->size, text.bytes, size);
	name->size += size;
}

/* What {KEY} stands for in a name; nothing, if there is no such attribute or it is no text. */
static struct span_text emitter_placeholder(
	const struct attributes *list, const char *key, size_t size)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (strncmp(list->list[i].key, key, size) == 0 && list->list[i].key[size] == '\0' &&
			list->list[i].type == SPAN_VALUE_STRING)
			return list->list[i].value.string;
	return span_text_of("");
}

/*
 * Writes out a title of the profile, which is well-formed; other, if there is nothing where all of
 * its placeholders stand: a span must have a name.
 */
static void emitter_name_fill(struct emitter_name *name, const char *title,
	const struct attributes *list, const char *other)
{
	name->size = 0;
	while (*title != '\0') {
		size_t plain = strcspn(title, "{"), key;

		emitter_name_add(name, (struct span_text){.bytes = title, .size = plain});
		title += plain;
		if (*title == '\0')
			break;
		title++;
		key = strcspn(title, "}");
		emitter_name_add(name, emitter_placeholder(list, title, key));
		title += key + (title[key] == '}');
	}
	if (name->size == 0)
		emitter_name_add(name, span_text_of(other));
}

/* ---- events ---- */

struct emitter_events {
	struct span_event list[LIVE_EVENTS_MAX];
	struct span_attribute values[LIVE_EVENTS_MAX][LIVE_EVENT_VALUES_MAX];
};

/* A connection that lags may have told of an event after another one told of the end. */
static void emitter_put_events(const struct work_common *common, struct emitter_events *events,
	const struct live *live, uint64_t end_ns)
{
	size_t i, j;

	for (i = 0; i < live->event_count; i++) {
		const struct live_event *event = &live->events[i];

		for (j = 0; j < event->value_count; j++)
			events->values[i][j] = emitter_value(common, &event->values[j]);
		events->list[i] = (struct span_event){
			.name = event->name,
			.time_unix_ns = (event->time_ns < end_ns ? event->time_ns : end_ns) +
					*common->wall_offset_ns,
			.attributes = events->values[i],
			.attribute_count = event->value_count,
		};
	}
}

/* ---- spans ---- */

static const enum span_kind emitter_kinds[] = {
	[LIFECYCLE_INTERNAL] = SPAN_KIND_INTERNAL,
	[LIFECYCLE_CLIENT] = SPAN_KIND_CLIENT,
	[LIFECYCLE_SERVER] = SPAN_KIND_SERVER,
};

void emitter_live(
	const struct work_common *common, const struct live *live, const struct emitter_end *end)
{
	uint64_t end_ns = end->now_ns > live->start_ns ? end->now_ns : live->start_ns;
	struct attributes list;
	struct emitter_events events;
	struct emitter_name name;
	struct span span = {
		.context = live->context,
		.has_parent = live->has_parent,
		.tracestate = live->tracestate,
		.kind = emitter_kinds[live->row->kind],
		.start_unix_ns = live->start_ns + *common->wall_offset_ns,
		.end_unix_ns = end_ns + *common->wall_offset_ns,
		.events = events.list,
		.event_count = live->event_count,
		.dropped_event_count = live->events_dropped,
		.links = &live->link,
		.link_count = live->linked,
		.status = end->status,
		.status_message = end->message,
	};

	if (!live->recorded)
		return;
	memcpy(span.parent_span_id, live->parent_span_id, SPAN_ID_SIZE);
	emitter_put_live(common, &list, live);
	emitter_name_fill(&name, live->row->title, &list, live->row->name);
	span.name = (struct span_text){.bytes = name.text, .size = name.size};
	if (end->type.size > 0)
		emitter_put_text(&list, "error.type", end->type);
	if (end->reason != NULL)
		emitter_put_text(&list, "sidespan.end_reason", span_text_of(end->reason));
	emitter_put_events(common, &events, live, end_ns);
	span.attributes = list.list;
	span.attribute_count = list.count;
	exporter_submit(common->exporter, &span);
}

void emitter_announce(const struct work_common *common, const struct live *live)
{
	struct attributes list;
	struct emitter_name name;
	struct span span = {
		.context = live->context,
		.has_parent = true,
		.tracestate = live->tracestate,
		.kind = SPAN_KIND_INTERNAL,
		.start_unix_ns = live->start_ns + *common->wall_offset_ns,
		.end_unix_ns = live->start_ns + *common->wall_offset_ns,
	};

	if (!live->recorded)
		return;
	memcpy(span.parent_span_id, live->context.span_id, SPAN_ID_SIZE);
	ids_span_id(common->ids, span.context.span_id);
	emitter_put_live(common, &list, live);
	emitter_name_fill(&name, live->row->announce, &list, live->row->name);
	span.name = (struct span_text){.bytes = name.text, .size = name.size};
	span.attributes = list.list;
	span.attribute_count = list.count;
	exporter_submit(common->exporter, &span);
}

static void emitter_put_submission(const struct work_common *common, struct attributes *list,
	const struct submission *submission, const struct live *about)
{
	const char *operation = common->matcher.lifecycle->dispatch_attribute;
	const uint8_t *keys;
	size_t i;

	list->count = 0;
	if (operation != NULL)
		attributes_put(list, operation, submission->method->operation);
	attributes_put_named(list, common->names, ATTRIBUTES_METHOD, submission->method->name);
	for (i = 0; i < submission->attribute_count; i++)
		emitter_put(list, &submission->attributes[i]); /* the last one counts */
	if (about == NULL)
		return;
	keys = common->matcher.key_attributes[about->type];
	for (i = 0; i < about->key_count; i++)
		if (emitter_find(list, common->matcher.attributes[keys[i]]) == NULL)
			attributes_put(
				list, common->matcher.attributes[keys[i]], live_key_part(about, i));
}

/* The dispatch's title has one placeholder, {operation}. */
static void emitter_name_dispatch(const struct work_common *common, struct emitter_name *name,
	const struct submission *submission)
{
	struct attributes operation = {.count = 0};

	attributes_put(&operation, "operation", submission->method->operation);
	emitter_name_fill(name, common->matcher.lifecycle->dispatch_name, &operation, "dispatch");
}

void emitter_dispatch(const struct work_common *common, const struct submission *submission,
	const uint8_t span_id[SPAN_ID_SIZE], const struct live *about)
{
	struct attributes list;
	struct emitter_name name;
	struct span_link link;
	bool joined = about != NULL && memcmp(about->parent_span_id, span_id, SPAN_ID_SIZE) != 0;
	struct span span = {
		.context = submission->request,
		.has_parent = true,
		.tracestate = submission->tracestate,
		.kind = SPAN_KIND_INTERNAL,
		.start_unix_ns = submission->forwarded_ns + *common->wall_offset_ns,
		.end_unix_ns = submission->taken_ns + *common->wall_offset_ns,
		.links = &link,
		.link_count = joined,
	};

	if (common->exporter == NULL || (submission->request.flags & TRACE_FLAG_SAMPLED) == 0)
		return;
	if (joined) {
		memcpy(link.trace_id, about->context.trace_id, TRACE_ID_SIZE);
		memcpy(link.span_id, about->context.span_id, SPAN_ID_SIZE);
	}
	memcpy(span.parent_span_id, submission->request.span_id, SPAN_ID_SIZE);
	memcpy(span.context.span_id, span_id, SPAN_ID_SIZE);
	emitter_put_submission(common, &list, submission, about);
	emitter_name_dispatch(common, &name, submission);
	span.name = (struct span_text){.bytes = name.text, .size = name.size};
	span.attributes = list.list;
	span.attribute_count = list.count;
	exporter_submit(common->exporter, &span);
}

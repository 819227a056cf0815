/* Spans from open spans and submissions: lists of attributes on the stack, then the exporter. */
#include "proxy/trace/follow/emit.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "exporter/exporter.h"
#include "w3c/ids.h"

static void emit_put_text(struct attributes *list, const char *key, struct span_text text)
{
	attributes_set(list, &(struct span_attribute){
				     .key = key, .type = SPAN_VALUE_STRING, .value.string = text});
}

static void emit_integer(struct attributes *list, const char *key, uint64_t integer)
{
	attributes_set(list,
		&(struct span_attribute){
			.key = key, .type = SPAN_VALUE_INT, .value.integer = (int64_t)integer});
}

/* Under the name, or both names, that the chosen conventions give it. */
static void emit_put_named(struct attributes *list, const struct attributes_names *names,
	enum attributes_name name, struct span_text text)
{
	size_t i;

	for (i = 0; i < 2; i++)
		if (names->texts[name][i] != NULL)
			emit_put_text(list, names->texts[name][i], text);
}

/* ---- attributes of an open span ---- */

/* Puts what the key says, but for what is not to be seen, and what is there already. */
static void emit_put_key(
	const struct follow_setup *setup, struct attributes *list, const struct open_span *span)
{
	const struct matcher_type *type = &setup->matcher.types[span->type];
	size_t i;

	for (i = 0; i < span->key_count; i++) {
		const char *name = setup->matcher.attributes[type->key[i]];

		if ((type->hidden >> i & 1) == 0 &&
			span_attribute_find(list->list, list->count, name, strlen(name)) == NULL)
			attributes_put(list, name, open_span_key_part(span, i));
	}
}

static struct span_attribute emit_value(
	const struct follow_setup *setup, const struct open_span_value *value)
{
	struct span_attribute attribute = {
		.key = setup->matcher.attributes[value->attribute],
		.type = (enum span_value_type)value->type,
	};

	switch (attribute.type) {
	case SPAN_VALUE_STRING:
		attribute.value.string =
			(struct span_text){.bytes = value->is.text, .size = value->size};
		break;
	case SPAN_VALUE_INT:
		attribute.value.integer = value->is.integer;
		break;
	case SPAN_VALUE_BOOL:
		attribute.value.boolean = value->is.integer != 0;
		break;
	case SPAN_VALUE_DOUBLE:
		attribute.value.real = value->is.real;
		break;
	}
	return attribute;
}

static void emit_put_stream(const struct follow_setup *setup, struct attributes *list,
	const struct open_span *span, const struct open_span_stream *stream)
{
	const char *const *names = setup->matcher.attributes;
	const struct open_span_tally *tally = open_span_tally(stream);
	const struct matcher_rule *rule = stream->rule;

	if (rule == NULL)
		return;
	if (rule->count != MATCHER_NONE)
		emit_integer(list, names[rule->count], tally->count);
	if (rule->bytes != MATCHER_NONE)
		emit_integer(list, names[rule->bytes], tally->bytes);
	if (rule->first != MATCHER_NONE)
		emit_integer(
			list, names[rule->first], (tally->first_ns - span->start_ns) / 1000000);
}

/* What those below have added, as far as it is known by now. */
static void emit_put_sums(const struct follow_setup *setup, struct attributes *list,
	const struct open_span *span, uint64_t now_ns)
{
	const struct matcher_type *type = &setup->matcher.types[span->type];
	size_t i;

	for (i = 0; span->sums != NULL && i < type->sum_count; i++) {
		const struct open_span_sum *sum = &span->sums[i];
		uint64_t busy_ns = sum->busy_ns;

		if (sum->count == 0)
			continue;
		if (sum->open > 0 && now_ns > sum->since_ns)
			busy_ns += now_ns - sum->since_ns;
		emit_integer(list, setup->matcher.attributes[type->sums[i]],
			sum->is_time ? busy_ns / 1000000 : sum->count);
	}
}

void emit_put_values(const struct follow_setup *setup, struct attributes *list,
	const struct open_span *span, uint64_t now_ns)
{
	size_t i;

	for (i = 0; i < span->values.count; i++) {
		struct span_attribute value = emit_value(setup, &span->values.list[i]);

		attributes_set(list, &value); /* a rule has the better word on a part of the key */
	}
	emit_put_sums(setup, list, span, now_ns);
	for (i = 0; i < OPEN_SPAN_STREAMS_MAX; i++)
		emit_put_stream(setup, list, span, &span->streams[i]);
}

static void emit_put_span(const struct follow_setup *setup, struct attributes *list,
	const struct open_span *span, uint64_t now_ns)
{
	list->count = 0; /* the list itself is not worth clearing */
	emit_put_key(setup, list, span);
	if (span->method_name.size > 0) { /* a request, of the server or one that stays: which */
		emit_put_named(list, setup->names, ATTRIBUTES_METHOD, span->method_name);
		emit_put_named(list, setup->names, ATTRIBUTES_REQUEST_ID, span->request_id);
	}
	emit_put_values(setup, list, span, now_ns);
}

/* ---- names ---- */

struct emit_text {
	char *bytes; /* EMIT_NAME_MAX */
	size_t size;
	bool is_cut;
};

static void emit_add(struct emit_text *name, struct span_text text)
{
	size_t size = text.size;

	if (size > EMIT_NAME_MAX - name->size) {
		size = EMIT_NAME_MAX - name->size;
		name->is_cut = true;
	}
	memcpy(name->bytes + name->size, text.bytes, size);
	name->size += size;
}

/* Adds what {KEY} stands for, if there is something. */
static void emit_add_value(
	struct emit_text *name, const struct attributes *list, const char *key, size_t size)
{
	const struct span_attribute *found =
		span_attribute_find(list->list, list->count, key, size);
	char number[32];

	if (found == NULL)
		return;
	switch (found->type) {
	case SPAN_VALUE_DOUBLE:
		break; /* no name has one */
	case SPAN_VALUE_STRING:
		emit_add(name, found->value.string);
		break;
	case SPAN_VALUE_INT:
		(void)snprintf(number, sizeof number, "%lld", (long long)found->value.integer);
		emit_add(name, span_text_of(number));
		break;
	case SPAN_VALUE_BOOL:
		emit_add(name, span_text_of(found->value.boolean ? "true" : "false"));
	}
}

struct span_text emit_name(
	struct follow_setup *setup, const char *title, const struct attributes *list, char *text)
{
	struct emit_text name = {.bytes = text, .size = 0};
	bool empty = false; /* nothing stands where the last braces are */

	while (*title != '\0') {
		size_t plain = strcspn(title, "{"), key, before;

		/* of the blanks around it one is enough, at the beginning none */
		if (empty && *title == ' ' && (name.size == 0 || name.bytes[name.size - 1] == ' '))
			emit_add(&name, (struct span_text){.bytes = title + 1, .size = plain - 1});
		else
			emit_add(&name, (struct span_text){.bytes = title, .size = plain});
		title += plain;
		if (*title == '\0')
			break;
		title++;
		key = strcspn(title, "}");
		before = name.size;
		emit_add_value(&name, list, title, key);
		empty = name.size == before;
		title += key + (title[key] == '}');
	}
	if (empty && name.size > 0 && name.bytes[name.size - 1] == ' ')
		name.size--;
	setup->counters.names_cut += name.is_cut;
	return (struct span_text){.bytes = text, .size = name.size};
}

/* The same; other, if there is nothing where all of its placeholders stand. */
static struct span_text emit_some_name(struct follow_setup *setup, const char *title,
	const struct attributes *list, char *text, const char *other)
{
	struct span_text name = emit_name(setup, title, list, text);

	return name.size > 0 ? name : span_text_of(other);
}

/* ---- events ---- */

/* A connection that lags may have told of an event after another one told of the end. */
void emit_put_events(const struct follow_setup *setup, struct emit_events *events,
	const struct open_span *span, uint64_t end_ns)
{
	size_t i, j;

	for (i = 0; i < span->event_count; i++) {
		const struct open_span_event *event = &span->events[i];

		for (j = 0; j < event->value_count; j++)
			events->values[i][j] = emit_value(setup, &event->values[j]);
		events->list[i] = (struct span_event){
			.name = event->name,
			.time_unix_ns = (event->time_ns < end_ns ? event->time_ns : end_ns) +
					*setup->wall_offset_ns,
			.attributes = events->values[i],
			.attribute_count = event->value_count,
		};
	}
}

/* ---- spans ---- */

static const enum span_kind emit_kinds[] = {
	[LIFECYCLE_INTERNAL] = SPAN_KIND_INTERNAL,
	[LIFECYCLE_CLIENT] = SPAN_KIND_CLIENT,
	[LIFECYCLE_SERVER] = SPAN_KIND_SERVER,
};

/* What a span that is made borrows. */
struct emit_room {
	struct attributes list;
	struct emit_events events;
	char name[EMIT_NAME_MAX];
};

/* Of an open span as it is at that moment. */
static struct span emit_make(struct follow_setup *setup, const struct open_span *span,
	uint64_t end_ns, struct emit_room *room)
{
	struct span made = {
		.context = span->context,
		.type = span->row->name,
		.has_parent = span->has_parent,
		.parent_is_remote = span->parent_is_remote,
		.begun = true,
		.tracestate = span->tracestate,
		.kind = emit_kinds[span->row->kind],
		.start_unix_ns = span->start_ns + *setup->wall_offset_ns,
		.end_unix_ns = end_ns + *setup->wall_offset_ns,
		.event_count = span->event_count,
		.dropped_event_count = span->events_dropped,
		.links = span->links,
		.link_count = span->link_count,
	};

	memcpy(made.parent_span_id, span->parent_span_id, SPAN_ID_SIZE);
	emit_put_span(setup, &room->list, span, end_ns);
	made.name = span->row->title == NULL /* a request that stays */
			    ? span->method_name
			    : emit_some_name(setup, span->row->title, &room->list, room->name,
				      span->row->name);
	if (span->verdict != NULL) {
		made.status = span->verdict->status;
		made.status_message = span->verdict->message;
	}
	emit_put_events(setup, &room->events, span, end_ns);
	made.events = room->events.list;
	made.attributes = room->list.list;
	made.attribute_count = room->list.count;
	return made;
}

void emit_span(struct follow_setup *setup, const struct open_span *span, const struct span_end *end)
{
	uint64_t end_ns = end->now_ns > span->start_ns ? end->now_ns : span->start_ns;
	const char *sampled_by = NULL;
	struct emit_room room;
	struct span made;

	if (!follow_wants(setup, span->recorded))
		return;
	made = emit_make(setup, span, end_ns, &room);
	if (end->status != SPAN_STATUS_UNSET || span->verdict == NULL) {
		made.status = end->status;
		made.status_message = end->message;
	} else if (span->verdict->type.size > 0) {
		emit_put_text(&room.list, "error.type", span->verdict->type);
	}
	if (end->type.size > 0)
		emit_put_text(&room.list, "error.type", end->type);
	if (end->reason != NULL)
		emit_put_text(&room.list, "sidespan.end_reason", span_text_of(end->reason));
	if (!span->recorded && span->parent == NULL && setup->exporter != NULL &&
		!span->row->is_measured)
		sampled_by = tail_keeps(setup->tail, &made);
	if (sampled_by != NULL)
		emit_put_text(&room.list, "sidespan.sampled_by", span_text_of(sampled_by));
	made.attribute_count = room.list.count;
	follow_span_ends(setup, &made, span->recorded, sampled_by);
}

void emit_show(struct follow_setup *setup, const struct open_span *span, uint64_t now_ns,
	void (*show)(void *arg, const struct span *span), void *arg)
{
	struct emit_room room;
	struct span made = emit_make(setup, span, now_ns, &room);

	made.is_open = true;
	show(arg, &made);
}

/*
 * Below what stands above the one at the top, which has been sent: one that is still open would be
 * a parent that is not there.
 */
void emit_announce(struct follow_setup *setup, const struct open_span *span, uint64_t now_ns)
{
	const struct open_span *top = span;
	struct attributes list;
	char name[EMIT_NAME_MAX];
	struct span made = {
		.context = span->context,
		.tracestate = span->tracestate,
		.kind = SPAN_KIND_INTERNAL,
		.start_unix_ns = span->start_ns + *setup->wall_offset_ns,
		.end_unix_ns = now_ns + *setup->wall_offset_ns,
	};
	size_t i;

	if (!span->recorded)
		return;
	while (top->parent != NULL)
		top = top->parent; /* as deep as there are types */
	made.has_parent = top->has_parent;
	made.parent_is_remote = top->parent_is_remote;
	memcpy(made.parent_span_id, top->parent_span_id, SPAN_ID_SIZE);
	ids_span_id(setup->ids, made.context.span_id);
	emit_put_span(setup, &list, span, now_ns);
	for (i = 0; i < span->row->announced_count; i++)
		emit_put_text(&list, span->row->announced[i].attribute,
			span_text_of(span->row->announced[i].value));
	made.name = emit_some_name(setup, span->row->announce, &list, name, span->row->name);
	made.attributes = list.list;
	made.attribute_count = list.count;
	follow_submit(setup, &made);
}

static void emit_put_submission(const struct follow_setup *setup, struct attributes *list,
	const struct emit_submission *submission, const struct open_span *about)
{
	const char *operation = setup->matcher.lifecycle->dispatch_attribute;
	size_t i;

	list->count = 0;
	if (operation != NULL)
		attributes_put(list, operation, submission->operation);
	emit_put_named(list, setup->names, ATTRIBUTES_METHOD, submission->method);
	for (i = 0; i < submission->attribute_count; i++)
		attributes_set(list, &submission->attributes[i]); /* the last one counts */
	if (about != NULL)
		emit_put_key(setup, list, about);
}

/* The dispatch's title has one placeholder, {operation}. */
static struct span_text emit_name_dispatch(
	struct follow_setup *setup, char *text, const struct emit_submission *submission)
{
	struct attributes operation = {.count = 0};

	attributes_put(&operation, "operation", submission->operation);
	return emit_some_name(
		setup, setup->matcher.lifecycle->dispatch_name, &operation, text, "dispatch");
}

/* Whether the span is what the dispatch span is of: it is below it, or refers to it. */
static bool emit_is_for(const struct open_span *about, const uint8_t span_id[SPAN_ID_SIZE])
{
	return memcmp(about->parent_span_id, span_id, SPAN_ID_SIZE) == 0 ||
	       (about->link_count > 0 &&
		       memcmp(about->links[0].span_id, span_id, SPAN_ID_SIZE) == 0);
}

/* What is borrowed stands in list and name. */
static struct span emit_make_dispatch(struct follow_setup *setup,
	const struct emit_submission *submission, const uint8_t span_id[SPAN_ID_SIZE],
	const struct open_span *about, struct attributes *list, char name[EMIT_NAME_MAX])
{
	struct span made = {
		.context = submission->context,
		.has_parent = true,
		.tracestate = submission->tracestate,
		.kind = SPAN_KIND_INTERNAL,
		.start_unix_ns = submission->forwarded_ns + *setup->wall_offset_ns,
		.end_unix_ns = submission->taken_ns + *setup->wall_offset_ns,
		.attributes = list->list,
	};

	memcpy(made.parent_span_id, submission->context.span_id, SPAN_ID_SIZE);
	memcpy(made.context.span_id, span_id, SPAN_ID_SIZE);
	emit_put_submission(setup, list, submission, about);
	made.name = emit_name_dispatch(setup, name, submission);
	made.attribute_count = list->count;
	return made;
}

void emit_dispatch(struct follow_setup *setup, const struct emit_submission *submission,
	const uint8_t span_id[SPAN_ID_SIZE], const struct open_span *about)
{
	struct attributes list;
	char name[EMIT_NAME_MAX];
	struct span_link link;
	struct span made;

	if (setup->exporter == NULL || (submission->context.flags & TRACE_FLAG_SAMPLED) == 0)
		return;
	made = emit_make_dispatch(setup, submission, span_id, about, &list, name);
	if (about != NULL && !emit_is_for(about, span_id)) { /* it has joined that */
		memcpy(link.trace_id, about->context.trace_id, TRACE_ID_SIZE);
		memcpy(link.span_id, about->context.span_id, SPAN_ID_SIZE);
		made.links = &link;
		made.link_count = 1;
	}
	follow_submit(setup, &made);
}

void emit_show_dispatch(struct follow_setup *setup, const struct emit_submission *submission,
	const uint8_t span_id[SPAN_ID_SIZE], void (*show)(void *arg, const struct span *span),
	void *arg)
{
	struct attributes list;
	char name[EMIT_NAME_MAX];
	struct span made = emit_make_dispatch(setup, submission, span_id, NULL, &list, name);

	made.is_open = true;
	show(arg, &made);
}

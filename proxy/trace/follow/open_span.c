/*
 * An open span's memory. One piece holds it with its key and texts; values and events are arrays
 * that grow up to their limits. What finds no room is counted, never an error.
 */
#include "proxy/trace/follow/open_span.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/trace/names/text.h"

#define OPEN_SPAN_GROW 8 /* values or events at once */

struct open_span *open_span_new(const struct open_span_identity *identity)
{
	size_t size = sizeof(struct open_span) + key_size(identity->key) +
		      identity->method_name.size + identity->request_id.size + identity->call.size +
		      identity->tracestate.size;
	struct open_span *span = malloc(size);
	struct span_text call;
	char *at;

	if (span == NULL)
		return NULL;
	*span = (struct open_span){
		.type = identity->type,
		.row = identity->row,
		.method = identity->method,
		.of_connection = identity->key->connection,
		.key_count = identity->key->count,
	};
	TAILQ_INIT(&span->children);
	memcpy(span->key_ends, identity->key->ends, sizeof span->key_ends);
	span->key = at = (char *)(span + 1);
	(void)text_pack(&at, key_whole(identity->key));
	span->method_name = text_pack(&at, identity->method_name);
	span->request_id = text_pack(&at, identity->request_id);
	span->tracestate = text_pack(&at, identity->tracestate);
	call = text_pack(&at, identity->call);
	span->by_call = (struct span_index_entry){.bytes = call.bytes, .size = (uint16_t)call.size};
	return span;
}

static void open_span_free_value(struct open_span_value *value, struct open_span_budget *budget)
{
	if (value->type != SPAN_VALUE_STRING)
		return;
	budget->bytes -= value->size;
	free(value->is.text);
}

void open_span_free_values(struct open_span_values *values, struct open_span_budget *budget)
{
	size_t i;

	for (i = 0; i < values->count; i++)
		open_span_free_value(&values->list[i], budget);
	free(values->list);
	*values = (struct open_span_values){.count = 0};
}

static void open_span_free_event(struct open_span_event *event, struct open_span_budget *budget)
{
	size_t i;

	for (i = 0; i < event->value_count; i++)
		open_span_free_value(&event->values[i], budget);
	budget->bytes -= sizeof *event;
}

void open_span_link(struct open_span *span, const uint8_t trace_id[TRACE_ID_SIZE],
	const uint8_t span_id[SPAN_ID_SIZE])
{
	struct span_link *link = &span->links[span->link_count++];

	assert(span->link_count <= OPEN_SPAN_LINKS_MAX);
	memcpy(link->trace_id, trace_id, TRACE_ID_SIZE);
	memcpy(link->span_id, span_id, SPAN_ID_SIZE);
}

static void open_span_free_marks(struct open_span_marks *marks, struct open_span_budget *budget)
{
	if (marks != NULL)
		open_span_free_values(&marks->values, budget);
	free(marks);
}

void open_span_free(struct open_span *span, struct open_span_budget *budget)
{
	size_t i;

	open_span_free_values(&span->values, budget);
	for (i = 0; i < span->event_count; i++)
		open_span_free_event(&span->events[i], budget);
	for (i = 0; i < span->alias_count; i++)
		free(span->aliases[i]);
	for (i = 0; i < LIFECYCLE_MADE_MAX; i++)
		open_span_free_marks(span->marks[i], budget);
	free(span->events);
	free(span->known_end);
	free(span->quotes);
	free(span->verdict);
	free(span->sums);
	free(span);
}

/* ---- values ---- */

/* Copies a text, marked if it was cut. 0, or -1 when there is no room. */
static int open_span_copy(
	struct open_span_value *to, struct open_span_budget *budget, const struct look_value *value)
{
	bool cut = !value->contents && (value->cut || value->text.size > MATCHER_VALUE_MAX);
	size_t kept = cut ? text_cut_size(value->text, MATCHER_VALUE_MAX) : value->text.size;
	size_t size = kept + (cut ? TEXT_CUT_MARK_SIZE : 0);

	if (size > OPEN_SPAN_BYTES_MAX - budget->bytes)
		return -1;
	to->is.text = malloc(size + 1);
	if (to->is.text == NULL)
		return -1;
	memcpy(to->is.text, value->text.bytes, kept);
	if (cut) {
		memcpy(to->is.text + kept, TEXT_CUT_MARK, TEXT_CUT_MARK_SIZE);
		budget->values_cut++;
	}
	to->size = (uint16_t)size;
	budget->bytes += size;
	return 0;
}

static int open_span_make_value(struct open_span_value *to, struct open_span_budget *budget,
	uint8_t attribute, const struct look_value *value)
{
	*to = (struct open_span_value){.attribute = attribute, .type = (uint8_t)value->type};
	switch (value->type) {
	case SPAN_VALUE_STRING:
		return open_span_copy(to, budget, value);
	case SPAN_VALUE_INT:
		to->is.integer = value->integer;
		break;
	case SPAN_VALUE_BOOL:
		to->is.integer = value->boolean;
		break;
	case SPAN_VALUE_DOUBLE:
		to->is.real = value->real;
		break;
	}
	return 0;
}

/* The array with room for one more than count, in place of the old one; NULL: the old one stays. */
static void *open_span_grow(void *array, size_t count, size_t each)
{
	return count % OPEN_SPAN_GROW != 0 ? array
					   : realloc(array, (count + OPEN_SPAN_GROW) * each);
}

/* Makes room for one more value: 0, or -1 when there is none. */
static int open_span_grow_values(struct open_span_values *values)
{
	struct open_span_value *grown;

	if (values->count == OPEN_SPAN_VALUES_MAX)
		return -1;
	grown = open_span_grow(values->list, values->count, sizeof *grown);
	if (grown == NULL)
		return -1;
	values->list = grown;
	return 0;
}

/* The same for an event. */
static int open_span_grow_events(struct open_span *span)
{
	struct open_span_event *grown;

	if (span->event_count == OPEN_SPAN_EVENTS_MAX)
		return -1;
	grown = open_span_grow(span->events, span->event_count, sizeof *grown);
	if (grown == NULL)
		return -1;
	span->events = grown;
	return 0;
}

struct open_span_value *open_span_find(const struct open_span_values *values, uint8_t attribute)
{
	size_t i;

	for (i = 0; i < values->count; i++)
		if (values->list[i].attribute == attribute)
			return &values->list[i];
	return NULL;
}

struct look_value open_span_look(const struct open_span_value *value)
{
	struct look_value look = {.type = (enum span_value_type)value->type};

	switch (look.type) {
	case SPAN_VALUE_STRING:
		look.text = (struct span_text){.bytes = value->is.text, .size = value->size};
		look.contents = value->size > MATCHER_VALUE_MAX; /* nothing else is as long */
		break;
	case SPAN_VALUE_INT:
		look.integer = value->is.integer;
		break;
	case SPAN_VALUE_BOOL:
		look.boolean = value->is.integer != 0;
		break;
	case SPAN_VALUE_DOUBLE:
		look.real = value->is.real;
		break;
	}
	return look;
}

/* a + b, or the nearest that there is. */
static int64_t open_span_add(int64_t a, int64_t b)
{
	int64_t sum;

	if (!__builtin_add_overflow(a, b, &sum))
		return sum;
	return a < 0 ? INT64_MIN : INT64_MAX;
}

void open_span_set(struct open_span_values *values, struct open_span_budget *budget,
	uint8_t attribute, const struct look_value *value)
{
	struct open_span_value *old = open_span_find(values, attribute), made;

	if (old != NULL && value->sum && old->type == SPAN_VALUE_INT) {
		old->is.integer = open_span_add(old->is.integer, value->integer);
		return;
	}
	if ((old == NULL && open_span_grow_values(values) != 0) ||
		open_span_make_value(&made, budget, attribute, value) != 0) {
		budget->values_dropped++;
		return;
	}
	if (old != NULL)
		open_span_free_value(old, budget);
	else
		old = &values->list[values->count++];
	*old = made;
}

int open_span_judge(struct open_span *span, enum span_status status, struct span_text message,
	struct span_text type)
{
	struct open_span_verdict *verdict = malloc(sizeof *verdict + message.size + type.size);
	char *at;

	if (verdict == NULL)
		return -1;
	at = (char *)(verdict + 1);
	verdict->status = status;
	verdict->message = text_pack(&at, message);
	verdict->type = text_pack(&at, type);
	free(span->verdict);
	span->verdict = verdict;
	return 0;
}

/* ---- events and streams ---- */

static void open_span_fill_event(struct open_span_event *event, struct open_span_budget *budget,
	const struct matcher_rule *rule, const struct look *look)
{
	size_t i;

	for (i = 0; i < rule->set.count; i++) {
		struct look_value value;

		if (!look_take(&rule->set.list[i].source, look, &value))
			continue;
		if (event->value_count < OPEN_SPAN_EVENT_VALUES_MAX &&
			open_span_make_value(&event->values[event->value_count], budget,
				rule->set.list[i].attribute, &value) == 0)
			event->value_count++;
		else
			budget->values_dropped++;
	}
}

void open_span_happen(struct open_span *span, struct open_span_budget *budget,
	const struct matcher_rule *rule, const struct look *look, uint64_t now_ns)
{
	struct open_span_event *event;

	if (sizeof *event > OPEN_SPAN_BYTES_MAX - budget->bytes ||
		open_span_grow_events(span) != 0) {
		span->events_dropped++;
		budget->events_dropped++;
		return;
	}
	event = &span->events[span->event_count++];
	*event = (struct open_span_event){.name = rule->row->event, .time_ns = now_ns};
	budget->bytes += sizeof *event;
	open_span_fill_event(event, budget, rule, look);
}

void open_span_count(struct open_span *span, const struct matcher_rule *rule,
	const struct look *look, uint64_t connection, uint64_t now_ns)
{
	struct open_span_stream *stream = span->streams;
	struct open_span_tally *tally;

	while (stream->rule != NULL && stream->rule != rule)
		if (++stream == span->streams + OPEN_SPAN_STREAMS_MAX)
			return; /* a profile with more of them is refused at start */
	tally = stream->tallies;
	if (stream->rule == NULL) {
		*stream = (struct open_span_stream){.rule = rule};
		tally->connection = span->leader;
	}
	if (tally->connection != 0 && tally->connection != connection)
		tally++;
	if (tally->connection == 0)
		tally->connection = connection;
	if (tally->connection != connection)
		return; /* a third one */
	if (tally->count++ == 0)
		tally->first_ns = now_ns;
	if (rule->of >= 0)
		tally->bytes += look_at(look, rule->of)->length;
}

const struct open_span_tally *open_span_tally(const struct open_span_stream *stream)
{
	return &stream->tallies[stream->tallies[1].count > stream->tallies[0].count];
}

void open_span_leave(struct open_span *span, uint64_t connection)
{
	size_t i, j;

	if (span->leader == connection)
		span->leader = 0;
	for (i = 0; i < OPEN_SPAN_STREAMS_MAX; i++)
		for (j = 0; j < 2; j++)
			if (span->streams[i].tallies[j].connection == connection)
				span->streams[i].tallies[j].connection = 0;
}

/* ---- who looks ---- */

void open_span_watch(struct open_span *span, uint64_t connection)
{
	size_t i;

	for (i = 0; i < span->watcher_count; i++)
		if (span->watchers[i] == connection)
			return;
	if (span->watcher_count < OPEN_SPAN_WATCHERS_MAX)
		span->watchers[span->watcher_count++] = connection;
	else
		span->crowded = true;
}

bool open_span_unwatch(struct open_span *span, uint64_t connection, bool last)
{
	size_t i;

	for (i = 0; i < span->watcher_count; i++)
		if (span->watchers[i] == connection) {
			span->watchers[i] = span->watchers[--span->watcher_count];
			return span->watcher_count == 0 && (!span->crowded || last);
		}
	return span->crowded && last;
}

bool open_span_is_watched(const struct open_span *span, uint64_t connection)
{
	size_t i;

	for (i = 0; i < span->watcher_count; i++)
		if (span->watchers[i] == connection)
			return true;
	return span->crowded;
}

const char *open_span_describe(const struct open_span *span, char *text, size_t size)
{
	size_t used = 0, i;

	text[0] = '\0';
	for (i = 0; i < span->key_count && used < size; i++) {
		struct span_text part = open_span_key_part(span, i);

		used += (size_t)snprintf(text + used, size - used, "%s%.*s", i == 0 ? "" : "/",
			(int)part.size, part.bytes);
	}
	return text;
}

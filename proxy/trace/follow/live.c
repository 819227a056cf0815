/*
 * An open span's memory. One piece holds it with its key and texts; values and events are arrays
 * that grow up to their limits. What finds no room is counted, never an error.
 */
#include "proxy/trace/follow/live.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/trace/names/text.h"

#define LIVE_GROW 8 /* values or events at once */

struct live *live_new(const struct live_identity *identity)
{
	size_t size = sizeof(struct live) + key_size(identity->key) + identity->method_name.size +
		      identity->request_id.size + identity->call.size + identity->tracestate.size;
	struct live *live = malloc(size);
	struct span_text call;
	char *at;

	if (live == NULL)
		return NULL;
	*live = (struct live){
		.type = identity->type,
		.row = identity->row,
		.method = identity->method,
		.key_count = identity->key->count,
	};
	LIST_INIT(&live->children);
	memcpy(live->key_ends, identity->key->ends, sizeof live->key_ends);
	live->key = at = (char *)(live + 1);
	(void)text_pack(&at, key_whole(identity->key));
	live->method_name = text_pack(&at, identity->method_name);
	live->request_id = text_pack(&at, identity->request_id);
	live->tracestate = text_pack(&at, identity->tracestate);
	call = text_pack(&at, identity->call);
	live->by_call = (struct registry_entry){.bytes = call.bytes, .size = (uint16_t)call.size};
	return live;
}

static void live_free_value(struct live_value *value, struct live_room *room)
{
	if (value->type != SPAN_VALUE_STRING)
		return;
	room->bytes -= value->size;
	free(value->is.text);
}

static void live_free_event(struct live_event *event, struct live_room *room)
{
	size_t i;

	for (i = 0; i < event->value_count; i++)
		live_free_value(&event->values[i], room);
	room->bytes -= sizeof *event;
}

void live_free(struct live *live, struct live_room *room)
{
	size_t i;

	for (i = 0; i < live->value_count; i++)
		live_free_value(&live->values[i], room);
	for (i = 0; i < live->event_count; i++)
		live_free_event(&live->events[i], room);
	for (i = 0; i < live->alias_count; i++)
		free(live->aliases[i]);
	free(live->values);
	free(live->events);
	free(live->told);
	free(live);
}

/* ---- values ---- */

/* Copies a text, marked if it was cut. 0, or -1 when there is no room. */
static int live_copy(
	struct live_value *to, struct live_room *room, const struct matcher_value *value)
{
	bool cut = value->cut || value->text.size > MATCHER_VALUE_MAX;
	size_t kept = cut ? text_cut_size(value->text, MATCHER_VALUE_MAX) : value->text.size;
	size_t size = kept + (cut ? TEXT_CUT_MARK_SIZE : 0);

	if (size > LIVE_BYTES_MAX - room->bytes)
		return -1;
	to->is.text = malloc(size + 1);
	if (to->is.text == NULL)
		return -1;
	memcpy(to->is.text, value->text.bytes, kept);
	if (cut)
		memcpy(to->is.text + kept, TEXT_CUT_MARK, TEXT_CUT_MARK_SIZE);
	to->size = (uint16_t)size;
	room->bytes += size;
	return 0;
}

static int live_make_value(struct live_value *to, struct live_room *room, uint8_t attribute,
	const struct matcher_value *value)
{
	*to = (struct live_value){.attribute = attribute, .type = (uint8_t)value->type};
	switch (value->type) {
	case SPAN_VALUE_STRING:
		return live_copy(to, room, value);
	case SPAN_VALUE_INT:
		to->is.integer = value->integer;
		break;
	case SPAN_VALUE_BOOL:
		to->is.integer = value->boolean;
		break;
	case SPAN_VALUE_DOUBLE:
		assert(value->type != SPAN_VALUE_DOUBLE); /* the matcher gives none */
	}
	return 0;
}

/* The array with room for one more than count, in place of the old one; NULL: the old one stays. */
static void *live_grow(void *array, size_t count, size_t each)
{
	return count % LIVE_GROW != 0 ? array : realloc(array, (count + LIVE_GROW) * each);
}

/* Makes room for one more value: 0, or -1 when there is none. */
static int live_grow_values(struct live *live)
{
	struct live_value *grown;

	if (live->value_count == LIVE_VALUES_MAX)
		return -1;
	grown = live_grow(live->values, live->value_count, sizeof *grown);
	if (grown == NULL)
		return -1;
	live->values = grown;
	return 0;
}

/* The same for an event. */
static int live_grow_events(struct live *live)
{
	struct live_event *grown;

	if (live->event_count == LIVE_EVENTS_MAX)
		return -1;
	grown = live_grow(live->events, live->event_count, sizeof *grown);
	if (grown == NULL)
		return -1;
	live->events = grown;
	return 0;
}

static struct live_value *live_find_value(struct live *live, uint8_t attribute)
{
	size_t i;

	for (i = 0; i < live->value_count; i++)
		if (live->values[i].attribute == attribute)
			return &live->values[i];
	return NULL;
}

/* a + b, or the nearest that there is. */
static int64_t live_add(int64_t a, int64_t b)
{
	int64_t sum;

	if (!__builtin_add_overflow(a, b, &sum))
		return sum;
	return a < 0 ? INT64_MIN : INT64_MAX;
}

void live_set(struct live *live, struct live_room *room, uint8_t attribute,
	const struct matcher_value *value)
{
	struct live_value *old = live_find_value(live, attribute), made;

	if (old != NULL && value->sum && old->type == SPAN_VALUE_INT) {
		old->is.integer = live_add(old->is.integer, value->integer);
		return;
	}
	if ((old == NULL && live_grow_values(live) != 0) ||
		live_make_value(&made, room, attribute, value) != 0) {
		room->values_dropped++;
		return;
	}
	if (old != NULL)
		live_free_value(old, room);
	else
		old = &live->values[live->value_count++];
	*old = made;
}

/* ---- events and streams ---- */

static void live_fill_event(struct live_event *event, struct live_room *room,
	const struct matcher_rule *rule, const struct envelope *envelope)
{
	size_t i;

	for (i = 0; i < rule->row->setting_count; i++) {
		struct matcher_value value;

		if (!matcher_take(&rule->settings[i].source, envelope, &value))
			continue;
		if (event->value_count < LIVE_EVENT_VALUES_MAX &&
			live_make_value(&event->values[event->value_count], room,
				rule->settings[i].attribute, &value) == 0)
			event->value_count++;
		else
			room->values_dropped++;
	}
}

void live_happen(struct live *live, struct live_room *room, const struct matcher_rule *rule,
	const struct envelope *envelope, uint64_t now_ns)
{
	struct live_event *event;

	if (sizeof *event > LIVE_BYTES_MAX - room->bytes || live_grow_events(live) != 0) {
		live->events_dropped++;
		room->events_dropped++;
		return;
	}
	event = &live->events[live->event_count++];
	*event = (struct live_event){.name = rule->row->event, .time_ns = now_ns};
	room->bytes += sizeof *event;
	live_fill_event(event, room, rule, envelope);
}

void live_count(struct live *live, const struct matcher_rule *rule, const struct envelope *envelope,
	uint64_t now_ns)
{
	struct live_stream *stream = live->streams;

	while (stream->rule != NULL && stream->rule != rule)
		if (++stream == live->streams + LIVE_STREAMS_MAX)
			return; /* a profile with more of them is refused at start */
	if (stream->rule == NULL)
		*stream = (struct live_stream){.rule = rule, .first_ns = now_ns};
	stream->count++;
	if (rule->of >= 0)
		stream->bytes += envelope_value(envelope, rule->of)->length;
}

/* ---- who looks ---- */

void live_watch(struct live *live, uint64_t connection)
{
	size_t i;

	for (i = 0; i < live->watcher_count; i++)
		if (live->watchers[i] == connection)
			return;
	if (live->watcher_count < LIVE_WATCHERS_MAX)
		live->watchers[live->watcher_count++] = connection;
	else
		live->crowded = true;
}

bool live_unwatch(struct live *live, uint64_t connection, bool last)
{
	size_t i;

	for (i = 0; i < live->watcher_count; i++)
		if (live->watchers[i] == connection) {
			live->watchers[i] = live->watchers[--live->watcher_count];
			return live->watcher_count == 0 && (!live->crowded || last);
		}
	return live->crowded && last;
}

bool live_is_watched(const struct live *live, uint64_t connection)
{
	size_t i;

	for (i = 0; i < live->watcher_count; i++)
		if (live->watchers[i] == connection)
			return true;
	return live->crowded;
}

const char *live_describe(const struct live *live, char *text, size_t size)
{
	size_t used = 0, i;

	text[0] = '\0';
	for (i = 0; i < live->key_count && used < size; i++) {
		struct span_text part = live_key_part(live, i);

		used += (size_t)snprintf(text + used, size - used, "%s%.*s", i == 0 ? "" : "/",
			(int)part.size, part.bytes);
	}
	return text;
}

/*
 * At submit a span becomes a record: a fixed head, then its texts, made safe to show. Failures are
 * those of the text.
 */
#include "exporter/console/console.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "exporter/console/record.h"
#include "exporter/escape.h"
#include "exporter/shared.h"
#include "exporter/text.h"

enum {
	CONSOLE_NAME_MAX = 100, /* characters shown */
	CONSOLE_MESSAGE_MAX = 200,
	CONSOLE_VALUE_MAX = 80,
};

/* Attributes that say again what the line says already, or what all lines have in common. */
static const struct console_hidden {
	const char *key;
	const char *value; /* hidden only with this value; NULL: always */
} console_hidden[] = {
	{"rpc.system", NULL},
	{"rpc.system.name", NULL},
	{"rpc.service", NULL},
	{"rpc.method", NULL},
	{"rpc.transport", NULL},
	{"app_server.api_version", NULL},
	{CONSOLE_CONNECTION, NULL},
	{"sidespan.end_reason", "answered"},
	{"sidespan.end_reason", "closed"},
};

static bool console_value_is(const struct span_attribute *attribute, const char *value)
{
	const struct span_text *string = &attribute->value.string;

	return attribute->type == SPAN_VALUE_STRING && string->size == strlen(value) &&
	       memcmp(string->bytes, value, string->size) == 0;
}

static bool console_attribute_is_hidden(const struct span_attribute *attribute)
{
	const struct console_hidden *row;
	size_t i;

	for (i = 0; i < sizeof console_hidden / sizeof *console_hidden; i++) {
		row = &console_hidden[i];
		if (strcmp(attribute->key, row->key) == 0 &&
			(row->value == NULL || console_value_is(attribute, row->value)))
			return true;
	}
	return false;
}

static void console_append_string(struct text *text, const struct span_text *string)
{
	bool quoted = string->size == 0 || memchr(string->bytes, ' ', string->size) != NULL;

	if (quoted)
		TEXT_APPEND(text, "\"");
	escape_append_shown(text, string->bytes, string->size, CONSOLE_VALUE_MAX);
	if (quoted)
		TEXT_APPEND(text, "\"");
}

static void console_append_value(struct text *text, const struct span_attribute *attribute)
{
	char digits[40];
	int size = 0;

	switch (attribute->type) {
	case SPAN_VALUE_STRING:
		console_append_string(text, &attribute->value.string);
		return;
	case SPAN_VALUE_INT:
		size = snprintf(digits, sizeof digits, "%" PRId64, attribute->value.integer);
		break;
	case SPAN_VALUE_BOOL:
		size = snprintf(
			digits, sizeof digits, "%s", attribute->value.boolean ? "true" : "false");
		break;
	case SPAN_VALUE_DOUBLE:
		size = snprintf(digits, sizeof digits, "%g", attribute->value.real);
		break;
	}
	text_append(text, digits, (size_t)size);
}

static void console_append_attribute(
	struct text *text, const char *separator, const struct span_attribute *attribute)
{
	text_append(text, separator, 1);
	escape_append_shown(text, attribute->key, strlen(attribute->key), SIZE_MAX);
	TEXT_APPEND(text, "=");
	console_append_value(text, attribute);
}

static void console_append_list(struct text *text, const char *separator,
	const struct span_attribute *attributes, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!console_attribute_is_hidden(&attributes[i]))
			console_append_attribute(text, separator, &attributes[i]);
}

void console_append_shared(struct text *text, const struct span_attribute *attributes, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(attributes[i].key, CONSOLE_CONNECTION) == 0)
			console_append_attribute(text, CONSOLE_SEPARATOR, &attributes[i]);
	console_append_list(text, CONSOLE_SEPARATOR, attributes, count);
}

size_t console_duration(char text[CONSOLE_DURATION_SIZE], uint64_t from_ns, uint64_t to_ns)
{
	static const struct {
		uint64_t unit_ns;
		const char *name;
	} units[] = {{1000000000, "s"}, {1000000, "ms"}, {1000, "µs"}, {1, "ns"}};
	uint64_t duration_ns = to_ns > from_ns ? to_ns - from_ns : 0;
	double number;
	size_t i = 0;

	while (i < sizeof units / sizeof *units - 1 && duration_ns < units[i].unit_ns)
		i++;
	number = (double)duration_ns / (double)units[i].unit_ns;
	return (size_t)snprintf(text, CONSOLE_DURATION_SIZE, "%.*f %s",
		number >= 100 || units[i].unit_ns == 1 ? 0
		: number >= 10                         ? 1
						       : 2,
		number, units[i].name); /* always fits */
}

static void console_append_event(
	struct text *text, const struct span_event *event, uint64_t start_unix_ns)
{
	char after[CONSOLE_DURATION_SIZE];
	size_t size = console_duration(after, start_unix_ns, event->time_unix_ns);

	escape_append_shown(text, event->name, strlen(event->name), CONSOLE_NAME_MAX);
	TEXT_APPEND(text, "  after ");
	text_append(text, after, size);
	if (event->attribute_count > 0)
		TEXT_APPEND(text, " ");
	console_append_list(text, " ", event->attributes, event->attribute_count);
	TEXT_APPEND(text, "\n");
}

static void console_append_links(
	struct text *text, const struct span_link *links, size_t link_count)
{
	size_t i;

	for (i = 0; i < link_count; i++) {
		text_append(text, (const char *)links[i].trace_id, TRACE_ID_SIZE);
		text_append(text, (const char *)links[i].span_id, SPAN_ID_SIZE);
	}
}

static void console_record_fill(struct console_record *record, const struct span *span)
{
	record->start_unix_ns = span->start_unix_ns;
	record->end_unix_ns = span->end_unix_ns;
	memcpy(record->trace_id, span->context.trace_id, sizeof record->trace_id);
	memcpy(record->span_id, span->context.span_id, sizeof record->span_id);
	record->has_parent = span->has_parent;
	record->parent_is_remote = span->parent_is_remote;
	if (span->has_parent)
		memcpy(record->parent_span_id, span->parent_span_id, SPAN_ID_SIZE);
	record->kind = (uint8_t)span->kind;
	record->status = (uint8_t)span->status;
}

/* The size of what was appended since; start is moved on. */
static uint32_t console_size_since(const struct text *text, size_t *start)
{
	size_t size = text->size - *start;

	*start = text->size;
	return (uint32_t)size;
}

void console_append_span(struct text *records, const struct span *span)
{
	struct console_record record = {0};
	size_t head = records->size, start = head + sizeof record, i;

	console_record_fill(&record, span);
	text_append(records, (const char *)&record, sizeof record);
	if (records->error != TEXT_OK)
		return;
	escape_append_shown(records, span->name.bytes, span->name.size, CONSOLE_NAME_MAX);
	record.name_size = console_size_since(records, &start);
	if (span->status == SPAN_STATUS_ERROR)
		escape_append_shown(records, span->status_message.bytes, span->status_message.size,
			CONSOLE_MESSAGE_MAX);
	record.message_size = console_size_since(records, &start);
	if (span->shared != NULL)
		text_append(records, span->shared->text.bytes, span->shared->text.size);
	record.shared_size = console_size_since(records, &start);
	console_append_list(records, CONSOLE_SEPARATOR, span->attributes, span->attribute_count);
	record.own_size = console_size_since(records, &start);
	for (i = 0; i < span->event_count; i++)
		console_append_event(records, &span->events[i], span->start_unix_ns);
	record.events_size = console_size_since(records, &start);
	console_append_links(records, span->links, span->link_count);
	record.links_size = console_size_since(records, &start);
	memcpy(records->bytes + head, &record, sizeof record);
}

/* Carriers in fields: the values of each name, joined as RFC 9110 (5.3) lets anybody do. */
#include "proxy/fields.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/side/http.h"
#include "w3c/baggage.h"

/* More is no traceparent; and no tracestate that is passed on. */
#define FIELDS_TRACEPARENT_MAX 256
#define FIELDS_TRACESTATE_MAX  (CARRIER_TRACESTATE_MAX + 1)

/* Of one name: what there is of it, and how much of that is kept. */
struct fields_list {
	const char *name;
	size_t count;
	size_t size;
	size_t size_max;
};

static bool fields_are(const struct http_field *field, const struct fields_list *list)
{
	return http_text_is(field->name, (struct http_text){list->name, strlen(list->name)});
}

static void fields_measure(struct fields_list *list, const struct http_head *head)
{
	size_t i;

	for (i = 0; i < head->field_count; i++)
		if (fields_are(&head->fields[i], list))
			list->size += head->fields[i].value.size + (list->count++ > 0);
}

/* How much of the list is kept. */
static size_t fields_kept(const struct fields_list *list)
{
	return list->size < list->size_max ? list->size : list->size_max;
}

/* Writes the list as far as it is kept, to *at, which is moved behind it. */
static struct carrier_text fields_join(
	char **at, const struct fields_list *list, const struct http_head *head)
{
	struct carrier_text text = {.bytes = list->count > 0 ? *at : NULL};
	size_t room = fields_kept(list), count = 0, i;

	for (i = 0; i < head->field_count; i++) {
		struct http_text value = head->fields[i].value;

		if (!fields_are(&head->fields[i], list))
			continue;
		if (count++ > 0 && text.size < room)
			(*at)[text.size++] = ',';
		if (value.size > room - text.size)
			value.size = room - text.size;
		memcpy(*at + text.size, value.bytes, value.size);
		text.size += value.size;
	}
	*at += text.size;
	return text;
}

void fields_take(struct fields *fields, const struct http_head *head)
{
	struct fields_list parent = {.name = "traceparent", .size_max = FIELDS_TRACEPARENT_MAX};
	struct fields_list state = {.name = "tracestate", .size_max = FIELDS_TRACESTATE_MAX};
	struct fields_list baggage = {.name = "baggage", .size_max = BAGGAGE_TEXT_MAX};
	struct carrier_view *view;
	char *at;

	fields_done(fields);
	fields_measure(&parent, head);
	fields_measure(&baggage, head);
	if (parent.count == 0 && baggage.count == 0)
		return;
	fields_measure(&state, head);
	/* the texts stand behind the view */
	view = malloc(
		sizeof *view + fields_kept(&parent) + fields_kept(&state) + fields_kept(&baggage));
	if (view == NULL)
		return;
	at = (char *)(view + 1);
	view->found = parent.count > 0;
	view->traceparent = fields_join(&at, &parent, head);
	view->tracestate = fields_join(&at, &state, head);
	view->baggage = fields_join(&at, &baggage, head);
	view->baggage_cut = baggage.size > baggage.size_max;
	fields->view = view;
}

void fields_done(struct fields *fields)
{
	free(fields->view);
	fields->view = NULL;
}

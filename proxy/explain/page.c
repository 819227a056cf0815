/*
 * A page of --explain; see page.h. A line is put together in a text and written as a whole. The
 * failures are kept: of memory in failed, of the file in itself.
 */
#include "proxy/explain/page.h"

#include <string.h>

#include "exporter/escape.h"
#include "proxy/message/envelope.h"

enum {
	PAGE_LINE_MAX = 65536,
	PAGE_NAME_MAX = 100, /* characters shown of a method or an id */
	PAGE_NOTE_MAX = 1000,
};

void page_init(struct page *page, FILE *out, const uint64_t *now_ns)
{
	*page = (struct page){.out = out, .now_ns = now_ns};
	text_init(&page->text, PAGE_LINE_MAX);
}

void page_done(struct page *page)
{
	text_done(&page->text);
}

void page_turn_to_line(struct page *page, const struct recording_line *line, const char *connection)
{
	page->number = line->number;
	page->side = line->side;
	page->connection = connection;
	page->headed = false;
}

void page_turn_to_moment(struct page *page, const char *moment)
{
	page->number = 0; /* lines are numbered from 1 on */
	page->moment = moment;
	page->headed = false;
}

/* ---- lines ---- */

static void page_append(struct page *page, const char *text)
{
	text_append(&page->text, text, strlen(text));
}

static void page_end_line(struct page *page)
{
	struct text *text = &page->text;

	TEXT_APPEND(text, "\n");
	page->failed |= text->error != TEXT_OK;
	if (text->size > 0)
		(void)fwrite(text->bytes, 1, text->size, page->out); /* ferror() tells */
	text_rewind(text, 0);
}

/* The clock of the recording, in seconds: to the millisecond if that says it all. */
static void page_append_time(struct page *page)
{
	unsigned long long us = (*page->now_ns - PAGE_EPOCH_NS + 500) / 1000;
	char time[48];

	if (us % 1000 == 0)
		(void)snprintf(time, sizeof time, "%llu.%03llu", us / 1000000, us % 1000000 / 1000);
	else
		(void)snprintf(time, sizeof time, "%llu.%06llu", us / 1000000, us % 1000000);
	page_append(page, time);
}

/* The beginning of a line about what was recorded. */
static void page_begin_heading(struct page *page)
{
	char number[32];

	(void)snprintf(number, sizeof number, "%4llu  ", page->number); /* fits */
	page_append(page, number);
	page_append_time(page);
	page_append(page, page->side == RECORDING_CLIENT ? "  c2s" : "  s2c");
	if (page->connection != NULL) {
		TEXT_APPEND(&page->text, " ");
		escape_append_shown(
			&page->text, page->connection, strlen(page->connection), PAGE_NAME_MAX);
	}
	TEXT_APPEND(&page->text, "  ");
	page->headed = true;
}

void page_write_heading(struct page *page, const char *what)
{
	if (page->number != 0) {
		page_begin_heading(page);
	} else {
		TEXT_APPEND(&page->text, "   -  ");
		page_append_time(page);
		TEXT_APPEND(&page->text, "  ");
	}
	page_append(page, what);
	page_end_line(page);
	page->headed = true;
}

void page_write_note(struct page *page, const char *note)
{
	if (!page->headed)
		page_write_heading(page, page->moment);
	TEXT_APPEND(&page->text, "      ");
	escape_append_shown(&page->text, note, strlen(note), PAGE_NOTE_MAX);
	page_end_line(page);
}

/* ---- what a message is ---- */

static void page_append_id(struct page *page, const struct envelope *envelope)
{
	const struct envelope_value *id = envelope_value(envelope, ENVELOPE_ID);
	bool quoted = id->type == JSON_STRING;

	TEXT_APPEND(&page->text, "  id=");
	if (quoted)
		TEXT_APPEND(&page->text, "\"");
	escape_append_shown(&page->text, id->text, id->size, PAGE_NAME_MAX);
	if (quoted)
		TEXT_APPEND(&page->text, "\"");
}

/* An answer is named by the method of what it answers, which is forgotten then. */
static void page_append_answered(
	struct page *page, const struct envelope *envelope, struct asked *asked)
{
	struct asked_request *request = asked_find(asked, envelope);
	const char *method;
	size_t size;

	if (request == NULL) {
		TEXT_APPEND(&page->text, "nothing known");
		return;
	}
	method = asked_method(request, &size);
	escape_append_shown(&page->text, method, size, PAGE_NAME_MAX);
	asked_forget(asked, request);
}

static void page_append_method(struct page *page, const struct envelope *envelope)
{
	const struct envelope_value *method = envelope_value(envelope, ENVELOPE_METHOD);

	if (method->type == JSON_STRING)
		escape_append_shown(&page->text, method->text, method->size, PAGE_NAME_MAX);
	else
		TEXT_APPEND(&page->text, "not JSON-RPC");
}

void page_write_envelope(struct page *page, const struct envelope *envelope, struct asked asked[2])
{
	if (page->headed)
		return;
	page_begin_heading(page);
	switch (envelope_kind(envelope)) {
	case ENVELOPE_REQUEST:
		page_append_method(page, envelope);
		page_append_id(page, envelope);
		asked_remember(&asked[page->side], envelope);
		break;
	case ENVELOPE_NOTIFICATION:
	case ENVELOPE_OTHER:
		page_append_method(page, envelope);
		break;
	case ENVELOPE_RESULT_REPLY:
		TEXT_APPEND(&page->text, "answer to ");
		page_append_answered(page, envelope, &asked[!page->side]);
		page_append_id(page, envelope);
		break;
	case ENVELOPE_ERROR_REPLY:
		TEXT_APPEND(&page->text, "error answer to ");
		page_append_answered(page, envelope, &asked[!page->side]);
		page_append_id(page, envelope);
		break;
	}
	page_end_line(page);
}

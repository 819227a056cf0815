/*
 * The text of --explain; see listing.h. A line is put together in a text and written as a whole.
 * The failures are kept: of memory in failed, of the file in itself.
 */
#include "proxy/explain/listing.h"

#include <assert.h>
#include <string.h>

#include "exporter/escape.h"
#include "proxy/message/envelope.h"

enum {
	LISTING_LINE_MAX = 65536,
	LISTING_NAME_MAX = 100, /* characters shown of a method or an id */
	LISTING_NOTE_MAX = 1000,
};

void listing_init(struct listing *listing, FILE *out, const uint64_t *now_ns)
{
	assert(out != NULL && now_ns != NULL);
	*listing = (struct listing){.out = out, .now_ns = now_ns};
	text_init(&listing->text, LISTING_LINE_MAX);
}

void listing_done(struct listing *listing)
{
	text_done(&listing->text);
}

void listing_turn_to_line(
	struct listing *listing, const struct recording_line *line, const char *connection)
{
	listing->number = line->number;
	listing->side = line->side;
	listing->connection = connection;
	listing->headed = false;
}

void listing_turn_to_moment(struct listing *listing, const char *moment)
{
	listing->number = 0; /* lines are numbered from 1 on */
	listing->moment = moment;
	listing->headed = false;
}

/* ---- lines ---- */

static void listing_append(struct listing *listing, const char *text)
{
	text_append(&listing->text, text, strlen(text));
}

static void listing_end_line(struct listing *listing)
{
	struct text *text = &listing->text;

	TEXT_APPEND(text, "\n");
	listing->failed |= text->error != TEXT_OK;
	if (text->size > 0)
		(void)fwrite(text->bytes, 1, text->size, listing->out); /* ferror() tells */
	text_rewind(text, 0);
}

/* The clock of the recording, in seconds: to the millisecond if that says it all. */
static void listing_append_time(struct listing *listing)
{
	unsigned long long us =
		(*listing->now_ns - LISTING_EPOCH_NS + listing->zero_ns + 500) / 1000;
	char time[48];

	if (us % 1000 == 0)
		(void)snprintf(time, sizeof time, "%llu.%03llu", us / 1000000, us % 1000000 / 1000);
	else
		(void)snprintf(time, sizeof time, "%llu.%06llu", us / 1000000, us % 1000000);
	listing_append(listing, time);
}

/* The beginning of a line about what was recorded. */
static void listing_begin_heading(struct listing *listing)
{
	char number[32];

	(void)snprintf(number, sizeof number, "%4llu  ", listing->number); /* fits */
	listing_append(listing, number);
	listing_append_time(listing);
	listing_append(listing, listing->side == RECORDING_CLIENT ? "  c2s" : "  s2c");
	if (listing->connection != NULL) {
		TEXT_APPEND(&listing->text, " ");
		escape_append_shown(&listing->text, listing->connection,
			strlen(listing->connection), LISTING_NAME_MAX);
	}
	TEXT_APPEND(&listing->text, "  ");
	listing->headed = true;
}

void listing_write_heading(struct listing *listing, const char *what)
{
	if (listing->number != 0) {
		listing_begin_heading(listing);
	} else {
		TEXT_APPEND(&listing->text, "   -  ");
		listing_append_time(listing);
		TEXT_APPEND(&listing->text, "  ");
	}
	listing_append(listing, what);
	listing_end_line(listing);
	listing->headed = true;
}

void listing_write_note(struct listing *listing, const char *note)
{
	if (!listing->headed)
		listing_write_heading(listing, listing->moment);
	TEXT_APPEND(&listing->text, "      ");
	escape_append_shown(&listing->text, note, strlen(note), LISTING_NOTE_MAX);
	listing_end_line(listing);
}

/* ---- what a message is ---- */

static void listing_append_id(struct listing *listing, const struct envelope *envelope)
{
	const struct envelope_value *id = envelope_value(envelope, ENVELOPE_ID);
	bool quoted = id->type == JSON_STRING;

	TEXT_APPEND(&listing->text, "  id=");
	if (quoted)
		TEXT_APPEND(&listing->text, "\"");
	escape_append_shown(&listing->text, id->text, id->size, LISTING_NAME_MAX);
	if (quoted)
		TEXT_APPEND(&listing->text, "\"");
}

/* An answer is named by the method of what it answers, which is forgotten then. */
static void listing_append_answered(
	struct listing *listing, const struct envelope *envelope, struct pending *pending)
{
	struct pending_request *request = pending_find(pending, envelope);
	const char *method;
	size_t size;

	if (request == NULL) {
		TEXT_APPEND(&listing->text, "nothing known");
		return;
	}
	method = pending_method(request, &size);
	escape_append_shown(&listing->text, method, size, LISTING_NAME_MAX);
	pending_forget(pending, request);
}

static void listing_append_method(struct listing *listing, const struct envelope *envelope)
{
	const struct envelope_value *method = envelope_value(envelope, ENVELOPE_METHOD);

	if (method->type == JSON_STRING)
		escape_append_shown(&listing->text, method->text, method->size, LISTING_NAME_MAX);
	else
		TEXT_APPEND(&listing->text, "not JSON-RPC");
}

void listing_write_envelope(
	struct listing *listing, const struct envelope *envelope, struct pending pending[2])
{
	if (listing->headed)
		return;
	listing_begin_heading(listing);
	switch (envelope_kind(envelope)) {
	case ENVELOPE_REQUEST:
		listing_append_method(listing, envelope);
		listing_append_id(listing, envelope);
		pending_remember(&pending[listing->side], envelope);
		break;
	case ENVELOPE_NOTIFICATION:
	case ENVELOPE_OTHER:
		listing_append_method(listing, envelope);
		break;
	case ENVELOPE_RESULT_REPLY:
		TEXT_APPEND(&listing->text, "answer to ");
		listing_append_answered(listing, envelope, &pending[!listing->side]);
		listing_append_id(listing, envelope);
		break;
	case ENVELOPE_ERROR_REPLY:
		TEXT_APPEND(&listing->text, "error answer to ");
		listing_append_answered(listing, envelope, &pending[!listing->side]);
		listing_append_id(listing, envelope);
		break;
	}
	listing_end_line(listing);
}

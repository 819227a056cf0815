/* Bodies: a splice from the pool for each message in them, and what it finds told to the pair. */
#include "proxy/body.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/generation.h"
#include "proxy/loop.h"
#include "proxy/pair.h"

static size_t body_carrier(void *arg, struct envelope *envelope, const char **text)
{
	struct body *body = arg;
	size_t size = body->pair->hooks->carrier(body->pair, envelope, text);

	if (envelope_note(envelope) != NULL) { /* the tracer's own may be another's by then */
		memcpy(body->note, envelope->note, envelope->note_size);
		envelope_set_note(envelope, body->note, envelope->note_size);
	}
	return size;
}

/* Keeps the id, for an answer of our own. */
static void body_keep_id(struct body *body, const struct envelope *envelope)
{
	const struct envelope_value *id = envelope_value(envelope, ENVELOPE_ID);
	bool is_text = id->type == JSON_STRING;
	size_t i;

	(void)snprintf(body->id, sizeof body->id, "null"); /* fits */
	if (id->cut || id->size + sizeof "\"\"" > sizeof body->id)
		return;
	for (i = 0; is_text && i < id->size; i++)
		if ((unsigned char)id->text[i] < ' ' || strchr("\"\\", id->text[i]) != NULL)
			return;
	(void)snprintf(body->id, sizeof body->id, is_text ? "\"%.*s\"" : "%.*s", (int)id->size,
		id->text); /* fits */
}

static void body_envelope(void *arg, const struct envelope *envelope)
{
	struct body *body = arg;

	if (body->from_client && body->id[0] == '\0' && envelope_kind(envelope) == ENVELOPE_REQUEST)
		body_keep_id(body, envelope);
	body->pair->hooks->envelope(body->pair, body->from_client, envelope, body->start_ns);
}

static void body_outgrown(void *arg, const struct envelope *envelope)
{
	struct body *body = arg;

	if (body->pair->tells && body->from_client)
		body->pair->hooks->promise(body->pair, envelope);
}

static const struct splice_hooks body_hooks = {
	.carrier = body_carrier, .outgrown = body_outgrown, .envelope = body_envelope};

/* Whether a message may begin so. */
static bool body_is_json(uint8_t byte)
{
	return byte == '{' || byte == '[' || byte == ' ' || byte == '\t' || byte == '\r' ||
	       byte == '\n';
}

void body_begin(struct body *body, struct pair *pair, bool from_client, enum body_form form,
	enum splice_mode mode)
{
	*body = (struct body){.pair = pair,
		.from_client = from_client,
		.form = form,
		.mode = mode,
		.keeps_word = true};
}

bool body_edits(const struct body *body)
{
	return body->form == BODY_MESSAGE && body->mode != SPLICE_WATCH;
}

/* A message begins with that byte. False: it is none, or memory is out; nobody looks at it. */
static bool body_message_begin(struct body *body, uint8_t byte)
{
	struct loop *loop = body->pair->loop;

	body->begun = true;
	body->over = false;
	body->start_ns = loop->now_ns;
	body->generation = body->pair->generation;
	body->splice = body_is_json(byte) ? generation_splice_get(body->generation) : NULL;
	loop->counters.messages_no_memory += body->splice == NULL && body_is_json(byte);
	return body->splice != NULL;
}

/* The next bytes of a message. */
static void body_take(struct body *body, const uint8_t *bytes, size_t size, bool last)
{
	const struct pair *pair = body->pair;
	bool first = !body->begun;

	assert(body->splice == NULL || !body->over);

	if (first && size > 0 && !body_message_begin(body, *bytes) && body->form == BODY_MESSAGE)
		body->form = BODY_UNSEEN;
	if (body->splice == NULL)
		return;
	if (first)
		splice_begin(body->splice, body->mode, &body_hooks, body);
	if (first && body->promises)
		splice_promise(body->splice);
	pair->hooks->text(body->pair, body->from_client, bytes, size, first, last);
	splice_feed(body->splice, bytes, size, last);
	body->over = last;
}

/* The message has ended, and been written. */
static void body_message_end(struct body *body)
{
	if (body->splice != NULL) {
		unsigned troubles = splice_troubles(body->splice);

		generation_splice_put(body->generation, body->splice);
		body->splice = NULL;
		if (troubles != 0)
			body->pair->hooks->troubles(body->pair, body->from_client, troubles);
	}
	body->begun = false;
	body->over = false;
}

/* A message that is all there. */
static void body_take_whole(struct body *body, const uint8_t *bytes, size_t size)
{
	struct pair *pair = body->pair;

	assert(body->splice == NULL && body->mode == SPLICE_WATCH);
	if (body_message_begin(body, *bytes)) {
		pair->hooks->text(pair, body->from_client, bytes, size, true, true);
		(void)splice_watch(body->splice, &body_hooks, body, bytes, size);
	}
	body_message_end(body);
}

/* No word is to be kept any more. */
static void body_drop_word(struct body *body)
{
	body->keeps_word = false;
	free(body->word);
	body->word = NULL;
}

/* Keeps what the first event of a stream says, if that is no message. */
static void body_keep_word(struct body *body, const uint8_t *bytes, size_t size)
{
	if (body->word == NULL && body->splice == NULL)
		body->word = malloc(BODY_WORD_MAX);
	if (body->word == NULL || size > BODY_WORD_MAX - body->word_size) {
		body_drop_word(body);
		return;
	}
	memcpy(body->word + body->word_size, bytes, size);
	body->word_size += size;
}

static void body_take_events(struct body *body, const uint8_t *bytes, size_t size)
{
	static const uint8_t line_feed = '\n';
	enum events_result result;
	const uint8_t *data;
	size_t data_size;

	while ((result = events_next(&body->events, &bytes, &size, &data, &data_size)) !=
		EVENTS_MORE) {
		switch (result) {
		case EVENTS_DATA:
			body_take(body, data, data_size, false);
			if (body->keeps_word)
				body_keep_word(body, data, data_size);
			break;
		case EVENTS_WHOLE:
			body_take_whole(body, data, data_size);
			body_drop_word(body);
			break;
		case EVENTS_LINE:
			body_take(body, &line_feed, 1, false);
			body_drop_word(body);
			break;
		case EVENTS_END:
		case EVENTS_ENDPOINT:
			body_take(body, &line_feed, 0, true);
			body_message_end(body);
			if (body->word != NULL && result == EVENTS_ENDPOINT)
				body->pair->hooks->endpoint(
					body->pair, body->word, body->word_size);
			body_drop_word(body);
			break;
		case EVENTS_MORE:
			break;
		}
	}
}

void body_feed(struct body *body, const uint8_t *bytes, size_t size, bool last)
{
	if (body->form == BODY_MESSAGE)
		body_take(body, bytes, size, last);
	else if (body->form == BODY_EVENTS)
		body_take_events(body, bytes, size);
}

void body_end(struct body *body)
{
	static const uint8_t none = 0;

	if (body->form == BODY_EVENTS ? events_finish(&body->events) : !body->over)
		body_take(body, &none, 0, true);
	body_message_end(body);
}

const struct splice_piece *body_pieces(const struct body *body, size_t *count, size_t *total)
{
	assert(body->splice != NULL);
	return splice_pieces(body->splice, count, total);
}

size_t body_growth(const struct body *body)
{
	return splice_growth(body->splice);
}

void body_done(struct body *body)
{
	if (body->splice != NULL)
		generation_splice_put(body->generation, body->splice);
	body->splice = NULL;
	body->form = BODY_UNSEEN;
	body_drop_word(body);
}

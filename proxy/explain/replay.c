/*
 * The server's half of a recording; see replay.h. All of the recording's lines are in memory, each
 * with what it is; the cursor is the first that has not been played or waited for. It goes on over
 * messages of the server, which are sent, up to one of the client that has not come.
 */
#include "proxy/explain/replay.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"
#include "exporter/escape.h"
#include "exporter/text.h"
#include "proxy/explain/recording.h"
#include "proxy/message/envelope.h"
#include "proxy/message/members.h"
#include "proxy/message/place.h"
#include "proxy/message/splice.h"
#include "proxy/message/window.h"

#define REPLAY_NONE     SIZE_MAX
#define REPLAY_NAME_MAX 200 /* characters of a method in an error */

enum replay_kind {
	REPLAY_OTHER, /* a batch, or none of ours: of the client nobody waits for it */
	REPLAY_REQUEST,
	REPLAY_NOTIFICATION,
	REPLAY_ANSWER,
	REPLAY_END, /* of that side */
};

/* What a message is, as far as that matters here. */
struct replay_message {
	enum replay_kind kind;
	struct text method;
	struct text key; /* of its id */
	struct text id;  /* as JSON */
	bool versioned;  /* it says which JSON-RPC it is */
};

struct replay_line {
	enum recording_side side;
	struct replay_message message; /* of the client: with the id that it has now */
	struct text text;              /* of the server */
	uint64_t wait_ns;              /* since the line before */
	size_t partner;                /* the line of its answer, or of its request; or none */
	bool met;                      /* it has come, or was sent */
};

struct replay {
	struct replay_line *lines; /* owned */
	size_t count, room, cursor;
	size_t answered;           /* before this line no request is without its answer */
	struct pointers *pointers; /* owned, as is all up to answer */
	struct splice *splice;
	struct replay_message asked; /* what was looked at last */
	struct text answer;
	int slot_version;
	size_t envelopes; /* in what was looked at */
	char connection[RECORDING_NAME_MAX + 1];
	bool chosen;      /* that is the one to be played */
	uint64_t last_ns; /* time of its line before */
	bool timed;
	bool over;                        /* the server has ended */
	int answers;                      /* descriptor */
	struct replay_counters *counters; /* borrowed, as is error */
	char *error;
	size_t error_size;
};

static enum replay_outcome replay_fail(struct replay *replay, const char *what)
{
	(void)snprintf(replay->error, replay->error_size, "%s", what); /* may be cut */
	return REPLAY_FAILED;
}

/* ---- messages ---- */

static void replay_message_init(struct replay_message *message)
{
	*message = (struct replay_message){.kind = REPLAY_OTHER};
	text_init(&message->method, RECORDING_MESSAGE_MAX);
	text_init(&message->key, RECORDING_MESSAGE_MAX);
	text_init(&message->id, RECORDING_MESSAGE_MAX);
}

static void replay_message_done(struct replay_message *message)
{
	text_done(&message->method);
	text_done(&message->key);
	text_done(&message->id);
}

static size_t replay_no_carrier(void *arg, struct envelope *envelope, const char **text)
{
	(void)arg;
	(void)envelope;
	(void)text;
	return 0;
}

static enum replay_kind replay_kind_of(const struct envelope *envelope)
{
	switch (envelope_kind(envelope)) {
	case ENVELOPE_REQUEST:
		return REPLAY_REQUEST;
	case ENVELOPE_NOTIFICATION:
		return REPLAY_NOTIFICATION;
	case ENVELOPE_RESULT_REPLY:
	case ENVELOPE_ERROR_REPLY:
		return REPLAY_ANSWER;
	case ENVELOPE_OTHER:
		break;
	}
	return REPLAY_OTHER;
}

static void replay_on_envelope(void *arg, const struct envelope *envelope)
{
	struct replay *replay = arg;
	struct replay_message *message = &replay->asked;
	const struct envelope_value *method = envelope_value(envelope, ENVELOPE_METHOD);
	const struct envelope_value *id = envelope_value(envelope, ENVELOPE_ID);
	char key[ENVELOPE_KEY_MAX];

	if (replay->envelopes++ > 0)
		return;
	message->kind = replay_kind_of(envelope);
	message->versioned = envelope_value(envelope, replay->slot_version)->type != JSON_ABSENT;
	text_append(&message->method, method->text, method->size);
	text_append(&message->key, key, envelope_id_key(envelope, key));
	if (id->type == JSON_STRING)
		TEXT_APPEND(&message->id, "\"");
	escape_append(&message->id, id->text, id->size);
	if (id->type == JSON_STRING)
		TEXT_APPEND(&message->id, "\"");
}

static const struct splice_hooks replay_hooks = {
	.carrier = replay_no_carrier,
	.envelope = replay_on_envelope,
};

/* Looks at a message: replay->asked says what it is. 0, or -1 when out of memory. */
static int replay_look(struct replay *replay, const uint8_t *bytes, size_t size)
{
	struct replay_message *message = &replay->asked;
	unsigned troubles = 0;
	size_t blanks = 0;

	message->kind = REPLAY_OTHER;
	text_rewind(&message->method, 0);
	text_rewind(&message->key, 0);
	text_rewind(&message->id, 0);
	replay->envelopes = 0;
	if (size > 0)
		troubles = splice_watch(replay->splice, &replay_hooks, replay, bytes, size);
	while (blanks < size && strchr(" \t", bytes[blanks]) != NULL && bytes[blanks] != '\0')
		blanks++;
	if (replay->envelopes != 1 || bytes[blanks] != '{')
		message->kind = REPLAY_OTHER; /* a batch, even of one */
	return (troubles & SPLICE_NO_MEMORY) != 0 || message->method.error != TEXT_OK ||
			       message->key.error != TEXT_OK || message->id.error != TEXT_OK
		       ? -1
		       : 0;
}

static bool replay_same(const struct text *text, const struct text *other)
{
	return text->size == other->size &&
	       (text->size == 0 || memcmp(text->bytes, other->bytes, text->size) == 0);
}

/* ---- the recording ---- */

static bool replay_is_unanswered(const struct replay_line *line)
{
	return line->side == RECORDING_CLIENT && line->message.kind == REPLAY_REQUEST &&
	       line->partner == REPLAY_NONE;
}

/* Finds the first request of the client that the last line may answer: both know of each other
 * then.
 */
static void replay_pair(struct replay *replay)
{
	size_t answer = replay->count - 1, i;
	struct replay_line *line = &replay->lines[answer];

	assert(replay->count > 0 && line->side == RECORDING_BACKEND);
	while (replay->answered < answer && !replay_is_unanswered(&replay->lines[replay->answered]))
		replay->answered++;
	for (i = replay->answered; i < answer; i++) {
		struct replay_line *request = &replay->lines[i];

		if (replay_is_unanswered(request) &&
			replay_same(&request->message.key, &line->message.key)) {
			request->partner = answer;
			line->partner = i;
			return;
		}
	}
}

static int replay_make_room(struct replay *replay)
{
	size_t room = replay->room > 0 ? 2 * replay->room : 64;
	struct replay_line *lines;

	if (replay->count < replay->room)
		return 0;
	lines = realloc(replay->lines, room * sizeof *lines);
	if (lines == NULL)
		return -1;
	replay->lines = lines;
	replay->room = room;
	return 0;
}

/* Whether the line is of the connection that is played: if none was named, that of the first. */
static bool replay_is_ours(struct replay *replay, const struct recording_line *line)
{
	if (!replay->chosen)
		memcpy(replay->connection, line->connection, sizeof replay->connection);
	replay->chosen = true;
	return strcmp(replay->connection, line->connection) == 0;
}

/* Keeps what a server says, as a line: blanks between tokens may be any in JSON. */
static void replay_keep_text(struct replay_line *line, const struct recording_line *from)
{
	size_t i;

	text_append(&line->text, (const char *)from->text, from->size);
	for (i = 0; i < line->text.size; i++)
		if (line->text.bytes[i] == '\n' || line->text.bytes[i] == '\r')
			line->text.bytes[i] = ' ';
}

/* 0, or -1 when out of memory. */
static int replay_add(struct replay *replay, const struct recording_line *from)
{
	struct replay_line *line;

	if (replay_make_room(replay) != 0)
		return -1;
	line = &replay->lines[replay->count++];
	*line = (struct replay_line){.side = from->side, .partner = REPLAY_NONE};
	replay_message_init(&line->message);
	text_init(&line->text, RECORDING_MESSAGE_MAX);
	if (replay->last_ns > 0)
		line->wait_ns = from->time_ns - replay->last_ns;
	replay->last_ns = from->time_ns;
	if (from->is_end) {
		line->message.kind = REPLAY_END;
		return 0;
	}
	if (replay_look(replay, from->text, from->size) != 0)
		return -1;
	line->message = replay->asked;
	replay_message_init(&replay->asked);
	if (from->side == RECORDING_CLIENT)
		return 0;
	replay_keep_text(line, from);
	replay->counters->recorded++;
	if (line->message.kind == REPLAY_ANSWER)
		replay_pair(replay);
	return line->text.error == TEXT_OK ? 0 : -1;
}

static enum replay_outcome replay_load(struct replay *replay, struct recording *recording)
{
	struct recording_line line;

	for (;;) {
		switch (recording_next(recording, &line, replay->error, replay->error_size)) {
		case RECORDING_LINE:
			if (replay_is_ours(replay, &line) && replay_add(replay, &line) != 0)
				return replay_fail(replay, "out of memory");
			break;
		case RECORDING_END:
			return REPLAY_DONE;
		case RECORDING_BAD:
			return REPLAY_WRONG;
		case RECORDING_NO_MEMORY:
			return REPLAY_FAILED;
		}
	}
}

/* ---- what is sent ---- */

/* Where the value of the member id stands in an answer: false when it is not spelt so. */
static bool replay_find_id(const struct text *text, size_t *from, size_t *to)
{
	const uint8_t *bytes = (const uint8_t *)text->bytes;
	struct window window = {.bytes = bytes, .bytes_size = text->size};
	const uint8_t *brace = memchr(bytes, '{', text->size);
	struct members members;
	struct member member;
	bool found = false;

	assert(brace != NULL);
	members_begin(&members, &window, (size_t)(brace - bytes));
	while (members_next(&members, &member)) {
		if (memcmp(bytes + member.key, "\"id\"", 4) != 0)
			continue;
		for (*from = member.key + 4; strchr(" \t:", bytes[*from]) != NULL; ++*from)
			;
		*to = member.end;
		found = true; /* of several the last counts */
	}
	return found;
}

/* Writes replay->answer and the end of the line. */
static enum replay_outcome replay_write(struct replay *replay)
{
	size_t used = 0;
	ssize_t n;

	TEXT_APPEND(&replay->answer, "\n");
	if (replay->answer.error != TEXT_OK)
		return replay_fail(replay, "out of memory");
	while (used < replay->answer.size) {
		n = write(replay->answers, replay->answer.bytes + used, replay->answer.size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return replay_fail(replay, "standard output takes no more");
		used += (size_t)n;
	}
	return REPLAY_DONE;
}

static void replay_wait(const struct replay_line *line)
{
	struct timespec left = {
		.tv_sec = (time_t)(line->wait_ns / 1000000000),
		.tv_nsec = (long)(line->wait_ns % 1000000000),
	};

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

/* Sends what the server said, unless it answers what nobody has asked for. */
static enum replay_outcome replay_send(struct replay *replay, struct replay_line *line)
{
	const struct replay_line *request =
		line->partner != REPLAY_NONE ? &replay->lines[line->partner] : NULL;
	size_t from, to;

	assert(line->side == RECORDING_BACKEND);
	if (line->met || (request != NULL && !request->met))
		return REPLAY_DONE;
	if (replay->timed)
		replay_wait(line);
	line->met = true;
	replay->counters->played++;
	text_rewind(&replay->answer, 0);
	if (request != NULL && replay_find_id(&line->text, &from, &to)) {
		text_append(&replay->answer, line->text.bytes, from);
		text_append(&replay->answer, request->message.id.bytes, request->message.id.size);
		text_append(&replay->answer, line->text.bytes + to, line->text.size - to);
	} else {
		text_append(&replay->answer, line->text.bytes, line->text.size);
	}
	return replay_write(replay);
}

static enum replay_outcome replay_send_error(struct replay *replay)
{
	const struct replay_message *asked = &replay->asked;
	struct text name;
	char code[32];
	bool named;
	int code_size;

	replay->counters->unexpected++;
	text_init(&name, RECORDING_MESSAGE_MAX);
	escape_append_shown(&name, asked->method.bytes, asked->method.size, REPLAY_NAME_MAX);
	text_rewind(&replay->answer, 0);
	if (asked->versioned)
		TEXT_APPEND(&replay->answer, "{\"jsonrpc\":\"2.0\",\"id\":");
	else
		TEXT_APPEND(&replay->answer, "{\"id\":");
	text_append(&replay->answer, asked->id.bytes, asked->id.size);
	code_size = snprintf(
		code, sizeof code, ",\"error\":{\"code\":%d", REPLAY_ERROR_CODE); /* fits */
	text_append(&replay->answer, code, (size_t)code_size);
	TEXT_APPEND(&replay->answer, ",\"message\":\"the recording has no further request ");
	escape_append(&replay->answer, name.bytes, name.size);
	TEXT_APPEND(&replay->answer, "\"}}");
	named = name.error == TEXT_OK;
	text_done(&name);
	return named ? replay_write(replay) : replay_fail(replay, "out of memory");
}

/* ---- playing ---- */

static bool replay_waits_for(const struct replay_line *line)
{
	return line->side == RECORDING_CLIENT && !line->met && line->message.kind != REPLAY_OTHER;
}

/* Goes on up to what the client has not said yet; before upto even over that. */
static enum replay_outcome replay_advance(struct replay *replay, size_t upto)
{
	enum replay_outcome outcome = REPLAY_DONE;

	for (; replay->cursor < replay->count && outcome == REPLAY_DONE; replay->cursor++) {
		struct replay_line *line = &replay->lines[replay->cursor];

		if (replay_waits_for(line) && replay->cursor >= upto)
			break;
		if (line->side == RECORDING_CLIENT)
			continue;
		if (line->message.kind == REPLAY_END) {
			replay->over = true;
			break;
		}
		outcome = replay_send(replay, line);
	}
	return outcome;
}

/* Whether the client was recorded to say what it has just said. */
static bool replay_matches(const struct replay *replay, const struct replay_line *line)
{
	const struct replay_message *asked = &replay->asked;

	if (!replay_waits_for(line) || line->message.kind != asked->kind)
		return false;
	return asked->kind == REPLAY_ANSWER ? replay_same(&line->message.key, &asked->key)
					    : replay_same(&line->message.method, &asked->method);
}

/* The line that is meant: from the cursor on, else one that was passed over. */
static size_t replay_find(const struct replay *replay)
{
	size_t i;

	for (i = replay->cursor; i < replay->count; i++)
		if (replay_matches(replay, &replay->lines[i]))
			return i;
	for (i = 0; i < replay->cursor; i++)
		if (replay_matches(replay, &replay->lines[i]))
			return i;
	return REPLAY_NONE;
}

/* The client has said something: replay->asked. */
static enum replay_outcome replay_hear(struct replay *replay)
{
	size_t found = replay->asked.kind == REPLAY_OTHER ? REPLAY_NONE : replay_find(replay);
	enum replay_outcome outcome = REPLAY_DONE;
	struct replay_line *line;
	struct text recorded;

	assert(replay->cursor <= replay->count);
	if (found == REPLAY_NONE)
		return replay->asked.kind == REPLAY_REQUEST ? replay_send_error(replay)
							    : REPLAY_DONE;
	line = &replay->lines[found];
	line->met = true;
	recorded = line->message.id;
	line->message.id = replay->asked.id;
	replay->asked.id = recorded;
	if (found >= replay->cursor)
		return replay_advance(replay, found);
	if (line->partner < replay->cursor)
		outcome = replay_send(replay, &replay->lines[line->partner]);
	return outcome;
}

/* The client has ended: a server may have had more to say then. */
static enum replay_outcome replay_hear_end(struct replay *replay)
{
	struct replay_line *line = &replay->lines[replay->cursor];

	if (replay->cursor == replay->count || line->message.kind != REPLAY_END)
		return REPLAY_DONE;
	line->met = true;
	return replay_advance(replay, 0);
}

static enum replay_outcome replay_play(struct replay *replay, struct recording *client)
{
	enum replay_outcome outcome = replay_advance(replay, 0);
	struct recording_line line;

	while (outcome == REPLAY_DONE && !replay->over) {
		switch (recording_next(client, &line, replay->error, replay->error_size)) {
		case RECORDING_LINE:
			outcome = replay_look(replay, line.text, line.size) == 0
					  ? replay_hear(replay)
					  : replay_fail(replay, "out of memory");
			break;
		case RECORDING_END:
			return replay_hear_end(replay);
		case RECORDING_BAD:
		case RECORDING_NO_MEMORY:
			return REPLAY_FAILED;
		}
	}
	return outcome;
}

/* ---- all of it ---- */

static int replay_init(struct replay *replay, const struct config *config)
{
	replay_message_init(&replay->asked);
	text_init(&replay->answer, 2 * (size_t)RECORDING_MESSAGE_MAX);
	if (config->replay_connection != NULL) {
		(void)snprintf(replay->connection, sizeof replay->connection, "%s",
			config->replay_connection); /* one that is cut is none */
		replay->chosen = true;
	}
	replay->timed = config->replay_timed;
	replay->pointers = envelope_pointers_new("/trace");
	if (replay->pointers == NULL)
		return -1;
	replay->slot_version = pointers_add(replay->pointers, "/jsonrpc", 0);
	replay->splice = splice_new(replay->pointers, &(struct place_rules){.place = "/trace"});
	return replay->slot_version >= 0 && replay->splice != NULL ? 0 : -1;
}

static void replay_done(struct replay *replay)
{
	size_t i;

	for (i = 0; i < replay->count; i++) {
		replay_message_done(&replay->lines[i].message);
		text_done(&replay->lines[i].text);
	}
	free(replay->lines);
	replay_message_done(&replay->asked);
	text_done(&replay->answer);
	splice_free(replay->splice);
	pointers_free(replay->pointers);
}

/* Reads all of the recording. */
static enum replay_outcome replay_read(struct replay *replay, const char *name)
{
	FILE *file = fopen(name, "re");
	struct recording *recording;
	enum replay_outcome outcome;

	if (file == NULL) {
		(void)snprintf(replay->error, replay->error_size, "%s: cannot be opened: %s", name,
			strerror(errno)); /* may be cut */
		return REPLAY_WRONG;
	}
	recording = recording_new(file, name);
	outcome = recording != NULL ? replay_load(replay, recording)
				    : replay_fail(replay, "out of memory");
	recording_free(recording);
	(void)fclose(file); /* only read */
	if (outcome == REPLAY_DONE && replay->count == 0) {
		(void)snprintf(replay->error, replay->error_size, "%s: %s", name,
			replay->chosen ? "has no such connection" : "is empty"); /* may be cut */
		return REPLAY_WRONG;
	}
	return outcome;
}

enum replay_outcome replay_file(const struct config *config, FILE *client, int answers,
	struct replay_counters *counters, char *error, size_t error_size)
{
	struct replay replay = {
		.answers = answers, .counters = counters, .error = error, .error_size = error_size};
	enum replay_outcome outcome = REPLAY_FAILED;
	struct recording *asked;

	(void)snprintf(error, error_size, "out of memory");
	*counters = (struct replay_counters){.recorded = 0};
	if (replay_init(&replay, config) == 0)
		outcome = replay_read(&replay, config->replay);
	if (outcome == REPLAY_DONE) {
		asked = recording_new(client, "standard input");
		outcome = REPLAY_FAILED;
		if (asked != NULL) {
			recording_take_as_plain(asked, RECORDING_CLIENT);
			outcome = replay_play(&replay, asked);
		}
		recording_free(asked);
	}
	replay_done(&replay);
	return outcome;
}

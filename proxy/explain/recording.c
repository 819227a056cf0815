/*
 * Recordings; see recording.h. The file is read in blocks, a line is gathered up to its limit,
 * given to yajl in one piece and, member by member, put into the caller's struct. What may stand
 * where is checked as it comes, by the member and the depth; what must stand together, at the end.
 * A fault is told once, with file, line and member.
 */
#include "proxy/explain/recording.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "config/yajl_memory.h"
#include "exporter/text.h"
#include "proxy/log.h"
#include "w3c/utf8.h"

#define RECORDING_BLOCK_SIZE 65536

enum recording_member {
	RECORDING_DIR,
	RECORDING_ENDED,
	RECORDING_RAW,
	RECORDING_RAW_PARTS,
	RECORDING_TIME,
	RECORDING_CONNECTION,
	RECORDING_TRANSPORT,
	RECORDING_SERVER,
	RECORDING_MEMBERS,
};

static const struct {
	const char *name;
	const char *right;
} recording_members[RECORDING_MEMBERS] = {
	[RECORDING_DIR] = {"dir", "must be \"c2s\" or \"s2c\""},
	[RECORDING_ENDED] = {"end", "must be \"client\" or \"server\""},
	[RECORDING_RAW] = {"raw", "must be a string, the text of the message"},
	[RECORDING_RAW_PARTS] = {"raw_parts",
		"must be a list of strings and [character, count], of 64 MiB at most"},
	[RECORDING_TIME] = {"t", "must be seconds, a number from 0 to 4000000000"},
	[RECORDING_CONNECTION] = {"conn", "must be a string or a number, of 1 to 64 bytes"},
	[RECORDING_TRANSPORT] = {"transport", "must be a string of 1 to 64 bytes"},
	[RECORDING_SERVER] = {"server", "must be \"own\" or \"shared\""},
};

/* Where in a line the parser is. */
enum recording_depth {
	RECORDING_OUTSIDE,
	RECORDING_OBJECT, /* its members */
	RECORDING_PARTS,  /* the elements of raw_parts */
	RECORDING_PAIR,   /* a character and a count */
};

struct recording {
	FILE *file;       /* borrowed */
	const char *name; /* the same */
	uint8_t *block;   /* owned; RECORDING_BLOCK_SIZE */
	size_t block_at, block_size;
	struct text bytes;   /* the line */
	struct text message; /* the text of its message */
	bool plain;          /* a line is a message, of that side: */
	enum recording_side plain_side;
	unsigned long long number; /* of the line */
	uint64_t time_ns;          /* of the latest one that had been read */

	/* the line being parsed */
	struct recording_line *line; /* borrowed */
	enum recording_depth depth;
	enum recording_member member;
	unsigned seen; /* a bit for each member */
	bool has_time;
	char character[4]; /* of a pair */
	size_t character_size, pair_size;
	bool no_memory;
	char *error; /* borrowed */
	size_t error_size;
};

/* ---- faults ---- */

/* Returns 0, which makes yajl stop. */
static int recording_fail(struct recording *recording, const char *what)
{
	(void)snprintf(recording->error, recording->error_size, "%s:%llu: %s", recording->name,
		recording->number, what); /* may be cut */
	return 0;
}

static int recording_fail_member(struct recording *recording)
{
	char what[128];

	assert(recording->member < RECORDING_MEMBERS);
	(void)snprintf(what, sizeof what, "\"%s\": %s", recording_members[recording->member].name,
		recording_members[recording->member].right); /* fits */
	return recording_fail(recording, what);
}

static int recording_fail_memory(struct recording *recording)
{
	recording->no_memory = true;
	return recording_fail(recording, "out of memory");
}

/* A value that may not stand here. */
static int recording_fail_value(struct recording *recording)
{
	if (recording->depth == RECORDING_OUTSIDE)
		return recording_fail(recording, "not an object; must be {\"dir\": \"c2s\" or "
						 "\"s2c\", \"raw\": \"TEXT\"}, or a "
						 "message behind > or <");
	return recording_fail_member(recording);
}

static void recording_fail_syntax(
	struct recording *recording, yajl_handle yajl, const uint8_t *bytes, size_t size)
{
	unsigned char *text = yajl_get_error(yajl, 0, bytes, size);
	const char *colon = text == NULL ? NULL : strstr((const char *)text, ": ");
	const char *why = colon == NULL ? "something is wrong" : colon + 2;
	char what[192];

	(void)snprintf(what, sizeof what, "not JSON: %.*s; must be one object on one line",
		(int)strcspn(why, "\n"), why); /* may be cut */
	(void)recording_fail(recording, what);
	if (text != NULL)
		yajl_free_error(yajl, text);
}

/* ---- values ---- */

/* After the text of the message has grown, or could not. */
static int recording_check_size(struct recording *recording)
{
	if (recording->message.error == TEXT_NO_MEMORY)
		return recording_fail_memory(recording);
	if (recording->message.error == TEXT_TOO_LARGE ||
		recording->message.size > RECORDING_MESSAGE_MAX)
		return recording_fail_member(recording);
	return 1;
}

static int recording_add(struct recording *recording, const char *bytes, size_t size)
{
	text_append(&recording->message, bytes, size);
	return recording_check_size(recording);
}

static int recording_add_repeated(struct recording *recording, size_t count)
{
	size_t size = recording->character_size, i;
	char *p = count > 0 ? text_room(&recording->message, count * size) : NULL;

	assert(size >= 1 && size <= sizeof recording->character);
	if (p == NULL)
		return recording_check_size(recording);
	if (size == 1)
		memset(p, recording->character[0], count);
	else
		for (i = 0; i < count; i++)
			memcpy(p + i * size, recording->character, size);
	text_end(&recording->message, p + count * size);
	return recording_check_size(recording);
}

static bool recording_is(const char *text, size_t size, const char *word)
{
	return size == strlen(word) && memcmp(text, word, size) == 0;
}

/* Of the two words the first stands for the client. */
static int recording_take_side(struct recording *recording, const char *text, size_t size,
	const char *client, const char *backend)
{
	if (!recording_is(text, size, client) && !recording_is(text, size, backend))
		return recording_fail_member(recording);
	recording->line->side =
		recording_is(text, size, client) ? RECORDING_CLIENT : RECORDING_BACKEND;
	return 1;
}

static int recording_take_name(struct recording *recording, char name[RECORDING_NAME_MAX + 1],
	const char *text, size_t size)
{
	if (size == 0 || size > RECORDING_NAME_MAX || memchr(text, '\0', size) != NULL)
		return recording_fail_member(recording);
	memcpy(name, text, size);
	name[size] = '\0';
	return 1;
}

static int recording_take_server(struct recording *recording, const char *text, size_t size)
{
	if (recording_is(text, size, "own"))
		recording->line->server = RECORDING_SERVER_OWN;
	else if (recording_is(text, size, "shared"))
		recording->line->server = RECORDING_SERVER_SHARED;
	else
		return recording_fail_member(recording);
	return 1;
}

/* A number as it stands in the text, made a string. */
static int recording_take_time(struct recording *recording, const char *text, size_t size)
{
	char number[RECORDING_NAME_MAX + 1];
	double seconds;

	if (recording_take_name(recording, number, text, size) == 0)
		return 0;
	seconds = strtod(number, NULL); /* JSON's numbers are C's, in the locale "C" */
	if (!(seconds >= 0 && seconds <= RECORDING_SECONDS_MAX))
		return recording_fail_member(recording);
	recording->line->time_ns = (uint64_t)(seconds * 1e9 + 0.5);
	recording->has_time = true;
	return 1;
}

static int recording_take_character(struct recording *recording, const char *text, size_t size)
{
	uint32_t character;

	if (size == 0 || utf8_next(text, size, &character) < size ||
		size > sizeof recording->character)
		return recording_fail_member(recording);
	memcpy(recording->character, text, size);
	recording->character_size = size;
	return 1;
}

static int recording_take_count(struct recording *recording, const char *text, size_t size)
{
	size_t count = 0, i;

	for (i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9' || count > RECORDING_MESSAGE_MAX)
			return recording_fail_member(recording);
		count = 10 * count + (size_t)(text[i] - '0');
	}
	return recording_add_repeated(recording, count);
}

static int recording_take_string(struct recording *recording, const char *text, size_t size)
{
	struct recording_line *line = recording->line;

	switch (recording->member) {
	case RECORDING_DIR:
		return recording_take_side(recording, text, size, "c2s", "s2c");
	case RECORDING_ENDED:
		line->is_end = true;
		if (recording_is(text, size, "backend")) { /* what older recordings call it */
			text = "server";
			size = strlen(text);
		}
		return recording_take_side(recording, text, size, "client", "server");
	case RECORDING_RAW:
		return recording_add(recording, text, size);
	case RECORDING_CONNECTION:
		line->has_connection = true;
		return recording_take_name(recording, line->connection, text, size);
	case RECORDING_TRANSPORT:
		return recording_take_name(recording, line->transport, text, size);
	case RECORDING_SERVER:
		return recording_take_server(recording, text, size);
	case RECORDING_RAW_PARTS:
	case RECORDING_TIME:
	case RECORDING_MEMBERS:
		break;
	}
	return recording_fail_member(recording);
}

/* ---- what yajl meets ---- */

static int recording_on_null(void *arg)
{
	return recording_fail_value(arg);
}

static int recording_on_boolean(void *arg, int value)
{
	(void)value;
	return recording_fail_value(arg);
}

static int recording_on_number(void *arg, const char *text, size_t size)
{
	struct recording *recording = arg;

	if (recording->depth == RECORDING_PAIR && recording->pair_size++ == 1)
		return recording_take_count(recording, text, size);
	if (recording->depth == RECORDING_OBJECT && recording->member == RECORDING_TIME)
		return recording_take_time(recording, text, size);
	if (recording->depth == RECORDING_OBJECT && recording->member == RECORDING_CONNECTION)
		return recording_take_string(recording, text, size);
	return recording_fail_value(recording);
}

static int recording_on_string(void *arg, const unsigned char *bytes, size_t size)
{
	struct recording *recording = arg;
	const char *text = (const char *)bytes;

	if (recording->depth == RECORDING_OBJECT)
		return recording_take_string(recording, text, size);
	if (recording->depth == RECORDING_PARTS)
		return recording_add(recording, text, size);
	if (recording->depth == RECORDING_PAIR && recording->pair_size++ == 0)
		return recording_take_character(recording, text, size);
	return recording_fail_value(recording);
}

static int recording_on_object(void *arg)
{
	struct recording *recording = arg;

	if (recording->depth != RECORDING_OUTSIDE)
		return recording_fail_value(recording);
	recording->depth = RECORDING_OBJECT;
	return 1;
}

static int recording_on_object_end(void *arg)
{
	struct recording *recording = arg;

	assert(recording->depth == RECORDING_OBJECT);
	recording->depth = RECORDING_OUTSIDE;
	return 1;
}

static int recording_fail_key(
	struct recording *recording, const char *text, size_t size, const char *what)
{
	char name[64], line[192];

	(void)snprintf(line, sizeof line, "\"%s\": %s", log_escape(name, sizeof name, text, size),
		what); /* fits */
	return recording_fail(recording, line);
}

static int recording_on_key(void *arg, const unsigned char *bytes, size_t size)
{
	struct recording *recording = arg;
	const char *text = (const char *)bytes;
	size_t i;

	for (i = 0; i < RECORDING_MEMBERS; i++)
		if (recording_is(text, size, recording_members[i].name))
			break;
	if (i == RECORDING_MEMBERS)
		return recording_fail_key(recording, text, size,
			"no such member; must be dir, raw, raw_parts, end, t, conn, transport or "
			"server");
	if ((recording->seen & 1u << i) != 0)
		return recording_fail_key(recording, text, size, "twice; must be there once");
	recording->member = (enum recording_member)i;
	recording->seen |= 1u << i;
	return 1;
}

static int recording_on_array(void *arg)
{
	struct recording *recording = arg;

	if (recording->depth == RECORDING_OBJECT && recording->member == RECORDING_RAW_PARTS) {
		recording->depth = RECORDING_PARTS;
		return 1;
	}
	if (recording->depth != RECORDING_PARTS)
		return recording_fail_value(recording);
	recording->depth = RECORDING_PAIR;
	recording->pair_size = 0;
	return 1;
}

static int recording_on_array_end(void *arg)
{
	struct recording *recording = arg;

	assert(recording->depth >= RECORDING_PARTS);
	if (recording->depth == RECORDING_PAIR && recording->pair_size != 2)
		return recording_fail_member(recording);
	recording->depth--;
	return 1;
}

static const yajl_callbacks recording_callbacks = {
	.yajl_null = recording_on_null,
	.yajl_boolean = recording_on_boolean,
	.yajl_number = recording_on_number,
	.yajl_string = recording_on_string,
	.yajl_start_map = recording_on_object,
	.yajl_map_key = recording_on_key,
	.yajl_end_map = recording_on_object_end,
	.yajl_start_array = recording_on_array,
	.yajl_end_array = recording_on_array_end,
};

/* ---- a line ---- */

static bool recording_has(const struct recording *recording, enum recording_member member)
{
	return (recording->seen & 1u << member) != 0;
}

/* Whether the members go together. */
static int recording_check(struct recording *recording)
{
	bool dir = recording_has(recording, RECORDING_DIR);
	bool end = recording_has(recording, RECORDING_ENDED);
	int texts = recording_has(recording, RECORDING_RAW) +
		    recording_has(recording, RECORDING_RAW_PARTS);

	if (end ? !dir && texts == 0 : dir && texts == 1)
		return 1;
	return recording_fail(recording,
		"neither a message nor an end; must have \"dir\" and one of \"raw\" and "
		"\"raw_parts\", or \"end\"");
}

/* The clock of the recording: it may stand still, but not go back. */
static int recording_tell_time(struct recording *recording)
{
	struct recording_line *line = recording->line;

	if (!recording->has_time)
		line->time_ns = recording->time_ns + RECORDING_STEP_NS;
	if (line->time_ns < recording->time_ns)
		return recording_fail(recording,
			"\"t\": before the time of an earlier line; must be in order of time");
	recording->time_ns = line->time_ns;
	return 1;
}

static int recording_parse_text(struct recording *recording)
{
	const uint8_t *bytes = (const uint8_t *)recording->bytes.bytes;
	size_t size = recording->bytes.size;
	struct yajl_memory memory;
	yajl_handle yajl;
	yajl_status status;

	if (yajl_memory_init(&memory, size) != 0)
		return recording_fail_memory(recording);
	yajl = yajl_alloc(&recording_callbacks, &memory.functions, recording);
	status = yajl_parse(yajl, bytes, size);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(yajl);
	if (status == yajl_status_error)
		recording_fail_syntax(recording, yajl, bytes, size);
	yajl_free(yajl);
	yajl_memory_done(&memory);
	return status == yajl_status_ok;
}

/* Whether the line is a message as it is: its text, and in *side whose. */
static const char *recording_find_plain(
	const struct recording *recording, size_t *size, enum recording_side *side)
{
	const char *at = recording->bytes.bytes, *end = at + recording->bytes.size;

	at += strspn(at, " \t");
	*side = recording->plain_side;
	if (*at != '>' && *at != '<' && !recording->plain)
		return NULL;
	if (*at == '>' || *at == '<') {
		*side = *at == '>' ? RECORDING_CLIENT : RECORDING_BACKEND;
		at++;
		at += strspn(at, " \t");
	}
	while (end > at && (end[-1] == '\r' || end[-1] == ' '))
		end--;
	*size = (size_t)(end - at);
	return at;
}

/* A line that is a message alone: it may be anything. */
static enum recording_result recording_take_plain(
	struct recording *recording, const char *text, size_t size, enum recording_side side)
{
	struct recording_line *line = recording->line;

	line->side = side;
	line->text = (const uint8_t *)text;
	line->size = size;
	recording->has_time = false;
	(void)recording_tell_time(recording); /* a millisecond later */
	return RECORDING_LINE;
}

static enum recording_result recording_parse(struct recording *recording)
{
	struct recording_line *line = recording->line;
	enum recording_side side;
	const char *text;
	size_t size;

	*line = (struct recording_line){.number = recording->number};
	text_append(&recording->bytes, "", 1); /* ends it */
	recording->bytes.size--;
	if (recording->bytes.error != TEXT_OK)
		return recording_fail_memory(recording) == 0 ? RECORDING_NO_MEMORY : RECORDING_BAD;
	text = recording_find_plain(recording, &size, &side);
	if (text != NULL)
		return recording_take_plain(recording, text, size, side);
	recording->depth = RECORDING_OUTSIDE;
	recording->seen = 0;
	recording->has_time = false;
	text_rewind(&recording->message, 0);
	if (recording_parse_text(recording) == 0 || recording_check(recording) == 0 ||
		recording_tell_time(recording) == 0)
		return recording->no_memory ? RECORDING_NO_MEMORY : RECORDING_BAD;
	line->text = (const uint8_t *)recording->message.bytes;
	line->size = recording->message.size;
	return RECORDING_LINE;
}

/* ---- lines from the file ---- */

/*
 * Fills the block up to the end of a line; false at the end of the file and when it cannot be read.
 */
static bool recording_fill(struct recording *recording)
{
	int byte;

	recording->block_at = 0;
	recording->block_size = 0;
	while (recording->block_size < RECORDING_BLOCK_SIZE &&
		(byte = getc_unlocked(recording->file)) != EOF) {
		recording->block[recording->block_size++] = (uint8_t)byte;
		if (byte == '\n')
			break; /* more may be long in coming */
	}
	return recording->block_size > 0;
}

/* Takes from the block up to the end of the line. True when that was there. */
static bool recording_gather(struct recording *recording)
{
	const uint8_t *at = recording->block + recording->block_at;
	size_t left = recording->block_size - recording->block_at;
	const uint8_t *newline = memchr(at, '\n', left);
	size_t size = newline != NULL ? (size_t)(newline - at) : left;

	text_append(&recording->bytes, (const char *)at, size);
	recording->block_at += size + (newline != NULL);
	return newline != NULL;
}

/* Reads a line, without its end. RECORDING_LINE, or what there is instead. */
static enum recording_result recording_read(struct recording *recording)
{
	bool ended = false;

	text_rewind(&recording->bytes, 0);
	recording->number++;
	while (!ended && recording->bytes.error == TEXT_OK) {
		if (recording->block_at == recording->block_size && !recording_fill(recording))
			break;
		ended = recording_gather(recording);
	}
	if (recording->bytes.error == TEXT_NO_MEMORY) {
		(void)recording_fail_memory(recording);
		return RECORDING_NO_MEMORY;
	}
	if (recording->bytes.error != TEXT_OK || recording->bytes.size > RECORDING_LINE_MAX) {
		(void)recording_fail(recording, "a line is too long; must be 64 MiB at most");
		return RECORDING_BAD;
	}
	if (ferror(recording->file)) {
		(void)snprintf(recording->error, recording->error_size,
			"%s:%llu: cannot be read: %s", recording->name, recording->number,
			strerror(errno)); /* may be cut */
		return RECORDING_BAD;
	}
	return ended || recording->bytes.size > 0 ? RECORDING_LINE : RECORDING_END;
}

static bool recording_is_blank(const struct text *bytes)
{
	size_t i;

	for (i = 0; i < bytes->size; i++)
		if (strchr(" \t\r", bytes->bytes[i]) == NULL || bytes->bytes[i] == '\0')
			return false;
	return true;
}

enum recording_result recording_next(
	struct recording *recording, struct recording_line *line, char *error, size_t error_size)
{
	enum recording_result result;

	recording->line = line;
	recording->error = error;
	recording->error_size = error_size;
	do
		result = recording_read(recording);
	while (result == RECORDING_LINE && recording_is_blank(&recording->bytes));
	return result == RECORDING_LINE ? recording_parse(recording) : result;
}

void recording_take_as_plain(struct recording *recording, enum recording_side side)
{
	recording->plain = true;
	recording->plain_side = side;
}

struct recording *recording_new(FILE *file, const char *name)
{
	struct recording *recording = calloc(1, sizeof *recording);

	if (recording == NULL)
		return NULL;
	recording->file = file;
	recording->name = name;
	text_init(&recording->bytes, RECORDING_LINE_MAX);
	text_init(&recording->message, RECORDING_MESSAGE_MAX);
	recording->block = malloc(RECORDING_BLOCK_SIZE);
	if (recording->block != NULL)
		return recording;
	recording_free(recording);
	return NULL;
}

void recording_free(struct recording *recording)
{
	if (recording == NULL)
		return;
	text_done(&recording->bytes);
	text_done(&recording->message);
	free(recording->block);
	free(recording);
}

/*
 * The body of a collector's answer, looked at where it lies: an answer is read in the middle of a
 * delivery, where memory may be short, and a parser that allocates would have to be one that
 * checks. All of it must look like JSON; taken are partialSuccess.rejectedSpans (an int64: a string
 * or a number), partialSuccess.errorMessage, and message of a google.rpc.Status, the last of each.
 * In protobuf's binary form the same, if it was sent to the collector.
 */
#include "exporter/otlp/reply.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "exporter/escape.h"
#include "exporter/otlp/protobuf.h"
#include "exporter/text.h"

enum {
	REPLY_CHARACTERS_MAX = 200,
	REPLY_DECODED_SIZE = 4 * REPLY_CHARACTERS_MAX + 8, /* one more than is shown, at least */
	REPLY_DEPTH_MAX = 64,                              /* a bit for each */
};

enum reply_member { REPLY_OTHER, REPLY_PARTIAL_SUCCESS, REPLY_REJECTED_SPANS, REPLY_MESSAGE };

struct reply_reader {
	const char *at, *end;
	struct reply *reply;
	unsigned depth;   /* of objects and arrays together */
	uint64_t objects; /* of the depths, those that are objects; depth 1 is bit 0 */
	bool in_partial_success;
	enum reply_member member; /* whose value comes next */
};

/* Members by the place they have: at the top, or in partialSuccess. */
static const struct reply_name {
	const char *name;
	bool in_partial_success;
	enum reply_member member;
} reply_names[] = {
	{"partialSuccess", false, REPLY_PARTIAL_SUCCESS},
	{"message", false, REPLY_MESSAGE},
	{"rejectedSpans", true, REPLY_REJECTED_SPANS},
	{"errorMessage", true, REPLY_MESSAGE},
};

/* ---- tokens: each is stepped over; false when it is none ---- */

static void reply_skip_blanks(struct reply_reader *reader)
{
	while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' ||
						   *reader->at == '\r' || *reader->at == '\n'))
		reader->at++;
}

static bool reply_skip_byte(struct reply_reader *reader, char byte)
{
	if (reader->at == reader->end || *reader->at != byte)
		return false;
	reader->at++;
	return true;
}

/* A number, true, false or null: which one, and how it is written, does not matter. */
static bool reply_skip_word(struct reply_reader *reader)
{
	const char *from = reader->at;

	while (reader->at < reader->end && *reader->at != '\0' &&
		strchr("+-.0123456789aeflnrstuE", *reader->at) != NULL)
		reader->at++;
	return reader->at > from;
}

static int reply_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* Behind the backslash. */
static bool reply_skip_escape(struct reply_reader *reader)
{
	char what = reader->at < reader->end ? *reader->at : '\0';
	int i;

	if (what == '\0' || strchr("\"\\/bfnrtu", what) == NULL)
		return false;
	reader->at++;
	for (i = 0; what == 'u' && i < 4; i++)
		if (reader->at == reader->end || reply_hex_digit(*reader->at++) < 0)
			return false;
	return true;
}

/* A string; *text is between its quotes, as it stands there. */
static bool reply_skip_string(struct reply_reader *reader, const char **text, size_t *size)
{
	if (!reply_skip_byte(reader, '"'))
		return false;
	*text = reader->at;
	while (reader->at < reader->end && (uint8_t)*reader->at >= 0x20) {
		char byte = *reader->at++;

		if (byte == '"') {
			*size = (size_t)(reader->at - 1 - *text);
			return true;
		}
		if (byte == '\\' && !reply_skip_escape(reader))
			return false;
	}
	return false;
}

/* ---- what strings mean ---- */

static uint32_t reply_code_unit(const char *digits)
{
	uint32_t unit = 0;
	int i;

	for (i = 0; i < 4; i++)
		unit = unit * 16 + (uint32_t)reply_hex_digit(digits[i]);
	return unit;
}

/* Of the escape behind the backslash at text; *text is moved behind it. */
static uint32_t reply_escaped(const char **text, const char *end)
{
	static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	char what = *(*text)++;
	const char *letter = strchr(letters, what);
	uint32_t code, low;

	if (what != 'u')
		return (uint8_t)(letter != NULL ? meanings[letter - letters] : what);
	code = reply_code_unit(*text);
	*text += 4;
	if (code < 0xd800 || code > 0xdfff)
		return code;
	if (code < 0xdc00 && end - *text >= 6 && (*text)[0] == '\\' && (*text)[1] == 'u') {
		low = reply_code_unit(*text + 2);
		if (low >= 0xdc00 && low <= 0xdfff) {
			*text += 6;
			return 0x10000 + (code - 0xd800) * 0x400 + (low - 0xdc00);
		}
	}
	return 0xfffd; /* half of a pair */
}

/* Decodes as much of a string as there is room for. */
static size_t reply_decode(char *to, size_t room, const char *text, size_t size)
{
	const char *end = text + size;
	char *at = to;

	while (text < end && room - (size_t)(at - to) >= 4) {
		char byte = *text++;

		if (byte == '\\')
			at = utf8_put(at, reply_escaped(&text, end));
		else
			*at++ = byte;
	}
	return (size_t)(at - to);
}

static enum reply_member reply_find_member(
	const struct reply_reader *reader, const char *key, size_t key_size)
{
	char name[32];
	size_t size = reply_decode(name, sizeof name, key, key_size), i;

	if (reader->depth > 1 && !(reader->depth == 2 && reader->in_partial_success))
		return REPLY_OTHER;
	for (i = 0; i < sizeof reply_names / sizeof *reply_names; i++)
		if (reply_names[i].in_partial_success == reader->in_partial_success &&
			strlen(reply_names[i].name) == size &&
			memcmp(reply_names[i].name, name, size) == 0)
			return reply_names[i].member;
	return REPLY_OTHER;
}

/* Digits as they are; anything else, a fraction or a sign, is not a count. */
static void reply_take_count(struct reply *reply, const char *bytes, size_t size)
{
	uint64_t count = 0;
	size_t i;

	if (size == 0 || size > 18)
		return;
	for (i = 0; i < size; i++) {
		if (bytes[i] < '0' || bytes[i] > '9')
			return;
		count = count * 10 + (uint64_t)(bytes[i] - '0');
	}
	reply->rejected_spans = count;
}

static void reply_take_message(struct reply *reply, const char *bytes, size_t size)
{
	struct text shown;

	text_init(&shown, sizeof reply->message - 1);
	escape_append_shown(&shown, bytes, size, REPLY_CHARACTERS_MAX);
	if (shown.error == TEXT_OK && shown.size < sizeof reply->message) {
		if (shown.size > 0)
			memcpy(reply->message, shown.bytes, shown.size);
		reply->message[shown.size] = '\0';
	}
	text_done(&shown);
}

/* ---- values ---- */

static bool reply_read_string(struct reply_reader *reader)
{
	char decoded[REPLY_DECODED_SIZE];
	const char *text;
	size_t size;

	if (!reply_skip_string(reader, &text, &size))
		return false;
	size = reply_decode(decoded, sizeof decoded, text, size);
	if (reader->member == REPLY_REJECTED_SPANS)
		reply_take_count(reader->reply, decoded, size);
	if (reader->member == REPLY_MESSAGE)
		reply_take_message(reader->reply, decoded, size);
	return true;
}

static bool reply_read_scalar(struct reply_reader *reader)
{
	const char *from = reader->at;

	if (from < reader->end && *from == '"')
		return reply_read_string(reader);
	if (!reply_skip_word(reader))
		return false;
	if (reader->member == REPLY_REJECTED_SPANS)
		reply_take_count(reader->reply, from, (size_t)(reader->at - from));
	return true;
}

static bool reply_is_object(const struct reply_reader *reader)
{
	assert(reader->depth > 0);
	return (reader->objects >> (reader->depth - 1) & 1) != 0;
}

/* Steps into an object or array. False: there is none, or it is too deep. */
static bool reply_open(struct reply_reader *reader)
{
	bool object;

	if (reader->depth == REPLY_DEPTH_MAX)
		return false;
	object = reply_skip_byte(reader, '{');
	if (!object && !reply_skip_byte(reader, '['))
		return false;
	reader->in_partial_success |= object && reader->member == REPLY_PARTIAL_SUCCESS;
	reader->member = REPLY_OTHER;
	reader->objects &= ~(UINT64_C(1) << reader->depth);
	reader->objects |= (uint64_t)object << reader->depth;
	reader->depth++;
	return true;
}

/* Steps out of the one that we are in. False: it does not end here. */
static bool reply_close(struct reply_reader *reader)
{
	reply_skip_blanks(reader);
	if (!reply_skip_byte(reader, reply_is_object(reader) ? '}' : ']'))
		return false;
	if (--reader->depth == 1)
		reader->in_partial_success = false;
	return true;
}

/* A member's name, where we are in an object. */
static bool reply_read_key(struct reply_reader *reader)
{
	const char *key;
	size_t size;

	reader->member = REPLY_OTHER;
	if (!reply_is_object(reader))
		return true;
	if (!reply_skip_string(reader, &key, &size))
		return false;
	reader->member = reply_find_member(reader, key, size);
	reply_skip_blanks(reader);
	return reply_skip_byte(reader, ':');
}

/* One object, and all that is in it. */
static bool reply_read(struct reply_reader *reader)
{
	bool first = true; /* of what stands in the object or array that we are in */

	reply_skip_blanks(reader);
	if (reader->at == reader->end || *reader->at != '{' || !reply_open(reader))
		return false;
	while (reader->depth > 0) {
		if (reply_close(reader)) {
			first = false;
			continue;
		}
		if (!first && !reply_skip_byte(reader, ','))
			return false;
		reply_skip_blanks(reader);
		if (!reply_read_key(reader))
			return false;
		reply_skip_blanks(reader);
		first = reply_open(reader);
		if (!first && !reply_read_scalar(reader))
			return false;
	}
	reply_skip_blanks(reader);
	return reader->at == reader->end;
}

int reply_parse(struct reply *reply, const char *bytes, size_t size)
{
	struct reply_reader reader = {.at = bytes, .end = bytes + size, .reply = reply};

	*reply = (struct reply){0};
	reply_skip_blanks(&reader);
	if (reader.at == reader.end || reply_read(&reader))
		return 0;
	*reply = (struct reply){0};
	return -1;
}

/* ---- protobuf ---- */

/*
 * One field: its number and, of bytes, where they are, else its value; fixed ones are passed over.
 */
struct reply_field {
	unsigned number;
	bool is_bytes;
	uint64_t value; /* of bytes their size */
	size_t at;      /* of the bytes */
};

/* False: there is none that is whole. */
static bool reply_read_field(struct reply_field *field, const char *bytes, size_t size, size_t *at)
{
	static const size_t fixed_sizes[8] = {[1] = 8, [5] = 4};
	uint64_t tag, passed;

	if (protobuf_get_number(bytes, size, at, &tag) != 0 || tag > UINT32_MAX)
		return false;
	*field = (struct reply_field){.number = (unsigned)(tag >> 3), .is_bytes = (tag & 7) == 2};
	passed = fixed_sizes[tag & 7];
	if (passed == 0 && (tag & 7) != 0 && !field->is_bytes)
		return false; /* groups and what is not yet */
	if (passed == 0 && protobuf_get_number(bytes, size, at, &field->value) != 0)
		return false;
	if (field->is_bytes)
		passed = field->value;
	field->at = *at;
	if (passed > size - *at)
		return false;
	*at += passed;
	return true;
}

/*
 * Field 1 is a message in a success, and the code of a status in a failure; field 2 is the message
 * for people in both ExportTracePartialSuccess and google.rpc.Status.
 */
int reply_parse_protobuf(struct reply *reply, const char *bytes, size_t size)
{
	size_t at = 0, within = 0, within_end = 0;
	struct reply_field field;

	*reply = (struct reply){0};
	while (at < size || within < within_end) {
		bool inside = within < within_end;

		if (inside ? !reply_read_field(&field, bytes, within_end, &within)
			   : !reply_read_field(&field, bytes, size, &at)) {
			*reply = (struct reply){0};
			return -1;
		}
		if (field.number == 2 && field.is_bytes)
			reply_take_message(reply, bytes + field.at, field.value);
		else if (field.number == 1 && inside && !field.is_bytes)
			reply->rejected_spans = field.value <= INT64_MAX ? field.value : 0;
		else if (field.number == 1 && !inside && field.is_bytes) {
			within = field.at;
			within_end = field.at + field.value;
		}
	}
	return 0;
}

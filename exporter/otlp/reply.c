/*
 * The body of a collector's answer, read with yajl. Looked at are partialSuccess.rejectedSpans (an
 * int64: a string or a number), partialSuccess.errorMessage, and message of a google.rpc.Status.
 * What is not JSON, or is short of memory, is no reply.
 */
#include "exporter/otlp/reply.h"

#include <stdbool.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "exporter/escape.h"
#include "exporter/text.h"

enum { REPLY_CHARACTERS_MAX = 200 };

enum reply_member { REPLY_OTHER, REPLY_PARTIAL_SUCCESS, REPLY_REJECTED_SPANS, REPLY_MESSAGE };

struct reply_reader {
	struct reply *reply;
	unsigned depth; /* of objects and arrays together */
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

static int reply_on_key(void *arg, const unsigned char *key, size_t size)
{
	struct reply_reader *reader = arg;
	size_t i;

	reader->member = REPLY_OTHER;
	if (reader->depth > 1 && !(reader->depth == 2 && reader->in_partial_success))
		return 1;
	for (i = 0; i < sizeof reply_names / sizeof *reply_names; i++)
		if (reply_names[i].in_partial_success == reader->in_partial_success &&
			strlen(reply_names[i].name) == size &&
			memcmp(reply_names[i].name, key, size) == 0)
			reader->member = reply_names[i].member;
	return 1;
}

static int reply_on_begin_object(void *arg)
{
	struct reply_reader *reader = arg;

	reader->in_partial_success |= reader->member == REPLY_PARTIAL_SUCCESS;
	reader->member = REPLY_OTHER;
	reader->depth++;
	return 1;
}

static int reply_on_end(void *arg)
{
	struct reply_reader *reader = arg;

	if (--reader->depth == 1)
		reader->in_partial_success = false;
	return 1;
}

/* A reply is an object: nothing else may stand at the top. */
static int reply_on_begin_array(void *arg)
{
	struct reply_reader *reader = arg;

	if (reader->depth == 0)
		return 0;
	reader->member = REPLY_OTHER;
	reader->depth++;
	return 1;
}

static int reply_on_scalar(struct reply_reader *reader)
{
	reader->member = REPLY_OTHER;
	return reader->depth > 0;
}

static int reply_on_null(void *arg)
{
	return reply_on_scalar(arg);
}

static int reply_on_boolean(void *arg, int value)
{
	(void)value;
	return reply_on_scalar(arg);
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

static int reply_on_number(void *arg, const char *bytes, size_t size)
{
	struct reply_reader *reader = arg;

	if (reader->member == REPLY_REJECTED_SPANS)
		reply_take_count(reader->reply, bytes, size);
	return reply_on_scalar(reader);
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

static int reply_on_string(void *arg, const unsigned char *bytes, size_t size)
{
	struct reply_reader *reader = arg;

	if (reader->member == REPLY_REJECTED_SPANS)
		reply_take_count(reader->reply, (const char *)bytes, size);
	if (reader->member == REPLY_MESSAGE)
		reply_take_message(reader->reply, (const char *)bytes, size);
	return reply_on_scalar(reader);
}

static const yajl_callbacks reply_callbacks = {
	.yajl_null = reply_on_null,
	.yajl_boolean = reply_on_boolean,
	.yajl_number = reply_on_number,
	.yajl_string = reply_on_string,
	.yajl_start_map = reply_on_begin_object,
	.yajl_map_key = reply_on_key,
	.yajl_end_map = reply_on_end,
	.yajl_start_array = reply_on_begin_array,
	.yajl_end_array = reply_on_end,
};

static bool reply_is_blank(const char *bytes, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (strchr(" \t\r\n", bytes[i]) == NULL || bytes[i] == '\0')
			return false;
	return true;
}

int reply_parse(struct reply *reply, const char *bytes, size_t size)
{
	struct reply_reader reader = {.reply = reply};
	yajl_handle parser;
	int result = -1;

	*reply = (struct reply){0};
	if (reply_is_blank(bytes, size))
		return 0;
	parser = yajl_alloc(&reply_callbacks, NULL, &reader);
	if (parser == NULL)
		return -1;
	if (yajl_parse(parser, (const unsigned char *)bytes, size) == yajl_status_ok &&
		yajl_complete_parse(parser) == yajl_status_ok)
		result = 0;
	yajl_free(parser);
	if (result != 0)
		*reply = (struct reply){0};
	return result;
}

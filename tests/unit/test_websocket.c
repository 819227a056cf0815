/*
 * The rules of RFC 6455 in both roles, case by case (what the Autobahn suite asks in its sections 1
 * to 7, and more), every one with the input whole, cut in two at every place and byte by byte; then
 * the encoder, read back by the decoder.
 */
#include <stdio.h>
#include <string.h>

#include "proxy/side/side.h"
#include "tests/unit/record.h"
#include "tests/unit/unit.h"
#include "w3c/ids.h"

#define TEST_FRAMES_MAX 8
#define TEST_STREAM_MAX 4096

static const uint8_t test_key[4] = {0x37, 0xfa, 0x21, 0x3d};
static const enum side_role test_roles[] = {SIDE_FROM_CLIENT, SIDE_FROM_SERVER};

enum test_quirk {
	TEST_PLAIN,
	TEST_WRONG_MASK, /* masked by the server, or not by the client */
	TEST_SIZE_16,    /* length in its 16 bit form, needed or not */
	TEST_SIZE_64,
	TEST_SIZE_TOP_BIT,
};

struct test_frame {
	uint8_t first;
	const char *payload; /* NULL: no more frames */
	enum test_quirk quirk;
};

/*
 * What is expected, as text: t[..] and b[..] are messages, a | begins each further fragment, 8(..)
 * 9(..) 10(..) are control frames, ! is the close code and the reason of a failure.
 */
struct test_case {
	const char *name;
	struct test_frame frames[TEST_FRAMES_MAX];
	const char *expected;
};

/* A frame, and one with a quirk. */
#define F(first, payload)                                                                          \
	{                                                                                          \
		first, payload, TEST_PLAIN                                                         \
	}
#define Q(first, payload, quirk)                                                                   \
	{                                                                                          \
		first, payload, quirk                                                              \
	}
#define TEST_25   "abcdefghijklmnopqrstuvwxy"
#define TEST_125  TEST_25 TEST_25 TEST_25 TEST_25 TEST_25
#define TEST_NEW  "!1002 new message inside a fragmented one"
#define TEST_NONE "!1002 continuation of no message"
#define TEST_TEXT "!1007 text message is not UTF-8"

static const struct test_case test_cases[] = {
	/* 5.2, 5.6: sizes and kinds */
	{"empty text", {F(0x81, "")}, "t[]"},
	{"empty binary", {F(0x82, "")}, "b[]"},
	{"text", {F(0x81, "Hello")}, "t[Hello]"},
	{"binary", {F(0x82, "\xff\xfe")}, "b[\xff\xfe]"},
	{"two messages", {F(0x81, "a"), F(0x82, "b")}, "t[a]b[b]"},
	{"125", {F(0x81, TEST_125)}, "t[" TEST_125 "]"},
	{"126", {F(0x81, TEST_125 "c")}, "t[" TEST_125 "c]"},
	{"127", {F(0x82, TEST_125 "cd")}, "b[" TEST_125 "cd]"},
	/* 5.5: control frames */
	{"ping", {F(0x89, "")}, "9()"},
	{"ping with payload", {F(0x89, "Hello")}, "9(Hello)"},
	{"ping with bytes", {F(0x89, "\xff\xfe\xfd")}, "9(\xff\xfe\xfd)"},
	{"ping of 125", {F(0x89, TEST_125)}, "9(" TEST_125 ")"},
	{"ping of 126", {F(0x89, TEST_125 "c")}, "!1002 control frame over 125 bytes"},
	{"ping of 10 in 16 bits", {Q(0x89, "0123456789", TEST_SIZE_16)},
		"!1002 control frame over 125 bytes"},
	{"ping of 10 in 64 bits", {Q(0x89, "0123456789", TEST_SIZE_64)},
		"!1002 control frame over 125 bytes"},
	{"pong", {F(0x8a, "")}, "10()"},
	{"pong with payload", {F(0x8a, "unsolicited")}, "10(unsolicited)"},
	{"pings", {F(0x89, "1"), F(0x89, "2"), F(0x8a, "3"), F(0x81, "4")}, "9(1)9(2)10(3)t[4]"},
	{"fragmented ping", {F(0x09, "a"), F(0x80, "b")}, "!1002 fragmented control frame"},
	{"fragmented pong", {F(0x0a, "a"), F(0x80, "b")}, "!1002 fragmented control frame"},
	{"fragmented close", {F(0x08, "")}, "!1002 fragmented control frame"},
	/* 5.2: reserved bits */
	{"RSV3", {F(0x91, "a")}, "!1002 reserved bit set"},
	{"RSV2", {F(0xa1, "a")}, "!1002 reserved bit set"},
	{"RSV1", {F(0xc1, "a")}, "!1002 reserved bit set"},
	{"RSV1 and 2", {F(0xe2, "a")}, "!1002 reserved bit set"},
	{"all RSV on ping", {F(0x81, "ok"), F(0xf9, "")}, "t[ok]!1002 reserved bit set"},
	{"RSV1 on close", {F(0xc8, "")}, "!1002 reserved bit set"},
	{"RSV1 on a continuation", {F(0x01, "a"), F(0xc0, "b")}, "t[a!1002 reserved bit set"},
	/* 5.2: opcodes */
	{"opcode 3", {F(0x83, "a")}, "!1002 unknown data opcode"},
	{"opcode 4", {F(0x84, "")}, "!1002 unknown data opcode"},
	{"opcode 5", {F(0x81, "ok"), F(0x85, "")}, "t[ok]!1002 unknown data opcode"},
	{"opcode 6", {F(0x86, "a")}, "!1002 unknown data opcode"},
	{"opcode 7", {F(0x87, "a")}, "!1002 unknown data opcode"},
	{"opcode 11", {F(0x8b, "")}, "!1002 unknown control opcode"},
	{"opcode 12", {F(0x8c, "a")}, "!1002 unknown control opcode"},
	{"opcode 13", {F(0x81, "ok"), F(0x8d, "")}, "t[ok]!1002 unknown control opcode"},
	{"opcode 14", {F(0x8e, "a")}, "!1002 unknown control opcode"},
	{"opcode 15", {F(0x8f, "a")}, "!1002 unknown control opcode"},
	/* 5.1: masks (the reason differs with the role and is looked at elsewhere) */
	{"wrong mask", {Q(0x81, "a", TEST_WRONG_MASK)}, "!1002"},
	{"wrong mask later", {F(0x81, "a"), Q(0x89, "", TEST_WRONG_MASK)}, "t[a]!1002"},
	{"wrong mask on a fragment", {F(0x01, "a"), Q(0x80, "b", TEST_WRONG_MASK)}, "t[a!1002"},
	/* 5.2: lengths in their shortest form */
	{"10 in 16 bits", {Q(0x81, "0123456789", TEST_SIZE_16)},
		"!1002 length not in its shortest form"},
	{"125 in 16 bits", {Q(0x81, TEST_125, TEST_SIZE_16)},
		"!1002 length not in its shortest form"},
	{"10 in 64 bits", {Q(0x82, "0123456789", TEST_SIZE_64)},
		"!1002 length not in its shortest form"},
	{"126 in 64 bits", {Q(0x82, TEST_125 "c", TEST_SIZE_64)},
		"!1002 length not in its shortest form"},
	{"top bit", {Q(0x82, "0123456789", TEST_SIZE_TOP_BIT)}, "!1002 length over 63 bits"},
	/* 5.4: fragments */
	{"two fragments", {F(0x01, "Hel"), F(0x80, "lo")}, "t[Hel|lo]"},
	{"binary fragments", {F(0x02, "\xff"), F(0x00, "\xfe"), F(0x80, "\xfd")},
		"b[\xff|\xfe|\xfd]"},
	{"empty fragments", {F(0x01, ""), F(0x00, ""), F(0x80, "")}, "t[||]"},
	{"empty ones around", {F(0x01, ""), F(0x00, "middle"), F(0x80, "")}, "t[|middle|]"},
	{"ping between", {F(0x01, "Hel"), F(0x89, "ping"), F(0x80, "lo")}, "t[Hel9(ping)|lo]"},
	{"controls between",
		{F(0x02, "a"), F(0x89, "1"), F(0x8a, ""), F(0x00, "b"), F(0x89, "2"), F(0x80, "c")},
		"b[a9(1)10()|b9(2)|c]"},
	{"close between", {F(0x01, "a"), F(0x88, "\x03\xe8"), F(0x80, "b")}, "t[a8(\x03\xe8)"},
	{"last continuation alone", {F(0x80, "a")}, TEST_NONE},
	{"continuation alone", {F(0x00, "a"), F(0x80, "b")}, TEST_NONE},
	{"continuation after message", {F(0x81, "a"), F(0x80, "b")}, "t[a]" TEST_NONE},
	{"continuation after fragments", {F(0x01, "a"), F(0x80, "b"), F(0x00, "")},
		"t[a|b]" TEST_NONE},
	{"text in text", {F(0x01, "a"), F(0x81, "b")}, "t[a" TEST_NEW},
	{"fragment in fragment", {F(0x01, "a"), F(0x01, "b"), F(0x80, "c")}, "t[a" TEST_NEW},
	{"binary in text", {F(0x01, "a"), F(0x82, "b")}, "t[a" TEST_NEW},
	{"text after an empty fragment", {F(0x01, ""), F(0x81, "b")}, "t[" TEST_NEW},
	{"kinds one after the other", {F(0x02, "\xff"), F(0x80, ""), F(0x01, "a"), F(0x80, "b")},
		"b[\xff|]t[a|b]"},
	/* 8.1: text */
	{"all lengths", {F(0x81, "Hello-\xc2\xb5@\xc3\x9f\xe2\x82\xac\xf0\x9f\x98\x80")},
		"t[Hello-\xc2\xb5@\xc3\x9f\xe2\x82\xac\xf0\x9f\x98\x80]"},
	{"cut in a character", {F(0x01, "\xce\xba\xe1"), F(0x80, "\xbd\xb9")},
		"t[\xce\xba\xe1|\xbd\xb9]"},
	{"every byte a frame",
		{F(0x01, "\xf0"), F(0x00, "\x9f"), F(0x89, "\xff"), F(0x00, ""), F(0x00, "\x98"),
			F(0x80, "\x80")},
		"t[\xf0|\x9f"
		"9(\xff)||\x98|\x80]"},
	{"last character", {F(0x81, "\xf4\x8f\xbf\xbf")}, "t[\xf4\x8f\xbf\xbf]"},
	{"after the last", {F(0x81, "ab\xf4\x90\x80\x80")}, "t[ab\xf4" TEST_TEXT},
	{"surrogate",
		{F(0x81, "\xce\xba\xed\xa0\x80"
			 "edited")},
		"t[\xce\xba\xed" TEST_TEXT},
	{"overlong", {F(0x81, "\xc0\xaf")}, TEST_TEXT},
	{"overlong of three", {F(0x81, "\xe0\x80\xaf")}, "t[\xe0" TEST_TEXT},
	{"overlong of four", {F(0x81, "\xf0\x80\x80\xaf")}, "t[\xf0" TEST_TEXT},
	{"five bytes", {F(0x81, "\xf8\x88\x80\x80\x80")}, TEST_TEXT},
	{"FE",
		{F(0x81, "a\xfe"
			 "b")},
		"t[a" TEST_TEXT},
	{"tail alone", {F(0x81, "a\x80")}, "t[a" TEST_TEXT},
	{"open at the end", {F(0x81, "\xce\xba\xe1\xbd")}, "t[\xce\xba\xe1" TEST_TEXT},
	{"open at the end of one byte", {F(0x81, "\xc3")}, TEST_TEXT},
	{"open at the end of fragments", {F(0x01, "a\xc3"), F(0x80, "")}, "t[a\xc3" TEST_TEXT},
	{"bad in the first fragment", {F(0x01, "a\xff"), F(0x80, "b")}, "t[a" TEST_TEXT},
	{"bad across fragments", {F(0x01, "\xe2\x82"), F(0x80, "a")}, "t[\xe2\x82" TEST_TEXT},
	{"open before a text", {F(0x81, "a"), F(0x81, "\xa9")}, "t[a]" TEST_TEXT},
	{"binary is not text", {F(0x82, "\xc3"), F(0x81, "ok")}, "b[\xc3]t[ok]"},
	/* 5.5.1, 7.4: close */
	{"close", {F(0x88, "")}, "8()"},
	{"close of one byte", {F(0x88, "\x03")}, "!1002 close frame of one byte"},
	{"close with code", {F(0x88, "\x03\xe8")}, "8(\x03\xe8)"},
	{"close with reason",
		{F(0x88, "\x03\xe8"
			 "bye \xe2\x82\xac")},
		"8(\x03\xe8"
		"bye \xe2\x82\xac)"},
	{"close of 126", {F(0x88, "\x03\xe8" TEST_125)}, "!1002 control frame over 125 bytes"},
	{"close with bad reason",
		{F(0x88, "\x03\xe8"
			 "a\xff")},
		"!1007 close reason is not UTF-8"},
	{"close with open reason", {F(0x88, "\x03\xe8\xc3")}, "!1007 close reason is not UTF-8"},
	{"after close", {F(0x88, "\x03\xe8"), F(0x81, "a"), F(0x89, ""), F(0xff, "?")},
		"8(\x03\xe8)"},
	{"two closes", {F(0x88, ""), F(0x88, "")}, "8()"},
};
#define TEST_CASES (sizeof test_cases / sizeof *test_cases)

struct test_stream {
	uint8_t bytes[TEST_STREAM_MAX];
	size_t size;
};

static void test_stream_add(struct test_stream *stream, uint64_t value, size_t size)
{
	ck_assert_uint_le(stream->size + size, sizeof stream->bytes);
	while (size-- > 0)
		stream->bytes[stream->size++] = (uint8_t)(value >> 8 * size);
}

static void test_stream_payload(
	struct test_stream *stream, const char *payload, size_t size, bool masked)
{
	size_t i;

	if (masked)
		for (i = 0; i < sizeof test_key; i++)
			test_stream_add(stream, test_key[i], 1);
	for (i = 0; i < size; i++)
		test_stream_add(stream, (uint8_t)payload[i] ^ (masked ? test_key[i % 4] : 0), 1);
}

static void test_stream_frame(
	struct test_stream *stream, enum side_role role, const struct test_frame *frame)
{
	bool masked = (role == SIDE_FROM_CLIENT) != (frame->quirk == TEST_WRONG_MASK);
	size_t size = strlen(frame->payload);
	unsigned mask_bit = masked ? 0x80 : 0;
	bool size_64 = frame->quirk == TEST_SIZE_64 || frame->quirk == TEST_SIZE_TOP_BIT;

	test_stream_add(stream, frame->first, 1);
	if (size_64 || size > 65535) {
		test_stream_add(stream, mask_bit | 127, 1);
		test_stream_add(
			stream, size | (uint64_t)(frame->quirk == TEST_SIZE_TOP_BIT) << 63, 8);
	} else if (frame->quirk == TEST_SIZE_16 || size > 125) {
		test_stream_add(stream, mask_bit | 126, 1);
		test_stream_add(stream, size, 2);
	} else {
		test_stream_add(stream, mask_bit | size, 1);
	}
	test_stream_payload(stream, frame->payload, size, masked);
}

static void test_stream_build(
	struct test_stream *stream, enum side_role role, const struct test_frame *frames)
{
	size_t i;

	stream->size = 0;
	for (i = 0; i < TEST_FRAMES_MAX && frames[i].payload != NULL; i++)
		test_stream_frame(stream, role, &frames[i]);
}

/* Writes down in the notation of the cases what the decoder says about the whole stream. */
static void test_describe(enum side_role role, const struct test_stream *stream, char *text)
{
	struct side_decoder decoder;
	struct side_chunk chunk;
	uint8_t *copy = unit_guard_copy(stream->bytes, stream->size), *bytes = copy;
	size_t size = stream->size;
	enum side_result result;

	side_decoder_init(&decoder, &side_websocket, role);
	while ((result = side_websocket.next(&decoder, &bytes, &size, &chunk)) != SIDE_MORE) {
		if (result == SIDE_BAD) {
			text += sprintf(text, "!%u %s",
				decoder.error.goodbye == SIDE_NOT_TEXT ? 1007 : 1002,
				decoder.error.reason);
			break;
		}
		if (result == SIDE_CONTROL)
			text += sprintf(text, "%u(", 8u + chunk.control);
		else if (chunk.first)
			text += sprintf(text, "%c[", chunk.frame.text ? 't' : 'b');
		else if (chunk.frame_first)
			*text++ = '|';
		memcpy(text, chunk.bytes, chunk.size);
		text += chunk.size;
		if (result == SIDE_CONTROL)
			*text++ = ')';
		else if (chunk.last)
			*text++ = ']';
	}
	*text = '\0';
	unit_guard_free(copy, stream->size);
}

START_TEST(test_rules)
{
	const struct test_case *test = &test_cases[_i / 2];
	enum side_role role = test_roles[_i % 2];
	struct test_stream stream;
	char text[TEST_STREAM_MAX];

	test_stream_build(&stream, role, test->frames);
	test_describe(role, &stream, text);
	if (strstr(test->expected, "1002") != NULL && strchr(test->expected, ' ') == NULL)
		text[strlen(test->expected)] = '\0'; /* the reason is left out */
	ck_assert_msg(strcmp(text, test->expected) == 0, "%s: %s, not %s", test->name, text,
		test->expected);
}
END_TEST

/* Feeds pieces of piece bytes after a first one of cut bytes, each at a guard page. */
static void test_feed(struct record *record, enum side_role role, const uint8_t *bytes, size_t size,
	size_t cut, size_t piece)
{
	struct side_decoder decoder;
	bool good = true;
	size_t n;

	record_init(record, true);
	side_decoder_init(&decoder, &side_websocket, role);
	for (n = cut; good && size > 0; n = piece) {
		uint8_t *copy;

		n = n < size ? n : size;
		copy = unit_guard_copy(bytes, n);
		good = record_feed(record, &decoder, copy, n);
		unit_guard_free(copy, n);
		bytes += n;
		size -= n;
	}
}

static void test_cuts_of(const char *name, enum side_role role, const struct test_stream *stream)
{
	struct record whole, pieces;
	size_t cut;

	test_feed(&whole, role, stream->bytes, stream->size, stream->size, 1);
	ck_assert_uint_gt(whole.size, 0);
	for (cut = 0; cut <= stream->size; cut++) {
		test_feed(&pieces, role, stream->bytes, stream->size, cut, stream->size);
		ck_assert_msg(record_equal(&whole, &pieces), "%s: cut at %zu", name, cut);
		record_done(&pieces);
	}
	for (cut = 1; cut <= 5; cut++) {
		test_feed(&pieces, role, stream->bytes, stream->size, cut, cut);
		ck_assert_msg(record_equal(&whole, &pieces), "%s: pieces of %zu", name, cut);
		record_done(&pieces);
	}
	record_done(&whole);
}

START_TEST(test_cuts)
{
	struct test_stream stream;

	test_stream_build(&stream, test_roles[_i % 2], test_cases[_i / 2].frames);
	test_cuts_of(test_cases[_i / 2].name, test_roles[_i % 2], &stream);
}
END_TEST

/* All good cases one after the other are one good stream. */
START_TEST(test_cuts_of_many)
{
	enum side_role role = test_roles[_i];
	struct test_stream one, all = {.size = 0};
	size_t i;

	for (i = 0; i < TEST_CASES; i++) {
		if (strchr(test_cases[i].expected, '!') != NULL ||
			strstr(test_cases[i].expected, "8(") != NULL)
			continue;
		test_stream_build(&one, role, test_cases[i].frames);
		ck_assert_uint_le(all.size + one.size, sizeof all.bytes);
		memcpy(all.bytes + all.size, one.bytes, one.size);
		all.size += one.size;
	}
	test_cuts_of("all good cases", role, &all);
}
END_TEST

/* RFC 6455, 7.4.1, 7.4.2: every code there is. */
START_TEST(test_close_codes)
{
	unsigned code;

	for (code = 0; code <= 65535; code++) {
		uint8_t frame[] = {0x88, 2, (uint8_t)(code >> 8), (uint8_t)code};
		uint8_t *bytes = frame;
		size_t size = sizeof frame;
		struct side_decoder decoder;
		struct side_chunk chunk;
		bool reserved = code == 1004 || code == 1005 || code == 1006 || code == 1015;
		bool legal = (code >= 1000 && code <= 1015 && !reserved) ||
			     (code >= 3000 && code <= 4999);

		side_decoder_init(&decoder, &side_websocket, SIDE_FROM_SERVER);
		ck_assert_int_eq(side_websocket.next(&decoder, &bytes, &size, &chunk),
			legal ? SIDE_CONTROL : SIDE_BAD);
		if (!legal)
			ck_assert_str_eq(decoder.error.reason, "illegal close code");
		ck_assert_int_eq(decoder.error.goodbye, legal ? SIDE_DONE : SIDE_BROKEN);
	}
}
END_TEST

/* Offsets count from the start of the stream: 7 bytes are the good message before. */
static const struct {
	const char *bytes;
	size_t size;
	enum side_role role;
	uint64_t offset;
	const char *reason;
} test_offsets[] = {
#define TEST_BYTES(text) text, sizeof(text) - 1
	{TEST_BYTES("\x81\x05Hello\x83\x00"), SIDE_FROM_SERVER, 7, "unknown data opcode"},
	{TEST_BYTES("\x81\x05Hello\x81\x80...."), SIDE_FROM_SERVER, 7,
		"masked frame from the server"},
	{TEST_BYTES("\x81\x81\0\0\0\0a\x81\x01"), SIDE_FROM_CLIENT, 7,
		"unmasked frame from the client"},
	{TEST_BYTES("\x81\x05Hello\x81\x7e\x00\x7d"), SIDE_FROM_SERVER, 7,
		"length not in its shortest form"},
	{TEST_BYTES("\x81\x05Hello\x82\x7f\0\0\0\0\0\0\xff\xff"), SIDE_FROM_SERVER, 7,
		"length not in its shortest form"},
	{TEST_BYTES("\x81\x05Hello\x81\x04"
		    "ab\xff."),
		SIDE_FROM_SERVER, 11, "text message is not UTF-8"},
	{TEST_BYTES("\x81\x05Hello\x01\x01\xe2\x89\x00\x80\x01\x82"), SIDE_FROM_SERVER, 14,
		"text message is not UTF-8"},
	{TEST_BYTES("\x81\x05Hello\x01\x01\xe2\x89\x00\x80\x00"), SIDE_FROM_SERVER, 14,
		"text message is not UTF-8"},
	{TEST_BYTES("\x81\x05Hello\x88\x02\x00\x00"), SIDE_FROM_SERVER, 9, "illegal close code"},
	{TEST_BYTES("\x81\x05Hello\x88\x04\x03\xe8"
		    "a\xff"),
		SIDE_FROM_SERVER, 12, "close reason is not UTF-8"},
};

START_TEST(test_error_offsets)
{
	size_t cut;

	for (cut = 0; cut <= test_offsets[_i].size; cut++) {
		struct side_decoder decoder;
		struct record record;
		uint8_t bytes[64];
		bool good;

		memcpy(bytes, test_offsets[_i].bytes, test_offsets[_i].size);
		record_init(&record, true);
		side_decoder_init(&decoder, &side_websocket, test_offsets[_i].role);
		good = record_feed(&record, &decoder, bytes, cut) &&
		       record_feed(&record, &decoder, bytes + cut, test_offsets[_i].size - cut);
		ck_assert(!good);
		ck_assert_uint_eq(decoder.error.offset, test_offsets[_i].offset);
		ck_assert_str_eq(decoder.error.reason, test_offsets[_i].reason);
		/* and it stays broken */
		ck_assert(!record_feed(&record, &decoder, bytes, 1));
		ck_assert_uint_eq(decoder.error.offset, test_offsets[_i].offset);
		record_done(&record);
	}
}
END_TEST

/* The hot path: a small message that is all there comes as one chunk, where it lies. */
START_TEST(test_one_chunk)
{
	struct test_frame frames[TEST_FRAMES_MAX] = {F(0x81, TEST_125 TEST_125), F(0x81, "next")};
	struct test_stream stream;
	struct side_decoder decoder;
	struct side_chunk chunk;
	uint8_t *bytes = stream.bytes;
	size_t head = test_roles[_i] == SIDE_FROM_CLIENT ? 8 : 4;

	test_stream_build(&stream, test_roles[_i], frames);
	side_decoder_init(&decoder, &side_websocket, test_roles[_i]);
	ck_assert_int_eq(side_websocket.next(&decoder, &bytes, &stream.size, &chunk), SIDE_DATA);
	ck_assert(chunk.first && chunk.last && chunk.frame_first);
	ck_assert(chunk.frame.text && chunk.frame.first && chunk.frame.last);
	ck_assert_uint_eq(chunk.frame.size, 250);
	ck_assert_ptr_eq(chunk.bytes, stream.bytes + head);
	ck_assert_uint_eq(chunk.size, 250);
	ck_assert_mem_eq(chunk.bytes, TEST_125 TEST_125, 250);
	ck_assert_int_eq(chunk.frame.masked, test_roles[_i] == SIDE_FROM_CLIENT);
	if (chunk.frame.masked)
		ck_assert_mem_eq(chunk.frame.mask_key, test_key, sizeof test_key);
	ck_assert_ptr_eq(chunk.wire, chunk.frame.masked ? NULL : stream.bytes);
	ck_assert(chunk.frame.masked || chunk.wire_size == head + 250);
	ck_assert(!decoder.in_message);
	ck_assert_uint_eq(decoder.offset, head + 250);
}
END_TEST

/* in_message tells the end of the stream inside a message; it is never a complete one. */
START_TEST(test_end_of_stream)
{
	static const struct {
		const char *bytes;
		size_t size;
		bool in_message;
	} ends[] = {
		{TEST_BYTES(""), false},
		{TEST_BYTES("\x81\x05Hello"), false},
		{TEST_BYTES("\x81\x05Hell"), true},
		{TEST_BYTES("\x81\x05"), true},
		{TEST_BYTES("\x01\x05Hello"), true},
		{TEST_BYTES("\x01\x05Hello\x89\x00"), true},
		{TEST_BYTES("\x01\x05Hello\x80\x00"), false},
		{TEST_BYTES("\x81\x05Hello\x89\x04yz"), false},
	};
	struct side_decoder decoder;
	struct record record;
	uint8_t bytes[32];
	size_t i;

	for (i = 0; i < sizeof ends / sizeof *ends; i++) {
		memcpy(bytes, ends[i].bytes, ends[i].size);
		record_init(&record, true);
		side_decoder_init(&decoder, &side_websocket, SIDE_FROM_SERVER);
		ck_assert(record_feed(&record, &decoder, bytes, ends[i].size));
		ck_assert_int_eq(decoder.in_message, ends[i].in_message);
		ck_assert(!side_websocket.finish(&decoder));
		record_done(&record);
	}
}
END_TEST

/* A frame of any length streams through; 2^63 - 1 is the longest there is. */
START_TEST(test_huge_frame)
{
	uint8_t stream[] = {0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'a', 'b'};
	struct side_decoder decoder;
	struct side_chunk chunk;
	uint8_t *bytes = stream;
	size_t size = sizeof stream, i;

	side_decoder_init(&decoder, &side_websocket, SIDE_FROM_SERVER);
	ck_assert_int_eq(side_websocket.next(&decoder, &bytes, &size, &chunk), SIDE_DATA);
	ck_assert_uint_eq(chunk.frame.size, INT64_MAX);
	ck_assert(chunk.first && chunk.frame_first && !chunk.last);
	ck_assert_uint_eq(chunk.size, 2);
	for (i = 0; i < 1000; i++) {
		bytes = stream;
		size = sizeof stream;
		ck_assert_int_eq(side_websocket.next(&decoder, &bytes, &size, &chunk), SIDE_DATA);
		ck_assert_uint_eq(chunk.size, sizeof stream);
		ck_assert(!chunk.first && !chunk.frame_first && !chunk.last);
	}
	ck_assert_uint_eq(decoder.frame_left, INT64_MAX - 2 - 1000 * sizeof stream);
}
END_TEST

/* ---- encoder ---- */

#define TEST_LARGE (200 * 1024 + 1)

struct test_output {
	uint8_t window[SINK_SIZE_MIN + 100];
	struct sink sink;
	struct ids ids;
	struct record all; /* its bytes are what was flushed */
	size_t flushes;
};

static void test_output_flush(struct sink *sink, void *arg)
{
	struct test_output *output = arg;

	record_add(&output->all, sink->bytes, sink->used);
	output->flushes++;
	sink->used = 0;
}

static void test_output_init(struct test_output *output)
{
	memset(output, 0, sizeof *output);
	ids_init(&output->ids);
	output->sink = (struct sink){
		.bytes = output->window,
		.size = sizeof output->window,
		.flush = test_output_flush,
		.arg = output,
	};
}

/* Data in pieces of no round size: masks must go on from one piece to the next. */
static void test_encode(struct test_output *output, struct side_encoder *encoder,
	const struct side_frame *frame, const uint8_t *bytes)
{
	size_t left = (size_t)frame->size, piece;

	encoder->ops->begin(encoder, &output->sink, frame);
	for (; left > 0; left -= piece, bytes += piece) {
		piece = left < 9001 ? left : 9001;
		encoder->ops->data(encoder, &output->sink, bytes, piece);
	}
	if (frame->last)
		encoder->ops->end(encoder, &output->sink, true);
}

static uint8_t *test_payload(size_t size)
{
	uint8_t *bytes = malloc(size + 1);
	size_t i;

	ck_assert_ptr_nonnull(bytes);
	for (i = 0; i < size; i++)
		bytes[i] = (uint8_t)(' ' + i * 7 % 90);
	return bytes;
}

/* What is given out as it stands in the input is the input, but where a header was cut. */
static void test_wire_cut(const struct test_stream *stream, size_t cut)
{
	struct side_decoder decoder;
	struct side_chunk chunk;
	enum side_result result;
	uint8_t *copy = unit_guard_copy(stream->bytes, stream->size), *bytes = copy;
	size_t left = cut, sent = 0;

	side_decoder_init(&decoder, &side_websocket, SIDE_FROM_SERVER);
	do {
		result = side_websocket.next(&decoder, &bytes, &left, &chunk);
		ck_assert_int_ne(result, SIDE_BAD);
		if (result == SIDE_MORE)
			left = stream->size - (size_t)(bytes - copy);
		if (result == SIDE_DATA && chunk.wire != NULL)
			ck_assert(chunk.wire == copy + sent &&
				  chunk.wire_size == decoder.offset - sent);
		else if (result == SIDE_DATA)
			ck_assert(chunk.frame_first && sent < cut &&
				  cut <= decoder.offset - chunk.size);
		if (result != SIDE_MORE)
			sent = decoder.offset;
	} while (sent < stream->size);
	unit_guard_free(copy, stream->size);
}

START_TEST(test_wire)
{
	static const struct test_frame frames[TEST_FRAMES_MAX] = {
		F(0x01, "some"), F(0x89, "ping"), F(0x80, TEST_125 TEST_125), F(0x82, "x")};
	struct test_stream stream;
	size_t cut;

	test_stream_build(&stream, SIDE_FROM_SERVER, frames);
	for (cut = 0; cut <= stream.size; cut++)
		test_wire_cut(&stream, cut);
}
END_TEST

static const size_t test_sizes[] = {0, 1, 125, 126, 127, 4095, 65535, 65536, TEST_LARGE};
#define TEST_SIZES (sizeof test_sizes / sizeof *test_sizes)

/* What the decoder should say of one frame. */
static void test_expect(struct record *record, const struct side_frame *frame, const uint8_t *bytes,
	const struct side_decoder *decoded)
{
	struct side_chunk chunk = {
		.bytes = (uint8_t *)(uintptr_t)bytes,
		.size = (size_t)frame->size,
		.first = frame->first,
		.last = frame->last,
		.frame_first = true,
		.frame = *frame,
	};

	chunk.frame.masked = decoded->role == SIDE_FROM_CLIENT;
	memcpy(chunk.frame.mask_key, decoded->frame.mask_key, 4);
	record_data(record, &chunk);
}

START_TEST(test_round_trip)
{
	enum side_role role = test_roles[_i % 2];
	bool keep = _i / 2 % 2;
	struct side_frame frame = {.text = _i / 4 % 2,
		.first = true,
		.last = true,
		.size = test_sizes[_i / 8],
		.masked = keep,
		.mask_key = {1, 2, 3, 4}};
	uint8_t *payload = test_payload((size_t)frame.size);
	struct test_output *output = malloc(sizeof *output);
	struct side_encoder encoder;
	struct side_decoder decoder;
	struct record said, expected;

	ck_assert_ptr_nonnull(output);
	test_output_init(output);
	side_encoder_init(&encoder, &side_websocket, role, &output->ids, false);
	test_encode(output, &encoder, &frame, payload);
	test_output_flush(&output->sink, output);
	/* small messages are not torn, large ones fill the window to the brim */
	ck_assert_uint_eq(output->flushes,
		(output->all.size + sizeof output->window - 1) / sizeof output->window);

	record_init(&said, true);
	record_init(&expected, true);
	side_decoder_init(&decoder, &side_websocket, role);
	ck_assert(record_feed(&said, &decoder, output->all.bytes, output->all.size));
	test_expect(&expected, &frame, payload, &decoder);
	ck_assert(record_equal(&said, &expected));
	if (role == SIDE_FROM_CLIENT)
		ck_assert_int_eq(memcmp(decoder.frame.mask_key, frame.mask_key, 4) == 0, keep);
	record_done(&said);
	record_done(&expected);
	record_done(&output->all);
	free(output);
	free(payload);
}
END_TEST

/* Fragments with control frames between them, client and server, at every cut. */
START_TEST(test_round_trip_fragments)
{
	enum side_role role = test_roles[_i];
	struct side_frame first = {.text = true, .first = true, .size = 3};
	struct side_frame middle = {.text = true, .size = 0};
	struct side_frame last = {.text = true, .last = true, .size = 130};
	struct test_output output;
	struct test_stream stream;
	struct side_encoder encoder;
	uint8_t *payload = test_payload(130);
	char text[TEST_STREAM_MAX], expected[TEST_STREAM_MAX];

	test_output_init(&output);
	side_encoder_init(&encoder, &side_websocket, role, &output.ids, false);
	test_encode(&output, &encoder, &first, (const uint8_t *)"abc");
	side_websocket.control(&encoder, &output.sink, SIDE_PING, (const uint8_t *)"ping", 4);
	test_encode(&output, &encoder, &middle, NULL);
	side_websocket.control(&encoder, &output.sink, SIDE_PONG, (const uint8_t *)TEST_125, 125);
	side_websocket.control(&encoder, &output.sink, SIDE_PING, NULL, 0);
	test_encode(&output, &encoder, &last, payload);
	side_websocket.control(&encoder, &output.sink, SIDE_CLOSE,
		(const uint8_t *)"\x03\xe8"
				 "bye",
		5);
	stream.size = output.sink.used;
	memcpy(stream.bytes, output.window, output.sink.used);
	test_describe(role, &stream, text);
	(void)snprintf(expected, sizeof expected,
		"t[abc9(ping)|10(" TEST_125 ")9()|%.130s]8(\x03\xe8"
		"bye)",
		(char *)payload);
	ck_assert_str_eq(text, expected);
	test_cuts_of("fragments", role, &stream);
	free(payload);
}
END_TEST

/* RFC 6455, 5.2 and 5.7: the bytes of headers. */
static const struct {
	struct side_frame frame;
	const char *head;
	size_t size;
} test_heads[] = {
	{{.text = true, .first = true, .last = true, .size = 5}, TEST_BYTES("\x81\x05")},
	{{.text = false, .first = true, .last = true, .size = 0}, TEST_BYTES("\x82\x00")},
	{{.text = true, .first = true, .last = false, .size = 3}, TEST_BYTES("\x01\x03")},
	{{.text = true, .first = false, .last = false, .size = 1}, TEST_BYTES("\x00\x01")},
	{{.text = false, .first = false, .last = true, .size = 2}, TEST_BYTES("\x80\x02")},
	{{.first = true, .last = true, .size = 125}, TEST_BYTES("\x82\x7d")},
	{{.first = true, .last = true, .size = 126}, TEST_BYTES("\x82\x7e\x00\x7e")},
	{{.first = true, .last = true, .size = 256}, TEST_BYTES("\x82\x7e\x01\x00")},
	{{.first = true, .last = true, .size = 65535}, TEST_BYTES("\x82\x7e\xff\xff")},
	{{.first = true, .last = true, .size = 65536}, TEST_BYTES("\x82\x7f\0\0\0\0\0\1\0\0")},
	{{.first = true, .last = true, .size = INT64_MAX},
		TEST_BYTES("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff")},
};

START_TEST(test_head_bytes)
{
	size_t size = test_heads[_i].size;
	struct side_frame frame = test_heads[_i].frame;
	struct side_encoder encoder;
	struct test_output output;

	test_output_init(&output);
	side_encoder_init(&encoder, &side_websocket, SIDE_FROM_SERVER, NULL, false);
	side_websocket.begin(&encoder, &output.sink, &frame);
	ck_assert_uint_eq(output.sink.used, size);
	ck_assert_mem_eq(output.window, test_heads[_i].head, size);

	/* the client's has the mask bit and the key that it is given */
	test_output_init(&output);
	frame.masked = true;
	memcpy(frame.mask_key, test_key, sizeof test_key);
	side_encoder_init(&encoder, &side_websocket, SIDE_FROM_CLIENT, &output.ids, false);
	side_websocket.begin(&encoder, &output.sink, &frame);
	ck_assert_uint_eq(output.sink.used, size + 4);
	ck_assert_uint_eq(output.window[1], (uint8_t)test_heads[_i].head[1] | 0x80);
	ck_assert_mem_eq(output.window + 2, test_heads[_i].head + 2, size - 2);
	ck_assert_mem_eq(output.window + size, test_key, 4);
}
END_TEST

/* RFC 6455, 5.3: a frame without a key of the client's gets a fresh one, controls always. */
START_TEST(test_fresh_keys)
{
	const struct side_frame frame = {.text = true, .first = true, .last = true};
	struct side_encoder encoder;
	struct test_output output;

	test_output_init(&output);
	side_encoder_init(&encoder, &side_websocket, SIDE_FROM_CLIENT, &output.ids, false);
	side_websocket.begin(&encoder, &output.sink, &frame);
	side_websocket.begin(&encoder, &output.sink, &frame);
	side_websocket.control(&encoder, &output.sink, SIDE_PING, NULL, 0);
	side_websocket.control(&encoder, &output.sink, SIDE_PING, NULL, 0);
	ck_assert_uint_eq(output.sink.used, 24);
	ck_assert_mem_ne(output.window + 2, output.window + 8, 4);
	ck_assert_mem_ne(output.window + 8, output.window + 14, 4);
	ck_assert_mem_ne(output.window + 14, output.window + 20, 4);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("websocket");

	tcase_add_loop_test(tc, test_rules, 0, 2 * TEST_CASES);
	tcase_add_loop_test(tc, test_cuts, 0, 2 * TEST_CASES);
	tcase_add_loop_test(tc, test_cuts_of_many, 0, 2);
	tcase_add_test(tc, test_close_codes);
	tcase_add_loop_test(tc, test_error_offsets, 0, sizeof test_offsets / sizeof *test_offsets);
	tcase_add_loop_test(tc, test_one_chunk, 0, 2);
	tcase_add_test(tc, test_wire);
	tcase_add_test(tc, test_end_of_stream);
	tcase_add_test(tc, test_huge_frame);
	tcase_add_loop_test(tc, test_round_trip, 0, 8 * TEST_SIZES);
	tcase_add_loop_test(tc, test_round_trip_fragments, 0, 2);
	tcase_add_loop_test(tc, test_head_bytes, 0, sizeof test_heads / sizeof *test_heads);
	tcase_add_test(tc, test_fresh_keys);
	return unit_run("websocket", tc);
}

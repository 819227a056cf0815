/*
 * skim's verdicts: what is JSON and what is not, each row whole, cut at every place, byte by byte
 * and against a guard page, in small and in block-sized surroundings. Values are test_envelope.c's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/message/envelope_fill.h"
#include "proxy/message/skim.h"
#include "proxy/message/skim_walk.h"
#include "tests/unit/unit.h"

static const struct skim_row {
	const char *json;
	bool good;
} skim_rows[] = {
	{"null", true},
	{"true", true},
	{"false", true},
	{"0", true},
	{"-0", true},
	{"10", true},
	{"-1.5e+10", true},
	{"0.0E-0", true},
	{"1e5", true},
	{"1E5", true},
	{"123456789012345678901234567890.12345678901234567890", true},
	{"1e400", true},
	{"\"\"", true},
	{"\"a\"", true},
	{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00aF\"", true},
	{"\"\\ud800\"", true},
	{"\"\x7f\xc3\xa9\xff\"", true},
	{"[]", true},
	{"{}", true},
	{"[[],{},[{}]]", true},
	{"{\"\":[]}", true},
	{"{\"a\":1,\"a\":2}", true},
	{"{\"a\":{\"b\":[1,\"x\",null,true,false,{\"c\":-1}]},\"d\":\"e\"}", true},
	{" \t\r\n{ \"a\" :\n[ 1 , 2 ] , \"b\" : { } , \"c\" : [ ] }\r", true},
	{"[\"0123456789abcdef\",\"0123456789abcdef0123456789abcdef\\n\",\"0123456789abcde\\\"\"]",
		true},
	{"", false},
	{" ", false},
	{"nul", false},
	{"nulll", false},
	{"nuLl", false},
	{"True", false},
	{"falsy", false},
	{"truefalse", false},
	/* with enough behind them to be looked at in blocks */
	{"{\"a\":[null,true,false],\"b\":\"0123456789abcdef0123456789abcdef0123456789abcdef\"}",
		true},
	{"{\"a\":nulm,\"b\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789\"}",
		false},
	{"{\"a\":trud,\"b\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789\"}",
		false},
	{"{\"a\":falsf,\"b\":\"0123456789abcdef0123456789abcdef0123456789abcdef012345678\"}",
		false},
	{"{\"a\":falsd,\"b\":\"0123456789abcdef0123456789abcdef0123456789abcdef012345678\"}",
		false},
	{"01", false},
	{"-", false},
	{"--1", false},
	{"+1", false},
	{"1.", false},
	{".5", false},
	{"1.e5", false},
	{"1e", false},
	{"1e+", false},
	{"1e5.5", false},
	{"-01", false},
	{"0x10", false},
	{"1 2", false},
	{"NaN", false},
	{"Infinity", false},
	{"\"", false},
	{"\"\\\"", false},
	{"\"\\x\"", false},
	{"\"\\U0041\"", false},
	{"\"\\u12\"", false},
	{"\"\\u12g4\"", false},
	{"\"\\u123", false},
	{"\"a\tb\"", false},
	{"\"a\nb\"", false},
	{"\"0123456789abcdef\x1f\"", false},
	{"'a'", false},
	{"[", false},
	{"]", false},
	{"[1", false},
	{"[1,", false},
	{"[1,]", false},
	{"[,1]", false},
	{"[1 2]", false},
	{"[1}", false},
	{"[[1]", false},
	{"{", false},
	{"}", false},
	{"{]", false},
	{"{\"a\"", false},
	{"{\"a\":", false},
	{"{\"a\":1", false},
	{"{\"a\":1,", false},
	{"{\"a\":1,}", false},
	{"{,\"a\":1}", false},
	{"{\"a\" 1}", false},
	{"{\"a\"::1}", false},
	{"{\"a\":}", false},
	{"{\"a\":1 \"b\":2}", false},
	{"{\"a\":1,,\"b\":2}", false},
	{"{a:1}", false},
	{"{1:1}", false},
	{"{null:1}", false},
	{"{\"a\":1]", false},
	{"{}{}", false},
	{"{},{}", false},
	{"[]]", false},
	{"{}x", false},
	{"{} \"abc", false},
	{"\xef\xbb\xbf{}", false},
	{"{}\v", false},
	{"{}\f", false},
	{"{\"a\":1/**/}", false},
	{"\xc3\xa9", false},
};

#define SKIM_ROWS (sizeof(skim_rows) / sizeof(*skim_rows))

static struct pointers *skim_pointers;
static struct envelope skim_envelope;
static struct skim skim;

static void skim_setup(void)
{
	skim_pointers = envelope_pointers_new("/trace");
	(void)pointers_add(skim_pointers, "/a/b/1", 5);
	(void)pointers_add(skim_pointers, "/d", 5);
	ck_assert_int_eq(envelope_init(&skim_envelope, skim_pointers), 0);
	skim_init(&skim, skim_pointers, &skim_envelope);
}

static void skim_teardown(void)
{
	envelope_done(&skim_envelope);
	pointers_free(skim_pointers);
}

/* Whether the text is JSON when read in a first piece and then others of step bytes. */
static bool skim_verdict(
	enum skim_mode mode, const char *json, size_t size, size_t first, size_t step)
{
	size_t at = 0, piece = first < size ? first : size;
	enum skim_event event;

	skim_begin(&skim, mode);
	skim.stop_at_carriers = mode == SKIM_STOP;
	skim.stop_at_members = mode == SKIM_STOP;
	for (;;) {
		uint8_t *copy = unit_guard_copy(json + at, piece);
		const uint8_t *p = copy, *end = copy + piece;

		do
			event = skim_run(&skim, &p, end);
		while (event != SKIM_MORE && event != SKIM_BAD && event != SKIM_DEEP);
		ck_assert(event != SKIM_MORE || p == end);
		ck_assert(event == SKIM_DEEP || skim.offset == at + (size_t)(p - copy));
		unit_guard_free(copy, piece);
		at += piece;
		if (event != SKIM_MORE)
			return false;
		if (at == size)
			return skim_finish(&skim);
		piece = step < size - at ? step : size - at;
	}
}

static void skim_check(const char *json, size_t size, bool good)
{
	static const enum skim_mode modes[] = {SKIM_CHECK, SKIM_WATCH, SKIM_STOP};
	size_t mode, first;

	for (mode = 0; mode < 3; mode++) {
		for (first = 0; first <= size; first++)
			ck_assert_msg(skim_verdict(modes[mode], json, size, first, size) == good,
				"%s cut at %zu", json, first);
		ck_assert_msg(skim_verdict(modes[mode], json, size, 1, 1) == good, "%s", json);
		ck_assert_msg(skim_verdict(modes[mode], json, size, 2, 3) == good, "%s", json);
		ck_assert_msg(skim_verdict(modes[mode], json, size, 17, 16) == good, "%s", json);
	}
}

START_TEST(test_rows)
{
	const struct skim_row *row = &skim_rows[_i];

	skim_check(row->json, strlen(row->json), row->good);
}
END_TEST

/* The same within wanted and unwanted members, after a string that shifts them through a block. */
START_TEST(test_rows_inside)
{
	static const char *const frames[][2] = {
		{"{\"pad\":\"%\",\"x\":", ",\"id\":0}"},
		{"[\"%\",", "]"},
		{"{\"pad\":\"%\",\"a\":{\"b\":[0,", "]}}"},
	};
	const struct skim_row *row = &skim_rows[_i];
	char json[512];
	size_t frame, pad;

	if (strchr(row->json, ',') != NULL || strspn(row->json, " \t\r\n]}") > 0)
		return; /* could be good there */
	if (strlen(row->json) == 0)
		return;
	for (frame = 0; frame < 3; frame++) {
		const char *head = frames[frame][0], *hole = strchr(head, '%');

		for (pad = 0; pad < 18; pad++) {
			(void)snprintf(json, sizeof(json), "%.*s%.*s%s%s%s", (int)(hole - head),
				head, (int)pad, "..................", hole + 1, row->json,
				frames[frame][1]);
			ck_assert_msg(
				skim_verdict(SKIM_WATCH, json, strlen(json), 1000, 1) == row->good,
				"%s", json);
			ck_assert_msg(
				skim_verdict(SKIM_WATCH, json, strlen(json), 0, 1) == row->good,
				"%s", json);
		}
	}
}
END_TEST

/* Each byte inside a string, at each place of a block. */
START_TEST(test_every_byte_in_strings)
{
	char json[64];
	int byte;
	size_t at;

	for (at = 0; at < 20; at++) {
		for (byte = 0; byte < 256; byte++) {
			memset(json, 'x', sizeof(json));
			json[0] = '"';
			json[1 + at] = (char)byte;
			json[40] = '"';
			ck_assert_msg(skim_verdict(SKIM_CHECK, json, 41, 100, 1) ==
					      (byte >= 0x20 && byte != '"' && byte != '\\'),
				"byte %d at %zu", byte, at);
		}
	}
}
END_TEST

/* Each byte after a backslash, at each place of a block, and at its seam. */
START_TEST(test_every_escape)
{
	char json[64];
	int byte;
	size_t at;

	for (at = 0; at < 20; at++) {
		for (byte = 0; byte < 256; byte++) {
			memset(json, 'a', sizeof(json)); /* so that \u is complete */
			json[0] = '"';
			json[1 + at] = '\\';
			json[2 + at] = (char)byte;
			json[40] = '"';
			ck_assert_int_eq(skim_verdict(SKIM_CHECK, json, 41, 100, 1),
				byte != 0 && strchr("\"\\/bfnrtu", byte) != NULL);
		}
	}
}
END_TEST

static char *skim_nested(char open, char close, size_t depth, size_t *size)
{
	char *json = malloc(10 * depth + 8), *at = json;
	size_t i;

	ck_assert_ptr_nonnull(json);
	for (i = 0; i < depth; i++) {
		*at++ = open;
		if (open == '{') {
			memcpy(at, "\"a\":", 4);
			at += 4;
		}
	}
	*at++ = '0';
	for (i = 0; i < depth; i++)
		*at++ = close;
	*size = (size_t)(at - json);
	return json;
}

START_TEST(test_depth)
{
	size_t size, depth, step;
	char *json;

	for (depth = SPLICE_DEPTH_MAX - 1; depth <= SPLICE_DEPTH_MAX + 1; depth++) {
		for (step = 1; step < 40; step += 37) {
			json = skim_nested('[', ']', depth, &size);
			ck_assert_int_eq(skim_verdict(SKIM_STOP, json, size, size, step),
				depth <= SPLICE_DEPTH_MAX);
			free(json);
			json = skim_nested('{', '}', depth, &size);
			ck_assert_int_eq(skim_verdict(SKIM_STOP, json, size, 1, step),
				depth <= SPLICE_DEPTH_MAX);
			json[size - 1] = ']';
			ck_assert(!skim_verdict(SKIM_STOP, json, size, 1, step));
			free(json);
		}
	}
}
END_TEST

/* Brackets that do not match are found at every depth, also across words of the stack. */
START_TEST(test_brackets)
{
	size_t depth, i;
	char json[300];

	for (depth = 1; depth < 140; depth++) {
		for (i = 0; i < depth; i++) {
			json[i] = '[';
			json[2 * depth - 1 - i] = ']';
		}
		ck_assert(skim_verdict(SKIM_CHECK, json, 2 * depth, 300, 1));
		json[depth + depth / 2] = '}';
		ck_assert(!skim_verdict(SKIM_CHECK, json, 2 * depth, 300, 1));
	}
}
END_TEST

/* What most messages are made of is read in one go; how far, where something else comes. */
static const struct {
	const char *json;
	const char *stop; /* from where it is read otherwise; NULL: it is read to its end */
} quick_rows[] = {
	{"{}", NULL},
	{"{\"id\":1,\"method\":\"m\",\"params\":{}}", NULL},
	{"{\"a\":{\"b\":[1,\"x\",null,true,false,{\"c\":-1}]},\"d\":\"e\"}", NULL},
	{"{\"a\":{\"b\":[0,7.5e3,[],{}]},\"d\":-1.5}", NULL},
	{"{\"x\":[[],{},[{}],[[1]]],\"y\":{\"z\":{}}}", NULL},
	{"{\"x\":123456789012345678901234567890,\"y\":-0,\"z\":10}", NULL},
	{"{\"x\": 1,\"y\":  \"v\",\"z\": null,\"v\": [ 1, 2]}", NULL},
	{"{\"x\":1, \"y\":2,\t\"z\":3}", NULL},
	{"{\"x\":\"a\\nb\\u00e9\",\"d\":\"\\\"\",\"y\":\"\\\\\"}", NULL},
	{"{\"x\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}", NULL},
	{"{\"x\":\"0123456789abcdef0123456789abcdef0123456789\\nabcdef0123456789\"}", NULL},
	{"{\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\":1}", NULL},
	{"{\"x\":1 ,\"y\":2}", " ,\"y\":2}"},
	{"{\"x\" :1}", "\"x\" :1}"},
	{"{\"x\\n\":1}", "\"x\\n\":1}"},
	{"{\"y\":1,\"x\\n\":1}", ",\"x\\n\":1}"},
	{"{ \"x\":1}", " \"x\":1}"},
	{"{\"x\":[1 ]}", " ]}"},
	{"{\"x\":nul}", "nul}"},
	{"{\"x\":01}", "1}"},
	{"{\"x\":1.}", "1.}"},
	{"{\"x\":+1}", "+1}"},
	{"{\"x\":\"\\q\"}", "\"\\q\"}"},
	{"{\"x\":\"\t\"}", "\"\t\"}"},
};

START_TEST(test_quick)
{
	static const size_t behind[] = {100, 0}; /* blanks, so that no look at the end is needed */
	const char *json = quick_rows[_i / 2].json, *stop = quick_rows[_i / 2].stop;
	char text[512];
	size_t size = (size_t)snprintf(text, sizeof text, "%s%*s", json, (int)behind[_i % 2], "");
	uint8_t *copy;
	const uint8_t *p;
	enum skim_event event;

	if (size < 32 && _i % 2 == 1)
		return; /* it wants a block */
	copy = unit_guard_copy(text, size);
	p = copy;
	skim_begin(&skim, SKIM_WATCH);
	event = skim_quick(&skim, &p, copy + size);
	if (stop == NULL) {
		ck_assert_int_eq(event, SKIM_ENVELOPE_END);
		ck_assert_uint_eq((size_t)(p - copy), strlen(json));
		ck_assert_int_eq(skim.state, SKIM_DONE);
	} else {
		ck_assert_int_eq(event, SKIM_MORE);
		ck_assert_str_eq(json + (p - copy), stop);
	}
	unit_guard_free(copy, size);
}
END_TEST

/*
 * A text so long that its escapes are read in blocks, and plain where they have passed, is decoded
 * like others: read whole where the scanner is quick and where white space makes it slow, and cut
 * anywhere.
 */
START_TEST(test_long_text_with_escapes)
{
	static const char *const before[] = {"{\"y\":", "{\"y\":\n"};
	char json[1024], expected[1024] = "";
	const struct envelope_value *value;
	size_t size, first;
	int slot, i;

	skim_teardown();
	skim_pointers = envelope_pointers_new("/trace");
	slot = pointers_add(skim_pointers, "/y", sizeof expected);
	ck_assert_int_eq(envelope_init(&skim_envelope, skim_pointers), 0);
	skim_init(&skim, skim_pointers, &skim_envelope);
	size = (size_t)snprintf(json, sizeof json, "%s\"", before[_i]);
	for (i = 0; i < 20; i++) {
		size += (size_t)snprintf(json + size, sizeof json - size, "a\\\\\\\"b\\n");
		strcat(expected, "a\\\"b\n");
	}
	for (i = 0; i < 20; i++) {
		size += (size_t)snprintf(json + size, sizeof json - size, "no escapes here ");
		strcat(expected, "no escapes here ");
	}
	size += (size_t)snprintf(json + size, sizeof json - size, "\"}");
	for (first = 0; first <= size; first++) {
		ck_assert(skim_verdict(SKIM_WATCH, json, size, first, size));
		value = envelope_value(&skim_envelope, slot);
		ck_assert_int_eq(value->type, JSON_STRING);
		ck_assert_uint_eq(value->size, strlen(expected));
		ck_assert_int_eq(memcmp(value->text, expected, value->size), 0);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("skim");

	unit_fixture(skim_setup, skim_teardown);
	tcase_add_loop_test(tc, test_rows, 0, (int)SKIM_ROWS);
	tcase_add_loop_test(tc, test_rows_inside, 0, (int)SKIM_ROWS);
	tcase_add_test(tc, test_every_byte_in_strings);
	tcase_add_test(tc, test_every_escape);
	tcase_add_test(tc, test_depth);
	tcase_add_test(tc, test_brackets);
	tcase_add_loop_test(tc, test_long_text_with_escapes, 0, 2);
	tcase_add_loop_test(tc, test_quick, 0, 2 * (int)(sizeof quick_rows / sizeof quick_rows[0]));
	return unit_run("skim", tc);
}

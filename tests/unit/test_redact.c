/* Messages without their contents. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/explain/redact.h"
#include "proxy/message/envelope.h"
#include "proxy/message/pointers.h"
#include "tests/unit/unit.h"

static struct pointers *pointers;

/* What a redacted text keeps: what envelopes have in any case, and a few of every kind. */
static void set_up(void)
{
	pointers = envelope_pointers_new("/trace");
	ck_assert_ptr_nonnull(pointers);
	ck_assert_int_ge(pointers_add(pointers, "/params/name", 8), 0);
	ck_assert_int_ge(pointers_add(pointers, "/params/delta", 0), 0);
	ck_assert_int_ge(pointers_add_word(pointers, "/params/command", 100), 0);
	ck_assert_int_ge(pointers_add_word(pointers, "/params/both", 100), 0);
	ck_assert_int_ge(pointers_add(pointers, "/params/both", 6), 0);
	ck_assert_int_ge(pointers_add(pointers, "/params/list/1", 100), 0);
	ck_assert_int_ge(pointers_add(pointers, "/params/turns/-/id", 100), 0);
	ck_assert_int_ge(pointers_add(pointers, "/params/a~1b", 100), 0);
}

static void tear_down(void)
{
	pointers_free(pointers);
}

/* Room for a redacted text. */
struct shown {
	char text[4096];
	size_t size;
};

static void show(void *arg, const char *bytes, size_t size)
{
	struct shown *shown = arg;

	ck_assert_uint_gt(size, 0);
	ck_assert_uint_le(shown->size + size, sizeof shown->text);
	if (bytes != NULL)
		memcpy(shown->text + shown->size, bytes, size);
	else
		memset(shown->text + shown->size, 'x', size);
	shown->size += size;
}

static const struct {
	const char *message;
	const char *redacted; /* NULL: it is no JSON */
} cases[] = {
	{"{\"id\":\"seven\",\"method\":\"a b\",\"jsonrpc\":\"2.0\"}",
		"{\"id\":\"seven\",\"method\":\"a b\",\"jsonrpc\":\"xxx\"}"},
	{" { \"params\" : {\t\"secret\":\"abc\" , "
	 "\"n\":-1.5e3,\"t\":true,\"f\":false,\"z\":null}}\r",
		" { \"params\" : {\t\"secret\":\"xxx\" , "
		"\"n\":-1.5e3,\"t\":true,\"f\":false,\"z\":null}}\r"},
	{"{\"method\":\"m\",\"params\":{\"method\":\"no\",\"id\":\"no\",\"deep\":{\"name\":\"no\"}}"
	 "}",
		"{\"method\":\"m\",\"params\":{\"method\":\"xx\",\"id\":\"xx\",\"deep\":{\"name\":"
		"\"xx\"}}}"},
	{"{\"error\":{\"code\":\"c\",\"message\":\"why\",\"data\":\"no\"}}",
		"{\"error\":{\"code\":\"c\",\"message\":\"why\",\"data\":\"xx\"}}"},
	{"{\"trace\":{\"traceparent\":\"00\",\"tracestate\":\"a=1\",\"baggage\":\"u=me\"}}",
		"{\"trace\":{\"traceparent\":\"00\",\"tracestate\":\"a=1\",\"baggage\":\"xxxx\"}}"},
	/* as much as is read, up to the end of a character */
	{"{\"params\":{\"name\":\"12345678\"}}", "{\"params\":{\"name\":\"12345678\"}}"},
	{"{\"params\":{\"name\":\"123456789\"}}", "{\"params\":{\"name\":\"12345678x\"}}"},
	{"{\"params\":{\"name\":\"1234567\xe2\x82\xac!\"}}",
		"{\"params\":{\"name\":\"1234567\xe2\x82\xacx\"}}"},
	{"{\"params\":{\"name\":\"\\n\\u20ac\\ud83d\\ude00abc\"}}",
		"{\"params\":{\"name\":\"\\n\\u20ac\\ud83d\\ude00xxx\"}}"},
	{"{\"params\":{\"name\":\"\\u0041\\u00e9123456\"}}",
		"{\"params\":{\"name\":\"\\u0041\\u00e912345x\"}}"},
	{"{\"params\":{\"delta\":\"a\\u00e9\\n\"}}", "{\"params\":{\"delta\":\"xxxxxxxxx\"}}"},
	{"{\"params\":{\"command\":\"rm -rf /\"}}", "{\"params\":{\"command\":\"rm xxxxx\"}}"},
	{"{\"params\":{\"both\":\"rm -rf /\"}}", "{\"params\":{\"both\":\"rm -rf /\"}}"},
	/* places in arrays, all of which may be the last */
	{"{\"params\":{\"list\":[\"a\",\"b\",\"c\",[\"d\"]]}}",
		"{\"params\":{\"list\":[\"x\",\"b\",\"x\",[\"x\"]]}}"},
	{"{\"params\":{\"turns\":[{\"id\":\"1\",\"x\":\"a\"},{\"id\":\"2\"}],\"list\":{\"1\":\"b\"}"
	 "}}",
		"{\"params\":{\"turns\":[{\"id\":\"1\",\"x\":\"x\"},{\"id\":\"2\"}],\"list\":{"
		"\"1\":\"b\"}}}"},
	{"[{\"id\":\"a\",\"x\":\"b\"},[{\"id\":\"c\"}],\"d\"]",
		"[{\"id\":\"a\",\"x\":\"x\"},[{\"id\":\"x\"}],\"x\"]"},
	/* names of members */
	{"{\"m\\u0065thod\":\"m\",\"params\":{\"a/b\":\"c\",\"a.b\":\"c\",\"/a\":1,\"\":2}}",
		"{\"m\\u0065thod\":\"m\",\"params\":{\"a/"
		"b\":\"c\",\"xxx\":\"x\",\"xx\":1,\"\":2}}"},
	{"{\"a-Z_0$\":{},\"a b\":[],\"\\u0061\":\"\"}",
		"{\"a-Z_0$\":{},\"xxx\":[],\"xxxxxx\":\"\"}"},
	{"\"text\"", "\"xxxx\""},
	{"12", "12"},
	{"{\"a\":\"b\"", NULL},
	{"{\"a\":\"b\"]", NULL},
	{"{\"a\":\"b\"}}", NULL},
	{"{\"a\":\"b\"}{}", NULL},
	{"{\"a\":\"b\",}", NULL},
	{"{\"a\" \"b\"}", NULL},
	{"{a:1}", NULL},
	{"{\"a\":b}", NULL},
	{"{\"a\":tru}", NULL},
	{"[1,]", NULL},
	{"[,]", NULL},
	{"[\"\\x\"]", NULL},
	{"[\"\\u12g4\"]", NULL},
	{"[\"\\u12", NULL},
	{"[\"a\nb\"]", NULL},
	{"[\"a", NULL},
	{"secret", NULL},
	{"  ", NULL},
	{"]", NULL},
};

START_TEST(test_case)
{
	const char *message = cases[_i].message;
	size_t size = strlen(message);
	uint8_t *copy = unit_guard_copy(message, size);
	struct shown shown = {.size = 0};
	bool is_json = redact_message(pointers, copy, size, show, &shown);

	ck_assert_int_eq(is_json, cases[_i].redacted != NULL);
	if (is_json) {
		shown.text[shown.size] = '\0';
		ck_assert_str_eq(shown.text, cases[_i].redacted);
		ck_assert_uint_eq(shown.size, size);
	}
	unit_guard_free(copy, size);
}
END_TEST

/* A message that was cut anywhere is read no further than to its end. */
START_TEST(test_every_cut)
{
	const char *message = cases[_i].message;
	size_t size;

	for (size = 0; size < strlen(message); size++) {
		uint8_t *copy = unit_guard_copy(message, size);
		struct shown shown = {.size = 0};

		(void)redact_message(pointers, copy, size, show, &shown);
		ck_assert_uint_le(shown.size, size);
		unit_guard_free(copy, size);
	}
}
END_TEST

START_TEST(test_names_of_any_length)
{
	static const size_t sizes[] = {REDACT_NAME_MAX, REDACT_NAME_MAX + 1, 255, 256, 1000};
	size_t i;

	for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		char message[1100];
		struct shown shown = {.size = 0};
		int size = snprintf(
			message, sizeof message, "{\"%0*d\":\"b\"}", (int)sizes[i], 0); /* fits */

		ck_assert(redact_message(
			pointers, (const uint8_t *)message, (size_t)size, show, &shown));
		ck_assert_int_eq(shown.text[2], sizes[i] <= REDACT_NAME_MAX ? '0' : 'x');
		ck_assert_uint_eq(shown.size, (size_t)size);
	}
}
END_TEST

START_TEST(test_depth)
{
	size_t depth;

	for (depth = REDACT_DEPTH_MAX; depth <= REDACT_DEPTH_MAX + 1; depth++) {
		char message[2 * REDACT_DEPTH_MAX + 2];
		struct shown shown = {.size = 0};

		memset(message, '[', depth);
		memset(message + depth, ']', depth);
		ck_assert_int_eq(
			redact_message(pointers, (const uint8_t *)message, 2 * depth, show, &shown),
			depth == REDACT_DEPTH_MAX);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("redact");
	const int count = sizeof cases / sizeof *cases;

	unit_fixture(set_up, tear_down);
	tcase_add_loop_test(tc, test_case, 0, count);
	tcase_add_loop_test(tc, test_every_cut, 0, count);
	tcase_add_test(tc, test_names_of_any_length);
	tcase_add_test(tc, test_depth);
	return unit_run("redact", tc);
}

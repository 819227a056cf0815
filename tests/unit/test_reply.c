/* The collector's answers: full and partial success, failures, and what is not JSON. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/otlp/reply.h"
#include "tests/unit/unit.h"

static const struct {
	const char *body;
	int result;
	uint64_t rejected;
	const char *message;
} reply_cases[] = {
	{"", 0, 0, ""},
	{" \r\n", 0, 0, ""},
	{"{}", 0, 0, ""},
	{"{\"partialSuccess\":{}}", 0, 0, ""},
	{"{\"partialSuccess\":null}", 0, 0, ""},
	{"{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"bad\"}}", 0, 3, "bad"},
	{"{\"partialSuccess\":{\"rejectedSpans\":3}}", 0, 3, ""},
	{"{\"partialSuccess\":{\"rejectedSpans\":\"0\",\"errorMessage\":\"slow\"}}", 0, 0, "slow"},
	{"{\"partialSuccess\":{\"errorMessage\":\"a\\u001b[1m\\nb\"}}", 0, 0,
		"a\xef\xbf\xbd[1m\xef\xbf\xbd"
		"b"},
	{"{\"partialSuccess\":{\"rejectedSpans\":\"-1\"}}", 0, 0, ""},
	{"{\"partialSuccess\":{\"rejectedSpans\":1.5}}", 0, 0, ""},
	{"{\"partialSuccess\":{\"rejectedSpans\":\"\"}}", 0, 0, ""},
	{"{\"partialSuccess\":{\"rejectedSpans\":\"99999999999999999999\"}}", 0, 0, ""},
	{"{\"partialSuccess\":{\"rejectedSpans\":true}}", 0, 0, ""},
	{"{\"partialSuccess\":{\"rejectedSpans\":[4]}}", 0, 0, ""},
	{"{\"partialSuccess\":{\"x\":{\"rejectedSpans\":4},\"rejectedSpans\":5}}", 0, 5, ""},
	{"{\"partialSuccess\":[{\"rejectedSpans\":4}]}", 0, 0, ""},
	{"{\"rejectedSpans\":4,\"errorMessage\":\"x\"}", 0, 0, ""},
	{"{\"x\":{\"partialSuccess\":{\"rejectedSpans\":4}}}", 0, 0, ""},
	{"{\"x\":[[]],\"partialSuccess\":{\"rejectedSpans\":6},\"y\":{\"rejectedSpans\":7}}", 0, 6,
		""},
	{"{\"partialSuccess\":{\"rejectedSpans\":6},\"rejectedSpans\":7}", 0, 6, ""},
	{"{\"code\":3,\"message\":\"no such field\",\"details\":[{\"message\":\"x\"}]}", 0, 0,
		"no such field"},
	{"[]", -1, 0, ""},
	{"\"ok\"", -1, 0, ""},
	{"1", -1, 0, ""},
	{"null", -1, 0, ""},
	{"OK", -1, 0, ""},
	{"<html>", -1, 0, ""},
	{"{\"partialSuccess\":{\"rejectedSpans\":3}", -1, 0, ""},
	{"{\"partialSuccess\":{\"rejectedSpans\":3}}}", -1, 0, ""},
	{"{\"message\":\"\xff\"}", 0, 0, "\xef\xbf\xbd"},
	{"{\"message\":\"\\u00e9\\u20ac\\ud83d\\ude00\\ud83d\\udE0\"}", -1, 0, ""},
	{"{\"message\":\"\\u00e9\\u20ac\\ud83d\\ude00\"}", 0, 0,
		"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
	{"{\"message\":\"\\ud83dx\\ude00\\ud83d\\ud83d\\/\\\"\\\\\"}", 0, 0,
		"\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd/\"\\"},
	{"{\"mess\\u0061ge\":\"x\",\"\\t\":1}", 0, 0, "x"},
	{"{\"message\":\"x\",\"message\":\"y\"}", 0, 0, "y"},
	{"{\"message\":\"a\tb\"}", -1, 0, ""},
	{"{\"message\":\"\\x\"}", -1, 0, ""},
	{"{\"message\" : \"x\" , \"a\" : [ 1 , { } , [ ] ] }\r\n", 0, 0, "x"},
	{"{\"a\":-0.5e+7,\"b\":0,\"c\":1E-1,\"d\":true,\"e\":false,\"f\":null}", 0, 0, ""},
	{"{\"a\":nil}", -1, 0, ""},
	{"{\"a\":x}", -1, 0, ""},
	{"{\"a\":1,}", -1, 0, ""},
	{"{,\"a\":1}", -1, 0, ""},
	{"{\"a\":[1,]}", -1, 0, ""},
	{"{\"a\":[,1]}", -1, 0, ""},
	{"{\"a\":[1 2]}", -1, 0, ""},
	{"{\"a\":[1}]", -1, 0, ""},
	{"{\"a\" 1}", -1, 0, ""},
	{"{\"a\":}", -1, 0, ""},
	{"{a:1}", -1, 0, ""},
	{"{} {}", -1, 0, ""},
	{"{}x", -1, 0, ""},
	{"\x1f\x8b\b", -1, 0, ""},
};

START_TEST(test_replies)
{
	size_t size = strlen(reply_cases[_i].body);
	uint8_t *copy = unit_guard_copy(reply_cases[_i].body, size);
	struct reply reply;

	ck_assert_int_eq(reply_parse(&reply, (char *)copy, size), reply_cases[_i].result);
	ck_assert_uint_eq(reply.rejected_spans, reply_cases[_i].rejected);
	ck_assert_str_eq(reply.message, reply_cases[_i].message);
	unit_guard_free(copy, size);
}
END_TEST

/* No part of an answer is taken for a whole one. */
START_TEST(test_cut_short)
{
	static const char body[] = "{\"partialSuccess\":{\"rejectedSpans\":\"3\"}}";
	struct reply reply;
	size_t size;

	for (size = 1; size < sizeof body - 1; size++) {
		ck_assert_int_eq(reply_parse(&reply, body, size), -1);
		ck_assert_uint_eq(reply.rejected_spans, 0);
	}
	ck_assert_int_eq(reply_parse(&reply, body, size), 0);
}
END_TEST

START_TEST(test_long_message)
{
	static const char head[] = "{\"message\":\"", tail[] = "\"}";
	size_t size = 100000;
	char *body = malloc(size);
	struct reply reply;

	memset(body, 'm', size);
	memcpy(body, head, sizeof head - 1);
	memcpy(body + size - sizeof tail + 1, tail, sizeof tail - 1);
	ck_assert_int_eq(reply_parse(&reply, body, size), 0);
	ck_assert_uint_eq(strspn(reply.message, "m"), 200);
	ck_assert_str_eq(reply.message + 200, "\xe2\x80\xa6");
	free(body);
}
END_TEST

START_TEST(test_deep)
{
	size_t depth = 200000;
	char *body = malloc(depth);
	struct reply reply;

	memset(body, '[', depth);
	memcpy(body, "{\"x\":", 5);
	ck_assert_int_eq(reply_parse(&reply, body, depth), -1);
	free(body);
}
END_TEST

/* The deepest that is looked into, and one more. */
START_TEST(test_depth)
{
	char body[512];
	struct reply reply;
	int depth = 64 + _i;

	(void)snprintf(body, sizeof body, "{\"x\":%.*s0%.*s}", depth - 1,
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", depth - 1,
		"]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
	ck_assert_int_eq(reply_parse(&reply, body, strlen(body)), _i == 0 ? 0 : -1);
}
END_TEST

/* Without memory the count is there all the same; only the words are lost. */
START_TEST(test_no_memory)
{
	static const char body[] =
		"{\"partialSuccess\":{\"rejectedSpans\":\"\\u0033\",\"errorMessage\":\"x\"}}";
	struct reply reply;
	int result;

	unit_alloc_fail_after(0);
	result = reply_parse(&reply, body, sizeof body - 1);
	unit_alloc_fail_never();
	ck_assert_int_eq(result, 0);
	ck_assert_uint_eq(reply.rejected_spans, 3);
	ck_assert_str_eq(reply.message, "");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("reply");

	tcase_add_loop_test(tc, test_replies, 0, sizeof reply_cases / sizeof *reply_cases);
	tcase_add_test(tc, test_cut_short);
	tcase_add_test(tc, test_long_message);
	tcase_add_test(tc, test_deep);
	tcase_add_loop_test(tc, test_depth, 0, 2);
	tcase_add_test(tc, test_no_memory);
	return unit_run("reply", tc);
}

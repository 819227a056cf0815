/*
 * JSON texts one after the other: where each ends, cut anywhere, and what may stand between them.
 */
#include <stdlib.h>

#include "tests/unit/side_case.h"

#define BYTES(text) text, sizeof(text) - 1

static const struct {
	const char *bytes;
	size_t size;
	const char *said;
} streams[] = {
	{BYTES(""), ""},
	{BYTES("{}"), "[{}]"},
	{BYTES("{}{}[]"), "[{}][{}][[]]"},
	{BYTES("{\"a\":{\"b\":[1,{}]}}[[],[]]"), "[{\"a\":{\"b\":[1,{}]}}][[[],[]]]"},
	{BYTES("{\"}\":\"]\"}{}"), "[{\"}\":\"]\"}][{}]"},
	{BYTES("{\"\\\"}\":\"\\\\\"}{}"), "[{\"\\\"}\":\"\\\\\"}][{}]"},
	{BYTES("[\"\\u0022]\"][]"), "[[\"\\u0022]\"]][[]]"},
	{BYTES(" \t\r\n{} \n[]\n"), "_ _\t_\r_\n[{}]_ _\n[[]]_\n"},
	{BYTES("[\n{ }\t]"), "[[\n{ }\t]]"},
	{BYTES("{]}{}"), "[{]]!neither an object nor an array@2"}, /* any bracket closes */
	{BYTES("{"), "[{?"},
	{BYTES("{\"a\":\"}"), "[{\"a\":\"}?"},
	{BYTES("{}x{}"), "[{}]!neither an object nor an array@2"},
	{BYTES("5 {}"), "!neither an object nor an array@0"},
	{BYTES(" }"), "_ !neither an object nor an array@1"},
	{BYTES("{}\0{}"), "[{}]!neither an object nor an array@2"},
	{BYTES("\xef\xbb\xbf{}"), "!neither an object nor an array@0"},
};

START_TEST(test_streams)
{
	const char *bytes = streams[_i].bytes, *fault = strrchr(streams[_i].said, '@');
	char written[256];
	size_t good = fault != NULL ? strtoul(fault + 1, NULL, 10) : streams[_i].size;

	memcpy(written, bytes, good);
	written[good] = '\0';
	side_case_check(&side_concat, bytes, streams[_i].size, streams[_i].said, written);
}
END_TEST

/* What comes from another side may be a number: its end must be seen. */
START_TEST(test_foreign)
{
	uint8_t window[SINK_SIZE_MIN];
	struct side_case made = {.ops = &side_concat};
	struct sink sink = {
		.bytes = window, .size = sizeof window, .flush = side_case_flush, .arg = &made};

	side_encoder_init(&made.encoder, &side_concat, SIDE_FROM_CLIENT, NULL, true);
	side_concat.data(&made.encoder, &sink, (const uint8_t *)"1", 1);
	side_concat.end(&made.encoder, &sink, true);
	side_concat.data(&made.encoder, &sink, (const uint8_t *)"{}", 2);
	side_concat.end(&made.encoder, &sink, false);
	side_case_flush(&sink, &made);
	ck_assert_str_eq(made.written, "1\n{}");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("concat");

	tcase_add_loop_test(tc, test_streams, 0, sizeof streams / sizeof streams[0]);
	tcase_add_test(tc, test_foreign);
	return unit_run("concat", tc);
}

/*
 * Messages behind Content-Length heads: what such a head may be, cut anywhere, and how we write it.
 */
#include "tests/unit/side_case.h"

#define BYTES(text) text, sizeof(text) - 1
#define CL(number)  "Content-Length: " number "\r\n\r\n"
#define TYPE(value) "Content-Type: " value "\r\n"

static const struct {
	const char *bytes;
	size_t size;
	const char *said;
	const char *written; /* NULL: as it came */
} streams[] = {
	{BYTES(""), "", NULL},
	{BYTES(CL("2") "{}"), "[{}]", NULL},
	{BYTES(CL("2") "{}" CL("7") "{\"a\":1}"), "[{}][{\"a\":1}]", NULL},
	{BYTES(CL("0") CL("1") "1"), "[][1]", NULL},
	{BYTES(CL("11") "{}\r\n\r\n\n\"\xc3\xa4\""), "[{}\r\n\r\n\n\"\xc3\xa4\"]", NULL},
	{BYTES(CL("16") CL("00") "x"), "[Content-Length: ]!something else in place of a head@38",
		CL("16") "Content-Length: "},
	{BYTES(CL("5") "{}"), "[{}?", CL("5") "{}"},
	{BYTES(CL("5")), "?", ""},
	{BYTES("Content-Length: 5\r\n\r"), "", ""},
	/* in any order, case and space, with other fields, without the CR */
	{BYTES("content-length:2\r\n\r\n{}"), "[{}]", CL("2") "{}"},
	{BYTES("CONTENT-LENGTH: \t 2 \t\r\n\r\n{}"), "[{}]", CL("2") "{}"},
	{BYTES("Content-Length: 002\r\n\r\n{}"), "[{}]", CL("2") "{}"},
	{BYTES("Content-Length: 00\r\n\r\n"), "[]", CL("0")},
	{BYTES("Content-Length: 2\n\n{}"), "[{}]", CL("2") "{}"},
	{BYTES(TYPE("application/vscode-jsonrpc; charset=utf-8") CL("2") "{}"), "[{}]",
		CL("2") "{}"},
	{BYTES("Content-Length: 2\r\n" TYPE("x") "\r\n{}"), "[{}]", CL("2") "{}"},
	{BYTES(TYPE("a; CharSet=\"UTF8\" ; b=c") CL("2") "{}"), "[{}]", CL("2") "{}"},
	{BYTES(TYPE("") "X:\r\nContent-Lengthy: 9\r\nContent-Lengt: 9\r\n" CL("2") "{}"), "[{}]",
		CL("2") "{}"},
	/* and what it may not be */
	{BYTES("\r\n{}"), "!a head without Content-Length@0", ""},
	{BYTES("\n{}"), "!a head without Content-Length@0", ""},
	{BYTES(TYPE("x") "\r\n"), "!a head without Content-Length@0", ""},
	{BYTES("{}"), "!something else in place of a head@0", ""},
	{BYTES(CL("2") "{}\n"), "[{}]!a head without Content-Length@23", CL("2") "{}"},
	{BYTES(CL("2") "{} "), "[{}]!something else in place of a head@23", CL("2") "{}"},
	{BYTES("Content-Length : 2\r\n\r\n"), "!something else in place of a head@0", ""},
	{BYTES("Content-Length\r\n\r\n"), "!something else in place of a head@0", ""},
	{BYTES(": 2\r\n\r\n"), "!a field without a name@0", ""},
	{BYTES("Content-Length: \r\n\r\n"), "!Content-Length has no number@0", ""},
	{BYTES("Content-Length: -1\r\n\r\n"), "!Content-Length is not a number@0", ""},
	{BYTES("Content-Length: +1\r\n\r\n"), "!Content-Length is not a number@0", ""},
	{BYTES("Content-Length: 0x1\r\n\r\n"), "!Content-Length is not a number@0", ""},
	{BYTES("Content-Length: 1 1\r\n\r\n"), "!Content-Length is not a number@0", ""},
	{BYTES("Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
		"!more than one Content-Length@0", ""},
	{BYTES("Content-Length: 2\rX"), "!a CR without its LF@0", ""},
	{BYTES("Content-Length: 2\r\n\rX"), "!a CR without its LF@0", ""},
	{BYTES("Content-Length: 1000000000000000000\r\n\r\n"), "!Content-Length is too large@0",
		""},
	{BYTES(TYPE("a; charset=utf-16") CL("2") "{}"),
		"!the charset of Content-Type is not UTF-8@0", ""},
	{BYTES(TYPE("a; charset=utf-8x") CL("2") "{}"),
		"!the charset of Content-Type is not UTF-8@0", ""},
	{BYTES(TYPE("a; charset=utf-8-and-more") CL("2") "{}"),
		"!the charset of Content-Type is not UTF-8@0", ""},
};

START_TEST(test_streams)
{
	side_case_check(&side_length, streams[_i].bytes, streams[_i].size, streams[_i].said,
		streams[_i].written != NULL ? streams[_i].written : streams[_i].bytes);
}
END_TEST

/* A head of 4096 bytes is the longest, however it comes. */
START_TEST(test_head_limit)
{
	enum { MAX = 4096 };
	static char bytes[MAX + 3];
	size_t end = sizeof CL("2") - 1, size = (size_t)MAX + (size_t)_i;
	struct side_case made;

	memset(bytes, 'x', sizeof bytes);
	bytes[1] = ':';
	bytes[size - end - 1] = '\n';
	memcpy(bytes + size - end, CL("2"), end);
	memcpy(bytes + size, "{}", 2);
	side_case_run(&made, &side_length, false, bytes, size + 2, 1000, 1000);
	ck_assert_str_eq(made.said, _i <= 0 ? "[{}]" : "!the head is too long@0");
	side_case_run(&made, &side_length, false, bytes, size + 2, size + 2, 1);
	ck_assert_str_eq(made.said, _i <= 0 ? "[{}]" : "!the head is too long@0");
}
END_TEST

/* Sizes beyond 32 bits are read and written; a frame that goes on has no head of its own. */
START_TEST(test_large)
{
	struct side_frame frame = {.text = true, .first = true, .size = 999999999999999999u};
	char text[] = "Content-Length: 999999999999999999\r\n\r\n{";
	uint8_t window[SINK_SIZE_MIN], *bytes = (uint8_t *)text;
	struct side_case made = {.ops = &side_length};
	struct sink sink = {
		.bytes = window, .size = sizeof window, .flush = side_case_flush, .arg = &made};
	struct side_chunk chunk;
	size_t size = sizeof text - 1;

	side_decoder_init(&made.decoder, &side_length, SIDE_FROM_SERVER);
	ck_assert_int_eq(side_length.next(&made.decoder, &bytes, &size, &chunk), SIDE_DATA);
	ck_assert_uint_eq(chunk.frame.size, frame.size);
	ck_assert_uint_eq(made.decoder.frame_left, frame.size - 1);
	ck_assert(chunk.first && !chunk.last && chunk.size == 1 && chunk.frame_first);
	ck_assert_uint_eq(chunk.wire_size, sizeof text - 1);
	side_length.begin(&made.encoder, &sink, &frame);
	frame.first = false;
	side_length.begin(&made.encoder, &sink, &frame);
	side_length.data(&made.encoder, &sink, (const uint8_t *)"{", 1);
	side_length.end(&made.encoder, &sink, true);
	side_case_flush(&sink, &made);
	ck_assert_str_eq(made.written, text);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("length");

	tcase_add_loop_test(tc, test_streams, 0, sizeof streams / sizeof streams[0]);
	tcase_add_loop_test(tc, test_head_limit, -1, 2);
	tcase_add_test(tc, test_large);
	return unit_run("length", tc);
}

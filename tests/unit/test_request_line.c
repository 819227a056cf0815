/* Request lines of HTTP and what only looks like them: whole, cut anywhere, byte by byte. */
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/side/request_line.h"
#include "tests/unit/unit.h"

#define IS     REQUEST_LINE_IS
#define IS_NOT REQUEST_LINE_IS_NOT

static const struct {
	const char *text;
	size_t settled; /* by how many bytes */
	enum request_line_verdict verdict;
} rows[] = {
	{"GET / HTTP/1.1\r\nHost: x\r\n", 12, IS},
	{"POST /rpc?a=b%20c HTTP/1.0\r\n", 24, IS},
	{"OPTIONS * HTTP/1.1\r\n", 16, IS},
	{"CONNECT 127.0.0.1:4501 HTTP/1.1", 29, IS},
	{"GET http://127.0.0.1/ HTTP/1.1", 28, IS},
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 12, IS}, /* RFC 9113, 3.4 */
	{"X / HTTP/9", 10, IS},
	{"X / HTTP/0", 10, IS},
	{"X / HTTP/:", 10, IS_NOT},
	{"X / HTTP//", 10, IS_NOT},
	{"m-search.2~!#$%&'*+^_`| * HTTP/1.1", 32, IS},
	{"GET\t \t/ \t HTTP/1", 16, IS},
	{"GET \xc3\xa9\xff HTTP/1.1", 14, IS},
	{"\r\n\nGET / HTTP/1.1", 15, IS}, /* RFC 9112, 2.2 */
	/* JSON: its first byte */
	{"{\"id\":1}\n", 1, IS_NOT},
	{"[1]\n", 1, IS_NOT},
	{" {\"id\":1}\n", 1, IS_NOT},
	{"\t{}\n", 1, IS_NOT},
	{"\"text\"\n", 1, IS_NOT},
	{"\r\n\n{}", 4, IS_NOT},
	{"\r\n\t{}", 3, IS_NOT},
	/* JSON that begins as a token does */
	{"true\n", 5, IS_NOT},
	{"-1.5e+3\n", 8, IS_NOT},
	{"null {}\n", 8, IS_NOT},
	/* other things */
	{"Content-Length: 5\r\n", 15, IS_NOT},
	{"hello world\n", 12, IS_NOT},
	{"hello world again\n", 13, IS_NOT},
	{"GET / HTML/1.1", 9, IS_NOT},
	{"GET / http/1.1", 7, IS_NOT},
	{"GET / HTTP/x", 12, IS_NOT},
	{"GET / HTTP /", 11, IS_NOT},
	{"GET /\r\n", 6, IS_NOT}, /* HTTP/0.9: nobody speaks it */
	{"GET /a\x7fz", 7, IS_NOT},
	{"G\xc3\xa9T / HTTP/1.1", 2, IS_NOT},
	{"GET(", 4, IS_NOT},
	{"\x16\x03\x01", 1, IS_NOT}, /* TLS */
	{"", 0, REQUEST_LINE_MORE},
	{"\r\n\n", 3, REQUEST_LINE_MORE},
	{"GET", 3, REQUEST_LINE_MORE},
	{"GET ", 4, REQUEST_LINE_MORE},
	{"GET /", 5, REQUEST_LINE_MORE},
	{"GET / HTTP/", 11, REQUEST_LINE_MORE},
};

/* It is settled by that byte and by no earlier one. */
START_TEST(test_byte_by_byte)
{
	struct request_line line = {0};
	size_t i, size = strlen(rows[_i].text);

	for (i = 0; i < rows[_i].settled; i++) {
		enum request_line_verdict verdict =
			request_line_feed(&line, (const uint8_t *)rows[_i].text + i, 1);

		ck_assert_msg(verdict == (i + 1 < rows[_i].settled ? REQUEST_LINE_MORE
								   : rows[_i].verdict),
			"byte %zu of %zu", i, size);
	}
}
END_TEST

START_TEST(test_every_cut)
{
	size_t size = strlen(rows[_i].text), cut;

	for (cut = 0; cut <= size; cut++) {
		struct request_line line = {0};
		uint8_t *first = unit_guard_copy(rows[_i].text, cut);
		uint8_t *second = unit_guard_copy(rows[_i].text + cut, size - cut);
		enum request_line_verdict verdict = request_line_feed(&line, first, cut);

		if (cut >= rows[_i].settled)
			ck_assert_int_eq(verdict, rows[_i].verdict);
		else
			ck_assert_int_eq(verdict, REQUEST_LINE_MORE);
		if (verdict == REQUEST_LINE_MORE)
			ck_assert_int_eq(
				request_line_feed(&line, second, size - cut), rows[_i].verdict);
		unit_guard_free(first, cut);
		unit_guard_free(second, size - cut);
	}
}
END_TEST

/* Every byte in a method, in a target, and where the version's digit stands. */
START_TEST(test_every_byte)
{
	static const char *const before[] = {"G", "G /", "G / HTTP/"};
	uint8_t byte = (uint8_t)_i;
	bool is_blank = byte == ' ' || byte == '\t', may[3];
	int i;

	may[0] = isalnum(byte) || is_blank ||
		 (byte != '\0' && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
	may[1] = (byte > ' ' && byte != 0x7f) || is_blank;
	may[2] = isdigit(byte);
	for (i = 0; i < 3; i++) {
		struct request_line line = {0};

		ck_assert_int_eq(
			request_line_feed(&line, (const uint8_t *)before[i], strlen(before[i])),
			REQUEST_LINE_MORE);
		ck_assert_int_eq(request_line_feed(&line, &byte, 1), !may[i] ? REQUEST_LINE_IS_NOT
								     : i < 2 ? REQUEST_LINE_MORE
									     : REQUEST_LINE_IS);
	}
}
END_TEST

/* A word that is too long to be a method. */
START_TEST(test_long_word)
{
	struct request_line line = {0};
	uint8_t bytes[REQUEST_LINE_METHOD_MAX + 1];

	memset(bytes, 'a', sizeof bytes);
	ck_assert_int_eq(
		request_line_feed(&line, bytes, REQUEST_LINE_METHOD_MAX), REQUEST_LINE_MORE);
	ck_assert_int_eq(request_line_feed(&line, bytes, 1), REQUEST_LINE_IS_NOT);
	line = (struct request_line){0};
	ck_assert_int_eq(request_line_feed(&line, bytes, sizeof bytes), REQUEST_LINE_IS_NOT);
}
END_TEST

/* One that does not end is one; nothing is kept of it without a limit. */
START_TEST(test_endless)
{
	struct request_line line = {0};
	uint8_t *bytes = malloc(REQUEST_LINE_MAX + 1);

	ck_assert_ptr_nonnull(bytes);
	memset(bytes, 'a', REQUEST_LINE_MAX + 1);
	memcpy(bytes, "GET /", 5);
	ck_assert_int_eq(request_line_feed(&line, bytes, REQUEST_LINE_MAX), REQUEST_LINE_MORE);
	ck_assert_int_eq(request_line_feed(&line, bytes + REQUEST_LINE_MAX, 1), REQUEST_LINE_IS);
	line = (struct request_line){0};
	ck_assert_int_eq(request_line_feed(&line, bytes, REQUEST_LINE_MAX + 1), REQUEST_LINE_IS);
	free(bytes);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("request_line");

	tcase_add_loop_test(tc, test_byte_by_byte, 0, sizeof rows / sizeof rows[0]);
	tcase_add_loop_test(tc, test_every_cut, 0, sizeof rows / sizeof rows[0]);
	tcase_add_loop_test(tc, test_every_byte, 0, 256);
	tcase_add_test(tc, test_long_word);
	tcase_add_test(tc, test_endless);
	return unit_run("request_line", tc);
}

/*
 * Where bodies end: by the head, and by chunks, which come whole, in two pieces and byte by byte.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proxy/side/http_body.h"
#include "tests/unit/unit.h"

static struct http_head test_head;

static void test_parse(bool request, char text[512], const char *lines)
{
	struct http_scan scan = {0};
	int size = snprintf(text, 512, "%s\r\n", lines);

	ck_assert_int_lt(size, 512);
	memset(&test_head, 0xa5, sizeof test_head); /* whatever was there before */
	ck_assert_int_eq(request ? http_request_parse(&test_head, &scan, text, (size_t)size)
				 : http_response_parse(&test_head, &scan, text, (size_t)size),
		HTTP_DONE);
}

/* ---- requests ---- */

#define TEST_POST    "POST / HTTP/1.1\r\n"
#define TEST_CHUNKED "Transfer-Encoding: chunked\r\n"

static const struct {
	const char *head;
	enum http_body_state state; /* HTTP_BODY_BAD: refused */
	uint64_t left;
	const char *reason;
} test_requests[] = {
	{TEST_POST, HTTP_BODY_DONE, 0, NULL},
	{TEST_POST "Content-Length: 0\r\n", HTTP_BODY_DONE, 0, NULL},
	{TEST_POST "Content-Length: 5\r\n", HTTP_BODY_SIZED, 5, NULL},
	{TEST_POST "content-length:\t0012 \r\n", HTTP_BODY_SIZED, 12, NULL},
	{"GET / HTTP/1.0\r\nContent-Length: 7\r\n", HTTP_BODY_SIZED, 7, NULL},
	{TEST_POST "Content-Length: 922337203685477579\r\n", HTTP_BODY_SIZED, 922337203685477579,
		NULL},
	{TEST_POST "Content-Length: 99999999999999999999\r\n", HTTP_BODY_BAD, 0,
		"bad Content-Length"},
	{TEST_POST "Content-Length: 18446744073709551616\r\n", HTTP_BODY_BAD, 0,
		"bad Content-Length"},
	{TEST_POST "Content-Length:\r\n", HTTP_BODY_BAD, 0, "bad Content-Length"},
	{TEST_POST "Content-Length: -1\r\n", HTTP_BODY_BAD, 0, "bad Content-Length"},
	{TEST_POST "Content-Length: +1\r\n", HTTP_BODY_BAD, 0, "bad Content-Length"},
	{TEST_POST "Content-Length: 1 2\r\n", HTTP_BODY_BAD, 0, "bad Content-Length"},
	{TEST_POST "Content-Length: 0x5\r\n", HTTP_BODY_BAD, 0, "bad Content-Length"},
	{TEST_POST "Content-Length: 5,5\r\n", HTTP_BODY_BAD, 0, "bad Content-Length"},
	{TEST_POST "Content-Length: 5\r\nContent-Length: 5\r\n", HTTP_BODY_BAD, 0,
		"bad Content-Length"},
	{TEST_POST "Content-Length: 0\r\nContent-Length: 5\r\n", HTTP_BODY_BAD, 0,
		"bad Content-Length"},
	{TEST_POST TEST_CHUNKED, HTTP_BODY_CHUNKED, 0, NULL},
	{TEST_POST "transfer-encoding: gzip ,\tCHUNKED\r\n", HTTP_BODY_CHUNKED, 0, NULL},
	{TEST_POST "Transfer-Encoding: gzip\r\n" TEST_CHUNKED, HTTP_BODY_CHUNKED, 0, NULL},
	{TEST_POST "Transfer-Encoding: gzip\r\n", HTTP_BODY_BAD, 0,
		"Transfer-Encoding does not end with chunked"},
	{TEST_POST "Transfer-Encoding:\r\n", HTTP_BODY_BAD, 0,
		"Transfer-Encoding does not end with chunked"},
	{TEST_POST "Transfer-Encoding: chunked, gzip\r\n", HTTP_BODY_BAD, 0,
		"Transfer-Encoding does not end with chunked"},
	{TEST_POST TEST_CHUNKED TEST_CHUNKED, HTTP_BODY_BAD, 0,
		"Transfer-Encoding does not end with chunked"},
	{TEST_POST "Transfer-Encoding: ,chunked\r\n", HTTP_BODY_BAD, 0,
		"Transfer-Encoding does not end with chunked"},
	{TEST_POST "Transfer-Encoding: chunked, \r\n", HTTP_BODY_BAD, 0,
		"Transfer-Encoding does not end with chunked"},
	{TEST_POST "Transfer-Encoding:\r\n" TEST_CHUNKED, HTTP_BODY_BAD, 0,
		"Transfer-Encoding does not end with chunked"},
	{TEST_POST "Transfer-Encoding: x\ty, chunked\r\n", HTTP_BODY_BAD, 0,
		"Transfer-Encoding does not end with chunked"},
	{TEST_POST "Transfer-Encoding: \xc3, chunked\r\n", HTTP_BODY_BAD, 0,
		"Transfer-Encoding does not end with chunked"},
	{TEST_POST "Transfer-Encoding: xchunked\r\n", HTTP_BODY_BAD, 0,
		"Transfer-Encoding does not end with chunked"},
	{TEST_POST "Transfer-Encoding: chunked;q=1\r\n", HTTP_BODY_BAD, 0,
		"Transfer-Encoding does not end with chunked"},
	{TEST_POST "Transfer-Encoding: \"chunked\"\r\n", HTTP_BODY_BAD, 0,
		"Transfer-Encoding does not end with chunked"},
	{TEST_POST "Content-Length: 5\r\n" TEST_CHUNKED, HTTP_BODY_BAD, 0,
		"both Transfer-Encoding and Content-Length"},
	{TEST_POST "Transfer-Encoding: identity\r\nContent-Length: 5\r\n", HTTP_BODY_BAD, 0,
		"both Transfer-Encoding and Content-Length"},
	{"POST / HTTP/1.0\r\n" TEST_CHUNKED, HTTP_BODY_BAD, 0, "Transfer-Encoding in HTTP/1.0"},
};

START_TEST(test_body_of_request)
{
	struct http_body body;
	enum http_result result;
	char text[512];

	test_parse(true, text, test_requests[_i].head);
	result = http_body_of_request(&body, &test_head);
	ck_assert_pstr_eq(test_head.bad_reason, test_requests[_i].reason);
	if (test_requests[_i].state == HTTP_BODY_BAD) {
		ck_assert_int_eq(result, HTTP_BAD);
		ck_assert_uint_eq(test_head.bad_status, 400);
		return;
	}
	ck_assert_int_eq(result, HTTP_DONE);
	ck_assert_int_eq(body.state, test_requests[_i].state);
	ck_assert_uint_eq(body.left, test_requests[_i].left);
}
END_TEST

/* ---- answers ---- */

#define TEST_OK "HTTP/1.1 200 OK\r\n"

static const struct {
	const char *head;
	bool to_head;
	enum http_body_state state;
	uint64_t left;
} test_responses[] = {
	{TEST_OK, false, HTTP_BODY_TO_END, 0},
	{TEST_OK "Content-Length: 0\r\n", false, HTTP_BODY_DONE, 0},
	{TEST_OK "Content-Length: 9\r\n", false, HTTP_BODY_SIZED, 9},
	{TEST_OK "Content-Length: 9\r\n", true, HTTP_BODY_DONE, 0},
	{TEST_OK TEST_CHUNKED, true, HTTP_BODY_DONE, 0},
	{"HTTP/1.1 100 Continue\r\nContent-Length: 9\r\n", false, HTTP_BODY_DONE, 0},
	{"HTTP/1.1 103 Hints\r\n", false, HTTP_BODY_DONE, 0},
	{"HTTP/1.1 204 None\r\nContent-Length: 9\r\n", false, HTTP_BODY_DONE, 0},
	{"HTTP/1.1 204 None\r\n" TEST_CHUNKED, false, HTTP_BODY_DONE, 0},
	{"HTTP/1.1 304 Same\r\nContent-Length: 100\r\n", false, HTTP_BODY_DONE, 0},
	{"HTTP/1.1 304 Same\r\nContent-Length: 1\r\nContent-Length: 2\r\n", false, HTTP_BODY_DONE,
		0},
	{"HTTP/1.1 205 Reset\r\nContent-Length: 2\r\n", false, HTTP_BODY_SIZED, 2},
	{TEST_OK TEST_CHUNKED, false, HTTP_BODY_CHUNKED, 0},
	{TEST_OK "Transfer-Encoding: gzip, chunked\r\n", false, HTTP_BODY_CHUNKED, 0},
	{TEST_OK "Content-Length: 9\r\n" TEST_CHUNKED, false, HTTP_BODY_BAD, 0},
	{TEST_OK "Transfer-Encoding: gzip\r\n", false, HTTP_BODY_BAD, 0},
	{TEST_OK "Transfer-Encoding: gzip\r\nContent-Length: 9\r\n", false, HTTP_BODY_BAD, 0},
	{TEST_OK "Transfer-Encoding: chunked, gzip\r\n", false, HTTP_BODY_BAD, 0},
	{TEST_OK TEST_CHUNKED TEST_CHUNKED, false, HTTP_BODY_BAD, 0},
	{"HTTP/1.0 200 OK\r\n" TEST_CHUNKED, false, HTTP_BODY_BAD, 0},
	{"HTTP/1.0 200 OK\r\n", false, HTTP_BODY_TO_END, 0},
	{TEST_OK "Content-Length: 9, 9\r\n", false, HTTP_BODY_BAD, 0},
	{TEST_OK "Content-Length: 9\r\nContent-Length: 9\r\n", false, HTTP_BODY_BAD, 0},
	{TEST_OK "Content-Length: x\r\n", false, HTTP_BODY_BAD, 0},
	{TEST_OK "Content-Length:\r\n", false, HTTP_BODY_BAD, 0},
};

START_TEST(test_body_of_response)
{
	struct http_body body;
	enum http_result result;
	char text[512];

	test_parse(false, text, test_responses[_i].head);
	result = http_body_of_response(&body, &test_head, test_responses[_i].to_head);
	if (test_responses[_i].state == HTTP_BODY_BAD) {
		ck_assert_int_eq(result, HTTP_BAD);
		ck_assert_uint_eq(test_head.bad_status, 502);
		ck_assert_ptr_nonnull(test_head.bad_reason);
		return;
	}
	ck_assert_int_eq(result, HTTP_DONE);
	ck_assert_int_eq(body.state, test_responses[_i].state);
	ck_assert_uint_eq(body.left, test_responses[_i].left);
}
END_TEST

/* ---- chunks ---- */

#define TEST_BYTES(text) text, sizeof(text) - 1

/* A body, then what is not its own: as many bytes as stand in rest. */
static const struct {
	const char *bytes;
	size_t size;
	enum http_body_state state;
	size_t rest;
} test_chunks[] = {
	{TEST_BYTES(""), HTTP_BODY_CHUNKED, 0},
	{TEST_BYTES("0\r\n\r\n"), HTTP_BODY_DONE, 0},
	{TEST_BYTES("0\r\n\r\nGET /x HTTP/1.1\r\n"), HTTP_BODY_DONE, 17},
	{TEST_BYTES("3\r\nabc\r\n0\r\n\r\n"), HTTP_BODY_DONE, 0},
	{TEST_BYTES("3\r\nabc\r\n0\r\n\r"), HTTP_BODY_CHUNKED, 0},
	{TEST_BYTES("3\r\nabc\r\n0\r\n"), HTTP_BODY_CHUNKED, 0},
	{TEST_BYTES("3\r\nabc"), HTTP_BODY_CHUNKED, 0},
	{TEST_BYTES("5\r\n0\r\n\r\n\r\n00A;x=\"y\"\r\n0123456789\r\n000\r\n\r\n#"), HTTP_BODY_DONE,
		1},
	{TEST_BYTES("1\r\na\r\n12\r\n0123456789abcdefgh\r\n0010\r\n0123456789abcdef\r\n0\r\n\r\n"),
		HTTP_BODY_DONE, 0},
	{TEST_BYTES("1 \t\r\na\r\n0 ;x=\"y z\"\r\n\r\n"), HTTP_BODY_DONE, 0},
	{TEST_BYTES("1 2\r\n"), HTTP_BODY_BAD, 3},
	{TEST_BYTES("1 \n"), HTTP_BODY_BAD, 1},
	{TEST_BYTES("1,\r\n"), HTTP_BODY_BAD, 3},
	{TEST_BYTES("1_0\r\n"), HTTP_BODY_BAD, 4},
	{TEST_BYTES("1 \t; a\r\n\n\r\n0;last\r\nA: b\r\nA-B:\t\xc3\r\n\r\n\r\n"), HTTP_BODY_DONE,
		2},
	{TEST_BYTES("fF\r\n"), HTTP_BODY_CHUNKED, 0},
	{TEST_BYTES("7fffffffffffffff\r\n"), HTTP_BODY_CHUNKED, 0},
	{TEST_BYTES("000000000000000000000000001\r\nx\r\n0\r\n\r\n"), HTTP_BODY_DONE, 0},
	{TEST_BYTES("8000000000000000\r\n"), HTTP_BODY_BAD, 3},
	{TEST_BYTES("\r\n"), HTTP_BODY_BAD, 2},
	{TEST_BYTES(";x\r\n"), HTTP_BODY_BAD, 4},
	{TEST_BYTES(" 1\r\n"), HTTP_BODY_BAD, 4},
	{TEST_BYTES("-1\r\n"), HTTP_BODY_BAD, 4},
	{TEST_BYTES("0x1\r\n"), HTTP_BODY_BAD, 4},
	{TEST_BYTES("g\r\n"), HTTP_BODY_BAD, 3},
	{TEST_BYTES("1\nx"), HTTP_BODY_BAD, 2},
	{TEST_BYTES("1\rx"), HTTP_BODY_BAD, 1},
	{TEST_BYTES("1;a\nx"), HTTP_BODY_BAD, 2},
	{TEST_BYTES("1;a\0x"), HTTP_BODY_BAD, 2},
	{TEST_BYTES("1\r\nxy\r\n"), HTTP_BODY_BAD, 3},
	{TEST_BYTES("1\r\nx\n0\r\n"), HTTP_BODY_BAD, 4},
	{TEST_BYTES("1\r\nx\r0\r\n"), HTTP_BODY_BAD, 3},
	{TEST_BYTES("1\r\nx\r\n09\r\n\r\n1\r\n2\r\n3\r\n0\r\n\r\n"), HTTP_BODY_DONE, 0},
	{TEST_BYTES("1\r\nx\r\n0004\r\n\r\n2\r\r\n0\r\n\r\n#"), HTTP_BODY_DONE, 1},
	{TEST_BYTES("1\r\nx\r\n00004\r\n1234\r\n4;x\r\n1234\r\n0\r\n\r\n"), HTTP_BODY_DONE, 0},
	{TEST_BYTES("1\r\nx\r\n1 \r\n1\r\n0000\r\nA: b\r\n\r\n"), HTTP_BODY_DONE, 0},
	{TEST_BYTES("1\r\nx\r\n4\n1234\r\n0\r\n\r\n"), HTTP_BODY_BAD, 12},
	{TEST_BYTES("1\r\nx\r\n4g\r\n1234\r\n"), HTTP_BODY_BAD, 9},
	{TEST_BYTES("1\r\nx\r\n\r\n1234\r\n"), HTTP_BODY_BAD, 8},
	{TEST_BYTES("1\r\nx\n\n4\r\n1234\r\n"), HTTP_BODY_BAD, 11},
	{TEST_BYTES("0\r\n\n"), HTTP_BODY_BAD, 1},
	{TEST_BYTES("0\r\na: b\n\r\n"), HTTP_BODY_BAD, 3},
	{TEST_BYTES("0\r\na: b\rc"), HTTP_BODY_BAD, 1},
	{TEST_BYTES("0\r\n\rx"), HTTP_BODY_BAD, 1},
	{TEST_BYTES("0\r\nGET / HTTP/1.1\r\n"), HTTP_BODY_BAD, 13},
	{TEST_BYTES("0\r\nA: b\r\n c\r\n"), HTTP_BODY_BAD, 4},
	{TEST_BYTES("0\r\nA\r\n\r\n"), HTTP_BODY_BAD, 4},
	{TEST_BYTES("0\r\nA : b\r\n"), HTTP_BODY_BAD, 6},
	{TEST_BYTES("0\r\n: b\r\n"), HTTP_BODY_BAD, 5},
	{TEST_BYTES("0\r\n\xc3: b\r\n"), HTTP_BODY_BAD, 6},
};

/* Takes all that is the body's; the data goes to data, which grows. */
static size_t test_take_all(struct http_body *body, const char *bytes, size_t size, char **data)
{
	enum http_piece piece;
	size_t taken = 0, now;

	while (taken < size) {
		now = http_body_next(body, bytes + taken, size - taken, &piece);
		ck_assert_uint_le(now, size - taken);
		if (now == 0)
			break;
		if (piece == HTTP_PIECE_DATA) {
			memcpy(*data, bytes + taken, now);
			*data += now;
		}
		taken += now;
	}
	return taken;
}

/* Takes bytes in pieces that end at cut and then every step bytes; returns how many were taken. */
static size_t test_take(struct http_body *body, const char *bytes, size_t size, size_t cut,
	size_t step, char data[64])
{
	size_t taken = 0, end = cut;

	*body = (struct http_body){.state = HTTP_BODY_CHUNKED};
	memset(data, 0, 64);
	for (;;) {
		taken += test_take_all(body, bytes + taken, end - taken, &data);
		if (taken < end)
			ck_assert_int_ne(body->state, HTTP_BODY_CHUNKED);
		if (taken < end || end == size)
			return taken;
		end = size - end < step ? size : end + step;
	}
}

START_TEST(test_body_of_chunks)
{
	size_t size = test_chunks[_i].size, own = size - test_chunks[_i].rest, cut;
	char *copy = (char *)unit_guard_copy(test_chunks[_i].bytes, size);
	char whole[64], data[64];
	enum http_piece piece;
	struct http_body body;

	(void)test_take(&body, copy, size, size, 1, whole);
	for (cut = 0; cut <= size; cut++) {
		ck_assert_uint_eq(test_take(&body, copy, size, cut, size, data), own);
		ck_assert_int_eq(body.state, test_chunks[_i].state);
		ck_assert_str_eq(data, whole);
	}
	ck_assert_uint_eq(test_take(&body, copy, size, 0, 1, data), own);
	ck_assert_int_eq(body.state, test_chunks[_i].state);
	ck_assert_str_eq(data, whole);
	if (body.state != HTTP_BODY_CHUNKED) /* and nothing more is */
		ck_assert_uint_eq(http_body_next(&body, "0\r\n\r\n", 5, &piece), 0);
	unit_guard_free((uint8_t *)copy, size);
}
END_TEST

/* What is what in a chunked body: D, F and T for the kinds of pieces. */
START_TEST(test_body_pieces)
{
	static const char bytes[] = "3;e\r\nabc\r\n2\r\nde\r\n0;l\r\nA: b\r\n\r\n",
			  kinds[] = "FFFFFDDDFFFFFDDFFFFFFFTTTTTTTT";
	struct http_body body = {.state = HTTP_BODY_CHUNKED};
	size_t taken = 0, now, i;
	enum http_piece piece;

	for (; taken < sizeof bytes - 1; taken += now) {
		now = http_body_next(&body, bytes + taken, sizeof bytes - 1 - taken, &piece);
		ck_assert_uint_gt(now, 0);
		for (i = 0; i < now; i++)
			ck_assert_int_eq("DFT"[piece], kinds[taken + i]);
	}
	ck_assert_int_eq(body.state, HTTP_BODY_DONE);
}
END_TEST

START_TEST(test_body_of_size)
{
	struct http_body body = {.state = HTTP_BODY_SIZED, .left = 5};
	enum http_piece piece;

	ck_assert_uint_eq(http_body_next(&body, "abcdefg", 0, &piece), 0);
	ck_assert_uint_eq(http_body_next(&body, "abcdefg", 3, &piece), 3);
	ck_assert_int_eq(body.state, HTTP_BODY_SIZED);
	ck_assert_uint_eq(http_body_next(&body, "abcdefg", 7, &piece), 2);
	ck_assert_int_eq(piece, HTTP_PIECE_DATA);
	ck_assert_int_eq(body.state, HTTP_BODY_DONE);
	ck_assert_uint_eq(http_body_next(&body, "abcdefg", 7, &piece), 0);
	body = (struct http_body){.state = HTTP_BODY_TO_END};
	ck_assert_uint_eq(http_body_next(&body, "abcdefg", 7, &piece), 7);
	ck_assert_int_eq(piece, HTTP_PIECE_DATA);
	ck_assert_int_eq(body.state, HTTP_BODY_TO_END);
}
END_TEST

#define TEST_COUNT(table) (sizeof(table) / sizeof *(table))

int main(void)
{
	TCase *tc = tcase_create("http_body");

	tcase_add_loop_test(tc, test_body_of_request, 0, TEST_COUNT(test_requests));
	tcase_add_loop_test(tc, test_body_of_response, 0, TEST_COUNT(test_responses));
	tcase_add_loop_test(tc, test_body_of_chunks, 0, TEST_COUNT(test_chunks));
	tcase_add_test(tc, test_body_pieces);
	tcase_add_test(tc, test_body_of_size);
	return unit_run("http_body", tc);
}

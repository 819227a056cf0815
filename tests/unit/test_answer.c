/* Answers of our own: each is one whole HTTP message, whatever it says. */
#include <stdio.h>
#include <string.h>

#include "proxy/answer.h"
#include "proxy/loop.h"
#include "proxy/side/http.h"
#include "proxy/side/http_body.h"
#include "tests/unit/unit.h"

static const struct {
	unsigned status;
	const char *start;
	const char *fields; /* beside those that all have */
	const char *connection;
} test_answers[] = {
	{400, "HTTP/1.1 400 Bad Request\r\n", "", "close"},
	{401, "HTTP/1.1 401 Unauthorized\r\n", "WWW-Authenticate: Bearer\r\n", "close"},
	{403, "HTTP/1.1 403 Forbidden\r\n", "", "close"},
	{404, "HTTP/1.1 404 Not Found\r\n", "", "close"},
	{408, "HTTP/1.1 408 Request Timeout\r\n", "", "close"},
	{421, "HTTP/1.1 421 Misdirected Request\r\n", "", "close"},
	{426, "HTTP/1.1 426 Upgrade Required\r\n",
		"Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n", "close, Upgrade"},
	{431, "HTTP/1.1 431 Request Header Fields Too Large\r\n", "", "close"},
	{501, "HTTP/1.1 501 Not Implemented\r\n", "", "close"},
	{502, "HTTP/1.1 502 Bad Gateway\r\n", "", "close"},
	{503, "HTTP/1.1 503 Service Unavailable\r\n", "", "close"},
	{504, "HTTP/1.1 504 Gateway Timeout\r\n", "", "close"},
};

START_TEST(test_answer)
{
	const struct answer answer = {.status = test_answers[_i].status, .why = "so it is"};
	char text[ANSWER_SIZE], expected[ANSWER_SIZE];
	size_t size = answer_format(text, &answer);

	snprintf(expected, sizeof expected,
		"%sContent-Type: text/plain\r\nContent-Length: 9\r\n%sConnection: %s\r\n\r\n"
		"so it is\n",
		test_answers[_i].start, test_answers[_i].fields, test_answers[_i].connection);
	ck_assert_uint_eq(size, strlen(expected));
	ck_assert_mem_eq(text, expected, size);
}
END_TEST

/* The announced length is that of the body, which is there but for a HEAD. */
START_TEST(test_answer_length)
{
	static struct http_head head;
	struct answer answer = {.status = 400, .to_head = _i % 2 != 0};
	struct http_scan scan = {0};
	struct http_body body;
	enum http_piece piece;
	char why[64], text[ANSWER_SIZE];
	size_t size;

	memset(why, 'w', sizeof why);
	why[_i] = '\0';
	answer.why = why;
	size = answer_format(text, &answer);
	ck_assert_int_eq(http_response_parse(&head, &scan, text, size), HTTP_DONE);
	ck_assert_int_eq(http_body_of_response(&body, &head, answer.to_head), HTTP_DONE);
	ck_assert_uint_eq(http_body_next(&body, text + head.size, size - head.size, &piece),
		answer.to_head ? 0 : (size_t)_i + 1);
	ck_assert_uint_eq(size - head.size, answer.to_head ? 0 : (size_t)_i + 1);
	ck_assert_int_eq(body.state, HTTP_BODY_DONE);
}
END_TEST

/* Each status counts at most one thing, and only those that no one else has counted do. */
START_TEST(test_counters)
{
	static const struct loop_counters none;
	struct loop loop = {.counters = none};
	size_t i;

	for (i = 0; i < sizeof test_answers / sizeof test_answers[0]; i++)
		answer_count(&loop, test_answers[i].status);
	ck_assert_uint_eq(loop.counters.heads_refused, 2);
	ck_assert_uint_eq(loop.counters.handshakes_overdue, 2);
	ck_assert_uint_eq(loop.counters.backends_unusable, 1);
	loop.counters.heads_refused = loop.counters.handshakes_overdue = 0;
	loop.counters.backends_unusable = 0;
	ck_assert_mem_eq(&loop.counters, &none, sizeof none);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("answer");

	tcase_add_loop_test(tc, test_answer, 0, sizeof test_answers / sizeof *test_answers);
	tcase_add_loop_test(tc, test_answer_length, 0, 63);
	tcase_add_test(tc, test_counters);
	return unit_run("answer", tc);
}

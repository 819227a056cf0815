/* What the doctor hears of a server: answers in every framing, cut at every place. */
#include <stdlib.h>
#include <string.h>

#include "proxy/doctor/hearing.h"
#include "tests/unit/unit.h"

enum { HEARING_MAX = 4096 };

/* As whoever reads from a socket does. */
static void hearing_hear(struct hearing *hearing, const char *bytes, size_t size)
{
	char *room = text_room(&hearing->said, size + 1);

	ck_assert_ptr_nonnull(room);
	memcpy(room, bytes, size);
	room[size] = '\0';
	text_end(&hearing->said, room + size);
}

#define ANSWER  "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"id\":7,\"text\":\"}{\"}}"
#define REFUSE  "{\"id\":1,\"error\":{\"code\":-32601,\"message\":\"no such\"}}"
#define OK_200  "HTTP/1.1 200 OK\r\nX-Odd: {\"id\":1,\"result\":0}\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"

static const struct {
	const char *said;
	bool is_http;
	enum hearing_verdict verdict;
	int status;
	const char *why;
} hearing_cases[] = {
	{ANSWER, false, HEARING_ANSWERED, 0, ""},
	{"Starting {up}\n" ANSWER "\n", false, HEARING_ANSWERED, 0, ""},
	{"{\"method\":\"told\"}\n" ANSWER "\n", false, HEARING_ANSWERED, 0, ""},
	{"{\"id\":2,\"result\":1}\n{\"id\":\"1\",\"method\":\"asks\"}\n" ANSWER, false,
		HEARING_ANSWERED, 0, ""},
	{"Content-Length: 9\r\n\r\n" ANSWER, false, HEARING_ANSWERED, 0, ""},
	{REFUSE, false, HEARING_REFUSED, 0, "error -32601: no such"},
	{"{{{ no [JSON] }", false, HEARING_MORE, 0, ""},
	{"", false, HEARING_MORE, 0, ""},
	{OK_200 "\r\n" ANSWER, true, HEARING_ANSWERED, 0, ""},
	{OK_200 "\r\nevent: message\ndata: " ANSWER "\n\n", true, HEARING_ANSWERED, 0, ""},
	{OK_200 CHUNKED "3\r\n{\"j\r\n3A\r\n"
			"sonrpc\":\"2.0\",\"id\":1,\"result\":{\"id\":7,\"text\":\"}{\"}}          "
			"\r\n0\r\n\r\n",
		true, HEARING_ANSWERED, 0, ""},
	{OK_200 CHUNKED "ffffffffffffffff\r\n" ANSWER "\r\n", true, HEARING_MORE, 0, ""},
	{OK_200 CHUNKED "0\r\n\r\n" ANSWER, true, HEARING_MORE, 0, ""},
	{OK_200 CHUNKED "none\r\n" ANSWER "\r\n", true, HEARING_MORE, 0, ""},
	{OK_200 "\r\n" REFUSE, true, HEARING_REFUSED, 0, "error -32601: no such"},
	{OK_200 "\r\nHello, {you}", true, HEARING_MORE, 0, ""},
	{"HTTP/1.1 401 No\r\nX: 200\r\n\r\n" ANSWER, true, HEARING_REFUSED, 401, "status 401"},
	{"HTTP/1.0 302 500\r\n\r\n", true, HEARING_REFUSED, 302, "status 302"},
	{"HTTP/1.1 502 Bad\r\n\r\n", true, HEARING_LOST, 502, ""},
	{"HTTP/1.1 504 Bad\r\n\r\n", true, HEARING_LOST, 504, ""},
	{"HTTP/1.1 200 (status 401)\r\n\r\n" ANSWER, true, HEARING_ANSWERED, 0, ""},
	{"SSH-2.0-x\r\n\r\n", true, HEARING_MORE, 0, ""},
};

/* Said in two parts, or byte by byte: the same comes of it, and nothing before the answer is there.
 */
static void hearing_check(size_t row, size_t split, bool each)
{
	const char *said = hearing_cases[row].said;
	size_t size = strlen(said), at, step;
	enum hearing_verdict verdict = HEARING_MORE;
	struct hearing hearing;

	ck_assert_int_eq(hearing_init(&hearing, hearing_cases[row].is_http, HEARING_MAX), 0);
	for (at = 0; at < size && verdict == HEARING_MORE; at += step) {
		step = each ? 1 : at == 0 && split > 0 ? split : size - at;
		hearing_hear(&hearing, said + at, step);
		verdict = hearing_look(&hearing);
	}
	ck_assert_msg(verdict == hearing_cases[row].verdict &&
			      hearing.status == hearing_cases[row].status &&
			      strcmp(hearing.why, hearing_cases[row].why) == 0,
		"%s, at %zu: %d %d %s", said, split, (int)verdict, hearing.status, hearing.why);
	hearing_done(&hearing);
}

START_TEST(test_hearing_cases)
{
	size_t split, size = strlen(hearing_cases[_i].said);

	for (split = 0; split < size; split++)
		hearing_check((size_t)_i, split, false);
	hearing_check((size_t)_i, 0, true);
}
END_TEST

START_TEST(test_hearing_fields)
{
	static const char said[] =
		"HTTP/1.1 200 OK\r\nMCP-Session-ID: \t a b\r\nEmpty:\r\nlast:x\r\n\r\n"
		"\r\nBehind: no\r\n";
	struct hearing hearing;
	size_t size = 77;

	ck_assert_int_eq(hearing_init(&hearing, true, HEARING_MAX), 0);
	ck_assert_ptr_null(hearing_field(&hearing, "\r\nlast:", &size));
	hearing_hear(&hearing, said, sizeof said - 1);
	ck_assert_mem_eq(hearing_field(&hearing, "\r\nmcp-session-id:", &size), "a b\r", 4);
	ck_assert_uint_eq(size, 3);
	ck_assert_ptr_nonnull(hearing_field(&hearing, "\r\nempty:", &size));
	ck_assert_uint_eq(size, 0);
	ck_assert_mem_eq(hearing_field(&hearing, "\r\nlast:", &size), "x", 1);
	ck_assert_uint_eq(size, 1);
	ck_assert_ptr_null(hearing_field(&hearing, "\r\nbehind:", &size));
	ck_assert_ptr_null(hearing_field(&hearing, "\r\nother:", &size));
	hearing_done(&hearing);
}
END_TEST

START_TEST(test_hearing_without_memory)
{
	struct hearing hearing;
	int result, failed;
	long n = 0;

	do {
		unit_alloc_fail_after(n++);
		result = hearing_init(&hearing, true, HEARING_MAX);
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		hearing_done(&hearing);
		ck_assert_int_eq(result, failed ? -1 : 0);
	} while (failed);
	ck_assert_int_gt(n, 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("hearing");

	tcase_add_loop_test(
		tc, test_hearing_cases, 0, (int)(sizeof hearing_cases / sizeof *hearing_cases));
	tcase_add_test(tc, test_hearing_fields);
	tcase_add_test(tc, test_hearing_without_memory);
	return unit_run("hearing", tc);
}

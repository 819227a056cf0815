/*
 * HTTP exchanges between two peers that the test plays: what each of them gets is the same however
 * the other cuts what it says, and whatever allocation fails it is a part of that, or an answer of
 * our own.
 */
#include <fcntl.h>

#include "tests/unit/peers.h"
#include "tests/unit/unit.h"

enum { ROOM = 8192 };

static struct peers peers;

static void exchange_setup(void)
{
	static const char *const flags[] = {NULL};
	int silence = open("/dev/null", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(silence, 0);
	ck_assert_int_eq(dup2(silence, STDERR_FILENO), STDERR_FILENO); /* the log */
	ck_assert_int_eq(close(silence), 0);
	peers_init(&peers, flags);
}

/* The same with our context in fields, too. */
static void exchange_begin_told(void)
{
	static const char *const flags[] = {
		"--listen=ws://127.0.0.1:0", "--propagation-inject=header,/trace", NULL};

	peers_done(&peers);
	peers_init(&peers, flags);
}

static void exchange_teardown(void)
{
	peers_done(&peers);
}

/* What somebody has been sent so far. */
struct got {
	char text[ROOM];
	size_t size;
	bool ended;
};

static void got_more(struct got *got, int fd)
{
	ssize_t n = -1;

	while (fd >= 0 && (n = peers_read(fd, got->text + got->size, ROOM - 1 - got->size)) > 0)
		got->size += (size_t)n;
	got->ended |= n == 0;
	got->text[got->size] = '\0';
}

/* Says text in pieces: up to cut, then of step bytes each. */
static void say(bool client, const char *text, size_t cut, size_t step)
{
	size_t size = strlen(text), at = 0, piece = cut < size ? cut : size;

	for (;;) {
		int fd = client ? peers.client : peers.backend;

		if (fd >= 0 && piece > 0)
			(void)peers_write(fd, text + at, piece); /* it may be closed */
		peers_turn(&peers);
		at += piece;
		if (at == size)
			return;
		piece = size - at < step ? size - at : step;
	}
}

#define HEAD    "POST /x HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define CHUNKS  "3;e\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nT: r\r\n\r\n"
#define SECOND  "GET /two HTTP/1.1\r\nHost: h\r\n"
#define OK      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
#define UPGRADE                                                                                    \
	"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"               \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " PEERS_KEY "\r\n\r\n"
#define UPGRADE_SENT                                                                               \
	"GET / HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Version: 13\r\n"                               \
	"Sec-WebSocket-Key: " PEERS_KEY "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCH                                                                                     \
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"        \
	"Sec-WebSocket-Accept: " PEERS_ACCEPT "\r\n\r\n"
#define SWITCHED                                                                                   \
	"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " PEERS_ACCEPT                  \
	"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

#define E64 "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"

/* What a client says at once, and the answers to it, each said when the one before has passed. */
struct row {
	const char *request, *answers[3];
	const char *backend, *client; /* what they get */
	bool client_ends, backend_ends;
};

static const struct row exchanges[] = {
	{HEAD "Content-Length: 4\r\nConnection: X, keep-alive\r\nX: 1\r\n\r\nbody" SECOND "\r\n",
		{"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
			OK "\r\nno"},
		HEAD "Content-Length: 4\r\n\r\nbody" SECOND "\r\n", OK "\r\nok" OK "\r\nno", false,
		false},
	{HEAD CHUNKED "\r\n" CHUNKS SECOND "Connection: close\r\n\r\n" SECOND "\r\n",
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nA: b\r\n\r\n"
		 "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\n" CHUNKED "\r\n" CHUNKS,
			OK "\r\nok"},
		HEAD CHUNKED "\r\n" CHUNKS SECOND "Connection: close\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nA: b\r\n\r\n"
		"HTTP/1.1 200 OK\r\n" CHUNKED "\r\n" CHUNKS OK "Connection: close\r\n\r\nok",
		true, true},
	/* extensions that are too long to be kept are not passed on where a body is no JSON */
	{HEAD CHUNKED "\r\n3;" E64 E64 E64 E64 "\r\nabc\r\n0\r\n\r\n" SECOND "\r\n",
		{OK "\r\nok", OK "\r\nno"}, HEAD CHUNKED "\r\n3\r\nabc\r\n0\r\n\r\n" SECOND "\r\n",
		OK "\r\nok" OK "\r\nno", false, false},
	{"HEAD / HTTP/1.0\r\n\r\n" SECOND,
		{"HTTP/1.1 102 X\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nnever"},
		"HEAD / HTTP/1.0\r\nConnection: close\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", true, true},
	{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" SECOND "\r\n",
		{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
			"HTTP/1.1 200 OK\r\n\r\nto the end"},
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" SECOND "\r\n",
		"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok"
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end",
		false, false},
	{UPGRADE SECOND "\r\n",
		{"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno",
			"HTTP/1.1 204 None\r\nConnection: close\r\n\r\n"},
		UPGRADE_SENT SECOND "\r\n",
		"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno"
		"HTTP/1.1 204 None\r\nConnection: close\r\n\r\n",
		true, true},
	{"\r\n" SECOND "\r\n" UPGRADE "\x81\x82\1\1\1\1hi", {OK "\r\nok", SWITCH "\x81\2yo"},
		SECOND "\r\n" UPGRADE_SENT "\x81\x82\1\1\1\1hi", OK "\r\nok" SWITCHED "\x81\2yo",
		false, false},
	{SECOND "\r\nGET / HTTP/1.1\r\nHost : h\r\n\r\n", {OK "\r\nok"}, SECOND "\r\n",
		OK "\r\nokHTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
		   "Content-Length: 15\r\nConnection: close\r\n\r\nbad field name\n",
		true, true},
};

#define TRACE   "4bf92f3577b34da6a3ce929d0e0e4736"
#define OTHER   "11111111111111111111111111111111"
#define SPAN    "????????????????" /* any */
#define PARENT  "00f067aa0ba902b7"
#define FIELDS  "traceparent: 00-" TRACE "-" PARENT "-01\r\nA: b\r\nTraceState: a=1\r\n"
#define TOLD    "traceparent: 00-" TRACE "-" SPAN "-01\r\ntracestate: a=1\r\n"
#define CARRIER ",\"trace\":{\"traceparent\":\"00-" TRACE "-" SPAN "-01\",\"tracestate\":\"a=1\"}"
#define OURS    ",\"trace\":{\"traceparent\":\"00-" OTHER "-" SPAN "-01\"}"
#define THEIRS  ",\"trace\":{\"traceparent\":\"00-" OTHER "-" PARENT "-01\"}"
#define DONE    "HTTP/1.1 204 No\r\n\r\n"

/* The same where heads wait for what their messages say. */
static const struct row told[] = {
	{HEAD FIELDS "Content-Length: 21\r\n\r\n{\"id\":1,\"method\":\"m\"}" SECOND FIELDS "\r\n",
		{DONE, DONE},
		HEAD "A: b\r\nContent-Length: 122\r\n" TOLD "\r\n{\"id\":1,\"method\":\"m\"" CARRIER
		     "}" SECOND FIELDS "\r\n",
		DONE DONE, false, false},
	{HEAD FIELDS CHUNKED "\r\n8\r\n{\"id\":1,\r\nd\r\n\"method\":\"m\"}\r\n0\r\nT: r\r\n\r\n",
		{DONE},
		HEAD "A: b\r\n" CHUNKED TOLD "\r\n7a\r\n{\"id\":1,\"method\":\"m\"" CARRIER
		     "}\r\n0\r\nT: r\r\n\r\n",
		DONE, false, false},
	{HEAD FIELDS CHUNKED "\r\n67\r\n{\"id\":1,\"method\":\"m\"" THEIRS "}\r\n0\r\n\r\n", {DONE},
		HEAD "A: b\r\n" CHUNKED "traceparent: 00-" OTHER "-" SPAN
		     "-01\r\n\r\n67\r\n{\"id\":1,\"method\":\"m\"" OURS "}\r\n0\r\n\r\n",
		DONE, false, false},
	{HEAD FIELDS CHUNKED "\r\n13;e\r\n{\"method\":\"nobody\"}\r\n0\r\n\r\n" HEAD FIELDS CHUNKED
			     "\r\n0\r\nT: r\r\n\r\n",
		{DONE, DONE},
		HEAD FIELDS CHUNKED
		"\r\n13\r\n{\"method\":\"nobody\"}\r\n0\r\n\r\n" HEAD FIELDS CHUNKED
		"\r\n0\r\nT: r\r\n\r\n",
		DONE DONE, false, false},
	{HEAD FIELDS CHUNKED "\r\n3;e\r\nabc\r\n0\r\n\r\n", {DONE},
		HEAD FIELDS CHUNKED "\r\n3;e\r\nabc\r\n0\r\n\r\n", DONE, false, false},
};

static long fail_at = -1; /* the allocation that fails, from the client's coming on */

enum { EXCHANGES = sizeof exchanges / sizeof exchanges[0], TOLDS = sizeof told / sizeof told[0] };

/* Exchanges, cut as told. What both got is in client and backend. */
static void exchange(const struct row *row, size_t request_cut, size_t request_step,
	size_t answer_cut, size_t answer_step, struct got *client, struct got *backend)
{
	int i;

	memset(client, 0, sizeof *client);
	memset(backend, 0, sizeof *backend);
	peers_open(&peers, &side_websocket, &side_websocket);
	if (fail_at >= 0)
		unit_alloc_fail_once(fail_at);
	peers_connect(&peers);
	say(true, row->request, request_cut, request_step);
	for (i = 0; i < 3 && row->answers[i] != NULL; i++) {
		peers_turn(&peers);
		got_more(backend, peers.backend);
		say(false, row->answers[i], answer_cut, answer_step);
		got_more(client, peers.client);
	}
	peers_turn(&peers);
	got_more(client, peers.client);
	got_more(backend, peers.backend);
}

static void exchange_over(void)
{
	peers_hang_up(&peers.client);
	peers_hang_up(&peers.backend);
	peers_turn(&peers);
	peers_close(&peers);
}

/* Ids of spans that are ours, which is any but the client's, become SPAN; all are one. */
static void mask_spans(char *text)
{
	static const char *const traces[] = {"00-" TRACE "-", "00-" OTHER "-"};
	char first[sizeof SPAN] = "";
	size_t i;

	for (i = 0; i < 2; i++) {
		char *at = text;

		while ((at = strstr(at, traces[i])) != NULL) {
			at += strlen(traces[i]);
			if (strncmp(at, PARENT, strlen(PARENT)) == 0)
				continue;
			if (first[0] == '\0')
				memcpy(first, at, strlen(SPAN));
			ck_assert_mem_eq(at, first, strlen(SPAN));
			memcpy(at, SPAN, strlen(SPAN));
		}
	}
}

static void expect_whole(const struct row *row, const struct got *client, struct got *backend)
{
	mask_spans(backend->text);
	ck_assert_str_eq(backend->text, row->backend);
	ck_assert_str_eq(client->text, row->client);
	ck_assert_int_eq(client->ended, row->client_ends);
	ck_assert_int_eq(backend->ended, row->backend_ends);
}

static void expect_exchange(const struct row *row, size_t request_cut, size_t request_step,
	size_t answer_cut, size_t answer_step)
{
	struct got client, backend;

	exchange(row, request_cut, request_step, answer_cut, answer_step, &client, &backend);
	expect_whole(row, &client, &backend);
	exchange_over();
}

START_TEST(test_exchange_cuts)
{
	const struct row *row = &exchanges[_i];
	size_t cut;

	for (cut = 0; cut <= strlen(row->request); cut++)
		expect_exchange(row, cut, ROOM, ROOM, ROOM);
	for (cut = 0; cut <= strlen(row->answers[0]); cut++)
		expect_exchange(row, ROOM, ROOM, cut, ROOM);
	expect_exchange(row, 1, 1, 1, 1);
	expect_exchange(row, 7, 5, 3, 2);
}
END_TEST

/*
 * Whatever allocation fails, the backend gets what it should get or a beginning of it, and so does
 * the client, or an answer of our own, or nothing but the end; and nothing is kept.
 */
START_TEST(test_exchange_memory)
{
	const struct row *row = &exchanges[_i];
	struct got client, backend;
	bool failed = true, is_told, cut;
	const char *own;
	long n;

	if (strstr(row->request, E64) != NULL)
		return; /* what is not looked at passes as it is */
	for (n = 0; failed; n++) {
		fail_at = n;
		exchange(row, 30, ROOM, 20, ROOM, &client, &backend);
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		ck_assert_int_eq(strncmp(row->backend, backend.text, strlen(backend.text)), 0);
		cut = strncmp(row->client, client.text, strlen(client.text)) == 0;
		own = strstr(client.text, "HTTP/1.1 503 ");
		is_told = own != NULL &&
			  strncmp(row->client, client.text, (size_t)(own - client.text)) == 0;
		ck_assert_msg(cut || is_told, "%s", client.text);
		if (!failed)
			expect_whole(row, &client, &backend);
		exchange_over();
	}
	ck_assert_int_gt(n, 5);
}
END_TEST

/* A head that waits for its message: the same wherever the two of them are cut. */
START_TEST(test_told_cuts)
{
	const struct row *row = &told[_i];
	size_t cut;

	exchange_begin_told();
	for (cut = 0; cut <= strlen(row->request); cut++)
		expect_exchange(row, cut, ROOM, ROOM, ROOM);
	expect_exchange(row, 1, 1, 1, 1);
	expect_exchange(row, 7, 5, 3, 2);
}
END_TEST

/* For want of memory fields may be as they came; the exchange goes on, or is refused. */
START_TEST(test_told_memory)
{
	const struct row *row = &told[_i];
	struct got client, backend;
	bool failed = true;
	long n;

	exchange_begin_told();
	for (n = 0; failed; n++) {
		fail_at = n;
		exchange(row, 30, ROOM, 20, ROOM, &client, &backend);
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		if (!failed)
			expect_whole(row, &client, &backend);
		ck_assert(client.size == 0 || strstr(client.text, DONE) != NULL ||
			  strstr(client.text, "HTTP/1.1 503 ") != NULL);
		exchange_over();
	}
	ck_assert_int_gt(n, 5);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("exchange");

	unit_fixture(exchange_setup, exchange_teardown);
	tcase_add_loop_test(tc, test_exchange_cuts, 0, EXCHANGES);
	tcase_add_loop_test(tc, test_exchange_memory, 0, EXCHANGES);
	tcase_add_loop_test(tc, test_told_cuts, 0, TOLDS);
	tcase_add_loop_test(tc, test_told_memory, 0, TOLDS);
	return unit_run("exchange", tc);
}

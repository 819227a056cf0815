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

/* What a client says at once, and the answers to it, each said when the one before has passed. */
static const struct {
	const char *request, *answers[3];
	const char *backend, *client; /* what they get */
	bool client_ends, backend_ends;
} exchanges[] = {
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

static long fail_at = -1; /* the allocation that fails, from the client's coming on */

enum { EXCHANGES = sizeof exchanges / sizeof exchanges[0] };

/* Exchanges, cut as told. What both got is in client and backend. */
static void exchange(int index, size_t request_cut, size_t request_step, size_t answer_cut,
	size_t answer_step, struct got *client, struct got *backend)
{
	int i;

	memset(client, 0, sizeof *client);
	memset(backend, 0, sizeof *backend);
	peers_open(&peers, &side_websocket, &side_websocket);
	if (fail_at >= 0)
		unit_alloc_fail_once(fail_at);
	peers_connect(&peers);
	say(true, exchanges[index].request, request_cut, request_step);
	for (i = 0; i < 3 && exchanges[index].answers[i] != NULL; i++) {
		peers_turn(&peers);
		got_more(backend, peers.backend);
		say(false, exchanges[index].answers[i], answer_cut, answer_step);
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

static void expect_whole(int index, const struct got *client, const struct got *backend)
{
	ck_assert_str_eq(backend->text, exchanges[index].backend);
	ck_assert_str_eq(client->text, exchanges[index].client);
	ck_assert_int_eq(client->ended, exchanges[index].client_ends);
	ck_assert_int_eq(backend->ended, exchanges[index].backend_ends);
}

static void expect_exchange(
	int index, size_t request_cut, size_t request_step, size_t answer_cut, size_t answer_step)
{
	struct got client, backend;

	exchange(index, request_cut, request_step, answer_cut, answer_step, &client, &backend);
	expect_whole(index, &client, &backend);
	exchange_over();
}

START_TEST(test_exchange_cuts)
{
	size_t request_size = strlen(exchanges[_i].request);
	size_t answer_size = strlen(exchanges[_i].answers[0]), cut;

	for (cut = 0; cut <= request_size; cut++)
		expect_exchange(_i, cut, ROOM, ROOM, ROOM);
	for (cut = 0; cut <= answer_size; cut++)
		expect_exchange(_i, ROOM, ROOM, cut, ROOM);
	expect_exchange(_i, 1, 1, 1, 1);
	expect_exchange(_i, 7, 5, 3, 2);
}
END_TEST

/*
 * Whatever allocation fails, the backend gets what it should get or a beginning of it, and so does
 * the client, or an answer of our own, or nothing but the end; and nothing is kept.
 */
START_TEST(test_exchange_memory)
{
	struct got client, backend;
	bool failed = true, told, cut;
	const char *own;
	long n;

	for (n = 0; failed; n++) {
		fail_at = n;
		exchange(_i, 30, ROOM, 20, ROOM, &client, &backend);
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		ck_assert_int_eq(
			strncmp(exchanges[_i].backend, backend.text, strlen(backend.text)), 0);
		cut = strncmp(exchanges[_i].client, client.text, strlen(client.text)) == 0;
		own = strstr(client.text, "HTTP/1.1 503 ");
		told = own != NULL &&
		       strncmp(exchanges[_i].client, client.text, (size_t)(own - client.text)) == 0;
		ck_assert_msg(cut || told, "%s", client.text);
		if (!failed)
			expect_whole(_i, &client, &backend);
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
	return unit_run("exchange", tc);
}

/*
 * HTTP that goes nowhere: requests that are refused, servers that answer nothing that can be passed
 * on, peers who are waited for too long, and our own end. Time is what the test says it is.
 */
#include "proxy/exchange.h"
#include "tests/unit/peers.h"
#include "tests/unit/unit.h"

#define SECOND    UINT64_C(1000000000)
#define HANDSHAKE (10 * SECOND)
#define RESPONSE  (20 * SECOND)

enum { ROOM = 16384, HEAD_MAX = 1024 };

static struct peers peers;

static void gateway_setup(void)
{
	static const char *const flags[] = {"--handshake-timeout=10s",
		"--http-response-timeout=20s", "--handshake-bytes-max=1KiB",
		"--handshake-interim-max=2", NULL};

	unit_hear_stderr();
	peers_init(&peers, flags);
}

static void gateway_teardown(void)
{
	peers_done(&peers);
}

static void say(int fd, const char *text)
{
	(void)peers_write(fd, text, strlen(text)); /* it may be closed */
	peers_turn(&peers);
	peers_turn(&peers);
}

/* All that has come to somebody; whether the end has, too. */
static const char *got(int fd, bool *ended)
{
	static char text[ROOM];
	size_t used = 0;
	ssize_t n = -1;

	while (fd >= 0 && (n = peers_read(fd, text + used, ROOM - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	*ended = n == 0;
	return text;
}

/* That time goes by, and nothing else. */
static void pass(uint64_t ns)
{
	peers.loop.now_ns += ns;
	if (peers.session != NULL)
		life_tick(peers.session);
	peers_turn(&peers);
}

/* The client has an answer of ours with that status and text, of the length that is announced. */
static void is_refused(unsigned status, const char *why)
{
	char line[32];
	bool ended;
	const char *text = got(peers.client, &ended), *body, *length;

	snprintf(line, sizeof line, "HTTP/1.1 %u ", status);
	ck_assert_msg(strncmp(text, line, strlen(line)) == 0, "%s", text);
	body = strstr(text, "\r\n\r\n") + 4;
	ck_assert_msg(strncmp(body, why, strlen(why)) == 0 && strcmp(body + strlen(why), "\n") == 0,
		"%s", body);
	length = strstr(text, "Content-Length: ");
	ck_assert_uint_eq(strtoul(length + 16, NULL, 10), strlen(body));
	ck_assert_ptr_nonnull(strstr(
		text, status == 426 ? "\r\nUpgrade: websocket\r\n" : "\r\nConnection: close\r\n"));
	ck_assert(ended);
	ck_assert_uint_eq(peers.loop.counters.heads_refused, status == 400 || status == 431);
	ck_assert_uint_eq(peers.loop.counters.handshakes_overdue, status == 408 || status == 504);
	ck_assert_uint_eq(peers.loop.counters.backends_unusable, status == 502);
}

static void is_over(enum pair_reason reason)
{
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	ck_assert_ptr_null(peers.session);
	ck_assert_int_eq(peers.reason, reason);
	peers_close(&peers);
}

/* ---- requests ---- */

#define GET  "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
#define UPGRADE                                                                                    \
	"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"               \
	"Sec-WebSocket-Version: 13\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static const struct {
	const char *request, *path, *token;
	unsigned status; /* 0: it is passed on */
	const char *why;
	bool lines; /* the server speaks lines */
} requests[] = {
	{GET, NULL, NULL, 0, NULL, false},
	{"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", NULL, NULL, 501, "this is no proxy for CONNECT",
		false},
	{"GET /x HTTP/1.1\r\nHost: h\r\n\r\n", "/x", NULL, 0, NULL, false},
	{"GET /x?y HTTP/1.1\r\nHost: h\r\n\r\n", "/x", NULL, 0, NULL, false},
	{"GET /xy HTTP/1.1\r\nHost: h\r\n\r\n", "/x", NULL, 404, "nothing is served at this path",
		false},
	{"GET /y HTTP/1.1\r\nHost: h\r\n\r\n", "/x", NULL, 404, "nothing is served at this path",
		false},
	{"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "/x", NULL, 404, "nothing is served at this path",
		false},
	{"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", NULL, NULL, 400,
		"there must be one Host field", false},
	{"GET / HTTP/1.1\r\n\r\n", NULL, NULL, 400, "there must be one Host field", false},
	{"GET / HTTP/1.0\r\n\r\n", NULL, NULL, 0, NULL, false},
	{GET, NULL, "secret", 401, "a bearer token is needed", false},
	{"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer wrong\r\n\r\n", NULL, "secret", 401,
		"a bearer token is needed", false},
	{"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer secret\r\n\r\n", NULL, "secret", 0,
		NULL, false},
	{GET, NULL, NULL, 426, "this is a WebSocket endpoint", true},
	{POST "hello", NULL, NULL, 426, "this is a WebSocket endpoint", true},
	{"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", NULL, NULL,
		400, "bad Content-Length", false},
};

enum { REQUESTS = sizeof requests / sizeof requests[0] };

START_TEST(test_requests)
{
	bool ended;

	peers_open(&peers, &side_websocket, requests[_i].lines ? &side_line : &side_websocket);
	peers.route.listen_path = requests[_i].path;
	peers.route.guard.token = requests[_i].token;
	peers_connect(&peers);
	say(peers.client, requests[_i].request);
	ck_assert_int_eq(peers.backend >= 0, requests[_i].status == 0);
	ck_assert_uint_eq(peers.loop.counters.tokens_refused, requests[_i].status == 401);
	if (requests[_i].status == 0) {
		ck_assert_str_ne(got(peers.backend, &ended), "");
		say(peers.backend, OK);
		ck_assert_ptr_nonnull(strstr(got(peers.client, &ended), "\r\n\r\nok"));
		is_over(strstr(requests[_i].request, "HTTP/1.0") != NULL ? PAIR_ENDED
									 : PAIR_CLIENT_GONE);
	} else {
		is_refused(requests[_i].status, requests[_i].why);
		is_over(PAIR_HANDSHAKE_FAILED);
	}
}
END_TEST

/* As large as it may be, and one byte more, whether its end is there or not. */
START_TEST(test_large_head)
{
	char head[HEAD_MAX + 8] = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
	size_t used = strlen(head), size = HEAD_MAX + (size_t)_i;

	memset(head + used, 'x', sizeof head - used);
	memcpy(head + size - 4, "\r\n\r\n", 5);
	peers_open(&peers, &side_websocket, &side_websocket);
	peers_connect(&peers);
	say(peers.client, head);
	ck_assert_int_eq(peers.backend >= 0, _i == 0);
	if (_i == 0) {
		peers_hang_up(&peers.client);
		peers_close(&peers);
		return;
	}
	is_refused(431, "the request head is too large");
	is_over(PAIR_HANDSHAKE_FAILED);
}
END_TEST

/* ---- what a server answers ---- */

#define INTERIM "HTTP/1.1 103 X\r\n\r\n"

static const struct {
	const char *answer; /* NULL: it closes */
	const char *why;    /* NULL: it is passed on */
	bool too_many;
} answers[] = {
	{NULL, "the server closed before it answered", false},
	{"nonsense\r\n\r\n", "the server's answer is not HTTP", false},
	{"HTTP/1.1 200 OK\r\nConnection: Content-Length\r\n\r\n",
		"the server's answer is not valid", false},
	{INTERIM INTERIM OK, NULL, false},
	{INTERIM INTERIM INTERIM, "the server sends too many interim answers", true},
};

enum { ANSWERS = sizeof answers / sizeof answers[0] };

/* To a request of a client, and to a handshake of ours. */
START_TEST(test_answers)
{
	const char *answer = answers[_i / 2].answer, *why = answers[_i / 2].why;
	bool is_ours = _i % 2 == 1, ended;

	peers_open(&peers, is_ours ? &side_line : &side_websocket, &side_websocket);
	peers_connect(&peers);
	if (is_ours)
		peers_turn(&peers);
	else
		say(peers.client, GET);
	peers_turn(&peers);
	ck_assert_str_ne(got(peers.backend, &ended), "");
	if (answer != NULL)
		say(peers.backend, answer);
	else
		peers_hang_up(&peers.backend);
	peers_turn(&peers);
	ck_assert_uint_eq(peers.loop.counters.interims_refused, answers[_i / 2].too_many);
	if (is_ours) {
		if (why == NULL)
			why = "the server's handshake is not valid"; /* 200 is no 101 */
		ck_assert_int_eq(unit_said(why), 1);
		ck_assert_str_eq(got(peers.client, &ended), "");
		ck_assert(ended);
		is_over(PAIR_BACKEND_UNREACHABLE);
	} else if (why == NULL) {
		ck_assert_str_eq(got(peers.client, &ended), answer);
		is_over(PAIR_CLIENT_GONE);
	} else if (answers[_i / 2].too_many) {
		ck_assert_ptr_nonnull(strstr(got(peers.client, &ended), why));
		is_over(PAIR_BACKEND_UNREACHABLE);
	} else {
		is_refused(502, why);
		is_over(PAIR_BACKEND_UNREACHABLE);
	}
}
END_TEST

/* A head of the server's that is too large, for both. */
START_TEST(test_large_answer)
{
	char head[HEAD_MAX + 8] = "HTTP/1.1 200 OK\r\nX: ";
	size_t used = strlen(head);

	memset(head + used, 'x', sizeof head - used);
	head[sizeof head - 1] = '\0';
	peers_open(&peers, _i == 0 ? &side_websocket : &side_line, &side_websocket);
	peers_connect(&peers);
	if (_i == 0)
		say(peers.client, GET);
	peers_turn(&peers);
	peers_turn(&peers);
	say(peers.backend, head);
	if (_i == 0)
		is_refused(502, "the server's answer is too large");
	else
		ck_assert_int_eq(unit_said("the server's answer is too large"), 1);
	ck_assert_uint_eq(peers.loop.counters.backends_unusable, 1);
	is_over(PAIR_BACKEND_UNREACHABLE);
}
END_TEST

/* Who has asked in JSON-RPC has the id in our answer, if that can be told. */
#define ID64 "1234567890123456789012345678901234567890123456789012345678901234"

static const struct {
	const char *body, *id; /* NULL: it is no request */
} ids[] = {
	{"{\"id\":7,\"method\":\"m\"}", "7"},
	{"{\"id\":-1.5e3,\"method\":\"m\"}", "-1.5e3"},
	{"{\"id\":\"x y\",\"method\":\"m\"}", "\"x y\""},
	{"{\"id\":\"\",\"method\":\"m\"}", "\"\""},
	{"{\"id\":\"a\\\"b\",\"method\":\"m\"}", "null"},
	{"{\"id\":\"a\\\\b\",\"method\":\"m\"}", "null"},
	{"{\"id\":\"a\\nb\",\"method\":\"m\"}", "null"},
	{"{\"id\":\"\\u001f\",\"method\":\"m\"}", "null"},
	{"{\"id\":\"" ID64 ID64 ID64 ID64 "\",\"method\":\"m\"}", "null"},
	{"{\"method\":\"m\"}", NULL},
	{"{\"id\":7,\"result\":1}", NULL},
	{"[{\"id\":8,\"method\":\"m\"},{\"id\":9,\"method\":\"m\"}]", "8"},
};

START_TEST(test_ids)
{
	char text[1024], expected[512];
	const char *answer;
	bool ended;

	peers_open(&peers, &side_websocket, &side_websocket);
	peers_connect(&peers);
	snprintf(text, sizeof text,
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nAccept: "
		"application/json\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(ids[_i].body), ids[_i].body);
	say(peers.client, text);
	say(peers.backend, "what?\r\n\r\n");
	answer = got(peers.client, &ended);
	ck_assert(ended);
	ck_assert_int_eq(strstr(answer, "\r\nContent-Type: application/json\r\n") != NULL,
		ids[_i].id != NULL);
	snprintf(expected, sizeof expected, "\"id\":%s", ids[_i].id != NULL ? ids[_i].id : "");
	ck_assert_msg((strstr(answer, expected) != NULL) == (ids[_i].id != NULL), "%s", answer);
	is_over(PAIR_BACKEND_UNREACHABLE);
}
END_TEST

/* As long as there is room for, and one more. */
START_TEST(test_long_id)
{
	enum { ROOM_OF_ID = (int)sizeof((struct body *)NULL)->id - (int)sizeof "\"\"" };
	char text[1024], body[512], expected[512];
	const char *answer;
	int size = ROOM_OF_ID + _i;
	bool ended;

	peers_open(&peers, &side_websocket, &side_websocket);
	peers_connect(&peers);
	snprintf(body, sizeof body, "{\"id\":\"%0*d\",\"method\":\"m\"}", size, 0);
	snprintf(text, sizeof text,
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		strlen(body), body);
	say(peers.client, text);
	say(peers.backend, "what?\r\n\r\n");
	answer = got(peers.client, &ended);
	snprintf(expected, sizeof expected, "\"id\":\"%0*d\"", size, 0);
	ck_assert_msg(strstr(answer, _i == 0 ? expected : "\"id\":null") != NULL, "%s", answer);
	is_over(PAIR_BACKEND_UNREACHABLE);
}
END_TEST

/* ---- time ---- */

static const struct {
	const char *request, *answer;
	uint64_t limit_ns; /* 0: none */
	unsigned status;   /* 0: it has begun to be answered */
	const char *why;
	enum pair_reason reason;
} waits[] = {
	{"", NULL, HANDSHAKE, 408, "no complete request head in time", PAIR_HANDSHAKE_FAILED},
	{"GET / HT", NULL, HANDSHAKE, 408, "no complete request head in time",
		PAIR_HANDSHAKE_FAILED},
	{POST "hell", NULL, HANDSHAKE, 408, "no complete request in time", PAIR_HANDSHAKE_FAILED},
	{POST "hello", NULL, RESPONSE, 504, "the server did not answer in time",
		PAIR_BACKEND_UNREACHABLE},
	{UPGRADE "Sec-WebSocket-Key: " PEERS_KEY "\r\n\r\n", NULL, HANDSHAKE, 504,
		"the server did not answer in time", PAIR_BACKEND_UNREACHABLE},
	{GET, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", RESPONSE, 0, NULL,
		PAIR_BACKEND_GONE},
	{GET, "HTTP/1.1 200 OK\r\n\r\nuntil it closes", 0, 0, NULL, PAIR_ENDED},
	{GET, OK, 0, 0, NULL, PAIR_ENDED}, /* idle.timeout */
	{GET "GET / HT", OK, HANDSHAKE, 408, "no complete request head in time",
		PAIR_HANDSHAKE_FAILED},
};

enum { WAITS = sizeof waits / sizeof waits[0] };

START_TEST(test_waits)
{
	uint64_t limit_ns = waits[_i].limit_ns != 0 ? waits[_i].limit_ns : 100 * RESPONSE;
	bool ended;

	peers_open(&peers, &side_websocket, &side_websocket);
	peers_connect(&peers);
	say(peers.client, waits[_i].request);
	if (waits[_i].answer != NULL) {
		say(peers.backend, waits[_i].answer);
		ck_assert_str_ne(got(peers.client, &ended), "");
	}
	pass(0);
	pass(limit_ns - SECOND / 2); /* some time has gone by by itself */
	ck_assert_ptr_nonnull(peers.session);
	ck_assert_str_eq(got(peers.client, &ended), "");
	ck_assert(!ended);
	pass(SECOND);
	if (waits[_i].limit_ns == 0) {
		ck_assert_ptr_nonnull(peers.session);
		ck_assert_str_eq(got(peers.client, &ended), "");
		ck_assert(!ended);
		peers_close(&peers);
		return;
	}
	if (waits[_i].status != 0)
		is_refused(waits[_i].status, waits[_i].why);
	else
		ck_assert_int_eq(unit_said("an answer stood still for too long"), 1);
	is_over(waits[_i].reason);
}
END_TEST

/*
 * The time of a head begins with its first byte, however long it was silent before, and only then.
 */
START_TEST(test_time_of_a_head)
{
	bool ended;

	peers_open(&peers, &side_websocket, &side_websocket);
	peers_connect(&peers);
	say(peers.client, GET);
	say(peers.backend, OK);
	(void)got(peers.client, &ended);
	pass(0); /* it has moved until now */
	peers.session->exchange->progress_ns -= 1000 * SECOND;
	say(peers.client, "GET / HT");
	pass(HANDSHAKE - SECOND);
	ck_assert_ptr_nonnull(peers.session);
	ck_assert_str_eq(got(peers.client, &ended), "");
	peers.session->exchange->progress_ns -= HANDSHAKE - SECOND; /* which has really gone by */
	say(peers.client, "TP/1");
	pass(SECOND);
	is_refused(408, "no complete request head in time");
	is_over(PAIR_HANDSHAKE_FAILED);
}
END_TEST

/* What moves is waited for. */
START_TEST(test_moves)
{
	bool ended;
	int i;

	peers_open(&peers, &side_websocket, &side_websocket);
	peers_connect(&peers);
	say(peers.client, GET);
	say(peers.backend, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
	for (i = 0; i < 5; i++) {
		pass(RESPONSE - SECOND);
		say(peers.backend, "x");
		pass(0);
	}
	ck_assert_ptr_nonnull(strstr(got(peers.client, &ended), "\r\n\r\nxxxxx"));
	ck_assert_ptr_nonnull(peers.session);
	is_over(PAIR_CLIENT_GONE);
}
END_TEST

/* A server that is not there: the session's timer. */
START_TEST(test_not_there)
{
	bool is_ours = _i == 1, ended;

	peers_open(&peers, is_ours ? &side_line : &side_websocket, &side_websocket);
	if (!is_ours)
		peers_hang_up(&peers.listener);
	peers_connect(&peers);
	say(peers.client, is_ours ? "" : GET);
	peers.session->on_timer(-1, 0, peers.session);
	peers_turn(&peers);
	if (is_ours) {
		ck_assert_int_eq(unit_said("the server did not answer the handshake in time"), 1);
		ck_assert_str_eq(got(peers.client, &ended), "");
		ck_assert(ended);
	} else {
		is_refused(504, "the server is not there in time");
	}
	is_over(PAIR_BACKEND_UNREACHABLE);
}
END_TEST

/* It cannot be had: who has asked is told so, though the whole request was not there. */
START_TEST(test_unreachable)
{
	peers_open(&peers, &side_websocket, &side_websocket);
	peers_hang_up(&peers.listener);
	peers_connect(&peers);
	say(peers.client,
		_i == 0 ? GET : "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
	life_child_started(peers.session, CHILD_NOT_FOUND, 0);
	ck_assert_uint_eq(peers.loop.counters.connections_refused, 1);
	peers_turn(&peers);
	ck_assert_int_eq(unit_said("cannot reach unix:///nowhere: command not found"), 1);
	is_refused(502, "the server is not reachable");
	is_over(PAIR_BACKEND_UNREACHABLE);
}
END_TEST

/* ---- our own end ---- */

static const struct {
	const char *request;
	unsigned status; /* 0: see there */
} stops[] = {{"", 0}, {"GET / HT", 503}, {UPGRADE "Sec-WebSocket-Key: " PEERS_KEY "\r\n\r\n", 503},
	{GET, 0}};

START_TEST(test_wind_up)
{
	bool ended;

	peers_open(&peers, &side_websocket, &side_websocket);
	peers_connect(&peers);
	say(peers.client, stops[_i].request);
	loop_wind_up(&peers.loop);
	peers_turn(&peers);
	if (stops[_i].status != 0) {
		is_refused(stops[_i].status, "shutting down");
		is_over(PAIR_SHUTDOWN);
	} else if (*stops[_i].request == '\0') {
		is_over(PAIR_SHUTDOWN);
	} else { /* answered, and the last */
		say(peers.backend, OK);
		ck_assert_str_eq(got(peers.client, &ended),
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
		ck_assert(ended);
		is_over(PAIR_ENDED);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("gateway");

	unit_fixture(gateway_setup, gateway_teardown);
	tcase_add_loop_test(tc, test_requests, 0, REQUESTS);
	tcase_add_loop_test(tc, test_large_head, 0, 2);
	tcase_add_loop_test(tc, test_answers, 0, 2 * ANSWERS);
	tcase_add_loop_test(tc, test_large_answer, 0, 2);
	tcase_add_loop_test(tc, test_waits, 0, WAITS);
	tcase_add_loop_test(tc, test_ids, 0, sizeof ids / sizeof ids[0]);
	tcase_add_loop_test(tc, test_long_id, 0, 2);
	tcase_add_test(tc, test_time_of_a_head);
	tcase_add_test(tc, test_moves);
	tcase_add_loop_test(tc, test_not_there, 0, 2);
	tcase_add_loop_test(tc, test_unreachable, 0, 2);
	tcase_add_loop_test(tc, test_wind_up, 0, (int)(sizeof stops / sizeof stops[0]));
	return unit_run("gateway", tc);
}

/*
 * The opening of sessions: the first bytes of a client that speaks lines, before and after the
 * backend is there, in one piece and byte by byte; and how long nobody may say anything.
 */
#include <fcntl.h>

#include "tests/unit/peers.h"
#include "tests/unit/unit.h"

static struct peers peers;
static int fillers[8]; /* connections that keep the backend's backlog full */
static int filler_count;

static void opening_setup(void)
{
	static const char *const flags[] = {NULL};
	int silence = open("/dev/null", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(silence, 0);
	ck_assert_int_eq(dup2(silence, STDERR_FILENO), STDERR_FILENO); /* the log */
	ck_assert_int_eq(close(silence), 0);
	peers_init(&peers, flags);
}

static void opening_teardown(void)
{
	peers_done(&peers);
}

/* Nobody can connect to the backend until opening_let_in(). */
static void opening_fill(void)
{
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	int fd;

	snprintf(path.sun_path, sizeof path.sun_path, "/proc/self/fd/%d", peers.place);
	for (filler_count = 0;; filler_count++) {
		ck_assert_int_lt(filler_count, 8);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		fillers[filler_count] = fd;
		if (connect(fd, (struct sockaddr *)&path, sizeof path) != 0)
			break;
	}
	ck_assert_int_eq(errno, EAGAIN);
	close(fd);
}

static void opening_let_in(void)
{
	while (filler_count > 0) {
		int fd = accept(peers.listener, NULL, NULL);

		ck_assert_int_ge(fd, 0);
		close(fd);
		close(fillers[--filler_count]);
	}
}

enum when { BACKEND_FIRST, BYTES_FIRST, WHENS };

/* A client that speaks lines has connected; the backend is there, or must be waited for. */
static void opening_begin(enum when when, const struct side_ops *backend)
{
	peers_open(&peers, &side_line, backend);
	if (when == BYTES_FIRST)
		opening_fill();
	peers_connect(&peers);
	if (when == BACKEND_FIRST)
		ck_assert(peers_shake(&peers));
}

/* The backend, if there was none so far, takes the connection. */
static void opening_go_on(enum when when)
{
	if (when == BYTES_FIRST)
		opening_let_in();
	while (peers.session != NULL && peers.session->pair.state == PAIR_OPENING) {
		ck_assert_int_eq(event_base_loop(peers.base, EVLOOP_ONCE), 0);
		peers_turn(&peers);
	}
}

/* All that can happen, without the backend. */
static void opening_turn(void)
{
	int i;

	for (i = 0; i < PEERS_TURNS; i++)
		(void)event_base_loop(peers.base, EVLOOP_NONBLOCK);
}

static void say(const char *text, size_t size, size_t step)
{
	size_t at;

	for (at = 0; at < size; at += step) {
		size_t n = size - at < step ? size - at : step;

		(void)peers_write(peers.client, text + at, n); /* it may have been closed */
		(void)event_base_loop(peers.base, EVLOOP_NONBLOCK);
	}
}

/* All that the backend has got is this; whether its end follows. */
static void expect_backend(const char *text, size_t size, bool ended)
{
	char *got = malloc(size + 1);
	size_t used = 0;
	ssize_t n = -1;

	ck_assert_ptr_nonnull(got);
	peers_turn(&peers);
	while (used <= size && (n = peers_read(peers.backend, got + used, size + 1 - used)) > 0)
		used += (size_t)n;
	ck_assert_uint_eq(used, size);
	ck_assert_mem_eq(got, text, size);
	ck_assert_int_eq(n, ended ? 0 : -1);
	free(got);
}

static const char *const requests[] = {
	("POST /x HTTP/1.1\r\nHost: 127.0.0.1:4501\r\nOrigin: https://attacker.example\r\n"
	 "Content-Type: text/plain\r\nContent-Length: 9\r\n\r\n{\"id\":1}\n"),
	"GET / HTTP/1.1\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{\"id\":1}\n",
};

enum { REQUESTS = sizeof requests / sizeof requests[0] };

static const struct side_ops *const backends[] = {&side_line, &side_websocket};

/* Nothing of a request reaches the backend, however it is cut, before or after it is there. */
START_TEST(test_http)
{
	const char *text = requests[_i % REQUESTS];
	const struct side_ops *backend = backends[_i / REQUESTS];
	size_t size = strlen(text), step, i;

	for (step = 1; step <= size; step += step < 20 ? 1 : 40) {
		for (i = 0; i < WHENS; i++) {
			if (i == BYTES_FIRST && backend->shake != NULL)
				continue;
			opening_begin((enum when)i, backend);
			say(text, size, step);
			opening_turn();
			ck_assert_ptr_null(peers.session);
			ck_assert_int_eq(peers.reason, PAIR_HTTP);
			ck_assert_uint_eq(peers.loop.counters.http_refused, 1);
			if (i == BACKEND_FIRST)
				expect_backend("", 0, true);
			opening_let_in();
			ck_assert_int_eq(accept(peers.listener, NULL, NULL), -1);
			peers_close(&peers);
		}
	}
}
END_TEST

static const char *const others[] = {
	"{\"id\":1,\"result\":0}\n",
	"\n{\"id\":1,\"result\":0}\n",
	"true\n{\"id\":1,\"result\":0}\n",
	"GET / HTML/1\n{\"id\":1,\"result\":0}\n",
	"hello, world\r\nhow are you\r\n",
	"Content-Length: 2\r\n\r\n{}",
};

enum { OTHERS = sizeof others / sizeof others[0] };

/* What is none reaches the backend as it is, however it is cut. */
START_TEST(test_no_http)
{
	const char *text = others[_i / WHENS];
	enum when when = (enum when)(_i % WHENS);
	size_t size = strlen(text), step;

	for (step = 1; step <= size; step++) {
		opening_begin(when, &side_line);
		say(text, size, step);
		opening_go_on(when);
		ck_assert_ptr_nonnull(peers.session);
		ck_assert_ptr_null(peers.session->greeting);
		peers_hang_up(&peers.client);
		expect_backend(text, size, true);
		ck_assert_uint_eq(peers.loop.counters.http_refused, 0);
		peers_close(&peers);
	}
}
END_TEST

/*
 * A client that says half a request line and no more: it was none. Who says nothing at all is not
 * kept for a backend that must be waited for: see test_session.
 */
START_TEST(test_cut_short)
{
	static const char text[] = "GET / HTTP/";
	enum when when = (enum when)_i;
	size_t size;

	for (size = when == BYTES_FIRST; size < sizeof text; size++) {
		opening_begin(when, &side_line);
		say(text, size, 1);
		ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
		opening_turn();
		opening_go_on(when);
		expect_backend(text, size, true);
		peers_close(&peers);
	}
}
END_TEST

/* The server speaks first, while it is not settled what the client says. */
START_TEST(test_server_speaks_first)
{
	static const char word[] = "{\"method\":\"welcome\"}\n";
	char got[sizeof word];

	opening_begin(BACKEND_FIRST, &side_line);
	if (_i == 1)
		say("GET /", 5, 1);
	ck_assert_int_eq(peers_write(peers.backend, word, sizeof word - 1), sizeof word - 1);
	peers_turn(&peers);
	ck_assert_int_eq(peers_read(peers.client, got, sizeof got), sizeof word - 1);
	ck_assert_mem_eq(got, word, sizeof word - 1);
	ck_assert_ptr_nonnull(peers.session->greeting);
	say(" \n", 2, 1);
	expect_backend(_i == 1 ? "GET / \n" : " \n", _i == 1 ? 7 : 2, false);
	ck_assert_ptr_null(peers.session->greeting);
	peers_close(&peers);
}
END_TEST

/* The backend ends, or everything does, before it is settled. */
START_TEST(test_end_before_it_is_settled)
{
	const struct side_ops *backend = backends[_i / 2];
	char byte;

	opening_begin(BACKEND_FIRST, backend);
	say("GET /", 5, 1);
	if (_i % 2 == 0) {
		peers_hang_up(&peers.backend);
		peers_turn(&peers);
		ck_assert_int_eq(peers_read(peers.client, &byte, 1), 0);
	} else {
		session_say_goodbye(peers.session);
	}
	peers_close(&peers);
}
END_TEST

/* A backend that nobody gets through to: the client is told when the time is over. */
START_TEST(test_unreachable)
{
	static const char *const flags[] = {"--connect-timeout=50ms", NULL};
	char byte;

	peers_done(&peers);
	peers_init(&peers, flags);
	opening_begin(BYTES_FIRST, backends[_i]);
	say("{", 1, 1);
	ck_assert_int_eq(peers_read(peers.client, &byte, 1), -1);
	while (peers.session != NULL)
		ck_assert_int_eq(event_base_loop(peers.base, EVLOOP_ONCE), 0);
	ck_assert_int_eq(peers.reason, PAIR_BACKEND_UNREACHABLE);
	ck_assert_uint_eq(peers.loop.counters.connections_refused, 1);
	ck_assert_int_eq(peers_read(peers.client, &byte, 1), 0);
	opening_let_in();
	peers_close(&peers);
}
END_TEST

/* No memory for what must be kept back: it is counted, and both sides see an end. */
START_TEST(test_no_memory)
{
	char byte;

	opening_begin(BACKEND_FIRST, &side_line);
	unit_alloc_fail_after(0);
	say("GET /", 5, 1);
	unit_alloc_fail_never();
	peers_turn(&peers);
	ck_assert_uint_eq(peers.loop.counters.connections_failed, 1);
	ck_assert_int_eq(peers_read(peers.client, &byte, 1), 0);
	expect_backend("", 0, true);
	peers_close(&peers);
}
END_TEST

/* ---- silence ---- */

#define SECOND UINT64_C(1000000000)

/* That time goes by; the ticker ticks. */
static void pass(uint64_t ns)
{
	peers.loop.now_ns += ns;
	if (peers.session != NULL)
		life_tick(peers.session);
	(void)event_base_loop(peers.base, EVLOOP_NONBLOCK);
}

static void opening_limits(const char *first_byte, const char *idle)
{
	const char *flags[] = {first_byte, idle, NULL};

	peers_done(&peers);
	peers_init(&peers, flags);
}

/* Nobody says anything: it is closed, after the time for a first byte, and not before. */
START_TEST(test_silence)
{
	char byte;

	opening_limits(
		"--first-byte-timeout=60s", _i == 0 ? "--idle-timeout=0" : "--idle-timeout=1h");
	opening_begin(BACKEND_FIRST, &side_line);
	pass(60 * SECOND - SECOND / 10);
	ck_assert_int_eq(peers_read(peers.client, &byte, 1), -1);
	pass(SECOND / 5);
	ck_assert_int_eq(peers_read(peers.client, &byte, 1), 0);
	expect_backend("", 0, true);
	ck_assert_uint_eq(peers.loop.counters.connections_silent, 1);
	ck_assert_uint_eq(peers.loop.counters.connections_idle, 0);
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	ck_assert_int_eq(peers.reason, PAIR_SILENT);
	peers_close(&peers);
}
END_TEST

/* The same where the client is to begin with a request, whatever it is given for that. */
START_TEST(test_silence_http)
{
	const char *flags[] = {"--first-byte-timeout=60s", "--handshake-timeout=2m", NULL};
	char byte;

	peers_done(&peers);
	peers_init(&peers, flags);
	peers_open(&peers, &side_websocket, &side_line);
	peers_connect(&peers);
	if (_i > 0)
		say("G", 1, 1);
	pass(60 * SECOND - SECOND / 10);
	ck_assert_int_eq(peers_read(peers.client, &byte, 1), -1);
	pass(SECOND / 5);
	ck_assert_int_eq(peers_read(peers.client, &byte, 1), _i > 0 ? -1 : 0);
	ck_assert_uint_eq(peers.loop.counters.connections_silent, _i > 0 ? 0 : 1);
	ck_assert_uint_eq(peers.loop.counters.handshakes_overdue, 0);
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	ck_assert_int_eq(peers.reason, _i > 0 ? PAIR_CLIENT_GONE : PAIR_SILENT);
	peers_close(&peers);
}
END_TEST

/* One byte of either side, or a handshake, and silence is as long as anybody likes. */
START_TEST(test_silence_later)
{
	bool websocket = _i == 2;

	opening_limits("--first-byte-timeout=60s", "--idle-timeout=0");
	peers_open(&peers, websocket ? &side_websocket : &side_line, &side_line);
	peers_connect(&peers);
	ck_assert(peers_shake(&peers));
	if (_i == 0)
		say("{", 1, 1);
	else if (_i == 1)
		(void)peers_write(peers.backend, "{", 1);
	peers_turn(&peers);
	pass(3600 * 1000 * SECOND);
	ck_assert_int_eq(peers.session->pair.state, PAIR_OPEN);
	ck_assert_uint_eq(peers.loop.counters.connections_silent, 0);
	peers_close(&peers);
}
END_TEST

/* With both off, nothing ends; before the first byte the shorter one counts. */
START_TEST(test_limits)
{
	opening_limits(
		"--first-byte-timeout=0", _i == 0 ? "--idle-timeout=0" : "--idle-timeout=10s");
	opening_begin(BACKEND_FIRST, &side_line);
	pass(11 * SECOND);
	ck_assert_int_eq(peers.session->pair.state, _i == 0 ? PAIR_OPEN : PAIR_FINISHING);
	ck_assert_uint_eq(peers.loop.counters.connections_silent, _i);
	peers_close(&peers);
}
END_TEST

/* Whatever is said begins the time anew; then it ends, and a WebSocket is told that we go. */
START_TEST(test_idle)
{
	static const uint8_t goodbye[] = {0x88, 2, 1001 >> 8, 1001 & 0xff};
	bool websocket = _i == 1;
	uint8_t bytes[sizeof goodbye + 1];
	uint64_t before_ns;

	opening_limits("--first-byte-timeout=5s", "--idle-timeout=10s");
	peers_open(&peers, websocket ? &side_websocket : &side_line, &side_line);
	peers_connect(&peers);
	ck_assert(peers_shake(&peers));
	if (!websocket)
		say("{}\n", 3, 3);
	pass(9 * SECOND);
	before_ns = peers.session->active_ns;
	(void)peers_write(peers.backend, "{", 1);
	(void)event_base_loop(peers.base, EVLOOP_NONBLOCK); /* and the clock is right again */
	ck_assert_uint_gt(peers.session->active_ns, before_ns);
	pass(9 * SECOND);
	ck_assert_int_eq(peers.session->pair.state, PAIR_OPEN);
	pass(2 * SECOND);
	ck_assert_int_eq(peers.session->pair.state, PAIR_FINISHING);
	ck_assert_uint_eq(peers.loop.counters.connections_idle, 1);
	ck_assert_uint_eq(peers.loop.counters.connections_silent, 0);
	if (websocket) {
		ck_assert_int_eq(peers_read(peers.client, bytes, sizeof bytes), sizeof goodbye);
		ck_assert_mem_eq(bytes, goodbye, sizeof goodbye);
	} else {
		ck_assert_int_eq(peers_read(peers.client, bytes, sizeof bytes), 1);
	}
	ck_assert_int_eq(peers_read(peers.client, bytes, sizeof bytes), 0);
	peers_close(&peers);
}
END_TEST

/* A client that takes its time to read is not idle; one that has stopped is. */
START_TEST(test_slow_reader)
{
	char bytes[65536];
	int i;

	opening_limits("--first-byte-timeout=5s", "--idle-timeout=10s");
	opening_begin(BACKEND_FIRST, &side_line);
	memset(bytes, ' ', sizeof bytes);
	for (i = 0; i < 100; i++) {
		(void)peers_write(peers.backend, bytes, sizeof bytes);
		(void)event_base_loop(peers.base, EVLOOP_NONBLOCK);
	}
	ck_assert_uint_gt(endpoint_backlog(&peers.session->pair.client), 0);
	pass(0);
	for (i = 0; i < 3; i++) {
		pass(9 * SECOND);
		ck_assert_int_gt(peers_read(peers.client, bytes, 1000), 0);
		while (peers_read(peers.client, bytes, 30000) > 0 &&
			endpoint_backlog(&peers.session->pair.client) == peers.session->backlogs)
			(void)event_base_loop(peers.base, EVLOOP_NONBLOCK);
		pass(SECOND / 2);
		ck_assert_int_eq(peers.session->pair.state, PAIR_OPEN);
	}
	pass(11 * SECOND);
	ck_assert_int_eq(peers.session->pair.state, PAIR_FINISHING);
	ck_assert_uint_eq(peers.loop.counters.connections_idle, 1);
	peers_close(&peers);
}
END_TEST

/* Interim answers to a handshake of ours are for us: its client speaks no HTTP. */
START_TEST(test_interim_answers)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nA: b\r\n\r\n";
	char head[4096], text[64];

	peers_open(&peers, &side_line, &side_websocket);
	peers_connect(&peers);
	peers_turn(&peers);
	peers_turn(&peers);
	peers_read_head(peers.backend, head, sizeof head);
	ck_assert_int_eq(strncmp(head, "GET / HTTP/1.1\r\n", 16), 0);
	ck_assert_int_eq(peers_write(peers.backend, interim, sizeof interim - 1),
		(ssize_t)sizeof interim - 1);
	peers_turn(&peers);
	ck_assert_ptr_nonnull(peers.session);
	ck_assert_int_eq(peers.session->pair.state, PAIR_OPENING);
	ck_assert_int_eq(peers_read(peers.client, text, sizeof text), -1);
	peers_close(&peers);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("opening");

	unit_fixture(opening_setup, opening_teardown);
	tcase_add_loop_test(tc, test_http, 0, REQUESTS * 2);
	tcase_add_loop_test(tc, test_no_http, 0, OTHERS * WHENS);
	tcase_add_loop_test(tc, test_cut_short, 0, WHENS);
	tcase_add_loop_test(tc, test_server_speaks_first, 0, 2);
	tcase_add_loop_test(tc, test_end_before_it_is_settled, 0, 4);
	tcase_add_loop_test(tc, test_unreachable, 0, 2);
	tcase_add_test(tc, test_no_memory);
	tcase_add_loop_test(tc, test_silence, 0, 2);
	tcase_add_loop_test(tc, test_silence_http, 0, 2);
	tcase_add_loop_test(tc, test_silence_later, 0, 3);
	tcase_add_loop_test(tc, test_limits, 0, 2);
	tcase_add_loop_test(tc, test_idle, 0, 2);
	tcase_add_test(tc, test_slow_reader);
	tcase_add_test(tc, test_interim_answers);
	return unit_run("opening", tc);
}

/*
 * Sessions whose client, or whose server, speaks TLS: what is asked of whom before they agree, what
 * is said when they do not, and which ends are troubles.
 */
#include <signal.h>
#include <stdlib.h>

#include "proxy/exchange.h"
#include "proxy/stream/tls.h"
#include "proxy/stream/tls_context.h"
#include "tests/unit/peers.h"
#include "tests/unit/tls_files.h"
#include "tests/unit/unit.h"

#define LINE "{\"id\":1,\"method\":\"m\"}\n"

static struct peers peers;
static struct tls_context *server, *client; /* contexts */
static struct tls *tls;                     /* the test's end */
static int tls_fd;

static void tls_setup(void)
{
	static const char *const flags[] = {"--propagation-inject=none", NULL};
	char own[] = "/tmp/sidespan_tls_own_XXXXXX", key[] = "/tmp/sidespan_tls_key_XXXXXX";
	int fds[] = {mkstemp(own), mkstemp(key)};
	struct tls_settings settings = {
		.is_server = true, .paths = {[CERTIFICATES_OWN] = own, [CERTIFICATES_KEY] = key}};
	char error[256];

	ck_assert(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	unit_hear_stderr();
	tls_files_write(own, key);
	server = tls_context_new(&settings, error, sizeof error);
	ck_assert_msg(server != NULL, "%s", error);
	settings = (struct tls_settings){.name = "localhost", .paths = {[CERTIFICATES_ROOT] = own}};
	client = tls_context_new(&settings, error, sizeof error);
	ck_assert_msg(client != NULL, "%s", error);
	ck_assert_int_eq(unlink(own) | unlink(key) | close(fds[0]) | close(fds[1]), 0);
	peers_init(&peers, flags);
	tls = NULL;
}

static void tls_teardown(void)
{
	if (tls != NULL)
		stream_tls.free(tls);
	peers_done(&peers);
	tls_context_free(server);
	tls_context_free(client);
}

/* Whom the test plays with TLS. */
enum who { CLIENT, BACKEND };

static void begin(const struct side_ops *side, enum who who)
{
	peers_open(&peers, side, side);
	if (who == CLIENT)
		peers.route.client_tls = server;
	else
		peers.route.backend_tls = client;
	peers_connect(&peers);
	peers_turn(&peers);
	peers_turn(&peers);
}

static void take_end(enum who who)
{
	tls_fd = who == CLIENT ? peers.client : peers.backend;
	ck_assert_int_ge(tls_fd, 0);
	tls = tls_new(who == CLIENT ? client : server, tls_fd);
	ck_assert_ptr_nonnull(tls);
}

static void agree(void)
{
	enum stream_shake how;
	char byte;
	int i;

	for (i = 0; (how = stream_tls.shake(tls, tls_fd)) != STREAM_AGREED; i++) {
		ck_assert_int_ne(how, STREAM_DISAGREED);
		ck_assert_int_lt(i, 20);
		peers_turn(&peers);
	}
	peers_turn(&peers);
	peers_turn(&peers);
	ck_assert_int_eq(stream_tls.read(tls, tls_fd, &byte, 1), -1); /* tickets */
}

static void give(const char *text)
{
	ck_assert_int_eq(stream_tls.write(tls, tls_fd, text, strlen(text)), (ssize_t)strlen(text));
	peers_turn(&peers);
	peers_turn(&peers);
}

static void hears(const char *text)
{
	char got[256];
	ssize_t n = stream_tls.read(tls, tls_fd, got, sizeof got - 1);

	got[n > 0 ? n : 0] = '\0';
	ck_assert_str_eq(got, text);
}

static void plain_hears(int fd, const char *text)
{
	char got[256];
	ssize_t n = peers_read(fd, got, sizeof got - 1);

	got[n > 0 ? n : 0] = '\0';
	ck_assert_str_eq(got, text);
}

static void plain_says(int fd, const char *text)
{
	ck_assert_int_eq(peers_write(fd, text, strlen(text)), (ssize_t)strlen(text));
	peers_turn(&peers);
}

/* It was closed for that reason, after that many troubles before and behind an agreement. */
static void is_over(enum pair_reason reason, unsigned failed, unsigned broken)
{
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	ck_assert_ptr_null(peers.session);
	ck_assert_int_eq(peers.reason, reason);
	ck_assert_uint_eq(peers.loop.counters.tls_failed, failed);
	ck_assert_uint_eq(peers.loop.counters.tls_broken, broken);
	peers_close(&peers);
}

/* ---- who agrees ---- */

/* Nothing is asked of the server before the client is one that may come in. */
START_TEST(test_client)
{
	begin(&side_line, CLIENT);
	ck_assert_int_eq(peers.backend, -1);
	take_end(CLIENT);
	agree();
	ck_assert_int_ge(peers.backend, 0);
	ck_assert_int_eq(peers.session->pair.state, PAIR_OPEN);
	give(LINE);
	plain_hears(peers.backend, LINE);
	plain_says(peers.backend, "{}\n");
	hears("{}\n");
	ck_assert_int_eq(stream_tls.shut(tls, tls_fd), 0);
	peers_turn(&peers);
	plain_hears(peers.backend, "");
	peers_hang_up(&peers.backend);
	peers_turn(&peers);
	ck_assert_int_eq(unit_said("TLS"), 0);
	is_over(PAIR_ENDED, 0, 0);
}
END_TEST

START_TEST(test_backend)
{
	begin(&side_line, BACKEND);
	take_end(BACKEND);
	agree();
	plain_says(peers.client, LINE);
	hears(LINE);
	give("{}\n");
	plain_hears(peers.client, "{}\n");
	ck_assert_int_eq(unit_said("TLS"), 0);
	is_over(PAIR_CLIENT_GONE, 0, 0);
}
END_TEST

/* ---- who does not ---- */

/* A client that speaks something else, goes, or takes too long. */
START_TEST(test_client_disagrees)
{
	begin(&side_line, CLIENT);
	peers.loop.now_ns = 0;
	if (_i == 0) {
		plain_says(peers.client, LINE);
	} else if (_i == 1) {
		ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	} else {
		peers.session->pair.client.shake_until_ns = 1; /* long ago */
		plain_says(peers.client, "\x16");
	}
	peers_turn(&peers);
	peers_turn(&peers);
	ck_assert_uint_gt(peers.loop.now_ns, 0); /* the clock was looked at */
	ck_assert_ptr_null(peers.session);
	ck_assert_int_eq(peers.backend, -1);
	ck_assert_int_eq(unit_said("connection 0: TLS with the client: "), 1);
	ck_assert_int_eq(
		unit_said("TLS with the client: no handshake within handshake.timeout\n"), _i == 2);
	is_over(PAIR_CLIENT_GONE, 1, 0);
}
END_TEST

/* A server that does; whatever it is that is wrong with it is said. */
START_TEST(test_backend_disagrees)
{
	begin(&side_line, BACKEND);
	ck_assert_int_ge(peers.backend, 0);
	if (_i == 0)
		plain_says(peers.backend, "{\"method\":\"hello\"}\n");
	else if (_i == 1)
		peers_hang_up(&peers.backend);
	else
		peers.session->pair.backend.shake_until_ns = 1;
	if (_i == 2)
		plain_says(peers.backend, "\x16");
	peers_turn(&peers);
	peers_turn(&peers);
	ck_assert_int_eq(unit_said("connection 0: cannot reach unix:///nowhere: "), 1);
	ck_assert_int_eq(
		unit_said("unix:///nowhere: no handshake within handshake.timeout\n"), _i == 2);
	ck_assert_int_eq(unit_said("unix:///nowhere: it was cut off in the handshake\n"), _i == 1);
	ck_assert_uint_eq(peers.loop.counters.connections_refused, 1);
	is_over(PAIR_BACKEND_UNREACHABLE, 1, 0);
}
END_TEST

/* ---- ends ---- */

/* Who is cut off may not have said all. */
START_TEST(test_cut_off)
{
	enum who who = _i == 0 ? CLIENT : BACKEND;
	char said[128];

	begin(&side_line, who);
	take_end(who);
	agree();
	give(who == CLIENT ? LINE : "{}\n");
	peers_hang_up(who == CLIENT ? &peers.client : &peers.backend);
	peers_turn(&peers);
	peers_turn(&peers);
	snprintf(said, sizeof said,
		"warn: connection 0: TLS with the %s: it was cut off, without close_notify\n",
		who == CLIENT ? "client" : "server");
	is_over(who == CLIENT ? PAIR_CLIENT_GONE : PAIR_BACKEND_GONE, 0, 1);
	ck_assert_int_eq(unit_said(said), 1);
}
END_TEST

#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define PUT "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"

/* Clients of HTTP go like that, where nothing is lost by it: between requests, and behind one. */
static const struct {
	const char *request, *answer;
	bool lost;
} requests[] = {
	{NULL, NULL, false},
	{GET, OK "ok", false},
	{GET, NULL, false},
	{GET, OK "o", false},
	{"GET / HT", NULL, true},
	{GET "GET", OK "ok", true},
	{PUT "half", NULL, true},
	{PUT "all of it", NULL, false},
};

START_TEST(test_cut_off_http)
{
	char rest[256];

	begin(&side_websocket, CLIENT);
	take_end(CLIENT);
	agree();
	if (requests[_i].request != NULL)
		give(requests[_i].request);
	if (requests[_i].answer != NULL)
		plain_says(peers.backend, requests[_i].answer);
	while (stream_tls.read(tls, tls_fd, rest, sizeof rest) > 0)
		; /* else it would be a reset */
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	peers_turn(&peers);
	ck_assert_int_eq(unit_said("TLS with the client: it was cut off"), requests[_i].lost);
	if (peers.session != NULL)
		session_close(peers.session, PAIR_CLIENT_GONE);
	peers_turn(&peers);
	ck_assert_uint_eq(peers.loop.counters.tls_broken, requests[_i].lost);
	ck_assert_uint_eq(peers.loop.counters.tls_failed, 0);
	peers_close(&peers);
}
END_TEST

/* Without memory for its part there is no session, and no descriptor is left. */
START_TEST(test_no_memory)
{
	bool refused = true;
	long n;

	for (n = 0; refused; n++) {
		ck_assert_int_lt(n, 50);
		peers_open(&peers, &side_line, &side_line);
		peers.route.client_tls = server;
		unit_alloc_fail_once(n);
		peers_connect(&peers);
		refused = unit_alloc_failed();
		unit_alloc_fail_never();
		peers_turn(&peers);
		if (refused) {
			ck_assert_ptr_null(peers.session);
			ck_assert_int_eq(peers_read(peers.client, &(char){0}, 1), 0);
			ck_assert_uint_eq(peers.loop.counters.connections_failed +
						  peers.loop.counters.connections_refused,
				1);
		}
		peers_close(&peers);
	}
	ck_assert_int_gt(n, 2);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("tls_session");

	unit_fixture(tls_setup, tls_teardown);
	tcase_add_test(tc, test_client);
	tcase_add_test(tc, test_backend);
	tcase_add_loop_test(tc, test_client_disagrees, 0, 3);
	tcase_add_loop_test(tc, test_backend_disagrees, 0, 3);
	tcase_add_loop_test(tc, test_cut_off, 0, 2);
	tcase_add_loop_test(tc, test_cut_off_http, 0, sizeof requests / sizeof requests[0]);
	tcase_add_test(tc, test_no_memory);
	return unit_run("tls_session", tc);
}

/*
 * The life of sessions beside what their peers say: with commands of their own, on our standard
 * input and output, when time is over or we are to stop. The test calls the timer itself.
 */
#include <fcntl.h>

#include "proxy/ending.h"
#include "proxy/endpoint/child.h"
#include "proxy/log.h"
#include "tests/unit/peers.h"
#include "tests/unit/unit.h"

enum { ROOM = 65536 };

#define LINE "{\"id\":1,\"method\":\"m\"}\n"

static struct peers peers;
static struct peers_heard client;

static void life_on_started(void *arg, void *owner, enum child_outcome outcome, int error)
{
	(void)arg;
	if (owner != NULL)
		life_child_started(owner, outcome, error);
}

static void life_on_ended(void *arg, void *owner, int status)
{
	(void)arg;
	(void)status;
	if (owner != NULL)
		ending_child_exited(owner);
}

static void life_on_idle(void *arg)
{
	(void)arg;
}

static const struct child_hooks life_child_hooks = {
	.started = life_on_started, .ended = life_on_ended, .idle = life_on_idle};

static void life_setup(void)
{
	static const char *const flags[] = {"--child-linger=0s", NULL};

	unit_hear_stderr();
	peers_init(&peers, flags);
}

static void life_teardown(void)
{
	peers_done(&peers);
}

/* What a client that speaks lines will meet: a command, or the backend if it is NULL. */
static void life_begin_with(char **command)
{
	static char *const nothing[] = {NULL};
	static struct child_settings settings;

	peers_open(&peers, &side_line, &side_line);
	peers_heard_init(&client, &side_line, true, ROOM);
	settings = (struct child_settings){
		.grace_ms = 1000,
		.environment = nothing,
		.arguments = nothing,
		.own_groups = true,
	};
	peers.loop.children = children_new(peers.base, &settings, &life_child_hooks, NULL);
	ck_assert_ptr_nonnull(peers.loop.children);
	peers.route.command = command;
	peers.route.upstream = command != NULL ? command[0] : "unix:///nowhere";
}

static void life_end(void)
{
	peers_hang_up(&peers.client);
	children_free(peers.loop.children);
	peers.loop.children = NULL;
	peers.route.command = NULL;
	peers_close(&peers);
	peers_heard_done(&client);
}

/* Waits for what comes from elsewhere; the test's own time limit is the deadline. */
#define life_until(condition)                                                                      \
	while (!(condition)) {                                                                     \
		ck_assert_int_eq(event_base_loop(peers.base, EVLOOP_ONCE), 0);                     \
		if (peers.client >= 0)                                                             \
			peers_hear(&client, peers.client);                                         \
	}

static void life_time_is_over(void)
{
	peers.session->on_timer(-1, 0, peers.session);
	peers_turn(&peers);
}

/* ---- commands ---- */

static char cat_name[] = "/bin/cat", nowhere_name[] = "/nowhere/command";
static char *cat[] = {cat_name, NULL}, *nowhere[] = {nowhere_name, NULL};

/* It starts at the first byte, and ends with its client. */
START_TEST(test_command)
{
	life_begin_with(cat);
	peers_connect(&peers);
	peers_turn(&peers);
	ck_assert_int_eq(children_count(peers.loop.children), 0);
	ck_assert_int_eq(peers.session->pair.state, PAIR_OPENING);
	ck_assert_int_eq(peers_write(peers.client, LINE, strlen(LINE)), (ssize_t)strlen(LINE));
	life_until(client.size > 0);
	ck_assert_str_eq(client.text, LINE);
	ck_assert_int_eq(children_count(peers.loop.children), 1);
	ck_assert_int_eq(peers.session->pair.state, PAIR_OPEN);
	ck_assert_int_eq(peers.session->start_failure, CHILD_STARTED);
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	life_until(peers.session == NULL);
	ck_assert_int_eq(peers.reason, PAIR_ENDED);
	peers_hear(&client, peers.client);
	ck_assert(client.ended);
	life_until(children_count(peers.loop.children) == 0);
	ck_assert_uint_eq(peers.loop.counters.connections_refused, 0);
	life_end();
}
END_TEST

/* Or when its client has said nothing for long enough: it may be the one to speak first. */
START_TEST(test_command_without_a_word)
{
	life_begin_with(cat);
	peers_connect(&peers);
	peers_turn(&peers);
	peers.loop.now_ns = 0;
	life_time_is_over();
	ck_assert_uint_gt(peers.loop.now_ns, 0); /* the clock was looked at */
	ck_assert_int_eq(children_count(peers.loop.children), 1);
	life_until(peers.session->pair.state == PAIR_OPEN);
	ck_assert_int_eq(peers_write(peers.client, LINE, strlen(LINE)), (ssize_t)strlen(LINE));
	life_until(client.size > 0);
	life_end();
}
END_TEST

/* But not for a client that is gone by then. */
START_TEST(test_command_for_nobody)
{
	life_begin_with(cat);
	peers_connect(&peers);
	peers_turn(&peers);
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	ck_assert_ptr_null(peers.session);
	ck_assert_int_eq(peers.reason, PAIR_CLIENT_GONE);
	ck_assert_int_eq(children_count(peers.loop.children), 0);
	life_end();
}
END_TEST

START_TEST(test_command_not_found)
{
	life_begin_with(nowhere);
	peers_connect(&peers);
	ck_assert_int_eq(peers_write(peers.client, LINE, strlen(LINE)), (ssize_t)strlen(LINE));
	life_until(peers.session == NULL);
	ck_assert_int_eq(peers.reason, PAIR_BACKEND_UNREACHABLE);
	ck_assert_uint_eq(peers.loop.counters.connections_refused, 1);
	life_end();
}
END_TEST

/* It is being started, and connect.timeout is over. */
START_TEST(test_command_too_slow)
{
	life_begin_with(cat);
	peers_connect(&peers);
	peers_turn(&peers);
	peers.session->on_timer(-1, 0, peers.session); /* starts it */
	ck_assert_int_eq(peers.session->pair.state, PAIR_OPENING);
	peers.session->on_timer(-1, 0, peers.session);
	ck_assert_int_eq(peers.session->pair.state, PAIR_CLOSED);
	peers_turn(&peers);
	ck_assert_ptr_null(peers.session);
	ck_assert_int_eq(peers.reason, PAIR_BACKEND_UNREACHABLE);
	ck_assert_uint_eq(peers.loop.counters.connections_refused, 1);
	life_end();
}
END_TEST

/* ---- what is said, and when it is ---- */

/* On a Unix socket the log has who it is. */
START_TEST(test_open_is_told)
{
	static const enum url_scheme schemes[] = {URL_UNIX, URL_WS_UNIX, URL_TCP, URL_WS};
	enum url_scheme before = peers.config->listen_url.scheme;
	char said[128];

	peers.config->listen_url.scheme = schemes[_i];
	life_begin_with(NULL);
	peers_connect(&peers);
	peers_turn(&peers);
	ck_assert_int_eq(peers.session->pair.state, PAIR_OPEN);
	snprintf(said, sizeof said, "connection 0: open: process %ld of user %lu\n", (long)getpid(),
		(unsigned long)getuid());
	ck_assert_int_eq(unit_said(said), _i < 2);
	ck_assert_int_eq(unit_said("connection 0: open\n"), _i >= 2);
	life_end();
	peers.config->listen_url.scheme = before;
}
END_TEST

/* The clock is looked at before anything is done about what a peer does. */
START_TEST(test_clock)
{
	struct session *session;
	struct endpoint *of;

	life_begin_with(NULL);
	peers_connect(&peers);
	peers_turn(&peers);
	session = peers.session;
	of = _i % 2 == 0 ? &session->pair.client : &session->pair.backend;
	peers.loop.now_ns = 0;
	if (_i < 2) {
		ck_assert_int_eq(
			peers_write(peers.client, LINE, strlen(LINE)), (ssize_t)strlen(LINE));
		ck_assert_int_eq(
			peers_write(peers.backend, LINE, strlen(LINE)), (ssize_t)strlen(LINE));
		of->hook(session, of, ENDPOINT_READABLE);
	} else if (_i < 4) {
		of->hook(session, of, ENDPOINT_ENDED);
	} else {
		of->error = EPIPE;
		of->hook(session, of, ENDPOINT_FAILED);
	}
	ck_assert_uint_gt(peers.loop.now_ns, 0);
	peers_turn(&peers);
	life_end();
}
END_TEST

/* Each phase has its time: until a command is started for who is silent, until it runs, for a last
 * word; and whatever else asks for one. */
START_TEST(test_times)
{
	int64_t then_ms = unit_now_ms();
	struct session *session;

	life_begin_with(_i < 2 ? cat : NULL);
	peers_connect(&peers);
	if (_i >= 2)
		peers_turn(&peers);
	session = peers.session;
	switch (_i) {
	case 0:
		unit_is_due(unit_due_ms(session->timer), then_ms, 1000);
		break;
	case 1:
		session->on_timer(-1, 0, session);
		unit_is_due(unit_due_ms(session->timer), then_ms, peers.config->connect_timeout_ms);
		break;
	case 2:
		session_finish(session, PAIR_IDLE);
		unit_is_due(unit_due_ms(session->timer), then_ms, 1000);
		break;
	case 3:
		ck_assert_int_eq(session_timer(session, 3600500), 0);
		unit_is_due(unit_due_ms(session->timer), then_ms, 3600500);
		session_timer_stop(session);
		ck_assert_int_eq(unit_due_ms(session->timer), -1);
		break;
	}
	life_end();
}
END_TEST

/* What ends is told, with why, as loud as it deserves. */
static const struct {
	enum pair_reason reason;
	const char *said;
} endings[] = {
	{PAIR_ENDED, "both sides ended"},
	{PAIR_CLIENT_GONE, "the client went away"},
	{PAIR_BACKEND_GONE, "the server ended"},
	{PAIR_BACKEND_UNREACHABLE, "the server is not reachable"},
	{PAIR_FRAMING_ERROR, "broken framing"},
	{PAIR_HANDSHAKE_FAILED, "no upgrade"},
	{PAIR_HTTP, "an HTTP request where no HTTP is spoken"},
	{PAIR_SILENT, "nobody said anything within first_byte.timeout"},
	{PAIR_IDLE, "idle for idle.timeout"},
	{PAIR_NO_RESOURCES, "out of resources"},
	{PAIR_SHUTDOWN, "shutdown"},
};

enum { ENDINGS = sizeof endings / sizeof endings[0] };

START_TEST(test_end_is_told)
{
	bool opened = _i % 2 == 0;
	enum pair_reason reason = endings[_i / 2].reason;
	const char *level = reason == PAIR_HTTP               ? "warn"
			    : opened || reason == PAIR_SILENT ? "info"
							      : "debug";
	char said[128];

	life_begin_with(NULL);
	if (!opened)
		peers_hang_up(&peers.listener);
	peers_connect(&peers);
	peers_turn(&peers);
	log_level_set(LOG_DEBUG);
	session_close(peers.session, reason);
	session_close(peers.session, PAIR_SHUTDOWN); /* once only */
	log_level_set(LOG_INFO);
	peers_turn(&peers);
	ck_assert_int_eq(peers.reason, reason);
	snprintf(said, sizeof said, "%s: connection 0: closed: %s\n", level, endings[_i / 2].said);
	ck_assert_int_eq(unit_said(said), 1);
	ck_assert_int_eq(unit_said("closed: "), 1);
	life_end();
}
END_TEST

/* ---- a last word ---- */

/* Says lines until the client does not take all. */
static void life_fill(void)
{
	static char line[4096];

	memset(line, ' ', sizeof line);
	line[0] = '[';
	line[sizeof line - 2] = ']';
	line[sizeof line - 1] = '\n';
	while (endpoint_backlog(&peers.session->pair.client) == 0) {
		ck_assert_int_eq(peers_write(peers.backend, line, sizeof line), sizeof line);
		(void)event_base_loop(peers.base, EVLOOP_NONBLOCK);
	}
}

/*
 * What is kept for a client is not lost when its session finishes: it has a second to take it,
 * whatever it says, or that it will say no more; the reason stays the one there was.
 */
START_TEST(test_finishing)
{
	static char text[1 << 20];
	size_t said;

	life_begin_with(NULL);
	peers_connect(&peers);
	peers_turn(&peers);
	ck_assert_int_eq(peers_write(peers.client, LINE, strlen(LINE)), (ssize_t)strlen(LINE));
	peers_turn(&peers);
	life_fill();
	session_finish(peers.session, PAIR_IDLE);
	session_finish(peers.session, PAIR_SHUTDOWN); /* it does already */
	ck_assert_int_eq(peers.session->pair.state, PAIR_FINISHING);
	said = endpoint_backlog(&peers.session->pair.client);
	ck_assert_uint_gt(said, 0);
	switch (_i) {
	case 0:
		ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
		break;
	case 1:
		ck_assert_int_eq(
			peers_write(peers.client, LINE, strlen(LINE)), (ssize_t)strlen(LINE));
		break;
	case 2:
		life_time_is_over();
		break;
	case 3:
		peers_hang_up(&peers.client);
		break;
	}
	peers_turn(&peers);
	if (_i < 2) {
		ck_assert_int_eq(peers.session->pair.state, PAIR_FINISHING);
		ck_assert_int_eq(peers.session->pair.client.paused, _i == 0);
		ck_assert_uint_eq(endpoint_backlog(&peers.session->pair.client), said);
		while (peers_read(peers.client, text, sizeof text) > 0)
			peers_turn(&peers);
		ck_assert_int_eq(peers_read(peers.client, text, 1), 0);
		if (_i == 1)
			ck_assert_int_eq(peers.session->pair.state, PAIR_FINISHING);
		peers_hang_up(&peers.client);
		peers_turn(&peers);
	}
	ck_assert_ptr_null(peers.session);
	ck_assert_int_eq(peers.reason, PAIR_IDLE);
	life_end();
}
END_TEST

/* ---- we are to stop ---- */

/* Both WebSockets are told that we go, and that is all. */
START_TEST(test_stop)
{
	struct peers_heard backend;

	peers_open(&peers, &side_websocket, &side_websocket);
	peers_heard_init(&client, &side_websocket, true, ROOM);
	peers_heard_init(&backend, &side_websocket, false, ROOM);
	peers_connect(&peers);
	ck_assert(peers_shake(&peers));
	if (_i == 0) {
		peers.session->guest.ops->stop(&peers.session->guest);
	} else {
		session_say_goodbye(peers.session);
		session_say_goodbye(peers.session); /* said once */
		session_finish(peers.session, PAIR_IDLE);
	}
	peers_turn(&peers);
	peers_hear(&client, peers.client);
	peers_hear(&backend, peers.backend);
	ck_assert_uint_eq(client.close_code, 1001);
	ck_assert_uint_eq(backend.close_code, 1001);
	ck_assert(client.ended && backend.ended && !client.broken && !backend.broken);
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	ck_assert_ptr_null(peers.session);
	ck_assert_int_eq(peers.reason, _i == 0 ? PAIR_SHUTDOWN : PAIR_IDLE);
	peers_close(&peers);
	peers_heard_done(&client);
	peers_heard_done(&backend);
}
END_TEST

/* Whose backend is not there yet has asked nothing of it; others are let end. */
START_TEST(test_wind_up)
{
	bool opening = _i == 0;

	life_begin_with(NULL);
	if (opening)
		peers_hang_up(&peers.listener);
	peers_connect(&peers);
	peers_turn(&peers);
	ck_assert_int_eq(peers.session->pair.state, opening ? PAIR_OPENING : PAIR_OPEN);
	loop_wind_up(&peers.loop);
	peers_turn(&peers);
	ck_assert_int_eq(peers.session == NULL, opening);
	if (opening)
		ck_assert_int_eq(peers.reason, PAIR_SHUTDOWN);
	life_end();
}
END_TEST

/* ---- our standard input and output ---- */

static enum pair_reason stdio_reason;
static bool stdio_reaped;

static void stdio_on_reaped(void *arg, const struct session *session)
{
	(void)arg;
	stdio_reaped = true;
	stdio_reason = session->pair.reason;
}

static void life_begin_stdio(const struct side_ops *backend, char **command)
{
	int pair[2];

	if (command != NULL)
		life_begin_with(command);
	else
		peers_open(&peers, &side_line, backend);
	peers.route.reaped = stdio_on_reaped;
	stdio_reaped = false;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(dup2(pair[1], STDIN_FILENO), STDIN_FILENO);
	ck_assert_int_eq(dup2(pair[1], STDOUT_FILENO), STDOUT_FILENO);
	ck_assert_int_eq(close(pair[1]), 0);
	peers.client = pair[0];
}

static void life_end_stdio(void)
{
	if (peers.loop.children != NULL)
		life_end();
	else
		peers_close(&peers);
}

/*
 * Every allocation fails once: there is a session, which goes on; or none, then what was made of it
 * has ended for that reason.
 */
static const struct {
	const struct side_ops *backend;
	char **command; /* in its place */
	enum pair_reason reason;
} stdio_rows[] = {
	{&side_line, NULL, PAIR_NO_RESOURCES},
	{&side_websocket, NULL, PAIR_NO_RESOURCES},
	{&side_line, cat, PAIR_BACKEND_UNREACHABLE},
};

START_TEST(test_stdio_without_memory)
{
	bool refused = true;
	long n;

	for (n = 0; refused; n++) {
		struct session *session;

		ck_assert_int_lt(n, 200);
		life_begin_stdio(stdio_rows[_i].backend, stdio_rows[_i].command);
		unit_alloc_fail_once(n);
		session = life_stdio(&peers.loop, &peers.route);
		refused = unit_alloc_failed();
		unit_alloc_fail_never();
		peers_turn(&peers);
		if (session == NULL)
			ck_assert(!stdio_reaped || stdio_reason == stdio_rows[_i].reason ||
				  stdio_reason == PAIR_NO_RESOURCES);
		else
			ck_assert(!stdio_reaped);
		ck_assert(session != NULL || refused);
		ck_assert_int_eq(peers.loop.guest_count, session != NULL);
		life_end_stdio();
	}
	ck_assert_int_gt(n, 3);
}
END_TEST

/* The end of standard input goes on to the server, whose last answer comes. */
START_TEST(test_stdio)
{
	struct session *session;
	char text[64];

	life_begin_stdio(&side_line, NULL);
	session = life_stdio(&peers.loop, &peers.route);
	ck_assert_ptr_nonnull(session);
	ck_assert_int_eq(peers_write(peers.client, "[]\n", 3), 3);
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	peers_turn(&peers);
	ck_assert_int_eq(peers_read(peers.backend, text, sizeof text), 3);
	ck_assert_mem_eq(text, "[]\n", 3);
	ck_assert_int_eq(peers_read(peers.backend, text, sizeof text), 0);
	ck_assert_int_eq(peers_write(peers.backend, "{}\n", 3), 3);
	peers_hang_up(&peers.backend);
	peers_turn(&peers);
	ck_assert_int_eq(peers_read(peers.client, text, sizeof text), 3);
	ck_assert(stdio_reaped);
	ck_assert_int_eq(stdio_reason, PAIR_ENDED);
	peers_close(&peers);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("life");

	unit_fixture(life_setup, life_teardown);
	tcase_add_test(tc, test_command);
	tcase_add_test(tc, test_command_without_a_word);
	tcase_add_test(tc, test_command_for_nobody);
	tcase_add_test(tc, test_command_not_found);
	tcase_add_test(tc, test_command_too_slow);
	tcase_add_loop_test(tc, test_open_is_told, 0, 4);
	tcase_add_loop_test(tc, test_clock, 0, 6);
	tcase_add_loop_test(tc, test_times, 0, 4);
	tcase_add_loop_test(tc, test_end_is_told, 0, 2 * ENDINGS);
	tcase_add_loop_test(tc, test_finishing, 0, 4);
	tcase_add_loop_test(tc, test_stop, 0, 2);
	tcase_add_loop_test(tc, test_wind_up, 0, 2);
	tcase_add_loop_test(tc, test_stdio_without_memory, 0, 3);
	tcase_add_test(tc, test_stdio);
	return unit_run("life", tc);
}

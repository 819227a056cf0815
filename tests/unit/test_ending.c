/*
 * The endings of sessions in front of a server that is no command: who is gone, who may be there,
 * and for how long nothing may move. Time is what the test says it is.
 */
#include <fcntl.h>
#include <signal.h>

#include "proxy/ending.h"
#include "proxy/endpoint/child.h"
#include "tests/unit/peers.h"
#include "tests/unit/unit.h"

#define SECOND UINT64_C(1000000000)
#define GRACE  (10 * SECOND)

static struct peers peers;

static void ending_setup(void)
{
	static const char *const flags[] = {"--child-grace=10s", "--child-linger=1s", NULL};
	int silence = open("/dev/null", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(silence, 0);
	ck_assert_int_eq(dup2(silence, STDERR_FILENO), STDERR_FILENO); /* the log */
	ck_assert_int_eq(close(silence), 0);
	peers_init(&peers, flags);
}

static void ending_teardown(void)
{
	peers_done(&peers);
}

static void begin(const struct side_ops *client, const struct side_ops *backend)
{
	peers_open(&peers, client, backend);
	peers_connect(&peers);
	ck_assert(peers_shake(&peers));
}

/* That time goes by: the ticker ticks, and the session's timer, if it has one by then. */
static void pass(uint64_t ns)
{
	peers.loop.now_ns += ns;
	if (peers.session != NULL)
		life_tick(peers.session);
	if (peers.session != NULL && peers.session->pair.state == PAIR_OPEN &&
		peers.session->timer != NULL)
		ending_timeout(peers.session);
	peers_turn(&peers);
}

/* It was closed for that reason, with that many clients given up. */
static void is_over(enum pair_reason reason, uint64_t overdue)
{
	ck_assert_ptr_null(peers.session);
	ck_assert_int_eq(peers.reason, reason);
	ck_assert_uint_eq(peers.loop.counters.connections_overdue, overdue);
}

static void is_open(void)
{
	ck_assert_ptr_nonnull(peers.session);
	ck_assert_int_eq(peers.session->pair.state, PAIR_OPEN);
	ck_assert_uint_eq(peers.loop.counters.connections_overdue, 0);
}

/* More than its socket and our backlog take; the session does not read it any more. */
static void flood(int fd)
{
	static char bytes[65536];
	int i;

	memset(bytes, ' ', sizeof bytes);
	for (i = 0; i < 10000 && peers_write(fd, bytes, sizeof bytes) > 0; i++)
		peers_turn(&peers);
	ck_assert_int_lt(i, 10000);
}

/* Reads what there is; returns how much. */
static size_t take(int fd, size_t size)
{
	static char bytes[65536];
	size_t used = 0;
	ssize_t n;

	while (used < size && (n = peers_read(fd, bytes, sizeof bytes)) > 0) {
		used += (size_t)n;
		peers_turn(&peers);
	}
	return used;
}

/* A half-closed client is there until it is seen to be gone. */
START_TEST(test_half_closed)
{
	char byte;

	begin(&side_line, &side_line);
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	ck_assert_int_eq(peers_read(peers.backend, &byte, 1), 0);
	ck_assert(!peers.session->pair.client.probed); /* most are over in a moment */
	pass(1000 * GRACE);
	is_open();
	ck_assert(peers.session->pair.client.probed); /* who goes behind TCP is found out */
	ck_assert_int_eq(peers_write(peers.backend, "{}\n", 3), 3);
	peers_turn(&peers);
	ck_assert_uint_eq(take(peers.client, 3), 3);
	if (_i == 0)
		peers_hang_up(&peers.client);
	else
		ck_assert_int_eq(shutdown(peers.client, SHUT_RD), 0);
	peers_turn(&peers);
	is_open(); /* nobody has looked yet */
	pass(0);
	is_over(PAIR_CLIENT_GONE, 0);
	peers_close(&peers);
}
END_TEST

/* One that is gone for good ends all, when its last messages have been delivered. */
START_TEST(test_gone)
{
	const struct side_ops *client = _i == 0 ? &side_line : &side_websocket;

	begin(client, &side_line);
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	is_over(PAIR_CLIENT_GONE, 0);
	ck_assert_uint_eq(take(peers.backend, 1), 0);
	peers_close(&peers);
}
END_TEST

/* A WebSocket has no half-close: who ends without a close frame is given the time, but no more. */
START_TEST(test_half_of_a_websocket)
{
	begin(&side_websocket, &side_line);
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	pass(GRACE - SECOND);
	is_open();
	ck_assert_int_eq(peers_write(peers.backend, "{}\n", 3), 3); /* it is not silent */
	(void)event_base_loop(peers.base, EVLOOP_NONBLOCK);
	peers.session->active_ns = peers.session->client_end_ns + GRACE - SECOND;
	peers.loop.now_ns = peers.session->active_ns;
	pass(GRACE - SECOND);
	is_open();
	pass(SECOND);
	is_over(PAIR_CLIENT_GONE, 1);
	peers_close(&peers);
}
END_TEST

/* Who is not read may have gone: the kernel is to ask. */
START_TEST(test_not_read)
{
	begin(&side_line, &side_line);
	pass(0);
	ck_assert(!peers.session->pair.client.probed);
	flood(peers.client);
	pass(0);
	is_open();
	ck_assert(peers.session->pair.client.probed);
	peers_close(&peers);
}
END_TEST

/* Its last messages wait for a server that does not read, as long as that takes some of them. */
START_TEST(test_last_messages)
{
	size_t before;
	int i;

	begin(&side_line, &side_line);
	flood(peers.client);
	ck_assert_int_eq(peers.session->pumps[PUMP_CLIENT_TO_BACKEND].state, PUMP_THROTTLED);
	before = peers.session->backlogs;
	peers_hang_up(&peers.client);
	pass(0);
	for (i = 0; i < 3; i++) {
		pass(GRACE - SECOND);
		is_open();
		while (endpoint_backlog(&peers.session->pair.backend) == peers.session->backlogs)
			ck_assert_uint_gt(take(peers.backend, 1), 0);
	}
	ck_assert_uint_ge(peers.session->backlogs, before / 2);
	if (_i == 0) {
		pass(0);
		pass(GRACE);
		is_over(PAIR_CLIENT_GONE, 1);
	} else {
		ck_assert_uint_gt(take(peers.backend, SIZE_MAX), 0);
		is_over(PAIR_CLIENT_GONE, 0);
	}
	peers_close(&peers);
}
END_TEST

/* A backend that takes no more stops nobody: what comes is thrown away, and its end is seen. */
START_TEST(test_backend_takes_no_more)
{
	begin(&side_line, &side_line);
	ck_assert_int_eq(shutdown(peers.backend, SHUT_RD), 0);
	ck_assert_int_eq(peers_write(peers.client, "{}\n", 3), 3);
	peers_turn(&peers);
	is_open();
	ck_assert_int_eq(peers.session->pumps[PUMP_CLIENT_TO_BACKEND].output, PUMP_OUTPUT_FAILED);
	ck_assert_uint_eq(peers.session->client_end_ns, 0);
	ck_assert(!peers.session->pair.client.paused);
	ck_assert_int_eq(peers_write(peers.client, "{}\n", 3), 3);
	peers_turn(&peers);
	ck_assert(!peers.session->pair.client.paused); /* it is no end */
	ck_assert_uint_eq(peers.session->client_end_ns, 0);
	pass(1000 * GRACE);
	is_open();
	ck_assert_int_eq(peers_write(peers.backend, "{}\n", 3), 3);
	peers_turn(&peers);
	ck_assert_uint_eq(take(peers.client, 3), 3);
	if (_i == 0) {
		ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
		peers_turn(&peers);
		pass(1000 * GRACE);
		is_open();
		ck_assert_uint_ne(peers.session->client_end_ns, 0);
	}
	peers_hang_up(&peers.client);
	pass(0);
	is_over(PAIR_CLIENT_GONE, 0);
	peers_close(&peers);
}
END_TEST

/* A client that takes no more ends all at once. */
START_TEST(test_client_takes_no_more)
{
	begin(&side_line, &side_line);
	ck_assert_int_eq(shutdown(peers.client, SHUT_RD), 0);
	peers_turn(&peers);
	is_open();
	ck_assert_int_eq(peers_write(peers.backend, "{}\n", 3), 3);
	peers_turn(&peers);
	is_over(PAIR_CLIENT_GONE, 0);
	peers_close(&peers);
}
END_TEST

/* Who we were started by is told by a pipe that nobody reads. */
START_TEST(test_backend_takes_no_more_of_stdin)
{
	enum url_scheme before = peers.config->listen_url.scheme;
	int ends[2], out = open("/dev/null", O_WRONLY | O_CLOEXEC);

	peers.config->listen_url.scheme = URL_NONE;
	peers_open(&peers, &side_line, &side_line);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	ck_assert_int_eq(dup2(out, STDOUT_FILENO), STDOUT_FILENO);
	ck_assert_int_eq(close(ends[0]) | close(out), 0);
	peers.session = life_stdio(&peers.loop, &peers.route);
	ck_assert_ptr_nonnull(peers.session);
	peers_turn(&peers);
	ck_assert_int_eq(shutdown(peers.backend, SHUT_RD), 0);
	ck_assert_int_eq(write(ends[1], "{}\n", 3), 3);
	peers_turn(&peers);
	is_open();
	ck_assert(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	ck_assert_int_eq(write(ends[1], "{}\n", 3), -1);
	ck_assert_int_eq(errno, EPIPE);
	peers_hang_up(&peers.backend);
	peers_turn(&peers);
	is_over(PAIR_ENDED, 0); /* nobody's last word has to be waited for */
	peers_close(&peers);
	ck_assert_int_eq(close(ends[1]), 0);
	peers.config->listen_url.scheme = before;
}
END_TEST

/* A client that does not read keeps its messages, also after it has ended its half. */
START_TEST(test_client_does_not_read)
{
	begin(&side_line, &side_line);
	flood(peers.backend);
	if (_i == 1)
		ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	pass(1000 * GRACE);
	is_open();
	ck_assert_uint_gt(take(peers.client, 300000), 300000 - 1);
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	pass(0);
	is_over(PAIR_CLIENT_GONE, 0);
	peers_close(&peers);
}
END_TEST

/* ---- commands ---- */

/* From now on the backend is a command's, of which nothing is known but what the test tells. */
static void becomes_command(void)
{
	static char name[] = "command", *command[] = {name, NULL}, *nothing[] = {NULL};
	static const struct child_settings settings = {
		.grace_ms = 1000, .environment = nothing, .arguments = nothing};
	static const struct child_hooks hooks;

	peers.loop.children = children_new(peers.base, &settings, &hooks, NULL);
	ck_assert_ptr_nonnull(peers.loop.children);
	peers.route.command = command;
}

static void end_command(void)
{
	if (peers.session != NULL)
		session_close(peers.session, PAIR_SHUTDOWN);
	peers_turn(&peers);
	children_free(peers.loop.children);
	peers.loop.children = NULL;
	peers.route.command = NULL;
	peers_close(&peers);
}

/* What it started may still speak: it is over when nobody has spoken for child.linger. */
START_TEST(test_exited)
{
	begin(&side_line, &side_line);
	becomes_command();
	ck_assert_int_eq(peers_write(peers.backend, "{}\n", 3), 3);
	peers_turn(&peers);
	ck_assert_uint_eq(take(peers.client, 3), 3);
	ending_child_exited(peers.session);
	pass(SECOND / 2);
	is_open();
	ck_assert_int_eq(peers_write(peers.backend, "{}\n", 3), 3);
	peers_turn(&peers);
	ck_assert_uint_eq(take(peers.client, 3), 3);
	pass(SECOND / 2);
	is_open();
	ck_assert_uint_eq(take(peers.client, 1), 0);
	pass(SECOND);
	ck_assert_int_eq(peers.session->pair.state, PAIR_FINISHING);
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	is_over(PAIR_BACKEND_GONE, 0);
	end_command();
}
END_TEST

/* It has said all, and runs: until it exits its client is not told. */
START_TEST(test_silent_command)
{
	begin(&side_line, &side_line);
	becomes_command();
	if (_i == 1)
		ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	peers_hang_up(&peers.backend);
	peers_turn(&peers);
	if (_i == 0) {
		is_open();
		ending_child_exited(peers.session);
	}
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	is_over(_i == 0 ? PAIR_BACKEND_GONE : PAIR_ENDED, 0);
	end_command();
}
END_TEST

/* It has exited, and its client does not read: that is waited for, unless the client has ended. */
START_TEST(test_exited_before_a_client_that_does_not_read)
{
	begin(&side_line, &side_line);
	becomes_command();
	flood(peers.backend);
	ending_child_exited(peers.session);
	pass(1000 * GRACE);
	is_open();
	pass(1000 * GRACE);
	is_open();
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	pass(GRACE - SECOND);
	is_open();
	pass(2 * SECOND);
	is_over(PAIR_CLIENT_GONE, 1);
	end_command();
}
END_TEST

/* ---- lines towards a WebSocket ---- */

/* Its close frame waits for the answers that are due, then for a silence. */
START_TEST(test_lines_to_a_websocket)
{
	static const char ask[] = "{\"id\":1,\"method\":\"m\"}\n";
	static const char answer[] = "\x81\x13{\"id\":1,\"result\":1}";
	uint8_t frame[8];

	begin(&side_line, &side_websocket);
	ck_assert_int_eq(peers_write(peers.client, ask, sizeof ask - 1), sizeof ask - 1);
	peers_turn(&peers);
	ck_assert_uint_gt(take(peers.backend, SIZE_MAX), sizeof ask);
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	pass(GRACE - SECOND);
	is_open();
	ck_assert_uint_eq(take(peers.backend, 1), 0);
	if (_i == 0) {
		ck_assert_int_eq(
			peers_write(peers.backend, answer, sizeof answer - 1), sizeof answer - 1);
		peers_turn(&peers);
		ck_assert_uint_eq(take(peers.client, SIZE_MAX), sizeof answer - 2);
		pass(SECOND / 2);
		is_open();
		ck_assert_uint_eq(take(peers.backend, 1), 0);
	}
	pass(SECOND);
	ck_assert_int_eq(peers_read(peers.backend, frame, 8), 8);
	ck_assert_uint_eq(frame[0], 0x88);
	is_open();
	pass(GRACE); /* it does not answer */
	is_over(PAIR_ENDED, 0);
	peers_close(&peers);
}
END_TEST

/*
 * The server ends last. Of a client whose end was read nothing can be lost: there is nothing to
 * wait for any more. Who has not ended, or not taken all, is waited for.
 */
START_TEST(test_both_ended)
{
	static char text[1 << 20];
	char byte;

	begin(&side_line, &side_line);
	if (_i < 2)
		ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	if (_i == 1)
		flood(peers.backend);
	peers_hang_up(&peers.backend);
	(void)event_base_loop(peers.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	if (_i == 0) {
		is_over(PAIR_ENDED, 0);
		ck_assert_int_eq(peers_read(peers.client, &byte, 1), 0);
	} else {
		peers_turn(&peers);
		ck_assert_ptr_nonnull(peers.session);
		while (peers_read(peers.client, text, sizeof text) > 0)
			peers_turn(&peers);
		if (_i == 2)
			ck_assert_int_eq(peers.session->pair.state, PAIR_FINISHING);
		peers_hang_up(&peers.client);
		peers_turn(&peers);
		is_over(_i == 1 ? PAIR_ENDED : PAIR_BACKEND_GONE, 0);
	}
	peers_close(&peers);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ending");

	unit_fixture(ending_setup, ending_teardown);
	tcase_add_loop_test(tc, test_half_closed, 0, 2);
	tcase_add_loop_test(tc, test_gone, 0, 2);
	tcase_add_test(tc, test_half_of_a_websocket);
	tcase_add_test(tc, test_not_read);
	tcase_add_loop_test(tc, test_last_messages, 0, 2);
	tcase_add_loop_test(tc, test_backend_takes_no_more, 0, 2);
	tcase_add_test(tc, test_client_takes_no_more);
	tcase_add_test(tc, test_backend_takes_no_more_of_stdin);
	tcase_add_loop_test(tc, test_client_does_not_read, 0, 2);
	tcase_add_test(tc, test_exited);
	tcase_add_loop_test(tc, test_silent_command, 0, 2);
	tcase_add_test(tc, test_exited_before_a_client_that_does_not_read);
	tcase_add_loop_test(tc, test_lines_to_a_websocket, 0, 2);
	tcase_add_loop_test(tc, test_both_ended, 0, 3);
	return unit_run("ending", tc);
}

/*
 * HTTP exchanges whose peers do not read for a while, or end in the middle: who waits for whom, and
 * every byte that was said.
 */
#include "proxy/exchange.h"
#include "tests/unit/peers.h"
#include "tests/unit/unit.h"

enum { BIG = 3 << 20, BACKLOG = 64 << 10, READ = 64 << 10, PATTERN = 61 };

static struct peers peers;
static uint8_t piece[4 * PATTERN * 251]; /* the same every PATTERN bytes */

static void standstill_setup(void)
{
	static const char *const flags[] = {
		"--backlog-bytes-max=64KiB", "--handshake-timeout=10s", NULL};
	size_t i;

	for (i = 0; i < sizeof piece; i++)
		piece[i] = (uint8_t)('!' + i % PATTERN);
	unit_hear_stderr();
	peers_init(&peers, flags);
	peers_open(&peers, &side_websocket, &side_websocket);
	peers_connect(&peers);
}

static void standstill_teardown(void)
{
	peers_close(&peers);
	peers_done(&peers);
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(peers_write(fd, text, strlen(text)), (ssize_t)strlen(text));
	peers_turn(&peers);
	peers_turn(&peers);
}

/* Writes a body from byte AT on, as far as it is taken; returns to where. */
static size_t flood(int fd, size_t at)
{
	ssize_t n = 1;

	while (at < BIG && n > 0) {
		size_t from = at % PATTERN, size = sizeof piece - PATTERN;

		n = peers_write(fd, piece + from, size < BIG - at ? size : BIG - at);
		at += n > 0 ? (size_t)n : 0;
		peers_turn(&peers);
	}
	return at;
}

/* Reads a body from byte AT on, at most so much; returns to where. */
static size_t take(int fd, size_t at, size_t most)
{
	static uint8_t bytes[sizeof piece - PATTERN];
	ssize_t n;

	while (most > 0 &&
		(n = peers_read(fd, bytes, most < sizeof bytes ? most : sizeof bytes)) > 0) {
		ck_assert_mem_eq(bytes, piece + at % PATTERN, (size_t)n);
		at += (size_t)n;
		most -= (size_t)n;
		peers_turn(&peers);
	}
	return at;
}

/* The backend says pieces, with that around each, until the client does not take all; how much. */
static size_t say_until_backlog(const char *before, const char *after)
{
	size_t said = 0;

	while (endpoint_backlog(&peers.session->pair.client) == 0) {
		ck_assert_uint_lt(said, BIG);
		(void)peers_write(peers.backend, before, strlen(before));
		ck_assert_int_eq(peers_write(peers.backend, piece, 4 * PATTERN), 4 * PATTERN);
		(void)peers_write(peers.backend, after, strlen(after));
		said += 4 * (size_t)PATTERN;
		(void)event_base_loop(peers.base, EVLOOP_NONBLOCK);
	}
	return said;
}

/* A head came, of which that is the beginning. */
static void is_head(int fd, const char *beginning)
{
	char text[1024];

	peers_read_head(fd, text, sizeof text);
	ck_assert_msg(strncmp(text, beginning, strlen(beginning)) == 0, "%s: %s", beginning, text);
}

static bool has_ended(int fd)
{
	char byte;

	return peers_read(fd, &byte, 1) == 0;
}

static void is_over(enum pair_reason reason)
{
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	ck_assert_ptr_null(peers.session);
	ck_assert_int_eq(peers.reason, reason);
}

#define GET   "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define PUT   "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3145728\r\n\r\n"
#define OK    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define LARGE "HTTP/1.1 200 OK\r\nContent-Length: 3145728\r\n\r\n"

/* ---- who does not read ---- */

/* A client that does not read has the backend wait, and nothing is kept but what it may be. */
START_TEST(test_client_does_not_read)
{
	size_t said, heard;

	say(peers.client, GET);
	is_head(peers.backend, "GET / HTTP/1.1\r\n");
	say(peers.backend, LARGE);
	said = flood(peers.backend, 0);
	ck_assert_uint_lt(said, BIG);
	ck_assert(peers.session->pair.backend.paused);
	ck_assert_uint_ge(endpoint_backlog(&peers.session->pair.client), BACKLOG);
	ck_assert_uint_lt(endpoint_backlog(&peers.session->pair.client), BACKLOG + READ);
	is_head(peers.client, "HTTP/1.1 200 OK\r\n");
	heard = take(peers.client, 0, SIZE_MAX);
	ck_assert_uint_eq(heard, said);
	while (heard < BIG) {
		said = flood(peers.backend, said);
		heard = take(peers.client, heard, SIZE_MAX);
		ck_assert_uint_eq(heard, said);
	}
	say(peers.client, GET); /* all is as before */
	is_head(peers.backend, "GET / HTTP/1.1\r\n");
	say(peers.backend, OK);
	is_head(peers.client, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
	is_over(PAIR_CLIENT_GONE);
}
END_TEST

/* A backend that does not read has the client wait. */
START_TEST(test_backend_does_not_read)
{
	size_t said, heard = 0;

	say(peers.client, PUT);
	said = flood(peers.client, 0);
	ck_assert_uint_lt(said, BIG);
	ck_assert(peers.session->pair.client.paused);
	ck_assert_uint_ge(endpoint_backlog(&peers.session->pair.backend), BACKLOG);
	ck_assert_uint_lt(endpoint_backlog(&peers.session->pair.backend), BACKLOG + READ);
	is_head(peers.backend, "PUT / HTTP/1.1\r\n");
	while (heard < BIG) {
		heard = take(peers.backend, heard, SIZE_MAX);
		ck_assert_uint_eq(heard, said);
		said = flood(peers.client, said);
	}
	ck_assert(!has_ended(peers.client));
	say(peers.backend, OK);
	is_head(peers.client, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
	is_over(PAIR_CLIENT_GONE);
}
END_TEST

/*
 * The answer ends with its connection, and the client has not taken all of it: it is waited for,
 * whatever it says meanwhile; unless it goes.
 */
START_TEST(test_rest_of_an_answer)
{
	size_t said;

	say(peers.client, GET);
	is_head(peers.backend, "GET / HTTP/1.1\r\n");
	say(peers.backend, "HTTP/1.1 200 OK\r\n\r\n");
	said = say_until_backlog("", "");
	peers_hang_up(&peers.backend);
	peers_turn(&peers);
	is_head(peers.client, "HTTP/1.1 200 OK\r\nConnection: close\r\n");
	ck_assert_int_eq(peers.session->pair.state, PAIR_EXCHANGE);
	ck_assert_int_eq(peers.session->exchange->phase, EXCHANGE_DELIVERS);
	ck_assert_uint_gt(endpoint_backlog(&peers.session->pair.client), 0);
	if (_i == 0)
		say(peers.client, GET); /* which is thrown away */
	if (_i == 1)
		ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	ck_assert_int_eq(peers.session->pair.state, PAIR_EXCHANGE);
	if (_i == 2) {
		is_over(PAIR_CLIENT_GONE);
		return;
	}
	ck_assert(!peers.session->exchange->client_ended == (_i != 1));
	ck_assert_uint_eq(take(peers.client, 0, SIZE_MAX), said);
	peers_turn(&peers);
	ck_assert(has_ended(peers.client));
	is_over(PAIR_ENDED);
}
END_TEST

/* A backend says more than the client has taken of the answer before: in order, when it has. */
START_TEST(test_interim_behind_a_backlog)
{
	static const char end[] = "0\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
				  "HTTP/1.1 103 Hints\r\n\r\n" OK;
	static char text[BIG];
	size_t size = 0;
	ssize_t n;

	say(peers.client, GET GET);
	is_head(peers.backend, "GET / HTTP/1.1\r\n");
	say(peers.backend, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	(void)say_until_backlog("f4\r\n", "\r\n");
	say(peers.backend, "0\r\n\r\n");
	is_head(peers.backend, "GET / HTTP/1.1\r\n");
	ck_assert_uint_gt(endpoint_backlog(&peers.session->pair.client), 0);
	say(peers.backend, end + 5);
	ck_assert(peers.session->pair.backend.paused);
	ck_assert_uint_eq(peers.session->exchange->reply.interim_count, 1);
	while ((n = peers_read(peers.client, text + size, sizeof text - size)) > 0) {
		size += (size_t)n;
		peers_turn(&peers);
		peers_turn(&peers);
	}
	ck_assert_uint_gt(size, sizeof end);
	ck_assert_mem_eq(text + size - strlen(end), end, strlen(end));
	ck_assert(!peers.session->pair.backend.paused);
	is_over(PAIR_CLIENT_GONE);
}
END_TEST

/* ---- who ends ---- */

#define STREAM "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"

static const struct {
	const char *request, *answer; /* what was said before the client ends its half */
	bool waits, told;             /* for an answer; the backend sees an end */
	enum pair_reason reason;
} ends[] = {
	{NULL, NULL, false, false, PAIR_ENDED},
	{"GET / HT", NULL, false, false, PAIR_CLIENT_GONE},
	{GET, NULL, true, false, PAIR_ENDED},
	{GET "GET", NULL, true, false, PAIR_CLIENT_GONE},
	{GET, OK, false, false, PAIR_ENDED},
	{PUT "abc", NULL, true, true, PAIR_ENDED},
	{"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", NULL, true, true,
		PAIR_ENDED},
	{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{\"id\":", NULL, false, false,
		PAIR_CLIENT_GONE}, /* it would have been edited: nothing of it has gone on */
	{GET, STREAM, true, true, PAIR_ENDED},
};

/* A client may have ended and still read: what it has asked is answered. */
START_TEST(test_client_ends)
{
	const char *request = ends[_i].request;
	bool streams = ends[_i].answer != NULL && ends[_i].waits;

	if (request != NULL)
		say(peers.client, request);
	if (request != NULL && (ends[_i].waits || ends[_i].answer != NULL))
		is_head(peers.backend, request[0] == 'P' ? "PUT /" : "GET /");
	if (ends[_i].answer != NULL) {
		say(peers.backend, ends[_i].answer);
		is_head(peers.client, "HTTP/1.1 200 OK");
	}
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	if (ends[_i].waits) {
		char rest[64];

		ck_assert_int_eq(peers.session->pair.state, PAIR_EXCHANGE);
		while (peers_read(peers.backend, rest, sizeof rest) > 0)
			;
		ck_assert_int_eq(has_ended(peers.backend), ends[_i].told);
		if (!streams)
			say(peers.backend, OK);
		else
			peers_hang_up(&peers.backend);
		peers_turn(&peers);
		if (!streams)
			is_head(peers.client, "HTTP/1.1 200 OK");
	}
	while (!has_ended(peers.client))
		peers_turn(&peers);
	is_over(ends[_i].reason);
}
END_TEST

/* A backend that takes no more of a request may say why: that goes to the client, who goes on. */
START_TEST(test_backend_takes_no_more)
{
	say(peers.client, PUT);
	is_head(peers.backend, "PUT / HTTP/1.1\r\n");
	if (_i == 1)
		ck_assert_uint_lt(flood(peers.client, 0), BIG); /* of which much was not taken */
	ck_assert_int_eq(shutdown(peers.backend, SHUT_RD), 0);
	peers_turn(&peers);
	if (_i == 0)
		ck_assert_uint_eq(flood(peers.client, 0), BIG); /* and thrown away */
	ck_assert_uint_eq(peers.loop.counters.connections_failed, 0);
	ck_assert(!has_ended(peers.client));
	say(peers.backend, "HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n");
	is_head(peers.client,
		"HTTP/1.1 413 Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	peers_turn(&peers);
	ck_assert(has_ended(peers.client));
	is_over(PAIR_ENDED);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("standstill");

	unit_fixture(standstill_setup, standstill_teardown);
	tcase_add_test(tc, test_client_does_not_read);
	tcase_add_test(tc, test_backend_does_not_read);
	tcase_add_loop_test(tc, test_rest_of_an_answer, 0, 3);
	tcase_add_test(tc, test_interim_behind_a_backlog);
	tcase_add_loop_test(tc, test_client_ends, 0, sizeof ends / sizeof ends[0]);
	tcase_add_loop_test(tc, test_backend_takes_no_more, 0, 2);
	return unit_run("standstill", tc);
}

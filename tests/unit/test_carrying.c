/*
 * What a session makes of what its pumps tell: each trouble is counted every time, and said once a
 * connection, in the name of whoever sends.
 */
#include "proxy/carrying.h"

#include "proxy/message/splice.h"
#include "proxy/session.h"
#include "tests/unit/peers.h"
#include "tests/unit/unit.h"

#define REQUEST "{\"id\":1,\"method\":\"m\"}"
#define ANSWER  "{\"id\":1,\"result\":1}"

static struct peers peers;

static void carrying_setup(void)
{
	static const char *const flags[] = {"--reframe-bytes-max=64KiB", NULL};

	unit_hear_stderr();
	peers_init(&peers, flags);
}

static void carrying_teardown(void)
{
	peers_done(&peers);
}

static void begin(const struct side_ops *client, const struct side_ops *backend)
{
	peers_open(&peers, client, backend);
	peers_connect(&peers);
	ck_assert(peers_shake(&peers));
}

/* Says bytes, and gives what has come to the other peer by then. */
static const char *pass(bool from_client, const char *bytes, size_t size)
{
	static char text[131072];
	int from = from_client ? peers.client : peers.backend;
	int to = from_client ? peers.backend : peers.client;
	ssize_t n;

	ck_assert_int_eq(peers_write(from, bytes, size), (ssize_t)size);
	peers_turn(&peers);
	n = peers_read(to, text, sizeof text - 1);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static const struct {
	enum splice_trouble trouble;
	size_t counter; /* offset in struct loop_counters */
	const char *text;
} troubles[] = {
	{SPLICE_NOT_JSON, offsetof(struct loop_counters, messages_not_json), "is not JSON"},
	{SPLICE_TOO_DEEP, offsetof(struct loop_counters, messages_too_deep),
		"is nested too deeply"},
	{SPLICE_UNDECIDED, offsetof(struct loop_counters, messages_undecided),
		"is too long before it is clear what it is"},
	{SPLICE_ENVELOPE_LARGE, offsetof(struct loop_counters, envelopes_large),
		"has too much in its envelope"},
	{SPLICE_NO_MEMORY, offsetof(struct loop_counters, messages_no_memory),
		"did not fit in memory"},
	{SPLICE_NO_PLACE, offsetof(struct loop_counters, requests_unplaced),
		"has no place for a trace context"},
};

enum { TROUBLES = sizeof troubles / sizeof troubles[0] };

static uint64_t trouble_count(int i)
{
	return *(const uint64_t *)((const char *)&peers.loop.counters + troubles[i].counter);
}

START_TEST(test_trouble)
{
	char said[128];
	int i;

	begin(&side_line, &side_line);
	snprintf(said, sizeof said,
		"connection 0: a message of the client %s; passed on as it is (said once a "
		"connection)\n",
		troubles[_i].text);
	carrying_troubles(peers.session, true, troubles[_i].trouble);
	ck_assert_int_eq(unit_said(said), 1);
	carrying_troubles(peers.session, false, troubles[_i].trouble);
	ck_assert_int_eq(unit_said(troubles[_i].text), 1);
	for (i = 0; i < TROUBLES; i++)
		ck_assert_uint_eq(trouble_count(i), i == _i ? 2 : 0);
	peers_close(&peers);
}
END_TEST

/* Several at once, first seen at the server. */
START_TEST(test_troubles)
{
	unsigned all = 0;
	int i;

	begin(&side_line, &side_line);
	for (i = 0; i < TROUBLES; i++)
		all |= troubles[i].trouble;
	carrying_troubles(peers.session, false, all);
	carrying_troubles(peers.session, true, all);
	for (i = 0; i < TROUBLES; i++) {
		ck_assert_uint_eq(trouble_count(i), 2);
		ck_assert_int_eq(unit_said(troubles[i].text), 1);
	}
	ck_assert_int_eq(unit_said("a message of the server"), TROUBLES);
	peers_close(&peers);
}
END_TEST

/* Seen by the pumps themselves, in each direction. */
START_TEST(test_not_json)
{
	bool from_client = _i == 0;

	begin(&side_line, &side_line);
	ck_assert_str_eq(pass(from_client, "{no\n", 4), "{no\n");
	ck_assert_str_eq(pass(from_client, "{no\n", 4), "{no\n");
	ck_assert_uint_eq(peers.loop.counters.messages_not_json, 2);
	ck_assert_int_eq(unit_said(from_client ? "a message of the client is not JSON"
					       : "a message of the server is not JSON"),
		1);
	ck_assert_int_eq(unit_said("is not JSON"), 1);
	peers_close(&peers);
}
END_TEST

/* A message that is too long for a side that announces sizes. */
START_TEST(test_undeliverable)
{
	static char line[65540];
	bool from_client = _i == 0;

	memset(line, ' ', sizeof line);
	line[0] = '{';
	line[sizeof line - 2] = '}';
	line[sizeof line - 1] = '\n';
	begin(from_client ? &side_line : &side_length, from_client ? &side_length : &side_line);
	ck_assert_str_eq(pass(from_client, line, sizeof line), "");
	ck_assert_str_eq(pass(from_client, line, sizeof line), "");
	ck_assert_uint_eq(peers.loop.counters.messages_undeliverable, 2);
	ck_assert_int_eq(unit_said(from_client ? "connection 0: a message of the client cannot be "
						 "sent as Content-Length; dropped (said once a "
						 "connection)\n"
					       : "connection 0: a message of the server cannot be "
						 "sent as Content-Length; dropped (said once a "
						 "connection)\n"),
		1);
	ck_assert_int_eq(unit_said("cannot be sent"), 1);
	peers_close(&peers);
}
END_TEST

/* Text of no JSON at all is said once for both, and that it is not JSON is not said on top. */
START_TEST(test_no_lines_of_json)
{
	bool from_client = _i == 0;

	begin(&side_guess, &side_guess);
	ck_assert_str_eq(pass(from_client, "hello\n", 6), "hello\n");
	ck_assert_str_eq(pass(!from_client, "hello\n", 6), "hello\n");
	ck_assert_int_eq(unit_said("connection 0: the client does not send JSON in lines; passed "
				   "on as it comes, and not changed before there is some\n"),
		from_client);
	ck_assert_int_eq(unit_said("does not send JSON in lines"), 1);
	ck_assert_str_eq(pass(from_client, "{}\n", 3), "{}\n");
	ck_assert_str_eq(pass(from_client, "{no\n", 4), "{no\n");
	ck_assert_int_eq(unit_said("is not JSON"), 0);
	ck_assert_int_eq(unit_said("Content-Length"), 0);
	peers_close(&peers);
}
END_TEST

/* Sizes announced behind lines. */
START_TEST(test_sizes_too_late)
{
	bool from_client = _i == 0;

	begin(&side_guess, &side_guess);
	(void)pass(from_client, "{}\n", 3);
	(void)pass(!from_client, "Content-Length: 2\r\n\r\n{}\n", 24);
	(void)pass(from_client, "Content-Length: 2\r\n\r\n{}\n", 24);
	ck_assert_int_eq(unit_said(from_client ? "connection 0: the server announces sizes by "
						 "Content-Length behind lines of JSON; nothing"
					       : "connection 0: the client announces sizes by "
						 "Content-Length behind lines of JSON; nothing"),
		1);
	ck_assert_int_eq(unit_said("announces sizes"), 1);
	ck_assert_int_eq(unit_said("does not send JSON"), 0);
	peers_close(&peers);
}
END_TEST

START_TEST(test_other_framing)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

	begin(&side_guess, &side_guess);
	if (_i == 0) {
		(void)pass(false, "Content-Length: 2\r\n\r\n{}", 23);
		ck_assert_int_eq(unit_said("connection 0: the server sends Content-Length heads: "
					   "so it is read\n"),
			1);
		ck_assert_int_eq(unit_said("HTTP/2"), 0);
		ck_assert_uint_eq(peers.loop.counters.connections_foreign, 0);
	} else {
		(void)pass(true, preface, sizeof preface - 1);
		(void)pass(false, preface, sizeof preface - 1);
		ck_assert_int_eq(unit_said("the client speaks HTTP/2, which is not"), 1);
		ck_assert_int_eq(unit_said("speaks HTTP/2"), 1);
		ck_assert_int_eq(unit_said("heads: so it is read"), 0);
		ck_assert_uint_eq(peers.loop.counters.connections_foreign, 1);
	}
	peers_close(&peers);
}
END_TEST

/* Both WebSockets are told, each in its place, of framing that one of them breaks. */
START_TEST(test_broken)
{
	static const char bad[] = "\x8f\x80\0\0\0\0"; /* an opcode that there is not */
	bool by_client = _i == 0;
	struct peers_heard client, backend;

	peers_heard_init(&client, &side_websocket, true, 4096);
	peers_heard_init(&backend, &side_websocket, false, 4096);
	begin(&side_websocket, &side_websocket);
	if (by_client)
		(void)peers_write(peers.client, bad, 6);
	else
		(void)peers_write(peers.backend, "\x8f\0", 2);
	ck_assert_ptr_nonnull(peers.session->trace);
	peers_turn(&peers);
	ck_assert_int_eq(peers.session->pair.state, PAIR_FINISHING);
	ck_assert_ptr_null(peers.session->trace); /* spans end now, not when the client leaves */
	peers_hear(&client, peers.client);
	peers_hear(&backend, peers.backend);
	ck_assert_uint_eq(client.close_code, by_client ? 1002 : 1014);
	ck_assert_uint_eq(backend.close_code, by_client ? 1001 : 1002);
	ck_assert_uint_eq(peers.loop.counters.framing_errors, 1);
	ck_assert_int_eq(unit_said(by_client ? "connection 0: broken websocket framing from the "
					       "client at byte 0: "
					     : "connection 0: broken websocket framing from the "
					       "server at byte 0: "),
		1);
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	ck_assert_int_eq(peers.reason, PAIR_FRAMING_ERROR);
	peers_close(&peers);
	peers_heard_done(&client);
	peers_heard_done(&backend);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("carrying");

	unit_fixture(carrying_setup, carrying_teardown);
	tcase_add_loop_test(tc, test_trouble, 0, TROUBLES);
	tcase_add_test(tc, test_troubles);
	tcase_add_loop_test(tc, test_not_json, 0, 2);
	tcase_add_loop_test(tc, test_undeliverable, 0, 2);
	tcase_add_loop_test(tc, test_no_lines_of_json, 0, 2);
	tcase_add_loop_test(tc, test_sizes_too_late, 0, 2);
	tcase_add_loop_test(tc, test_other_framing, 0, 2);
	tcase_add_loop_test(tc, test_broken, 0, 2);
	return unit_run("carrying", tc);
}

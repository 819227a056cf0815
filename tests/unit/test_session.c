/*
 * Sessions between two peers that the test plays: what comes of a message, of an end, and of every
 * allocation that fails, libevent's included.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>

#include "proxy/generation.h"
#include "tests/unit/peers.h"
#include "tests/unit/unit.h"

enum { ROOM = 4 << 20, FLOOD_SIZE = 32768, FLOODS = 40 };

static struct peers peers;
static struct peers_heard client, backend;

static const struct side_ops *const pairs[][2] = {
	{&side_line, &side_line},
	{&side_websocket, &side_websocket},
	{&side_websocket, &side_line},
	{&side_line, &side_websocket},
	{&side_length, &side_length},
	{&side_websocket, &side_length},
	{&side_length, &side_websocket},
	{&side_length, &side_line},
	{&side_concat, &side_concat},
	{&side_guess, &side_guess},
};

enum { PAIRS = sizeof pairs / sizeof pairs[0] };

static void session_setup(void)
{
	static const char *const flags[] = {"--backlog-bytes-max=64KiB", "--child-linger=0s", NULL};
	int silence = open("/dev/null", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(silence, 0);
	ck_assert_int_eq(dup2(silence, STDERR_FILENO), STDERR_FILENO); /* the log */
	ck_assert_int_eq(close(silence), 0);
	peers_init(&peers, flags);
}

static void session_teardown(void)
{
	peers_done(&peers);
}

static void session_begin(int pair)
{
	peers_open(&peers, pairs[pair][0], pairs[pair][1]);
	peers_heard_init(&client, pairs[pair][0], true, ROOM);
	peers_heard_init(&backend, pairs[pair][1], false, ROOM);
}

static void session_end(void)
{
	peers_close(&peers);
	peers_heard_done(&client);
	peers_heard_done(&backend);
}

static void session_start(int pair)
{
	session_begin(pair);
	peers_connect(&peers);
	ck_assert(peers_shake(&peers));
}

static void hear(void)
{
	peers_turn(&peers);
	peers_hear(&client, peers.client);
	peers_hear(&backend, peers.backend);
	peers_turn(&peers);
}

/* ---- what the peers say ---- */

/* The bytes of a message in a side's framing; of a client's WebSocket with a mask of zeros. */
static size_t framed(uint8_t *bytes, const struct side_ops *side, bool from_client,
	const char *text, size_t size)
{
	size_t at = 0;

	if (side->shake != NULL) {
		uint8_t mask = from_client ? 0x80 : 0;

		bytes[at++] = 0x81;
		if (size < 126) {
			bytes[at++] = (uint8_t)(mask | size);
		} else if (size < 65536) {
			bytes[at++] = mask | 126;
			bytes[at++] = (uint8_t)(size >> 8);
			bytes[at++] = (uint8_t)size;
		} else {
			bytes[at++] = mask | 127;
			for (int shift = 56; shift >= 0; shift -= 8)
				bytes[at++] = (uint8_t)((uint64_t)size >> shift);
		}
		if (from_client) {
			memset(bytes + at, 0, 4);
			at += 4;
		}
	}
	if (side == &side_length)
		at += (size_t)sprintf((char *)bytes, "Content-Length: %zu\r\n\r\n", size);
	memcpy(bytes + at, text, size);
	at += size;
	if (side_written(side) == &side_line)
		bytes[at++] = '\n';
	return at;
}

static int peer_fd(bool is_client)
{
	return is_client ? peers.client : peers.backend;
}

static struct peers_heard *heard_by(bool is_client)
{
	return is_client ? &client : &backend;
}

static void say(bool from_client, const char *text)
{
	static uint8_t bytes[FLOOD_SIZE + 32];
	const struct side_ops *side =
		from_client ? peers.route.client_side : peers.route.backend_side;
	size_t size = framed(bytes, side, from_client, text, strlen(text));

	(void)peers_write(peer_fd(from_client), bytes, size);
	peers_turn(&peers);
}

/* ---- troubles are told ---- */

/* What is no JSON, in one piece and byte by byte, in each direction: passed on, counted. */
START_TEST(test_not_json)
{
	static const char text[] = "{no JSON}";
	bool from_client = _i % 2 == 0;
	uint8_t bytes[64];
	size_t size, i;

	session_start(_i / 2);
	say(from_client, text);
	ck_assert_uint_eq(peers.loop.counters.messages_not_json, 1);
	size = framed(bytes, pairs[_i / 2][from_client ? 0 : 1], from_client, text, strlen(text));
	for (i = 0; i < size; i++) {
		ck_assert_int_eq(peers_write(peer_fd(from_client), bytes + i, 1), 1);
		peers_turn(&peers);
	}
	ck_assert_uint_eq(peers.loop.counters.messages_not_json, 2);
	hear();
	ck_assert_str_eq(heard_by(!from_client)->text, "{no JSON}\n{no JSON}\n");
	ck_assert_str_eq(heard_by(from_client)->text, "");
	ck_assert(!client.ended && !backend.ended);
	session_end();
}
END_TEST

/* ---- the pool ---- */

/* As many messages in flight as one likes; of those that are kept for the next there is a limit. */
START_TEST(test_pool)
{
	struct splice *splices[GENERATION_POOL_MAX + 1];
	struct generation *generation;
	size_t i;

	session_begin(0);
	generation = peers.loop.generations->now;
	for (i = 0; i < GENERATION_POOL_MAX + 1; i++) {
		splices[i] = generation_splice_get(generation);
		ck_assert_ptr_nonnull(splices[i]);
	}
	for (i = 0; i < GENERATION_POOL_MAX + 1; i++) {
		generation_splice_put(generation, splices[i]);
		ck_assert_uint_eq(generation->pool_count,
			i < GENERATION_POOL_MAX ? i + 1 : GENERATION_POOL_MAX);
	}
	ck_assert_ptr_eq(generation_splice_get(generation), splices[GENERATION_POOL_MAX - 1]);
	generation_splice_put(generation, splices[GENERATION_POOL_MAX - 1]);
	session_end();
}
END_TEST

/* ---- masks ---- */

/* Text of one message of a flood. */
static const char *flood_text(void)
{
	static char text[FLOOD_SIZE]; /* and its NUL */

	memset(text, ' ', sizeof text - 1);
	memcpy(text, "{\"method\":\"m\"", strlen("{\"method\":\"m\""));
	text[sizeof text - 2] = '}';
	return text;
}

/* Of the frame at the beginning of some bytes: where its key is, and how long it is. */
static size_t frame_key(const uint8_t *bytes, size_t *size)
{
	size_t length = bytes[1] & 0x7f, at = 2;

	ck_assert_uint_eq(bytes[1] & 0x80, 0x80);
	if (length == 126) {
		length = (size_t)bytes[2] << 8 | bytes[3];
		at = 4;
	} else if (length == 127) {
		length = (size_t)bytes[6] << 24 | (size_t)bytes[7] << 16 | (size_t)bytes[8] << 8 |
			 bytes[9];
		at = 10;
	}
	*size = at + 4 + length;
	return at;
}

/*
 * A message that goes on in one frame has the client's own key, edited or not; one that is cut has
 * another for each, so that nothing is masked twice with the same (RFC 6455, 5.3).
 */
START_TEST(test_masks)
{
	static const uint8_t key[] = {0xa1, 0xb2, 0xc3, 0xd4};
	static uint8_t bytes[2 * FLOOD_SIZE];
	const char *text = _i == 0 ? "{\"id\":1,\"method\":\"m\"}" : _i == 1 ? "[1]" : flood_text();
	size_t size, at, i, second;

	session_start(1);
	size = framed(bytes, &side_websocket, true, text, strlen(text));
	at = frame_key(bytes, &second);
	memcpy(bytes + at, key, sizeof key);
	for (i = at + 4; i < size; i++)
		bytes[i] ^= key[(i - at) % 4];
	at = _i < 2 ? size : size / 3 * 2; /* more than is held */
	ck_assert_int_eq(peers_write(peers.client, bytes, at), (ssize_t)at);
	peers_turn(&peers);
	if (at < size)
		ck_assert_int_eq(
			peers_write(peers.client, bytes + at, size - at), (ssize_t)(size - at));
	peers_turn(&peers);
	size = (size_t)peers_read(peers.backend, bytes, sizeof bytes);
	at = frame_key(bytes, &second);
	if (_i < 2) {
		ck_assert_mem_eq(bytes + at, key, sizeof key);
		ck_assert_uint_eq(second, size);
		ck_assert_uint_eq(bytes[0], 0x81);
		ck_assert((strlen(text) == size - at - 4) == (_i == 1));
	} else {
		ck_assert_uint_eq(bytes[0], 0x01);
		ck_assert_uint_lt(second, size);
		ck_assert_uint_eq(bytes[second], 0x80);
		ck_assert_mem_ne(bytes + second + frame_key(bytes + second, &i), bytes + at, 4);
		ck_assert_mem_ne(bytes + second + frame_key(bytes + second, &i), key, 4);
		ck_assert_uint_eq(second + i, size);
	}
	session_end();
}
END_TEST

/* ---- errors of our own ---- */

/*
 * No memory for the backlog of one peer: neither has left. Both see an end, after what was said; a
 * WebSocket that can be told hears of an error; a counter and a reason say whose it was.
 */
START_TEST(test_no_memory_for_backlog)
{
	bool from_client = _i % 2 == 0;
	const struct peers_heard *speaker = heard_by(from_client), *reader = heard_by(!from_client);
	const char *text = flood_text();
	size_t i, size = strlen(text) + 1;

	session_start(_i / 2);
	unit_alloc_fail_after(0);
	for (i = 0; i < FLOODS; i++)
		say(from_client, text);
	unit_alloc_fail_never();
	ck_assert_uint_eq(peers.loop.counters.connections_failed, 1);
	hear();
	hear();
	ck_assert(client.ended && backend.ended && !client.broken && !backend.broken);
	ck_assert_uint_eq(speaker->close_code,
		side_has(pairs[_i / 2][!from_client], SIDE_CONTROLS) ? 1011 : 0);
	ck_assert_str_eq(speaker->text, "");
	ck_assert_uint_eq(reader->close_code, 0); /* it would stand within a message */
	ck_assert_uint_gt(reader->size, size);
	for (i = 0; i < reader->size; i++) /* an assertion each would take seconds */
		if (reader->text[i] != (i % size < size - 1 ? text[i % size] : '\n'))
			ck_abort_msg("byte %zu", i);
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	ck_assert_ptr_null(peers.session);
	ck_assert_int_eq(peers.reason, PAIR_NO_RESOURCES);
	session_end();
}
END_TEST

/* A client that has ended before is let go as soon as it has what was kept for it. */
START_TEST(test_no_memory_for_ended_client)
{
	size_t i, n;
	bool failed = true;

	for (n = 0; failed; n++) {
		session_start(0);
		ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
		unit_alloc_fail_once((long)n);
		for (i = 0; i < 10; i++)
			say(false, flood_text());
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		hear();
		hear();
		if (peers.loop.counters.connections_failed > 0)
			ck_assert(client.ended && peers.session == NULL);
		session_end();
	}
	ck_assert_uint_gt(n, 3);
}
END_TEST

/* A peer that is gone is no error of ours. */
START_TEST(test_peer_gone)
{
	bool from_client = _i % 2 == 0;

	session_start(_i / 2);
	say(from_client, flood_text());
	peers_hang_up(from_client ? &peers.backend : &peers.client);
	say(from_client, flood_text());
	say(from_client, flood_text());
	ck_assert_uint_eq(peers.loop.counters.connections_failed, 0);
	session_end();
}
END_TEST

/* Nor is one that does not even take the answer to its handshake. */
START_TEST(test_client_gone_in_its_handshake)
{
	session_begin(1);
	peers_connect(&peers);
	ck_assert_int_eq(shutdown(peers.client, SHUT_RD), 0);
	ck_assert(!peers_shake(&peers));
	ck_assert_ptr_null(peers.session);
	ck_assert_int_eq(peers.reason, PAIR_CLIENT_GONE);
	ck_assert_uint_eq(peers.loop.counters.connections_failed, 0);
	session_end();
}
END_TEST

/*
 * The backend leaves with requests in the client's socket that nobody will read: they are thrown
 * away once all is over, so that the client is not told of a reset in place of the last answer.
 */
START_TEST(test_backend_gone_with_requests_left)
{
	size_t i;

	session_start(0);
	say(false, "{\"id\":1,\"result\":1}");
	for (i = 0; i < FLOODS; i++)
		say(true, flood_text());
	peers_hang_up(&peers.backend);
	hear();
	hear();
	ck_assert_str_eq(client.text, "{\"id\":1,\"result\":1}\n");
	ck_assert(client.ended);
	ck_assert_int_eq(peers_write(peers.client, "x", 1), 1);
	peers_turn(&peers);
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	ck_assert_ptr_null(peers.session); /* no timer was needed */
	session_end();
}
END_TEST

/* A client that has ended and does not read is waited for, though not in every turn of the loop. */
START_TEST(test_linger_of_no_time)
{
	size_t i;

	session_start(3);
	for (i = 0; i < FLOODS; i++)
		say(false, flood_text());
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers); /* it must come back */
	ck_assert_ptr_nonnull(peers.session);
	ck_assert_int_eq(peers.session->pair.state, PAIR_OPEN);
	session_end();
}
END_TEST

/* Whether a peer is told of an end, or was never connected. */
static bool reads_to_end(int fd)
{
	uint8_t bytes[4096];
	ssize_t n = -1;

	while (fd >= 0 && (n = peers_read(fd, bytes, sizeof bytes)) > 0)
		;
	return fd < 0 || n == 0;
}

/*
 * A client that ends without a word may want to hear what the server says by itself: it is
 * connected as it would be without us.
 */
START_TEST(test_client_that_only_ends)
{
	session_begin(_i);
	peers_connect(&peers);
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	ck_assert_int_ge(peers.backend, 0);
	say(false, "{\"method\":\"hello\"}");
	hear();
	ck_assert_str_eq(client.text, "{\"method\":\"hello\"}\n");
	ck_assert(backend.ended && !client.ended);
	peers_hang_up(&peers.backend);
	hear();
	ck_assert(client.ended);
	ck_assert_ptr_null(peers.session);
	ck_assert_int_eq(peers.reason, PAIR_ENDED);
	session_end();
}
END_TEST

/* Where the server is not there it is no reason to try again. */
START_TEST(test_client_that_only_ends_before_a_server)
{
	session_begin(_i);
	peers_hang_up(&peers.listener); /* nobody accepts */
	peers_connect(&peers);
	peers_turn(&peers);
	ck_assert_ptr_nonnull(peers.session);
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	ck_assert(reads_to_end(peers.client));
	ck_assert_ptr_null(peers.session);
	ck_assert_int_eq(peers.reason, PAIR_CLIENT_GONE);
	session_end();
}
END_TEST

/* Its end is there first: the server's name has to be looked up. */
START_TEST(test_client_that_only_ends_before_the_first_attempt)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof address;
	int deaf = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *reason;
	char text[64];

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(deaf, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(getsockname(deaf, (struct sockaddr *)&address, &size), 0);
	session_begin(0);
	resolver_free(peers.route.resolver);
	snprintf(text, sizeof text, "tcp://localhost:%u", ntohs(address.sin_port));
	ck_assert_int_eq(url_parse(&peers.url, text, &reason), 0);
	peers.route.resolver = resolver_new(&peers.loop, &peers.url);
	ck_assert_ptr_nonnull(peers.route.resolver);
	peers_connect(&peers);
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	while (peers.session != NULL)
		(void)event_base_loop(peers.base, EVLOOP_ONCE);
	ck_assert(reads_to_end(peers.client));
	ck_assert_int_eq(peers.reason, PAIR_CLIENT_GONE);
	ck_assert_int_eq(close(deaf), 0);
	session_end();
}
END_TEST

/* What has been said is to be answered: its end is no reason not to wait. */
START_TEST(test_client_that_has_asked_before_a_server)
{
	session_begin(_i);
	peers_hang_up(&peers.listener);
	peers_connect(&peers);
	say(true, "{\"id\":1,\"method\":\"m\"}");
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	ck_assert(!reads_to_end(peers.client));
	ck_assert_ptr_nonnull(peers.session);
	peers.session->guest.ops->tick(&peers.session->guest);
	peers_turn(&peers);
	ck_assert_ptr_nonnull(peers.session);
	peers_hang_up(&peers.client); /* now nobody is there to be answered */
	peers.session->guest.ops->tick(&peers.session->guest);
	peers_turn(&peers);
	ck_assert_ptr_null(peers.session);
	ck_assert_int_eq(peers.reason, PAIR_CLIENT_GONE);
	session_end();
}
END_TEST

/* A frame that was announced is not broken into by our goodbye. */
START_TEST(test_goodbye)
{
	static const char begin[] = "{\"method\":\"m\",\"params\":\"";
	static uint8_t frame[4 + 20000];
	size_t sent = _i == 0 ? 0 : sizeof frame - 100;

	session_start(1);
	memset(frame, 'x', sizeof frame);
	memcpy(frame, "\x81\x7e\x4e\x20", 4); /* 20000 bytes */
	memcpy(frame + 4, begin, sizeof begin - 1);
	ck_assert_int_eq(peers_write(peers.backend, frame, sent), sent);
	hear();
	session_say_goodbye(peers.session);
	hear();
	ck_assert(backend.closed && !backend.broken && !client.broken);
	ck_assert_uint_eq(backend.close_code, 1001);
	ck_assert_int_eq(client.closed, _i == 0);
	ck_assert_uint_eq(client.close_code, _i == 0 ? 1001 : 0);
	ck_assert_int_eq(client.size > 16384, _i == 1);
	session_end();
}
END_TEST

/* What there is of a message that breaks off is no binary message. */
START_TEST(test_cut_message_is_text)
{
	static const char text[] = "Content-Length: 100\r\n\r\n{\"a\":1,";
	uint8_t frame[64];

	session_start(6);
	ck_assert_int_eq(peers_write(peers.client, text, sizeof text - 1), sizeof text - 1);
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	ck_assert_int_ge(peers_read(peers.backend, frame, sizeof frame), 13);
	ck_assert_uint_eq(frame[0] & 0x0f, 1);
	session_end();
}
END_TEST

/* How many requests are to be answered, for who wants to stop. */
START_TEST(test_waiting)
{
	struct loop_guest *guest;

	session_start(0);
	guest = &peers.session->guest;
	ck_assert_uint_eq(guest->ops->waiting(guest), 0);
	say(true, "{\"id\":1,\"method\":\"m\"}");
	say(true, "{\"id\":2,\"method\":\"m\"}");
	ck_assert_uint_eq(guest->ops->waiting(guest), 2);
	say(false, "{\"id\":2,\"result\":1}");
	ck_assert_uint_eq(guest->ops->waiting(guest), 1);
	session_drop_trace(peers.session, TRACER_CONNECTION_CLOSED);
	ck_assert_uint_eq(guest->ops->waiting(guest), 0);
	session_end();
}
END_TEST

/* One that nobody waits for any more is given back, another one is not. */
START_TEST(test_timer)
{
	session_start(0);
	ck_assert_int_eq(session_timer(peers.session, 100000), 0);
	life_tick(peers.session);
	ck_assert_ptr_nonnull(peers.session->timer);
	session_timer_stop(peers.session);
	life_tick(peers.session);
	ck_assert_ptr_null(peers.session->timer);
	session_end();
}
END_TEST

/* By its timer, lines that have ended get a close frame once nobody speaks any more. */
START_TEST(test_linger)
{
	session_start(3);
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	while (!backend.closed) {
		(void)event_base_loop(peers.base, EVLOOP_ONCE);
		peers_hear(&backend, peers.backend);
	}
	ck_assert_uint_eq(backend.close_code, 1000);
	ck_assert_ptr_nonnull(peers.session);
	session_end();
}
END_TEST

static const char *const spoken[] = {
	"{\"id\":1,\"method\":\"turn/start\",\"params\":{\"threadId\":\"t\"}}",
	"{\"id\":1,\"result\":{\"turn\":{\"id\":\"u\"}}}",
	"{\"method\":\"turn/started\",\"params\":{\"threadId\":\"t\",\"turn\":{\"id\":\"u\"}}}",
};

/* A conversation; the long parts are a backlog of peers who do not read. */
static bool converse(void)
{
	size_t i;

	if (!peers_shake(&peers))
		return false;
	for (i = 0; i < sizeof spoken / sizeof spoken[0]; i++)
		say(i == 0, spoken[i]);
	for (i = 0; i < 10; i++)
		say(true, flood_text());
	for (i = 0; i < 10; i++)
		say(false, flood_text());
	return true;
}

/*
 * What a peer heard begins as what it was told; all of it is there unless the session has failed.
 */
static void check_heard(struct peers_heard *heard, const struct peers_heard *expected, bool failed)
{
	ck_assert(!heard->broken);
	ck_assert_uint_le(heard->size, expected->size);
	ck_assert_mem_eq(heard->text, expected->text, heard->size);
	if (!failed)
		ck_assert_uint_eq(heard->size, expected->size);
}

/*
 * With the n-th allocation and all later ones failing: the session goes on with every byte, or has
 * failed, is counted, and both ends are told, whatever it was in the middle of.
 */
START_TEST(test_no_memory)
{
	struct peers_heard whole[2];
	bool refused = true, failed, shaken;
	int n;

	session_begin(_i);
	peers_connect(&peers);
	ck_assert(converse());
	hear();
	hear();
	whole[0] = client;
	whole[1] = backend;
	peers_close(&peers);
	for (n = 0; refused; n++) {
		ck_assert_int_lt(n, 500);
		session_begin(_i);
		unit_alloc_fail_after(n);
		peers_connect(&peers);
		shaken = converse();
		refused = unit_alloc_failed();
		unit_alloc_fail_never();
		failed = peers.loop.counters.connections_failed +
				 peers.loop.counters.connections_refused >
			 0;
		ck_assert(shaken || failed);
		ck_assert_uint_eq(peers.loop.counters.backends_unusable, 0); /* the error is ours */
		if (shaken) {
			hear();
			hear();
			check_heard(&client, &whole[0], failed);
			check_heard(&backend, &whole[1], failed);
			ck_assert(client.ended == failed && backend.ended == failed);
		} else {
			ck_assert(reads_to_end(peers.client) && reads_to_end(peers.backend));
		}
		session_end();
	}
	ck_assert_int_gt(n, 5);
	peers_heard_done(&whole[0]);
	peers_heard_done(&whole[1]);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("session");
	int pair;

	unit_fixture(session_setup, session_teardown);
	tcase_add_loop_test(tc, test_not_json, 0, 2 * PAIRS);
	tcase_add_loop_test(tc, test_masks, 0, 3);
	tcase_add_test(tc, test_pool);
	tcase_add_loop_test(tc, test_no_memory_for_backlog, 0, 2 * PAIRS);
	tcase_add_test(tc, test_no_memory_for_ended_client);
	tcase_add_loop_test(tc, test_peer_gone, 0, 2 * PAIRS);
	tcase_add_test(tc, test_client_gone_in_its_handshake);
	tcase_add_test(tc, test_backend_gone_with_requests_left);
	tcase_add_test(tc, test_linger_of_no_time);
	tcase_add_test(tc, test_linger);
	tcase_add_test(tc, test_timer);
	tcase_add_test(tc, test_waiting);
	tcase_add_loop_test(tc, test_goodbye, 0, 2);
	tcase_add_test(tc, test_cut_message_is_text);
	for (pair = 0; pair < PAIRS; pair++) {
		if (pairs[pair][0]->shake != NULL || pairs[pair][1]->shake != NULL)
			continue; /* a WebSocket does not end so */
		tcase_add_loop_test(tc, test_client_that_only_ends, pair, pair + 1);
		tcase_add_loop_test(tc, test_client_that_only_ends_before_a_server, pair, pair + 1);
		tcase_add_loop_test(tc, test_client_that_has_asked_before_a_server, pair, pair + 1);
	}
	tcase_add_test(tc, test_client_that_only_ends_before_the_first_attempt);
	tcase_add_loop_test(tc, test_no_memory, 0, PAIRS);
	return unit_run("session", tc);
}

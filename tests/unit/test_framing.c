/*
 * Conversations whose framing is found out, and messages that go from one framing into another:
 * what comes, byte by byte, and what is counted.
 */
#include <fcntl.h>

#include "tests/unit/peers.h"
#include "tests/unit/unit.h"

enum { ROOM = 1 << 18, LIMIT = 65536 };

#define REQUEST "{\"id\":1,\"method\":\"m\"}"
#define ANSWER  "{\"id\":1,\"result\":1}"

static struct peers peers;

static void framing_setup(void)
{
	static const char *const flags[] = {
		"--propagation-inject=/trace", "--reframe-bytes-max=64KiB", NULL};
	int silence = open("/dev/null", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(silence, 0);
	ck_assert_int_eq(dup2(silence, STDERR_FILENO), STDERR_FILENO); /* the log */
	ck_assert_int_eq(close(silence), 0);
	peers_init(&peers, flags);
}

static void framing_teardown(void)
{
	peers_done(&peers);
}

static void begin(const struct side_ops *client, const struct side_ops *backend)
{
	peers_open(&peers, client, backend);
	peers_connect(&peers);
	ck_assert(peers_shake(&peers));
}

static void end(void)
{
	peers_close(&peers);
}

static void say(int fd, const void *bytes, size_t size)
{
	ck_assert_int_eq(peers_write(fd, bytes, size), (ssize_t)size);
	peers_turn(&peers);
}

/* All that has come. */
static const char *got(int fd)
{
	static char text[2][ROOM];
	static int which;
	size_t used = 0;
	ssize_t n;

	which = !which;
	while ((n = peers_read(fd, text[which] + used, ROOM - 1 - used)) > 0) {
		used += (size_t)n;
		peers_turn(&peers);
	}
	text[which][used] = '\0';
	return text[which];
}

static const char *sized(const char *body)
{
	static char text[ROOM];

	snprintf(text, sizeof text, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
	return text;
}

/* A head, and a body of the size that it says, which is the text with a context put in. */
static void is_injected(const char *text, const char *body)
{
	static const char before[] = "Content-Length: ";
	size_t size = strlen(body) - 1, said;
	char *at;

	ck_assert_msg(strncmp(text, before, sizeof before - 1) == 0, "%s", text);
	said = strtoul(text + sizeof before - 1, &at, 10);
	ck_assert_int_eq(strncmp(at, "\r\n\r\n", 4), 0);
	ck_assert_uint_eq(strlen(at + 4), said);
	ck_assert_int_eq(strncmp(at + 4, body, size), 0);
	ck_assert_int_eq(strncmp(at + 4 + size, ",\"trace\":{\"traceparent\":\"00-", 28), 0);
	ck_assert_str_eq(at + strlen(at) - 2, "}}");
}

/* ---- what is found out ---- */

/* Whoever sends the first head, cut anywhere: both directions are read so, and context goes in. */
START_TEST(test_length_is_found)
{
	size_t size, cut;

	size = strlen(sized(ANSWER));
	for (cut = 1; cut < size; cut++) {
		begin(&side_guess, &side_guess);
		if (_i == 1) {
			say(peers.backend, sized(ANSWER), cut);
			say(peers.backend, sized(ANSWER) + cut, size - cut);
			ck_assert_str_eq(got(peers.client), sized(ANSWER));
		}
		say(peers.client, sized(REQUEST), cut);
		say(peers.client, sized(REQUEST) + cut, strlen(sized(REQUEST)) - cut);
		is_injected(got(peers.backend), REQUEST);
		say(peers.backend, sized(ANSWER), size);
		ck_assert_str_eq(got(peers.client), sized(ANSWER));
		ck_assert_uint_eq(peers.loop.counters.messages_not_json, 0);
		end();
	}
}
END_TEST

/* Behind a banner, and while the other side has begun a word that is none. */
START_TEST(test_length_behind_text)
{
	begin(&side_guess, &side_guess);
	say(peers.backend, "ready\nConte", 11);
	ck_assert_str_eq(got(peers.client), "ready\n");
	say(peers.client, "content-type: x\r\n", 17);
	ck_assert_str_eq(got(peers.backend), "");
	say(peers.client, sized(REQUEST), strlen(sized(REQUEST)));
	is_injected(got(peers.backend), REQUEST);
	say(peers.backend, "nt-Length: 2\r\n\r\n{}", 18);
	ck_assert_str_eq(got(peers.client), "Content-Length: 2\r\n\r\n{}");
	end();
}
END_TEST

/* When there have been lines it is too late: nothing is changed any more, in either direction. */
START_TEST(test_length_too_late)
{
	begin(&side_guess, &side_guess);
	say(peers.client, REQUEST "\n", sizeof REQUEST);
	ck_assert_ptr_nonnull(strstr(got(peers.backend), "\"trace\""));
	say(peers.backend, sized(ANSWER "\n"), strlen(sized(ANSWER "\n")));
	ck_assert_str_eq(got(peers.client), sized(ANSWER "\n"));
	say(peers.client, REQUEST "\n", sizeof REQUEST);
	ck_assert_str_eq(got(peers.backend), REQUEST "\n");
	end();
}
END_TEST

/* HTTP/2: untouched in both directions, counted once, also when it is echoed. */
START_TEST(test_http2)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" REQUEST "\n";
	size_t i;

	begin(&side_guess, &side_guess);
	for (i = 0; i < sizeof preface - 1; i++)
		say(peers.client, preface + i, 1);
	ck_assert_str_eq(got(peers.backend), preface);
	say(peers.backend, preface, sizeof preface - 1);
	ck_assert_str_eq(got(peers.client), preface);
	ck_assert_uint_eq(peers.loop.counters.connections_foreign, 1);
	ck_assert_uint_eq(peers.loop.counters.http_refused, 0);
	ck_assert_uint_eq(peers.loop.counters.messages_not_json, 0);
	end();
}
END_TEST

/* Where messages have heads of their own it is an HTTP request like others. */
START_TEST(test_http2_elsewhere)
{
	begin(_i == 0 ? &side_length : &side_line, &side_line);
	say(peers.client, "PRI * HTTP/2.0\r\n", 16);
	ck_assert_uint_eq(peers.loop.counters.http_refused, 1);
	ck_assert_str_eq(got(peers.backend), "");
	end();
}
END_TEST

/* The first word of a line that never ends is not lost. */
START_TEST(test_word_at_the_end)
{
	begin(&side_guess, &side_guess);
	say(peers.client, "Content-", 8);
	ck_assert_str_eq(got(peers.backend), "");
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	ck_assert_str_eq(got(peers.backend), "Content-");
	end();
}
END_TEST

/* ---- from one into another ---- */

/* Lines, and frames of which nobody says how many come, are kept until their size is known. */
START_TEST(test_collects)
{
	begin(_i == 0 ? &side_line : &side_websocket, &side_length);
	if (_i == 0) {
		say(peers.client, REQUEST, 5);
		ck_assert_str_eq(got(peers.backend), "");
		say(peers.client, &(REQUEST "\n")[5], sizeof REQUEST - 5);
	} else {
		say(peers.client, "\x01\x85\0\0\0\0{\"id\"", 11);
		ck_assert_str_eq(got(peers.backend), "");
		say(peers.client, "\x80\x90\0\0\0\0:1,\"method\":\"m\"}", 22);
	}
	is_injected(got(peers.backend), REQUEST);
	say(peers.backend, sized(ANSWER), strlen(sized(ANSWER)));
	ck_assert_str_eq(got(peers.client), _i == 0 ? ANSWER "\n" : "\x81\x13" ANSWER);
	end();
}
END_TEST

/* Of what is kept there is a limit; the message is lost, those behind it are not. */
START_TEST(test_collects_no_more)
{
	static char text[LIMIT + 2];

	begin(&side_line, &side_length);
	memset(text, ' ', sizeof text);
	text[0] = '{';
	text[LIMIT - 1 + _i] = '}';
	text[LIMIT + _i] = '\n';
	say(peers.client, text, 100);
	say(peers.client, text + 100, (size_t)(LIMIT + _i + 1 - 100));
	ck_assert_uint_eq(strlen(got(peers.backend)),
		_i == 0 ? LIMIT + strlen("Content-Length: 65536\r\n\r\n") : 0);
	ck_assert_uint_eq(peers.loop.counters.messages_undeliverable, (unsigned)_i);
	say(peers.client, REQUEST "\n", sizeof REQUEST);
	is_injected(got(peers.backend), REQUEST);
	end();
}
END_TEST

/* A last line without its end is a message all the same; half a frame is none. */
START_TEST(test_collects_at_the_end)
{
	begin(_i == 0 ? &side_line : &side_websocket, &side_length);
	if (_i == 0)
		say(peers.client, "{}", 2);
	else
		say(peers.client, "\x01\x82\0\0\0\0{}", 8);
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	ck_assert_str_eq(got(peers.backend), _i == 0 ? "Content-Length: 2\r\n\r\n{}" : "");
	end();
}
END_TEST

/* Each allocation fails once: the message is lost and counted, or comes as it should. */
START_TEST(test_collects_without_memory)
{
	bool failed = true;
	const char *text;
	size_t n;

	for (n = 0; failed; n++) {
		ck_assert_uint_lt(n, 100);
		begin(&side_line, &side_length);
		unit_alloc_fail_once((long)n);
		(void)peers_write(peers.client, REQUEST, 5);
		peers_turn(&peers);
		(void)peers_write(peers.client, &(REQUEST "\n")[5], sizeof REQUEST - 5);
		peers_turn(&peers);
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		text = got(peers.backend);
		if (*text != '\0')
			ck_assert_int_eq(strncmp(text, "Content-Length: ", 16), 0);
		else
			ck_assert_uint_eq(peers.loop.counters.messages_undeliverable, 1);
		end();
	}
	ck_assert_uint_gt(n, 1);
}
END_TEST

/*
 * What is long goes on as it comes, before its end is there, behind a size that has room for our
 * context: it comes at the end, or in place of another one, and blanks take what is left.
 */
START_TEST(test_cut_through)
{
	static const char *const beginnings[] = {
		"{\"id\":1,\"method\":\"m\",\"x\":\"",
		"{\"id\":1,\"method\":\"m\",\"trace\":{\"traceparent\":1},\"x\":\"",
		"{\"method\":\"m\",\"x\":\"",
	};
	static char body[40000 + 4096]; /* and what may be put in */
	const char *text, *at;
	size_t head, size, said;
	char *end_of_number;

	memset(body, 0, sizeof body);
	memset(body, 'x', 39999);
	memcpy(body, beginnings[_i], strlen(beginnings[_i]));
	memcpy(body + 39997, "\"}", 2);
	text = sized(body);
	size = strlen(text);
	head = size - strlen(body);
	begin(&side_length, &side_length);
	ck_assert_int_eq(peers_write(peers.client, text, size - 2), (ssize_t)(size - 2));
	peers_turn(&peers);
	at = got(peers.backend);
	ck_assert_uint_ge(strlen(at), size - head - 2 - 17000);
	said = strtoul(at + strlen("Content-Length: "), &end_of_number, 10);
	at = end_of_number + 4;
	memcpy(body, at, strlen(at) + 1);
	say(peers.client, text + size - 2, 2);
	at = got(peers.backend);
	ck_assert_uint_eq(strlen(body) + strlen(at), said);
	ck_assert(said >= size - head - 100 && said <= size - head + 1024);
	if (_i == 2)
		ck_assert_ptr_null(strstr(at, "trace"));
	else
		ck_assert_ptr_nonnull(
			strstr(_i == 0 ? at : body, "\"trace\":{\"traceparent\":\"00-"));
	say(peers.backend, sized(ANSWER), strlen(sized(ANSWER)));
	ck_assert_str_eq(got(peers.client), sized(ANSWER));
	ck_assert_uint_eq(tracer_connection_waiting(peers.session->trace), 0);
	end();
}
END_TEST

/* A head that is none ends it, in its direction's name; what came before has been delivered. */
START_TEST(test_broken_head)
{
	begin(&side_length, &side_length);
	say(_i == 0 ? peers.client : peers.backend, "Content-Length: 2\r\n\r\n{}{}\r\n", 27);
	ck_assert_str_eq(
		got(_i == 0 ? peers.backend : peers.client), "Content-Length: 2\r\n\r\n{}");
	ck_assert_uint_eq(peers.loop.counters.framing_errors, 1);
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	ck_assert_ptr_null(peers.session);
	ck_assert_int_eq(peers.reason, PAIR_FRAMING_ERROR);
	end();
}
END_TEST

/*
 * A message that is cut off keeps the size that was announced, so that nobody takes it for whole.
 */
START_TEST(test_cut_off)
{
	begin(&side_length, &side_length);
	say(peers.client, "content-length: 50\r\n\r\n{\"id\":1", 29);
	ck_assert_int_eq(shutdown(peers.client, SHUT_WR), 0);
	peers_turn(&peers);
	ck_assert_str_eq(got(peers.backend), "Content-Length: 50\r\n\r\n{\"id\":1");
	end();
}
END_TEST

/* JSON texts: blanks between them pass, context goes in, nothing is waited for. */
START_TEST(test_concatenated)
{
	const char *text;

	begin(&side_concat, &side_concat);
	say(peers.client, "{} \n[]", 6);
	ck_assert_str_eq(got(peers.backend), "{} \n[]");
	say(peers.client, REQUEST REQUEST, 2 * (sizeof REQUEST - 1));
	text = got(peers.backend);
	ck_assert_int_eq(strncmp(text, REQUEST, sizeof REQUEST - 2), 0);
	ck_assert_ptr_nonnull(strstr(text, "}}{\"id\":1,\"method\":\"m\",\"trace\":{"));
	say(peers.backend, ANSWER, sizeof ANSWER - 1);
	ck_assert_str_eq(got(peers.client), ANSWER);
	say(peers.client, "x", 1);
	ck_assert_uint_eq(peers.loop.counters.framing_errors, 1);
	end();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("framing");

	unit_fixture(framing_setup, framing_teardown);
	tcase_add_loop_test(tc, test_length_is_found, 0, 2);
	tcase_add_test(tc, test_length_behind_text);
	tcase_add_test(tc, test_length_too_late);
	tcase_add_test(tc, test_http2);
	tcase_add_loop_test(tc, test_http2_elsewhere, 0, 2);
	tcase_add_test(tc, test_word_at_the_end);
	tcase_add_loop_test(tc, test_collects, 0, 2);
	tcase_add_loop_test(tc, test_collects_no_more, 0, 2);
	tcase_add_loop_test(tc, test_collects_at_the_end, 0, 2);
	tcase_add_test(tc, test_collects_without_memory);
	tcase_add_loop_test(tc, test_cut_through, 0, 3);
	tcase_add_loop_test(tc, test_broken_head, 0, 2);
	tcase_add_test(tc, test_cut_off);
	tcase_add_test(tc, test_concatenated);
	return unit_run("framing", tc);
}

/*
 * Endpoints over a stream whose peers must agree first, played by the test: what the stream asks
 * for is waited for, as long as there is time, and nothing else; what is written meanwhile is kept.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/endpoint/endpoint.h"
#include "tests/unit/unit.h"

enum { SHAKE_MS = 3600500, PIECE = 3000, UNIT = 5000, TURNS = 5 };

/* What the stream does next, and what was asked of it. */
static struct {
	enum stream_shake how;
	size_t pending;   /* so many readings */
	int shut_refused; /* so many times */
	size_t shakes, writes, shuts, frees;
	size_t write_size; /* of the last one */
	bool full, idle;   /* refuses, takes nothing */
} stream;

static struct event_base *base;
static struct endpoint endpoint;
static int other;     /* its other end */
static bool closes;   /* at the next reading */
static char told[32]; /* events in order: R D S F E A */

static enum stream_shake stream_shake(void *state, int fd)
{
	(void)state;
	(void)fd;
	stream.shakes++;
	return stream.how;
}

static ssize_t stream_read(void *state, int fd, void *bytes, size_t size)
{
	(void)state;
	stream.pending -= stream.pending > 0;
	return recv(fd, bytes, size, 0);
}

static ssize_t stream_write(void *state, int fd, const void *bytes, size_t size)
{
	(void)state;
	stream.writes++;
	stream.write_size = size;
	errno = stream.idle ? EINTR : EAGAIN; /* of no meaning for what has not failed */
	if (stream.idle)
		return 0;
	return stream.full ? -1 : send(fd, bytes, size, MSG_NOSIGNAL);
}

static int stream_shut(void *state, int fd)
{
	(void)state;
	stream.shuts++;
	if (stream.shut_refused-- > 0) {
		errno = EAGAIN;
		return -1;
	}
	return shutdown(fd, SHUT_WR);
}

static ssize_t stream_peek(void *state, void *bytes, size_t size)
{
	(void)state;
	(void)size;
	*(char *)bytes = '!';
	return 1;
}

static bool stream_pending(const void *state)
{
	(void)state;
	return stream.pending > 0;
}

static const char *stream_trouble(void *state)
{
	(void)state;
	return "no common word";
}

static void stream_free(void *state)
{
	(void)state;
	stream.frees++;
}

static const struct stream_ops stream_ops = {.read = stream_read,
	.write = stream_write,
	.shut = stream_shut,
	.shake = stream_shake,
	.peek = stream_peek,
	.pending = stream_pending,
	.trouble = stream_trouble,
	.free = stream_free,
	.unit = UNIT};

static void on_event(void *arg, struct endpoint *of, enum endpoint_event event)
{
	size_t count = strlen(told);
	char byte;

	(void)arg;
	if (of != &endpoint || count >= sizeof told - 1)
		ck_abort(); /* an assertion that holds allocates */
	told[count] = "RDSFEA"[event];
	told[count + 1] = '\0';
	if (event == ENDPOINT_READABLE && closes)
		endpoint_close(&endpoint);
	else if (event == ENDPOINT_READABLE)
		(void)endpoint_read(&endpoint, &byte, 1);
}

static void turn(void)
{
	int i;

	for (i = 0; i < TURNS; i++)
		(void)event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void shaking_init(void)
{
	int pair[2];

	memset(&stream, 0, sizeof stream);
	told[0] = '\0';
	closes = false;
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	other = pair[1];
	stream.how = STREAM_WANTS_READ;
	endpoint_init_stream(
		&endpoint, base, &stream_ops, &stream, pair[0], SHAKE_MS, on_event, NULL);
}

static void shaking_open(void)
{
	shaking_init();
	ck_assert_int_eq(endpoint_start(&endpoint), 0);
}

static void shaking_close(void)
{
	endpoint_close(&endpoint);
	endpoint_close(&endpoint);
	ck_assert_uint_eq(stream.frees, 1);
	ck_assert_ptr_null(endpoint.stream);
	close(other);
	event_base_free(base);
}

/* Lets the peers agree at what comes next. */
static void shaking_agree(void)
{
	stream.how = STREAM_AGREED;
	ck_assert_int_eq(write(other, "x", 1), 1);
	turn();
	ck_assert(!endpoint.shaking);
}

static bool waits(struct event *event, short what)
{
	return (event == NULL ? 0 : event_pending(event, EV_READ | EV_WRITE | EV_TIMEOUT, NULL)) ==
	       what;
}

/* First for room to write, then for what was asked for: until time is over, from the beginning. */
START_TEST(test_waits)
{
	int64_t then_ms = unit_now_ms();

	shaking_open();
	ck_assert(waits(endpoint.write_event, EV_WRITE | EV_TIMEOUT));
	ck_assert(waits(&endpoint.read_event, 0));
	ck_assert_uint_eq(stream.shakes, 0);
	turn();
	ck_assert_uint_eq(stream.shakes, 1);
	ck_assert(waits(&endpoint.read_event, EV_READ | EV_TIMEOUT));
	ck_assert(waits(endpoint.write_event, 0));
	unit_is_due(unit_due_ms(&endpoint.read_event), then_ms, SHAKE_MS);
	stream.how = STREAM_WANTS_WRITE;
	stream.full = true;
	ck_assert_int_eq(write(other, "x", 1), 1);
	(void)event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	ck_assert_uint_eq(stream.shakes, 2);
	ck_assert(waits(endpoint.write_event, EV_WRITE | EV_TIMEOUT));
	ck_assert(waits(&endpoint.read_event, 0));
	stream.how = STREAM_AGREED;
	(void)event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	ck_assert_uint_eq(stream.shakes, 3);
	ck_assert_str_eq(told, "A");
	ck_assert(waits(&endpoint.read_event, EV_READ)); /* for ever */
	ck_assert(waits(endpoint.write_event, 0));
	turn();
	ck_assert_str_eq(told, "AR");
	ck_assert_uint_eq(stream.shakes, 3);
	ck_assert_int_eq(endpoint.error, 0);
	shaking_close();
}
END_TEST

START_TEST(test_time_is_over)
{
	shaking_open();
	endpoint.shake_until_ns = 1; /* long ago */
	stream.how = _i == 0 ? STREAM_WANTS_READ : STREAM_WANTS_WRITE;
	if (_i == 1) {
		int room = 1;

		ck_assert_int_eq(
			setsockopt(endpoint.write_fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room),
			0);
		while (send(endpoint.write_fd, told, sizeof told, MSG_NOSIGNAL) > 0)
			;
		event_active(endpoint.write_event, EV_WRITE, 0);
	}
	turn();
	turn();
	ck_assert_str_eq(told, "F");
	ck_assert_int_eq(endpoint.error, ETIMEDOUT);
	ck_assert(!endpoint.is_ours);
	ck_assert_uint_eq(stream.shakes, 1);
	ck_assert(waits(&endpoint.read_event, 0) && waits(endpoint.write_event, 0));
	shaking_close();
}
END_TEST

START_TEST(test_disagreed)
{
	shaking_open();
	stream.how = STREAM_DISAGREED;
	turn();
	ck_assert_str_eq(told, "F");
	ck_assert_int_eq(endpoint.error, EPROTO);
	ck_assert(!endpoint.is_ours && endpoint.state == ENDPOINT_OPEN);
	ck_assert_str_eq(endpoint_trouble(&endpoint), "no common word");
	ck_assert(waits(&endpoint.read_event, 0) && waits(endpoint.write_event, 0));
	shaking_close();
}
END_TEST

/* What is written before goes out behind the agreement, and not a byte earlier. */
START_TEST(test_written_before)
{
	char bytes[8] = "";

	shaking_open();
	turn();
	ck_assert_int_eq(endpoint_write(&endpoint, "ab", 2), 0);
	ck_assert_int_eq(endpoint_write(&endpoint, "cd", 2), 0);
	if (_i == 1)
		endpoint_shutdown(&endpoint);
	turn();
	ck_assert_uint_eq(endpoint_backlog(&endpoint), 4);
	ck_assert_uint_eq(stream.writes, 0);
	ck_assert(waits(endpoint.write_event, 0));
	shaking_agree();
	ck_assert_uint_eq(stream.writes, 1);
	ck_assert_int_eq(read(other, bytes, sizeof bytes), 4);
	ck_assert_str_eq(bytes, "abcd");
	ck_assert_uint_eq(endpoint_backlog(&endpoint), 0);
	ck_assert_ptr_nonnull(strchr(told, 'A'));
	ck_assert_ptr_nonnull(strchr(told, _i == 1 ? 'S' : 'D'));
	ck_assert_ptr_null(strchr(told, _i == 1 ? 'D' : 'S'));
	ck_assert_int_eq(read(other, bytes, 1), _i == 1 ? 0 : -1);
	shaking_close();
}
END_TEST

/* An end that nothing was written before: the agreement is not worth a word. */
START_TEST(test_ended_before)
{
	char byte;

	shaking_open();
	endpoint_pause(&endpoint);
	endpoint_shutdown(&endpoint);
	turn();
	ck_assert_str_eq(told, "");
	ck_assert_uint_eq(stream.shuts, 0);
	ck_assert_int_eq(endpoint.state, ENDPOINT_SHUTTING);
	shaking_agree();
	ck_assert_str_eq(told, "S");
	ck_assert_int_eq(endpoint.state, ENDPOINT_SHUTDOWN);
	ck_assert_int_eq(read(other, &byte, 1), 0);
	shaking_close();
}
END_TEST

/* A pause is none of the agreement; nothing is read behind it until it is over. */
START_TEST(test_paused)
{
	shaking_open();
	turn();
	if (_i == 0)
		endpoint_pause(&endpoint);
	else
		endpoint_watch(&endpoint);
	ck_assert(endpoint.paused && !endpoint.watched);
	ck_assert(waits(&endpoint.read_event, EV_READ | EV_TIMEOUT));
	shaking_agree();
	ck_assert_str_eq(told, "A");
	ck_assert(waits(&endpoint.read_event, 0));
	endpoint_resume(&endpoint);
	turn();
	ck_assert_str_eq(told, "AR");
	shaking_close();
}
END_TEST

START_TEST(test_resumed)
{
	shaking_open();
	endpoint_pause(&endpoint);
	endpoint_resume(&endpoint);
	ck_assert(!endpoint.paused);
	ck_assert(waits(&endpoint.read_event, 0)); /* room to write is waited for */
	shaking_agree();
	ck_assert_str_eq(told, "AR");
	shaking_close();
}
END_TEST

START_TEST(test_peeked)
{
	char byte = '.';

	shaking_open();
	errno = 0;
	ck_assert_int_eq(endpoint_peek(&endpoint, &byte, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert(!endpoint_at_end(&endpoint));
	shaking_agree();
	ck_assert_int_eq(endpoint_peek(&endpoint, &byte, 1), 1);
	ck_assert_int_eq(byte, '!'); /* of the stream, not the socket */
	shaking_close();
}
END_TEST

/* What lies in the stream is told of as if it had come, until it is read, where it is wanted. */
START_TEST(test_pending)
{
	shaking_open();
	stream.pending = 3;
	stream.how = STREAM_AGREED;
	turn();
	ck_assert_str_eq(told, "ARRR");
	endpoint_pause(&endpoint);
	stream.pending = 2;
	turn();
	ck_assert_str_eq(told, "ARRR");
	endpoint_resume(&endpoint);
	turn();
	ck_assert_str_eq(told, "ARRRRR");
	stream.pending = 1;
	closes = true;
	ck_assert_int_eq(write(other, "x", 1), 1);
	turn();
	ck_assert_str_eq(told, "ARRRRRR");
	shaking_close();
}
END_TEST

/* A last word that has no room now is said when there is some. */
START_TEST(test_last_word_waits)
{
	char byte;

	shaking_open();
	shaking_agree();
	stream.shut_refused = 2;
	endpoint_shutdown(&endpoint);
	ck_assert_str_eq(told, "AR");
	ck_assert_int_eq(endpoint.state, ENDPOINT_SHUTTING);
	ck_assert(waits(endpoint.write_event, EV_WRITE));
	turn();
	ck_assert_str_eq(told, "ARS");
	ck_assert_uint_eq(stream.shuts, 3);
	ck_assert_int_eq(endpoint.state, ENDPOINT_SHUTDOWN);
	ck_assert(waits(endpoint.write_event, 0));
	ck_assert_int_eq(read(other, &byte, 1), 0);
	shaking_close();
}
END_TEST

/* What it does not take now it may take later, also when nothing was wrong. */
START_TEST(test_takes_nothing)
{
	char bytes[8] = "";

	shaking_open();
	shaking_agree();
	stream.idle = true;
	ck_assert_int_eq(endpoint_write(&endpoint, "abcd", 4), 0);
	ck_assert_uint_eq(stream.writes, 1);
	ck_assert_uint_eq(endpoint_backlog(&endpoint), 4);
	stream.idle = false;
	turn();
	ck_assert_uint_eq(endpoint_backlog(&endpoint), 0);
	ck_assert_int_eq(read(other, bytes, sizeof bytes), 4);
	ck_assert_str_eq(bytes, "abcd");
	shaking_close();
}
END_TEST

/* After EAGAIN a stream is given as many bytes as before, or all there are. */
START_TEST(test_unit)
{
	static const char piece[PIECE];
	char bytes[4 * PIECE];
	size_t count = (size_t)_i + 1, i;

	shaking_open();
	shaking_agree();
	stream.full = true;
	for (i = 0; i < count; i++)
		ck_assert_int_eq(endpoint_write(&endpoint, piece, sizeof piece), 0);
	ck_assert_uint_eq(endpoint_backlog(&endpoint), count * PIECE);
	turn();
	if (count * PIECE < UNIT)
		ck_assert_uint_eq(stream.write_size, count * PIECE);
	else
		ck_assert_uint_ge(stream.write_size, UNIT);
	stream.full = false;
	turn();
	ck_assert_uint_eq(endpoint_backlog(&endpoint), 0);
	ck_assert_int_eq(read(other, bytes, sizeof bytes), (ssize_t)(count * PIECE));
	ck_assert(waits(endpoint.write_event, 0));
	shaking_close();
}
END_TEST

/* Every allocation fails once, from the start to the end: it is our own fault, and told as that. */
START_TEST(test_no_memory)
{
	static const char piece[PIECE];
	bool failed = true;
	int n, result, i;

	for (n = 0; failed; n++) {
		ck_assert_int_lt(n, 30);
		shaking_init();
		unit_alloc_fail_once(n);
		result = endpoint_start(&endpoint);
		if (result == 0)
			turn();
		stream.full = true;
		for (i = 0; i < 2 && result == 0 && told[0] == '\0'; i++)
			result = endpoint_write(&endpoint, piece, sizeof piece);
		stream.how = STREAM_AGREED;
		if (write(other, "x", 1) == 1 && result == 0)
			turn();
		stream.full = false;
		if (result == 0)
			turn();
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		ck_assert_int_eq(result != 0 || strchr(told, 'F') != NULL, failed);
		ck_assert_int_eq(endpoint.error, failed ? ENOMEM : 0);
		ck_assert_int_eq(endpoint.is_ours, failed);
		shaking_close();
	}
	ck_assert_int_gt(n, 4);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("shaking");

	tcase_add_test(tc, test_waits);
	tcase_add_loop_test(tc, test_time_is_over, 0, 2);
	tcase_add_test(tc, test_disagreed);
	tcase_add_loop_test(tc, test_written_before, 0, 2);
	tcase_add_test(tc, test_ended_before);
	tcase_add_loop_test(tc, test_paused, 0, 2);
	tcase_add_test(tc, test_resumed);
	tcase_add_test(tc, test_peeked);
	tcase_add_test(tc, test_pending);
	tcase_add_test(tc, test_last_word_waits);
	tcase_add_test(tc, test_takes_nothing);
	tcase_add_loop_test(tc, test_unit, 0, 3);
	tcase_add_test(tc, test_no_memory);
	return unit_run("shaking", tc);
}

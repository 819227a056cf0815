/*
 * Endpoints over real sockets, pipes and files, driven one turn of the loop at a time. What the
 * other side wrote and read is compared byte for byte with a sequence that never repeats early.
 */
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/endpoint/endpoint.h"
#include "tests/unit/unit.h"

enum { BIG = 3 << 20, TOLD_MAX = 256, TURNS_MAX = 100000 };

/* One endpoint, what it told, and the other side. */
struct side {
	struct event_base *base;
	struct endpoint endpoint;
	char told[TOLD_MAX]; /* events in order: R D S F; R only when not reading on its own */
	size_t told_count;
	bool reads;  /* reads at every event */
	bool closes; /* closes at the first event */
	uint8_t *got;
	size_t got_size;
	size_t got_max; /* pauses there */
	bool ended;
	size_t turns;
	int to_endpoint, from_endpoint; /* the other side's descriptors, non-blocking */
};

/* --- bytes --- */

static uint8_t byte_at(size_t position)
{
	return (uint8_t)((position * 2654435761u) >> 13);
}

static uint8_t *bytes_make(size_t size)
{
	uint8_t *bytes = malloc(size);
	size_t i;

	ck_assert_ptr_nonnull(bytes);
	for (i = 0; i < size; i++)
		bytes[i] = byte_at(i);
	return bytes;
}

static void bytes_are(const uint8_t *bytes, size_t position, size_t size)
{
	size_t i = 0;

	while (i < size && bytes[i] == byte_at(position + i))
		i++;
	ck_assert_msg(i == size, "byte %zu", position + i);
}

/* --- a side --- */

static void side_read(struct side *side)
{
	uint8_t bytes[65536];
	ssize_t n = endpoint_read(&side->endpoint, bytes, sizeof bytes);

	if (n < 0) {
		ck_assert_int_eq(errno, EAGAIN);
		return;
	}
	if (n == 0) {
		side->ended = true;
		endpoint_pause(&side->endpoint);
	}
	ck_assert_uint_le(side->got_size + (size_t)n, BIG);
	memcpy(side->got + side->got_size, bytes, (size_t)n);
	side->got_size += (size_t)n;
	if (side->got_max > 0 && side->got_size >= side->got_max)
		endpoint_pause(&side->endpoint);
}

static void side_hook(void *arg, struct endpoint *endpoint, enum endpoint_event event)
{
	struct side *side = arg;

	if (event == ENDPOINT_READABLE && side->reads) {
		side_read(side);
		return;
	}
	if (endpoint != &side->endpoint || side->told_count >= TOLD_MAX - 1)
		ck_abort(); /* an assertion that holds allocates */
	side->told[side->told_count++] = "RDSFE"[event];
	side->told[side->told_count] = '\0';
	if (side->closes)
		endpoint_close(endpoint);
}

static void side_init(struct side *side)
{
	memset(side, 0, sizeof *side);
	side->base = event_base_new();
	side->got = malloc(BIG);
	ck_assert_ptr_nonnull(side->base);
	ck_assert_ptr_nonnull(side->got);
	ck_assert(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
}

enum kind { KIND_SOCKET, KIND_PIPES, KINDS };

/* A connected pair of either kind; the endpoint is started. */
static void side_open(struct side *side, enum kind kind)
{
	int pair[2], there[2], back[2];

	side_init(side);
	if (kind == KIND_SOCKET) {
		ck_assert_int_eq(
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
			0);
		side->to_endpoint = pair[1];
		side->from_endpoint = dup(pair[1]);
		endpoint_init_socket(&side->endpoint, side->base, pair[0], side_hook, side);
	} else {
		ck_assert_int_eq(pipe2(there, O_NONBLOCK | O_CLOEXEC), 0);
		ck_assert_int_eq(pipe2(back, O_NONBLOCK | O_CLOEXEC), 0);
		side->to_endpoint = there[1];
		side->from_endpoint = back[0];
		endpoint_init_pipes(
			&side->endpoint, side->base, there[0], back[1], side_hook, side);
	}
	ck_assert_int_eq(endpoint_start(&side->endpoint), 0);
}

static void side_close(struct side *side)
{
	endpoint_close(&side->endpoint);
	endpoint_close(&side->endpoint); /* may be called again */
	if (side->to_endpoint > 0)
		close(side->to_endpoint);
	if (side->from_endpoint > 0)
		close(side->from_endpoint);
	event_base_free(side->base);
	free(side->got);
}

/* One turn of the loop that does not wait. */
static void side_turn(struct side *side)
{
	ck_assert_uint_lt(side->turns++, TURNS_MAX); /* else it waits for nothing */
	ck_assert_int_ge(event_base_loop(side->base, EVLOOP_ONCE | EVLOOP_NONBLOCK), 0);
}

/* Turns until something is told, or that nothing is after some turns. */
static void side_is_told(struct side *side, const char *told)
{
	int turns;

	for (turns = 0; turns < 5 || (turns < 2000 && side->told_count < strlen(told)); turns++) {
		side_turn(side);
		if (turns > 5)
			poll(NULL, 0, 1);
	}
	ck_assert_str_eq(side->told, told);
}

/* The other side takes up to size bytes; returns how many, 0 at the end, -1 for none now. */
static ssize_t other_read(struct side *side, uint8_t *bytes, size_t size)
{
	ssize_t n = read(side->from_endpoint, bytes, size);

	if (n < 0)
		ck_assert_int_eq(errno, EAGAIN);
	return n;
}

static void other_write(struct side *side, const void *bytes, size_t size)
{
	ck_assert_int_eq(write(side->to_endpoint, bytes, size), (ssize_t)size);
}

static void other_wait(const struct side *side)
{
	struct pollfd fd = {.fd = side->from_endpoint, .events = POLLIN};

	ck_assert_int_eq(poll(&fd, 1, 10000), 1);
}

static void other_close(struct side *side)
{
	close(side->to_endpoint);
	close(side->from_endpoint);
	side->to_endpoint = side->from_endpoint = 0;
}

static bool fd_is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* --- writing --- */

START_TEST(test_write)
{
	struct side side;
	uint8_t bytes[64];

	side_open(&side, (enum kind)_i);
	ck_assert_int_eq(endpoint_write(&side.endpoint, "hello", 5), 0);
	ck_assert_int_eq(endpoint_write(&side.endpoint, "", 0), 0);
	ck_assert_int_eq(endpoint_write(&side.endpoint, " there", 6), 0);
	ck_assert_uint_eq(endpoint_backlog(&side.endpoint), 0);
	ck_assert_int_eq(other_read(&side, bytes, sizeof bytes), 11);
	ck_assert_mem_eq(bytes, "hello there", 11);
	side_is_told(&side, "");
	side_close(&side);
}
END_TEST

/* Writes BIG bytes in pieces of growing sizes; most become a backlog. */
static void side_write_big(struct side *side, const uint8_t *bytes)
{
	size_t at = 0, size = 1;

	while (at < BIG) {
		if (size > BIG - at)
			size = BIG - at;
		ck_assert_int_eq(endpoint_write(&side->endpoint, bytes + at, size), 0);
		at += size;
		size = size * 3 / 2 + 1;
	}
	ck_assert_uint_gt(endpoint_backlog(&side->endpoint), BIG / 2);
	ck_assert_uint_lt(endpoint_backlog(&side->endpoint), BIG);
}

/*
 * A slow reader gets everything in order; DRAINED comes with every step from the low mark on, and
 * not before; then the loop is quiet.
 */
START_TEST(test_backlog)
{
	static const size_t low_marks[] = {0, 100000};
	size_t low_mark = low_marks[_i / KINDS], at = 0, told = 0, before;
	uint8_t *bytes = bytes_make(BIG), piece[50000];
	struct side side;
	ssize_t n;

	side_open(&side, (enum kind)(_i % KINDS));
	side.endpoint.low_mark = low_mark;
	ck_assert_int_eq(endpoint_write(&side.endpoint, "", 0), 0);
	ck_assert_ptr_null(side.endpoint.write_event); /* most need none */
	side_write_big(&side, bytes);
	ck_assert_ptr_nonnull(side.endpoint.write_event);
	while (at < BIG) {
		n = other_read(&side, piece, sizeof piece);
		if (n > 0)
			bytes_are(piece, at, (size_t)n);
		at += n > 0 ? (size_t)n : 0;
		before = endpoint_backlog(&side.endpoint);
		side_turn(&side);
		if (side.told_count == told)
			ck_assert(endpoint_backlog(&side.endpoint) > low_mark || before == 0 ||
				  endpoint_backlog(&side.endpoint) == before);
		else
			ck_assert_uint_le(endpoint_backlog(&side.endpoint), low_mark);
		told = side.told_count;
	}
	ck_assert_uint_gt(told, 0);
	ck_assert_uint_eq(strspn(side.told, "D"), told);
	ck_assert_uint_eq(endpoint_backlog(&side.endpoint), 0);
	ck_assert(!event_pending(side.endpoint.write_event, EV_WRITE, NULL));
	ck_assert_int_eq(endpoint_write(&side.endpoint, "x", 1), 0); /* direct again */
	ck_assert_uint_eq(endpoint_backlog(&side.endpoint), 0);
	free(bytes);
	side_close(&side);
}
END_TEST

/* An end of file waits for the backlog; SHUT is told once, and nothing can be written any more. */
START_TEST(test_shutdown_after_backlog)
{
	uint8_t *bytes = bytes_make(BIG), piece[50000];
	struct side side;
	size_t at = 0;
	ssize_t n;

	side_open(&side, (enum kind)_i);
	side.endpoint.low_mark = 100000;
	side_write_big(&side, bytes);
	endpoint_shutdown(&side.endpoint);
	ck_assert_int_eq(side.endpoint.state, ENDPOINT_SHUTTING);
	ck_assert_int_eq(endpoint_write(&side.endpoint, "x", 1), -1);
	ck_assert_int_eq(side.endpoint.error, EPIPE);
	while ((n = other_read(&side, piece, sizeof piece)) != 0) {
		if (n > 0)
			bytes_are(piece, at, (size_t)n);
		at += n > 0 ? (size_t)n : 0;
		side_turn(&side);
	}
	ck_assert_uint_eq(at, BIG);
	ck_assert_ptr_nonnull(strchr(side.told, 'S'));
	ck_assert_ptr_eq(strchr(side.told, 'S'), side.told + side.told_count - 1);
	ck_assert_int_eq(side.endpoint.state, ENDPOINT_SHUTDOWN);
	free(bytes);
	side_close(&side);
}
END_TEST

/* Without a backlog it is told at once; reading goes on. */
START_TEST(test_shutdown)
{
	struct side side;
	uint8_t byte;

	side_open(&side, (enum kind)_i);
	side.reads = true;
	endpoint_shutdown(&side.endpoint);
	ck_assert_str_eq(side.told, "S");
	endpoint_shutdown(&side.endpoint);
	ck_assert_str_eq(side.told, "S");
	ck_assert_int_eq(other_read(&side, &byte, 1), 0);
	ck_assert_int_eq(endpoint_write(&side.endpoint, "x", 1), -1);
	other_write(&side, "still here", 10);
	side_is_told(&side, "S");
	ck_assert_uint_eq(side.got_size, 10);
	side_close(&side);
}
END_TEST

/* The peer goes away: found out by the next write, or told when a backlog waits. */
START_TEST(test_peer_gone)
{
	uint8_t *bytes = bytes_make(BIG);
	struct side side;

	side_open(&side, (enum kind)(_i % KINDS));
	endpoint_pause(&side.endpoint);
	if (_i >= KINDS)
		side_write_big(&side, bytes);
	other_close(&side);
	if (_i >= KINDS) {
		side_is_told(&side, "F");
	} else {
		ck_assert_int_eq(endpoint_write(&side.endpoint, "x", 1), -1);
		side_is_told(&side, "");
	}
	ck_assert_msg(side.endpoint.error == EPIPE || side.endpoint.error == ECONNRESET, "%s",
		strerror(side.endpoint.error));
	ck_assert(!side.endpoint.is_ours);
	ck_assert_int_eq(side.endpoint.state, ENDPOINT_OPEN); /* closing is the owner's business */
	free(bytes);
	side_close(&side);
}
END_TEST

/* The owner may close from inside of any event: R, D, F. */
START_TEST(test_close_in_hook)
{
	uint8_t *bytes = bytes_make(BIG), piece[65536];
	struct side side;
	int turns;

	side_open(&side, KIND_SOCKET);
	side.closes = true;
	side.endpoint.low_mark = BIG;
	if (_i > 0)
		side_write_big(&side, bytes);
	if (_i == 0)
		other_write(&side, "x", 1);
	if (_i == 2)
		other_close(&side);
	for (turns = 0; turns < 20; turns++) {
		if (_i == 1 && side.told_count == 0)
			(void)other_read(&side, piece, sizeof piece);
		side_turn(&side);
	}
	ck_assert_uint_eq(side.told_count, 1);
	ck_assert_int_eq(side.endpoint.state, ENDPOINT_CLOSED);
	ck_assert_int_eq(endpoint_write(&side.endpoint, "x", 1), -1);
	ck_assert_uint_eq(endpoint_backlog(&side.endpoint), 0);
	free(bytes);
	side_close(&side);
}
END_TEST

/* --- reading --- */

/* What comes is looked at, and is still there; an interruption long ago is none now. */
START_TEST(test_peek)
{
	struct side side;
	uint8_t bytes[8];

	side_open(&side, KIND_SOCKET);
	errno = EINTR;
	ck_assert_int_eq(endpoint_peek(&side.endpoint, bytes, sizeof bytes), -1);
	ck_assert_int_eq(errno, EAGAIN);
	other_write(&side, "hello", 5);
	ck_assert_int_eq(endpoint_peek(&side.endpoint, bytes, 2), 2);
	ck_assert_int_eq(endpoint_peek(&side.endpoint, bytes, sizeof bytes), 5);
	ck_assert_int_eq(endpoint_read(&side.endpoint, bytes, sizeof bytes), 5);
	ck_assert_mem_eq(bytes, "hello", 5);
	other_close(&side);
	errno = EINTR;
	ck_assert_int_eq(endpoint_peek(&side.endpoint, bytes, sizeof bytes), 0);
	errno = EINTR;
	ck_assert_int_eq(endpoint_read(&side.endpoint, bytes, sizeof bytes), 0);
	side_close(&side);
}
END_TEST

START_TEST(test_read)
{
	uint8_t *bytes = bytes_make(BIG);
	struct side side;
	size_t at = 0;
	ssize_t n;

	side_open(&side, (enum kind)_i);
	side.reads = true;
	while (side.got_size < BIG) {
		n = write(side.to_endpoint, bytes + at, BIG - at);
		at += n > 0 ? (size_t)n : 0;
		side_turn(&side);
	}
	bytes_are(side.got, 0, BIG);
	ck_assert(!side.ended);
	other_close(&side);
	side_is_told(&side, "");
	ck_assert(side.ended);
	free(bytes);
	side_close(&side);
}
END_TEST

/* While it is paused nothing is told, however much there is; a pause may come before the start. */
START_TEST(test_pause)
{
	struct side side;
	uint8_t bytes[8];

	side_open(&side, (enum kind)_i);
	endpoint_pause(&side.endpoint);
	endpoint_pause(&side.endpoint);
	other_write(&side, "x", 1);
	side_is_told(&side, "");
	endpoint_resume(&side.endpoint);
	endpoint_resume(&side.endpoint);
	side_is_told(&side, "RRRRR"); /* at every turn until it is read */
	ck_assert_int_eq(endpoint_read(&side.endpoint, bytes, sizeof bytes), 1);
	side_is_told(&side, "RRRRR");
	ck_assert_int_eq(endpoint_read(&side.endpoint, bytes, sizeof bytes), -1);
	ck_assert_int_eq(errno, EAGAIN);

	side.reads = true;
	side.got_max = 1; /* pauses itself */
	other_write(&side, "y", 1);
	side_turn(&side);
	other_write(&side, "z", 1);
	side_is_told(&side, "RRRRR");
	ck_assert_uint_eq(side.got_size, 1);
	side.got_max = 0;
	endpoint_resume(&side.endpoint);
	side_is_told(&side, "RRRRR");
	ck_assert_uint_eq(side.got_size, 2);
	side_close(&side);
}
END_TEST

START_TEST(test_pause_before_start)
{
	struct side side;
	int pair[2];

	side_init(&side);
	side.reads = true;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	side.to_endpoint = pair[1];
	endpoint_init_socket(&side.endpoint, side.base, pair[0], side_hook, &side);
	if (_i == 0)
		endpoint_pause(&side.endpoint);
	other_write(&side, "x", 1);
	side_is_told(&side, "");
	ck_assert_uint_eq(side.got_size, 0); /* not started */
	ck_assert_int_eq(endpoint_start(&side.endpoint), 0);
	side_is_told(&side, "");
	ck_assert_uint_eq(side.got_size, _i);
	endpoint_resume(&side.endpoint);
	side_is_told(&side, "");
	ck_assert_uint_eq(side.got_size, 1);
	side_close(&side);
}
END_TEST

/* Whether a peer whose end of file has come can still be written to. */
START_TEST(test_has_left)
{
	struct side side;

	side_open(&side, (enum kind)(_i % KINDS));
	side.reads = true;
	ck_assert(!endpoint_has_left(&side.endpoint));
	ck_assert(!endpoint_has_ended(&side.endpoint));
	other_write(&side, "last", 4);
	if (_i % KINDS == KIND_SOCKET)
		ck_assert_int_eq(shutdown(side.to_endpoint, SHUT_WR), 0);
	close(side.to_endpoint);
	side.to_endpoint = 0;
	if (_i >= KINDS) {
		close(side.from_endpoint);
		side.from_endpoint = 0;
	}
	ck_assert(endpoint_has_ended(&side.endpoint)); /* behind what was not read yet */
	ck_assert_int_eq(endpoint_has_left(&side.endpoint), _i >= KINDS);
	side_is_told(&side, "");
	ck_assert(side.ended);
	ck_assert_uint_eq(side.got_size, 4);
	ck_assert_int_eq(endpoint_has_left(&side.endpoint), _i >= KINDS);
	side_close(&side);
	ck_assert(!endpoint_has_left(&side.endpoint)); /* unknown */
	ck_assert(endpoint_has_ended(&side.endpoint));
}
END_TEST

/*
 * A silent peer behind TCP is asked whether it is there, a few times, in two minutes; others not.
 */
START_TEST(test_probe)
{
	static const struct {
		int level, option, value;
	} rows[] = {
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, 60},
		{IPPROTO_TCP, TCP_KEEPINTVL, 15},
		{IPPROTO_TCP, TCP_KEEPCNT, 4},
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0), value;
	socklen_t size = sizeof value;
	struct side side;
	size_t i;

	side_init(&side);
	endpoint_init_socket(&side.endpoint, side.base, fd, side_hook, &side);
	endpoint_probe(&side.endpoint);
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ck_assert_int_eq(getsockopt(fd, rows[i].level, rows[i].option, &value, &size), 0);
		ck_assert_int_eq(value, rows[i].value);
	}
	side_close(&side);
	side_open(&side, KIND_PIPES);
	endpoint_probe(&side.endpoint);
	side_close(&side);
}
END_TEST

/* Whether a socket has ended is seen without reading; of a pipe it is not known. */
START_TEST(test_at_end)
{
	struct side side;
	uint8_t byte;

	side_open(&side, (enum kind)_i);
	ck_assert(!endpoint_at_end(&side.endpoint));
	other_write(&side, "x", 1);
	other_close(&side);
	ck_assert(!endpoint_at_end(&side.endpoint)); /* there is something before it */
	ck_assert_int_eq(endpoint_read(&side.endpoint, &byte, 1), 1);
	ck_assert_int_eq(endpoint_at_end(&side.endpoint), _i == KIND_SOCKET);
	side_close(&side);
	ck_assert(!endpoint_at_end(&side.endpoint));
}
END_TEST

/* Whoever writes into a pipe that is read no more is told so; a socket is only left alone. */
START_TEST(test_stop_reading)
{
	struct side side;
	uint8_t byte;
	int other;

	side_open(&side, (enum kind)_i);
	side.reads = true;
	endpoint_stop_reading(&side.endpoint);
	other = open("/dev/null", O_RDONLY | O_CLOEXEC); /* has its number now */
	ck_assert_int_eq(side.endpoint.read_fd < 0, _i == KIND_PIPES);
	ck_assert_int_eq(write(side.to_endpoint, "x", 1), _i == KIND_PIPES ? -1 : 1);
	endpoint_stop_reading(&side.endpoint);
	side_is_told(&side, "");
	ck_assert_uint_eq(side.got_size, 0);
	endpoint_resume(&side.endpoint);
	side_is_told(&side, "");
	ck_assert_uint_eq(side.got_size, _i == KIND_PIPES ? 0 : 1);
	ck_assert_int_eq(endpoint_write(&side.endpoint, "y", 1), 0); /* the other way is open */
	ck_assert_int_eq(other_read(&side, &byte, 1), 1);
	side_close(&side);
	ck_assert(fd_is_open(other));
	close(other);
}
END_TEST

/*
 * Who is watched may say what it likes: of that nothing is told, but at once of its end behind it,
 * and of its departure. Then it can be read, and written to, as ever.
 */
START_TEST(test_watch)
{
	uint8_t *bytes = bytes_make(BIG);
	struct side side;

	side_open(&side, KIND_SOCKET);
	side.got_max = 5;
	endpoint_watch(&side.endpoint);
	endpoint_watch(&side.endpoint);
	other_write(&side, "hel", 3);
	side_is_told(&side, "");
	other_write(&side, "lo", 2);
	side_is_told(&side, "");
	if (_i == 1) /* written to, with a backlog: nothing is lost of what is there, or to come */
		side_write_big(&side, bytes);
	ck_assert_int_eq(shutdown(side.to_endpoint, SHUT_WR), 0);
	if (_i == 0) {
		side_is_told(&side, "E");
		ck_assert(endpoint_has_ended(&side.endpoint) && !endpoint_has_left(&side.endpoint));
		other_close(&side);
		side_is_told(&side, "EE");
		ck_assert(endpoint_has_left(&side.endpoint));
	}
	side.reads = true;
	endpoint_resume(&side.endpoint);
	side_is_told(&side, _i == 0 ? "EE" : "");
	ck_assert_uint_eq(side.got_size, 5);
	ck_assert_mem_eq(side.got, "hello", 5);
	side_close(&side);
	free(bytes);
}
END_TEST

/* It need not have been waited for: an end that was there before is told, too. */
START_TEST(test_watch_after_the_end)
{
	struct side side;

	side_open(&side, KIND_SOCKET);
	other_write(&side, "x", 1);
	other_close(&side);
	endpoint_watch(&side.endpoint);
	side_is_told(&side, "E");
	endpoint_close(&side.endpoint);
	endpoint_watch(&side.endpoint);
	side_close(&side);
}
END_TEST

/* Without memory for it, and of pipes, nothing is told; they can be asked. */
START_TEST(test_watch_cannot)
{
	struct side side;

	side_open(&side, (enum kind)_i);
	endpoint_pause(&side.endpoint);
	unit_alloc_fail_after(0);
	endpoint_watch(&side.endpoint);
	unit_alloc_fail_never();
	other_write(&side, "x", 1);
	other_close(&side);
	side_turn(&side);
	ck_assert(side.told[0] == '\0' || _i == KIND_SOCKET); /* libevent may need none */
	ck_assert(endpoint_has_ended(&side.endpoint));
	side.reads = true;
	side.got_max = 1;
	endpoint_resume(&side.endpoint);
	while (side.got_size == 0)
		side_turn(&side);
	side_close(&side);
}
END_TEST

/* --- our own stdin and stdout --- */

enum stdio_kind { STDIO_PIPE, STDIO_SOCKET, STDIO_TERMINAL, STDIO_KINDS };

/* Both ends of something that may be stdin or stdout: ours is blocking, the other is not. */
static void stdio_pair(enum stdio_kind kind, bool for_stdin, int *ours, int *other)
{
	int pair[2];

	switch (kind) {
	case STDIO_PIPE:
		ck_assert_int_eq(pipe(pair), 0);
		*ours = pair[for_stdin ? 0 : 1];
		*other = pair[for_stdin ? 1 : 0];
		break;
	case STDIO_SOCKET:
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		*ours = pair[0];
		*other = pair[1];
		break;
	case STDIO_TERMINAL:
	case STDIO_KINDS:
		*other = posix_openpt(O_RDWR | O_NOCTTY);
		ck_assert_int_eq(grantpt(*other), 0);
		ck_assert_int_eq(unlockpt(*other), 0);
		*ours = open(ptsname(*other), O_RDWR | O_NOCTTY);
		break;
	}
	ck_assert_int_ge(*ours, 0);
	ck_assert_int_eq(fcntl(*other, F_SETFL, O_NONBLOCK), 0);
}

/* stdin_fd and stdout_fd become ours; copies stay with the caller, as with whoever started us. */
static void side_open_stdio(struct side *side, int stdin_fd, int stdout_fd)
{
	ck_assert_int_eq(dup2(stdin_fd, STDIN_FILENO), STDIN_FILENO);
	ck_assert_int_eq(dup2(stdout_fd, STDOUT_FILENO), STDOUT_FILENO);
	ck_assert_int_eq(endpoint_init_stdio(&side->endpoint, side->base, side_hook, side), 0);
}

static bool fd_is_null(int fd)
{
	char path[64] = "", link[32];

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ck_assert_int_gt(readlink(link, path, sizeof path - 1), 0);
	return strcmp(path, "/dev/null") == 0;
}

/* Bytes go both ways, and the neighbours' descriptors keep their flags. */
START_TEST(test_stdio)
{
	enum stdio_kind in = (enum stdio_kind)(_i % STDIO_KINDS);
	enum stdio_kind out = (enum stdio_kind)(_i / STDIO_KINDS);
	int stdin_fd, stdout_fd;
	struct side side;
	uint8_t bytes[64];

	side_init(&side);
	side.reads = true;
	stdio_pair(in, true, &stdin_fd, &side.to_endpoint);
	stdio_pair(out, false, &stdout_fd, &side.from_endpoint);
	side_open_stdio(&side, stdin_fd, stdout_fd);
	ck_assert(fd_is_null(STDIN_FILENO) && fd_is_null(STDOUT_FILENO));
	ck_assert_int_ne(fcntl(side.endpoint.read_fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_ne(fcntl(side.endpoint.write_fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(endpoint_start(&side.endpoint), 0);

	other_write(&side, "in\n", 3);
	while (side.got_size == 0) {
		poll(NULL, 0, 1); /* a terminal takes a moment */
		side_turn(&side);
	}
	ck_assert_uint_eq(side.got_size, 3);
	ck_assert_mem_eq(side.got, "in\n", 3);
	ck_assert_int_eq(endpoint_write(&side.endpoint, "out", 3), 0);
	other_wait(&side);
	ck_assert_int_eq(other_read(&side, bytes, sizeof bytes), 3);
	ck_assert_int_eq(fcntl(stdin_fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fcntl(stdout_fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert(!endpoint_has_left(&side.endpoint));
	close(stdin_fd);
	close(stdout_fd);
	side_close(&side);
}
END_TEST

/* A named pipe without a reader, which cannot be opened anew for writing. */
static int fifo_open(char folder[], char *path, size_t path_size)
{
	int reader, writer;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, path_size, "%s/fifo", folder);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	writer = open(path, O_WRONLY);
	ck_assert_int_ge(writer, 0);
	close(reader);
	return writer;
}

/*
 * A pipe or terminal gets a description of our own, which does not block, so that a write is as
 * large as fits; a socket needs none. It is the same pipe: its end is ours to see and to give.
 */
START_TEST(test_stdio_is_reopened)
{
	enum { LARGE = 3 * PIPE_BUF };
	enum stdio_kind kind = (enum stdio_kind)_i;
	uint8_t *bytes = bytes_make(LARGE), got[LARGE];
	int stdin_fd, stdout_fd, flags;
	struct stat ours, theirs;
	struct side side;

	side_init(&side);
	stdio_pair(STDIO_PIPE, true, &stdin_fd, &side.to_endpoint);
	stdio_pair(kind, false, &stdout_fd, &side.from_endpoint);
	side_open_stdio(&side, stdin_fd, stdout_fd);
	flags = fcntl(side.endpoint.write_fd, F_GETFL);
	ck_assert_int_eq((flags & O_NONBLOCK) != 0, kind != STDIO_SOCKET);
	ck_assert_int_eq(fcntl(stdout_fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fstat(side.endpoint.write_fd, &ours), 0);
	ck_assert_int_eq(fstat(stdout_fd, &theirs), 0);
	ck_assert(ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev);
	ck_assert_int_gt(side.endpoint.write_fd, STDERR_FILENO);
	if (kind != STDIO_TERMINAL) {
		ck_assert_int_eq(endpoint_write(&side.endpoint, bytes, LARGE), 0);
		ck_assert_int_eq(other_read(&side, got, LARGE), LARGE); /* one write */
		ck_assert_mem_eq(got, bytes, LARGE);
	}
	free(bytes);
	close(stdin_fd);
	close(stdout_fd);
	side_close(&side);
}
END_TEST

/* Nothing of the conversation comes to where log lines go, though that descriptor is free. */
START_TEST(test_stdio_without_stderr)
{
	int stdin_fd, stdout_fd, before = dup(STDERR_FILENO);
	struct side side;

	side_init(&side);
	stdio_pair((enum stdio_kind)_i, true, &stdin_fd, &side.to_endpoint);
	stdio_pair((enum stdio_kind)_i, false, &stdout_fd, &side.from_endpoint);
	ck_assert_int_eq(dup2(stdin_fd, STDIN_FILENO), STDIN_FILENO);
	ck_assert_int_eq(dup2(stdout_fd, STDOUT_FILENO), STDOUT_FILENO);
	close(STDERR_FILENO);
	ck_assert_int_eq(endpoint_init_stdio(&side.endpoint, side.base, side_hook, &side), 0);
	ck_assert_int_gt(side.endpoint.read_fd, STDERR_FILENO);
	ck_assert_int_gt(side.endpoint.write_fd, STDERR_FILENO);
	ck_assert_int_eq(dup2(before, STDERR_FILENO), STDERR_FILENO);
	close(before);
	close(stdin_fd);
	close(stdout_fd);
	side_close(&side);
}
END_TEST

/* A reader that does not read is waited for without blocking; then everything arrives. */
START_TEST(test_stdio_backlog)
{
	char folder[] = "/tmp/sidespan_test_XXXXXX", path[64];
	uint8_t *bytes = bytes_make(BIG), piece[50000];
	int stdin_fd, stdout_fd;
	struct side side;
	size_t at = 0;
	ssize_t n;

	side_init(&side);
	stdio_pair(STDIO_PIPE, true, &stdin_fd, &side.to_endpoint);
	if (_i < 2)
		stdio_pair((enum stdio_kind)_i, false, &stdout_fd, &side.from_endpoint);
	else
		stdout_fd = fifo_open(folder, path, sizeof path);
	side_open_stdio(&side, stdin_fd, stdout_fd);
	if (_i == 2) {
		side.from_endpoint = open(path, O_RDONLY | O_NONBLOCK);
		ck_assert_int_eq(fcntl(side.endpoint.write_fd, F_GETFL) & O_NONBLOCK, 0);
		unlink(path);
		rmdir(folder);
	}
	ck_assert_int_eq(endpoint_start(&side.endpoint), 0);
	side_write_big(&side, bytes);
	while (at < BIG) {
		n = other_read(&side, piece, sizeof piece);
		if (n > 0)
			bytes_are(piece, at, (size_t)n);
		at += n > 0 ? (size_t)n : 0;
		side_turn(&side);
	}
	ck_assert_uint_eq(endpoint_backlog(&side.endpoint), 0);
	ck_assert_int_eq(fcntl(stdout_fd, F_GETFL) & O_NONBLOCK, 0);
	free(bytes);
	close(stdin_fd);
	close(stdout_fd);
	side_close(&side);
}
END_TEST

/* The stream itself: a pipe that is shared takes no more than it must at once, or says later. */
START_TEST(test_stdio_shared)
{
	char folder[] = "/tmp/sidespan_test_XXXXXX", path[64], piece[2 * PIPE_BUF];
	int stdin_fd, other, stdout_fd = fifo_open(folder, path, sizeof path), reader;
	struct stream_stdio stdio;
	ssize_t n;

	memset(piece, 'x', sizeof piece);
	stdio_pair(STDIO_PIPE, true, &stdin_fd, &other);
	ck_assert_int_eq(dup2(stdin_fd, STDIN_FILENO), STDIN_FILENO);
	ck_assert_int_eq(dup2(stdout_fd, STDOUT_FILENO), STDOUT_FILENO);
	ck_assert_int_eq(stream_stdio_take(&stdio), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	ck_assert_int_eq(unlink(path) | rmdir(folder), 0);
	while ((n = stdio.write_ops->write(NULL, stdio.write_fd, piece, sizeof piece)) > 0)
		ck_assert_int_eq(n, PIPE_BUF);
	ck_assert_int_eq(n, -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(read(reader, piece, PIPE_BUF), PIPE_BUF);
	ck_assert_int_eq(stdio.write_ops->write(NULL, stdio.write_fd, piece, 3), 3);
	close(stdio.read_fd);
	close(stdio.write_fd);
	close(stdin_fd);
	close(stdout_fd);
	close(other);
	close(reader);
}
END_TEST

/* Our end of file is not that of others who have the same socket or pipe as their stdout. */
START_TEST(test_stdio_shutdown)
{
	int stdin_fd, stdout_fd;
	struct side side;
	uint8_t bytes[8];

	side_init(&side);
	stdio_pair(STDIO_PIPE, true, &stdin_fd, &side.to_endpoint);
	stdio_pair((enum stdio_kind)_i, false, &stdout_fd, &side.from_endpoint);
	side_open_stdio(&side, stdin_fd, stdout_fd);
	ck_assert_int_eq(endpoint_start(&side.endpoint), 0);
	endpoint_shutdown(&side.endpoint);
	ck_assert_str_eq(side.told, "S");
	ck_assert_int_eq(write(stdout_fd, "more", 4), 4);
	other_wait(&side);
	ck_assert_int_eq(other_read(&side, bytes, sizeof bytes), 4);
	close(stdout_fd);
	if (_i != STDIO_TERMINAL)
		ck_assert_int_eq(other_read(&side, bytes, sizeof bytes), 0);
	close(stdin_fd);
	side_close(&side);
}
END_TEST

static int count_descriptors(void)
{
	DIR *list = opendir("/proc/self/fd");
	int count = 0;

	ck_assert_ptr_nonnull(list);
	while (readdir(list) != NULL)
		count++;
	closedir(list);
	return count;
}

/* stdin or stdout is closed, or too few descriptors are left: nothing is left open. */
START_TEST(test_stdio_refused)
{
	struct rlimit limit, lower;
	int before, next, result, error;
	struct side side;

	side_init(&side);
	if (_i < 2)
		close(_i);
	before = count_descriptors();
	next = fcntl(STDERR_FILENO, F_DUPFD, STDERR_FILENO + 1);
	close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	lower = limit;
	if (_i >= 2)
		lower.rlim_cur = (rlim_t)(next + _i - 2);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lower), 0);
	result = endpoint_init_stdio(&side.endpoint, side.base, side_hook, &side);
	error = errno;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(result, -1);
	ck_assert_int_eq(error, _i < 2 ? EBADF : EMFILE);
	ck_assert_int_eq(count_descriptors(), before);
	ck_assert_int_eq(side.endpoint.state, ENDPOINT_CLOSED);
	side_close(&side);
}
END_TEST

/* What epoll refuses: regular files and /dev/null, on both ways. */
START_TEST(test_stdio_file)
{
	uint8_t *bytes = bytes_make(BIG), *copy = malloc(BIG);
	int stdin_fd = memfd_create("stdin", 0), stdout_fd = memfd_create("stdout", 0);
	struct side side;

	side_init(&side);
	side.reads = true;
	ck_assert_int_eq(write(stdin_fd, bytes, BIG), BIG);
	ck_assert_int_eq(lseek(stdin_fd, 0, SEEK_SET), 0);
	side_open_stdio(&side, stdin_fd, stdout_fd);
	ck_assert_int_eq(endpoint_start(&side.endpoint), 0);
	side.got_max = BIG / 2;
	while (side.got_size < BIG / 2)
		side_turn(&side);
	side_is_told(&side, "");
	ck_assert_uint_lt(side.got_size, BIG); /* it has paused */
	side.got_max = 0;
	endpoint_resume(&side.endpoint);
	while (!side.ended)
		side_turn(&side);
	ck_assert_uint_eq(side.got_size, BIG);
	bytes_are(side.got, 0, BIG);
	ck_assert_int_eq(endpoint_write(&side.endpoint, bytes, BIG), 0);
	ck_assert_uint_eq(endpoint_backlog(&side.endpoint), 0);
	ck_assert_int_eq(pread(stdout_fd, copy, BIG, 0), BIG);
	bytes_are(copy, 0, BIG);
	free(bytes);
	free(copy);
	close(stdin_fd);
	close(stdout_fd);
	side_close(&side);
}
END_TEST

START_TEST(test_stdio_null)
{
	int null_fd = open("/dev/null", O_RDWR);
	struct side side;

	side_init(&side);
	side.reads = true;
	side_open_stdio(&side, null_fd, null_fd);
	ck_assert_int_eq(endpoint_start(&side.endpoint), 0);
	side_is_told(&side, "");
	ck_assert(side.ended);
	ck_assert_int_eq(endpoint_write(&side.endpoint, "x", 1), 0);
	close(null_fd);
	side_close(&side);
}
END_TEST

static void on_other_event(int fd, short what, void *arg)
{
	int *count = arg;
	char byte;

	(void)what;
	*count += read(fd, &byte, 1) == 1;
}

/* A file that is always ready does not keep the loop from other events: one read in each turn. */
START_TEST(test_file_is_fair)
{
	int zero_fd = open("/dev/zero", O_RDWR), null_fd = open("/dev/null", O_RDWR);
	int pair[2], count = 0, i;
	struct event *other;
	struct side side;

	side_init(&side);
	side_open_stdio(&side, zero_fd, null_fd);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	other = event_new(side.base, pair[0], EV_READ | EV_PERSIST, on_other_event, &count);
	event_add(other, NULL);
	ck_assert_int_eq(endpoint_start(&side.endpoint), 0);
	for (i = 0; i < 10; i++) {
		ck_assert_int_eq(write(pair[1], "x", 1), 1);
		side_turn(&side);
		ck_assert_int_ge(count, i);
		ck_assert_uint_ge(side.told_count, (size_t)i);
	}
	ck_assert_uint_le(side.told_count, 10);
	endpoint_pause(&side.endpoint);
	i = (int)side.told_count;
	side_turn(&side);
	ck_assert_uint_eq(side.told_count, (size_t)i);
	endpoint_resume(&side.endpoint);
	side_turn(&side);
	side_turn(&side);
	ck_assert_uint_gt(side.told_count, (size_t)i);
	event_free(other);
	close(pair[0]);
	close(pair[1]);
	close(zero_fd);
	close(null_fd);
	side_close(&side);
}
END_TEST

/* --- life --- */

/* Closing gives all descriptors back, and every call on what is closed does nothing. */
START_TEST(test_closed)
{
	struct side side;
	int read_fd, write_fd;
	uint8_t byte;

	if (_i == KINDS) {
		side_init(&side);
		endpoint_init_closed(&side.endpoint);
	} else {
		side_open(&side, (enum kind)_i);
		read_fd = side.endpoint.read_fd;
		write_fd = side.endpoint.write_fd;
		endpoint_close(&side.endpoint);
		ck_assert(!fd_is_open(read_fd) && !fd_is_open(write_fd));
	}
	if (_i == KINDS)
		ck_assert_int_eq(endpoint_start(&side.endpoint), 0);
	ck_assert_int_eq(endpoint_read(&side.endpoint, &byte, 1), -1);
	ck_assert_int_eq(errno, EBADF);
	ck_assert_int_eq(endpoint_write(&side.endpoint, "x", 1), -1);
	ck_assert_uint_eq(endpoint_backlog(&side.endpoint), 0);
	endpoint_pause(&side.endpoint);
	endpoint_resume(&side.endpoint);
	endpoint_stop_reading(&side.endpoint);
	endpoint_shutdown(&side.endpoint);
	ck_assert(!endpoint_has_left(&side.endpoint));
	side_is_told(&side, "");
	side_close(&side);
}
END_TEST

/* Also after a half-close, which has closed a pipe already. */
START_TEST(test_close_after_shutdown)
{
	struct side side;
	int write_fd;

	side_open(&side, (enum kind)_i);
	write_fd = side.endpoint.write_fd;
	endpoint_shutdown(&side.endpoint);
	ck_assert_int_eq(fd_is_open(write_fd), _i == KIND_SOCKET);
	endpoint_stop_reading(&side.endpoint);
	endpoint_close(&side.endpoint);
	ck_assert(!fd_is_open(write_fd));
	ck_assert_str_eq(side.told, "S");
	side_close(&side);
}
END_TEST

/* --- memory --- */

/*
 * Without memory for a backlog, or for the loop to wait for the peer: the caller is told that it is
 * our own fault; what was sent stays sent, and what was kept is kept and still goes out.
 */
START_TEST(test_no_memory_to_write)
{
	uint8_t *bytes = bytes_make(BIG), *piece = malloc(BIG);
	bool failed = true;
	int n;

	for (n = 0; failed; n++) {
		struct side side;
		size_t backlog, at = 0;
		ssize_t got;
		int result;

		ck_assert_int_lt(n, 20);
		side_open(&side, (enum kind)(_i % KINDS));
		if (_i >= KINDS)
			side_write_big(&side, bytes);
		backlog = endpoint_backlog(&side.endpoint);
		unit_alloc_fail_after(n);
		result = endpoint_write(&side.endpoint, bytes, BIG);
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		ck_assert_int_eq(result, failed ? -1 : 0);
		ck_assert_int_eq(side.endpoint.is_ours, failed);
		ck_assert_int_eq(side.endpoint.error, failed ? ENOMEM : 0);
		if (failed)
			ck_assert_uint_eq(endpoint_backlog(&side.endpoint), backlog);
		while ((got = other_read(&side, piece, BIG)) > 0 ||
			endpoint_backlog(&side.endpoint) > 0) {
			side_turn(&side);
			if (got < 0)
				continue;
			if (at < BIG || _i < KINDS)
				bytes_are(
					piece, at, (size_t)got < BIG - at ? (size_t)got : BIG - at);
			at += (size_t)got;
		}
		ck_assert_uint_gt(at, 0);
		ck_assert(!failed ? at == (_i < KINDS ? BIG : 2 * BIG) : _i < KINDS || at == BIG);
		ck_assert(side.endpoint.write_event == NULL ||
			  !event_pending(side.endpoint.write_event, EV_WRITE, NULL));
		side_close(&side);
	}
	ck_assert_int_gt(n, 1);
	free(bytes);
	free(piece);
}
END_TEST

static const struct stream_ops file_ops = {
	.read = stream_fd_read, .write = stream_fd_write, .always_ready = true};

/* Without memory for the loop to wait for input: told as a failure of ours, at once. */
START_TEST(test_no_memory_to_read)
{
	bool failed = true;
	int n, null_fd, result;

	for (n = 0; failed; n++) {
		struct side side;

		ck_assert_int_lt(n, 20);
		side_init(&side);
		null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		ck_assert_int_ge(null_fd, 0);
		if (_i < 2) {
			int pair[2];

			ck_assert_int_eq(
				socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
			side.to_endpoint = pair[1];
			endpoint_init_socket(&side.endpoint, side.base, pair[0], side_hook, &side);
			close(null_fd);
		} else {
			endpoint_init(&side.endpoint, side.base, &file_ops, null_fd, &file_ops,
				null_fd, side_hook, &side);
		}
		if (_i % 2 == 1)
			endpoint_pause(&side.endpoint);
		unit_alloc_fail_after(n);
		result = endpoint_start(&side.endpoint);
		if (_i % 2 == 1)
			endpoint_resume(&side.endpoint);
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		ck_assert_int_eq(result, failed && _i % 2 == 0 ? -1 : 0);
		ck_assert_str_eq(side.told, failed && _i % 2 == 1 ? "F" : "");
		ck_assert_int_eq(side.endpoint.is_ours, failed);
		ck_assert_int_eq(side.endpoint.error, failed ? ENOMEM : 0);
		side_close(&side);
	}
	ck_assert_int_gt(n, 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("endpoint");

	tcase_add_loop_test(tc, test_write, 0, KINDS);
	tcase_add_loop_test(tc, test_backlog, 0, 2 * KINDS);
	tcase_add_loop_test(tc, test_shutdown_after_backlog, 0, KINDS);
	tcase_add_loop_test(tc, test_shutdown, 0, KINDS);
	tcase_add_loop_test(tc, test_peer_gone, 0, 2 * KINDS);
	tcase_add_loop_test(tc, test_close_in_hook, 0, 3);
	tcase_add_test(tc, test_peek);
	tcase_add_loop_test(tc, test_read, 0, KINDS);
	tcase_add_loop_test(tc, test_pause, 0, KINDS);
	tcase_add_loop_test(tc, test_pause_before_start, 0, 2);
	tcase_add_loop_test(tc, test_has_left, 0, 2 * KINDS);
	tcase_add_test(tc, test_probe);
	tcase_add_loop_test(tc, test_at_end, 0, KINDS);
	tcase_add_loop_test(tc, test_stop_reading, 0, KINDS);
	tcase_add_loop_test(tc, test_watch, 0, 2);
	tcase_add_test(tc, test_watch_after_the_end);
	tcase_add_loop_test(tc, test_watch_cannot, 0, KINDS);
	tcase_add_loop_test(tc, test_stdio, 0, STDIO_KINDS * STDIO_KINDS);
	tcase_add_loop_test(tc, test_stdio_is_reopened, 0, STDIO_KINDS);
	tcase_add_loop_test(tc, test_stdio_without_stderr, 0, STDIO_KINDS);
	tcase_add_loop_test(tc, test_stdio_backlog, 0, 3);
	tcase_add_test(tc, test_stdio_shared);
	tcase_add_loop_test(tc, test_stdio_shutdown, 0, STDIO_KINDS);
	tcase_add_loop_test(tc, test_stdio_refused, 0, 5);
	tcase_add_test(tc, test_stdio_file);
	tcase_add_test(tc, test_stdio_null);
	tcase_add_test(tc, test_file_is_fair);
	tcase_add_loop_test(tc, test_closed, 0, KINDS + 1);
	tcase_add_loop_test(tc, test_close_after_shutdown, 0, KINDS);
	tcase_add_loop_test(tc, test_no_memory_to_write, 0, 2 * KINDS);
	tcase_add_loop_test(tc, test_no_memory_to_read, 0, 4);
	return unit_run("endpoint", tc);
}

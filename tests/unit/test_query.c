/* One question to a server of the test's own: how long an answer may be, and no memory for it. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/address.h"
#include "proxy/top/query.h"
#include "tests/unit/unit.h"

#define HEAD_MAX  (64 << 10)
#define BYTES_MAX (16 << 20)
#define START     "HTTP/1.1 200 OK\r\nX: "

/* --- the server --- */

static struct address addresses[2]; /* nobody listens at the first */
static const struct query_target target = {
	.addresses = addresses, .address_count = 2, .host = "h:1", .token = "t"};
static int listener = -1, served = -1;

static int server_bind(struct address *address)
{
	struct sockaddr_in name = {.sin_family = AF_INET};
	socklen_t size = sizeof name;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, size), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name, &size), 0);
	memcpy(&address->storage, &name, size);
	address->size = size;
	return fd;
}

/* Lets go of as much of the answer as there is room for. Returns how much. Asserts nothing. */
static size_t server_tell(const char *answer, size_t size)
{
	char asked[256];
	ssize_t n;

	if (served < 0)
		served = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	n = send(served, answer, size, MSG_NOSIGNAL);
	if (n == (ssize_t)size) { /* what is not read would make an end a reset */
		(void)recv(served, asked, sizeof asked, 0);
		(void)shutdown(served, SHUT_WR);
	}
	return n > 0 ? (size_t)n : 0;
}

/* --- the question --- */

static struct event_base *base;
static char heard[256]; /* the body's beginning, or "!" and why there is none */
static size_t heard_size, times;

static void on_answer(void *arg, const char *body, size_t size, const char *why)
{
	(void)arg;
	(void)snprintf(heard, sizeof heard, "%s%.*s", body == NULL ? "!" : "",
		body == NULL ? (int)sizeof heard : (int)(size < 100 ? size : 100),
		body == NULL ? why : body);
	heard_size = size;
	times++;
}

/* All of the answer, which is not the question's to wait for once it is over. */
static void ask(const char *answer, size_t size)
{
	struct query *query = query_new(base, &target, "/p", on_answer, &heard);
	size_t told = 0;

	times = 0;
	(void)snprintf(heard, sizeof heard, "!out of memory");
	while (query != NULL && times == 0) {
		if (told < size || size == 0)
			told += server_tell(answer + told, size - told);
		if (event_base_loop(base, EVLOOP_NONBLOCK) < 0)
			abort();
	}
	if (query != NULL && event_base_loop(base, EVLOOP_NONBLOCK) < 0)
		abort();
	query_free(query);
	if (served >= 0)
		(void)close(served);
	served = -1;
}

static void setup(void)
{
	base = event_base_new();
	ck_assert_int_eq(close(server_bind(&addresses[0])), 0);
	listener = server_bind(&addresses[1]);
	ck_assert_int_eq(listen(listener, 8), 0);
}

static void teardown(void)
{
	event_base_free(base);
	(void)close(listener);
}

/* --- what comes of it --- */

START_TEST(test_answer)
{
	static const char answer[] = START "y\r\nContent-Length: 3\r\n\r\n{ }too much";

	ask(answer, strlen(answer));
	ck_assert_str_eq(heard, "{ }");
	ck_assert_uint_eq(times, 1);
}
END_TEST

/* It is over later, not from within, and when nothing comes, after five seconds. */
START_TEST(test_time)
{
	int64_t then = unit_now_ms();
	struct query *query = query_new(base, &target, "/p", on_answer, &heard);

	ck_assert_ptr_nonnull(query);
	ck_assert_uint_eq(times, 0);
	unit_is_due(unit_last_due_ms(base), then, 5000);
	query_free(query);
}
END_TEST

/* An answer of that many bytes, whose head has that many. */
static void ask_for(size_t head, size_t size)
{
	char *answer = malloc(size);

	ck_assert_ptr_nonnull(answer);
	memset(answer, 'x', size);
	memcpy(answer, START, strlen(START));
	if (head + 1 < size || head == size)
		memcpy(answer + head - 4, "\r\n\r\n", 4);
	ask(answer, size);
	free(answer);
	ck_assert_uint_eq(times, 1);
}

START_TEST(test_head_too_long)
{
	ask_for(HEAD_MAX, HEAD_MAX + 5);
	ck_assert_str_eq(heard, "xxxxx");
	ask_for(HEAD_MAX + 1, HEAD_MAX + 5);
	ck_assert_str_eq(heard, "!the head of its answer is too long");
	ask_for(BYTES_MAX, BYTES_MAX);
	ck_assert_str_eq(heard, "!the head of its answer is too long");
}
END_TEST

START_TEST(test_answer_too_long)
{
	ask_for(100, BYTES_MAX);
	ck_assert_uint_eq(heard_size, BYTES_MAX - 100);
	ck_assert_uint_eq(strspn(heard, "x"), 100);
	ask_for(100, BYTES_MAX + 1);
	ck_assert_str_eq(heard, "!its answer is too long");
}
END_TEST

/* An answer, or why there is none; once. */
START_TEST(test_out_of_memory)
{
	static const char answer[] = START "y\r\n\r\n{ }";
	long n, answers = 0;

	for (n = 0; answers == 0; n++) {
		unit_alloc_fail_once(n);
		ask(answer, strlen(answer));
		if (unit_alloc_failed() == 0)
			answers++;
		unit_alloc_fail_never();
		ck_assert_uint_le(times, 1);
		ck_assert_msg(heard[0] == '!' || strcmp(heard, "{ }") == 0, "%s", heard);
	}
	ck_assert_str_eq(heard, "{ }");
	ck_assert_int_gt(n, 5);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("query");

	unit_fixture(setup, teardown);
	tcase_add_test(tc, test_answer);
	tcase_add_test(tc, test_time);
	tcase_add_test(tc, test_head_too_long);
	tcase_add_test(tc, test_answer_too_long);
	tcase_add_test(tc, test_out_of_memory);
	return unit_run("query", tc);
}

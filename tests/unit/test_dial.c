/*
 * The way to a server: over real sockets, with names of the test's own. A server that is not there
 * is a socket that is bound and does not listen; one that does not answer has a full backlog.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/dial.h"
#include "proxy/resolver.h"
#include "tests/unit/loop_case.h"
#include "tests/unit/names_case.h"
#include "tests/unit/unit.h"

#define MS    UINT64_C(1000000)
#define EARLY (20 * MS) /* that much may a timer of the loop be: its clock is a coarse one */

/* What connect() says when it is asked again, before it is as it is. */
static int connect_again; /* an errno; 0: as it is */
static unsigned connect_calls;

int connect(int fd, const struct sockaddr *name, socklen_t size)
{
	int (*real)(int, const struct sockaddr *, socklen_t);

	if (++connect_calls % 2 == 0 && connect_again != 0) {
		errno = connect_again;
		return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "connect");
	return real(fd, name, size);
}

/* One that dials, and what it was told. */
struct dialler {
	struct loop_case setup;
	struct resolver *resolver;
	struct dial *dial;
	char told[8]; /* W, C, F in order */
	char why[400];
	int fd; /* of C */
	uint64_t start_ns;
	void (*on_wait)(void);
};

static void dialler_hook(void *arg, enum dial_event event, int fd, const char *why)
{
	struct dialler *dialler = arg;

	dialler->told[strlen(dialler->told)] = "CWF"[event];
	dialler->fd = fd;
	snprintf(dialler->why, sizeof dialler->why, "%s", why == NULL ? "" : why);
	if (event != DIAL_WAITS)
		dialler->dial = NULL;
	else if (dialler->on_wait != NULL)
		dialler->on_wait();
}

static void dialler_open(struct dialler *dialler, const char *url, const char *timeout)
{
	char upstream[256], limit[64];
	const char *flags[] = {upstream, limit, NULL};

	memset(dialler, 0, sizeof *dialler);
	snprintf(upstream, sizeof upstream, "--upstream=%s", url);
	snprintf(limit, sizeof limit, "--connect-timeout=%s", timeout);
	loop_case_open(&dialler->setup, flags);
	dialler->resolver =
		resolver_new(&dialler->setup.loop, &dialler->setup.load.config->upstream_url);
	ck_assert_ptr_nonnull(dialler->resolver);
}

static void dialler_close(struct dialler *dialler)
{
	loop_case_close(&dialler->setup);
	resolver_free(dialler->resolver);
}

static void dialler_start(struct dialler *dialler)
{
	memset(dialler->told, 0, sizeof dialler->told);
	loop_clock(&dialler->setup.loop);
	dialler->start_ns = dialler->setup.loop.now_ns;
	dialler->dial = dial_new(&dialler->setup.loop, dialler->resolver, dialler_hook, dialler);
	ck_assert_ptr_nonnull(dialler->dial);
	dial_start(dialler->dial);
}

/* Dials until it is over. Returns how long that took. */
static uint64_t dialler_run(struct dialler *dialler)
{
	dialler_start(dialler);
	loop_case_until(&dialler->setup, dialler->dial == NULL);
	loop_clock(&dialler->setup.loop);
	return dialler->setup.loop.now_ns - dialler->start_ns;
}

/* It was told this, in this order; after a connect the other end of fd is the listener's. */
static void dialler_expect(struct dialler *dialler, const char *told, const char *why)
{
	ck_assert_str_eq(dialler->told, told);
	ck_assert_str_eq(dialler->why, why);
	if (told[strlen(told) - 1] != 'C') {
		ck_assert_int_eq(dialler->fd, -1);
		return;
	}
	ck_assert_int_ge(dialler->fd, 0);
	ck_assert_int_eq(send(dialler->fd, "x", 1, MSG_NOSIGNAL), 1);
	close(dialler->fd);
}

/* --- servers --- */

static int server_fd;
static char server_port[8], server_url[256];

/* Binds to an address; the server has the same port wherever it is. */
static int server_bind(const char *text, unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(inet_pton(AF_INET, text, &address.sin_addr), 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	snprintf(server_port, sizeof server_port, "%u", (unsigned)ntohs(address.sin_port));
	return fd;
}

static unsigned server_port_number(void)
{
	return (unsigned)strtoul(server_port, NULL, 10);
}

static const char *server_at(const char *host)
{
	snprintf(server_url, sizeof server_url, "tcp://%s:%s", host, server_port);
	return server_url;
}

static void server_listen(void)
{
	ck_assert_int_eq(listen(server_fd, 16), 0);
}

/* From now on it answers nobody: the kernel drops what comes when the backlog is full. */
static int server_fill(int fd)
{
	struct sockaddr_in address;
	socklen_t size = sizeof address;
	int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(listen(fd, 0), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	ck_assert_int_eq(connect(first, (struct sockaddr *)&address, size), 0);
	return first;
}

/* --- literal addresses --- */

START_TEST(test_connected)
{
	struct dialler dialler;

	server_fd = server_bind("127.0.0.1", 0);
	server_listen();
	dialler_open(&dialler, server_at("127.0.0.1"), "10s");
	ck_assert_uint_lt(dialler_run(&dialler), 10000 * MS);
	dialler_expect(&dialler, "C", "");
	dialler_close(&dialler);
	close(server_fd);
}
END_TEST

/*
 * Who is near has answered at once, which is known without a wake-up; who is not yet there is
 * waited for; whose answer is no, or cannot be known, has failed as if the loop had told.
 */
START_TEST(test_asked_again)
{
	static const int errors[] = {EALREADY, EHOSTUNREACH, EACCES};
	static const char *const told[] = {"C", "WC", "F"};
	struct dialler dialler;

	server_fd = server_bind("127.0.0.1", 0);
	server_listen();
	dialler_open(&dialler, server_at("127.0.0.1"), "10s");
	connect_again = errors[_i];
	connect_calls = 0;
	dialler_start(&dialler);
	connect_again = 0;
	ck_assert_uint_eq(connect_calls, 2);
	ck_assert_int_eq(dialler.told[0], _i == 0 ? '\0' : told[_i][0]);
	loop_case_until(&dialler.setup, dialler.dial == NULL);
	dialler_expect(&dialler, told[_i], _i == 2 ? strerror(EACCES) : "");
	dialler_close(&dialler);
	close(server_fd);
}
END_TEST

/* Not there at first: it waits, and comes through when the server has begun to listen. */
START_TEST(test_server_that_comes_later)
{
	struct dialler dialler;

	server_fd = server_bind("127.0.0.1", 0);
	dialler_open(&dialler, server_at("127.0.0.1"), "10s");
	dialler.on_wait = server_listen;
	(void)dialler_run(&dialler);
	dialler_expect(&dialler, "WC", "");
	dialler_close(&dialler);
	close(server_fd);
}
END_TEST

static struct sockaddr_un path = {.sun_family = AF_UNIX};

static void path_bind(void)
{
	server_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(server_fd, (struct sockaddr *)&path, sizeof path), 0);
	ck_assert_int_eq(listen(server_fd, 16), 0);
}

START_TEST(test_path_that_comes_later)
{
	char folder[] = "/tmp/sidespan_test_XXXXXX", url[256];
	struct dialler dialler;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path.sun_path, sizeof path.sun_path, "%s/s", folder);
	snprintf(url, sizeof url, "unix://%s", path.sun_path);
	dialler_open(&dialler, url, "10s");
	dialler.on_wait = path_bind;
	(void)dialler_run(&dialler);
	dialler_expect(&dialler, "WC", "");
	dialler_start(&dialler); /* a path is there, or not, at once */
	dialler_expect(&dialler, "C", "");
	close(server_fd); /* it is gone, its path is not */
	dialler.on_wait = NULL;
	dialler_start(&dialler);
	ck_assert_str_eq(dialler.told, "W");
	ck_assert_str_eq(dialler.why, "Connection refused");
	dial_cancel(dialler.dial);
	dialler_close(&dialler);
	unlink(path.sun_path);
	rmdir(folder);
}
END_TEST

/* It tries for all of connect.timeout, with pauses, and not longer. */
START_TEST(test_server_that_never_comes)
{
	struct dialler dialler;
	uint64_t took_ns;

	server_fd = server_bind("127.0.0.1", 0);
	dialler_open(&dialler, server_at("127.0.0.1"), "300ms");
	took_ns = dialler_run(&dialler);
	ck_assert_uint_ge(took_ns + EARLY, 300 * MS);
	ck_assert_uint_lt(took_ns, 5000 * MS);
	dialler_expect(&dialler, "WF", "Connection refused");
	dialler_close(&dialler);
	close(server_fd);
}
END_TEST

/* What waiting does not help fails at once. */
START_TEST(test_no_hope)
{
	struct dialler dialler;

	dialler_open(&dialler, "unix:///dev/null/s", "10s");
	dialler_start(&dialler);
	ck_assert_ptr_null(dialler.dial);
	dialler_expect(&dialler, "F", "Not a directory");
	dialler_close(&dialler);
}
END_TEST

START_TEST(test_server_that_does_not_answer)
{
	struct dialler dialler;
	uint64_t took_ns;
	int first;

	server_fd = server_bind("127.0.0.1", 0);
	first = server_fill(server_fd);
	dialler_open(&dialler, server_at("127.0.0.1"), "200ms");
	took_ns = dialler_run(&dialler);
	ck_assert_uint_ge(took_ns + EARLY, 200 * MS);
	ck_assert_uint_lt(took_ns, 5000 * MS);
	dialler_expect(&dialler, "F", "Connection timed out");
	dialler_close(&dialler);
	close(first);
	close(server_fd);
}
END_TEST

/* --- names --- */

/* Nobody is at the first address: the second is tried at once, and is the first from then on. */
START_TEST(test_second_address)
{
	struct address list[ADDRESS_LIST_MAX];
	char text[ADDRESS_TEXT_MAX];
	struct dialler dialler;

	server_fd = server_bind("127.0.0.1", 0);
	server_listen();
	names_case_add("127.0.0.2", "127.0.0.1");
	dialler_open(&dialler, server_at("server.test"), "10s");
	(void)dialler_run(&dialler);
	dialler_expect(&dialler, "C", "");
	ck_assert_uint_eq(resolver_known(dialler.resolver, list), 2);
	ck_assert_int_eq(strncmp(address_text(&list[0], text), "127.0.0.1:", 10), 0);
	(void)dialler_run(&dialler);
	dialler_expect(&dialler, "C", "");
	ck_assert_int_eq(names_case.asked, 1);
	dialler_close(&dialler);
	close(server_fd);
}
END_TEST

/* The first address does not answer: it has its share of the time, and only once. */
START_TEST(test_second_address_in_time)
{
	int silent, first;
	struct dialler dialler;
	uint64_t took_ns;

	server_fd = server_bind("127.0.0.1", 0);
	server_listen();
	silent = server_bind("127.0.0.2", server_port_number());
	first = server_fill(silent);
	names_case_add("127.0.0.2", "127.0.0.1");
	dialler_open(&dialler, server_at("server.test"), "1s");
	took_ns = dialler_run(&dialler);
	ck_assert_uint_ge(took_ns + EARLY, 450 * MS);
	ck_assert_uint_lt(took_ns, 1000 * MS);
	dialler_expect(&dialler, "C", "");
	ck_assert_uint_lt(dialler_run(&dialler), 400 * MS);
	dialler_expect(&dialler, "C", "");
	dialler_close(&dialler);
	close(first);
	close(silent);
	close(server_fd);
}
END_TEST

/* Nobody is where the name led: it is looked up again, and leads elsewhere. */
START_TEST(test_name_that_moves)
{
	struct dialler dialler;

	server_fd = server_bind("127.0.0.1", 0);
	server_listen();
	names_case_add("127.0.0.2", NULL);
	names_case_add("127.0.0.1", NULL);
	dialler_open(&dialler, server_at("server.test"), "10s");
	(void)dialler_run(&dialler);
	dialler_expect(&dialler, "WC", "");
	ck_assert_int_eq(names_case.asked, 2);
	dialler_close(&dialler);
	close(server_fd);
}
END_TEST

START_TEST(test_name_that_comes_later)
{
	struct dialler dialler;

	server_fd = server_bind("127.0.0.1", 0);
	server_listen();
	names_case_add(NULL, NULL);
	names_case_add(NULL, NULL);
	names_case_add("127.0.0.1", NULL);
	dialler_open(&dialler, server_at("server.test"), "10s");
	(void)dialler_run(&dialler);
	dialler_expect(&dialler, "WC", "");
	ck_assert_int_eq(names_case.asked, 3);
	dialler_close(&dialler);
	close(server_fd);
}
END_TEST

START_TEST(test_name_that_never_comes)
{
	struct dialler dialler;

	names_case_add(NULL, NULL);
	dialler_open(&dialler, "tcp://server.test:7", "100ms");
	ck_assert_uint_ge(dialler_run(&dialler) + EARLY, 100 * MS);
	dialler_expect(&dialler, "WF", "server.test: Name or service not known");
	ck_assert_int_ge(names_case.asked, 2);
	ck_assert_int_le(names_case.asked, 10); /* the pauses grow */
	dialler_close(&dialler);
}
END_TEST

/* With several addresses the reason says which one it was: any, as time may end at each. */
START_TEST(test_all_addresses_refuse)
{
	struct dialler dialler;
	char why[2][64];
	int i;

	server_fd = server_bind("127.0.0.1", 0);
	names_case_add("127.0.0.2", "127.0.0.1");
	dialler_open(&dialler, server_at("server.test"), "300ms");
	(void)dialler_run(&dialler);
	for (i = 0; i < 2; i++)
		snprintf(why[i], sizeof why[i], "127.0.0.%d:%s: Connection refused", i + 1,
			server_port);
	dialler_expect(&dialler, "WF", why[strcmp(dialler.why, why[0]) != 0]);
	dialler_close(&dialler);
	close(server_fd);
}
END_TEST

START_TEST(test_look_up_that_hangs)
{
	size_t threads = loop_case_threads();
	struct dialler dialler;

	names_case_block();
	dialler_open(&dialler, "tcp://server.test:7", "100ms");
	ck_assert_uint_ge(dialler_run(&dialler) + EARLY, 100 * MS);
	dialler_expect(&dialler, "F", "its name is still being looked up");
	names_case_release();
	dialler_close(&dialler);
	while (loop_case_count("/proc/self/task") > threads)
		;
}
END_TEST

/* --- giving up --- */

/* In whatever it is doing: nobody is told, nothing stays open. */
START_TEST(test_cancel)
{
	struct dialler dialler;
	size_t descriptors;
	int first;

	server_fd = server_bind("127.0.0.1", 0);
	dialler_open(&dialler, server_at("127.0.0.1"), "10s");
	descriptors = loop_case_count("/proc/self/fd");
	dialler_start(&dialler);
	loop_case_until(&dialler.setup, dialler.told[0] == 'W'); /* it pauses */
	dial_cancel(dialler.dial);
	first = server_fill(server_fd);
	dialler_start(&dialler); /* it connects */
	ck_assert_uint_eq(loop_case_count("/proc/self/fd"), descriptors + 2);
	dial_cancel(dialler.dial);
	dial_cancel(NULL);
	loop_case_turn(&dialler.setup);
	ck_assert_uint_eq(loop_case_count("/proc/self/fd"), descriptors + 1);
	ck_assert_str_eq(dialler.told, "");
	ck_assert(TAILQ_EMPTY(&dialler.setup.loop.gone));
	dialler_close(&dialler);
	close(first);
	close(server_fd);
}
END_TEST

START_TEST(test_cancel_a_look_up)
{
	struct dialler dialler;

	names_case_add("127.0.0.1", NULL);
	dialler_open(&dialler, "tcp://server.test:7", "10s");
	dialler_start(&dialler);
	dial_cancel(dialler.dial);
	loop_case_turn(&dialler.setup);
	ck_assert_str_eq(dialler.told, "");
	ck_assert_int_eq(names_case.asked, 0); /* nobody was left who wanted to know */
	dialler_close(&dialler);
}
END_TEST

/* A timer that cannot be had is a failure, not a wait for ever. */
START_TEST(test_out_of_memory)
{
	struct dialler dialler;
	long n;

	server_fd = server_bind("127.0.0.1", 0);
	server_listen();
	dialler_open(&dialler, server_at("127.0.0.1"), "10s");
	for (n = 0;; n++) {
		memset(dialler.told, 0, sizeof dialler.told);
		unit_alloc_fail_after(n);
		dialler.dial =
			dial_new(&dialler.setup.loop, dialler.resolver, dialler_hook, &dialler);
		if (dialler.dial != NULL) {
			dial_start(dialler.dial);
			loop_case_until(&dialler.setup, dialler.dial == NULL);
		}
		unit_alloc_fail_never();
		if (!unit_alloc_failed())
			break;
		if (dialler.told[0] != '\0')
			dialler_expect(&dialler, "F", "Cannot allocate memory");
		dialler_close(&dialler); /* with what its loop has grown by */
		dialler_open(&dialler, server_at("127.0.0.1"), "10s");
	}
	dialler_expect(&dialler, "C", "");
	ck_assert_int_gt(n, 0);
	dialler_close(&dialler);
	close(server_fd);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("dial");

	tcase_add_test(tc, test_connected);
	tcase_add_loop_test(tc, test_asked_again, 0, 3);
	tcase_add_test(tc, test_server_that_comes_later);
	tcase_add_test(tc, test_path_that_comes_later);
	tcase_add_test(tc, test_server_that_never_comes);
	tcase_add_test(tc, test_no_hope);
	tcase_add_test(tc, test_server_that_does_not_answer);
	tcase_add_test(tc, test_second_address);
	tcase_add_test(tc, test_second_address_in_time);
	tcase_add_test(tc, test_name_that_moves);
	tcase_add_test(tc, test_name_that_comes_later);
	tcase_add_test(tc, test_name_that_never_comes);
	tcase_add_test(tc, test_all_addresses_refuse);
	tcase_add_test(tc, test_look_up_that_hangs);
	tcase_add_test(tc, test_cancel);
	tcase_add_test(tc, test_cancel_a_look_up);
	tcase_add_test(tc, test_out_of_memory);
	return unit_run("dial", tc);
}

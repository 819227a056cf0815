/*
 * Listeners over real sockets: how many clients at once, from where, by which protocol, and what
 * becomes of those beyond.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/side/side.h"
#include "proxy/endpoint/child.h"
#include "proxy/listener.h"
#include "proxy/resolver.h"
#include "proxy/session.h"
#include "proxy/sources.h"
#include "proxy/stream/tls_context.h"
#include "tests/unit/loop_case.h"
#include "tests/unit/tls_files.h"
#include "tests/unit/unit.h"

enum { CLIENTS_MAX = 8, FILES_RESERVE = 12 };

/* What accept4() says before it does what it is for: errors, as long as there are some. */
static const int *accept_errors; /* ends with 0 */
static size_t accept_calls;

int accept4(int fd, struct sockaddr *name, socklen_t *size, int flags)
{
	int (*real)(int, struct sockaddr *, socklen_t *, int);

	accept_calls++;
	if (accept_errors != NULL && *accept_errors != 0) {
		errno = *accept_errors++;
		return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "accept4");
	return real(fd, name, size, flags);
}

/* A listener in front of a server that is not there, which sessions wait for. */
struct stage {
	struct loop_case setup;
	struct route route;
	struct listener *listener;
	unsigned port;
	int clients[CLIENTS_MAX];
	size_t client_count;
};

static void stage_on_change(void *arg)
{
	struct stage *stage = arg;

	listener_resume(stage->listener);
}

static void stage_on_reaped(void *arg, const struct session *session)
{
	(void)session;
	stage_on_change(arg);
}

static void stage_listen(struct stage *stage)
{
	char error[256] = "", text[512];

	stage->listener = listener_new(&stage->setup.loop, &stage->route, error, sizeof error);
	ck_assert_msg(stage->listener != NULL, "%s", error);
	listener_describe(stage->listener, text, sizeof text);
	if (strrchr(text, ':') != NULL)
		stage->port = (unsigned)strtoul(strrchr(text, ':') + 1, NULL, 10);
}

static void stage_open(struct stage *stage, const char *url, const char *const *more)
{
	char listen_flag[128];
	const char *flags[8] = {listen_flag, "--upstream=unix:///nowhere", "--log-level=error"};
	size_t count = 3;

	memset(stage, 0, sizeof *stage);
	snprintf(listen_flag, sizeof listen_flag, "--listen=%s", url);
	while (more != NULL && *more != NULL)
		flags[count++] = *more++;
	loop_case_open(&stage->setup, flags);
	stage->setup.loop.ticked = stage_on_change;
	stage->setup.loop.ticked_arg = stage;
	stage->route = (struct route){
		.client_side = &side_line,
		.backend_side = &side_line,
		.transport = "tcp",
		.upstream = "unix:///nowhere",
		.resolver =
			resolver_new(&stage->setup.loop, &stage->setup.load.config->upstream_url),
		.reaped = stage_on_reaped,
		.reaped_arg = stage,
	};
	ck_assert_ptr_nonnull(stage->route.resolver);
	stage_listen(stage);
}

static void stage_close(struct stage *stage)
{
	listener_free(stage->listener);
	stage->listener = NULL;
	stage->route.reaped = NULL;
	stage->setup.loop.ticked = NULL;
	loop_case_close(&stage->setup);
	resolver_free(stage->route.resolver);
	while (stage->client_count > 0)
		close(stage->clients[--stage->client_count]);
}

static const struct loop_counters *stage_counters(const struct stage *stage)
{
	return &stage->setup.loop.counters;
}

/* Some turns: enough for all that can happen without waiting. */
static void stage_turn(struct stage *stage)
{
	int i;

	for (i = 0; i < 8; i++)
		(void)event_base_loop(stage->setup.loop.base, EVLOOP_NONBLOCK);
}

/* The oldest session. */
static struct session *stage_first(struct stage *stage)
{
	return (struct session *)TAILQ_FIRST(&stage->setup.loop.guests);
}

/* A client from one of our own addresses; -1 with errno when it is refused. */
static int stage_dial(struct stage *stage, const char *from)
{
	struct sockaddr_in name = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(inet_pton(AF_INET, from, &name.sin_addr), 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
	name.sin_port = htons((uint16_t)stage->port);
	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_uint_lt(stage->client_count, CLIENTS_MAX);
	if (connect(fd, (struct sockaddr *)&name, sizeof name) != 0) {
		close(fd);
		return -1;
	}
	stage->clients[stage->client_count++] = fd;
	return fd;
}

static void stage_expect_end(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

	ck_assert(n == 0 || (n < 0 && errno == ECONNRESET));
}

/* --- how many --- */

/* No more than connections.max; one that ends makes room for one that waits. */
START_TEST(test_connections_max)
{
	static const char *const flags[] = {"--connections-max=2", NULL};
	struct stage stage;
	int first, i;

	unit_hear_stderr();
	stage_open(&stage, "tcp://127.0.0.1:0", flags);
	first = stage_dial(&stage, "127.0.0.1");
	for (i = 0; i < 3; i++)
		ck_assert_int_ge(stage_dial(&stage, "127.0.0.1"), 0);
	stage_turn(&stage);
	ck_assert_uint_eq(stage.setup.loop.guest_count, 2);
	ck_assert_uint_eq(stage_counters(&stage)->connections, 2);
	ck_assert_uint_eq(stage_counters(&stage)->accept_pauses, 1);
	ck_assert_int_eq(shutdown(first, SHUT_RDWR), 0);
	session_close(stage_first(&stage), PAIR_CLIENT_GONE);
	stage_turn(&stage);
	ck_assert_uint_eq(stage.setup.loop.guest_count, 2);
	ck_assert_uint_eq(stage_counters(&stage)->connections, 3);
	ck_assert_uint_eq(stage_counters(&stage)->accept_pauses, 2);
	ck_assert_int_eq(
		unit_said("accepting pauses: connections.max is reached (2 connections)\n"), 2);
	stage_close(&stage);
}
END_TEST

/* Two descriptors for each connection, three with a command, and those that others need. */
START_TEST(test_descriptors)
{
	static char word[] = "cat", *const command[] = {word, NULL};
	size_t each = _i % 2 == 0 ? 2 : 3, spare = _i < 2 ? 0 : each - 1;
	struct rlimit limit, before;
	struct stage stage;
	int i;

	unit_hear_stderr();
	stage_open(&stage, "tcp://127.0.0.1:0", NULL);
	listener_free(stage.listener);
	stage.route.command = _i % 2 == 0 ? NULL : command;
	stage.setup.loop.children = children_new(stage.setup.loop.base,
		&(struct child_settings){.grace_ms = 100, .environment = environ}, NULL, NULL);
	ck_assert_ptr_nonnull(stage.setup.loop.children);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = loop_case_count("/proc/self/fd") + 1 + FILES_RESERVE + 3 * each + spare;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	stage_listen(&stage);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (i = 0; i < 5; i++)
		ck_assert_int_ge(stage_dial(&stage, "127.0.0.1"), 0);
	stage_turn(&stage);
	ck_assert_uint_eq(stage.setup.loop.guest_count, 3);
	ck_assert_uint_eq(stage_counters(&stage)->accept_pauses, 1);
	ck_assert_int_eq(unit_said("accepting pauses: the limit of open files allows no more (3 "
				   "connections)\n"),
		1);
	while (!TAILQ_EMPTY(&stage.setup.loop.guests))
		session_close(stage_first(&stage), PAIR_CLIENT_GONE);
	children_free(stage.setup.loop.children);
	stage.setup.loop.children = NULL;
	stage.route.command = NULL;
	stage_close(&stage);
}
END_TEST

/* Who has gone already, or a signal, does not keep others waiting; a shortage does, and is told. */
static const struct {
	int errors[2];
	unsigned accepted, pauses;
} accepts[] = {
	{{0}, 1, 0},
	{{ECONNABORTED, 0}, 0, 0},
	{{EINTR, 0}, 0, 0},
	{{EAGAIN, 0}, 0, 0},
	{{EPERM, 0}, 0, 0}, /* of a firewall */
	{{ENFILE, 0}, 0, 1},
	{{EMFILE, 0}, 0, 1},
	{{ENOMEM, 0}, 0, 1},
	{{ENOBUFS, 0}, 0, 1},
};

START_TEST(test_accept_errors)
{
	struct stage stage;

	stage_open(&stage, "tcp://127.0.0.1:0", NULL);
	ck_assert_int_ge(stage_dial(&stage, "127.0.0.1"), 0);
	accept_errors = accepts[_i].errors;
	accept_calls = 0;
	stage.setup.loop.now_ns = 0;
	(void)event_base_loop(stage.setup.loop.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	accept_errors = NULL;
	ck_assert_uint_eq(accept_calls, 1);
	ck_assert_uint_eq(stage_counters(&stage)->connections, accepts[_i].accepted);
	ck_assert_uint_eq(stage_counters(&stage)->accept_pauses, accepts[_i].pauses);
	if (accepts[_i].accepted > 0)
		ck_assert_uint_gt(stage.setup.loop.now_ns, 0); /* the clock was looked at */
	loop_case_until(&stage.setup, stage_counters(&stage)->connections == 1);
	stage_close(&stage);
}
END_TEST

/* Started without stdin, a client may well have its descriptor. */
START_TEST(test_accept_first_descriptor)
{
	struct stage stage;

	stage_open(&stage, "tcp://127.0.0.1:0", NULL);
	ck_assert_int_ge(stage_dial(&stage, "127.0.0.1"), 0);
	close(STDIN_FILENO);
	stage_turn(&stage);
	ck_assert_uint_eq(stage_counters(&stage)->connections, 1);
	ck_assert_int_eq(stage_first(&stage)->pair.client.read_fd, STDIN_FILENO);
	stage_close(&stage);
	ck_assert_int_eq(open("/dev/null", O_RDWR), STDIN_FILENO);
}
END_TEST

/* However many there are, others have their turn after each; nobody is asked for who is not there.
 */
START_TEST(test_accept_one_by_one)
{
	struct stage stage;
	unsigned i;

	stage_open(&stage, "tcp://127.0.0.1:0", NULL);
	for (i = 0; i < 3; i++)
		ck_assert_int_ge(stage_dial(&stage, "127.0.0.1"), 0);
	accept_calls = 0;
	for (i = 1; i <= 3; i++) {
		(void)event_base_loop(stage.setup.loop.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
		ck_assert_uint_eq(stage_counters(&stage)->connections, i);
	}
	stage_turn(&stage);
	ck_assert_uint_eq(accept_calls, 3);
	stage_close(&stage);
}
END_TEST

/* Without a descriptor for a client accepting pauses, with why, until there is one. */
START_TEST(test_pause_without_descriptors)
{
	struct rlimit limit, before;
	struct stage stage;
	char said[128];

	unit_hear_stderr();
	stage_open(&stage, "tcp://127.0.0.1:0", NULL);
	ck_assert_int_ge(stage_dial(&stage, "127.0.0.1"), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)dup(0); /* the next one */
	ck_assert_int_eq(close((int)limit.rlim_cur), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	stage_turn(&stage);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_uint_eq(stage_counters(&stage)->connections, 0);
	ck_assert_uint_eq(stage_counters(&stage)->accept_pauses, 1);
	snprintf(said, sizeof said, "warn: accepting pauses: %s (0 connections)\n",
		strerror(EMFILE));
	ck_assert_int_eq(unit_said(said), 1);
	loop_case_until(&stage.setup, stage_counters(&stage)->connections == 1);
	ck_assert_uint_eq(stage_counters(&stage)->accept_pauses, 1);
	stage_close(&stage);
}
END_TEST

/* No memory for anything: accepting has paused, and goes on when there is room. */
START_TEST(test_pause_without_memory)
{
	static const char *const flags[] = {"--connections-max=1", NULL};
	struct stage stage;

	stage_open(&stage, "tcp://127.0.0.1:0", flags);
	ck_assert_int_ge(stage_dial(&stage, "127.0.0.1"), 0);
	stage_turn(&stage);
	ck_assert_int_ge(stage_dial(&stage, "127.0.0.1"), 0);
	unit_alloc_fail_after(0);
	stage_turn(&stage);
	session_close(stage_first(&stage), PAIR_CLIENT_GONE);
	(void)event_base_loop(stage.setup.loop.base, EVLOOP_NONBLOCK);
	unit_alloc_fail_never();
	ck_assert_uint_eq(stage_counters(&stage)->accept_pauses, 1);
	stage_turn(&stage);
	ck_assert_uint_eq(
		stage_counters(&stage)->connections + stage_counters(&stage)->connections_refused,
		2);
	ck_assert_int_ge(stage_dial(&stage, "127.0.0.1"), 0);
	loop_case_until(&stage.setup, stage_counters(&stage)->connections == 2);
	stage_close(&stage);
}
END_TEST

/* --- from where --- */

/* So many of each address; the others do not suffer, and who leaves makes room. */
START_TEST(test_max_per_source)
{
	static const char *const flags[] = {"--connections-max-per-source=2", NULL};
	struct stage stage;
	int i, refused;

	stage_open(&stage, "tcp://127.0.0.1:0", flags);
	for (i = 0; i < 2; i++)
		ck_assert_int_ge(stage_dial(&stage, "127.0.0.1"), 0);
	stage_turn(&stage);
	refused = stage_dial(&stage, "127.0.0.1");
	stage_turn(&stage);
	stage_expect_end(refused);
	ck_assert_uint_eq(stage_counters(&stage)->connections_over_source, 1);
	for (i = 0; i < 2; i++)
		ck_assert_int_ge(stage_dial(&stage, "127.0.0.2"), 0);
	stage_turn(&stage);
	ck_assert_uint_eq(stage.setup.loop.guest_count, 4);
	ck_assert_uint_eq(stage_counters(&stage)->connections_over_source, 1);
	session_close(stage_first(&stage), PAIR_CLIENT_GONE);
	ck_assert_int_ge(stage_dial(&stage, "127.0.0.1"), 0);
	stage_turn(&stage);
	ck_assert_uint_eq(stage.setup.loop.guest_count, 4);
	ck_assert_uint_eq(stage_counters(&stage)->connections_over_source, 1);
	stage_close(&stage);
}
END_TEST

/* A user of a Unix socket is a source, whichever of his processes it is. */
START_TEST(test_max_per_user)
{
	static const char *const flags[] = {"--connections-max-per-source=1", NULL};
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	char folder[] = "/tmp/sidespan_test_XXXXXX", url[128];
	struct stage stage;
	int fds[2], i;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path.sun_path, sizeof path.sun_path, "%s/s", folder);
	snprintf(url, sizeof url, "unix://%s", path.sun_path);
	stage_open(&stage, url, flags);
	for (i = 0; i < 2; i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(connect(fds[i], (struct sockaddr *)&path, sizeof path), 0);
		stage_turn(&stage);
	}
	stage_expect_end(fds[1]);
	ck_assert_uint_eq(stage.setup.loop.guest_count, 1);
	ck_assert_uint_eq(stage_counters(&stage)->connections_over_source, 1);
	stage_close(&stage);
	close(fds[0]);
	close(fds[1]);
	rmdir(folder);
}
END_TEST

/* A source that cannot be counted is refused, as is a session that cannot be made. */
START_TEST(test_source_without_memory)
{
	static const char *const flags[] = {"--connections-max-per-source=1", NULL};
	struct stage stage;
	int fd;

	stage_open(&stage, "tcp://127.0.0.1:0", flags);
	fd = stage_dial(&stage, "127.0.0.1");
	unit_alloc_fail_after(_i);
	stage_turn(&stage);
	unit_alloc_fail_never();
	stage_expect_end(fd);
	ck_assert_uint_eq(stage_counters(&stage)->connections_refused, 1);
	ck_assert_uint_eq(stage_counters(&stage)->connections_over_source, 0);
	ck_assert_int_ge(stage_dial(&stage, "127.0.0.1"), 0);
	stage_turn(&stage);
	ck_assert_uint_eq(stage.setup.loop.guest_count, 1); /* what was refused does not count */
	stage_close(&stage);
}
END_TEST

/* --- how sources are told apart --- */

static const struct {
	int family;
	const char *one, *other;
	bool same;
	const char *text; /* of one */
} source_rows[] = {
	{AF_INET, "127.0.0.1", "127.0.0.1", true, "127.0.0.1"},
	{AF_INET, "127.0.0.1", "127.0.0.2", false, "127.0.0.1"},
	{AF_INET, "127.1.0.1", "127.0.0.1", false, "127.1.0.1"},
	{AF_INET6, "::1", "::1", true, "::/64"},
};

/* The accepted end of a connection from that address to us. */
static int source_accepted(int family, const char *from, int *client)
{
	struct sockaddr_storage name = {.ss_family = (sa_family_t)family};
	struct sockaddr_in *in = (struct sockaddr_in *)&name;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&name;
	socklen_t size = family == AF_INET ? sizeof *in : sizeof *in6;
	int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted;

	if (listener < 0)
		return -1;
	if (family == AF_INET)
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		in6->sin6_addr = in6addr_loopback;
	if (bind(listener, (struct sockaddr *)&name, size) != 0) {
		close(listener);
		return -1; /* no IPv6 here */
	}
	ck_assert_int_eq(listen(listener, 1), 0);
	*client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	name = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
	ck_assert_int_eq(
		inet_pton(family, from,
			family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr),
		1);
	ck_assert_int_eq(bind(*client, (struct sockaddr *)&name, size), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&name, &size), 0);
	ck_assert_int_eq(connect(*client, (struct sockaddr *)&name, size), 0);
	accepted = accept(listener, NULL, NULL);
	ck_assert_int_ge(accepted, 0);
	close(listener);
	return accepted;
}

START_TEST(test_sources)
{
	int clients[2] = {-1, -1}, one, other, family = source_rows[_i].family;
	struct sources *sources = sources_new(1);
	struct source *first, *second;
	char text[SOURCES_TEXT_MAX];

	one = source_accepted(family, source_rows[_i].one, &clients[0]);
	if (one < 0) {
		sources_free(sources);
		return;
	}
	other = source_accepted(family, source_rows[_i].other, &clients[1]);
	ck_assert_str_eq(sources_text(one, text), source_rows[_i].text);
	first = sources_enter(sources, one);
	ck_assert_ptr_nonnull(first);
	second = sources_enter(sources, other);
	ck_assert_int_eq(second == NULL, source_rows[_i].same);
	if (second == NULL)
		ck_assert_int_eq(errno, EUSERS);
	else
		sources_leave(second);
	sources_leave(first);
	first = sources_enter(sources, one); /* it has been forgotten meanwhile */
	ck_assert_ptr_nonnull(first);
	sources_leave(first);
	sources_free(sources);
	close(one);
	close(other);
	close(clients[0]);
	close(clients[1]);
}
END_TEST

START_TEST(test_source_texts)
{
	char text[SOURCES_TEXT_MAX], expected[SOURCES_TEXT_MAX];
	int pair[2], pipes[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	snprintf(expected, sizeof expected, "uid %lu", (unsigned long)getuid());
	ck_assert_str_eq(sources_text(pair[0], text), expected);
	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_str_eq(sources_text(pipes[0], text), "?");
	close(pair[0]);
	close(pair[1]);
	close(pipes[0]);
	close(pipes[1]);
}
END_TEST

/* --- by which protocol --- */

/* A wildcard of IPv6 is one of IPv6 alone. */
START_TEST(test_ipv6_only)
{
	static const char *const flags[] = {"--allow-remote", NULL};
	int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct stage stage;

	if (probe < 0 || bind(probe, (struct sockaddr *)&name, sizeof name) != 0)
		return; /* no IPv6 here */
	close(probe);
	stage_open(&stage, "tcp://[::]:0", flags);
	ck_assert_int_eq(stage_dial(&stage, "127.0.0.1"), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	name.sin6_port = htons((uint16_t)stage.port);
	probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(probe, (struct sockaddr *)&name, sizeof name), 0);
	stage_turn(&stage);
	ck_assert_uint_eq(stage.setup.loop.guest_count, 1);
	close(probe);
	stage_close(&stage);
}
END_TEST

/* --- on a path --- */

static mode_t path_mode(const char *path)
{
	struct stat is;

	return lstat(path, &is) == 0 ? is.st_mode : 0;
}

/*
 * A socket's file is ours alone, and goes with the listener; unless another one has taken its
 * place.
 */
START_TEST(test_path)
{
	char folder[] = "/tmp/sidespan_listener_XXXXXX", path[64], url[96];
	struct stage stage;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/s", folder);
	snprintf(url, sizeof url, "unix://%s", path);
	stage_open(&stage, url, NULL);
	ck_assert_uint_eq(path_mode(path), S_IFSOCK | 0600);
	if (_i == 1) {
		ck_assert_int_eq(unlink(path), 0);
		ck_assert_int_eq(mkdir(path, 0700), 0);
	}
	stage_close(&stage);
	ck_assert_uint_eq(path_mode(path), _i == 1 ? S_IFDIR | 0700 : 0);
	ck_assert_int_eq(_i == 1 ? rmdir(path) : 0, 0);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* One that nobody listens at is taken over; one that is in use, or no socket, is not. */
START_TEST(test_path_in_use)
{
	char folder[] = "/tmp/sidespan_listener_XXXXXX", url[128], error[256] = "";
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stage stage;
	struct listener *listener;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(name.sun_path, sizeof name.sun_path, "%s/s", folder);
	snprintf(url, sizeof url, "unix://%s", name.sun_path);
	stage_open(&stage, url, NULL);
	ck_assert_int_eq(unlink(name.sun_path), 0);
	if (_i < 2)
		ck_assert_int_eq(bind(other, (struct sockaddr *)&name, sizeof name), 0);
	else
		ck_assert_int_eq(mkdir(name.sun_path, 0700), 0);
	if (_i == 1)
		ck_assert_int_eq(listen(other, 1), 0);
	listener = listener_new(&stage.setup.loop, &stage.route, error, sizeof error);
	ck_assert_int_eq(listener != NULL, _i == 0);
	if (_i > 0)
		ck_assert_ptr_nonnull(strstr(error, "Address already in use"));
	listener_free(listener);
	ck_assert_uint_eq(path_mode(name.sun_path) != 0, _i > 0);
	stage_close(&stage);
	close(other);
	ck_assert_int_eq(_i == 2 ? rmdir(name.sun_path) : _i == 1 ? unlink(name.sun_path) : 0, 0);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* The log says nothing. */
static void listener_setup(void)
{
	int silence = open("/dev/null", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(silence, 0);
	ck_assert_int_eq(dup2(silence, STDERR_FILENO), STDERR_FILENO);
	ck_assert_int_eq(close(silence), 0);
}

/* --- certificates --- */

/* A certificate that has changed is used, one that is broken is not: counted, and said. */
START_TEST(test_renewal)
{
	char folder[] = "/tmp/sidespan_listener_XXXXXX", own[64], key[64], error[256];
	struct tls_settings settings = {.is_server = true};
	struct stage stage;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(own, sizeof own, "%s/own.pem", folder);
	snprintf(key, sizeof key, "%s/own.key", folder);
	tls_files_write(own, key);
	settings.paths[CERTIFICATES_OWN] = own;
	settings.paths[CERTIFICATES_KEY] = key;
	unit_hear_stderr();
	stage_open(&stage, "tcp://127.0.0.1:0", NULL);
	stage.route.client_tls = tls_context_new(&settings, error, sizeof error);
	ck_assert_msg(stage.route.client_tls != NULL, "%s", error);
	listener_renew(stage.listener);
	ck_assert_uint_eq(stage_counters(&stage)->certificates_renewed, 0);
	ck_assert_int_eq(unit_said("certificate"), 0);
	tls_files_write(own, key);
	listener_renew(stage.listener);
	ck_assert_uint_eq(stage_counters(&stage)->certificates_renewed, 1);
	ck_assert_int_eq(unit_said("the certificate has changed and is used from now on"), 1);
	ck_assert_int_eq(truncate(own, 10), 0);
	listener_renew(stage.listener);
	listener_renew(stage.listener);
	ck_assert_uint_eq(stage_counters(&stage)->certificates_renewed, 1);
	ck_assert_int_eq(unit_said("the changed certificate is not used: "), 1);
	ck_assert_int_eq(unit_said("used from now on"), 1);
	tls_context_free(stage.route.client_tls);
	stage_close(&stage);
	ck_assert_int_eq(unlink(own) | unlink(key) | rmdir(folder), 0);
}
END_TEST

/* With a client its files are looked at, but not with every one. */
START_TEST(test_renewal_with_clients)
{
	char folder[] = "/tmp/sidespan_listener_XXXXXX", own[64], key[64], error[256];
	struct tls_settings settings = {.is_server = true};
	struct stage stage;
	uint64_t then_ns;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(own, sizeof own, "%s/own.pem", folder);
	snprintf(key, sizeof key, "%s/own.key", folder);
	tls_files_write(own, key);
	settings.paths[CERTIFICATES_OWN] = own;
	settings.paths[CERTIFICATES_KEY] = key;
	stage_open(&stage, "tcp://127.0.0.1:0", NULL);
	stage.route.client_tls = tls_context_new(&settings, error, sizeof error);
	ck_assert_msg(stage.route.client_tls != NULL, "%s", error);
	tls_files_write(own, key);
	ck_assert_int_ge(stage_dial(&stage, "127.0.0.1"), 0);
	stage_turn(&stage);
	ck_assert_uint_eq(stage_counters(&stage)->certificates_renewed, 1);
	then_ns = stage.setup.loop.now_ns;
	tls_files_write(own, key);
	ck_assert_int_ge(stage_dial(&stage, "127.0.0.1"), 0);
	stage_turn(&stage);
	ck_assert_uint_eq(stage_counters(&stage)->connections, 2);
	loop_clock(&stage.setup.loop);
	if (stage.setup.loop.now_ns - then_ns < 1000000000) /* else it was due */
		ck_assert_uint_eq(stage_counters(&stage)->certificates_renewed, 1);
	while (!TAILQ_EMPTY(&stage.setup.loop.guests))
		session_close(stage_first(&stage), PAIR_CLIENT_GONE);
	stage_turn(&stage);
	tls_context_free(stage.route.client_tls);
	stage_close(&stage);
	ck_assert_int_eq(unlink(own) | unlink(key) | rmdir(folder), 0);
}
END_TEST

/* Each allocation of it fails: there is no listener, and no descriptor of it either. */
START_TEST(test_new_without_memory)
{
	size_t files = 0;
	bool refused = true;
	struct stage stage;
	char error[256];
	long n;

	stage_open(&stage, "tcp://127.0.0.1:0", NULL);
	listener_free(stage.listener);
	files = loop_case_count("/proc/self/fd");
	for (n = 0; refused; n++) {
		ck_assert_int_lt(n, 100);
		unit_alloc_fail_once(n);
		stage.listener = listener_new(&stage.setup.loop, &stage.route, error, sizeof error);
		refused = unit_alloc_failed();
		unit_alloc_fail_never();
		ck_assert_int_eq(stage.listener == NULL, refused);
		if (!refused)
			continue;
		ck_assert_ptr_nonnull(strstr(error, "out of memory"));
		ck_assert_uint_eq(loop_case_count("/proc/self/fd"), files);
	}
	ck_assert_int_gt(n, 2);
	stage_close(&stage);
}
END_TEST

/* Small messages are not kept back, and a peer that is gone is found out. */
START_TEST(test_socket_options)
{
	static const int options[][2] = {{IPPROTO_TCP, TCP_NODELAY}, {SOL_SOCKET, SO_KEEPALIVE}};
	socklen_t size = sizeof(int);
	struct stage stage;
	int i, is = 0;

	stage_open(&stage, "tcp://127.0.0.1:0", NULL);
	ck_assert_int_ge(stage_dial(&stage, "127.0.0.1"), 0);
	stage_turn(&stage);
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(getsockopt(stage_first(&stage)->pair.client.read_fd, options[i][0],
					 options[i][1], &is, &size),
			0);
		ck_assert_int_eq(is, 1);
	}
	stage_close(&stage);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("listener");

	unit_fixture(listener_setup, NULL);

	tcase_add_loop_test(tc, test_path, 0, 2);
	tcase_add_loop_test(tc, test_path_in_use, 0, 3);
	tcase_add_test(tc, test_connections_max);
	tcase_add_loop_test(tc, test_descriptors, 0, 4);
	tcase_add_loop_test(tc, test_accept_errors, 0, sizeof accepts / sizeof accepts[0]);
	tcase_add_test(tc, test_accept_first_descriptor);
	tcase_add_test(tc, test_accept_one_by_one);
	tcase_add_test(tc, test_pause_without_descriptors);
	tcase_add_test(tc, test_pause_without_memory);
	tcase_add_test(tc, test_max_per_source);
	tcase_add_test(tc, test_max_per_user);
	tcase_add_loop_test(tc, test_source_without_memory, 0, 2);
	tcase_add_loop_test(tc, test_sources, 0, sizeof source_rows / sizeof source_rows[0]);
	tcase_add_test(tc, test_source_texts);
	tcase_add_test(tc, test_ipv6_only);
	tcase_add_test(tc, test_renewal);
	tcase_add_test(tc, test_renewal_with_clients);
	tcase_add_test(tc, test_new_without_memory);
	tcase_add_test(tc, test_socket_options);
	return unit_run("listener", tc);
}

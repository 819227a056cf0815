/*
 * The service manager: what it says in variables, which are taken away, and what it is told. Each
 * test is a process, as there is one manager.
 */
#include "proxy/service.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS",
	"LISTEN_PID", "LISTEN_FDNAMES"};

static int manager = -1; /* its socket */
static char path[64];    /* that, as in the variable */

/* The module keeps its descriptor for as long as the process lives, and so does the manager. */
static int open_before;

static void service_setup(void)
{
	size_t i;

	for (i = 0; i < sizeof names / sizeof *names; i++)
		ck_assert_int_eq(unsetenv(names[i]), 0);
	open_before = dup(STDERR_FILENO);
	ck_assert_int_ge(open_before, 0);
	ck_assert_int_eq(close(open_before), 0);
}

static void service_teardown(void)
{
	int fd;

	for (fd = open_before; fd < open_before + 4; fd++)
		(void)close(fd); /* what is open of these, the test has opened */
}

static void taken(void)
{
	size_t i;

	service_take();
	for (i = 0; i < sizeof names / sizeof *names; i++)
		ck_assert_ptr_null(getenv(names[i]));
}

/* Somebody who wants to hear: at a path, or at an abstract name. */
static void manager_open(bool is_path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};

	snprintf(path, sizeof path, "%ctmp/sidespan_service_%ld", is_path ? '/' : '@',
		(long)getpid());
	(void)unlink(path); /* of a process of that number that was killed */
	memcpy(name.sun_path, path, strlen(path));
	if (!is_path)
		name.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(
		bind(manager, (struct sockaddr *)&name,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))),
		0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, 1), 0);
}

/* What it has heard; "": nothing. */
static const char *heard(void)
{
	static char text[64];
	ssize_t n = recv(manager, text, sizeof text - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static const char *own_pid(void)
{
	static char text[32];

	snprintf(text, sizeof text, "%ld", (long)getpid());
	return text;
}

START_TEST(test_told)
{
	manager_open(_i == 0);
	taken();
	ck_assert_str_eq(heard(), "");
	service_tell_ready();
	ck_assert_str_eq(heard(), "READY=1");
	service_tell("STOPPING=1");
	ck_assert_str_eq(heard(), "STOPPING=1");
	ck_assert_int_eq(service_watchdog_ms(), 0);
	if (_i == 0)
		ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* Who does not listen, or cannot be named, is not told; who has no room is not waited for. */
START_TEST(test_not_told)
{
	static const char *const places[] = {"", "relative", "/nowhere/at/all", "@nobody/there"};
	char longer[200];
	int i;

	if (_i < 4) {
		ck_assert_int_eq(setenv("NOTIFY_SOCKET", places[_i], 1), 0);
	} else if (_i == 4) {
		memset(longer, '/', sizeof longer - 1);
		longer[sizeof longer - 1] = '\0';
		ck_assert_int_eq(setenv("NOTIFY_SOCKET", longer, 1), 0);
	} else {
		manager_open(false);
	}
	ck_assert_int_eq(setenv("WATCHDOG_USEC", "5000000", 1), 0);
	taken();
	ck_assert_int_eq(service_watchdog_ms(), _i < 5 ? 0 : 5000);
	for (i = 0; i < 10000; i++)
		service_tell("WATCHDOG=1");
	if (_i < 5)
		service_tell_ready();
}
END_TEST

static const struct {
	const char *usec, *pid; /* pid "": ours */
	int64_t ms;
} watchdogs[] = {
	{"3000000", NULL, 3000},
	{"3000999", "", 3000},
	{"3000000", "1", 0},
	{"0", NULL, 0},
	{"-5000", NULL, 0},
	{"x", NULL, 0},
	{NULL, "", 0},
};

START_TEST(test_watchdog)
{
	const char *pid = watchdogs[_i].pid;

	manager_open(false);
	if (watchdogs[_i].usec != NULL)
		ck_assert_int_eq(setenv("WATCHDOG_USEC", watchdogs[_i].usec, 1), 0);
	if (pid != NULL)
		ck_assert_int_eq(setenv("WATCHDOG_PID", *pid == '\0' ? own_pid() : pid, 1), 0);
	taken();
	ck_assert_int_eq(service_watchdog_ms(), watchdogs[_i].ms);
}
END_TEST

/* ---- sockets ---- */

/*
 * They are 3 and on, which the tests' runner has, too: so a process of their own looks, and its
 * status says in which line something was wrong.
 */
#define MUST(holds)                                                                                \
	do {                                                                                       \
		if (!(holds))                                                                      \
			_exit(__LINE__ % 255 + 1);                                                 \
	} while (0)

/* Becomes that descriptor; listens or not. */
static void socket_at(int at, bool listens)
{
	struct sockaddr_in name = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(bind(fd, (struct sockaddr *)&name, sizeof name) == 0);
	MUST(!listens || listen(fd, 1) == 0);
	MUST(fd == at || (dup2(fd, at) == at && close(fd) == 0));
}

static void take_in_child(void (*look)(int row), int row)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		look(row);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}

static const struct {
	const char *count, *pid; /* pid "": ours */
	bool listens[3];
	int fds[4]; /* that we get; 0: no more */
} given[] = {
	{"1", "", {true, true, true}, {3}},
	{"2", "", {true, true, true}, {3, 4}},
	{"3", "", {true, false, true}, {3, 5}},
	{"0", "", {true, true, true}, {0}},
	{"-1", "", {true, true, true}, {0}},
	{"3", "1", {true, true, true}, {0}},
	{"3", NULL, {true, true, true}, {0}},
	{"3", "x", {true, true, true}, {0}},
};

static void look_at_sockets(int row)
{
	const char *pid = given[row].pid;
	int fds[ADDRESS_LIST_MAX], i;
	size_t count;

	for (i = 0; i < 3; i++)
		socket_at(3 + i, given[row].listens[i]);
	MUST(setenv("LISTEN_FDS", given[row].count, 1) == 0);
	MUST(setenv("LISTEN_FDNAMES", "a:b:c", 1) == 0);
	MUST(pid == NULL || setenv("LISTEN_PID", *pid == '\0' ? own_pid() : pid, 1) == 0);
	service_take();
	MUST(getenv("LISTEN_FDS") == NULL && getenv("LISTEN_PID") == NULL);
	MUST(getenv("LISTEN_FDNAMES") == NULL);
	count = service_sockets(fds);
	for (i = 0; given[row].fds[i] != 0; i++) {
		MUST(count > (size_t)i);
		MUST(fds[i] == given[row].fds[i]);
		MUST((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0);
		MUST(fcntl(fds[i], F_GETFD) == FD_CLOEXEC);
	}
	MUST(count == (size_t)i);
	MUST(service_sockets(fds) == 0); /* they were given away */
}

START_TEST(test_sockets)
{
	take_in_child(look_at_sockets, _i);
}
END_TEST

/* More than a name has addresses are not taken. */
static void look_at_many(int row)
{
	int fds[ADDRESS_LIST_MAX], i;

	(void)row;
	for (i = 0; i < ADDRESS_LIST_MAX + 2; i++)
		socket_at(3 + i, true);
	MUST(setenv("LISTEN_FDS", "1000000", 1) == 0);
	MUST(setenv("LISTEN_PID", own_pid(), 1) == 0);
	service_take();
	MUST(service_sockets(fds) == ADDRESS_LIST_MAX);
	for (i = 0; i < ADDRESS_LIST_MAX; i++)
		MUST(fds[i] == 3 + i);
}

START_TEST(test_too_many_sockets)
{
	take_in_child(look_at_many, 0);
}
END_TEST

/* Nobody has started us so. */
START_TEST(test_nobody)
{
	int fds[ADDRESS_LIST_MAX];

	taken();
	service_tell_ready();
	service_tell("STOPPING=1");
	ck_assert_uint_eq(service_sockets(fds), 0);
	ck_assert_int_eq(service_watchdog_ms(), 0);
}
END_TEST

#define ROWS(list) ((int)(sizeof(list) / sizeof *(list)))

int main(void)
{
	TCase *tc = tcase_create("service");

	unit_fixture(service_setup, service_teardown);
	tcase_add_loop_test(tc, test_told, 0, 2);
	tcase_add_loop_test(tc, test_not_told, 0, 6);
	tcase_add_loop_test(tc, test_watchdog, 0, ROWS(watchdogs));
	tcase_add_loop_test(tc, test_sockets, 0, ROWS(given));
	tcase_add_test(tc, test_too_many_sockets);
	tcase_add_test(tc, test_nobody);
	return unit_run("service", tc);
}

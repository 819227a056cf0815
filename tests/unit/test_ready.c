/* Asking one that serves whether it is ready; it is a process of the test's. */
#include "proxy/doctor/ready.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/config_case.h"

#define ASKED "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

static char *asked; /* in memory that is also the child's */
static char place[128], answer[512];

static void ready_setup(void)
{
	asked = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(asked != MAP_FAILED);
}

static void ready_teardown(void)
{
	ck_assert_int_eq(munmap(asked, 4096), 0);
}

/* A socket that listens, at place. */
static int listening(bool is_path)
{
	struct sockaddr_in name = {.sin_family = AF_INET};
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	socklen_t size = sizeof name;
	int fd = socket(is_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	snprintf(path.sun_path, sizeof path.sun_path, "/tmp/sidespan_ready_%ld", (long)getpid());
	(void)unlink(path.sun_path); /* of a process of that number that was killed */
	if (is_path)
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&path, sizeof path), 0);
	else
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, size), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	if (is_path) {
		snprintf(place, sizeof place, "unix://%s", path.sun_path);
	} else {
		ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name, &size), 0);
		snprintf(place, sizeof place, "http://127.0.0.1:%u", ntohs(name.sin_port));
	}
	return fd;
}

static _Noreturn void serve(int listener, const char *first, const char *second)
{
	int fd = accept(listener, NULL, NULL);
	size_t used = 0;
	ssize_t n;

	while (used < sizeof ASKED - 1 && (n = read(fd, asked + used, 4095 - used)) > 0)
		used += (size_t)n;
	(void)!write(fd, first, strlen(first));
	(void)!write(fd, second, strlen(second));
	_exit(0);
}

static bool ask(const char *flag)
{
	static const char *const nothing[] = {NULL};
	const char *const flags[] = {"--upstream=tcp://h:1", flag, NULL};
	struct config_case load;
	bool ready;

	config_case_load(&load, flags, nothing);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	ready = ready_ask(load.config, answer, sizeof answer);
	config_case_done(&load);
	return ready;
}

#define FILL_8  "01234567"
#define FILL_64 FILL_8 FILL_8 FILL_8 FILL_8 FILL_8 FILL_8 FILL_8 FILL_8
#define FILL_1K                                                                                    \
	FILL_64 FILL_64 FILL_64 FILL_64 FILL_64 FILL_64 FILL_64 FILL_64 FILL_64 FILL_64 FILL_64    \
		FILL_64 FILL_64 FILL_64 FILL_64 FILL_64

static const struct {
	const char *first, *second;
	const char *answer; /* %s: the place */
	bool ready;
} rows[] = {
	{"HTTP/1.1 200 OK\r\nX: y\r\n\r\n", "ready\nmore", "probe: status 200: ready", true},
	{"HTTP/1.1 200 OK\r", "\n\r\n", "probe: status 200: ", true},
	{"HTTP/1.1 503 No\r\n\r\nnot yet\r\n", "", "probe: status 503: not yet", false},
	{"HTTP/1.1 201 OK\r\n\r\n", "", "probe: status 201: ", false},
	{"HTTP/1.0 200 OK\r\n\r\n", "", "probe: %s: its answer is not HTTP", false},
	{"HTTP/1.1 200 OK\r\n", "", "probe: %s: its answer is not HTTP", false},
	{"", "", "probe: %s: its answer is not HTTP", false},
	/* so much is read of it, and no more is wanted */
	{"HTTP/1.1 200 OK\r\n\r\nready\n" FILL_1K FILL_1K FILL_1K FILL_1K, "",
		"probe: status 200: ready", true},
	{"HTTP/1.1 200 OK\r\nX:" FILL_1K FILL_1K FILL_1K FILL_1K "\r\n\r\nready", "",
		"probe: %s: its answer is not HTTP", false},
};

START_TEST(test_answers)
{
	int listener = listening(_i % 2 == 1), status;
	char flag[256], expected[256];
	pid_t pid = fork();

	if (pid == 0)
		serve(listener, rows[_i].first, rows[_i].second);
	ck_assert_int_eq(close(listener), 0);
	snprintf(flag, sizeof flag, "--admin-listen=%s", place);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(expected, sizeof expected, rows[_i].answer, place);
#pragma GCC diagnostic pop
	ck_assert_int_eq(ask(flag), rows[_i].ready);
	ck_assert_str_eq(answer, expected);
	ck_assert_str_eq(asked, ASKED);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (_i % 2 == 1)
		ck_assert_int_eq(unlink(place + strlen("unix://")), 0);
}
END_TEST

START_TEST(test_nobody)
{
	char flag[256], expected[256];

	ck_assert_int_eq(close(listening(false)), 0);
	snprintf(flag, sizeof flag, "--admin-listen=%s", place);
	ck_assert(!ask(flag));
	snprintf(expected, sizeof expected, "probe: %s: Connection refused", place);
	ck_assert_str_eq(answer, expected);
	ck_assert(!ask("--admin-listen=unix:///nowhere/at/all"));
	ck_assert_str_eq(answer, "probe: unix:///nowhere/at/all: No such file or directory");
	ck_assert(!ask("--exporter=none"));
	ck_assert_str_eq(answer, "probe: admin.listen is not set, where there would be an answer");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ready");

	unit_fixture(ready_setup, ready_teardown);
	tcase_add_loop_test(tc, test_answers, 0, (int)(sizeof rows / sizeof *rows));
	tcase_add_test(tc, test_nobody);
	return unit_run("ready", tc);
}

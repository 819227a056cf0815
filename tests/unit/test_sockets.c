/*
 * Listening sockets: which addresses a name has, what they are called, who may be let in, and what
 * is said when there are none.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/url.h"
#include "proxy/sockets.h"
#include "tests/unit/names_case.h"
#include "tests/unit/unit.h"

static struct url url;
static struct sockets sockets;
static char error[256];

static void sockets_setup(void)
{
	memset(&names_case, 0, sizeof names_case);
}

static int open_at(const char *text, bool allow_remote)
{
	const char *reason;

	ck_assert_int_eq(url_parse(&url, text, &reason), 0);
	error[0] = '\0';
	return sockets_open(&sockets, &url, "listen", allow_remote, error, sizeof error);
}

static unsigned port_of(int fd)
{
	struct sockaddr_in name;
	socklen_t size = sizeof name;

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name, &size), 0);
	return ntohs(name.sin_port);
}

/* It takes connections, at that address and port; nothing that is started inherits it. */
static void listens(int fd, const char *address)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port_of(fd))};
	int on = 0, client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted;
	socklen_t size = sizeof on;

	ck_assert_int_eq(inet_pton(AF_INET, address, &name.sin_addr), 1);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&name, sizeof name), 0);
	accepted = accept(fd, NULL, NULL);
	ck_assert_int_ge(accepted, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, &size), 0);
	ck_assert_int_eq(on, 1); /* a new start is not kept waiting by the old one's connections */
	close(accepted);
	close(client);
}

/* All addresses of a name, with one port, which is told as it can be used. */
START_TEST(test_name)
{
	static const char *const paths[] = {"tcp://server.test:0", "ws://server.test:0/a/b"};
	char text[256], expected[256];
	unsigned port;

	names_case_add("127.0.0.2", "127.0.0.3");
	ck_assert_int_eq(open_at(paths[_i], false), 0);
	ck_assert_uint_eq(sockets.count, 2);
	port = port_of(sockets.fds[0]);
	ck_assert_uint_gt(port, 0);
	ck_assert_uint_eq(port_of(sockets.fds[1]), port);
	listens(sockets.fds[0], "127.0.0.2");
	listens(sockets.fds[1], "127.0.0.3");
	snprintf(expected, sizeof expected, "%s127.0.0.2:%u%s and %s127.0.0.3:%u%s",
		_i == 0 ? "tcp://" : "ws://", port, _i == 0 ? "" : "/a/b",
		_i == 0 ? "tcp://" : "ws://", port, _i == 0 ? "" : "/a/b");
	sockets_describe(&sockets, text, sizeof text);
	ck_assert_str_eq(text, expected);
	memset(text, '#', sizeof text);
	sockets_describe(&sockets, text, 20); /* cut, and terminated */
	expected[19] = '\0';
	ck_assert_str_eq(text, expected);
	ck_assert_int_eq(text[20], '#');
	sockets_close(&sockets);
	ck_assert_uint_eq(sockets.count, 0);
	sockets_describe(&sockets, text, sizeof text);
	ck_assert_str_eq(text, "");
}
END_TEST

/* A port that was given is the one of every address. */
START_TEST(test_port)
{
	char text[64], expected[128];
	unsigned port;
	int other;

	ck_assert_int_eq(open_at("tcp://127.0.0.1:0", false), 0);
	port = port_of(sockets.fds[0]);
	sockets_close(&sockets);
	snprintf(text, sizeof text, "tcp://server.test:%u", port);
	names_case_add("127.0.0.1", "127.0.0.2");
	ck_assert_int_eq(open_at(text, false), 0);
	ck_assert_uint_eq(port_of(sockets.fds[0]), port);
	ck_assert_uint_eq(port_of(sockets.fds[1]), port);
	other = sockets.fds[1];
	sockets.count = 1;
	sockets_close(&sockets);
	names_case.asked = 0;
	ck_assert_int_eq(open_at(text, false), -1); /* the second one is in use: none is open */
	snprintf(expected, sizeof expected, "listen: 127.0.0.2:%u: Address already in use", port);
	ck_assert_str_eq(error, expected);
	ck_assert_uint_eq(sockets.count, 0);
	sockets_setup(); /* of digits there are no names */
	snprintf(text, sizeof text, "tcp://127.0.0.1:%u", port);
	ck_assert_int_eq(open_at(text, false), 0);
	sockets_close(&sockets);
	close(other);
}
END_TEST

/* An address that is none of ours is passed over, wherever it stands, unless it is the only one. */
START_TEST(test_address_of_others)
{
	static const char *const addresses[][2] = {
		{"192.0.2.1", "127.0.0.1"}, {"127.0.0.1", "192.0.2.1"}, {"192.0.2.1", NULL}};

	names_case_add(addresses[_i][0], addresses[_i][1]);
	ck_assert_int_eq(open_at("tcp://server.test:0", true), _i < 2 ? 0 : -1);
	if (_i < 2) {
		ck_assert_uint_eq(sockets.count, 1);
		listens(sockets.fds[0], "127.0.0.1");
	} else {
		ck_assert_str_eq(error, "listen: 192.0.2.1:0: Cannot assign requested address");
	}
	sockets_close(&sockets);
}
END_TEST

/* Who could be reached from elsewhere needs leave, and all of its addresses do. */
START_TEST(test_remote)
{
	const char *text = _i == 0 ? "tcp://0.0.0.0:0" : "tcp://server.test:0";

	if (_i == 1)
		names_case_add("127.0.0.1", "0.0.0.0");
	ck_assert_int_eq(open_at(text, false), -1);
	ck_assert_str_eq(error,
		"listen: 0.0.0.0:0 is not a loopback address: anybody who can reach it could use "
		"the server; --allow-remote permits it");
	ck_assert_uint_eq(sockets.count, 0);
	sockets_setup();
	ck_assert_int_eq(open_at("tcp://0.0.0.0:0", true), 0);
	listens(sockets.fds[0], "127.0.0.1");
	sockets_close(&sockets);
}
END_TEST

START_TEST(test_no_name)
{
	names_case_add(NULL, NULL);
	ck_assert_int_eq(open_at("tcp://server.test:0", true), -1);
	ck_assert_str_eq(error, "server.test: Name or service not known");
	ck_assert_uint_eq(sockets.count, 0);
}
END_TEST

/* A path where there can be none, and one that is told. */
START_TEST(test_path)
{
	char folder[] = "/tmp/sidespan_sockets_XXXXXX", text[64], expected[128], told[128];
	mode_t mask = umask(022);

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(text, sizeof text, "unix://%s/none/s", folder);
	ck_assert_int_eq(open_at(text, false), -1);
	snprintf(expected, sizeof expected, "listen: %s/none/s: No such file or directory", folder);
	ck_assert_str_eq(error, expected);
	snprintf(text, sizeof text, "unix://%s/s", folder);
	ck_assert_int_eq(open_at(text, false), 0);
	ck_assert_uint_eq(umask(mask), 022); /* as it was */
	sockets_describe(&sockets, told, sizeof told);
	ck_assert_str_eq(told, text);
	ck_assert_str_eq(sockets.path, text + strlen("unix://"));
	sockets_close(&sockets);
	sockets_close(&sockets);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* What somebody has put there stays, unless it is the socket of who is gone. */
START_TEST(test_path_of_others)
{
	char folder[] = "/tmp/sidespan_sockets_XXXXXX", text[64], expected[128];
	const char *path = text + strlen("unix://");
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), file;
	struct stat before, is;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(text, sizeof text, "unix://%s/s", folder);
	snprintf(expected, sizeof expected, "listen: %s: Address already in use", path);
	file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_eq(close(file), 0);
	ck_assert_int_eq(open_at(text, false), -1);
	ck_assert_str_eq(error, expected);
	ck_assert_int_eq(unlink(path), 0); /* it was there */
	strcpy(name.sun_path, path);
	ck_assert_int_eq(bind(other, (struct sockaddr *)&name, sizeof name), 0);
	ck_assert_int_eq(listen(other, 1), 0);
	ck_assert_int_eq(stat(path, &before), 0);
	ck_assert_int_eq(open_at(text, false), -1);
	ck_assert_str_eq(error, expected);
	ck_assert_int_eq(stat(path, &is), 0);
	ck_assert_uint_eq(is.st_ino, before.st_ino);
	ck_assert_int_eq(close(other), 0);
	ck_assert_int_eq(open_at(text, false), 0); /* in its place */
	ck_assert_int_eq(stat(path, &is), 0);
	ck_assert(S_ISSOCK(is.st_mode));
	ck_assert_uint_eq(is.st_mode & 0777, 0600);
	ck_assert_int_eq(unlink(path), 0);
	file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_eq(close(file), 0);
	sockets_close(&sockets);
	ck_assert_int_eq(unlink(path), 0); /* it was not ours to remove */
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* ---- sockets of the service manager ---- */

static int listening_at(uint32_t address, unsigned port)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	name.sin_addr.s_addr = htonl(address);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

static int adopt(const char *text, const int *fds, size_t count, bool allow_remote)
{
	const char *reason;

	ck_assert_int_eq(url_parse(&url, text, &reason), 0);
	error[0] = '\0';
	return sockets_adopt(&sockets, &url, fds, count, allow_remote, error, sizeof error);
}

START_TEST(test_adopt)
{
	int fds[] = {listening_at(INADDR_LOOPBACK, 0), listening_at(INADDR_LOOPBACK, 0)};
	char told[256], expected[256];

	ck_assert_int_eq(adopt("tcp://127.0.0.1:0", fds, 2, false), 0);
	ck_assert_str_eq(error, "");
	ck_assert_uint_eq(sockets.count, 2);
	ck_assert_int_eq(sockets.fds[1], fds[1]);
	sockets_describe(&sockets, told, sizeof told);
	snprintf(expected, sizeof expected, "tcp://127.0.0.1:%u and tcp://127.0.0.1:%u",
		port_of(fds[0]), port_of(fds[1]));
	ck_assert_str_eq(told, expected);
	sockets_close(&sockets);
	ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
	ck_assert_int_eq(fcntl(fds[1], F_GETFD), -1);
}
END_TEST

/* One that is of no use is not left open, nor are the others. */
START_TEST(test_adopt_refused)
{
	static const char *const kind = "listen: the socket that the service manager has opened is "
					"not of the kind that the URL says";
	int fds[] = {listening_at(INADDR_LOOPBACK, 0), listening_at(INADDR_ANY, 0)};

	if (_i == 0) {
		ck_assert_int_eq(adopt("unix:///x", fds, 2, true), -1);
		ck_assert_str_eq(error, kind);
	} else if (_i == 1) {
		ck_assert_int_eq(adopt("ws+unix:///x", fds, 2, true), -1);
		ck_assert_str_eq(error, kind);
	} else if (_i == 2) {
		ck_assert_int_eq(adopt("tcp://127.0.0.1:0", fds, 2, false), -1);
		ck_assert_ptr_nonnull(strstr(error, "listen: 0.0.0.0:"));
		ck_assert_ptr_nonnull(strstr(error, " is not a loopback address: "));
	} else {
		ck_assert_int_eq(adopt("tcp://127.0.0.1:0", fds, 2, true), 0);
		sockets_close(&sockets);
	}
	ck_assert_uint_eq(sockets.count, 0);
	ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
	ck_assert_int_eq(fcntl(fds[1], F_GETFD), -1);
}
END_TEST

START_TEST(test_adopt_path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(name.sun_path, sizeof name.sun_path, "/tmp/sidespan_adopt_%ld", (long)getpid());
	(void)unlink(name.sun_path); /* of a process of that number that was killed */
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
	ck_assert_int_eq(adopt("unix:///x", &fd, 1, false), 0);
	sockets_close(&sockets);
	ck_assert_int_eq(unlink(name.sun_path), 0); /* it is the service manager's */
}
END_TEST

/* Without memory for the path there is no socket. */
START_TEST(test_no_memory)
{
	char folder[] = "/tmp/sidespan_sockets_XXXXXX", text[64];
	int result;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(text, sizeof text, "unix://%s/s", folder);
	ck_assert_int_eq(open_at(text, false), 0);
	sockets_close(&sockets);
	unit_alloc_fail_after(0);
	result = sockets_open(&sockets, &url, "listen", false, error, sizeof error);
	unit_alloc_fail_never();
	ck_assert_int_eq(result, -1);
	ck_assert_ptr_nonnull(strstr(error, "Cannot allocate memory"));
	ck_assert_uint_eq(sockets.count, 0);
	ck_assert_int_eq(open_at(text, false), 0); /* what was left there is nobody's */
	sockets_close(&sockets);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("sockets");

	unit_fixture(sockets_setup, NULL);
	tcase_add_loop_test(tc, test_name, 0, 2);
	tcase_add_test(tc, test_port);
	tcase_add_loop_test(tc, test_address_of_others, 0, 3);
	tcase_add_loop_test(tc, test_remote, 0, 2);
	tcase_add_test(tc, test_no_name);
	tcase_add_loop_test(tc, test_path, 0, 1);
	tcase_add_test(tc, test_path_of_others);
	tcase_add_test(tc, test_adopt);
	tcase_add_loop_test(tc, test_adopt_refused, 0, 4);
	tcase_add_test(tc, test_adopt_path);
	tcase_add_test(tc, test_no_memory);
	return unit_run("sockets", tc);
}

/* What an operator is told, and who is told nothing: a request, the status, what is in the page. */
#include "proxy/admin/admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exporter/metrics/metrics.h"
#include "proxy/admin/pages.h"
#include "proxy/resolver.h"
#include "tests/unit/loop_case.h"

enum { ROOM = 1 << 18 };

static struct loop_case setup;
static struct admin *admin;
static struct metrics *metrics;
static struct resolver *resolver; /* NULL: a COMMAND would be the server */
static unsigned port;

static void admin_open(const char *const *flags, const struct url *server)
{
	static const struct metrics_instrument instruments[] = {
		{.name = "a.size", .help = "Sizes.", .unit = "By"}};
	struct admin_sources sources = {.loop = &setup.loop};
	char error[256], text[256];

	sources.metrics = metrics = metrics_new(instruments, 1, 1);
	ck_assert_ptr_nonnull(metrics);
	unit_hear_stderr();
	loop_case_open(&setup, flags);
	resolver = server != NULL ? resolver_new(&setup.loop, server) : NULL;
	sources.resolver = resolver;
	admin = admin_new(&sources, error, sizeof error);
	ck_assert_msg(admin != NULL, "%s", error);
	admin_describe(admin, text, sizeof text);
	port = (unsigned)strtoul(strrchr(text, ':') + 1, NULL, 10);
}

static void admin_close(void)
{
	admin_free(admin);
	loop_case_close(&setup);
	resolver_free(resolver);
	metrics_free(metrics);
}

static int dial(void)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
	return fd;
}

/* What the server says up to its end, which comes before ours. */
static const char *hear(int fd)
{
	static char text[ROOM];
	size_t used = 0;
	ssize_t n = -1;

	while (n != 0) {
		n = recv(fd, text + used, sizeof text - 1 - used, MSG_DONTWAIT);
		if (n > 0)
			used += (size_t)n;
		else if (n < 0)
			ck_assert_int_eq(errno, EAGAIN);
		if (n < 0)
			loop_case_turn(&setup);
	}
	text[used] = '\0';
	if ((strncmp(text, "HTTP/1.1 200 ", 13) == 0 || strncmp(text, "HTTP/1.1 503 ", 13) == 0) &&
		strstr(text, "Content-Type: text/html") == NULL)
		unit_alloc_adopt(); /* a page that was written */
	return text;
}

/* One request with a Host that is ours, in pieces of that size. */
static const char *ask(const char *line, const char *fields, size_t step)
{
	char text[512];
	const char *answer;
	size_t size, at;
	int fd = dial();

	size = (size_t)snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n",
		line, port, fields);
	for (at = 0; at < size; at += step) {
		size_t n = size - at < step ? size - at : step;

		ck_assert_int_eq(send(fd, text + at, n, MSG_NOSIGNAL), (ssize_t)n);
		(void)event_base_loop(setup.loop.base, EVLOOP_NONBLOCK);
	}
	answer = hear(fd);
	close(fd);
	return answer;
}

/* Sends a request for a page, whole, and gives the loop the time to answer. */
static int request(const char *page)
{
	char text[256];
	int fd = dial(), i;

	snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", page, port);
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	for (i = 0; i < 8; i++)
		(void)event_base_loop(setup.loop.base, EVLOOP_NONBLOCK);
	return fd;
}

/* What has come so far. */
static const char *heard(int fd)
{
	static char text[ROOM];
	ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* The answer has a body of the length that it announces, if any. */
static void has_length(const char *answer, bool has_body)
{
	const char *body = strstr(answer, "\r\n\r\n") + 4;
	const char *length = strstr(answer, "Content-Length: ");

	ck_assert_uint_gt(strtoul(length + 16, NULL, 10), 0);
	ck_assert_uint_eq(strlen(body), has_body ? strtoul(length + 16, NULL, 10) : 0);
	ck_assert_ptr_nonnull(strstr(answer, "\r\nConnection: close\r\n"));
	ck_assert_ptr_nonnull(strstr(answer, "\r\nCache-Control: no-store\r\n"));
}

static const struct {
	const char *line, *fields, *status, *text;
	bool refused; /* and counted */
} rows[] = {
	{"GET /healthz", "", "200 OK", "{\"status\":\"ok\",\"version\":\"", false},
	{"GET /healthz?x=y", "", "200 OK", "application/json", false},
	{"HEAD /healthz", "", "200 OK", "application/json", false},
	{"POST /healthz", "Content-Length: 0\r\n", "405 Method Not Allowed", "405 ", false},
	{"GET /healthzz", "", "404 Not Found", "404 Not Found\n", false},
	{"GET /health", "", "404 Not Found", "404 Not Found\n", false},
	{"GET /", "", "200 OK", "text/html; charset=utf-8\r\n", false},
	{"GET /", "", "200 OK", "\r\nContent-Security-Policy: default-src 'none'; script-src ",
		false},
	{"GET /", "", "200 OK", "\r\n\r\n<!doctype html>\n", false},
	{"HEAD /", "", "200 OK", "text/html; charset=utf-8\r\n", false},
	{"GET /", "Origin: http://elsewhere\r\n", "403 Forbidden", "403 Forbidden\n", true},
	{"GET //", "", "404 Not Found", "404 Not Found\n", false},
	{"GET /healthz", "Origin: http://elsewhere\r\n", "403 Forbidden", "403 Forbidden\n", true},
	{"GET /readyz", "", "200 OK",
		"{\"ready\":true,\"server\":\"reachable\",\"exporter\":{\"created\":0,\"sent\":0,"
		"\"rejected\":0,\"dropped\":0,\"spooled\":0,\"pending\":0,\"state\":\"ok\"}}\n",
		false},
	{"GET /metrics", "", "200 OK", "text/plain; version=0.0.4; charset=utf-8\r\n", false},
	{"GET /metrics", "", "200 OK", "\nsidespan_connections_open 0\n", false},
	{"GET /metrics", "", "200 OK", "sidespan_build_info{version=\"", false},
	{"GET /metrics", "Accept: a/b, application/openmetrics-text;version=1.0.0\r\n", "200 OK",
		"Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n",
		false},
	{"GET /metrics", "Accept: application/openmetrics-text\r\n", "200 OK", "\n# EOF\n", false},
	{"GET /metrics", "Accept: application/openmetrics\r\n", "200 OK", "version=0.0.4", false},
	{"GET /metrics", "", "200 OK", "\n# TYPE a_size_bytes histogram\n", false},
	{"GET /traces?since=7", "", "200 OK", "{\"seq\":0,\"traces\":[]}\n", false},
	{"GET /config", "", "200 OK", "\n\t\"admin.listen\": \"http://127.0.0.1:0\",\n", false},
	{"GET /config", "", "200 OK", "\"service.name\": \"a\\\"\\\\\"", false},
	{"GET /metrics", "", "200 OK", "\nsidespan_open{type=\"request\"} 0\n", false},
	{"GET /open", "", "200 OK", "\",\"spans\":[],\"omitted\":0}\n", false},
	{"GET  /healthz", "", "400 Bad Request", "400 Bad Request\n", false},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static const char *const plain[] = {"--admin-listen=http://127.0.0.1:0",
	"--upstream=unix:///nowhere", "--service-name=a\"\\", "--handshake-bytes-max=1KiB", NULL};

START_TEST(test_pages)
{
	char status[64];
	const char *answer;

	admin_open(plain, NULL);
	snprintf(status, sizeof status, "HTTP/1.1 %s\r\n", rows[_i].status);
	answer = ask(rows[_i].line, rows[_i].fields, 1000);
	ck_assert_msg(strncmp(answer, status, strlen(status)) == 0, "%s", answer);
	ck_assert_msg(strstr(answer, rows[_i].text) != NULL, "%s", answer);
	has_length(answer, strncmp(rows[_i].line, "HEAD ", 5) != 0);
	ck_assert_uint_eq(setup.loop.counters.admin_refused, rows[_i].refused);
	ck_assert_int_eq(unit_said("admin: a request is refused: "), rows[_i].refused);
	answer = ask(rows[_i].line, rows[_i].fields, 7); /* and in pieces */
	ck_assert_msg(strncmp(answer, status, strlen(status)) == 0, "%s", answer);
	admin_close();
}
END_TEST

/* Digits alone, of less than 64 bits; else 0. */
START_TEST(test_number)
{
	static const struct {
		const char *text;
		uint64_t number;
	} numbers[] = {{"", 0}, {"0", 0}, {"7", 7}, {"12", 12}, {"0120", 120}, {"12x", 0},
		{"x12", 0}, {"1/", 0}, {"1:", 0}, {"-1", 0},
		{"9999999999999999999", 9999999999999999999u}, {"00000000000000000001", 0},
		{"18446744073709551615", 0}};
	size_t i;

	for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		ck_assert_uint_eq(
			pages_number((struct http_text){numbers[i].text, strlen(numbers[i].text)}),
			numbers[i].number);
}
END_TEST

/* What is told is of this moment, though nothing has happened in the conversation. */
START_TEST(test_time)
{
	uint64_t began;
	int fd;

	admin_open(plain, NULL);
	loop_clock(&setup.loop);
	began = setup.loop.now_ns;
	setup.loop.now_ns = 1;
	(void)ask("GET /open", "", 1000);
	ck_assert_uint_ge(setup.loop.now_ns, began);
	setup.loop.now_ns = 1;
	fd = request("/live");
	ck_assert_uint_ge(setup.loop.now_ns, began);
	unit_alloc_adopt();
	unit_alloc_adopt();
	close(fd);
	admin_close();
}
END_TEST

/* The token is asked for, but not for health. */
START_TEST(test_token)
{
	char *file = config_case_file("a-token-of-some-length\n");
	char flag[128];
	const char *flags[] = {plain[0], plain[1], flag, NULL};

	ck_assert_int_eq(chmod(file, 0600), 0);
	snprintf(flag, sizeof flag, "--listen-token-file=%s", file);
	admin_open(flags, NULL);
	ck_assert_ptr_nonnull(strstr(ask("GET /healthz", "", 1000), "200 OK"));
	ck_assert_ptr_nonnull(strstr(ask("GET /readyz", "", 1000), "200 OK"));
	ck_assert_ptr_nonnull(strstr(ask("GET /", "", 1000), "200 OK")); /* it asks for the rest */
	ck_assert_ptr_nonnull(strstr(
		ask("GET /metrics", "", 1000), "401 Unauthorized\r\nContent-Type: text/plain"));
	ck_assert_ptr_nonnull(strstr(ask("GET /config", "Authorization: Bearer wrong\r\n", 1000),
		"\r\nWWW-Authenticate: Bearer\r\n"));
	ck_assert_uint_eq(setup.loop.counters.admin_refused, 2);
	ck_assert_ptr_nonnull(
		strstr(ask("GET /config", "Authorization: Bearer a-token-of-some-length\r\n", 1000),
			"200 OK"));
	admin_close();
	config_case_unlink(file);
}
END_TEST

/* A head that is too large, whether it has an end or not. */
START_TEST(test_large)
{
	char text[2048];
	int fd;

	admin_open(plain, NULL);
	memset(text, 'x', sizeof text);
	memcpy(text, "GET /healthz HTTP/1.1\r\nX: ", 26);
	fd = dial();
	ck_assert_int_eq(send(fd, text, 1023, 0), 1023);
	(void)event_base_loop(setup.loop.base, EVLOOP_NONBLOCK);
	(void)event_base_loop(setup.loop.base, EVLOOP_NONBLOCK);
	ck_assert_int_eq(recv(fd, text, 1, MSG_DONTWAIT), -1); /* not yet */
	ck_assert_int_eq(send(fd, text, 1, 0), 1);
	ck_assert_ptr_nonnull(strstr(hear(fd), "431 Request Header Fields Too Large"));
	close(fd);
	admin_close();
}
END_TEST

/* So many at once; who leaves makes room. Who says nothing leaves in time. */
START_TEST(test_limits)
{
	static const char *const flags[] = {"--admin-listen=http://127.0.0.1:0",
		"--upstream=unix:///nowhere", "--admin-connections-max=1",
		"--handshake-timeout=50ms", NULL};
	int first, second;
	char byte;

	admin_open(flags, NULL);
	first = dial();
	second = dial();
	ck_assert_int_eq(send(second, "GET /healthz HTTP/1.0\r\n\r\n", 25, 0), 25);
	ck_assert_str_eq(hear(first), ""); /* its time is over */
	ck_assert_ptr_nonnull(strstr(hear(second), "HTTP/1.1 "));
	close(first);
	close(second);
	first = dial();
	close(first);
	ck_assert_ptr_nonnull(strstr(ask("GET /healthz", "", 1000), "200 OK"));
	first = dial();
	(void)event_base_loop(setup.loop.base, EVLOOP_NONBLOCK);
	admin_close(); /* with one that has said nothing */
	ck_assert_int_le(recv(first, &byte, 1, 0), 0);
	close(first);
}
END_TEST

/* Whose time is over in the middle has been cut off; who has said nothing has not. */
START_TEST(test_too_slow)
{
	static const char *const flags[] = {"--admin-listen=http://127.0.0.1:0",
		"--upstream=unix:///nowhere", "--handshake-timeout=10ms", NULL};
	int fd;

	admin_open(flags, NULL);
	fd = dial();
	ck_assert_str_eq(hear(fd), "");
	close(fd);
	ck_assert_uint_eq(setup.loop.counters.admin_dropped, 0);
	fd = dial();
	ck_assert_int_eq(send(fd, "G", 1, 0), 1);
	ck_assert_str_eq(hear(fd), "");
	close(fd);
	ck_assert_uint_eq(setup.loop.counters.admin_dropped, 1);
	admin_close();
}
END_TEST

/* A client has a time for its request, and a longer one for what it is told, by its size. */
START_TEST(test_time_for_an_answer)
{
	const char *answer;
	int64_t then, ms = 10000;
	int fd;

	admin_open(plain, NULL);
	then = unit_now_ms();
	fd = dial();
	(void)event_base_loop(setup.loop.base, EVLOOP_NONBLOCK);
	(void)event_base_loop(setup.loop.base, EVLOOP_NONBLOCK);
	unit_is_due(unit_last_due_ms(setup.loop.base), then, ms);
	close(fd);
	then = unit_now_ms();
	fd = request("/");
	answer = strstr(heard(fd), "Content-Length: ");
	ms += ms * (int64_t)strtoul(answer + 16, NULL, 10) / 1048576;
	ck_assert_int_gt(ms, 10200);
	unit_is_due(unit_last_due_ms(setup.loop.base), then, ms);
	close(fd);
	admin_close();
}
END_TEST

/* Its end may come before the answer, but not before the end of the request. */
START_TEST(test_ends_early)
{
	int fd;

	admin_open(plain, NULL);
	fd = dial();
	ck_assert_int_eq(send(fd, "GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", 42, 0), 42);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	ck_assert_ptr_nonnull(strstr(hear(fd), "HTTP/1.1 200 OK"));
	close(fd);
	fd = dial();
	ck_assert_int_eq(send(fd, "GET /healthz HTTP/1.0\r\n", 23, 0), 23);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	ck_assert_str_eq(hear(fd), "");
	close(fd);
	ck_assert_uint_eq(setup.loop.counters.admin_dropped, 0);
	admin_close();
}
END_TEST

/* There is no memory for a client: it is let go, and the next one is not. */
START_TEST(test_client_without_memory)
{
	size_t files;
	int fd;

	admin_open(plain, NULL);
	fd = dial();
	files = loop_case_count("/proc/self/fd");
	unit_alloc_fail_after(0);
	(void)event_base_loop(setup.loop.base, EVLOOP_NONBLOCK);
	(void)event_base_loop(setup.loop.base, EVLOOP_NONBLOCK);
	unit_alloc_fail_never();
	ck_assert_uint_eq(loop_case_count("/proc/self/fd"), files);
	ck_assert_str_eq(hear(fd), "");
	close(fd);
	ck_assert_ptr_nonnull(strstr(ask("GET /healthz", "", 1000), "200 OK"));
	admin_close();
}
END_TEST

/* Half of the places, and one more, are for those who listen; the others stay for questions. */
START_TEST(test_live_places)
{
	static const char *const flags[] = {"--admin-listen=http://127.0.0.1:0",
		"--upstream=unix:///nowhere", "--admin-connections-max=5", NULL};
	int fds[3], one_more, i;

	admin_open(flags, NULL);
	for (i = 0; i < 3; i++) {
		const char *answer;

		fds[i] = request("/live");
		answer = heard(fds[i]);
		ck_assert_int_eq(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17), 0);
		ck_assert_ptr_nonnull(strstr(answer, "Content-Type: text/event-stream\r\n"));
		ck_assert_ptr_null(strstr(answer, "Content-Length"));
		ck_assert_ptr_nonnull(strstr(answer, "\nevent: "));
	}
	one_more = request("/live");
	ck_assert_int_eq(strncmp(heard(one_more), "HTTP/1.1 503 Service Unavailable\r\n", 34), 0);
	close(one_more);
	close(fds[0]);
	ck_assert_ptr_nonnull(strstr(ask("GET /healthz", "", 1000), "200 OK"));
	fds[0] = request("/live"); /* its place was free again */
	ck_assert_int_eq(strncmp(heard(fds[0]), "HTTP/1.1 200 OK\r\n", 17), 0);
	for (i = 0; i < 4; i++) { /* what each was told at first was made twice: open and stats */
		unit_alloc_adopt();
		unit_alloc_adopt();
	}
	for (i = 0; i < 3; i++)
		close(fds[i]);
	ck_assert_uint_eq(setup.loop.counters.admin_dropped, 0);
	admin_close();
}
END_TEST

static int count_callers(int server)
{
	int count = 0, fd;

	while ((fd = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		close(fd);
		count++;
	}
	return count;
}

/* Whether the server can be reached is found out, said when it changes, and told to all. */
START_TEST(test_ready)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof address;
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const char *reason, *answer;
	uint64_t begun_ns;
	struct url url;
	char text[64];

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(server, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(getsockname(server, (struct sockaddr *)&address, &size), 0);
	if (_i == 0)
		ck_assert_int_eq(listen(server, 8), 0);
	snprintf(text, sizeof text, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
	ck_assert_int_eq(url_parse(&url, text, &reason), 0);
	admin_open(plain, &url);
	loop_clock(&setup.loop);
	begun_ns = setup.loop.now_ns;
	answer = ask("GET /readyz", "", 1000);
	if (_i == 0) {
		ck_assert_ptr_nonnull(strstr(answer, "200 OK"));
		ck_assert_ptr_nonnull(strstr(answer, "\"server\":\"reachable\""));
	} else {
		ck_assert_ptr_nonnull(strstr(answer, "503 Service Unavailable"));
		ck_assert_ptr_nonnull(
			strstr(answer, "{\"ready\":false,\"server\":\"unreachable\""));
	}
	ck_assert_int_eq(unit_said("not ready: the server cannot be reached: "), _i);
	(void)ask("GET /readyz", "", 1000);
	ck_assert_int_eq(unit_said("not ready: the server cannot be reached: "), _i);
	if (_i == 0 && setup.loop.now_ns - begun_ns < 1000000000)
		ck_assert_int_eq(count_callers(server), 1); /* good for a second */
	admin_drain(admin);
	answer = ask("GET /readyz", "", 1000);
	ck_assert_ptr_nonnull(strstr(answer, "503 Service Unavailable"));
	ck_assert_ptr_nonnull(strstr(answer, "{\"ready\":false,\"server\":\"we end\""));
	ck_assert_ptr_nonnull(strstr(ask("GET /healthz", "", 1000), "200 OK"));
	admin_close();
	close(server);
}
END_TEST

/* Each allocation fails: there is none, and no descriptor of it. */
START_TEST(test_without_memory)
{
	struct admin_sources sources = {.loop = &setup.loop};
	bool refused = true;
	size_t files;
	char error[256];
	long n;

	loop_case_open(&setup, plain);
	files = loop_case_count("/proc/self/fd");
	for (n = 0; refused; n++) {
		ck_assert_int_lt(n, 100);
		unit_alloc_fail_once(n);
		admin = admin_new(&sources, error, sizeof error);
		refused = unit_alloc_failed();
		unit_alloc_fail_never();
		ck_assert(refused || admin != NULL);
		if (admin == NULL)
			ck_assert_ptr_nonnull(strstr(error, "out of memory"));
		admin_free(admin);
		ck_assert_uint_eq(loop_case_count("/proc/self/fd"), files);
	}
	ck_assert_int_gt(n, 2);
	loop_case_close(&setup);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("admin");

	tcase_add_loop_test(tc, test_pages, 0, ROWS);
	tcase_add_test(tc, test_number);
	tcase_add_test(tc, test_time);
	tcase_add_test(tc, test_token);
	tcase_add_test(tc, test_large);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_too_slow);
	tcase_add_test(tc, test_time_for_an_answer);
	tcase_add_test(tc, test_ends_early);
	tcase_add_test(tc, test_client_without_memory);
	tcase_add_test(tc, test_live_places);
	tcase_add_loop_test(tc, test_ready, 0, 2);
	tcase_add_test(tc, test_without_memory);
	return unit_run("admin", tc);
}

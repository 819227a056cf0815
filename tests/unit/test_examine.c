/* What a collector makes of an export without a span; it is a process of the test's. */
#include "exporter/examine.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "exporter/settings.h"
#include "tests/unit/unit.h"

enum { WAIT_MS = 20000, SOON_MS = 60 };

static struct exporter_config config;
static struct examination found;
static char endpoint[64], asked[4096]; /* what was asked, terminated */
static size_t asked_size;

/* Takes one request, gives it to the test, and answers; no answer: until the client is gone. */
static _Noreturn void collect(int listener, int result, const char *answer)
{
	char text[sizeof asked];
	size_t used = 0, body = 0;
	const char *end = NULL, *field;
	int fd = accept(listener, NULL, NULL);
	ssize_t n;

	while (end == NULL || used < (size_t)(end + 4 - text) + body) {
		n = read(fd, text + used, sizeof text - 1 - used);
		if (n <= 0)
			_exit(1);
		used += (size_t)n;
		text[used] = '\0';
		end = strstr(text, "\r\n\r\n");
		field = strstr(text, "\r\nContent-Length: ");
		body = field != NULL ? strtoul(field + 18, NULL, 10) : 0;
	}
	if (write(result, text, used) != (ssize_t)used)
		_exit(1);
	if (answer == NULL && read(fd, text, 1) < 0)
		_exit(1);
	if (answer != NULL && write(fd, answer, strlen(answer)) != (ssize_t)strlen(answer))
		_exit(1);
	_exit(0);
}

/* Examines a collector that answers so. */
static void examine(const char *answer, int64_t wait_ms)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), ends[2], status;
	char error[256] = "";
	ssize_t n;
	pid_t pid;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u/v1/traces",
		ntohs(address.sin_port));
	config.endpoint = endpoint;
	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		collect(listener, ends[1], answer);
	ck_assert_int_eq(close(listener) | close(ends[1]), 0);
	memset(&found, 0xa5, sizeof found);
	ck_assert_msg(examine_collector(
			      &config, "resourceSpans", wait_ms, &found, error, sizeof error) == 0,
		"%s", error);
	for (asked_size = 0;
		(n = read(ends[0], asked + asked_size, sizeof asked - 1 - asked_size)) > 0;)
		asked_size += (size_t)n;
	asked[asked_size] = '\0';
	ck_assert_int_eq(close(ends[0]), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static void examine_setup(void)
{
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	config = (struct exporter_config){.response_bytes_max = 1000, .user_agent = "me"};
}

#define EMPTY "Content-Length: 0\r\n\r\n"

static const struct {
	const char *answer, *why; /* why begins so */
	int status;
	bool reached, accepted, is_certificate;
} answers[] = {
	{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "", 200, true, true, false},
	{"HTTP/1.1 200 OK\r\n" EMPTY, "", 200, true, true, false},
	{"HTTP/1.1 401 No\r\n" EMPTY, "status 401", 401, true, false, false},
	{"HTTP/1.1 503 No\r\n" EMPTY, "status 503", 503, true, false, false},
	{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "", 0, false, false, false},
	{"SSH-2.0-server\r\n", "the answer is not HTTP/1.1", 0, false, false, true},
};

START_TEST(test_answers)
{
	examine(answers[_i].answer, WAIT_MS);
	ck_assert_int_eq(found.reached, answers[_i].reached);
	ck_assert_int_eq(found.accepted, answers[_i].accepted);
	ck_assert_int_eq(found.is_certificate, answers[_i].is_certificate);
	ck_assert_int_eq(found.status, answers[_i].status);
	ck_assert_msg(
		strncmp(found.why, answers[_i].why, strlen(answers[_i].why)) == 0, "%s", found.why);
	ck_assert_int_eq(found.why[0] != '\0', !found.accepted);
	ck_assert(!found.has_clock);
	ck_assert_int_eq(found.ahead_s, 0);
	ck_assert_int_ge(found.took_ms, 0);
	ck_assert_int_lt(found.took_ms, WAIT_MS);
}
END_TEST

START_TEST(test_clock)
{
	static const int ahead_s[] = {0, 5000, -5000};
	time_t there = time(NULL) + ahead_s[_i];
	char date[64], answer[256];
	struct tm parts;

	ck_assert_ptr_nonnull(gmtime_r(&there, &parts));
	ck_assert_uint_gt(strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts), 0);
	snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nDate: %s\r\n" EMPTY, date);
	examine(answer, WAIT_MS);
	ck_assert(found.has_clock);
	ck_assert_int_le(found.ahead_s, ahead_s[_i]);
	ck_assert_int_gt(found.ahead_s, ahead_s[_i] - 100);
}
END_TEST

/* As spans would come: in either encoding, compressed or not; nothing is in it. */
START_TEST(test_requests)
{
	uint8_t unpacked[256];
	z_stream stream = {.next_out = unpacked, .avail_out = sizeof unpacked};
	const char *body;
	size_t head;

	config.protobuf = _i / 2 == 1;
	config.gzip = _i % 2 == 1;
	examine("HTTP/1.1 200 OK\r\n" EMPTY, WAIT_MS);
	ck_assert(found.accepted);
	ck_assert_ptr_nonnull(
		strstr(asked, config.protobuf ? "\r\nContent-Type: application/x-protobuf\r\n"
					      : "\r\nContent-Type: application/json\r\n"));
	ck_assert_int_eq(strstr(asked, "\r\nContent-Encoding: gzip\r\n") != NULL, config.gzip);
	head = (size_t)(strstr(asked, "\r\n\r\n") + 4 - asked);
	body = asked + head;
	if (config.gzip) {
		stream.next_in = (Bytef *)asked + head;
		stream.avail_in = (uInt)(asked_size - head);
		ck_assert_int_eq(inflateInit2(&stream, 15 + 16), Z_OK);
		ck_assert_int_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
		unpacked[stream.total_out] = '\0';
		ck_assert_int_eq(inflateEnd(&stream), Z_OK);
		body = (const char *)unpacked;
	}
	ck_assert_str_eq(body, config.protobuf ? "" : "{\"resourceSpans\":[]}");
}
END_TEST

/* Nobody waits for longer, nor is nothing said because nobody is there. */
START_TEST(test_no_answer)
{
	char error[256];

	examine(NULL, SOON_MS);
	ck_assert(!found.reached && !found.accepted && !found.has_clock);
	ck_assert_int_eq(found.status, 0);
	ck_assert_str_eq(found.why, "no answer within 60 ms");
	ck_assert_int_ge(found.took_ms, SOON_MS);
	ck_assert_int_eq(
		examine_collector(&config, "resourceSpans", WAIT_MS, &found, error, sizeof error),
		0);
	ck_assert(!found.reached && !found.is_certificate);
	ck_assert_ptr_nonnull(strstr(found.why, "onnect"));
}
END_TEST

START_TEST(test_no_memory)
{
	char error[64] = "";
	int result;

	config.endpoint = "http://127.0.0.1:9/v1/traces";
	unit_alloc_fail_after(0);
	result = examine_collector(&config, "resourceSpans", WAIT_MS, &found, error, sizeof error);
	unit_alloc_fail_never();
	ck_assert_int_eq(result, -1);
	ck_assert_str_eq(error, "cannot set up the HTTP client");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("examine");

	unit_fixture(examine_setup, NULL);
	tcase_add_loop_test(tc, test_answers, 0, (int)(sizeof answers / sizeof *answers));
	tcase_add_loop_test(tc, test_clock, 0, 3);
	tcase_add_loop_test(tc, test_requests, 0, 4);
	tcase_add_test(tc, test_no_answer);
	tcase_add_test(tc, test_no_memory);
	return unit_run("examine", tc);
}

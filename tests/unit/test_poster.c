/* Bodies on their way: what waits, what is counted and told. The rest is told by a running program.
 */
#include "exporter/poster.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exporter/settings.h"
#include "tests/unit/unit.h"

static char endpoint[64], said[4096];
static char levels[64];   /* of what was said: W or I */
static int refusing = -1; /* bound, but nobody listens */

static void report(void *arg, enum exporter_level level, const char *line)
{
	(void)arg;
	ck_assert(level == EXPORTER_REPORT_WARN || level == EXPORTER_REPORT_INFO);
	levels[strlen(levels)] = level == EXPORTER_REPORT_WARN ? 'W' : 'I';
	(void)snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", line);
}

static struct exporter_config make_config(void)
{
	return (struct exporter_config){.target = EXPORTER_OTLP,
		.endpoint = endpoint,
		.endpoint_shown = "http://shown",
		.timeout_ms = 60000,
		.gzip = true,
		.request_bytes_max = 65536,
		.response_bytes_max = 65536,
		.user_agent = "test",
		.report = report};
}

static void set_up(void)
{
	struct sockaddr_in name = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof name;

	(void)signal(SIGPIPE, SIG_IGN);
	refusing = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(refusing, 0);
	ck_assert_int_eq(bind(refusing, (struct sockaddr *)&name, size), 0);
	ck_assert_int_eq(getsockname(refusing, (struct sockaddr *)&name, &size), 0);
	(void)snprintf(
		endpoint, sizeof endpoint, "http://127.0.0.1:%d/v1/metrics", ntohs(name.sin_port));
	said[0] = '\0';
	memset(levels, 0, sizeof levels);
}

static void tear_down(void)
{
	(void)close(refusing);
}

static struct poster *make(void)
{
	struct exporter_config config = make_config();
	char error[256];
	struct poster *poster = poster_new(&config, error, sizeof error);

	ck_assert_msg(poster != NULL, "%s", error);
	return poster;
}

static void put(struct poster *poster)
{
	struct text body;

	text_init(&body, 65536);
	TEXT_APPEND(&body, "{}");
	poster_put(poster, &body);
	ck_assert_uint_eq(body.size, 0);
	text_done(&body);
}

/* ---- a collector ---- */

static char asked[4096]; /* the last request */
static size_t asked_size;

static void listen_now(void)
{
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	ck_assert_int_eq(listen(refusing, 8), 0);
}

/* Takes the next request, whose body has so many bytes at least. */
static int take(size_t body_size)
{
	int fd = accept4(refusing, NULL, NULL, SOCK_CLOEXEC);
	const char *body = NULL;

	ck_assert_int_ge(fd, 0);
	for (asked_size = 0; body == NULL || asked_size - (size_t)(body + 4 - asked) < body_size;) {
		ssize_t n = read(fd, asked + asked_size, sizeof asked - 1 - asked_size);

		ck_assert_int_gt(n, 0);
		asked_size += (size_t)n;
		asked[asked_size] = '\0';
		body = strstr(asked, "\r\n\r\n");
	}
	return fd;
}

/* Takes it, and answers. */
static void answer(const char *status, const char *body)
{
	int fd = take(1);
	char text[512];
	int size = snprintf(text, sizeof text,
		"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", status,
		strlen(body), body);

	ck_assert_int_eq(write(fd, text, (size_t)size), size);
	ck_assert_int_eq(close(fd), 0);
}

/* What came of each is counted; told when it is other than before. */
START_TEST(test_answers)
{
	static const struct {
		const char *status, *body;
	} answers[] = {
		{"200 OK", "{}"},
		{"200 OK", "{\"partialSuccess\":{\"errorMessage\":\"slow\"}}"},
		{"200 OK", "{\"partialSuccess\":{\"errorMessage\":\"slow\"}}"},
		{"404 No", ""},
		{"415 No", ""},
		{"200 OK", "{}"},
		{"200 OK", "{\"partialSuccess\":{\"errorMessage\":\"old\"}}"},
		{"415 No", ""},
		{"400 No", ""},
	};
	struct poster *poster = make();
	char error[256];
	size_t i;

	listen_now();
	ck_assert_int_eq(poster_start(poster, error, sizeof error), 0);
	for (i = 0; i < sizeof answers / sizeof *answers; i++) {
		put(poster);
		answer(answers[i].status, answers[i].body);
	}
	poster_stop(poster, 60000);
	ck_assert_uint_eq(poster_counters(poster).metric_exports, 5);
	ck_assert_uint_eq(poster_counters(poster).metric_exports_failed, 4);
	ck_assert_str_eq(said,
		"collector http://shown takes metrics, with a warning: slow\n"
		"collector http://shown takes no metrics, the next that it takes will say it all: "
		"status 404, no metrics are taken at this path\n"
		"collector http://shown takes metrics again\n"
		"collector http://shown takes metrics, with a warning: old\n"
		"collector http://shown takes no metrics, the next that it takes will say it all: "
		"status 415, no metrics are taken as JSON\n");
	ck_assert_str_eq(levels, "WWIWW");
	poster_free(poster);
}
END_TEST

/* The body, as it is, or packed. */
START_TEST(test_bodies)
{
	struct exporter_config config = make_config();
	struct poster *poster;
	char error[256];
	const char *body;

	config.gzip = _i == 1;
	poster = poster_new(&config, error, sizeof error);
	ck_assert_msg(poster != NULL, "%s", error);
	listen_now();
	ck_assert_int_eq(poster_start(poster, error, sizeof error), 0);
	put(poster);
	answer("200 OK", "");
	poster_stop(poster, 60000);
	poster_free(poster);
	body = strstr(asked, "\r\n\r\n") + 4;
	ck_assert_int_eq(strstr(asked, "\r\nContent-Encoding: gzip\r\n") != NULL, config.gzip);
	ck_assert_ptr_nonnull(strstr(asked, "\r\nContent-Type: application/json\r\n"));
	if (config.gzip)
		ck_assert_mem_eq(body, "\x1f\x8b", 2);
	else
		ck_assert_str_eq(body, "{}");
	ck_assert_str_eq(said, "");
}
END_TEST

/* A collector that says nothing is given up in time: the way's, or that of the stop. */
START_TEST(test_no_answer)
{
	struct exporter_config config = make_config();
	struct poster *poster;
	int64_t then_ms = unit_now_ms();
	char error[256];
	int fd;

	config.timeout_ms = _i == 0 ? 30 : _i == 1 ? 60000 : 0;
	poster = poster_new(&config, error, sizeof error);
	ck_assert_msg(poster != NULL, "%s", error);
	listen_now();
	ck_assert_int_eq(poster_start(poster, error, sizeof error), 0);
	put(poster);
	fd = take(1);
	poster_stop(poster, _i == 0 ? 60000 : 30);
	ck_assert_int_ge(unit_now_ms() - then_ms, 20); /* clocks are coarse */
	ck_assert_int_lt(unit_now_ms() - then_ms, 50000);
	ck_assert_int_eq(close(fd), 0);
	ck_assert_uint_eq(poster_counters(poster).metric_exports_failed, 1);
	ck_assert_str_eq(said,
		"collector http://shown takes no metrics, the next that it takes will "
		"say it all: no answer in time\n");
	poster_free(poster);
}
END_TEST

/* Of another collector nothing has been told yet; of the same one, asked in another way, it has. */
START_TEST(test_turns)
{
	static const char *const shown[] = {"http://shown", "http://shown", "http://other"};
	struct exporter_config config = make_config();
	struct poster *poster = make();
	char error[256];
	size_t i;

	listen_now();
	ck_assert_int_eq(poster_start(poster, error, sizeof error), 0);
	for (i = 0; i < 3; i++) {
		config.endpoint_shown = shown[i];
		poster_renew(poster, poster_way_new(&config, error, sizeof error));
		put(poster);
		answer("404 No", "");
	}
	poster_stop(poster, 60000);
	ck_assert_uint_eq(poster_counters(poster).metric_exports_failed, 3);
	ck_assert_str_eq(said,
		"collector http://shown takes no metrics, the next that it takes will say it all: "
		"status 404, no metrics are taken at this path\n"
		"collector http://other takes no metrics, the next that it takes will say it all: "
		"status 404, no metrics are taken at this path\n");
	poster_free(poster);
}
END_TEST

/* The newest waits: of three, two have come too late to be sent. */
START_TEST(test_one_waits)
{
	struct poster *poster = make();
	char error[256];

	put(poster);
	put(poster);
	put(poster);
	poster_lose(poster);
	ck_assert_uint_eq(poster_counters(poster).metric_exports_failed, 3);
	ck_assert_int_eq(poster_start(poster, error, sizeof error), 0);
	poster_stop(poster, 60000);
	ck_assert_uint_eq(poster_counters(poster).metric_exports_failed, 4);
	ck_assert_uint_eq(poster_counters(poster).metric_exports, 0);
	ck_assert_ptr_eq(strstr(said, "collector http://shown takes no metrics, the next that it "
				      "takes will say it all: "),
		said);
	ck_assert_str_eq(strchr(said, '\n'), "\n");
	ck_assert_ptr_null(strstr(said, "in time")); /* there was time */
	ck_assert_str_eq(levels, "W");
	poster_free(poster);
}
END_TEST

START_TEST(test_nothing_to_send)
{
	struct poster *poster = make();
	char error[256];

	ck_assert_int_eq(poster_start(poster, error, sizeof error), 0);
	poster_free(poster);
	poster_free(make());
	poster_free(NULL);
	ck_assert_uint_eq(poster_counters(NULL).metric_exports, 0);
	ck_assert_str_eq(said, "");
}
END_TEST

/* The last way counts, whether the one before was ever gone or not. */
START_TEST(test_other_ways)
{
	struct exporter_config config = make_config();
	struct poster *poster = make();
	char error[256];
	int i;

	config.endpoint_shown = "http://other";
	for (i = 0; i < 2; i++) {
		struct poster_way *way = poster_way_new(&config, error, sizeof error);

		ck_assert_msg(way != NULL, "%s", error);
		poster_renew(poster, way);
	}
	put(poster);
	ck_assert_int_eq(poster_start(poster, error, sizeof error), 0);
	poster_stop(poster, 60000);
	ck_assert_ptr_eq(strstr(said, "collector http://other takes no metrics"), said);
	poster_free(poster);
	config.endpoint = "ftp://x";
	ck_assert_ptr_null(poster_way_new(&config, error, sizeof error));
	ck_assert_ptr_nonnull(strstr(error, "must start with http://"));
	poster_way_free(NULL);
}
END_TEST

START_TEST(test_no_memory)
{
	struct exporter_config config = make_config();
	struct poster *poster = NULL;
	char error[256] = "";
	unsigned i;

	for (i = 0; poster == NULL; i++) {
		error[0] = '\0';
		unit_alloc_fail(_i, i);
		poster = poster_new(&config, error, sizeof error);
		unit_alloc_fail_never();
		ck_assert_int_eq(poster == NULL, unit_alloc_failed());
		ck_assert_int_eq(poster == NULL, error[0] != '\0');
	}
	ck_assert_uint_ge(i, 3);
	poster_free(poster);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("poster");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, test_one_waits);
	tcase_add_test(tc, test_nothing_to_send);
	tcase_add_test(tc, test_other_ways);
	tcase_add_loop_test(tc, test_no_memory, 0, 2);
	tcase_add_test(tc, test_answers);
	tcase_add_loop_test(tc, test_bodies, 0, 2);
	tcase_add_loop_test(tc, test_no_answer, 0, 3);
	tcase_add_test(tc, test_turns);
	return unit_run("poster", tc);
}

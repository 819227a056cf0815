/* Bodies on their way: what waits, what is counted and told. The rest is told by a running program.
 */
#include "exporter/poster.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exporter/settings.h"
#include "tests/unit/unit.h"

static char endpoint[64], said[4096];
static int refusing = -1; /* bound, but nobody listens */

static void report(void *arg, enum exporter_level level, const char *line)
{
	(void)arg;
	ck_assert_int_eq(level, EXPORTER_REPORT_WARN);
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
		unit_alloc_fail_after(i);
		poster = poster_new(&config, error, sizeof error);
		unit_alloc_fail_never();
		ck_assert(poster != NULL || error[0] != '\0');
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
	tcase_add_test(tc, test_no_memory);
	return unit_run("poster", tc);
}

/* The one who posts, as far as it needs no collector: libcurl's own allocations fail, too. */
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "exporter/exporter.h"
#include "exporter/otlp/sender.h"
#include "tests/unit/unit.h"

static int64_t left_ms(void *arg)
{
	(void)arg;
	return 0;
}

/*
 * With any one allocation failing there is no sender, rather than one that leaves out a header or
 * an option; and without a failure there is one.
 */
START_TEST(test_no_memory)
{
	static const struct exporter_header headers[] = {
		{"authorization", "secret"}, {"empty", ""}};
	static const struct exporter_config config = {
		.endpoint = "http://127.0.0.1:9/v1/traces",
		.headers = headers,
		.header_count = 2,
		.certificate = "/nowhere",
		.response_bytes_max = 1000,
		.user_agent = "me",
	};
	struct sender *sender;
	char error[256];
	bool refused = true;
	long n;

	ck_assert_int_eq(
		curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free, realloc, strdup, calloc),
		0);
	for (n = 0; refused; n++) {
		error[0] = '\0';
		unit_alloc_fail_once(n);
		sender = sender_new(&config, left_ms, NULL, error, sizeof error);
		unit_alloc_fail_never();
		refused = unit_alloc_failed();
		ck_assert_msg((sender == NULL) == refused, "allocation %ld", n);
		ck_assert_str_eq(error, refused ? "cannot set up the HTTP client" : "");
		sender_free(sender);
	}
	ck_assert_int_gt(n, 20);
	curl_global_cleanup();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("sender");

	tcase_add_test(tc, test_no_memory);
	return unit_run("sender", tc);
}

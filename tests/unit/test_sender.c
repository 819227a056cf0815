/* The one who posts, as far as it needs no collector: libcurl's own allocations fail, too. */
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "exporter/batch.h"
#include "exporter/exporter.h"
#include "exporter/otlp/sender.h"
#include "exporter/sink.h"
#include "tests/unit/unit.h"

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
		sender = sender_new(&config, error, sizeof error);
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

/*
 * With any one allocation failing a batch is posted all the same, or it is said that memory was
 * short: there is nobody at the port, which is an answer, too.
 */
START_TEST(test_no_memory_for_a_batch)
{
	static const struct exporter_config config = {
		.endpoint = "http://127.0.0.1:9/v1/traces",
		.gzip = true,
		.response_bytes_max = 1000,
		.user_agent = "me",
	};
	struct batch *batch = batch_new();
	struct sink_outcome outcome;
	char error[256];
	bool refused = true;
	void *sink;
	long n;

	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	batch->body.limit = 1000;
	TEXT_APPEND(&batch->body, "spans");
	batch->span_count = 1;
	for (n = 0; refused; n++) {
		sink = sink_otlp.make(&config, error, sizeof error);
		ck_assert_ptr_nonnull(sink);
		unit_alloc_fail_once(n);
		sink_otlp.load(sink, batch);
		unit_alloc_fail_never();
		refused = unit_alloc_failed();
		while (!sink_otlp.deliver(sink, &outcome))
			sink_otlp.wait(sink, 1000);
		ck_assert_int_eq(outcome.verdict, RETRY_AGAIN);
		ck_assert_int_eq(outcome.retry_after_ms, -1);
		ck_assert_int_ne(outcome.why[0], '\0');
		sink_otlp.rest(sink);
		sink_otlp.free(sink);
	}
	ck_assert_int_gt(n, 2);
	batch_free(batch);
}
END_TEST

/* One that is given up can begin anew, and one that is under way can be freed. */
START_TEST(test_cancel)
{
	static const struct exporter_config config = {
		.endpoint = "http://127.0.0.1:9/v1/traces",
		.response_bytes_max = 1000,
		.user_agent = "me",
	};
	struct sender *sender;
	char error[256];

	sender = sender_new(&config, error, sizeof error);
	ck_assert_ptr_nonnull(sender);
	sender_cancel(sender);
	sender_begin(sender, &(struct sender_body){"a", 1, false, false});
	sender_cancel(sender);
	sender_begin(sender, &(struct sender_body){"b", 1, true, true});
	sender_wake(sender);
	sender_wait(sender, 100000);
	sender_free(sender);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("sender");

	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_no_memory_for_a_batch);
	tcase_add_test(tc, test_cancel);
	return unit_run("sender", tc);
}

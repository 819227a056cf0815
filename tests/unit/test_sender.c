/* The one who posts: libcurl's own allocations fail, too; and a collector that the test plays. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* With any one of libcurl's allocations failing meanwhile, no answer is made up. */
START_TEST(test_no_memory_meanwhile)
{
	static const struct exporter_config config = {
		.endpoint = "http://127.0.0.1:9/v1/traces",
		.response_bytes_max = 1000,
		.user_agent = "me",
	};
	const struct sender_body body = {"abc", 3, false, false};
	const struct sender_answer *answer;
	struct sender *sender;
	char error[256];
	bool refused = true;
	long n;

	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	ck_assert_int_eq(
		curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free, realloc, strdup, calloc),
		0);
	for (n = 0; refused; n++) {
		sender = sender_new(&config, error, sizeof error);
		ck_assert_ptr_nonnull(sender);
		unit_alloc_fail_once(n);
		sender_begin(sender, &body);
		while ((answer = sender_step(sender)) == NULL)
			sender_wait(sender, 10);
		unit_alloc_fail_never();
		refused = unit_alloc_failed();
		ck_assert_int_ne(answer->result, SENDER_ANSWERED);
		ck_assert_str_ne(answer->error, "");
		sender_free(sender);
	}
	ck_assert_int_gt(n, 5);
	curl_global_cleanup();
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

/* --- a collector --- */

static struct {
	int listener, fd; /* fd: -1 until it is connected */
	char endpoint[64];
	char asked[110000]; /* the last request, terminated */
	size_t asked_size;
} collector;

static void collector_open(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof address;

	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	collector.fd = -1;
	collector.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(collector.listener, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(collector.listener, 1), 0);
	ck_assert_int_eq(getsockname(collector.listener, (struct sockaddr *)&address, &size), 0);
	snprintf(collector.endpoint, sizeof collector.endpoint, "http://127.0.0.1:%u/v1/traces",
		ntohs(address.sin_port));
}

static void collector_close(void)
{
	ck_assert_int_eq(close(collector.listener), 0);
	if (collector.fd >= 0)
		ck_assert_int_eq(close(collector.fd), 0);
}

/* Reads what there is. True: a head and body_size bytes have come. */
static bool collector_read(size_t body_size)
{
	const char *end;
	ssize_t n;

	if (collector.fd < 0)
		collector.fd =
			accept4(collector.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (collector.fd < 0)
		return false;
	n = read(collector.fd, collector.asked + collector.asked_size,
		sizeof collector.asked - 1 - collector.asked_size);
	if (n > 0)
		collector.asked_size += (size_t)n;
	collector.asked[collector.asked_size] = '\0';
	end = strstr(collector.asked, "\r\n\r\n");
	return end != NULL && strlen(end + 4) >= body_size;
}

/* Posts, and is given that answer; ends: nothing follows it. */
static const struct sender_answer *post(
	struct sender *sender, const struct sender_body *body, const char *answer, bool ends)
{
	const struct sender_answer *told;
	bool answered = false;

	collector.asked_size = 0;
	sender_begin(sender, body);
	while ((told = sender_step(sender)) == NULL) {
		if (!answered && collector_read(body->size)) {
			answered = true;
			ck_assert_int_eq(
				write(collector.fd, answer, strlen(answer)), strlen(answer));
			if (ends)
				ck_assert_int_eq(shutdown(collector.fd, SHUT_WR), 0);
		}
		sender_wait(sender, 10);
	}
	return told;
}

#define FIELD_63 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

static const struct {
	const char *answer;
	enum sender_result result;
	int status;
	const char *retry_after, *date;
	const char *text; /* the body of an answer, else what the error has in it */
} answers[] = {
	{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", SENDER_ANSWERED, 200, "", "", "{}"},
	{"HTTP/1.1 503 No\r\nRETRY-after:7\r\ndate: \t Mon, 1 Jan  \r\nContent-Length: 0\r\n\r\n",
		SENDER_ANSWERED, 503, "7", "Mon, 1 Jan", ""},
	{"HTTP/1.1 503 No\r\nRetry-After:\r\nDate:  \r\nContent-Length: 0\r\n\r\n", SENDER_ANSWERED,
		503, "", "", ""},
	{"HTTP/1.1 503 No\r\nRetry-After: " FIELD_63 "\r\nDate: " FIELD_63
	 "x\r\nContent-Length: 0\r\n\r\n",
		SENDER_ANSWERED, 503, FIELD_63, "", ""},
	{"HTTP/1.1 503 No\r\nX-Retry-After: 7\r\nRetry: 8\r\nDat: 1\r\nContent-Length: 0\r\n\r\n",
		SENDER_ANSWERED, 503, "", "", ""},
	/* An interim answer is none. */
	{"HTTP/1.1 103 Soon\r\nRetry-After: 5\r\nDate: then\r\n\r\n"
	 "HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n",
		SENDER_ANSWERED, 429, "", "", ""},
	/* response_bytes_max is 10. */
	{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", SENDER_ANSWERED, 200, "", "",
		"0123456789"},
	{"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789x", SENDER_TOO_LARGE, 0, "", "",
		"the answer is longer than response_bytes_max"},
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", SENDER_UNREACHABLE, 0, "", "", "2"},
	{"", SENDER_UNREACHABLE, 0, "", "", "mpty reply"},
	{"SSH-2.0-server\r\n", SENDER_UNUSABLE, 0, "", "", "the answer is not HTTP/1.1: a port "},
};

START_TEST(test_answers)
{
	struct exporter_config config = {.response_bytes_max = 10, .user_agent = "me"};
	const struct sender_body body = {"abc", 3, _i % 2 == 1, false};
	const struct sender_answer *answer;
	struct sender *sender;
	char error[256];

	collector_open();
	config.endpoint = collector.endpoint;
	sender = sender_new(&config, error, sizeof error);
	ck_assert_ptr_nonnull(sender);
	answer = post(sender, &body, answers[_i].answer, true);
	ck_assert_int_eq(answer->result, answers[_i].result);
	ck_assert_int_eq(answer->status, answers[_i].status);
	ck_assert_int_eq(answer->protobuf, body.protobuf);
	ck_assert_str_eq(answer->retry_after, answers[_i].retry_after);
	ck_assert_str_eq(answer->date, answers[_i].date);
	if (answer->result != SENDER_ANSWERED) {
		ck_assert_msg(strstr(answer->error, answers[_i].text) != NULL, "%s", answer->error);
	} else {
		ck_assert_str_eq(answer->error, "");
		ck_assert_uint_eq(answer->body.size, strlen(answers[_i].text));
		if (answer->body.size > 0)
			ck_assert_mem_eq(answer->body.bytes, answers[_i].text, answer->body.size);
	}
	/* nothing is left of it */
	if (collector.fd >= 0)
		ck_assert_int_eq(close(collector.fd), 0);
	collector.fd = -1;
	answer = post(sender, &body, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1", true);
	ck_assert_int_eq(answer->result, SENDER_ANSWERED);
	ck_assert_int_eq(answer->status, 200);
	ck_assert_str_eq(answer->error, "");
	ck_assert_str_eq(answer->retry_after, "");
	ck_assert_uint_eq(answer->body.size, 1);
	sender_free(sender);
	collector_close();
}
END_TEST

static bool asked_has(const char *field)
{
	return strstr(collector.asked, field) != NULL;
}

/* What is asked, of each kind, over one connection; nothing is left of the answer before. */
START_TEST(test_requests)
{
	static const struct exporter_header headers[] = {
		{"authorization", "secret"}, {"empty", ""}};
	struct exporter_config config = {.headers = headers,
		.header_count = 2,
		.response_bytes_max = 1000,
		.user_agent = "me"};
	const struct sender_answer *answer;
	struct sender *sender;
	char error[256];
	unsigned i;

	collector_open();
	config.endpoint = collector.endpoint;
	sender = sender_new(&config, error, sizeof error);
	ck_assert_ptr_nonnull(sender);
	for (i = 0; i < 4; i++) {
		const struct sender_body body = {
			&"abcdefgh"[i], 4, .protobuf = i / 2, .gzipped = i % 2};

		answer = post(sender, &body,
			i == 0 ? "HTTP/1.1 503 No\r\nRetry-After: 9\r\nDate: 8\r\nContent-Length: 2"
				 "\r\n\r\nno"
			       : "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1",
			false);
		ck_assert_int_eq(answer->result, SENDER_ANSWERED);
		ck_assert_int_eq(answer->status, i == 0 ? 503 : 200);
		ck_assert_str_eq(answer->retry_after, i == 0 ? "9" : "");
		ck_assert_str_eq(answer->date, i == 0 ? "8" : "");
		ck_assert_uint_eq(answer->body.size, i == 0 ? 2 : 1);
		ck_assert(strncmp(collector.asked, "POST /v1/traces HTTP/1.1\r\n", 26) == 0);
		ck_assert(asked_has(i / 2 == 1 ? "\r\nContent-Type: application/x-protobuf\r\n"
					       : "\r\nContent-Type: application/json\r\n"));
		ck_assert_int_eq(asked_has("\r\nContent-Encoding: gzip\r\n"), i % 2 == 1);
		ck_assert(asked_has("\r\nauthorization: secret\r\n"));
		ck_assert(asked_has("\r\nempty:\r\n"));
		ck_assert(asked_has("\r\nUser-Agent: me\r\n"));
		ck_assert(asked_has("\r\nContent-Length: 4\r\n"));
		ck_assert(!asked_has("Expect"));
		ck_assert_int_eq(
			strncmp(strstr(collector.asked, "\r\n\r\n") + 4, body.bytes, 4), 0);
	}
	sender_rest(sender);
	ck_assert_ptr_null(answer->body.bytes);
	sender_free(sender);
	collector_close();
}
END_TEST

/*
 * A body in several parts, over a kept connection that ends when all of it has come the first time:
 * it is posted again over another one, from its first byte.
 */
START_TEST(test_posted_again)
{
	static char bytes[100000];
	struct exporter_config config = {.response_bytes_max = 1000, .user_agent = "me"};
	const struct sender_body short_body = {"abc", 3, false, false};
	const struct sender_body body = {bytes, sizeof bytes, false, false};
	const struct sender_answer *answer;
	struct sender *sender;
	char error[256];
	size_t i, ends = 0;

	for (i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)('a' + i % 23 + i / 2048 % 3);
	collector_open();
	config.endpoint = collector.endpoint;
	sender = sender_new(&config, error, sizeof error);
	ck_assert_ptr_nonnull(sender);
	answer = post(sender, &short_body, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1", false);
	ck_assert_int_eq(answer->status, 200);
	collector.asked_size = 0;
	sender_begin(sender, &body);
	while ((answer = sender_step(sender)) == NULL) {
		if (collector_read(sizeof bytes) && ends++ == 0) {
			ck_assert_int_eq(close(collector.fd), 0);
			collector.fd = -1;
			collector.asked_size = 0;
		} else if (ends == 2) {
			i = strlen("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
			ck_assert_int_eq(write(collector.fd,
						 "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", i),
				i);
			ends++;
		}
		sender_wait(sender, 10);
	}
	ck_assert_int_eq(answer->status, 200);
	ck_assert_uint_eq(ends, 3);
	ck_assert(asked_has("\r\nContent-Length: 100000\r\n"));
	ck_assert_mem_eq(strstr(collector.asked, "\r\n\r\n") + 4, bytes, sizeof bytes);
	sender_free(sender);
	collector_close();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("sender");

	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_no_memory_for_a_batch);
	tcase_add_test(tc, test_no_memory_meanwhile);
	tcase_add_test(tc, test_cancel);
	tcase_add_loop_test(tc, test_answers, 0, (int)(sizeof answers / sizeof *answers));
	tcase_add_test(tc, test_requests);
	tcase_add_test(tc, test_posted_again);
	return unit_run("sender", tc);
}

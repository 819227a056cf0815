/*
 * The exporter against a collector that misbehaves in every way it can: a thread of this program on
 * a loopback port. After each case every span must be accounted for.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>

#include "exporter/exporter.h"
#include "tests/unit/unit.h"

/* The collector puts in the Content-Length. */
#define ANSWER(head, body) "HTTP/1.1 " head "\r\nContent-Type: application/json\r\n\r\n" body
#define STATUS(status)     ANSWER(status, "{}")
#define GOOD               STATUS("200 OK")

/* What is not the text of an answer. */
static const char act_hang[] = "never answers";
static const char act_reset[] = "resets the connection in the middle of the request";
static const char act_close[] = "closes the connection after the request";
static const char act_slow[] = "answers one byte after the other";
static const char act_endless[] = "sends a body without end";
static const char act_bomb[] = "sends a small body that is large when unpacked";

enum { ACTS_MAX = 4, REQUEST_MAX = 4 << 20, LINES_MAX = 8192 };

struct collector {
	int listener, quit; /* quit: readable when the thread is to end */
	uint16_t port;
	pthread_t thread;
	const char *acts[ACTS_MAX]; /* the last one is repeated */
	pthread_mutex_t mutex;
	unsigned accepts, requests;
	char *request; /* the last one, head and unpacked body, terminated */
	bool was_gzip;
};

/* --- the collector --- */

/* Whether fd became readable; otherwise the thread is to end. */
static bool collector_wait(struct collector *collector, int fd, int timeout_ms)
{
	struct pollfd fds[] = {
		{.fd = collector->quit, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

	return poll(fds, 2, timeout_ms) >= 0 && (fds[0].revents == 0) &&
	       (timeout_ms >= 0 || fds[1].revents != 0);
}

static bool collector_is_quitting(struct collector *collector)
{
	return !collector_wait(collector, -1, 0);
}

static const char *collector_act(struct collector *collector)
{
	unsigned i, last = 0;

	for (i = 0; i < ACTS_MAX; i++)
		if (collector->acts[i] != NULL)
			last = i;
	return collector->acts[collector->requests < last ? collector->requests : last];
}

static size_t collector_body_size(const char *request)
{
	const char *length = strcasestr(request, "\r\nContent-Length:");

	return length == NULL ? 0 : strtoul(length + 17, NULL, 10);
}

/* Reads one request; 0 at the end of the connection. */
static size_t collector_read(struct collector *collector, int fd, char *buffer, bool to_the_end)
{
	size_t size = 0, wanted = 0;
	const char *head_end;
	ssize_t got;

	while (size < REQUEST_MAX && collector_wait(collector, fd, -1)) {
		got = read(fd, buffer + size, REQUEST_MAX - size);
		if (got <= 0)
			return 0;
		size += (size_t)got;
		buffer[size] = '\0';
		head_end = strstr(buffer, "\r\n\r\n");
		if (head_end != NULL)
			wanted = (size_t)(head_end - buffer) + 4 + collector_body_size(buffer);
		if (head_end != NULL && (size >= wanted || !to_the_end))
			return size;
	}
	return 0;
}

static size_t collector_unpack(char *plain, const char *packed, size_t size)
{
	z_stream stream = {.next_in = (Bytef *)(uintptr_t)packed, .avail_in = (uInt)size};
	int result;

	stream.next_out = (Bytef *)plain;
	stream.avail_out = REQUEST_MAX;
	if (inflateInit2(&stream, 15 + 16) != Z_OK)
		abort();
	result = inflate(&stream, Z_FINISH);
	inflateEnd(&stream);
	if (result != Z_STREAM_END || stream.avail_in != 0)
		abort(); /* what the exporter packed must unpack */
	return stream.total_out;
}

static void collector_keep(struct collector *collector, const char *buffer, size_t size)
{
	size_t head_size = (size_t)(strstr(buffer, "\r\n\r\n") - buffer) + 4;
	size_t body_size = size - head_size;
	bool gzip = strcasestr(buffer, "\r\nContent-Encoding: gzip\r\n") != NULL;
	char *request = malloc(head_size + REQUEST_MAX + 1);

	memcpy(request, buffer, head_size);
	if (gzip)
		body_size = collector_unpack(request + head_size, buffer + head_size, body_size);
	else
		memcpy(request + head_size, buffer + head_size, body_size);
	request[head_size + body_size] = '\0';
	pthread_mutex_lock(&collector->mutex);
	free(collector->request);
	collector->request = request;
	collector->was_gzip = gzip;
	pthread_mutex_unlock(&collector->mutex);
}

static bool collector_send(int fd, const char *bytes, size_t size)
{
	return send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static void collector_send_bomb(int fd)
{
	static const char head[] =
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n";
	size_t size = 1 << 20;
	uLong bound = compressBound(size);
	char *zeros = calloc(1, size), *packed = malloc(bound);
	z_stream stream = {.next_in = (Bytef *)zeros, .avail_in = (uInt)size};

	stream.next_out = (Bytef *)packed;
	stream.avail_out = (uInt)bound;
	if (deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	deflate(&stream, Z_FINISH);
	deflateEnd(&stream);
	(void)(collector_send(fd, head, sizeof head - 1) &&
		collector_send(fd, packed, stream.total_out));
	free(zeros);
	free(packed);
}

/* Whether the connection stays open. */
static bool collector_send_answer(int fd, const char *act)
{
	const char *body = strstr(act, "\r\n\r\n");
	char answer[1024];
	int size;

	if (body == NULL) {
		collector_send(fd, act, strlen(act));
		return false;
	}
	size = snprintf(answer, sizeof answer, "%.*s\r\nContent-Length: %zu%s", (int)(body - act),
		act, strlen(body) - 4, body);
	return collector_send(fd, answer, (size_t)size);
}

/* Whether the connection stays open. */
static bool collector_answer(struct collector *collector, int fd, const char *act)
{
	static char block[65536];
	const char *p;

	if (act == act_hang) {
		(void)collector_wait(collector, fd, -1); /* until the other side gives up */
		return false;
	}
	if (act == act_close)
		return false;
	if (act == act_bomb) {
		collector_send_bomb(fd);
		return false;
	}
	if (act == act_endless) {
		collector_send(fd, "HTTP/1.1 200 OK\r\n\r\n", 19);
		memset(block, ' ', sizeof block);
		while (!collector_is_quitting(collector) && collector_send(fd, block, sizeof block))
			;
		return false;
	}
	if (act == act_slow) {
		for (p = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
			*p != '\0' && collector_wait(collector, -1, 1); p++)
			collector_send(fd, p, 1);
		return true;
	}
	return collector_send_answer(fd, act);
}

static void collector_reset(int fd)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static void collector_serve(struct collector *collector, int fd, char *buffer)
{
	const char *act = collector_act(collector);
	size_t size;

	while ((size = collector_read(collector, fd, buffer, act != act_reset)) > 0) {
		if (act != act_reset)
			collector_keep(collector, buffer, size);
		pthread_mutex_lock(&collector->mutex);
		collector->requests++;
		pthread_mutex_unlock(&collector->mutex);
		if (act == act_reset) {
			collector_reset(fd);
			return;
		}
		if (!collector_answer(collector, fd, act))
			return;
		act = collector_act(collector);
	}
}

static void *collector_run(void *arg)
{
	struct collector *collector = arg;
	char *buffer = malloc(REQUEST_MAX + 1);
	int fd;

	while (collector_wait(collector, collector->listener, -1)) {
		fd = accept(collector->listener, NULL, NULL);
		if (fd < 0)
			continue;
		pthread_mutex_lock(&collector->mutex);
		collector->accepts++;
		pthread_mutex_unlock(&collector->mutex);
		collector_serve(collector, fd, buffer);
		close(fd);
	}
	free(buffer);
	return NULL;
}

static int listen_somewhere(uint16_t *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static void collector_start(struct collector *collector, const char *const *acts)
{
	memset(collector, 0, sizeof *collector);
	memcpy(collector->acts, acts, sizeof collector->acts);
	pthread_mutex_init(&collector->mutex, NULL);
	collector->listener = listen_somewhere(&collector->port);
	collector->quit = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_eq(pthread_create(&collector->thread, NULL, collector_run, collector), 0);
}

static void collector_stop(struct collector *collector)
{
	uint64_t one = 1;

	ck_assert_int_eq(write(collector->quit, &one, sizeof one), sizeof one);
	pthread_join(collector->thread, NULL);
	close(collector->listener);
	close(collector->quit);
	free(collector->request);
}

/* --- the exporter under test --- */

struct setup {
	struct collector collector;
	struct exporter_config config;
	struct exporter *exporter;
	char endpoint[128];
	char error[256];
	pthread_mutex_t mutex;
	char lines[LINES_MAX]; /* of the report, each ended by a newline */
};

static void setup_report(void *arg, enum exporter_level level, const char *line)
{
	static const char *const levels[] = {"error", "warn", "info"};
	struct setup *setup = arg;
	size_t used;

	pthread_mutex_lock(&setup->mutex);
	used = strlen(setup->lines);
	snprintf(setup->lines + used, sizeof setup->lines - used, "%s %s\n", levels[level], line);
	pthread_mutex_unlock(&setup->mutex);
}

static const struct span_attribute resource[] = {
	{.key = "service.name", .type = SPAN_VALUE_STRING, .value = {.string = {"test", 4}}},
};

/* acts NULL: there is no collector; the endpoint is a port on which nobody listens. */
static void setup_open(struct setup *setup, const char *const acts[ACTS_MAX])
{
	memset(setup, 0, sizeof *setup);
	pthread_mutex_init(&setup->mutex, NULL);
	if (acts != NULL)
		collector_start(&setup->collector, acts);
	else
		close(listen_somewhere(&setup->collector.port));
	snprintf(setup->endpoint, sizeof setup->endpoint, "http://127.0.0.1:%u/v1/traces",
		setup->collector.port);
	setup->config = (struct exporter_config){
		.target = EXPORTER_OTLP,
		.endpoint = setup->endpoint,
		.endpoint_shown = setup->endpoint,
		.timeout_ms = 20000,
		.request_bytes_max = 4 << 20,
		.response_bytes_max = 65536,
		.batch_spans_max = 5,
		.batch_bytes_max = 1 << 20,
		.queue_spans_max = 100,
		.queue_bytes_max = 16 << 20,
		.retry_initial_ms = 10,
		.retry_max_ms = 40,
		.resource = resource,
		.resource_count = 1,
		.scope_name = "test",
		.user_agent = "test/1",
		.report = setup_report,
		.report_arg = setup,
	};
}

static void setup_new(struct setup *setup)
{
	setup->exporter = exporter_new(&setup->config, setup->error, sizeof setup->error);
	ck_assert_msg(setup->exporter != NULL, "%s", setup->error);
}

static void setup_start(struct setup *setup)
{
	ck_assert_msg(exporter_start(setup->exporter, setup->error, sizeof setup->error) == 0, "%s",
		setup->error);
}

static void setup_close(struct setup *setup)
{
	exporter_free(setup->exporter);
	if (setup->collector.listener > 0)
		collector_stop(&setup->collector);
}

/* Spans named "span N." with N from 0 on. */
static void submit(struct setup *setup, unsigned count)
{
	struct span span = {.kind = SPAN_KIND_SERVER, .start_unix_ns = 1, .end_unix_ns = 2};
	static unsigned number;
	char name[32];

	while (count-- > 0) {
		snprintf(name, sizeof name, "span %u.", number++);
		span.name = (struct span_text){name, strlen(name)};
		exporter_submit(setup->exporter, &span);
	}
}

/* Reads the counters and checks the equation. */
static struct exporter_counters balance(struct setup *setup)
{
	struct exporter_counters c;

	exporter_counters_read(setup->exporter, &c);
	ck_assert_uint_eq(c.created, c.sent + c.rejected + c.dropped_queue + c.dropped_refused +
					     c.dropped_retries + c.dropped_too_large +
					     c.dropped_memory + c.dropped_shutdown + c.pending);
	return c;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until all spans have a verdict; the equation holds all the while. */
static struct exporter_counters settle(struct setup *setup)
{
	int64_t end_ms = now_ms() + 30000;
	struct exporter_counters c;

	while ((c = balance(setup)).pending > 0) {
		ck_assert_int_lt(now_ms(), end_ms);
		poll(NULL, 0, 1);
	}
	return c;
}

/* Until the collector has seen that many requests. */
static void await_requests(struct setup *setup, unsigned count)
{
	int64_t end_ms = now_ms() + 30000;
	unsigned seen;

	do {
		ck_assert_int_lt(now_ms(), end_ms);
		poll(NULL, 0, 1);
		pthread_mutex_lock(&setup->collector.mutex);
		seen = setup->collector.requests;
		pthread_mutex_unlock(&setup->collector.mutex);
	} while (seen < count);
}

static unsigned count_of(const char *text, const char *part)
{
	unsigned count = 0;

	for (text = strstr(text, part); text != NULL; text = strstr(text + 1, part))
		count++;
	return count;
}

/* --- one batch of five spans, and what becomes of it --- */

#define TAKEN "/v1/traces takes spans\n"

static const struct outcome {
	const char *acts[ACTS_MAX];
	int64_t timeout_ms; /* 0: the usual one */
	uint64_t sent, rejected, refused, retries, too_large;
	uint64_t posts, reposts; /* 0 posts: any number */
	const char *lines[3];    /* parts of the lines reported, and there are no others */
} outcomes[] = {
	{{GOOD}, .sent = 5, .posts = 1, .lines = {TAKEN}},
	{{ANSWER("200 OK", "")}, .sent = 5, .posts = 1, .lines = {TAKEN}},
	{{ANSWER("202 Accepted", "")}, .sent = 5, .posts = 1, .lines = {TAKEN}},
	{{ANSWER("200 OK", "{\"partialSuccess\":{}}")}, .sent = 5, .posts = 1, .lines = {TAKEN}},
	{{act_slow}, .sent = 5, .posts = 1, .lines = {TAKEN}},
	{{ANSWER("200 OK",
		 "{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"x\"}}")},
		.sent = 2, .rejected = 3, .posts = 1, .lines = {"warn 3 spans rejected"}},
	{{ANSWER("200 OK", "{\"partialSuccess\":{\"rejectedSpans\":9}}")}, .rejected = 5,
		.posts = 1, .lines = {"warn 5 spans rejected"}},
	{{ANSWER("200 OK", "{\"partialSuccess\":{\"errorMessage\":\"old\"}}")}, .sent = 5,
		.posts = 1, .lines = {": old\n"}},
	{{ANSWER("200 OK", "<html>")}, .sent = 5, .posts = 1, .lines = {"not OTLP JSON"}},
	/* what passes is tried again, and told once */
	{{STATUS("503 Busy"), GOOD}, .sent = 5, .posts = 2, .reposts = 1,
		.lines = {"takes no spans, they wait: status 503\n", "takes spans again"}},
	{{STATUS("429 Slow"), STATUS("502 Bad"), STATUS("504 Late"), GOOD}, .sent = 5, .posts = 4,
		.reposts = 3, .lines = {"status 429", "takes spans again"}},
	{{act_close, GOOD}, .sent = 5, .posts = 2, .reposts = 1,
		.lines = {"takes no spans", "takes spans again"}},
	{{act_reset, GOOD}, .sent = 5, .posts = 2, .reposts = 1,
		.lines = {"takes no spans", "takes spans again"}},
	{{STATUS("503 Busy")}, .timeout_ms = 200, .retries = 5,
		.lines = {"takes no spans", "5 spans given up"}},
	{{act_hang}, .timeout_ms = 200, .retries = 5, .posts = 1,
		.lines = {"takes no spans, they wait: no answer in time", "5 spans given up"}},
	{{"HTTP/1.1 503 Busy\r\nRetry-After: 86400\r\n\r\n"}, .timeout_ms = 200, .retries = 5,
		.posts = 1, .lines = {"takes no spans", "5 spans given up"}},
	/* what does not pass is not */
	{{ANSWER("400 Bad", "{\"code\":3,\"message\":\"no array\"}")}, .refused = 5, .posts = 1,
		.lines = {"error 5 spans refused", "status 400: no array"}},
	{{STATUS("401 No")}, .refused = 5, .posts = 1,
		.lines = {": status 401, it wants credentials: they belong into the headers for "
			  "the collector\n"}},
	{{ANSWER("403 No", "{\"message\":\"your quota\"}")}, .refused = 5, .posts = 1,
		.lines = {": status 403, the credentials in the headers for the collector do not "
			  "allow it: your quota\n"}},
	{{STATUS("404 No")}, .refused = 5, .posts = 1,
		.lines = {": status 404, no traces are taken at this path: a base URL gets "
			  "/v1/traces appended, a URL for traces is used as it is\n"}},
	{{STATUS("405 No")}, .refused = 5, .posts = 1,
		.lines = {": status 405, nothing is taken by POST at this path: "}},
	{{STATUS("408 No")}, .refused = 5, .posts = 1, .lines = {": status 408\n"}},
	{{STATUS("413 No")}, .too_large = 5, .posts = 9,
		.lines = {"error 1 spans lost, over a size limit, at the collector "}},
	{{STATUS("413 No"), GOOD}, .sent = 5, .posts = 3, .lines = {"takes spans"}},
	{{STATUS("415 No")}, .refused = 5, .posts = 1,
		.lines = {": status 415, it may take protobuf only (otlp.protocol "
			  "http/protobuf), or JSON only (http/json)\n"}},
	{{STATUS("500 No")}, .refused = 5, .posts = 1, .lines = {"status 500"}},
	{{STATUS("501 No")}, .refused = 5, .posts = 1, .lines = {"status 501"}},
	{{"HTTP/1.1 307 Go\r\nLocation: /elsewhere\r\n\r\n", GOOD}, .refused = 5, .posts = 1,
		.lines = {"redirect"}},
	{{"this is not HTTP\r\n", GOOD}, .refused = 5, .posts = 1,
		.lines = {"refused",
			"the answer is not HTTP/1.1: a port for gRPC, such as 4317? "}},
	/* a frame, as HTTP/2 begins with */
	{{"\x01\x01\x06\x04\x01\x01\x01\x01\x01", GOOD}, .refused = 5, .posts = 1,
		.lines = {"refused", "OTLP over HTTP has 4318\n"}},
	{{act_endless}, .too_large = 5, .posts = 1,
		.lines = {"error 5 spans lost, over a size limit, at the collector "}},
	{{act_bomb}, .too_large = 5, .posts = 1,
		.lines = {": the answer is longer than response_bytes_max\n"}},
};

static void lines_are(struct setup *setup, const char *const parts[3], unsigned line_count)
{
	unsigned i;

	for (i = 0; i < 3 && parts[i] != NULL; i++)
		ck_assert_msg(strstr(setup->lines, parts[i]) != NULL, "no \"%s\" in: %s", parts[i],
			setup->lines);
	ck_assert_msg(count_of(setup->lines, "\n") == line_count, "%s", setup->lines);
}

START_TEST(test_outcomes)
{
	const struct outcome *outcome = &outcomes[_i];
	struct exporter_counters c;
	struct setup setup;
	unsigned line_count = 0;

	setup_open(&setup, outcome->acts);
	if (outcome->timeout_ms > 0)
		setup.config.timeout_ms = outcome->timeout_ms;
	setup_new(&setup);
	setup_start(&setup);
	submit(&setup, 5);
	c = settle(&setup);
	exporter_stop(setup.exporter, 10000);
	ck_assert_uint_eq(c.created, 5);
	ck_assert_uint_eq(c.sent, outcome->sent);
	ck_assert_uint_eq(c.rejected, outcome->rejected);
	ck_assert_uint_eq(c.dropped_refused, outcome->refused);
	ck_assert_uint_eq(c.dropped_retries, outcome->retries);
	ck_assert_uint_eq(c.dropped_too_large, outcome->too_large);
	if (outcome->posts > 0) {
		ck_assert_uint_eq(c.posts, outcome->posts);
		ck_assert_uint_eq(c.retries, outcome->reposts);
	}
	while (line_count < 3 && outcome->lines[line_count] != NULL)
		line_count++;
	if (outcome->refused > 0 && line_count > 1)
		line_count = 1; /* two parts of one line */
	lines_are(&setup, outcome->lines, line_count);
	setup_close(&setup);
}
END_TEST

START_TEST(test_retry_after_is_waited)
{
	static const char *const acts[ACTS_MAX] = {
		"HTTP/1.1 429 Slow\r\nretry-AFTER:  1 \r\n\r\n", GOOD};
	struct setup setup;
	int64_t start_ms;

	setup_open(&setup, acts);
	setup_new(&setup);
	setup_start(&setup);
	start_ms = now_ms();
	submit(&setup, 5);
	ck_assert_uint_eq(settle(&setup).sent, 5);
	ck_assert_int_ge(now_ms() - start_ms, 1000);
	setup_close(&setup);
}
END_TEST

/* Advice to come back at once makes no pause shorter: 50 ms at least, then 100 ms. */
START_TEST(test_retry_after_nothing)
{
	static const char *const acts[][ACTS_MAX] = {
		{"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\n\r\n"},
		{"HTTP/1.1 429 Slow\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"},
		{"HTTP/1.1 503 Busy\r\nRetry-After: -5\r\n\r\n"}};
	struct exporter_counters c;
	struct setup setup;

	setup_open(&setup, acts[_i]);
	setup.config.retry_initial_ms = 100;
	setup.config.retry_max_ms = 200;
	setup.config.timeout_ms = 400;
	setup_new(&setup);
	setup_start(&setup);
	submit(&setup, 5);
	c = settle(&setup);
	ck_assert_uint_eq(c.dropped_retries, 5);
	ck_assert_uint_ge(c.posts, 2);
	ck_assert_uint_le(c.posts, 5);
	setup_close(&setup);
}
END_TEST

/* --- what the collector sees --- */

START_TEST(test_request)
{
	static const char *const acts[ACTS_MAX] = {GOOD};
	static const struct exporter_header headers[] = {
		{"Authorization", "Bearer geheim"}, {"X-Empty", ""}};
	struct span span = {.kind = SPAN_KIND_SERVER};
	char *name = malloc(2 << 20);
	struct setup setup;
	const char *seen;

	setup_open(&setup, acts);
	setup.config.headers = headers;
	setup.config.header_count = 2;
	setup.config.gzip = _i;
	setup.config.batch_bytes_max = 4 << 20;
	setup_new(&setup);
	setup_start(&setup);
	memset(name, 'n', 2 << 20); /* large enough for libcurl to want to Expect */
	span.name = (struct span_text){name, 2 << 20};
	exporter_submit(setup.exporter, &span);
	exporter_stop(setup.exporter, 10000);
	ck_assert_uint_eq(balance(&setup).sent, 1);
	seen = setup.collector.request;
	ck_assert_int_eq(strncmp(seen, "POST /v1/traces HTTP/1.1\r\n", 26), 0);
	ck_assert_ptr_nonnull(strstr(seen, "\r\nContent-Type: application/json\r\n"));
	ck_assert_ptr_nonnull(strstr(seen, "\r\nUser-Agent: test/1\r\n"));
	ck_assert_ptr_nonnull(strstr(seen, "\r\nAuthorization: Bearer geheim\r\n"));
	ck_assert_ptr_nonnull(strstr(seen, "\r\nX-Empty:"));
	ck_assert_ptr_null(strstr(seen, "\r\nExpect"));
	ck_assert_int_eq(setup.collector.was_gzip, _i);
	seen = strstr(seen, "\r\n\r\n") + 4;
	ck_assert_int_eq(strncmp(seen, "{\"resourceSpans\":[", 18), 0);
	ck_assert_uint_gt(strlen(seen), 2 << 20);
	ck_assert_str_eq(seen + strlen(seen) - 7, "}]}]}]}");
	setup_close(&setup);
	free(name);
}
END_TEST

START_TEST(test_one_connection)
{
	static const char *const acts[ACTS_MAX] = {GOOD};
	struct exporter_counters c;
	struct setup setup;
	unsigned i;

	setup_open(&setup, acts);
	setup.config.gzip = true;
	setup_new(&setup);
	setup_start(&setup);
	for (i = 0; i < 100; i++) {
		submit(&setup, 5);
		c = settle(&setup);
	}
	ck_assert_uint_eq(c.sent, 500);
	ck_assert_uint_eq(c.posts, 100);
	ck_assert_uint_eq(setup.collector.accepts, 1);
	ck_assert_uint_eq(count_of(setup.lines, TAKEN), 1);
	ck_assert_uint_eq(count_of(setup.lines, "\n"), 1);
	setup_close(&setup);
}
END_TEST

/* An idle exporter sends nothing; a sealed batch goes although it is not full. */
START_TEST(test_seal)
{
	static const char *const acts[ACTS_MAX] = {GOOD};
	struct setup setup;

	setup_open(&setup, acts);
	setup_new(&setup);
	setup_start(&setup);
	exporter_seal(setup.exporter);
	submit(&setup, 2);
	ck_assert_uint_eq(balance(&setup).pending, 2);
	exporter_seal(setup.exporter);
	exporter_seal(setup.exporter);
	ck_assert_uint_eq(settle(&setup).sent, 2);
	ck_assert_uint_eq(balance(&setup).posts, 1);
	exporter_stop(setup.exporter, 10000);
	ck_assert_uint_eq(balance(&setup).posts, 1);
	setup_close(&setup);
}
END_TEST

/* --- limits --- */

START_TEST(test_queue_drops_the_oldest)
{
	static const char *const acts[ACTS_MAX] = {GOOD};
	struct exporter_counters c;
	struct setup setup;

	setup_open(&setup, acts);
	setup.config.queue_spans_max = 14; /* two batches of five, not three */
	setup_new(&setup);
	submit(&setup, 50);
	c = balance(&setup);
	ck_assert_uint_eq(c.dropped_queue, 40);
	ck_assert_uint_eq(c.pending, 10);
	setup_start(&setup);
	c = settle(&setup);
	ck_assert_uint_eq(c.sent, 10);
	ck_assert_uint_eq(c.posts, 2);
	exporter_stop(setup.exporter, 10000);
	ck_assert_ptr_nonnull(strstr(setup.collector.request, "span 45."));
	ck_assert_ptr_nonnull(strstr(setup.collector.request, "span 49."));
	ck_assert_ptr_nonnull(strstr(setup.lines, "warn 40 spans dropped"));
	setup_close(&setup);
}
END_TEST

START_TEST(test_queue_bytes)
{
	static char name[10000];
	struct span span = {.kind = SPAN_KIND_SERVER, .name = {name, sizeof name}};
	struct exporter_counters c;
	struct setup setup;
	unsigned i;

	memset(name, 'n', sizeof name);
	setup_open(&setup, NULL);
	setup.config.queue_spans_max = 1000000;
	setup.config.batch_spans_max = 1000000;
	setup.config.queue_bytes_max = 200000;
	setup_new(&setup);
	for (i = 0; i < 1000; i++)
		exporter_submit(setup.exporter, &span);
	c = balance(&setup);
	ck_assert_uint_eq(c.dropped_queue + c.pending, 1000);
	/* in batches of four, and of those that wait behind the first only what is needed counts */
	ck_assert_uint_ge(c.pending, 16);
	ck_assert_uint_le(c.pending, 23);
	setup_close(&setup);
}
END_TEST

/* Without a limit by number a burst stays as long as its bytes have room. */
START_TEST(test_queue_by_bytes_alone)
{
	static char name[4500];
	struct span span = {.kind = SPAN_KIND_SERVER, .name = {name, sizeof name}};
	struct exporter_counters c;
	struct setup setup;
	unsigned i;

	memset(name, 'n', sizeof name);
	setup_open(&setup, NULL);
	setup.config.queue_spans_max = SIZE_MAX;
	setup.config.batch_spans_max = 512;
	setup_new(&setup);
	for (i = 0; i < 3000; i++)
		exporter_submit(setup.exporter, &span);
	c = balance(&setup);
	ck_assert_uint_eq(c.pending, 3000);
	for (i = 0; i < 1000; i++)
		exporter_submit(setup.exporter, &span);
	c = balance(&setup);
	ck_assert_uint_gt(c.dropped_queue, 0);
	ck_assert_uint_le(c.pending * sizeof name, (16 << 20) + (1 << 20));
	setup_close(&setup);
}
END_TEST

/* While one batch is retried the others wait, within the limit. */
START_TEST(test_queue_during_retries)
{
	struct exporter_counters c;
	struct setup setup;
	unsigned i;

	setup_open(&setup, NULL);
	setup_new(&setup);
	setup_start(&setup);
	for (i = 0; i < 1000; i++) {
		submit(&setup, 5);
		balance(&setup);
	}
	c = balance(&setup);
	ck_assert_uint_le(c.pending, 105);
	ck_assert_uint_ge(c.dropped_queue, 4895);
	exporter_stop(setup.exporter, 0);
	c = balance(&setup);
	ck_assert_uint_eq(c.pending, 0);
	ck_assert_uint_eq(c.dropped_queue + c.dropped_shutdown, 5000);
	ck_assert_uint_le(count_of(setup.lines, "takes no spans"), 1);
	setup_close(&setup);
}
END_TEST

/*
 * After a peak an idle exporter has no more allocations than before, where it otherwise keeps four
 * batches and a compressor, and works as before. The collector has up to two of its own.
 */
START_TEST(test_rest)
{
	static const char *const acts[ACTS_MAX] = {GOOD};
	int64_t end_ms = now_ms() + 30000;
	struct setup setup;
	unsigned round;
	long before;

	setup_open(&setup, acts);
	setup.config.gzip = true;
	setup.config.rest_after_ms = 20;
	setup_new(&setup);
	before = unit_alloc_alive();
	setup_start(&setup);
	for (round = 1; round <= 3; round++) {
		submit(&setup, 98);
		exporter_seal(setup.exporter);
		ck_assert_uint_eq(settle(&setup).sent, round * 98);
		while (unit_alloc_alive() > before + 2) {
			ck_assert_int_lt(now_ms(), end_ms);
			poll(NULL, 0, 1);
		}
	}
	setup_close(&setup);
}
END_TEST

START_TEST(test_too_large)
{
	static const char *const acts[ACTS_MAX] = {GOOD};
	static char name[100000];
	struct span span = {.kind = SPAN_KIND_SERVER, .name = {name, sizeof name}};
	struct exporter_counters c;
	struct setup setup;

	memset(name, 'n', sizeof name);
	setup_open(&setup, acts);
	setup.config.request_bytes_max = 50000;
	setup_new(&setup);
	setup_start(&setup);
	submit(&setup, 2);
	exporter_submit(setup.exporter, &span);
	submit(&setup, 2);
	exporter_stop(setup.exporter, 10000);
	c = balance(&setup);
	ck_assert_uint_eq(c.dropped_too_large, 1);
	ck_assert_uint_eq(c.sent, 4);
	setup_close(&setup);
}
END_TEST

/* Without a collector's thread: the refused allocations are those of this one. */
START_TEST(test_no_memory_for_spans)
{
	struct exporter_counters c;
	struct setup setup;
	long n;

	setup_open(&setup, NULL);
	setup_new(&setup);
	for (n = 0; n < 2; n++) {
		unit_alloc_fail_after(n);
		submit(&setup, 1);
		unit_alloc_fail_never();
	}
	submit(&setup, 3);
	c = balance(&setup);
	ck_assert_uint_eq(c.dropped_memory, 2);
	ck_assert_uint_eq(c.pending, 3);
	setup_close(&setup);
}
END_TEST

/* --- the end --- */

/* A collector that hangs is cut at the deadline. */
START_TEST(test_stop_hanging)
{
	static const char *const acts[ACTS_MAX] = {act_hang};
	struct setup setup;
	int64_t start_ms, took_ms;

	setup_open(&setup, acts);
	setup_new(&setup);
	setup_start(&setup);
	submit(&setup, 23);
	await_requests(&setup, 1);
	start_ms = now_ms();
	exporter_stop(setup.exporter, 300);
	took_ms = now_ms() - start_ms;
	ck_assert_int_ge(took_ms, 300);
	ck_assert_int_lt(took_ms, 2000);
	ck_assert_uint_eq(balance(&setup).dropped_shutdown, 23);
	setup_close(&setup);
}
END_TEST

/*
 * The stop wakes the transfer: otherwise each of these would take the 200 ms or more until it looks
 * by itself.
 */
START_TEST(test_stop_wakes_a_transfer)
{
	static const char *const acts[ACTS_MAX] = {act_hang};
	struct setup setup;
	int64_t start_ms, took_ms = 0;
	int i;

	for (i = 0; i < 10; i++) {
		setup_open(&setup, acts);
		setup_new(&setup);
		setup_start(&setup);
		submit(&setup, 5);
		await_requests(&setup, 1);
		start_ms = now_ms();
		exporter_stop(setup.exporter, 0);
		took_ms += now_ms() - start_ms;
		ck_assert_uint_eq(balance(&setup).dropped_shutdown, 5);
		setup_close(&setup);
	}
	ck_assert_int_lt(took_ms, 1000);
}
END_TEST

/* One that is not there is tried again until the deadline, and holds the exit no longer. */
START_TEST(test_stop_unreachable)
{
	struct exporter_counters c;
	struct setup setup;
	int64_t start_ms;

	setup_open(&setup, NULL);
	setup.config.retry_initial_ms = setup.config.retry_max_ms = 30000;
	setup_new(&setup);
	submit(&setup, 98);
	setup_start(&setup);
	start_ms = now_ms();
	exporter_stop(setup.exporter, 1000);
	ck_assert_int_lt(now_ms() - start_ms, 5000);
	c = balance(&setup);
	ck_assert_uint_eq(c.dropped_shutdown, 98);
	ck_assert_uint_ge(c.posts, 3);
	ck_assert_uint_le(c.posts, 30); /* 20 batches, and pauses of 100 ms at least */
	setup_close(&setup);
}
END_TEST

/* A collector that is back in time gets everything, with pauses that fit what is left. */
START_TEST(test_stop_goes_on)
{
	static const char *const acts[ACTS_MAX] = {STATUS("503 Busy"),
		"HTTP/1.1 503 Busy\r\nRetry-After: 1000\r\n\r\n", STATUS("429 Slow"), GOOD};
	struct exporter_counters c;
	struct setup setup;
	int64_t start_ms = now_ms();

	setup_open(&setup, acts);
	setup.config.retry_initial_ms = setup.config.retry_max_ms = 3600000;
	setup.config.timeout_ms = 0;
	setup_new(&setup);
	submit(&setup, 12);
	setup_start(&setup);
	exporter_stop(setup.exporter, 60000);
	ck_assert_int_ge(now_ms() - start_ms, 100 + 200); /* and 250 unless the first was before */
	ck_assert_int_lt(now_ms() - start_ms, 20000);
	c = balance(&setup);
	ck_assert_uint_eq(c.sent, 12);
	ck_assert_uint_eq(c.retries, 3);
	ck_assert_uint_eq(c.posts - c.retries, 3);
	setup_close(&setup);
}
END_TEST

/*
 * A time that the collector asks for is waited if it fits, whether the stop came before or after.
 */
START_TEST(test_stop_heeds_retry_after)
{
	static const char *const acts[ACTS_MAX] = {
		"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\n\r\n", GOOD};
	struct setup setup;
	int64_t start_ms;

	setup_open(&setup, acts);
	setup_new(&setup);
	submit(&setup, 5);
	start_ms = now_ms();
	setup_start(&setup);
	if (_i == 1)
		await_requests(&setup, 1);
	exporter_stop(setup.exporter, 30000);
	ck_assert_int_ge(now_ms() - start_ms, 1000);
	ck_assert_uint_eq(balance(&setup).sent, 5);
	ck_assert_uint_eq(balance(&setup).posts, 2);
	setup_close(&setup);
}
END_TEST

/* The stop ends a long pause, and what waits is delivered. */
START_TEST(test_stop_in_a_pause)
{
	static const char *const acts[ACTS_MAX] = {
		"HTTP/1.1 503 Busy\r\nRetry-After: 1000\r\n\r\n", GOOD};
	struct setup setup;
	int64_t start_ms = now_ms();

	setup_open(&setup, acts);
	setup.config.timeout_ms = 0;
	setup_new(&setup);
	setup_start(&setup);
	submit(&setup, 12);
	await_requests(&setup, 1);
	exporter_stop(setup.exporter, 30000);
	ck_assert_int_lt(now_ms() - start_ms, 5000);
	ck_assert_uint_eq(balance(&setup).sent, 12);
	ck_assert_uint_eq(balance(&setup).posts, 4);
	setup_close(&setup);
}
END_TEST

/* The exporter's thread reports after it chose the pause and before it begins. */
static void setup_report_slowly(void *arg, enum exporter_level level, const char *line)
{
	setup_report(arg, level, line);
	poll(NULL, 0, 200);
}

static void await_report(struct setup *setup)
{
	int64_t end_ms = now_ms() + 30000;
	bool seen;

	do {
		ck_assert_int_lt(now_ms(), end_ms);
		poll(NULL, 0, 1);
		pthread_mutex_lock(&setup->mutex);
		seen = setup->lines[0] != '\0';
		pthread_mutex_unlock(&setup->mutex);
	} while (!seen);
}

/* A stop that comes after a long pause was chosen and before it began ends it, too. */
START_TEST(test_stop_before_a_pause)
{
	static const char *const acts[ACTS_MAX] = {
		"HTTP/1.1 503 Busy\r\nRetry-After: 1000\r\n\r\n", GOOD};
	struct setup setup;
	int64_t start_ms = now_ms();

	setup_open(&setup, acts);
	setup.config.timeout_ms = 0;
	setup.config.report = setup_report_slowly;
	setup_new(&setup);
	setup_start(&setup);
	submit(&setup, 5);
	await_report(&setup);
	exporter_stop(setup.exporter, 10000);
	ck_assert_int_lt(now_ms() - start_ms, 5000);
	ck_assert_uint_eq(balance(&setup).sent, 5);
	setup_close(&setup);
}
END_TEST

START_TEST(test_stop_twice_and_after)
{
	static const char *const acts[ACTS_MAX] = {GOOD};
	struct exporter_counters c;
	struct setup setup;

	setup_open(&setup, acts);
	setup_new(&setup);
	setup_start(&setup);
	submit(&setup, 7);
	exporter_stop(setup.exporter, 10000);
	exporter_stop(setup.exporter, 10000);
	submit(&setup, 3);
	exporter_seal(setup.exporter);
	c = balance(&setup);
	ck_assert_uint_eq(c.sent, 7);
	ck_assert_uint_eq(c.dropped_shutdown, 3);
	setup_close(&setup);
}
END_TEST

START_TEST(test_never_started)
{
	struct setup setup;

	setup_open(&setup, NULL);
	setup_new(&setup);
	submit(&setup, 7);
	exporter_stop(setup.exporter, 10000);
	ck_assert_uint_eq(balance(&setup).dropped_shutdown, 7);
	setup_close(&setup);
	exporter_free(NULL);
}
END_TEST

/* The line after name in a status file of /proc. */
static unsigned long status_field(const char *path, const char *name)
{
	char text[8192];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = read(fd, text, sizeof text - 1);
	const char *line;

	close(fd);
	ck_assert_int_gt(size, 0);
	text[size] = '\0';
	line = strstr(text, name);
	ck_assert_ptr_nonnull(line);
	return strtoul(line + strlen(name), NULL, 16);
}

START_TEST(test_signals_are_blocked)
{
	char path[300], comm[32];
	struct dirent *entry;
	struct setup setup;
	unsigned seen = 0;
	FILE *file;
	DIR *tasks;

	setup_open(&setup, NULL);
	setup_new(&setup);
	setup_start(&setup);
	tasks = opendir("/proc/self/task");
	while ((entry = readdir(tasks)) != NULL) {
		snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
		file = fopen(path, "r");
		if (file == NULL)
			continue;
		if (fgets(comm, sizeof comm, file) != NULL && strcmp(comm, "exporter\n") == 0) {
			snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
			ck_assert_uint_ne(status_field(path, "SigBlk:") & 1ul << (SIGTERM - 1), 0);
			ck_assert_uint_ne(status_field(path, "SigBlk:") & 1ul << (SIGPIPE - 1), 0);
			seen++;
		}
		fclose(file);
	}
	closedir(tasks);
	ck_assert_uint_eq(seen, 1);
	ck_assert_uint_eq(status_field("/proc/self/status", "SigBlk:") & 1ul << (SIGTERM - 1), 0);
	setup_close(&setup);
}
END_TEST

/* --- making one --- */

static const struct exporter_header bad_headers[] = {
	{"A B", "x"}, {"", "x"}, {"A:", "x"}, {"A", "geheim\r\nB: y"}, {"A", "\x7fgeheim"}};

static const struct {
	const char *endpoint;
	const struct exporter_header *header;
	const char *certificate;
	const char *error;
} config_cases[] = {
	{NULL, NULL, NULL, "endpoint \"shown\": must start with http:// or https://"},
	{"localhost:4318", NULL, NULL, "endpoint \"shown\": must"},
	{"ftp://u:geheim@h/p?geheim", NULL, NULL, "endpoint \"shown\": must"},
	{"http://h", &bad_headers[0], NULL, "header number 1: not"},
	{"http://h", &bad_headers[1], NULL, "header number 1: not"},
	{"http://h", &bad_headers[2], NULL, "header number 1: not"},
	{"http://h", &bad_headers[3], NULL, "header number 1: not"},
	{"http://h", &bad_headers[4], NULL, "header number 1: not"},
	{"https://h", NULL, "/nonexistent/ca.pem",
		"certificate /nonexistent/ca.pem: No such file or directory"},
};

START_TEST(test_bad_config)
{
	struct setup setup;

	setup_open(&setup, NULL);
	setup.config.endpoint = config_cases[_i].endpoint;
	setup.config.endpoint_shown = "shown";
	setup.config.headers = config_cases[_i].header;
	setup.config.header_count = config_cases[_i].header != NULL;
	setup.config.certificate = config_cases[_i].certificate;
	ck_assert_ptr_null(exporter_new(&setup.config, setup.error, sizeof setup.error));
	ck_assert_msg(
		strncmp(setup.error, config_cases[_i].error, strlen(config_cases[_i].error)) == 0,
		"%s", setup.error);
	ck_assert_ptr_null(strstr(setup.error, "geheim"));
}
END_TEST

/* Neither what is in the URL nor in a header is ever in a line. */
START_TEST(test_secrets_are_not_told)
{
	static const struct exporter_header header = {"api-key", "geheim"};
	struct setup setup;

	setup_open(&setup, NULL);
	snprintf(setup.endpoint, sizeof setup.endpoint, "http://u:geheim@127.0.0.1:%u/p?k=geheim",
		setup.collector.port);
	setup.config.endpoint_shown = "http://shown";
	setup.config.headers = &header;
	setup.config.header_count = 1;
	setup.config.timeout_ms = 100;
	setup_new(&setup);
	setup_start(&setup);
	submit(&setup, 5);
	ck_assert_uint_eq(settle(&setup).dropped_retries, 5);
	exporter_stop(setup.exporter, 0);
	ck_assert_ptr_nonnull(strstr(setup.lines, "collector http://shown "));
	ck_assert_ptr_null(strstr(setup.lines, "geheim"));
	setup_close(&setup);
}
END_TEST

START_TEST(test_no_memory_for_exporter)
{
	static const struct exporter_header header = {"a", "b"};
	struct exporter *exporter = NULL;
	struct setup setup;
	long n;

	setup_open(&setup, NULL);
	setup.config.headers = &header;
	setup.config.header_count = 1;
	setup.config.gzip = true;
	for (n = 0; exporter == NULL; n++) {
		setup.error[0] = '\0';
		unit_alloc_fail(_i, n);
		exporter = exporter_new(&setup.config, setup.error, sizeof setup.error);
		unit_alloc_fail_never();
		ck_assert_int_eq(exporter == NULL, unit_alloc_failed());
		ck_assert_int_eq(exporter == NULL, setup.error[0] != '\0');
	}
	ck_assert_int_gt(n, 5);
	exporter_free(exporter);
}
END_TEST

/* --- console --- */

static void setup_console(struct setup *setup, int fds[2], int64_t wait_ms)
{
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	setup_open(setup, NULL);
	setup->config.target = EXPORTER_CONSOLE;
	setup->config.console_fd = fds[1];
	setup->config.console_wait_ms = wait_ms;
	setup->config.queue_spans_max = 100000;
	setup_new(setup);
	setup_start(setup);
}

START_TEST(test_console)
{
	struct setup setup;
	char text[1024];
	ssize_t size;
	int fds[2];

	setup_console(&setup, fds, 0);
	submit(&setup, 2);
	exporter_stop(setup.exporter, 10000);
	ck_assert_uint_eq(balance(&setup).sent, 2);
	size = read(fds[0], text, sizeof text - 1);
	ck_assert_int_gt(size, 0);
	text[size] = '\0';
	ck_assert_str_eq(text, "trace 00000000000000000000000000000000\n"
			       "├─ span 0.  1 ns  server\n"
			       "└─ span 1.  1 ns  server\n");
	setup_close(&setup);
	ck_assert_int_eq(close(fds[0]), 0);
	ck_assert_int_eq(close(fds[1]), 0);
}
END_TEST

/* A span of trace 01..., of that name. */
static void submit_named(struct setup *setup, const char *name, bool begun)
{
	struct span span = {
		.context.trace_id = {1},
		.name = {name, strlen(name)},
		.kind = SPAN_KIND_SERVER,
		.start_unix_ns = 1,
		.end_unix_ns = 2,
		.begun = begun,
	};

	exporter_submit(setup->exporter, &span);
}

/* A trace is shown when it has ended, or has gone on for too long, or at the end of all. */
START_TEST(test_console_waits)
{
	static const struct traceparent context = {.trace_id = {1}};
	static const char expected[] = "trace 01000000000000000000000000000000\n"
				       "└─ a  1 ns  server\n"
				       "trace 01000000000000000000000000000000\n"
				       "├─ b  1 ns  server\n"
				       "├─ c  1 ns  server\n"
				       "└─ d  1 ns  server\n";
	struct setup setup;
	char text[1024];
	ssize_t size;
	int fds[2];

	setup_console(&setup, fds, 1000);
	exporter_begin(setup.exporter, &context);
	exporter_begin(setup.exporter, &context);
	submit_named(&setup, "a", false);
	exporter_tick(setup.exporter, 500);
	exporter_tick(setup.exporter, 1499);
	ck_assert_uint_eq(balance(&setup).pending, 1);
	ck_assert_uint_eq(balance(&setup).trees_unfinished, 0);
	exporter_tick(setup.exporter, 1500);
	ck_assert_uint_eq(balance(&setup).trees_unfinished, 1);
	submit_named(&setup, "b", true);
	exporter_tick(setup.exporter, 1600);
	submit_named(&setup, "c", true);
	exporter_begin(setup.exporter, &context);
	submit_named(&setup, "d", false);
	exporter_stop(setup.exporter, 10000);
	ck_assert_uint_eq(balance(&setup).sent, 4);
	ck_assert_uint_eq(balance(&setup).trees_unfinished, 1);
	size = read(fds[0], text, sizeof text - 1);
	ck_assert_int_gt(size, 0);
	text[size] = '\0';
	ck_assert_str_eq(text, expected);
	setup_close(&setup);
	ck_assert_int_eq(close(fds[0]), 0);
	ck_assert_int_eq(close(fds[1]), 0);
}
END_TEST

/* What waits at the end is not dropped, however full the queue is; what comes later is. */
START_TEST(test_console_waits_for_all)
{
	static const struct traceparent context = {.trace_id = {1}};
	struct setup setup;
	unsigned i;
	int fds[2];

	setup_console(&setup, fds, 1000);
	exporter_begin(setup.exporter, &context);
	for (i = 0; i < 900; i++)
		submit_named(&setup, "x", false);
	ck_assert_uint_eq(balance(&setup).pending, 900);
	exporter_stop(setup.exporter, 10000);
	exporter_begin(setup.exporter, &context);
	submit_named(&setup, "late", true);
	ck_assert_uint_eq(balance(&setup).dropped_shutdown, 1);
	ck_assert_uint_eq(balance(&setup).sent, 900);
	setup_close(&setup);
	ck_assert_int_eq(close(fds[0]), 0);
	ck_assert_int_eq(close(fds[1]), 0);
}
END_TEST

/* Nobody reads: the loop goes on, and the stop keeps its deadline. */
START_TEST(test_console_blocked)
{
	struct setup setup;
	int64_t start_ms;
	int fds[2];

	setup_console(&setup, fds, 0);
	submit(&setup, 10000);
	start_ms = now_ms();
	exporter_stop(setup.exporter, 200);
	ck_assert_int_lt(now_ms() - start_ms, 2000);
	ck_assert_uint_gt(balance(&setup).dropped_shutdown, 0);
	ck_assert_uint_eq(balance(&setup).pending, 0);
	setup_close(&setup);
	ck_assert_int_eq(close(fds[0]), 0);
	ck_assert_int_eq(close(fds[1]), 0);
}
END_TEST

START_TEST(test_console_closed)
{
	struct setup setup;
	int fds[2];

	setup_console(&setup, fds, 0);
	close(fds[0]);
	submit(&setup, 7);
	exporter_stop(setup.exporter, 10000);
	ck_assert_uint_eq(balance(&setup).dropped_refused, 7);
	setup_close(&setup);
	ck_assert_int_eq(close(fds[1]), 0);
}
END_TEST

#define ROWS(cases) ((int)(sizeof(cases) / sizeof *(cases)))

int main(void)
{
	TCase *tc = tcase_create("exporter");

	unsetenv("http_proxy"); /* the collector is on this machine */
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	tcase_add_loop_test(tc, test_outcomes, 0, ROWS(outcomes));
	tcase_add_test(tc, test_retry_after_is_waited);
	tcase_add_loop_test(tc, test_retry_after_nothing, 0, 3);
	tcase_add_loop_test(tc, test_request, 0, 2);
	tcase_add_test(tc, test_one_connection);
	tcase_add_test(tc, test_seal);
	tcase_add_test(tc, test_queue_drops_the_oldest);
	tcase_add_test(tc, test_queue_bytes);
	tcase_add_test(tc, test_queue_by_bytes_alone);
	tcase_add_test(tc, test_queue_during_retries);
	tcase_add_test(tc, test_rest);
	tcase_add_test(tc, test_too_large);
	tcase_add_test(tc, test_no_memory_for_spans);
	tcase_add_test(tc, test_stop_hanging);
	tcase_add_test(tc, test_stop_wakes_a_transfer);
	tcase_add_test(tc, test_stop_unreachable);
	tcase_add_test(tc, test_stop_goes_on);
	tcase_add_loop_test(tc, test_stop_heeds_retry_after, 0, 2);
	tcase_add_test(tc, test_stop_in_a_pause);
	tcase_add_test(tc, test_stop_before_a_pause);
	tcase_add_test(tc, test_stop_twice_and_after);
	tcase_add_test(tc, test_never_started);
	tcase_add_test(tc, test_signals_are_blocked);
	tcase_add_loop_test(tc, test_bad_config, 0, ROWS(config_cases));
	tcase_add_test(tc, test_secrets_are_not_told);
	tcase_add_loop_test(tc, test_no_memory_for_exporter, 0, 2);
	tcase_add_test(tc, test_console);
	tcase_add_test(tc, test_console_waits);
	tcase_add_test(tc, test_console_waits_for_all);
	tcase_add_test(tc, test_console_blocked);
	tcase_add_test(tc, test_console_closed);
	return unit_run("exporter", tc);
}

/*
 * A collector for the benchmark: takes OTLP/HTTP JSON and counts the spans exactly, or misbehaves.
 *
 *	otlpsink [--mode ok|hang|503|429|reset|slow]
 *
 * Listens on a free loopback port. A POST is read whole and answered by the mode: counted and 200;
 * never; 503; 429 with Retry-After; reset at the request's head; counted and 200 after a second.
 * GET answers {"spans":N,"posts":N,"bytes":N} of what was accepted, and the posts in all modes.
 * A thread for each connection; a body is not kept longer than it takes to count it.
 */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/wire.h"

enum sink_mode { SINK_OK, SINK_HANG, SINK_503, SINK_429, SINK_RESET, SINK_SLOW };

static const char *const mode_names[] = {"ok", "hang", "503", "429", "reset", "slow", NULL};

static enum sink_mode sink_mode;
static atomic_uint_fast64_t sink_spans, sink_posts, sink_bytes;

struct exchange {
	int fd;
	struct wire_buffer received;
	size_t head_size;
	size_t body_size;
};

/*
 * Spans in an ExportTraceServiceRequest: each has the member startTimeUnixNano once, and nothing
 * else has it. Within a string the quotes would be escaped, so the text found is always the key.
 */
static uint64_t sink_count(const uint8_t *body, size_t size)
{
	static const char key[] = "\"startTimeUnixNano\"";
	const uint8_t *end = body + size, *found;
	uint64_t count = 0;

	while ((found = memmem(body, (size_t)(end - body), key, sizeof key - 1))) {
		count++;
		body = found + sizeof key - 1;
	}
	return count;
}

static void exchange_answer(struct exchange *exchange, const char *status, const char *body)
{
	char text[512];
	int size = snprintf(text, sizeof text,
		"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		status, strlen(body), body);

	for (int sent = 0; sent < size;) {
		ssize_t n = write(exchange->fd, text + sent, (size_t)(size - sent));

		if (n <= 0)
			return;
		sent += (int)n;
	}
}

static void exchange_report(struct exchange *exchange)
{
	char text[128];

	snprintf(text, sizeof text,
		"{\"spans\":%" PRIuFAST64 ",\"posts\":%" PRIuFAST64 ",\"bytes\":%" PRIuFAST64 "}",
		atomic_load(&sink_spans), atomic_load(&sink_posts), atomic_load(&sink_bytes));
	exchange_answer(exchange, "200 OK", text);
}

static void exchange_accept(struct exchange *exchange)
{
	const uint8_t *body =
		exchange->received.bytes + exchange->received.begin + exchange->head_size;

	atomic_fetch_add(&sink_spans, sink_count(body, exchange->body_size));
	atomic_fetch_add(&sink_bytes, exchange->body_size);
	exchange_answer(exchange, "200 OK", "{}");
}

/* The answer to a POST that was read whole. */
static void exchange_post(struct exchange *exchange)
{
	atomic_fetch_add(&sink_posts, 1);
	switch (sink_mode) {
	case SINK_SLOW:
		sleep(1);
		exchange_accept(exchange);
		break;
	case SINK_OK:
		exchange_accept(exchange);
		break;
	case SINK_HANG:
		pause();
		break;
	case SINK_503:
		exchange_answer(exchange, "503 Service Unavailable", "");
		break;
	case SINK_429:
		exchange_answer(exchange, "429 Too Many Requests\r\nRetry-After: 1", "");
		break;
	case SINK_RESET:
		break;
	}
}

/* Reads until the buffer has `wanted` bytes; -1 at the end of the connection. */
static int exchange_read(struct exchange *exchange, size_t wanted)
{
	while (wire_buffer_size(&exchange->received) < wanted)
		if (wire_read(exchange->fd, &exchange->received) <= 0)
			return -1;
	return 0;
}

/* Reads the head; sizes are set. 0, or -1 at the end of the connection. */
static int exchange_head(struct exchange *exchange)
{
	static const char length_name[] = "\r\nContent-Length:";
	struct wire_buffer *buffer = &exchange->received;
	char *head, *end = NULL, *length;

	for (size_t wanted = 1; !end; wanted = wire_buffer_size(buffer) + 1) {
		if (exchange_read(exchange, wanted))
			return -1;
		head = (char *)buffer->bytes + buffer->begin;
		end = memmem(head, wire_buffer_size(buffer), "\r\n\r\n", 4);
	}
	exchange->head_size = (size_t)(end + 4 - head);
	*end = '\0';
	length = strcasestr(head, length_name);
	exchange->body_size = length ? strtoul(length + sizeof length_name - 1, NULL, 10) : 0;
	if (!strcasestr(head, "\r\nContent-Encoding:") &&
		!strcasestr(head, "\r\nTransfer-Encoding:"))
		return 0;
	fputs("otlpsink: only plain bodies of known length are counted\n", stderr);
	return -1;
}

/* One request and its answer; -1 when the connection is over. */
static int exchange_run(struct exchange *exchange)
{
	if (exchange_head(exchange))
		return -1;
	if (exchange->received.bytes[exchange->received.begin] == 'G')
		exchange_report(exchange);
	else if (sink_mode == SINK_RESET) {
		atomic_fetch_add(&sink_posts, 1);
		setsockopt(exchange->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0},
			sizeof(struct linger));
		return -1;
	} else {
		if (exchange_read(exchange, exchange->head_size + exchange->body_size))
			return -1;
		exchange_post(exchange);
	}
	wire_buffer_consume(&exchange->received, exchange->head_size + exchange->body_size);
	return 0;
}

static void *exchange_thread(void *arg)
{
	struct exchange *exchange = arg;

	while (!exchange_run(exchange))
		;
	close(exchange->fd);
	wire_buffer_free(&exchange->received);
	free(exchange);
	return NULL;
}

static void sink_accept(int listener)
{
	struct exchange *exchange = calloc(1, sizeof *exchange);
	pthread_t thread;

	if (!exchange)
		wire_die("calloc");
	exchange->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (exchange->fd < 0)
		wire_die("accept");
	wire_nodelay(exchange->fd);
	if (pthread_create(&thread, NULL, exchange_thread, exchange))
		wire_die("pthread_create");
	pthread_detach(thread);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"mode", required_argument, NULL, 'm'}, {NULL, 0, NULL, 0}};
	int listener, option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		while (option == 'm' && mode_names[sink_mode] &&
			strcmp(mode_names[sink_mode], optarg))
			sink_mode++;
	if (!mode_names[sink_mode] || optind != argc) {
		fputs("usage: otlpsink [--mode ok|hang|503|429|reset|slow]\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	listener = wire_listen("http", 0);
	for (;;)
		sink_accept(listener);
}

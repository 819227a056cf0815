/*
 * The benchmark's server: answers what load sends (tests/bench/payload.h), as WebSocket messages,
 * lines or bodies of HTTP, over TCP or on stdin and stdout. A stream is one of events over HTTP.
 *
 *	backend --framing ws|lines|http [--traced] [--rate N]     listens on a free loopback port
 *	backend --framing lines [--traced] [--rate N] --stdio
 *
 * Each request is checked: its hash goes back in the reply, and its `trace` must be what the client
 * sent or, with --traced, what a tracing proxy has to make of it; else the reply is an error that
 * load reports. Requests are answered in order; one that wants a stream gets its notifications
 * first, made as fast as the client reads, or N per second for a single client. Broken framing
 *closes the connection with a message.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/payload.h"
#include "tests/bench/wire.h"

enum { EVENTS_MAX = 64, OUTPUT_ENOUGH = 65536, OUTPUT_TOO_MUCH = 4 << 20 };

enum client_state { CLIENT_UPGRADE, CLIENT_OPEN, CLIENT_CLOSED };

struct client {
	int reading; /* a descriptor for each direction, so that both can be waited for apart */
	int writing;
	bool read_wanted;
	bool write_wanted;
	enum client_state state;
	struct wire_buffer received;
	struct wire_buffer sent;
	uint64_t seq;      /* messages received */
	uint64_t first_ns; /* first byte of the message being received */
	struct payload_request request;
	uint64_t hash;
	uint64_t streamed; /* notifications of request sent so far */
	bool answering;    /* request has its stream still to come */
	struct client *next_closed;
};

struct backend {
	int epoll;
	enum wire_framing framing;
	bool traced;
	bool stdio;
	uint64_t rate;    /* notifications per second, 0: as many as are taken */
	uint64_t next_ns; /* when the next one is due */
	uint8_t *scratch; /* for one message */
	size_t scratch_size;
	struct client *closed;
};

static const char upgrade_reply[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n";

static uint8_t *backend_scratch(struct backend *backend, size_t size)
{
	if (backend->scratch_size < size) {
		free(backend->scratch);
		backend->scratch = malloc(size);
		if (!backend->scratch)
			wire_die("malloc");
		backend->scratch_size = size;
	}
	return backend->scratch;
}

static void client_close(struct backend *backend, struct client *client)
{
	if (client->state == CLIENT_CLOSED)
		return;
	client->state = CLIENT_CLOSED;
	close(client->reading);
	close(client->writing);
	client->next_closed = backend->closed;
	backend->closed = client;
}

static void backend_reap(struct backend *backend)
{
	while (backend->closed) {
		struct client *client = backend->closed;

		backend->closed = client->next_closed;
		wire_buffer_free(&client->received);
		wire_buffer_free(&client->sent);
		free(client);
	}
}

static void client_send(
	struct backend *backend, struct client *client, const uint8_t *message, size_t size)
{
	const struct payload_request *request = &client->request;

	if (backend->framing == WIRE_HTTP && request->stream)
		wire_encode_event(
			&client->sent, message, size, client->streamed == 1, !client->answering);
	else
		wire_encode(&client->sent, backend->framing, false, message, size, 0);
}

static void client_refuse(struct backend *backend, struct client *client, const char *why)
{
	uint8_t *message = backend_scratch(backend, PAYLOAD_HEAD_BYTES);
	int size = snprintf((char *)message, PAYLOAD_HEAD_BYTES,
		"{\"error\":{\"code\":-1,\"message\":\"%s\"},\"id\":%" PRIu64 "}", why,
		client->request.id);

	client_send(backend, client, message, (size_t)size);
}

static int request_parse(struct payload_request *request, const uint8_t *message, size_t size)
{
	int64_t id = payload_number(message, size, "{\"id\":");
	int64_t carrier = payload_number(message, size, "\"carrier\":");
	int64_t reply = payload_number(message, size, "\"reply\":");
	int64_t stream = payload_number(message, size, "\"stream\":");

	*request = (struct payload_request){.id = (uint64_t)id,
		.carrier = carrier == 1,
		.reply_bytes = reply > 0 ? (size_t)reply : 0,
		.stream = stream > 0 ? (uint64_t)stream : 0};
	return id < 0 ? -1 : 0;
}

static void client_initialize(struct backend *backend, struct client *client)
{
	uint8_t *message = backend_scratch(backend, PAYLOAD_HEAD_BYTES);

	client_send(
		backend, client, message, payload_initialize_reply(message, client->request.id));
}

/* A proxy may send a request of HTTP on any connection: its place on its own is in its id. */
static uint64_t client_place(const struct backend *backend, const struct client *client)
{
	return backend->framing == WIRE_HTTP ? client->request.id % PAYLOAD_ID_SPAN
					     : client->seq - 1;
}

/* Waits until the next notification is due: at a rate there is one client, with one request. */
static void backend_pace(struct backend *backend)
{
	uint64_t now_ns = wire_now_ns();
	struct timespec due;

	if (backend->next_ns < now_ns)
		backend->next_ns = now_ns;
	due.tv_sec = (time_t)(backend->next_ns / 1000000000);
	due.tv_nsec = (long)(backend->next_ns % 1000000000);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		continue;
	backend->next_ns += 1000000000 / backend->rate;
}

/* Goes on with the answer: notifications while there is room for them, then the reply. */
static void client_answer(struct backend *backend, struct client *client)
{
	const struct payload_request *request = &client->request;
	uint8_t *message = backend_scratch(backend, request->reply_bytes + PAYLOAD_HEAD_BYTES);

	while (client->streamed < request->stream) {
		if (wire_buffer_size(&client->sent) > (backend->rate ? 0 : OUTPUT_ENOUGH))
			return;
		if (backend->rate)
			backend_pace(backend);
		client_send(backend, client, message,
			payload_notification(message, request, client->streamed++));
	}
	client->answering = false;
	client_send(backend, client, message,
		payload_reply(message, request, client_place(backend, client), client->first_ns,
			client->hash));
}

static void client_message(
	struct backend *backend, struct client *client, uint8_t *message, size_t size)
{
	static const char initialize[] = ",\"method\":\"initialize\"";
	char carrier[PAYLOAD_CARRIER_BYTES];
	const char *wrong;
	size_t part;

	if (payload_trace_remove(&message, &size, carrier) ||
		request_parse(&client->request, message, size)) {
		client_refuse(backend, client, "not a request of load");
		return;
	}
	client->seq++;
	wrong = payload_carrier_wrong(carrier, &client->request, backend->traced);
	part = size < PAYLOAD_HEAD_BYTES ? size : PAYLOAD_HEAD_BYTES;
	if (wrong) {
		client_refuse(backend, client, wrong);
		return;
	}
	if (memmem(message, part, initialize, sizeof initialize - 1)) {
		client_initialize(backend, client);
		return;
	}
	client->hash = payload_hash(message, size);
	client->streamed = 0;
	client->answering = true;
	client_answer(backend, client);
}

/* Answers the HTTP upgrade once its head is complete. */
static void client_upgrade(struct backend *backend, struct client *client)
{
	static const char key_name[] = "\r\nSec-WebSocket-Key: ";
	struct wire_buffer *buffer = &client->received;
	char *head = (char *)buffer->bytes + buffer->begin;
	char *end = memmem(head, wire_buffer_size(buffer), "\r\n\r\n", 4);
	char accept[WIRE_ACCEPT_BYTES], reply[256];
	char *key;

	if (!end)
		return;
	*end = '\0';
	key = strcasestr(head, key_name);
	if (!key) {
		fputs("backend: no Sec-WebSocket-Key\n", stderr);
		client_close(backend, client);
		return;
	}
	key += sizeof key_name - 1;
	wire_accept_key(key, strcspn(key, "\r"), accept);
	wire_buffer_append(
		&client->sent, reply, (size_t)snprintf(reply, sizeof reply, upgrade_reply, accept));
	wire_buffer_consume(buffer, (size_t)(end + 4 - head));
	client->state = CLIENT_OPEN;
}

static bool client_blocked(const struct client *client)
{
	return client->answering || wire_buffer_size(&client->sent) >= OUTPUT_TOO_MUCH;
}

/* All messages that are complete, as long as the answers have room. */
static void client_messages(struct backend *backend, struct client *client, uint64_t now_ns)
{
	uint8_t *message;
	size_t size;

	while (client->state == CLIENT_OPEN && !client_blocked(client)) {
		enum wire_result result = wire_decode(&client->received, backend->framing,
			backend->framing == WIRE_WEBSOCKET, &message, &size);

		if (result == WIRE_MORE)
			return;
		if (result != WIRE_MESSAGE) {
			if (result == WIRE_BAD)
				fputs("backend: broken framing\n", stderr);
			client_close(backend, client);
			return;
		}
		client_message(backend, client, message, size);
		wire_decode_done(&client->received);
		client->first_ns = now_ns;
	}
}

static void client_watch(struct backend *backend, struct client *client)
{
	bool read_wanted = !client_blocked(client);
	bool write_wanted = wire_buffer_size(&client->sent) > 0;
	struct epoll_event event = {.data.ptr = client};

	if (read_wanted != client->read_wanted) {
		event.events = read_wanted ? EPOLLIN : 0;
		if (epoll_ctl(backend->epoll, EPOLL_CTL_MOD, client->reading, &event))
			wire_die("epoll_ctl");
	}
	if (write_wanted != client->write_wanted) {
		event.events = write_wanted ? EPOLLOUT : 0;
		if (epoll_ctl(backend->epoll, write_wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
			    client->writing, &event))
			wire_die("epoll_ctl");
	}
	client->read_wanted = read_wanted;
	client->write_wanted = write_wanted;
}

/* Sends what there is; a stream makes more as long as the peer takes it. */
static void client_flush(struct backend *backend, struct client *client)
{
	for (;;) {
		if (wire_write(client->writing, &client->sent, SIZE_MAX)) {
			client_close(backend, client);
			return;
		}
		if (!client->answering || wire_buffer_size(&client->sent))
			return;
		client_answer(backend, client);
	}
}

/* Answers and sends until there is no more to answer, or the peer takes no more. */
static void client_run(struct backend *backend, struct client *client, uint64_t now_ns)
{
	bool blocked;

	do {
		client_messages(backend, client, now_ns);
		if (client->state != CLIENT_OPEN)
			return;
		blocked = client_blocked(client);
		client_flush(backend, client);
	} while (blocked && client->state == CLIENT_OPEN && !client_blocked(client));
}

static void client_read(struct backend *backend, struct client *client, uint64_t now_ns)
{
	bool empty = !wire_buffer_size(&client->received);
	ssize_t n = wire_read(client->reading, &client->received);

	if (n == 0)
		client_close(backend, client);
	if (n <= 0)
		return;
	if (empty)
		client->first_ns = now_ns;
	if (client->state == CLIENT_UPGRADE)
		client_upgrade(backend, client);
}

static void client_event(struct backend *backend, struct client *client, uint32_t events)
{
	uint64_t now_ns = wire_now_ns();

	if (client->state == CLIENT_CLOSED)
		return;
	if (events & EPOLLIN)
		client_read(backend, client, now_ns);
	else if (events & (EPOLLERR | EPOLLHUP))
		client_close(backend, client);
	if (client->state == CLIENT_OPEN && (events & EPOLLOUT))
		client_flush(backend, client);
	if (client->state == CLIENT_OPEN)
		client_run(backend, client, now_ns);
	if (client->state != CLIENT_CLOSED)
		client_watch(backend, client);
}

static void backend_client_new(struct backend *backend, int reading, int writing)
{
	struct client *client = calloc(1, sizeof *client);
	struct epoll_event event = {.events = EPOLLIN};

	if (!client)
		wire_die("calloc");
	event.data.ptr = client;
	client->reading = reading;
	client->writing = writing;
	client->read_wanted = true;
	client->state = backend->framing == WIRE_WEBSOCKET ? CLIENT_UPGRADE : CLIENT_OPEN;
	wire_nonblocking(reading);
	wire_nonblocking(writing);
	if (epoll_ctl(backend->epoll, EPOLL_CTL_ADD, reading, &event))
		wire_die("epoll_ctl");
}

static void backend_accept(struct backend *backend, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	wire_nodelay(fd);
	backend_client_new(backend, fd, fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

static void backend_run(struct backend *backend, int listener)
{
	struct epoll_event events[EVENTS_MAX];

	for (;;) {
		int n = epoll_wait(backend->epoll, events, EVENTS_MAX, -1);

		for (int i = 0; i < n; i++)
			if (events[i].data.ptr)
				client_event(backend, events[i].data.ptr, events[i].events);
			else
				backend_accept(backend, listener);
		if (backend->stdio && backend->closed)
			return;
		backend_reap(backend);
	}
}

static int backend_options(struct backend *backend, int argc, char **argv)
{
	static const struct option options[] = {{"framing", required_argument, NULL, 'f'},
		{"traced", no_argument, NULL, 't'}, {"stdio", no_argument, NULL, 's'},
		{"rate", required_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (option) {
		case 'f':
			backend->framing = wire_framing_find(optarg);
			break;
		case 't':
			backend->traced = true;
			break;
		case 's':
			backend->stdio = true;
			break;
		case 'r':
			backend->rate = strtoull(optarg, NULL, 10);
			break;
		default:
			return -1;
		}
	return optind == argc ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct backend backend = {0};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	int listener = -1;

	if (backend_options(&backend, argc, argv)) {
		fputs("usage: backend --framing ws|lines|http [--traced] [--stdio] "
		      "[--rate N]\n",
			stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	backend.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (backend.epoll < 0)
		wire_die("epoll_create1");
	if (backend.stdio)
		backend_client_new(&backend, STDIN_FILENO, STDOUT_FILENO);
	else {
		listener = wire_listen(wire_schemes[backend.framing], 0);
		if (epoll_ctl(backend.epoll, EPOLL_CTL_ADD, listener, &event))
			wire_die("epoll_ctl");
	}
	backend_run(&backend, listener);
	backend_reap(&backend);
	free(backend.scratch);
	close(backend.epoll);
	return 0;
}

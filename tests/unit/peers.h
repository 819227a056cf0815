#ifndef TESTS_UNIT_PEERS_H
#define TESTS_UNIT_PEERS_H

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/config_load.h"
#include "proxy/side/side.h"
#include "proxy/side/handshake.h"
#include "proxy/loop.h"
#include "proxy/resolver.h"
#include "proxy/life.h"
#include "proxy/trace/tracer.h"

/*
 * A session whose two peers are played by the test, over sockets and in one process, one turn of
 * the loop at a time. It needs no library of tests, so that fuzz targets can have it; what must
 * hold is asserted, and nothing here allocates once it is open.
 */
#define PEERS_KEY    "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455, 1.3 */
#define PEERS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum {
	PEERS_FLAGS_MAX = 16,
	PEERS_TURNS = 8,
	PEERS_CARRIER = 16, /* more than a carrier's beginning that is not all there */
};

struct peers {
	struct config *config;
	struct tracer *tracer;
	struct event_base *base;
	struct loop loop;
	struct route route;
	struct session *session; /* until it is reaped */
	enum pair_reason reason;
	int listener;
	int place; /* the listener's, which has no name any more */
	struct url url;
	int client, backend; /* the test's ends, non-blocking; -1: closed, not connected yet */
};

static inline void peers_warn(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

/* What all sessions of one test share; flags end with NULL. */
static inline void peers_init(struct peers *peers, const char *const *flags)
{
	char program[] = "sidespan", upstream[] = "--upstream=unix:///nobody",
	     listen_flag[] = "--listen=unix:///nowhere", exporter[] = "--exporter=none",
	     level[] = "--log-level=error", profile[] = "--profile=codex";
	char *argv[PEERS_FLAGS_MAX + 8] = {
		program, upstream, listen_flag, exporter, level, profile};
	char *environment[] = {NULL}, error[CONFIG_ERROR_SIZE] = "", *copies[PEERS_FLAGS_MAX];
	int argc = 6, count = 0;

	memset(peers, 0, sizeof *peers);
	for (; *flags != NULL; flags++)
		argv[argc++] = copies[count++] = strdup(*flags);
	if (config_load(&peers->config, argc, argv, environment, stdout, peers_warn, NULL, error) !=
		CONFIG_RUN) {
		fprintf(stderr, "%s\n", error);
		abort();
	}
	while (count > 0)
		free(copies[--count]);
	peers->tracer = tracer_new(peers->config, NULL, NULL, NULL, error, sizeof error);
	assert(peers->tracer != NULL);
}

static inline void peers_done(struct peers *peers)
{
	tracer_free(peers->tracer);
	config_free(peers->config);
}

static inline void peers_on_reaped(void *arg, const struct session *session)
{
	struct peers *peers = arg;

	assert(session == peers->session);
	peers->reason = session->pair.reason;
	peers->session = NULL;
}

/* A listening socket. Its file is removed at once; /proc still leads to it. */
static inline void peers_listen(struct peers *peers)
{
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	char text[64];
	const char *reason;
	int failed;

	peers->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)snprintf(
		path.sun_path, sizeof path.sun_path, "/tmp/sidespan_peers_%ld", (long)getpid());
	(void)unlink(path.sun_path); /* of a process of that number that was killed */
	failed = bind(peers->listener, (const struct sockaddr *)&path, sizeof path);
	failed |= listen(peers->listener, 1);
	peers->place = open(path.sun_path, O_PATH | O_CLOEXEC);
	failed |= unlink(path.sun_path);
	(void)snprintf(text, sizeof text, "unix:///proc/self/fd/%d", peers->place);
	failed |= url_parse(&peers->url, text, &reason);
	assert(failed == 0 && peers->place >= 0);
}

/* All but the session. */
static inline void peers_open(struct peers *peers, const struct side_ops *client_side,
	const struct side_ops *backend_side)
{
	int failed;

	memset(&peers->loop, 0, sizeof peers->loop);
	peers->route = (struct route){
		.client_side = client_side,
		.backend_side = backend_side,
		.transport = "unix_socket",
		.upstream = "unix:///nowhere",
		.upstream_host = "localhost",
		.upstream_path = "/",
	};
	peers_listen(peers);
	peers->base = event_base_new();
	assert(peers->base != NULL);
	failed = loop_init(&peers->loop, peers->base, peers->config, peers->tracer);
	assert(failed == 0);
	peers->route.resolver = resolver_new(&peers->loop, &peers->url);
	assert(peers->route.resolver != NULL);
	peers->route.reaped = peers_on_reaped;
	peers->route.reaped_arg = peers;
	peers->client = peers->backend = -1;
	peers->session = NULL;
}

/* The client connects. The session may have ended when this returns. */
static inline void peers_connect(struct peers *peers)
{
	int pair[2], failed;

	failed = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
	assert(failed == 0);
	peers->client = pair[0];
	peers->session = life_accept(&peers->loop, &peers->route, pair[1]);
}

static inline void peers_hang_up(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* Some turns of the loop, none of which waits: enough for all that can happen without the peers. */
static inline void peers_turn(struct peers *peers)
{
	int i;

	for (i = 0; i < PEERS_TURNS; i++)
		(void)event_base_loop(peers->base, EVLOOP_NONBLOCK);
	if (peers->backend < 0)
		peers->backend = accept4(peers->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* What a peer has been sent: up to size bytes; 0 at the end, -1 when there is nothing. */
static inline ssize_t peers_read(int fd, void *bytes, size_t size)
{
	ssize_t n = recv(fd, bytes, size, MSG_DONTWAIT);

	return n < 0 && errno == ECONNRESET ? 0 : n;
}

static inline ssize_t peers_write(int fd, const void *bytes, size_t size)
{
	return send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Reads a head, to its blank line; "" when it has not come. */
static inline void peers_read_head(int fd, char *text, size_t size)
{
	size_t used = 0;

	while (used < size - 1 && peers_read(fd, text + used, 1) == 1)
		if (text[used++] == '\n' && used > 3 && memcmp(text + used - 4, "\r\n\r\n", 4) == 0)
			break;
	text[used] = '\0';
}

/* Both handshakes, where there are some. False when the session has ended in one of them. */
static inline bool peers_shake(struct peers *peers)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
				      "Connection: Upgrade\r\nSec-WebSocket-Key: " PEERS_KEY
				      "\r\nSec-WebSocket-Version: 13\r\n\r\n";
	char text[4096], accept[HANDSHAKE_ACCEPT_SIZE];
	const char *key;
	int size;

	if (peers->route.client_side->shake != NULL)
		(void)peers_write(peers->client, request, sizeof request - 1);
	peers_turn(peers);
	if (peers->backend >= 0 && peers->route.backend_side->shake != NULL) {
		peers_turn(peers);
		peers_read_head(peers->backend, text, sizeof text);
		key = strstr(text, "Sec-WebSocket-Key: ");
		if (key == NULL)
			return false;
		handshake_accept(accept, key + strlen("Sec-WebSocket-Key: "), HANDSHAKE_KEY_SIZE);
		size = snprintf(text, sizeof text,
			"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
			"Connection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n\r\n",
			HANDSHAKE_ACCEPT_SIZE, accept);
		(void)peers_write(peers->backend, text, (size_t)size);
	}
	peers_turn(peers);
	if (peers->route.client_side->shake != NULL) {
		peers_read_head(peers->client, text, sizeof text);
		if (strncmp(text, "HTTP/1.1 101 ", 13) != 0)
			return false;
	}
	return peers->session != NULL && peers->session->pair.state == PAIR_OPEN;
}

/* What a peer has been sent: its messages, a line each, without the carriers that were put in. */
struct peers_heard {
	struct side_decoder decoder;
	char *text; /* owned */
	size_t size, room;
	size_t stripped; /* no carrier begins before this */
	bool closed;     /* by a close frame, */
	unsigned close_code;
	bool trims;  /* set by the test: without blanks at the end of messages */
	bool broken; /* it is no framing, or something follows the close frame */
	bool ended;
};

static inline void peers_heard_init(
	struct peers_heard *heard, const struct side_ops *side, bool is_client, size_t room)
{
	*heard = (struct peers_heard){.text = malloc(room + 1), .room = room};
	assert(heard->text != NULL);
	heard->text[0] = '\0';
	side_decoder_init(&heard->decoder, side, is_client ? SIDE_FROM_SERVER : SIDE_FROM_CLIENT);
}

static inline void peers_heard_done(struct peers_heard *heard)
{
	free(heard->text);
}

/* Takes our carriers out of what has come since the last time, as far as they are all there. */
static inline void peers_heard_strip(struct peers_heard *heard)
{
	char *carrier, *end;

	while ((carrier = strstr(heard->text + heard->stripped, ",\"trace\":{")) != NULL) {
		end = strchr(carrier, '}');
		if (end == NULL)
			return;
		memmove(carrier, end + 1, (size_t)(heard->text + heard->size - end));
		heard->size -= (size_t)(end + 1 - carrier);
		heard->stripped = (size_t)(carrier - heard->text);
	}
	if (heard->size > heard->stripped + PEERS_CARRIER)
		heard->stripped = heard->size - PEERS_CARRIER;
}

static inline void peers_heard_take(struct peers_heard *heard, uint8_t *bytes, size_t size)
{
	struct side_chunk chunk;
	enum side_result result;

	heard->broken |= heard->closed && size > 0;
	while ((result = heard->decoder.ops->next(&heard->decoder, &bytes, &size, &chunk)) !=
		SIDE_MORE) {
		heard->broken |= result == SIDE_BAD;
		if (result == SIDE_BAD)
			return;
		if (result == SIDE_CONTROL && chunk.control == SIDE_CLOSE) {
			heard->closed = true;
			heard->broken |= size > 0;
			if (chunk.size >= 2)
				heard->close_code = chunk.bytes[0] * 256u + chunk.bytes[1];
		}
		if (result == SIDE_CONTROL || result == SIDE_BETWEEN)
			continue;
		assert(heard->room - heard->size > chunk.size);
		memcpy(heard->text + heard->size, chunk.bytes, chunk.size);
		heard->size += chunk.size;
		while (chunk.last && heard->trims && heard->size > 0 &&
			heard->text[heard->size - 1] == ' ')
			heard->size--;
		if (chunk.last)
			heard->text[heard->size++] = '\n';
		heard->text[heard->size] = '\0';
	}
}

/* All that has come by now. */
static inline void peers_hear(struct peers_heard *heard, int fd)
{
	static uint8_t bytes[65536];
	ssize_t n;

	while ((n = peers_read(fd, bytes, sizeof bytes)) > 0)
		peers_heard_take(heard, bytes, (size_t)n);
	heard->ended |= n == 0;
	peers_heard_strip(heard);
}

/* Ends what is left of the session. */
static inline void peers_close(struct peers *peers)
{
	peers_hang_up(&peers->client);
	peers_hang_up(&peers->backend);
	loop_done(&peers->loop);
	resolver_free(peers->route.resolver);
	peers->session = NULL;
	event_base_free(peers->base);
	(void)close(peers->listener);
	(void)close(peers->place);
}

#endif

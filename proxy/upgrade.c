/*
 * Opening handshakes. Between two WebSockets the client's head goes to the backend and the
 * backend's answer comes back, both as they are but for what is negotiated hop by hop: extensions,
 * which we do not speak. Where only one side is a WebSocket we are its server or client ourselves.
 */
#include "proxy/upgrade.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "proxy/codec/handshake.h"
#include "proxy/codec/http.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/session.h"

#define UPGRADE_HEAD_MIN   2048
#define UPGRADE_ANSWER_MAX 512

enum upgrade_phase {
	UPGRADE_REQUEST, /* the client's head is being read */
	UPGRADE_CONNECT, /* the backend is being connected */
	UPGRADE_REPLY,   /* the backend's head is being read */
};

struct upgrade_head {
	char *bytes; /* owned; what has been read of this side, the head and what follows it */
	size_t used;
	size_t room;
	struct http_scan scan;
};

struct upgrade {
	enum upgrade_phase phase;
	enum handshake wanted; /* by the client */
	struct upgrade_head request;
	struct upgrade_head reply;
	char key[HANDSHAKE_KEY_SIZE]; /* of a request of our own */
};

/* Never passed on: negotiated between neighbours, and we take part in none of it. */
static const char *const upgrade_dropped[] = {
	"Sec-WebSocket-Extensions",
	"x-codex-app-server-compression", /* codex: turns all later frames into a zstd stream */
	NULL,
};

/* A request that is no upgrade must not be followed by another: only the first would be seen. */
static const char *const upgrade_dropped_plain[] = {
	"Connection", "Keep-Alive", "Proxy-Connection", NULL};

/* ---- heads ---- */

static int upgrade_head_grow(struct upgrade_head *head, size_t bytes_max)
{
	size_t room = head->room > 0 ? 2 * head->room : UPGRADE_HEAD_MIN;
	char *bytes;

	if (room > bytes_max)
		room = bytes_max;
	if (room <= head->used)
		return -1;
	bytes = realloc(head->bytes, room);
	if (bytes == NULL)
		return -1;
	head->bytes = bytes;
	head->room = room;
	return 0;
}

/* > 0: read something; 0: nothing now; -1: end, error; -2: the head is over its limit. */
static int upgrade_head_read(
	struct session *session, struct upgrade_head *head, struct endpoint *endpoint)
{
	ssize_t n;

	if (head->used == head->room &&
		upgrade_head_grow(head, (size_t)session->loop->config->handshake_bytes_max) != 0)
		return -2;
	n = endpoint_read(endpoint, head->bytes + head->used, head->room - head->used);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n <= 0)
		return -1;
	head->used += (size_t)n;
	return 1;
}

static uint8_t *upgrade_head_rest(struct upgrade_head *head, size_t *size)
{
	*size = head->used - head->scan.size;
	return (uint8_t *)head->bytes + head->scan.size;
}

/* ---- answers of our own ---- */

static const struct {
	unsigned status;
	const char *phrase;
} upgrade_phrases[] = {
	{400, "Bad Request"},
	{404, "Not Found"},
	{408, "Request Timeout"},
	{426, "Upgrade Required"},
	{431, "Request Header Fields Too Large"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
};

static const char *upgrade_phrase(unsigned status)
{
	size_t i;

	for (i = 0; i < sizeof upgrade_phrases / sizeof upgrade_phrases[0]; i++)
		if (upgrade_phrases[i].status == status)
			return upgrade_phrases[i].phrase;
	return "Error";
}

static void upgrade_answer(
	struct session *session, unsigned status, const char *why, enum session_reason reason)
{
	char text[UPGRADE_ANSWER_MAX];
	int size;

	size = snprintf(text, sizeof text,
		"HTTP/1.1 %u %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s"
		"Connection: close\r\n\r\n%s\n",
		status, upgrade_phrase(status), strlen(why) + 1,
		status == 426 ? "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n" : "", why);
	assert(size > 0 && (size_t)size < sizeof text); /* all texts are ours and short */
	log_line(LOG_INFO, "connection %llu: answered %u: %s", session->number, status, why);
	(void)endpoint_write(
		&session->client, text, (size_t)size); /* failing, it ends all the same */
	session_finish(session, reason);
}

/* A client that is no WebSocket is not told anything; the connection just ends. */
static void upgrade_refuse(
	struct session *session, unsigned status, const char *why, enum session_reason reason)
{
	if (session->route->client_codec == &codec_websocket) {
		upgrade_answer(session, status, why, reason);
		return;
	}
	log_line(LOG_WARN, "connection %llu: %s", session->number, why);
	session_close(session, reason);
}

void upgrade_unreachable(struct session *session, const char *why)
{
	upgrade_refuse(session, 502, why, SESSION_BACKEND_UNREACHABLE);
}

void upgrade_failed(struct session *session)
{
	upgrade_refuse(session, 503, "out of resources", SESSION_NO_RESOURCES);
}

void upgrade_timeout(struct session *session)
{
	if (session->upgrade->phase == UPGRADE_REQUEST)
		upgrade_refuse(
			session, 408, "no complete request head in time", SESSION_HANDSHAKE_FAILED);
	else
		upgrade_refuse(session, 504, "the backend did not answer the handshake in time",
			SESSION_BACKEND_UNREACHABLE);
}

/* ---- the end of the handshake ---- */

static void upgrade_open(struct session *session)
{
	struct upgrade *upgrade = session->upgrade;
	size_t client_size = 0, backend_size = 0;
	uint8_t *client_rest = NULL, *backend_rest = NULL;

	session->upgrade = NULL;
	if (upgrade->request.scan.size > 0)
		client_rest = upgrade_head_rest(&upgrade->request, &client_size);
	if (upgrade->reply.scan.size > 0)
		backend_rest = upgrade_head_rest(&upgrade->reply, &backend_size);
	session_open(session, client_rest, client_size, backend_rest, backend_size);
	upgrade_free(upgrade);
}

/* We are the WebSocket server, since the backend speaks something else: accepts the client. */
static void upgrade_welcome(struct session *session)
{
	struct upgrade_head *sent = &session->upgrade->request;
	struct http_head *request = &session->loop->head;
	char accept[HANDSHAKE_ACCEPT_SIZE];
	char text[UPGRADE_ANSWER_MAX];
	const struct http_field *key;
	int size;

	(void)http_request_parse(
		request, &sent->scan, sent->bytes, sent->used); /* it was complete before */
	key = http_field_find(request, "Sec-WebSocket-Key");
	assert(key != NULL); /* HANDSHAKE_OK */
	handshake_accept(accept, key->value.bytes, key->value.size);
	size = snprintf(text, sizeof text,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: %.*s\r\n\r\n",
		HANDSHAKE_ACCEPT_SIZE, accept);
	assert(size > 0 && (size_t)size < sizeof text); /* fixed texts */
	if (endpoint_write(&session->client, text, (size_t)size) != 0)
		session_close(session, SESSION_CLIENT_GONE);
	else
		upgrade_open(session);
}

/* ---- towards the backend ---- */

/* Sends the client's head on; size of the scratch memory bounds what our additions can need. */
static int upgrade_forward_request(struct session *session)
{
	struct upgrade *upgrade = session->upgrade;
	struct loop *loop = session->loop;
	bool plain = upgrade->wanted == HANDSHAKE_NONE;
	size_t size;

	if (http_request_parse(&loop->head, &upgrade->request.scan, upgrade->request.bytes,
		    upgrade->request.used) != HTTP_DONE)
		return -1; /* it was complete before */
	size = http_head_copy((char *)loop->write_bytes, LOOP_WRITE_SIZE, &loop->head,
		plain ? upgrade_dropped_plain : upgrade_dropped,
		plain ? "Connection: close\r\n" : "");
	if (size == 0)
		return -1;
	return endpoint_write(&session->backend, loop->write_bytes, size);
}

static int upgrade_send_request(struct session *session)
{
	struct upgrade *upgrade = session->upgrade;
	const struct session_route *route = session->route;
	char *text = (char *)session->loop->write_bytes;
	uint8_t random[16];
	int size;

	ids_random(&session->loop->ids, random, sizeof random);
	handshake_key(upgrade->key, random);
	size = snprintf(text, LOOP_WRITE_SIZE,
		"GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Key: %.*s\r\nSec-WebSocket-Version: 13\r\n\r\n",
		route->upstream_path, route->upstream_host, HANDSHAKE_KEY_SIZE, upgrade->key);
	if (size < 0 || size >= LOOP_WRITE_SIZE)
		return -1;
	return endpoint_write(&session->backend, text, (size_t)size);
}

static void upgrade_start_tunnel(struct session *session)
{
	struct upgrade *upgrade = session->upgrade;
	size_t size;
	uint8_t *rest = upgrade_head_rest(&upgrade->request, &size);

	if (size > 0 && endpoint_write(&session->backend, rest, size) != 0) {
		upgrade_unreachable(session, "the backend went away");
		return;
	}
	session_tunnel(session, true, UINT64_MAX);
}

void upgrade_connected(struct session *session)
{
	struct upgrade *upgrade = session->upgrade;
	bool own = session->route->client_codec != &codec_websocket;

	if (session->route->backend_codec != &codec_websocket) {
		upgrade_welcome(session);
		return;
	}
	if ((own ? upgrade_send_request(session) : upgrade_forward_request(session)) != 0) {
		upgrade_unreachable(session, "the backend did not take the request");
		return;
	}
	upgrade->phase = UPGRADE_REPLY;
	if (upgrade->wanted == HANDSHAKE_NONE && !own)
		upgrade_start_tunnel(session);
	else
		endpoint_resume(&session->backend);
}

/* ---- the backend's answer ---- */

/* Bytes of a reply's body (RFC 9112, 6.3), UINT64_MAX when only its end tells. */
static uint64_t upgrade_body_size(const struct http_head *head)
{
	const struct http_field *length = http_field_find(head, "Content-Length");
	uint64_t size = 0;
	size_t i;

	if (http_field_find(head, "Transfer-Encoding") != NULL || length == NULL)
		return head->status == 204 || head->status == 304 ? 0 : UINT64_MAX;
	for (i = 0; i < length->value.size; i++) {
		char digit = length->value.bytes[i];

		if (digit < '0' || digit > '9' || size > (UINT64_MAX - 9) / 10)
			return UINT64_MAX;
		size = size * 10 + (uint64_t)(digit - '0');
	}
	return size;
}

/* Passes a refusal (or an interim reply) on as it came. */
static void upgrade_relay_refusal(struct session *session)
{
	struct upgrade *upgrade = session->upgrade;
	uint64_t left = upgrade_body_size(&session->loop->head);
	size_t size;
	uint8_t *rest = upgrade_head_rest(&upgrade->reply, &size);

	log_line(LOG_INFO, "connection %llu: the backend refused the upgrade with %u",
		session->number, session->loop->head.status);
	if (size > left)
		size = (size_t)left;
	if (endpoint_write(&session->client, upgrade->reply.bytes, upgrade->reply.scan.size) != 0 ||
		endpoint_write(&session->client, rest, size) != 0) {
		session_close(session, SESSION_CLIENT_GONE);
		return;
	}
	left -= left == UINT64_MAX ? 0 : size;
	if (left == 0)
		session_finish(session, SESSION_HANDSHAKE_FAILED);
	else
		session_tunnel(session, false, left);
}

/* An interim reply (RFC 9110, 15.2): passed on, and the next head is waited for. */
static void upgrade_relay_interim(struct session *session)
{
	struct upgrade_head *reply = &session->upgrade->reply;

	if (session->route->client_codec == &codec_websocket &&
		endpoint_write(&session->client, reply->bytes, reply->scan.size) != 0) {
		session_close(session, SESSION_CLIENT_GONE);
		return;
	}
	memmove(reply->bytes, reply->bytes + reply->scan.size, reply->used - reply->scan.size);
	reply->used -= reply->scan.size;
	reply->scan = (struct http_scan){0};
}

/* Checks the reply in loop->head against the client's request, parsed into memory of its own. */
static const char *upgrade_check_relayed(const struct session *session)
{
	struct upgrade_head *sent = &session->upgrade->request;
	struct http_head *request = malloc(sizeof *request);
	const struct http_field *key;
	const char *wrong;

	if (request == NULL)
		return "out of memory";
	(void)http_request_parse(
		request, &sent->scan, sent->bytes, sent->used); /* it was complete before */
	key = http_field_find(request, "Sec-WebSocket-Key");
	assert(key != NULL); /* HANDSHAKE_OK */
	wrong = handshake_check_reply(
		&session->loop->head, key->value.bytes, key->value.size, request);
	free(request);
	return wrong;
}

static const char *upgrade_check_reply(const struct session *session)
{
	const struct upgrade *upgrade = session->upgrade;

	if (session->route->client_codec != &codec_websocket)
		return handshake_check_reply(
			&session->loop->head, upgrade->key, HANDSHAKE_KEY_SIZE, NULL);
	return upgrade_check_relayed(session);
}

static void upgrade_got_reply(struct session *session)
{
	struct upgrade *upgrade = session->upgrade;
	const struct http_head *head = &session->loop->head;
	bool to_client = session->route->client_codec == &codec_websocket;
	const char *wrong;

	if (head->status < 200 && head->status != 101) {
		upgrade_relay_interim(session);
		return;
	}
	if (head->status != 101 && to_client) {
		upgrade_relay_refusal(session);
		return;
	}
	wrong = head->status == 101 ? upgrade_check_reply(session)
				    : "the backend refused the upgrade";
	if (wrong != NULL) {
		log_line(LOG_WARN, "connection %llu: backend's handshake: %s (status %u)",
			session->number, wrong, head->status);
		upgrade_unreachable(session, "the backend's handshake is not valid");
		return;
	}
	if (to_client && endpoint_write(&session->client, upgrade->reply.bytes,
				 upgrade->reply.scan.size) != 0)
		session_close(session, SESSION_CLIENT_GONE);
	else
		upgrade_open(session);
}

static void upgrade_read_reply(struct session *session)
{
	struct upgrade *upgrade = session->upgrade;
	int got = upgrade_head_read(session, &upgrade->reply, &session->backend);
	size_t before;

	if (got == 0)
		return;
	if (got < 0) {
		upgrade_unreachable(session, got == -2 ? "the backend's answer is too large"
						       : "the backend closed during the handshake");
		return;
	}
	do { /* interim replies may stand in front of the final one */
		before = upgrade->reply.used;
		switch (http_response_parse(&session->loop->head, &upgrade->reply.scan,
			upgrade->reply.bytes, upgrade->reply.used)) {
		case HTTP_MORE:
			return;
		case HTTP_BAD:
			upgrade_unreachable(session, "the backend's answer is not HTTP");
			return;
		case HTTP_DONE:
			upgrade_got_reply(session);
			break;
		}
	} while (session->upgrade == upgrade && session->state == SESSION_OPENING &&
		 upgrade->reply.used < before);
}

/* ---- the client's request ---- */

static int upgrade_connect(struct session *session)
{
	session->upgrade->phase = UPGRADE_CONNECT;
	return session_connect(session);
}

static bool upgrade_target_served(const struct session *session)
{
	const struct http_text *target = &session->loop->head.target;
	const char *path = session->route->listen_path;
	size_t size;

	if (path == NULL)
		return true;
	size = strlen(path);
	return target->size >= size && memcmp(target->bytes, path, size) == 0 &&
	       (target->size == size || target->bytes[size] == '?');
}

/* A request that goes nowhere: a broken handshake, or no HTTP server behind us to ask. */
static void upgrade_decline(struct session *session)
{
	if (session->upgrade->wanted == HANDSHAKE_BAD)
		upgrade_answer(session, session->loop->head.bad_status,
			session->loop->head.bad_reason, SESSION_HANDSHAKE_FAILED);
	else
		upgrade_answer(
			session, 426, "this is a WebSocket endpoint", SESSION_HANDSHAKE_FAILED);
}

static void upgrade_got_request(struct session *session)
{
	struct upgrade *upgrade = session->upgrade;

	upgrade->wanted = handshake_check(&session->loop->head);
	if (upgrade->wanted == HANDSHAKE_OK && !upgrade_target_served(session)) {
		upgrade_answer(session, 404, "no WebSocket at this path", SESSION_HANDSHAKE_FAILED);
		return;
	}
	if (upgrade->wanted == HANDSHAKE_BAD ||
		(upgrade->wanted == HANDSHAKE_NONE &&
			session->route->backend_codec != &codec_websocket))
		upgrade_decline(session);
	else
		(void)upgrade_connect(session); /* on failure it has been answered */
}

static void upgrade_read_request(struct session *session)
{
	struct upgrade *upgrade = session->upgrade;
	int got = upgrade_head_read(session, &upgrade->request, &session->client);

	if (got == 0)
		return;
	if (got == -1) {
		session_close(session, SESSION_CLIENT_GONE);
		return;
	}
	if (got == -2) {
		upgrade_answer(
			session, 431, "the request head is too large", SESSION_HANDSHAKE_FAILED);
		return;
	}
	switch (http_request_parse(&session->loop->head, &upgrade->request.scan,
		upgrade->request.bytes, upgrade->request.used)) {
	case HTTP_MORE:
		break;
	case HTTP_BAD:
		upgrade_answer(session, session->loop->head.bad_status,
			session->loop->head.bad_reason, SESSION_HANDSHAKE_FAILED);
		break;
	case HTTP_DONE:
		upgrade_got_request(session);
		break;
	}
}

/*
 * The client says something while it should wait: frames that come early stay where they are; an
 * end means that it has given up, unless it asked for plain HTTP, which may end so.
 */
static void upgrade_early(struct session *session)
{
	if (session->upgrade->wanted == HANDSHAKE_OK && endpoint_at_end(&session->client))
		session_close(session, SESSION_CLIENT_GONE);
	else
		endpoint_pause(&session->client);
}

void upgrade_readable(struct session *session, struct endpoint *endpoint)
{
	bool from_client = endpoint == &session->client;

	switch (session->upgrade->phase) {
	case UPGRADE_REQUEST:
		if (from_client)
			upgrade_read_request(session);
		break;
	case UPGRADE_REPLY:
		if (from_client)
			upgrade_early(session);
		else
			upgrade_read_reply(session);
		break;
	case UPGRADE_CONNECT:
		if (from_client)
			upgrade_early(session);
		else
			endpoint_pause(endpoint);
		break;
	}
}

/* ---- life ---- */

int upgrade_begin(struct session *session)
{
	session->upgrade = calloc(1, sizeof *session->upgrade);
	if (session->upgrade == NULL) {
		session_fail(session, ENOMEM);
		return -1;
	}
	if (session->route->client_codec == &codec_websocket)
		return 0;
	return upgrade_connect(session);
}

void upgrade_free(struct upgrade *upgrade)
{
	if (upgrade == NULL)
		return;
	free(upgrade->request.bytes);
	free(upgrade->reply.bytes);
	free(upgrade);
}

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
#include "proxy/address.h"
#include "proxy/answer.h"
#include "proxy/side/side.h"
#include "proxy/side/handshake.h"
#include "proxy/side/http_body.h"
#include "proxy/exchange.h"
#include "proxy/head.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/pair.h"
#include "proxy/reply.h"

enum upgrade_phase {
	UPGRADE_REQUEST, /* the client's head is being read */
	UPGRADE_CONNECT, /* the backend is being connected */
	UPGRADE_REPLY,   /* the backend's head is being read */
};

struct upgrade {
	struct pair *pair; /* borrowed: of who owns this */
	enum upgrade_phase phase;
	enum handshake wanted; /* by the client */
	struct head request;
	struct exchange_request plain; /* what the request is if it is no upgrade */
	struct reply reply;
	struct handshake_proof proof; /* of the answer to the client's request, or to ours */
};

#define UPGRADE_DROPPED_MAX 8

static const char *const upgrade_dropped_nothing[] = {NULL};

/* What is spoken before messages flow, by one side at least. */
static const struct side_shake *upgrade_shake(const struct upgrade *upgrade)
{
	const struct route *route = upgrade->pair->route;

	return route->client_side->shake != NULL ? route->client_side->shake
						 : route->backend_side->shake;
}

static bool upgrade_is_server(const struct upgrade *upgrade)
{
	return upgrade->pair->route->client_side->shake != NULL;
}

/* ---- refusals ---- */

/* A client that is no WebSocket is not told anything; the connection just ends. */
static void upgrade_refuse(
	struct upgrade *upgrade, unsigned status, const char *why, enum pair_reason reason)
{
	if (upgrade_is_server(upgrade)) {
		answer_send(upgrade->pair,
			&(struct answer){
				.status = status, .why = why, .to_head = upgrade->plain.to_head},
			reason);
		return;
	}
	answer_count(upgrade->pair->loop, status);
	log_line(LOG_WARN, "connection %llu: %s", upgrade->pair->number, why);
	pair_close(upgrade->pair, reason);
}

void upgrade_unreachable(struct upgrade *upgrade, const char *why)
{
	upgrade_refuse(upgrade, 502, why, PAIR_BACKEND_UNREACHABLE);
}

void upgrade_failed(struct upgrade *upgrade)
{
	upgrade_refuse(upgrade, 503, "out of resources", PAIR_NO_RESOURCES);
}

void upgrade_shut_down(struct upgrade *upgrade)
{
	upgrade_refuse(upgrade, 503, "shutting down", PAIR_SHUTDOWN);
}

bool upgrade_is_wanted(const struct upgrade *upgrade)
{
	return upgrade != NULL && upgrade->wanted == HANDSHAKE_OK;
}

void upgrade_timeout(struct upgrade *upgrade)
{
	if (upgrade->phase == UPGRADE_REQUEST)
		upgrade_refuse(
			upgrade, 408, "no complete request head in time", PAIR_HANDSHAKE_FAILED);
	else
		upgrade_refuse(upgrade, 504, "the server did not answer the handshake in time",
			PAIR_BACKEND_UNREACHABLE);
}

/* ---- the end of the handshake ---- */

static void upgrade_open(struct upgrade *upgrade)
{
	size_t client_size = 0, backend_size = 0;
	uint8_t *client_rest = NULL, *backend_rest = NULL;
	struct http_head *asked = &upgrade->pair->loop->head;
	struct head *head = &upgrade->request;

	upgrade->pair->hooks->upgraded(upgrade->pair);
	if (upgrade->request.scan.size > 0)
		client_rest = head_rest(&upgrade->request, &client_size);
	if (upgrade->reply.head.scan.size > 0)
		backend_rest = head_rest(&upgrade->reply.head, &backend_size);
	if (upgrade_is_server(upgrade)) {
		(void)http_request_parse(
			asked, &head->scan, head->bytes, head->used); /* it was complete before */
		upgrade->pair->asked = asked;
	}
	upgrade->pair->hooks->open(
		upgrade->pair, client_rest, client_size, backend_rest, backend_size);
	upgrade->pair->asked = NULL;
	upgrade_free(upgrade);
}

/* We are the server of the handshake, since the backend knows none: accepts the client. */
static void upgrade_welcome(struct upgrade *upgrade)
{
	char text[HANDSHAKE_ANSWER_MAX];
	size_t size = upgrade_shake(upgrade)->welcome(text, &upgrade->proof);

	if (endpoint_write(&upgrade->pair->client, text, size) != 0)
		pair_client_failed(upgrade->pair);
	else
		upgrade_open(upgrade);
}

/* ---- towards the backend ---- */

/* Sends the client's head on, without our own token, if there is one. */
static int upgrade_forward_request(struct upgrade *upgrade)
{
	const struct side_shake *shake = upgrade_shake(upgrade);
	struct http_head *parsed = &upgrade->pair->loop->head;
	struct head *head = &upgrade->request;
	const char *dropped[UPGRADE_DROPPED_MAX] = {NULL}, *const *more = shake->dropped;
	size_t count = 0;

	(void)http_request_parse(
		parsed, &head->scan, head->bytes, head->used); /* it was complete before */
	if (upgrade->pair->route->guard.token != NULL)
		dropped[count++] = "Authorization";
	if (upgrade->wanted == HANDSHAKE_NONE)
		return head_forward(
			&upgrade->pair->backend, parsed, dropped, "Connection: close\r\n");
	for (; *more != NULL; more++) {
		assert(count + 1 < UPGRADE_DROPPED_MAX);
		dropped[count++] = *more;
	}
	return head_forward(&upgrade->pair->backend, parsed, dropped, shake->fields);
}

static int upgrade_send_request(struct upgrade *upgrade)
{
	struct pair *pair = upgrade->pair;
	char *text = (char *)pair->loop->write_bytes;
	size_t size = upgrade_shake(upgrade)->ask(text, LOOP_WRITE_SIZE, &upgrade->proof,
		&pair->loop->ids, pair->route->upstream_host, pair->route->upstream_path);

	if (size == 0) {
		pair->backend.error = ENOMEM;
		pair->backend.is_ours = true;
		return -1;
	}
	return endpoint_write(&pair->backend, text, size);
}

/* The request is no upgrade, and its head is on its way. */
static void upgrade_exchange(struct upgrade *upgrade)
{
	size_t size;
	uint8_t *rest = head_rest(&upgrade->request, &size);

	if (exchange_begin(upgrade->pair, &upgrade->plain, rest, size) != 0)
		return;
	upgrade->pair->hooks->upgraded(upgrade->pair);
	upgrade_free(upgrade);
}

void upgrade_connected(struct upgrade *upgrade)
{
	bool own = !upgrade_is_server(upgrade);

	if (upgrade->pair->route->backend_side->shake == NULL) {
		upgrade_welcome(upgrade);
		return;
	}
	if ((own ? upgrade_send_request(upgrade) : upgrade_forward_request(upgrade)) != 0) {
		if (upgrade->pair->backend.is_ours)
			pair_fail(upgrade->pair, upgrade->pair->backend.error);
		else
			upgrade_unreachable(upgrade, "the server did not take the request");
		return;
	}
	upgrade->phase = UPGRADE_REPLY;
	if (upgrade->wanted == HANDSHAKE_NONE && !own)
		upgrade_exchange(upgrade);
	else
		endpoint_resume(&upgrade->pair->backend);
}

/* ---- the backend's answer ---- */

static void upgrade_relay_refusal(struct upgrade *upgrade)
{

	log_line(LOG_INFO, "connection %llu: the server refused the upgrade with %u",
		upgrade->pair->number, upgrade->pair->loop->head.status);
	if (exchange_refuse(upgrade->pair, &upgrade->reply) != 0)
		return;
	upgrade->pair->hooks->upgraded(upgrade->pair);
	upgrade_free(upgrade);
}

static void upgrade_got_reply(struct upgrade *upgrade)
{
	const struct http_head *parsed = &upgrade->pair->loop->head;
	struct head *sent = &upgrade->request;
	struct http_head *request = NULL; /* the client's, while loop->head has the answer */
	const char *wrong;

	if (parsed->status != 101 && upgrade_is_server(upgrade)) {
		upgrade_relay_refusal(upgrade);
		return;
	}
	if (upgrade_is_server(upgrade)) {
		request = malloc(sizeof *request);
		if (request == NULL) {
			pair_fail(upgrade->pair, ENOMEM);
			return;
		}
		(void)http_request_parse(
			request, &sent->scan, sent->bytes, sent->used); /* it was complete before */
	}
	wrong = parsed->status == 101
			? upgrade_shake(upgrade)->check_reply(parsed, &upgrade->proof, request)
			: "the server refused the upgrade";
	free(request);
	if (wrong != NULL) {
		log_line(LOG_WARN, "connection %llu: server's handshake: %s (status %u)",
			upgrade->pair->number, wrong, parsed->status);
		upgrade_unreachable(upgrade, "the server's handshake is not valid");
		return;
	}
	if (upgrade_is_server(upgrade) &&
		head_forward(&upgrade->pair->client, parsed, upgrade_dropped_nothing,
			upgrade_shake(upgrade)->fields) != 0)
		pair_client_failed(upgrade->pair);
	else
		upgrade_open(upgrade);
}

static void upgrade_replied(struct upgrade *upgrade, enum reply_result result, const char *why)
{
	switch (result) {
	case REPLY_DONE:
		upgrade_got_reply(upgrade);
		break;
	case REPLY_WRONG:
		upgrade_unreachable(upgrade, why);
		break;
	case REPLY_MORE:
	case REPLY_OVER:
		break;
	}
}

static void upgrade_read_reply(struct upgrade *upgrade)
{
	const char *why = NULL;
	enum reply_result result =
		reply_read(&upgrade->reply, upgrade->pair, upgrade_is_server(upgrade), &why);

	upgrade_replied(upgrade, result, why);
}

void upgrade_drained(struct upgrade *upgrade)
{
	const char *why = NULL;
	enum reply_result result;

	if (upgrade->phase != UPGRADE_REPLY)
		return;
	result = reply_drained(&upgrade->reply, upgrade->pair, upgrade_is_server(upgrade), &why);
	upgrade_replied(upgrade, result, why);
}

/* ---- the client's request ---- */

static bool upgrade_path_served(const struct upgrade *upgrade)
{
	const char *served = upgrade->pair->route->listen_path;
	struct http_text authority, path;
	size_t size;

	if (served == NULL)
		return true;
	http_target_split(upgrade->pair->loop->head.target, &authority, &path);
	size = strlen(served);
	return path.size >= size && memcmp(path.bytes, served, size) == 0 &&
	       (path.size == size || path.bytes[size] == '?');
}

/* Why the request goes nowhere: a status, with a text in *why; 0 when it may go on. */
static unsigned upgrade_check_request(struct upgrade *upgrade, const char **why)
{
	struct http_head *parsed = &upgrade->pair->loop->head;

	if (http_text_is_exactly(parsed->method, HTTP_TEXT("CONNECT"))) {
		*why = "this is no proxy for CONNECT";
		return 501; /* what followed would pass unseen */
	}
	if (!upgrade_path_served(upgrade)) {
		*why = "nothing is served at this path";
		return 404;
	}
	*why = http_connection_check(parsed);
	if (*why != NULL)
		return 400;
	upgrade->wanted = upgrade_shake(upgrade)->check(parsed);
	if (upgrade->wanted == HANDSHAKE_BAD ||
		http_body_of_request(&upgrade->plain.body, parsed) != HTTP_DONE) {
		*why = parsed->bad_reason;
		return parsed->bad_status;
	}
	if (upgrade->wanted == HANDSHAKE_NONE &&
		upgrade->pair->route->backend_side->shake == NULL) {
		*why = "this is a WebSocket endpoint";
		return 426; /* there is no HTTP server behind us to ask */
	}
	return 0;
}

/* On failure it has been answered. */
static int upgrade_connect(struct upgrade *upgrade)
{
	upgrade->phase = UPGRADE_CONNECT;
	return upgrade->pair->hooks->connect(upgrade->pair);
}

/* What a client is told that breaks a rule of the guard. */
static const struct {
	unsigned status;
	const char *why;
	size_t counter; /* offset in struct loop_counters */
} upgrade_rules[] = {
	[GUARD_NO_HOST] = {400, "there must be one Host field, with a host",
		offsetof(struct loop_counters, hosts_refused)},
	[GUARD_FOREIGN_HOST] = {421, "this is another host",
		offsetof(struct loop_counters, hosts_refused)},
	[GUARD_FOREIGN_ORIGIN] = {403, "pages of this origin may not connect",
		offsetof(struct loop_counters, origins_refused)},
	[GUARD_NO_TOKEN] = {401, "a bearer token is needed",
		offsetof(struct loop_counters, tokens_refused)},
};

/* Whether the client may come in; if not, it has been answered. */
static bool upgrade_admits(struct upgrade *upgrade)
{
	const struct guard *guard = &upgrade->pair->route->guard;
	struct address local = {.size = sizeof local.storage};
	char note[GUARD_NOTE_SIZE];
	enum guard_verdict verdict;

	if (guard->checks_host && getsockname(upgrade->pair->client.read_fd,
					  (struct sockaddr *)&local.storage, &local.size) != 0)
		local.size = 0; /* then it is the address of nobody */
	verdict = guard_check(guard, &upgrade->pair->loop->head, &local, note);
	if (verdict == GUARD_ADMITTED)
		return true;
	++*(uint64_t *)((char *)&upgrade->pair->loop->counters + upgrade_rules[verdict].counter);
	answer_send(upgrade->pair,
		&(struct answer){.status = upgrade_rules[verdict].status,
			.why = upgrade_rules[verdict].why,
			.note = note,
			.to_head = upgrade->plain.to_head},
		PAIR_HANDSHAKE_FAILED);
	return false;
}

static void upgrade_got_request(struct upgrade *upgrade)
{
	struct http_head *parsed = &upgrade->pair->loop->head;
	const char *why;
	unsigned status;

	upgrade->plain.to_head = http_text_is_exactly(parsed->method, HTTP_TEXT("HEAD"));
	upgrade->plain.to_old = parsed->version_minor == 0;
	if (!upgrade_admits(upgrade))
		return;
	status = upgrade_check_request(upgrade, &why);
	if (status != 0) {
		upgrade_refuse(upgrade, status, why, PAIR_HANDSHAKE_FAILED);
		return;
	}
	if (upgrade->wanted == HANDSHAKE_OK &&
		upgrade_shake(upgrade)->prove(&upgrade->proof, parsed) != 0)
		pair_fail(upgrade->pair, ENOMEM);
	else
		(void)upgrade_connect(upgrade);
}

static void upgrade_read_request(struct upgrade *upgrade)
{
	struct http_head *parsed = &upgrade->pair->loop->head;
	struct head *head = &upgrade->request;

	switch (head_read(head, &upgrade->pair->client,
		(size_t)upgrade->pair->loop->config->handshake_bytes_max)) {
	case HEAD_READ:
		break;
	case HEAD_LATER:
		return;
	case HEAD_END:
		pair_close(upgrade->pair, PAIR_CLIENT_GONE);
		return;
	case HEAD_FULL:
		upgrade_refuse(
			upgrade, 431, "the request head is too large", PAIR_HANDSHAKE_FAILED);
		return;
	case HEAD_FAILED:
		pair_fail(upgrade->pair, errno);
		return;
	}
	switch (http_request_parse(parsed, &head->scan, head->bytes, head->used)) {
	case HTTP_MORE:
		break;
	case HTTP_BAD:
		upgrade_refuse(
			upgrade, parsed->bad_status, parsed->bad_reason, PAIR_HANDSHAKE_FAILED);
		break;
	case HTTP_DONE:
		upgrade_got_request(upgrade);
		break;
	}
}

/*
 * The client says something while it should wait: frames that come early stay where they are; an
 * end means that it has given up, unless it asked for plain HTTP, which may end so.
 */
static void upgrade_early(struct upgrade *upgrade)
{
	if (upgrade_is_wanted(upgrade) && endpoint_at_end(&upgrade->pair->client))
		pair_close(upgrade->pair, PAIR_CLIENT_GONE);
	else
		endpoint_watch(&upgrade->pair->client);
}

void upgrade_readable(struct upgrade *upgrade, struct endpoint *endpoint)
{
	bool from_client = endpoint == &upgrade->pair->client;

	switch (upgrade->phase) {
	case UPGRADE_REQUEST:
		if (from_client)
			upgrade_read_request(upgrade);
		break;
	case UPGRADE_REPLY:
		if (from_client)
			upgrade_early(upgrade);
		else
			upgrade_read_reply(upgrade);
		break;
	case UPGRADE_CONNECT:
		if (from_client)
			upgrade_early(upgrade);
		else
			endpoint_pause(endpoint);
		break;
	}
}

/* ---- life ---- */

struct upgrade *upgrade_new(struct pair *pair)
{
	struct upgrade *upgrade = calloc(1, sizeof *upgrade);

	if (upgrade != NULL)
		upgrade->pair = pair;
	return upgrade;
}

int upgrade_begin(struct upgrade *upgrade)
{
	return upgrade_is_server(upgrade) ? 0 : upgrade_connect(upgrade);
}

void upgrade_free(struct upgrade *upgrade)
{
	if (upgrade == NULL)
		return;
	head_done(&upgrade->request);
	head_done(&upgrade->reply.head);
	free(upgrade);
}

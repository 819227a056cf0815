/*
 * Exchanges. What a client sends is read as far as its request goes; what it sent behind that waits
 * in the buffer of heads, or in its socket. So answers are in order, and an exchange has both
 * connections for itself. Heads are passed on without what is between neighbours, with a Connection
 * field of our own that says what the peer said whom it came from; bodies pass as they come.
 *
 * A peer whose framing is broken, or who says more than was asked, is not spoken to again: nobody
 * knows what its next bytes would be. An answer that begins before its request has ended is the
 * last one, as the rest of the request may never come.
 */
#include "proxy/exchange.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "proxy/address.h"
#include "proxy/answer.h"
#include "proxy/body.h"
#include "proxy/head.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/outlet.h"
#include "proxy/pair.h"
#include "proxy/reply.h"
#include "proxy/side/handshake.h"
#include "proxy/side/http_body.h"
#include "proxy/side/side.h"

#define EXCHANGE_DROPPED_MAX 8
#define EXCHANGE_FRAMING_MAX 32

enum exchange_phase {
	EXCHANGE_RESTS,    /* no request has come, or a part of its head */
	EXCHANGE_READS,    /* so much of its body as must be there before its head is sent */
	EXCHANGE_CONNECTS, /* the request waits for the backend */
	EXCHANGE_WAITS,    /* for the answer's head */
	EXCHANGE_ANSWERS,  /* its body is passing */
	EXCHANGE_DELIVERS, /* the last answer has come; the client is to take the rest */
};

struct exchange {
	struct pair *pair; /* borrowed: of who owns this */
	enum exchange_phase phase;
	enum pair_reason reason; /* of the end, once it delivers */
	struct head head;        /* of the request, with what came behind it */
	size_t taken;            /* of that, the beginning of the request's body */
	struct http_body request;
	uint64_t length;  /* of the request's body, if it is_sized */
	struct body said; /* what is in it */
	struct reply reply;
	struct http_body answer;
	struct body heard;            /* what is in that */
	enum handshake wanted;        /* by the client */
	struct handshake_proof proof; /* of the answer to a handshake */
	bool to_head;                 /* a HEAD: the answer has no body */
	bool to_old;                  /* HTTP/1.0: it may not have interim answers */
	bool is_sized;
	bool head_is_sent;
	bool said_is_over; /* its trailer has begun */
	uint8_t framing_size;
	char framing[EXCHANGE_FRAMING_MAX]; /* the first size line, until it is known if it edits */
	bool is_looked_at;                  /* the owner has been told of it */
	bool edits;                         /* what said gives is sent in place of what came */
	bool wants_json;                    /* in our own answers */
	bool to_stream;                     /* it asks for events, which may be long in coming */
	bool client_keeps;                  /* its connection, for more requests */
	bool backend_keeps;
	bool request_broken; /* the backend takes no more of it */
	unsigned status;     /* of the answer */
	bool client_ended;
	bool has_asked;       /* there has been a request */
	bool is_last;         /* we stop */
	uint64_t passed;      /* bytes of both bodies */
	uint64_t progress;    /* of them, what the peers had taken when it was last looked at */
	uint64_t progress_ns; /* when that changed */
};

static const char *const exchange_dropped_nothing[] = {NULL};
static const uint8_t exchange_no_bytes[1];

static const struct side_shake *exchange_shake(const struct exchange *exchange)
{
	return exchange->pair->route->client_side->shake;
}

/* Whether something that was called has ended it all. */
static bool exchange_is_over(const struct exchange *exchange)
{
	return exchange->pair->state != PAIR_EXCHANGE;
}

/* The owner knows of the exchange: it is over, with an answer that has that status. */
static void exchange_over(struct exchange *exchange, unsigned status)
{
	body_done(&exchange->said);
	body_done(&exchange->heard);
	if (exchange->is_looked_at)
		exchange->pair->hooks->exchanged(exchange->pair, status);
	exchange->is_looked_at = false;
}

static void exchange_refuse(
	struct exchange *exchange, unsigned status, const char *why, enum pair_reason reason)
{
	bool asked = exchange->wants_json && exchange->said.id[0] != '\0';

	exchange_over(exchange, status);
	answer_send(exchange->pair,
		&(struct answer){.status = status,
			.why = why,
			.id = asked ? exchange->said.id : NULL,
			.to_head = exchange->to_head},
		reason);
}

/* The backend, or its answer, is none. */
static void exchange_bad_gateway(struct exchange *exchange, unsigned status, const char *why)
{
	exchange_refuse(exchange, status, why, PAIR_BACKEND_UNREACHABLE);
}

/* What the client's request was parsed to, once more. */
static struct http_head *exchange_asked(struct exchange *exchange, struct http_head *parsed)
{
	(void)http_request_parse(parsed, &exchange->head.scan, exchange->head.bytes,
		exchange->head.used); /* it was complete before */
	return parsed;
}

/* ---- who is read ---- */

/* Whether what the client says is wanted now: a head, or a body that the backend takes. */
static bool exchange_listens(const struct exchange *exchange)
{
	bool is_sent = exchange->phase == EXCHANGE_WAITS || exchange->phase == EXCHANGE_ANSWERS;

	if (exchange->phase <= EXCHANGE_READS || exchange->phase == EXCHANGE_DELIVERS)
		return true;
	return is_sent && exchange->request.state != HTTP_BODY_DONE &&
	       endpoint_backlog(&exchange->pair->backend) <
		       (size_t)exchange->pair->loop->config->backlog_bytes_max;
}

/* A client that does not read pauses the backend. */
static void exchange_throttle_backend(struct exchange *exchange)
{
	if (endpoint_backlog(&exchange->pair->client) >=
		(size_t)exchange->pair->loop->config->backlog_bytes_max)
		endpoint_pause(&exchange->pair->backend);
}

/* Something has begun that is waited for. */
static void exchange_moved(struct exchange *exchange)
{
	exchange->progress_ns = exchange->pair->loop->now_ns;
}

/* ---- ends ---- */

/*
 * Nothing more comes for the client. finish() gives it little time, so it takes the rest before;
 * what it still says is read and thrown away.
 */
static void exchange_deliver(struct exchange *exchange, enum pair_reason reason)
{
	exchange_over(exchange, exchange->status);
	exchange->phase = EXCHANGE_DELIVERS;
	exchange->reason = reason;
	endpoint_close(&exchange->pair->backend);
	if (endpoint_backlog(&exchange->pair->client) == 0)
		pair_finish(exchange->pair, reason);
	else if (!exchange->client_ended)
		endpoint_resume(&exchange->pair->client);
}

/* The client says no more. Inside a request the backend is told so. */
static void exchange_client_ended(struct exchange *exchange)
{
	exchange->client_ended = true;
	endpoint_pause(&exchange->pair->client);
	if (endpoint_has_left(&exchange->pair->client) || exchange->wanted == HANDSHAKE_OK)
		pair_close(exchange->pair, PAIR_CLIENT_GONE);
	else if (exchange->phase <= EXCHANGE_READS)
		exchange_deliver(exchange, exchange->head.used > 0 ? PAIR_CLIENT_GONE : PAIR_ENDED);
	else if (exchange->request.state != HTTP_BODY_DONE)
		endpoint_shutdown(&exchange->pair->backend);
}

/* ---- the request, towards the backend ---- */

/* Its head, without our own token, if there is one. length: another Content-Length, or NULL. */
static void exchange_put_head(struct exchange *exchange, struct outlet *outlet, const char *length)
{
	const struct side_shake *shake = exchange_shake(exchange);
	const char *dropped[EXCHANGE_DROPPED_MAX] = {NULL}, *const *more = shake->dropped;
	struct http_changes changes = {.drop = dropped, .add = "", .length = length};
	size_t count = 0;

	if (exchange->pair->route->guard.token != NULL)
		dropped[count++] = "Authorization";
	if (exchange->wanted == HANDSHAKE_OK) {
		for (; *more != NULL; more++) {
			assert(count + 1 < EXCHANGE_DROPPED_MAX);
			dropped[count++] = *more;
		}
		changes.add = shake->fields;
	} else if (!exchange->client_keeps) {
		changes.add = "Connection: close\r\n";
	} else if (exchange->to_old) {
		changes.add = "Connection: keep-alive\r\n";
	}
	outlet_head(outlet, exchange_asked(exchange, &exchange->pair->loop->head), &changes);
}

static void exchange_put_text(struct outlet *outlet, const char *text)
{
	sink_write(&outlet->sink, (const uint8_t *)text, strlen(text));
}

/* What an edited body has become so far: behind its head, or as a chunk. */
static void exchange_put_edited(struct exchange *exchange, struct outlet *outlet, bool last)
{
	const struct splice_piece *pieces;
	size_t count, total, i;
	uint64_t length;
	char text[HTTP_CHANGES_LENGTH_MAX + 3];

	if (exchange->said.splice == NULL)
		return; /* there is none */
	pieces = body_pieces(&exchange->said, &count, &total);
	if (exchange->is_sized && !exchange->head_is_sent) {
		assert(last || total > 0); /* see exchange_must_read() */
		length = last ? total : exchange->length + body_growth(&exchange->said);
		(void)snprintf(text, sizeof text, "%" PRIu64, length); /* fits */
		exchange_put_head(exchange, outlet, length != exchange->length ? text : NULL);
		exchange->head_is_sent = true;
	}
	if (total == 0)
		return;
	(void)snprintf(text, sizeof text, "%zx\r\n", total); /* the same */
	if (!exchange->is_sized)
		exchange_put_text(outlet, text);
	for (i = 0; i < count; i++)
		sink_write(&outlet->sink, pieces[i].bytes, pieces[i].size);
	if (!exchange->is_sized)
		exchange_put_text(outlet, "\r\n");
}

/*
 * The body turns out to be nothing that is edited, by its first bytes, which are size: what was
 * kept of it so far goes before them.
 */
static void exchange_edit_no_more(struct exchange *exchange, struct outlet *outlet, size_t size)
{
	char text[HTTP_CHANGES_LENGTH_MAX];

	exchange->edits = false;
	if (exchange->is_sized) {
		exchange_put_head(exchange, outlet, NULL);
		exchange->head_is_sent = true;
		return;
	}
	(void)snprintf(text, sizeof text, "%" PRIx64 "\r\n", size + exchange->request.left);
	if (exchange->framing_size <= EXCHANGE_FRAMING_MAX)
		sink_write(
			&outlet->sink, (const uint8_t *)exchange->framing, exchange->framing_size);
	else
		exchange_put_text(outlet, text); /* its extensions are too long */
}

/* Keeps what comes of the first size line. */
static void exchange_keep_framing(struct exchange *exchange, const uint8_t *bytes, size_t size)
{
	if (exchange->said.begun || exchange->framing_size > EXCHANGE_FRAMING_MAX)
		return;
	if (size > (size_t)EXCHANGE_FRAMING_MAX - exchange->framing_size) {
		exchange->framing_size = EXCHANGE_FRAMING_MAX + 1; /* too long */
		return;
	}
	memcpy(exchange->framing + exchange->framing_size, bytes, size);
	exchange->framing_size = (uint8_t)(exchange->framing_size + size);
}

/* The next bytes of the body, which are of one kind. */
static void exchange_put_body(struct exchange *exchange, struct outlet *outlet,
	const uint8_t *bytes, size_t size, enum http_piece piece)
{
	bool last = exchange->is_sized && exchange->request.state == HTTP_BODY_DONE;

	if (piece == HTTP_PIECE_DATA) {
		body_feed(&exchange->said, bytes, size, last);
		if (exchange->edits && !body_edits(&exchange->said))
			exchange_edit_no_more(exchange, outlet, size);
		if (exchange->edits)
			exchange_put_edited(exchange, outlet, last);
	} else if (piece == HTTP_PIECE_TRAILER && !exchange->said_is_over) {
		exchange->said_is_over = last = true;
		body_feed(&exchange->said, exchange_no_bytes, 0, true);
		if (exchange->edits) {
			exchange_put_edited(exchange, outlet, true);
			exchange_put_text(outlet, "0\r\n");
		}
	}
	if (!exchange->edits)
		sink_pass(&outlet->sink, bytes, size);
	else if (piece == HTTP_PIECE_FRAMING)
		exchange_keep_framing(exchange, bytes, size);
	else if (piece == HTTP_PIECE_TRAILER)
		sink_write(&outlet->sink, bytes, size);
	if (last)
		body_end(&exchange->said);
}

/* Passes on what is the body's of what came next; returns how much that is. */
static size_t exchange_pass_request(
	struct exchange *exchange, struct outlet *outlet, const uint8_t *bytes, size_t size)
{
	struct http_body *body = &exchange->request;
	enum http_piece piece;
	size_t own = 0, now;

	outlet->failed |= exchange->request_broken;
	while ((now = http_body_next(body, (const char *)bytes + own, size - own, &piece)) > 0) {
		exchange_put_body(exchange, outlet, bytes + own, now, piece);
		own += now;
	}
	exchange->passed += own;
	if (outlet_end(outlet) != 0 && !exchange->request_broken)
		exchange_failed(exchange, &exchange->pair->backend);
	if (body->state != HTTP_BODY_BAD || exchange_is_over(exchange))
		return own;
	exchange->pair->loop->counters.framing_errors++;
	if (exchange->phase != EXCHANGE_WAITS)
		pair_close(exchange->pair, PAIR_FRAMING_ERROR);
	else
		exchange_refuse(exchange, 400, "the request's body is not chunked as it should be",
			PAIR_FRAMING_ERROR);
	return own;
}

static void exchange_read_body(struct exchange *exchange)
{
	struct loop *loop = exchange->pair->loop;
	ssize_t n = endpoint_read(&exchange->pair->client, loop->read_bytes, LOOP_READ_SIZE);
	struct outlet outlet;
	size_t own;

	if (n > 0) {
		outlet_begin(&outlet, loop, &exchange->pair->backend);
		own = exchange_pass_request(exchange, &outlet, loop->read_bytes, (size_t)n);
		if (!exchange_is_over(exchange) &&
			head_keep(&exchange->head, loop->read_bytes + own, (size_t)n - own) != 0)
			pair_fail(exchange->pair, ENOMEM);
	} else if (n == 0) {
		exchange_client_ended(exchange);
	} else if (endpoint_error_is_ours(errno)) {
		pair_fail(exchange->pair, errno);
	} else if (errno != EAGAIN && errno != EWOULDBLOCK) {
		pair_close(exchange->pair, PAIR_CLIENT_GONE);
	}
}

/* Messages flow from now on; what came behind the heads comes first. */
static void exchange_open(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;
	size_t client_size, backend_size = 0;
	uint8_t *client_rest = head_rest(&exchange->head, &client_size), *backend_rest = NULL;

	pair->hooks->upgraded(pair);
	if (exchange->reply.head.scan.size > 0)
		backend_rest = head_rest(&exchange->reply.head, &backend_size);
	pair->asked = exchange_asked(exchange, &pair->loop->head);
	pair->hooks->open(pair, client_rest, client_size, backend_rest, backend_size);
	pair->asked = NULL;
	exchange_free(exchange);
}

/* We are the server of the handshake, since the backend knows none: accepts the client. */
static void exchange_welcome(struct exchange *exchange)
{
	char text[HANDSHAKE_ANSWER_MAX];
	size_t size = exchange_shake(exchange)->welcome(text, &exchange->proof);

	if (endpoint_write(&exchange->pair->client, text, size) != 0)
		pair_client_failed(exchange->pair);
	else
		exchange_open(exchange);
}

void exchange_connected(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;
	struct outlet outlet;
	uint8_t *rest;
	size_t size;

	if (pair->route->backend_side->shake == NULL) {
		exchange_welcome(exchange);
		return;
	}
	exchange->phase = EXCHANGE_WAITS;
	exchange_moved(exchange);
	endpoint_resume(&pair->backend);
	outlet_begin(&outlet, pair->loop, &pair->backend);
	if (!exchange->edits || !exchange->is_sized) {
		exchange_put_head(exchange, &outlet, NULL);
		exchange->head_is_sent = true;
	}
	rest = head_rest(&exchange->head, &size);
	exchange->taken = exchange_pass_request(exchange, &outlet, rest, size);
	if (exchange_is_over(exchange) || exchange->request.state == HTTP_BODY_DONE)
		return;
	if (exchange->client_ended)
		endpoint_shutdown(&pair->backend);
	else if (exchange_listens(exchange))
		endpoint_resume(&pair->client);
}

/* What has come of the request is looked at all the same: our answer may name it. */
void exchange_unreachable(struct exchange *exchange)
{
	struct outlet outlet;
	uint8_t *rest;
	size_t size;

	exchange->phase = EXCHANGE_WAITS;
	exchange->request_broken = true;
	outlet_begin(&outlet, exchange->pair->loop, &exchange->pair->backend);
	rest = head_rest(&exchange->head, &size);
	(void)exchange_pass_request(exchange, &outlet, rest, size);
	if (!exchange_is_over(exchange))
		exchange_bad_gateway(exchange, 502, "the server is not reachable");
}

/* ---- the request's head ---- */

static bool exchange_path_served(const struct exchange *exchange, const struct http_head *parsed)
{
	const char *served = exchange->pair->route->listen_path;
	struct http_text authority, path;
	size_t size;

	if (served == NULL)
		return true;
	http_target_split(parsed->target, &authority, &path);
	size = strlen(served);
	return path.size >= size && memcmp(path.bytes, served, size) == 0 &&
	       (path.size == size || path.bytes[size] == '?');
}

/* Why the request goes nowhere: a status, with a text in *why; 0 when it may go on. */
static unsigned exchange_check_request(
	struct exchange *exchange, struct http_head *parsed, const char **why)
{
	if (http_text_is_exactly(parsed->method, HTTP_TEXT("CONNECT"))) {
		*why = "this is no proxy for CONNECT";
		return 501; /* what followed would pass unseen */
	}
	if (!exchange_path_served(exchange, parsed)) {
		*why = "nothing is served at this path";
		return 404;
	}
	*why = "there must be one Host field"; /* RFC 9112, 3.2 */
	if (http_field_count(parsed, "Host") > 1 ||
		(parsed->version_minor > 0 && http_field_find(parsed, "Host") == NULL))
		return 400;
	*why = http_connection_check(parsed);
	if (*why != NULL)
		return 400;
	exchange->wanted = exchange_shake(exchange)->check(parsed);
	if (exchange->wanted == HANDSHAKE_BAD ||
		http_body_of_request(&exchange->request, parsed) != HTTP_DONE) {
		*why = parsed->bad_reason;
		return parsed->bad_status;
	}
	if (exchange->wanted == HANDSHAKE_NONE &&
		exchange->pair->route->backend_side->shake == NULL) {
		*why = "this is a WebSocket endpoint";
		return 426; /* there is no HTTP server behind us to ask */
	}
	return 0;
}

/* What a client is told that breaks a rule of the guard. */
static const struct {
	unsigned status;
	const char *why;
	size_t counter; /* offset in struct loop_counters */
} exchange_rules[] = {
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
static bool exchange_admits(struct exchange *exchange, const struct http_head *parsed)
{
	const struct guard *guard = &exchange->pair->route->guard;
	struct address local = {.size = sizeof local.storage};
	char note[GUARD_NOTE_SIZE];
	enum guard_verdict verdict;

	if (guard->checks_host && getsockname(exchange->pair->client.read_fd,
					  (struct sockaddr *)&local.storage, &local.size) != 0)
		local.size = 0; /* then it is the address of nobody */
	verdict = guard_check(guard, parsed, &local, note);
	if (verdict == GUARD_ADMITTED)
		return true;
	++*(uint64_t *)((char *)&exchange->pair->loop->counters + exchange_rules[verdict].counter);
	answer_send(exchange->pair,
		&(struct answer){.status = exchange_rules[verdict].status,
			.why = exchange_rules[verdict].why,
			.note = note,
			.to_head = exchange->to_head},
		PAIR_HANDSHAKE_FAILED);
	return false;
}

/* Whether who sent the head keeps the connection for another (RFC 9112, 9.3). */
static bool exchange_keeps(const struct http_head *parsed)
{
	return parsed->version_minor > 0 ? !http_field_has_token(parsed, "Connection", "close")
					 : http_field_has_token(parsed, "Connection", "keep-alive");
}

/* Whether the body is what it seems, and not packed. */
static bool exchange_is_plain(const struct http_head *parsed)
{
	const struct http_field *field = http_field_find(parsed, "Content-Encoding");

	return field == NULL || http_text_is(field->value, HTTP_TEXT("identity"));
}

/*
 * Tells the owner of the request, and how its body will be taken. One whose sender waits to be told
 * to go on is not edited if its size must be known before: it is not going to come.
 */
static void exchange_look(struct exchange *exchange, const struct http_head *parsed)
{
	struct pair *pair = exchange->pair;
	enum splice_mode mode = SPLICE_WATCH;
	enum body_form form = BODY_UNSEEN;
	bool accepts = http_field_find(parsed, "Accept") == NULL ||
		       http_field_has_token(parsed, "Accept", "application/json") ||
		       http_field_has_token(parsed, "Accept", "*/*");

	exchange->wants_json = http_type_is(parsed, "application/json") && accepts;
	exchange->is_sized = exchange->request.state == HTTP_BODY_SIZED;
	exchange->length = exchange->request.left;
	exchange->head_is_sent = exchange->said_is_over = false;
	exchange->framing_size = 0;
	if (exchange->wanted == HANDSHAKE_NONE) {
		pair->loop->counters.http_exchanges++;
		exchange->is_looked_at = pair->hooks->asked(pair, parsed, &mode);
	}
	if (exchange->is_looked_at && exchange->request.state != HTTP_BODY_DONE &&
		http_text_is_exactly(parsed->method, HTTP_TEXT("POST")) &&
		exchange_is_plain(parsed))
		form = BODY_MESSAGE;
	if (exchange->is_sized && http_field_find(parsed, "Expect") != NULL)
		mode = SPLICE_WATCH;
	body_begin(&exchange->said, pair, true, form, mode);
	exchange->said.promises = exchange->is_sized;
	exchange->edits = body_edits(&exchange->said);
}

/* Whether the head must wait for more of the body, by which its size is known. */
static bool exchange_must_read(const struct exchange *exchange)
{
	uint64_t wanted =
		exchange->length <= SPLICE_HOLD_MAX ? exchange->length : SPLICE_HOLD_MAX + 1;
	size_t size;

	if (!exchange->edits || !exchange->is_sized)
		return false;
	(void)head_rest(&exchange->head, &size);
	return size < wanted;
}

/* The request is there, or as much of it as is needed: it goes to the backend. */
static void exchange_go(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;

	exchange_moved(exchange);
	if (exchange_must_read(exchange)) {
		exchange->phase = EXCHANGE_READS;
		return;
	}
	exchange->phase = EXCHANGE_CONNECTS;
	if (pair->backend.state == ENDPOINT_OPEN && !endpoint_at_end(&pair->backend)) {
		exchange_connected(exchange);
		return;
	}
	endpoint_close(&pair->backend);
	(void)pair->hooks->connect(pair); /* failing, it has been answered */
}

static void exchange_got_request(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;
	struct http_head *parsed = &pair->loop->head;
	const char *why;
	unsigned status;

	exchange->to_head = http_text_is_exactly(parsed->method, HTTP_TEXT("HEAD"));
	exchange->to_old = parsed->version_minor == 0;
	exchange->to_stream = http_text_is_exactly(parsed->method, HTTP_TEXT("GET")) &&
			      http_field_has_token(parsed, "Accept", "text/event-stream");
	exchange->client_keeps = exchange_keeps(parsed);
	if (!exchange_admits(exchange, parsed))
		return;
	status = exchange_check_request(exchange, parsed, &why);
	if (status != 0) {
		exchange_refuse(exchange, status, why, PAIR_HANDSHAKE_FAILED);
		return;
	}
	if (exchange->wanted == HANDSHAKE_OK &&
		exchange_shake(exchange)->prove(&exchange->proof, parsed) != 0) {
		pair_fail(pair, ENOMEM);
		return;
	}
	exchange->has_asked = true;
	exchange_look(exchange, parsed);
	exchange_go(exchange);
}

/* Looks at what has come of a head. */
static void exchange_parse_head(struct exchange *exchange)
{
	struct http_head *parsed = &exchange->pair->loop->head;
	struct head *head = &exchange->head;

	switch (http_request_parse(parsed, &head->scan, head->bytes, head->used)) {
	case HTTP_MORE:
		break;
	case HTTP_BAD:
		exchange_refuse(
			exchange, parsed->bad_status, parsed->bad_reason, PAIR_HANDSHAKE_FAILED);
		break;
	case HTTP_DONE:
		exchange_got_request(exchange);
		break;
	}
}

static void exchange_read_head(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;

	if (exchange->head.used == 0)
		exchange_moved(exchange);
	switch (head_read(
		&exchange->head, &pair->client, (size_t)pair->loop->config->handshake_bytes_max)) {
	case HEAD_READ:
		exchange_parse_head(exchange);
		break;
	case HEAD_LATER:
		break;
	case HEAD_END:
		exchange_client_ended(exchange);
		break;
	case HEAD_FULL:
		exchange_refuse(
			exchange, 431, "the request head is too large", PAIR_HANDSHAKE_FAILED);
		break;
	case HEAD_FAILED:
		pair_fail(pair, errno);
		break;
	}
}

/* ---- the answer ---- */

/* The client may ask again: its next request may be there already. */
static void exchange_rest(struct exchange *exchange)
{
	bool is_silent;

	head_next(&exchange->head, exchange->taken);
	is_silent = exchange->head.used == 0;
	exchange->phase = EXCHANGE_RESTS;
	exchange->taken = 0;
	exchange->wanted = HANDSHAKE_NONE;
	exchange->request_broken = false;
	exchange->status = 0;
	head_done(&exchange->reply.head);
	exchange->reply = (struct reply){.head = {.bytes = NULL}};
	exchange_moved(exchange);
	if (is_silent)
		head_done(&exchange->head); /* it may be so for long */
	else
		exchange_parse_head(exchange);
	if (exchange_is_over(exchange) || exchange->phase != EXCHANGE_RESTS)
		return;
	if (exchange->client_ended)
		exchange_deliver(exchange, is_silent ? PAIR_ENDED : PAIR_CLIENT_GONE);
	else
		endpoint_resume(&exchange->pair->client);
}

/* All of the answer has come, with so many bytes behind it. */
static void exchange_answered(struct exchange *exchange, size_t behind)
{
	struct pair *pair = exchange->pair;

	if (behind > 0) {
		pair->loop->counters.framing_errors++;
		log_line(LOG_WARN,
			"connection %llu: the server says more than its answer; thrown away, with "
			"its connection",
			pair->number);
		endpoint_close(&pair->backend);
	} else if (!exchange->backend_keeps) {
		endpoint_close(&pair->backend);
	} else {
		endpoint_resume(&pair->backend); /* to see its end */
	}
	exchange_over(exchange, exchange->status);
	if (exchange->client_keeps)
		exchange_rest(exchange);
	else
		exchange_deliver(exchange, PAIR_ENDED);
}

/* Passes on what is the answer's of what came next; outlet may have its head. */
static void exchange_pass_answer(
	struct exchange *exchange, struct outlet *outlet, const uint8_t *bytes, size_t size)
{
	struct http_body *body = &exchange->answer;
	enum http_piece piece;
	size_t own = 0, now;

	while ((now = http_body_next(body, (const char *)bytes + own, size - own, &piece)) > 0) {
		if (piece == HTTP_PIECE_DATA)
			body_feed(&exchange->heard, bytes + own, now, false);
		own += now;
	}
	if (own > 0)
		sink_pass(&outlet->sink, bytes, own);
	exchange->passed += own;
	if (outlet_end(outlet) != 0) {
		exchange_failed(exchange, &exchange->pair->client);
		return;
	}
	if (body->state == HTTP_BODY_BAD) {
		exchange->pair->loop->counters.framing_errors++;
		log_line(LOG_WARN, "connection %llu: an answer is not chunked as it should be",
			exchange->pair->number);
		exchange_deliver(exchange, PAIR_FRAMING_ERROR); /* cut off: the client sees it */
	} else if (body->state == HTTP_BODY_DONE) {
		body_end(&exchange->heard);
		exchange_answered(exchange, size - own);
	} else {
		exchange_throttle_backend(exchange);
	}
}

/* What the client is told of its connection, in the answer that is in parsed. */
static const char *exchange_connection(
	const struct exchange *exchange, const struct http_head *parsed)
{
	static const char *const texts[2][2] = {
		{"Connection: close\r\n", "Connection: close, Upgrade\r\nUpgrade: websocket\r\n"},
		{"Connection: keep-alive\r\n",
			"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"},
	};
	bool asks_upgrade = parsed->status == 426;

	if (exchange->client_keeps && !asks_upgrade && !exchange->to_old &&
		parsed->version_minor > 0)
		return ""; /* it goes without saying */
	return texts[exchange->client_keeps][asks_upgrade];
}

/* The backend grants the upgrade; or says so. */
static void exchange_got_upgrade(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;
	const struct side_shake *shake = exchange_shake(exchange);
	const struct http_head *parsed = &pair->loop->head;
	struct http_head *asked = malloc(sizeof *asked); /* while loop->head has the answer */
	struct http_changes changes = {.drop = exchange_dropped_nothing, .add = shake->fields};
	struct outlet outlet;
	const char *wrong;

	if (asked == NULL) {
		pair_fail(pair, ENOMEM);
		return;
	}
	wrong = shake->check_reply(parsed, &exchange->proof, exchange_asked(exchange, asked));
	free(asked);
	if (wrong != NULL) {
		log_line(LOG_WARN, "connection %llu: server's handshake: %s (status %u)",
			pair->number, wrong, parsed->status);
		exchange_bad_gateway(exchange, 502, "the server's handshake is not valid");
	} else {
		outlet_begin(&outlet, pair->loop, &pair->client);
		outlet_head(&outlet, parsed, &changes);
		if (outlet_end(&outlet) != 0)
			pair_client_failed(pair);
		else
			exchange_open(exchange);
	}
}

/* How the answer's body will be looked at. */
static void exchange_hear(struct exchange *exchange, const struct http_head *parsed)
{
	struct pair *pair = exchange->pair;
	enum body_form form = BODY_UNSEEN;

	if (exchange->is_looked_at)
		pair->hooks->answered(pair, parsed);
	if (exchange->is_looked_at && exchange_is_plain(parsed))
		form = http_type_is(parsed, "text/event-stream") ? BODY_EVENTS : BODY_MESSAGE;
	body_begin(&exchange->heard, pair, false, form, SPLICE_WATCH);
}

/* The head in loop->head is the final one: passes it on, and what of its body came with it. */
static void exchange_got_answer(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;
	struct http_head *parsed = &pair->loop->head;
	struct http_changes changes = {.drop = exchange_dropped_nothing};
	struct outlet outlet;
	uint8_t *rest;
	size_t size;

	if (parsed->status == 101 && exchange->wanted == HANDSHAKE_OK) {
		exchange_got_upgrade(exchange);
		return;
	}
	if (parsed->status == 101 ||
		http_body_of_response(&exchange->answer, parsed, exchange->to_head) != HTTP_DONE) {
		log_line(LOG_WARN, "connection %llu: the server's answer: %s", pair->number,
			parsed->status == 101 ? "protocols are switched without being asked"
					      : parsed->bad_reason);
		exchange_bad_gateway(exchange, 502, "the server's answer is not valid");
		return;
	}
	if (exchange->wanted == HANDSHAKE_OK)
		log_line(LOG_INFO, "connection %llu: the server refused the upgrade with %u",
			pair->number, parsed->status);
	exchange->backend_keeps =
		exchange_keeps(parsed) && exchange->answer.state != HTTP_BODY_TO_END;
	exchange->client_keeps &= exchange->backend_keeps && !exchange->is_last &&
				  exchange->request.state == HTTP_BODY_DONE &&
				  !exchange->request_broken;
	exchange->wanted = HANDSHAKE_NONE;
	exchange->status = parsed->status;
	exchange->phase = EXCHANGE_ANSWERS;
	exchange_moved(exchange);
	exchange_hear(exchange, parsed);
	changes.add = exchange_connection(exchange, parsed);
	outlet_begin(&outlet, pair->loop, &pair->client);
	outlet_head(&outlet, parsed, &changes);
	rest = head_rest(&exchange->reply.head, &size);
	exchange_pass_answer(exchange, &outlet, rest, size);
}

/* What reply_read() or reply_drained() found. */
static void exchange_replied(struct exchange *exchange, enum reply_result result, const char *why)
{
	switch (result) {
	case REPLY_DONE:
		exchange_got_answer(exchange);
		break;
	case REPLY_WRONG:
		exchange_bad_gateway(exchange, 502, why);
		break;
	case REPLY_MORE:
	case REPLY_OVER:
		break;
	}
}

static void exchange_read_answer(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;
	ssize_t n = endpoint_read(&pair->backend, pair->loop->read_bytes, LOOP_READ_SIZE);

	bool is_whole = exchange->answer.state == HTTP_BODY_TO_END;
	struct outlet outlet;

	if (n > 0) {
		outlet_begin(&outlet, pair->loop, &pair->client);
		exchange_pass_answer(exchange, &outlet, pair->loop->read_bytes, (size_t)n);
	} else if (n < 0 && endpoint_error_is_ours(errno)) {
		pair_fail(pair, errno);
	} else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
		if (is_whole)
			body_end(&exchange->heard);
		exchange_deliver(exchange, is_whole ? PAIR_ENDED : PAIR_BACKEND_GONE);
	}
}

/* ---- events ---- */

/* The client says something that is not wanted, so far; or no more. */
static void exchange_wait(struct exchange *exchange)
{
	endpoint_watch(&exchange->pair->client);
	if (endpoint_at_end(&exchange->pair->client))
		exchange_client_ended(exchange);
}

static void exchange_client_readable(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;
	ssize_t n;

	if (!exchange_listens(exchange)) {
		exchange_wait(exchange);
	} else if (exchange->phase <= EXCHANGE_READS) {
		exchange_read_head(exchange);
	} else if (exchange->phase != EXCHANGE_DELIVERS) {
		exchange_read_body(exchange);
	} else {
		n = endpoint_read(&pair->client, pair->loop->read_bytes, LOOP_READ_SIZE);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK))
			exchange_client_ended(exchange);
	}
}

static void exchange_backend_readable(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;
	const char *why = NULL;
	enum reply_result result;

	switch (exchange->phase) {
	case EXCHANGE_WAITS:
		result = reply_read(&exchange->reply, pair, !exchange->to_old, &why);
		exchange_replied(exchange, result, why);
		break;
	case EXCHANGE_ANSWERS:
		exchange_read_answer(exchange);
		break;
	case EXCHANGE_RESTS: /* its end, or what nobody has asked for */
	case EXCHANGE_READS:
	case EXCHANGE_CONNECTS:
	case EXCHANGE_DELIVERS:
		endpoint_close(&pair->backend);
		break;
	}
}

void exchange_readable(struct exchange *exchange, struct endpoint *endpoint)
{
	if (endpoint == &exchange->pair->client)
		exchange_client_readable(exchange);
	else
		exchange_backend_readable(exchange);
}

static void exchange_client_drained(struct exchange *exchange)
{
	const char *why = NULL;
	enum reply_result result;

	switch (exchange->phase) {
	case EXCHANGE_WAITS:
		result = reply_drained(&exchange->reply, exchange->pair, !exchange->to_old, &why);
		exchange_replied(exchange, result, why);
		break;
	case EXCHANGE_ANSWERS:
		endpoint_resume(&exchange->pair->backend);
		break;
	case EXCHANGE_DELIVERS:
		if (endpoint_backlog(&exchange->pair->client) == 0)
			pair_finish(exchange->pair, exchange->reason);
		break;
	case EXCHANGE_RESTS:
	case EXCHANGE_READS:
	case EXCHANGE_CONNECTS:
		break;
	}
}

void exchange_drained(struct exchange *exchange, struct endpoint *endpoint)
{
	if (endpoint == &exchange->pair->client)
		exchange_client_drained(exchange);
	else if (!exchange->client_ended && exchange_listens(exchange))
		endpoint_resume(&exchange->pair->client);
}

void exchange_failed(struct exchange *exchange, struct endpoint *endpoint)
{
	if (endpoint == &exchange->pair->client) {
		pair_client_failed(exchange->pair);
	} else if (endpoint->is_ours) {
		pair_fail(exchange->pair, endpoint->error);
	} else {
		exchange->request_broken = true; /* its answer may say why */
		if (!exchange->client_ended && exchange_listens(exchange))
			endpoint_resume(&exchange->pair->client);
	}
}

void exchange_fail(struct exchange *exchange)
{
	if (exchange->phase <= EXCHANGE_WAITS)
		exchange_refuse(exchange, 503, "out of resources", PAIR_NO_RESOURCES);
	else
		pair_finish(exchange->pair, PAIR_NO_RESOURCES);
}

void exchange_ended(struct exchange *exchange)
{
	if (!exchange->client_ended && (endpoint_has_left(&exchange->pair->client) ||
					       endpoint_at_end(&exchange->pair->client)))
		exchange_client_ended(exchange);
}

/* ---- time ---- */

/* What the peers have taken; only a change of it counts. */
static uint64_t exchange_progress(const struct exchange *exchange)
{
	return exchange->passed - endpoint_backlog(&exchange->pair->client) -
	       endpoint_backlog(&exchange->pair->backend);
}

/* Whether the client is waited for: for its head, or for the rest of its request. */
static bool exchange_waits_for_client(const struct exchange *exchange)
{
	if (exchange->phase <= EXCHANGE_READS)
		return true;
	return exchange->phase == EXCHANGE_WAITS && exchange->request.state != HTTP_BODY_DONE &&
	       endpoint_backlog(&exchange->pair->backend) == 0;
}

/* How long nothing may move; 0: for ever. */
static int64_t exchange_patience_ms(const struct exchange *exchange)
{
	const struct config *config = exchange->pair->loop->config;
	bool has_end = exchange->answer.state == HTTP_BODY_SIZED;

	switch (exchange->phase) {
	case EXCHANGE_RESTS:
		return exchange->head.used > 0 || !exchange->has_asked
			       ? config->handshake_timeout_ms
			       : 0; /* see idle.timeout */
	case EXCHANGE_READS:
		return config->handshake_timeout_ms;
	case EXCHANGE_CONNECTS:
		return 0; /* who connects has a limit of its own */
	case EXCHANGE_WAITS:
		if (exchange->wanted == HANDSHAKE_OK || exchange_waits_for_client(exchange))
			return config->handshake_timeout_ms;
		return exchange->to_stream ? 0 : config->http_response_timeout_ms;
	case EXCHANGE_ANSWERS:
	case EXCHANGE_DELIVERS:
		if (exchange->client_ended)
			return config->handshake_timeout_ms;
		return has_end && endpoint_backlog(&exchange->pair->client) == 0
			       ? config->http_response_timeout_ms
			       : 0;
	}
	return 0;
}

static void exchange_give_up(struct exchange *exchange)
{
	if (exchange->phase == EXCHANGE_RESTS) {
		exchange_refuse(
			exchange, 408, "no complete request head in time", PAIR_HANDSHAKE_FAILED);
	} else if (exchange_waits_for_client(exchange)) {
		exchange_refuse(
			exchange, 408, "no complete request in time", PAIR_HANDSHAKE_FAILED);
	} else if (exchange->phase == EXCHANGE_WAITS) {
		exchange_bad_gateway(exchange, 504, "the server did not answer in time");
	} else {
		answer_count(exchange->pair->loop, 504);
		log_line(LOG_INFO, "connection %llu: an answer stood still for too long",
			exchange->pair->number);
		pair_close(exchange->pair, endpoint_backlog(&exchange->pair->client) > 0
						   ? PAIR_CLIENT_GONE
						   : PAIR_BACKEND_GONE);
	}
}

void exchange_tick(struct exchange *exchange)
{
	uint64_t progress = exchange_progress(exchange);
	int64_t patience_ms;

	if (exchange->phase != EXCHANGE_RESTS && endpoint_has_ended(&exchange->pair->client))
		exchange_ended(exchange);
	if (exchange_is_over(exchange))
		return;
	if (progress != exchange->progress)
		exchange_moved(exchange);
	exchange->progress = progress;
	patience_ms = exchange_patience_ms(exchange);
	if (patience_ms != 0 && exchange->pair->loop->now_ns - exchange->progress_ns >=
					(uint64_t)patience_ms * 1000000)
		exchange_give_up(exchange);
}

void exchange_timeout(struct exchange *exchange)
{
	if (exchange->phase == EXCHANGE_CONNECTS)
		exchange_bad_gateway(exchange, 504, "the server is not there in time");
}

void exchange_wind_up(struct exchange *exchange)
{
	exchange->is_last = true;
	if (exchange->phase == EXCHANGE_RESTS && exchange->head.used == 0)
		pair_close(exchange->pair, PAIR_SHUTDOWN);
	else if (exchange->phase <= EXCHANGE_CONNECTS || exchange->wanted == HANDSHAKE_OK)
		exchange_refuse(exchange, 503, "shutting down", PAIR_SHUTDOWN);
}

/* ---- life ---- */

struct exchange *exchange_new(struct pair *pair)
{
	struct exchange *exchange = calloc(1, sizeof *exchange);

	if (exchange == NULL)
		return NULL;
	exchange->pair = pair;
	exchange_moved(exchange);
	return exchange;
}

void exchange_free(struct exchange *exchange)
{
	if (exchange == NULL)
		return;
	body_done(&exchange->said);
	body_done(&exchange->heard);
	head_done(&exchange->head);
	head_done(&exchange->reply.head);
	free(exchange);
}

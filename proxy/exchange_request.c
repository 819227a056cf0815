/*
 * Requests. What a client sends is read as far as its request goes; what it sent behind that waits
 * in the buffer of heads, or in its socket. The head is passed on without what is between
 * neighbours, with a Connection field of our own that says what the client said; the body passes as
 * it comes. A head waits for so much of the body as tells its Content-Length, if that is edited,
 * and the context that goes into its fields, if it does.
 */
#include "proxy/exchange_request.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "proxy/address.h"
#include "proxy/answer.h"
#include "proxy/exchange.h"
#include "proxy/loop.h"
#include "proxy/outlet.h"
#include "proxy/side/side.h"

#define EXCHANGE_REQUEST_DROPPED_MAX 8

static const uint8_t exchange_request_no_bytes[1];

/* Adds names to those that are dropped. */
static size_t exchange_request_drop(
	const char *dropped[EXCHANGE_REQUEST_DROPPED_MAX], size_t count, const char *const *more)
{
	for (; *more != NULL; more++) {
		assert(count + 1 < EXCHANGE_REQUEST_DROPPED_MAX);
		dropped[count++] = *more;
	}
	return count;
}

/* Its head, without our own token, if there is one. length: another Content-Length, or NULL. */
static void exchange_request_put_head(
	struct exchange *exchange, struct outlet *outlet, const char *length)
{
	const struct side_shake *shake = exchange_shake(exchange);
	const char *dropped[EXCHANGE_REQUEST_DROPPED_MAX] = {NULL}, *const * replaced;
	struct http_changes changes = {.drop = dropped,
		.add = "",
		.length = length,
		.via = exchange->pair->loop->config->http_via};
	size_t count = 0;

	changes.carrier = exchange->pair->hooks->fields(exchange->pair, &replaced);
	count = exchange_request_drop(dropped, count, replaced);
	if (exchange->pair->route->guard.token != NULL)
		dropped[count++] = "Authorization";
	if (exchange->wanted == HANDSHAKE_OK) {
		(void)exchange_request_drop(dropped, count, shake->dropped);
		changes.add = shake->fields;
	} else if (!exchange->client_keeps) {
		changes.add = "Connection: close\r\n";
	} else if (exchange->to_old) {
		changes.add = "Connection: keep-alive\r\n";
	}
	outlet_head(outlet, exchange_asked(exchange, &exchange->pair->loop->head), &changes);
	exchange->head_is_sent = true;
}

static void exchange_request_put_text(struct outlet *outlet, const char *text)
{
	sink_write(&outlet->sink, (const uint8_t *)text, strlen(text));
}

/* What an edited body has become so far: behind its head, or as a chunk. */
static void exchange_request_put_edited(struct exchange *exchange, struct outlet *outlet, bool last)
{
	const struct splice_piece *pieces;
	size_t count, total, i;
	uint64_t length;
	char text[HTTP_CHANGES_LENGTH_MAX + 3];

	if (exchange->said.splice == NULL)
		return; /* there is none */
	pieces = body_pieces(&exchange->said, &count, &total);
	if (!exchange->head_is_sent && !exchange->is_sized && (last || total > 0))
		exchange_request_put_head(exchange, outlet, NULL);
	if (!exchange->head_is_sent && exchange->is_sized) {
		assert(last || total > 0); /* see exchange_request_must_read() */
		length = last ? total : exchange->length + body_growth(&exchange->said);
		if (length != exchange->length)
			(void)snprintf(text, sizeof text, "%" PRIu64, length); /* fits */
		exchange_request_put_head(
			exchange, outlet, length != exchange->length ? text : NULL);
	}
	if (total == 0)
		return;
	if (!exchange->is_sized) {
		(void)snprintf(text, sizeof text, "%zx\r\n", total); /* the same */
		exchange_request_put_text(outlet, text);
	}
	for (i = 0; i < count; i++)
		sink_write(&outlet->sink, pieces[i].bytes, pieces[i].size);
	if (!exchange->is_sized)
		exchange_request_put_text(outlet, "\r\n");
}

/*
 * The body turns out to be nothing that is edited, by its first bytes, which are size: what was
 * kept of it so far goes before them.
 */
static void exchange_request_edit_no_more(
	struct exchange *exchange, struct outlet *outlet, size_t size)
{
	char text[HTTP_CHANGES_LENGTH_MAX];

	exchange->edits = false;
	if (!exchange->head_is_sent)
		exchange_request_put_head(exchange, outlet, NULL);
	if (exchange->is_sized)
		return;
	(void)snprintf(text, sizeof text, "%" PRIx64 "\r\n", size + exchange->request.left);
	if (exchange->framing_size <= EXCHANGE_FRAMING_MAX)
		sink_write(
			&outlet->sink, (const uint8_t *)exchange->framing, exchange->framing_size);
	else
		exchange_request_put_text(outlet, text); /* its extensions are too long */
}

/* Keeps what comes of the first size line. */
static void exchange_request_keep_framing(
	struct exchange *exchange, const uint8_t *bytes, size_t size)
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
static void exchange_request_put_body(struct exchange *exchange, struct outlet *outlet,
	const uint8_t *bytes, size_t size, enum http_piece piece)
{
	bool last = exchange->is_sized && exchange->request.state == HTTP_BODY_DONE;

	if (piece == HTTP_PIECE_DATA) {
		body_feed(&exchange->said, bytes, size, last);
		if (exchange->edits && !body_edits(&exchange->said))
			exchange_request_edit_no_more(exchange, outlet, size);
		if (exchange->edits)
			exchange_request_put_edited(exchange, outlet, last);
	} else if (piece == HTTP_PIECE_TRAILER && !exchange->said_is_over) {
		exchange->said_is_over = last = true;
		body_feed(&exchange->said, exchange_request_no_bytes, 0, true);
		if (exchange->edits) {
			exchange_request_put_edited(exchange, outlet, true);
			if (!exchange->head_is_sent) /* there was no message */
				exchange_request_put_head(exchange, outlet, NULL);
			exchange_request_put_text(outlet, "0\r\n");
		}
	}
	if (!exchange->edits)
		sink_pass(&outlet->sink, bytes, size);
	else if (piece == HTTP_PIECE_FRAMING)
		exchange_request_keep_framing(exchange, bytes, size);
	else if (piece == HTTP_PIECE_TRAILER)
		sink_write(&outlet->sink, bytes, size);
	if (last)
		body_end(&exchange->said);
}

/* Passes on what is the body's of what came next; returns how much that is. */
static size_t exchange_request_pass(
	struct exchange *exchange, struct outlet *outlet, const uint8_t *bytes, size_t size)
{
	struct http_body *body = &exchange->request;
	enum http_piece piece;
	size_t own = 0, now;

	outlet->failed |= exchange->request_broken;
	while ((now = http_body_next(body, (const char *)bytes + own, size - own, &piece)) > 0) {
		exchange_request_put_body(exchange, outlet, bytes + own, now, piece);
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

void exchange_request_read_body(struct exchange *exchange)
{
	struct loop *loop = exchange->pair->loop;
	ssize_t n = endpoint_read(&exchange->pair->client, loop->read_bytes, LOOP_READ_SIZE);
	struct outlet outlet;
	size_t own;

	if (n > 0) {
		outlet_begin(&outlet, loop, &exchange->pair->backend);
		own = exchange_request_pass(exchange, &outlet, loop->read_bytes, (size_t)n);
		if (!exchange_is_over(exchange) &&
			head_keep(&exchange->head, loop->read_bytes + own, (size_t)n - own) != 0)
			pair_fail(exchange->pair, ENOMEM);
	} else if (n == 0) {
		exchange_client_ended(exchange);
	} else if (endpoint_error_is_ours(errno)) {
		pair_fail(exchange->pair, errno);
	} else if (errno != EAGAIN) {
		pair_close(exchange->pair, PAIR_CLIENT_GONE);
	}
}

/* We are the server of the handshake, since the backend knows none: accepts the client. */
static void exchange_request_welcome(struct exchange *exchange)
{
	char text[HANDSHAKE_ANSWER_MAX];
	size_t size = exchange_shake(exchange)->welcome(text, &exchange->proof);

	if (endpoint_write(&exchange->pair->client, text, size) != 0)
		pair_client_failed(exchange->pair);
	else
		exchange_open(exchange);
}

void exchange_request_connected(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;
	struct outlet outlet;
	uint8_t *rest;
	size_t size;

	if (pair->route->backend_side->shake == NULL) {
		exchange_request_welcome(exchange);
		return;
	}
	exchange->phase = EXCHANGE_WAITS;
	exchange_moved(exchange);
	endpoint_resume(&pair->backend);
	outlet_begin(&outlet, pair->loop, &pair->backend);
	if (!exchange->edits || !(exchange->is_sized || exchange->tells)) {
		exchange_request_put_head(exchange, &outlet, NULL);
	}
	rest = head_rest(&exchange->head, &size);
	exchange->taken = exchange_request_pass(exchange, &outlet, rest, size);
	if (exchange_is_over(exchange) || exchange->request.state == HTTP_BODY_DONE)
		return;
	if (exchange->client_ended)
		endpoint_shutdown(&pair->backend);
	else if (exchange_listens(exchange))
		endpoint_resume(&pair->client);
}

/* What has come of the request is looked at all the same: our answer may name it. */
void exchange_request_unreachable(struct exchange *exchange)
{
	struct outlet outlet;
	uint8_t *rest;
	size_t size;

	exchange->phase = EXCHANGE_WAITS;
	exchange->request_broken = true;
	outlet_begin(&outlet, exchange->pair->loop, &exchange->pair->backend);
	rest = head_rest(&exchange->head, &size);
	(void)exchange_request_pass(exchange, &outlet, rest, size);
	if (!exchange_is_over(exchange))
		exchange_bad_gateway(exchange, 502, "the server is not reachable");
}

static bool exchange_request_path_served(
	const struct exchange *exchange, const struct http_head *parsed)
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
static unsigned exchange_request_check(
	struct exchange *exchange, struct http_head *parsed, const char **why)
{
	if (http_text_is_exactly(parsed->method, HTTP_TEXT("CONNECT"))) {
		*why = "this is no proxy for CONNECT";
		return 501; /* what followed would pass unseen */
	}
	if (!exchange_request_path_served(exchange, parsed)) {
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
} exchange_request_rules[] = {
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
static bool exchange_request_admits(struct exchange *exchange, const struct http_head *parsed)
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
	++*(uint64_t *)((char *)&exchange->pair->loop->counters +
			exchange_request_rules[verdict].counter);
	answer_send(exchange->pair,
		&(struct answer){.status = exchange_request_rules[verdict].status,
			.why = exchange_request_rules[verdict].why,
			.note = note,
			.to_head = exchange->to_head},
		PAIR_HANDSHAKE_FAILED);
	return false;
}

/*
 * Tells the owner of the request, and how its body will be taken. One whose sender waits to be told
 * to go on is not edited if its size must be known before: it is not going to come. Nor can its
 * head wait for what is in it.
 */
static void exchange_request_look(struct exchange *exchange, const struct http_head *parsed)
{
	struct pair *pair = exchange->pair;
	enum splice_mode mode = SPLICE_WATCH;
	enum body_form form = BODY_UNSEEN;
	bool expects;
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
	expects = http_field_find(parsed, "Expect") != NULL;
	exchange->tells = form == BODY_MESSAGE && pair->tells;
	if (exchange->tells && expects) {
		pair->hooks->promise(pair, NULL);
		exchange->tells = false;
	}
	if (exchange->is_sized && expects)
		mode = SPLICE_WATCH;
	else if (exchange->tells && mode == SPLICE_WATCH)
		mode = SPLICE_HOLD; /* with its head */
	body_begin(&exchange->said, pair, true, form, mode);
	exchange->said.promises = exchange->is_sized;
	exchange->edits = body_edits(&exchange->said);
}

/* Whether the head must wait for more of the body, by which its size is known. */
static bool exchange_request_must_read(const struct exchange *exchange)
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
static void exchange_request_go(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;

	exchange_moved(exchange);
	if (exchange_request_must_read(exchange)) {
		exchange->phase = EXCHANGE_READS;
		return;
	}
	exchange->phase = EXCHANGE_CONNECTS;
	if (pair->backend.state == ENDPOINT_OPEN && !endpoint_at_end(&pair->backend)) {
		exchange_request_connected(exchange);
		return;
	}
	endpoint_close(&pair->backend);
	(void)pair->hooks->connect(pair); /* failing, it has been answered */
}

static void exchange_request_got(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;
	struct http_head *parsed = &pair->loop->head;
	const char *why;
	unsigned status;

	exchange->to_old = parsed->version_minor == 0;
	exchange->to_stream = http_text_is_exactly(parsed->method, HTTP_TEXT("GET")) &&
			      http_field_has_token(parsed, "Accept", "text/event-stream");
	exchange->client_keeps = exchange_keeps(parsed);
	if (!exchange_request_admits(exchange, parsed))
		return;
	status = exchange_request_check(exchange, parsed, &why);
	if (status != 0) {
		exchange_refuse(exchange, status, why, PAIR_HANDSHAKE_FAILED);
		return;
	}
	if (exchange->wanted == HANDSHAKE_OK)
		exchange_shake(exchange)->prove(&exchange->proof, parsed);
	exchange->has_asked = true;
	exchange_request_look(exchange, parsed);
	exchange_request_go(exchange);
}

void exchange_request_parse(struct exchange *exchange)
{
	struct http_head *parsed = &exchange->pair->loop->head;
	struct head *head = &exchange->head;
	enum http_result result = http_request_parse(parsed, &head->scan, head->bytes, head->used);

	exchange->to_head = http_text_is_exactly(parsed->method, HTTP_TEXT("HEAD"));
	switch (result) {
	case HTTP_MORE:
		break;
	case HTTP_BAD:
		exchange_refuse(
			exchange, parsed->bad_status, parsed->bad_reason, PAIR_HANDSHAKE_FAILED);
		break;
	case HTTP_DONE:
		exchange_request_got(exchange);
		break;
	}
}

void exchange_request_read_head(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;

	if (exchange->head.used == 0)
		exchange_moved(exchange);
	switch (head_read(
		&exchange->head, &pair->client, (size_t)pair->loop->config->handshake_bytes_max)) {
	case HEAD_READ:
		exchange_request_parse(exchange);
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

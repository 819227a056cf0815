/*
 * Answers. Their heads are passed on without what is between neighbours, with a Connection field of
 * our own that says what becomes of the client's connection; bodies pass as they come, looked at
 * and never held.
 *
 * A backend whose framing is broken, or who says more than was asked, is not spoken to again:
 * nobody knows what its next bytes would be. An answer that begins before its request has ended is
 * the last one, as the rest of the request may never come.
 */
#include "proxy/exchange_response.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "config/config.h"
#include "proxy/exchange.h"
#include "proxy/exchange_request.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/outlet.h"
#include "proxy/side/side.h"

static const char *const exchange_response_dropped[] = {NULL};

/* The client may ask again: its next request may be there already. */
static void exchange_response_rest(struct exchange *exchange)
{
	bool is_silent;

	assert(exchange->client_keeps && exchange->request.state == HTTP_BODY_DONE);
	head_next(&exchange->head, exchange->taken);
	is_silent = exchange->head.used == 0;
	exchange->phase = EXCHANGE_RESTS;
	exchange->taken = 0;
	exchange->wanted = HANDSHAKE_NONE;
	exchange->to_head = exchange->wants_json = false; /* nothing is known of what comes */
	exchange->request_broken = false;
	exchange->status = 0;
	head_done(&exchange->reply.head);
	exchange->reply = (struct reply){.head = {.bytes = NULL}};
	exchange_moved(exchange);
	if (is_silent)
		head_done(&exchange->head); /* it may be so for long */
	else
		exchange_request_parse(exchange);
	if (exchange_is_over(exchange) || exchange->phase > EXCHANGE_READS)
		return;
	if (exchange->client_ended)
		exchange_deliver(exchange, is_silent ? PAIR_ENDED : PAIR_CLIENT_GONE);
	else
		endpoint_resume(&exchange->pair->client);
}

/* All of the answer has come, with so many bytes behind it. */
static void exchange_response_ended(struct exchange *exchange, size_t behind)
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
		exchange_response_rest(exchange);
	else
		exchange_deliver(exchange, PAIR_ENDED);
}

/* A client that does not read pauses the backend. */
static void exchange_response_throttle_backend(struct exchange *exchange)
{
	if (endpoint_backlog(&exchange->pair->client) >=
		(size_t)exchange->pair->loop->config->backlog_bytes_max)
		endpoint_pause(&exchange->pair->backend);
}

/* Passes on what is the answer's of what came next; outlet may have its head. */
static void exchange_response_pass(
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
		exchange_response_ended(exchange, size - own);
	} else {
		exchange_response_throttle_backend(exchange);
	}
}

/* What the client is told of its connection, in the answer that is in parsed. */
static const char *exchange_response_connection(
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
static void exchange_response_upgrade(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;
	const struct side_shake *shake = exchange_shake(exchange);
	const struct http_head *parsed = &pair->loop->head;
	struct http_head *asked = malloc(sizeof *asked); /* while loop->head has the answer */
	struct http_changes changes = {.drop = exchange_response_dropped,
		.add = shake->fields,
		.via = pair->loop->config->http_via};
	struct outlet outlet;
	const char *wrong;

	assert(parsed->status == 101);
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
static void exchange_response_hear(struct exchange *exchange, const struct http_head *parsed)
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
static void exchange_response_got(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;
	struct http_head *parsed = &pair->loop->head;
	struct http_changes changes = {
		.drop = exchange_response_dropped, .via = pair->loop->config->http_via};
	struct outlet outlet;
	uint8_t *rest;
	size_t size;

	if (parsed->status == 101 && exchange->wanted == HANDSHAKE_OK) {
		exchange_response_upgrade(exchange);
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
	exchange_response_hear(exchange, parsed);
	changes.add = exchange_response_connection(exchange, parsed);
	outlet_begin(&outlet, pair->loop, &pair->client);
	outlet_head(&outlet, parsed, &changes);
	rest = head_rest(&exchange->reply.head, &size);
	exchange_response_pass(exchange, &outlet, rest, size);
}

/* What reply_read() or reply_drained() found. */
static void exchange_response_replied(
	struct exchange *exchange, enum reply_result result, const char *why)
{
	switch (result) {
	case REPLY_DONE:
		exchange_response_got(exchange);
		break;
	case REPLY_WRONG:
		exchange_bad_gateway(exchange, 502, why);
		break;
	case REPLY_MORE:
	case REPLY_OVER:
		break;
	}
}

void exchange_response_read_head(struct exchange *exchange)
{
	const char *why = NULL;
	enum reply_result result =
		reply_read(&exchange->reply, exchange->pair, !exchange->to_old, &why);

	exchange_response_replied(exchange, result, why);
}

void exchange_response_drained(struct exchange *exchange)
{
	const char *why = NULL;
	enum reply_result result =
		reply_drained(&exchange->reply, exchange->pair, !exchange->to_old, &why);

	exchange_response_replied(exchange, result, why);
}

void exchange_response_read_body(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;
	ssize_t n = endpoint_read(&pair->backend, pair->loop->read_bytes, LOOP_READ_SIZE);

	bool is_whole = exchange->answer.state == HTTP_BODY_TO_END && n == 0;
	struct outlet outlet;

	if (n > 0) {
		outlet_begin(&outlet, pair->loop, &pair->client);
		exchange_response_pass(exchange, &outlet, pair->loop->read_bytes, (size_t)n);
	} else if (n < 0 && endpoint_error_is_ours(errno)) {
		pair_fail(pair, errno);
	} else if (n == 0 || errno != EAGAIN) {
		if (is_whole)
			body_end(&exchange->heard);
		else
			pair->hooks->broken(pair, &pair->backend);
		exchange_deliver(exchange, is_whole ? PAIR_ENDED : PAIR_BACKEND_GONE);
	}
}

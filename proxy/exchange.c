/* Exchanges: their state, whom they wait for, and how they end. */
#include "proxy/exchange.h"

#include <assert.h>
#include <stdlib.h>

#include "config/config.h"
#include "proxy/answer.h"
#include "proxy/loop.h"
#include "proxy/side/side.h"

const struct side_shake *exchange_shake(const struct exchange *exchange)
{
	return exchange->pair->route->client_side->shake;
}

bool exchange_is_over(const struct exchange *exchange)
{
	return exchange->pair->state != PAIR_EXCHANGE;
}

struct http_head *exchange_asked(struct exchange *exchange, struct http_head *parsed)
{
	(void)http_request_parse(parsed, &exchange->head.scan, exchange->head.bytes,
		exchange->head.used); /* it was complete before */
	return parsed;
}

bool exchange_keeps(const struct http_head *parsed)
{
	return parsed->version_minor > 0 ? !http_field_has_token(parsed, "Connection", "close")
					 : http_field_has_token(parsed, "Connection", "keep-alive");
}

bool exchange_is_plain(const struct http_head *parsed)
{
	const struct http_field *field = http_field_find(parsed, "Content-Encoding");

	return field == NULL || http_text_is(field->value, HTTP_TEXT("identity"));
}

void exchange_moved(struct exchange *exchange)
{
	exchange->progress_ns = exchange->pair->loop->now_ns;
}

bool exchange_listens(const struct exchange *exchange)
{
	bool is_sent = exchange->phase == EXCHANGE_WAITS || exchange->phase == EXCHANGE_ANSWERS;

	if (exchange->phase <= EXCHANGE_READS || exchange->phase == EXCHANGE_DELIVERS)
		return true;
	return is_sent && exchange->request.state != HTTP_BODY_DONE &&
	       endpoint_backlog(&exchange->pair->backend) <
		       (size_t)exchange->pair->loop->config->backlog_bytes_max;
}

bool exchange_has_whole_requests(const struct exchange *exchange)
{
	if (exchange->phase <= EXCHANGE_READS)
		return exchange->phase == EXCHANGE_RESTS && exchange->head.used == 0;
	if (exchange->phase == EXCHANGE_DELIVERS)
		return exchange->reason != PAIR_CLIENT_GONE;
	return exchange->request.state == HTTP_BODY_DONE;
}

void exchange_over(struct exchange *exchange, unsigned status)
{
	body_done(&exchange->said);
	body_done(&exchange->heard);
	if (exchange->is_looked_at)
		exchange->pair->hooks->exchanged(exchange->pair, status);
	exchange->is_looked_at = false;
}

void exchange_refuse(
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

void exchange_bad_gateway(struct exchange *exchange, unsigned status, const char *why)
{
	exchange_refuse(exchange, status, why, PAIR_BACKEND_UNREACHABLE);
}

void exchange_deliver(struct exchange *exchange, enum pair_reason reason)
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

void exchange_client_ended(struct exchange *exchange)
{
	exchange->client_ended = true;
	endpoint_pause(&exchange->pair->client);
	if (endpoint_has_left(&exchange->pair->client) || exchange->wanted == HANDSHAKE_OK)
		pair_close(exchange->pair, PAIR_CLIENT_GONE);
	else if (exchange->phase <= EXCHANGE_READS)
		exchange_deliver(exchange, exchange->head.used > 0 ? PAIR_CLIENT_GONE : PAIR_ENDED);
	else if (exchange->request.state != HTTP_BODY_DONE || exchange->heard.form == BODY_EVENTS)
		endpoint_shutdown(&exchange->pair->backend);
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

void exchange_open(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;
	size_t client_size, backend_size = 0;
	uint8_t *client_rest = head_rest(&exchange->head, &client_size), *backend_rest = NULL;

	assert(exchange->reply.head.scan.size == 0 || exchange->wanted == HANDSHAKE_OK);
	pair->hooks->upgraded(pair);
	if (exchange->reply.head.scan.size > 0)
		backend_rest = head_rest(&exchange->reply.head, &backend_size);
	pair->asked = exchange_asked(exchange, &pair->loop->head);
	pair->hooks->open(pair, client_rest, client_size, backend_rest, backend_size);
	pair->asked = NULL;
	exchange_free(exchange);
}

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

/*
 * The gateway: who is read, by the exchange's phase, and for how long nothing may move. As an
 * exchange has both connections for itself, answers are in order.
 */
#include "proxy/gateway.h"

#include <errno.h>

#include "config/config.h"
#include "proxy/answer.h"
#include "proxy/exchange.h"
#include "proxy/exchange_request.h"
#include "proxy/exchange_response.h"
#include "proxy/log.h"
#include "proxy/loop.h"

/* The client says something that is not wanted, so far; or no more. */
static void gateway_wait(struct exchange *exchange)
{
	endpoint_watch(&exchange->pair->client);
	if (endpoint_at_end(&exchange->pair->client))
		exchange_client_ended(exchange);
}

static void gateway_client_readable(struct exchange *exchange)
{
	struct pair *pair = exchange->pair;
	ssize_t n;

	if (!exchange_listens(exchange)) {
		gateway_wait(exchange);
	} else if (exchange->phase <= EXCHANGE_READS) {
		exchange_request_read_head(exchange);
	} else if (exchange->phase != EXCHANGE_DELIVERS) {
		exchange_request_read_body(exchange);
	} else {
		n = endpoint_read(&pair->client, pair->loop->read_bytes, LOOP_READ_SIZE);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			exchange_client_ended(exchange);
	}
}

static void gateway_backend_readable(struct exchange *exchange)
{
	switch (exchange->phase) {
	case EXCHANGE_WAITS:
		exchange_response_read_head(exchange);
		break;
	case EXCHANGE_ANSWERS:
		exchange_response_read_body(exchange);
		break;
	case EXCHANGE_RESTS: /* its end, or what nobody has asked for */
	case EXCHANGE_READS:
	case EXCHANGE_CONNECTS:
	case EXCHANGE_DELIVERS:
		endpoint_close(&exchange->pair->backend);
		break;
	}
}

void gateway_readable(struct exchange *exchange, struct endpoint *endpoint)
{
	if (endpoint == &exchange->pair->client)
		gateway_client_readable(exchange);
	else
		gateway_backend_readable(exchange);
}

static void gateway_client_drained(struct exchange *exchange)
{
	switch (exchange->phase) {
	case EXCHANGE_WAITS:
		exchange_response_drained(exchange);
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

void gateway_drained(struct exchange *exchange, struct endpoint *endpoint)
{
	if (endpoint == &exchange->pair->client)
		gateway_client_drained(exchange);
	else if (!exchange->client_ended && exchange_listens(exchange))
		endpoint_resume(&exchange->pair->client);
}

void gateway_ended(struct exchange *exchange)
{
	if (!exchange->client_ended && (endpoint_has_left(&exchange->pair->client) ||
					       endpoint_at_end(&exchange->pair->client)))
		exchange_client_ended(exchange);
}

/* What the peers have taken; only a change of it counts. */
static uint64_t gateway_progress(const struct exchange *exchange)
{
	return exchange->passed - endpoint_backlog(&exchange->pair->client) -
	       endpoint_backlog(&exchange->pair->backend);
}

/* Whether the client is waited for: for its head, or for the rest of its request. */
static bool gateway_waits_for_client(const struct exchange *exchange)
{
	if (exchange->phase <= EXCHANGE_READS)
		return true;
	return exchange->phase == EXCHANGE_WAITS && exchange->request.state != HTTP_BODY_DONE &&
	       endpoint_backlog(&exchange->pair->backend) == 0;
}

/* How long nothing may move; 0: for ever. */
static int64_t gateway_patience_ms(const struct exchange *exchange)
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
		if (exchange->wanted == HANDSHAKE_OK || gateway_waits_for_client(exchange))
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

static void gateway_give_up(struct exchange *exchange)
{
	if (exchange->phase == EXCHANGE_RESTS) {
		exchange_refuse(
			exchange, 408, "no complete request head in time", PAIR_HANDSHAKE_FAILED);
	} else if (gateway_waits_for_client(exchange)) {
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

void gateway_tick(struct exchange *exchange)
{
	uint64_t progress = gateway_progress(exchange);
	int64_t patience_ms;

	if (exchange->phase != EXCHANGE_RESTS && endpoint_has_ended(&exchange->pair->client))
		gateway_ended(exchange);
	if (exchange_is_over(exchange))
		return;
	if (progress != exchange->progress)
		exchange_moved(exchange);
	exchange->progress = progress;
	patience_ms = gateway_patience_ms(exchange);
	if (patience_ms != 0 && exchange->pair->loop->now_ns - exchange->progress_ns >=
					(uint64_t)patience_ms * 1000000)
		gateway_give_up(exchange);
}

void gateway_timeout(struct exchange *exchange)
{
	if (exchange->phase == EXCHANGE_CONNECTS)
		exchange_bad_gateway(exchange, 504, "the server is not there in time");
}

void gateway_wind_up(struct exchange *exchange)
{
	exchange->is_last = true;
	if (exchange->phase == EXCHANGE_RESTS && exchange->head.used == 0)
		pair_close(exchange->pair, PAIR_SHUTDOWN);
	else if (exchange->phase <= EXCHANGE_CONNECTS || exchange->wanted == HANDSHAKE_OK)
		exchange_refuse(exchange, 503, "shutting down", PAIR_SHUTDOWN);
}

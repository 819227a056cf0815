/*
 * Exchanges. The request's body passes to the backend up to its end, wherever the answer is; what a
 * client sends behind it is read, so that its leaving is noticed, and thrown away. The answer's
 * head is passed on without what is between neighbours, with "Connection: close" of our own, then
 * its body up to its end. A body that breaks its own framing is cut off in a request, since nobody
 * knows what would come after; in an answer, behind which nothing comes, it passes to the end.
 */
#include "proxy/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "proxy/answer.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/pair.h"

enum exchange_phase {
	EXCHANGE_WAITS,    /* for the answer's head */
	EXCHANGE_ANSWERS,  /* its body is passing */
	EXCHANGE_DELIVERS, /* all of it has come; the client is to take the rest */
};

struct exchange {
	struct pair *pair; /* borrowed: of who owns this */
	enum exchange_phase phase;
	enum pair_reason reason; /* of the end, once it delivers */
	struct exchange_request request;
	struct reply reply;      /* while it waits */
	struct http_body answer; /* its body, later */
	bool refusal;            /* of an upgrade */
	bool request_broken;     /* the backend takes no more of it */
	bool client_ended;
	uint64_t passed;   /* bytes of both bodies */
	uint64_t progress; /* of them, what the peers had taken when it was last looked at */
};

/* Chunks win (RFC 9112, 6.3), and only one length may be passed on. */
static const char *const exchange_dropped[] = {"Content-Length", NULL};
static const char *const exchange_dropped_nothing[] = {NULL};

static void exchange_answer(
	struct exchange *exchange, unsigned status, const char *why, enum pair_reason reason)
{
	answer_send(exchange->pair,
		&(struct answer){
			.status = status, .why = why, .to_head = exchange->request.to_head},
		reason);
}

/* The backend, or its answer, is none. */
static void exchange_unreachable(struct exchange *exchange, unsigned status, const char *why)
{
	exchange_answer(exchange, status, why,
		exchange->refusal ? PAIR_HANDSHAKE_FAILED : PAIR_BACKEND_UNREACHABLE);
}

/* A peer that does not read pauses the other. */
static void exchange_throttle(
	struct exchange *exchange, struct endpoint *from, const struct endpoint *to)
{
	if (endpoint_backlog(to) >= (size_t)exchange->pair->loop->config->backlog_bytes_max)
		endpoint_pause(from);
}

/* ---- the request ---- */

static void exchange_pass_request(struct exchange *exchange, const uint8_t *bytes, size_t size)
{
	struct http_body *body = &exchange->request.body;
	size_t own = http_body_take(body, (const char *)bytes, size);

	exchange->passed += own;
	if (own > 0 && !exchange->request_broken) {
		if (endpoint_write(&exchange->pair->backend, bytes, own) != 0)
			exchange_failed(exchange, &exchange->pair->backend);
		else
			exchange_throttle(
				exchange, &exchange->pair->client, &exchange->pair->backend);
	}
	if (body->state != HTTP_BODY_BAD || exchange->pair->state != PAIR_EXCHANGE)
		return;
	exchange->pair->loop->counters.framing_errors++;
	if (exchange->phase != EXCHANGE_WAITS)
		pair_close(exchange->pair, PAIR_FRAMING_ERROR);
	else
		exchange_answer(exchange, 400, "the request's body is not chunked as it should be",
			PAIR_FRAMING_ERROR);
}

/*
 * The client says no more. Inside a request the backend is told so; behind one that is complete it
 * means nothing, or that nobody waits for the answer.
 */
static void exchange_client_ended(struct exchange *exchange)
{

	exchange->client_ended = true;
	endpoint_pause(&exchange->pair->client);
	if (endpoint_has_left(&exchange->pair->client))
		pair_close(exchange->pair, PAIR_CLIENT_GONE);
	else if (exchange->request.body.state != HTTP_BODY_DONE)
		endpoint_shutdown(&exchange->pair->backend);
}

static void exchange_read_client(struct exchange *exchange)
{
	struct loop *loop = exchange->pair->loop;
	ssize_t n = endpoint_read(&exchange->pair->client, loop->read_bytes, LOOP_READ_SIZE);

	if (n > 0)
		exchange_pass_request(exchange, loop->read_bytes, (size_t)n);
	else if (n == 0)
		exchange_client_ended(exchange);
	else if (endpoint_error_is_ours(errno))
		pair_fail(exchange->pair, errno);
	else if (errno != EAGAIN && errno != EWOULDBLOCK)
		pair_close(exchange->pair, PAIR_CLIENT_GONE);
}

/* ---- the answer ---- */

/* No more of it comes; the owner's finish() gives the client little time, so it takes the rest
 * before.
 */
static void exchange_deliver(struct exchange *exchange, enum pair_reason reason)
{

	exchange->phase = EXCHANGE_DELIVERS;
	exchange->reason = exchange->refusal ? PAIR_HANDSHAKE_FAILED : reason;
	endpoint_close(&exchange->pair->backend);
	if (endpoint_backlog(&exchange->pair->client) == 0)
		pair_finish(exchange->pair, exchange->reason);
}

static void exchange_pass_answer(struct exchange *exchange, const uint8_t *bytes, size_t size)
{
	struct http_body *body = &exchange->answer;
	size_t own = http_body_take(body, (const char *)bytes, size);

	if (body->state == HTTP_BODY_BAD) {
		exchange->pair->loop->counters.framing_errors++;
		log_line(LOG_WARN, "connection %llu: an answer is not chunked as it should be",
			exchange->pair->number);
		body->state = HTTP_BODY_TO_END;
		own = size;
	}
	exchange->passed += own;
	if (own > 0 && endpoint_write(&exchange->pair->client, bytes, own) != 0) {
		exchange_failed(exchange, &exchange->pair->client);
		return;
	}
	if (body->state == HTTP_BODY_DONE)
		exchange_deliver(exchange, PAIR_ENDED);
	else
		exchange_throttle(exchange, &exchange->pair->backend, &exchange->pair->client);
}

/* The head in loop->head is the final one: passes it on, and what of its body came with it. */
static void exchange_got_head(struct exchange *exchange)
{
	struct http_head *parsed = &exchange->pair->loop->head;
	bool asks_upgrade = parsed->status == 426;
	struct head head;
	uint8_t *rest;
	size_t size;

	if (parsed->status == 101) {
		exchange_unreachable(
			exchange, 502, "the server switched protocols without being asked");
		return;
	}
	if (http_body_of_response(&exchange->answer, parsed, exchange->request.to_head) !=
		HTTP_DONE) {
		exchange_unreachable(exchange, 502, "the server's answer is not valid");
		return;
	}
	if (head_forward(&exchange->pair->client, parsed,
		    http_field_find(parsed, "Transfer-Encoding") != NULL ? exchange_dropped
									 : exchange_dropped_nothing,
		    asks_upgrade ? "Connection: close, Upgrade\r\nUpgrade: websocket\r\n"
				 : "Connection: close\r\n") != 0) {
		exchange_failed(exchange, &exchange->pair->client);
		return;
	}
	exchange->phase = EXCHANGE_ANSWERS;
	head = exchange->reply.head;
	exchange->reply.head = (struct head){.bytes = NULL};
	rest = head_rest(&head, &size);
	exchange_pass_answer(exchange, rest, size);
	head_done(&head);
}

/* What reply_read() or reply_drained() found. */
static void exchange_replied(struct exchange *exchange, enum reply_result result, const char *why)
{
	switch (result) {
	case REPLY_DONE:
		exchange_got_head(exchange);
		break;
	case REPLY_WRONG:
		exchange_unreachable(exchange, 502, why);
		break;
	case REPLY_MORE:
	case REPLY_OVER:
		break;
	}
}

static void exchange_read_backend(struct exchange *exchange)
{
	struct loop *loop = exchange->pair->loop;
	const char *why = NULL;
	enum reply_result result;
	ssize_t n;

	if (exchange->phase == EXCHANGE_WAITS) {
		result = reply_read(
			&exchange->reply, exchange->pair, !exchange->request.to_old, &why);
		exchange_replied(exchange, result, why);
		return;
	}
	n = endpoint_read(&exchange->pair->backend, loop->read_bytes, LOOP_READ_SIZE);
	if (n > 0)
		exchange_pass_answer(exchange, loop->read_bytes, (size_t)n);
	else if (n < 0 && endpoint_error_is_ours(errno))
		pair_fail(exchange->pair, errno);
	else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
		exchange_deliver(exchange, exchange->answer.state == HTTP_BODY_TO_END
						   ? PAIR_ENDED
						   : PAIR_BACKEND_GONE);
}

/* ---- events ---- */

void exchange_readable(struct exchange *exchange, struct endpoint *endpoint)
{
	if (endpoint == &exchange->pair->client)
		exchange_read_client(exchange);
	else
		exchange_read_backend(exchange);
}

static void exchange_client_drained(struct exchange *exchange)
{
	const char *why = NULL;
	enum reply_result result;

	switch (exchange->phase) {
	case EXCHANGE_WAITS:
		result = reply_drained(
			&exchange->reply, exchange->pair, !exchange->request.to_old, &why);
		exchange_replied(exchange, result, why);
		break;
	case EXCHANGE_ANSWERS:
		endpoint_resume(&exchange->pair->backend);
		break;
	case EXCHANGE_DELIVERS:
		if (endpoint_backlog(&exchange->pair->client) == 0)
			pair_finish(exchange->pair, exchange->reason);
		break;
	}
}

void exchange_drained(struct exchange *exchange, struct endpoint *endpoint)
{
	if (endpoint == &exchange->pair->client)
		exchange_client_drained(exchange);
	else if (!exchange->client_ended)
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
		if (!exchange->client_ended)
			endpoint_resume(&exchange->pair->client);
	}
}

void exchange_fail(struct exchange *exchange)
{
	if (exchange->phase == EXCHANGE_WAITS)
		exchange_answer(exchange, 503, "out of resources", PAIR_NO_RESOURCES);
	else
		pair_finish(exchange->pair, PAIR_NO_RESOURCES);
}

static void exchange_give_up(struct exchange *exchange)
{
	bool slow_client = exchange->request.body.state != HTTP_BODY_DONE &&
			   endpoint_backlog(&exchange->pair->backend) == 0;

	if (exchange->phase == EXCHANGE_WAITS && slow_client) {
		exchange_answer(
			exchange, 408, "no complete request in time", PAIR_HANDSHAKE_FAILED);
	} else if (exchange->phase == EXCHANGE_WAITS) {
		exchange_unreachable(exchange, 504, "the server did not answer in time");
	} else {
		answer_count(exchange->pair->loop, 504);
		log_line(LOG_INFO, "connection %llu: an answer stood still for too long",
			exchange->pair->number);
		pair_close(exchange->pair, endpoint_backlog(&exchange->pair->client) > 0
						   ? PAIR_CLIENT_GONE
						   : PAIR_BACKEND_GONE);
	}
}

/* What the peers have taken; only a change of it counts. */
static uint64_t exchange_progress(const struct exchange *exchange)
{
	return exchange->passed - endpoint_backlog(&exchange->pair->client) -
	       endpoint_backlog(&exchange->pair->backend);
}

/* Whether standing still is nothing bad: there is somebody who may read on, or wait for news. */
static bool exchange_may_wait(const struct exchange *exchange)
{
	bool endless = exchange->answer.state == HTTP_BODY_TO_END ||
		       exchange->answer.state == HTTP_BODY_CHUNKED;

	return exchange->phase != EXCHANGE_WAITS && !exchange->refusal && !exchange->client_ended &&
	       (endless || endpoint_backlog(&exchange->pair->client) > 0);
}

void exchange_timeout(struct exchange *exchange)
{
	uint64_t progress = exchange_progress(exchange);

	if (progress == exchange->progress && !exchange_may_wait(exchange)) {
		exchange_give_up(exchange);
		return;
	}
	exchange->progress = progress;
	(void)pair_timer(
		exchange->pair, exchange->pair->loop->config
					->handshake_timeout_ms); /* failing, it ends by itself */
}

/* ---- life ---- */

/* NULL: it has failed, and is over. */
static struct exchange *exchange_new(struct pair *pair)
{
	struct exchange *exchange = calloc(1, sizeof *exchange);

	if (exchange == NULL) {
		pair_fail(pair, ENOMEM);
		return NULL;
	}
	exchange->pair = pair;
	pair->hooks->exchange(pair, exchange);
	return pair_timer(pair, pair->loop->config->handshake_timeout_ms) == 0 ? exchange : NULL;
}

int exchange_begin(struct pair *pair, const struct exchange_request *request, const uint8_t *early,
	size_t early_size)
{
	struct exchange *exchange = exchange_new(pair);

	if (exchange == NULL)
		return -1;
	pair->loop->counters.http_exchanges++;
	exchange->request = *request;
	endpoint_resume(&pair->client);
	endpoint_resume(&pair->backend);
	exchange_pass_request(exchange, early, early_size);
	exchange->progress = exchange_progress(exchange);
	return 0;
}

int exchange_refuse(struct pair *pair, struct reply *reply)
{
	struct exchange *exchange = exchange_new(pair);

	if (exchange == NULL)
		return -1;
	exchange->refusal = true;
	exchange->reply = *reply;
	*reply = (struct reply){.head = {.bytes = NULL}};
	endpoint_resume(&pair->client);
	endpoint_resume(&pair->backend);
	exchange_got_head(exchange);
	return 0;
}

void exchange_free(struct exchange *exchange)
{
	if (exchange == NULL)
		return;
	head_done(&exchange->reply.head);
	free(exchange);
}

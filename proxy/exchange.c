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
#include "proxy/session.h"

enum exchange_phase {
	EXCHANGE_WAITS,    /* for the answer's head */
	EXCHANGE_ANSWERS,  /* its body is passing */
	EXCHANGE_DELIVERS, /* all of it has come; the client is to take the rest */
};

struct exchange {
	enum exchange_phase phase;
	enum session_reason reason; /* of the end, once it delivers */
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
	struct session *session, unsigned status, const char *why, enum session_reason reason)
{
	answer_send(session,
		&(struct answer){.status = status,
			.why = why,
			.to_head = session->exchange->request.to_head},
		reason);
}

/* The backend, or its answer, is none. */
static void exchange_unreachable(struct session *session, unsigned status, const char *why)
{
	exchange_answer(session, status, why,
		session->exchange->refusal ? SESSION_HANDSHAKE_FAILED
					   : SESSION_BACKEND_UNREACHABLE);
}

/* A peer that does not read pauses the other. */
static void exchange_throttle(
	struct session *session, struct endpoint *from, const struct endpoint *to)
{
	if (endpoint_backlog(to) >= (size_t)session->loop->config->backlog_bytes_max)
		endpoint_pause(from);
}

/* ---- the request ---- */

static void exchange_pass_request(struct session *session, const uint8_t *bytes, size_t size)
{
	struct exchange *exchange = session->exchange;
	struct http_body *body = &exchange->request.body;
	size_t own = http_body_take(body, (const char *)bytes, size);

	exchange->passed += own;
	if (own > 0 && !exchange->request_broken) {
		if (endpoint_write(&session->backend, bytes, own) != 0)
			exchange_failed(session, &session->backend);
		else
			exchange_throttle(session, &session->client, &session->backend);
	}
	if (body->state != HTTP_BODY_BAD || session->state != SESSION_EXCHANGE)
		return;
	session->loop->counters.framing_errors++;
	if (exchange->phase != EXCHANGE_WAITS)
		session_close(session, SESSION_FRAMING_ERROR);
	else
		exchange_answer(session, 400, "the request's body is not chunked as it should be",
			SESSION_FRAMING_ERROR);
}

/*
 * The client says no more. Inside a request the backend is told so; behind one that is complete it
 * means nothing, or that nobody waits for the answer.
 */
static void exchange_client_ended(struct session *session)
{
	struct exchange *exchange = session->exchange;

	exchange->client_ended = true;
	endpoint_pause(&session->client);
	if (endpoint_has_left(&session->client))
		session_close(session, SESSION_CLIENT_GONE);
	else if (exchange->request.body.state != HTTP_BODY_DONE)
		endpoint_shutdown(&session->backend);
}

static void exchange_read_client(struct session *session)
{
	struct loop *loop = session->loop;
	ssize_t n = endpoint_read(&session->client, loop->read_bytes, LOOP_READ_SIZE);

	if (n > 0)
		exchange_pass_request(session, loop->read_bytes, (size_t)n);
	else if (n == 0)
		exchange_client_ended(session);
	else if (endpoint_error_is_ours(errno))
		session_fail(session, errno);
	else if (errno != EAGAIN && errno != EWOULDBLOCK)
		session_close(session, SESSION_CLIENT_GONE);
}

/* ---- the answer ---- */

/* No more of it comes; session_finish() gives the client little time, so it takes the rest before.
 */
static void exchange_deliver(struct session *session, enum session_reason reason)
{
	struct exchange *exchange = session->exchange;

	exchange->phase = EXCHANGE_DELIVERS;
	exchange->reason = exchange->refusal ? SESSION_HANDSHAKE_FAILED : reason;
	endpoint_close(&session->backend);
	if (endpoint_backlog(&session->client) == 0)
		session_finish(session, exchange->reason);
}

static void exchange_pass_answer(struct session *session, const uint8_t *bytes, size_t size)
{
	struct exchange *exchange = session->exchange;
	struct http_body *body = &exchange->answer;
	size_t own = http_body_take(body, (const char *)bytes, size);

	if (body->state == HTTP_BODY_BAD) {
		session->loop->counters.framing_errors++;
		log_line(LOG_WARN, "connection %llu: an answer is not chunked as it should be",
			session->number);
		body->state = HTTP_BODY_TO_END;
		own = size;
	}
	exchange->passed += own;
	if (own > 0 && endpoint_write(&session->client, bytes, own) != 0) {
		exchange_failed(session, &session->client);
		return;
	}
	if (body->state == HTTP_BODY_DONE)
		exchange_deliver(session, SESSION_ENDED);
	else
		exchange_throttle(session, &session->backend, &session->client);
}

/* The head in loop->head is the final one: passes it on, and what of its body came with it. */
static void exchange_got_head(struct session *session)
{
	struct exchange *exchange = session->exchange;
	struct http_head *parsed = &session->loop->head;
	bool asks_upgrade = parsed->status == 426;
	struct head head;
	uint8_t *rest;
	size_t size;

	if (parsed->status == 101) {
		exchange_unreachable(
			session, 502, "the backend switched protocols without being asked");
		return;
	}
	if (http_body_of_response(&exchange->answer, parsed, exchange->request.to_head) !=
		HTTP_DONE) {
		exchange_unreachable(session, 502, "the backend's answer is not valid");
		return;
	}
	if (head_forward(&session->client, parsed,
		    http_field_find(parsed, "Transfer-Encoding") != NULL ? exchange_dropped
									 : exchange_dropped_nothing,
		    asks_upgrade ? "Connection: close, Upgrade\r\nUpgrade: websocket\r\n"
				 : "Connection: close\r\n") != 0) {
		exchange_failed(session, &session->client);
		return;
	}
	exchange->phase = EXCHANGE_ANSWERS;
	head = exchange->reply.head;
	exchange->reply.head = (struct head){.bytes = NULL};
	rest = head_rest(&head, &size);
	exchange_pass_answer(session, rest, size);
	head_done(&head);
}

/* What reply_read() or reply_drained() found. */
static void exchange_replied(struct session *session, enum reply_result result, const char *why)
{
	switch (result) {
	case REPLY_DONE:
		exchange_got_head(session);
		break;
	case REPLY_WRONG:
		exchange_unreachable(session, 502, why);
		break;
	case REPLY_MORE:
	case REPLY_OVER:
		break;
	}
}

static void exchange_read_backend(struct session *session)
{
	struct exchange *exchange = session->exchange;
	struct loop *loop = session->loop;
	const char *why = NULL;
	enum reply_result result;
	ssize_t n;

	if (exchange->phase == EXCHANGE_WAITS) {
		result = reply_read(&exchange->reply, session, !exchange->request.to_old, &why);
		exchange_replied(session, result, why);
		return;
	}
	n = endpoint_read(&session->backend, loop->read_bytes, LOOP_READ_SIZE);
	if (n > 0)
		exchange_pass_answer(session, loop->read_bytes, (size_t)n);
	else if (n < 0 && endpoint_error_is_ours(errno))
		session_fail(session, errno);
	else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
		exchange_deliver(session, exchange->answer.state == HTTP_BODY_TO_END
						  ? SESSION_ENDED
						  : SESSION_BACKEND_GONE);
}

/* ---- events ---- */

void exchange_readable(struct session *session, struct endpoint *endpoint)
{
	if (endpoint == &session->client)
		exchange_read_client(session);
	else
		exchange_read_backend(session);
}

static void exchange_client_drained(struct session *session)
{
	struct exchange *exchange = session->exchange;
	const char *why = NULL;
	enum reply_result result;

	switch (exchange->phase) {
	case EXCHANGE_WAITS:
		result = reply_drained(&exchange->reply, session, !exchange->request.to_old, &why);
		exchange_replied(session, result, why);
		break;
	case EXCHANGE_ANSWERS:
		endpoint_resume(&session->backend);
		break;
	case EXCHANGE_DELIVERS:
		if (endpoint_backlog(&session->client) == 0)
			session_finish(session, exchange->reason);
		break;
	}
}

void exchange_drained(struct session *session, struct endpoint *endpoint)
{
	if (endpoint == &session->client)
		exchange_client_drained(session);
	else if (!session->exchange->client_ended)
		endpoint_resume(&session->client);
}

void exchange_failed(struct session *session, struct endpoint *endpoint)
{
	if (endpoint == &session->client) {
		session_client_failed(session);
	} else if (endpoint->is_ours) {
		session_fail(session, endpoint->error);
	} else {
		session->exchange->request_broken = true; /* its answer may say why */
		if (!session->exchange->client_ended)
			endpoint_resume(&session->client);
	}
}

void exchange_fail(struct session *session)
{
	if (session->exchange->phase == EXCHANGE_WAITS)
		exchange_answer(session, 503, "out of resources", SESSION_NO_RESOURCES);
	else
		session_finish(session, SESSION_NO_RESOURCES);
}

static void exchange_give_up(struct session *session)
{
	struct exchange *exchange = session->exchange;
	bool slow_client = exchange->request.body.state != HTTP_BODY_DONE &&
			   endpoint_backlog(&session->backend) == 0;

	if (exchange->phase == EXCHANGE_WAITS && slow_client) {
		exchange_answer(
			session, 408, "no complete request in time", SESSION_HANDSHAKE_FAILED);
	} else if (exchange->phase == EXCHANGE_WAITS) {
		exchange_unreachable(session, 504, "the backend did not answer in time");
	} else {
		log_line(LOG_INFO, "connection %llu: an answer stood still for too long",
			session->number);
		session_close(session, endpoint_backlog(&session->client) > 0
					       ? SESSION_CLIENT_GONE
					       : SESSION_BACKEND_GONE);
	}
}

/* What the peers have taken; only a change of it counts. */
static uint64_t exchange_progress(const struct session *session)
{
	return session->exchange->passed - endpoint_backlog(&session->client) -
	       endpoint_backlog(&session->backend);
}

/* Whether standing still is nothing bad: there is somebody who may read on, or wait for news. */
static bool exchange_may_wait(const struct session *session)
{
	const struct exchange *exchange = session->exchange;
	bool endless = exchange->answer.state == HTTP_BODY_TO_END ||
		       exchange->answer.state == HTTP_BODY_CHUNKED;

	return exchange->phase != EXCHANGE_WAITS && !exchange->refusal && !exchange->client_ended &&
	       (endless || endpoint_backlog(&session->client) > 0);
}

void exchange_timeout(struct session *session)
{
	struct exchange *exchange = session->exchange;
	uint64_t progress = exchange_progress(session);

	if (progress == exchange->progress && !exchange_may_wait(session)) {
		exchange_give_up(session);
		return;
	}
	exchange->progress = progress;
	(void)session_timer(session,
		session->loop->config->handshake_timeout_ms); /* failing, it ends by itself */
}

/* ---- life ---- */

static int exchange_new(struct session *session)
{
	struct exchange *exchange = calloc(1, sizeof *exchange);

	if (exchange == NULL) {
		session_fail(session, ENOMEM);
		return -1;
	}
	session_exchange(session, exchange);
	return session_timer(session, session->loop->config->handshake_timeout_ms);
}

int exchange_begin(struct session *session, const struct exchange_request *request,
	const uint8_t *early, size_t early_size)
{
	if (exchange_new(session) != 0)
		return -1;
	session->loop->counters.exchanges++;
	session->exchange->request = *request;
	endpoint_resume(&session->client);
	endpoint_resume(&session->backend);
	exchange_pass_request(session, early, early_size);
	session->exchange->progress = exchange_progress(session);
	return 0;
}

int exchange_refuse(struct session *session, struct reply *reply)
{
	if (exchange_new(session) != 0)
		return -1;
	session->exchange->refusal = true;
	session->exchange->reply = *reply;
	*reply = (struct reply){.head = {.bytes = NULL}};
	endpoint_resume(&session->client);
	endpoint_resume(&session->backend);
	exchange_got_head(session);
	return 0;
}

void exchange_free(struct exchange *exchange)
{
	if (exchange == NULL)
		return;
	head_done(&exchange->reply.head);
	free(exchange);
}

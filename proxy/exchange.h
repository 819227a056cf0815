#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include <stdbool.h>

#include "proxy/codec/http_body.h"
#include "proxy/endpoint/endpoint.h"
#include "proxy/head.h"
#include "proxy/reply.h"

/*
 * One HTTP exchange that is no WebSocket: a plain request and its answer, or the answer by which a
 * backend refuses an upgrade. Exactly one passes on a connection: both sides are told that it
 * closes, nothing behind the request reaches the backend, and the session ends with the answer. A
 * backend that says nothing for handshake.timeout is given up, unless what it sends has no known
 * end and a client is there to wait for it.
 */
struct exchange;
struct session;

/* What is known when it begins. */
struct exchange_request {
	struct http_body body; /* of the request; what came of it stands behind the head */
	bool to_head;          /* a HEAD: the answer has no body */
	bool to_old;           /* HTTP/1.0: it may not have interim answers */
};

/*
 * Begins with the request, whose head has been sent; early is what came behind that. The session
 * owns the exchange from then on. 0, or -1: it has ended.
 */
int exchange_begin(struct session *session, const struct exchange_request *request,
	const uint8_t *early, size_t early_size);

/*
 * Begins with the answer to an upgrade: its head is in loop->head and in reply, which is taken. 0,
 * or -1: the session has ended.
 */
int exchange_refuse(struct session *session, struct reply *reply);

void exchange_readable(struct session *session, struct endpoint *endpoint);
void exchange_drained(struct session *session, struct endpoint *endpoint);

/* Writing to an endpoint has failed. */
void exchange_failed(struct session *session, struct endpoint *endpoint);

/* An error of our own: see session_fail(). */
void exchange_fail(struct session *session);

/* handshake.timeout has passed since the exchange began, or since the last call. */
void exchange_timeout(struct session *session);

void exchange_free(struct exchange *exchange);

#endif

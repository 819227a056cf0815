#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include <stdbool.h>

#include "proxy/side/http_body.h"
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
struct pair;

/* What is known when it begins. */
struct exchange_request {
	struct http_body body; /* of the request; what came of it stands behind the head */
	bool to_head;          /* a HEAD: the answer has no body */
	bool to_old;           /* HTTP/1.0: it may not have interim answers */
};

/*
 * Begins with the request, whose head has been sent; early is what came behind that. The pair's
 * owner is given the exchange. 0, or -1: it has ended.
 */
int exchange_begin(struct pair *pair, const struct exchange_request *request, const uint8_t *early,
	size_t early_size);

/*
 * Begins with the answer to an upgrade: its head is in loop->head and in reply, which is taken. 0,
 * or -1: the session has ended.
 */
int exchange_refuse(struct pair *pair, struct reply *reply);

void exchange_readable(struct exchange *exchange, struct endpoint *endpoint);
void exchange_drained(struct exchange *exchange, struct endpoint *endpoint);

/* Writing to an endpoint has failed. */
void exchange_failed(struct exchange *exchange, struct endpoint *endpoint);

/* An error of our own: see pair_fail(). */
void exchange_fail(struct exchange *exchange);

/* handshake.timeout has passed since the exchange began, or since the last call. */
void exchange_timeout(struct exchange *exchange);

void exchange_free(struct exchange *exchange);

#endif

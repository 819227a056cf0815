#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include "proxy/endpoint/endpoint.h"

/*
 * A client that speaks HTTP: its requests, one after the other, each passed on to the backend and
 * answered before the next is looked at. Between two of them the backend's connection stays, until
 * one of them closes it; then the next request has a new one. A request for a WebSocket that is
 * granted is the last: the session opens by the pair's open().
 *
 * Ends when a peer has said that it closes, when nobody can tell any more where a message ends, or
 * with an answer of our own.
 */
struct exchange;
struct pair;

/* NULL when out of memory. The caller owns it until it is told that the pair is upgraded. */
struct exchange *exchange_new(struct pair *pair);

void exchange_readable(struct exchange *exchange, struct endpoint *endpoint);
void exchange_drained(struct exchange *exchange, struct endpoint *endpoint);

/* The backend is there, or could not be reached. */
void exchange_connected(struct exchange *exchange);
void exchange_unreachable(struct exchange *exchange);

/* Writing to an endpoint has failed. */
void exchange_failed(struct exchange *exchange, struct endpoint *endpoint);

/* An error of our own: see pair_fail(). */
void exchange_fail(struct exchange *exchange);

/* The client's end is seen behind what has not been read. */
void exchange_ended(struct exchange *exchange);

/* Once a second or so: gives up who has been waited for too long. */
void exchange_tick(struct exchange *exchange);

/* The backend is not there in time. */
void exchange_timeout(struct exchange *exchange);

/* We stop: the exchange that goes on is the last. */
void exchange_wind_up(struct exchange *exchange);

void exchange_free(struct exchange *exchange);

#endif

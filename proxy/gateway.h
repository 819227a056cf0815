#ifndef PROXY_GATEWAY_H
#define PROXY_GATEWAY_H

/*
 * A client that speaks HTTP, and we a gateway to its backend (RFC 9110, 3.7): its requests, one
 * after the other, each passed on and answered before the next is looked at. Between two of them
 * the backend's connection stays, until one of them closes it; then the next request has a new one.
 * A request for a WebSocket that is granted is the last: the session opens by the pair's open().
 *
 * Ends when a peer has said that it closes, when nobody can tell any more where a message ends, or
 * with an answer of our own.
 */
struct endpoint;
struct exchange;

void gateway_readable(struct exchange *exchange, struct endpoint *endpoint);
void gateway_drained(struct exchange *exchange, struct endpoint *endpoint);

/* The client's end is seen behind what has not been read. */
void gateway_ended(struct exchange *exchange);

/* Once a second or so: gives up who has been waited for too long. */
void gateway_tick(struct exchange *exchange);

/* The backend is not there in time. */
void gateway_timeout(struct exchange *exchange);

/* We stop: the exchange that goes on is the last. */
void gateway_wind_up(struct exchange *exchange);

#endif

#ifndef PROXY_EXCHANGE_REQUEST_H
#define PROXY_EXCHANGE_REQUEST_H

/*
 * A request on its way to the backend: its head is read and judged, the backend connected, the head
 * passed on with what the backend is to know, and the body behind it, in which a message may be
 * edited. A request for a WebSocket that is granted by us alone ends here.
 */
struct exchange;

/* The client says something: of its head, or of its body. */
void exchange_request_read_head(struct exchange *exchange);
void exchange_request_read_body(struct exchange *exchange);

/* Looks at what has come of a head so far. */
void exchange_request_parse(struct exchange *exchange);

/* The backend is there, or could not be reached. */
void exchange_request_connected(struct exchange *exchange);
void exchange_request_unreachable(struct exchange *exchange);

#endif

#ifndef PROXY_EXCHANGE_RESPONSE_H
#define PROXY_EXCHANGE_RESPONSE_H

/*
 * The answer to a request, on its way to the client: its head, which may grant a WebSocket, and the
 * body behind it. With its end the exchange is over, and the client's next one may begin.
 */
struct exchange;

/* The backend says something: of its answer's head, or of its body. */
void exchange_response_read_head(struct exchange *exchange);
void exchange_response_read_body(struct exchange *exchange);

/* The client has taken an interim answer, if that was what was waited for. */
void exchange_response_drained(struct exchange *exchange);

#endif

#ifndef PROXY_TRACING_H
#define PROXY_TRACING_H

#include "proxy/session.h"

/*
 * Whom the messages of a session belong to, for the tracer: to its client's connection, or, over
 * HTTP, to a conversation that goes on over several of them; and what heads of HTTP say of them.
 */
struct http_head;

/* Messages on the connection will be traced, if they are. */
void tracing_begin(struct session *session, const char *transport);

/* What the request for a WebSocket says is said of all messages on it. */
void tracing_tell_asked(struct session *session, const struct http_head *asked);

/*
 * An exchange has begun, has an answer with that head, which tells of an endpoint, and is over: see
 * struct pair_hooks.
 */
void tracing_asked(struct session *session, const struct http_head *head);
void tracing_answered(struct session *session, const struct http_head *head);
void tracing_endpoint(struct session *session, const char *uri, size_t size);
void tracing_exchanged(struct session *session, unsigned status);

/* What is said of its messages, and they of it: see there. */
void tracing_promise(struct session *session, const struct envelope *envelope);
const char *tracing_fields(struct session *session, const char *const **dropped);
size_t tracing_carrier(struct session *session, struct envelope *envelope, const char **text);
void tracing_envelope(struct session *session, bool from_client, const struct envelope *envelope,
	uint64_t start_ns);

#endif

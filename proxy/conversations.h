#ifndef PROXY_CONVERSATIONS_H
#define PROXY_CONVERSATIONS_H

#include <stddef.h>
#include <stdint.h>

#include "proxy/side/http.h"

/*
 * Conversations over HTTP that have a name, as MCP's Mcp-Session-Id is: there the answer may come
 * on another connection than its request. Each has a connection of the tracer's, which sessions
 * that take part in it borrow. It ends by conversation_end(), after a time in which nobody takes
 * part, or when it has waited longest and there are too many; those that somebody takes part in
 * stay.
 */
struct conversation;
struct conversations;
struct tracer_connection;

#define CONVERSATION_NAME_MAX 256

/* evicted counts, for life, those that had to end, or were not begun. NULL when out of memory. */
struct conversations *conversations_new(size_t max, uint64_t idle_ns, uint64_t *evicted);

/* Ends all; nobody takes part any more. NULL is allowed. */
void conversations_free(struct conversations *conversations, uint64_t now_ns);

/* Takes part in the one of that name; NULL: there is none. To be left. */
struct conversation *conversations_enter(
	struct conversations *conversations, struct http_text name);

/*
 * Begins one of that name, which there is none of, with what the tracer has for it, and takes part.
 * NULL: out of memory or room, or no name, and trace has not been taken.
 */
struct conversation *conversations_begin(struct conversations *conversations, struct http_text name,
	struct tracer_connection *trace, uint64_t now_ns);

struct tracer_connection *conversation_trace(const struct conversation *conversation);

/* What is in flight in it ends, and nobody will find it any more. */
void conversation_end(struct conversation *conversation, uint64_t now_ns);

void conversation_leave(struct conversation *conversation, uint64_t now_ns);

/* Once a second or so. */
void conversations_tick(struct conversations *conversations, uint64_t now_ns);

#endif

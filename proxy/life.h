#ifndef PROXY_LIFE_H
#define PROXY_LIFE_H

#include "proxy/session.h"

/*
 * The life of a session, from the client's coming to the last event of its peers.
 *
 * Begins a session for an accepted socket (taken, also on failure), or for our own stdin/stdout.
 * NULL: out of memory or descriptors, or no backend; it has been logged and counted.
 */
struct session *life_accept(struct loop *loop, const struct route *route, int fd);
struct session *life_stdio(struct loop *loop, const struct route *route);

/* The command behind this session runs, or could not be started. */
void life_child_started(struct session *session, enum child_outcome outcome, int error);

/* Now and then. */
void life_tick(struct session *session);

#endif

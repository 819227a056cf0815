#ifndef PROXY_RESOLVER_H
#define PROXY_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proxy/address.h"

/*
 * Where the server is. An address or a path is known from the start. A name is looked up when
 * somebody asks, by a thread, since looking up blocks and only the C library knows all the ways
 * that this machine does it. One look-up goes on at a time, whoever asks meanwhile gets its answer,
 * and what was found is good for a few seconds.
 */
struct loop;
struct resolver;

/* error: why there is none, or NULL: resolver_known() has it. */
typedef void resolver_hook(void *arg, const char *error);

/* Somebody who has asked. Zeroed by its owner, who sets hook and arg. */
struct resolver_wait {
	resolver_hook *hook;
	void *arg;
	bool waiting;
	TAILQ_ENTRY(resolver_wait) link;
};

/* loop and url are borrowed. NULL when out of memory. */
struct resolver *resolver_new(struct loop *loop, const struct url *url);

/* Nobody may be waiting. A look-up that is going on ends by itself, unheard. */
void resolver_free(struct resolver *resolver);

/* Fills list with what is known now, in the order in which to try. Returns how many; 0: ask. */
size_t resolver_known(const struct resolver *resolver, struct address list[ADDRESS_LIST_MAX]);

/* Has the name looked up; the hook is called later, from the loop. */
void resolver_ask(struct resolver *resolver, struct resolver_wait *wait);

/* Waits no longer; allowed when not waiting. */
void resolver_leave(struct resolver *resolver, struct resolver_wait *wait);

/* The server answered at this address: it is tried first from now on. */
void resolver_worked(struct resolver *resolver, const struct address *address);

/* It did not answer anywhere: a name is looked up anew. */
void resolver_failed(struct resolver *resolver);

#endif

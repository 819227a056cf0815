#ifndef PROXY_DIAL_H
#define PROXY_DIAL_H

#include <stdbool.h>

/*
 * The way to a server that listens: its addresses one after the other, and again after a pause when
 * it is not there yet, until connect.timeout is over. Every address gets its share of the time that
 * is left, so that one which does not answer leaves some for the others.
 */
struct dial;
struct loop;
struct resolver;

enum dial_event {
	DIAL_CONNECTED, /* fd is the connected, non-blocking socket: the owner's from now on */
	DIAL_WAITS,     /* the server is not there yet; told once */
	DIAL_FAILED,    /* and will not be */
};

/* fd: -1 but when connected. why: of the last failure, else NULL. */
typedef void dial_hook(void *arg, enum dial_event event, int fd, const char *why);

/* loop and resolver are borrowed. NULL when out of memory. */
struct dial *dial_new(struct loop *loop, struct resolver *resolver, dial_hook *hook, void *arg);

/*
 * Begins. The hook may be called before this returns; once connected or failed, it is over, and the
 * loop frees it.
 */
void dial_start(struct dial *dial);

/* Whether it was tried in vain, and will be again: DIAL_WAITS was told. NULL: no. */
bool dial_waits(const struct dial *dial);

/* Gives up, silently: for one that is not over. NULL is allowed. */
void dial_cancel(struct dial *dial);

#endif

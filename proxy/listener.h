#ifndef PROXY_LISTENER_H
#define PROXY_LISTENER_H

#include <stddef.h>

/*
 * Listening sockets: made from a URL, accepting into sessions. A Unix socket is created 0600 and
 * removed at the end. Accepting pauses while descriptors have run out or connections.max is
 * reached; where each connection has a command, commands that outlive theirs count, too.
 */
struct loop;
struct route;
struct listener;

/* Opens and starts to accept. NULL with a one-line text in error. loop and route are borrowed. */
struct listener *listener_new(
	struct loop *loop, const struct route *route, char *error, size_t error_size);

/* Writes where it listens, with the port that was chosen for port 0: "URL and URL". May be cut. */
void listener_describe(const struct listener *listener, char *text, size_t size);

/*
 * Something has ended, or some time has passed: accepts again if there is room. To be called now
 * and then in any case.
 */
void listener_resume(struct listener *listener);

/*
 * Looks at once whether the certificate's files have changed, which new clients bring about, too.
 */
void listener_renew(struct listener *listener);

/* Accepts no more, removes the socket file; sessions go on. */
void listener_free(struct listener *listener);

#endif

#ifndef PROXY_SOURCES_H
#define PROXY_SOURCES_H

#include <stddef.h>

/*
 * How many connections there are from where: by the client's address, of IPv6 by its network of 64
 * bits, which is one house or one machine; on Unix sockets by user. For
 * connections.max_per_source.
 */
struct source;
struct sources;

#define SOURCES_TEXT_MAX 64

/* NULL when out of memory. Nobody may be in them when they are freed. */
struct sources *sources_new(size_t max_each);
void sources_free(struct sources *sources);

/* Writes for the log where the accepted socket's client is. Returns text. */
const char *sources_text(int fd, char text[SOURCES_TEXT_MAX]);

/*
 * The accepted socket fd counts from now on, until sources_leave(). NULL: there are max_each from
 * there already (EUSERS), or memory is out (ENOMEM).
 */
struct source *sources_enter(struct sources *sources, int fd);
void sources_leave(struct source *source);

#endif

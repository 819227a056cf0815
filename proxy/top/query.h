#ifndef PROXY_TOP_QUERY_H
#define PROXY_TOP_QUERY_H

#include <stddef.h>

/*
 * One question to an admin.listen: GET, and the body of the answer. The addresses are tried one
 * after the other; all of it takes five seconds at most, and 16 MiB with a head of 64 KiB.
 */
struct address;
struct event_base;
struct query;

#define QUERY_WHY_SIZE 192

/* Whom to ask; borrowed with all that is in it, as long as the query lives. */
struct query_target {
	const struct address *addresses;
	size_t address_count; /* at least 1 */
	const char *host;     /* as the field has it */
	const char *token;    /* NULL: none */
};

/*
 * It is over: the body, which is borrowed until the query is freed; or NULL, and why in one line.
 * The query is not to be freed from within.
 */
typedef void query_hook(void *arg, const char *body, size_t size, const char *why);

/* Begins; path is borrowed. The hook is called later, once. NULL when out of memory. */
struct query *query_new(struct event_base *base, const struct query_target *target,
	const char *path, query_hook *hook, void *arg);

/* NULL is allowed. */
void query_free(struct query *query);

#endif

#ifndef PROXY_ADMIN_PROBE_H
#define PROXY_ADMIN_PROBE_H

/*
 * Whether the server can be reached: by connecting to it and closing again, at most once in a
 * second however many ask, for no longer than two.
 */
struct loop;
struct probe;
struct resolver;

/* What has been found out for all who have asked. why: NULL, it was reached. */
typedef void probe_hook(void *arg, const char *why);

/* loop and resolver are borrowed. NULL when out of memory. */
struct probe *probe_new(struct loop *loop, struct resolver *resolver, probe_hook *hook, void *arg);

/* The hook is called, maybe before this returns. */
void probe_ask(struct probe *probe);

/* NULL is allowed. */
void probe_free(struct probe *probe);

#endif

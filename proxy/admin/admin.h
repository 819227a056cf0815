#ifndef PROXY_ADMIN_ADMIN_H
#define PROXY_ADMIN_ADMIN_H

#include <stddef.h>

/*
 * What an operator asks of us, by HTTP at admin.listen: whether we live (/healthz) and can serve
 * (/readyz), what has been counted (/metrics), what we were told (/config). Who asks must call us
 * by a name of ours, come from no foreign page, and have the token if there is one, but for health.
 */
struct admin;
struct exporter;
struct loop;
struct metrics;
struct resolver;

/* Who knows what is told; all are borrowed. */
struct admin_sources {
	struct loop *loop;
	struct exporter *exporter; /* NULL: nothing is recorded */
	struct metrics *metrics;
	struct resolver *resolver; /* NULL: a COMMAND is the server */
};

/* Opens and serves. sources is copied. NULL with a one-line text in error. */
struct admin *admin_new(const struct admin_sources *sources, char *error, size_t error_size);

/* Where it serves: "URL and URL". May be cut. */
void admin_describe(const struct admin *admin, char *text, size_t size);

/* We end: not ready from now on. */
void admin_drain(struct admin *admin);

/* Before the loop is. NULL is allowed. */
void admin_free(struct admin *admin);

#endif

#ifndef PROXY_ADMIN_ADMIN_H
#define PROXY_ADMIN_ADMIN_H

#include <stddef.h>

#include "proxy/admin/sources.h"

/*
 * What an operator asks of us, by HTTP at admin.listen: whether we live (/healthz) and can serve
 * (/readyz), what has been counted (/metrics), what we were told (/config); what goes on (/open),
 * what ended last (/traces), numbers at a glance (/stats), and all three as it happens (/live). Who
 * asks must call us by a name of ours, come from no foreign page, and have the token if there is
 * one, but for health.
 */
struct admin;

/* Opens and serves. sources is copied. NULL with a one-line text in error. */
struct admin *admin_new(const struct admin_sources *sources, char *error, size_t error_size);

/* Where it serves: "URL and URL". May be cut. */
void admin_describe(const struct admin *admin, char *text, size_t size);

/* The settings are others: who may ask follows from them. */
void admin_renew(struct admin *admin);

/* We end: not ready from now on. */
void admin_drain(struct admin *admin);

/* Before the loop is. NULL is allowed. */
void admin_free(struct admin *admin);

#endif

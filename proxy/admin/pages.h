#ifndef PROXY_ADMIN_PAGES_H
#define PROXY_ADMIN_PAGES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "proxy/side/http.h"

/*
 * What can be asked for at admin.listen, by path, and what writes it. Failures to write are seen
 * with ferror().
 */
struct admin_sources;

/* What pages tell of. */
struct pages_subject {
	const struct admin_sources *sources; /* borrowed */
	uint64_t begun_ns;                   /* when we did */
	bool unreached;                      /* the server, as probed last */
	bool draining;                       /* we end */
	struct http_text query;              /* of the request: "?since=7", or empty */
};

enum pages_kind {
	PAGES_WRITTEN,
	PAGES_READY,   /* written when it is known whether the server can be reached */
	PAGES_FIXED,   /* page_text */
	PAGES_ENDLESS, /* goes on as things happen */
};

struct pages_row {
	const char *path, *type;
	enum pages_kind kind;
	bool is_health; /* everybody may know */
	/* of the first two kinds. False: out of memory */
	bool (*write)(const struct pages_subject *subject, FILE *out);
};

/* *query: what stands behind the path. NULL: there is no such page. */
const struct pages_row *pages_find(const struct http_head *head, struct http_text *query);

bool pages_is_ready(const struct pages_subject *subject);

/* A number of digits alone; 0: there is none. */
uint64_t pages_number(struct http_text text);

#endif

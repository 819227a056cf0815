#ifndef PROXY_OUTLET_H
#define PROXY_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/side/sink.h"

/* What a wake-up has for one peer of HTTP: heads and bodies, collected for one write. */
struct endpoint;
struct http_changes;
struct http_head;
struct loop;

struct outlet {
	struct sink sink; /* for bodies; over the loop's scratch memory, so one at a time */
	struct endpoint *to;
	bool failed; /* see to->error and to->is_ours */
};

void outlet_begin(struct outlet *outlet, struct loop *loop, struct endpoint *to);

/* A head, as http_head_forward() copies it. */
void outlet_head(
	struct outlet *outlet, const struct http_head *parsed, const struct http_changes *changes);

/* Writes what is left. 0, or -1 when anything could not be written. */
int outlet_end(struct outlet *outlet);

#endif

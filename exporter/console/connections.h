#ifndef EXPORTER_CONSOLE_CONNECTIONS_H
#define EXPORTER_CONSOLE_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/span.h"

/*
 * What has been said of which connections, so that it is said once: of the last few, beyond which
 * it is said again. No failures.
 */
enum { CONNECTIONS_MAX = 64 };

struct connections {
	struct {
		uint64_t name, said; /* hashes */
	} list[CONNECTIONS_MAX];
	size_t count; /* that there have been: they take turns */
};

/* Whether this has been said of it already; from now on it has. */
bool connections_say(struct connections *connections, struct span_text name, struct span_text said);

/* Whether there has been more than one. */
static inline bool connections_are_many(const struct connections *connections)
{
	return connections->count > 1;
}

#endif

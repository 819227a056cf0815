#ifndef PROXY_TRACE_FOLLOW_HISTORY_H
#define PROXY_TRACE_FOLLOW_HISTORY_H

#include <stdint.h>

#include "w3c/traceparent.h"

/*
 * Spans that were closed not long ago: so that a late copy of their first message opens none again,
 * and so that others can still be hung under them or linked to them. Of the last HISTORY_SETS *
 * HISTORY_WAYS records about all are remembered. Starts without memory.
 */
#define HISTORY_SETS 256
#define HISTORY_WAYS 4

struct history_record {
	uint64_t hash; /* 0: none */
	struct traceparent context;
};

struct history {
	struct history_record (*sets)[HISTORY_WAYS]; /* owned; in each the latest come first */
};

void history_done(struct history *history);

/* hash: of what the span is found by. A new record takes the place of the same hash's. */
void history_remember(struct history *history, uint64_t hash, const struct traceparent *context);

/* NULL when not known; else valid until the next call of history_remember(). */
const struct traceparent *history_recall(const struct history *history, uint64_t hash);

#endif

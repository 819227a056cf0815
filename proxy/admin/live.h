#ifndef PROXY_ADMIN_LIVE_H
#define PROXY_ADMIN_LIVE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What is told to who listens at /live, as server-sent events: what goes on and the numbers, when
 * they have changed, and spans as they end. The texts are made once for all who listen.
 */
struct admin_sources;
struct evbuffer;
struct live;

/* So many bytes of spans at most in one event; what has ended beside them is counted there. */
#define LIVE_SPANS_BYTES 262144

/* What a listener has been told; all 0: nothing. span: the number of the last one that ended. */
struct live_told {
	uint64_t open, stats, span;
};

/* sources are borrowed for life. begun_ns: see stats.h. NULL when out of memory. */
struct live *live_new(const struct admin_sources *sources, uint64_t begun_ns);
void live_free(struct live *live); /* NULL is allowed */

/* Looks at what there is now. */
void live_refresh(struct live *live);

/* The number of the newest span. */
uint64_t live_newest(const struct live *live);

/* Adds events with what is not told yet. False: out of memory, and out has a part of them. */
bool live_tell(struct live *live, struct live_told *told, struct evbuffer *out);

#endif

#ifndef PROXY_ADMIN_STATS_H
#define PROXY_ADMIN_STATS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Numbers at a glance, as JSON for the page: methods, tokens, what goes on, the exporter. */
struct admin_sources;

/* The tokens of model calls, where a profile measures them. */
#define STATS_TOKENS "gen_ai.client.token.usage"

/* begun_ns: when we did. False: out of memory. Failures to write are seen with ferror(). */
bool stats_write(FILE *out, const struct admin_sources *sources, uint64_t begun_ns);

/* The member "exporter" of an object: what became of all spans, and whether they get away now. */
void stats_write_exporter(FILE *out, const struct admin_sources *sources);

#endif

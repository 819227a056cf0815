#ifndef PROXY_MEASURES_H
#define PROXY_MEASURES_H

#include <stdbool.h>

/*
 * What is measured of spans that end: all requests, and what the profile names. From settings to
 * instruments.
 */
struct config;
struct measures;
struct metrics;

/* How long requests took: the histogram that all of them are measured by. */
#define MEASURES_REQUESTS "rpc.server.call.duration"

/* config and transport (rpc.transport) are borrowed for life. NULL when out of memory. */
struct measures *measures_new(const struct config *config, const char *transport);

/* Borrowed. */
struct metrics *measures_metrics(const struct measures *measures);

/*
 * Whether other settings would have the same measured. What was counted stays, so that instruments
 * are those of the first settings as long as we live.
 */
bool measures_are_of(const struct measures *measures, const struct config *config);

/* NULL is allowed. */
void measures_free(struct measures *measures);

#endif

#ifndef PROXY_MEASURES_H
#define PROXY_MEASURES_H

/*
 * What is measured of spans that end: all requests, and what the profile names. From settings to
 * instruments.
 */
struct config;
struct measures;
struct metrics;

/* config and transport (rpc.transport) are borrowed for life. NULL when out of memory. */
struct measures *measures_new(const struct config *config, const char *transport);

/* Borrowed. */
struct metrics *measures_metrics(const struct measures *measures);

/* NULL is allowed. */
void measures_free(struct measures *measures);

#endif

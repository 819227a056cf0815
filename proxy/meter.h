#ifndef PROXY_METER_H
#define PROXY_METER_H

#include <stddef.h>

/*
 * What /metrics shows, sent to a collector from time to time (metrics.exporter): the same numbers
 * and histograms. What cannot be sent is counted; the next ones say it all.
 */
struct config;
struct exporter;
struct loop;
struct meter;
struct metrics;
struct poster;

/* config is borrowed for the call. NULL with a one-line text in error. */
struct meter *meter_new(const struct config *config, char *error, size_t error_size);

/* Begins to send what these say; all are borrowed, exporter may be NULL. 0, or -1 with an error. */
int meter_start(struct meter *meter, struct loop *loop, struct exporter *exporter,
	const struct metrics *metrics, char *error, size_t error_size);

/* Borrowed: who asks what became of it, and who has other settings, speaks to it. */
struct poster *meter_poster(const struct meter *meter);

/* At the end: sends what there is by now, and no more after that. Does not wait for it. */
void meter_flush(struct meter *meter);

/* Stops at once if still running. NULL is allowed. */
void meter_free(struct meter *meter);

#endif

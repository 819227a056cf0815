#ifndef EXPORTER_POSTER_H
#define EXPORTER_POSTER_H

#include <stddef.h>
#include <stdint.h>

#include "exporter/text.h"

/*
 * Metrics on their way to a collector, on a thread of their own: one request at a time, and at most
 * one that waits. A newer one takes its place, as it says all that the older one would have said;
 * so nothing is asked twice, and a collector that is away costs nothing but its counter and a line.
 * All functions belong to one thread, the event loop's.
 */
struct exporter_config;
struct poster;
struct poster_way;

struct poster_counters {
#define COUNTER_POSTER(name, kind, help) uint64_t name;
#include "exporter/counters.def"
};

/* Takes what it needs of config: how and where to. NULL with a one-line text in error. */
struct poster *poster_new(const struct exporter_config *config, char *error, size_t error_size);

/* Starts the thread; separate from _new so that a program may fork in between. 0 or -1. */
int poster_start(struct poster *poster, char *error, size_t error_size);

/* How and where to, by other settings. NULL with a one-line text in error. */
struct poster_way *poster_way_new(
	const struct exporter_config *config, char *error, size_t error_size);
void poster_way_free(struct poster_way *way); /* NULL is allowed */

/* What is put from now on goes that way, which is taken. */
void poster_renew(struct poster *poster, struct poster_way *way);

/* Takes a body in JSON, for which the caller gets an empty text. Not behind poster_stop(). */
void poster_put(struct poster *poster, struct text *body);

/* A body could not be made. */
void poster_lose(struct poster *poster);

/* Waits for what was put, for at most that long, and ends the thread. */
void poster_stop(struct poster *poster, int64_t deadline_ms);

struct poster_counters poster_counters(struct poster *poster); /* NULL: all 0 */

/* Stops at once if still running. NULL is allowed. */
void poster_free(struct poster *poster);

#endif

#ifndef EXPORTER_EXPORTER_H
#define EXPORTER_EXPORTER_H

#include <stddef.h>
#include <stdint.h>

#include "exporter/settings.h"
#include "exporter/span.h"

/*
 * Delivery of finished spans. exporter_submit() encodes a span at once into the open batch; a
 * batch is sealed when it is full by count or bytes, or by exporter_seal() (the owner's timer), and
 * handed to the exporter's own thread, which compresses, posts, retries and counts verdicts. On the
 * console a span waits for its trace before it goes into a batch: see exporter_begin().
 * Nothing here blocks the caller, and nothing here logs: what a person should know goes to the
 * report hook, everything else is a counter.
 *
 * created = sent + rejected + dropped_queue + dropped_refused + dropped_retries + dropped_too_large
 *           + dropped_memory + dropped_shutdown + pending, at any moment.
 *
 * All functions belong to one thread, the event loop's.
 *
 * The program must ignore SIGPIPE: a collector may close a connection that exporter_free() closes.
 */
struct exporter;
struct ring;

/* Copies everything it needs of config. Returns NULL with a one-line text in error. */
struct exporter *exporter_new(const struct exporter_config *config, char *error, size_t error_size);

/* Starts the thread; separate from _new so that a program may fork in between. 0 or -1. */
int exporter_start(struct exporter *exporter, char *error, size_t error_size);

/*
 * Attributes that many spans have in common, rendered once as the exporter's spans have them; the
 * caller frees. NULL when memory is short.
 */
struct span_shared *exporter_share(
	const struct exporter *exporter, const struct span_attribute *attributes, size_t count);

/*
 * A span of that trace has begun: what the console shows of the trace waits for its end, so that it
 * is one tree. The span has begun set when it is submitted, as it must be. Only the console cares.
 */
void exporter_begin(struct exporter *exporter, const struct traceparent *context);

/* Takes a copy of the span (encoded). Never blocks on the collector; on failure counts. */
void exporter_submit(struct exporter *exporter, const struct span *span);

/* Hands the open batch to the thread if it has any span. */
void exporter_seal(struct exporter *exporter);

/* Gives up waiting for traces that go on for longer than console_wait_ms, then seals. */
void exporter_tick(struct exporter *exporter, int64_t now_ms);

/*
 * Seals, lets the thread deliver for at most deadline_ms, stops it, counts what is left as
 * dropped_shutdown. Further submits are counted as dropped_shutdown.
 */
void exporter_stop(struct exporter *exporter, int64_t deadline_ms);

/* The spans that ended last, in OTLP JSON; NULL: none are kept. */
const struct ring *exporter_ring(const struct exporter *exporter);

/*
 * Spans go where config says from now on, in its way and time: endpoint, headers, certificates,
 * compression, timeouts, pauses. All else stays as it was made with. None is lost by it, but what
 * hangs for longer may be sent twice. 0, or -1 with a one-line text in error, and nothing changes.
 */
int exporter_renew(struct exporter *exporter, const struct exporter_config *config, char *error,
	size_t error_size);

void exporter_counters_read(struct exporter *exporter, struct exporter_counters *counters);

/* Stops at once if still running. */
void exporter_free(struct exporter *exporter);

#endif

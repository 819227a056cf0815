#ifndef EXPORTER_EXPORTER_H
#define EXPORTER_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
enum exporter_target { EXPORTER_OTLP, EXPORTER_CONSOLE };

enum exporter_level { EXPORTER_REPORT_ERROR, EXPORTER_REPORT_WARN, EXPORTER_REPORT_INFO };

struct exporter_header {
	const char *name;
	const char *value; /* may be a secret: never reported */
};

struct exporter_config {
	enum exporter_target target;
	const char *endpoint;       /* full URL, as it is posted to */
	const char *endpoint_shown; /* the same for people: without what may be secret */
	const struct exporter_header *headers;
	size_t header_count;
	int64_t timeout_ms; /* one batch, retries included; 0: no limit */
	bool gzip;
	const char *certificate; /* PEM files, or NULL */
	const char *client_key;
	const char *client_certificate;
	size_t request_bytes_max; /* uncompressed body */
	size_t response_bytes_max;
	size_t batch_spans_max;
	size_t batch_bytes_max;
	size_t queue_bytes_max; /* sealed and waiting; the oldest batch is dropped beyond */
	size_t queue_spans_max; /* the same; SIZE_MAX: only bytes count */
	int64_t rest_after_ms;  /* idle for so long, the memory of a peak is given back; 0: never */
	int64_t retry_initial_ms;
	int64_t retry_max_ms;
	int console_fd; /* EXPORTER_CONSOLE: where the trees are written */
	/* longest wait of a span for the rest of its trace; 0: none, even for a moment */
	int64_t console_wait_ms;
	size_t console_width; /* columns of a line; 0: as many as the terminal has */
	bool console_color;
	/* traces go by numbers, not by their ids, and lines are as wide as need be */
	bool console_numbered;
	/* resource attributes (service.name among them) and the instrumentation scope */
	const struct span_attribute *resource;
	size_t resource_count;
	const char *scope_name;
	const char *scope_version;
	const char *schema_url; /* or NULL */
	const char *user_agent;
	/* Called from the exporter's thread, one finished line without a newline. */
	void (*report)(void *arg, enum exporter_level level, const char *line);
	void *report_arg;
};

struct exporter_counters {
#define COUNTER_SPANS(name, kind, help) uint64_t name;
#define COUNTER_POSTS(name, kind, help) uint64_t name;
#include "exporter/counters.def"
};

struct exporter;

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

void exporter_counters_read(struct exporter *exporter, struct exporter_counters *counters);

/* Stops at once if still running. */
void exporter_free(struct exporter *exporter);

#endif

#ifndef EXPORTER_SETTINGS_H
#define EXPORTER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/span.h"

/* What an exporter is told, and what it counts: see exporter.h. */
enum exporter_target {
	EXPORTER_OTLP,
	EXPORTER_CONSOLE,
	EXPORTER_NOWHERE, /* spans come into the ring alone, and are not counted */
};

enum exporter_level { EXPORTER_REPORT_ERROR, EXPORTER_REPORT_WARN, EXPORTER_REPORT_INFO };

/* When what is written into the spool is on the disk for good. */
enum exporter_sync {
	EXPORTER_SYNC_BATCH, /* before it is sent: every batch is written, not only what must wait
			      */
	EXPORTER_SYNC_INTERVAL, /* after a second */
	EXPORTER_SYNC_NEVER,    /* when the system likes */
};

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
	bool protobuf;           /* spans in protobuf, not JSON */
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
	const char *spool_directory; /* NULL: what waits is in memory only */
	size_t spool_bytes_max;
	int64_t spool_age_max_ms;
	enum exporter_sync spool_sync;
	int64_t retry_initial_ms;
	int64_t retry_max_ms;
	int console_fd; /* EXPORTER_CONSOLE: where the trees are written */
	/* longest wait of a span for the rest of its trace; 0: none, even for a moment */
	int64_t console_wait_ms;
	size_t console_width; /* columns of a line; 0: as many as the terminal has */
	bool console_color;
	/* traces go by numbers, not by their ids, and lines are as wide as need be */
	bool console_numbered;
	size_t ring_bytes_max; /* of the last spans, which are kept for a look; 0: none are */
	int64_t ring_slow_ms;  /* those that took longer for longer; 0: however long */
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

#endif

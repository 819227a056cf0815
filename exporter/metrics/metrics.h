#ifndef EXPORTER_METRICS_METRICS_H
#define EXPORTER_METRICS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/span.h"

/*
 * What is measured of spans as they end: histograms (OpenTelemetry's metrics data model, explicit
 * bounds, cumulative), by attributes of theirs. A histogram has a series for each combination of
 * these values, but only so many; beyond, all is counted in one with otel.metric.overflow=true, as
 * its SDKs do. One thread only.
 */
#define METRICS_LABELS_MAX     8
#define METRICS_BOUNDS_MAX     32
#define METRICS_LABEL_SIZE_MAX 128 /* of a value; longer ones are cut */

struct metrics_label {
	const char *key;
	const char *value; /* NULL: the span's attribute of that name, where it has one */
};

/* An instrument, as its owner describes it. All is borrowed for life. */
struct metrics_instrument {
	const char *name; /* as "rpc.server.call.duration"; those of one name stand side by side */
	const char *unit; /* UCUM: "s" */
	const char *help;
	const char *span;      /* the type of spans that are measured: struct span's */
	const char *attribute; /* the number that is measured; NULL: the duration in seconds */
	struct metrics_label labels[METRICS_LABELS_MAX];
	size_t label_count;
	const double *bounds; /* upper ones, included, ascending */
	size_t bound_count;
};

/* What was measured last in a bucket, and where. */
struct metrics_exemplar {
	uint8_t trace_id[TRACE_ID_SIZE];
	uint8_t span_id[SPAN_ID_SIZE];
	double value;
	uint64_t unix_ns; /* 0: there is none */
};

struct metrics_bucket {
	uint64_t count;
	struct metrics_exemplar exemplar;
};

struct metrics_series {
	struct metrics_series *next; /* of the same instrument, in the order in which they came */
	struct metrics_series *chain;
	const struct metrics_instrument *instrument;
	uint64_t hash;
	uint64_t count;
	double sum;
	struct metrics_bucket *buckets; /* bound_count + 1 */
	bool is_overflow;               /* its labels are those of the instrument's own alone */
	/* of the span's attributes; size 0: it had none, or an empty one */
	struct span_text values[METRICS_LABELS_MAX];
};

struct metrics;

struct metrics_counters {
#define COUNTER_METRICS(name, kind, help) uint64_t name;
#include "exporter/counters.def"
};

/* list is borrowed for life. series_max: of each instrument. NULL when out of memory. */
struct metrics *metrics_new(const struct metrics_instrument *list, size_t count, size_t series_max);
void metrics_free(struct metrics *metrics); /* NULL is allowed */

/* A span has ended, recorded or not. What there is no memory for is counted as overflow. */
void metrics_record(struct metrics *metrics, const struct span *span);

/* What metrics_new() was given. */
const struct metrics_instrument *metrics_list(const struct metrics *metrics, size_t *count);

/* The series of the instrument at that place in the list, the first of them; NULL: none. */
const struct metrics_series *metrics_first(const struct metrics *metrics, size_t instrument);

struct metrics_counters metrics_counters(const struct metrics *metrics); /* NULL: all 0 */

#endif

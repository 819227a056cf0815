#ifndef EXPORTER_OTLP_MEASURED_H
#define EXPORTER_OTLP_MEASURED_H

#include <stdbool.h>
#include <stdint.h>

#include "exporter/text.h"

/*
 * Metrics as OTLP JSON: an ExportMetricsServiceRequest, all of it cumulative since our start.
 * Failures are those of the text: look at its error when done.
 */
struct metrics;
struct number;
struct otlp_origin;

enum measured_kind { MEASURED_NONE, MEASURED_GAUGE, MEASURED_SUM, MEASURED_HISTOGRAM };

struct measured {
	struct text *text; /* borrowed */
	uint64_t start_unix_ns;
	uint64_t now_unix_ns;
	enum measured_kind open; /* the metric that points are added to */
	bool has_metric;
};

/* What each request begins with. */
void measured_append_prefix(struct text *text, const struct otlp_origin *origin);

/* Behind the prefix. */
void measured_begin(
	struct measured *measured, struct text *text, uint64_t start_unix_ns, uint64_t now_unix_ns);

void measured_number(struct measured *measured, const struct number *number);

/* All histograms that have something; with exemplars. */
void measured_metrics(struct measured *measured, const struct metrics *metrics);

void measured_end(struct measured *measured);

#endif

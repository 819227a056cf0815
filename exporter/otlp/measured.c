/*
 * Metrics, one after the other; see measured.h. A metric is open until the next one begins, as its
 * points may come one by one. Names, units and texts of help are ours; values of labels are not.
 */
#include "exporter/otlp/measured.h"

#include <assert.h>
#include <string.h>

#include "exporter/escape.h"
#include "exporter/metrics/metrics.h"
#include "exporter/metrics/number.h"
#include "exporter/otlp/otlp.h"
#include "w3c/hex.h"

static void measured_string(struct text *text, const char *string)
{
	escape_append(text, string, strlen(string));
}

static void measured_close(struct measured *measured)
{
	switch (measured->open) {
	case MEASURED_NONE:
		return;
	case MEASURED_GAUGE:
		TEXT_APPEND(measured->text, "]}}");
		break;
	case MEASURED_SUM:
		TEXT_APPEND(
			measured->text, "],\"aggregationTemporality\":2,\"isMonotonic\":true}}");
		break;
	case MEASURED_HISTOGRAM:
		TEXT_APPEND(measured->text, "],\"aggregationTemporality\":2}}");
		break;
	}
	measured->open = MEASURED_NONE;
}

static void measured_open(struct measured *measured, enum measured_kind kind, const char *name,
	const char *unit, const char *help)
{
	static const char *const words[] = {
		[MEASURED_NONE] = "",
		[MEASURED_GAUGE] = "gauge",
		[MEASURED_SUM] = "sum",
		[MEASURED_HISTOGRAM] = "histogram",
	};
	struct text *text = measured->text;

	assert(kind != MEASURED_NONE);
	measured_close(measured);
	if (measured->has_metric)
		TEXT_APPEND(text, ",");
	TEXT_APPEND(text, "{\"name\":\"");
	measured_string(text, name);
	TEXT_APPEND(text, "\",\"description\":\"");
	measured_string(text, help);
	if (unit[0] != '\0') {
		TEXT_APPEND(text, "\",\"unit\":\"");
		measured_string(text, unit);
	}
	TEXT_APPEND(text, "\",\"");
	measured_string(text, words[kind]);
	TEXT_APPEND(text, "\":{\"dataPoints\":[");
	measured->open = kind;
	measured->has_metric = true;
}

static void measured_time(struct text *text, uint64_t unix_ns)
{
	TEXT_APPEND(text, "\"timeUnixNano\":\"");
	otlp_append_number(text, unix_ns);
	TEXT_APPEND(text, "\"");
}

/* Up to its times; the value follows. A gauge has no beginning. */
static void measured_begin_point(
	struct measured *measured, const struct span_attribute *attributes, size_t count)
{
	struct text *text = measured->text;

	assert(measured->open != MEASURED_NONE);
	TEXT_APPEND(text, "{");
	if (count > 0) {
		TEXT_APPEND(text, "\"attributes\":[");
		otlp_append_attributes(text, attributes, count);
		TEXT_APPEND(text, "],");
	}
	if (measured->open != MEASURED_GAUGE) {
		TEXT_APPEND(text, "\"startTimeUnixNano\":\"");
		otlp_append_number(text, measured->start_unix_ns);
		TEXT_APPEND(text, "\",");
	}
	measured_time(text, measured->now_unix_ns);
}

void measured_number(struct measured *measured, const struct number *number)
{
	const struct span_attribute label = {.key = number->label,
		.type = SPAN_VALUE_STRING,
		.value.string = span_text_of(number->label != NULL ? number->value : "")};
	struct text *text = measured->text;

	if (number->goes_on && measured->open != MEASURED_NONE)
		TEXT_APPEND(text, ",");
	else
		measured_open(measured, number->is_total ? MEASURED_SUM : MEASURED_GAUGE,
			number->name, number->unit, number->help);
	measured_begin_point(measured, &label, number->label != NULL);
	if (number->is_real) {
		TEXT_APPEND(text, ",\"asDouble\":");
		otlp_append_double(text, number->real);
		TEXT_APPEND(text, "}");
		return;
	}
	TEXT_APPEND(text, ",\"asInt\":\"");
	otlp_append_number(text, number->whole < INT64_MAX ? number->whole : INT64_MAX);
	TEXT_APPEND(text, "\"}");
}

/* ---- histograms ---- */

static size_t measured_labels(const struct metrics_series *series,
	struct span_attribute attributes[METRICS_LABELS_MAX + 1])
{
	const struct metrics_instrument *instrument = series->instrument;
	size_t count = 0, i;

	assert(instrument->label_count <= METRICS_LABELS_MAX);
	for (i = 0; i < instrument->label_count; i++) {
		const struct metrics_label *label = &instrument->labels[i];
		struct span_text value =
			label->value != NULL ? span_text_of(label->value) : series->values[i];

		if (value.size > 0)
			attributes[count++] = (struct span_attribute){.key = label->key,
				.type = SPAN_VALUE_STRING,
				.value.string = value};
	}
	if (series->is_overflow)
		attributes[count++] = (struct span_attribute){.key = "otel.metric.overflow",
			.type = SPAN_VALUE_BOOL,
			.value.boolean = true};
	return count;
}

/* Where to look: the last value that came into each bucket, if its trace is recorded. */
static void measured_exemplars(struct text *text, const struct metrics_series *series)
{
	char id[2 * TRACE_ID_SIZE];
	size_t count = 0, i;

	for (i = 0; i <= series->instrument->bound_count; i++) {
		const struct metrics_exemplar *exemplar = &series->buckets[i].exemplar;

		if (exemplar->unix_ns == 0)
			continue;
		if (count++ == 0)
			TEXT_APPEND(text, ",\"exemplars\":[{");
		else
			TEXT_APPEND(text, ",{");
		measured_time(text, exemplar->unix_ns);
		TEXT_APPEND(text, ",\"asDouble\":");
		otlp_append_double(text, exemplar->value);
		TEXT_APPEND(text, ",\"spanId\":\"");
		(void)hex_put(id, exemplar->span_id, SPAN_ID_SIZE);
		text_append(text, id, 2 * SPAN_ID_SIZE);
		TEXT_APPEND(text, "\",\"traceId\":\"");
		(void)hex_put(id, exemplar->trace_id, TRACE_ID_SIZE);
		text_append(text, id, 2 * TRACE_ID_SIZE);
		TEXT_APPEND(text, "\"}");
	}
	text_append(text, "]", count > 0);
}

static void measured_series(struct measured *measured, const struct metrics_series *series)
{
	const struct metrics_instrument *instrument = series->instrument;
	struct span_attribute attributes[METRICS_LABELS_MAX + 1];
	struct text *text = measured->text;
	size_t i;

	measured_begin_point(measured, attributes, measured_labels(series, attributes));
	TEXT_APPEND(text, ",\"count\":\"");
	otlp_append_number(text, series->count);
	TEXT_APPEND(text, "\",\"sum\":");
	otlp_append_double(text, series->sum);
	TEXT_APPEND(text, ",\"bucketCounts\":[");
	for (i = 0; i <= instrument->bound_count; i++) {
		text_append(text, ",", i > 0);
		TEXT_APPEND(text, "\"");
		otlp_append_number(text, series->buckets[i].count);
		TEXT_APPEND(text, "\"");
	}
	TEXT_APPEND(text, "],\"explicitBounds\":[");
	for (i = 0; i < instrument->bound_count; i++) {
		text_append(text, ",", i > 0);
		otlp_append_double(text, instrument->bounds[i]);
	}
	TEXT_APPEND(text, "]");
	measured_exemplars(text, series);
	TEXT_APPEND(text, "}");
}

void measured_metrics(struct measured *measured, const struct metrics *metrics)
{
	const struct metrics_instrument *list;
	const struct metrics_series *series;
	const char *open = NULL; /* the name of those that points are added to */
	size_t count, i;

	list = metrics_list(metrics, &count);
	for (i = 0; i < count; i++)
		for (series = metrics_first(metrics, i); series != NULL; series = series->next) {
			if (open == NULL || strcmp(open, list[i].name) != 0)
				measured_open(measured, MEASURED_HISTOGRAM, list[i].name,
					list[i].unit, list[i].help);
			else
				TEXT_APPEND(measured->text, ",");
			open = list[i].name;
			measured_series(measured, series);
		}
}

/* ---- a request ---- */

void measured_append_prefix(struct text *text, const struct otlp_origin *origin)
{
	static const struct otlp_signal signal = {"resourceMetrics", "scopeMetrics", "metrics"};

	otlp_append_begin(text, origin, &signal);
}

void measured_begin(
	struct measured *measured, struct text *text, uint64_t start_unix_ns, uint64_t now_unix_ns)
{
	*measured = (struct measured){
		.text = text, .start_unix_ns = start_unix_ns, .now_unix_ns = now_unix_ns};
}

void measured_end(struct measured *measured)
{
	measured_close(measured);
	TEXT_APPEND(measured->text, OTLP_SUFFIX);
}

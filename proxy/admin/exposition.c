/*
 * The text format; see exposition.h. Names and texts of help are ours and need no escaping.
 */
#include "proxy/admin/exposition.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "exporter/metrics/metrics.h"
#include "exporter/metrics/number.h"
#include "w3c/hex.h"
#include "w3c/utf8.h"

/* ---- the format ---- */

void exposition_label(FILE *out, const char *bytes, size_t size)
{
	char text[UTF8_SIZE_MAX];
	const char *end;
	uint32_t character;

	while (size > 0) {
		size_t used = utf8_next(bytes, size, &character);

		if (character == UTF8_BROKEN)
			character = 0xfffd;
		end = utf8_put(text, character);
		if (character == '\n')
			(void)fputs("\\n", out);
		else if (character == '"' || character == '\\')
			(void)fprintf(out, "\\%c", (char)character);
		else
			(void)fwrite(text, 1, (size_t)(end - text), out);
		bytes += used;
		size -= used;
	}
}

void exposition_value(FILE *out, double value)
{
	if (isinf(value))
		(void)fputs(value > 0 ? "+Inf" : "-Inf", out);
	else if (value > -1e15 && value < 1e15 && value == (double)(int64_t)value)
		(void)fprintf(out, "%lld", (long long)value);
	else
		(void)fprintf(out, "%.9g", value);
}

void exposition_end(FILE *out, enum exposition_format format)
{
	if (format == EXPOSITION_OPEN_METRICS)
		(void)fputs("# EOF\n", out);
}

/* ---- names and labels ---- */

/* Dots are not for names there. */
static void exposition_name(FILE *out, const char *name)
{
	for (; *name != '\0'; name++)
		(void)fputc(*name == '.' ? '_' : *name, out);
}

/* With its unit, if it is one of these: what stands in braces is none. */
static void exposition_metric_name(FILE *out, const char *name, const char *unit)
{
	static const struct {
		const char *unit, *word;
	} words[] = {{"s", "_seconds"}, {"ms", "_milliseconds"}, {"By", "_bytes"}};
	size_t i;

	exposition_name(out, name);
	for (i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(unit, words[i].unit) == 0)
			(void)fputs(words[i].word, out);
}

/* *comma: whether something stands before it in the braces. */
static void exposition_pair(FILE *out, bool *comma, const char *key, const char *value, size_t size)
{
	if (*comma)
		(void)fputc(',', out);
	*comma = true;
	exposition_name(out, key);
	(void)fputs("=\"", out);
	exposition_label(out, value, size);
	(void)fputc('"', out);
}

/* ---- what is counted ---- */

/* A counter's samples end in _total; OpenMetrics' family does not. */
static void exposition_family(FILE *out, enum exposition_format format, const struct number *number)
{
	static const char *const words[] = {"HELP", "TYPE"};
	size_t i;

	for (i = 0; i < 2; i++) {
		(void)fprintf(out, "# %s ", words[i]);
		exposition_metric_name(out, number->name, number->unit);
		(void)fprintf(out, "%s %s\n",
			number->is_total && format == EXPOSITION_TEXT ? "_total" : "",
			i == 0             ? number->help
			: number->is_total ? "counter"
					   : "gauge");
	}
}

void exposition_number(FILE *out, enum exposition_format format, const struct number *number)
{
	bool comma = false;

	if (!number->goes_on)
		exposition_family(out, format, number);
	exposition_metric_name(out, number->name, number->unit);
	(void)fputs(number->is_total ? "_total" : "", out);
	if (number->label != NULL) {
		(void)fputc('{', out);
		exposition_pair(out, &comma, number->label, number->value, strlen(number->value));
		(void)fputc('}', out);
	}
	(void)fputc(' ', out);
	if (number->is_real)
		exposition_value(out, number->real);
	else
		(void)fprintf(out, "%llu", (unsigned long long)number->whole);
	(void)fputc('\n', out);
}

/* ---- what is measured ---- */

/* bound: le, or NULL. */
static void exposition_labels(FILE *out, const struct metrics_series *series, const double *bound)
{
	const struct metrics_instrument *instrument = series->instrument;
	bool comma = false;
	size_t i;

	(void)fputc('{', out);
	for (i = 0; i < instrument->label_count; i++) {
		const struct metrics_label *label = &instrument->labels[i];

		if (label->value != NULL)
			exposition_pair(
				out, &comma, label->key, label->value, strlen(label->value));
		else if (series->values[i].size > 0)
			exposition_pair(out, &comma, label->key, series->values[i].bytes,
				series->values[i].size);
	}
	if (series->is_overflow)
		exposition_pair(out, &comma, "otel.metric.overflow", "true", strlen("true"));
	if (bound != NULL) {
		(void)fputs(comma ? ",le=\"" : "le=\"", out);
		exposition_value(out, *bound);
		(void)fputc('"', out);
	}
	(void)fputs("} ", out);
}

/* Where to look: the last value that came into the bucket. */
static void exposition_exemplar(FILE *out, const struct metrics_exemplar *exemplar)
{
	char trace_id[2 * TRACE_ID_SIZE], span_id[2 * SPAN_ID_SIZE];

	(void)hex_put(trace_id, exemplar->trace_id, TRACE_ID_SIZE);
	(void)hex_put(span_id, exemplar->span_id, SPAN_ID_SIZE);
	(void)fprintf(out, " # {trace_id=\"%.32s\",span_id=\"%.16s\"} ", trace_id, span_id);
	exposition_value(out, exemplar->value);
	(void)fprintf(out, " %llu.%03llu", (unsigned long long)(exemplar->unix_ns / 1000000000),
		(unsigned long long)(exemplar->unix_ns / 1000000 % 1000));
}

static void exposition_buckets(
	FILE *out, enum exposition_format format, const struct metrics_series *series)
{
	const struct metrics_instrument *instrument = series->instrument;
	uint64_t count = 0;
	size_t i;

	for (i = 0; i <= instrument->bound_count; i++) {
		const struct metrics_bucket *bucket = &series->buckets[i];
		double bound = i < instrument->bound_count ? instrument->bounds[i] : HUGE_VAL;

		count += bucket->count;
		exposition_metric_name(out, instrument->name, instrument->unit);
		(void)fputs("_bucket", out);
		exposition_labels(out, series, &bound);
		(void)fprintf(out, "%llu", (unsigned long long)count);
		if (format == EXPOSITION_OPEN_METRICS && bucket->exemplar.unix_ns != 0)
			exposition_exemplar(out, &bucket->exemplar);
		(void)fputc('\n', out);
	}
}

static void exposition_series(
	FILE *out, enum exposition_format format, const struct metrics_series *series)
{
	const struct metrics_instrument *instrument = series->instrument;

	exposition_buckets(out, format, series);
	exposition_metric_name(out, instrument->name, instrument->unit);
	(void)fputs("_sum", out);
	exposition_labels(out, series, NULL);
	exposition_value(out, series->sum);
	(void)fputc('\n', out);
	exposition_metric_name(out, instrument->name, instrument->unit);
	(void)fputs("_count", out);
	exposition_labels(out, series, NULL);
	(void)fprintf(out, "%llu\n", (unsigned long long)series->count);
}

void exposition_metrics(FILE *out, enum exposition_format format, const struct metrics *metrics)
{
	const struct metrics_instrument *list;
	const struct metrics_series *series;
	size_t count, i;

	list = metrics_list(metrics, &count);
	for (i = 0; i < count; i++) {
		if (i == 0 || strcmp(list[i].name, list[i - 1].name) != 0) {
			(void)fputs("# HELP ", out);
			exposition_metric_name(out, list[i].name, list[i].unit);
			(void)fprintf(out, " %s\n# TYPE ", list[i].help);
			exposition_metric_name(out, list[i].name, list[i].unit);
			(void)fputs(" histogram\n", out);
		}
		for (series = metrics_first(metrics, i); series != NULL; series = series->next)
			exposition_series(out, format, series);
	}
}

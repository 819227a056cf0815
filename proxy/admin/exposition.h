#ifndef PROXY_ADMIN_EXPOSITION_H
#define PROXY_ADMIN_EXPOSITION_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Numbers as Prometheus reads them: its text format 0.0.4, or OpenMetrics 1.0.0, in which buckets
 * name a trace. Pure; that out has failed is seen with ferror().
 */
struct counter;
struct metrics;
struct tracer_open;

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPEN_METRICS };
enum exposition_type { EXPOSITION_COUNTER, EXPOSITION_GAUGE };

/* A sample's value. */
void exposition_number(FILE *out, double value);

/* A label's value, escaped and valid UTF-8, without its quotes. */
void exposition_label(FILE *out, const char *bytes, size_t size);

/* A family that has one sample without labels. name: a counter's without _total. */
void exposition_single(FILE *out, enum exposition_format format, const char *name,
	enum exposition_type type, const char *help, double value);

/* All counters, "sidespan_NAME"; those that account for spans are "sidespan_spans_NAME". */
void exposition_counters(
	FILE *out, enum exposition_format format, const struct counter *list, size_t count);

/* What goes on now, by type: how much, and for how long the oldest of it. */
void exposition_open(FILE *out, const struct tracer_open *list, size_t count, uint64_t now_ns);

/* All histograms, by the names that OpenTelemetry gives them in Prometheus. */
void exposition_metrics(FILE *out, enum exposition_format format, const struct metrics *metrics);

/* The process itself: processor time and memory, by the names that all exporters have for them. */
void exposition_process(FILE *out, enum exposition_format format);

/* Behind all of it. */
void exposition_end(FILE *out, enum exposition_format format);

#endif

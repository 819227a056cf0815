#ifndef PROXY_ADMIN_EXPOSITION_H
#define PROXY_ADMIN_EXPOSITION_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Numbers as Prometheus reads them: its text format 0.0.4, or OpenMetrics 1.0.0, in which buckets
 * name a trace. Pure; that out has failed is seen with ferror().
 */
struct metrics;
struct number;

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPEN_METRICS };

/* A sample's value. */
void exposition_value(FILE *out, double value);

/* A label's value, escaped and valid UTF-8, without its quotes. */
void exposition_label(FILE *out, const char *bytes, size_t size);

/* A number, with its family's head unless it goes on: "sidespan.spans.sent" is sidespan_spans_sent.
 */
void exposition_number(FILE *out, enum exposition_format format, const struct number *number);

/* All histograms, by the names that OpenTelemetry gives them in Prometheus. */
void exposition_metrics(FILE *out, enum exposition_format format, const struct metrics *metrics);

/* Behind all of it. */
void exposition_end(FILE *out, enum exposition_format format);

#endif

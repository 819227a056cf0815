#ifndef PROXY_ADMIN_EXPOSITION_H
#define PROXY_ADMIN_EXPOSITION_H

#include <stddef.h>
#include <stdio.h>

/*
 * Numbers as Prometheus reads them: the text format 0.0.4. Pure; that out has failed is seen with
 * ferror().
 */
struct counter;

/* HELP and TYPE of a family, before its samples. type: "counter", "gauge", "histogram". */
void exposition_family(FILE *out, const char *name, const char *type, const char *help);

/* A sample's value. */
void exposition_number(FILE *out, double value);

/* A label's value, escaped and valid UTF-8, without its quotes. */
void exposition_label(FILE *out, const char *bytes, size_t size);

/* A family that has one sample without labels. */
void exposition_single(
	FILE *out, const char *name, const char *type, const char *help, double value);

/*
 * All counters: "sidespan_NAME_total" for what only grows, else "sidespan_NAME"; those that account
 * for spans are "sidespan_spans_NAME".
 */
void exposition_counters(FILE *out, const struct counter *list, size_t count);

/* The process itself: processor time and memory, by the names that all exporters have for them. */
void exposition_process(FILE *out);

#endif

#ifndef PROXY_TELEMETRY_H
#define PROXY_TELEMETRY_H

#include <stdbool.h>
#include <stddef.h>

/* Of a host's name, with its terminator; a longer one is cut. */
#define TELEMETRY_HOST_SIZE 256

/* From settings to an exporter, and from counters to the lines that account for every span. */
struct config;
struct examination;
struct exporter;
struct loop;
struct poster;
struct poster_way;
struct text;

/* Whether spans go anywhere, or are kept for a look at admin.listen. */
bool telemetry_has_exporter(const struct config *config);

/* Not started yet. NULL with a one-line text in error. */
struct exporter *telemetry_exporter_new(
	const struct config *config, char *error, size_t error_size);

/* The same for one that runs: see exporter_renew(). 0 or -1. */
int telemetry_exporter_renew(
	struct exporter *exporter, const struct config *config, char *error, size_t error_size);

/* The same for metrics, as settings say; what each request begins with is written to prefix. */
bool telemetry_has_metrics(const struct config *config);
struct poster *telemetry_poster_new(
	const struct config *config, struct text *prefix, char *error, size_t error_size);
struct poster_way *telemetry_poster_way(
	const struct config *config, char *error, size_t error_size);

/*
 * What the collector makes of an export that has nothing in it, with these settings. 0, or -1 with
 * a one-line text in error.
 */
enum telemetry_export {
	TELEMETRY_SPANS,
	TELEMETRY_SPANS_OTHERWISE, /* in protobuf instead of JSON, or the other way round */
	TELEMETRY_METRICS,
};

int telemetry_examine(const struct config *config, enum telemetry_export which,
	struct examination *found, char *error, size_t error_size);

/*
 * Writes what it is given to fd, as trees with numbered traces, once it is started and stopped: all
 * in one piece. The same errors.
 */
struct exporter *telemetry_trees_new(int fd, char *error, size_t error_size);

/* The host.name of our spans: what the settings say, else the machine's; "" when it has none. */
void telemetry_host_name(const struct config *config, char *name, size_t size);

/*
 * Adds it to our OTEL_RESOURCE_ATTRIBUTES, which a command finds in its environment, unless a
 * host.name is there. 0, or -1 when out of memory.
 */
int telemetry_share_host_name(const struct config *config);

/*
 * At the start: logs what we are and do, in one line. listening: where, or NULL for our standard
 * input and output.
 */
void telemetry_introduce(const struct config *config, const char *listening);

/*
 * At the end: lets the exporter deliver for shutdown.timeout, then logs what became of every span
 * and what else was counted. exporter may be NULL; a loop that was never set up is fine.
 */
void telemetry_report(const struct loop *loop, struct exporter *exporter);

#endif

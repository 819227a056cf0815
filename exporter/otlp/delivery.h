#ifndef EXPORTER_OTLP_DELIVERY_H
#define EXPORTER_OTLP_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/retry.h"

struct batch;
struct exporter_config;
struct report;

/*
 * The way of one batch to the collector: compressed if so configured, posted, and posted again
 * until there is a verdict. Everything but delivery_wake() and delivery_requests() belongs to one
 * thread.
 */
struct delivery;

struct delivery_hooks {
	/* Milliseconds that a stopping exporter still has; -1 as long as it is not stopping. */
	int64_t (*stop_left_ms)(void *arg);
	/* Waits that long. A pause that was chosen before the stop ends when the exporter stops. */
	void (*pause)(void *arg, int64_t pause_ms, bool stopping);
	void *arg;
};

/* report is borrowed. NULL with a one-line text in error. */
struct delivery *delivery_new(const struct exporter_config *config,
	const struct delivery_hooks *hooks, struct report *report, char *error, size_t error_size);
void delivery_free(struct delivery *delivery);

/*
 * Never RETRY_AGAIN. With RETRY_DELIVERED *rejected is how many of the spans the collector did not
 * want after all.
 */
enum retry_verdict delivery_run(
	struct delivery *delivery, const struct batch *batch, uint64_t *rejected);

/* Gives back the memory that is kept from one batch to the next. */
void delivery_rest(struct delivery *delivery);

/* Makes a running request notice that the exporter stops. From any thread. */
void delivery_wake(struct delivery *delivery);

/* How many requests were made, and how many of these were repetitions. From any thread. */
void delivery_requests(struct delivery *delivery, uint64_t *requests, uint64_t *retries);

#endif

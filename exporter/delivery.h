#ifndef EXPORTER_DELIVERY_H
#define EXPORTER_DELIVERY_H

#include <stddef.h>
#include <stdint.h>

struct exporter_config;
struct handover;
struct sink_ops;

/*
 * What the exporter's thread does with sealed batches, one step at a time and without waiting: take
 * the oldest, have the sink try, pause, try again, settle. Who calls waits as each step says, so
 * that more can be waited for in the same place: other sinks, a spool.
 */
enum delivery_wants {
	DELIVERY_TURN,    /* something came to its end: step again */
	DELIVERY_WAITING, /* for news in the handover, or until_ms */
	DELIVERY_POSTING, /* for the sink, or until_ms */
	DELIVERY_DONE,    /* it was told to stop, and has */
};

struct delivery_step {
	enum delivery_wants wants;
	int64_t until_ms; /* monotonic; INT64_MAX: for as long as it takes */
};

struct delivery;

/* Makes the sink; handover is borrowed for life. NULL with a one-line text in error. */
struct delivery *delivery_new(const struct sink_ops *sink, const struct exporter_config *config,
	struct handover *handover, char *error, size_t error_size);

/* What it was about to deliver stays counted as pending. */
void delivery_free(struct delivery *delivery);

/* Never waits. now_ms is monotonic. */
struct delivery_step delivery_step(struct delivery *delivery, int64_t now_ms);

/* Waits for the sink, after DELIVERY_POSTING, for so long at most. */
void delivery_wait(struct delivery *delivery, int64_t wait_ms);

/*
 * From any thread: from now on batches go where config says, in its way and time; what it says of
 * batches, queue, resource and spool does not count. An attempt under way has a second to end, or,
 * at the same collector, the time that it has. What was waiting for another one does not wait. 0,
 * or -1 with a one-line text in error.
 */
int delivery_renew(struct delivery *delivery, const struct exporter_config *config, char *error,
	size_t error_size);

/* Ends a delivery_wait(), also one that is still to begin. From any thread. */
void delivery_wake(struct delivery *delivery);

#endif

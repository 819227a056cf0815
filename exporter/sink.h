#ifndef EXPORTER_SINK_H
#define EXPORTER_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/retry.h"

struct batch;
struct exporter_config;
struct span;
struct span_attribute;
struct text;

/*
 * Where batches go: to a collector (otlp/collector.c), or to a person at a terminal
 * (console/printer.c). A sink has two halves. One renders spans, on the event loop; the other takes
 * sealed batches, on the exporter's thread, and never waits but in its wait().
 */
enum { SINK_WHY_SIZE = 1152 };

/* What came of one attempt to deliver a batch. */
struct sink_outcome {
	enum retry_verdict verdict; /* RETRY_EXHAUSTED is not a sink's to say */
	int64_t retry_after_ms;  /* not before, with RETRY_AGAIN; -1: the other side did not say */
	bool unreachable;        /* nobody has seen the batch: it cannot be the batch's fault */
	uint64_t rejected;       /* of RETRY_DELIVERED: spans that were not wanted after all */
	char why[SINK_WHY_SIZE]; /* for people; empty: there is nothing to say */
};

struct sink_ops {
	bool is_collector; /* may be slow or away: has timeout_ms, and people hear how it does */
	bool by_trace;     /* spans of a trace are to come together, and in no text of a batch */

	/* the event loop's: failures are those of the text */
	void (*append)(struct text *text, const struct span *span);
	/* what many spans have in common, as append() takes it in by one copy */
	void (*append_shared)(
		struct text *text, const struct span_attribute *attributes, size_t count);
	/* what is around the spans of a batch: NULL, '\0' and "" for nothing */
	void (*append_prefix)(struct text *text, const struct exporter_config *config);
	char separator;
	const char *suffix;
	uint32_t encoding;               /* a constant of batch_encoding */
	void (*seal)(struct text *text); /* NULL: a batch needs nothing more */

	/*
	 * The state of a sink; takes what it needs of config. NULL with a one-line text in error.
	 */
	void *(*make)(const struct exporter_config *config, char *error, size_t error_size);
	void (*free)(void *sink); /* NULL is fine */

	/* The batch that attempts are about from now on; borrowed until the next, or rest(). */
	void (*load)(void *sink, const struct batch *batch);
	/* Begins an attempt, or goes on with it. True when it is over: outcome says how it went. */
	bool (*deliver)(void *sink, struct sink_outcome *outcome);
	/*
	 * Makes two batches of one that is loaded and has several spans, after RETRY_SPLIT. 0, or
	 * -1 when that cannot be. NULL: the sink has no such verdict.
	 */
	int (*split)(const struct batch *batch, struct batch *parts[2]);
	/* Ends an attempt that is not over. */
	void (*cancel)(void *sink);
	/* Waits until deliver() can go on, a wake(), or that long; perhaps less. */
	void (*wait)(void *sink, int64_t wait_ms);
	/*
	 * Ends a wait(), also one that is still to begin. From any thread. NULL: waits are short.
	 */
	void (*wake)(void *sink);
	/* Gives back the memory that is kept from one batch to the next. */
	void (*rest)(void *sink);
};

extern const struct sink_ops sink_otlp;
extern const struct sink_ops sink_protobuf; /* the same in protobuf */
extern const struct sink_ops sink_console;

#endif

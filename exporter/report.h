#ifndef EXPORTER_REPORT_H
#define EXPORTER_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "exporter/settings.h"

/*
 * What a person should know about the delivery, as lines for the report hook: one when the
 * collector first takes spans, one when it goes away, one when it is back, and for what is lost one
 * line per kind and minute with the sum. Belongs to the exporter's thread. now_ms is monotonic.
 */
enum report_kind {
	REPORT_REFUSED,
	REPORT_REJECTED,
	REPORT_WARNED, /* nothing lost, but the collector has something to say */
	REPORT_EXHAUSTED,
	REPORT_TOO_LARGE,
	REPORT_MEMORY,
	REPORT_QUEUE,
	REPORT_SPOOL,
	REPORT_KINDS
};

#define REPORT_TARGET_SIZE 256

struct report {
	void (*line)(void *arg, enum exporter_level level, const char *line); /* or NULL */
	void *arg;
	char target[REPORT_TARGET_SIZE]; /* the endpoint as it is shown */
	bool down, told_up;
	int64_t down_next_ms; /* no other line about going down before */
	bool spool_down;
	int64_t spool_next_ms;
	int64_t bad_next_ms;
	uint64_t bad_files; /* not yet in a line */
	struct {
		int64_t next_ms;
		uint64_t spans; /* not yet in a line */
	} losses[REPORT_KINDS];
};

void report_init(struct report *report, const struct exporter_config *config);

/* What is reported is about another collector from now on, unless that is the same. */
void report_turn_to(struct report *report, const char *target);

/* The collector does not take spans now; they wait. */
void report_down(struct report *report, int64_t now_ms, const char *why);
/* It took some; wholly: and had nothing to say against any. Told when that is news. */
void report_up(struct report *report, bool wholly);

void report_loss(struct report *report, enum report_kind kind, int64_t now_ms, uint64_t spans,
	const char *why);

/* The spool takes no batches, or, without a why, takes one. Told when that is news. */
void report_spool(struct report *report, int64_t now_ms, const char *why);

/* Files of the spool, of which one has that name, hold nothing for us. */
void report_bad_files(
	struct report *report, int64_t now_ms, uint64_t files, const char *name, const char *why);

#endif

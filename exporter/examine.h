#ifndef EXPORTER_EXAMINE_H
#define EXPORTER_EXAMINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/sink.h"

struct exporter_config;

/* What a collector makes of an export that has nothing in it. */
struct examination {
	bool reached;        /* it has answered; else why says what stood in the way */
	bool accepted;       /* with success */
	bool is_certificate; /* not reached: TLS or what is spoken there will not do */
	int status;          /* of HTTP, of an answer */
	int64_t took_ms;
	bool has_clock;          /* the answer said what time it is there: */
	int64_t ahead_s;         /* so much later than here; negative: earlier */
	char why[SINK_WHY_SIZE]; /* for people; empty: there is nothing to say */
};

/*
 * Posts it and waits for the answer, at most wait_ms. what: the member that has all, such as
 * resourceSpans. 0, or -1 with a one-line text in error.
 */
int examine_collector(const struct exporter_config *config, const char *what, int64_t wait_ms,
	struct examination *found, char *error, size_t error_size);

#endif

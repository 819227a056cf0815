#ifndef EXPORTER_RETRY_H
#define EXPORTER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What to do with a batch after one attempt to deliver it (OTLP 1.x, "Failures"; OpenTelemetry
 * protocol/exporter.md, "Retry"). Pure: time and chance are parameters.
 */
struct retry_policy {
	int64_t initial_ms; /* the first pause is half to all of this, later ones double */
	int64_t max_ms;     /* no pause but one the collector asked for is longer */
};

enum retry_verdict {
	RETRY_DELIVERED,
	RETRY_AGAIN,
	RETRY_REFUSED,   /* trying again is forbidden or of no use */
	RETRY_EXHAUSTED, /* it was tried long or often enough */
	RETRY_TOO_LARGE,
	RETRY_SPLIT, /* too large for the other side; in two parts it may do */
	RETRY_NO_MEMORY,
};

/* One that came to RETRY_AGAIN. */
struct retry_attempt {
	int64_t retry_after_ms; /* -1: the collector did not say */
	unsigned number;        /* of this attempt, from 1 */
	int64_t left_ms;        /* until the batch must be done with */
	bool stopping;          /* nobody will try after that: pauses are made to fit */
	uint32_t random;
};

/* The pause before the next attempt: at most left_ms, when stopping less. -1: it is exhausted. */
int64_t retry_pause_ms(const struct retry_policy *policy, const struct retry_attempt *attempt);

/*
 * Reads a Retry-After field (RFC 9110, section 10.2.3): seconds, or a date of any of the three
 * forms. now_unix_s is the time of day. Milliseconds, 0 for the past; -1 for anything else.
 */
int64_t retry_after_parse(const char *text, int64_t now_unix_s);

/* A date of HTTP in any of the three forms, as seconds since 1970; -1 for anything else. */
int64_t retry_date_parse(const char *text);

#endif

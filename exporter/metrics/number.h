#ifndef EXPORTER_METRICS_NUMBER_H
#define EXPORTER_METRICS_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* What is told of a count or a state, at a moment: for Prometheus, and for a collector. */
struct number {
	const char *name; /* dots between its parts; without unit and kind: "sidespan.spans.sent" */
	const char *unit; /* UCUM: "s"; "": it is a mere number */
	const char *help;
	bool is_total;     /* only grows, from our start on */
	bool goes_on;      /* another value of the number before */
	const char *label; /* what tells its values apart; NULL: there is one */
	const char *value;
	bool is_real;
	uint64_t whole;
	double real;
};

#endif

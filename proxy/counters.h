#ifndef PROXY_COUNTERS_H
#define PROXY_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct exporter_counters;
struct loop;

/* All that is counted, row by row as counters.def has it, with what it is now. */
enum counter_kind {
	COUNTER_TOTAL, /* only grows */
	COUNTER_GAUGE,
};

struct counter {
	const char *name;
	enum counter_kind kind;
	const char *help;
	bool of_spans; /* accounts for spans; the others are of the conversation */
	uint64_t value;
};

enum {
#define COUNTER_ANY(...) +1
	COUNTERS_COUNT = 0
#include "proxy/counters.def"
};

void counters_read(struct counter list[COUNTERS_COUNT], const struct loop *loop,
	const struct exporter_counters *exported);

/*
 * "NAME=N NAME=N ..." from *next on, of those of one kind that are not 0, as many as fit; *next is
 * moved on to the first that is not in it. False when there was nothing to write.
 */
bool counters_format(char *text, size_t text_size, const struct counter list[COUNTERS_COUNT],
	bool of_spans, size_t *next);

/* The part of the manual page about them. Failures to write are seen with ferror(). */
void counters_print_manual(FILE *out);

#endif

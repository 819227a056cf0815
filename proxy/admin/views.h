#ifndef PROXY_ADMIN_VIEWS_H
#define PROXY_ADMIN_VIEWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * What is told as JSON to the page, to sidespan top, and to whoever asks: what goes on now, what
 * ended last. Spans are those of OTLP/JSON. Failures to write are seen with ferror().
 */
struct loop;
struct ring;

/* How many spans that go on are told of; the oldest. */
#define VIEWS_OPEN_MAX 200

void views_write_open(FILE *out, const struct loop *loop);

/*
 * Ended spans by trace, those with a number after that; the trace of which a span ended last comes
 * last. ring: NULL: there are none. False: out of memory.
 */
bool views_write_traces(FILE *out, const struct ring *ring, uint64_t after);

/*
 * The last spans with a number after that, as far as they fit into so many bytes, one at least; the
 * others are counted. Returns the number of the newest.
 */
uint64_t views_write_spans(FILE *out, const struct ring *ring, uint64_t after, size_t bytes_max);

#endif

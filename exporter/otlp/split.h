#ifndef EXPORTER_OTLP_SPLIT_H
#define EXPORTER_OTLP_SPLIT_H

struct batch;

/*
 * Two sealed batches of one that has several spans, each with the same text around its half of
 * them, the caller's. 0, or -1: it is not as we write it, or memory is short.
 */
int split_batch(const struct batch *batch, struct batch *parts[2]);

#endif

#ifndef EXPORTER_OTLP_REPLY_H
#define EXPORTER_OTLP_REPLY_H

#include <stddef.h>
#include <stdint.h>

/*
 * The body of a collector's answer: ExportTraceServiceResponse for a success ("Partial Success"),
 * google.rpc.Status for a failure ("Failures").
 */
#define REPLY_MESSAGE_SIZE 1024

struct reply {
	uint64_t rejected_spans;
	char message[REPLY_MESSAGE_SIZE]; /* safe to show, clipped; empty: none */
};

/*
 * Reads size bytes; none at all are an empty answer. 0, or -1 when they are not a JSON object; then
 * *reply says nothing.
 */
int reply_parse(struct reply *reply, const char *bytes, size_t size);

/* The same of protobuf's binary form; -1: they are no message. */
int reply_parse_protobuf(struct reply *reply, const char *bytes, size_t size);

#endif

#ifndef PROXY_EXPLAIN_RECORDER_H
#define PROXY_EXPLAIN_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/explain/recording.h"
#include "proxy/trace/tracer.h"

/*
 * Writes what goes by into a recording (recording.h): every text message with its time and its
 * connection, without its contents (redact.h) unless they are asked for, and the end of every
 * connection. A line is written at once, when its message has ended; so the file is whole wherever
 * we are stopped. What cannot be written (the disk is full, record.bytes_max is reached) is cut off
 * behind the last whole line, and ends the recording; the conversation goes on.
 */
#define RECORDER_MESSAGE_MAX                                                                       \
	RECORDING_MESSAGE_MAX /* of what all connections are in the middle of */

struct config;
struct pointers;
struct recorder;
struct recorder_connection;

struct recorder_counters {
#define COUNTER_RECORDER(name, kind, help) uint64_t name;
#include "proxy/counters.def"
};

/*
 * Begins the file config->record_file, only for our user to read. unix_ns is the time of the wall
 * at now_ns. config and pointers, those that a redacted text keeps, are borrowed for life. NULL
 * with a text in error: out of memory, or the file cannot be written, or is no regular file.
 */
struct recorder *recorder_new(const struct config *config, const struct pointers *pointers,
	uint64_t now_ns, uint64_t unix_ns, char *error, size_t error_size);
void recorder_free(struct recorder *recorder);

/*
 * A conversation begins. own_server: its server serves no other. transport is borrowed for life.
 * NULL: out of memory.
 */
struct recorder_connection *recorder_open(
	struct recorder *recorder, uint64_t number, const char *transport, bool own_server);
void recorder_close(struct recorder_connection *connection);

/* Bytes of a message of that side. first: they begin it; last: they end it. */
void recorder_take(struct recorder_connection *connection, enum recording_side side,
	const uint8_t *bytes, size_t size, bool first, bool last, uint64_t now_ns);

/* The conversation has ended for that reason; what still comes is not recorded. NULL is allowed. */
void recorder_end(struct recorder_connection *connection, enum tracer_end reason, uint64_t now_ns);

struct recorder_counters recorder_counters(const struct recorder *recorder);

#endif

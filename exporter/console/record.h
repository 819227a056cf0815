#ifndef EXPORTER_CONSOLE_RECORD_H
#define EXPORTER_CONSOLE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "w3c/traceparent.h"

/* What console.c writes at submit and forest.c reads later, on the exporter's thread. */

/* In front of each attribute of a record; no text that is safe to show has it. */
#define CONSOLE_SEPARATOR "\x1f"

/* The attribute by which connections are told apart. */
#define CONSOLE_CONNECTION "app_server.connection_id"

struct console_record {
	uint64_t start_unix_ns, end_unix_ns;
	/* of the texts that follow: the events' has a line each, the links' the bare ids */
	uint32_t name_size, message_size, shared_size, own_size, events_size, links_size;
	uint8_t trace_id[TRACE_ID_SIZE];
	uint8_t span_id[SPAN_ID_SIZE];
	uint8_t parent_span_id[SPAN_ID_SIZE];
	uint8_t has_parent, parent_is_remote, kind, status;
};

enum { CONSOLE_DURATION_SIZE = 48 };

/* Writes how long that was. Returns the size, which is below the array's. */
size_t console_duration(char text[CONSOLE_DURATION_SIZE], uint64_t from_ns, uint64_t to_ns);

#endif

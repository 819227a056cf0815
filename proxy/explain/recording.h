#ifndef PROXY_EXPLAIN_RECORDING_H
#define PROXY_EXPLAIN_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * A recording of messages, read line by line. A line is a JSON object, of one of these kinds:
 *
 *	{"dir": "c2s", "raw": "<the exact text of a message>"}
 *	{"dir": "s2c", "raw_parts": ["text", ["y", 4194304], "text"]}
 *	{"end": "client"}
 *	> {"id": 1, "method": "initialize"}
 *	< {"id": 1, "result": {}}
 *
 * dir is c2s for the client's messages, s2c for the server's. In raw_parts strings stand as they
 * are, [character, count] for so many of a character. end is the side of the connection that ended:
 * client or server (or backend). All of them may have "t", seconds by any clock (left out: 1 ms
 *after the line before); "conn", which of several connections, a string or a number; "transport",
 *how its client reaches us (rpc.transport); "server", own if it serves this connection alone, else
 *shared. Any other member is wrong. Behind > stands a message of the client, behind < one of the
 *server, as it is. Blank lines are skipped.
 */
#define RECORDING_LINE_MAX    (64u * 1024 * 1024)
#define RECORDING_MESSAGE_MAX (64u * 1024 * 1024) /* what raw_parts may come to */
#define RECORDING_NAME_MAX    64                  /* bytes of conn and transport */
#define RECORDING_SECONDS_MAX 4000000000u
#define RECORDING_STEP_NS     1000000u

struct recording;

enum recording_side { RECORDING_CLIENT, RECORDING_BACKEND };

enum recording_server { RECORDING_SERVER_UNSAID, RECORDING_SERVER_OWN, RECORDING_SERVER_SHARED };

struct recording_line {
	unsigned long long number; /* from 1 on, blank lines counted */
	uint64_t time_ns;          /* never before that of an earlier line */
	bool is_end;               /* the side has ended; else it has sent a message */
	enum recording_side side;
	bool has_connection;
	char connection[RECORDING_NAME_MAX + 1]; /* "" when it has none */
	char transport[RECORDING_NAME_MAX + 1];  /* the same */
	enum recording_server server;
	const uint8_t *text; /* of the message; borrowed from the recording until the next call */
	size_t size;
};

enum recording_result {
	RECORDING_LINE, /* *line is filled in */
	RECORDING_END,
	RECORDING_BAD, /* "NAME:LINE: what, what would be right" */
	RECORDING_NO_MEMORY,
};

/* file and name (for messages) are borrowed for life. NULL when out of memory. */
struct recording *recording_new(FILE *file, const char *name);
void recording_free(struct recording *recording);

/* All lines are messages of that side, as they are, but for those behind > and <. */
void recording_take_as_plain(struct recording *recording, enum recording_side side);

/* The next line. What is not RECORDING_LINE is the last one; error is set if it is not the end. */
enum recording_result recording_next(
	struct recording *recording, struct recording_line *line, char *error, size_t error_size);

#endif

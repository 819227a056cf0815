#ifndef PROXY_EXPLAIN_EXPLAIN_H
#define PROXY_EXPLAIN_EXPLAIN_H

#include <stddef.h>
#include <stdio.h>

/*
 * sidespan --explain: what we would have made of recorded messages (recording.h). They go through
 * the code that carries live ones, by the clock of the recording. Every message is a line: number
 * in the file, time, direction and connection, what it is; below it, indented, what was done about
 * it. Then come the spans as trees, one per trace, and one line of counts. The same recording with
 * the same settings gives the same text again.
 *
 * A connection has a server of its own if its first line says so, or says nothing and its transport
 * is stdio, or it has neither transport nor name: such a server may go on when the client has
 * ended. The others share one, and are over then. Times from 2001 on are taken as those of the
 * wall.
 */
#define EXPLAIN_CONNECTIONS_MAX 1000
#define EXPLAIN_TICKS_MAX       100000 /* seconds that pass one by one; then gaps are leapt over */

struct config;

enum explain_outcome {
	EXPLAIN_DONE,
	EXPLAIN_WRONG,  /* the recording is: error has "NAME:LINE: what, what would be right" */
	EXPLAIN_FAILED, /* out of memory, or out takes no more: error says so */
};

/*
 * Reads file, which is called name in messages, to its end and writes to out, which has a
 * descriptor. Nothing is sent anywhere; where spans should go, and disabled, is not looked at.
 */
enum explain_outcome explain_recording(const struct config *config, FILE *file, const char *name,
	FILE *out, char *error, size_t error_size);

/* The same for config->explain, "-" being standard input, to standard output. */
enum explain_outcome explain_file(const struct config *config, char *error, size_t error_size);

#endif

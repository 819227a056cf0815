#ifndef PROXY_EXPLAIN_REPLAY_H
#define PROXY_EXPLAIN_REPLAY_H

#include <stddef.h>
#include <stdio.h>

/*
 * sidespan --replay: plays the server of a recording (recording.h) on standard input and output, in
 * lines of JSON, for tests of clients. What the server said comes in the order of the recording,
 * and nothing of it before what the client had said by then: a message of the client is found by
 * its method, the first such that has not come yet, an answer by its id. Answers have the client's
 * own ids. What the client leaves out is passed over as soon as something comes that was recorded
 * later; a request that is then made after all is answered at once. One that is not recorded, or
 * not that often, is answered with an error; notifications and answers of that kind are ignored.
 *
 * It is over when the client's end of file comes, or where the recording says that the server
 * ended.
 */
#define REPLAY_ERROR_CODE (-32000)

struct config;

enum replay_outcome {
	REPLAY_DONE,
	REPLAY_WRONG,  /* the recording is: error has "NAME:LINE: what, what would be right" */
	REPLAY_FAILED, /* out of memory, or standard output takes no more: error says so */
};

/* What was played, for the log. */
struct replay_counters {
	size_t recorded;   /* messages of the server */
	size_t played;     /* of them */
	size_t unexpected; /* requests that were answered with an error */
};

/* Plays config->replay for a client whose messages come from one and who reads the other. */
enum replay_outcome replay_file(const struct config *config, FILE *client, int answers,
	struct replay_counters *counters, char *error, size_t error_size);

#endif

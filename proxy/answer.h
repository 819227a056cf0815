#ifndef PROXY_ANSWER_H
#define PROXY_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/pair.h"

/* Answers of our own to an HTTP client: a status, a line of text for a person, and the end. */
struct answer {
	unsigned status;
	const char *why;  /* for whoever reads the body; ours, and short */
	const char *note; /* for the log, in place of why; may be NULL */
	const char *id;   /* JSON-RPC is wanted: of the request, as JSON text; NULL: a text */
	bool to_head;     /* the request is a HEAD: the body is only announced */
};

#define ANSWER_SIZE 512

/* Writes the answer to text; returns its size. */
size_t answer_format(char text[ANSWER_SIZE], const struct answer *answer);

/* Counts what an answer of that status tells of, for a client to which none is sent, too. */
void answer_count(struct loop *loop, unsigned status);

/* Counts it, sends it to the client as the last word, and logs it; the session ends for reason. */
void answer_send(struct pair *pair, const struct answer *answer, enum pair_reason reason);

#endif

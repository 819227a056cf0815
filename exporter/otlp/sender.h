#ifndef EXPORTER_OTLP_SENDER_H
#define EXPORTER_OTLP_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/text.h"

struct exporter_config;

/*
 * One POST after the other over one kept connection. Apart from sender_wake() everything belongs to
 * one thread at a time.
 */
enum sender_result {
	SENDER_ANSWERED,    /* with a status, a whole body, perhaps a Retry-After */
	SENDER_UNREACHABLE, /* no connection, or it broke: may work the next time */
	SENDER_UNUSABLE,    /* will not work the next time either: certificate, not HTTP */
	SENDER_TOO_LARGE,   /* the answer was longer than response_bytes_max */
	SENDER_NO_MEMORY,
};

#define SENDER_FIELD_SIZE 64
#define SENDER_ERROR_SIZE 256

struct sender_answer {
	enum sender_result result;
	int status;
	bool protobuf;                       /* as was sent */
	char retry_after[SENDER_FIELD_SIZE]; /* as received; empty: none */
	char date[SENDER_FIELD_SIZE];        /* the same */
	char error[SENDER_ERROR_SIZE];       /* of every result but ANSWERED, for people */
	struct text body;                    /* decompressed; owned by the sender */
};

struct sender;

/* Takes what it needs of config. NULL with a one-line text in error. */
struct sender *sender_new(const struct exporter_config *config, char *error, size_t error_size);
void sender_free(struct sender *sender);

/* A body and what its head says of it. */
struct sender_body {
	const char *bytes;
	size_t size;
	bool protobuf; /* else JSON */
	bool gzipped;
};

/* Begins to post a body, whose bytes stay until there is an answer or sender_cancel(). */
void sender_begin(struct sender *sender, const struct sender_body *body);

/* Does what can be done now. The answer is the sender's until it begins anew; NULL: not yet. */
const struct sender_answer *sender_step(struct sender *sender);

/* Ends a request, if there is one, without an answer. */
void sender_cancel(struct sender *sender);

/* Waits until sender_step() can go on, sender_wake(), or that long; at most a second. */
void sender_wait(struct sender *sender, int64_t wait_ms);

/* Gives back the memory of the last answer. Not during a request. */
void sender_rest(struct sender *sender);

/* Ends a sender_wait(), also one that is still to begin. From any thread. */
void sender_wake(struct sender *sender);

#endif

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
	SENDER_TIMED_OUT,   /* left_ms() came to 0 */
	SENDER_NO_MEMORY,
};

#define SENDER_RETRY_AFTER_SIZE 64
#define SENDER_ERROR_SIZE       256

struct sender_answer {
	enum sender_result result;
	int status;
	char retry_after[SENDER_RETRY_AFTER_SIZE]; /* as received; empty: none */
	char error[SENDER_ERROR_SIZE];             /* of every result but ANSWERED, for people */
	struct text body;                          /* decompressed; owned by the sender */
};

struct sender;

/*
 * left_ms(arg) is asked over and over during a request: the milliseconds it may still take, at
 * most. Takes what it needs of config. NULL with a one-line text in error.
 */
struct sender *sender_new(const struct exporter_config *config, int64_t (*left_ms)(void *arg),
	void *arg, char *error, size_t error_size);
void sender_free(struct sender *sender);

/* Posts body. The answer is the sender's until the next call. */
const struct sender_answer *sender_post(
	struct sender *sender, const char *body, size_t size, bool gzipped);

/* Gives back the memory of the last answer. Not during a request. */
void sender_rest(struct sender *sender);

/* Makes a running sender_post() ask left_ms() again now. From any thread. */
void sender_wake(struct sender *sender);

#endif

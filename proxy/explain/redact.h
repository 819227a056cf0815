#ifndef PROXY_EXPLAIN_REDACT_H
#define PROXY_EXPLAIN_REDACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A message without its contents. What it is made of stays: braces, blanks, names of members,
 * numbers, true, false, null; of texts, what the wanted pointers read, as much of it as they do.
 * Every other text becomes so many x as it has bytes between its quotes, and so does the name of a
 * member that is none, such as a path: at most REDACT_NAME_MAX letters, digits, _ - and $.
 */
#define REDACT_NAME_MAX  64
#define REDACT_DEPTH_MAX 1024 /* nesting that is followed */

struct pointers;

/* Takes the next part of the text: bytes, or, when they are NULL, so many x. */
typedef void redact_put(void *arg, const char *bytes, size_t size);

/*
 * Puts the message, part by part. False: it is no JSON, or nested too deeply; what was put until
 * then says nothing, and nothing of it can be kept.
 */
bool redact_message(const struct pointers *pointers, const uint8_t *bytes, size_t size,
	redact_put *put, void *arg);

#endif

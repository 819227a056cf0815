#ifndef PROXY_MESSAGE_POINTERS_H
#define PROXY_MESSAGE_POINTERS_H

#include <stddef.h>

/*
 * The set of JSON pointers (RFC 6901) whose values are wanted from every message, compiled to a
 * tree that skim walks along. Built once at start, then shared and never changed.
 */
#define POINTERS_DEPTH_MAX 8
#define POINTERS_SLOTS_MAX 128

struct pointers;

struct pointers *pointers_new(void);
void pointers_free(struct pointers *pointers);

/*
 * Wants the value at pointer ("/params/threadId"; "~0" and "~1" as in RFC 6901, section 4), at most
 * bytes_max bytes of its text. A token "-" is a member of that name, or the last element of an
 * array. Returns its slot number (0, 1, ...); the same pointer again gives the same slot and keeps
 * the larger bytes_max. -1: not a JSON pointer, too deep, a token over 255 bytes, too many, or out
 * of memory; then nothing has changed.
 */
int pointers_add(struct pointers *pointers, const char *pointer, size_t bytes_max);

/* The same for what must not be seen elsewhere. */
int pointers_add_hidden(struct pointers *pointers, const char *pointer, size_t bytes_max);

/* The same for somebody who only reads the first word of the text. */
int pointers_add_word(struct pointers *pointers, const char *pointer, size_t bytes_max);

size_t pointers_count(const struct pointers *pointers);

#endif

#ifndef PROXY_ENDPOINT_INHERIT_H
#define PROXY_ENDPOINT_INHERIT_H

#include <stdbool.h>

/*
 * What a command finds: the descriptors and signals that we were started with, as it would without
 * us, and none of our own; of the environment all but what is a secret between us and whoever set
 * us up.
 */

/* Remembers descriptors and signals. To be called first thing. 0, or -1 (errno). */
int inherit_note(void);

/* A descriptor that we were started with was meant for us: no command gets it. */
void inherit_forget(int fd);

/*
 * The environment of a command: SIDESPAN_* is left out, and the headers for the collector unless
 * otlp_headers is set. The array is the caller's to free, the strings stay borrowed from
 * environment. NULL: out of memory.
 */
char **inherit_environment(char *const *environment, bool otlp_headers);

/*
 * In a new process, between fork and exec, with all signals blocked: closes all descriptors but 0,
 * 1, 2, keep_fd and those that we were started with, and gives signals the meaning that they had
 * for us at the start.
 */
void inherit_restore(int keep_fd);

#endif

#ifndef PROXY_DOCTOR_READY_H
#define PROXY_DOCTOR_READY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Asks the sidespan that serves admin.listen of these settings whether it is ready: what a health
 * check of a container does, without a client of HTTP in it.
 */
struct config;

/* Waits a few seconds at most. answer: its words, or why there is none, in one line. */
bool ready_ask(const struct config *config, char *answer, size_t size);

#endif

#ifndef PROXY_DOCTOR_TRIAL_H
#define PROXY_DOCTOR_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A conversation that is thrown away: a process of our own serves it, with all the settings, to a
 * client that asks for one thing and leaves. What would meet a real client meets this one.
 */
struct config;

/* Serves as config says, in the process that it is called in; the exit status. */
typedef int trial_serve(void *arg);

enum trial_outcome {
	TRIAL_ANSWERED, /* with a result */
	TRIAL_REFUSED,  /* with an error, or a status of HTTP: why has it */
	TRIAL_SILENT,   /* not at all, within trial_wait_ms() */
	TRIAL_LOST,     /* there is no server, or it left: why */
	TRIAL_FAILED,   /* it could not be tried: why */
};

#define TRIAL_WHY_SIZE 512

struct trial {
	enum trial_outcome outcome;
	int64_t took_ms;
	int status;               /* of HTTP, where it was no success; else 0 */
	char why[TRIAL_WHY_SIZE]; /* for people, not escaped; empty: there is nothing to say */
};

/*
 * How long an answer is waited for: connect.timeout, and three times as long for a command, which
 * may have to be fetched before it starts.
 */
int64_t trial_wait_ms(const struct config *config);

/* What is asked for, by the profile. */
const char *trial_method(const struct config *config);

/* with_carrier: as config says; else without our context in the request. config is as it was. */
void trial_run(struct config *config, bool with_carrier, trial_serve *serve, void *arg,
	struct trial *trial);

#endif

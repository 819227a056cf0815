#ifndef PROXY_RELOAD_H
#define PROXY_RELOAD_H

#include "config/config_load.h"

/*
 * New settings for a running program, as SIGHUP asks for: the files are read again, and what is in
 * them is in force at once, or for connections to come (see options.def). What is wrong with them
 * is logged, and they count for nothing.
 */
struct admin;
struct exporter;
struct loop;
struct measures;
struct route;

struct reload {
	/* The lists are owned, not the texts. The environment is changed later, for COMMANDs. */
	struct config_given given;
	struct config *latest; /* owned; in force, unless it is NULL or some generation's */
};

/* What the settings are for; all is borrowed. */
struct reload_subjects {
	struct loop *loop;
	struct route *route;
	struct exporter *exporter; /* or NULL */
	struct measures *measures; /* or NULL */
	struct admin *admin;       /* or NULL */
};

/* Keeps what main() was given. 0, or -1: out of memory. */
int reload_init(struct reload *reload, int argc, char **argv, char **environment);

/* Nothing is in force any more. Allowed when zeroed. */
void reload_done(struct reload *reload);

void reload_run(struct reload *reload, const struct reload_subjects *subjects);

/* What settings say of the log, from now on. */
void reload_log(const struct config *config);

#endif

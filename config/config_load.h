#ifndef CONFIG_CONFIG_LOAD_H
#define CONFIG_CONFIG_LOAD_H

#include <stdio.h>

#include "config/config.h"

enum config_outcome {
	CONFIG_RUN,   /* go on */
	CONFIG_DONE,  /* --help, --version, --check did their work: exit 0 */
	CONFIG_WRONG, /* error says what; exit 2 */
};

/*
 * Loads everything from the command line, the environment and the files they name. On CONFIG_RUN
 * *config is the caller's (config_free); it borrows nothing. What --help, --version and --check
 * print goes to out, and for the doctor the notes that --check prints. On CONFIG_WRONG error has
 * one line: file, line, option, value, what would be right. Things that a specification wants
 * warned about but not refused (an unknown OTEL_* enum value) are given to warn, one line each;
 * warn may be NULL.
 */
enum config_outcome config_load(struct config **config, int argc, char **argv, char **environment,
	FILE *out, void (*warn)(void *arg, const char *line), void *arg,
	char error[CONFIG_ERROR_SIZE]);

/* What is different from the settings before. */
struct config_changes {
	bool any;
	bool traced; /* how connections are recorded: an OPTION_RETRACE, or the profile */
	char taken[CONFIG_ERROR_SIZE]; /* the options: "log.level, profile"; may be cut */
	char kept[CONFIG_ERROR_SIZE];  /* those that cannot change while we run: they are as before
					*/
};

/* What main() was given. */
struct config_given {
	int argc;
	char **argv;
	char **environment;
};

/*
 * The same once more, as SIGHUP asks for: files are read anew, arguments and environment should be
 * those of the first time. *config has all that can change while we run (OPTION_RELOAD,
 * OPTION_RETRACE, the profile, the token, the headers' file), and the rest as running has it.
 * CONFIG_RUN or CONFIG_WRONG.
 */
enum config_outcome config_reload(struct config **config, const struct config *running,
	struct config_changes *changes, const struct config_given *given,
	void (*warn)(void *arg, const char *line), void *arg, char error[CONFIG_ERROR_SIZE]);

/* NULL and half-built configs are fine. */
void config_free(struct config *config);

#endif

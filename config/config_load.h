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

/* NULL and half-built configs are fine. */
void config_free(struct config *config);

#endif

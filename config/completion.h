#ifndef CONFIG_COMPLETION_H
#define CONFIG_COMPLETION_H

#include <stdbool.h>
#include <stdio.h>

/* The scripts by which shells complete our command line, as the options table has it. */

/* For bash, zsh or fish. False: there is none for that shell. */
bool completion_print(FILE *out, const char *shell);

#endif

#ifndef CONFIG_HELP_H
#define CONFIG_HELP_H

#include <stdio.h>

struct config;
struct settings;

/* What the program tells about its options; all of it follows from the options table. */

/* --help */
void help_print(FILE *out);
/* --version */
void help_print_version(FILE *out);
/* The part of the manual page that lists the options (mdoc). */
void help_print_manual(FILE *out);
/* --check: a line per option with its value and its source, the profile, the command. */
void help_print_check(FILE *out, const struct settings *settings, const struct config *config);

#endif

#ifndef CONFIG_ADVICE_H
#define CONFIG_ADVICE_H

#include <stdio.h>

struct config;
struct settings;

/*
 * What --check says beside what is in force: settings that are not wrong, but do not do what
 * whoever gave them may expect. One line each, "note: WHAT: WHY"; none when there is nothing to
 * say.
 */
void advice_print(FILE *out, const struct settings *settings, const struct config *config);

#endif

#ifndef CONFIG_CONSISTENCY_H
#define CONFIG_CONSISTENCY_H

#include <stdbool.h>

struct settings;

/*
 * What must hold between options. Also parses the two URLs into the config and settles which
 * endpoint counts. Nothing to connect to is fine for a check only. 0, or -1 with the error set.
 */
int consistency_apply(struct settings *settings, bool only_check);

#endif

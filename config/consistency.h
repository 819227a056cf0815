#ifndef CONFIG_CONSISTENCY_H
#define CONFIG_CONSISTENCY_H

#include <stdbool.h>

struct settings;
struct url;

/*
 * What must hold between options. Also parses the two URLs into the config and settles which
 * endpoint counts. Nothing to connect to is fine for a check only. 0, or -1 with the error set.
 */
int consistency_apply(struct settings *settings, bool only_check);

/* Whether admin.listen may be that, on this machine or another: http:// without a path, or unix://.
 */
bool consistency_may_serve(const struct url *url);

#endif

#ifndef PROXY_TRACE_FOLLOW_ACT_H
#define PROXY_TRACE_FOLLOW_ACT_H

#include "config/profile/lifecycle.h"

struct action;

/*
 * What the rules do: each rule that looks at such messages and whose conditions hold acts, in the
 * order of the profile.
 */
void act_run(struct action *action, enum lifecycle_on on);

/* The text that an answer has left stands for its request, whose context will not change now. */
void act_leave_link(struct action *action);

#endif

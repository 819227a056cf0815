#ifndef PROXY_TRACE_FOLLOW_ACT_H
#define PROXY_TRACE_FOLLOW_ACT_H

#include "config/profile/lifecycle.h"

struct action;
struct open_span;
struct open_spans;
struct span_end;

/*
 * What the rules do: each rule that looks at such messages and whose conditions hold acts, in the
 * order of the profile.
 */
void act_run(struct action *action, enum lifecycle_on on);

/*
 * A span is about to end so, and no message has told of it: a rule may make what runs below it, as
 * a span that ends likewise.
 */
void act_at_end(struct open_spans *spans, struct open_span *above, const struct span_end *end);

/* The text that an answer has left stands for its request, whose context will not change now. */
void act_leave_link(struct action *action);

#endif

#ifndef PROXY_TRACE_FOLLOW_OPENING_H
#define PROXY_TRACE_FOLLOW_OPENING_H

#include "proxy/trace/follow/action.h"

/* Acts for a rule that opens a span: unless it is open, or was closed, or is not wanted. */
void opening_run(struct action *action, const struct matcher_rule *rule);

/* Opens a span that is made, for a rule that sees to its end: NULL, counted, without memory. */
struct open_span *opening_make_span(struct action *action, const struct matcher_rule *rule,
	struct open_span *above, uint64_t start_ns);

#endif

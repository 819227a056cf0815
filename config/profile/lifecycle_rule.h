#ifndef CONFIG_PROFILE_LIFECYCLE_RULE_H
#define CONFIG_PROFILE_LIFECYCLE_RULE_H

#include "config/profile/reader.h"

struct lifecycle;
struct lifecycle_rule;

/* A rule of a lifecycle, from its object in the profile. All return 0, or -1 with the error set. */

/* From here on, messages name the rule: by its name or, counted from 1, its place. */
void lifecycle_rule_enter(struct reader *reader, const struct file_node *node);

/* Takes each member by itself into a struct lifecycle_rule. */
reader_take lifecycle_rule_take;

/* Looks up the span, which all must be taken, and checks what must hold in the rule and with it. */
int lifecycle_rule_check(struct reader *reader, const struct file_node *node,
	struct lifecycle_rule *rule, const struct lifecycle *lifecycle);

void lifecycle_rule_done(struct lifecycle_rule *rule);

#endif

#ifndef CONFIG_PROFILE_OPERAND_H
#define CONFIG_PROFILE_OPERAND_H

#include "config/profile/reader.h"

/*
 * The smaller things that lifecycle rules are made of: where values come from, when a rule holds,
 * what a span's end means. The target of each taker is what the comment says; what it has taken,
 * also when it failed, is freed by the functions below.
 */
reader_take operand_take;           /* struct lifecycle_source */
reader_take operand_take_set;       /* struct lifecycle_set */
reader_take operand_take_condition; /* struct lifecycle_condition, from a member of "when" */
reader_take operand_take_status;    /* struct lifecycle_status */
reader_take operand_take_time;      /* struct lifecycle_time */

struct lifecycle_condition;
struct lifecycle_set;
struct lifecycle_source;
struct lifecycle_status;

void operand_done(struct lifecycle_source *source);
void operand_done_set(struct lifecycle_set *set);
void operand_done_condition(struct lifecycle_condition *condition);
void operand_done_status(struct lifecycle_status *status);

#endif

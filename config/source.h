#ifndef CONFIG_SOURCE_H
#define CONFIG_SOURCE_H

#include "config/reader.h"

/*
 * The smaller things that lifecycle rules are made of: where values come from, when a rule holds,
 * what a span's end means. The target of each taker is what the comment says; what it has taken,
 * also when it failed, is freed by the functions below.
 */
reader_take source_take;           /* struct lifecycle_source */
reader_take source_take_setting;   /* struct lifecycle_setting, from a member of "set" */
reader_take source_take_condition; /* struct lifecycle_condition, from a member of "when" */
reader_take source_take_status;    /* struct lifecycle_status */

struct lifecycle_condition;
struct lifecycle_setting;
struct lifecycle_source;
struct lifecycle_status;

/* Whether one of the choices is to be added up. */
bool source_sums(const struct lifecycle_source *source);

void source_done(struct lifecycle_source *source);
void source_done_setting(struct lifecycle_setting *setting);
void source_done_condition(struct lifecycle_condition *condition);
void source_done_status(struct lifecycle_status *status);

#endif

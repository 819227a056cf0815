#ifndef CONFIG_PROFILE_METRIC_LOAD_H
#define CONFIG_PROFILE_METRIC_LOAD_H

#include <stddef.h>

#include "config/profile/reader.h"

/* The "metrics" of a profile; see struct profile_metric. */

/* A taker: the target is the struct profile. */
reader_take metric_load_take_list;

/*
 * Whether what they measure exists, once all else of the profile is known. 0, or -1 with the
 * reader's error set.
 */
int metric_load_check(
	struct reader *reader, const struct file_node *root, const struct profile *profile);

/* Frees the list, too. NULL is allowed. */
void metric_load_free(struct profile_metric *metrics, size_t count);

#endif

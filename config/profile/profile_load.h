#ifndef CONFIG_PROFILE_PROFILE_LOAD_H
#define CONFIG_PROFILE_PROFILE_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "config/profile/profile.h"

struct file;

/*
 * Makes a profile from a parsed file, whose settings it leaves alone. The caller frees; NULL with
 * one line in error: file, line, member, what would be right.
 */
struct profile *profile_new(const struct file *file, char *error, size_t error_size);

/* Whether auto takes this profile for the command. */
bool profile_matches(const struct profile *profile, char *const *command);

/* NULL and half-built profiles are fine. */
void profile_free(struct profile *profile);

#endif

#ifndef CONFIG_VARIABLES_H
#define CONFIG_VARIABLES_H

#include <stddef.h>

/*
 * A copy of the environment with the values as they are meant: out of files and secrets they come
 * with blanks and line ends around them. The caller frees it with one free(); NULL when memory is
 * out.
 */
char **variables_trim(char *const *environment);

/* The value of the variable, or NULL when it is unset or empty, which is the same everywhere. */
const char *variables_find(char *const *environment, const char *name, size_t size);
const char *variables_value(char *const *environment, const char *name);

#endif

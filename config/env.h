#ifndef CONFIG_ENV_H
#define CONFIG_ENV_H

#include <stddef.h>

struct settings;

/*
 * A copy of the environment with the values as they are meant: out of files and secrets they come
 * with blanks and line ends around them. The caller frees it with one free(); NULL when memory is
 * out.
 */
char **env_trim(char *const *environment);

/* The value of the variable, or NULL when it is unset or empty, which is the same everywhere. */
const char *env_find(char *const *environment, const char *name, size_t size);
const char *env_value(char *const *environment, const char *name);

/*
 * Applies the SIDESPAN_* variables. A name that is no option is an error, as it is a typing
 * mistake: but for SIDESPAN_ENV, which selects the environment, and for what Kubernetes makes of a
 * service called sidespan (SIDESPAN_SERVICE_HOST, SIDESPAN_PORT_4500_TCP, ...). 0, or -1 with the
 * error set.
 */
int env_load_sidespan(struct settings *settings);

/*
 * Applies the OTEL_* variables, by the rules of OpenTelemetry's environment variable specification:
 * what cannot be understood is warned about and ignored. 0, or -1 when memory is out.
 */
int env_load_otel(struct settings *settings);

#endif

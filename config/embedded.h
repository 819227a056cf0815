#ifndef CONFIG_EMBEDDED_H
#define CONFIG_EMBEDDED_H

#include <stddef.h>

/*
 * The profiles and environments that come with the project, compiled in:
 * config/profiles/<name>.json and config/environments/<name>.json. The makefile has config/embed.sh
 * write the table.
 */
struct embedded_file {
	const char
		*name; /* path below config/, such as "profiles/codex.json"; NULL ends the table */
	const char *text; /* the file's bytes, and a '\0' that size does not count */
	size_t size;
};

/* Sorted by name. */
extern const struct embedded_file embedded_files[];

#endif

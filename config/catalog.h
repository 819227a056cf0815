#ifndef CONFIG_CATALOG_H
#define CONFIG_CATALOG_H

#include <stdbool.h>
#include <stddef.h>

#include "config/file.h"

/* The ready profiles and environments: those compiled in, and environments that are installed. */
#define CATALOG_PROFILES     "profiles"
#define CATALOG_ENVIRONMENTS "environments"

/* Whether there is one compiled in. */
bool catalog_has(const char *folder, const char *name);

/*
 * Parses the one compiled in. The caller frees; NULL with one line in error when there is no such
 * one or memory is out.
 */
struct file *catalog_parse(const char *folder, const char *name, char *const *environment,
	char *error, size_t error_size);

/*
 * Reads DATADIR/environments/NAME.json, or when there is no such file what is compiled in. The
 * caller frees; NULL with one line in error, which lists what there is when it is neither.
 */
struct file *catalog_read_environment(const char *datadir, const char *name,
	char *const *environment, char *error, size_t error_size);

/*
 * The FOLDER/NAME.json of a folder that can be read, one after the other: the name behind index is
 * written to name, without folder and ending. Returns whether there is one.
 */
bool catalog_name_in(const char *folder, size_t index, char *name, size_t size);

/* Whether a name is one that a file may have, so that nothing else is looked up. */
bool catalog_is_plain(const char *name);

/*
 * Goes through the names compiled in, in order: the name behind index is written to name, without
 * folder and ending. Returns whether there is one.
 */
bool catalog_name(const char *folder, size_t index, char *name, size_t size);

/* Writes "codex, generic": the names compiled in. Clipped to size. */
void catalog_list(const char *folder, char *text, size_t size);

#endif

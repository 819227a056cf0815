#ifndef CONFIG_PROFILE_FILES_H
#define CONFIG_PROFILE_FILES_H

#include <stddef.h>

struct file;

/*
 * Where profiles are: beside the files of --config, then in the folder that is installed, then
 * compiled in. The first one of a name counts.
 */
#define PROFILE_FILES_DEPTH_MAX 4 /* profiles that extend each other */
#define PROFILE_FILES_NAME_SIZE 1024

struct profile_files {
	const char *const *files; /* of --config; all is borrowed */
	size_t file_count;
	const char *datadir;
	char *const *environment;
	char *error;                               /* CONFIG_ERROR_SIZE bytes */
	void (*warn)(void *arg, const char *line); /* NULL: nobody wants to know */
	void *warn_arg;
};

/*
 * Reads the profile of that name, or the file if it looks like one: it has a / or ends in .json,
 * and is relative to the folder of beside, unless that is NULL. What it extends is in it. The
 * caller frees; NULL with one line in error.
 */
struct file *profile_files_read(const struct profile_files *profiles, const char *name,
	const char *beside, const char *where);

/*
 * Writes the name, or the file, of the profile that auto stands for: the first that matches the
 * command, else generic. One that only lies there and is wrong is warned of, and left out.
 */
void profile_files_choose(const struct profile_files *profiles, char *const *command,
	char name[PROFILE_FILES_NAME_SIZE]);

#endif

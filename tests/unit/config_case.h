#ifndef TESTS_UNIT_CONFIG_CASE_H
#define TESTS_UNIT_CONFIG_CASE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config_load.h"
#include "tests/unit/unit.h"

/* One load of a configuration, with everything that it told. */
struct config_case {
	enum config_outcome outcome;
	struct config *config;
	char *out;
	size_t out_size;
	char warnings[8192]; /* a line each */
	char error[CONFIG_ERROR_SIZE];
};

static inline void config_case_warn(void *arg, const char *line)
{
	struct config_case *load = arg;
	size_t used = strlen(load->warnings);

	ck_assert_ptr_null(strchr(line, '\n'));
	ck_assert_uint_lt(used + strlen(line) + 2, sizeof load->warnings);
	snprintf(load->warnings + used, sizeof load->warnings - used, "%s\n", line);
}

/* flags are what follows the program's name; both lists end with NULL. */
static inline void config_case_load(
	struct config_case *load, const char *const *flags, const char *const *environment)
{
	char *argv[64] = {NULL};
	char *entries[64] = {0};
	int argc = 1;
	int i;
	FILE *out;

	argv[0] = strdup("sidespan");
	ck_assert_ptr_nonnull(argv[0]);
	memset(load, 0, sizeof *load);
	for (; *flags != NULL; flags++)
		argv[argc++] = strdup(*flags);
	for (i = 0; environment[i] != NULL; i++)
		entries[i] = strdup(environment[i]);
	out = open_memstream(&load->out, &load->out_size);
	ck_assert_ptr_nonnull(out);
	load->outcome = config_load(
		&load->config, argc, argv, entries, out, config_case_warn, load, load->error);
	fclose(out);
	while (argc > 0)
		free(argv[--argc]);
	while (i > 0)
		free(entries[--i]);
	ck_assert_int_eq(load->outcome == CONFIG_RUN, load->config != NULL);
	ck_assert_int_eq(load->outcome == CONFIG_WRONG, load->error[0] != '\0');
	ck_assert_ptr_null(strchr(load->error, '\n'));
}

static inline void config_case_done(struct config_case *load)
{
	config_free(load->config);
	unit_free_foreign(load->out);
}

/*
 * Writes text to a new file and returns its name, for config_case_unlink(). It lies in a folder of
 * its own: all that is beside a file of the configuration is looked at.
 */
static inline char *config_case_file(const char *text)
{
	char *name = strdup("/tmp/sidespan_test_XXXXXX/file.json");
	char *end;
	int fd;

	ck_assert_ptr_nonnull(name);
	end = strrchr(name, '/');
	*end = '\0';
	ck_assert_ptr_nonnull(mkdtemp(name));
	*end = '/';
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	return name;
}

static inline void config_case_unlink(char *name)
{
	unlink(name);
	*strrchr(name, '/') = '\0';
	rmdir(name);
	free(name);
}

#endif

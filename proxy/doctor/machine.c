/*
 * Asking the machine: the kernel's clock, control groups of both versions, limits of this process.
 * Nothing can fail: what cannot be read is not known.
 */
#include "proxy/doctor/machine.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>

#define MACHINE_PATH_SIZE 8192
#define MACHINE_LINE_SIZE 4096

/* Version 1 says "no limit" by the largest number of whole pages. */
static const int64_t machine_unlimited = (int64_t)1 << 60;

enum machine_clock machine_clock(void)
{
	struct timex state = {.modes = 0};
	int result = adjtimex(&state);

	if (result == -1)
		return MACHINE_CLOCK_UNKNOWN;
	return result == TIME_ERROR || (state.status & STA_UNSYNC) != 0 ? MACHINE_CLOCK_ALONE
									: MACHINE_CLOCK_KEPT;
}

/* The number in a file of one; -1: there is none. */
static int64_t machine_number(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[64], *end = line;
	long long number = -1;

	if (file == NULL)
		return -1;
	if (fgets(line, sizeof line, file) != NULL)
		number = strtoll(line, &end, 10);
	(void)fclose(file); /* only read */
	return end != line && number >= 0 && number < machine_unlimited ? number : -1;
}

/* A group and all around it; group begins with a slash, and is cut down to nothing. */
static int64_t machine_climb(const char *mount, char *group, const char *name, int64_t limit)
{
	char path[MACHINE_PATH_SIZE];
	int64_t found;
	char *slash;

	do {
		slash = strrchr(group, '/');
		(void)snprintf(path, sizeof path, "%s%s/%s", mount,
			strcmp(group, "/") == 0 ? "" : group, name); /* cut: it is not there */
		found = machine_number(path);
		if (found != -1 && (limit == -1 || found < limit))
			limit = found;
		if (slash != NULL)
			slash[slash == group && slash[1] != '\0'] = '\0';
	} while (slash != NULL && group[0] != '\0');
	return limit;
}

int64_t machine_memory(const char *root)
{
	char path[MACHINE_LINE_SIZE], line[MACHINE_LINE_SIZE], *controllers, *group;
	int64_t limit = -1;
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	while (fgets(line, sizeof line, file) != NULL) { /* NUMBER:CONTROLLERS:GROUP */
		line[strcspn(line, "\n")] = '\0';
		controllers = strchr(line, ':');
		group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
		if (group == NULL || group[1] != '/')
			continue;
		*group++ = '\0';
		(void)snprintf(path, sizeof path, "%s/sys/fs/cgroup%s", root,
			controllers[1] == '\0' ? "" : "/memory"); /* may be cut */
		if (controllers[1] == '\0')
			limit = machine_climb(path, group, "memory.max", limit);
		else if (strcmp(controllers + 1, "memory") == 0)
			limit = machine_climb(path, group, "memory.limit_in_bytes", limit);
	}
	(void)fclose(file); /* only read */
	return limit;
}

size_t machine_descriptors(size_t *open)
{
	struct rlimit limit;
	DIR *folder = opendir("/proc/self/fd");

	*open = 0;
	while (folder != NULL && readdir(folder) != NULL)
		++*open;
	if (folder != NULL)
		(void)closedir(folder);  /* only read */
	*open -= *open >= 3 ? 3 : *open; /* ".", ".." and the folder itself */
	_Static_assert((size_t)RLIM_INFINITY == SIZE_MAX, "no limit is the largest");
	return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (size_t)limit.rlim_cur : SIZE_MAX;
}

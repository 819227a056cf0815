/*
 * Inheritance; see inherit.h. inherit_note() fills what is static here, once; the rest of the
 * program only reads it, also in processes between fork and exec, where nothing may be allocated.
 */
#include "proxy/endpoint/inherit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436 /* the same on all architectures */
#endif

#define INHERIT_FILES_MAX 256 /* further ones are not passed on */

static int inherit_files[INHERIT_FILES_MAX]; /* in order */
static size_t inherit_file_count;
static sigset_t inherit_blocked; /* no signal until noted */
static sigset_t inherit_ignored;

static void inherit_note_signals(void)
{
	struct sigaction action;
	int signal_number;

	(void)sigprocmask(SIG_BLOCK, NULL, &inherit_blocked); /* only asks */
	(void)sigemptyset(&inherit_ignored);
	for (signal_number = 1; signal_number < NSIG; signal_number++)
		if (sigaction(signal_number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
			(void)sigaddset(&inherit_ignored, signal_number); /* it is a valid one */
}

static int inherit_compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b; /* neither is negative */
}

int inherit_note(void)
{
	struct dirent *entry;
	DIR *list;

	inherit_note_signals();
	inherit_file_count = 0;
	list = opendir("/proc/self/fd");
	if (list == NULL)
		return errno == ENOENT ? 0 : -1; /* no /proc: a command gets none but 0, 1 and 2 */
	while ((entry = readdir(list)) != NULL) {
		int fd = (int)strtol(entry->d_name, NULL, 10); /* "." and ".." give 0 */

		if (fd > STDERR_FILENO && fd != dirfd(list) && fcntl(fd, F_GETFD) == 0 &&
			inherit_file_count < INHERIT_FILES_MAX)
			inherit_files[inherit_file_count++] = fd;
	}
	qsort(inherit_files, inherit_file_count, sizeof inherit_files[0], inherit_compare);
	return closedir(list);
}

void inherit_forget(int fd)
{
	size_t i;

	for (i = 0; i < inherit_file_count && inherit_files[i] != fd; i++)
		continue;
	if (i == inherit_file_count)
		return;
	inherit_file_count--;
	memmove(inherit_files + i, inherit_files + i + 1,
		(inherit_file_count - i) * sizeof *inherit_files);
}

/* ---- the environment ---- */

/* Whether it is OTEL_EXPORTER_OTLP_HEADERS or OTEL_EXPORTER_OTLP_*_HEADERS. */
static bool inherit_is_headers(const char *variable)
{
	static const char prefix[] = "OTEL_EXPORTER_OTLP", suffix[] = "_HEADERS";
	size_t size = strcspn(variable, "="), prefix_size = sizeof prefix - 1,
	       suffix_size = sizeof suffix - 1;

	return size >= prefix_size + suffix_size && memcmp(variable, prefix, prefix_size) == 0 &&
	       memcmp(variable + size - suffix_size, suffix, suffix_size) == 0;
}

char **inherit_environment(char *const *environment, bool otlp_headers)
{
	size_t count = 0, kept = 0, i;
	char **copy;

	while (environment[count] != NULL)
		count++;
	copy = calloc(count + 1, sizeof *copy);
	if (copy == NULL)
		return NULL;
	for (i = 0; i < count; i++)
		if (strncmp(environment[i], "SIDESPAN_", strlen("SIDESPAN_")) != 0 &&
			(otlp_headers || !inherit_is_headers(environment[i])))
			copy[kept++] = environment[i];
	return copy;
}

/* ---- in the new process ---- */

/*
 * Closed, not only marked: an exec that takes its time must not keep the pipes of other commands
 * open. Where the kernel lacks close_range (before 5.9), the marks of their owners count.
 */
static void inherit_restore_files(int keep_fd)
{
	int kept[INHERIT_FILES_MAX + 1];
	unsigned next = STDERR_FILENO + 1;
	size_t count = 0, i;

	for (i = 0; i < inherit_file_count && inherit_files[i] < keep_fd; i++)
		kept[count++] = inherit_files[i];
	kept[count++] = keep_fd;
	for (; i < inherit_file_count; i++)
		if (inherit_files[i] != keep_fd) /* it was closed, and its number given out again */
			kept[count++] = inherit_files[i];
	for (i = 0; i < count; i++) {
		unsigned fd = (unsigned)kept[i];

		if (fd > next)
			(void)syscall(SYS_close_range, next, fd - 1, 0);
		(void)fcntl(kept[i], F_SETFD, kept[i] == keep_fd ? FD_CLOEXEC : 0);
		next = fd + 1;
	}
	(void)syscall(SYS_close_range, next, ~0u, 0);
}

/* All signals are blocked until here: those that came since the fork count now. */
static void inherit_restore_signals(void)
{
	struct sigaction standard = {.sa_handler = SIG_DFL}, ignored = {.sa_handler = SIG_IGN};
	int signal_number;

	for (signal_number = 1; signal_number < NSIG; signal_number++)
		(void)sigaction(signal_number,
			sigismember(&inherit_ignored, signal_number) == 1 ? &ignored : &standard,
			NULL); /* some cannot be set */
	(void)sigprocmask(SIG_SETMASK, &inherit_blocked, NULL);
}

void inherit_restore(int keep_fd)
{
	inherit_restore_files(keep_fd);
	inherit_restore_signals();
}

/*
 * Processes below ours; see kin.h. A process that starts others while we look may have some that we
 * miss: who wants none to be left asks again when those that were found have ended, since their
 * children have become ours then. The same goes for what is beyond KIN_MAX.
 */
#include "proxy/endpoint/kin.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424 /* both the same on all architectures that are still built */
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define KIN_MAX 1024 /* processes found at once */

struct kin {
	struct {
		pid_t pid, parent;
	} found[KIN_MAX];
	size_t count;
	pid_t spared;
};

void kin_adopt(void)
{
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* fails before Linux 3.4 only */
}

/* ---- looking ---- */

/* Numbers with a blank behind each: /proc/PID/task/TID/children. */
static void kin_read(struct kin *kin, int fd, pid_t parent)
{
	char text[1024];
	pid_t pid = 0;
	ssize_t n, i;

	while ((n = read(fd, text, sizeof text)) > 0)
		for (i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			if (pid != kin->spared && kin->count < KIN_MAX) {
				kin->found[kin->count].pid = pid;
				kin->found[kin->count++].parent = parent;
			}
			pid = 0;
		}
}

static void kin_add_children(struct kin *kin, pid_t parent)
{
	char path[64];
	struct dirent *thread;
	DIR *threads;

	(void)snprintf(path, sizeof path, "/proc/%d/task", (int)parent); /* fits: an int */
	threads = opendir(path);
	if (threads == NULL)
		return; /* it has ended */
	while ((thread = readdir(threads)) != NULL) {
		int fd;

		if (thread->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof path, "%.20s/children", thread->d_name);
		fd = openat(dirfd(threads), path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue; /* the same */
		kin_read(kin, fd, parent);
		(void)close(fd); /* it was only read */
	}
	(void)closedir(threads); /* the same */
}

bool kin_exist(pid_t spared)
{
	struct kin kin = {.count = 0, .spared = spared};

	kin_add_children(&kin, getpid());
	return kin.count > 0;
}

/* ---- signals ---- */

static pid_t kin_parent(pid_t pid)
{
	char path[32], text[512];
	const char *name_end;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid); /* fits: an int */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof text - 1);
	(void)close(fd); /* it was only read */
	text[n > 0 ? n : 0] = '\0';
	name_end = strrchr(text, ')'); /* "PID (NAME) STATE PARENT ..." */
	return name_end != NULL && strlen(name_end) > 4 ? (pid_t)strtol(name_end + 4, NULL, 10)
							: -1;
}

/*
 * Its parent may have reaped it since it was found, and its number may be another's now: it is held
 * by a descriptor, then looked at once more.
 */
static void kin_send(pid_t pid, pid_t parent, int signal_number)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	pid_t parent_now;

	if (fd < 0 && errno != ENOSYS)
		return; /* it has ended */
	parent_now = kin_parent(pid);
	if (parent_now == parent || parent_now == getpid()) {
		if (fd >= 0)
			(void)syscall(SYS_pidfd_send_signal, fd, signal_number, NULL, 0);
		else
			(void)kill(pid, signal_number); /* before Linux 5.3 */
	}
	if (fd >= 0)
		(void)close(fd);
}

size_t kin_signal(pid_t root, int signal_number, pid_t spared, pid_t spared_group)
{
	struct kin kin = {.count = 0, .spared = spared};
	size_t i;

	assert(root > 0);
	kin_add_children(&kin, root);
	for (i = 0; i < kin.count; i++)
		kin_add_children(&kin, kin.found[i].pid);
	for (i = 0; i < kin.count; i++)
		if (spared_group == 0 || getpgid(kin.found[i].pid) != spared_group)
			kin_send(kin.found[i].pid, kin.found[i].parent, signal_number);
	return kin.count;
}

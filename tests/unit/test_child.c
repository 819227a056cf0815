/* Child processes: real ones, mostly shells; what they say on stdout tells what they met. */
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proxy/endpoint/child.h"
#include "proxy/endpoint/inherit.h"
#include "tests/unit/unit.h"

enum { ENDS_MAX = 32, LONG_MS = 60000 };

struct nursery {
	struct event_base *base;
	struct child_settings settings;
	struct children *children;
	struct {
		void *owner;
		int status;
	} ends[ENDS_MAX]; /* what the hook was told */
	size_t end_count;
	struct {
		void *owner;
		enum child_outcome outcome;
		int error;
	} starts[ENDS_MAX];
	size_t start_count;
	size_t idle_count;
	bool leaves; /* the hooks have the child's owner go away */
};

static bool nursery_wraps; /* the command stays in our group */

static void nursery_started(void *arg, void *owner, enum child_outcome outcome, int error)
{
	struct nursery *nursery = arg;

	ck_assert_uint_lt(nursery->start_count, ENDS_MAX);
	nursery->starts[nursery->start_count].owner = owner;
	nursery->starts[nursery->start_count].outcome = outcome;
	nursery->starts[nursery->start_count++].error = error;
	if (nursery->leaves)
		child_leave(nursery->children, owner);
}

static void nursery_ended(void *arg, void *owner, int status)
{
	struct nursery *nursery = arg;

	ck_assert_uint_lt(nursery->end_count, ENDS_MAX);
	nursery->ends[nursery->end_count].owner = owner;
	nursery->ends[nursery->end_count++].status = status;
	if (nursery->leaves)
		child_leave(nursery->children, owner);
}

static void nursery_idle(void *arg)
{
	struct nursery *nursery = arg;

	ck_assert_int_eq(children_count(nursery->children), 0);
	nursery->idle_count++;
}

static const struct child_hooks nursery_hooks = {
	.started = nursery_started,
	.ended = nursery_ended,
	.idle = nursery_idle,
};

static char *no_arguments[] = {NULL};

static void nursery_open(struct nursery *nursery, int64_t grace_ms)
{
	memset(nursery, 0, sizeof *nursery);
	nursery->settings = (struct child_settings){
		.grace_ms = grace_ms,
		.environment = environ,
		.arguments = no_arguments,
		.own_groups = !nursery_wraps,
	};
	ck_assert(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	nursery->base = event_base_new();
	ck_assert_ptr_nonnull(nursery->base);
	nursery->children =
		children_new(nursery->base, &nursery->settings, &nursery_hooks, nursery);
	ck_assert_ptr_nonnull(nursery->children);
}

/* Whether there is any child of ours, running or not. */
static bool have_children(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* Nothing is left behind: no child, no zombie. Orphans may take a moment to die. */
static void nursery_close(struct nursery *nursery)
{
	size_t ends = nursery->end_count, ms;

	for (ms = 0; ms < 5000 && children_count(nursery->children) == 0 && have_children(); ms++) {
		event_base_loop(nursery->base, EVLOOP_NONBLOCK);
		poll(NULL, 0, 1);
	}
	children_free(nursery->children);
	event_base_free(nursery->base);
	ck_assert_uint_eq(nursery->end_count, ends);
	ck_assert(!have_children());
	nursery_wraps = false;
}

/* A shell with that script; its owner is owner. */
static int shell(
	struct nursery *nursery, const char *script, void *owner, int *read_fd, int *write_fd)
{
	char sh[] = "sh", c[] = "-c", text[512];
	char *command[] = {sh, c, text, NULL};

	snprintf(text, sizeof text, "%s", script);
	return child_spawn(nursery->children, command, owner, read_fd, write_fd);
}

static void shell_start(
	struct nursery *nursery, const char *script, void *owner, int *read_fd, int *write_fd)
{
	ck_assert_int_eq(shell(nursery, script, owner, read_fd, write_fd), 0);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_for_ends(struct nursery *nursery, size_t count)
{
	while (nursery->end_count < count)
		ck_assert_int_ge(event_base_loop(nursery->base, EVLOOP_ONCE), 0);
	ck_assert_uint_eq(nursery->end_count, count);
}

/* Reads up to a newline, or to the end; the loop runs meanwhile. */
static void read_text(struct nursery *nursery, int fd, char *text, size_t text_size, bool one_line)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	size_t used = 0;
	ssize_t n;

	for (;;) {
		event_base_loop(nursery->base, EVLOOP_NONBLOCK);
		if (poll(&ready, 1, 5) < 1)
			continue;
		n = read(fd, text + used, one_line ? 1 : text_size - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
		if (one_line && text[used - 1] == '\n')
			break;
	}
	text[used] = '\0';
}

static int count_descriptors(void)
{
	DIR *list = opendir("/proc/self/fd");
	int count = 0;

	ck_assert_ptr_nonnull(list);
	while (readdir(list) != NULL)
		count++;
	closedir(list);
	return count;
}

/* --- starting --- */

START_TEST(test_conversation)
{
	struct nursery nursery;
	int read_fd, write_fd, before = count_descriptors(), owner;
	char text[64];

	nursery_open(&nursery, LONG_MS);
	shell_start(&nursery, "exec cat", &owner, &read_fd, &write_fd);
	ck_assert_int_eq(children_count(nursery.children), 1);
	ck_assert_int_ne(fcntl(read_fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(write_fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(read_fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_ne(fcntl(write_fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(write(write_fd, "hello\n", 6), 6);
	read_text(&nursery, read_fd, text, sizeof text, true);
	ck_assert_str_eq(text, "hello\n");
	close(write_fd);
	read_text(&nursery, read_fd, text, sizeof text, false);
	ck_assert_str_eq(text, "");
	wait_for_ends(&nursery, 1);
	ck_assert_ptr_eq(nursery.ends[0].owner, &owner);
	ck_assert_int_eq(nursery.ends[0].status, 0);
	ck_assert_int_eq(children_count(nursery.children), 0);
	close(read_fd);
	nursery_close(&nursery);
	ck_assert_int_eq(count_descriptors(), before);
}
END_TEST

/* Files that cannot be run, in a folder of their own. */
static void folder_make(char *folder)
{
	static const struct {
		const char *name, *text;
		mode_t mode;
	} files[] = {
		{"plain", "no program\n", 0600},
		{"orphan", "#!/nowhere/interpreter\n", 0700},
		{"script", "#!/bin/sh\nexit 9\n", 0700},
	};
	char path[64];
	size_t i;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	for (i = 0; i < sizeof files / sizeof files[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, files[i].mode);
		ck_assert_int_eq(write(fd, files[i].text, strlen(files[i].text)),
			(ssize_t)strlen(files[i].text));
		close(fd);
	}
}

static void folder_remove(const char *folder)
{
	static const char *const names[] = {"plain", "orphan", "script"};
	char path[64];
	size_t i;

	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

static const struct {
	bool in_folder;
	const char *command;
	enum child_outcome outcome;
	int error;
} spawn_rows[] = {
	{true, "/script", CHILD_STARTED, 0},
	{false, "/nowhere/command", CHILD_NOT_FOUND, ENOENT},
	{false, "no-such-command-anywhere", CHILD_NOT_FOUND, ENOENT},
	{false, "", CHILD_NOT_FOUND, ENOENT},
	{false, "/dev/null/command", CHILD_NOT_FOUND, ENOTDIR},
	{true, "/orphan", CHILD_NOT_FOUND, ENOENT},
	{true, "/plain", CHILD_NOT_EXECUTABLE, EACCES},
	{true, "", CHILD_NOT_EXECUTABLE, EACCES},
	{false, "/dev/null", CHILD_NOT_EXECUTABLE, EACCES},
};

static void wait_for_starts(struct nursery *nursery, size_t count)
{
	while (nursery->start_count < count)
		ck_assert_int_ge(event_base_loop(nursery->base, EVLOOP_ONCE), 0);
	ck_assert_uint_eq(nursery->start_count, count);
}

static void wait_for_idle(struct nursery *nursery)
{
	while (nursery->idle_count == 0)
		ck_assert_int_ge(event_base_loop(nursery->base, EVLOOP_ONCE), 0);
}

/* It is told once how the exec went; of one that failed, no end. Nothing is left. */
START_TEST(test_spawn)
{
	char folder[] = "/tmp/sidespan_test_XXXXXX", path[64];
	char *command[] = {path, NULL};
	int read_fd, write_fd, before;
	struct nursery nursery;

	folder_make(folder);
	nursery_open(&nursery, LONG_MS);
	before = count_descriptors();
	snprintf(path, sizeof path, "%s%s", spawn_rows[_i].in_folder ? folder : "",
		spawn_rows[_i].command);
	ck_assert_int_eq(child_spawn(nursery.children, command, &nursery, &read_fd, &write_fd), 0);
	ck_assert_uint_eq(nursery.start_count, 0); /* not from inside of the call */
	wait_for_starts(&nursery, 1);
	ck_assert_ptr_eq(nursery.starts[0].owner, &nursery);
	ck_assert_int_eq(nursery.starts[0].outcome, spawn_rows[_i].outcome);
	ck_assert_int_eq(nursery.starts[0].error, spawn_rows[_i].error);
	wait_for_idle(&nursery);
	ck_assert_uint_eq(nursery.start_count, 1);
	if (spawn_rows[_i].outcome == CHILD_STARTED) {
		ck_assert_uint_eq(nursery.end_count, 1);
		ck_assert_int_eq(WEXITSTATUS(nursery.ends[0].status), 9);
	} else {
		ck_assert_uint_eq(nursery.end_count, 0);
	}
	close(read_fd);
	close(write_fd);
	ck_assert_int_eq(count_descriptors(), before);
	folder_remove(folder);
	nursery_close(&nursery);
}
END_TEST

static int slow_fd = -1; /* an exec reads from it first */

/* In place of that of the C library: a file system that is slow. */
int execvpe(const char *file, char *const *argv, char *const *envp)
{
	char byte;

	if (slow_fd >= 0 && read(slow_fd, &byte, 1) != 1)
		_exit(99);
	if (strcmp(file, "sh") == 0)
		file = "/bin/sh";
	else if (strchr(file, '/') == NULL)
		file = "/nowhere";
	return execve(file, argv, envp);
}

/*
 * An exec that hangs hangs nobody else: the loop turns, the other commands start, live and get
 * their ends of file, which the new process does not hold up. What became of its own is told late,
 * or, if it has been killed meanwhile, as an end.
 */
START_TEST(test_slow_exec)
{
	int slow[2], read_fd[2], write_fd[2], owners[2];
	struct nursery nursery;
	char text[64];

	nursery_open(&nursery, _i == 1 ? 0 : LONG_MS);
	shell_start(&nursery, "cat; echo end", &owners[0], &read_fd[0], &write_fd[0]);
	wait_for_starts(&nursery, 1);
	ck_assert_int_eq(pipe(slow), 0);
	ck_assert_int_eq(dup2(slow[0], 100), 100);
	ck_assert_int_eq(inherit_note(), 0); /* so that 100 stays open in it */
	close(100);
	slow_fd = dup2(slow[0], 100);
	shell_start(&nursery, "echo late; exit 4", &owners[1], &read_fd[1], &write_fd[1]);
	close(write_fd[0]);
	read_text(&nursery, read_fd[0], text, sizeof text, false);
	ck_assert_str_eq(text, "end\n");
	wait_for_ends(&nursery, 1);
	ck_assert_ptr_eq(nursery.ends[0].owner, &owners[0]);
	ck_assert_uint_eq(nursery.start_count, 1);
	ck_assert_uint_eq(nursery.idle_count, 0);
	if (_i == 1)
		child_leave(nursery.children, &owners[1]);
	else
		ck_assert_int_eq(write(slow[1], "x", 1), 1);
	read_text(&nursery, read_fd[1], text, sizeof text, false);
	ck_assert_str_eq(text, _i == 1 ? "" : "late\n");
	wait_for_ends(&nursery, 2);
	ck_assert_uint_eq(nursery.start_count, 2);
	ck_assert_int_eq(nursery.starts[1].outcome, CHILD_STARTED);
	ck_assert_ptr_eq(nursery.ends[1].owner, _i == 1 ? NULL : &owners[1]);
	ck_assert_uint_eq(nursery.idle_count, 1);
	slow_fd = -1;
	close(100);
	close(slow[0]);
	close(slow[1]);
	close(read_fd[0]);
	close(read_fd[1]);
	close(write_fd[1]);
	nursery_close(&nursery);
	ck_assert_int_eq(inherit_note(), 0); /* as it was */
}
END_TEST

/* With any number of descriptors too few, or no memory. */
START_TEST(test_no_resources)
{
	struct rlimit limit, lower;
	int read_fd = -7, write_fd = -7, before, next, failed, error;
	struct nursery nursery;

	nursery_open(&nursery, LONG_MS);
	before = count_descriptors();
	next = dup(STDIN_FILENO); /* all below are taken, or so many are free */
	close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	lower = limit;
	if (_i < 6)
		lower.rlim_cur = (rlim_t)next + (rlim_t)_i;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lower), 0);
	if (_i >= 6)
		unit_alloc_fail_after(_i - 6);
	failed = shell(&nursery, "exit 0", &nursery, &read_fd, &write_fd);
	error = errno;
	unit_alloc_fail_never();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(failed, -1);
	ck_assert_int_eq(error, _i < 6 ? EMFILE : ENOMEM);
	ck_assert_int_eq(read_fd, -7);
	ck_assert_int_eq(write_fd, -7);
	ck_assert_int_eq(count_descriptors(), before);
	ck_assert_int_eq(children_count(nursery.children), 0);
	event_base_loop(nursery.base, EVLOOP_NONBLOCK);
	ck_assert_uint_eq(nursery.start_count + nursery.end_count + nursery.idle_count, 0);
	nursery_close(&nursery);
}
END_TEST

START_TEST(test_no_memory_new)
{
	struct child_settings settings = {.grace_ms = LONG_MS, .environment = environ};
	struct event_base *base = event_base_new();
	struct children *children;
	bool failed = true;
	long count;

	for (count = 0; failed; count++) {
		unit_alloc_fail_after(count);
		children = children_new(base, &settings, &nursery_hooks, NULL);
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		ck_assert(failed == (children == NULL));
		children_free(children);
	}
	ck_assert_int_gt(count, 3);
	event_base_free(base);
}
END_TEST

/* --- what a command finds --- */

static const struct {
	const char *script;
	const char *says;
	bool wraps;
} found_rows[] = {
	/* its ends of the pipes block, whatever ours do */
	{"while read name flags; do [ $name = flags: ] && echo $((flags & 04000)); done "
	 "</proc/self/fdinfo/0",
		"0\n", false},
	{"while read name flags; do [ $name = flags: ] && echo $((flags & 04000)); done "
	 "</proc/self/fdinfo/1",
		"0\n", false},
	/* SIGTERM, SIGUSR1, SIGCHLD and SIGPIPE are as they were for us: see test_found() */
	{"while read name mask; do [ $name = SigIgn: ] && echo $((0x$mask & 0x15200)); done "
	 "</proc/self/status",
		"16384\n", false}, /* SIGTERM */
	{"while read name mask; do [ $name = SigBlk: ] && echo $((0x$mask & 0x15200)); done "
	 "</proc/self/status",
		"66048\n", false}, /* SIGUSR1, SIGCHLD */
	/* a process group of its own, or ours */
	{"read pid name state parent group rest </proc/self/stat; [ $group = $$ ] && echo own",
		"own\n", false},
	{"read pid name state parent group rest </proc/self/stat; "
	 "read pid name state parent ours rest </proc/$PPID/stat; [ $group = $ours ] && echo ours",
		"ours\n", true},
};

static void nothing(int signal_number)
{
	(void)signal_number;
}

/* Started with SIGTERM ignored, SIGUSR1 and SIGCHLD blocked; we hear of the end all the same. */
START_TEST(test_found)
{
	struct nursery nursery;
	int read_fd, write_fd;
	char text[256];
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGCHLD);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, &mask, NULL), 0);
	ck_assert(signal(SIGTERM, SIG_IGN) != SIG_ERR);
	ck_assert(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	ck_assert_int_eq(inherit_note(), 0);
	ck_assert(signal(SIGTERM, nothing) != SIG_ERR);
	nursery_wraps = found_rows[_i].wraps;
	nursery_open(&nursery, LONG_MS); /* ignores SIGPIPE */
	shell_start(&nursery, found_rows[_i].script, &nursery, &read_fd, &write_fd);
	read_text(&nursery, read_fd, text, sizeof text, false);
	ck_assert_str_eq(text, found_rows[_i].says);
	wait_for_ends(&nursery, 1);
	close(read_fd);
	close(write_fd);
	nursery_close(&nursery);
	ck_assert(signal(SIGTERM, SIG_DFL) != SIG_ERR);
	ck_assert_int_eq(sigprocmask(SIG_UNBLOCK, &mask, NULL), 0);
	ck_assert_int_eq(inherit_note(), 0);
}
END_TEST

/* Our stderr is the command's. */
START_TEST(test_stderr)
{
	struct nursery nursery;
	int read_fd, write_fd, pair[2], before = dup(STDERR_FILENO);
	char text[64];

	nursery_open(&nursery, LONG_MS);
	ck_assert_int_eq(pipe(pair), 0);
	ck_assert_int_eq(dup2(pair[1], STDERR_FILENO), STDERR_FILENO);
	shell_start(&nursery, "echo complaint >&2", &nursery, &read_fd, &write_fd);
	read_text(&nursery, pair[0], text, sizeof text, true);
	ck_assert_str_eq(text, "complaint\n");
	wait_for_ends(&nursery, 1);
	close(read_fd);
	close(write_fd);
	nursery_close(&nursery);
	ck_assert_int_eq(dup2(before, STDERR_FILENO), STDERR_FILENO);
	close(before);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

/*
 * A command has the descriptors that we were started with, and none of those opened since, even if
 * they are not marked close-on-exec.
 */
START_TEST(test_inherited)
{
	enum { BEFORE = 50, GONE = 51, MARKED = 52, SINCE = 53, OURS = 54, LAST = 55 };
	static const char script[] =
		"for f in 50 51 52 53 54 55; do [ -e /proc/$$/fd/$f ] && echo $f; "
		"done; exit 0";
	struct nursery nursery;
	int read_fd, write_fd;
	char text[64];

	ck_assert_int_eq(dup2(STDIN_FILENO, BEFORE), BEFORE);
	ck_assert_int_eq(dup2(STDIN_FILENO, GONE), GONE);
	ck_assert_int_eq(dup2(STDIN_FILENO, OURS), OURS);
	ck_assert_int_eq(dup2(STDIN_FILENO, LAST), LAST);
	ck_assert_int_eq(dup3(STDIN_FILENO, MARKED, O_CLOEXEC), MARKED);
	if (_i == 1)
		ck_assert_int_eq(inherit_note(), 0);
	inherit_forget(OURS);
	inherit_forget(OURS); /* which says nothing of any other */
	inherit_forget(SINCE);
	close(GONE);
	ck_assert_int_eq(dup2(STDIN_FILENO, SINCE), SINCE);
	nursery_open(&nursery, LONG_MS);
	shell_start(&nursery, script, &nursery, &read_fd, &write_fd);
	read_text(&nursery, read_fd, text, sizeof text, false);
	ck_assert_str_eq(text, _i == 1 ? "50\n55\n" : "");
	wait_for_ends(&nursery, 1);
	close(read_fd);
	close(write_fd);
	close(BEFORE);
	close(MARKED);
	close(SINCE);
	close(OURS);
	close(LAST);
	nursery_close(&nursery);
	ck_assert_int_eq(inherit_note(), 0); /* as it was */
}
END_TEST

/* --- ending --- */

static const struct {
	const char *script;
	int code; /* exit code, or minus the signal */
} status_rows[] = {
	{"exit 0", 0},
	{"exit 1", 1},
	{"exit 255", 255},
	{"kill -TERM $$", -SIGTERM},
	{"kill -KILL $$", -SIGKILL},
};

static void status_is(int status, int code)
{
	if (code >= 0) {
		ck_assert(WIFEXITED(status));
		ck_assert_int_eq(WEXITSTATUS(status), code);
	} else {
		ck_assert(WIFSIGNALED(status));
		ck_assert_int_eq(WTERMSIG(status), -code);
	}
}

START_TEST(test_status)
{
	struct nursery nursery;
	int read_fd, write_fd;

	nursery_open(&nursery, LONG_MS);
	nursery.leaves = true; /* allowed: it has left the list already */
	shell_start(&nursery, status_rows[_i].script, &nursery, &read_fd, &write_fd);
	wait_for_ends(&nursery, 1);
	status_is(nursery.ends[0].status, status_rows[_i].code);
	close(read_fd);
	close(write_fd);
	nursery_close(&nursery);
}
END_TEST

/* One signal may stand for many ends: each is told once, with its own status. */
START_TEST(test_many)
{
	enum { COUNT = 20 };
	struct nursery nursery;
	int read_fd[COUNT], write_fd[COUNT], codes[COUNT], i;
	bool seen[COUNT] = {false};
	char script[64];

	nursery_open(&nursery, LONG_MS);
	for (i = 0; i < COUNT; i++) {
		codes[i] = 100 + i;
		snprintf(script, sizeof script, "read x; exit %d", codes[i]);
		shell_start(&nursery, script, &codes[i], &read_fd[i], &write_fd[i]);
	}
	ck_assert_int_eq(children_count(nursery.children), COUNT);
	for (i = 0; i < COUNT; i++)
		close(write_fd[i]);
	wait_for_ends(&nursery, COUNT);
	for (i = 0; i < COUNT; i++) {
		int *code = nursery.ends[i].owner;

		status_is(nursery.ends[i].status, *code);
		ck_assert(!seen[*code - 100]);
		seen[*code - 100] = true;
		close(read_fd[i]);
	}
	nursery_close(&nursery);
}
END_TEST

#define FOREVER "exec 2>/dev/null; while :; do sleep 0.02; done"

/* End of file, then TERM after the grace time, then KILL after another. */
static const struct leave_row {
	const char *script; /* says "ready" first */
	int64_t grace_ms;
	int code;
	int64_t least_ms;
	const char *says;
} leave_rows[] = {
	{"echo ready; cat; echo bye", LONG_MS, 0, 0, "bye\n"},
	{"echo ready; cat; exit 4", LONG_MS, 4, 0, ""},
	{"trap 'echo term; exit 5' TERM; echo ready; " FOREVER, 1000, 5, 1000, "term\n"},
	{"echo ready; " FOREVER, 150, -SIGTERM, 150, ""},
	{"trap 'echo term' TERM; echo ready; " FOREVER, 500, -SIGKILL, 1000, "term\n"},
	{"trap '' TERM; echo ready; exec sleep 1000", 100, -SIGKILL, 200, ""},
	{"trap '' TERM; echo ready; exec sleep 1000", 0, -SIGKILL, 0, ""},
	{"echo ready; kill -STOP $$; " FOREVER, 100, -SIGKILL, 200, ""},
};

START_TEST(test_leave)
{
	const struct leave_row *row = &leave_rows[_i / 2];
	struct nursery nursery;
	int read_fd, write_fd;
	int64_t start_ms;
	char text[256];

	nursery_wraps = _i % 2 == 1;
	nursery_open(&nursery, row->grace_ms);
	shell_start(&nursery, row->script, &nursery, &read_fd, &write_fd);
	read_text(&nursery, read_fd, text, sizeof text, true);
	ck_assert_str_eq(text, "ready\n");
	start_ms = now_ms();
	close(write_fd);
	child_leave(nursery.children, &nursery);
	child_leave(nursery.children, &nursery); /* it is nobody's by now */
	ck_assert_int_eq(children_count(nursery.children), 1);
	read_text(&nursery, read_fd, text, sizeof text, false);
	ck_assert_str_eq(text, row->says);
	wait_for_ends(&nursery, 1);
	ck_assert_ptr_null(nursery.ends[0].owner);
	status_is(nursery.ends[0].status, row->code);
	ck_assert_int_ge(now_ms() - start_ms, row->least_ms - 20);
	close(read_fd);
	nursery_close(&nursery);
}
END_TEST

/* The owner stays, and is told: the grace time begins, or is over at once. */
START_TEST(test_end)
{
	struct nursery nursery;
	int read_fd, write_fd, nobody;
	int64_t start_ms;
	char text[256];

	nursery_open(&nursery, _i == 0 ? 100 : LONG_MS);
	shell_start(&nursery, "echo ready; exec sleep 1000", &nursery, &read_fd, &write_fd);
	read_text(&nursery, read_fd, text, sizeof text, true);
	start_ms = now_ms();
	child_end(nursery.children, &nobody);
	child_terminate(nursery.children, &nobody);
	event_base_loop(nursery.base, EVLOOP_NONBLOCK);
	ck_assert_uint_eq(nursery.end_count, 0);
	child_end(nursery.children, &nursery);
	child_end(nursery.children, &nursery); /* it does not begin anew */
	ck_assert_int_eq(children_left(nursery.children), 0);
	if (_i == 1)
		child_terminate(nursery.children, &nursery);
	wait_for_ends(&nursery, 1);
	ck_assert_ptr_eq(nursery.ends[0].owner, &nursery);
	status_is(nursery.ends[0].status, -SIGTERM);
	if (_i == 0)
		ck_assert_int_ge(now_ms() - start_ms, 100 - 20);
	child_end(nursery.children, &nursery); /* there is none any more */
	child_terminate(nursery.children, &nursery);
	close(read_fd);
	close(write_fd);
	nursery_close(&nursery);
}
END_TEST

/* Both grace times are as long as they are to be; what does not heed either is killed at once. */
START_TEST(test_grace)
{
	enum { GRACE_MS = 3600500 };
	int64_t then_ms = unit_now_ms();
	struct nursery nursery;
	int read_fd, write_fd;
	char text[64];

	nursery_open(&nursery, GRACE_MS);
	shell_start(&nursery, leave_rows[5].script, &nursery, &read_fd, &write_fd);
	read_text(&nursery, read_fd, text, sizeof text, true);
	ck_assert_int_eq(unit_last_due_ms(nursery.base), -1);
	child_end(nursery.children, &nursery);
	unit_is_due(unit_last_due_ms(nursery.base), then_ms, GRACE_MS);
	then_ms = unit_now_ms();
	child_terminate(nursery.children, &nursery);
	unit_is_due(unit_last_due_ms(nursery.base), then_ms, GRACE_MS);
	children_kill(nursery.children);
	wait_for_ends(&nursery, 1);
	status_is(nursery.ends[0].status, -SIGKILL);
	close(read_fd);
	close(write_fd);
	nursery_close(&nursery);
}
END_TEST

#define SESSION "setsid sh -c 'echo $$; exec sleep 1000'"

/* What a command leaves behind when it ends, which holds stdout open. */
static const struct {
	bool wraps;
	const char *script; /* says its pid */
	enum { BY_ITSELF, LEFT, STOPPED } why;
	int64_t grace_ms;
	bool lives_on;
	const char *says;
} group_rows[] = {
	{false, "sleep 1000 & echo $!; read x", BY_ITSELF, LONG_MS, true, ""},
	{true, "sleep 1000 & echo $!; read x", BY_ITSELF, LONG_MS, true, ""},
	{false, "sleep 1000 & echo $!; read x", LEFT, LONG_MS, false, ""},
	{true, "sleep 1000 & echo $!; read x", LEFT, LONG_MS, false, ""},
	{false, "sleep 1000 & echo $!; read x", STOPPED, LONG_MS, false, ""},
	{true, "sleep 1000 & echo $!; read x", STOPPED, LONG_MS, false, ""},
	{true, "(trap '' TERM; exec sleep 1000) & echo $!; read x", LEFT, 100, false, ""},
	{false, "(trap '' TERM; exec sleep 1000) & echo $!; read x", STOPPED, 100, false, ""},
	{true, "(trap '' TERM; exec sleep 1000) & echo $!; read x", STOPPED, 0, false, ""},
	/* TERM once, for the command and for what is left of it */
	{true, "(trap 'echo term' TERM; exec 2>&-; echo 0; while :; do sleep 0.02; done) & sleep 9",
		LEFT, 300, false, "term\n"},
	{false,
		"(trap 'echo term' TERM; exec 2>&-; echo 0; while :; do sleep 0.02; done) & sleep "
		"9",
		LEFT, 300, false, "term\n"},
	/* in a session of its own */
	{true, SESSION " & read x", LEFT, LONG_MS, false, ""},
	{false, SESSION " & read x", STOPPED, LONG_MS, false, ""},
	{false, SESSION " & sleep 1000", LEFT, 0, false, ""},
	/* a daemon */
	{true, "(" SESSION " &); read x", LEFT, LONG_MS, false, ""},
	{false, "(" SESSION " &); read x", STOPPED, LONG_MS, false, ""},
	{false, "(" SESSION " &); read x", LEFT, LONG_MS, true, ""},
};

START_TEST(test_group)
{
	struct nursery nursery;
	int read_fd, write_fd;
	char text[64];
	pid_t left;

	nursery_wraps = group_rows[_i].wraps;
	nursery_open(&nursery, group_rows[_i].grace_ms);
	shell_start(&nursery, group_rows[_i].script, &nursery, &read_fd, &write_fd);
	read_text(&nursery, read_fd, text, sizeof text, true);
	left = (pid_t)strtol(text, NULL, 10);
	if (group_rows[_i].why == LEFT)
		child_leave(nursery.children, &nursery);
	else if (group_rows[_i].why == STOPPED)
		ck_assert(children_signal(nursery.children, SIGTERM));
	close(write_fd);
	wait_for_ends(&nursery, 1);
	if (group_rows[_i].lives_on) {
		wait_for_idle(&nursery); /* it is waited for no longer */
		ck_assert_int_eq(read(read_fd, text, sizeof text), -1);
		ck_assert_int_eq(errno, EAGAIN);
		ck_assert_int_eq(kill(left, SIGKILL), 0);
	}
	read_text(&nursery, read_fd, text, sizeof text, false);
	ck_assert_str_eq(text, group_rows[_i].says);
	wait_for_idle(&nursery);
	ck_assert_uint_eq(nursery.end_count, 1);
	close(read_fd);
	nursery_close(&nursery);
}
END_TEST

/*
 * A signal that we got goes to each command, not to what it has started; what is left of that when
 * the command has ended gets TERM.
 */
START_TEST(test_signal)
{
	static const char script[] = "(trap 'echo wrong' HUP; sleep 0.3) & "
				     "trap 'echo got; exit 3' HUP; echo ready; " FOREVER;
	struct nursery nursery;
	int read_fd[2], write_fd[2], i;
	char text[64];

	nursery_open(&nursery, LONG_MS);
	for (i = 0; i < 2; i++) {
		shell_start(&nursery, script, &read_fd[i], &read_fd[i], &write_fd[i]);
		read_text(&nursery, read_fd[i], text, sizeof text, true);
		ck_assert_str_eq(text, "ready\n");
	}
	children_signal(nursery.children, SIGHUP);
	for (i = 0; i < 2; i++) {
		read_text(&nursery, read_fd[i], text, sizeof text, false);
		ck_assert_str_eq(text, "got\n");
		close(read_fd[i]);
		close(write_fd[i]);
	}
	wait_for_ends(&nursery, 2);
	status_is(nursery.ends[0].status, 3);
	status_is(nursery.ends[1].status, 3);
	nursery_close(&nursery);
}
END_TEST

/* The one command in our group: its signal is not for us to pass on if the group got it. */
START_TEST(test_signal_of_the_group)
{
	static const char script[] =
		"trap 'echo got' USR1; trap 'echo last' USR2; echo ready; " FOREVER;
	struct nursery nursery;
	int read_fd, write_fd;
	char text[64];

	ck_assert_int_eq(setpgid(0, 0), 0);
	nursery_wraps = true;
	ck_assert(signal(SIGUSR1, nothing) != SIG_ERR);
	nursery_open(&nursery, LONG_MS);
	shell_start(&nursery, script, &nursery, &read_fd, &write_fd);
	read_text(&nursery, read_fd, text, sizeof text, true);
	if (_i == 1)
		ck_assert_int_eq(kill(0, SIGUSR1), 0);
	ck_assert(children_signal(nursery.children, SIGUSR1));
	read_text(&nursery, read_fd, text, sizeof text, true);
	ck_assert_str_eq(text, "got\n");
	ck_assert(children_signal(nursery.children, SIGUSR2)); /* in order: nothing came between */
	read_text(&nursery, read_fd, text, sizeof text, true);
	ck_assert_str_eq(text, "last\n");
	close(read_fd);
	close(write_fd);
	nursery_close(&nursery);
	ck_assert(signal(SIGUSR1, SIG_DFL) != SIG_ERR);
}
END_TEST

START_TEST(test_signal_for_nobody)
{
	struct nursery nursery;

	nursery_wraps = _i == 1;
	nursery_open(&nursery, LONG_MS);
	ck_assert(!children_signal(nursery.children, SIGTERM));
	ck_assert_int_eq(children_count(nursery.children), 0);
	nursery_close(&nursery);
}
END_TEST

/* No grace any more, for those that run and those that are being waited for. */
START_TEST(test_kill)
{
	struct nursery nursery;
	int read_fd[2], write_fd[2], i;
	char text[64];

	nursery_open(&nursery, LONG_MS);
	for (i = 0; i < 2; i++) {
		shell_start(&nursery, "trap '' TERM HUP; echo ready; " FOREVER, &read_fd[i],
			&read_fd[i], &write_fd[i]);
		read_text(&nursery, read_fd[i], text, sizeof text, true);
	}
	child_leave(nursery.children, &read_fd[1]);
	children_kill(nursery.children);
	wait_for_ends(&nursery, 2);
	for (i = 0; i < 2; i++) {
		status_is(nursery.ends[i].status, -SIGKILL);
		close(read_fd[i]);
		close(write_fd[i]);
	}
	nursery_close(&nursery);
}
END_TEST

/* Freeing kills and reaps; nobody is told. The whole group ends. */
START_TEST(test_free)
{
	struct nursery nursery;
	int read_fd, write_fd;
	char text[64];

	nursery_wraps = _i >= 2;
	nursery_open(&nursery, LONG_MS);
	shell_start(&nursery, "trap '' TERM; sleep 1000 & echo ready; wait", &nursery, &read_fd,
		&write_fd);
	read_text(&nursery, read_fd, text, sizeof text, true);
	if (_i % 2 == 1)
		child_leave(nursery.children, &nursery);
	children_free(nursery.children);
	ck_assert_uint_eq(nursery.end_count, 0);
	nursery.children = children_new(nursery.base, &nursery.settings, &nursery_hooks, &nursery);
	read_text(&nursery, read_fd, text, sizeof text, false); /* nobody holds it open */
	ck_assert_str_eq(text, "");
	close(read_fd);
	close(write_fd);
	nursery_close(&nursery);
}
END_TEST

/* Should we die without a word, the command is killed. */
START_TEST(test_our_death)
{
	int held[2], read_fd, write_fd;
	struct nursery nursery;
	char byte;
	pid_t we;

	ck_assert_int_eq(pipe2(held, 0), 0);
	ck_assert_int_eq(inherit_note(), 0);
	we = fork();
	ck_assert_int_ge(we, 0);
	if (we == 0) {
		close(held[0]);
		nursery_open(&nursery, LONG_MS);
		if (shell(&nursery, "exec sleep 1000", &nursery, &read_fd, &write_fd) != 0)
			_exit(1);
		wait_for_starts(&nursery, 1);
		(void)raise(SIGKILL);
	}
	close(held[1]);
	ck_assert_int_eq(read(held[0], &byte, 1), 0); /* closed once the command is gone, too */
	ck_assert_int_eq(waitpid(we, &read_fd, 0), we);
	status_is(read_fd, -SIGKILL);
	close(held[0]);
	ck_assert_int_eq(inherit_note(), 0); /* as it was */
}
END_TEST

#define COUNT(rows) ((int)(sizeof(rows) / sizeof(rows)[0]))

int main(void)
{
	TCase *tc = tcase_create("child");

	tcase_add_test(tc, test_conversation);
	tcase_add_loop_test(tc, test_spawn, 0, COUNT(spawn_rows));
	tcase_add_loop_test(tc, test_slow_exec, 0, 2);
	tcase_add_loop_test(tc, test_no_resources, 0, 8);
	tcase_add_test(tc, test_no_memory_new);
	tcase_add_loop_test(tc, test_found, 0, COUNT(found_rows));
	tcase_add_test(tc, test_stderr);
	tcase_add_loop_test(tc, test_inherited, 0, 2);
	tcase_add_loop_test(tc, test_status, 0, COUNT(status_rows));
	tcase_add_test(tc, test_many);
	tcase_add_loop_test(tc, test_end, 0, 2);
	tcase_add_loop_test(tc, test_leave, 0, 2 * COUNT(leave_rows));
	tcase_add_test(tc, test_grace);
	tcase_add_loop_test(tc, test_group, 0, COUNT(group_rows));
	tcase_add_test(tc, test_signal);
	tcase_add_loop_test(tc, test_signal_of_the_group, 0, 2);
	tcase_add_loop_test(tc, test_signal_for_nobody, 0, 2);
	tcase_add_test(tc, test_kill);
	tcase_add_loop_test(tc, test_free, 0, 4);
	tcase_add_test(tc, test_our_death);
	return unit_run("child", tc);
}

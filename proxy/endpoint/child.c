/*
 * Starting, signalling and reaping child processes; see child.h. A child walks through the states
 * below in order and leaves the list when it is reaped, whoever still wants it.
 */
#include "proxy/endpoint/child.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/endpoint/inherit.h"

enum child_state {
	CHILD_RUNNING,
	CHILD_ENDING, /* it has been given its end of file and the grace time runs */
	CHILD_TERMED, /* SIGTERM was sent, the second grace time runs */
	CHILD_KILLED, /* SIGKILL was sent; it can only be reaped */
};

struct child {
	pid_t pid;
	enum child_state state;
	void *owner;          /* borrowed; NULL when nobody wants the status */
	struct event *report; /* owned, with its descriptor: how the exec goes; NULL once known */
	bool failed;          /* the exec: only to be reaped */
	struct event *timer;  /* owned; NULL until it ends */
	struct children *children;
	LIST_ENTRY(child) link;
};

struct children {
	struct event_base *base;
	struct event *on_sigchld;
	int64_t grace_ms;
	char **environment;              /* owned, but not its strings */
	const struct child_hooks *hooks; /* borrowed */
	void *arg;
	LIST_HEAD(, child) list;
};

static void child_report_done(struct child *child)
{
	int fd;

	if (child->report == NULL)
		return;
	fd = event_get_fd(child->report);
	event_free(child->report);
	(void)close(fd); /* nothing could be done about an error */
	child->report = NULL;
}

static void child_free(struct child *child)
{
	LIST_REMOVE(child, link);
	child_report_done(child);
	if (child->timer != NULL)
		event_free(child->timer);
	free(child);
}

/* ---- ending ---- */

static void child_signal_group(struct child *child, int signal_number)
{
	if (kill(-child->pid, signal_number) != 0)
		(void)kill(child->pid, signal_number); /* gone: SIGCHLD is on its way */
}

static void child_arm(struct child *child)
{
	int64_t ms = child->children->grace_ms;
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (child->timer == NULL || event_add(child->timer, &wait) != 0) {
		child_signal_group(child, SIGKILL); /* no timer to be had: no grace either */
		child->state = CHILD_KILLED;
	}
}

static void child_on_timer(int fd, short what, void *arg)
{
	struct child *child = arg;

	(void)fd;
	(void)what;
	switch (child->state) {
	case CHILD_ENDING:
		child->state = CHILD_TERMED;
		child_signal_group(child, SIGTERM);
		child_arm(child);
		break;
	case CHILD_TERMED:
		child->state = CHILD_KILLED;
		child_signal_group(child, SIGKILL);
		break;
	case CHILD_RUNNING:
	case CHILD_KILLED:
		break;
	}
}

static struct child *child_find(struct children *children, const void *owner)
{
	struct child *child;

	LIST_FOREACH(child, &children->list, link)
	if (child->owner == owner)
		return child;
	return NULL;
}

static void child_begin_end(struct child *child)
{
	if (child->state != CHILD_RUNNING)
		return;
	child->state = CHILD_ENDING;
	child->timer = evtimer_new(child->children->base, child_on_timer, child);
	child_arm(child);
}

void child_end(struct children *children, void *owner)
{
	struct child *child = child_find(children, owner);

	if (child != NULL)
		child_begin_end(child);
}

void child_leave(struct children *children, void *owner)
{
	struct child *child = child_find(children, owner);

	if (child == NULL)
		return;
	child->owner = NULL;
	child_begin_end(child);
}

/* Whether we are in the foreground of a terminal, whose keys mean everybody there. */
static bool child_in_foreground(void)
{
	int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	bool foreground;

	if (fd < 0)
		return false;
	foreground = tcgetpgrp(fd) == getpgrp();
	(void)close(fd); /* it was only asked */
	return foreground;
}

void children_signal(struct children *children, int signal_number)
{
	bool to_group = signal_number != SIGTERM && child_in_foreground();
	struct child *child;

	LIST_FOREACH(child, &children->list, link)
	(void)kill(to_group ? -child->pid : child->pid,
		signal_number); /* gone: SIGCHLD is on its way */
}

void children_kill(struct children *children)
{
	struct child *child;

	LIST_FOREACH(child, &children->list, link)
	{
		child->state = CHILD_KILLED;
		child_signal_group(child, SIGKILL);
	}
}

int children_count(const struct children *children)
{
	const struct child *child;
	int count = 0;

	LIST_FOREACH(child, &children->list, link)
	count++;
	return count;
}

int children_left(const struct children *children)
{
	const struct child *child;
	int count = 0;

	LIST_FOREACH(child, &children->list, link)
	count += child->owner == NULL;
	return count;
}

/* ---- the exec ---- */

static enum child_outcome child_classify(int error)
{
	if (error == 0)
		return CHILD_STARTED;
	if (error == ENOENT || error == ENOTDIR)
		return CHILD_NOT_FOUND;
	if (error == EAGAIN || error == ENOMEM)
		return CHILD_NO_RESOURCES;
	return CHILD_NOT_EXECUTABLE;
}

/* The errno of an exec that failed; an end when it succeeded, or when it was killed before. */
static void child_on_report(int fd, short what, void *arg)
{
	struct child *child = arg;
	struct children *children = child->children;
	void *owner = child->owner;
	int error = 0;
	ssize_t n;

	(void)what;
	do
		n = read(fd, &error, sizeof error);
	while (n < 0 && errno == EINTR);
	child_report_done(child);
	child->failed = n == sizeof error;
	if (child->failed)
		child->owner = NULL;
	children->hooks->started(children->arg, owner, child_classify(error), error);
}

/* ---- reaping ---- */

/* Whether it is a zombie; it stays one, so that its process group cannot become another's. */
static bool child_has_ended(const struct child *child)
{
	siginfo_t info = {.si_pid = 0};

	return waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == child->pid;
}

static void children_on_sigchld(int fd, short what, void *arg)
{
	struct children *children = arg;
	struct child *child, *next;
	void *owner;
	bool failed;
	int status;

	(void)fd;
	(void)what;
	for (child = LIST_FIRST(&children->list); child != NULL; child = next) {
		next = LIST_NEXT(child, link);
		if (!child_has_ended(child))
			continue;
		if (child->state != CHILD_RUNNING)
			(void)kill(-child->pid, SIGKILL); /* what it left behind in its group */
		if (child->report != NULL)                /* it was faster than its report */
			child_on_report(event_get_fd(child->report), EV_READ, child);
		if (waitpid(child->pid, &status, 0) != child->pid)
			continue;
		owner = child->owner;
		failed = child->failed;
		child_free(child);
		if (!failed)
			children->hooks->ended(children->arg, owner, status);
	}
	if (LIST_EMPTY(&children->list))
		children->hooks->idle(children->arg);
}

/* ---- starting ---- */

/*
 * In the new process, between fork and exec: only async-signal-safe calls. The errno of a failed
 * exec goes to the parent through report_fd, which a successful exec closes.
 */
static _Noreturn void child_exec(const struct children *children, char *const *command,
	int stdin_fd, int stdout_fd, int report_fd, pid_t parent)
{
	int error;

	(void)setpgid(0, 0); /* the parent does the same; either may be first */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(127); /* the parent has died in the meantime: nobody is there to be told */
	if (dup2(stdin_fd, STDIN_FILENO) >= 0 && dup2(stdout_fd, STDOUT_FILENO) >= 0) {
		inherit_restore(report_fd);
		(void)execvpe(command[0], command, children->environment); /* it has failed */
	}
	error = errno;
	if (write(report_fd, &error, sizeof error) != sizeof error)
		_exit(126);
	_exit(127);
}

enum { CHILD_PIPES = 3 };

static void child_close_pipes(int pipes[CHILD_PIPES][2])
{
	int i, saved_errno = errno;

	for (i = 0; i < CHILD_PIPES; i++) {
		if (pipes[i][0] >= 0)
			(void)close(pipes[i][0]); /* nothing could be done about an error */
		if (pipes[i][1] >= 0)
			(void)close(pipes[i][1]);
	}
	errno = saved_errno;
}

static int child_open_pipes(int pipes[CHILD_PIPES][2])
{
	int i;

	for (i = 0; i < CHILD_PIPES; i++)
		if (pipe2(pipes[i], O_CLOEXEC) != 0)
			return -1;
	/* Only our ends: the command's ends are descriptions of their own and stay blocking. */
	if (fcntl(pipes[0][1], F_SETFL, O_NONBLOCK) != 0 ||
		fcntl(pipes[1][0], F_SETFL, O_NONBLOCK) != 0)
		return -1;
	return 0;
}

static void child_take_end(int pipes[CHILD_PIPES][2], int which, int end, int *fd)
{
	*fd = pipes[which][end];
	pipes[which][end] = -1;
}

int child_spawn(
	struct children *children, char *const *command, void *owner, int *read_fd, int *write_fd)
{
	/* its stdin, its stdout, the report of a failed exec */
	int pipes[CHILD_PIPES][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
	struct child *child = calloc(1, sizeof *child);
	pid_t parent = getpid();
	sigset_t all, before;

	if (child == NULL || child_open_pipes(pipes) != 0)
		goto fail;
	child->report = event_new(children->base, pipes[2][0], EV_READ, child_on_report, child);
	if (child->report == NULL || event_add(child->report, NULL) != 0) {
		errno = ENOMEM;
		goto fail;
	}
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before); /* our handlers are not for the child */
	child->pid = fork();
	if (child->pid == 0)
		child_exec(children, command, pipes[0][0], pipes[1][1], pipes[2][1], parent);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (child->pid < 0)
		goto fail;
	(void)setpgid(child->pid, child->pid); /* an error means that it did so itself */
	child->owner = owner;
	child->children = children;
	LIST_INSERT_HEAD(&children->list, child, link);
	child_take_end(pipes, 1, 0, read_fd);
	child_take_end(pipes, 0, 1, write_fd);
	pipes[2][0] = -1; /* the child's */
	child_close_pipes(pipes);
	return 0;
fail:
	if (child != NULL && child->report != NULL)
		event_free(child->report); /* keeps errno */
	child_close_pipes(pipes);
	free(child);
	return -1;
}

/* ---- the list ---- */

struct children *children_new(struct event_base *base, const struct child_settings *settings,
	const struct child_hooks *hooks, void *arg)
{
	struct children *children = calloc(1, sizeof *children);
	sigset_t sigchld;

	if (children == NULL)
		return NULL;
	(void)sigemptyset(&sigchld);
	(void)sigaddset(&sigchld, SIGCHLD);
	(void)sigprocmask(SIG_UNBLOCK, &sigchld, NULL); /* whoever started us may have blocked it */
	children->base = base;
	children->grace_ms = settings->grace_ms;
	children->hooks = hooks;
	children->arg = arg;
	children->environment = inherit_environment(settings->environment, settings->otlp_headers);
	LIST_INIT(&children->list);
	children->on_sigchld = evsignal_new(base, SIGCHLD, children_on_sigchld, children);
	if (children->environment == NULL || children->on_sigchld == NULL ||
		event_add(children->on_sigchld, NULL) != 0) {
		children_free(children);
		return NULL;
	}
	return children;
}

void children_free(struct children *children)
{
	struct child *child, *next;

	if (children == NULL)
		return;
	children_kill(children);
	for (child = LIST_FIRST(&children->list); child != NULL; child = next) {
		next = LIST_NEXT(child, link);
		(void)waitpid(child->pid, NULL, 0); /* SIGKILL was sent: it ends */
		child_free(child);
	}
	if (children->on_sigchld != NULL)
		event_free(children->on_sigchld);
	free(children->environment);
	free(children);
}

/*
 * Starting, signalling and reaping commands; see child.h. A child walks through the states below in
 * order. It leaves the list when it has been reaped; if it was told to end, only when what it has
 * left behind has ended, too.
 */
#include "proxy/endpoint/child.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/endpoint/inherit.h"
#include "proxy/endpoint/kin.h"
#include "proxy/endpoint/lookout.h"

#define CHILD_REAP_MS 1000 /* at the very end, for processes that were killed */

enum child_state {
	CHILD_RUNNING,
	CHILD_ENDING, /* it has been given its end of file and the grace time runs */
	CHILD_TERMED, /* SIGTERM was sent, the second grace time runs */
	CHILD_KILLED, /* SIGKILL was sent; it can only be reaped */
};

/* A command and what it started; or, without a pid, all that is left below us. */
struct child {
	pid_t pid;   /* and that of its process group, where it has one */
	bool exited; /* and was reaped: the rest is what it left behind */
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
	struct child_settings settings;
	bool stopped;                    /* what is left behind is to end as well */
	char **environment;              /* owned, but not its strings */
	struct lookout *lookout;         /* owned; while a command shares our group */
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

static void child_signal(const struct child *child, int signal_number)
{
	const struct children *children = child->children;

	if (children->settings.own_groups && child->pid != 0) {
		if (!child->exited) /* what has left the group, first: it is found below it */
			(void)kin_signal(child->pid, signal_number, 0, child->pid);
		if (kill(-child->pid, signal_number) != 0 && !child->exited)
			(void)kill(child->pid, signal_number); /* gone: SIGCHLD is on its way */
	} else if (kin_signal(getpid(), signal_number, lookout_pid(children->lookout), 0) == 0 &&
		   !child->exited) {
		(void)kill(child->pid, signal_number);
	}
}

/* Whether a command that was reaped has left anything behind. */
static bool child_left_kin(const struct child *child)
{
	if (child->children->settings.own_groups && child->pid != 0)
		return kill(-child->pid, 0) == 0 || errno == EPERM;
	return kin_exist(lookout_pid(child->children->lookout));
}

static void child_on_timer(int fd, short what, void *arg);

static void child_arm(struct child *child)
{
	int64_t ms = child->children->settings.grace_ms;
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (child->timer == NULL)
		child->timer = evtimer_new(child->children->base, child_on_timer, child);
	if ((child->timer == NULL || event_add(child->timer, &wait) != 0) &&
		child->state != CHILD_KILLED) {
		child->state = CHILD_KILLED; /* no timer to be had: no grace either */
		child_signal(child, SIGKILL);
	}
}

static void child_term(struct child *child)
{
	child->state = CHILD_TERMED;
	child_signal(child, SIGTERM);
	child_arm(child);
}

static void child_on_timer(int fd, short what, void *arg)
{
	struct child *child = arg;
	struct children *children = child->children;

	(void)fd;
	(void)what;
	if (child->state == CHILD_ENDING) {
		child_term(child);
	} else if (child->state == CHILD_TERMED) {
		child->state = CHILD_KILLED;
		child_signal(child, SIGKILL);
		child_arm(child);
	} else if (child->exited) { /* what does not even heed that is waited for no longer */
		child_free(child);
		if (LIST_EMPTY(&children->list))
			children->hooks->idle(children->arg);
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
	child_arm(child);
}

void child_end(struct children *children, void *owner)
{
	struct child *child = child_find(children, owner);

	if (child != NULL)
		child_begin_end(child);
}

void child_terminate(struct children *children, void *owner)
{
	struct child *child = child_find(children, owner);

	if (child != NULL && child->state < CHILD_TERMED)
		child_term(child);
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

/* The lookout's answer. One that has moved to another group has had nothing of ours. */
static void children_pass_on(void *arg, int signal_number, bool by_group)
{
	struct children *children = arg;
	struct child *child;

	LIST_FOREACH(child, &children->list, link)
		if (!child->exited && !(by_group && getpgid(child->pid) == getpgrp()))
			(void)kill(child->pid, signal_number); /* gone: SIGCHLD is on its way */
}

/* All that is left below us when no command is left. */
static void children_end_rest(struct children *children)
{
	struct child *rest;

	if (!children->stopped || !LIST_EMPTY(&children->list) || !kin_exist(0))
		return;
	rest = calloc(1, sizeof *rest);
	if (rest == NULL) {
		(void)kin_signal(getpid(), SIGKILL, 0, 0);
		return;
	}
	rest->children = children;
	rest->exited = true;
	LIST_INSERT_HEAD(&children->list, rest, link);
	child_term(rest);
}

bool children_signal(struct children *children, int signal_number)
{
	bool stops = signal_number == SIGTERM || signal_number == SIGINT ||
		     signal_number == SIGHUP || signal_number == SIGQUIT;
	bool to_groups =
		children->settings.own_groups && signal_number != SIGTERM && child_in_foreground();
	bool any = false;
	struct child *child;

	children->stopped |= stops;
	if (children->lookout != NULL) {
		lookout_ask(children->lookout, signal_number);
		return true;
	}
	LIST_FOREACH(child, &children->list, link) {
		if (child->exited)
			continue;
		(void)kill(to_groups ? -child->pid : child->pid, signal_number); /* or it is gone */
		any = true;
	}
	children_end_rest(children);
	return any;
}

void children_kill(struct children *children)
{
	struct child *child;

	LIST_FOREACH(child, &children->list, link) {
		child->state = CHILD_KILLED;
		child_signal(child, SIGKILL);
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

static void child_ended(struct child *child)
{
	struct children *children = child->children;
	pid_t reaped;
	bool failed;
	void *owner;
	int status;

	if (child->report != NULL) /* it was faster than its report */
		child_on_report(event_get_fd(child->report), EV_READ, child);
	reaped = waitpid(child->pid, &status, 0);
	assert(reaped == child->pid); /* it has ended */
	child->exited = true;
	owner = child->owner;
	child->owner = NULL;
	failed = child->failed;
	if (!children->settings.own_groups) {
		lookout_free(children->lookout);
		children->lookout = NULL;
	}
	if ((child->state == CHILD_RUNNING && !children->stopped) || !child_left_kin(child))
		child_free(child);
	else if (child->state < CHILD_TERMED)
		child_term(child);
	if (!failed)
		children->hooks->ended(children->arg, owner, status);
}

/* Whatever has ended: a command, what one has left behind to us, the lookout. */
static void children_reap(struct children *children)
{
	siginfo_t info = {.si_pid = 0};
	struct child *child;

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
		LIST_FOREACH(child, &children->list, link)
			/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): child_free() unlinks it */
			if (child->pid == info.si_pid && !child->exited)
				break;
		if (child != NULL) {
			child_ended(child);
		} else if (info.si_pid == lookout_pid(children->lookout)) {
			lookout_free(children->lookout);
			children->lookout = NULL;
		} else {
			(void)waitpid(info.si_pid, NULL, 0); /* it has ended */
		}
		info.si_pid = 0;
	}
}

static void children_on_sigchld(int fd, short what, void *arg)
{
	struct children *children = arg;
	struct child *child, *next;

	(void)fd;
	(void)what;
	children_reap(children);
	for (child = LIST_FIRST(&children->list); child != NULL; child = next) {
		next = LIST_NEXT(child, link);
		if (child->exited && !child_left_kin(child))
			child_free(child);
		else if (child->state == CHILD_KILLED)
			child_signal(child, SIGKILL); /* those that were missed */
	}
	children_end_rest(children);
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

	if (children->settings.own_groups)
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
	if (children->settings.own_groups)
		(void)setpgid(child->pid, child->pid); /* an error: it did so itself */
	else if (children->lookout == NULL)
		children->lookout = lookout_new(
			children->base, children->settings.arguments, children_pass_on, children);
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
	kin_adopt();
	children->base = base;
	children->settings = *settings;
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

/* The loop does not run any more: kills and reaps until nothing is left, or that takes too long. */
static void children_end_all(struct children *children)
{
	struct child *child;
	pid_t pid;
	int ms;

	for (ms = 0; ms < CHILD_REAP_MS; ms++) {
		children_kill(children);
		(void)kin_signal(getpid(), SIGKILL, 0, 0);
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			LIST_FOREACH(child, &children->list, link)
				child->exited |= child->pid == pid;
		if (pid < 0)
			return;         /* there is none */
		(void)poll(NULL, 0, 1); /* only waits */
	}
}

void children_free(struct children *children)
{
	struct child *child;

	if (children == NULL)
		return;
	lookout_free(children->lookout);
	children->lookout = NULL;
	if (children->stopped || !LIST_EMPTY(&children->list))
		children_end_all(children);
	while ((child = LIST_FIRST(&children->list)) != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the same */
		child_free(child);
	if (children->on_sigchld != NULL)
		event_free(children->on_sigchld);
	free(children->environment);
	free(children);
}

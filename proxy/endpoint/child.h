#ifndef PROXY_ENDPOINT_CHILD_H
#define PROXY_ENDPOINT_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Commands: started with pipes on stdin and stdout and our stderr, killed by the kernel should we
 * die first (PR_SET_PDEATHSIG). A command outlives its session until it is reaped: it is given an
 * end of file, after a grace time SIGTERM, after another SIGKILL, and with it all that it started.
 *
 * The one command that we wrap stays in our process group, so that whoever signals the group, a
 * terminal or our parent, reaches it as if we were not there. Of several, each has a group of its
 * own, by which is known what belongs to it.
 *
 * What a command leaves behind when it ends by itself may live on, as it would without us; but
 * when it was told to end, or we are, it ends as well.
 */
struct event_base;
struct children;

enum child_outcome {
	CHILD_STARTED,
	CHILD_NOT_FOUND,      /* the command does not exist: exit status 127 */
	CHILD_NOT_EXECUTABLE, /* it exists but cannot be run: exit status 126 */
	CHILD_NO_RESOURCES,   /* pipes, memory or processes exhausted */
};

/* Called from the loop. owner: as given to child_spawn, NULL once it has left. */
struct child_hooks {
	/* The command runs; or it does not, error is the errno, and nothing more is told of it. */
	void (*started)(void *arg, void *owner, enum child_outcome outcome, int error);
	void (*ended)(void *arg, void *owner, int status);
	/* None is left: see children_count(). */
	void (*idle)(void *arg);
};

struct child_settings {
	int64_t grace_ms;
	char *const *environment; /* ours */
	char *const *arguments;   /* ours */
	bool otlp_headers;        /* the headers for the collector stay in the environment */
	bool own_groups;          /* there may be several commands at once */
};

/* hooks and what settings point to stay borrowed. NULL: out of memory. */
struct children *children_new(struct event_base *base, const struct child_settings *settings,
	const struct child_hooks *hooks, void *arg);
/* Kills and reaps whatever is left; does not call hooks. */
void children_free(struct children *children);

/*
 * Begins to start command (NULL-terminated, searched in PATH), which finds what inherit.h says. The
 * exec may take its time, on a file system that is slow: how it went is told by a hook. 0: *read_fd
 * and *write_fd are the caller's, non-blocking and close-on-exec. -1 (errno): for want of pipes,
 * memory or processes; no hook is called.
 */
int child_spawn(
	struct children *children, char *const *command, void *owner, int *read_fd, int *write_fd);

/*
 * Passes a signal on that we got: to every command that runs, or, if it is one that a terminal
 * sends to all in its foreground and that is where we are, to their whole groups; to a command in
 * our own group only if it was not for that group. From SIGTERM, SIGINT, SIGHUP and SIGQUIT on,
 * what commands leave behind is ended, too. False when no command runs.
 */
bool children_signal(struct children *children, int signal_number);

/*
 * The owner goes away (the hook will say NULL in its place); the child gets the grace time, counted
 * from now (its stdin is closed by then), then SIGTERM, then SIGKILL.
 */
void child_leave(struct children *children, void *owner);

/*
 * The grace time of the owner's child begins (its stdin is closed by then); the hook still comes.
 */
void child_end(struct children *children, void *owner);

/* The grace time of the owner's child is over: SIGTERM now; the hook still comes. */
void child_terminate(struct children *children, void *owner);

/* Skips what is left of all grace times: SIGKILL now. */
void children_kill(struct children *children);

/*
 * How many commands have not ended, with what they left behind if that is to end, too; and how many
 * of these have been left by their owners.
 */
int children_count(const struct children *children);
int children_left(const struct children *children);

#endif

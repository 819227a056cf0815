/*
 * The lookout; see lookout.h. Our end of the socket between us sends a byte for a question, its
 * answer is the set of signals that it has had since the last one. It is asked a moment after the
 * signal came, since there are those who signal every process of a service, one by one.
 */
#include "proxy/endpoint/lookout.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436 /* the same on all architectures */
#endif

#define LOOKOUT_FILES_GUESS 1024 /* descriptors to close where close_range is missing */
#define LOOKOUT_DELAY_MS    20   /* from the signal to the question */
#define LOOKOUT_PATIENCE_MS 500  /* for the answer of a lookout that was stopped */

struct lookout {
	pid_t pid;
	int fd; /* owned; -1 when it does not answer any more */
	struct event *event;
	uint64_t seen;    /* signals that it had and we have not been asked about, as bits */
	uint64_t asked;   /* signals that the question under way is about */
	uint64_t waiting; /* signals that came since */
	lookout_hook *hook;
	void *arg;
};

/* ---- the process ---- */

static _Noreturn void lookout_run(int fd, char *const *arguments)
{
	static const struct timespec at_once;
	sigset_t all;
	int i, signal_number;
	char byte;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* the end of the socket would do */
	(void)prctl(PR_SET_NAME, "signal-lookout");
	for (i = 0; arguments[i] != NULL; i++)
		memset(arguments[i], 0, strlen(arguments[i]));
	(void)sigfillset(&all);
	if (chdir("/") != 0 || dup2(fd, STDIN_FILENO) < 0)
		_exit(EXIT_FAILURE);
	if (syscall(SYS_close_range, STDIN_FILENO + 1, ~0u, 0) != 0)
		for (i = STDIN_FILENO + 1; i < LOOKOUT_FILES_GUESS; i++)
			(void)close(i); /* most are not open */
	while (recv(STDIN_FILENO, &byte, 1, 0) == 1) {
		uint64_t had = 0;

		while ((signal_number = sigtimedwait(&all, NULL, &at_once)) > 0)
			had |= UINT64_C(1) << (signal_number - 1);
		if (send(STDIN_FILENO, &had, sizeof had, MSG_NOSIGNAL) != sizeof had)
			break;
	}
	_exit(EXIT_SUCCESS);
}

/* ---- asking ---- */

static void lookout_tell(struct lookout *lookout, uint64_t which)
{
	int signal_number;

	for (signal_number = 1; signal_number <= 64; signal_number++) {
		uint64_t bit = UINT64_C(1) << (signal_number - 1);
		bool by_group = (lookout->seen & bit) != 0;

		if ((which & bit) == 0)
			continue;
		lookout->seen &= ~bit;
		lookout->hook(lookout->arg, signal_number, by_group);
	}
}

/* It does not answer: what came was for us alone, as far as we know. */
static void lookout_give_up(struct lookout *lookout)
{
	uint64_t which = lookout->asked | lookout->waiting;

	lookout->asked = lookout->waiting = 0;
	(void)event_del(lookout->event); /* it was set up, so this cannot fail */
	if (lookout->fd >= 0)
		(void)close(lookout->fd); /* nothing could be done about an error */
	lookout->fd = -1;
	lookout_tell(lookout, which);
}

static int lookout_wait(struct lookout *lookout, long ms)
{
	struct timeval wait = {.tv_usec = ms * 1000};

	return event_add(lookout->event, &wait);
}

/* Asks about all that is waiting. */
static void lookout_question(struct lookout *lookout)
{
	assert(lookout->waiting != 0 && lookout->asked == 0);
	lookout->asked = lookout->waiting;
	lookout->waiting = 0;
	if (send(lookout->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1 ||
		lookout_wait(lookout, LOOKOUT_PATIENCE_MS) != 0)
		lookout_give_up(lookout);
}

static void lookout_on_event(int fd, short what, void *arg)
{
	struct lookout *lookout = arg;
	uint64_t had, which = lookout->asked;

	if (what == EV_TIMEOUT && which == 0) {
		lookout_question(lookout);
		return;
	}
	if (what == EV_TIMEOUT || recv(fd, &had, sizeof had, MSG_DONTWAIT) != sizeof had) {
		lookout_give_up(lookout);
		return;
	}
	lookout->seen |= had;
	lookout->asked = 0;
	if (lookout->waiting != 0 && lookout_wait(lookout, LOOKOUT_DELAY_MS) != 0)
		lookout_give_up(lookout);
	lookout_tell(lookout, which);
}

void lookout_ask(struct lookout *lookout, int signal_number)
{
	bool idle = (lookout->asked | lookout->waiting) == 0;
	uint64_t bit;

	assert(signal_number >= 1 && signal_number <= 64);
	bit = UINT64_C(1) << (signal_number - 1);
	if (((lookout->asked | lookout->waiting) & bit) != 0)
		return; /* as for any process: one that is not dealt with yet stands for both */
	lookout->waiting |= bit;
	if (lookout->fd < 0 || (idle && lookout_wait(lookout, LOOKOUT_DELAY_MS) != 0))
		lookout_give_up(lookout);
}

/* ---- life ---- */

struct lookout *lookout_new(
	struct event_base *base, char *const *arguments, lookout_hook *hook, void *arg)
{
	struct lookout *lookout = calloc(1, sizeof *lookout);
	sigset_t all, before;
	int pair[2];

	if (lookout == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		free(lookout);
		return NULL;
	}
	lookout->event = event_new(base, pair[0], EV_READ, lookout_on_event, lookout);
	if (lookout->event == NULL)
		goto fail;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	lookout->pid = fork();
	if (lookout->pid == 0)
		lookout_run(pair[1], arguments);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (lookout->pid < 0)
		goto fail;
	(void)close(pair[1]); /* nothing was sent over it */
	lookout->fd = pair[0];
	lookout->hook = hook;
	lookout->arg = arg;
	return lookout;
fail:
	(void)close(pair[0]); /* the same */
	(void)close(pair[1]);
	if (lookout->event != NULL)
		event_free(lookout->event);
	free(lookout);
	return NULL;
}

void lookout_free(struct lookout *lookout)
{
	if (lookout == NULL)
		return;
	lookout_give_up(lookout);
	(void)kill(lookout->pid, SIGKILL); /* nobody else reaps it: it is still ours */
	(void)waitpid(lookout->pid, NULL, 0);
	event_free(lookout->event);
	free(lookout);
}

pid_t lookout_pid(const struct lookout *lookout)
{
	return lookout != NULL ? lookout->pid : 0;
}

#ifndef PROXY_ENDPOINT_LOOKOUT_H
#define PROXY_ENDPOINT_LOOKOUT_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether a signal was for us alone or for all in our process group, where a command of ours is,
 * too, and has had its own: a signal does not tell. So a small process in the same group, with all
 * signals blocked, is asked whether it has one waiting.
 */
struct event_base;
struct lookout;

/* The answer; from inside of lookout_ask() when nobody is there to be asked. Must not free it. */
typedef void lookout_hook(void *arg, int signal_number, bool by_group);

/*
 * Starts it; to be called after the command was started, since the kernel signals those that came
 * last first. arguments: those of our process, which are wiped out in the new one so that nobody
 * takes it for us. NULL: no resources (errno).
 */
struct lookout *lookout_new(
	struct event_base *base, char *const *arguments, lookout_hook *hook, void *arg);
/* Ends and reaps it. What is unanswered is taken for ours alone. */
void lookout_free(struct lookout *lookout);

/* 0 for NULL. */
pid_t lookout_pid(const struct lookout *lookout);

/* A signal has come. */
void lookout_ask(struct lookout *lookout, int signal_number);

#endif

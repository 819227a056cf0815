/*
 * Probing; see probe.h. What was found out is good for a second: who asks within it is told at
 * once, who asks while it is being found out waits for it.
 */
#include "proxy/admin/probe.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/dial.h"
#include "proxy/loop.h"

#define PROBE_FRESH_NS 1000000000ull
#define PROBE_WAIT_S   2
#define PROBE_WHY_SIZE 256

struct probe {
	struct loop *loop;         /* borrowed */
	struct resolver *resolver; /* borrowed */
	probe_hook *hook;
	void *arg;
	struct dial *dial;     /* the loop's; NULL: nothing is being found out */
	struct event *timeout; /* owned */
	uint64_t known_ns;     /* when it was found out; 0: never */
	bool reached;
	char why[PROBE_WHY_SIZE]; /* it was not */
};

static void probe_tell(struct probe *probe)
{
	probe->hook(probe->arg, probe->reached ? NULL : probe->why);
}

static void probe_note(struct probe *probe, const char *why)
{
	if (why != NULL)
		(void)snprintf(probe->why, sizeof probe->why, "%s", why); /* may be cut */
}

static void probe_found(struct probe *probe, bool reached, const char *why)
{
	(void)event_del(probe->timeout); /* it was set up, so this cannot fail */
	probe->dial = NULL;
	probe->known_ns = probe->loop->now_ns;
	probe->reached = reached;
	probe_note(probe, why);
	probe_tell(probe);
}

/* A dial that would try again is not waited for. */
static void probe_on_dial(void *arg, enum dial_event event, int fd, const char *why)
{
	struct probe *probe = arg;

	switch (event) {
	case DIAL_CONNECTED:
		(void)close(fd); /* nothing was sent over it */
		probe_found(probe, true, NULL);
		break;
	case DIAL_WAITS:
		probe_note(probe, why);
		event_active(probe->timeout, EV_TIMEOUT, 0);
		break;
	case DIAL_FAILED:
		probe_found(probe, false, why);
		break;
	}
}

static void probe_on_timeout(int fd, short what, void *arg)
{
	struct probe *probe = arg;

	(void)fd;
	(void)what;
	if (probe->dial == NULL)
		return;
	loop_clock(probe->loop);
	dial_cancel(probe->dial);
	probe_found(probe, false, NULL);
}

void probe_ask(struct probe *probe)
{
	const struct timeval wait = {.tv_sec = PROBE_WAIT_S};

	loop_clock(probe->loop);
	if (probe->dial != NULL)
		return;
	if (probe->known_ns != 0 && probe->loop->now_ns - probe->known_ns < PROBE_FRESH_NS) {
		probe_tell(probe);
		return;
	}
	probe_note(probe, "no answer"); /* until there is one */
	probe->dial = dial_new(probe->loop, probe->resolver, probe_on_dial, probe);
	if (probe->dial == NULL || event_add(probe->timeout, &wait) != 0) {
		dial_cancel(probe->dial);
		probe_found(probe, false, "out of memory");
		return;
	}
	dial_start(probe->dial);
}

struct probe *probe_new(struct loop *loop, struct resolver *resolver, probe_hook *hook, void *arg)
{
	struct probe *probe = calloc(1, sizeof *probe);

	if (probe == NULL)
		return NULL;
	probe->loop = loop;
	probe->resolver = resolver;
	probe->hook = hook;
	probe->arg = arg;
	probe->timeout = evtimer_new(loop->base, probe_on_timeout, probe);
	if (probe->timeout != NULL)
		return probe;
	free(probe);
	return NULL;
}

void probe_free(struct probe *probe)
{
	if (probe == NULL)
		return;
	dial_cancel(probe->dial);
	event_free(probe->timeout);
	free(probe);
}

/*
 * Dialling; see dial.h. A round is: the addresses are known or looked up, then tried in turn. After
 * a round that failed comes a pause, if anything in it gave hope, and the next round. Whatever ends
 * the dial puts it on the loop's list of those that are over, and is told last.
 */
#include "proxy/dial.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "proxy/loop.h"
#include "proxy/resolver.h"

#define DIAL_PAUSE_MIN_NS 10000000ull
#define DIAL_PAUSE_MAX_NS 500000000ull

enum dial_state { DIAL_LOOKS_UP, DIAL_CONNECTS, DIAL_PAUSES, DIAL_OVER };

struct dial {
	struct loop_guest guest;   /* first; of the loop's, once it is over */
	struct loop *loop;         /* borrowed */
	struct resolver *resolver; /* borrowed */
	dial_hook *hook;
	void *arg;
	enum dial_state state;
	struct resolver_wait wait; /* DIAL_LOOKS_UP */
	int fd;                    /* DIAL_CONNECTS: owned; else -1 */
	struct event event;        /* what the state waits for, or the end of its time */
	struct address list[ADDRESS_LIST_MAX];
	size_t count, at;
	uint64_t until_ns; /* connect.timeout */
	uint64_t pause_ns; /* the next one */
	bool hopeful;      /* an address of this round may still come to be served */
	bool told;         /* DIAL_WAITS */
	char why[ADDRESS_TEXT_MAX + 128];
};

/* ---- ends ---- */

static void dial_drop_attempt(struct dial *dial)
{
	if (dial->fd >= 0)
		(void)close(dial->fd); /* nothing was sent over it */
	dial->fd = -1;
}

static void dial_over(struct dial *dial)
{
	assert(dial->state != DIAL_OVER);
	dial->state = DIAL_OVER;
	resolver_leave(dial->resolver, &dial->wait);
	(void)event_del(&dial->event); /* it was set up, so this cannot fail */
	dial_drop_attempt(dial);
	loop_bury(dial->loop, &dial->guest);
}

static void dial_give_up(struct dial *dial)
{
	dial_over(dial);
	dial->hook(dial->arg, DIAL_FAILED, -1, dial->why);
}

static void dial_connected(struct dial *dial)
{
	int fd = dial->fd;

	resolver_worked(dial->resolver, &dial->list[dial->at]);
	dial->fd = -1;
	dial_over(dial);
	dial->hook(dial->arg, DIAL_CONNECTED, fd, NULL);
}

/* ---- waiting ---- */

static void dial_on_event(int fd, short what, void *arg);

static void dial_watch(struct dial *dial)
{
	int failed = event_assign(&dial->event, dial->loop->base, dial->fd,
		dial->fd >= 0 ? EV_WRITE : 0, dial_on_event, dial);

	assert(failed == 0); /* only a wrong combination of flags can fail */
	(void)failed;
}

/* Waits for the descriptor (-1: for nothing), but no longer than wait_ns. 0 or -1. */
static int dial_wait(struct dial *dial, enum dial_state state, uint64_t wait_ns)
{
	struct timeval wait = {
		.tv_sec = (time_t)(wait_ns / 1000000000),
		.tv_usec = (suseconds_t)(wait_ns % 1000000000 / 1000),
	};

	dial_watch(dial);
	dial->state = state;
	if (event_add(&dial->event, &wait) == 0)
		return 0;
	(void)snprintf(dial->why, sizeof dial->why, "%s", strerror(ENOMEM));
	return -1;
}

static uint64_t dial_left_ns(const struct dial *dial)
{
	uint64_t now_ns = dial->loop->now_ns;

	return now_ns < dial->until_ns ? dial->until_ns - now_ns : 0;
}

/* A round has failed; why says what was last. */
static void dial_pause(struct dial *dial)
{
	uint64_t left_ns = dial_left_ns(dial);
	uint64_t pause_ns = dial->pause_ns < left_ns ? dial->pause_ns : left_ns;

	dial->pause_ns *= 2;
	if (dial->pause_ns > DIAL_PAUSE_MAX_NS)
		dial->pause_ns = DIAL_PAUSE_MAX_NS;
	if (left_ns == 0 || dial_wait(dial, DIAL_PAUSES, pause_ns) != 0) {
		dial_give_up(dial);
		return;
	}
	if (dial->told)
		return;
	dial->told = true;
	dial->hook(dial->arg, DIAL_WAITS, -1, dial->why);
}

/* ---- addresses ---- */

/* Whether a server that is being started, or its network, may fail like that. */
static bool dial_gives_hope(int error)
{
	static const int errors[] = {ECONNREFUSED, ECONNRESET, ECONNABORTED, ENOENT, ETIMEDOUT,
		EHOSTUNREACH, EHOSTDOWN, ENETUNREACH, ENETDOWN, EADDRNOTAVAIL,
		EAGAIN /* the backlog of a Unix socket is full */};
	size_t i;

	for (i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (errors[i] == error)
			return true;
	return false;
}

static void dial_attempt_failed(struct dial *dial, int error)
{
	/* Where time has become short, what was said before tells more. */
	bool tells = error != ETIMEDOUT || dial->why[0] == '\0';
	char text[ADDRESS_TEXT_MAX];

	if (tells && dial->count == 1)
		(void)snprintf(dial->why, sizeof dial->why, "%s", strerror(error));
	else if (tells)
		(void)snprintf(dial->why, sizeof dial->why, "%s: %s",
			address_text(&dial->list[dial->at], text), strerror(error));
	dial->hopeful |= dial_gives_hope(error);
	dial_drop_attempt(dial);
	dial->at++;
}

/* Begins to connect to one address. 0: connected; EINPROGRESS; another errno: it failed. */
static int dial_connect(struct dial *dial, const struct address *address)
{
	const struct sockaddr *name = (const struct sockaddr *)&address->storage;
	int on = 1;

	dial->fd =
		socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (dial->fd < 0)
		return errno;
	if (address->storage.ss_family != AF_UNIX)
		(void)setsockopt(dial->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* slower */
	if (connect(dial->fd, name, address->size) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	/* A server on this machine has taken it meanwhile: no wake-up, and four calls less for
	 * one more. */
	if (connect(dial->fd, name, address->size) == 0)
		return 0;
	return errno == EALREADY ? EINPROGRESS : errno;
}

/* Tries what is left of the addresses. */
static void dial_try(struct dial *dial)
{
	int error;

	for (; dial->at < dial->count; dial_attempt_failed(dial, error)) {
		error = dial_connect(dial, &dial->list[dial->at]);
		if (error == 0) {
			dial_connected(dial);
			return;
		}
		if (error != EINPROGRESS)
			continue;
		if (dial_wait(dial, DIAL_CONNECTS, dial_left_ns(dial) / (dial->count - dial->at)) !=
			0)
			dial_give_up(dial);
		return;
	}
	resolver_failed(dial->resolver);
	if (dial->hopeful)
		dial_pause(dial);
	else
		dial_give_up(dial);
}

static void dial_round(struct dial *dial)
{
	dial->hopeful = false;
	dial->at = 0;
	dial->count = resolver_known(dial->resolver, dial->list);
	if (dial->count > 0) {
		dial_try(dial);
		return;
	}
	resolver_ask(dial->resolver, &dial->wait);
	if (dial_wait(dial, DIAL_LOOKS_UP, dial_left_ns(dial)) != 0)
		dial_give_up(dial);
}

/* ---- events ---- */

static void dial_on_resolved(void *arg, const char *error)
{
	struct dial *dial = arg;

	(void)event_del(&dial->event); /* it was set up, so this cannot fail */
	if (error == NULL) {
		dial_round(dial);
		return;
	}
	(void)snprintf(dial->why, sizeof dial->why, "%s", error);
	dial_pause(dial);
}

static void dial_on_connect(struct dial *dial, short what)
{
	int error = ETIMEDOUT;
	socklen_t size = sizeof error;

	if ((what & EV_TIMEOUT) == 0 &&
		getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	if (error == 0) {
		dial_connected(dial);
		return;
	}
	dial_attempt_failed(dial, error);
	dial_try(dial);
}

static void dial_on_event(int fd, short what, void *arg)
{
	struct dial *dial = arg;

	(void)fd;
	loop_clock(dial->loop);
	switch (dial->state) {
	case DIAL_CONNECTS:
		dial_on_connect(dial, what);
		break;
	case DIAL_PAUSES:
		if (dial_left_ns(dial) > 0)
			dial_round(dial);
		else
			dial_give_up(dial);
		break;
	case DIAL_LOOKS_UP:
		if (!dial->told) /* else there is a better reason */
			(void)snprintf(
				dial->why, sizeof dial->why, "its name is still being looked up");
		dial_give_up(dial);
		break;
	case DIAL_OVER:
		break;
	}
}

/* ---- life ---- */

static void dial_reap(struct loop_guest *guest)
{
	struct dial *dial = (struct dial *)guest;

	_Static_assert(offsetof(struct dial, guest) == 0, "one is cast to the other");
	assert(dial->state == DIAL_OVER);
	free(dial);
}

static const struct loop_guest_ops dial_guest_ops = {.reap = dial_reap};

struct dial *dial_new(struct loop *loop, struct resolver *resolver, dial_hook *hook, void *arg)
{
	struct dial *dial = calloc(1, sizeof *dial);

	if (dial == NULL)
		return NULL;
	dial->guest.ops = &dial_guest_ops;
	dial->loop = loop;
	dial->resolver = resolver;
	dial->hook = hook;
	dial->arg = arg;
	dial->fd = -1;
	dial->wait.hook = dial_on_resolved;
	dial->wait.arg = dial;
	dial_watch(dial);
	dial->pause_ns = DIAL_PAUSE_MIN_NS;
	dial->until_ns = loop->now_ns + (uint64_t)loop->config->connect_timeout_ms * 1000000;
	return dial;
}

void dial_start(struct dial *dial)
{
	dial_round(dial);
}

bool dial_waits(const struct dial *dial)
{
	return dial != NULL && dial->told;
}

void dial_cancel(struct dial *dial)
{
	if (dial != NULL)
		dial_over(dial);
}

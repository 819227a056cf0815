/*
 * The shared part of all sessions. Guests that have left are reaped here, between callbacks; the
 * ticker looks after everything that only has to happen now and then.
 */
#include "proxy/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "config/config.h"
#include "proxy/conversations.h"
#include "proxy/generation.h"
#include "proxy/log.h"
#include "proxy/sources.h"

#define LOOP_TICK_MAX_MS   1000
#define LOOP_TICKS_PER_AGE 8 /* how exactly inflight.max_age is kept */

#define LOOP_QUIET_NS 10000000000ull
#define LOOP_LOAD_MIN 256 /* of less, what is left over does not matter */

static uint64_t loop_clock_ns(clockid_t which)
{
	struct timespec now;

	(void)clock_gettime(which, &now); /* both clocks always exist */
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void loop_clock(struct loop *loop)
{
	loop->now_ns = loop_clock_ns(CLOCK_MONOTONIC);
}

void loop_clock_idle(struct loop *loop)
{
	bool quiet = loop->now_ns == loop->ticked_ns;

	loop_clock(loop);
	if (quiet)
		loop->ticked_ns = loop->now_ns;
}

/* ---- guests ---- */

void loop_enter(struct loop *loop, struct loop_guest *guest)
{
	TAILQ_INSERT_TAIL(&loop->guests, guest, link);
	loop->guest_count++;
}

void loop_leave(struct loop *loop, struct loop_guest *guest)
{
	assert(loop->guest_count > 0);
	TAILQ_REMOVE(&loop->guests, guest, link);
	loop->guest_count--;
	loop_bury(loop, guest);
}

void loop_wind_up(struct loop *loop)
{
	struct loop_guest *guest, *next;

	for (guest = TAILQ_FIRST(&loop->guests); guest != NULL; guest = next) {
		next = TAILQ_NEXT(guest, link); /* it may leave */
		guest->ops->wind_up(guest);
	}
}

void loop_bury(struct loop *loop, struct loop_guest *guest)
{
	TAILQ_INSERT_TAIL(&loop->gone, guest, link);
	event_active(loop->reaper, EV_TIMEOUT, 0);
}

static void loop_reap(struct loop *loop)
{
	struct loop_guest *guest;

	while ((guest = TAILQ_FIRST(&loop->gone)) != NULL) {
		TAILQ_REMOVE(&loop->gone, guest, link);
		guest->ops->reap(guest);
	}
}

static void loop_on_reap(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	loop_reap(arg);
}

/* ---- now and then ---- */

/* Of scratch memory nobody needs the contents between two callbacks: whole pages are given back. */
static void loop_forget(uint8_t *bytes, size_t size)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t begin = ((uintptr_t)bytes + page - 1) & ~(page - 1);
	uintptr_t end = ((uintptr_t)bytes + size) & ~(page - 1);

	if (begin < end)
		(void)madvise(bytes + (begin - (uintptr_t)bytes), end - begin,
			MADV_DONTNEED); /* else it stays */
}

void loop_trim(struct loop *loop)
{
	generations_trim(loop->generations);
	loop_forget(loop->read_bytes, LOOP_READ_SIZE);
	loop_forget(loop->write_bytes, LOOP_WRITE_SIZE);
#ifdef __GLIBC__
	(void)malloc_trim(0); /* whether there was any does not matter */
#endif
	loop->load_peak = 0;
	loop->trimmed_ns = loop->now_ns;
}

void loop_tidy(struct loop *loop, uint64_t now_ns)
{
	size_t load = loop->guest_count;
	const struct loop_guest *guest;
	bool quiet, dropped;

	TAILQ_FOREACH(guest, &loop->guests, link)
		load += guest->ops->waiting(guest);
	if (load > loop->load_peak)
		loop->load_peak = load;
	quiet = loop->active_ns > loop->trimmed_ns && now_ns - loop->active_ns >= LOOP_QUIET_NS;
	dropped = loop->load_peak >= LOOP_LOAD_MIN && load <= loop->load_peak / 2 &&
		  now_ns - loop->trimmed_ns >= LOOP_QUIET_NS;
	if (quiet || dropped)
		loop_trim(loop);
}

static void loop_on_tick(int fd, short what, void *arg)
{
	struct loop *loop = arg;
	struct loop_guest *guest, *next;

	(void)fd;
	(void)what;
	if (loop->now_ns != loop->ticked_ns)
		loop->active_ns = loop->now_ns;
	loop_clock(loop);
	loop->ticked_ns = loop->now_ns;
	log_tick(loop->now_ns);
	generations_tick(loop->generations, loop->now_ns, loop_clock_ns(CLOCK_REALTIME));
	conversations_tick(loop->conversations, loop->now_ns);
	for (guest = TAILQ_FIRST(&loop->guests); guest != NULL; guest = next) {
		next = TAILQ_NEXT(guest, link); /* it may leave */
		guest->ops->tick(guest);
	}
	if (loop->ticked != NULL)
		loop->ticked(loop->ticked_arg);
	loop_tidy(loop, loop->now_ns);
}

/* Never slower than before: for who is here already the age may be shorter. 0 or -1. */
static int loop_hurry_ticker(struct loop *loop, const struct config *config)
{
	int64_t ms = config->inflight_max_age_ms / LOOP_TICKS_PER_AGE;
	struct timeval period;

	assert(ms > 0); /* the option has a range */
	if (ms > LOOP_TICK_MAX_MS)
		ms = LOOP_TICK_MAX_MS;
	if (loop->tick_ms > 0 && ms >= loop->tick_ms)
		return 0;
	period = (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	if (event_add(loop->ticker, &period) != 0)
		return -1;
	loop->tick_ms = ms;
	return 0;
}

int loop_init(struct loop *loop, struct event_base *base, const struct config *config,
	struct tracer *tracer)
{
	loop->base = base;
	loop->config = config;
	loop->generations = generations_new(config, tracer);
	TAILQ_INIT(&loop->guests);
	TAILQ_INIT(&loop->gone);
	ids_init(&loop->ids);
	loop->read_bytes = malloc(LOOP_READ_SIZE);
	loop->write_bytes = malloc(LOOP_WRITE_SIZE);
	loop->reaper = event_new(base, -1, 0, loop_on_reap, loop);
	loop->ticker = event_new(base, -1, EV_PERSIST, loop_on_tick, loop);
	if (config->connections_max_per_source > 0) {
		loop->sources = sources_new((size_t)config->connections_max_per_source);
		if (loop->sources == NULL)
			return -1;
	}
	loop->conversations = conversations_new((size_t)config->http_sessions_max,
		(uint64_t)config->http_session_idle_ms * 1000000,
		&loop->counters.http_sessions_evicted);
	if (loop->generations == NULL || loop->conversations == NULL || loop->read_bytes == NULL ||
		loop->write_bytes == NULL || loop->reaper == NULL || loop->ticker == NULL ||
		loop_hurry_ticker(loop, config) != 0)
		return -1;
	loop_clock(loop);
	log_tick(loop->now_ns);
	loop->config_number = 1;
	loop->config_unix_ns = loop_clock_ns(CLOCK_REALTIME);
	tracer_clock(tracer, loop->now_ns, loop->config_unix_ns);
	loop->tracing = !config->disabled;
	return 0;
}

void loop_end(struct loop *loop)
{
	struct loop_guest *guest;

	if (loop->generations == NULL)
		return;
	loop_clock(loop);
	while ((guest = TAILQ_FIRST(&loop->guests)) != NULL)
		guest->ops->stop(guest);
	loop_reap(loop);
	conversations_free(loop->conversations, loop->now_ns);
	loop->conversations = NULL;
	generations_end(loop->generations, loop->now_ns);
	generations_trim(loop->generations);
}

void loop_done(struct loop *loop)
{
	if (loop->base == NULL)
		return;
	loop_end(loop);
	generations_free(loop->generations);
	conversations_free(loop->conversations, 0); /* there are none yet */
	if (loop->reaper != NULL)
		event_free(loop->reaper);
	if (loop->ticker != NULL)
		event_free(loop->ticker);
	sources_free(loop->sources);
	free(loop->read_bytes);
	free(loop->write_bytes);
}

void loop_renew(struct loop *loop, const struct config *config, struct generation *fresh)
{
	loop->config = config;
	loop->config_number++;
	loop->config_unix_ns = loop_clock_ns(CLOCK_REALTIME);
	if (fresh == NULL)
		return;
	(void)loop_hurry_ticker(loop, config); /* it runs: other periods need no memory */
	generations_renew(loop->generations, fresh, loop->now_ns, loop->config_unix_ns);
}

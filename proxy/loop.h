#ifndef PROXY_LOOP_H
#define PROXY_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proxy/side/http.h"
#include "w3c/ids.h"

/*
 * What all sessions share: the event base, the settings, the scratch memory that a wake-up works
 * in, the lists of its guests. Made and freed by main; everybody else borrows it.
 */
struct children;
struct config;
struct conversations;
struct event;
struct event_base;
struct generation;
struct generations;
struct poster;
struct recorder;
struct sources;
struct tracer;

#define LOOP_READ_SIZE  65536
#define LOOP_WRITE_SIZE 131072

struct loop_counters {
#define COUNTER_LOOP(name, kind, help) uint64_t name;
#include "proxy/counters.def"
};

/* Who lives on the loop: a session; a dial, when it is over. It embeds this. */
struct loop_guest {
	const struct loop_guest_ops *ops;
	TAILQ_ENTRY(loop_guest) link;
};

struct loop_guest_ops {
	void (*tick)(struct loop_guest *guest);            /* now and then; it may leave */
	size_t (*waiting)(const struct loop_guest *guest); /* its requests in flight */
	void (*wind_up)(struct loop_guest *guest);         /* leaves if it has only begun */
	void (*stop)(struct loop_guest *guest);            /* the loop ends, so it must leave */
	void (*reap)(struct loop_guest *guest);            /* it has left: frees it */
};

struct loop {
	struct event_base *base;
	const struct config *config;     /* borrowed; as it is now */
	struct generations *generations; /* owned */
	uint64_t config_number;          /* of the settings: the first are 1 */
	uint64_t config_unix_ns;         /* when they were read */
	bool config_failed;              /* ... and there has been worse since */
	bool tracing;                    /* false: everything passes through without a look */
	struct children *children;
	struct recorder *recorder; /* borrowed; NULL: nothing is recorded */
	struct poster *poster;     /* the same; NULL: metrics are sent to nobody */
	struct ids ids;
	uint64_t now_ns; /* monotonic, as of the event being handled */
	uint8_t *read_bytes;
	uint8_t *write_bytes;
	struct http_head head; /* scratch of the handshake being looked at */
	TAILQ_HEAD(loop_guests, loop_guest) guests, gone;
	size_t guest_count;
	size_t load_peak;        /* connections and requests in flight, the most since a trim */
	uint64_t ticked_ns;      /* the ticker's last turn */
	uint64_t active_ns;      /* the last event before it that was not its own */
	uint64_t trimmed_ns;     /* the last trim */
	int64_t tick_ms;         /* the ticker's period; 0: it stands still */
	struct sources *sources; /* owned; NULL: no limit for each */
	struct conversations *conversations; /* owned */
	struct event *reaper;
	struct event *ticker;
	/* told now and then, at least once a second */
	void (*ticked)(void *arg);
	void *ticked_arg;
	struct loop_counters counters;
};

/*
 * Sets up a zeroed loop; base, config, tracer and children are borrowed. 0 or -1 (out of memory).
 */
int loop_init(struct loop *loop, struct event_base *base, const struct config *config,
	struct tracer *tracer);
/* Stops what guests are left: all has been counted. Allowed on a zeroed loop, and again. */
void loop_end(struct loop *loop);
/* The same, then frees everything that loop_init made. */
void loop_done(struct loop *loop);

/* Reads the clocks; every event callback that looks at the time does so first. */
void loop_clock(struct loop *loop);
/* The same for timers that go off whatever happens: they are no event. */
void loop_clock_idle(struct loop *loop);

/* A guest comes, with its ops set; it leaves once. */
void loop_enter(struct loop *loop, struct loop_guest *guest);
void loop_leave(struct loop *loop, struct loop_guest *guest);

/* We are going to stop: whoever has only begun leaves; the others have time to end. */
void loop_wind_up(struct loop *loop);

/* Reaps it between callbacks: for who was no guest before. Only its reap is called. */
void loop_bury(struct loop *loop, struct loop_guest *guest);

/*
 * Gives idle memory back to the system; and the same when it is time for it: when nothing has
 * happened for a while, or less than half is left of what was there.
 */
void loop_trim(struct loop *loop);
void loop_tidy(struct loop *loop, uint64_t now_ns);

/*
 * The settings have changed: from now on these are in force, which are borrowed until the next
 * time. fresh: the generation that owns them, for who comes from now on, which is taken; NULL: they
 * say the same about what is recorded.
 */
void loop_renew(struct loop *loop, const struct config *config, struct generation *fresh);

#endif

#ifndef PROXY_GENERATION_H
#define PROXY_GENERATION_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proxy/trace/follow/emit.h"
#include "proxy/trace/tracer.h"

/*
 * How conversations are recorded: settings, a tracer of them, and splices that read what it wants
 * to know. When settings change there is a new generation, for who comes then; those who are there
 * keep theirs, which goes, with what it has counted kept, when the last of them has left.
 */
struct config;
struct splice;

#define GENERATION_POOL_MAX 64 /* splices kept for the next messages */

struct generation {
	const struct config *config; /* borrowed, as is the tracer, but from owned */
	struct tracer *tracer;
	struct config *owned_config; /* NULL: they are somebody else's */
	struct tracer *owned_tracer;
	size_t holders;
	struct splice *pool[GENERATION_POOL_MAX];
	size_t pool_count;
	TAILQ_ENTRY(generation) link;
};

struct generations {
	TAILQ_HEAD(generations_list, generation) list; /* the oldest first */
	struct generation *now;        /* whose settings newcomers have; NULL: none yet */
	struct tracer_counters traced; /* by those that are gone */
	struct follow_counters followed;
};

/* Settings and a tracer of them, both borrowed for life. NULL when out of memory. */
struct generations *generations_new(const struct config *config, struct tracer *tracer);

/* Nobody holds any. NULL is allowed. */
void generations_free(struct generations *generations);

/* From now on newcomers have that one, which is taken. */
void generations_renew(struct generations *generations, struct generation *fresh, uint64_t now_ns,
	uint64_t unix_ns);

/* Once per second or so: clocks, work that goes on; frees what nobody holds. */
void generations_tick(struct generations *generations, uint64_t now_ns, uint64_t unix_ns);

/* We stop: see tracer_end(). */
void generations_end(struct generations *generations, uint64_t now_ns);

/* Gives back the memory of all pools. */
void generations_trim(struct generations *generations);

/* What all of them have counted. */
void generations_counters(const struct generations *generations, struct tracer_counters *traced,
	struct follow_counters *followed);

/* What goes on in all of them: see tracer_count_open(); a type of that name is one. */
size_t generations_count_open(
	const struct generations *generations, struct tracer_open list[TRACER_OPEN_MAX]);

/*
 * Shows the oldest of what goes on, oldest first, at most so many, as spans that have no end.
 * Returns how many more there are.
 */
size_t generations_show_open(const struct generations *generations, size_t max, uint64_t now_ns,
	void (*show)(void *arg, const struct span *span), void *arg);

/*
 * One for generations_renew(), of settings and a tracer of them, which it takes. NULL: out of
 * memory, nothing was taken.
 */
struct generation *generation_new(struct config *config, struct tracer *tracer);

/* With settings and tracer. For one that was not given to generations_renew(). NULL is allowed. */
void generation_free(struct generation *generation);

/* The one that newcomers have. It stays at least until its holder gives generation_leave(). */
struct generation *generation_hold(struct generations *generations);

/* It is freed later, not here. */
void generation_leave(struct generation *generation);

/* Whose tracer's the connection is; borrowed for as long as that is there. */
struct generation *generation_of(
	const struct generations *generations, const struct tracer_connection *connection);

/* A splice for one message; NULL when out of memory. Give it back with _put, to whom it is from. */
struct splice *generation_splice_get(struct generation *generation);
void generation_splice_put(struct generation *generation, struct splice *splice);

#endif

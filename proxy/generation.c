/*
 * Generations, in a list; see generation.h. What is held is: by a session until it is reaped, by
 * the connections of a tracer, by a message that a splice is reading. What nobody holds is freed by
 * the ticker, so that nothing goes while it is in use further up the stack.
 */
#include "proxy/generation.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_load.h"
#include "proxy/message/splice.h"
#include "proxy/trace/survey.h"

static struct generation *generation_make(const struct config *config, struct tracer *tracer)
{
	struct generation *generation = calloc(1, sizeof *generation);

	if (generation == NULL)
		return NULL;
	generation->config = config;
	generation->tracer = tracer;
	return generation;
}

static void generation_trim(struct generation *generation)
{
	while (generation->pool_count > 0)
		splice_free(generation->pool[--generation->pool_count]);
}

static void generation_count(const struct generation *generation, struct tracer_counters *traced,
	struct follow_counters *followed)
{
	const struct tracer_counters *more = tracer_counters(generation->tracer);
	const struct follow_counters *others = tracer_follow_counters(generation->tracer);

#define COUNTER_TRACER(name, ...) traced->name += more->name;
#define COUNTER_FOLLOW(name, ...) followed->name += others->name;
#define COUNTER_BUDGET(name, ...) followed->budget.name += others->budget.name;
#include "proxy/counters.def"
}

/* ---- all of them ---- */

struct generations *generations_new(const struct config *config, struct tracer *tracer)
{
	struct generations *generations = calloc(1, sizeof *generations);
	struct generation *first = generation_make(config, tracer);

	if (generations == NULL || first == NULL) {
		free(generations);
		free(first);
		return NULL;
	}
	TAILQ_INIT(&generations->list);
	TAILQ_INSERT_TAIL(&generations->list, first, link);
	generations->now = first;
	return generations;
}

void generations_free(struct generations *generations)
{
	struct generation *generation, *next;

	if (generations == NULL)
		return;
	for (generation = TAILQ_FIRST(&generations->list); generation != NULL; generation = next) {
		next = TAILQ_NEXT(generation, link);
		assert(generation->holders == 0);
		generation_free(generation);
	}
	free(generations);
}

void generations_renew(struct generations *generations, struct generation *fresh, uint64_t now_ns,
	uint64_t unix_ns)
{
	tracer_clock(fresh->tracer, now_ns, unix_ns);
	TAILQ_INSERT_TAIL(&generations->list, fresh, link);
	generations->now = fresh;
}

/* Nobody will come to it any more, nor is anybody there. */
static bool generations_is_over(
	const struct generations *generations, const struct generation *generation)
{
	return generation != generations->now && generation->holders == 0 &&
	       !tracer_is_in_use(generation->tracer);
}

void generations_tick(struct generations *generations, uint64_t now_ns, uint64_t unix_ns)
{
	struct generation *generation, *next;

	for (generation = TAILQ_FIRST(&generations->list); generation != NULL; generation = next) {
		next = TAILQ_NEXT(generation, link);
		tracer_clock(generation->tracer, now_ns, unix_ns);
		tracer_tick(generation->tracer, now_ns);
		if (!generations_is_over(generations, generation))
			continue;
		tracer_end(generation->tracer, TRACER_CONNECTION_CLOSED, now_ns);
		if (generation->owned_tracer == NULL)
			continue; /* it stays, with nothing to do */
		TAILQ_REMOVE(&generations->list, generation, link);
		generation_count(generation, &generations->traced, &generations->followed);
		generation_free(generation);
	}
}

void generations_end(struct generations *generations, uint64_t now_ns)
{
	struct generation *generation;

	TAILQ_FOREACH(generation, &generations->list, link)
		tracer_end(generation->tracer, TRACER_SHUTDOWN, now_ns);
}

void generations_trim(struct generations *generations)
{
	struct generation *generation;

	TAILQ_FOREACH(generation, &generations->list, link)
		generation_trim(generation);
}

void generations_counters(const struct generations *generations, struct tracer_counters *traced,
	struct follow_counters *followed)
{
	const struct generation *generation;

	*traced = generations->traced;
	*followed = generations->followed;
	TAILQ_FOREACH(generation, &generations->list, link)
		generation_count(generation, traced, followed);
}

/* Adds to the one of that type, or behind them; what is beyond the list is not told of. */
static size_t generations_merge(
	struct tracer_open list[TRACER_OPEN_MAX], size_t count, const struct tracer_open *more)
{
	size_t i;

	for (i = 0; i < count && strcmp(list[i].type, more->type) != 0; i++)
		;
	if (i == TRACER_OPEN_MAX)
		return count;
	if (i == count)
		list[i] = (struct tracer_open){.type = more->type};
	if (more->count > 0 && (list[i].count == 0 || more->oldest_ns < list[i].oldest_ns))
		list[i].oldest_ns = more->oldest_ns;
	list[i].count += more->count;
	return i == count ? count + 1 : count;
}

size_t generations_count_open(
	const struct generations *generations, struct tracer_open list[TRACER_OPEN_MAX])
{
	struct tracer_open more[TRACER_OPEN_MAX];
	const struct generation *generation;
	size_t count = 0, more_count, i;

	TAILQ_FOREACH(generation, &generations->list, link) {
		more_count = tracer_count_open(generation->tracer, more);
		for (i = 0; i < more_count; i++)
			count = generations_merge(list, count, &more[i]);
	}
	return count;
}

size_t generations_show_open(const struct generations *generations, size_t max, uint64_t now_ns,
	void (*show)(void *arg, const struct span *span), void *arg)
{
	const struct generation *generation;
	struct survey survey;
	size_t omitted, i;

	(void)survey_init(&survey, max); /* without memory all is omitted */
	TAILQ_FOREACH(generation, &generations->list, link) {
		survey.tracer = generation->tracer;
		tracer_survey(generation->tracer, &survey);
	}
	for (i = 0; i < survey.count; i++)
		tracer_show(&survey.list[i], now_ns, show, arg);
	omitted = survey_omitted(&survey);
	survey_done(&survey);
	return omitted;
}

/* ---- one of them ---- */

struct generation *generation_new(struct config *config, struct tracer *tracer)
{
	struct generation *generation = generation_make(config, tracer);

	if (generation == NULL)
		return NULL;
	generation->owned_config = config;
	generation->owned_tracer = tracer;
	return generation;
}

void generation_free(struct generation *generation)
{
	if (generation == NULL)
		return;
	generation_trim(generation);
	tracer_free(generation->owned_tracer);
	config_free(generation->owned_config);
	free(generation);
}

struct generation *generation_hold(struct generations *generations)
{
	generations->now->holders++;
	return generations->now;
}

void generation_leave(struct generation *generation)
{
	assert(generation->holders > 0);
	generation->holders--;
}

struct generation *generation_of(
	const struct generations *generations, const struct tracer_connection *connection)
{
	const struct tracer *tracer = tracer_connection_tracer(connection);
	struct generation *generation = generations->now;

	while (generation->tracer != tracer) { /* the newest first */
		generation = TAILQ_PREV(generation, generations_list, link);
		assert(generation != NULL);
	}
	return generation;
}

static struct splice *generation_splice_new(const struct generation *generation)
{
	struct place_rules rules = tracer_place_rules(generation->config);

	return splice_new(tracer_pointers(generation->tracer), &rules);
}

struct splice *generation_splice_get(struct generation *generation)
{
	struct splice *splice = generation->pool_count > 0
					? generation->pool[--generation->pool_count]
					: generation_splice_new(generation);

	generation->holders += splice != NULL;
	return splice;
}

void generation_splice_put(struct generation *generation, struct splice *splice)
{
	generation_leave(generation);
	if (generation->pool_count < GENERATION_POOL_MAX)
		generation->pool[generation->pool_count++] = splice;
	else
		splice_free(splice);
}

#ifndef TESTS_UNIT_LOOP_CASE_H
#define TESTS_UNIT_LOOP_CASE_H

#include <dirent.h>
#include <event2/event.h>
#include <pthread.h>
#include <time.h>

#include "proxy/loop.h"
#include "proxy/trace/tracer.h"
#include "tests/unit/config_case.h"

/* A loop with its settings and a tracer that records nothing: what sessions live in. */
struct loop_case {
	struct config_case load;
	struct tracer *tracer;
	struct loop loop;
};

/* flags: a server among them; NULL-terminated. */
static inline void loop_case_open(struct loop_case *setup, const char *const *flags)
{
	static const char *const no_variables[] = {NULL};
	char error[256];

	memset(setup, 0, sizeof *setup);
	config_case_load(&setup->load, flags, no_variables);
	ck_assert_msg(setup->load.outcome == CONFIG_RUN, "%s", setup->load.error);
	setup->tracer = tracer_new(setup->load.config, NULL, NULL, NULL, error, sizeof error);
	ck_assert_msg(setup->tracer != NULL, "%s", error);
	setup->loop.base = event_base_new();
	ck_assert_ptr_nonnull(setup->loop.base);
	ck_assert_int_eq(
		loop_init(&setup->loop, setup->loop.base, setup->load.config, setup->tracer), 0);
}

static inline void loop_case_close(struct loop_case *setup)
{
	struct event_base *base = setup->loop.base;

	loop_done(&setup->loop);
	tracer_free(setup->tracer);
	event_base_free(base);
	config_case_done(&setup->load);
}

/*
 * One turn: waits for the next event, the ticker's at the latest. Asserts nothing: that allocates.
 */
static inline void loop_case_turn(struct loop_case *setup)
{
	if (event_base_loop(setup->loop.base, EVLOOP_ONCE) != 0)
		abort();
}

/* Turns until the condition holds; the test's own time limit is the deadline. */
#define loop_case_until(setup, condition)                                                          \
	while (!(condition))                                                                       \
	loop_case_turn(setup)

/* How many entries the folder has: "/proc/self/fd", "/proc/self/task". */
static inline size_t loop_case_count(const char *folder)
{
	DIR *list = opendir(folder);
	size_t count = 0;

	ck_assert_ptr_nonnull(list);
	while (readdir(list) != NULL)
		count++;
	closedir(list);
	return count;
}

static inline void *loop_case_nothing(void *arg)
{
	return arg;
}

/* How many threads there are, with those that a sanitizer starts beside the first one. */
static inline size_t loop_case_threads(void)
{
	pthread_t first;

	ck_assert_int_eq(pthread_create(&first, NULL, loop_case_nothing, NULL), 0);
	ck_assert_int_eq(pthread_join(first, NULL), 0);
	return loop_case_count("/proc/self/task");
}

#endif

/* New settings for a loop that runs: what is in force afterwards, and what after a failure. */
#include "proxy/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/generation.h"
#include "proxy/pair.h"
#include "tests/unit/loop_case.h"

static struct loop_case setup;
static struct loop *const loop = &setup.loop;
static struct route route;
static struct reload reload;
static char *file;

static char program[] = "sidespan", upstream[] = "--upstream=tcp://127.0.0.1:7", flag[128];
static char *no_environment[] = {NULL};

static void set_up(void)
{
	const char *flags[] = {upstream, flag, NULL};
	char *argv[] = {program, upstream, flag, NULL};

	unit_hear_stderr();
	file = config_case_file("{\"idle.timeout\": \"7s\"}");
	snprintf(flag, sizeof flag, "--config=%s", file);
	loop_case_open(&setup, flags);
	memset(&route, 0, sizeof route);
	memset(&reload, 0, sizeof reload);
	ck_assert_int_eq(reload_init(&reload, 3, argv, no_environment), 0);
	argv[1] = NULL; /* the lists are ours no more */
}

static void tear_down(void)
{
	loop_case_close(&setup);
	reload_done(&reload);
	config_case_unlink(file);
}

static void write_file(const char *text)
{
	FILE *out = fopen(file, "we");

	ck_assert_ptr_nonnull(out);
	ck_assert_int_ge(fputs(text, out), 0);
	ck_assert_int_eq(fclose(out), 0);
}

static void run(void)
{
	const struct reload_subjects subjects = {.loop = loop, .route = &route};

	reload_run(&reload, &subjects);
}

static size_t count_generations(void)
{
	const struct generation *generation;
	size_t count = 0;

	TAILQ_FOREACH(generation, &loop->generations->list, link)
		count++;
	return count;
}

START_TEST(test_in_force)
{
	const struct config *first = loop->config;

	run();
	ck_assert_int_eq(unit_said("settings 2 are in force: nothing is other\n"), 1);
	ck_assert_ptr_ne(loop->config, first);
	ck_assert_ptr_eq(reload.latest, loop->config);
	write_file("{\"idle.timeout\": \"8s\", \"exporter\": \"console\"}");
	run();
	ck_assert_int_eq(unit_said("settings 3 are in force: other idle.timeout\n"), 1);
	ck_assert_int_eq(
		unit_said("restart to apply what cannot change while we run: exporter\n"), 1);
	ck_assert_int_eq(loop->config->idle_timeout_ms, 8000);
	ck_assert_uint_eq(count_generations(), 1);
	write_file("{\"idle.timeout\": \"8s\", \"propagation.inject\": [\"/params/_meta\"]}");
	run();
	ck_assert_int_eq(unit_said("settings 4 are in force: other propagation.inject, to record "
				   "connections to come by\n"),
		1);
	ck_assert_uint_eq(count_generations(), 2);
	ck_assert_ptr_eq(loop->generations->now->config, loop->config);
	ck_assert_ptr_null(reload.latest); /* the generation's */
	ck_assert_uint_eq(loop->counters.reloads, 3);
	ck_assert_uint_eq(loop->counters.reloads_failed, 0);
	ck_assert(!loop->config_failed);
}
END_TEST

/* What is wrong counts for nothing, and is said; so does what lacks memory, wherever. */
START_TEST(test_failed)
{
	const struct config *first = loop->config;
	unsigned failed = 1;
	long n;

	write_file("{\"idle.timeout\": \"soon\"}");
	run();
	ck_assert_int_eq(unit_said("error: the settings stay as they are: "), 1);
	ck_assert(loop->config_failed);
	write_file("{\"propagation.inject\": [\"/params/_meta\"]}");
	for (n = 0;; n++) {
		ck_assert_ptr_eq(loop->config, first);
		ck_assert_uint_eq(loop->config_number, 1);
		ck_assert_uint_eq(count_generations(), 1);
		unit_alloc_fail_once(n);
		run();
		unit_alloc_fail_never();
		if (!unit_alloc_failed() || loop->config != first)
			break; /* or it could do without that one */
		ck_assert_uint_eq(loop->counters.reloads_failed, ++failed);
		ck_assert(loop->config_failed);
	}
	ck_assert_uint_gt(failed, 20);
	ck_assert_uint_eq(loop->config_number, 2);
	ck_assert(!loop->config_failed);
	ck_assert_uint_eq(count_generations(), 2);
}
END_TEST

START_TEST(test_cannot_keep)
{
	char *argv[] = {program, upstream, NULL};
	struct reload kept = {.latest = NULL};
	long n;

	for (n = 0; n < 2; n++) {
		unit_alloc_fail_once(n);
		ck_assert_int_eq(reload_init(&kept, 2, argv, no_environment), -1);
		unit_alloc_fail_never();
		reload_done(&kept);
	}
	ck_assert_int_eq(reload_init(&kept, 2, argv, no_environment), 0);
	ck_assert_int_eq(kept.given.argc, 2);
	ck_assert_ptr_eq(kept.given.argv[0], program);
	ck_assert_ptr_eq(kept.given.argv[1], upstream);
	ck_assert_ptr_null(kept.given.argv[2]);
	ck_assert_ptr_null(kept.given.environment[0]);
	reload_done(&kept);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("reload");

	unit_fixture(set_up, tear_down);
	tcase_add_test(tc, test_in_force);
	tcase_add_test(tc, test_failed);
	tcase_add_test(tc, test_cannot_keep);
	return unit_run("reload", tc);
}

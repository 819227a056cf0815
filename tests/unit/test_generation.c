/*
 * Generations of settings: who has which, how long it stays, and what is left of it when it goes.
 */
#include "proxy/generation.h"
#include "tests/unit/envelope_case.h"
#include "tests/unit/loop_case.h"
#include "tests/unit/unit.h"

#define PROFILE "--profile=tests/unit/data/profiles/turns.json"
#define WORK(id)                                                                                   \
	"{\"method\":\"turn/started\",\"params\":{\"threadId\":\"t\",\"turn\":{\"id\":\"" id "\"}" \
	"}}"

static const char *const flags[] = {
	"--upstream=tcp://127.0.0.1:7", PROFILE, "--propagation-inject=/trace", NULL};
static const char *const other_flags[] = {
	"--upstream=tcp://127.0.0.1:7", PROFILE, "--propagation-inject=/params/_meta", NULL};

static struct loop_case setup;
static struct loop *const loop = &setup.loop;

static void generation_setup(void)
{
	loop_case_open(&setup, flags);
}

static void generation_teardown(void)
{
	loop_case_close(&setup);
}

static size_t generation_count_all(void)
{
	const struct generation *generation;
	size_t count = 0;

	TAILQ_FOREACH(generation, &loop->generations->list, link)
		count++;
	return count;
}

static struct config *generation_load(void)
{
	static const char *const no_variables[] = {NULL};
	struct config_case load;
	struct config *config;

	config_case_load(&load, other_flags, no_variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	config = load.config;
	load.config = NULL;
	config_case_done(&load);
	return config;
}

static struct tracer *generation_trace(const struct config *config)
{
	char error[256];
	struct tracer *tracer = tracer_new(config, NULL, NULL, NULL, error, sizeof error);

	ck_assert_msg(tracer != NULL, "%s", error);
	return tracer;
}

static void generation_renew(void)
{
	struct config *config = generation_load();
	struct tracer *tracer = generation_trace(config);

	loop_renew(loop, config, generation_new(config, tracer));
	ck_assert_ptr_eq(loop->config, config);
	ck_assert_ptr_eq(loop->generations->now->config, config);
	ck_assert_ptr_eq(loop->generations->now->tracer, tracer);
}

static void generation_tick(void)
{
	generations_tick(loop->generations, loop->now_ns, loop->now_ns);
}

/* Who holds one keeps it; the first is not ours to free. */
START_TEST(test_held)
{
	struct generation *first = generation_hold(loop->generations), *second;

	ck_assert_ptr_eq(first->config, setup.load.config);
	generation_renew();
	second = generation_hold(loop->generations);
	ck_assert_ptr_ne(second, first);
	generation_renew();
	generation_tick();
	ck_assert_uint_eq(generation_count_all(), 3);
	generation_leave(first);
	generation_tick();
	ck_assert_uint_eq(generation_count_all(), 3);
	generation_leave(second);
	ck_assert_uint_eq(generation_count_all(), 3); /* not at once */
	generation_tick();
	ck_assert_uint_eq(generation_count_all(), 2);
	generation_tick();
	ck_assert_uint_eq(generation_count_all(), 2); /* the one that newcomers have stays */
}
END_TEST

/* So does a connection of its tracer; and from that it is found. */
START_TEST(test_connections)
{
	struct tracer_connection *connections[3];
	struct generation *all[3];
	size_t i;

	for (i = 0; i < 3; i++) {
		if (i > 0)
			generation_renew();
		all[i] = loop->generations->now;
		connections[i] = tracer_connection_new(all[i]->tracer, i, "tcp", false);
		ck_assert_ptr_nonnull(connections[i]);
	}
	for (i = 0; i < 3; i++)
		ck_assert_ptr_eq(generation_of(loop->generations, connections[i]), all[i]);
	generation_tick();
	ck_assert_uint_eq(generation_count_all(), 3);
	for (i = 0; i < 3; i++)
		tracer_connection_free(connections[i], TRACER_CONNECTION_CLOSED, loop->now_ns);
	generation_tick();
	ck_assert_uint_eq(generation_count_all(), 2);
}
END_TEST

/* And a message that is being read; its splice goes back to where it is from. */
START_TEST(test_splices)
{
	struct generation *first = loop->generations->now, *second;
	struct splice *splices[2];

	generation_renew();
	second = loop->generations->now;
	splices[0] = generation_splice_get(first);
	splices[1] = generation_splice_get(second);
	generation_splice_put(second, splices[1]);
	generation_splice_put(first, splices[0]);
	ck_assert_ptr_eq(generation_splice_get(second), splices[1]);
	generation_renew();
	generation_tick();
	ck_assert_uint_eq(generation_count_all(), 3);
	generation_splice_put(second, splices[1]);
	ck_assert_uint_eq(first->pool_count, 1);
	generations_trim(loop->generations);
	ck_assert_uint_eq(first->pool_count + second->pool_count, 0);
	generation_tick();
	ck_assert_uint_eq(generation_count_all(), 2);
}
END_TEST

/* What they have counted is not lost with them. */
START_TEST(test_counters)
{
	struct tracer_counters traced;
	struct follow_counters followed;
	uint64_t *fields;
	size_t i;

	for (i = 0; i < 3; i++) {
		if (i > 0)
			generation_renew();
		fields = (uint64_t *)(uintptr_t)tracer_counters(loop->generations->now->tracer);
		fields[0] = 10;
		fields = (uint64_t *)(uintptr_t)tracer_follow_counters(
			loop->generations->now->tracer);
		fields[sizeof followed / sizeof *fields - 1] = 100;
	}
	for (i = 0; i < 2; i++) {
		generations_counters(loop->generations, &traced, &followed);
		fields = (uint64_t *)&traced;
		ck_assert_uint_eq(fields[0], 30);
		fields = (uint64_t *)&followed;
		ck_assert_uint_eq(fields[sizeof followed / sizeof *fields - 1], 300);
		generation_tick();
	}
	ck_assert_uint_eq(generation_count_all(), 2);
}
END_TEST

/* What goes on is told of as if there were one; a type is told of once. */
START_TEST(test_open)
{
	struct tracer_open list[TRACER_OPEN_MAX];

	generation_renew();
	ck_assert_uint_eq(generations_count_open(loop->generations, list), 4);
	ck_assert_str_eq(list[0].type, "request");
	ck_assert_str_eq(list[1].type, "turn");
	ck_assert_uint_eq(list[0].count, 0);
	ck_assert_uint_eq(
		generations_show_open(loop->generations, 10, loop->now_ns, NULL, NULL), 0);
}
END_TEST

/* Without memory for it there is none, nor anything left of it. */
START_TEST(test_none_without_memory)
{
	struct generations *made;
	long n;

	for (n = 0;; n++) {
		unit_alloc_fail_once(n);
		made = generations_new(setup.load.config, setup.tracer);
		unit_alloc_fail_never();
		if (!unit_alloc_failed())
			break;
		ck_assert_ptr_null(made);
	}
	ck_assert_int_gt(n, 1);
	ck_assert_ptr_nonnull(made);
	generations_free(made);
}
END_TEST

/* One that began over a connection of the generation, which has gone. */
static void generation_begin_work(struct generation *generation, const char *message)
{
	struct tracer_connection *connection =
		tracer_connection_new(generation->tracer, 1, "tcp", false);
	struct envelope_case reader;

	ck_assert_ptr_nonnull(connection);
	envelope_case_init(&reader, tracer_pointers(generation->tracer));
	tracer_backend_message(connection, envelope_case_read(&reader, message), loop->now_ns);
	envelope_case_done(&reader);
	tracer_connection_free(connection, TRACER_CONNECTION_CLOSED, loop->now_ns);
}

static void generation_count_shown(void *arg, const struct span *span)
{
	ck_assert_ptr_nonnull(span);
	++*(size_t *)arg;
}

static size_t generation_count_spans(void)
{
	struct tracer_open list[TRACER_OPEN_MAX];
	size_t count = 0, types = generations_count_open(loop->generations, list), i;

	for (i = 0; i < types; i++)
		count += list[i].count;
	return count;
}

/*
 * What a server does goes on when the last connection has left, but nobody will hear of it where
 * nobody can come any more. That is so of the first generation, too, which stays.
 */
START_TEST(test_work_that_nobody_hears_of)
{
	struct generation *first = loop->generations->now, *second;
	uint64_t began_ns = loop->now_ns;
	struct tracer_open list[TRACER_OPEN_MAX];
	size_t shown = 0;

	generation_begin_work(first, WORK("one"));
	generation_tick();
	ck_assert_uint_eq(generation_count_spans(), 1);
	generation_renew();
	second = loop->generations->now;
	loop->now_ns += 1000000000;
	generation_begin_work(second, WORK("two"));
	ck_assert_uint_eq(generation_count_spans(), 2);
	ck_assert_uint_eq(generations_count_open(loop->generations, list), 4);
	ck_assert_str_eq(list[1].type, "turn");
	ck_assert_uint_eq(list[1].count, 2);
	ck_assert_uint_eq(list[1].oldest_ns, began_ns); /* of both */
	ck_assert_uint_eq(list[0].oldest_ns, 0);
	ck_assert_uint_eq(generations_show_open(loop->generations, 10, loop->now_ns,
				  generation_count_shown, &shown),
		0);
	ck_assert_uint_eq(shown, 2);
	shown = 0;
	ck_assert_uint_eq(generations_show_open(loop->generations, 1, loop->now_ns,
				  generation_count_shown, &shown),
		1); /* is left out */
	ck_assert_uint_eq(shown, 1);
	generation_tick();
	ck_assert_uint_eq(generation_count_spans(), 1);
	ck_assert_uint_eq(tracer_follow_counters(first->tracer)->followed, 1);
	generation_renew();
	generation_tick();
	ck_assert_uint_eq(generation_count_spans(), 0);
	ck_assert_uint_eq(generation_count_all(), 2);
	generation_tick();
	ck_assert_uint_eq(generation_count_all(), 2);
}
END_TEST

/* The settings alone: nobody's messages are looked at differently. */
START_TEST(test_settings_alone)
{
	struct generation *first = loop->generations->now;
	struct config *config = generation_load();

	loop_renew(loop, config, NULL);
	ck_assert_ptr_eq(loop->config, config);
	ck_assert_ptr_eq(loop->generations->now, first);
	loop->config = setup.load.config;
	config_free(config);
}
END_TEST

/* Then nothing is taken; and one that is not wanted after all goes with what it has taken. */
START_TEST(test_no_memory)
{
	struct config *config = generation_load();
	struct tracer *tracer = generation_trace(config);
	struct generation *generation;

	unit_alloc_fail_after(0);
	generation = generation_new(config, tracer);
	unit_alloc_fail_never();
	ck_assert_ptr_null(generation);
	generation_free(generation);
	generation_free(generation_new(config, tracer));
	ck_assert_uint_eq(generation_count_all(), 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("generation");

	unit_fixture(generation_setup, generation_teardown);
	tcase_add_test(tc, test_held);
	tcase_add_test(tc, test_connections);
	tcase_add_test(tc, test_splices);
	tcase_add_test(tc, test_counters);
	tcase_add_test(tc, test_open);
	tcase_add_test(tc, test_none_without_memory);
	tcase_add_test(tc, test_work_that_nobody_hears_of);
	tcase_add_test(tc, test_settings_alone);
	tcase_add_test(tc, test_no_memory);
	return unit_run("generation", tc);
}

/* The numbers that operators are told: which, of what kind, in which order. */
#include "proxy/numbers.h"
#include "exporter/metrics/number.h"
#include "proxy/counters.h"
#include "proxy/generation.h"
#include "tests/unit/loop_case.h"
#include "tests/unit/unit.h"

#define TOLD_MAX 512

static struct loop_case setup;
static struct number told[TOLD_MAX];
static char names[TOLD_MAX][96];
static size_t told_count;

static void take(void *arg, const struct number *number)
{
	ck_assert_ptr_eq(arg, &setup);
	ck_assert_uint_lt(told_count, TOLD_MAX);
	ck_assert_str_ne(number->help, "");
	ck_assert_ptr_nonnull(number->unit);
	told[told_count] = *number;
	(void)snprintf(names[told_count], sizeof names[0], "%s", number->name);
	told[told_count].name = names[told_count];
	told_count++;
}

static void tell(void)
{
	told_count = 0;
	numbers_tell(&setup.loop, NULL, take, &setup);
}

/* value: of its label, or NULL. */
static const struct number *find(const char *name, const char *value)
{
	size_t i;

	for (i = 0; i < told_count; i++)
		if (strcmp(told[i].name, name) == 0 &&
			(value == NULL || strcmp(told[i].value, value) == 0))
			return &told[i];
	ck_abort_msg("no %s of %s", name, value != NULL ? value : "its own");
}

static void open_loop(void)
{
	static const char *const flags[] = {"--upstream=tcp://127.0.0.1:7",
		"--profile=tests/unit/data/profiles/turns.json", NULL};

	loop_case_open(&setup, flags);
}

static void close_loop(void)
{
	loop_case_close(&setup);
}

START_TEST(test_counters)
{
	setup.loop.counters.connections = UINT64_MAX;
	tell();
	ck_assert_uint_gt(told_count, COUNTERS_COUNT + 6);
	ck_assert_uint_eq(find("sidespan.connections", NULL)->whole, UINT64_MAX);
	ck_assert(find("sidespan.connections", NULL)->is_total);
	ck_assert_uint_eq(find("sidespan.spans.created", NULL)->whole, 0);
	ck_assert(!find("sidespan.spans.pending", NULL)->is_total);
	ck_assert_str_eq(find("sidespan.build_info", SIDESPAN_VERSION)->label, "version");
}
END_TEST

START_TEST(test_settings)
{
	setup.loop.config_number = 3;
	setup.loop.config_unix_ns = 1800000000999999999;
	tell();
	ck_assert_uint_eq(find("sidespan.config_generation", NULL)->whole, 3);
	ck_assert_uint_eq(find("sidespan.config_last_reload_successful", NULL)->whole, 1);
	ck_assert_uint_eq(
		find("sidespan.config_last_reload_success_timestamp", NULL)->whole, 1800000000);
	setup.loop.config_failed = true;
	tell();
	ck_assert_uint_eq(find("sidespan.config_last_reload_successful", NULL)->whole, 0);
}
END_TEST

/* Of each type one, behind the other; without work there is no oldest. */
START_TEST(test_open_by_type)
{
	const struct number *request, *turn;

	tell();
	request = find("sidespan.open", "request");
	turn = find("sidespan.open", "turn");
	ck_assert_ptr_eq(turn, request + 1);
	ck_assert(!request->goes_on && turn->goes_on);
	ck_assert_uint_eq(request->whole, 0);
	request = find("sidespan.open_oldest_age", "request");
	ck_assert(request->is_real && !request->is_total && !request->goes_on);
	ck_assert_str_eq(request->unit, "s");
	ck_assert(request->real == 0);
}
END_TEST

START_TEST(test_process)
{
	tell();
	ck_assert(find("process.cpu", NULL)->real >= 0 && find("process.cpu", NULL)->is_total);
	ck_assert_uint_gt(find("process.resident_memory", NULL)->whole, 100000);
	ck_assert_str_eq(find("process.resident_memory", NULL)->unit, "By");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("numbers");

	tcase_add_checked_fixture(tc, open_loop, close_loop);
	tcase_add_test(tc, test_counters);
	tcase_add_test(tc, test_settings);
	tcase_add_test(tc, test_open_by_type);
	tcase_add_test(tc, test_process);
	return unit_run("numbers", tc);
}

/* Instruments: all that is said of each, our own and those of a profile. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config/profile/profile.h"
#include "exporter/metrics/metrics.h"
#include "proxy/measures.h"
#include "tests/unit/config_case.h"
#include "tests/unit/unit.h"

static const char profile[] =
	"{\"name\": \"p\", \"lifecycle\": {"
	"\"spans\": {\"job\": {\"name\": \"job\", \"key\": [\"id\"]}},"
	"\"rules\": [{\"on\": \"notification\", \"methods\": [\"j\"], \"do\": \"open\", \"span\": "
	"\"job\","
	" \"key\": [\"/params/id\"], \"set\": {\"size\": \"/params/size\", \"kind\": "
	"\"/params/kind\"}}]},"
	"\"metrics\": ["
	"{\"name\": \"job.duration\", \"span\": \"job\", \"labels\": [\"kind\"]},"
	"{\"name\": \"job.size\", \"unit\": \"By\", \"help\": \"How large.\", \"span\": \"job\","
	" \"value\": \"size\", \"labels\": [\"kind\"], \"set\": {\"side\": \"ours\"}},"
	"{\"name\": \"job.wait\", \"unit\": \"s\", \"span\": \"request\", \"bounds\": [0.5, 7]}]}";

#define SECONDS "0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10"
#define AMOUNTS                                                                                    \
	"1 4 16 64 256 1024 4096 16384 65536 262144 1.04858e+06 4.1943e+06 1.67772e+07 "           \
	"6.71089e+07"

/* NAME UNIT of SPAN ATTRIBUTE: HELP, labels, bounds */
static const char *const expected[] = {
	"rpc.server.call.duration s of request -: "
	"Requests of clients, from their first byte to the last of their answer. "
	"rpc.method rpc.response.status_code error.type rpc.system.name=jsonrpc rpc.transport=unix "
	"sidespan.profile=p: " SECONDS,
	"job.duration s of job -: job.duration kind: " SECONDS,
	"job.size By of job size: How large. kind side=ours: " AMOUNTS,
	"job.wait s of request -: job.wait: 0.5 7",
};

enum { INSTRUMENTS = sizeof expected / sizeof expected[0] };

static struct config_case load;
static char *file;

static void measures_setup(void)
{
	static const char *const nothing[] = {NULL};
	char flag[256];
	const char *const flags[] = {
		flag, "--upstream=unix:///nowhere", "--metrics-series-max=10", NULL};

	file = config_case_file(profile);
	snprintf(flag, sizeof flag, "--profile=%s", file);
	config_case_load(&load, flags, nothing);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
}

static void measures_teardown(void)
{
	config_case_done(&load);
	config_case_unlink(file);
}

static const char *told(const struct metrics_instrument *instrument)
{
	static char text[1024];
	size_t used, i;

	used = (size_t)snprintf(text, sizeof text, "%s %s of %s %s: %s", instrument->name,
		instrument->unit, instrument->span,
		instrument->attribute != NULL ? instrument->attribute : "-", instrument->help);
	for (i = 0; i < instrument->label_count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, " %s%s%s",
			instrument->labels[i].key, instrument->labels[i].value != NULL ? "=" : "",
			instrument->labels[i].value != NULL ? instrument->labels[i].value : "");
	for (i = 0; i < instrument->bound_count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%g",
			i == 0 ? ": " : " ", instrument->bounds[i]);
	return text;
}

START_TEST(test_instruments)
{
	struct measures *measures = measures_new(load.config, "unix");
	const struct metrics_instrument *list;
	size_t count, i;

	ck_assert_ptr_nonnull(measures);
	list = metrics_list(measures_metrics(measures), &count);
	ck_assert_uint_eq(count, INSTRUMENTS);
	for (i = 0; i < INSTRUMENTS; i++)
		ck_assert_str_eq(told(&list[i]), expected[i]);
	measures_free(measures);
	measures_free(NULL);
}
END_TEST

/* The name that the status has with the other conventions. */
START_TEST(test_conventions)
{
	struct measures *measures;
	const struct metrics_instrument *list;
	size_t count;

	load.config->semconv = CONFIG_SEMCONV_RPC;
	measures = measures_new(load.config, "unix");
	ck_assert_ptr_nonnull(measures);
	list = metrics_list(measures_metrics(measures), &count);
	ck_assert_str_eq(list[0].labels[1].key, "rpc.status_code");
	measures_free(measures);
}
END_TEST

/* Each thing that is said of an instrument: with another one it would not be the same. */
START_TEST(test_others)
{
	struct config config = *load.config;
	struct profile mine = *config.profile;
	struct profile_metric rows[INSTRUMENTS - 1];
	char other[] = "other", side[] = "side", *label = other;
	struct profile_constant constant = {.attribute = side, .value = other};
	struct measures *measures = measures_new(load.config, "unix");
	double bounds[2] = {0.5, 8};
	size_t i;

	ck_assert(measures_are_of(measures, load.config));
	config.profile = &mine;
	mine.metrics = rows;
	for (i = 0; i <= 9; i++) {
		memcpy(rows, load.config->profile->metrics, sizeof rows);
		rows[0].name = i == 1 ? other : rows[0].name;
		rows[0].help = i == 2 ? other : rows[0].help;
		rows[0].unit = i == 3 ? other : rows[0].unit;
		rows[0].span = i == 4 ? other : rows[0].span;
		rows[0].labels = i == 5 ? &label : rows[0].labels;
		rows[0].label_count = i == 6 ? 0 : rows[0].label_count;
		rows[1].attribute = i == 7 ? NULL : rows[1].attribute;
		rows[1].constants = i == 8 ? &constant : rows[1].constants;
		rows[2].bounds = i == 9 ? bounds : rows[2].bounds;
		ck_assert_msg(measures_are_of(measures, &config) == (i == 0), "%zu", i);
	}
	memcpy(rows, load.config->profile->metrics, sizeof rows);
	mine.metric_count--;
	ck_assert(!measures_are_of(measures, &config));
	mine.metric_count++;
	mine.name = other;
	ck_assert(!measures_are_of(measures, &config));
	measures_free(measures);
}
END_TEST

/* So many series as there may be, of each instrument. */
START_TEST(test_series_max)
{
	struct measures *measures = measures_new(load.config, "unix");
	struct metrics *metrics = measures_metrics(measures);
	const struct metrics_series *series;
	size_t count = 0, i;

	for (i = 0; i < 20; i++) {
		char method[8];
		struct span_attribute attribute = {.key = "rpc.method", .type = SPAN_VALUE_STRING};
		struct span span = {
			.type = "request", .attributes = &attribute, .attribute_count = 1};

		snprintf(method, sizeof method, "m%zu", i);
		attribute.value.string = span_text_of(method);
		metrics_record(metrics, &span);
	}
	for (series = metrics_first(metrics, 0); series != NULL; series = series->next)
		count++;
	ck_assert_uint_eq(count, 10 + 1); /* and what is beyond */
	measures_free(measures);
}
END_TEST

START_TEST(test_no_memory)
{
	struct measures *measures = NULL;
	long n;

	for (n = 0; measures == NULL; n++) {
		ck_assert_int_lt(n, 20);
		unit_alloc_fail_once(n);
		measures = measures_new(load.config, "unix");
		ck_assert_int_eq(measures == NULL, unit_alloc_failed());
		unit_alloc_fail_never();
	}
	ck_assert_int_gt(n, 1);
	measures_free(measures);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("measures");

	unit_fixture(measures_setup, measures_teardown);
	tcase_add_test(tc, test_instruments);
	tcase_add_test(tc, test_conventions);
	tcase_add_test(tc, test_others);
	tcase_add_test(tc, test_series_max);
	tcase_add_test(tc, test_no_memory);
	return unit_run("measures", tc);
}

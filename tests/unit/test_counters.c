/*
 * The table of counters: its rows, the lines made of it, and the page that tells of it and of the
 * limits.
 */
#include <ctype.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/options.h"
#include "exporter/exporter.h"
#include "proxy/counters.h"
#include "proxy/generation.h"
#include "proxy/loop.h"
#include "proxy/trace/follow/emit.h"
#include "proxy/trace/tracer.h"
#include "tests/unit/config_case.h"
#include "tests/unit/unit.h"

#define PAGE "proxy/sidespan-spans.7"

static struct counter list[COUNTERS_COUNT];

/* All of what is counted is of this value. */
static void read_all(uint64_t value)
{
	static const char *const flags[] = {"--", "server", NULL}, *const variables[] = {NULL};
	struct exporter_counters exported;
	struct loop loop = {.base = NULL};
	struct config_case made;
	struct tracer *tracer;
	char error[128];
	uint64_t *fields;
	size_t i;

	config_case_load(&made, flags, variables);
	ck_assert_msg(made.outcome == CONFIG_RUN, "%s", made.error);
	tracer = tracer_new(made.config, NULL, NULL, NULL, error, sizeof error);
	ck_assert_ptr_nonnull(tracer);
	loop.generations = generations_new(made.config, tracer);
	ck_assert_ptr_nonnull(loop.generations);
	fields = (uint64_t *)&loop.counters;
	for (i = 0; i < sizeof loop.counters / sizeof *fields; i++)
		fields[i] = value;
	fields = (uint64_t *)&exported;
	for (i = 0; i < sizeof exported / sizeof *fields; i++)
		fields[i] = value;
	fields = (uint64_t *)(uintptr_t)tracer_counters(tracer);
	for (i = 0; i < sizeof(struct tracer_counters) / sizeof *fields; i++)
		fields[i] = value;
	fields = (uint64_t *)(uintptr_t)tracer_follow_counters(tracer);
	for (i = 0; i < sizeof(struct follow_counters) / sizeof *fields; i++)
		fields[i] = value;
	counters_read(list, &loop, &exported);
	generations_free(loop.generations);
	tracer_free(tracer);
	config_case_done(&made);
}

static void is_name(const char *name)
{
	ck_assert_uint_gt(strlen(name), 0);
	ck_assert_uint_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
}

/* Names are told apart, and each help goes on where its name ends. */
START_TEST(test_rows)
{
	static const char gauges[] = "pending spooled spool_bytes collector_away";
	size_t i, j, spans = 0;

	read_all(1);
	for (i = 0; i < COUNTERS_COUNT; i++) {
		const char *help = list[i].help;

		is_name(list[i].name);
		for (j = 0; j < i; j++)
			ck_assert_str_ne(list[i].name, list[j].name);
		ck_assert_msg(islower((unsigned char)help[0]) || strncmp(help, "HTTP", 4) == 0,
			"%s: %s", list[i].name, help);
		ck_assert_msg(help[strlen(help) - 1] != '.', "%s: %s", list[i].name, help);
		ck_assert_int_eq(
			list[i].kind == COUNTER_GAUGE, strstr(gauges, list[i].name) != NULL);
		spans += list[i].of_spans;
	}
	ck_assert_uint_eq(spans, 13);
	ck_assert_uint_gt(COUNTERS_COUNT, 50);
}
END_TEST

/* Nothing has been counted by those who are not there, or only once there is a program. */
static bool is_elsewhere(const char *name)
{
	return strncmp(name, "log_", 4) == 0 || strncmp(name, "metric_", 7) == 0 ||
	       strstr(name, "_recorded") != NULL;
}

/* Each row is read from somewhere. */
START_TEST(test_read)
{
	size_t i;

	read_all(7);
	for (i = 0; i < COUNTERS_COUNT; i++)
		ck_assert_uint_eq(list[i].value, is_elsewhere(list[i].name) ? 0 : 7);
}
END_TEST

/* In any room all are there, in order, whole, and none twice. */
START_TEST(test_format)
{
	size_t next = 0, at = 0, room, lines = 0;
	char text[512], expected[128], *from;

	read_all(UINT64_MAX);
	for (room = 60; room <= sizeof text; room++, next = at = lines = 0) {
		while (counters_format(text, room, list, false, &next)) {
			ck_assert_uint_lt(strlen(text), room);
			for (from = text; *from != '\0'; from += strlen(expected)) {
				while (list[at].of_spans || list[at].value == 0)
					at++;
				snprintf(expected, sizeof expected, " %s=18446744073709551615",
					list[at++].name);
				ck_assert_int_eq(strncmp(from, expected, strlen(expected)), 0);
			}
			lines++;
		}
		ck_assert_uint_eq(next, COUNTERS_COUNT);
		ck_assert_uint_gt(lines, 1);
	}
	read_all(0);
	next = 0;
	ck_assert(!counters_format(text, sizeof text, list, false, &next));
	ck_assert_str_eq(text, "");
}
END_TEST

/* The manual page has what --manual-counters prints, to the letter. */
START_TEST(test_manual)
{
	static const char begin[] = ".\\\" Written by sidespan --manual-counters:\n";
	static const char end[] = ".\\\" End of the counters.\n";
	char *text = NULL, *page, *from, *to;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(out);
	counters_print_manual(out);
	ck_assert_int_eq(fclose(out), 0);
	page = unit_read_file(PAGE, &size);
	from = strstr(page, begin);
	to = strstr(page, end);
	ck_assert_ptr_nonnull(from);
	ck_assert_ptr_nonnull(to);
	*to = '\0';
	ck_assert_str_eq(from + strlen(begin), text);
	read_all(0);
	for (i = 0; i < COUNTERS_COUNT; i++) {
		char item[128];

		snprintf(item, sizeof item, "\n.It Sy %s\n", list[i].name);
		ck_assert_msg(strstr(text, item) != NULL, "%s", item);
	}
	unit_free_foreign(text);
	free(page);
}
END_TEST

static bool is_counter(const char *name, size_t size)
{
	size_t i;

	for (i = 0; i < COUNTERS_COUNT; i++)
		if (strlen(list[i].name) == size && strncmp(list[i].name, name, size) == 0)
			return true;
	return false;
}

/* The part of the page about limits; NULL-terminated, freed by the caller. */
static char *limits_read(void)
{
	size_t size;
	char *page = unit_read_file(PAGE, &size);
	char *from = strstr(page, "\n.Sh LIMITS\n");
	char *to = strstr(page, "\n.Sh COUNTERS\n");

	ck_assert_ptr_nonnull(from);
	ck_assert_ptr_nonnull(to);
	to[1] = '\0';
	memmove(page, from, strlen(from) + 1);
	return page;
}

/* What the limits name as a counter is one. */
START_TEST(test_limits_are_counted)
{
	size_t size, named = 0;
	char *limits = limits_read(), *at;

	read_all(0);
	for (at = limits; (at = strstr(at, "Va ")) != NULL; named++) {
		at += strlen("Va ");
		size = strcspn(at, " \n");
		ck_assert_msg(is_counter(at, size), "%.*s: no counter", (int)size, at);
	}
	ck_assert_uint_gt(named, 45);
	free(limits);
}
END_TEST

/* Whether the option is how much there may be of something. */
static bool is_limit(const struct option *option)
{
	const char *last = strrchr(option->name, '.');

	return (option->type == OPTION_TYPE_INT || option->type == OPTION_TYPE_SIZE ||
		       option->type == OPTION_TYPE_DURATION) &&
	       last != NULL && strncmp(option->name, "retry.", 6) != 0 &&
	       (strstr(last, "max") != NULL || strstr(last, "timeout") != NULL);
}

/* They have each option that is one, with its default behind the colon. */
START_TEST(test_limits_are_the_options)
{
	char *limits = limits_read();
	size_t i, count = 0;

	for (i = 0; i < OPTION_COUNT; i++) {
		const struct option *option = option_at(i);
		char item[128], line[512];
		const char *at, *rest;

		if (!is_limit(option))
			continue;
		snprintf(item, sizeof item, "\n.It Sy %s ", option->name);
		at = strstr(limits, item);
		ck_assert_msg(at != NULL, "%s: not among the limits", option->name);
		snprintf(line, sizeof line, "%.*s ", (int)strcspn(at + 1, "\n"), at + 1);
		rest = strstr(line, ": ");
		ck_assert_msg(rest != NULL, "%s: no colon", line);
		snprintf(item, sizeof item, " %s ", option->text[0] == '0' ? "none" : option->text);
		ck_assert_msg(strstr(rest, item) != NULL, "%s: not%s", line, item);
		count++;
	}
	ck_assert_uint_gt(count, 30);
	free(limits);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("counters");

	tcase_add_test(tc, test_rows);
	tcase_add_test(tc, test_read);
	tcase_add_test(tc, test_format);
	tcase_add_test(tc, test_manual);
	tcase_add_test(tc, test_limits_are_counted);
	tcase_add_test(tc, test_limits_are_the_options);
	return unit_run("counters", tc);
}

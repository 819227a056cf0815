/* The numbers, in the order in which they are told; see numbers.h. */
#include "proxy/numbers.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "exporter/exporter.h"
#include "exporter/metrics/number.h"
#include "proxy/counters.h"
#include "proxy/generation.h"
#include "proxy/loop.h"

#define NUMBERS_NAME_SIZE 96

struct numbers {
	void (*take)(void *arg, const struct number *number);
	void *arg;
};

static void numbers_whole(
	const struct numbers *numbers, const char *name, const char *help, uint64_t value)
{
	numbers->take(numbers->arg,
		&(struct number){.name = name, .unit = "", .help = help, .whole = value});
}

static void numbers_tell_counters(
	const struct numbers *numbers, const struct loop *loop, struct exporter *exporter)
{
	struct exporter_counters at = {.created = 0};
	struct counter list[COUNTERS_COUNT];
	char name[NUMBERS_NAME_SIZE];
	size_t i;

	if (exporter != NULL)
		exporter_counters_read(exporter, &at);
	counters_read(list, loop, &at);
	for (i = 0; i < COUNTERS_COUNT; i++) {
		(void)snprintf(name, sizeof name, "sidespan.%s%s", list[i].of_spans ? "spans." : "",
			list[i].name); /* fits: names are words */
		numbers->take(numbers->arg, &(struct number){.name = name,
						    .unit = "",
						    .help = list[i].help,
						    .is_total = list[i].kind == COUNTER_TOTAL,
						    .whole = list[i].value});
	}
}

/* What goes on now, by type: how much, and for how long the oldest of it. */
static void numbers_tell_open(const struct numbers *numbers, const struct loop *loop)
{
	struct tracer_open list[TRACER_OPEN_MAX];
	size_t count = generations_count_open(loop->generations, list), i;

	for (i = 0; i < count; i++)
		numbers->take(numbers->arg,
			&(struct number){.name = "sidespan.open",
				.unit = "",
				.help = "Requests that wait for their answer, and work that goes "
					"on, by its type.",
				.goes_on = i > 0,
				.label = "type",
				.value = list[i].type,
				.whole = list[i].count});
	for (i = 0; i < count; i++)
		numbers->take(numbers->arg,
			&(struct number){.name = "sidespan.open_oldest_age",
				.unit = "s",
				.help = "For how long the oldest of it has been going on; 0: there "
					"is none.",
				.goes_on = i > 0,
				.label = "type",
				.value = list[i].type,
				.is_real = true,
				.real = list[i].count > 0 && loop->now_ns > list[i].oldest_ns
						? (double)(loop->now_ns - list[i].oldest_ns) / 1e9
						: 0});
}

static void numbers_tell_settings(const struct numbers *numbers, const struct loop *loop)
{
	numbers_whole(numbers, "sidespan.config_generation",
		"Which settings are in force; the first are 1.", loop->config_number);
	numbers_whole(numbers, "sidespan.config_last_reload_successful",
		"0 when settings were read again since, and were of no use.",
		loop->config_failed ? 0 : 1);
	numbers->take(numbers->arg,
		&(struct number){.name = "sidespan.config_last_reload_success_timestamp",
			.unit = "s",
			.help = "When the settings were read that are in force.",
			.whole = loop->config_unix_ns / 1000000000});
}

static double numbers_seconds(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

/* The second number of /proc/self/statm is of pages. 0: it does not tell. */
static uint64_t numbers_resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	char line[128] = "";
	const char *second;

	if (file == NULL)
		return 0;
	second = fgets(line, sizeof line, file) != NULL ? strchr(line, ' ') : NULL;
	(void)fclose(file); /* it was only read */
	return second != NULL ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

/* The process itself, by the names that all exporters for Prometheus have. */
static void numbers_tell_process(const struct numbers *numbers)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) == 0)
		numbers->take(numbers->arg,
			&(struct number){.name = "process.cpu",
				.unit = "s",
				.help = "Processor time of user and system, in seconds.",
				.is_total = true,
				.is_real = true,
				.real = numbers_seconds(&usage.ru_utime) +
					numbers_seconds(&usage.ru_stime)});
	numbers->take(numbers->arg, &(struct number){.name = "process.resident_memory",
					    .unit = "By",
					    .help = "Resident memory in bytes.",
					    .whole = numbers_resident_bytes()});
}

void numbers_tell(const struct loop *loop, struct exporter *exporter,
	void (*take)(void *arg, const struct number *number), void *arg)
{
	const struct numbers numbers = {take, arg};

	take(arg, &(struct number){.name = "sidespan.build_info",
			  .unit = "",
			  .help = "The version, as a label.",
			  .label = "version",
			  .value = SIDESPAN_VERSION,
			  .whole = 1});
	numbers_tell_counters(&numbers, loop, exporter);
	numbers_whole(&numbers, "sidespan.connections_open", "Clients that are served now.",
		loop->guest_count);
	numbers_tell_open(&numbers, loop);
	numbers_tell_settings(&numbers, loop);
	numbers_tell_process(&numbers);
}

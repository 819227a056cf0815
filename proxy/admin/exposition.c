/*
 * The text format; see exposition.h. Names and texts of help are ours and need no escaping.
 */
#include "proxy/admin/exposition.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proxy/counters.h"
#include "w3c/utf8.h"

/* ---- the format ---- */

void exposition_family(FILE *out, const char *name, const char *type, const char *help)
{
	(void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void exposition_label(FILE *out, const char *bytes, size_t size)
{
	char text[UTF8_SIZE_MAX];
	uint32_t character;

	while (size > 0) {
		size_t used = utf8_next(bytes, size, &character);

		if (character == UTF8_BROKEN)
			character = 0xfffd;
		if (character == '\n')
			(void)fputs("\\n", out);
		else if (character == '"' || character == '\\')
			(void)fprintf(out, "\\%c", (char)character);
		else
			(void)fwrite(text, 1, (size_t)(utf8_put(text, character) - text), out);
		bytes += used;
		size -= used;
	}
}

void exposition_number(FILE *out, double value)
{
	if (isinf(value))
		(void)fputs(value > 0 ? "+Inf" : "-Inf", out);
	else if (value > -1e15 && value < 1e15 && value == (double)(int64_t)value)
		(void)fprintf(out, "%lld", (long long)value);
	else
		(void)fprintf(out, "%.9g", value);
}

void exposition_single(
	FILE *out, const char *name, const char *type, const char *help, double value)
{
	exposition_family(out, name, type, help);
	(void)fprintf(out, "%s ", name);
	exposition_number(out, value);
	(void)fputc('\n', out);
}

/* ---- what is counted ---- */

void exposition_counters(FILE *out, const struct counter *list, size_t count)
{
	static const char *const types[] = {
		[COUNTER_TOTAL] = "counter",
		[COUNTER_GAUGE] = "gauge",
	};
	size_t i;

	for (i = 0; i < count; i++) {
		const char *spans = list[i].of_spans ? "spans_" : "";
		const char *end = list[i].kind == COUNTER_TOTAL ? "_total" : "";

		(void)fprintf(out,
			"# HELP sidespan_%s%s%s %s: %s\n# TYPE sidespan_%s%s%s %s\n"
			"sidespan_%s%s%s %llu\n",
			spans, list[i].name, end, list[i].name, list[i].help, spans, list[i].name,
			end, types[list[i].kind], spans, list[i].name, end,
			(unsigned long long)list[i].value);
	}
}

/* ---- the process ---- */

static double exposition_seconds(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

/* The second number of /proc/self/statm is of pages. 0: it does not tell. */
static double exposition_resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	char line[128] = "";
	const char *second;

	if (file == NULL)
		return 0;
	second = fgets(line, sizeof line, file) != NULL ? strchr(line, ' ') : NULL;
	(void)fclose(file); /* it was only read */
	return second != NULL ? (double)strtoull(second, NULL, 10) * (double)sysconf(_SC_PAGESIZE)
			      : 0;
}

void exposition_process(FILE *out)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) == 0)
		exposition_single(out, "process_cpu_seconds_total", "counter",
			"Processor time of user and system, in seconds.",
			exposition_seconds(&usage.ru_utime) + exposition_seconds(&usage.ru_stime));
	exposition_single(out, "process_resident_memory_bytes", "gauge",
		"Resident memory in bytes.", exposition_resident_bytes());
}

/*
 * counters.def at run time: read from those who count, written as lines at exit and as a part of
 * the manual page. Nothing can fail but the writing, which whoever owns the stream looks at.
 */
#include "proxy/counters.h"

#include <string.h>

#include "exporter/exporter.h"
#include "exporter/metrics/metrics.h"
#include "exporter/poster.h"
#include "proxy/explain/recorder.h"
#include "proxy/generation.h"
#include "proxy/log.h"
#include "proxy/loop.h"

#define COUNTERS_ROW(of_spans, name, kind, help, value)                                            \
	{                                                                                          \
#name, COUNTER_##kind, help, of_spans, value                                       \
	}

void counters_read(struct counter list[COUNTERS_COUNT], const struct loop *loop,
	const struct exporter_counters *exported)
{
	const struct loop_counters *seen = &loop->counters;
	const struct recorder_counters recorded = recorder_counters(loop->recorder);
	const struct log_counters logged = log_counters_read();
	const struct metrics_counters measured =
		metrics_counters(tracer_metrics(loop->generations->now->tracer));
	const struct poster_counters posted = poster_counters(loop->poster);
	struct tracer_counters traced;
	struct follow_counters followed;
	generations_counters(loop->generations, &traced, &followed);
	const struct counter now[] = {
#define COUNTER_LOOP(name, ...)     COUNTERS_ROW(false, name, __VA_ARGS__, seen->name),
#define COUNTER_TRACER(name, ...)   COUNTERS_ROW(false, name, __VA_ARGS__, traced.name),
#define COUNTER_FOLLOW(name, ...)   COUNTERS_ROW(false, name, __VA_ARGS__, followed.name),
#define COUNTER_BUDGET(name, ...)   COUNTERS_ROW(false, name, __VA_ARGS__, followed.budget.name),
#define COUNTER_RECORDER(name, ...) COUNTERS_ROW(false, name, __VA_ARGS__, recorded.name),
#define COUNTER_LOG(name, ...)      COUNTERS_ROW(false, name, __VA_ARGS__, logged.name),
#define COUNTER_SPANS(name, ...)    COUNTERS_ROW(true, name, __VA_ARGS__, exported->name),
#define COUNTER_POSTS(name, ...)    COUNTERS_ROW(false, name, __VA_ARGS__, exported->name),
#define COUNTER_POSTER(name, ...)   COUNTERS_ROW(false, name, __VA_ARGS__, posted.name),
#define COUNTER_METRICS(name, ...)  COUNTERS_ROW(false, name, __VA_ARGS__, measured.name),
#include "proxy/counters.def"
	};

	_Static_assert(sizeof now / sizeof *now == COUNTERS_COUNT, "each row has an owner");
	memcpy(list, now, sizeof now);
}

bool counters_format(char *text, size_t text_size, const struct counter list[COUNTERS_COUNT],
	bool of_spans, size_t *next)
{
	size_t used = 0, size;

	for (; *next < COUNTERS_COUNT; (*next)++) {
		if (list[*next].of_spans != of_spans || list[*next].value == 0)
			continue;
		size = (size_t)snprintf(text + used, text_size - used, " %s=%llu", list[*next].name,
			(unsigned long long)list[*next].value);
		if (used + size >= text_size)
			break;
		used += size;
	}
	text[used] = '\0';
	return used > 0;
}

/* ---- the manual ---- */

/* Words with a dot within are options. No line begins like a macro: no help begins with a dot. */
static void counters_print_text(FILE *out, const char *text)
{
	size_t size, dot;

	for (; *text != '\0'; text += size) {
		size = strcspn(text, " ,;:");
		dot = strcspn(text, ".");
		if (dot + 1 < size)
			(void)fprintf(out, "\\fB%.*s\\fR", (int)size, text);
		else if (size > 0)
			(void)fprintf(out, "%.*s", (int)size, text);
		else
			(void)fputc(text[size++], out);
	}
}

static void counters_print_list(FILE *out, bool of_spans)
{
	static const struct counter rows[] = {
#define COUNTER_SPANS(name, kind, help) COUNTERS_ROW(true, name, kind, help, 0),
#define COUNTER_ANY(name, kind, help)   COUNTERS_ROW(false, name, kind, help, 0),
#include "proxy/counters.def"
	};
	size_t i;

	(void)fprintf(out, ".Bl -tag -width messages_undeliverableX -compact\n");
	for (i = 0; i < COUNTERS_COUNT; i++) {
		if (rows[i].of_spans != of_spans)
			continue;
		(void)fprintf(out, ".It Sy %s\n", rows[i].name);
		counters_print_text(out, rows[i].help);
		(void)fputc('\n', out);
	}
	(void)fputs(".El\n", out);
}

void counters_print_manual(FILE *out)
{
	(void)fputs(
		"In the first, every span is accounted for; those that are 0 are left out:\n", out);
	counters_print_list(out, true);
	(void)fputs(".Pp\nThe second has the counters of the conversation that are not 0:\n", out);
	counters_print_list(out, false);
}

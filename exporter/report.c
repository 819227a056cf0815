/*
 * What a person should know about the delivery, as lines for the report hook. Lines are limited by
 * time: a collector that flaps or refuses everything is told about now and then, not per batch.
 */
#include "exporter/report.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { REPORT_LINE_SIZE = 1600 };

static const int64_t report_down_interval_ms = 10 * 1000;
static const int64_t report_loss_interval_ms = 60 * 1000;

static const struct {
	enum exporter_level level;
	const char *what;
} report_kinds[] = {
	[REPORT_REFUSED] = {EXPORTER_REPORT_ERROR, "refused by the collector"},
	[REPORT_REJECTED] = {EXPORTER_REPORT_WARN, "rejected by the collector"},
	[REPORT_WARNED] = {EXPORTER_REPORT_WARN, "taken with a warning by the collector"},
	[REPORT_EXHAUSTED] = {EXPORTER_REPORT_WARN, "given up, not taken in time by the collector"},
	[REPORT_TOO_LARGE] = {EXPORTER_REPORT_ERROR, "lost, over a size limit, at the collector"},
	[REPORT_MEMORY] = {EXPORTER_REPORT_ERROR,
		"lost for want of memory on the way to the collector"},
	[REPORT_QUEUE] = {EXPORTER_REPORT_WARN,
		"dropped, the oldest first, waiting for the collector"},
	[REPORT_SPOOL] = {EXPORTER_REPORT_WARN,
		"dropped from the spool, the oldest first, waiting for the collector"},
};

void report_init(struct report *report, const struct exporter_config *config)
{
	*report = (struct report){.line = config->report, .arg = config->report_arg};
	if (config->target == EXPORTER_CONSOLE)
		(void)snprintf(report->target, sizeof report->target, "console"); /* fits */
	else if (config->endpoint_shown != NULL)
		(void)snprintf(report->target, sizeof report->target, "%s",
			config->endpoint_shown); /* may be cut */
}

void report_turn_to(struct report *report, const char *target)
{
	char shown[REPORT_TARGET_SIZE];

	(void)snprintf(shown, sizeof shown, "%s", target); /* may be cut, as the other was */
	if (strcmp(shown, report->target) == 0)
		return;
	memcpy(report->target, shown, sizeof shown);
	report->down = report->told_up = false;
	report->down_next_ms = 0;
}

static void report_line(struct report *report, enum exporter_level level, const char *line)
{
	if (report->line != NULL)
		report->line(report->arg, level, line);
}

void report_down(struct report *report, int64_t now_ms, const char *why)
{
	char line[REPORT_LINE_SIZE];

	if (report->down || now_ms < report->down_next_ms)
		return;
	report->down = true;
	report->down_next_ms = now_ms + report_down_interval_ms;
	(void)snprintf(line, sizeof line, "collector %s takes no spans, they wait: %s",
		report->target, why); /* may be cut */
	report_line(report, EXPORTER_REPORT_WARN, line);
}

void report_up(struct report *report, bool wholly)
{
	char line[REPORT_LINE_SIZE];
	bool again = report->down;

	if (!again && (report->told_up || !wholly))
		return;
	report->down = false;
	report->told_up = true;
	(void)snprintf(line, sizeof line, "collector %s takes spans%s", report->target,
		again ? " again" : ""); /* fits */
	report_line(report, EXPORTER_REPORT_INFO, line);
}

void report_loss(struct report *report, enum report_kind kind, int64_t now_ms, uint64_t spans,
	const char *why)
{
	char line[REPORT_LINE_SIZE];

	assert(kind < REPORT_KINDS && spans > 0);
	report->losses[kind].spans += spans;
	if (now_ms < report->losses[kind].next_ms)
		return;
	(void)snprintf(line, sizeof line, "%" PRIu64 " spans %s %s: %s", report->losses[kind].spans,
		report_kinds[kind].what, report->target, why); /* may be cut */
	report->losses[kind].spans = 0;
	report->losses[kind].next_ms = now_ms + report_loss_interval_ms;
	report_line(report, report_kinds[kind].level, line);
}

void report_spool(struct report *report, int64_t now_ms, const char *why)
{
	char line[REPORT_LINE_SIZE];

	if (report->spool_down == (why != NULL) || (why != NULL && now_ms < report->spool_next_ms))
		return;
	report->spool_down = why != NULL;
	report->spool_next_ms = now_ms + report_loss_interval_ms;
	if (why == NULL) {
		report_line(report, EXPORTER_REPORT_INFO, "the spool takes batches again");
		return;
	}
	(void)snprintf(line, sizeof line, "the spool takes no batches, they stay in memory: %s",
		why); /* may be cut */
	report_line(report, EXPORTER_REPORT_WARN, line);
}

void report_bad_files(
	struct report *report, int64_t now_ms, uint64_t files, const char *name, const char *why)
{
	char line[REPORT_LINE_SIZE];

	report->bad_files += files;
	if (now_ms < report->bad_next_ms)
		return;
	(void)snprintf(line, sizeof line,
		"%" PRIu64 " files of the spool are of no use, such as %s: %s", report->bad_files,
		name, why); /* may be cut */
	report->bad_files = 0;
	report->bad_next_ms = now_ms + report_loss_interval_ms;
	report_line(report, EXPORTER_REPORT_WARN, line);
}

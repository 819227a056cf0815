/* What is said of the delivery: when it is news, how often at most, and with which sum. */
#include <stdio.h>
#include <string.h>

#include "exporter/report.h"
#include "tests/unit/unit.h"

static const char levels[] = {
	[EXPORTER_REPORT_ERROR] = 'E', [EXPORTER_REPORT_WARN] = 'W', [EXPORTER_REPORT_INFO] = 'I'};

static char heard[4096];

static void hear(void *arg, enum exporter_level level, const char *line)
{
	size_t used = strlen(heard);

	ck_assert_ptr_eq(arg, levels);
	snprintf(heard + used, sizeof heard - used, "%c %s\n", levels[level], line);
}

static void begin(struct report *report)
{
	const struct exporter_config config = {.target = EXPORTER_OTLP,
		.endpoint_shown = "http://c/",
		.report = hear,
		.report_arg = (void *)(uintptr_t)levels};

	heard[0] = '\0';
	report_init(report, &config);
}

/* What was said since. */
static void said(const char *lines)
{
	ck_assert_str_eq(heard, lines);
	heard[0] = '\0';
}

START_TEST(test_target)
{
	char longer[REPORT_TARGET_SIZE + 1];
	struct exporter_config config = {.target = EXPORTER_CONSOLE, .endpoint_shown = "http://c/"};
	struct report report;

	report_init(&report, &config);
	ck_assert_str_eq(report.target, "console");
	config.target = EXPORTER_OTLP;
	report_init(&report, &config);
	ck_assert_str_eq(report.target, "http://c/");
	config.endpoint_shown = NULL;
	report_init(&report, &config);
	ck_assert_str_eq(report.target, "");
	/* nobody listens */
	report_up(&report, true);
	report_down(&report, 0, "why");
	report_loss(&report, REPORT_QUEUE, 0, 1, "why");
	/* one that is too long is cut, and the same one is no other */
	memset(longer, 'x', sizeof longer);
	longer[REPORT_TARGET_SIZE] = '\0';
	begin(&report);
	report_turn_to(&report, longer);
	ck_assert_uint_eq(strlen(report.target), REPORT_TARGET_SIZE - 1);
	report_down(&report, 0, "why");
	report_turn_to(&report, longer);
	ck_assert(report.down);
}
END_TEST

/* Going away is told each 10 s at most, coming back if going away was. */
START_TEST(test_down_and_up)
{
	struct report report;

	begin(&report);
	report_up(&report, false);
	said("");
	report_up(&report, true);
	said("I collector http://c/ takes spans\n");
	report_up(&report, true);
	report_up(&report, false);
	said("");
	report_down(&report, 0, "first");
	said("W collector http://c/ takes no spans, they wait: first\n");
	report_down(&report, 10000, "second");
	said("");
	report_up(&report, false);
	said("I collector http://c/ takes spans again\n");
	report_up(&report, true);
	report_down(&report, 9999, "third");
	report_up(&report, true);
	said("");
	report_down(&report, 10000, "fourth");
	said("W collector http://c/ takes no spans, they wait: fourth\n");
}
END_TEST

/* Of one that does not take all at first it is told when it is back. */
START_TEST(test_down_at_first)
{
	struct report report;

	begin(&report);
	report_down(&report, 5, "why");
	said("W collector http://c/ takes no spans, they wait: why\n");
	report_up(&report, true);
	said("I collector http://c/ takes spans again\n");
	report_up(&report, true);
	said("");
}
END_TEST

/* The same one is no news; of another one everything is. */
START_TEST(test_turn_to)
{
	struct report report;

	begin(&report);
	report_up(&report, true);
	report_down(&report, 0, "why");
	heard[0] = '\0';
	report_turn_to(&report, "http://c/");
	report_down(&report, 0, "why");
	said("");
	report_turn_to(&report, "http://d/");
	report_up(&report, true);
	report_down(&report, 0, "why");
	said("I collector http://d/ takes spans\n"
	     "W collector http://d/ takes no spans, they wait: why\n");
	report_turn_to(&report, "http://e/");
	report_down(&report, 0, "why");
	said("W collector http://e/ takes no spans, they wait: why\n");
}
END_TEST

/* One line a minute of each kind, with the sum of what was not in the one before. */
START_TEST(test_losses)
{
	struct report report;

	begin(&report);
	report_loss(&report, REPORT_REFUSED, 0, 2, "first");
	said("E 2 spans refused by the collector http://c/: first\n");
	report_loss(&report, REPORT_REFUSED, 59999, 3, "second");
	said("");
	report_loss(&report, REPORT_QUEUE, 59999, 7, "other");
	said("W 7 spans dropped, the oldest first, waiting for the collector http://c/: other\n");
	report_loss(&report, REPORT_REFUSED, 60000, 4, "third");
	said("E 7 spans refused by the collector http://c/: third\n");
	report_loss(&report, REPORT_REFUSED, 120000, 1, "fourth");
	said("E 1 spans refused by the collector http://c/: fourth\n");
	report_loss(&report, REPORT_QUEUE, 119998, 1, "late");
	said("");
	report_loss(&report, REPORT_WARNED, 0, 1, "w");
	report_loss(&report, REPORT_TOO_LARGE, 0, 1, "t");
	report_loss(&report, REPORT_MEMORY, 0, 1, "m");
	said("W 1 spans taken with a warning by the collector http://c/: w\n"
	     "E 1 spans lost, over a size limit, at the collector http://c/: t\n"
	     "E 1 spans lost for want of memory on the way to the collector http://c/: m\n");
}
END_TEST

/* That it takes none is told each minute at most, that it does if the former was. */
START_TEST(test_spool)
{
	struct report report;

	begin(&report);
	report_spool(&report, 0, NULL);
	said("");
	report_spool(&report, 0, "full");
	said("W the spool takes no batches, they stay in memory: full\n");
	report_spool(&report, 60000, "full");
	said("");
	report_spool(&report, 1, NULL);
	said("I the spool takes batches again\n");
	report_spool(&report, 2, NULL);
	report_spool(&report, 60000, "full");
	said("");
	report_spool(&report, 60001, "full again");
	said("W the spool takes no batches, they stay in memory: full again\n");
}
END_TEST

START_TEST(test_bad_files)
{
	struct report report;

	begin(&report);
	report_bad_files(&report, 0, 2, "a", "cut");
	said("W 2 files of the spool are of no use, such as a: cut\n");
	report_bad_files(&report, 1, 3, "b", "cut");
	report_bad_files(&report, 59999, 1, "c", "cut");
	said("");
	report_bad_files(&report, 60000, 1, "d", "old");
	said("W 5 files of the spool are of no use, such as d: old\n");
	report_bad_files(&report, 120000, 1, "e", "old");
	said("W 1 files of the spool are of no use, such as e: old\n");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("delivery report");

	tcase_add_test(tc, test_target);
	tcase_add_test(tc, test_down_and_up);
	tcase_add_test(tc, test_down_at_first);
	tcase_add_test(tc, test_turn_to);
	tcase_add_test(tc, test_losses);
	tcase_add_test(tc, test_spool);
	tcase_add_test(tc, test_bad_files);
	return unit_run("delivery report", tc);
}

/*
 * sidespan-profile(5) is about the program: it has the example that is tested, every member and
 * every word that a profile may have, and the limits.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "config/profile/lifecycle.h"
#include "config/profile/profile_load.h"
#include "config/profile/reader.h"
#include "proxy/explain/explain.h"
#include "tests/unit/config_case.h"
#include "tests/unit/unit.h"

#define MANUAL_PAGE    "proxy/sidespan-profile.5"
#define MANUAL_EXAMPLE "tests/profiles/job.json"

static char *const manual_environment[] = {NULL};

static struct profile *manual_parse(const char *text, char *error, size_t error_size)
{
	struct file *file =
		file_parse("p", text, strlen(text), manual_environment, error, error_size);
	struct profile *profile = file == NULL ? NULL : profile_new(file, error, error_size);

	file_free(file);
	return profile;
}

START_TEST(test_manual_example)
{
	static const char begin[] = ".\\\" Begin of " MANUAL_EXAMPLE ":\n.Bd -literal\n";
	static const char end[] = ".Ed\n.\\\" End of it.\n";
	size_t size;
	char *page = unit_read_file(MANUAL_PAGE, &size);
	char *file = unit_read_file(MANUAL_EXAMPLE, &size);
	char *from = strstr(page, begin);
	char *to = strstr(page, end);

	ck_assert_ptr_nonnull(from);
	ck_assert_ptr_nonnull(to);
	*to = '\0';
	ck_assert_str_eq(from + strlen(begin), file);
	free(file);
	free(page);
}
END_TEST

/* The example is what the page says of it. */
START_TEST(test_manual_example_loads)
{
	char error[512] = "";
	size_t size;
	char *text = unit_read_file(MANUAL_EXAMPLE, &size);
	struct profile *profile = manual_parse(text, error, sizeof error);
	const struct lifecycle *lifecycle;

	ck_assert_msg(profile != NULL, "%s", error);
	lifecycle = profile->lifecycle;
	ck_assert_str_eq(lifecycle->spans[0].name, "job");
	ck_assert_uint_eq(lifecycle->spans[0].key_count, 1);
	ck_assert_uint_eq(lifecycle->spans[1].add_count, 2);
	ck_assert_str_eq(lifecycle->rules[0].name, "submitted");
	ck_assert_uint_eq(lifecycle->rules[0].key_count, 0);
	ck_assert_int_eq(lifecycle->rules[1].action, LIFECYCLE_OPEN);
	ck_assert_str_eq(lifecycle->rules[2].methods[0], "job/started");
	ck_assert_str_eq(lifecycle->rules[2].key[0].pointer, "/params/job");
	profile_free(profile);
	free(text);
}
END_TEST

/*
 * Writes the page's conversation as a recording: each line that begins with a side, with the rest.
 */
static void manual_record(const char *talk, const char *end, FILE *recording)
{
	for (; talk < end; talk += strcspn(talk, "\n") + 1) {
		const char *at = talk + strlen("client  ");

		if (*talk != ' ')
			fprintf(recording, "%s{\"dir\": \"%s\", \"raw\": \"",
				ftell(recording) == 0 ? "" : "\"}\n",
				strncmp(talk, "client", 6) == 0 ? "c2s" : "s2c");
		for (; *at != '\n'; at++)
			fprintf(recording, "%s%c", *at == '"' ? "\\" : "", *at);
	}
	fprintf(recording, "\"}\n");
	rewind(recording);
}

/* What the page shows of the two traces. */
static const char *const manual_explained[] = {
	"trace 1\n└─ job job/submit  ",
	" user.id=ann\n   └─ dispatch submit  ",
	"  internal  job.operation=submit job.id=j1\n      └─ job build  ",
	" job.kind=build job.percent=50 job.state=done job.stages=1 ",
	" job.reports=1 ",
	"\n         └─ stage compile  ",
	"trace 2\n└─ job job/cancel  ",
	"cancel asked for",
	"cancel refused  after 5.00 ms  job.why=\"too late\"",
};

/* Its conversation comes to the traces that it shows. */
START_TEST(test_manual_example_explained)
{
	static const char begin[] = "With these messages,\n.Bd -literal -offset indent\n";
	static const char *const flags[] = {"--explain", "--profile", MANUAL_EXAMPLE, "x", NULL};
	static const char *const no_variables[] = {NULL};
	char error[CONFIG_ERROR_SIZE] = "", text[8192];
	FILE *recording = tmpfile(), *out = tmpfile();
	struct config_case load;
	size_t size, i;
	char *page = unit_read_file(MANUAL_PAGE, &size);
	char *from = strstr(page, begin);

	ck_assert_ptr_nonnull(from);
	from += strlen(begin);
	manual_record(from, strstr(from, ".Ed\n"), recording);
	config_case_load(&load, flags, no_variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	ck_assert_int_eq(explain_recording(load.config, recording, "x", out, error, sizeof error),
		EXPLAIN_DONE);
	rewind(out);
	size = fread(text, 1, sizeof text - 1, out);
	text[size] = '\0';
	for (i = 0; i < sizeof manual_explained / sizeof *manual_explained; i++)
		ck_assert_msg(strstr(text, manual_explained[i]) != NULL, "%s", text);
	fclose(recording);
	fclose(out);
	config_case_done(&load);
	free(page);
}
END_TEST

/* Profiles with a mistake whose message lists what would be right. */
#define MANUAL_RULE(member) "{\"lifecycle\": {\"rules\": [{" member "}]}}"

static const char *const manual_mistakes[] = {
	"{\"x\": 1}",
	"{\"match\": {\"x\": 1}}",
	"{\"captures\": [{\"x\": 1}]}",
	"{\"captures\": [{\"from\": \"x\"}]}",
	"{\"captures\": [{\"keep\": \"x\"}]}",
	"{\"metrics\": [{\"x\": 1}]}",
	"{\"lifecycle\": {\"x\": 1}}",
	"{\"lifecycle\": {\"dispatch\": {\"x\": 1}}}",
	"{\"lifecycle\": {\"spans\": {\"s\": {\"x\": 1}}}}",
	"{\"lifecycle\": {\"spans\": {\"s\": {\"kind\": \"x\"}}}}",
	"{\"lifecycle\": {\"spans\": {\"s\": {\"scope\": \"x\"}}}}",
	"{\"lifecycle\": {\"spans\": {\"s\": {\"adds\": {\"a\": \"x\"}}}}}",
	MANUAL_RULE("\"x\": 1"),
	MANUAL_RULE("\"on\": \"x\""),
	MANUAL_RULE("\"do\": \"x\""),
	MANUAL_RULE("\"until\": \"x\""),
	MANUAL_RULE("\"keep\": \"x\""),
	MANUAL_RULE("\"at\": {\"x\": 1}"),
	MANUAL_RULE("\"at\": {\"unit\": \"x\"}"),
	MANUAL_RULE("\"root\": {\"x\": 1}"),
	MANUAL_RULE("\"when\": {\"/a\": {\"x\": 1}}"),
	MANUAL_RULE("\"set\": {\"a\": {\"x\": 1}}"),
	MANUAL_RULE("\"set\": {\"a\": {\"take\": \"x\"}}"),
	MANUAL_RULE("\"status\": {\"x\": 1}"),
};

/* Whether the page has the word by itself: ".Cm word", or in quotes in a piece of JSON. */
static bool manual_has(const char *page, const char *word, size_t size)
{
	const char *at;

	for (at = page + 4; (at = strchr(at, word[0])) != NULL; at++)
		if (strncmp(at, word, size) == 0 && at[size] != '_' &&
			!isalpha((unsigned char)at[size]) &&
			(strncmp(at - 3, "Cm ", 3) == 0 || strncmp(at - 4, "\\(dq", 4) == 0))
			return true;
	return false;
}

START_TEST(test_manual_words)
{
	char error[512] = "";
	size_t size, count = 0;
	char *page = unit_read_file(MANUAL_PAGE, &size);
	const char *word;

	ck_assert_ptr_null(manual_parse(manual_mistakes[_i], error, sizeof error));
	word = strstr(error, "must be ");
	ck_assert_ptr_nonnull(word);
	word += strlen("must be ");
	if (strncmp(word, "one of ", 7) == 0)
		word += 7;
	while (*word != '\0') {
		size = strcspn(word, ",");
		if (strstr(word, " or ") != NULL && strstr(word, " or ") < word + size)
			size = (size_t)(strstr(word, " or ") - word);
		ck_assert_msg(manual_has(page, word, size), "%s: %.*s", error, (int)size, word);
		word += size;
		if (strncmp(word, " or ", 4) == 0)
			word += 4;
		word += strspn(word, ", ");
		count++;
	}
	ck_assert_uint_gt(count, 1);
	free(page);
}
END_TEST

static const struct {
	size_t limit;
	const char *what;
} manual_limits[] = {
	{PROFILE_CONSTANTS_MAX, "\nconstants\n"},
	{PROFILE_CAPTURES_MAX, "\ncaptures, and 64 methods in one\n"},
	{PROFILE_METHODS_MAX, "\ncaptures, and 64 methods in one\n"},
	{PROFILE_METRICS_MAX, "\nmetrics, with 8 labels and 32 bounds each\n"},
	{LIFECYCLE_OPERATIONS_MAX, "\noperations\n"},
	{LIFECYCLE_SPANS_MAX, "\ntypes of spans and memories\n"},
	{LIFECYCLE_KEY_MAX, "\nattributes in a key\n"},
	{LIFECYCLE_RULES_MAX, "\nrules, and 64 methods in one\n"},
	{LIFECYCLE_CONDITIONS_MAX, "\nconditions in a rule\n"},
	{LIFECYCLE_TEXTS_MAX, "\ntexts in a condition or for a status\n"},
	{LIFECYCLE_SETTINGS_MAX, "\nattributes that one rule sets, 4 of an event\n"},
	{LIFECYCLE_CHOICES_MAX, "\nchoices in a source\n"},
	{LIFECYCLE_STREAMS_MAX, "\nrules that count, for one type of span\n"},
	{LIFECYCLE_SUMS_MAX,
		"\nattributes of one span to which those below it add, 4 of one type\n"},
	{LIFECYCLE_MADE_MAX, "\ntypes that are made below one, with 8 marks each\n"},
	{LIFECYCLE_MOMENTS_MAX, "\nmoments to choose from\n"},
	{LIFECYCLE_LEVELS_MAX, "\nlevels in all rules\n"},
	{LIFECYCLE_CONTENTS_MAX, "\nvalues that are contents\n"},
	{LIFECYCLE_QUOTES_MAX, "\nvalues of requests that rules for answers look at\n"},
	{LIFECYCLE_INHERIT_MAX, "\nattributes that a type inherits\n"},
	{LIFECYCLE_ATTRIBUTES_MAX, "\nattributes in all keys and rules together\n"},
	{READER_POINTER_DEPTH_MAX, "\nlevels in a pointer\n"},
	{READER_TEXT_MAX, "\nbytes in a name, method, text or pointer\n"},
};

START_TEST(test_manual_limits)
{
	size_t size;
	char *page = unit_read_file(MANUAL_PAGE, &size);
	char line[128];

	snprintf(line, sizeof line, ".It %zu%s", manual_limits[_i].limit, manual_limits[_i].what);
	ck_assert_msg(strstr(page, line) != NULL, "%s", line);
	ck_assert_int_eq(LIFECYCLE_METHODS_MAX, 64);
	ck_assert_int_eq(PROFILE_LABELS_MAX, 8);
	ck_assert_int_eq(PROFILE_BOUNDS_MAX, 32);
	ck_assert_int_eq(LIFECYCLE_EVENT_SETTINGS_MAX, 4);
	ck_assert_int_eq(LIFECYCLE_ADDS_MAX, 4);
	ck_assert_int_eq(LIFECYCLE_MARKS_MAX, 8);
	free(page);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("manual");

	tcase_add_test(tc, test_manual_example);
	tcase_add_test(tc, test_manual_example_loads);
	tcase_add_test(tc, test_manual_example_explained);
	tcase_add_loop_test(
		tc, test_manual_words, 0, sizeof manual_mistakes / sizeof *manual_mistakes);
	tcase_add_loop_test(
		tc, test_manual_limits, 0, sizeof manual_limits / sizeof *manual_limits);
	return unit_run("manual", tc);
}

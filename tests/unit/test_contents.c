/* What is kept of contents: redacted, then cut. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/names/contents.h"
#include "tests/unit/config_case.h"
#include "tests/unit/unit.h"

static struct config_case load;
static struct contents contents;

/* patterns: a list with commas; NULL: none. */
static void begin(const char *bytes_max, const char *patterns, size_t pointers)
{
	static const char *const no_variables[] = {NULL};
	const char *const flags[] = {"--upstream=tcp://127.0.0.1:1", "--telemetry-contents",
		"--telemetry-contents-bytes-max", bytes_max,
		patterns != NULL ? "--telemetry-redact" : NULL, patterns, NULL};

	config_case_load(&load, flags, no_variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	ck_assert_int_eq(contents_init(&contents, load.config, pointers), 0);
}

static void end(void)
{
	contents_done(&contents);
	config_case_done(&load);
}

static void check(const char *text, size_t size, bool is_cut, const char *expected)
{
	uint8_t *copy = unit_guard_copy(text, size);
	char *kept = malloc(contents.bytes_max);
	struct span_text taken = contents_take(&contents,
		(struct span_text){.bytes = (const char *)copy, .size = size}, is_cut, kept);

	ck_assert_uint_le(taken.size, contents.bytes_max);
	ck_assert_msg(
		taken.size == strlen(expected) && memcmp(taken.bytes, expected, taken.size) == 0,
		"%.*s instead of %s", (int)taken.size, taken.bytes, expected);
	free(kept);
	unit_guard_free(copy, size);
}

static const struct {
	const char *patterns;
	const char *text;
	const char *kept; /* in 20 bytes */
} cases[] = {
	{NULL, "", ""},
	{NULL, "12345678901234567890", "12345678901234567890"},
	{NULL, "123456789012345678901", "12345678901234567\xe2\x80\xa6"},
	{NULL, "1234567890123456\xc3\xa9\xc3\xa9\xc3\xa9", "1234567890123456\xe2\x80\xa6"},
	{"sk-[a-z]+", "a sk-abc b", "a [redacted] b"},
	{"sk-[a-z]+", "sk-abcsk-d", "[redacted]-d"},
	{"k.", "aka k\xc3\xa9", "a[redacted] [reda\xe2\x80\xa6"},
	{"b,a", "ab", "[redacted][redacted]"},
	{"^a", "aab", "[redacted]ab"},
	{"b$", "bab", "ba[redacted]"},
	{"x*", "ab", "ab"},
	{"x*", "axxb", "a[redacted]b"},
	{"a|", "ba\xc3\xa9", "b[redacted]\xc3\xa9"},
	{"ab,abc,bcd", "abcd", "[redacted]d"},
	{"a,b",
		"a\xc3\xa9"
		"b",
		"[redacted]\xc3\xa9[reda\xe2\x80\xa6"},
	{"d", "[d]", "[[redacted]]"},
};

START_TEST(test_case)
{
	begin("20", cases[_i].patterns, 1);
	check(cases[_i].text, strlen(cases[_i].text), false, cases[_i].kept);
	end();
}
END_TEST

/* What lies across the end is found while it is read; what was not read is told of. */
START_TEST(test_ends)
{
	char text[64];
	static char long_text[20 + CONTENTS_BEYOND];

	begin("20", "secret-[0-9]{20}", 1);
	(void)snprintf(text, sizeof text, "0123456789 secret-%s!", "01234567890123456789");
	check(text, strlen(text), false, "0123456789 [redac\xe2\x80\xa6");
	check("short", 5, true, "short\xe2\x80\xa6");
	check("a\0b", 3, false, "a b");
	check("\0b\0", 3, false, " b ");
	/* all that is read, to the last byte; marks that have no room in what is read */
	(void)memset(long_text, 'x', sizeof long_text);
	check(long_text, contents_read_max(&contents), false, "xxxxxxxxxxxxxxxxx\xe2\x80\xa6");
	end();
	begin("20", "x", 1);
	check(long_text, contents_read_max(&contents), false, "[redacted][redact\xe2\x80\xa6");
	end();
	begin("20", NULL, 0); /* nobody looks */
	check("abc", 3, false, "abc");
	end();
}
END_TEST

/* Work and size have an end: what comes then is left out. */
START_TEST(test_bounds)
{
	char *text = malloc(40000);
	char room[16384];
	struct span_text taken;
	uint64_t cut = 0;

	ck_assert_ptr_nonnull(text);
	begin("16KiB", "a", 1);
	contents.cut_count = &cut;
	taken = contents_take(&contents, (struct span_text){.bytes = "aa", .size = 2}, false, room);
	ck_assert_uint_eq(taken.size, 2 * strlen(CONTENTS_MARK));
	ck_assert_uint_eq(cut, 0);
	memset(text, 'a', 40000);
	taken = contents_take(&contents,
		(struct span_text){.bytes = text, .size = CONTENTS_MATCHES_MAX}, false, room);
	ck_assert_uint_eq(taken.size, CONTENTS_MATCHES_MAX * strlen(CONTENTS_MARK));
	ck_assert_uint_eq(cut, 0);
	taken = contents_take(&contents,
		(struct span_text){.bytes = text, .size = contents_read_max(&contents)}, true,
		room);
	ck_assert_uint_eq(taken.size, CONTENTS_MATCHES_MAX * strlen(CONTENTS_MARK) + 3);
	ck_assert_uint_eq(cut, 1);
	ck_assert_ptr_null(memchr(taken.bytes, 'A', taken.size));
	end();
	begin("16KiB", NULL, 1);
	ck_assert_uint_eq(contents_read_max(&contents), 16384 + CONTENTS_BEYOND);
	end();
	begin("16KiB", NULL, 8); /* they share */
	ck_assert_uint_eq(contents_read_max(&contents) * 8, CONTENTS_TOGETHER_MAX);
	end();
	free(text);
}
END_TEST

static const struct {
	const char *pattern;
	const char *why;
} bad_cases[] = {
	{"a(", "one is not an extended regular expression"},
	{"(a)\\1", "one refers back to what it has matched"},
	{"a\\\\\\1", "one refers back to what it has matched"},
	{"a{100}", "one repeats something more than 99 times"},
	{"a{1,", "one is not an extended regular expression"},
};

START_TEST(test_bad_patterns)
{
	static const char *const no_variables[] = {NULL};
	const char *const flags[] = {
		"--upstream=tcp://127.0.0.1:1", "--telemetry-redact", bad_cases[_i].pattern, NULL};

	config_case_load(&load, flags, no_variables);
	ck_assert_int_eq(load.outcome, CONFIG_WRONG);
	ck_assert_msg(strstr(load.error, bad_cases[_i].why) != NULL, "%s", load.error);
	config_case_done(&load);
}
END_TEST

/* In a file a comma is a comma. */
START_TEST(test_patterns_of_a_file)
{
	static const char *const no_variables[] = {NULL};
	static const struct {
		const char *list;
		size_t count;
		const char *why; /* NULL: it is good */
	} rows[] = {
		{"[\"a{1,2}\", \"\\\\\\\\1\"]", 2, NULL},
		{"[\"a{1,100}\"]", 0, "one repeats something more than 99 times"},
		{"[5]", 0, "one is not a string"},
		{"[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\","
		 "\"13\","
		 "\"14\",\"15\",\"16\",\"17\"]",
			0, "too many"},
	};
	char name[] = "/tmp/contents-XXXXXX";
	const char *const flags[] = {"--upstream=tcp://127.0.0.1:1", "--config", name, NULL};
	int fd = mkstemp(name);
	size_t i;

	ck_assert_int_ge(fd, 0);
	(void)close(fd); /* it is only a name */
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		FILE *file = fopen(name, "we");

		ck_assert_ptr_nonnull(file);
		(void)fprintf(file, "{\"telemetry.redact\": %s}", rows[i].list);
		(void)fclose(file);
		config_case_load(&load, flags, no_variables);
		if (rows[i].why == NULL)
			ck_assert_uint_eq(load.config->telemetry_redact.count, rows[i].count);
		else
			ck_assert_msg(strstr(load.error, rows[i].why) != NULL, "%s", load.error);
		config_case_done(&load);
	}
	(void)unlink(name);
}
END_TEST

START_TEST(test_no_memory)
{
	long n;
	int failed = 1;

	begin("20", NULL, 1);
	contents_done(&contents);
	for (n = 0; failed; n++) {
		unit_alloc_fail(_i, n);
		failed = contents_init(&contents, load.config, 1) != 0;
		unit_alloc_fail_never();
		ck_assert_int_eq(failed, unit_alloc_failed());
		contents_done(&contents);
	}
	ck_assert_int_eq(n, 4);
	config_case_done(&load);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("contents");

	tcase_add_loop_test(tc, test_case, 0, sizeof cases / sizeof *cases);
	tcase_add_test(tc, test_ends);
	tcase_add_test(tc, test_bounds);
	tcase_add_loop_test(tc, test_bad_patterns, 0, sizeof bad_cases / sizeof *bad_cases);
	tcase_add_test(tc, test_patterns_of_a_file);
	tcase_add_loop_test(tc, test_no_memory, 0, 2);
	return unit_run("contents", tc);
}

/* Headers out of a file: the lines, which source counts, and what is never told. */
#include "config/headers.h"

#include <sys/stat.h>

#include "config/secret.h"
#include "tests/unit/config_case.h"

#define HEADERS_OF(text) text, sizeof(text) - 1

static const struct {
	const char *text;
	size_t size;
	const char *headers; /* NAME=VALUE; for each */
	const char *error;   /* behind the file's name; NULL: none */
} headers_rows[] = {
	{HEADERS_OF(""), "", NULL},
	{HEADERS_OF("a: b\n"), "a=b;", NULL},
	{HEADERS_OF("a:b"), "a=b;", NULL},
	{HEADERS_OF("\n# a comment: here\n  \t\r\n a : b c \r\nd:\n#x: y"), "a=b c;d=;", NULL},
	{HEADERS_OF("Authorization: Basic dTpwPT0=\nx-a: 1,b=%41:c#d"),
		"Authorization=Basic dTpwPT0=;x-a=1,b=%41:c#d;", NULL},
	{HEADERS_OF("a: 1\nA: 2\n"), "a=2;", NULL},
	{HEADERS_OF("a: gr\xc3\xbc\xc3\x9f"), "a=gr\xc3\xbc\xc3\x9f;", NULL},
	{HEADERS_OF("a: b\ngeheim\n"), "",
		":2: otlp.headers_file: it has neither a colon nor an =; must be NAME: VALUE or "
		"NAME=VALUE"},
	/* as in a variable, where the first of the two is an = */
	{HEADERS_OF("a=b\n c = d:e==%2C , f=g\r\na:1=2\n"), "a=1=2;c=d:e==,;f=g;", NULL},
	{HEADERS_OF("a=b,geheim\n"), "", ":1: otlp.headers_file: a pair has no =; "},
	{HEADERS_OF("a=%zzgeheim\n"), "", ":1: otlp.headers_file: a % is not followed by "},
	{HEADERS_OF("=geheim\n"), "", ":1: otlp.headers_file: a name is missing; "},
	{HEADERS_OF("\n\n: geheim\n"), "", ":3: otlp.headers_file: a name is missing; "},
	{HEADERS_OF("a b: geheim\n"), "", ":1: otlp.headers_file: a name is not one of an HTTP "},
	{HEADERS_OF("Content-Type: geheim\n"), "",
		":1: otlp.headers_file: a header has a name that sidespan sets itself; "},
	{HEADERS_OF("a: ge\rheim\n"), "", ":1: otlp.headers_file: it has a control character "},
	{HEADERS_OF("a: geheim\x1b\n"), "", ":1: otlp.headers_file: it has a control character "},
	{HEADERS_OF("a: geheim\xff\n"), "", ":1: otlp.headers_file: it has a control character "},
};

static char *headers_file(const char *text, size_t size)
{
	char *name = config_case_file("");
	FILE *file = fopen(name, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, size, file), size);
	ck_assert_int_eq(fclose(file), 0);
	return name;
}

static void headers_are(const struct config_case *load, const char *expected)
{
	const struct config_map *map = &load->config->otlp_headers;
	char text[512] = "";
	size_t i;

	for (i = 0; i < map->count; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s=%s;",
			map->pairs[i].name, map->pairs[i].value);
	ck_assert_str_eq(text, expected);
}

START_TEST(test_headers_lines)
{
	char *file = headers_file(headers_rows[_i].text, headers_rows[_i].size);
	const char *flags[] = {"--otlp-headers-file", file, "--", "server", NULL};
	static const char *const variables[] = {NULL};
	const char *error = headers_rows[_i].error;
	char expected[256];
	struct config_case load;

	config_case_load(&load, flags, variables);
	ck_assert_str_eq(load.warnings, "");
	if (error == NULL) {
		ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
		headers_are(&load, headers_rows[_i].headers);
	} else {
		snprintf(expected, sizeof expected, "%s%s", file, error);
		ck_assert_msg(
			strncmp(load.error, expected, strlen(expected)) == 0, "%s", load.error);
		ck_assert_ptr_null(strstr(load.error, "geheim"));
	}
	config_case_done(&load);
	config_case_unlink(file);
}
END_TEST

/* Bytes and headers at their limit, and one more. */
START_TEST(test_headers_limits)
{
	static const char *const variables[] = {NULL};
	static char text[SECRET_SIZE_MAX + 1];
	char *file;
	const char *flags[] = {"--otlp-headers-file", NULL, "--", "server", NULL};
	struct config_case load;
	size_t more, i, size;

	memset(text, '#', sizeof text);
	for (more = 0; more < 2; more++) {
		flags[1] = file = headers_file(text, SECRET_SIZE_MAX + more);
		config_case_load(&load, flags, variables);
		ck_assert_int_eq(load.outcome, more == 0 ? CONFIG_RUN : CONFIG_WRONG);
		if (more > 0)
			ck_assert_ptr_nonnull(strstr(load.error, "larger than 64 KiB; must be "));
		config_case_done(&load);
		config_case_unlink(file);
	}
	for (more = 0; more < 2; more++) {
		for (i = 0, size = 0; i < 64 + more; i++)
			size += (size_t)sprintf(text + size, "h%zu: x\n", i);
		flags[1] = file = headers_file(text, size);
		config_case_load(&load, flags, variables);
		ck_assert_int_eq(load.outcome, more == 0 ? CONFIG_RUN : CONFIG_WRONG);
		if (more > 0)
			ck_assert_ptr_nonnull(
				strstr(load.error, ":65: otlp.headers_file: too many "));
		config_case_done(&load);
		config_case_unlink(file);
	}
}
END_TEST

/* What stands in files, variables and flags, and which headers there are. */
static const struct {
	const char *file;         /* %s: the headers' file, which has "a: file" and "b: file" */
	const char *variables[3]; /* the same */
	bool flag;
	const char *headers;
} headers_sources[] = {
	{"{\"otlp.headers_file\": \"%s\"}", {NULL}, false, "a=file;b=file;"},
	{"{\"otlp.headers_file\": \"%s\", \"otlp.headers\": {\"A\": \"1\", \"c\": \"2\"}}", {NULL},
		false, "A=file;c=2;b=file;"},
	{"{\"otlp.headers_file\": \"%s\"}", {"OTEL_EXPORTER_OTLP_HEADERS=c=otel"}, false,
		"c=otel;"},
	{"{\"otlp.headers\": {\"c\": \"2\"}}", {"SIDESPAN_OTLP_HEADERS_FILE=%s"}, false,
		"a=file;b=file;"},
	{"{}", {"SIDESPAN_OTLP_HEADERS_FILE=%s", "OTEL_EXPORTER_OTLP_HEADERS=c=otel"}, false,
		"a=file;b=file;"},
	{"{}", {"SIDESPAN_OTLP_HEADERS_FILE=%s\n", "SIDESPAN_OTLP_HEADERS=a=own,c=own"}, false,
		"a=file;c=own;b=file;"},
	{"{}", {"SIDESPAN_OTLP_HEADERS=c=own"}, true, "a=file;b=file;"},
};

START_TEST(test_headers_source)
{
	char *headers = headers_file(HEADERS_OF("a: file\nb: file\n"));
	char text[512], entries[2][256];
	const char *variables[3] = {NULL};
	const char *flags[8] = {"--config", NULL, "--", "server"};
	struct config_case load;
	char *file;
	int i;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof text, headers_sources[_i].file, headers);
	for (i = 0; headers_sources[_i].variables[i] != NULL; i++) {
		snprintf(entries[i], sizeof entries[i], headers_sources[_i].variables[i], headers);
		variables[i] = entries[i];
	}
#pragma GCC diagnostic pop
	flags[1] = file = config_case_file(text);
	if (headers_sources[_i].flag) {
		flags[2] = "--otlp-headers-file";
		flags[3] = headers;
		flags[4] = "--";
		flags[5] = "server";
	}
	config_case_load(&load, flags, variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	ck_assert_str_eq(load.warnings, "");
	headers_are(&load, headers_sources[_i].headers);
	config_case_done(&load);
	config_case_unlink(file);
	config_case_unlink(headers);
}
END_TEST

/* Others who can read the file, or write to it, are warned about; the group is not. */
START_TEST(test_headers_mode)
{
	static const struct {
		mode_t mode;
		const char *warning; /* behind the name */
	} rows[] = {
		{0600, NULL},
		{0440, NULL},
		{0604, "everybody on this machine can read it; should have mode 0600\n"},
		{0666, "everybody on this machine can read it; should have mode 0600\n"},
		{0602, "everybody on this machine can write to it; should have mode 0600\n"},
	};
	char *file = headers_file(HEADERS_OF("a: b\n"));
	const char *flags[] = {"--otlp-headers-file", file, "--", "server", NULL};
	static const char *const variables[] = {NULL};
	char expected[256] = "";
	struct config_case load;

	ck_assert_int_eq(chmod(file, rows[_i].mode), 0);
	config_case_load(&load, flags, variables);
	if (rows[_i].warning != NULL)
		snprintf(expected, sizeof expected, "--otlp-headers-file: \"%s\": %s", file,
			rows[_i].warning);
	ck_assert_int_eq(load.outcome, CONFIG_RUN);
	ck_assert_str_eq(load.warnings, expected);
	config_case_done(&load);
	config_case_unlink(file);
}
END_TEST

START_TEST(test_headers_not_a_file)
{
	static const struct {
		const char *path, *error;
	} rows[] = {
		{"/nowhere/x",
			"--otlp-headers-file: \"/nowhere/x\": No such file or directory; must "
			"be the name of a file that can be read"},
		{"/", "--otlp-headers-file: \"/\": Is a directory; must be the name of a file that "
		      "can "
		      "be read"},
		{"/dev/zero",
			"--otlp-headers-file: \"/dev/zero\": larger than 64 KiB; must be the name "
			"of a file that can be read"},
		{"/dev/null", ""},
	};
	const char *flags[] = {"--otlp-headers-file", rows[_i].path, "--", "server", NULL};
	static const char *const variables[] = {NULL};
	struct config_case load;

	config_case_load(&load, flags, variables);
	ck_assert_str_eq(load.error, rows[_i].error);
	config_case_done(&load);
}
END_TEST

START_TEST(test_headers_nul)
{
	char *file = headers_file(HEADERS_OF("a: b\0geheim\n"));
	const char *flags[] = {"--otlp-headers-file", file, "--", "server", NULL};
	static const char *const variables[] = {NULL};
	struct config_case load;

	config_case_load(&load, flags, variables);
	ck_assert_ptr_nonnull(strstr(load.error, ": it has a NUL byte; must be "));
	ck_assert_ptr_null(strstr(load.error, "geheim"));
	config_case_done(&load);
	config_case_unlink(file);
}
END_TEST

/* What a profile names is warned about, as whatever it sets. */
START_TEST(test_headers_of_a_profile)
{
	char *headers = headers_file(HEADERS_OF("a: b\ngeheim\n"));
	const char *flags[] = {"--profile", NULL, "--", "server", NULL};
	static const char *const variables[] = {NULL};
	char text[256], expected[256];
	struct config_case load;
	char *profile;

	snprintf(text, sizeof text,
		"{\"name\": \"p\", \"settings\": {\"otlp.headers_file\": \"%s\"}}", headers);
	flags[1] = profile = config_case_file(text);
	config_case_load(&load, flags, variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	snprintf(expected, sizeof expected,
		"%s:2: otlp.headers_file: it has neither a colon nor an =; must be NAME: VALUE or "
		"NAME=VALUE; ignored\n",
		headers);
	ck_assert_str_eq(load.warnings, expected);
	headers_are(&load, "");
	config_case_done(&load);
	config_case_unlink(profile);
	config_case_unlink(headers);
}
END_TEST

START_TEST(test_headers_check)
{
	char *file = headers_file(HEADERS_OF("authorization: Bearer geheim\n"));
	const char *flags[] = {"--check", "--otlp-headers-file", file, NULL};
	static const char *const variables[] = {NULL};
	char line[256];
	struct config_case load;

	config_case_load(&load, flags, variables);
	ck_assert_int_eq(load.outcome, CONFIG_DONE);
	snprintf(line, sizeof line, "\notlp.headers             authorization=***  (file %s)\n",
		file);
	ck_assert_msg(strstr(load.out, line) != NULL, "%s", load.out);
	snprintf(line, sizeof line, "\notlp.headers_file        %s  (flag --otlp-headers-file)\n",
		file);
	ck_assert_msg(strstr(load.out, line) != NULL, "%s", load.out);
	ck_assert_ptr_null(strstr(load.out, "geheim"));
	config_case_done(&load);
	config_case_unlink(file);
}
END_TEST

/* Headers come after the profile, a small one here: what fails before is for others to look at. */
START_TEST(test_headers_memory)
{
	char *file = headers_file(HEADERS_OF("a: b\nc=d,a=e\n"));
	char *profile = config_case_file("{\"name\": \"p\"}");
	char *argv[] = {(char[]){"sidespan"}, (char[]){"--otlp-headers-file"}, file,
		(char[]){"--profile"}, profile, (char[]){"--"}, (char[]){"server"}, NULL};
	char *environment[] = {(char[]){"SIDESPAN_OTLP_HEADERS=e=f"}, NULL};
	char error[CONFIG_ERROR_SIZE];
	struct config *config = NULL;
	enum config_outcome outcome;
	long n;

	for (n = 0; config == NULL; n++) {
		unit_alloc_fail_once(n);
		outcome = config_load(&config, 7, argv, environment, stdout, NULL, NULL, error);
		unit_alloc_fail_never();
		ck_assert_int_eq(outcome, unit_alloc_failed() ? CONFIG_WRONG : CONFIG_RUN);
		if (unit_alloc_failed())
			ck_assert_ptr_nonnull(strstr(error, "out of memory"));
	}
	ck_assert_uint_eq(config->otlp_headers.count, 2);
	config_free(config);
	config_case_unlink(profile);
	config_case_unlink(file);
}
END_TEST

#define ROWS(cases) ((int)(sizeof(cases) / sizeof *(cases)))

int main(void)
{
	TCase *tc = tcase_create("headers");

	tcase_add_loop_test(tc, test_headers_lines, 0, ROWS(headers_rows));
	tcase_add_test(tc, test_headers_limits);
	tcase_add_loop_test(tc, test_headers_source, 0, ROWS(headers_sources));
	tcase_add_loop_test(tc, test_headers_mode, 0, 5);
	tcase_add_loop_test(tc, test_headers_not_a_file, 0, 4);
	tcase_add_test(tc, test_headers_nul);
	tcase_add_test(tc, test_headers_of_a_profile);
	tcase_add_test(tc, test_headers_check);
	tcase_add_test(tc, test_headers_memory);
	return unit_run("headers", tc);
}

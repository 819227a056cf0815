/* Profiles on top of others: by name and by file, what counts, what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/profile/lifecycle.h"
#include "config/profile/profile.h"
#include "tests/unit/config_case.h"
#include "tests/unit/unit.h"

static const char *const extend_no_variables[] = {NULL};

/* A folder of its own, with files in which ' stands for ". */
static char extend_folder[64];

static void extend_begin(void)
{
	strcpy(extend_folder, "/tmp/sidespan_extend_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(extend_folder));
}

static void extend_path(char path[128], const char *name)
{
	snprintf(path, 128, "%s/%s", extend_folder, name);
}

static void extend_write(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	extend_path(path, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	for (; *text != '\0'; text++)
		fputc(*text == '\'' ? '"' : *text, file);
	fclose(file);
}

static void extend_end(const char *const *names)
{
	char path[128];

	for (; *names != NULL; names++) {
		extend_path(path, *names);
		ck_assert_int_eq(unlink(path), 0);
	}
	ck_assert_int_eq(rmdir(extend_folder), 0);
}

static void extend_load(struct config_case *load, const char *option, const char *name)
{
	char argument[192];
	const char *flags[] = {argument, "--", "serve", NULL};

	snprintf(argument, sizeof argument, "--%s=%s/%s", option, extend_folder, name);
	config_case_load(load, flags, extend_no_variables);
}

#define BASE                                                                                       \
	"{'name':'base','settings':{'service.name':'of base','rpc.service':'base'},"               \
	"'constants':{'a':'1','b':'2'},'captures':[{'from':'request','pointer':'/x',"              \
	"'attribute':'x'}],'lifecycle':{'spans':{'s':{'name':'base s','key':{'k':'/k'}},"          \
	"'t':{'name':'t','key':{'l':'/l'}}},'rules':["                                             \
	"{'name':'one','on':'notification','methods':'one','do':'open','span':'s'},"               \
	"{'name':'two','on':'notification','methods':'two','do':'open','span':'t'}]}}"
#define UPPER                                                                                      \
	"{'name':'upper','extends':'base.json','settings':{'service.name':'of upper'},"            \
	"'constants':{'b':'3','c':'4'},'captures':[{'from':'request','pointer':'/y',"              \
	"'attribute':'y'}],'lifecycle':{'spans':{'s':{'name':'upper s','key':{'k':'/k'}}},"        \
	"'rules':[{'name':'two','on':'notification','methods':'2','do':'open','span':'t'},"        \
	"{'name':'three','on':'notification','methods':'three','do':'close','span':'s'}]}}"

START_TEST(test_extend_all)
{
	static const char *const names[] = {"base.json", "upper.json", NULL};
	struct config_case load;
	const struct profile *profile;

	extend_begin();
	extend_write("base.json", BASE);
	extend_write("upper.json", UPPER);
	extend_load(&load, "profile", "upper.json");
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	profile = load.config->profile;
	ck_assert_str_eq(profile->name, "upper");
	ck_assert_str_eq(load.config->service_name, "of upper");
	ck_assert_str_eq(load.config->rpc_service, "base");
	ck_assert_uint_eq(profile->constant_count, 3);
	ck_assert_str_eq(profile->constants[0].value, "1");
	ck_assert_str_eq(profile->constants[1].value, "3");
	ck_assert_uint_eq(profile->capture_count, 2);
	ck_assert_str_eq(profile->captures[0].attribute, "x");
	ck_assert_uint_eq(profile->lifecycle->span_count, 2);
	ck_assert_str_eq(profile->lifecycle->spans[1].title, "upper s");
	ck_assert_uint_eq(profile->lifecycle->rule_count, 3);
	ck_assert_str_eq(profile->lifecycle->rules[0].name, "one");
	ck_assert_str_eq(profile->lifecycle->rules[1].methods[0], "2");
	ck_assert_str_eq(profile->lifecycle->rules[2].name, "three");
	config_case_done(&load);
	extend_end(names);
}
END_TEST

/* A mistake is told with the file that it is in. */
START_TEST(test_extend_wrong)
{
	static const char *const names[] = {"base.json", "upper.json", NULL};
	struct config_case load;

	extend_begin();
	extend_write("upper.json", UPPER);
	extend_write("base.json", "{'name':'base',\n'captures':[\n{'from':'x'}]}");
	extend_load(&load, "profile", "upper.json");
	ck_assert_int_eq(load.outcome, CONFIG_WRONG);
	ck_assert_msg(strstr(load.error, "/base.json:3: \"from\": \"x\": must be") != NULL, "%s",
		load.error);
	config_case_done(&load);
	extend_write("base.json", "{'name':'base','extends':'upper.json'}");
	extend_load(&load, "profile", "upper.json");
	ck_assert_msg(strstr(load.error, "\"extends\": must not go deeper than 4 profiles") != NULL,
		"%s", load.error);
	config_case_done(&load);
	extend_write("base.json", "{'name':'base','extends':'nobody'}");
	extend_load(&load, "profile", "upper.json");
	ck_assert_msg(
		strstr(load.error, "/base.json:1: extends: \"nobody\": no such profile; ") != NULL,
		"%s", load.error);
	config_case_done(&load);
	extend_end(names);
}
END_TEST

/* Beside the settings: by name, by file, by what it says it is for. */
START_TEST(test_extend_beside)
{
	static const char *const names[] = {"base.json", "mine.json", "by.json", "bad.json", NULL};
	static const char *const settings[] = {
		"{'profile':'mine'}", "{'profile':'mine.json'}", "{}"};
	struct config_case load;
	size_t i;

	extend_begin();
	extend_write("base.json", BASE);
	extend_write(
		"mine.json", "{'name':'mine','match':{'command':'serve'},'extends':'base.json'}");
	extend_write("bad.json", "no JSON");
	for (i = 0; i < 3; i++) {
		extend_write("by.json", settings[i]);
		extend_load(&load, "config", "by.json");
		ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
		ck_assert_str_eq(load.config->profile->name, "mine");
		ck_assert_ptr_nonnull(strstr(load.config->profile_source, "/mine.json"));
		config_case_done(&load);
	}
	extend_end(names);
}
END_TEST

/*
 * A profile that lies beside the settings, is wrong and was not asked for is told of, once, and
 * left out; the one that is for the command is found. Named, it stops the start. What says nothing
 * of a match is none.
 */
START_TEST(test_extend_wrong_beside)
{
	static const char *const names[] = {
		"base.json", "mine.json", "by.json", "more.json", "bad.json", NULL};
	static const struct {
		const char *text, *warning; /* NULL: it is none of ours */
	} rows[] = {
		{"{'name':'bad','match':{'command':'*'},\n'captures':[{'from':'x'}]}",
			"/bad.json:2: \"from\": \"x\": must be"},
		{"{'name':'bad',\n'match':5}", "/bad.json:2: \"match\""},
		{"{'name':'bad','match':{'command':'*'},'extends':'nobody'}",
			"/bad.json:1: extends: \"nobody\": no such profile"},
		{"{'name':'bad','match':\n", "/bad.json:2:"},
		{"{'match':{'command':'serve'}}", "/bad.json:1:"},
		{"{'name':'bad',\n'captures':5}", NULL},
		{"no JSON", NULL},
		{"[{'match':{'command':'*'}}]", "/bad.json:1: must be an object"},
	};
	char both[2][192];
	const char *flags[] = {both[0], both[1], "--", "serve", NULL};
	struct config_case load;

	extend_begin();
	extend_write("base.json", BASE);
	extend_write(
		"mine.json", "{'name':'mine','match':{'command':'serve'},'extends':'base.json'}");
	extend_write("bad.json", rows[_i].text);
	extend_write("by.json", "{}");
	extend_write("more.json", "{}");
	snprintf(both[0], sizeof both[0], "--config=%s/by.json", extend_folder);
	snprintf(both[1], sizeof both[1], "--config=%s/more.json", extend_folder);
	flags[3] = "another";
	config_case_load(&load, flags, extend_no_variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	ck_assert_str_eq(load.config->profile->name, "generic");
	if (rows[_i].warning == NULL) {
		ck_assert_str_eq(load.warnings, "");
	} else {
		ck_assert_msg(strstr(load.warnings, rows[_i].warning) != NULL, "%s", load.warnings);
		ck_assert_msg(strstr(load.warnings, "; ignored\n") ==
				      load.warnings + strlen(load.warnings) - strlen("; ignored\n"),
			"%s", load.warnings);
	}
	config_case_done(&load);
	flags[3] = "serve";
	config_case_load(&load, flags, extend_no_variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	ck_assert_str_eq(load.config->profile->name, "mine");
	config_case_done(&load);
	extend_load(&load, "profile", "bad.json");
	ck_assert_int_eq(load.outcome, CONFIG_WRONG);
	ck_assert_ptr_nonnull(strstr(load.error, "/bad.json:"));
	config_case_done(&load);
	extend_end(names);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("extend");

	tcase_add_test(tc, test_extend_all);
	tcase_add_test(tc, test_extend_wrong);
	tcase_add_test(tc, test_extend_beside);
	tcase_add_loop_test(tc, test_extend_wrong_beside, 0, 8);
	return unit_run("extend", tc);
}

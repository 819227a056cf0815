/* Settings once more, for a running program: what changes, what stays, and what is refused. */
#include "config/profile/profile.h"
#include "tests/unit/config_case.h"

#define PROFILE "{\"name\": \"mine\", \"constants\": {\"a\": \"%s\"}}"

static char *settings_file, *other_file;
static struct config *running, *fresh;
static struct config_changes changes;
static char error[CONFIG_ERROR_SIZE];

static void reload_write(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static enum config_outcome reload_load(bool again)
{
	char text[][64] = {"sidespan", "--config", "", "--otlp-timeout=7s", "--listen",
		"ws://127.0.0.1:0", "--upstream", "tcp://127.0.0.1:7"};
	char variable[] = "SIDESPAN_RETRY_MAX=9s";
	char *argv[9] = {NULL}, *environment[2] = {variable, NULL};
	int i;

	for (i = 0; i < 8; i++)
		argv[i] = text[i];
	argv[2] = settings_file;
	if (!again)
		return config_load(&running, 8, argv, environment, stdout, NULL, NULL, error);
	config_free(fresh);
	return config_reload(&fresh, running, &changes,
		&(struct config_given){8, argv, environment}, NULL, NULL, error);
}

static void reload_begin(const char *settings)
{
	reload_write(settings_file, settings);
	ck_assert_msg(reload_load(false) == CONFIG_RUN, "%s", error);
}

static void reload_again(const char *settings)
{
	reload_write(settings_file, settings);
	ck_assert_msg(reload_load(true) == CONFIG_RUN, "%s", error);
}

static void setup(void)
{
	settings_file = config_case_file("");
	other_file = config_case_file("");
	running = fresh = NULL;
}

static void teardown(void)
{
	config_free(running);
	config_free(fresh);
	config_case_unlink(settings_file);
	config_case_unlink(other_file);
}

START_TEST(test_nothing)
{
	reload_begin("{\"log.level\": \"warn\"}");
	reload_again("{\"log\": {\"level\": \"warn\"}} // the same");
	ck_assert(!changes.any && !changes.traced);
	ck_assert_str_eq(changes.taken, "");
	ck_assert_str_eq(changes.kept, "");
}
END_TEST

/* For all, and for connections to come; arguments and variables are stronger than ever. */
START_TEST(test_taken)
{
	reload_begin("{\"log.level\": \"warn\", \"otlp.headers\": {\"a\": \"1\"}}");
	reload_again("{\"log.level\": \"debug\", \"otlp.headers\": {\"a\": \"2\"}, "
		     "\"otlp.timeout\": \"1s\", \"retry.max\": \"2s\", "
		     "\"otlp.endpoint\": \"http://there:1\"}");
	ck_assert(changes.any && !changes.traced);
	ck_assert_str_eq(changes.taken, "otlp.endpoint, otlp.headers, log.level");
	ck_assert_str_eq(changes.kept, "");
	ck_assert_int_eq(fresh->log_level, CONFIG_LOG_DEBUG);
	ck_assert_str_eq(fresh->otlp_headers.pairs[0].value, "2");
	ck_assert_str_eq(fresh->otlp_url, "http://there:1/v1/traces");
	ck_assert_int_eq(fresh->otlp_timeout_ms, 7000);
	ck_assert_int_eq(fresh->retry_max_ms, 9000);
	ck_assert_int_eq(running->log_level, CONFIG_LOG_WARN);
	reload_again("{\"sampler.arg\": 0.5, \"otlp.headers\": {\"a\": \"1\"}}");
	ck_assert(changes.any && changes.traced);
	ck_assert_str_eq(changes.taken, "sampler.arg, log.level");
	ck_assert_double_eq(fresh->sampler_arg, 0.5);
	ck_assert_int_eq(fresh->log_level, CONFIG_LOG_INFO); /* as nobody says anything else */
}
END_TEST

/* What is for the start alone is as it was, and is named: of each type one. */
START_TEST(test_kept)
{
	static const char before[] =
		"{\"batch.delay\": \"1s\", \"service.name\": \"n\", \"semconv\": \"rpc\", "
		"\"resource.attributes\": {\"a\": \"1\"}, \"sandbox\": false}";

	reload_begin(before);
	reload_again("{\"batch.delay\": \"2s\", \"resource.attributes\": {\"a\": \"2\"}, "
		     "\"admin.listen\": \"http://127.0.0.1:0\", \"log.level\": \"debug\"}");
	ck_assert_str_eq(changes.taken, "log.level");
	ck_assert_str_eq(changes.kept,
		"admin.listen, service.name, resource.attributes, semconv, batch.delay, sandbox");
	ck_assert_int_eq(fresh->batch_delay_ms, 1000);
	ck_assert_str_eq(fresh->service_name, "n");
	ck_assert_int_eq(fresh->semconv, CONFIG_SEMCONV_RPC);
	ck_assert_uint_eq(fresh->resource_attributes.count, 1);
	ck_assert_str_eq(fresh->resource_attributes.pairs[0].value, "1");
	ck_assert(!fresh->sandbox);
	ck_assert_ptr_null(fresh->admin_listen);
	ck_assert_int_eq(fresh->admin_url.scheme, URL_NONE);
}
END_TEST

/* The profile by another name, and the same file with other words. */
START_TEST(test_profile)
{
	char settings[128], profile[128];

	(void)snprintf(settings, sizeof settings, "{\"profile\": \"%s\"}", other_file);
	(void)snprintf(profile, sizeof profile, PROFILE, "one");
	reload_write(other_file, profile);
	reload_begin(settings);
	reload_again(settings);
	ck_assert(!changes.any);
	(void)snprintf(profile, sizeof profile, PROFILE, "two");
	reload_write(other_file, profile);
	reload_again(settings);
	ck_assert(changes.any && changes.traced);
	ck_assert_str_eq(changes.taken, "the profile");
	ck_assert_str_eq(fresh->profile->constants[0].value, "two");
	ck_assert_str_eq(running->profile->constants[0].value, "one");
	reload_again("{\"profile\": \"codex\"}");
	ck_assert(changes.traced);
	ck_assert_ptr_nonnull(strstr(changes.taken, "profile, "));
	ck_assert_str_eq(fresh->profile->name, "codex");
	ck_assert_str_eq(changes.kept, "service.name"); /* that profile would name us */
}
END_TEST

/* Files that settings name are read again, too; whether there is a token does not change. */
START_TEST(test_secrets)
{
	char settings[128];

	(void)snprintf(settings, sizeof settings, "{\"listen.token_file\": \"%s\"}", other_file);
	reload_write(other_file, "first");
	reload_begin(settings);
	reload_write(other_file, "second\n");
	reload_again(settings);
	ck_assert(changes.any && !changes.traced);
	ck_assert_str_eq(changes.taken, "the token");
	ck_assert_str_eq(fresh->listen_token, "second");
	reload_again("{}");
	ck_assert_str_eq(changes.kept, "allow_remote, listen.token_file"); /* which it implied */
	ck_assert_str_eq(fresh->listen_token, "second");
	reload_write(other_file, "");
	ck_assert_int_eq(reload_load(true), CONFIG_WRONG);
}
END_TEST

START_TEST(test_headers_file)
{
	char settings[128];

	(void)snprintf(settings, sizeof settings, "{\"otlp.headers_file\": \"%s\"}", other_file);
	reload_write(other_file, "authorization: one");
	reload_begin(settings);
	reload_write(other_file, "authorization: two");
	reload_again(settings);
	ck_assert_str_eq(changes.taken, "otlp.headers");
	ck_assert_str_eq(fresh->otlp_headers.pairs[0].value, "two");
	ck_assert_ptr_null(strstr(changes.taken, "two"));
}
END_TEST

/* One line: file, line, option, value, what would be right. */
START_TEST(test_wrong)
{
	char expected[256];

	reload_begin("{}");
	reload_write(settings_file, "{\n\"log.level\": \"loud\"}");
	ck_assert_int_eq(reload_load(true), CONFIG_WRONG);
	(void)snprintf(expected, sizeof expected,
		"%s:2: log.level: \"loud\": must be one of error, warn, info, debug",
		settings_file);
	ck_assert_str_eq(error, expected);
	ck_assert_ptr_null(fresh);
	reload_write(settings_file, "{");
	ck_assert_int_eq(reload_load(true), CONFIG_WRONG);
	ck_assert_ptr_eq(strstr(error, settings_file), error);
	ck_assert_int_eq(unlink(settings_file), 0);
	ck_assert_int_eq(reload_load(true), CONFIG_WRONG);
	ck_assert_ptr_nonnull(strstr(error, settings_file));
	reload_again("{}");
	ck_assert(!changes.any);
}
END_TEST

/* Every fifth allocation fails once. */
START_TEST(test_memory)
{
	enum config_outcome outcome;
	bool refused;
	long n = 0;

	reload_begin("{\"service.name\": \"n\", \"resource.attributes\": {\"a\": \"b\"}, "
		     "\"admin.listen\": \"http://127.0.0.1:0\"}");
	reload_write(settings_file, "{}");
	do {
		config_free(fresh);
		fresh = NULL;
		unit_alloc_fail_once(n);
		outcome = reload_load(true);
		unit_alloc_fail_never();
		refused = unit_alloc_failed();
		ck_assert_int_eq(outcome, refused ? CONFIG_WRONG : CONFIG_RUN);
		n += 5;
	} while (refused);
	ck_assert_int_gt(n, 50);
	ck_assert_str_eq(fresh->admin_listen, "http://127.0.0.1:0");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("config_reload");

	unit_fixture(setup, teardown);
	tcase_add_test(tc, test_nothing);
	tcase_add_test(tc, test_taken);
	tcase_add_test(tc, test_kept);
	tcase_add_test(tc, test_profile);
	tcase_add_test(tc, test_secrets);
	tcase_add_test(tc, test_headers_file);
	tcase_add_test(tc, test_wrong);
	tcase_add_test(tc, test_memory);
	return unit_run("config_reload", tc);
}

/*
 * Loading as a whole: strength of the sources, the command line, files, rules, --check and memory.
 */
#include "config/config.h"
#include "config/profile/profile_load.h"

#include <sys/stat.h>

#include "config/catalog.h"
#include "config/help.h"
#include "config/options.h"
#include "config/value.h"
#include "config/flags.h"
#include "tests/unit/config_case.h"

static const char *const config_no_variables[] = {NULL};
static const char *const config_command[] = {"--", "server", NULL};

/* batch.delay from every source at once, the strongest left out one after the other. */
START_TEST(test_config_strength)
{
	static const char *const delays[] = {"5s", "10ms", "20ms", "30ms", "40ms", "50ms"};
	char *profile = config_case_file("{\"name\": \"p\", \"settings\": {\"batch.delay\": 10}}");
	char *file = config_case_file("{\"batch\": {\"delay\": 20}}");
	const char *variables[3] = {NULL};
	const char *flags[16] = {"--allow-remote"};
	struct config_case load;
	char value[32];
	int n = 1;

	if (_i >= CONFIG_PROFILE) {
		flags[n++] = "--profile";
		flags[n++] = profile;
	}
	if (_i >= CONFIG_FILE) {
		flags[n++] = "--config";
		flags[n++] = file;
	}
	if (_i >= CONFIG_OTEL)
		variables[0] = "OTEL_BSP_SCHEDULE_DELAY=30";
	if (_i >= CONFIG_SIDESPAN)
		variables[1] = "SIDESPAN_BATCH_DELAY=40ms";
	if (_i >= CONFIG_FLAG)
		flags[n++] = "--batch-delay=50";
	flags[n++] = "--";
	flags[n++] = "server";
	config_case_load(&load, flags, variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	value_print(option_at(OPTION_AT_batch_delay_ms), load.config, value, sizeof value);
	ck_assert_str_eq(value, delays[_i]);
	config_case_done(&load);
	config_case_unlink(profile);
	config_case_unlink(file);
}
END_TEST

/* A map of attributes gets what each layer has; for the same name the strongest counts. */
START_TEST(test_config_attributes_merge)
{
	char *file = config_case_file("{\"resource\": {\"attributes\": {\"a\": \"file\", \"b\": "
				      "\"file\", \"c\": \"file\"}}}");
	const char *flags[] = {"--resource-attributes", "c=flag", "--resource-attributes=d=flag",
		"--config", file, "--", "server", NULL};
	static const char *const variables[] = {"OTEL_RESOURCE_ATTRIBUTES=b=otel,c=otel", NULL};
	struct config_case load;
	char value[128];

	config_case_load(&load, flags, variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	value_print(option_at(OPTION_AT_resource_attributes), load.config, value, sizeof value);
	ck_assert_str_eq(value, "c=flag,d=flag,a=file,b=otel");
	config_case_done(&load);
	config_case_unlink(file);
}
END_TEST

/* Headers are replaced as a whole: those for one collector must not go to another. */
START_TEST(test_config_headers_replace)
{
	char *file = config_case_file("{\"otlp.headers\": {\"a\": \"1\"}}");
	const char *flags[] = {"--config", file, "--", "server", NULL};
	static const char *const variables[] = {"SIDESPAN_OTLP_HEADERS=b=2", NULL};
	struct config_case load;

	config_case_load(&load, flags, variables);
	ck_assert_uint_eq(load.config->otlp_headers.count, 1);
	ck_assert_str_eq(load.config->otlp_headers.pairs[0].name, "b");
	config_case_done(&load);
	config_case_unlink(file);
}
END_TEST

/* What the engine reads when nobody has said anything, and when all of it was changed. */
START_TEST(test_config_lifecycle)
{
	static const char *const flags[] = {"--lifecycle=off", "--lifecycle-dispatch=turns",
		"--lifecycle-announce-after", "0", "--", "s", NULL};
	static const char *const variables[] = {"SIDESPAN_LIFECYCLE_OFF=items,events",
		"SIDESPAN_LIFECYCLE_SPANS_MAX=16", "SIDESPAN_LIFECYCLE_GRACE=1s",
		"SIDESPAN_LIFECYCLE=on", NULL};
	struct config_case load;

	config_case_load(&load, config_command, config_no_variables);
	ck_assert_int_eq(load.config->lifecycle, CONFIG_LIFECYCLE_ON);
	ck_assert_int_eq(load.config->lifecycle_dispatch, CONFIG_DISPATCH_ALL);
	ck_assert_ptr_null(load.config->lifecycle_off);
	ck_assert_int_eq(load.config->lifecycle_memories_max, 4096);
	ck_assert_int_eq(load.config->lifecycle_announce_after_ms, 10000);
	ck_assert_int_eq(load.config->lifecycle_max_age_ms, 86400000);
	ck_assert_int_eq(load.config->lifecycle_grace_ms, 2000);
	ck_assert_int_eq(load.config->lifecycle_spans_max, 10000);
	ck_assert(!load.config->propagation_inject_server_requests);
	config_case_done(&load);
	config_case_load(&load, flags, variables);
	ck_assert_int_eq(load.config->lifecycle, CONFIG_LIFECYCLE_OFF);
	ck_assert_int_eq(load.config->lifecycle_dispatch, CONFIG_DISPATCH_TURNS);
	ck_assert_str_eq(load.config->lifecycle_off, "items,events");
	ck_assert_int_eq(load.config->lifecycle_announce_after_ms, 0);
	ck_assert_int_eq(load.config->lifecycle_grace_ms, 1000);
	ck_assert_int_eq(load.config->lifecycle_spans_max, 16);
	config_case_done(&load);
}
END_TEST

START_TEST(test_config_files_in_order)
{
	char *one = config_case_file("{\"service.name\": \"one\", \"exporter\": \"none\"}");
	char *two = config_case_file("{\"service\": {\"name\": \"two\"}}");
	const char *flags[] = {
		"--config", one, "--env=production", "--config", two, "--", "s", NULL};
	struct config_case load;

	config_case_load(&load, flags, config_no_variables);
	ck_assert_str_eq(load.config->service_name, "two");
	ck_assert_int_eq(load.config->exporter, CONFIG_EXPORTER_NONE);
	ck_assert_int_eq(load.config->otlp_compression, CONFIG_COMPRESSION_GZIP);
	config_case_done(&load);
	config_case_unlink(one);
	config_case_unlink(two);
}
END_TEST

/* A file that says text; %s in error is its name. */
static const struct {
	const char *text;
	const char *error; /* NULL: fine */
} config_files[] = {
	{"{}", NULL},
	{"{\"otlp\": {\"endpoint\": \"http://x\", \"headers\": {\"a.b\": \"c\"}}, \"sampler\": "
	 "{\"arg\": 0.5}}",
		NULL},
	{"{\"otlp\": {}, \"batch\": {\"queue_max\": \"4096\", \"delay\": 100}}", NULL},
	{"{\"disabled\": true, \"allow_remote\": \"false\", \"otlp.headers\": \"a=b\"}", NULL},
	/* an option that is a group, too */
	{"{\"lifecycle\": \"off\", \"lifecycle.off\": \"items\"}", NULL},
	{"{\"lifecycle\": {\"off\": \"items\", \"max_age\": \"1h\"}}", NULL},
	{"{\"lifecycle\": \"off\", \"lifecycle\": {\"off\": \"items\"}}", NULL},
	{"{\"lifecycle\": {}}", NULL},
	{"{\"listen\": \"ws://127.0.0.1:0\", \"listen.check_origin\": \"always\"}", NULL},
	{"{\"listen\": {\"allow_origin\": [\"https://a\", \"null\"], \"allow_host\": \"a, b:1\"}}",
		NULL},
	{"{\"listen.allow_origin\": []}", NULL},
	{"{\"listen.allow_origin\": [\"https://a\",\n\"https://b/\"]}",
		"%s:2: listen.allow_origin: \"https://b/\": one is not an origin; must be a list "
		"of "
		"SCHEME://HOST[:PORT] or null, with commas between several"},
	{"{\"listen.allow_origin\": [\"https://a,https://b\"]}",
		"%s:1: listen.allow_origin: \"https://a,https://b\": one is not an origin; must be "
		"a "
		"list of SCHEME://HOST[:PORT] or null, with commas between several"},
	{"{\"listen.allow_host\": [1]}",
		"%s:1: listen.allow_host: a number: one is not a string; must be a list of "
		"HOST[:PORT], with commas between several"},
	{"{\"listen.allow_host\": {\"a\": \"b\"}}",
		"%s:1: listen.allow_host: an object: must be HOST[:PORT], with commas between "
		"several"},
	{"{\"exporter\": [\"none\"]}",
		"%s:1: exporter: a list: must be one of otlp, console, none"},
	{"{\"lifecycle\": false}", "%s:1: lifecycle: true or false: must be one of off, on"},
	{"{\"lifecycle\": [\"on\"]}", "%s:1: lifecycle: a list: must be one of off, on"},
	{"{\"lifecycle\": {\"of\": true}}",
		"%s:1: \"lifecycle.of\": no such option; did you mean lifecycle.off?"},
	{"{\"lifecycle\": {\"off\": \"a\"}, \"lifecycle.off\": \"a\"}",
		"%s:1: lifecycle.off: is set twice; it must stand once, line 1 has it"},
	{"{\"propagation\": {\"inject\": \"/trace\", \"inject_server_requests\": true}}", NULL},
	{"{\"propagation\": {\"inject_server_requests\": true}}",
		"%s:1: propagation.inject_server_requests: propagation.inject is no place in "
		"messages; must stand "
		"with the member to write into"},
	{"{\n\"batch.dealy\": 1}",
		"%s:2: \"batch.dealy\": no such option; did you mean batch.delay?"},
	{"{\"batch\": {\n\n\"dealy\": 1}}",
		"%s:3: \"batch.dealy\": no such option; did you mean batch.delay?"},
	{"{\"qwertz\": 1}", "%s:1: \"qwertz\": no such option; must be one that --help lists"},
	{"{\"\": {}}", "%s:1: \"\": no such option; must be one that --help lists"},
	{"{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":"
	 " 1}",
		"%s:1: "
		"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaa\": no such option; must be one that --help lists"},
	{"{\"otlp\": 1}", "%s:1: otlp: a number: must be an object of options, otlp.NAME"},
	{"{\"batch.delay\": 1,\n\"batch\": {\"delay\": 1}}",
		"%s:2: batch.delay: is set twice; it must stand once, line 1 has it"},
	{"{\"batch.queue_max\": 0, \"batch.spans_max\": 5000}", NULL},
	{"{\"batch.spans_max\": 0}", "%s:1: batch.spans_max: \"0\": too small; must be a whole "
				     "number from 1 to 2147483647"},
	{"{\"batch.queue_max\": 1.5}",
		"%s:1: batch.queue_max: \"1.5\": must be a whole number from 0 to 2147483647"},
	{"{\"batch.queue_max\": true}", "%s:1: batch.queue_max: true or false: must be a whole "
					"number from 0 to 2147483647"},
	{"{\"batch.queue_max\": null}",
		"%s:1: batch.queue_max: null: must be a whole number from 0 to 2147483647"},
	{"{\"batch.queue_max\": [1]}",
		"%s:1: batch.queue_max: a list: must be a whole number from 0 to 2147483647"},
	{"{\"service.name\": 1}", "%s:1: service.name: a number: must be a text of 1 to 255 bytes"},
	{"{\"disabled\": 1}", "%s:1: disabled: a number: must be true or false"},
	{"{\"exporter\": \"zipkin\"}",
		"%s:1: exporter: \"zipkin\": must be one of otlp, console, none"},
	{"{\"exporter\": {\"x\": 1}}",
		"%s:1: exporter: an object: must be one of otlp, console, none"},
	{"{\"otlp.headers\": {\"a\": 1}}", "%s:1: otlp.headers: \"a\": a value is not a string; "
					   "must be an object {NAME: VALUE}"},
	{"{\"otlp.headers\": {\n\"a b\": \"hunter2\"}}",
		"%s:2: otlp.headers: \"a b\": a name is not one of an HTTP header; must be an "
		"object "
		"{NAME: "
		"VALUE}"},
	{"{\"otlp.headers\": {\"a\\nb\": \"hunter2\"}}",
		"%s:1: otlp.headers: \"a?b\": it has a control character or is not UTF-8; must be "
		"an "
		"object {NAME: VALUE}"},
	{"{\"otlp.headers\": \"hunter2\"}",
		"%s:1: otlp.headers: ***: a pair has no =; must be NAME=VALUE[,NAME=VALUE...] with "
		"values percent-encoded"},
	{"{\"otlp.headers\": 3}",
		"%s:1: otlp.headers: a number: must be NAME=VALUE[,NAME=VALUE...] with values "
		"percent-encoded"},
	{"{\"resource.attributes\": {\"service.name\": \"x\"}}",
		"%s:1: resource.attributes: service.name has an option of its own, service.name"},
	{"{\"otlp.certificate\": \"/nowhere/x\"}", "%s:1: otlp.certificate: \"/nowhere/x\": No "
						   "such file or directory; must be the name of a "
						   "file that can be read"},
	{"{\"service.name\": \"${NOT_SET}\"}",
		"%s:1: \"service.name\": NOT_SET is not set: set it or write ${NOT_SET:-default}"},
	{"{\"batch.queue_max\": \"${QUEUE:-many}\"}",
		"%s:1: batch.queue_max: \"many\": must be a whole number from 0 to 2147483647"},
	{"{\"batch.spans_max\": 10, \"batch.queue_max\": 9}",
		"%s:1: batch.spans_max: \"10\": must be at most batch.queue_max, 9"},
	{"{\"retry.initial\": \"6s\"}", "%s:1: retry.initial: retry.initial is 6000ms and "
					"retry.max 5000ms; must be at most "
					"retry.max"},
	{"{\"retry.max\": \"500ms\"}", "%s:1: retry.max: retry.initial is 1000ms and retry.max "
				       "500ms; must be at most retry.max"},
	{"{\"propagation\": {\"inject\": \"/trace\", \"strip\": true}}", NULL},
	{"{\"propagation.extract\": false}", NULL},
	{"{\"propagation\": {\"extract\": [\"/params/_meta/*\", \"/trace\"]}}", NULL},
	{"{\"propagation.extract\": [\"/trace\", \"none\"]}",
		"%s:1: propagation.extract: \"none\": must stand alone, or be left out"},
	{"{\"propagation.extract\": [\"/a\", \"/b\", \"/c\", \"/d\"]}",
		"%s:1: propagation.extract: \"/d\": too many; must be a list of "
		"/NAME, /NAME/*, /params/NAME, /params/NAME/*, header; or true, false, none, with "
		"commas "
		"between several"},
	{"{\"propagation.extract\": 1}",
		"%s:1: propagation.extract: a number: must be "
		"/NAME, /NAME/*, /params/NAME, /params/NAME/*, header; or true, "
		"false, none, with commas between several"},
	{"{\"otlp.endpoint\": \"http://x?k=v\"}", NULL},
	/* no span has an attribute twice */
	{"{\"span.attributes\": {\"user.id\": \"a\"}, \"baggage.attributes\": [\"tenant\"]}", NULL},
	{"{\"span.attributes\": {\"a\": \"b\", \"rpc.method\": \"m\"}}",
		"%s:1: span.attributes: \"rpc.method\": sidespan sets it; must have another name"},
	{"{\"span.attributes\": {\"jsonrpc.request.id\": \"m\"}}",
		"%s:1: span.attributes: \"jsonrpc.request.id\": sidespan sets it; must have "
		"another "
		"name"},
	{"{\"profile\": \"codex\", \"span.attributes\": {\"app_server.api_version\": \"v3\"}}",
		"%s:1: span.attributes: \"app_server.api_version\": is a constant of the profile; "
		"must "
		"have another name"},
	{"{\"profile\": \"codex\", \"span.attributes\": {\"item.id\": \"v3\"}}",
		"%s:1: span.attributes: \"item.id\": is in a key of the profile's spans; must have "
		"another name"},
	{"{\"profile\": \"codex\", \"span.attributes\": {\"app_server.client_name\": \"v3\"}}",
		"%s:1: span.attributes: \"app_server.client_name\": the profile captures it; must "
		"have "
		"another name"},
	{"{\"span.attributes\": {\"user.id\": \"a\"}, \"baggage.attributes\": [\"b\", "
	 "\"user.id\"]}",
		"%s:1: span.attributes: \"user.id\": stands in baggage.attributes, too; must stand "
		"in "
		"one of them"},
	{"{\"baggage.attributes\": [\"tenant\", \"error.type\"]}",
		"%s:1: baggage.attributes: \"error.type\": sidespan sets it; must have another "
		"name"},
	{"{\"profile\": \"codex\", \"baggage.attributes\": [\"turn.id\"]}",
		"%s:1: baggage.attributes: \"turn.id\": is in a key of the profile's spans; must "
		"have "
		"another name"},
	{"{\"profile\": \"codex\", \"baggage.attributes\": [\"app_server.client_name\"]}", NULL},
	{"{\"otlp.client_key\": \"/\"}", "%s:1: otlp.client_key: \"/\": Is a directory; must be "
					 "the name of a file that can be read"},
	{"{\"propagation\": {\"inject\": \"none\", \"inject_server_requests\": true}}",
		"%s:1: propagation.inject_server_requests: propagation.inject is no place in "
		"messages; must stand "
		"with the member to write into"},
	{"{\"propagation\": {\"inject\": \"/a,/b\"}}",
		"%s:1: propagation.inject: \"/b\": is one too many; must be one place in messages, "
		"header, both of these, or none"},
	{"{\"propagation\": {\"inject\": \"none,header\"}}",
		"%s:1: propagation.inject: \"header\": is one too many; must be one place in "
		"messages, header, both of these, or none"},
	{"{\"propagation\": {\"inject\": \"true\"}}",
		"%s:1: propagation.inject: \"true\": it names no member; must be /NAME, /NAME/*, "
		"/params/NAME, /params/NAME/*, header; or none, with commas between several"},
	{"{\"profile\": \"dap\"}",
		"%s:1: profile: \"dap\": no such profile; must be auto, one of "
		"acp, codex, ethereum, generic, lsp, mcp, one beside a --config or in "
		"/usr/local/share/sidespan/profiles, or a file: "
		"a name with a / or ending in .json"},
	{"{\"a\": 1,}", "%s:1: not JSON: invalid object key (must be a string)"},
};

START_TEST(test_config_file)
{
	char *file = config_case_file(config_files[_i].text);
	const char *flags[] = {"--config", file, "--", "server", NULL};
	const char *text = config_files[_i].error;
	char error[CONFIG_ERROR_SIZE] = "";
	struct config_case load;

	config_case_load(&load, flags, config_no_variables);
	if (text != NULL)
		snprintf(error, sizeof error, "%s%s", file, text + 2);
	ck_assert_str_eq(load.error, error);
	ck_assert_str_eq(load.warnings, "");
	config_case_done(&load);
	config_case_unlink(file);
}
END_TEST

/* A URL that is refused, wherever it came from, and one that is not. */
static const struct {
	const char *flags[4];
	const char *variable;
	const char *said; /* in the error, the warnings or on the output */
} config_secrets[] = {
	{{"--otlp-endpoint=http://u:geheim@h:1/p"}, NULL,
		"--otlp-endpoint: \"http://***@h:1/p\": credentials belong into otlp.headers; "},
	{{"--otlp-endpoint", "u:geheim@h:1"}, NULL, "--otlp-endpoint: \"***@h:1\": the scheme "},
	{{"--otlp-traces-endpoint", "http://u:ge/heim@h"}, NULL, "endpoint: \"http://***@h\": "},
	{{"--otlp-endpoint", "http://h/?geheim#x"}, NULL, "endpoint: \"http://h/?***\": "},
	{{"--listen=ws://u:geheim@127.0.0.1:1"}, NULL, "--listen: \"ws://***@127.0.0.1:1\": "},
	{{"--upstream", "tcp://u:geheim@h:1"}, NULL, "--upstream: \"tcp://***@h:1\": "},
	{{"--upstream=wss://u:geheim@h:1"}, NULL, "--upstream: \"wss://***@h:1\": the port "},
	{{"--upstream", "u:geheim@h:1"}, NULL, "--upstream: \"***@h:1\": the scheme "},
	{{"http://u:geheim@h"}, NULL, "command line: \"http://***@h\": not an option; "},
	{{"--service-name", "a", "http://u:geheim@h?geheim"}, NULL, "\"http://***@h?***\": "},
	{{"--log-level=http://u:geheim@h"}, NULL, "--log-level: \"http://***@h\": must be "},
	{{NULL}, "SIDESPAN_OTLP_ENDPOINT=ftp://u:geheim@h", "\"ftp://***@h\": the scheme "},
	{{NULL}, "SIDESPAN_UPSTREAM=ws://u:geheim@h:1/p", "\"ws://***@h:1/p\": the port "},
	{{"--check"}, "OTEL_EXPORTER_OTLP_ENDPOINT=u:geheim@h", "ENDPOINT: \"***@h\": "},
	{{"--check"}, "OTEL_TRACES_EXPORTER=http://u:geheim@h", "\"http://***@h\": must be "},
	{{"--check"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://h/p?geheim",
		"\notlp.traces_endpoint     http://h/p?***  (variable "},
	{{"--check", "--upstream=ws://h:1/p?geheim"}, NULL,
		"\nupstream                 ws://h:1/p?***  (flag "},
};

START_TEST(test_config_url_secrets)
{
	const char *variables[] = {config_secrets[_i].variable, NULL};
	const char *flags[5] = {NULL};
	struct config_case load;
	char said[32768];

	memcpy(flags, config_secrets[_i].flags, sizeof config_secrets[_i].flags);
	config_case_load(&load, flags, variables);
	snprintf(said, sizeof said, "%s%s%s", load.error, load.warnings, load.out);
	ck_assert_msg(strstr(said, config_secrets[_i].said) != NULL, "%s", said);
	ck_assert_ptr_null(strstr(said, "geheim"));
	ck_assert_ptr_null(strstr(said, "heim@"));
	config_case_done(&load);
}
END_TEST

#define CONFIG_FLAGS 8

static const struct {
	const char *flags[CONFIG_FLAGS];
	const char *error; /* NULL: fine */
} config_flags[] = {
	{{"--", "server"}, NULL},
	{{"--listen", "ws://127.0.0.1:0", "--", "server"}, NULL},
	{{"--listen=unix:///tmp/x", "--upstream=ws+unix:///tmp/y"}, NULL},
	{{"--upstream", "ws://example:80/path?x=y"}, NULL},
	{{"--upstream", "ws://example:80/path", "--listen", "tcp://[::1]:0"}, NULL},
	{{"--upstream", "ws://example:80/", "--listen", "ws://[::1]:0/"}, NULL},
	{{"--listen", "tcp://0.0.0.0:1", "--allow-remote", "--", "s"}, NULL},
	{{"--disabled=true", "--no-propagation-strip", "--", "s"}, NULL},
	{{"--framing=content-length", "--listen=tcp://[::1]:0", "--", "s"}, NULL},
	{{"--framing=concatenated", "--upstream=ws://[::1]:1"}, NULL},
	{{"--framing=auto", "--listen=ws://[::1]:0", "--upstream=lsp+tcp://[::1]:1"}, NULL},
	{{"--framing=lines", "--listen=unix:///tmp/x", "--upstream=tcp://[::1]:1"}, NULL},
	{{"--framing=lines", "--listen=unix:///tmp/x", "--upstream=json+tcp://[::1]:1"},
		"--framing: listen and upstream are URLs, which say it themselves "},
	{{"--framing=lines", "--listen=ws+unix:///tmp/x", "--upstream=tcp://[::1]:1", "--check"},
		"--framing: listen and upstream are URLs, which say it themselves "},
	{{"--framing=content-length", "--listen=tcp://[::1]:0", "--upstream=tcp://[::1]:1"},
		"--framing: listen and upstream are URLs, which say it themselves (lsp+tcp://, "
		"json+unix://); must be left out, or one side be a command or standard input and "
		"output"},
	{{"--propagation-extract", "--", "s"}, NULL},
	{{"--propagation-extract", "/params/_meta/*", "--", "s"}, NULL},
	{{"--propagation-extract", "--no-propagation-extract", "--check"}, NULL},
	{{"--propagation-extract=/a,/b", "--propagation-extract=/c", "--", "s"}, NULL},
	{{"--propagation-extract=/a,/b", "--propagation-extract=/c,/d", "--", "s"},
		"--propagation-extract: \"/d\": is one too many; must be at most 3 places"},
	{{"--propagation-extract=/a,true", "--", "s"},
		"--propagation-extract: \"true\": must stand alone, or be left out"},
	{{"--lifecycle", "off", "--lifecycle-off=items", "--lifecycle-max-age=1h", "--", "s"},
		NULL},
	{{"--lifecycle-off=items,nothing", "--profile=codex", "--", "s"},
		"--lifecycle-off: \"items,nothing\": must be a list of events, deltas, and "
		"switches "},
	{{"--lifecycle-on=details, detail", "--profile=codex", "--", "s"},
		"--lifecycle-on: \"details, detail\": must be a list of words that stand with "
		"opt_in or unless in the profile"},
	{{"--lifecycle-on=details, details", "--profile=codex", "--", "s"}, NULL},
	{{"--lifecycle", "--", "s"},
		"command line: \"--lifecycle\": a value is missing; must be one of off, on"},
	{{"--lifecycle=no", "--", "s"}, "--lifecycle: \"no\": must be one of off, on"},
	{{"--no-lifecycle", "--", "s"}, "command line: \"--no-lifecycle\": no such option; "},
	{{"--check"}, NULL},
	{{"--env", "development", "--", "--env"}, NULL},
	{{NULL}, "command line: nothing to stand in front of; must be \"sidespan [OPTIONS] -- "
		 "COMMAND "
		 "[ARG...]\" to wrap a server, or \"sidespan [OPTIONS] [--listen URL] --upstream "
		 "URL\"; "
		 "see --help"},
	{{"--listen", "tcp://localhost:1"}, "command line: nothing to stand in front of; must be "},
	{{"--upstream", "tcp://a:1", "--", "server"},
		"--upstream: there is also a command behind --; must be only one of the two"},
	{{"--"}, "command line: \"--\": must be followed by a command"},
	{{"--", ""}, "command line: \"--\": must be followed by a command"},
	{{"server"},
		"command line: \"server\": not an option; a command to wrap must stand behind --"},
	{{"-x"}, "command line: \"-x\": no such option; must be one that --help lists"},
	{{"-h=1"}, "command line: \"--help\": must stand without a value"},
	{{"-hV"}, "command line: \"-hV\": no such option; must be one that --help lists"},
	{{"-"}, "command line: \"-\": no such option; must be one that --help lists"},
	{{"--no-"}, "command line: \"--no-\": no such option; must be one that --help lists"},
	{{"--lisen", "x"}, "command line: \"--lisen\": no such option; did you mean --listen?"},
	{{"--lisen=secret"}, "command line: \"--lisen\": no such option; did you mean --listen?"},
	{{"--confg", "x"}, "command line: \"--confg\": no such option; did you mean --config?"},
	{{"--no-listen"}, "command line: \"--no-listen\": no such option; did you mean --listen?"},
	{{"--listen"},
		"command line: \"--listen\": a value is missing; must be http[s]://HOST:PORT"},
	{{"--listen", "--", "server"}, "command line: \"--listen\": a value is missing; must be "},
	{{"--config"}, "command line: \"--config\": must be followed by a FILE"},
	{{"--config="}, "command line: \"--config\": must be followed by a FILE"},
	{{"--check=1"}, "command line: \"--check\": must stand without a value"},
	{{"--disabled=1"}, "--disabled: \"1\": must be true or false"},
	{{"--disabled="}, "--disabled: \"\": must be true or false"},
	{{"--no-disabled=true"},
		"command line: \"--no-disabled=true\": must stand without a value"},
	{{"--disabled", "false", "--", "s"},
		"command line: \"false\": not an option; a command to wrap must stand behind --"},
	{{"--requests-record=a,b c"},
		"--requests-record: \"a,b c\": one has a blank or a comma; must be all, work, or "
		"METHOD, * at its end standing for any rest, with commas between several"},
	{{"--requests-record=a*b"},
		"--requests-record: \"a*b\": one has a * that is not at its end; must be "},
	{{"--otlp-headers", "a=hunter2"}, "command line: \"--otlp-headers\": everybody can read a "
					  "command line; must be set in a "
					  "file or as SIDESPAN_OTLP_HEADERS"},
	{{"--batch-delay", "soon", "--", "s"}, "--batch-delay: \"soon\": must be a time from 0ms "
					       "to 2147483647ms (units ms, s, m, h; "
					       "without one ms)"},
	{{"--config", "/nowhere/x.json", "--", "s"},
		"/nowhere/x.json: cannot be opened: No such file or directory"},
	{{"--env", "../production", "--", "s"},
		"environment \"../production\": no such environment; must be one of "},
	{{"--profile", "nowhere", "--", "s"},
		"--profile: \"nowhere\": no such profile; must be auto, "},
	{{"--profile", "./nowhere", "--", "s"}, "./nowhere: cannot be opened: No such file"},
	{{"--profile", "nowhere.json", "--", "s"}, "nowhere.json: cannot be opened: No such file"},
	{{"--listen", "tcp://0.0.0.0:1", "--", "s"},
		"--listen: \"tcp://0.0.0.0:1\": other machines could use the server through it; "
		"must be a loopback address such as 127.0.0.1, or stand with listen.token_file, "
		"tls.client_ca or --allow-remote"},
	{{"--listen", "ws://example:1", "--", "s"},
		"--listen: \"ws://example:1\": other machines "},
	{{"--listen", "ws://localhost", "--", "s"},
		"--listen: \"ws://localhost\": the port is missing; must be http[s]://HOST:PORT"},
	{{"--upstream", "tcp://a:0"}, "--upstream: \"tcp://a:0\": port 0 is only for listening; "
				      "must be a port from 1 to 65535"},
	{{"--upstream", "ws://a:1/x", "--listen", "ws+unix:///x"},
		"--upstream: \"ws://a:1/x\": the path that a client asks for is passed on; "},
	{{"--upstream", "http://a:1/x", "--listen", "http://localhost:1/y"},
		"--upstream: \"http://a:1/x\": the path that a client asks for is passed on; "},
	{{"--upstream", "http://a:1", "--listen", "tcp://localhost:1"},
		"--upstream: \"http://a:1\": a server that speaks HTTP is for clients that do; "},
	{{"--upstream", "unix:///x", "--listen", "unix:///x"},
		"--upstream: \"unix:///x\": the same as listen; must be the address of the server"},
	/* what is not the proxy */
	{{"--explain"},
		"command line: \"--explain\": must be followed by a FILE of messages, or - for "
		"standard input"},
	{{"--explain", "a", "b"}, "command line: \"b\": a second FILE; must be one"},
	{{"--explain", "a", "--dir=x"},
		"command line: --dir: must be c2s, messages of the client, or s2c, of the server"},
	{{"--dir", "c2s", "--", "s"}, "command line: \"--dir\": must stand with --explain"},
	{{"--why=x", "--", "s"}, "command line: \"--why\": must stand with --explain"},
	{{"--dir=s2c", "--why=x", "--replay", "a"},
		"command line: \"--dir\": must stand with --explain"},
	{{"--replay"}, "command line: \"--replay\": must be followed by the FILE of a recording"},
	{{"--replay", "-"},
		"command line: \"--replay\": must be followed by the FILE of a recording"},
	{{"--replay", "a", "--explain"},
		"command line: \"--replay\": must stand without --explain"},
	{{"--timed", "--", "s"}, "command line: \"--timed\": must stand with --replay"},
	{{"--conn=1", "--", "s"}, "command line: \"--conn\": must stand with --replay"},
	{{"--conn=1", "--timed", "--explain", "a"},
		"command line: \"--timed\": must stand with --replay"},
};

START_TEST(test_config_flags)
{
	const char *error = config_flags[_i].error;
	struct config_case load;

	config_case_load(&load, config_flags[_i].flags, config_no_variables);
	ck_assert_msg((load.outcome == CONFIG_WRONG) == (error != NULL), "%s", load.error);
	if (error != NULL)
		ck_assert_msg(strncmp(load.error, error, strlen(error)) == 0, "%s", load.error);
	config_case_done(&load);
}
END_TEST

/* What the flags of --explain and --replay say arrives, in any order. */
START_TEST(test_config_of_recordings)
{
	static const char *const explains[][6] = {
		{"--explain", "-", NULL},
		{"--explain", "--dir", "c2s", "a", NULL},
		{"--dir=s2c", "--explain", "a", "--why=T", NULL},
	};
	static const char *const replays[][6] = {
		{"--replay", "a", NULL},
		{"--conn=2", "--timed", "--replay", "a", NULL},
	};
	struct config_case load;
	int i;

	for (i = 0; i < 3; i++) {
		config_case_load(&load, explains[i], config_no_variables);
		ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
		ck_assert_str_eq(load.config->explain, i == 0 ? "-" : "a");
		ck_assert_int_eq(load.config->explain_from_server, i == 2);
		ck_assert_int_eq(load.config->explain_why != NULL, i == 2);
		ck_assert_ptr_null(load.config->replay);
		config_case_done(&load);
	}
	for (i = 0; i < 2; i++) {
		config_case_load(&load, replays[i], config_no_variables);
		ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
		ck_assert_str_eq(load.config->replay, "a");
		ck_assert_int_eq(load.config->replay_timed, i == 1);
		ck_assert_int_eq(load.config->replay_connection != NULL, i == 1);
		ck_assert_ptr_null(load.config->explain);
		config_case_done(&load);
	}
}
END_TEST

START_TEST(test_config_command_and_urls)
{
	static const char *const flags[] = {
		"--listen", "ws://127.0.0.1:4500", "--", "codex", "app-server", "--", "-x", NULL};
	struct config_case load;
	struct config *config;

	config_case_load(&load, flags, config_no_variables);
	config = load.config;
	ck_assert_int_eq(config->command_count, 4);
	ck_assert_str_eq(config->command[0], "codex");
	ck_assert_str_eq(config->command[2], "--");
	ck_assert_str_eq(config->command[3], "-x");
	ck_assert_ptr_null(config->command[4]);
	ck_assert_int_eq(config->listen_url.scheme, URL_WS);
	ck_assert_int_eq(config->listen_url.port, 4500);
	ck_assert_int_eq(config->upstream_url.scheme, URL_NONE);
	ck_assert_str_eq(config->profile->name, "codex");
	ck_assert_str_eq(config->service_name, "codex-sidespan");
	ck_assert_str_eq(config->rpc_service, "codex-app-server");
	ck_assert_str_eq(config->span_name, "app_server.request {method}");
	ck_assert_str_eq(config->propagation_inject.items[0], "/trace");
	config_case_done(&load);
}
END_TEST

START_TEST(test_config_profile_file)
{
	char *profile =
		config_case_file("{\"name\": \"mine\", \"settings\": {\"span.name\": \"x\"}}");
	const char *flags[] = {"--profile", profile, "--", "codex", "app-server", NULL};
	struct config_case load;

	config_case_load(&load, flags, config_no_variables);
	ck_assert_str_eq(load.config->profile->name, "mine");
	ck_assert_str_eq(load.config->span_name, "x");
	config_case_done(&load);
	config_case_unlink(profile);
}
END_TEST

/* What a profile sets, alone or against the rest, and what is said of it; the program runs. */
static const struct {
	const char *settings;
	const char *flags[3];
	const char *warnings; /* %s stands for the file */
	enum option_index index;
	const char *value;
} config_profiles[] = {
	{"\"span.nam\": \"x\", \"service.name\": \"s\"", {NULL},
		"%s:2: \"span.nam\": no such option; did you mean span.name?; ignored\n",
		OPTION_AT_service_name, "s"},
	{"\"otlp\": 1, \"service.name\": \"s\"", {NULL},
		"%s:2: otlp: a number: must be an object of options, otlp.NAME; ignored\n",
		OPTION_AT_service_name, "s"},
	{"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": {\"b\": 1}, "
	 "\"service.name\": \"s\"",
		{NULL},
		"%s:2: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": "
		"no such option; must be one that --help lists; ignored\n",
		OPTION_AT_service_name, "s"},
	{"\"batch.delay\": \"soon\"", {NULL},
		"%s:2: batch.delay: \"soon\": must be a time from 0ms to 2147483647ms (units ms, "
		"s, "
		"m, h; without one ms); ignored\n",
		OPTION_AT_batch_delay_ms, "5s"},
	{"\"batch.delay\": \"7s\", \"batch\": {\"delay\": \"8s\"}", {NULL},
		"%s:2: batch.delay: is set twice; it must stand once, line 2 has it; ignored\n",
		OPTION_AT_batch_delay_ms, "7s"},
	{"\"exporter\": [1]", {NULL},
		"%s:2: exporter: a list: must be one of otlp, console, none; ignored\n",
		OPTION_AT_exporter, "otlp"},
	{"\"otlp.headers\": {\"a\": \"1\", \"b c\": \"geheim\"}", {NULL},
		"%s:2: otlp.headers: \"b c\": a name is not one of an HTTP header; must be an "
		"object {NAME: VALUE}; ignored\n",
		OPTION_AT_otlp_headers, "-"},
	{"\"resource.attributes\": {\"service.name\": \"x\"}", {NULL},
		"%s:2: resource.attributes: service.name has an option of its own, service.name; "
		"ignored\n",
		OPTION_AT_resource_attributes, "-"},
	{"\"otlp.certificate\": \"/nowhere/x\"", {NULL},
		"%s:2: otlp.certificate: \"/nowhere/x\": No such file or directory; must be the "
		"name of a file that can be read; ignored\n",
		OPTION_AT_otlp_certificate, "-"},
	{"\"otlp.endpoint\": \"http://u:geheim@h/\"", {NULL},
		"%s:2: otlp.endpoint: \"http://***@h/\": credentials belong into otlp.headers; "
		"must "
		"be http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]; ignored\n",
		OPTION_AT_otlp_endpoint, "http://localhost:4318"},
	/* pairs */
	{"\"batch.queue_max\": 100", {"--batch-spans-max=200"},
		"--batch-spans-max: \"200\": must be at most batch.queue_max, 100, which is used\n",
		OPTION_AT_batch_spans_max, "100"},
	{"\"batch.spans_max\": 200", {"--batch-queue-max=100"},
		"%s:2: batch.spans_max: \"200\": must be at most batch.queue_max, 100, which is "
		"used\n",
		OPTION_AT_batch_spans_max, "100"},
	{"\"retry.initial\": \"9s\"", {NULL},
		"%s:2: retry.initial: retry.initial is 9000ms and retry.max 5000ms; must be at "
		"most retry.max, which is used for both\n",
		OPTION_AT_retry_initial_ms, "5s"},
	{"\"retry.max\": \"2s\"", {"--retry-initial=3s"},
		"--retry-initial: retry.initial is 3000ms and retry.max 2000ms; must be at most "
		"retry.max, which is used for both\n",
		OPTION_AT_retry_initial_ms, "2s"},
	{"\"propagation\": {\"inject\": \"/trace\", \"strip\": true, \"extract\": [\"/a\", "
	 "\"/b\"]}",
		{NULL}, "", OPTION_AT_propagation_strip, "true"},
	{"\"propagation\": {\"inject_server_requests\": true}", {NULL},
		"%s:2: propagation.inject_server_requests: propagation.inject is no place in "
		"messages; must stand "
		"with the member to write into; ignored\n",
		OPTION_AT_propagation_inject_server_requests, "false"},
	{"\"propagation\": {\"inject\": \"/trace\", \"inject_server_requests\": true}",
		{"--propagation-inject=none"}, "", OPTION_AT_propagation_inject, "none"},
	/* where to: without it, the standard input and output of the command */
	{"\"upstream\": \"tcp://127.0.0.1:1\"", {NULL},
		"%s:2: upstream: there is also a command behind --; must be only one of the two, "
		"it is the server; ignored\n",
		OPTION_AT_upstream, "-"},
	{"\"listen\": \"tcp://0.0.0.0:1\"", {NULL},
		"%s:2: listen: \"tcp://0.0.0.0:1\": other machines could use the server through "
		"it; must be a loopback address such as 127.0.0.1, or stand with "
		"listen.token_file, "
		"tls.client_ca or --allow-remote; ignored\n",
		OPTION_AT_listen, "-"},
};

START_TEST(test_config_profile_mistakes)
{
	const char *flags[8] = {"--profile"};
	char text[512], expected[1024], value[128];
	const char *warnings = config_profiles[_i].warnings;
	struct config_case load;
	char *profile;
	int n = 2, i;

	snprintf(text, sizeof text, "{\"name\": \"mine\", \"settings\": {\n%s}}",
		config_profiles[_i].settings);
	profile = config_case_file(text);
	flags[1] = profile;
	for (i = 0; config_profiles[_i].flags[i] != NULL; i++)
		flags[n++] = config_profiles[_i].flags[i];
	flags[n++] = "--";
	flags[n] = "server";
	config_case_load(&load, flags, config_no_variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	snprintf(expected, sizeof expected, "%s%s", strncmp(warnings, "%s", 2) == 0 ? profile : "",
		strncmp(warnings, "%s", 2) == 0 ? warnings + 2 : warnings);
	ck_assert_str_eq(load.warnings, expected);
	value_print(option_at(config_profiles[_i].index), load.config, value, sizeof value);
	ck_assert_str_eq(value, config_profiles[_i].value);
	ck_assert_int_eq(load.config->listen_url.scheme, URL_NONE);
	ck_assert_int_eq(load.config->upstream_url.scheme, URL_NONE);
	config_case_done(&load);
	config_case_unlink(profile);
}
END_TEST

/* The flags that are no options end somewhere, and nothing comes behind that. */
START_TEST(test_config_flags_beside_options)
{
	size_t i = 0;

	while (flags_command_at(i) != NULL)
		ck_assert_ptr_nonnull(flags_command_at(i++)->help);
	ck_assert_uint_gt(i, 5);
	for (; i < 50; i++)
		ck_assert_ptr_null(flags_command_at(i));
}
END_TEST

static const struct {
	const char *flags[CONFIG_FLAGS];
	const char *variables[3];
	const char *url;
} config_urls[] = {
	{{"--", "s"}, {NULL}, "http://localhost:4318/v1/traces"},
	{{"--otlp-endpoint", "http://c/base/", "--", "s"}, {NULL}, "http://c/base/v1/traces"},
	{{"--otlp-traces-endpoint", "http://t", "--", "s"}, {NULL}, "http://t/"},
	{{"--otlp-traces-endpoint", "http://t/x/?k=v", "--", "s"}, {NULL}, "http://t/x/?k=v"},
	{{"--", "s"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://g",
			"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://t/v1/traces"},
		"http://t/v1/traces"},
	{{"--otlp-endpoint", "http://c", "--", "s"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://t"}, "http://c/v1/traces"},
	{{"--otlp-traces-endpoint", "http://t", "--", "s"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c"}, "http://t/"},
	{{"--otlp-endpoint", "http://c/base?k=v", "--", "s"}, {NULL},
		"http://c/base/v1/traces?k=v"},
	{{"--", "s"}, {"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:1?k=v&l=/"},
		"http://c:1/v1/traces?k=v&l=/"},
	{{"--", "s"}, {"OTEL_EXPORTER_OTLP_ENDPOINT=http://c/?"}, "http://c/v1/traces?"},
	{{"--", "s"}, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c?k=v"}, "http://c/?k=v"},
	/* what cannot be used is left out, not all of it */
	{{"--", "s"}, {"OTEL_EXPORTER_OTLP_ENDPOINT=http://u:p@c:1/b?k=v#f"},
		"http://c:1/b/v1/traces?k=v"},
	{{"--", "s"}, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://u:p@c:1/b?k=@v#f"},
		"http://c:1/b?k=@v"},
};

START_TEST(test_config_otlp_url)
{
	struct config_case load;

	config_case_load(&load, config_urls[_i].flags, config_urls[_i].variables);
	ck_assert_str_eq(load.config->otlp_url, config_urls[_i].url);
	config_case_done(&load);
}
END_TEST

static const struct {
	const char *name;
	int exporter, level, compression;
} config_environments[] = {
	{"development", CONFIG_EXPORTER_CONSOLE, CONFIG_LOG_DEBUG, CONFIG_COMPRESSION_NONE},
	{"staging", CONFIG_EXPORTER_OTLP, CONFIG_LOG_INFO, CONFIG_COMPRESSION_GZIP},
	{"production", CONFIG_EXPORTER_OTLP, CONFIG_LOG_INFO, CONFIG_COMPRESSION_GZIP},
};

/* By flag, by variable, and the flag is stronger. */
START_TEST(test_config_environment)
{
	const char *by_flag[] = {"--env", config_environments[_i].name, "--", "s", NULL};
	char variable[64];
	const char *by_variable[] = {variable, NULL};
	struct config_case load;
	int way;

	for (way = 0; way < 3; way++) {
		snprintf(variable, sizeof variable, "SIDESPAN_ENV=%s",
			way == 1 ? config_environments[_i].name : "nowhere");
		config_case_load(&load, way == 1 ? config_command : by_flag,
			way == 0 ? config_no_variables : by_variable);
		ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
		ck_assert_int_eq(load.config->exporter, config_environments[_i].exporter);
		ck_assert_int_eq(load.config->log_level, config_environments[_i].level);
		ck_assert_int_eq(
			load.config->otlp_compression, config_environments[_i].compression);
		ck_assert_str_eq(load.config->resource_attributes.pairs[0].name,
			"deployment.environment.name");
		ck_assert_str_eq(load.config->resource_attributes.pairs[0].value,
			config_environments[_i].name);
		config_case_done(&load);
	}
}
END_TEST

static void config_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

/* An installed environment is stronger than what is compiled in, and is listed. */
START_TEST(test_config_installed_environment)
{
	static char *const environment[] = {NULL};
	char folder[] = "/tmp/sidespan_test_XXXXXX";
	char below[64], mine[96], changed[96];
	char error[512] = "";
	struct file *file;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(below, sizeof below, "%s/environments", folder);
	ck_assert_int_eq(mkdir(below, 0700), 0);
	snprintf(mine, sizeof mine, "%s/mine.json", below);
	snprintf(changed, sizeof changed, "%s/staging.json", below);
	config_write(mine, "{}");
	config_write(changed, "{\"exporter\": \"none\"}");
	file = catalog_read_environment(folder, "mine", environment, error, sizeof error);
	ck_assert_msg(file != NULL, "%s", error);
	ck_assert_str_eq(file->name, mine);
	file_free(file);
	file = catalog_read_environment(folder, "staging", environment, error, sizeof error);
	ck_assert_str_eq(file_member(file->root, "exporter")->text, "none");
	file_free(file);
	file = catalog_read_environment(folder, "production", environment, error, sizeof error);
	ck_assert_str_eq(file->name, "built-in environments/production.json");
	file_free(file);
	ck_assert_ptr_null(catalog_read_environment(folder, "x", environment, error, sizeof error));
	ck_assert_str_eq(error,
		"environment \"x\": no such environment; must be one of development, production, "
		"staging, mine, or a file given with --config");
	unlink(mine);
	unlink(changed);
	rmdir(below);
	rmdir(folder);
}
END_TEST

START_TEST(test_config_check)
{
	char *file = config_case_file(
		"{\n\"batch.delay\": \"1500ms\",\n\"otlp.headers\": {\"k\": \"v\"}}");
	const char *flags[] = {
		"--check", "--config", file, "--exporter=none", "--", "codex", "app-server", NULL};
	static const char *const variables[] = {
		"OTEL_EXPORTER_OTLP_TIMEOUT=7", "SIDESPAN_INFLIGHT_MAX=9", NULL};
	const char *lines[] = {
		"listen                   -  (built-in)\n",
		"inflight.max             9  (variable SIDESPAN_INFLIGHT_MAX)\n",
		"otlp.timeout             7ms  (variable OTEL_EXPORTER_OTLP_TIMEOUT)\n",
		"exporter                 none  (flag --exporter)\n",
		("service.name             codex-sidespan  (profile built-in "
		 "profiles/codex.json:9)\n"),
		"\nprofile codex: 9 captures, 1 constants, ",
		" lifecycle rules\ncommand codex app-server\n",
	};
	char line[256];
	struct config_case load;
	size_t i, count = 0;

	config_case_load(&load, flags, variables);
	ck_assert_int_eq(load.outcome, CONFIG_DONE);
	for (i = 0; i < sizeof lines / sizeof *lines; i++)
		ck_assert_msg(strstr(load.out, lines[i]) != NULL, "%s\n%s", lines[i], load.out);
	snprintf(line, sizeof line, "batch.delay              1500ms  (file %s:2)\n", file);
	ck_assert_ptr_nonnull(strstr(load.out, line));
	snprintf(line, sizeof line, "otlp.headers             k=***  (file %s:3)\n", file);
	ck_assert_ptr_nonnull(strstr(load.out, line));
	for (i = 0; i < load.out_size; i++)
		count += load.out[i] == '\n';
	ck_assert_uint_eq(count, OPTION_COUNT + 2 + 4); /* with the notes */
	ck_assert_ptr_nonnull(
		strstr(load.out, ":2: batch.delay: no effect: the exporter is none\n"));
	ck_assert_ptr_nonnull(strstr(load.out, ":3: otlp.headers: no effect: "));
	ck_assert_ptr_nonnull(strstr(load.out, "note: OTEL_EXPORTER_OTLP_TIMEOUT: no effect: "));
	config_case_done(&load);
	config_case_unlink(file);
}
END_TEST

/* A list of methods may be an array in a file. */
START_TEST(test_config_methods)
{
	static const struct {
		const char *file, *first, *error;
		size_t count;
	} files[] = {
		{"{}", "all", NULL, 1},
		{"{\"requests.record\": [\"turn/*\", \"a\"]}", "turn/*", NULL, 2},
		{"{\"requests\": {\"record\": \"work\"}}", "work", NULL, 1},
		{"{\"requests.record\": [\"a\", 5]}", NULL, "one is not a string", 0},
		{"{\"requests.record\": [\"a,b\"]}", NULL, "one has a blank or a comma", 0},
	};
	size_t i;

	for (i = 0; i < sizeof files / sizeof *files; i++) {
		char *file = config_case_file(files[i].file);
		const char *flags[] = {"--config", file, "--", "s", NULL};
		const struct config_list *list;
		struct config_case load;

		config_case_load(&load, flags, config_no_variables);
		ck_assert_int_eq(load.outcome, files[i].error == NULL ? CONFIG_RUN : CONFIG_WRONG);
		if (files[i].error == NULL) {
			list = &load.config->requests_record;
			ck_assert_uint_eq(list->count, files[i].count);
			ck_assert_str_eq(list->items[0], files[i].first);
		} else {
			ck_assert_msg(strstr(load.error, files[i].error) != NULL, "%s", load.error);
		}
		config_case_done(&load);
		config_case_unlink(file);
	}
}
END_TEST

/* Shares of methods: numbers or texts in a file, pairs elsewhere; as they were written. */
START_TEST(test_config_shares)
{
#define MUST_FILE "; must be an object {METHOD: SHARE}"
#define MUST_FLAG "; must be METHOD=SHARE[,METHOD=SHARE...], each a number from 0 to 1"
#define NO_SHARE  "a share is not a number from 0 to 1"
	static const struct {
		const char *file, *flag, *shown, *error;
	} rows[] = {
		{"{}", NULL, "-", NULL},
		{"{\"sampling.methods\": {\"fs/*\": 0.10, \"a\": \"1\", \"*\": 0}}", NULL,
			"fs/*=0.10,a=1,*=0", NULL},
		{"{\"sampling\": {\"methods\": {\"a\": 1e-3}}}", NULL, "a=1e-3", NULL},
		{"{\"sampling.methods\": {\"a\": 1}}", "b=0.5, c%3Dd=0", "b=0.5,c=d=0", NULL},
		{"{\"sampling.methods\": \"a=0\"}", NULL, "a=0", NULL},
		{"{\"sampling.methods\": {\n\"a\": 1.01}}", NULL, NULL,
			":2: sampling.methods: \"a\": " NO_SHARE MUST_FILE},
		{"{\"sampling.methods\": {\"a\": -0.1}}", NULL, NULL, NO_SHARE MUST_FILE},
		{"{\"sampling.methods\": {\"a\": \"nan\"}}", NULL, NULL, NO_SHARE MUST_FILE},
		{"{\"sampling.methods\": {\"a\": true}}", NULL, NULL, NO_SHARE MUST_FILE},
		{"{\"sampling.methods\": {\"a\": {\"b\": 1}}}", NULL, NULL, NO_SHARE MUST_FILE},
		{"{\"sampling.methods\": {\"a*b\": 1}}", NULL, NULL,
			"\"a*b\": one has a * that is not at its end" MUST_FILE},
		{"{\"sampling.methods\": {\"\": 1}}", NULL, NULL, "a name is missing" MUST_FILE},
		{"{\"sampling.methods\": [1]}", NULL, NULL, "a list: must be METHOD=SHARE["},
		{"{}", "a=2", NULL, "--sampling-methods: \"a=2\": " NO_SHARE MUST_FLAG},
		{"{}", "a=", NULL, NO_SHARE MUST_FLAG},
		{"{}", "a=0x1", NULL, NO_SHARE MUST_FLAG},
		{"{}", "a", NULL, "a pair has no =" MUST_FLAG},
		{"{}", "**=1", NULL, "one has a * that is not at its end" MUST_FLAG},
	};
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *file = config_case_file(rows[i].file);
		const char *flags[] = {
			"--config", file, "--sampling-methods", rows[i].flag, "--", "s", NULL};
		struct config_case load;
		char shown[64];

		if (rows[i].flag == NULL)
			memmove(flags + 2, flags + 4, 3 * sizeof *flags);
		config_case_load(&load, flags, config_no_variables);
		if (rows[i].error == NULL) {
			ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
			value_print(option_at(OPTION_AT_sampling_methods), load.config, shown,
				sizeof shown);
			ck_assert_str_eq(shown, rows[i].shown);
		} else {
			ck_assert_int_eq(load.outcome, CONFIG_WRONG);
			ck_assert_msg(strstr(load.error, rows[i].error) != NULL, "%s", load.error);
		}
		config_case_done(&load);
		config_case_unlink(file);
	}
}
END_TEST

/* No more methods than there may be. */
START_TEST(test_config_shares_max)
{
	char text[512] = "";
	const char *flags[] = {"--sampling-methods", text, "--", "s", NULL};
	struct config_case load;
	size_t used = 0;
	int i;

	for (i = 0; i < 33; i++) {
		used += (size_t)snprintf(
			text + used, sizeof text - used, "%sm%d/*=0", i == 0 ? "" : ",", i);
		if (i < 31)
			continue;
		config_case_load(&load, flags, config_no_variables);
		ck_assert_int_eq(load.outcome, i == 31 ? CONFIG_RUN : CONFIG_WRONG);
		ck_assert_int_eq(strstr(load.error, "too many pairs") != NULL, i == 32);
		config_case_done(&load);
	}
}
END_TEST

/* What --check says of settings that are good, but do nothing. NOTHING: it says nothing. */
#define NOTHING "nothing"
static const struct {
	const char *flags[8], *variable, *note;
} config_notes[] = {
	{{"--", "/bin/sh"}, NULL, NOTHING},
	{{"--", "sh"}, "PATH=/nowhere:/bin", NOTHING},
	{{"--", "sh"}, "PATH=/nowhere", "command sh: there is no such program in PATH"},
	{{"--", "sh"}, "PATH=/nowhere:", "command sh: there is no such program in PATH"},
	{{"--", "/bin/no-such"}, NULL, "command /bin/no-such: there is no such program"},
	{{"--", "/bin"}, NULL, "command /bin: it may not be executed"},
	{{"--", "/etc/passwd"}, NULL, "command /etc/passwd: it may not be executed"},
	{{"--sampler-arg=0.5", "--", "/bin/sh"}, NULL,
		"--sampler-arg: no effect: the sampler takes no ratio"},
	{{"--sampler-arg=0.5", "--sampler=traceidratio", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--sampler-arg=0.5", "--sampler=parentbased_traceidratio", "--", "/bin/sh"}, NULL,
		NOTHING},
	{{"--otlp-compression=gzip", "--exporter=console", "--", "/bin/sh"}, NULL,
		"--otlp-compression: no effect: the exporter is not otlp"},
	{{"--batch-delay=1s", "--exporter=console", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--console-wait=1s", "--", "/bin/sh"}, NULL,
		"--console-wait: no effect: the exporter is not console"},
	{{"--lifecycle-off=items", "--", "/bin/sh"}, NULL,
		"--lifecycle-off: no effect: the profile has no lifecycle"},
	{{"--lifecycle-off=items", "--lifecycle=off", "--profile=codex", "--", "/bin/sh"}, NULL,
		"--lifecycle-off: no effect: lifecycle is off"},
	{{"--lifecycle-off=items", "--profile=codex", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--lifecycle-on=details", "--profile=codex", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--lifecycle-on=details", "--", "/bin/sh"}, NULL,
		"--lifecycle-on: no effect: the profile has no lifecycle"},
	{{"--requests-record=work", "--", "/bin/sh"}, NULL,
		"--requests-record: no effect: no request begins work, so none has a span"},
	{{"--requests-record=work", "--profile=codex", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--child-grace=1s", "--upstream=tcp://127.0.0.1:1"}, NULL,
		"--child-grace: no effect: there is no COMMAND"},
	{{"--connect-timeout=1s", "--", "/bin/sh"}, NULL,
		"--connect-timeout: no effect: a COMMAND is not connected to"},
	{{"--allow-remote", "--", "/bin/sh"}, NULL,
		"--allow-remote: no effect: nothing is listened on"},
	{{"--listen-check-origin=never", "--", "/bin/sh"}, NULL,
		"--listen-check-origin: no effect: nothing is listened on"},
	{{"--listen-allow-host=x", "--listen=tcp://127.0.0.1:1", "--", "/bin/sh"}, NULL,
		"--listen-allow-host: no effect: clients speak no HTTP there"},
	{{"--propagation-trust=restart", "--propagation-extract=none", "--", "/bin/sh"}, NULL,
		"--propagation-trust: no effect: no parents are looked for"},
	{{"--propagation-trust=restart", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--http-via", "--listen=tcp://127.0.0.1:1", "--", "/bin/sh"}, NULL,
		"--http-via: no effect: clients speak no HTTP there"},
	{{"--http-via", "--", "/bin/sh"}, NULL, "--http-via: no effect: nothing is listened on"},
	{{"--http-via", "--listen=http://127.0.0.1:1", "--upstream=http://a:1"}, NULL, NOTHING},
	{{"--listen-allow-origin=null", "--listen=ws://127.0.0.1:1", "--upstream=ws://a:1"}, NULL,
		"--listen-allow-origin: no effect: by listen.check_origin the server looks at it "
		"itself"},
	{{"--listen-allow-host=x", "--listen=ws://127.0.0.1:1", "--upstream=ws+unix:///a"}, NULL,
		"--listen-allow-host: no effect: by listen.check_origin the server looks at it "
		"itself"},
	{{"--listen-allow-host=x", "--listen=ws+unix:///a", "--", "/bin/sh"}, NULL,
		"--listen-allow-host: no effect: a Unix socket may be called by any name"},
	{{"--listen-allow-origin=null", "--listen=ws+unix:///a", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--listen-allow-origin=null", "--listen=ws://[::1]:0", "--upstream=tcp://a:1"}, NULL,
		NOTHING},
	{{"--rpc-service=x", "--semconv=rpc", "--", "/bin/sh"}, NULL,
		"--rpc-service: no effect: semconv rpc has no such attribute"},
	{{"--otlp-client-key=/etc/passwd", "--", "/bin/sh"}, NULL,
		"--otlp-client-key: no effect: the collector's URL is not https://"},
	{{"--otlp-client-key=/etc/passwd", "--otlp-endpoint=https://c", "--", "/bin/sh"}, NULL,
		"--otlp-client-key: no effect: otlp.client_certificate is not set"},
	{{"--", "/bin/sh"}, "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317/x",
		"OTEL_EXPORTER_OTLP_ENDPOINT: port 4317 is the one for gRPC, which is not spoken "
		"here; OTLP over HTTP has 4318"},
	{{"--otlp-traces-endpoint=https://[::1]:4317", "--", "/bin/sh"}, NULL,
		"--otlp-traces-endpoint: port 4317 is the one for gRPC, which is not spoken here; "
		"OTLP over HTTP has 4318"},
	{{"--otlp-endpoint=http://c:4317", "--exporter=console", "--", "/bin/sh"}, NULL,
		"--otlp-endpoint: no effect: the exporter is not otlp"},
	{{"--otlp-endpoint=http://4317/4317:4317", "--", "/bin/sh"}, NULL, NOTHING},
	/* what an environment of ours says of all profiles alike */
	{{"--env=production", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--env=development", "--profile=generic", "--exporter=none", "--", "/bin/sh"}, NULL,
		NOTHING},
	{{"--env=production", "--profile=codex", "--", "/bin/sh"}, NULL,
		"built-in environments/production.json:11: lifecycle.turn_below: client, as "
		"viewers "
		"take state, name and length of a trace from its uppermost span; dispatch shows "
		"who "
		"asked whom"},
	{{"--env=production", "--profile=codex", "--lifecycle=off", "--", "/bin/sh"}, NULL,
		NOTHING},
	{{"--env=production", "--profile=codex", "--lifecycle-turn-below=dispatch", "--",
		 "/bin/sh"},
		NULL, NOTHING},
	{{"--lifecycle-turn-below=client", "--profile=codex", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--exporter=otlp", "--disabled", "--", "/bin/sh"}, NULL,
		"--exporter: no effect: disabled records nothing"},
	{{"--batch-delay=1s", "--disabled", "--", "/bin/sh"}, NULL,
		"--batch-delay: no effect: disabled records nothing"},
	{{"--otlp-endpoint=http://c", "--disabled", "--", "/bin/sh"}, NULL,
		"--otlp-endpoint: no effect: disabled records nothing"},
	{{"--lifecycle-max-age=1h", "--profile=codex", "--disabled", "--", "/bin/sh"}, NULL,
		"--lifecycle-max-age: no effect: disabled records nothing"},
	{{"--propagation-inject=/trace", "--disabled", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--connections-max-per-source=2", "--", "/bin/sh"}, NULL,
		"--connections-max-per-source: no effect: without listen there is one client"},
	{{"--idle-timeout=1s", "--upstream=tcp://127.0.0.1:1"}, NULL,
		"--idle-timeout: no effect: nothing is listened on"},
	{{"--first-byte-timeout=1s", "--", "/bin/sh"}, NULL,
		"--first-byte-timeout: no effect: nothing is listened on"},
	{{"--first-byte-timeout=1s", "--listen=tcp://127.0.0.1:1", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--spool-sync=batch", "--", "/bin/sh"}, NULL,
		"--spool-sync: no effect: spool.directory is not set"},
	{{"--spool-directory=/tmp", "--exporter=console", "--", "/bin/sh"}, NULL,
		"--spool-directory: no effect: the exporter is not otlp"},
	{{"--spool-directory=/tmp/new", "--spool-bytes-max=1GiB", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--spool-directory=/missing/new", "--", "/bin/sh"}, NULL,
		"--spool-directory: there is no folder /missing/"},
	{{"--shutdown-drain=1s", "--", "/bin/sh"}, NULL,
		"--shutdown-drain: no effect: a COMMAND that is wrapped decides itself"},
	{{"--shutdown-drain=1s", "--upstream=tcp://127.0.0.1:1"}, NULL, NOTHING},
	{{"--shutdown-drain=1s", "--listen=tcp://127.0.0.1:1", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--handshake-timeout=1s", "--listen=tcp://127.0.0.1:1", "--", "/bin/sh"}, NULL,
		"--handshake-timeout: no effect: neither side speaks HTTP"},
	{{"--handshake-bytes-max=1KiB", "--upstream=ws+unix:///a"}, NULL, NOTHING},
	{{"--handshake-bytes-max=1KiB", "--listen=ws://127.0.0.1:1", "--", "/bin/sh"}, NULL,
		NOTHING},
	{{"--no-propagation-create-params", "--profile=codex", "--", "/bin/sh"}, NULL,
		"--propagation-create-params: no effect: propagation.inject is no place in params"},
	{{"--no-propagation-create-params", "--profile=mcp", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--propagation-flags=01", "--", "/bin/sh"}, NULL,
		"--propagation-flags: no effect: propagation.inject is none"},
	{{"--record-contents", "--", "/bin/sh"}, NULL,
		"--record-contents: no effect: record.file is not set"},
	{{"--record-contents", "--record=/no-such-file", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--telemetry-contents", "--profile=generic", "--", "/bin/sh"}, NULL,
		"--telemetry-contents: no effect: the profile marks nothing as contents"},
	{{"--telemetry-contents", "--profile=codex", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--telemetry-contents", "--profile=codex", "--lifecycle=off", "--", "/bin/sh"}, NULL,
		"--telemetry-contents: no effect: lifecycle is off"},
	{{"--telemetry-contents-bytes-max=1KiB", "--profile=codex", "--", "/bin/sh"}, NULL,
		"--telemetry-contents-bytes-max: no effect: telemetry.contents is off"},
	{{"--admin-connections-max=2", "--", "/bin/sh"}, NULL,
		"--admin-connections-max: no effect: admin.listen is not set"},
	{{"--admin-connections-max=2", "--admin-listen=http://127.0.0.1:0", "--", "/bin/sh"}, NULL,
		NOTHING},
	{{"--tls-server-name=x", "--upstream=ws://127.0.0.1:1"}, NULL,
		"--tls-server-name: no effect: the server's URL is not one of TLS"},
	{{"--tls-server-name=x", "--upstream=wss://127.0.0.1:1"}, NULL, NOTHING},
	{{"--tls-client-subject", "--listen=ws://127.0.0.1:0", "--", "/bin/sh"}, NULL,
		"--tls-client-subject: no effect: the URL listened at is not one of TLS"},
	/* what the start would not find, or not make */
	{{"--record=/no/such/folder", "--", "/bin/sh"}, NULL,
		"--record: there is no folder /no/such/"},
	{{"--record-file=/etc/passwd/x", "--", "/bin/sh"}, NULL,
		"--record-file: there is no folder /etc/passwd/"},
	{{"--record=/dev/null", "--", "/bin/sh"}, NULL, "--record: /dev/null is no regular file"},
	{{"--record=/no-such-file", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--record=no-such-file", "--", "/bin/sh"}, NULL, NOTHING},
	{{"--listen=unix:///no/such.sock", "--", "/bin/sh"}, NULL,
		"--listen: there is no folder /no/"},
	{{"--listen=ws+unix:///no-such.sock", "--", "/bin/sh"}, NULL, NOTHING},
};

START_TEST(test_config_notes)
{
	const char *flags[10] = {"--check"};
	const char *const variables[] = {config_notes[_i].variable, NULL};
	struct config_case load;
	const char *note;

	memcpy(flags + 1, config_notes[_i].flags, sizeof config_notes[_i].flags);
	config_case_load(&load, flags, variables);
	ck_assert_msg(load.outcome == CONFIG_DONE, "%s", load.error);
	note = strstr(load.out, "\nnote: ");
	if (strcmp(config_notes[_i].note, NOTHING) == 0) {
		ck_assert_msg(note == NULL, "%s", note);
	} else {
		ck_assert_ptr_nonnull(note);
		note += strlen("\nnote: ");
		ck_assert_msg(
			strncmp(note, config_notes[_i].note, strlen(config_notes[_i].note)) == 0 &&
				strchr(note, '\n')[1] == '\0',
			"%s", note);
	}
	config_case_done(&load);
}
END_TEST

/* Line breaks and indentation become single blanks; no line is too long for a terminal. */
static void config_squeeze_help(char *text)
{
	char *to = text;
	size_t columns = 0;

	for (; *text != '\0'; text++) {
		columns = *text == '\n' ? 0 : columns + 1;
		ck_assert_uint_le(columns, 80);
		if (*text != '\n' && !(*text == ' ' && to[-1] == ' '))
			*to++ = *text;
		else if (to[-1] != ' ')
			*to++ = ' ';
	}
	*to = '\0';
}

/* Everything that can be set is in --help, under each of its names. */
START_TEST(test_config_help)
{
	const char *const flags[] = {_i == 0 ? "--help" : "-h", "--nonsense", NULL};
	struct config_case load;
	char name[OPTION_NAME_SIZE];
	size_t i;

	config_case_load(&load, flags, config_no_variables);
	ck_assert_int_eq(load.outcome, CONFIG_DONE);
	config_squeeze_help(load.out);
	for (i = 0; i < OPTION_COUNT; i++) {
		option_flag_name(option_at(i), name);
		if ((option_at(i)->flags & OPTION_SECRET) == 0)
			ck_assert_msg(strstr(load.out, name) != NULL, "%s", name);
		option_variable_name(option_at(i), name);
		ck_assert_msg(strstr(load.out, name) != NULL, "%s", name);
		ck_assert_ptr_nonnull(strstr(load.out, option_at(i)->help));
		if (option_at(i)->otel != NULL)
			ck_assert_ptr_nonnull(strstr(load.out, option_at(i)->otel));
	}
	ck_assert_ptr_nonnull(strstr(load.out, "--check"));
	ck_assert_ptr_nonnull(strstr(load.out, " --help, -h "));
	ck_assert_ptr_nonnull(strstr(load.out, " --version, -V "));
	ck_assert_ptr_null(strstr(load.out, "--manual-options"));
	config_case_done(&load);
}
END_TEST

START_TEST(test_config_version)
{
	const char *const flags[] = {_i == 0 ? "--version" : "-V", NULL};
	struct config_case load;

	config_case_load(&load, flags, config_no_variables);
	ck_assert_int_eq(load.outcome, CONFIG_DONE);
	ck_assert_str_eq(load.out, "sidespan " SIDESPAN_VERSION "\n");
	config_case_done(&load);
}
END_TEST

/* What we are called, and what the server is, by what is known. */
static const struct {
	const char *arguments[6], *variable;
	const char *service_name, *rpc_service; /* rpc_service NULL: service.name is used */
} config_names[] = {
	{{"--", "codex", "app-server"}, NULL, "codex-sidespan", "codex-app-server"},
	{{"--", "/opt/bin/my-server", "x"}, NULL, "my-server-sidespan", "my-server"},
	{{"--", "a/"}, NULL, "a/-sidespan", "a/"},
	{{"--upstream=tcp://127.0.0.1:1"}, NULL, "sidespan", NULL},
	{{"--upstream=tcp://127.0.0.1:1", "--profile=codex"}, NULL, "codex-sidespan",
		"codex-app-server"},
	{{"--", "cat"}, "OTEL_SERVICE_NAME=mine", "mine", "cat"},
	{{"--", "codex", "app-server"}, "OTEL_RESOURCE_ATTRIBUTES=service.name=mine", "mine",
		"codex-app-server"},
	{{"--service-name=f", "--rpc-service=r", "--", "cat"}, "OTEL_SERVICE_NAME=mine", "f", "r"},
};

START_TEST(test_config_names)
{
	const char *const variables[] = {config_names[_i].variable, NULL};
	struct config_case load;

	config_case_load(&load, config_names[_i].arguments, variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	ck_assert_str_eq(load.config->service_name, config_names[_i].service_name);
	ck_assert_pstr_eq(load.config->rpc_service, config_names[_i].rpc_service);
	config_case_done(&load);
}
END_TEST

/* A name as long as may be is not too long for service.name. */
START_TEST(test_config_long_name)
{
	char command[400];
	const char *const flags[] = {"--", command, NULL};
	struct config_case load;

	memset(command, 'c', sizeof command - 1);
	command[sizeof command - 1] = '\0';
	config_case_load(&load, flags, config_no_variables);
	ck_assert_uint_eq(strlen(load.config->service_name), 100 + strlen("-sidespan"));
	ck_assert_uint_le(strlen(load.config->rpc_service), 255);
	config_case_done(&load);
}
END_TEST

/* Flags with lists add up; a stronger source replaces all of a weaker one. */
START_TEST(test_config_lists)
{
	char *file = config_case_file("{\"listen.allow_host\": [\"file\"]}");
	const char *flags[] = {"--listen-allow-host", "a,b:1", "--config", file,
		"--listen-allow-host=c", "--", "server", NULL};
	static const char *const variables[] = {"SIDESPAN_LISTEN_ALLOW_HOST=x", NULL};
	struct config_case load;
	char value[64];
	int i;

	for (i = 0; i < 3; i++) {
		config_case_load(
			&load, i == 0 ? flags : flags + 2, i < 2 ? variables : config_no_variables);
		ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
		value_print(
			option_at(OPTION_AT_listen_allow_host), load.config, value, sizeof value);
		ck_assert_str_eq(value, i == 0 ? "a,b:1,c" : "c");
		config_case_done(&load);
	}
	flags[4] = "--disabled";
	for (i = 0; i < 2; i++) {
		config_case_load(&load, flags + 2, i == 0 ? variables : config_no_variables);
		value_print(
			option_at(OPTION_AT_listen_allow_host), load.config, value, sizeof value);
		ck_assert_str_eq(value, i == 0 ? "x" : "file");
		config_case_done(&load);
	}
	config_case_unlink(file);
}
END_TEST

/* What a token's file has, and what is said of it. */
static const struct {
	const char *text;
	const char *token; /* NULL: wrong */
	const char *error;
} config_tokens[] = {
	{"t", "t", NULL},
	{"\r\n\t s3cret-._~+/=\r\n\r\n ", "s3cret-._~+/=", NULL},
	{"", NULL, "it is empty"},
	{" \n\r\n\t", NULL, "it is empty"},
	{"one two", NULL, "it has a blank, a line break or something else that no token has"},
	{"one\ntwo\n", NULL, "it has a blank, a line break or something else that no token has"},
	{"\x7f", NULL, "it has a blank, a line break or something else that no token has"},
	{"\xc3\xa9", NULL, "it has a blank, a line break or something else that no token has"},
};

START_TEST(test_config_token)
{
	char *file = config_case_file(config_tokens[_i].text);
	const char *flags[] = {
		"--listen-token-file", file, "--listen=ws://127.0.0.1:0", "--", "s", NULL};
	char error[CONFIG_ERROR_SIZE] = "";
	struct config_case load;

	config_case_load(&load, flags, config_no_variables);
	ck_assert_str_eq(load.warnings, "");
	if (config_tokens[_i].token != NULL) {
		ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
		ck_assert_str_eq(load.config->listen_token, config_tokens[_i].token);
	} else {
		snprintf(error, sizeof error,
			"--listen-token-file: \"%s\": %s; must have one token of 1 to 4096 visible "
			"ASCII characters",
			file, config_tokens[_i].error);
		ck_assert_str_eq(load.error, error);
	}
	config_case_done(&load);
	config_case_unlink(file);
}
END_TEST

START_TEST(test_config_token_size)
{
	char text[4099];
	char *file;
	const char *flags[] = {
		"--listen=ws+unix:///x", "--listen-token-file", NULL, "--", "s", NULL};
	struct config_case load;

	memset(text, 'x', 4096);
	strcpy(text + 4096, "\n");
	flags[2] = file = config_case_file(text);
	config_case_load(&load, flags, config_no_variables);
	ck_assert_uint_eq(strlen(load.config->listen_token), 4096);
	config_case_done(&load);
	config_case_unlink(file);
	text[4096] = 'x';
	text[4097] = '\0';
	flags[2] = file = config_case_file(text);
	config_case_load(&load, flags, config_no_variables);
	ck_assert_ptr_nonnull(strstr(load.error, ": it is too long; must have one token of "));
	ck_assert_ptr_null(strstr(load.error, "xxx"));
	config_case_done(&load);
	config_case_unlink(file);
}
END_TEST

/* Who asks for a token is not let down: what is wrong ends us, wherever it is from. */
START_TEST(test_config_token_strict)
{
	char *file = config_case_file("t");
	char text[256];
	char *profile;
	const char *flags[] = {"--listen=ws://127.0.0.1:0", "--profile", NULL, "--", "s", NULL};
	const char *lines[] = {
		"--listen=tcp://127.0.0.1:0", "--listen-token-file", file, "--", "s", NULL};
	struct config_case load;

	profile = config_case_file(
		"{\"name\": \"p\", \"settings\": {\"listen.token_file\": \"/nowhere/t\"}}");
	flags[2] = profile;
	config_case_load(&load, flags, config_no_variables);
	ck_assert_ptr_nonnull(
		strstr(load.error, "listen.token_file: \"/nowhere/t\": No such file"));
	config_case_done(&load);
	config_case_unlink(profile);
	ck_assert_int_eq(chmod(file, 0604), 0);
	snprintf(text, sizeof text,
		"{\"name\": \"p\", \"settings\": {\"listen.token_file\": \"%s\"}}", file);
	flags[2] = profile = config_case_file(text);
	config_case_load(&load, flags, config_no_variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	ck_assert_ptr_nonnull(strstr(load.warnings, "everybody on this machine can read it"));
	ck_assert_ptr_null(strstr(strchr(load.warnings, '\n') + 1, "\n")); /* one */
	config_case_done(&load);
	config_case_load(&load, lines, config_no_variables);
	ck_assert_ptr_nonnull(strstr(load.error, "must stand with ws:// or ws+unix://"));
	config_case_done(&load);
	lines[0] = "--disabled"; /* nobody can connect */
	config_case_load(&load, lines, config_no_variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	config_case_done(&load);
	config_case_unlink(profile);
	config_case_unlink(file);
}
END_TEST

/* The flags that are commands of their own: in a row, and none behind the last. */
START_TEST(test_config_commands)
{
	size_t count = 0, i;

	while (flags_command_at(count) != NULL)
		ck_assert_ptr_nonnull(flags_command_at(count++)->help);
	ck_assert_uint_ge(count, 5);
	for (i = 0; i < 8; i++)
		ck_assert_ptr_null(flags_command_at(count + i));
	ck_assert_ptr_null(flags_command_at(SIZE_MAX));
}
END_TEST

/* The manual page has the options that --manual-options prints, to the letter. */
START_TEST(test_config_manual)
{
	static const char begin[] = ".\\\" Written by sidespan --manual-options:\n";
	static const char end[] = ".\\\" End of what it writes.\n";
	static const char *const flags[] = {"--manual-options", NULL};
	struct config_case load;
	size_t size;
	char *page = unit_read_file("proxy/sidespan.1", &size);
	char *from = strstr(page, begin);
	char *to = strstr(page, end);

	ck_assert_ptr_nonnull(from);
	ck_assert_ptr_nonnull(to);
	config_case_load(&load, flags, config_no_variables);
	ck_assert_int_eq(load.outcome, CONFIG_DONE);
	*to = '\0';
	ck_assert_str_eq(from + strlen(begin), load.out);
	config_case_done(&load);
	free(page);
}
END_TEST

static void config_load_once(
	char *const *argv, int argc, char **environment, int *refused, int once, long n)
{
	char error[CONFIG_ERROR_SIZE];
	struct config *config;
	enum config_outcome outcome;
	FILE *out = fopen("/dev/null", "w");
	char *copy[16];

	ck_assert_ptr_nonnull(out);
	memcpy(copy, argv, ((size_t)argc + 1) * sizeof *copy);
	unit_alloc_fail(once, n);
	outcome = config_load(&config, argc, copy, environment, out, NULL, NULL, error);
	unit_alloc_fail_never();
	*refused = unit_alloc_failed();
	ck_assert_int_eq(outcome, *refused ? CONFIG_WRONG : CONFIG_RUN);
	if (*refused)
		ck_assert_msg(strstr(error, "out of memory") != NULL, "%s", error);
	config_free(config);
	fclose(out);
}

/* There are thousands of allocations, and a sanitizer is slow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONFIG_STRIDE 7
#else
#define CONFIG_STRIDE 1
#endif

/*
 * Every allocation of a load with all sources fails once, alone if the profile is named: of those
 * that are looked through for a command one is left out and told of.
 */
START_TEST(test_config_memory)
{
	char *file = config_case_file("{\"resource.attributes\": {\"a\": \"b\"}, \"otlp.headers\": "
				      "{\"c\": \"d\"}, \"service\": {\"name\": \"${X}\"}}");
	char text[][64] = {"sidespan", "--config", "", "--env", "production", "--span-name", "x",
		"--", "codex", "app-server"};
	char variables[][64] = {"OTEL_RESOURCE_ATTRIBUTES=service.name=n,a=z", "X=y",
		"OTEL_EXPORTER_OTLP_HEADERS=e=f", "SIDESPAN_LISTEN=ws://localhost:0",
		"OTEL_PROPAGATORS=none", "OTEL_EXPORTER_OTLP_ENDPOINT=http://u@h", "TRACEPARENT=x",
		"TRACESTATE=y", "SIDESPAN_PROFILE=codex"};
	char *argv[16] = {NULL}, *environment[10] = {NULL};
	int refused;
	long n = 0;
	int i;

	for (i = 0; i < 10; i++)
		argv[i] = text[i];
	argv[2] = file;
	for (i = 0; i < 8 + _i; i++)
		environment[i] = variables[i];
	do {
		config_load_once(argv, 10, environment, &refused, _i, n);
		n += _i == 0 ? 5 * CONFIG_STRIDE : CONFIG_STRIDE;
	} while (refused);
	ck_assert_int_gt(n, 200);
	config_case_unlink(file);
}
END_TEST

START_TEST(test_config_free_nothing)
{
	config_free(NULL);
	profile_free(NULL);
	file_free(NULL);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("config");

	tcase_add_loop_test(tc, test_config_strength, CONFIG_BUILT_IN, CONFIG_FLAG + 1);
	tcase_add_test(tc, test_config_attributes_merge);
	tcase_add_test(tc, test_config_headers_replace);
	tcase_add_test(tc, test_config_lifecycle);
	tcase_add_test(tc, test_config_files_in_order);
	tcase_add_loop_test(tc, test_config_file, 0, sizeof config_files / sizeof *config_files);
	tcase_add_loop_test(
		tc, test_config_url_secrets, 0, sizeof config_secrets / sizeof *config_secrets);
	tcase_add_loop_test(tc, test_config_flags, 0, sizeof config_flags / sizeof *config_flags);
	tcase_add_test(tc, test_config_of_recordings);
	tcase_add_test(tc, test_config_command_and_urls);
	tcase_add_test(tc, test_config_profile_file);
	tcase_add_loop_test(tc, test_config_profile_mistakes, 0,
		sizeof config_profiles / sizeof *config_profiles);
	tcase_add_test(tc, test_config_flags_beside_options);
	tcase_add_loop_test(tc, test_config_otlp_url, 0, sizeof config_urls / sizeof *config_urls);
	tcase_add_loop_test(tc, test_config_environment, 0,
		sizeof config_environments / sizeof *config_environments);
	tcase_add_test(tc, test_config_installed_environment);
	tcase_add_test(tc, test_config_check);
	tcase_add_loop_test(tc, test_config_help, 0, 2);
	tcase_add_loop_test(tc, test_config_version, 0, 2);
	tcase_add_test(tc, test_config_methods);
	tcase_add_test(tc, test_config_shares);
	tcase_add_test(tc, test_config_shares_max);
	tcase_add_loop_test(tc, test_config_notes, 0, sizeof config_notes / sizeof *config_notes);
	tcase_add_loop_test(tc, test_config_names, 0, sizeof config_names / sizeof *config_names);
	tcase_add_test(tc, test_config_long_name);
	tcase_add_test(tc, test_config_lists);
	tcase_add_loop_test(tc, test_config_token, 0, sizeof config_tokens / sizeof *config_tokens);
	tcase_add_test(tc, test_config_token_size);
	tcase_add_test(tc, test_config_token_strict);
	tcase_add_test(tc, test_config_commands);
	tcase_add_test(tc, test_config_manual);
	tcase_add_loop_test(tc, test_config_memory, 0, 2);
	tcase_add_test(tc, test_config_free_nothing);
	return unit_run("config", tc);
}

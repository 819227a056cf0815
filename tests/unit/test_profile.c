/* Profiles: the built-in ones, every mistake, and which command they are for. */
#include "config/profile/profile_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/catalog.h"
#include "config/file.h"
#include "proxy/trace/names/attributes.h"
#include "tests/unit/unit.h"

static char *const profile_environment[] = {NULL};

static struct profile *profile_parse(const char *text, char *error, size_t error_size)
{
	struct file *file =
		file_parse("p.json", text, strlen(text), profile_environment, error, error_size);
	struct profile *profile = file == NULL ? NULL : profile_new(file, error, error_size);

	file_free(file);
	return profile;
}

static struct profile *profile_built_in(const char *name)
{
	char error[256] = "";
	struct file *file =
		catalog_parse(CATALOG_PROFILES, name, profile_environment, error, sizeof error);
	struct profile *profile;

	ck_assert_msg(file != NULL, "%s", error);
	profile = profile_new(file, error, sizeof error);
	ck_assert_msg(profile != NULL, "%s", error);
	file_free(file);
	return profile;
}

static const struct {
	enum profile_from from;
	enum profile_keep keep;
	const char *pointer;
	const char *attribute;
	const char *methods; /* with blanks between; NULL: all */
	bool if_ok;
} profile_codex[] = {
	{PROFILE_FROM_REQUEST, PROFILE_KEEP_CONNECTION, "/params/clientInfo/name",
		"app_server.client_name", "initialize", true},
	{PROFILE_FROM_REQUEST, PROFILE_KEEP_CONNECTION, "/params/clientInfo/version",
		"app_server.client_version", "initialize", true},
	{PROFILE_FROM_REQUEST, PROFILE_KEEP_SPAN, "/params/threadId", "thread.id", NULL, false},
	{PROFILE_FROM_REQUEST, PROFILE_KEEP_SPAN, "/params/turnId", "turn.id", NULL, false},
	{PROFILE_FROM_REQUEST, PROFILE_KEEP_SPAN, "/params/expectedTurnId", "turn.id", "turn/steer",
		false},
	{PROFILE_FROM_REQUEST, PROFILE_KEEP_SPAN, "/params/threadId", "gen_ai.conversation.id",
		"turn/start turn/steer review/start thread/queue/start thread/queue/add "
		"thread/compact/start thread/shellCommand thread/goal/set",
		false},
	{PROFILE_FROM_REQUEST, PROFILE_KEEP_SPAN, "/params/threadSource", "thread.source",
		"thread/start turn/start", false},
	{PROFILE_FROM_REPLY, PROFILE_KEEP_SPAN, "/result/thread/id", "thread.id",
		"thread/start thread/resume thread/fork", false},
	{PROFILE_FROM_REPLY, PROFILE_KEEP_SPAN, "/result/turn/id", "turn.id",
		"turn/start review/start thread/queue/start", false},
};

START_TEST(test_profile_codex)
{
	struct profile *profile = profile_built_in("codex");
	const struct profile_capture *capture;
	char methods[256];
	size_t i, j;

	ck_assert_str_eq(profile->name, "codex");
	ck_assert_uint_eq(profile->constant_count, 1);
	ck_assert_str_eq(profile->constants[0].attribute, "app_server.api_version");
	ck_assert_str_eq(profile->constants[0].value, "v2");
	ck_assert_uint_eq(profile->capture_count, sizeof profile_codex / sizeof *profile_codex);
	for (i = 0; i < profile->capture_count; i++) {
		capture = &profile->captures[i];
		ck_assert_int_eq(capture->from, profile_codex[i].from);
		ck_assert_int_eq(capture->keep, profile_codex[i].keep);
		ck_assert_int_eq(capture->if_ok, profile_codex[i].if_ok);
		ck_assert_str_eq(capture->pointer, profile_codex[i].pointer);
		ck_assert_str_eq(capture->attribute, profile_codex[i].attribute);
		ck_assert_int_eq(capture->methods == NULL, profile_codex[i].methods == NULL);
		methods[0] = '\0';
		for (j = 0; j < capture->method_count; j++) {
			strcat(methods, j == 0 ? "" : " ");
			strcat(methods, capture->methods[j]);
		}
		if (capture->methods != NULL)
			ck_assert_str_eq(methods, profile_codex[i].methods);
	}
	profile_free(profile);
}
END_TEST

START_TEST(test_profile_generic)
{
	struct profile *profile = profile_built_in("generic");

	ck_assert_str_eq(profile->name, "generic");
	ck_assert_uint_eq(profile->capture_count, 0);
	ck_assert_uint_eq(profile->constant_count, 0);
	profile_free(profile);
}
END_TEST

static const struct {
	const char *command; /* with blanks between */
	bool matches;
} profile_commands[] = {
	{"codex app-server", true},
	{"/opt/bin/codex -c app-server", true},
	{"codex exec", false},
	{"codex", false},
	{"codex app-server --analytics-default-enabled", true},
	{"node /usr/lib/node_modules/@openai/codex/bin/codex.js app-server", true},
	{"npx @openai/codex app-server", true},
	{"npx -y @openai/codex@0.171.0 app-server", true},
	{"/opt/codex-x86_64-unknown-linux-musl app-server", true},
	{"codex.exe app-server", true},
	{"codex-app-server", true},
	{"/opt/codex-app-server-x86_64-unknown-linux-musl --listen x", true},
	{"env RUST_LOG=info codex app-server", true},
	{"node server.js app-server", false},
	{"cat codex app-server", false},
	{"npx @openai/codex exec", false},
	{"codex app-server-daemon", false},
	{"/codex/other app-server", false},
	{"app-server codex", false},
};

static bool profile_matches_text(const struct profile *profile, const char *command)
{
	char text[80];
	char *rest = text;
	char *words[5] = {NULL};
	size_t count = 0;

	ck_assert_uint_lt(strlen(command), sizeof text);
	strcpy(text, command);
	while (count < 4 && rest != NULL)
		words[count++] = strsep(&rest, " ");
	return profile_matches(profile, words);
}

START_TEST(test_profile_matches)
{
	struct profile *codex = profile_built_in("codex");
	struct profile *generic = profile_built_in("generic");

	ck_assert_int_eq(profile_matches_text(codex, profile_commands[_i].command),
		profile_commands[_i].matches);
	ck_assert(!profile_matches_text(generic, profile_commands[_i].command));
	ck_assert(!profile_matches(codex, NULL));
	profile_free(codex);
	profile_free(generic);
}
END_TEST

START_TEST(test_profile_matches_any_argument)
{
	char error[256] = "";
	struct profile *profile = profile_parse(
		"{\"name\": \"x\", \"match\": {\"command\": \"srv\"}}", error, sizeof error);

	ck_assert_msg(profile != NULL, "%s", error);
	ck_assert(profile_matches_text(profile, "/a/srv x"));
	ck_assert(profile_matches_text(profile, "srv"));
	profile_free(profile);
}
END_TEST

#define PROFILE_CAPTURE(members)                                                                   \
	"{\"name\": \"x\",\n\"captures\": [\n{\"from\": \"reply\", \"pointer\": \"/a\",\n"         \
	"\"attribute\": \"b\"" members "}\n]}"

#define PROFILE_METRIC(name, more)                                                                 \
	"{\"name\": \"a\", \"metrics\": [{\"name\": \"" name "\", \"span\": \"request\"" more "}]" \
	"}"

static const struct {
	const char *text;
	const char *error;
} profile_wrong[] = {
	{"{}", "p.json:1: \"name\": missing; must be a string"},
	{"{\"name\": 3}", "p.json:1: \"name\": is a number; must be a string"},
	{"{\"name\": \"\"}",
		"p.json:1: \"name\": must have 1 to 255 bytes and no control character"},
	{"{\"name\": \"a\\n\"}",
		"p.json:1: \"name\": must have 1 to 255 bytes and no control character"},
	{"{\"name\": \"a\",\n\"name\": \"b\"}",
		"p.json:2: \"name\": stands twice; must stand once, line 1 has it"},
	{"{\"name\": \"a\",\n\n\"lifecycles\": []}",
		"p.json:3: \"lifecycles\": not known here; must be one of name, extends, match, "
		"settings, "
		"constants, captures, lifecycle, "
		"metrics"},
	{"{\"name\": \"a\", \"settings\": []}",
		"p.json:1: \"settings\": is a list; must be an object"},
	{"{\"name\": \"a\", \"match\": {}}",
		"p.json:1: \"match\": must have a command or an argument"},
	{"{\"name\": \"a\", \"match\": \"x\"}", "p.json:1: \"match\": is a string; must be a list"},
	{"{\"name\": \"a\", \"match\": []}",
		"p.json:1: \"match\": has 0 members; must have 1 to 8"},
	{"{\"name\": \"a\", \"match\": [{\"command\": \"x\"},\n{}]}",
		"p.json:2: \"match\": must have a command or an argument"},
	{"{\"name\": \"a\", \"match\": {\"argument\": \"a*b\"}}",
		"p.json:1: \"argument\": \"a*b\": must have a * at its end, or none"},
	{"{\"name\": \"a\", \"match\": {\"cmd\": \"x\"}}",
		"p.json:1: \"cmd\": not known here; must be one of command, argument"},
	{"{\"name\": \"a\", \"constants\": {}}",
		"p.json:1: \"constants\": has 0 members; must have 1 to 32"},
	{"{\"name\": \"a\", \"constants\": {\"a\": 1}}",
		"p.json:1: \"a\": is a number; must be a string"},
	{"{\"name\": \"a\", \"constants\": {\"a\": \"1\",\n\"a\": \"1\"}}",
		"p.json:2: \"a\": stands twice; must stand once, line 1 has it"},
	{"{\"name\": \"a\", \"constants\": {\"\": \"1\"}}",
		"p.json:1: \"\": the name must have 1 to 255 bytes and no control character"},
	{"{\"name\": \"a\", \"captures\": {}}",
		"p.json:1: \"captures\": is an object; must be a list"},
	{"{\"name\": \"a\", \"captures\": [\n3]}",
		"p.json:2: \"captures\": is a number; must be an object"},
	{"{\"name\": \"a\", \"captures\": [\n{\"from\": \"reply\", \"pointer\": \"/a\"}]}",
		"p.json:2: \"captures\": a capture must have from, pointer and attribute"},
	{"{\"name\": \"a\", \"captures\": [\n{\"attribute\": \"b\", \"pointer\": \"/a\"}]}",
		"p.json:2: \"captures\": a capture must have from, pointer and attribute"},
	{"{\"name\": \"a\", \"metrics\": []}",
		"p.json:1: \"metrics\": has 0 members; must have 1 to 32"},
	{"{\"name\": \"a\", \"metrics\": [{\"name\": \"m\"}]}",
		"p.json:1: \"metrics\": a metric must have name and span"},
	{PROFILE_METRIC("1m", ""),
		"p.json:1: \"name\": \"1m\": must be a name of letters, digits, _ "
		"and dots, a letter first"},
	{PROFILE_METRIC("a-b", ""),
		"p.json:1: \"name\": \"a-b\": must be a name of letters, digits, "
		"_ and dots, a letter first"},
	{PROFILE_METRIC("m", ", \"bounds\": [1, \"2\"]"),
		"p.json:1: \"bounds\": is a string; must be a number"},
	{PROFILE_METRIC("m", ", \"bounds\": [1, 1]"),
		"p.json:1: \"bounds\": must be ascending numbers"},
	{PROFILE_METRIC("m", ", \"labels\": [\"rpc.method\", \"nothing\"]"),
		"p.json:1: metric \"m\": \"labels\": \"nothing\": must be an attribute that such a "
		"span has"},
	{PROFILE_METRIC("m", ", \"labels\": [\"rpc.transport\"]"), /* as its connection has it */
		"p.json:1: metric \"m\": \"labels\": \"rpc.transport\": must be an attribute that "
		"such a span has"},
	{PROFILE_METRIC("m", ", \"value\": \"tokens\""),
		"p.json:1: metric \"m\": \"value\": \"tokens\": must be an attribute that such a "
		"span "
		"has"},
	{PROFILE_METRIC("m", ", \"labels\": [\"a\", \"b\", \"c\", \"d\"], \"set\": {\"e\": \"v\", "
			     "\"f\": \"v\", \"g\": \"v\", \"h\": \"v\", \"i\": \"v\"}"),
		"p.json:1: \"metrics\": must have at most 8 labels, with those in set"},
	{"{\"name\": \"a\", \"metrics\": [{\"name\": \"m\", \"span\": \"turn\"}]}",
		"p.json:1: metric \"m\": \"span\": \"turn\": must be request, or a type of spans "
		"in "
		"lifecycle"},
	{PROFILE_CAPTURE(",\n\"keeps\": 1"), "p.json:5: \"keeps\": not known here; must be one of "
					     "from, keep, pointer, attribute, "
					     "methods, if_ok"},
	{PROFILE_CAPTURE(",\n\"keep\": \"session\""),
		"p.json:5: \"keep\": \"session\": must be span or connection"},
	{PROFILE_CAPTURE(",\n\"from\": \"reply\""),
		"p.json:5: \"from\": stands twice; must stand once, line 3 has it"},
	{PROFILE_CAPTURE(",\n\"if_ok\": \"true\""),
		"p.json:5: \"if_ok\": is a string; must be true or false"},
	{PROFILE_CAPTURE(",\n\"if_ok\": true"),
		"p.json:5: \"if_ok\": must stand with \"keep\": \"connection\""},
	{"{\"name\": \"x\", \"captures\": [{\"from\": \"request\", \"pointer\": \"header:a b\"}]}",
		"p.json:1: \"pointer\": must have the name of a header field behind header:"},
	{"{\"name\": \"x\", \"captures\": [{\"from\": \"request\", \"pointer\": \"header:a\", "
	 "\"attribute\": \"a\"}]}",
		"p.json:1: \"pointer\": a header field must stand with \"from\": \"request\" and "
		"\"keep\": \"connection\", and without methods and if_ok"},
	{PROFILE_CAPTURE(",\n\"methods\": []"),
		"p.json:5: \"methods\": has 0 members; must have 1 to 64"},
	{PROFILE_CAPTURE(",\n\"methods\": true"),
		"p.json:5: \"methods\": is true or false; must be a list"},
	{PROFILE_CAPTURE(",\n\"methods\": [\"a\",\n1]"),
		"p.json:6: \"methods\": is a number; must be a string"},
	{"{\"name\": \"a\", \"captures\": [{\"from\": \"answer\"}]}",
		"p.json:1: \"from\": \"answer\": must be request or reply"},
	{"{\"name\": \"a\", \"captures\": [{\"pointer\": \"a\"}]}",
		"p.json:1: \"pointer\": \"a\": must be a JSON pointer, which begins with /"},
	{"{\"name\": \"a\", \"captures\": [{\"pointer\": \"/a~2\"}]}",
		"p.json:1: \"pointer\": \"/a~2\": must have ~0 or ~1 where it has a ~"},
	{"{\"name\": \"a\", \"captures\": [{\"pointer\": \"/a~\"}]}",
		"p.json:1: \"pointer\": \"/a~\": must have ~0 or ~1 where it has a ~"},
	{"{\"name\": \"a\", \"captures\": [{\"pointer\": \"/1/2/3/4/5/6/7/8/9\"}]}",
		"p.json:1: \"pointer\": \"/1/2/3/4/5/6/7/8/9\": must not be deeper than 8 levels"},
	{"{\"name\": \"x\", \"constants\": {\"b\": \"c\", \"a\": \"d\"}, \"captures\": [{\"from\": "
	 "\"reply\", \"pointer\": \"/a\",\n\"attribute\": \"a\"}]}",
		"p.json:2: \"attribute\": \"a\": is a constant; must have another name"},
};

START_TEST(test_profile_wrong)
{
	char error[512] = "";

	ck_assert_ptr_null(profile_parse(profile_wrong[_i].text, error, sizeof error));
	ck_assert_str_eq(error, profile_wrong[_i].error);
}
END_TEST

/* One more capture than there may be; as many as there may be. */
START_TEST(test_profile_limit)
{
	static const char capture[] =
		"{\"from\":\"reply\",\"pointer\":\"/1/2/3/4/5/6/7/~18\",\"attribute\":\"b\"}";
	char text[8192];
	char error[256] = "";
	struct profile *profile;
	size_t more, i;

	for (more = 0; more < 2; more++) {
		strcpy(text, "{\"name\":\"x\",\"captures\":[");
		for (i = 0; i < PROFILE_CAPTURES_MAX + more; i++) {
			strcat(text, i == 0 ? "" : ",");
			strcat(text, capture);
		}
		strcat(text, "]}");
		profile = profile_parse(text, error, sizeof error);
		ck_assert_int_eq(profile != NULL, more == 0);
		profile_free(profile);
	}
	ck_assert_str_eq(error, "p.json:1: \"captures\": has 65 members; must have 1 to 64");
}
END_TEST

/* What many captures have in sum: pointers, attributes, methods that end in *. */
static const struct {
	const char *item; /* #: its number */
	size_t count_max;
	const char *error;
} profile_sums[] = {
	{"{\"from\":\"request\",\"pointer\":\"/a\",\"attribute\":\"a#\"}", PROFILE_ATTRIBUTES_MAX,
		"p.json:34: \"attribute\": \"a32\": is one too many; captures must give at most 32 "
		"different attributes"},
	{"{\"from\":\"request\",\"pointer\":\"/"
	 "a\",\"attribute\":\"a\",\"methods\":[\"m\",\"m#*\"]}",
		PROFILE_PATTERNS_MAX,
		"p.json:34: \"methods\": \"m32*\": is one too many; must be at most 32 different "
		"ones that end in *, in all"},
};

/* So many lines, the first ones twice: what is the same counts once. */
static void profile_fill(char *text, size_t size, const char *item, size_t count)
{
	int before = (int)strcspn(item, "#");
	size_t i, used = (size_t)snprintf(text, size, "{\"name\":\"x\",\"captures\":[");

	for (i = 0; i < count + 30; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%.*s%zu%s",
			i == 0   ? ""
			: i < 30 ? ","
				 : ",\n",
			before, item, i < 30 ? i : i - 30, item + before + 1);
	snprintf(text + used, size - used, "]}");
}

START_TEST(test_profile_sums)
{
	size_t count_max = profile_sums[_i].count_max, more;
	char text[16384], error[256] = "";
	struct profile *profile;

	for (more = 0; more < 2; more++) {
		profile_fill(text, sizeof text, profile_sums[_i].item, count_max + more);
		profile = profile_parse(text, error, sizeof error);
		ck_assert_msg((profile != NULL) == (more == 0), "%s", error);
		profile_free(profile);
	}
	ck_assert_str_eq(error, profile_sums[_i].error);
}
END_TEST

/* Pointers of captures and of the lifecycle together; 20 are in both. */
START_TEST(test_profile_pointers)
{
	static char text[32768];
	char error[256] = "";
	struct profile *profile;
	size_t more, i, used;

	for (more = 0; more < 2; more++) {
		used = (size_t)snprintf(text, sizeof text, "{\"name\":\"x\",\"captures\":[");
		for (i = 0; i < 50; i++)
			used += (size_t)snprintf(text + used, sizeof text - used,
				"%s{\"from\":\"reply\",\"pointer\":\"/p%zu\",\"attribute\":\"a\"}",
				i == 0 ? "" : ",", i);
		used += (size_t)snprintf(text + used, sizeof text - used,
			"],\n\"lifecycle\":{\"spans\":{\"s\":{\"name\":\"s\",\"key\":[\"k\"]}},"
			"\"rules\":[");
		for (i = 30; i < PROFILE_POINTERS_MAX + more; i++)
			used += (size_t)snprintf(text + used, sizeof text - used,
				"%s%s\"v%zu\":\"/p%zu\"",
				i == 30       ? ""
				: i % 10 == 0 ? "}},"
					      : ",",
				i % 10 == 0 ? "\n{\"on\":\"notification\",\"do\":\"open\",\"span\":"
					      "\"s\",\"key\":[\"/p0\"],\"set\":{"
					    : "",
				i, i);
		snprintf(text + used, sizeof text - used, "}}]}}");
		profile = profile_parse(text, error, sizeof error);
		ck_assert_msg((profile != NULL) == (more == 0), "%s", error);
		profile_free(profile);
	}
	ck_assert_str_eq(error,
		"p.json:10: rule 8: \"v102\": \"/p102\": is one too many; must be at "
		"most 102 different pointers in all");
}
END_TEST

/* What the proxy calls its own attributes, by any of the conventions, nobody else may set. */
START_TEST(test_profile_own_names)
{
	struct attributes_names names;
	char text[256], error[256], expected[256];
	size_t i;

	attributes_choose_names(&names, (enum config_semconv)_i);
	for (i = 0; i < 2 * ATTRIBUTES_NAMES; i++) {
		const char *name = names.texts[i / 2][i % 2];

		if (name == NULL)
			continue;
		snprintf(text, sizeof text, "{\"name\":\"x\",\n\"constants\":{\n\"%s\":\"v\"}}",
			name);
		ck_assert_ptr_null(profile_parse(text, error, sizeof error));
		snprintf(expected, sizeof expected,
			"p.json:3: \"%s\": attribute \"%s\": sidespan sets it; must have another "
			"name",
			name, name);
		ck_assert_str_eq(error, expected);
		snprintf(text, sizeof text,
			"{\"name\":\"x\",\"captures\":[{\"from\":\"reply\",\"pointer\":\"/a\",\n"
			"\"attribute\":\"%s\"}]}",
			name);
		ck_assert_ptr_null(profile_parse(text, error, sizeof error));
		snprintf(expected, sizeof expected,
			"p.json:2: \"attribute\": attribute \"%s\": sidespan sets it; must have "
			"another "
			"name",
			name);
		ck_assert_str_eq(error, expected);
	}
}
END_TEST

START_TEST(test_profile_memory)
{
	char error[256];
	struct profile *profile;
	struct file *file =
		catalog_parse(CATALOG_PROFILES, "codex", profile_environment, error, sizeof error);
	long n = 0;
	int refused;

	ck_assert_ptr_nonnull(file);
	do {
		error[0] = '\0';
		unit_alloc_fail(_i, n++);
		profile = profile_new(file, error, sizeof error);
		unit_alloc_fail_never();
		refused = unit_alloc_failed();
		ck_assert_int_eq(refused, profile == NULL);
		if (refused)
			ck_assert_ptr_nonnull(strstr(error, "out of memory"));
		profile_free(profile);
	} while (refused);
	ck_assert_int_gt(n, 30);
	file_free(file);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("profile");

	tcase_add_test(tc, test_profile_codex);
	tcase_add_test(tc, test_profile_generic);
	tcase_add_loop_test(
		tc, test_profile_matches, 0, sizeof profile_commands / sizeof *profile_commands);
	tcase_add_test(tc, test_profile_matches_any_argument);
	tcase_add_loop_test(
		tc, test_profile_wrong, 0, sizeof profile_wrong / sizeof *profile_wrong);
	tcase_add_test(tc, test_profile_limit);
	tcase_add_loop_test(tc, test_profile_sums, 0, 2);
	tcase_add_test(tc, test_profile_pointers);
	tcase_add_loop_test(
		tc, test_profile_own_names, CONFIG_SEMCONV_LEGACY, CONFIG_SEMCONV_RPC_DUP + 1);
	tcase_add_loop_test(tc, test_profile_memory, 0, 2);
	return unit_run("profile", tc);
}

/* Lifecycles of profiles: one in full, every form, every mistake, no memory. */
#include "config/profile/lifecycle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "config/profile/profile_load.h"
#include "tests/unit/unit.h"

static char *const lifecycle_environment[] = {NULL};

static struct profile *lifecycle_parse(const char *text, char *error, size_t error_size)
{
	struct file *file =
		file_parse("p.json", text, strlen(text), lifecycle_environment, error, error_size);
	struct profile *profile = file == NULL ? NULL : profile_new(file, error, error_size);

	file_free(file);
	return profile;
}

static struct profile *lifecycle_turns(void)
{
	static const char path[] = "tests/unit/data/profiles/turns.json";
	char error[512] = "";
	struct file *file = file_read(path, lifecycle_environment, error, sizeof error);
	struct profile *profile;

	ck_assert_msg(file != NULL, "%s", error);
	profile = profile_new(file, error, sizeof error);
	ck_assert_msg(profile != NULL, "%s", error);
	ck_assert_ptr_nonnull(profile->lifecycle);
	file_free(file);
	return profile;
}

static const struct lifecycle_rule *lifecycle_rule_named(
	const struct lifecycle *lifecycle, const char *name)
{
	size_t i;

	for (i = 0; i < lifecycle->rule_count; i++)
		if (strcmp(lifecycle->rules[i].name, name) == 0)
			return &lifecycle->rules[i];
	ck_abort_msg("no rule %s", name);
	return NULL;
}

static void lifecycle_assert_texts(char *const *texts, size_t count, const char *expected)
{
	char joined[512] = "";
	size_t i;

	for (i = 0; i < count; i++) {
		strcat(joined, i == 0 ? "" : " ");
		strcat(joined, texts[i]);
	}
	ck_assert_str_eq(joined, expected);
}

/* The attributes of a key, or its pointers. */
static void lifecycle_assert_key(
	const struct lifecycle_part *parts, size_t count, bool pointers, const char *expected)
{
	char *texts[LIFECYCLE_KEY_MAX];
	size_t i;

	for (i = 0; i < count; i++)
		texts[i] = pointers ? parts[i].pointer : parts[i].attribute;
	lifecycle_assert_texts(texts, count, expected);
}

START_TEST(test_lifecycle_turns_spans)
{
	struct profile *profile = lifecycle_turns();
	const struct lifecycle *lifecycle = profile->lifecycle;
	const struct lifecycle_span *span = lifecycle->spans;

	ck_assert_str_eq(lifecycle->dispatch_name, "app_server.dispatch {operation}");
	ck_assert_str_eq(lifecycle->dispatch_attribute, "app_server.operation");
	ck_assert_uint_eq(lifecycle->operation_count, 16);
	ck_assert_str_eq(lifecycle->operations[2].method, "turn/interrupt");
	ck_assert_str_eq(lifecycle->operations[2].operation, "interrupt");
	ck_assert_uint_eq(lifecycle->span_count, 3);
	ck_assert_str_eq(span[0].name, "turn");
	ck_assert_str_eq(span[0].title, "app_server.turn");
	ck_assert_str_eq(span[0].announce, "app_server.turn started");
	ck_assert_uint_eq(span[0].default_count, 1);
	ck_assert_str_eq(span[0].defaults[0].attribute, "turn.kind");
	ck_assert_str_eq(span[0].defaults[0].value, "turn");
	ck_assert_int_eq(span[0].kind, LIFECYCLE_INTERNAL);
	ck_assert_ptr_null(span[0].switched);
	lifecycle_assert_key(span[0].key, span[0].key_count, false, "thread.id turn.id");
	ck_assert_str_eq(span[1].switched, "items");
	ck_assert_ptr_null(span[1].announce);
	ck_assert_str_eq(span[2].switched, "approvals");
	ck_assert_int_eq(span[2].kind, LIFECYCLE_CLIENT);
	lifecycle_assert_key(span[2].key, span[2].key_count, false, "thread.id turn.id item.id");
	profile_free(profile);
}
END_TEST

START_TEST(test_lifecycle_turns_claims)
{
	struct profile *profile = lifecycle_turns();
	const struct lifecycle_rule *rule;

	rule = lifecycle_rule_named(profile->lifecycle, "turn asked for");
	ck_assert_int_eq(rule->on, LIFECYCLE_ON_REQUEST);
	ck_assert_int_eq(rule->action, LIFECYCLE_CLAIM);
	lifecycle_assert_texts(rule->methods, rule->method_count, "turn/start");
	lifecycle_assert_key(rule->key, rule->key_count, true, "/params/threadId");
	ck_assert(!rule->until_open && !rule->joins && !rule->alias);
	ck_assert_uint_eq(rule->set.count, 0);
	rule = lifecycle_rule_named(profile->lifecycle, "review asked for");
	ck_assert_uint_eq(rule->set.count, 1);
	ck_assert_str_eq(rule->set.list[0].attribute, "turn.kind");
	ck_assert_uint_eq(rule->set.list[0].source.choice_count, 1);
	ck_assert_str_eq(rule->set.list[0].source.choices[0].text, "review");
	ck_assert_ptr_null(rule->set.list[0].source.choices[0].pointer);
	ck_assert(!rule->until_open && !rule->joins && rule->alias);
	rule = lifecycle_rule_named(profile->lifecycle, "shell command asked for");
	ck_assert(rule->until_open && rule->joins && !rule->alias);
	profile_free(profile);
}
END_TEST

START_TEST(test_lifecycle_turns_turns)
{
	struct profile *profile = lifecycle_turns();
	const struct lifecycle_rule *rule;

	rule = lifecycle_rule_named(profile->lifecycle, "turn answered");
	ck_assert_int_eq(rule->on, LIFECYCLE_ON_REPLY);
	ck_assert_int_eq(rule->action, LIFECYCLE_OPEN);
	ck_assert_uint_eq(rule->key_count, 2);
	rule = lifecycle_rule_named(profile->lifecycle, "turn started");
	ck_assert_str_eq(rule->root, "/params/turn/rootTurnId");
	ck_assert_uint_eq(rule->key_count, 2);
	rule = lifecycle_rule_named(profile->lifecycle, "turn completed");
	ck_assert_int_eq(rule->action, LIFECYCLE_CLOSE);
	ck_assert_str_eq(rule->status.pointer, "/params/turn/status");
	lifecycle_assert_texts(rule->status.ok, rule->status.ok_count, "completed");
	lifecycle_assert_texts(rule->status.error, rule->status.error_count, "failed");
	ck_assert_uint_eq(rule->status.message.choice_count, 1);
	ck_assert_uint_eq(rule->status.type.choice_count, 6);
	ck_assert_str_eq(rule->status.type.choices[5].text, "activeTurnNotSteerable");
	ck_assert_str_eq(rule->status.type.choices[5].pointer,
		"/params/turn/error/codexErrorInfo/activeTurnNotSteerable");
	rule = lifecycle_rule_named(profile->lifecycle, "thread at rest");
	ck_assert_int_eq(rule->action, LIFECYCLE_LAPSE);
	ck_assert_uint_eq(rule->condition_count, 1);
	ck_assert_str_eq(rule->conditions[0].pointer, "/params/status/type");
	lifecycle_assert_texts(rule->conditions[0].texts, rule->conditions[0].text_count,
		"idle systemError notLoaded");
	profile_free(profile);
}
END_TEST

START_TEST(test_lifecycle_turns_items)
{
	struct profile *profile = lifecycle_turns();
	const struct lifecycle_rule *rule;

	rule = lifecycle_rule_named(profile->lifecycle, "item started");
	ck_assert_uint_eq(rule->span, 1);
	ck_assert_str_eq(rule->set.list[1].attribute, "process.executable.name");
	ck_assert_uint_eq(rule->set.list[1].source.choice_count, 2);
	ck_assert_int_eq(rule->set.list[1].source.choices[1].take, LIFECYCLE_TAKE_FIRST_WORD);
	rule = lifecycle_rule_named(profile->lifecycle, "client asked");
	ck_assert_int_eq(rule->on, LIFECYCLE_ON_SERVER_REQUEST);
	ck_assert_uint_eq(rule->span, 2);
	ck_assert_ptr_null(rule->methods);
	rule = lifecycle_rule_named(profile->lifecycle, "client answered");
	ck_assert_int_eq(rule->on, LIFECYCLE_ON_CLIENT_REPLY);
	ck_assert_uint_eq(rule->key_count, 0);
	rule = lifecycle_rule_named(profile->lifecycle, "client no longer asked");
	ck_assert_str_eq(rule->request_id, "/params/requestId");
	rule = lifecycle_rule_named(profile->lifecycle, "token");
	ck_assert_int_eq(rule->action, LIFECYCLE_COUNT);
	ck_assert_str_eq(rule->stream.count, "turn.delta.count");
	ck_assert_str_eq(rule->stream.bytes, "turn.delta.bytes");
	ck_assert_str_eq(rule->stream.of, "/params/delta");
	ck_assert_str_eq(rule->stream.first, "turn.time_to_first_token_ms");
	rule = lifecycle_rule_named(profile->lifecycle, "token usage");
	ck_assert_int_eq(rule->action, LIFECYCLE_ANNOTATE);
	ck_assert_int_eq(rule->set.list[3].source.choices[0].take, LIFECYCLE_TAKE_SUM);
	rule = lifecycle_rule_named(profile->lifecycle, "retry");
	ck_assert_int_eq(rule->action, LIFECYCLE_EVENT);
	ck_assert_str_eq(rule->event, "retry");
	profile_free(profile);
}
END_TEST

/* A lifecycle on lines of its own: the first span on line 3, the first rule on line 5. */
#define LIFECYCLE(spans, rules)                                                                    \
	"{\"name\": \"x\", \"lifecycle\": {\n\"spans\": {\n" spans "}, \"rules\": [\n" rules "]}}"

#define LIFECYCLE_TURN "\"turn\": {\"name\": \"t\", \"key\": [\"a\", \"b\"]}\n"
#define LIFECYCLE_STARTED                                                                          \
	"{\"on\": \"notification\", \"do\": \"open\", \"span\": \"turn\", \"key\": [\"/a\", "      \
	"\"/b\"]}\n"

/* A rule "r" on line 6, behind one that opens the span turn. */
#define LIFECYCLE_RULE(members)                                                                    \
	LIFECYCLE(LIFECYCLE_TURN, LIFECYCLE_STARTED ",{\"name\": \"r\", " members "}")
#define LIFECYCLE_ON(on, action, members)                                                          \
	LIFECYCLE_RULE("\"on\": \"" on "\", \"do\": \"" action "\", \"span\": \"turn\"" members)
#define LIFECYCLE_KEY1           ", \"key\": [\"/a\"]"
#define LIFECYCLE_KEY2           ", \"key\": [\"/a\", \"/b\"]"
#define LIFECYCLE_KEY3           ", \"key\": [\"/a\", \"/b\", \"/c\"]"
#define LIFECYCLE_CLOSE(members) LIFECYCLE_ON("notification", "close", LIFECYCLE_KEY2 members)
/* The same, with a span ask that is a request of the server; with a span item below the turn. */
#define LIFECYCLE_CALL(on, action, members)                                                        \
	LIFECYCLE(LIFECYCLE_TURN ", \"ask\": {\"name\": \"t\"}", LIFECYCLE_STARTED                 \
		",{\"name\": \"r\", \"on\": \"" on "\", \"do\": \"" action "\"" members            \
		"},{\"on\": \"server_request\", \"do\": \"open\", \"span\": "                      \
		"\"ask\"}")
#define LIFECYCLE_ITEM(on, action, members)                                                        \
	LIFECYCLE(LIFECYCLE_TURN ", \"item\": {\"name\": \"t\", \"key\": [\"a\", \"b\", \"c\"]}",  \
		LIFECYCLE_STARTED ",{\"name\": \"r\", \"span\": \"item\", \"on\": \"" on           \
				  "\", \"do\": \"" action "\"" members                             \
				  "},{\"on\": \"notification\", \"do\": \"open\", \"span\": "      \
				  "\"item\"" LIFECYCLE_KEY3 "}")
/* With a span call that is made below the turn. */
#define LIFECYCLE_MADE(members)                                                                    \
	LIFECYCLE(LIFECYCLE_TURN                                                                   \
		", \"call\": {\"name\": \"c\", \"made\": true, \"key\": [\"a\", \"b\"]}",          \
		LIFECYCLE_STARTED ",{\"name\": \"r\", \"on\": \"reply\", \"do\": \"make\", "       \
				  "\"span\": \"call\"" LIFECYCLE_KEY2 ", " members "}")
#define LIFECYCLE_COUNT                                                                            \
	"{\"on\": \"notification\", \"do\": \"count\", \"span\": \"turn\", \"count\": "            \
	"\"n\"" LIFECYCLE_KEY2 "}"
#define LIFECYCLE_SPAN(members) LIFECYCLE("\"turn\": {" members "}\n", LIFECYCLE_STARTED)
#define LIFECYCLE_DISPATCH(members)                                                                \
	"{\"name\": \"x\", \"lifecycle\": {\n\"dispatch\": {" members "}}}"
#define LIFECYCLE_OPERATIONS ", \"operations\": {\"m\": \"o\"}"

/* All forms of all members, which mean what the test says. */
static const char lifecycle_forms[] = LIFECYCLE(LIFECYCLE_TURN
	", \"ask\": {\"name\": \"{rpc.method} x\", \"kind\": \"server\"}"
	", \"one\": {\"name\": \"{k}\", \"key\": {\"k\": \"/k\", \"l\": \"/l\"}, \"one_per\": "
	"\"k\","
	"  \"scope\": \"connection\", \"inherit\": [\"m\"], \"switch\": \"some\"}"
	", \"below\": {\"name\": \"b\", \"key\": [\"k\", \"l\", \"m\"], \"scope\": \"connection\","
	"  \"adds\": {\"below\": \"count\", \"below_ms\": \"ms\"}}"
	", \"made\": {\"name\": \"m\", \"made\": true, \"key\": [\"a\", \"b\"]}"
	", \"req\": {\"requests\": [\"q/*\"], \"key\": {\"z\": \"/params/z\"}}"
	"}, \"memories\": {\"mem\": {\"key\": {\"a\": \"/params/a\"}}",
	LIFECYCLE_STARTED
	",{\"on\": \"server_request\", \"do\": \"open\", \"span\": \"ask\"}"
	",{\"on\": \"request\", \"do\": \"claim\", \"span\": \"turn\", \"key\": [\"/a\"],"
	"  \"until\": \"reply\", \"methods\": [\"m\", \"n\"]}"
	",{\"on\": \"reply\", \"do\": \"open\", \"span\": \"turn\", \"key\": [\"/a\", \"/b\"],"
	"  \"methods\": \"n\"}"
	",{\"on\": \"reply\", \"do\": \"annotate\", \"span\": \"turn\", \"key\": [\"/a\", \"/b\"],"
	"  \"when\": {\"/a\": true, \"/b\": false, \"/c\": \"d\", \"/e\": [\"f\", \"g\"]},"
	"  \"set\": {\"h\": \"/i\", \"j\": {\"text\": \"k\"}, \"l\": {\"pointer\": \"/m\","
	"    \"take\": \"all\"}, \"n\": [\"/o\", {\"pointer\": \"/p\", \"text\": \"q\"},"
	"    {\"text\": \"r\"}]}}"
	",{\"on\": \"notification\", \"do\": \"open\", \"span\": \"one\", \"key\": {\"l\": \"/m\"},"
	"  \"root\": {\"pointer\": \"/r\", \"set\": {\"s\": true}}, \"set_new\": {\"t\": -7},"
	"  \"at\": {\"pointer\": \"/at\", \"unit\": \"us\"}}"
	",{\"on\": \"notification\", \"do\": \"open\", \"span\": \"below\","
	"  \"key\": [\"/k\", \"/l\", \"/m\"]}"
	",{\"on\": \"error\", \"do\": \"remember\", \"memory\": \"mem\", \"set\": {\"u\": "
	"\"/error/u\"}}"
	",{\"on\": \"notification\", \"do\": \"mark\", \"span\": \"made\", \"key\": [\"/a\", "
	"\"/b\"],"
	"  \"mark\": \"now and then\", \"keep\": \"first\", \"former_until\": \"now and then\"}"
	",{\"on\": \"notification\", \"do\": \"make\", \"span\": \"made\", \"key\": [\"/a\", "
	"\"/b\"],"
	"  \"when\": {\"/n\": {\"increase\": \"/o\"}, \"/p\": {\"not\": [\"q\"]}},"
	"  \"from\": [\"former now and then\", \"start\"], \"to\": \"now\", \"needs\": \"now and "
	"then\", \"set\": {"
	"    \"v\": {\"mark\": \"now and then\", \"unit\": \"ns\"},"
	"    \"w\": {\"pointer\": \"/n\", \"take\": \"increase\"}}}"
	",{\"on\": \"client_notification\", \"do\": \"close\", \"span\": \"request\","
	"  \"request_id\": \"/id\", \"status\": {\"error\": true, \"message\": \"/m\"}}");

static void lifecycle_assert_new_spans(const struct lifecycle *lifecycle)
{
	const struct lifecycle_span *spans = lifecycle->spans;

	ck_assert(spans[2].one_per && spans[2].of_connection && !spans[0].one_per);
	ck_assert_str_eq(spans[2].switched, "some");
	lifecycle_assert_texts(spans[2].inherit, spans[2].inherit_count, "m");
	lifecycle_assert_key(spans[2].key, 2, true, "/k /l");
	ck_assert_uint_eq(spans[3].add_count, 2);
	ck_assert(!spans[3].adds[0].is_time && spans[3].adds[1].is_time);
	ck_assert(spans[4].is_made && spans[6].is_memory);
	lifecycle_assert_texts(spans[5].requests, spans[5].request_count, "q/*");
}

static void lifecycle_assert_moments(const struct lifecycle *lifecycle)
{
	const struct lifecycle_rule *mark = &lifecycle->rules[8], *make = mark + 1;

	ck_assert(mark->mark_first);
	lifecycle_assert_texts(mark->former_until, mark->former_until_count, "now and then");
	ck_assert_str_eq(make->needs, "now and then");
	lifecycle_assert_texts(make->from, make->from_count, "former now and then start");
}

static void lifecycle_assert_new_rules(const struct lifecycle *lifecycle)
{
	const struct lifecycle_rule *rules = lifecycle->rules;

	lifecycle_assert_key(rules[5].key, rules[5].key_count, true, "/k /m");
	ck_assert_str_eq(rules[5].root, "/r");
	ck_assert_int_eq(rules[5].set_root.list[0].source.choices[0].constant, LIFECYCLE_TRUE);
	ck_assert_int_eq(rules[5].set_new.list[0].source.choices[0].number, -7);
	ck_assert_int_eq(rules[5].at.unit, LIFECYCLE_MICROSECONDS);
	ck_assert_uint_eq(rules[7].span, 6);
	lifecycle_assert_key(rules[7].key, rules[7].key_count, true, "/params/a");
	ck_assert_uint_eq(rules[9].memory, 6);
	ck_assert_str_eq(rules[9].conditions[0].whole, "/o");
	ck_assert_int_eq(rules[9].conditions[1].test, LIFECYCLE_NONE_OF);
	ck_assert_uint_eq(rules[10].span, LIFECYCLE_REQUEST);
	ck_assert(rules[10].status.always);
}

START_TEST(test_lifecycle_forms)
{
	char error[512] = "";
	struct profile *profile = lifecycle_parse(lifecycle_forms, error, sizeof error);
	const struct lifecycle *lifecycle;
	const struct lifecycle_condition *condition;
	const struct lifecycle_setting *setting;

	ck_assert_msg(profile != NULL, "%s", error);
	lifecycle = profile->lifecycle;
	ck_assert_ptr_null(lifecycle->dispatch_name);
	ck_assert_uint_eq(lifecycle->spans[1].key_count, 0);
	ck_assert_int_eq(lifecycle->spans[1].kind, LIFECYCLE_SERVER);
	ck_assert_uint_eq(lifecycle->rules[1].span, 1);
	ck_assert_str_eq(lifecycle->rules[1].name, "rule 2");
	ck_assert(!lifecycle->rules[2].until_open);
	condition = lifecycle->rules[4].conditions;
	ck_assert_int_eq(condition[0].test, LIFECYCLE_PRESENT);
	ck_assert_int_eq(condition[1].test, LIFECYCLE_ABSENT);
	lifecycle_assert_texts(condition[2].texts, condition[2].text_count, "d");
	lifecycle_assert_texts(condition[3].texts, condition[3].text_count, "f g");
	setting = lifecycle->rules[4].set.list;
	ck_assert_str_eq(setting[0].source.choices[0].pointer, "/i");
	ck_assert_ptr_null(setting[0].source.choices[0].text);
	ck_assert_str_eq(setting[1].source.choices[0].text, "k");
	ck_assert_int_eq(setting[2].source.choices[0].take, LIFECYCLE_TAKE_ALL);
	ck_assert_uint_eq(setting[3].source.choice_count, 3);
	ck_assert_str_eq(setting[3].source.choices[1].text, "q");
	ck_assert_str_eq(setting[3].source.choices[1].pointer, "/p");
	lifecycle_assert_new_spans(lifecycle);
	lifecycle_assert_new_rules(lifecycle);
	lifecycle_assert_moments(lifecycle);
	profile_free(profile);
}
END_TEST

static const struct {
	const char *text;
	const char *error; /* behind "p.json:" */
} lifecycle_wrong[] = {
	/* the whole */
	{"{\"name\": \"x\", \"lifecycle\": []}", "1: \"lifecycle\": is a list; must be an object"},
	{"{\"name\": \"x\", \"lifecycle\": {}}", "1: \"lifecycle\": must have a dispatch or rules"},
	{"{\"name\": \"x\", \"lifecycle\": {\"span\": 1}}",
		"1: \"span\": not known here; must be one of dispatch, spans, memories, rules"},
	/* dispatch */
	{LIFECYCLE_DISPATCH("\"operations\": {\"m\": \"o\"}"),
		"2: \"dispatch\": must have a name and operations"},
	{LIFECYCLE_DISPATCH("\"name\": \"d\""), "2: \"dispatch\": must have a name and operations"},
	{LIFECYCLE_DISPATCH("\"names\": \"d\""),
		"2: \"names\": not known here; must be one of name, attribute, operations"},
	{LIFECYCLE_DISPATCH("\"name\": \"d {op}\"" LIFECYCLE_OPERATIONS),
		"2: \"name\": {op}: must be {operation}"},
	{LIFECYCLE_DISPATCH("\"name\": \"d {operation\"" LIFECYCLE_OPERATIONS),
		"2: \"name\": must have a name between { and }, and braces nowhere else"},
	{LIFECYCLE_DISPATCH("\"name\": \"d\", \"operations\": {}"),
		"2: \"operations\": has 0 members; must have 1 to 128"},
	{LIFECYCLE_DISPATCH("\"name\": \"d\", \"operations\": {\"m\": 1}"),
		"2: \"m\": is a number; must be a string"},
	{LIFECYCLE_DISPATCH("\"name\": \"d\", \"operations\": {\"m\": \"1\",\n\"m\": \"2\"}"),
		"3: \"m\": stands twice; must stand once, line 2 has it"},
	{LIFECYCLE_DISPATCH("\"name\": \"d\", \"operations\": {\"\": \"1\"}"),
		"2: \"\": the name must have 1 to 255 bytes and no control character"},
	/* spans */
	{LIFECYCLE("", ""), "2: \"spans\": has 0 members; must have 1 to 16"},
	{LIFECYCLE_SPAN(""), "3: span \"turn\": must have a name"},
	{LIFECYCLE("\"turn\": 3", LIFECYCLE_STARTED),
		"3: span \"turn\": is a number; must be an object"},
	{LIFECYCLE(LIFECYCLE_TURN "," LIFECYCLE_TURN, LIFECYCLE_STARTED),
		"4: span \"turn\": \"turn\": stands twice; must stand once, line 3 has it"},
	{LIFECYCLE_SPAN("\"title\": \"t\""),
		"3: span \"turn\": \"title\": not known here; must be one of name, key, kind, "
		"switch, defaults, announce, announced, inherit, adds, one_per, scope, requests, "
		"made, measured"},
	{LIFECYCLE_SPAN("\"name\": \"a\", \"measured\": true"),
		"3: span \"turn\": \"measured\": must stand with a key, and not with made, "
		"requests, announce or switch"},
	{LIFECYCLE_SPAN(
		 "\"name\": \"a\", \"key\": [\"1\"], \"announce\": \"b\", \"measured\": true"),
		"3: span \"turn\": \"measured\": must stand with a key, and not with made, "
		"requests, announce or switch"},
	{LIFECYCLE_SPAN("\"name\": \"a\", \"key\": [\"1\"], \"made\": true, \"measured\": true"),
		"3: span \"turn\": \"measured\": must stand with a key, and not with made, "
		"requests, announce or switch"},
	{LIFECYCLE_SPAN("\"name\": \"a\", \"key\": [\"1\"], \"switch\": \"b\", \"measured\": true"),
		"3: span \"turn\": \"measured\": must stand with a key, and not with made, "
		"requests, announce or switch"},
	{LIFECYCLE_SPAN("\"name\": \"a {}\""), "3: span \"turn\": \"name\": must have a name "
					       "between { and }, and braces nowhere else"},
	{LIFECYCLE_SPAN("\"name\": \"a }b{\""), "3: span \"turn\": \"name\": must have a name "
						"between { and }, and braces nowhere else"},
	{LIFECYCLE_SPAN("\"name\": \"a {b{c}\""), "3: span \"turn\": \"name\": must have a name "
						  "between { and }, and braces nowhere else"},
	{LIFECYCLE_SPAN("\"name\": \"a {b}}\""), "3: span \"turn\": \"name\": must have a name "
						 "between { and }, and braces nowhere else"},
	{LIFECYCLE_SPAN("\"name\": \"a\", \"key\": [\"1\",\"2\",\"3\",\"4\",\"5\"]"),
		"3: span \"turn\": \"key\": has 5 members; must have 1 to 4"},
	{LIFECYCLE_SPAN("\"name\": \"a\", \"key\": [\"1\",\"2\",\"1\"]"),
		"3: span \"turn\": \"key\": \"1\": must stand once"},
	{LIFECYCLE_SPAN("\"name\": \"a\", \"kind\": \"producer\""),
		"3: span \"turn\": \"kind\": \"producer\": must be internal, client or server"},
	{LIFECYCLE_SPAN("\"name\": \"a\", \"switch\": \"All items\""),
		"3: span \"turn\": \"switch\": \"All items\": must be of small letters, digits, _ "
		"and -"},
	{LIFECYCLE_SPAN("\"name\": \"a\", \"announce\": true"),
		"3: span \"turn\": \"announce\": is true or false; must be a string"},
	{"{\"name\": \"x\", \"lifecycle\": {\"dispatch\": {\"name\": \"d\"" LIFECYCLE_OPERATIONS
	 "}, \"spans\": {\n\"turn\": {\"name\": \"t\"}}}}",
		"2: span \"turn\": no rule opens it; must have one with \"do\": \"open\""},
	{LIFECYCLE(LIFECYCLE_TURN ", \"item\": {\"name\": \"i\"}", LIFECYCLE_STARTED),
		"4: span \"item\": no rule opens it; must have one with \"do\": \"open\""},
	/* rules: members by themselves */
	{LIFECYCLE(LIFECYCLE_TURN, ""), "4: \"rules\": has 0 members; must have 1 to 128"},
	{LIFECYCLE(LIFECYCLE_TURN, "3"), "5: rule 1: is a number; must be an object"},
	{LIFECYCLE(LIFECYCLE_TURN, LIFECYCLE_STARTED ",{\"name\": 3}"),
		"6: rule 2: \"name\": is a number; must be a string"},
	{LIFECYCLE_RULE("\"in\": 1"),
		"6: rule \"r\": \"in\": not known here; must be one of name, on, methods, when, "
		"unless, do, span, key, memory, root, request_id, all, by, event, until, joins, "
		"alias, "
		"at, "
		"set, "
		"set_new, mark, keep, from, to, former_until, needs, at_end, status, count, bytes, "
		"of, "
		"first"},
	{LIFECYCLE_RULE("\"on\": \"reply\", \"on\": \"reply\""),
		"6: rule \"r\": \"on\": stands twice; must stand once, line 6 has it"},
	{LIFECYCLE_RULE("\"on\": \"response\""),
		"6: rule \"r\": \"on\": \"response\": must be request, reply, error, "
		"client_notification, notification, server_request or client_reply"},
	{LIFECYCLE_RULE("\"do\": \"begin\""),
		"6: rule \"r\": \"do\": \"begin\": must be claim, open, close, lapse, wake, "
		"annotate, event, count, remember, mark, make, link or stay"},
	{LIFECYCLE_RULE("\"span\": 1"), "6: rule \"r\": \"span\": is a number; must be a string"},
	{LIFECYCLE_RULE("\"methods\": [\n\"a\",\n1]"),
		"8: rule \"r\": \"methods\": is a number; must be a string"},
	{LIFECYCLE_RULE("\"methods\": []"),
		"6: rule \"r\": \"methods\": has 0 members; must have 1 to 64"},
	{LIFECYCLE_RULE("\"key\": [\"/a\", \"b\"]"),
		"6: rule \"r\": \"key\": \"b\": must be a JSON pointer, which begins with /"},
	{LIFECYCLE_RULE("\"key\": [\"/1\",\"/2\",\"/3\",\"/4\",\"/5\"]"),
		"6: rule \"r\": \"key\": has 5 members; must have 1 to 4"},
	{LIFECYCLE_RULE("\"root\": \"/1/2/3/4/5/6/7/8/9\""),
		"6: rule \"r\": \"root\": \"/1/2/3/4/5/6/7/8/9\": must not be deeper than 8 "
		"levels"},
	{LIFECYCLE_RULE("\"request_id\": \"/~2\""),
		"6: rule \"r\": \"request_id\": \"/~2\": must have ~0 or ~1 where it has a ~"},
	{LIFECYCLE_RULE("\"event\": \"\""),
		"6: rule \"r\": \"event\": must have 1 to 255 bytes and no control character"},
	{LIFECYCLE_RULE("\"until\": \"close\""),
		"6: rule \"r\": \"until\": \"close\": must be reply or open"},
	{LIFECYCLE_RULE("\"joins\": 1"),
		"6: rule \"r\": \"joins\": is a number; must be true or false"},
	{LIFECYCLE_RULE("\"alias\": \"true\""),
		"6: rule \"r\": \"alias\": is a string; must be true or false"},
	{LIFECYCLE_RULE("\"count\": 1"), "6: rule \"r\": \"count\": is a number; must be a string"},
	{LIFECYCLE_RULE("\"bytes\": 1"), "6: rule \"r\": \"bytes\": is a number; must be a string"},
	{LIFECYCLE_RULE("\"of\": 1"), "6: rule \"r\": \"of\": is a number; must be a string"},
	{LIFECYCLE_RULE("\"first\": 1"), "6: rule \"r\": \"first\": is a number; must be a string"},
	/* conditions */
	{LIFECYCLE_RULE("\"when\": {}"),
		"6: rule \"r\": \"when\": has 0 members; must have 1 to 4"},
	{LIFECYCLE_RULE("\"when\": {\"/1\":true,\"/2\":true,\"/3\":true,\"/4\":true,\"/5\":true}"),
		"6: rule \"r\": \"when\": has 5 members; must have 1 to 4"},
	{LIFECYCLE_RULE("\"when\": {\"a\": true}"),
		"6: rule \"r\": \"a\": \"a\": must be a JSON pointer, which begins with /"},
	{LIFECYCLE_RULE("\"when\": {\"/a\": 1}"),
		"6: rule \"r\": \"/a\": is a number; must be a text, a list of texts, true (it is "
		"there), false (it is not), or an object with not or increase"},
	{LIFECYCLE_RULE("\"when\": {\"/a\": [1]}"),
		"6: rule \"r\": \"/a\": is a number; must be a string"},
	{LIFECYCLE_RULE("\"when\": {\"/a\": []}"),
		"6: rule \"r\": \"/a\": has 0 members; must have 1 to 32"},
	{LIFECYCLE_RULE("\"when\": {\"/a\": \"\"}"),
		"6: rule \"r\": \"/a\": must have 1 to 255 bytes and no control character"},
	{LIFECYCLE_RULE("\"when\": {\"/a\": true, \"/a\": false}"),
		"6: rule \"r\": \"/a\": stands twice; must stand once, line 6 has it"},
	/* sources */
	{LIFECYCLE_RULE("\"set\": {\"a\": 1}"), "6: rule \"r\": must have on and do"},
	{LIFECYCLE_RULE("\"set\": {\"a\": \"b\"}"),
		"6: rule \"r\": \"a\": \"b\": must be a JSON pointer, which begins with /"},
	{LIFECYCLE_RULE("\"set\": {\"a\": []}"),
		"6: rule \"r\": \"a\": has 0 members; must have 1 to 16"},
	{LIFECYCLE_RULE("\"set\": {\"a\": [[\"/b\"]]}"),
		"6: rule \"r\": \"a\": is a list; must be a pointer, true, false, a number, or an "
		"object with pointer, text or take"},
	{LIFECYCLE_RULE("\"set\": {\"a\": {\"take\": \"all\"}}"),
		"6: rule \"r\": \"a\": must have a pointer or a text, or a mark"},
	{LIFECYCLE_RULE("\"set\": {\"a\": {\"texts\": \"all\"}}"),
		"6: rule \"r\": \"texts\": not known here; must be one of pointer, text, take, "
		"contents, mark, unit, opt_in"},
	{LIFECYCLE_RULE("\"set\": {\"a\": {\"pointer\": \"/a\", \"take\": \"word\"}}"),
		"6: rule \"r\": \"take\": \"word\": must be all, first word, sum or increase"},
	{LIFECYCLE_RULE("\"set\": {\"a\": {\"text\": \"a\", \"take\": \"sum\"}}"),
		"6: rule \"r\": \"take\": must not stand with text, which is taken as it is"},
	{LIFECYCLE_RULE("\"set\": {\"a\": [\"/a\", {\"text\": \"a\"}, \"/b\"]}"),
		"6: rule \"r\": \"a\": choice 2 always gives its value; must be the last one"},
	{LIFECYCLE_RULE("\"set\": {\"a\": \"/b\", \"a\": \"/b\"}"),
		"6: rule \"r\": \"a\": stands twice; must stand once, line 6 has it"},
	{LIFECYCLE_RULE("\"set\": {\"\": \"/b\"}"),
		"6: rule \"r\": \"\": the name must have 1 to 255 bytes and no control character"},
	{LIFECYCLE_RULE("\"set\": {}"), "6: rule \"r\": \"set\": has 0 members; must have 1 to 16"},
	/* status */
	{LIFECYCLE_CLOSE(", \"status\": \"/a\""),
		"6: rule \"r\": \"status\": is a string; must be an object"},
	{LIFECYCLE_CLOSE(", \"status\": {\"pointer\": \"/a\"}"),
		"6: rule \"r\": \"status\": must have a pointer, and ok, error or unset; or "
		"\"error\": "
		"true alone"},
	{LIFECYCLE_CLOSE(", \"status\": {\"ok\": [\"a\"]}"),
		"6: rule \"r\": \"status\": must have a pointer, and ok, error or unset; or "
		"\"error\": "
		"true alone"},
	{LIFECYCLE_CLOSE(", \"status\": {\"ok\": \"a\"}"),
		"6: rule \"r\": \"ok\": is a string; must be a list"},
	{LIFECYCLE_CLOSE(", \"status\": {\"error\": [1]}"),
		"6: rule \"r\": \"error\": is a number; must be a string"},
	{LIFECYCLE_CLOSE(", \"status\": {\"code\": \"a\"}"),
		"6: rule \"r\": \"code\": not known here; must be one of pointer, ok, error, "
		"unset, "
		"message, type"},
	{LIFECYCLE_CLOSE(
		 ", \"status\": {\"pointer\": \"/a\", \"ok\": [\"a\"], \"message\": \"/b\"}"),
		"6: rule \"r\": \"message\": must stand with error, which it explains"},
	{LIFECYCLE_CLOSE(", \"status\": {\"pointer\": \"/a\", \"ok\": [\"a\"], \"type\": \"/b\"}"),
		"6: rule \"r\": \"type\": must stand with error, which it explains"},
	{LIFECYCLE_CLOSE(", \"status\": {\"pointer\": \"/a\", \"error\": [\"a\"], \"type\": "
			 "{\"pointer\": \"/b\", \"take\": \"sum\"}}"),
		"6: rule \"r\": \"type\": must not take a sum, there is nothing to add to"},
	/* rules: members and the action */
	{LIFECYCLE_RULE("\"do\": \"open\", \"span\": \"turn\""),
		"6: rule \"r\": must have on and do"},
	{LIFECYCLE_RULE("\"on\": \"reply\", \"span\": \"turn\""),
		"6: rule \"r\": must have on and do"},
	{LIFECYCLE_RULE("\"on\": \"reply\", \"do\": \"open\""),
		"6: rule \"r\": must have span, as it is to open"},
	{LIFECYCLE_ON("notification", "claim", LIFECYCLE_KEY1),
		"6: rule \"r\": \"do\": \"claim\": must stand with \"on\": \"request\", it is "
		"requests that claim"},
	{LIFECYCLE_ON("client_reply", "open", ""),
		"6: rule \"r\": \"on\": must stand with a span that is opened on server_request, "
		"or with a key"},
	{LIFECYCLE_ON("notification", "close", LIFECYCLE_KEY2 ", \"root\": \"/a\""),
		"6: rule \"r\": \"root\": must not stand with \"do\": \"close\", only with open"},
	{LIFECYCLE_ON("notification", "lapse", LIFECYCLE_KEY2 ", \"request_id\": \"/a\""),
		"6: rule \"r\": \"request_id\": must not stand with \"do\": \"lapse\", only with "
		"close, annotate, event, count"},
	{LIFECYCLE_ON("notification", "open", LIFECYCLE_KEY2 ", \"event\": \"a\""),
		"6: rule \"r\": \"event\": must not stand with \"do\": \"open\", only with event"},
	{LIFECYCLE_ON("notification", "open", LIFECYCLE_KEY2 ", \"until\": \"open\""),
		"6: rule \"r\": \"until\": must not stand with \"do\": \"open\", only with claim"},
	{LIFECYCLE_ON("notification", "open", LIFECYCLE_KEY2 ", \"joins\": false"),
		"6: rule \"r\": \"joins\": must not stand with \"do\": \"open\", only with claim"},
	{LIFECYCLE_ON("notification", "open", LIFECYCLE_KEY2 ", \"alias\": true"),
		"6: rule \"r\": \"alias\": must not stand with \"do\": \"open\", only with claim"},
	{LIFECYCLE_ON("notification", "lapse", LIFECYCLE_KEY2 ", \"set\": {\"a\": \"/b\"}"),
		"6: rule \"r\": \"set\": must not stand with \"do\": \"lapse\", only with claim, "
		"open, close, annotate, event, remember, mark, make"},
	{LIFECYCLE_ON("notification", "lapse",
		 LIFECYCLE_KEY2 ", \"status\": {\"pointer\": \"/a\", \"ok\": [\"a\"]}"),
		"6: rule \"r\": \"status\": must not stand with \"do\": \"lapse\", only with "
		"close, annotate, make"},
	{LIFECYCLE_CLOSE(", \"count\": \"a\""), "6: rule \"r\": \"count\": must not stand with "
						"\"do\": \"close\", only with count"},
	{LIFECYCLE_CLOSE(", \"bytes\": \"a\""), "6: rule \"r\": \"bytes\": must not stand with "
						"\"do\": \"close\", only with count"},
	{LIFECYCLE_CLOSE(", \"of\": \"/a\""), "6: rule \"r\": \"of\": must not stand with "
					      "\"do\": \"close\", only with count"},
	{LIFECYCLE_CLOSE(", \"first\": \"a\""), "6: rule \"r\": \"first\": must not stand with "
						"\"do\": \"close\", only with count"},
	{LIFECYCLE_ON("notification", "event", LIFECYCLE_KEY2),
		"6: rule \"r\": must have event, as it is to event"},
	{LIFECYCLE_ON("notification", "annotate", LIFECYCLE_KEY2),
		"6: rule \"r\": must have set or status, as it is to annotate"},
	{LIFECYCLE_ON("notification", "count", LIFECYCLE_KEY2),
		"6: rule \"r\": must have count, bytes or first, as it is to count"},
	{LIFECYCLE_ON("notification", "count", LIFECYCLE_KEY2 ", \"bytes\": \"b\""),
		"6: rule \"r\": \"bytes\": must stand with of"},
	{LIFECYCLE_ON("notification", "count", LIFECYCLE_KEY2 ", \"count\": \"b\", \"of\": \"/a\""),
		"6: rule \"r\": \"of\": must stand with bytes"},
	{LIFECYCLE_SPAN("\"name\": \"a\", \"announce\": \"a {b\""),
		"3: span \"turn\": \"announce\": must have a name between { and }, and braces "
		"nowhere else"},
	{LIFECYCLE_ON("notification", "event",
		 LIFECYCLE_KEY2 ", \"event\": \"e\", \"set\": {\"1\": \"/1\", \"2\": \"/2\", "
				"\"3\": \"/3\", \"4\": \"/4\", \"5\": \"/5\"}"),
		"6: rule \"r\": \"set\": has 5 members; must have, in an event, 1 to 4"},
	{LIFECYCLE_ON("client_reply", "close", ", \"request_id\": \"/id\""),
		"6: rule \"r\": \"request_id\": must not stand with client_reply, which is an "
		"answer to it"},
	{LIFECYCLE_ON("notification", "event",
		 LIFECYCLE_KEY2 ", \"event\": \"e\", \"set\": {\"n\": {\"pointer\": \"/n\", "
				"\"take\": \"sum\"}}"),
		"6: rule \"r\": \"set\": \"n\" must not take a sum, an event has nothing to add "
		"to"},
	/* rules and spans */
	{LIFECYCLE_RULE("\"on\": \"reply\", \"do\": \"close\", \"span\": \"turns\""),
		"6: rule \"r\": \"span\": \"turns\": must be one that stands in spans, or request"},
	{"{\"name\": \"x\", \"lifecycle\": {\"rules\": [" LIFECYCLE_STARTED "]}}",
		"1: rule 1: \"span\": \"turn\": must be one that stands in spans, or request"},
	{LIFECYCLE_ON("notification", "close", LIFECYCLE_KEY3),
		"6: rule \"r\": \"key\": has 3 pointers; must have 1 to 2, as the key of span "
		"\"turn\""},
	{LIFECYCLE_ON("notification", "close", ""),
		"6: rule \"r\": the key has 0 pointers; must have 1 to 2, as the key of span "
		"\"turn\""},
	{LIFECYCLE_ON("request", "claim", LIFECYCLE_KEY3),
		"6: rule \"r\": \"key\": has 3 pointers; must have 1 to 2, as the key of span "
		"\"turn\""},
	{LIFECYCLE_ON("notification", "open", LIFECYCLE_KEY1),
		"6: rule \"r\": \"key\": has 1 pointer; must have 2, as the key of span \"turn\""},
	{LIFECYCLE_ON("server_request", "annotate", LIFECYCLE_KEY1 ", \"set\": {\"a\": \"/b\"}"),
		"6: rule \"r\": \"key\": has 1 pointer; must have 2, as the key of span \"turn\""},
	{LIFECYCLE_ON("reply", "event", LIFECYCLE_KEY1 ", \"event\": \"a\""),
		"6: rule \"r\": \"key\": has 1 pointer; must have 2, as the key of span \"turn\""},
	{LIFECYCLE_ON("reply", "count", LIFECYCLE_KEY1 ", \"count\": \"a\""),
		"6: rule \"r\": \"key\": has 1 pointer; must have 2, as the key of span \"turn\""},
	{LIFECYCLE("\"ask\": {\"name\": \"t\"}\n",
		 "{\"on\": \"server_request\", \"do\": \"open\", \"span\": \"ask\"" LIFECYCLE_KEY1
		 "}"),
		"5: rule 1: \"key\": has 1 pointer; must have 0, as the key of span \"ask\""},
	/* kinds of spans */
	{LIFECYCLE_CALL("client_reply", "close", ", \"span\": \"turn\""),
		"6: rule \"r\": \"on\": must stand with a span that is opened on server_request, "
		"or with a key"},
	{LIFECYCLE_CALL("notification", "close",
		 ", \"span\": \"turn\", \"request_id\": \"/a\"" LIFECYCLE_KEY1),
		"6: rule \"r\": \"request_id\": must stand with a span that is opened on "
		"server_request, or with request"},
	{LIFECYCLE_CALL("notification", "open", ", \"span\": \"ask\""),
		"6: rule \"r\": \"do\": span \"ask\" is a request of the server; must be opened on "
		"server_request, closed on client_reply or by a request_id"},
	{LIFECYCLE_CALL("notification", "close", ", \"span\": \"ask\""),
		"6: rule \"r\": \"do\": span \"ask\" is a request of the server; must be opened on "
		"server_request, closed on client_reply or by a request_id"},
	{LIFECYCLE_CALL("request", "claim", ", \"span\": \"ask\""),
		"6: rule \"r\": \"do\": span \"ask\" is a request of the server; must be opened on "
		"server_request, closed on client_reply or by a request_id"},
	{LIFECYCLE_CALL("client_reply", "close",
		 ", \"span\": \"ask\", \"status\": {\"pointer\": \"/a\", \"ok\": [\"b\"]}"),
		"6: rule \"r\": \"status\": must not stand with client_reply, which is a result or "
		"an error"},
	{LIFECYCLE("\"turn\": {\"name\": \"t\"}\n",
		 "{\"on\": \"notification\", \"do\": \"open\", \"span\": \"turn\"}"),
		"5: rule 1: \"span\": \"turn\": has no key; must have one, or be opened on "
		"server_request"},
	{LIFECYCLE("\"turn\": {\"name\": \"t\"}\n",
		 "{\"on\": \"request\", \"do\": \"claim\", \"span\": \"turn\"}"),
		"5: rule 1: \"span\": \"turn\": has no key; must have one, or be opened on "
		"server_request"},
	{LIFECYCLE_ITEM("request", "claim", LIFECYCLE_KEY3),
		"6: rule \"r\": \"do\": span \"item\" hangs below \"turn\"; must be a span that "
		"hangs "
		"below none"},
	{LIFECYCLE_ITEM("notification", "open", LIFECYCLE_KEY3 ", \"root\": \"/d\""),
		"6: rule \"r\": \"root\": span \"item\" hangs below \"turn\"; must be a span that "
		"hangs below none"},
	{LIFECYCLE_ITEM("notification", "close", LIFECYCLE_KEY2),
		"6: rule \"r\": \"key\": span \"item\" hangs below \"turn\"; must have all 3 parts "
		"of "
		"its key"},
	{LIFECYCLE_ITEM("reply", "open", ""),
		"6: rule \"r\": the key has 0 pointers; must have 3, as the key of span \"item\""},
	/* rules and rules */
	{LIFECYCLE_ON("notification", "count",
		 LIFECYCLE_KEY2
		 ", \"count\": \"c\"}," LIFECYCLE_COUNT "," LIFECYCLE_COUNT
		 ",{\"on\": \"reply\", \"do\": \"lapse\", \"span\": \"turn\"" LIFECYCLE_KEY2),
		"6: rule 4: \"do\": span \"turn\" has 3 such rules; must have at most 2"},
	{LIFECYCLE_ON("request", "claim", LIFECYCLE_KEY1 ", \"alias\": true"),
		"6: rule \"r\": \"alias\": must stand where a rule opens the span with a root"},
	/* keys by name */
	{LIFECYCLE_ON("notification", "open", ", \"key\": {\"c\": \"/c\"}"),
		"6: rule \"r\": \"key\": \"c\": must be a part of the key of span \"turn\""},
	{LIFECYCLE_ON("notification", "open", ", \"key\": {\"b\": \"/b\"}"),
		"6: rule \"r\": the key has no pointer for \"a\"; must have one, here or at span "
		"\"turn\""},
	{LIFECYCLE_SPAN("\"name\": \"t\", \"key\": {\"a\": \"x\"}"),
		"3: span \"turn\": \"a\": \"x\": must be a JSON pointer, which begins with /"},
	{LIFECYCLE_SPAN("\"name\": \"t\", \"key\": {\"a\": {\"opt_in\": \"x\"}}"),
		"3: span \"turn\": \"a\": must have a pointer"},
	{LIFECYCLE_SPAN(
		 "\"name\": \"t\", \"key\": {\"a\": {\"pointer\": \"/a\", \"opt_in\": \"X\"}}"),
		"3: span \"turn\": \"opt_in\": \"X\": must be of small letters, digits, _ and -"},
	/* methods */
	{LIFECYCLE_RULE("\"methods\": [\"a*b\"]"),
		"6: rule \"r\": \"methods\": \"a*b\": must have a * at its end, or none"},
	/* requests */
	{LIFECYCLE_RULE("\"on\": \"reply\", \"do\": \"link\", \"span\": \"request\""),
		"6: rule \"r\": must have by, as it is to link"},
	{LIFECYCLE_RULE("\"on\": \"notification\", \"do\": \"link\", \"span\": \"request\", "
			"\"by\": \"/s\""),
		"6: rule \"r\": \"do\": \"link\": must be on request, reply or error, and without "
		"a key"},
	{LIFECYCLE_ON("reply", "link", LIFECYCLE_KEY2 ", \"by\": \"/s\""),
		"6: rule \"r\": \"do\": \"link\": must stand with \"span\": \"request\""},
	{LIFECYCLE_ON("notification", "close", ", \"all\": true"),
		"6: rule \"r\": \"all\": must stand with a span that has \"scope\": "
		"\"connection\", "
		"and without a key"},
	{LIFECYCLE_ON("notification", "open", LIFECYCLE_KEY2 ", \"all\": true"),
		"6: rule \"r\": \"all\": must not stand with \"do\": \"open\", only with close"},
	{LIFECYCLE_ON("reply", "stay", ""),
		"6: rule \"r\": \"do\": \"stay\": must be on reply, with a span that has requests"},
	{LIFECYCLE_RULE("\"on\": \"reply\", \"do\": \"event\", \"event\": \"e\", \"span\": "
			"\"request\", \"by\": \"/s\""),
		"6: rule \"r\": \"by\": must not stand with \"do\": \"event\", only with link"},
	{LIFECYCLE_RULE("\"on\": \"reply\", \"do\": \"open\", \"span\": \"request\""),
		"6: rule \"r\": \"do\": a request opens and ends by itself; must be annotate, "
		"event, count, link, or, of another request, close"},
	{LIFECYCLE_RULE("\"on\": \"reply\", \"do\": \"close\", \"span\": \"request\""),
		"6: rule \"r\": \"do\": a request opens and ends by itself; must be annotate, "
		"event, count, link, or, of another request, close"},
	{LIFECYCLE_RULE("\"on\": \"notification\", \"do\": \"event\", \"event\": \"e\", \"span\": "
			"\"request\""),
		"6: rule \"r\": must have a key or a request_id, which tell of which request"},
	{LIFECYCLE_RULE("\"on\": \"notification\", \"do\": \"event\", \"event\": \"e\", \"span\": "
			"\"request\", \"key\": [\"/a\"]"),
		"6: rule \"r\": \"key\": must be {ATTRIBUTE: POINTER}, an attribute that is "
		"captured from requests"},
	{LIFECYCLE_RULE("\"on\": \"notification\", \"do\": \"event\", \"event\": \"e\", \"span\": "
			"\"request\", \"key\": {\"q\": \"/a\"}"),
		"6: rule \"r\": \"key\": \"q\": must be an attribute that is captured from "
		"requests"},
	{LIFECYCLE_SPAN("\"name\": \"t\", \"requests\": \"m\""),
		"3: span \"turn\": must have a key, by which it is found"},
	{LIFECYCLE_SPAN("\"name\": \"t\", \"requests\": \"m\", \"key\": [\"a\", \"b\"]"),
		"3: span \"turn\": \"key\": must be {ATTRIBUTE: POINTER, ...}, as no rule says "
		"where "
		"its parts stand"},
	{LIFECYCLE_SPAN("\"name\": \"t\", \"requests\": \"m\", \"key\": {\"a\": \"/a\", \"b\": "
			"\"/b\"}"),
		"5: rule 1: \"do\": span \"turn\" is a request, which opens and ends by itself; "
		"must "
		"be annotate, event, count or stay"},
	{LIFECYCLE("\"request\": {\"name\": \"t\"}\n", LIFECYCLE_STARTED),
		"3: span \"request\": the name stands for all requests of the client; must be "
		"another"},
	/* claims */
	{LIFECYCLE_ON("request", "claim", ", \"joins\": true"),
		"6: rule \"r\": \"joins\": must stand with a key, which tells what is joined"},
	{LIFECYCLE_ON("request", "claim", ", \"until\": \"open\""),
		"6: rule \"r\": \"until\": must be reply: without a key nothing tells later whose "
		"the span is"},
	/* one of its kind */
	{LIFECYCLE_SPAN("\"name\": \"t\", \"key\": [\"a\", \"b\"], \"one_per\": \"b\""),
		"3: span \"turn\": \"one_per\": must be the first of several parts of the key"},
	{LIFECYCLE_SPAN("\"name\": \"t\", \"scope\": \"client\""),
		"3: span \"turn\": \"scope\": \"client\": must be server or connection"},
	{LIFECYCLE_SPAN("\"name\": \"t\", \"key\": [\"a\", \"b\"], \"adds\": {\"n\": \"s\"}"),
		"3: span \"turn\": \"n\": \"s\": must be count or ms"},
	{LIFECYCLE_SPAN("\"name\": \"t\", \"key\": [\"a\", \"b\"], \"adds\": {\"n\": "
			"\"count\"}"),
		"3: span \"turn\": \"adds\": it hangs below no other; must have a key that begins "
		"with that of one"},
	/* memories and levels */
	{LIFECYCLE_RULE("\"on\": \"reply\", \"do\": \"remember\", \"memory\": \"m\", \"set\": {}"),
		"6: rule \"r\": \"set\": has 0 members; must have 1 to 16"},
	{LIFECYCLE_RULE("\"on\": \"reply\", \"do\": \"remember\", \"memory\": \"m\", \"set\": "
			"{\"x\": \"/x\"}"),
		"6: rule \"r\": \"memory\": \"m\": must be one that stands in memories"},
	{LIFECYCLE_ON("reply", "annotate",
		 LIFECYCLE_KEY2 ", \"set\": {\"x\": {\"pointer\": \"/x\", "
				"\"take\": \"increase\"}}"),
		"6: rule \"r\": a level is remembered; must have a memory whose key begins that of "
		"the span"},
	{LIFECYCLE_ON("reply", "annotate", LIFECYCLE_KEY2 ", \"set\": {\"x\": 1.5}"),
		"6: rule \"r\": \"x\": 1.5: must be a whole number of 64 bits"},
	{LIFECYCLE_RULE("\"when\": {\"/a\": {\"not\": \"b\", \"increase\": true}}"),
		"6: rule \"r\": \"/a\": must have one of not, increase"},
	{LIFECYCLE_RULE("\"when\": {\"/a\": {\"increase\": false}}"),
		"6: rule \"r\": \"increase\": must be true, or a pointer"},
	/* moments */
	{LIFECYCLE_ON("reply", "mark", LIFECYCLE_KEY2 ", \"mark\": \"m\""),
		"6: rule \"r\": \"do\": span \"turn\" is not made; must be another than this"},
	{LIFECYCLE_RULE("\"set\": {\"x\": {\"mark\": \"m\"}}"),
		"6: rule \"r\": \"x\": must have mark and unit together"},
	{LIFECYCLE_ON("reply", "annotate",
		 LIFECYCLE_KEY2 ", \"set\": {\"x\": {\"mark\": \"m\", "
				"\"unit\": \"s\"}}"),
		"6: rule \"r\": mark \"m\": must stand with \"do\": \"make\", and be the mark of a "
		"rule"},
	{LIFECYCLE_MADE("\"from\": \"start\", \"to\": \"then\""),
		"6: rule \"r\": \"to\": \"then\": must be start, now, former end, or the mark of a "
		"rule, after \"former\" or not"},
	{LIFECYCLE_MADE("\"from\": \"start\", \"to\": \"now\", \"needs\": \"now\""),
		"6: rule \"r\": \"needs\": \"now\": must be the mark of a rule"},
	{LIFECYCLE_MADE("\"from\": \"start\", \"to\": \"now\", \"former_until\": \"m\""),
		"6: rule \"r\": \"former_until\": must not stand with \"do\": \"make\", only with "
		"mark"},
	{LIFECYCLE_MADE("\"from\": \"start\""), "6: rule \"r\": must have to, as it is to make"},
	{LIFECYCLE_ON("reply", "open", LIFECYCLE_KEY2 ", \"at\": {\"pointer\": \"/t\"}"),
		"6: rule \"r\": \"at\": must have a pointer and a unit"},
	{LIFECYCLE_CLOSE(", \"status\": {\"error\": true, \"ok\": [\"a\"]}"),
		"6: rule \"r\": \"status\": must have a pointer, and ok, error or unset; or "
		"\"error\": "
		"true alone"},
	{LIFECYCLE_CLOSE(", \"status\": {\"error\": true, \"unset\": [\"a\"]}"),
		"6: rule \"r\": \"status\": must have a pointer, and ok, error or unset; or "
		"\"error\": "
		"true alone"},
	{LIFECYCLE_CLOSE(", \"status\": {\"pointer\": \"/a\", \"unset\": \"a\"}"),
		"6: rule \"r\": \"unset\": is a string; must be a list"},
	{LIFECYCLE_RULE("\"unless\": \"Word\""),
		"6: rule \"r\": \"unless\": \"Word\": must be of small letters, digits, _ and -"},
	/* names */
	{LIFECYCLE_SPAN("\"name\": \"t {nobody}\", \"key\": [\"a\", \"b\"]"),
		"3: span \"turn\": \"name\": {nobody}: must be an attribute that something sets"},
	{LIFECYCLE_SPAN("\"name\": \"t\", \"announce\": \"{nobody}\", \"key\": [\"a\", \"b\"]"),
		"3: span \"turn\": \"announce\": {nobody}: must be an attribute that something "
		"sets"},
};

START_TEST(test_lifecycle_wrong)
{
	char error[512] = "";

	ck_assert_ptr_null(lifecycle_parse(lifecycle_wrong[_i].text, error, sizeof error));
	ck_assert_int_eq(strncmp(error, "p.json:", 7), 0);
	ck_assert_str_eq(error + 7, lifecycle_wrong[_i].error);
}
END_TEST

/* What is only just right: the neighbours of the mistakes above. */
static const char *const lifecycle_right[] = {
	LIFECYCLE_CLOSE(""),
	LIFECYCLE_ON("notification", "close", LIFECYCLE_KEY1),
	LIFECYCLE_ON("reply", "lapse", LIFECYCLE_KEY1),
	LIFECYCLE_CALL("client_reply", "close", ", \"span\": \"ask\""),
	LIFECYCLE_CALL("reply", "close", ", \"span\": \"ask\", \"request_id\": \"/id\""),
	LIFECYCLE_ITEM("reply", "close", LIFECYCLE_KEY3),
	LIFECYCLE_ON("notification", "open", LIFECYCLE_KEY2 ", \"root\": \"/a\""),
	LIFECYCLE_ON("notification", "count",
		LIFECYCLE_KEY2
		", \"count\": \"c\"}," LIFECYCLE_COUNT
		",{\"on\": \"reply\", \"do\": \"lapse\", \"span\": \"turn\"" LIFECYCLE_KEY2),
	/* a call with a key that is part of its own is no parent */
	LIFECYCLE("\"ask\": {\"name\": \"t\", \"key\": [\"a\"]}," LIFECYCLE_TURN,
		"{\"on\": \"server_request\", \"do\": \"open\", \"span\": \"ask\"" LIFECYCLE_KEY1
		"}," LIFECYCLE_STARTED ",{\"on\": \"request\", \"do\": \"claim\", \"span\": "
		"\"turn\"" LIFECYCLE_KEY1 "},{\"on\": \"reply\", \"do\": \"close\", \"span\": "
		"\"ask\", \"request_id\": \"/r\"" LIFECYCLE_KEY1 "}"),
	LIFECYCLE_ON("request", "claim", LIFECYCLE_KEY2 ", \"joins\": true"),
	LIFECYCLE_ON("request", "claim", LIFECYCLE_KEY1 ", \"joins\": true, \"until\": \"open\""),
	LIFECYCLE_ON("notification", "count", LIFECYCLE_KEY2 ", \"first\": \"a\""),
	LIFECYCLE_ON("notification", "count", LIFECYCLE_KEY2 ", \"bytes\": \"a\", \"of\": \"/a\""),
	LIFECYCLE_CLOSE(", \"set\": {\"n\": {\"pointer\": \"/n\", \"take\": \"sum\"}}"),
	LIFECYCLE_CLOSE(", \"status\": {\"pointer\": \"/a\", \"error\": [\"b\"]}"),
	LIFECYCLE_DISPATCH("\"name\": \"d\"" LIFECYCLE_OPERATIONS),
	LIFECYCLE_DISPATCH("\"name\": \"{operation}{operation}\"" LIFECYCLE_OPERATIONS),
	/* rules may act on all messages, but for claims */
	LIFECYCLE_ON("request", "close", LIFECYCLE_KEY2),
	LIFECYCLE_ON("client_reply", "close", LIFECYCLE_KEY1),
	LIFECYCLE_ON("client_notification", "open", LIFECYCLE_KEY2),
	LIFECYCLE_ON("error", "lapse", LIFECYCLE_KEY1),
	/* a claim without a key */
	LIFECYCLE_ON("request", "claim", ""),
	/* requests, by themselves, their id, what they captured */
	LIFECYCLE_RULE("\"on\": \"reply\", \"do\": \"annotate\", \"span\": \"request\", \"set\": "
		       "{\"x\": 1}"),
	LIFECYCLE_RULE(
		"\"on\": \"client_notification\", \"do\": \"close\", \"span\": "
		"\"request\", \"request_id\": \"/params/id\", \"status\": {\"error\": true}"),
	LIFECYCLE_ON("request", "claim",
		LIFECYCLE_KEY1 ", \"alias\": true},{\"on\": \"notification\", \"do\": \"open\", "
			       "\"span\": \"turn\", \"root\": \"/r\"" LIFECYCLE_KEY2),
	/* rules may stand before spans */
	"{\"name\": \"x\", \"lifecycle\": {\"rules\": [" LIFECYCLE_STARTED
	"], \"spans\": {" LIFECYCLE_TURN "}}}",
};

START_TEST(test_lifecycle_right)
{
	char error[512] = "";
	struct profile *profile = lifecycle_parse(lifecycle_right[_i], error, sizeof error);

	ck_assert_msg(profile != NULL, "%s", error);
	profile_free(profile);
}
END_TEST

/* Writes count times item with commas between, each # its number from 0. */
static void lifecycle_repeat(char *text, size_t size, const char *item, size_t count)
{
	size_t used = strlen(text);
	const char *at;
	size_t i;

	for (i = 0; i < count; i++) {
		ck_assert_uint_lt(used + strlen(item) + 32, size);
		if (i > 0)
			text[used++] = ',';
		for (at = item; *at != '\0'; at++)
			if (*at == '#')
				used += (size_t)snprintf(text + used, size - used, "%zu", i);
			else
				text[used++] = *at;
		text[used] = '\0';
	}
}

/* As many as there may be are fine, one more is an error. */
static const struct {
	const char *before;
	const char *item;
	const char *behind;
	const char *member;
	size_t count_max;
} lifecycle_limits[] = {
	{"{\"name\": \"x\", \"lifecycle\": {\"dispatch\": {\"name\": \"d\", \"operations\": {",
		"\"m#\": \"o\"", "}}}}", "operations", LIFECYCLE_OPERATIONS_MAX},
	{"{\"name\": \"x\", \"lifecycle\": {\"spans\": {" LIFECYCLE_TURN "}, \"rules\": [",
		LIFECYCLE_STARTED, "]}}", "rules", LIFECYCLE_RULES_MAX},
	{"{\"name\": \"x\", \"lifecycle\": {\"rules\": [{\"on\": \"notification\", \"do\": "
	 "\"open\", \"span\": \"s\", \"key\": [\"/1\", \"/2\", \"/3\", \"/4\"]}], \"spans\": "
	 "{\"s\": {\"name\": \"t\", \"key\": [",
		"\"k#\"", "]}}}}", "key", LIFECYCLE_KEY_MAX},
	{"{\"name\": \"x\", \"lifecycle\": {\"spans\": {" LIFECYCLE_TURN
	 "}, \"rules\": [{\"on\": \"notification\", \"do\": \"open\", \"span\": \"turn\", \"key\": "
	 "[\"/a\", \"/b\"], \"methods\": [",
		"\"m#\"", "]}]}}", "methods", LIFECYCLE_METHODS_MAX},
	{"{\"name\": \"x\", \"lifecycle\": {\"spans\": {" LIFECYCLE_TURN
	 "}, \"rules\": [{\"on\": \"notification\", \"do\": \"open\", \"span\": \"turn\", \"key\": "
	 "[\"/a\", \"/b\"], \"set\": {",
		"\"m#\": \"/a\"", "}}]}}", "set", LIFECYCLE_SETTINGS_MAX},
	{"{\"name\": \"x\", \"lifecycle\": {\"spans\": {" LIFECYCLE_TURN
	 "}, \"rules\": [{\"on\": \"notification\", \"do\": \"open\", \"span\": \"turn\", \"key\": "
	 "[\"/a\", \"/b\"], \"set\": {\"a\": [",
		"\"/a#\"", "]}}]}}", "a", LIFECYCLE_CHOICES_MAX},
	{"{\"name\": \"x\", \"lifecycle\": {\"spans\": {" LIFECYCLE_TURN
	 "}, \"rules\": [{\"on\": \"notification\", \"do\": \"open\", \"span\": \"turn\", \"key\": "
	 "[\"/a\", \"/b\"], \"when\": {",
		"\"/#\": true", "}}]}}", "when", LIFECYCLE_CONDITIONS_MAX},
	{"{\"name\": \"x\", \"lifecycle\": {\"spans\": {" LIFECYCLE_TURN
	 "}, \"rules\": [{\"on\": \"notification\", \"do\": \"open\", \"span\": \"turn\", \"key\": "
	 "[\"/a\", \"/b\"], \"when\": {\"/a\": [",
		"\"t#\"", "]}}]}}", "/a", LIFECYCLE_TEXTS_MAX},
};

START_TEST(test_lifecycle_limits)
{
	const size_t size = 65536;
	char *text = calloc(1, size);
	char error[512] = "";
	char right[128];
	struct profile *profile;
	size_t more;

	ck_assert_ptr_nonnull(text);
	for (more = 0; more < 2; more++) {
		strcpy(text, lifecycle_limits[_i].before);
		lifecycle_repeat(text, size - 64, lifecycle_limits[_i].item,
			lifecycle_limits[_i].count_max + more);
		strcat(text, lifecycle_limits[_i].behind);
		profile = lifecycle_parse(text, error, sizeof error);
		ck_assert_msg((profile != NULL) == (more == 0), "%s", error);
		profile_free(profile);
	}
	snprintf(right, sizeof right, "\"%s\": has %zu members; must have 1 to %zu",
		lifecycle_limits[_i].member, lifecycle_limits[_i].count_max + 1,
		lifecycle_limits[_i].count_max);
	ck_assert_msg(strstr(error, right) != NULL, "%s", error);
	free(text);
}
END_TEST

/* Keys and rules name 2 and then 16 attributes each, some the same: 128 is the end. */
START_TEST(test_lifecycle_attributes_limit)
{
	static const char before[] = "{\"name\": \"x\", \"lifecycle\": {\"spans\": {" LIFECYCLE_TURN
				     "}, \"rules\": [\n" LIFECYCLE_STARTED;
	static const char rule[] = ",{\"on\": \"reply\", \"do\": \"annotate\", \"span\": "
				   "\"turn\"" LIFECYCLE_KEY2 ", \"set\": {";
	char text[8192];
	char error[512] = "";
	char item[32];
	struct profile *profile;
	size_t more, i;

	for (more = 0; more < 2; more++) {
		strcpy(text, before);
		for (i = 0; i < 8; i++) {
			strcat(text, rule);
			snprintf(item, sizeof item, "\"%zu-#\": \"/a\"", i);
			lifecycle_repeat(text, sizeof text, item, i < 7 ? 16 : 14 + more);
			strcat(text, i < 7 ? "}}\n" : ", \"a\": \"/a\"}}]}}");
		}
		/* 2 in the key, 7 * 16 + 14 more, one met before */
		profile = lifecycle_parse(text, error, sizeof error);
		ck_assert_int_eq(profile != NULL, more == 0);
		profile_free(profile);
	}
	ck_assert_str_eq(error, "p.json:11: rule 9: attribute \"7-14\" is one too many; must be "
				"at most 128 in all rules");
}
END_TEST

/* What all rules may have together, with one more at each place where it may stand. */
#define LIFECYCLE_FILLER                                                                           \
	",{\"on\": \"reply\", \"do\": \"annotate\", \"span\": \"turn\"" LIFECYCLE_KEY2             \
	", \"set\": {"
#define LIFECYCLE_ANNOTATE(members)                                                                \
	",{\"on\": \"reply\", \"do\": \"annotate\", \"span\": \"turn\"" LIFECYCLE_KEY2             \
	", " members "}"
#define LIFECYCLE_OPENS(members)                                                                   \
	",{\"on\": \"reply\", \"do\": \"open\", \"span\": \"turn\"" LIFECYCLE_KEY2 ", " members "}"
#define LIFECYCLE_CLOSES(members)                                                                  \
	",{\"on\": \"reply\", \"do\": \"close\", \"span\": \"turn\"" LIFECYCLE_KEY2 ", " members "}"
#define LIFECYCLE_COUNTS(members)                                                                  \
	",{\"on\": \"notification\", \"do\": \"count\", \"span\": \"turn\"" LIFECYCLE_KEY2         \
	", " members "}"

enum lifecycle_sum { LIFECYCLE_SUM_QUOTES, LIFECYCLE_SUM_NAMES };

static const struct {
	enum lifecycle_sum sum;
	const char *spans, *rule;
} lifecycle_places[] = {
	{LIFECYCLE_SUM_QUOTES, "",
		",{\"on\": \"reply\", \"do\": \"annotate\", \"span\": \"turn\", \"key\": "
		"[\"/a\", \"/params/extra\"], \"set\": {\"z\": \"/z\"}}"},
	{LIFECYCLE_SUM_QUOTES, "",
		LIFECYCLE_ANNOTATE(
			"\"when\": {\"/params/extra\": true}, \"set\": {\"z\": \"/z\"}")},
	{LIFECYCLE_SUM_QUOTES, "", LIFECYCLE_ANNOTATE("\"set\": {\"z\": \"/params/extra\"}")},
	{LIFECYCLE_SUM_QUOTES, "",
		LIFECYCLE_ANNOTATE("\"set\": {\"z\": [\"/z\", \"/params/extra\"]}")},
	{LIFECYCLE_SUM_QUOTES, "", LIFECYCLE_OPENS("\"set_new\": {\"z\": \"/params/extra\"}")},
	{LIFECYCLE_SUM_QUOTES, "",
		LIFECYCLE_OPENS(
			"\"root\": {\"pointer\": \"/r\", \"set\": {\"z\": \"/params/extra\"}}")},
	{LIFECYCLE_SUM_QUOTES, "",
		LIFECYCLE_CLOSES("\"status\": {\"error\": true, \"message\": \"/params/extra\"}")},
	{LIFECYCLE_SUM_QUOTES, "",
		LIFECYCLE_CLOSES("\"status\": {\"error\": true, \"type\": \"/params/extra\"}")},
	{LIFECYCLE_SUM_QUOTES, "",
		LIFECYCLE_CLOSES(
			"\"status\": {\"pointer\": \"/params/extra\", \"error\": [\"x\"]}")},
	{LIFECYCLE_SUM_NAMES, "", LIFECYCLE_ANNOTATE("\"set\": {\"z\": \"/z\"}")},
	{LIFECYCLE_SUM_NAMES, "", LIFECYCLE_OPENS("\"set_new\": {\"z\": \"/z\"}")},
	{LIFECYCLE_SUM_NAMES, "",
		LIFECYCLE_OPENS("\"root\": {\"pointer\": \"/r\", \"set\": {\"z\": \"/z\"}}")},
	{LIFECYCLE_SUM_NAMES, "", LIFECYCLE_COUNTS("\"count\": \"z\"")},
	{LIFECYCLE_SUM_NAMES, "", LIFECYCLE_COUNTS("\"bytes\": \"z\", \"of\": \"/of\"")},
	{LIFECYCLE_SUM_NAMES, "", LIFECYCLE_COUNTS("\"first\": \"z\"")},
	{LIFECYCLE_SUM_NAMES, ", \"more\": {\"name\": \"m\", \"key\": [\"z\"]}",
		",{\"on\": \"notification\", \"do\": \"open\", \"span\": \"more\", \"key\": "
		"[\"/z\"]}"},
	{LIFECYCLE_SUM_NAMES,
		", \"more\": {\"name\": \"m\", \"key\": [\"a\"], \"inherit\": [\"z\"]}",
		",{\"on\": \"notification\", \"do\": \"open\", \"span\": \"more\", \"key\": "
		"[\"/z\"]}"},
	{LIFECYCLE_SUM_NAMES,
		", \"more\": {\"name\": \"m\", \"key\": [\"a\"], \"defaults\": {\"z\": \"y\"}}",
		",{\"on\": \"notification\", \"do\": \"open\", \"span\": \"more\", \"key\": "
		"[\"/z\"]}"},
	{LIFECYCLE_SUM_NAMES,
		", \"more\": {\"name\": \"m\", \"key\": [\"a\", \"b\", \"a3\"], \"adds\": "
		"{\"z\": \"count\"}}",
		",{\"on\": \"notification\", \"do\": \"open\", \"span\": \"more\"" LIFECYCLE_KEY3
		"}"},
};

/* As many as there may be, or one less, and the row's; of names those of keys are there, too. */
static void lifecycle_fill(char text[8192], size_t row, size_t fewer)
{
	bool quotes = lifecycle_places[row].sum == LIFECYCLE_SUM_QUOTES;
	size_t count = quotes ? LIFECYCLE_QUOTES_MAX
			      : LIFECYCLE_ATTRIBUTES_MAX - 2 -
					(strstr(lifecycle_places[row].spans, "\"a3\"") != NULL);
	size_t i, each;
	char item[64];

	sprintf(text, "{\"name\": \"x\", \"lifecycle\": {\"spans\": {%s%s}, \"rules\": [\n%s",
		LIFECYCLE_TURN, lifecycle_places[row].spans, LIFECYCLE_STARTED);
	for (i = 0, count -= fewer; count > 0; i++, count -= each) {
		each = count < 16 ? count : 16;
		strcat(text, LIFECYCLE_FILLER);
		if (quotes)
			snprintf(item, sizeof item, "\"n#\": \"/params/%zu-#\"", i);
		else
			snprintf(item, sizeof item, "\"%zu-#\": \"/a\"", i);
		lifecycle_repeat(text, 8192, item, each);
		strcat(text, "}}\n");
	}
	strcat(text, lifecycle_places[row].rule);
	strcat(text, "]}}");
}

START_TEST(test_lifecycle_sums)
{
	static char text[8192];
	bool quotes = lifecycle_places[_i].sum == LIFECYCLE_SUM_QUOTES;
	char error[512] = "";
	struct profile *profile;

	lifecycle_fill(text, (size_t)_i, 1);
	profile = lifecycle_parse(text, error, sizeof error);
	ck_assert_msg(profile != NULL, "%s", error);
	profile_free(profile);
	lifecycle_fill(text, (size_t)_i, 0);
	profile = lifecycle_parse(text, error, sizeof error);
	ck_assert_ptr_null(profile);
	ck_assert_msg(
		strstr(error, quotes ? "/params/extra is one too many; rules for answers must "
				       "look at most at 32 values of requests"
				     : " is one too many; must be at most 128 in all rules") !=
			NULL,
		"%s", error);
}
END_TEST

START_TEST(test_lifecycle_spans_limit)
{
	char text[4096];
	char error[512] = "";
	struct profile *profile;
	size_t more;

	for (more = 0; more < 2; more++) {
		strcpy(text, "{\"name\": \"x\", \"lifecycle\": {\"spans\": {");
		lifecycle_repeat(
			text, sizeof text, "\"s#\": {\"name\": \"t\"}", LIFECYCLE_SPANS_MAX + more);
		strcat(text, "}, \"rules\": [");
		lifecycle_repeat(text, sizeof text,
			"{\"on\": \"server_request\", \"do\": \"open\", \"span\": \"s#\"}",
			LIFECYCLE_SPANS_MAX + more);
		strcat(text, "]}}");
		profile = lifecycle_parse(text, error, sizeof error);
		ck_assert_msg((profile != NULL) == (more == 0), "%s", error);
		profile_free(profile);
	}
	ck_assert_str_eq(error, "p.json:1: \"spans\": has 17 members; must have 1 to 16");
}
END_TEST

/* Whatever there is in a lifecycle, also what codex does not have, fails for want of memory. */
START_TEST(test_lifecycle_memory)
{
	char error[512];
	struct file *file = file_parse("p.json", lifecycle_forms, strlen(lifecycle_forms),
		lifecycle_environment, error, sizeof error);
	struct profile *profile;
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
	ck_assert_int_gt(n, 50);
	file_free(file);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("lifecycle");

	tcase_add_test(tc, test_lifecycle_turns_spans);
	tcase_add_test(tc, test_lifecycle_turns_claims);
	tcase_add_test(tc, test_lifecycle_turns_turns);
	tcase_add_test(tc, test_lifecycle_turns_items);
	tcase_add_test(tc, test_lifecycle_forms);
	tcase_add_loop_test(
		tc, test_lifecycle_wrong, 0, sizeof lifecycle_wrong / sizeof *lifecycle_wrong);
	tcase_add_loop_test(
		tc, test_lifecycle_right, 0, sizeof lifecycle_right / sizeof *lifecycle_right);
	tcase_add_loop_test(
		tc, test_lifecycle_limits, 0, sizeof lifecycle_limits / sizeof *lifecycle_limits);
	tcase_add_test(tc, test_lifecycle_attributes_limit);
	tcase_add_loop_test(
		tc, test_lifecycle_sums, 0, sizeof lifecycle_places / sizeof lifecycle_places[0]);
	tcase_add_test(tc, test_lifecycle_spans_limit);
	tcase_add_loop_test(tc, test_lifecycle_memory, 0, 2);
	return unit_run("lifecycle", tc);
}

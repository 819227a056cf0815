/* Rules at the edges of what they say, each by a profile of its own. */
#include <string.h>

#include "tests/unit/conversation_case.h"

#define PROFILE(spans, rules) "{'name':'p','lifecycle':{'spans':{" spans "},'rules':[" rules "]}}"
#define SPAN(name, key, more) "'" name "':{'name':'" name "','key':['" key "']" more "}"
#define ON(on, method, action, span, more)                                                         \
	"{'on':'" on "','methods':['" method "'],'do':'" action "','span':'" span "'" more "}"
#define ON_A(on, method, action, span, more)                                                       \
	ON(on, method, action, span, ",'key':['/params/a']" more)

#define NOTE(method, params)        "{'method':'" method "','params':{" params "}}"
#define REQUEST(id, method, params) "{'id':" id ",'method':'" method "','params':{" params "}}"
#define RESULT(id, result)          "{'id':" id ",'result':{" result "}}"
#define TRACED(id, method, params)                                                                 \
	"{'id':" id ",'method':'" method "','params':{" params                                     \
	"},'trace':{'traceparent':'" CONVERSATION_CLIENT("01") "','tracestate':'x=y'}}"

#define TURN       SPAN("turn", "a", "") "," SPAN("call", "a", ",'made':true,'adds':{'calls':'count'}")
#define BEGINS     ON_A("notification", "begin", "open", "turn", "")
#define BEGINS_JOB ON_A("notification", "begin", "open", "job", "")

static const struct {
	const char *about;
	const char *profile;
	const char *lines[12];
	const char *tree, *show;
	size_t keys_missing;
} rows[] = {
	{.about = "a status that is the id",
		PROFILE(SPAN("job", "a", ""), BEGINS_JOB "," ON("reply", "m", "annotate", "request",
						      ",'status':{'pointer':'/id','error':['7']}")),
		{"1>" REQUEST("7", "m", ""), "1<" RESULT("7", ""), "1>" REQUEST("8", "m", ""),
			"1<" RESULT("8", "")},
		"m answered ERROR\nm answered\n"},
	{.about = "a request that the server's has the id of",
		PROFILE(SPAN("job", "a", ""),
			BEGINS_JOB "," ON("server_request", "ask", "annotate", "request",
				",'request_id':'/id','set':{'x':'/params/x'}")),
		{"1>" REQUEST("7", "m", ""), "1>" REQUEST("8", "m", ""),
			"1<" REQUEST("7", "ask", "'x':'y'"), "1<" RESULT("7", ""),
			"1<" RESULT("8", "")},
		"m answered x=y\nm answered\n",
		" x"},
	{.about = "a span that the server's request has the id of",
		PROFILE(SPAN("ask", "a", ""),
			ON_A("server_request", "ask", "open", "ask", "") "," ON("server_request",
				"more", "event", "ask",
				",'request_id':'/id','event':'more'") "," ON("server_request",
				"more", "annotate", "ask",
				",'request_id':'/id','set':{'x':'/params/x'}")),
		{"1<" REQUEST("7", "ask", "'a':1"), "1<" REQUEST("8", "ask", "'a':2"),
			"1<" REQUEST("7", "more", "'x':'y'")},
		"ask connection_closed x=y\nask connection_closed\n",
		" x"},
	{.about = "no moment to begin at",
		PROFILE(TURN, BEGINS "," ON_A("notification", "say", "mark", "call",
				      ",'mark':'said'") "," ON_A("notification", "use", "make",
				      "call", ",'from':['said'],'to':['now']")),
		{"1<" NOTE("begin", "'a':1"), "1<" NOTE("use", "'a':1"), "1<" NOTE("say", "'a':1"),
			"1<" NOTE("use", "'a':1"), "1<" NOTE("use", "'a':1")},
		"turn shutdown calls=1\n  call\n",
		" calls"},
	{.about = "what is made at the end is below its own kind",
		PROFILE(TURN "," SPAN("talk", "b", ""),
			BEGINS "," ON("notification", "speak", "open", "talk",
				",'key':['/params/b']") "," ON_A("notification", "use", "make",
				"call", ",'from':['start'],'to':['now'],'at_end':true")),
		{"1<" NOTE("begin", "'a':1"), "1<" NOTE("speak", "'b':2"), "1!"},
		"turn backend_exited ERROR: the server ended a=1 calls=1\n"
		"  call backend_exited ERROR: the server ended a=1\n"
		"talk backend_exited ERROR: the server ended b=2\n",
		" a b calls"},
	{.about = "nothing to remember it by",
		PROFILE(SPAN("job", "a", ",'inherit':['x']") "},'memories':{'group':{'key':['a']}",
			BEGINS_JOB ",{'on':'notification','methods':['keep'],'do':'remember','"
				   "memory':'group','key':['/params/a'],'set':{'x':'/params/x'}}"),
		{"1<" NOTE("keep", "'x':'lost'"), "1<" NOTE("keep", "'x':'kept','a':1"),
			"1<" NOTE("begin", "'a':1")},
		"job shutdown x=kept\n",
		" x",
		.keys_missing = 1},
	{.about = "a request that is a span, without its key",
		PROFILE("'job':{'name':'job','key':{'a':'/params/a'},'requests':'m'}",
			ON("notification", "more", "annotate", "job", ",'set':{'x':'/params/x'}")),
		{"1>" REQUEST("1", "m", "'a':1"), "1>" REQUEST("2", "m", ""),
			"1<" NOTE("more", "'a':1,'x':'y'"), "1<" RESULT("1", ""),
			"1<" RESULT("2", "")},
		"job answered x=y\nm answered\n",
		" x",
		.keys_missing = 1},
	{.about = "found by the first attribute there is",
		"{'name':'p','captures':[{'from':'request','pointer':'/params/a','attribute':'a'}],"
		"'lifecycle':{'spans':{'job':{'name':'job','key':['a']}},'rules':[" ON(
			"notification", "more", "annotate", "request",
			",'key':{'a':'/params/a'},'set':{'x':'/params/x'}") "," BEGINS_JOB "]}}",
		{"1>" REQUEST("1", "m", "'a':1"), "1>" REQUEST("2", "m", "'a':2"),
			"1<" NOTE("more", "'a':2,'x':'y'"), "1<" RESULT("1", ""),
			"1<" RESULT("2", "")},
		"m answered\nm answered x=y\n",
		" x"},
	{.about = "a tracestate is that of all below",
		PROFILE(TURN "," SPAN("ask", "a", ",'kind':'client'"),
			ON_A("request", "m", "open", "turn", "") "," ON_A("notification", "use",
				"make", "call",
				",'from':['start'],'to':['now']") "," ON_A("server_request", "ask",
				"open", "ask",
				"") "," ON("client_reply", "ask", "close", "ask", "")),
		{"1>" TRACED("1", "m", "'a':1"), "1<" NOTE("use", "'a':1"),
			"1?" REQUEST("7", "ask", "'a':1"), "1>" RESULT("7", ""),
			"1<" RESULT("1", "")},
		"m answered\n  turn shutdown\n    call\n    ask answered\n"},
	{.about = "what is told of the root",
		PROFILE("'job':{'name':'job','key':['a','b']}",
			ON("notification", "begin", "open", "job",
				",'key':['/params/a','/params/b'],'root':{'pointer':'/params/"
				"r','set':{'x':true}}")),
		{"1<" NOTE("begin", "'a':1,'b':1"), "1<" NOTE("begin", "'a':2,'b':2,'r':1"),
			"1<" NOTE("begin", "'a':3,'b':3,'r':9")},
		"job shutdown\n  job shutdown x=true\njob shutdown\n",
		" x"},
};

START_TEST(test_rules)
{
	static char flag[128];
	static const char *const flags[] = {
		flag, "--propagation-inject=/trace", "--span-name={method}", NULL};
	const struct follow_counters *counters;
	struct conversation *said;
	char text[4096], *at, *file;
	size_t i;

	snprintf(text, sizeof text, "%s", rows[_i].profile);
	for (at = text; (at = strchr(at, '\'')) != NULL;)
		*at = '"';
	file = config_case_file(text);
	snprintf(flag, sizeof flag, "--profile=%s", file);
	conversation_load(flags);
	config_case_unlink(file);
	said = conversation_begin();
	for (i = 0; i < COUNT(rows[_i].lines) && rows[_i].lines[i] != NULL; i++)
		conversation_line(said, rows[_i].lines[i]);
	conversation_shut_down(said);
	ck_assert_msg(strcmp(conversation_tree(said, rows[_i].show), rows[_i].tree) == 0,
		"%s: %s instead of %s", rows[_i].about, conversation_tree(said, rows[_i].show),
		rows[_i].tree);
	counters = conversation_counters(said);
	ck_assert_uint_eq(counters->keys_missing, rows[_i].keys_missing);
	ck_assert_uint_eq(counters->aliases_dropped, 0);
	ck_assert_uint_eq(said->no_memory, 0);
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("rules");

	tcase_add_loop_test(tc, test_rules, 0, COUNT(rows));
	return unit_run("rules", tc);
}

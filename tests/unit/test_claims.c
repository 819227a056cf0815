/* Requests that claim spans, by profiles of this test's own: what codex does not do. */
#include "proxy/trace/follow/claims.h"

#include <string.h>

#include "tests/unit/conversation_case.h"

/* --- profiles --- */

#define SPANS                                                                                      \
	"'spans':{'job':{'name':'job','key':['group','job']},"                                     \
	"'ask':{'name':'ask','kind':'client','key':['group']},"                                    \
	"'step':{'name':'step','key':['group','job','step']}}"

#define CLAIM(name, more)                                                                          \
	"{'on':'request','methods':['" name                                                        \
	"'],'do':'claim','span':'job','key':['/params/g']" more "}"
#define ON(on, method, action, span, more)                                                         \
	"{'on':'" on "','methods':['" method "'],'do':'" action "','span':'" span "'" more "}"

/* A step's opener is there only because a span must have one. */
#define STEP                                                                                       \
	ON("notification", "step", "open", "step", ",'key':['/params/g','/params/j','/params/s']")
#define ASK                                                                                        \
	ON("server_request", "ask", "open", "ask", ",'key':['/params/g']")                         \
	"," ON("client_reply", "ask", "close", "ask", "")

static char claims_flag[128];

static struct conversation *claims_load(const char *profile)
{
	static const char *const flags[] = {claims_flag, "--span-name=app_server.request {method}",
		"--propagation-inject=/trace", "--lifecycle-spans-max=16", NULL};
	char text[8192], *at, *file;

	snprintf(text, sizeof text, "%s", profile);
	for (at = text; (at = strchr(at, '\'')) != NULL;)
		*at = '"';
	file = config_case_file(text);
	snprintf(claims_flag, sizeof claims_flag, "--profile=%s", file);
	conversation_load(flags);
	config_case_unlink(file);
	return conversation_begin();
}

/* Loads a profile with these rules. */
static struct conversation *claims_begin(const char *dispatch, const char *rules)
{
	char text[8192];

	snprintf(text, sizeof text,
		"{'name':'p','lifecycle':{%s" SPANS ",'rules':[%s," STEP "," ASK "]}}", dispatch,
		rules);
	return claims_load(text);
}

static void claims_say(struct conversation *said, const char *const *lines)
{
	for (; *lines != NULL; lines++)
		conversation_line(said, *lines);
}

static void claims_end(struct conversation *said, const char *tree)
{
	conversation_shut_down(said);
	ck_assert_str_eq(conversation_tree(said, NULL), tree);
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}

#define LONG(what, d)                                                                              \
	"1<{'method':'" what "','params':{'a':'1','b':'2','c':'3','d':'" d "','v':'" what "'}}"

/* The longest key there may be, and what is said of its spans in turn. */
START_TEST(test_longest_key)
{
	static const char key[] = ",'key':['/params/a','/params/b','/params/c','/params/d']";
	static const char *const lines[] = {LONG("begin", "4"), LONG("say", "4"), LONG("say", "4"),
		LONG("begin", "5"), LONG("say", "4"), LONG("say", "5"), LONG("end", "4"),
		LONG("say", "4"), LONG("end", "5"), NULL};
	struct conversation *said;
	char text[1024];

	snprintf(text, sizeof text,
		"{'name':'p','lifecycle':{'spans':{'job':{'name':'job','key':['a','b','c','d']}},"
		"'rules':[{'on':'notification','methods':'begin','do':'open','span':'job'%s},"
		"{'on':'notification','methods':'say','do':'event','span':'job'%s,'event':'said'},"
		"{'on':'notification','methods':'end','do':'close','span':'job'%s}]}}",
		key, key, key);
	said = claims_load(text);
	claims_say(said, lines);
	conversation_shut_down(said);
	ck_assert_str_eq(conversation_tree(said, " d "), "job closed d=4\njob closed d=5\n");
	ck_assert_uint_eq(said->exporter->spans[0].event_count, 3);
	ck_assert_uint_eq(said->exporter->spans[1].event_count, 1);
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* The method and the id are values like others, wherever a pointer may stand. */
START_TEST(test_method_as_value)
{
	static const char *const lines[] = {"1<{'method':'begin','params':{'a':'1'}}",
		"1<{'id':'end','method':'ask','params':{'a':'1'}}",
		"1<{'id':'some','method':'say','params':{'a':'1'}}",
		"1<{'id':7,'method':'say','params':{'a':'1'}}",
		"1<{'method':'end','params':{'a':'1'}}", NULL};
	struct conversation *said = claims_load(
		"{'name':'p','lifecycle':{'spans':{'job':{'name':'job','key':['a']},"
		"'ask':{'name':'ask','kind':'client','key':['a']}},"
		"'rules':[{'on':'notification','methods':'begin','do':'open','span':'job','key':"
		"['/params/a'],'set':{'how':'/method'}},"
		"{'on':'server_request','methods':'ask','do':'open','span':'ask','key':["
		"'/params/a']},"
		"{'on':'server_request','methods':'say','do':'count','span':'job','key':["
		"'/params/a'],'bytes':'b','of':'/id'},"
		"{'on':'notification','methods':'end','do':'close','span':'ask','request_id':'/"
		"method'},"
		"{'on':'notification','methods':'end','do':'close','span':'job','key':['/params/"
		"a'],"
		"'status':{'pointer':'/method','error':['end'],'message':'/method'}}]}}");

	claims_say(said, lines);
	conversation_shut_down(said);
	ck_assert_str_eq(conversation_tree(said, " b how "),
		"job closed ERROR: end b=5 how=begin\n  ask closed\n");
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

#define DISPATCH "'dispatch':{'name':'app_server.dispatch {operation}','operations':{'do':'work'}},"

#define DO(id)           "1>{'id':" id ",'method':'do','params':{'g':'g'}}"
#define DONE(id, result) "1<{'id':" id ",'result':{" result "}}"

/* --- rules that end what the answer has just begun --- */

#define OPEN_AND_CLOSE                                                                             \
	CLAIM("do", "")                                                                            \
	"," ON("reply", "do", "open", "job", ",'key':['/params/g','/result/j']") "," ON("reply",   \
		"do", "close", "job", ",'key':['/result/g'],'when':{'/result/over':['true']}")

/* An answer opens a span and closes it. */
START_TEST(test_open_and_close)
{
	static const char *const lines[] = {
		DO("1"), DONE("1", "'g':'g','j':'a','over':true"), NULL};
	struct conversation *said = claims_begin(DISPATCH, OPEN_AND_CLOSE);

	claims_say(said, lines);
	claims_end(said, "do answered\n  dispatch work\n    job closed\n");
}
END_TEST

/* An answer joins a span and closes it. */
START_TEST(test_join_and_close)
{
	static const char *const lines[] = {DO("1"), DONE("1", "'g':'g','j':'a'"), DO("2"),
		DONE("2", "'g':'g','j':'a','over':true"), NULL};
	struct conversation *said = claims_begin(DISPATCH, OPEN_AND_CLOSE);

	claims_say(said, lines);
	claims_end(said, "do answered\n  dispatch work\n    job closed\ndo answered\n  dispatch "
			 "work -> job\n");
}
END_TEST

/* An answer joins a span, which gives way to another that it opens. */
START_TEST(test_join_and_evict)
{
	static const char rules[] = CLAIM("do", "") "," ON("reply", "do", "open", "job",
		",'key':['/params/g','/result/j']") "," ON("reply", "do", "open", "job",
		",'key':['/params/g','/result/k'],'when':{'/result/k':true}") "," ON("notification",
		"start", "open", "job", ",'key':['/params/g','/params/j']");
	char line[128];
	struct conversation *said = claims_begin(DISPATCH, rules);
	int i;

	conversation_line(said, "1>{'id':0,'method':'do','params':{'g':'g'}}");
	conversation_line(said, DONE("0", "'j':'first'"));
	for (i = 0; i < 15; i++) {
		snprintf(line, sizeof line, "1<{'method':'start','params':{'g':'h','j':%d}}", i);
		conversation_line(said, line);
	}
	conversation_line(said, DO("1"));
	conversation_line(said, DONE("1", "'j':'first','k':'second'"));
	ck_assert_uint_eq(conversation_counters(said)->followed_evicted, 1);
	conversation_shut_down(said);
	ck_assert_uint_eq(conversation_count(said, "app_server.dispatch "), 2);
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* --- claims --- */

#define OPEN_LATER                                                                                 \
	ON("notification", "start", "open", "job", ",'key':['/params/g','/params/j']")             \
	"," ON("notification", "end", "close", "job", ",'key':['/params/g','/params/j']") "," ON(  \
		"notification", "rest", "close", "job", ",'key':['/params/g']")

#define START(job) "1<{'method':'start','params':{'g':'g','j':'" job "'}}"
#define END(job)   "1<{'method':'end','params':{'g':'g','j':'" job "'}}"

static const struct {
	const char *about;
	const char *dispatch, *rules;
	const char *lines[12];
	const char *tree;
} claims_rows[] = {
	{"requests claim in their order", DISPATCH, CLAIM("do", "") "," OPEN_LATER,
		{DO("1"), DO("2"), START("a"), START("b"), DONE("2", ""), DONE("1", ""), END("b"),
			END("a")},
		"do answered\n  dispatch work\n    job closed\n"
		"do answered\n  dispatch work\n    job closed\n"},
	{"a claim until the reply", DISPATCH, CLAIM("do", "") "," OPEN_LATER,
		{DO("1"), DONE("1", ""), START("a"), END("a")},
		"do answered\n  dispatch work\njob closed\n"},
	{"a claim until it opens", DISPATCH, CLAIM("do", ",'until':'open'") "," OPEN_LATER,
		{DO("1"), DONE("1", ""), "+59990", START("a"), END("a")},
		"do answered\n  dispatch work\n    job closed\n"},
	{"as long as it may wait", DISPATCH, CLAIM("do", ",'until':'open'") "," OPEN_LATER,
		{DO("1"), DONE("1", ""), "+59998", START("a"), END("a")},
		"do answered\n  dispatch work\n    job closed\n"},
	{"and no longer", DISPATCH, CLAIM("do", ",'until':'open'") "," OPEN_LATER,
		{DO("1"), DONE("1", ""), "+59999", START("a"), END("a")},
		"do answered\n  dispatch work\njob closed\n"},
	{"a claim on what is open already waits for the next", DISPATCH,
		CLAIM("do", ",'until':'open'") "," OPEN_LATER,
		{START("a"), DO("1"), DONE("1", ""), END("a"), START("b"), END("b")},
		"job closed\ndo answered\n  dispatch work\n    job closed -> job\n"},
	{"unless it joins", DISPATCH, CLAIM("do", ",'until':'open','joins':true") "," OPEN_LATER,
		{START("a"), DO("1"), DONE("1", ""), END("a"), START("b"), END("b")},
		"job closed\ndo answered\n  dispatch work -> job\njob closed -> job\n"},
	{"without a dispatch the request stands above", "", CLAIM("do", "") "," OPEN_LATER,
		{DO("1"), START("a"), DONE("1", ""), END("a"), DO("2"), DONE("2", "")},
		"do answered\n  job closed\ndo answered\n"},
	{"a late claim without a dispatch promises nothing", "",
		CLAIM("do", ",'until':'open'") "," OPEN_LATER,
		{DO("1"), DONE("1", ""), START("a"), END("a"), DO("2"), DONE("2", ""), "+60001"},
		"do answered\n  job closed\ndo answered\n"},
	{"all of a group are closed", "", OPEN_LATER,
		{START("a"), START("b"), "1<{'method':'start','params':{'g':'h','j':'c'}}",
			"1<{'method':'rest','params':{'g':'g'}}"},
		"job closed\njob closed\njob shutdown\n"},
	{"the answer of a request that has no key", DISPATCH,
		CLAIM("do", "") "," ON(
			"reply", "do", "open", "job", ",'key':['/params/g','/result/j']"),
		{"1>{'id':1,'method':'do','params':{}}", DONE("1", "'j':'a'")},
		"do answered\n  dispatch work\n"},
	{"the first claim that has what it wants", DISPATCH,
		CLAIM("do", ",'when':{'/params/never':true}") ","
							      "{'on':'request','methods':['do'],'"
							      "do':'claim','span':'job','key':['/"
							      "params/other']}," CLAIM(
								      "do", "") "," OPEN_LATER,
		{DO("1"), START("a"), DONE("1", ""), END("a")},
		"do answered\n  dispatch work\n    job closed\n"},
};

/*
 * What the server was told of, and what it is: on what is forwarded, on the dispatch, on the job.
 */
static const struct {
	const char *about;
	const char *lines[8];
	bool job;  /* or the dispatch */
	int start; /* of the job: the line */
} promise_rows[] = {
	{"nothing is going on", {DO("1"), DONE("1", ""), START("a"), END("a")}, true, 0},
	{"another goes on, and ends",
		{START("x"), DO("1"), DONE("1", ""), END("x"), START("a"), END("a")}, false, 4},
	{"another goes on, and goes on",
		{START("x"), DO("1"), DONE("1", ""), START("a"), END("a"), END("x")}, false, 3},
	{"it began before the answer", {START("x"), DO("1"), START("a"), DONE("1", ""), END("a")},
		true, 1},
	{"another has been at rest",
		{START("x"), "1<{'method':'idle','params':{'g':'g'}}", DO("1"), DONE("1", ""),
			START("a"), END("a")},
		true, 2},
	{"another group",
		{"1<{'method':'start','params':{'g':'h','j':'x'}}", DO("1"), DONE("1", ""),
			START("a"), END("a")},
		true, 1},
};

START_TEST(test_promise)
{
	static const char rules[] = CLAIM("do", ",'until':'open'") "," OPEN_LATER "," ON(
		"notification", "idle", "lapse", "job", ",'key':['/params/g']");
	struct conversation *said = claims_begin(DISPATCH, rules);
	const struct kept *dispatch, *job;

	claims_say(said, promise_rows[_i].lines);
	conversation_shut_down(said);
	dispatch = conversation_span(said, "app_server.dispatch work");
	job = said->exporter->spans;
	while (strcmp(job->name, "job") != 0 || strstr(job->attributes, " job=a ") == NULL)
		job++;
	ck_assert_mem_eq(job->parent, dispatch->context.span_id, SPAN_ID_SIZE);
	ck_assert_mem_eq(said->told[0].span_id,
		(promise_rows[_i].job ? job : dispatch)->context.span_id, SPAN_ID_SIZE);
	ck_assert_uint_eq((job->start_unix_ns - CONVERSATION_WALL_NS) / CONVERSATION_STEP_NS,
		promise_rows[_i].start);
	ck_assert_uint_le(job->start_unix_ns, job->end_unix_ns);
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

START_TEST(test_claims)
{
	struct conversation *said = claims_begin(claims_rows[_i].dispatch, claims_rows[_i].rules);

	claims_say(said, claims_rows[_i].lines);
	claims_end(said, claims_rows[_i].tree);
}
END_TEST

/* Beyond CLAIMS_MAX the oldest claims nothing any more: answered or not, its promise is kept. */
START_TEST(test_claims_max)
{
	static const char rules[] = CLAIM("do", ",'until':'open'") "," OPEN_LATER;
	struct conversation *said = claims_begin(DISPATCH, rules);
	const struct follow_counters *counters = conversation_counters(said);
	char line[128];
	int i;

	conversation_line(said, DO("'answered'"));
	conversation_line(said, DONE("'answered'", ""));
	conversation_line(said, DO("'waiting'"));
	for (i = 2; i < CLAIMS_MAX; i++) {
		snprintf(line, sizeof line, DO("%d"), i);
		conversation_line(said, line);
	}
	ck_assert_uint_eq(counters->claims_evicted, 0);
	conversation_line(said, DO("'one'"));
	ck_assert_uint_eq(counters->claims_evicted, 1);
	ck_assert_uint_eq(counters->dispatched, 1); /* nothing else will come of it */
	conversation_line(said, DO("'two'"));
	ck_assert_uint_eq(counters->claims_evicted, 2);
	ck_assert_uint_eq(counters->dispatched, 1);
	conversation_line(said, DONE("'waiting'", ""));
	ck_assert_uint_eq(counters->dispatched, 2);
	conversation_line(said, START("a"));
	ck_assert_uint_eq(counters->dispatched, 3);
	conversation_shut_down(said);
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* --- questions of two kinds --- */

/* An answer closes the kind of question that the rule is about. */
START_TEST(test_two_kinds)
{
	static const char *const lines[] = {"1<{'id':1,'method':'first','params':{}}",
		"1<{'id':2,'method':'second','params':{}}", "1>{'id':2,'result':{}}",
		"1>{'id':1,'result':{}}", NULL};
	static const char text[] =
		"{'name':'p','lifecycle':{'spans':{'one':{'name':'one'},'two':{'name':'two'}},"
		"'rules':["
		"{'on':'server_request','methods':['first'],'do':'open','span':'one'},"
		"{'on':'server_request','methods':['second'],'do':'open','span':'two'},"
		"{'on':'client_reply','do':'close','span':'one','set':{'kind':{'text':'one'}}},"
		"{'on':'client_reply','do':'close','span':'two','set':{'kind':{'text':'two'}}}"
		"]}}";
	struct conversation *said = claims_load(text);

	claims_say(said, lines);
	conversation_shut_down(said);
	ck_assert_str_eq(
		conversation_tree(said, " kind"), "one answered kind=one\ntwo answered kind=two\n");
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* --- what spans are called, and what they say --- */

/* Values of all types; one that has the name of a part of the key is the better word for it. */
START_TEST(test_values)
{
	static const char rules[] = ON("notification", "start", "open", "job",
		",'key':['/params/g','/params/j'],'set':{'job':'/params/title','yes':'/params/yes',"
		"'no':'/params/no','n':'/params/n','x':'/params/x'}");
	struct conversation *said = claims_begin("", rules);

	conversation_line(said, "1<{'method':'start','params':{'g':'g','j':1,'title':'t',"
				"'yes':true,'no':false,'n':-5,'x':0.5}}");
	conversation_shut_down(said);
	ck_assert_str_eq(said->exporter->spans[0].attributes,
		" group=g job=t yes=true no=false n=-5 x=0.5 sidespan.end_reason=shutdown ");
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* What rules set, a stream counts and the end says under one name is there once. */
START_TEST(test_same_names)
{
	static const char rules[] = ON("notification", "start", "open", "job",
		",'key':['/params/g','/params/j'],'set':{'error.type':{'text':'mine'},"
		"'n':{'text':'n'},'sidespan.end_reason':{'text':'mine'}}") ","
									   "{'on':'notification','"
									   "methods':['piece'],'do'"
									   ":'count','span':'job',"
									   "'key':['/params/g','/"
									   "params/"
									   "j'],'count':'n'},"
									   "{'on':'notification','"
									   "methods':['end'],'do':'"
									   "close','span':'job',"
									   "'key':['/params/g','/"
									   "params/j'],"
									   "'status':{'pointer':'/"
									   "params/"
									   "s','error':['bad'],'"
									   "type':'/params/s'}}";
	struct conversation *said = claims_begin("", rules);

	conversation_line(said, START("a"));
	conversation_line(said, "1<{'method':'piece','params':{'g':'g','j':'a'}}");
	conversation_line(said, "1<{'method':'end','params':{'g':'g','j':'a','s':'bad'}}");
	conversation_shut_down(said);
	ck_assert_str_eq(said->exporter->spans[0].attributes,
		" group=g job=a error.type=bad n=1 sidespan.end_reason=closed ");
	conversation_end(said);
	conversation_unload();
}
END_TEST

static const struct {
	const char *name;
	const char *shown;
} names[] = {
	{"job {group}", "job g"},
	{"{group}{job}", "gj"},
	{"{n}job{n}", "5job5"},
	{"{group}/{group}/{no}", "g/g/"},
	{"{no} job", "job"}, /* blanks beside what is empty are left out */
	{"job {no}", "job"},
	{"job {no} {group}", "job g"},
	{"{no} {no} {group} {no}", "g"},
	{"{no} jobs", "jobs"},
	{"a {no} jobs", "a jobs"},
	{"{no} {group} jobs", "g jobs"},
	{"{no}", "job"}, /* a span must have a name */
	{"{yes} {n} {real}", "true 5 0.5"},
	{"{no} {yes} {off}", "true false"},
};

START_TEST(test_name)
{
	char text[1024];
	struct conversation *said;

	snprintf(text, sizeof text,
		"{'name':'p','lifecycle':{'spans':{'job':{'name':'%s','key':['group','job']}},"
		"'rules':[{'on':'notification','do':'open','span':'job','key':['/params/g',"
		"'/params/j'],'set':{'n':'/params/n','no':'/params/no',"
		"'yes':'/params/yes','off':'/params/off','real':'/params/real'}}]}}",
		names[_i].name);
	said = claims_load(text);
	conversation_line(said, "1<{'method':'start','params':{'g':'g','j':'j','n':5,"
				"'yes':true,'off':false,'real':0.5}}");
	conversation_shut_down(said);
	ck_assert_str_eq(said->exporter->spans[0].name, names[_i].shown);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* A name has 512 bytes at most, however long what stands in it. */
START_TEST(test_long_name)
{
	static const char text[] =
		"{'name':'p','lifecycle':{'spans':{'job':{'name':'{group}{group}{group}',"
		"'key':['group']}},'rules':[{'on':'notification','do':'open','span':'job',"
		"'key':['/params/g']}]}}";
	struct conversation *said = claims_load(text);
	char line[512];

	snprintf(line, sizeof line, "1<{'method':'start','params':{'g':'%0250d'}}", 0);
	conversation_line(said, line);
	conversation_shut_down(said);
	ck_assert_uint_eq(strlen(said->exporter->spans[0].name), 512);
	ck_assert_uint_eq(conversation_counters(said)->names_cut, 1);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* A profile that has nothing to say about requests of the server has nothing to tell the client. */
START_TEST(test_no_questions)
{
	static const char text[] =
		"{'name':'p','lifecycle':{'spans':{'job':{'name':'job','key':['group']}},'rules':["
		"{'on':'notification','do':'open','span':'job','key':['/params/g']}]}}";
	struct conversation *said = claims_load(text);

	conversation_line(said, "1?{'id':1,'method':'ask','params':{'g':'g'}}");
	ck_assert_str_eq(said->carrier, "");
	conversation_line(said, "1>{'id':1,'result':{}}");
	conversation_shut_down(said);
	ck_assert_uint_eq(said->exporter->count, 0);
	conversation_end(said);
	conversation_unload();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("claims");

	tcase_add_test(tc, test_open_and_close);
	tcase_add_test(tc, test_join_and_close);
	tcase_add_test(tc, test_join_and_evict);
	tcase_add_loop_test(tc, test_promise, 0, COUNT(promise_rows));
	tcase_add_loop_test(tc, test_claims, 0, COUNT(claims_rows));
	tcase_add_test(tc, test_claims_max);
	tcase_add_test(tc, test_two_kinds);
	tcase_add_test(tc, test_values);
	tcase_add_test(tc, test_same_names);
	tcase_add_loop_test(tc, test_name, 0, COUNT(names));
	tcase_add_test(tc, test_long_name);
	tcase_add_test(tc, test_no_questions);
	tcase_add_test(tc, test_longest_key);
	tcase_add_test(tc, test_method_as_value);
	return unit_run("claims", tc);
}

/*
 * What the language of profiles can say, by throwaway profiles of real protocols: requests that are
 * found, annotated and ended, answers that quote, both directions, memories and levels, states that
 * open and end, spans made of moments, claims without a key.
 */
#include "proxy/trace/follow/follower.h"

#include <string.h>

#include "tests/unit/conversation_case.h"

static struct conversation *language_begin(const char *profile, const char *flag)
{
	static char path[128];
	const char *flags[] = {path, flag, NULL};

	snprintf(path, sizeof path, "--profile=tests/unit/data/profiles/%s.json", profile);
	conversation_load(flags);
	return conversation_begin();
}

#define NOTE(method, params)        "{'method':'" method "','params':{" params "}}"
#define REQUEST(id, method, params) "{'id':" id ",'method':'" method "','params':{" params "}}"
#define RESULT(id, result)          "{'id':" id ",'result':" result "}"
#define REFUSED(id)                 "{'error':{'code':-1,'message':'no'},'id':" id "}"

#define FAULT(id, code) "{'error':{'code':" code ",'message':'f'},'id':" id "}"

/* --- MCP: requests found by their id, by an attribute --- */

#define CALL(id, token)                                                                            \
	"1>" REQUEST(id, "tools/call", "'name':'make','_meta':{'progressToken':" token "}")
#define PROGRESS(token, more) "1<" NOTE("notifications/progress", "'progressToken':" token more)

#define AGAIN(id, state)                                                                           \
	"1>" REQUEST(id, "tools/call", "'name':'" id "','requestState':'" state "'")
#define STATE(id, state) "1<" RESULT(id, "{'requestState':'" state "'}")
#define LONG             "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONGER           LONG LONG LONG LONG LONG

/* --- ACP 2: the turn goes on behind the answer --- */

#define ENDS(id)            "1<" RESULT(id, "{'stopReason':'end_turn'}")
#define PROMPT(id, session) "1>" REQUEST(id, "session/prompt", "'sessionId':'" session "'")
#define TAKEN(id)           "1<" RESULT(id, "{'messageId':'m" id "'}")
#define SAYS(session, what, more)                                                                  \
	"1<" NOTE("session/update",                                                                \
		"'sessionId':'" session "','update':{'sessionUpdate':'" what "'" more "}")
#define IS(session, state) SAYS(session, "state_update", ",'state':'" state "'")
#define IDLE(session, why) SAYS(session, "state_update", ",'state':'idle','stopReason':'" why "'")

/* --- the talks --- */

struct talk {
	const char *about, *profile;
	const char *lines[24];
	const char *tree;
	const char *show;
	const char *flag;
};

static const struct talk talks[] = {
	{.about = "attributes that a request has anyway",
		"clash",
		{"1>" REQUEST("1", "m", "'user':'ada'"),
			"1<" RESULT("1", "{'end':'e','method':'x','service':'s','site':'t','user':'"
					 "u','type':'y'}"),
			"1>" REQUEST("2", "m", ""), "1<" RESULT("2", "{}")},
		"m e rpc.method=x rpc.service=s site=t user.id=u error.type=y\n"
		"m answered rpc.method=m\n", /* the others are shared */
		" rpc.method rpc.service site user.id error.type"},
	{.about = "attributes that spans of rules have anyway",
		"clash",
		{"1<" REQUEST("7", "ask", "'kind':'k','number':'n','why':'w'"),
			"1>" RESULT("7", "{}"), "1<" NOTE("begin", "'job':'j','why':'w'"),
			"1<" NOTE("end", "'job':'j'"), "1>" REQUEST("1", "work", ""),
			"1<" RESULT("1", "{}")},
		"question answered rpc.method=ask rpc.request_id=7\njob closed ERROR "
		"error.type=bad\n"
		"work answered rpc.method=work rpc.request_id=1\n  dispatch rpc.method=work\n",
		" rpc.method rpc.request_id error.type"},
	{.about = "progress is the request's",
		"mcp",
		{CALL("1", "'t'"), PROGRESS("'t'", ",'progress':1,'total':2,'message':'one'"),
			PROGRESS("'u'", ",'progress':7"), PROGRESS("'t'", ",'progress':2"),
			"1<" RESULT("1", "{}"), PROGRESS("'t'", ",'progress':3")},
		"tools/call make answered mcp.progress=2 mcp.progress.total=2 "
		"mcp.progress.count=2\n",
		" mcp.progress mcp.progress.total mcp.progress.count"},
	{.about = "a token of another connection is another",
		"mcp",
		{CALL("1", "'t'"),
			"2<" NOTE("notifications/progress", "'progressToken':'t','progress':5"),
			"1<" RESULT("1", "{}")},
		"tools/call make answered\n",
		" mcp.progress"},
	{.about = "a request is cancelled: no answer follows",
		"mcp",
		{CALL("1", "7"),
			"1>" NOTE("notifications/cancelled", "'requestId':1,'reason':'late'"),
			"1<" RESULT("1", "{}")},
		"tools/call make closed ERROR: late error.type=cancelled\n",
		" error.type"},
	{.about = "only the request of that id is",
		"mcp",
		{CALL("1", "7"), CALL("'1'", "8"),
			"1>" NOTE("notifications/cancelled", "'requestId':'1'"),
			"1<" RESULT("1", "{}")},
		"tools/call make answered\ntools/call make closed ERROR\n"},
	{.about = "nothing is cancelled",
		"mcp",
		{CALL("1", "7"), "1>" NOTE("notifications/cancelled", "'requestId':2"),
			"1>" NOTE("notifications/cancelled", ""), "1<" RESULT("1", "{}")},
		"tools/call make answered\n"},
	{.about = "a result that is a failure",
		"mcp",
		{CALL("1", "7"), "1<" RESULT("1", "{'isError':true}"), CALL("2", "8"),
			"1<" RESULT("2", "{'isError':false}"), CALL("3", "9"), "1<" REFUSED("3")},
		"tools/call make answered ERROR error.type=tool_error\ntools/call make answered\n"
		"tools/call make error ERROR: no error.type=-1\n",
		" error.type"},
	{.about = "an error that is excused",
		"mcp",
		{CALL("1", "7"), "1<" FAULT("1", "-32602"), CALL("2", "8"),
			"1<" FAULT("2", "-32603"), CALL("3", "9"), "1<" FAULT("3", "'-32602'")},
		"tools/call make error rpc.response.status_code=-32602\n"
		"tools/call make error ERROR: f error.type=-32603 rpc.response.status_code=-32603\n"
		"tools/call make error rpc.response.status_code=-32602\n",
		" error.type rpc.response.status_code"},
	{.about = "but not where it is to be seen",
		"mcp",
		{CALL("1", "7"), "1<" FAULT("1", "-32602")},
		"tools/call make error ERROR: f error.type=-32602 "
		"rpc.response.status_code=-32602\n",
		" error.type rpc.response.status_code",
		"--lifecycle-on=faults"},
	{.about = "a request that is made again refers to the one before",
		"mcp",
		{AGAIN("1", "x"), STATE("1", "one"), AGAIN("2", "one"), STATE("2", LONGER "two"),
			AGAIN("3", LONGER "two"), AGAIN("4", LONGER "three"), AGAIN("5", "one"),
			"1<" RESULT("3", "{}"), "1<" RESULT("4", "{}"), "1<" RESULT("5", "{}")},
		"tools/call 1 answered\ntools/call 2 answered -> tools/call 1\n"
		"tools/call 3 answered -> tools/call 2\ntools/call 4 answered\n"
		"tools/call 5 answered -> tools/call 1\n"},
	{.about = "a state from another connection, and one that is no text",
		"mcp",
		{AGAIN("1", "x"), STATE("1", "one"),
			"2>" REQUEST("1", "tools/call", "'requestState':'one'"),
			"2<" RESULT("1", "{'requestState':{}}"),
			"2>" REQUEST("2", "tools/call", "'requestState':{}"),
			"2<" RESULT("2", "{}")},
		"tools/call 1 answered\ntools/call answered -> tools/call 1\ntools/call "
		"answered\n"},
	{.about = "the server's request, of any method that begins so",
		"mcp",
		{"1<" REQUEST("1", "sampling/createMessage", ""), "1>" RESULT("1", "{}"),
			"1<" REQUEST("2", "sampling/x", ""),
			"1<" NOTE("notifications/cancelled", "'requestId':2"),
			"1<" REQUEST("3", "roots/list", "")},
		"sampling answered\nsampling closed\n"},

	/* ACP */
	{.about = "a request is the turn, tools are below it",
		"acp",
		{"1>" REQUEST("1", "session/prompt", "'sessionId':'s'"),
			"1<" NOTE("session/update",
				"'sessionId':'s','update':{'sessionUpdate':'tool_call',"
				"'toolCallId':'c','kind':'read','title':'a.c'}"),
			"1<" REQUEST("9", "session/request_permission",
				"'sessionId':'s','toolCall':{'toolCallId':'c','title':'sure'}"),
			"1>" RESULT("9", "{'outcome':{'outcome':'selected'}}"),
			"1<" NOTE("session/update",
				"'sessionId':'s','update':{'sessionUpdate':'tool_call_update',"
				"'toolCallId':'c','status':'failed'}"),
			"1<" NOTE("session/update", "'sessionId':'s','update':{'sessionUpdate':"
						    "'agent_message_chunk'}"),
			"1<" NOTE("session/update", "'sessionId':'t','update':{'sessionUpdate':"
						    "'agent_message_chunk'}"),
			"1<" RESULT("1", "{'stopReason':'end_turn'}")},
		"prompt end_turn answered acp.updates=1 acp.tools=1 acp.tools_ms=3\n"
		"  read a.c closed ERROR\n"
		"    permission answered acp.outcome=selected acp.permission.title=sure\n",
		" acp.updates acp.tools acp.tools_ms acp.outcome acp.permission.title"},
	{.about = "a turn that goes on behind the answer, until it is idle",
		"acp",
		{PROMPT("1", "s"), SAYS("s", "tool_call", ",'toolCallId':'c','kind':'read'"),
			TAKEN("1"), SAYS("s", "agent_message_chunk", ""), PROMPT("2", "t"),
			"1<" RESULT("2", "{'stopReason':'end_turn'}"), IDLE("t", "refusal"),
			SAYS("s", "tool_call", ",'toolCallId':'d','kind':'edit'"),
			IDLE("s", "end_turn"),
			SAYS("s", "tool_call", ",'toolCallId':'e','kind':'late'"), PROMPT("3", "s"),
			TAKEN("3"), IDLE("s", "cancelled")},
		"prompt end_turn closed acp.tools=2 rpc.method=session/prompt rpc.request_id=1\n"
		"  read parent_ended\n  edit parent_ended\n"
		"prompt end_turn answered rpc.method=session/prompt rpc.request_id=2\n"
		"prompt cancelled closed rpc.method=session/prompt rpc.request_id=3\n",
		" acp.tools rpc.method rpc.request_id"},
	{.about = "idle before the answer, and before another turn's",
		"acp",
		{PROMPT("1", "s"), IDLE("s", "end_turn"), TAKEN("1"), PROMPT("2", "s"), TAKEN("2"),
			PROMPT("3", "s"), IDLE("s", "end_turn"), IS("s", "running"), TAKEN("3"),
			IDLE("s", "refusal")},
		"prompt end_turn answered\nprompt end_turn closed\nprompt refusal closed\n"},
	{.about = "the later of two turns of a session is spoken of",
		"acp",
		{PROMPT("1", "s"), SAYS("s", "agent_message_chunk", ""), PROMPT("2", "s"),
			SAYS("s", "agent_message_chunk", ""), SAYS("s", "agent_message_chunk", ""),
			ENDS("2"), SAYS("s", "agent_message_chunk", ""),
			SAYS("s", "agent_message_chunk", ""), ENDS("1")},
		"prompt end_turn answered acp.updates=3 rpc.request_id=1\n"
		"prompt end_turn answered acp.updates=2 rpc.request_id=2\n",
		" acp.updates rpc.request_id"},
	{.about = "a turn that nobody ends",
		"acp",
		{PROMPT("1", "s"), TAKEN("1"), "1!"},
		"prompt backend_exited ERROR: the server ended\n"},
	{.about = "a turn is cancelled, and its tools end with it",
		"acp",
		{"1>" REQUEST("1", "session/prompt", "'sessionId':'s'"),
			"1<" NOTE("session/update",
				"'sessionId':'s','update':{'sessionUpdate':'tool_call',"
				"'toolCallId':'c','kind':'read','title':'a.c'}"),
			"1>" NOTE("session/cancel", "'sessionId':'s'"),
			"1<" RESULT("1", "{'stopReason':'cancelled'}"),
			"1>" NOTE("session/cancel", "'sessionId':'s'")},
		"prompt cancelled answered\n  read a.c parent_ended\n"},
	{.about = "the client goes: the turn has no answer",
		"acp",
		{"1>" REQUEST("1", "session/prompt", "'sessionId':'s'"),
			"1<" NOTE("session/update",
				"'sessionId':'s','update':{'sessionUpdate':'tool_call',"
				"'toolCallId':'c','kind':'read','title':'a.c'}"),
			"1-"},
		"prompt connection_closed ERROR: no answer: the connection was closed\n"
		"  read a.c parent_ended\n"},

	/* Ethereum */
	{.about = "an id that is a result, an end that is a request",
		"ethereum",
		{"1>{'id':1,'method':'eth_subscribe','params':['newHeads',{}]}",
			"1<" RESULT("1", "'0xa'"),
			"1<" NOTE("eth_subscription", "'subscription':'0xa'"),
			"1<" NOTE("eth_subscription", "'subscription':'0xb'"),
			"1>{'id':2,'method':'eth_unsubscribe','params':['0xb']}",
			"1<" RESULT("2", "false"),
			"1>{'id':3,'method':'eth_unsubscribe','params':['0xa']}",
			"1<" RESULT("3", "true")},
		"eth_subscribe answered\n  subscription newHeads closed eth.subscription.id=0xa "
		"eth.notifications=1\neth_unsubscribe answered\neth_unsubscribe answered\n",
		" eth.subscription.id eth.notifications",
		"--lifecycle-on=ids"},
	{.about = "an id that nobody has asked to see",
		"ethereum",
		{"1>{'id':1,'method':'eth_subscribe','params':['logs']}", "1<" RESULT("1", "'0xa'"),
			"1>{'id':3,'method':'eth_unsubscribe','params':['0xa']}",
			"1<" RESULT("3", "true")},
		"eth_subscribe answered\n  subscription logs closed\neth_unsubscribe answered\n",
		" eth.subscription.id"},
	{.about = "two clients with the same id, told one after the other",
		"ethereum",
		{"1>{'id':1,'method':'eth_subscribe','params':['logs']}", "1<" RESULT("1", "'0xa'"),
			"2>{'id':1,'method':'eth_subscribe','params':['newHeads']}",
			"2<" RESULT("1", "'0xa'"),
			"1<" NOTE("eth_subscription", "'subscription':'0xa'"),
			"2<" NOTE("eth_subscription", "'subscription':'0xa'"), "1!", "2!"},
		"eth_subscribe answered\n"
		"  subscription logs backend_exited ERROR: the server ended eth.notifications=1\n"
		"eth_subscribe answered\n"
		"  subscription newHeads backend_exited ERROR: the server ended "
		"eth.notifications=1\n",
		" eth.notifications"},
	{.about = "all of a connection, and of no other",
		"ethereum",
		{"1>{'id':1,'method':'eth_subscribe','params':['logs']}", "1<" RESULT("1", "'0xa'"),
			"2>{'id':1,'method':'eth_subscribe','params':['newHeads']}",
			"2<" RESULT("1", "'0xa'"),
			"1>{'id':2,'method':'eth_subscribe','params':['syncing']}",
			"1<" RESULT("2", "'0xb'"), "1>{'method':'bye'}", "1>{'method':'bye'}",
			"2!"},
		"eth_subscribe answered\n  subscription logs closed\n"
		"eth_subscribe answered\n  subscription newHeads backend_exited ERROR: the server "
		"ended\n"
		"eth_subscribe answered\n  subscription syncing closed\n"},
	{.about = "two clients with the same id, one of whom goes",
		"ethereum",
		{"1>{'id':1,'method':'eth_subscribe','params':['logs']}", "1<" RESULT("1", "'0xa'"),
			"2>{'id':1,'method':'eth_subscribe','params':['newHeads']}",
			"2<" RESULT("1", "'0xa'"),
			"1<" NOTE("eth_subscription", "'subscription':'0xa'"), "1-",
			"2<" NOTE("eth_subscription", "'subscription':'0xa'"),
			"2<" NOTE("eth_subscription", "'subscription':'0xa'"), "2!"},
		"eth_subscribe answered\n  subscription logs connection_closed "
		"eth.notifications=1\n"
		"eth_subscribe answered\n"
		"  subscription newHeads backend_exited ERROR: the server ended "
		"eth.notifications=2\n",
		" eth.notifications"},

	/* jobs */
	{.about = "a job, claimed without a key",
		"job",
		{"1>" REQUEST("1", "job/submit", "'kind':'build','user':'ann'"),
			"1<" RESULT("1", "{'job':'j'}"),
			"1<" NOTE("job/progress", "'job':'j','percent':50"),
			"1>" REQUEST("2", "job/cancel", "'job':'j'"), "1<" REFUSED("2"),
			"1<" NOTE("job/done", "'job':'j','state':'done'")},
		"job/submit answered user.id=ann\n"
		"  job build closed OK user.id=ann job.id=j job.percent=50\n"
		"job/cancel error ERROR: no\n",
		" user.id job.id job.percent"},
	{.about = "the notification is first",
		"job",
		{"1>" REQUEST("1", "job/submit", "'kind':'build'"),
			"1<" NOTE("job/started", "'job':'j'"), "1<" RESULT("1", "{'job':'j'}"),
			"1<" NOTE("job/done", "'job':'j','state':'failed'")},
		"job/submit answered\n  job build closed ERROR\n"},
	{.about = "a notification on another connection is not what was claimed",
		"job",
		{"1>" REQUEST("1", "job/submit", "'kind':'build'"),
			"2<" NOTE("job/started", "'job':'other'"), "1<" RESULT("1", "{'job':'j'}"),
			"2<" NOTE("job/done", "'job':'other','state':'done'"),
			"1<" NOTE("job/done", "'job':'j','state':'done'")},
		"job/submit answered\n  job build closed OK\njob closed OK\n"},
	{.about = "the claim ends with the answer",
		"job",
		{"1>" REQUEST("1", "job/submit", "'kind':'build'"), "1<" REFUSED("1"),
			"1<" NOTE("job/started", "'job':'j'"),
			"1<" NOTE("job/done", "'job':'j','state':'done'")},
		"job/submit error ERROR: no\njob closed OK\n"},
	{.about = "two are asked for: the answers tell which is whose",
		"job",
		{"1>" REQUEST("1", "job/submit", "'kind':'a'"),
			"1>" REQUEST("2", "job/submit", "'kind':'b'"),
			"1<" RESULT("2", "{'job':'jb'}"), "1<" RESULT("1", "{'job':'ja'}"),
			"1<" NOTE("job/done", "'job':'ja','state':'done'"),
			"1<" NOTE("job/done", "'job':'jb','state':'done'")},
		"job/submit answered\n  job a closed OK job.id=ja\n"
		"job/submit answered\n  job b closed OK job.id=jb\n",
		" job.id"},

	/* state */
	{.about = "a listing opens what runs, the last of many",
		"agent",
		{"1>" REQUEST("1", "thread/resume", "'thread':'t'"),
			"1<" RESULT("1",
				"{'thread':'t','model':'m','turns':[{'id':'a','state':'done'},"
				"{'id':'b','state':'running','since':1699999999}]}"),
			"1<" NOTE("end", "'thread':'t','turn':'b'")},
		"turn b closed joined=true model=m\nthread/resume answered\n",
		" joined model"},
	{.about = "a listing without one that runs",
		"agent",
		{"1>" REQUEST("1", "thread/resume", "'thread':'t'"),
			"1<" RESULT("1", "{'thread':'t','turns':[{'id':'b','state':'running'},"
					 "{'id':'a','state':'done'}]}")},
		"thread/resume answered\n"},
	{.about = "what is open already is not joined",
		"agent",
		{"1<" NOTE("begin", "'thread':'t','turn':'b'"),
			"1>" REQUEST("1", "thread/resume", "'thread':'t'"),
			"1<" RESULT("1", "{'thread':'t','turns':[{'id':'b','state':'running'}]}"),
			"1<" NOTE("end", "'thread':'t','turn':'b'")},
		"turn b closed\nthread/resume answered\n",
		" joined"},
	{.about = "an end without a beginning",
		"agent",
		{"1<" NOTE("end", "'thread':'t','turn':'b','since':1699999999"),
			"1<" NOTE("end", "'thread':'t','turn':'b','since':1699999999")},
		"turn b closed joined=true\n",
		" joined"},
	{.about = "a new one ends the old",
		"agent",
		{"1<" NOTE("begin", "'thread':'t','turn':'a'"),
			"1<" NOTE("begin", "'thread':'x','turn':'c'"),
			"1<" NOTE("begin", "'thread':'t','turn':'b'"),
			"1<" NOTE("begin", "'thread':'t','turn':'a'"),
			"1<" NOTE("end", "'thread':'t','turn':'b'")},
		"turn a superseded\nturn c shutdown\nturn b closed -> turn a\n"},
	{.about = "whose own end comes a little later",
		"agent",
		{"1<" NOTE("begin", "'thread':'t','turn':'a'"),
			"1<" NOTE("begin", "'thread':'t','turn':'b'"),
			"1<" NOTE("end", "'thread':'t','turn':'a'"),
			"1<" NOTE("end", "'thread':'t','turn':'b'"),
			"1<" NOTE("begin", "'thread':'t','turn':'c'")},
		"turn a closed\nturn b closed -> turn a\nturn c shutdown -> turn b\n"},

	/* what spans add */
	{.about = "what is below a tool is the turn's",
		"agent",
		{"1<" NOTE("begin", "'thread':'t','turn':'a'"),
			"1<" NOTE("item/begin",
				"'thread':'t','turn':'a','item':'i','type':'tool','name':'make'"),
			"1?" REQUEST("0", "ask", "'thread':'t','turn':'a','item':'i'"),
			"1>" RESULT("0", "{}"), "1?" REQUEST("1", "ask", "'thread':'t','turn':'a'"),
			"1>" RESULT("1", "{}"),
			"1<" NOTE("item/end", "'thread':'t','turn':'a','item':'i','type':'tool'"),
			"1<" NOTE("end", "'thread':'t','turn':'a'")},
		"turn a closed turn.tools=1 turn.asks=2\n"
		"  tool make closed\n"
		"    ask answered\n"
		"  ask answered\n",
		" turn.tools turn.asks"},

	/* memory */
	{.about = "a model is remembered, a client is the connection's",
		"agent",
		{"1>" REQUEST("1", "initialize", "'client':'c'"), "1<" RESULT("1", "{}"),
			"1>" REQUEST("2", "thread/start", ""),
			"1<" RESULT("2", "{'thread':'t','model':'m'}"),
			"1<" NOTE("begin", "'thread':'t','turn':'a'"),
			"1<" NOTE("end", "'thread':'t','turn':'a'"),
			"1<" NOTE("begin", "'thread':'x','turn':'b'")},
		"initialize answered\nthread/start answered\n"
		"turn a closed model=m client.name=c agent.kind=test\n"
		"turn b shutdown client.name=c agent.kind=test\n",
		" model client.name agent.kind"},
};

START_TEST(test_talks)
{
	const struct talk *talk = &talks[_i];
	struct conversation *said = language_begin(talk->profile, talk->flag);
	size_t i;

	for (i = 0; i < sizeof talk->lines / sizeof talk->lines[0] && talk->lines[i] != NULL; i++)
		conversation_line(said, talk->lines[i]);
	conversation_shut_down(said);
	ck_assert_msg(strcmp(conversation_tree(said, talk->show), talk->tree) == 0,
		"%s: %s instead of %s", talk->about, conversation_tree(said, talk->show),
		talk->tree);
	ck_assert_uint_eq(conversation_counters(said)->budget.values_dropped, 0);
	ck_assert_uint_eq(conversation_counters(said)->aliases_dropped, 0);
	ck_assert_uint_eq(said->no_memory, 0);
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* The same when each allocation fails in turn: nothing is lost but spans, and that is counted. */
START_TEST(test_no_memory)
{
	const struct talk *talk = &talks[_i];
	struct conversation *said = language_begin(talk->profile, talk->flag);
	long n;
	int failed = 1;
	size_t i;

	conversation_shut_down(said);
	conversation_end(said);
	for (n = 0; failed; n++) {
		said = conversation_begin();
		unit_alloc_fail_after(n);
		for (i = 0;
			i < sizeof talk->lines / sizeof talk->lines[0] && talk->lines[i] != NULL;
			i++)
			conversation_line(said, talk->lines[i]);
		unit_alloc_fail_never();
		failed = unit_alloc_failed();
		conversation_shut_down(said);
		ck_assert_uint_eq(conversation_counters(said)->budget.bytes, 0);
		conversation_check_counters(said);
		conversation_end(said);
	}
	conversation_unload();
}
END_TEST

/* --- levels and moments, with their times --- */

#define USAGE(turn, total, last)                                                                   \
	NOTE("usage", "'thread':'t','turn':'" turn "','total':{'all':" total                       \
		      "},'last':{'all':" last "}")
#define BEGIN(turn) "1<" NOTE("begin", "'thread':'t','turn':'" turn "'")
#define END(turn)   "1<" NOTE("end", "'thread':'t','turn':'" turn "'")
#define ITEM(what, item, more)                                                                     \
	"1<" NOTE("item/" what, "'thread':'t','turn':'a','item':'" item "'" more)
#define TOOL ",'type':'tool','name':'make'"

static const struct talk levels[] = {
	{.about = "the first report counts when all of it is new",
		"agent",
		{BEGIN("a"), "1<" USAGE("a", "100", "100"), END("a")},
		"turn a closed turn.usage=100\n",
		" turn.usage",
		"--lifecycle-off=calls"},
	{.about = "it does not when it is not",
		"agent",
		{BEGIN("a"), "1<" USAGE("a", "300", "100"), "1<" USAGE("a", "420", "120"),
			END("a")},
		"turn a closed turn.usage=120\n",
		" turn.usage",
		"--lifecycle-off=calls"},
	{.about = "what comes again counts once, also in the next turn",
		"agent",
		{BEGIN("a"), "1<" USAGE("a", "100", "100"), "1<" USAGE("a", "100", "100"), END("a"),
			BEGIN("b"), "1<" USAGE("b", "100", "100"), "1<" USAGE("b", "130", "30"),
			END("b")},
		"turn a closed turn.usage=100\nturn b closed turn.usage=30 -> turn a\n",
		" turn.usage",
		"--lifecycle-off=calls"},
	{.about = "a report without a turn sets the level",
		"agent",
		{"1<" USAGE("x", "200", "50"), BEGIN("a"), "1<" USAGE("a", "200", "50"),
			"1<" USAGE("a", "260", "60"), END("a")},
		"turn a closed turn.usage=60\n",
		" turn.usage",
		"--lifecycle-off=calls"},
	{.about = "also one below the one before",
		"agent",
		{BEGIN("a"), "1<" USAGE("a", "100", "100"),
			"1<" NOTE("usage", "'thread':'t','total':{'all':40},'last':{'all':40}"),
			"1<" USAGE("a", "50", "10"), END("a")},
		"turn a closed turn.usage=110\n",
		" turn.usage",
		"--lifecycle-off=calls"},
	{.about = "a level that falls counts nothing, and is the new one",
		"agent",
		{BEGIN("a"), "1<" USAGE("a", "100", "100"), "1<" USAGE("a", "40", "40"),
			"1<" USAGE("a", "50", "10"), END("a")},
		"turn a closed turn.usage=110\n",
		" turn.usage",
		"--lifecycle-off=calls"},
	{.about = "what is no whole number is no level",
		"agent",
		{BEGIN("a"), "1<" USAGE("a", "'100'", "100"), "1<" USAGE("a", "1.5", "1.5"),
			"1<" USAGE("a", "7", "7"), END("a")},
		"turn a closed turn.usage=7\n",
		" turn.usage",
		"--lifecycle-off=calls"},
	{.about = "a copy for another connection counts once",
		"agent",
		{BEGIN("a"), "2<" USAGE("a", "100", "100"), "1<" USAGE("a", "100", "100"),
			"2<" USAGE("a", "150", "50"), END("a")},
		"turn a closed turn.usage=150\n",
		" turn.usage",
		"--lifecycle-off=calls"},
	{.about = "a copy that is late lowers nothing",
		"agent",
		{BEGIN("a"), "1<" USAGE("a", "100", "100"), "1<" USAGE("a", "150", "50"),
			"2<" USAGE("a", "100", "100"), "2<" USAGE("a", "150", "50"),
			"1<" USAGE("a", "170", "20"), END("a")},
		"turn a closed turn.usage=170\n",
		" turn.usage",
		"--lifecycle-off=calls"},
	{.about = "who has opened the span says no more, the other goes on",
		"agent",
		{BEGIN("a"), "2<" USAGE("a", "100", "100"), "2<" USAGE("a", "240", "140"),
			"2<" NOTE("end", "'thread':'t','turn':'a'")},
		"turn a closed turn.usage=240\n",
		" turn.usage",
		"--lifecycle-off=calls"},
};

START_TEST(test_levels)
{
	const struct talk *talk = &levels[_i];
	struct conversation *said = language_begin(talk->profile, talk->flag);
	size_t i;

	for (i = 0; i < sizeof talk->lines / sizeof talk->lines[0] && talk->lines[i] != NULL; i++)
		conversation_line(said, talk->lines[i]);
	conversation_shut_down(said);
	ck_assert_msg(strcmp(conversation_tree(said, talk->show), talk->tree) == 0,
		"%s: %s instead of %s", talk->about, conversation_tree(said, talk->show),
		talk->tree);
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* The time of a line, in milliseconds from the first. */
static uint64_t language_ms(uint64_t unix_ns)
{
	return (unix_ns - CONVERSATION_WALL_NS) / 1000000;
}

/*
 * Two calls: the first asks for two tools at once, the second answers. The first is told of when
 * they have run; it ended when the first of them began. The second begins at the end of the last.
 */
START_TEST(test_calls)
{
	static const char *const lines[] = {
		BEGIN("a"),                                    /* 0 */
		"1<" NOTE("delta", "'thread':'t','turn':'a'"), /* 1 */
		"1<" NOTE("delta", "'thread':'t','turn':'a'"), /* 2 */
		ITEM("begin", "x", TOOL),                      /* 3 */
		ITEM("begin", "y", TOOL),                      /* 4 */
		ITEM("end", "y", TOOL),                        /* 5 */
		ITEM("end", "x", TOOL),                        /* 6 */
		"1<" USAGE("a", "100", "100"),                 /* 7 */
		"1<" NOTE("delta", "'thread':'t','turn':'a'"), /* 8 */
		ITEM("end", "z", ",'type':'words'"),           /* 9 */
		"1<" USAGE("a", "150", "50"),                  /* 10 */
		"1<" USAGE("a", "150", "50"),                  /* 11: the same again */
		"1<" USAGE("a", "160", "10"),                  /* 12: without anything */
		END("a"),                                      /* 13 */
		NULL,
	};
	static const struct {
		uint64_t start, end;
		const char *usage, *first;
	} calls[] = {{0, 3, " usage=100 ", " first=0.001 "}, {6, 9, " usage=50 ", " first=0.002 "},
		{9, 12, " usage=10 ", NULL}};
	struct conversation *said = language_begin("agent", NULL);
	const struct kept *span;
	size_t i, count = 0;

	for (i = 0; lines[i] != NULL; i++)
		conversation_line(said, lines[i]);
	conversation_shut_down(said);
	for (span = said->exporter->spans; span < said->exporter->spans + said->exporter->count;
		span++) {
		if (strncmp(span->name, "chat", 4) != 0)
			continue;
		ck_assert_uint_lt(count, 3);
		ck_assert_uint_eq(language_ms(span->start_unix_ns), calls[count].start);
		ck_assert_uint_eq(language_ms(span->end_unix_ns), calls[count].end);
		ck_assert_int_eq(span->kind, SPAN_KIND_CLIENT);
		text_has(span->attributes, calls[count].usage);
		text_has(span->attributes, " inferred=true ");
		text_has_not(span->attributes, "sidespan.end_reason");
		if (count == 0) { /* of the moment at which it ended */
			text_has(span->attributes, " asked.type=tool ");
			text_has(span->attributes, " asked.name=make ");
		} else {
			text_has_not(span->attributes, " asked.");
		}
		if (calls[count].first != NULL)
			text_has(span->attributes, calls[count].first);
		else
			text_has_not(span->attributes, " first=");
		count++;
	}
	ck_assert_uint_eq(count, 3);
	span = conversation_span(said, "turn");
	text_has(span->attributes, " turn.usage=160 ");
	text_has(span->attributes, " turn.tools=2 ");
	text_has(span->attributes, " turn.tools_ms=3 "); /* together, not 1 + 3 */
	text_has(span->attributes, " turn.calls=3 ");
	text_has(span->attributes, " turn.model_ms=9 ");
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

#define DELTA     "1<" NOTE("delta", "'thread':'t','turn':'a'")
#define STOP(why) "1<" NOTE("stop", "'thread':'t','turn':'a','why':'" why "'")
#define WORDS     ",'type':'words'"

/* Calls from which line to which, counted from 0. */
static const struct {
	const char *about;
	const char *lines[14];
	const char *calls;
} call_times[] = {
	{"told of before its tool has ended: the next one begins when that has",
		{BEGIN("a"), ITEM("begin", "x", TOOL), "1<" USAGE("a", "100", "100"), DELTA,
			ITEM("end", "x", TOOL), "1<" USAGE("a", "150", "50")},
		"0-1 1-5 "},
	{"and has not begun to speak before",
		{BEGIN("a"), ITEM("begin", "x", TOOL), "1<" USAGE("a", "100", "100"),
			ITEM("end", "x", TOOL), DELTA, ITEM("begin", "y", TOOL),
			ITEM("end", "y", TOOL), "1<" USAGE("a", "150", "50"), DELTA,
			"1<" USAGE("a", "170", "20")},
		"0-1 3-5 6-9 "},
	{"a tool that was running when we came",
		{BEGIN("a"), ITEM("end", "x", TOOL), "1<" USAGE("a", "100", "100")}, "1-2 "},
	{"a tool that ends after the next has begun says nothing of the call before that",
		{BEGIN("a"), ITEM("begin", "x", TOOL), "1<" USAGE("a", "100", "100"),
			ITEM("begin", "y", TOOL), ITEM("end", "x", TOOL),
			"1<" USAGE("a", "150", "50"), "1<" USAGE("a", "160", "10")},
		"0-1 1-3 4-6 "},
	{"told by another connection than the one that is listened to, which is silent",
		{BEGIN("a"), ITEM("begin", "x", TOOL), "2<" USAGE("a", "100", "100"),
			"2<" NOTE("item/end", "'thread':'t','turn':'a','item':'x'" TOOL),
			"2<" USAGE("a", "150", "50")},
		"0-1 3-4 "},
	{"one that is broken off while it speaks",
		{BEGIN("a"), DELTA, STOP("user asked"), "1<" USAGE("a", "100", "100")}, "0-2 2-3 "},
	{"a reason as it is", {BEGIN("a"), DELTA, STOP("crash")}, "0-2 "},
	{"a reason that only begins like it", {BEGIN("a"), DELTA, STOP("crashes"), END("a")}, ""},
	{"a reason that is shorter", {BEGIN("a"), DELTA, STOP("use"), END("a")}, ""},
	{"there is none before it speaks", {BEGIN("a"), STOP("user")}, ""},
	{"nor after it was told of",
		{BEGIN("a"), DELTA, "1<" USAGE("a", "100", "100"), STOP("user")}, "0-2 "},
	{"one that speaks when the server ends", {BEGIN("a"), DELTA, "+1", "1!"}, "0-3 "},
	{"or when we do", {BEGIN("a"), DELTA}, "0-2 "},
	{"or when the next turn begins", {BEGIN("a"), DELTA, BEGIN("b"), "+10000"}, "0-1 "},
	{"but none before it speaks", {BEGIN("a"), "1!"}, ""},
	{"nor after it was told of", {BEGIN("a"), DELTA, "1<" USAGE("a", "100", "100"), "1!"},
		"0-2 "},
	{"nor where the end of the turn is told", {BEGIN("a"), DELTA, END("a"), "1!"}, ""},
};

START_TEST(test_call_times)
{
	struct conversation *said = language_begin("agent", NULL);
	const struct kept *span;
	char calls[256] = "";
	size_t i;

	for (i = 0; i < 14 && call_times[_i].lines[i] != NULL; i++)
		conversation_line(said, call_times[_i].lines[i]);
	conversation_shut_down(said);
	for (span = said->exporter->spans; span < said->exporter->spans + said->exporter->count;
		span++)
		if (strncmp(span->name, "chat", 4) == 0)
			text_append(calls, sizeof calls, "%d-%d ",
				(int)language_ms(span->start_unix_ns),
				(int)language_ms(span->end_unix_ns));
	ck_assert_msg(strcmp(calls, call_times[_i].calls) == 0, "%s: %s instead of %s",
		call_times[_i].about, calls, call_times[_i].calls);
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* What ran when its turn ended without a word ends for the same reason, unless nobody wants it. */
START_TEST(test_call_at_end)
{
	static const char *const ends[] = {"1!", "+1"};
	static const char *const reasons[] = {"=backend_exited", "=shutdown"};
	struct conversation *said =
		language_begin("agent", _i == 2 ? "--lifecycle-off=calls" : NULL);
	const struct kept *span;

	conversation_line(said, BEGIN("a"));
	conversation_line(said, DELTA);
	conversation_line(said, ends[_i % 2]);
	conversation_shut_down(said);
	ck_assert_uint_eq(said->exporter->count, _i == 2 ? 1 : 2);
	if (_i < 2) {
		span = conversation_span(said, "chat");
		ck_assert_int_eq(span->status, _i == 0 ? SPAN_STATUS_ERROR : SPAN_STATUS_UNSET);
		text_has(span->attributes, " sidespan.end_reason=");
		text_has(span->attributes, reasons[_i]);
		text_has(conversation_span(said, "turn")->attributes, " turn.calls=1 ");
	}
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* The server's clock is believed within bounds: not after the message, not before the span. */
START_TEST(test_times)
{
	struct conversation *said = language_begin("agent", NULL);
	const struct kept *span;

	conversation_line(said, "1>" REQUEST("1", "thread/resume", "'thread':'t'"));
	conversation_line(
		said, "1<" RESULT("1", "{'thread':'t','turns':[{'id':'b','state':'running',"
				       "'since':1699999999}]}"));
	conversation_line(said, "1<" NOTE("end", "'thread':'t','turn':'b'"));
	conversation_line(said, "1<" NOTE("end", "'thread':'t','turn':'early','since':1600000000"));
	conversation_line(said, "1<" NOTE("end", "'thread':'t','turn':'late','since':1800000000"));
	conversation_shut_down(said);
	span = conversation_span(said, "turn");
	ck_assert_uint_eq(span->start_unix_ns, UINT64_C(1699999999000000000));
	ck_assert_uint_eq(language_ms(span->end_unix_ns), 2);
	for (; span < said->exporter->spans + said->exporter->count; span++)
		if (strstr(span->attributes, " turn.id=early ") != NULL ||
			strstr(span->attributes, " turn.id=late ") != NULL)
			ck_assert_uint_eq(span->start_unix_ns, span->end_unix_ns);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* Nor is it if it speaks of what is older than any span may be. */
START_TEST(test_old_times)
{
	struct conversation *said = language_begin("agent", "--lifecycle-max-age=60s");
	const struct kept *span;

	conversation_line(said, "+120000");
	conversation_line(said, "1<" NOTE("end", "'thread':'t','turn':'a','since':1700000060"));
	conversation_line(said, "1<" NOTE("end", "'thread':'t','turn':'b','since':1700000060"));
	conversation_line(said, "1<" NOTE("end", "'thread':'t','turn':'c','since':1700000120"));
	conversation_shut_down(said);
	ck_assert_uint_eq(said->exporter->count, 3);
	span = said->exporter->spans;
	ck_assert_uint_eq(language_ms(span[0].start_unix_ns), 60000);
	ck_assert_uint_eq(language_ms(span[0].end_unix_ns), 120000);
	ck_assert_uint_eq(language_ms(span[1].start_unix_ns), 120001);
	ck_assert_uint_eq(language_ms(span[1].end_unix_ns), 120001);
	ck_assert_uint_eq(language_ms(span[2].start_unix_ns), 120000);
	ck_assert_uint_eq(language_ms(span[2].end_unix_ns), 120002);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* As many memories as the option says; the one that was not used for longest goes first. */
START_TEST(test_memories_max)
{
	struct conversation *said = language_begin("agent", "--lifecycle-memories-max=16");
	char line[128];
	int i;

	for (i = 0; i <= 16; i++) {
		conversation_line(said, "1>" REQUEST("1", "thread/start", ""));
		snprintf(line, sizeof line, "1<" RESULT("1", "{'thread':'t%d','model':'m%d'}"), i,
			i);
		conversation_line(said, line);
		if (i == 1) { /* t0 is used again, so t1 goes */
			conversation_line(said, "1<" NOTE("begin", "'thread':'t0','turn':'a'"));
			conversation_line(said, "1<" NOTE("end", "'thread':'t0','turn':'a'"));
		}
	}
	ck_assert_uint_eq(conversation_counters(said)->memories_forgotten, 1);
	conversation_line(said, "1<" NOTE("begin", "'thread':'t0','turn':'b'"));
	conversation_line(said, "1<" NOTE("begin", "'thread':'t1','turn':'c'"));
	conversation_shut_down(said);
	text_has(said->exporter->spans[said->exporter->count - 2].attributes, " model=m0 ");
	text_has_not(said->exporter->spans[said->exporter->count - 1].attributes, " model=");
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* The context that is forwarded names the span that is to come, also without a key. */
START_TEST(test_forwarded)
{
	struct conversation *said = language_begin("job", NULL);

	conversation_line(said, "1>" REQUEST("1", "job/submit", "'kind':'build'"));
	conversation_line(said, "1<" RESULT("1", "{'job':'j'}"));
	conversation_line(said, "1<" NOTE("job/done", "'job':'j','state':'done'"));
	conversation_shut_down(said);
	ck_assert_mem_eq(said->told[0].span_id,
		conversation_span(said, "job build")->context.span_id, SPAN_ID_SIZE);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* A header field is an attribute of all of the connection's spans, and inherited. */
START_TEST(test_header)
{
	struct conversation *said = language_begin("agent", NULL);
	struct tracer_connection *connection = conversation_connection(said, 1);

	tracer_header(connection, "X-User", 6, "ann", 3);
	tracer_header(connection, "X-User", 6, "bob", 3);
	tracer_header(connection, "X-Users", 7, "all", 3);
	conversation_line(said, BEGIN("a"));
	conversation_line(said, END("a"));
	conversation_shut_down(said);
	text_has(conversation_span(said, "turn")->attributes, " user.id=ann ");
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("language");

	tcase_add_loop_test(tc, test_talks, 0, COUNT(talks));
	tcase_add_loop_test(tc, test_no_memory, 0, COUNT(talks));
	tcase_add_loop_test(tc, test_levels, 0, COUNT(levels));
	tcase_add_test(tc, test_calls);
	tcase_add_loop_test(tc, test_call_at_end, 0, 3);
	tcase_add_loop_test(tc, test_call_times, 0, COUNT(call_times));
	tcase_add_test(tc, test_times);
	tcase_add_test(tc, test_old_times);
	tcase_add_test(tc, test_memories_max);
	tcase_add_test(tc, test_forwarded);
	tcase_add_test(tc, test_header);
	return unit_run("language", tc);
}

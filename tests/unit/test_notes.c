/*
 * What rules say they do, which is what --explain shows of a message: the notes of whole
 * conversations, and why a rule does not act.
 */
#include <string.h>

#include "tests/unit/conversation_case.h"

static char notes[16384];

static void note(void *arg, const char *text)
{
	ck_assert_ptr_eq(arg, notes);
	text_append(notes, sizeof notes, "%s\n", text);
}

#define NOTE(method, params)        "{'method':'" method "','params':{" params "}}"
#define REQUEST(id, method, params) "{'id':" id ",'method':'" method "','params':{" params "}}"
#define RESULT(id, result)          "{'id':" id ",'result':{" result "}}"
#define REFUSED(id)                 "{'error':{'code':-1,'message':'no'},'id':" id "}"
#define THREAD                      "'threadId':'t'"
#define TURN                        THREAD ",'turnId':'u'"

static const struct {
	const char *profile;
	const char *why; /* tells why rules do not act on that method; NULL: does not */
	const char *lines[24];
	const char *notes;
} cases[] = {
	/* from the request to the end, and what is told once more */
	{"turns", NULL,
		{"1>" REQUEST("1", "turn/start", THREAD), "1<" RESULT("1", "'turn':{'id':'u'}"),
			"1<" NOTE("turn/started", THREAD ",'turn':{'id':'u'}"),
			"1<" NOTE("item/started", TURN ",'item':{'id':'i','type':'sleep'}"),
			"1<" NOTE("item/agentMessage/delta", TURN ",'delta':'abc'"),
			"1<" NOTE("thread/tokenUsage/updated",
				TURN ",'tokenUsage':{'last':{'inputTokens':5}}"),
			"1<" NOTE("error", TURN ",'willRetry':true,'error':{'message':'m'}"),
			"1?" REQUEST("7", "may I", TURN ",'itemId':'i'"),
			"1>" RESULT("7", "'decision':'accept'"),
			"1<" NOTE("thread/status/changed", THREAD ",'status':{'type':'idle'}"),
			"1<" NOTE("thread/status/changed", THREAD ",'status':{'type':'active'}"),
			"1<" NOTE("item/completed",
				TURN ",'item':{'id':'i','status':'failed','exitCode':1}"),
			"+10000",
			"1<" NOTE(
				"turn/completed", THREAD ",'turn':{'id':'u','status':'completed'}"),
			"1<" NOTE("turn/started", THREAD ",'turn':{'id':'u'}"),
			"1<" NOTE("turn/started", "'turn':{'id':'u'}")},
		"turn asked for: claims the next turn of t\n"
		"dispatched: turn_input\n"
		"turn answered: turn t/u opened for its request\n"
		"turn started: turn t/u is open already\n"
		"item started: item t/u/i opened\n"
		"item started: item.type = \"sleep\"\n"
		"token: turn t/u counted\n"
		"token usage: gen_ai.usage.input_tokens += 5\n"
		"retry: turn t/u event \"retry\"\n"
		"client asked: approval t/u/i opened\n"
		"client answered: approval t/u/i answered\n"
		"client answered: approval.decision = \"accept\"\n"
		"thread at rest: turn t/u may be over\n"
		"thread at work: turn t/u goes on\n"
		"item completed: item t/u/i closed\n"
		"item completed: item.status = \"failed\"\n"
		"item completed: process.exit.code = 1\n"
		"turn t/u announced\n"
		"turn completed: turn t/u closed\n"
		"turn completed: turn.status = \"completed\"\n"
		"turn started: it is closed already\n"
		"turn started: the message has no key\n"},
	/* one that is known by another id, and ends with us */
	{"turns", NULL,
		{"1>" REQUEST("1", "review/start", THREAD),
			"1<" NOTE("turn/started", THREAD ",'turn':{'id':'u','rootTurnId':'r'}"),
			"1<" NOTE("item/started", TURN ",'item':{'id':'i','type':'sleep'}"),
			"1<" NOTE("turn/started", THREAD ",'turn':{'id':'v','rootTurnId':'r'}")},
		"review asked for: claims the next turn of t\n"
		"dispatched: review\n"
		"turn started: turn t/r opened for its request\n"
		"turn started: turn t/r has another id\n"
		"item started: item t/u/i opened\n"
		"item started: item.type = \"sleep\"\n"
		"turn started: turn t/r has another id\n"
		"turn t/r ended: shutdown\n"
		"item t/u/i ended: shutdown\n"},
	/* why not */
	{"turns", "item/started",
		{"1<" NOTE("item/started", TURN ",'item':{'id':'i','type':'other'}"),
			"1<" NOTE("item/started", TURN ",'item':{'id':[],'type':'sleep'}"),
			"1<" NOTE("item/started", TURN ",'item':{'id':'i','type':'sleep'}"),
			"1<" NOTE("item/completed", TURN ",'item':{'id':'i'}")},
		"item started: does not act: /params/item/type is \"other\", must be one of those "
		"that it names\n"
		"item started: does not act: the message has no /params/item/id, or no text or "
		"number of 256 bytes there\n"
		"item started: the message has no key\n"},
	{"turns", "item/completed",
		{"1<" NOTE("turn/started", THREAD ",'turn':{'id':'u'}"),
			"1<" NOTE("item/completed", TURN ",'item':{'id':'i'}"),
			"1<" NOTE("item/completed", TURN),
			"1<" NOTE("item/started", TURN ",'item':{'id':'i','type':'other'}")},
		"turn started: turn t/u opened\n"
		"item completed: does not act: no such item is open\n"
		"item completed: does not act: the message has no /params/item/id, or no text or "
		"number of 256 bytes there\n"
		"turn t/u ended: shutdown\n"},
	/* of an answer, by the method of its request */
	{"turns", "thread/resume",
		{"1>" REQUEST("1", "thread/resume", THREAD),
			"1>" REQUEST("2", "thread/read", THREAD),
			"1<" RESULT("1", "'thread':{'id':'t','status':{'type':'active'}}"),
			"1<" RESULT("2", "'thread':{'id':'t','status':{'type':'active'}}")},
		"thread found at rest: does not act: /result/thread/status/type is \"active\", "
		"must be one of those that it names\n"},
	{"turns", "may I",
		{"1<" NOTE("turn/started", THREAD ",'turn':{'id':'u'}"),
			"1<" REQUEST("7", "may I", TURN ",'itemId':'i'"),
			"1>" RESULT("7", "'decision':'accept'"),
			"1<" REQUEST("8", "may I", TURN ",'itemId':'i','callId':'c'"),
			"1>" REFUSED("8")},
		"turn started: turn t/u opened\n"
		"client asked: approval t/u/i opened\n"
		"tool of the client called: does not act: /params/callId is \"\", must be "
		"something, but there is nothing\n"
		"client answered: approval t/u/i answered\n"
		"client answered: approval.decision = \"accept\"\n"
		"client asked: does not act: /params/callId is \"c\", must be nothing, but there "
		"is something\n"
		"tool of the client called: approval t/u/c opened\n"
		"client answered: approval t/u/c answered\n"
		"turn t/u ended: shutdown\n"},
	{"asks", "ask",
		{"1<" REQUEST("7", "ask", "'a':1,'b':2"), "1>" RESULT("7", ""),
			"1>" RESULT("8", "")},
		"rule 1: ask 1/2 opened\n"
		"rule 2: does not act: the message has no /params/over, or no text or number of "
		"256 bytes there\n"
		"rule 3: does not act: the message has no /result/a, or no text or number of 256 "
		"bytes there\n"
		"rule 3: the message has no key\n"
		"rule 4: ask 1/2 answered\n"},
	/* rules that need no span to act */
	{"turns", "turn/start", {"1>" REQUEST("1", "turn/start", "")}, ""},
	{"turns", "serverRequest/resolved", {"1<" NOTE("serverRequest/resolved", "'requestId':5")},
		""},
	{"mcp", "notifications/progress", {"1<" NOTE("notifications/progress", "'message':'m'")},
		""},
	{"agent", "thread/start", {"1>" REQUEST("1", "thread/start", ""), "1<" RESULT("1", "")},
		""},
	/* memories, moments, what is made of them */
	{"agent", NULL,
		{"1>" REQUEST("1", "thread/start", ""),
			"1<" RESULT("1", "'thread':'t','model':'m'"),
			"1<" NOTE("begin", "'thread':'t','turn':'a'"),
			"1<" NOTE("delta", "'thread':'t','turn':'a'"),
			"1<" NOTE("item/begin", "'thread':'t','turn':'a','item':'i','type':'tool'"),
			"1<" NOTE("item/end", "'thread':'t','turn':'a','item':'i','type':'tool'"),
			"1<" NOTE("usage",
				"'thread':'t','turn':'a','total':{'all':9},'last':{'all':9}"),
			"1<" NOTE("item/end", "'thread':'t','turn':'a','item':'j','type':'tool'"),
			"1<" NOTE("begin", "'thread':'t','turn':'b'"),
			"1<" NOTE("end", "'thread':'t','turn':'b'")},
		"thread: remembers thread t\n"
		"begins: turn t/a opened\n"
		"token: turn t/a mark \"token\"\n"
		"tool: tool t/a/i opened\n"
		"call ends: asked.type = \"tool\"\n"
		"call ends: turn t/a mark \"tool began\"\n"
		"tool ends: tool t/a/i closed\n"
		"call may begin: turn t/a mark \"tool ended\"\n"
		"usage: turn.usage += 9\n"
		"call: usage += 9\n"
		"call: first = 0.001\n"
		"call: inferred = true\n"
		"call: call t/a made\n"
		"call may begin: turn t/a mark \"former tool ended\"\n"
		"turn t/a is superseded\n"
		"begins: turn t/b opened\n"
		"not seen: turn t/b is open already\n"
		"ends: turn t/b closed\n"
		"turn t/a ended: superseded\n"},
	{"agent", "usage",
		{
			"1<" NOTE("usage",
				"'thread':'t','turn':'a','total':{'all':9},'last':{'all':9}"),
			"1<" NOTE("usage",
				"'thread':'t','turn':'a','total':{'all':9},'last':{'all':9}"),
			"1<" NOTE("usage", "'turn':'a','total':{'all':19},'last':{'all':10}"),
		},
		"usage: does not act: no such turn is open\n"
		"usage: does not act: /params/total/all is \"9\", must be a level that has risen\n"
		"call: does not act: /params/total/all is \"9\", must be a level that has risen\n"
		"usage: does not act: /params/total/all is \"19\", must be a level that has risen\n"
		"call: does not act: /params/total/all is \"19\", must be a level that has "
		"risen\n"},
	/* requests that are annotated, end early, stay, refer to others */
	{"mcp", NULL,
		{"1>" REQUEST("1", "tools/call",
			 "'name':'make','_meta':{'progressToken':7},'requestState':'x'"),
			"1<" NOTE("notifications/progress",
				"'progressToken':7,'progress':0.5,'total':2,'message':'one'"),
			"1<" RESULT("1", "'requestState':'one'"),
			"1>" REQUEST("2", "tools/call", "'name':'make','requestState':'one'"),
			"1>" NOTE("notifications/cancelled", "'requestId':2,'reason':'late'"),
			"1>" REQUEST("3", "tools/call", "'name':'make'"),
			"1<" RESULT("3", "'isError':true")},
		"progress: mcp.progress = \"0.5\"\n"
		"progress: mcp.progress.total = 2\n"
		"step: request  event \"progress\"\n"
		"pieces: request  counted\n"
		"rule 10: the message has no key\n"
		"rule 8: request  linked\n"
		"cancelled: request  closed\n"
		"cancelled: request  status error\n"
		"failed: request  status error\n"
		"rule 10: the message has no key\n"},
	{"acp", NULL,
		{"1>" REQUEST("1", "session/prompt", "'sessionId':'s'"),
			"1<" RESULT("1", "'messageId':'m'"),
			"1<" NOTE("session/update",
				"'sessionId':'s','update':{'sessionUpdate':'state_update','state':'"
				"idle','stopReason':'end_turn'}")},
		"rule 5: prompt s goes on\n"
		"rule 3: prompt s counted\n"
		"rule 7: prompt s closed\n"
		"rule 7: acp.stop_reason = \"end_turn\"\n"},
	{"job", NULL,
		{"1>" REQUEST("1", "job/submit", "'kind':'build'"), "1<" RESULT("1", "'job':'j'"),
			"1<" NOTE("job/progress", "'job':'j','percent':50"),
			"1>" REQUEST("2", "job/list", ""),
			"1<" RESULT("2", "'jobs':[{'id':'k','state':'running'}]"),
			"1<" NOTE("job/done", "'job':'j','state':'failed'")},
		"submitted: claims the next job of the connection\n"
		"accepted: job j opened for its request\n"
		"progress: job.percent = 50\n"
		"found running: job k opened\n"
		"found running: job.joined = true\n"
		"done: job j closed\n"
		"job k ended: shutdown\n"},
};

START_TEST(test_notes)
{
	char path[128];
	const char *flags[] = {path, "--lifecycle-announce-after=10s", NULL};
	struct conversation *said;
	size_t i;

	snprintf(
		path, sizeof path, "--profile=tests/unit/data/profiles/%s.json", cases[_i].profile);
	conversation_load(flags);
	said = conversation_begin();
	notes[0] = '\0';
	tracer_watch(said->tracer, note, notes);
	if (cases[_i].why != NULL)
		tracer_ask_why(said->tracer, cases[_i].why);
	for (i = 0; i < COUNT(cases[_i].lines) && cases[_i].lines[i] != NULL; i++)
		conversation_line(said, cases[_i].lines[i]);
	conversation_shut_down(said);
	ck_assert_str_eq(notes, cases[_i].notes);
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("notes");

	tcase_add_loop_test(tc, test_notes, 0, COUNT(cases));
	return unit_run("notes", tc);
}

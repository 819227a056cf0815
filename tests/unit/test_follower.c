/*
 * Conversations with codex app-server and the spans that must come of them: each row tells one
 * thing that its turns do. What must hold of any conversation is checked after each.
 */
#include "proxy/trace/follower.h"

#include <string.h>

#include "tests/unit/conversation_case.h"

/* --- messages --- */

#define REQUEST(id, method, params) "{'id':" id ",'method':'" method "','params':{" params "}}"
#define NOTICE(method, params)      "{'method':'" method "','params':{" params "}}"
#define RESULT(id, result)          "{'id':" id ",'result':{" result "}}"
#define REFUSED(id)                 "{'error':{'code':-32600,'message':'no'},'id':" id "}"

#define ASK(id)           REQUEST(id, "turn/start", "'threadId':'t','input':[]")
#define ANSWER(id, turn)  RESULT(id, "'turn':{'id':'" turn "','status':'inProgress'}")
#define ASK_REVIEW(id)    REQUEST(id, "review/start", "'threadId':'t'")
#define ASK_COMPACT(id)   REQUEST(id, "thread/compact/start", "'threadId':'t'")
#define ASK_SHELL(id)     REQUEST(id, "thread/shellCommand", "'threadId':'t'")
#define DONE(id)          RESULT(id, "")
#define INTERRUPT(id, to) REQUEST(id, "turn/interrupt", "'threadId':'t','turnId':'" to "'")

#define STARTED_AS(thread, turn, root)                                                             \
	NOTICE("turn/started", "'threadId':'" thread "','turn':{'id':'" turn                       \
			       "','rootTurnId':'" root "','status':'inProgress'}")
#define STARTED(turn) STARTED_AS("t", turn, turn)
#define ENDED_AS(thread, turn, status)                                                             \
	NOTICE("turn/completed", "'threadId':'" thread "','turn':{'id':'" turn                     \
				 "','status':'" status "','error':null}")
#define COMPLETED(turn)   ENDED_AS("t", turn, "completed")
#define INTERRUPTED(turn) ENDED_AS("t", turn, "interrupted")
#define FAILED(turn, info)                                                                         \
	NOTICE("turn/completed",                                                                   \
		"'threadId':'t','turn':{'id':'" turn                                               \
		"','status':'failed','error':{'message':'boom','codexErrorInfo':" info "}}")
#define STATUS(type)    NOTICE("thread/status/changed", "'threadId':'t','status':{'type':'" type "'}")
#define RESUME(id)      REQUEST(id, "thread/resume", "'threadId':'t'")
#define FOUND(id, type) RESULT(id, "'thread':{'id':'t','status':{'type':'" type "'},'turns':[]}")

#define PART(turn, item) "'threadId':'t','turnId':'" turn "','itemId':'" item "'"
#define ITEM(method, turn, item, more)                                                             \
	NOTICE("item/" method,                                                                     \
		"'threadId':'t','turnId':'" turn "','item':{'id':'" item "'," more "}")
#define COMMAND(turn, item)                                                                        \
	ITEM("started", turn, item, "'type':'commandExecution','command':'/bin/ls -l'")
#define COMMAND_ENDED(turn, item)                                                                  \
	ITEM("completed", turn, item, "'type':'commandExecution','status':'completed','exitCode':0")
#define DELTA(turn, item, text)                                                                    \
	NOTICE("item/agentMessage/delta", PART(turn, item) ",'delta':'" text "'")
#define MAY_I(id, turn, item) REQUEST(id, "item/commandExecution/requestApproval", PART(turn, item))
#define DECIDED(id, decision) RESULT(id, "'decision':'" decision "'")
#define RESOLVED(id)          NOTICE("serverRequest/resolved", "'threadId':'t','requestId':" id)
#define PROBLEM(turn, again)                                                                       \
	NOTICE("error", "'threadId':'t','turnId':'" turn "','willRetry':" again                    \
			",'error':{'message':'Reconnecting','codexErrorInfo':'other'}")

#define THE_TURN "turn/start answered\n  dispatch turn_input\n    turn u closed OK\n"

/* --- conversations --- */

struct talk {
	const char *about;
	const char *lines[24];
	const char *tree;
	const char *show;
	const char *flags[4];
	bool own_backends;
};

static const struct talk talks[] = {
	/* who is first */
	{.about = "the answer comes first",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STARTED("u"), "1<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK turn.kind=turn turn.status=completed\n",
		" turn.kind turn.status"},
	{.about = "the notification comes first",
		{"1>" ASK("1"), "1<" STARTED("u"), "1<" ANSWER("1", "u"), "1<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK turn.kind=turn turn.status=completed\n",
		" turn.kind turn.status"},
	{.about = "even the end does",
		{"1>" ASK("1"), "1<" STARTED("u"), "1<" COMPLETED("u"), "1<" ANSWER("1", "u")},
		THE_TURN},
	{.about = "no notification at all",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" COMPLETED("u")},
		THE_TURN},
	{.about = "the end without a beginning", {"1<" COMPLETED("u")}, ""},
	{.about = "all of it twice",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STARTED("u"), "1<" STARTED("u"),
			"1<" COMPLETED("u"), "1<" COMPLETED("u"), "1<" STARTED("u")},
		THE_TURN},
	{.about = "two threads, the same id",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STARTED_AS("other", "u", "u"),
			"1<" COMPLETED("u"), "1<" ENDED_AS("other", "u", "failed")},
		THE_TURN "turn u closed ERROR\n"},

	/* steering, pipelines */
	{.about = "turn/start steers",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STARTED("u"), "1>" ASK("2"),
			"1<" ANSWER("2", "u"), "1<" COMPLETED("u")},
		THE_TURN "turn/start answered\n  dispatch turn_input -> turn u\n"},
	{.about = "turn/start steers what has ended",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1>" ASK("2"), "1<" COMPLETED("u"),
			"1<" ANSWER("2", "u")},
		THE_TURN "turn/start answered\n  dispatch turn_input\n"},
	{.about = "turn/steer",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"),
			"1>" REQUEST("2", "turn/steer", "'threadId':'t','expectedTurnId':'u'"),
			"1<" RESULT("2", "'turnId':'u'"), "1<" COMPLETED("u")},
		THE_TURN "turn/steer answered\n  dispatch turn_input\n"},
	{.about = "pipelined: eight requests, four turns",
		{"1>" ASK("1"), "1>" ASK("2"), "1>" ASK("3"), "1>" ASK("4"), "1>" ASK("5"),
			"1>" ASK("6"), "1>" ASK("7"), "1>" ASK("8"), "1<" ANSWER("1", "a"),
			"1<" STARTED("a"), "1<" ANSWER("2", "a"), "1<" COMPLETED("a"),
			"1<" STARTED("b"), "1<" ANSWER("3", "b"), "1<" ANSWER("4", "b"),
			"1<" ANSWER("5", "b"), "1<" COMPLETED("b"), "1<" ANSWER("6", "c"),
			"1<" STARTED("c"), "1<" COMPLETED("c"), "1<" STARTED("d"),
			"1<" ANSWER("8", "d"), "1<" ANSWER("7", "d"), "1<" COMPLETED("d")},
		"turn/start answered\n  dispatch turn_input\n    turn a closed OK\n"
		"turn/start answered\n  dispatch turn_input -> turn a\n"
		"turn/start answered\n  dispatch turn_input\n    turn b closed OK\n"
		"turn/start answered\n  dispatch turn_input -> turn b\n"
		"turn/start answered\n  dispatch turn_input -> turn b\n"
		"turn/start answered\n  dispatch turn_input\n    turn c closed OK\n"
		"turn/start answered\n  dispatch turn_input\n    turn d closed OK\n"
		"turn/start answered\n  dispatch turn_input -> turn d\n"},
	{.about = "a notification is given to the wrong request",
		{"1>" ASK("1"), "1>" ASK("2"), "1<" STARTED("b"), "1<" ANSWER("2", "b"),
			"1<" ANSWER("1", "a"), "1<" COMPLETED("a"), "1<" COMPLETED("b")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn b closed OK\n"
		"    turn a closed OK\n"
		"turn/start answered\n  dispatch turn_input -> turn b\n"},

	/* reviews */
	{.about = "review, the answer first",
		{"1>" ASK_REVIEW("1"), "1<" ANSWER("1", "r"), "1<" STARTED_AS("t", "hidden", "r"),
			"1<" COMMAND("r", "i"), "1<" COMMAND_ENDED("r", "i"), "1<" COMPLETED("r")},
		"review/start answered\n"
		"  dispatch review\n"
		"    turn r closed OK turn.kind=review\n"
		"      item commandExecution i closed\n",
		" turn.kind"},
	{.about = "review, the notification first",
		{"1>" ASK_REVIEW("1"), "1<" STARTED_AS("t", "hidden", "r"), "1<" COMMAND("r", "i"),
			"1<" COMMAND_ENDED("r", "i"), "1<" ANSWER("1", "r"), "1<" COMPLETED("r")},
		"review/start answered\n"
		"  dispatch review\n"
		"    turn r closed OK turn.kind=review\n"
		"      item commandExecution i closed\n",
		" turn.kind"},
	{.about = "review, ended before the answer",
		{"1>" ASK_REVIEW("1"), "1<" STARTED_AS("t", "hidden", "r"), "1<" COMPLETED("r"),
			"1<" ANSWER("1", "r"), "1<" STARTED_AS("t", "hidden", "r")},
		"review/start answered\n  dispatch review\n    turn r closed OK\n"},
	{.about = "review interrupted by its other id",
		{"1>" ASK_REVIEW("1"), "1<" ANSWER("1", "r"), "1<" STARTED_AS("t", "hidden", "r"),
			"1>" INTERRUPT("2", "r"), "1<" REFUSED("2"), "1>" INTERRUPT("3", "hidden"),
			"1<" DONE("3"), "1<" INTERRUPTED("r")},
		"review/start answered\n"
		"  dispatch review\n"
		"    turn r closed turn.status=interrupted\n"
		"turn/interrupt error ERROR: no\n"
		"turn/interrupt answered\n  dispatch interrupt\n",
		" turn.status"},
	{.about = "a message under the other id is the review's",
		{"1>" ASK_REVIEW("1"), "1<" ANSWER("1", "r"), "1<" STARTED_AS("t", "hidden", "r"),
			"1<" PROBLEM("hidden", "true"), "1<" ENDED_AS("t", "hidden", "completed")},
		"review/start answered\n  dispatch review\n    turn r closed OK\n"},
	{.about = "a review in a turn preempts it",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STARTED("u"), "1>" ASK_REVIEW("2"),
			"1<" INTERRUPTED("u"), "1<" ANSWER("2", "r"),
			"1<" STARTED_AS("t", "hidden", "r"), "1<" COMPLETED("r")},
		"turn/start answered\n  dispatch turn_input\n    turn u closed\n"
		"review/start answered\n  dispatch review\n    turn r closed OK\n"},

	/* requests whose answer has no id */
	{.about = "compaction",
		{"1>" ASK_COMPACT("1"), "1<" DONE("1"), "1<" STARTED("c"), "1<" COMPLETED("c")},
		"thread/compact/start answered\n"
		"  dispatch compact\n"
		"    turn c closed OK turn.kind=compact\n",
		" turn.kind"},
	{.about = "compaction, the notification first",
		{"1>" ASK_COMPACT("1"), "1<" STARTED("c"), "1<" DONE("1"), "1<" COMPLETED("c")},
		"thread/compact/start answered\n"
		"  dispatch compact\n"
		"    turn c closed OK turn.kind=compact\n",
		" turn.kind"},
	{.about = "compaction preempts",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1>" ASK_COMPACT("2"), "1<" DONE("2"),
			"1<" INTERRUPTED("u"), "1<" STARTED("c"), "1<" COMPLETED("c")},
		"turn/start answered\n  dispatch turn_input\n    turn u closed\n"
		"thread/compact/start answered\n  dispatch compact\n    turn c closed OK\n"},
	{.about = "compaction that never starts",
		{"1>" ASK_COMPACT("1"), "1<" DONE("1"), "+59990", "+20", "1<" STARTED("c")},
		"thread/compact/start answered\n  dispatch compact\n"
		"turn c shutdown\n"},
	{.about = "a shell command",
		{"1>" ASK_SHELL("1"), "1<" DONE("1"), "1<" STARTED("s"), "1<" COMPLETED("s")},
		"thread/shellCommand answered\n"
		"  dispatch run_user_shell_command\n"
		"    turn s closed OK turn.kind=shell\n",
		" turn.kind"},
	{.about = "a shell command in a turn",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1>" ASK_SHELL("2"), "1<" DONE("2"),
			"1<" COMPLETED("u"), "1<" STARTED("q"), "1<" COMPLETED("q")},
		THE_TURN
		"thread/shellCommand answered\n  dispatch run_user_shell_command -> turn u\n"
		"turn q closed OK -> turn u\n"},

	/* turns that nobody asked for */
	{.about = "a queued turn",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STARTED("u"),
			"1>" REQUEST("2", "thread/queue/add", "'threadId':'t'"),
			"1<" RESULT("2", "'queuedSubmission':{'id':'q'}"), "1<" COMPLETED("u"),
			"1<" STARTED("q"), "1<" COMPLETED("q")},
		THE_TURN "thread/queue/add answered\nturn q closed OK -> turn u\n"},
	{.about = "a goal",
		{"1>" REQUEST("1", "thread/goal/set", "'threadId':'t'"), "1<" DONE("1"),
			"1<" STARTED("a"), "1<" COMPLETED("a"), "1<" STARTED("b"),
			"1<" COMPLETED("b"), "1<" STARTED("c"), "1<" COMPLETED("c")},
		"thread/goal/set answered\n"
		"turn a closed OK\nturn b closed OK -> turn a\nturn c closed OK -> turn b\n"},
	{.about = "a sub-agent outlives its parent",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STARTED("u"),
			"1<" STARTED_AS("sub", "v", "u"), "1<" COMPLETED("u"),
			"1<" STARTED_AS("sub2", "w", "u"), "1<" ENDED_AS("sub", "v", "completed"),
			"1<" ENDED_AS("sub2", "w", "failed")},
		THE_TURN "      turn v closed OK\n      turn w closed ERROR\n"},
	{.about = "a root that nobody knows",
		{"1<" STARTED_AS("sub", "v", "u"), "1<" ENDED_AS("sub", "v", "completed")},
		"turn v closed OK\n"},
	{.about = "a helper thread",
		{"1>" ASK("1"), "1<" STARTED("u"), "1<" ANSWER("1", "u"),
			"1>" REQUEST(
				"'temporary-structured-turn-1'", "turn/start", "'threadId':'h'"),
			"1<" STARTED_AS("h", "v", "v"),
			"1<" ANSWER("'temporary-structured-turn-1'", "v"),
			"1<" ENDED_AS("h", "v", "completed"), "1<" COMPLETED("u")},
		THE_TURN "turn/start answered\n  dispatch turn_input\n    turn v closed OK\n"},

	/* ends */
	{.about = "interrupted",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1>" INTERRUPT("2", "u"), "1<" DONE("2"),
			"1<" STATUS("idle"), "1<" INTERRUPTED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed turn.status=interrupted\n"
		"turn/interrupt answered\n  dispatch interrupt\n",
		" turn.status"},
	{.about = "interrupt without a turn",
		{"1>" INTERRUPT("1", "u"), "1<" REFUSED("1")},
		"turn/interrupt error ERROR: no\n"},
	{.about = "a retry is an event, never an end",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" PROBLEM("u", "true"),
			"1<" PROBLEM("u", "false"), "1<" PROBLEM("x", "true"),
			"1<" FAILED("u", "'other'")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed ERROR: boom turn.status=failed error.type=other\n",
		" turn.status error.type"},
	{.about = "failed in a way of its own",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" FAILED("u", "{'unheardOf':{}}")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed ERROR: boom error.type=_OTHER\n",
		" error.type"},
	{.about = "the order at the end",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" PROBLEM("u", "false"),
			"1<" NOTICE("thread/readState/changed",
				"'threadId':'t','readState':{'firstUnread':{'turnId':'old'}}"),
			"1<" STATUS("idle"), "1<" COMPLETED("u"), "+5000"},
		THE_TURN},
	{.about = "the end is hidden",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STATUS("active"), "1<" STATUS("idle"),
			"+1990", "+20", "1<" STARTED("u")},
		"turn/start answered\n  dispatch turn_input\n    turn u idle\n"},
	{.about = "not at rest after all",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STATUS("idle"), "+1000",
			"1<" DELTA("u", "i", "x"), "+1500", "+1500", "1<" COMPLETED("u")},
		THE_TURN},
	{.about = "the next turn ends what is at rest",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STATUS("idle"), "1>" ASK("2"),
			"1<" ANSWER("2", "v"), "1<" COMPLETED("v")},
		"turn/start answered\n  dispatch turn_input\n    turn u idle\n"
		"turn/start answered\n  dispatch turn_input\n    turn v closed OK\n"},
	{.about = "the system failed",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STATUS("systemError"), "+2001"},
		"turn/start answered\n  dispatch turn_input\n    turn u idle\n"},
	{.about = "the thread is closed",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"),
			"1<" NOTICE("thread/closed", "'threadId':'t'"), "+2001"},
		"turn/start answered\n  dispatch turn_input\n    turn u idle\n"},
	{.about = "max_age",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" COMMAND("u", "i"), "+86400000"},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u expired\n"
		"      item commandExecution i expired\n",
		NULL,
		{"--lifecycle-announce-after=0"}},
	{.about = "announced",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" COMMAND("u", "i"), "+9990", "+20",
			"+5000", "1<" COMMAND_ENDED("u", "i"), "1<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK turn.kind=turn\n"
		"      turn started u turn.kind=turn\n"
		"      item commandExecution i closed\n",
		" turn.kind"},
	{.about = "announced never",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "+3600000", "1<" COMPLETED("u")},
		THE_TURN,
		NULL,
		{"--lifecycle-announce-after=0"}},

	/* connections that end: a server that serves many */
	{.about = "the client of a shared backend is gone",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" COMMAND("u", "i"), "1-", "+5000",
			"2>" RESUME("1"), "2<" FOUND("1", "active"), "2<" COMMAND_ENDED("u", "i"),
			"2<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK\n"
		"      item commandExecution i closed\n"
		"thread/resume answered\n"},
	{.about = "thread/resume finds it at rest",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1-", "+5000", "2>" RESUME("1"),
			"2<" FOUND("1", "idle"), "+2001"},
		"turn/start answered\n  dispatch turn_input\n    turn u idle\n"
		"thread/resume answered\n"},
	{.about = "nobody looks any more",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1-"},
		"turn/start answered\n  dispatch turn_input\n    turn u shutdown\n"},
	{.about = "the backend is lost",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" COMMAND("u", "i"), "1!"},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u backend_exited ERROR: the backend ended "
		"error.type=backend_exited\n"
		"      item commandExecution i backend_exited ERROR: the backend ended "
		"error.type=backend_exited\n",
		" error.type"},
	{.about = "the backend is lost to one of two",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "12<" STARTED("u"), "1!",
			"2<" COMPLETED("u")},
		THE_TURN},
	{.about = "the backend is lost to both",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "12<" STARTED("u"), "1!", "2!"},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u backend_exited ERROR: the backend ended\n"},
	{.about = "lost before the answer",
		{"1>" ASK("1"), "1>" ASK_COMPACT("2"), "1!"},
		"turn/start backend_exited ERROR: no answer: the backend ended\n"
		"thread/compact/start backend_exited ERROR: no answer: the backend ended\n"},
	{.about = "lost after the start, before the answer",
		{"1>" ASK("1"), "1<" STARTED("u"), "1!"},
		"turn/start backend_exited ERROR: no answer: the backend ended\n"
		"  dispatch turn_input\n"
		"    turn u backend_exited ERROR: the backend ended\n"},
	{.about = "shutdown",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1>" ASK_COMPACT("2"), "1<" DONE("2"),
			"1>" ASK("3")},
		"turn/start answered\n  dispatch turn_input\n    turn u shutdown\n"
		"thread/compact/start answered\n  dispatch compact\n"
		"turn/start shutdown ERROR: no answer yet at shutdown\n"},

	/* a server for this client alone */
	{.about = "stdin's end",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" COMMAND("u", "i"), "1-",
			"2>" RESUME("1"), "2<" FOUND("1", "idle"), "2<" STARTED("u"),
			"2<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u connection_closed\n"
		"      item commandExecution i connection_closed\n"
		"thread/resume answered\n"
		"turn u closed OK\n",
		NULL,
		{NULL},
		true},
	{.about = "the server exits",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1>" ASK_SHELL("2"), "1!"},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u backend_exited ERROR: the backend ended\n"
		"thread/shellCommand backend_exited ERROR: no answer: the backend ended\n",
		NULL,
		{NULL},
		true},
	{.about = "own servers have turns of their own",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "2>" ASK("1"), "2<" ANSWER("1", "u"),
			"1<" COMPLETED("u"), "2<" INTERRUPTED("u")},
		THE_TURN "turn/start answered\n  dispatch turn_input\n    turn u closed\n",
		NULL,
		{NULL},
		true},
	{.about = "an own server's idle turn",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STATUS("idle"), "+2001"},
		"turn/start answered\n  dispatch turn_input\n    turn u idle\n",
		NULL,
		{NULL},
		true},

	/* several who look at the same thread */
	{.about = "copies with a lag",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "12<" STARTED("u"), "1<" COMMAND("u", "i"),
			"1<" DELTA("u", "m", "x"), "1<" COMMAND_ENDED("u", "i"),
			"2<" COMMAND("u", "i"), "2<" DELTA("u", "m", "x"), "1<" COMPLETED("u"),
			"2<" COMMAND_ENDED("u", "i"), "2<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK turn.delta.count=1\n"
		"      item commandExecution i closed\n",
		" turn.delta.count"},
	{.about = "a copy of everything after the end",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" COMMAND("u", "i"),
			"1<" COMMAND_ENDED("u", "i"), "1<" COMPLETED("u"), "2<" STARTED("u"),
			"2<" COMMAND("u", "i"), "2<" PROBLEM("u", "true"),
			"2<" DELTA("u", "m", "x"), "2<" MAY_I("0", "u", "i"),
			"2<" COMMAND_ENDED("u", "i"), "2<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK\n"
		"      item commandExecution i closed\n"
		"approval item/commandExecution/requestApproval connection_closed\n"},
	{.about = "the copy comes before the answer",
		{"1>" ASK("1"), "2<" STARTED("u"), "2<" COMMAND("u", "i"), "1<" ANSWER("1", "u"),
			"1<" STARTED("u"), "1<" COMMAND("u", "i"), "2<" COMMAND_ENDED("u", "i"),
			"2<" COMPLETED("u"), "1<" COMMAND_ENDED("u", "i"), "1<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK\n"
		"      item commandExecution i closed\n"},
	{.about = "a copied review that has ended",
		{"1>" ASK_REVIEW("1"), "1<" ANSWER("1", "r"), "1<" STARTED_AS("t", "hidden", "r"),
			"1<" COMPLETED("r"), "2<" STARTED_AS("t", "hidden", "r"),
			"2<" COMPLETED("r")},
		"review/start answered\n  dispatch review\n    turn r closed OK\n"},
	{.about = "a copied review that ends elsewhere first",
		{"12>" ASK_REVIEW("1"), "2<" REFUSED("1"), "2<" STARTED_AS("t", "hidden", "r"),
			"2<" COMPLETED("r"), "1<" ANSWER("1", "r"),
			"1<" STARTED_AS("t", "hidden", "r"), "1<" COMPLETED("r")},
		"review/start answered\n  dispatch review\n    turn r closed OK\n"
		"review/start error ERROR: no\n"},
	{.about = "the one that is listened to goes away",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "12<" STARTED("u"),
			"12<" DELTA("u", "m", "x"), "12<" COMMAND("u", "i"), "1-",
			"2<" DELTA("u", "m", "x"), "2<" COMMAND_ENDED("u", "i"),
			"2<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK turn.delta.count=2\n"
		"      item commandExecution i closed\n",
		" turn.delta.count"},
	{.about = "who hears late that the last turn is over",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "12<" STARTED("u"), "1<" STATUS("idle"),
			"1<" COMPLETED("u"), "1>" ASK("2"), "1<" ANSWER("2", "v"),
			"1<" STARTED("v"), "2<" STATUS("idle"), "2<" COMPLETED("u"), "+2001",
			"1<" COMPLETED("v")},
		THE_TURN "turn/start answered\n  dispatch turn_input\n    turn v closed OK\n"},
	{.about = "who sees nothing but the thread's state",
		{"2>" RESUME("1"), "1>" ASK("1"), "1<" ANSWER("1", "u"), "2<" STATUS("idle"),
			"+2001", "1<" COMPLETED("u"), "2<" REFUSED("1")},
		"thread/resume error ERROR: no\n" THE_TURN},
	{.about = "who sees the thread's state when nobody else is left",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1-", "2<" STATUS("idle"), "+2001",
			"2<" COMPLETED("u")},
		"turn/start answered\n  dispatch turn_input\n    turn u idle\n"},

	/* the server asks */
	{.about = "approvals: accepted, declined, refused with an error",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" COMMAND("u", "i"),
			"1<" MAY_I("0", "u", "i"), "1>" DECIDED("0", "accept"), "1<" RESOLVED("0"),
			"1<" MAY_I("1", "u", "i"), "1>" DECIDED("1", "decline"),
			"1<" MAY_I("2", "u", "i"), "1>" REFUSED("2"), "1<" RESOLVED("2"),
			"1<" COMMAND_ENDED("u", "i"), "1<" COMPLETED("u")},
		"turn/start answered rpc.request_id=1\n"
		"  dispatch turn_input\n"
		"    turn u closed OK\n"
		"      item commandExecution i closed\n"
		"        approval item/commandExecution/requestApproval answered "
		"approval.decision=accept rpc.request_id=0\n"
		"        approval item/commandExecution/requestApproval answered "
		"approval.decision=decline rpc.request_id=1\n"
		"        approval item/commandExecution/requestApproval error ERROR: no "
		"rpc.request_id=2\n",
		" approval.decision rpc.request_id"},
	{.about = "approvals with amendments and of tools",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" MAY_I("0", "u", "i"),
			"1>" RESULT("0", "'decision':{'acceptWithExecpolicyAmendment':{'x':1}}"),
			"1<" REQUEST("1", "mcpServer/elicitation/request",
				"'threadId':'t','turnId':'u'"),
			"1>" RESULT("1", "'action':'accept'"), "1<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK\n"
		"      approval item/commandExecution/requestApproval answered "
		"approval.decision=acceptWithExecpolicyAmendment\n"
		"      approval mcpServer/elicitation/request answered "
		"approval.decision=accept\n",
		" approval.decision"},
	{.about = "answered elsewhere, with copies",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "12<" STARTED("u"),
			"12<" MAY_I("0", "u", "i"), "2>" DECIDED("0", "accept"),
			"12<" RESOLVED("0"), "1>" DECIDED("0", "decline"), "1<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK\n"
		"      approval item/commandExecution/requestApproval answered "
		"approval.decision=accept\n",
		" approval.decision"},
	{.about = "asked once more after the answer",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" MAY_I("0", "u", "i"),
			"1>" DECIDED("0", "accept"), "1<" RESOLVED("0"), "2<" MAY_I("0", "u", "i"),
			"2<" RESOLVED("0"), "1<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK\n"
		"      approval item/commandExecution/requestApproval answered\n"},
	{.about = "resolved by somebody that we do not see",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" MAY_I("0", "u", "i"),
			"1<" RESOLVED("0"), "1<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK\n"
		"      approval item/commandExecution/requestApproval closed\n"},
	{.about = "void by an interrupt",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" MAY_I("0", "u", "i"),
			"1>" INTERRUPT("2", "u"), "1<" DONE("2"), "1<" RESOLVED("0"),
			"1>" DECIDED("0", "accept"), "1<" INTERRUPTED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed\n"
		"      approval item/commandExecution/requestApproval closed\n"
		"turn/interrupt answered\n  dispatch interrupt\n"},
	{.about = "never answered",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" COMMAND("u", "i"),
			"1<" MAY_I("0", "u", "i"), "1<" COMPLETED("u"),
			"1>" DECIDED("0", "accept")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK\n"
		"      item commandExecution i parent_ended\n"
		"        approval item/commandExecution/requestApproval parent_ended\n"},
	{.about = "ids of both sides are the same",
		{"1>" ASK("0"), "1<" ANSWER("0", "u"), "1>" REQUEST("1", "thread/list", ""),
			"1<" MAY_I("1", "u", "i"), "1<" DONE("1"), "1>" DECIDED("1", "accept"),
			"1<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK\n"
		"      approval item/commandExecution/requestApproval answered\n"
		"thread/list answered\n"},
	{.about = "an id as a text is another",
		{"1<" MAY_I("1", "u", "i"), "1>" DECIDED("'1'", "x"), "1<" RESOLVED("'1'"),
			"1>" DECIDED("1.0", "y")},
		"approval item/commandExecution/requestApproval answered approval.decision=y\n",
		" approval.decision"},
	{.about = "the same id of two servers",
		{"1<" MAY_I("0", "u", "i"), "2<" MAY_I("0", "u", "i"), "2>" DECIDED("0", "b"),
			"1>" DECIDED("0", "a")},
		"approval item/commandExecution/requestApproval answered approval.decision=a\n"
		"approval item/commandExecution/requestApproval answered approval.decision=b\n",
		" approval.decision",
		{NULL},
		true},
	{.about = "nobody is left to answer",
		{"12<" MAY_I("0", "u", "i"), "1-", "2-", "2<" MAY_I("1", "u", "i"), "2!"},
		"approval item/commandExecution/requestApproval connection_closed "
		"rpc.request_id=0\n"
		"approval item/commandExecution/requestApproval backend_exited ERROR: "
		"the backend ended rpc.request_id=1\n",
		" rpc.request_id"},
	{.about = "a question about nothing",
		{"1<" REQUEST("0", "currentTime/read", ""), "1>" DONE("0")},
		"approval currentTime/read answered\n"},
	{.about = "the client is told of the question's span",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "12<" STARTED("u"),
			"1?" MAY_I("0", "u", "i"), "2?" MAY_I("0", "u", "i"),
			"1>" DECIDED("0", "accept"), "2?" MAY_I("0", "u", "i"), "1<" COMPLETED("u"),
			"3?" MAY_I("0", "u", "i"), "3?" REQUEST("5", "currentTime/read", "")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK\n"
		"      approval item/commandExecution/requestApproval answered\n"
		"approval currentTime/read connection_closed\n",
		NULL,
		{"--propagation-inject-server-requests=true"}},
	{.about = "the client is told of the turn if questions have no spans",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1?" MAY_I("0", "u", "i"),
			"1>" DECIDED("0", "accept"), "1<" COMPLETED("u"),
			"1?" MAY_I("1", "u", "i")},
		THE_TURN,
		NULL,
		{"--propagation-inject-server-requests=true", "--lifecycle-approvals=false"}},

	/* requests that come to nothing */
	{.about = "refused",
		{"1>" ASK("1"), "1<" REFUSED("1"), "1>" ASK_COMPACT("2"), "1<" REFUSED("2"),
			"1<" STARTED("u"), "1<" COMPLETED("u")},
		"turn/start error ERROR: no\nthread/compact/start error ERROR: no\n"
		"turn u closed OK\n"},
	{.about = "refused, although it started",
		{"1>" ASK("1"), "1<" STARTED("u"), "1<" REFUSED("1"), "1<" COMPLETED("u")},
		"turn/start error ERROR: no\n  dispatch turn_input\n    turn u closed OK\n"},
	{.about = "never answered",
		{"1>" ASK("1"), "+600001", "1<" ANSWER("1", "u"), "1<" STARTED("u")},
		"turn/start expired ERROR: no answer within inflight.max_age\nturn u shutdown\n"},
	{.about = "its id is used again",
		{"1>" ASK("1"), "1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" COMPLETED("u")},
		"turn/start id_reused ERROR: no answer yet when the id was used again\n" THE_TURN},
	{.about = "evicted",
		{"1>" ASK("1"), "1>" ASK_SHELL("2"), "1>" ASK("3"), "1<" STARTED("u"),
			"1<" ANSWER("1", "u"), "1<" ANSWER("3", "u"), "1<" COMPLETED("u")},
		"turn/start evicted ERROR: no answer yet when inflight.max was reached\n"
		"thread/shellCommand shutdown ERROR: no answer yet at shutdown\n"
		"  dispatch run_user_shell_command\n"
		"    turn u closed OK\n"
		"turn/start answered\n  dispatch turn_input -> turn u\n",
		NULL,
		{"--inflight-max=2"}},
	{.about = "without a thread",
		{"1>" REQUEST("1", "turn/start", ""), "1<" ANSWER("1", "u"),
			"1>" REQUEST("2", "turn/start", "'threadId':''"), "1<" REFUSED("2"),
			"1<" NOTICE("turn/started", "'turn':{'id':'u'}"),
			"1<" NOTICE("turn/completed", "'threadId':'t','turn':{}")},
		"turn/start answered\n  dispatch turn_input\nturn/start error ERROR: no\n"},

	/* parts that are off */
	{.about = "lifecycle=off",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STARTED("u"), "1<" COMMAND("u", "i"),
			"1?" MAY_I("0", "u", "i"), "1>" DECIDED("0", "accept"),
			"1<" COMPLETED("u")},
		"turn/start answered\n",
		NULL,
		{"--lifecycle=off"}},
	{.about = "dispatch=turns",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1>" INTERRUPT("2", "u"), "1<" DONE("2"),
			"1<" INTERRUPTED("u"), "1>" ASK_COMPACT("3"), "1<" DONE("3"),
			"1<" STARTED("c"), "1<" COMPLETED("c")},
		"turn/start answered\n  dispatch turn_input\n    turn u closed\n"
		"turn/interrupt answered\n"
		"thread/compact/start answered\n  dispatch compact\n    turn c closed OK\n",
		NULL,
		{"--lifecycle-dispatch=turns"}},
	{.about = "dispatch=none",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1>" ASK("2"), "1<" ANSWER("2", "u"),
			"1<" COMPLETED("u"), "1>" ASK_COMPACT("3"), "1<" DONE("3"),
			"1<" STARTED("c"), "1<" COMPLETED("c"), "1>" ASK("4"), "1<" REFUSED("4"),
			"1>" ASK_COMPACT("5"), "1<" DONE("5"), "+60001", "1>" ASK("6"),
			"1<" STARTED("v"), "1<" ANSWER("6", "v"), "1<" COMPLETED("v")},
		"turn/start answered\n  turn u closed OK\n"
		"turn/start answered\n"
		"thread/compact/start answered\n  turn c closed OK\n"
		"turn/start error ERROR: no\n"
		"thread/compact/start answered\n"
		"turn/start answered\n  turn v closed OK\n",
		NULL,
		{"--lifecycle-dispatch=none"}},
	{.about = "items off",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" COMMAND("u", "i"),
			"1<" MAY_I("0", "u", "i"), "1>" DECIDED("0", "accept"),
			"1<" COMMAND_ENDED("u", "i"), "1<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK\n"
		"      approval item/commandExecution/requestApproval answered\n",
		NULL,
		{"--lifecycle-items=false"}},
	{.about = "approvals off",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" COMMAND("u", "i"),
			"1<" MAY_I("0", "u", "i"), "1>" DECIDED("0", "accept"), "1<" RESOLVED("0"),
			"1<" COMMAND_ENDED("u", "i"), "1<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK\n"
		"      item commandExecution i closed\n",
		NULL,
		{"--lifecycle-approvals=false"}},
	{.about = "deltas off",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" DELTA("u", "m", "x"),
			"1<" COMPLETED("u")},
		"turn/start answered\n  dispatch turn_input\n    turn u closed OK\n",
		" turn.delta.count turn.delta.bytes turn.time_to_first_token_ms",
		{"--lifecycle-deltas=false"}},
};

static void talk_say(struct conversation *said, const struct talk *talk)
{
	size_t i;

	for (i = 0; i < sizeof talk->lines / sizeof talk->lines[0] && talk->lines[i] != NULL; i++)
		conversation_line(said, talk->lines[i]);
}

START_TEST(test_talks)
{
	const struct talk *talk = &talks[_i];
	struct conversation *said;
	const char *tree;

	conversation_load(talk->flags);
	conversation_only.own_backends = talk->own_backends;
	said = conversation_begin();
	talk_say(said, talk);
	conversation_shut_down(said);
	tree = conversation_tree(said, talk->show);
	ck_assert_msg(
		strcmp(tree, talk->tree) == 0, "%s:\n%s\nnot:\n%s", talk->about, tree, talk->tree);
	conversation_check_all(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

#define COUNT(rows) ((int)(sizeof(rows) / sizeof(rows)[0]))

int main(void)
{
	TCase *tc = tcase_create("follower");

	tcase_add_loop_test(tc, test_talks, 0, COUNT(talks));
	return unit_run("follower", tc);
}

/*
 * Conversations with codex app-server and the spans that must come of them: each row tells one
 * thing that its turns do. What must hold of any conversation is checked after each.
 */
#include "proxy/trace/follow/follower.h"

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

#define ASK_BELOW(id)                                                                              \
	"{'id':" id ",'method':'turn/start','params':{'threadId':'t'},'trace':{'traceparent':'"    \
	"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'}}"
#define BELOW_CLIENT                                                                               \
	{                                                                                          \
		"--lifecycle-turn-below=client"                                                    \
	}

static const struct talk talks[] = {
	/* what is at the top */
	{.about = "the turn is the root",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STARTED("u"), "1<" COMPLETED("u")},
		"turn u closed OK -> dispatch turn_input\n"
		"  turn/start answered\n"
		"    dispatch turn_input\n",
		.flags = BELOW_CLIENT},
	{.about = "the turn is the root, told of before the answer",
		{"1>" ASK("1"), "1<" STARTED("u"), "1<" ANSWER("1", "u"), "1<" COMPLETED("u")},
		"turn u closed OK -> dispatch turn_input\n"
		"  turn/start answered\n"
		"    dispatch turn_input\n",
		.flags = BELOW_CLIENT},
	{.about = "the turn is the root, no answer comes",
		{"1>" ASK("1"), "1<" STARTED("u"), "1<" COMPLETED("u"), "1-"},
		"turn u closed OK -> dispatch turn_input\n"
		"  turn/start connection_closed ERROR: no answer: the connection was closed\n"
		"    dispatch turn_input\n",
		.flags = BELOW_CLIENT},
	{.about = "the turn is beside its request, below the client",
		{"1>" ASK_BELOW("1"), "1<" ANSWER("1", "u"), "1<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"turn u closed OK -> dispatch turn_input\n",
		.flags = BELOW_CLIENT},
	{.about = "a turn that comes behind the answer, below the client",
		{"1>{'id':1,'method':'thread/compact/start','params':{'threadId':'t'},'trace':{"
		 "'traceparent':'00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'}}",
			"1<" RESULT("1", ""), "1<" STARTED("c"), "1<" COMPLETED("c")},
		"thread/compact/start answered\n"
		"  dispatch compact\n"
		"turn c closed OK -> dispatch compact\n",
		.flags = BELOW_CLIENT},
	{.about = "a turn that comes behind the answer, without a client",
		{"1>" ASK_COMPACT("1"), "1<" RESULT("1", ""), "1<" STARTED("c"),
			"1<" COMPLETED("c")},
		"thread/compact/start answered\n"
		"  dispatch compact\n"
		"    turn c closed OK\n",
		.flags = BELOW_CLIENT},
	{.about = "steering has no turn of its own to be below",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1>" ASK("2"), "1<" ANSWER("2", "u"),
			"1<" COMPLETED("u")},
		"turn u closed OK -> dispatch turn_input\n"
		"  turn/start answered\n"
		"    dispatch turn_input\n"
		"turn/start answered\n"
		"  dispatch turn_input -> turn u\n",
		.flags = BELOW_CLIENT},
	{.about = "a refused request is alone",
		{"1>" ASK("1"), "1<{'error':{'code':-1,'message':'no'},'id':1}"},
		"turn/start error ERROR: no\n",
		.flags = BELOW_CLIENT},

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
	{.about = "turn/steer that names the turn twice",
		{"1>" REQUEST(
			 "1", "turn/steer", "'threadId':'t','turnId':'a','expectedTurnId':'b'"),
			"1<" RESULT("1", "'turnId':'b'")},
		"turn/steer answered turn.id=b\n  dispatch turn_input turn.id=b\n",
		" turn.id"},
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
		"turn/start answered\n  dispatch turn_input\n    turn b closed OK -> turn a\n"
		"turn/start answered\n  dispatch turn_input -> turn b\n"
		"turn/start answered\n  dispatch turn_input -> turn b\n"
		"turn/start answered\n  dispatch turn_input\n    turn c closed OK -> turn b\n"
		"turn/start answered\n  dispatch turn_input\n    turn d closed OK -> turn c\n"
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
		"review/start answered\n  dispatch review\n    turn r closed OK -> turn u\n"},

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
		"thread/compact/start answered\n  dispatch compact\n    turn c closed OK -> turn "
		"u\n"},
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
		"turn/start answered\n  dispatch turn_input\n    turn v closed OK -> turn u\n"},
	{.about = "a queued turn ends what is at rest",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STATUS("idle"), "1<" STARTED("v"),
			"1<" COMPLETED("v")},
		"turn/start answered\n  dispatch turn_input\n    turn u idle\n"
		"turn v closed OK -> turn u\n"},
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
		"    turn started u turn.kind=turn\n"
		"    turn u closed OK turn.kind=turn\n"
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
		"    turn u backend_exited ERROR: the server ended "
		"error.type=backend_exited\n"
		"      item commandExecution i backend_exited ERROR: the server ended "
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
		"    turn u backend_exited ERROR: the server ended\n"},
	{.about = "lost before the answer",
		{"1>" ASK("1"), "1>" ASK_COMPACT("2"), "1!"},
		"turn/start backend_exited ERROR: no answer: the server ended\n"
		"thread/compact/start backend_exited ERROR: no answer: the server ended\n"},
	{.about = "lost after the start, before the answer",
		{"1>" ASK("1"), "1<" STARTED("u"), "1!"},
		"turn/start backend_exited ERROR: no answer: the server ended\n"
		"  dispatch turn_input\n"
		"    turn u backend_exited ERROR: the server ended\n"},
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
		"    turn u backend_exited ERROR: the server ended\n"
		"thread/shellCommand backend_exited ERROR: no answer: the server ended\n",
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
	{.about = "the one that has asked hears no more",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "2<" STARTED("u"), "2<" COMMAND("u", "i"),
			"2<" DELTA("u", "m", "x"), "2<" PROBLEM("u", "true"),
			"2<" DELTA("u", "m", "x"), "2<" COMMAND_ENDED("u", "i"),
			"12<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK turn.delta.count=2\n"
		"      item commandExecution i closed\n",
		" turn.delta.count"},
	{.about = "one hears what happens, the other what is said",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "12<" STARTED("u"), "1<" COMMAND("u", "i"),
			"1<" PROBLEM("u", "true"), "2<" DELTA("u", "m", "x"),
			"1<" COMMAND_ENDED("u", "i"), "2<" DELTA("u", "m", "x"),
			"3<" DELTA("u", "m", "x"), "12<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK turn.delta.count=2\n"
		"      item commandExecution i closed\n",
		" turn.delta.count"},
	{.about = "who hears late that the last turn is over",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "12<" STARTED("u"), "1<" STATUS("idle"),
			"1<" COMPLETED("u"), "1>" ASK("2"), "1<" ANSWER("2", "v"),
			"1<" STARTED("v"), "2<" STATUS("idle"), "2<" COMPLETED("u"),
			"2<" STATUS("active"), "+2001", "1<" COMPLETED("v")},
		THE_TURN
		"turn/start answered\n  dispatch turn_input\n    turn v closed OK -> turn u\n"},
	{.about = "the other one is ahead",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "2<" STARTED("u"), "2<" COMPLETED("u"),
			"1<" PROBLEM("u", "true"), "1<" DELTA("u", "m", "x"), "1<" COMPLETED("u"),
			"+2001"},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK turn.delta.count=1\n",
		" turn.delta.count"},
	{.about = "the other one is ahead, and counts",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "2<" STARTED("u"),
			"2<" FAILED("u", "'other'"), "1<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed ERROR: boom turn.status=failed\n",
		" turn.status"},
	{.about = "the other one is ahead, the first goes away",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "2<" STARTED("u"),
			"2<" FAILED("u", "'other'"), "1!"},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed ERROR: boom error.type=other\n",
		" error.type"},
	{.about = "the other one is ahead, the first says no more",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "2<" COMPLETED("u"), "+1990", "+20",
			"1<" STARTED("u")},
		THE_TURN},
	{.about = "the other one is ahead and steers what comes next",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "2<" COMPLETED("u"), "2>" ASK_SHELL("1"),
			"2<" DONE("1"), "2<" STARTED("s"), "2<" COMPLETED("s"),
			"1<" COMPLETED("u")},
		THE_TURN "thread/shellCommand answered\n"
			 "  dispatch run_user_shell_command\n    turn s closed OK\n"},
	{.about = "who sees nothing but the thread's state",
		{"2>" RESUME("1"), "1>" ASK("1"), "1<" ANSWER("1", "u"), "2<" STATUS("idle"),
			"+2001", "2<" REFUSED("1")},
		"thread/resume error ERROR: no\n"
		"turn/start answered\n  dispatch turn_input\n    turn u idle\n"},
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
		"the server ended rpc.request_id=1\n",
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
		{"--propagation-inject-server-requests=true", "--lifecycle-off=approvals"}},

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
		"turn/start evicted ERROR: no answer yet when inflight.max or inflight.bytes_max "
		"was reached\n"
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

	{.about = "messages without what they should have",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"),
			"1<" NOTICE("thread/tokenUsage/updated", "'threadId':'t'"),
			"1<" NOTICE("error", "'threadId':'t','willRetry':true"),
			"1<" NOTICE("serverRequest/resolved", "'threadId':'t'"),
			"1<" NOTICE("thread/status/changed", "'status':{'type':'idle'}"),
			"1>" RESULT("99", ""), "1<" RESULT("99", ""), "1<" COMPLETED("u")},
		THE_TURN},

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
		"thread/compact/start answered\n  dispatch compact\n    turn c closed OK -> turn "
		"u\n",
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
		"thread/compact/start answered\n  turn c closed OK -> turn u\n"
		"turn/start error ERROR: no\n"
		"thread/compact/start answered\n"
		"turn/start answered\n  turn v closed OK -> turn c\n",
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
		{"--lifecycle-off=items"}},
	{.about = "approvals off",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" COMMAND("u", "i"),
			"1<" MAY_I("0", "u", "i"), "1>" DECIDED("0", "accept"), "1<" RESOLVED("0"),
			"1<" COMMAND_ENDED("u", "i"), "1<" COMPLETED("u")},
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u closed OK\n"
		"      item commandExecution i closed\n",
		NULL,
		{"--lifecycle-off=approvals"}},
	{.about = "deltas off",
		{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" DELTA("u", "m", "x"),
			"1<" COMPLETED("u")},
		"turn/start answered\n  dispatch turn_input\n    turn u closed OK\n",
		" turn.delta.count turn.delta.bytes turn.time_to_first_token_ms",
		{"--lifecycle-off=deltas"}},
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
	ck_assert_uint_eq(conversation_counters(said)->aliases_dropped, 0);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* --- what the spans say --- */

/* Says some lines; all is shut down. */
static struct conversation *talk_hold(const char *const *flags, const char *const *lines)
{
	struct conversation *said;

	conversation_load(flags);
	said = conversation_begin();
	for (; *lines != NULL; lines++)
		conversation_line(said, *lines);
	conversation_shut_down(said);
	return said;
}

static void talk_done(struct conversation *said)
{
	conversation_check_all(said);
	conversation_end(said);
	conversation_unload();
}

#define HTTP_STATUS "{'httpStatusCode':429}"

static const struct {
	const char *end;
	const char *type;
} failures[] = {
	{FAILED("u", "'internalServerError'"), "internalServerError"},
	{FAILED("u", "'badRequest'"), "badRequest"},
	{FAILED("u", "{'httpConnectionFailed':" HTTP_STATUS "}"), "httpConnectionFailed"},
	{FAILED("u", "{'responseStreamConnectionFailed':" HTTP_STATUS "}"),
		"responseStreamConnectionFailed"},
	{FAILED("u", "{'responseStreamDisconnected':" HTTP_STATUS "}"),
		"responseStreamDisconnected"},
	{FAILED("u", "{'responseTooManyFailedAttempts':" HTTP_STATUS "}"),
		"responseTooManyFailedAttempts"},
	{FAILED("u", "{'activeTurnNotSteerable':{'turnKind':'review'}}"), "activeTurnNotSteerable"},
	{FAILED("u", "null"), "_OTHER"},
};

START_TEST(test_failures)
{
	char end[512];
	const char *lines[] = {"1>" ASK("1"), "1<" ANSWER("1", "u"), end, NULL};
	struct conversation *said;
	const struct kept *turn;
	char type[64];

	snprintf(end, sizeof end, "1<%s", failures[_i].end);
	snprintf(type, sizeof type, " error.type=%s ", failures[_i].type);
	said = talk_hold(NULL, lines);
	turn = conversation_span(said, "app_server.turn");
	ck_assert_int_eq(turn->status, SPAN_STATUS_ERROR);
	ck_assert_str_eq(turn->message, "boom");
	text_has(turn->attributes, type);
	text_has(turn->attributes, " turn.status=failed ");
	talk_done(said);
}
END_TEST

/* All that a turn and its dispatch say. */
START_TEST(test_turn)
{
	static const char *const lines[] = {"1>" ASK("1"), "1<" ANSWER("1", "u"),
		"1<" DELTA("u", "m", "four"), "1<" DELTA("u", "m", "\\u00e9"),
		"1<" NOTICE("thread/tokenUsage/updated",
			"'threadId':'t','turnId':'u','tokenUsage':{'total':{'inputTokens':999},"
			"'last':{'inputTokens':10,'cachedInputTokens':4,'outputTokens':3,"
			"'reasoningOutputTokens':0,'totalTokens':13}}"),
		"1<" NOTICE("thread/tokenUsage/updated",
			"'threadId':'t','turnId':'u','tokenUsage':{"
			"'last':{'inputTokens':5,'outputTokens':2,'reasoningOutputTokens':1}}"),
		"1<" NOTICE("turn/plan/updated", "'threadId':'t','turnId':'u','plan':[]"),
		"1<" PROBLEM("u", "true"), "1<" PROBLEM("u", "false"), "1<" PROBLEM("u", "1"),
		"1<" NOTICE("model/rerouted", "'threadId':'t','turnId':'u'"), "1<" COMPLETED("u"),
		NULL};
	struct conversation *said = talk_hold(NULL, lines);
	const struct kept *turn = conversation_span(said, "app_server.turn");
	const struct kept *dispatch = conversation_span(said, "app_server.dispatch turn_input");

	ck_assert_str_eq(turn->attributes,
		" thread.id=t turn.id=u turn.kind=turn gen_ai.usage.input_tokens=15 "
		"gen_ai.usage.cache_read.input_tokens=4 gen_ai.usage.output_tokens=5 "
		"gen_ai.usage.reasoning.output_tokens=1 turn.status=completed "
		"turn.delta.count=2 turn.delta.bytes=10 turn.time_to_first_token_ms=1 "
		"sidespan.end_reason=closed ");
	ck_assert_str_eq(turn->events, " *plan updated  *retry error.message=Reconnecting  *error "
				       "error.message=Reconnecting  *model rerouted ");
	ck_assert_int_eq(turn->kind, SPAN_KIND_INTERNAL);
	ck_assert_uint_eq(turn->start_unix_ns, dispatch->start_unix_ns); /* when its id was told */
	ck_assert_uint_eq(turn->end_unix_ns, CONVERSATION_WALL_NS + 11 * CONVERSATION_STEP_NS);
	ck_assert_str_eq(dispatch->attributes,
		" app_server.operation=turn_input rpc.method=turn/start thread.id=t turn.id=u ");
	ck_assert_int_eq(dispatch->kind, SPAN_KIND_INTERNAL);
	ck_assert_uint_eq(dispatch->start_unix_ns, CONVERSATION_WALL_NS + 1000);
	ck_assert_uint_eq(dispatch->end_unix_ns, CONVERSATION_WALL_NS + CONVERSATION_STEP_NS);
	talk_done(said);
}
END_TEST

static const struct {
	const char *started, *completed;
	const char *name, *attributes;
	enum span_status status;
	const char *message;
} items[] = {
	{"'type':'commandExecution','command':'/bin/bash -lc \\'secret\\''",
		"'type':'commandExecution','status':'completed','exitCode':0",
		"app_server.item commandExecution",
		" thread.id=t turn.id=u item.id=i item.type=commandExecution "
		"process.executable.name=bash item.status=completed process.exit.code=0 "
		"sidespan.end_reason=closed ",
		SPAN_STATUS_UNSET, ""},
	{"'type':'commandExecution','command':'/bin/bash -lc x',"
	 "'commandActions':[{'type':'unknown','command':'ls -l'}]",
		"'type':'commandExecution','status':'failed','exitCode':-1",
		"app_server.item commandExecution",
		" thread.id=t turn.id=u item.id=i item.type=commandExecution "
		"process.executable.name=ls item.status=failed process.exit.code=-1 ",
		SPAN_STATUS_ERROR, ""},
	{"'type':'mcpToolCall','server':'srv','tool':'search','arguments':{'q':'secret'}",
		"'type':'mcpToolCall','status':'failed','error':{'message':'refused'}",
		"app_server.item mcpToolCall",
		" thread.id=t turn.id=u item.id=i item.type=mcpToolCall gen_ai.tool.name=search "
		"mcp.server.name=srv item.status=failed ",
		SPAN_STATUS_ERROR, "refused"},
	{"'type':'reasoning','summary':['secret']", "'type':'reasoning'",
		"app_server.item reasoning",
		" thread.id=t turn.id=u item.id=i item.type=reasoning sidespan.end_reason=closed ",
		SPAN_STATUS_UNSET, ""},
	{"'type':'agentMessage','text':'secret'", "'type':'agentMessage','text':'secret'",
		"app_server.item agentMessage",
		" thread.id=t turn.id=u item.id=i item.type=agentMessage "
		"sidespan.end_reason=closed ",
		SPAN_STATUS_UNSET, ""},
	{"'type':'fileChange','changes':[]", "'type':'fileChange','status':'declined'",
		"app_server.item fileChange",
		" thread.id=t turn.id=u item.id=i item.type=fileChange item.status=declined ",
		SPAN_STATUS_UNSET, ""},
	{"'type':'userMessage','content':[]", "'type':'userMessage'", NULL, "", SPAN_STATUS_UNSET,
		""},
};

START_TEST(test_items)
{
	char started[512], completed[512];
	const char *lines[] = {
		"1>" ASK("1"), "1<" ANSWER("1", "u"), started, completed, completed, NULL};
	struct conversation *said;
	const struct kept *item;

	snprintf(started, sizeof started, "1<" ITEM("started", "u", "i", "%s"), items[_i].started);
	snprintf(completed, sizeof completed, "1<" ITEM("completed", "u", "i", "%s"),
		items[_i].completed);
	said = talk_hold(NULL, lines);
	ck_assert_uint_eq(conversation_count(said, "app_server.item "), items[_i].name != NULL);
	if (items[_i].name != NULL) {
		item = conversation_span(said, items[_i].name);
		text_has(item->attributes, items[_i].attributes);
		ck_assert_int_eq(item->status, items[_i].status);
		ck_assert_str_eq(item->message, items[_i].message);
	}
	talk_done(said);
}
END_TEST

/* Who has asked hears no more: what another connection tells is what happens. */
START_TEST(test_told_elsewhere)
{
	static const char *const lines[] = {"1>" ASK("1"), "1<" ANSWER("1", "u"), "2<" STARTED("u"),
		"2<" PROBLEM("u", "true"), "3<" PROBLEM("u", "true"), "12<" COMPLETED("u"), NULL};
	struct conversation *said = talk_hold(NULL, lines);
	const struct kept *turn = conversation_span(said, "app_server.turn");

	ck_assert_uint_eq(turn->event_count, 1);
	text_has(turn->events, " *retry ");
	talk_done(said);
}
END_TEST

/* What commands print is counted, whose it is; deltas of no turn or item are nobody's. */
START_TEST(test_output)
{
	static const char *const lines[] = {"1>" ASK("1"), "1<" ANSWER("1", "u"),
		"1<" COMMAND("u", "i"), "1<" COMMAND("u", "j"),
		"1<" NOTICE("item/commandExecution/outputDelta", PART("u", "j") ",'delta':'abc'"),
		"1<" NOTICE("item/commandExecution/outputDelta", PART("u", "x") ",'delta':'abc'"),
		"1<" DELTA("x", "i", "abc"), "1<" COMMAND_ENDED("u", "i"),
		"1<" COMMAND_ENDED("u", "j"), NULL};
	struct conversation *said = talk_hold(NULL, lines);

	ck_assert_str_eq(conversation_tree(said, " item.output.count item.output.bytes "
						 "turn.delta.count"),
		"turn/start answered\n"
		"  dispatch turn_input\n"
		"    turn u shutdown\n"
		"      item commandExecution i closed\n"
		"      item commandExecution j closed item.output.count=1 "
		"item.output.bytes=3\n");
	talk_done(said);
}
END_TEST

/* A question says which method, which id, and is of the kind that a client's span is. */
START_TEST(test_question)
{
	static const char *const lines[] = {"1>" ASK("1"), "1<" ANSWER("1", "u"),
		"1<" MAY_I("'q-1'", "u", "i"), "1>" DECIDED("'q-1'", "acceptForSession"), NULL};
	struct conversation *said = talk_hold(NULL, lines);
	const struct kept *question = conversation_span(
		said, "app_server.approval item/commandExecution/requestApproval");

	ck_assert_int_eq(question->kind, SPAN_KIND_CLIENT);
	ck_assert_str_eq(question->attributes,
		" thread.id=t turn.id=u item.id=i rpc.method=item/commandExecution/requestApproval "
		"rpc.request_id=q-1 approval.decision=acceptForSession "
		"sidespan.end_reason=answered ");
	ck_assert_uint_eq(
		question->end_unix_ns, question->start_unix_ns + CONVERSATION_STEP_NS + 1000);
	talk_done(said);
}
END_TEST

/*
 * An announcement is beside its turn, below what has been sent, as long as the turn so far, says
 * what is known by then, and comes again: after 10 s, a minute, ten minutes, an hour, each hour.
 */
START_TEST(test_announcement)
{
	static const char *const lines[] = {"1>" ASK("1"), "1<" ANSWER("1", "u"), "+9998", "+1",
		"+1", "+49999", "+1", "+539999", "+1", "+2999999", "+1", "+3600000",
		"1<" COMPLETED("u"), NULL};
	struct conversation *said = talk_hold(NULL, lines);
	const struct kept *dispatch = conversation_span(said, "app_server.dispatch turn_input");
	const struct kept *turn = conversation_span(said, "app_server.turn");
	static const unsigned seconds[] = {10, 60, 600, 3600, 7200};
	size_t i, count = 0;

	for (i = 0; i < said->exporter->count; i++) {
		const struct kept *told = &said->exporter->spans[i];

		if (strcmp(told->name, "app_server.turn started") != 0)
			continue;
		ck_assert_mem_eq(told->parent, dispatch->context.span_id, SPAN_ID_SIZE);
		ck_assert_uint_eq(told->start_unix_ns, turn->start_unix_ns);
		ck_assert_uint_eq(
			(told->end_unix_ns - told->start_unix_ns) / 1000000000, seconds[count++]);
		ck_assert_int_eq(told->kind, SPAN_KIND_INTERNAL);
		ck_assert_str_eq(told->attributes,
			" thread.id=t turn.id=u turn.kind=turn turn.status=inProgress ");
	}
	ck_assert_uint_eq(count, 5);
	ck_assert_uint_eq(conversation_counters(said)->announced, 5);
	text_has_not(turn->attributes, "inProgress");
	talk_done(said);
}
END_TEST

/* What somebody is asked in a turn is announced, too, below what has been sent of the trace. */
START_TEST(test_announcement_below)
{
	static const char *const lines[] = {"1>" ASK("1"), "1<" ANSWER("1", "u"),
		"1?" MAY_I("0", "u", "i"), "+10000", "1<" COMPLETED("u"), NULL};
	struct conversation *said = talk_hold(NULL, lines);
	const struct kept *dispatch = conversation_span(said, "app_server.dispatch turn_input");
	const struct kept *told = conversation_span(said, "app_server.approval pending");

	ck_assert_mem_eq(told->parent, dispatch->context.span_id, SPAN_ID_SIZE);
	text_has(told->attributes, " item.id=i ");
	text_has(told->attributes, " rpc.request_id=0 ");
	ck_assert_uint_eq(conversation_counters(said)->announced, 2);
	talk_done(said);
}
END_TEST

/* --- contexts --- */

#define ASK_IN(id, parent)                                                                         \
	"{'id':" id                                                                                \
	",'method':'turn/start','params':{'threadId':'t'},'trace':{'traceparent':'" parent         \
	"','tracestate':'a=1'}}"

/*
 * The client's trace and its state go on: in dispatch, turn, items, questions, sub-agents' turns.
 */
START_TEST(test_client_context)
{
	static const char *const lines[] = {"1>" ASK_IN("1", CONVERSATION_CLIENT("01")),
		"1<" ANSWER("1", "u"), "1<" COMMAND("u", "i"), "1?" MAY_I("0", "u", "i"), NULL};
	static const char *const flags[] = {"--propagation-inject-server-requests=true", NULL};
	struct conversation *said = talk_hold(flags, lines);
	struct traceparent client;
	size_t i;

	ck_assert_int_eq(
		traceparent_parse(&client, CONVERSATION_CLIENT("01"), TRACEPARENT_SIZE), 0);
	ck_assert_uint_eq(said->exporter->count, 5);
	for (i = 0; i < 5; i++) {
		const struct kept *span = &said->exporter->spans[i];

		ck_assert_mem_eq(span->context.trace_id, client.trace_id, TRACE_ID_SIZE);
		ck_assert_str_eq(span->tracestate, "a=1");
	}
	text_has(said->carrier, "\"tracestate\":\"a=1\"");
	ck_assert_mem_eq(conversation_span(said, "app_server.request turn/start")->parent,
		client.span_id, SPAN_ID_SIZE);
	talk_done(said);
}
END_TEST

/* The carrier of a turn's request names the turn, that of other work the dispatch. */
START_TEST(test_promises)
{
	static const char *const lines[] = {"1>" ASK("1"), "1<" ANSWER("1", "u"), "1>" ASK("2"),
		"1<" ANSWER("2", "u"), "1>" ASK("3"), "1<" REFUSED("3"),
		"1>" REQUEST("4", "thread/list", ""), "1<" DONE("4"), NULL};
	struct conversation *said = talk_hold(NULL, lines);
	static const char *const names[] = {"app_server.turn", "app_server.dispatch turn_input",
		"app_server.request turn/start", "app_server.request thread/list"};
	size_t i;

	ck_assert_uint_eq(said->told_count, 4);
	for (i = 0; i < 4; i++) {
		const struct kept *span = kept_find(said->exporter, said->told[i].span_id);

		ck_assert_ptr_nonnull(span);
		ck_assert_str_eq(span->name, names[i]);
	}
	talk_done(said);
}
END_TEST

static const struct {
	bool no_exporter;
	const char *ask;
	const char *flag; /* of a carrier */
} quiet_rows[] = {
	{false, "1>" ASK_IN("1", CONVERSATION_CLIENT("00")), "-00\""},
	{true, "1>" ASK_IN("1", CONVERSATION_CLIENT("01")), "-01\""},
};

/* Nothing is recorded, but the context goes on, and what hangs below is not recorded either. */
START_TEST(test_not_recorded)
{
	static const char *const lines[] = {"1<" ANSWER("1", "u"), "1<" COMMAND("u", "i"),
		"1<" STARTED_AS("sub", "v", "u"), "+10001", "1?" MAY_I("0", "u", "i"), NULL};
	struct conversation *said;
	size_t i;

	conversation_load(NULL);
	conversation_only.quiet = quiet_rows[_i].no_exporter;
	said = conversation_begin();
	conversation_line(said, quiet_rows[_i].ask);
	text_has(said->carrier, CONVERSATION_CLIENT_TRACE);
	text_has(said->carrier, quiet_rows[_i].flag);
	for (i = 0; lines[i] != NULL; i++)
		conversation_line(said, lines[i]);
	text_has(said->carrier, CONVERSATION_CLIENT_TRACE);
	text_has(said->carrier, quiet_rows[_i].flag);
	conversation_shut_down(said);
	ck_assert_uint_eq(said->exporter->count, 0);
	ck_assert_uint_eq(conversation_counters(said)->followed, 4);
	conversation_check(said);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* A turn that nobody asked for begins a trace, which the sampler decides on. */
START_TEST(test_sampled_out)
{
	static const char *const flags[] = {"--sampler=always_off", NULL};
	static const char *const lines[] = {"1<" STARTED("u"), "1<" COMPLETED("u"), NULL};
	struct conversation *said = talk_hold(flags, lines);

	ck_assert_uint_eq(said->exporter->count, 0);
	ck_assert_uint_eq(conversation_counters(said)->followed, 1);
	conversation_end(said);
	conversation_unload();
}
END_TEST

/* --- limits --- */

/* Ten thousand pieces of text are two numbers: no memory is asked for. */
START_TEST(test_many_deltas)
{
	struct conversation *said;
	struct envelope *delta;
	size_t i;

	conversation_load(NULL);
	said = conversation_begin();
	conversation_line(said, "1>" ASK("1"));
	conversation_line(said, "1<" ANSWER("1", "u"));
	conversation_line(said, "1<" COMMAND("u", "i"));
	delta = conversation_read(said, DELTA("u", "m", "0123456789"));
	unit_alloc_fail_after(0);
	for (i = 0; i < 10000; i++)
		conversation_backend(said, 1, delta, false);
	unit_alloc_fail_never();
	ck_assert(!unit_alloc_failed());
	conversation_shut_down(said);
	text_has(conversation_span(said, "app_server.turn")->attributes,
		" turn.delta.count=10000 turn.delta.bytes=100000 ");
	talk_done(said);
}
END_TEST

/* The oldest that has nothing below it gives way. */
START_TEST(test_spans_max)
{
	static const char *const flags[] = {"--lifecycle-spans-max=16", NULL};
	struct conversation *said;
	char line[256];
	int i;

	conversation_load(flags);
	said = conversation_begin();
	conversation_line(said, "1<" STARTED("a"));
	conversation_line(said, "1<" COMMAND("a", "i"));
	for (i = 0; i < 14; i++) {
		snprintf(line, sizeof line, "1<" COMMAND("a", "i%d"), i);
		conversation_line(said, line);
	}
	ck_assert_uint_eq(conversation_counters(said)->followed, 16);
	conversation_line(said, "1<" COMMAND("a", "over")); /* the oldest is its parent: it stays */
	ck_assert_uint_eq(conversation_counters(said)->followed_evicted, 1);
	ck_assert_uint_eq(conversation_counters(said)->parents_missing, 0);
	ck_assert_uint_eq(said->exporter->count, 1);
	text_has(said->exporter->spans[0].attributes, " item.id=i ");
	text_has(said->exporter->spans[0].attributes, "=evicted ");
	for (i = 0; i < 17; i++) {
		snprintf(line, sizeof line, "1<" STARTED_AS("x%d", "u%d", "u%d"), i, i, i);
		conversation_line(said, line);
	}
	ck_assert_uint_eq(conversation_counters(said)->followed_evicted, 18);
	ck_assert_uint_eq(said->exporter->count, 18);
	text_has(said->exporter->spans[1].attributes, " item.id=i0 ");
	text_has(said->exporter->spans[15].attributes, " item.id=over ");
	text_has(said->exporter->spans[16].attributes, " turn.id=a ");
	text_has(said->exporter->spans[17].attributes, " turn.id=u0 ");
	for (i = 0; i < 3; i++) {
		snprintf(line, sizeof line, "1<" REQUEST("%d", "currentTime/read", ""), i);
		conversation_line(said, line);
	}
	ck_assert_uint_eq(conversation_counters(said)->followed_evicted, 21);
	conversation_shut_down(said);
	talk_done(said);
}
END_TEST

/*
 * Beyond OPEN_SPAN_WATCHERS_MAX nobody knows who else looks: the end of the others is not the last.
 */
START_TEST(test_watchers_max)
{
	struct conversation *said;
	int i;

	conversation_load(NULL);
	said = conversation_begin();
	conversation_line(said, "123456789<" STARTED("u"));
	conversation_line(said, "9<" STATUS("idle")); /* who is not known is believed */
	for (i = 1; i <= 8; i++)
		conversation_leave(said, (size_t)i, TRACER_BACKEND_EXITED);
	ck_assert_uint_eq(said->exporter->count, 0);
	conversation_line(said, "+2001");
	text_has(conversation_span(said, "app_server.turn")->attributes, "=idle ");
	conversation_shut_down(said);
	talk_done(said);
}
END_TEST

START_TEST(test_aliases_max)
{
	struct conversation *said;
	char line[256];
	int i;

	conversation_load(NULL);
	said = conversation_begin();
	conversation_line(said, "1<" STARTED("r"));
	for (i = 0; i < 5; i++) {
		snprintf(line, sizeof line, "1<" STARTED_AS("t", "alias%d", "r"), i);
		conversation_line(said, line);
	}
	ck_assert_uint_eq(conversation_counters(said)->aliases_dropped, 1);
	conversation_line(said, "1<" COMPLETED("alias4")); /* nobody's */
	ck_assert_uint_eq(said->exporter->count, 0);
	conversation_line(said, "1<" COMPLETED("alias3"));
	ck_assert_uint_eq(said->exporter->count, 1);
	conversation_shut_down(said);
	talk_done(said);
}
END_TEST

/* The parts of a key are texts or numbers of 1 to KEY_PART_MAX bytes. */
static const struct {
	const char *part; /* % stands for so many digits: */
	int digits;
	bool usable;
} key_rows[] = {
	{"'x'", 0, true},
	{"17", 0, true},
	{"1.5e3", 0, true},
	{"'\\u0000'", 0, true},
	{"''", 0, false},
	{"null", 0, false},
	{"true", 0, false},
	{"['x']", 0, false},
	{"{}", 0, false},
	{"'%'", KEY_PART_MAX, true},
	{"'%'", KEY_PART_MAX + 1, false},
	{"1%", KEY_PART_MAX - 1, true},
	{"1%", KEY_PART_MAX, false},
};

START_TEST(test_keys)
{
	size_t plain = strcspn(key_rows[_i].part, "%");
	char part[600], line[1600];
	struct conversation *said;

	snprintf(part, sizeof part, "%.*s", (int)plain, key_rows[_i].part);
	if (key_rows[_i].digits > 0)
		text_append(part, sizeof part, "%0*d%s", key_rows[_i].digits, 0,
			key_rows[_i].part + plain + 1);
	conversation_load(NULL);
	said = conversation_begin();
	snprintf(line, sizeof line, "1<" NOTICE("turn/started", "'threadId':%s,'turn':{'id':%s}"),
		part, part);
	conversation_line(said, line);
	ck_assert_uint_eq(conversation_counters(said)->followed, key_rows[_i].usable);
	ck_assert_uint_eq(conversation_counters(said)->keys_missing, !key_rows[_i].usable);
	snprintf(line, sizeof line, "1<" NOTICE("turn/completed", "'turn':{'id':%s},'threadId':%s"),
		part, part);
	conversation_line(said, line);
	ck_assert_uint_eq(said->exporter->count, key_rows[_i].usable);
	ck_assert_uint_eq(conversation_counters(said)->keys_missing, 2 * !key_rows[_i].usable);
	conversation_shut_down(said);
	talk_done(said);
}
END_TEST

/* --- to the nanosecond --- */

static const struct {
	const char *lines[6];
	uint64_t after_ns; /* the last message, or if it is longer than any grace, the first one */
	const char *end;
	uint64_t expired;
} ends_in_time[] = {
	{{"1>" ASK("1"), "1<" ANSWER("1", "u"), "1<" STATUS("systemError")}, UINT64_C(2000000000),
		"turn u idle", 0},
	{{"1>" ASK("1"), "1<" ANSWER("1", "u"), "2>" RESUME("1"), "2<" FOUND("1", "active"),
		 "2<" COMPLETED("u")},
		UINT64_C(2000000000), "turn u closed OK", 0},
	{{"1>" ASK("1"), "1<" ANSWER("1", "u")}, UINT64_C(86400000000000), "turn u expired", 1},
};

/* What is waited for is waited for as long as is said, and no longer. */
START_TEST(test_ends_in_time)
{
	static const char *const flags[] = {"--lifecycle-announce-after=0", NULL};
	const uint64_t after_ns = ends_in_time[_i].after_ns;
	uint64_t first_ns, last_ns = 0;
	struct conversation *said;
	size_t i, before;

	conversation_load(flags);
	said = conversation_begin();
	first_ns = said->now_ns + 1000; /* when the request was passed on */
	for (i = 0; ends_in_time[_i].lines[i] != NULL; i++) {
		last_ns = said->now_ns;
		conversation_line(said, ends_in_time[_i].lines[i]);
	}
	if (ends_in_time[_i].expired > 0)
		last_ns = first_ns;
	before = said->exporter->count;
	tracer_tick(said->tracer, last_ns + after_ns - 1);
	ck_assert_uint_eq(said->exporter->count, before);
	tracer_tick(said->tracer, last_ns + after_ns);
	ck_assert_uint_eq(said->exporter->count, before + 1);
	ck_assert_uint_eq(conversation_counters(said)->followed_expired, ends_in_time[_i].expired);
	said->now_ns = last_ns + after_ns;
	conversation_shut_down(said);
	ck_assert_msg(strstr(conversation_tree(said, NULL), ends_in_time[_i].end) != NULL, "%s",
		conversation_tree(said, NULL));
	conversation_end(said);
	conversation_unload();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("follower");

	tcase_add_loop_test(tc, test_talks, 0, COUNT(talks));
	tcase_add_loop_test(tc, test_failures, 0, COUNT(failures));
	tcase_add_test(tc, test_turn);
	tcase_add_loop_test(tc, test_items, 0, COUNT(items));
	tcase_add_test(tc, test_output);
	tcase_add_test(tc, test_question);
	tcase_add_test(tc, test_announcement);
	tcase_add_test(tc, test_announcement_below);
	tcase_add_test(tc, test_client_context);
	tcase_add_test(tc, test_promises);
	tcase_add_loop_test(tc, test_not_recorded, 0, COUNT(quiet_rows));
	tcase_add_test(tc, test_sampled_out);
	tcase_add_test(tc, test_many_deltas);
	tcase_add_test(tc, test_told_elsewhere);
	tcase_add_test(tc, test_spans_max);
	tcase_add_test(tc, test_watchers_max);
	tcase_add_test(tc, test_aliases_max);
	tcase_add_loop_test(tc, test_keys, 0, COUNT(key_rows));
	tcase_add_loop_test(tc, test_ends_in_time, 0, COUNT(ends_in_time));
	return unit_run("follower", tc);
}

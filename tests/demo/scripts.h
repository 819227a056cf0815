#ifndef TESTS_DEMO_SCRIPTS_H
#define TESTS_DEMO_SCRIPTS_H

/*
 * What the demo's agent server says, in the shape of `codex app-server`: one script per kind of
 * request, picked by the method and a word of the user's text. Data only; agent_server.c plays it.
 *
 * A message is JSON with ' for ". These stand for values:
 *
 *	$id      of the request that started the script
 *	$thread  $turn  $text  ids of the thread and the turn, the user's text
 *	$ask     id of the server's own request to the client
 *	$now     the time in milliseconds; $second: in seconds
 *	$start   the same as $now, remembered as $since
 *	$began   when the turn began, in seconds; $took: milliseconds since
 */

enum { ON_ANSWER = -1 };

struct step {
	int delay_ms; /* before the message; ON_ANSWER: when the client has answered the last one */
	const char *message; /* NULL: the end */
};

/* What a request does besides being answered. */
enum script_deed {
	DEED_NONE,
	DEED_THREAD_NEW, /* $thread is a new one */
	DEED_TURN_NEW,   /* the thread must be there, $turn is a new one */
	DEED_TURN_END,   /* the turn must be running; its script stops, this one goes on for it */
};

struct script {
	const char *method; /* "" fits all */
	const char *word;   /* of the user's text; "" fits all */
	enum script_deed deed;
	const struct step *steps;
};

/* Envelopes and pieces that many messages share. */

#define RESULT(result)       "{'id':$id,'result':{" result "}}"
#define REFUSAL(message)     "{'error':{'code':-32600,'message':'" message "'},'id':$id}"
#define NOTE(method, params) "{'method':'" method "','params':{" params "},'emittedAtMs':$now}"
#define OF_TURN              "'threadId':'$thread','turnId':'$turn'"

#define THREAD                                                                                     \
	"'thread':{'id':'$thread','preview':'','modelProvider':'demo','model':'demo-small',"       \
	"'createdAt':$second,'status':{'type':'idle'},'cwd':'/project','turns':[]}"

#define STATUS(status)                                                                             \
	NOTE("thread/status/changed", "'threadId':'$thread','status':{'type':" status "}")
#define ACTIVE  STATUS("'active','activeFlags':[]")
#define WAITING STATUS("'active','activeFlags':['waitingOnApproval']")
#define IDLE    STATUS("'idle'")

#define TURN(items, view, status, error, began, completed, took)                                   \
	"'turn':{'id':'$turn','rootTurnId':'$turn','items':[" items "],'itemsView':'" view "',"    \
	"'status':'" status "','error':" error ",'startedAt':" began ",'completedAt':" completed   \
	",'durationMs':" took "}"
#define TURN_ACCEPTED RESULT(TURN("", "notLoaded", "inProgress", "null", "null", "null", "null"))
#define TURN_STARTED                                                                               \
	NOTE("turn/started", "'threadId':'$thread'," TURN("", "notLoaded", "inProgress", "null",   \
				     "$began", "null", "null"))
#define TURN_COMPLETED(items, view, status, error)                                                 \
	NOTE("turn/completed", "'threadId':'$thread'," TURN(                                       \
				       items, view, status, error, "$began", "$second", "$took"))

#define ITEM_STARTED(item)                                                                         \
	NOTE("item/started",                                                                       \
		"'item':{" item ",'startedAtMs':$start,'completedAtMs':null}," OF_TURN             \
		",'startedAtMs':$since")
#define FINISHED ",'startedAtMs':$since,'completedAtMs':$now"
#define ITEM_COMPLETED(item)                                                                       \
	NOTE("item/completed", "'item':{" item FINISHED "}," OF_TURN                               \
			       ",'contentTokenCount':null,'completedAtMs':$now")
#define DELTA(method, item, text) NOTE(method, OF_TURN ",'itemId':'" item "','delta':'" text "'")
#define SAYS(text)                DELTA("item/agentMessage/delta", "msg_1", text)
#define THINKS(text)                                                                               \
	NOTE("item/reasoning/summaryTextDelta",                                                    \
		OF_TURN ",'itemId':'rs_1','delta':'" text "','summaryIndex':0")

#define TOKENS(input, cached, output, reasoning, total)                                            \
	"{'totalTokens':" total ",'inputTokens':" input ",'cachedInputTokens':" cached             \
	",'cacheWriteInputTokens':0,'outputTokens':" output ",'reasoningOutputTokens':" reasoning  \
	"}"
#define TOKEN_USAGE(total, last)                                                                   \
	NOTE("thread/tokenUsage/updated", OF_TURN ",'tokenUsage':{'total':" total ",'last':" last  \
						  ",'modelContextWindow':200000}")

#define ERROR(message, info, details)                                                              \
	"{'message':'" message "','codexErrorInfo':{" info "},'additionalDetails':" details        \
	",'misalignment':null}"
#define ERROR_NOTE(error, retry) NOTE("error", "'error':" error ",'willRetry':" retry "," OF_TURN)

/* Items: what they are, without their times. */

#define USER_MESSAGE                                                                               \
	"'type':'userMessage','id':'user_1','clientId':null,'content':[{'type':'text',"            \
	"'text':$text,'text_elements':[]}]"
#define AGENT_MESSAGE(text) "'type':'agentMessage','id':'msg_1','text':'" text "','phase':null"
#define REASONING(summary)  "'type':'reasoning','id':'rs_1','summary':[" summary "],'content':[]"
#define MAKE                "'command':'/bin/bash -lc make','cwd':'/project'"
#define MAKE_ACTIONS        "'commandActions':[{'type':'unknown','command':'make'}]"
#define COMMAND(status, output, exit_code, took)                                                   \
	"'type':'commandExecution','id':'call_2'," MAKE ",'processId':null,'source':'agent',"      \
	"'status':'" status "'," MAKE_ACTIONS ",'aggregatedOutput':" output                        \
	",'exitCode':" exit_code ",'durationMs':" took
#define FILE_CHANGE(status)                                                                        \
	"'type':'fileChange','id':'call_1','changes':[{'path':'/project/story.txt',"               \
	"'kind':{'type':'add'},'diff':'Once\\n'}],'status':'" status "'"

/* The scripts. */

static const struct step steps_initialize[] = {
	{20, RESULT("'userAgent':'demo_agent/1.0','codexHome':'/home/agent','platformFamily':"
		    "'unix','platformOs':'linux'")},
	{0, NULL},
};

static const struct step steps_model_list[] = {
	{40, RESULT("'data':[{'id':'demo-small'},{'id':'demo-large'}],'nextCursor':null")},
	{0, NULL},
};

static const struct step steps_thread_start[] = {
	{15, RESULT(THREAD ",'model':'demo-small','modelProvider':'demo','cwd':'/project'")},
	{0, NOTE("thread/started", THREAD)},
	{0, NULL},
};

#define FIRST_CALL  TOKENS("900", "600", "80", "50", "980")
#define SECOND_CALL TOKENS("1100", "900", "20", "0", "1120")
#define BOTH_CALLS  TOKENS("2000", "1500", "100", "50", "2100")
#define ANSWER      AGENT_MESSAGE("The build passes.")

/* The model thinks and wants to run a command; a person says yes; the model looks at the output. */
static const struct step steps_command[] = {
	{10, TURN_ACCEPTED},
	{5, ACTIVE},
	{0, TURN_STARTED},
	{5, ITEM_STARTED(USER_MESSAGE)},
	{0, ITEM_COMPLETED(USER_MESSAGE)},
	{60, ITEM_STARTED(REASONING(""))},
	{0, NOTE("item/reasoning/summaryPartAdded", OF_TURN ",'itemId':'rs_1','summaryIndex':0")},
	{20, THINKS("Run make ")},
	{60, THINKS("and see")},
	{10, ITEM_COMPLETED(REASONING("'Run make and see'"))},
	{10, WAITING},
	{0, ITEM_STARTED(COMMAND("inProgress", "null", "null", "null"))},
	{0, "{'method':'item/commandExecution/requestApproval','id':$ask,'params':{"
	    "'kind':'command'," OF_TURN ",'itemId':'call_2','startedAtMs':$now,"
	    "'reason':'make writes files'," MAKE "," MAKE_ACTIONS
	    ",'availableDecisions':['accept','decline','cancel']}}"},
	{ON_ANSWER, NOTE("serverRequest/resolved", "'threadId':'$thread','requestId':$ask")},
	{0, ACTIVE},
	{80, DELTA("item/commandExecution/outputDelta", "call_2", "cc -o story main.c\\n")},
	{20, ITEM_COMPLETED(COMMAND("completed", "'cc -o story main.c\\n'", "0", "100"))},
	{5, TOKEN_USAGE(FIRST_CALL, FIRST_CALL)},
	{80, ITEM_STARTED(AGENT_MESSAGE(""))},
	{10, SAYS("The build ")},
	{60, SAYS("passes.")},
	{10, ITEM_COMPLETED(ANSWER)},
	{5, TOKEN_USAGE(BOTH_CALLS, SECOND_CALL)},
	{5, IDLE},
	{0, TURN_COMPLETED("{" ANSWER FINISHED "}", "summary", "completed", "null")},
	{0, NULL},
};

/* The answer of turn/start comes second here, as it may; and the end never comes. */
static const struct step steps_story[] = {
	{10, ACTIVE},
	{0, TURN_STARTED},
	{2, TURN_ACCEPTED},
	{5, ITEM_STARTED(USER_MESSAGE)},
	{0, ITEM_COMPLETED(USER_MESSAGE)},
	{40, ITEM_STARTED(FILE_CHANGE("inProgress"))},
	{20, ITEM_COMPLETED(FILE_CHANGE("completed"))},
	{2, TOKEN_USAGE(FIRST_CALL, FIRST_CALL)},
	{38, ITEM_STARTED(AGENT_MESSAGE(""))},
	{10, SAYS("Once upon a time ")},
	{30, SAYS("there was a span ")},
	{30000, SAYS("that never ended.")},
	{0, NULL},
};

static const struct step steps_interrupt[] = {
	{10, RESULT("")},
	{0, IDLE},
	{0, TURN_COMPLETED("", "notLoaded", "interrupted", "null")},
	{0, NULL},
};

#define DISCONNECTED                                                                               \
	ERROR("Reconnecting... 1/1", "'responseStreamDisconnected':{'httpStatusCode':429}",        \
		"'unexpected status 429 Too Many Requests'")
#define GIVEN_UP                                                                                   \
	ERROR("exceeded retry limit, last status: 429 Too Many Requests",                          \
		"'responseTooManyFailedAttempts':{'httpStatusCode':429}", "null")

/* The model's provider refuses, and refuses again. */
static const struct step steps_refused[] = {
	{10, TURN_ACCEPTED},
	{5, ACTIVE},
	{0, TURN_STARTED},
	{5, ITEM_STARTED(USER_MESSAGE)},
	{0, ITEM_COMPLETED(USER_MESSAGE)},
	{60, ERROR_NOTE(DISCONNECTED, "true")},
	{150, STATUS("'systemError'")},
	{0, ERROR_NOTE(GIVEN_UP, "false")},
	{5, TURN_COMPLETED("", "notLoaded", "failed", GIVEN_UP)},
	{0, NULL},
};

static const struct step steps_no_thread[] = {{5, REFUSAL("thread not found")}, {0, NULL}};
static const struct step steps_no_turn[] = {{5, REFUSAL("no active turn to interrupt")}, {0, NULL}};
static const struct step steps_unknown[] = {
	{5, REFUSAL("Invalid request: unknown method")}, {0, NULL}};

/* The first that fits. */
static const struct script scripts[] = {
	{"initialize", "", DEED_NONE, steps_initialize},
	{"model/list", "", DEED_NONE, steps_model_list},
	{"thread/start", "", DEED_THREAD_NEW, steps_thread_start},
	{"turn/start", "make", DEED_TURN_NEW, steps_command},
	{"turn/start", "story", DEED_TURN_NEW, steps_story},
	{"turn/start", "", DEED_TURN_NEW, steps_refused},
	{"turn/start", "", DEED_NONE, steps_no_thread},
	{"turn/interrupt", "", DEED_TURN_END, steps_interrupt},
	{"turn/interrupt", "", DEED_NONE, steps_no_turn},
	{"", "", DEED_NONE, steps_unknown},
};

#endif

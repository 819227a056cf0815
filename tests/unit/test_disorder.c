/*
 * Conversations in which everything goes wrong: told at random on several connections, with
 * messages lost and repeated, connections ended, without memory. Nothing is expected of the spans
 * but what must hold of any.
 */
#include <string.h>

#include "tests/unit/conversation_case.h"

/* --- chance --- */

static uint64_t chance_state;

/* xorshift64: the same numbers in every run. */
static unsigned chance(unsigned below)
{
	chance_state ^= chance_state << 13;
	chance_state ^= chance_state >> 7;
	chance_state ^= chance_state << 17;
	return (unsigned)(chance_state >> 33) % below;
}

/* --- messages at random --- */

/* In these T stands for a thread, U for a turn, I for an item, N for an id: one of a few. */
static const char *const client_messages[] = {
	"{'id':N,'method':'turn/start','params':{'threadId':'T'}}",
	"{'id':N,'method':'turn/start','params':{'threadId':'T'}}",
	"{'id':N,'method':'turn/start','params':{}}",
	"{'id':N,'method':'review/start','params':{'threadId':'T'}}",
	"{'id':N,'method':'thread/compact/start','params':{'threadId':'T'}}",
	"{'id':N,'method':'thread/shellCommand','params':{'threadId':'T'}}",
	"{'id':N,'method':'turn/interrupt','params':{'threadId':'T','turnId':'U'}}",
	("{'id':N,'method':'thread/resume','params':{'threadId':'T'},'trace':{'traceparent':"
	 "'" CONVERSATION_CLIENT("01") "'}}"),
	("{'id':N,'method':'turn/start','params':{'threadId':'T'},'trace':{'traceparent':"
	 "'" CONVERSATION_CLIENT("00") "'}}"),
	"{'id':N,'result':{'decision':'accept'}}",
	"{'id':N,'error':{'code':1,'message':'no'}}",
	"{'method':'initialized'}",
};

static const char *const backend_messages[] = {
	"{'id':N,'result':{'turn':{'id':'U'}}}",
	"{'id':N,'result':{'turn':{'id':'U'}}}",
	"{'id':N,'result':{}}",
	"{'id':N,'result':{'thread':{'id':'T','status':{'type':'idle'}}}}",
	"{'id':N,'error':{'code':1,'message':'no'}}",
	"{'method':'turn/started','params':{'threadId':'T','turn':{'id':'U','rootTurnId':'U'}}}",
	"{'method':'turn/started','params':{'threadId':'T','turn':{'id':'U','rootTurnId':'U'}}}",
	"{'method':'turn/started','params':{'threadId':'T','turn':{'id':'U'}}}",
	"{'method':'turn/completed','params':{'threadId':'T','turn':{'id':'U','status':'failed'}}}",
	"{'method':'turn/completed','params':{'threadId':'T','turn':{'id':'U'}}}",
	"{'method':'thread/status/changed','params':{'threadId':'T','status':{'type':'idle'}}}",
	("{'method':'item/started','params':{'threadId':'T','turnId':'U','item':{'id':'I',"
	 "'type':'reasoning'}}}"),
	("{'method':'item/started','params':{'threadId':'T','turnId':'U','item':{'id':'I',"
	 "'type':'commandExecution','command':'ls'}}}"),
	"{'method':'item/completed','params':{'threadId':'T','turnId':'U','item':{'id':'I'}}}",
	"{'method':'item/agentMessage/delta','params':{'threadId':'T','turnId':'U','delta':'x'}}",
	"{'method':'error','params':{'threadId':'T','turnId':'U','willRetry':true}}",
	"{'id':N,'method':'item/tool/call','params':{'threadId':'T','turnId':'U','itemId':'I'}}",
	"{'id':N,'method':'item/tool/call','params':{'threadId':'T','turnId':'U','itemId':'I'}}",
	"{'id':N,'method':'currentTime/read','params':{}}",
	"{'method':'serverRequest/resolved','params':{'threadId':'T','requestId':N}}",
};

/* Fills in what is open in a message. */
static const char *disorder_fill(const char *message, char *text, size_t text_size)
{
	size_t used = 0;
	char last = '\0';

	for (; *message != '\0'; last = *message++) {
		bool open = strchr(last == '\'' ? "TUI" : "N", *message) != NULL &&
			    strchr("',}", message[1]) != NULL;

		MUST(used + 2 < text_size, "too long");
		if (!open || *message != 'N')
			text[used++] = *message;
		if (open)
			text[used++] = (char)('0' + chance(*message == 'T' ? 2 : 4));
	}
	text[used] = '\0';
	return text;
}

static void disorder_talk(struct conversation *said)
{
	size_t number = 1 + chance(3);
	char text[512];

	if (chance(2) == 0)
		conversation_act(said, number, '>',
			disorder_fill(client_messages[chance(COUNT(client_messages))], text,
				sizeof text));
	else
		conversation_act(said, number, chance(2) == 0 ? '<' : '?',
			disorder_fill(backend_messages[chance(COUNT(backend_messages))], text,
				sizeof text));
}

/* Something else than a message. */
static void disorder_happen(struct conversation *said)
{
	static const enum tracer_end ends[] = {
		TRACER_CONNECTION_CLOSED, TRACER_BACKEND_EXITED, TRACER_SHUTDOWN};
	static const uint64_t pauses[] = {1, 500, 2001, 10001, 60001, 600001, 86400001};

	if (chance(3) == 0)
		conversation_leave(said, 1 + chance(3), ends[chance(COUNT(ends))]);
	else
		conversation_pass(said, pauses[chance(COUNT(pauses))]);
}

/* --- scripts, torn apart --- */

#define MESSAGE(method, more) "{'method':'" method "','params':{'threadId':'T'," more "}}"

static const char *const scripts[][12] = {
	{">{'id':10,'method':'turn/start','params':{'threadId':'T'}}",
		"<{'id':10,'result':{'turn':{'id':'a'}}}",
		"<" MESSAGE("turn/started", "'turn':{'id':'a','rootTurnId':'a'}"),
		"<" MESSAGE("item/started", "'turnId':'a','item':{'id':'i','type':'reasoning'}"),
		"?{'id':0,'method':'item/tool/call','params':{'threadId':'T','turnId':'a',"
		"'itemId':'i'}}",
		">{'id':0,'result':{'decision':'accept'}}",
		"<" MESSAGE("serverRequest/resolved", "'requestId':0"),
		"<" MESSAGE("item/completed", "'turnId':'a','item':{'id':'i'}"),
		"<" MESSAGE("thread/status/changed", "'status':{'type':'idle'}"),
		"<" MESSAGE("turn/completed", "'turn':{'id':'a','status':'completed'}")},
	{">{'id':20,'method':'review/start','params':{'threadId':'T'}}",
		"<{'id':20,'result':{'turn':{'id':'r'}}}",
		"<" MESSAGE("turn/started", "'turn':{'id':'h','rootTurnId':'r'}"),
		"<" MESSAGE("item/started", "'turnId':'r','item':{'id':'j','type':'reasoning'}"),
		"<" MESSAGE("turn/completed", "'turn':{'id':'r','status':'completed'}")},
	{">{'id':30,'method':'thread/shellCommand','params':{'threadId':'T'}}",
		"<{'id':30,'result':{}}",
		"<" MESSAGE("turn/started", "'turn':{'id':'s','rootTurnId':'s'}"),
		"<" MESSAGE("turn/completed", "'turn':{'id':'s','status':'completed'}")},
	{">{'id':40,'method':'turn/start','params':{'threadId':'T'}}",
		"<{'id':40,'result':{'turn':{'id':'a'}}}",
		"<{'method':'turn/started','params':{'threadId':'sub','turn':{'id':'v',"
		"'rootTurnId':'a'}}}",
		"<{'method':'turn/completed','params':{'threadId':'sub','turn':{'id':'v'}}}"},
};

/* The next line of one of the scripts, or the one after it, or that one again. */
static void disorder_read(struct conversation *said, size_t at[COUNT(scripts)])
{
	size_t script = chance(COUNT(scripts));
	const char *line;

	if (at[script] > 0 && chance(10) == 0)
		at[script]--;
	line = scripts[script][at[script]];
	if (line == NULL)
		return;
	at[script]++;
	if (chance(10) > 0)
		conversation_act(said, 1 + (chance(4) == 0), line[0], line + 1);
}

/* --- runs --- */

static const struct {
	const char *flags[3];
	bool own_backends, scripts;
} disorders[] = {
	{{NULL}, false, false},
	{{"--lifecycle-spans-max=16", "--inflight-max=3"}, false, false},
	{{"--lifecycle-dispatch=none"}, false, false},
	{{"--lifecycle-dispatch=turns", "--lifecycle-off=items"}, true, false},
	{{"--lifecycle-off=approvals"}, true, false},
	{{NULL}, false, true},
	{{"--lifecycle-dispatch=none"}, false, true},
};

/* Notes are made of spans that are just ending, too: they are read to their end. */
static void disorder_note(void *arg, const char *text)
{
	size_t *noted = arg;

	*noted += strlen(text);
}

static void disorder_run(bool from_scripts)
{
	struct conversation *said = conversation_begin();
	size_t at[COUNT(scripts)] = {0};
	unsigned left = 20 + chance(60);
	size_t noted = 0;

	tracer_watch(said->tracer, disorder_note, &noted);
	for (; left > 0; left--)
		if (chance(30) == 0)
			disorder_happen(said);
		else if (from_scripts)
			disorder_read(said, at);
		else
			disorder_talk(said);
	conversation_shut_down(said);
	MUST(noted > 0, "nothing is noted");
	conversation_check(said);
	conversation_end(said);
}

START_TEST(test_disorder)
{
	int run;

	conversation_load(disorders[_i].flags);
	conversation_only.own_backends = disorders[_i].own_backends;
	conversation_only.environment = disorders[_i].scripts ? CONVERSATION_ENVIRONMENT : NULL;
	for (run = 0; run < 700; run++) {
		chance_state = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(1000 * _i + run + 1);
		disorder_run(disorders[_i].scripts);
	}
	conversation_unload();
}
END_TEST

/* --- no memory --- */

#define PARAMS "'params':{'threadId':'t','turnId':'u','itemId':'i'"

static const char *const story[] = {
	"1>{'id':1,'method':'turn/start','params':{'threadId':'t'}}",
	"1<{'id':1,'result':{'turn':{'id':'u'}}}",
	"1<{'method':'turn/started','params':{'threadId':'t','turn':{'id':'u','rootTurnId':'u'}}}",
	"2<{'method':'turn/started','params':{'threadId':'t','turn':{'id':'h','rootTurnId':'u'}}}",
	"1<{'method':'item/started'," PARAMS ",'item':{'id':'i','type':'commandExecution',"
	"'command':'ls'}}}",
	"1?{'id':0,'method':'item/commandExecution/requestApproval'," PARAMS "}}",
	"1>{'id':0,'result':{'decision':'accept'}}",
	"1<{'method':'item/completed'," PARAMS ",'item':{'id':'i','status':'failed'}}}",
	"1<{'method':'error'," PARAMS ",'willRetry':true,'error':{'message':'again'}}}",
	"1>{'id':2,'method':'turn/start','params':{'threadId':'t'}}",
	"1<{'id':2,'result':{'turn':{'id':'u'}}}",
	"1>{'id':3,'method':'thread/compact/start','params':{'threadId':'t'}}",
	"1<{'id':3,'result':{}}",
	"2<{'method':'turn/completed','params':{'threadId':'t','turn':{'id':'u','status':"
	"'interrupted'}}}",
	"1<{'method':'turn/completed','params':{'threadId':'t','turn':{'id':'u','status':"
	"'interrupted'}}}",
	"1<{'method':'turn/started','params':{'threadId':'t','turn':{'id':'c','rootTurnId':'c'}}}",
	"1<{'method':'turn/completed','params':{'threadId':'t','turn':{'id':'c','status':"
	"'completed'}}}",
	"1<{'method':'turn/completed','params':{'threadId':'t','turn':{'id':'u','status':"
	"'completed'}}}",
};

/* What a line finds of memory. */
enum story_shortage {
	STORY_REST, /* none for the rest of the line */
	STORY_GOOD, /* nor for any later line */
	STORY_ONCE, /* none for one allocation */
};

/* From its n-th allocation on, a line has no memory. Returns whether that was so. */
static bool story_line(
	struct conversation *said, const char *line, long n, enum story_shortage shortage)
{
	struct envelope *envelope = conversation_read(said, line + 2);
	size_t number = (size_t)(line[0] - '0');

	if (n >= 0 && shortage == STORY_ONCE)
		unit_alloc_fail_once(n);
	else if (n >= 0)
		unit_alloc_fail_after(n);
	if (line[1] == '>')
		conversation_client(said, number, envelope);
	else
		conversation_backend(said, number, envelope, line[1] == '?');
	unit_alloc_fail_never();
	return n >= 0 && unit_alloc_failed();
}

/* Tells the story; what is missing of it for want of memory is counted. */
static bool story_tell(size_t at, long n, enum story_shortage shortage)
{
	struct conversation *said = conversation_begin();
	const struct tracer_counters *counters;
	bool failed = false;
	size_t i;

	for (i = 0; i < COUNT(story); i++)
		if (i == at)
			failed = story_line(said, story[i], n, shortage);
		else
			(void)story_line(said, story[i], i > at && shortage == STORY_GOOD ? 0 : -1,
				shortage);
	conversation_shut_down(said);
	counters = tracer_counters(said->tracer);
	conversation_check(said);
	ck_assert_uint_eq(conversation_count(said, "app_server.request "), counters->requests);
	if (!failed && shortage != STORY_GOOD)
		ck_assert_uint_eq(said->exporter->count, 10);
	if (said->exporter->count < 10)
		ck_assert_uint_gt(counters->requests_no_memory +
					  conversation_counters(said)->followed_no_memory,
			0);
	conversation_end(said);
	return failed;
}

START_TEST(test_no_memory)
{
	size_t at, sites = 0;
	long n;

	conversation_load(NULL);
	for (at = 0; at < COUNT(story); at++)
		for (n = 0; story_tell(at, n, (enum story_shortage)_i); n++)
			sites++;
	ck_assert_uint_ge(sites, 30);
	conversation_unload();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("disorder");

	tcase_add_loop_test(tc, test_disorder, 0, COUNT(disorders));
	tcase_add_loop_test(tc, test_no_memory, 0, STORY_ONCE + 1);
	return unit_run("disorder", tc);
}

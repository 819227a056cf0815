/* Requests that claim spans, by profiles of this test's own: what codex does not do. */
#include "proxy/trace/claims.h"

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

/* Loads a profile with these rules. */
static struct conversation *claims_begin(const char *dispatch, const char *rules)
{
	static const char *const flags[] = {claims_flag, "--span-name=app_server.request {method}",
		"--propagation-inject=/trace", "--lifecycle-spans-max=16", NULL};
	char text[8192], *at, *file;

	snprintf(text, sizeof text,
		"{'name':'p','lifecycle':{%s" SPANS ",'rules':[%s," STEP "," ASK "]}}", dispatch,
		rules);
	for (at = text; (at = strchr(at, '\'')) != NULL;)
		*at = '"';
	file = config_case_file(text);
	snprintf(claims_flag, sizeof claims_flag, "--profile=%s", file);
	conversation_load(flags);
	config_case_unlink(file);
	return conversation_begin();
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

#define DISPATCH "'dispatch':{'name':'app_server.dispatch {operation}','operations':{'do':'work'}},"

#define DO(id)           "1>{'id':" id ",'method':'do','params':{'g':'g'}}"
#define DONE(id, result) "1<{'id':" id ",'result':{" result "}}"

/* --- rules that end what the answer has just begun --- */

#define OPEN_AND_CLOSE                                                                             \
	CLAIM("do", "")                                                                            \
	"," ON("reply", "do", "open", "job", ",'key':['/result/j']") "," ON("reply", "do",         \
		"close", "job", ",'key':['/result/g'],'when':{'/result/over':['true']}")

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
	static const char rules[] = CLAIM("do", "") "," ON(
		"reply", "do", "open", "job", ",'key':['/result/j']") "," ON("reply", "do", "open",
		"job", ",'key':['/result/k'],'when':{'/result/k':true}") "," ON("notification",
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
	ck_assert_uint_eq(conversation_counters(said)->evicted, 1);
	conversation_shut_down(said);
	ck_assert_uint_eq(conversation_count(said, "app_server.dispatch "), 2);
	conversation_check(said);
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
	return unit_run("claims", tc);
}

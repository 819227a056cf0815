/*
 * What goes on at a moment: requests, dispatches, turns and what is below them; the oldest first.
 */
#include "proxy/trace/survey.h"

#include <string.h>

#include "exporter/metrics/metrics.h"
#include "tests/unit/conversation_case.h"

static const char *const codex[] = {"--profile=codex", "--lifecycle-dispatch=all", NULL};

static char shown[8192];
static char shown_attributes[CONVERSATION_TEXT_MAX];

/* "NAME@MS" of each, with the attributes of the one that is wanted. */
static const char *wanted = "";

static void show(void *arg, const struct span *span)
{
	char name[600];

	snprintf(name, sizeof name, "%.*s", (int)span->name.size, span->name.bytes);
	text_append(shown, sizeof shown, "%s@%llu\n", name,
		(unsigned long long)(span->start_unix_ns - CONVERSATION_WALL_NS) / 1000000);
	ck_assert(arg == NULL && span->is_open);
	ck_assert_ptr_null(span->shared);
	kept_check_keys(span);
	if (strcmp(wanted, name) == 0) {
		shown_attributes[0] = '\0';
		kept_attributes(shown_attributes, span->attributes, span->attribute_count);
	}
}

/* Returns how many are not shown. */
static size_t look(struct conversation *said, size_t max)
{
	struct survey survey;
	size_t omitted, i;

	shown[0] = '\0';
	ck_assert_int_eq(survey_init(&survey, max), 0);
	survey.tracer = said->tracer;
	tracer_survey(said->tracer, &survey);
	for (i = 0; i < survey.count; i++)
		tracer_show(&survey.list[i], said->now_ns, show, NULL);
	omitted = survey_omitted(&survey);
	survey_done(&survey);
	return omitted;
}

static void shows(struct conversation *said, size_t max, const char *expected, size_t omitted)
{
	ck_assert_uint_eq(look(said, max), omitted);
	ck_assert_str_eq(shown, expected);
}

static void shows_attributes(struct conversation *said, const char *name)
{
	wanted = name;
	ck_assert_uint_eq(look(said, 10), 0);
}

static void counts(
	const struct conversation *said, const char *type, size_t count, unsigned oldest_ms)
{
	struct tracer_open list[TRACER_OPEN_MAX];
	size_t n = tracer_count_open(said->tracer, list), i;

	ck_assert_str_eq(list[0].type, "request");
	for (i = 0; i < n && strcmp(list[i].type, type) != 0; i++)
		;
	ck_assert_uint_lt(i, n);
	ck_assert_uint_eq(list[i].count, count);
	if (count > 0)
		ck_assert_uint_eq((list[i].oldest_ns - CONVERSATION_START_NS) / 1000000, oldest_ms);
}

static struct conversation *begin(const char *const *lines)
{
	struct conversation *said;

	conversation_load(codex);
	said = conversation_begin();
	for (; *lines != NULL; lines++)
		conversation_line(said, *lines);
	return said;
}

static void end(struct conversation *said)
{
	conversation_shut_down(said);
	shows(said, 10, "", 0);
	counts(said, "request", 0, 0);
	counts(said, "turn", 0, 0);
	conversation_end(said);
	conversation_unload();
}

static const char *const turn[] = {
	"1>{'id':1,'method':'initialize','params':{'clientInfo':{'name':'me','version':'1'}}}",
	"1<{'id':1,'result':{}}", "1>{'id':2,'method':'turn/start','params':{'threadId':'T'}}",
	"1<{'method':'turn/started','params':{'threadId':'T','turn':{'id':'u'}}}",
	"1<{'method':'item/started','params':{'threadId':'T','turnId':'u','item':{'id':'i','type':"
	"'commandExecution','command':'make all'}}}",
	"1?{'id':7,'method':'item/commandExecution/requestApproval','params':{'threadId':'T',"
	"'turnId':'u','itemId':'i'}}",
	"2>{'id':'x','method':'thread/list'}", NULL};

/* A turn with what is in it, and a request of another connection. */
START_TEST(test_turn)
{
	struct conversation *said = begin(turn);

	shows(said, 10,
		"app_server.request turn/start@2\napp_server.turn@2\n"
		"commandExecution make@4\napproval commandExecution@5\n"
		"app_server.request thread/list@6\n",
		0);
	counts(said, "request", 2, 2);
	counts(said, "turn", 1, 2);
	counts(said, "command", 1, 4);
	counts(said, "approval", 1, 5);
	counts(said, "hook", 0, 0);
	conversation_line(said, "1<{'id':2,'result':{'turn':{'id':'u'}}}");
	conversation_line(said, "1>{'id':7,'result':{'decision':'accept'}}");
	shows(said, 10,
		"app_server.turn@2\ncommandExecution make@4\napp_server.request thread/list@6\n",
		0);
	counts(said, "request", 1, 6);
	end(said);
}
END_TEST

/* The oldest have a place, whoever has them; the others are counted. */
START_TEST(test_oldest)
{
	struct conversation *said = begin(turn);

	shows(said, 2, "app_server.request turn/start@2\napp_server.turn@2\n", 3);
	shows(said, 1, "app_server.request turn/start@2\n", 4);
	shows(said, 0, "", 5);
	conversation_line(said, "3>{'id':1,'method':'a'}");
	conversation_line(said, "1>{'id':1,'method':'b'}");
	conversation_line(said, "3>{'id':2,'method':'c'}");
	shows(said, 7,
		"app_server.request turn/start@2\napp_server.turn@2\n"
		"commandExecution make@4\napproval commandExecution@5\n"
		"app_server.request thread/list@6\napp_server.request a@7\n"
		"app_server.request b@8\n",
		1);
	counts(said, "request", 5, 2);
	end(said);
}
END_TEST

/* What was submitted and has not been taken up: of a request in flight, and of one answered. */
START_TEST(test_dispatch)
{
	static const char *const lines[] = {
		"1>{'id':1,'method':'turn/steer','params':{'threadId':'T'}}",
		"1>{'id':2,'method':'thread/compact/start','params':{'threadId':'U'}}",
		"1<{'id':2,'result':{}}", NULL};
	struct conversation *said = begin(lines);

	shows(said, 10,
		"app_server.request turn/steer@0\napp_server.dispatch turn_input@0\n"
		"app_server.dispatch compact@1\n",
		0);
	conversation_line(said, "1<{'id':1,'result':{}}");
	shows(said, 10, "app_server.dispatch compact@1\n", 0);
	end(said);
}
END_TEST

/*
 * What is only measured is counted, not shown or sent; nothing is below it, and it may come again.
 */
START_TEST(test_measured)
{
	static const struct metrics_instrument instrument = {
		.name = "a", .unit = "s", .help = "a", .span = "loaded thread"};
	struct metrics *metrics = metrics_new(&instrument, 1, 4);
	struct conversation *said;

	conversation_load(codex);
	said = conversation_begin();
	conversation_line(said, "1<{'method':'thread/started','params':{'thread':{'id':'S'}}}");
	counts(said, "loaded thread", 0, 0); /* nobody measures */
	tracer_measure(said->tracer, metrics);
	conversation_line(said, "1>{'id':1,'method':'thread/start'}");
	conversation_line(said, "1<{'id':1,'result':{'thread':{'id':'T'}}}");
	conversation_line(said, "12<{'method':'thread/started','params':{'thread':{'id':'T'}}}");
	conversation_line(
		said, "1<{'method':'turn/started','params':{'threadId':'T','turn':{'id':'u'}}}");
	counts(said, "loaded thread", 1, 2);
	shows(said, 10, "app_server.turn@5\n", 0);
	conversation_line(said, "12<{'method':'thread/closed','params':{'threadId':'T'}}");
	conversation_line(said, "+60000");
	counts(said, "loaded thread", 0, 0);
	ck_assert_uint_eq(metrics_first(metrics, 0)->count, 1);
	ck_assert_uint_eq(metrics_first(metrics, 0)->buckets[0].exemplar.unix_ns, 0);
	conversation_line(said, "1<{'method':'thread/started','params':{'thread':{'id':'T'}}}");
	counts(said, "loaded thread", 1, 60008);
	conversation_shut_down(said);
	ck_assert_uint_eq(metrics_first(metrics, 0)->count, 2);
	ck_assert_uint_eq(conversation_count(said, "thread loaded"), 0);
	ck_assert_uint_eq(conversation_count(said, "app_server.turn"), 1);
	conversation_end(said);
	conversation_unload();
	metrics_free(metrics);
}
END_TEST

/* A look changes nothing, and tells all attributes: those of the connection, too. */
/* Of those that began at one time the one that came first is first; the youngest gives way. */
START_TEST(test_order)
{
	static const uint64_t starts[] = {5, 3, 5, 3, 9, 4, 5};
	static const unsigned order[] = {1, 3, 5, 0}; /* numbers of these */
	static const char marks[8];
	struct survey survey;
	size_t i;

	ck_assert_int_eq(survey_init(&survey, 4), 0);
	for (i = 0; i < COUNT(starts); i++)
		survey_place(&survey, &(struct survey_item){.start_ns = starts[i],
					      .span = (const void *)&marks[i]});
	ck_assert_uint_eq(survey.count, 4);
	for (i = 0; i < 4; i++)
		ck_assert_ptr_eq(survey.list[i].span, (const void *)&marks[order[i]]);
	survey_done(&survey);
}
END_TEST

START_TEST(test_attributes)
{
	struct conversation *said = begin(turn);
	size_t count = said->exporter->count;

	shows_attributes(said, "app_server.request turn/start");
	text_has(shown_attributes, "rpc.method=turn/start ");
	text_has(shown_attributes, "thread.id=T ");
	text_has(shown_attributes, "app_server.client_name=me ");
	text_has(shown_attributes, "rpc.transport=");
	text_has_not(shown_attributes, "sidespan.end_reason");
	shows_attributes(said, "approval commandExecution");
	text_has(shown_attributes, "approval.kind=commandExecution ");
	text_has(shown_attributes, "item.id=i ");
	ck_assert_uint_eq(said->exporter->count, count);
	end(said);
}
END_TEST

/* Ones that come in any order; without memory they are counted. */
START_TEST(test_places)
{
	static const unsigned starts[] = {5, 3, 9, 3, 1, 7, 2};
	struct survey survey;
	size_t i;

	ck_assert_int_eq(survey_init(&survey, 4), 0);
	for (i = 0; i < sizeof starts / sizeof *starts; i++)
		survey_add(&survey, 2, &(struct survey_item){.start_ns = starts[i]});
	ck_assert_uint_eq(survey.count, 4);
	ck_assert_uint_eq(survey.list[0].start_ns, 1);
	ck_assert_uint_eq(survey.list[1].start_ns, 2);
	ck_assert_uint_eq(survey.list[2].start_ns, 3);
	ck_assert_uint_eq(survey.list[3].start_ns, 3);
	ck_assert_uint_eq(survey_omitted(&survey), 3);
	ck_assert(!survey_wants(&survey, 3) && survey_wants(&survey, 2));
	ck_assert_uint_eq(survey.kinds[2].oldest_ns, 1);
	survey_count(&survey, 2, 0, 0);
	ck_assert_uint_eq(survey.kinds[2].oldest_ns, 1);
	survey_done(&survey);
	unit_alloc_fail_once(0);
	ck_assert_int_eq(survey_init(&survey, 4), -1);
	unit_alloc_fail_never();
	survey_add(&survey, 2, &(struct survey_item){.start_ns = 1});
	ck_assert_uint_eq(survey_omitted(&survey), 1);
	survey_done(&survey);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("survey");

	tcase_add_test(tc, test_turn);
	tcase_add_test(tc, test_oldest);
	tcase_add_test(tc, test_dispatch);
	tcase_add_test(tc, test_measured);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_attributes);
	tcase_add_test(tc, test_places);
	return unit_run("survey", tc);
}

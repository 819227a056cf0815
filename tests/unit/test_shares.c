/*
 * Too many open spans: whoever has most loses, first of the connections, then of the turns of one,
 * in a turn what is below goes first; others lose nothing. What was given up opens no more.
 */
#include <string.h>

#include "tests/unit/conversation_case.h"

#define TURN(turn)                                                                                 \
	"{'method':'turn/started','params':{'threadId':'" turn "','turn':{'id':'" turn "'}}}"
#define TURN_OVER(turn)                                                                            \
	"{'method':'turn/completed','params':{'threadId':'" turn "','turn':{'id':'" turn           \
	"','status':'completed'}}}"
#define ITEM(turn, item)                                                                           \
	"{'method':'item/started','params':{'threadId':'" turn "','turnId':'" turn                 \
	"','item':{'id':'" item "','type':'sleep'}}}"
#define MAY_I(id, turn, item)                                                                      \
	"{'method':'item/commandExecution/requestApproval','id':" id                               \
	",'params':{'threadId':'" turn "','turnId':'" turn "','itemId':'" item "'}}"

/* The 16 that are least. */
static struct conversation *shares_begin(void)
{
	static const char *const flags[] = {"--lifecycle-spans-max=16", NULL};

	conversation_load(flags);
	return conversation_begin();
}

static void shares_say(struct conversation *said, const char *const *lines)
{
	for (; *lines != NULL; lines++)
		conversation_line(said, *lines);
}

/* So many lines, with a number for each % in them, from first on. */
static void shares_flood(struct conversation *said, const char *line, int first, int count)
{
	int i;

	for (i = first; i < first + count; i++) {
		char text[512] = "";
		const char *at;

		for (at = line; *at != '\0'; at++)
			if (*at == '%')
				text_append(text, sizeof text, "%d", i);
			else
				text_append(text, sizeof text, "%c", *at);
		conversation_line(said, text);
	}
}

/* The spans that were given up, in that order: of each its item, or its turn if it is one. */
static const char *shares_lost(const struct conversation *said)
{
	static char text[65536];
	size_t i;

	text[0] = '\0';
	for (i = 0; i < said->exporter->count; i++) {
		const struct kept *span = &said->exporter->spans[i];
		const char *at = strstr(span->attributes, " item.id=");

		if (strstr(span->attributes, "=evicted ") == NULL)
			continue;
		at = at != NULL ? at + 9 : strstr(span->attributes, " turn.id=") + 9;
		text_append(text, sizeof text, "%s%.*s",
			strstr(span->name, "approval") ? " ?" : " ", (int)strcspn(at, " "), at);
	}
	return text;
}

static void shares_end(struct conversation *said, uint64_t evicted)
{
	ck_assert_uint_eq(conversation_counters(said)->followed_evicted, evicted);
	conversation_shut_down(said);
	conversation_check_all(said);
	conversation_end(said);
	conversation_unload();
}

/* A connection that opens turn after turn loses its own oldest; those of others go on. */
START_TEST(test_connection_floods)
{
	static const char *const others[] = {"1<" TURN("a"), "1<" ITEM("a", "a1"),
		"1<" ITEM("a", "a2"), "3<" TURN("c"), "3<" ITEM("c", "c1"),
		"3?" MAY_I("1", "c", "c1"), NULL};
	static const char *const over[] = {"1<" TURN_OVER("a"), "3<" TURN_OVER("c"), NULL};
	struct conversation *said = shares_begin();

	shares_say(said, others);
	shares_flood(said, "2<" TURN("%"), 0, 15);
	ck_assert_str_eq(shares_lost(said), " 0 1 2 3 4");
	shares_flood(
		said, "2<" ITEM("14", "i%"), 0, 3); /* of the largest turn, and then of others */
	ck_assert_str_eq(shares_lost(said), " 0 1 2 3 4 5 i0 i1");
	shares_say(said, over);
	shares_end(said, 8);
}
END_TEST

/* It need not be a connection of the same server. */
START_TEST(test_connection_of_another_server_floods)
{
	static const char *const others[] = {"1<" TURN("a"), "1<" ITEM("a", "a1"), NULL};
	struct conversation *said = shares_begin();

	said->own_backends = true;
	shares_say(said, others);
	shares_flood(said, "2<" TURN("%"), 0, 15);
	ck_assert_str_eq(shares_lost(said), " 0");
	conversation_line(said, "1<" ITEM("a", "a2"));
	ck_assert_str_eq(shares_lost(said), " 0 1");
	conversation_leave(said, 2, TRACER_CONNECTION_CLOSED); /* now there is room */
	shares_flood(said, "1<" ITEM("a", "b%"), 0, 13);
	ck_assert_str_eq(shares_lost(said), " 0 1");
	conversation_line(said, "1<" ITEM("a", "a3"));
	ck_assert_str_eq(shares_lost(said), " 0 1 a1");
	said->own_backends = false;
	shares_end(said, 3);
}
END_TEST

/* A turn that has item after item loses its oldest item; others nothing, though they are older. */
START_TEST(test_turn_floods)
{
	static const char *const others[] = {"1<" TURN("a"), "1<" ITEM("a", "a1"), "1<" TURN("b"),
		"1<" ITEM("b", "b1"), "1<" ITEM("b", "b2"), "1<" TURN("c"), NULL};
	struct conversation *said = shares_begin();

	shares_say(said, others);
	shares_flood(said, "1<" ITEM("c", "i%"), 0, 15);
	ck_assert_str_eq(shares_lost(said), " i0 i1 i2 i3 i4");
	conversation_line(said, "1<" ITEM("a", "a2"));
	conversation_line(said, "1<" ITEM("b", "b3"));
	ck_assert_str_eq(shares_lost(said), " i0 i1 i2 i3 i4 i5 i6");
	shares_end(said, 7);
}
END_TEST

/* What waits below an item goes before the item, the item before the turn. */
START_TEST(test_children_before_parents)
{
	static const char *const first[] = {"1<" TURN("a"), "1<" ITEM("a", "a1"),
		"1<" ITEM("a", "a2"), "1?" MAY_I("1", "a", "a1"), "1?" MAY_I("2", "a", "a1"), NULL};
	struct conversation *said = shares_begin();

	shares_say(said, first);
	shares_flood(said, "1<" TURN("%"), 0, 11);
	ck_assert_str_eq(shares_lost(said), "");
	shares_flood(said, "1<" TURN("%"), 11, 6);
	ck_assert_msg(
		strcmp(shares_lost(said), " ?a1 ?a1 a1 a2 a 0") == 0, "%s", shares_lost(said));
	shares_end(said, 6);
}
END_TEST

/* Of those that have as much, one is chosen of which nothing was heard for long. */
START_TEST(test_what_goes_on_stays)
{
	struct conversation *said = shares_begin();

	shares_flood(said, "1<" TURN("%"), 0, 16);
	conversation_line(said, "1<" ITEM("0", "i"));
	ck_assert_str_eq(shares_lost(said), " 1");
	ck_assert_uint_eq(conversation_counters(said)->parents_missing, 0);
	shares_end(said, 1);
}
END_TEST

/* A turn belongs to the connection that opened it, also when that is gone. */
START_TEST(test_connection_that_left)
{
	struct conversation *said = shares_begin();

	shares_flood(said, "12<" TURN("%"), 0, 10);
	shares_flood(said, "2<" TURN("%"), 10, 6);
	conversation_leave(said, 1, TRACER_CONNECTION_CLOSED);
	ck_assert_uint_eq(said->exporter->count, 0); /* 2 sees them, too */
	shares_flood(said, "2<" TURN("%"), 16, 3);
	ck_assert_str_eq(shares_lost(said), " 0 1 2");
	conversation_leave(said, 2, TRACER_CONNECTION_CLOSED);
	shares_flood(said, "1<" TURN("%"), 19, 2); /* another connection with that number */
	ck_assert_str_eq(shares_lost(said), " 0 1 2 10 11");
	shares_end(said, 5);
}
END_TEST

/*
 * What was given up opens no more, however much else was given up since then: not by a copy of its
 * first message, and not below a turn that goes on.
 */
START_TEST(test_evicted_once)
{
	enum { MANY = 1500 };
	struct conversation *said = shares_begin();
	uint64_t opened;

	conversation_line(said, "1<" TURN("a"));
	shares_flood(said, "1<" ITEM("a", "i%"), 0, MANY);
	shares_flood(said, "2<" TURN("%"), 0, MANY);
	opened = conversation_counters(said)->followed;
	ck_assert_uint_eq(opened, 1 + 2 * MANY);
	shares_flood(said, "3<" TURN("%"), 0, MANY);
	shares_flood(said, "1<" ITEM("a", "i%"), 0, MANY);
	ck_assert_uint_eq(conversation_counters(said)->followed, opened);
	shares_end(said, 1 + 2 * MANY - 16);
}
END_TEST

/* The same for requests of the server. */
START_TEST(test_evicted_calls_once)
{
	enum { MANY = 1500 };
	struct conversation *said = shares_begin();
	uint64_t opened;

	conversation_line(said, "1<" TURN("a"));
	shares_flood(said, "1?" MAY_I("%", "a", "i"), 0, MANY);
	opened = conversation_counters(said)->followed;
	shares_flood(said, "2<" MAY_I("%", "a", "i"), 0, MANY);
	ck_assert_uint_eq(conversation_counters(said)->followed, opened);
	shares_end(said, 1 + MANY - 16);
}
END_TEST

/*
 * An answer of the client may open something: then its own request may have to go before it ends.
 */
START_TEST(test_call_gives_way_to_what_its_answer_opens)
{
	static const char *const flags[] = {
		"--lifecycle-spans-max=16", "--profile=tests/unit/data/profiles/asks.json", NULL};
	struct conversation *said;

	conversation_load(flags);
	said = conversation_begin();
	shares_flood(said, "1?{'id':%,'method':'ask','params':{'a':'x','b':'%'}}", 0, 16);
	conversation_line(said, "1>{'id':0,'result':{'a':'y','b':'0'}}");
	ck_assert_uint_eq(conversation_counters(said)->followed, 17);
	ck_assert_uint_eq(said->exporter->count, 1);
	text_has(said->exporter->spans[0].attributes, " b=0 ");
	text_has(said->exporter->spans[0].attributes, "=evicted ");
	conversation_line(said, "1>{'id':1,'result':{}}");
	ck_assert_uint_eq(said->exporter->count, 2);
	text_has(said->exporter->spans[1].attributes, " b=1 ");
	text_has(said->exporter->spans[1].attributes, "=answered ");
	shares_end(said, 1);
}
END_TEST

/* Only a rule that opens, and whose conditions hold, has the client told of a span to come. */
START_TEST(test_call_that_opens_nothing)
{
	static const char *const flags[] = {"--profile=tests/unit/data/profiles/asks.json", NULL};
	struct conversation *said;

	conversation_load(flags);
	said = conversation_begin();
	conversation_line(said, "1?{'id':1,'method':'ask','params':{'a':'x','b':'1','quiet':1}}");
	ck_assert_uint_eq(said->told_count, 0);
	ck_assert_uint_eq(conversation_counters(said)->followed, 0);
	conversation_line(said, "1?{'id':2,'method':'ask','params':{'a':'x','b':'1'}}");
	ck_assert_uint_eq(said->told_count, 1);
	ck_assert_uint_eq(conversation_counters(said)->followed, 1);
	shares_end(said, 0);
}
END_TEST

/* What is told of a span by a second message that opens it counts, if the first did not say it. */
START_TEST(test_opened_twice)
{
	static const char *const flags[] = {"--profile=tests/unit/data/profiles/asks.json", NULL};
	struct conversation *said;

	conversation_load(flags);
	said = conversation_begin();
	shares_flood(said, "1?{'id':%,'method':'ask','params':{'a':'x','b':'%'}}", 0, 2);
	conversation_line(said, "1>{'id':0,'result':{'a':'y','b':'0','mood':'good'}}");
	conversation_line(said, "1>{'id':1,'result':{'a':'y','b':'0','mood':'better'}}");
	ck_assert_uint_eq(conversation_counters(said)->followed, 3);
	shares_end(said, 0);
	text_has(conversation_span(said, "job")->attributes, " mood=better ");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("shares");

	tcase_add_test(tc, test_connection_floods);
	tcase_add_test(tc, test_connection_of_another_server_floods);
	tcase_add_test(tc, test_turn_floods);
	tcase_add_test(tc, test_children_before_parents);
	tcase_add_test(tc, test_what_goes_on_stays);
	tcase_add_test(tc, test_connection_that_left);
	tcase_add_test(tc, test_evicted_once);
	tcase_add_test(tc, test_evicted_calls_once);
	tcase_add_test(tc, test_call_gives_way_to_what_its_answer_opens);
	tcase_add_test(tc, test_call_that_opens_nothing);
	tcase_add_test(tc, test_opened_twice);
	return unit_run("shares", tc);
}

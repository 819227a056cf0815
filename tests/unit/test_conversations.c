/* Conversations with a name: who finds them, when they end, and how many there are at once. */
#include <string.h>

#include "proxy/conversations.h"
#include "proxy/trace/tracer.h"
#include "tests/unit/peers.h"
#include "tests/unit/unit.h"

enum { IDLE_NS = 100 };

static struct peers peers;
static struct conversations *conversations;
static uint64_t evicted;

static void conversations_setup(void)
{
	static const char *const flags[] = {NULL};

	peers_init(&peers, flags);
	evicted = 0;
	conversations = conversations_new(2, IDLE_NS, &evicted);
	ck_assert_ptr_nonnull(conversations);
}

static void conversations_teardown(void)
{
	conversations_free(conversations, 0);
	peers_done(&peers);
}

static struct http_text name(const char *text)
{
	return (struct http_text){text, strlen(text)};
}

/* NULL: there is no room. */
static struct conversation *begin(const char *text, uint64_t now_ns)
{
	struct tracer_connection *trace = tracer_connection_new(peers.tracer, 1, "http", false);
	struct conversation *begun = conversations_begin(conversations, name(text), trace, now_ns);

	if (begun == NULL)
		tracer_connection_free(trace, TRACER_CONNECTION_CLOSED, now_ns);
	else
		ck_assert_ptr_eq(conversation_trace(begun), trace);
	return begun;
}

/* Whether there is one of that name. */
static bool is_there(const char *text, uint64_t now_ns)
{
	struct conversation *found = conversations_enter(conversations, name(text));

	if (found != NULL)
		conversation_leave(found, now_ns);
	return found != NULL;
}

START_TEST(test_names)
{
	char longest[CONVERSATION_NAME_MAX + 2];
	struct conversation *one = begin("one", 0);

	ck_assert_ptr_eq(conversations_enter(conversations, name("one")), one);
	conversation_leave(one, 0);
	ck_assert(!is_there("on", 0) && !is_there("one1", 0) && !is_there("One", 0));
	conversation_leave(one, 0);
	ck_assert(is_there("one", 0));
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	ck_assert_ptr_null(begin(longest, 0));
	ck_assert_ptr_null(begin("", 0));
	conversation_leave(begin(longest + 1, 0), 0);
	ck_assert(is_there(longest + 1, 0));
}
END_TEST

START_TEST(test_rest)
{
	struct conversation *one = begin("one", 0);

	conversations_tick(conversations, 10 * IDLE_NS); /* somebody takes part */
	conversation_leave(one, 10 * IDLE_NS);
	conversations_tick(conversations, 11 * IDLE_NS - 1);
	ck_assert(is_there("one", 11 * IDLE_NS - 1));
	conversations_tick(conversations, 12 * IDLE_NS - 2);
	ck_assert_ptr_eq(conversations_enter(conversations, name("one")), one);
	conversation_leave(one, 12 * IDLE_NS);
	conversations_tick(conversations, 13 * IDLE_NS);
	ck_assert(!is_there("one", 0));
	ck_assert_uint_eq(evicted, 0);
}
END_TEST

START_TEST(test_room)
{
	struct conversation *one = begin("one", 0), *two = begin("two", 0), *three;

	ck_assert_ptr_null(begin("three", 0)); /* somebody takes part in both */
	ck_assert_uint_eq(evicted, 1);
	conversation_leave(two, 1);
	conversation_leave(one, 2);
	three = begin("three", 3);
	ck_assert_ptr_nonnull(three);
	ck_assert_uint_eq(evicted, 2);
	ck_assert(!is_there("two", 3) && is_there("one", 3)); /* the one that rested longest */
	conversation_leave(three, 3);
}
END_TEST

START_TEST(test_end)
{
	struct conversation *one = begin("one", 0), *again;

	ck_assert_ptr_eq(conversations_enter(conversations, name("one")), one);
	conversation_end(one, 0);
	conversation_end(one, 0);
	ck_assert(!is_there("one", 0));
	again = begin("one", 0);
	ck_assert_ptr_ne(again, one); /* which is still there for those in it */
	conversation_leave(one, 0);
	conversation_leave(one, 0);
	conversation_leave(again, 0);
	ck_assert(is_there("one", 0));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("conversations");

	unit_fixture(conversations_setup, conversations_teardown);
	tcase_add_test(tc, test_names);
	tcase_add_test(tc, test_rest);
	tcase_add_test(tc, test_room);
	tcase_add_test(tc, test_end);
	return unit_run("conversations", tc);
}

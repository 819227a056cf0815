/* Looking up names beside the loop: who is told what, how often it is asked, what outlives whom. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proxy/resolver.h"
#include "tests/unit/loop_case.h"
#include "tests/unit/names_case.h"
#include "tests/unit/unit.h"

#define SECOND UINT64_C(1000000000)

static const char *const flags[] = {"--upstream=tcp://server.test:7", NULL};

/* Somebody who asks. */
struct asker {
	struct resolver_wait wait;
	int told;
	char error[256];
};

static void asker_hook(void *arg, const char *error)
{
	struct asker *asker = arg;

	asker->told++;
	snprintf(asker->error, sizeof asker->error, "%s", error == NULL ? "" : error);
}

static void asker_ask(struct asker *asker, struct resolver *resolver)
{
	asker->wait.hook = asker_hook;
	asker->wait.arg = asker;
	resolver_ask(resolver, &asker->wait);
	ck_assert_int_eq(asker->told, 0); /* never at once */
}

/* "127.0.0.1:7 [::1]:7", in order. */
static void expect_known(const struct resolver *resolver, const char *expected)
{
	struct address list[ADDRESS_LIST_MAX];
	char text[ADDRESS_LIST_MAX * (ADDRESS_TEXT_MAX + 1)] = "", one[ADDRESS_TEXT_MAX];
	size_t count = resolver_known(resolver, list), i;

	for (i = 0; i < count; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i > 0 ? " " : "",
			address_text(&list[i], one));
	ck_assert_str_eq(text, expected);
}

static const struct {
	const char *url;
	const char *known;
} literal_rows[] = {
	{"tcp://127.0.0.1:80", "127.0.0.1:80"},
	{"ws://[::1]:80/path", "[::1]:80"},
	{"unix:///run/x", "/run/x"},
	{"ws+unix:///run/x", "/run/x"},
};

START_TEST(test_literals)
{
	const char *reason;
	struct loop_case setup;
	struct resolver *resolver;
	struct url url;

	loop_case_open(&setup, flags);
	ck_assert_int_eq(url_parse(&url, literal_rows[_i].url, &reason), 0);
	resolver = resolver_new(&setup.loop, &url);
	expect_known(resolver, literal_rows[_i].known);
	resolver_failed(resolver); /* what is known for sure stays so */
	setup.loop.now_ns += 1000 * SECOND;
	expect_known(resolver, literal_rows[_i].known);
	resolver_free(resolver);
	loop_case_close(&setup);
}
END_TEST

/* One look-up for all who ask meanwhile; those who have left are not told. */
START_TEST(test_one_for_all)
{
	struct asker askers[3] = {{.told = 0}};
	struct loop_case setup;
	struct resolver *resolver;

	loop_case_open(&setup, flags);
	names_case_add("127.0.0.2", "127.0.0.1");
	names_case_add("127.0.0.3", NULL);
	resolver = resolver_new(&setup.loop, &setup.load.config->upstream_url);
	expect_known(resolver, "");
	asker_ask(&askers[0], resolver);
	asker_ask(&askers[1], resolver);
	asker_ask(&askers[2], resolver);
	resolver_leave(resolver, &askers[1].wait);
	resolver_leave(resolver, &askers[1].wait);
	loop_case_until(&setup, askers[2].told > 0);
	ck_assert_int_eq(askers[0].told, 1);
	ck_assert_int_eq(askers[1].told, 0);
	ck_assert_int_eq(askers[2].told, 1);
	ck_assert_str_eq(askers[0].error, "");
	ck_assert_int_eq(names_case.asked, 1);
	expect_known(resolver, "127.0.0.2:7 127.0.0.1:7");
	setup.loop.now_ns += 5 * SECOND - 1;
	expect_known(resolver, "127.0.0.2:7 127.0.0.1:7");
	setup.loop.now_ns += 1; /* names move */
	expect_known(resolver, "");
	askers[0].told = 0;
	asker_ask(&askers[0], resolver);
	loop_case_until(&setup, askers[0].told > 0);
	expect_known(resolver, "127.0.0.3:7");
	ck_assert_int_eq(names_case.asked, 2);
	resolver_free(resolver);
	loop_case_close(&setup);
}
END_TEST

/* Where the server answered comes first; where it did not answer at all, nothing is known. */
START_TEST(test_worked_and_failed)
{
	struct asker asker = {.told = 0};
	struct address list[ADDRESS_LIST_MAX];
	struct loop_case setup;
	struct resolver *resolver;

	loop_case_open(&setup, flags);
	names_case_add("127.0.0.2", "127.0.0.1");
	names_case_add("127.0.0.3", NULL);
	resolver = resolver_new(&setup.loop, &setup.load.config->upstream_url);
	asker_ask(&asker, resolver);
	loop_case_until(&setup, asker.told > 0);
	ck_assert_uint_eq(resolver_known(resolver, list), 2);
	resolver_worked(resolver, &list[1]);
	expect_known(resolver, "127.0.0.1:7 127.0.0.2:7");
	resolver_worked(resolver, &list[1]);
	expect_known(resolver, "127.0.0.1:7 127.0.0.2:7");
	address_set_port(&list[0], 8);
	resolver_worked(resolver, &list[0]); /* an address that is none of them changes nothing */
	expect_known(resolver, "127.0.0.1:7 127.0.0.2:7");
	resolver_failed(resolver);
	expect_known(resolver, "");
	asker.told = 0;
	asker_ask(&asker, resolver);
	loop_case_until(&setup, asker.told > 0);
	expect_known(resolver, "127.0.0.3:7");
	resolver_free(resolver);
	loop_case_close(&setup);
}
END_TEST

/* A name that is not known yet: the reason is told, and who asks again has it looked up again. */
START_TEST(test_unknown_name)
{
	struct asker asker = {.told = 0};
	struct loop_case setup;
	struct resolver *resolver;

	loop_case_open(&setup, flags);
	names_case_add(NULL, NULL);
	names_case_add("127.0.0.1", NULL);
	resolver = resolver_new(&setup.loop, &setup.load.config->upstream_url);
	asker_ask(&asker, resolver);
	loop_case_until(&setup, asker.told > 0);
	ck_assert_str_eq(asker.error, "server.test: Name or service not known");
	expect_known(resolver, "");
	asker.told = 0;
	asker_ask(&asker, resolver);
	loop_case_until(&setup, asker.told > 0);
	ck_assert_str_eq(asker.error, "");
	expect_known(resolver, "127.0.0.1:7");
	resolver_free(resolver);
	loop_case_close(&setup);
}
END_TEST

/* A look-up that hangs does not stop the loop, nor what wants to end; its thread ends alone. */
START_TEST(test_look_up_that_hangs)
{
	size_t descriptors, threads = loop_case_threads();
	struct asker asker = {.told = 0};
	struct loop_case setup;
	struct resolver *resolver;

	loop_case_open(&setup, flags);
	descriptors = loop_case_count("/proc/self/fd");
	names_case_block();
	names_case_add("127.0.0.1", NULL);
	resolver = resolver_new(&setup.loop, &setup.load.config->upstream_url);
	asker_ask(&asker, resolver);
	loop_case_until(&setup, names_case.asked > 0);
	loop_case_turn(&setup);
	ck_assert_int_eq(asker.told, 0);
	resolver_leave(resolver, &asker.wait);
	resolver_free(resolver);
	names_case_release();
	while (loop_case_count("/proc/self/task") > threads)
		;
	ck_assert_int_eq(asker.told, 0);
	ck_assert_uint_eq(loop_case_count("/proc/self/fd"), descriptors);
	loop_case_close(&setup);
}
END_TEST

/* It is freed in the moment in which the answer has come and nobody has looked yet. */
START_TEST(test_answer_nobody_hears)
{
	size_t threads = loop_case_threads();
	struct asker asker = {.told = 0};
	struct loop_case setup;
	struct resolver *resolver;

	loop_case_open(&setup, flags);
	names_case_add("127.0.0.1", NULL);
	resolver = resolver_new(&setup.loop, &setup.load.config->upstream_url);
	asker_ask(&asker, resolver);
	loop_case_turn(&setup); /* it begins */
	while (loop_case_count("/proc/self/task") > threads || names_case.asked == 0)
		;
	resolver_leave(resolver, &asker.wait);
	resolver_free(resolver);
	loop_case_close(&setup);
}
END_TEST

/* Whatever cannot be had, who asks is told; when it can be had again, all is well. */
START_TEST(test_out_of_memory)
{
	struct loop_case setup;
	struct resolver *resolver;
	long n;

	loop_case_open(&setup, flags);
	names_case_add("127.0.0.1", NULL);
	unit_alloc_fail_after(0);
	resolver = resolver_new(&setup.loop, &setup.load.config->upstream_url);
	unit_alloc_fail_never();
	ck_assert_ptr_null(resolver);
	for (n = 0;; n++) {
		struct asker asker = {.told = 0};

		resolver = resolver_new(&setup.loop, &setup.load.config->upstream_url);
		asker_ask(&asker, resolver);
		unit_alloc_fail_after(n);
		loop_case_until(&setup, asker.told > 0);
		unit_alloc_fail_never();
		ck_assert_int_eq(asker.told, 1);
		resolver_free(resolver);
		if (!unit_alloc_failed())
			break;
		ck_assert_str_eq(asker.error, "Cannot allocate memory");
	}
	ck_assert_int_gt(n, 0);
	loop_case_close(&setup);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("resolver");

	tcase_add_loop_test(tc, test_literals, 0, sizeof literal_rows / sizeof literal_rows[0]);
	tcase_add_test(tc, test_one_for_all);
	tcase_add_test(tc, test_worked_and_failed);
	tcase_add_test(tc, test_unknown_name);
	tcase_add_test(tc, test_look_up_that_hangs);
	tcase_add_test(tc, test_answer_nobody_hears);
	tcase_add_test(tc, test_out_of_memory);
	return unit_run("resolver", tc);
}

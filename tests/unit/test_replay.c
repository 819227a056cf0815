/*
 * What the server of a recording says to a client, which says all of its part at once: lines in,
 * lines out; and recordings that cannot be played.
 */
#include "proxy/explain/replay.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"
#include "tests/unit/config_case.h"

#define CALLS                                                                                      \
	"> {\"id\":1,\"method\":\"a\"}\n< {\"id\":1,\"result\":\"one\"}\n"                         \
	"< {\"method\":\"n\",\"params\":1}\n> {\"id\":2,\"method\":\"b\"}\n"                       \
	"< {\"id\":2,\"error\":{\"code\":1}}\n> {\"id\":3,\"method\":\"a\"}\n"                     \
	"< {\"id\":3,\"result\":\"three\"}\n< {\"method\":\"n\",\"params\":3}\n"
#define NO "\"error\":{\"code\":-32000,\"message\":\"the recording has no further request "
#define CONNECTIONS                                                                                \
	"{\"conn\":\"a\",\"dir\":\"c2s\",\"raw\":\"{\\\"id\\\":1,\\\"method\\\":\\\"m\\\"}\"}\n"   \
	"{\"conn\":2,\"dir\":\"c2s\",\"raw\":\"{\\\"id\\\":1,\\\"method\\\":\\\"m\\\"}\"}\n"       \
	"{\"conn\":2,\"dir\":\"s2c\",\"raw\":\"{\\\"id\\\":1,\\n\\\"result\\\":2}\\r\"}\n"         \
	"{\"conn\":\"a\",\"dir\":\"s2c\",\"raw_parts\":[\"{\\\"id\\\":1,\\\"result\\\":\\\"\","    \
	"[\"y\",3],\"\\\"}\"]}\n"

/* A recording, what the client says, what it hears. */
static const struct replay_row {
	const char *recording, *client, *answers;
	const char *connection; /* that is to be played; NULL: the first */
	struct replay_counters counters;
} rows[] = {
	/* by method and in order, with the client's own ids as they are */
	{CALLS,
		"{\"id\":\"x\",\"method\":\"a\"}\n{\"method\":\"b\",\"id\":1.5}\n"
		"{\"id\":\"\\u00fc\\\"\",\"method\":\"a\"}\n",
		"{\"id\":\"x\",\"result\":\"one\"}\n{\"method\":\"n\",\"params\":1}\n"
		"{\"id\":1.5,\"error\":{\"code\":1}}\n{\"id\":\"\303\274\\\"\",\"result\":"
		"\"three\"}"
		"\n{\"method\":\"n\",\"params\":3}\n",
		NULL, {5, 5, 0}},
	/* what is not recorded, or not that often; batches and answers are no requests */
	{CALLS,
		"{\"id\":9,\"method\":\"no\\n\"}\n{\"method\":\"a b\"}\n{\"id\":5,\"result\":1}\n"
		" \t[{\"id\":1,\"method\":\"a\"}]\n7\n{}\n\n"
		"{\"jsonrpc\":\"2.0\",\"id\":\"y\",\"method\":\"c\"}\n",
		"{\"id\":9," NO "no\357\277\275\"}}\n{\"jsonrpc\":\"2.0\",\"id\":\"y\"," NO
		"c\"}}\n",
		NULL, {5, 0, 2}},
	{CALLS,
		" {\"id\":0,\"method\":\"a\"}\n{\"id\":1,\"method\":\"a\"}\n"
		"{\"id\":2,\"method\":\"a\"}\n",
		"{\"id\":0,\"result\":\"one\"}\n{\"method\":\"n\",\"params\":1}\n"
		"{\"id\":1,\"result\":\"three\"}\n{\"method\":\"n\",\"params\":3}\n"
		"{\"id\":2," NO "a\"}}\n",
		NULL, {5, 4, 1}},
	/* what is left out is passed over, and answered at once when it comes after all */
	{CALLS,
		"{\"id\":1,\"method\":\"b\"}\n{\"id\":2,\"method\":\"a\"}\n"
		"{\"id\":3,\"method\":\"a\"}\n",
		"{\"method\":\"n\",\"params\":1}\n{\"id\":1,\"error\":{\"code\":1}}\n"
		"{\"id\":2,\"result\":\"three\"}\n{\"method\":\"n\",\"params\":3}\n"
		"{\"id\":3,\"result\":\"one\"}\n",
		NULL, {5, 5, 0}},
	/* nothing comes before its cause, be it a notification or an answer */
	{"> {\"id\":1,\"method\":\"go\"}\n< {\"id\":\"q\",\"method\":\"may\"}\n"
	 "> {\"id\":\"q\",\"result\":true}\n< {\"method\":\"done\"}\n> {\"method\":\"stop\"}\n"
	 "< {\"id\":1,\"result\":0}\n{\"end\":\"client\"}\n< {\"method\":\"bye\"}\n"
	 "{\"end\":\"server\"}\n< {\"method\":\"never\"}\n",
		"{\"id\":7,\"method\":\"go\"}\n{\"id\":\"other\",\"result\":0}\n"
		"{\"id\":8,\"method\":\"x\"}\n{\"id\":\"q\",\"result\":0}\n"
		"{\"id\":9,\"method\":\"x\"}\n{\"method\":\"stop\"}\n",
		"{\"id\":\"q\",\"method\":\"may\"}\n{\"id\":8," NO "x\"}}\n{\"method\":\"done\"}\n"
		"{\"id\":9," NO "x\"}}\n{\"id\":7,\"result\":0}\n{\"method\":\"bye\"}\n",
		NULL, {5, 4, 2}},
	/* a server that speaks first, and one that ends before all has been said */
	{"< {\"method\":\"hello\"}\n> {\"method\":\"a\"}\n< {\"method\":\"b\"}\n", "",
		"{\"method\":\"hello\"}\n", NULL, {2, 1, 0}},
	{"> {\"method\":\"go\"}\n< {\"method\":\"bye\"}\n{\"end\":\"backend\"}\n",
		"{\"method\":\"go\"}\n{\"id\":1,\"method\":\"more\"}\n", "{\"method\":\"bye\"}\n",
		NULL, {1, 1, 0}},
	{"{\"end\":\"client\"}\n", "", "", NULL, {0, 0, 0}},
	{"> {\"method\":\"go\"}\n{\"end\":\"client\"}\n< {\"method\":\"late\"}\n", "", "", NULL,
		{1, 0, 0}},
	/*
	 * ids: the last of two counts, wherever they stand; requests of one id one after the other
	 */
	{"> {\"id\":1,\"method\":\"a\"}\n> {\"id\":1,\"method\":\"b\"}\n"
	 "< { \"id\" :\t1, \"result\":{\"id\":1}}\n< {\"id\":1,\"result\":[\"id\"] , \"id\": 1 }\n",
		"{\"id\":[5],\"method\":\"a\"}\n{\"id\":null,\"method\":\"b\"}\n"
		"{\"id\":10,\"method\":\"a\"}\n{\"id\":\"20\",\"method\":\"b\"}\n",
		"{ \"id\" :\t10, \"result\":{\"id\":1}}\n"
		"{\"id\":1,\"result\":[\"id\"] , \"id\": \"20\" }\n",
		NULL, {2, 2, 0}},
	/* an answer that nobody asked for comes as it is */
	{"> {\"id\":1,\"method\":\"a\"}\n< {\"id\":2,\"result\":1}\n",
		"{\"id\":5,\"method\":\"a\"}\n", "{\"id\":2,\"result\":1}\n", NULL, {1, 1, 0}},
	/* one connection of several */
	{CONNECTIONS, "{\"id\":0,\"method\":\"m\"}\n", "{\"id\":0,\"result\":\"yyy\"}\n", NULL,
		{1, 1, 0}},
	{CONNECTIONS, "{\"id\":0,\"method\":\"m\"}\n", "{\"id\":0, \"result\":2} \n", "2",
		{1, 1, 0}},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

struct played {
	enum replay_outcome outcome;
	struct replay_counters counters;
	char error[512];
	char answers[4096];
};

static struct config config;
static long fail_at = -1; /* the allocation that fails meanwhile, */
static bool fail_once;    /* and no other */

/* Plays a recording that is in a file. A client needs a byte to say, if only a blank line. */
static void play(struct played *played, const char *name, const char *client)
{
	FILE *said = fmemopen((void *)(uintptr_t)(*client != '\0' ? client : "\n"),
		*client != '\0' ? strlen(client) : 1, "r");
	int answers = memfd_create("answers", MFD_CLOEXEC);
	ssize_t size;

	ck_assert(said != NULL && answers >= 0);
	config.replay = (char *)(uintptr_t)name;
	if (fail_at >= 0)
		(fail_once ? unit_alloc_fail_once : unit_alloc_fail_after)(fail_at);
	played->outcome = replay_file(
		&config, said, answers, &played->counters, played->error, sizeof played->error);
	unit_alloc_fail_never();
	size = pread(answers, played->answers, sizeof played->answers - 1, 0);
	ck_assert_int_ge(size, 0);
	played->answers[size] = '\0';
	fclose(said);
	close(answers);
}

static void is_played(const struct replay_row *row, const struct played *played)
{
	ck_assert_msg(played->outcome == REPLAY_DONE, "%s", played->error);
	ck_assert_str_eq(played->answers, row->answers);
	ck_assert_uint_eq(played->counters.recorded, row->counters.recorded);
	ck_assert_uint_eq(played->counters.played, row->counters.played);
	ck_assert_uint_eq(played->counters.unexpected, row->counters.unexpected);
}

START_TEST(test_plays)
{
	char *name = config_case_file(rows[_i].recording);
	struct played played;

	config = (struct config){.replay_connection = (char *)(uintptr_t)rows[_i].connection};
	play(&played, name, rows[_i].client);
	is_played(&rows[_i], &played);
	config_case_unlink(name);
}
END_TEST

/* Each allocation fails, with or without all behind it: it says so, after what it could say. */
START_TEST(test_plays_without_memory)
{
	const struct replay_row *row = &rows[_i / 2];
	char *name = config_case_file(row->recording);
	struct played played;
	bool refused = true;

	config = (struct config){.replay_connection = (char *)(uintptr_t)row->connection};
	fail_once = _i % 2 == 0;
	for (fail_at = 0; refused; fail_at++) {
		ck_assert_int_lt(fail_at, 500);
		play(&played, name, row->client);
		refused = unit_alloc_failed();
		if (!refused || played.outcome == REPLAY_DONE) {
			is_played(row, &played);
			continue;
		}
		ck_assert_int_eq(played.outcome, REPLAY_FAILED);
		ck_assert_ptr_nonnull(strstr(played.error, "out of memory"));
		ck_assert_int_eq(strncmp(played.answers, row->answers, strlen(played.answers)), 0);
	}
	ck_assert_int_gt(fail_at, 5);
	fail_at = -1;
	config_case_unlink(name);
}
END_TEST

/* More lines than there is room for at first, answered in another order than they were asked. */
START_TEST(test_many)
{
	static char recording[32768], client[16384], expected[16384], answers[16384];
	size_t i, count = 200, used = 0, said = 0, size = 0;
	int fd = memfd_create("answers", MFD_CLOEXEC);
	struct replay_counters counters;
	char error[128], *name;
	FILE *file;

	for (i = 0; i < count; i++) {
		used += (size_t)sprintf(
			recording + used, "> {\"id\":%zu,\"method\":\"m%zu\"}\n", i, i % 7);
		said += (size_t)sprintf(
			client + said, "{\"id\":\"c%zu\",\"method\":\"m%zu\"}\n", i, i % 7);
	}
	for (i = 0; i < count; i++) {
		used += (size_t)sprintf(
			recording + used, "< {\"id\":%zu,\"result\":0}\n", i / 2 * 2 + (1 - i % 2));
		size += (size_t)sprintf(expected + size, "{\"id\":\"c%zu\",\"result\":0}\n",
			i / 2 * 2 + (1 - i % 2));
	}
	name = config_case_file(recording);
	file = fmemopen(client, said, "r");
	config = (struct config){.replay = name};
	ck_assert_int_eq(
		replay_file(&config, file, fd, &counters, error, sizeof error), REPLAY_DONE);
	ck_assert_int_eq(pread(fd, answers, sizeof answers, 0), (ssize_t)size);
	ck_assert_mem_eq(answers, expected, size);
	ck_assert_uint_eq(counters.played, count);
	fclose(file);
	close(fd);
	config_case_unlink(name);
}
END_TEST

/* The time between lines of the connection passes again, if that is wanted. */
START_TEST(test_timed)
{
	char *name = config_case_file("{\"t\":5,\"dir\":\"s2c\",\"raw\":\"{}\"}\n"
				      "{\"t\":5.03,\"dir\":\"s2c\",\"raw\":\"[]\"}\n"
				      "{\"t\":100,\"conn\":1,\"dir\":\"s2c\",\"raw\":\"7\"}\n");
	struct timespec before, after;
	struct played played;
	int64_t took_ns;

	config = (struct config){.replay_timed = true};
	clock_gettime(CLOCK_MONOTONIC, &before);
	play(&played, name, "");
	clock_gettime(CLOCK_MONOTONIC, &after);
	ck_assert_str_eq(played.answers, "{}\n[]\n");
	took_ns = (int64_t)(after.tv_sec - before.tv_sec) * 1000000000 +
		  (after.tv_nsec - before.tv_nsec);
	ck_assert_int_ge(took_ns, 30000000);
	config_case_unlink(name);
}
END_TEST

static const struct {
	const char *recording, *connection, *error; /* behind the file's name */
} wrong[] = {
	{"", NULL, ": is empty"},
	{"\n\n", NULL, ": is empty"},
	{CALLS, "none", ": has no such connection"},
	{"> {\"id\":1,\"method\":\"a\"}\n{}\n", NULL,
		":2: neither a message nor an end; must have \"dir\" and one of \"raw\" and "
		"\"raw_parts\", or \"end\""},
};

START_TEST(test_wrong)
{
	char *name = config_case_file(wrong[_i].recording), expected[512];
	struct played played;

	config = (struct config){.replay_connection = (char *)(uintptr_t)wrong[_i].connection};
	play(&played, name, "");
	ck_assert_int_eq(played.outcome, REPLAY_WRONG);
	snprintf(expected, sizeof expected, "%s%s", name, wrong[_i].error);
	ck_assert_str_eq(played.error, expected);
	ck_assert_str_eq(played.answers, "");
	config_case_unlink(name);
}
END_TEST

START_TEST(test_nowhere)
{
	struct played played;

	config = (struct config){.replay_timed = false};
	play(&played, "/nowhere", "");
	ck_assert_int_eq(played.outcome, REPLAY_WRONG);
	ck_assert_str_eq(played.error, "/nowhere: cannot be opened: No such file or directory");
}
END_TEST

/* Nobody reads any more. */
START_TEST(test_reader_gone)
{
	char *name = config_case_file("< {}\n"), error[128], nothing[] = "\n";
	FILE *client = fmemopen(nothing, 1, "r");
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct replay_counters counters;

	config = (struct config){.replay = name};
	ck_assert_int_eq(
		replay_file(&config, client, full, &counters, error, sizeof error), REPLAY_FAILED);
	ck_assert_str_eq(error, "standard output takes no more");
	fclose(client);
	close(full);
	config_case_unlink(name);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("replay");

	tcase_add_loop_test(tc, test_plays, 0, ROWS);
	tcase_add_loop_test(tc, test_plays_without_memory, 0, 2 * ROWS);
	tcase_add_test(tc, test_many);
	tcase_add_test(tc, test_timed);
	tcase_add_loop_test(tc, test_wrong, 0, (int)(sizeof wrong / sizeof wrong[0]));
	tcase_add_test(tc, test_nowhere);
	tcase_add_test(tc, test_reader_gone);
	return unit_run("replay", tc);
}

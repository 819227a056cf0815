/* What recorded messages come to: the lines, the trees, the counts, and what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config_load.h"
#include "proxy/explain/pending.h"
#include "proxy/explain/explain.h"
#include "tests/unit/config_case.h"
#include "tests/unit/unit.h"

/* Lines of a recording. */
#define C2S(raw) "{\"dir\":\"c2s\",\"raw\":\"" raw "\"}\n"
#define S2C(raw) "{\"dir\":\"s2c\",\"raw\":\"" raw "\"}\n"
#define PING(id) "{\\\"id\\\":" id ",\\\"method\\\":\\\"ping\\\"}"
#define PONG(id) "{\\\"id\\\":" id ",\\\"result\\\":{}}"

struct explained {
	enum explain_outcome outcome;
	char error[CONFIG_ERROR_SIZE];
	char *text; /* owned */
};

static FILE *file_of(const char *text, size_t size)
{
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, size, file), size);
	rewind(file);
	return file;
}

static char *all_of(FILE *file)
{
	long size;
	char *text;

	ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	text = calloc(1, (size_t)size + 1);
	ck_assert_ptr_nonnull(text);
	rewind(file);
	ck_assert_uint_eq(fread(text, 1, (size_t)size, file), (size_t)size);
	return text;
}

static struct config *config_from(const char *const *flags)
{
	static const char *const none[] = {NULL};
	struct config_case load;

	config_case_load(&load, flags, none);
	ck_assert_int_eq(load.outcome, CONFIG_RUN);
	unit_free_foreign(load.out);
	return load.config;
}

static struct config *config_of(const char *profile)
{
	const char *flags[] = {"--profile", profile, "--explain", "x", NULL};

	return config_from(flags);
}

/* With allocation number n failing; -1: none. */
static struct explained explain_with(
	const struct config *config, const char *recording, size_t size, long n)
{
	struct explained explained = {.error = ""};
	FILE *file = file_of(recording, size), *out = tmpfile();

	ck_assert_ptr_nonnull(out);
	if (n >= 0)
		unit_alloc_fail_after(n);
	explained.outcome =
		explain_recording(config, file, "x", out, explained.error, sizeof explained.error);
	unit_alloc_fail_never();
	explained.text = all_of(out);
	(void)fclose(file); /* only read */
	(void)fclose(out);
	return explained;
}

static void check_explained(const char *profile, const char *recording, const char *expected)
{
	struct config *config = config_of(profile);
	struct explained explained = explain_with(config, recording, strlen(recording), -1);

	ck_assert_msg(explained.outcome == EXPLAIN_DONE, "%s", explained.error);
	ck_assert_str_eq(explained.text, expected);
	free(explained.text);
	config_free(config);
}

static const struct {
	const char *profile;
	const char *recording;
	const char *expected;
} cases[] = {
	{"generic", "", "\nmessages=0 spans=0 not_json=0 without_rule=0\n"},
	/* a request and its answer; a message without an id, and without a span */
	{"generic", C2S(PING("1")) S2C(PONG("1")) S2C("{\\\"method\\\":\\\"done\\\"}"),
		"   1  0.001  c2s  ping  id=1\n"
		"   2  0.002  s2c  answer to ping  id=1\n"
		"   3  0.003  s2c  done\n"
		"\n"
		"trace 1\n"
		"└─ ping  1.00 ms  server  rpc.request_id=1\n"
		"\n"
		"messages=3 spans=1 not_json=0 without_rule=3\n"},
	/* both sides ask, with the same ids; an id is a string or a number; an error */
	{"generic",
		C2S(PING("1")) S2C("{\\\"id\\\":1,\\\"method\\\":\\\"may I\\\"}") C2S(PONG("1"))
			C2S(PING("\\\"1\\\"")) S2C("{\\\"id\\\":\\\"1\\\",\\\"error\\\":{}}")
				S2C(PONG("1")),
		"   1  0.001  c2s  ping  id=1\n"
		"   2  0.002  s2c  may I  id=1\n"
		"   3  0.003  c2s  answer to may I  id=1\n"
		"   4  0.004  c2s  ping  id=\"1\"\n"
		"   5  0.005  s2c  error answer to ping  id=\"1\"\n"
		"   6  0.006  s2c  answer to ping  id=1\n"
		"\n"
		"trace 1\n"
		"└─ ping  5.00 ms  server  rpc.request_id=1\n"
		"trace 2\n"
		"└─ ping  1.00 ms  server  ERROR  rpc.request_id=1 error.type=_OTHER "
		"sidespan.end_reason=error\n"
		"\n"
		"messages=6 spans=2 not_json=0 without_rule=6\n"},
	/* the client's context, good and bad */
	{"codex",
		C2S("{\\\"id\\\":1,\\\"method\\\":\\\"a\\\",\\\"trace\\\":{\\\"traceparent\\\":"
		    "\\\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\\\"}}")
			S2C(PONG("1"))
				C2S("{\\\"id\\\":2,\\\"method\\\":\\\"b\\\",\\\"trace\\\":5}")
					S2C(PONG("2")),
		"   1  0.001  c2s  a  id=1\n"
		"   2  0.002  s2c  answer to a  id=1\n"
		"   3  0.003  c2s  b  id=2\n"
		"      the trace carrier is invalid: a new trace begins\n"
		"   4  0.004  s2c  answer to b  id=2\n"
		"\n"
		"trace 1\n"
		"└─ app_server.request a  1.00 ms  server  rpc.request_id=1"
		"  (parent b7ad6b7169203331)\n"
		"trace 2\n"
		"└─ app_server.request b  1.00 ms  server  rpc.request_id=2\n"
		"\n"
		"messages=4 spans=2 not_json=0 without_rule=4\n"},
	/* batches; what is no JSON, no JSON-RPC, nothing */
	{"generic",
		C2S("[" PING("1") "," PING("2") "]") S2C("[" PONG("2") "," PONG("1") "]") C2S("[]")
			C2S("7") C2S("{") S2C("[" PONG("3") ",") S2C("{}") C2S(""),
		"   1  0.001  c2s  ping  id=1\n"
		"   1  0.001  c2s  ping  id=2\n"
		"   2  0.002  s2c  answer to ping  id=2\n"
		"   2  0.002  s2c  answer to ping  id=1\n"
		"   3  0.003  c2s  not JSON-RPC\n"
		"   4  0.004  c2s  not JSON-RPC\n"
		"   5  0.005  c2s  nothing that can be read\n"
		"      not JSON\n"
		"   6  0.006  s2c  nothing that can be read\n"
		"      not JSON\n"
		"   7  0.007  s2c  not JSON-RPC\n"
		"   8  0.008  c2s  a blank line\n"
		"\n"
		"trace 1\n"
		"└─ ping  1.00 ms  server  rpc.request_id=2\n"
		"trace 2\n"
		"└─ ping  1.00 ms  server  rpc.request_id=1\n"
		"\n"
		"messages=8 spans=2 not_json=2 without_rule=5\n"},
	/* ids that are used twice, or cannot be used; what a terminal must not get */
	{"generic",
		C2S(PING("1")) C2S(PING("1")) C2S(PING("[]"))
			C2S("{\\\"id\\\":\\\"\\\\u001b\\\",\\\"method\\\":\\\"\\\\u0007\\\"}"),
		"   1  0.001  c2s  ping  id=1\n"
		"   2  0.002  c2s  ping  id=1\n"
		"      the id is in use: the request that had it ends\n"
		"   3  0.003  c2s  ping\n"
		"      no answer could have this id: no span\n"
		"   4  0.004  c2s  \xef\xbf\xbd  id=\"\xef\xbf\xbd\"\n"
		"\n"
		"trace 1\n"
		"└─ ping  1.00 ms  server  ERROR no answer yet when the id was used again  "
		"rpc.request_id=1 error.type=id_reused sidespan.end_reason=id_reused\n"
		"trace 2\n"
		"└─ ping  2.00 ms  server  ERROR no answer yet at shutdown  rpc.request_id=1 "
		"error.type=shutdown sidespan.end_reason=shutdown\n"
		"trace 3\n"
		"└─ \xef\xbf\xbd  0 ns  server  ERROR no answer yet at shutdown  "
		"rpc.request_id=\xef\xbf\xbd error.type=shutdown sidespan.end_reason=shutdown\n"
		"\n"
		"messages=4 spans=3 not_json=0 without_rule=4\n"},
	/* connections that share a server: each has its ids, and is over with its client */
	{"generic",
		"{\"t\":0,\"conn\":\"a\",\"dir\":\"c2s\",\"raw\":\"" PING(
			"1") "\"}\n"
			     "{\"conn\":7,\"dir\":\"c2s\",\"raw\":\"" PING(
				     "1") "\"}\n"
					  "{\"conn\":\"a\",\"end\":\"client\"}\n"
					  "{\"conn\":\"a\",\"end\":\"backend\"}\n"
					  "{\"t\":0.5000625,\"conn\":7,\"dir\":\"s2c\",\"raw\":"
					  "\"" PONG("1") "\"}\n",
		"   1  0.000  c2s a  ping  id=1\n"
		"   2  0.001  c2s 7  ping  id=1\n"
		"   3  0.002  c2s a  the client ends\n"
		"   4  0.003  s2c a  the server ends\n"
		"   5  0.500063  s2c 7  answer to ping  id=1\n"
		"\n"
		"trace 1\n"
		"└─ ping  2.00 ms  server  ERROR no answer: the connection was closed  "
		"rpc.request_id=1 error.type=connection_closed "
		"sidespan.end_reason=connection_closed\n"
		"trace 2\n"
		"└─ ping  499 ms  server  rpc.request_id=1\n"
		"\n"
		"messages=3 spans=2 not_json=0 without_rule=3\n"},
	/* a wrapped server still answers when its input has ended; who ended first is to blame */
	{"generic",
		C2S(PING("1")) C2S(PING("2")) "{\"end\":\"client\"}\n" S2C(
			PONG("2")) "{\"end\":"
				   "\"backend\"}\n"
				   "{\"conn\":\"b\",\"transport\":\"stdio\",\"dir\":\"c2s\","
				   "\"raw\":\"" PING("1") "\"}\n"
							  "{\"conn\":\"b\",\"end\":\"backend\"}\n"
							  "{\"conn\":\"b\",\"end\":\"client\"}\n",
		"   1  0.001  c2s  ping  id=1\n"
		"   2  0.002  c2s  ping  id=2\n"
		"   3  0.003  c2s  the client ends\n"
		"   4  0.004  s2c  answer to ping  id=2\n"
		"   5  0.005  s2c  the server ends\n"
		"   6  0.006  c2s b  ping  id=1\n"
		"   7  0.007  s2c b  the server ends\n"
		"   8  0.008  c2s b  the client ends\n"
		"\n"
		"trace 1\n"
		"└─ ping  4.00 ms  server  ERROR no answer: the connection was closed  "
		"rpc.request_id=1 error.type=connection_closed "
		"sidespan.end_reason=connection_closed\n"
		"trace 2\n"
		"└─ ping  2.00 ms  server  rpc.request_id=2\n"
		"trace 3\n"
		"└─ ping  1.00 ms  server  ERROR no answer: the server ended  rpc.request_id=1 "
		"error.type=backend_exited sidespan.end_reason=backend_exited\n"
		"\n"
		"messages=4 spans=3 not_json=0 without_rule=4\n"},
	/* time passes: second by second, then in leaps */
	{"generic",
		"{\"t\":1000000000.5,\"dir\":\"c2s\",\"raw\":\"" PING(
			"1") "\"}\n"
			     "{\"t\":1000000601.75,\"dir\":\"c2s\",\"raw\":\"" PING(
				     "2") "\"}\n"
					  "{\"t\":2000000000,\"dir\":\"c2s\",\"raw\":\"" PING(
						  "3") "\"}\n"
						       "{\"t\":3000000000.25,\"end\":\"client\"}\n",
		"   1  1000000000.500  c2s  ping  id=1\n"
		"   -  1000000601.000  time passes\n"
		"      inflight.max_age has passed: a request ends without an answer\n"
		"   2  1000000601.750  c2s  ping  id=2\n"
		"   -  1000001202.000  time passes\n"
		"      inflight.max_age has passed: a request ends without an answer\n"
		"   3  2000000000.000  c2s  ping  id=3\n"
		"   -  3000000000.000  time passes\n"
		"      inflight.max_age has passed: a request ends without an answer\n"
		"   4  3000000000.250  c2s  the client ends\n"
		"\n"
		"trace 1\n"
		"└─ ping  600 s  server  ERROR no answer within inflight.max_age  "
		"rpc.request_id=1 error.type=expired sidespan.end_reason=expired\n"
		"trace 2\n"
		"└─ ping  600 s  server  ERROR no answer within inflight.max_age  "
		"rpc.request_id=2 error.type=expired sidespan.end_reason=expired\n"
		"trace 3\n"
		"└─ ping  1000000000 s  server  ERROR no answer within inflight.max_age  "
		"rpc.request_id=3 error.type=expired sidespan.end_reason=expired\n"
		"\n"
		"messages=3 spans=3 not_json=0 without_rule=3\n"},
};

START_TEST(test_cases)
{
	check_explained(cases[_i].profile, cases[_i].recording, cases[_i].expected);
}
END_TEST

static const struct {
	const char *recording;
	const char *error;
} wrong_cases[] = {
	{"{", "x:1: not JSON: premature EOF; must be one object on one line"},
	{C2S("") "{\"t\":0,\"end\":\"client\"}\n",
		"x:2: \"t\": before the time of an earlier line; must be in order of time"},
	{"{\"end\":\"client\"}\n" C2S(""), "x:2: this side has ended; must stand before its end"},
	{"{\"end\":\"client\"}\n{\"end\":\"client\"}",
		"x:2: this side has ended; must stand before its end"},
	{"{\"end\":\"backend\"}\n" C2S(""),
		"x:2: the connection is over; must stand before its end"},
	{"{\"end\":\"client\",\"conn\":1}\n{\"dir\":\"s2c\",\"raw\":\"\",\"conn\":1}",
		"x:2: the connection is over; must stand before its end"},
};

/* Without trees and counts. */
START_TEST(test_wrong)
{
	struct config *config = config_of("generic");
	struct explained explained;

	explained = explain_with(
		config, wrong_cases[_i].recording, strlen(wrong_cases[_i].recording), -1);
	ck_assert_int_eq(explained.outcome, EXPLAIN_WRONG);
	ck_assert_str_eq(explained.error, wrong_cases[_i].error);
	ck_assert_ptr_null(strstr(explained.text, "messages="));
	free(explained.text);
	config_free(config);
}
END_TEST

/* What ends because we give up is not told as if it had been recorded. */
START_TEST(test_wrong_in_a_turn)
{
	static const char recording[] = C2S(
		"{\\\"id\\\":1,\\\"method\\\":\\\"turn/start\\\",\\\"params\\\":"
		"{\\\"threadId\\\":\\\"th\\\"}}")
		S2C("{\\\"id\\\":1,\\\"result\\\":{\\\"turn\\\":{\\\"id\\\":\\\"tu\\\"}}}") "{";
	struct config *config = config_of("codex");
	struct explained explained = explain_with(config, recording, strlen(recording), -1);

	ck_assert_int_eq(explained.outcome, EXPLAIN_WRONG);
	ck_assert_ptr_nonnull(strstr(explained.text, "turn th/tu opened"));
	ck_assert_ptr_null(strstr(explained.text, "ended"));
	free(explained.text);
	config_free(config);
}
END_TEST

/* The server's requests may get our context, too: as held messages they are judged as a whole. */
START_TEST(test_server_requests)
{
	static const char recording[] = S2C(PING("1")) C2S(PONG("1")) S2C("[" PONG("3") ",");
	static const char *const flags[] = {"--propagation-inject", "/trace",
		"--propagation-inject-server-requests", "--profile", "generic", "--explain", "x",
		NULL};
	struct config *config = config_from(flags);
	struct explained explained = explain_with(config, recording, strlen(recording), -1);

	ck_assert_str_eq(explained.text, "   1  0.001  s2c  ping  id=1\n"
					 "   2  0.002  c2s  answer to ping  id=1\n"
					 "   3  0.003  s2c  nothing that can be read\n"
					 "      not JSON\n"
					 "\n"
					 "messages=3 spans=0 not_json=1 without_rule=2\n");
	free(explained.text);
	config_free(config);
}
END_TEST

/* Why rules do not act, of messages with one method and of answers to it. */
START_TEST(test_why)
{
	static const char *const flags[] = {
		"--profile", "codex", "--explain", "x", "--why", "item/completed", NULL};
	static const char recording[] =
		"< {\"method\":\"item/completed\",\"params\":{\"threadId\":\"t\",\"turnId\":\"u\","
		"\"item\":{\"id\":\"i\"}}}\n"
		"< {\"method\":\"item/completed\",\"params\":{\"threadId\":\"t\"}}\n"
		"< {\"method\":\"error\",\"params\":{\"threadId\":\"t\"}}\n";
	struct config *config = config_from(flags);
	struct explained explained = explain_with(config, recording, strlen(recording), -1);

	ck_assert_int_eq(explained.outcome, EXPLAIN_DONE);
	ck_assert_msg(strstr(explained.text, "profile codex (built-in profiles/codex.json)\n") ==
			      explained.text,
		"%s", explained.text);
	ck_assert_msg(strstr(explained.text,
			      "item completed: does not act: no such item is open") != NULL,
		"%s", explained.text);
	ck_assert_msg(strstr(explained.text, "item completed: does not act: the message has no "
					     "/params/turnId") != NULL,
		"%s", explained.text);
	ck_assert_ptr_null(strstr(explained.text, "error: does not act"));
	free(explained.text);
	config_free(config);
}
END_TEST

START_TEST(test_too_many_connections)
{
	struct config *config = config_of("generic");
	char *recording = malloc(128 * (EXPLAIN_CONNECTIONS_MAX + 1));
	struct explained explained;
	size_t used = 0, i;

	for (i = 0; i < EXPLAIN_CONNECTIONS_MAX; i++)
		used += (size_t)sprintf(
			recording + used, "{\"conn\":%zu,\"end\":\"backend\"}\n", i);
	explained = explain_with(config, recording, used, -1);
	ck_assert_int_eq(explained.outcome, EXPLAIN_DONE);
	free(explained.text);
	used += (size_t)sprintf(recording + used, "{\"conn\":\"x\",\"end\":\"backend\"}\n");
	explained = explain_with(config, recording, used, -1);
	ck_assert_int_eq(explained.outcome, EXPLAIN_WRONG);
	ck_assert_str_eq(
		explained.error, "x:1001: \"conn\": too many; must be 1000 different ones at most");
	free(explained.text);
	free(recording);
	config_free(config);
}
END_TEST

/* The oldest request is forgotten: its answer is one to nothing known. */
START_TEST(test_too_many_asked)
{
	struct config *config = config_of("generic");
	char *recording = malloc(128 * (PENDING_MAX + 3));
	struct explained explained;
	size_t used = 0, i;

	for (i = 0; i <= PENDING_MAX; i++)
		used += (size_t)sprintf(recording + used,
			"{\"dir\":\"s2c\",\"raw\":\"{\\\"id\\\":%zu,\\\"method\\\":\\\"m\\\"}\"}\n",
			i);
	used += (size_t)sprintf(recording + used, C2S(PONG("1")) C2S(PONG("0")));
	explained = explain_with(config, recording, used, -1);
	ck_assert_int_eq(explained.outcome, EXPLAIN_DONE);
	ck_assert_ptr_nonnull(strstr(explained.text, "  c2s  answer to m  id=1\n"));
	ck_assert_ptr_nonnull(strstr(explained.text, "  c2s  answer to nothing known  id=0\n"));
	free(explained.text);
	free(recording);
	config_free(config);
}
END_TEST

/* However little memory there is, it is said, or the work is done. */
START_TEST(test_no_memory)
{
	static const char recording[] = "{\"conn\":1,\"dir\":\"c2s\",\"raw\":\"" PING(
		"1") "\"}\n"
		     "{\"conn\":1,\"dir\":\"s2c\",\"raw\":\"" PONG(
			     "1") "\"}\n"
				  "{\"conn\":1,\"end\":\"client\"}\n" C2S(PING("2"));
	struct config *config = config_of("codex");
	struct explained explained;
	bool refused = true;
	long n;

	for (n = 0; refused; n++) {
		explained = explain_with(config, recording, strlen(recording), n);
		refused = unit_alloc_failed();
		ck_assert_int_ne(explained.outcome, EXPLAIN_WRONG);
		ck_assert(explained.outcome == EXPLAIN_DONE || explained.error[0] != '\0');
		ck_assert(refused || explained.outcome == EXPLAIN_DONE);
		free(explained.text);
	}
	ck_assert_int_ge(n, 20);
	config_free(config);
}
END_TEST

/* Where nothing can be written, that is said. */
START_TEST(test_full)
{
	struct config *config = config_of("generic");
	FILE *file = file_of(cases[1].recording, strlen(cases[1].recording));
	FILE *out = fopen("/dev/full", "w");
	char error[CONFIG_ERROR_SIZE];

	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(
		explain_recording(config, file, "x", out, error, sizeof error), EXPLAIN_FAILED);
	ck_assert_str_eq(
		error, "not all was written: memory is short, or standard output takes no more");
	(void)fclose(file); /* only read */
	(void)fclose(out);  /* fails, of course */
	config_free(config);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("explain");

	tcase_add_loop_test(tc, test_cases, 0, sizeof cases / sizeof *cases);
	tcase_add_loop_test(tc, test_wrong, 0, sizeof wrong_cases / sizeof *wrong_cases);
	tcase_add_test(tc, test_wrong_in_a_turn);
	tcase_add_test(tc, test_server_requests);
	tcase_add_test(tc, test_why);
	tcase_add_test(tc, test_too_many_connections);
	tcase_add_test(tc, test_too_many_asked);
	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_full);
	return unit_run("explain", tc);
}

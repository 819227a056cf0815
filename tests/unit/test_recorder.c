/* What is written into a recording, and what becomes of one that cannot be written. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/explain/recorder.h"
#include "proxy/log.h"
#include "proxy/message/envelope.h"
#include "tests/unit/config_case.h"
#include "tests/unit/unit.h"

#define SECOND_NS 1000000000ull
#define HEAD      "{\"t\":1000.000000,\"conn\":7,\"transport\":\"ws\",\"server\":\"shared\","

static char folder[] = "/tmp/recorder-XXXXXX";
static char name[64];
static struct config_case load;
static struct pointers *pointers;
static struct recorder *recorder;
static struct recorder_connection *connection;

static void set_up(void)
{
	pointers = envelope_pointers_new("/trace");
	ck_assert_ptr_nonnull(pointers);
	(void)strcpy(folder, "/tmp/recorder-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(name, sizeof name, "%s/r", folder);
	log_level_set(LOG_ERROR);
}

static void tear_down(void)
{
	pointers_free(pointers);
	(void)unlink(name);
	(void)rmdir(folder);
}

static struct recorder *make(char *error, size_t error_size)
{
	return recorder_new(
		load.config, pointers, 5 * SECOND_NS, 1000 * SECOND_NS, error, error_size);
}

/* option: one more flag, or NULL. */
static void begin(const char *option)
{
	static const char *const no_variables[] = {NULL};
	const char *const flags[] = {
		"--upstream=tcp://127.0.0.1:1", "--record", name, option, NULL};
	char error[256];

	config_case_load(&load, flags, no_variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	recorder = make(error, sizeof error);
	ck_assert_msg(recorder != NULL, "%s", error);
	connection = recorder_open(recorder, 7, "ws", false);
	ck_assert_ptr_nonnull(connection);
}

static void end(void)
{
	recorder_close(connection);
	recorder_free(recorder);
	config_case_done(&load);
}

static void say(enum recording_side side, const char *text)
{
	recorder_take(
		connection, side, (const uint8_t *)text, strlen(text), true, true, 5 * SECOND_NS);
}

/* What the file has is just that. */
static void check_file(const char *expected)
{
	size_t size;
	char *text = unit_read_file(name, &size);

	ck_assert_str_eq(text, expected);
	free(text);
}

static void check_counters(uint64_t recorded, uint64_t left_out)
{
	struct recorder_counters counters = recorder_counters(recorder);

	ck_assert_uint_eq(counters.messages_recorded, recorded);
	ck_assert_uint_eq(counters.messages_not_recorded, left_out);
}

START_TEST(test_lines)
{
	static const char call[] = "{\"id\":1,\"method\":\"m\",\"params\":{\"a\":\"b\\n\"}}";
	struct recorder_connection *other;

	begin(NULL);
	check_file("");
	say(RECORDING_CLIENT, call);
	say(RECORDING_BACKEND, "{\"id\":1,\"result\":\"ab\"}");
	check_file(HEAD "\"dir\":\"c2s\",\"raw\":\"{\\\"id\\\":1,\\\"method\\\":\\\"m\\\","
			"\\\"params\\\":{\\\"a\\\":\\\"xxx\\\"}}\"}\n"
			"{\"t\":1000.000000,\"conn\":7,\"dir\":\"s2c\","
			"\"raw\":\"{\\\"id\\\":1,\\\"result\\\":\\\"xx\\\"}\"}\n");
	other = recorder_open(recorder, 8, "stdio", true);
	ck_assert_ptr_nonnull(other);
	recorder_take(other, RECORDING_CLIENT, (const uint8_t *)"{}", 2, true, true,
		6 * SECOND_NS + 1999);
	recorder_end(other, TRACER_CONNECTION_CLOSED, 7 * SECOND_NS);
	recorder_close(other);
	check_counters(3, 0);
	end();
	begin(NULL); /* anew */
	check_file("");
	end();
}
END_TEST

START_TEST(test_contents)
{
	begin("--record-contents");
	say(RECORDING_CLIENT, "{\"a\":\"b\xff\"} no JSON");
	check_file(HEAD "\"dir\":\"c2s\",\"raw\":\"{\\\"a\\\":\\\"b\xef\xbf\xbd\\\"} no JSON\"}\n");
	end();
}
END_TEST

START_TEST(test_no_json_says_nothing)
{
	begin(NULL);
	say(RECORDING_BACKEND, "{\"id\":1} secret");
	check_file(HEAD "\"dir\":\"s2c\",\"raw\":\"xxxxxxxxxxxxxxx\"}\n");
	end();
}
END_TEST

/* Long texts are told by their length. */
START_TEST(test_runs)
{
	char text[200] = "{\"a\":\"";

	begin(NULL);
	memset(text + 6, 's', 64);
	(void)strcpy(text + 70, "\"}");
	say(RECORDING_CLIENT, text);
	memset(text, 's', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	say(RECORDING_CLIENT, text);
	say(RECORDING_CLIENT, "{}"); /* which has none */
	check_file(
		HEAD "\"dir\":\"c2s\",\"raw_parts\":[\"{\\\"a\\\":\\\"\",[\"x\",64],\"\\\"}\"]}\n"
		     "{\"t\":1000.000000,\"conn\":7,\"dir\":\"c2s\",\"raw_parts\":[\"\",[\"x\",199]"
		     ",\"\"]}\n"
		     "{\"t\":1000.000000,\"conn\":7,\"dir\":\"c2s\",\"raw\":\"{}\"}\n");
	end();
}
END_TEST

/* As long as it may be, also in pieces; then a short one. */
START_TEST(test_long)
{
	enum { LONG = 200000 };
	uint8_t *bytes = malloc(LONG);
	struct stat is;

	ck_assert_ptr_nonnull(bytes);
	memset(bytes, 'y', LONG);
	begin("--record-contents");
	recorder_take(connection, RECORDING_CLIENT, bytes, LONG, true, true, 1);
	recorder_take(connection, RECORDING_BACKEND, bytes, LONG - 1, true, false, 1);
	recorder_take(connection, RECORDING_BACKEND, bytes, 1, false, true, 1);
	recorder_take(connection, RECORDING_CLIENT, bytes, LONG - 1, true, false, 1);
	recorder_take(connection, RECORDING_CLIENT, bytes, 1, false, true, 1);
	check_counters(3, 0);
	ck_assert_int_eq(stat(name, &is), 0);
	ck_assert_int_gt(is.st_size, 3 * LONG);
	ck_assert_int_lt(is.st_size, 3 * LONG + 300);
	end();
	begin("--record-contents"); /* of one byte */
	recorder_take(connection, RECORDING_CLIENT, bytes, 1, true, false, 5 * SECOND_NS);
	recorder_take(connection, RECORDING_CLIENT, bytes, 0, false, true, 5 * SECOND_NS);
	check_file(HEAD "\"dir\":\"c2s\",\"raw\":\"y\"}\n");
	end();
	free(bytes);
}
END_TEST

/* That one was left out is said once, and why; nothing is said where nothing was. */
START_TEST(test_said)
{
	log_level_set(LOG_WARN);
	unit_hear_stderr();
	begin(NULL);
	say(RECORDING_CLIENT, "{}");
	ck_assert_int_eq(unit_said("record.file:"), 0);
	end();
	ck_assert_int_eq(unit_said("record.file:"), 0);
	begin(NULL);
	unit_alloc_fail_after(0);
	say(RECORDING_CLIENT, "{}");
	say(RECORDING_CLIENT, "{}");
	unit_alloc_fail_never();
	ck_assert_int_eq(unit_said("a message was left out: out of memory (said once)"), 1);
	ck_assert_int_eq(unit_said("record.file:"), 1);
	check_counters(0, 2);
	end();
}
END_TEST

START_TEST(test_pieces)
{
	static const char text[] = "{\"id\":\"seven\"}";
	size_t size = strlen(text), at;

	for (at = 0; at <= size; at++) {
		const uint8_t *bytes = (const uint8_t *)text;

		begin(NULL);
		recorder_take(connection, RECORDING_CLIENT, bytes, 3, true, false, 1);
		/* never ended: another begins */
		recorder_take(connection, RECORDING_CLIENT, bytes, at, true, false, 1);
		recorder_take(connection, RECORDING_BACKEND, bytes, at, true, false, 1);
		recorder_take(connection, RECORDING_CLIENT, bytes + at, size - at, false, true,
			5 * SECOND_NS);
		check_file(HEAD "\"dir\":\"c2s\",\"raw\":\"{\\\"id\\\":\\\"seven\\\"}\"}\n");
		check_counters(1, 0);
		end();
	}
	begin(NULL);
	recorder_take(connection, RECORDING_CLIENT, (const uint8_t *)"", 0, true, true, 1);
	recorder_take(connection, RECORDING_CLIENT, (const uint8_t *)"", 0, true, false, 1);
	recorder_take(connection, RECORDING_CLIENT, (const uint8_t *)"", 0, false, true, 1);
	check_file("");
	end();
}
END_TEST

/* Of all connections together. */
START_TEST(test_too_long)
{
	const size_t half = RECORDER_MESSAGE_MAX / 2;
	uint8_t *bytes = calloc(1, half + 1);
	struct recorder_connection *other;

	ck_assert_ptr_nonnull(bytes);
	begin(NULL);
	other = recorder_open(recorder, 8, "ws", false);
	recorder_take(other, RECORDING_CLIENT, bytes, half, true, false, 1);
	recorder_take(connection, RECORDING_CLIENT, bytes, half + 1, true, false, 1);
	recorder_take(connection, RECORDING_CLIENT, bytes, 1, false, true, 1);
	check_counters(0, 1);
	recorder_take(connection, RECORDING_BACKEND, bytes, half, true, false, 1);
	recorder_close(other);
	recorder_take(connection, RECORDING_BACKEND, bytes, half, false, true, 1);
	check_counters(1, 1);
	say(RECORDING_CLIENT, "{}"); /* the recording goes on */
	check_counters(2, 1);
	end();
	free(bytes);
}
END_TEST

static const struct {
	bool own;
	enum tracer_end reason;
	const char *ends;
} end_cases[] = {
	{false, TRACER_CONNECTION_CLOSED, "client"},
	{false, TRACER_BACKEND_EXITED, "backend"},
	{true, TRACER_BACKEND_EXITED, "backend"},
	{true, TRACER_CONNECTION_CLOSED, "client backend"},
	{true, TRACER_SHUTDOWN, ""},
};

START_TEST(test_ends)
{
	struct recording_line line;
	struct recording *recording;
	char error[256], ends[32] = "";
	FILE *file;

	begin(NULL);
	recorder_close(connection);
	connection = recorder_open(recorder, 3, "tcp", end_cases[_i].own);
	say(RECORDING_CLIENT, "{}");
	recorder_end(connection, end_cases[_i].reason, 6 * SECOND_NS);
	recorder_end(connection, TRACER_CONNECTION_CLOSED, 6 * SECOND_NS); /* once */
	say(RECORDING_CLIENT, "{}");                                       /* too late */
	recorder_end(NULL, TRACER_SHUTDOWN, 1);
	file = fopen(name, "re");
	ck_assert_ptr_nonnull(file);
	recording = recording_new(file, "x");
	ck_assert_int_eq(recording_next(recording, &line, error, sizeof error), RECORDING_LINE);
	ck_assert_int_eq(
		line.server, end_cases[_i].own ? RECORDING_SERVER_OWN : RECORDING_SERVER_SHARED);
	ck_assert_str_eq(line.transport, "tcp");
	ck_assert_str_eq(line.connection, "3");
	while (recording_next(recording, &line, error, sizeof error) == RECORDING_LINE) {
		ck_assert(line.is_end);
		ck_assert_uint_eq(line.time_ns, 1001 * SECOND_NS);
		(void)strcat(ends, ends[0] != '\0' ? " " : "");
		(void)strcat(ends, line.side == RECORDING_CLIENT ? "client" : "backend");
	}
	ck_assert_str_eq(ends, end_cases[_i].ends);
	recording_free(recording);
	(void)fclose(file); /* only read */
	end();
}
END_TEST

/* A connection about which the file knows nothing does not end in it. */
START_TEST(test_end_of_nothing)
{
	begin(NULL);
	recorder_end(connection, TRACER_CONNECTION_CLOSED, 6 * SECOND_NS);
	check_file("");
	end();
}
END_TEST

START_TEST(test_largest_file)
{
	char text[1200] = "[\"";
	struct stat is;
	int i;

	memset(text + 2, 's', 1100);
	(void)strcpy(text + 1102, "\"]");
	begin("--record-bytes-max=4096");
	for (i = 0; i < 100; i++)
		say(RECORDING_CLIENT, text);
	ck_assert_int_eq(stat(name, &is), 0);
	ck_assert_int_le(is.st_size, 4096);
	ck_assert_int_gt(is.st_size, 4096 - 120);
	check_counters(recorder_counters(recorder).messages_recorded,
		100 - recorder_counters(recorder).messages_recorded);
	say(RECORDING_CLIENT, "{}"); /* it would fit, but there is a gap before it */
	recorder_end(connection, TRACER_CONNECTION_CLOSED, 6 * SECOND_NS);
	ck_assert_int_le(is.st_size, 4096);
	end();
}
END_TEST

/* A disk that is full: the part of a line that went through is taken back. */
START_TEST(test_full)
{
	struct rlimit limit = {.rlim_cur = 200, .rlim_max = RLIM_INFINITY};
	struct stat before, is;

	begin(NULL);
	log_level_set(LOG_WARN);
	unit_hear_stderr();
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = 200;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	say(RECORDING_CLIENT, "{}");
	ck_assert_int_eq(stat(name, &before), 0);
	say(RECORDING_CLIENT, "{\"a\":1,\"b\":2,\"c\":3}");
	say(RECORDING_CLIENT,
		"{\"a\":1,\"b\":2,\"c\":3,\"d\":[1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8]}");
	say(RECORDING_CLIENT, "{}");
	ck_assert_int_eq(stat(name, &is), 0);
	ck_assert_int_gt(is.st_size, before.st_size);
	check_counters(2, 2);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	recorder_end(connection, TRACER_CONNECTION_CLOSED, 6 * SECOND_NS);
	ck_assert_int_eq(stat(name, &before), 0);
	ck_assert_int_eq(before.st_size, is.st_size);
	ck_assert_int_eq(unit_said("cut short"), 0);
	end();
}
END_TEST

/* What is none of ours to write to. */
START_TEST(test_file)
{
	char error[512], other[80], expected[256];
	struct stat is;
	int fd;

	begin(NULL);
	ck_assert_int_eq(stat(name, &is), 0);
	ck_assert_int_eq(is.st_mode & 07777, 0600);
	recorder_close(connection);
	recorder_free(recorder);
	ck_assert_int_eq(chmod(name, 0644), 0);
	recorder = make(error, sizeof error);
	ck_assert_ptr_nonnull(recorder);
	ck_assert_int_eq(stat(name, &is), 0);
	ck_assert_int_eq(is.st_mode & 07777, 0600);
	recorder_free(recorder);

	(void)snprintf(expected, sizeof expected,
		"record.file: %s: must be a regular file, or none yet", name);
	(void)snprintf(other, sizeof other, "%s2", name);
	ck_assert_int_eq(rename(name, other), 0);
	ck_assert_int_eq(symlink(other, name), 0);
	ck_assert_ptr_null(make(error, sizeof error));
	ck_assert_str_eq(error, expected);
	ck_assert_int_eq(unlink(name), 0);
	ck_assert_int_eq(unlink(other), 0);
	ck_assert_int_eq(mkfifo(name, 0600), 0); /* nobody reads it, then somebody does */
	ck_assert_ptr_null(make(error, sizeof error));
	ck_assert_str_eq(error, expected);
	fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_ptr_null(make(error, sizeof error));
	ck_assert_str_eq(error, expected);
	(void)close(fd); /* nothing was read */
	ck_assert_int_eq(unlink(name), 0);
	ck_assert_int_eq(mkdir(name, 0700), 0);
	ck_assert_ptr_null(make(error, sizeof error));
	ck_assert_str_eq(error, expected);
	ck_assert_int_eq(rmdir(name), 0);
	ck_assert_int_eq(rmdir(folder), 0);
	ck_assert_ptr_null(make(error, sizeof error));
	(void)snprintf(expected, sizeof expected,
		"record.file: %s: cannot be opened: No such file or directory", name);
	ck_assert_str_eq(error, expected);
	config_case_done(&load);
}
END_TEST

START_TEST(test_no_memory)
{
	static const uint8_t text[] = "{\"id\":1}";
	char error[256];
	long n;
	int failed;

	begin(NULL);
	recorder_close(connection);
	recorder_free(recorder);
	for (n = 0, failed = 1; failed; n++) {
		unit_alloc_fail_after(n);
		recorder = make(error, sizeof error);
		connection = recorder != NULL ? recorder_open(recorder, 7, "ws", false) : NULL;
		if (connection != NULL) {
			recorder_take(connection, RECORDING_CLIENT, text, 4, true, false, 1);
			recorder_take(connection, RECORDING_CLIENT, text + 4, 4, false, true, 1);
		}
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		if (recorder == NULL)
			ck_assert_str_eq(error, "out of memory");
		if (connection != NULL)
			check_counters(!failed, (uint64_t)failed);
		recorder_close(connection);
		recorder_free(recorder);
	}
	ck_assert_int_ge(n, 5);
	config_case_done(&load);
}
END_TEST

START_TEST(test_nothing)
{
	ck_assert_uint_eq(recorder_counters(NULL).messages_recorded, 0);
	recorder_close(NULL);
	recorder_free(NULL);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("recorder");

	unit_fixture(set_up, tear_down);
	tcase_add_test(tc, test_lines);
	tcase_add_test(tc, test_contents);
	tcase_add_test(tc, test_no_json_says_nothing);
	tcase_add_test(tc, test_runs);
	tcase_add_test(tc, test_pieces);
	tcase_add_test(tc, test_long);
	tcase_add_test(tc, test_said);
	tcase_add_test(tc, test_too_long);
	tcase_add_loop_test(tc, test_ends, 0, sizeof end_cases / sizeof *end_cases);
	tcase_add_test(tc, test_end_of_nothing);
	tcase_add_test(tc, test_largest_file);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_file);
	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_nothing);
	return unit_run("recorder", tc);
}

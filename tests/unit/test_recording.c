/* Recordings of messages, line by line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/explain/recording.h"
#include "tests/unit/unit.h"

#define BLOCK 65536 /* what is read at once */

/* The text as a file. Close it. */
static FILE *file_of(const void *text, size_t size)
{
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, size, file), size);
	rewind(file);
	return file;
}

/* A line in short: "NUMBER TIME SIDE CONNECTION TRANSPORT TEXT", or the error. */
static void show_line(char *shown, size_t size, enum recording_result result,
	const struct recording_line *line, const char *error)
{
	static const char *const sides[] = {"client", "backend"};

	if (result == RECORDING_BAD)
		(void)snprintf(shown, size, "%s", error);
	else if (result == RECORDING_END)
		(void)snprintf(shown, size, "end");
	else
		(void)snprintf(shown, size, "%llu %llu %s%s [%s] [%s] %.*s", line->number,
			(unsigned long long)line->time_ns, line->is_end ? "end of " : "",
			sides[line->side], line->has_connection ? line->connection : "-",
			line->transport, (int)line->size,
			line->size > 0 ? (const char *)line->text : "");
}

static void check_line(struct recording *recording, const char *expected)
{
	struct recording_line line;
	char error[512] = "";
	char shown[1024];

	show_line(shown, sizeof shown, recording_next(recording, &line, error, sizeof error), &line,
		error);
	ck_assert_str_eq(shown, expected);
}

static const struct {
	const char *text;
	const char *lines[4];
} good_cases[] = {
	{"", {"end"}},
	{"\n \n\t\r\n", {"end"}},
	{"{\"dir\":\"c2s\",\"raw\":\"{}\"}", {"1 1000000 client [-] [] {}", "end"}},
	{"{\"dir\":\"c2s\",\"raw\":\"a\"}\n\n{\"dir\":\"s2c\",\"raw\":\"b\"}\n",
		{"1 1000000 client [-] [] a", "3 2000000 backend [-] [] b", "end"}},
	{"{\"raw\":\"\\u0041\\n\\\"\\\\\",\"dir\":\"s2c\"}\r\n",
		{"1 1000000 backend [-] [] A\n\"\\", "end"}},
	{"{\"dir\":\"c2s\",\"raw\":\"\"}", {"1 1000000 client [-] [] ", "end"}},
	{"{\"dir\":\"c2s\",\"raw_parts\":[]}", {"1 1000000 client [-] [] ", "end"}},
	{"{\"dir\":\"c2s\",\"raw_parts\":[\"a\",[\"y\",3],\"\",[\"z\",0],\"b\",[\"\xc3\xa9\",2]]}",
		{"1 1000000 client [-] [] ayyyb\xc3\xa9\xc3\xa9", "end"}},
	{"{\"t\":1.25,\"dir\":\"c2s\",\"raw\":\"a\"}\n{\"dir\":\"c2s\",\"raw\":\"b\"}\n"
	 "{\"t\":1.251,\"dir\":\"c2s\",\"raw\":\"c\"}",
		{"1 1250000000 client [-] [] a", "2 1251000000 client [-] [] b",
			"3 1251000000 client [-] [] c", "end"}},
	{"{\"t\":0,\"end\":\"client\"}\n{\"t\":4e9,\"end\":\"backend\",\"conn\":7}",
		{"1 0 end of client [-] [] ", "2 4000000000000000000 end of backend [7] [] ",
			"end"}},
	{"> {\"id\":1}\n  <\t[2] \r\n>\n",
		{"1 1000000 client [-] [] {\"id\":1}", "2 2000000 backend [-] [] [2]",
			"3 3000000 client [-] [] ", "end"}},
	{"{\"t\":5,\"dir\":\"s2c\",\"raw\":\"a\"}\n<b",
		{"1 5000000000 backend [-] [] a", "2 5001000000 backend [-] [] b", "end"}},
	{"{\"conn\":\"a\",\"transport\":\"ws\",\"dir\":\"c2s\",\"raw\":\"a\"}\n"
	 "{\"dir\":\"c2s\",\"raw\":\"b\"}",
		{"1 1000000 client [a] [ws] a", "2 2000000 client [-] [] b", "end"}},
};

START_TEST(test_good)
{
	const char *text = good_cases[_i].text;
	FILE *file = file_of(text, strlen(text));
	struct recording *recording = recording_new(file, "x");
	size_t i;

	for (i = 0; i < 4 && good_cases[_i].lines[i] != NULL; i++)
		check_line(recording, good_cases[_i].lines[i]);
	recording_free(recording);
	(void)fclose(file); /* only read */
}
END_TEST

/* With --dir a line is a message, whatever it looks like, but for those that say whose they are. */
START_TEST(test_plain)
{
	static const char text[] = "{\"dir\":\"c2s\"}\nno JSON\n> x\n";
	FILE *file = file_of(text, strlen(text));
	struct recording *recording = recording_new(file, "x");

	recording_take_as_plain(recording, RECORDING_BACKEND);
	check_line(recording, "1 1000000 backend [-] [] {\"dir\":\"c2s\"}");
	check_line(recording, "2 2000000 backend [-] [] no JSON");
	check_line(recording, "3 3000000 client [-] [] x");
	check_line(recording, "end");
	recording_free(recording);
	(void)fclose(file); /* only read */
}
END_TEST

#define RIGHT_CONN "x:1: \"conn\": must be a string or a number, of 1 to 64 bytes"
#define RIGHT_DIR  "x:1: \"dir\": must be \"c2s\" or \"s2c\""
#define RIGHT_END  "x:1: \"end\": must be \"client\" or \"server\""
#define RIGHT_RAW  "x:1: \"raw\": must be a string, the text of the message"
#define RIGHT_TIME "x:1: \"t\": must be seconds, a number from 0 to 4000000000"
#define RIGHT_OWN  "x:1: \"server\": must be \"own\" or \"shared\""
#define RIGHT_WAY  "x:1: \"transport\": must be a string of 1 to 64 bytes"
#define RIGHT_OBJECT                                                                               \
	"x:1: not an object; must be {\"dir\": \"c2s\" or \"s2c\", \"raw\": \"TEXT\"}, or a "      \
	"message behind > or <"
#define RIGHT_PARTS                                                                                \
	"x:1: \"raw_parts\": must be a list of strings and [character, count], of 64 MiB at most"
#define RIGHT_SET                                                                                  \
	"x:1: neither a message nor an end; must have \"dir\" and one of \"raw\" and "             \
	"\"raw_parts\", or \"end\""
#define TEXT_64                                                                                    \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" /* as long as a name */

static const struct {
	const char *text;
	const char *error;
} bad_cases[] = {
	{"5", RIGHT_OBJECT},
	{"{\"server\":\"mine\"}", RIGHT_OWN},
	{"{\"server\":true}", RIGHT_OWN},
	{"null", RIGHT_OBJECT},
	{"true", RIGHT_OBJECT},
	{"\"raw\"", RIGHT_OBJECT},
	{"[]", RIGHT_OBJECT},
	{"{}", RIGHT_SET},
	{"{\"t\":1}", RIGHT_SET},
	{"{\"dir\":\"c2s\"}", RIGHT_SET},
	{"{\"raw\":\"\"}", RIGHT_SET},
	{"{\"dir\":\"c2s\",\"raw\":\"\",\"raw_parts\":[]}", RIGHT_SET},
	{"{\"dir\":\"c2s\",\"raw\":\"\",\"end\":\"client\"}", RIGHT_SET},
	{"{\"end\":\"client\",\"raw_parts\":[]}", RIGHT_SET},
	{"{\"end\":\"client\",\"dir\":\"c2s\"}", RIGHT_SET},
	{"{\"dir\":\"up\"}", RIGHT_DIR},
	{"{\"dir\":1}", RIGHT_DIR},
	{"{\"dir\":null}", RIGHT_DIR},
	{"{\"end\":\"c2s\"}", RIGHT_END},
	{"{\"end\":true}", RIGHT_END},
	{"{\"raw\":1}", RIGHT_RAW},
	{"{\"raw\":{}}", RIGHT_RAW},
	{"{\"raw\":[]}", RIGHT_RAW},
	{"{\"raw_parts\":\"a\"}", RIGHT_PARTS},
	{"{\"raw_parts\":[1]}", RIGHT_PARTS},
	{"{\"raw_parts\":[null]}", RIGHT_PARTS},
	{"{\"raw_parts\":[{}]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[]]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[\"y\"]]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[1,\"y\"]]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[\"y\",\"y\"]]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[\"y\",1,1]]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[\"y\",[1]]]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[\"y\",{}]]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[\"y\",-1]]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[\"y\",1.5]]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[\"y\",1e3]]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[\"\",1]]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[\"yy\",1]]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[\"\xc3\xa9\xc3\xa9\",1]]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[\"y\",67108865]]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[\"y\",67108864],\"y\"]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[\"\xc3\xa9\",33554433]]}", RIGHT_PARTS},
	{"{\"raw_parts\":[[\"y\",99999999999999999999999]]}", RIGHT_PARTS},
	{"{\"t\":\"1\"}", RIGHT_TIME},
	{"{\"t\":-1}", RIGHT_TIME},
	{"{\"t\":4000000001}", RIGHT_TIME},
	{"{\"t\":1e400}", RIGHT_TIME},
	{"{\"t\":[]}", RIGHT_TIME},
	{"{\"conn\":\"\"}", RIGHT_CONN},
	{"{\"conn\":null}", RIGHT_CONN},
	{"{\"conn\":\"" TEXT_64 "x\"}", RIGHT_CONN},
	{"{\"conn\":\"\\u0000\"}", RIGHT_CONN},
	{"{\"transport\":5}", RIGHT_WAY},
	{"{\"transport\":\"" TEXT_64 "x\"}", RIGHT_WAY},
	{"{\"dir\":\"c2s\",\"dir\":\"c2s\"}", "x:1: \"dir\": twice; must be there once"},
	{"{\"direction\\n\":\"c2s\"}",
		"x:1: \"direction\\x0a\": no such member; must be dir, raw, raw_parts, end, t, "
		"conn, transport or server"},
	{"{\"dir\":", "x:1: not JSON: premature EOF; must be one object on one line"},
	{"{\"dir\":\"c2s\"}{", "x:1: not JSON: trailing garbage; must be one object on one line"},
	{"\xef\xbb\xbf{}",
		"x:1: not JSON: invalid char in json text.; must be one object on one line"},
	{"{\"raw\":\"\xff\"}",
		"x:1: not JSON: invalid bytes in UTF8 string.; must be one object on one line"},
};

START_TEST(test_bad)
{
	const char *text = bad_cases[_i].text;
	FILE *file = file_of(text, strlen(text));
	struct recording *recording = recording_new(file, "x");

	check_line(recording, bad_cases[_i].error);
	recording_free(recording);
	(void)fclose(file); /* only read */
}
END_TEST

START_TEST(test_time_goes_on)
{
	static const char text[] = "{\"end\":\"client\",\"t\":2}\n\n{\"end\":\"client\",\"t\":1.9}";
	FILE *file = file_of(text, strlen(text));
	struct recording *recording = recording_new(file, "x");

	check_line(recording, "1 2000000000 end of client [-] [] ");
	check_line(recording,
		"x:3: \"t\": before the time of an earlier line; must be in order of time");
	recording_free(recording);
	(void)fclose(file); /* only read */
}
END_TEST

/* Lines as long as may be taken, in this case. */
START_TEST(test_longest_names)
{
	static const char text[] =
		"{\"end\":\"client\",\"conn\":\"" TEXT_64 "\",\"transport\":\"" TEXT_64 "\"}";
	FILE *file = file_of(text, strlen(text));
	struct recording *recording = recording_new(file, "x");

	check_line(recording, "1 1000000 end of client [" TEXT_64 "] [" TEXT_64 "] ");
	recording_free(recording);
	(void)fclose(file); /* only read */
}
END_TEST

/* The file is read in blocks: their edge falls on each byte of two lines. */
START_TEST(test_every_split)
{
	static const char two[] =
		"{\"dir\":\"c2s\",\"raw\":\"a\\n\"}\r\n{\"dir\":\"s2c\",\"raw\":\"b\",\"t\":9}\n";
	size_t size = strlen(two), at;
	char *text = malloc(BLOCK + size);
	struct recording *recording;
	FILE *file;

	for (at = 0; at <= size; at++) {
		memset(text, ' ', BLOCK);
		memcpy(text + BLOCK - at, two, size);
		file = file_of(text, BLOCK - at + size);
		recording = recording_new(file, "x");
		check_line(recording, "1 1000000 client [-] [] a\n");
		check_line(recording, "2 9000000000 backend [-] [] b");
		check_line(recording, "end");
		recording_free(recording);
		(void)fclose(file); /* only read */
	}
	free(text);
}
END_TEST

START_TEST(test_largest_message)
{
	static const char text[] = "{\"dir\":\"c2s\",\"raw_parts\":[[\"y\",67108863],\"z\"]}";
	FILE *file = file_of(text, strlen(text));
	struct recording *recording = recording_new(file, "x");
	struct recording_line line;
	char error[512];

	ck_assert_int_eq(recording_next(recording, &line, error, sizeof error), RECORDING_LINE);
	ck_assert_uint_eq(line.size, RECORDING_MESSAGE_MAX);
	ck_assert_int_eq(line.text[0], 'y');
	ck_assert_int_eq(line.text[line.size - 2], 'y');
	ck_assert_int_eq(line.text[line.size - 1], 'z');
	recording_free(recording);
	(void)fclose(file); /* only read */
}
END_TEST

static ssize_t endless_read(void *cookie, char *bytes, size_t size)
{
	(void)cookie;
	memset(bytes, 'x', size);
	return (ssize_t)size;
}

START_TEST(test_line_without_end)
{
	FILE *file = fopencookie(NULL, "r", (cookie_io_functions_t){.read = endless_read});
	struct recording *recording = recording_new(file, "x");

	check_line(recording, "x:1: a line is too long; must be 64 MiB at most");
	recording_free(recording);
	(void)fclose(file); /* only read */
}
END_TEST

START_TEST(test_unreadable)
{
	FILE *file = fopen("/", "r");
	struct recording *recording = recording_new(file, "x");

	check_line(recording, "x:1: cannot be read: Is a directory");
	recording_free(recording);
	(void)fclose(file); /* only read */
}
END_TEST

/* One line from a new recording, with the nth allocation of ours failing. */
static enum recording_result read_one(FILE *file, long n, char *error, size_t error_size)
{
	enum recording_result result = RECORDING_NO_MEMORY;
	struct recording_line line;
	struct recording *recording;

	rewind(file);
	unit_alloc_fail_once(n);
	recording = recording_new(file, "x");
	if (recording != NULL)
		result = recording_next(recording, &line, error, error_size);
	unit_alloc_fail_never();
	recording_free(recording);
	return result;
}

START_TEST(test_no_memory)
{
	static const char text[] = "{\"dir\":\"c2s\",\"raw_parts\":[\"a\",[\"y\",5000]]}";
	FILE *file = file_of(text, strlen(text));
	enum recording_result result = RECORDING_NO_MEMORY;
	char error[512];
	long n;

	for (n = 0; result != RECORDING_LINE; n++) {
		result = read_one(file, n, error, sizeof error);
		ck_assert_int_eq(
			result, unit_alloc_failed() ? RECORDING_NO_MEMORY : RECORDING_LINE);
		if (n > 1 && result == RECORDING_NO_MEMORY)
			ck_assert_str_eq(error, "x:1: out of memory");
	}
	ck_assert_int_ge(n, 5);
	(void)fclose(file); /* only read */
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("recording");

	tcase_add_test(tc, test_plain);
	tcase_add_loop_test(tc, test_good, 0, sizeof good_cases / sizeof *good_cases);
	tcase_add_loop_test(tc, test_bad, 0, sizeof bad_cases / sizeof *bad_cases);
	tcase_add_test(tc, test_time_goes_on);
	tcase_add_test(tc, test_longest_names);
	tcase_add_test(tc, test_every_split);
	tcase_add_test(tc, test_largest_message);
	tcase_add_test(tc, test_line_without_end);
	tcase_add_test(tc, test_unreadable);
	tcase_add_test(tc, test_no_memory);
	return unit_run("recording", tc);
}

/* Captures: which profiles can be used, and what each row takes from which message. */
#include <stdio.h>
#include <string.h>

#include "proxy/trace/requests/capture.h"
#include "proxy/trace/names/methods.h"
#include "tests/unit/envelope_case.h"
#include "tests/unit/unit.h"

enum { METHODS_ALL, METHODS_SOME };

/* A row of a profile as it stands in memory: its texts are not constant, since it owns them. */
static struct profile_capture rule_make(
	enum profile_from from, int methods, const char *pointer, const char *attribute)
{
	static char thread_start[] = "thread/start", thread_fork[] = "thread/fork";
	static char *some[] = {thread_start, thread_fork};

	return (struct profile_capture){
		.from = from,
		.pointer = (char *)(uintptr_t)pointer,
		.attribute = (char *)(uintptr_t)attribute,
		.methods = methods == METHODS_ALL ? NULL : some,
		.method_count = methods == METHODS_ALL ? 0 : 2,
	};
}

static struct profile_capture rule_request(const char *pointer, const char *attribute)
{
	return rule_make(PROFILE_FROM_REQUEST, METHODS_ALL, pointer, attribute);
}

/* Captures with what they are made of. */
struct stage {
	struct pointers *pointers;
	struct methods methods;
	struct captures captures;
	char error[256];
	int result; /* of captures_init() */
};

static void stage_open(struct stage *stage, const struct profile *profile)
{
	stage->pointers = envelope_pointers_new("/trace");
	ck_assert_ptr_nonnull(stage->pointers);
	methods_init(&stage->methods);
	stage->error[0] = '\0';
	stage->result = captures_init(&stage->captures, profile, &stage->methods, stage->pointers,
		stage->error, sizeof stage->error);
}

static void stage_close(struct stage *stage)
{
	captures_done(&stage->captures);
	captures_done(&stage->captures); /* allowed */
	methods_done(&stage->methods);
	pointers_free(stage->pointers);
}

static const struct capture_list *stage_list(
	const struct stage *stage, const char *method, enum profile_from from)
{
	struct span_text name = {method, strlen(method)};

	return &captures_find(&stage->captures, methods_find(&stage->methods, name))->from[from];
}

/* What the rows for that kind of message take, the last one with a value. */
static bool stage_take(const struct stage *stage, enum profile_from from, const char *method,
	const struct envelope *envelope, struct span_text *text)
{
	const struct capture_list *list = stage_list(stage, method, from);
	bool taken = false;
	size_t i;

	for (i = 0; i < list->count; i++)
		taken |= capture_take(&list->rows[i], envelope, text);
	return taken;
}

static const struct {
	enum profile_from from;
	int methods;
	const char *pointer;
	enum profile_from looked_at;
	const char *method;
	const char *message;
	const char *taken; /* NULL: nothing */
} rows[] = {
	/* every kind of value */
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/params/a", PROFILE_FROM_REQUEST, "m",
		"{\"params\":{\"a\":\"v\"}}", "v"},
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/params/a", PROFILE_FROM_REQUEST, "m",
		"{\"params\":{\"a\":\"\"}}", ""},
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/params/a", PROFILE_FROM_REQUEST, "m",
		"{\"params\":{\"a\":\"\\u00e9\\n\"}}", "\xc3\xa9\n"},
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/params/a", PROFILE_FROM_REQUEST, "m",
		"{\"params\":{\"a\":-1.50e3}}", "-1.50e3"},
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/params/a", PROFILE_FROM_REQUEST, "m",
		"{\"params\":{\"a\":true}}", "true"},
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/params/a", PROFILE_FROM_REQUEST, "m",
		"{\"params\":{\"a\":false}}", "false"},
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/params/a", PROFILE_FROM_REQUEST, "m",
		"{\"params\":{\"a\":null}}", NULL},
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/params/a", PROFILE_FROM_REQUEST, "m",
		"{\"params\":{\"a\":[1]}}", NULL},
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/params/a", PROFILE_FROM_REQUEST, "m",
		"{\"params\":{\"a\":{}}}", NULL},
	/* places */
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/params/a", PROFILE_FROM_REQUEST, "m",
		"{\"params\":{\"b\":1}}", NULL},
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/params/a", PROFILE_FROM_REQUEST, "m",
		"{\"params\":[\"v\"]}", NULL},
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/params/0", PROFILE_FROM_REQUEST, "m",
		"{\"params\":[\"v\"]}", "v"},
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/params/a~1b~0c", PROFILE_FROM_REQUEST, "m",
		"{\"params\":{\"a/b~c\":1}}", "1"},
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/a/b/c/d/e/f/g/h", PROFILE_FROM_REQUEST, "m",
		"{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":{\"h\":8}}}}}}}}", "8"},
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/id", PROFILE_FROM_REQUEST, "m", "{\"id\":\"i\"}",
		"i"},
	/* the other direction */
	{PROFILE_FROM_REPLY, METHODS_ALL, "/result/id", PROFILE_FROM_REPLY, "m",
		"{\"result\":{\"id\":\"t\"}}", "t"},
	{PROFILE_FROM_REPLY, METHODS_ALL, "/result/id", PROFILE_FROM_REQUEST, "m",
		"{\"result\":{\"id\":\"t\"}}", NULL},
	{PROFILE_FROM_REQUEST, METHODS_ALL, "/result/id", PROFILE_FROM_REPLY, "m",
		"{\"result\":{\"id\":\"t\"}}", NULL},
	/* methods */
	{PROFILE_FROM_REPLY, METHODS_SOME, "/result/id", PROFILE_FROM_REPLY, "thread/start",
		"{\"result\":{\"id\":\"t\"}}", "t"},
	{PROFILE_FROM_REPLY, METHODS_SOME, "/result/id", PROFILE_FROM_REPLY, "thread/fork",
		"{\"result\":{\"id\":\"t\"}}", "t"},
	{PROFILE_FROM_REPLY, METHODS_SOME, "/result/id", PROFILE_FROM_REPLY, "thread/star",
		"{\"result\":{\"id\":\"t\"}}", NULL},
	{PROFILE_FROM_REPLY, METHODS_SOME, "/result/id", PROFILE_FROM_REPLY, "thread/started",
		"{\"result\":{\"id\":\"t\"}}", NULL},
	{PROFILE_FROM_REPLY, METHODS_SOME, "/result/id", PROFILE_FROM_REPLY, "",
		"{\"result\":{\"id\":\"t\"}}", NULL},
};

START_TEST(test_take)
{
	struct profile_capture rule =
		rule_make(rows[_i].from, rows[_i].methods, rows[_i].pointer, "x");
	struct profile profile = {.captures = &rule, .capture_count = 1};
	struct span_text text = {"untouched", 9};
	struct envelope_case reader;
	struct stage stage;
	bool taken;

	stage_open(&stage, &profile);
	ck_assert_int_eq(stage.result, 0);
	envelope_case_init(&reader, stage.pointers);
	taken = stage_take(&stage, rows[_i].looked_at, rows[_i].method,
		envelope_case_read(&reader, rows[_i].message), &text);
	ck_assert_int_eq(taken, rows[_i].taken != NULL);
	if (taken) {
		ck_assert_uint_eq(text.size, strlen(rows[_i].taken));
		ck_assert_mem_eq(text.bytes, rows[_i].taken, text.size);
	} else {
		ck_assert_str_eq(text.bytes, "untouched");
	}
	envelope_case_done(&reader);
	stage_close(&stage);
}
END_TEST

/* A value that is too long ends with a mark, which has room beside whole characters only. */
static const struct {
	const char *character; /* of which the value consists */
	size_t count;
	size_t kept; /* bytes before the mark; 0: all, and no mark */
} long_rows[] = {
	{"a", 253, 0},
	{"a", 256, 0},
	{"a", 257, 253},
	{"a", 5000, 253},
	{"\xc3\xa9", 128, 0},
	{"\xc3\xa9", 129, 252},
	{"\xe2\x82\xac", 85, 0},
	{"\xe2\x82\xac", 86, 252},
	{"\xf0\x9f\x98\x80", 64, 0},
	{"\xf0\x9f\x98\x80", 65, 252},
	{"7", 257, 253},
};

/* {"a":value}: as a number if it is of digits. Returns the value's size. */
static size_t long_message(char *message, int row)
{
	const char *quote = long_rows[row].character[0] == '7' ? "" : "\"";
	char *at = message + sprintf(message, "{\"a\":%s", quote);
	char *from = at;
	size_t i;

	for (i = 0; i < long_rows[row].count; i++)
		at = stpcpy(at, long_rows[row].character);
	sprintf(at, "%s}", quote);
	return (size_t)(at - from);
}

START_TEST(test_take_long)
{
	struct profile_capture rule = rule_request("/a", "x");
	struct profile profile = {.captures = &rule, .capture_count = 1};
	struct envelope_case reader;
	struct span_text text;
	struct stage stage;
	char message[8192];
	size_t size = long_message(message, _i), kept = long_rows[_i].kept;

	stage_open(&stage, &profile);
	ck_assert_int_eq(stage.result, 0);
	envelope_case_init(&reader, stage.pointers);
	ck_assert(stage_take(
		&stage, PROFILE_FROM_REQUEST, "m", envelope_case_read(&reader, message), &text));
	ck_assert_uint_eq(text.size, kept == 0 ? size : kept + 3);
	ck_assert_uint_le(text.size, CAPTURE_VALUE_MAX);
	ck_assert_mem_eq(text.bytes, strstr(message + strlen("{\"a\":"), long_rows[_i].character),
		kept == 0 ? size : kept);
	if (kept != 0)
		ck_assert_mem_eq(text.bytes + kept, "\xe2\x80\xa6", 3);
	envelope_case_done(&reader);
	stage_close(&stage);
}
END_TEST

/* Two that were cut do not overwrite each other. */
START_TEST(test_take_two_long)
{
	struct profile_capture rules[] = {rule_request("/a", "x"), rule_request("/b", "x")};
	struct profile profile = {.captures = rules, .capture_count = 2};
	const struct capture_list *list;
	const struct envelope *envelope;
	struct envelope_case reader;
	struct span_text texts[2];
	struct stage stage;
	char message[1024];

	snprintf(message, sizeof message, "{\"a\":\"%0300d\",\"b\":\"%-300d\"}", 1, 2);
	stage_open(&stage, &profile);
	ck_assert_int_eq(stage.result, 0);
	envelope_case_init(&reader, stage.pointers);
	envelope = envelope_case_read(&reader, message);
	list = stage_list(&stage, "m", PROFILE_FROM_REQUEST);
	ck_assert(capture_take(&list->rows[0], envelope, &texts[0]));
	ck_assert(capture_take(&list->rows[1], envelope, &texts[1]));
	ck_assert_mem_eq(texts[0].bytes, "000", 3);
	ck_assert_mem_eq(texts[1].bytes, "2  ", 3);
	envelope_case_done(&reader);
	stage_close(&stage);
}
END_TEST

/* --- making them ready --- */

START_TEST(test_attributes_are_shared)
{
	struct profile_capture rules[] = {rule_request("/a", "x"), rule_request("/b", "y"),
		rule_make(PROFILE_FROM_REPLY, METHODS_ALL, "/c", "x"),
		rule_make(PROFILE_FROM_REPLY, METHODS_ALL, "/a", "y")};
	struct profile profile = {.captures = rules, .capture_count = 4};
	const struct capture_list *request, *reply;
	struct stage stage;

	stage_open(&stage, &profile);
	ck_assert_int_eq(stage.result, 0);
	request = stage_list(&stage, "m", PROFILE_FROM_REQUEST);
	reply = stage_list(&stage, "m", PROFILE_FROM_REPLY);
	ck_assert_uint_eq(request->count, 2);
	ck_assert_uint_eq(reply->count, 2);
	ck_assert_uint_eq(stage.captures.attribute_count, 2);
	ck_assert_str_eq(stage.captures.attributes[0], "x");
	ck_assert_str_eq(stage.captures.attributes[1], "y");
	ck_assert_uint_eq(reply->rows[0].attribute, 0);
	ck_assert_uint_eq(reply->rows[1].attribute, 1);
	ck_assert_int_eq(reply->rows[1].slot, request->rows[0].slot);
	ck_assert_int_ne(request->rows[1].slot, request->rows[0].slot);
	stage_close(&stage);
}
END_TEST

/* Rows for some methods stand among those for all as in the profile. */
START_TEST(test_rows_by_method)
{
	struct profile_capture rules[] = {
		rule_make(PROFILE_FROM_REQUEST, METHODS_ALL, "/0", "a"),
		rule_make(PROFILE_FROM_REQUEST, METHODS_SOME, "/1", "b"),
		rule_make(PROFILE_FROM_REPLY, METHODS_SOME, "/2", "c"),
		rule_make(PROFILE_FROM_REQUEST, METHODS_ALL, "/3", "d"),
		rule_make(PROFILE_FROM_REQUEST, METHODS_SOME, "/4", "e"),
	};
	struct profile profile = {.captures = rules, .capture_count = 5};
	static const uint8_t some[] = {0, 1, 3, 4}, other[] = {0, 3};
	const struct capture_list *list;
	struct stage stage;
	size_t i;

	rules[4].keep = PROFILE_KEEP_CONNECTION;
	stage_open(&stage, &profile);
	ck_assert_int_eq(stage.result, 0);
	list = stage_list(&stage, "thread/fork", PROFILE_FROM_REQUEST);
	ck_assert_uint_eq(list->count, sizeof some);
	ck_assert(list->keeps);
	for (i = 0; i < sizeof some; i++)
		ck_assert_uint_eq(list->rows[i].attribute, some[i]);
	ck_assert_uint_eq(stage_list(&stage, "thread/start", PROFILE_FROM_REPLY)->count, 1);
	list = stage_list(&stage, "thread/list", PROFILE_FROM_REQUEST);
	ck_assert_uint_eq(list->count, sizeof other);
	ck_assert(!list->keeps);
	for (i = 0; i < sizeof other; i++)
		ck_assert_uint_eq(list->rows[i].attribute, other[i]);
	ck_assert_uint_eq(stage_list(&stage, "thread/list", PROFILE_FROM_REPLY)->count, 0);

	/* a method that others have numbered since has no rows of its own */
	ck_assert_int_eq(methods_add(&stage.methods, "later"), 3);
	ck_assert_ptr_eq(stage_list(&stage, "later", PROFILE_FROM_REQUEST), list);
	stage_close(&stage);
}
END_TEST

START_TEST(test_none)
{
	struct profile profile = {.capture_count = 0};
	struct pointers *pointers = envelope_pointers_new("/trace");
	struct stage stage;

	stage_open(&stage, &profile);
	ck_assert_int_eq(stage.result, 0);
	ck_assert_uint_eq(stage_list(&stage, "m", PROFILE_FROM_REQUEST)->count, 0);
	ck_assert_uint_eq(pointers_count(stage.pointers), pointers_count(pointers));
	stage_close(&stage);
	pointers_free(pointers);
}
END_TEST

/* Every allocation fails once. */
START_TEST(test_no_memory)
{
	struct profile_capture rules[] = {rule_request("/a", "x"), rule_request("/b", "y"),
		rule_make(PROFILE_FROM_REPLY, METHODS_SOME, "/c", "z")};
	struct profile profile = {.captures = rules, .capture_count = 3};
	struct pointers *pointers;
	struct captures captures;
	struct methods methods;
	char error[256];
	int result, n = -1;

	do {
		pointers = envelope_pointers_new("/trace");
		ck_assert_ptr_nonnull(pointers);
		methods_init(&methods);
		error[0] = '\0';
		unit_alloc_fail(_i, ++n);
		result =
			captures_init(&captures, &profile, &methods, pointers, error, sizeof error);
		unit_alloc_fail_never();
		ck_assert_int_eq(result == 0, !unit_alloc_failed());
		ck_assert_str_eq(error, result == 0 ? "" : "out of memory");
		captures_done(&captures);
		methods_done(&methods);
		pointers_free(pointers);
	} while (result != 0);
	ck_assert_int_ge(n, 5);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("capture");

	tcase_add_loop_test(tc, test_take, 0, sizeof rows / sizeof rows[0]);
	tcase_add_loop_test(tc, test_take_long, 0, sizeof long_rows / sizeof long_rows[0]);
	tcase_add_test(tc, test_take_two_long);
	tcase_add_test(tc, test_attributes_are_shared);
	tcase_add_test(tc, test_rows_by_method);
	tcase_add_test(tc, test_none);
	tcase_add_loop_test(tc, test_no_memory, 0, 2);
	return unit_run("capture", tc);
}

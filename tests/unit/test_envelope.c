/*
 * What is read out of a message: kinds, values, ids. Every row whole, cut at every place and byte
 * by byte, through splice in SPLICE_WATCH.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/message/envelope_fill.h"
#include "proxy/message/pointers.h"
#include "proxy/message/place.h"
#include "proxy/message/splice.h"
#include "tests/unit/unit.h"

static struct pointers *pointers;
static struct splice *splice;
static int slot_deep, slot_first, slot_short, slot_none, slot_last;

static void envelope_setup(void)
{
	pointers = envelope_pointers_new("/trace");
	slot_deep = pointers_add(pointers, "/params/a/b/c", 100);
	slot_first = pointers_add(pointers, "/params/list/1/x", 100);
	slot_short = pointers_add(pointers, "/params/short", 4);
	slot_none = pointers_add(pointers, "/params/none", 0);
	slot_last = pointers_add(pointers, "/params/all/-/x", 8);
	splice = splice_new(
		pointers, &(struct place_rules){.place = "/trace", .strips_trace = true});
	ck_assert_ptr_nonnull(splice);
}

static void envelope_teardown(void)
{
	splice_free(splice);
	pointers_free(pointers);
}

/* Runs check on the one envelope of json for every way to cut it. */
struct envelope_check {
	void (*check)(const struct envelope *envelope, const void *row);
	const void *row;
	int calls;
};

static void envelope_on_envelope(void *arg, const struct envelope *envelope)
{
	struct envelope_check *check = arg;

	check->calls++;
	check->check(envelope, check->row);
}

static const struct splice_hooks envelope_hooks = {.envelope = envelope_on_envelope};

static void envelope_read(
	struct envelope_check *check, const char *json, size_t size, size_t first, size_t step)
{
	size_t at = 0, piece = first;

	check->calls = 0;
	splice_begin(splice, SPLICE_WATCH, &envelope_hooks, check);
	do {
		uint8_t *copy;

		piece = piece < size - at ? piece : size - at;
		copy = unit_guard_copy(json + at, piece);
		splice_feed(splice, copy, piece, at + piece == size);
		unit_guard_free(copy, piece);
		at += piece;
		piece = step;
	} while (at < size);
}

static void envelope_watch(struct envelope_check *check, const char *json, size_t size)
{
	uint8_t *copy = unit_guard_copy(json, size);

	check->calls = 0;
	(void)splice_watch(splice, &envelope_hooks, check, copy, size);
	unit_guard_free(copy, size);
}

static void envelope_check_cuts(void (*check)(const struct envelope *envelope, const void *row),
	const void *row, const char *json)
{
	struct envelope_check c = {.check = check, .row = row};
	size_t size = strlen(json), first;

	for (first = 1; first <= size; first++) {
		envelope_read(&c, json, size, first, size);
		ck_assert_int_eq(c.calls, 1);
		ck_assert_uint_eq(splice_troubles(splice), 0);
	}
	envelope_watch(&c, json, size);
	ck_assert_int_eq(c.calls, 1);
	ck_assert_uint_eq(splice_troubles(splice), 0);
	envelope_read(&c, json, size, 1, 1);
	ck_assert_int_eq(c.calls, 1);
}

static const struct kind_row {
	const char *json;
	enum envelope_kind kind;
} kind_rows[] = {
	{"{\"id\":1,\"method\":\"m\"}", ENVELOPE_REQUEST},
	{"{\"id\":\"\",\"method\":\"\"}", ENVELOPE_REQUEST},
	{"{\"method\":\"m\",\"params\":{},\"id\":-1.5}", ENVELOPE_REQUEST},
	{"{\"\\u0069d\":1,\"m\\u0065thod\":\"m\"}", ENVELOPE_REQUEST},
	{"{\"id\":1,\"method\":\"m\",\"result\":1,\"error\":{}}", ENVELOPE_REQUEST},
	{"{\"id\":null,\"id\":1,\"method\":5,\"method\":\"m\"}", ENVELOPE_REQUEST},
	{"{\"method\":\"m\"}", ENVELOPE_NOTIFICATION},
	{"{\"id\":null,\"method\":\"m\"}", ENVELOPE_NOTIFICATION},
	{"{\"id\":1,\"id\":null,\"method\":\"m\"}", ENVELOPE_NOTIFICATION},
	{"{\"params\":{\"id\":1},\"method\":\"m\"}", ENVELOPE_NOTIFICATION},
	{"{\"id\":1,\"result\":null}", ENVELOPE_RESULT_REPLY},
	{"{\"result\":{},\"id\":\"x\"}", ENVELOPE_RESULT_REPLY},
	{"{\"id\":1,\"result\":{},\"error\":null}", ENVELOPE_RESULT_REPLY},
	{"{\"error\":{\"code\":1},\"id\":1}", ENVELOPE_ERROR_REPLY},
	{"{\"error\":\"e\",\"result\":null,\"id\":1}", ENVELOPE_ERROR_REPLY},
	{"{\"error\":{},\"id\":null}", ENVELOPE_ERROR_REPLY},
	{"{}", ENVELOPE_OTHER},
	{"{\"id\":1}", ENVELOPE_OTHER},
	{"{\"id\":1,\"error\":null}", ENVELOPE_OTHER},
	{"{\"result\":1}", ENVELOPE_OTHER},
	{"{\"id\":true,\"method\":\"m\"}", ENVELOPE_OTHER},
	{"{\"id\":[1],\"method\":\"m\"}", ENVELOPE_OTHER},
	{"{\"id\":{\"id\":1},\"method\":\"m\"}", ENVELOPE_OTHER},
	{"{\"id\":1,\"method\":5}", ENVELOPE_OTHER},
	{"{\"id\":1,\"method\":\"m\",\"method\":null}", ENVELOPE_OTHER},
	{"{\"ID\":1,\"Method\":\"m\",\"id \":1,\"\":1}", ENVELOPE_OTHER},
};

#define KIND_ROWS (sizeof(kind_rows) / sizeof(*kind_rows))

static void kind_check(const struct envelope *envelope, const void *row)
{
	const struct kind_row *r = row;

	ck_assert_msg(envelope_kind(envelope) == r->kind, "%s", r->json);
}

START_TEST(test_kinds)
{
	envelope_check_cuts(kind_check, &kind_rows[_i], kind_rows[_i].json);
}
END_TEST

/* The slot of a row is given by name, as some are known at run time only. */
static const struct value_row {
	const char *json;
	int slot;
	enum json_type type;
	const char *text;
	bool cut;
} value_rows[] = {
	{"{}", ENVELOPE_ID, JSON_ABSENT, "", false},
	{"{\"id\":17}", ENVELOPE_ID, JSON_NUMBER, "17", false},
	{"{\"id\":-0.50E+1 }", ENVELOPE_ID, JSON_NUMBER, "-0.50E+1", false},
	{"{\"id\":\"a\\\"b\\u00e9\"}", ENVELOPE_ID, JSON_STRING, "a\"b\xc3\xa9", false},
	{"{\"id\":\"\\ud83d\\ude00\\ud83d\"}", ENVELOPE_ID, JSON_STRING,
		"\xf0\x9f\x98\x80\xef\xbf\xbd", false},
	{"{\"id\":true}", ENVELOPE_ID, JSON_TRUE, "", false},
	{"{\"id\":false}", ENVELOPE_ID, JSON_FALSE, "", false},
	{"{\"id\":null}", ENVELOPE_ID, JSON_NULL, "", false},
	{"{\"id\":[1,\"x\"]}", ENVELOPE_ID, JSON_ARRAY, "", false},
	{"{\"id\":{\"id\":1}}", ENVELOPE_ID, JSON_OBJECT, "", false},
	{"{\"id\":1,\"id\":\"two\"}", ENVELOPE_ID, JSON_STRING, "two", false},
	{"{\"id\":\"one\",\"id\":{}}", ENVELOPE_ID, JSON_OBJECT, "", false},
	{"{\"method\":\"turn/start\"}", ENVELOPE_METHOD, JSON_STRING, "turn/start", false},
	{"{\"params\":{\"method\":\"x\"}}", ENVELOPE_METHOD, JSON_ABSENT, "", false},
	{"{\"params\":[]}", ENVELOPE_PARAMS, JSON_ARRAY, "", false},
	{"{\"error\":{\"code\":-32600,\"message\":\"no\"}}", ENVELOPE_ERROR_CODE, JSON_NUMBER,
		"-32600", false},
	{"{\"error\":{\"code\":-32600,\"message\":\"no\"}}", ENVELOPE_ERROR_MESSAGE, JSON_STRING,
		"no", false},
	{"{\"error\":{\"message\":\"no\"},\"error\":{}}", ENVELOPE_ERROR_MESSAGE, JSON_ABSENT, "",
		false},
	{"{\"error\":{\"message\":\"no\"},\"error\":null}", ENVELOPE_ERROR_MESSAGE, JSON_ABSENT, "",
		false},
	{"{\"trace\":{\"traceparent\":\"00-a\"}}", ENVELOPE_CARRIER, JSON_OBJECT, "", false},
	{"{\"trace\":{\"traceparent\":\"00-a\"}}", ENVELOPE_TRACEPARENT, JSON_STRING, "00-a",
		false},
	{"{\"tr\\u0061ce\":{\"\\u0074raceparent\":\"00-a\"}}", ENVELOPE_TRACEPARENT, JSON_STRING,
		"00-a", false},
	{"{\"trace\":{\"traceparent\":\"00-a\"},\"trace\":{\"tracestate\":\"b\"}}",
		ENVELOPE_TRACEPARENT, JSON_ABSENT, "", false},
	{"{\"trace\":{\"traceparent\":\"00-a\"},\"trace\":{\"tracestate\":\"b\"}}",
		ENVELOPE_TRACESTATE, JSON_STRING, "b", false},
	{"{\"trace\":[\"00-b\",\"c=d\",\"e\"]}", ENVELOPE_TRACEPARENT_POS, JSON_STRING, "00-b",
		false},
	{"{\"trace\":[\"00-b\",\"c=d\",\"e\"]}", ENVELOPE_TRACESTATE_POS, JSON_STRING, "c=d",
		false},
	{"{\"trace\":[[\"x\"],\"c=d\"]}", ENVELOPE_TRACEPARENT_POS, JSON_ARRAY, "", false},
	{"{\"trace\":[{\"0\":\"x\"},\"c=d\"]}", ENVELOPE_TRACESTATE_POS, JSON_STRING, "c=d", false},
	{"{\"trace\":{\"0\":\"y\"}}", ENVELOPE_TRACEPARENT_POS, JSON_STRING, "y", false},
	{"{\"trace\":[]}", ENVELOPE_TRACEPARENT_POS, JSON_ABSENT, "", false},
	{"{\"x\":{\"trace\":{\"traceparent\":\"00-a\"}}}", ENVELOPE_TRACEPARENT, JSON_ABSENT, "",
		false},
	{"{\"params\":{\"a\":{\"b\":{\"c\":\"deep\"}}}}", -1, JSON_STRING, "deep", false},
	{"{\"params\":{\"a\":{\"x\":[{\"c\":1}],\"b\":{\"d\":{\"c\":2},\"c\":3,\"e\":4}},\"b\":5}}",
		-1, JSON_NUMBER, "3", false},
	{"{\"params\":{\"a\":{\"b\":{\"c\":1}},\"a\":{\"b\":{}}}}", -1, JSON_ABSENT, "", false},
	{"{\"params\":{\"a\":{\"b\":{\"c\":1},\"b\":7}}}", -1, JSON_ABSENT, "", false},
	{"{\"params\":{\"a\":{\"b\":{\"c\":1}}},\"params\":[]}", -1, JSON_ABSENT, "", false},
	{"{\"params\":{\"a\":[{\"b\":{\"c\":1}}]}}", -1, JSON_ABSENT, "", false},
	{"{\"params\":{\"list\":[{\"x\":1},{\"x\":2},{\"x\":3}]}}", -2, JSON_NUMBER, "2", false},
	{"{\"params\":{\"list\":{\"0\":{\"x\":1},\"1\":{\"x\":2}}}}", -2, JSON_NUMBER, "2", false},
	{"{\"params\":{\"list\":[[],{\"x\":[]}]}}", -2, JSON_ARRAY, "", false},
	{"{\"params\":{\"short\":\"abcd\"}}", -3, JSON_STRING, "abcd", false},
	{"{\"params\":{\"short\":\"abcde\"}}", -3, JSON_STRING, "abcd", true},
	{"{\"params\":{\"short\":\"abc\xc3\xa9\"}}", -3, JSON_STRING, "abc", true},
	{"{\"params\":{\"short\":\"abc\\u00e9\"}}", -3, JSON_STRING, "abc", true},
	{"{\"params\":{\"short\":\"\\u0061\\u0062\\n\\u0063\"}}", -3, JSON_STRING, "ab\nc", false},
	{"{\"params\":{\"short\":\"\\ud83d\\ude00x\"}}", -3, JSON_STRING, "\xf0\x9f\x98\x80", true},
	{"{\"params\":{\"short\":12345}}", -3, JSON_NUMBER, "1234", true},
	{"{\"params\":{\"none\":\"\"}}", -4, JSON_STRING, "", false},
	{"{\"params\":{\"none\":\"x\"}}", -4, JSON_STRING, "", true},
	{"{\"params\":{\"none\":true}}", -4, JSON_TRUE, "", false},
	{"{\"params\":{\"all\":[{\"x\":1},{\"x\":2},{\"y\":3,\"x\":\"a\\nb\"}]}}", -5, JSON_STRING,
		"a\nb", false},
	{"{\"id\":\"a\\tb\",\"params\":{\"all\":[{\"x\":\"one\"},{\"x\":\"two\"},{\"x\":\"three\"}]"
	 "}}",
		ENVELOPE_ID, JSON_STRING, "a\tb", false},
	{"{\"params\":{\"short\":\"ab\",\"all\":[{\"x\":\"a\\tb\"},{\"x\":\"c\\td\"}]}}", -3,
		JSON_STRING, "ab", false},
	{"{\"params\":{\"all\":[{\"x\":1},{\"x\":2},{\"y\":3}]}}", -5, JSON_ABSENT, "", false},
	{"{\"params\":{\"all\":[{\"x\":1},7]}}", -5, JSON_ABSENT, "", false},
	{"{\"params\":{\"all\":[]}}", -5, JSON_ABSENT, "", false},
	{"{\"params\":{\"all\":{\"-\":{\"x\":1},\"0\":{\"x\":2}}}}", -5, JSON_NUMBER, "1", false},
	{"{ \"id\" : 17 , \"method\" : \"turn/start\" , \"params\" : [ ] }", ENVELOPE_METHOD,
		JSON_STRING, "turn/start", false},
	{"{\"id\": 17, \"method\": \"turn/start\",\n\t\"params\": { \"short\":   \"ab\" } }", -3,
		JSON_STRING, "ab", false},
	{"{\"params\":[{\"short\":1},[2,{}],-1.5e3,null,false,true,\"x\"],\"id\":"
	 "12345678901234567890}",
		ENVELOPE_ID, JSON_NUMBER, "12345678901234567890", false},
	{"{\"params\":{\"a key of many words\":{\"b\":[{\"c\":0}]},\"short\":-1e7}}", -3,
		JSON_NUMBER, "-1e7", false},
	{"{\"method\":\"a \\\"text\\\" with\\u00e9 escapes in some of its "
	 "blocks\\n\",\"x\":\"\\\\\"}",
		ENVELOPE_METHOD, JSON_STRING,
		"a \"text\" with\xc3\xa9 escapes in some of its blocks\n", false},
	{"{\"method\":\"0123456789012345678901234567890123456789012345678901234567890123456789"
	 "0123456789012345678901234567890123456789012345678901234567890123456789\"}",
		ENVELOPE_METHOD, JSON_STRING,
		"0123456789012345678901234567890123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789012345678901234567890123456789",
		false},
	{"{\"id\":\"a\",\"method\":\"b\",\"error\":{\"code\":1,\"message\":\"a\\tb\"},\"id\":null}",
		ENVELOPE_ERROR_MESSAGE, JSON_STRING, "a\tb", false},
};

#define VALUE_ROWS (sizeof(value_rows) / sizeof(*value_rows))

static void value_check(const struct envelope *envelope, const void *row)
{
	const struct value_row *r = row;
	const int named[] = {slot_deep, slot_first, slot_short, slot_none, slot_last};
	const struct envelope_value *value =
		envelope_value(envelope, r->slot < 0 ? named[-r->slot - 1] : r->slot);

	ck_assert_msg(value->type == r->type && value->cut == r->cut &&
			      value->size == strlen(r->text) &&
			      memcmp(value->text, r->text, value->size) == 0,
		"%s: %d %.*s", r->json, (int)value->type, (int)value->size, value->text);
}

START_TEST(test_values)
{
	envelope_check_cuts(value_check, &value_rows[_i], value_rows[_i].json);
}
END_TEST

/* Lengths are those of the spelling, of texts that are cut or lost, too. */
static const struct length_row {
	const char *json;
	size_t length;
} length_rows[] = {
	{"{}", 0},
	{"{\"params\":{\"short\":\"\"}}", 0},
	{"{\"params\":{\"short\":\"abcd\"}}", 4},
	{"{\"params\":{\"short\":\"abcde\"}}", 5},
	{"{\"params\":{\"short\":\"abc\xc3\xa9\"}}", 5},
	{"{\"params\":{\"short\":\"\\n\"}}", 2},
	{"{\"params\":{\"short\":\"\\u00e9\\\"\"}}", 8},
	{"{\"params\":{\"short\":\"\\ud83d\\ude00x\"}}", 13},
	{"{\"params\":{\"short\":\"\\ud83d\\ude00 and much more of it\\n\"}}", 34},
	{"{\"params\":{\"short\":\"a text that is long enough for some blocks of it\"}}", 48},
	{"{\"params\":{\"short\":-1.50e+3}}", 8},
	{"{\"params\":{\"short\":12345 }}", 5},
	{"{\"params\":{\"short\":\"abc\",\"short\":true}}", 0},
	{"{\"params\":{\"short\":\"abc\",\"short\":[\"abc\"]}}", 0},
	{"{\"params\":{\"short\":\"abc\",\"short\":\"de\"}}", 2},
};

#define LENGTH_ROWS (sizeof(length_rows) / sizeof(*length_rows))

static void length_check(const struct envelope *envelope, const void *row)
{
	const struct length_row *r = row;

	ck_assert_msg(envelope_value(envelope, slot_short)->length == r->length, "%s", r->json);
}

START_TEST(test_lengths)
{
	envelope_check_cuts(length_check, &length_rows[_i], length_rows[_i].json);
}
END_TEST

static const struct id_row {
	const char *id, *key;
} id_rows[] = {
	{"1", "n1"},
	{"1.0", "n1"},
	{"1e0", "n1"},
	{"10e-1", "n1"},
	{"0.1e1", "n1"},
	{"0.00100E+3", "n1"},
	{"100", "n100"},
	{"1e2", "n100"},
	{"1.00e+02", "n100"},
	{"10000.0e-2", "n100"},
	{"-3", "n-3"},
	{"-3.0", "n-3"},
	{"0", "n0"},
	{"-0", "n0"},
	{"0.0", "n0"},
	{"-0e999999999999999999999", "n0"},
	{"0e-5", "n0"},
	{"1.5", "n15e-1"},
	{"15e-1", "n15e-1"},
	{"0.15e1", "n15e-1"},
	{"-0.5", "n-5e-1"},
	{"9007199254740993", "n9007199254740993"},
	{"9007199254740992", "n9007199254740992"},
	{"9007199254740993.000", "n9007199254740993"},
	{"9223372036854775807", "n9223372036854775807"},
	{"18446744073709551616e0", "n18446744073709551616"},
	{"1e300", "n1e300"},
	{"10e299", "n1e300"},
	{"0.1e301", "n1e300"},
	{"1e-300", "n1e-300"},
	{"1e999999999", "n1e999999999"},
	{"1e1000000000", "n1e1000000000"},
	{"10e999999999", "n1e1000000000"},
	{"1.0e00000000001000000000", "n1e1000000000"},
	{"0.1e1000000000", "n1e999999999"},
	{"1e-1000000000", "n1e-1000000000"},
	{"0.1e-999999999", "n1e-1000000000"},
	{"10e-1000000000", "n1e-999999999"},
	{"1e99999999999999999999999999999999", "n1e99999999999999999999999999999999"},
	{"100e99999999999999999999999999999999", "n1e100000000000000000000000000000001"},
	{"0.01e100000000000000000000000000000000", "n1e99999999999999999999999999999998"},
	{"100e-100000000000000000000000000000000", "n1e-99999999999999999999999999999998"},
	{"0.01e-99999999999999999999999999999999", "n1e-100000000000000000000000000000001"},
	{"\"1\"", "s1"},
	{"\"\"", "s"},
	{"\"\\u00e9\"", "s\xc3\xa9"},
	{"\"\xc3\xa9\"", "s\xc3\xa9"},
	{"\"a\\/b\"", "sa/b"},
	{"null", ""},
	{"true", ""},
	{"false", ""},
	{"[1]", ""},
	{"{}", ""},
};

#define ID_ROWS (sizeof(id_rows) / sizeof(*id_rows))

static void id_check(const struct envelope *envelope, const void *row)
{
	const struct id_row *r = row;
	char key[ENVELOPE_KEY_MAX];
	size_t size = envelope_id_key(envelope, key);

	ck_assert_msg(size == strlen(r->key) && memcmp(key, r->key, size) == 0, "%s: %.*s", r->id,
		(int)size, key);
}

/* The same for a value anywhere. */
static void value_key_check(const struct envelope *envelope, const void *row)
{
	const struct id_row *r = row;
	char key[ENVELOPE_KEY_MAX];
	size_t size = envelope_value_key(envelope_value(envelope, slot_deep), key);

	ck_assert_msg(size == strlen(r->key) && memcmp(key, r->key, size) == 0, "%s: %.*s", r->id,
		(int)size, key);
	ck_assert_uint_eq(envelope_value_key(envelope_value(envelope, slot_none), key), 0);
	ck_assert_uint_eq(envelope_value_key(envelope_value(envelope, slot_short), key), 0);
}

START_TEST(test_ids)
{
	char json[160];

	(void)snprintf(json, sizeof(json), "{\"id\":%s,\"method\":\"m\"}", id_rows[_i].id);
	envelope_check_cuts(id_check, &id_rows[_i], json);
	(void)snprintf(json, sizeof(json),
		"{\"params\":{\"a\":{\"b\":{\"c\":%s}},\"short\":\"abcde\"}}", id_rows[_i].id);
	envelope_check_cuts(value_key_check, &id_rows[_i], json);
}
END_TEST

/* Ids around the limit: count characters between head and tail, and the key that must come out. */
static void id_long_check(
	const char *head, char fill, size_t count, const char *tail, size_t key_size)
{
	char id[ENVELOPE_ID_MAX + 64], json[ENVELOPE_ID_MAX + 128], key[2 * ENVELOPE_ID_MAX];
	struct id_row row = {.id = id, .key = key};
	size_t at = strlen(head);

	memcpy(id, head, at);
	memset(id + at, fill, count);
	(void)snprintf(id + at + count, sizeof(id) - at - count, "%s", tail);
	memset(key, 0, sizeof(key));
	if (key_size > 0) {
		key[0] = 'n';
		(void)snprintf(key + 1, sizeof(key) - 1, "%s", id);
		if (id[0] == '"') {
			key[0] = 's';
			memset(key + 1, fill, count);
			key[1 + count] = '\0';
		}
	}
	ck_assert_uint_eq(strlen(key), key_size);
	(void)snprintf(json, sizeof(json), "{\"method\":\"m\",\"id\":%s}", id);
	envelope_check_cuts(id_check, &row, json);
}

START_TEST(test_long_ids)
{
	id_long_check("\"", 'x', ENVELOPE_ID_MAX, "\"", ENVELOPE_ID_MAX + 1);
	id_long_check("\"", 'x', ENVELOPE_ID_MAX + 1, "\"", 0);
	id_long_check("", '7', ENVELOPE_ID_MAX, "", ENVELOPE_ID_MAX + 1);
	id_long_check("", '7', ENVELOPE_ID_MAX + 1, "", 0);
	id_long_check("-", '7', ENVELOPE_ID_MAX - 1, "", ENVELOPE_ID_MAX + 1);
}
END_TEST

/* An integer with an exponent has the key of the digits, as long as an id could be spelt so. */
START_TEST(test_expanded_ids)
{
	char key[ENVELOPE_KEY_MAX + 1] = "n-1";
	struct id_row row = {.id = "-1e254", .key = key};

	memset(key + 3, '0', 254);
	envelope_check_cuts(id_check, &row, "{\"id\":-1e254}");
	envelope_check_cuts(id_check, &row, "{\"id\":-0.01e256}");
	row.id = "-1e255";
	row.key = "n-1e255";
	envelope_check_cuts(id_check, &row, "{\"id\":-1e255}");
}
END_TEST

/* The longest keys stay within ENVELOPE_KEY_MAX. */
START_TEST(test_longest_keys)
{
	static const char *const forms[][2] = {{"1.", ""}, {"-1.", ""}, {"0.", ""}, {"-0.", "e-99"},
		{"", "e9"}, {"1e", ""}, {"-1e-", ""}, {"0.1e-", ""}};
	char id[ENVELOPE_ID_MAX + 1], json[ENVELOPE_ID_MAX + 64], key[ENVELOPE_KEY_MAX + 1];
	struct id_row row = {.id = id, .key = NULL};
	struct envelope envelope;
	size_t i, head, tail;

	ck_assert_int_eq(envelope_init(&envelope, pointers), 0);
	for (i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		head = strlen(forms[i][0]);
		tail = strlen(forms[i][1]);
		memset(id, '9', ENVELOPE_ID_MAX);
		memcpy(id, forms[i][0], head);
		memcpy(id + ENVELOPE_ID_MAX - tail, forms[i][1], tail);
		id[ENVELOPE_ID_MAX] = '\0';
		envelope_begin(&envelope);
		envelope_put(&envelope, &pointers->nodes[pointers->slot_nodes[ENVELOPE_ID]],
			JSON_NUMBER, (const uint8_t *)id, ENVELOPE_ID_MAX);
		key[envelope_id_key(&envelope, key)] = '\0';
		ck_assert_uint_ge(strlen(key), ENVELOPE_ID_MAX - 5);
		row.key = key;
		(void)snprintf(json, sizeof(json), "{\"id\":%s}", id);
		envelope_check_cuts(id_check, &row, json);
	}
	envelope_done(&envelope);
}
END_TEST

static void no_check(const struct envelope *envelope, const void *row)
{
	(void)envelope;
	(void)row;
}

/* Every envelope of a batch begins with nothing. */
static void batch_check(const struct envelope *envelope, const void *row)
{
	static const char *const ids[] = {"1", "", "3"};
	int *calls = *(int *const *)row;
	const char *id = ids[(*calls)++];

	ck_assert_uint_eq(envelope_value(envelope, ENVELOPE_ID)->size, strlen(id));
	ck_assert_mem_eq(envelope_value(envelope, ENVELOPE_ID)->text, id, strlen(id));
}

START_TEST(test_batch)
{
	static const char json[] =
		"[{\"id\":1,\"method\":\"m\"},{\"x\":{\"id\":2}},5,\"id\",[{\"id\":4}],{\"id\":3}]";
	int calls;
	int *row = &calls;
	struct envelope_check check = {.check = batch_check, .row = &row};
	size_t first;

	for (first = 0; first < sizeof(json); first++) {
		calls = 0;
		envelope_read(&check, json, sizeof(json) - 1, first, sizeof(json));
		ck_assert_int_eq(calls, 3);
	}
}
END_TEST

/*
 * Texts that a message lent are not looked at in the next one, when its bytes are gone, even if the
 * message broke off.
 */
START_TEST(test_lent_texts_are_forgotten)
{
	static const char *const broken[] = {"{\"id\":\"0123456789\",\"method\":\"m\",}",
		"{\"id\":\"0123456789\",\"method\":\"m\"", "{\"id\":\"0123456789\"}"};
	struct envelope_check check = {.check = no_check};
	uint8_t *copy;
	size_t size = strlen(broken[_i]);

	copy = unit_guard_copy(broken[_i], size);
	splice_begin(splice, SPLICE_WATCH, &envelope_hooks, &check);
	splice_feed(splice, copy, size, true);
	unit_guard_free(copy, size);
	splice_begin(splice, SPLICE_WATCH, &envelope_hooks, &check);
	splice_feed(splice, (const uint8_t *)"x", 1, false);
	splice_feed(splice, (const uint8_t *)"{}", 2, true);
	ck_assert_uint_eq(splice_troubles(splice), SPLICE_NOT_JSON);
}
END_TEST

/* A list of which only the last element is wanted takes no more room than that. */
static void long_list_check(const struct envelope *envelope, const void *row)
{
	const struct envelope_value *value = envelope_value(envelope, slot_last);

	(void)row;
	ck_assert_mem_eq(envelope_value(envelope, ENVELOPE_ID)->text, "i\n", 2);
	ck_assert_uint_eq(value->size, 8);
	ck_assert_mem_eq(value->text, "\n0009999", 8);
}

START_TEST(test_long_list)
{
	static char json[400000];
	struct envelope_check check = {.check = long_list_check};
	static const size_t steps[] = {sizeof json, 4096, 17};
	size_t used, i, step = steps[_i];

	used = (size_t)snprintf(json, sizeof json, "{\"id\":\"i\\n\",\"params\":{\"all\":[");
	for (i = 0; i < 10000; i++)
		used += (size_t)snprintf(json + used, sizeof json - used, "%s{\"x\":\"\\n%07zu\"}",
			i == 0 ? "" : ",", i);
	used += (size_t)snprintf(json + used, sizeof json - used, "]}}");
	splice_begin(splice, SPLICE_WATCH, &envelope_hooks, &check);
	for (i = 0; i < used; i += step)
		splice_feed(splice, (const uint8_t *)json + i, used - i < step ? used - i : step,
			used - i <= step);
	ck_assert_uint_eq(splice_troubles(splice), 0);
	ck_assert_int_eq(check.calls, 1);
}
END_TEST

/* Wanted values that do not fit the arena: what fits stays, the rest is empty and cut. */
static void large_check(const struct envelope *envelope, const void *row)
{
	const int *slots = row;
	int i;

	ck_assert_int_eq((int)envelope_value(envelope, ENVELOPE_ID)->size, 1);
	for (i = 0; i < 3; i++) {
		const struct envelope_value *value = envelope_value(envelope, slots[i]);

		ck_assert_int_eq(value->type, JSON_STRING);
		ck_assert_uint_eq(value->size, i < 2 ? 30000 : 0);
		ck_assert_uint_ge(value->length, 30000); /* 30005 with an escape */
		ck_assert_int_eq(value->cut, i == 2);
		ck_assert(i == 2 || (value->text[0] == 'x' && value->text[29999] == 'x'));
	}
}

START_TEST(test_large)
{
	static const size_t firsts[] = {1, 1000, 30020, 60030, 70000, 200000};
	char *json = malloc(100000), *at;
	struct envelope_check check = {.check = large_check};
	int slots[3], i, escapes;

	splice_free(splice);
	slots[0] = pointers_add(pointers, "/a", 40000);
	slots[1] = pointers_add(pointers, "/b", 40000);
	slots[2] = pointers_add(pointers, "/c", 40000);
	splice = splice_new(
		pointers, &(struct place_rules){.place = "/trace", .strips_trace = true});
	check.row = slots;
	for (escapes = 0; escapes < 2; escapes++) {
		at = json + sprintf(json, "{\"id\":1");
		for (i = 0; i < 3; i++) {
			at += sprintf(at, ",\"%c\":\"%s", 'a' + i, escapes ? "\\u0078" : "x");
			memset(at, 'x', 29999);
			at += 29999;
			*at++ = '"';
		}
		at += sprintf(at, "}");
		for (i = 0; i < 6; i++) {
			envelope_read(&check, json, (size_t)(at - json), firsts[i], 777);
			ck_assert_int_eq(check.calls, 1);
			ck_assert_uint_eq(splice_troubles(splice), SPLICE_ENVELOPE_LARGE);
		}
	}
	free(json);
}
END_TEST

/* The arena cannot grow: the text is missing and marked, the rest goes on. */
static void no_memory_check(const struct envelope *envelope, const void *row)
{
	const int *slot = row;
	const struct envelope_value *value = envelope_value(envelope, *slot);
	bool lost = unit_alloc_failed();

	unit_alloc_fail_never();
	ck_assert(lost);
	ck_assert_int_eq(value->type, JSON_STRING);
	ck_assert(value->cut);
	ck_assert_uint_eq(value->size, 0);
	ck_assert_uint_ge(value->length, 8000); /* 8002 with an escape */
}

START_TEST(test_no_memory)
{
	char *json = malloc(10000);
	struct envelope_check check = {.check = no_memory_check};
	int slot, escapes;
	size_t size;

	splice_free(splice);
	slot = pointers_add(pointers, "/a", 9000);
	splice = splice_new(
		pointers, &(struct place_rules){.place = "/trace", .strips_trace = true});
	check.row = &slot;
	for (escapes = 0; escapes < 2; escapes++) {
		size = (size_t)sprintf(json, "{\"a\":\"%s", escapes ? "\\n" : "");
		memset(json + size, 'x', 8000);
		size += 8000;
		size += (size_t)sprintf(json + size, "\"}");
		splice_begin(splice, SPLICE_WATCH, &envelope_hooks, &check);
		check.calls = 0;
		unit_alloc_fail_after(0);
		splice_feed(splice, (const uint8_t *)json, size - 1, false);
		splice_feed(splice, (const uint8_t *)json + size - 1, 1, true);
		unit_alloc_fail_never();
		ck_assert_int_eq(check.calls, 1);
		ck_assert_uint_eq(splice_troubles(splice), SPLICE_NO_MEMORY);
	}
	free(json);
}
END_TEST

/* Long keys, near the limit of a token, in pieces and with escapes. */
static void key_check(const struct envelope *envelope, const void *row)
{
	const int *slot = row;

	ck_assert_int_eq(envelope_value(envelope, *slot)->type, JSON_TRUE);
}

START_TEST(test_long_keys)
{
	char pointer[POINTERS_TOKEN_MAX + 2], json[2 * POINTERS_TOKEN_MAX + 64];
	int slot;

	splice_free(splice);
	memset(pointer, 'k', sizeof(pointer));
	pointer[0] = '/';
	pointer[sizeof(pointer) - 1] = '\0';
	slot = pointers_add(pointers, pointer, 10);
	splice = splice_new(
		pointers, &(struct place_rules){.place = "/trace", .strips_trace = true});
	(void)snprintf(json, sizeof(json), "{\"%s\":true,\"%sk\":false}", pointer + 1, pointer + 1);
	envelope_check_cuts(key_check, &slot, json);
	(void)snprintf(json, sizeof(json), "{\"\\u006b%s\":true,\"\\u006b%sk\":false}", pointer + 2,
		pointer + 2);
	envelope_check_cuts(key_check, &slot, json);
}
END_TEST

static void told_check(const struct envelope *envelope, const void *row)
{
	const struct envelope_value *deep = envelope_value(envelope, slot_deep);

	ck_assert_uint_eq(deep->size, strlen(row));
	ck_assert_mem_eq(deep->text, row, deep->size);
}

/* Without memory for what messages have in common, each is read from its first byte on. */
START_TEST(test_nothing_recalled)
{
	static const char *const texts[] = {"x", "yy", "", "z", "zz"};
	struct envelope_check c = {.check = told_check};
	char json[128];
	size_t i;

	for (i = 0; i < sizeof texts / sizeof *texts; i++) {
		c.row = texts[i];
		(void)snprintf(json, sizeof json,
			"{\"method\":\"m\",\"params\":{\"none\":\"%030d\",\"a\":{\"b\":{\"c\":\"%"
			"s\"}}}}",
			0, texts[i]);
		unit_alloc_fail_after(i < 3 ? 0 : 100);
		envelope_watch(&c, json, strlen(json));
		unit_alloc_fail_never();
		ck_assert_int_eq(c.calls, 1);
		ck_assert_uint_eq(splice_troubles(splice), 0);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("envelope");

	unit_fixture(envelope_setup, envelope_teardown);
	tcase_add_loop_test(tc, test_kinds, 0, (int)KIND_ROWS);
	tcase_add_loop_test(tc, test_values, 0, (int)VALUE_ROWS);
	tcase_add_loop_test(tc, test_lengths, 0, (int)LENGTH_ROWS);
	tcase_add_loop_test(tc, test_ids, 0, (int)ID_ROWS);
	tcase_add_test(tc, test_long_ids);
	tcase_add_test(tc, test_expanded_ids);
	tcase_add_test(tc, test_longest_keys);
	tcase_add_test(tc, test_batch);
	tcase_add_loop_test(tc, test_lent_texts_are_forgotten, 0, 3);
	tcase_add_loop_test(tc, test_long_list, 0, 3);
	tcase_add_test(tc, test_large);
	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_long_keys);
	tcase_add_test(tc, test_nothing_recalled);
	return unit_run("envelope", tc);
}

/* carrier: what two texts mean together, and the JSON that is sent on. */
#include <string.h>
#include <yajl/yajl_tree.h>

#include "tests/unit/unit.h"
#include "w3c/carrier.h"
#include "w3c/tracestate.h"

#define PARENT "00-7c3a9e51d04f42b8a6150b2ce8f7d913-5e91c0a7342bd86f-03"

static enum carrier_verdict extract(
	struct trace_context *context, const char *parent, const char *state)
{
	return carrier_extract(context, parent, parent == NULL ? 0 : strlen(parent), state,
		state == NULL ? 0 : strlen(state));
}

START_TEST(test_carrier_extract)
{
	static const struct {
		const char *parent, *state;
		enum carrier_verdict verdict;
		const char *kept;
	} cases[] = {
		{NULL, NULL, CARRIER_ABSENT, NULL},
		{NULL, "a=1", CARRIER_ABSENT, NULL},
		{"", "a=1", CARRIER_INVALID, NULL},
		{"00", NULL, CARRIER_INVALID, NULL},
		{PARENT, NULL, CARRIER_VALID, NULL},
		{PARENT, "", CARRIER_VALID, NULL},
		{PARENT, " , ,", CARRIER_VALID, NULL},
		{PARENT, "a=1", CARRIER_VALID, "a=1"},
		{"\t" PARENT " ", "\t ,a=1 , b=2 ,", CARRIER_VALID, "a=1 , b=2"},
		{PARENT, "a", CARRIER_VALID_NO_STATE, NULL},
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct trace_context context = {.tracestate = NULL};

		ck_assert_int_eq(
			extract(&context, cases[i].parent, cases[i].state), cases[i].verdict);
		ck_assert_int_eq(context.tracestate != NULL, cases[i].kept != NULL);
		if (cases[i].kept != NULL) {
			ck_assert_uint_eq(context.tracestate_size, strlen(cases[i].kept));
			ck_assert_mem_eq(context.tracestate, cases[i].kept, strlen(cases[i].kept));
		}
	}
}
END_TEST

START_TEST(test_carrier_extract_leaves_alone)
{
	struct trace_context context, before;

	memset(&context, 0x5a, sizeof context);
	before = context;
	ck_assert_int_eq(extract(&context, NULL, "a=1"), CARRIER_ABSENT);
	ck_assert_mem_eq(&context, &before, sizeof before);
	ck_assert_int_eq(extract(&context, "00-", "a=1"), CARRIER_INVALID);
	ck_assert_mem_eq(&context, &before, sizeof before);
}
END_TEST

/* A list of exactly size characters: members of 255 and one that fills up. */
static void write_state(char *text, size_t size)
{
	size_t at;

	memset(text, 'x', size);
	for (at = 0; at < size; at += 256) {
		text[at + 1] = '=';
		if (at + 255 < size)
			text[at + 255] = ',';
	}
}

START_TEST(test_carrier_state_limit)
{
	char text[CARRIER_TRACESTATE_MAX + 1];
	struct trace_context context;

	write_state(text, CARRIER_TRACESTATE_MAX - 1);
	text[CARRIER_TRACESTATE_MAX - 1] = ' ';
	text[CARRIER_TRACESTATE_MAX] = ' ';
	ck_assert_int_eq(
		carrier_extract(&context, PARENT, strlen(PARENT), text, CARRIER_TRACESTATE_MAX),
		CARRIER_VALID);
	ck_assert_uint_eq(context.tracestate_size, CARRIER_TRACESTATE_MAX - 1);
	ck_assert_int_eq(
		carrier_extract(&context, PARENT, strlen(PARENT), text, CARRIER_TRACESTATE_MAX + 1),
		CARRIER_VALID_NO_STATE);
	ck_assert_ptr_null(context.tracestate);
}
END_TEST

START_TEST(test_carrier_format)
{
	static const struct {
		const char *state;
		uint8_t mask;
		const char *text, *fields; /* behind traceparent's name */
	} cases[] = {
		{NULL, 0xff, "{\"traceparent\":\"" PARENT "\"}", PARENT "\r\n"},
		{NULL, TRACE_FLAG_SAMPLED,
			"{\"traceparent\":\"00-7c3a9e51d04f42b8a6150b2ce8f7d913-5e91c0a7342bd86f-"
			"01\"}",
			"00-7c3a9e51d04f42b8a6150b2ce8f7d913-5e91c0a7342bd86f-01\r\n"},
		{NULL, 0,
			"{\"traceparent\":\"00-7c3a9e51d04f42b8a6150b2ce8f7d913-5e91c0a7342bd86f-"
			"00\"}",
			"00-7c3a9e51d04f42b8a6150b2ce8f7d913-5e91c0a7342bd86f-00\r\n"},
		{"a=1 ,,\tb=\"\\x", 0xff,
			"{\"traceparent\":\"" PARENT "\",\"tracestate\":\"a=1,b=\\\"\\\\x\"}",
			PARENT "\r\ntracestate: a=1,b=\"\\x\r\n"},
		/* never sent on, whoever gave it */
		{"A=1", 0xff, "{\"traceparent\":\"" PARENT "\"}", PARENT "\r\n"},
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct trace_context context;
		char text[CARRIER_TEXT_MAX];
		size_t size;

		ck_assert_int_eq(extract(&context, PARENT, NULL), CARRIER_VALID);
		context.tracestate = cases[i].state;
		context.tracestate_size = cases[i].state == NULL ? 0 : strlen(cases[i].state);
		size = carrier_format(text, &context, cases[i].mask);
		ck_assert_uint_eq(size, strlen(cases[i].text));
		ck_assert_mem_eq(text, cases[i].text, size);
		size = carrier_format_fields(text, &context, cases[i].mask);
		ck_assert_uint_eq(size, strlen("traceparent: ") + strlen(cases[i].fields));
		ck_assert_mem_eq(text, "traceparent: ", strlen("traceparent: "));
		ck_assert_mem_eq(
			text + strlen("traceparent: "), cases[i].fields, strlen(cases[i].fields));
	}
}
END_TEST

/* The longest text: every character of the values escaped. It must be JSON that says the same. */
START_TEST(test_carrier_format_longest)
{
	static const char *const path[] = {"tracestate", NULL};
	char state[CARRIER_TRACESTATE_MAX + 1] = "";
	static const char blank[CARRIER_TEXT_MAX];
	uint8_t *text = unit_guard_copy(blank, sizeof blank);
	struct trace_context context;
	yajl_val json;
	size_t size, i;

	write_state(state, CARRIER_TRACESTATE_MAX - 1);
	for (i = 0; i < CARRIER_TRACESTATE_MAX - 1; i++)
		if (i % 256 > 1 && i % 256 < 255)
			state[i] = i % 2 == 0 ? '"' : '\\';
	ck_assert_int_eq(extract(&context, PARENT, state), CARRIER_VALID);
	size = carrier_format((char *)text, &context, 0xff);
	ck_assert_uint_lt(size, CARRIER_TEXT_MAX);
	ck_assert_uint_lt(carrier_format_fields((char *)text, &context, 0xff), CARRIER_FIELDS_MAX);
	(void)carrier_format((char *)text, &context, 0xff);
	text[size] = '\0';
	json = yajl_tree_parse((char *)text, NULL, 0);
	ck_assert_ptr_nonnull(json);
	ck_assert_str_eq(
		yajl_tree_get(json, (const char **)(uintptr_t)path, yajl_t_string)->u.string,
		state);
	yajl_tree_free(json);
	unit_guard_free(text, CARRIER_TEXT_MAX);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("carrier");

	tcase_add_test(tc, test_carrier_extract);
	tcase_add_test(tc, test_carrier_extract_leaves_alone);
	tcase_add_test(tc, test_carrier_state_limit);
	tcase_add_test(tc, test_carrier_format);
	tcase_add_test(tc, test_carrier_format_longest);
	return unit_run("carrier", tc);
}

/*
 * The vectors of tests/unit/data: what W3C Trace Context and its official suite ask of a value, as
 * data. A text given as an array came as several fields and is joined with commas (RFC 9110, 5.3).
 * Rows under "elsewhere" are not about values; each says whose business it is.
 */
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_tree.h>

#include "tests/unit/unit.h"
#include "w3c/carrier.h"
#include "w3c/ids.h"
#include "w3c/sampling.h"
#include "w3c/tracestate.h"

#define VECTORS_TEXT_MAX 2048
#define VECTORS_PARENT   "00-7c3a9e51d04f42b8a6150b2ce8f7d913-5e91c0a7342bd86f-01"

struct vectors_text {
	char bytes[VECTORS_TEXT_MAX];
	size_t size;
	bool present;
};

static const char *const vectors_verdicts[] = {
	[CARRIER_ABSENT] = "absent",
	[CARRIER_VALID] = "valid",
	[CARRIER_VALID_NO_STATE] = "valid-no-state",
	[CARRIER_INVALID] = "invalid",
};

static yajl_val vectors_get(yajl_val row, const char *name)
{
	const char *path[] = {name, NULL};

	return yajl_tree_get(row, path, yajl_t_any);
}

static const char *vectors_as_string(yajl_val value)
{
	ck_assert(YAJL_IS_STRING(value));
	return value->u.string;
}

/* The elements of an array; *count of them. */
static const yajl_val *vectors_as_list(yajl_val value, size_t *count)
{
	ck_assert(YAJL_IS_ARRAY(value));
	*count = value->u.array.len;
	return value->u.array.values;
}

static const char *vectors_string(yajl_val row, const char *name)
{
	yajl_val value = vectors_get(row, name);

	return value == NULL || YAJL_IS_NULL(value) ? NULL : vectors_as_string(value);
}

static void vectors_text_add(struct vectors_text *text, const char *bytes, size_t size)
{
	ck_assert_uint_le(size, sizeof text->bytes - text->size);
	if (size > 0)
		memcpy(text->bytes + text->size, bytes, size);
	text->size += size;
	text->present = true;
}

/* A tree's strings end at the first NUL; so the data spells a NUL within as U+2400. */
static void vectors_text_add_string(struct vectors_text *text, const char *string)
{
	const char *nul = strstr(string, "\xe2\x90\x80");

	if (nul == NULL) {
		vectors_text_add(text, string, strlen(string));
		return;
	}
	vectors_text_add(text, string, (size_t)(nul - string));
	vectors_text_add(text, "", 1);
	vectors_text_add(text, nul + 3, strlen(nul + 3));
}

static void vectors_text_read(struct vectors_text *text, yajl_val value)
{
	const yajl_val *fields = &value;
	size_t i, count = 1;

	text->size = 0;
	text->present = false;
	if (value == NULL || YAJL_IS_NULL(value))
		return;
	if (YAJL_IS_ARRAY(value))
		fields = vectors_as_list(value, &count);
	for (i = 0; i < count; i++) {
		if (i > 0)
			vectors_text_add(text, ",", 1);
		vectors_text_add_string(text, vectors_as_string(fields[i]));
	}
}

static enum carrier_verdict vectors_extract(struct trace_context *context,
	const struct vectors_text *traceparent, const struct vectors_text *tracestate)
{
	return carrier_extract(context, traceparent->present ? traceparent->bytes : NULL,
		traceparent->size, tracestate->present ? tracestate->bytes : NULL,
		tracestate->size);
}

static void vectors_check_verdict(yajl_val row, enum carrier_verdict verdict)
{
	ck_assert_msg(strcmp(vectors_verdicts[verdict], vectors_string(row, "verdict")) == 0,
		"%s: verdict %s", vectors_string(row, "name"), vectors_verdicts[verdict]);
}

/* The context that is sent on, at Level 2 and, with the one flag it knows, at Level 1. */
static void vectors_check_context(yajl_val row, const struct traceparent *traceparent)
{
	const char *level1 = vectors_string(row, "flags_level1");
	char text[TRACEPARENT_SIZE];
	struct trace_context context = {.traceparent = *traceparent};
	char json[CARRIER_TEXT_MAX];

	traceparent_format(text, traceparent);
	ck_assert_int_eq(memcmp(text, "00-", 3), 0);
	ck_assert_msg(memcmp(text + 3, vectors_string(row, "context"), TRACEPARENT_SIZE - 3) == 0,
		"%s: %.55s", vectors_string(row, "name"), text);
	(void)carrier_format(json, &context, TRACE_FLAG_SAMPLED);
	if (level1 == NULL)
		level1 = text + TRACEPARENT_SIZE - 2;
	ck_assert_int_eq(memcmp(strstr(json, "00-") + TRACEPARENT_SIZE - 2, level1, 2), 0);
}

/* Without a context to continue every outbound request still gets a parent id of its own. */
static void vectors_check_roots(yajl_val row)
{
	yajl_val requests = vectors_get(row, "requests");
	uint8_t span_ids[8][SPAN_ID_SIZE];
	struct ids ids;
	size_t i, j, count = requests == NULL ? 0 : (size_t)requests->u.number.i;

	ck_assert_uint_le(count, 8);
	ids_init(&ids);
	for (i = 0; i < count; i++) {
		ids_span_id(&ids, span_ids[i]);
		for (j = 0; j < i; j++)
			ck_assert_mem_ne(span_ids[i], span_ids[j], SPAN_ID_SIZE);
	}
}

static void vectors_check_traceparent(yajl_val row)
{
	struct vectors_text traceparent, tracestate;
	struct trace_context context;
	enum carrier_verdict verdict;

	vectors_text_read(&traceparent, vectors_get(row, "traceparent"));
	vectors_text_read(&tracestate, vectors_get(row, "tracestate"));
	verdict = vectors_extract(&context, &traceparent, &tracestate);
	vectors_check_verdict(row, verdict);
	if (verdict == CARRIER_VALID)
		vectors_check_context(row, &context.traceparent);
	else
		vectors_check_roots(row);
}

static bool vectors_op_set(struct tracestate *tracestate, yajl_val pair)
{
	size_t count;
	const yajl_val *parts = vectors_as_list(pair, &count);
	const char *key, *value;

	ck_assert_uint_eq(count, 2);
	key = vectors_as_string(parts[0]);
	value = vectors_as_string(parts[1]);
	return tracestate_set(tracestate, key, strlen(key), value, strlen(value)) == 0;
}

static uint64_t vectors_threshold(const char *digits)
{
	uint64_t threshold;

	ck_assert_int_eq(sampling_threshold_parse(&threshold, digits, strlen(digits)), 0);
	return threshold;
}

static bool vectors_op_mark(struct tracestate *tracestate, char *value, yajl_val fields)
{
	const char *digits = vectors_string(fields, "th");

	return sampling_mark(tracestate, value,
		       digits == NULL ? SAMPLING_NEVER : vectors_threshold(digits)) == 0;
}

/* Does what "op" says to the list. Returns whether it was possible. */
static bool vectors_operate(yajl_val row, struct tracestate *tracestate, char *value,
	const struct traceparent *traceparent)
{
	yajl_val op = vectors_get(row, "op");
	const char *name;
	yajl_val arg;

	if (op == NULL)
		return true;
	name = op->u.object.keys[0];
	arg = op->u.object.values[0];
	if (strcmp(name, "set") == 0)
		return vectors_op_set(tracestate, arg);
	if (strcmp(name, "ot_set") == 0)
		return vectors_op_mark(tracestate, value, arg);
	if (strcmp(name, "delete") == 0) {
		tracestate_delete(
			tracestate, vectors_as_string(arg), strlen(vectors_as_string(arg)));
	} else if (strcmp(name, "truncate") == 0) {
		tracestate_truncate(tracestate, (size_t)arg->u.number.i);
	} else {
		bool kept = sampling_decide(tracestate, value, traceparent->trace_id,
			vectors_threshold(vectors_as_string(arg)));

		ck_assert_str_eq(name, "probability_sampler_threshold");
		ck_assert_int_eq(kept, YAJL_IS_TRUE(vectors_get(row, "sampled")));
	}
	return true;
}

/* "out" is null, the one right text, or several that are right. */
static bool vectors_out_is(yajl_val out, const char *text, size_t size)
{
	const yajl_val *texts = &out;
	size_t i, count = 1;

	if (YAJL_IS_NULL(out))
		return size == 0;
	if (YAJL_IS_ARRAY(out))
		texts = vectors_as_list(out, &count);
	for (i = 0; i < count; i++) {
		const char *right = vectors_as_string(texts[i]);

		if (strlen(right) == size && memcmp(right, text, size) == 0)
			return true;
	}
	return false;
}

/* What stands in the data is what a Level 1 reader says of the list's keys. */
static void vectors_check_level1(yajl_val row, const struct tracestate *tracestate)
{
	bool fits = vectors_get(row, "level1_key_fits") == NULL;
	bool all_fit = true;
	size_t i;

	for (i = 0; i < tracestate->count; i++)
		all_fit = all_fit && tracestate_key_level1(tracestate->members[i].key,
					     tracestate->members[i].key_size);
	ck_assert_msg(fits == all_fit, "%s: level 1", vectors_string(row, "name"));
}

static void vectors_check_tracestate(yajl_val row)
{
	struct vectors_text traceparent, text;
	struct trace_context context = {.tracestate = NULL};
	struct tracestate tracestate = {.count = 0};
	char value[TRACESTATE_VALUE_MAX], out[TRACESTATE_SIZE_MAX];
	bool possible;

	vectors_text_read(&traceparent, vectors_get(row, "traceparent"));
	if (vectors_get(row, "traceparent") == NULL)
		vectors_text_add_string(&traceparent, VECTORS_PARENT);
	vectors_text_read(&text, vectors_get(row, "tracestate"));
	vectors_check_verdict(row, vectors_extract(&context, &traceparent, &text));
	if (context.tracestate != NULL)
		ck_assert_int_eq(
			tracestate_parse(&tracestate, context.tracestate, context.tracestate_size),
			0);
	vectors_check_level1(row, &tracestate);
	possible = vectors_operate(row, &tracestate, value, &context.traceparent);
	ck_assert_int_eq(possible, !YAJL_IS_FALSE(vectors_get(row, "op_ok")));
	ck_assert_msg(
		vectors_out_is(vectors_get(row, "out"), out, tracestate_format(out, &tracestate)),
		"%s: wrong list", vectors_string(row, "name"));
}

static void vectors_check_elsewhere(yajl_val row)
{
	ck_assert_ptr_nonnull(vectors_string(row, "reason"));
}

static size_t vectors_run(yajl_val data, const char *list, void (*check)(yajl_val row))
{
	size_t i, count;
	const yajl_val *rows = vectors_as_list(vectors_get(data, list), &count);

	for (i = 0; i < count; i++)
		check(rows[i]);
	return count;
}

/* Runs a file of vectors and checks that none was lost on the way. */
static void vectors_run_file(const char *path, void (*check)(yajl_val row), size_t count)
{
	char error[256];
	size_t size, done;
	char *text = unit_read_file(path, &size);
	yajl_val data = yajl_tree_parse(text, error, sizeof error);

	ck_assert_msg(data != NULL, "%s: %s", path, error);
	done = vectors_run(data, "vectors", check);
	done += vectors_run(data, "elsewhere", vectors_check_elsewhere);
	ck_assert_uint_eq(done, count);
	yajl_tree_free(data);
	free(text);
}

START_TEST(test_vectors_traceparent)
{
	vectors_run_file("tests/unit/data/traceparent.json", vectors_check_traceparent, 88);
}
END_TEST

START_TEST(test_vectors_tracestate)
{
	vectors_run_file("tests/unit/data/tracestate.json", vectors_check_tracestate, 76);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("vectors");

	tcase_add_test(tc, test_vectors_traceparent);
	tcase_add_test(tc, test_vectors_tracestate);
	return unit_run("vectors", tc);
}

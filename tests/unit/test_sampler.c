/* The samplers: what each decides for a root and under parents of both kinds. */
#include <stdio.h>
#include <string.h>

#include "config/map.h"
#include "proxy/trace/requests/sampler.h"
#include "tests/unit/unit.h"
#include "w3c/ids.h"

enum { PARENT_NONE = -1 };

/* The low 56 bits decide, so low and high differ in the eighth byte from the right only in what
 * does not count. */
static const uint8_t trace_low[TRACE_ID_SIZE] = {[7] = 0xff, [8] = 0xff, [15] = 1};
static const uint8_t trace_half[TRACE_ID_SIZE] = {[0] = 1, [9] = 0x80};
static const uint8_t trace_high[TRACE_ID_SIZE] = {
	[9] = 0xff, [10] = 0xff, [11] = 0xff, [12] = 0xff, [13] = 0xff, [14] = 0xff, [15] = 0xff};

static const struct {
	enum config_sampler kind;
	double ratio;
	int parent_flags;
	bool low, half, high; /* whether the three traces are recorded */
} rows[] = {
	{CONFIG_SAMPLER_ALWAYS_ON, 0, PARENT_NONE, true, true, true},
	{CONFIG_SAMPLER_ALWAYS_ON, 0, 0, true, true, true},
	{CONFIG_SAMPLER_ALWAYS_OFF, 1, PARENT_NONE, false, false, false},
	{CONFIG_SAMPLER_ALWAYS_OFF, 1, 1, false, false, false},
	{CONFIG_SAMPLER_RATIO, 0, PARENT_NONE, false, false, false},
	{CONFIG_SAMPLER_RATIO, 0.5, PARENT_NONE, false, true, true},
	{CONFIG_SAMPLER_RATIO, 0.25, PARENT_NONE, false, false, true},
	{CONFIG_SAMPLER_RATIO, 1, PARENT_NONE, true, true, true},
	{CONFIG_SAMPLER_RATIO, 0.5, 0, false, true, true},
	{CONFIG_SAMPLER_RATIO, 0.5, 1, false, true, true},
	{CONFIG_SAMPLER_PARENT_ALWAYS_ON, 0, PARENT_NONE, true, true, true},
	{CONFIG_SAMPLER_PARENT_ALWAYS_ON, 0, 0, false, false, false},
	{CONFIG_SAMPLER_PARENT_ALWAYS_ON, 0, TRACE_FLAG_RANDOM, false, false, false},
	{CONFIG_SAMPLER_PARENT_ALWAYS_ON, 0, 1, true, true, true},
	{CONFIG_SAMPLER_PARENT_ALWAYS_OFF, 1, PARENT_NONE, false, false, false},
	{CONFIG_SAMPLER_PARENT_ALWAYS_OFF, 1, 0, false, false, false},
	{CONFIG_SAMPLER_PARENT_ALWAYS_OFF, 1, 3, true, true, true},
	{CONFIG_SAMPLER_PARENT_RATIO, 0.5, PARENT_NONE, false, true, true},
	{CONFIG_SAMPLER_PARENT_RATIO, 1, 0, false, false, false},
	{CONFIG_SAMPLER_PARENT_RATIO, 0, 1, true, true, true},
};

START_TEST(test_decide)
{
	uint8_t flags = (uint8_t)rows[_i].parent_flags;
	const uint8_t *parent_flags = rows[_i].parent_flags == PARENT_NONE ? NULL : &flags;
	struct sampler sampler;

	sampler_init(&sampler, rows[_i].kind, rows[_i].ratio);
	ck_assert_int_eq(sampler_decide(&sampler, trace_low, parent_flags), rows[_i].low);
	ck_assert_int_eq(sampler_decide(&sampler, trace_half, parent_flags), rows[_i].half);
	ck_assert_int_eq(sampler_decide(&sampler, trace_high, parent_flags), rows[_i].high);
}
END_TEST

/* What a lower ratio keeps, every higher one keeps. */
START_TEST(test_ratios_agree)
{
	uint8_t trace_id[TRACE_ID_SIZE] = {0};
	struct sampler sampler;
	int first, percent;
	bool kept, before;

	for (first = 0; first < 256; first++) {
		trace_id[9] = (uint8_t)first;
		before = false;
		for (percent = 0; percent <= 100; percent++) {
			sampler_init(&sampler, CONFIG_SAMPLER_RATIO, percent / 100.0);
			kept = sampler_decide(&sampler, trace_id, NULL);
			ck_assert(kept || !before);
			before = kept;
		}
		ck_assert(before);
	}
}
END_TEST

/* ---- shares of methods ---- */

static struct config_map shares;

static void shares_take(const char *text)
{
	const char *reason;

	ck_assert_int_eq(map_parse(&shares, MAP_RATIOS, text, CONFIG_FLAG, &reason), MAP_OK);
}

static const char several[] = "all=1,none=0,fs/*=0.5,fs/watch/*=0,fs/watch/one=1e0,half=.5";

static const struct {
	const char *method;
	bool has_share, low, half, high;
} methods[] = {
	{"all", true, true, true, true},
	{"none", true, false, false, false},
	{"half", true, false, true, true},
	{"fs/read", true, false, true, true},
	{"fs/", true, false, true, true},
	{"fs/watch/", true, false, false, false},
	{"fs/watch/two", true, false, false, false},
	{"fs/watch/one", true, true, true, true}, /* a whole name is stronger than what begins so */
	{"fs/watch/one/", true, false, false, false},
	{"fs", false, false, false, false},
	{"fs/*", true, false, true, true}, /* as any other that begins so */
	{"al", false, false, false, false},
	{"all2", false, false, false, false},
	{"All", false, false, false, false},
	{"", false, false, false, false},
};

/* With every sampler; those without a ratio have no share for other methods. */
START_TEST(test_methods)
{
	const enum config_sampler kinds[] = {CONFIG_SAMPLER_ALWAYS_ON, CONFIG_SAMPLER_ALWAYS_OFF,
		CONFIG_SAMPLER_RATIO, CONFIG_SAMPLER_PARENT_ALWAYS_ON,
		CONFIG_SAMPLER_PARENT_ALWAYS_OFF, CONFIG_SAMPLER_PARENT_RATIO};
	const uint8_t *const traces[] = {trace_low, trace_half, trace_high};
	const bool wanted[] = {methods[_i].low, methods[_i].half, methods[_i].high};
	const struct span_text method = span_text_of(methods[_i].method);
	const bool is_ratio[] = {false, false, true, false, false, true};
	const uint8_t flags = TRACE_FLAG_SAMPLED;
	const struct sampler_share *share;
	struct sampler sampler;
	size_t kind, i;

	shares_take(several);
	for (kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
		sampler_init(&sampler, kinds[kind], 0.25);
		ck_assert_int_eq(sampler_take_methods(&sampler, &shares), 0);
		ck_assert(!sampler_keeps_all(&sampler));
		share = sampler_share(&sampler, method);
		if (!methods[_i].has_share)
			ck_assert_ptr_eq(share, is_ratio[kind] ? &sampler.own : NULL);
		for (i = 0; i < 3 && methods[_i].has_share; i++)
			ck_assert_int_eq(sampler_share_keeps(share, traces[i]), wanted[i]);
		for (i = 0; i < 3; i++)
			ck_assert_int_eq(sampler_decide(&sampler, traces[i], &flags),
				sampler_follows(&sampler, &flags) ||
					sampler_decide(&sampler, traces[i], NULL));
		sampler_done(&sampler);
	}
	map_free(&shares);
}
END_TEST

/* "*" is every method, and the weakest. */
START_TEST(test_every_method)
{
	struct sampler sampler;

	sampler_init(&sampler, CONFIG_SAMPLER_PARENT_ALWAYS_ON, 1);
	ck_assert_int_eq(sampler_take_methods(&sampler, &shares), 0); /* none yet */
	ck_assert(sampler_keeps_all(&sampler));
	ck_assert_ptr_null(sampler_share(&sampler, span_text_of("a")));
	shares_take("*=0,a*=1");
	ck_assert_int_eq(sampler_take_methods(&sampler, &shares), 0);
	ck_assert(!sampler_keeps_all(&sampler));
	ck_assert(!sampler_share_keeps(sampler_share(&sampler, span_text_of("")), trace_high));
	ck_assert(!sampler_share_keeps(sampler_share(&sampler, span_text_of("b")), trace_high));
	ck_assert(sampler_share_keeps(sampler_share(&sampler, span_text_of("a")), trace_low));
	sampler_done(&sampler);
	map_free(&shares);
}
END_TEST

/* Of 20,000 traces a tenth, within six standard deviations, and the same for all who ask. */
START_TEST(test_share_of_many)
{
	enum { TRACES = 20000, WANTED = TRACES / 10, AROUND = 6 * 43 };
	uint8_t trace_id[TRACE_ID_SIZE];
	const struct sampler_share *share;
	struct sampler sampler, plain;
	int count = 0, i;
	struct ids ids;

	shares_take("a/*=0.1");
	ids_init(&ids);
	sampler_init(&plain, CONFIG_SAMPLER_RATIO, 0.1);
	sampler_init(&sampler, CONFIG_SAMPLER_PARENT_ALWAYS_ON, 1);
	ck_assert_int_eq(sampler_take_methods(&sampler, &shares), 0);
	share = sampler_share(&sampler, span_text_of("a/b"));
	for (i = 0; i < TRACES; i++) {
		ids_trace_id(&ids, trace_id);
		ck_assert_int_eq(sampler_share_keeps(share, trace_id),
			sampler_decide(&plain, trace_id, NULL));
		count += sampler_share_keeps(share, trace_id);
	}
	ck_assert_int_ge(count, WANTED - AROUND);
	ck_assert_int_le(count, WANTED + AROUND);
	sampler_done(&sampler);
	map_free(&shares);
}
END_TEST

/* What begins a trace that is kept says for which share. */
START_TEST(test_state)
{
	static const struct {
		enum config_sampler kind;
		double ratio;
		const char *state;
	} states[] = {
		{CONFIG_SAMPLER_RATIO, 1, "ot=th:0"},
		{CONFIG_SAMPLER_PARENT_RATIO, 0.25, "ot=th:c"},
		{CONFIG_SAMPLER_RATIO, 0.1, "ot=th:e6666666666666"},
		{CONFIG_SAMPLER_RATIO, 0, ""},
		{CONFIG_SAMPLER_ALWAYS_ON, 0.25, ""},
		{CONFIG_SAMPLER_ALWAYS_OFF, 0.25, ""},
		{CONFIG_SAMPLER_PARENT_ALWAYS_ON, 0.25, ""},
		{CONFIG_SAMPLER_PARENT_ALWAYS_OFF, 0.25, ""},
	};
	struct sampler sampler;
	struct span_text state;
	size_t i;

	for (i = 0; i < sizeof states / sizeof *states; i++) {
		sampler_init(&sampler, states[i].kind, states[i].ratio);
		state = sampler_share_state(&sampler.own, TRACE_FLAG_SAMPLED);
		ck_assert_uint_eq(state.size, strlen(states[i].state));
		ck_assert_mem_eq(state.bytes, states[i].state, state.size);
		ck_assert_uint_eq(sampler_share_state(&sampler.own, TRACE_FLAG_RANDOM).size, 0);
	}
}
END_TEST

START_TEST(test_no_memory)
{
	struct sampler sampler;
	int result = -1;
	long n;

	shares_take(several);
	for (n = 0; result != 0; n++) {
		sampler_init(&sampler, CONFIG_SAMPLER_ALWAYS_ON, 1);
		unit_alloc_fail_once(n);
		result = sampler_take_methods(&sampler, &shares);
		ck_assert_int_eq(result, unit_alloc_failed() ? -1 : 0);
		unit_alloc_fail_never();
		sampler_done(&sampler);
	}
	ck_assert_int_ge(n, 3); /* thresholds, the table of methods, none */
	map_free(&shares);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("sampler");

	tcase_add_loop_test(tc, test_decide, 0, sizeof rows / sizeof rows[0]);
	tcase_add_test(tc, test_ratios_agree);
	tcase_add_loop_test(tc, test_methods, 0, sizeof methods / sizeof *methods);
	tcase_add_test(tc, test_every_method);
	tcase_add_test(tc, test_share_of_many);
	tcase_add_test(tc, test_state);
	tcase_add_test(tc, test_no_memory);
	return unit_run("sampler", tc);
}

/* The samplers: what each decides for a root and under parents of both kinds. */
#include <stdio.h>

#include "proxy/trace/requests/parent.h"
#include "tests/unit/unit.h"

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

int main(void)
{
	TCase *tc = tcase_create("sampler");

	tcase_add_loop_test(tc, test_decide, 0, sizeof rows / sizeof rows[0]);
	tcase_add_test(tc, test_ratios_agree);
	return unit_run("sampler", tc);
}

/* sampling: thresholds, randomness, and the member "ot" in the hands of others. */
#include <string.h>

#include "tests/unit/unit.h"
#include "w3c/sampling.h"

static const uint8_t trace_id[TRACE_ID_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd};

START_TEST(test_sampling_threshold)
{
	ck_assert_uint_eq(sampling_threshold(1.0), SAMPLING_ALWAYS);
	ck_assert_uint_eq(sampling_threshold(0.0), SAMPLING_NEVER);
	ck_assert_uint_eq(sampling_threshold(0.5), UINT64_C(0x80000000000000));
	ck_assert_uint_eq(sampling_threshold(0.25), UINT64_C(0xc0000000000000));
	ck_assert_uint_lt(sampling_threshold(1e-12), SAMPLING_NEVER);
}
END_TEST

START_TEST(test_sampling_threshold_parse)
{
	static const struct {
		const char *text;
		int status;
		uint64_t threshold;
	} cases[] = {
		{"0", 0, 0},
		{"c", 0, UINT64_C(0xc0000000000000)},
		{"00000000000001", 0, 1},
		{"ffffffffffffff", 0, SAMPLING_NEVER - 1},
		{"", -1, 0},
		{"000000000000000", -1, 0},
		{"C", -1, 0},
		{"g", -1, 0},
		{"0x", -1, 0},
		{":", -1, 0},
		{"`", -1, 0},
		{"/", -1, 0},
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t threshold = 0;
		size_t size = strlen(cases[i].text);
		uint8_t *copy = unit_guard_copy(cases[i].text, size);

		ck_assert_int_eq(
			sampling_threshold_parse(&threshold, (char *)copy, size), cases[i].status);
		ck_assert_uint_eq(threshold, cases[i].threshold);
		unit_guard_free(copy, size);
	}
}
END_TEST

START_TEST(test_sampling_randomness)
{
	static const struct {
		const char *list;
		uint64_t randomness;
	} cases[] = {
		{"", UINT64_C(0x0123456789abcd)},
		{"foo=rv:11111111111111", UINT64_C(0x0123456789abcd)},
		{"ot=rv:11111111111111", UINT64_C(0x11111111111111)},
		{"ot=th:8;rv:11111111111111;x:y", UINT64_C(0x11111111111111)},
		{"ot=rv:1111111111111", UINT64_C(0x0123456789abcd)},   /* 13 digits */
		{"ot=rv:111111111111111", UINT64_C(0x0123456789abcd)}, /* 15 */
		{"ot=rv:1111111111111G", UINT64_C(0x0123456789abcd)},
		{"ot=xrv:11111111111111", UINT64_C(0x0123456789abcd)},
		{"ot=rv:", UINT64_C(0x0123456789abcd)},
		{"ot=;;rv;", UINT64_C(0x0123456789abcd)},
	};
	struct tracestate list;
	size_t i;

	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_assert_int_eq(tracestate_parse(&list, cases[i].list, strlen(cases[i].list)), 0);
		ck_assert_uint_eq(sampling_randomness(&list, trace_id), cases[i].randomness);
	}
}
END_TEST

START_TEST(test_sampling_mark)
{
	static const struct {
		const char *list;
		uint64_t threshold;
		const char *out;
	} cases[] = {
		{"", SAMPLING_ALWAYS, "ot=th:0"},
		{"", SAMPLING_NEVER, ""},
		{"", 1, "ot=th:00000000000001"},
		{"", SAMPLING_NEVER - 1, "ot=th:ffffffffffffff"},
		{"", SAMPLING_NEVER / 2, "ot=th:8"},
		{"a=1,ot=th:1;x:y;th:2", SAMPLING_NEVER / 2, "ot=x:y;th:8,a=1"},
		{"a=1,ot=th:1;x:y", SAMPLING_NEVER, "ot=x:y,a=1"},
		{"a=1,ot=th:1", SAMPLING_NEVER, "a=1"},
		{"ot=x:y,a=1,ot=z:1", SAMPLING_ALWAYS, "ot=x:y;th:0,a=1"},
	};
	struct tracestate list;
	char value[TRACESTATE_VALUE_MAX], out[256];
	size_t i, size;

	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_assert_int_eq(tracestate_parse(&list, cases[i].list, strlen(cases[i].list)), 0);
		ck_assert_int_eq(sampling_mark(&list, value, cases[i].threshold), 0);
		size = tracestate_format(out, &list);
		ck_assert_uint_eq(size, strlen(cases[i].out));
		ck_assert_mem_eq(out, cases[i].out, size);
	}
}
END_TEST

START_TEST(test_sampling_decide)
{
	struct tracestate list = {.count = 0};
	char value[TRACESTATE_VALUE_MAX];
	const uint64_t randomness = UINT64_C(0x0123456789abcd);

	ck_assert(sampling_decide(&list, value, trace_id, randomness));
	ck_assert_uint_eq(list.count, 1);
	ck_assert(!sampling_decide(&list, value, trace_id, randomness + 1));
	ck_assert_uint_eq(list.count, 0);
	ck_assert(!sampling_decide(&list, value, trace_id, SAMPLING_NEVER));
	ck_assert(sampling_decide(&list, value, trace_id, SAMPLING_ALWAYS));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("sampling");

	tcase_add_test(tc, test_sampling_threshold);
	tcase_add_test(tc, test_sampling_threshold_parse);
	tcase_add_test(tc, test_sampling_randomness);
	tcase_add_test(tc, test_sampling_mark);
	tcase_add_test(tc, test_sampling_decide);
	return unit_run("sampling", tc);
}

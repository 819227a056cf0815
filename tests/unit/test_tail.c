/* What keeps a span whose trace is not sampled, and how many there may be in a second. */
#include <stdbool.h>
#include <stdint.h>

#include "proxy/trace/follow/tail.h"
#include "tests/unit/unit.h"

enum { MS = 1000000 };

static const struct {
	bool keeps_errors;
	uint64_t slower_than_ns;
	enum span_status status;
	uint64_t took_ns;
	const char *why;
} keep_cases[] = {
	{false, 0, SPAN_STATUS_ERROR, 3600000000000, NULL},
	{true, 0, SPAN_STATUS_ERROR, 0, "error"},
	{true, 0, SPAN_STATUS_UNSET, 3600000000000, NULL},
	{true, 0, SPAN_STATUS_OK, 3600000000000, NULL},
	{false, 10 * MS, SPAN_STATUS_UNSET, 10 * MS, NULL},
	{false, 10 * MS, SPAN_STATUS_UNSET, 10 * MS + 1, "slow"},
	{false, 10 * MS, SPAN_STATUS_OK, 11 * MS, "slow"},
	{true, 10 * MS, SPAN_STATUS_ERROR, 11 * MS, "error"},
	{true, 10 * MS, SPAN_STATUS_ERROR, 1, "error"},
};

START_TEST(test_keeps)
{
	struct tail tail = {.keeps_errors = keep_cases[_i].keeps_errors,
		.slower_than_ns = keep_cases[_i].slower_than_ns};
	struct span span = {.status = keep_cases[_i].status,
		.start_unix_ns = 1000,
		.end_unix_ns = 1000 + keep_cases[_i].took_ns};

	ck_assert_pstr_eq(tail_keeps(&tail, &span), keep_cases[_i].why);
	ck_assert_int_eq(tail_looks(&tail),
		keep_cases[_i].keeps_errors || keep_cases[_i].slower_than_ns > 0);
	span.end_unix_ns = 0; /* the clock was set back: not slow */
	ck_assert_pstr_eq(tail_keeps(&tail, &span),
		keep_cases[_i].keeps_errors && span.status == SPAN_STATUS_ERROR ? "error" : NULL);
}
END_TEST

/*
 * So many in each second of the calendar; one that ended in an earlier second counts in the newest.
 */
START_TEST(test_rate)
{
	uint64_t capped = 0;
	struct tail tail = {.spans_per_second = 2, .capped = &capped};
	static const struct {
		uint64_t end_unix_ns;
		bool passes;
	} spans[] = {{5000000000, true}, {5999999999, true}, {5000000001, false},
		{6000000000, true}, {5999999999, true}, {6500000000, false}, {9000000000, true},
		{9000000000, true}, {9000000000, false}};
	struct span span = {.name = {"x", 1}};
	unsigned i;

	for (i = 0; i < sizeof spans / sizeof *spans; i++) {
		span.end_unix_ns = spans[i].end_unix_ns;
		ck_assert_int_eq(tail_lets_pass(&tail, &span), spans[i].passes);
	}
	ck_assert_uint_eq(capped, 3);
	tail.spans_per_second = 0;
	ck_assert(tail_lets_pass(&tail, &span));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("tail");

	tcase_add_loop_test(tc, test_keeps, 0, sizeof keep_cases / sizeof *keep_cases);
	tcase_add_test(tc, test_rate);
	return unit_run("tail", tc);
}

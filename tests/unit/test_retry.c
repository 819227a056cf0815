/* How long to pause after an attempt: with each one, as asked, at most; what Retry-After says. */
#include <stdbool.h>
#include <stdint.h>

#include "exporter/retry.h"
#include "tests/unit/unit.h"

static const struct retry_policy policy_example = {.initial_ms = 1000, .max_ms = 5000};

static const struct retry_attempt attempt_example = {
	.retry_after_ms = -1, .number = 1, .left_ms = 100000};

static const struct {
	unsigned number;
	int64_t pause_ms_max;
} backoff_cases[] = {
	{1, 1000},
	{2, 2000},
	{3, 4000},
	{4, 5000},
	{5, 5000},
	{1000000, 5000},
	{UINT32_MAX, 5000},
};

/* Half of a pause is fixed, the other half chance. */
START_TEST(test_backoff)
{
	struct retry_attempt attempt = attempt_example;
	int64_t most = backoff_cases[_i].pause_ms_max, pause_ms, earlier_ms = INT64_MAX;
	uint64_t random;

	attempt.number = backoff_cases[_i].number;
	for (random = 0; random <= UINT32_MAX; random += 0x0fffffff) {
		attempt.random = (uint32_t)random;
		pause_ms = retry_pause_ms(&policy_example, &attempt);
		ck_assert_int_le(pause_ms, most);
		ck_assert_int_ge(pause_ms, most / 2);
		ck_assert_int_lt(pause_ms, earlier_ms);
		earlier_ms = pause_ms;
	}
	attempt.random = 0;
	ck_assert_int_eq(retry_pause_ms(&policy_example, &attempt), most);
	attempt.random = UINT32_MAX;
	ck_assert_int_le(retry_pause_ms(&policy_example, &attempt), most / 2 + 1);
}
END_TEST

/* Of the first attempt with random 0, whose back-off is 1000 ms, but for number 2: 2000 ms. */
static const struct {
	int64_t retry_after_ms, left_ms;
	unsigned number;
	bool stopping;
	int64_t expected_ms;
} limit_cases[] = {
	{-1, 0, 1, false, -1},
	{-1, -5, 1, false, -1},
	{-1, 300, 1, false, 300},
	{-1, 5000, 1, false, 1000},
	/* less than the back-off is no advice */
	{0, 300, 1, false, 300},
	{0, 5000, 1, false, 1000},
	{0, 5000, 2, false, 2000},
	{999, 5000, 1, false, 1000},
	{1001, 5000, 1, false, 1001},
	{1001, 5000, 2, false, 2000},
	{7000, 100000, 1, false, 7000}, /* over max_ms: the collector's word counts */
	{7000, 300, 1, false, 300},
	{7000, 0, 1, false, -1},
	{INT64_MAX, 100000, 1, false, 100000},
	{INT64_MAX, INT64_MAX, 1, false, INT64_MAX},
	/* when stopping, what does not fit is cut to half of what is left, down to 500 ms */
	{-1, 1001, 1, true, 1000},
	{-1, 1000, 1, true, 500},
	{-1, 999, 1, true, -1},
	{-1, 1500, 2, true, 750},
	{-1, 0, 1, true, -1},
	{0, 5000, 1, true, 1000},
	{4999, 5000, 1, true, 4999},
	{5000, 5000, 1, true, 1000},
	{INT64_MAX, 5000, 2, true, 2000},
	{INT64_MAX, 2000, 2, true, 1000},
	{INT64_MAX, 500, 2, true, -1},
};

START_TEST(test_limits)
{
	struct retry_attempt attempt = attempt_example;

	attempt.number = limit_cases[_i].number;
	attempt.retry_after_ms = limit_cases[_i].retry_after_ms;
	attempt.left_ms = limit_cases[_i].left_ms;
	attempt.stopping = limit_cases[_i].stopping;
	ck_assert_int_eq(retry_pause_ms(&policy_example, &attempt), limit_cases[_i].expected_ms);
}
END_TEST

enum { NOW = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */
#define DAY_MS 86400000

static const struct {
	const char *text;
	int64_t expected_ms;
} retry_after_cases[] = {
	{"0", 0},
	{"1", 1000},
	{"007", 7000},
	{"120", 120000},
	{"86400", DAY_MS},
	{"86401", DAY_MS}, /* nobody waits longer */
	{"9223372036854775807", DAY_MS},
	{"99999999999999999999999999999999999999999999999999999999999999", DAY_MS},
	{"Sun, 06 Nov 1994 08:49:37 GMT", 0},
	{"Sun, 06 Nov 1994 08:49:39 GMT", 2000},
	{"Sun, 06 Nov 1994 09:49:37 GMT", 3600000},
	{"Sun, 06 Nov 1994 08:49:36 GMT", 0},
	{"Thu, 01 Jan 1970 00:00:00 GMT", 0},
	{"Fri, 31 Dec 9999 23:59:59 GMT", DAY_MS},
	{"Sunday, 06-Nov-94 08:49:39 GMT", 2000},
	{"Sun Nov  6 08:49:39 1994", 2000},
	{"", -1},
	{"-1", -1},
	{"+1", -1},
	{"1.5", -1},
	{"1s", -1},
	{"1 ", -1},
	{"soon", -1},
	{"Sun, 06 Nov 1994 08:49:37", -1},
	{"Sun, 06 Nov 1994 08:49:37 CET", -1},
	{"Sun, 06 Nov 1994 08:49:37 GMT or later", -1},
	{"Sun, 99 Nov 1994 08:49:37 GMT", -1},
	{"Sun, 06 Nov 99999999999999999999 08:49:37 GMT", -1},
	{"Sun, 06 Nov -1994 08:49:37 GMT", -1},
	{"Sun, 06 Nov 1994 99:99:99 GMT", -1},
	{"Mon, 01 Jan 0000 00:00:00 GMT", 0},
	{"0x10", -1},
	{"1e9", -1},
	{"1, 2", -1},
	{"1\xff", -1},
	{"%s%n", -1},
	{"GMT", -1},
	{"inf", -1},
};

START_TEST(test_retry_after)
{
	ck_assert_int_eq(retry_after_parse(retry_after_cases[_i].text, NOW),
		retry_after_cases[_i].expected_ms);
}
END_TEST

#define ROWS(cases) ((int)(sizeof(cases) / sizeof *(cases)))

int main(void)
{
	TCase *tc = tcase_create("retry");

	tcase_add_loop_test(tc, test_backoff, 0, ROWS(backoff_cases));
	tcase_add_loop_test(tc, test_limits, 0, ROWS(limit_cases));
	tcase_add_loop_test(tc, test_retry_after, 0, ROWS(retry_after_cases));
	return unit_run("retry", tc);
}

/* What an answer of a collector means: every status, every result, its words, Retry-After. */
#include <stdint.h>
#include <string.h>

#include "exporter/otlp/judge.h"
#include "exporter/otlp/sender.h"
#include "exporter/sink.h"
#include "tests/unit/unit.h"

enum { NOW = 784111777, SPANS = 5 }; /* Sun, 06 Nov 1994 08:49:37 GMT */

static struct sink_outcome judged(int status, const char *retry_after, const char *body)
{
	struct sender_answer answer = {.result = SENDER_ANSWERED, .status = status};
	struct sink_outcome outcome;

	strcpy(answer.retry_after, retry_after);
	answer.body = (struct text){.bytes = (char *)(uintptr_t)body, .size = strlen(body)};
	memset(&outcome, 0xff, sizeof outcome);
	judge_answer(&answer, SPANS, NOW, &outcome);
	return outcome;
}

START_TEST(test_statuses)
{
	struct sink_outcome outcome;
	enum retry_verdict expected;
	int status;

	for (status = 100; status < 1000; status++) {
		expected = RETRY_REFUSED;
		if (status >= 200 && status <= 299)
			expected = RETRY_DELIVERED;
		if (status == 429 || status == 502 || status == 503 || status == 504)
			expected = RETRY_AGAIN;
		if (status == 413)
			expected = RETRY_SPLIT;
		outcome = judged(status, "7", "{}");
		ck_assert_msg(
			outcome.verdict == expected, "status %d: %d", status, outcome.verdict);
		/* a Retry-After does not make a status passing that is not */
		ck_assert_int_eq(outcome.retry_after_ms, expected == RETRY_AGAIN ? 7000 : -1);
		ck_assert_uint_eq(outcome.rejected, 0);
		ck_assert_int_eq(outcome.why[0] == '\0', expected == RETRY_DELIVERED);
	}
}
END_TEST

static const struct {
	enum sender_result result;
	enum retry_verdict expected;
} result_cases[] = {
	{SENDER_UNREACHABLE, RETRY_AGAIN},
	{SENDER_UNUSABLE, RETRY_REFUSED},
	{SENDER_TOO_LARGE, RETRY_TOO_LARGE},
	{SENDER_NO_MEMORY, RETRY_NO_MEMORY},
};

/* Nothing of an answer counts that was not a whole one. */
START_TEST(test_results)
{
	struct sender_answer answer = {
		.result = result_cases[_i].result,
		.status = 200,
		.retry_after = "7",
		.error = "it broke",
	};
	struct sink_outcome outcome;

	judge_answer(&answer, SPANS, NOW, &outcome);
	ck_assert_int_eq(outcome.verdict, result_cases[_i].expected);
	ck_assert_int_eq(outcome.retry_after_ms, -1);
	ck_assert_uint_eq(outcome.rejected, 0);
	ck_assert_str_eq(outcome.why, "it broke");
}
END_TEST

static const struct {
	int status;
	const char *body;
	uint64_t rejected;
	const char *why;
} body_cases[] = {
	{200, "", 0, ""},
	{200, "{\"partialSuccess\":{}}", 0, ""},
	{200, "{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"x\"}}", 3, "x"},
	{200, "{\"partialSuccess\":{\"rejectedSpans\":5}}", 5, ""},
	{200, "{\"partialSuccess\":{\"rejectedSpans\":6}}", 5, ""},
	{200, "{\"partialSuccess\":{\"errorMessage\":\"old\"}}", 0, "old"},
	{200, "<html>", 0, "its answer is not OTLP JSON: is it a collector?"},
	{400, "{\"message\":\"no array\"}", 0, "status 400: no array"},
	{400, "<html>", 0, "status 400"},
	{503, "{\"message\":\"soon\"}", 0, "status 503: soon"},
	{307, "{}", 0, "status 307, a redirect, which is not followed: correct the endpoint"},
};

START_TEST(test_bodies)
{
	struct sink_outcome outcome = judged(body_cases[_i].status, "", body_cases[_i].body);

	ck_assert_uint_eq(outcome.rejected, body_cases[_i].rejected);
	ck_assert_str_eq(outcome.why, body_cases[_i].why);
	ck_assert_int_eq(outcome.retry_after_ms, -1);
}
END_TEST

START_TEST(test_retry_after)
{
	ck_assert_int_eq(judged(503, "0", "").retry_after_ms, 0);
	ck_assert_int_eq(judged(503, "soon", "").retry_after_ms, -1);
	ck_assert_int_eq(judged(429, "Sun, 06 Nov 1994 08:49:39 GMT", "").retry_after_ms, 2000);
}
END_TEST

/* The longest that a collector says is told whole. */
START_TEST(test_long_words)
{
	char body[4096] = "{\"message\":\"";
	struct sink_outcome outcome;
	size_t head = strlen(body);

	memset(body + head, 'w', 3000);
	strcpy(body + head + 3000, "\"}");
	outcome = judged(404, "", body);
	ck_assert_int_eq(strncmp(outcome.why, "status 404, no traces are taken", 31), 0);
	ck_assert_ptr_nonnull(strstr(outcome.why, "used as it is: wwwww"));
	ck_assert_uint_lt(strlen(outcome.why), SINK_WHY_SIZE - 1);
}
END_TEST

#define ROWS(cases) ((int)(sizeof(cases) / sizeof *(cases)))

int main(void)
{
	TCase *tc = tcase_create("judge");

	tcase_add_test(tc, test_statuses);
	tcase_add_loop_test(tc, test_results, 0, ROWS(result_cases));
	tcase_add_loop_test(tc, test_bodies, 0, ROWS(body_cases));
	tcase_add_test(tc, test_retry_after);
	tcase_add_test(tc, test_long_words);
	return unit_run("judge", tc);
}

/*
 * A Retry-After, and what is made of it. A number is what it says, up to a day; a date comes nearer
 * with every second and is the same in each of its three forms. No pause is shorter than the
 * back-off of its attempt or longer than what is left.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exporter/retry.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const int64_t fuzz_now = 784111777, fuzz_day_ms = 86400000;

static void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

static void fuzz_number(const char *text, int64_t pause_ms)
{
	unsigned long long seconds = strtoull(text, NULL, 10);

	fuzz_require(pause_ms == (seconds < 86400 ? (int64_t)seconds * 1000 : fuzz_day_ms));
	fuzz_require(retry_after_parse(text, fuzz_now + 1) == pause_ms);
}

static void fuzz_same(const char *written, int64_t pause_ms)
{
	fuzz_require(retry_after_parse(written, fuzz_now) == pause_ms);
}

static void fuzz_date(const char *text, int64_t pause_ms)
{
	time_t then = fuzz_now + pause_ms / 1000;
	char written[64], day[32], hour[16];
	struct tm date;

	if (pause_ms == 0 || pause_ms == fuzz_day_ms)
		return;
	fuzz_require(retry_after_parse(text, fuzz_now + 1) == pause_ms - 1000);
	fuzz_require(gmtime_r(&then, &date) != NULL);
	fuzz_require(strftime(written, sizeof written, "%a, %d %b %Y %H:%M:%S GMT", &date) > 0);
	fuzz_same(written, pause_ms);
	/* in three parts: compilers warn of years with two digits */
	(void)strftime(day, sizeof day, "%A, %d-%b-", &date);
	(void)strftime(hour, sizeof hour, "%H:%M:%S GMT", &date);
	(void)snprintf(written, sizeof written, "%s%02d %s", day, date.tm_year % 100, hour);
	fuzz_same(written, pause_ms);
	fuzz_require(strftime(written, sizeof written, "%a %b %e %H:%M:%S %Y", &date) > 0);
	fuzz_same(written, pause_ms);
}

/* Attempts of all kinds, made of the same bytes. */
static void fuzz_pause(const uint8_t *bytes, size_t size, int64_t retry_after_ms)
{
	static const struct retry_policy policy = {.initial_ms = 1000, .max_ms = 30000};
	uint8_t dice[8] = {0};
	struct retry_attempt attempt;
	int64_t backoff_ms, pause_ms;

	memcpy(dice, bytes, size < sizeof dice ? size : sizeof dice);
	attempt = (struct retry_attempt){
		.retry_after_ms = retry_after_ms,
		.number = 1 + dice[2],
		.left_ms = dice[3] * 400 - 400,
		.stopping = dice[4] % 2 == 1,
		.random = dice[5] * 0x1000001u ^ dice[6] * 0x10100u ^ dice[7],
	};
	pause_ms = retry_pause_ms(&policy, &attempt);
	if (pause_ms < 0) {
		fuzz_require(pause_ms == -1 && (attempt.left_ms <= 0 || attempt.stopping));
		return;
	}
	backoff_ms = attempt.number > 5 ? 15000 : 500 << (attempt.number - 1); /* half of it */
	fuzz_require(attempt.left_ms > 0 && pause_ms <= attempt.left_ms);
	fuzz_require(pause_ms >= backoff_ms || pause_ms == attempt.left_ms ||
		     (attempt.stopping && pause_ms == attempt.left_ms / 2));
	if (!attempt.stopping && retry_after_ms >= 0 && retry_after_ms <= attempt.left_ms)
		fuzz_require(pause_ms >= retry_after_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char text[64]; /* as long as a sender keeps */
	int64_t pause_ms;

	if (size >= sizeof text)
		return 0;
	if (size > 0)
		memcpy(text, bytes, size);
	text[size] = '\0';
	pause_ms = retry_after_parse(text, fuzz_now);
	fuzz_require(pause_ms >= -1 && pause_ms <= fuzz_day_ms);
	if (text[0] != '\0' && strspn(text, "0123456789") == strlen(text))
		fuzz_number(text, pause_ms);
	else if (pause_ms >= 0)
		fuzz_date(text, pause_ms);
	fuzz_pause(bytes, size, pause_ms);
	return 0;
}

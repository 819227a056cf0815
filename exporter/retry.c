/*
 * How long to wait before a batch is tried again: what doubles with each attempt, what the
 * collector asks for, and what is left. Nothing here can fail.
 */
#include "exporter/retry.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

/* Nobody means more; and sums stay small. */
static const int64_t retry_after_ms_max = 24 * 3600 * 1000;

/* The three forms of a date (RFC 9110, section 5.6.7). */
static const char *const retry_dates[] = {
	"%a, %d %b %Y %H:%M:%S GMT",
	"%A, %d-%b-%y %H:%M:%S GMT",
	"%a %b %d %H:%M:%S %Y",
};

/* Doubles with each attempt up to the limit; then half of it is fixed and half is chance. */
static int64_t retry_backoff_ms(const struct retry_policy *policy, unsigned number, uint32_t random)
{
	int64_t pause_ms = policy->initial_ms;

	assert(number > 0);
	while (--number > 0 && pause_ms < policy->max_ms)
		pause_ms *= 2;
	if (pause_ms > policy->max_ms)
		pause_ms = policy->max_ms;
	return pause_ms - (int64_t)((uint64_t)(pause_ms / 2) * random >> 32);
}

int64_t retry_pause_ms(const struct retry_policy *policy, const struct retry_attempt *attempt)
{
	int64_t pause_ms = retry_backoff_ms(policy, attempt->number, attempt->random);
	int64_t asked_ms = attempt->retry_after_ms;

	/* what the collector asks for makes a pause longer, never shorter */
	if (asked_ms > pause_ms && !(attempt->stopping && asked_ms >= attempt->left_ms))
		pause_ms = asked_ms;
	if (pause_ms >= attempt->left_ms)
		pause_ms = attempt->stopping ? attempt->left_ms / 2 : attempt->left_ms;
	if (attempt->left_ms <= 0 || (attempt->stopping && pause_ms < policy->initial_ms / 2))
		return -1;
	assert(pause_ms >= 0 && pause_ms <= attempt->left_ms);
	return pause_ms;
}

static int64_t retry_clamp_ms(int64_t seconds)
{
	if (seconds <= 0)
		return 0;
	return seconds > retry_after_ms_max / 1000 ? retry_after_ms_max : seconds * 1000;
}

static int64_t retry_seconds_parse(const char *text)
{
	int64_t seconds = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		if (seconds <= retry_after_ms_max)
			seconds = seconds * 10 + (*text - '0');
	return *text == '\0' ? retry_clamp_ms(seconds) : -1;
}

int64_t retry_date_parse(const char *text)
{
	struct tm date;
	const char *end;
	size_t i;

	for (i = 0; i < sizeof retry_dates / sizeof *retry_dates; i++) {
		memset(&date, 0, sizeof date);
		end = strptime(text, retry_dates[i], &date);
		if (end != NULL && *end == '\0')
			return (int64_t)timegm(&date);
	}
	return -1;
}

int64_t retry_after_parse(const char *text, int64_t now_unix_s)
{
	int64_t then_unix_s;

	if (*text >= '0' && *text <= '9')
		return retry_seconds_parse(text);
	then_unix_s = retry_date_parse(text);
	return then_unix_s != -1 ? retry_clamp_ms(then_unix_s - now_unix_s) : -1;
}

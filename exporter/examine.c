/*
 * One export of nothing, by the same sender, with the same headers and compression as those that
 * will have something: who asks waits for the answer. Not for the event loop.
 */
#include "exporter/examine.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "exporter/clock.h"
#include "exporter/otlp/gzip.h"
#include "exporter/otlp/judge.h"
#include "exporter/otlp/sender.h"
#include "exporter/settings.h"

enum { EXAMINE_JSON_SIZE = 64 };

static void examine_judge(struct examination *found, const struct sender_answer *answer)
{
	int64_t now_unix_s = (int64_t)time(NULL), there_unix_s = retry_date_parse(answer->date);
	struct sink_outcome outcome;

	judge_answer(answer, 0, now_unix_s, &outcome);
	found->reached = answer->result == SENDER_ANSWERED;
	found->accepted = outcome.verdict == RETRY_DELIVERED;
	found->is_certificate = answer->result == SENDER_UNUSABLE;
	found->status = answer->status;
	found->has_clock = there_unix_s != -1;
	found->ahead_s = found->has_clock ? there_unix_s - now_unix_s : 0;
	memcpy(found->why, outcome.why, sizeof found->why);
}

int examine_collector(const struct exporter_config *config, const char *what, int64_t wait_ms,
	struct examination *found, char *error, size_t error_size)
{
	struct sender *sender = sender_new(config, error, error_size);
	struct gzip *gzip = config->gzip ? gzip_new() : NULL;
	char json[EXAMINE_JSON_SIZE];
	struct sender_body body = {.bytes = json, .protobuf = config->protobuf};
	const struct sender_answer *answer;
	int64_t begun_ms = clock_ms();
	struct text packed;

	assert(strlen(what) < sizeof json - sizeof "{\"\":[]}");
	if (!config->protobuf) /* there, nothing is an empty message */
		body.size = (size_t)snprintf(json, sizeof json, "{\"%s\":[]}", what); /* fits */
	text_init(&packed, TEXT_UNLIMITED);
	memset(found, 0, sizeof *found);
	if (sender == NULL)
		goto out;
	if (gzip != NULL && gzip_pack(gzip, &packed, body.bytes, body.size) == 0) {
		body.bytes = packed.bytes;
		body.size = packed.size;
		body.gzipped = true;
	}
	sender_begin(sender, &body);
	while ((answer = sender_step(sender)) == NULL && found->took_ms < wait_ms) {
		sender_wait(sender, wait_ms - found->took_ms);
		found->took_ms = clock_ms() - begun_ms;
	}
	if (answer != NULL)
		examine_judge(found, answer);
	else
		(void)snprintf(found->why, sizeof found->why, "no answer within %lld ms",
			(long long)wait_ms); /* fits */
	found->took_ms = clock_ms() - begun_ms;
out:
	sender_free(sender);
	gzip_free(gzip);
	text_done(&packed);
	return sender != NULL ? 0 : -1;
}

/*
 * What an answer means (OTLP 1.x, "Failures" and "Partial Success"): a table says what becomes of a
 * batch by the sender's result, another which statuses pass, a third what a person can do about
 * one. Nothing here can fail: an answer that cannot be read has no words.
 */
#include "exporter/otlp/judge.h"

#include <assert.h>
#include <stdio.h>

#include "exporter/otlp/reply.h"
#include "exporter/otlp/sender.h"
#include "exporter/sink.h"

_Static_assert(SINK_WHY_SIZE >= REPLY_MESSAGE_SIZE + 128, "a hint and the collector's words fit");

static const enum retry_verdict judge_verdicts[] = {
	[SENDER_ANSWERED] = RETRY_REFUSED, /* the status may say better */
	[SENDER_UNREACHABLE] = RETRY_AGAIN,
	[SENDER_UNUSABLE] = RETRY_REFUSED,
	[SENDER_TOO_LARGE] = RETRY_TOO_LARGE,
	[SENDER_NO_MEMORY] = RETRY_NO_MEMORY,
};

/* The collector may take the same request later. */
static const int judge_passing[] = {429, 502, 503, 504};

/* What a person can do about a status: the first row that it is in. */
static const struct {
	int first, last;
	const char *text;
} judge_hints[] = {
	{300, 399, ", a redirect, which is not followed: correct the endpoint"},
	{401, 401, ", it wants credentials: they belong into the headers for the collector"},
	{403, 403, ", the credentials in the headers for the collector do not allow it"},
	{404, 404,
		", no traces are taken at this path: a base URL gets /v1/traces appended, a URL "
		"for "
		"traces is used as it is"},
	{405, 405, ", nothing is taken by POST at this path: is it one for OTLP over HTTP?"},
	{413, 413, ", a single span is too large for it"},
	{415, 415,
		", it may take protobuf only (otlp.protocol http/protobuf), or JSON only "
		"(http/json)"},
};

static const char *judge_hint(int status, size_t span_count)
{
	size_t i;

	if (status == 413 && span_count == 0)
		return ", though there is no span in it";
	for (i = 0; i < sizeof judge_hints / sizeof *judge_hints; i++)
		if (status >= judge_hints[i].first && status <= judge_hints[i].last)
			return judge_hints[i].text;
	return "";
}

static enum retry_verdict judge_status(int status)
{
	size_t i;

	if (status >= 200 && status < 300)
		return RETRY_DELIVERED;
	if (status == 413)
		return RETRY_SPLIT;
	for (i = 0; i < sizeof judge_passing / sizeof *judge_passing; i++)
		if (status == judge_passing[i])
			return RETRY_AGAIN;
	return RETRY_REFUSED;
}

/* Some answer protobuf in JSON. */
static int judge_read(struct reply *reply, const struct sender_answer *answer)
{
	const struct text *body = &answer->body;

	if (answer->protobuf && (body->size == 0 || body->bytes[0] != '{'))
		return reply_parse_protobuf(reply, body->bytes, body->size);
	return reply_parse(reply, body->bytes, body->size);
}

/* "Partial Success": what was rejected must not be sent again. */
static void judge_success(
	const struct sender_answer *answer, size_t span_count, struct sink_outcome *outcome)
{
	struct reply reply;

	if (judge_read(&reply, answer) != 0)
		(void)snprintf(reply.message, sizeof reply.message,
			"its answer is not OTLP %s: is it a collector?",
			answer->protobuf ? "in protobuf" : "JSON"); /* fits */
	outcome->rejected = reply.rejected_spans < span_count ? reply.rejected_spans : span_count;
	(void)snprintf(outcome->why, sizeof outcome->why, "%s", reply.message); /* fits */
}

static void judge_failure(
	const struct sender_answer *answer, size_t span_count, struct sink_outcome *outcome)
{
	struct reply reply;

	(void)judge_read(&reply, answer); /* then without words */
	(void)snprintf(outcome->why, sizeof outcome->why, "status %d%s%s%s", answer->status,
		judge_hint(answer->status, span_count), reply.message[0] != '\0' ? ": " : "",
		reply.message); /* fits */
}

void judge_answer(const struct sender_answer *answer, size_t span_count, int64_t now_unix_s,
	struct sink_outcome *outcome)
{
	assert(answer->result < sizeof judge_verdicts / sizeof *judge_verdicts);
	*outcome = (struct sink_outcome){.verdict = judge_verdicts[answer->result],
		.retry_after_ms = -1,
		.unreachable = answer->result == SENDER_UNREACHABLE};
	if (answer->result != SENDER_ANSWERED) {
		(void)snprintf(outcome->why, sizeof outcome->why, "%s", answer->error); /* fits */
		return;
	}
	outcome->verdict = judge_status(answer->status);
	if (outcome->verdict == RETRY_DELIVERED)
		judge_success(answer, span_count, outcome);
	else
		judge_failure(answer, span_count, outcome);
	if (outcome->verdict == RETRY_AGAIN && answer->retry_after[0] != '\0')
		outcome->retry_after_ms = retry_after_parse(answer->retry_after, now_unix_s);
}

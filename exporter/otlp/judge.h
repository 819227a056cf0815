#ifndef EXPORTER_OTLP_JUDGE_H
#define EXPORTER_OTLP_JUDGE_H

#include <stddef.h>
#include <stdint.h>

struct sender_answer;
struct sink_outcome;

/* What an answer to a batch of so many spans means. now_unix_s is the time of day. */
void judge_answer(const struct sender_answer *answer, size_t span_count, int64_t now_unix_s,
	struct sink_outcome *outcome);

#endif

/*
 * What proxy/message costs: nanoseconds per message and per byte, for a few kinds of message, whole
 * and in chunks. With an argument, runs only the case of that name, count times (for callgrind).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proxy/message/pointers.h"
#include "proxy/message/place.h"
#include "proxy/message/splice.h"

#define BENCH_CONTEXT                                                                              \
	"{\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}"

struct bench_case {
	const char *name;
	enum splice_mode mode;
	const char *head, *repeated, *tail;
	size_t size;  /* of all that is repeated */
	size_t chunk; /* 0: whole */
};

static const struct bench_case bench_cases[] = {
	{"request", SPLICE_INJECT,
		"{\"id\":17,\"method\":\"turn/start\",\"params\":{\"threadId\":"
		"\"0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b\",\"input\":[{\"type\":\"text\",\"text\":"
		"\"",
		"Say hello. ", "\"}]},\"trace\":" BENCH_CONTEXT "}", 11, 0},
	{"request-bare", SPLICE_INJECT,
		"{\"id\":17,\"method\":\"turn/start\",\"params\":{\"threadId\":"
		"\"0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b\",\"input\":[{\"type\":\"text\",\"text\":"
		"\"",
		"Say hello. ", "\"}]}}", 11, 0},
	{"delta", SPLICE_WATCH,
		"{\"method\":\"item/agentMessage/delta\",\"params\":{\"threadId\":"
		"\"0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b\",\"turnId\":"
		"\"0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1c\",\"itemId\":\"msg_1\",\"delta\":\"",
		"word ", "\"},\"emittedAtMs\":1795343505372}", 5, 0},
	{"reply", SPLICE_WATCH, "{\"id\":17,\"result\":{\"turn\":{\"id\":\"", "0199a1b2-",
		"\",\"items\":[],\"status\":\"inProgress\",\"error\":null}}}", 36, 0},
	{"text-16k", SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"params\":{\"text\":\"",
		"The quick brown fox jumps over the lazy dog.\\n", "\"}}", 16000, 0},
	{"list-16k", SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"params\":[0",
		",{\"id\":\"gpt-6\",\"name\":\"A model\",\"hidden\":false,\"n\":[1,22,-3.5e7]}",
		"]}", 16000, 0},
	{"pretty-16k", SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"params\":[0",
		",\n        {\n            \"id\": \"gpt-6\",\n            \"hidden\": false\n     "
		"   }",
		"]}", 16000, 0},
	{"floats-1m", SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"params\":[0",
		",0.0123456789,-1.5,12345", "]}", 1000000, 0},
	{"base64-10m", SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"params\":{\"data\":\"",
		"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9w", "\"}}", 10000000, 0},
	{"escapes-10m", SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"params\":{\"text\":\"",
		"\\tint main(void)\\n{\\n\\tputs(\\\"hello\\\");\\n}\\n", "\"}}", 10000000, 0},
	{"escapes-10m-64k", SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"params\":{\"text\":\"",
		"\\tint main(void)\\n{\\n\\tputs(\\\"hello\\\");\\n}\\n", "\"}}", 10000000, 65536},
	{"code-10m", SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"params\":{\"text\":\"",
		"    return value + other_value;\\n", "\"}}", 10000000, 0},
	{"unicode-10m", SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"params\":{\"text\":\"",
		"\\u0430\\u0431", "\"}}", 10000000, 0},
	{"tiny-strings-1m", SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"params\":[0",
		",\"a\",{\"b\":\"\"}", "]}", 1000000, 0},
	{"text-1m-chunk1", SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"params\":{\"text\":\"",
		"The quick brown fox jumps over the lazy dog.\\n", "\"}}", 1000000, 1},
	{"text-1m-chunk16", SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"params\":{\"text\":\"",
		"The quick brown fox jumps over the lazy dog.\\n", "\"}}", 1000000, 16},
	{"text-1m-chunk64", SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"params\":{\"text\":\"",
		"The quick brown fox jumps over the lazy dog.\\n", "\"}}", 1000000, 64},
	{"request-chunk1", SPLICE_INJECT,
		"{\"id\":17,\"method\":\"turn/start\",\"params\":{\"threadId\":"
		"\"0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b\",\"input\":[{\"type\":\"text\",\"text\":"
		"\"",
		"Say hello. ", "\"}]},\"trace\":" BENCH_CONTEXT "}", 11, 1},
};

static size_t bench_carrier(void *arg, struct envelope *envelope, const char **text)
{
	(void)arg;
	(void)envelope_value(envelope, ENVELOPE_TRACEPARENT);
	*text = BENCH_CONTEXT;
	return sizeof(BENCH_CONTEXT) - 1;
}

static void bench_envelope(void *arg, const struct envelope *envelope)
{
	*(unsigned *)arg += (unsigned)envelope_kind(envelope);
}

static const struct splice_hooks bench_hooks = {
	.carrier = bench_carrier, .envelope = bench_envelope};

static struct pointers *bench_pointers(void)
{
	static const char *const wanted[] = {"/params/clientInfo/name",
		"/params/clientInfo/version", "/params/delta", "/params/error/message",
		"/params/expectedTurnId", "/params/item/command",
		"/params/item/commandActions/0/command", "/params/item/error/message",
		"/params/item/exitCode", "/params/item/id", "/params/item/server",
		"/params/item/status", "/params/item/tool", "/params/item/type", "/params/itemId",
		"/params/requestId", "/params/status/type", "/params/threadId",
		"/params/tokenUsage/last/cachedInputTokens", "/params/tokenUsage/last/inputTokens",
		"/params/tokenUsage/last/outputTokens",
		"/params/tokenUsage/last/reasoningOutputTokens",
		"/params/turn/error/codexErrorInfo",
		"/params/turn/error/codexErrorInfo/activeTurnNotSteerable",
		"/params/turn/error/codexErrorInfo/httpConnectionFailed",
		"/params/turn/error/codexErrorInfo/responseStreamConnectionFailed",
		"/params/turn/error/codexErrorInfo/responseStreamDisconnected",
		"/params/turn/error/codexErrorInfo/responseTooManyFailedAttempts",
		"/params/turn/error/message", "/params/turn/id", "/params/turn/rootTurnId",
		"/params/turn/status", "/params/turnId", "/params/willRetry", "/result/action",
		"/result/decision", "/result/decision/acceptWithExecpolicyAmendment",
		"/result/decision/applyNetworkPolicyAmendment", "/result/thread/id",
		"/result/thread/status/type", "/result/turn/id"};
	struct pointers *pointers = envelope_pointers_new("/trace");
	size_t i;

	if (pointers == NULL)
		abort();
	for (i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (pointers_add(pointers, wanted[i], 128) < 0)
			abort();
	return pointers;
}

static uint8_t *bench_message(const struct bench_case *c, size_t *size)
{
	size_t head = strlen(c->head), step = strlen(c->repeated), tail = strlen(c->tail);
	uint8_t *message = malloc(head + c->size + step + tail);
	size_t used = head;

	if (message == NULL)
		abort();
	memcpy(message, c->head, head);
	for (; used < head + c->size; used += step)
		memcpy(message + used, c->repeated, step);
	memcpy(message + used, c->tail, tail);
	*size = used + tail;
	return message;
}

static size_t bench_once(
	struct splice *splice, const struct bench_case *c, const uint8_t *message, size_t size)
{
	size_t chunk = c->chunk == 0 ? size : c->chunk, at, count, total, out = 0;
	unsigned kinds = 0;

	splice_begin(splice, c->mode, &bench_hooks, &kinds);
	for (at = 0; at < size; at += chunk) {
		if (chunk > size - at)
			chunk = size - at;
		splice_feed(splice, message + at, chunk, at + chunk == size);
		(void)splice_pieces(splice, &count, &total);
		out += total;
	}
	if (splice_troubles(splice) != 0 || kinds == 0)
		abort();
	return out;
}

static double bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void bench_case(struct splice *splice, const struct bench_case *c, long count)
{
	size_t size, out = 0;
	uint8_t *message = bench_message(c, &size);
	long i, repeats = count > 0 ? count : (long)(20000000 / size / (c->chunk == 1 ? 8 : 1)) + 1;
	double best = 1e18, took;
	int round;

	for (round = 0; round < (count > 0 ? 1 : 5); round++) {
		took = bench_now();
		for (i = 0; i < repeats; i++)
			out = bench_once(splice, c, message, size);
		took = (bench_now() - took) / (double)repeats;
		best = took < best ? took : best;
	}
	printf("%-18s %9zu B -> %9zu B %12.0f ns %8.3f ns/B\n", c->name, size, out, best,
		best / (double)size);
	free(message);
}

int main(int argc, char **argv)
{
	struct pointers *pointers = bench_pointers();
	struct splice *splice = splice_new(
		pointers, &(struct place_rules){.place = "/trace", .strips_trace = true});
	size_t i;

	if (splice == NULL)
		abort();
	for (i = 0; i < sizeof(bench_cases) / sizeof(*bench_cases); i++)
		if (argc < 2 || strcmp(argv[1], bench_cases[i].name) == 0)
			bench_case(
				splice, &bench_cases[i], argc > 2 ? strtol(argv[2], NULL, 10) : 0);
	splice_free(splice);
	pointers_free(pointers);
	return 0;
}

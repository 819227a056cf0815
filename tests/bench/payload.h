#ifndef TESTS_BENCH_PAYLOAD_H
#define TESTS_BENCH_PAYLOAD_H

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/wire.h"

/*
 * What the load generator and the backend say to each other. Every message is a function of a few
 * numbers, so that the receiver can build what it should have got and compare all bytes:
 *
 *  - a request is hashed by the backend without its `trace` member, and the hash comes back;
 *  - a reply and a notification are built again by the load generator and compared.
 *
 * The id says which connection a request belongs to and its place there; the reply's seq counts
 * what the backend received on that connection. One message lost, repeated, swapped, altered or
 * sent to another connection is thus noticed, whichever the direction.
 */
#define PAYLOAD_ID_SPAN       100000000u /* ids of one connection */
#define PAYLOAD_INIT_PARAMS   "\"params\":{\"clientInfo\":{\"name\":\"bench\",\"version\":\"1\"}}"
#define PAYLOAD_CARRIER_BYTES 256

enum { PAYLOAD_HEAD_BYTES = 384 }; /* `trace` and the numbers are found in so many bytes */

/* What a request's data is made of: open, unit again and again, filler to the exact size, close. */
struct payload_shape {
	const char *name;
	const char *open;
	const char *unit;
	char filler;
	const char *close;
};

static const struct payload_shape payload_shapes[] = {
	{"text", "\"", "The quick brown fox jumps over the lazy dog. ", 'x', "\""},
	{"escapes", "\"", "\\\"q\\\" \\\\ \\n\\t\\u00e9 \xc3\xa9 ", 'x', "\""},
	{"code", "\"", "\\tif (name != \\\"x\\\") {\\n\\t\\tputs(\\\"done\\\");\\n\\t}\\n", 'x',
		"\""},
	{"numbers", "[", "-1234567890.5e-3,", ' ', "0]"},
	{"keys", "[", "{\"key\":null,\"k\\u0065y\":true},", ' ', "0]"},
	{"deep", "[", "[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]],", ' ', "0]"},
	{"blanks", "[", "0 \t              ,", ' ', "0]"},
	{NULL, NULL, NULL, 0, NULL},
};

struct payload_request {
	uint64_t id;
	bool carrier;       /* the client sends a context of its own */
	size_t reply_bytes; /* size of the reply, or of each notification */
	uint64_t stream;    /* notifications wanted before the reply */
};

static inline const struct payload_shape *payload_shape_find(const char *name)
{
	const struct payload_shape *shape = payload_shapes;

	while (shape->name && strcmp(shape->name, name))
		shape++;
	return shape->name ? shape : NULL;
}

static inline uint64_t payload_hash(const uint8_t *bytes, size_t size)
{
	uint64_t hash = size * 0x9e3779b97f4a7c15u + 1;
	uint64_t word;

	for (; size >= 8; size -= 8, bytes += 8) {
		memcpy(&word, bytes, 8);
		hash = (hash ^ word) * 0xff51afd7ed558ccdu;
		hash ^= hash >> 32;
	}
	word = 0;
	memcpy(&word, bytes, size);
	hash = (hash ^ word) * 0xff51afd7ed558ccdu;
	return hash ^ hash >> 32;
}

/* The context that the client of request id is in; JSON text of the member's value. */
static inline int payload_carrier(char carrier[PAYLOAD_CARRIER_BYTES], uint64_t id)
{
	return snprintf(carrier, PAYLOAD_CARRIER_BYTES,
		"{\"traceparent\":\"00-c0ffee%026" PRIx64 "-b0%014" PRIx64 "-01\"}", id, id);
}

/* Fills [to, end) with whole units, then the filler. */
static inline void payload_fill(uint8_t *to, const uint8_t *end, const char *unit, char filler)
{
	size_t size = strlen(unit);
	uint8_t *start = to;

	while ((size_t)(end - to) >= size) {
		/* double what is there: few, long copies */
		size_t done = (size_t)(to - start);
		size_t n = done && done <= (size_t)(end - to) ? done : size;

		memcpy(to, done ? (const char *)start : unit, n);
		to += n;
	}
	memset(to, filler, (size_t)(end - to));
}

/* Completes a message of which head is written: filled so that it has `bytes` in all. */
static inline size_t payload_finish(uint8_t *message, size_t head_size, size_t bytes,
	const struct payload_shape *shape, const char *tail)
{
	size_t close_size = strlen(shape->close), tail_size = strlen(tail);
	size_t least = head_size + close_size + tail_size;
	uint8_t *end;

	if (bytes < least)
		bytes = least;
	end = message + bytes - tail_size - close_size;
	payload_fill(message + head_size, end, shape->unit, shape->filler);
	memcpy(end, shape->close, close_size);
	memcpy(end + close_size, tail, tail_size);
	return bytes;
}

/*
 * Writes a request of `bytes` bytes (without the carrier) to message, which has room for bytes +
 * 1024. *hash is what the backend should find.
 */
static inline size_t payload_request(uint8_t *message, const struct payload_request *request,
	size_t bytes, const struct payload_shape *shape, uint64_t *hash)
{
	char carrier[PAYLOAD_CARRIER_BYTES];
	int head, before, member = 0;
	size_t size;

	before = snprintf((char *)message, PAYLOAD_HEAD_BYTES,
		"{\"id\":%" PRIu64 ",\"method\":\"bench/echo\",", request->id);
	head = before + snprintf((char *)message + before, PAYLOAD_HEAD_BYTES,
				"\"params\":{\"threadId\":\"0199a000-0000-7000-8000-%012" PRIu64
				"\",\"carrier\":%d,\"reply\":%zu,\"stream\":%" PRIu64
				",\"data\":%s",
				request->id / PAYLOAD_ID_SPAN, request->carrier,
				request->reply_bytes, request->stream, shape->open);
	size = payload_finish(message, (size_t)head, bytes, shape, "}}");
	*hash = payload_hash(message, size);
	if (request->carrier) {
		char text[PAYLOAD_CARRIER_BYTES + 16];

		payload_carrier(carrier, request->id);
		member = snprintf(text, sizeof text, "\"trace\":%s,", carrier);
		memmove(message + before + member, message + before, size - (size_t)before);
		memcpy(message + before, text, (size_t)member);
	}
	return size + (size_t)member;
}

static inline size_t payload_initialize(uint8_t *message, uint64_t id)
{
	return (size_t)snprintf((char *)message, PAYLOAD_HEAD_BYTES,
		"{\"id\":%" PRIu64 ",\"method\":\"initialize\"," PAYLOAD_INIT_PARAMS "}", id);
}

static inline size_t payload_initialize_reply(uint8_t *message, uint64_t id)
{
	return (size_t)snprintf((char *)message, PAYLOAD_HEAD_BYTES,
		"{\"id\":%" PRIu64 ",\"result\":{\"userAgent\":\"bench\"}}", id);
}

/*
 * The reply. first_ns is when the backend saw the request's first byte; check proves it and the
 * request's hash together.
 */
static inline size_t payload_reply(uint8_t *message, const struct payload_request *request,
	uint64_t seq, uint64_t first_ns, uint64_t hash)
{
	int head = snprintf((char *)message, PAYLOAD_HEAD_BYTES,
		"{\"id\":%" PRIu64 ",\"result\":{\"first_ns\":%" PRIu64 ",\"seq\":%" PRIu64
		",\"check\":\"%016" PRIx64 "\",\"data\":\"",
		request->id, first_ns, seq, hash + first_ns * 0x9e3779b97f4a7c15u);

	return payload_finish(
		message, (size_t)head, request->reply_bytes, &payload_shapes[0], "}}");
}

/*
 * Number n of the stream that answers request: a turn of the codex app-server, which starts, says
 * its text piece by piece, and is completed.
 */
static inline size_t payload_notification(
	uint8_t *message, const struct payload_request *request, uint64_t n)
{
	static const struct {
		const char *method, *key, *item, *text;
	} parts[] = {
		{"turn/started",
			"\"turn\":{\"id\":", ",\"items\":[]},\"startedAt\":", ",\"note\":\""},
		{"item/agentMessage/delta", "\"turnId\":", ",\"itemId\":\"", "\",\"delta\":\""},
		{"turn/completed", "\"turn\":{\"id\":",
			",\"status\":\"completed\"},\"completedAt\":", ",\"note\":\""},
	};
	size_t part = n == 0 ? 0 : n == request->stream - 1 ? 2 : 1;
	int head = snprintf((char *)message, PAYLOAD_HEAD_BYTES,
		"{\"method\":\"%s\",\"params\":{\"threadId\":"
		"\"0199a000-0000-7000-8000-%012" PRIu64 "\",%s\"0199b000-0000-7000-8000-%012" PRIu64
		"\"%s%" PRIu64 "%s",
		parts[part].method, request->id / PAYLOAD_ID_SPAN, parts[part].key, request->id,
		parts[part].item, n, parts[part].text);

	return payload_finish(
		message, (size_t)head, request->reply_bytes, &payload_shapes[0], "}}");
}

/* The number after the first `key` in text, which need not end with a NUL; -1 without. */
static inline int64_t payload_number(const uint8_t *text, size_t size, const char *key)
{
	const uint8_t *found;
	char digits[24];
	size_t n = 0;

	if (size > PAYLOAD_HEAD_BYTES)
		size = PAYLOAD_HEAD_BYTES;
	found = memmem(text, size, key, strlen(key));
	if (!found)
		return -1;
	found += strlen(key);
	while (found < text + size && n + 1 < sizeof digits && isdigit(*found))
		digits[n++] = (char)*found++;
	digits[n] = '\0';
	return n ? strtoll(digits, NULL, 10) : -1;
}

/* Where the `trace` member is: near the front or, in a big message, near the end. */
static inline uint8_t *payload_trace_find(uint8_t *message, size_t size)
{
	static const char key[] = "\"trace\":";
	size_t part = size < PAYLOAD_HEAD_BYTES ? size : PAYLOAD_HEAD_BYTES;
	uint8_t *found = memmem(message, part, key, sizeof key - 1);

	return found ? found : memmem(message + size - part, part, key, sizeof key - 1);
}

/*
 * Takes the `trace` member with its comma (and blanks that fill a promised length at the very end)
 * out of *message. Its value's text goes to carrier, "" without one. 0, or -1 if it has no end.
 */
static inline int payload_trace_remove(
	uint8_t **message, size_t *size, char carrier[PAYLOAD_CARRIER_BYTES])
{
	uint8_t *end, *member, *value, *after;
	size_t n;

	while (*size > 0 && (*message)[*size - 1] == ' ')
		--*size; /* none of ours ends so */
	end = *message + *size;
	member = payload_trace_find(*message, *size);
	carrier[0] = '\0';
	if (!member)
		return 0;
	value = member + strlen("\"trace\":");
	after = memchr(value, '}', (size_t)(end - value));
	if (!after || (n = (size_t)(++after - value)) >= PAYLOAD_CARRIER_BYTES)
		return -1;
	memcpy(carrier, value, n);
	carrier[n] = '\0';
	while (after < end && *after == ' ')
		after++;
	if (after < end && *after == ',')
		after++;
	else if (member > *message && member[-1] == ',')
		member--;
	if (member - *message < end - after) {
		memmove(*message + (after - member), *message, (size_t)(member - *message));
		*message += after - member;
	} else
		memmove(member, after, (size_t)(end - after));
	*size -= (size_t)(after - member);
	return 0;
}

/* Whether carrier is {"traceparent":"00-TRACE-SPAN-0x"...}, lower case hex, ids not zero. */
static inline bool payload_carrier_valid(const char *carrier)
{
	/* h: a hex digit, f: a flag */
	static const char form[] = "{\"traceparent\":\"00-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-"
				   "hhhhhhhhhhhhhhhh-0f\"";
	const char *ids = carrier + strlen("{\"traceparent\":\"00-");

	for (size_t i = 0; form[i]; i++)
		switch (form[i]) {
		case 'h':
			if (!carrier[i] || !strchr("0123456789abcdef", carrier[i]))
				return false;
			break;
		case 'f':
			if (carrier[i] != '0' && carrier[i] != '1')
				return false;
			break;
		default:
			if (carrier[i] != form[i])
				return false;
		}
	return strspn(ids, "0") < 32 && strspn(ids + 33, "0") < 16;
}

/*
 * What is wrong with the carrier of a request, or NULL. traced: a tracing proxy stands between, so
 * there must be a context; of the client's trace if it sent one, but with another parent.
 */
static inline const char *payload_carrier_wrong(
	const char *carrier, const struct payload_request *request, bool traced)
{
	char own[PAYLOAD_CARRIER_BYTES];
	int trace_end = (int)strlen("{\"traceparent\":\"00-") + 33;
	int size = payload_carrier(own, request->id);

	if (!traced) {
		if (!request->carrier)
			return carrier[0] ? "a trace that nobody sent" : NULL;
		return strcmp(carrier, own) ? "not the client's trace" : NULL;
	}
	if (!payload_carrier_valid(carrier))
		return carrier[0] ? "invalid trace" : "no trace";
	if (request->carrier && memcmp(carrier, own, (size_t)trace_end))
		return "not of the client's trace";
	if (request->carrier && !strncmp(carrier, own, (size_t)size - strlen("-01\"}")))
		return "still the client's parent";
	return NULL;
}

#endif

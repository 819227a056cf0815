#ifndef TESTS_UNIT_SIDE_CASE_H
#define TESTS_UNIT_SIDE_CASE_H

#include <stdio.h>
#include <string.h>

#include "proxy/side/side.h"
#include "tests/unit/unit.h"

/*
 * What a side makes of a stream, as a text that does not depend on how the stream was cut: messages
 * in brackets, "_" and a byte for each between them, "$" where the end completes a message, "?"
 * where it cuts one off, "!REASON@OFFSET" where the framing is broken. And the stream as it writes
 * it again, either as it lies, where that is allowed, or anew.
 */
struct side_case {
	const struct side_ops *ops;
	char said[1024];
	char written[4096];
	size_t said_size, written_size;
	struct side_decoder decoder;
	struct side_encoder encoder;
	bool passes; /* what lies as it would be written is passed on so */
};

static inline void side_case_add(struct side_case *made, const void *bytes, size_t size)
{
	ck_assert_uint_lt(made->said_size + size, sizeof made->said);
	memcpy(made->said + made->said_size, bytes, size);
	made->said_size += size;
	made->said[made->said_size] = '\0';
}

static inline void side_case_flush(struct sink *sink, void *arg)
{
	struct side_case *made = arg;
	const uint8_t *bytes = sink->run_size > 0 ? sink->run : sink->bytes;
	size_t size = sink->run_size > 0 ? sink->run_size : sink->used;

	ck_assert_uint_lt(made->written_size + size, sizeof made->written);
	memcpy(made->written + made->written_size, bytes, size);
	made->written_size += size;
	made->written[made->written_size] = '\0';
	sink->used = sink->run_size = 0;
}

static inline void side_case_data(
	struct side_case *made, struct sink *sink, const struct side_chunk *chunk)
{
	const struct side_ops *writes = side_written(made->ops);

	ck_assert(chunk->frame.text);
	if (chunk->first)
		side_case_add(made, "[", 1);
	side_case_add(made, chunk->bytes, chunk->size);
	if (chunk->last)
		side_case_add(made, "]", 1);
	if (made->passes && chunk->wire != NULL) {
		sink_pass(sink, chunk->wire, chunk->wire_size);
		return;
	}
	if (chunk->frame_first)
		writes->begin(&made->encoder, sink, &chunk->frame);
	writes->data(&made->encoder, sink, chunk->bytes, chunk->size);
	if (chunk->last)
		writes->end(&made->encoder, sink, true);
}

/* False: nothing more can be read. */
static inline bool side_case_feed(struct side_case *made, uint8_t *bytes, size_t size)
{
	uint8_t window[SINK_SIZE_MIN];
	struct sink sink = {
		.bytes = window, .size = sizeof window, .flush = side_case_flush, .arg = made};
	struct side_chunk chunk;
	char text[256];

	for (;;) {
		switch (made->ops->next(&made->decoder, &bytes, &size, &chunk)) {
		case SIDE_MORE:
			ck_assert_uint_eq(size, 0);
			side_case_flush(&sink, made);
			return true;
		case SIDE_DATA:
			side_case_data(made, &sink, &chunk);
			break;
		case SIDE_BETWEEN:
			sink_pass(&sink, chunk.bytes, chunk.size);
			for (; chunk.size > 0; chunk.size--, chunk.bytes++) {
				side_case_add(made, "_", 1);
				side_case_add(made, chunk.bytes, 1);
			}
			break;
		case SIDE_OTHER:
			side_case_flush(&sink, made);
			(void)snprintf(text, sizeof text, "{%s:%.*s}",
				chunk.other != NULL ? chunk.other->name : "", (int)chunk.size,
				(const char *)chunk.bytes);
			side_case_add(made, text, strlen(text));
			return false;
		case SIDE_CONTROL:
			ck_abort();
		case SIDE_BAD:
			side_case_flush(&sink, made);
			(void)snprintf(text, sizeof text, "!%s@%llu", made->decoder.error.reason,
				(unsigned long long)made->decoder.error.offset);
			side_case_add(made, text, strlen(text));
			ck_assert_int_eq(
				made->ops->next(&made->decoder, &bytes, &size, &chunk), SIDE_BAD);
			return false;
		}
	}
}

/*
 * Cut once at cut, then in pieces. The bytes before an end of what can be read are behind a guard.
 */
static inline void side_case_run(struct side_case *made, const struct side_ops *ops, bool passes,
	const char *bytes, size_t size, size_t cut, size_t piece)
{
	struct side_chunk chunk;
	bool more = true;
	uint8_t *copy;
	size_t n;

	*made = (struct side_case){.ops = ops, .passes = passes};
	side_decoder_init(&made->decoder, ops, SIDE_FROM_CLIENT);
	side_encoder_init(&made->encoder, side_written(ops), SIDE_FROM_CLIENT, NULL, false);
	for (n = cut; size > 0 && more; n = piece) {
		n = n < size ? n : size;
		copy = unit_guard_copy(bytes, n);
		more = side_case_feed(made, copy, n);
		unit_guard_free(copy, n);
		bytes += n;
		size -= n;
	}
	if (!more)
		return;
	if (ops->rest != NULL && ops->rest(&made->decoder, &chunk)) {
		ck_assert(chunk.first && !chunk.last);
		side_case_add(made, "[", 1);
		side_case_add(made, chunk.bytes, chunk.size);
	}
	if (made->decoder.in_message)
		side_case_add(made, ops->finish(&made->decoder) ? "$" : "?", 1);
}

/* In one piece, at every place, and byte by byte; passed on, and written anew. */
static inline void side_case_check(const struct side_ops *ops, const char *bytes, size_t size,
	const char *said, const char *written)
{
	struct side_case made;
	size_t cut;
	int passes;

	for (passes = 0; passes < 2; passes++)
		for (cut = 0; cut <= size; cut++) {
			side_case_run(&made, ops, passes == 1, bytes, size, cut == 0 ? 1 : cut,
				cut == 0 ? 1 : size);
			ck_assert_str_eq(made.said, said);
			ck_assert_str_eq(made.written, written);
		}
}

#endif

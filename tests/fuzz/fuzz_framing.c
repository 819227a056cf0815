/*
 * Streams of messages behind Content-Length heads, of JSON texts one after the other, and of what
 * may be either or lines: cut anywhere they say the same; written again, as they lie or anew, they
 * say the same once more, and what lay as it is written is the same bytes. The first byte says
 * which framing, the second how it is cut.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/side/side.h"
#include "tests/unit/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const struct side_ops *const fuzz_sides[] = {&side_length, &side_concat, &side_guess};

static void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

static void fuzz_flush(struct sink *sink, void *arg)
{
	record_add(arg, sink->bytes, sink->used);
	record_add(arg, sink->run, sink->run_size);
	sink->used = sink->run_size = 0;
}

/* What was said, and what was written of it. */
struct fuzz_relay {
	struct record said, written;
	struct side_decoder decoder;
	struct side_encoder encoder;
	bool passes;
};

static void fuzz_data(struct fuzz_relay *relay, struct sink *sink, const struct side_chunk *chunk)
{
	const struct side_ops *writes = relay->encoder.ops;

	record_data(&relay->said, chunk);
	if (relay->passes && chunk->wire != NULL) {
		sink_pass(sink, chunk->wire, chunk->wire_size);
		return;
	}
	if (chunk->frame_first)
		writes->begin(&relay->encoder, sink, &chunk->frame);
	writes->data(&relay->encoder, sink, chunk->bytes, chunk->size);
	if (chunk->last)
		writes->end(&relay->encoder, sink, true);
}

/* False: it has come to an end before the stream. */
static bool fuzz_piece(struct fuzz_relay *relay, uint8_t *bytes, size_t size)
{
	static uint8_t window[SINK_SIZE_MIN];
	struct sink sink = {.bytes = window,
		.size = sizeof window,
		.flush = fuzz_flush,
		.arg = &relay->written};
	struct side_chunk chunk;
	enum side_result result;

	do {
		result = relay->decoder.ops->next(&relay->decoder, &bytes, &size, &chunk);
		if (result == SIDE_DATA)
			fuzz_data(relay, &sink, &chunk);
		if (result == SIDE_BETWEEN) {
			record_add(&relay->said, "_", 1);
			sink_pass(&sink, chunk.bytes, chunk.size);
		}
	} while (result == SIDE_DATA || result == SIDE_BETWEEN);
	fuzz_require(result == SIDE_MORE ? size == 0 : result != SIDE_CONTROL);
	fuzz_flush(&sink, &relay->written);
	if (result == SIDE_BAD)
		record_error(&relay->said, &relay->decoder.error);
	if (result == SIDE_OTHER)
		record_add(&relay->said, chunk.bytes, chunk.size);
	return result == SIDE_MORE;
}

static void fuzz_run(struct fuzz_relay *relay, const struct side_ops *ops, bool passes,
	const uint8_t *bytes, size_t size, uint32_t random)
{
	bool more = true;
	size_t piece;
	uint8_t *copy;

	*relay = (struct fuzz_relay){.passes = passes};
	record_init(&relay->said, false);
	side_decoder_init(&relay->decoder, ops, SIDE_FROM_SERVER);
	side_encoder_init(&relay->encoder, side_written(ops), SIDE_FROM_SERVER, NULL, false);
	for (; size > 0 && more; bytes += piece, size -= piece) {
		piece = random == 0 ? size : 1 + (random >> 16) % 17;
		piece = piece < size ? piece : size;
		random = random == 0 ? 0 : random * 1103515245 + 12345;
		copy = malloc(piece);
		fuzz_require(copy != NULL);
		memcpy(copy, bytes, piece);
		more = fuzz_piece(relay, copy, piece);
		free(copy);
	}
}

static void fuzz_done(struct fuzz_relay *relay)
{
	record_done(&relay->said);
	record_done(&relay->written);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_relay whole, pieces, passed, again;
	const struct side_ops *ops;
	bool ended;

	if (size < 2)
		return 0;
	ops = fuzz_sides[bytes[0] % 3];
	fuzz_run(&whole, ops, false, bytes + 2, size - 2, 0);
	fuzz_run(&pieces, ops, false, bytes + 2, size - 2, bytes[1] * 2654435761u + 1);
	fuzz_run(&passed, ops, true, bytes + 2, size - 2, bytes[1] * 40503u);
	if (ops != &side_concat) { /* whose blanks may come in any number of pieces */
		fuzz_require(record_equal(&whole.said, &pieces.said));
		fuzz_require(record_equal(&whole.said, &passed.said));
	}
	fuzz_require(record_equal(&whole.written, &pieces.written));
	fuzz_require(record_equal(&whole.written, &passed.written));
	if (ops != &side_length)
		fuzz_require(whole.written.size == 0 ||
			     memcmp(whole.written.bytes, bytes + 2, whole.written.size) == 0);
	/* What is written says the same, up to where the stream broke. */
	if (whole.written.size > 0) {
		fuzz_run(&again, ops, true, whole.written.bytes, whole.written.size, bytes[1]);
		fuzz_require(record_equal(&again.written, &whole.written));
		fuzz_done(&again);
	}
	ended = whole.decoder.in_message;
	fuzz_require(ended == pieces.decoder.in_message);
	fuzz_require(whole.decoder.offset == pieces.decoder.offset);
	fuzz_done(&whole);
	fuzz_done(&pieces);
	fuzz_done(&passed);
	return 0;
}

/*
 * A stream of lines: cut anywhere it says the same; written again, in its own pieces or as they
 * lie, it is the same bytes; and where it came from another framing, it is as many lines, of the
 * same bytes but for blanks. The first byte says how it is cut and written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/side/side.h"
#include "tests/unit/record.h"
#include "w3c/ids.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

/* The next piece of a stream, in memory of its own size; all that is left when random is 0. */
static uint8_t *fuzz_piece(const uint8_t *bytes, size_t size, uint32_t *random, size_t *piece)
{
	uint8_t *copy;

	*piece = *random == 0 ? size : 1 + (*random >> 16) % 17;
	*random = *random == 0 ? 0 : *random * 1103515245 + 12345;
	*piece = *piece < size ? *piece : size;
	copy = malloc(*piece);
	fuzz_require(copy != NULL);
	memcpy(copy, bytes, *piece);
	return copy;
}

static void fuzz_feed(struct record *record, const uint8_t *bytes, size_t size, uint32_t random)
{
	struct side_decoder decoder;
	size_t piece, at = 0;
	uint8_t *copy;

	record_init(record, false);
	side_decoder_init(&decoder, &side_line, SIDE_FROM_CLIENT);
	while (at < size) {
		copy = fuzz_piece(bytes + at, size - at, &random, &piece);
		fuzz_require(record_feed(record, &decoder, copy, piece)); /* no line is wrong */
		free(copy);
		at += piece;
		fuzz_require(decoder.offset == at);
		fuzz_require(decoder.in_message == (bytes[at - 1] != '\n'));
	}
	fuzz_require(side_line.finish(&decoder) == (size > 0 && bytes[size - 1] != '\n'));
}

static void fuzz_flush(struct sink *sink, void *arg)
{
	fuzz_require(sink->used == 0 || sink->run_size == 0);
	record_add(arg, sink->bytes, sink->used);
	record_add(arg, sink->run, sink->run_size);
	sink->used = 0;
	sink->run_size = 0;
}

/* Writes what a decoder gives; every so often as it lies, unless it is foreign. */
static void fuzz_relay(
	struct record *output, bool foreign, const uint8_t *bytes, size_t size, uint32_t random)
{
	static uint8_t window[SINK_SIZE_MIN];
	struct sink sink = {
		.bytes = window, .size = sizeof window, .flush = fuzz_flush, .arg = output};
	struct side_decoder decoder;
	struct side_encoder encoder;
	struct side_chunk chunk;
	uint8_t *copy, *left;
	size_t piece, left_size;
	struct ids ids;

	record_init(output, false);
	ids_init(&ids);
	side_decoder_init(&decoder, &side_line, SIDE_FROM_CLIENT);
	side_encoder_init(&encoder, &side_line, SIDE_FROM_CLIENT, &ids, foreign);
	for (; size > 0; size -= piece, bytes += piece) {
		left = copy = fuzz_piece(bytes, size, &random, &piece);
		left_size = piece;
		while (side_line.next(&decoder, &left, &left_size, &chunk) == SIDE_DATA) {
			if (!foreign && chunk.size % 3 > 0) {
				sink_pass(&sink, chunk.wire, chunk.wire_size);
				continue;
			}
			side_line.begin(&encoder, &sink, &chunk.frame);
			side_line.data(&encoder, &sink, chunk.bytes, chunk.size);
			if (chunk.last)
				side_line.end(&encoder, &sink, true);
		}
		fuzz_flush(&sink, output); /* its bytes are gone by then */
		free(copy);
	}
	if (side_line.finish(&decoder))
		side_line.end(&encoder, &sink, false);
	fuzz_flush(&sink, output);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct record whole, pieces, same, foreign;
	size_t i;

	if (size == 0)
		return 0;
	fuzz_feed(&whole, bytes + 1, size - 1, 0);
	fuzz_feed(&pieces, bytes + 1, size - 1, bytes[0] + 1u);
	fuzz_require(record_equal(&whole, &pieces));
	fuzz_relay(&same, false, bytes + 1, size - 1, bytes[0] * 7u);
	fuzz_require(same.size == size - 1);
	fuzz_require(size == 1 || memcmp(same.bytes, bytes + 1, size - 1) == 0);
	fuzz_relay(&foreign, true, bytes + 1, size - 1, bytes[0] * 5u);
	fuzz_require(foreign.size == size - 1);
	for (i = 0; i < foreign.size; i++)
		fuzz_require(foreign.bytes[i] == (bytes[1 + i] == '\r' ? ' ' : bytes[1 + i]));
	record_done(&whole);
	record_done(&pieces);
	record_done(&same);
	record_done(&foreign);
	return 0;
}

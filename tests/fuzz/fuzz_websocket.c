/*
 * A stream cut anywhere says what the whole stream says. The first byte chooses the role and the
 * cuts, the rest is the stream. What was good is encoded again and decoded once more.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/side/side.h"
#include "tests/unit/record.h"
#include "w3c/ids.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/*
 * Pieces of their own exact size, so that the sanitizer sees a byte read too many; the whole in one
 * when seed is 0. False when the framing is broken.
 */
static bool fuzz_feed(struct record *record, enum side_role role, const uint8_t *bytes, size_t size,
	uint32_t seed)
{
	struct side_decoder decoder;
	uint32_t random = seed;
	bool good = true;

	record_init(record, true);
	side_decoder_init(&decoder, &side_websocket, role);
	while (good && size > 0) {
		size_t piece = seed == 0 ? size : 1 + (random >> 16) % 17;
		uint8_t *copy;

		piece = piece < size ? piece : size;
		copy = malloc(piece);
		if (copy == NULL)
			abort();
		memcpy(copy, bytes, piece);
		good = record_feed(record, &decoder, copy, piece);
		free(copy);
		bytes += piece;
		size -= piece;
		random = random * 1103515245 + 12345;
	}
	return good;
}

static void fuzz_flush(struct sink *sink, void *arg)
{
	if (sink->used > 0 && sink->run_size > 0)
		abort();
	record_add(arg, sink->bytes, sink->used);
	record_add(arg, sink->run, sink->run_size);
	sink->used = 0;
	sink->run_size = 0;
}

/* Passes on what a decoder gives, frame by frame as a proxy does, up to an error; some as it is. */
static void fuzz_relay(
	struct record *output, enum side_role role, const uint8_t *bytes, size_t size, size_t step)
{
	static uint8_t window[SINK_SIZE_MIN];
	struct sink sink = {
		.bytes = window, .size = sizeof window, .flush = fuzz_flush, .arg = output};
	struct side_decoder decoder;
	struct side_encoder encoder;
	struct side_chunk chunk;
	struct ids ids;
	uint8_t *copy = malloc(size + 1), *at = copy;
	enum side_result result;
	size_t left = step < size ? step : size;

	if (copy == NULL)
		abort();
	memcpy(copy, bytes, size);
	record_init(output, true);
	ids_init(&ids);
	side_decoder_init(&decoder, &side_websocket, role);
	side_encoder_init(&encoder, &side_websocket, role, &ids, false);
	for (;;) {
		result = side_websocket.next(&decoder, &at, &left, &chunk);
		if (result == SIDE_BAD || (result == SIDE_MORE && at == copy + size))
			break;
		if (result == SIDE_MORE) {
			fuzz_flush(&sink, output); /* its bytes are gone by then */
			left = (size_t)(copy + size - at);
			left = step < left ? step : left;
			continue;
		}
		if (result == SIDE_CONTROL) {
			side_websocket.control(
				&encoder, &sink, chunk.control, chunk.bytes, chunk.size);
			continue;
		}
		if (chunk.wire != NULL && chunk.size % 3 > 0) {
			sink_pass(&sink, chunk.wire, chunk.wire_size);
			continue;
		}
		if (chunk.frame_first)
			side_websocket.begin(&encoder, &sink, &chunk.frame);
		side_websocket.data(&encoder, &sink, chunk.bytes, chunk.size);
		if (chunk.last)
			side_websocket.end(&encoder, &sink, true);
	}
	fuzz_flush(&sink, output);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct record whole, pieces, relayed, again;
	enum side_role role;
	bool good;

	if (size == 0)
		return 0;
	role = bytes[0] & 1 ? SIDE_FROM_SERVER : SIDE_FROM_CLIENT;
	good = fuzz_feed(&whole, role, bytes + 1, size - 1, 0);
	if (fuzz_feed(&pieces, role, bytes + 1, size - 1, bytes[0] + 1u) != good)
		abort();
	if (!record_equal(&whole, &pieces))
		abort();

	fuzz_relay(&relayed, role, bytes + 1, size - 1, bytes[0] & 2 ? size : bytes[0] + 1u);
	if (!fuzz_feed(&again, role, relayed.bytes, relayed.size, 0))
		abort();
	if (again.size > whole.size || (good && again.size != whole.size))
		abort();
	if (again.size > 0 && memcmp(again.bytes, whole.bytes, again.size) != 0)
		abort();
	record_done(&whole);
	record_done(&pieces);
	record_done(&relayed);
	record_done(&again);
	return 0;
}

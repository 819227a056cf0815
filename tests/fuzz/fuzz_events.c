/*
 * A stream of events says the same however it is cut, and what HTML 9.2.6 makes of it when it is
 * read as a whole, line by line. The first byte says how it is cut.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/side/events.h"

enum { FUZZ_SIZE_MAX = 4096, FUZZ_EVENT_END = 0x01, FUZZ_ENDPOINT_END = 0x02 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The data of all events, each followed by FUZZ_EVENT_END, or the other. */
struct fuzz_told {
	uint8_t bytes[2 * FUZZ_SIZE_MAX];
	size_t size;
};

static void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

static void fuzz_tell(struct fuzz_told *told, const void *bytes, size_t size)
{
	fuzz_require(size <= sizeof told->bytes - told->size);
	if (size > 0)
		memcpy(told->bytes + told->size, bytes, size);
	told->size += size;
}

static void fuzz_tell_byte(struct fuzz_told *told, uint8_t byte)
{
	fuzz_tell(told, &byte, 1);
}

/* ---- as a whole ---- */

/* What a line says if it is one of that field, whose name has name_size bytes. */
static bool fuzz_value_of(const uint8_t *line, size_t size, const char *field, size_t name_size,
	const uint8_t **value, size_t *value_size)
{
	const uint8_t *colon = memchr(line, ':', size);
	size_t name = colon != NULL ? (size_t)(colon - line) : size;

	if (name != name_size || memcmp(line, field, name_size) != 0)
		return false;
	name += colon != NULL;
	name += name < size && line[name] == ' ';
	*value = line + name;
	*value_size = size - name;
	return true;
}

static void fuzz_read(struct fuzz_told *told, const uint8_t *bytes, size_t size)
{
	const uint8_t *end = bytes + size, *line_end, *value;
	bool has_data = false, is_endpoint = false;
	size_t value_size, line_size;

	told->size = 0;
	if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		bytes += 3;
	while (bytes < end) {
		for (line_end = bytes; line_end < end && *line_end != '\r' && *line_end != '\n';)
			line_end++;
		line_size = (size_t)(line_end - bytes);
		if (fuzz_value_of(bytes, line_size, "data", 4, &value, &value_size)) {
			if (has_data && bytes + 4 < end) /* else a last word that says nothing */
				fuzz_tell_byte(told, '\n');
			fuzz_tell(told, value, value_size);
			has_data = true;
		} else if (fuzz_value_of(bytes, line_size, "event", 5, &value, &value_size)) {
			is_endpoint = value_size == 8 && memcmp(value, "endpoint", 8) == 0;
		} else if (line_size == 0) {
			if (has_data)
				fuzz_tell_byte(
					told, is_endpoint ? FUZZ_ENDPOINT_END : FUZZ_EVENT_END);
			has_data = is_endpoint = false;
		}
		bytes = line_end + (line_end < end);
		bytes += line_end + 1 < end && line_end[0] == '\r' && line_end[1] == '\n';
	}
	if (has_data) /* browsers drop it; here it is the answer of a server that left */
		fuzz_tell_byte(told, FUZZ_EVENT_END);
}

/* ---- in pieces ---- */

static void fuzz_take(
	struct events *events, struct fuzz_told *told, const uint8_t *bytes, size_t size)
{
	enum events_result result;
	const uint8_t *data;
	size_t data_size;

	while ((result = events_next(events, &bytes, &size, &data, &data_size)) != EVENTS_MORE) {
		if (result == EVENTS_DATA || result == EVENTS_WHOLE) {
			fuzz_require(data_size > 0);
			fuzz_tell(told, data, data_size);
		}
		if (result == EVENTS_LINE) {
			fuzz_tell_byte(told, '\n');
		} else if (result != EVENTS_DATA) {
			fuzz_tell_byte(told,
				result == EVENTS_ENDPOINT ? FUZZ_ENDPOINT_END : FUZZ_EVENT_END);
		}
	}
	fuzz_require(size == 0);
}

/* Each piece in memory of its own size. random: 0 for one piece. */
static void fuzz_feed(struct fuzz_told *told, const uint8_t *bytes, size_t size, uint32_t random)
{
	struct events events = {0};
	size_t piece;
	uint8_t *copy;

	told->size = 0;
	for (; size > 0; bytes += piece, size -= piece) {
		piece = random == 0 ? size : 1 + (random >> 16) % 17;
		random = random == 0 ? 0 : random * 1103515245 + 12345;
		piece = piece < size ? piece : size;
		copy = malloc(piece);
		fuzz_require(copy != NULL);
		memcpy(copy, bytes, piece);
		fuzz_take(&events, told, copy, piece);
		free(copy);
	}
	if (events_finish(&events))
		fuzz_tell_byte(told, FUZZ_EVENT_END);
}

static void fuzz_require_equal(const struct fuzz_told *told, const struct fuzz_told *other)
{
	fuzz_require(told->size == other->size);
	fuzz_require(memcmp(told->bytes, other->bytes, told->size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct fuzz_told read, whole, pieces;

	if (size == 0 || size > FUZZ_SIZE_MAX)
		return 0;
	fuzz_read(&read, bytes + 1, size - 1);
	fuzz_feed(&whole, bytes + 1, size - 1, 0);
	fuzz_feed(&pieces, bytes + 1, size - 1, bytes[0] + 1u);
	fuzz_require_equal(&whole, &read);
	fuzz_require_equal(&pieces, &read);
	return 0;
}

/*
 * Segments as bytes, and their names. What is read may be anything: a file that was cut off, one
 * with a flipped bit, one of somebody else. Nothing here can fail but by saying so.
 */
#include "exporter/spool/segment.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char segment_magic[8] = {'S', 'P', 'A', 'N', 'S', 'E', 'G', '1'};

/* Of a span there are at least ids, times and a name, however it is encoded. */
enum { SEGMENT_SPAN_BYTES_MIN = 16 };

static const char *const segment_suffixes[] = {
	[SEGMENT_FILE] = "segment", [SEGMENT_PART] = "part", [SEGMENT_BAD] = "bad"};

/* By half bytes: a table that is read at a glance, and faster than any disk. */
uint32_t segment_crc(const void *bytes, size_t size)
{
	static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
		0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6,
		0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
	const uint8_t *byte = bytes;
	uint32_t crc = UINT32_MAX;

	for (; size > 0; size--) {
		crc ^= *byte++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

static void segment_put(uint8_t *bytes, uint64_t number, size_t size)
{
	size_t i;

	assert(size == 4 || size == 8);
	for (i = 0; i < size; i++)
		bytes[i] = (uint8_t)(number >> 8 * i);
}

static uint64_t segment_get(const uint8_t *bytes, size_t size)
{
	uint64_t number = 0;

	assert(size == 4 || size == 8);
	while (size-- > 0)
		number = number << 8 | bytes[size];
	return number;
}

void segment_write_head(uint8_t bytes[SEGMENT_HEAD_SIZE], const struct segment_head *head)
{
	assert(head->encoding > 0 && head->span_count > 0);
	memcpy(bytes, segment_magic, sizeof segment_magic);
	segment_put(bytes + 8, head->encoding, 4);
	segment_put(bytes + 12, head->span_count, 4);
	segment_put(bytes + 16, head->time_unix_ms, 8);
	segment_put(bytes + 24, head->size, 8);
	segment_put(bytes + 32, head->crc, 4);
	segment_put(bytes + 36, segment_crc(bytes, 36), 4);
}

enum segment_outcome segment_read_head(
	struct segment_head *head, const uint8_t *bytes, size_t size, uint64_t file_size)
{
	struct segment_head found;
	size_t magic_size = size < sizeof segment_magic ? size : sizeof segment_magic;

	if (memcmp(bytes, segment_magic, magic_size) != 0)
		return SEGMENT_FOREIGN;
	if (size < SEGMENT_HEAD_SIZE)
		return SEGMENT_SHORT;
	if (segment_get(bytes + 36, 4) != segment_crc(bytes, 36))
		return SEGMENT_CORRUPT;
	found = (struct segment_head){
		.encoding = (uint32_t)segment_get(bytes + 8, 4),
		.span_count = (uint32_t)segment_get(bytes + 12, 4),
		.time_unix_ms = segment_get(bytes + 16, 8),
		.size = segment_get(bytes + 24, 8),
		.crc = (uint32_t)segment_get(bytes + 32, 4),
	};
	if (found.encoding == 0 || found.span_count == 0 ||
		found.size / SEGMENT_SPAN_BYTES_MIN < found.span_count)
		return SEGMENT_CORRUPT;
	if (file_size < SEGMENT_HEAD_SIZE || file_size - SEGMENT_HEAD_SIZE < found.size)
		return SEGMENT_SHORT;
	if (file_size - SEGMENT_HEAD_SIZE > found.size)
		return SEGMENT_LONG;
	*head = found;
	return SEGMENT_WHOLE;
}

enum segment_outcome segment_check(const struct segment_head *head, const void *batch)
{
	return segment_crc(batch, head->size) == head->crc ? SEGMENT_WHOLE : SEGMENT_CORRUPT;
}

const char *segment_why(enum segment_outcome outcome)
{
	static const char *const texts[] = {
		[SEGMENT_SHORT] = "it is cut off",
		[SEGMENT_LONG] = "it goes on behind its end",
		[SEGMENT_FOREIGN] = "it is no segment of this version",
		[SEGMENT_CORRUPT] = "a checksum does not hold",
	};

	assert(outcome != SEGMENT_WHOLE);
	return texts[outcome];
}

void segment_name(
	char name[SEGMENT_NAME_SIZE], enum segment_kind kind, unsigned slot, uint64_t number)
{
	assert(slot < SEGMENT_SLOTS && kind != SEGMENT_NO_FILE_OF_OURS);
	if (kind == SEGMENT_LOCK)
		(void)snprintf(name, SEGMENT_NAME_SIZE, "sidespan-%u.lock", slot); /* fits */
	else
		(void)snprintf(name, SEGMENT_NAME_SIZE, "sidespan-%u-%016" PRIx64 ".%s", slot,
			number, segment_suffixes[kind]); /* fits */
}

enum segment_kind segment_name_parse(const char *name, unsigned *slot, uint64_t *number)
{
	char again[SEGMENT_NAME_SIZE];
	unsigned long long parsed;
	unsigned kind;
	char *end;

	if (strncmp(name, "sidespan-", 9) != 0)
		return SEGMENT_NO_FILE_OF_OURS;
	parsed = strtoull(name + 9, &end, 10);
	if (parsed >= SEGMENT_SLOTS)
		return SEGMENT_NO_FILE_OF_OURS;
	*slot = (unsigned)parsed;
	*number = *end == '-' ? strtoull(end + 1, NULL, 16) : 0;
	/* what the library reads more generously does not come out the same */
	for (kind = SEGMENT_FILE; kind <= SEGMENT_LOCK; kind++) {
		segment_name(again, (enum segment_kind)kind, *slot, *number);
		if (strcmp(name, again) == 0)
			return (enum segment_kind)kind;
	}
	return SEGMENT_NO_FILE_OF_OURS;
}

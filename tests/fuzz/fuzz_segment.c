/*
 * A file as a segment, and as a name. One that is taken says what it says in one way only: written
 * again it has the same bytes. One of its bits flipped, or one byte less, it is taken no more.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/spool/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

static bool fuzz_is_segment(const uint8_t *bytes, size_t size, struct segment_head *head)
{
	size_t head_size = size < SEGMENT_HEAD_SIZE ? size : SEGMENT_HEAD_SIZE;

	if (segment_read_head(head, bytes, head_size, size) != SEGMENT_WHOLE)
		return false;
	fuzz_require(head->size == size - SEGMENT_HEAD_SIZE && head->span_count <= head->size);
	return segment_check(head, bytes + SEGMENT_HEAD_SIZE) == SEGMENT_WHOLE;
}

static void fuzz_segment(const uint8_t *bytes, size_t size)
{
	struct segment_head head;
	uint8_t again[SEGMENT_HEAD_SIZE], *broken;

	if (!fuzz_is_segment(bytes, size, &head))
		return;
	segment_write_head(again, &head);
	fuzz_require(memcmp(again, bytes, sizeof again) == 0);
	broken = malloc(size);
	fuzz_require(broken != NULL);
	memcpy(broken, bytes, size);
	broken[head.crc % size] ^= (uint8_t)(1 << head.crc / 7 % 8);
	fuzz_require(!fuzz_is_segment(broken, size, &head));
	free(broken);
	fuzz_require(!fuzz_is_segment(bytes, size - 1, &head));
}

/* A batch of any bytes comes back. */
static void fuzz_batch(const uint8_t *bytes, size_t size)
{
	struct segment_head head = {.encoding = 2, .span_count = 1, .size = size}, found;
	uint8_t *file = malloc(SEGMENT_HEAD_SIZE + size);

	fuzz_require(file != NULL);
	head.crc = segment_crc(bytes, size);
	segment_write_head(file, &head);
	if (size > 0)
		memcpy(file + SEGMENT_HEAD_SIZE, bytes, size);
	fuzz_require(fuzz_is_segment(file, SEGMENT_HEAD_SIZE + size, &found) == (size >= 16));
	free(file);
}

static void fuzz_name(const uint8_t *bytes, size_t size)
{
	char name[64], again[SEGMENT_NAME_SIZE];
	enum segment_kind kind;
	unsigned slot;
	uint64_t number;

	if (size >= sizeof name)
		return;
	if (size > 0)
		memcpy(name, bytes, size);
	name[size] = '\0';
	kind = segment_name_parse(name, &slot, &number);
	if (kind == SEGMENT_NO_FILE_OF_OURS)
		return;
	segment_name(again, kind, slot, number);
	fuzz_require(strcmp(name, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	fuzz_segment(bytes, size);
	fuzz_batch(bytes, size);
	fuzz_name(bytes, size);
	return 0;
}

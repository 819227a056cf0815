/* Segments: as written, as read, cut at every point, with every bit flipped; names. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/spool/segment.h"
#include "tests/unit/unit.h"

static const char payload[] = "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{}]}]}]}";

enum { PAYLOAD_SIZE = sizeof payload - 1, FILE_SIZE = SEGMENT_HEAD_SIZE + PAYLOAD_SIZE };

static const struct segment_head example = {
	.encoding = 1,
	.span_count = 3,
	.time_unix_ms = 0x0123456789abcdef,
	.size = PAYLOAD_SIZE,
};

/* A whole file. */
static void make(uint8_t file[FILE_SIZE])
{
	struct segment_head head = example;

	head.crc = segment_crc(payload, PAYLOAD_SIZE);
	segment_write_head(file, &head);
	memcpy(file + SEGMENT_HEAD_SIZE, payload, PAYLOAD_SIZE);
}

/* As the spool does it: the head first, then the batch. */
static enum segment_outcome read_file(const uint8_t *file, size_t size)
{
	struct segment_head head = {0};
	size_t head_size = size < SEGMENT_HEAD_SIZE ? size : SEGMENT_HEAD_SIZE;
	enum segment_outcome outcome = segment_read_head(&head, file, head_size, size);

	if (outcome != SEGMENT_WHOLE) {
		ck_assert_uint_eq(head.span_count, 0);
		return outcome;
	}
	return segment_check(&head, file + SEGMENT_HEAD_SIZE);
}

/* RFC 3720, appendix B.4, and the check value of the catalogue of CRCs. */
START_TEST(test_crc)
{
	uint8_t bytes[32];
	unsigned i;

	memset(bytes, 0, sizeof bytes);
	ck_assert_uint_eq(segment_crc(bytes, sizeof bytes), 0x8a9136aa);
	memset(bytes, 0xff, sizeof bytes);
	ck_assert_uint_eq(segment_crc(bytes, sizeof bytes), 0x62a8ab43);
	for (i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)i;
	ck_assert_uint_eq(segment_crc(bytes, sizeof bytes), 0x46dd794e);
	for (i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(31 - i);
	ck_assert_uint_eq(segment_crc(bytes, sizeof bytes), 0x113fdb5c);
	ck_assert_uint_eq(segment_crc("123456789", 9), 0xe3069283);
	ck_assert_uint_eq(segment_crc("", 0), 0);
}
END_TEST

/* The bytes are those that segment.h draws. */
START_TEST(test_head)
{
	static const uint8_t expected[36] = {'S', 'P', 'A', 'N', 'S', 'E', 'G', '1', 1, 0, 0, 0, 3,
		0, 0, 0, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01, PAYLOAD_SIZE, 0, 0, 0, 0,
		0, 0, 0, 0x44, 0x33, 0x22, 0x11};
	struct segment_head head = example, found = {0};
	uint8_t bytes[SEGMENT_HEAD_SIZE];
	uint32_t crc;

	head.crc = 0x11223344;
	segment_write_head(bytes, &head);
	ck_assert_mem_eq(bytes, expected, sizeof expected);
	crc = segment_crc(expected, sizeof expected);
	ck_assert_uint_eq(
		bytes[36] | bytes[37] << 8 | bytes[38] << 16 | (uint32_t)bytes[39] << 24, crc);
	ck_assert_int_eq(segment_read_head(&found, bytes, sizeof bytes, FILE_SIZE), SEGMENT_WHOLE);
	ck_assert_uint_eq(found.encoding, 1);
	ck_assert_uint_eq(found.span_count, 3);
	ck_assert_uint_eq(found.time_unix_ms, 0x0123456789abcdef);
	ck_assert_uint_eq(found.size, PAYLOAD_SIZE);
	ck_assert_uint_eq(found.crc, 0x11223344);
}
END_TEST

START_TEST(test_whole)
{
	uint8_t file[FILE_SIZE + 1] = {0};

	make(file);
	ck_assert_int_eq(read_file(file, FILE_SIZE), SEGMENT_WHOLE);
	ck_assert_int_eq(read_file(file, FILE_SIZE + 1), SEGMENT_LONG);
}
END_TEST

/* Cut off anywhere it is not read beyond its end, and said to be cut off. */
START_TEST(test_cut)
{
	uint8_t file[FILE_SIZE], *cut;
	size_t size;

	make(file);
	for (size = 0; size < FILE_SIZE; size++) {
		cut = unit_guard_copy(file, size);
		ck_assert_int_eq(read_file(cut, size), SEGMENT_SHORT);
		unit_guard_free(cut, size);
	}
}
END_TEST

/* No flipped bit is taken for what was written. */
START_TEST(test_flipped)
{
	uint8_t file[FILE_SIZE];
	size_t bit;

	make(file);
	for (bit = 0; bit < (size_t)8 * FILE_SIZE; bit++) {
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(
			read_file(file, FILE_SIZE), bit < 64 ? SEGMENT_FOREIGN : SEGMENT_CORRUPT);
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ck_assert_int_eq(read_file(file, FILE_SIZE), SEGMENT_WHOLE);
}
END_TEST

/* Heads with good checksums that say what we never say. */
static const struct {
	struct segment_head head;
	uint64_t file_size;
	enum segment_outcome outcome;
} odd_cases[] = {
	{{1, 1, 0, 16, 0}, 56, SEGMENT_WHOLE},
	{{UINT32_MAX, 1, UINT64_MAX, 16, UINT32_MAX}, 56, SEGMENT_WHOLE},
	{{1, 1, 0, 15, 0}, 55, SEGMENT_CORRUPT},
	{{1, 4, 0, 64, 0}, 104, SEGMENT_WHOLE},
	{{1, 5, 0, 64, 0}, 104, SEGMENT_CORRUPT},
	{{1, UINT32_MAX, 0, 64, 0}, 104, SEGMENT_CORRUPT},
	{{1, 1, 0, UINT64_MAX, 0}, 104, SEGMENT_SHORT},
	{{1, 1, 0, UINT64_MAX - 39, 0}, 0, SEGMENT_SHORT},
	{{1, 1, 0, 16, 0}, 39, SEGMENT_SHORT},
	{{1, 1, 0, 16, 0}, UINT64_MAX, SEGMENT_LONG},
};

START_TEST(test_odd)
{
	uint8_t bytes[SEGMENT_HEAD_SIZE];
	struct segment_head found;

	segment_write_head(bytes, &odd_cases[_i].head);
	ck_assert_int_eq(segment_read_head(&found, bytes, sizeof bytes, odd_cases[_i].file_size),
		odd_cases[_i].outcome);
}
END_TEST

START_TEST(test_zeros)
{
	struct segment_head found;
	uint8_t bytes[SEGMENT_HEAD_SIZE];
	unsigned i, byte;
	uint32_t crc;

	for (i = 8; i <= 12; i += 4) { /* no encoding, no spans */
		segment_write_head(bytes, &example);
		memset(bytes + i, 0, 4);
		crc = segment_crc(bytes, 36);
		for (byte = 0; byte < 4; byte++)
			bytes[36 + byte] = (uint8_t)(crc >> 8 * byte);
		ck_assert_int_eq(
			segment_read_head(&found, bytes, sizeof bytes, FILE_SIZE), SEGMENT_CORRUPT);
	}
}
END_TEST

START_TEST(test_why)
{
	ck_assert_str_eq(segment_why(SEGMENT_SHORT), "it is cut off");
	ck_assert_str_eq(segment_why(SEGMENT_LONG), "it goes on behind its end");
	ck_assert_str_eq(segment_why(SEGMENT_FOREIGN), "it is no segment of this version");
	ck_assert_str_eq(segment_why(SEGMENT_CORRUPT), "a checksum does not hold");
}
END_TEST

static const struct {
	enum segment_kind kind;
	unsigned slot;
	uint64_t number;
	const char *name;
} name_cases[] = {
	{SEGMENT_FILE, 0, 0, "sidespan-0-0000000000000000.segment"},
	{SEGMENT_FILE, 255, UINT64_MAX, "sidespan-255-ffffffffffffffff.segment"},
	{SEGMENT_PART, 7, 0xabc, "sidespan-7-0000000000000abc.part"},
	{SEGMENT_BAD, 10, 0x123456789abcdef0, "sidespan-10-123456789abcdef0.bad"},
	{SEGMENT_LOCK, 31, 0, "sidespan-31.lock"},
};

START_TEST(test_name)
{
	char name[SEGMENT_NAME_SIZE];
	unsigned slot = 999;
	uint64_t number = 999;

	segment_name(name, name_cases[_i].kind, name_cases[_i].slot, name_cases[_i].number);
	ck_assert_str_eq(name, name_cases[_i].name);
	ck_assert_int_eq(segment_name_parse(name, &slot, &number), name_cases[_i].kind);
	ck_assert_uint_eq(slot, name_cases[_i].slot);
	ck_assert_uint_eq(number, name_cases[_i].number);
}
END_TEST

static const char *const no_names[] = {
	"",
	".",
	"..",
	"README",
	"sidespan",
	"sidespan-",
	"sidespan-.lock",
	"sidespan-256.lock",
	"sidespan-00.lock",
	"sidespan--1.lock",
	"sidespan- 1.lock",
	"sidespan-1.lock.bad",
	"sidespan-1-0.lock",
	"sidespan-1-0000000000000000.lock",
	"Sidespan-1-0000000000000000.segment",
	"sidespan-1-000000000000000.segment",
	"sidespan-1-00000000000000000.segment",
	"sidespan-1-000000000000000A.segment",
	"sidespan-1-0x00000000000000.segment",
	"sidespan-1-g000000000000000.segment",
	"sidespan-1-0000000000000000.segments",
	"sidespan-1-0000000000000000segment",
	"sidespan-1-0000000000000000",
	"sidespan-99999999999999999999999-0000000000000000.segment",
	"sidespan-1-99999999999999999999999999999999999999.segment",
};

START_TEST(test_no_name)
{
	unsigned slot;
	uint64_t number;

	ck_assert_int_eq(segment_name_parse(no_names[_i], &slot, &number), SEGMENT_NO_FILE_OF_OURS);
}
END_TEST

#define ROWS(cases) ((int)(sizeof(cases) / sizeof *(cases)))

int main(void)
{
	TCase *tc = tcase_create("segment");

	tcase_add_test(tc, test_crc);
	tcase_add_test(tc, test_head);
	tcase_add_test(tc, test_whole);
	tcase_add_test(tc, test_cut);
	tcase_add_test(tc, test_flipped);
	tcase_add_loop_test(tc, test_odd, 0, ROWS(odd_cases));
	tcase_add_test(tc, test_zeros);
	tcase_add_test(tc, test_why);
	tcase_add_loop_test(tc, test_name, 0, ROWS(name_cases));
	tcase_add_loop_test(tc, test_no_name, 0, ROWS(no_names));
	return unit_run("segment", tc);
}

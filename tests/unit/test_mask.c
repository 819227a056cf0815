/* Masking against the definition, one byte at a time, for every size, alignment and phase. */
#include <string.h>

#include "proxy/side/mask.h"
#include "tests/unit/unit.h"

static const uint8_t test_key[4] = {0x37, 0xfa, 0x21, 0x3d};

static void test_fill(uint8_t *bytes, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i * 31 + 7);
}

static void test_expect(uint8_t *expected, const uint8_t *bytes, size_t size, uint32_t phase)
{
	size_t i;

	for (i = 0; i < size; i++)
		expected[i] = bytes[i] ^ test_key[(i + phase) % 4];
}

START_TEST(test_rfc_example)
{
	/* RFC 6455, 5.7: "Hello", masked */
	uint8_t bytes[] = {0x7f, 0x9f, 0x4d, 0x51, 0x58};

	mask_apply(bytes, sizeof bytes, test_key, 0);
	ck_assert_mem_eq(bytes, "Hello", 5);
}
END_TEST

START_TEST(test_sizes_and_phases)
{
	uint8_t source[100], expected[100], copy[100];
	size_t size, start;
	uint32_t phase;

	test_fill(source, sizeof source);
	for (size = 0; size <= 70; size++)
		for (start = 0; start < 9; start++)
			for (phase = 0; phase < 8; phase++) {
				uint8_t *guarded = unit_guard_copy(source + start, size);

				test_expect(expected, source + start, size, phase);
				memset(copy, 0, sizeof copy);
				mask_copy(copy, guarded, size, test_key, phase);
				ck_assert_mem_eq(copy, expected, size);
				ck_assert_uint_eq(copy[size], 0);
				mask_apply(guarded, size, test_key, phase);
				ck_assert_mem_eq(guarded, expected, size);
				unit_guard_free(guarded, size);
			}
}
END_TEST

START_TEST(test_pieces)
{
	uint8_t source[64], expected[64];
	size_t cut;

	for (cut = 0; cut <= sizeof source; cut++) {
		test_fill(source, sizeof source);
		test_expect(expected, source, sizeof source, 0);
		mask_apply(source, cut, test_key, 0);
		mask_apply(source + cut, sizeof source - cut, test_key, (uint32_t)cut);
		ck_assert_mem_eq(source, expected, sizeof source);
	}
}
END_TEST

/* Whether all is ASCII is told for every place of the byte that is not, unless it is too short. */
START_TEST(test_ascii)
{
	uint8_t source[100], masked[100];
	size_t size, odd;

	memset(source, 'x', sizeof source);
	for (size = 0; size <= sizeof source; size++)
		for (odd = 0; odd <= size; odd++) {
			uint8_t *guarded;

			if (odd < size)
				source[odd] = odd % 2 == 0 ? 0x80 : 0xff;
			test_expect(masked, source, size, 0);
			guarded = unit_guard_copy(masked, size);
			ck_assert_int_eq(mask_apply_ascii(guarded, size, test_key),
				odd == size && size >= 16);
			ck_assert_mem_eq(guarded, source, size);
			unit_guard_free(guarded, size);
			if (odd < size)
				source[odd] = 'x';
		}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("mask");

	tcase_add_test(tc, test_rfc_example);
	tcase_add_test(tc, test_sizes_and_phases);
	tcase_add_test(tc, test_pieces);
	tcase_add_test(tc, test_ascii);
	return unit_run("mask", tc);
}

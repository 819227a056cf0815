/* Digits of ids: every value of a byte at every place, against the C library's. */
#include <stdio.h>

#include "tests/unit/unit.h"
#include "w3c/hex.h"

enum { ID_MAX = 16 };

static void expect(const uint8_t *id, size_t size, const char *digits)
{
	char expected[2 * ID_MAX + 1];
	size_t i;

	for (i = 0; i < size; i++)
		snprintf(expected + 2 * i, 3, "%02x", id[i]);
	ck_assert_mem_eq(digits, expected, 2 * size);
}

static void check(const uint8_t *bytes, size_t size)
{
	uint8_t *id = unit_guard_copy(bytes, size);
	char text[2 * ID_MAX + 1];

	memset(text, '-', sizeof text);
	ck_assert_ptr_eq(hex_put(text, id, size), text + 2 * size);
	expect(id, size, text);
	ck_assert_int_eq(text[2 * size], '-');
	if (size == 8 || size == 16) {
		memset(text, '-', sizeof text);
		ck_assert_ptr_eq(hex_put_id(text, id, size), text + 2 * size);
		expect(id, size, text);
		ck_assert_int_eq(text[2 * size], '-');
	}
	unit_guard_free(id, size);
}

START_TEST(test_every_byte)
{
	uint8_t id[ID_MAX];
	size_t i;

	for (i = 0; i < sizeof id; i++)
		id[i] = (uint8_t)(_i + 37 * i);
	for (i = 0; i <= sizeof id; i++)
		check(id, i);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("hex");

	tcase_add_loop_test(tc, test_every_byte, 0, 256);
	return unit_run("hex", tc);
}

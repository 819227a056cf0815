/* Texts of every size up to well above the short ones, each next to unreadable memory. */
#include "proxy/trace/names/text.h"
#include "tests/unit/unit.h"

enum { SIZE_MAX_TESTED = 3 * TEXT_SHORT };

static void text_make(char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		text[i] = (char)('A' + i % 50);
}

START_TEST(test_copy)
{
	char text[SIZE_MAX_TESTED], to[SIZE_MAX_TESTED + 1];
	size_t size = (size_t)_i;
	uint8_t *from = NULL;

	text_make(text, sizeof text);
	from = unit_guard_copy(text, size);
	memset(to, '-', sizeof to);
	text_copy(to, (const char *)from, size);
	ck_assert_mem_eq(to, text, size);
	ck_assert_int_eq(to[size], '-'); /* and nothing behind it */
	unit_guard_free(from, size);
}
END_TEST

/* Equal until any one byte differs, which the block of it tells, too. */
START_TEST(test_equal)
{
	char text[SIZE_MAX_TESTED];
	size_t size = (size_t)_i, i;
	uint8_t *one, *other;

	text_make(text, sizeof text);
	one = unit_guard_copy(text, size);
	other = unit_guard_copy(text, size);
	ck_assert(text_equal((const char *)one, (const char *)other, size));
	for (i = 0; i < size; i++) {
		other[i] ^= 0x80;
		ck_assert(!text_equal((const char *)one, (const char *)other, size));
		if (size <= 16)
			ck_assert(!text_blocks_equal(text_block((const char *)one, size),
				text_block((const char *)other, size)));
		other[i] ^= 0x80;
	}
	unit_guard_free(one, size);
	unit_guard_free(other, size);
}
END_TEST

/* Every byte, the size and the seed have a say in the hash. */
START_TEST(test_hash)
{
	char text[SIZE_MAX_TESTED];
	size_t size = (size_t)_i, i;
	uint64_t hash;
	uint8_t *one;

	text_make(text, sizeof text);
	one = unit_guard_copy(text, size);
	hash = text_hash(7, (const char *)one, size);
	ck_assert_uint_eq(text_hash(7, text, size), hash);
	ck_assert_uint_ne(text_hash(8, text, size), hash);
	if (size > 0)
		ck_assert_uint_ne(text_hash(7, text, size - 1), hash);
	for (i = 0; i < size; i++) {
		one[i] ^= 0x80;
		ck_assert_uint_ne(text_hash(7, (const char *)one, size), hash);
		one[i] ^= 0x80;
	}
	unit_guard_free(one, size);
}
END_TEST

/* What is not there is not looked at. */
START_TEST(test_nothing)
{
	text_copy(NULL, NULL, 0);
	ck_assert(text_equal(NULL, NULL, 0));
	ck_assert_uint_eq(text_hash(7, NULL, 0), text_hash(7, "", 0));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("bytes");

	tcase_add_loop_test(tc, test_copy, 0, SIZE_MAX_TESTED + 1);
	tcase_add_loop_test(tc, test_equal, 0, SIZE_MAX_TESTED + 1);
	tcase_add_loop_test(tc, test_hash, 0, SIZE_MAX_TESTED + 1);
	tcase_add_test(tc, test_nothing);
	return unit_run("bytes", tc);
}

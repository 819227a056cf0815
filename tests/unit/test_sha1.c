/* SHA-1: the examples of RFC 3174, and what OpenSSL makes of texts of each size. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/side/sha1.h"
#include "tests/unit/unit.h"

/* RFC 3174, 7.3. */
static const struct {
	const char *text;
	size_t times;
	uint8_t digest[SHA1_SIZE];
} rows[] = {
	{"abc", 1,
		{0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50,
			0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d}},
	{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
		{0x84, 0x98, 0x3e, 0x44, 0x1c, 0x3b, 0xd2, 0x6e, 0xba, 0xae, 0x4a, 0xa1, 0xf9, 0x51,
			0x29, 0xe5, 0xe5, 0x46, 0x70, 0xf1}},
	{"a", 1000000,
		{0x34, 0xaa, 0x97, 0x3c, 0xd4, 0xc4, 0xda, 0xa4, 0xf6, 0x1e, 0xeb, 0x2b, 0xdb, 0xad,
			0x27, 0x31, 0x65, 0x34, 0x01, 0x6f}},
	{"0123456701234567012345670123456701234567012345670123456701234567", 10,
		{0xde, 0xa3, 0x56, 0xa2, 0xcd, 0xdd, 0x90, 0xc7, 0xa7, 0xec, 0xed, 0xc5, 0xeb, 0xb5,
			0x63, 0x93, 0x4f, 0x46, 0x04, 0x52}},
};

START_TEST(test_examples)
{
	size_t size = strlen(rows[_i].text), i;
	uint8_t *bytes = malloc(size * rows[_i].times), digest[SHA1_SIZE];

	for (i = 0; i < rows[_i].times; i++)
		memcpy(bytes + i * size, rows[_i].text, size);
	sha1(digest, bytes, size * rows[_i].times);
	ck_assert_mem_eq(digest, rows[_i].digest, sizeof digest);
	free(bytes);
}
END_TEST

/* The last block is full, or has no room for the size, or for the bit before it. */
START_TEST(test_sizes)
{
	uint8_t bytes[200], digest[SHA1_SIZE], expected[EVP_MAX_MD_SIZE];
	size_t size;

	for (size = 0; size < sizeof bytes; size++)
		bytes[size] = (uint8_t)(size * 37);
	for (size = 0; size <= sizeof bytes; size++) {
		uint8_t *at = unit_guard_copy(bytes, size);

		sha1(digest, at, size);
		unit_guard_free(at, size);
		ck_assert_int_eq(EVP_Digest(bytes, size, expected, NULL, EVP_sha1(), NULL), 1);
		ck_assert_msg(memcmp(digest, expected, sizeof digest) == 0, "of %zu bytes", size);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("sha1");

	tcase_add_loop_test(tc, test_examples, 0, sizeof rows / sizeof rows[0]);
	tcase_add_test(tc, test_sizes);
	return unit_run("sha1", tc);
}

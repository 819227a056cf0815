/* The reserve for OpenSSL: what it gets when there is no memory, and when it gets nothing. */
#include "proxy/side/openssl_memory.h"

#include <openssl/crypto.h>
#include <stdint.h>
#include <string.h>

#include "tests/unit/unit.h"

enum { SIZE = 100, MORE = 3000 };

static CRYPTO_malloc_fn take;
static CRYPTO_realloc_fn resize;
static CRYPTO_free_fn give_back;

/* Begins, and finds what OpenSSL allocates with from then on. */
static void begin(void)
{
	openssl_memory_begin();
	CRYPTO_get_mem_functions(&take, &resize, &give_back);
}

static uint8_t *filled(size_t size)
{
	uint8_t *block = take(size, "", 0);

	ck_assert_ptr_nonnull(block);
	ck_assert_uint_eq((uintptr_t)block % 16, 0);
	memset(block, 'x', size);
	return block;
}

static void is_filled(const uint8_t *block, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		ck_assert_msg(block[i] == 'x', "byte %zu", i);
}

/* With memory nothing comes out of the reserve. */
START_TEST(test_memory)
{
	uint8_t *block;

	begin();
	block = resize(filled(SIZE), MORE, "", 0);
	ck_assert_ptr_nonnull(block);
	is_filled(block, SIZE);
	give_back(resize(NULL, SIZE, "", 0), "", 0);
	give_back(NULL, "", 0);
	ck_assert_int_eq(unit_alloc_alive() > 0, 1);
	give_back(block, "", 0);
	ck_assert(openssl_memory_end());
}
END_TEST

/* Without, blocks of the reserve do not touch each other, and grow and shrink as others do. */
START_TEST(test_reserve)
{
	uint8_t *real, *first, *second, *grown, *shrunk;

	begin();
	real = filled(SIZE);
	unit_alloc_fail_after(0);
	first = take(SIZE, "", 0);
	second = take(1, "", 0);
	grown = resize(real, MORE, "", 0);
	unit_alloc_fail_never();
	ck_assert(first != NULL && second != NULL && grown != NULL);
	is_filled(grown, SIZE);
	memset(first, 'x', SIZE);
	memset(grown, 'x', MORE);
	*second = 'y';
	is_filled(first, SIZE);
	unit_alloc_fail_after(0);
	first = resize(first, MORE, "", 0);
	shrunk = resize(grown, SIZE, "", 0);
	unit_alloc_fail_never();
	ck_assert(first != NULL && shrunk != NULL);
	is_filled(first, SIZE);
	is_filled(shrunk, SIZE);
	memset(first, 'x', MORE);
	is_filled(shrunk, SIZE);
	ck_assert_int_eq(*second, 'y');
	shrunk = resize(shrunk, MORE, "", 0); /* out of the reserve */
	ck_assert_ptr_nonnull(shrunk);
	is_filled(shrunk, SIZE);
	give_back(shrunk, "", 0);
	give_back(first, "", 0);
	ck_assert(!openssl_memory_end());
	unit_alloc_fail_after(0);
	first = take(SIZE, "", 0);
	grown = resize(second, MORE, "", 0);
	unit_alloc_fail_never();
	ck_assert(first == NULL && grown == NULL); /* like everybody else */
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("openssl_memory");

	tcase_add_test(tc, test_memory);
	tcase_add_test(tc, test_reserve);
	return unit_run("openssl_memory", tc);
}

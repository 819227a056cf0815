/*
 * The reserve for OpenSSL; see openssl_memory.h. It is static and costs nothing until it is used:
 * then whoever starts us is told that there is no memory, and the little that was built on it is
 * gone with the process.
 */
#include "proxy/side/openssl_memory.h"

#include <assert.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OPENSSL_MEMORY_UNIT = 16, OPENSSL_MEMORY_SIZE = 2 << 20 }; /* bringing it up takes 0.5 MiB */

static _Alignas(OPENSSL_MEMORY_UNIT) uint8_t openssl_memory[OPENSSL_MEMORY_SIZE];
static size_t openssl_memory_used;
static bool openssl_memory_open;

static bool openssl_memory_has(const void *block)
{
	uintptr_t start = (uintptr_t)openssl_memory, at = (uintptr_t)block;

	return at >= start && at - start < sizeof openssl_memory;
}

/* A block, behind its size. */
static void *openssl_memory_take(size_t size)
{
	uint8_t *block = openssl_memory + openssl_memory_used + OPENSSL_MEMORY_UNIT;

	assert(size < OPENSSL_MEMORY_SIZE &&
		openssl_memory_used + size + 2 * OPENSSL_MEMORY_UNIT < OPENSSL_MEMORY_SIZE);
	memcpy(block - sizeof size, &size, sizeof size);
	openssl_memory_used += (size / OPENSSL_MEMORY_UNIT + 2) * OPENSSL_MEMORY_UNIT;
	return block;
}

static void *openssl_memory_malloc(size_t size, const char *file, int line)
{
	void *block = malloc(size);

	(void)file;
	(void)line;
	if (block != NULL || !openssl_memory_open)
		return block;
	return openssl_memory_take(size);
}

static void openssl_memory_free(void *block, const char *file, int line)
{
	(void)file;
	(void)line;
	if (!openssl_memory_has(block))
		free(block);
}

static void *openssl_memory_realloc(void *old, size_t size, const char *file, int line)
{
	void *block;
	size_t old_size;

	if (!openssl_memory_has(old)) {
		block = realloc(old, size);
		if (block != NULL || !openssl_memory_open)
			return block;
		old_size = malloc_usable_size(old);
	} else {
		memcpy(&old_size, (uint8_t *)old - sizeof old_size, sizeof old_size);
	}
	block = openssl_memory_malloc(size, file, line);
	if (block == NULL)
		return NULL;
	if (old_size > 0)
		memcpy(block, old, old_size < size ? old_size : size);
	openssl_memory_free(old, file, line);
	return block;
}

void openssl_memory_begin(void)
{
	/* refused when OpenSSL has allocated before: then it is up, and needs no reserve */
	(void)CRYPTO_set_mem_functions(
		openssl_memory_malloc, openssl_memory_realloc, openssl_memory_free);
	openssl_memory_open = true;
}

bool openssl_memory_end(void)
{
	openssl_memory_open = false;
	return openssl_memory_used == 0;
}

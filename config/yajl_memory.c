/*
 * Memory for yajl; see yajl_memory.h. Blocks are laid one behind the other and given back all at
 * once. What yajl 2.1.0 asks for: a handle, a lexer and two buffers, a few hundred bytes together;
 * a stack of the depth, which begins at 128 bytes and has one for each level; the text of an error;
 * and the bytes of the two buffers. Those begin at 2048 and are doubled until a token of the text
 * fits: the one for strings with escapes, where the doubled block is the youngest and grows in
 * place, and the one for a token that the end of the text cuts off, which is filled once.
 */
#include "config/yajl_memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	YAJL_MEMORY_ALIGNMENT = 16,
	YAJL_MEMORY_FIXED = 4096,  /* for all but the two buffers: 1 KiB on 64-bit machines */
	YAJL_MEMORY_BUFFER = 2048, /* YAJL_BUF_INIT_SIZE */
};

static void *yajl_memory_take(void *arg, size_t size)
{
	struct yajl_memory *memory = arg;
	size_t start = (memory->used + YAJL_MEMORY_ALIGNMENT - 1) / YAJL_MEMORY_ALIGNMENT *
		       YAJL_MEMORY_ALIGNMENT;

	/* our mistake: yajl would go on with what it was given */
	assert(start <= memory->size && size <= memory->size - start);
	memory->last = start;
	memory->used = start + size;
	return memory->bytes + start;
}

static void *yajl_memory_grow(void *arg, void *old, size_t size)
{
	struct yajl_memory *memory = arg;
	size_t start, end = memory->used;
	void *grown;

	if (old == NULL)
		return yajl_memory_take(arg, size);
	start = (size_t)((uint8_t *)old - memory->bytes);
	if (start == memory->last) {
		memory->used = start;
		return yajl_memory_take(arg, size);
	}
	grown = yajl_memory_take(arg, size);
	memcpy(grown, old,
		size < end - start ? size : end - start); /* its own, and more behind it */
	return grown;
}

static void yajl_memory_leave(void *arg, void *old)
{
	(void)arg;
	(void)old;
}

int yajl_memory_init(struct yajl_memory *memory, size_t text_size)
{
	size_t buffer = 2 * (text_size + 2); /* a power of two above what is in it */

	*memory = (struct yajl_memory){
		.functions =
			{
				.malloc = yajl_memory_take,
				.realloc = yajl_memory_grow,
				.free = yajl_memory_leave,
				.ctx = memory,
			},
	};
	if (text_size > SIZE_MAX / 8)
		return -1;
	if (buffer < YAJL_MEMORY_BUFFER)
		buffer = YAJL_MEMORY_BUFFER;
	memory->size = YAJL_MEMORY_FIXED + 2 * buffer;
	memory->bytes = malloc(memory->size);
	return memory->bytes != NULL ? 0 : -1;
}

void yajl_memory_done(struct yajl_memory *memory)
{
	free(memory->bytes);
}

#ifndef CONFIG_YAJL_MEMORY_H
#define CONFIG_YAJL_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include <yajl/yajl_common.h>

/*
 * What yajl works in. It uses what an allocation gives without a look (2.1.0), so that one which
 * fails is a crash: here all that it can want for a text is set aside before, and it never fails.
 */
struct yajl_memory {
	yajl_alloc_funcs functions; /* for yajl_alloc() */
	uint8_t *bytes;             /* owned */
	size_t size, used;
	size_t last; /* where the youngest block begins, which alone can grow and shrink */
};

#define YAJL_MEMORY_DEPTH_MAX 100 /* of objects and arrays; beyond it a callback must refuse */

/*
 * Sets memory aside for one parser, and for one text of so many bytes that is given to it in one
 * piece. 0, or -1: out of memory. Must stay where it is until yajl_free().
 */
int yajl_memory_init(struct yajl_memory *memory, size_t text_size);
void yajl_memory_done(struct yajl_memory *memory);

#endif

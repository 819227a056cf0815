#ifndef PROXY_MESSAGE_POINTERS_TREE_H
#define PROXY_MESSAGE_POINTERS_TREE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proxy/message/pointers.h"

/*
 * The compiled form of the pointers, for those who walk it (skim) or read it (envelope): a tree of
 * nodes, one per reference token. A node is known by its number, so that others can keep arrays
 * beside the tree.
 */
#define POINTERS_NONE      0 /* the number of no node: nothing below is wanted */
#define POINTERS_ROOT      1
#define POINTERS_TOKEN_MAX 255
#define POINTERS_BUCKETS   16

struct pointers_node {
	uint16_t parent;
	int16_t slot;       /* -1: only a way to others */
	uint16_t children;  /* how many */
	uint16_t next;      /* next node in the parent's bucket */
	uint32_t index_end; /* no element from this index on is wanted, if the value is an array */
	uint32_t token_size;
	size_t token;                     /* where the decoded token stands in pointers->tokens */
	uint16_t heads[POINTERS_BUCKETS]; /* first child of each bucket */
};

struct pointers {
	struct pointers_node *nodes; /* owned; [0] is unused, [1] the root */
	size_t nodes_count, nodes_size;
	char *tokens; /* owned; the decoded tokens one after the other */
	size_t tokens_used, tokens_size;
	size_t slots_count;
	uint16_t slot_nodes[POINTERS_SLOTS_MAX];
	size_t slot_bytes_max[POINTERS_SLOTS_MAX];
};

static inline size_t pointers_bucket(const void *key, size_t size)
{
	return size == 0 ? 0 : (*(const uint8_t *)key + size) % POINTERS_BUCKETS;
}

/* The child of node under a decoded key, or POINTERS_NONE. */
static inline uint16_t pointers_child(
	const struct pointers *pointers, uint16_t node, const void *key, size_t size)
{
	uint16_t child = pointers->nodes[node].heads[pointers_bucket(key, size)];

	while (child != POINTERS_NONE) {
		const struct pointers_node *candidate = &pointers->nodes[child];

		if (candidate->token_size == size &&
			memcmp(pointers->tokens + candidate->token, key, size) == 0)
			return child;
		child = candidate->next;
	}
	return POINTERS_NONE;
}

/* The child of node for the element at index of an array, or POINTERS_NONE. */
uint16_t pointers_element(const struct pointers *pointers, uint16_t node, uint32_t index);

#endif

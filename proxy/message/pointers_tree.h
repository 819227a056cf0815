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
	uint64_t word;                    /* the token's first bytes: see pointers_word() */
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

/* What pointers_word() and pointers_child() are where their quick way does not do. */
uint64_t pointers_word_short(const void *key, size_t size);
uint16_t pointers_child_long(const struct pointers *pointers, uint16_t child, uint64_t word,
	const void *key, size_t size);

/*
 * The first eight bytes of a key, or all and zeros: what most keys are told apart by. readable is
 * how many bytes may be looked at, size or more of them.
 */
static inline uint64_t pointers_word(const void *key, size_t size, size_t readable)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	if (readable >= sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, key, sizeof(word));
		return size >= sizeof(word) ? word : word & ((UINT64_C(1) << 8 * size) - 1);
	}
#endif
	return pointers_word_short(key, size);
}

static inline size_t pointers_bucket(uint64_t word)
{
	return word * UINT64_C(0x9e3779b97f4a7c15) >> 60; /* POINTERS_BUCKETS of them */
}

/* The child of node under a decoded key, or POINTERS_NONE. readable: see pointers_word(). */
static inline uint16_t pointers_child(const struct pointers *pointers,
	const struct pointers_node *node, const void *key, size_t size, size_t readable)
{
	uint64_t word = pointers_word(key, size, readable);
	uint16_t child = node->heads[pointers_bucket(word)];
	const struct pointers_node *candidate = &pointers->nodes[child];

	if (child == POINTERS_NONE ||
		(candidate->word == word && candidate->token_size == size && size <= sizeof(word)))
		return child;
	return pointers_child_long(pointers, child, word, key, size);
}

/* The child of node for the element at index of an array, or POINTERS_NONE. */
uint16_t pointers_element(
	const struct pointers *pointers, const struct pointers_node *node, uint32_t index);

#endif

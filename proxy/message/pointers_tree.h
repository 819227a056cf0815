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
	uint16_t heads[POINTERS_BUCKETS]; /* first child of each bucket */
	size_t token;                     /* where the decoded token stands in pointers->tokens */
	/* The token once more, for comparing words: its first 8 bytes and its last 8. */
	uint32_t token_size;
	uint32_t last_at; /* where its last 8 bytes begin; 0 if it has no more */
	uint64_t mask;    /* of the bytes that it has, at most 8 */
	uint64_t first, last;
	/* Sets of slots: its own, if it is one, and all that are neither here nor below. */
	uint64_t own[POINTERS_SLOTS_MAX / 64];
	uint64_t others[POINTERS_SLOTS_MAX / 64];
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

/* What pointers_child() is where its quick way does not do. */
uint16_t pointers_child_long(
	const struct pointers *pointers, uint16_t child, const void *key, size_t size);

static inline uint64_t pointers_word(const void *bytes, size_t at)
{
	uint64_t word;

	memcpy(&word, (const uint8_t *)bytes + at, sizeof(word));
	return word;
}

/* Most keys of a message are not wanted, and fall into an empty bucket. */
static inline size_t pointers_bucket(const void *key, size_t size)
{
	return size == 0 ? 0 : (*(const uint8_t *)key + size) % POINTERS_BUCKETS;
}

/*
 * The child of node under a decoded key, or POINTERS_NONE. readable is how many bytes may be looked
 * at, size or more of them.
 */
static inline uint16_t pointers_child(const struct pointers *pointers,
	const struct pointers_node *node, const void *key, size_t size, size_t readable)
{
	uint16_t child = node->heads[pointers_bucket(key, size)];
	const struct pointers_node *candidate = &pointers->nodes[child];

	if (child == POINTERS_NONE)
		return child;
	if (readable >= sizeof(uint64_t) && size == candidate->token_size &&
		size <= 2 * sizeof(uint64_t) &&
		(pointers_word(key, 0) & candidate->mask) == candidate->first &&
		(pointers_word(key, candidate->last_at) & candidate->mask) == candidate->last)
		return child;
	return pointers_child_long(pointers, child, key, size);
}

/* The child of node for the element at index of an array, or POINTERS_NONE. */
uint16_t pointers_element(
	const struct pointers *pointers, const struct pointers_node *node, uint32_t index);

#endif

#ifndef PROXY_MESSAGE_POINTERS_TREE_H
#define PROXY_MESSAGE_POINTERS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proxy/message/pointers.h"

/*
 * The compiled form of the pointers, for those who walk it (skim) or read it (envelope): a tree of
 * nodes, one per reference token. A node is known by its number, so that others can keep arrays
 * beside the tree.
 */
#define POINTERS_NONE      0 /* the number of no node */
#define POINTERS_ROOT      1
#define POINTERS_TOKEN_MAX 255
#define POINTERS_BUCKETS   32

struct pointers_node {
	/* The decoded token, for comparing words: its first 8 bytes and its last 8. */
	uint64_t first, last;
	uint64_t mask; /* of the bytes that it has, at most 8 */
	uint32_t token_size;
	uint16_t last_at; /* where its last 8 bytes begin; 0 if it has no more */
	uint16_t next;    /* next node in the parent's bucket */
	size_t token;     /* where the whole of it stands in pointers->tokens */
	uint16_t parent;
	int16_t slot;                     /* -1: only a way to others */
	uint16_t children;                /* how many */
	uint16_t heads[POINTERS_BUCKETS]; /* first child of each bucket */
	uint32_t index_end; /* no element from this index on is wanted, if the value is an array */
	size_t bytes_max;   /* of a slot: how much of its text is wanted */
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
};

static inline uint64_t pointers_word(const void *bytes, size_t at)
{
	uint64_t word;

	memcpy(&word, (const uint8_t *)bytes + at, sizeof(word));
	return word;
}

/* Most keys of a message are not wanted, and fall into an empty bucket. */
static inline size_t pointers_bucket(uint64_t first, size_t size)
{
	uint8_t bytes[sizeof(first)];

	memcpy(bytes, &first, sizeof(first));
	return (bytes[0] + size) % POINTERS_BUCKETS;
}

/* Whether the node's token is this key; 8 bytes at key may be looked at, the first are these. */
static inline bool pointers_token_is(const struct pointers *pointers,
	const struct pointers_node *node, const uint8_t *key, size_t size, uint64_t first)
{
	return size == node->token_size && (first & node->mask) == node->first &&
	       (pointers_word(key, node->last_at) & node->mask) == node->last &&
	       (size <= 2 * sizeof(uint64_t) ||
		       memcmp(pointers->tokens + node->token, key, size) == 0);
}

/* The node under a key among those that follow node in its bucket; NULL when it is not there. */
const struct pointers_node *pointers_child_after(const struct pointers *pointers,
	const struct pointers_node *node, const uint8_t *key, size_t size);

/*
 * The child of node under a decoded key, NULL when there is none. Eight bytes at key may be looked
 * at, however short it is; an empty one is followed by a quote.
 */
static inline const struct pointers_node *pointers_child_quick(const struct pointers *pointers,
	const struct pointers_node *node, const uint8_t *key, size_t size)
{
	uint64_t first = pointers_word(key, 0);
	uint16_t child = node->heads[pointers_bucket(first, size)];
	const struct pointers_node *candidate = &pointers->nodes[child];

	if (child == POINTERS_NONE)
		return NULL;
	if (pointers_token_is(pointers, candidate, key, size, first))
		return candidate;
	return pointers_child_after(pointers, candidate, key, size);
}

/* The same for a key that stands anywhere: nothing is looked at beyond its end. */
const struct pointers_node *pointers_child(const struct pointers *pointers,
	const struct pointers_node *node, const void *key, size_t size);

/* The child of node for the element at index of an array, NULL when there is none. */
const struct pointers_node *pointers_element(
	const struct pointers *pointers, const struct pointers_node *node, uint32_t index);

#endif

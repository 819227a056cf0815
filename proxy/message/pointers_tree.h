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
#define POINTERS_SHORT     16 /* bytes of a token that are compared as words */

/* Bits of what skim has to stop at: see place.h. */
#define POINTERS_FIRST   0x01 /* the carrier of the place that ours goes to */
#define POINTERS_FURTHER 0x02 /* that of another one */
#define POINTERS_CARRIER (POINTERS_FIRST | POINTERS_FURTHER)
#define POINTERS_SHARED  0x04 /* beside one of these: it is others', too */
#define POINTERS_HOLDER  0x08 /* what has carriers among its members */

/* A key, or a token: its first bytes, as many as there are and as fit. */
struct pointers_words {
	uint64_t low, high;
};

struct pointers_node {
	struct pointers_words first; /* of the decoded token */
	struct pointers_words mask;  /* of the bytes that it has there */
	uint32_t token_size;
	uint16_t next;     /* in the parent's bucket, as how many nodes after the parent; 0: none */
	uint16_t children; /* how many */
	size_t token;      /* where the whole of it stands in pointers->tokens */
	uint16_t parent;
	int16_t slot;                     /* -1: only a way to others */
	uint16_t heads[POINTERS_BUCKETS]; /* first of each bucket, like next */
	uint32_t index_end; /* no element from this index on is wanted, if the value is an array */
	bool only_last;     /* if it is one, nothing of it but the last element is wanted */
	uint8_t stops;      /* POINTERS_FIRST ... */
	bool whole;         /* of a slot: more of its text is wanted than the first word */
	size_t bytes_max;   /* the same: how much of it */
	size_t shown_max;   /* the same: of that, what may be shown */
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

static inline struct pointers_words pointers_words(const void *bytes)
{
	struct pointers_words words;

	memcpy(&words, bytes, sizeof(words));
	return words;
}

/* Most keys of a message are not wanted, and fall into an empty bucket. */
static inline size_t pointers_bucket(uint8_t first, size_t size)
{
	return (first + size) % POINTERS_BUCKETS;
}

/* Whether the node's token is a key of that size, or begins like it, as far as words go. */
static inline bool pointers_begins(
	const struct pointers_node *node, struct pointers_words key, size_t size)
{
	return size == node->token_size &&
	       (((key.low & node->mask.low) ^ node->first.low) |
		       ((key.high & node->mask.high) ^ node->first.high)) == 0;
}

/*
 * The child of node under a decoded key of at most POINTERS_SHORT bytes, NULL when there is none.
 * As many bytes at key may be looked at, however short it is; an empty one is followed by a quote.
 */
static inline const struct pointers_node *pointers_child_quick(
	const struct pointers_node *node, const uint8_t *key, size_t size)
{
	uint16_t next = node->heads[pointers_bucket(key[0], size)];

	for (; next != 0; next = node[next].next)
		if (pointers_begins(node + next, pointers_words(key), size))
			return node + next;
	return NULL;
}

/* The same for a key of any size, and nothing is looked at beyond its end. */
const struct pointers_node *pointers_child(const struct pointers *pointers,
	const struct pointers_node *node, const void *key, size_t size);

/*
 * The child of node for the element at index of an array: that of its number, else the one that
 * stands for the last element, as each is the last one until the next comes. NULL: there is none.
 */
const struct pointers_node *pointers_element(
	const struct pointers *pointers, const struct pointers_node *node, uint32_t index);

#endif

#ifndef PROXY_MESSAGE_SKIM_WALK_H
#define PROXY_MESSAGE_SKIM_WALK_H

#include "proxy/message/envelope_fill.h"
#include "proxy/message/skim.h"

/*
 * Where skim.c and skim_quick.c stand in a message, and in the tree of wanted pointers beside it;
 * for them alone. A container is live when something below it is wanted: then its node is that of
 * skim->level. What is not live is only checked.
 */
enum skim_state {
	SKIM_AFTER_MEMBER, /* comma or } */
	SKIM_KEY,          /* the quote of a key */
	SKIM_KEY_TEXT,     /* inside it */
	SKIM_COLON,
	SKIM_VALUE,
	SKIM_STRING, /* inside a string that is a value */
	SKIM_NUMBER,
	SKIM_LITERAL,
	SKIM_KEY_FIRST,     /* a key or } */
	SKIM_ELEMENT_FIRST, /* a value or ] */
	SKIM_AFTER_ELEMENT, /* comma or ] */
	SKIM_DONE,          /* only white space may follow */
};

/*
 * Reads on from skim->state while the text is as most is: nothing is cut, no escapes in keys, and
 * there is nothing to tell but the end of an envelope. Stops before anything else, with skim->state
 * and *at what skim_run() goes on with. The input has a block or more, and more than one byte from
 * *at on.
 */
enum skim_event skim_quick(struct skim *skim, const uint8_t **at, const uint8_t *end);

/* The node of the current container, NULL if it is not live. */
static inline const struct pointers_node *skim_here(const struct skim *skim)
{
	return skim->depth == skim->live_depth ? skim->level->node : NULL;
}

/* Whether something is to be told of the value at node. */
static inline bool skim_stops(const struct skim *skim, const struct pointers_node *node)
{
	return node != NULL && (node->stops & skim->stops) != 0;
}

/* What follows a value that has just ended. */
static inline enum skim_state skim_after(const struct skim *skim)
{
	return skim->after[skim->depth];
}

/* The object or array that just began is live; its level is that of its depth in the envelope. */
static inline void skim_go_down(struct skim *skim, const struct pointers_node *node)
{
	skim->live_depth = skim->depth;
	skim->level++;
	skim->level->node = node;
}

/* An object begins as the value at node (NULL: not wanted); its node, if it is live. */
static inline const struct pointers_node *skim_open_object(
	struct skim *skim, const struct pointers_node *node)
{
	uint32_t depth = ++skim->depth; /* <= SPLICE_DEPTH_MAX */

	skim->after[depth] = SKIM_AFTER_MEMBER;
	if (depth == skim->envelope_depth) {
		envelope_begin(skim->envelope);
		skim->level = skim->levels;
		node = &skim->pointers->nodes[POINTERS_ROOT];
	}
	if (node == NULL || node->children == 0)
		return NULL;
	skim_go_down(skim, node);
	return node;
}

/* The same for an array. */
static inline const struct pointers_node *skim_open_array(
	struct skim *skim, const struct pointers_node *node)
{
	uint32_t depth = ++skim->depth; /* <= SPLICE_DEPTH_MAX */

	skim->after[depth] = SKIM_AFTER_ELEMENT;
	if (depth == 1 && skim->envelope_depth == 1) { /* a batch */
		skim->envelope_depth = 2;
		skim->member_depth += skim->member_depth == 1;
	}
	if (node == NULL || node->index_end == 0)
		return NULL;
	skim_go_down(skim, node);
	skim->level->index = 0;
	if (node->only_last)
		skim->level->mark = envelope_mark(skim->envelope);
	return node;
}

/* The node of the current element of a live array. */
static inline const struct pointers_node *skim_element(const struct skim *skim)
{
	const struct skim_level *level = skim->level;

	return pointers_element(skim->pointers, level->node, level->index);
}

/* The same for the next one. */
static inline const struct pointers_node *skim_element_next(struct skim *skim)
{
	if (skim->level->index == skim->level->node->index_end)
		return NULL;
	skim->level->index++;
	if (skim->level->node->only_last) /* the one before was not the last */
		envelope_rewind(skim->envelope, skim->level->mark);
	return skim_element(skim);
}

/* An object or array ends. Returns whether it was an envelope. */
static inline bool skim_close(struct skim *skim)
{
	uint32_t depth = skim->depth--;

	if (depth != skim->live_depth)
		return false;
	skim->level--;
	skim->live_depth = depth - 1;
	if (depth != skim->envelope_depth)
		return false;
	skim->live_depth = 0;
	return true;
}

#endif

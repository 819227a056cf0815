/*
 * The tree of wanted JSON pointers. Built at start, one pointer after the other; a pointer is
 * decoded and judged whole before the tree is touched, so that a refused one leaves nothing behind.
 * Children are found by a hash of first byte and size: most keys of a message are not wanted, and
 * fall through an empty bucket.
 */
#include "proxy/message/pointers.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/message/pointers_tree.h"

#define POINTERS_INDEX_ANY UINT32_MAX /* all elements: each may be the last */

struct pointers_path {
	size_t count;
	uint16_t sizes[POINTERS_DEPTH_MAX];
	uint8_t text[POINTERS_DEPTH_MAX * POINTERS_TOKEN_MAX]; /* tokens one after the other */
	size_t text_used;
};

/* Reads one token up to the next slash; returns its end, NULL when it is not valid. */
static const char *pointers_decode_token(struct pointers_path *path, const char *at)
{
	size_t size = 0;

	for (; *at != '\0' && *at != '/'; at++) {
		uint8_t byte = (uint8_t)*at;

		if (byte == '~') {
			at++;
			if (*at != '0' && *at != '1')
				return NULL;
			byte = *at == '0' ? '~' : '/';
		}
		if (size++ == POINTERS_TOKEN_MAX)
			return NULL;
		path->text[path->text_used++] = byte;
	}
	path->sizes[path->count++] = (uint16_t)size;
	return at;
}

static int pointers_decode(struct pointers_path *path, const char *pointer)
{
	path->count = 0;
	path->text_used = 0;
	while (*pointer == '/') {
		if (path->count == POINTERS_DEPTH_MAX)
			return -1;
		pointer = pointers_decode_token(path, pointer + 1);
		if (pointer == NULL)
			return -1;
	}
	return *pointer == '\0' ? 0 : -1;
}

/* One more than the array index that a token is (RFC 6901, section 4), 0 when it is none. */
static uint32_t pointers_index_end(const uint8_t *token, size_t size)
{
	uint32_t index = 0;
	size_t i;

	if (size == 0 || size > 9 || (size > 1 && token[0] == '0'))
		return 0;
	for (i = 0; i < size; i++) {
		if (token[i] < '0' || token[i] > '9')
			return 0;
		index = index * 10 + (uint32_t)(token[i] - '0');
	}
	return index + 1;
}

static void *pointers_grow(void *array, size_t *size, size_t needed, size_t each)
{
	void *grown = array;

	if (needed > *size) {
		grown = realloc(array, needed * 2 * each);
		if (grown != NULL)
			*size = needed * 2;
	}
	return grown;
}

/* Makes room for the nodes of path, all of which may be new. */
static int pointers_reserve(struct pointers *pointers, const struct pointers_path *path)
{
	struct pointers_node *nodes;
	char *tokens;

	nodes = pointers_grow(pointers->nodes, &pointers->nodes_size,
		pointers->nodes_count + path->count, sizeof(*nodes));
	if (nodes == NULL)
		return -1;
	pointers->nodes = nodes;
	tokens = pointers_grow(pointers->tokens, &pointers->tokens_size,
		pointers->tokens_used + path->text_used + 1, sizeof(*tokens));
	if (tokens == NULL)
		return -1;
	pointers->tokens = tokens;
	return 0;
}

/* The bytes of a token in the form in which pointers_begins() compares them. */
static void pointers_set_token(
	struct pointers *pointers, struct pointers_node *node, const uint8_t *token, uint32_t size)
{
	size_t begin = size < POINTERS_SHORT ? size : POINTERS_SHORT;

	node->token = pointers->tokens_used;
	node->token_size = size;
	memset(&node->mask, 0xff, begin);
	memcpy(&node->first, token, begin);
	memcpy(pointers->tokens + pointers->tokens_used, token, size); /* pointers_reserve() */
	pointers->tokens_used += size;
}

/* The bucket of a key as pointers_child_quick() has it, without what follows in a message. */
static size_t pointers_key_bucket(const uint8_t *key, size_t size)
{
	return pointers_bucket(size > 0 ? key[0] : '"', size);
}

static uint16_t pointers_add_node(
	struct pointers *pointers, uint16_t parent, const uint8_t *token, uint32_t size)
{
	uint16_t number = (uint16_t)pointers->nodes_count++;
	struct pointers_node *above = &pointers->nodes[parent];
	struct pointers_node *node = &pointers->nodes[number];
	uint16_t *head;
	uint32_t index_end = pointers_index_end(token, size);

	*node = (struct pointers_node){.parent = parent, .slot = -1};
	memset(node->others, 0xff, sizeof(node->others));
	pointers_set_token(pointers, node, token, size);
	head = &above->heads[pointers_key_bucket(token, size)];
	node->next = *head;
	*head = (uint16_t)(number - parent);
	above->children++;
	if (size == 1 && token[0] == '-')
		index_end = POINTERS_INDEX_ANY;
	if (above->index_end < index_end)
		above->index_end = index_end;
	above->only_last = above->children == 1 && index_end == POINTERS_INDEX_ANY;
	return number;
}

struct pointers *pointers_new(void)
{
	struct pointers *pointers = calloc(1, sizeof(*pointers));

	if (pointers == NULL)
		return NULL;
	pointers->nodes_size = 32;
	pointers->nodes = calloc(pointers->nodes_size, sizeof(*pointers->nodes));
	if (pointers->nodes == NULL) {
		pointers_free(pointers);
		return NULL;
	}
	pointers->nodes[POINTERS_ROOT].slot = -1;
	memset(pointers->nodes[POINTERS_ROOT].others, 0xff,
		sizeof(pointers->nodes[POINTERS_ROOT].others));
	pointers->nodes_count = POINTERS_ROOT + 1;
	return pointers;
}

void pointers_free(struct pointers *pointers)
{
	if (pointers == NULL)
		return;
	free(pointers->nodes);
	free(pointers->tokens);
	free(pointers);
}

/* Follows path from *node as far as the tree goes; returns how many tokens that were. */
static size_t pointers_follow(
	const struct pointers *pointers, const struct pointers_path *path, uint16_t *node)
{
	const uint8_t *token = path->text;
	const struct pointers_node *child;
	size_t i;

	for (i = 0; i < path->count; i++) {
		child = pointers_child(pointers, &pointers->nodes[*node], token, path->sizes[i]);
		if (child == NULL)
			break;
		token += path->sizes[i];
		*node = (uint16_t)(child - pointers->nodes);
	}
	return i;
}

/* The next slot, for the value at node. */
static int pointers_make_slot(struct pointers *pointers, uint16_t node)
{
	size_t slot = pointers->slots_count++;

	pointers->slot_nodes[slot] = node;
	pointers->nodes[node].slot = (int16_t)slot;
	pointers->nodes[node].own[slot / 64] = UINT64_C(1) << (slot % 64);
	for (; node != POINTERS_NONE; node = pointers->nodes[node].parent)
		pointers->nodes[node].others[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	return (int)slot;
}

/* A new slot for path, of which the first known tokens lead to node. */
static int pointers_add_slot(
	struct pointers *pointers, const struct pointers_path *path, size_t known, uint16_t node)
{
	const uint8_t *token = path->text;
	size_t i;

	if (pointers->slots_count == POINTERS_SLOTS_MAX || pointers_reserve(pointers, path) != 0)
		return -1;
	for (i = 0; i < path->count; i++) {
		if (i >= known)
			node = pointers_add_node(pointers, node, token, path->sizes[i]);
		token += path->sizes[i];
	}
	return pointers_make_slot(pointers, node);
}

int pointers_add_hidden(struct pointers *pointers, const char *pointer, size_t bytes_max)
{
	struct pointers_path path;
	uint16_t node = POINTERS_ROOT;
	size_t known;
	int slot = -1;

	if (pointers_decode(&path, pointer) != 0)
		return -1;
	known = pointers_follow(pointers, &path, &node);
	if (known == path.count)
		slot = pointers->nodes[node].slot;
	if (slot < 0)
		slot = pointers_add_slot(pointers, &path, known, node);
	if (slot < 0)
		return slot;
	node = pointers->slot_nodes[slot];
	if (pointers->nodes[node].bytes_max < bytes_max)
		pointers->nodes[node].bytes_max = bytes_max;
	return slot;
}

int pointers_add_word(struct pointers *pointers, const char *pointer, size_t bytes_max)
{
	int slot = pointers_add_hidden(pointers, pointer, bytes_max);
	struct pointers_node *node;

	if (slot < 0)
		return slot;
	node = &pointers->nodes[pointers->slot_nodes[slot]];
	if (node->shown_max < bytes_max)
		node->shown_max = bytes_max;
	return slot;
}

int pointers_add(struct pointers *pointers, const char *pointer, size_t bytes_max)
{
	int slot = pointers_add_word(pointers, pointer, bytes_max);

	assert(pointers->slots_count <= POINTERS_SLOTS_MAX);
	if (slot >= 0 && bytes_max > 0)
		pointers->nodes[pointers->slot_nodes[slot]].whole = true;
	return slot;
}

size_t pointers_count(const struct pointers *pointers)
{
	return pointers->slots_count;
}

const struct pointers_node *pointers_child(const struct pointers *pointers,
	const struct pointers_node *node, const void *key, size_t size)
{
	uint16_t next = node->heads[pointers_key_bucket(key, size)];
	uint8_t begin[POINTERS_SHORT] = {0};

	memcpy(begin, key, size < sizeof(begin) ? size : sizeof(begin));
	for (; next != 0; next = node[next].next)
		if (pointers_begins(node + next, pointers_words(begin), size) &&
			memcmp(pointers->tokens + node[next].token, key, size) == 0)
			return node + next;
	return NULL;
}

const struct pointers_node *pointers_element(
	const struct pointers *pointers, const struct pointers_node *node, uint32_t index)
{
	const struct pointers_node *child;
	uint8_t digits[10];
	size_t at = sizeof(digits);

	if (index >= node->index_end)
		return NULL;
	if (node->only_last)
		return pointers_child(pointers, node, "-", 1);
	do {
		digits[--at] = (uint8_t)('0' + index % 10);
		index /= 10;
	} while (index > 0);
	child = pointers_child(pointers, node, digits + at, sizeof(digits) - at);
	if (child == NULL && node->index_end == POINTERS_INDEX_ANY)
		child = pointers_child(pointers, node, "-", 1);
	return child;
}

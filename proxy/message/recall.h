#ifndef PROXY_MESSAGE_RECALL_H
#define PROXY_MESSAGE_RECALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/message/skim.h"

/*
 * Beginnings of messages, and what they say. The notifications of a stream are alike but for their
 * last text: method, thread, turn and item are read once, and one that begins with the same bytes
 * is read from behind them. Saves 480 of the 2,360 instructions a message that w4 took.
 */
#define RECALL_COUNT      4  /* beginnings: of so many streams at once */
#define RECALL_BYTES_MIN  48 /* of a beginning: fewer are read as quickly */
#define RECALL_BYTES_MAX  256
#define RECALL_VALUES_MAX 12
#define RECALL_DEPTH_MAX  3

/* A value that a beginning has. */
struct recall_value {
	struct envelope_value value;
	uint16_t slot;
	uint16_t from; /* where in the message its text is, if it has one */
};

/* A beginning, up to the colon behind a key, and how skim and its envelope are there. */
struct recall_entry {
	size_t size;   /* 0: none */
	uint64_t mark; /* of its bytes */
	const struct pointers_node *next;
	const struct pointers_node *nodes[1 + RECALL_DEPTH_MAX];
	uint8_t depth, live_depth;
	uint64_t present[POINTERS_SLOTS_MAX / 64];
	size_t texts_size;
	size_t value_count;
	struct recall_value values[RECALL_VALUES_MAX];
	uint8_t bytes[RECALL_BYTES_MAX];
};

struct recall {
	struct recall_entry entries[RECALL_COUNT];
	size_t turn;                      /* the entry that makes way next */
	bool known;                       /* the beginning of the message that is read was */
	size_t former_size;               /* of the last message that was not recalled */
	uint8_t former[RECALL_BYTES_MAX]; /* its first bytes */
};

/*
 * At the beginning of a message that is all there: how many of its bytes need not be read, as skim
 * and its envelope are behind them then. 0: its beginning is not known.
 */
size_t recall_begin(struct recall *recall, struct skim *skim, const uint8_t *bytes, size_t size);

/*
 * A message whose beginning was not known was read to its end, and is one that others may be like:
 * learns what it has in common with the one before. What skim and its envelope say is lost.
 */
void recall_learn(struct recall *recall, struct skim *skim, const uint8_t *bytes, size_t size);

#endif

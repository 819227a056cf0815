#ifndef PROXY_MESSAGE_SKIM_TOKENS_H
#define PROXY_MESSAGE_SKIM_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/message/skim.h"

/* What skim.c and skim_quick.c read tokens with; for them alone. */

/* Bits of skim->hard: why the text of a key or a value cannot be taken from where it stands. */
enum {
	SKIM_HARD_PIECES = 1, /* pieces of it have been taken already */
	SKIM_HARD_ESCAPE = 2, /* there is a backslash in it */
};

/*
 * Where the first stop is from p on (see skim_block.h), for a text that has none for a while; end
 * when there is none. The input has a block or more.
 */
const uint8_t *skim_text_far(const uint8_t *p, const uint8_t *end);

/*
 * Reads on inside a string: to its closing quote, to end, or NULL for what may not be in one. The
 * input began at start, at most at p.
 */
const uint8_t *skim_text_on(
	struct skim *skim, const uint8_t *start, const uint8_t *p, const uint8_t *end);

/* The same for a string that was begun in an earlier piece. */
const uint8_t *skim_text_again(struct skim *skim, const uint8_t *start, const uint8_t *end);

/* The first byte that is not part of the number, or end. */
const uint8_t *skim_number(struct skim *skim, const uint8_t *p, const uint8_t *end);

/* Whether a number in this state (enum skim_number_state) may end. */
bool skim_number_complete(uint8_t state);

/* The literal's bytes after its first; the byte after them, end, or NULL when it is another. */
const uint8_t *skim_literal(struct skim *skim, const uint8_t *p, const uint8_t *end);

#endif

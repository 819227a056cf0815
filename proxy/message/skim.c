/*
 * The scanner: a state machine over bytes that can be left and entered again at any of them.
 *
 * Most of what passes is text inside strings, which goes by in blocks (skim_block.h), and keys that
 * nobody wants. So the states follow each other in the order in which they usually come, and all
 * that is done for wanted values lies behind one comparison: the depth against live_depth for keys
 * and commas, next against POINTERS_NONE for values, capture for the ends of strings and numbers.
 *
 * Nothing here can fail but by the input; what cannot be kept of a wanted value is noted in the
 * envelope.
 */
#include "proxy/message/skim.h"

#include <string.h>

#include "proxy/message/envelope_fill.h"
#include "proxy/message/skim_block.h"
#include "proxy/message/skim_tables.h"

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

#define SKIM_NO_DEPTH      UINT32_MAX
#define SKIM_ESCAPE_LETTER 5 /* skim->escape after the backslash; below: hex digits to come */

/* Why the text of a key or a value cannot be taken from where it stands. */
enum {
	SKIM_HARD_PIECES = 1, /* pieces of it have been taken already */
	SKIM_HARD_ESCAPE = 2, /* there is a backslash in it */
};

/* Whether the number may end here. */
static bool skim_number_complete(uint8_t state)
{
	return state == SKIM_NUMBER_ZERO || state == SKIM_NUMBER_INTEGER ||
	       state == SKIM_NUMBER_FRACTION || state == SKIM_NUMBER_EXPONENT;
}

/* The first byte that is not part of the number, or end. */
static inline const uint8_t *skim_number(struct skim *skim, const uint8_t *p, const uint8_t *end)
{
	uint8_t state = skim->number, next;

	for (; p < end; p++) {
		next = skim_number_next[state][skim_number_byte[*p]];
		if (next == SKIM_NUMBER_STOP)
			break;
		state = next;
		if (skim_number_complete(state) && state != SKIM_NUMBER_ZERO)
			while (p + 1 < end && p[1] >= '0' && p[1] <= '9')
				p++;
	}
	skim->number = state;
	return p;
}

static const uint8_t *skim_blank(const uint8_t *p, const uint8_t *end)
{
	while (p < end && (skim_class[*p] & SKIM_IS_BLANK) != 0)
		p++;
	return p;
}

/* The byte at p is wrong. */
static const uint8_t *skim_refuse(struct skim *skim, const uint8_t *p)
{
	skim->bad = p;
	return NULL;
}

/* Goes on in an escape: the byte after it, end, or NULL when it is none. */
static const uint8_t *skim_escape_rest(struct skim *skim, const uint8_t *p, const uint8_t *end)
{
	for (; p < end && skim->escape > 0; p++) {
		if (skim->escape < SKIM_ESCAPE_LETTER) {
			if ((skim_class[*p] & SKIM_IS_HEX) == 0)
				return skim_refuse(skim, p);
			skim->escape--;
		} else if (*p == 'u') {
			skim->escape = 4;
		} else {
			if ((skim_class[*p] & SKIM_IS_LETTER) == 0)
				return skim_refuse(skim, p);
			skim->escape = 0;
		}
	}
	return p;
}

static const uint8_t *skim_escape_long(struct skim *skim, const uint8_t *p, const uint8_t *end)
{
	if (end - p >= 6 && p[1] == 'u' &&
		(skim_class[p[2]] & skim_class[p[3]] & skim_class[p[4]] & skim_class[p[5]] &
			SKIM_IS_HEX) != 0)
		return p + 6;
	skim->escape = SKIM_ESCAPE_LETTER;
	return skim_escape_rest(skim, p + 1, end);
}

/* At a byte that is not plain text, nor a quote: the byte after the escape, end, or NULL. */
static inline const uint8_t *skim_escape(struct skim *skim, const uint8_t *p, const uint8_t *end)
{
	if (*p != '\\')
		return skim_refuse(skim, p);
	if (end - p >= 2 && (skim_class[p[1]] & SKIM_IS_LETTER) != 0)
		return p + 2;
	return skim_escape_long(skim, p, end);
}

/*
 * The stops of the block at *p, and *p behind it. Where fewer bytes are left than a block has, the
 * last whole block of the input is looked at instead, if there is one.
 */
static inline uint64_t skim_block_stops_at(
	const uint8_t *start, const uint8_t **p, const uint8_t *end)
{
	const uint8_t *block = *p;
	size_t left = (size_t)(end - block);

	if (left >= SKIM_BLOCK) {
		*p = block + SKIM_BLOCK;
		return skim_block_stops(block);
	}
	*p = end;
	if (end - start < SKIM_BLOCK)
		return skim_block_few(block, left);
	return skim_block_stops(end - SKIM_BLOCK) >> ((SKIM_BLOCK - left) * SKIM_STRIDE);
}

/*
 * Reads on inside a string: to its closing quote, to end, or NULL for what may not be in one. The
 * input began at start. Block by block; every stop of a block is visited without
 * reading it again, so that text full of escapes goes by quickly, too.
 */
static const uint8_t *skim_text_on(
	struct skim *skim, const uint8_t *start, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *block, *stop;
	uint64_t stops;
	bool escaped = false;

	while (p != NULL && p < end) {
		block = p;
		stops = skim_block_stops_at(start, &p, end);
		while (stops != 0) {
			stop = block + skim_block_first(stops);
			if (*stop == '"') {
				p = stop;
				goto out;
			}
			escaped = true;
			stop = skim_escape(skim, stop, end);
			if (stop == NULL || stop >= p) {
				p = stop;
				break;
			}
			stops = skim_block_after(stops, (unsigned)(stop - block));
		}
	}
out:
	if (escaped)
		skim->hard |= SKIM_HARD_ESCAPE;
	return p;
}

/* The same for a string that was begun in an earlier piece. */
static const uint8_t *skim_text_again(struct skim *skim, const uint8_t *start, const uint8_t *end)
{
	const uint8_t *p = start;

	if (skim->escape > 0)
		p = skim_escape_rest(skim, p, end);
	return skim_text_on(skim, start, p, end);
}

/* A piece of a key that cannot be compared where it stands. */
static void skim_key_add(struct skim *skim, const uint8_t *piece, const uint8_t *end)
{
	if ((skim->hard & SKIM_HARD_PIECES) == 0) {
		unescape_init(&skim->key_text);
		skim->key_size = 0;
		skim->hard |= SKIM_HARD_PIECES;
	}
	skim->key_size += unescape_piece(&skim->key_text, skim->key + skim->key_size,
		sizeof(skim->key) - skim->key_size, piece, (size_t)(end - piece));
}

static inline const struct pointers_node *skim_node(const struct skim *skim, uint16_t number)
{
	return number == POINTERS_NONE ? NULL : &skim->pointers->nodes[number];
}

/* The node of a key that was put together of pieces. */
static const struct pointers_node *skim_key_find(struct skim *skim)
{
	skim->key_size =
		unescape_finish(&skim->key_text, skim->key, skim->key_size, sizeof(skim->key));
	if (skim->key_text.cut)
		return NULL;
	return skim_node(skim, pointers_child(skim->pointers, skim->level->node, skim->key,
				       skim->key_size, sizeof(skim->key)));
}

/* The current key, in an object with wanted members, leads to the node next. */
static inline void skim_key_found(struct skim *skim, const struct pointers_node *next)
{
	skim->next = next;
	if (next != skim->carrier && skim->depth == skim->envelope_depth)
		skim->member_from = SKIM_NOWHERE;
}

/* A wanted value begins; texts are entered when they end. */
static inline void skim_value_enter(struct skim *skim, enum json_type type)
{
	int16_t slot = skim->next->slot;

	if ((type == JSON_STRING || type == JSON_NUMBER) && slot >= 0)
		skim->capture = slot;
	else
		envelope_enter(skim->envelope, skim->next, type);
	skim->hard = 0;
}

static void skim_capture_add(struct skim *skim, const uint8_t *piece, const uint8_t *end)
{
	if ((skim->hard & SKIM_HARD_PIECES) == 0)
		envelope_text_begin(skim->envelope);
	skim->hard |= SKIM_HARD_PIECES;
	envelope_text_add(skim->envelope, skim->capture, piece, (size_t)(end - piece));
}

/* A wanted string or number ends before end. */
static void skim_capture_end(
	struct skim *skim, enum json_type type, const uint8_t *piece, const uint8_t *end)
{
	if (skim->hard == 0) {
		envelope_put(skim->envelope, skim->capture, type, piece, (size_t)(end - piece));
	} else {
		skim_capture_add(skim, piece, end);
		envelope_text_end(skim->envelope, skim->capture, type);
	}
	skim->capture = -1;
}

/* A wanted string or number stands between text and text_end as it is. */
static inline void skim_value_take(struct skim *skim, enum json_type type, const uint8_t *text,
	const uint8_t *text_end, const uint8_t *end)
{
	if (skim->next->slot >= 0)
		envelope_put_quick(skim->envelope, skim->next, type, text,
			(size_t)(text_end - text), (size_t)(end - text));
	else
		envelope_enter(skim->envelope, skim->next, type);
}

static inline bool skim_in_object(const struct skim *skim)
{
	return (skim->objects[skim->depth / 64] >> (skim->depth % 64) & 1) != 0;
}

/* The object or array that just began has wanted members. */
static inline void skim_go_down(struct skim *skim, const struct pointers_node *node)
{
	skim->live_depth = skim->depth;
	skim->level = &skim->levels[skim->depth - skim->envelope_depth];
	skim->level->node = node;
}

/* An object begins; false when that is too deep. */
static inline bool skim_open_object(struct skim *skim)
{
	uint32_t depth = skim->depth + 1;
	const struct pointers_node *node = skim->next;

	if (depth > SPLICE_DEPTH_MAX)
		return false;
	skim->depth = depth;
	skim->objects[depth / 64] |= UINT64_C(1) << (depth % 64);
	skim->after = SKIM_AFTER_MEMBER;
	skim->next = NULL;
	if (depth == skim->envelope_depth) {
		envelope_begin(skim->envelope);
		node = &skim->pointers->nodes[POINTERS_ROOT];
	}
	if (node != NULL && node->children > 0)
		skim_go_down(skim, node);
	return true;
}

/* An array begins; false when that is too deep. */
static inline bool skim_open_array(struct skim *skim)
{
	uint32_t depth = skim->depth + 1;
	const struct pointers_node *node = skim->next;

	if (depth > SPLICE_DEPTH_MAX)
		return false;
	skim->depth = depth;
	skim->objects[depth / 64] &= ~(UINT64_C(1) << (depth % 64));
	skim->after = SKIM_AFTER_ELEMENT;
	skim->next = NULL;
	if (depth == 1 && skim->envelope_depth == 1)
		skim->envelope_depth = 2; /* a batch */
	if (node != NULL && node->index_end > 0) {
		skim_go_down(skim, node);
		skim->level->index = 0;
		skim->next = skim_node(skim, pointers_element(skim->pointers, node, 0));
	}
	return true;
}

/* An object or array ends. Returns whether it was an envelope. */
static inline bool skim_close(struct skim *skim)
{
	bool live = skim->depth == skim->live_depth;
	bool envelope = live && skim->depth == skim->envelope_depth;

	skim->depth--;
	if (live) {
		skim->live_depth = envelope ? 0 : skim->depth;
		skim->level -= envelope ? 0 : 1;
		skim->next = NULL;
	}
	if (skim->depth == 0)
		skim->after = SKIM_DONE;
	else
		skim->after = skim_in_object(skim) ? SKIM_AFTER_MEMBER : SKIM_AFTER_ELEMENT;
	return envelope;
}

/* The next element of an array that has wanted ones. */
static void skim_element_next(struct skim *skim)
{
	struct skim_level *level = skim->level;

	skim->next = NULL;
	if (level->index < level->node->index_end)
		skim->next = skim_node(
			skim, pointers_element(skim->pointers, level->node, ++level->index));
}

/* The literal's bytes after its first; the byte after them, end, or NULL when it is another. */
static const uint8_t *skim_literal(struct skim *skim, const uint8_t *p, const uint8_t *end)
{
	for (; p < end && *skim->literal != '\0'; p++, skim->literal++)
		if (*p != (uint8_t)*skim->literal)
			return skim_refuse(skim, p);
	return p;
}

/* The byte after the literal at p; NULL if it is another. */
static inline const uint8_t *skim_quick_literal(const uint8_t *p)
{
	if (memcmp(p, "null", 4) == 0 || memcmp(p, "true", 4) == 0)
		return p + 4;
	return memcmp(p, "fals", 4) == 0 && p[4] == 'e' ? p + 5 : NULL;
}

/* The byte after the integer at p; NULL for any other number, or a long one. */
static inline const uint8_t *skim_quick_integer(const uint8_t *p, const uint8_t *last_block)
{
	const uint8_t *digits = p;

	p = skim_block_digits(p, last_block);
	if (p == digits || p == last_block + SKIM_BLOCK || (p - digits > 1 && *digits == '0') ||
		skim_number_byte[*p] != SKIM_BYTE_OTHER)
		return NULL;
	return p;
}

/* A key ends at quote. Whether it may be followed here: it is not a carrier's. */
static inline bool skim_quick_key(
	struct skim *skim, const uint8_t *key, const uint8_t *quote, const uint8_t *end)
{
	const struct pointers_node *next;

	if (skim->depth != skim->live_depth)
		return true;
	next = skim_node(skim, pointers_child(skim->pointers, skim->level->node, key,
				       (size_t)(quote - key), (size_t)(end - key)));
	if (next == skim->carrier)
		return false;
	skim->next = next;
	return true;
}

/*
 * Reads on while the text is as most is: no white space, no escapes, integers, and nothing to tell.
 * Returns with what skim_run() goes on, skim->state and the beginning of the token. The input has a
 * block or more, and more than one byte from p on.
 *
 * One function: the states jump to each other with everything in registers, which calls would
 * spill.
 */
/* NOLINTNEXTLINE(readability-function-size) */
__attribute__((noinline, hot)) static const uint8_t *skim_quick(
	struct skim *skim, enum skim_state now, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *const last = end - 1, *const last_block = end - SKIM_BLOCK;
	const uint8_t *text, *text_end;

	if (now == SKIM_AFTER_MEMBER)
		goto after_member;
	if (now == SKIM_KEY_FIRST)
		goto key_first;
	if (now == SKIM_VALUE && skim->next != skim->carrier)
		goto value;
	if (now == SKIM_AFTER_ELEMENT)
		goto after_element;
	if (now == SKIM_ELEMENT_FIRST)
		goto element_first;
	goto out;
after_value:
	if (skim->after == SKIM_AFTER_ELEMENT)
		goto after_element;
	now = SKIM_DONE;
	if (skim->after == SKIM_DONE)
		goto out;
after_member:
	now = SKIM_AFTER_MEMBER;
	if (p >= last)
		goto out;
	if (*p == '}')
		goto close;
	if (p[0] != ',' || p[1] != '"')
		goto out;
	text = p + 2;
key:
	text_end = skim_block_plain(text, last_block);
	if (text_end >= last || text_end[0] != '"' || text_end[1] != ':' ||
		!skim_quick_key(skim, text, text_end, end))
		goto out;
	p = text_end + 2;
	now = SKIM_VALUE;
value:
	if (p >= last)
		goto out;
	if (*p == '"') {
		text = p + 1;
		text_end = skim_block_plain(text, last_block);
		if (text_end > last || *text_end != '"')
			goto out;
		if (skim->next != NULL)
			skim_value_take(skim, JSON_STRING, text, text_end, end);
		p = text_end + 1;
		goto after_value;
	}
	if (*p == '{')
		goto object;
	if (*p == '[')
		goto array;
	if (*p <= '9') {
		text_end = skim_quick_integer(p, last_block);
		if (text_end == NULL)
			goto out;
		if (skim->next != NULL)
			skim_value_take(skim, JSON_NUMBER, p, text_end, end);
	} else {
		text_end = p <= last_block ? skim_quick_literal(p) : NULL;
		if (text_end == NULL)
			goto out;
		if (skim->next != NULL)
			envelope_enter(skim->envelope, skim->next, skim_type[*p]);
	}
	p = text_end;
	goto after_value;
object:
	if (skim->next != NULL)
		envelope_enter(skim->envelope, skim->next, JSON_OBJECT);
	if (!skim_open_object(skim))
		goto out;
	p++;
	now = SKIM_KEY_FIRST;
key_first:
	if (p >= last)
		goto out;
	if (*p == '}')
		goto close;
	if (*p != '"')
		goto out;
	text = p + 1;
	goto key;
array:
	if (skim->next != NULL)
		envelope_enter(skim->envelope, skim->next, JSON_ARRAY);
	if (!skim_open_array(skim))
		goto out;
	p++;
	now = SKIM_ELEMENT_FIRST;
element_first:
	if (p >= last)
		goto out;
	if (*p != ']')
		goto value;
close:
	if (skim->depth == skim->envelope_depth || skim->depth - 1 == skim->carrier_depth)
		goto out;
	p++;
	(void)skim_close(skim); /* no envelope */
	goto after_value;
after_element:
	now = SKIM_AFTER_ELEMENT;
	if (p >= last)
		goto out;
	if (*p == ']')
		goto close;
	if (*p != ',')
		goto out;
	p++;
	if (skim->depth == skim->live_depth)
		skim_element_next(skim);
	now = SKIM_VALUE;
	goto value;
out:
	skim->state = (uint8_t)now;
	return p;
}

void skim_init(struct skim *skim, const struct pointers *pointers, struct envelope *envelope)
{
	*skim = (struct skim){.pointers = pointers, .envelope = envelope};
	skim_begin(skim, SKIM_CHECK);
}

void skim_begin(struct skim *skim, enum skim_mode mode)
{
	skim->offset = 0;
	skim->member_from = SKIM_NOWHERE;
	skim->stop_at_carriers = false;
	skim->stop_at_members = false;
	skim->state = SKIM_VALUE;
	skim->after = SKIM_DONE;
	skim->escape = 0;
	skim->next = NULL;
	skim->capture = -1;
	skim->depth = 0;
	skim->live_depth = 0;
	skim->envelope_depth = mode == SKIM_CHECK ? SKIM_NO_DEPTH : 1;
	skim->carrier_depth = SKIM_NO_DEPTH;
	skim->carrier = skim->pointers->nodes;
	if (mode == SKIM_STOP)
		skim->carrier += skim->pointers->slot_nodes[ENVELOPE_CARRIER];
}

/*
 * One function, although long: the states fall through to each other in the order of a usual
 * member, and p and state stay in registers.
 */
/* NOLINTNEXTLINE(readability-function-size) */
enum skim_event skim_run(struct skim *skim, const uint8_t **at, const uint8_t *end)
{
	const uint8_t *const start = *at;
	const uint8_t *p = start;
	const uint8_t *const quick =
		skim->stop_at_members || end - start < SKIM_BLOCK ? start : end - 1;
	const uint8_t *token = start; /* where the piece of the current string or number begins */
	enum skim_state state = skim->state;
	enum skim_event event = SKIM_MORE;
	enum json_type type;

	while (p < end) {
		if (p < quick) {
			p = skim_quick(skim, state, p, end);
			state = skim->state;
			if (p == end)
				break;
		}
		switch (state) {
		case SKIM_KEY_FIRST:
		case SKIM_AFTER_MEMBER:
			if (*p == '}')
				goto close;
			if (state == SKIM_KEY_FIRST)
				goto key;
			if (*p != ',')
				goto blank;
			p++;
			state = SKIM_KEY;
			if (skim->depth == skim->envelope_depth) {
				skim->member_from = skim->offset + (size_t)(p - 1 - start);
				if (skim->stop_at_members) {
					event = SKIM_MEMBER;
					goto out;
				}
			}
			if (p == end)
				goto out;
			__attribute__((fallthrough));
		case SKIM_KEY:
		key:
			if (*p != '"')
				goto blank;
			if (skim->depth == skim->envelope_depth) {
				skim->key_from = skim->offset + (size_t)(p - start);
				if (state == SKIM_KEY_FIRST)
					skim->member_from = skim->key_from;
			}
			token = ++p;
			state = SKIM_KEY_TEXT;
			skim->hard = 0;
			p = skim_text_on(skim, start, p, end);
			goto key_end;
		case SKIM_KEY_TEXT:
			p = skim_text_again(skim, start, end);
		key_end:
			if (p == NULL)
				goto refused;
			if (skim->depth == skim->live_depth) {
				skim_key_add(skim, token, p);
				if (p < end)
					skim_key_found(skim, skim_key_find(skim));
			}
			if (p == end)
				goto out;
			p++;
			state = SKIM_COLON;
			if (p == end)
				goto out;
			__attribute__((fallthrough));
		case SKIM_COLON:
			if (*p != ':')
				goto blank;
			p++;
			state = SKIM_VALUE;
			if (p == end)
				goto out;
			__attribute__((fallthrough));
		case SKIM_VALUE:
		value:
			type = skim_type[*p];
			if (type == JSON_ABSENT)
				goto blank;
			if (skim->next == skim->carrier && skim->carrier_depth == SKIM_NO_DEPTH) {
				skim->carrier_depth = skim->depth;
				skim->value_from = skim->offset + (size_t)(p - start);
				if (skim->stop_at_carriers) {
					event = SKIM_CARRIER;
					goto out;
				}
			}
			if (skim->next != NULL)
				skim_value_enter(skim, type);
			if (type == JSON_STRING) {
				token = ++p;
				state = SKIM_STRING;
				p = skim_text_on(skim, start, p, end);
				goto string_end;
			}
			if (type == JSON_NUMBER) {
				token = p;
				skim->number = SKIM_NUMBER_BEGIN;
				goto number;
			}
			p++;
			if (type == JSON_OBJECT) {
				state = SKIM_KEY_FIRST;
				if (!skim_open_object(skim))
					goto deep;
				continue;
			}
			if (type == JSON_ARRAY) {
				state = SKIM_ELEMENT_FIRST;
				if (!skim_open_array(skim))
					goto deep;
				continue;
			}
			skim->literal = skim_literal_rest[type];
			state = SKIM_LITERAL;
			goto literal;
		case SKIM_STRING:
			p = skim_text_again(skim, start, end);
		string_end:
			if (p == NULL)
				goto refused;
			if (p == end) {
				if (skim->capture >= 0)
					skim_capture_add(skim, token, p);
				goto out;
			}
			if (skim->capture >= 0)
				skim_capture_end(skim, JSON_STRING, token, p);
			p++;
			goto after_value;
		case SKIM_NUMBER:
		number:
			state = SKIM_NUMBER;
			p = skim_number(skim, p, end);
			if (p == end) {
				if (skim->capture >= 0)
					skim_capture_add(skim, token, p);
				goto out;
			}
			if (!skim_number_complete(skim->number))
				goto bad;
			if (skim->capture >= 0)
				skim_capture_end(skim, JSON_NUMBER, token, p);
			goto after_value;
		case SKIM_LITERAL:
		literal:
			p = skim_literal(skim, p, end);
			if (p == NULL)
				goto refused;
			if (*skim->literal != '\0')
				goto out;
			goto after_value;
		case SKIM_ELEMENT_FIRST:
			if (*p == ']')
				goto close;
			goto value;
		case SKIM_AFTER_ELEMENT:
			if (*p == ']')
				goto close;
			if (*p != ',')
				goto blank;
			p++;
			state = SKIM_VALUE;
			if (skim->depth == skim->live_depth)
				skim_element_next(skim);
			continue;
		case SKIM_DONE:
			goto blank;
		}
	close:
		p++;
		if (skim_close(skim)) {
			state = skim->after;
			event = SKIM_ENVELOPE_END;
			goto out;
		}
	after_value:
		state = skim->after;
		if (skim->depth == skim->carrier_depth) {
			skim->carrier_depth = SKIM_NO_DEPTH;
			event = SKIM_CARRIER_END;
			goto out;
		}
		continue;
	blank:
		if ((skim_class[*p] & SKIM_IS_BLANK) == 0)
			goto bad;
		p = skim_blank(p + 1, end);
	}
	goto out;
refused:
	p = skim->bad;
bad:
	event = SKIM_BAD;
	goto out;
deep:
	event = SKIM_DEEP;
out:
	skim->state = (uint8_t)state;
	skim->offset += (size_t)(p - start);
	*at = p;
	return event;
}

bool skim_finish(const struct skim *skim)
{
	return skim->state == SKIM_DONE || (skim->state == SKIM_NUMBER && skim->depth == 0 &&
						   skim_number_complete(skim->number));
}

bool skim_expects_envelope(const struct skim *skim)
{
	return skim->depth > 0 || skim->state == SKIM_VALUE;
}

bool skim_is_array(const uint8_t *bytes, const uint8_t *end)
{
	bytes = skim_blank(bytes, end);
	return bytes < end && *bytes == '[';
}

/*
 * The part of the scanner that most bytes go through; see skim_quick() in skim_walk.h.
 *
 * One function, whose states jump to each other with everything in registers, which calls would
 * spill. Nothing of a token is entered anywhere before the whole token is known to be good, so that
 * skim_run() can read it once more when it is of a kind that is not dealt with here.
 */
#include <string.h>

#include "proxy/message/skim_block.h"
#include "proxy/message/skim_tables.h"
#include "proxy/message/skim_tokens.h"
#include "proxy/message/skim_walk.h"

/* Keeps what is usual in one line of code without jumps. */
#define SKIM_USUALLY(condition) __builtin_expect((condition), 1)

/* Bytes from which a key and the first one of its value can be read without a look at the end. */
#define SKIM_QUICK_KEY ((ptrdiff_t)sizeof(struct pointers_words) + 4)

/* The same with what comes before it. */
#define SKIM_QUICK_MEMBER (SKIM_QUICK_KEY + 2)

/* Those of a text that are looked at one by one after the first: more come cheaper by fours. */
#define SKIM_QUICK_BLOCKS (96 / SKIM_BLOCK)

static inline const uint8_t *skim_quick_blank(const uint8_t *p, const uint8_t *last)
{
	while (p < last && (skim_class[*p] & SKIM_IS_BLANK) != 0)
		p++;
	return p;
}

/* The byte after the literal at p; NULL if it is another, or may not end before last. */
static inline const uint8_t *skim_quick_literal(const uint8_t *p, const uint8_t *last)
{
	if (last - p < 4)
		return NULL;
	if (memcmp(p, "null", 4) == 0 || memcmp(p, "true", 4) == 0)
		return p + 4;
	return last - p > 4 && memcmp(p, "false", 5) == 0 ? p + 5 : NULL;
}

/* The byte after the number at p; NULL if it is none, or may not end before end. */
__attribute__((noinline)) static const uint8_t *skim_quick_number(
	struct skim *skim, const uint8_t *p, const uint8_t *end)
{
	skim->number = SKIM_NUMBER_BEGIN;
	p = skim_number(skim, p, end);
	return p < end && skim_number_complete(skim->number) ? p : NULL;
}

/*
 * The same for an integer, as most are: its first digit is at p, and what comes behind it is most
 * often one of two bytes.
 */
static inline const uint8_t *skim_quick_integer(
	struct skim *skim, const uint8_t *p, const uint8_t *end)
{
	uint64_t others;
	unsigned size;

	if (!SKIM_USUALLY(end - p >= SKIM_BLOCK))
		return skim_quick_number(skim, p, end);
	others = skim_block_others(p);
	if (!SKIM_USUALLY(others != 0))
		return skim_quick_number(skim, p, end);
	size = skim_block_first(others);
	if (*p == '0' && size > 1)
		return skim_quick_number(skim, p, end);
	if (p[size] != ',' && p[size] != '}' && skim_number_byte[p[size]] != SKIM_BYTE_OTHER)
		return skim_quick_number(skim, p, end);
	return p + size;
}

/* The closing quote of the string with an escape at p, NULL when it is not there or not good. */
__attribute__((noinline)) static const uint8_t *skim_quick_escaped(
	struct skim *skim, const uint8_t *p, const uint8_t *end)
{
	p = skim_text_on(skim, end - SKIM_BLOCK, p, end);
	return p == end ? NULL : p;
}

/* A wanted value with escapes stands between text and text_end. */
__attribute__((noinline)) static void skim_quick_unescape(struct skim *skim,
	const struct pointers_node *node, const uint8_t *text, const uint8_t *text_end)
{
	envelope_text_begin(skim->envelope);
	envelope_text_add(skim->envelope, node, text, (size_t)(text_end - text));
	envelope_text_end(skim->envelope, node, JSON_STRING);
}

/*
 * The first stop from text on, or end, for a text whose first block has none. Of those that end in
 * the third one there are many: ids.
 */
static inline const uint8_t *skim_quick_text(const uint8_t *text, const uint8_t *last_block)
{
	uint64_t stops;
	int i;

	for (i = 0; i < SKIM_QUICK_BLOCKS && text <= last_block - SKIM_BLOCK; i++) {
		text += SKIM_BLOCK;
		stops = skim_block_stops(text);
		if (stops != 0)
			return text + skim_block_first(stops);
	}
	return skim_text_far(text, last_block + SKIM_BLOCK);
}

/* The end of a key that is long, or near the end; NULL when it is none that can be taken here. */
__attribute__((noinline)) static const uint8_t *skim_quick_key(
	const uint8_t *text, const uint8_t *end)
{
	text = skim_text_far(text, end);
	return end - text >= 2 && memcmp(text, "\":", 2) == 0 ? text : NULL;
}

/* The node of such a key. */
__attribute__((noinline)) static const struct pointers_node *skim_quick_child(
	const struct skim *skim, const uint8_t *text, const uint8_t *text_end)
{
	return pointers_child(skim->pointers, skim->level->node, text, (size_t)(text_end - text));
}

/* A string or number stands between text and text_end. */
static inline void skim_quick_take(struct skim *skim, const struct pointers_node *node,
	enum json_type type, const uint8_t *text, const uint8_t *text_end)
{
	if (node != NULL)
		envelope_lend(skim->envelope, node, type, text, (size_t)(text_end - text));
}

static inline void skim_quick_enter(
	struct skim *skim, const struct pointers_node *node, enum json_type type)
{
	if (node != NULL)
		envelope_enter(skim->envelope, node, type);
}

/* One function, although long: as skim_slow() is, and for its reasons. */
/* NOLINTNEXTLINE(readability-function-size) */
__attribute__((hot)) enum skim_event skim_quick(
	struct skim *skim, const uint8_t **at, const uint8_t *end)
{
	const uint8_t *const last = end - 1, *const last_block = end - SKIM_BLOCK;
	const uint8_t *const last_member =
		end - *at < SKIM_QUICK_MEMBER ? NULL : end - SKIM_QUICK_MEMBER;
	const struct pointers_node *here = skim_here(skim), *next = skim->next;
	const uint8_t *p = *at, *text, *text_end;
	enum skim_event event = SKIM_MORE;
	enum skim_state now = skim->state;
	bool in_object = skim_after(skim) == SKIM_AFTER_MEMBER; /* the container */
	uint64_t stops;

	if (now == SKIM_VALUE && !skim_stops(skim, next))
		goto value;
	if (now == SKIM_AFTER_MEMBER)
		goto after_member;
	if (now == SKIM_KEY_FIRST)
		goto key_first;
	if (now == SKIM_AFTER_ELEMENT)
		goto after_element;
	if (now == SKIM_ELEMENT_FIRST)
		goto element_first;
	goto out;
after_value:
	if (!SKIM_USUALLY(in_object))
		goto after_other;
after_member:
	text = p + 2;
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): last_member is not NULL here */
	if (!SKIM_USUALLY(p <= last_member) || !SKIM_USUALLY(memcmp(p, ",\"", 2) == 0))
		goto after_member_last;
	now = SKIM_AFTER_MEMBER;
key:
	stops = skim_block_stops(text);
	if (!SKIM_USUALLY(stops != 0))
		goto key_last;
	text_end = text + skim_block_first(stops);
	if (!SKIM_USUALLY(memcmp(text_end, "\":", 2) == 0))
		goto out;
	if (SKIM_USUALLY(here != NULL))
		next = pointers_child_quick(here, text, (size_t)(text_end - text));
	if (skim_stops(skim, next))
		goto carrier;
	p = text_end + 2;
	now = SKIM_VALUE;
	goto value_begin;
after_member_last:
	now = SKIM_AFTER_MEMBER;
	if (p >= last)
		goto last_byte;
	if (*p == '}')
		goto close;
	if (*p != ',')
		goto out;
	text = skim_quick_blank(p + 1, last);
	if (*text++ != '"')
		goto out;
key_any:
	if (end - text >= SKIM_QUICK_KEY)
		goto key;
key_last:
	text_end = skim_quick_key(text, end);
	if (text_end == NULL)
		goto out;
	if (here != NULL)
		next = skim_quick_child(skim, text, text_end);
	if (skim_stops(skim, next))
		goto carrier;
	p = text_end + 2;
	now = SKIM_VALUE;
value:
	if (p >= last)
		goto out;
value_begin:
	if (SKIM_USUALLY(*p == '"')) {
		text = p + 1;
		stops = SKIM_USUALLY(text <= last_block) ? skim_block_stops(text) : 0;
		if (stops != 0) {
			text_end = text + skim_block_first(stops);
		} else {
			text_end = skim_quick_text(text, last_block);
			if (text_end == end)
				goto out;
		}
		if (!SKIM_USUALLY(*text_end == '"'))
			goto escaped;
		skim_quick_take(skim, next, JSON_STRING, text, text_end);
		p = text_end + 1;
		goto after_value;
	}
	if (*p <= '9' && *p >= '0') /* of what is left most are numbers */
		goto number;
	if (*p == '{')
		goto object;
	if (*p == '[')
		goto array;
	if (*p == ' ') {
		p = skim_quick_blank(p, last);
		goto value;
	}
	if (*p > '9') {
		text_end = skim_quick_literal(p, last);
		if (text_end == NULL)
			goto out;
		skim_quick_enter(skim, next, skim_type[*p]);
		p = text_end;
		goto after_value;
	}
	text_end = skim_quick_number(skim, p, end);
	goto number_end;
number:
	text_end = skim_quick_integer(skim, p, end);
number_end:
	if (text_end == NULL)
		goto out;
	skim_quick_take(skim, next, JSON_NUMBER, p, text_end);
	p = text_end;
	goto after_value;
escaped:
	text_end = skim_quick_escaped(skim, text_end, end);
	if (text_end == NULL)
		goto out;
	if (next != NULL)
		skim_quick_unescape(skim, next, text, text_end);
	p = text_end + 1;
	goto after_value;
object:
	if (skim->depth == SPLICE_DEPTH_MAX)
		goto out;
	skim_quick_enter(skim, next, JSON_OBJECT);
	here = skim_open_object(skim, next);
	in_object = true;
	next = NULL;
	p++;
key_first:
	now = SKIM_KEY_FIRST;
	if (p >= last)
		goto out;
	text = p + 1;
	if (*p == '"')
		goto key_any;
	if (*p == '}')
		goto close;
	goto out;
array:
	if (skim->depth == SPLICE_DEPTH_MAX)
		goto out;
	skim_quick_enter(skim, next, JSON_ARRAY);
	here = skim_open_array(skim, next);
	in_object = false;
	next = here == NULL ? NULL : skim_element(skim);
	p++;
element_first:
	now = SKIM_ELEMENT_FIRST;
	if (p >= last)
		goto out;
	if (*p != ']')
		goto value;
close:
	if (skim->depth - 1 == skim->carrier_depth)
		goto out;
	p++;
	next = NULL;
	if (skim_close(skim)) {
		now = skim_after(skim);
		event = SKIM_ENVELOPE_END;
		goto out;
	}
	here = skim_here(skim);
	in_object = skim_after(skim) == SKIM_AFTER_MEMBER;
	goto after_value;
last_byte:
	if (p == end || *p != '}')
		goto out;
	goto close;
after_other:
	now = skim_after(skim);
	if (now == SKIM_DONE)
		goto out;
after_element:
	now = SKIM_AFTER_ELEMENT;
	if (p >= last)
		goto out;
	if (*p == ']')
		goto close;
	if (*p != ',')
		goto out;
	p++;
	if (here != NULL)
		next = skim_element_next(skim);
	now = SKIM_VALUE;
	goto value;
carrier:
	next = NULL;
	goto out;
out:
	skim->next = next;
	skim->state = (uint8_t)now;
	*at = p;
	return event;
}

/*
 * The scanner: a state machine over bytes that can be left and entered again at any of them.
 *
 * Most of what passes is text inside strings, which goes by in blocks (skim_block.h), and usual
 * tokens that are whole, which skim_quick() reads. Here is the rest: tokens that the input cuts
 * (skim_tokens.h), keys with escapes, white space, carriers, and what is no JSON.
 *
 * Nothing here can fail but by the input; what cannot be kept of a wanted value is noted in the
 * envelope.
 */
#include "proxy/message/skim.h"

#include <assert.h>

#include "proxy/message/envelope_fill.h"
#include "proxy/message/skim_block.h"
#include "proxy/message/skim_tables.h"
#include "proxy/message/skim_tokens.h"
#include "proxy/message/skim_walk.h"

#define SKIM_NO_DEPTH UINT32_MAX

static const uint8_t *skim_blank(const uint8_t *p, const uint8_t *end)
{
	while (p < end && (skim_class[*p] & SKIM_IS_BLANK) != 0)
		p++;
	return p;
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

/* Whether it is the node of a carrier at which to stop. */
static bool skim_is_carrier(const struct skim *skim, const struct pointers_node *node)
{
	return node != NULL && (node->stops & skim->stops & POINTERS_CARRIER) != 0;
}

/* The node of a key that ends before end. */
static const struct pointers_node *skim_key_find(
	struct skim *skim, const uint8_t *piece, const uint8_t *end)
{
	const struct pointers_node *here = skim->level->node;

	if (skim->hard == 0)
		return pointers_child(skim->pointers, here, piece, (size_t)(end - piece));
	skim_key_add(skim, piece, end);
	skim->key_size =
		unescape_finish(&skim->key_text, skim->key, skim->key_size, sizeof(skim->key));
	if (skim->key_text.cut)
		return NULL;
	return pointers_child(skim->pointers, here, skim->key, skim->key_size);
}

/* A key in a live object ends before end. */
static void skim_key_end(struct skim *skim, const uint8_t *piece, const uint8_t *end)
{
	skim->next = skim_key_find(skim, piece, end);
	if (skim->depth == skim->member_depth && !skim_is_carrier(skim, skim->next))
		skim->member_from = SKIM_NOWHERE;
}

/* A wanted value begins; texts are entered when they end. */
static inline void skim_value_enter(struct skim *skim, enum json_type type)
{
	if ((type == JSON_STRING || type == JSON_NUMBER) && skim->next->slot >= 0)
		skim->capture = skim->next;
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
	skim->capture = NULL;
}

/* Whether the envelope itself may have a carrier among its members. */
static bool skim_has_members(const struct skim *skim)
{
	return (skim->pointers->nodes[POINTERS_ROOT].stops & skim->stops & POINTERS_HOLDER) != 0;
}

/*
 * The value of a member at which to stop begins at offset: a carrier, which is told if it is to be,
 * or params that may have one.
 */
static bool skim_meets(struct skim *skim, enum json_type type, size_t offset)
{
	if (skim->depth == skim->member_depth && skim_is_carrier(skim, skim->next)) {
		skim->carrier_depth = skim->depth;
		skim->carrier = skim->next->stops;
		skim->envelope->carriers++;
		skim->value_from = offset;
		return skim->stop_at_carriers;
	}
	if (skim->depth == skim->envelope_depth && type == JSON_OBJECT) {
		skim->params_from = offset;
		skim->carrier_depth = skim->depth;
		skim->member_depth = skim->depth + 1;
	}
	return false;
}

/* A carrier, or such params, have ended. */
static enum skim_event skim_leave(struct skim *skim)
{
	bool in_params = skim->member_depth != skim->envelope_depth;

	if (skim->depth == skim->member_depth) {
		skim->carrier_depth = in_params ? skim->envelope_depth : SKIM_NO_DEPTH;
		skim->envelope->carriers++;
		return SKIM_CARRIER_END;
	}
	assert(in_params);
	skim->carrier_depth = SKIM_NO_DEPTH;
	skim->member_depth = skim_has_members(skim) ? skim->envelope_depth : SKIM_NO_DEPTH;
	skim->member_from = SKIM_NOWHERE;
	return SKIM_PARAMS_END;
}

void skim_init(struct skim *skim, const struct pointers *pointers, struct envelope *envelope)
{
	*skim = (struct skim){.pointers = pointers, .envelope = envelope};
	skim_begin(skim, SKIM_CHECK);
}

void skim_begin(struct skim *skim, enum skim_mode mode)
{
	static const uint8_t stops[] = {
		[SKIM_CHECK] = 0,
		[SKIM_WATCH] = 0,
		[SKIM_FIRST] = POINTERS_FIRST | POINTERS_HOLDER,
		[SKIM_STOP] = POINTERS_CARRIER | POINTERS_HOLDER,
	};

	assert(mode <= SKIM_STOP);
	skim->stops = stops[mode];
	skim->offset = 0;
	skim->member_from = SKIM_NOWHERE;
	skim->stop_at_carriers = false;
	skim->stop_at_members = false;
	skim->state = SKIM_VALUE;
	skim->after[0] = SKIM_DONE;
	skim->escape = 0;
	skim->next = NULL;
	skim->capture = NULL;
	skim->depth = 0;
	skim->live_depth = 0;
	skim->level = skim->levels;
	skim->envelope_depth = mode == SKIM_CHECK ? SKIM_NO_DEPTH : 1;
	skim->member_depth = skim_has_members(skim) ? 1 : SKIM_NO_DEPTH;
	skim->carrier_depth = SKIM_NO_DEPTH;
}

/*
 * skim_run() where skim_quick() has stopped at p; the input began at start.
 *
 * One function, although long: the states fall through to each other in the order of a usual
 * member, and p and state stay in registers.
 */
/* NOLINTNEXTLINE(readability-function-size) */
static enum skim_event skim_slow(
	struct skim *skim, const uint8_t *const start, const uint8_t **at, const uint8_t *end)
{
	const uint8_t *p = *at;
	const uint8_t *const quick =
		skim->stop_at_members || end - start < SKIM_BLOCK ? start : end - 1;
	const uint8_t *token = p; /* where the piece of the current string or number begins */
	enum skim_state state = skim->state;
	enum skim_event event = SKIM_MORE;
	enum json_type type;

	goto slow;
	while (p < end) {
		if (p < quick) {
			skim->state = (uint8_t)state;
			event = skim_quick(skim, &p, end);
			state = skim->state;
			if (event != SKIM_MORE || p == end)
				break;
		}
	slow:
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
			if (skim->depth == skim->member_depth)
				skim->member_from = skim->offset + (size_t)(p - 1 - start);
			if (skim->stop_at_members && (skim->depth == skim->member_depth ||
							     skim->depth == skim->envelope_depth)) {
				event = SKIM_MEMBER;
				goto out;
			}
			if (p == end)
				goto out;
			__attribute__((fallthrough));
		case SKIM_KEY:
		key:
			if (*p != '"')
				goto blank;
			if (skim->depth == skim->member_depth) {
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
				if (p == end)
					skim_key_add(skim, token, p);
				else
					skim_key_end(skim, token, p);
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
			if (skim_stops(skim, skim->next) && skim->carrier_depth != skim->depth &&
				skim_meets(skim, type, skim->offset + (size_t)(p - start))) {
				event = SKIM_CARRIER;
				goto out;
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
			if ((type == JSON_OBJECT || type == JSON_ARRAY) &&
				skim->depth == SPLICE_DEPTH_MAX)
				goto deep;
			if (type == JSON_OBJECT) {
				state = SKIM_KEY_FIRST;
				(void)skim_open_object(skim, skim->next);
				skim->next = NULL;
				continue;
			}
			if (type == JSON_ARRAY) {
				state = SKIM_ELEMENT_FIRST;
				skim->next = skim_open_array(skim, skim->next) == NULL
						     ? NULL
						     : skim_element(skim);
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
				if (skim->capture != NULL)
					skim_capture_add(skim, token, p);
				goto out;
			}
			if (skim->capture != NULL)
				skim_capture_end(skim, JSON_STRING, token, p);
			p++;
			goto after_value;
		case SKIM_NUMBER:
		number:
			state = SKIM_NUMBER;
			p = skim_number(skim, p, end);
			if (p == end) {
				if (skim->capture != NULL)
					skim_capture_add(skim, token, p);
				goto out;
			}
			if (!skim_number_complete(skim->number))
				goto bad;
			if (skim->capture != NULL)
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
				skim->next = skim_element_next(skim);
			continue;
		case SKIM_DONE:
			goto blank;
		}
	close:
		skim->params_empty = state == SKIM_KEY_FIRST;
		p++;
		skim->next = NULL;
		if (skim_close(skim)) {
			state = skim_after(skim);
			event = SKIM_ENVELOPE_END;
			goto out;
		}
	after_value:
		state = skim_after(skim);
		if (skim->depth == skim->carrier_depth) {
			event = skim_leave(skim);
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

enum skim_event skim_run(struct skim *skim, const uint8_t **at, const uint8_t *end)
{
	const uint8_t *const start = *at;
	enum skim_event event;

	if (start == end)
		return SKIM_MORE;
	if (!skim->stop_at_members && end - start >= SKIM_BLOCK) {
		event = skim_quick(skim, at, end);
		if (event != SKIM_MORE || *at == end) {
			skim->offset += (size_t)(*at - start);
			return event;
		}
	}
	return skim_slow(skim, start, at, end);
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

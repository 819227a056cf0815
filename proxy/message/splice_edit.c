/*
 * What becomes of the carriers of an envelope: those that are met are marks; at the end of a held
 * message, or once it is known what the envelope is, marks become edits of the window. Ours is
 * asked for when it is to be written for the first time.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/message/envelope_fill.h"
#include "proxy/message/members.h"
#include "proxy/message/pointers_tree.h"
#include "proxy/message/splice_state.h"

#define SPLICE_MARKS_FIRST 4

void splice_leave(struct splice *splice, enum splice_fate fate)
{
	splice->fate = fate;
	splice->value = SPLICE_VALUE_OTHER;
	splice->marks_count = 0;
	splice->skim.stop_at_members = false;
}

void splice_fail(struct splice *splice, unsigned trouble)
{
	if (splice->value == SPLICE_VALUE_DROPPED)
		window_drop(&splice->window, splice->skim.offset);
	splice->troubles |= trouble;
	splice->phase = SPLICE_PASSING;
	shelf_clear(&splice->shelf);
	splice_leave(splice, SPLICE_LEFT);
}

/*
 * Keeps a copy of our carrier: in a message that flows others may ask for theirs before it is
 * written again. False when out of memory.
 */
__attribute__((noinline)) static bool splice_keep_ours(struct splice *splice)
{
	char *copy;

	if (!splice->place.shared && !splice->place.in_params)
		return true; /* it is not written twice */
	copy = realloc(splice->ours_copy, splice->ours_size);
	if (copy == NULL) {
		splice->troubles |= SPLICE_NO_MEMORY;
		splice_leave(splice, SPLICE_LEFT);
		return false;
	}
	splice->ours = memcpy(copy, splice->ours, splice->ours_size);
	splice->ours_copy = copy;
	return true;
}

/* The envelope gets none of ours: it stays as it is, but for what is taken out of all. */
static void splice_withhold(struct splice *splice)
{
	splice->withheld = true;
	if (!splice_strips(splice))
		splice_leave(splice, SPLICE_REFUSED);
}

/* Asks for our carrier. False when the envelope is to have none. */
static inline bool splice_ask(struct splice *splice)
{
	splice->ours_size = splice->hooks->carrier(splice->arg, &splice->envelope, &splice->ours);
	if (splice->ours_size == 0) {
		splice_withhold(splice);
		return false;
	}
	return splice->phase != SPLICE_FLOWING || splice_keep_ours(splice);
}

/* Whether there is room left for ours, of what was promised, with so many bytes around it. */
__attribute__((noinline)) static bool splice_has_room(struct splice *splice, size_t around)
{
	if (splice->ours_size + around > splice->room) {
		splice->troubles |= SPLICE_UNDECIDED;
		splice_leave(splice, SPLICE_LEFT);
		return false;
	}
	splice->inserted = splice->window.insert_used;
	return true;
}

/* Whether our carrier is there and can be written. */
static inline bool splice_has_ours(struct splice *splice, size_t around)
{
	if (splice->ours_size == 0 && !splice_ask(splice))
		return false;
	return !splice->window.fills || splice_has_room(splice, around);
}

/* Our carrier has been written, or there was no memory for it. */
static bool splice_wrote(struct splice *splice, bool written)
{
	if (!written) {
		splice->troubles |= SPLICE_NO_MEMORY;
		splice_leave(splice, SPLICE_LEFT);
		return false;
	}
	splice->carrier_written = true;
	splice->changed = true;
	if (splice->window.fills)
		splice->room -= splice->window.insert_used - splice->inserted;
	return true;
}

/*
 * Adds our carrier before the brace of an object: the first member, or one behind a comma. If the
 * message ends with that brace, it goes with it: one piece less to be written.
 */
static inline bool splice_add(struct splice *splice, size_t brace, bool first)
{
	const char *member = splice->member + first;
	size_t size = splice->member_size - first;
	struct window *window = &splice->window;
	bool last = splice->phase == SPLICE_HOLDING && brace + 1 == window_end(window);

	if (!splice_has_ours(splice, size))
		return false;
	window_give(window, brace);
	if (!splice_wrote(
		    splice, window_insert(window, member, size, splice->ours, splice->ours_size)))
		return false;
	if (last)
		window_insert_last(window, '}');
	return true;
}

/* The same for a request without params. */
__attribute__((noinline)) static void splice_add_params(struct splice *splice)
{
	const char *member = splice->member + splice->member_size;
	size_t size = strlen(SPLICE_PARAMS) + splice->member_size - 1; /* without its comma */

	if (!splice_has_ours(splice, size + 1))
		return;
	window_give(&splice->window, splice->brace);
	if (!splice_wrote(splice,
		    window_insert(&splice->window, member, size, splice->ours, splice->ours_size)))
		return;
	window_put(&splice->window, "}", 1);
	if (splice->window.fills)
		splice->room--;
}

/* Whether a carrier that was read to its end is an object with nothing in it but what is ours. */
static bool splice_is_plain(const struct splice *splice, const struct splice_mark *mark)
{
	const struct envelope_value *traceparent, *tracestate;
	size_t size = sizeof("{\"traceparent\":\"\"}") - 1;

	if (splice->marks_count > 1 || splice->value != SPLICE_VALUE_OTHER)
		return false; /* the envelope may speak of another one */
	traceparent = envelope_value(&splice->envelope, ENVELOPE_TRACEPARENT);
	tracestate = envelope_value(&splice->envelope, ENVELOPE_TRACESTATE);
	if (traceparent->type != JSON_STRING)
		return false;
	size += traceparent->length;
	if (tracestate->type == JSON_STRING)
		size += sizeof(",\"tracestate\":\"\"") - 1 + tracestate->length;
	return size == mark->end - mark->value; /* no byte is left for anything else */
}

static bool splice_is_object(const struct splice *splice, const struct splice_mark *mark)
{
	size_t size;

	return *window_at(&splice->window, mark->value, &size) == '{';
}

/* Whether ours goes into the envelope, which is one whose carriers are edited. */
static bool splice_writes(const struct splice *splice)
{
	return splice_injects(splice) && !splice->withheld &&
	       envelope_kind(&splice->envelope) == ENVELOPE_REQUEST;
}

/* Whether a carrier is where ours goes. */
static bool splice_writes_at(const struct splice *splice, const struct splice_mark *mark)
{
	return (mark->stops & POINTERS_FIRST) != 0 && splice_writes(splice);
}

/* Whether of a carrier at such a place only members are edited, and nothing if it is no object. */
static bool splice_keeps(const struct splice *splice, uint8_t stops)
{
	return (stops & POINTERS_SHARED) != 0 ||
	       !(splice_strips_trace(splice) ||
		       ((stops & POINTERS_FIRST) != 0 && splice_injects(splice)));
}

/* Whether a carrier goes as a whole. */
static bool splice_removes(const struct splice *splice, const struct splice_mark *mark)
{
	if ((mark->stops & POINTERS_SHARED) != 0)
		return false;
	return splice_writes_at(splice, mark) ? mark->again : splice_strips_trace(splice);
}

/* Whether a member of a carrier is written anew, or removed. */
static bool splice_takes(
	const struct splice *splice, const struct splice_mark *mark, enum member_kind kind)
{
	switch (kind) {
	case MEMBER_TRACE:
		return splice_writes_at(splice, mark) || splice_strips_trace(splice);
	case MEMBER_BAGGAGE:
		return splice_strips(splice) && splice->rules.strips_baggage;
	case MEMBER_OTHER:
		break;
	}
	return false;
}

/* How many members of a carrier are taken, of those that are ours, and how many stay. */
struct splice_count {
	size_t trace, taken, kept;
};

static struct splice_count splice_count(const struct splice *splice, const struct splice_mark *mark)
{
	struct splice_count count = {.kept = 0};
	struct members members;
	struct member member;

	members_begin(&members, &splice->window, mark->value);
	while (members_next(&members, &member)) {
		bool takes = splice_takes(splice, mark, member.kind);

		count.trace += takes && member.kind == MEMBER_TRACE;
		count.taken += takes;
		count.kept += !takes;
	}
	return count;
}

/*
 * Rewrites a carrier that is an object: text, our members, stands in place of the first of its own
 * that are ours, else at its beginning; size 0: nowhere. The others that are taken are left out;
 * what is not ours stays as it is. False when out of memory: then no comma is wrong all the same.
 */
static bool splice_write_members(struct splice *splice, const struct splice_mark *mark,
	struct splice_count count, const char *text, size_t size)
{
	struct window *window = &splice->window;
	struct members members;
	struct member member;
	bool first = true, writes = size > 0;

	if (!window_reserve(window, count.taken + splice->marks_count + 3))
		return false;
	if (writes && count.trace == 0) {
		window_give(window, mark->value + 1);
		if (!window_insert(window, text, size, ",", count.kept > 0))
			return false;
		writes = false;
	}
	members_begin(&members, window, mark->value);
	while (members_next(&members, &member)) {
		bool takes = splice_takes(splice, mark, member.kind);
		bool here = writes && takes && member.kind == MEMBER_TRACE;

		if (first && (here || !takes) && member.from != member.key) {
			window_give(window, member.from);
			window_drop(window, member.from + 1);
		}
		first = first && takes && !here;
		if (!takes)
			continue;
		window_give(window, here ? member.key : member.from);
		if (here && !window_insert(window, text, size, "", 0))
			return false;
		writes = writes && !here;
		window_drop(window, member.end);
	}
	return true;
}

/* Writes our carrier in place of one, or into it. */
static bool splice_replace(struct splice *splice, const struct splice_mark *mark)
{
	if (!splice_has_ours(splice, 1))
		return false;
	if (!splice_is_plain(splice, mark) && splice_is_object(splice, mark))
		return splice_wrote(splice,
			splice_write_members(splice, mark, splice_count(splice, mark),
				splice->ours + 1, splice->ours_size - 2)); /* without braces */
	window_give(&splice->window, mark->value);
	if (!splice_wrote(
		    splice, window_insert(&splice->window, "", 0, splice->ours, splice->ours_size)))
		return false;
	window_drop(&splice->window, mark->end);
	return true;
}

/* Removes members from a carrier that stays. */
static bool splice_strip_members(struct splice *splice, const struct splice_mark *mark)
{
	struct splice_count count;

	if (!splice_is_object(splice, mark))
		return true;
	count = splice_count(splice, mark);
	if (count.taken == 0)
		return true;
	if (!splice_write_members(splice, mark, count, "", 0)) {
		splice->troubles |= SPLICE_NO_MEMORY;
		splice_leave(splice, SPLICE_LEFT);
		return false;
	}
	splice->changed = true;
	return true;
}

/* Removes a member, with the comma before it or, when none is left there, the one after it. */
static bool splice_remove(struct splice *splice, const struct splice_mark *mark)
{
	bool leading = mark->from == mark->key || mark->from == splice->gone_comma;

	if (mark->lost) {
		splice_leave(splice, SPLICE_LEFT);
		return false;
	}
	window_give(&splice->window, leading ? mark->key : mark->from);
	if (leading && mark->comma > 0) {
		splice->gone_comma = mark->comma;
		window_drop(&splice->window, mark->comma + 1);
	} else {
		if (leading)
			splice->gone_end = mark->end;
		window_drop(&splice->window, mark->end);
	}
	if (!splice_writes(splice))
		splice->carrier_seen = false; /* should it turn out to be a request after all */
	splice->changed = true;
	return true;
}

__attribute__((noinline)) static bool splice_edit_mark(
	struct splice *splice, const struct splice_mark *mark)
{
	if (splice_writes_at(splice, mark) && !splice_removes(splice, mark)) {
		bool first = mark->leading || splice->gone_end > mark->key;

		if (mark->adds ? splice_add(splice, mark->from, first)
			       : splice_replace(splice, mark))
			return true;
		if (splice->fate != SPLICE_EDITED || !splice->withheld)
			return false;
	}
	if (mark->adds)
		return true;
	return splice_removes(splice, mark) ? splice_remove(splice, mark)
					    : splice_strip_members(splice, mark);
}

/* The envelope is a request: makes the edits that the carriers met so far ask for. */
static void splice_edit(struct splice *splice)
{
	size_t i, count = splice->marks_count;

	if (splice->skim.envelope_depth > 1 && splice_injects(splice) && !splice->checked &&
		!shelf_has_room(&splice->shelf)) { /* nobody would hear of what we write */
		splice->troubles |= SPLICE_ENVELOPE_LARGE;
		splice_withhold(splice);
		if (splice->fate == SPLICE_REFUSED)
			return;
	}
	if (!window_reserve(&splice->window, count + 1)) {
		splice_fail(splice, SPLICE_NO_MEMORY);
		return;
	}
	splice->fate = SPLICE_EDITED;
	for (i = 0; i < count; i++)
		if (!splice_edit_mark(splice, &splice->marks[i]))
			return;
	splice->marks_count = 0;
}

bool splice_concerns(struct splice *splice)
{
	enum envelope_kind kind = envelope_judge(&splice->envelope);

	return kind == ENVELOPE_REQUEST ||
	       (splice_strips(splice) && envelope_is_call(&splice->envelope));
}

/* Whether it would be another way only by a member that is repeated. */
static bool splice_is_decided(const struct splice *splice)
{
	if (splice->mode == SPLICE_STRIP)
		return envelope_value(&splice->envelope, ENVELOPE_METHOD)->type != JSON_ABSENT;
	return envelope_decided(&splice->envelope);
}

/* FLOWING, between members: makes the edits that wait, if it is known by now what it is. */
static void splice_settle(struct splice *splice)
{
	bool decided = splice_is_decided(splice);

	splice->skim.stop_at_members = !decided;
	if (!decided)
		return;
	if (splice_concerns(splice))
		splice_edit(splice);
	else
		splice_leave(splice, SPLICE_LEFT);
}

static bool splice_reserve_mark(struct splice *splice)
{
	size_t size = splice->marks_size == 0 ? SPLICE_MARKS_FIRST : 2 * splice->marks_size;
	struct splice_mark *marks;

	if (splice->marks_count < splice->marks_size)
		return true;
	marks = realloc(splice->marks, size * sizeof(*marks));
	if (marks == NULL)
		return false;
	splice->marks = marks;
	splice->marks_size = size;
	return true;
}

/* Whether only carriers that may go stand before the member at from. */
static bool splice_is_leading(const struct splice *splice, size_t from, size_t key)
{
	const struct splice_mark *before = splice->marks + splice->marks_count - 1;

	return from == key || from == splice->gone_comma ||
	       (splice->marks_count > 0 && before->leading && before->comma == from);
}

/* A mark for the carrier whose value is or was being read, if it can be edited. */
static void splice_push_mark(struct splice *splice)
{
	struct skim *skim = &splice->skim;
	bool first = (skim->carrier & POINTERS_FIRST) != 0;
	bool again = first && splice->carrier_seen;
	size_t size;
	bool lost = splice->phase == SPLICE_FLOWING &&
		    skim->value_from - skim->member_from > SPLICE_HOLD_MAX;

	splice->carrier_seen |= first;
	if (splice_keeps(splice, skim->carrier) &&
		*window_at(&splice->window, skim->value_from, &size) != '{')
		return;
	if (!splice_reserve_mark(splice)) {
		splice_fail(splice, SPLICE_NO_MEMORY);
		return;
	}
	splice->marks[splice->marks_count] = (struct splice_mark){
		.from = lost ? skim->value_from : skim->member_from,
		.key = skim->key_from,
		.value = skim->value_from,
		.depth = skim->depth,
		.stops = skim->carrier,
		.leading = splice_strips_trace(splice) && (skim->carrier & POINTERS_SHARED) == 0 &&
			   splice_is_leading(splice, skim->member_from, skim->key_from),
		.again = again,
		.lost = lost,
	};
	splice->value = SPLICE_VALUE_WAITS;
}

void splice_on_carrier(struct splice *splice)
{
	if (splice->fate == SPLICE_OPEN || splice->fate == SPLICE_EDITED)
		splice_push_mark(splice);
}

void splice_on_carrier_end(struct splice *splice)
{
	enum splice_value was;

	if (splice->phase == SPLICE_HOLDING)
		splice_push_mark(splice);
	splice->skim.member_from = SKIM_NOWHERE; /* it waits as a mark now, or not at all */
	was = splice->value;
	splice->value = SPLICE_VALUE_OTHER;
	if (was == SPLICE_VALUE_DROPPED) {
		window_drop(&splice->window, splice->skim.offset);
		splice->skim.stop_at_members |= splice->comma_due > 0;
	}
	if (was != SPLICE_VALUE_WAITS)
		return;
	splice->skim.stop_at_members = splice->marks[splice->marks_count].leading;
	splice->marks[splice->marks_count++].end = splice->skim.offset;
	if (splice->phase == SPLICE_FLOWING && !splice->skim.stop_at_members)
		splice_settle(splice); /* else when its comma is known, or that there is none */
}

void splice_on_params_end(struct splice *splice)
{
	bool adds;

	splice->comma_due = 0;
	if (splice->phase == SPLICE_FLOWING && splice->marks_count > 0)
		splice_settle(splice);
	adds = splice->place.in_params && splice_injects(splice) && !splice->carrier_seen;
	if (splice->place.in_params)
		splice->carrier_seen = false;
	if (!adds || (splice->fate != SPLICE_OPEN && splice->fate != SPLICE_EDITED))
		return;
	if (!splice_reserve_mark(splice)) {
		splice_fail(splice, SPLICE_NO_MEMORY);
		return;
	}
	splice->marks[splice->marks_count++] = (struct splice_mark){
		.from = splice->skim.offset - 1,
		.key = splice->skim.params_from,
		.stops = POINTERS_FIRST,
		.adds = true,
		.leading = splice->skim.params_empty,
	};
	if (splice->phase == SPLICE_FLOWING)
		splice_settle(splice);
}

/* FLOWING: after the comma behind a removed carrier that was too long to be seen as a whole. */
static void splice_drop_comma(struct splice *splice)
{
	size_t comma = splice->skim.offset - 1;
	bool due = splice->comma_due == splice->skim.depth;

	splice->comma_due = 0; /* else there was none behind it */
	if (!due)
		return;
	if (!window_reserve(&splice->window, 1)) {
		splice_fail(splice, SPLICE_NO_MEMORY);
		return;
	}
	window_give(&splice->window, comma);
	window_drop(&splice->window, comma + 1);
	splice->gone_comma = comma;
	splice->gone_end = 0;
}

void splice_on_member(struct splice *splice)
{
	struct splice_mark *last;

	splice->skim.stop_at_members = false;
	if (splice->comma_due > 0)
		splice_drop_comma(splice);
	if (splice->marks_count == 0)
		return;
	last = &splice->marks[splice->marks_count - 1];
	if (last->comma == 0 && splice->skim.depth == last->depth)
		last->comma = splice->skim.offset - 1;
	last->depth = 0; /* a later comma is not behind it */
	if (splice->phase == SPLICE_FLOWING)
		splice_settle(splice);
}

void splice_close_request(struct splice *splice)
{
	assert(splice->mode > SPLICE_HOLD);
	if (splice->fate == SPLICE_LEFT)
		splice->troubles |= SPLICE_UNDECIDED;
	if (splice->fate != SPLICE_OPEN && splice->fate != SPLICE_EDITED)
		return;
	splice_edit(splice);
	if (splice->fate != SPLICE_EDITED || splice->carrier_written || !splice_writes(splice))
		return;
	if (!splice->place.in_params && !splice->carrier_seen)
		(void)splice_add(splice, splice->brace, false);
	else if (splice->place.in_params && splice->rules.makes_params &&
		 envelope_value(&splice->envelope, ENVELOPE_PARAMS)->type == JSON_ABSENT)
		splice_add_params(splice);
	else
		splice->troubles |= SPLICE_NO_PLACE;
}

/* Whether the rest of a carrier can be left out as it comes. */
static bool splice_can_drop(const struct splice *splice, const struct splice_mark *mark)
{
	if (splice->window.fills || splice_keeps(splice, mark->stops))
		return false;
	return splice_removes(splice, mark) ||
	       (splice_writes_at(splice, mark) && !splice_is_object(splice, mark));
}

void splice_overflow(struct splice *splice)
{
	struct splice_mark *open = &splice->marks[splice->marks_count];
	const struct splice_mark *last;
	bool reads = splice->value == SPLICE_VALUE_WAITS, drops;

	if (!(splice_is_decided(splice) || splice_strips(splice)) || !splice_concerns(splice)) {
		splice_leave(splice, SPLICE_LEFT);
		return;
	}
	drops = reads && splice_can_drop(splice, open);
	if (drops) {
		open->end = splice->skim.offset;
		splice->marks_count++;
	}
	last = splice->marks_count > 0 ? &splice->marks[splice->marks_count - 1] : NULL;
	splice_edit(splice);
	if (splice->fate != SPLICE_EDITED)
		return;
	if (last != NULL && splice->gone_end == last->end) {
		splice->comma_due = last->depth;
		splice->skim.stop_at_members = last->depth > 0;
	}
	splice->value = SPLICE_VALUE_OTHER;
	if (drops && splice->window.given >= open->end)
		splice->value = SPLICE_VALUE_DROPPED;
	else if (reads)
		splice_leave(splice, SPLICE_LEFT);
}

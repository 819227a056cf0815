/*
 * One message on its way through. In the order of its life:
 *
 * HOLDING   Bytes are only kept. When the message ends within SPLICE_HOLD_MAX it is read in one
 *           go, from the caller's bytes if they are all there, and everything is known at once: a
 *           broken message is found before anything is done for it. A batch is checked first and
 *           then read once more, so that its envelopes follow each other as they stand in it.
 *           What cannot be a message by its first byte is not kept, but WATCHED at once.
 * FLOWING   It did not end: what was kept is read, and what follows as it comes. Bytes are given
 * out up to where an edit may still come: the comma before a member whose key is not known yet, or
 * a carrier of which it is not known whether it is a request's. Those wait for SPLICE_HOLD_MAX
 * bytes at most; then the envelope is left as it is. WATCHING  It is read and given out as it
 * comes. PASSING   It is not read any more: not JSON, or out of memory.
 *
 * A carrier that was met is a mark; splice_edit() turns marks into edits. All positions are offsets
 * in the message, and every decision is made at an offset that depends on the bytes alone, so the
 * cuts of the input are never seen in the output.
 *
 * At the end of a call everything is given out that does not have to wait (window.h).
 */
#include "proxy/message/splice.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/message/envelope_fill.h"
#include "proxy/message/members.h"
#include "proxy/message/place.h"
#include "proxy/message/pointers_tree.h"
#include "proxy/message/shelf.h"
#include "proxy/message/skim.h"
#include "proxy/message/window.h"
#include "w3c/json.h"

enum splice_phase {
	SPLICE_HOLDING,
	SPLICE_FLOWING,
	SPLICE_WATCHING,
	SPLICE_PASSING,
};

/* What becomes of the carriers of the current envelope. */
enum splice_fate {
	SPLICE_OPEN,    /* nothing is decided yet */
	SPLICE_EDITED,  /* it is one of those that are edited: what else turns up is removed */
	SPLICE_LEFT,    /* it was none so far, or could not wait: nothing is changed any more */
	SPLICE_REFUSED, /* the hook wants it unchanged */
};

/*
 * The value that is being read: of none but carriers is anything to be known. It waits from its
 * beginning, is dropped from where it has waited too long, and both end with it, or when nothing
 * more is changed in the envelope.
 */
enum splice_value {
	SPLICE_VALUE_OTHER,
	SPLICE_VALUE_WAITS,   /* marks[marks_count] is its carrier */
	SPLICE_VALUE_DROPPED, /* it is left out as it comes */
};

/* A carrier member, or the brace of params without one. */
struct splice_mark {
	size_t from;    /* the comma before it; its key, if it is the first member; the brace */
	size_t key;     /* its key's quote; that of params, if it is their closing one */
	size_t value;   /* its value's first byte */
	size_t end;     /* after its value */
	size_t comma;   /* the comma after it; 0: none; only known of leading ones */
	uint32_t depth; /* of the object that it is in */
	uint8_t stops;  /* of its place: POINTERS_FIRST ... */
	bool adds;      /* it is the brace */
	bool leading;   /* nothing stands before it but what may go; the brace: nothing at all */
	bool again;     /* the object that it is in has one of this place already */
	bool lost;      /* so much white space stood before its value that from was let go */
};

#define SPLICE_MARKS_FIRST 4

/* What begins params that there were not. */
#define SPLICE_PARAMS ",\"params\":{"

/* Messages after their sizes (as in LSP) begin with this field, in any case (RFC 9110, 5.1). */
static const uint8_t splice_field[] = "content-length:";

struct splice {
	struct skim skim;
	struct envelope envelope;
	struct window window;
	struct shelf shelf; /* the envelopes of a batch that is not known to be whole */
	struct place place;
	struct place_rules rules;
	char *member; /* owned; ,"trace": and, behind that, the same in new params */
	size_t member_size;

	const struct splice_hooks *hooks; /* borrowed until the next message */
	void *arg;
	enum splice_mode mode;
	enum splice_phase phase;
	unsigned troubles;
	bool changed;  /* the output differs from the input */
	bool complete; /* the last byte has come */
	bool checked;  /* SPLICE_HOLDING: the whole message is known to be JSON */
	bool ended;    /* the one envelope of a message that is no batch was read */
	bool hold_all; /* as splice_hold_all() says */
	bool promised; /* as splice_promise() says */
	bool begun;    /* HOLDING: not only blanks have come */
	bool foreign;  /* it begins like nothing that is JSON */
	uint8_t field; /* so far, how much of splice_field it begins with; 0: it does not */

	size_t growth;   /* what was told of it, as it was promised */
	size_t room;     /* if window.fills: what is left of that */
	size_t inserted; /* then, when something is written: how much was before in this call */

	/* The current envelope. */
	const char *ours; /* our carrier, as the hook gave it, or in ours_copy */
	size_t ours_size; /* 0: it was not asked for */
	char *ours_copy;  /* owned; for messages that flow past places where it may be written */
	bool carrier_written; /* ours is in the output */
	bool carrier_seen;    /* there is one at the first place; if in params, in these */
	bool withheld;        /* it gets none of ours */
	enum splice_value value;
	enum splice_fate fate;
	/* Removed members with nothing before them in their object: up to here they are gone. */
	size_t gone_comma;  /* the comma that went with the last one */
	size_t gone_end;    /* its end, if it had none */
	uint32_t comma_due; /* depth of the object of which the next comma goes too; 0: none */
	size_t marks_count, marks_size;
	struct splice_mark *marks; /* owned */
	size_t brace;              /* its closing one */
};

static const enum skim_mode splice_skim_modes[] = {
	[SPLICE_WATCH] = SKIM_WATCH,
	[SPLICE_HOLD] = SKIM_WATCH,
	[SPLICE_INJECT] = SKIM_FIRST,
	[SPLICE_REPLACE] = SKIM_STOP,
	[SPLICE_STRIP] = SKIM_STOP,
};

/* No carrier waits; from here on the envelope has this fate. */
static void splice_leave(struct splice *splice, enum splice_fate fate)
{
	splice->fate = fate;
	splice->value = SPLICE_VALUE_OTHER;
	splice->marks_count = 0;
	splice->skim.stop_at_members = false;
}

static void splice_begin_envelope(struct splice *splice)
{
	splice_leave(splice, SPLICE_OPEN);
	splice->carrier_written = false;
	splice->carrier_seen = false;
	splice->withheld = false;
	splice->ours_size = 0;
	splice->gone_comma = 0;
	splice->gone_end = 0;
	splice->comma_due = 0;
}

static bool splice_injects(const struct splice *splice)
{
	return splice->mode == SPLICE_INJECT || splice->mode == SPLICE_REPLACE;
}

/* Whether something is taken out of all that has a method. */
static bool splice_strips(const struct splice *splice)
{
	return splice->mode >= SPLICE_REPLACE;
}

static bool splice_strips_trace(const struct splice *splice)
{
	return splice_strips(splice) && splice->rules.strips_trace;
}

static void splice_fail(struct splice *splice, unsigned trouble)
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

/*
 * Whether the envelope is one whose carriers are edited, by what has been read: ours goes into
 * requests alone; carriers are taken from all that has a method, whatever stands in the place of an
 * id.
 */
static inline bool splice_concerns(struct splice *splice)
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

/* FLOWING: a carrier's value begins. */
static void splice_on_carrier(struct splice *splice)
{
	if (splice->fate == SPLICE_OPEN || splice->fate == SPLICE_EDITED)
		splice_push_mark(splice);
}

static void splice_on_carrier_end(struct splice *splice)
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

/* Params have ended that can have a carrier: without one, ours goes there. */
static void splice_on_params_end(struct splice *splice)
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

/* After a comma, while carriers wait. */
static void splice_on_member(struct splice *splice)
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

/* A request's last chance to be edited, with everything known. */
static void splice_close_request(struct splice *splice)
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

/*
 * FLOWING: a carrier has waited for SPLICE_HOLD_MAX bytes. If by now it is known at least that it
 * is a call of which something is taken out, that is done. What is read still is left out as it
 * comes, unless it is an object, whose other members would be lost, or cannot become as many
 * blanks: then the rest of the envelope stays as it is.
 */
static void splice_overflow(struct splice *splice)
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

/* How far may be read before splice_overflow() has to decide. */
static const uint8_t *splice_limit(
	const struct splice *splice, const uint8_t *at, const uint8_t *end)
{
	bool waits = splice->marks_count > 0 || splice->value == SPLICE_VALUE_WAITS;
	size_t room;

	if (splice->phase != SPLICE_FLOWING || !waits)
		return end;
	room = splice->marks[0].from + SPLICE_HOLD_MAX - splice->skim.offset;
	return room < (size_t)(end - at) ? at + room : end;
}

/* An envelope of a batch: waits until the rest of the batch is known. */
__attribute__((noinline)) static void splice_end_element(struct splice *splice)
{
	if (splice->checked) {
		splice->hooks->envelope(splice->arg, &splice->envelope);
		return;
	}
	switch (shelf_put(&splice->shelf, &splice->envelope)) {
	case SHELF_KEPT:
		break;
	case SHELF_FULL:
		splice->troubles |= SPLICE_ENVELOPE_LARGE;
		break;
	case SHELF_NO_MEMORY:
		splice->troubles |= SPLICE_NO_MEMORY;
		break;
	}
}

/*
 * After a closing brace. Before a held message is touched the rest of it must be known to be good;
 * then *at is at its end.
 */
static void splice_on_brace(struct splice *splice, const uint8_t **at, const uint8_t *end)
{
	splice->brace = splice->skim.offset - 1;
	splice->ended = splice->skim.depth == 0;
	if (splice->phase == SPLICE_HOLDING && !splice->checked && *at < end &&
		(skim_run(&splice->skim, at, end) != SKIM_MORE || !skim_finish(&splice->skim))) {
		splice_fail(splice, SPLICE_NOT_JSON);
		return;
	}
	if (splice_concerns(splice) && splice->mode > SPLICE_HOLD)
		splice_close_request(splice);
	if (splice->phase == SPLICE_PASSING)
		return;
	if (!splice->ended)
		splice_end_element(splice);
	splice_begin_envelope(splice);
}

/* Text of which the first bytes were those of the field, and the next ones come. */
static void splice_match_field(struct splice *splice, const uint8_t *at, const uint8_t *end)
{
	for (; at < end && splice_field[splice->field] != '\0'; at++) {
		uint8_t wanted = splice_field[splice->field];

		if (*at != wanted && !(wanted >= 'a' && (*at | 0x20) == wanted)) {
			splice->field = 0;
			return;
		}
		splice->field++;
	}
}

/* At *at is what is not JSON. */
static void splice_refuse(struct splice *splice, const uint8_t *at, const uint8_t *end)
{
	splice_fail(splice, SPLICE_NOT_JSON);
	splice->foreign =
		splice->skim.depth == 0 && splice->skim.envelope_depth == 1 && !splice->ended;
	if (splice->foreign && splice->skim.offset == 0)
		splice_match_field(splice, at, end);
}

/* Reads on, until all is read or there is no point in it. */
static void splice_read(struct splice *splice, const uint8_t *at, size_t size)
{
	const uint8_t *end = at + size;

	while (at < end && splice->phase != SPLICE_PASSING) {
		switch (skim_run(&splice->skim, &at, splice_limit(splice, at, end))) {
		case SKIM_MORE:
			if (at < end)
				splice_overflow(splice);
			break;
		case SKIM_CARRIER:
			splice_on_carrier(splice);
			break;
		case SKIM_CARRIER_END:
			splice_on_carrier_end(splice);
			break;
		case SKIM_PARAMS_END:
			splice_on_params_end(splice);
			break;
		case SKIM_MEMBER:
			splice_on_member(splice);
			break;
		case SKIM_ENVELOPE_END:
			splice_on_brace(splice, &at, end);
			break;
		case SKIM_BAD:
			splice_refuse(splice, at, end);
			break;
		case SKIM_DEEP:
			splice_fail(splice, SPLICE_TOO_DEEP);
			break;
		}
	}
}

/* A batch is checked as a whole before its first envelope is touched. */
static bool splice_check(struct splice *splice, const uint8_t *at, const uint8_t *end)
{
	enum skim_event event;

	skim_begin(&splice->skim, SKIM_CHECK);
	event = skim_run(&splice->skim, &at, end);
	if (event != SKIM_MORE || !skim_finish(&splice->skim)) {
		splice_fail(splice, event == SKIM_DEEP ? SPLICE_TOO_DEEP : SPLICE_NOT_JSON);
		return false;
	}
	skim_begin(&splice->skim, splice_skim_modes[splice->mode]);
	splice->checked = true;
	return true;
}

/* The whole message is there, and fits the hold. */
static void splice_read_held(struct splice *splice)
{
	const uint8_t *at = splice->window.bytes;
	size_t size = splice->window.bytes_size;

	if (size != window_end(&splice->window)) {
		if (!window_store(&splice->window)) {
			splice_fail(splice, SPLICE_NO_MEMORY);
			return;
		}
		size = window_held(&splice->window, &at);
	}
	if (skim_is_array(at, at + size) && !splice_check(splice, at, at + size))
		return;
	splice_read(splice, at, size);
}

/* Whether something may still be written into what is not read yet. */
static bool splice_may_write(const struct splice *splice)
{
	return splice_injects(splice) && splice->phase == SPLICE_FLOWING &&
	       skim_expects_envelope(&splice->skim) &&
	       (splice->fate == SPLICE_OPEN || splice->fate == SPLICE_EDITED ||
		       splice->skim.envelope_depth > 1);
}

/*
 * The envelope that the first bytes of a message belong to, if it has begun: in a batch it is not
 * another one's. NULL: there is none.
 */
static const struct envelope *splice_first_envelope(const struct splice *splice)
{
	bool begun = splice->ended || splice->skim.live_depth >= splice->skim.envelope_depth;

	return begun && splice->shelf.used == 0 ? &splice->envelope : NULL;
}

/* Tells that the message is longer than the hold, unless it is seen to be an answer. */
__attribute__((noinline)) static void splice_tell_outgrown(struct splice *splice)
{
	const struct pointers_node *text = splice->skim.capture;
	bool answers =
		text != NULL && (text->slot == ENVELOPE_RESULT || text->slot == ENVELOPE_ERROR);

	if (splice->phase != SPLICE_PASSING && !answers)
		splice->hooks->outgrown(splice->arg, splice_first_envelope(splice));
}

/*
 * The message does not fit the hold, or need not be held. What is promised of its size is found by
 * as many bytes as the hold takes, wherever the input was cut.
 */
static void splice_stop_holding(struct splice *splice, enum splice_phase phase)
{
	const uint8_t *held, *bytes = splice->window.bytes;
	size_t held_size = window_held(&splice->window, &held);
	size_t size = splice->window.bytes_size, first = SPLICE_HOLD_MAX - held_size;
	bool outgrown =
		splice->hooks->outgrown != NULL && window_end(&splice->window) > SPLICE_HOLD_MAX;

	assert(splice->phase == SPLICE_HOLDING);
	splice->phase = phase;
	splice->skim.stop_at_carriers = true;
	if (splice->promised && phase == SPLICE_FLOWING) {
		splice->window.fills = true;
		splice->growth = splice->room = splice_injects(splice) ? SPLICE_GROWTH : 0;
	}
	if (held_size > 0)
		splice_read(splice, held, held_size);
	if (splice->window.fills || outgrown) {
		assert(first <= size);
		splice_read(splice, bytes, first);
		bytes += first;
		size -= first;
	}
	if (outgrown)
		splice_tell_outgrown(splice);
	if (splice->window.fills && !splice_may_write(splice)) {
		splice->growth -= splice->room;
		splice->room = 0;
	}
	splice_read(splice, bytes, size);
}

/* The offset from which bytes have to wait. */
static size_t splice_keep_from(const struct splice *splice)
{
	size_t end = window_end(&splice->window), from = end;

	if (splice->phase == SPLICE_HOLDING && !splice->complete)
		return 0;
	if (splice->phase != SPLICE_FLOWING || splice->value == SPLICE_VALUE_DROPPED ||
		(splice->fate != SPLICE_OPEN && splice->fate != SPLICE_EDITED))
		return end;
	if (splice->marks_count > 0 || splice->value == SPLICE_VALUE_WAITS)
		from = splice->marks[0].from;
	else if (splice->skim.member_from != SKIM_NOWHERE)
		from = splice->skim.member_from;
	return end - from > SPLICE_HOLD_MAX ? end : from;
}

/* At the end of a call: gives out what can go, keeps the rest. */
static void splice_give(struct splice *splice)
{
	size_t from;

	if (splice->value == SPLICE_VALUE_DROPPED)
		window_drop(&splice->window, window_end(&splice->window));
	from = splice_keep_from(splice);
	if (from == window_end(&splice->window) && window_direct(&splice->window)) {
		window_give_rest(&splice->window);
		return;
	}
	window_give(&splice->window, from);
	if (window_store(&splice->window))
		return;
	splice_fail(splice, SPLICE_NO_MEMORY);
	window_give(&splice->window, window_end(&splice->window));
	(void)window_store(&splice->window); /* nothing is left to be stored */
}

/* Writes ,"NAME": with name as JSON text; returns its size. */
static size_t splice_member_write(char *member, const char *name)
{
	char *at = member;

	*at++ = ',';
	*at++ = '"';
	for (; *name != '\0'; name++) {
		uint8_t byte = (uint8_t)*name;

		if (byte < 0x20 || byte == '"' || byte == '\\')
			at = json_put_escape(at, byte);
		else
			*at++ = *name;
	}
	*at++ = '"';
	*at++ = ':';
	return (size_t)(at - member);
}

struct splice *splice_new(const struct pointers *pointers, const struct place_rules *rules)
{
	struct splice *splice = calloc(1, sizeof(*splice));
	char *member;

	if (splice == NULL)
		return NULL;
	splice->rules = *rules;
	splice->rules.place = NULL; /* not ours for life */
	if (place_parse(&splice->place, rules->place) == 0)
		splice->member = malloc(2 * (6 * strlen(splice->place.name) + sizeof(",\"\":")) +
					strlen(SPLICE_PARAMS));
	if (splice->member == NULL || window_init(&splice->window) != 0 ||
		envelope_init(&splice->envelope, pointers) != 0) {
		splice_free(splice);
		return NULL;
	}
	splice->member_size = splice_member_write(splice->member, splice->place.name);
	member = splice->member + splice->member_size;
	memcpy(member, SPLICE_PARAMS, strlen(SPLICE_PARAMS));
	memcpy(member + strlen(SPLICE_PARAMS), splice->member + 1, splice->member_size - 1);
	skim_init(&splice->skim, pointers, &splice->envelope);
	splice->phase = SPLICE_PASSING;
	return splice;
}

void splice_free(struct splice *splice)
{
	if (splice == NULL)
		return;
	window_done(&splice->window);
	shelf_clear(&splice->shelf);
	envelope_done(&splice->envelope);
	free(splice->member);
	free(splice->marks);
	free(splice->ours_copy);
	free(splice);
}

static inline void splice_set_up(
	struct splice *splice, enum splice_mode mode, const struct splice_hooks *hooks, void *arg)
{
	splice->hooks = hooks;
	splice->arg = arg;
	splice->mode = mode;
	splice->phase = mode == SPLICE_WATCH ? SPLICE_WATCHING : SPLICE_HOLDING;
	splice->troubles = 0;
	splice->changed = false;
	splice->complete = false;
	splice->checked = false;
	splice->ended = false;
	splice->hold_all = false;
	splice->promised = false;
	splice->begun = false;
	splice->foreign = false;
	splice->field = 0;
	splice->growth = 0;
	if (splice->shelf.bytes != NULL) /* the last message was dropped halfway */
		shelf_clear(&splice->shelf);
	splice->envelope.lent = false;
	splice->envelope.large = false;
	splice->envelope.no_memory = false;
	skim_begin(&splice->skim, splice_skim_modes[mode]);
	splice_begin_envelope(splice);
}

void splice_begin(
	struct splice *splice, enum splice_mode mode, const struct splice_hooks *hooks, void *arg)
{
	splice_set_up(splice, mode, hooks, arg);
	window_begin(&splice->window);
}

void splice_hold_all(struct splice *splice)
{
	assert(!splice->complete && window_end(&splice->window) == 0);
	splice->hold_all = true;
}

void splice_promise(struct splice *splice)
{
	assert(!splice->complete && window_end(&splice->window) == 0);
	splice->promised = true;
}

size_t splice_growth(const struct splice *splice)
{
	return splice->growth;
}

/* HOLDING: whether the message is seen to be none, by its first byte that is not blank. */
static bool splice_is_none(struct splice *splice, const uint8_t *at, size_t size)
{
	const uint8_t *end = at + size;

	if (splice->hold_all || splice->begun)
		return false;
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
		at++;
	splice->begun = at < end;
	return splice->begun && *at != '{' && *at != '[';
}

/* Takes bytes that may have to be held, or edited. */
static void splice_take(struct splice *splice, const uint8_t *bytes, size_t size)
{
	window_feed(&splice->window, bytes, size);
	if (splice->phase != SPLICE_HOLDING)
		splice_read(splice, bytes, size);
	else if (window_end(&splice->window) > SPLICE_HOLD_MAX)
		splice_stop_holding(
			splice, splice->mode == SPLICE_HOLD ? SPLICE_WATCHING : SPLICE_FLOWING);
	else if (splice->complete)
		splice_read_held(splice);
	else if (splice_is_none(splice, bytes, size))
		splice_stop_holding(splice, SPLICE_WATCHING);
}

/* A batch is whole: what its envelopes say counts now. */
static void splice_unshelve(struct splice *splice)
{
	size_t at = 0;

	while (shelf_take(&splice->shelf, &at, &splice->envelope)) {
		(void)envelope_judge(&splice->envelope);
		splice->hooks->envelope(splice->arg, &splice->envelope);
	}
	shelf_clear(&splice->shelf);
}

/*
 * The last byte is read: a value that is not complete will not be. Now that nothing can follow, the
 * message counts.
 */
static inline void splice_finish(struct splice *splice)
{
	if (splice->phase == SPLICE_PASSING)
		return;
	if (!skim_finish(&splice->skim))
		splice_fail(splice, SPLICE_NOT_JSON);
	else if (splice->ended)
		splice->hooks->envelope(splice->arg, &splice->envelope);
	else if (splice->shelf.used > 0)
		splice_unshelve(splice);
}

unsigned splice_watch(struct splice *splice, const struct splice_hooks *hooks, void *arg,
	const uint8_t *bytes, size_t size)
{
	splice_set_up(splice, SPLICE_WATCH, hooks, arg);
	splice->complete = true;
	splice_read(splice, bytes, size);
	splice_finish(splice);
	return splice_troubles(splice);
}

void splice_feed(struct splice *splice, const uint8_t *bytes, size_t size, bool last)
{
	bool watch = splice->mode == SPLICE_WATCH;

	assert(!splice->complete);
	splice->complete = last;
	if (size == 0)
		bytes = (const uint8_t *)"";
	if (splice->field > 0)
		splice_match_field(splice, bytes, bytes + size);
	if (watch)
		splice_read(splice, bytes, size);
	else
		splice_take(splice, bytes, size);
	if (last)
		splice_finish(splice);
	else
		envelope_keep(&splice->envelope);
	if (watch)
		window_pass(&splice->window, bytes, size);
	else
		splice_give(splice);
	if (last && splice->window.fills)
		window_fill(&splice->window, splice->room);
}

void splice_abandon(struct splice *splice)
{
	assert(!splice->complete);
	window_feed(&splice->window, (const uint8_t *)"", 0);
	splice_fail(splice, 0);
	splice_give(splice);
}

const struct splice_piece *splice_pieces(const struct splice *splice, size_t *count, size_t *total)
{
	*count = splice->window.pieces_count;
	*total = splice->window.pieces_total;
	return splice->window.pieces;
}

unsigned splice_troubles(const struct splice *splice)
{
	return splice->troubles | (splice->envelope.large ? SPLICE_ENVELOPE_LARGE : 0) |
	       (splice->envelope.no_memory ? SPLICE_NO_MEMORY : 0);
}

enum splice_form splice_form(const struct splice *splice)
{
	if (splice->field == sizeof(splice_field) - 1)
		return SPLICE_FORM_FIELD;
	if (splice->foreign)
		return SPLICE_FORM_FOREIGN;
	if (splice->phase != SPLICE_PASSING && (splice->ended || splice->skim.envelope_depth > 1))
		return SPLICE_FORM_MESSAGE;
	return SPLICE_FORM_OTHER;
}

bool splice_may_edit(const struct splice *splice)
{
	bool settled = splice->fate == SPLICE_LEFT || splice->fate == SPLICE_REFUSED;

	if (splice->changed)
		return true;
	if (splice->complete || splice->phase == SPLICE_WATCHING || splice->phase == SPLICE_PASSING)
		return false;
	return splice->phase == SPLICE_HOLDING ||
	       (skim_expects_envelope(&splice->skim) &&
		       (!settled || splice->skim.envelope_depth > 1));
}

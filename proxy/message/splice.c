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
 * A carrier that was met is a mark, which becomes an edit (splice_edit.c). All positions are
 * offsets in the message, and every decision is made at an offset that depends on the bytes alone,
 * so the cuts of the input are never seen in the output.
 *
 * At the end of a call everything is given out that does not have to wait (window.h).
 */
#include "proxy/message/splice.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/message/envelope_fill.h"
#include "proxy/message/splice_state.h"
#include "w3c/json.h"

/* Messages after their sizes (as in LSP) begin with this field, in any case (RFC 9110, 5.1). */
static const uint8_t splice_field[] = "content-length:";

static const enum skim_mode splice_skim_modes[] = {
	[SPLICE_WATCH] = SKIM_WATCH,
	[SPLICE_HOLD] = SKIM_WATCH,
	[SPLICE_INJECT] = SKIM_FIRST,
	[SPLICE_REPLACE] = SKIM_STOP,
	[SPLICE_STRIP] = SKIM_STOP,
};

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
	free(splice->recall);
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

/* Whether the message that was read is one whose beginning is to be learnt: others may come so. */
static inline bool splice_is_new(const struct splice *splice)
{
	return splice->envelope.kind == ENVELOPE_NOTIFICATION &&
	       (splice->recall == NULL || !splice->recall->known) && splice->ended;
}

__attribute__((noinline)) static void splice_learn(
	struct splice *splice, const uint8_t *bytes, size_t size)
{
	if (splice->recall == NULL)
		splice->recall = calloc(1, sizeof *splice->recall);
	if (splice->recall != NULL) /* else each is read from its first byte on */
		recall_learn(splice->recall, &splice->skim, bytes, size);
}

unsigned splice_watch(struct splice *splice, const struct splice_hooks *hooks, void *arg,
	const uint8_t *bytes, size_t size)
{
	size_t known = 0;
	unsigned troubles;

	splice_set_up(splice, SPLICE_WATCH, hooks, arg);
	splice->complete = true;
	if (splice->recall != NULL)
		known = recall_begin(splice->recall, &splice->skim, bytes, size);
	splice_read(splice, bytes + known, size - known);
	splice_finish(splice);
	troubles = splice_troubles(splice);
	if (splice_is_new(splice) && troubles == 0)
		splice_learn(splice, bytes, size);
	return troubles;
}

unsigned splice_edit_whole(struct splice *splice, enum splice_mode mode,
	const struct splice_hooks *hooks, void *arg, const uint8_t *bytes, size_t size)
{
	assert(mode != SPLICE_WATCH && size > 0 && size <= SPLICE_HOLD_MAX);
	splice_set_up(splice, mode, hooks, arg);
	splice->complete = true;
	window_take(&splice->window, bytes, size);
	splice_read_held(splice);
	splice_finish(splice);
	if (splice->value == SPLICE_VALUE_DROPPED)
		window_drop(&splice->window, size);
	window_give_rest(&splice->window);
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

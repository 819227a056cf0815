#ifndef TESTS_FUZZ_PLACE_CHECK_H
#define TESTS_FUZZ_PLACE_CHECK_H

/*
 * What splice must make of a message, said again over yajl's trees: two trees, of what came and of
 * what was given out, are walked side by side. PLACE_CHECK_OURS is the carrier that the hook gives.
 */
#include <stdbool.h>
#include <string.h>
#include <yajl/yajl_tree.h>

#include "proxy/message/envelope.h"
#include "proxy/message/place.h"
#include "proxy/message/pointers.h"
#include "proxy/message/splice.h"

#define PLACE_CHECK_OURS "{\"ours\":1}"

/* Places of which carriers are edited: that of the rules, and further ones. */
struct place_set {
	struct place_rules rules;
	const char *further[PLACES_MAX];
};

struct place_check {
	const struct place_set *set;
	struct place places[1 + PLACES_MAX];
	size_t count;
	enum splice_mode mode;
	bool refused;  /* the hook gives no carrier */
	bool requests; /* the envelope looked at is a request */
};

/* What splice needs for a set; NULL when out of memory. */
static inline struct pointers *place_set_pointers(const struct place_set *set)
{
	struct pointers *pointers = envelope_pointers_new(set->rules.place);
	struct place_slots slots;
	struct place place;
	size_t i;

	for (i = 0; pointers != NULL && i < PLACES_MAX && set->further[i] != NULL; i++) {
		if (place_parse(&place, set->further[i]) != 0 ||
			place_add(&slots, pointers, &place) != 0) {
			pointers_free(pointers);
			return NULL;
		}
		place_edit(pointers, &slots, false);
	}
	return pointers;
}

/* false: it names no places. */
static inline bool place_check_init(
	struct place_check *check, const struct place_set *set, enum splice_mode mode)
{
	size_t i;

	*check = (struct place_check){.set = set, .mode = mode, .count = 1};
	if (place_parse(&check->places[0], set->rules.place) != 0)
		return false;
	for (i = 0; i < PLACES_MAX && set->further[i] != NULL; i++)
		if (place_parse(&check->places[check->count++], set->further[i]) != 0)
			return false;
	return true;
}

static inline bool place_equal(yajl_val before, yajl_val after);

static inline bool place_is(const char *key, const char *name)
{
	return strcmp(key, name) == 0;
}

/* Whether ours is written, at the first place. */
static inline bool place_writes(const struct place_check *check)
{
	return (check->mode == SPLICE_INJECT || check->mode == SPLICE_REPLACE) && check->requests &&
	       !check->refused;
}

static inline bool place_strips(const struct place_check *check)
{
	return check->mode == SPLICE_REPLACE || check->mode == SPLICE_STRIP;
}

static inline bool place_strips_trace(const struct place_check *check)
{
	return place_strips(check) && check->set->rules.strips_trace;
}

/* The place whose carrier a member is, as far as it is edited. */
static inline const struct place *place_find(
	const struct place_check *check, const char *key, bool in_params)
{
	size_t i, count = place_strips(check) ? check->count : 1;

	for (i = 0; i < count; i++)
		if (check->places[i].in_params == in_params && place_is(key, check->places[i].name))
			return &check->places[i];
	return NULL;
}

static inline bool place_writes_at(const struct place_check *check, const struct place *place)
{
	return place == check->places && place_writes(check);
}

/* Whether a member of a carrier is taken. */
static inline bool place_takes(
	const struct place_check *check, const struct place *place, const char *key)
{
	if (place_is(key, "baggage"))
		return place_strips(check) && check->set->rules.strips_baggage;
	return (place_is(key, "traceparent") || place_is(key, "tracestate")) &&
	       (place_writes_at(check, place) || place_strips_trace(check));
}

static inline bool place_is_ours(yajl_val after, size_t at)
{
	yajl_val value;

	if (at >= after->u.object.len || !place_is(after->u.object.keys[at], "ours"))
		return false;
	value = after->u.object.values[at];
	return YAJL_IS_NUMBER(value) && place_is(value->u.number.r, "1");
}

/* A carrier that is an object: what is not taken follows as before, ours where it belongs. */
static inline bool place_members(
	const struct place_check *check, const struct place *place, yajl_val before, yajl_val after)
{
	bool due = place_writes_at(check, place), trace = false;
	size_t i, at = 0;

	if (!YAJL_IS_OBJECT(after))
		return false;
	for (i = 0; i < before->u.object.len; i++)
		trace = trace || place_is(before->u.object.keys[i], "traceparent") ||
			place_is(before->u.object.keys[i], "tracestate");
	if (due && !trace) {
		if (!place_is_ours(after, at++))
			return false;
		due = false;
	}
	for (i = 0; i < before->u.object.len; i++) {
		const char *key = before->u.object.keys[i];

		if (!place_takes(check, place, key)) {
			if (at >= after->u.object.len || !place_is(after->u.object.keys[at], key) ||
				!place_equal(
					before->u.object.values[i], after->u.object.values[at]))
				return false;
			at++;
		} else if (due && !place_is(key, "baggage")) {
			if (!place_is_ours(after, at++))
				return false;
			due = false;
		}
	}
	return at == after->u.object.len;
}

/* Nothing but ours. */
static inline bool place_only_ours(yajl_val after)
{
	return YAJL_IS_OBJECT(after) && after->u.object.len == 1 && place_is_ours(after, 0);
}

/* One carrier; *gone: it is to be left out. */
static inline bool place_carrier(const struct place_check *check, const struct place *place,
	yajl_val before, yajl_val after, bool again, bool *gone)
{
	bool writes = place_writes_at(check, place);

	*gone = !place->shared && (writes ? again : place_strips_trace(check));
	if (*gone)
		return true;
	if (after == NULL)
		return false;
	if (YAJL_IS_OBJECT(before))
		return place_members(check, place, before, after);
	return writes && !place->shared ? place_only_ours(after) : place_equal(before, after);
}

/* Whether these are params that were made for ours. */
static inline bool place_made(const struct place_check *check, const char *key, yajl_val params)
{
	return place_is(key, "params") && YAJL_IS_OBJECT(params) && params->u.object.len == 1 &&
	       place_is(params->u.object.keys[0], check->places[0].name) &&
	       place_only_ours(params->u.object.values[0]);
}

/* An object that may have carriers: the envelope, or params. */
static inline bool place_holder(
	const struct place_check *check, yajl_val before, yajl_val after, bool in_params)
{
	bool seen = false, params = false, gone;
	size_t i, at = 0;

	if (!YAJL_IS_OBJECT(after))
		return false;
	for (i = 0; i < before->u.object.len; i++, at += !gone) {
		const char *key = before->u.object.keys[i];
		const struct place *place = place_find(check, key, in_params);
		yajl_val value = before->u.object.values[i];
		bool there = at < after->u.object.len && place_is(after->u.object.keys[at], key);
		yajl_val now = there ? after->u.object.values[at] : NULL;

		gone = false;
		if (place != NULL) {
			if (!place_carrier(check, place, value, now, seen, &gone))
				return false;
			seen = seen || place == check->places;
			continue;
		}
		params = params || place_is(key, "params");
		if (now == NULL)
			return false;
		if (!in_params && place_is(key, "params") && YAJL_IS_OBJECT(value)
				? !place_holder(check, value, now, true)
				: !place_equal(value, now))
			return false;
	}
	if (!place_writes(check))
		return at == after->u.object.len;
	if (check->places[0].in_params == in_params) {
		if (seen)
			return at == after->u.object.len;
		return at + 1 == after->u.object.len &&
		       place_is(after->u.object.keys[at], check->places[0].name) &&
		       place_only_ours(after->u.object.values[at]);
	}
	if (in_params || params || !check->set->rules.makes_params)
		return at == after->u.object.len;
	return at + 1 == after->u.object.len &&
	       place_made(check, after->u.object.keys[at], after->u.object.values[at]);
}

static inline bool place_equal(yajl_val before, yajl_val after)
{
	size_t i;

	if (before->type != after->type)
		return false;
	if (YAJL_IS_STRING(before))
		return place_is(before->u.string, after->u.string);
	if (YAJL_IS_NUMBER(before))
		return place_is(before->u.number.r, after->u.number.r);
	if (YAJL_IS_OBJECT(before)) {
		for (i = 0; i < before->u.object.len && i < after->u.object.len; i++)
			if (!place_is(before->u.object.keys[i], after->u.object.keys[i]) ||
				!place_equal(before->u.object.values[i], after->u.object.values[i]))
				return false;
		return before->u.object.len == after->u.object.len;
	}
	if (!YAJL_IS_ARRAY(before))
		return true;
	for (i = 0; i < before->u.array.len && i < after->u.array.len; i++)
		if (!place_equal(before->u.array.values[i], after->u.array.values[i]))
			return false;
	return before->u.array.len == after->u.array.len;
}

/* By the last id and method: whether it is a call, and a request. An id too long is none here. */
static inline bool place_concerns(struct place_check *check, yajl_val value)
{
	yajl_val id = NULL, method = NULL;
	size_t i;

	for (i = 0; i < value->u.object.len; i++) {
		if (place_is(value->u.object.keys[i], "id"))
			id = value->u.object.values[i];
		if (place_is(value->u.object.keys[i], "method"))
			method = value->u.object.values[i];
	}
	check->requests =
		id != NULL &&
		((YAJL_IS_STRING(id) && strlen(id->u.string) <= ENVELOPE_ID_MAX) ||
			(YAJL_IS_NUMBER(id) && strlen(id->u.number.r) <= ENVELOPE_ID_MAX));
	if (check->mode < SPLICE_INJECT || method == NULL || !YAJL_IS_STRING(method))
		return false;
	return place_strips(check) || check->requests;
}

static inline bool place_envelope(struct place_check *check, yajl_val before, yajl_val after)
{
	if (!YAJL_IS_OBJECT(before) || !place_concerns(check, before))
		return place_equal(before, after);
	return place_holder(check, before, after, false);
}

/* Whether after is what must become of before. */
static inline bool place_message(struct place_check *check, yajl_val before, yajl_val after)
{
	size_t i;

	if (!YAJL_IS_ARRAY(before))
		return place_envelope(check, before, after);
	if (!YAJL_IS_ARRAY(after) || before->u.array.len != after->u.array.len)
		return false;
	for (i = 0; i < before->u.array.len; i++)
		if (!place_envelope(check, before->u.array.values[i], after->u.array.values[i]))
			return false;
	return true;
}

#endif

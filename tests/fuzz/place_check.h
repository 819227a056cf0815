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
#include "proxy/message/splice.h"

#define PLACE_CHECK_OURS "{\"ours\":1}"

struct place_check {
	struct place place;
	struct place_rules rules;
	enum splice_mode mode;
	bool requests; /* the envelope looked at is a request */
};

static inline bool place_equal(yajl_val before, yajl_val after);

static inline bool place_is(const char *key, const char *name)
{
	return strcmp(key, name) == 0;
}

/* Whether ours is written, and a member of a carrier taken. */
static inline bool place_writes(const struct place_check *check)
{
	return check->mode == SPLICE_INJECT && check->requests;
}

static inline bool place_takes(const struct place_check *check, const char *key)
{
	if (place_is(key, "baggage"))
		return check->rules.strips_baggage;
	return (place_is(key, "traceparent") || place_is(key, "tracestate")) &&
	       (place_writes(check) || (check->mode == SPLICE_STRIP && check->rules.strips_trace));
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
static inline bool place_members(const struct place_check *check, yajl_val before, yajl_val after)
{
	bool due = place_writes(check), trace = false;
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

		if (!place_takes(check, key)) {
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
static inline bool place_carrier(
	const struct place_check *check, yajl_val before, yajl_val after, bool again, bool *gone)
{
	bool keeps = check->place.shared ||
		     (!place_writes(check) &&
			     !(check->mode == SPLICE_STRIP && check->rules.strips_trace));

	*gone = !keeps && (check->mode == SPLICE_STRIP || again);
	if (*gone)
		return true;
	if (after == NULL)
		return false;
	if (YAJL_IS_OBJECT(before))
		return place_members(check, before, after);
	return keeps ? place_equal(before, after) : place_only_ours(after);
}

/* The object that has the carrier. */
static inline bool place_holder(struct place_check *check, yajl_val before, yajl_val after)
{
	bool again = false, gone;
	size_t i, at = 0;

	if (!YAJL_IS_OBJECT(after))
		return false;
	for (i = 0; i < before->u.object.len; i++) {
		const char *key = before->u.object.keys[i];
		bool there = at < after->u.object.len && place_is(after->u.object.keys[at], key);
		yajl_val value = before->u.object.values[i];

		gone = false;
		if (!place_is(key, check->place.name)) {
			if (!there || !place_equal(value, after->u.object.values[at]))
				return false;
		} else {
			if (!place_carrier(check, value, there ? after->u.object.values[at] : NULL,
				    again, &gone))
				return false;
			again = true;
		}
		at += !gone;
	}
	if (place_writes(check) && !again &&
		(at >= after->u.object.len ||
			!place_is(after->u.object.keys[at], check->place.name) ||
			!place_only_ours(after->u.object.values[at++])))
		return false;
	return at == after->u.object.len;
}

/* An envelope whose carrier is in params. */
static inline bool place_params(struct place_check *check, yajl_val before, yajl_val after)
{
	bool params = false;
	yajl_val value;
	size_t i;

	for (i = 0; i < before->u.object.len; i++) {
		const char *key = before->u.object.keys[i];

		if (i >= after->u.object.len || !place_is(after->u.object.keys[i], key))
			return false;
		value = after->u.object.values[i];
		params = params || place_is(key, "params");
		if (place_is(key, "params") && YAJL_IS_OBJECT(before->u.object.values[i])
				? !place_holder(check, before->u.object.values[i], value)
				: !place_equal(before->u.object.values[i], value))
			return false;
	}
	if (!place_writes(check) || params || !check->rules.makes_params)
		return i == after->u.object.len;
	value = after->u.object.values[i];
	return i + 1 == after->u.object.len && place_is(after->u.object.keys[i], "params") &&
	       YAJL_IS_OBJECT(value) && value->u.object.len == 1 &&
	       place_is(value->u.object.keys[0], check->place.name) &&
	       place_only_ours(value->u.object.values[0]);
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
	return check->mode == SPLICE_STRIP || check->requests || check->rules.strips_baggage;
}

static inline bool place_envelope(struct place_check *check, yajl_val before, yajl_val after)
{
	if (!YAJL_IS_OBJECT(before) || !place_concerns(check, before))
		return place_equal(before, after);
	if (!YAJL_IS_OBJECT(after))
		return false;
	return check->place.in_params ? place_params(check, before, after)
				      : place_holder(check, before, after);
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

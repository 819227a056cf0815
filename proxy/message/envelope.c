/*
 * What a message says about itself. skim enters values as it meets them; here they are kept, judged
 * (request, reply, ...), and the id is brought to the form under which a reply finds its request.
 *
 * Texts stay where they are in the message as long as it stays; else they live in one arena per
 * envelope, which grows when it must and stays. All together have a limit, wherever they are. A
 * text that finds no room is left empty and marked as cut, so that no half id or method is taken
 * for a whole one.
 */
#include "proxy/message/envelope.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/message/envelope_fill.h"
#include "proxy/message/place.h"
#include "w3c/utf8.h"

#define ENVELOPE_TEXT_MAX 256

/* Adds the slots of JSON-RPC itself; false when one of them does not get its number. */
static bool envelope_pointers_fill(struct pointers *pointers)
{
	static const struct {
		const char *pointer;
		size_t bytes_max;
	} fixed[] = {
		[ENVELOPE_ID] = {"/id", ENVELOPE_ID_MAX},
		[ENVELOPE_METHOD] = {"/method", ENVELOPE_TEXT_MAX},
		[ENVELOPE_PARAMS] = {"/params", 0},
		[ENVELOPE_RESULT] = {"/result", 0},
		[ENVELOPE_ERROR] = {"/error", 0},
		[ENVELOPE_ERROR_CODE] = {"/error/code", ENVELOPE_TEXT_MAX},
		[ENVELOPE_ERROR_MESSAGE] = {"/error/message", 4 * ENVELOPE_TEXT_MAX},
	};
	int slot;

	_Static_assert(sizeof(fixed) / sizeof(*fixed) == ENVELOPE_CARRIER, "they come first");
	for (slot = 0; slot < ENVELOPE_CARRIER; slot++)
		if (pointers_add(pointers, fixed[slot].pointer, fixed[slot].bytes_max) != slot)
			return false;
	return true;
}

struct pointers *envelope_pointers_new(const char *text)
{
	struct pointers *pointers;
	struct place_slots slots;
	struct place place;

	if (place_parse(&place, text) != 0)
		return NULL;
	pointers = pointers_new();
	if (pointers == NULL)
		return NULL;
	if (!envelope_pointers_fill(pointers) || place_add(&slots, pointers, &place) != 0) {
		pointers_free(pointers);
		return NULL;
	}
	place_edit(pointers, &slots, true);
	assert(slots.object == ENVELOPE_CARRIER && slots.traceparent == ENVELOPE_TRACEPARENT);
	assert(slots.tracestate == ENVELOPE_TRACESTATE && slots.baggage == ENVELOPE_BAGGAGE);
	assert(slots.traceparent_pos == ENVELOPE_TRACEPARENT_POS &&
		slots.tracestate_pos == ENVELOPE_TRACESTATE_POS);
	return pointers;
}

int envelope_init(struct envelope *envelope, const struct pointers *pointers)
{
	*envelope = (struct envelope){
		.pointers = pointers,
		.places = calloc(pointers->slots_count + 1, sizeof(*envelope->places)),
		.arena = malloc(ENVELOPE_ARENA_FIRST),
		.arena_size = ENVELOPE_ARENA_FIRST,
	};
	if (envelope->places == NULL || envelope->arena == NULL)
		return -1;
	envelope->values = envelope->places + 1;
	return 0;
}

void envelope_done(struct envelope *envelope)
{
	free(envelope->places);
	free(envelope->arena);
	*envelope = (struct envelope){.pointers = NULL};
}

/* Moves the arena and the values' texts in it to a place of size bytes. */
static bool envelope_arena_move(struct envelope *envelope, size_t size)
{
	uintptr_t old = (uintptr_t)envelope->arena;
	char *arena = malloc(size);
	size_t slot;

	if (arena == NULL) {
		envelope->no_memory = true;
		return false;
	}
	memcpy(arena, envelope->arena, envelope->arena_used + envelope->text_size); /* < size */
	for (slot = 0; slot < envelope->pointers->slots_count; slot++) {
		struct envelope_value *value = &envelope->values[slot];
		uintptr_t offset = (uintptr_t)value->text - old;

		if (offset < envelope->arena_size)
			value->text = arena + offset;
	}
	free(envelope->arena);
	envelope->arena = arena;
	envelope->arena_size = size;
	return true;
}

/*
 * Room for size bytes more at the end of what is there; never asked for beyond ENVELOPE_ARENA_MAX.
 */
static inline bool envelope_arena_reserve(struct envelope *envelope, size_t size)
{
	size_t needed = envelope->arena_used + envelope->text_size + size;
	size_t grown = envelope->arena_size;

	if (needed <= grown)
		return true;
	while (grown < needed)
		grown *= 2;
	return envelope_arena_move(envelope, grown);
}

/* A value with a text comes to node. */
static inline struct envelope_value *envelope_fill(struct envelope *envelope,
	const struct pointers_node *node, enum json_type type, bool cut, size_t length)
{
	struct envelope_value *value = envelope_make(envelope, node);

	*value = (struct envelope_value){.type = type, .cut = cut, .text = "", .length = length};
	return value;
}

void envelope_put(struct envelope *envelope, const struct pointers_node *node, enum json_type type,
	const uint8_t *bytes, size_t size)
{
	bool cut = size > node->bytes_max;
	struct envelope_value *value = envelope_fill(envelope, node, type, cut, size);
	size_t size_kept = cut ? node->bytes_max : size;

	if (size_kept > ENVELOPE_ARENA_MAX - envelope->texts_size)
		envelope->large = true;
	else if (envelope_arena_reserve(envelope, size_kept)) {
		value->text = memcpy(envelope->arena + envelope->arena_used, bytes, size_kept);
		value->size = cut ? utf8_cut(value->text, size_kept) : size_kept;
		envelope->arena_used += size_kept;
		envelope->texts_size += value->size;
		return;
	}
	value->cut = true;
}

/* The value in slot if its text is in the message's bytes, else NULL. */
static struct envelope_value *envelope_lent(struct envelope *envelope, size_t slot)
{
	struct envelope_value *value = &envelope->values[slot];

	if ((envelope->present[slot / 64] >> (slot % 64) & 1) == 0 || value->size == 0 ||
		(uintptr_t)value->text - (uintptr_t)envelope->arena < envelope->arena_size)
		return NULL;
	return value;
}

/* Moves the text of value to the arena, or drops it where there is no room. */
static void envelope_keep_value(struct envelope *envelope, struct envelope_value *value, bool room)
{
	if (!room) {
		value->text = "";
		value->size = 0;
		value->cut = true;
		return;
	}
	value->text = memcpy(envelope->arena + envelope->arena_used, value->text, value->size);
	envelope->arena_used += value->size;
}

void envelope_keep(struct envelope *envelope)
{
	struct envelope_value *value;
	size_t slot, size = 0;
	bool room;

	if (!envelope->lent)
		return;
	envelope->lent = false;
	for (slot = 0; slot < envelope->pointers->slots_count; slot++) {
		value = envelope_lent(envelope, slot);
		size += value == NULL ? 0 : value->size;
	}
	room = envelope_arena_reserve(envelope, size); /* <= texts_size in all */
	if (room && envelope->text_size > 0)           /* a text in progress stays at the end */
		memmove(envelope->arena + envelope->arena_used + size,
			envelope->arena + envelope->arena_used, envelope->text_size);
	for (slot = 0; slot < envelope->pointers->slots_count; slot++) {
		value = envelope_lent(envelope, slot);
		if (value != NULL)
			envelope_keep_value(envelope, value, room);
	}
	envelope->kept_end = envelope->arena_used;
}

void envelope_text_begin(struct envelope *envelope)
{
	unescape_init(&envelope->text);
	envelope->text_size = 0;
	envelope->text_length = 0;
	envelope->text_lost = false;
}

/* How long the whole text may become; *large: because there are too many others. */
static size_t envelope_text_room(
	const struct envelope *envelope, const struct pointers_node *node, bool *large)
{
	size_t left = ENVELOPE_ARENA_MAX - envelope->texts_size;

	*large = left < node->bytes_max;
	return *large ? left : node->bytes_max;
}

void envelope_text_add(struct envelope *envelope, const struct pointers_node *node,
	const uint8_t *piece, size_t size)
{
	bool large;
	size_t left = envelope_text_room(envelope, node, &large) - envelope->text_size;

	envelope->text_length += size;
	if (envelope->text.cut)
		return;
	if (left > size + UNESCAPE_EXTRA)
		left = size + UNESCAPE_EXTRA;
	if (!envelope_arena_reserve(envelope, left)) {
		envelope->text.cut = true;
		envelope->text_lost = true;
		return;
	}
	envelope->text_size += unescape_piece(&envelope->text,
		envelope->arena + envelope->arena_used + envelope->text_size, left, piece, size);
}

void envelope_text_end(
	struct envelope *envelope, const struct pointers_node *node, enum json_type type)
{
	struct envelope_value *value;
	bool large;
	size_t room = envelope_text_room(envelope, node, &large), size;
	char *text;

	envelope_text_add(
		envelope, node, (const uint8_t *)"", 0); /* reserves for unescape_finish() */
	text = envelope->arena + envelope->arena_used;
	size = unescape_finish(&envelope->text, text, envelope->text_size, room);
	if (envelope->text.cut && large)
		envelope->large = envelope->text_lost = true;
	value = envelope_fill(envelope, node, type, envelope->text.cut, envelope->text_length);
	if (!envelope->text_lost) {
		value->text = text;
		value->size = size;
		envelope->arena_used += size;
		envelope->texts_size += size;
	}
	envelope->text_size = 0;
}

/* What can be a key: a string or number that was read whole. */
static bool envelope_value_usable(const struct envelope_value *value)
{
	return (value->type == JSON_STRING || value->type == JSON_NUMBER) && !value->cut &&
	       value->size <= ENVELOPE_ID_MAX;
}

bool envelope_decided(const struct envelope *envelope)
{
	return envelope_value(envelope, ENVELOPE_ID)->type != JSON_ABSENT &&
	       envelope_value(envelope, ENVELOPE_METHOD)->type != JSON_ABSENT;
}

/* A call: what it is by its id. */
static enum envelope_kind envelope_kind_of_call(const struct envelope_value *id)
{
	if (envelope_value_usable(id))
		return ENVELOPE_REQUEST;
	if (id->type == JSON_ABSENT || id->type == JSON_NULL)
		return ENVELOPE_NOTIFICATION;
	return ENVELOPE_OTHER;
}

static enum envelope_kind envelope_find_kind(const struct envelope *envelope)
{
	const struct envelope_value *id = envelope_value(envelope, ENVELOPE_ID);
	enum json_type error;

	if (envelope_value(envelope, ENVELOPE_METHOD)->type == JSON_STRING)
		return envelope_kind_of_call(id);
	if (id->type == JSON_ABSENT)
		return ENVELOPE_OTHER;
	error = envelope_value(envelope, ENVELOPE_ERROR)->type;
	if (error != JSON_ABSENT && error != JSON_NULL)
		return ENVELOPE_ERROR_REPLY;
	if (envelope_value(envelope, ENVELOPE_RESULT)->type != JSON_ABSENT)
		return ENVELOPE_RESULT_REPLY;
	return ENVELOPE_OTHER;
}

enum envelope_kind envelope_judge(struct envelope *envelope)
{
	envelope->kind = envelope_find_kind(envelope);
	return envelope->kind;
}

#define ENVELOPE_EXPONENT_DIGITS 9 /* fit a long */

/* A number taken apart: digits * 10^(exponent + shift), without zeros at either end of digits. */
struct envelope_number {
	bool negative;
	char digits[ENVELOPE_ID_MAX];
	size_t digits_count;
	long shift;
	bool exponent_negative;
	const char *exponent; /* its digits as spelt, without leading zeros */
	size_t exponent_size;
};

static void envelope_number_split(struct envelope_number *number, const char *at, const char *end)
{
	bool fraction = false;

	*number = (struct envelope_number){.negative = *at == '-', .exponent = end};
	for (at += number->negative; at < end && (*at | 0x20) != 'e'; at++) {
		if (*at == '.') {
			fraction = true;
			continue;
		}
		number->shift -= fraction;
		if (*at != '0' || number->digits_count > 0)
			number->digits[number->digits_count++] = *at; /* at most ENVELOPE_ID_MAX */
	}
	while (number->digits_count > 0 && number->digits[number->digits_count - 1] == '0') {
		number->digits_count--;
		number->shift++;
	}
	if (at == end)
		return;
	at++;
	number->exponent_negative = *at == '-';
	at += *at == '-' || *at == '+';
	while (at < end && *at == '0')
		at++;
	number->exponent = at;
	number->exponent_size = (size_t)(end - at);
}

/* Adds |amount| < 1000 to the decimal number digits[0..size); its size after that is returned. */
static size_t envelope_decimal_add(char *digits, size_t size, long amount)
{
	long carry = amount;
	size_t at;

	for (at = size; at > 0 && carry != 0; at--) {
		long sum = digits[at - 1] - '0' + carry;
		long digit = (sum % 10 + 10) % 10;

		digits[at - 1] = (char)('0' + digit);
		carry = (sum - digit) / 10;
	}
	if (carry > 0) {
		memmove(digits + 1, digits, size++);
		digits[0] = (char)('0' + carry);
	} else if (size > 1 && digits[0] == '0') {
		memmove(digits, digits + 1, --size);
	}
	return size;
}

/* digits, then "e" and the exponent, for what is no integer of ENVELOPE_ID_MAX digits. */
static size_t envelope_key_scientific(
	char *key, const struct envelope_number *number, long exponent)
{
	size_t size;

	if (number->exponent_size <= ENVELOPE_EXPONENT_DIGITS)
		return (size_t)snprintf(key, sizeof("e-1000000000"), "e%ld", exponent);
	key[0] = 'e';
	key[1] = '-';
	key += 1 + number->exponent_negative;
	memcpy(key, number->exponent, number->exponent_size); /* < ENVELOPE_ID_MAX */
	size = envelope_decimal_add(key, number->exponent_size,
		number->exponent_negative ? -number->shift : number->shift);
	return 1 + number->exponent_negative + size;
}

/* The exponent with shift added, LONG_MAX when it has too many digits to be counted with. */
static long envelope_number_exponent(const struct envelope_number *number)
{
	long exponent = 0;
	size_t i;

	if (number->exponent_size > ENVELOPE_EXPONENT_DIGITS)
		return LONG_MAX;
	for (i = 0; i < number->exponent_size; i++)
		exponent = exponent * 10 + (number->exponent[i] - '0');
	return number->shift + (number->exponent_negative ? -exponent : exponent);
}

static size_t envelope_key_number(char *key, const char *text, size_t text_size)
{
	struct envelope_number number;
	char *at = key;
	long exponent;

	envelope_number_split(&number, text, text + text_size);
	if (number.digits_count == 0) {
		*key = '0';
		return 1;
	}
	exponent = envelope_number_exponent(&number);
	if (number.negative)
		*at++ = '-';
	memcpy(at, number.digits, number.digits_count);
	at += number.digits_count;
	if (exponent < 0 || exponent > ENVELOPE_ID_MAX - (at - key))
		at += envelope_key_scientific(at, &number, exponent);
	else {
		memset(at, '0', (size_t)exponent);
		at += exponent;
	}
	return (size_t)(at - key);
}

#define ENVELOPE_EACH(byte) (0x0101010101010101u * (uint64_t)(byte))

/*
 * Bits that are set where one of the bytes is no digit: 0x30 to 0x39 are the bytes whose high half
 * is 3, with six more still. A carry spoils no byte but those after such that is none.
 */
static uint64_t envelope_others(uint64_t bytes)
{
	return ((bytes ^ ENVELOPE_EACH(0x30)) |
		       ((bytes + ENVELOPE_EACH(6)) ^ ENVELOPE_EACH(0x30))) &
	       ENVELOPE_EACH(0xf0);
}

/* The same for four of them. */
static uint64_t envelope_copy_half(char *to, const char *from)
{
	uint32_t half;

	memcpy(&half, from, sizeof(half));
	memcpy(to, &half, sizeof(half));
	return envelope_others((uint64_t)half << 32 | half);
}

/* Copies a text and tells whether it is digits alone, by words that overlap at its end. */
static bool envelope_copy_key(char *to, const char *from, size_t size)
{
	uint64_t word, others = 0;
	size_t i;

	if (size < sizeof(word) / 2) {
		for (i = 0; i < size; i++) {
			to[i] = from[i];
			others |= from[i] < '0' || from[i] > '9';
		}
		return others == 0;
	}
	if (size < sizeof(word))
		return (envelope_copy_half(to, from) |
			       envelope_copy_half(to + size - 4, from + size - 4)) == 0;
	for (i = 0; i < size - sizeof(word); i += sizeof(word)) {
		memcpy(&word, from + i, sizeof(word));
		memcpy(to + i, &word, sizeof(word));
		others |= envelope_others(word);
	}
	memcpy(&word, from + size - sizeof(word), sizeof(word));
	memcpy(to + size - sizeof(word), &word, sizeof(word));
	return (others | envelope_others(word)) == 0;
}

size_t envelope_value_key(const struct envelope_value *value, char key[ENVELOPE_KEY_MAX])
{
	bool digits;

	if (!envelope_value_usable(value)) /* else its text has room: <= ENVELOPE_ID_MAX */
		return 0;
	key[0] = value->type == JSON_STRING ? 's' : 'n';
	digits = envelope_copy_key(key + 1, value->text, value->size);
	if (value->type == JSON_NUMBER && !digits)
		return 1 + envelope_key_number(key + 1, value->text, value->size);
	return 1 + value->size;
}

size_t envelope_id_key(const struct envelope *envelope, char key[ENVELOPE_KEY_MAX])
{
	return envelope_value_key(envelope_value(envelope, ENVELOPE_ID), key);
}

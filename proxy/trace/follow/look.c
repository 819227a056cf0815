/* What rules find in a message; see look.h. Only copies can fail, for want of memory. */
#include "proxy/trace/follow/look.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/trace/names/contents.h"
#include "proxy/trace/names/text.h"

/* ---- conditions ---- */

/* One that ends in * stands for all that begin so. */
static bool look_matches(struct span_text text, const char *other)
{
	size_t size = strlen(other);
	bool begins = size > 0 && other[size - 1] == '*';

	size -= begins;
	return (begins ? text.size >= size : text.size == size) &&
	       memcmp(other, text.bytes, size) == 0;
}

static bool look_is_one_of(struct span_text text, char *const *texts, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (look_matches(text, texts[i]))
			return true;
	return false;
}

/* A value as a condition compares it: true and false are words. */
static struct span_text look_word(const struct look *look, int slot)
{
	const struct envelope_value *value = look_at(look, slot);

	if (value->type == JSON_TRUE || value->type == JSON_FALSE)
		return span_text_of(value->type == JSON_TRUE ? "true" : "false");
	return text_of_value(value);
}

/* Whether a level has risen; one that was not known has, if all of it is new. */
static bool look_increased(const struct matcher_condition *condition, const struct look *look)
{
	const struct look_level *level =
		look->levels == NULL ? NULL : &look->levels[condition->level];
	int64_t whole;

	if (level == NULL || !level->has_now)
		return false;
	if (level->known)
		return level->now > level->before;
	return condition->whole >= 0 && look_integer(look, condition->whole, &whole) &&
	       whole == level->now && whole > 0;
}

static bool look_condition_holds(const struct matcher_condition *condition, const struct look *look)
{
	const struct lifecycle_condition *row = condition->row;

	switch (row->test) {
	case LIFECYCLE_ABSENT:
		return look_at(look, condition->slot)->type <= JSON_NULL;
	case LIFECYCLE_PRESENT:
		return look_at(look, condition->slot)->type > JSON_NULL;
	case LIFECYCLE_ONE_OF:
		return look_is_one_of(
			look_word(look, condition->slot), row->texts, row->text_count);
	case LIFECYCLE_NONE_OF:
		return !look_is_one_of(
			look_word(look, condition->slot), row->texts, row->text_count);
	case LIFECYCLE_INCREASED:
		break;
	}
	return look_increased(condition, look);
}

const struct lifecycle_condition *look_hindrance(
	const struct matcher_rule *rule, const struct look *look)
{
	size_t i;

	for (i = 0; i < rule->row->condition_count; i++)
		if (!look_condition_holds(&rule->conditions[i], look))
			return rule->conditions[i].row;
	return NULL;
}

bool look_holds(const struct matcher_rule *rule, const struct look *look)
{
	return look_hindrance(rule, look) == NULL;
}

/* ---- keys, numbers, times ---- */

struct span_text look_text(const struct look *look, int slot)
{
	const struct envelope_value *value;

	if (slot < 0)
		return span_text_of("");
	value = look_at(look, slot);
	if ((value->type != JSON_STRING && value->type != JSON_NUMBER) || value->cut)
		return span_text_of("");
	return text_of_value(value);
}

bool look_take_key(const struct matcher_rule *rule, const struct look *look, struct key *key)
{
	size_t i;

	for (i = 0; i < rule->row->key_count; i++)
		if (!key_add(key, look_text(look, rule->key[i])))
			return false;
	return true;
}

enum span_status look_status(const struct matcher_rule *rule, const struct look *look)
{
	const struct lifecycle_status *status = &rule->row->status;
	struct span_text text;

	if (status->always)
		return SPAN_STATUS_ERROR;
	if (rule->status < 0)
		return SPAN_STATUS_UNSET;
	text = look_word(look, rule->status);
	if (look_is_one_of(text, status->error, status->error_count))
		return SPAN_STATUS_ERROR;
	return look_is_one_of(text, status->ok, status->ok_count) ? SPAN_STATUS_OK
								  : SPAN_STATUS_UNSET;
}

bool look_excuses(const struct matcher_rule *rule, const struct look *look)
{
	const struct lifecycle_status *status = &rule->row->status;

	return rule->status >= 0 &&
	       look_is_one_of(look_word(look, rule->status), status->unset, status->unset_count);
}

/* An integer of at most 18 digits, as JSON spells it. */
static bool look_parse_integer(struct span_text text, int64_t *integer)
{
	bool negative = text.size > 0 && text.bytes[0] == '-';
	size_t i;

	if (text.size == negative || text.size > 18u + negative)
		return false;
	*integer = 0;
	for (i = negative; i < text.size; i++) {
		if (text.bytes[i] < '0' || text.bytes[i] > '9')
			return false;
		*integer = *integer * 10 + (text.bytes[i] - '0');
	}
	*integer = negative ? -*integer : *integer;
	return true;
}

bool look_integer(const struct look *look, int slot, int64_t *integer)
{
	const struct envelope_value *value = look_at(look, slot);

	return value->type == JSON_NUMBER && !value->cut &&
	       look_parse_integer(text_of_value(value), integer);
}

bool look_time(const struct matcher_rule *rule, const struct look *look, uint64_t *unix_ns)
{
	static const uint64_t units[] = {
		[LIFECYCLE_SECONDS] = 1000000000,
		[LIFECYCLE_MILLISECONDS] = 1000000,
		[LIFECYCLE_MICROSECONDS] = 1000,
		[LIFECYCLE_NANOSECONDS] = 1,
	};
	int64_t integer;

	if (rule->at < 0 || !look_integer(look, rule->at, &integer) || integer <= 0)
		return false;
	return !__builtin_mul_overflow((uint64_t)integer, units[rule->row->at.unit], unix_ns);
}

/* ---- values ---- */

/* Up to the first blank, and of that what follows the last slash: the command in a command line. */
static struct span_text look_first_word(struct span_text text, bool *cut)
{
	size_t from = 0, end;

	for (end = 0; end < text.size && text.bytes[end] != ' '; end++)
		if (text.bytes[end] == '/')
			from = end + 1;
	*cut = *cut && end == text.size;
	return (struct span_text){.bytes = text.bytes + from, .size = end - from};
}

/* By how much a level has risen; all of it, if there was none before. */
static bool look_take_increase(
	const struct matcher_choice *choice, const struct look *look, struct look_value *value)
{
	const struct look_level *level = look->levels == NULL ? NULL : &look->levels[choice->level];

	if (level == NULL || !level->has_now)
		return false;
	*value = (struct look_value){.type = SPAN_VALUE_INT, .sum = true, .integer = level->now};
	if (level->known)
		value->integer = level->now > level->before ? level->now - level->before : 0;
	return true;
}

/* How long after the start of the span that is made there was a moment of that name in it. */
static bool look_take_mark(
	const struct matcher_choice *choice, const struct look *look, struct look_value *value)
{
	uint64_t ns = look->marks == NULL ? 0 : look->marks[choice->mark];

	if (ns == 0 || ns < look->start_ns || ns > look->end_ns) /* of another, not told of */
		return false;
	ns -= look->start_ns;
	*value = (struct look_value){.type = SPAN_VALUE_INT};
	switch (choice->row->unit) {
	case LIFECYCLE_SECONDS:
		value->type = SPAN_VALUE_DOUBLE;
		value->real = (double)ns / 1e9;
		break;
	case LIFECYCLE_MILLISECONDS:
		value->integer = (int64_t)(ns / 1000000);
		break;
	case LIFECYCLE_MICROSECONDS:
		value->integer = (int64_t)(ns / 1000);
		break;
	case LIFECYCLE_NANOSECONDS:
		value->integer = (int64_t)ns;
		break;
	}
	return true;
}

static bool look_take_value(
	enum lifecycle_take take, const struct envelope_value *from, struct look_value *value)
{
	*value = (struct look_value){
		.type = SPAN_VALUE_STRING,
		.cut = from->cut,
		.text = text_of_value(from),
	};
	switch (from->type) {
	case JSON_STRING:
		if (take == LIFECYCLE_TAKE_FIRST_WORD)
			value->text = look_first_word(value->text, &value->cut);
		return take != LIFECYCLE_TAKE_SUM && value->text.size > 0;
	case JSON_NUMBER:
		if (!from->cut && look_parse_integer(value->text, &value->integer))
			value->type = SPAN_VALUE_INT;
		value->sum = take == LIFECYCLE_TAKE_SUM;
		return !value->sum || value->type == SPAN_VALUE_INT;
	case JSON_TRUE:
	case JSON_FALSE:
		value->type = SPAN_VALUE_BOOL;
		value->boolean = from->type == JSON_TRUE;
		return take == LIFECYCLE_TAKE_ALL;
	case JSON_ABSENT:
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return false;
}

/* What was said, if it is a text. */
static bool look_take_contents(const struct matcher_choice *choice,
	const struct envelope_value *from, struct look_value *value)
{
	if (from->type != JSON_STRING || from->size == 0)
		return false;
	*value = (struct look_value){.type = SPAN_VALUE_STRING, .contents = true};
	value->text = contents_take(choice->contents, text_of_value(from), from->cut, choice->room);
	return true;
}

static struct look_value look_constant(const struct lifecycle_choice *row)
{
	struct look_value value = {.type = SPAN_VALUE_BOOL};

	value.boolean = row->constant == LIFECYCLE_TRUE;
	if (row->constant == LIFECYCLE_NUMBER) {
		value.type = SPAN_VALUE_INT;
		value.integer = row->number;
	}
	return value;
}

static bool look_choose(
	const struct matcher_choice *choice, const struct look *look, struct look_value *value)
{
	const struct envelope_value *from = choice->slot >= 0 ? look_at(look, choice->slot) : NULL;

	if (choice->row->constant != LIFECYCLE_NO_CONSTANT) {
		*value = look_constant(choice->row);
		return true;
	}
	if (choice->row->contents)
		return from != NULL && look_take_contents(choice, from, value);
	if (choice->mark != MATCHER_NONE)
		return look_take_mark(choice, look, value);
	if (choice->level != MATCHER_NONE)
		return look_take_increase(choice, look, value);
	if (choice->text.bytes == NULL) {
		assert(from != NULL); /* operand_check_choice() */
		return look_take_value(choice->row->take, from, value);
	}
	*value = (struct look_value){.type = SPAN_VALUE_STRING, .text = choice->text};
	return from == NULL || from->type > JSON_NULL;
}

bool look_take(
	const struct matcher_source *source, const struct look *look, struct look_value *value)
{
	size_t i;

	for (i = 0; i < source->count; i++)
		if (look_choose(&source->choices[i], look, value))
			return true;
	return false;
}

/* ---- values of requests ---- */

struct look_quotes *look_quote(const struct matcher *matcher, uint32_t wanted,
	const struct envelope *request, bool *no_memory)
{
	const struct envelope_value *values[LIFECYCLE_QUOTES_MAX];
	size_t count = 0, size = sizeof(struct look_quotes), i;
	struct look_quotes *quotes;
	uint32_t present = 0;
	char *at;

	*no_memory = false;
	for (i = 0; i < matcher->quote_count; i++) {
		values[count] = envelope_value(request, matcher->quotes[i]);
		if ((wanted >> i & 1) == 0 || values[count]->type == JSON_ABSENT)
			continue;
		size += sizeof *values[0] + values[count++]->size;
		present |= UINT32_C(1) << i;
	}
	if (present == 0)
		return NULL;
	quotes = malloc(size);
	*no_memory = quotes == NULL;
	if (quotes == NULL)
		return NULL;
	quotes->present = present;
	quotes->bytes = (uint32_t)size; /* at most LIFECYCLE_QUOTES_MAX values */
	at = (char *)(quotes->values + count);
	for (i = 0; i < count; i++) {
		quotes->values[i] = *values[i];
		quotes->values[i].text = text_pack(&at, text_of_value(values[i])).bytes;
	}
	return quotes;
}

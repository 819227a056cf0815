/*
 * Sources, conditions and statuses of lifecycle rules: short forms for what is frequent ("/pointer"
 * for {"pointer": "/pointer"}, one text for a list of one), made the same here so that nobody else
 * has to know.
 */
#include "config/profile/operand.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/profile/lifecycle.h"

static const char *const operand_takes[] = {
	[LIFECYCLE_TAKE_ALL] = "all",
	[LIFECYCLE_TAKE_FIRST_WORD] = "first word",
	[LIFECYCLE_TAKE_SUM] = "sum",
	[LIFECYCLE_TAKE_INCREASE] = "increase",
	NULL,
};

static const char *const operand_units[] = {
	[LIFECYCLE_SECONDS] = "s",
	[LIFECYCLE_MILLISECONDS] = "ms",
	[LIFECYCLE_MICROSECONDS] = "us",
	[LIFECYCLE_NANOSECONDS] = "ns",
	NULL,
};

static const struct reader_member operand_members[] = {
	{"pointer", READER_FIELD(struct lifecycle_choice, pointer, reader_take_pointer)},
	{"text", READER_FIELD(struct lifecycle_choice, text, reader_take_text)},
	{"take", READER_WORD(struct lifecycle_choice, take, operand_takes)},
	{"contents", READER_FIELD(struct lifecycle_choice, contents, reader_take_bool)},
	{"mark", READER_FIELD(struct lifecycle_choice, mark, reader_take_text)},
	{"unit", READER_WORD(struct lifecycle_choice, unit, operand_units)},
	{"opt_in", READER_FIELD(struct lifecycle_choice, opt_in, reader_take_text)},
	READER_END,
};

/* There is a pointer or a text, or there is a mark, with what belongs to it. */
static int operand_check_choice(
	struct reader *reader, const struct file_node *node, const struct lifecycle_choice *choice)
{
	bool value = choice->pointer != NULL || choice->text != NULL;

	if (value == (choice->mark != NULL))
		return reader_fail(reader, node, "must have a pointer or a text, or a mark");
	if (choice->text != NULL && file_member(node, "take") != NULL)
		return reader_fail(reader, file_member(node, "take"),
			"must not stand with text, which is taken as it is");
	if (choice->pointer == NULL && file_member(node, "take") != NULL)
		return reader_fail(reader, file_member(node, "take"), "must stand with a pointer");
	if (choice->contents && (choice->pointer == NULL || choice->text != NULL ||
					choice->take != LIFECYCLE_TAKE_ALL))
		return reader_fail(reader, file_member(node, "contents"),
			"must stand with a pointer, and without text and take");
	if ((choice->mark == NULL) != (file_member(node, "unit") == NULL))
		return reader_fail(reader, node, "must have mark and unit together");
	return 0;
}

/* A whole number, true or false. */
static int operand_take_constant(
	struct reader *reader, const struct file_node *node, struct lifecycle_choice *choice)
{
	char *end;

	assert(node->type == FILE_BOOL || node->type == FILE_NUMBER);
	if (node->type == FILE_BOOL) {
		choice->constant =
			strcmp(node->text, "true") == 0 ? LIFECYCLE_TRUE : LIFECYCLE_FALSE;
		return 0;
	}
	errno = 0;
	choice->constant = LIFECYCLE_NUMBER;
	choice->number = strtoll(node->text, &end, 10);
	if (errno != 0 || *end != '\0')
		return reader_fail(
			reader, node, "%s: must be a whole number of 64 bits", node->text);
	return 0;
}

static int operand_take_choice(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_choice *choice = target;

	switch (node->type) {
	case FILE_STRING:
		return reader_take_pointer(reader, node, &choice->pointer);
	case FILE_BOOL:
	case FILE_NUMBER:
		return operand_take_constant(reader, node, choice);
	case FILE_OBJECT:
		break;
	case FILE_ARRAY:
	case FILE_NULL:
		return reader_fail(reader, node,
			"is %s; must be a pointer, true, false, a number, or an object with "
			"pointer, text or take",
			file_type_name(node->type));
	}
	if (reader_take_members(reader, node, operand_members, choice) != 0)
		return -1;
	return operand_check_choice(reader, node, choice);
}

/* Whether a choice always gives a value. */
static bool operand_is_constant(const struct lifecycle_choice *choice)
{
	return choice->constant != LIFECYCLE_NO_CONSTANT ||
	       (choice->text != NULL && choice->pointer == NULL);
}

/* What stands behind a choice that always gives a value is never looked at. */
static int operand_check_reached(
	struct reader *reader, const struct file_node *node, const struct lifecycle_source *source)
{
	size_t i;

	assert(source->choice_count > 0);
	for (i = 0; i + 1 < source->choice_count; i++)
		if (operand_is_constant(&source->choices[i]))
			return reader_fail(reader, node,
				"choice %zu always gives its value; must be the last one", i + 1);
	return 0;
}

int operand_take(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_source *source = target;

	if (node->type == FILE_ARRAY) {
		source->choices = reader_new_items(reader, node, FILE_ARRAY, LIFECYCLE_CHOICES_MAX,
			sizeof *source->choices, &source->choice_count);
		if (source->choices == NULL ||
			reader_take_items(reader, node, operand_take_choice, source->choices,
				sizeof *source->choices) != 0)
			return -1;
		return operand_check_reached(reader, node, source);
	}
	source->choices = calloc(1, sizeof *source->choices);
	if (source->choices == NULL)
		return reader_fail_memory(reader, node);
	source->choice_count = 1;
	return operand_take_choice(reader, node, source->choices);
}

static int operand_take_setting(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_setting *setting = target;

	if (reader_take_key(reader, node, &setting->attribute) != 0)
		return -1;
	return operand_take(reader, node, &setting->source);
}

int operand_take_set(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_set *set = target;

	set->list = reader_new_items(
		reader, node, FILE_OBJECT, LIFECYCLE_SETTINGS_MAX, sizeof *set->list, &set->count);
	if (set->list == NULL)
		return -1;
	return reader_take_items(reader, node, operand_take_setting, set->list, sizeof *set->list);
}

/* A text, or a list of them. */
static int operand_take_texts(
	struct reader *reader, const struct file_node *node, struct lifecycle_condition *condition)
{
	return reader_take_texts_or_one(
		reader, node, &condition->texts, &condition->text_count, LIFECYCLE_TEXTS_MAX);
}

static int operand_take_not(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_condition *condition = target;

	condition->test = LIFECYCLE_NONE_OF;
	return operand_take_texts(reader, node, condition);
}

static int operand_take_increase(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_condition *condition = target;

	condition->test = LIFECYCLE_INCREASED;
	if (node->type == FILE_STRING)
		return reader_take_pointer(reader, node, &condition->whole);
	if (node->type == FILE_BOOL && strcmp(node->text, "true") == 0)
		return 0;
	return reader_fail(reader, node, "must be true, or a pointer");
}

int operand_take_condition(struct reader *reader, const struct file_node *node, void *target)
{
	static const struct reader_member members[] = {
		{"not", READER_WHOLE(operand_take_not)},
		{"increase", READER_WHOLE(operand_take_increase)},
		READER_END,
	};
	struct lifecycle_condition *condition = target;
	bool present = false;

	if (reader_take_key_pointer(reader, node, &condition->pointer) != 0)
		return -1;
	switch (node->type) {
	case FILE_BOOL:
		(void)reader_take_bool(reader, node, &present); /* it is one */
		condition->test = present ? LIFECYCLE_PRESENT : LIFECYCLE_ABSENT;
		return 0;
	case FILE_ARRAY:
	case FILE_STRING:
		condition->test = LIFECYCLE_ONE_OF;
		return operand_take_texts(reader, node, condition);
	case FILE_OBJECT:
		if (node->child == NULL || node->child->next != NULL)
			return reader_fail(reader, node, "must have one of not, increase");
		return reader_take_members(reader, node, members, condition);
	case FILE_NUMBER:
	case FILE_NULL:
		break;
	}
	return reader_fail(reader, node,
		"is %s; must be a text, a list of texts, true (it is there), false (it is not), or "
		"an object with not or increase",
		file_type_name(node->type));
}

int operand_take_time(struct reader *reader, const struct file_node *node, void *target)
{
	static const struct reader_member members[] = {
		{"pointer", READER_FIELD(struct lifecycle_time, pointer, reader_take_pointer)},
		{"unit", READER_WORD(struct lifecycle_time, unit, operand_units)},
		READER_END,
	};

	if (reader_take_members(reader, node, members, target) != 0)
		return -1;
	if (file_member(node, "pointer") == NULL || file_member(node, "unit") == NULL)
		return reader_fail(reader, node, "must have a pointer and a unit");
	return 0;
}

static int operand_take_ok(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_status *status = target;

	return reader_take_texts(reader, node, &status->ok, &status->ok_count, LIFECYCLE_TEXTS_MAX);
}

static int operand_take_error(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_status *status = target;

	if (node->type == FILE_BOOL && strcmp(node->text, "true") == 0) {
		status->always = true;
		return 0;
	}
	return reader_take_texts(
		reader, node, &status->error, &status->error_count, LIFECYCLE_TEXTS_MAX);
}

static int operand_take_unset(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_status *status = target;

	return reader_take_texts(
		reader, node, &status->unset, &status->unset_count, LIFECYCLE_TEXTS_MAX);
}

/* What tells of an error needs to know what one is. */
static int operand_check_error(struct reader *reader, const struct file_node *object,
	const char *key, const struct lifecycle_source *source)
{
	const struct file_node *node = file_member(object, key);

	if (node == NULL)
		return 0;
	if (file_member(object, "error") == NULL)
		return reader_fail(reader, node, "must stand with error, which it explains");
	if (lifecycle_source_sums(source) || lifecycle_source_has_level(source))
		return reader_fail(reader, node, "must not take a sum, there is nothing to add to");
	if (lifecycle_source_contents(source) > 0)
		return reader_fail(reader, node, "must not be contents; must be in a set");
	return 0;
}

int operand_take_status(struct reader *reader, const struct file_node *node, void *target)
{
	static const struct reader_member members[] = {
		{"pointer", READER_FIELD(struct lifecycle_status, pointer, reader_take_pointer)},
		{"ok", READER_WHOLE(operand_take_ok)},
		{"error", READER_WHOLE(operand_take_error)},
		{"unset", READER_WHOLE(operand_take_unset)},
		{"message", READER_FIELD(struct lifecycle_status, message, operand_take)},
		{"type", READER_FIELD(struct lifecycle_status, type, operand_take)},
		READER_END,
	};
	struct lifecycle_status *status = target;
	size_t values;

	if (reader_take_members(reader, node, members, status) != 0)
		return -1;
	values = status->ok_count + status->error_count + status->unset_count;
	if (status->always ? status->pointer != NULL || values > 0
			   : status->pointer == NULL || values == 0)
		return reader_fail(reader, node,
			"must have a pointer, and ok, error or unset; or \"error\": true alone");
	if (operand_check_error(reader, node, "message", &status->message) != 0)
		return -1;
	return operand_check_error(reader, node, "type", &status->type);
}

void operand_done(struct lifecycle_source *source)
{
	size_t i;

	for (i = 0; i < source->choice_count; i++) {
		free(source->choices[i].pointer);
		free(source->choices[i].text);
		free(source->choices[i].mark);
		free(source->choices[i].opt_in);
	}
	free(source->choices);
}

void operand_done_set(struct lifecycle_set *set)
{
	size_t i;

	for (i = 0; i < set->count; i++) {
		free(set->list[i].attribute);
		operand_done(&set->list[i].source);
	}
	free(set->list);
}

void operand_done_condition(struct lifecycle_condition *condition)
{
	free(condition->pointer);
	free(condition->whole);
	reader_free_texts(condition->texts, condition->text_count);
}

void operand_done_status(struct lifecycle_status *status)
{
	free(status->pointer);
	reader_free_texts(status->ok, status->ok_count);
	reader_free_texts(status->error, status->error_count);
	reader_free_texts(status->unset, status->unset_count);
	operand_done(&status->message);
	operand_done(&status->type);
}

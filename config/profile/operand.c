/*
 * Sources, conditions and statuses of lifecycle rules: short forms for what is frequent ("/pointer"
 * for {"pointer": "/pointer"}, one text for a list of one), made the same here so that nobody else
 * has to know.
 */
#include "config/profile/operand.h"

#include <stdlib.h>

#include "config/profile/lifecycle.h"

static int operand_take_take(struct reader *reader, const struct file_node *node, void *target)
{
	static const char *const words[] = {
		[LIFECYCLE_TAKE_ALL] = "all",
		[LIFECYCLE_TAKE_FIRST_WORD] = "first word",
		[LIFECYCLE_TAKE_SUM] = "sum",
		NULL,
	};
	int place = reader_find_word(reader, node, words);

	if (place < 0)
		return -1;
	*(enum lifecycle_take *)target = (enum lifecycle_take)place;
	return 0;
}

static const struct reader_member operand_members[] = {
	{"pointer", reader_take_pointer, offsetof(struct lifecycle_choice, pointer)},
	{"text", reader_take_text, offsetof(struct lifecycle_choice, text)},
	{"take", operand_take_take, offsetof(struct lifecycle_choice, take)},
	{NULL, NULL, 0},
};

static int operand_take_choice(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_choice *choice = target;

	if (node->type == FILE_STRING)
		return reader_take_pointer(reader, node, &choice->pointer);
	if (node->type != FILE_OBJECT)
		return reader_fail(reader, node,
			"is %s; must be a pointer or an object with pointer, text or take",
			file_type_name(node->type));
	if (reader_take_members(reader, node, operand_members, choice) != 0)
		return -1;
	if (choice->pointer == NULL && choice->text == NULL)
		return reader_fail(reader, node, "must have a pointer or a text");
	if (choice->text != NULL && file_member(node, "take") != NULL)
		return reader_fail(reader, file_member(node, "take"),
			"must not stand with text, which is taken as it is");
	return 0;
}

/* A choice without a pointer always gives a value. */
static int operand_check_reached(
	struct reader *reader, const struct file_node *node, const struct lifecycle_source *source)
{
	size_t i;

	for (i = 0; i + 1 < source->choice_count; i++)
		if (source->choices[i].pointer == NULL)
			return reader_fail(reader, node,
				"choice %zu always gives its text; must be the last one", i + 1);
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

int operand_take_setting(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_setting *setting = target;

	if (reader_take_key(reader, node, &setting->attribute) != 0)
		return -1;
	return operand_take(reader, node, &setting->source);
}

int operand_take_condition(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_condition *condition = target;

	if (reader_take_key_pointer(reader, node, &condition->pointer) != 0)
		return -1;
	switch (node->type) {
	case FILE_BOOL:
		return reader_take_bool(reader, node, &condition->present);
	case FILE_ARRAY:
		return reader_take_texts(reader, node, &condition->texts, &condition->text_count,
			LIFECYCLE_TEXTS_MAX);
	case FILE_STRING:
		condition->texts = calloc(1, sizeof *condition->texts);
		if (condition->texts == NULL)
			return reader_fail_memory(reader, node);
		condition->text_count = 1;
		return reader_take_text(reader, node, condition->texts);
	case FILE_OBJECT:
	case FILE_NUMBER:
	case FILE_NULL:
		break;
	}
	return reader_fail(reader, node,
		"is %s; must be a text, a list of texts, true (it is there) or false (it is not)",
		file_type_name(node->type));
}

static int operand_take_ok(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_status *status = target;

	return reader_take_texts(reader, node, &status->ok, &status->ok_count, LIFECYCLE_TEXTS_MAX);
}

static int operand_take_error(struct reader *reader, const struct file_node *node, void *target)
{
	struct lifecycle_status *status = target;

	return reader_take_texts(
		reader, node, &status->error, &status->error_count, LIFECYCLE_TEXTS_MAX);
}

bool operand_sums(const struct lifecycle_source *source)
{
	size_t i;

	for (i = 0; i < source->choice_count; i++)
		if (source->choices[i].take == LIFECYCLE_TAKE_SUM)
			return true;
	return false;
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
	if (operand_sums(source))
		return reader_fail(reader, node, "must not take a sum, there is nothing to add to");
	return 0;
}

int operand_take_status(struct reader *reader, const struct file_node *node, void *target)
{
	static const struct reader_member members[] = {
		{"pointer", reader_take_pointer, offsetof(struct lifecycle_status, pointer)},
		{"ok", operand_take_ok, 0},
		{"error", operand_take_error, 0},
		{"message", operand_take, offsetof(struct lifecycle_status, message)},
		{"type", operand_take, offsetof(struct lifecycle_status, type)},
		{NULL, NULL, 0},
	};
	struct lifecycle_status *status = target;

	if (reader_take_members(reader, node, members, status) != 0)
		return -1;
	if (status->pointer == NULL || status->ok_count + status->error_count == 0)
		return reader_fail(reader, node, "must have a pointer, and ok or error");
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
	}
	free(source->choices);
}

void operand_done_setting(struct lifecycle_setting *setting)
{
	free(setting->attribute);
	operand_done(&setting->source);
}

void operand_done_condition(struct lifecycle_condition *condition)
{
	free(condition->pointer);
	reader_free_texts(condition->texts, condition->text_count);
}

void operand_done_status(struct lifecycle_status *status)
{
	free(status->pointer);
	reader_free_texts(status->ok, status->ok_count);
	reader_free_texts(status->error, status->error_count);
	operand_done(&status->message);
	operand_done(&status->type);
}
